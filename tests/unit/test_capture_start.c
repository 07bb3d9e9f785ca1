/* SPDX-License-Identifier: MIT */
/*
 * What a stream begins with, or turns into: PROXY headers, TLS after plain
 * bytes, two byte orders.
 */
#include "tests/unit/packets.h"
#include "tests/unit/tls_talk.h"

static struct tap tap;
static struct conn conn;
static struct bnet_buf bytes;
static struct cap_settings set;

static void
setup(void)
{
	const struct conn fresh = CONN(50000, CAP_PORT);

	conn = fresh;
	set = (struct cap_settings){ .any_port = false };
	bnet_buf_init(&bytes, TALK_MAX_BYTES);
	tap_open(&tap, &set);
}

static void
teardown(void)
{
	tap_free(&tap);
	bnet_buf_free(&bytes);
}

static void
put(const uint8_t *p, size_t n)
{
	ck_assert_int_eq(
	    bnet_buf_append(&bytes, (struct bnet_slice){ p, n }), BNET_OK);
}

static void
put_text(const char *text)
{
	put((const uint8_t *)text, strlen(text));
}

static void
put_hex(const char *hex)
{
	struct bnet_slice s = unit_hex(hex);

	put(s.p, s.len);
	unit_free(s);
}

static void
put_frames(enum bnet_order order, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		put_numbered(&bytes, order, i, 30);
}

#define FRAMES 5
#define FRAMES_BYTES (FRAMES * NUMBERED_BYTES(30))

/* All bytes in `dir`; from `from` on `missing` bytes are not captured. */
static void
say(enum cap_dir dir, size_t segment, size_t from, size_t missing)
{
	struct bnet_slice in = bnet_buf_slice(&bytes), part = in;

	part.len = from;
	conn_say(&tap, &conn, dir, part, segment);
	conn_lose(&conn, dir, missing);
	conn_say(
	    &tap, &conn, dir, bnet_slice_from(in, from + missing), segment);
	conn_ack(&tap, &conn, !dir);
	bnet_buf_clear(&bytes);
}

/* ---- PROXY ---- */

#define SIG "0d0a0d0a000d0a515549540a"
#define V4 \
	"c0000209" \
	"0a000002" \
	"c7386590"
#define Z16 "00000000000000000000000000000000"

/* bad: malformed, of the same size; src NULL: no client is named. */
static const struct proxy_row {
	const char *name, *text, *hex, *src;
	size_t pad; /* zeros after it, in the header */
	bool bad;
} proxy_rows[] = {
	{ "TCP4", "PROXY TCP4 192.0.2.9 10.0.0.2 51000 26000\r\n", NULL,
	    "192.0.2.9:51000", 0, false },
	{ "TCP6", "PROXY TCP6 2001:db8::9 ::1 51000 26000\r\n", NULL,
	    "[2001:db8::9]:51000", 0, false },
	{ "UNKNOWN", "PROXY UNKNOWN\r\n", NULL, NULL, 0, false },
	{ "bad line", "PROXY TCP9 192.0.2.9 10.0.0.2 51000 26000\r\n", NULL,
	    NULL, 0, true },
	{ "v2", NULL, SIG "2111000c" V4, "192.0.2.9:51000", 0, false },
	{ "v2, IPv6", NULL,
	    SIG "21210024"
		"20010db8000000000000000000000009" Z16 "c7386590",
	    "[2001:db8::9]:51000", 0, false },
	{ "v2, local", NULL, SIG "20000000", NULL, 0, false },
	{ "v2, unspecified, with bytes", NULL, SIG "21000003010203", NULL, 0,
	    false },
	{ "v2, UNIX", NULL, SIG "213100d82f7300", "unix:/s", 213, false },
	{ "v2, TLVs", NULL,
	    SIG "21110018" V4 "0400021122"
		"ea0000"
		"ff000101",
	    "192.0.2.9:51000", 0, false },
	{ "v2, the longest", NULL, SIG "2111ffff" V4 "04fff0",
	    "192.0.2.9:51000", 65520, false },
	{ "v2, bad TLV", NULL, SIG "2111000f" V4 "04ffff", NULL, 0, true },
	{ "v2, bad family", NULL, SIG "2151000c" V4, NULL, 0, true },
};

