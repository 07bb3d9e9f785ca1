/* SPDX-License-Identifier: MIT */
/*
 * rewrite_payload - changes the ids in the addresses of a machoNet packet:
 * the id of a call, and those of clients.
 *
 * All other bytes stay as they are: an integer is changed in place where the
 * new one fits into its width, and written anew where it does not; a checksum
 * is made again. What cannot be changed safely is left as it is, and why is
 * told. Called by virtual_client.c.
 */
#ifndef REPLAY_REWRITE_PAYLOAD_H
#define REPLAY_REWRITE_PAYLOAD_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum rewrite_result {
	REWRITE_NOTHING, /* there was nothing to change */
	REWRITE_DONE,
	/* not possible: */
	REWRITE_MALFORMED, /* cut, or no whole stream */
	REWRITE_PICKLE,
	REWRITE_FORM, /* a packet, an address or a number of an unusual form */
	REWRITE_NO_ID, /* the new id of the call is beyond 64 bits */
	REWRITE_TOO_LARGE, /* for the peer; found by the caller */
	REWRITE_N_RESULTS
};

/* What the ids become. */
struct rewrite_ids {
	int64_t (*client)(void *arg, int64_t id); /* `id` itself: unknown */
	bool (*call)(void *arg, int64_t id, int64_t *to); /* false: none */
	void *arg;
};

struct rewrite_payload;

/* Returns NULL when out of memory. */
struct rewrite_payload *rewrite_payload_new(void);
void rewrite_payload_free(struct rewrite_payload *r); /* NULL is allowed */

/*
 * `in` is decompressed. With REWRITE_DONE, *out is the changed payload,
 * borrowed until the next call; otherwise it is `in`.
 */
enum rewrite_result
rewrite_payload(struct rewrite_payload *r, struct bnet_slice in,
    const struct rewrite_ids *ids, struct bnet_slice *out);

#endif
