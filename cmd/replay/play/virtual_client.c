/* SPDX-License-Identifier: MIT */
/*
 * One virtual client: sends what is due, and arms the timer for the next time.
 *
 *	CONNECTING -> GREETED -> PLAYING -> ENDING -> CLOSING
 *	        '-> (a stock client says no hello) -^
 *
 * Owns a virtual client from vclient_begin() until its connection has ended.
 * Called by play.c, on the worker of the virtual client.
 */
#include "cmd/replay/play/virtual_client.h"

#include "cmd/common/clock.h"
#include "cmd/replay/tape/pairing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US_NS 1000
#define QUEUE_MAX_BYTES ((size_t)64 << 10) /* more than that waits */
#define OPEN_MAX 65536 /* requests per virtual client, 8 MiB */
#define DIFF_QUIET_NS INT64_C(1000000000) /* later frames are missing */
#define AGAIN_NS 1000000 /* retry interval while a peer is not connected yet */
#define LATER_NS (INT64_MAX / 4) /* never */
#define END_EARLY_NS 50000000 /* a session may end so much before its time */

enum vclient_state {
	VCLIENT_CONNECTING = 0,
	VCLIENT_GREETED, /* hello sent, no welcome yet */
	VCLIENT_PLAYING,
	VCLIENT_ENDING, /* all sent: awaits answers and the end */
	VCLIENT_CLOSING,
};

/*
 * One connection of one round. The connector creates it; then its worker owns
 * it.
 */
struct vclient {
	struct play *play;
	const struct plan_vclient *plan;
	const struct tape_session *session;
	uint32_t index; /* in the plan */
	struct id_map_who who;
	struct vclient *before, *after; /* in play->vclients, under its lock */
	enum vclient_state state;
	struct session client; /* hello, keepalives, pongs */
	struct play_worker *worker;
	int64_t start_ns; /* due to connect; all times are CLOCK_MONOTONIC */
	int64_t ready_ns;
	const struct tape_record *next; /* to send next; NULL: none */
	struct plan_cursor cursor;
	int64_t due_ns; /* due time of `next`; 0: not computed yet */
	int64_t end_due_ns; /* the captured end; 0: not computed yet */
	int64_t last_sent_ns, last_answer_ns;
	int64_t last_compared_ns; /* --diff: last frame compared */
	int64_t held_until_ns; /* the peer did not read until then */
	uint32_t n_answers; /* of those that the capture holds */
	/* records done with: sent or unsendable; not to be sent */
	uint32_t n_sent, n_skipped;
	struct pairing pairing;
	struct rewrite rewrite;
	struct diff_vclient diff;
	bool begun; /* it was counted as such */
	bool refused;
	bool opened; /* connected and accepted */
	bool gave_up; /* no welcome, or nothing else, came in time */
	bool draining; /* asked to end soon */
	bool stopped; /* stopped before it was done */
	int failure; /* errno: what we lacked for it; 0: nothing */
	bool waits; /* `next` is for a client that is not connected yet */
	bool rested; /* all was sent before this turn */
};

enum vclient_sent {
	VCLIENT_SENT,
	VCLIENT_SKIPPED, /* not to be sent, or impossible to send */
	VCLIENT_LATER, /* no room now */
};

static bool
says_hello(const struct tape_session *session)
{
	return (session->flags & (TAPE_S_HELLO | TAPE_S_MESSAGES)) != 0;
}

/* ---- records and answers ---- */

/* A stock peer would take a session message for its application's. */
static bool
is_for_relay_of_ours(struct vclient *vc)
{
	if (!vc->client.is_stock || (vc->next->flags & TAPE_R_MESSAGE) == 0 ||
	    !says_hello(vc->session))
		return false;
	results_count(&vc->worker->results, RESULTS_NOT_FOR_STOCK, 1);
	vc->n_answers += (vc->next->flags & TAPE_R_ANSWERED) != 0;
	return true;
}

static void
vclient_skip_unsent(struct vclient *vc)
{
	while (vc->next != NULL) {
		if (!plan_is_sent(vc->next))
			vc->n_skipped++;
		else if (is_for_relay_of_ours(vc))
			vc->n_sent++; /* it has a counter of its own */
		else
			return;
		vc->next = tape_next(vc->play->set.tape, vc->next);
	}
}

static void
vclient_advance(struct vclient *vc)
{
	vc->next = tape_next(vc->play->set.tape, vc->next);
	vclient_skip_unsent(vc);
	vc->due_ns = 0;
}

static const char *
method_of(const struct vclient *vc, uint32_t text)
{
	return tape_text(vc->play->set.tape, text);
}

/* No answer came, or another one than was asked for. */
static void
unanswered(struct vclient *vc, const struct pairing_request *request)
{
	struct results *results = &vc->worker->results;

	results_unanswered(
	    results, (int64_t)request->user - vc->play->start_ns, request->key);
	results_count(results, RESULTS_UNANSWERED_SEQUENCE, request->guessed);
	if (request->call.kind == CALL_MADE)
		results_call_unanswered(
		    results, method_of(vc, request->method));
}

/*
 * Gives up the oldest open request; frames that wait for its answer treat it as
 * answered. None waits for an answer that the capture lacks.
 */
