/* SPDX-License-Identifier: MIT */
/*
 * One player: what is due, and when it looks again.
 *
 *	CONNECTING -> GREETED -> PLAYING -> ENDING -> CLOSING
 *	        '-> (a stock client says no hello) -^
 */
#include "cmd/replay/play/player.h"

#include "cmd/common/clock.h"
#include "cmd/replay/tape/pairing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US_NS 1000
#define QUEUE_MAX_BYTES ((size_t)64 << 10) /* more waits its turn */
#define OPEN_MAX 65536 /* requests of a player, 4 MiB */
#define WELCOME_TIMEOUT_NS INT64_C(15000000000)
#define DIFF_QUIET_NS INT64_C(1000000000) /* what is not here then is missing */
#define AGAIN_NS 1000000 /* is whom we wait for here? */
#define LATER_NS (INT64_MAX / 4) /* no time at all */
#define MS_NS 1000000
#define KEEPALIVE_MIN_MS 10 /* whatever the relay asks for */
#define PONG_BYTES 4 /* arbitrary ones: what stock peers send */

enum player_state {
	PLAYER_CONNECTING = 0,
	PLAYER_GREETED, /* hello sent, no welcome yet */
	PLAYER_PLAYING,
	PLAYER_ENDING, /* all is sent: answers, and the captured end */
	PLAYER_CLOSING,
};

/* One connection of one round. Made by the starter, then its worker's. */
struct player {
	struct play *play;
	const struct plan_player *plan;
	const struct tape_session *session;
	uint32_t index; /* in the plan */
	struct id_map_who who;
	struct player *before, *after; /* in play->players, under its lock */
	enum player_state state;
	size_t address; /* of play->set.addresses, that is tried */
	struct engine_conn *conn;
	struct play_worker *worker;
	int64_t start_ns; /* due to connect; all times CLOCK_MONOTONIC */
	int64_t ready_ns;
	const struct tape_record *next; /* to be sent; NULL: nothing */
	struct plan_cursor cursor;
	int64_t due_ns; /* of `next` by the clock; 0: not yet asked */
	int64_t end_due_ns; /* the captured end; 0: not yet asked */
	int64_t last_sent_ns, last_answer_ns;
	int64_t last_compared_ns; /* --diff: something came */
	int64_t held_until_ns; /* the peer took no more until then */
	int64_t keepalive_ns, keepalive_at_ns; /* 0: none */
	uint32_t n_answers;
	struct pairing pairing;
	struct rewrite rewrite;
	struct diff_player diff;
	bool refused;
	bool opened; /* it was let in */
	bool gave_up; /* no welcome came in time */
	bool draining; /* it is to end soon: told to */
	bool stopped; /* and it was not done yet */
	bool waits; /* `next` is for somebody who is not here yet */
};

enum player_sent {
	PLAYER_SENT,
	PLAYER_SKIPPED, /* it is not to be sent, or can not be */
	PLAYER_LATER, /* no room now */
};

/* ---- records and answers ---- */

static void
player_skip_unsent(struct player *p)
{
	while (p->next != NULL && !plan_is_sent(p->next))
		p->next = tape_next(p->play->set.tape, p->next);
}

static void
player_advance(struct player *p)
{
	p->next = tape_next(p->play->set.tape, p->next);
	player_skip_unsent(p);
	p->due_ns = 0;
}

/*
 * The request that is open longest is not waited for any longer; for who waits
 * for it, it counts as answered.
 */
static void
player_give_up(struct player *p, int64_t now_ns)
{
	const struct pairing_request *oldest = pairing_oldest(&p->pairing);

	results_unanswered(&p->worker->results,
	    (int64_t)oldest->user - p->play->start_ns, oldest->key);
	pairing_drop_oldest(&p->pairing);
	p->n_answers++;
	p->last_answer_ns = now_ns;
}

static struct bnet_string
string_of(const char *s)
{
	return (struct bnet_string){ s, (uint32_t)strlen(s) };
}

/* ---- messages of our own ---- */

static void
player_say(struct player *p, const struct bnet_header *header,
    struct bnet_slice payload)
{
	const struct bnet_packet packet = {
		.has_header = true,
		.header = *header,
		.payload = payload,
	};

	/* where the queue is full the cluster has more to read than this */
	(void)!engine_send(p->worker->engine, engine_conn_outlet(p->conn),
	    &packet, header->priority);
}

static void
say_message(
    struct player *p, const struct bnet_message *message, uint64_t timestamp)
{
	const struct bnet_header header = {
		.key = bnet_message_key(message->type),
		.priority = timestamp != 0,
		.timestamp = timestamp,
	};

	bnet_buf_clear(&p->worker->body);
	if (bnet_message_encode(message, &p->worker->body) == BNET_OK)
		player_say(p, &header, bnet_buf_slice(&p->worker->body));
}

