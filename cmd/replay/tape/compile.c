/* SPDX-License-Identifier: MIT */
/*
 * Compiles captures into a tape: streams become sessions, frames become
 * records. Owns the sessions, and tracks who has which id while it reads; a
 * signal may end it. Called by run.c.
 */
#include "cmd/replay/tape/compile.h"

#include "cmd/capture/filter_hint.h"
#include "cmd/capture/keylog.h"
#include "cmd/capture/left_out.h"
#include "cmd/capture/source.h"
#include "cmd/common/cli.h"
#include "cmd/common/payload.h"
#include "cmd/replay/tape/pairing.h"
#include "cmd/common/map.h"
#include "proto/message.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define IDS_MAX (1 << 20)
#define METHODS_MAX 65536 /* further ones have no name */
#define TEXTS_MAX_BYTES ((size_t)1 << 30)
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)
#define OPEN_MAX 1024 /* requests per session; the oldest is dropped */
#define LEFT_OUT 0 /* in place of a record offset: there is no record */
#define STORE_MAX_BYTES ((size_t)4 << 20) /* per message */
#define PROGRESS_PACKETS 4096 /* between progress calls */
#define RECENT_MAX 1024 /* records whose times may still change */

struct capture_session {
	struct tape_session session;
	uint32_t index; /* of the session; TAPE_NONE: no frame yet */
	uint64_t server; /* hash of the address it connected to */
	uint64_t last[2]; /* offset of the last record of each chain; 0: none */
	int64_t last_answer_ns, last_up_ns; /* since start_ns; -1: none */
	uint32_t n_answered;
	uint64_t frame_bytes[2]; /* on the wire */
	uint64_t n_keepalive;
	uint64_t n_held; /* UP frames; see struct tape_coverage */
	uint64_t held_packet; /* of the first one */
	int64_t held_ns; /* likewise, since the start of the capture */
	uint64_t n_taken; /* UP frames that passed -Y and are sent */
	struct pairing pairing;
};

struct capture_sessions {
	struct capture_session **list; /* n entries, by stream index; owned */
	uint32_t n, cap;
	struct bnet_buf texts;
	struct map ids; /* (server, id and space) -> session */
};

/* Id spaces: clients and nodes are numbered separately. */
enum capture_space {
	CAPTURE_CLIENT,
	CAPTURE_NODE
};

/* A record of a client; see retime(). */
struct recent {
	uint64_t at; /* offset */
	int64_t at_ns, think_ns;
	uint32_t session;
};

struct compile_frames {
	const struct filter *filter; /* or NULL */
	const struct keys *keys;
	struct tape_writer writer;
	struct capture_sessions all;
	struct tape_head *head;
	struct tape_coverage *coverage; /* of `head` */
	struct payload_reader *payloads;
	struct map methods; /* of struct method */
	struct bnet_buf store; /* for decoding the current message */
	struct bnet_message message;
	uint32_t *refs; /* owned; room for n_refs */
	uint32_t n_refs;
	int64_t start_ns; /* unix time of the first packet */
	struct recent recent[RECENT_MAX]; /* the last ones, in a ring */
	uint64_t n_recent;
};

/*
 * ---- streams become sessions ----
 *
 * Tracks what is known of each stream, and which session has which id.
 */

struct owner {
	uint64_t server, id; /* the key; id << 1 | space */
	uint64_t session;
};

/* Returns false when out of memory. */
static bool
sessions_init(struct capture_sessions *all)
{
	static const uint8_t empty[1] = { 0 };

	*all = (struct capture_sessions){ 0 };
	bnet_buf_init(&all->texts, TEXTS_MAX_BYTES);
	return map_init(&all->ids, sizeof(struct owner), 2, IDS_MAX) &&
	    bnet_buf_append(&all->texts, (struct bnet_slice){ empty, 1 }) ==
	    BNET_OK;
}

static void
sessions_free(struct capture_sessions *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		pairing_free(&all->list[i]->pairing);
		free(all->list[i]);
	}
	free(all->list);
	map_free(&all->ids);
	bnet_buf_free(&all->texts);
}

static uint64_t
hash_of(uint64_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * FNV_PRIME;
	return hash;
}

/*
 * Adds a stream whose first packet came at_ns after the start of the capture.
 */
static struct capture_session *
session_new(const struct cap_stream *stream, int64_t at_ns)
{
	struct capture_session *cs = calloc(1, sizeof(*cs));

	if (cs == NULL)
		return NULL;
	cs->index = TAPE_NONE;
	cs->server = hash_of(FNV_START, stream->end[1]);
	cs->session = (struct tape_session){
		.stream = stream->number,
		.hash =
		    (hash_of(cs->server, stream->end[0]) ^ (uint64_t)at_ns) *
		    FNV_PRIME,
		.start_ns = at_ns,
	};
	cs->last_answer_ns = -1;
	cs->last_up_ns = -1;
	return cs;
}

/*
 * Copies the text; returns its offset, or 0, the offset of "", when out of
 * memory.
 */
