/* SPDX-License-Identifier: MIT */
/*
 * pairing - finds the request that a frame answers. The rules are the same for
 * captured and for live frames:
 *
 *	bluenet.echo-reply	the echo with its cookie
 *	bluenet.roster-reply	the oldest roster, at the reply without `more`
 *	bluenet.error		the oldest request of its key, destination and
 *				cookie (the first 8 payload bytes), or else
 *				one without a cookie (compressed)
 *	an answer of machoNet	the call with its id (cmd/common/call): of that
 *				client, or else of any
 *	an application's frame	of its key: the request with its serial, if that
 *				is not 0; otherwise the oldest one sent to its
 *				source (NODE, CLIENT), or to nobody in
 *				particular (ANY)
 *
 * Applications choose the serials. Once a peer has repeated the serial of a
 * request, its answers never match a request with another serial; the answers
 * of a peer that numbers them itself are matched in order. An answer to one of
 * the last PAIRING_DROPPED dropped requests matches nothing.
 *
 * The last rule guesses: what two sides say to each other looks the same. Only
 * what the protocol answers is a request that somebody owes an answer.
 *
 * For a capture, enter every frame that a client sent, to learn which ones have
 * an answer; for a replay, only those that had one. The caller limits the
 * number of open requests. Takes no memory while none is open.
 */
#ifndef REPLAY_PAIRING_H
#define REPLAY_PAIRING_H

#include "cmd/common/call.h"
#include "proto/link.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

struct pairing_request {
	uint64_t user; /* for the caller */
	int64_t dest_type, dest;
	uint64_t cookie; /* first 8 payload bytes; 0: fewer, or compressed */
	uint64_t echo; /* cookie of an echo */
	int32_t key;
	uint32_t serial;
	struct call call; /* CALL_MADE: with an id; else none */
	/* for the caller, too; 0 at first: */
	uint32_t error;
	uint32_t method; /* text: the name of a call */
	int64_t captured_id; /* of a call */
	bool extra; /* the capture lacks its answer */
	bool failed; /* the capture answers that the call failed */
	bool guessed; /* only the order of the frames makes it a request */
};

#define PAIRING_DROPPED 8

struct pairing_dropped {
	int32_t key;
	uint32_t serial; /* not 0; 0 marks a free place */
};

/* Zeroed: nothing is open. */
struct pairing {
	struct pairing_request *open; /* owned; n from `at` on, of cap */
	uint32_t n, at, cap;
	uint32_t n_calls; /* of n */
	uint32_t n_dropped; /* in total */
	struct pairing_dropped dropped[PAIRING_DROPPED];
	bool repeats; /* the peer repeats serials */
};

void pairing_free(struct pairing *pairing);

/*
 * Returns what identifies a request. `payload` is as on the wire, in `codec`.
 */
struct pairing_request pairing_request(const struct bnet_header *header,
    enum bnet_codec_id codec, struct bnet_slice payload, uint64_t user);

/*
 * Enters a request that was sent. Returns false when out of memory; the request
 * is then not open.
 */
bool
pairing_sent(struct pairing *pairing, const struct pairing_request *request);

/*
 * Matches a received frame; its payload must be decompressed. Returns true if
 * it answers *request, which is then no longer open. `store` is for decoding
 * session messages.
 */
bool pairing_received(struct pairing *pairing, const struct bnet_packet *packet,
    struct bnet_buf *store, struct pairing_request *request);

/* As pairing_received(), for a CALL_RESULT or CALL_ERROR. */
bool pairing_call_answered(struct pairing *pairing, const struct call *answer,
    struct pairing_request *request);

/* The open ping (pairing_ping()) with that timestamp. */
bool pairing_ponged(
    struct pairing *pairing, uint64_t timestamp, struct pairing_request *ping);

/* A ping in the header of a frame, as a request of its own. */
static inline struct pairing_request
pairing_ping(uint64_t timestamp, uint64_t user)
{
	return (struct pairing_request){
		.user = user, .key = BNET_KEY_PONG, .echo = timestamp
	};
}

/* The oldest open request, or NULL. */
const struct pairing_request *pairing_oldest(const struct pairing *pairing);
/* Drops the oldest open request; its answer will match nothing. */
void pairing_drop_oldest(struct pairing *pairing);

static inline bool
pairing_is_empty(const struct pairing *pairing)
{
	return pairing->n == 0;
}

#endif