/*
 * As the captured one, but with our token. A clone can not have the id that
 * its original wanted; what had no hello in the capture, since its beginning
 * is missing, says one all the same.
 */
static void
player_hello(struct player *p)
{
	const struct tape_session *session = p->session;
	const struct play_settings *set = &p->play->set;
	struct bnet_message message = { .type = BNET_MSG_HELLO };

	message.u.hello = (struct bnet_hello){
		.version = BNET_PROTOCOL_VERSION,
		.role = session->role != 0 ? session->role : BNET_ROLE_CLIENT,
		.wanted_id = p->plan->clone == 0 ? session->wanted_id : 0,
		.codecs = session->codecs,
		.frame_max_bytes = session->frame_max_bytes != 0
		    ? session->frame_max_bytes
		    : BNET_FRAME_MAX_BYTES,
		.name = string_of(tape_text(set->tape, session->name)),
		.token = string_of(set->token),
	};
	say_message(p, &message, 0);
}

static void
player_keepalive(struct player *p, int64_t now_ns)
{
	const struct bnet_message message = { .type = BNET_MSG_KEEPALIVE };

	say_message(p, &message, (uint64_t)now_ns / US_NS | PLAY_OWN_PING);
}

/* ---- records ---- */

/*
 * The payload as it was captured, or plain, for the codec that is asked for:
 * then the engine compresses it. False: it is corrupt, and goes as it was.
 */
static bool
set_payload(struct player *p, const struct tape_record *record,
    struct bnet_packet *packet)
{
	struct bnet_slice payload = tape_payload(record);
	struct play_worker *worker = p->worker;

	if (record->codec == BNET_CODEC_NONE) {
		packet->payload = payload;
		return true;
	}
	packet->codec = (enum bnet_codec_id)record->codec;
	packet->wire_payload = payload;
	if (p->play->set.opt->codec == REPLAY_CODEC_AS_RECORDED)
		return true;
	if (bnet_codec_decode(engine_worker_codecs(worker->engine),
		packet->codec, (enum bnet_order)p->session->order, payload,
		BNET_PAYLOAD_MAX_BYTES, &worker->plain) != BNET_OK)
		return false;
	packet->codec = BNET_CODEC_NONE;
	packet->payload = bnet_buf_slice(&worker->plain);
	return true;
}

/* What is open is bounded; the oldest makes room. */
static void
expect_answer(struct player *p, const struct bnet_packet *packet,
    const struct bnet_header *header, int64_t due_ns)
{
	const struct pairing_request request = pairing_request(
	    header, packet->codec, packet->payload, (uint64_t)due_ns);

	if (p->pairing.n >= OPEN_MAX)
		player_give_up(p, clock_now_ns());
	if (!pairing_sent(&p->pairing, &request))
		p->n_answers++; /* no memory: nobody waits for it */
}

static void
note_sent(struct player *p, int64_t due_ns, int64_t now_ns, int32_t key,
    size_t n_bytes)
{
	struct play_worker *worker = p->worker;
	bool asap = p->play->set.opt->timing == REPLAY_ASAP;
	bool held = due_ns < p->held_until_ns;
	int64_t late_ns = asap ? -1 : now_ns - due_ns;

	p->last_sent_ns = now_ns;
	results_sent(&worker->results, due_ns - p->play->start_ns, late_ns,
	    held, key, n_bytes);
	if (asap || held)
		return;
	hdr_add(&worker->window, late_ns);
	if (late_ns > worker->window_max_ns)
		worker->window_max_ns = late_ns;
}

static enum player_sent
sent_as(struct player *p, const struct tape_record *record, int64_t now_ns,
    enum engine_sent sent)
{
	switch (sent) {
	case ENGINE_QUEUED:
		return PLAYER_SENT;
	case ENGINE_TOO_LARGE:
		results_count(&p->worker->results, RESULTS_UNSENDABLE, 1);
		/* nobody waits for its answer, and time goes on from here */
		p->last_sent_ns = now_ns;
		p->n_answers += (record->flags & TAPE_R_ANSWERED) != 0;
		return PLAYER_SKIPPED;
	default:
		return PLAYER_LATER;
	}
}

static size_t
queued_bytes(const struct engine_outlet *outlet)
{
	return atomic_load_explicit(
	    &outlet->queued_bytes, memory_order_relaxed);
}

