/* SPDX-License-Identifier: MIT */
/* Ceilings, the budget, slow readers, and those who wait for them. */
#include "tests/unit/engine_fixture.h"

#include <errno.h>
#include <sched.h>

#define SMALL_BUFFER 4096
#define BIG_BYTES 10000 /* of a packet that begins with its number */
#define N_STALLED 40

/* Packet number `i`; how it goes on tells whether a frame was cut. */
static void
send_big(int fd, uint32_t i)
{
	uint8_t payload[BIG_BYTES];

	memset(payload, (int)(i % 251), sizeof(payload));
	memcpy(payload, &i, sizeof(i));
	peer_send(fd, BNET_ORDER_LITTLE, payload, sizeof(payload));
}

/* Its number; UINT32_MAX at the end of file, which is between frames. */
static uint32_t
take_big(int fd)
{
	uint8_t payload[BIG_BYTES];
	uint32_t i;
	size_t n = peer_take(fd, BNET_ORDER_LITTLE, payload, sizeof(payload));

	if (n == SIZE_MAX)
		return UINT32_MAX;
	ck_assert_uint_eq(n, sizeof(payload));
	memcpy(&i, payload, sizeof(i));
	for (size_t at = sizeof(i); at < n; at++)
		if (payload[at] != (uint8_t)(i % 251))
			ck_abort_msg("packet %u, byte %zu", i, at);
	return i;
}

static void
post_big(struct fix *fix, uint32_t i)
{
	uint8_t payload[BIG_BYTES];
	const struct bnet_packet packet = { .has_header = true,
		.payload = { payload, sizeof(payload) } };

	memset(payload, (int)(i % 251), sizeof(payload));
	ck_assert_int_eq(
	    engine_post(fix->engine, fix->handles[0], &packet), ENGINE_QUEUED);
}

/* A target that reads slowly, and a sender. */
static void
pair(struct fix *fix, int *to, int *from)
{
	*to = peer_connect_to(&fix->at, SMALL_BUFFER);
	FIX_WAIT(fix, n_ready, 1);
	*from = peer_connect(fix);
	FIX_WAIT(fix, n_ready, 2);
}

static const unsigned workers_rows[] = { 1, 3 };

/* Beyond the ceiling the sender is told; the rest arrives, in order. */
START_TEST(full)
{
	struct engine_settings set = { .n_workers = workers_rows[_i],
		.queue_max_bytes = 4 * BIG_BYTES };
	uint32_t n = 0, last = 0, got;
	unsigned n_sent;
	int to, from;
	struct fix fix;

	fix_start(&fix, &set, FIX_TO_TARGET);
	pair(&fix, &to, &from);
	do {
		send_big(from, n++);
		FIX_WAIT(&fix, n_packets, n);
	} while (fix.sent[ENGINE_FULL] == 0);
	n_sent = fix.sent[ENGINE_QUEUED];
	ck_assert_uint_eq(n_sent + fix.sent[ENGINE_FULL], n);
	for (unsigned i = 0; i < n_sent; i++, last = got) {
		got = take_big(to);
		ck_assert(i == 0 || got > last);
	}
	close(to);
	close(from);
	fix_stop(&fix);
}
END_TEST

/* One at a time: a sender that is ahead would wait for its own pause to end. */
static void
until_paused(struct fix *fix, int from, uint32_t *n)
{
	while (fix_counter(fix, ENGINE_PAUSES) == 0 && *n < 5000) {
		send_big(from, (*n)++);
		FIX_WAIT(fix, n_packets, *n);
	}
}

/* Nothing is lost, and nothing refused: the sender waits. */
START_TEST(pause_for)
{
	struct engine_settings set = { .n_workers = workers_rows[_i],
		.queue_max_bytes = 40 * BIG_BYTES };
	uint32_t n = 0, n_taken = 0;
	int to, from;
	struct fix fix;

	fix_start(&fix, &set, FIX_PAUSE);
	pair(&fix, &to, &from);
	until_paused(&fix, from, &n);
	ck_assert_uint_gt(fix_counter(&fix, ENGINE_PAUSES), 0);
	for (; n_taken < n; n_taken++)
		ck_assert_uint_eq(take_big(to), n_taken);
	for (unsigned i = 0; i < 10; i++)
		send_big(from, n + i);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_uint_eq(take_big(to), n + i);
	ck_assert_uint_eq(fix_counter(&fix, ENGINE_PAUSES),
	    fix_counter(&fix, ENGINE_RESUMES));
	ck_assert_uint_eq(fix.sent[ENGINE_FULL], 0);
	close(to);
	close(from);
	FIX_WAIT(&fix, n_closed, 2);
	fix_stop(&fix);
}
END_TEST

