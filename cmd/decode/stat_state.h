/* SPDX-License-Identifier: MIT */
/*
 * stat_state - what a statistic has counted, as JSON, and the sum of several.
 *
 * Each statistic says in tables (struct stat_field, stat_rows) which of its
 * members add up, and how; so the state of a whole capture can be saved, and
 * loaded on top of that of another. Everything is an integer, a histogram or a
 * name: sums are exact, whatever the order. Members that are 0 are left out.
 *
 * Called by statistics.c, and by statistics with a hook of their own. A state
 * comes from a file: it is checked before it counts.
 */
#ifndef DECODE_STAT_STATE_H
#define DECODE_STAT_STATE_H

#include "cmd/common/map.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAT_STATE_ERR_CHARS 160

enum stat_field_type {
	STAT_SUM = 0, /* uint64_t, or `n` of them */
	STAT_MAX, /* uint64_t */
	STAT_TALLY, /* struct tally */
	STAT_SPAN, /* struct stat_span */
	STAT_SUMS, /* struct hdr_sums */
	STAT_HDR, /* struct hdr; made here if its counts are NULL */
	STAT_NAME, /* const char *; the first one is kept */
	STAT_PART, /* a struct with `fields` of its own */
};

/* A table of them ends with a name of NULL. */
struct stat_field {
	const char *name;
	enum stat_field_type type;
	size_t at; /* offset */
	size_t n; /* of STAT_SUM; 0 is 1 */
	unsigned digits; /* of STAT_HDR, and */
	int64_t highest;
	const struct stat_field *fields; /* of STAT_PART */
};

#define STAT_ONE(text, kind, of, member) \
	{ \
		.name = (text), .type = (kind), .at = offsetof(of, member) \
	}
#define STAT_MANY(text, of, member, count) \
	{ \
		.name = (text), .type = STAT_SUM, .at = offsetof(of, member), \
		.n = (count) \
	}

/* The rows of a map; what `others` counts adds up, too. */
struct stat_rows {
	size_t at; /* of the struct map in the state */
	bool text; /* the key is a name: bytes filled up with NULs */
	const struct stat_field *fields;
	bool (*key_is_good)(const uint64_t *key); /* or NULL: any is */
};

/* The times of the first and the last of something. */
struct stat_span {
	int64_t first_ns, last_ns;
	bool any; /* they are set */
};

struct stat_ops;
struct stat_out;

/* Returns NULL when out of memory. */
json_t *stat_state_save(
    const struct stat_ops *ops, const void *state, const struct stat_out *to);

/*
 * Adds a saved state; names are borrowed from `from`. Returns false on failure:
 * `err` says what is wrong, "" when out of memory, and some of it may have been
 * added.
 */
bool stat_state_load(const struct stat_ops *ops, void *state, json_t *from,
    char err[STAT_STATE_ERR_CHARS]);

/* For hooks: the members of an object, in both directions. */
bool
stat_fields_save(json_t *to, const void *of, const struct stat_field *fields);
bool stat_fields_load(json_t *from, void *of, const struct stat_field *fields,
    char err[STAT_STATE_ERR_CHARS]);

#endif