static void
vclient_give_up(struct vclient *vc, int64_t now_ns)
{
	const struct pairing_request *oldest = pairing_oldest(&vc->pairing);
	bool awaited = !oldest->extra;

	unanswered(vc, oldest);
	pairing_drop_oldest(&vc->pairing);
	if (!awaited)
		return;
	vc->n_answers++;
	vc->last_answer_ns = now_ns;
}

/* ---- records ---- */

static enum bnet_order
order_of(const struct tape_session *session)
{
	return session->order == BNET_ORDER_NETWORK ? BNET_ORDER_NETWORK
						    : BNET_ORDER_LITTLE;
}

/* The raw size before a zlib stream is in the byte order of the connection. */
static bool
reorder_size(struct play_worker *worker, struct bnet_packet *packet)
{
	struct bnet_slice in = packet->wire_payload;
	uint8_t *p;

	bnet_buf_clear(&worker->plain);
	if (in.len < sizeof(uint32_t) ||
	    bnet_buf_append(&worker->plain, in) != BNET_OK)
		return false;
	p = worker->plain.p + worker->plain.at;
	for (size_t i = 0; i < sizeof(uint32_t); i++)
		p[i] = in.p[sizeof(uint32_t) - 1 - i];
	packet->wire_payload = bnet_buf_slice(&worker->plain);
	return true;
}

/*
 * The payload as captured, or decompressed for the requested codec, so that the
 * engine compresses it. Returns false if it is corrupt: then it is sent
 * unchanged.
 */
static bool
set_payload(struct vclient *vc, const struct tape_record *record,
    struct bnet_packet *packet)
{
	struct bnet_slice payload = tape_payload(record);
	struct play_worker *worker = vc->worker;
	bool reordered = order_of(vc->session) != vc->client.order;

	if (record->codec == BNET_CODEC_NONE) {
		packet->payload = payload;
		return true;
	}
	packet->codec = (enum bnet_codec_id)record->codec;
	packet->wire_payload = payload;
	if (vc->play->set.opt->codec == REPLAY_CODEC_AS_RECORDED)
		return !reordered || record->codec != BNET_CODEC_ZLIB ||
		    reorder_size(worker, packet);
	if (bnet_codec_decode(engine_worker_codecs(worker->engine),
		packet->codec, (enum bnet_order)vc->session->order, payload,
		BNET_PAYLOAD_MAX_BYTES, &worker->plain) != BNET_OK)
		return false;
	packet->codec = BNET_CODEC_NONE;
	packet->payload = bnet_buf_slice(&worker->plain);
	return true;
}

/* ---- --rewrite-payload ---- */

/* Whose ids are to be rewritten. */
struct sender {
	struct vclient *vc;
	const struct tape_macho *macho;
};

/* Of a client: our own, or that of the client which the tape names. */
static int64_t
live_client(void *arg, int64_t id)
{
	const struct sender *from = arg;
	const struct vclient *vc = from->vc;
	const struct tape_macho *macho = from->macho;
	bool own = vc->session->id != 0 ? (uint64_t)id == vc->session->id
					: macho->kind == CALL_MADE &&
		id == macho->client && macho->client_ref == TAPE_NONE;
	uint64_t live = 0;

	if (own && !tape_is_node(vc->session))
		live = vc->rewrite.id;
	else if (id == macho->client && macho->client_ref != TAPE_NONE)
		live = id_map_id(&vc->play->ids, vc->who.round,
		    macho->client_ref, vc->plan->clone);
	return live != 0 ? (int64_t)live : id;
}

/*
 * Unique for each clone and round: as many ids as the calls of the capture
 * have lie between them.
 */
static bool
live_call(void *arg, int64_t id, int64_t *to)
{
	const struct sender *from = arg;
	const struct vclient *vc = from->vc;
	const struct tape_head *head = tape_head(vc->play->set.tape);
	int64_t copy =
	    (int64_t)(vc->who.round - 1) * vc->play->set.plan->n_clones +
	    vc->plan->clone;
	int64_t span;

	*to = id;
	return copy == 0 ||
	    (!__builtin_sub_overflow(
		 head->last_call_id, head->first_call_id, &span) &&
		!__builtin_add_overflow(span, 1, &span) &&
		!__builtin_mul_overflow(span, copy, &span) &&
		!__builtin_add_overflow(id, span, to));
}

/*
 * Compresses a rewritten payload as the captured one was, if that is worth it
 * (as proto/link has it).
 */
static void
recode(struct vclient *vc, enum bnet_codec_id codec, struct bnet_packet *packet)
{
	struct play_worker *worker = vc->worker;

	packet->codec = BNET_CODEC_NONE;
	if (codec == BNET_CODEC_NONE ||
	    packet->payload.len < BNET_THRESHOLD_BYTES ||
	    bnet_codec_encode(engine_worker_codecs(worker->engine), codec,
		vc->client.order, packet->payload,
		&worker->recoded) != BNET_OK ||
	    worker->recoded.len * 100 >= packet->payload.len * 90)
		return;
	packet->codec = codec;
	packet->wire_payload = bnet_buf_slice(&worker->recoded);
}

