/* SPDX-License-Identifier: MIT */
#include "cmd/common/date.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_DIGITS 9
#define YEAR_MIN 1678 /* all of these years fit int64_t as ns */
#define YEAR_MAX 2261

/* What was read; year 0: no date. */
struct reader {
	const char *s;
	int year, month, day; /* month and day from 1 */
	int hour, minute, second;
	int64_t ns;
	bool zoned;
	int east_minutes; /* the zone, if zoned */
	char *err; /* DATE_ERR_CHARS */
};

static bool
wrong(struct reader *r, const char *what)
{
	(void)snprintf(r->err, DATE_ERR_CHARS, "%s", what);
	return false;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
skip_blanks(struct reader *r)
{
	r->s += strspn(r->s, " \t");
}

/* Reads one to `most` digits. */
static bool
read_int(struct reader *r, int most, int *v)
{
	const char *from = r->s;

	for (*v = 0; is_digit(*r->s) && r->s - from < most; r->s++)
		*v = *v * 10 + (*r->s - '0');
	return r->s > from && !is_digit(*r->s);
}

static bool
read_char(struct reader *r, char c)
{
	if (*r->s != c)
		return false;
	r->s++;
	return true;
}

/* Reads a word of the list, or its first three letters; -1: none of them. */
static int
read_word(struct reader *r, const char *const *words, int n)
{
	size_t len = strcspn(r->s, " \t,.-/0123456789:+");

	for (int i = 0; i < n; i++) {
		if ((len != 3 && len != strlen(words[i])) ||
		    strncasecmp(r->s, words[i], len) != 0)
			continue;
		r->s += len;
		return i;
	}
	return -1;
}

static bool
read_month(struct reader *r)
{
	static const char *const months[] = { "january", "february", "march",
		"april", "may", "june", "july", "august", "september",
		"october", "november", "december" };

	r->month = 1 + read_word(r, months, 12);
	return r->month > 0;
}

/* "Mon," may precede a date; whether it is one is not looked at. */
static void
skip_weekday(struct reader *r)
{
	static const char *const days[] = { "monday", "tuesday", "wednesday",
		"thursday", "friday", "saturday", "sunday" };

	if (read_word(r, days, 7) < 0)
		return;
	(void)read_char(r, ',');
	skip_blanks(r);
}

/* "2026-11-30" or "2026/11/30" */
static bool
read_numeric(struct reader *r)
{
	char between;

	if (!read_int(r, 4, &r->year))
		return false;
	between = *r->s;
	return (between == '-' || between == '/') && read_char(r, between) &&
	    read_int(r, 2, &r->month) && read_char(r, between) &&
	    read_int(r, 2, &r->day);
}

/* "30 Nov 2026" or "Nov 30, 2026" */
static bool
read_named(struct reader *r)
{
	bool day_first = is_digit(*r->s);

	if (day_first && !read_int(r, 2, &r->day))
		return false;
	if (day_first)
		r->s += strspn(r->s, " \t-");
	if (!read_month(r))
		return false;
	r->s += strspn(r->s, day_first ? " \t-" : " \t");
	if (!day_first) {
		if (!read_int(r, 2, &r->day))
			return false;
		(void)read_char(r, ',');
		skip_blanks(r);
	}
	return read_int(r, 4, &r->year);
}

static bool
read_date(struct reader *r)
{
	skip_weekday(r);
	if (is_digit(r->s[0]) && is_digit(r->s[1]) && is_digit(r->s[2]))
		return read_numeric(r);
	return read_named(r);
}

/* Reads what follows the seconds: ".5" */
static bool
read_decimals(struct reader *r)
{
	int n = 0;

	if (!read_char(r, '.'))
		return true;
	for (r->ns = 0; is_digit(*r->s); r->s++, n++) {
		if (n == NS_DIGITS)
			return wrong(r, "a second has at most 9 decimals");
		r->ns = r->ns * 10 + (*r->s - '0');
	}
	for (int i = n; i < NS_DIGITS; i++)
		r->ns *= 10;
	return n > 0;
}

/* "12:00", "12:00:05", "12:00:05.25" */
static bool
read_clock(struct reader *r)
{
	if (!read_int(r, 2, &r->hour) || !read_char(r, ':') ||
	    !read_int(r, 2, &r->minute))
		return false;
	if (!read_char(r, ':'))
		return true;
	return read_int(r, 2, &r->second) && read_decimals(r);
}

/* "+02:00", "+0200", "+02" */
static bool
read_offset(struct reader *r)
{
	const bool west = *r->s++ == '-';
	const char *from = r->s;
	int hours, minutes = 0;

	if (!read_int(r, 4, &hours))
		return false;
	if (r->s - from > 2) {
		minutes = hours % 100;
		hours /= 100;
	} else if (read_char(r, ':') && !read_int(r, 2, &minutes)) {
		return false;
	}
	if (hours > 14 || minutes > 59)
		return wrong(r, "a zone is at most 14 hours away");
	r->east_minutes = (hours * 60 + minutes) * (west ? -1 : 1);
	return true;
}

static bool
read_zone(struct reader *r)
{
	static const char *const utc[] = { "Z", "UTC", "GMT" };

	skip_blanks(r);
	if (*r->s == '\0')
		return true;
	r->zoned = true;
	if (*r->s == '+' || *r->s == '-')
		return read_offset(r);
	for (size_t i = 0; i < sizeof(utc) / sizeof(utc[0]); i++) {
		if (strcasecmp(r->s, utc[i]) != 0)
			continue;
		r->s += strlen(utc[i]);
		return true;
	}
	return wrong(r, "a zone is Z, UTC or such as +02:00");
}

static bool
is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool
check_values(struct reader *r)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };

	if (r->month < 1 || r->month > 12)
		return wrong(r, "there is no such month");
	if (r->day < 1 ||
	    r->day > days[r->month - 1] + (r->month == 2 && is_leap(r->year)))
		return wrong(r, "that month has no such day");
	if (r->year < YEAR_MIN || r->year > YEAR_MAX)
		return wrong(r, "the year is to be from 1678 to 2261");
	if (r->hour > 23 || r->minute > 59 || r->second > 59)
		return wrong(r, "there is no such time of day");
	return true;
}

