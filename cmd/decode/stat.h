/* SPDX-License-Identifier: MIT */
/*
 * stat - what a statistic is to statistics.c, and what they share. Each is in
 * a file of its own, stat_NAME.c, which calls this and is called through its
 * table.
 */
#ifndef DECODE_STAT_H
#define DECODE_STAT_H

#include "cmd/decode/statistics.h"
#include "cmd/stats/table.h"

/* Where the tables go. */
struct stat_out {
	FILE *out;
	bool json;
	const struct cap_counters *counters;
	size_t n_tables; /* printed so far */
	bool failed;
};

struct stat_ops {
	struct statistics_info info;
	unsigned needs; /* STATISTICS_NEEDS_* */
	/*
	 * Its state, from what followed the comma (NULL: nothing did). NULL:
	 * wrong argument, named in `err`, or out of memory, `err` is "".
	 */
	void *(*make)(const char *arg, char *err, size_t err_bytes);
	void (*record)(void *state, const struct record *record);
	void (*print)(const void *state, struct stat_out *to);
	void (*destroy)(void *state);
};

extern const struct stat_ops stat_frames, stat_streams, stat_keys,
    stat_endpoints, stat_io, stat_echo, stat_health;

/* Print a table, after an empty line if it is not the first; free it. */
void stat_print(struct stat_out *to, struct table *table);

/* 100 * part / whole; 0 of nothing. */
double stat_percent(uint64_t part, uint64_t whole);

/* A time in seconds as a string: "1763850858.296242000". */
void stat_time(struct table *table, int64_t time_ns);

/* Of a frame, with its word. */
static inline uint64_t
stat_wire_bytes(const struct bnet_packet *frame)
{
	return (uint64_t)frame->size_bytes + BNET_FRAME_WORD_BYTES;
}

/* Did bytes get lost? (An overlap loses none: one of two is taken.) */
static inline bool
stat_is_loss(enum cap_event_type type)
{
	return type != CAP_FRAME && type != CAP_OVERLAP;
}

/* a - b, the nearest that an i64 holds: times of a capture are anything. */
static inline int64_t
stat_since_ns(int64_t a, int64_t b)
{
	int64_t since_ns;

	if (__builtin_sub_overflow(a, b, &since_ns))
		return a < b ? INT64_MIN : INT64_MAX;
	return since_ns;
}

/* "client", "node", ... of a dest_type; NULL for unknown ones. */
const char *stat_dest_name(int64_t dest_type);

#endif
