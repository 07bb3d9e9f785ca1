/* SPDX-License-Identifier: MIT */
/*
 * services - the file of --macho: services, their methods, and what each
 * answers and when (bluenet-node(1), SERVICES). For macho.c.
 */
#ifndef NODE_SERVICES_H
#define NODE_SERVICES_H

#include "cmd/common/random.h"
#include "proto/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICES_ERR_CHARS 512

enum delay_kind {
	DELAY_FIXED, /* a */
	DELAY_UNIFORM, /* from a to b */
	DELAY_NORMAL, /* mean a, standard deviation b; not below 0 */
	DELAY_LOGNORMAL, /* median a, 99th percentile b */
};

struct delay {
	enum delay_kind kind;
	int64_t a_ns, b_ns;
};

/* Draw one. It always takes two values from `rnd`. */
int64_t delay_draw_ns(const struct delay *delay, struct random *rnd);

/* A notification that a call causes. */
struct service_event {
	const char *name;
	struct delay after; /* the call */
	struct bnet_buf body; /* a stream: (0, (1, args)) */
};

struct service_method {
	const char *name;
	struct delay latency;
	struct random rnd; /* its own series, whatever else is called */
	bool silent; /* does not answer */
	int64_t error; /* bnet_macho_error_name(); -1: a result */
	struct bnet_buf value; /* a stream: the result or the exception */
	struct service_event *events;
	size_t n_events;
};

struct service {
	const char *name;
	struct service_method *methods;
	size_t n_methods;
};

struct services {
	struct json_t *json; /* owns the names */
	int64_t node; /* the id in the addresses of answers */
	bool only_node; /* a call to another node is refused */
	struct service *at;
	size_t n;
};

/*
 * Read the file; free it with services_free() in any case. False: `err` says
 * what is wrong and where.
 */
bool services_read(struct services *services, const char *path, uint64_t seed,
    char err[SERVICES_ERR_CHARS]);
void services_free(struct services *services);

/* NULL: there is none. */
struct service *services_find(
    const struct services *services, const uint8_t *name, size_t n_bytes);
struct service_method *service_method(
    const struct service *service, const uint8_t *name, size_t n_bytes);

#endif
