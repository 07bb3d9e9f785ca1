/* SPDX-License-Identifier: MIT */
/*
 * The engine as a whole, its workers, and the turn of a worker: events, what
 * other threads sent, timers, barriers, then writing.
 *
 * Owns the threads, their epoll descriptors and mailboxes, and the counters.
 * The owner of the engine calls it; no other module of the engine does.
 */
#include "cmd/engine/worker.h"

#include "cmd/common/clock.h"
#include "cmd/common/ending.h"
#include "cmd/engine/conn.h"
#include "cmd/engine/inbox.h"
#include "cmd/engine/listen.h"
#include "cmd/engine/relief.h"
#include "cmd/engine/send.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS_A_TURN 256
#define FOR_EVER_NS INT64_C(1000000000000) /* longer than this is no limit */

#define MEMORY_MAX_BYTES ((uint64_t)1 << 30)
#define QUEUE_MAX_BYTES ((size_t)4 << 20)
#define KEPT_QUOTIENT 16 /* 1 / this of the budget is for control */
#define KEPT_MAX_BYTES ((uint64_t)64 << 10)
#define INBOX_MAX_BYTES ((size_t)16 << 20)
#define HANDSHAKE_TIMEOUT_NS INT64_C(15000000000)
#define FRAME_TIMEOUT_NS INT64_C(30000000000)
#define WRITE_TIMEOUT_NS INT64_C(30000000000)

/* ---- barriers: messages to all workers that overtake nothing ---- */

/*
 * engine_barrier() adds to a counter, and every worker checks that counter
 * once a turn. A worker that sees a new barrier pushes a marker after all that
 * it has for each other worker, into the same mailboxes. A worker that has the
 * markers of all workers calls its owner's hook. So no barrier is reported
 * while a packet is between two workers.
 *
 *	A	sees the barrier ... [ batch | marker of A ] --> B
 *	B	sees the barrier ... marker of A: message()
 *
 * Nothing here needs memory: the markers are part of the workers. Two for each
 * pair are enough. A sees barrier n + 1 when it has all markers of barrier n,
 * and n + 2 when it has the marker that B sent for n + 1. By then B had all
 * markers of n, including that of A, so that one may be used again.
 */
static bool
barrier_init(struct engine_worker *worker)
{
	size_t n = 2 * (size_t)worker->engine->n_workers;

	worker->markers = calloc(n, sizeof(*worker->markers));
	for (size_t i = 0; worker->markers != NULL && i < n; i++)
		worker->markers[i] =
		    (struct batch){ .marker = true, .parity = i % 2 };
	return worker->markers != NULL;
}

static void
barrier_free(struct engine_worker *worker)
{
	free(worker->markers);
}

bool
engine_barrier(struct engine *engine, uint32_t type)
{
	struct barrier *b = &engine->barrier;
	unsigned done, n;

	pthread_mutex_lock(&b->lock);
	n = atomic_load_explicit(&b->n_raised, memory_order_relaxed);
	for (unsigned i = 0; i < engine->n_workers; i++) {
		done = atomic_load(&engine->workers[i].n_barriers_done);
		if (n - done >= ENGINE_BARRIERS_MAX) {
			pthread_mutex_unlock(&b->lock);
			return false;
		}
	}
	b->types[n % ENGINE_BARRIERS_MAX] = type;
	atomic_store(&b->n_raised, n + 1);
	pthread_mutex_unlock(&b->lock);
	for (unsigned i = 0; i < engine->n_workers; i++)
		mailbox_wake(&engine->workers[i].mailbox);
	return true;
}