static uint32_t
sessions_text(struct capture_sessions *all, const char *text, size_t n_chars)
{
	static const uint8_t end[1] = { 0 };
	size_t at = all->texts.len;

	if (n_chars == 0 || memchr(text, '\0', n_chars) != NULL)
		return 0;
	if (bnet_buf_append(&all->texts,
		(struct bnet_slice){ (const uint8_t *)text, n_chars }) !=
		BNET_OK ||
	    bnet_buf_append(&all->texts, (struct bnet_slice){ end, 1 }) !=
		BNET_OK) {
		all->texts.len = at;
		return 0;
	}
	return (uint32_t)at;
}

/*
 * Makes a session of a stream with a frame. Returns false when out of memory.
 */
static bool
session_add(struct capture_sessions *all, struct capture_session *cs,
    const struct cap_stream *stream)
{
	uint32_t cap = all->cap == 0 ? 64 : 2 * all->cap;
	struct capture_session **list;

	if (all->n == all->cap) {
		list =
		    realloc(all->list, cap * sizeof(struct capture_session *));
		if (list == NULL)
			return false;
		all->list = list;
		all->cap = cap;
	}
	for (int i = 0; i < 2; i++)
		cs->session.end[i] =
		    sessions_text(all, stream->end[i], strlen(stream->end[i]));
	cs->index = all->n;
	all->list[all->n++] = cs;
	return true;
}

/* ---- ids ---- */

static enum capture_space
space_of(const struct capture_session *cs)
{
	return cs->session.role == BNET_ROLE_NODE ? CAPTURE_NODE
						  : CAPTURE_CLIENT;
}

/* Binds the id to the session from now on. */
static void
session_set_id(
    struct capture_sessions *all, struct capture_session *cs, uint64_t id)
{
	const uint64_t key[2] = { cs->server,
		id << 1 | (uint64_t)space_of(cs) };
	struct owner *owner;

	cs->session.id = id;
	owner = map_get(&all->ids, key);
	if (owner != all->ids.others)
		owner->session = cs->index;
}

/* The session that now has the id at this server; TAPE_NONE: unknown. */
static uint32_t
session_whose(const struct capture_sessions *all, uint64_t server,
    enum capture_space space, uint64_t id)
{
	const uint64_t key[2] = { server, id << 1 | (uint64_t)space };
	const struct owner *owner = map_find(&all->ids, key);

	return owner == NULL ? TAPE_NONE : (uint32_t)owner->session;
}

/* Releases the id of a session that has left. */
static void
session_gone(struct capture_sessions *all, struct capture_session *cs)
{
	const uint64_t key[2] = { cs->server,
		cs->session.id << 1 | (uint64_t)space_of(cs) };
	const struct owner *owner = map_find(&all->ids, key);

	if (owner != NULL && cs->session.id != 0 && owner->session == cs->index)
		map_remove(&all->ids, key);
	pairing_free(&cs->pairing);
}

/* ---- frames become records ---- */

struct method {
	uint64_t name[CALL_NAME_WORDS]; /* the key */
	uint64_t text; /* 0: not yet */
};

/* The frame being processed. */
struct frame {
	struct capture_session *cs;
	const struct cap_event *event;
	const struct bnet_packet *packet;
	const struct bnet_message *message; /* NULL: none, or malformed */
	enum bnet_message_type type;
	int64_t at_ns; /* since the session's start */
	bool hop; /* addressed to the neighbour */
	bool taken; /* passed -Y */
	const struct payload *payload;
	struct call call;
	struct tape_record record;
	struct tape_macho macho; /* with TAPE_R_MACHO */
};

/* ---- what a frame tells about its session ---- */

static void
look_at(struct compile_frames *frames, struct frame *frame)
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
	frame->payload = payload_read(frames->payloads,
	    packet->has_header ? packet->header.key : 0, packet->payload);
	call_of(frame->payload, packet, &frame->call);
	record.payload = frame->payload;
	record.message_type = frame->type;
	record.message = frame->message;
	frame->taken =
	    frames->filter == NULL || filter_match(frames->filter, &record);
}

static void
take_hello(struct compile_frames *frames, struct frame *frame)
{
	struct tape_session *session = &frame->cs->session;
	const struct bnet_hello *hello;

	if ((session->flags & TAPE_S_HELLO) != 0)
		return; /* only the first one counts */
	session->flags |= TAPE_S_HELLO | TAPE_S_MESSAGES;
	if (frame->message == NULL)
		return;
	hello = &frame->message->u.hello;
	session->role = hello->role;
	session->wanted_id = hello->wanted_id;
	session->codecs = hello->codecs;
	session->frame_max_bytes = hello->frame_max_bytes;
	session->name =
	    sessions_text(&frames->all, hello->name.p, hello->name.len_bytes);
}

