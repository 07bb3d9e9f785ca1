/* SPDX-License-Identifier: MIT */
/* cmd/stats/table */
#include "cmd/stats/table.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <math.h>

/* What is printed; to be freed. */
static char *
printed(const struct table *table, enum table_format format)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	ck_assert_ptr_nonnull(out);
	ck_assert(table_print(table, out, format));
	fclose(out);
	return text;
}

static void
check_print(struct table *table, const char *text, const char *json)
{
	char *was = printed(table, TABLE_AS_TEXT);

	ck_assert_str_eq(was, text);
	free(was);
	was = printed(table, TABLE_AS_JSON);
	ck_assert_str_eq(was, json);
	free(was);
	table_free(table);
}

START_TEST(all_types)
{
	static const struct table_column columns[] = {
		{ .name = "name", .head = "name", .left = true },
		{ .name = "n", .head = "n" },
		{ .name = "delta_ms", .head = "delta", .unit = "ms" },
		{ .name = "ratio", .head = "ratio", .decimals = 2 },
		{ .name = "bar", .head = "", .bar = true },
	};
	struct table table;

	table_init(&table, "things", "Things", columns, 5);
	table_row(&table);
	table_str(&table, "a");
	table_u64(&table, UINT64_MAX);
	table_i64(&table, -50);
	table_f64(&table, 0.125);
	table_u64(&table, 3);
	table_str(&table, "one too many");
	table_row(&table);
	table_fmt(&table, "long%d", 2);
	table_u64(&table, 0);
	table_null(&table);
	table_f64(&table, NAN);
	table_u64(&table, 1);
	table_row(&table);
	table_note(&table, "%d rows", 3);
	check_print(&table,
	    "Things\n"
	    "                               delta\n"
	    "  name                      n     ms  ratio\n"
	    "  a      18446744073709551615    -50   0.12  "
	    "##############################\n"
	    "  long2                     0                "
	    "##########\n"
	    "\n"
	    "  3 rows\n",
	    "{\"type\":\"statistics\",\"name\":\"things\",\"columns\":"
	    "[\"name\",\"n\",\"delta_ms\",\"ratio\"],\"rows\":"
	    "[[\"a\",18446744073709551615,-50,0.12],"
	    "[\"long2\",0,null,null],[null,null,null,null]],"
	    "\"notes\":[\"3 rows\"]}\n");
}
END_TEST

START_TEST(empty)
{
	static const struct table_column columns[] = {
		{ .name = "n", .head = "n" },
	};
	struct table table;

	table_init(&table, "none", "None", columns, 1);
	check_print(&table, "None\n",
	    "{\"type\":\"statistics\",\"name\":\"none\",\"columns\":[\"n\"],"
	    "\"rows\":[]}\n");
}
END_TEST

START_TEST(wrapped_heads)
{
	static const struct table_column columns[] = {
		{ .name = "a", .head = "one two three" },
		{ .name = "b", .head = "b", .left = true },
		{ .name = "c", .head = "not seen", .in = TABLE_JSON },
		{ .name = "d", .head = "d d", .in = TABLE_TEXT },
	};
	struct table table;

	table_init(&table, "heads", NULL, columns, 4);
	for (int i = 0; i < 2; i++) {
		table_row(&table);
		table_u64(&table, i == 0 ? 1 : 12345678);
		table_str(&table, i == 0 ? "x" : "yz");
		table_u64(&table, 5);
		table_u64(&table, 6);
	}
	check_print(&table,
	    "   one two      d\n"
	    "     three  b   d\n"
	    "         1  x   6\n"
	    "  12345678  yz  6\n",
	    "{\"type\":\"statistics\",\"name\":\"heads\",\"columns\":"
	    "[\"a\",\"b\",\"c\"],\"rows\":[[1,\"x\",5],[12345678,\"yz\",5]]}"
	    "\n");
}
END_TEST

/* Too wide: blocks of at most 80 columns, each with the first column. */
START_TEST(blocks)
{
	struct table_column columns[20];
	struct table table;
	char *text, *line, *save = NULL;
	int n_lines = 0, n_first = 0;

	for (int i = 0; i < 20; i++)
		columns[i] = (struct table_column){ .name = "c", .head = "c" };
	table_init(&table, "wide", NULL, columns, 20);
	table_row(&table);
	for (uint64_t i = 0; i < 20; i++)
		table_u64(&table, i == 0 ? 42 : 1000000000 + i);
	text = printed(&table, TABLE_AS_TEXT);
	for (uint64_t i = 1; i < 20; i++) {
		char number[32];

		snprintf(number, sizeof(number), "%d", 1000000000 + (int)i);
		ck_assert_ptr_nonnull(strstr(text, number));
	}
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		ck_assert_uint_le(strlen(line), 80);
		n_lines++;
		n_first += strncmp(line, "  42 ", 5) == 0;
	}
	ck_assert_int_eq(n_first, 4); /* 6 fit beside it */
	ck_assert_int_eq(n_lines, 8);
	free(text);
	table_free(&table);
}
END_TEST

