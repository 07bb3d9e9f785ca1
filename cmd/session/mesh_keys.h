/* SPDX-License-Identifier: MIT */
/*
 * mesh_keys - a node pings another because somebody asks it to: bluenet-ping(1),
 * --mesh. Two keys of our own, bodies in the primitives of bluenet-wire(5):
 *
 *	bluenet-node.ping	u64 cookie, u64 id of the node, u32 flags of
 *				the echo
 *	bluenet-node.pinged	u64 cookie, u64 round trip in ns; to the asker
 *
 * No answer is no answer: the asker has a timeout. bluenet-ping asks,
 * bluenet-node answers.
 */
#ifndef SESSION_MESH_KEYS_H
#define SESSION_MESH_KEYS_H

#define MESH_KEY_PING "bluenet-node.ping"
#define MESH_KEY_PINGED "bluenet-node.pinged"

#endif
