/* SPDX-License-Identifier: MIT */
/*
 * When frames were complete: their times and packets, whatever released them,
 * and their order over all streams; and clocks that step.
 */
#include "tests/unit/packets.h"

#define S INT64_C(1000000000)
#define MS INT64_C(1000000)
#define T0 (INT64_C(1700000000) * S)
#define LOG_MAX 512

static struct seen {
	enum cap_event_type type;
	enum cap_dir dir;
	uint64_t stream, packet, bytes, number;
	int64_t time_ns, clock_ns, step_ns;
	uint64_t payload_len, cut_of;
	const char *reason;
} seen[LOG_MAX];
static size_t n_seen;
static struct tap tap;
static struct bnet_buf frame; /* of 100 payload bytes, with a header */

static void
on_seen(void *arg, const struct cap_event *event)
{
	struct seen *s = &seen[n_seen];

	(void)arg;
	ck_assert_uint_lt(n_seen, LOG_MAX);
	n_seen++;
	*s = (struct seen){ .type = event->type,
		.dir = event->dir,
		.stream = event->stream == NULL ? 99 : event->stream->number,
		.packet = event->packet,
		.bytes = event->bytes,
		.number = event->number,
		.time_ns = event->time_ns,
		.clock_ns = event->clock_ns,
		.step_ns = event->step_ns,
		.reason = event->reason };
	if (event->type == CAP_FRAME) {
		s->payload_len = event->frame->payload.len;
		s->cut_of = event->cut_of;
		s->step_ns = 0;
	}
}

static void
setup(void)
{
	static const struct cap_settings defaults;
	const struct cap_sink sink = { on_seen, NULL, NULL };

	n_seen = 0;
	tap = (struct tap){ .cap = cap_new(&defaults, &sink), .time_ns = T0 };
	ck_assert_ptr_nonnull(tap.cap);
	bnet_buf_init(&frame, 1 << 20);
	put_numbered(&frame, BNET_ORDER_NETWORK, 7, 100);
}

static void
teardown(void)
{
	cap_free(tap.cap);
	bnet_buf_free(&frame);
}

static void
at(int64_t ms)
{
	tap.time_ns = T0 + ms * MS;
}

/* A frame in a segment of its own. */
static void
say(struct conn *conn, enum cap_dir dir)
{
	conn_say(&tap, conn, dir, bnet_buf_slice(&frame), 2000);
}

static void
lose(struct conn *conn, enum cap_dir dir)
{
	conn_lose(conn, dir, frame.len);
}

static size_t
count(enum cap_event_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < n_seen; i++)
		n += seen[i].type == type;
	return n;
}

/* Each frame has the time that its packet had, and they are in order. */
static void
check_frames(size_t n)
{
	uint64_t last = 0;

	ck_assert_uint_eq(count(CAP_FRAME), n);
	for (size_t i = 0; i < n_seen; i++) {
		if (seen[i].type != CAP_FRAME)
			continue;
		ck_assert_uint_gt(seen[i].packet, last);
		last = seen[i].packet;
	}
	ck_assert_uint_eq(cap_counters(tap.cap)->late_frames, 0);
}

/*
 * Both directions lose a segment; each frame keeps its own time. Packets: 3 to
 * open, then a frame up, one down, every 10 ms.
 */
START_TEST(test_holes_both_ways)
{
	struct conn conn = CONN(40000, 26000);
	int64_t times[80];
	size_t n = 0;

	conn_open(&tap, &conn);
	for (int i = 0; i < 40; i++) {
		at(100 + i * 10);
		if (i == 5)
			lose(&conn, CAP_UP);
		else {
			times[n++] = tap.time_ns;
			say(&conn, CAP_UP);
		}
		at(105 + i * 10);
		if (i == 7 || i == 9)
			lose(&conn, CAP_DOWN);
		else {
			times[n++] = tap.time_ns;
			say(&conn, CAP_DOWN);
		}
	}
	at(2000);
	conn_ack(&tap, &conn, CAP_UP);
	at(2001);
	conn_ack(&tap, &conn, CAP_DOWN);
	check_frames(77);
	ck_assert_uint_eq(count(CAP_GAP), 3);
	n = 0;
	for (size_t i = 0; i < n_seen; i++)
		if (seen[i].type == CAP_FRAME) {
			ck_assert_int_eq(seen[i].time_ns, times[n]);
			ck_assert_uint_eq(seen[i].packet, 4 + n);
			n++;
		}
}
END_TEST

