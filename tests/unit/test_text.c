/* SPDX-License-Identifier: MIT */
/* Pages built in memory. */
#include "cmd/common/json.h"

#include "tests/unit/unit.h"

static void
check_text(struct text *text, const char *want)
{
	const struct bnet_slice got = text_slice(text);

	ck_assert(text_ok(text));
	unit_same("text", got,
	    (struct bnet_slice){ (const uint8_t *)want, strlen(want) });
	text_free(text);
}

START_TEST(built)
{
	struct text text;

	text_init(&text, 1000);
	text_str(&text, "a");
	text_bytes(&text, "bcd", 2);
	text_printf(&text, "%d%s", 17, "!");
	text_printf(&text, "%s", "");
	check_text(&text, "abc17!");
}
END_TEST

static const struct {
	const char *in, *want;
} strings[] = {
	{ NULL, "null" },
	{ "", "\"\"" },
	{ "jita", "\"jita\"" },
	{ "a\"b\\c\n", "\"a\\\"b\\\\c\\n\"" },
	{ "\x01\x7f", "\"\\u0001\\u007f\"" },
	{ "\xff\xc3\xa9", "\"\\ufffd\xc3\xa9\"" },
};

START_TEST(json)
{
	struct text text;

	text_init(&text, 1000);
	text_json(&text, strings[_i].in);
	check_text(&text, strings[_i].want);
}
END_TEST

/* What does not fit is not there at all, and nothing comes after it. */
START_TEST(ceiling)
{
	struct text text;

	text_init(&text, 8);
	text_str(&text, "12345");
	if (_i == 0)
		text_str(&text, "6789");
	else
		text_printf(&text, "%s", "6789");
	ck_assert(!text_ok(&text));
	text_str(&text, "6");
	text_printf(&text, "%d", 6);
	ck_assert_uint_eq(text_slice(&text).len, 5);
	text_free(&text);
}
END_TEST

static Suite *
text_suite(void)
{
	Suite *suite = suite_create("text");
	TCase *tc = unit_case(suite, "text");

	tcase_add_test(tc, built);
	tcase_add_loop_test(tc, json, 0, UNIT_ROWS(strings));
	tcase_add_loop_test(tc, ceiling, 0, 2);
	return suite;
}

UNIT_MAIN(text_suite)
