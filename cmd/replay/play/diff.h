/* SPDX-License-Identifier: MIT */
/*
 * diff - did the cluster answer the same? Compares the frames received with the
 * frames captured, for each virtual client and in the order of each key. The
 * answer of a call of machoNet is compared with that of the same call, and
 * counted by method.
 *
 * Payloads that are marshal streams are compared as objects, others as bytes.
 *
 * Session messages that a relay sends on its own (welcome, keepalive, roster,
 * ...; dest_type HOP) are not compared, but bluenet.error is. The payloads of
 * echo-reply and error are compared field by field, without clocks and reason
 * texts.
 *
 * Ids are those of the capture: the caller maps the cluster's ids back. Each
 * worker has a diff of its own; they are merged at the end.
 */
#ifndef REPLAY_DIFF_H
#define REPLAY_DIFF_H

#include "cmd/common/cli.h"
#include "cmd/common/keys.h"
#include "cmd/replay/play/object_diff.h"
#include "cmd/replay/tape/tape.h"
#include "cmd/common/map.h"

#include "proto/link.h"

#include <stdbool.h>
#include <stdint.h>

#define DIFF_MASKS_MAX 64
#define DIFF_HOP_BYTES 4 /* a stock hop appends so many to a keyed payload */
#define DIFF_HOPS_MAX 4 /* on a way that is taken for a stock one */
#define DIFF_EXAMPLES_MAX 10 /* shown in full */

/* A part of a frame that --ignore leaves out. */
struct diff_mask {
	int field; /* row of the field table */
	uint64_t from, to; /* payload[from:to]; to 0: up to its end */
	/*
	 * Not 0: payload[-last:], the last bytes of the longer one of the two
	 * payloads. So what the longer one has at its end can be garbage.
	 */
	uint64_t last;
	bool keyed; /* only of frames with a key */
	/* object.PATH; borrowed from the text. * is any name or number. */
	const char *path; /* NULL: none */
	size_t n_path;
};

struct diff_masks {
	struct diff_mask masks[DIFF_MASKS_MAX];
	size_t n;
};

/*
 * Parses "serial,payload[0:8],payload[-4:],object.state[3]": names of header fields, header (its presence),
 * trailing (bytes after it), codec, payload, missing, extra, order. latency_ms
 * and timestamp are always masked; `text` may be NULL to mask only those, and
 * must outlive *masks.
 * Returns false on bad input: err says what is wrong, where, and what is
 * allowed.
 */
bool diff_masks_parse(
    struct diff_masks *masks, const char *text, char err[CLI_ERR_CHARS]);

/*
 * --stock: adds the masks for one stock hop on the way, which appends
 * DIFF_HOP_BYTES to keyed payloads, and leaves headers behind the header of a
 * forked copy. False: too many masks.
 */
bool diff_masks_stock(struct diff_masks *masks);

uint32_t diff_masked_fields(const struct diff_masks *masks);
/*
 * Does a mask of payload bytes cover byte `i` of two payloads, the longer of
 * which has n_bytes?
 */
bool diff_byte_is_masked(
    const struct diff_masks *masks, uint64_t i, uint64_t n_bytes, bool keyed);

enum diff_kind {
	DIFF_MISSING = 0, /* captured, not received */
	DIFF_EXTRA, /* received, not captured */
	DIFF_ORDER, /* received at another position */
	DIFF_HEADER,
	DIFF_CODEC, /* compressed with another codec */
	DIFF_PAYLOAD,
	DIFF_N_KINDS
};

struct diff;

/* Borrows both arguments. Returns NULL when out of memory. */
struct diff *diff_new(const struct tape *tape, const struct diff_masks *masks);
void diff_free(struct diff *diff); /* NULL is allowed */

/* The state of a virtual client. Start zeroed; diff owns it afterwards. */
struct diff_vclient {
	void *state; /* owned by diff */
};

/*
 * Maps an id of the cluster (of a node or a client) to the id in the capture.
 */
struct diff_ids {
	int64_t (*captured)(void *arg, bool node, int64_t id);
	void *arg;
};

/* The call that a frame answers. */
struct diff_call {
	uint32_t method; /* text of the tape */
	int64_t captured_id, id; /* of the call in the capture, and as sent */
};

