/* SPDX-License-Identifier: MIT */
/* Slots, and what comes back of them. */
#include "cmd/ping/measure_impl.h"

#include "cmd/common/clock.h"

#include <string.h>

/* A slot is late by up to its interval, and this, before it is missed. */
#define GRACE_NS INT64_C(10000000)

void
send_packet(
    struct measure *m, const struct bnet_header *header, struct bnet_slice body)
{
	const struct bnet_packet packet = {
		.has_header = true,
		.header = *header,
		.payload = body,
	};

	/* where the queue is full, nothing comes back: that is told as lost */
	(void)!engine_send(engine_conn_worker(m->conn),
	    engine_conn_outlet(m->conn), &packet, header->priority);
}

/* ---- slots ---- */

void
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
	else /* it was away */
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

static bool
pad(struct bnet_buf *body, size_t n)
{
	uint8_t *tail;

	if (bnet_buf_room(body, n, &tail) != BNET_OK)
		return false;
	memset(tail, 0, n);
	bnet_buf_added(body, n);
	return true;
}

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

static void
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
	bnet_buf_clear(&m->body);
	if (bnet_message_encode(&message, &m->body) == BNET_OK &&
	    pad(&m->body, (size_t)m->opt->padding_bytes))
		send_packet(m, &header, bnet_buf_slice(&m->body));
}

/* By header: what a stock peer answers, too. */
static void
send_header_ping(struct measure *m, const struct flight *flight)
{
	const struct bnet_header header = {
		.key = bnet_message_key(BNET_MSG_KEEPALIVE),
		.priority = true,
		.timestamp = flight_cookie(flight),
	};

	send_packet(m, &header, (struct bnet_slice){ NULL, 0 });
}

/* Have a node ping another (fixtures/node/mesh.h says how). */
static void
send_ask(struct measure *m, const struct flight *flight)
{
	const struct target *pair = flight->target;
	const struct bnet_header header = {
		.dest_type = BNET_DEST_NODE,
		.dest = (int64_t)pair->from,
		.key = bnet_key(MEASURE_KEY_PING),
		.priority = true,
	};
	struct bnet_bits_wr wr;

	bnet_buf_clear(&m->body);
	bnet_bits_write(&wr, &m->body);
	bnet_bits_put_u64(&wr, flight_cookie(flight));
	bnet_bits_put_u64(&wr, pair->id);
	bnet_bits_put_u32(
	    &wr, flight->layer == PING_SERVICE ? BNET_ECHO_F_SERVICE : 0);
	if (bnet_bits_finish(&wr) == BNET_OK)
		send_packet(m, &header, bnet_buf_slice(&m->body));
}

static void
ping(struct measure *m, struct target *target, enum ping_layer layer,
    int64_t due_ns)
{
	struct flight *flight = flights_in_the_way(&m->flights);

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
	if (layer == PING_HOP && m->opt->hop == PING_HOP_PING)
		send_header_ping(m, flight);
	else if (target->role == TARGET_PAIR)
		send_ask(m, flight);
	else
		send_echo(m, flight);
}

void
send_due(struct measure *m, struct target *target, int64_t now_ns)
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
	if (slots_left(m, target) == 0 || schedule->next_ns >= m->stop_ns ||
	    !timers_set(&m->timers, &target->timer, schedule->next_ns))
		end_slots(m, target);
}

/* ---- answers ---- */

/* An event about one ping. */
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

void
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

void
send_expire(struct measure *m, int64_t now_ns)
{
	struct flight *flight;

	while ((flight = flights_overdue(
		    &m->flights, now_ns - m->opt->timeout_ns)) != NULL)
		send_lost(m, flight, 0);
}

/* The kernel's word for when it came, where it gives one that can be. */
static int64_t
came_at(const struct measure *m, const struct flight *flight)
{
	int64_t rx_ns = engine_conn_rx_ns(m->conn);

	return rx_ns > flight->sent_ns ? rx_ns : clock_now_ns();
}

static void
take_clocks(struct measure *m, struct target *target,
    const struct bnet_echo *echo, const struct clock_times *times,
    struct ping_sample *sample)
{
	/* a clock that runs backwards says nothing */
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

/* Is it from whom we asked? */
static bool
is_from(const struct flight *flight, int64_t source)
{
	const struct target *target = flight->target;

	if (target->role == TARGET_HOP)
		return true;
	return source ==
	    (int64_t)(target->role == TARGET_PAIR ? target->from : target->id);
}

void
send_answered(struct measure *m, uint64_t cookie, int64_t source,
    const struct bnet_echo *echo)
{
	struct flight *flight = flights_find(&m->flights, cookie);
	int64_t came_ns;

	if (flight == NULL || !is_from(flight, source) ||
	    flight->target->role == TARGET_PAIR)
		return; /* not ours, or long gone */
	came_ns = came_at(m, flight);
	if (flight->state == FLIGHT_WAITING)
		take_first(m, flight, came_ns, echo);
	else
		take_another(m, flight, came_ns);
}

void
send_measured(
    struct measure *m, uint64_t cookie, int64_t source, uint64_t round_ns)
{
	struct flight *flight = flights_find(&m->flights, cookie);

	if (flight == NULL || !is_from(flight, source) ||
	    flight->target->role != TARGET_PAIR ||
	    round_ns > INT32_MAX * 1000ULL)
		return;
	/* what it took to ask is no part of it */
	flight->due_ns = flight->sent_ns;
	if (flight->state == FLIGHT_WAITING)
		take_first(
		    m, flight, flight->sent_ns + (int64_t)round_ns, NULL);
	else
		take_another(m, flight, flight->sent_ns + (int64_t)round_ns);
}