static bool
to_unix(struct reader *r, int64_t *ns)
{
	struct tm tm = { .tm_year = r->year - 1900,
		.tm_mon = r->month - 1,
		.tm_mday = r->day,
		.tm_hour = r->hour,
		.tm_min = r->minute,
		.tm_sec = r->second,
		.tm_isdst = -1 };
	time_t s;

	if (r->zoned) {
		s = timegm(&tm) - (time_t)r->east_minutes * 60;
	} else {
		s = mktime(&tm);
		if (tm.tm_hour != r->hour || tm.tm_min != r->minute)
			return wrong(r,
			    "there is no such local time: "
			    "clocks were put forward");
	}
	*ns = (int64_t)s * NS_PER_S + r->ns;
	return true;
}

static void
set_day(struct reader *r, int64_t day_ns)
{
	time_t s = (time_t)(day_ns / NS_PER_S - (day_ns % NS_PER_S < 0));
	struct tm tm;

	localtime_r(&s, &tm);
	r->year = tm.tm_year + 1900;
	r->month = tm.tm_mon + 1;
	r->day = tm.tm_mday;
}

bool
date_parse(
    const char *text, int64_t day_ns, int64_t *ns, char err[DATE_ERR_CHARS])
{
	struct reader r = { .s = text, .err = err };
	size_t digits;
	bool has_date;

	err[0] = '\0';
	skip_blanks(&r);
	digits = strspn(r.s, "0123456789");
	has_date = digits == 0 || r.s[digits] != ':';
	if (!has_date && day_ns == DATE_NO_DAY)
		return wrong(&r, "a date is to precede the time of day");
	if (!has_date)
		set_day(&r, day_ns);
	else if (!read_date(&r))
		return false;
	if (has_date && *r.s == 'T')
		r.s++;
	else if (has_date)
		r.s += strspn(r.s, " \t,");
	if ((!has_date || *r.s != '\0') && !read_clock(&r))
		return false;
	if (!read_zone(&r))
		return false;
	skip_blanks(&r);
	return *r.s == '\0' && check_values(&r) && to_unix(&r, ns);
}