/*
 * The end of a frame, or all of it but its word, is lost: what is left of it is
 * skipped when the gap is known, and not before what came in between.
 */
START_TEST(test_skips_are_in_order)
{
	const struct bnet_slice all = bnet_buf_slice(&frame);
	const size_t kept = _i == 0 ? 60 : 2;
	struct conn conn = CONN(40000, 26000);

	conn_open(&tap, &conn);
	at(10);
	conn_say(&tap, &conn, CAP_UP, (struct bnet_slice){ all.p, kept }, 2000);
	conn_lose(&conn, CAP_UP, all.len - kept);
	for (int i = 2; i < 12; i++) {
		at(i * 10);
		say(&conn, i % 2 == 0 ? CAP_DOWN : CAP_UP);
	}
	cap_finish(tap.cap);
	ck_assert_uint_eq(count(CAP_FRAME), 10);
	ck_assert_uint_eq(count(CAP_GAP), 1);
	ck_assert_uint_eq(count(CAP_SKIP), 1);
	for (size_t i = 1; i < n_seen; i++) {
		ck_assert_uint_ge(seen[i].packet, seen[i - 1].packet);
		ck_assert_int_ge(seen[i].time_ns, seen[i - 1].time_ns);
		ck_assert(seen[i].type != CAP_SKIP || seen[i].bytes == kept);
	}
}
END_TEST

/* A frame over two segments, the first of which comes last. */
START_TEST(test_the_packet_that_completed_it)
{
	struct conn conn = CONN(40000, 26000), late;
	struct bnet_slice all = bnet_buf_slice(&frame);
	struct bnet_slice first = { all.p, 40 };

	conn_open(&tap, &conn);
	late = conn;
	conn_lose(&conn, CAP_UP, 40);
	at(10);
	conn_say(&tap, &conn, CAP_UP, bnet_slice_from(all, 40), 2000); /* 4 */
	at(20);
	say(&conn, CAP_UP); /* 5: whole, but behind the hole */
	at(30);
	conn_say(&tap, &late, CAP_UP, first, 2000); /* 6 */
	tap_finish(&tap);
	ck_assert_uint_eq(count(CAP_FRAME), 2);
	ck_assert_uint_eq(seen[0].packet, 6);
	ck_assert_int_eq(seen[0].time_ns, T0 + 30 * MS);
	ck_assert_uint_eq(seen[1].packet, 5);
	ck_assert_int_eq(seen[1].time_ns, T0 + 20 * MS);
	ck_assert_uint_eq(cap_counters(tap.cap)->late_frames, 1);
	ck_assert_int_eq(cap_counters(tap.cap)->late_ns, 10 * MS);
}
END_TEST

/* While one stream awaits bytes, what the others report is held back. */
START_TEST(test_order_over_streams)
{
	struct conn holey = CONN(40000, 26000), other = CONN(40001, 26000);

	conn_open(&tap, &holey);
	conn_open(&tap, &other);
	at(10);
	say(&holey, CAP_UP); /* 7 */
	lose(&holey, CAP_UP);
	for (int i = 0; i < 20; i++) {
		at(20 + i * 20);
		say(&holey, CAP_UP);
		at(30 + i * 20);
		say(&other, CAP_UP);
	}
	ck_assert_uint_eq(count(CAP_FRAME), 1);
	conn_ack(&tap, &holey, CAP_DOWN);
	at(1000);
	conn_ack(&tap, &other, CAP_DOWN);
	check_frames(41);
	ck_assert_uint_eq(count(CAP_GAP), 1);
	ck_assert_uint_eq(seen[1].type, CAP_GAP);
	ck_assert_uint_eq(seen[1].packet, 8); /* which shows it */
}
END_TEST

