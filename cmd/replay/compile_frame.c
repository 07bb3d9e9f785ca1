/* SPDX-License-Identifier: MIT */
#include "cmd/replay/compile_frame.h"

#include <stdlib.h>

#define OPEN_MAX 1024 /* requests of a session; the oldest makes room */
#define LEFT_OUT 0 /* where a record would be: no record is there */

/* What is known of the frame at hand. */
struct frame {
	struct captured *captured;
	const struct cap_event *event;
	const struct bnet_packet *packet;
	const struct bnet_message *message; /* NULL: none, or malformed */
	enum bnet_message_type type;
	int64_t at_ns; /* since the session's start */
	bool hop; /* for the neighbour */
	bool taken; /* by -Y */
	struct tape_record record;
};

/* ---- what it says ---- */

static void
look_at(struct compile_frame *frames, struct frame *frame)
{
	const struct bnet_packet *packet = frame->packet;
	struct record record = { .event = frame->event };
	size_t left;

	if (packet->has_header && packet->header.key != 0) {
		frame->type = bnet_message_type(packet->header.key);
		frame->hop = packet->header.dest_type == BNET_DEST_HOP;
		if (frames->keys != NULL)
			record.key_name =
			    keys_name(frames->keys, packet->header.key);
	}
	if (frame->type != BNET_MSG_NONE &&
	    bnet_message_decode(frame->type, packet->payload, &frames->message,
		&frames->store, &left) == BNET_OK)
		frame->message = &frames->message;
	record.message_type = frame->type;
	record.message = frame->message;
	frame->taken =
	    frames->filter == NULL || filter_match(frames->filter, &record);
}

static void
take_hello(struct compile_frame *frames, struct frame *frame)
{
	struct tape_session *session = &frame->captured->session;
	const struct bnet_hello *hello;

	if ((session->flags & TAPE_S_HELLO) != 0)
		return; /* the first one counts */
	session->flags |= TAPE_S_HELLO | TAPE_S_MESSAGES;
	if (frame->message == NULL)
		return;
	hello = &frame->message->u.hello;
	session->role = hello->role;
	session->wanted_id = hello->wanted_id;
	session->codecs = hello->codecs;
	session->frame_max_bytes = hello->frame_max_bytes;
	session->name =
	    captured_text(&frames->all, hello->name.p, hello->name.len_bytes);
}

/* Its id: as it is told, or from what is sent to it. */
static void
learn_id(struct compile_frame *frames, struct frame *frame)
{
	struct tape_session *session = &frame->captured->session;
	const struct bnet_header *header = &frame->packet->header;

	if (frame->event->dir != CAP_DOWN || !frame->packet->has_header)
		return;
	if (frame->hop && frame->type != BNET_MSG_NONE)
		session->flags |= TAPE_S_MESSAGES;
	if (frame->hop && frame->type == BNET_MSG_WELCOME &&
	    frame->message != NULL) {
		session->relay_id = frame->message->u.welcome.relay_id;
		session->ready_ns = frame->at_ns;
		captured_set_id(&frames->all, frame->captured,
		    frame->message->u.welcome.id);
	} else if (session->id == 0 && header->forks == 0 &&
	    header->dest_type == BNET_DEST_CLIENT && header->dest > 0) {
		captured_set_id(
		    &frames->all, frame->captured, (uint64_t)header->dest);
	}
}

/* Made anew when it is played: nobody waits for the captured one. */
static bool
is_upkeep(const struct frame *frame)
{
	if (!frame->packet->has_header || frame->event->dir != CAP_UP)
		return false;
	if (frame->type == BNET_MSG_ECHO_REPLY)
		return true;
	return frame->hop &&
	    (frame->type == BNET_MSG_KEEPALIVE ||
		frame->packet->header.key == BNET_KEY_PONG);
}

static void
set_flags(struct compile_frame *frames, struct frame *frame)
{
	struct tape_record *record = &frame->record;

	record->key = frame->packet->has_header ? frame->packet->header.key : 0;
	record->flags |= frame->packet->has_oob ? TAPE_R_OOB : 0;
	record->flags |= frame->packet->has_header ? TAPE_R_HEADER : 0;
	if (frame->hop && frame->type != BNET_MSG_NONE)
		record->flags |= TAPE_R_MESSAGE;
	/* whatever is wrong with a hello, its token is not kept */
	if (frame->type == BNET_MSG_HELLO) {
		record->flags |= TAPE_R_HELLO;
		if (frame->hop && frame->event->dir == CAP_UP)
			take_hello(frames, frame);
	}
	if (is_upkeep(frame)) {
		record->flags |= TAPE_R_UPKEEP;
		frame->captured->n_upkeep++;
	}
}

/* ---- whose ids it names ---- */

static void
set_ref(struct compile_frame *frames, struct frame *frame)
{
	const struct bnet_header *header = &frame->packet->header;
	bool up = frame->event->dir == CAP_UP;
	uint64_t id = (uint64_t)(up ? header->dest : header->source);
	enum captured_space space = header->dest_type == BNET_DEST_NODE && up
	    ? CAPTURED_NODE
	    : CAPTURED_CLIENT;

	frame->record.ref = TAPE_NONE;
	if (!frame->packet->has_header || id == 0 ||
	    (up && header->dest_type != BNET_DEST_NODE &&
		header->dest_type != BNET_DEST_CLIENT))
		return;
	frame->record.ref =
	    captured_whose(&frames->all, frame->captured->server, space, id);
}

