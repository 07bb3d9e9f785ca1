/* SPDX-License-Identifier: MIT */
/*
 * safety - targets that must not be loaded: captured hosts, public addresses,
 * and production. Nothing here does I/O.
 */
#ifndef REPLAY_SAFETY_H
#define REPLAY_SAFETY_H

#include "cmd/common/address.h"
#include "cmd/common/cli.h"

#include <stdbool.h>
#include <stddef.h>

/* All borrowed. */
struct safety {
	const struct address *targets; /* n of them: all that may be tried */
	size_t n_targets;
	const struct cidr *allow; /* n of them: --allow */
	size_t n_allow;
};

/*
 * Each target is private (loopback and link-local are), or in a block of
 * `allow`. False: err says which is not, and what to do.
 */
bool
safety_targets_allowed(const struct safety *safety, char err[CLI_ERR_CHARS]);

/*
 * `end` ("ADDR:PORT") of a captured connection is never a target, whatever is
 * allowed; ports are ignored, and loopback may be both. False: err says
 * which. What cannot be read as an address is refused, too.
 */
bool safety_end_allowed(
    const struct safety *safety, const char *end, char err[CLI_ERR_CHARS]);

/* Does a welcome with this environment mean production? */
bool safety_is_production(const char *environment);

#endif
