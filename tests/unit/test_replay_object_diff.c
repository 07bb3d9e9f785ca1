/* SPDX-License-Identifier: MIT */
/* Where two objects differ, whatever their bytes. */
#include "cmd/replay/play/object_diff.h"
#include "tests/unit/marshal_text.h"

static struct object_diff *diff;
static struct object_found found;
static struct bnet_buf a, b;

static void
setup(void)
{
	diff = object_diff_new();
	ck_assert_ptr_nonnull(diff);
	bnet_buf_init(&a, 1 << 20);
	bnet_buf_init(&b, 1 << 20);
	memset(&found, 0, sizeof(found));
}

static void
teardown(void)
{
	object_diff_free(diff);
	bnet_buf_free(&a);
	bnet_buf_free(&b);
}

static bool
masked(void *arg, const char *path, size_t n)
{
	const char *mask = arg;

	return strlen(mask) == n && memcmp(mask, path, n) == 0;
}

static const struct {
	const char *captured, *received, *mask;
	const char *said; /* the places; "": the same; NULL: unknown */
} rows[] = {
	{ "1", "1", NULL, "" },
	{ "3", "4", NULL, "object: 4 instead of 3\n" },
	{ "(1, 'a', [2])", "(1, 'a', [2])", NULL, "" },
	{ "(1, 2, 3)", "(1, 2, 4)", NULL, "object[2]: 4 instead of 3\n" },
	{ "(1, 2)", "(1, 2, 'x')", NULL,
	    "object[2]: \"x\" instead of nothing\n" },
	{ "[1, 2]", "[1]", NULL, "object[1]: nothing instead of 2\n" },
	{ "(1, 2)", "[1, 2]", NULL, "object: [1,2] instead of [1,2]\n" },
	{ "1", "True", NULL, "object: true instead of 1\n" },
	{ "'a'", "None", NULL, "object: null instead of \"a\"\n" },
	{ "1.5", "1.5", NULL, "" },
	/* dicts have no order */
	{ "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", NULL, "" },
	{ "{'a': 1, 'b': 2}", "{'b': 3, 'a': 1}", NULL,
	    "object.b: 3 instead of 2\n" },
	{ "{'a': 1}", "{'b': 1}", NULL,
	    "object.a: nothing instead of 1\nobject.b: 1 instead of"
	    " nothing\n" },
	{ "{5: 1}", "{5: 2}", NULL, "object{5}: 2 instead of 1\n" },
	{ "{'a.b': 1}", "{'a.b': 2}", NULL, "object.a?b: 2 instead of 1\n" },
	{ "<macho.X (1, 2)>", "<macho.X (1, 3)>", NULL,
	    "object.state[1]: 3 instead of 2\n" },
	{ "<macho.X (1, 2)>", "<macho.Y (1, 2)>", NULL,
	    "object.class: {\"global\":\"macho.Y\"} instead of"
	    " {\"global\":\"macho.X\"}\n" },
	{ "(~(1, 2),)", "(~(1, 7),)", NULL, "object[0][1]: 7 instead of 2\n" },
	/* masks */
	{ "(1, 2)", "(1, 3)", "object[1]", "" },
	{ "(1, 2)", "(1, 3)", "object[0]", "object[1]: 3 instead of 2\n" },
	{ "(1, (2, 3))", "(1, 'x')", "object[1]", "" },
	{ "{'a': 1}", "{}", "object.a", "" },
	{ "<macho.X (1, 2)>", "<macho.X (1, 3)>", "object.state[1]", "" },
	{ "3", "4", "object", "" },
	/* more than are shown */
	{ "(1, 1, 1, 1, 1, 1, 1)", "(2, 2, 2, 2, 2, 2, 2)", NULL,
	    "object[0]: 2 instead of 1\nobject[1]: 2 instead of 1\n"
	    "object[2]: 2 instead of 1\nobject[3]: 2 instead of 1\n"
	    "object[4]: 2 instead of 1\nand 2\n" },
};

static void
said(char *text, size_t n_text)
{
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < found.n && i < OBJECT_DIFF_SHOWN; i++)
		n += (size_t)snprintf(text + n, n_text - n,
		    "%s: %s instead of %s\n", found.at[i].path,
		    found.at[i].received[0] != '\0' ? found.at[i].received
						    : "nothing",
		    found.at[i].captured[0] != '\0' ? found.at[i].captured
						    : "nothing");
	if (found.n > OBJECT_DIFF_SHOWN)
		(void)snprintf(text + n, n_text - n, "and %u\n",
		    (unsigned)(found.n - OBJECT_DIFF_SHOWN));
}

/* In both versions, and one beside the other; with and without a checksum. */
START_TEST(table)
{
	char text[1024], mask[64];
	struct object_sides sides = { .key = 0 };
	enum object_result wanted =
	    rows[_i].said[0] == '\0' ? OBJECT_SAME : OBJECT_DIFFERENT;

	for (uint32_t way = 0; way < 4; way++) {
		bnet_buf_clear(&a);
		bnet_buf_clear(&b);
		sides.captured =
		    marshal_text(&a, rows[_i].captured, way & 1, way == 3);
		sides.received =
		    marshal_text(&b, rows[_i].received, way >> 1, way == 1);
		if (rows[_i].mask != NULL) {
			snprintf(mask, sizeof(mask), "%s", rows[_i].mask);
			sides.masked = masked;
			sides.masked_arg = mask;
		}
		UNIT_MUST(object_diff_compare(diff, &sides, NULL) == wanted,
		    "%s, %s", rows[_i].captured, rows[_i].received);
		UNIT_MUST(object_diff_compare(diff, &sides, &found) == wanted,
		    "%s, %s", rows[_i].captured, rows[_i].received);
		said(text, sizeof(text));
		ck_assert_str_eq(text, rows[_i].said);
	}
}
END_TEST

