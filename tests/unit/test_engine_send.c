/* SPDX-License-Identifier: MIT */
/* Grouping, batches, what other threads send, and who gets which key. */
#include "tests/unit/engine_fixture.h"

#include <pthread.h>
#include <semaphore.h>

#define N_FRAMES 300
#define N_SENDERS 3

static const unsigned workers_rows[] = { 1, 3 };

static struct engine_settings
settings(int i)
{
	return (struct engine_settings){ .n_workers = workers_rows[i] };
}

/* N_FRAMES numbers, `first` and up, in one write. */
static void
send_many(int fd, uint32_t first)
{
	static uint8_t bytes[N_FRAMES * 8];

	for (uint32_t i = 0; i < N_FRAMES; i++) {
		bnet_order_put_u32(BNET_ORDER_LITTLE, bytes + 8 * i, 4);
		bnet_order_put_u32(
		    BNET_ORDER_LITTLE, bytes + 8 * i + 4, first + i);
	}
	peer_write(fd, bytes, sizeof(bytes));
}

/* What came in one read leaves in one write, urgent or not. */
START_TEST(frames_gather)
{
	struct engine_settings set = { .n_workers = 1 };
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_ECHO);
	fix.flush = _i == 1;
	fd = peer_connect(&fix);
	send_many(fd, 0);
	for (uint32_t i = 0; i < N_FRAMES; i++)
		peer_expect_u32(fd, i);
	close(fd);
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_uint_le(
	    fix_counter(&fix, ENGINE_WRITES), fix_counter(&fix, ENGINE_READS));
	ck_assert_uint_eq(fix_counter(&fix, ENGINE_PACKETS_WRITTEN), N_FRAMES);
	ck_assert_uint_eq(fix_counter(&fix, ENGINE_BATCHES), 0);
	fix_stop(&fix);
}
END_TEST

/* The first packet holds the worker until two more wait for their turn. */
struct urgent {
	struct fix fix; /* first: it is the arg of the hooks */
	sem_t held, go;
	int target_fd;
	unsigned n;
	ssize_t seen_bytes; /* by the last, of what the one before it sent */
};

