/* SPDX-License-Identifier: MIT */
/*
 * Inside a measurement, in this order: the events for the caller; slots and
 * answers; the roster; packets from the relay, beyond those that
 * cmd/session/session.h handles; the life of the connection and of the worker.
 * Everything but the events runs on the worker.
 */
#include "cmd/ping/measure.h"

#include "cmd/common/backoff.h"
#include "cmd/common/cli.h"
#include "cmd/common/clock.h"
#include "cmd/common/ending.h"
#include "cmd/engine/engine.h"
#include "cmd/ping/flight.h"
#include "cmd/session/mesh_keys.h"
#include "cmd/session/session.h"
#include "proto/bluenet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MEASURE_EVENTS_MAX 16384 /* between two calls of measure_take() */
#define LOCK_SLICE_NS INT64_C(100000000)
#define BACKOFF_MIN_NS INT64_C(100000000)
#define BACKOFF_MAX_NS INT64_C(2000000000) /* an outage is not made longer */

/* A list that the worker fills and the caller takes. */
struct measure_events {
	struct measure_event *list; /* owned */
	size_t n;
};

struct measure {
	const struct ping_options *opt;
	const struct client_files *files;
	struct engine *engine;
	bool stuck; /* the engine did not stop; main thread only */
	pthread_mutex_t lock; /* of all below; held during the worker's turns */
	enum measure_state state;
	char reason[MEASURE_REASON_CHARS];
	struct session_target relay;
	struct session session;
	struct orders orders;
	enum bnet_order order; /* found, if not the usual one */
	bool probing; /* as a client: is the id of --as-node taken? */
	bool probed; /* it is not, and that connection is ending */
	bool was_up;
	bool down; /* it was up and is lost: nothing is sent until it is back */
	int64_t up_at_ns, down_at_ns;
	int64_t connect_at_ns; /* when to connect again; 0: it does, or is up */
	struct backoff backoff;
	struct random backoff_rnd;
	int64_t start_ns; /* of the schedule; 0: not started */
	int64_t stop_ns; /* of new slots; INT64_MAX: never */
	int64_t wall_ahead_ns; /* of CLOCK_MONOTONIC, at the start */
	int64_t roster_at_ns; /* when to request it */
	bool roster_asked;
	size_t n_active; /* targets that take slots */
	struct targets targets;
	uint64_t n_waiting;
	int64_t asked_ns, late_ns; /* requested wake-up; recent lateness */
	struct timers timers; /* of targets, and: */
	struct timer tick, keep; /* ours; the session's */
	struct flights flights;
	int64_t roster_ns; /* when the last complete roster came */
	uint64_t pong_n; /* the flight that the next pong should answer */
	struct trace trace;
	struct session_scratch scratch;
	struct measure_events events[2]; /* one is being filled */
	unsigned filling;
	uint64_t n_overflow;
	int event_fd;
};

static void measure_arm(struct measure *m);
static void send_lost(struct measure *m, struct flight *flight, uint32_t cause);
static void run_down(struct measure *m);

/* ---- events ---- */

/* Wake the caller, so that it looks at the state. */
static void
measure_wake(struct measure *m)
{
	const uint64_t one = 1;

	(void)!write(m->event_fd, &one, sizeof(one));
}

/* NULL: no room. The event is zeroed but for `kind`. */
static struct measure_event *
measure_event(struct measure *m, enum measure_kind kind)
{
	struct measure_events *events = &m->events[m->filling];
	struct measure_event *event;

	if (events->n == MEASURE_EVENTS_MAX) {
		m->n_overflow++;
		return NULL;
	}
	/* otherwise the caller polls, but nobody should wait for a line */
	if (events->n == 0 && m->opt->verbose)
		measure_wake(m);
	event = &events->list[events->n++];
	*event = (struct measure_event){ .kind = kind };
	return event;
}

/* The measurement is over; the first reason is kept. */
static void
measure_fail(struct measure *m, const char *why)
{
	if (m->state >= MEASURE_DONE)
		return;
	m->state = MEASURE_FAILED;
	snprintf(m->reason, sizeof(m->reason), "%s", why);
	measure_wake(m);
}

/* We do not do it, so as not to displace a node. */
static void
refuse_to_displace(struct measure *m, const struct bnet_roster_entry *entry)
{
	if (m->state >= MEASURE_DONE)
		return;
	m->state = MEASURE_REFUSED;
	snprintf(m->reason, sizeof(m->reason),
	    "%llu is the id of %.*s, which is connected and would be displaced:"
	    " choose another id, or 0, or give --force",
	    (unsigned long long)entry->id,
	    entry->name.len_bytes > 0 ? (int)entry->name.len_bytes : 6,
	    entry->name.len_bytes > 0 ? entry->name.p : "a node");
	cli_plain(m->reason);
	measure_wake(m);
}

static void
relay_event(struct measure *m, enum measure_kind kind, int64_t at_ns)
{
	struct measure_event *event = measure_event(m, kind);

	if (event == NULL)
		return;
	event->sample.wall_ns = measure_wall_ns(m, at_ns);
	memcpy(event->reason, m->reason, sizeof(event->reason));
	measure_wake(m);
}

/* What was on its way gets no answer. */
static void
go_down(struct measure *m)
{
	int64_t now_ns = clock_now_ns();
	struct flight *flight;

	m->state = MEASURE_CONNECTING;
	m->down = true;
	m->down_at_ns = now_ns;
	m->roster_asked = false;
	backoff_worked(&m->backoff, now_ns - m->up_at_ns);
	relay_event(m, MEASURE_RELAY_LOST, now_ns);
	while ((flight = flights_overdue(&m->flights, INT64_MAX)) != NULL)
		send_lost(m, flight, MEASURE_CAUSE_RELAY);
}