static size_t
put_proxy(const struct proxy_row *row)
{
	if (row->text != NULL)
		put_text(row->text);
	else
		put_hex(row->hex);
	for (size_t i = 0; i < row->pad; i++)
		put((const uint8_t *)"", 1);
	return bytes.len;
}

static const size_t segments[] = { 1, 7, 100, 1448 };

#define N_SEGMENTS 4

static void
expect_proxy(const struct proxy_row *row, size_t n)
{
	tap_expect(
	    &tap, row->name, CAP_UP, CAP_PROXY, !row->bad, row->bad ? 0 : n);
	tap_expect(
	    &tap, row->name, CAP_UP, CAP_MALFORMED, row->bad, row->bad ? n : 0);
	tap_expect(&tap, row->name, CAP_UP, CAP_FRAME, FRAMES, FRAMES_BYTES);
	tap_expect(&tap, row->name, CAP_UP, CAP_SKIP, 0, 0);
}

/* Frames follow, however it is cut; those of the other side are as ever. */
START_TEST(test_proxy)
{
	const struct proxy_row *row = &proxy_rows[_i / N_SEGMENTS];
	size_t segment = segments[_i % N_SEGMENTS], n = put_proxy(row);
	struct cap_stream *stream;

	if (row->pad > 1000 && segment < 100)
		return; /* as many packets take too long */
	conn_open(&tap, &conn);
	put_frames(BNET_ORDER_LITTLE, FRAMES);
	say(CAP_UP, segment, bytes.len, 0);
	put_frames(BNET_ORDER_LITTLE, FRAMES);
	say(CAP_DOWN, segment, bytes.len, 0);
	stream = tap.stream;
	ck_assert_ptr_nonnull(stream);
	if (row->src == NULL)
		ck_assert_ptr_null(stream->client_src);
	else
		ck_assert_str_eq(stream->client_src, row->src);
	expect_proxy(row, n);
	tap_expect(&tap, row->name, CAP_DOWN, CAP_FRAME, FRAMES, FRAMES_BYTES);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	expect_proxy(row, n);
}
END_TEST

/* A stream of any port is decided by the frames; then it has its header. */
START_TEST(test_proxy_any)
{
	const struct conn other = CONN(50000, 7777);
	const struct proxy_row *row = &proxy_rows[_i];
	size_t n;

	tap_free(&tap);
	set.any_port = true;
	tap_open(&tap, &set);
	conn = other;
	n = put_proxy(row);
	conn_open(&tap, &conn);
	say(CAP_UP, 1448, n, 0);
	ck_assert_uint_eq(tap.told.n[CAP_UP][CAP_PROXY], 0);
	put_frames(BNET_ORDER_LITTLE, FRAMES);
	say(CAP_UP, 1448, bytes.len, 0);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	tap_expect(
	    &tap, row->name, CAP_UP, CAP_PROXY, !row->bad, row->bad ? 0 : n);
	tap_expect(&tap, row->name, CAP_UP, CAP_FRAME, FRAMES, FRAMES_BYTES);
}
END_TEST

/* A hole in the header of version 2 loses the header, and no frame. */
START_TEST(test_proxy_hole)
{
	const struct proxy_row *row = &proxy_rows[9];
	size_t n = put_proxy(row), missing = (size_t)_i + 1;

	ck_assert_uint_eq(n, 40);
	conn_open(&tap, &conn);
	put_frames(BNET_ORDER_LITTLE, FRAMES);
	say(CAP_UP, 20, 20, missing);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	tap_expect(&tap, "hole", CAP_UP, CAP_GAP, 1, missing);
	tap_expect(&tap, "hole", CAP_UP, CAP_SKIP, 1, n - missing);
	tap_expect(&tap, "hole", CAP_UP, CAP_FRAME, FRAMES, FRAMES_BYTES);
}
END_TEST