/* But not for ever, and then the delay is told. */
START_TEST(test_order_is_bounded)
{
	struct conn holey = CONN(40000, 26000), other = CONN(40001, 26000);
	struct conn late;

	conn_open(&tap, &holey);
	conn_open(&tap, &other);
	late = holey;
	lose(&holey, CAP_UP);
	at(10);
	say(&holey, CAP_UP); /* the receiver does not have it: no gap yet */
	for (int i = 1; i <= 30; i++) {
		at(i * 100);
		conn_ack(&tap, &late, CAP_DOWN);
		say(&other, CAP_UP);
	}
	ck_assert_uint_ge(count(CAP_FRAME), 18);
	at(3100);
	say(&late, CAP_UP);
	tap_finish(&tap);
	ck_assert_uint_eq(count(CAP_FRAME), 32);
	ck_assert_uint_eq(count(CAP_GAP), 0);
	ck_assert_uint_eq(cap_counters(tap.cap)->late_frames, 1);
	ck_assert_int_eq(cap_counters(tap.cap)->late_ns, 3090 * MS);
}
END_TEST

/* In the middle of a session, both ways. */
START_TEST(test_mid_session)
{
	struct conn conn = CONN(40000, 26000);

	for (int i = 0; i < 30; i++) {
		at(i * 2);
		say(&conn, CAP_UP);
		at(i * 2 + 1);
		say(&conn, CAP_DOWN);
	}
	tap_finish(&tap);
	check_frames(60);
	for (size_t i = 0, k = 0; i < n_seen; i++)
		if (seen[i].type == CAP_FRAME) {
			ck_assert_int_eq(seen[i].time_ns, T0 + (int64_t)k * MS);
			ck_assert_uint_eq(seen[i].packet, ++k);
		}
}
END_TEST

/* One direction only, and no packet comes any more: the clock on the wall. */
START_TEST(test_one_way_idle)
{
	struct conn conn = CONN(40000, 26000);

	conn_send(&tap, &conn, CAP_UP, TCP_SYN, nothing);
	conn.seq[0]++;
	at(1);
	say(&conn, CAP_UP);
	lose(&conn, CAP_UP);
	for (int i = 0; i < 10; i++) {
		at(10 + i);
		say(&conn, CAP_UP);
	}
	cap_idle(tap.cap, 480 * MS);
	ck_assert_uint_eq(count(CAP_FRAME), 1);
	cap_idle(tap.cap, 520 * MS);
	check_frames(11);
	ck_assert_uint_eq(count(CAP_GAP), 1);
	ck_assert_int_eq(seen[2].time_ns, T0 + 10 * MS);
}
END_TEST

static const struct clock_row {
	const char *name;
	int64_t step_ns[2]; /* from packet 14 on, and from packet 24 on */
	bool once; /* packet 14 alone */
	size_t n_reports;
	int64_t told_ns[2];
	bool straight; /* relative times are as if there was no step */
} clock_rows[] = {
	{ "none", { 0, 0 }, false, 0, { 0, 0 }, true },
	{ "back by seconds", { -3 * S, 0 }, false, 1, { -3 * S, 0 }, true },
	{ "back by an hour", { -3600 * S, 0 }, false, 1, { -3600 * S, 0 },
	    true },
	{ "back by years", { -99999999 * S, 0 }, false, 1, { -99999999 * S, 0 },
	    true },
	{ "one ahead", { 200000000 * S, 0 }, true, 1, { 200000000 * S, 0 },
	    true },
	{ "one ahead by 2 s", { 2 * S, 0 }, true, 1, { 2 * S, 0 }, true },
	{ "one behind", { -50000 * S, 0 }, true, 1, { -50000 * S, 0 }, true },
	{ "back twice", { -3600 * S, -3600 * S }, false, 2,
	    { -3600 * S, -3600 * S }, true },
	/* what looks like silence at first */
	{ "ahead and back", { 3600 * S, -3600 * S }, false, 1, { -3600 * S, 0 },
	    false },
	{ "silence", { 3600 * S, 0 }, false, 0, { 0, 0 }, false },
	{ "packets swapped", { -100 * MS, 100 * MS }, false, 0, { 0, 0 },
	    false },
};