/* A connection ended: the relay is lost, or not there yet. */
static void
relay_lost(struct measure *m, const char *why)
{
	if (!m->was_up || m->opt->exit_on_loss) {
		measure_fail(m, why);
		return;
	}
	if (m->state >= MEASURE_DONE)
		return;
	snprintf(m->reason, sizeof(m->reason), "%s", why);
	if (!m->down)
		go_down(m);
	m->state = MEASURE_CONNECTING;
}

/* ---- access for the caller ---- */

int
measure_fd(const struct measure *m)
{
	return m->event_fd;
}

static size_t
n_pinged(const struct targets *targets)
{
	size_t n = 0;

	for (size_t i = 0; i < targets_n(targets); i++)
		n += targets_at(targets, i)->pinged;
	return n;
}

/* Wait for one slice, since its clock may be set meanwhile. */
static bool
locked(void *arg)
{
	struct measure *m = arg;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += LOCK_SLICE_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return pthread_mutex_timedlock(&m->lock, &until) == 0;
}

/*
 * Not pthread_mutex_trylock(), since this mutex is handed to a waiting thread.
 * The worker holds it during a turn, so a stuck worker holds it for ever.
 */
static bool
lock(struct measure *m)
{
	return !m->stuck &&
	    ending_until(locked, m, "a turn of the network thread");
}

const struct measure_event *
measure_take(struct measure *m, size_t *n, struct measure_view *view)
{
	struct measure_events *taken;
	uint64_t woken;

	*n = 0;
	(void)!read(m->event_fd, &woken, sizeof(woken));
	if (!lock(m))
		return NULL;
	run_down(m);
	taken = &m->events[m->filling];
	m->filling = !m->filling;
	m->events[m->filling].n = 0;
	*view = (struct measure_view){
		.state = m->state,
		.was_up = m->was_up,
		.down = m->down,
		.down_at_ns = m->down_at_ns,
		.roster_known = m->targets.roster > 0,
		.order = m->order,
		.n_targets = n_pinged(&m->targets),
		.n_waiting = m->n_waiting,
		.n_overflow = m->n_overflow,
	};
	memcpy(view->reason, m->reason, sizeof(view->reason));
	pthread_mutex_unlock(&m->lock);
	*n = taken->n;
	return taken->list;
}

struct targets *
measure_lock(struct measure *m)
{
	if (!lock(m))
		return NULL;
	return &m->targets;
}

void
measure_unlock(struct measure *m)
{
	pthread_mutex_unlock(&m->lock);
}

struct targets *
measure_targets(struct measure *m)
{
	return &m->targets;
}

const struct trace *
measure_traced(struct measure *m)
{
	return &m->trace;
}

int64_t
measure_wall_ns(const struct measure *m, int64_t at_ns)
{
	return at_ns + m->wall_ahead_ns;
}

/* Slots and their answers. */

/* A slot is missed if it is late by more than its interval and this. */
#define GRACE_NS INT64_C(10000000)

/* ---- slots ---- */

/* Activate a target's slots; an active target goes on unchanged. */
static void
send_begin(struct measure *m, struct target *target)
{
	const struct ping_options *opt = m->opt;
	int64_t now_ns = clock_now_ns(), begin_ns = m->start_ns, behind_ns;

	if (target->active)
		return;
	target->pinged = true;
	target->active = true;
	m->n_active++;
	if (now_ns > begin_ns) {
		behind_ns = now_ns - begin_ns;
		begin_ns +=
		    (behind_ns / opt->interval_ns + 1) * opt->interval_ns;
	}
	if (target->schedule.n == 0)
		schedule_init(&target->schedule, begin_ns, opt->interval_ns,
		    target->index, opt->poisson, opt->seed);
	else /* it was inactive */
		(void)schedule_skip(&target->schedule, now_ns, 0, UINT64_MAX);
	if (!timers_set(&m->timers, &target->timer, target->schedule.next_ns))
		measure_fail(m, "out of memory");
	measure_arm(m);
}

static void
end_slots(struct measure *m, struct target *target)
{
	target->active = false;
	m->n_active--;
}

static uint64_t
slots_left(const struct measure *m, const struct target *target)
{
	uint64_t taken = target->schedule.n;

	if (m->opt->count == 0)
		return UINT64_MAX;
	return taken < m->opt->count ? m->opt->count - taken : 0;
}

static enum ping_layer
first_layer(const struct measure *m, const struct target *target)
{
	if (target->role == TARGET_HOP)
		return PING_HOP;
	return m->opt->layers == PING_LAYER_SERVICE ? PING_SERVICE : PING_NET;
}

static void
count_missed(
    struct measure *m, struct target *target, int64_t due_ns, uint64_t n)
{
	struct measure_event *event = measure_event(m, MEASURE_COUNT);

	if (event == NULL)
		return;
	event->what = PING_MISSED_SLOT;
	event->n = n;
	event->slot = target->schedule.n - n;
	event->sample.node = target_series_id(target);
	event->sample.layer = first_layer(m, target);
	event->sample.wall_ns = measure_wall_ns(m, due_ns);
}

/* ---- one ping ---- */

static uint32_t
echo_flags(const struct measure *m, enum ping_layer layer)
{
	uint32_t flags = 0;

	if (layer == PING_SERVICE)
		flags |= BNET_ECHO_F_SERVICE;
	if (m->opt->trace)
		flags |= BNET_ECHO_F_TRACE;
	if (m->opt->as_node)
		flags |= BNET_ECHO_F_NODE;
	return flags;
}