static void
urgent_packet(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct urgent *urgent = arg;
	char byte;

	switch (urgent->n++) {
	case 0:
		sem_post(&urgent->held);
		sem_wait(&urgent->go);
		break;
	case 1:
		fix_send(&urgent->fix, conn, urgent->fix.target, packet);
		break;
	default:
		urgent->seen_bytes =
		    recv(urgent->target_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	}
	fix_count(&urgent->fix, &urgent->fix.n_packets);
}

/* What is urgent is written before another connection of the turn is read. */
START_TEST(urgent_at_once)
{
	struct engine_hooks hooks = fix_hooks;
	struct engine_settings set = { .n_workers = 1, .hooks = &hooks };
	struct urgent urgent = { .seen_bytes = -1 };
	int fds[3];

	hooks.packet = urgent_packet;
	sem_init(&urgent.held, 0, 0);
	sem_init(&urgent.go, 0, 0);
	fix_start(&urgent.fix, &set, FIX_TO_TARGET);
	urgent.fix.flush = true;
	urgent.target_fd = peer_connect(&urgent.fix);
	FIX_WAIT(&urgent.fix, n_ready, 1);
	for (int i = 0; i < 3; i++)
		fds[i] = peer_connect(&urgent.fix);
	FIX_WAIT(&urgent.fix, n_ready, 4);
	peer_send_u32(fds[0], 0);
	sem_wait(&urgent.held);
	peer_send_u32(fds[1], 1);
	peer_send_u32(fds[2], 2);
	sem_post(&urgent.go);
	FIX_WAIT(&urgent.fix, n_packets, 3);
	ck_assert_int_eq(urgent.seen_bytes, 1);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(urgent.target_fd);
	FIX_WAIT(&urgent.fix, n_closed, 4);
	fix_stop(&urgent.fix);
	sem_destroy(&urgent.held);
	sem_destroy(&urgent.go);
}
END_TEST

/* Each sender's numbers in order, whichever worker they came in on. */
static void
expect_all(int fd)
{
	uint32_t next[N_SENDERS], got;

	for (uint32_t s = 0; s < N_SENDERS; s++)
		next[s] = s << 16;
	for (unsigned n = 0; n < N_SENDERS * N_FRAMES; n++) {
		if (peer_take(fd, BNET_ORDER_LITTLE, &got, 4) != 4 ||
		    got >> 16 >= N_SENDERS || got != next[got >> 16]++)
			ck_abort_msg("not in the order of its sender");
	}
}

START_TEST(hand_over)
{
	struct engine_settings set = settings(_i);
	uint64_t handed;
	int to, from[N_SENDERS];
	struct fix fix;

	fix_start(&fix, &set, FIX_TO_TARGET);
	to = peer_connect(&fix);
	FIX_WAIT(&fix, n_ready, 1);
	for (uint32_t s = 0; s < N_SENDERS; s++) {
		from[s] = peer_connect(&fix);
		send_many(from[s], s << 16);
	}
	expect_all(to);
	for (int s = 0; s < N_SENDERS; s++)
		close(from[s]);
	close(to);
	FIX_WAIT(&fix, n_closed, N_SENDERS + 1);
	handed = fix_counter(&fix, ENGINE_BATCHES);
	ck_assert_uint_eq(handed,
	    fix_counter(&fix, ENGINE_WAKEUPS) +
		fix_counter(&fix, ENGINE_WAKEUPS_SAVED));
	/* at most one a turn, to the one worker that has the target */
	ck_assert_uint_le(handed, fix_counter(&fix, ENGINE_TURNS));
	ck_assert_uint_le(handed, fix_counter(&fix, ENGINE_READS));
	ck_assert_uint_ge(fix_counter(&fix, ENGINE_BATCH_PACKETS), handed);
	if (set.n_workers == 1)
		ck_assert_uint_eq(handed, 0);
	fix_stop(&fix);
}
END_TEST

struct poster {
	struct fix *fix;
	uint32_t first;
	unsigned n_failed;
};

static void *
post_many(void *arg)
{
	struct poster *poster = arg;
	struct bnet_packet packet = { .has_header = true };

	for (uint32_t i = 0; i < N_FRAMES; i++) {
		uint32_t number = poster->first + i;

		packet.payload = (struct bnet_slice){ (const uint8_t *)&number,
			sizeof(number) };
		poster->n_failed +=
		    engine_post(poster->fix->engine, poster->fix->handles[0],
			&packet) != ENGINE_QUEUED;
	}
	return NULL;
}

/* The payload of a frame with a header. */
static uint32_t
take_posted(int fd)
{
	uint8_t frame[64];
	uint32_t number;
	size_t n;

	ck_assert(peer_read(fd, frame, 4));
	n = bnet_order_get_u32(BNET_ORDER_LITTLE, frame) & 0xffffff;
	ck_assert_uint_le(n, sizeof(frame));
	ck_assert(peer_read(fd, frame, n));
	memcpy(&number, frame + n - 4, 4);
	return number;
}

START_TEST(post_from_several_threads)
{
	struct engine_settings set = settings(_i);
	struct poster posters[N_SENDERS];
	pthread_t threads[N_SENDERS];
	uint32_t next[N_SENDERS], got;
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_COUNT);
	fd = peer_connect(&fix);
	FIX_WAIT(&fix, n_ready, 1);
	for (uint32_t s = 0; s < N_SENDERS; s++) {
		next[s] = s << 16;
		posters[s] = (struct poster){ &fix, s << 16, 0 };
		ck_assert_int_eq(
		    pthread_create(&threads[s], NULL, post_many, &posters[s]),
		    0);
	}
	for (unsigned n = 0; n < N_SENDERS * N_FRAMES; n++) {
		got = take_posted(fd);
		if (got >> 16 >= N_SENDERS || got != next[got >> 16]++)
			ck_abort_msg("not in the order of its thread");
	}
	for (int s = 0; s < N_SENDERS; s++) {
		pthread_join(threads[s], NULL);
		ck_assert_uint_eq(posters[s].n_failed, 0);
	}
	engine_post_finish(fix.engine, fix.handles[0]);
	peer_expect_end(fd);
	close(fd);
	FIX_WAIT(&fix, n_closed, 1);
	/* its handle is nobody's any more */
	post_many(&posters[0]);
	fix_wait_counter(&fix, ENGINE_PACKETS_LOST, N_FRAMES);
	fix_stop(&fix);
}
END_TEST

