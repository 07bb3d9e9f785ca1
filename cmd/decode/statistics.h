/* SPDX-License-Identifier: MIT */
/*
 * statistics - what -z NAME counts, printed at the end.
 *
 *	struct statistics *st = statistics_new();
 *	statistics_add(st, "io,1s", err, sizeof(err));
 *	statistics_record(st, &record);		every event that passed -Y
 *	statistics_print(st, stdout, json, cap_counters(cap));
 *
 * Nothing is allocated for a frame, only for a key, stream, endpoint or
 * interval that is new; of each there is a ceiling, and what comes after it
 * is counted as "(others)". Owns the states of all; called by main.c and
 * loop.c.
 */
#ifndef DECODE_STATISTICS_H
#define DECODE_STATISTICS_H

#include "cmd/filter/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define STATISTICS_MAX 16 /* at once */

/* What must be set in a record for the numbers to be right. */
#define STATISTICS_NEEDS_PAYLOAD 1u /* decompressed: frame->payload */
#define STATISTICS_NEEDS_KEY_NAME 2u
#define STATISTICS_NEEDS_MESSAGE 4u

struct statistics_info {
	const char *name;
	const char *arg; /* what may follow after a comma; NULL: nothing */
	const char *about; /* one line */
};

/* The `i`-th that there is, for a list; NULL past the last. */
const struct statistics_info *statistics_info(size_t i);

struct statistics;

/* Returns NULL when out of memory. */
struct statistics *statistics_new(void);
void statistics_free(struct statistics *st); /* NULL is allowed */

/*
 * Count also what `spec` says: a name, or name,argument. The same one twice
 * counts once. False: it is no such thing, and `err` says why, without a
 * full stop.
 */
bool statistics_add(
    struct statistics *st, const char *spec, char *err, size_t err_bytes);

/* How many were added. */
size_t statistics_n(const struct statistics *st);

/* STATISTICS_NEEDS_* of all that were added. */
unsigned statistics_needs(const struct statistics *st);

/*
 * record->key_name is borrowed until statistics_free(), all else for the
 * call.
 */
void statistics_record(struct statistics *st, const struct record *record);

/*
 * All, in the order added: tables, or with `json` a line of JSON for each
 * table. False when writing failed or memory ran out.
 */
bool statistics_print(const struct statistics *st, FILE *out, bool json,
    const struct cap_counters *counters);

#endif
