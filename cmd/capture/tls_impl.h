/* SPDX-License-Identifier: MIT */
/*
 * tls_impl - what the parts of tls_record share, and nobody else sees.
 *
 *	tls_record.c	what comes in: feed, gap, end; holding back; losses
 *	tls_hole.c	bytes that are missing
 *	tls_step.c	one record, or the search for one after a hole
 *	tls_keys.c	which key opens it, and the change to the next one
 *	tls_message.c	the handshake messages, of which four matter
 */
#ifndef CAPTURE_TLS_IMPL_H
#define CAPTURE_TLS_IMPL_H

#include "cmd/capture/tls_crypt.h"
#include "cmd/capture/tls_record.h"

#define TLS_BODY_MAX_BYTES CAP_TLS_PLAIN_MAX_BYTES
#define TLS_BODY_13_MAX_BYTES (16384 + 256)
#define TLS_HELLO_MAX_BYTES 65536 /* a longer hello is not kept */

enum tls_content {
	TLS_CHANGE_CIPHER = 20,
	TLS_ALERT = 21,
	TLS_MESSAGE = 22,
	TLS_DATA = 23,
	TLS_HEARTBEAT = 24,
};

enum tls_message_type {
	TLS_CLIENT_HELLO = 1,
	TLS_SERVER_HELLO = 2,
	TLS_FINISHED = 20,
	TLS_KEY_UPDATE = 24,
};

enum tls_level {
	TLS_PLAIN = 0,
	TLS_HANDSHAKE, /* 1.3 only */
	TLS_TRAFFIC, /* 1.2: since ChangeCipherSpec */
};

/* Handshake messages across records; only hellos are kept. */
struct tls_messages {
	struct bnet_buf hello;
	uint8_t head[4]; /* type, length u24 */
	uint8_t n_head;
	uint32_t left_bytes; /* of the message's body */
	bool keep;
	bool lost; /* a hole: where a message starts is not known */
};

struct tls_half {
	struct bnet_buf in; /* not yet taken */
	bool hole; /* at in[hole_at] missing_bytes are missing */
	bool blocked; /* the next record needs the other side's hello */
	bool synced; /* a record starts at in[0], behind skip_bytes */
	bool hello; /* the hello of this side is known */
	bool retry; /* it will be: this side asked for another one */
	bool advance; /* the next record has the next keys */
	bool blind; /* no handshake secret: only look for traffic */
	bool next_set; /* `next` and next_secret are those after `now` */
	bool closed;
	enum tls_level level;
	size_t hole_at;
	uint64_t missing_bytes;
	uint64_t dropped_bytes; /* of the missing: fed, but not kept */
	uint32_t skip_bytes; /* what is left of a record that has a hole */
	struct tls_opener now, next;
	struct tls_secret secret, next_secret; /* 1.3 */
	uint64_t seq; /* of the next record */
	uint64_t slack; /* how many records may have been missed */
	unsigned int n_failed; /* records in a row that did not open */
	struct tls_messages messages;
	const char *dead; /* why nothing more is read, or NULL */
	uint64_t told_bytes; /* lost but not told yet, */
	const char *told_reason; /* if this is not NULL */
	uint64_t records, read_bytes, lost_bytes, plain_bytes;
};

struct cap_tls {
	const struct cap_keylog *keylog;
	struct tls_half half[2];
	struct tls_randoms randoms;
	uint16_t version, suite_id;
	const struct tls_suite *suite;
	bool early_data; /* the client may send 0-RTT data */
	struct tls_opener early;
	uint64_t early_seq;
	uint64_t budget_bytes; /* of trial decryption */
	enum cap_tls_state state;
	const char *reason;
	uint8_t *out; /* one record's plaintext; only during a call */
	const struct cap_tls_sink *sink; /* the same */
};

static inline bool
tls_hellos(const struct cap_tls *tls)
{
	return tls->half[CAP_UP].hello && tls->half[CAP_DOWN].hello;
}

/* ---- tls_record.c -------------------------------------------------------- */

/* `n` bytes fed could not be read, or (0) there is a hole. */
void
tls_lose(struct cap_tls *tls, enum cap_dir dir, uint64_t n, const char *reason);

/* Tell the losses up to here. */
void tls_tell(struct cap_tls *tls, enum cap_dir dir);

/* Nothing of this direction, or of both, can be read from here on. */
void tls_kill(struct cap_tls *tls, enum cap_dir dir, enum cap_tls_state state,
    const char *reason);
void tls_kill_both(
    struct cap_tls *tls, enum cap_tls_state state, const char *reason);

/* ---- tls_hole.c ---------------------------------------------------------- */

extern const char tls_missing[]; /* the reason of a hole */
extern const char tls_no_start[]; /* and of hellos that are not there */

/* The first `n` bytes of what is held are dealt with. */
void tls_take(struct tls_half *h, size_t n);

/*
 * There is a hole behind what is held; `dropped_bytes` of it were fed. Where
 * one is there already, what lies between the two is given up.
 */
void tls_hole_open(
    struct tls_half *h, uint64_t missing_bytes, uint64_t dropped_bytes);

/*
 * Go over the hole at the end of `before`, what is left ahead of it. Both
 * hellos are there, or will never be.
 */
void
tls_hole_cross(struct cap_tls *tls, enum cap_dir dir, struct bnet_slice before);

/* ---- tls_step.c ---------------------------------------------------------- */

enum tls_step {
	TLS_ON, /* *used bytes taken, or the half was killed; go on */
	TLS_MORE, /* the record is not whole */
	TLS_BLOCKED, /* the other side's hello must come first */
};

/* Take the record at the start of `in`. last: nothing follows `in` soon. */
enum tls_step tls_step(struct cap_tls *tls, enum cap_dir dir,
    struct bnet_slice in, bool last, size_t *used);

/* ---- tls_keys.c ---------------------------------------------------------- */

/* The first keys of a direction; kills it, returning false, if none. */
bool tls_keys_start(struct cap_tls *tls, enum cap_dir dir);

/* Replace them: behind Finished and KeyUpdate. The same. */
bool tls_keys_advance(struct cap_tls *tls, enum cap_dir dir);

enum tls_opened {
	TLS_OPENED, /* tls->out has *n_out bytes */
	TLS_NOT_OPENED,
	TLS_EARLY, /* opened; 0-RTT data */
};

/* Records that fill `n_bytes` may have been missed. */
void tls_keys_missed(struct tls_half *h, uint64_t n_bytes);

/* Open a record, by trial if some may have been missed. */
enum tls_opened tls_keys_open(struct cap_tls *tls, enum cap_dir dir,
    const uint8_t *head, struct bnet_slice body, size_t *n_out);

/* ---- tls_message.c ------------------------------------------------------- */

/* The contents of one handshake record. */
void
tls_messages_feed(struct cap_tls *tls, enum cap_dir dir, struct bnet_slice in);

/* Forget a message that is not whole. */
void tls_messages_reset(struct tls_messages *messages, bool lost);

#endif