/* Learns the session's id from its welcome, or from frames sent to it. */
static void
learn_id(struct compile_frames *frames, struct frame *frame)
{
	struct tape_session *session = &frame->cs->session;
	const struct bnet_header *header = &frame->packet->header;

	if (frame->event->dir != CAP_DOWN || !frame->packet->has_header)
		return;
	if (frame->hop && frame->type != BNET_MSG_NONE)
		session->flags |= TAPE_S_MESSAGES;
	if (frame->hop && frame->type == BNET_MSG_WELCOME &&
	    frame->message != NULL) {
		session->relay_id = frame->message->u.welcome.relay_id;
		session->ready_ns = frame->at_ns;
		session_set_id(
		    &frames->all, frame->cs, frame->message->u.welcome.id);
	} else if (session->id == 0 && header->forks == 0 &&
	    header->dest_type == BNET_DEST_CLIENT && header->dest > 0) {
		session_set_id(&frames->all, frame->cs, (uint64_t)header->dest);
	}
}

/*
 * The payload is created anew on replay, so nothing waits for the captured one.
 */
static bool
is_keepalive_traffic(const struct frame *frame)
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
set_flags(struct compile_frames *frames, struct frame *frame)
{
	struct tape_record *record = &frame->record;

	record->key = frame->packet->has_header ? frame->packet->header.key : 0;
	record->flags |= frame->packet->has_oob ? TAPE_R_OOB : 0;
	record->flags |= frame->packet->has_header ? TAPE_R_HEADER : 0;
	if (frame->hop && frame->type != BNET_MSG_NONE)
		record->flags |= TAPE_R_MESSAGE;
	/* even of a malformed hello, the token is not kept */
	if (frame->type == BNET_MSG_HELLO) {
		record->flags |= TAPE_R_HELLO;
		if (frame->hop && frame->event->dir == CAP_UP)
			take_hello(frames, frame);
	}
	if (is_keepalive_traffic(frame)) {
		record->flags |= TAPE_R_KEEPALIVE;
		frame->cs->n_keepalive++;
	}
}

/* ---- the sessions that a frame refers to ---- */

static void
set_ref(struct compile_frames *frames, struct frame *frame)
{
	const struct bnet_header *header = &frame->packet->header;
	bool up = frame->event->dir == CAP_UP;
	uint64_t id = (uint64_t)(up ? header->dest : header->source);
	enum capture_space space = header->dest_type == BNET_DEST_NODE && up
	    ? CAPTURE_NODE
	    : CAPTURE_CLIENT;

	frame->record.ref = TAPE_NONE;
	if (!frame->packet->has_header || id == 0 ||
	    (up && header->dest_type != BNET_DEST_NODE &&
		header->dest_type != BNET_DEST_CLIENT))
		return;
	frame->record.ref =
	    session_whose(&frames->all, frame->cs->server, space, id);
}

/* Returns false when out of memory. */
static bool
set_fork_refs(struct compile_frames *frames, struct frame *frame)
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
		frames->refs[i] = session_whose(&frames->all, frame->cs->server,
		    CAPTURE_CLIENT, bnet_bits_u64(&forks));
	frame->record.n_refs = n;
	frame->record.flags |= TAPE_R_FORKS;
	return true;
}

/* ---- machoNet ---- */

static uint32_t
text_of_method(struct compile_frames *frames, const struct bnet_brief *brief)
{
	union call_name name;
	struct method *method;

	call_name_of(brief, &name);
	method = map_get(&frames->methods, name.words);
	if (method == frames->methods.others)
		return 0;
	if (method->text == 0)
		method->text =
		    sessions_text(&frames->all, name.text, strlen(name.text));
	return (uint32_t)method->text;
}

static void
count_call(struct tape_head *head, int64_t id)
{
	if (head->coverage.calls++ == 0)
		head->first_call_id = head->last_call_id = id;
	if (id < head->first_call_id)
		head->first_call_id = id;
	if (id > head->last_call_id)
		head->last_call_id = id;
}

/* Of all that is sent; of what is received, note_answer() adds the answers. */
static void
set_macho(struct compile_frames *frames, struct frame *frame)
{
	struct tape_macho *macho = &frame->macho;
	const struct call *call = &frame->call;

	if (frame->payload->kind != PAYLOAD_MACHO)
		return;
	macho->client = frame->payload->brief.client;
	macho->client_ref = macho->client == 0
	    ? TAPE_NONE
	    : session_whose(&frames->all, frame->cs->server, CAPTURE_CLIENT,
		  (uint64_t)macho->client);
	if (frame->event->dir == CAP_DOWN)
		return;
	frame->record.flags |= TAPE_R_MACHO;
	if (call->kind == CALL_NONE)
		return;
	if (call->kind == CALL_MADE)
		macho->method = text_of_method(frames, &frame->payload->brief);
	if (!call->has_id)
		return;
	macho->kind = call->kind;
	macho->call_id = call->id;
	macho->client = call->client;
	if (call->kind == CALL_MADE)
		count_call(frames->head, call->id);
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
	struct capture_session *cs = frame->cs;
	int64_t from_ns = later(cs->last_answer_ns, cs->last_up_ns);

	frame->record.answers_before = cs->n_answered;
	frame->record.think_ns = from_ns < 0 ? 0 : frame->at_ns - from_ns;
	if (frame->record.think_ns < 0)
		frame->record.think_ns = 0;
	/* keepalive traffic is not sent again, so nothing can depend on it */
	if ((frame->record.flags & TAPE_R_KEEPALIVE) == 0)
		cs->last_up_ns = frame->at_ns;
}

