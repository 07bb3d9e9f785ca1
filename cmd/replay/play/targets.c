/* SPDX-License-Identifier: MIT */
/*
 * Resolves the targets and spreads the virtual clients over them. Owns the
 * lists in a struct targets. Called by run.c.
 */
#include "cmd/replay/play/targets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names to addresses ---- */

static bool
resolve(struct targets_given *given, const struct replay_options *opt,
    const struct client_files *files, char *why, size_t why_bytes)
{
	struct session_target *target = &given->target;

	session_target_use(target, files);
	if (!session_resolve(target, given->name, REPLAY_PORT, why, why_bytes))
		return false;
	if (opt->tls_host != NULL)
		(void)snprintf(
		    target->host, sizeof(target->host), "%s", opt->tls_host);
	return true;
}

bool
targets_resolve(struct targets *targets, const struct replay_options *opt,
    const struct client_files *files, const char **bad, char *why,
    size_t why_bytes)
{
	size_t n = opt->n_targets + opt->map_relay.n;

	*targets = (struct targets){ .n_operands = opt->n_targets };
	*bad = opt->target;
	targets->given = calloc(n + 1, sizeof(*targets->given));
	if (targets->given == NULL) {
		(void)snprintf(why, why_bytes, "out of memory");
		errno = ENOMEM;
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		struct targets_given *given = &targets->given[i];
		const char *map, *equals;

		given->name = i < opt->n_targets ? opt->targets[i] : NULL;
		if (given->name == NULL) {
			map = opt->map_relay.at[i - opt->n_targets];
			equals = strchr(map, '='); /* options.c saw to it */
			(void)snprintf(given->relay, sizeof(given->relay),
			    "%.*s", (int)(equals - map), map);
			given->name = equals + 1;
		}
		targets->n_given = i + 1;
		*bad = given->name;
		if (!resolve(given, opt, files, why, why_bytes))
			return false;
	}
	return true;
}

/* ---- addresses to places ---- */

static bool
is_same(const struct address *a, const struct address *b)
{
	return a->len_bytes == b->len_bytes &&
	    memcmp(&a->sa, &b->sa, a->len_bytes) == 0;
}

/* Address `first` goes first, the others follow in their order. */
static void
put_first(struct session_target *target, size_t first)
{
	struct address address = target->addresses[first];

	memmove(&target->addresses[1], &target->addresses[0],
	    first * sizeof(target->addresses[0]));
	target->addresses[0] = address;
}

/* The one that was reached shows which family gets there. */
static void
prefer_reached(struct targets_given *given)
{
	for (size_t i = 0; i < given->target.n_addresses; i++)
		if (is_same(&given->target.addresses[i], &given->reached))
			put_first(&given->target, i);
}

static bool
make_places(struct targets *targets)
{
	size_t n = targets->n_given * ADDRESS_RESOLVED_MAX + 1;

	targets->places = calloc(n, sizeof(*targets->places));
	targets->of_place = calloc(n, sizeof(struct targets_given *));
	if (targets->places == NULL || targets->of_place == NULL)
		return false;
	for (size_t g = 0; g < targets->n_given; g++) {
		struct targets_given *given = &targets->given[g];
		const struct address *all = given->target.addresses;

		prefer_reached(given);
		for (size_t i = 0; i < given->target.n_addresses; i++) {
			if (all[i].sa.ss_family != all[0].sa.ss_family)
				continue;
			targets->places[targets->n_places] = given->target;
			put_first(&targets->places[targets->n_places], i);
			targets->of_place[targets->n_places++] = given;
		}
	}
	return true;
}

/* ---- sessions to places ---- */

/* A relay of the capture. */
struct relay {
	const char *end; /* "ADDR:PORT"; of the tape */
	uint32_t first, step, n; /* its places: first, first + step, ... */
	uint32_t next; /* which of the n comes next */
};

/* "10.0.0.1" is each port of it. */
static bool
is_named(const char *end, const char *relay)
{
	size_t n = strlen(relay);

	return strcmp(end, relay) == 0 ||
	    (strncmp(end, relay, n) == 0 && end[n] == ':' &&
		strchr(end + n + 1, ':') == NULL);
}