/* Loss after the header: one frame is lost, and the client is known. */
START_TEST(test_proxy_then_loss)
{
	const struct proxy_row *row = &proxy_rows[_i];
	size_t n = put_proxy(row);

	conn_open(&tap, &conn);
	put_frames(BNET_ORDER_LITTLE, FRAMES);
	say(CAP_UP, 1448, n + NUMBERED_BYTES(30) + 10, 5);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	tap_expect(&tap, row->name, CAP_UP, CAP_GAP, 1, 5);
	tap_expect(&tap, row->name, CAP_UP, CAP_FRAME, FRAMES - 1,
	    FRAMES_BYTES - NUMBERED_BYTES(30));
}
END_TEST

/* Two proxies in a row: the client is that of the last header. */
START_TEST(test_proxy_twice)
{
	size_t n = put_proxy(&proxy_rows[4]);

	put_text("PROXY TCP4 192.0.2.1 10.0.0.2 1 2\r\n");
	n = bytes.len;
	put_frames(BNET_ORDER_LITTLE, FRAMES);
	conn_open(&tap, &conn);
	say(CAP_UP, 1448, bytes.len, 0);
	ck_assert_str_eq(tap.stream->client_src, "192.0.2.1:1");
	ck_assert_str_eq(tap.stream->client_dst, "10.0.0.2:2");
	tap_finish(&tap);
	tap_expect(&tap, "twice", CAP_UP, CAP_PROXY, 2, n);
	tap_expect(&tap, "twice", CAP_UP, CAP_FRAME, FRAMES, FRAMES_BYTES);
}
END_TEST

/* A header without its end is accounted for. */
START_TEST(test_proxy_cut)
{
	const struct proxy_row *row = &proxy_rows[_i];
	size_t n = put_proxy(row) - 1;

	bytes.len = n;
	conn_open(&tap, &conn);
	say(CAP_UP, 1448, n, 0);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	ck_assert_uint_eq(told_bytes(&tap.told, CAP_UP), n);
	ck_assert_uint_eq(tap.told.n[CAP_UP][CAP_PROXY], 0);
}
END_TEST

/* ---- two byte orders ---- */

static const enum bnet_order orders[] = { BNET_ORDER_LITTLE,
	BNET_ORDER_NETWORK };

/* Either side first, in either order, however cut; start: with its SYN. */
static void
both_orders(enum bnet_order up, size_t segment, enum cap_dir first, bool start)
{
	enum cap_dir dir = first;

	if (start)
		conn_open(&tap, &conn);
	for (int i = 0; i < 4; i++, dir = !dir) {
		put_frames(dir == CAP_UP ? up : BNET_ORDER_LITTLE, FRAMES);
		say(dir, segment, bytes.len, 0);
	}
	conn_close(&tap, &conn);
	tap_finish(&tap);
	for (dir = CAP_UP; dir <= CAP_DOWN; dir++) {
		tap_expect(&tap, "frames", dir, CAP_FRAME, 2 * FRAMES,
		    2 * FRAMES_BYTES);
		tap_expect(&tap, "bad", dir, CAP_MALFORMED, 0, 0);
		tap_expect(&tap, "skip", dir, CAP_SKIP, 0, 0);
	}
	ck_assert_uint_eq(tap.told.n[0][CAP_NOTE] + tap.told.n[1][CAP_NOTE],
	    up != BNET_ORDER_LITTLE);
	/* without a start, a gap at the start may be the last that is told */
	if (up != BNET_ORDER_LITTLE && start)
		ck_assert_str_eq(tap.reason,
		    "the two directions have different byte orders");
}

START_TEST(test_orders)
{
	both_orders(orders[_i & 1], segments[_i >> 2],
	    _i & 2 ? CAP_DOWN : CAP_UP, true);
}
END_TEST

START_TEST(test_orders_no_start)
{
	both_orders(orders[_i & 1], segments[_i >> 2],
	    _i & 2 ? CAP_DOWN : CAP_UP, false);
}
END_TEST

/* ---- TLS after plain bytes ---- */

static struct talk talk;

