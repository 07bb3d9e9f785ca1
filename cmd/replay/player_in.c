/* SPDX-License-Identifier: MIT */
/* What comes back to a player. */
#include "cmd/replay/play_impl.h"

#include "cmd/common/clock.h"

#include <stdio.h>

#define MS_NS 1000000
#define US_NS 1000
#define KEEPALIVE_MIN_MS 10 /* whatever the relay asks for */
#define PONG_BYTES 4 /* arbitrary ones: what stock peers send */

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
	live_set(&p->play->live, &p->who, welcome->id);
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
	live_set(&p->play->live, &p->who, p->rewrite.id);
}

/* ---- answers ---- */

/* One that somebody may wait for. */
void
player_answered(struct player *p, int64_t now_ns)
{
	p->n_answers++;
	p->last_answer_ns = now_ns;
	if (p->play->set.opt->pacing != REPLAY_OPEN)
		player_pump(p);
	player_arm(p, now_ns);
}

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
	return (int64_t)live_captured(&p->play->live, node, (uint64_t)id);
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
