/* SPDX-License-Identifier: MIT */
/* A worker: its loop, and the turn. */
#include "cmd/engine/engine_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_A_TURN 256
#define HUNG_UP ((uint32_t)EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define FOR_EVER_NS INT64_C(1000000000000) /* longer is no time at all */
#define STARVED_NS INT64_C(5000000) /* until we ask for budget again */

int64_t
worker_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- making one ---- */

bool
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
	worker->parcels = calloc(engine->n_workers, sizeof(*worker->parcels));
	worker->now_ns = worker_clock_ns();
	return worker->epoll_fd >= 0 && worker->codecs != NULL &&
	    worker->read_buf != NULL && worker->parcels != NULL &&
	    barrier_init(worker) && worker->queue.wake_fd >= 0 &&
	    epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->queue.wake_fd,
		&event) == 0;
}

void
worker_free(struct engine_worker *worker)
{
	struct budget *budget = &worker->engine->budget;

	for (unsigned i = 0; i < worker->engine->n_workers; i++)
		if (worker->parcels != NULL && worker->parcels[i] != NULL)
			parcel_free(worker->parcels[i], budget);
	timers_free(&worker->timers);
	bnet_codecs_free(worker->codecs);
	free(worker->read_buf);
	free(worker->parcels);
	barrier_free(worker);
	free(worker->slots);
	if (worker->epoll_fd >= 0)
		close(worker->epoll_fd);
	if (worker->spare_fd >= 0)
		close(worker->spare_fd);
}

/* ---- a turn ---- */

static void
take_handovers(struct engine_worker *worker)
{
	struct parcels parcels;
	struct parcel *parcel;

	handover_heard(&worker->queue);
	handover_take(&worker->queue, &parcels);
	while ((parcel = parcels_next(&parcels)) != NULL) {
		if (parcel->marker) {
			barrier_marker(worker, parcel);
			continue;
		}
		send_records(worker, parcel);
		parcel_free(parcel, &worker->engine->budget);
	}
}

static void
take_event(struct engine_worker *worker, const struct epoll_event *event)
{
	struct source *source = event->data.ptr;
	struct engine_conn *conn;

	switch (source->kind) {
	case SOURCE_WAKE:
		take_handovers(worker);
		break;
	case SOURCE_LISTENER:
		if (!worker->deaf)
			listen_accept(
			    (struct engine_listener *)(void *)source, worker);
		break;
	case SOURCE_CONN:
		conn = (struct engine_conn *)(void *)source;
		/* told once, maybe along with bytes: a read alone misses it */
		if ((event->events & HUNG_UP) != 0)
			conn->hung_up = true;
		if (conn->state == CONN_CONNECTING) {
			connect_go_on(conn);
			break;
		}
		if ((event->events & EPOLLOUT) != 0 &&
		    (conn->out.len > 0 || conn->is_tls))
			conn_mark_dirty(conn);
		if ((event->events & ~(uint32_t)EPOLLOUT) != 0)
			conn_read(conn);
	}
}

/* Those that had more to read, or may be read again. */
static void
read_ready(struct engine_worker *worker)
{
	struct engine_conn *conn = worker->ready, *next;

	worker->ready = NULL;
	worker->starved = false;
	for (; conn != NULL; conn = next) {
		next = conn->next_ready;
		conn->listed = false;
		if (conn->starved)
			conn_mark_dirty(conn); /* maybe in writing */
		conn->starved = false;
		conn_read_again(conn);
	}
}

static void
run_timers(struct engine_worker *worker)
{
	struct timer *timer;

	while ((timer = timers_due(&worker->timers, worker->now_ns)) != NULL) {
		conn_timer(container_of(timer, struct engine_conn, timer),
		    worker->now_ns);
		conn_flush_urgent(worker);
	}
}

static void
stop_listening(struct engine_worker *worker)
{
	worker->deaf = true;
	for (struct engine_listener *l = worker->engine->listeners; l != NULL;
	     l = l->next)
		listen_close(l, worker);
}

static void
turn(struct engine_worker *worker, const struct epoll_event *events, int n)
{
	count(worker, ENGINE_TURNS, 1);
	if (!worker->deaf && atomic_load(&worker->engine->stop_listening))
		stop_listening(worker);
	/* first what is left of the last turn, so that nobody goes hungry */
	read_ready(worker);
	for (int i = 0; i < n; i++)
		take_event(worker, &events[i]);
	run_timers(worker);
	barrier_look(worker);
	conn_flush_all(worker);
	send_push_all(worker);
	conn_free_dead(worker);
}

static int64_t
sleep_ns(const struct engine_worker *worker)
{
	int64_t until_ns = timers_next_ns(&worker->timers) - worker->now_ns;

	if (worker->engine->set.spin)
		return 0;
	if (worker->starved)
		return until_ns < STARVED_NS ? until_ns : STARVED_NS;
	if (worker->ready != NULL || worker->dirty != NULL)
		return 0;
	/* who sleeps wakes late: so rather before the time, and waits awake */
	return until_ns - worker->engine->set.awake_ns;
}

/* In nanoseconds; in milliseconds, rounded up, on a kernel before 5.11. */
static int
sleep_for(struct engine_worker *worker, struct epoll_event *events, int64_t ns)
{
	const struct timespec ts = { .tv_sec = ns / 1000000000,
		.tv_nsec = ns % 1000000000 };
	bool for_ever = ns >= FOR_EVER_NS;
	int n;

	n = epoll_pwait2(worker->epoll_fd, events, EVENTS_A_TURN,
	    for_ever ? NULL : &ts, NULL);
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
		worker->now_ns = worker_clock_ns();
		atomic_store_explicit(&worker->turn_since_ns, worker->now_ns,
		    memory_order_relaxed);
		turn(worker, events, n < 0 ? 0 : n);
		unlock_hooks(worker);
		rcu_let_go();
	}
}

void *
worker_run(void *arg)
{
	struct engine_worker *worker = arg;
	const struct engine_settings *set = &worker->engine->set;

	rcu_register_thread();
	lock_hooks(worker);
	if (set->hooks->worker_start != NULL)
		set->hooks->worker_start(set->arg, worker);
	send_push_all(worker);
	unlock_hooks(worker);
	for (struct engine_listener *l = worker->engine->listeners; l != NULL;
	     l = l->next)
		(void)listen_watch(l, worker);
	loop(worker);
	lock_hooks(worker);
	end_all(worker);
	if (set->hooks->worker_stop != NULL)
		set->hooks->worker_stop(set->arg, worker);
	send_push_all(worker);
	unlock_hooks(worker);
	free_spares(worker);
	rcu_tsan_release(&rcu_grace);
	rcu_unregister_thread();
	return NULL;
}

/* ---- what the owner may ask ---- */

unsigned
engine_worker_index(const struct engine_worker *worker)
{
	return worker->index;
}

struct engine *
engine_worker_engine(struct engine_worker *worker)
{
	return worker->engine;
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
