/* SPDX-License-Identifier: MIT */
/*
 * rewrite - adapts the header of a captured frame to the live cluster.
 *
 *	source		the client's captured id becomes its live id
 *	dest, CLIENT	captured ids become those of their virtual clients
 *	dest, NODE	by --map-node; the relay's own id; played nodes
 *	forks		as CLIENT
 *	timestamp	a ping gets the current time (the cookie of its pong)
 *
 * Everything else is unchanged, including the bytes after the header, and whole
 * headers that need none of this. Payloads are not touched.
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
 * id_map - the id that the cluster gave to each virtual client, and the
 * captured id of each.
 *
 * Ids change as virtual clients come and go; each is one atomic word that any
 * thread may read. The reverse map (live -> captured) is kept only on request.
 */
struct id_map_place { /* of a virtual client in the plan */
	uint64_t session_clone; /* session << 32 | clone */
	uint32_t vclient;
};

#define ID_MAP_ROUNDS 4 /* that may run at once, and know their ids */

struct id_map {
	uint32_t n;
	/*
	 * id << 1 | it has left; 0: not connected yet. n entries by virtual
	 * client, for each of the last rounds: one begins while earlier ones
	 * may still run. Owned.
	 */
	_Atomic uint64_t *slots;
	_Atomic uint32_t round; /* the last one that began */
	struct id_map_place *places; /* n entries, sorted; owned */
	/* Changes whenever an id does; cached look-ups are then stale. */
	_Atomic uint64_t generation;
	bool both_ways;
	pthread_mutex_t lock; /* protects `captured` */
	struct map captured; /* live id, target and kind -> captured id */
};

/* `both`: keep the reverse map, too. Returns false when out of memory. */
bool id_map_init(struct id_map *ids, const struct plan *plan, bool both_ways);
void id_map_free(struct id_map *ids);

/* A client or a node; they are numbered separately. */
struct id_map_who {
	uint32_t vclient; /* in the plan */
	uint32_t round; /* id_map_new_round() at its start */
	uint32_t target; /* which relay; each has ids of its own */
	bool node;
	uint64_t captured; /* its captured id; 0: unknown */
};

/* Sets the current id of a virtual client. */
void id_map_set(struct id_map *ids, const struct id_map_who *who, uint64_t id);

/*
 * Marks a virtual client as gone; `id` is the one it had, 0: none. Frames for
 * it still go to that id, which now belongs to nobody.
 */
void id_map_left(struct id_map *ids, const struct id_map_who *who, uint64_t id);

/*
 * The id of the virtual client that plays this clone of the session, or its
 * last id; 0: none.
 */
uint64_t id_map_id(
    const struct id_map *ids, uint32_t round, uint32_t session, uint32_t clone);

/* Is it part of the plan, but not connected yet? */
bool id_map_is_coming(
    const struct id_map *ids, uint32_t round, uint32_t session, uint32_t clone);

/* Its index in the plan; UINT32_MAX: not played. */
uint32_t
id_map_vclient(const struct id_map *ids, uint32_t session, uint32_t clone);

/*
 * Starts a new round and returns its number. Virtual clients that are left of
 * a round ID_MAP_ROUNDS earlier know no ids of others any more.
 */
uint32_t id_map_new_round(struct id_map *ids);

/* The captured id for an id of that target; `id` itself if unknown. */
uint64_t
id_map_captured(struct id_map *ids, uint32_t target, bool node, uint64_t id);

static inline uint64_t
id_map_generation(const struct id_map *ids)
{
	return atomic_load_explicit(&ids->generation, memory_order_acquire);
}

/* ---- headers ---- */

#define REWRITE_MEMO_BYTES 40

/* One per thread. Start zeroed, then call rewrite_scratch_init(). */
struct rewrite_scratch {
	struct bnet_buf oob; /* the last result */
	uint64_t *fork_ids; /* owned; room for n_fork_ids */
	uint32_t n_fork_ids;
};

void rewrite_scratch_init(struct rewrite_scratch *scratch);
void rewrite_scratch_free(struct rewrite_scratch *scratch);

/*
 * One per virtual client. Successive headers are mostly equal, so the last one
 * without a timestamp of its own is cached.
 */
struct rewrite {
	uint64_t id, relay_id; /* live ids; 0: unknown */
	uint64_t memo_generation;
	uint32_t memo_ref;
	uint8_t memo_in_bytes, memo_out_bytes; /* 0: no memo */
	uint8_t memo_in[REWRITE_MEMO_BYTES], memo_out[REWRITE_MEMO_BYTES];
	struct bnet_header memo_header; /* as sent */
};

struct rewrite_context {
	const struct replay_options *opt;
	const struct id_map *ids;
	const struct tape_session *session;
	uint32_t clone, round;
	uint64_t now_us; /* timestamp for a ping; not 0 */
};

/*
 * Returns the out-of-band bytes to send for a record with TAPE_R_HEADER, and
 * the header in them. *oob is borrowed from the tape, `rewrite` or `scratch`,
 * until the next call. Returns false if it is no header, or when out of memory:
 * then send the record unchanged.
 */
bool rewrite_header(struct rewrite *rewrite, struct rewrite_scratch *scratch,
    const struct rewrite_context *context, const struct tape_record *record,
    struct bnet_slice *oob, struct bnet_header *header);

#endif
