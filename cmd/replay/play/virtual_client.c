/* SPDX-License-Identifier: MIT */
/*
 * One virtual client: what is due, and when it looks again.
 *
 *	CONNECTING -> GREETED -> PLAYING -> ENDING -> CLOSING
 *	        '-> (a stock client says no hello) -^
 *
 * Owns a virtual client from vclient_begin() until its connection has ended.
 * Called by play.c, on the worker that it belongs to.
 */
#include "cmd/replay/play/virtual_client.h"

#include "cmd/common/clock.h"
#include "cmd/replay/tape/pairing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US_NS 1000
#define QUEUE_MAX_BYTES ((size_t)64 << 10) /* more waits its turn */
#define OPEN_MAX 65536 /* requests of a virtual client, 4 MiB */
#define WELCOME_TIMEOUT_NS INT64_C(15000000000)
#define DIFF_QUIET_NS INT64_C(1000000000) /* what is not here then is missing */
#define AGAIN_NS 1000000 /* is whom we wait for here? */
#define LATER_NS (INT64_MAX / 4) /* no time at all */
#define MS_NS 1000000
#define KEEPALIVE_MIN_MS 10 /* whatever the relay asks for */
#define PONG_BYTES 4 /* arbitrary ones: what stock peers send */

enum vclient_state {
	VCLIENT_CONNECTING = 0,
	VCLIENT_GREETED, /* hello sent, no welcome yet */
	VCLIENT_PLAYING,
	VCLIENT_ENDING, /* all is sent: answers, and the captured end */
	VCLIENT_CLOSING,
};

/* One connection of one round. Made by the connector, then its worker's. */
struct vclient {
	struct play *play;
	const struct plan_vclient *plan;
	const struct tape_session *session;
	uint32_t index; /* in the plan */
	struct id_map_who who;
	struct vclient *before, *after; /* in play->vclients, under its lock */
	enum vclient_state state;
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
	struct diff_vclient diff;
	bool refused;
	bool opened; /* it was let in */
	bool gave_up; /* no welcome came in time */
	bool draining; /* it was asked to end soon */
	bool stopped; /* and it was not done yet */
	bool waits; /* `next` is for somebody who is not here yet */
};

enum vclient_sent {
	VCLIENT_SENT,
	VCLIENT_SKIPPED, /* it is not to be sent, or can not be */
	VCLIENT_LATER, /* no room now */
};

/* ---- records and answers ---- */

static void
vclient_skip_unsent(struct vclient *vc)
{
	while (vc->next != NULL && !plan_is_sent(vc->next))
		vc->next = tape_next(vc->play->set.tape, vc->next);
}

static void
vclient_advance(struct vclient *vc)
{
	vc->next = tape_next(vc->play->set.tape, vc->next);
	vclient_skip_unsent(vc);
	vc->due_ns = 0;
}

/*
 * The request that is open longest is not waited for any longer; for who waits
 * for it, it counts as answered.
 */
static void
vclient_give_up(struct vclient *vc, int64_t now_ns)
{
	const struct pairing_request *oldest = pairing_oldest(&vc->pairing);

	results_unanswered(&vc->worker->results,
	    (int64_t)oldest->user - vc->play->start_ns, oldest->key);
	pairing_drop_oldest(&vc->pairing);
	vc->n_answers++;
	vc->last_answer_ns = now_ns;
}

/* ---- messages of our own ---- */

static void
vclient_say(struct vclient *vc, const struct bnet_header *header,
    struct bnet_slice payload)
{
	const struct bnet_packet packet = {
		.has_header = true,
		.header = *header,
		.payload = payload,
	};

	/* where the queue is full the cluster has more to read than this */
	(void)!engine_send(vc->worker->engine, engine_conn_sendq(vc->conn),
	    &packet, header->priority);
}

static void
say_message(
    struct vclient *vc, const struct bnet_message *message, uint64_t timestamp)
{
	const struct bnet_header header = {
		.key = bnet_message_key(message->type),
		.priority = timestamp != 0,
		.timestamp = timestamp,
	};

	bnet_buf_clear(&vc->worker->body);
	if (bnet_message_encode(message, &vc->worker->body) == BNET_OK)
		vclient_say(vc, &header, bnet_buf_slice(&vc->worker->body));
}

/*
 * As the captured one, but with our token. A clone can not have the id that
 * its original wanted; what had no hello in the capture, since its beginning
 * is missing, says one all the same.
 */
