/* SPDX-License-Identifier: MIT */
/*
 * Inside a measurement, in this order: what the caller is told; the roster;
 * packets from the relay, beyond those that cmd/session/session.h handles; the
 * life of the connection and of the worker. Everything but the first runs on
 * the worker. Pings and their answers are those of cmd/ping/pinger.h.
 */
#include "cmd/ping/measure.h"

#include "cmd/common/backoff.h"
#include "cmd/common/cli.h"
#include "cmd/common/clock.h"
#include "cmd/common/ending.h"
#include "cmd/engine/engine.h"
#include "cmd/session/mesh_keys.h"
#include "cmd/session/session.h"
#include "proto/bluenet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define LOCK_SLICE_NS INT64_C(100000000)
#define BACKOFF_MIN_NS INT64_C(100000000)
#define BACKOFF_MAX_NS INT64_C(2000000000) /* an outage is not made longer */

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
	int64_t up_at_ns, down_at_ns;
	int64_t connect_at_ns; /* when to connect again; 0: it does, or is up */
	struct backoff backoff;
	struct random backoff_rnd;
	int64_t roster_at_ns; /* when to request it */
	bool roster_asked;
	struct pinger pings;
	struct timer tick, keep; /* of pings.timers: ours; the session's */
	struct session_scratch scratch;
};

static void run_down(struct measure *m);

/* ---- the state ---- */

/* The measurement is over; the first reason is kept. */
static void
measure_fail(struct measure *m, const char *why)
{
	if (m->state >= MEASURE_DONE)
		return;
	m->state = MEASURE_FAILED;
	snprintf(m->reason, sizeof(m->reason), "%s", why);
	pinger_wake(&m->pings);
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
	pinger_wake(&m->pings);
}

static void
relay_event(struct measure *m, enum measure_kind kind, int64_t at_ns)
{
	struct measure_event *event = pinger_event(&m->pings, kind);

	if (event == NULL)
		return;
	event->sample.wall_ns = pinger_wall_ns(&m->pings, at_ns);
	memcpy(event->reason, m->reason, sizeof(event->reason));
	pinger_wake(&m->pings);
}

/* What was on its way gets no answer. */
static void
go_down(struct measure *m)
{
	int64_t now_ns = clock_now_ns();

	m->state = MEASURE_CONNECTING;
	m->pings.down = true;
	m->down_at_ns = now_ns;
	m->roster_asked = false;
	backoff_worked(&m->backoff, now_ns - m->up_at_ns);
	relay_event(m, MEASURE_RELAY_LOST, now_ns);
	pinger_lose_all(&m->pings);
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
	if (!m->pings.down)
		go_down(m);
	m->state = MEASURE_CONNECTING;
}

/* ---- access for the caller ---- */

int
measure_fd(const struct measure *m)
{
	return m->pings.event_fd;
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
	const struct measure_event *taken;
	uint64_t woken;

	*n = 0;
	(void)!read(m->pings.event_fd, &woken, sizeof(woken));
	if (!lock(m))
		return NULL;
	run_down(m);
	taken = pinger_take(&m->pings, n);
	*view = (struct measure_view){
		.state = m->state,
		.was_up = m->was_up,
		.down = m->pings.down,
		.down_at_ns = m->down_at_ns,
		.roster_known = m->pings.targets.roster > 0,
		.order = m->order,
		.n_targets = n_pinged(&m->pings.targets),
		.n_waiting = m->pings.n_waiting,
		.n_overflow = m->pings.n_overflow,
	};
	memcpy(view->reason, m->reason, sizeof(view->reason));
	pthread_mutex_unlock(&m->lock);
	return taken;
}

struct targets *
measure_lock(struct measure *m)
{
	if (!lock(m))
		return NULL;
	return &m->pings.targets;
}

void
measure_unlock(struct measure *m)
{
	pthread_mutex_unlock(&m->lock);
}

struct targets *
measure_targets(struct measure *m)
{
	return &m->pings.targets;
}

const char *
measure_unheard(const struct measure *m)
{
	return session_unheard(&m->session);
}

const struct trace *
measure_traced(struct measure *m)
{
	return &m->pings.trace;
}

int64_t
measure_wall_ns(const struct measure *m, int64_t at_ns)
{
	return pinger_wall_ns(&m->pings, at_ns);
}

/* The targets: the relay, the entries of its roster, pairs of these. */

#define ROSTER_PERIOD_NS INT64_C(1000000000)
#define ROSTER_WAIT_NS INT64_C(2000000000) /* then start without one */
#define START_LEAD_NS 10000000 /* so that the first slot is not late */

static void
begin(struct measure *m, struct target *target)
{
	if (!pinger_begin(&m->pings, target))
		measure_fail(m, "out of memory");
}

