/* SPDX-License-Identifier: MIT */
/*
 * bnet_message - the session messages (bluenet-wire.5, SESSION MESSAGES).
 *
 * Each is one bit stream of primitives, in the payload of a packet whose key
 * is the message's. Unknown trailing bits are ignored. Strings are bytes with
 * a length; decoding adds a NUL for convenience, but a peer may put NULs or
 * anything else inside.
 */
#ifndef BNET_MESSAGE_H
#define BNET_MESSAGE_H

#include "buf.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BNET_PROTOCOL_VERSION 1

/* bnet_key() of the names; a test checks that. */
#define BNET_KEY_ECHO (-1617951807) /* bluenet.echo, 0x9f9003c1 */

enum bnet_message_type {
	BNET_MSG_NONE = 0, /* not a session message */
	BNET_MSG_HELLO,
	BNET_MSG_WELCOME,
	BNET_MSG_REFUSE,
	BNET_MSG_ERROR,
	BNET_MSG_REGISTER,
	BNET_MSG_ROSTER,
	BNET_MSG_ROSTER_REPLY,
	BNET_MSG_ECHO,
	BNET_MSG_ECHO_REPLY,
	BNET_MSG_KEEPALIVE,
	BNET_MSG_DISCARD,
	BNET_MSG_DRAIN,
	BNET_N_MSGS
};

enum bnet_role {
	BNET_ROLE_CLIENT = 1,
	BNET_ROLE_NODE = 2,
};

/* Codes of refuse and error. */
enum bnet_code {
	BNET_CODE_VERSION = 1,
	BNET_CODE_NOT_AUTHORISED = 2,
	BNET_CODE_NO_DESTINATION = 3,
	BNET_CODE_REFUSED = 4,
	BNET_CODE_OVERLOADED = 5,
	BNET_CODE_TOO_LARGE = 6,
	BNET_CODE_MALFORMED = 7,
	BNET_CODE_SHUTTING_DOWN = 8,
	BNET_CODE_REPLACED = 9,
};

#define BNET_ECHO_F_SERVICE 1 /* answer from the application's queue */
#define BNET_ECHO_F_TRACE 2 /* relays append themselves */
#define BNET_ECHO_F_NODE 4 /* the asker is a node */

/* Borrowed; p[len_bytes] is NUL when decoded. p may be NULL if len is 0. */
struct bnet_string {
	const char *p;
	uint32_t len_bytes;
};

/* `text`, borrowed; not NULL, and shorter than 4 GiB. */
static inline struct bnet_string
bnet_string_of(const char *text)
{
	struct bnet_string s = { text, (uint32_t)strlen(text) };

	return s;
}

struct bnet_hello {
	uint32_t version;
	uint32_t role; /* enum bnet_role, or an unknown value */
	uint64_t wanted_id; /* 0: let the relay choose */
	uint32_t codecs; /* bits: enum bnet_codec_id */
	uint32_t frame_max_bytes;
	struct bnet_string name;
	struct bnet_string token; /* a credential: never show it */
};

struct bnet_welcome {
	uint32_t version;
	uint64_t id;
	uint64_t relay_id;
	uint32_t codecs;
	uint32_t frame_max_bytes;
	uint32_t keepalive_ms;
	struct bnet_string environment;
	struct bnet_string relay_name;
	uint64_t time_ns; /* unix */
};

struct bnet_refuse {
	uint32_t code; /* enum bnet_code */
	struct bnet_string reason;
};

struct bnet_error {
	uint32_t code; /* enum bnet_code */
	int64_t dest_type;
	int64_t dest;
	int32_t key;
	uint64_t cookie; /* first 8 payload bytes of the refused packet */
	struct bnet_string reason;
};

struct bnet_register {
	int32_t key;
};

struct bnet_roster {
	uint32_t roles; /* bit mask of enum bnet_role */
	struct bnet_string prefix;
};

struct bnet_roster_entry {
	uint64_t id;
	uint32_t role;
	struct bnet_string name;
	uint32_t latency_us;
};

