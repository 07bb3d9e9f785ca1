/* SPDX-License-Identifier: MIT */
/*
 * ids - the ids that are taken at the target, as its roster said before the
 * first scenario, so that no scenario displaces whoever is connected.
 *
 *	peer_ids_new()		in the process of all scenarios
 *	peer_ids_ask()		in that of a probe: fills it
 *	peer_ids_check()	in that of a scenario, before a hello
 *
 * The list is memory that these processes share; its size is fixed. Whoever
 * joins later is not in it.
 */
#ifndef REPLAY_SCENARIO_IDS_H
#define REPLAY_SCENARIO_IDS_H

#include "cmd/replay/scenario/conn.h"

#include <stdbool.h>
#include <stdint.h>

#define PEER_IDS_MAX (1u << 20)
#define PEER_ID_TAKEN 3 /* exit status of a scenario that would displace */

/*
 * From now on any id may be taken (`all`), or none, until peer_ids_ask() has
 * come to its end. False: out of memory.
 */
bool peer_ids_new(bool all);

/*
 * Fill the list from the replies to a roster that was sent on a connection
 * whose welcome was the last thing expected. Fails as an expectation does.
 */
void peer_ids_ask(struct peer_conn *c);

/* End the process with PEER_ID_TAKEN if somebody else has the id. */
void peer_ids_check(uint32_t role, uint64_t id);

/* The id number `n`, from 1, of those beyond 32 bits that nobody has. */
uint64_t peer_ids_free(unsigned n);

#endif
