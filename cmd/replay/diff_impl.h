/* SPDX-License-Identifier: MIT */
/*
 * What the files of diff share; nobody else includes it.
 *
 *	diff.c		a frame that came: what is it?
 *	diff_window.c	the captured frames of a key, and which have come
 *	diff_compare.c	two frames: which fields differ
 *	diff_count.c	how many of each kind, and the first of them
 *	diff_masks.c	what is not looked at
 *	diff_print.c	the tables and the examples
 */
#ifndef REPLAY_DIFF_IMPL_H
#define REPLAY_DIFF_IMPL_H

#include "cmd/common/map.h"
#include "cmd/replay/diff.h"
#include "proto/message.h"

/* The rows of the table of fields; in this order they are shown. */
enum diff_field {
	DIFF_F_HEADER = 0, /* there is one, or not */
	DIFF_F_SOURCE,
	DIFF_F_DEST_TYPE,
	DIFF_F_DEST,
	DIFF_F_FORKS,
	DIFF_F_SERIAL,
	DIFF_F_LATENCY,
	DIFF_F_PRIORITY,
	DIFF_F_TIMESTAMP,
	DIFF_F_TRAILING, /* out-of-band bytes behind the header */
	DIFF_F_CODEC,
	DIFF_F_PAYLOAD,
	DIFF_F_MISSING,
	DIFF_F_EXTRA,
	DIFF_F_ORDER,
	DIFF_N_FIELDS
};

#define DIFF_BIT(field) (UINT32_C(1) << (field))
#define DIFF_HEADER_BITS (DIFF_BIT(DIFF_F_CODEC) - 1)

/* Frames of one key that are looked at around the one that is next. */
#define DIFF_BACK 32 /* so many may have been overtaken, or be late */
#define DIFF_AHEAD 32 /* so many may be missing in a row */
#define DIFF_WINDOW (DIFF_BACK + 1 + DIFF_AHEAD)

#define DIFF_HEX_BYTES 16
#define DIFF_VALUES_MAX 5

/* A frame, captured or received; borrowed. */
struct diff_frame {
	const struct tape_record *record; /* captured; NULL: received */
	int32_t key;
	bool has_header;
	struct bnet_header header;
	enum bnet_codec_id codec;
	struct bnet_slice trailing;
	struct bnet_slice payload; /* captured: see diff_load_payload() */
	/* Received: whose ids are the captured ones by now. A header does not
	 * say what its source is: header.source is what it was as a node. */
	const struct diff_ids *ids; /* NULL: captured */
	int64_t client_source; /* what it was as a client */
};

/* What an example shows of a frame. */
struct diff_side {
	bool there;
	bool has_header;
	struct bnet_header header;
	enum bnet_codec_id codec;
	uint64_t trailing_bytes, payload_bytes;
	uint64_t values[DIFF_VALUES_MAX]; /* of an error or echo-reply */
	size_t n_values;
	uint64_t hex_at; /* bytes of the payload, from here */
	uint8_t hex[DIFF_HEX_BYTES];
	size_t n_hex;
};

struct diff_example {
	enum diff_kind kind;
	uint32_t session;
	int32_t key;
	uint64_t index; /* captured frame of that key; EXTRA: received one */
	uint64_t received_index;
	uint32_t fields; /* bits: that differ */
	struct diff_side captured, received;
	const void *player; /* as long as it is there */
};

enum diff_came { /* of a captured frame in the window */
	DIFF_PENDING = 0, /* it has not come */
	DIFF_RECEIVED,
	DIFF_DIFFERENT, /* + enum diff_kind: something like it has */
};

/* Where a player is among the captured frames of one key. */
struct diff_cursor {
	int32_t key;
	uint32_t n; /* states in use: up to the last that came */
	uint8_t states[DIFF_WINDOW];
	const struct tape_record *base; /* of states[0]; NULL: the end */
	uint64_t base_index; /* among those of its key */
	uint64_t n_received;
	uint64_t n_ended; /* looked at when it was over */
};