/*
 * Compares a received frame. `payload` is decompressed; `packet` keeps the
 * codec it came with. Memory is bounded per virtual client and in total: frames
 * skipped for that reason are counted (diff_found.unlooked) and reported. `ids`
 * NULL: ids are the captured ones. `call` NULL: it answers none. Returns false for a frame that is never
 * compared, such as a keepalive.
 */
bool diff_received(struct diff *diff, struct diff_vclient *vclient,
    uint32_t session, const struct bnet_packet *packet,
    const struct diff_ids *ids, const struct diff_call *call);

/*
 * Ends a session: counts its missing frames and zeroes `vclient`. If the
 * virtual client was stopped early, `sent_to` is the record that it would have
 * sent next, and later frames of the capture are not missing; NULL: it sent
 * everything.
 */
void diff_ended(struct diff *diff, struct diff_vclient *vclient,
    uint32_t session, const struct tape_record *sent_to);

/* Adds the differences of `from`, which may be NULL. */
void diff_merge(struct diff *diff, const struct diff *from);

/* ---- for the reports ---- */

/* The rows of the field table, in the order in which they are shown. */
enum diff_field {
	DIFF_F_HEADER = 0, /* present or not */
	DIFF_F_SOURCE,
	DIFF_F_DEST_TYPE,
	DIFF_F_DEST,
	DIFF_F_FORKS,
	DIFF_F_SERIAL,
	DIFF_F_LATENCY,
	DIFF_F_PRIORITY,
	DIFF_F_TIMESTAMP,
	DIFF_F_TRAILING, /* out-of-band bytes after the header */
	DIFF_F_CODEC,
	DIFF_F_PAYLOAD,
	DIFF_F_OBJECT, /* only in masks: a part of a payload */
	DIFF_F_MISSING,
	DIFF_F_EXTRA,
	DIFF_F_ORDER,
	DIFF_N_FIELDS
};

#define DIFF_BIT(field) (UINT32_C(1) << (field))

#define DIFF_HEX_BYTES 16
#define DIFF_VALUES_MAX 5

/* One side of an example. */
struct diff_side {
	bool there;
	bool has_header;
	struct bnet_header header;
	enum bnet_codec_id codec;
	uint64_t trailing_bytes, payload_bytes;
	uint64_t values[DIFF_VALUES_MAX]; /* of an error or echo-reply */
	size_t n_values;
	uint64_t hex_at; /* offset of the payload bytes shown */
	uint8_t hex[DIFF_HEX_BYTES];
	size_t n_hex;
};

struct diff_example {
	enum diff_kind kind;
	uint32_t session;
	int32_t key;
	uint32_t method; /* text: of the call that it answers; 0: none */
	uint64_t
	    index; /* in its key or method: captured frame; EXTRA: received one */
	uint64_t received_index;
	uint32_t fields; /* bits of the fields that differ */
	struct diff_side captured, received;
	struct object_found objects; /* n 0: the bytes differ */
	const void *vclient; /* valid as long as it exists */
};

struct diff_key { /* a row of the table by key, or method */
	uint64_t key; /* of the map: method << 32 | (uint32_t)int32_t key */
	uint64_t compared;
	uint64_t counts[DIFF_N_KINDS];
};

/* The differences found. */
struct diff_found {
	const struct tape *tape;
	struct map keys; /* of struct diff_key */
	uint64_t counts[DIFF_N_KINDS];
	uint64_t compared; /* frames received */
	uint64_t unlooked; /* skipped for lack of memory */
	/*
	 * Differences that stock hops make: of DIFF_HOPS_MAX hops at most, in
	 * the last bytes of a keyed payload, and behind a header. How many
	 * bytes of a payload at most.
	 */
	uint64_t stock, stock_bytes;
	struct diff_example examples[DIFF_EXAMPLES_MAX];
	size_t n_examples;
};

const struct diff_found *diff_found(const struct diff *diff);
uint64_t diff_total(const struct diff *diff); /* of all kinds */
/* There are differences, and each may be the work of stock hops. */
bool diff_is_stock(const struct diff *diff);

extern const char *const diff_field_names[DIFF_N_FIELDS];

/* Names of diff_side.values for a key; NULL: it has none. */
const char *const *diff_value_names(int32_t key);

int64_t
diff_header_value(const struct bnet_header *header, enum diff_field field);

#endif
