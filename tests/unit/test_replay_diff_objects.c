/* SPDX-License-Identifier: MIT */
/* --diff of objects: answers by their calls, and masks of both kinds. */
#include "cmd/replay/report/diff_text.h"
#include "tests/unit/marshal_text.h"
#include "tests/unit/replay_diff_made.h"

static struct bnet_buf buf;

static struct bnet_slice
result(int64_t client, int64_t id, const char *value)
{
	char format[512], whole[512];

	snprintf(format, sizeof(format), MACHO_RESULT, (long long)client,
	    (long long)id, value);
	snprintf(whole, sizeof(whole), "%s", format);
	bnet_buf_clear(&buf);
	return marshal_text(&buf, whole, 0, false);
}

static void
setup_objects(void)
{
	setup();
	bnet_buf_init(&buf, 1 << 16);
}

static void
teardown_objects(void)
{
	teardown();
	bnet_buf_free(&buf);
}

/* The captured answer of call `id`. */
static void
captured_result(int64_t id, const char *value)
{
	const struct bnet_header h = header(0);

	made.macho = (struct tape_macho){ .call_id = id,
		.client = OWN,
		.kind = CALL_RESULT,
		.client_ref = TAPE_NONE,
		.method = MADE_METHOD_AT };
	made_frame(&made, 0, CAP_DOWN, &h, result(OWN, id, value),
	    (struct tape_record){ .flags = TAPE_R_MACHO });
}

/* The answer of the call that was captured as `id`, and sent as `live`. */
static void
received_result(int64_t id, int64_t live, const char *value)
{
	const struct diff_call call = { MADE_METHOD_AT, id, live };
	const struct bnet_packet packet = { .has_oob = true,
		.has_header = true,
		.header = header(0),
		.payload = result(OWN, live, value) };

	ck_assert(diff_received(diff, &vclient, 0, &packet, NULL, &call));
}

/* In any order, with other ids: each is compared with its own. */
START_TEST(by_call)
{
	static const uint64_t none[DIFF_N_KINDS] = { 0 };
	static const uint64_t one[DIFF_N_KINDS] = { [DIFF_PAYLOAD] = 1 };
	static const uint64_t two[DIFF_N_KINDS] = {
		[DIFF_PAYLOAD] = 1, [DIFF_MISSING] = 1
	};
	const struct diff_example *example;

	captured_result(42, "(1, 'a')");
	captured_result(43, "(2, 'b')");
	captured_result(44, "(3, 'c')");
	captured_result(45, "(4, 'd')");
	open_tape();
	received_result(44, 144, "(3, 'c')");
	received_result(42, 142, "(1, 'a')");
	counts("the same, in another order", none);
	received_result(45, 145, "(4, 'x')");
	counts("another result", one);
	ended();
	counts("and one is missing", two);
	example = &diff_found(diff)->examples[0];
	ck_assert_uint_eq(example->method, MADE_METHOD_AT);
	ck_assert_uint_eq(example->index, 3);
	ck_assert_uint_eq(example->objects.n, 1);
	ck_assert_str_eq(example->objects.at[0].path, "object.state[4][0][1]");
	ck_assert_str_eq(example->objects.at[0].captured, "\"d\"");
	ck_assert_str_eq(example->objects.at[0].received, "\"x\"");
}
END_TEST

/* It is told by the name of the method, with path and values. */
START_TEST(printed)
{
	struct keys *keys = keys_new();
	char *out = NULL;
	size_t n = 0;
	FILE *file = open_memstream(&out, &n);

	captured_result(42, "{'n': 3}");
	open_tape();
	received_result(42, 42, "{'n': 4}");
	ended();
	diff_print(diff, keys, file);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_msg(
	    strstr(out, "  market::GetOrders         1 ") != NULL, "%s", out);
	ck_assert_msg(
	    strstr(out, "1. another payload: frame 1 of market::GetOrders\n") !=
		NULL,
	    "%s", out);
	ck_assert_msg(
	    strstr(out, "   object.state[4][0].n: 4 instead of 3\n") != NULL,
	    "%s", out);
	free(out);
	keys_free(keys);
}
END_TEST

