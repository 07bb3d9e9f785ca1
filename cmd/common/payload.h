/* SPDX-License-Identifier: MIT */
/*
 * payload - what the payload of a frame says: a marshal stream, a machoNet
 * packet, or the payload of one of BlueNet's own keys (bluenet-marshal(5)).
 * Called by the decoder for each frame, where something wants it.
 */
#ifndef COMMON_PAYLOAD_H
#define COMMON_PAYLOAD_H

#include "proto/batch.h"
#include "proto/brief.h"
#include "proto/macho.h"
#include "proto/marshal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum payload_kind {
	PAYLOAD_OTHER = 0, /* nothing that is known */
	PAYLOAD_OBJECT, /* a marshal stream */
	PAYLOAD_MACHO, /* a marshal stream of a machoNet packet */
	PAYLOAD_BATCH, /* an event with arguments */
	PAYLOAD_CLOCK_INIT,
	PAYLOAD_CLOCK_UPDATE,
	PAYLOAD_CLOCK_DETACH,
};

struct payload {
	enum payload_kind kind;
	/* OBJECT, MACHO; of BATCH the tuple of event and arguments; else NULL */
	const struct bnet_node *root;
	struct bnet_macho macho; /* MACHO, where root is set */
	struct bnet_brief brief; /* MACHO */
	struct bnet_sim_clock clock; /* INIT, UPDATE */
	const char *reason; /* what is wrong with the stream; "" if nothing */
	size_t at_byte; /* and where */
};

/* Reads payloads, one after the other. */
struct payload_reader;

/*
 * With `brief`, of a machoNet packet only that is read, where that is quicker.
 * Returns NULL when out of memory.
 */
struct payload_reader *payload_reader_new(bool brief);
void payload_reader_free(struct payload_reader *reader); /* NULL is allowed */

/*
 * Reads the table of strings from a file, one per line, the first of which has
 * the index 1. Returns false on failure: `err` says what is wrong, and where.
 */
bool payload_read_strings(struct payload_reader *reader, const char *path,
    char *err, size_t err_bytes);

/*
 * Reads the payload of a packet with this key (0: without one). The result is
 * borrowed until the next call, and borrows from `bytes`.
 */
const struct payload *payload_read(
    struct payload_reader *reader, int32_t key, struct bnet_slice bytes);

#endif