/* A marker arrived, or is our own; the last one completes the barrier. */
static void
marker_arrived(struct engine_worker *worker, unsigned parity)
{
	static const struct bnet_slice nothing = { NULL, 0 };
	const struct engine_settings *set = &worker->engine->set;
	unsigned n = atomic_load_explicit(
	    &worker->n_barriers_done, memory_order_relaxed);
	uint32_t type = worker->engine->barrier.types[n % ENGINE_BARRIERS_MAX];

	if (++worker->n_markers[parity] < worker->engine->n_workers)
		return;
	worker->n_markers[parity] = 0;
	atomic_store(&worker->n_barriers_done, n + 1);
	if (set->hooks->message != NULL)
		set->hooks->message(set->arg, worker, type, nothing);
	if (worker->urgent != NULL)
		conn_flush_urgent(worker);
}

/* At the end of a turn, when its packets are in the batches. */
static void
barrier_check(struct engine_worker *worker)
{
	struct engine *engine = worker->engine;
	unsigned n;

	while ((n = worker->n_barriers_seen) !=
		atomic_load(&engine->barrier.n_raised) &&
	    n ==
		atomic_load_explicit(
		    &worker->n_barriers_done, memory_order_relaxed)) {
		worker->n_barriers_seen = n + 1;
		outbox_push_all(&worker->outbox);
		for (unsigned i = 0; i < engine->n_workers; i++)
			if (i != worker->index)
				(void)mailbox_push(&engine->workers[i].mailbox,
				    &worker->markers[2 * i + n % 2].node);
		marker_arrived(worker, n % 2);
	}
}

/* ---- records from other threads ---- */

static void
take_frames(struct engine_worker *worker, const struct record *record,
    struct bnet_slice bytes)
{
	struct engine_conn *conn = conn_find(worker, record->handle);

	if (bytes.len == 0)
		return; /* it could not be encoded */
	if (conn != NULL && conn->state <= CONN_OPEN &&
	    sendq_append(conn, record, bytes))
		return;
	count(worker, ENGINE_PACKETS_LOST, record->n_frames);
	if (conn != NULL)
		atomic_fetch_sub_explicit(&conn->sendq->queued_bytes, bytes.len,
		    memory_order_relaxed);
	/* the sender was told ENGINE_QUEUED: rather end it than leave a gap */
	if (conn != NULL && conn->state <= CONN_OPEN)
		conn_end(conn, ENGINE_END_MEMORY);
}

static void
take_packet(struct engine_worker *worker, const struct record *record,
    struct bnet_slice bytes)
{
	struct engine_conn *conn = conn_find(worker, record->handle);
	struct bnet_packet packet = { .has_header = true };
	struct record_packet head;
	uint64_t *ids = NULL;
	size_t n_ids;

	memcpy(&head, bytes.p, sizeof(head));
	n_ids = head.header.forks;
	packet.header = head.header;
	packet.payload.len = (size_t)head.payload_bytes;
	packet.payload.p = bytes.p + bytes.len - packet.payload.len;
	if (n_ids > 0) {
		ids = malloc(n_ids * sizeof(*ids));
		if (ids != NULL)
			memcpy(
			    ids, bytes.p + sizeof(head), n_ids * sizeof(*ids));
		packet.fork_ids = ids;
	}
	if (conn == NULL || conn->state > CONN_OPEN ||
	    (n_ids > 0 && ids == NULL) ||
	    engine_send(worker, conn->sendq, &packet, packet.header.priority) !=
		ENGINE_QUEUED) {
		count(worker, ENGINE_PACKETS_QUEUED, 1);
		count(worker, ENGINE_PACKETS_LOST, 1);
	}
	free(ids);
}

/* Resume the connection in `bytes` when the queue of `full` is short. */
static void
take_watch(struct engine_worker *worker, uint64_t full, struct bnet_slice bytes)
{
	static const struct bnet_slice nothing = { NULL, 0 };
	struct engine_conn *conn = conn_find(worker, full);
	uint64_t waiter;

	memcpy(&waiter, bytes.p, sizeof(waiter));
	if (conn == NULL || conn->state > CONN_OPEN ||
	    !sendq_watch(conn, waiter))
		(void)send_control(worker, waiter, RECORD_RESUME, nothing);
}

