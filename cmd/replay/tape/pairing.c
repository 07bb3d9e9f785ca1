/* SPDX-License-Identifier: MIT */
/*
 * Matches answers to requests. Owns the open requests of one session. Called by
 * compile.c for captured frames and by play/virtual_client.c for those of a
 * replay.
 */
#include "cmd/replay/tape/pairing.h"

#include "proto/bits.h"

#include <stdlib.h>
#include <string.h>

#define CAP_MIN 4
#define COOKIE_BYTES 8
#define KEY_ROSTER bnet_message_key(BNET_MSG_ROSTER)

void
pairing_free(struct pairing *pairing)
{
	free(pairing->open);
	pairing->open = NULL;
	pairing->n = pairing->at = pairing->cap = pairing->n_calls = 0;
}

/* ---- identifying a request ---- */

static uint64_t
first_bytes(struct bnet_slice payload)
{
	uint64_t cookie = 0;

	if (payload.len < COOKIE_BYTES)
		return 0;
	for (unsigned i = 0; i < COOKIE_BYTES; i++)
		cookie |= (uint64_t)payload.p[i] << 8 * i;
	return cookie;
}

static uint64_t
echo_cookie(struct bnet_slice payload)
{
	struct bnet_bits_rd rd;
	uint64_t cookie;

	bnet_bits_read(&rd, payload);
	cookie = bnet_bits_u64(&rd);
	return rd.bad ? 0 : cookie;
}

struct pairing_request
pairing_request(const struct bnet_header *header, enum bnet_codec_id codec,
    struct bnet_slice payload, uint64_t user)
{
	struct pairing_request request = {
		.user = user,
		.dest_type = header->dest_type,
		.dest = header->dest,
		.key = header->key,
		.serial = header->serial,
	};

	if (codec == BNET_CODEC_NONE) {
		request.cookie = first_bytes(payload);
		if (header->key == BNET_KEY_ECHO)
			request.echo = echo_cookie(payload);
	}
	return request;
}

/* ---- open requests ---- */

static bool
grow(struct pairing *pairing)
{
	uint32_t cap = pairing->cap == 0 ? CAP_MIN : 2 * pairing->cap;
	struct pairing_request *open =
	    realloc(pairing->open, cap * sizeof(*open));

	if (open == NULL)
		return false;
	pairing->open = open;
	pairing->cap = cap;
	return true;
}

static void
remove_at(struct pairing *pairing, uint32_t i)
{
	struct pairing_request *first = pairing->open + pairing->at;

	pairing->n_calls -= first[i].call.kind == CALL_MADE;
	if (i > 0)
		memmove(first + 1, first, i * sizeof(*first));
	pairing->at++;
	if (--pairing->n == 0)
		pairing_free(pairing);
}

bool
pairing_sent(struct pairing *pairing, const struct pairing_request *request)
{
	/* moved only if that doubles the room, so the cost is amortised */
	if (pairing->at + pairing->n == pairing->cap &&
	    pairing->at >= pairing->n && pairing->n > 0) {
		memcpy(pairing->open, pairing->open + pairing->at,
		    pairing->n * sizeof(*pairing->open));
		pairing->at = 0;
	}
	if (pairing->at + pairing->n == pairing->cap && !grow(pairing))
		return false;
	pairing->open[pairing->at + pairing->n++] = *request;
	pairing->n_calls += request->call.kind == CALL_MADE;
	return true;
}

const struct pairing_request *
pairing_oldest(const struct pairing *pairing)
{
	return pairing->n == 0 ? NULL : &pairing->open[pairing->at];
}

void
pairing_drop_oldest(struct pairing *pairing)
{
	const struct pairing_request *oldest = pairing_oldest(pairing);

	if (oldest->serial != 0)
		pairing->dropped[pairing->n_dropped++ % PAIRING_DROPPED] =
		    (struct pairing_dropped){ oldest->key, oldest->serial };
	remove_at(pairing, 0);
}

/* ---- answers ---- */

/* What an answer tells about its request. */
struct answer {
	struct pairing_request like;
	bool (*fits)(const struct pairing_request *request,
	    const struct pairing_request *like);
	/* the fallback when none matches, or NULL */
	bool (*or_fits)(const struct pairing_request *request,
	    const struct pairing_request *like);
};

static bool
fits_echo(
    const struct pairing_request *request, const struct pairing_request *like)
{
	return request->key == BNET_KEY_ECHO && request->echo == like->echo;
}

static bool
fits_key(
    const struct pairing_request *request, const struct pairing_request *like)
{
	return request->key == like->key;
}

static bool
fits_error(
    const struct pairing_request *request, const struct pairing_request *like)
{
	return request->key == like->key &&
	    request->dest_type == like->dest_type &&
	    request->dest == like->dest && request->cookie == like->cookie;
}

static bool
fits_serial(
    const struct pairing_request *request, const struct pairing_request *like)
{
	return request->key == like->key && request->serial == like->serial &&
	    request->call.kind == CALL_NONE;
}

