/* SPDX-License-Identifier: MIT */
/*
 * pairing - which request is it that a frame answers? The same rule for the
 * frames of a capture and for live ones:
 *
 *	bluenet.echo-reply	the echo with its cookie
 *	bluenet.roster-reply	the oldest roster, by the reply without `more`
 *	bluenet.error		the oldest request of its key, destination and
 *				cookie (the first 8 payload bytes), or else
 *				without a cookie, as compressed ones are
 *	an application's frame	of its key: the request with its serial, if that
 *				is not 0; otherwise the oldest that went to its
 *				source (NODE, CLIENT), or to nobody in
 *				particular (ANY)
 *
 * Serials are the application's. A peer that was seen to repeat those of its
 * requests answers no request of another serial; one that numbers its answers
 * itself is taken in order. One that comes after its request was dropped, of
 * the last PAIRING_DROPPED, answers nothing.
 *
 * Of a capture every frame that a client sent is entered, to find out which
 * have an answer; when they are played, only those that had one. How many may
 * be open is the caller's affair. No memory while none is.
 */
#ifndef REPLAY_PAIRING_H
#define REPLAY_PAIRING_H

#include "proto/link.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

struct pairing_request {
	uint64_t user; /* the caller's own */
	int64_t dest_type, dest;
	uint64_t cookie; /* first 8 payload bytes; 0: fewer, or compressed */
	uint64_t echo; /* cookie of an echo */
	int32_t key;
	uint32_t serial;
};

#define PAIRING_DROPPED 8

struct pairing_dropped {
	int32_t key;
	uint32_t serial; /* not 0, but in a place that is free */
};

/* Zeroed: nothing is open. */
struct pairing {
	struct pairing_request *open; /* owned; n from `at` on, of cap */
	uint32_t n, at, cap;
	uint32_t n_dropped; /* so far */
	struct pairing_dropped dropped[PAIRING_DROPPED];
	bool repeats; /* the peer repeats serials */
};

void pairing_free(struct pairing *pairing);

/* What identifies a request. `payload` is as on the wire, of `codec`. */
struct pairing_request pairing_request(const struct bnet_header *header,
    enum bnet_codec_id codec, struct bnet_slice payload, uint64_t user);

/* A request was sent. False: out of memory, so it is not open. */
bool
pairing_sent(struct pairing *pairing, const struct pairing_request *request);

/*
 * A frame came, its payload decompressed. True: it answers *request, which is
 * no longer open. `store` is for decoding session messages.
 */
bool pairing_received(struct pairing *pairing, const struct bnet_packet *packet,
    struct bnet_buf *store, struct pairing_request *request);

/* The oldest open request; NULL: none. */
const struct pairing_request *pairing_oldest(const struct pairing *pairing);
/* It is given up. */
void pairing_drop_oldest(struct pairing *pairing);

static inline bool
pairing_is_empty(const struct pairing *pairing)
{
	return pairing->n == 0;
}

#endif
