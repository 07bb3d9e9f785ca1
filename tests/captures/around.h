/* SPDX-License-Identifier: MIT */
/*
 * around - headers of tunnels and tags around an IP packet, as mangle --around
 * puts them there.
 *
 *	"vxlan,mpls": VXLAN, then MPLS in the frame that it carries, then IP
 *
 * Owns nothing; the packet is in the caller's buffer, with room before it.
 */
#ifndef TESTS_CAPTURES_AROUND_H
#define TESTS_CAPTURES_AROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AROUND_ROOM 2048 /* bytes before the packet, for any list */

struct around {
	uint8_t *p; /* start of the packet; moves down */
	size_t n;
	uint32_t type; /* ethertype of what starts at p; or an LLC length */
	bool down; /* the way it goes: what differs each way does */
};

/* `list`: the names, outermost first. An unknown one ends the program. */
void around(struct around *packet, const char *list);

#endif