static void
take_record(struct engine_worker *worker, const struct record *record,
    struct bnet_slice bytes)
{
	const struct engine_settings *set = &worker->engine->set;
	struct engine_conn *conn;

	switch ((enum record_kind)record->kind) {
	case RECORD_FRAMES:
		take_frames(worker, record, bytes);
		break;
	case RECORD_PACKET:
		take_packet(worker, record, bytes);
		break;
	case RECORD_WATCH:
		take_watch(worker, record->handle, bytes);
		break;
	case RECORD_CONNECT:
		connect_begin(worker, bytes);
		break;
	case RECORD_MESSAGE:
		if (set->hooks->message != NULL)
			set->hooks->message(
			    set->arg, worker, record->type, bytes);
		break;
	case RECORD_RESUME:
	case RECORD_FINISH:
		conn = conn_find(worker, record->handle);
		if (conn != NULL && record->kind == RECORD_RESUME)
			conn_resume(conn);
		else if (conn != NULL)
			engine_conn_finish(conn);
	}
}

static void
send_records(struct engine_worker *worker, struct batch *batch)
{
	struct record record;
	struct bnet_slice bytes;
	size_t at = 0;

	while (batch_read(batch, &at, &record, &bytes))
		take_record(worker, &record, bytes);
	if (worker->urgent != NULL)
		conn_flush_urgent(worker);
}

/* The same after the thread of the worker has ended. */
static void
send_drop(struct engine_worker *worker, const struct batch *batch)
{
	struct record record;
	struct bnet_slice bytes;
	size_t at = 0;

	while (batch_read(batch, &at, &record, &bytes)) {
		if (record.kind == RECORD_PACKET)
			count(worker, ENGINE_PACKETS_QUEUED, 1);
		if (record.kind == RECORD_CONNECT)
			connect_forget(bytes);
		count(worker, ENGINE_PACKETS_LOST, record.n_frames);
	}
}

/* ---- a turn ---- */

static void
take_mailbox(struct engine_worker *worker)
{
	struct batches batches;
	struct batch *batch;

	mailbox_heard(&worker->mailbox);
	mailbox_take(&worker->mailbox, &batches);
	while ((batch = batches_next(&batches)) != NULL) {
		if (batch->marker) {
			marker_arrived(worker, batch->parity);
			continue;
		}
		send_records(worker, batch);
		batch_free(batch, &worker->engine->budget);
	}
}

static void
take_event(struct engine_worker *worker, const struct epoll_event *event)
{
	struct source *source = event->data.ptr;

	switch (source->kind) {
	case SOURCE_WAKE:
		take_mailbox(worker);
		break;
	case SOURCE_LISTENER:
		if (!worker->deaf)
			listen_accept(source, worker);
		break;
	case SOURCE_CONN:
		conn_event(source, event->events);
	}
}

static void
run_timers(struct engine_worker *worker)
{
	struct timer *timer;

	while ((timer = timers_due(&worker->timers, worker->now_ns)) != NULL) {
		conn_timer(timer, worker->now_ns);
		conn_flush_urgent(worker);
	}
}

static void
turn(struct engine_worker *worker, const struct epoll_event *events, int n)
{
	count(worker, ENGINE_TURNS, 1);
	worker->n_handshakes = 0;
	if (!worker->deaf && atomic_load(&worker->engine->stop_listening))
		listen_close_all(worker);
	listen_rested(worker);
	/* first the rest of the last turn, so that nobody starves */
	conn_read_ready(worker);
	for (int i = 0; i < n; i++)
		take_event(worker, &events[i]);
	run_timers(worker);
	barrier_check(worker);
	conn_flush_all(worker);
	relief_turn(worker);
	outbox_push_all(&worker->outbox);
	conn_free_dead(worker);
}

