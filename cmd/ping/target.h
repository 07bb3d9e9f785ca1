/* SPDX-License-Identifier: MIT */
/*
 * target - who is pinged, and the results so far.
 *
 * For the worker of measure.c, and for run.c and screen.c under its lock.
 * Targets never move, and are freed with the table only.
 */
#ifndef PING_TARGET_H
#define PING_TARGET_H

#include "cmd/common/map.h"
#include "cmd/engine/timers.h"
#include "cmd/ping/clock_offset.h"
#include "cmd/ping/options.h"
#include "cmd/ping/schedule.h"
#include "cmd/ping/series.h"
#include "cmd/stats/summary.h"
#include "proto/message.h"

#define TARGETS_MAX 16384
#define TARGET_RECENT 64 /* round trips that a sparkline shows */
#define TARGET_LOST (-1) /* a lost ping, among them */

/* Bits that separate clients and pairs from node ids in a series. */
#define TARGET_CLIENT_BIT (UINT64_C(1) << 62)
#define TARGET_PAIR_BIT (UINT64_C(1) << 61) /* and the index */

enum target_role {
	TARGET_HOP = 0, /* the relay itself */
	TARGET_CLIENT = BNET_ROLE_CLIENT,
	TARGET_NODE = BNET_ROLE_NODE,
	TARGET_PAIR, /* a node pinged by another: --mesh */
};

struct target {
	uint64_t role, id, from; /* the key; first. from: for a pair */
	struct timer timer; /* of the next slot */
	char name[SERIES_NAME_CHARS];
	uint32_t index; /* order of creation */
	bool pinged; /* it was selected */
	bool active; /* it takes slots */
	uint64_t roster; /* number of the last roster that had it */
	struct schedule schedule;
	uint64_t n_sent, n_answered, n_lost;
	uint64_t n_waiting; /* sent, not yet answered or lost */
	uint64_t last[PING_LAYERS]; /* the latest answered ping, plus one */
	struct clock_offset clock; /* its offset from our monotonic clock */
	uint32_t cause; /* of the last loss: as measure_event.cause */
	struct summary round_ns; /* from when pings were due */
	int64_t last_ns; /* the latest round trip */
	int64_t recent_ns[TARGET_RECENT]; /* a ring */
	uint64_t n_recent; /* total put in */
};

struct targets {
	struct map map;
	const struct ping_options *opt;
	bool *found; /* of opt->words; owned */
	uint64_t roster; /* number of the last complete one; 0: none */
};

/* False: out of memory. `opt` is borrowed. */
bool targets_init(struct targets *targets, const struct ping_options *opt);
void targets_free(struct targets *targets);

/* Find or make the target; NULL if there are too many. */
struct target *
targets_get(struct targets *targets, enum target_role role, uint64_t id);
/* The target for node `id`, pinged by node `from`. */
struct target *
targets_pair(struct targets *targets, uint64_t from, uint64_t id);

static inline size_t
targets_n(const struct targets *targets)
{
	return targets->map.n;
}

static inline struct target *
targets_at(const struct targets *targets, size_t i)
{
	return map_at(&targets->map, i);
}

/*
 * Is this roster entry to be pinged: because a word of the command line names
 * it (the word is marked as found), or because there are no words?
 */
bool
targets_wanted(struct targets *targets, const struct bnet_roster_entry *entry);

/* True: the word is a number, and *id is set. */
bool target_word_id(const char *word, uint64_t *id);

/* The id of the target in a series. */
uint64_t target_series_id(const struct target *target);

/* The name for people, or "node 7" if there is none; not escaped. */
const char *
target_label(const struct target *target, char label[SERIES_NAME_CHARS]);

/*
 * Set the name from a peer's bytes: UTF-8, without control characters (with
 * '?' for each, and for each byte that is not UTF-8).
 */
void target_set_name(struct target *target, const struct bnet_string *name);

/*
 * The start of a name, as much as fits into `columns` of a terminal; '?' for
 * what it cannot show: with `utf8` (LC_CTYPE has to be so), little, else all
 * that is not ASCII. Returns how many columns that takes.
 */
int target_fit(
    char to[SERIES_NAME_CHARS], const char *name, int columns, bool utf8);

/* Add a round trip, or TARGET_LOST, to the sparkline. */
void target_note(struct target *target, int64_t round_ns);

#endif
