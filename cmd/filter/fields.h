/* SPDX-License-Identifier: MIT */
/*
 * fields - the names that -Y and -e know: the type of each, its place in a
 * record, and its description for -Y help. One table, plus the fields of
 * session messages from the table of the library. filter.c and eval.c read it,
 * and the columns of the decoder.
 *
 * The members of JSON have the names that they have there, with dots between
 * the levels: header.dest, message.code; "header." may be left out.
 */
#ifndef FILTER_FIELDS_H
#define FILTER_FIELDS_H

#include "cmd/filter/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum filter_type {
	FILTER_NUMBER, /* whole: decimal, or 0x and hexadecimal digits */
	FILTER_TIME, /* seconds since 1970, up to 9 decimals, or a date */
	FILTER_BOOL, /* true, false, 1, 0 */
	FILTER_WORD, /* one of `words` */
	FILTER_STRING,
	FILTER_ADDRESS, /* "ADDR:PORT", "ADDR" for any port, "ADDR/BITS" */
	FILTER_IP, /* "ADDR", "ADDR/BITS" */
	FILTER_BYTES, /* "text", or hexadecimal bytes: 0a:0b:0c */
	FILTER_VALUE, /* of any type: a number, a word or "text" */
	FILTER_N_TYPES
};

struct filter_word {
	const char *name; /* NULL ends the list */
	uint32_t value;
};

struct filter_field {
	const char *name;
	enum filter_type type;
	const char *unit; /* "ms", "bytes", "s", or "" */
	const char *description;
	const struct filter_word *words; /* names of values, or NULL */
};

/* Where a field is found; the field is missing if that is. */
enum filter_base {
	BASE_EVENT,
	BASE_EVENT_FRAME, /* the event, if it is a frame */
	BASE_EVENT_CUT, /* the event, if it is a frame that the snap length cut */
	BASE_EVENT_LOSS, /* the event, if it is not a frame */
	BASE_EVENT_CLOCK, /* the event, if it is a step of the clock */
	BASE_EVENT_STREAM, /* the event, if it has a stream */
	BASE_STREAM,
	BASE_FRAME, /* the packet */
	BASE_HEADER,
	BASE_RECORD,
	BASE_MACHO, /* the machoNet packet in the payload */
	BASE_MACHO_CALL, /* the same, if it has a call id */
	BASE_MACHO_ERROR, /* the same, if it is an error */
	BASE_OBJECT, /* the payload, if there is an object in it */
	BASE_OBJECT_ERROR, /* the payload, if its object is bad */
	BASE_BATCH, /* the payload, if it is an event with arguments */
	BASE_CLOCK, /* the payload, if it is of the clock */
	BASE_CLOCK_TIMES, /* the same, if it has times */
	BASE_ANY_MESSAGE, /* the row of the message's type, see filter_row_of() */
	BASE_MESSAGE, /* + a bnet_message_type: the message, if of that type */
};

enum filter_load {
	LOAD_BOOL,
	LOAD_ENUM,
	LOAD_U32,
	LOAD_U64,
	LOAD_PONG_PING, /* the latency of a header, only in a pong */
	LOAD_SIZE,
	LOAD_KEY, /* int32_t; hexadecimal is unsigned */
	LOAD_I64,
	LOAD_PORT_SRC, /* number of the event's end */
	LOAD_PORT_DST,
	LOAD_PORT_BOTH,
	LOAD_IDS, /* the fork ids */
	LOAD_IS_SET, /* struct bnet_string: is it not empty? */
	LOAD_CSTR,
	LOAD_SLICE,
	LOAD_STRING, /* struct bnet_string */
	LOAD_END_SRC,
	LOAD_END_DST,
	LOAD_END_BOTH,
	LOAD_IP_SRC, /* the end without its port */
	LOAD_IP_DST,
	LOAD_NODE, /* a string, through a pointer to its node */
	LOAD_MACHO_TYPE, /* the name of a number */
	LOAD_MACHO_ERROR,
	LOAD_PATH, /* a pointer to a node, and what the path leads to from it */
	LOAD_F64,
	LOAD_DEST, /* the name of an int64_t, or that */
};

struct filter_row {
	struct filter_field field;
	enum filter_base base;
	enum filter_load load;
	size_t offset; /* in the struct of `base`, or in an element of `list` */
	bool many; /* it may have several values */
	const struct bnet_field *list; /* of a message; NULL: not in a list */
	const char
	    *path; /* of LOAD_PATH: before that of the reference; or NULL */
};

#define FILTER_PATH_CHARS 96

/* A field as it is written in an expression: "payload[0:4]". */
struct filter_ref {
	const struct filter_row *row;
	char path[FILTER_PATH_CHARS]; /* of LOAD_PATH: ".a.b[0]" */
	bool sliced; /* of bytes and strings; then: */
	int64_t from; /* negative: from the end */
	int64_t len; /* negative: up to the end */
};

#define FILTER_REF_ERR_CHARS 192

/* Does it read record->payload? */
static inline bool
filter_ref_payload(const struct filter_ref *ref)
{
	return ref->row != NULL && ref->row->base >= BASE_MACHO &&
	    ref->row->base <= BASE_CLOCK_TIMES;
}

/* Signed numbers are stored with the top bit flipped, so that they sort. */
#define FILTER_BIAS (UINT64_C(1) << 63)

static inline bool
filter_row_signed(const struct filter_row *row)
{
	return row->load == LOAD_I64 || row->load == LOAD_KEY;
}

/*
 * Reads the name of a field, and a slice behind it. Returns false if there is
 * none such: `err` says why, and *at_bytes is the place in `text`.
 */
bool filter_ref_parse(const char *text, size_t len, struct filter_ref *ref,
    char err[FILTER_REF_ERR_CHARS], size_t *at_bytes);

/*
 * The row of BASE_ANY_MESSAGE for messages of this type; NULL: they lack it.
 */
const struct filter_row *
filter_row_of(const struct filter_row *row, enum bnet_message_type type);

/* In the order of the manual, without those of messages; NULL past the last. */
const struct filter_field *filter_field(size_t i);

/* "number", "time", ...; static. */
const char *filter_type_name(enum filter_type type);

/* The operators of the type, such as "== != in"; static. */
const char *filter_type_operators(enum filter_type type);

/* Prints -Y help: every field, and the operators. */
void filter_help(FILE *f);

#endif