/* Just too wide for gaps of two: gaps of one, and one block. */
START_TEST(narrow_gaps)
{
	struct table_column columns[8];
	struct table table;
	char *text;

	for (int i = 0; i < 8; i++)
		columns[i] = (struct table_column){ .name = "c", .head = "c" };
	table_init(&table, "narrow", NULL, columns, 8);
	table_row(&table);
	for (int i = 0; i < 8; i++)
		table_u64(&table, i < 7 ? 10000000 : 1000000000);
	text = printed(&table, TABLE_AS_TEXT);
	ck_assert_uint_eq(
	    strlen(strchr(text, '\n') + 1), 2 + 7 * 8 + 10 + 7 + 1);
	free(text);
	table_free(&table);
}
END_TEST

static const struct {
	const char *in, *text, *json;
} strings[] = {
	{ "plain", "plain", "\"plain\"" },
	{ "quote\" back\\ /", "quote\" back\\ /", "\"quote\\\" back\\\\ /\"" },
	{ "\033[31m\n\177", "\\x1b[31m\\x0a\\x7f",
	    "\"\\u001b[31m\\n\\u007f\"" },
	{ "\xc3\x9c", "\\xc3\\x9c", "\"\xc3\x9c\"" },
	{ "\xe2\x82\xac", "\\xe2\\x82\\xac", "\"\xe2\x82\xac\"" },
	{ "\xf0\x9f\x98\x80", "\\xf0\\x9f\\x98\\x80", "\"\xf0\x9f\x98\x80\"" },
	{ "\xff", "\\xff", "\"\\ufffd\"" },
	{ "\x80", "\\x80", "\"\\ufffd\"" },
	{ "\xc0\x80", "\\xc0\\x80", "\"\\ufffd\\ufffd\"" },
	{ "\xe0\x80\x80", "\\xe0\\x80\\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80",
	    "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
	{ "\xe2\x82", "\\xe2\\x82", "\"\\ufffd\\ufffd\"" },
	{ "\xf1\x80\x80", "\\xf1\\x80\\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
};

START_TEST(hostile_strings)
{
	static const struct table_column columns[] = {
		{ .name = "s", .head = "s", .left = true },
	};
	struct table table;
	char text[128], json[256];
	json_t *root;

	table_init(&table, "s", NULL, columns, 1);
	table_row(&table);
	table_str(&table, strings[_i].in);
	snprintf(text, sizeof(text), "  s\n  %s\n", strings[_i].text);
	snprintf(json, sizeof(json),
	    "{\"type\":\"statistics\",\"name\":\"s\",\"columns\":[\"s\"],"
	    "\"rows\":[[%s]]}\n",
	    strings[_i].json);
	root = json_loads(json, 0, NULL);
	ck_assert_ptr_nonnull(root);
	json_decref(root);
	check_print(&table, text, json);
}
END_TEST

/* A name before each row, quotes where they are needed, nothing for null. */
START_TEST(csv)
{
	static const struct table_column columns[] = {
		{ .name = "name", .head = "name", .left = true },
		{ .name = "only_text", .head = "t", .in = TABLE_TEXT },
		{ .name = "ms", .head = "ms", .decimals = 2 },
		{ .name = "a,b", .head = "a", .in = TABLE_JSON },
	};
	struct table table;
	char *text;

	table_init(&table, "t", NULL, columns, UNIT_ROWS(columns));
	table_row(&table);
	table_str(&table, "say \"x\", y");
	table_u64(&table, 1);
	table_f64(&table, 1.5);
	table_i64(&table, -3);
	table_row(&table);
	table_str(&table, "a\nb");
	table_row(&table);
	table_str(&table, "");
	table_note(&table, "%d, more", 7);
	text = printed(&table, TABLE_AS_CSV);
	ck_assert_str_eq(text,
	    "statistic,name,ms,\"a,b\"\n"
	    "t,\"say \"\"x\"\", y\",1.50,-3\n"
	    "t,a\\nb,,\n"
	    "t,\"\",,\n"
	    "t,\"7, more\"\n");
	free(text);
	table_free(&table);
}
END_TEST

static Suite *
table_suite(void)
{
	Suite *suite = suite_create("table");
	TCase *tc = unit_case(suite, "table");

	tcase_add_test(tc, all_types);
	tcase_add_test(tc, empty);
	tcase_add_test(tc, wrapped_heads);
	tcase_add_test(tc, blocks);
	tcase_add_test(tc, narrow_gaps);
	tcase_add_test(tc, csv);
	tcase_add_loop_test(tc, hostile_strings, 0, UNIT_ROWS(strings));
	return suite;
}

UNIT_MAIN(table_suite)