struct bnet_roster_reply {
	bool more;
	uint32_t n;
	const struct bnet_roster_entry *entries; /* n; borrowed */
};

struct bnet_echo_hop {
	uint64_t id;
	uint64_t in_ns, out_ns; /* that relay's unix clock */
};

/* Echo and echo-reply; only the reply has the last two. */
struct bnet_echo {
	uint64_t cookie;
	uint64_t sent_ns;
	uint32_t flags; /* BNET_ECHO_F_* */
	uint32_t n;
	const struct bnet_echo_hop *hops; /* n; borrowed */
	uint64_t received_ns; /* the answering node's unix clock */
	uint64_t replied_ns;
};

struct bnet_drain {
	uint32_t seconds;
	struct bnet_string where; /* the relay to go to */
};

struct bnet_message {
	enum bnet_message_type type;
	union {
		struct bnet_hello hello;
		struct bnet_welcome welcome;
		struct bnet_refuse refuse;
		struct bnet_error error;
		struct bnet_register reg;
		struct bnet_roster roster;
		struct bnet_roster_reply roster_reply;
		struct bnet_echo echo; /* ECHO and ECHO_REPLY */
		struct bnet_drain drain;
	} u; /* KEEPALIVE, DISCARD: no body */
};

enum bnet_field_kind {
	BNET_FIELD_U32,
	BNET_FIELD_U64,
	BNET_FIELD_I32,
	BNET_FIELD_I64,
	BNET_FIELD_BOOL,
	BNET_FIELD_STRING, /* struct bnet_string */
	BNET_FIELD_LIST, /* its uint32_t n; the elements follow it */
};

struct bnet_field {
	const char *name; /* as the member, and as in JSON */
	enum bnet_field_kind kind;
	bool secret; /* show only whether it is set */
	size_t at; /* of the value, in the message or in the element */
	const struct bnet_list *list; /* of a LIST, or NULL */
};

struct bnet_list {
	const struct bnet_field *fields; /* of an element */
	size_t n_fields;
	size_t p_at; /* of the pointer to the elements, in the message */
	size_t element_bytes;
};

/* The message that travels under `key`; BNET_MSG_NONE if none. O(1). */
enum bnet_message_type bnet_message_type(int32_t key);

/* "bluenet.hello", ...; static; "" for BNET_MSG_NONE. */
const char *bnet_message_name(enum bnet_message_type type);

/* Its key; 0 for BNET_MSG_NONE. */
int32_t bnet_message_key(enum bnet_message_type type);

/* Its fields in wire order; static. NULL and a number of 0 if it has none. */
const struct bnet_field *
bnet_message_fields(enum bnet_message_type type, size_t *n_fields);

/* "not authorised", ... for a code; static; "unknown code" for others. */
const char *bnet_code_name(uint32_t code);

/*
 * Decode the body of a message of `type` (not NONE). Strings, roster entries
 * and hops are put into `store`: its contents are replaced, its ceiling bounds
 * what a peer can make us hold, and the message borrows from it until its next
 * use. Counts are checked against the remaining bits before anything is
 * allocated. *left_bytes is the number of whole bytes after the last known
 * field (the padding of an echo, the fields of a newer peer).
 *	BNET_OK
 *	BNET_EMESSAGE	it ends before its last field, or a value does not
 *			fit; *message is unspecified
 *	BNET_ELIMIT, BNET_ENOMEM	of `store`
 */
BNET_MUST enum bnet_err
bnet_message_decode(enum bnet_message_type type, struct bnet_slice body,
    struct bnet_message *message, struct bnet_buf *store, size_t *left_bytes);

/*
 * Append the body of `message` to `out`.
 *	BNET_OK, BNET_ELIMIT, BNET_ENOMEM; on error `out` may hold a part
 */
BNET_MUST enum bnet_err
bnet_message_encode(const struct bnet_message *message, struct bnet_buf *out);

#ifdef __cplusplus
}
#endif

#endif