static void
note_request(struct frame *frame, uint64_t at)
{
	const struct bnet_packet *packet = frame->packet;
	const uint32_t ours = TAPE_R_HELLO | TAPE_R_KEEPALIVE;
	struct pairing_request request;

	if (((!packet->has_header || packet->header.key == 0) &&
		frame->macho.kind != CALL_MADE) ||
	    (frame->record.flags & ours) != 0)
		return;
	request = pairing_request(
	    &packet->header, packet->codec, packet->wire_payload, at);
	if (frame->macho.kind == CALL_MADE) {
		request.call = frame->call;
		request.method = frame->macho.method;
	}
	if (frame->cs->pairing.n == OPEN_MAX)
		pairing_drop_oldest(&frame->cs->pairing);
	/* out of memory: treat it as a request without an answer */
	(void)pairing_sent(&frame->cs->pairing, &request);
}

/* The code as a flag of the request; 0: the answer is not an error. */
static uint32_t
error_flag(struct compile_frames *frames, const struct frame *frame)
{
	const struct bnet_packet *packet = frame->packet;
	struct bnet_message message;
	uint32_t code;
	size_t left;

	if (frame->call.kind == CALL_ERROR)
		return TAPE_R_CALL_FAILED;
	if (!packet->has_header ||
	    bnet_message_type(packet->header.key) != BNET_MSG_ERROR ||
	    bnet_message_decode(BNET_MSG_ERROR, packet->payload, &message,
		&frames->store, &left) != BNET_OK)
		return 0;
	code = message.u.error.code;
	return code <= TAPE_R_ERROR_MAX ? code << TAPE_R_ERROR_SHIFT : 0;
}

/* The request that it answers. */
static bool
find_request(struct compile_frames *frames, struct frame *frame,
    struct pairing_request *request)
{
	struct pairing *pairing = &frame->cs->pairing;

	if (frame->call.kind != CALL_RESULT && frame->call.kind != CALL_ERROR)
		return pairing_received(
		    pairing, frame->packet, &frames->store, request);
	if (!pairing_call_answered(pairing, &frame->call, request))
		return false;
	frame->record.flags |= TAPE_R_MACHO;
	frame->macho.kind = frame->call.kind;
	frame->macho.call_id = frame->call.id;
	frame->macho.client = frame->call.client;
	frame->macho.method = request->method;
	return true;
}

/*
 * Returns false for the answer to a frame that is left out: it will not come.
 */
static bool
note_answer(struct compile_frames *frames, struct frame *frame)
{
	struct capture_session *cs = frame->cs;
	struct pairing_request request;

	if (!find_request(frames, frame, &request))
		return true;
	if (request.user == LEFT_OUT)
		return false;
	tape_write_flags(&frames->writer, request.user,
	    TAPE_R_ANSWERED | error_flag(frames, frame));
	frame->record.flags |= TAPE_R_ANSWER;
	cs->n_answered++;
	cs->session.n_answered++;
	cs->last_answer_ns = frame->at_ns;
	return true;
}

/* ---- writing the record ---- */

static uint64_t
put(struct compile_frames *frames, struct frame *frame)
{
	static const struct bnet_slice nothing = { NULL, 0 };
	const struct bnet_packet *packet = frame->packet;
	bool hello = (frame->record.flags & TAPE_R_HELLO) != 0;
	struct capture_session *cs = frame->cs;
	enum cap_dir dir = frame->event->dir;
	struct bnet_slice payload = hello ? nothing : packet->wire_payload;
	struct tape_record *record = &frame->record;
	uint64_t at;

	record->at_ns = frame->at_ns;
	record->session = cs->index;
	record->codec = hello ? BNET_CODEC_NONE : packet->codec;
	record->oob_bytes = (uint32_t)packet->oob.len;
	record->payload_bytes = (uint32_t)payload.len;
	at = tape_write_record(&frames->writer, record, packet->oob, payload,
	    frames->refs, &frame->macho);
	if (cs->last[dir] == 0)
		cs->session.first[dir] = at;
	else
		tape_write_next(&frames->writer, cs->last[dir], at);
	cs->last[dir] = at;
	cs->session.n[dir]++;
	return at;
}

/*
 * -Y selects what is sent. A hello is sent if anything else is. The answer to a
 * frame that is left out is left out, too.
 */
static bool
is_left_out(struct compile_frames *frames, struct frame *frame)
{
	const uint32_t ours = TAPE_R_HELLO | TAPE_R_KEEPALIVE;

	if (frame->event->dir == CAP_DOWN)
		return !note_answer(frames, frame);
	if ((frame->record.flags & ours) != 0)
		return false;
	if (frame->taken) {
		frame->cs->n_taken++;
		return false;
	}
	frames->coverage->filtered_frames++;
	note_request(frame, LEFT_OUT);
	return true;
}

