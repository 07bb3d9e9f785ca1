/* SPDX-License-Identifier: MIT */
/*
 * In this order: the events for the caller; when to wake; slots; one ping;
 * answers; what starts and ends it.
 */
#include "cmd/ping/pinger.h"

#include "cmd/common/clock.h"
#include "cmd/session/mesh_keys.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PINGER_EVENTS_MAX 16384 /* between two calls of pinger_take() */
#define AWAKE_PART 10 /* 1 / this of the time may be spent spinning */
#define LATE_MAX_NS INT64_C(300000)
#define LATE_RISE 4
#define LATE_FALL 32
#define NODES_GUESS 64 /* if their number is not known */

/* A slot is missed if it is late by more than its interval and this. */
#define GRACE_NS INT64_C(10000000)

/* ---- events ---- */

void
pinger_wake(struct pinger *p)
{
	const uint64_t one = 1;

	(void)!write(p->event_fd, &one, sizeof(one));
}

struct measure_event *
pinger_event(struct pinger *p, enum measure_kind kind)
{
	struct pinger_events *events = &p->events[p->filling];
	struct measure_event *event;

	if (events->n == PINGER_EVENTS_MAX) {
		p->n_overflow++;
		return NULL;
	}
	/* otherwise the caller polls, but nobody should wait for a line */
	if (events->n == 0 && p->opt->verbose)
		pinger_wake(p);
	event = &events->list[events->n++];
	*event = (struct measure_event){ .kind = kind };
	return event;
}

const struct measure_event *
pinger_take(struct pinger *p, size_t *n)
{
	const struct pinger_events *taken = &p->events[p->filling];

	p->filling = !p->filling;
	p->events[p->filling].n = 0;
	*n = taken->n;
	return taken->list;
}

/* ---- time ---- */

/*
 * A thread wakes later than it asked. So it asks for an earlier time, by its
 * recent lateness, and spins for the rest: at most a tenth of the time, unless
 * --spin asks for precision at high rates.
 */
static int64_t
lead_ns(const struct pinger *p, int64_t until_ns)
{
	int64_t most_ns = until_ns / AWAKE_PART;

	return p->late_ns < most_ns ? p->late_ns : most_ns;
}

void
pinger_arm(struct pinger *p)
{
	int64_t at_ns = timers_next_ns(&p->timers), until_ns;

	if (p->session->conn == NULL || at_ns == INT64_MAX)
		return;
	until_ns = at_ns - clock_now_ns();
	p->asked_ns = until_ns > 0 ? at_ns - lead_ns(p, until_ns) : at_ns;
	engine_conn_set_timer(p->session->conn, p->asked_ns);
}

/* The lateness: a mean that rises fast and falls slowly. */
static void
note_late(struct pinger *p, int64_t late_ns)
{
	if (late_ns < 0 || p->asked_ns == 0)
		return;
	if (late_ns > LATE_MAX_NS)
		late_ns = LATE_MAX_NS;
	p->late_ns += (late_ns - p->late_ns) /
	    (late_ns > p->late_ns ? LATE_RISE : LATE_FALL);
}

static int64_t
wait_awake(const struct pinger *p)
{
	int64_t due_ns = timers_next_ns(&p->timers), now_ns = clock_now_ns();

	if (due_ns - now_ns > LATE_MAX_NS)
		return now_ns;
	while (now_ns < due_ns)
		now_ns = clock_now_ns();
	return now_ns;
}

int64_t
pinger_woke(struct pinger *p, int64_t turn_ns)
{
	note_late(p, turn_ns - p->asked_ns);
	return wait_awake(p);
}

/* ---- slots ---- */

bool
pinger_begin(struct pinger *p, struct target *target)
{
	const struct ping_options *opt = p->opt;
	int64_t now_ns = clock_now_ns(), begin_ns = p->start_ns, behind_ns;
	bool ok;

	if (target->active)
		return true;
	target->pinged = true;
	target->active = true;
	p->n_active++;
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
	ok = timers_set(&p->timers, &target->timer, target->schedule.next_ns);
	pinger_arm(p);
	return ok;
}

static void
end_slots(struct pinger *p, struct target *target)
{
	target->active = false;
	p->n_active--;
}

static uint64_t
slots_left(const struct pinger *p, const struct target *target)
{
	uint64_t taken = target->schedule.n;

	if (p->opt->count == 0)
		return UINT64_MAX;
	return taken < p->opt->count ? p->opt->count - taken : 0;
}

static enum ping_layer
first_layer(const struct pinger *p, const struct target *target)
{
	if (target->role == TARGET_HOP)
		return PING_HOP;
	return p->opt->layers == PING_LAYER_SERVICE ? PING_SERVICE : PING_NET;
}

