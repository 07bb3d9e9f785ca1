/* SPDX-License-Identifier: MIT */
/* cmd/node/values: what is written in JSON, as the reader reads it. */
#include "cmd/node/values.h"
#include "proto/marshal.h"

#include "tests/unit/object_text.h"

static const struct {
	const char *json;
	const char *object; /* as bluenet-decode shows it; NULL: refused */
	const char *err;
} rows[] = {
	{ "null", "null", NULL },
	{ "true", "true", NULL },
	{ "false", "false", NULL },
	{ "0", "0", NULL },
	{ "-1", "-1", NULL },
	{ "300", "300", NULL },
	{ "9223372036854775807", "9223372036854775807", NULL },
	{ "-9223372036854775808", "-9223372036854775808", NULL },
	{ "1.5", "1.5", NULL },
	{ "\"\"", "\"\"", NULL },
	{ "\"a\\u00e9\"", "\"a\xc3\xa9\"", NULL },
	{ "[]", "[]", NULL },
	{ "[1,[2]]", "[1,[2]]", NULL },
	{ "{\"tuple\":[]}", "[]", NULL },
	{ "{\"tuple\":[1,2,3]}", "[1,2,3]", NULL },
	{ "{}", "{}", NULL },
	{ "{\"b\":1,\"a\":[null]}", "{\"b\":1,\"a\":[null]}", NULL },
	{ "{\"bytes\":\"00ff\",\"other\":1}",
	    "{\"bytes\":\"00ff\",\"other\":1}", NULL },
	{ "{\"dict\":[[1,\"a\"],[{\"tuple\":[2]},\"b\"]]}",
	    "{\"dict\":[[1,\"a\"],[[2],\"b\"]]}", NULL },
	{ "{\"dict\":[[\"bytes\",1]]}", "{\"dict\":[[\"bytes\",1]]}", NULL },
	{ "{\"bytes\":\"\"}", "{\"bytes\":\"\"}", NULL },
	{ "{\"bytes\":\"00ff10\"}", "{\"bytes\":\"00ff10\"}", NULL },
	{ "{\"long\":\"0\"}", "0", NULL },
	{ "{\"long\":\"127\"}", "127", NULL },
	{ "{\"long\":\"128\"}", "128", NULL },
	{ "{\"long\":\"-128\"}", "-128", NULL },
	{ "{\"long\":\"-129\"}", "-129", NULL },
	{ "{\"long\":\"18446744073709551616\"}", "18446744073709551616", NULL },
	{ "{\"long\":\"-123456789012345678901234567890\"}",
	    "-123456789012345678901234567890", NULL },
	{ "{\"float\":1}", "1.0", NULL },
	{ "{\"float\":\"nan\"}", "\"nan\"", NULL },
	{ "{\"float\":\"-inf\"}", "\"-inf\"", NULL },
	{ "{\"global\":\"a.b\"}", "{\"global\":\"a.b\"}", NULL },
	{ "{\"instance\":{\"class\":\"a.b\"}}",
	    "{\"instance\":{\"class\":\"a.b\"}}", NULL },
	{ "{\"instance\":{\"class\":\"a.b\",\"args\":[1],\"state\":{\"x\":2},"
	  "\"list\":[3],\"dict\":[[\"k\",4]]}}",
	    "{\"instance\":{\"class\":\"a.b\",\"args\":[1],"
	    "\"state\":{\"x\":2},\"list\":[3],\"dict\":{\"k\":4}}}",
	    NULL },
	{ "{\"row\":{\"columns\":[[\"a\",\"i64\"],[\"b\",\"currency\"],"
	  "[\"c\",\"double\"],[\"d\",\"bool\"],[\"e\",\"wstr\"],"
	  "[\"f\",\"float\"],[\"g\",\"u8\"]],"
	  "\"values\":[-5,5.12,2,true,\"x\",null,255]}}",
	    "{\"row\":{\"a\":-5,\"b\":5.12,\"c\":2.0,\"d\":true,\"e\":\"x\","
	    "\"f\":null,\"g\":255}}",
	    NULL },
	{ "{\"rows\":{\"columns\":[[\"a\",\"i8\"]],\"values\":[[1],[2],[3]]}}",
	    "[{\"row\":{\"a\":1}},{\"row\":{\"a\":2}},{\"row\":{\"a\":3}}]",
	    NULL },
	{ "{\"rows\":{\"columns\":[[\"a\",\"i8\"]],\"values\":[]}}", "[]",
	    NULL },
	/* and what is none of them */
	{ "{\"bytes\":\"0\"}", NULL, "digits 0-9a-f" },
	{ "{\"bytes\":\"0G\"}", NULL, "digits 0-9a-f" },
	{ "{\"bytes\":7}", NULL, "digits 0-9a-f" },
	{ "{\"long\":\"\"}", NULL, "1024 digits" },
	{ "{\"long\":\"1e5\"}", NULL, "1024 digits" },
	{ "{\"long\":\"--1\"}", NULL, "1024 digits" },
	{ "{\"float\":\"x\"}", NULL, "nan, inf or -inf" },
	{ "{\"global\":1}", NULL, "a name" },
	{ "{\"tuple\":1}", NULL, "an array" },
	{ "{\"dict\":[[1]]}", NULL, "[key, value]" },
	{ "{\"dict\":{}}", NULL, "[key, value]" },
	{ "{\"instance\":{}}", NULL, "a \"class\"" },
	{ "{\"instance\":{\"class\":\"a\",\"args\":1}}", NULL, "arrays" },
	{ "{\"row\":{}}", NULL, "\"columns\"" },
	{ "{\"row\":{\"columns\":[[\"a\",\"x\"]],\"values\":[1]}}", NULL,
	    "[name, type]" },
	{ "{\"row\":{\"columns\":[[\"a\",\"i8\"]],\"values\":[1,2]}}", NULL,
	    "each column" },
	{ "{\"row\":{\"columns\":[[\"a\",\"i8\"]],\"values\":[300]}}", NULL,
	    "fit their columns" },
	{ "{\"row\":{\"columns\":[[\"a\",\"currency\"]],\"values\":[1e15]}}",
	    NULL, "9e14" },
	{ "{\"rows\":{\"columns\":[[\"a\",\"i8\"]],\"values\":[1]}}", NULL,
	    "each column" },
};