/* 40 frames, 20 ms apart. */
START_TEST(test_clock)
{
	const struct clock_row *row = &clock_rows[_i];
	struct conn conn = CONN(40000, 26000);
	int64_t off_ns = 0;
	size_t n = 0;

	conn_open(&tap, &conn);
	for (int i = 0; i < 40; i++) {
		if (i == 10)
			off_ns += row->step_ns[0];
		if (i == 11 && row->once)
			off_ns -= row->step_ns[0];
		if (i == 20)
			off_ns += row->step_ns[1];
		tap.time_ns = T0 + (100 + i * 20) * MS + off_ns;
		say(&conn, CAP_UP);
	}
	tap_finish(&tap);
	check_frames(40);
	ck_assert_uint_eq(count(CAP_CLOCK), row->n_reports);
	ck_assert_uint_eq(count(CAP_GAP) + count(CAP_LIMIT), 0);
	for (size_t i = 0; i < n_seen; i++)
		if (seen[i].type == CAP_CLOCK) {
			/* within what went by between two packets */
			ck_assert_int_ge(
			    seen[i].step_ns, row->told_ns[n] - 1 * MS);
			ck_assert_int_le(
			    seen[i].step_ns, row->told_ns[n] + 21 * MS);
			ck_assert_uint_eq(
			    seen[i].packet, row->straight ? 14 + n * 10 : 24);
			n += row->straight;
		}
	n = 0;
	for (size_t i = 0; row->straight && i < n_seen; i++)
		if (seen[i].type == CAP_FRAME) {
			int64_t want_ns = T0 + (100 + (int64_t)n++ * 20) * MS;

			ck_assert_int_ge(seen[i].clock_ns, want_ns - 41 * MS);
			ck_assert_int_le(seen[i].clock_ns, want_ns + 1 * MS);
		}
}
END_TEST

/* What the first segments after a step forward, or after silence, show. */
static const struct evidence_row {
	const char *name;
	int64_t step_ns;
	uint32_t
	    ticks; /* of the sender's clock over the step; 0: it has none */
	bool answer; /* the segment acknowledges what was sent before it */
	bool again; /* what was sent comes again, before that */
	bool once; /* and the clock is right again behind the third segment */
	size_t n_reports;
} evidence_rows[] = {
	{ "an answer after an hour", 3600 * S, 0, true, false, false, 0 },
	{ "an answer after five seconds", 5 * S, 0, true, false, false, 0 },
	{ "sent again, then an answer", 3600 * S, 0, true, true, false, 0 },
	{ "no answer", 3600 * S, 0, false, false, false, 0 },
	{ "hardly a tick", 3600 * S, 20, false, false, false, 1 },
	{ "hardly a tick, two seconds", 2 * S, 20, false, false, false, 1 },
	{ "an hour of ticks", 3600 * S, 3600000, false, false, false, 0 },
	{ "an hour of slow ticks", 3600 * S, 360000, false, false, false, 0 },
	{ "an hour of ticks, an answer", 3600 * S, 3600000, true, false, false,
	    0 },
	{ "three segments", 3600 * S, 0, false, false, true, 1 },
};