static void
count_missed(
    struct pinger *p, struct target *target, int64_t due_ns, uint64_t n)
{
	struct measure_event *event = pinger_event(p, MEASURE_COUNT);

	if (event == NULL)
		return;
	event->what = PING_MISSED_SLOT;
	event->n = n;
	event->slot = target->schedule.n - n;
	event->sample.node = target_series_id(target);
	event->sample.layer = first_layer(p, target);
	event->sample.wall_ns = pinger_wall_ns(p, due_ns);
}

/* ---- one ping ---- */

static uint32_t
echo_flags(const struct pinger *p, enum ping_layer layer)
{
	uint32_t flags = 0;

	if (layer == PING_SERVICE)
		flags |= BNET_ECHO_F_SERVICE;
	if (p->opt->trace)
		flags |= BNET_ECHO_F_TRACE;
	if (p->opt->as_node)
		flags |= BNET_ECHO_F_NODE;
	return flags;
}

static enum engine_sent
send_echo(struct pinger *p, const struct flight *flight)
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
	message.u.echo.sent_ns = (uint64_t)pinger_wall_ns(p, flight->sent_ns);
	message.u.echo.flags = echo_flags(p, (enum ping_layer)flight->layer);
	bnet_buf_clear(&p->scratch->body);
	if (bnet_message_encode(&message, &p->scratch->body) != BNET_OK ||
	    bnet_buf_append_zeros(
		&p->scratch->body, (size_t)p->opt->padding_bytes) != BNET_OK)
		return ENGINE_MEMORY;
	return session_send(
	    p->session, &header, bnet_buf_slice(&p->scratch->body));
}

/* By a header ping, which a stock peer answers, too. */
static enum engine_sent
send_header_ping(struct pinger *p, const struct flight *flight)
{
	const struct bnet_header header = {
		.key = bnet_message_key(BNET_MSG_KEEPALIVE),
		.priority = true,
		.timestamp = flight_cookie(flight),
	};

	return session_send(
	    p->session, &header, (struct bnet_slice){ NULL, 0 });
}

/* Ask a node to ping another (see cmd/session/mesh_keys.h). */
static enum engine_sent
send_ask(struct pinger *p, const struct flight *flight)
{
	const struct target *pair = flight->target;
	const struct bnet_header header = {
		.dest_type = BNET_DEST_NODE,
		.dest = (int64_t)pair->from,
		.key = bnet_key(MESH_KEY_PING),
		.priority = true,
	};
	struct bnet_bits_wr wr;

	bnet_buf_clear(&p->scratch->body);
	bnet_bits_write(&wr, &p->scratch->body);
	bnet_bits_put_u64(&wr, flight_cookie(flight));
	bnet_bits_put_u64(&wr, pair->id);
	bnet_bits_put_u32(
	    &wr, flight->layer == PING_SERVICE ? BNET_ECHO_F_SERVICE : 0);
	if (bnet_bits_finish(&wr) != BNET_OK)
		return ENGINE_MEMORY;
	return session_send(
	    p->session, &header, bnet_buf_slice(&p->scratch->body));
}

static enum engine_sent
send_ping(struct pinger *p, const struct flight *flight)
{
	if (flight->layer == PING_HOP && p->opt->hop == PING_HOP_PING)
		return send_header_ping(p, flight);
	if (flight->target->role == TARGET_PAIR)
		return send_ask(p, flight);
	return send_echo(p, flight);
}

/* The code that a relay reports for a packet that it cannot forward. */
static uint32_t
cause_of(enum engine_sent sent)
{
	return sent == ENGINE_TOO_LARGE ? BNET_CODE_TOO_LARGE
					: BNET_CODE_OVERLOADED;
}

static void
ping(struct pinger *p, struct target *target, enum ping_layer layer,
    int64_t due_ns)
{
	struct flight *flight = flights_in_the_way(&p->flights);
	enum engine_sent sent;

	if (flight != NULL)
		pinger_lost(p, flight, 0);
	flight = flights_open(&p->flights);
	flight->target = target;
	flight->due_ns = due_ns;
	flight->slot = target->schedule.n - 1;
	flight->layer = (uint8_t)layer;
	flight->state = FLIGHT_WAITING;
	target->n_waiting++;
	target->n_sent++;
	p->n_waiting++;
	flight->sent_ns = clock_now_ns();
	sent = send_ping(p, flight);
	if (sent != ENGINE_QUEUED)
		pinger_lost(p, flight, cause_of(sent));
}

static void
count_lost(struct pinger *p, struct target *target, enum ping_layer layer,
    int64_t due_ns, uint64_t n)
{
	struct measure_event *event = pinger_event(p, MEASURE_COUNT);

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
	event->sample.wall_ns = pinger_wall_ns(p, due_ns);
}