/* Plain bytes of each side, the server's first if `banner`; then TLS. */
static const struct turn_row {
	const char *name;
	const char *text[2];
	uint32_t n_frames[2];
	bool banner;
	enum bnet_order order;
} turn_rows[] = {
	{ "lines", { "STARTTLS\r\n", "220 ready\r\n" }, { 0, 0 }, false,
	    BNET_ORDER_LITTLE },
	{ "a banner", { "STARTTLS\r\n", "220 ready\r\n" }, { 0, 0 }, true,
	    BNET_ORDER_LITTLE },
	{ "a banner only", { NULL, "220 ready\r\n" }, { 0, 0 }, true,
	    BNET_ORDER_LITTLE },
	{ "SSLRequest", { "\1\1\1\x8\x4\xd2\x16\x2f", "S" }, { 0, 0 }, false,
	    BNET_ORDER_LITTLE },
	{ "frames", { NULL, NULL }, { 3, 2 }, false, BNET_ORDER_LITTLE },
	{ "frames, network", { NULL, NULL }, { 3, 2 }, false,
	    BNET_ORDER_NETWORK },
	{ "frames of the client", { NULL, NULL }, { 3, 0 }, false,
	    BNET_ORDER_LITTLE },
	{ "frames of the client, network", { NULL, NULL }, { 3, 0 }, false,
	    BNET_ORDER_NETWORK },
	{ "frames of the server", { NULL, NULL }, { 0, 2 }, true,
	    BNET_ORDER_LITTLE },
	{ "a PROXY header, lines",
	    { "PROXY TCP4 192.0.2.9 10.0.0.2 51000 26000\r\nSTARTTLS\r\n",
		"220 ready\r\n" },
	    { 0, 0 }, false, BNET_ORDER_LITTLE },
	{ "a PROXY header, frames",
	    { "PROXY TCP4 192.0.2.9 10.0.0.2 51000 26000\r\n", NULL }, { 2, 1 },
	    false, BNET_ORDER_NETWORK },
};

static void
say_plain(const struct turn_row *row, enum cap_dir dir, size_t segment)
{
	if (row->text[dir] != NULL)
		put_text(row->text[dir]);
	put_frames(row->order, row->n_frames[dir]);
	say(dir, segment, bytes.len, 0);
}

/* The frames go through TLS. */
static void
say_sealed(enum bnet_order order, enum cap_dir dir)
{
	put_frames(order, FRAMES);
	ck_assert_int_eq(
	    SSL_write(talk.ssl[dir], bytes.p + bytes.at, (int)bytes.len),
	    (int)bytes.len);
	bnet_buf_clear(&bytes);
	(void)talk_carry(&talk, dir);
	talk_settle(&talk);
}

static void
say_flights(size_t segment)
{
	for (size_t i = 0; i < talk.n_flights; i++) {
		const struct talk_flight *f = &talk.flights[i];

		put(talk.wire.p + f->at, f->len);
		say(f->dir, segment, bytes.len, 0);
	}
}

/* Text is a note, not a loss. */
static uint64_t
check_text(const struct turn_row *row, int dir)
{
	const char *text = row->text[dir];

	if (text == NULL || (strchr(text, '\n') == NULL))
		return 0;
	if (strncmp(text, "PROXY", 5) == 0)
		text = strchr(text, '\n') + 1;
	if (*text == '\0')
		return 0;
	ck_assert_uint_eq(tap.told.bytes[dir][CAP_NOTE], strlen(text));
	ck_assert_uint_eq(
	    tap.told.n[dir][CAP_SKIP] + tap.told.n[dir][CAP_MALFORMED], 0);
	return 1;
}