/* Ping the relay itself from now on. */
static void
roster_begin_hop(struct measure *m)
{
	const char *relay = m->opt->relay;
	const struct bnet_string name = bnet_string_of(relay);
	struct target *target = targets_get(&m->pings.targets, TARGET_HOP, 0);
	struct measure_event *event = pinger_event(&m->pings, MEASURE_SEEN);

	if (target == NULL) {
		measure_fail(m, "out of memory");
		return;
	}
	m->pings.start_ns = clock_now_ns() + START_LEAD_NS;
	target_set_name(target, &name);
	if (event != NULL)
		memcpy(event->name, target->name, sizeof(event->name));
	begin(m, target);
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
	struct measure_event *event = pinger_event(&m->pings, kind);
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

	m->pings.start_ns = clock_now_ns() + START_LEAD_NS;
	for (size_t i = 0; i < opt->n_words; i++) {
		if (m->pings.targets.found[i] ||
		    !target_word_id(opt->words[i], &id))
			continue;
		target = targets_get(&m->pings.targets, TARGET_NODE, id);
		if (target == NULL)
			continue;
		m->pings.targets.found[i] = true;
		target->pinged = true;
		report(m, target, MEASURE_SEEN);
	}
	for (size_t i = 0; i < targets_n(&m->pings.targets); i++) {
		target = targets_at(&m->pings.targets, i);
		if (target->pinged)
			begin(m, target);
	}
}

static void
take_entry(struct measure *m, const struct bnet_roster_entry *entry)
{
	bool self = entry->id == m->session.id &&
	    (entry->role == BNET_ROLE_NODE) == m->opt->as_node;
	struct target *target;
	char before[SERIES_NAME_CHARS];

	if (self || !targets_wanted(&m->pings.targets, entry))
		return;
	target = targets_get(
	    &m->pings.targets, (enum target_role)entry->role, entry->id);
	if (target == NULL)
		return;
	target->roster = m->pings.targets.roster + 1;
	if (m->opt->mesh) {
		target_set_name(target, &entry->name);
		return;
	}
	memcpy(before, target->name, sizeof(before));
	target_set_name(target, &entry->name);
	if (!target->pinged || strcmp(before, target->name) != 0)
		report(m, target, MEASURE_SEEN);
	target->pinged = true;
	if (m->pings.start_ns != 0 && m->pings.stop_ns > clock_now_ns() &&
	    (m->opt->count == 0 || target->schedule.n < m->opt->count))
		begin(m, target);
}

/* Report who left the roster; keep pinging targets that words name. */
static void
drop_absent(struct measure *m)
{
	for (size_t i = 0; i < targets_n(&m->pings.targets); i++) {
		struct target *target = targets_at(&m->pings.targets, i);

		if (target->roster == 0 ||
		    target->roster + 1 != m->pings.targets.roster)
			continue;
		report(m, target, MEASURE_LEFT);
		if (m->opt->n_words > 0 || !target->active)
			continue;
		timers_cancel(&m->pings.timers, &target->timer);
		target->active = false;
		m->pings.n_active--;
	}
}

/* Make a pair of every node with every other. */
static void
begin_pairs(struct measure *m)
{
	size_t n = targets_n(&m->pings.targets);

	if (m->pings.start_ns == 0)
		m->pings.start_ns = clock_now_ns() + START_LEAD_NS;
	for (size_t i = 0; i < n * n; i++) {
		const struct target *from =
		    targets_at(&m->pings.targets, i / n);
		const struct target *to = targets_at(&m->pings.targets, i % n);
		struct target *pair;

		if (from == to || from->role != TARGET_NODE ||
		    to->role != TARGET_NODE ||
		    from->roster != m->pings.targets.roster ||
		    to->roster != m->pings.targets.roster)
			continue;
		pair = targets_pair(&m->pings.targets, from->id, to->id);
		if (pair == NULL || pair->pinged)
			continue;
		snprintf(pair->name, sizeof(pair->name), "%.30s>%.30s",
		    from->name, to->name);
		report(m, pair, MEASURE_SEEN);
		begin(m, pair);
	}
}