/* Places are in the order of `given`, so those of each are in a row. */
static void
use_places(const struct targets *targets, struct relay *relay,
    const struct targets_given *given)
{
	for (uint32_t i = 0; i < targets->n_places; i++) {
		if (targets->of_place[i] != given)
			continue;
		if (relay->n++ == 0)
			relay->first = i;
	}
	relay->step = 1;
}

static bool
is_mapped(const struct targets *targets, struct relay *relay)
{
	for (size_t i = targets->n_operands; i < targets->n_given; i++) {
		if (!is_named(relay->end, targets->given[i].relay))
			continue;
		use_places(targets, relay, &targets->given[i]);
		return true;
	}
	return false;
}

/*
 * The relays of the tape, each once, as they come: all shards of a run see the
 * same ones in the same order.
 */
static uint32_t
list_relays(struct relay *relays, const struct tape *tape, uint32_t *relay_of)
{
	uint32_t n = 0, k;

	for (uint32_t i = 0; i < tape_head(tape)->n_sessions; i++) {
		const struct tape_session *session = tape_session(tape, i);
		const char *end = tape_text(tape, session->end[1]);

		relay_of[i] = i > 0 ? relay_of[i - 1] : 0;
		if ((session->flags & TAPE_S_LEFT_OUT) != 0)
			continue;

		k = relay_of[i];
		if (k >= n || strcmp(relays[k].end, end) != 0)
			for (k = 0; k < n; k++)
				if (strcmp(relays[k].end, end) == 0)
					break;
		if (k == n)
			relays[n++] = (struct relay){ .end = end };
		relay_of[i] = k;
	}
	return n;
}

/* Gives each relay its places: one of few, or several of many. */
static void
share_places(const struct targets *targets, struct relay *relays, uint32_t n)
{
	uint32_t n_places = 0, n_free = 0, k = 0;

	while (n_places < targets->n_places &&
	    targets->of_place[n_places] < targets->given + targets->n_operands)
		n_places++;
	for (uint32_t i = 0; i < n; i++)
		n_free += !is_mapped(targets, &relays[i]);
	for (uint32_t i = 0; i < n && n_places > 0; i++) {
		if (relays[i].n > 0)
			continue;
		relays[i].first = k % n_places;
		relays[i].step = n_free;
		relays[i].n =
		    k < n_places ? (n_places - k - 1) / n_free + 1 : 1;
		k++;
	}
}

bool
targets_assign(
    struct targets *targets, const struct tape *tape, const struct plan *plan)
{
	size_t n_sessions = (size_t)tape_head(tape)->n_sessions + 1;
	struct relay *relays = calloc(n_sessions, sizeof(*relays));
	uint32_t *relay_of = calloc(n_sessions, sizeof(*relay_of));
	bool ok = relays != NULL && relay_of != NULL && make_places(targets);

	targets->of = calloc((size_t)plan->n + 1, sizeof(*targets->of));
	ok = ok && targets->of != NULL;
	if (ok) {
		targets->n_relays = list_relays(relays, tape, relay_of);
		share_places(targets, relays, targets->n_relays);
	}
	for (uint32_t i = 0; ok && i < plan->n; i++) {
		struct relay *relay =
		    &relays[relay_of[plan->vclients[i].session]];

		targets->of[i] = relay->first + relay->step * relay->next;
		relay->next = relay->n > 0 ? (relay->next + 1) % relay->n : 0;
	}
	free(relays);
	free(relay_of);
	return ok;
}

uint64_t
targets_count(
    const struct targets *targets, const struct plan *plan, uint32_t place)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < plan->n; i++)
		n += targets->of[i] == place;
	return n;
}

const char *
targets_text(const struct targets *targets, char *text, size_t text_bytes)
{
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < targets->n_given && n < text_bytes; i++) {
		const struct targets_given *given = &targets->given[i];

		n += (size_t)snprintf(text + n, text_bytes - n, "%s%s",
		    i > 0 ? ", " : "", given->name);
	}
	return text;
}

void
targets_free(struct targets *targets)
{
	free(targets->given);
	free(targets->places);
	free(targets->of_place);
	free(targets->of);
}
