/* SPDX-License-Identifier: MIT */
/* cmd/replay/play/diff: what of two frames differs. */
#include "tests/unit/replay_diff_made.h"

/* ---- fields ---- */

static const struct {
	const char *name, *ignore;
	struct bnet_header header;
	enum diff_kind kind;
} fields[] = {
	{ "source", "source", { .source = 1002 }, DIFF_HEADER },
	{ "dest_type", "dest_type", { .dest_type = 4 }, DIFF_HEADER },
	{ "dest", "dest", { .dest = 13 }, DIFF_HEADER },
	{ "forks", "forks", { .forks = 1 }, DIFF_HEADER },
	{ "serial", "serial", { .serial = 1 }, DIFF_HEADER },
	{ "priority", "priority", { .priority = true }, DIFF_HEADER },
	{ "timestamp", NULL, { .timestamp = 1 }, DIFF_N_KINDS },
	{ "latency", NULL, { .latency_ms = 1 }, DIFF_N_KINDS },
};

START_TEST(one_field)
{
	struct bnet_header h = header(KEY);
	uint64_t wanted[DIFF_N_KINDS] = { 0 };

	captured(0, KEY, "a");
	open_tape();
	h.source += fields[_i].header.source;
	h.dest_type += fields[_i].header.dest_type;
	h.dest += fields[_i].header.dest;
	h.forks = fields[_i].header.forks;
	h.serial = fields[_i].header.serial;
	h.priority = fields[_i].header.priority;
	h.timestamp = fields[_i].header.timestamp;
	h.latency_ms = fields[_i].header.latency_ms;
	packet_in(&h, text("a"));
	ended();
	if (fields[_i].kind != DIFF_N_KINDS)
		wanted[fields[_i].kind] = 1;
	counts(fields[_i].name, wanted);
	/* and it can be left out */
	wanted[DIFF_HEADER] = 0;
	ck_assert(diff_masks_parse(&masks, fields[_i].ignore, err));
	diff_free(diff);
	open_tape();
	packet_in(&h, text("a"));
	ended();
	counts(fields[_i].name, wanted);
}
END_TEST

static const struct {
	const char *ignore, *captured, *received;
	bool differ;
} payloads[] = {
	{ NULL, "12345678", "12345678", false },
	{ NULL, "12345678", "12345679", true },
	{ NULL, "12345678", "1234567", true },
	{ "payload", "12345678", "abc", false },
	{ "payload[0:4]", "12345678", "abcd5678", false },
	{ "payload[:4]", "12345678", "abcd5678", false },
	{ "payload[0:4]", "12345678", "abcde678", true },
	{ "payload[0:2],payload[6:8]", "12345678", "ab3456cd", false },
	{ "payload[4:]", "12345678", "1234", false },
	{ "payload[4:]", "12345678", "1234zzzzzzzz", false },
	{ "payload[4:]", "12345678", "123", true },
	{ "payload[4:8]", "12345678", "12345678x", true },
	/* from the end of the longer one */
	{ "payload[-4:]", "12345678", "1234abcd", false },
	{ "payload[-4:]", "12345678", "123?abcd", true },
	{ "payload[-4:]", "1234", "1234abcd", false },
	{ "payload[-4:]", "1234abcd", "1234", false },
	{ "payload[-4:]", "1234", "1235abcd", true },
	{ "payload[-4:]", "1234", "1234abcde", true },
	{ "payload[-8:]", "1234", "1234abcdefgh", false },
	{ "payload[-4:]", "12", "abc", false },
	{ "payload[-18446744073709551615:]", "12345678", "abc", false },
	{ "payload[0:1],payload[-4:]", "12345678", "x234abcd", false },
	{ "missing,extra,order", "1", "2", true },
};

START_TEST(payload_masks)
{
	const struct bnet_header h = header(KEY);
	uint64_t wanted[DIFF_N_KINDS] = { [DIFF_PAYLOAD] =
					      payloads[_i].differ };

	made_frame(&made, 0, CAP_DOWN, &h, text(payloads[_i].captured),
	    (struct tape_record){ .at_ns = 1 });
	ck_assert(diff_masks_parse(&masks, payloads[_i].ignore, err));
	open_tape();
	packet_in(&h, text(payloads[_i].received));
	ended();
	counts(payloads[_i].captured, wanted);
}
END_TEST