/* The engine stops while threads post and a peer sends. */
START_TEST(stop_under_way)
{
	struct engine_settings set = settings(_i);
	struct poster posters[N_SENDERS];
	pthread_t threads[N_SENDERS];
	int to, from;
	struct fix fix;

	fix_start(&fix, &set, FIX_TO_TARGET);
	to = peer_connect(&fix);
	FIX_WAIT(&fix, n_ready, 1);
	from = peer_connect(&fix);
	send_many(from, 0);
	for (uint32_t s = 0; s < N_SENDERS; s++) {
		posters[s] = (struct poster){ &fix, s << 16, 0 };
		ck_assert_int_eq(
		    pthread_create(&threads[s], NULL, post_many, &posters[s]),
		    0);
	}
	FIX_WAIT(&fix, n_packets, 1);
	for (int s = 0; s < N_SENDERS; s++)
		pthread_join(threads[s], NULL);
	fix_stop(&fix);
	ck_assert_uint_eq(fix.n_ready, fix.n_closed);
	close(to);
	close(from);
}
END_TEST

/* ---- applications ---- */

static void
app(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct fix *fix = arg;

	(void)conn;
	(void)packet;
	fix_count(fix, &fix->n_messages);
}

/* A frame with a header of that key. */
static void
send_keyed(int fd, int32_t key, const char *payload)
{
	const struct bnet_wire wire = { .frame_max_bytes = 1 << 20 };
	const struct bnet_packet packet = { .has_header = true,
		.header = { .key = key },
		.payload = { (const uint8_t *)payload, strlen(payload) } };
	struct bnet_codecs *codecs = bnet_codecs_new();
	struct bnet_buf out;

	bnet_buf_init(&out, 1 << 20);
	ck_assert_int_eq(
	    bnet_packet_encode(&wire, codecs, &packet, &out), BNET_OK);
	peer_write(fd, out.p, out.len);
	bnet_buf_free(&out);
	bnet_codecs_free(codecs);
}

START_TEST(by_key)
{
	struct engine_settings set = { .n_workers = 1, .inbox_max_bytes = 500 };
	struct engine_listen listen = { 0 };
	struct engine_packet *packet;
	struct fix fix;
	int fd;

	fix_new(&fix, &set, FIX_DELIVER);
	fix_listen(&fix, &listen, "127.0.0.1:0");
	ck_assert(engine_on_key(fix.engine, 7, app, &fix));
	ck_assert(engine_inbox_key(fix.engine, -8));
	ck_assert(engine_start(fix.engine));
	fd = peer_connect(&fix);
	send_keyed(fd, 7, "to the callback");
	FIX_WAIT(&fix, n_packets, 1);
	ck_assert_uint_eq(fix.n_messages, 1);
	send_keyed(fd, 9, "to nobody");
	FIX_WAIT(&fix, n_packets, 2);
	ck_assert_uint_eq(fix.delivered[ENGINE_NO_APP], 1);
	send_keyed(fd, -8, "to the inbox");
	packet = engine_take(fix.engine, -1);
	ck_assert_ptr_nonnull(packet);
	ck_assert_uint_eq(packet->handle, fix.handles[0]);
	ck_assert_int_eq(packet->header.key, -8);
	ck_assert_int_eq(memcmp(packet->payload.p, "to the inbox", 12), 0);
	engine_packet_free(fix.engine, packet);
	for (int i = 0; i < 10; i++)
		send_keyed(fd, -8, "to an inbox that nobody reads");
	FIX_WAIT(&fix, n_packets, 13);
	ck_assert_uint_gt(fix.delivered[ENGINE_INBOX_FULL], 0);
	ck_assert_uint_gt(fix.delivered[ENGINE_DELIVERED], 2);
	engine_packet_free(fix.engine, engine_take(fix.engine, 0));
	engine_packet_free(fix.engine, engine_take(fix.engine, 0));
	close(fd);
	while ((packet = engine_take(fix.engine, 0)) != NULL)
		engine_packet_free(fix.engine, packet);
	fix_stop(&fix);
}
END_TEST