enum who {
	WATCHED_DIES,
	PAUSED_DIES
};

START_TEST(one_of_a_pause_dies)
{
	struct engine_settings set = { .n_workers = workers_rows[_i / 2],
		.queue_max_bytes = 40 * BIG_BYTES };
	enum who who = (enum who)(_i % 2);
	uint32_t n = 0;
	int to, from;
	struct fix fix;

	fix_start(&fix, &set, FIX_PAUSE);
	pair(&fix, &to, &from);
	until_paused(&fix, from, &n);
	if (who == WATCHED_DIES) {
		close(to);
		FIX_WAIT(&fix, n_packets, n);
		close(from);
	} else {
		close(from);
		for (uint32_t i = 0; i < n; i++)
			ck_assert_uint_eq(take_big(to), i);
		FIX_WAIT(&fix, n_closed, 1);
		close(to);
	}
	FIX_WAIT(&fix, n_closed, 2);
	fix_stop(&fix);
}
END_TEST

/* All that is queued is written, to its last byte. */
START_TEST(finish_with_a_slow_reader)
{
	struct engine_settings set = { .n_workers = 1,
		.queue_max_bytes = 1000 * BIG_BYTES };
	unsigned n = 300;
	uint8_t *frame = malloc(2 * BIG_BYTES), head[4];
	struct fix fix;
	size_t len;
	int fd;

	fix_start(&fix, &set, FIX_COUNT);
	fd = peer_connect_to(&fix.at, SMALL_BUFFER);
	FIX_WAIT(&fix, n_ready, 1);
	for (uint32_t i = 0; i < n; i++)
		post_big(&fix, i);
	engine_post_finish(fix.engine, fix.handles[0]);
	for (uint32_t i = 0; i < n; i++) {
		ck_assert(peer_read(fd, head, 4));
		len = bnet_order_get_u32(BNET_ORDER_LITTLE, head) & 0xffffff;
		ck_assert(peer_read(fd, frame, len));
		ck_assert_uint_eq(frame[len - 1], (uint8_t)(i % 251));
	}
	peer_expect_end(fd);
	close(fd);
	free(frame);
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_uint_eq(fix.ends[ENGINE_END_OWNER], 1);
	ck_assert_uint_eq(fix_counter(&fix, ENGINE_PACKETS_LOST), 0);
	fix_stop(&fix);
}
END_TEST

/* What is left begins and ends with a whole frame. */
START_TEST(drop_queue)
{
	struct engine_settings set = { .n_workers = 1,
		.queue_max_bytes = 2000 * BIG_BYTES };
	unsigned n = 800, n_whole = 0;
	uint8_t *frame = malloc(2 * BIG_BYTES), head[4];
	struct fix fix;
	size_t len = 1;
	int fd;

	fix_start(&fix, &set, FIX_DROP);
	fd = peer_connect_to(&fix.at, SMALL_BUFFER);
	FIX_WAIT(&fix, n_ready, 1);
	for (uint32_t i = 0; i < n; i++)
		post_big(&fix, i);
	fix_wait_counter(&fix, ENGINE_PACKETS_QUEUED, n);
	peer_send_u32(fd, 0);
	FIX_WAIT(&fix, n_packets, 1);
	ck_assert_uint_gt(fix_counter(&fix, ENGINE_PACKETS_LOST), 0);
	post_big(&fix, 250);
	engine_post_finish(fix.engine, fix.handles[0]);
	while (peer_read(fd, head, 4)) {
		len = bnet_order_get_u32(BNET_ORDER_LITTLE, head) & 0xffffff;
		ck_assert(peer_read(fd, frame, len));
		n_whole++;
	}
	ck_assert_uint_eq(frame[len - 1], 250);
	ck_assert_uint_eq(
	    n_whole + fix_counter(&fix, ENGINE_PACKETS_LOST), n + 1);
	close(fd);
	free(frame);
	fix_stop(&fix);
}
END_TEST

/* A frame with a header, whatever its order. False: the end of file. */
static bool
skip_frame(int fd, enum bnet_order order)
{
	static uint8_t frame[2 * BIG_BYTES];
	uint8_t head[4];
	size_t len;

	if (!peer_read(fd, head, 4))
		return false;
	len = bnet_order_get_u32(order, head) & 0xffffff;
	ck_assert_uint_le(len, sizeof(frame));
	return peer_read(fd, frame, len);
}

