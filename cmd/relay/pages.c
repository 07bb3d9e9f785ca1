/* SPDX-License-Identifier: MIT */
#include "cmd/relay/pages.h"

#include "cmd/relay/links_json.h"
#include "cmd/relay/metrics.h"
#include "cmd/relay/capture.h"
#include "cmd/relay/relay.h"
#include "proto/bluenet.h"

#include <stdlib.h>

/* ---- /metrics ---- */

static void
add_up(uint64_t sums[RELAY_N_COUNTERS], _Atomic uint64_t *counters)
{
	for (size_t i = 0; i < RELAY_N_COUNTERS; i++)
		sums[i] += counter_get(&counters[i]);
}

static void
sum_counters(struct relay *relay, uint64_t sums[RELAY_N_COUNTERS])
{
	for (unsigned i = 0; i < engine_n_workers(relay->engine); i++)
		add_up(sums, relay->workers[i].counters);
	add_up(sums, relay->app_worker.counters);
	add_up(sums, relay->admissions);
}

static bool
add_queue(void *arg, const struct route_entry *entry)
{
	uint64_t *bytes = arg;

	*bytes += atomic_load_explicit(
	    &entry->outlet->queued_bytes, memory_order_relaxed);
	return true;
}

/* The configuration and the links are good until the lock is given back. */
static bool
metrics_page(void *arg, struct text *out)
{
	struct relay *relay = arg;
	uint64_t own[RELAY_N_COUNTERS] = { 0 }, engine[ENGINE_N_COUNTERS];
	const struct relay_options *opt;
	struct metrics m = { .engine = engine, .relay = own };

	sum_counters(relay, own);
	engine_counters(relay->engine, engine);
	m.n_clients = routes_count(relay->routes, BNET_ROLE_CLIENT);
	m.n_nodes = routes_count(relay->routes, BNET_ROLE_NODE);
	m.n_connections = limits_open(relay->limits);
	m.memory_reserved_bytes = engine_memory_reserved(relay->engine);
	m.draining = atomic_load(&relay->draining);
	m.started_s = relay->started_s;
	m.cert_expires_s = atomic_load(&relay->cert_expires_s);
	if (relay->record != NULL)
		m.capture_dropped = record_dropped(relay->record);
	m.version = BNET_VERSION;
	m.id = relay->id;
	engine_read_lock();
	routes_each(relay->routes, add_queue, &m.queue_bytes);
	opt = &config_of(relay)->opt;
	m.memory_budget_bytes = opt->memory_bytes;
	m.environment = opt->environment;
	m.name = opt->name;
	metrics_render(out, &m);
	engine_read_unlock();
	return true;
}

/* ---- /healthz ---- */

static bool
health_page(void *arg, struct text *out)
{
	struct relay *relay = arg;
	bool draining = atomic_load(&relay->draining);

	text_str(out, draining ? "draining\n" : "ok\n");
	return !draining;
}

/* ---- /links ---- */

/* Peers found under the read lock. */
struct found {
	struct peer **at; /* owned */
	size_t n, cap;
	bool failed; /* out of memory */
};

static bool
add_peer(void *arg, const struct route_entry *entry)
{
	struct found *found = arg;
	struct peer **more;
	size_t cap = found->cap == 0 ? 64 : 2 * found->cap;

	if (found->n == found->cap) {
		more = realloc(found->at, cap * sizeof(struct peer *));
		if (more == NULL) {
			found->failed = true;
			return false;
		}
		found->at = more;
		found->cap = cap;
	}
	found->at[found->n++] = (struct peer *)(uintptr_t)entry;
	return true;
}

static int
compare(const void *a, const void *b)
{
	const struct route_entry *x = &(*(struct peer *const *)a)->entry;
	const struct route_entry *y = &(*(struct peer *const *)b)->entry;

	if (x->role != y->role)
		return x->role < y->role ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static struct link_view
view(struct peer *peer)
{
	struct engine_outlet *outlet = peer->entry.outlet;
	uint32_t latency_us =
	    atomic_load_explicit(&peer->latency_us, memory_order_relaxed);

	return (struct link_view){
		.id = peer->entry.id,
		.role = peer->entry.role,
		.stock = !peer->hello,
		.name = peer->name,
		.address = peer->address,
		.queue_bytes = atomic_load_explicit(
		    &outlet->queued_bytes, memory_order_relaxed),
		.latency_us = latency_us,
		.latency_known = latency_us != 0,
		.packets_in = counter_get(&outlet->packets_in),
		.packets_out = counter_get(&outlet->packets_out),
		.bytes_in = counter_get(&outlet->bytes_in),
		.bytes_out = counter_get(&outlet->bytes_out),
		.codecs = peer->codecs,
		.order = (enum bnet_order)atomic_load_explicit(
		    &outlet->order, memory_order_relaxed),
		.tls = peer->tls,
		.since_s = peer->since_s,
	};
}

static bool
links_page(void *arg, struct text *out)
{
	struct relay *relay = arg;
	struct found found = { 0 };
	struct link_view link;

	links_json_begin(out);
	engine_read_lock();
	routes_each(relay->routes, add_peer, &found);
	if (found.n > 0)
		qsort(found.at, found.n, sizeof(found.at[0]), compare);
	for (size_t i = 0; i < found.n; i++) {
		link = view(found.at[i]);
		links_json_link(out, &link, i == 0);
	}
	engine_read_unlock();
	free(found.at);
	links_json_end(out);
	return !found.failed;
}

const struct http_page pages[PAGES_N] = {
	{ "/metrics", "text/plain; version=0.0.4", metrics_page },
	{ "/healthz", "text/plain; charset=utf-8", health_page },
	{ "/links", "application/json", links_page },
};
