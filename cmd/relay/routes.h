/* SPDX-License-Identifier: MIT */
/*
 * routes - who is linked under which id, and which nodes take which key.
 *
 * Looked up by every worker without a lock (liburcu); changed under one lock
 * here, when links come and go. What a look-up gives is good until the hook
 * of the engine returns that it was made in (see engine.h).
 */
#ifndef RELAY_ROUTES_H
#define RELAY_ROUTES_H

#include "cmd/engine/engine.h"
#include "cmd/engine/rcu.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTES_KEYS_MAX 256 /* that one node may register */

/* In whatever is to be found; zeroed at first. */
struct route_entry {
	struct cds_lfht_node node;
	enum bnet_role role;
	uint64_t id;
	struct engine_sendq *sendq;
	int32_t *keys; /* registered; owned by routes.c */
	size_t n_keys;
	bool listed; /* under the lock: it is in the table */
};

struct routes;

/* Both blocks start at an id of their own. NULL when out of memory. */
struct routes *
routes_new(uint64_t clients_from, uint64_t nodes_from, uint32_t n_ids);
void routes_free(struct routes *routes);

/* The link of that id, or NULL. */
struct route_entry *
routes_find(struct routes *routes, enum bnet_role role, uint64_t id);

/* The node whose turn it is to get ANY packets of `key`, or NULL. */
struct route_entry *routes_any(struct routes *routes, int32_t key);

/* All that are listed, in no order; `each` returns false to stop. */
void routes_each(struct routes *routes,
    bool (*each)(void *arg, const struct route_entry *entry), void *arg);

/* How many are listed, of a role. */
uint64_t routes_count(struct routes *routes, enum bnet_role role);

/* ---- changes ---- */

enum routes_added {
	ROUTES_ADDED,
	ROUTES_REPLACED, /* *old is not listed any more */
	ROUTES_TAKEN, /* by one whom `may_replace` protects */
	ROUTES_NO_ID, /* the block is used up */
};

/*
 * List an entry whose role and sendq are set, under `wanted_id`; 0: the
 * lowest free one of the role's block. entry->id is set before anybody can
 * find it. Of the entry that has the id already, `may_replace` is asked, under
 * the lock.
 */
enum routes_added
routes_add(struct routes *routes, struct route_entry *entry, uint64_t wanted_id,
    bool (*may_replace)(
	const struct route_entry *old, const struct route_entry *entry),
    struct route_entry **old);

/* The id is in the role's block, so routes_add() may be asked for it. */
bool routes_cover(struct routes *routes, enum bnet_role role, uint64_t id);

/* Keep an id of the block back: it is nobody's. False: taken, or no memory. */
bool routes_reserve(struct routes *routes, enum bnet_role role, uint64_t id);

/* Take it out, with its keys. Nothing happens where it is not listed. */
void routes_remove(struct routes *routes, struct route_entry *entry);

/*
 * The node takes ANY packets of `key` from now on. False: too many keys, or
 * no memory, or it is not listed.
 */
bool
routes_register(struct routes *routes, struct route_entry *entry, int32_t key);

/* ---- ids ---- */

/*
 * Which ids of a relay's block are taken.
 *
 * Small ids make small headers, so the lowest free one is given out. One bit
 * an id, for as many as were in use at a time: at most IDS_MAX / 8 bytes.
 *
 * Ids outside of the block (a node may want any) are not its business.
 * Not thread-safe: the caller holds a lock.
 */
#define IDS_MAX (1 << 20) /* ids of a block */

struct ids;

/*
 * The block [from, from + n): from is at least 1, n is 1 to IDS_MAX, and all
 * of it fits an i64. NULL when that is not so, or out of memory.
 */
struct ids *ids_new(uint64_t from, uint32_t n);
void ids_free(struct ids *ids); /* NULL is allowed */

/* The id is in the block, taken or not. */
bool ids_cover(const struct ids *ids, uint64_t id);

/* The lowest free one. 0: none is free, or out of memory. */
uint64_t ids_take_lowest(struct ids *ids);

/* That one. False: it is taken, not in the block, or out of memory. */
bool ids_take(struct ids *ids, uint64_t id);

/* Give one back; nothing happens where it is free or not in the block. */
void ids_release(struct ids *ids, uint64_t id);

#endif