/*
 * The peer turns out to speak the other byte order while a frame is half
 * written: the queue keeps its frames, as the end of that one is not known.
 */
START_TEST(drop_queue_of_two_orders)
{
	struct engine_settings set = { .n_workers = 1,
		.queue_max_bytes = 2000 * BIG_BYTES };
	unsigned n = 800;
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_DROP);
	fd = peer_connect_to(&fix.at, SMALL_BUFFER);
	FIX_WAIT(&fix, n_ready, 1);
	for (uint32_t i = 0; i < n; i++)
		post_big(&fix, i);
	fix_wait_counter(&fix, ENGINE_PACKETS_QUEUED, n);
	peer_send(fd, BNET_ORDER_NETWORK, "x", 1);
	FIX_WAIT(&fix, n_packets, 1);
	post_big(&fix, 250);
	engine_post_finish(fix.engine, fix.handles[0]);
	for (unsigned i = 0; i < n; i++)
		ck_assert(skip_frame(fd, BNET_ORDER_LITTLE));
	ck_assert(skip_frame(fd, BNET_ORDER_NETWORK));
	ck_assert(!skip_frame(fd, BNET_ORDER_NETWORK));
	ck_assert_uint_eq(fix_counter(&fix, ENGINE_PACKETS_LOST), 0);
	close(fd);
	fix_stop(&fix);
}
END_TEST

/* ---- the budget ---- */

static void
watch_budget(struct fix *fix, uint64_t max_bytes)
{
	uint64_t reserved = engine_memory_reserved(fix->engine);

	ck_assert_msg(
	    reserved <= max_bytes, "%lu reserved", (unsigned long)reserved);
}

/*
 * Many peers send half of a frame and wait. The budget is not enough for all:
 * some starve, until those that hold the most are ended.
 */
START_TEST(half_frames)
{
	struct engine_settings set = { .n_workers = workers_rows[_i],
		.memory_max_bytes = 1 << 20,
		.frame_timeout_ns = 4000000000 }; /* all come in that */
	static uint8_t bytes[60000];
	size_t half = sizeof(bytes) / 2;
	int fds[N_STALLED];
	struct fix fix;

	bnet_order_put_u32(BNET_ORDER_LITTLE, bytes, sizeof(bytes) - 4);
	fix_start(&fix, &set, FIX_COUNT);
	for (int i = 0; i < N_STALLED; i++) {
		fds[i] = peer_connect(&fix);
		FIX_WAIT(&fix, n_admitted, (unsigned)i + 1);
		(void)send(fds[i], bytes, half, MSG_NOSIGNAL);
		watch_budget(&fix, set.memory_max_bytes);
	}
	fix_wait_counter(&fix, ENGINE_STARVED, 1);
	for (int i = 0; i < N_STALLED; i++) {
		(void)send(fds[i], bytes + half, half, MSG_NOSIGNAL);
		watch_budget(&fix, set.memory_max_bytes);
	}
	for (int i = 0; i < N_STALLED; i++) {
		ck_assert_int_eq(
		    shutdown(fds[i], SHUT_WR) != 0 && errno != ENOTCONN, 0);
		watch_budget(&fix, set.memory_max_bytes);
	}
	FIX_WAIT(&fix, n_gone, N_STALLED);
	ck_assert_uint_gt(
	    fix.ends[ENGINE_END_FRAME_TIMEOUT] + fix.ends[ENGINE_END_PRESSURE],
	    0);
	for (int i = 0; i < N_STALLED; i++)
		close(fds[i]);
	fix_stop(&fix);
}
END_TEST

/* The same, and they go away instead. */
START_TEST(half_frames_and_gone)
{
	struct engine_settings set = { .n_workers = workers_rows[_i],
		.memory_max_bytes = 1 << 20 };
	static uint8_t bytes[60000];
	int fds[N_STALLED];
	struct fix fix;

	bnet_order_put_u32(BNET_ORDER_LITTLE, bytes, sizeof(bytes) * 2);
	fix_start(&fix, &set, FIX_COUNT);
	for (int i = 0; i < N_STALLED; i++) {
		fds[i] = peer_connect(&fix);
		(void)send(fds[i], bytes, sizeof(bytes), MSG_NOSIGNAL);
	}
	fix_wait_counter(&fix, ENGINE_STARVED, 1);
	for (int i = 0; i < N_STALLED; i++)
		close(fds[i]);
	FIX_WAIT(&fix, n_gone, N_STALLED);
	fix_stop(&fix);
}
END_TEST