static enum player_sent
player_send(struct player *p, const struct tape_record *record, int64_t due_ns,
    int64_t now_ns)
{
	const struct play *play = p->play;
	struct engine_outlet *outlet = engine_conn_outlet(p->conn);
	const struct rewrite_context context = {
		.opt = play->set.opt,
		.ids = &play->ids,
		.session = p->session,
		.clone = p->plan->clone,
		.round = p->who.round,
		.now_us = ((uint64_t)now_ns / US_NS) & ~PLAY_OWN_PING,
	};
	struct bnet_packet packet = { .has_oob =
					  (record->flags & TAPE_R_OOB) != 0 };
	struct bnet_header header = { .key = 0 };
	enum player_sent sent;
	size_t before = queued_bytes(outlet);

	if (before > QUEUE_MAX_BYTES)
		return PLAYER_LATER;
	packet.oob = tape_oob(record);
	if ((record->flags & TAPE_R_HEADER) != 0)
		(void)rewrite_header(&p->rewrite, &p->worker->scratch, &context,
		    record, &packet.oob, &header);
	(void)set_payload(p, record, &packet);
	sent = sent_as(p, record, now_ns,
	    engine_send(p->worker->engine, outlet, &packet, true));
	if (sent != PLAYER_SENT)
		return sent;
	/* as it is on the wire: the engine may have compressed it */
	note_sent(p, due_ns, now_ns, header.key, queued_bytes(outlet) - before);
	if ((record->flags & TAPE_R_ANSWERED) != 0)
		expect_answer(p, &packet, &header, due_ns);
	return PLAYER_SENT;
}

/* ---- what is due, and when it looks again ---- */

static bool
says_hello(const struct tape_session *session)
{
	return (session->flags & (TAPE_S_HELLO | TAPE_S_MESSAGES)) != 0;
}

/* ---- what is due ---- */

static int64_t
by_the_clock(struct player *p, const struct tape_record *record)
{
	const struct play_settings *set = &p->play->set;

	if (set->opt->timing == REPLAY_ASAP)
		return p->ready_ns;
	return p->ready_ns +
	    plan_due_ns(p->plan, p->session, set->opt, record, &p->cursor);
}

/* The pure think time, behind the answers and the last frame. */
static int64_t
after_thinking(const struct player *p)
{
	const struct replay_options *opt = p->play->set.opt;
	int64_t from_ns = p->ready_ns, think_ns = p->next->think_ns;

	if (p->last_answer_ns > from_ns)
		from_ns = p->last_answer_ns;
	if (p->last_sent_ns > from_ns)
		from_ns = p->last_sent_ns;
	if (opt->timing == REPLAY_ASAP || think_ns < 0)
		return from_ns;
	if (opt->max_idle_ns != 0 && think_ns > opt->max_idle_ns)
		think_ns = opt->max_idle_ns;
	if ((double)think_ns / opt->speed > (double)LATER_NS)
		return LATER_NS;
	return from_ns + (int64_t)((double)think_ns / opt->speed);
}

/* When `next` is due; LATER_NS: not before an answer comes. */
static int64_t
next_due(struct player *p)
{
	enum replay_pacing pacing = p->play->set.opt->pacing;

	if (p->due_ns == 0 && pacing != REPLAY_CLOSED)
		p->due_ns = by_the_clock(p, p->next);
	if (pacing == REPLAY_OPEN)
		return p->due_ns;
	/* where nothing is open no answer comes any more */
	if (p->n_answers < p->next->answers_before &&
	    !pairing_is_empty(&p->pairing))
		return LATER_NS;
	if (pacing == REPLAY_CLOSED)
		return after_thinking(p);
	return p->last_answer_ns > p->due_ns ? p->last_answer_ns : p->due_ns;
}

/* The moment at which the captured client left. */
static int64_t
end_due(struct player *p)
{
	struct tape_record end = { .at_ns = p->session->end_ns };

	if (p->end_due_ns == 0)
		p->end_due_ns =
		    p->stopped ? p->ready_ns : by_the_clock(p, &end);
	return p->end_due_ns;
}

/* ---- the end ---- */

/* With --diff what comes late is waited for, but not for ever. */
static bool
may_end(struct player *p, int64_t now_ns)
{
	int64_t quiet_ns = p->last_compared_ns, over_ns = end_due(p);

	if (!pairing_is_empty(&p->pairing) || now_ns < over_ns)
		return false;
	if (p->worker->diff == NULL || p->draining)
		return true;
	if (p->last_sent_ns > over_ns)
		over_ns = p->last_sent_ns;
	if (over_ns > quiet_ns)
		quiet_ns = over_ns;
	return now_ns - quiet_ns >= DIFF_QUIET_NS ||
	    now_ns - over_ns >= p->play->set.opt->answer_timeout_ns;
}

static void
finish(struct player *p)
{
	p->state = PLAYER_CLOSING;
	engine_conn_finish(p->conn);
}

/* ---- sending what is due ---- */

/*
 * When the player of that session begins, who is not in yet; 0: they are here,
 * or not expected. The id of a stock client is not told, so nobody waits.
 */
