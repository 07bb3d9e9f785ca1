/* SPDX-License-Identifier: MIT */
/* cmd/relay/routes: ids, who replaces whom, and keys in turn */
#include "cmd/relay/routes.h"
#include "tests/unit/unit.h"

#define CLIENTS_FROM 1
#define NODES_FROM 500
#define N_IDS 4
#define KEY 4711
#define N_THREAD_LOOKUPS 20000

static struct routes *routes;

/* A test is a thread that looks up: it has to be known to liburcu. */
static void
begin(void)
{
	rcu_register_thread();
	routes = routes_new(CLIENTS_FROM, NODES_FROM, N_IDS);
	ck_assert_ptr_nonnull(routes);
}

static void
end(void)
{
	ck_assert_uint_eq(routes_count(routes, BNET_ROLE_CLIENT), 0);
	ck_assert_uint_eq(routes_count(routes, BNET_ROLE_NODE), 0);
	rcu_let_go(); /* of what was found */
	routes_free(routes);
	rcu_unregister_thread();
}

static bool
yes(const struct route_entry *old, const struct route_entry *entry)
{
	ck_assert_uint_ne((uintptr_t)old, (uintptr_t)entry);
	return true;
}

static bool
no(const struct route_entry *old, const struct route_entry *entry)
{
	ck_assert_uint_ne((uintptr_t)old, (uintptr_t)entry);
	return false;
}

/* List it, and nobody is replaced; the id that it got. */
/* A node for one packet. */
static struct route_entry *
any_of(int32_t key)
{
	struct routes_turn turn = { 0 };

	return routes_any(routes, key, &turn);
}

static uint64_t
add(struct route_entry *entry, enum bnet_role role, uint64_t wanted_id)
{
	struct route_entry *old;

	*entry = (struct route_entry){ .role = role };
	ck_assert_int_eq(
	    routes_add(routes, entry, wanted_id, no, &old), ROUTES_ADDED);
	ck_assert_ptr_null(old);
	ck_assert_ptr_eq(routes_find(routes, role, entry->id), entry);
	return entry->id;
}

static enum routes_added
try_add(struct route_entry *entry, enum bnet_role role, uint64_t wanted_id)
{
	struct route_entry *old;

	*entry = (struct route_entry){ .role = role };
	return routes_add(routes, entry, wanted_id, no, &old);
}

/* ---- ids ---- */

START_TEST(lowest_free)
{
	struct route_entry e[N_IDS + 1];

	for (uint64_t i = 0; i < N_IDS; i++)
		ck_assert_uint_eq(
		    add(&e[i], BNET_ROLE_CLIENT, 0), CLIENTS_FROM + i);
	ck_assert_int_eq(try_add(&e[N_IDS], BNET_ROLE_CLIENT, 0), ROUTES_NO_ID);
	ck_assert_uint_eq(routes_count(routes, BNET_ROLE_CLIENT), N_IDS);
	routes_remove(routes, &e[2]);
	routes_remove(routes, &e[1]);
	ck_assert_ptr_null(routes_find(routes, BNET_ROLE_CLIENT, 2));
	ck_assert_uint_eq(add(&e[1], BNET_ROLE_CLIENT, 0), 2);
	ck_assert_uint_eq(add(&e[2], BNET_ROLE_CLIENT, 0), 3);
	for (int i = 0; i < N_IDS; i++)
		routes_remove(routes, &e[i]);
}
END_TEST

/* A node and a client of one id are two. */
START_TEST(two_spaces)
{
	struct route_entry client, node, both;

	ck_assert_uint_eq(add(&client, BNET_ROLE_CLIENT, 0), CLIENTS_FROM);
	ck_assert_uint_eq(add(&node, BNET_ROLE_NODE, 0), NODES_FROM);
	ck_assert_uint_eq(
	    add(&both, BNET_ROLE_NODE, CLIENTS_FROM), CLIENTS_FROM);
	ck_assert_ptr_eq(
	    routes_find(routes, BNET_ROLE_CLIENT, CLIENTS_FROM), &client);
	ck_assert_ptr_eq(
	    routes_find(routes, BNET_ROLE_NODE, CLIENTS_FROM), &both);
	routes_remove(routes, &both);
	ck_assert_ptr_eq(
	    routes_find(routes, BNET_ROLE_CLIENT, CLIENTS_FROM), &client);
	routes_remove(routes, &client);
	routes_remove(routes, &node);
}
END_TEST

static const struct {
	uint64_t id;
	bool covered;
} wanted_rows[] = {
	{ NODES_FROM - 1, false },
	{ NODES_FROM, true },
	{ NODES_FROM + N_IDS - 1, true },
	{ NODES_FROM + N_IDS, false },
	{ INT64_MAX, false },
};