/* The payload in *packet, rewritten if it can be. */
static enum rewrite_result
rewrite_packet(struct vclient *vc, const struct tape_record *record,
    const struct tape_macho *macho, struct bnet_packet *packet)
{
	struct sender from = { vc, macho };
	const struct rewrite_ids ids = { live_client, live_call, &from };
	struct play_worker *worker = vc->worker;
	enum bnet_codec_id codec = packet->codec;
	struct bnet_slice plain = packet->payload;
	enum rewrite_result result;

	if (worker->rewriter == NULL ||
	    (record->flags & (TAPE_R_MESSAGE | TAPE_R_HELLO)) != 0)
		return REWRITE_NOTHING;
	if (codec != BNET_CODEC_NONE) {
		if (bnet_codec_decode(engine_worker_codecs(worker->engine),
			codec, (enum bnet_order)vc->session->order,
			tape_payload(record), BNET_PAYLOAD_MAX_BYTES,
			&worker->plain) != BNET_OK) {
			(void)set_payload(vc, record, packet);
			return REWRITE_MALFORMED;
		}
		plain = bnet_buf_slice(&worker->plain);
	}
	result = rewrite_payload(worker->rewriter, plain, &ids, &plain);
	if (result == REWRITE_DONE) {
		packet->payload = plain;
		recode(vc, codec, packet);
	} else if (codec != BNET_CODEC_NONE) {
		(void)set_payload(vc, record, packet);
	}
	return result;
}

static void
count_rewritten(struct vclient *vc, enum rewrite_result result)
{
	if (result != REWRITE_NOTHING)
		results_count(&vc->worker->results,
		    (enum results_count)(
			RESULTS_REWRITTEN + (int)(result - REWRITE_DONE)),
		    1);
}

/* ---- what is owed for a frame ---- */

/* A record that is sent now. */
struct sending {
	const struct tape_record *record;
	int64_t due_ns;
	struct tape_macho macho; /* kind CALL_NONE: no call or answer */
	enum rewrite_result rewritten;
};

/* The number of open requests is bounded; drops the oldest if needed. */
static void
enter(struct vclient *vc, const struct pairing_request *request)
{
	if (vc->pairing.n >= OPEN_MAX)
		vclient_give_up(vc, clock_now_ns());
	if (!pairing_sent(&vc->pairing, request))
		vc->n_answers += !request->extra; /* nothing waits for it */
}

/*
 * Does the protocol answer it? A node or a client answers an echo, the relay an
 * echo or a roster of those that take session messages.
 */
static bool
is_request(const struct vclient *vc, const struct bnet_header *header)
{
	if (header->forks != 0)
		return false;
	switch (header->dest_type) {
	case BNET_DEST_HOP:
		return says_hello(vc->session) &&
		    (header->key == BNET_KEY_ECHO ||
			header->key == bnet_message_key(BNET_MSG_ROSTER));
	case BNET_DEST_NODE:
	case BNET_DEST_CLIENT:
		return header->key == BNET_KEY_ECHO;
	default:
		return false;
	}
}

static void
expect_answer(struct vclient *vc, const struct bnet_packet *packet,
    const struct bnet_header *header, const struct tape_record *record,
    int64_t due_ns)
{
	struct pairing_request request = pairing_request(
	    header, packet->codec, packet->payload, (uint64_t)due_ns);

	request.error = tape_error(record);
	request.guessed = request.error == 0 && !is_request(vc, header);
	enter(vc, &request);
}

/* Sent is a call with an id: somebody owes its answer. */
static void
expect_result(struct vclient *vc, const struct bnet_packet *packet,
    const struct bnet_header *header, const struct tape_record *record,
    struct tape_macho *macho, bool rewritten, int64_t due_ns)
{
	struct sender from = { vc, macho };
	struct pairing_request request = pairing_request(
	    header, packet->codec, packet->payload, (uint64_t)due_ns);

	request.error = tape_error(record);
	request.call = (struct call){ .kind = CALL_MADE,
		.has_id = true,
		.id = macho->call_id,
		.client = macho->client };
	if (rewritten) {
		(void)live_call(&from, macho->call_id, &request.call.id);
		request.call.client = live_client(&from, macho->client);
	}
	request.captured_id = macho->call_id;
	request.method = macho->method;
	request.failed = (record->flags & TAPE_R_CALL_FAILED) != 0;
	request.extra = (record->flags & TAPE_R_ANSWERED) == 0;
	if (request.extra && vc->session->n[CAP_DOWN] > 0)
		results_count(
		    &vc->worker->results, RESULTS_UNANSWERED_CAPTURED, 1);
	enter(vc, &request);
}

/*
 * A request whose answer is not in the capture is answered nevertheless. The
 * cookie of an echo is inside its payload, so a compressed one is decoded.
 */
static void
expect_uncaptured(struct vclient *vc, const struct bnet_header *header,
    const struct tape_record *record, int64_t due_ns)
{
	struct bnet_slice payload = tape_payload(record);
	struct play_worker *worker = vc->worker;
	struct pairing_request request;

	if (!is_request(vc, header))
		return;
	if (record->codec != BNET_CODEC_NONE) {
		if (bnet_codec_decode(engine_worker_codecs(worker->engine),
			(enum bnet_codec_id)record->codec,
			(enum bnet_order)vc->session->order, payload,
			BNET_PAYLOAD_MAX_BYTES, &worker->plain) != BNET_OK)
			return;
		payload = bnet_buf_slice(&worker->plain);
	}
	request =
	    pairing_request(header, BNET_CODEC_NONE, payload, (uint64_t)due_ns);
	request.extra = true;
	if (vc->session->n[CAP_DOWN] > 0)
		results_count(&worker->results, RESULTS_UNANSWERED_CAPTURED, 1);
	enter(vc, &request);
}