START_TEST(test_turn)
{
	static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };
	const struct turn_row *row = &turn_rows[_i / (2 * N_SEGMENTS)];
	size_t segment = segments[_i / 2 % N_SEGMENTS];
	uint64_t n_texts = 0;

	tap_free(&tap);
	talk_init(&talk, versions[_i % 2], NULL);
	talk_connect(&talk);
	talk_shake(&talk);
	say_sealed(row->order, CAP_UP);
	say_sealed(row->order, CAP_DOWN);
	talk_close(&talk);
	set.keylog = talk.keylog;
	tap_open(&tap, &set);
	conn_open(&tap, &conn);
	say_plain(row, row->banner ? CAP_DOWN : CAP_UP, segment);
	say_plain(row, row->banner ? CAP_UP : CAP_DOWN, segment);
	say_flights(segment);
	ck_assert(tap.stream->tls);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	for (int dir = 0; dir < 2; dir++) {
		ck_assert_msg(
		    tap.told.n[dir][CAP_FRAME] == row->n_frames[dir] + FRAMES,
		    "%s: %d: %llu frames, last %s", row->name, dir,
		    (unsigned long long)tap.told.n[dir][CAP_FRAME], tap.reason);
		if (row->text[dir] == NULL)
			ck_assert_uint_eq(tap.told.n[dir][CAP_SKIP] +
				tap.told.n[dir][CAP_MALFORMED],
			    0);
	}
	for (int dir = 0; dir < 2; dir++)
		n_texts += check_text(row, dir);
	ck_assert_uint_eq(
	    tap.told.n[0][CAP_NOTE] + tap.told.n[1][CAP_NOTE], 1 + n_texts);
	talk_free(&talk);
}
END_TEST

/* The same where every port is looked at: lines before TLS, and more of them. */
static const char *const any_turns[][2] = {
	{ "STARTTLS\r\n", "220 ready\r\n" },
	{ "STARTTLS\r\n", "OK\r\n" },
	{ "CONNECT relay:26000 HTTP/1.1\r\nHost: relay\r\n\r\n",
	    "HTTP/1.1 200 OK\r\n\r\n" },
	{ "<?xml version='1.0'?>\n<starttls/>", "<proceed/>" },
};

START_TEST(test_turn_any)
{
	const char *const *text = any_turns[_i / N_SEGMENTS];
	size_t segment = segments[_i % N_SEGMENTS];
	struct turn_row row = { .text = { text[0], text[1] } };

	tap_free(&tap);
	talk_init(&talk, TLS1_3_VERSION, NULL);
	talk_connect(&talk);
	talk_shake(&talk);
	say_sealed(BNET_ORDER_LITTLE, CAP_UP);
	say_sealed(BNET_ORDER_LITTLE, CAP_DOWN);
	talk_close(&talk);
	set.keylog = talk.keylog;
	set.any_port = true;
	tap_open(&tap, &set);
	conn.port[1] = 7777;
	conn_open(&tap, &conn);
	say_plain(&row, CAP_UP, segment);
	say_plain(&row, CAP_DOWN, segment);
	say_flights(segment);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	set.any_port = false;
	for (int dir = 0; dir < 2; dir++) {
		ck_assert_uint_eq(tap.told.n[dir][CAP_FRAME], FRAMES);
		ck_assert_uint_eq(
		    tap.told.bytes[dir][CAP_NOTE], strlen(text[dir]));
		ck_assert_uint_eq(
		    tap.told.n[dir][CAP_SKIP] + tap.told.n[dir][CAP_MALFORMED],
		    0);
	}
	ck_assert_uint_eq(tap.told.n[0][CAP_NOTE] + tap.told.n[1][CAP_NOTE], 3);
	talk_free(&talk);
}
END_TEST

/* ---- text before frames ---- */

static const struct text_row {
	const char *text;
	bool note; /* it is one before frames; or else another's stream */
} text_rows[] = {
	{ "HELLO\r\n", true },
	{ "GET /bluenet HTTP/1.1\r\nUpgrade: bluenet\r\n\r\n", true },
	{ "hello relay, no line end", true }, { "four", true },
	{ "\xff\xfe binary", false }, { NULL, false }, /* too much of it */
};

