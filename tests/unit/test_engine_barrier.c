/* SPDX-License-Identifier: MIT */
/* engine_barrier(): a word for all workers overtakes no packet. */
#include "tests/unit/engine_fixture.h"

#include <netinet/in.h>

#define N_FRAMES 300
#define N_SENDERS 3
#define N_ROUNDS 20
#define TOLD_MAX 64
#define HOLD UINT32_C(0x10000) /* the packet whose hook is held */
#define DRAIN UINT32_C(0x20000) /* what the target is told */

enum word {
	WORD_PROBE, /* engine_message(), not a barrier */
	WORD_DRAIN, /* tell the target */
	WORD_STOP, /* packets go no further */
	WORD_FINISH, /* end all */
	WORD_FIRST, /* and up: only noted */
};

/* The hooks get it as their fixture. */
struct gate {
	struct fix fix; /* first */
	int listen_fd;
	/* under the fixture's lock */
	unsigned n_held, n_released, n_probes, n_told;
	unsigned n_forwarded, n_dropped;
	bool stopped[ENGINE_WORKERS_MAX]; /* its worker's alone */
	unsigned n_at[ENGINE_WORKERS_MAX];
	uint32_t at[ENGINE_WORKERS_MAX][TOLD_MAX];
};

/* ---- hooks ---- */

/* No hook may block; this one does until the test lets it go. */
static void
hold(struct gate *gate)
{
	fix_count(&gate->fix, &gate->n_held);
	fix_wait(&gate->fix, "n_released", &gate->n_released, 1);
}

static void
gate_packet(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct gate *gate = arg;
	struct engine_worker *worker = engine_conn_worker(conn);
	const struct bnet_packet out = { .payload = packet->payload };
	uint32_t number =
	    bnet_order_get_u32(BNET_ORDER_LITTLE, packet->payload.p);

	if (gate->stopped[engine_worker_index(worker)]) {
		fix_count(&gate->fix, &gate->n_dropped);
		return;
	}
	if (engine_send(worker, gate->fix.target, &out, gate->fix.flush) ==
	    ENGINE_QUEUED)
		fix_count(&gate->fix, &gate->n_forwarded);
	if (number == HOLD)
		hold(gate);
}

static void
finish_conn(void *arg, struct engine_conn *conn)
{
	(void)arg;
	engine_conn_finish(conn);
}

static void
tell_target(struct gate *gate, struct engine_worker *worker)
{
	struct engine_sendq *to = gate->fix.target;
	uint32_t number = DRAIN;
	const struct bnet_packet packet = {
		.payload = { (const uint8_t *)&number, sizeof(number) }
	};

	if (to->worker == engine_worker_index(worker))
		fix_count(&gate->fix,
		    &gate->fix.sent[engine_send(worker, to, &packet, true)]);
}

static void
gate_message(void *arg, struct engine_worker *worker, uint32_t type,
    struct bnet_slice bytes)
{
	struct gate *gate = arg;
	unsigned me = engine_worker_index(worker);

	(void)bytes;
	if (type == WORD_PROBE) {
		fix_count(&gate->fix, &gate->n_probes);
		return;
	}
	if (type == WORD_DRAIN)
		tell_target(gate, worker);
	if (type == WORD_STOP)
		gate->stopped[me] = true;
	if (type == WORD_FINISH)
		engine_each_conn(worker, finish_conn, NULL);
	fix_lock(&gate->fix);
	if (gate->n_at[me] < TOLD_MAX)
		gate->at[me][gate->n_at[me]++] = type;
	gate->n_told++;
	fix_unlock(&gate->fix);
}

/* ---- an engine whose connections are on the workers that we say ---- */

static void
gate_open(struct gate *gate, unsigned n_workers)
{
	static struct engine_hooks hooks;
	struct engine_settings set = { .n_workers = n_workers,
		.hooks = &hooks };

	hooks = fix_hooks;
	hooks.packet = gate_packet;
	hooks.message = gate_message;
	*gate = (struct gate){ .listen_fd = -1 };
	fix_new(&gate->fix, &set, FIX_TO_TARGET);
	ck_assert(engine_start(gate->fix.engine));
	gate->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	gate->fix.at.sa.ss_family = AF_INET;
	gate->fix.at.len_bytes = sizeof(struct sockaddr_in);
	((struct sockaddr_in *)(void *)&gate->fix.at.sa)->sin_addr.s_addr =
	    htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(
	    bind(gate->listen_fd, (const struct sockaddr *)&gate->fix.at.sa,
		gate->fix.at.len_bytes),
	    0);
	ck_assert_int_eq(listen(gate->listen_fd, 16), 0);
	ck_assert_int_eq(
	    getsockname(gate->listen_fd, (struct sockaddr *)&gate->fix.at.sa,
		&gate->fix.at.len_bytes),
	    0);
}