/* The neighbour answers a ping, unless it is without a key. */
static void
expect_pong(
    struct vclient *vc, const struct bnet_header *header, int64_t due_ns)
{
	struct pairing_request ping = pairing_ping(
	    header->timestamp & ~BNET_TIMESTAMP_PING_BACK, (uint64_t)due_ns);

	session_note_ping(&vc->client, header->timestamp);
	ping.extra = true;
	if (header->key != 0)
		enter(vc, &ping);
}

/* What is owed for a frame that was sent, of n_bytes on the wire. */
static void
expect(struct vclient *vc, const struct bnet_packet *packet,
    const struct bnet_header *header, const struct sending *sending,
    size_t n_bytes)
{
	const struct tape_record *record = sending->record;
	int64_t due_ns = sending->due_ns;
	struct tape_macho macho = sending->macho;

	if (macho.kind == CALL_MADE) {
		results_called(
		    &vc->worker->results, method_of(vc, macho.method), n_bytes);
		expect_result(vc, packet, header, record, &macho,
		    sending->rewritten == REWRITE_DONE, due_ns);
	} else if ((record->flags & TAPE_R_ANSWERED) != 0) {
		expect_answer(vc, packet, header, record, due_ns);
	} else if (header->key != 0) {
		expect_uncaptured(vc, header, record, due_ns);
	}
	if (header->timestamp != 0 && header->key != BNET_KEY_PONG)
		expect_pong(vc, header, due_ns);
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
		vc->n_sent++;
		/* no answer is expected, and think time starts here */
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

/*
 * Hands the frame to the engine, as captured if it has become too large for
 * the peer.
 */
static enum engine_sent
hand_over(
    struct vclient *vc, struct bnet_packet *packet, struct sending *sending)
{
	struct engine_sendq *sendq = engine_conn_sendq(vc->client.conn);
	struct engine_worker *engine = vc->worker->engine;
	enum engine_sent sent;

	(void)set_payload(vc, sending->record, packet);
	sending->rewritten =
	    rewrite_packet(vc, sending->record, &sending->macho, packet);
	sent = engine_send(engine, sendq, packet, true);
	if (sent != ENGINE_TOO_LARGE || sending->rewritten != REWRITE_DONE)
		return sent;
	packet->codec = BNET_CODEC_NONE;
	(void)set_payload(vc, sending->record, packet);
	sending->rewritten = REWRITE_TOO_LARGE;
	return engine_send(engine, sendq, packet, true);
}

static enum vclient_sent
vclient_send(struct vclient *vc, const struct tape_record *record,
    int64_t due_ns, int64_t now_ns)
{
	const struct play *play = vc->play;
	struct engine_sendq *sendq = engine_conn_sendq(vc->client.conn);
	const struct rewrite_context context = {
		.opt = play->set.opt,
		.ids = &play->ids,
		.session = vc->session,
		.clone = vc->plan->clone,
		.round = vc->who.round,
		.now_us = (uint64_t)now_ns / US_NS,
	};
	struct bnet_packet packet = { .has_oob =
					  (record->flags & TAPE_R_OOB) != 0 };
	struct bnet_header header = { .key = 0 };
	struct sending sending = { .record = record, .due_ns = due_ns };
	enum vclient_sent sent;
	size_t before = queued_bytes(sendq);

	if (before > QUEUE_MAX_BYTES)
		return VCLIENT_LATER;
	packet.oob = tape_oob(record);
	if ((record->flags & TAPE_R_HEADER) != 0)
		(void)rewrite_header(&vc->rewrite, &vc->worker->scratch,
		    &context, record, &packet.oob, &header);
	if (!tape_macho(record, &sending.macho))
		sending.macho = (struct tape_macho){ .client_ref = TAPE_NONE };
	sent = sent_as(vc, record, now_ns, hand_over(vc, &packet, &sending));
	if (sent != VCLIENT_SENT)
		return sent;
	/* size on the wire: the engine may have compressed it */
	note_sent(vc, due_ns, now_ns, header.key, queued_bytes(sendq) - before);
	vc->n_sent++;
	count_rewritten(vc, sending.rewritten);
	expect(vc, &packet, &header, &sending, queued_bytes(sendq) - before);
	return VCLIENT_SENT;
}

/* ---- scheduling ---- */

static int64_t
by_the_clock(struct vclient *vc, const struct tape_record *record)
{
	const struct play_settings *set = &vc->play->set;

	if (set->opt->timing == REPLAY_ASAP)
		return vc->ready_ns;
	return vc->ready_ns +
	    plan_due_ns(vc->plan, vc->session, set->opt, record, &vc->cursor);
}

/*
 * The end of the think time, which starts at the last answer or the last frame.
 */
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
	/* with no open request, no answer can come any more */
	if (vc->n_answers < vc->next->answers_before &&
	    !pairing_is_empty(&vc->pairing))
		return LATER_NS;
	if (pacing == REPLAY_CLOSED)
		return after_thinking(vc);
	return vc->last_answer_ns > vc->due_ns ? vc->last_answer_ns
					       : vc->due_ns;
}