static const struct {
	const char *what, *ignore, *captured, *received;
	uint32_t version;
	size_t captured_garbage, received_garbage; /* bytes behind */
	bool stock;
	uint64_t differences;
} rows[] = {
	{ "a path", "object[1]", "(1, 2)", "(1, 3)", .differences = 0 },
	{ "another path", "object[0]", "(1, 2)", "(1, 3)", .differences = 1 },
	{ "each of a list", "object[*].t", "[{'t': 1}, {'t': 2}]",
	    "[{'t': 3}, {'t': 4}]", .differences = 0 },
	{ "paths and fields", "serial,object.a,payload[:1]", "{'a': 1}",
	    "{'a': 2}", .differences = 0 },
	/* bytes of an int8: 7e 00000000 2c 06 05 06 06 */
	{ "a byte", "payload[7:8]", "(5, 6)", "(7, 6)", .differences = 0 },
	{ "another byte", "payload[7:8]", "(5, 6)", "(5, 7)",
	    .differences = 1 },
	{ "a byte and a path", "payload[7:8],object[1]", "(5, 6)", "(7, 9)",
	    .differences = 0 },
	{ "what is behind is no part of it", NULL, "(1, 2)", "(1, 2)",
	    .received_garbage = 4, .differences = 0 },
	{ "of a stock hop, and a path", "object[1]", "(1, 2)", "(1, 3)",
	    .received_garbage = 4, .stock = true, .differences = 0 },
	{ "of one on each side", "object[1]", "(1, 2)", "(1, 3)",
	    .captured_garbage = 4, .received_garbage = 4, .stock = true,
	    .differences = 0 },
	{ "of none", "object[1]", "(1, 2)", "(1, 3)", .stock = true,
	    .differences = 0 },
	{ "version 1", "object[1]", "(1, 2)", "(1, 3)", .version = 1,
	    .received_garbage = 4, .stock = true, .differences = 0 },
	{ "masks of a stock hop hide no value", NULL, "(1, 2, 3)", "(1, 9, 3)",
	    .received_garbage = 4, .stock = true, .differences = 1 },
};

static struct bnet_slice
with_garbage(const char *value, uint32_t version, size_t n, uint8_t byte)
{
	const uint8_t garbage[4] = { byte, byte, byte, byte };

	bnet_buf_clear(&buf);
	(void)marshal_text(&buf, value, version, false);
	ck_assert_int_eq(
	    bnet_buf_append(&buf, (struct bnet_slice){ garbage, n }), BNET_OK);
	return bnet_buf_slice(&buf);
}

START_TEST(masks_of_both_kinds)
{
	const struct bnet_header h = header(KEY);

	ck_assert_msg(
	    diff_masks_parse(&masks, rows[_i].ignore, err), "%s", err);
	ck_assert(!rows[_i].stock || diff_masks_stock(&masks));
	made_frame(&made, 0, CAP_DOWN, &h,
	    with_garbage(rows[_i].captured, rows[_i].version,
		rows[_i].captured_garbage, 0xaa),
	    (struct tape_record){ .flags = 0 });
	open_tape();
	packet_in(&h,
	    with_garbage(rows[_i].received, rows[_i].version,
		rows[_i].received_garbage, 0xbb));
	ended();
	ck_assert_msg(diff_total(diff) == rows[_i].differences, "%s: %d",
	    rows[_i].what, (int)diff_total(diff));
}
END_TEST

/* A stock hop hides the map of version 0: without it, nothing is shared. */
START_TEST(garbage_behind_a_map)
{
	/* ([5], the same) and ([6], the same), then what is appended */
	static const uint8_t a[] = "\x7e\x01\0\0\0\x2c\x67\x06\x05\x1b\x01"
				   "\x01\0\0\0\xaa\xaa\xaa\xaa";
	static const uint8_t b[] = "\x7e\x01\0\0\0\x2c\x67\x06\x06\x1b\x01"
				   "\x01\0\0\0\xbb\xbb\xbb\xbb";
	const struct bnet_header h = header(KEY);

	ck_assert(diff_masks_parse(&masks, "object[0][0]", err));
	ck_assert(diff_masks_stock(&masks));
	for (int i = 0; i < 2; i++)
		made_frame(&made, 0, CAP_DOWN, &h,
		    (struct bnet_slice){ a, sizeof(a) - 1 },
		    (struct tape_record){ .flags = 0 });
	open_tape();
	/* the reference leads to a value that is not left out there */
	packet_in(&h, (struct bnet_slice){ b, sizeof(b) - 1 });
	ck_assert_uint_eq(diff_total(diff), 1);
	ck_assert_str_eq(
	    diff_found(diff)->examples[0].objects.at[0].path, "object[1][0]");
	packet_in(&h, (struct bnet_slice){ a, sizeof(a) - 5 });
	ck_assert_uint_eq(diff_total(diff), 1);
	ended();
}
END_TEST

static const struct {
	const char *text;
	bool ok;
} paths[] = {
	{ "object", true },
	{ "object.state[3]", true },
	{ "object.state[3].a.b[*].c{5}", true },
	{ "object[0],payload", true },
	{ "object.", false },
	{ "object[", false },
	{ "object[]", false },
	{ "object.a]", true },
	{ "objects.a", false },
	{ "object state", false },
};

START_TEST(parsed)
{
	ck_assert_msg(
	    diff_masks_parse(&masks, paths[_i].text, err) == paths[_i].ok,
	    "%s: %s", paths[_i].text, err);
}
END_TEST

static Suite *
diff_objects_suite(void)
{
	Suite *suite = suite_create("replay_diff_objects");
	TCase *tc = unit_case(suite, "replay_diff_objects");

	tcase_add_checked_fixture(tc, setup_objects, teardown_objects);
	tcase_add_test(tc, by_call);
	tcase_add_test(tc, printed);
	tcase_add_loop_test(tc, masks_of_both_kinds, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, garbage_behind_a_map);
	tcase_add_loop_test(tc, parsed, 0, UNIT_ROWS(paths));
	return suite;
}

UNIT_MAIN(diff_objects_suite)