static int64_t
sleep_ns(const struct engine_worker *worker)
{
	int64_t until_ns = timers_next_ns(&worker->timers) - worker->now_ns;
	int64_t rest_ns = worker->rest_until_ns - worker->now_ns;

	if (worker->engine->set.spin)
		return 0;
	if (worker->rest_until_ns != 0 && !worker->deaf && rest_ns < until_ns)
		until_ns = rest_ns;
	if (worker->ready != NULL || worker->dirty != NULL)
		return 0;
	if (worker->starving != NULL &&
	    worker->feed_at_ns - worker->now_ns < until_ns)
		until_ns = worker->feed_at_ns - worker->now_ns;
	/* a sleeper wakes late: so wake early, and wait awake */
	return until_ns - worker->engine->set.awake_ns;
}

/* glibc has epoll_pwait2() since 2.35; others may have the system call. */
#ifdef __GLIBC__
#define LIBC_HAS_PWAIT2 __GLIBC_PREREQ(2, 35)
#else
#define LIBC_HAS_PWAIT2 0
#endif

static int
wait_until(int fd, struct epoll_event *events, int n, const struct timespec *ts)
{
#if LIBC_HAS_PWAIT2
	return epoll_pwait2(fd, events, n, ts, NULL);
#elif defined(SYS_epoll_pwait2)
	int64_t wide[2] = { ts != NULL ? ts->tv_sec : 0,
		ts != NULL ? ts->tv_nsec : 0 };

	return (int)syscall(
	    SYS_epoll_pwait2, fd, events, n, ts != NULL ? wide : NULL, NULL, 0);
#else
	(void)fd, (void)events, (void)n, (void)ts;
	errno = ENOSYS;
	return -1;
#endif
}

/* In nanoseconds; in milliseconds, rounded up, on a kernel before 5.11. */
static int
sleep_for(struct engine_worker *worker, struct epoll_event *events, int64_t ns)
{
	const struct timespec ts = { .tv_sec = ns / 1000000000,
		.tv_nsec = ns % 1000000000 };
	bool for_ever = ns >= FOR_EVER_NS;
	int n;

	n = wait_until(
	    worker->epoll_fd, events, EVENTS_A_TURN, for_ever ? NULL : &ts);
	if (n < 0 && errno == ENOSYS)
		n = epoll_wait(worker->epoll_fd, events, EVENTS_A_TURN,
		    for_ever ? -1 : (int)(ns / 1000000 + 1));
	return n;
}

static int
wait_events(struct engine_worker *worker, struct epoll_event *events)
{
	int64_t ns = sleep_ns(worker);
	int n;

	if (ns <= 0)
		return epoll_wait(worker->epoll_fd, events, EVENTS_A_TURN, 0);
	rcu_sleep();
	n = sleep_for(worker, events, ns);
	rcu_wake();
	return n;
}

/* ---- the thread ---- */

static void
end_conn(void *arg, struct engine_conn *conn)
{
	(void)arg;
	conn_end(conn, ENGINE_END_OWNER);
}

static void
end_all(struct engine_worker *worker)
{
	engine_each_conn(worker, end_conn, NULL);
	conn_free_dead(worker);
}

static void
free_spares(struct engine_worker *worker)
{
	while (worker->n_spare > 0)
		budget_free_buf(
		    &worker->engine->budget, &worker->spare[--worker->n_spare]);
}

static void
lock_hooks(struct engine_worker *worker)
{
	if (worker->engine->set.lock != NULL)
		pthread_mutex_lock(worker->engine->set.lock);
}

static void
unlock_hooks(struct engine_worker *worker)
{
	if (worker->engine->set.lock != NULL)
		pthread_mutex_unlock(worker->engine->set.lock);
}

static void
loop(struct engine_worker *worker)
{
	struct epoll_event events[EVENTS_A_TURN];
	int n;

	while (!atomic_load_explicit(
	    &worker->engine->stop, memory_order_relaxed)) {
		atomic_store_explicit(
		    &worker->turn_since_ns, 0, memory_order_relaxed);
		n = wait_events(worker, events);
		lock_hooks(worker);
		worker->now_ns = clock_now_ns();
		atomic_store_explicit(&worker->turn_since_ns, worker->now_ns,
		    memory_order_relaxed);
		turn(worker, events, n < 0 ? 0 : n);
		unlock_hooks(worker);
		rcu_let_go();
	}
}