/* As say(), with the sender's clock, if it has any. */
static void
say_at(struct conn *conn, enum cap_dir dir, bool clocked, uint32_t ticks)
{
	const struct pkt pkt = conn_pkt(conn, dir, TCP_ACK);
	uint8_t p[512];
	size_t n = PKT_HEAD_BYTES + 12 + frame.len;

	if (!clocked) {
		say(conn, dir);
		return;
	}
	ck_assert_uint_le(n, sizeof(p));
	put_ipv4(p, &pkt, n - 20);
	put_tcp(p + 20, &pkt);
	p[20 + 12] = 0x80; /* 12 bytes of options */
	memcpy(p + PKT_HEAD_BYTES, "\1\1\10\12", 4);
	for (int i = 0; i < 4; i++)
		p[PKT_HEAD_BYTES + 4 + i] = (uint8_t)(ticks >> (24 - 8 * i));
	memset(p + PKT_HEAD_BYTES + 8, 0, 4);
	memcpy(p + PKT_HEAD_BYTES + 12, bnet_buf_slice(&frame).p, frame.len);
	ck_assert_int_eq(tap_raw(&tap, p, n, n), BNET_OK);
	conn->seq[dir] += (uint32_t)frame.len;
}

/* Requests and replies, 20 ms apart; the step is behind the fifth request. */
START_TEST(test_step_forward)
{
	const struct evidence_row *row = &evidence_rows[_i];
	struct conn conn = CONN(40000, 26000), again;
	const bool clocked = row->ticks > 0;
	int64_t off_ns = 0, last_ns = T0;
	uint32_t ticks = UINT32_MAX - 60; /* it wraps */
	size_t n = 0;

	conn_open(&tap, &conn);
	for (int i = 0; i < 20; i++) {
		at(100 + i * 40);
		tap.time_ns += off_ns;
		again = conn;
		say_at(&conn, CAP_UP, clocked, ticks);
		if (i == 4 && !row->answer)
			conn_ack(&tap, &conn, CAP_DOWN);
		ticks += 20;
		if (i == 4) {
			off_ns = row->step_ns;
			ticks += row->ticks;
		}
		at(120 + i * 40);
		tap.time_ns += off_ns;
		if (i == 4 && row->again)
			say(&again, CAP_UP);
		say_at(&conn, CAP_DOWN, clocked, ticks);
		ticks += 20;
		if (i == 5 && row->once)
			off_ns = 0;
	}
	tap_finish(&tap);
	check_frames(40);
	ck_assert_uint_eq(count(CAP_CLOCK), row->n_reports);
	for (size_t i = 0; i < n_seen; i++) {
		if (seen[i].type == CAP_CLOCK) {
			ck_assert_int_ge(seen[i].step_ns, row->step_ns - S);
			ck_assert_int_le(seen[i].step_ns, row->step_ns + S);
		} else if (seen[i].type == CAP_FRAME && row->n_reports > 0) {
			ck_assert_int_ge(seen[i].clock_ns, last_ns);
			ck_assert_int_le(seen[i].clock_ns,
			    T0 + (100 + 20 * (int64_t)n) * MS);
			last_ns = seen[i].clock_ns;
			n++;
		}
	}
}
END_TEST

/* A frame that is open over a step, or over a packet from the future. */
START_TEST(test_clock_inside_a_frame)
{
	struct conn conn = CONN(40000, 26000), other = CONN(40001, 26000);
	struct bnet_slice all = bnet_buf_slice(&frame);
	struct bnet_slice first = { all.p, 40 };

	conn_open(&tap, &conn);
	at(10);
	conn_say(&tap, &conn, CAP_UP, first, 2000);
	if (_i == 0) {
		at(INT64_C(200000000) * 1000);
		conn_send(&tap, &other, CAP_UP, TCP_SYN, nothing);
		at(20);
	} else {
		at(INT64_C(-100000) * 1000);
	}
	conn_say(&tap, &conn, CAP_UP, bnet_slice_from(all, 40), 2000);
	tap_finish(&tap);
	ck_assert_uint_eq(count(CAP_FRAME), 1);
	ck_assert_uint_eq(count(CAP_CLOCK), 1);
	ck_assert_uint_eq(n_seen, 2);
}
END_TEST