static enum engine_sent
send_echo(struct measure *m, const struct flight *flight)
{
	const struct target *target = flight->target;
	const struct bnet_header header = {
		.dest_type = target->role == TARGET_NODE ? BNET_DEST_NODE
		    : target->role == TARGET_CLIENT      ? BNET_DEST_CLIENT
							 : BNET_DEST_HOP,
		.dest = (int64_t)target->id,
		.key = BNET_KEY_ECHO,
		.priority = true,
	};
	struct bnet_message message = { .type = BNET_MSG_ECHO };

	message.u.echo.cookie = flight_cookie(flight);
	message.u.echo.sent_ns = (uint64_t)measure_wall_ns(m, flight->sent_ns);
	message.u.echo.flags = echo_flags(m, (enum ping_layer)flight->layer);
	bnet_buf_clear(&m->scratch.body);
	if (bnet_message_encode(&message, &m->scratch.body) != BNET_OK ||
	    bnet_buf_append_zeros(
		&m->scratch.body, (size_t)m->opt->padding_bytes) != BNET_OK)
		return ENGINE_MEMORY;
	return session_send(
	    &m->session, &header, bnet_buf_slice(&m->scratch.body));
}

/* By a header ping, which a stock peer answers, too. */
static enum engine_sent
send_header_ping(struct measure *m, const struct flight *flight)
{
	const struct bnet_header header = {
		.key = bnet_message_key(BNET_MSG_KEEPALIVE),
		.priority = true,
		.timestamp = flight_cookie(flight),
	};

	return session_send(
	    &m->session, &header, (struct bnet_slice){ NULL, 0 });
}

/* Ask a node to ping another (see cmd/session/mesh_keys.h). */
static enum engine_sent
send_ask(struct measure *m, const struct flight *flight)
{
	const struct target *pair = flight->target;
	const struct bnet_header header = {
		.dest_type = BNET_DEST_NODE,
		.dest = (int64_t)pair->from,
		.key = bnet_key(MESH_KEY_PING),
		.priority = true,
	};
	struct bnet_bits_wr wr;

	bnet_buf_clear(&m->scratch.body);
	bnet_bits_write(&wr, &m->scratch.body);
	bnet_bits_put_u64(&wr, flight_cookie(flight));
	bnet_bits_put_u64(&wr, pair->id);
	bnet_bits_put_u32(
	    &wr, flight->layer == PING_SERVICE ? BNET_ECHO_F_SERVICE : 0);
	if (bnet_bits_finish(&wr) != BNET_OK)
		return ENGINE_MEMORY;
	return session_send(
	    &m->session, &header, bnet_buf_slice(&m->scratch.body));
}

static enum engine_sent
send_ping(struct measure *m, const struct flight *flight)
{
	if (flight->layer == PING_HOP && m->opt->hop == PING_HOP_PING)
		return send_header_ping(m, flight);
	if (flight->target->role == TARGET_PAIR)
		return send_ask(m, flight);
	return send_echo(m, flight);
}

/* The code that a relay reports for a packet that it cannot forward. */
static uint32_t
cause_of(enum engine_sent sent)
{
	return sent == ENGINE_TOO_LARGE ? BNET_CODE_TOO_LARGE
					: BNET_CODE_OVERLOADED;
}

static void
ping(struct measure *m, struct target *target, enum ping_layer layer,
    int64_t due_ns)
{
	struct flight *flight = flights_in_the_way(&m->flights);
	enum engine_sent sent;

	if (flight != NULL)
		send_lost(m, flight, 0);
	flight = flights_open(&m->flights);
	flight->target = target;
	flight->due_ns = due_ns;
	flight->slot = target->schedule.n - 1;
	flight->layer = (uint8_t)layer;
	flight->state = FLIGHT_WAITING;
	target->n_waiting++;
	target->n_sent++;
	m->n_waiting++;
	flight->sent_ns = clock_now_ns();
	sent = send_ping(m, flight);
	if (sent != ENGINE_QUEUED)
		send_lost(m, flight, cause_of(sent));
}

static void
count_lost(struct measure *m, struct target *target, enum ping_layer layer,
    int64_t due_ns, uint64_t n)
{
	struct measure_event *event = measure_event(m, MEASURE_COUNT);

	target->n_sent += n;
	target->n_lost += n;
	target->cause = MEASURE_CAUSE_RELAY;
	for (uint64_t i = 0; i < n && i < TARGET_RECENT; i++)
		target_note(target, TARGET_LOST);
	if (event == NULL)
		return;
	event->what = PING_LOST;
	event->cause = MEASURE_CAUSE_RELAY;
	event->n = n;
	event->slot = target->schedule.n - n;
	event->sample.node = target_series_id(target);
	event->sample.layer = layer;
	event->sample.wall_ns = measure_wall_ns(m, due_ns);
}

/* The same without a relay: they are lost. */
static void
lose_due(struct measure *m, struct target *target, int64_t now_ns)
{
	int64_t due_ns = target->schedule.next_ns;
	int64_t until_ns = now_ns < m->stop_ns ? now_ns + 1 : m->stop_ns;
	enum ping_layer layer = first_layer(m, target);
	uint64_t n = schedule_skip(
	    &target->schedule, until_ns, 0, slots_left(m, target));

	if (n == 0)
		return;
	count_lost(m, target, layer, due_ns, n);
	if (target->role != TARGET_HOP && m->opt->layers == PING_LAYER_BOTH)
		count_lost(m, target, PING_SERVICE, due_ns, n);
}

/* Take the slots that are due at now_ns. */
static void
take_due(struct measure *m, struct target *target, int64_t now_ns)
{
	struct schedule *schedule = &target->schedule;
	enum ping_layer layer = first_layer(m, target);
	int64_t interval_ns = m->opt->interval_ns, due_ns = schedule->next_ns;
	uint64_t n;

	n = schedule_skip(schedule, now_ns,
	    interval_ns > GRACE_NS ? interval_ns : GRACE_NS,
	    slots_left(m, target));
	if (n > 0)
		count_missed(m, target, due_ns, n);
	while (slots_left(m, target) > 0 && schedule->next_ns <= now_ns &&
	    schedule->next_ns < m->stop_ns) {
		due_ns = schedule_take(schedule);
		ping(m, target, layer, due_ns);
		if (target->role != TARGET_HOP &&
		    m->opt->layers == PING_LAYER_BOTH)
			ping(m, target, PING_SERVICE, due_ns);
	}
}