static void *
worker_run(void *arg)
{
	struct engine_worker *worker = arg;
	const struct engine_settings *set = &worker->engine->set;

	rcu_register_thread();
	lock_hooks(worker);
	if (set->hooks->worker_start != NULL)
		set->hooks->worker_start(set->arg, worker);
	outbox_push_all(&worker->outbox);
	unlock_hooks(worker);
	listen_watch_all(worker);
	loop(worker);
	lock_hooks(worker);
	end_all(worker);
	if (set->hooks->worker_stop != NULL)
		set->hooks->worker_stop(set->arg, worker);
	outbox_push_all(&worker->outbox);
	unlock_hooks(worker);
	free_spares(worker);
	rcu_tsan_release(&rcu_grace);
	rcu_unregister_thread();
	return NULL;
}

/* ---- making workers ---- */

static bool
worker_init(struct engine_worker *worker, struct engine *engine, unsigned index)
{
	struct epoll_event event = { .events = EPOLLIN,
		.data.ptr = &worker->wake };

	worker->wake.kind = SOURCE_WAKE;
	worker->engine = engine;
	worker->index = index;
	worker->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	worker->codecs = bnet_codecs_new();
	worker->read_buf = malloc(ENGINE_READ_BYTES);
	worker->now_ns = clock_now_ns();
	return worker->epoll_fd >= 0 && worker->codecs != NULL &&
	    worker->read_buf != NULL && outbox_init(&worker->outbox) &&
	    barrier_init(worker) && worker->mailbox.wake_fd >= 0 &&
	    epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->mailbox.wake_fd,
		&event) == 0;
}

static void
worker_free(struct engine_worker *worker)
{
	outbox_free(&worker->outbox);
	timers_free(&worker->timers);
	bnet_codecs_free(worker->codecs);
	free(worker->read_buf);
	barrier_free(worker);
	free(worker->slots);
	if (worker->epoll_fd >= 0)
		close(worker->epoll_fd);
	if (worker->spare_fd >= 0)
		close(worker->spare_fd);
}

static bool
make_workers(struct engine *engine)
{
	struct engine_worker *workers;

	/* so that each owns its cache lines: counters are written all the time */
	workers = aligned_alloc(
	    64, (engine->n_workers * sizeof(*workers) + 63) / 64 * 64);
	if (workers == NULL)
		return false;
	for (unsigned i = 0; i < engine->n_workers; i++) {
		workers[i] = (struct engine_worker){ .engine = engine,
			.epoll_fd = -1,
			.spare_fd = -1,
			.mailbox.wake_fd = -1,
			.outbox = { .mailboxes = engine->mailboxes,
			    .n = engine->n_workers,
			    .budget = &engine->budget,
			    .counters = workers[i].counters } };
		engine->mailboxes[i] = &workers[i].mailbox;
	}
	engine->workers = workers;
	for (unsigned i = 0; i < engine->n_workers; i++)
		if (!mailbox_init(&workers[i].mailbox) ||
		    !worker_init(&workers[i], engine, i))
			return false;
	return true;
}

/* ---- the engine ---- */