static void
roster_is_whole(struct measure *m)
{
	m->pings.targets.roster++;
	m->pings.roster_ns = clock_now_ns();
	m->roster_asked = false;
	if (m->opt->mesh) {
		begin_pairs(m);
		return;
	}
	drop_absent(m);
	if (m->pings.start_ns == 0)
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
	if (m->pings.start_ns == 0 &&
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
		m->pings.stop_ns = clock_now_ns() + m->opt->deadline_ns;
}

/* ---- the session ---- */

static void
up(struct measure *m)
{
	bool first = !m->was_up;

	m->state = MEASURE_UP;
	m->was_up = true;
	m->up_at_ns = clock_now_ns();
	m->pings.pong_n = m->pings.flights.next;
	if (m->pings.down) {
		m->pings.down = false;
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
		timers_cancel(&m->pings.timers, &m->keep);
	else if (!timers_set(&m->pings.timers, &m->keep, at_ns))
		measure_fail(m, "out of memory");
	pinger_arm(&m->pings);
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
	pinger_wake(&m->pings);
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

/* A pong answers a header ping only: it says nothing of an echo. */
static bool
on_pong(void *owner, const struct bnet_header *header)
{
	struct measure *m = owner;

	if (m->opt->hop != PING_HOP_PING)
		return false;
	return pinger_pong(&m->pings, header);
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
	flight = flights_find(&m->pings.flights, cookie);
	if (flight != NULL && (int64_t)flight->target->id == error->dest)
		pinger_lost(&m->pings, flight, error->code);
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
		pinger_answered(
		    &m->pings, packet->header.source, &message.u.echo);
}

static void
on_pinged(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;
	struct bnet_bits_rd rd;
	uint64_t cookie, round_ns;

	(void)conn;
	bnet_bits_read(&rd, packet->payload);
	cookie = bnet_bits_u64(&rd);
	round_ns = bnet_bits_u64(&rd);
	if (!rd.bad)
		pinger_measured(
		    &m->pings, cookie, packet->header.source, round_ns);
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

/* ---- connecting ---- */

/* Without a connection there is no timer of one: run_down() looks. */
static void
connect_later(struct measure *m)
{
	if (!m->pings.down || m->state >= MEASURE_DONE)
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

	timers_cancel(&m->pings.timers, &m->keep);
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
	if (!timers_set(&m->pings.timers, &m->tick, clock_now_ns() + TICK_NS))
		measure_fail(m, "out of memory");
	keep_arm(m);
}

/* ---- time ---- */

static struct target *
target_of(struct timer *timer)
{
	return (struct target *)(void *)((char *)timer -
	    offsetof(struct target, timer));
}

/* Finish if every slot is taken, and answered or lost. */
static void
check_done(struct measure *m, int64_t now_ns)
{
	bool may_end = m->opt->count != 0 || now_ns >= m->pings.stop_ns;

	if (m->state != MEASURE_UP && !m->pings.down)
		return;
	if (m->pings.start_ns == 0 &&
	    !(m->pings.down && now_ns >= m->pings.stop_ns))
		return;
	if (now_ns >= m->pings.stop_ns)
		pinger_stop(&m->pings);
	if (!may_end || m->pings.n_active > 0 || m->pings.n_waiting > 0)
		return;
	m->state = MEASURE_DONE;
	pinger_wake(&m->pings);
}

static void
tick(struct measure *m, int64_t now_ns)
{
	if (m->state == MEASURE_UP && m->opt->hop == PING_HOP_NONE)
		roster_tick(m, now_ns);
	pinger_expire(&m->pings, now_ns);
	check_done(m, now_ns);
	(void)timers_set(&m->pings.timers, &m->tick, now_ns + TICK_NS);
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

	if (!m->pings.down || m->session.conn != NULL)
		return;
	while ((due = timers_due(&m->pings.timers, now_ns)) != NULL) {
		if (due == &m->tick)
			tick(m, now_ns);
		else
			pinger_due(&m->pings, target_of(due), now_ns);
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
	now_ns = pinger_woke(&m->pings, turn_ns);
	while ((due = timers_due(&m->pings.timers, now_ns)) != NULL) {
		if (due == &m->tick)
			tick(m, now_ns);
		else if (due != &m->keep)
			pinger_due(&m->pings, target_of(due), now_ns);
		else if (session_timer(&m->session, now_ns))
			keep_arm(m);
		else
			return; /* the connection is gone */
	}
	pinger_arm(&m->pings);
}

static void
packet(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct measure *m = arg;

	if (!session_packet(&m->session, packet) && packet->has_header &&
	    packet->header.key != 0)
		(void)!engine_deliver(conn, packet);
	if (m->pings.n_waiting == 0)
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

	m->engine = engine_new(&set);
	return m->engine != NULL && pinger_init(&m->pings) && register_keys(m);
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
	m->pings = (struct pinger){
		.opt = opt,
		.session = &m->session,
		.scratch = &m->scratch,
		.stop_ns = INT64_MAX,
		.wall_ahead_ns = clock_unix_ns() - clock_now_ns(),
		.event_fd = -1,
	};
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
	pinger_free(&m->pings);
	session_scratch_free(&m->scratch);
	orders_free(&m->orders);
	pthread_mutex_destroy(&m->lock);
	free(m);
}
