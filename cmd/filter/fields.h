/* SPDX-License-Identifier: MIT */
/*
 * fields - the names that -Y knows: the type of each, its place in a record,
 * and its description for -Y help. One table, plus the fields of session
 * messages from the table of the library; filter.c and eval.c read it.
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
	FILTER_TIME, /* seconds since 1970, up to 9 decimals */
	FILTER_BOOL, /* true, false, 1, 0 */
	FILTER_WORD, /* one of `words` */
	FILTER_STRING,
	FILTER_ADDRESS, /* "ADDR:PORT", or "ADDR" for any port */
	FILTER_BYTES, /* "text", or hexadecimal bytes: 0a:0b:0c */
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
	BASE_EVENT_LOSS, /* the event, if it is not a frame */
	BASE_EVENT_STREAM, /* the event, if it has a stream */
	BASE_STREAM,
	BASE_FRAME, /* the packet */
	BASE_HEADER,
	BASE_RECORD,
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
	LOAD_IDS, /* the fork ids */
	LOAD_CSTR,
	LOAD_SLICE,
	LOAD_STRING, /* struct bnet_string */
	LOAD_END_SRC,
	LOAD_END_DST,
};

struct filter_row {
	struct filter_field field;
	enum filter_base base;
	enum filter_load load;
	size_t offset; /* in the struct of `base` */
};

/* Signed numbers are stored with the top bit flipped, so that they sort. */
#define FILTER_BIAS (UINT64_C(1) << 63)

static inline bool
filter_row_signed(const struct filter_row *row)
{
	return row->load == LOAD_I64 || row->load == LOAD_KEY;
}

const struct filter_row *filter_row_find(const char *name, size_t len);

/* The name that was probably meant, or NULL. */
const char *filter_row_nearest(const char *name, size_t len);

/* In the order of the manual, without those of messages; NULL past the last. */
const struct filter_field *filter_field(size_t i);

/* "number", "time", ...; static. */
const char *filter_type_name(enum filter_type type);

/* The operators of the type, such as "== != in"; static. */
const char *filter_type_operators(enum filter_type type);

/* Prints -Y help: every field, and the operators. */
void filter_help(FILE *f);

#endif