static int64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Not early, though a wake-up is left of what was taken without waiting. */
START_TEST(take_waits)
{
	struct engine_settings set = { .n_workers = 1 };
	struct engine_listen listen = { 0 };
	struct engine_packet *packet = NULL;
	int64_t since_ns;
	struct fix fix;
	int fd;

	fix_new(&fix, &set, FIX_DELIVER);
	fix_listen(&fix, &listen, "127.0.0.1:0");
	ck_assert(engine_inbox_key(fix.engine, 5));
	ck_assert(engine_start(fix.engine));
	ck_assert_ptr_null(engine_take(fix.engine, 0));
	fd = peer_connect(&fix);
	send_keyed(fd, 5, "x");
	FIX_WAIT(&fix, n_packets, 1);
	packet = engine_take(fix.engine, 0);
	ck_assert_ptr_nonnull(packet);
	engine_packet_free(fix.engine, packet);
	since_ns = clock_ns();
	ck_assert_ptr_null(engine_take(fix.engine, 20000000));
	ck_assert_int_ge(clock_ns() - since_ns, 20000000);
	engine_wake(fix.engine);
	ck_assert_ptr_null(engine_take(fix.engine, -1));
	close(fd);
	fix_stop(&fix);
}
END_TEST

START_TEST(messages)
{
	struct engine_settings set = { .n_workers = 3 };
	struct fix fix;

	fix_start(&fix, &set, FIX_COUNT);
	for (unsigned i = 0; i < 30; i++)
		ck_assert(engine_message(fix.engine, i % 3, i,
		    (struct bnet_slice){ (const uint8_t *)"hi", 2 }));
	FIX_WAIT(&fix, n_messages, 30);
	fix_stop(&fix);
}
END_TEST

/* ---- runs ---- */

#define RUN_FRAMES 40
#define RUN_LONG 30 /* the payload of every third; of others RUN_SHORT */
#define RUN_SHORT 4

/* All runs go to the target under another header, if that takes them. */
static bool
run_to_target(void *arg, struct engine_conn *conn, const struct bnet_run *run)
{
	static const uint8_t oob[] = "and a longer header";
	struct fix *fix = arg;
	struct engine_sendq *target = fix->target;

	if (target == NULL || target == engine_conn_sendq(conn) ||
	    !engine_send_run(engine_conn_worker(conn), target, run,
		(struct bnet_slice){ oob, sizeof(oob) }))
		return false;
	fix_lock(fix);
	fix->n_messages += (unsigned)run->n_frames;
	fix_unlock(fix);
	return true;
}

static size_t
run_payload(uint32_t i)
{
	return i % 3 == 0 ? RUN_LONG : RUN_SHORT;
}

/* Frames of one header in one write; each payload begins with its number. */
static void
send_run(int fd, enum bnet_order order)
{
	struct bnet_buf buf;

	bnet_buf_init(&buf, 10000);
	for (uint32_t i = 0; i < RUN_FRAMES; i++) {
		uint8_t payload[RUN_LONG] = { 0 };
		const struct bnet_frame frame = { .flags = BNET_FRAME_F_OOB,
			.oob = { (const uint8_t *)"head", 4 },
			.payload = { payload, run_payload(i) } };

		bnet_order_put_u32(BNET_ORDER_LITTLE, payload, i);
		unit_err("frame",
		    bnet_frame_encode(
			&frame, order, BNET_FRAME_MAX_BYTES, &buf),
		    BNET_OK);
	}
	peer_write(fd, buf.p + buf.at, buf.len);
	bnet_buf_free(&buf);
}

/* They arrive in order, with a header of so many bytes. */
static void
expect_run(int fd, enum bnet_order order, size_t oob_bytes)
{
	const size_t head = BNET_FRAME_OOB_BYTES + oob_bytes;
	uint8_t got[200];

	for (uint32_t i = 0; i < RUN_FRAMES; i++) {
		uint8_t word[BNET_FRAME_WORD_BYTES];
		uint32_t size;

		ck_assert(peer_read(fd, word, sizeof(word)));
		size = bnet_order_get_u32(order, word);
		ck_assert_uint_eq(
		    size, BNET_FRAME_F_OOB | (uint32_t)(head + run_payload(i)));
		ck_assert(peer_read(fd, got, head + run_payload(i)));
		ck_assert_uint_eq(bnet_order_get_u32(order, got), oob_bytes);
		ck_assert_uint_eq(
		    bnet_order_get_u32(BNET_ORDER_LITTLE, got + head), i);
	}
}

