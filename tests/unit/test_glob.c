/* SPDX-License-Identifier: MIT */
/* Patterns of the shell; where fnmatch() knows them all, it is the judge. */
#include "cmd/common/glob.h"

#include "tests/unit/unit.h"

#include <fnmatch.h>

static const struct row {
	const char *pattern, *text;
	bool fits;
} rows[] = {
	{ "", "", true },
	{ "", "a", false },
	{ "abc", "abc", true },
	{ "abc", "abd", false },
	{ "abc", "ab", false },
	{ "a?c", "abc", true },
	{ "?", "", false },
	{ "*", "", true },
	{ "*", "any.thing/at all", true },
	{ "hello*", "hello-twice", true },
	{ "*-twice", "hello-twice", true },
	{ "a*b*c", "a--b--b-c", true },
	{ "a*b*c", "a--c--b", false },
	{ "[1-9]*", "42", true },
	{ "[1-9]*", "042", false },
	{ "[!0]", "1", true },
	{ "[!0]", "0", false },
	{ "[]a]", "]", true },
	{ "[[:digit:]]x", "7x", true },
	{ "[[:digit:]]x", "ax", false },
	{ "[ab", "[ab", true },
	{ "a\\*", "a*", true },
	{ "a\\*", "ab", false },
	{ "@(6|7)", "6", true },
	{ "@(6|7)", "67", false },
	{ "@(6|7)", "", false },
	{ "!(0)", "1", true },
	{ "!(0)", "0", false },
	{ "!(0)", "", true },
	{ "!(7777|0)", "7777", false },
	{ "!(7777|0)", "77770", true },
	{ "!(0|[1-9]??*)", "123", false },
	{ "!(0|[1-9]??*)", "12", true },
	{ "a!(b)c", "abc", false },
	{ "a!(b)c", "ac", true },
	{ "a!(b)c", "abbc", true },
	{ "?(a)b", "b", true },
	{ "?(a)b", "ab", true },
	{ "?(a)b", "aab", false },
	{ "*(ab|c)", "abcab", true },
	{ "*(ab|c)", "", true },
	{ "*(ab|c)", "abca", false },
	{ "+(ab|c)", "", false },
	{ "+(ab|c)", "c", true },
	{ "@(a@(b|c)|d)e", "ace", true },
	{ "@(a@(b|c)|d)e", "ade", false },
	{ "@([)|]|x)", ")", true },
	{ "+(", "+(", true },
	{ "a|b", "a|b", true },
	{ "(a)", "(a)", true },
	{ "+(*)z", "abcz", true },
	{ "@()", "", true },
	{ "*(|a)b", "aab", true },
};

START_TEST(table)
{
	const struct row *row = &rows[_i];

	ck_assert_msg(glob_match(row->pattern, row->text) == row->fits, "%s %s",
	    row->pattern, row->text);
#ifdef FNM_EXTMATCH
	ck_assert_msg(
	    (fnmatch(row->pattern, row->text, FNM_EXTMATCH) == 0) == row->fits,
	    "fnmatch: %s %s", row->pattern, row->text);
#endif
}
END_TEST

static Suite *
glob_suite(void)
{
	Suite *suite = suite_create("glob");
	TCase *tc = unit_case(suite, "glob");

	tcase_add_loop_test(tc, table, 0, UNIT_ROWS(rows));
	return suite;
}

UNIT_MAIN(glob_suite)