static int64_t
comes_ns(const struct player *p, uint32_t ref)
{
	const struct play *play = p->play;

	if (ref >= tape_head(play->set.tape)->n_sessions ||
	    !says_hello(tape_session(play->set.tape, ref)) ||
	    !id_map_is_coming(&play->ids, p->who.round, ref, p->plan->clone))
		return 0;
	return p->start_ns - p->plan->start_ns +
	    play->set.plan
		->players[id_map_player(&play->ids, ref, p->plan->clone)]
		.start_ns;
}

/*
 * It is for players who are not in yet: in the capture they were there. It is
 * not due before they are to come (a ramp may make that late); when they are,
 * it is the cluster's fault, so nothing is late.
 */
static bool
must_wait(struct player *p, int64_t due_ns, int64_t now_ns)
{
	const struct replay_options *opt = p->play->set.opt;
	int64_t last_ns = comes_ns(p, p->next->ref);

	for (uint32_t i = 0; i < p->next->n_refs; i++) {
		int64_t at_ns = comes_ns(p, tape_ref(p->next, i));

		if (at_ns > last_ns)
			last_ns = at_ns;
	}
	p->waits = false;
	if (last_ns == 0 ||
	    now_ns - (due_ns > last_ns ? due_ns : last_ns) >=
		opt->answer_timeout_ns)
		return false;
	if (last_ns > now_ns && opt->pacing != REPLAY_CLOSED) {
		p->due_ns = last_ns;
		return true;
	}
	p->waits = true;
	p->held_until_ns = now_ns;
	return true;
}

static void
send_due(struct player *p)
{
	bool asap = p->play->set.opt->timing == REPLAY_ASAP;
	int64_t now_ns = clock_now_ns(), due_ns;

	while (p->next != NULL) {
		due_ns = next_due(p);
		if (!asap || due_ns > now_ns)
			now_ns = clock_now_ns();
		if (due_ns <= now_ns && asap)
			due_ns = now_ns; /* then it is due when it goes */
		if (due_ns <= now_ns && must_wait(p, due_ns, now_ns))
			return;
		if (due_ns > now_ns ||
		    player_send(p, p->next, due_ns, now_ns) == PLAYER_LATER)
			return;
		player_advance(p);
	}
}

static void
player_pump(struct player *p)
{
	if (p->state != PLAYER_PLAYING || engine_conn_is_blocked(p->conn))
		return; /* if it is, player_drained() comes */
	send_due(p);
	if (p->next == NULL)
		p->state = PLAYER_ENDING;
}

/* ---- time ---- */

static int64_t
earlier(int64_t a_ns, int64_t b_ns)
{
	return b_ns != 0 && b_ns < a_ns ? b_ns : a_ns;
}

/* The oldest request is given up then; 0: there is none. */
static int64_t
give_up_ns(const struct player *p)
{
	return pairing_is_empty(&p->pairing)
	    ? 0
	    : (int64_t)pairing_oldest(&p->pairing)->user +
		p->play->set.opt->answer_timeout_ns;
}

static void
player_arm(struct player *p, int64_t now_ns)
{
	int64_t at_ns = LATER_NS;

	if (p->state == PLAYER_CLOSING)
		return;
	if (p->state == PLAYER_GREETED)
		at_ns = p->ready_ns + WELCOME_TIMEOUT_NS;
	if (p->state == PLAYER_PLAYING && !engine_conn_is_blocked(p->conn))
		at_ns = next_due(p);
	if (p->state == PLAYER_PLAYING && p->waits)
		at_ns = now_ns + AGAIN_NS;
	if (p->state == PLAYER_ENDING)
		at_ns = end_due(p);
	if (p->state == PLAYER_ENDING && at_ns <= now_ns)
		at_ns = now_ns + DIFF_QUIET_NS / 8;
	at_ns = earlier(at_ns, p->keepalive_at_ns);
	at_ns = earlier(at_ns, give_up_ns(p));
	/* what is overdue waits until others have had their turn */
	if (at_ns <= engine_worker_now_ns(p->worker->engine))
		at_ns = engine_worker_now_ns(p->worker->engine) + 1;
	engine_conn_set_timer(p->conn, at_ns);
}

static void
expire(struct player *p, int64_t now_ns)
{
	while (!pairing_is_empty(&p->pairing) && give_up_ns(p) <= now_ns)
		player_give_up(p, now_ns);
}

static void
no_welcome(struct player *p)
{
	p->gave_up = true;
	play_set_reason(p->play, "no welcome in time");
	engine_conn_cut(p->conn);
}

