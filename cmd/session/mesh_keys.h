/* SPDX-License-Identifier: MIT */
/*
 * mesh_keys - one node pings another at the request of a client (--mesh of
 * bluenet-ping(1)). Two private keys, bodies in the primitives of
 * bluenet-wire(5):
 *
 *	bluenet-node.ping	u64 cookie, u64 id of the node, u32 flags of
 *				the echo
 *	bluenet-node.pinged	u64 cookie, u64 round trip in ns; to the asker
 *
 * A ping without an answer is not reported: the asker has a timeout.
 * bluenet-ping asks, bluenet-node answers.
 */
#ifndef SESSION_MESH_KEYS_H
#define SESSION_MESH_KEYS_H

#define MESH_KEY_PING "bluenet-node.ping"
#define MESH_KEY_PINGED "bluenet-node.pinged"

#endif