/*
 * A lost segment that was sent again has the time of its copy, but was written
 * before what follows it in the stream: it cannot have been sent later. So that
 * the frames behind it keep their times, it gets the time of the first of them.
 */
static void
retime(struct compile_frames *frames, const struct frame *frame)
{
	uint64_t n = frames->n_recent;

	if (frame->event->dir != CAP_UP || !frame->event->held ||
	    frame->at_ns >= frame->cs->last_up_ns)
		return;
	for (uint64_t i = 1; i <= n && i <= RECENT_MAX; i++) {
		struct recent *recent = &frames->recent[(n - i) % RECENT_MAX];

		if (recent->session != frame->cs->index)
			continue;
		if (recent->at_ns <= frame->at_ns)
			break;
		recent->think_ns -= recent->at_ns - frame->at_ns;
		if (recent->think_ns < 0)
			recent->think_ns = 0;
		recent->at_ns = frame->at_ns;
		tape_write_times(&frames->writer, recent->at, recent->at_ns,
		    recent->think_ns);
	}
	frame->cs->last_up_ns = frame->at_ns;
}

/* It is due when it was sent, however long it waited. */
static void
note_held(struct frame *frame)
{
	struct capture_session *cs = frame->cs;

	if (!frame->event->held || frame->event->dir != CAP_UP)
		return;
	if (cs->n_held++ > 0)
		return;
	cs->held_packet = frame->event->packet;
	cs->held_ns = cs->session.start_ns + frame->at_ns;
}

/* Returns false when out of memory. */
static bool
compile_frame(struct compile_frames *frames, struct capture_session *cs,
    const struct cap_event *event)
{
	struct frame frame = {
		.cs = cs,
		.event = event,
		.packet = event->frame,
		.at_ns =
		    event->clock_ns - frames->start_ns - cs->session.start_ns,
	};
	uint64_t at;

	if (cs->index == TAPE_NONE &&
	    !session_add(&frames->all, cs, event->stream))
		return false;
	look_at(frames, &frame);
	set_flags(frames, &frame);
	set_macho(frames, &frame);
	learn_id(frames, &frame);
	if (is_left_out(frames, &frame))
		return true;
	cs->frame_bytes[event->dir] +=
	    (uint64_t)event->frame->size_bytes + BNET_FRAME_WORD_BYTES;
	note_held(&frame);
	set_ref(frames, &frame);
	if (!set_fork_refs(frames, &frame))
		return false;
	if (event->dir == CAP_UP) {
		retime(frames, &frame);
		set_think(&frame);
		at = put(frames, &frame);
		frames->recent[frames->n_recent++ % RECENT_MAX] =
		    (struct recent){ at, frame.at_ns, frame.record.think_ns,
			    cs->index };
		note_request(&frame, at);
	} else {
		(void)put(frames, &frame);
	}
	cs->session.end_ns = later(cs->session.end_ns, frame.at_ns);
	return true;
}

/*
 * ---- the ports of the relays in a capture ----
 *
 * With any_port, the pipeline reports the first frames of a stream only once it
 * has recognised the stream: late, and out of order with other streams. A tape
 * needs them in order, so the captures are read once to find the ports, and
 * then again.
 */

struct ports {
	uint16_t found[CAP_PORTS_MAX];
	size_t n;
	bool too_many;
};

/* The port of "ADDR:PORT". */
static uint16_t
port_of(const char *end)
{
	const char *colon = strrchr(end, ':');

	return colon == NULL ? 0 : (uint16_t)strtoul(colon + 1, NULL, 10);
}

static void
on_port_event(void *arg, const struct cap_event *event)
{
	struct ports *ports = arg;
	uint16_t port;

	if (event->type != CAP_FRAME || !event->stream->recognised)
		return;
	port = port_of(event->stream->end[1]);
	for (size_t i = 0; i < ports->n; i++)
		if (ports->found[i] == port)
			return;
	if (ports->n == CAP_PORTS_MAX)
		ports->too_many = true;
	else
		ports->found[ports->n++] = port;
}

static void
look_through(struct cap *cap, struct source *source)
{
	char err[SOURCE_ERR_CHARS];
	struct source_packet packet;
	struct cap_stream *stream;

	while (source_next(source, &packet, err) == SOURCE_PACKET)
		if (cap_packet(cap, packet.linktype, packet.time_ns,
			packet.data, packet.wire_bytes, &stream) != BNET_OK)
			return;
}

static bool
are_files(const struct compile_settings *set)
{
	struct stat st;

	for (size_t i = 0; i < set->n_paths; i++)
		if (stat(set->paths[i], &st) != 0 || !S_ISREG(st.st_mode))
			return false;
	return true;
}

/*
 * Replaces any_port in *cap by the ports that were found. Leaves it unchanged
 * if a capture can be read only once, has too many ports, or cannot be read
 * (the next reader reports that).
 */
