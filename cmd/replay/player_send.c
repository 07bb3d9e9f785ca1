/* SPDX-License-Identifier: MIT */
/* From the tape, and of our own, onto the wire. */
#include "cmd/replay/play_impl.h"

#include "cmd/common/clock.h"

#include <string.h>

#define US_NS 1000
#define QUEUE_MAX_BYTES ((size_t)64 << 10) /* more waits its turn */
#define OPEN_MAX 65536 /* requests of a player, 4 MiB */

static struct bnet_string
string_of(const char *s)
{
	return (struct bnet_string){ s, (uint32_t)strlen(s) };
}

/* ---- messages of our own ---- */

void
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
void
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

void
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

enum player_sent
player_send(struct player *p, const struct tape_record *record, int64_t due_ns,
    int64_t now_ns)
{
	const struct play *play = p->play;
	struct engine_outlet *outlet = engine_conn_outlet(p->conn);
	const struct rewrite_context context = {
		.opt = play->set.opt,
		.live = &play->live,
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