/* False when out of memory. */
static bool
set_fork_refs(struct compile_frame *frames, struct frame *frame)
{
	uint32_t n =
	    frame->packet->has_header ? frame->packet->header.forks : 0;
	struct bnet_bits_rd forks = frame->packet->forks;
	uint32_t *refs;

	if (n == 0 || frame->event->dir != CAP_UP)
		return true;
	if (n > frames->n_refs) {
		refs = realloc(frames->refs, n * sizeof(*refs));
		if (refs == NULL)
			return false;
		frames->refs = refs;
		frames->n_refs = n;
	}
	for (uint32_t i = 0; i < n; i++)
		frames->refs[i] =
		    captured_whose(&frames->all, frame->captured->server,
			CAPTURED_CLIENT, bnet_bits_u64(&forks));
	frame->record.n_refs = n;
	frame->record.flags |= TAPE_R_FORKS;
	return true;
}

/* ---- requests and answers ---- */

static int64_t
later(int64_t a_ns, int64_t b_ns)
{
	return a_ns > b_ns ? a_ns : b_ns;
}

static void
set_think(struct frame *frame)
{
	struct captured *captured = frame->captured;
	int64_t from_ns = later(captured->last_answer_ns, captured->last_up_ns);

	frame->record.answers_before = captured->n_answered;
	frame->record.think_ns = from_ns < 0 ? 0 : frame->at_ns - from_ns;
	if (frame->record.think_ns < 0)
		frame->record.think_ns = 0;
	/* upkeep is not sent again: nothing can be due after it */
	if ((frame->record.flags & TAPE_R_UPKEEP) == 0)
		captured->last_up_ns = frame->at_ns;
}

static void
note_request(struct frame *frame, uint64_t at)
{
	const struct bnet_packet *packet = frame->packet;
	const uint32_t ours = TAPE_R_HELLO | TAPE_R_UPKEEP;
	struct pairing_request request;

	if (!packet->has_header || packet->header.key == 0 ||
	    (frame->record.flags & ours) != 0)
		return;
	request = pairing_request(
	    &packet->header, packet->codec, packet->wire_payload, at);
	if (frame->captured->pairing.n == OPEN_MAX)
		pairing_drop_oldest(&frame->captured->pairing);
	/* without memory it is as if it had no answer */
	(void)pairing_sent(&frame->captured->pairing, &request);
}

/* False: it answers what is left out, so that it will not come. */
static bool
note_answer(struct compile_frame *frames, struct frame *frame)
{
	struct captured *captured = frame->captured;
	struct pairing_request request;

	if (!pairing_received(
		&captured->pairing, frame->packet, &frames->store, &request))
		return true;
	if (request.user == LEFT_OUT)
		return false;
	tape_write_flags(&frames->writer, request.user, TAPE_R_ANSWERED);
	frame->record.flags |= TAPE_R_ANSWER;
	captured->n_answered++;
	captured->session.n_answered++;
	captured->last_answer_ns = frame->at_ns;
	return true;
}

/* ---- the record ---- */

static uint64_t
put(struct compile_frame *frames, struct frame *frame)
{
	static const struct bnet_slice nothing = { NULL, 0 };
	const struct bnet_packet *packet = frame->packet;
	bool hello = (frame->record.flags & TAPE_R_HELLO) != 0;
	struct captured *captured = frame->captured;
	enum cap_dir dir = frame->event->dir;
	struct bnet_slice payload = hello ? nothing : packet->wire_payload;
	struct tape_record *record = &frame->record;
	uint64_t at;

	record->at_ns = frame->at_ns;
	record->session = captured->index;
	record->codec = hello ? BNET_CODEC_NONE : packet->codec;
	record->oob_bytes = (uint32_t)packet->oob.len;
	record->payload_bytes = (uint32_t)payload.len;
	at = tape_write_record(
	    &frames->writer, record, packet->oob, payload, frames->refs);
	if (captured->last[dir] == 0)
		captured->session.first[dir] = at;
	else
		tape_write_next(&frames->writer, captured->last[dir], at);
	captured->last[dir] = at;
	captured->session.n[dir]++;
	return at;
}

/*
 * -Y chooses what is sent; a hello is sent where anything is. What answers a
 * frame that is left out is left out, too.
 */
static bool
is_left_out(struct compile_frame *frames, struct frame *frame)
{
	const uint32_t ours = TAPE_R_HELLO | TAPE_R_UPKEEP;

	if (frame->event->dir == CAP_DOWN)
		return !note_answer(frames, frame);
	if ((frame->record.flags & ours) != 0)
		return false;
	if (frame->taken) {
		frame->captured->n_taken++;
		return false;
	}
	frames->coverage->filtered_frames++;
	note_request(frame, LEFT_OUT);
	return true;
}

bool
compile_frame(struct compile_frame *frames, struct captured *captured,
    const struct cap_event *event)
{
	struct frame frame = {
		.captured = captured,
		.event = event,
		.packet = event->frame,
		.at_ns = event->time_ns - frames->start_ns -
		    captured->session.start_ns,
	};

	if (captured->index == TAPE_NONE &&
	    !captured_add(&frames->all, captured, event->stream))
		return false;
	look_at(frames, &frame);
	set_flags(frames, &frame);
	learn_id(frames, &frame);
	if (is_left_out(frames, &frame))
		return true;
	captured->frame_bytes[event->dir] +=
	    (uint64_t)event->frame->size_bytes + BNET_FRAME_WORD_BYTES;
	set_ref(frames, &frame);
	if (!set_fork_refs(frames, &frame))
		return false;
	if (event->dir == CAP_UP) {
		set_think(&frame);
		note_request(&frame, put(frames, &frame));
	} else {
		(void)put(frames, &frame);
	}
	captured->session.end_ns = later(captured->session.end_ns, frame.at_ns);
	return true;
}