void
player_timer(struct player *p, int64_t now_ns)
{
	if (p->state == PLAYER_GREETED &&
	    now_ns >= p->ready_ns + WELCOME_TIMEOUT_NS) {
		no_welcome(p);
		return;
	}
	expire(p, now_ns);
	if (p->keepalive_at_ns != 0 && now_ns >= p->keepalive_at_ns) {
		player_keepalive(p, now_ns);
		p->keepalive_at_ns = now_ns + p->keepalive_ns;
	}
	player_pump(p);
	if (p->state == PLAYER_ENDING && may_end(p, now_ns))
		finish(p);
	player_arm(p, now_ns);
}

/* The cluster took everything at last. */
void
player_drained(struct player *p)
{
	p->held_until_ns = clock_now_ns();
	if (p->state == PLAYER_PLAYING)
		engine_conn_set_timer(p->conn, p->held_until_ns);
}

/* ---- the beginning ---- */

/* When it would be ready, did the cluster take as long as in the capture. */
static int64_t
planned_ready_ns(const struct player *p)
{
	const struct replay_options *opt = p->play->set.opt;
	double after_ns = (double)p->session->ready_ns / opt->speed;

	if (opt->timing != REPLAY_SPEED || after_ns < 0 ||
	    after_ns > (double)LATER_NS)
		return p->start_ns;
	return p->start_ns + (int64_t)after_ns;
}

/*
 * Times count from when it is ready; see plan_due_ns(). A cluster that takes
 * a little longer to let us in does not move them, as long as the first frame
 * is still to come: the schedule is an absolute one.
 */
static void
set_schedule(struct player *p, int64_t now_ns)
{
	const struct replay_options *opt = p->play->set.opt;
	int64_t first_ns, planned_ns = planned_ready_ns(p);

	p->ready_ns = now_ns;
	if (p->next == NULL || opt->timing == REPLAY_ASAP ||
	    opt->pacing == REPLAY_CLOSED)
		return;
	p->ready_ns = 0;
	first_ns = by_the_clock(p, p->next);
	p->ready_ns = planned_ns;
	if (planned_ns + first_ns < now_ns)
		p->ready_ns = now_ns - first_ns;
	p->due_ns = p->ready_ns + first_ns;
}

static void
player_up(struct player *p, int64_t now_ns)
{
	set_schedule(p, now_ns);
	p->opened = true;
	results_ready(&p->worker->results, now_ns - p->start_ns);
	results_opened(&p->worker->results, now_ns - p->play->start_ns);
	p->state = p->next != NULL ? PLAYER_PLAYING : PLAYER_ENDING;
	if (p->stopped)
		player_stop(p);
	player_arm(p, now_ns);
}

void
player_ready(struct player *p, struct engine_conn *conn)
{
	int64_t now_ns = clock_now_ns();

	p->conn = conn;
	results_count(&p->worker->results, RESULTS_SESSIONS_BEGUN, 1);
	if (atomic_load(&p->play->stopping) ||
	    atomic_load(&p->play->production)) {
		p->stopped = p->draining = true;
		finish(p);
		return;
	}
	if (!says_hello(p->session)) {
		player_up(p, now_ns);
		return;
	}
	p->state = PLAYER_GREETED;
	p->ready_ns = now_ns; /* until the welcome */
	player_hello(p);
	player_arm(p, now_ns);
}

void
player_stop(struct player *p)
{
	p->draining = true;
	p->stopped = p->stopped || p->next != NULL ||
	    p->state < PLAYER_PLAYING ||
	    (p->state == PLAYER_ENDING && end_due(p) > clock_now_ns());
	if (p->state == PLAYER_GREETED)
		finish(p);
	if (p->state != PLAYER_PLAYING && p->state != PLAYER_ENDING)
		return;
	p->end_due_ns = p->ready_ns;
	p->state = PLAYER_ENDING;
	player_arm(p, clock_now_ns());
}

/* ---- what comes back ---- */

static uint64_t
unix_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- what a relay says ---- */

static bool
decode(struct player *p, const struct bnet_packet *packet,
    enum bnet_message_type type, struct bnet_message *message)
{
	size_t left;

	return bnet_message_decode(type, packet->payload, message,
		   &p->worker->store, &left) == BNET_OK;
}

static void
set_codec(struct player *p, const struct bnet_welcome *welcome)
{
	int codec = p->play->set.opt->codec;
	uint32_t frame_max_bytes = welcome->frame_max_bytes;

	if (frame_max_bytes == 0 || frame_max_bytes > BNET_FRAME_MAX_BYTES_TOP)
		frame_max_bytes = BNET_FRAME_MAX_BYTES;
	/* a bit each; what is recorded goes as it is */
	engine_conn_set_peer(p->conn,
	    codec == REPLAY_CODEC_AS_RECORDED ||
		    ((uint32_t)codec & welcome->codecs) == 0
		? BNET_CODEC_NONE
		: (enum bnet_codec_id)codec,
	    frame_max_bytes);
}

