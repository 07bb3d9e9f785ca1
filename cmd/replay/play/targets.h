/* SPDX-License-Identifier: MIT */
/*
 * targets - which relay each virtual client connects to.
 *
 *	TARGET a, b; a has the addresses 1 and 2; --map-relay r=c
 *
 *	places	a1 a2 b c	sessions of r go to c, all others to a and b
 *
 * A name with several addresses is as many places, of its first address's
 * family; each place also has the other addresses, to be tried if its own does
 * not answer.
 */
#ifndef REPLAY_TARGETS_H
#define REPLAY_TARGETS_H

#include "cmd/replay/options.h"
#include "cmd/replay/play/plan.h"
#include "cmd/replay/tape/tape.h"
#include "cmd/session/target.h"

#include <stdbool.h>
#include <stdint.h>

/* A TARGET, or NEW of --map-relay OLD=NEW. */
struct targets_given {
	const char *name; /* as given; borrowed */
	char relay[ADDRESS_CHARS]; /* OLD, or "": it is a TARGET */
	struct session_target target;
	struct address reached; /* set by the caller: goes first; or zeroed */
};

struct targets {
	struct targets_given *given; /* n_given entries, the TARGETs first */
	size_t n_given, n_operands;
	struct session_target *places; /* n_places entries */
	const struct targets_given **of_place;
	uint32_t n_places;
	uint32_t *of; /* the place of each virtual client of the plan */
	uint32_t
	    n_relays; /* of the capture, with sessions that can be played */
};

/*
 * Resolves what the options name. Returns false: *bad is the one that failed,
 * `why` says why, errno is EACCES if it would expose the token, ENOMEM or 0.
 */
bool targets_resolve(struct targets *targets, const struct replay_options *opt,
    const struct client_files *files, const char **bad, char *why,
    size_t why_bytes);

/*
 * Assigns a place to each virtual client. Sessions of one captured relay stay
 * together as long as there are as many relays as places of TARGETs; what is
 * left over is spread evenly. Returns false when out of memory.
 */
bool targets_assign(
    struct targets *targets, const struct tape *tape, const struct plan *plan);

/* How many virtual clients are at this place. */
uint64_t targets_count(
    const struct targets *targets, const struct plan *plan, uint32_t place);

/* The TARGETs as given, separated by commas. Returns `text`. */
const char *
targets_text(const struct targets *targets, char *text, size_t text_bytes);

void targets_free(struct targets *targets);

#endif
