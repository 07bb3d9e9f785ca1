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

/* All members are borrowed. */
struct safety {
	const struct address *targets; /* n addresses: all that may be tried */
	size_t n_targets;
	const struct cidr *allow; /* n blocks: --allow */
	size_t n_allow;
};

/*
 * Returns true if each target is private (including loopback and link-local) or
 * in a block of `allow`. Otherwise returns false, and err names the target and
 * the remedy.
 */
bool
safety_targets_allowed(const struct safety *safety, char err[CLI_ERR_CHARS]);

/*
 * Checks `end` ("ADDR:PORT") of a captured connection, which must never be a
 * target, whatever is allowed. Ports are ignored; loopback may be both. Returns
 * false if it is a target, or not an address; err names it.
 */
bool safety_end_allowed(
    const struct safety *safety, const char *end, char err[CLI_ERR_CHARS]);

/* Does a welcome with this environment mean production? */
bool safety_is_production(const char *environment);

#endif