/* One that was wanted is not handed out, and is free again afterwards. */
START_TEST(wanted)
{
	uint64_t id = wanted_rows[_i].id;
	struct route_entry e[N_IDS + 1];
	int n = wanted_rows[_i].covered ? N_IDS - 1 : N_IDS;

	ck_assert_int_eq(
	    routes_cover(routes, BNET_ROLE_NODE, id), wanted_rows[_i].covered);
	ck_assert_uint_eq(add(&e[N_IDS], BNET_ROLE_NODE, id), id);
	for (int i = 0; i < n; i++)
		ck_assert_uint_ne(add(&e[i], BNET_ROLE_NODE, 0), id);
	for (int i = 0; i < n; i++)
		routes_remove(routes, &e[i]);
	routes_remove(routes, &e[N_IDS]);
	ck_assert_uint_eq(add(&e[0], BNET_ROLE_NODE, id), id);
	routes_remove(routes, &e[0]);
}
END_TEST

START_TEST(reserved)
{
	struct route_entry e;

	ck_assert(routes_reserve(routes, BNET_ROLE_NODE, NODES_FROM));
	ck_assert(!routes_reserve(routes, BNET_ROLE_NODE, NODES_FROM));
	ck_assert(!routes_reserve(routes, BNET_ROLE_NODE, NODES_FROM - 1));
	ck_assert_int_eq(try_add(&e, BNET_ROLE_NODE, NODES_FROM), ROUTES_TAKEN);
	ck_assert_ptr_null(routes_find(routes, BNET_ROLE_NODE, NODES_FROM));
	ck_assert_uint_eq(add(&e, BNET_ROLE_NODE, 0), NODES_FROM + 1);
	routes_remove(routes, &e);
}
END_TEST

/* ---- replacing ---- */

START_TEST(replace)
{
	struct route_entry first, second = { .role = BNET_ROLE_NODE }, *old;

	(void)add(&first, BNET_ROLE_NODE, NODES_FROM);
	ck_assert(routes_register(routes, &first, KEY));
	ck_assert_int_eq(routes_add(routes, &second, NODES_FROM, yes, &old),
	    ROUTES_REPLACED);
	ck_assert_ptr_eq(old, &first);
	ck_assert(!first.listed);
	ck_assert_ptr_eq(
	    routes_find(routes, BNET_ROLE_NODE, NODES_FROM), &second);
	ck_assert_uint_eq(routes_count(routes, BNET_ROLE_NODE), 1);
	/* its keys are gone with it, and it can have no more */
	ck_assert_ptr_null(any_of(KEY));
	ck_assert(!routes_register(routes, &first, KEY));
	/* that the old link ends later takes nothing from the new one */
	routes_remove(routes, &first);
	ck_assert_ptr_eq(
	    routes_find(routes, BNET_ROLE_NODE, NODES_FROM), &second);
	ck_assert_uint_eq(add(&first, BNET_ROLE_NODE, 0), NODES_FROM + 1);
	routes_remove(routes, &first);
	routes_remove(routes, &second);
	routes_remove(routes, &second); /* once is enough */
}
END_TEST

START_TEST(not_replaced)
{
	struct route_entry first, second;

	(void)add(&first, BNET_ROLE_NODE, 9);
	ck_assert(routes_register(routes, &first, KEY));
	ck_assert_int_eq(try_add(&second, BNET_ROLE_NODE, 9), ROUTES_TAKEN);
	ck_assert(!second.listed);
	ck_assert_ptr_eq(routes_find(routes, BNET_ROLE_NODE, 9), &first);
	ck_assert_ptr_eq(any_of(KEY), &first);
	routes_remove(routes, &second); /* never listed */
	routes_remove(routes, &first);
}
END_TEST

/* ---- keys ---- */

/* How often each of e[0..n) is found in `rounds` looks for `key`. */
static void
turns(struct route_entry *e, size_t n, int rounds, unsigned got[])
{
	const struct route_entry *at;

	memset(got, 0, n * sizeof(got[0]));
	for (int i = 0; i < rounds; i++) {
		at = any_of(KEY);
		ck_assert(at >= e && at < e + n);
		got[at - e]++;
	}
}

/* All nodes of a key are seen once, whoever has the turn; then none. */
START_TEST(next_in_turn)
{
	struct route_entry e[3];

	for (int i = 0; i < 3; i++) {
		(void)add(&e[i], BNET_ROLE_NODE, 0);
		ck_assert(routes_register(routes, &e[i], KEY));
	}
	for (unsigned first = 0; first < 6; first++) {
		struct routes_turn turn = { 0 };

		for (unsigned i = 0; i < 3; i++)
			ck_assert_ptr_eq(routes_any(routes, KEY, &turn),
			    &e[(first + i) % 3]);
		ck_assert_ptr_null(routes_any(routes, KEY, &turn));
		ck_assert_ptr_null(routes_any(routes, KEY, &turn));
	}
	for (int i = 0; i < 3; i++)
		routes_remove(routes, &e[i]);
}
END_TEST