/* Both byte orders, on a port of ours and on any, in segments of all sizes. */
START_TEST(test_text)
{
	const struct text_row *row = &text_rows[_i / (4 * N_SEGMENTS)];
	size_t segment = segments[_i / 4 % N_SEGMENTS], n_text;
	enum bnet_order order = _i & 1 ? BNET_ORDER_LITTLE : BNET_ORDER_NETWORK;
	bool any = (_i & 2) != 0;

	tap_free(&tap);
	set.any_port = any;
	tap_open(&tap, &set);
	set.any_port = false;
	if (any)
		conn.port[1] = 7777;
	conn_open(&tap, &conn);
	for (int i = 0; i < 2000 && row->text == NULL; i++)
		put_text("all work and no play\n");
	if (row->text != NULL)
		put_text(row->text);
	n_text = bytes.len;
	put_frames(order, 5);
	say(CAP_UP, segment, bytes.len, 0);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	if (any && !row->note) {
		ck_assert_uint_eq(tap.told.n[CAP_UP][CAP_FRAME], 0);
		return;
	}
	ck_assert_uint_eq(tap.told.n[CAP_UP][CAP_FRAME], 5);
	tap_expect(
	    &tap, "text", CAP_UP, row->note ? CAP_NOTE : CAP_SKIP, 1, n_text);
	tap_expect(&tap, "none", CAP_UP, CAP_MALFORMED, !row->note, 0);
}
END_TEST

/* A port of ours with nothing but text: what is wrong is told at its end. */
START_TEST(test_text_only)
{
	conn_open(&tap, &conn);
	put_text("GET / HTTP/1.1\r\n\r\n");
	say(CAP_UP, segments[_i], bytes.len, 0);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	tap_expect(&tap, "malformed", CAP_UP, CAP_MALFORMED, 1, 0);
	tap_expect(&tap, "skip", CAP_UP, CAP_SKIP, 1, 18);
	tap_expect(&tap, "note", CAP_UP, CAP_NOTE, 0, 0);
}
END_TEST

/* What begins like a hello after frames, and is none, is a bad frame. */
START_TEST(test_no_turn)
{
	conn_open(&tap, &conn);
	put_frames(BNET_ORDER_NETWORK, 2);
	put_hex("160301ff0001000099");
	if (_i & 1)
		put_frames(BNET_ORDER_NETWORK, 9);
	say(CAP_UP, segments[_i >> 1], bytes.len, 0);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	tap_expect(&tap, "bad", CAP_UP, CAP_MALFORMED, 1, 0);
	ck_assert_uint_eq(tap.told.n[CAP_UP][CAP_FRAME], _i & 1 ? 2 + 9 : 2);
	tap_expect(&tap, "bad", CAP_UP, CAP_SKIP, 1, 9);
	tap_expect(&tap, "bad", CAP_UP, CAP_NOTE, 0, 0);
}
END_TEST

static Suite *
capture_start_suite(void)
{
	Suite *suite = suite_create("capture_start");
	TCase *tc = unit_case(suite, "proxy");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(
	    tc, test_proxy, 0, UNIT_ROWS(proxy_rows) * N_SEGMENTS);
	tcase_add_loop_test(tc, test_proxy_any, 0, UNIT_ROWS(proxy_rows));
	tcase_add_loop_test(tc, test_proxy_hole, 0, 20);
	tcase_add_loop_test(tc, test_proxy_then_loss, 0, UNIT_ROWS(proxy_rows));
	tcase_add_test(tc, test_proxy_twice);
	tcase_add_loop_test(tc, test_proxy_cut, 0, UNIT_ROWS(proxy_rows));
	tcase_add_loop_test(tc, test_orders, 0, 4 * N_SEGMENTS);
	tcase_add_loop_test(tc, test_orders_no_start, 0, 4 * N_SEGMENTS);
	tcase_add_loop_test(
	    tc, test_turn, 0, UNIT_ROWS(turn_rows) * 2 * N_SEGMENTS);
	tcase_add_loop_test(
	    tc, test_turn_any, 0, UNIT_ROWS(any_turns) * N_SEGMENTS);
	tcase_add_loop_test(
	    tc, test_text, 0, UNIT_ROWS(text_rows) * 4 * N_SEGMENTS);
	tcase_add_loop_test(tc, test_text_only, 0, N_SEGMENTS);
	tcase_add_loop_test(tc, test_no_turn, 0, 2 * N_SEGMENTS);
	return suite;
}

UNIT_MAIN(capture_start_suite)