static const struct {
	const char *what, *captured, *received; /* hex */
	enum object_result result;
} streams[] = {
	{ "an integer of another width", "7e000000000605", "7e00000000050500",
	    OBJECT_SAME },
	{ "bytes behind the stream", "7e000000000605", "7e000000000605deadbeef",
	    OBJECT_SAME },
	{ "a shared list, and one beside it", "7e010000002c6626081b0101000000",
	    "7e010000002c6626081b0101000000", OBJECT_SAME },
	{ "a reference, and the value",
	    "7d012c6708"
	    "1b00",
	    "7d012c27082708", OBJECT_SAME },
	{ "a reference, and another value", "7d012c67081b00", "7d012c27082709",
	    OBJECT_DIFFERENT },
	{ "the same circle", "7d01671b00", "7d01671b00", OBJECT_SAME },
	{ "a circle, and none", "7d01671b00", "7d012708", OBJECT_DIFFERENT },
	{ "cut", "7e000000002c06", "7e000000000605", OBJECT_UNKNOWN },
	{ "no stream", "68656c6c6f", "7e000000000605", OBJECT_UNKNOWN },
	{ "empty", "", "", OBJECT_UNKNOWN },
};

static struct bnet_slice
hex(const char *text, uint8_t *p)
{
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned v = 0;

		(void)sscanf(text + 2 * i, "%2x", &v);
		p[i] = (uint8_t)v;
	}
	return (struct bnet_slice){ p, n };
}

START_TEST(by_bytes)
{
	uint8_t p[64], q[64];
	struct object_sides sides = {
		.captured = hex(streams[_i].captured, p),
		.received = hex(streams[_i].received, q),
	};

	ck_assert_msg(
	    object_diff_compare(diff, &sides, &found) == streams[_i].result,
	    "%s", streams[_i].what);
}
END_TEST

/* Each list is twice the one before: 2^40 values, if they were expanded. */
START_TEST(bombs)
{
	struct object_sides sides = { .key = 0 };
	static const uint8_t head[] = { 0x7d, 0x01 };

	for (int side = 0; side < 2; side++) {
		struct bnet_buf *out = side == 0 ? &a : &b;

		ck_assert_int_eq(
		    bnet_buf_append(out, (struct bnet_slice){ head, 2 }),
		    BNET_OK);
		/* [first, [..], [..]]: list of 41 */
		ck_assert_int_eq(
		    bnet_buf_append(out,
			(struct bnet_slice){ (const uint8_t *)"\x15\x29", 2 }),
		    BNET_OK);
		for (uint8_t i = 0; i < 40; i++) {
			const uint8_t pair[] = { 0x6c, 0x1b, (uint8_t)(i - 1),
				0x1b, (uint8_t)(i - 1) };
			const uint8_t first[] = { 0x6c, 0x06,
				(uint8_t)(side + 2), 0x08 };

			ck_assert_int_eq(
			    bnet_buf_append(out,
				i == 0 ? (struct bnet_slice){ first, 4 }
				       : (struct bnet_slice){ pair, 5 }),
			    BNET_OK);
		}
		/* the end differs, so that places do, too */
		ck_assert_int_eq(
		    bnet_buf_append(out,
			(struct bnet_slice){ (const uint8_t *)"\x1b\x27", 2 }),
		    BNET_OK);
	}
	sides.captured = bnet_buf_slice(&a);
	sides.received = bnet_buf_slice(&b);
	ck_assert_int_eq(
	    object_diff_compare(diff, &sides, &found), OBJECT_DIFFERENT);
	ck_assert_uint_eq(found.n, 1);
	/* without the short cut, the work is bounded */
	sides.masked = masked;
	sides.masked_arg = (char[]){ "nothing" };
	ck_assert_int_ne(
	    object_diff_compare(diff, &sides, &found), OBJECT_SAME);
}
END_TEST

static int64_t
captured_id(void *arg, bool node, int64_t id)
{
	(void)arg;
	return !node && id == 5001 ? 1001 : id;
}

/* The ids in addresses are those of the capture; the same ones elsewhere not */
START_TEST(ids)
{
	struct object_sides sides = { .captured_id = captured_id,
		.call_id = 142,
		.captured_call_id = 42 };
	char text[1024];

	snprintf(text, sizeof(text), MACHO_RESULT, 1001LL, 42LL, "(1, 42)");
	sides.captured = marshal_text(&a, text, 0, false);
	snprintf(text, sizeof(text), MACHO_RESULT, 5001LL, 142LL, "(1, 42)");
	sides.received = marshal_text(&b, text, 0, false);
	ck_assert_int_eq(
	    object_diff_compare(diff, &sides, &found), OBJECT_SAME);
	bnet_buf_clear(&b);
	snprintf(text, sizeof(text), MACHO_RESULT, 5002LL, 142LL, "(1, 142)");
	sides.received = marshal_text(&b, text, 0, false);
	ck_assert_int_eq(
	    object_diff_compare(diff, &sides, &found), OBJECT_DIFFERENT);
	said(text, sizeof(text));
	ck_assert_str_eq(text,
	    "object.state[2].state[1]: 5002 instead of 1001\n"
	    "object.state[4][0][1]: 142 instead of 42\n");
}
END_TEST

static Suite *
object_diff_suite(void)
{
	Suite *suite = suite_create("replay_object_diff");
	TCase *tc = unit_case(suite, "replay_object_diff");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, table, 0, UNIT_ROWS(rows));
	tcase_add_loop_test(tc, by_bytes, 0, UNIT_ROWS(streams));
	tcase_add_test(tc, bombs);
	tcase_add_test(tc, ids);
	return suite;
}

UNIT_MAIN(object_diff_suite)