static void
on_welcome(struct player *p, const struct bnet_message *message)
{
	const struct bnet_welcome *welcome = &message->u.welcome;
	uint32_t keepalive_ms = welcome->keepalive_ms;
	int64_t now_ns = clock_now_ns();

	if (p->state != PLAYER_GREETED)
		return;
	play_set_environment(p->play, &welcome->environment);
	p->rewrite.id = welcome->id;
	p->rewrite.relay_id = welcome->relay_id;
	id_map_set(&p->play->ids, &p->who, welcome->id);
	set_codec(p, welcome);
	if (keepalive_ms != 0 && keepalive_ms < KEEPALIVE_MIN_MS)
		keepalive_ms = KEEPALIVE_MIN_MS;
	p->keepalive_ns = (int64_t)keepalive_ms * MS_NS;
	if (p->keepalive_ns != 0)
		p->keepalive_at_ns = now_ns + p->keepalive_ns;
	player_up(p, now_ns);
}

static void
on_refuse(struct player *p, const struct bnet_message *message)
{
	const struct bnet_refuse *refuse = &message->u.refuse;
	char why[PLAY_REASON_CHARS];

	p->refused = true;
	snprintf(why, sizeof(why), "refused: %s: %.*s",
	    bnet_code_name(refuse->code), (int)refuse->reason.len_bytes,
	    refuse->reason.p != NULL ? refuse->reason.p : "");
	play_set_reason(p->play, why);
}

/* One that somebody may wait for. */
static void
player_answered(struct player *p, int64_t now_ns)
{
	p->n_answers++;
	p->last_answer_ns = now_ns;
	if (p->play->set.opt->pacing != REPLAY_OPEN)
		player_pump(p);
	player_arm(p, now_ns);
}

/* True: it is the answer to one of our requests, such as it is. */
static bool
take_answer(struct player *p, const struct bnet_packet *packet,
    struct pairing_request *request)
{
	return pairing_received(
	    &p->pairing, packet, &p->worker->store, request);
}

static void
on_error(struct player *p, const struct bnet_packet *packet,
    const struct bnet_message *message)
{
	const struct bnet_error *error = &message->u.error;
	struct pairing_request request;
	int64_t now_ns = clock_now_ns();

	results_error(&p->worker->results, now_ns - p->play->start_ns,
	    error->key, error->code);
	if (!take_answer(p, packet, &request))
		return;
	results_unanswered(&p->worker->results,
	    (int64_t)request.user - p->play->start_ns, request.key);
	player_answered(p, now_ns);
}

static void
send_pong(struct player *p, const struct bnet_header *asked)
{
	static const uint8_t bytes[PONG_BYTES];
	const struct bnet_header header = {
		.key = BNET_KEY_PONG,
		.priority = true,
		.timestamp = asked->timestamp & ~BNET_TIMESTAMP_PING_BACK,
	};

	player_say(p, &header, (struct bnet_slice){ bytes, sizeof(bytes) });
	if ((asked->timestamp & BNET_TIMESTAMP_PING_BACK) != 0 &&
	    p->keepalive_ns != 0)
		player_keepalive(p, clock_now_ns());
}

/*
 * Our pings carry when they were sent, with PLAY_OWN_PING where they are not of
 * the capture; what a stranger made up is no time.
 */
static void
on_pong(struct player *p, const struct bnet_header *header)
{
	int64_t now_ns = clock_now_ns(), sent_ns;
	const struct bnet_header ping = { .timestamp = header->latency_ms };

	if (header->latency_ms != 0)
		send_pong(p, &ping); /* a ping travels there, too */
	if (header->timestamp > (uint64_t)now_ns / US_NS ||
	    (header->timestamp & PLAY_OWN_PING) != 0)
		return;
	sent_ns = (int64_t)header->timestamp * US_NS;
	if (sent_ns >= p->start_ns)
		results_answered(&p->worker->results,
		    sent_ns - p->play->start_ns, BNET_KEY_PONG,
		    now_ns - sent_ns);
}

/* Somebody measures us: the captured reply would not be theirs. */
static void
on_echo(struct player *p, const struct bnet_header *asked,
    struct bnet_message *message)
{
	struct bnet_header header = {
		.dest_type = (message->u.echo.flags & BNET_ECHO_F_NODE) != 0
		    ? BNET_DEST_NODE
		    : BNET_DEST_CLIENT,
		.dest = asked->source,
		.key = bnet_message_key(BNET_MSG_ECHO_REPLY),
		.priority = true,
	};

	message->type = BNET_MSG_ECHO_REPLY;
	message->u.echo.received_ns = unix_ns();
	message->u.echo.replied_ns = unix_ns();
	bnet_buf_clear(&p->worker->body);
	if (bnet_message_encode(message, &p->worker->body) == BNET_OK)
		player_say(p, &header, bnet_buf_slice(&p->worker->body));
}

