/* SPDX-License-Identifier: MIT */
/* cmd/common/date: what is a point in time, which one, and what is none. */
#include "cmd/common/date.h"
#include "tests/unit/unit.h"

#include <time.h>

#define NS INT64_C(1000000000)
#define NOON (INT64_C(1796040000) * NS) /* 2026-11-30 12:00 UTC */

static const struct {
	const char *text;
	int64_t ns;
} good[] = {
	{ "2026-11-30 12:00", NOON },
	{ "2026-11-30 12:00:00", NOON },
	{ "2026-11-30T12:00:00Z", NOON },
	{ "2026-11-30T12:00:00.000000000Z", NOON },
	{ "2026-11-30 12:00 UTC", NOON },
	{ "2026-11-30 12:00 gmt", NOON },
	{ "  2026-11-30   12:00  ", NOON },
	{ "2026/11/30 12:00", NOON },
	{ "2026-11-30 13:00+01:00", NOON },
	{ "2026-11-30 13:00 +0100", NOON },
	{ "2026-11-30T13:00+01", NOON },
	{ "2026-11-30 06:30 -05:30", NOON },
	{ "2026-11-30 12:00:05.25", NOON + 5 * NS + NS / 4 },
	{ "2026-11-30 12:00:00.000000001", NOON + 1 },
	{ "2026-11-30", NOON - 12 * 3600 * NS },
	{ "30 Nov 2026 12:00", NOON },
	{ "30-Nov-2026 12:00", NOON },
	{ "Nov 30, 2026 12:00", NOON },
	{ "November 30 2026 12:00", NOON },
	{ "Mon, 30 Nov 2026 12:00:00 +0000", NOON },
	{ "Monday, November 30, 2026, 12:00", NOON },
	{ "1970-01-01", 0 },
	{ "1970-01-01 00:00Z", 0 },
	{ "1969-12-31 23:59:59.5 Z", -NS / 2 },
	{ "2024-02-29 00:00", INT64_C(1709164800) * NS },
	{ "2000-2-9 1:02", INT64_C(950058120) * NS },
	/* a time of day: of the day of NOON */
	{ "12:00", NOON },
	{ "12:00:05.25", NOON + 5 * NS + NS / 4 },
	{ "00:00Z", NOON - 12 * 3600 * NS },
};

static const struct {
	const char *text, *err;
} bad[] = {
	{ "", "" },
	{ "now", "" },
	{ "5", "" },
	{ "2026", "" },
	{ "2026-11", "" },
	{ "2026-11-30-1", "" },
	{ "2026-11/30", "" },
	{ "30.11.2026", "" },
	{ "2026-11-30 12", "" },
	{ "2026-11-30 12:", "" },
	{ "2026-11-30 12:00:", "" },
	{ "2026-11-30 12:00:00.", "" },
	{ "2026-11-30 12:00 +", "" },
	{ "2026-11-30 12:00 +01:00 x", "" },
	{ "20261130", "" },
	{ "30 Foo 2026", "" },
	{ "Nov 2026", "" },
	{ "2026-00-30", "there is no such month" },
	{ "2026-13-30", "there is no such month" },
	{ "2026-02-29", "that month has no such day" },
	{ "1900-02-29", "that month has no such day" },
	{ "2026-04-31", "that month has no such day" },
	{ "2026-11-0", "that month has no such day" },
	{ "1677-11-30", "the year is to be from 1678 to 2261" },
	{ "9999-11-30", "the year is to be from 1678 to 2261" },
	{ "2026-11-30 24:00", "there is no such time of day" },
	{ "2026-11-30 12:60", "there is no such time of day" },
	{ "25:00", "there is no such time of day" },
	{ "2026-11-30 12:00 CET", "a zone is Z, UTC or such as +02:00" },
	{ "2026-11-30 12:00 +15:00", "a zone is at most 14 hours away" },
	{ "2026-11-30 12:00:00.1234567891", "a second has at most 9 decimals" },
};

static void
set_zone(const char *tz)
{
	ck_assert_int_eq(setenv("TZ", tz, 1), 0);
	tzset();
}

START_TEST(test_good)
{
	char err[DATE_ERR_CHARS];
	int64_t ns = 7;

	set_zone("UTC0");
	ck_assert_msg(date_parse(good[_i].text, NOON, &ns, err), "%s: %s",
	    good[_i].text, err);
	ck_assert_msg(
	    ns == good[_i].ns, "%s: %lld", good[_i].text, (long long)ns);
	ck_assert_str_eq(err, "");
}
END_TEST

START_TEST(test_bad)
{
	char err[DATE_ERR_CHARS] = "x";
	int64_t ns;

	set_zone("UTC0");
	ck_assert_msg(
	    !date_parse(bad[_i].text, NOON, &ns, err), "%s", bad[_i].text);
	ck_assert_msg(
	    strcmp(err, bad[_i].err) == 0, "%s: %s", bad[_i].text, err);
}
END_TEST

/* Without a zone it is local, and an hour of the spring does not exist. */
START_TEST(test_local)
{
	char err[DATE_ERR_CHARS];
	int64_t ns;

	set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	ck_assert(date_parse("2026-11-30 13:00", DATE_NO_DAY, &ns, err));
	ck_assert(ns == NOON);
	ck_assert(date_parse("2026-07-01 02:00", DATE_NO_DAY, &ns, err));
	ck_assert(ns == INT64_C(1782864000) * NS);
	ck_assert(date_parse("2026-11-30 12:00Z", DATE_NO_DAY, &ns, err));
	ck_assert(ns == NOON);
	ck_assert(!date_parse("2026-03-29 02:30", DATE_NO_DAY, &ns, err));
	ck_assert_str_eq(
	    err, "there is no such local time: clocks were put forward");
	/* the day is the local one */
	ck_assert(date_parse("00:30", NOON + 11 * 3600 * NS + 1, &ns, err));
	ck_assert(ns == NOON + (11 * 3600 + 1800) * NS);
	ck_assert(!date_parse("00:30", DATE_NO_DAY, &ns, err));
	ck_assert_str_eq(err, "a date is to precede the time of day");
}
END_TEST

static Suite *
date_suite(void)
{
	Suite *suite = suite_create("date");
	TCase *tc = unit_case(suite, "date");

	tcase_add_loop_test(tc, test_good, 0, UNIT_ROWS(good));
	tcase_add_loop_test(tc, test_bad, 0, UNIT_ROWS(bad));
	tcase_add_test(tc, test_local);
	return suite;
}

UNIT_MAIN(date_suite)