/* The time at which the captured client left. */
static int64_t
end_due(struct vclient *vc)
{
	struct tape_record end = { .at_ns = vc->session->end_ns };

	if (vc->end_due_ns == 0)
		vc->end_due_ns =
		    vc->stopped ? vc->ready_ns : by_the_clock(vc, &end);
	return vc->end_due_ns;
}

/* ---- ending ---- */

/* With --diff, waits for late frames, up to a limit. */
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
	engine_conn_finish(vc->client.conn);
}

/* ---- sending what is due ---- */

/*
 * When the virtual client of that session begins, if it is not connected yet;
 * 0: it is connected, or not expected. The id of a stock client is unknown, so
 * it is never awaited.
 */
static int64_t
comes_ns(const struct vclient *vc, uint32_t ref)
{
	const struct play *play = vc->play;

	if (atomic_load(&play->stock) ||
	    ref >= tape_head(play->set.tape)->n_sessions ||
	    !says_hello(tape_session(play->set.tape, ref)) ||
	    !id_map_is_coming(&play->ids, vc->who.round, ref, vc->plan->clone))
		return 0;
	return vc->start_ns - vc->plan->start_ns +
	    play->set.plan
		->vclients[id_map_vclient(&play->ids, ref, vc->plan->clone)]
		.start_ns;
}

/*
 * The record is for virtual clients that are not connected yet, but were in the
 * capture. It is not due before they are due to connect (a ramp may delay
 * that); later than that it is the cluster's fault, so nothing counts as late.
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
			due_ns = now_ns; /* due when it can be sent */
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
	if (vc->state != VCLIENT_PLAYING ||
	    engine_conn_is_blocked(vc->client.conn))
		return; /* when blocked, vclient_drained() resumes */
	send_due(vc);
	if (vc->next == NULL)
		vc->state = VCLIENT_ENDING;
}

/* ---- timers ---- */

static int64_t
earlier(int64_t a_ns, int64_t b_ns)
{
	return b_ns != 0 && b_ns < a_ns ? b_ns : a_ns;
}

/* When the oldest request is given up; 0: there is none. */
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
	if (vc->state == VCLIENT_PLAYING &&
	    !engine_conn_is_blocked(vc->client.conn))
		at_ns = next_due(vc);
	if (vc->state == VCLIENT_PLAYING && vc->waits)
		at_ns = now_ns + AGAIN_NS;
	if (vc->state == VCLIENT_ENDING)
		at_ns = end_due(vc);
	if (vc->state == VCLIENT_ENDING && vc->rested && at_ns <= now_ns)
		at_ns = now_ns + DIFF_QUIET_NS / 8;
	at_ns = earlier(at_ns, session_next_ns(&vc->client));
	at_ns = earlier(at_ns, give_up_ns(vc));
	/* overdue work waits until other connections had a turn */
	if (at_ns <= engine_worker_now_ns(vc->worker->engine))
		at_ns = engine_worker_now_ns(vc->worker->engine) + 1;
	engine_conn_set_timer(vc->client.conn, at_ns);
}

static void
expire(struct vclient *vc, int64_t now_ns)
{
	while (!pairing_is_empty(&vc->pairing) && give_up_ns(vc) <= now_ns)
		vclient_give_up(vc, now_ns);
}

/*
 * It leaves a turn after its last frame: if this thread was late, others may
 * have to send it something that was due before its end.
 */
void
vclient_timer(struct vclient *vc, int64_t now_ns)
{
	if (vc->state == VCLIENT_CLOSING || !session_timer(&vc->client, now_ns))
		return;
	vc->rested = vc->state == VCLIENT_ENDING;
	expire(vc, now_ns);
	vclient_pump(vc);
	if (vc->rested && may_end(vc, now_ns))
		finish(vc);
	vclient_arm(vc, now_ns);
}

/* The cluster has read everything at last. */
void
vclient_drained(struct vclient *vc)
{
	vc->held_until_ns = clock_now_ns();
	if (vc->state == VCLIENT_PLAYING)
		engine_conn_set_timer(vc->client.conn, vc->held_until_ns);
}

/* ---- connecting ---- */

/* When it would be ready if the cluster took as long as in the capture. */
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
 * Times count from when the session is ready; see plan_due_ns(). If the cluster
 * takes slightly longer to accept us, the times do not move as long as the
 * first frame is still ahead: the schedule is absolute.
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

/*
 * Sends the captured hello with our token. A clone cannot have the id that its
 * original asked for. A session whose beginning was not captured sends a hello
 * nevertheless. Returns false if the connection is lost.
 */
static bool
say_hello(struct vclient *vc, struct engine_conn *conn)
{
	const struct tape_session *session = vc->session;
	const struct play_settings *set = &vc->play->set;
	const struct bnet_hello hello = {
		.role = session->role,
		.wanted_id = vc->plan->clone == 0 ? session->wanted_id : 0,
		.codecs = session->codecs,
		.frame_max_bytes = session->frame_max_bytes,
		.name = bnet_string_of(tape_text(set->tape, session->name)),
		.token = bnet_string_of(set->token),
	};

	return session_ready(
	    &vc->client, conn, says_hello(session) ? &hello : NULL);
}

