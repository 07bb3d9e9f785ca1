/* SPDX-License-Identifier: MIT */
/* Ids in the addresses of machoNet packets, changed in place. */
#include "cmd/common/payload.h"
#include "cmd/replay/play/rewrite_payload.h"
#include "proto/codec.h"
#include "tests/unit/marshal_text.h"

#include <zlib.h>

#define BIG INT64_C(1234567890123)

static struct rewrite_payload *rewriter;
static struct payload_reader *reader;
static struct bnet_buf buf, other;
static int64_t client_to, call_to; /* what the ids become */
static bool no_call;

static int64_t
client(void *arg, int64_t id)
{
	(void)arg;
	return id == 1001 ? client_to : id;
}

static bool
call(void *arg, int64_t id, int64_t *to)
{
	(void)arg;
	(void)id;
	*to = call_to;
	return !no_call;
}

static const struct rewrite_ids ids = { client, call, NULL };

static void
setup(void)
{
	rewriter = rewrite_payload_new();
	reader = payload_reader_new(false);
	ck_assert(rewriter != NULL && reader != NULL);
	bnet_buf_init(&buf, 1 << 20);
	bnet_buf_init(&other, 1 << 20);
	no_call = false;
}

static void
teardown(void)
{
	rewrite_payload_free(rewriter);
	payload_reader_free(reader);
	bnet_buf_free(&buf);
	bnet_buf_free(&other);
}

/* What is read is what the writer would have written with these ids. */
static void
is_call(struct bnet_slice payload, int64_t want_client, int64_t want_call)
{
	const struct payload *p = payload_read(reader, 0, payload);

	ck_assert_int_eq(p->kind, PAYLOAD_MACHO);
	ck_assert_str_eq(p->reason, "");
	ck_assert_int_eq(p->brief.call_id, want_call);
	ck_assert_int_eq(p->brief.client, want_client);
	ck_assert_uint_eq(p->brief.method.len_bytes, 9);
	ck_assert_ptr_nonnull(p->macho.args);
	ck_assert_uint_eq(p->macho.args->n, 2);
}

static struct bnet_slice
make_call(int64_t from, int64_t id, uint32_t version, bool checksum)
{
	char text[512];

	snprintf(text, sizeof(text), MACHO_CALL, (long long)from, (long long)id,
	    "GetOrders");
	return marshal_text(&buf, text, version, checksum);
}

static const struct {
	int64_t id, to_client, to_call;
	int more; /* bytes */
} rows[] = {
	{ 42, 1002, 43, 0 }, /* in place */
	{ 42, 5, 43, 0 }, /* a shorter one in the same width */
	{ 42, 1002, 300, 1 }, /* 8 bits to 16 */
	{ 42, 70000, 70000, 2 + 3 },
	{ 42, 1002, BIG, 6 }, /* a long one */
	{ 42, 1002, -3, 0 },
	{ 1, 1002, 0, 0 }, /* opcodes without a value */
	{ 1, 1002, 2, 1 },
	{ 300, 1002, 1, 0 },
	{ BIG, 1002, BIG + 1, 0 },
	{ BIG, 1002, 7, 0 },
	{ BIG, 1002, INT64_MAX, 2 },
	{ 42, 1002, INT64_MIN, 8 },
};

/* Nothing else changes: the rest is the same, byte for byte. */
START_TEST(changes)
{
	client_to = rows[_i].to_client;
	call_to = rows[_i].to_call;
	for (uint32_t way = 0; way < 4; way++) {
		bool checksum = (way & 2) != 0;
		struct bnet_slice in, out;
		size_t same;

		bnet_buf_clear(&buf);
		in = make_call(1001, rows[_i].id, way & 1, checksum);
		ck_assert_int_eq(
		    rewrite_payload(rewriter, in, &ids, &out), REWRITE_DONE);
		is_call(out, client_to, call_to);
		ck_assert_int_eq((int)out.len - (int)in.len, rows[_i].more);
		/* behind the source: all, but for ids shared by version 0 */
		same = in.len / 2;
		ck_assert_mem_eq(
		    out.p + out.len - same, in.p + in.len - same, same);
		if (!checksum)
			ck_assert_mem_eq(out.p, in.p, 20);
	}
}
END_TEST

static void
append(struct bnet_buf *out, const void *p, size_t n)
{
	ck_assert_int_eq(
	    bnet_buf_append(out, (struct bnet_slice){ p, n }), BNET_OK);
}

/* What a stock hop appends stays behind a stream, and behind zlib. */
START_TEST(garbage)
{
	struct bnet_slice in, out;
	uint8_t packed[4096];
	uLongf n = sizeof(packed);

	client_to = 70000;
	call_to = 70001;
	in = make_call(1001, 42, 0, false);
	ck_assert_int_eq(compress(packed, &n, in.p, in.len), Z_OK);
	append(&buf, "\xde\xad\xbe\xef", 4);
	in = bnet_buf_slice(&buf);
	ck_assert_int_eq(
	    rewrite_payload(rewriter, in, &ids, &out), REWRITE_DONE);
	is_call(out, 70000, 70001);
	ck_assert_mem_eq(out.p + out.len - 4, "\xde\xad\xbe\xef", 4);
	append(&other, packed, n);
	append(&other, "\xde\xad\xbe\xef", 4);
	in = bnet_buf_slice(&other);
	ck_assert_int_eq(
	    rewrite_payload(rewriter, in, &ids, &out), REWRITE_DONE);
	is_call(out, 70000, 70001);
	ck_assert_uint_eq(out.p[0], 0x78);
	ck_assert_mem_eq(out.p + out.len - 4, "\xde\xad\xbe\xef", 4);
}
END_TEST