static void
send_due(struct measure *m, struct target *target, int64_t now_ns)
{
	const struct schedule *schedule = &target->schedule;

	if (m->down)
		lose_due(m, target, now_ns);
	else
		take_due(m, target, now_ns);
	if (slots_left(m, target) == 0 || schedule->next_ns >= m->stop_ns ||
	    !timers_set(&m->timers, &target->timer, schedule->next_ns))
		end_slots(m, target);
}

/* ---- answers ---- */

/* Make an event about one ping. */
static struct measure_event *
event_of(struct measure *m, const struct flight *flight, enum measure_kind kind,
    enum ping_count what)
{
	struct measure_event *event = measure_event(m, kind);

	if (event == NULL)
		return NULL;
	event->what = what;
	event->n = 1;
	event->slot = flight->slot;
	event->sample.node = target_series_id(flight->target);
	event->sample.layer = (enum ping_layer)flight->layer;
	event->sample.wall_ns = measure_wall_ns(m, flight->due_ns);
	return event;
}

/* A ping gets no answer: `cause` is a code of bluenet.error, or 0. */
static void
send_lost(struct measure *m, struct flight *flight, uint32_t cause)
{
	struct target *target = flight->target;
	struct measure_event *event;

	if (flight->state != FLIGHT_WAITING)
		return;
	flight->state = FLIGHT_LOST;
	target->n_waiting--;
	target->n_lost++;
	target->cause = cause;
	m->n_waiting--;
	target_note(target, TARGET_LOST);
	event = event_of(m, flight, MEASURE_COUNT, PING_LOST);
	if (event != NULL)
		event->cause = cause;
}

/* Give up the pings that timed out. */
static void
send_expire(struct measure *m, int64_t now_ns)
{
	struct flight *flight;

	while ((flight = flights_overdue(
		    &m->flights, now_ns - m->opt->timeout_ns)) != NULL)
		send_lost(m, flight, 0);
}

/* The kernel's receive time, if there is a plausible one. */
static int64_t
came_at(const struct measure *m, const struct flight *flight)
{
	int64_t rx_ns = engine_conn_rx_ns(m->session.conn);

	return rx_ns > flight->sent_ns ? rx_ns : clock_now_ns();
}

static void
take_clocks(struct measure *m, struct target *target,
    const struct bnet_echo *echo, const struct clock_times *times,
    struct ping_sample *sample)
{
	/* ignore a clock that runs backwards */
	if (echo->received_ns > echo->replied_ns ||
	    echo->replied_ns > INT64_MAX ||
	    !clock_offset_add(&target->clock, times))
		return;
	if (echo->n > 0)
		trace_add(&m->trace, echo, times, &target->clock);
	sample->has_clock = true;
	sample->clock_error_ns = clock_offset_bound_ns(&target->clock);
	clock_offset_ways(
	    &target->clock, times, &sample->up_ns, &sample->down_ns);
}

static void
take_sample(struct measure *m, struct flight *flight, int64_t came_ns,
    const struct bnet_echo *echo)
{
	struct target *target = flight->target;
	struct measure_event *event = event_of(m, flight, MEASURE_SAMPLE, 0);
	struct ping_sample ignored, *sample = &ignored;
	struct clock_times times = { .sent_ns = flight->sent_ns,
		.came_ns = came_ns };

	if (event != NULL)
		sample = &event->sample;
	sample->due_ns = came_ns - flight->due_ns;
	sample->sent_ns = came_ns - flight->sent_ns;
	if (echo != NULL) {
		times.received_ns = (int64_t)echo->received_ns;
		times.replied_ns = (int64_t)echo->replied_ns;
		take_clocks(m, target, echo, &times, sample);
	}
	target->last_ns = sample->due_ns;
	summary_add(&target->round_ns, (double)sample->due_ns);
	target_note(target, sample->due_ns);
}

static void
take_first(struct measure *m, struct flight *flight, int64_t came_ns,
    const struct bnet_echo *echo)
{
	struct target *target = flight->target;
	uint64_t *last = &target->last[flight->layer];

	flight->state = FLIGHT_ANSWERED;
	target->n_waiting--;
	target->n_answered++;
	/* whoever had left the roster is back */
	if (target->roster > 0 && flight->sent_ns > m->roster_ns)
		target->roster = m->targets.roster;
	m->n_waiting--;
	take_sample(m, flight, came_ns, echo);
	if (flight->n < *last)
		(void)event_of(m, flight, MEASURE_COUNT, PING_REORDERED);
	else
		*last = flight->n;
}

static void
take_another(struct measure *m, struct flight *flight, int64_t came_ns)
{
	struct measure_event *event = event_of(m, flight, MEASURE_COUNT,
	    flight->state == FLIGHT_LOST ? PING_LATE : PING_DUPLICATE);

	if (event != NULL)
		event->sample.due_ns = came_ns - flight->due_ns;
	if (flight->state == FLIGHT_LOST)
		flight->target->n_answered++;
	flight->state = FLIGHT_ANSWERED;
}

/* Is the answer from the target that was asked? */
static bool
is_from(const struct flight *flight, int64_t source)
{
	const struct target *target = flight->target;

	if (target->role == TARGET_HOP)
		return true;
	return source ==
	    (int64_t)(target->role == TARGET_PAIR ? target->from : target->id);
}

/* `echo` is NULL for a pong. */
static void
take_answer(
    struct measure *m, struct flight *flight, const struct bnet_echo *echo)
{
	int64_t came_ns = came_at(m, flight);

	if (flight->state == FLIGHT_WAITING)
		take_first(m, flight, came_ns, echo);
	else
		take_another(m, flight, came_ns);
}

