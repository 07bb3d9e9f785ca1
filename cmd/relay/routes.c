/* SPDX-License-Identifier: MIT */
#include "cmd/relay/routes.h"

#include "cmd/common/clock.h"
#include "cmd/relay/ids.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS 1024 /* initially; the table grows */

/* The nodes of one key: replaced when one comes or goes. */
struct key_set {
	struct cds_lfht_node node;
	struct rcu_head rcu;
	int32_t key;
	atomic_uint turn;
	size_t n;
	struct route_entry *nodes[];
};

struct routes {
	struct cds_lfht *table; /* of struct route_entry */
	struct cds_lfht *keys; /* of struct key_set */
	pthread_mutex_t lock; /* of all members below, and of changes */
	struct ids *ids[3]; /* by role */
	_Atomic uint64_t count[3];
	_Atomic uint64_t generation;
	uint64_t secret; /* so that peers cannot choose ids that collide */
};

/* Stafford's variant 13 of the finaliser of MurmurHash3. */
static unsigned long
mix(uint64_t v)
{
	v = (v ^ (v >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ (v >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (unsigned long)(v ^ (v >> 31));
}

static unsigned long
hash_id(const struct routes *routes, enum bnet_role role, uint64_t id)
{
	return mix(id ^ routes->secret ^ ((uint64_t)role << 62));
}

static unsigned long
hash_key(const struct routes *routes, int32_t key)
{
	return mix((uint32_t)key ^ routes->secret);
}

struct routes *
routes_new(uint64_t clients_from, uint64_t nodes_from, uint32_t n_ids)
{
	struct routes *routes = calloc(1, sizeof(*routes));

	if (routes == NULL)
		return NULL;
	pthread_mutex_init(&routes->lock, NULL);
	if (getrandom(&routes->secret, sizeof(routes->secret), 0) !=
	    sizeof(routes->secret))
		routes->secret = (uint64_t)(uintptr_t)routes;
	routes->table =
	    cds_lfht_new(BUCKETS, BUCKETS, 0, CDS_LFHT_AUTO_RESIZE, NULL);
	routes->keys =
	    cds_lfht_new(BUCKETS, BUCKETS, 0, CDS_LFHT_AUTO_RESIZE, NULL);
	routes->ids[BNET_ROLE_CLIENT] = ids_new(clients_from, n_ids);
	routes->ids[BNET_ROLE_NODE] = ids_new(nodes_from, n_ids);
	if (routes->table != NULL && routes->keys != NULL &&
	    routes->ids[BNET_ROLE_CLIENT] != NULL &&
	    routes->ids[BNET_ROLE_NODE] != NULL)
		return routes;
	routes_free(routes);
	return NULL;
}

void
routes_set_rest(struct routes *routes, int64_t rest_ns)
{
	pthread_mutex_lock(&routes->lock);
	ids_set_rest(routes->ids[BNET_ROLE_CLIENT], rest_ns);
	ids_set_rest(routes->ids[BNET_ROLE_NODE], rest_ns);
	pthread_mutex_unlock(&routes->lock);
}

/* Waits without a limit for a table that is being resized. */
static void
destroy_tables(void *arg)
{
	struct routes *routes = arg;

	if (routes->table != NULL)
		(void)cds_lfht_destroy(routes->table, NULL);
	if (routes->keys != NULL)
		(void)cds_lfht_destroy(routes->keys, NULL);
}

/* All entries must be gone by then. */
void
routes_free(struct routes *routes)
{
	if (routes == NULL || !rcu_wait_all() ||
	    !rcu_ending_call(destroy_tables, routes, "the tables of links"))
		return;
	ids_free(routes->ids[BNET_ROLE_CLIENT]);
	ids_free(routes->ids[BNET_ROLE_NODE]);
	pthread_mutex_destroy(&routes->lock);
	free(routes);
}

/* ---- looking up ---- */

struct wanted {
	enum bnet_role role;
	uint64_t id;
};

static int
is_wanted(struct cds_lfht_node *node, const void *key)
{
	const struct wanted *want = key;
	const struct route_entry *entry =
	    container_of(node, struct route_entry, node);

	rcu_tsan_acquire(node);
	return entry->id == want->id && entry->role == want->role;
}

struct route_entry *
routes_find(struct routes *routes, enum bnet_role role, uint64_t id)
{
	const struct wanted want = { role, id };
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(
	    routes->table, hash_id(routes, role, id), is_wanted, &want, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node == NULL ? NULL
			    : container_of(node, struct route_entry, node);
}

static int
is_key(struct cds_lfht_node *node, const void *key)
{
	rcu_tsan_acquire(node);
	return container_of(node, struct key_set, node)->key ==
	    *(const int32_t *)key;
}

static struct key_set *
find_key(struct routes *routes, int32_t key)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_lookup(
	    routes->keys, hash_key(routes, key), is_key, &key, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node == NULL ? NULL : container_of(node, struct key_set, node);
}

struct route_entry *
routes_any(struct routes *routes, int32_t key, struct routes_turn *turn)
{
	struct key_set *set = find_key(routes, key);

	if (set == NULL || turn->n_seen >= set->n)
		return NULL;
	if (turn->n_seen == 0)
		turn->at = atomic_fetch_add_explicit(
		    &set->turn, 1, memory_order_relaxed);
	return set->nodes[(turn->at + turn->n_seen++) % set->n];
}

void
routes_each(struct routes *routes,
    bool (*each)(void *arg, const struct route_entry *entry), void *arg)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;

	cds_lfht_first(routes->table, &iter);
	while ((node = cds_lfht_iter_get_node(&iter)) != NULL) {
		rcu_tsan_acquire(node);
		if (!each(arg, container_of(node, struct route_entry, node)))
			return;
		cds_lfht_next(routes->table, &iter);
	}
}

uint64_t
routes_generation(struct routes *routes)
{
	return atomic_load(&routes->generation);
}

void
routes_changed(struct routes *routes)
{
	atomic_fetch_add(&routes->generation, 1);
}

uint64_t
routes_count(struct routes *routes, enum bnet_role role)
{
	return atomic_load_explicit(&routes->count[role], memory_order_relaxed);
}

/* ---- keys ---- */

static void
key_set_after_grace(struct rcu_head *rcu)
{
	rcu_after_grace();
	free(container_of(rcu, struct key_set, rcu));
	rcu_freed();
}

/* Replace the set of `key` by `fresh`; NULL: remove it. */
static void
key_set_swap(struct routes *routes, struct key_set *old, struct key_set *fresh)
{
	struct cds_lfht_node *node;

	if (fresh != NULL) {
		cds_lfht_node_init(&fresh->node);
		rcu_tsan_release(&fresh->node);
		node = cds_lfht_add_replace(routes->keys,
		    hash_key(routes, fresh->key), is_key, &fresh->key,
		    &fresh->node);
		(void)node; /* it is `old`, or NULL: we hold the lock */
	} else {
		(void)cds_lfht_del(routes->keys, &old->node);
	}
	if (old != NULL)
		rcu_later(&old->rcu, key_set_after_grace);
}

static struct key_set *
key_set_new(int32_t key, const struct key_set *from, size_t n)
{
	struct key_set *set = calloc(1, sizeof(*set) + n * sizeof(void *));

	if (set == NULL)
		return NULL;
	set->key = key;
	if (from != NULL)
		atomic_init(&set->turn,
		    atomic_load_explicit(&from->turn, memory_order_relaxed));
	return set;
}

static bool
key_add(struct routes *routes, struct route_entry *entry, int32_t key)
{
	struct key_set *old = find_key(routes, key), *fresh;
	size_t n = old == NULL ? 0 : old->n;

	fresh = key_set_new(key, old, n + 1);
	if (fresh == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		fresh->nodes[fresh->n++] = old->nodes[i];
	fresh->nodes[fresh->n++] = entry;
	key_set_swap(routes, old, fresh);
	return true;
}

/* A set must not name an entry that is gone: running out of memory is fatal. */
static void
key_drop(struct routes *routes, const struct route_entry *entry, int32_t key)
{
	struct key_set *old = find_key(routes, key), *fresh = NULL;

	if (old == NULL)
		return;
	if (old->n > 1) {
		fresh = key_set_new(key, old, old->n - 1);
		if (fresh == NULL)
			abort();
	}
	for (size_t i = 0; fresh != NULL && i < old->n; i++)
		if (old->nodes[i] != entry)
			fresh->nodes[fresh->n++] = old->nodes[i];
	key_set_swap(routes, old, fresh);
}

static bool
has_key(const struct route_entry *entry, int32_t key)
{
	for (size_t i = 0; i < entry->n_keys; i++)
		if (entry->keys[i] == key)
			return true;
	return false;
}

static bool
register_locked(struct routes *routes, struct route_entry *entry, int32_t key)
{
	int32_t *keys;

	if (!entry->listed)
		return false;
	if (has_key(entry, key))
		return true;
	if (entry->n_keys == ROUTES_KEYS_MAX)
		return false;
	keys = realloc(entry->keys, (entry->n_keys + 1) * sizeof(*keys));
	if (keys == NULL)
		return false;
	entry->keys = keys;
	if (!key_add(routes, entry, key))
		return false;
	entry->keys[entry->n_keys++] = key;
	return true;
}

bool
routes_register(struct routes *routes, struct route_entry *entry, int32_t key)
{
	bool ok;

	pthread_mutex_lock(&routes->lock);
	ok = register_locked(routes, entry, key);
	pthread_mutex_unlock(&routes->lock);
	return ok;
}

/* ---- entries ---- */

bool
routes_cover(struct routes *routes, enum bnet_role role, uint64_t id)
{
	return ids_cover(routes->ids[role], id); /* the block never changes */
}

static void
unlist(struct routes *routes, struct route_entry *entry)
{
	for (size_t i = 0; i < entry->n_keys; i++)
		key_drop(routes, entry, entry->keys[i]);
	free(entry->keys);
	entry->keys = NULL;
	entry->n_keys = 0;
	entry->listed = false;
	atomic_fetch_sub_explicit(
	    &routes->count[entry->role], 1, memory_order_relaxed);
}

static void
list(struct routes *routes, struct route_entry *entry, uint64_t id,
    struct route_entry *old)
{
	const struct wanted want = { entry->role, id };

	entry->id = id;
	entry->listed = true;
	cds_lfht_node_init(&entry->node);
	rcu_tsan_release(&entry->node);
	(void)cds_lfht_add_replace(routes->table,
	    hash_id(routes, entry->role, id), is_wanted, &want, &entry->node);
	atomic_fetch_add_explicit(
	    &routes->count[entry->role], 1, memory_order_relaxed);
	if (old != NULL) {
		routes_changed(routes);
		unlist(routes, old);
	}
}

static enum routes_added
add_locked(struct routes *routes, struct route_entry *entry, uint64_t wanted_id,
    bool (*may_replace)(
	const struct route_entry *old, const struct route_entry *entry),
    struct route_entry **old)
{
	struct ids *ids = routes->ids[entry->role];
	bool may_rest = entry->role == BNET_ROLE_NODE || entry->owns_id;
	uint64_t id = wanted_id;

	*old = NULL;
	if (id == 0) {
		id = ids_take_lowest(ids, clock_now_ns());
		if (id == 0)
			return ROUTES_NO_ID;
		list(routes, entry, id, NULL);
		return ROUTES_ADDED;
	}
	*old = routes_find(routes, entry->role, id);
	if (*old != NULL && !may_replace(*old, entry))
		return ROUTES_TAKEN;
	if (*old == NULL && ids_cover(ids, id) &&
	    !ids_take(ids, id, may_rest, clock_now_ns()))
		return ROUTES_TAKEN; /* it rests, or is the relay's own */
	list(routes, entry, id, *old);
	return *old == NULL ? ROUTES_ADDED : ROUTES_REPLACED;
}

enum routes_added
routes_add(struct routes *routes, struct route_entry *entry, uint64_t wanted_id,
    bool (*may_replace)(
	const struct route_entry *old, const struct route_entry *entry),
    struct route_entry **old)
{
	enum routes_added added;

	pthread_mutex_lock(&routes->lock);
	added = add_locked(routes, entry, wanted_id, may_replace, old);
	pthread_mutex_unlock(&routes->lock);
	return added;
}

void
routes_remove(struct routes *routes, struct route_entry *entry)
{
	pthread_mutex_lock(&routes->lock);
	if (entry->listed) {
		(void)cds_lfht_del(routes->table, &entry->node);
		routes_changed(routes);
		unlist(routes, entry);
		ids_release(
		    routes->ids[entry->role], entry->id, clock_now_ns());
	}
	pthread_mutex_unlock(&routes->lock);
}

bool
routes_reserve(struct routes *routes, enum bnet_role role, uint64_t id)
{
	bool ok;

	pthread_mutex_lock(&routes->lock);
	ok = ids_take(routes->ids[role], id, true, 0);
	pthread_mutex_unlock(&routes->lock);
	return ok;
}
