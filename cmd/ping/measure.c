/* SPDX-License-Identifier: MIT */
/* The life of the connection, and what the caller sees of it. */
#include "cmd/ping/measure_impl.h"

#include "cmd/common/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#define BODY_MAX_BYTES ((size_t)1 << 20)
#define TICK_NS INT64_C(100000000)
#define CONNECT_TIMEOUT_NS INT64_C(15000000000)
#define AWAKE_PART 10 /* of the time may be waited awake */
#define LATE_MAX_NS INT64_C(300000)
#define LATE_RISE 4
#define LATE_FALL 32
#define NODES_GUESS 64 /* where it is not known how many there will be */

/* ---- connecting ---- */

static bool
connect_next(struct measure *m)
{
	struct engine_connect set = {
		.tls = m->files->tls,
		.tls_host = m->host,
		.timeout_ns = CONNECT_TIMEOUT_NS,
		.order = BNET_ORDER_LITTLE,
		.user = m,
	};

	if (m->n_tried == m->n_addresses)
		return false;
	set.address = m->addresses[m->n_tried++];
	if (m->opt->deadline_ns != 0 && m->opt->deadline_ns < set.timeout_ns)
		set.timeout_ns = m->opt->deadline_ns;
	return engine_connect(m->engine, &set);
}

static const char *const ends[ENGINE_N_ENDS] = {
	[ENGINE_END_PEER] = "the relay closed the connection",
	[ENGINE_END_CUT] = "the connection was cut",
	[ENGINE_END_MALFORMED] = "a malformed frame came",
	[ENGINE_END_OVERSIZE] = "a frame over the limit came",
	[ENGINE_END_TLS] = "TLS failed",
	[ENGINE_END_PROXY] = "PROXY",
	[ENGINE_END_HANDSHAKE_TIMEOUT] = "no answer in time",
	[ENGINE_END_CONNECT] = "no connection",
	[ENGINE_END_FRAME_TIMEOUT] = "a frame took too long",
	[ENGINE_END_IO] = "I/O error",
	[ENGINE_END_MEMORY] = "out of memory",
	[ENGINE_END_NOT_ADMITTED] = "not admitted",
	[ENGINE_END_OWNER] = "we closed",
};

static void
closed(void *arg, struct engine_conn *conn, enum engine_end end)
{
	struct measure *m = arg;
	const char *reason = engine_conn_reason(conn);

	m->conn = NULL;
	if (end == ENGINE_END_OWNER)
		return; /* measure_stop() */
	if (m->state == MEASURE_CONNECTING && connect_next(m))
		return;
	measure_fail(m, reason[0] != '\0' ? reason : ends[end]);
}

static void
no_conn(void *arg, void *user, const struct address *from)
{
	(void)user;
	(void)from;
	measure_fail(arg, "out of memory or descriptors");
}

static void
ready(void *arg, struct engine_conn *conn)
{
	struct measure *m = arg;

	m->conn = conn;
	m->state = MEASURE_GREETED;
	m->tick.at_ns = 0;
	session_hello(m);
	if (!timers_set(&m->timers, &m->tick, clock_now_ns() + TICK_NS))
		measure_fail(m, "out of memory");
	measure_arm(m);
}

/* ---- time ---- */

/*
 * A thread wakes later than it asked to. So it asks for as much earlier as it
 * was late lately, and waits for the rest awake: at most a tenth of the time,
 * a part that only precision at high rates (--spin) goes beyond.
 */
static int64_t
lead_ns(const struct measure *m, int64_t until_ns)
{
	int64_t most_ns = until_ns / AWAKE_PART;

	return m->late_ns < most_ns ? m->late_ns : most_ns;
}

void
measure_arm(struct measure *m)
{
	int64_t at_ns = timers_next_ns(&m->timers), until_ns;

	if (m->conn == NULL || at_ns == INT64_MAX)
		return;
	until_ns = at_ns - clock_now_ns();
	m->asked_ns = until_ns > 0 ? at_ns - lead_ns(m, until_ns) : at_ns;
	engine_conn_set_timer(m->conn, m->asked_ns);
}

/* How late we woke: a mean that rises fast and falls slowly. */
static void
note_late(struct measure *m, int64_t late_ns)
{
	if (late_ns < 0 || m->asked_ns == 0)
		return;
	if (late_ns > LATE_MAX_NS)
		late_ns = LATE_MAX_NS;
	m->late_ns += (late_ns - m->late_ns) /
	    (late_ns > m->late_ns ? LATE_RISE : LATE_FALL);
}

/* The time when what is next is due, or now if that is not near. */
static int64_t
wait_awake(const struct measure *m)
{
	int64_t due_ns = timers_next_ns(&m->timers), now_ns = clock_now_ns();

	if (due_ns - now_ns > LATE_MAX_NS)
		return now_ns;
	while (now_ns < due_ns)
		now_ns = clock_now_ns();
	return now_ns;
}

static struct target *
target_of(struct timer *timer)
{
	return (struct target *)(void *)((char *)timer -
	    offsetof(struct target, timer));
}

/* No more slots. */
static void
stop_all(struct measure *m)
{
	for (size_t i = 0; i < targets_n(&m->targets); i++) {
		struct target *target = targets_at(&m->targets, i);

		timers_cancel(&m->timers, &target->timer);
		target->active = false;
	}
	m->n_active = 0;
}