/* True: it was a session message, and is dealt with. */
static bool
take_message(struct player *p, const struct bnet_packet *packet)
{
	enum bnet_message_type type = bnet_message_type(packet->header.key);
	bool hop = packet->header.dest_type == BNET_DEST_HOP;
	struct bnet_message message;

	if (type == BNET_MSG_NONE || (!hop && type != BNET_MSG_ECHO) ||
	    !decode(p, packet, type, &message))
		return false;
	switch (type) {
	case BNET_MSG_WELCOME:
		on_welcome(p, &message);
		return true;
	case BNET_MSG_REFUSE:
		on_refuse(p, &message);
		return true;
	case BNET_MSG_ERROR:
		on_error(p, packet, &message);
		return true;
	case BNET_MSG_ECHO:
		on_echo(p, &packet->header, &message);
		return true;
	default:
		return false;
	}
}

/* A stock client is not told its id, but what is for it has it. */
static void
learn_id(struct player *p, const struct bnet_header *header)
{
	if (header->dest_type != BNET_DEST_CLIENT || header->forks != 0 ||
	    header->dest == 0 || p->state < PLAYER_PLAYING)
		return;
	p->rewrite.id = (uint64_t)header->dest;
	id_map_set(&p->play->ids, &p->who, p->rewrite.id);
}

/* ---- answers ---- */

static void
match(struct player *p, const struct bnet_packet *packet, int64_t now_ns)
{
	struct pairing_request request;

	if (!take_answer(p, packet, &request))
		return;
	results_answered(&p->worker->results,
	    (int64_t)request.user - p->play->start_ns, request.key,
	    now_ns - (int64_t)request.user);
	player_answered(p, now_ns);
}

/* ---- --diff ---- */

static int64_t
captured_id(void *arg, bool node, int64_t id)
{
	const struct player *p = arg;
	const struct replay_options *opt = p->play->set.opt;

	for (size_t i = 0; node && i < opt->n_maps; i++)
		if (opt->maps[i].to == (uint64_t)id)
			return (int64_t)opt->maps[i].from;
	if (node && (uint64_t)id == p->rewrite.relay_id &&
	    p->session->relay_id != 0)
		return (int64_t)p->session->relay_id;
	return (int64_t)id_map_captured(&p->play->ids, node, (uint64_t)id);
}

static void
compare(struct player *p, const struct bnet_packet *packet)
{
	const struct diff_ids ids = { captured_id, p };

	if (diff_received(
		p->worker->diff, &p->diff, p->plan->session, packet, &ids))
		p->last_compared_ns = clock_now_ns();
}

/* ---- all ---- */

void
player_packet(struct player *p, const struct bnet_packet *packet)
{
	const struct bnet_header *header = &packet->header;
	int64_t now_ns = clock_now_ns();
	int32_t key = packet->has_header ? header->key : 0;

	results_received(&p->worker->results, now_ns - p->play->start_ns, key,
	    (size_t)packet->size_bytes + BNET_FRAME_WORD_BYTES);
	if (p->rewrite.id == 0 && packet->has_header)
		learn_id(p, header);
	if (p->worker->diff != NULL && p->state >= PLAYER_PLAYING)
		compare(p, packet);
	if (!packet->has_header || key == 0)
		return;
	if (key == BNET_KEY_PONG && header->dest_type == BNET_DEST_HOP) {
		on_pong(p, header);
		return;
	}
	if (header->timestamp != 0)
		send_pong(p, header);
	if (!take_message(p, packet) && p->state >= PLAYER_PLAYING)
		match(p, packet, now_ns);
}

void
player_bad(struct player *p)
{
	results_count(&p->worker->results, RESULTS_BAD, 1);
}

/* ---- coming ---- */

static bool
connect_next(struct player *p)
{
	const struct play_settings *set = &p->play->set;
	const struct engine_connect want = {
		.address = set->addresses[p->address],
		.tls = set->tls,
		.tls_host = set->tls_host,
		.order = (enum bnet_order)p->session->order,
		.worker = p->index % p->play->n_workers,
		.user = p,
	};

	return engine_connect(p->play->engine, &want);
}

static void
list_add(struct player *p)
{
	struct play *play = p->play;

	pthread_mutex_lock(&play->lock);
	p->after = play->players;
	if (p->after != NULL)
		p->after->before = p;
	play->players = p;
	pthread_mutex_unlock(&play->lock);
}

static void
list_remove(struct player *p)
{
	struct play *play = p->play;

	pthread_mutex_lock(&play->lock);
	if (p->after != NULL)
		p->after->before = p->before;
	if (p->before != NULL)
		p->before->after = p->after;
	else
		play->players = p->after;
	pthread_mutex_unlock(&play->lock);
}