/* The same without a relay: they are lost. */
static void
lose_due(struct pinger *p, struct target *target, int64_t now_ns)
{
	int64_t due_ns = target->schedule.next_ns;
	int64_t until_ns = now_ns < p->stop_ns ? now_ns + 1 : p->stop_ns;
	enum ping_layer layer = first_layer(p, target);
	uint64_t n = schedule_skip(
	    &target->schedule, until_ns, 0, slots_left(p, target));

	if (n == 0)
		return;
	count_lost(p, target, layer, due_ns, n);
	if (target->role != TARGET_HOP && p->opt->layers == PING_LAYER_BOTH)
		count_lost(p, target, PING_SERVICE, due_ns, n);
}

/* Take the slots that are due at now_ns. */
static void
take_due(struct pinger *p, struct target *target, int64_t now_ns)
{
	struct schedule *schedule = &target->schedule;
	enum ping_layer layer = first_layer(p, target);
	int64_t interval_ns = p->opt->interval_ns, due_ns = schedule->next_ns;
	uint64_t n;

	n = schedule_skip(schedule, now_ns,
	    interval_ns > GRACE_NS ? interval_ns : GRACE_NS,
	    slots_left(p, target));
	if (n > 0)
		count_missed(p, target, due_ns, n);
	while (slots_left(p, target) > 0 && schedule->next_ns <= now_ns &&
	    schedule->next_ns < p->stop_ns) {
		due_ns = schedule_take(schedule);
		ping(p, target, layer, due_ns);
		if (target->role != TARGET_HOP &&
		    p->opt->layers == PING_LAYER_BOTH)
			ping(p, target, PING_SERVICE, due_ns);
	}
}

void
pinger_due(struct pinger *p, struct target *target, int64_t now_ns)
{
	const struct schedule *schedule = &target->schedule;

	if (p->down)
		lose_due(p, target, now_ns);
	else
		take_due(p, target, now_ns);
	if (slots_left(p, target) == 0 || schedule->next_ns >= p->stop_ns ||
	    !timers_set(&p->timers, &target->timer, schedule->next_ns))
		end_slots(p, target);
}

/* ---- answers ---- */

/* Make an event about one ping. */
static struct measure_event *
event_of(struct pinger *p, const struct flight *flight, enum measure_kind kind,
    enum ping_count what)
{
	struct measure_event *event = pinger_event(p, kind);

	if (event == NULL)
		return NULL;
	event->what = what;
	event->n = 1;
	event->slot = flight->slot;
	event->sample.node = target_series_id(flight->target);
	event->sample.layer = (enum ping_layer)flight->layer;
	event->sample.wall_ns = pinger_wall_ns(p, flight->due_ns);
	return event;
}

void
pinger_lost(struct pinger *p, struct flight *flight, uint32_t cause)
{
	struct target *target = flight->target;
	struct measure_event *event;

	if (flight->state != FLIGHT_WAITING)
		return;
	flight->state = FLIGHT_LOST;
	target->n_waiting--;
	target->n_lost++;
	target->cause = cause;
	p->n_waiting--;
	target_note(target, TARGET_LOST);
	event = event_of(p, flight, MEASURE_COUNT, PING_LOST);
	if (event != NULL)
		event->cause = cause;
}

void
pinger_lose_all(struct pinger *p)
{
	struct flight *flight;

	while ((flight = flights_overdue(&p->flights, INT64_MAX)) != NULL)
		pinger_lost(p, flight, MEASURE_CAUSE_RELAY);
}

void
pinger_expire(struct pinger *p, int64_t now_ns)
{
	struct flight *flight;

	while ((flight = flights_overdue(
		    &p->flights, now_ns - p->opt->timeout_ns)) != NULL)
		pinger_lost(p, flight, 0);
}

/* The kernel's receive time, if there is a plausible one. */
static int64_t
came_at(const struct pinger *p, const struct flight *flight)
{
	int64_t rx_ns = engine_conn_rx_ns(p->session->conn);

	return rx_ns > flight->sent_ns ? rx_ns : clock_now_ns();
}

static void
take_clocks(struct pinger *p, struct target *target,
    const struct bnet_echo *echo, const struct clock_times *times,
    struct ping_sample *sample)
{
	/* ignore a clock that runs backwards */
	if (echo->received_ns > echo->replied_ns ||
	    echo->replied_ns > INT64_MAX ||
	    !clock_offset_add(&target->clock, times))
		return;
	if (echo->n > 0)
		trace_add(&p->trace, echo, times, &target->clock);
	sample->has_clock = true;
	sample->clock_error_ns = clock_offset_bound_ns(&target->clock);
	clock_offset_ways(
	    &target->clock, times, &sample->up_ns, &sample->down_ns);
}