/* Is all that was asked for done? */
static void
check_done(struct measure *m, int64_t now_ns)
{
	bool may_end = m->opt->count != 0 || now_ns >= m->stop_ns;

	if (m->state != MEASURE_UP || m->start_ns == 0)
		return;
	if (now_ns >= m->stop_ns)
		stop_all(m);
	if (!may_end || m->n_active > 0 || m->n_waiting > 0)
		return;
	m->state = MEASURE_DONE;
	measure_wake(m);
}

static void
tick(struct measure *m, int64_t now_ns)
{
	session_tick(m, now_ns);
	send_expire(m, now_ns);
	check_done(m, now_ns);
	(void)timers_set(&m->timers, &m->tick, now_ns + TICK_NS);
}

/* The worker's idea of now is as old as its turn: slots want a better one. */
static void
timer(void *arg, struct engine_conn *conn, int64_t turn_ns)
{
	struct measure *m = arg;
	int64_t now_ns;
	struct timer *due;

	(void)conn;
	note_late(m, turn_ns - m->asked_ns);
	now_ns = wait_awake(m);
	while ((due = timers_due(&m->timers, now_ns)) != NULL) {
		if (due == &m->tick)
			tick(m, now_ns);
		else
			send_due(m, target_of(due), now_ns);
	}
	measure_arm(m);
}

static void
packet(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;
	const struct bnet_header *header = &packet->header;

	if (!packet->has_header || header->key == 0)
		return;
	if (header->timestamp != 0 && header->key != BNET_KEY_PONG)
		session_pong(m, header->timestamp & ~BNET_TIMESTAMP_PING_BACK);
	(void)!engine_deliver(conn, packet);
	if (m->n_waiting == 0)
		check_done(m, clock_now_ns());
}

/* Timers as precise as they come: 50 us late is the default. */
static void
worker_start(void *arg, struct engine_worker *worker)
{
	(void)arg;
	(void)worker;
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
}

static const struct engine_hooks hooks = {
	.ready = ready,
	.packet = packet,
	.timer = timer,
	.closed = closed,
	.no_conn = no_conn,
	.worker_start = worker_start,
};

/* ---- starting and ending ---- */

/* As many pings as can be on their way until they are given up, twice. */
static uint64_t
room(const struct ping_options *opt)
{
	uint64_t n = opt->n_words > 0 ? opt->n_words : NODES_GUESS;

	if (opt->hop != PING_HOP_NONE)
		n = 1;
	if (opt->layers == PING_LAYER_BOTH)
		n *= 2;
	return 2 * n * ((uint64_t)(opt->timeout_ns / opt->interval_ns) + 1);
}

/*
 * With this kind of mutex the kernel hands it to who waits: a worker that
 * spins takes it again at once, and would keep us out for ever.
 */
static bool
make_lock(struct measure *m)
{
	pthread_mutexattr_t attr;
	bool ok;

	pthread_mutexattr_init(&attr);
	ok = pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT) == 0 &&
	    pthread_mutex_init(&m->lock, &attr) == 0;
	pthread_mutexattr_destroy(&attr);
	return ok;
}

static bool
make(struct measure *m)
{
	const struct ping_options *opt = m->opt;
	const struct engine_settings set = {
		.n_workers = 1,
		.spin = opt->spin,
		.rx_times = true,
		.lock = &m->lock,
		.hooks = &hooks,
		.arg = m,
	};

	bnet_buf_init(&m->body, BODY_MAX_BYTES);
	bnet_buf_init(&m->store, BODY_MAX_BYTES);
	for (int i = 0; i < 2; i++) {
		m->events[i].list =
		    calloc(MEASURE_EVENTS_MAX, sizeof(struct measure_event));
		if (m->events[i].list == NULL)
			return false;
	}
	m->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->engine = engine_new(&set);
	return m->event_fd >= 0 && m->engine != NULL &&
	    targets_init(&m->targets, opt) &&
	    flights_init(&m->flights, room(opt)) && session_register(m);
}

struct measure *
measure_start(const struct ping_options *opt, const struct client_files *files,
    char why[MEASURE_REASON_CHARS])
{
	struct measure *m = calloc(1, sizeof(*m));
	struct timespec ts;

	if (m == NULL || !make_lock(m)) {
		snprintf(why, MEASURE_REASON_CHARS, "out of memory");
		free(m);
		return NULL;
	}
	m->opt = opt;
	m->files = files;
	m->event_fd = -1;
	m->stop_ns = INT64_MAX;
	clock_gettime(CLOCK_REALTIME, &ts);
	m->wall_ahead_ns =
	    (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - clock_now_ns();
	client_host(opt->relay, m->host);
	m->n_addresses = address_resolve(
	    opt->relay, PING_PORT, m->addresses, why, MEASURE_REASON_CHARS);
	if (m->n_addresses > 0) {
		if (make(m) && engine_start(m->engine) && connect_next(m))
			return m;
		snprintf(why, MEASURE_REASON_CHARS, "%s", strerror(errno));
	}
	if (m->engine != NULL)
		(void)measure_stop(m); /* it may run */
	measure_free(m);
	return NULL;
}

bool
measure_stop(struct measure *m)
{
	m->stuck = !engine_stop(m->engine);
	return !m->stuck;
}

void
measure_free(struct measure *m)
{
	if (m->stuck)
		return;
	engine_free(m->engine);
	targets_free(&m->targets);
	flights_free(&m->flights);
	timers_free(&m->timers);
	bnet_buf_free(&m->body);
	bnet_buf_free(&m->store);
	free(m->events[0].list);
	free(m->events[1].list);
	if (m->event_fd >= 0)
		close(m->event_fd);
	pthread_mutex_destroy(&m->lock);
	free(m);
}