static void
vclient_hello(struct vclient *vc)
{
	const struct tape_session *session = vc->session;
	const struct play_settings *set = &vc->play->set;
	struct bnet_message message = { .type = BNET_MSG_HELLO };

	message.u.hello = (struct bnet_hello){
		.version = BNET_PROTOCOL_VERSION,
		.role = session->role != 0 ? session->role : BNET_ROLE_CLIENT,
		.wanted_id = vc->plan->clone == 0 ? session->wanted_id : 0,
		.codecs = session->codecs,
		.frame_max_bytes = session->frame_max_bytes != 0
		    ? session->frame_max_bytes
		    : BNET_FRAME_MAX_BYTES,
		.name = bnet_string_of(tape_text(set->tape, session->name)),
		.token = bnet_string_of(set->token),
	};
	say_message(vc, &message, 0);
}

static void
vclient_keepalive(struct vclient *vc, int64_t now_ns)
{
	const struct bnet_message message = { .type = BNET_MSG_KEEPALIVE };

	say_message(vc, &message, (uint64_t)now_ns / US_NS | PLAY_OWN_PING);
}

/* ---- records ---- */

/*
 * The payload as it was captured, or plain, for the codec that is asked for:
 * then the engine compresses it. False: it is corrupt, and goes as it was.
 */
static bool
set_payload(struct vclient *vc, const struct tape_record *record,
    struct bnet_packet *packet)
{
	struct bnet_slice payload = tape_payload(record);
	struct play_worker *worker = vc->worker;

	if (record->codec == BNET_CODEC_NONE) {
		packet->payload = payload;
		return true;
	}
	packet->codec = (enum bnet_codec_id)record->codec;
	packet->wire_payload = payload;
	if (vc->play->set.opt->codec == REPLAY_CODEC_AS_RECORDED)
		return true;
	if (bnet_codec_decode(engine_worker_codecs(worker->engine),
		packet->codec, (enum bnet_order)vc->session->order, payload,
		BNET_PAYLOAD_MAX_BYTES, &worker->plain) != BNET_OK)
		return false;
	packet->codec = BNET_CODEC_NONE;
	packet->payload = bnet_buf_slice(&worker->plain);
	return true;
}

/* What is open is bounded; the oldest makes room. */
static void
expect_answer(struct vclient *vc, const struct bnet_packet *packet,
    const struct bnet_header *header, int64_t due_ns)
{
	const struct pairing_request request = pairing_request(
	    header, packet->codec, packet->payload, (uint64_t)due_ns);

	if (vc->pairing.n >= OPEN_MAX)
		vclient_give_up(vc, clock_now_ns());
	if (!pairing_sent(&vc->pairing, &request))
		vc->n_answers++; /* no memory: nobody waits for it */
}

static void
note_sent(struct vclient *vc, int64_t due_ns, int64_t now_ns, int32_t key,
    size_t n_bytes)
{
	struct play_worker *worker = vc->worker;
	bool asap = vc->play->set.opt->timing == REPLAY_ASAP;
	bool held = due_ns < vc->held_until_ns;
	int64_t late_ns = asap ? -1 : now_ns - due_ns;

	vc->last_sent_ns = now_ns;
	results_sent(&worker->results, due_ns - vc->play->start_ns, late_ns,
	    held, key, n_bytes);
	if (asap || held)
		return;
	hdr_add(&worker->window, late_ns);
	if (late_ns > worker->window_max_ns)
		worker->window_max_ns = late_ns;
}

static enum vclient_sent
sent_as(struct vclient *vc, const struct tape_record *record, int64_t now_ns,
    enum engine_sent sent)
{
	switch (sent) {
	case ENGINE_QUEUED:
		return VCLIENT_SENT;
	case ENGINE_TOO_LARGE:
		results_count(&vc->worker->results, RESULTS_UNSENDABLE, 1);
		/* nobody waits for its answer, and time goes on from here */
		vc->last_sent_ns = now_ns;
		vc->n_answers += (record->flags & TAPE_R_ANSWERED) != 0;
		return VCLIENT_SKIPPED;
	default:
		return VCLIENT_LATER;
	}
}

static size_t
queued_bytes(const struct engine_sendq *sendq)
{
	return atomic_load_explicit(&sendq->queued_bytes, memory_order_relaxed);
}

static enum vclient_sent
vclient_send(struct vclient *vc, const struct tape_record *record,
    int64_t due_ns, int64_t now_ns)
{
	const struct play *play = vc->play;
	struct engine_sendq *sendq = engine_conn_sendq(vc->conn);
	const struct rewrite_context context = {
		.opt = play->set.opt,
		.ids = &play->ids,
		.session = vc->session,
		.clone = vc->plan->clone,
		.round = vc->who.round,
		.now_us = ((uint64_t)now_ns / US_NS) & ~PLAY_OWN_PING,
	};
	struct bnet_packet packet = { .has_oob =
					  (record->flags & TAPE_R_OOB) != 0 };
	struct bnet_header header = { .key = 0 };
	enum vclient_sent sent;
	size_t before = queued_bytes(sendq);

	if (before > QUEUE_MAX_BYTES)
		return VCLIENT_LATER;
	packet.oob = tape_oob(record);
	if ((record->flags & TAPE_R_HEADER) != 0)
		(void)rewrite_header(&vc->rewrite, &vc->worker->scratch,
		    &context, record, &packet.oob, &header);
	(void)set_payload(vc, record, &packet);
	sent = sent_as(vc, record, now_ns,
	    engine_send(vc->worker->engine, sendq, &packet, true));
	if (sent != VCLIENT_SENT)
		return sent;
	/* as it is on the wire: the engine may have compressed it */
	note_sent(vc, due_ns, now_ns, header.key, queued_bytes(sendq) - before);
	if ((record->flags & TAPE_R_ANSWERED) != 0)
		expect_answer(vc, &packet, &header, due_ns);
	return VCLIENT_SENT;
}