/* The same ports again, without a SYN; and what only looks like it. */
static const struct reuse_row {
	const char *name;
	uint32_t up, down; /* how far the numbers jump */
	bool one_way;
	uint64_t n_streams;
} reuse_rows[] = {
	{ "ahead", 1879047194, 2415914106, false, 2 },
	{ "behind", 0u - 300000000, 0u - 200000000, false, 2 },
	{ "one ahead, one behind", 400000000, 0u - 200000000, false, 2 },
	{ "one way, behind", 0u - 300000000, 0, true, 2 },
	{ "a pause of the capture", 300000000, 100000000, false, 1 },
	{ "within a window", 1000000, 1000000, false, 1 },
	{ "only one jumps", 1879047194, 0, false, 1 },
};

START_TEST(test_reuse_without_syn)
{
	const struct reuse_row *row = &reuse_rows[_i];
	struct conn conn = CONN(40000, 26000);

	if (row->one_way) {
		conn_send(&tap, &conn, CAP_UP, TCP_SYN, nothing);
		conn.seq[0]++;
	} else {
		conn_open(&tap, &conn);
	}
	say(&conn, CAP_UP);
	if (!row->one_way)
		conn_ack(&tap, &conn, CAP_DOWN);
	conn.seq[0] += row->up;
	conn.seq[1] += row->down;
	at(60000);
	for (int i = 0; i < 5; i++) {
		say(&conn, CAP_UP);
		if (!row->one_way)
			conn_ack(&tap, &conn, CAP_DOWN);
	}
	tap_finish(&tap);
	ck_assert_uint_eq(cap_counters(tap.cap)->streams, row->n_streams);
	if (row->n_streams == 2) {
		ck_assert_uint_eq(count(CAP_FRAME), 6);
		ck_assert_uint_eq(cap_counters(tap.cap)->retransmissions, 0);
	}
}
END_TEST

/* Segments beyond any window in the midst of a connection. */
static const struct forged_row {
	const char *name;
	uint32_t up[3], down[3]; /* how far each is away; 0, 0: no more */
	bool to_the_end; /* nothing follows */
	uint64_t n_streams, n_frames, n_notes;
} forged_rows[] = {
	{ "one", { 300000000 }, { 0u - 200000000 }, false, 1, 10, 1 },
	{ "one, twice", { 300000000, 300000000 },
	    { 0u - 200000000, 0u - 200000000 }, false, 1, 10, 1 },
	{ "two that do not belong together", { 300000000, 900000000 },
	    { 0u - 200000000, 0u - 700000000 }, false, 1, 10, 2 },
	{ "the last segment", { 300000000 }, { 0u - 200000000 }, true, 2, 6,
	    0 },
	{ "others, then the last one", { 300000000, 900000000, 1900000000 },
	    { 0u - 200000000, 0u - 700000000, 1700000000 }, true, 2, 6, 2 },
};

START_TEST(test_forged)
{
	const struct forged_row *row = &forged_rows[_i];
	struct conn conn = CONN(40000, 26000), forged;

	conn_open(&tap, &conn);
	for (int i = 0; i < 5; i++)
		say(&conn, CAP_UP);
	conn_ack(&tap, &conn, CAP_DOWN);
	for (int i = 0; i < 3 && row->up[i] != 0; i++) {
		forged = conn;
		forged.seq[0] += row->up[i];
		forged.seq[1] += row->down[i];
		say(&forged, CAP_UP);
	}
	for (int i = 0; i < 5 && !row->to_the_end; i++)
		say(&conn, CAP_UP);
	tap_finish(&tap);
	ck_assert_uint_eq(cap_counters(tap.cap)->streams, row->n_streams);
	check_frames(row->n_frames);
	ck_assert_uint_eq(count(CAP_NOTE), row->n_notes);
	for (size_t i = 0; i < n_seen; i++)
		if (seen[i].type == CAP_NOTE)
			ck_assert_uint_eq(seen[i].bytes, frame.len);
	ck_assert_uint_eq(count(CAP_LIMIT), 0);
}
END_TEST