START_TEST(in_turn)
{
	struct route_entry e[3];
	unsigned got[3];

	ck_assert_ptr_null(any_of(KEY));
	for (int i = 0; i < 3; i++) {
		(void)add(&e[i], BNET_ROLE_NODE, 0);
		ck_assert(routes_register(routes, &e[i], KEY));
		ck_assert(routes_register(routes, &e[i], KEY)); /* once */
	}
	turns(e, 3, 30, got);
	ck_assert(got[0] == 10 && got[1] == 10 && got[2] == 10);
	ck_assert_ptr_null(any_of(KEY + 1));
	routes_remove(routes, &e[1]);
	turns(e, 3, 30, got);
	ck_assert(got[0] == 15 && got[1] == 0 && got[2] == 15);
	routes_remove(routes, &e[0]);
	turns(e, 3, 3, got);
	ck_assert_uint_eq(got[2], 3);
	routes_remove(routes, &e[2]);
	ck_assert_ptr_null(any_of(KEY));
}
END_TEST

START_TEST(many_keys)
{
	struct route_entry e, other;

	(void)add(&e, BNET_ROLE_NODE, 0);
	for (int32_t key = 1; key <= ROUTES_KEYS_MAX; key++)
		ck_assert(routes_register(routes, &e, key));
	ck_assert(!routes_register(routes, &e, ROUTES_KEYS_MAX + 1));
	ck_assert(routes_register(routes, &e, 1)); /* it has that one */
	(void)add(&other, BNET_ROLE_NODE, 0);
	ck_assert(routes_register(routes, &other, ROUTES_KEYS_MAX + 1));
	routes_remove(routes, &e);
	for (int32_t key = 1; key <= ROUTES_KEYS_MAX; key++)
		ck_assert_ptr_null(any_of(key));
	ck_assert_ptr_eq(any_of(ROUTES_KEYS_MAX + 1), &other);
	routes_remove(routes, &other);
}
END_TEST

/* ---- all of them ---- */

struct seen {
	uint64_t ids;
	int n, n_max;
};

static bool
see(void *arg, const struct route_entry *entry)
{
	struct seen *seen = arg;

	seen->ids |= UINT64_C(1) << entry->id;
	return ++seen->n < seen->n_max;
}

START_TEST(each)
{
	struct seen all = { .n_max = 10 }, two = { .n_max = 2 };
	struct route_entry e[3];

	(void)add(&e[0], BNET_ROLE_NODE, 11);
	(void)add(&e[1], BNET_ROLE_CLIENT, 0);
	(void)add(&e[2], BNET_ROLE_NODE, 3);
	routes_each(routes, see, &all);
	ck_assert_int_eq(all.n, 3);
	ck_assert_uint_eq(all.ids, 1 << 11 | 1 << CLIENTS_FROM | 1 << 3);
	routes_each(routes, see, &two);
	ck_assert_int_eq(two.n, 2);
	for (int i = 0; i < 3; i++)
		routes_remove(routes, &e[i]);
}
END_TEST

/* ---- while others change them ---- */

static void *
look(void *arg)
{
	struct route_entry *stays = arg, *any;

	rcu_register_thread();
	for (int i = 0; i < N_THREAD_LOOKUPS; i++) {
		ck_assert_ptr_eq(
		    routes_find(routes, BNET_ROLE_NODE, stays->id), stays);
		any = any_of(KEY);
		ck_assert_ptr_nonnull(any);
		rcu_let_go();
	}
	rcu_tsan_release(&rcu_grace);
	rcu_unregister_thread();
	return NULL;
}

START_TEST(two_threads)
{
	struct route_entry stays, goes;
	pthread_t thread;

	(void)add(&stays, BNET_ROLE_NODE, 0);
	ck_assert(routes_register(routes, &stays, KEY));
	ck_assert_int_eq(pthread_create(&thread, NULL, look, &stays), 0);
	for (int i = 0; i < 500; i++) {
		(void)add(&goes, BNET_ROLE_NODE, 0);
		ck_assert(routes_register(routes, &goes, KEY));
		routes_remove(routes, &goes);
		rcu_sleep();
		synchronize_rcu(); /* nobody holds it any more */
		rcu_wake();
		rcu_after_grace();
	}
	rcu_sleep();
	pthread_join(thread, NULL);
	rcu_wake();
	routes_remove(routes, &stays);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("routes");
	TCase *tc = unit_case(suite, "routes");

	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, lowest_free);
	tcase_add_test(tc, two_spaces);
	tcase_add_loop_test(tc, wanted, 0, UNIT_ROWS(wanted_rows));
	tcase_add_test(tc, reserved);
	tcase_add_test(tc, replace);
	tcase_add_test(tc, not_replaced);
	tcase_add_test(tc, in_turn);
	tcase_add_test(tc, next_in_turn);
	tcase_add_test(tc, many_keys);
	tcase_add_test(tc, each);
	tcase_add_test(tc, two_threads);
	return suite;
}

UNIT_MAIN(make_suite)