static void
compile_find_ports(const struct compile_settings *set,
    struct cap_keylog *keylog, struct cap_settings *cap)
{
	struct cap_settings any = *cap;
	struct ports ports = { .n = 0 };
	const struct cap_sink sink = { on_port_event, NULL, &ports };
	char err[SOURCE_ERR_CHARS];
	struct source *source;
	struct cap *found;

	any.keylog = keylog;
	found = are_files(set) ? cap_new(&any, &sink) : NULL;
	if (found == NULL)
		return;
	source = source_open(set->paths, set->n_paths, keylog, err);
	if (source != NULL &&
	    (set->bpf == NULL || source_filter(source, set->bpf, err)))
		look_through(found, source);
	source_close(source);
	cap_finish(found);
	cap_free(found);
	if (ports.n == 0 || ports.too_many)
		return;
	memcpy(cap->ports, ports.found, sizeof(ports.found));
	memset(cap->last_ports, 0, sizeof(cap->last_ports));
	cap->n_ports = ports.n;
	cap->any_port = false;
}

/* ---- compiling ---- */

struct compile {
	const struct compile_settings *set;
	struct compile_frames frames;
	struct tape_head head;
	struct cap_keylog *keylog;
	struct cap *cap;
	struct source_filtered filtered; /* by set->bpf */
	uint64_t n_packets;
	uint64_t n_frameless; /* streams, including those without a secret */
	uint64_t cut_frames, cut_bytes; /* by the snapshot length */
	struct capture_session *doubtful; /* of a packet with a suspect time */
	bool doubtful_is_new; /* the packet is its first */
	int64_t doubt_ns; /* that time, */
	uint64_t doubt_packet; /* and the packet's number */
	bool no_memory;
	char *err; /* TAPE_ERR_CHARS */
};

static struct source *breakable;
static volatile sig_atomic_t interrupted;

void
compile_break(void)
{
	interrupted = 1;
	if (breakable != NULL)
		source_break(breakable);
}

/* ---- TLS secrets ---- */

static bool
fail(struct compile *c, const char *what, const char *why)
{
	snprintf(c->err, TAPE_ERR_CHARS, "%s: %s", what, why);
	return false;
}

/* Malformed lines are skipped: the good ones are still useful. */
static bool
load_keylog(struct compile *c, const char *path)
{
	FILE *f = fopen(path, "re");
	enum bnet_err err;

	if (f == NULL)
		return fail(c, path, strerror(errno));
	err = cap_keylog_read(c->keylog, f);
	fclose(f);
	if (err == BNET_ECUT)
		return fail(c, path, strerror(errno));
	if (err != BNET_OK && err != BNET_ETLS)
		return fail(c, path, bnet_strerror(err));
	return true;
}

static bool
load_secrets(struct compile *c)
{
	return c->set->keylog == NULL || load_keylog(c, c->set->keylog);
}

/* ---- events of the streams ---- */

static struct capture_session *
session_of(struct compile *c, struct cap_stream *stream, int64_t time_ns)
{
	struct capture_session *cs = (struct capture_session *)stream->user;

	if (cs != NULL)
		return cs;
	cs = session_new(stream, time_ns - c->frames.start_ns);
	if (cs == NULL)
		c->no_memory = true;
	stream->user = (uintptr_t)cs;
	return cs;
}

static void
on_event(void *arg, const struct cap_event *event)
{
	struct compile *c = arg;
	struct capture_session *cs;

	if (event->stream == NULL)
		return;
	cs = session_of(c, event->stream, event->clock_ns);
	if (cs == NULL)
		return;
	if (event->cut_of > 0) { /* it cannot be sent */
		c->cut_frames++;
		c->cut_bytes += event->bytes;
		cs->session.flags |= TAPE_S_GAPS;
	} else if (event->type == CAP_FRAME)
		c->no_memory |= !compile_frame(&c->frames, cs, event);
	else if (event->type < CAP_N_LOSSES)
		cs->session.flags |= TAPE_S_GAPS;
}

static void
on_closed(void *arg, struct cap_stream *stream)
{
	struct compile *c = arg;
	struct capture_session *cs = (struct capture_session *)stream->user;

	stream->user = 0;
	if (cs == c->doubtful)
		c->doubtful = NULL;
	if (cs == NULL)
		return;
	cs->session.order = stream->order;
	if (stream->tls)
		cs->session.flags |= TAPE_S_TLS;
	if (stream->no_start)
		cs->session.flags |= TAPE_S_NO_START;
	session_gone(&c->frames.all, cs);
	if (cs->index == TAPE_NONE) {
		c->n_frameless++;
		free(cs);
	}
}

/* ---- packets ---- */

/*
 * The clock was suspect at the packet before. Now it is known what it would
 * have shown.
 */
static void
settle_doubt(struct compile *c)
{
	struct capture_session *cs = c->doubtful;
	int64_t at_ns;

	if (cs == NULL)
		return;
	c->doubtful = NULL;
	at_ns = cap_clock_at(c->cap, c->doubt_ns, c->doubt_packet) -
	    c->frames.start_ns;
	if (c->doubtful_is_new)
		cs->session.start_ns = at_ns;
	else
		cs->session.end_ns =
		    later(cs->session.end_ns, at_ns - cs->session.start_ns);
}