static void
set_defaults(struct engine_settings *set)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (set->n_workers == 0)
		set->n_workers = cores > 0 ? (unsigned)cores : 1;
	if (set->n_workers > ENGINE_WORKERS_MAX)
		set->n_workers = ENGINE_WORKERS_MAX;
	if (set->memory_max_bytes == 0)
		set->memory_max_bytes = MEMORY_MAX_BYTES;
	if (set->queue_max_bytes == 0)
		set->queue_max_bytes = QUEUE_MAX_BYTES;
	if (set->inbox_max_bytes == 0)
		set->inbox_max_bytes = INBOX_MAX_BYTES;
	if (set->frame_max_bytes == 0)
		set->frame_max_bytes = BNET_FRAME_MAX_BYTES;
	if (set->payload_max_bytes == 0)
		set->payload_max_bytes = BNET_PAYLOAD_MAX_BYTES;
	if (set->threshold_bytes == 0)
		set->threshold_bytes = BNET_THRESHOLD_BYTES;
	if (set->handshake_timeout_ns == 0)
		set->handshake_timeout_ns = HANDSHAKE_TIMEOUT_NS;
	if (set->frame_timeout_ns == 0)
		set->frame_timeout_ns = FRAME_TIMEOUT_NS;
	if (set->write_timeout_ns == 0)
		set->write_timeout_ns = WRITE_TIMEOUT_NS;
}

struct engine *
engine_new(const struct engine_settings *set)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL)
		return NULL;
	engine->set = *set;
	set_defaults(&engine->set);
	engine->n_workers = engine->set.n_workers;
	atomic_init(&engine->budget.max_bytes, engine->set.memory_max_bytes);
	engine->budget.frame_bytes = engine->set.frame_max_bytes;
	engine->budget.kept_bytes =
	    engine->set.memory_max_bytes / KEPT_QUOTIENT < KEPT_MAX_BYTES
	    ? engine->set.memory_max_bytes / KEPT_QUOTIENT
	    : KEPT_MAX_BYTES;
	(void)pthread_mutex_init(&engine->barrier.lock, NULL);
	atomic_init(&engine->queue_max_bytes, engine->set.queue_max_bytes);
	atomic_init(
	    &engine->handshake_timeout_ns, engine->set.handshake_timeout_ns);
	atomic_init(&engine->frame_timeout_ns, engine->set.frame_timeout_ns);
	engine->inbox = inbox_new();
	if (engine->inbox != NULL && make_workers(engine))
		return engine;
	engine_free(engine);
	return NULL;
}

/* Workers block all signals: these are for the threads of the owner. */
bool
engine_start(struct engine *engine)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	while (engine->n_started < engine->n_workers) {
		struct engine_worker *w = &engine->workers[engine->n_started];

		errno = pthread_create(&w->thread, NULL, worker_run, w);
		if (errno != 0)
			break;
		engine->n_started++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return engine->n_started == engine->n_workers;
}

/* Its thread has ended: count what others had for it as lost. */
static void
drop_mailbox(struct engine_worker *worker)
{
	struct batches batches;
	struct batch *batch;

	mailbox_take(&worker->mailbox, &batches);
	while ((batch = batches_next(&batches)) != NULL) {
		if (batch->marker)
			continue;
		send_drop(worker, batch);
		batch_free(batch, &worker->engine->budget);
	}
}

static bool
join_workers(struct engine *engine)
{
	char what[32];
	bool all = true;

	for (unsigned i = 0; i < engine->n_started; i++) {
		struct engine_worker *w = &engine->workers[i];

		(void)snprintf(what, sizeof(what), "network thread %u", i);
		w->ended = w->ended || ending_join(w->thread, what);
		all = all && w->ended;
	}
	return all;
}

bool
engine_stop(struct engine *engine)
{
	atomic_store(&engine->stop, true);
	for (unsigned i = 0; i < engine->n_started; i++)
		mailbox_wake(&engine->workers[i].mailbox);
	engine->stuck = true;
	if (!join_workers(engine))
		return false;
	engine->n_started = 0;
	for (unsigned i = 0; i < engine->n_workers; i++)
		drop_mailbox(&engine->workers[i]);
	engine->stuck = !rcu_wait_all(); /* send queues: their grace period */
	return !engine->stuck;
}

bool
engine_ended(const struct engine *engine, unsigned worker)
{
	return worker >= engine->n_started || engine->workers[worker].ended;
}

