/* SPDX-License-Identifier: MIT */
/* The shapes of machoNet packets, and the payloads of BlueNet's own keys. */
#include "proto/batch.h"
#include "proto/brief.h"
#include "proto/header.h"
#include "proto/macho.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/object_text.h"

static struct bnet_marshal *m;
static struct bnet_batch *batch;

static void
setup(void)
{
	m = bnet_marshal_new(NULL);
	batch = bnet_batch_new(NULL);
	ck_assert(m != NULL && batch != NULL);
}

static void
teardown(void)
{
	bnet_marshal_free(m);
	bnet_batch_free(batch);
}

/* ---- machoNet ---- */

/* The bytes of a vector by name, for unit_free(). */
static struct bnet_slice
named(const char *name)
{
	json_t *all = object_named();
	struct bnet_slice in = { NULL, 0 };

	for (size_t i = 0; i < json_array_size(all); i++)
		if (strcmp(vectors_text(json_array_get(all, i), "name"),
			name) == 0)
			in = unit_hex(
			    vectors_text(json_array_get(all, i), "hex"));
	ck_assert_msg(in.p != NULL, "no vector %s", name);
	json_decref(all);
	return in;
}

static bool
read_packet(struct bnet_slice in, struct bnet_macho *packet)
{
	struct bnet_object o;

	unit_err("read", bnet_marshal_read(m, in, &o), BNET_OK);
	return bnet_macho_read(o.root, packet);
}

static void
reads(const struct bnet_node *node, const char *json)
{
	if (json == NULL) {
		ck_assert_ptr_null(node);
		return;
	}
	ck_assert_ptr_nonnull(node);
	ck_assert_str_eq(object_text(node), json);
}

static const char *const calls[] = { "macho CallReq v0 crc0",
	"macho CallReq v0 crc1", "macho CallReq v1 crc0",
	"macho CallReq v1 crc1" };

START_TEST(test_call)
{
	struct bnet_slice in = named(calls[_i]);
	struct bnet_macho p;

	ck_assert(read_packet(in, &p));
	ck_assert_int_eq(p.type, BNET_MACHO_CALL_REQ);
	ck_assert_str_eq(bnet_macho_type_name(p.type), "call");
	reads(p.service, "\"machoNet\"");
	reads(p.method, "\"GetTime\"");
	reads(p.args, "[]");
	reads(p.kwargs, "{\"machoVersion\":1}");
	ck_assert(p.has_call_id);
	ck_assert_int_eq(p.call_id, 42);
	ck_assert_int_eq(p.source.type, BNET_DEST_CLIENT);
	reads(p.source.id, "0");
	ck_assert_int_eq(p.destination.type, BNET_DEST_ANY);
	reads(p.destination.service, "\"machoNet\"");
	reads(p.user_id, NULL);
	reads(p.result, NULL);
	unit_free(in);
}
END_TEST

START_TEST(test_result)
{
	struct bnet_slice in = named("macho CallRsp");
	struct bnet_macho p;

	ck_assert(read_packet(in, &p));
	ck_assert_int_eq(p.type, BNET_MACHO_CALL_RSP);
	reads(p.result, "133700000000000000");
	ck_assert(p.has_call_id);
	ck_assert_int_eq(p.call_id, 42);
	ck_assert_int_eq(p.source.type, BNET_DEST_NODE);
	reads(p.source.id, "65450");
	reads(p.destination.id, "5001");
	reads(p.user_id, "90000001");
	unit_free(in);
}
END_TEST

START_TEST(test_event)
{
	struct bnet_slice in = named("macho Notification");
	struct bnet_macho p;

	ck_assert(read_packet(in, &p));
	ck_assert_int_eq(p.type, BNET_MACHO_NOTIFICATION);
	reads(p.event, "\"OnItemChange\"");
	reads(p.args, "[\"a\",2]");
	ck_assert(!p.has_call_id);
	ck_assert_int_eq(p.destination.type, BNET_DEST_BROADCAST);
	reads(p.destination.narrowcast, "[]");
	reads(p.destination.id_type, "\"clientID\"");
	unit_free(in);
}
END_TEST

/* An error, an old instance, and what only looks like one. */
static const struct shape {
	const char *name, *hex;
	bool is;
	int64_t type, code, answered;
	const char *exception;
} shapes[] = {
	{ "an error",
	    "7d01 23 2c 25 0209 6d6163686f2e457272 1405 060f 01"
	    "23 2c 25 0207 6d6163686f2e41 1403 0602 05aa00 062a 2d2d 01"
	    "1403 0606 08 25 2b06 7d0112016261 2d2d",
	    true, 15, 0, 6, "\"b\"" },
	{ "an old instance",
	    "7d01 17 120f 6d6163686f2e43616c6c526571"
	    "2e78 1405 0614 01 01 01 24",
	    true, 20, -1, -1, NULL },
	{ "four items", "7d01 17 1207 6d6163686f2e58 1404 0614 01 01 01", false,
	    0, 0, 0, NULL },
	{ "a type that is no number",
	    "7d01 17 1207 6d6163686f2e58 1405 2961 01 01 01 24", false, 0, 0, 0,
	    NULL },
	{ "another class", "7d01 17 1203 6d2e58 1405 0614 01 01 01 24", false,
	    0, 0, 0, NULL },
	{ "a state that is a list",
	    "7d01 17 1207 6d6163686f2e58 1505 0614 01 01 01 24", false, 0, 0, 0,
	    NULL },
	{ "its own state", "7d01 57 1207 6d6163686f2e58 1b00", false, 0, 0, 0,
	    NULL },
	{ "a call of itself",
	    "7d01 17 1207 6d6163686f2e58 54 05 0606 01 01 01 1b00", true, 6, -1,
	    -1, NULL },
	{ "no instance", "7d01 1405 0606 01 01 01 24", false, 0, 0, 0, NULL },
	{ "a number", "7d01 09", false, 0, 0, 0, NULL },
};