/* Other streams wait for what a segment put aside turns out to be. */
START_TEST(test_reuse_in_order)
{
	struct conn conn = CONN(40000, 26000), other = CONN(40001, 26000);

	conn_open(&tap, &conn);
	conn_open(&tap, &other);
	say(&conn, CAP_UP);
	conn_ack(&tap, &conn, CAP_DOWN);
	conn.seq[0] += 300000000;
	conn.seq[1] -= 200000000;
	say(&conn, CAP_UP);
	say(&other, CAP_UP);
	say(&other, CAP_DOWN);
	say(&conn, CAP_UP);
	say(&conn, CAP_DOWN);
	tap_finish(&tap);
	check_frames(6);
	ck_assert_uint_eq(cap_counters(tap.cap)->streams, 3);
}
END_TEST

/* One byte before the window that differs: whose is it? */
static const struct byte_row {
	const char *name;
	uint8_t byte, flags;
	int64_t later_ms;
	bool acked, conflict;
} byte_rows[] = {
	{ "a keep-alive", 0, TCP_ACK, 10000, true, false },
	{ "one that comes soon", 0, TCP_ACK, 1, true, false },
	{ "one with another byte", 0x55, TCP_ACK, 10000, true, false },
	{ "pushed", 0, TCP_ACK | TCP_PSH, 10000, true, false },
	{ "soon, pushed", 0x55, TCP_ACK | TCP_PSH, 1, true, true },
	{ "soon, another byte", 0x55, TCP_ACK, 1, true, true },
	{ "not all is acknowledged", 0, TCP_ACK, 10000, false, true },
};

START_TEST(test_one_byte)
{
	const struct byte_row *row = &byte_rows[_i];
	struct conn conn = CONN(40000, 26000);

	conn_open(&tap, &conn);
	say(&conn, CAP_UP);
	if (row->acked)
		conn_ack(&tap, &conn, CAP_DOWN);
	conn.seq[0]--;
	tap.time_ns += row->later_ms * MS;
	conn_send(&tap, &conn, CAP_UP, row->flags,
	    (struct bnet_slice){ &row->byte, 1 });
	tap_finish(&tap);
	ck_assert_uint_eq(count(CAP_OVERLAP), row->conflict);
	ck_assert_uint_eq(count(CAP_FRAME), 1);
}
END_TEST

/* A listed port on the side that opened is not a relay's. */
static const struct side_row {
	const char *name;
	uint16_t from, to;
	bool syn;
	bool ours; /* text that is no frame is reported */
} side_rows[] = {
	{ "to the relay", 40000, 26000, true, true },
	{ "from its port to another", 26000, 443, true, false },
	{ "both", 26000, 26000, true, true },
	{ "to the relay, seen late", 40000, 26000, false, true },
	{ "from its port, seen late", 26000, 443, false, false },
};

START_TEST(test_side)
{
	static const uint8_t text[200] = "GET / HTTP/1.1\r\nHost: example\r\n";
	const struct side_row *row = &side_rows[_i];
	struct conn conn = CONN(row->from, row->to);

	if (row->syn)
		conn_open(&tap, &conn);
	conn_say(&tap, &conn, CAP_UP, (struct bnet_slice){ text, sizeof(text) },
	    2000);
	conn_say(&tap, &conn, CAP_DOWN,
	    (struct bnet_slice){ text, sizeof(text) }, 2000);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	ck_assert_uint_eq(count(CAP_FRAME), 0);
	ck_assert_msg((n_seen > 0) == row->ours, "%s", row->name);
}
END_TEST