struct diff_state { /* of a player */
	struct diff_cursor *cursors; /* owned; n */
	size_t n, cap;
};

struct diff_place { /* in the window of a cursor */
	const struct tape_record *record; /* NULL: there is none */
	uint32_t i;
};

struct diff_key { /* a row of the table */
	uint64_t key; /* of the map: (uint32_t)int32_t key */
	uint64_t compared;
	uint64_t counts[DIFF_N_KINDS];
};

struct diff {
	const struct tape *tape;
	const struct diff_masks *masks;
	uint32_t masked; /* bits: fields not looked at */
	bool ranges; /* parts of payloads are not */
	struct bnet_codecs *codecs;
	struct bnet_buf plain; /* the captured payload that was loaded last */
	struct bnet_buf store; /* of a message */
	struct map keys; /* of struct diff_key */
	uint64_t counts[DIFF_N_KINDS];
	uint64_t compared; /* frames received */
	uint64_t unlooked; /* frames for which there was no memory left */
	size_t n_cursors; /* of all players */
	struct diff_example examples[DIFF_EXAMPLES_MAX];
	size_t n_examples;
};

/* ---- diff_window.c ---- */
/* False: relays say it of themselves, when they like. */
bool diff_is_compared(const struct tape_record *record);
int32_t diff_key_of(const struct tape_record *record);

/* NULL: there are too many keys or players, or no memory. */
struct diff_cursor *diff_cursor(struct diff *diff, struct diff_player *player,
    uint32_t session, int32_t key);
uint8_t diff_state_of(const struct diff_cursor *cursor, uint64_t i);

/* What leaves the window then is settled. */
void diff_set_state(
    struct diff *diff, struct diff_cursor *cursor, uint32_t i, uint8_t state);

/* The captured frame that is equal; or else *next, whose turn it would be. */
struct diff_place diff_look(struct diff *diff, const struct diff_cursor *cursor,
    const struct diff_frame *received, struct diff_place *next);

/* ---- diff_count.c ---- */
struct diff_key *diff_key_row(struct diff *diff, int32_t key);
bool diff_kind_is_masked(const struct diff *diff, enum diff_kind kind);

/* Returns the example to be filled in, if there is room for one. */
struct diff_example *diff_count_one(
    struct diff *diff, enum diff_kind kind, uint32_t session, int32_t key);
void diff_count_missing(struct diff *diff, const struct diff_cursor *cursor,
    const struct tape_record *record, uint64_t index);

/* ---- diff_masks.c ---- */
extern const char *const diff_field_names[DIFF_N_FIELDS];
uint32_t diff_masked_fields(const struct diff_masks *masks);
/* A mask of bytes of payloads covers this one. */
bool diff_byte_is_masked(const struct diff_masks *masks, uint64_t i);

/* ---- diff_compare.c ---- */
void diff_of_record(struct diff_frame *frame, const struct tape_record *record);
void diff_of_packet(struct diff_frame *frame, const struct bnet_packet *packet,
    const struct diff_ids *ids);

/*
 * Bits of the fields that differ, but for those that are masked; the first of
 * them is enough where `all` is false. Loads the captured payload, if need be.
 */
uint32_t diff_fields(struct diff *diff, struct diff_frame *captured,
    const struct diff_frame *received, bool all);

/* The captured payload, decompressed; good until the next one is. */
void diff_load_payload(struct diff *diff, struct diff_frame *captured);

/* NULL: there is none. A captured payload has to be loaded. */
void diff_show(struct diff *diff, struct diff_example *example,
    const struct diff_frame *captured, const struct diff_frame *received);

/* Names of diff_side.values of a key; NULL: it has none. */
const char *const *diff_value_names(int32_t key);
int64_t
diff_header_value(const struct bnet_header *header, enum diff_field field);

#endif