/* What stock hops append, and what is no work of theirs. */
static const struct {
	int32_t key;
	const char *captured, *received;
	bool differ; /* with --stock */
	bool is_stock; /* without it */
	uint64_t n_bytes;
} hops[] = {
	{ KEY, "12345678", "12345678abcd", false, true, 4 },
	{ KEY, "12345678abcd", "12345678efgh", false, true, 4 },
	{ KEY, "12345678abcd", "12345678", false, true, 4 },
	{ KEY, "", "abcd", false, true, 4 },
	{ KEY, "12345678", "12345678abcdefgh", true, true, 8 },
	{ KEY, "12345678abcd", "1234567?efgh", true, true, 8 },
	{ KEY, "1234", "abcd", false, false, 0 },
	{ KEY, "12345678efgh", "1234", true, false, 0 }, /* just shorter */
	{ KEY, "12345678", "abcd5678", true, false, 0 },
	{ KEY, "1", "12345678901234567890", true, false, 0 },
	{ 0, "12345678", "12345678abcd", true, false, 0 }, /* not keyed */
};

START_TEST(stock_hops)
{
	const struct bnet_header h = header(hops[_i].key);

	for (int with = 0; with < 2; with++) {
		if (with == 1) {
			teardown();
			setup();
			ck_assert(diff_masks_stock(&masks));
		}
		made_frame(&made, 0, CAP_DOWN, &h, text(hops[_i].captured),
		    (struct tape_record){ .at_ns = 1 });
		open_tape();
		packet_in(&h, text(hops[_i].received));
		ended();
		if (with == 1) {
			ck_assert_int_eq(diff_total(diff) > 0, hops[_i].differ);
			continue;
		}
		ck_assert_uint_eq(diff_total(diff), 1);
		ck_assert_int_eq(diff_is_stock(diff), hops[_i].is_stock);
		ck_assert_uint_eq(
		    diff_found(diff)->stock_bytes, hops[_i].n_bytes);
	}
}
END_TEST

/* One difference of another kind, and it is not the path. */
START_TEST(stock_hops_and_more)
{
	struct bnet_header h = header(KEY);

	captured(0, KEY, "ab");
	open_tape();
	packet_in(&h, text("a1234"));
	ck_assert(diff_is_stock(diff));
	ended(); /* b is missing */
	ck_assert_uint_eq(diff_total(diff), 2);
	ck_assert(!diff_is_stock(diff));
}
END_TEST

START_TEST(kinds_masked)
{
	static const uint64_t none[DIFF_N_KINDS] = { 0 };

	captured(0, KEY, "abcdefgh");
	ck_assert(diff_masks_parse(&masks, "missing,extra,order", err));
	open_tape();
	received(KEY, "bcxdfeh");
	ended();
	counts("masked", none);
}
END_TEST

/* Captured compressed, in either order; received as it likes. */
START_TEST(codecs)
{
	static const enum bnet_codec_id ids[] = { BNET_CODEC_ZLIB,
		BNET_CODEC_SNAPPY };
	static const uint8_t plain[300] = { 1, 2, 3 };
	static const uint64_t codec[DIFF_N_KINDS] = { [DIFF_CODEC] = 1 };
	static const uint64_t both[DIFF_N_KINDS] = {
		[DIFF_CODEC] = 1, [DIFF_PAYLOAD] = 1
	};
	static const uint64_t none[DIFF_N_KINDS] = { 0 };
	struct bnet_slice payload = { plain, sizeof(plain) };
	struct bnet_codecs *state = bnet_codecs_new();
	struct bnet_header h = header(KEY);
	struct bnet_packet packet = { .has_header = true, .header = h };
	enum bnet_order order = _i < 2 ? BNET_ORDER_LITTLE : BNET_ORDER_NETWORK;
	struct bnet_buf out;

	bnet_buf_init(&out, 4096);
	made.sessions[0].order = order;
	unit_err("encode",
	    bnet_codec_encode(state, ids[_i % 2], order, payload, &out),
	    BNET_OK);
	for (int i = 0; i < 3; i++)
		made_frame(&made, 0, CAP_DOWN, &h, bnet_buf_slice(&out),
		    (struct tape_record){ .codec = ids[_i % 2] });
	open_tape();
	packet.payload = payload;
	packet.codec = ids[_i % 2];
	(void)diff_received(diff, &vclient, 0, &packet, NULL, NULL);
	counts("the same", none);
	packet.codec = BNET_CODEC_NONE;
	(void)diff_received(diff, &vclient, 0, &packet, NULL, NULL);
	counts("not compressed", codec);
	packet.payload.len--;
	(void)diff_received(diff, &vclient, 0, &packet, NULL, NULL);
	ended();
	counts("shorter", both);
	bnet_buf_free(&out);
	bnet_codecs_free(state);
}
END_TEST