void
vclient_ready(struct vclient *vc, struct engine_conn *conn)
{
	int64_t now_ns = clock_now_ns();

	if (!vc->begun)
		results_count(&vc->worker->results, RESULTS_SESSIONS_BEGUN, 1);
	vc->begun = true;
	atomic_store(&vc->play->reached, true);
	if (atomic_load(&vc->play->stopping) ||
	    atomic_load(&vc->play->production)) {
		vc->stopped = vc->draining = true;
		(void)session_ready(&vc->client, conn, NULL);
		finish(vc);
		return;
	}
	vc->state = VCLIENT_GREETED;
	vc->ready_ns = now_ns; /* preliminary, until the welcome */
	if (say_hello(vc, conn))
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

/* ---- received frames ---- */

/* A stock client waits for nothing else. */
static void
on_open(void *owner)
{
	struct vclient *vc = owner;
	int64_t late_ns = 0;

	/* only what the question took, not connecting */
	if (vc->client.n_orders > 1)
		late_ns = clock_now_ns() - vc->start_ns;
	if (play_settled(vc->play, late_ns > 0 ? late_ns : 0) && late_ns > 0)
		vc->start_ns += late_ns;
	if (!says_hello(vc->session) && vc->state == VCLIENT_GREETED)
		vclient_up(vc, clock_now_ns());
}

static void
on_order(void *owner, enum bnet_order order)
{
	const struct vclient *vc = owner;

	play_set_order(vc->play, order);
}

static void
on_welcome(void *owner, const struct bnet_welcome *welcome)
{
	struct vclient *vc = owner;

	play_set_environment(vc->play, &welcome->environment);
	vc->rewrite.id = welcome->id;
	vc->rewrite.relay_id = welcome->relay_id;
	id_map_set(&vc->play->ids, &vc->who, welcome->id);
	if (vc->state == VCLIENT_GREETED)
		vclient_up(vc, clock_now_ns());
}

/* The rest of the session is that of a stock client: its id is not known. */
static void
on_stock(void *owner)
{
	struct vclient *vc = owner;

	atomic_store(&vc->play->stock, true);
	if (vc->client.n_pings > 0) /* of its own hello */
		atomic_store(&vc->play->stock_found, true);
	results_count(&vc->worker->results, RESULTS_SESSIONS_STOCK, 1);
	vclient_skip_unsent(vc);
	if (vc->state == VCLIENT_GREETED)
		vclient_up(vc, clock_now_ns());
}

static void
on_refuse(void *owner, const struct bnet_refuse *refuse)
{
	struct vclient *vc = owner;
	char why[PLAY_REASON_CHARS];

	vc->refused = true;
	session_refused_text(refuse, why, sizeof(why));
	play_set_reason(vc->play, why);
}

static void
on_lost(void *owner, const char *why)
{
	struct vclient *vc = owner;

	vc->gave_up = true;
	play_set_reason(vc->play, why);
}

/*
 * Captured pings carry the time of their sending, as rewrite.c set it; those of
 * the session itself are not requests of the capture.
 */
static void
on_own_pong(void *owner, uint64_t ping)
{
	struct vclient *vc = owner;
	struct pairing_request request;
	int64_t now_ns = clock_now_ns();

	if ((ping & SESSION_OWN_PING) == 0 &&
	    pairing_ponged(&vc->pairing, ping, &request))
		results_answered(&vc->worker->results,
		    (int64_t)request.user - vc->play->start_ns, BNET_KEY_PONG,
		    now_ns - (int64_t)request.user);
}

static const struct session_hooks session_hooks = {
	.open = on_open,
	.order = on_order,
	.stock = on_stock,
	.up = on_welcome,
	.refused = on_refuse,
	.own_pong = on_own_pong,
	.lost = on_lost,
};

/* Counts an answer; records may wait for it, unless the capture lacks it. */
static void
vclient_answered(
    struct vclient *vc, const struct pairing_request *request, int64_t now_ns)
{
	if (!request->extra) {
		vc->n_answers++;
		vc->last_answer_ns = now_ns;
	}
	if (vc->play->set.opt->pacing != REPLAY_OPEN)
		vclient_pump(vc);
	vclient_arm(vc, now_ns);
}

/* Returns true if it answers one of our requests, even as an error. */
static bool
take_answer(struct vclient *vc, const struct bnet_packet *packet,
    struct pairing_request *request)
{
	return pairing_received(
	    &vc->pairing, packet, &vc->worker->message.store, request);
}

/* Returns true if it is an error from the relay. */
static bool
take_error(struct vclient *vc, const struct bnet_packet *packet)
{
	struct bnet_message message;
	const struct bnet_error *error = &message.u.error;
	struct pairing_request request;
	int64_t now_ns = clock_now_ns();

	if (packet->header.key != bnet_message_key(BNET_MSG_ERROR) ||
	    !session_take(&vc->client, packet, BNET_MSG_ERROR, &message))
		return false;
	results_error(&vc->worker->results, now_ns - vc->play->start_ns,
	    error->key, error->code);
	if (!take_answer(vc, packet, &request))
		return true;
	if (request.error != 0 && request.error == error->code)
		results_error_captured(&vc->worker->results, error->code);
	else
		results_unanswered(&vc->worker->results,
		    (int64_t)request.user - vc->play->start_ns, request.key);
	if (request.call.kind == CALL_MADE)
		results_call_error(&vc->worker->results,
		    method_of(vc, request.method), error->code);
	vclient_answered(vc, &request, now_ns);
	return true;
}

/* A stock client gets no welcome, but frames sent to it carry its id. */
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
	vclient_answered(vc, &request, now_ns);
}