START_TEST(test_shapes)
{
	const struct shape *row = &shapes[_i];
	struct bnet_slice in = unit_hex(row->hex);
	struct bnet_object o;
	struct bnet_macho p;

	/* a tuple that holds itself is refused, with what was read */
	(void)!bnet_marshal_read(m, in, &o);
	ck_assert_ptr_nonnull(o.root);
	ck_assert_int_eq(bnet_macho_read(o.root, &p), row->is);
	if (row->is) {
		ck_assert_int_eq(p.type, row->type);
		ck_assert_int_eq(p.code, row->code);
		ck_assert_int_eq(p.answered_type, row->answered);
		reads(p.exception, row->exception);
	}
	unit_free(in);
}
END_TEST

START_TEST(test_names)
{
	ck_assert_str_eq(bnet_macho_type_name(7), "result");
	ck_assert_str_eq(bnet_macho_type_name(100), "movement");
	ck_assert_str_eq(bnet_macho_type_name(-1), "unknown");
	ck_assert_str_eq(bnet_macho_error_name(0), "UNMACHODESTINATION");
	ck_assert_str_eq(bnet_macho_error_name(2), "WRAPPEDEXCEPTION");
	ck_assert_str_eq(bnet_macho_error_name(3), "unknown error");
}
END_TEST

/* What is said of a packet without a tree is what the tree says. */
static const char *const packets[] = { "macho CallReq v0 crc0",
	"macho CallReq v0 crc1", "macho CallReq v1 crc0",
	"macho CallReq v1 crc1", "macho CallRsp", "macho Notification" };

static void
same_text(struct bnet_string got, struct bnet_string want)
{
	ck_assert_int_eq(got.p == NULL, want.p == NULL);
	ck_assert_uint_eq(got.len_bytes, want.len_bytes);
	if (want.p != NULL)
		ck_assert_mem_eq(got.p, want.p, want.len_bytes);
}

START_TEST(test_brief)
{
	struct bnet_slice in = named(packets[_i]);
	struct bnet_brief got, want;
	struct bnet_macho p;

	ck_assert(read_packet(in, &p));
	bnet_brief_of(&p, &want);
	ck_assert(bnet_brief_scan(in, bnet_strings_builtin(), &got));
	ck_assert_int_eq(got.type, want.type);
	ck_assert_int_eq(got.has_call_id, want.has_call_id);
	ck_assert_int_eq(got.call_id, want.call_id);
	ck_assert_int_eq(got.client, want.client);
	same_text(got.service, want.service);
	same_text(got.method, want.method);
	same_text(got.event, want.event);
	for (size_t n = 0; n < in.len; n++) {
		struct bnet_slice part = unit_copy(in.p, n);

		(void)bnet_brief_scan(part, bnet_strings_builtin(), &got);
		unit_free(part);
	}
	unit_free(in);
}
END_TEST

/* ---- BatchPacket ---- */

/* The vectors of single values: what they are, in the order of the file. */
static const char *const values[] = { "null", "true", "7", "-7", "2.5",
	"\"charid\"", "\"abc\"", "[1,\"abc\",[2]]", "{\"a\":1}",
	"{\"bytes\":\"726177\"}" };

START_TEST(test_values)
{
	json_t *all = object_named();
	struct bnet_buf out;
	struct bnet_object o;
	size_t n = 0;

	bnet_buf_init(&out, 10000);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *v = json_array_get(all, i);
		struct bnet_slice in;

		if (strcmp(vectors_text(v, "name"), "bitser") != 0)
			continue;
		in = unit_hex(vectors_text(v, "hex"));
		unit_err(vectors_text(v, "repr"),
		    bnet_batch_read_value(batch, in, &o), BNET_OK);
		ck_assert_str_eq(object_text(o.root), values[n]);
		bnet_buf_clear(&out);
		unit_err("write", bnet_batch_write_value(batch, o.root, &out),
		    BNET_OK);
		unit_same(values[n], bnet_buf_slice(&out), in);
		unit_free(in);
		n++;
	}
	ck_assert_uint_eq(n, sizeof(values) / sizeof(values[0]));
	bnet_buf_free(&out);
	json_decref(all);
}
END_TEST