void
engine_free(struct engine *engine)
{
	if (engine == NULL || engine->stuck)
		return;
	listen_free_all(engine);
	for (unsigned i = 0; engine->workers != NULL && i < engine->n_workers;
	     i++)
		mailbox_free(&engine->workers[i].mailbox, &engine->budget);
	for (unsigned i = 0; engine->workers != NULL && i < engine->n_workers;
	     i++)
		worker_free(&engine->workers[i]);
	inbox_free(engine->inbox, &engine->budget);
	pthread_mutex_destroy(&engine->barrier.lock);
	free(engine->workers);
	free(engine);
}

void
engine_stop_listening(struct engine *engine)
{
	atomic_store(&engine->stop_listening, true);
	for (unsigned i = 0; i < engine->n_started; i++)
		mailbox_wake(&engine->workers[i].mailbox);
}

/* ---- what the owner may ask ---- */

unsigned
engine_n_workers(const struct engine *engine)
{
	return engine->n_workers;
}

void
engine_counters(struct engine *engine, uint64_t sums[ENGINE_N_COUNTERS])
{
	for (unsigned i = 0; i < ENGINE_N_COUNTERS; i++) {
		sums[i] = 0;
		for (unsigned w = 0; w < engine->n_workers; w++)
			sums[i] += counter_get(&engine->workers[w].counters[i]);
	}
}

void
engine_set_limits(
    struct engine *engine, uint64_t memory_max_bytes, size_t queue_max_bytes)
{
	atomic_store(&engine->budget.max_bytes, memory_max_bytes);
	atomic_store(&engine->queue_max_bytes, queue_max_bytes);
}

size_t
engine_queue_max_bytes(const struct engine *engine)
{
	return atomic_load_explicit(
	    &engine->queue_max_bytes, memory_order_relaxed);
}

void
engine_set_timeouts(struct engine *engine, int64_t handshake_timeout_ns,
    int64_t frame_timeout_ns)
{
	atomic_store(&engine->handshake_timeout_ns, handshake_timeout_ns);
	atomic_store(&engine->frame_timeout_ns, frame_timeout_ns);
}

uint64_t
engine_memory_reserved(struct engine *engine)
{
	return atomic_load_explicit(
	    &engine->budget.used_bytes, memory_order_relaxed);
}

int64_t
engine_memory_short_ns(struct engine *engine)
{
	return atomic_load_explicit(&engine->short_ns, memory_order_relaxed);
}

void
engine_measure_sockets(struct engine *engine)
{
	atomic_fetch_add(&engine->n_measured, 1);
	for (unsigned i = 0; i < engine->n_workers; i++)
		mailbox_wake(&engine->workers[i].mailbox);
}

uint64_t
engine_socket_bytes(struct engine *engine)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < engine->n_workers; i++)
		sum += atomic_load_explicit(
		    &engine->workers[i].socket_bytes, memory_order_relaxed);
	return sum;
}

int64_t
engine_oldest_turn_ns(struct engine *engine)
{
	int64_t oldest_ns = clock_now_ns(), since_ns;

	for (unsigned i = 0; i < engine->n_workers; i++) {
		since_ns = atomic_load_explicit(
		    &engine->workers[i].turn_since_ns, memory_order_relaxed);
		if (since_ns != 0 && since_ns < oldest_ns)
			oldest_ns = since_ns;
	}
	return oldest_ns;
}

void
engine_read_lock(void)
{
	rcu_register_thread();
}

void
engine_read_unlock(void)
{
	rcu_tsan_release(&rcu_grace);
	rcu_unregister_thread();
}

unsigned
engine_worker_index(const struct engine_worker *worker)
{
	return worker->index;
}

int64_t
engine_worker_now_ns(const struct engine_worker *worker)
{
	return worker->now_ns;
}

struct bnet_codecs *
engine_worker_codecs(struct engine_worker *worker)
{
	return worker->codecs;
}