/* Peers that do not read what they asked for use the budget up, no more. */
START_TEST(nobody_reads)
{
	struct engine_settings set = { .n_workers = workers_rows[_i],
		.memory_max_bytes = 2 << 20 };
	int fds[8];
	uint32_t n = 0;
	struct fix fix;

	fix_start(&fix, &set, FIX_ECHO);
	for (int i = 0; i < 8; i++) {
		fds[i] = peer_connect_to(&fix.at, SMALL_BUFFER);
		FIX_WAIT(&fix, n_ready, (unsigned)i + 1);
	}
	while (fix.sent[ENGINE_MEMORY] == 0 && n < 20000) {
		send_big(fds[n % 8], n);
		n++;
		FIX_WAIT(&fix, n_packets, n);
		watch_budget(&fix, set.memory_max_bytes);
	}
	ck_assert_uint_gt(fix.sent[ENGINE_MEMORY], 0);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	FIX_WAIT(&fix, n_closed, 8);
	fix_stop(&fix);
}
END_TEST

/* ---- who holds memory, and does not move ---- */

#define HALF_BYTES 300000 /* that come of a frame of CLAIM_BYTES */
#define CLAIM_BYTES 1000000
#define N_HOLDERS 20

static void
send_half(int fd)
{
	static uint8_t bytes[HALF_BYTES];

	bnet_order_put_u32(BNET_ORDER_LITTLE, bytes, CLAIM_BYTES);
	for (size_t at = 0; at < sizeof(bytes);) {
		ssize_t n =
		    send(fd, bytes + at, sizeof(bytes) - at, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* it was ended meanwhile */
		at += (size_t)n;
	}
}

/* Memory grows with what has come of a frame, not with what it claims. */
START_TEST(half_a_frame_takes_what_has_come)
{
	struct engine_settings set = { .n_workers = 1 };
	uint64_t before, taken;
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_COUNT);
	fd = peer_connect(&fix);
	FIX_WAIT(&fix, n_ready, 1);
	before = engine_memory_reserved(fix.engine);
	send_half(fd);
	fix_wait_counter(&fix, ENGINE_BYTES_READ, HALF_BYTES);
	do { /* until what the last read might have taken is back */
		sched_yield();
		taken = engine_memory_reserved(fix.engine) - before;
	} while (taken > HALF_BYTES * 13 / 10);
	ck_assert_uint_ge(taken, HALF_BYTES);
	close(fd);
	FIX_WAIT(&fix, n_closed, 1);
	fix_stop(&fix);
}
END_TEST

static unsigned
n_ends(struct fix *fix, enum engine_end end)
{
	unsigned n;

	fix_lock(fix);
	n = (unsigned)fix->ends[end];
	fix_unlock(fix);
	return n;
}

/*
 * Half frames for several times their share: those that hold the most are
 * ended, while a link with small frames is served, and none of its is lost.
 */
START_TEST(half_frames_and_small_ones)
{
	struct engine_settings set = { .n_workers = workers_rows[_i],
		.memory_max_bytes = 8 << 20 };
	int fds[N_HOLDERS], good;
	uint32_t n = 0;
	struct fix fix;

	fix_start(&fix, &set, FIX_ECHO);
	good = peer_connect(&fix);
	FIX_WAIT(&fix, n_ready, 1);
	for (int i = 0; i < N_HOLDERS; i++) {
		fds[i] = peer_connect_to(&fix.at, 0);
		send_half(fds[i]);
		peer_send_u32(good, n);
		peer_expect_u32(good, n++);
	}
	while (n_ends(&fix, ENGINE_END_PRESSURE) == 0) {
		peer_send_u32(good, n);
		peer_expect_u32(good, n++);
		watch_budget(&fix, set.memory_max_bytes);
	}
	fix_lock(&fix);
	ck_assert_str_ne(fix.reason, "");
	fix_unlock(&fix);
	ck_assert_uint_eq(n_ends(&fix, ENGINE_END_MEMORY), 0);
	ck_assert_uint_gt(fix_counter(&fix, ENGINE_PRESSED), 0);
	for (int i = 0; i < N_HOLDERS; i++)
		close(fds[i]);
	FIX_WAIT(&fix, n_closed, N_HOLDERS);
	peer_send_u32(good, n);
	peer_expect_u32(good, n);
	close(good);
	fix_stop(&fix);
}
END_TEST