START_TEST(test_batch)
{
	struct bnet_slice in = named("BlueNet::BatchPacket payload");
	struct bnet_object o;
	struct bnet_buf out;

	unit_err("read", bnet_batch_read(batch, in, &o), BNET_OK);
	ck_assert_str_eq(object_text(o.root), "[\"OnTarget\",[1,\"abc\"]]");
	ck_assert_uint_eq(o.n_nodes, 5);
	bnet_buf_init(&out, 10000);
	unit_err("write",
	    bnet_batch_write(
		batch, "OnTarget", bnet_node_item(o.root, 1), &out),
	    BNET_OK);
	unit_same("write", bnet_buf_slice(&out), in);
	for (size_t n = 0; n < in.len; n++) {
		struct bnet_slice part = unit_copy(in.p, n);

		unit_err(
		    "prefix", bnet_batch_read(batch, part, &o), BNET_EMARSHAL);
		ck_assert_ptr_null(o.root);
		unit_free(part);
	}
	bnet_buf_free(&out);
	unit_free(in);
}
END_TEST

/* Lists in lists, and a number of values that is not there. */
START_TEST(test_batch_bounds)
{
	struct bnet_object o;
	struct bnet_bits_wr wr;
	struct bnet_buf out;

	for (int depth = 100; depth <= 101; depth++) {
		bnet_buf_init(&out, 10000);
		bnet_bits_write(&wr, &out);
		for (int i = 0; i < depth; i++) {
			bnet_bits_put_u32(&wr, 5);
			bnet_bits_put_u32(&wr, 1);
		}
		bnet_bits_put_u32(&wr, 0);
		unit_err("finish", bnet_bits_finish(&wr), BNET_OK);
		unit_err("depth",
		    bnet_batch_read_value(batch, bnet_buf_slice(&out), &o),
		    depth == 100 ? BNET_OK : BNET_ELIMIT);
		bnet_buf_free(&out);
	}
	bnet_buf_init(&out, 10000);
	bnet_bits_write(&wr, &out);
	bnet_bits_put_u32(&wr, 5);
	bnet_bits_put_u32(&wr, 0xffffffff);
	unit_err("finish", bnet_bits_finish(&wr), BNET_OK);
	failmalloc_watch();
	unit_err("2^32 - 1 values",
	    bnet_batch_read_value(batch, bnet_buf_slice(&out), &o),
	    BNET_EMARSHAL);
	(void)failmalloc_stop();
	ck_assert_uint_lt(failmalloc_largest_bytes(), 100000);
	bnet_buf_free(&out);
}
END_TEST

/* ---- the clock ---- */

START_TEST(test_clock)
{
	const struct bnet_sim_clock want = { 133700000000000000, 0.1,
		133700000000012345 };
	struct bnet_sim_clock got;
	struct bnet_buf out;

	bnet_buf_init(&out, 100);
	unit_err("write", bnet_sim_clock_write(&want, &out), BNET_OK);
	unit_err(
	    "read", bnet_sim_clock_read(bnet_buf_slice(&out), &got), BNET_OK);
	ck_assert_int_eq(got.sim_time, want.sim_time);
	ck_assert_int_eq(got.wall_clock, want.wall_clock);
	ck_assert(got.dilation == want.dilation);
	unit_err("cut",
	    bnet_sim_clock_read(
		(struct bnet_slice){ out.p, out.len - 1 }, &got),
	    BNET_EMESSAGE);
	bnet_buf_free(&out);
}
END_TEST

START_TEST(test_keys)
{
	ck_assert_int_eq(bnet_key("BlueNet::BatchPacket"), BNET_KEY_BATCH);
	ck_assert_int_eq(bnet_key("SimClock::SycInit"), BNET_KEY_SYC_INIT);
	ck_assert_int_eq(bnet_key("SimClock::SycUpdate"), BNET_KEY_SYC_UPDATE);
	ck_assert_int_eq(bnet_key("SimClock::SycDetach"), BNET_KEY_SYC_DETACH);
	ck_assert_uint_eq((uint32_t)BNET_KEY_BATCH, 0xb9468874);
	ck_assert_uint_eq((uint32_t)BNET_KEY_SYC_INIT, 0x7f113e57);
	ck_assert_uint_eq((uint32_t)BNET_KEY_SYC_UPDATE, 0x28e2f776);
	ck_assert_uint_eq((uint32_t)BNET_KEY_SYC_DETACH, 0xe3129dd4);
}
END_TEST

static Suite *
macho_suite(void)
{
	Suite *suite = suite_create("macho");
	TCase *tc = unit_case(suite, "macho");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_call, 0, UNIT_ROWS(calls));
	tcase_add_test(tc, test_result);
	tcase_add_test(tc, test_event);
	tcase_add_loop_test(tc, test_shapes, 0, UNIT_ROWS(shapes));
	tcase_add_test(tc, test_names);
	tcase_add_loop_test(tc, test_brief, 0, UNIT_ROWS(packets));
	tcase_add_test(tc, test_values);
	tcase_add_test(tc, test_batch);
	tcase_add_test(tc, test_batch_bounds);
	tcase_add_test(tc, test_clock);
	tcase_add_test(tc, test_keys);
	return suite;
}

UNIT_MAIN(macho_suite)