static void
one_packet(struct compile *c, const struct source_packet *packet)
{
	struct cap_stream *stream = NULL;
	struct capture_session *cs;
	int64_t at_ns;
	bool suspect;

	if (c->n_packets++ == 0) {
		c->frames.start_ns = packet->time_ns;
		c->head.start_ns = packet->time_ns;
	}
	if (cap_packet(c->cap, packet->linktype, packet->time_ns, packet->data,
		packet->wire_bytes, &stream) != BNET_OK)
		c->no_memory = true;
	settle_doubt(c);
	at_ns = cap_clock_at(c->cap, packet->time_ns, c->n_packets);
	suspect = cap_clock_suspect(c->cap);
	if (!suspect)
		c->head.end_ns = later(c->head.end_ns, at_ns);
	if (stream == NULL)
		return;
	cs = (struct capture_session *)stream->user;
	if (cs == NULL)
		cs = session_of(c, stream, at_ns);
	if (cs == NULL)
		return;
	if (suspect) {
		c->doubtful = cs;
		c->doubtful_is_new = cs->session.end_ns == 0;
		c->doubt_ns = packet->time_ns;
		c->doubt_packet = c->n_packets;
	} else if (at_ns - c->frames.start_ns >
	    cs->session.start_ns + cs->session.end_ns) {
		cs->session.end_ns =
		    at_ns - c->frames.start_ns - cs->session.start_ns;
	}
}

static void
progress(struct compile *c, struct source *source)
{
	uint64_t at, size;

	if (c->set->progress == NULL || c->n_packets % PROGRESS_PACKETS != 0)
		return;
	if (source_progress(source, &at, &size))
		c->set->progress(c->set->arg, at, size);
	else
		c->set->progress(c->set->arg, c->n_packets, 0);
}

static bool
read_all(struct compile *c, struct source *source)
{
	enum source_result result = SOURCE_PACKET;
	struct source_packet packet;

	breakable = source;
	while (!interrupted && !c->no_memory && c->frames.writer.error == 0) {
		result = source_next(source, &packet, c->err);
		if (result != SOURCE_PACKET)
			break;
		one_packet(c, &packet);
		progress(c, source);
	}
	breakable = NULL;
	if (c->no_memory)
		return fail(c, "compiling", "out of memory");
	if (result == SOURCE_ERROR && c->n_packets > 0) {
		/* possibly truncated: the part that was read is useful */
		cli_warn("%s: using what could be read", c->err);
		return true;
	}
	return result != SOURCE_ERROR;
}

static bool
read_captures(struct compile *c)
{
	const struct compile_settings *set = c->set;
	struct source *source =
	    source_open(set->paths, set->n_paths, c->keylog, c->err);
	bool ok = source != NULL &&
	    (set->bpf == NULL || source_filter(source, set->bpf, c->err)) &&
	    read_all(c, source);

	if (source != NULL)
		(void)source_filtered(source, &c->filtered);
	source_close(source);
	cap_finish(c->cap);
	settle_doubt(c);
	if (interrupted)
		return fail(c, "compiling", "interrupted");
	if (ok && c->no_memory)
		return fail(c, "compiling", "out of memory");
	return ok;
}

/* What was there in place of frames. */
static void
tell_left_out(const struct compile *c)
{
	const struct compile_settings *set = c->set;
	const struct cap_counters *n = cap_counters(c->cap);
	char text[FILTER_HINT_CHARS];

	if (set->line == NULL)
		return;
	if (n->packets > 0 || set->bpf == NULL)
		left_out_lines(n, set->line, set->arg);
	if (set->bpf != NULL && filter_hint(&c->filtered, set->bpf, text))
		set->line(set->arg, text);
}

/* ---- writing the tape ---- */

/* Why the session cannot be played; TAPE_N_LEFT_OUT: it can. */
static enum tape_left_out
left_out(const struct compile *c, const struct capture_session *cs)
{
	const struct tape_session *session = &cs->session;

	if (c->set->filter != NULL && cs->n_taken == 0)
		return TAPE_FILTERED;
	if (session->n[CAP_UP] == 0)
		return TAPE_NOTHING_SENT;
	return TAPE_N_LEFT_OUT;
}

static void
cover(struct compile *c)
{
	const struct cap_counters *n = cap_counters(c->cap);
	struct tape_coverage *coverage = &c->head.coverage;

	coverage->packets = n->packets;
	coverage->packet_bytes = n->packet_bytes;
	coverage->streams = c->frames.all.n + c->n_frameless;
	coverage->left_out[TAPE_NO_KEY] = n->keyless_streams;
	if (c->n_frameless > n->keyless_streams)
		coverage->left_out[TAPE_NO_FRAMES] =
		    c->n_frameless - n->keyless_streams;
	memcpy(coverage->events, n->events, sizeof(coverage->events));
	memcpy(coverage->event_bytes, n->event_bytes,
	    sizeof(coverage->event_bytes));
	/* text before frames is not played, either */
	coverage->events[CAP_SKIP] += n->event_bytes[CAP_NOTE] > 0;
	coverage->event_bytes[CAP_SKIP] += n->event_bytes[CAP_NOTE];
	coverage->events[CAP_GAP] += c->cut_frames;
	coverage->event_bytes[CAP_GAP] += c->cut_bytes;
	c->head.clock_steps = (uint32_t)n->events[CAP_CLOCK];
}