/*
 * Reads what answers a call. Nothing else is looked into, unless it is compared
 * anyway.
 */
static bool
take_result(struct vclient *vc, const struct bnet_packet *packet,
    struct call *answer, struct pairing_request *request)
{
	answer->kind = CALL_NONE;
	if (vc->pairing.n_calls == 0 || vc->state < VCLIENT_PLAYING)
		return false;
	call_of(
	    payload_read(vc->worker->payloads,
		packet->has_header ? packet->header.key : 0, packet->payload),
	    packet, answer);
	return (answer->kind == CALL_RESULT || answer->kind == CALL_ERROR) &&
	    pairing_call_answered(&vc->pairing, answer, request);
}

static void
match_result(struct vclient *vc, const struct bnet_packet *packet,
    const struct call *answer, const struct pairing_request *request,
    int64_t now_ns)
{
	struct results *results = &vc->worker->results;
	int64_t latency_ns = now_ns - (int64_t)request->user;
	bool failed = answer->kind == CALL_ERROR;

	results_answered(results, (int64_t)request->user - vc->play->start_ns,
	    request->key, latency_ns);
	results_call_answered(results, method_of(vc, request->method), failed,
	    latency_ns, (size_t)packet->size_bytes + BNET_FRAME_WORD_BYTES);
	results_count(
	    results, RESULTS_CALL_ERRORS_CAPTURED, failed && request->failed);
	vclient_answered(vc, request, now_ns);
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
	return (int64_t)id_map_captured(
	    &vc->play->ids, vc->who.target, node, (uint64_t)id);
}

static void
compare(struct vclient *vc, const struct bnet_packet *packet,
    const struct pairing_request *request)
{
	const struct diff_ids ids = { captured_id, vc };
	struct diff_call call;

	if (request != NULL)
		call = (struct diff_call){ request->method,
			request->captured_id, request->call.id };
	if (diff_received(vc->worker->diff, &vc->diff, vc->plan->session,
		packet, &ids, request != NULL ? &call : NULL))
		vc->last_compared_ns = clock_now_ns();
}

/* ---- all ---- */

void
vclient_packet(struct vclient *vc, const struct bnet_packet *packet)
{
	const struct bnet_header *header = &packet->header;
	int64_t now_ns = clock_now_ns();
	int32_t key = packet->has_header ? header->key : 0;
	struct pairing_request request;
	struct call answer;
	bool result = take_result(vc, packet, &answer, &request);

	/* the pong for the ping of the hello was not in the capture */
	if (vc->state != VCLIENT_GREETED || key != BNET_KEY_PONG)
		results_received(&vc->worker->results,
		    now_ns - vc->play->start_ns, key,
		    (size_t)packet->size_bytes + BNET_FRAME_WORD_BYTES);
	if (vc->rewrite.id == 0 && packet->has_header)
		learn_id(vc, header);
	if (vc->worker->diff != NULL && vc->state >= VCLIENT_PLAYING)
		compare(vc, packet, result ? &request : NULL);
	/* a peer measures us: the captured reply would not match */
	if (session_packet(&vc->client, packet))
		return;
	if (result)
		match_result(vc, packet, &answer, &request, now_ns);
	if (result || key == 0)
		return;
	if (!take_error(vc, packet) && vc->state >= VCLIENT_PLAYING)
		match(vc, packet, now_ns);
}

void
vclient_bad(struct vclient *vc)
{
	results_count(&vc->worker->results, RESULTS_BAD, 1);
}

/* ---- callbacks of the connection ---- */

/* Uses the requested codec; recorded payloads are sent unchanged. */
static bool
connect_it(struct vclient *vc)
{
	struct play *play = vc->play;
	const struct replay_options *opt = play->set.opt;
	int codec = opt->codec;
	const struct session_settings set = {
		.target = &play->set.targets->places[vc->who.target],
		.source = opt->n_sources > 0
		    ? &opt->sources[vc->index % opt->n_sources]
		    : NULL,
		.scratch = &vc->worker->message,
		.hooks = &session_hooks,
		.owner = vc,
		.order = (enum bnet_order)opt->target_order,
		.first = order_of(vc->session),
		.orders = play->set.orders,
		.codecs =
		    codec == REPLAY_CODEC_AS_RECORDED ? 0 : (uint32_t)codec,
		.answers_echo = true,
	};

	session_init(&vc->client, &set);
	return session_connect(
	    &vc->client, play->engine, vc->index % play->n_workers);
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
			.target = play->set.targets->of[index],
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
	if (connect_it(vc))
		return true;
	list_remove(vc);
	free(vc);
	play_ended(play);
	return false;
}

/* ---- closing ---- */

static enum results_count
why_unsent(enum results_count outcome)
{
	switch (outcome) {
	case RESULTS_SESSIONS_INJECTOR:
		return RESULTS_UNSENT_INJECTOR;
	case RESULTS_SESSIONS_STOPPED:
		return RESULTS_UNSENT_STOPPED;
	case RESULTS_SESSIONS_CUT:
		return RESULTS_UNSENT_CUT;
	default:
		return RESULTS_UNSENT_NOT_CONNECTED;
	}
}

/*
 * Counts a session that has ended, and where each of its records is. The index
 * of the tape says how many there are: a damaged chain has fewer.
 */
