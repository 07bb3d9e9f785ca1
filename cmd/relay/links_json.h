/* SPDX-License-Identifier: MIT */
/*
 * links_json - the links of a relay as JSON, one at a time:
 *
 *	{"links":[
 *	{"id":7,"role":"node","name":"jita","address":"10.0.0.1:40000",...},
 *	{...}
 *	]}
 *
 * The text is the caller's; any thread.
 */
#ifndef RELAY_LINKS_JSON_H
#define RELAY_LINKS_JSON_H

#include "cmd/common/json.h"
#include "proto/frame.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

/* All is borrowed for the call; strings may hold anything. */
struct link_view {
	uint64_t id;
	enum bnet_role role;
	bool stock; /* it said no hello */
	const char *name, *address;
	uint64_t queue_bytes;
	uint32_t latency_us; /* one way */
	bool latency_known; /* otherwise null */
	uint64_t packets_in, packets_out, bytes_in, bytes_out;
	uint32_t codecs; /* bits that it offered */
	enum bnet_order order;
	unsigned tls; /* enum bnet_tls_version; 0: plain, null */
	int64_t since_s; /* unix */
};

void links_json_begin(struct text *out);
/* `first`: none came before. */
void
links_json_link(struct text *out, const struct link_view *link, bool first);
void links_json_end(struct text *out);

#endif