/* Our end of a connection that lives on `worker`; the first is the target. */
static int
gate_peer(struct gate *gate, unsigned worker)
{
	const struct engine_connect set = { .address = gate->fix.at,
		.worker = worker };
	struct timeval wait = { .tv_sec = WAIT_S };
	unsigned n = gate->fix.n_ready;
	int fd;

	ck_assert(engine_connect(gate->fix.engine, &set));
	fd = accept(gate->listen_fd, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	FIX_WAIT(&gate->fix, n_ready, n + 1);
	return fd;
}

static void
gate_close(struct gate *gate)
{
	close(gate->listen_fd);
	fix_stop(&gate->fix);
}

/* Frames with the numbers from `first` in one write. */
static void
send_numbers(int fd, uint32_t first, size_t n)
{
	static uint8_t bytes[N_FRAMES * 8];

	for (uint32_t i = 0; i < n; i++) {
		bnet_order_put_u32(BNET_ORDER_LITTLE, bytes + 8 * i, 4);
		bnet_order_put_u32(
		    BNET_ORDER_LITTLE, bytes + 8 * i + 4, first + i);
	}
	peer_write(fd, bytes, 8 * n);
}

static void
probe(struct gate *gate, unsigned worker)
{
	static const struct bnet_slice nothing;
	unsigned n = gate->n_probes;

	ck_assert(
	    engine_message(gate->fix.engine, worker, WORD_PROBE, nothing));
	fix_wait(&gate->fix, "n_probes", &gate->n_probes, n + 1);
}

static void
release(struct gate *gate)
{
	fix_count(&gate->fix, &gate->n_released);
}

#define GATE_WAIT(gate, member, want) \
	fix_wait(&(gate)->fix, #member, &(gate)->member, want)

/* ---- one word ---- */

static const struct row {
	const char *name;
	unsigned n_workers;
	enum word word;
	bool flush;
} rows[] = {
	{ "told", 2, WORD_DRAIN, false },
	{ "told, urgent packets", 2, WORD_DRAIN, true },
	{ "finished", 2, WORD_FINISH, false },
	{ "finished, urgent packets", 2, WORD_FINISH, true },
	{ "told, one more worker", 3, WORD_DRAIN, false },
};

/*
 * The worker of the sender is held with packets that it has read and not
 * handed over, while the worker of the target takes the word: its second
 * probe is of a later turn than the one after which it looked.
 */
START_TEST(overtakes_nothing)
{
	const struct row *row = &rows[_i];
	struct gate gate;
	int to, from;

	gate_open(&gate, row->n_workers);
	gate.fix.flush = row->flush;
	to = gate_peer(&gate, 1);
	from = gate_peer(&gate, 0);
	send_numbers(from, HOLD - N_FRAMES + 1, N_FRAMES);
	GATE_WAIT(&gate, n_held, 1);
	ck_assert(engine_barrier(gate.fix.engine, row->word));
	probe(&gate, 1);
	probe(&gate, 1);
	release(&gate);
	for (uint32_t i = 0; i < N_FRAMES; i++)
		peer_expect_u32(to, HOLD - N_FRAMES + 1 + i);
	if (row->word == WORD_DRAIN)
		peer_expect_u32(to, DRAIN);
	else
		peer_expect_end(to);
	GATE_WAIT(&gate, n_told, row->n_workers);
	ck_assert_uint_eq(fix_counter(&gate.fix, ENGINE_PACKETS_LOST), 0);
	close(from);
	close(to);
	FIX_WAIT(&gate.fix, n_closed, 2);
	for (unsigned i = 0; i < row->n_workers; i++)
		ck_assert_uint_eq(gate.n_at[i], 1);
	gate_close(&gate);
}
END_TEST

/* The worker alone: behind the packets of its own turn. */
START_TEST(one_worker)
{
	struct gate gate;
	int to, from;

	gate_open(&gate, 1);
	to = gate_peer(&gate, 0);
	from = gate_peer(&gate, 0);
	send_numbers(from, HOLD, 1);
	GATE_WAIT(&gate, n_held, 1);
	ck_assert(engine_barrier(gate.fix.engine, WORD_DRAIN));
	ck_assert(engine_barrier(gate.fix.engine, WORD_FINISH));
	release(&gate);
	peer_expect_u32(to, HOLD);
	peer_expect_u32(to, DRAIN);
	peer_expect_end(to);
	close(from);
	close(to);
	FIX_WAIT(&gate.fix, n_closed, 2);
	ck_assert_uint_eq(gate.n_told, 2);
	gate_close(&gate);
}
END_TEST

/* ---- several words ---- */

/* While a worker is held nothing is told; then all is, in order, once. */
START_TEST(words_in_order)
{
	const unsigned n_workers = 3;
	struct gate gate;
	int to, from;

	gate_open(&gate, n_workers);
	to = gate_peer(&gate, 1);
	from = gate_peer(&gate, 0);
	send_numbers(from, HOLD, 1);
	GATE_WAIT(&gate, n_held, 1);
	for (uint32_t i = 0; i < ENGINE_BARRIERS_MAX; i++)
		ck_assert(engine_barrier(gate.fix.engine, WORD_FIRST + i));
	ck_assert(!engine_barrier(gate.fix.engine, WORD_FINISH));
	probe(&gate, 1);
	probe(&gate, 2);
	ck_assert_uint_eq(gate.n_told, 0);
	release(&gate);
	GATE_WAIT(&gate, n_told, ENGINE_BARRIERS_MAX * n_workers);
	ck_assert(engine_barrier(gate.fix.engine, WORD_FINISH));
	peer_expect_u32(to, HOLD);
	peer_expect_end(to);
	close(from);
	close(to);
	FIX_WAIT(&gate.fix, n_closed, 2);
	GATE_WAIT(&gate, n_told, (ENGINE_BARRIERS_MAX + 1) * n_workers);
	for (unsigned w = 0; w < n_workers; w++) {
		ck_assert_uint_eq(gate.n_at[w], ENGINE_BARRIERS_MAX + 1);
		for (uint32_t i = 0; i < ENGINE_BARRIERS_MAX; i++)
			ck_assert_uint_eq(gate.at[w][i], WORD_FIRST + i);
	}
	gate_close(&gate);
}
END_TEST

/* No memory at all for what is sent: the word comes through. */
START_TEST(without_memory)
{
	static const struct bnet_slice nothing;
	struct gate gate;

	gate_open(&gate, 3);
	engine_set_limits(gate.fix.engine, 0, 0);
	ck_assert(!engine_message(gate.fix.engine, 1, WORD_PROBE, nothing));
	ck_assert(engine_barrier(gate.fix.engine, WORD_FIRST));
	GATE_WAIT(&gate, n_told, 3);
	gate_close(&gate);
}
END_TEST

/* Raised before there are threads, and not through when they end. */
START_TEST(at_the_edges)
{
	struct engine_settings set = { .n_workers = 3 };
	struct fix fix;

	fix_new(&fix, &set, FIX_COUNT);
	ck_assert(engine_barrier(fix.engine, WORD_FIRST));
	ck_assert(engine_start(fix.engine));
	FIX_WAIT(&fix, n_messages, 3);
	ck_assert(engine_barrier(fix.engine, WORD_FIRST));
	ck_assert(engine_barrier(fix.engine, WORD_FIRST));
	fix_stop(&fix);
}
END_TEST

/* ---- closing the door while packets come in ---- */

/* How many frames come until the end. */
static unsigned
count_frames(int fd)
{
	uint32_t got;
	unsigned n = 0;

	while (peer_take(fd, BNET_ORDER_LITTLE, &got, sizeof(got)) == 4)
		n++;
	return n;
}

static void
close_the_door(unsigned n_workers)
{
	struct gate gate;
	int to, from[N_SENDERS];
	unsigned n;

	gate_open(&gate, n_workers);
	to = gate_peer(&gate, 0);
	for (unsigned s = 0; s < N_SENDERS; s++)
		from[s] = gate_peer(&gate, (s + 1) % n_workers);
	for (uint32_t s = 0; s < N_SENDERS; s++)
		send_numbers(from[s], 0, N_FRAMES);
	ck_assert(engine_barrier(gate.fix.engine, WORD_STOP));
	ck_assert(engine_barrier(gate.fix.engine, WORD_FINISH));
	n = count_frames(to);
	GATE_WAIT(&gate, n_told, 2 * n_workers);
	ck_assert_uint_eq(n, gate.n_forwarded);
	for (unsigned s = 0; s < N_SENDERS; s++)
		close(from[s]);
	close(to);
	FIX_WAIT(&gate.fix, n_closed, 1 + N_SENDERS);
	ck_assert_uint_eq(fix_counter(&gate.fix, ENGINE_PACKETS_LOST), 0);
	gate_close(&gate);
}

/* What was forwarded arrives, all of it, however they interleave. */
START_TEST(door)
{
	for (unsigned i = 0; i < N_ROUNDS; i++)
		close_the_door(1 + i % 3);
}
END_TEST

static Suite *
barrier_suite(void)
{
	Suite *suite = suite_create("engine_barrier");
	TCase *tc = unit_case(suite, "engine_barrier");

	tcase_add_loop_test(tc, overtakes_nothing, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, one_worker);
	tcase_add_test(tc, words_in_order);
	tcase_add_test(tc, without_memory);
	tcase_add_test(tc, at_the_edges);
	tcase_add_test(tc, door);
	return suite;
}

UNIT_MAIN(barrier_suite)
