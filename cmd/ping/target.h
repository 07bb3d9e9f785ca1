/* SPDX-License-Identifier: MIT */
/*
 * target - who is pinged, and what became of that so far.
 *
 * For the worker of measure.c, and for run.c and screen.c under its lock.
 * Targets never move and are never freed before the table is.
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
#define TARGET_LOST (-1) /* among them */

/* In a series clients have other numbers than nodes. */
#define TARGET_CLIENT_BIT (UINT64_C(1) << 62)
#define TARGET_PAIR_BIT (UINT64_C(1) << 61) /* and the index */

enum target_role {
	TARGET_HOP = 0, /* the relay itself */
	TARGET_CLIENT = BNET_ROLE_CLIENT,
	TARGET_NODE = BNET_ROLE_NODE,
	TARGET_PAIR, /* one node pinged by another: --mesh */
};

struct target {
	uint64_t role, id, from; /* the key; first. from: of a pair */
	struct timer timer; /* of the next slot */
	char name[SERIES_NAME_CHARS];
	uint32_t index; /* the order in which they came */
	bool pinged; /* somebody asked for it */
	bool active; /* slots are being taken */
	uint64_t roster; /* number of the last roster that it stood in */
	struct schedule schedule;
	uint64_t n_sent, n_answered, n_lost;
	uint64_t n_waiting; /* sent, neither answered nor lost */
	uint64_t last[PING_LAYERS]; /* latest ping answered, plus one */
	struct clock_offset clock; /* theirs, of our monotonic one */
	uint32_t cause; /* of the last loss: enum bnet_code; 0: time */
	struct summary round_ns; /* from due */
	int64_t last_ns; /* the latest of them */
	int64_t recent_ns[TARGET_RECENT]; /* a ring */
	uint64_t n_recent; /* ever put in */
};

struct targets {
	struct map map;
	const struct ping_options *opt;
	bool *found; /* of opt->words; owned */
	uint64_t roster; /* number of the last whole one; 0: none yet */
};

/* False: out of memory. `opt` is borrowed. */
bool targets_init(struct targets *targets, const struct ping_options *opt);
void targets_free(struct targets *targets);

/* The target, made where there is none; NULL where there are too many. */
struct target *
targets_get(struct targets *targets, enum target_role role, uint64_t id);
/* Node `id`, as pinged by node `from`. */
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
 * Is this entry of a roster to be pinged: by the words of the command line,
 * which are marked as found, or because there are none?
 */
bool
targets_wanted(struct targets *targets, const struct bnet_roster_entry *entry);

/* The word is a number: *id is set. */
bool target_word_id(const char *word, uint64_t *id);

/* What it is in a series. */
uint64_t target_series_id(const struct target *target);

/* What a person calls it: the name, else "node 7"; as is, not escaped. */
const char *
target_label(const struct target *target, char label[SERIES_NAME_CHARS]);

/* A name as the peer says it becomes one that can be printed. */
void target_set_name(struct target *target, const struct bnet_string *name);

/* A round trip, or TARGET_LOST, for the sparkline. */
void target_note(struct target *target, int64_t round_ns);

#endif