/* Adds what can be played of one session to the coverage. */
static void
cover_session(
    struct compile *c, const struct capture_session *cs, int64_t early_ns)
{
	struct tape_coverage *coverage = &c->head.coverage;

	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++) {
		coverage->frames[dir] += cs->session.n[dir];
		coverage->frame_bytes[dir] += cs->frame_bytes[dir];
	}
	coverage->keepalive_frames += cs->n_keepalive;
	coverage->answered += cs->session.n_answered;
	if (cs->n_held == 0)
		return;
	if (coverage->held_frames == 0 ||
	    cs->held_packet < coverage->held_packet) {
		coverage->held_packet = cs->held_packet;
		coverage->held_ns = cs->held_ns - early_ns;
		coverage->held_session = cs->index;
	}
	coverage->held_frames += cs->n_held;
	coverage->held_sessions++;
}

/*
 * A later capture may have an earlier start: then the tape starts with it.
 * Returns where that is in what were the times.
 */
static int64_t
begin_with_first(struct compile *c)
{
	struct capture_sessions *all = &c->frames.all;
	int64_t early_ns = 0;

	for (uint32_t i = 0; i < all->n; i++)
		if (all->list[i]->session.start_ns < early_ns)
			early_ns = all->list[i]->session.start_ns;
	for (uint32_t i = 0; i < all->n; i++)
		all->list[i]->session.start_ns -= early_ns;
	c->head.start_ns += early_ns;
	return early_ns;
}

static bool
write_tape(struct compile *c)
{
	struct capture_sessions *all = &c->frames.all;
	struct tape_session *sessions =
	    calloc((size_t)all->n + 1, sizeof(*sessions));
	enum tape_left_out why;
	int64_t early_ns;
	bool ok;

	if (sessions == NULL)
		return fail(c, "compiling", "out of memory");
	cover(c);
	early_ns = begin_with_first(c);
	for (uint32_t i = 0; i < all->n; i++) {
		sessions[i] = all->list[i]->session;
		why = left_out(c, all->list[i]);
		if (why == TAPE_N_LEFT_OUT) {
			cover_session(c, all->list[i], early_ns);
			continue;
		}
		sessions[i].flags |= TAPE_S_LEFT_OUT;
		c->head.coverage.left_out[why]++;
	}
	c->head.n_sessions = all->n;
	ok = tape_write_end(
	    &c->frames.writer, &c->head, sessions, bnet_buf_slice(&all->texts));
	free(sessions);
	return ok || fail(c, "the replay file", strerror(errno));
}

/* ---- entry point ---- */

static bool
begin(struct compile *c, int fd)
{
	const struct cap_sink sink = { on_event, on_closed, c };
	struct cap_settings cap = c->set->cap;

	c->keylog = cap_keylog_new();
	c->frames.filter = c->set->filter;
	c->frames.keys = c->set->keys;
	c->frames.head = &c->head;
	c->frames.coverage = &c->head.coverage;
	c->frames.payloads = payload_reader_new(c->set->filter == NULL);
	bnet_buf_init(&c->frames.store, STORE_MAX_BYTES);
	if (c->keylog == NULL || c->frames.payloads == NULL ||
	    !sessions_init(&c->frames.all) ||
	    !map_init(&c->frames.methods, sizeof(struct method),
		CALL_NAME_WORDS, METHODS_MAX) ||
	    !tape_write_init(&c->frames.writer, fd))
		return fail(c, "compiling", "out of memory");
	if (!load_secrets(c))
		return false;
	if (cap.any_port)
		compile_find_ports(c->set, c->keylog, &cap);
	cap.keylog = c->keylog;
	c->cap = cap_new(&cap, &sink);
	return c->cap != NULL || fail(c, "compiling", "out of memory");
}

static void
end(struct compile *c)
{
	cap_free(c->cap);
	sessions_free(&c->frames.all);
	tape_write_free(&c->frames.writer);
	bnet_buf_free(&c->frames.store);
	payload_reader_free(c->frames.payloads);
	map_free(&c->frames.methods);
	free(c->frames.refs);
	cap_keylog_free(c->keylog);
}

bool
compile(const struct compile_settings *set, int fd, char err[TAPE_ERR_CHARS])
{
	struct compile c = { .set = set, .err = err };
	bool ok;

	_Static_assert(TAPE_ERR_CHARS >= SOURCE_ERR_CHARS, "source writes it");
	ok = begin(&c, fd) && read_captures(&c) && write_tape(&c);
	if (ok)
		tell_left_out(&c);
	end(&c);
	return ok;
}