/* An echo reply from `source`, which answers one of our echoes or none. */
static void
send_answered(struct measure *m, int64_t source, const struct bnet_echo *echo)
{
	struct flight *flight = flights_find(&m->flights, echo->cookie);

	if (flight != NULL && is_from(flight, source) &&
	    flight->target->role != TARGET_PAIR && m->opt->hop != PING_HOP_PING)
		take_answer(m, flight, echo);
}

/* The round trip that a node reports for its ping of another. */
static void
send_measured(
    struct measure *m, uint64_t cookie, int64_t source, uint64_t round_ns)
{
	struct flight *flight = flights_find(&m->flights, cookie);

	if (flight == NULL || !is_from(flight, source) ||
	    flight->target->role != TARGET_PAIR ||
	    round_ns > INT32_MAX * 1000ULL)
		return;
	/* the time taken by the request is not part of the round trip */
	flight->due_ns = flight->sent_ns;
	if (flight->state == FLIGHT_WAITING)
		take_first(
		    m, flight, flight->sent_ns + (int64_t)round_ns, NULL);
	else
		take_another(m, flight, flight->sent_ns + (int64_t)round_ns);
}

/* The targets: the relay, the entries of its roster, pairs of these. */

#define ROSTER_PERIOD_NS INT64_C(1000000000)
#define ROSTER_WAIT_NS INT64_C(2000000000) /* then start without one */
#define START_LEAD_NS 10000000 /* so that the first slot is not late */

/* Ping the relay itself from now on. */
static void
roster_begin_hop(struct measure *m)
{
	const char *relay = m->opt->relay;
	const struct bnet_string name = bnet_string_of(relay);
	struct target *target = targets_get(&m->targets, TARGET_HOP, 0);
	struct measure_event *event = measure_event(m, MEASURE_SEEN);

	if (target == NULL) {
		measure_fail(m, "out of memory");
		return;
	}
	m->start_ns = clock_now_ns() + START_LEAD_NS;
	target_set_name(target, &name);
	if (event != NULL)
		memcpy(event->name, target->name, sizeof(event->name));
	send_begin(m, target);
}

static void
roster_ask(struct measure *m, int64_t now_ns)
{
	struct bnet_message message = { .type = BNET_MSG_ROSTER };

	message.u.roster.roles = BNET_ROLE_NODE;
	if (m->opt->clients)
		message.u.roster.roles |= BNET_ROLE_CLIENT;
	m->roster_asked = session_say(&m->session, &message);
	m->roster_at_ns = now_ns + ROSTER_PERIOD_NS;
}

static void
report(struct measure *m, const struct target *target, enum measure_kind kind)
{
	struct measure_event *event = measure_event(m, kind);
	char label[SERIES_NAME_CHARS];

	if (event == NULL)
		return;
	event->sample.node = target_series_id(target);
	snprintf(event->name, sizeof(event->name), "%s",
	    target_label(target, label));
}

/* Targets given by id are pinged even if the roster does not list them. */
static void
begin_words(struct measure *m)
{
	const struct ping_options *opt = m->opt;
	struct target *target;
	uint64_t id;

	m->start_ns = clock_now_ns() + START_LEAD_NS;
	for (size_t i = 0; i < opt->n_words; i++) {
		if (m->targets.found[i] || !target_word_id(opt->words[i], &id))
			continue;
		target = targets_get(&m->targets, TARGET_NODE, id);
		if (target == NULL)
			continue;
		m->targets.found[i] = true;
		target->pinged = true;
		report(m, target, MEASURE_SEEN);
	}
	for (size_t i = 0; i < targets_n(&m->targets); i++) {
		target = targets_at(&m->targets, i);
		if (target->pinged)
			send_begin(m, target);
	}
}

static void
take_entry(struct measure *m, const struct bnet_roster_entry *entry)
{
	bool self = entry->id == m->session.id &&
	    (entry->role == BNET_ROLE_NODE) == m->opt->as_node;
	struct target *target;
	char before[SERIES_NAME_CHARS];

	if (self || !targets_wanted(&m->targets, entry))
		return;
	target =
	    targets_get(&m->targets, (enum target_role)entry->role, entry->id);
	if (target == NULL)
		return;
	target->roster = m->targets.roster + 1;
	if (m->opt->mesh) {
		target_set_name(target, &entry->name);
		return;
	}
	memcpy(before, target->name, sizeof(before));
	target_set_name(target, &entry->name);
	if (!target->pinged || strcmp(before, target->name) != 0)
		report(m, target, MEASURE_SEEN);
	target->pinged = true;
	if (m->start_ns != 0 && m->stop_ns > clock_now_ns() &&
	    (m->opt->count == 0 || target->schedule.n < m->opt->count))
		send_begin(m, target);
}

/* Report who left the roster; keep pinging targets that words name. */
static void
drop_absent(struct measure *m)
{
	for (size_t i = 0; i < targets_n(&m->targets); i++) {
		struct target *target = targets_at(&m->targets, i);

		if (target->roster == 0 ||
		    target->roster + 1 != m->targets.roster)
			continue;
		report(m, target, MEASURE_LEFT);
		if (m->opt->n_words > 0 || !target->active)
			continue;
		timers_cancel(&m->timers, &target->timer);
		target->active = false;
		m->n_active--;
	}
}

/* Make a pair of every node with every other. */
static void
begin_pairs(struct measure *m)
{
	size_t n = targets_n(&m->targets);

	if (m->start_ns == 0)
		m->start_ns = clock_now_ns() + START_LEAD_NS;
	for (size_t i = 0; i < n * n; i++) {
		const struct target *from = targets_at(&m->targets, i / n);
		const struct target *to = targets_at(&m->targets, i % n);
		struct target *pair;

		if (from == to || from->role != TARGET_NODE ||
		    to->role != TARGET_NODE ||
		    from->roster != m->targets.roster ||
		    to->roster != m->targets.roster)
			continue;
		pair = targets_pair(&m->targets, from->id, to->id);
		if (pair == NULL || pair->pinged)
			continue;
		snprintf(pair->name, sizeof(pair->name), "%.30s>%.30s",
		    from->name, to->name);
		report(m, pair, MEASURE_SEEN);
		send_begin(m, pair);
	}
}