static const struct {
	const char *what, *text;
	int cut; /* bytes at the end, or -1: a byte is flipped in the sum */
	bool no_call;
	enum rewrite_result result;
} others[] = {
	{ "no packet", "(1, 2)", 0, false, REWRITE_NOTHING },
	{ "no client, no call",
	    "<macho.PingReq (20,"
	    " <macho.MachoAddress (8, 'x', None)>,"
	    " <macho.MachoAddress (8, 'x', None)>, None,"
	    " (), None)>",
	    0, false, REWRITE_NOTHING },
	{ "another client",
	    "<macho.Notification (12,"
	    " <macho.MachoAddress (2, 7, None, None)>,"
	    " <macho.MachoAddress (4, 'x', (), 'y')>, None,"
	    " (), None)>",
	    0, false, REWRITE_NOTHING },
	{ "a client that is notified",
	    "<macho.Notification (12, <macho.MachoAddress (1, 9, None, None)>,"
	    " <macho.MachoAddress (2, 1001, None, None)>, None, (), None)>",
	    0, false, REWRITE_DONE },
	{ "cut", "<macho.X (6, 1, 2, None, (), None)>", 3, false,
	    REWRITE_MALFORMED },
	{ "a wrong checksum", "<macho.X (6, 1, 2, None, (), None)>", -1, false,
	    REWRITE_MALFORMED },
	{ "no shape of a packet", "<macho.X (6, 1)>", 0, false, REWRITE_FORM },
	{ "a number in an inner stream",
	    "<macho.X (6, <macho.MachoAddress ~(2, 1001, 5, None)>,"
	    " None, None, (), None)>",
	    0, false, REWRITE_FORM },
	{ "no id left",
	    "<macho.X (6, <macho.MachoAddress (2, 1001, 5, None)>, None, None,"
	    " (), None)>",
	    0, true, REWRITE_NO_ID },
};

START_TEST(cannot)
{
	struct bnet_slice in =
	    marshal_text(&buf, others[_i].text, 0, others[_i].cut < 0);
	struct bnet_slice out;

	client_to = 1002;
	call_to = 6;
	no_call = others[_i].no_call;
	if (others[_i].cut < 0)
		buf.p[buf.at + 7] ^= 1;
	else
		in.len -= (size_t)others[_i].cut;
	ck_assert_msg(
	    rewrite_payload(rewriter, in, &ids, &out) == others[_i].result,
	    "%s", others[_i].what);
	if (others[_i].result == REWRITE_DONE)
		return;
	ck_assert_ptr_eq(out.p, in.p);
	ck_assert_uint_eq(out.len, in.len);
}
END_TEST

/* A pickle; a long that others may refer to; zlib that is cut. */
START_TEST(bytes)
{
	static const uint8_t pickle[] = { 0x7e, 0, 0, 0, 0, 0x21, 'N', '.' };
	static const uint8_t plain[] = "hello";
	struct bnet_slice in = { pickle, sizeof(pickle) }, out;
	uint8_t packed[4096], *p;
	uLongf n = sizeof(packed);

	ck_assert_int_eq(
	    rewrite_payload(rewriter, in, &ids, &out), REWRITE_PICKLE);
	in = (struct bnet_slice){ plain, 5 };
	ck_assert_int_eq(
	    rewrite_payload(rewriter, in, &ids, &out), REWRITE_NOTHING);
	call_to = 9;
	client_to = 1002;
	in = make_call(1001, BIG, 1, false);
	p = memmem(buf.p + buf.at, buf.len, "\x2f\x06", 2);
	ck_assert_ptr_nonnull(p);
	*p |= 0x40;
	ck_assert_int_eq(
	    rewrite_payload(rewriter, in, &ids, &out), REWRITE_FORM);
	*p &= 0x3f;
	ck_assert_int_eq(compress(packed, &n, in.p, in.len), Z_OK);
	in = (struct bnet_slice){ packed, n - 6 };
	ck_assert_int_eq(
	    rewrite_payload(rewriter, in, &ids, &out), REWRITE_MALFORMED);
}
END_TEST

static Suite *
rewrite_payload_suite(void)
{
	Suite *suite = suite_create("replay_rewrite_payload");
	TCase *tc = unit_case(suite, "replay_rewrite_payload");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, changes, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, garbage);
	tcase_add_loop_test(tc, cannot, 0, UNIT_ROWS(others));
	tcase_add_test(tc, bytes);
	return suite;
}

UNIT_MAIN(rewrite_payload_suite)