static const struct run_row {
	enum bnet_order from, to;
	unsigned n_workers;
	size_t queue_max_bytes;
	bool tap, taken;
} run_rows[] = {
	{ BNET_ORDER_LITTLE, BNET_ORDER_LITTLE, 1, 0, false, true },
	{ BNET_ORDER_LITTLE, BNET_ORDER_NETWORK, 1, 0, false, true },
	{ BNET_ORDER_NETWORK, BNET_ORDER_LITTLE, 3, 0, false, true },
	{ BNET_ORDER_NETWORK, BNET_ORDER_NETWORK, 3, 0, false, true },
	{ BNET_ORDER_LITTLE, BNET_ORDER_LITTLE, 1, 0, true, false },
	/* a queue of which the run would fill more than half */
	{ BNET_ORDER_LITTLE, BNET_ORDER_LITTLE, 1, 6000, false, true },
	{ BNET_ORDER_LITTLE, BNET_ORDER_NETWORK, 3, 3000, false, false },
};

/*
 * A run under a new header on each way, and the books; or, where it is not
 * taken, each packet as it is.
 */
START_TEST(runs)
{
	const struct run_row *row = &run_rows[_i];
	struct engine_hooks hooks = fix_hooks;
	struct engine_settings set = { .n_workers = row->n_workers,
		.queue_max_bytes = row->queue_max_bytes,
		.hooks = &hooks };
	size_t oob_bytes = row->taken ? sizeof("and a longer header") : 4;
	struct fix fix;
	int fds[2];

	hooks.run = run_to_target;
	if (!row->tap)
		hooks.tap = NULL;
	fix_start(&fix, &set, FIX_TO_TARGET);
	fds[0] = peer_connect(&fix);
	peer_send(fds[0], row->to, "order", 5);
	FIX_WAIT(&fix, n_packets, 1);
	fds[1] = peer_connect(&fix);
	peer_send(fds[1], row->from, "order", 5);
	FIX_WAIT(&fix, n_packets, 2);
	ck_assert_uint_eq(peer_take(fds[0], row->to, (uint8_t[5]){ 0 }, 5), 5);
	send_run(fds[1], row->from);
	expect_run(fds[0], row->to, oob_bytes);
	fix_lock(&fix);
	ck_assert_uint_eq(fix.n_messages, row->taken ? RUN_FRAMES : 0);
	ck_assert_uint_eq(fix.n_packets, row->taken ? 2 : 2 + RUN_FRAMES);
	fix_unlock(&fix);
	for (int i = 1; i >= 0; i--)
		close(fds[i]);
	FIX_WAIT(&fix, n_closed, 2);
	ck_assert_uint_eq(
	    fix_counter(&fix, ENGINE_PACKETS_READ), 2 + RUN_FRAMES);
	ck_assert_uint_eq(
	    fix_counter(&fix, ENGINE_PACKETS_QUEUED), 1 + RUN_FRAMES);
	fix_stop(&fix);
}
END_TEST

static Suite *
engine_send_suite(void)
{
	Suite *suite = suite_create("engine_send");
	TCase *tc = unit_case(suite, "send");

	tcase_add_loop_test(tc, frames_gather, 0, 2);
	tcase_add_test(tc, urgent_at_once);
	tcase_add_loop_test(tc, hand_over, 0, 2);
	tcase_add_loop_test(tc, post_from_several_threads, 0, 2);
	tcase_add_loop_test(tc, stop_under_way, 0, 2);
	tcase_add_test(tc, by_key);
	tcase_add_test(tc, take_waits);
	tcase_add_test(tc, messages);
	tcase_add_loop_test(
	    tc, runs, 0, sizeof(run_rows) / sizeof(run_rows[0]));
	return suite;
}

UNIT_MAIN(engine_send_suite)