static void
roster_is_whole(struct measure *m)
{
	m->targets.roster++;
	m->roster_ns = clock_now_ns();
	m->roster_asked = false;
	if (m->opt->mesh) {
		begin_pairs(m);
		return;
	}
	drop_absent(m);
	if (m->start_ns == 0)
		begin_words(m);
}

static void
roster_take(struct measure *m, const struct bnet_roster_reply *reply)
{
	for (uint32_t i = 0; i < reply->n; i++)
		take_entry(m, &reply->entries[i]);
	if (!reply->more)
		roster_is_whole(m);
}

static void
roster_tick(struct measure *m, int64_t now_ns)
{
	if (!m->roster_asked && now_ns >= m->roster_at_ns)
		roster_ask(m, now_ns);
	if (m->start_ns == 0 &&
	    now_ns >= m->roster_at_ns + ROSTER_WAIT_NS - ROSTER_PERIOD_NS)
		begin_words(m);
}

/* A whole roster without our id ends the probe; next, connect as a node. */
static void
probe_take(struct measure *m, struct engine_conn *conn,
    const struct bnet_roster_reply *reply)
{
	for (uint32_t i = 0; i < reply->n; i++) {
		const struct bnet_roster_entry *entry = &reply->entries[i];

		if (entry->role == BNET_ROLE_NODE &&
		    entry->id == m->opt->as_id) {
			refuse_to_displace(m, entry);
			return;
		}
	}
	if (reply->more)
		return;
	m->probing = false;
	m->probed = true;
	engine_conn_finish(conn);
}

/* Packets from a relay and through it. */

static void
set_stop(struct measure *m)
{
	if (m->opt->deadline_ns != 0)
		m->stop_ns = clock_now_ns() + m->opt->deadline_ns;
}

/* ---- the session ---- */

static void
up(struct measure *m)
{
	bool first = !m->was_up;

	m->state = MEASURE_UP;
	m->was_up = true;
	m->up_at_ns = clock_now_ns();
	m->pong_n = m->flights.next;
	if (m->down) {
		m->down = false;
		relay_event(m, MEASURE_RELAY_BACK, m->up_at_ns);
	}
	if (first)
		set_stop(m);
	if (m->opt->hop == PING_HOP_NONE)
		roster_ask(m, m->up_at_ns);
	else if (first)
		roster_begin_hop(m);
}

/* Set the timer of the session. */
static void
keep_arm(struct measure *m)
{
	int64_t at_ns = session_next_ns(&m->session);

	if (at_ns == INT64_MAX)
		timers_cancel(&m->timers, &m->keep);
	else if (!timers_set(&m->timers, &m->keep, at_ns))
		measure_fail(m, "out of memory");
	measure_arm(m);
}

/* False: the connection is lost. */
static bool
say_hello(struct measure *m, struct engine_conn *conn)
{
	bool as_node = m->opt->as_node && !m->probing;
	const struct bnet_hello hello = {
		.role = as_node ? BNET_ROLE_NODE : BNET_ROLE_CLIENT,
		.wanted_id = as_node ? m->opt->as_id : 0,
		.name = bnet_string_of(m->opt->name),
		.token = bnet_string_of(m->files->token),
	};

	m->state = MEASURE_GREETED;
	return session_ready(&m->session, conn, &hello);
}

/*
 * A stock peer ignores the hello and answers header pings, so these start
 * without waiting for a welcome.
 */
static void
on_open(void *owner)
{
	struct measure *m = owner;

	if (m->opt->hop != PING_HOP_PING || m->state != MEASURE_GREETED ||
	    m->probing)
		return;
	up(m);
	keep_arm(m);
}

static void
on_order(void *owner, enum bnet_order order)
{
	struct measure *m = owner;

	m->order = order;
	measure_wake(m);
}

static void
on_welcome(void *owner, const struct bnet_welcome *welcome)
{
	struct measure *m = owner;

	(void)welcome;
	if (m->state == MEASURE_GREETED && m->probing)
		roster_ask(m, clock_now_ns());
	else if (m->state == MEASURE_GREETED)
		up(m);
	keep_arm(m);
}

/* Connecting again is no use where another took the place on purpose. */
static void
on_refuse(void *owner, const struct bnet_refuse *refuse)
{
	char why[MEASURE_REASON_CHARS];

	session_refused_text(refuse, why, sizeof(why));
	if (refuse->code == BNET_CODE_REPLACED)
		measure_fail(owner, why);
	else
		relay_lost(owner, why);
}

/*
 * The flight that a pong answers. Pongs come in the order of the pings, so one
 * whose timestamp says nothing answers the next flight. A relay that sent a
 * welcome returns timestamps as they were.
 */
static struct flight *
pong_flight(struct measure *m, uint64_t timestamp)
{
	uint64_t cookie = timestamp & ~BNET_TIMESTAMP_PING_BACK;
	struct flight *flight = cookie <= FLIGHT_COOKIE_MASK
	    ? flights_find(&m->flights, cookie)
	    : NULL;

	if (flight != NULL || m->session.state == SESSION_UP)
		return flight;
	for (; m->pong_n < m->flights.next; m->pong_n++) {
		flight =
		    flights_find(&m->flights, m->pong_n & FLIGHT_COOKIE_MASK);
		if (flight != NULL && flight->n == m->pong_n &&
		    flight->state != FLIGHT_ANSWERED)
			return flight;
	}
	return NULL;
}

