/* SPDX-License-Identifier: MIT */
/*
 * rewrite - the header of a captured frame, made to fit the live cluster.
 *
 *	source		the own captured id becomes the live one
 *	dest, CLIENT	captured ids become those of who plays them
 *	dest, NODE	as --map-node says; the relay's own id; played nodes
 *	forks		as CLIENT
 *	timestamp	a ping becomes a ping of now (the cookie of its pong)
 *
 * Everything else, including bytes after the header, and a header in which
 * nothing of this is to be changed, stays as it was. Payloads are not touched.
 */
#ifndef REPLAY_REWRITE_H
#define REPLAY_REWRITE_H

#include "cmd/replay/options.h"
#include "cmd/replay/play/plan.h"
#include "cmd/replay/tape/tape.h"
#include "cmd/common/map.h"
#include "proto/header.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * id_map - which id the cluster gave to each virtual client, and whose it was.
 *
 * Ids change as virtual clients come and go; each is one atomic word, read by
 * any thread. The way back (live -> captured) is only kept where it is asked
 * for.
 */
struct id_map_place { /* of a virtual client in the plan */
	uint64_t session_clone; /* session << 32 | clone */
	uint32_t vclient;
};

struct id_map {
	uint32_t n;
	/*
	 * id << 1 | it has left; 0: it is to come. n by virtual client, and n
	 * more: a round begins while the last one may still be there. Owned.
	 */
	_Atomic uint64_t *slots;
	_Atomic uint32_t round; /* the last that began */
	struct id_map_place *places; /* n, sorted; owned */
	/* Changes whenever an id does: then what was looked up is stale. */
	_Atomic uint64_t generation;
	bool both_ways;
	pthread_mutex_t lock; /* of `captured` */
	struct map captured; /* of live id and kind -> captured id */
};

/* False when out of memory. */
bool id_map_init(struct id_map *ids, const struct plan *plan, bool both_ways);
void id_map_free(struct id_map *ids);

/* A client or a node; they are numbered apart. */
struct id_map_who {
	uint32_t vclient; /* in the plan */
	uint32_t round; /* id_map_new_round() when it began */
	bool node;
	uint64_t captured; /* its id there; 0: not known */
};

/* It has that id now. */
void id_map_set(struct id_map *ids, const struct id_map_who *who, uint64_t id);

/*
 * It has left; `id` is what it had, 0: none. Frames for it still go to that id,
 * which is now nobody's.
 */
void id_map_left(struct id_map *ids, const struct id_map_who *who, uint64_t id);

/*
 * The id of the virtual client that plays this clone of the session, or the
 * last id that it had; 0: none.
 */
uint64_t id_map_id(
    const struct id_map *ids, uint32_t round, uint32_t session, uint32_t clone);

/* It is part of the plan, and has not connected yet. */
bool id_map_is_coming(
    const struct id_map *ids, uint32_t round, uint32_t session, uint32_t clone);

/* Its index in the plan; UINT32_MAX: it is not played. */
uint32_t
id_map_vclient(const struct id_map *ids, uint32_t session, uint32_t clone);

/*
 * Start a new round, and return its number. Nobody is left of the round before
 * the last.
 */
uint32_t id_map_new_round(struct id_map *ids);

/* The captured id of an id of the cluster; the id itself if unknown. */
uint64_t id_map_captured(struct id_map *ids, bool node, uint64_t id);

static inline uint64_t
id_map_generation(const struct id_map *ids)
{
	return atomic_load_explicit(&ids->generation, memory_order_acquire);
}

/* ---- headers ---- */

#define REWRITE_MEMO_BYTES 40

/* Of a thread. Zeroed, then rewrite_scratch_init(). */
struct rewrite_scratch {
	struct bnet_buf oob; /* the last result */
	uint64_t *fork_ids; /* owned; room for n_fork_ids */
	uint32_t n_fork_ids;
};

void rewrite_scratch_init(struct rewrite_scratch *scratch);
void rewrite_scratch_free(struct rewrite_scratch *scratch);

/*
 * Of one virtual client. Headers in a row are mostly the same: the last one
 * that needed no time of its own is remembered.
 */
struct rewrite {
	uint64_t id, relay_id; /* live; 0: not known */
	uint64_t memo_generation;
	uint32_t memo_ref;
	uint8_t memo_in_bytes, memo_out_bytes; /* 0: no memo */
	uint8_t memo_in[REWRITE_MEMO_BYTES], memo_out[REWRITE_MEMO_BYTES];
	struct bnet_header memo_header; /* as it is sent */
};

struct rewrite_context {
	const struct replay_options *opt;
	const struct id_map *ids;
	const struct tape_session *session;
	uint32_t clone, round;
	uint64_t now_us; /* what a ping carries; not 0 */
};

/*
 * The out-of-band bytes to send for a record with TAPE_R_HEADER, and the header
 * in them. *oob is borrowed from the tape, `rewrite` or `scratch`, until the
 * next call. False: not a header, or out of memory; send it as it was.
 */
bool rewrite_header(struct rewrite *rewrite, struct rewrite_scratch *scratch,
    const struct rewrite_context *context, const struct tape_record *record,
    struct bnet_slice *oob, struct bnet_header *header);

#endif
