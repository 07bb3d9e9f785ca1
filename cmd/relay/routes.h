/* SPDX-License-Identifier: MIT */
/*
 * routes - which link has which id, and which nodes take which key.
 *
 * Every worker looks up without a lock (liburcu). Changes, made when links
 * come and go, take one lock here. The result of a look-up stays valid until
 * the engine hook that made it returns (see engine.h).
 */
#ifndef RELAY_ROUTES_H
#define RELAY_ROUTES_H

#include "cmd/engine/engine.h"
#include "cmd/engine/rcu.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTES_KEYS_MAX 256 /* limit of keys per node */

/* Embedded in whatever is to be found; zeroed at first. */
struct route_entry {
	struct cds_lfht_node node;
	enum bnet_role role;
	uint64_t id;
	struct engine_sendq *sendq;
	int32_t *keys; /* registered; owned by routes.c */
	size_t n_keys;
	bool owns_id; /* its credentials name the id that it wants */
	bool listed; /* under the lock: in the table */
};

struct routes;

/* Each block starts at an id of its own. NULL when out of memory. */
struct routes *
routes_new(uint64_t clients_from, uint64_t nodes_from, uint32_t n_ids);
void routes_free(struct routes *routes);

/* How long an id rests after its link has gone; at first, 0. */
void routes_set_rest(struct routes *routes, int64_t rest_ns);

/* The link with that id, or NULL. */
struct route_entry *
routes_find(struct routes *routes, enum bnet_role role, uint64_t id);

/* A walk over the nodes of a key; zeroed at first. */
struct routes_turn {
	size_t at, n_seen;
};

/*
 * The next node in turn for ANY packets of `key`. Called again with the same
 * `turn`, the one after it: NULL once each was seen, or if there is none.
 */
struct route_entry *
routes_any(struct routes *routes, int32_t key, struct routes_turn *turn);

/* Visit all listed entries, in no order; `each` returns false to stop. */
void routes_each(struct routes *routes,
    bool (*each)(void *arg, const struct route_entry *entry), void *arg);

/*
 * A number that is another one once an entry has been removed or replaced, or
 * routes_changed() was called. While it is the same, what was found is still
 * listed, and valid until the hook returns.
 */
uint64_t routes_generation(struct routes *routes);
void routes_changed(struct routes *routes);

/* The number of listed entries of a role. */
uint64_t routes_count(struct routes *routes, enum bnet_role role);

/* ---- changes ---- */

enum routes_added {
	ROUTES_ADDED,
	ROUTES_REPLACED, /* *old is no longer listed */
	ROUTES_TAKEN, /* by an entry that `may_replace` protects */
	ROUTES_NO_ID, /* the block is full */
};

/*
 * List an entry whose role and sendq are set, under `wanted_id`; 0: the
 * lowest free id of the role's block. entry->id is set before any thread can
 * find it. A client gets an id that rests only if it owns that id. If an entry has that id already, `may_replace` decides, called
 * under the lock.
 */
enum routes_added
routes_add(struct routes *routes, struct route_entry *entry, uint64_t wanted_id,
    bool (*may_replace)(
	const struct route_entry *old, const struct route_entry *entry),
    struct route_entry **old);

/* Is the id in the role's block, so that routes_add() may be asked for it? */
bool routes_cover(struct routes *routes, enum bnet_role role, uint64_t id);

/* Reserve an id of the block for nobody. False: taken, or out of memory. */
bool routes_reserve(struct routes *routes, enum bnet_role role, uint64_t id);

/* Remove an entry and its keys. Does nothing if it is not listed. */
void routes_remove(struct routes *routes, struct route_entry *entry);

/*
 * Give ANY packets of `key` to the node from now on. False: too many keys, out
 * of memory, or the node is not listed.
 */
bool
routes_register(struct routes *routes, struct route_entry *entry, int32_t key);

#endif