/* A pong answers a header ping only: it says nothing of an echo. */
static bool
on_pong(void *owner, const struct bnet_header *header)
{
	struct measure *m = owner;
	struct flight *flight;

	if (m->opt->hop != PING_HOP_PING)
		return false;
	flight = pong_flight(m, header->timestamp);
	if (flight == NULL)
		return false;
	if (flight->n >= m->pong_n)
		m->pong_n = flight->n + 1;
	take_answer(m, flight, NULL);
	return true;
}

/* Its welcome was awaited, so more than header pings was asked for. */
static void
on_stock(void *owner)
{
	measure_fail(owner,
	    "a stock peer: it sends no welcome, and answers"
	    " header pings only, which --hop ping measures");
}

static void
on_lost(void *owner, const char *why)
{
	relay_lost(owner, why);
}

static const struct session_hooks session_hooks = {
	.open = on_open,
	.order = on_order,
	.up = on_welcome,
	.refused = on_refuse,
	.pong = on_pong,
	.stock = on_stock,
	.lost = on_lost,
};

/* ---- messages ---- */

/* Get the cookie from the first 8 bytes of the echo, as the relay returned. */
static bool
cookie_of(uint64_t first_bytes, uint64_t *cookie)
{
	uint8_t bytes[8];
	struct bnet_bits_rd rd;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(first_bytes >> 8 * i);
	bnet_bits_read(&rd, (struct bnet_slice){ bytes, sizeof(bytes) });
	*cookie = bnet_bits_u64(&rd);
	return !rd.bad;
}

static void
on_error(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;
	struct bnet_message message;
	const struct bnet_error *error = &message.u.error;
	struct flight *flight;
	uint64_t cookie;

	(void)conn;
	if (!session_take(&m->session, packet, BNET_MSG_ERROR, &message) ||
	    error->key != BNET_KEY_ECHO || !cookie_of(error->cookie, &cookie))
		return;
	flight = flights_find(&m->flights, cookie);
	if (flight != NULL && (int64_t)flight->target->id == error->dest)
		send_lost(m, flight, error->code);
}

static void
on_roster_reply(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;
	struct bnet_message message;
	const struct bnet_roster_reply *reply = &message.u.roster_reply;

	if (!session_take(&m->session, packet, BNET_MSG_ROSTER_REPLY, &message))
		return;
	if (m->probing)
		probe_take(m, conn, reply);
	else if (!m->probed)
		roster_take(m, reply);
}

static void
on_echo_reply(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;
	struct bnet_message message;
	size_t left;

	(void)conn;
	if (bnet_message_decode(BNET_MSG_ECHO_REPLY, packet->payload, &message,
		&m->scratch.store, &left) == BNET_OK)
		send_answered(m, packet->header.source, &message.u.echo);
}

static void
on_pinged(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct bnet_bits_rd rd;
	uint64_t cookie, round_ns;

	(void)conn;
	bnet_bits_read(&rd, packet->payload);
	cookie = bnet_bits_u64(&rd);
	round_ns = bnet_bits_u64(&rd);
	if (!rd.bad)
		send_measured(arg, cookie, packet->header.source, round_ns);
}

static bool
register_keys(struct measure *m)
{
	static const struct {
		enum bnet_message_type type;
		engine_app *app;
	} apps[] = {
		{ BNET_MSG_ERROR, on_error },
		{ BNET_MSG_ROSTER_REPLY, on_roster_reply },
		{ BNET_MSG_ECHO_REPLY, on_echo_reply },
	};

	for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++)
		if (!engine_on_key(m->engine, bnet_message_key(apps[i].type),
			apps[i].app, m))
			return false;
	return engine_on_key(
	    m->engine, bnet_key(MESH_KEY_PINGED), on_pinged, m);
}

/* The life of the connection, and what the caller starts and stops. */

#define TICK_NS INT64_C(100000000)
#define CONNECT_TIMEOUT_NS INT64_C(15000000000)
#define AWAKE_PART 10 /* 1 / this of the time may be spent spinning */
#define LATE_MAX_NS INT64_C(300000)
#define LATE_RISE 4
#define LATE_FALL 32
#define NODES_GUESS 64 /* if their number is not known */

/* ---- connecting ---- */

/* Without a connection there is no timer of one: run_down() looks. */
static void
connect_later(struct measure *m)
{
	if (!m->down || m->state >= MEASURE_DONE)
		return;
	m->connect_at_ns =
	    clock_now_ns() + backoff_failed(&m->backoff, &m->backoff_rnd);
}

/* A stock relay, which sends no welcome, was not asked. */
static int64_t
welcome_timeout_ns(const struct measure *m)
{
	return m->opt->hop == PING_HOP_PING && !m->probing ? -1 : 0;
}

static void
connect_as_node(struct measure *m)
{
	m->probed = false;
	m->state = MEASURE_CONNECTING;
	m->roster_asked = false;
	m->session.set.welcome_timeout_ns = welcome_timeout_ns(m);
	if (!session_connect(&m->session, m->engine, 0))
		measure_fail(m, "out of memory");
}

static void
closed(void *arg, struct engine_conn *conn, enum engine_end end)
{
	struct measure *m = arg;

	timers_cancel(&m->timers, &m->keep);
	if (session_closed(&m->session, end, true))
		return; /* another try */
	if (m->probed) {
		connect_as_node(m);
		return;
	}
	/* otherwise measure_stop(), or it was reported */
	if (end != ENGINE_END_OWNER)
		relay_lost(m, session_end_text(conn, end));
	connect_later(m);
}

static void
no_conn(void *arg, void *user, const struct address *from)
{
	struct measure *m = arg;

	(void)user;
	(void)from;
	(void)session_closed(&m->session, ENGINE_END_MEMORY, false);
	relay_lost(m, "out of memory or descriptors");
	connect_later(m);
}