/* ---- what is no packet of an application ---- */

START_TEST(no_header)
{
	static const uint64_t wanted[DIFF_N_KINDS] = { 0, 0, 0, 2, 0, 1 };
	static const uint8_t odd[] = { 0xff, 0xff };
	struct bnet_packet packet = { .payload = text("a") };
	const struct bnet_slice oob = { odd, sizeof(odd) };

	for (int i = 0; i < 4; i++)
		made_record(&made, 0, CAP_DOWN,
		    (struct tape_record){ .flags = i < 2 ? 0 : TAPE_R_OOB },
		    i < 2 ? (struct bnet_slice){ NULL, 0 } : oob, text("a"));
	open_tape();
	(void)diff_received(diff, &vclient, 0, &packet, NULL, NULL);
	packet.payload = text("b");
	(void)diff_received(diff, &vclient, 0, &packet, NULL, NULL);
	packet.payload = text("a");
	packet.oob = (struct bnet_slice){ odd, 1 };
	(void)diff_received(diff, &vclient, 0, &packet, NULL, NULL);
	/* key 0, as an application may */
	packet.has_header = true;
	(void)diff_received(diff, &vclient, 0, &packet, NULL, NULL);
	ended();
	counts("no header", wanted);
}
END_TEST

static struct bnet_slice
encoded(const struct bnet_message *message)
{
	struct bnet_buf out;
	struct bnet_slice copy;

	bnet_buf_init(&out, 4096);
	unit_err("encode", bnet_message_encode(message, &out), BNET_OK);
	copy = unit_copy(out.p, out.len);
	bnet_buf_free(&out);
	return copy;
}

static struct bnet_slice
error(uint32_t code, const char *reason)
{
	struct bnet_message message = { .type = BNET_MSG_ERROR };

	message.u.error = (struct bnet_error){ .code = code,
		.dest = 7,
		.reason = { reason, (uint32_t)strlen(reason) } };
	return encoded(&message);
}

static struct bnet_slice
reply(uint64_t cookie, uint64_t clock_ns)
{
	struct bnet_message message = { .type = BNET_MSG_ECHO_REPLY };

	message.u.echo.cookie = cookie;
	message.u.echo.sent_ns = clock_ns;
	message.u.echo.received_ns = clock_ns;
	return encoded(&message);
}

/* Errors count, reasons do not; echoes without their clocks. */
START_TEST(messages)
{
	static const uint64_t none[DIFF_N_KINDS] = { 0 };
	static const uint64_t two[DIFF_N_KINDS] = { [DIFF_PAYLOAD] = 2 };
	struct bnet_header hop = { .key = bnet_message_key(BNET_MSG_ERROR) };
	struct bnet_header echo = header(bnet_message_key(BNET_MSG_ECHO_REPLY));
	struct bnet_slice said[6] = { error(3, "nobody"), reply(5, 1000),
		error(3, "gone"), reply(5, 99999), error(4, "no"),
		reply(6, 1000) };

	for (int i = 0; i < 2; i++) {
		made_frame(&made, 0, CAP_DOWN, &hop, said[0],
		    (struct tape_record){ .flags = TAPE_R_MESSAGE });
		made_frame(&made, 0, CAP_DOWN, &echo, said[1],
		    (struct tape_record){ .flags = 0 });
	}
	open_tape();
	packet_in(&hop, said[2]);
	packet_in(&echo, said[3]);
	counts("other words, other times", none);
	packet_in(&hop, said[4]);
	packet_in(&echo, said[5]);
	ended();
	counts("another code, another cookie", two);
	for (int i = 0; i < 6; i++)
		unit_free(said[i]);
}
END_TEST

