/* SPDX-License-Identifier: MIT */
/*
 * stat - the interface between statistics.c and each statistic, and shared
 * helpers. Each statistic has its own file, stat_NAME.c, and is called through
 * its table.
 */
#ifndef DECODE_STAT_H
#define DECODE_STAT_H

#include "cmd/decode/stat_state.h"
#include "cmd/decode/statistics.h"
#include "cmd/stats/table.h"

/* The output for the tables. */
struct stat_out {
	FILE *out;
	enum table_format format;
	const struct cap_counters *counters; /* NULL: those of merged states */
	size_t n_tables; /* printed so far */
	const char *more_json; /* for the next table; or NULL */
	bool failed;
};

struct stat_ops {
	struct statistics_info info;
	unsigned needs; /* STATISTICS_NEEDS_* */
	/*
	 * Creates its state from the text after the comma (NULL: none). Returns
	 * NULL on a wrong argument, described in `err`, or when out of memory;
	 * `err` is then "".
	 */
	void *(*make)(const char *arg, char *err, size_t err_bytes);
	void (*record)(void *state, const struct record *record);
	void (*print)(const void *state, struct stat_out *to);
	void (*destroy)(void *state);
	/*
	 * What adds up: its members and rows; either may be NULL, and both
	 * are where it cannot be merged.
	 */
	const struct stat_field *fields;
	const struct stat_rows *rows;
	/*
	 * What the tables do not say; or NULL. load() is called first; *shift
	 * is added to the first word of the keys of rows.
	 */
	bool (*save)(
	    const void *state, const struct stat_out *to, json_t *into);
	bool (*load)(void *state, json_t *from, int64_t *shift,
	    char err[STAT_STATE_ERR_CHARS]);
};

static inline bool
stat_merges(const struct stat_ops *ops)
{
	return ops->fields != NULL || ops->rows != NULL || ops->save != NULL;
}

extern const struct stat_ops stat_frames, stat_streams, stat_keys,
    stat_endpoints, stat_io, stat_echo, stat_health, stat_calls, stat_events;

/* Prints and frees a table; a blank line precedes all but the first. */
void stat_print(struct stat_out *to, struct table *table);

/* 100 * part / whole; 0 if whole is 0. */
double stat_percent(uint64_t part, uint64_t whole);

/* Adds a time in seconds as a string: "1763850858.296242000". */
void stat_time(struct table *table, int64_t time_ns);

/* The size of a frame including its word. */
static inline uint64_t
stat_wire_bytes(const struct bnet_packet *frame)
{
	return (uint64_t)frame->size_bytes + BNET_FRAME_WORD_BYTES;
}

/* Did it lose bytes? (An overlap does not: one of two copies is used.) */
static inline bool
stat_is_loss(enum cap_event_type type)
{
	return type != CAP_FRAME && type != CAP_OVERLAP && type < CAP_N_LOSSES;
}

/* a - b, saturated: the times of a capture may be anything. */
static inline int64_t
stat_since_ns(int64_t a, int64_t b)
{
	int64_t since_ns;

	if (__builtin_sub_overflow(a, b, &since_ns))
		return a < b ? INT64_MIN : INT64_MAX;
	return since_ns;
}

#endif