/* ---- what is due, and when it looks again ---- */

static bool
says_hello(const struct tape_session *session)
{
	return (session->flags & (TAPE_S_HELLO | TAPE_S_MESSAGES)) != 0;
}

/* ---- what is due ---- */

static int64_t
by_the_clock(struct vclient *vc, const struct tape_record *record)
{
	const struct play_settings *set = &vc->play->set;

	if (set->opt->timing == REPLAY_ASAP)
		return vc->ready_ns;
	return vc->ready_ns +
	    plan_due_ns(vc->plan, vc->session, set->opt, record, &vc->cursor);
}

/* The pure think time, behind the answers and the last frame. */
static int64_t
after_thinking(const struct vclient *vc)
{
	const struct replay_options *opt = vc->play->set.opt;
	int64_t from_ns = vc->ready_ns, think_ns = vc->next->think_ns;

	if (vc->last_answer_ns > from_ns)
		from_ns = vc->last_answer_ns;
	if (vc->last_sent_ns > from_ns)
		from_ns = vc->last_sent_ns;
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
next_due(struct vclient *vc)
{
	enum replay_pacing pacing = vc->play->set.opt->pacing;

	if (vc->due_ns == 0 && pacing != REPLAY_CLOSED)
		vc->due_ns = by_the_clock(vc, vc->next);
	if (pacing == REPLAY_OPEN)
		return vc->due_ns;
	/* where nothing is open no answer comes any more */
	if (vc->n_answers < vc->next->answers_before &&
	    !pairing_is_empty(&vc->pairing))
		return LATER_NS;
	if (pacing == REPLAY_CLOSED)
		return after_thinking(vc);
	return vc->last_answer_ns > vc->due_ns ? vc->last_answer_ns
					       : vc->due_ns;
}

/* The moment at which the captured client left. */
static int64_t
end_due(struct vclient *vc)
{
	struct tape_record end = { .at_ns = vc->session->end_ns };

	if (vc->end_due_ns == 0)
		vc->end_due_ns =
		    vc->stopped ? vc->ready_ns : by_the_clock(vc, &end);
	return vc->end_due_ns;
}

/* ---- the end ---- */

/* With --diff what comes late is waited for, but not for ever. */
static bool
may_end(struct vclient *vc, int64_t now_ns)
{
	int64_t quiet_ns = vc->last_compared_ns, over_ns = end_due(vc);

	if (!pairing_is_empty(&vc->pairing) || now_ns < over_ns)
		return false;
	if (vc->worker->diff == NULL || vc->draining)
		return true;
	if (vc->last_sent_ns > over_ns)
		over_ns = vc->last_sent_ns;
	if (over_ns > quiet_ns)
		quiet_ns = over_ns;
	return now_ns - quiet_ns >= DIFF_QUIET_NS ||
	    now_ns - over_ns >= vc->play->set.opt->answer_timeout_ns;
}

static void
finish(struct vclient *vc)
{
	vc->state = VCLIENT_CLOSING;
	engine_conn_finish(vc->conn);
}

/* ---- sending what is due ---- */

/*
 * When the virtual client of that session begins, who is not in yet; 0: they
 * are here, or not expected. The id of a stock client is unknown, so nobody
 * waits.
 */
static int64_t
comes_ns(const struct vclient *vc, uint32_t ref)
{
	const struct play *play = vc->play;

	if (ref >= tape_head(play->set.tape)->n_sessions ||
	    !says_hello(tape_session(play->set.tape, ref)) ||
	    !id_map_is_coming(&play->ids, vc->who.round, ref, vc->plan->clone))
		return 0;
	return vc->start_ns - vc->plan->start_ns +
	    play->set.plan
		->vclients[id_map_vclient(&play->ids, ref, vc->plan->clone)]
		.start_ns;
}

/*
 * It is for virtual clients who are not in yet: in the capture they were there.
 * It is not due before they are to come (a ramp may make that late); when they
 * are, it is the cluster's fault, so nothing is late.
 */
static bool
must_wait(struct vclient *vc, int64_t due_ns, int64_t now_ns)
{
	const struct replay_options *opt = vc->play->set.opt;
	int64_t last_ns = comes_ns(vc, vc->next->ref);

	for (uint32_t i = 0; i < vc->next->n_refs; i++) {
		int64_t at_ns = comes_ns(vc, tape_ref(vc->next, i));

		if (at_ns > last_ns)
			last_ns = at_ns;
	}
	vc->waits = false;
	if (last_ns == 0 ||
	    now_ns - (due_ns > last_ns ? due_ns : last_ns) >=
		opt->answer_timeout_ns)
		return false;
	if (last_ns > now_ns && opt->pacing != REPLAY_CLOSED) {
		vc->due_ns = last_ns;
		return true;
	}
	vc->waits = true;
	vc->held_until_ns = now_ns;
	return true;
}

static void
send_due(struct vclient *vc)
{
	bool asap = vc->play->set.opt->timing == REPLAY_ASAP;
	int64_t now_ns = clock_now_ns(), due_ns;

	while (vc->next != NULL) {
		due_ns = next_due(vc);
		if (!asap || due_ns > now_ns)
			now_ns = clock_now_ns();
		if (due_ns <= now_ns && asap)
			due_ns = now_ns; /* then it is due when it goes */
		if (due_ns <= now_ns && must_wait(vc, due_ns, now_ns))
			return;
		if (due_ns > now_ns ||
		    vclient_send(vc, vc->next, due_ns, now_ns) == VCLIENT_LATER)
			return;
		vclient_advance(vc);
	}
}

static void
vclient_pump(struct vclient *vc)
{
	if (vc->state != VCLIENT_PLAYING || engine_conn_is_blocked(vc->conn))
		return; /* if it is, vclient_drained() comes */
	send_due(vc);
	if (vc->next == NULL)
		vc->state = VCLIENT_ENDING;
}

/* ---- time ---- */

static int64_t
earlier(int64_t a_ns, int64_t b_ns)
{
	return b_ns != 0 && b_ns < a_ns ? b_ns : a_ns;
}

/* The oldest request is given up then; 0: there is none. */
static int64_t
give_up_ns(const struct vclient *vc)
{
	return pairing_is_empty(&vc->pairing)
	    ? 0
	    : (int64_t)pairing_oldest(&vc->pairing)->user +
		vc->play->set.opt->answer_timeout_ns;
}

static void
vclient_arm(struct vclient *vc, int64_t now_ns)
{
	int64_t at_ns = LATER_NS;

	if (vc->state == VCLIENT_CLOSING)
		return;
	if (vc->state == VCLIENT_GREETED)
		at_ns = vc->ready_ns + WELCOME_TIMEOUT_NS;
	if (vc->state == VCLIENT_PLAYING && !engine_conn_is_blocked(vc->conn))
		at_ns = next_due(vc);
	if (vc->state == VCLIENT_PLAYING && vc->waits)
		at_ns = now_ns + AGAIN_NS;
	if (vc->state == VCLIENT_ENDING)
		at_ns = end_due(vc);
	if (vc->state == VCLIENT_ENDING && at_ns <= now_ns)
		at_ns = now_ns + DIFF_QUIET_NS / 8;
	at_ns = earlier(at_ns, vc->keepalive_at_ns);
	at_ns = earlier(at_ns, give_up_ns(vc));
	/* what is overdue waits until others have had their turn */
	if (at_ns <= engine_worker_now_ns(vc->worker->engine))
		at_ns = engine_worker_now_ns(vc->worker->engine) + 1;
	engine_conn_set_timer(vc->conn, at_ns);
}

static void
expire(struct vclient *vc, int64_t now_ns)
{
	while (!pairing_is_empty(&vc->pairing) && give_up_ns(vc) <= now_ns)
		vclient_give_up(vc, now_ns);
}

static void
no_welcome(struct vclient *vc)
{
	vc->gave_up = true;
	play_set_reason(vc->play, "no welcome in time");
	engine_conn_cut(vc->conn);
}

void
vclient_timer(struct vclient *vc, int64_t now_ns)
{
	if (vc->state == VCLIENT_GREETED &&
	    now_ns >= vc->ready_ns + WELCOME_TIMEOUT_NS) {
		no_welcome(vc);
		return;
	}
	expire(vc, now_ns);
	if (vc->keepalive_at_ns != 0 && now_ns >= vc->keepalive_at_ns) {
		vclient_keepalive(vc, now_ns);
		vc->keepalive_at_ns = now_ns + vc->keepalive_ns;
	}
	vclient_pump(vc);
	if (vc->state == VCLIENT_ENDING && may_end(vc, now_ns))
		finish(vc);
	vclient_arm(vc, now_ns);
}

/* The cluster took everything at last. */
void
vclient_drained(struct vclient *vc)
{
	vc->held_until_ns = clock_now_ns();
	if (vc->state == VCLIENT_PLAYING)
		engine_conn_set_timer(vc->conn, vc->held_until_ns);
}

/* ---- the beginning ---- */

/* When it would be ready, did the cluster take as long as in the capture. */
static int64_t
planned_ready_ns(const struct vclient *vc)
{
	const struct replay_options *opt = vc->play->set.opt;
	double after_ns = (double)vc->session->ready_ns / opt->speed;

	if (opt->timing != REPLAY_SPEED || after_ns < 0 ||
	    after_ns > (double)LATER_NS)
		return vc->start_ns;
	return vc->start_ns + (int64_t)after_ns;
}

/*
 * Times count from when it is ready; see plan_due_ns(). A cluster that takes
 * a little longer to let us in does not move them, as long as the first frame
 * is still to come: the schedule is an absolute one.
 */
static void
set_schedule(struct vclient *vc, int64_t now_ns)
{
	const struct replay_options *opt = vc->play->set.opt;
	int64_t first_ns, planned_ns = planned_ready_ns(vc);

	vc->ready_ns = now_ns;
	if (vc->next == NULL || opt->timing == REPLAY_ASAP ||
	    opt->pacing == REPLAY_CLOSED)
		return;
	vc->ready_ns = 0;
	first_ns = by_the_clock(vc, vc->next);
	vc->ready_ns = planned_ns;
	if (planned_ns + first_ns < now_ns)
		vc->ready_ns = now_ns - first_ns;
	vc->due_ns = vc->ready_ns + first_ns;
}

static void
vclient_up(struct vclient *vc, int64_t now_ns)
{
	set_schedule(vc, now_ns);
	vc->opened = true;
	results_ready(&vc->worker->results, now_ns - vc->start_ns);
	results_opened(&vc->worker->results, now_ns - vc->play->start_ns);
	vc->state = vc->next != NULL ? VCLIENT_PLAYING : VCLIENT_ENDING;
	if (vc->stopped)
		vclient_stop(vc);
	vclient_arm(vc, now_ns);
}

void
vclient_ready(struct vclient *vc, struct engine_conn *conn)
{
	int64_t now_ns = clock_now_ns();

	vc->conn = conn;
	results_count(&vc->worker->results, RESULTS_SESSIONS_BEGUN, 1);
	if (atomic_load(&vc->play->stopping) ||
	    atomic_load(&vc->play->production)) {
		vc->stopped = vc->draining = true;
		finish(vc);
		return;
	}
	if (!says_hello(vc->session)) {
		vclient_up(vc, now_ns);
		return;
	}
	vc->state = VCLIENT_GREETED;
	vc->ready_ns = now_ns; /* until the welcome */
	vclient_hello(vc);
	vclient_arm(vc, now_ns);
}

void
vclient_stop(struct vclient *vc)
{
	vc->draining = true;
	vc->stopped = vc->stopped || vc->next != NULL ||
	    vc->state < VCLIENT_PLAYING ||
	    (vc->state == VCLIENT_ENDING && end_due(vc) > clock_now_ns());
	if (vc->state == VCLIENT_GREETED)
		finish(vc);
	if (vc->state != VCLIENT_PLAYING && vc->state != VCLIENT_ENDING)
		return;
	vc->end_due_ns = vc->ready_ns;
	vc->state = VCLIENT_ENDING;
	vclient_arm(vc, clock_now_ns());
}

/* ---- what comes back ---- */

/* ---- what a relay says ---- */

static bool
decode(struct vclient *vc, const struct bnet_packet *packet,
    enum bnet_message_type type, struct bnet_message *message)
{
	size_t left;

	return bnet_message_decode(type, packet->payload, message,
		   &vc->worker->store, &left) == BNET_OK;
}

static void
set_codec(struct vclient *vc, const struct bnet_welcome *welcome)
{
	int codec = vc->play->set.opt->codec;
	uint32_t frame_max_bytes = welcome->frame_max_bytes;

	if (frame_max_bytes == 0 || frame_max_bytes > BNET_FRAME_MAX_BYTES_TOP)
		frame_max_bytes = BNET_FRAME_MAX_BYTES;
	/* a bit each; what is recorded goes as it is */
	engine_conn_set_peer(vc->conn,
	    codec == REPLAY_CODEC_AS_RECORDED ||
		    ((uint32_t)codec & welcome->codecs) == 0
		? BNET_CODEC_NONE
		: (enum bnet_codec_id)codec,
	    frame_max_bytes);
}

static void
on_welcome(struct vclient *vc, const struct bnet_message *message)
{
	const struct bnet_welcome *welcome = &message->u.welcome;
	uint32_t keepalive_ms = welcome->keepalive_ms;
	int64_t now_ns = clock_now_ns();

	if (vc->state != VCLIENT_GREETED)
		return;
	play_set_environment(vc->play, &welcome->environment);
	vc->rewrite.id = welcome->id;
	vc->rewrite.relay_id = welcome->relay_id;
	id_map_set(&vc->play->ids, &vc->who, welcome->id);
	set_codec(vc, welcome);
	if (keepalive_ms != 0 && keepalive_ms < KEEPALIVE_MIN_MS)
		keepalive_ms = KEEPALIVE_MIN_MS;
	vc->keepalive_ns = (int64_t)keepalive_ms * MS_NS;
	if (vc->keepalive_ns != 0)
		vc->keepalive_at_ns = now_ns + vc->keepalive_ns;
	vclient_up(vc, now_ns);
}

static void
on_refuse(struct vclient *vc, const struct bnet_message *message)
{
	const struct bnet_refuse *refuse = &message->u.refuse;
	char why[PLAY_REASON_CHARS];

	vc->refused = true;
	snprintf(why, sizeof(why), "refused: %s: %.*s",
	    bnet_code_name(refuse->code), (int)refuse->reason.len_bytes,
	    refuse->reason.p != NULL ? refuse->reason.p : "");
	play_set_reason(vc->play, why);
}

/* One that somebody may wait for. */
static void
vclient_answered(struct vclient *vc, int64_t now_ns)
{
	vc->n_answers++;
	vc->last_answer_ns = now_ns;
	if (vc->play->set.opt->pacing != REPLAY_OPEN)
		vclient_pump(vc);
	vclient_arm(vc, now_ns);
}

/* True: it is the answer to one of our requests, such as it is. */
static bool
take_answer(struct vclient *vc, const struct bnet_packet *packet,
    struct pairing_request *request)
{
	return pairing_received(
	    &vc->pairing, packet, &vc->worker->store, request);
}

static void
on_error(struct vclient *vc, const struct bnet_packet *packet,
    const struct bnet_message *message)
{
	const struct bnet_error *error = &message->u.error;
	struct pairing_request request;
	int64_t now_ns = clock_now_ns();

	results_error(&vc->worker->results, now_ns - vc->play->start_ns,
	    error->key, error->code);
	if (!take_answer(vc, packet, &request))
		return;
	results_unanswered(&vc->worker->results,
	    (int64_t)request.user - vc->play->start_ns, request.key);
	vclient_answered(vc, now_ns);
}

static void
send_pong(struct vclient *vc, const struct bnet_header *asked)
{
	static const uint8_t bytes[PONG_BYTES];
	const struct bnet_header header = {
		.key = BNET_KEY_PONG,
		.priority = true,
		.timestamp = asked->timestamp & ~BNET_TIMESTAMP_PING_BACK,
	};

	vclient_say(vc, &header, (struct bnet_slice){ bytes, sizeof(bytes) });
	if ((asked->timestamp & BNET_TIMESTAMP_PING_BACK) != 0 &&
	    vc->keepalive_ns != 0)
		vclient_keepalive(vc, clock_now_ns());
}

/*
 * Our pings carry when they were sent, with PLAY_OWN_PING where they are not of
 * the capture; what a stranger made up is no time.
 */
static void
on_pong(struct vclient *vc, const struct bnet_header *header)
{
	int64_t now_ns = clock_now_ns(), sent_ns;
	const struct bnet_header ping = { .timestamp = header->latency_ms };

	if (header->latency_ms != 0)
		send_pong(vc, &ping); /* a ping travels there, too */
	if (header->timestamp > (uint64_t)now_ns / US_NS ||
	    (header->timestamp & PLAY_OWN_PING) != 0)
		return;
	sent_ns = (int64_t)header->timestamp * US_NS;
	if (sent_ns >= vc->start_ns)
		results_answered(&vc->worker->results,
		    sent_ns - vc->play->start_ns, BNET_KEY_PONG,
		    now_ns - sent_ns);
}

/* Somebody measures us: the captured reply would not be theirs. */
static void
on_echo(struct vclient *vc, const struct bnet_header *asked,
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
	message->u.echo.received_ns = (uint64_t)clock_unix_ns();
	message->u.echo.replied_ns = (uint64_t)clock_unix_ns();
	bnet_buf_clear(&vc->worker->body);
	if (bnet_message_encode(message, &vc->worker->body) == BNET_OK)
		vclient_say(vc, &header, bnet_buf_slice(&vc->worker->body));
}

/* True: it was a session message, and is dealt with. */
static bool
take_message(struct vclient *vc, const struct bnet_packet *packet)
{
	enum bnet_message_type type = bnet_message_type(packet->header.key);
	bool hop = packet->header.dest_type == BNET_DEST_HOP;
	struct bnet_message message;

	if (type == BNET_MSG_NONE || (!hop && type != BNET_MSG_ECHO) ||
	    !decode(vc, packet, type, &message))
		return false;
	switch (type) {
	case BNET_MSG_WELCOME:
		on_welcome(vc, &message);
		return true;
	case BNET_MSG_REFUSE:
		on_refuse(vc, &message);
		return true;
	case BNET_MSG_ERROR:
		on_error(vc, packet, &message);
		return true;
	case BNET_MSG_ECHO:
		on_echo(vc, &packet->header, &message);
		return true;
	default:
		return false;
	}
}

/* A stock client gets no welcome, but what is sent to it has its id. */
static void
learn_id(struct vclient *vc, const struct bnet_header *header)
{
	if (header->dest_type != BNET_DEST_CLIENT || header->forks != 0 ||
	    header->dest == 0 || vc->state < VCLIENT_PLAYING)
		return;
	vc->rewrite.id = (uint64_t)header->dest;
	id_map_set(&vc->play->ids, &vc->who, vc->rewrite.id);
}

/* ---- answers ---- */

static void
match(struct vclient *vc, const struct bnet_packet *packet, int64_t now_ns)
{
	struct pairing_request request;

	if (!take_answer(vc, packet, &request))
		return;
	results_answered(&vc->worker->results,
	    (int64_t)request.user - vc->play->start_ns, request.key,
	    now_ns - (int64_t)request.user);
	vclient_answered(vc, now_ns);
}

/* ---- --diff ---- */

static int64_t
captured_id(void *arg, bool node, int64_t id)
{
	const struct vclient *vc = arg;
	const struct replay_options *opt = vc->play->set.opt;

	for (size_t i = 0; node && i < opt->n_maps; i++)
		if (opt->maps[i].to == (uint64_t)id)
			return (int64_t)opt->maps[i].from;
	if (node && (uint64_t)id == vc->rewrite.relay_id &&
	    vc->session->relay_id != 0)
		return (int64_t)vc->session->relay_id;
	return (int64_t)id_map_captured(&vc->play->ids, node, (uint64_t)id);
}

static void
compare(struct vclient *vc, const struct bnet_packet *packet)
{
	const struct diff_ids ids = { captured_id, vc };

	if (diff_received(
		vc->worker->diff, &vc->diff, vc->plan->session, packet, &ids))
		vc->last_compared_ns = clock_now_ns();
}

/* ---- all ---- */

void
vclient_packet(struct vclient *vc, const struct bnet_packet *packet)
{
	const struct bnet_header *header = &packet->header;
	int64_t now_ns = clock_now_ns();
	int32_t key = packet->has_header ? header->key : 0;

	results_received(&vc->worker->results, now_ns - vc->play->start_ns, key,
	    (size_t)packet->size_bytes + BNET_FRAME_WORD_BYTES);
	if (vc->rewrite.id == 0 && packet->has_header)
		learn_id(vc, header);
	if (vc->worker->diff != NULL && vc->state >= VCLIENT_PLAYING)
		compare(vc, packet);
	if (!packet->has_header || key == 0)
		return;
	if (key == BNET_KEY_PONG && header->dest_type == BNET_DEST_HOP) {
		on_pong(vc, header);
		return;
	}
	if (header->timestamp != 0)
		send_pong(vc, header);
	if (!take_message(vc, packet) && vc->state >= VCLIENT_PLAYING)
		match(vc, packet, now_ns);
}

void
vclient_bad(struct vclient *vc)
{
	results_count(&vc->worker->results, RESULTS_BAD, 1);
}

/* ---- coming ---- */

static bool
connect_next(struct vclient *vc)
{
	const struct play_settings *set = &vc->play->set;
	const struct engine_connect want = {
		.address = set->addresses[vc->address],
		.tls = set->tls,
		.tls_host = set->tls_host,
		.order = (enum bnet_order)vc->session->order,
		.worker = vc->index % vc->play->n_workers,
		.user = vc,
	};

	return engine_connect(vc->play->engine, &want);
}

static void
list_add(struct vclient *vc)
{
	struct play *play = vc->play;

	pthread_mutex_lock(&play->lock);
	vc->after = play->vclients;
	if (vc->after != NULL)
		vc->after->before = vc;
	play->vclients = vc;
	pthread_mutex_unlock(&play->lock);
}

static void
list_remove(struct vclient *vc)
{
	struct play *play = vc->play;

	pthread_mutex_lock(&play->lock);
	if (vc->after != NULL)
		vc->after->before = vc->before;
	if (vc->before != NULL)
		vc->before->after = vc->after;
	else
		play->vclients = vc->after;
	pthread_mutex_unlock(&play->lock);
}

bool
vclient_begin(
    struct play *play, uint32_t index, uint32_t round, int64_t start_ns)
{
	const struct plan_vclient *plan = &play->set.plan->vclients[index];
	struct vclient *vc = calloc(1, sizeof(*vc));

	if (vc == NULL)
		return false;
	*vc = (struct vclient){
		.play = play,
		.plan = plan,
		.session = tape_session(play->set.tape, plan->session),
		.index = index,
		.worker = &play->workers[index % play->n_workers],
		.start_ns = start_ns,
		.who = {
			.vclient = index,
			.round = round,
			.captured = tape_session(play->set.tape,
			    plan->session)->id,
			.node = tape_is_node(tape_session(play->set.tape,
			    plan->session)),
		},
		.next = tape_first(play->set.tape, plan->session, CAP_UP),
	};
	vclient_skip_unsent(vc);
	list_add(vc);
	atomic_fetch_add(&play->n_running, 1);
	if (connect_next(vc))
		return true;
	list_remove(vc);
	free(vc);
	play_ended(play);
	return false;
}

/* ---- the end ---- */

static void
count_unsent(struct vclient *vc)
{
	uint64_t n = 0;

	for (; vc->next != NULL; vclient_advance(vc))
		n++;
	results_count(&vc->worker->results, RESULTS_UNSENT, n);
}

static enum results_count
outcome(const struct vclient *vc)
{
	if (vc->refused)
		return RESULTS_SESSIONS_REFUSED;
	if (vc->stopped)
		return RESULTS_SESSIONS_STOPPED;
	if (vc->state < VCLIENT_PLAYING)
		return RESULTS_SESSIONS_FAILED;
	return vc->state >= VCLIENT_ENDING ? RESULTS_SESSIONS_DONE
					   : RESULTS_SESSIONS_CUT;
}

static void
free_vclient(struct vclient *vc)
{
	struct play *play = vc->play;

	id_map_left(&play->ids, &vc->who, vc->rewrite.id);
	pairing_free(&vc->pairing);
	list_remove(vc);
	free(vc);
	play_ended(play);
}

static void
why_not(struct vclient *vc, enum engine_end end)
{
	const char *reason = engine_conn_reason(vc->conn);
	char why[PLAY_REASON_CHARS];

	if (vc->refused || vc->stopped || vc->state == VCLIENT_CLOSING ||
	    end == ENGINE_END_OWNER)
		return;
	if (reason[0] == '\0')
		reason = vc->state < VCLIENT_PLAYING
		    ? "closed before it was welcome"
		    : "closed by the cluster";
	snprintf(why, sizeof(why), "%s", reason);
	play_set_reason(vc->play, why);
}

static void
give_up_all(struct vclient *vc)
{
	while (!pairing_is_empty(&vc->pairing)) {
		results_unanswered(&vc->worker->results,
		    (int64_t)pairing_oldest(&vc->pairing)->user -
			vc->play->start_ns,
		    pairing_oldest(&vc->pairing)->key);
		pairing_drop_oldest(&vc->pairing);
	}
}

void
vclient_closed(
    struct vclient *vc, struct engine_conn *conn, enum engine_end end)
{
	const struct play_settings *set = &vc->play->set;

	vc->conn = conn;
	if (end == ENGINE_END_CONNECT && ++vc->address < set->n_addresses &&
	    connect_next(vc))
		return;
	if (vc->state == VCLIENT_CONNECTING)
		results_count(&vc->worker->results, RESULTS_SESSIONS_BEGUN, 1);
	if (end == ENGINE_END_OWNER && vc->state != VCLIENT_CLOSING &&
	    !vc->gave_up)
		vc->stopped = true; /* we quit, not the cluster */
	why_not(vc, end);
	results_count(&vc->worker->results, outcome(vc), 1);
	if (vc->opened)
		results_closed(
		    &vc->worker->results, clock_now_ns() - vc->play->start_ns);
	if (vc->worker->diff != NULL)
		diff_ended(vc->worker->diff, &vc->diff, vc->plan->session,
		    vc->stopped ? vc->next : NULL);
	give_up_all(vc);
	count_unsent(vc);
	free_vclient(vc);
}

void
vclient_cut(struct vclient *vc, struct engine_conn *conn)
{
	vc->stopped = true;
	engine_conn_cut(conn);
}

/* No memory or descriptor, so there was no connection at all. */
void
vclient_no_conn(struct vclient *vc)
{
	play_set_reason(vc->play, "out of memory or descriptors");
	results_count(&vc->worker->results, RESULTS_SESSIONS_FAILED, 1);
	if (vc->worker->diff != NULL)
		diff_ended(
		    vc->worker->diff, &vc->diff, vc->plan->session, NULL);
	count_unsent(vc);
	free_vclient(vc);
}

void
vclient_free_all(struct play *play)
{
	while (play->vclients != NULL) {
		struct vclient *vc = play->vclients;
		struct results *results = &vc->worker->results;

		/* its connection was not even begun: see vclient_closed() */
		results_count(results, RESULTS_SESSIONS_BEGUN, 1);
		results_count(results, RESULTS_SESSIONS_STOPPED, 1);
		count_unsent(vc);
		free_vclient(vc);
	}
}