/* Live ids are 100 more for nodes, 200 more for clients. */
static int64_t
captured_id(void *arg, bool node, int64_t id)
{
	(void)arg;
	return id - (node ? 100 : 200);
}

static void
packet_of(int64_t source, int64_t dest_type, int64_t dest)
{
	const struct diff_ids ids = { captured_id, NULL };
	struct bnet_packet packet = { .has_oob = true,
		.has_header = true,
		.header = header(KEY),
		.payload = text("a") };

	packet.header.source = source;
	packet.header.dest_type = dest_type;
	packet.header.dest = dest;
	(void)diff_received(diff, &vclient, 0, &packet, &ids, NULL);
}

/* Clients and nodes are numbered apart; no header says which its source is. */
START_TEST(ids)
{
	static const uint64_t none[DIFF_N_KINDS] = { 0 };
	static const uint64_t two[DIFF_N_KINDS] = { [DIFF_HEADER] = 2 };
	struct bnet_header h = header(KEY);

	h.source = 7;
	for (int i = 0; i < 4; i++) {
		h.dest_type = i % 2 == 0 ? BNET_DEST_CLIENT : BNET_DEST_NODE;
		h.dest = 3;
		made_frame(&made, 0, CAP_DOWN, &h, text("a"),
		    (struct tape_record){ .at_ns = i + 1 });
	}
	open_tape();
	packet_of(107, BNET_DEST_CLIENT, 203);
	packet_of(207, BNET_DEST_NODE, 103);
	counts("a node, a client", none);
	packet_of(7, BNET_DEST_CLIENT, 203);
	packet_of(107, BNET_DEST_NODE, 203);
	ended();
	counts("others", two);
}
END_TEST

/* A relay says these when it likes. */
START_TEST(left_out)
{
	static const uint64_t none[DIFF_N_KINDS] = { 0 };
	static const enum bnet_message_type types[] = { BNET_MSG_WELCOME,
		BNET_MSG_KEEPALIVE, BNET_MSG_ROSTER_REPLY, BNET_MSG_DRAIN };
	struct bnet_header h = { .key = BNET_KEY_PONG };

	h.key = bnet_message_key(BNET_MSG_KEEPALIVE);
	made_frame(&made, 0, CAP_DOWN, &h, text(""),
	    (struct tape_record){ .flags = TAPE_R_MESSAGE | TAPE_R_KEEPALIVE });
	h.key = bnet_message_key(BNET_MSG_ROSTER_REPLY);
	made_frame(&made, 0, CAP_DOWN, &h, text("abc"),
	    (struct tape_record){ .flags = TAPE_R_MESSAGE });
	h.key = BNET_KEY_PONG;
	made_frame(&made, 0, CAP_DOWN, &h, text("abcd"),
	    (struct tape_record){ .at_ns = 1 });
	open_tape();
	h.key = BNET_KEY_PONG;
	packet_in(&h, text("abcd"));
	for (size_t i = 0; i < 4; i++) {
		h.key = bnet_message_key(types[i]);
		packet_in(&h, text(""));
	}
	ended();
	counts("left out", none);
	ck_assert_uint_eq(diff_found(diff)->compared, 0);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("replay_diff_fields");
	TCase *tc = unit_case(suite, "diff");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, one_field, 0, UNIT_ROWS(fields));
	tcase_add_loop_test(tc, payload_masks, 0, UNIT_ROWS(payloads));
	tcase_add_loop_test(tc, stock_hops, 0, UNIT_ROWS(hops));
	tcase_add_test(tc, stock_hops_and_more);
	tcase_add_test(tc, kinds_masked);
	tcase_add_loop_test(tc, codecs, 0, 4);
	tcase_add_test(tc, no_header);
	tcase_add_test(tc, messages);
	tcase_add_test(tc, ids);
	tcase_add_test(tc, left_out);
	return suite;
}

UNIT_MAIN(make_suite)