/* A long frame that hardly grows is ended before its time is over. */
START_TEST(frame_that_hardly_grows)
{
	struct engine_settings set = { .n_workers = 1,
		.frame_timeout_ns = 800000000 };
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_COUNT);
	fd = peer_connect(&fix);
	FIX_WAIT(&fix, n_ready, 1);
	send_half(fd);
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_uint_eq(fix.ends[ENGINE_END_FRAME_TIMEOUT], 1);
	ck_assert_str_eq(fix.reason, "the frame hardly grows");
	close(fd);
	fix_stop(&fix);
}
END_TEST

/* Queued, and nothing read for so long: ended, whatever its ceiling is. */
START_TEST(write_timeout)
{
	struct engine_settings set = { .n_workers = workers_rows[_i],
		.queue_max_bytes = 2000 * BIG_BYTES,
		.write_timeout_ns = 400000000 };
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_COUNT);
	fd = peer_connect_to(&fix.at, SMALL_BUFFER);
	FIX_WAIT(&fix, n_ready, 1);
	for (uint32_t i = 0; i < 800; i++)
		post_big(&fix, i);
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_uint_eq(fix.ends[ENGINE_END_WRITE_TIMEOUT], 1);
	close(fd);
	fix_stop(&fix);
}
END_TEST

/*
 * Peers that do not read take what queues may take, and no more: a link that
 * reads gets its answers, and a long frame of it is read.
 */
START_TEST(nobody_reads_but_one)
{
	struct engine_settings set = { .n_workers = workers_rows[_i],
		.memory_max_bytes = 16 << 20 };
	static uint8_t payload[HALF_BYTES], back[HALF_BYTES];
	uint32_t n = 0, refused;
	int fds[8], good;
	struct fix fix;

	fix_start(&fix, &set, FIX_ECHO);
	good = peer_connect(&fix);
	FIX_WAIT(&fix, n_ready, 1);
	for (int i = 0; i < 8; i++) {
		fds[i] = peer_connect_to(&fix.at, SMALL_BUFFER);
		FIX_WAIT(&fix, n_ready, (unsigned)i + 2);
	}
	while (fix.sent[ENGINE_MEMORY] == 0 && n < 20000) {
		send_big(fds[n % 8], n);
		n++;
		FIX_WAIT(&fix, n_packets, n);
	}
	refused = fix.sent[ENGINE_MEMORY];
	ck_assert_uint_gt(refused, 0);
	peer_send_u32(good, 7);
	peer_expect_u32(good, 7);
	memset(payload, 5, sizeof(payload));
	peer_send(good, BNET_ORDER_LITTLE, payload, sizeof(payload));
	ck_assert_uint_eq(
	    peer_take(good, BNET_ORDER_LITTLE, back, sizeof(back)),
	    sizeof(back));
	ck_assert_mem_eq(back, payload, sizeof(back));
	ck_assert_uint_eq(fix.sent[ENGINE_MEMORY], refused);
	ck_assert_uint_eq(fix.ends[ENGINE_END_MEMORY], 0);
	watch_budget(&fix, set.memory_max_bytes);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	close(good);
	FIX_WAIT(&fix, n_closed, 9);
	fix_stop(&fix);
}
END_TEST

static Suite *
engine_bounds_suite(void)
{
	Suite *suite = suite_create("engine_bounds");
	TCase *tc = unit_case(suite, "bounds");

	tcase_add_loop_test(tc, full, 0, 2);
	tcase_add_loop_test(tc, pause_for, 0, 2);
	tcase_add_loop_test(tc, one_of_a_pause_dies, 0, 4);
	tcase_add_test(tc, finish_with_a_slow_reader);
	tcase_add_test(tc, drop_queue);
	tcase_add_test(tc, drop_queue_of_two_orders);
	tcase_add_loop_test(tc, half_frames, 0, 2);
	tcase_add_loop_test(tc, half_frames_and_gone, 0, 2);
	tcase_add_loop_test(tc, nobody_reads, 0, 2);
	tcase_add_test(tc, half_a_frame_takes_what_has_come);
	tcase_add_loop_test(tc, half_frames_and_small_ones, 0, 2);
	tcase_add_test(tc, frame_that_hardly_grows);
	tcase_add_loop_test(tc, write_timeout, 0, 2);
	tcase_add_loop_test(tc, nobody_reads_but_one, 0, 2);
	return suite;
}

UNIT_MAIN(engine_bounds_suite)