/* The cookie is unknown if either payload is compressed. */
static bool
fits_error_unseen(
    const struct pairing_request *request, const struct pairing_request *like)
{
	return request->key == like->key &&
	    request->dest_type == like->dest_type &&
	    request->dest == like->dest &&
	    (request->cookie == 0 || like->cookie == 0);
}

/* like->dest holds the source of the answer. */
static bool
fits_source(
    const struct pairing_request *request, const struct pairing_request *like)
{
	bool named = request->dest_type == BNET_DEST_NODE ||
	    request->dest_type == BNET_DEST_CLIENT;

	return request->key == like->key && request->call.kind == CALL_NONE &&
	    (!named || request->dest == like->dest);
}

static bool
fits_source_unnumbered(
    const struct pairing_request *request, const struct pairing_request *like)
{
	return request->serial == 0 && fits_source(request, like);
}

static bool
take(struct pairing *pairing, const struct answer *answer,
    struct pairing_request *request)
{
	for (uint32_t i = 0; i < 2 * pairing->n; i++) {
		uint32_t at = i < pairing->n ? i : i - pairing->n;
		bool (*fits)(const struct pairing_request *request,
		    const struct pairing_request *like) =
		    i < pairing->n ? answer->fits : answer->or_fits;

		*request = pairing->open[pairing->at + at];
		if (fits != NULL && fits(request, &answer->like)) {
			remove_at(pairing, at);
			return true;
		}
	}
	return false;
}

static bool
fits_ping(
    const struct pairing_request *request, const struct pairing_request *like)
{
	return request->key == BNET_KEY_PONG && request->echo == like->echo;
}

bool
pairing_ponged(
    struct pairing *pairing, uint64_t timestamp, struct pairing_request *ping)
{
	const struct answer answer = {
		.like = { .echo = timestamp },
		.fits = fits_ping,
	};

	return pairing->n > 0 && take(pairing, &answer, ping);
}

static bool
fits_call_of(
    const struct pairing_request *request, const struct pairing_request *like)
{
	return request->call.kind == CALL_MADE &&
	    request->call.id == like->call.id &&
	    request->call.client == like->call.client;
}

static bool
fits_call(
    const struct pairing_request *request, const struct pairing_request *like)
{
	return request->call.kind == CALL_MADE &&
	    request->call.id == like->call.id;
}

bool
pairing_call_answered(struct pairing *pairing, const struct call *call,
    struct pairing_request *request)
{
	const struct answer answer = {
		.like = { .call = *call },
		.fits = fits_call_of,
		.or_fits = fits_call,
	};

	return pairing->n_calls > 0 && take(pairing, &answer, request);
}

static bool
was_dropped(const struct pairing *pairing, const struct pairing_request *like)
{
	for (size_t i = 0; i < PAIRING_DROPPED; i++)
		if (pairing->dropped[i].serial == like->serial &&
		    pairing->dropped[i].key == like->key)
			return true;
	return false;
}

/*
 * Handles peers that repeat serials, and peers that use their own: see
 * pairing.h.
 */
static bool
take_numbered(struct pairing *pairing, struct answer *answer,
    struct pairing_request *request)
{
	answer->fits = fits_serial;
	if (take(pairing, answer, request)) {
		pairing->repeats = true;
		return true;
	}
	if (was_dropped(pairing, &answer->like)) {
		pairing->repeats = true;
		return false;
	}
	answer->fits = pairing->repeats ? fits_source_unnumbered : fits_source;
	return take(pairing, answer, request);
}

/* Returns false if this message type answers nothing. */
static bool
answer_of_message(const struct bnet_message *message, struct answer *answer)
{
	const struct bnet_error *error = &message->u.error;

	switch (message->type) {
	case BNET_MSG_ECHO_REPLY:
		answer->like.echo = message->u.echo.cookie;
		answer->fits = fits_echo;
		return true;
	case BNET_MSG_ROSTER_REPLY:
		answer->like.key = KEY_ROSTER;
		answer->fits = fits_key;
		return !message->u.roster_reply.more;
	case BNET_MSG_ERROR:
		answer->like.key = error->key;
		answer->like.dest_type = error->dest_type;
		answer->like.dest = error->dest;
		answer->like.cookie = error->cookie;
		answer->fits = fits_error;
		answer->or_fits = fits_error_unseen;
		return true;
	default:
		return false;
	}
}

bool
pairing_received(struct pairing *pairing, const struct bnet_packet *packet,
    struct bnet_buf *store, struct pairing_request *request)
{
	const struct bnet_header *header = &packet->header;
	enum bnet_message_type type = bnet_message_type(header->key);
	struct answer answer = { .fits = fits_source };
	struct bnet_message message;
	size_t left;

	if (pairing->n == 0 || !packet->has_header || header->key == 0)
		return false;
	if (type != BNET_MSG_NONE)
		return bnet_message_decode(type, packet->payload, &message,
			   store, &left) == BNET_OK &&
		    answer_of_message(&message, &answer) &&
		    take(pairing, &answer, request);
	answer.like.key = header->key;
	answer.like.serial = header->serial;
	answer.like.dest = header->source;
	return header->serial != 0 ? take_numbered(pairing, &answer, request)
				   : take(pairing, &answer, request);
}