static void
account(struct vclient *vc, enum results_count outcome)
{
	struct results *results = &vc->worker->results;
	uint64_t planned = vc->session->n[CAP_UP], n = 0, known;

	for (; vc->next != NULL; vclient_advance(vc))
		n++;
	known = (uint64_t)vc->n_sent + vc->n_skipped + n;
	if (planned < known)
		planned = known;
	results_count(results, outcome, 1);
	results_count(results, RESULTS_PLANNED, planned);
	results_count(results, RESULTS_SKIPPED, vc->n_skipped);
	results_count(results, why_unsent(outcome), n);
	results_count(results, RESULTS_UNSENT_DAMAGED, planned - known);
	results_count(results, RESULTS_UNSENT, n + planned - known);
}

/* The cluster ended it although it was owed something, or not yet over. */
static bool
is_lost(struct vclient *vc, enum engine_end end)
{
	return vc->state == VCLIENT_ENDING && end != ENGINE_END_OWNER &&
	    (!pairing_is_empty(&vc->pairing) ||
		end_due(vc) - clock_now_ns() > END_EARLY_NS);
}

static enum results_count
outcome(struct vclient *vc, enum engine_end end)
{
	if (vc->failure != 0)
		return RESULTS_SESSIONS_INJECTOR;
	if (vc->refused)
		return RESULTS_SESSIONS_REFUSED;
	if (vc->stopped)
		return RESULTS_SESSIONS_STOPPED;
	if (vc->state < VCLIENT_PLAYING)
		return RESULTS_SESSIONS_FAILED;
	return vc->state < VCLIENT_ENDING || is_lost(vc, end)
	    ? RESULTS_SESSIONS_CUT
	    : RESULTS_SESSIONS_DONE;
}

static void
free_vclient(struct vclient *vc)
{
	struct play *play = vc->play;

	(void)play_settled(play, 0); /* or it never will be */
	id_map_left(&play->ids, &vc->who, vc->rewrite.id);
	pairing_free(&vc->pairing);
	list_remove(vc);
	free(vc);
	play_ended(play);
}

static void
why_not(struct vclient *vc, struct engine_conn *conn, enum engine_end end)
{
	const char *reason = engine_conn_reason(conn);
	bool tls = end == ENGINE_END_TLS && !vc->begun;
	char why[PLAY_REASON_CHARS];

	if (vc->refused || vc->stopped || vc->state == VCLIENT_CLOSING ||
	    end == ENGINE_END_OWNER)
		return;
	if (reason[0] == '\0')
		reason = vc->state < VCLIENT_PLAYING
		    ? "closed before it was welcome"
		    : "closed by the cluster";
	snprintf(why, sizeof(why), "%s%.200s", tls ? "TLS: " : "", reason);
	play_set_reason(vc->play, why);
}

static void
give_up_all(struct vclient *vc)
{
	while (!pairing_is_empty(&vc->pairing)) {
		unanswered(vc, pairing_oldest(&vc->pairing));
		pairing_drop_oldest(&vc->pairing);
	}
}

void
vclient_closed(
    struct vclient *vc, struct engine_conn *conn, enum engine_end end)
{
	int failure = session_lacked(conn, end);
	bool retry = !vc->stopped && !vc->refused && !vc->gave_up &&
	    vc->state < VCLIENT_PLAYING && failure == 0;
	enum results_count how;

	if (session_closed(&vc->client, end, retry)) {
		vc->state = VCLIENT_CONNECTING;
		return;
	}
	if (!vc->begun)
		results_count(&vc->worker->results, RESULTS_SESSIONS_BEGUN, 1);
	vc->failure = failure;
	if (failure != 0)
		play_set_failure(vc->play, failure);
	if (end == ENGINE_END_OWNER && vc->state != VCLIENT_CLOSING &&
	    !vc->gave_up)
		vc->stopped = true; /* we quit, not the cluster */
	why_not(vc, conn, end);
	how = outcome(vc, end);
	if (vc->opened)
		results_closed(
		    &vc->worker->results, clock_now_ns() - vc->play->start_ns);
	if (vc->worker->diff != NULL)
		diff_ended(vc->worker->diff, &vc->diff, vc->plan->session,
		    vc->stopped ? vc->next : NULL);
	give_up_all(vc);
	account(vc, how);
	free_vclient(vc);
}

void
vclient_cut(struct vclient *vc, struct engine_conn *conn)
{
	vc->stopped = true;
	engine_conn_cut(conn);
}

/* Out of memory or descriptors: there was no connection at all. */
void
vclient_no_conn(struct vclient *vc)
{
	int error = errno;

	play_set_failure(vc->play, error);
	play_set_reason(vc->play, strerror(error));
	if (vc->worker->diff != NULL)
		diff_ended(
		    vc->worker->diff, &vc->diff, vc->plan->session, NULL);
	account(vc, RESULTS_SESSIONS_INJECTOR);
	free_vclient(vc);
}

void
vclient_free_all(struct play *play)
{
	while (play->vclients != NULL) {
		struct vclient *vc = play->vclients;
		struct results *results = &vc->worker->results;

		/* the connection never began: see vclient_closed() */
		results_count(results, RESULTS_SESSIONS_BEGUN, !vc->begun);
		account(vc, RESULTS_SESSIONS_STOPPED);
		free_vclient(vc);
	}
}
