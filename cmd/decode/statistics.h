/* SPDX-License-Identifier: MIT */
/*
 * statistics - the statistics of -z NAME, printed at the end.
 *
 *	struct statistics *st = statistics_new();
 *	statistics_add(st, "io,1s", err, sizeof(err));
 *	statistics_record(st, &record);		every event that passed -Y
 *	statistics_print(st, stdout, TABLE_AS_TEXT, cap_counters(cap));
 *
 * Allocates only for a new key, stream, endpoint or interval, never for a
 * frame. Each of them has a limit; the excess counts as "(others)". Owns the
 * states of all; called by main.c and loop.c.
 */
#ifndef DECODE_STATISTICS_H
#define DECODE_STATISTICS_H

#include "cmd/filter/record.h"
#include "cmd/stats/table.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define STATISTICS_MAX 16 /* at the same time */

/* The members of a record that the numbers depend on. */
#define STATISTICS_NEEDS_PAYLOAD 1u /* decompressed: frame->payload */
#define STATISTICS_NEEDS_KEY_NAME 2u
#define STATISTICS_NEEDS_MESSAGE 4u
#define STATISTICS_NEEDS_OBJECT 8u /* record->payload */

struct statistics_info {
	const char *name;
	const char *arg; /* what may follow a comma; NULL: nothing */
	const char *about; /* one line */
};

/* The `i`-th statistic, for a list; NULL past the last. */
const struct statistics_info *statistics_info(size_t i);

struct statistics;

/* Returns NULL when out of memory. */
struct statistics *statistics_new(void);
void statistics_free(struct statistics *st); /* NULL is allowed */

/*
 * Adds the statistic `spec`: NAME or NAME,ARGUMENT. Adding the same one twice
 * counts once. Returns false if it is invalid, and `err` says why, without a
 * full stop.
 */
bool statistics_add(
    struct statistics *st, const char *spec, char *err, size_t err_bytes);

/* The number of statistics added. */
size_t statistics_n(const struct statistics *st);

/* STATISTICS_NEEDS_* of all statistics added. */
unsigned statistics_needs(const struct statistics *st);

/*
 * Counts a record. record->key_name is borrowed until statistics_free(), all
 * else for the call.
 */
void statistics_record(struct statistics *st, const struct record *record);

/*
 * Adds what another capture has counted: `merge` is that member of a table in
 * JSON, and is kept. The statistic is started if there is none. Returns false
 * if it is invalid or cannot be merged, and `err` says why.
 */
bool statistics_load(
    struct statistics *st, json_t *merge, char *err, size_t err_bytes);

/*
 * Prints all in the order added, each table in that format. As JSON the first
 * table of a statistic has what statistics_load() reads, if it can be merged.
 * `counters` are those of the capture; NULL: of the loaded states. Returns
 * false when writing failed or memory ran out.
 */
bool statistics_print(const struct statistics *st, FILE *out,
    enum table_format format, const struct cap_counters *counters);

#endif