/* What the snapshot length leaves of a frame of 121 bytes, word included. */
static const struct snap_row {
	const char *name;
	size_t captured; /* of the segment's payload */
	size_t segment;
	bool shown; /* cut, or whole */
	uint64_t payload_len, cut_of;
} snap_rows[] = {
	{ "whole", 117, 2000, true, 100, 0 },
	{ "in the payload", 67, 2000, true, 50, 100 },
	{ "behind the header", 17, 2000, true, 0, 100 },
	{ "in the header", 15, 2000, false, 0, 0 },
	{ "in oob_len", 6, 2000, false, 0, 0 },
	{ "in the word", 3, 2000, false, 0, 0 },
	{ "over segments", 30, 60, true, 13, 100 },
	{ "the last segment is whole", 57, 60, true, 40, 100 },
};

static void
snap_say(struct conn *conn, struct bnet_slice in, const struct snap_row *row)
{
	while (in.len > 0) {
		struct bnet_slice part = { in.p,
			in.len < row->segment ? in.len : row->segment };
		struct pkt pkt = conn_pkt(conn, CAP_UP, TCP_ACK);

		tap_cut_packet(
		    &tap, &pkt, part, PKT_HEAD_BYTES + row->captured);
		conn->seq[0] += (uint32_t)part.len;
		in = bnet_slice_from(in, part.len);
	}
}

START_TEST(test_snap)
{
	const struct snap_row *row = &snap_rows[_i];
	struct conn conn = CONN(40000, 26000);
	uint64_t told = 0;

	ck_assert_uint_eq(frame.len, 117);
	conn_open(&tap, &conn);
	for (int i = 0; i < 10; i++)
		snap_say(&conn, bnet_buf_slice(&frame), row);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	ck_assert_uint_eq(count(CAP_FRAME), row->shown ? 10 : 0);
	ck_assert_msg(!row->shown || n_seen == 10, "%s", row->name);
	for (size_t i = 0; i < n_seen; i++) {
		told += seen[i].bytes;
		if (seen[i].type != CAP_FRAME)
			continue;
		ck_assert_uint_eq(seen[i].payload_len, row->payload_len);
		ck_assert_uint_eq(seen[i].cut_of, row->cut_of);
		ck_assert_uint_eq(
		    seen[i].packet, 4 + i + (row->segment < 117) * (i + 1));
	}
	ck_assert_uint_eq(told, 1170);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("capture_time");
	TCase *tc = unit_case(suite, "time");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_holes_both_ways);
	tcase_add_loop_test(tc, test_skips_are_in_order, 0, 2);
	tcase_add_test(tc, test_the_packet_that_completed_it);
	tcase_add_test(tc, test_order_over_streams);
	tcase_add_test(tc, test_order_is_bounded);
	tcase_add_test(tc, test_mid_session);
	tcase_add_test(tc, test_one_way_idle);
	tcase_add_loop_test(tc, test_clock, 0, UNIT_ROWS(clock_rows));
	tcase_add_loop_test(tc, test_step_forward, 0, UNIT_ROWS(evidence_rows));
	tcase_add_loop_test(tc, test_clock_inside_a_frame, 0, 2);
	tcase_add_loop_test(
	    tc, test_reuse_without_syn, 0, UNIT_ROWS(reuse_rows));
	tcase_add_loop_test(tc, test_forged, 0, UNIT_ROWS(forged_rows));
	tcase_add_test(tc, test_reuse_in_order);
	tcase_add_loop_test(tc, test_one_byte, 0, UNIT_ROWS(byte_rows));
	tcase_add_loop_test(tc, test_side, 0, UNIT_ROWS(side_rows));
	tcase_add_loop_test(tc, test_snap, 0, UNIT_ROWS(snap_rows));
	return suite;
}

UNIT_MAIN(make_suite)