START_TEST(value)
{
	char err[VALUES_ERR_CHARS];
	struct bnet_marshal *m = bnet_marshal_new(NULL);
	struct bnet_object object;
	struct bnet_buf out;
	json_t *json;
	bool ok;

	bnet_buf_init(&out, 4096);
	json = json_loads(rows[_i].json, JSON_DECODE_ANY, NULL);
	ck_assert_msg(json != NULL, "%s", rows[_i].json);
	ok = values_stream(json, &out, err);
	json_decref(json);
	ck_assert_msg(
	    ok == (rows[_i].object != NULL), "%s: %s", rows[_i].json, err);
	if (ok) {
		unit_err(rows[_i].json,
		    bnet_marshal_read(m, bnet_buf_slice(&out), &object),
		    BNET_OK);
		ck_assert_str_eq(object_text(object.root), rows[_i].object);
	} else {
		ck_assert_msg(strstr(err, rows[_i].err) != NULL, "%s: %s",
		    rows[_i].json, err);
	}
	bnet_buf_free(&out);
	bnet_marshal_free(m);
}
END_TEST

/* A tuple is one, not a list; and there is an end to nesting and to size. */
START_TEST(kinds_and_bounds)
{
	static const uint8_t tuple[] = { 0x7e, 0, 0, 0, 0, 0x25, 0x09 };
	char err[VALUES_ERR_CHARS], deep[400];
	struct bnet_buf out;
	json_t *json = json_loads("{\"tuple\":[1]}", 0, NULL);

	bnet_buf_init(&out, 64);
	ck_assert(values_stream(json, &out, err));
	ck_assert_uint_eq(bnet_buf_slice(&out).len, sizeof(tuple));
	ck_assert_mem_eq(bnet_buf_slice(&out).p, tuple, sizeof(tuple));
	json_decref(json);

	memset(deep, '[', 150);
	memset(deep + 150, ']', 150);
	deep[300] = '\0';
	json = json_loads(deep, 0, NULL);
	ck_assert(!values_stream(json, &out, err));
	ck_assert(strstr(err, "inside of each other") != NULL);
	json_decref(json);

	memset(deep, 'a', 100);
	deep[100] = '\0';
	json = json_string(deep);
	ck_assert(!values_stream(json, &out, err));
	ck_assert(strstr(err, "shorter") != NULL);
	json_decref(json);
	bnet_buf_free(&out);
}
END_TEST

static Suite *
values_suite(void)
{
	Suite *suite = suite_create("node values");
	TCase *tc = unit_case(suite, "all");

	tcase_add_loop_test(tc, value, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, kinds_and_bounds);
	return suite;
}

UNIT_MAIN(values_suite)