bool
player_begin(
    struct play *play, uint32_t index, uint32_t round, int64_t start_ns)
{
	const struct plan_player *plan = &play->set.plan->players[index];
	struct player *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return false;
	*p = (struct player){
		.play = play,
		.plan = plan,
		.session = tape_session(play->set.tape, plan->session),
		.index = index,
		.worker = &play->workers[index % play->n_workers],
		.start_ns = start_ns,
		.who = {
			.player = index,
			.round = round,
			.captured = tape_session(play->set.tape,
			    plan->session)->id,
			.node = tape_is_node(tape_session(play->set.tape,
			    plan->session)),
		},
		.next = tape_first(play->set.tape, plan->session, CAP_UP),
	};
	player_skip_unsent(p);
	list_add(p);
	atomic_fetch_add(&play->n_running, 1);
	if (connect_next(p))
		return true;
	list_remove(p);
	free(p);
	play_ended(play);
	return false;
}

/* ---- the end ---- */

static void
count_unsent(struct player *p)
{
	uint64_t n = 0;

	for (; p->next != NULL; player_advance(p))
		n++;
	results_count(&p->worker->results, RESULTS_UNSENT, n);
}

static enum results_count
outcome(const struct player *p)
{
	if (p->refused)
		return RESULTS_SESSIONS_REFUSED;
	if (p->stopped)
		return RESULTS_SESSIONS_STOPPED;
	if (p->state < PLAYER_PLAYING)
		return RESULTS_SESSIONS_FAILED;
	return p->state >= PLAYER_ENDING ? RESULTS_SESSIONS_DONE
					 : RESULTS_SESSIONS_CUT;
}

static void
free_player(struct player *p)
{
	struct play *play = p->play;

	id_map_left(&play->ids, &p->who, p->rewrite.id);
	pairing_free(&p->pairing);
	list_remove(p);
	free(p);
	play_ended(play);
}

static void
why_not(struct player *p, enum engine_end end)
{
	const char *reason = engine_conn_reason(p->conn);
	char why[PLAY_REASON_CHARS];

	if (p->refused || p->stopped || p->state == PLAYER_CLOSING ||
	    end == ENGINE_END_OWNER)
		return;
	if (reason[0] == '\0')
		reason = p->state < PLAYER_PLAYING
		    ? "closed before it was welcome"
		    : "closed by the cluster";
	snprintf(why, sizeof(why), "%s", reason);
	play_set_reason(p->play, why);
}

static void
give_up_all(struct player *p)
{
	while (!pairing_is_empty(&p->pairing)) {
		results_unanswered(&p->worker->results,
		    (int64_t)pairing_oldest(&p->pairing)->user -
			p->play->start_ns,
		    pairing_oldest(&p->pairing)->key);
		pairing_drop_oldest(&p->pairing);
	}
}

void
player_closed(struct player *p, struct engine_conn *conn, enum engine_end end)
{
	const struct play_settings *set = &p->play->set;

	p->conn = conn;
	if (end == ENGINE_END_CONNECT && ++p->address < set->n_addresses &&
	    connect_next(p))
		return;
	if (p->state == PLAYER_CONNECTING)
		results_count(&p->worker->results, RESULTS_SESSIONS_BEGUN, 1);
	if (end == ENGINE_END_OWNER && p->state != PLAYER_CLOSING &&
	    !p->gave_up)
		p->stopped = true; /* we quit, not the cluster */
	why_not(p, end);
	results_count(&p->worker->results, outcome(p), 1);
	if (p->opened)
		results_closed(
		    &p->worker->results, clock_now_ns() - p->play->start_ns);
	if (p->worker->diff != NULL)
		diff_ended(p->worker->diff, &p->diff, p->plan->session,
		    p->stopped ? p->next : NULL);
	give_up_all(p);
	count_unsent(p);
	free_player(p);
}

void
player_cut(struct player *p, struct engine_conn *conn)
{
	p->stopped = true;
	engine_conn_cut(conn);
}

/* No memory or descriptor, so there was no connection at all. */
void
player_no_conn(struct player *p)
{
	play_set_reason(p->play, "out of memory or descriptors");
	results_count(&p->worker->results, RESULTS_SESSIONS_FAILED, 1);
	if (p->worker->diff != NULL)
		diff_ended(p->worker->diff, &p->diff, p->plan->session, NULL);
	count_unsent(p);
	free_player(p);
}

void
player_free_all(struct play *play)
{
	while (play->players != NULL) {
		struct player *p = play->players;
		struct results *results = &p->worker->results;

		/* its connection was not even begun: see player_closed() */
		results_count(results, RESULTS_SESSIONS_BEGUN, 1);
		results_count(results, RESULTS_SESSIONS_STOPPED, 1);
		count_unsent(p);
		free_player(p);
	}
}