static void
take_sample(struct pinger *p, struct flight *flight, int64_t came_ns,
    const struct bnet_echo *echo)
{
	struct target *target = flight->target;
	struct measure_event *event = event_of(p, flight, MEASURE_SAMPLE, 0);
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
		take_clocks(p, target, echo, &times, sample);
	}
	target->last_ns = sample->due_ns;
	summary_add(&target->round_ns, (double)sample->due_ns);
	target_note(target, sample->due_ns);
}

static void
take_first(struct pinger *p, struct flight *flight, int64_t came_ns,
    const struct bnet_echo *echo)
{
	struct target *target = flight->target;
	uint64_t *last = &target->last[flight->layer];

	flight->state = FLIGHT_ANSWERED;
	target->n_waiting--;
	target->n_answered++;
	/* whoever had left the roster is back */
	if (target->roster > 0 && flight->sent_ns > p->roster_ns)
		target->roster = p->targets.roster;
	p->n_waiting--;
	take_sample(p, flight, came_ns, echo);
	if (flight->n < *last)
		(void)event_of(p, flight, MEASURE_COUNT, PING_REORDERED);
	else
		*last = flight->n;
}

static void
take_another(struct pinger *p, struct flight *flight, int64_t came_ns)
{
	struct measure_event *event = event_of(p, flight, MEASURE_COUNT,
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
    struct pinger *p, struct flight *flight, const struct bnet_echo *echo)
{
	int64_t came_ns = came_at(p, flight);

	if (flight->state == FLIGHT_WAITING)
		take_first(p, flight, came_ns, echo);
	else
		take_another(p, flight, came_ns);
}

void
pinger_answered(struct pinger *p, int64_t source, const struct bnet_echo *echo)
{
	struct flight *flight = flights_find(&p->flights, echo->cookie);

	if (flight != NULL && is_from(flight, source) &&
	    flight->target->role != TARGET_PAIR && p->opt->hop != PING_HOP_PING)
		take_answer(p, flight, echo);
}

void
pinger_measured(
    struct pinger *p, uint64_t cookie, int64_t source, uint64_t round_ns)
{
	struct flight *flight = flights_find(&p->flights, cookie);

	if (flight == NULL || !is_from(flight, source) ||
	    flight->target->role != TARGET_PAIR ||
	    round_ns > INT32_MAX * 1000ULL)
		return;
	/* the time taken by the request is not part of the round trip */
	flight->due_ns = flight->sent_ns;
	if (flight->state == FLIGHT_WAITING)
		take_first(
		    p, flight, flight->sent_ns + (int64_t)round_ns, NULL);
	else
		take_another(p, flight, flight->sent_ns + (int64_t)round_ns);
}

/*
 * The flight that a pong answers. Pongs come in the order of the pings, so one
 * whose timestamp says nothing answers the next flight. A relay that sent a
 * welcome returns timestamps as they were.
 */
static struct flight *
pong_flight(struct pinger *p, uint64_t timestamp)
{
	uint64_t cookie = timestamp & ~BNET_TIMESTAMP_PING_BACK;
	struct flight *flight = cookie <= FLIGHT_COOKIE_MASK
	    ? flights_find(&p->flights, cookie)
	    : NULL;

	if (flight != NULL || p->session->state == SESSION_UP)
		return flight;
	for (; p->pong_n < p->flights.next; p->pong_n++) {
		flight =
		    flights_find(&p->flights, p->pong_n & FLIGHT_COOKIE_MASK);
		if (flight != NULL && flight->n == p->pong_n &&
		    flight->state != FLIGHT_ANSWERED)
			return flight;
	}
	return NULL;
}

bool
pinger_pong(struct pinger *p, const struct bnet_header *header)
{
	struct flight *flight = pong_flight(p, header->timestamp);

	if (flight == NULL)
		return false;
	if (flight->n >= p->pong_n)
		p->pong_n = flight->n + 1;
	take_answer(p, flight, NULL);
	return true;
}

/* ---- the whole ---- */

void
pinger_stop(struct pinger *p)
{
	for (size_t i = 0; i < targets_n(&p->targets); i++) {
		struct target *target = targets_at(&p->targets, i);

		timers_cancel(&p->timers, &target->timer);
		target->active = false;
	}
	p->n_active = 0;
}

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

bool
pinger_init(struct pinger *p)
{
	for (int i = 0; i < 2; i++) {
		p->events[i].list =
		    calloc(PINGER_EVENTS_MAX, sizeof(struct measure_event));
		if (p->events[i].list == NULL)
			return false;
	}
	p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return p->event_fd >= 0 && targets_init(&p->targets, p->opt) &&
	    flights_init(&p->flights, room(p->opt));
}

void
pinger_free(struct pinger *p)
{
	targets_free(&p->targets);
	flights_free(&p->flights);
	timers_free(&p->timers);
	free(p->events[0].list);
	free(p->events[1].list);
	if (p->event_fd >= 0)
		close(p->event_fd);
}