static void
ready(void *arg, struct engine_conn *conn)
{
	struct measure *m = arg;

	m->tick.at_ns = 0;
	if (!say_hello(m, conn))
		return;
	if (!timers_set(&m->timers, &m->tick, clock_now_ns() + TICK_NS))
		measure_fail(m, "out of memory");
	keep_arm(m);
}

/* ---- time ---- */

/*
 * A thread wakes later than it asked. So it asks for an earlier time, by its
 * recent lateness, and spins for the rest: at most a tenth of the time, unless
 * --spin asks for precision at high rates.
 */
static int64_t
lead_ns(const struct measure *m, int64_t until_ns)
{
	int64_t most_ns = until_ns / AWAKE_PART;

	return m->late_ns < most_ns ? m->late_ns : most_ns;
}

/* Set the connection's timer to the earliest deadline. */
static void
measure_arm(struct measure *m)
{
	int64_t at_ns = timers_next_ns(&m->timers), until_ns;

	if (m->session.conn == NULL || at_ns == INT64_MAX)
		return;
	until_ns = at_ns - clock_now_ns();
	m->asked_ns = until_ns > 0 ? at_ns - lead_ns(m, until_ns) : at_ns;
	engine_conn_set_timer(m->session.conn, m->asked_ns);
}

/* The wake-up lateness: a mean that rises fast and falls slowly. */
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

/* Wait until the next deadline if it is near; returns the time. */
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

/* Stop taking slots. */
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

/* Finish if every slot is taken, and answered or lost. */
static void
check_done(struct measure *m, int64_t now_ns)
{
	bool may_end = m->opt->count != 0 || now_ns >= m->stop_ns;

	if (m->state != MEASURE_UP && !m->down)
		return;
	if (m->start_ns == 0 && !(m->down && now_ns >= m->stop_ns))
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
	if (m->state == MEASURE_UP && m->opt->hop == PING_HOP_NONE)
		roster_tick(m, now_ns);
	send_expire(m, now_ns);
	check_done(m, now_ns);
	(void)timers_set(&m->timers, &m->tick, now_ns + TICK_NS);
}

/*
 * While there is no connection: connect again when it is time, and count the
 * slots that pass. On the caller's thread, under the lock.
 */
static void
run_down(struct measure *m)
{
	int64_t now_ns = clock_now_ns();
	struct timer *due;

	if (!m->down || m->session.conn != NULL)
		return;
	while ((due = timers_due(&m->timers, now_ns)) != NULL) {
		if (due == &m->tick)
			tick(m, now_ns);
		else
			send_due(m, target_of(due), now_ns);
	}
	if (m->connect_at_ns == 0 || now_ns < m->connect_at_ns ||
	    m->state >= MEASURE_DONE)
		return;
	m->connect_at_ns = 0;
	if (!session_connect(&m->session, m->engine, 0))
		connect_later(m);
}

/* The engine reads the time once per turn; slots need it more exact. */
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
		else if (due != &m->keep)
			send_due(m, target_of(due), now_ns);
		else if (session_timer(&m->session, now_ns))
			keep_arm(m);
		else
			return; /* the connection is gone */
	}
	measure_arm(m);
}

static void
packet(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;

	if (!session_packet(&m->session, packet) && packet->has_header &&
	    packet->header.key != 0)
		(void)!engine_deliver(conn, packet);
	if (m->n_waiting == 0)
		check_done(m, clock_now_ns());
}

/* Make timers as precise as possible: the default slack is 50 us. */
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

/* Twice the number of pings that can be waiting until they time out. */
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
 * With priority inheritance the kernel hands the mutex to a waiting thread.
 * Otherwise a spinning worker would retake it at once, and starve the caller.
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
	    flights_init(&m->flights, room(opt)) && register_keys(m);
}

static void
make_session(struct measure *m)
{
	const struct ping_options *opt = m->opt;
	const bool probing = opt->as_node && opt->as_id != 0 && !opt->force;
	struct session_settings set;

	m->probing = probing;
	set = (struct session_settings){
		.target = &m->relay,
		.scratch = &m->scratch,
		.hooks = &session_hooks,
		.owner = m,
		.order = (enum bnet_order)opt->order,
		.orders = &m->orders,
		.connect_timeout_ns = CONNECT_TIMEOUT_NS,
		.welcome_timeout_ns = welcome_timeout_ns(m),
		.answers_echo = true,
	};

	if (opt->deadline_ns != 0 && opt->deadline_ns < CONNECT_TIMEOUT_NS)
		set.connect_timeout_ns = opt->deadline_ns;
	session_target_use(&m->relay, m->files);
	m->backoff = (struct backoff){ .min_ns = BACKOFF_MIN_NS,
		.max_ns = BACKOFF_MAX_NS };
	m->backoff_rnd = random_stream((uint64_t)clock_now_ns(), 0);
	orders_init(&m->orders);
	session_scratch_init(&m->scratch);
	session_init(&m->session, &set);
}

struct measure *
measure_start(const struct ping_options *opt, const struct client_files *files,
    char why[MEASURE_REASON_CHARS])
{
	struct measure *m = calloc(1, sizeof(*m));

	if (m == NULL || !make_lock(m)) {
		snprintf(why, MEASURE_REASON_CHARS, "out of memory");
		free(m);
		return NULL;
	}
	m->opt = opt;
	m->files = files;
	m->event_fd = -1;
	m->stop_ns = INT64_MAX;
	m->wall_ahead_ns = clock_unix_ns() - clock_now_ns();
	make_session(m);
	if (session_resolve(
		&m->relay, opt->relay, PING_PORT, why, MEASURE_REASON_CHARS)) {
		if (make(m) && engine_start(m->engine) &&
		    session_connect(&m->session, m->engine, 0))
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
	session_scratch_free(&m->scratch);
	orders_free(&m->orders);
	free(m->events[0].list);
	free(m->events[1].list);
	if (m->event_fd >= 0)
		close(m->event_fd);
	pthread_mutex_destroy(&m->lock);
	free(m);
}
