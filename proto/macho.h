/* SPDX-License-Identifier: MIT */
/*
 * bnet_macho - what a machoNet packet is: calls, results, events, errors
 * (bluenet-marshal.5, MACHONET). These shapes are known from public servers,
 * not from the maker: what does not have them is no machoNet packet here.
 */
#ifndef BNET_MACHO_H
#define BNET_MACHO_H

#include "object.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum bnet_macho_type {
	BNET_MACHO_AUTHENTICATION_REQ = 0,
	BNET_MACHO_AUTHENTICATION_RSP = 1,
	BNET_MACHO_IDENTIFICATION_REQ = 2,
	BNET_MACHO_IDENTIFICATION_RSP = 3,
	BNET_MACHO_CALL_REQ = 6,
	BNET_MACHO_CALL_RSP = 7,
	BNET_MACHO_TRANSPORTCLOSED = 8,
	BNET_MACHO_RESOLVE_REQ = 10,
	BNET_MACHO_RESOLVE_RSP = 11,
	BNET_MACHO_NOTIFICATION = 12,
	BNET_MACHO_ERRORRESPONSE = 15,
	BNET_MACHO_SESSIONCHANGENOTIFICATION = 16,
	BNET_MACHO_SESSIONINITIALSTATENOTIFICATION = 18,
	BNET_MACHO_PING_REQ = 20,
	BNET_MACHO_PING_RSP = 21,
	BNET_MACHO_MOVEMENTNOTIFICATION = 100,
};

/* A source or a destination. NULL: it has none. All values are borrowed. */
struct bnet_macho_address {
	int64_t type; /* enum bnet_dest_type, or unknown; -1: no address */
	const struct bnet_node *id; /* of a node or client */
	const struct bnet_node *service, *call_id;
	/* of a broadcast: the event, whom it is for, and what that names */
	const struct bnet_node *broadcast, *narrowcast, *id_type;
};

struct bnet_macho {
	int64_t type; /* enum bnet_macho_type, or unknown */
	struct bnet_macho_address source, destination;
	const struct bnet_node *user_id;
	/* NULL where the packet has none */
	const struct bnet_node *service; /* called: STR, or what the peer put */
	const struct bnet_node *method; /* STR */
	const struct bnet_node *args; /* TUPLE: of a call or event */
	const struct bnet_node *kwargs; /* DICT */
	const struct bnet_node *result;
	const struct bnet_node *event; /* STR: its name */
	const struct bnet_node *payload; /* item 4, as it is */
	bool has_call_id;
	int64_t call_id; /* of the call that is made or answered */
	/* of an error */
	int64_t answered_type; /* enum bnet_macho_type; -1 */
	int64_t code; /* bnet_macho_error_name(); -1 */
	const struct bnet_node *exception;
};

/* False: it does not have the shape; *macho is unspecified. O(1). */
bool bnet_macho_read(const struct bnet_node *root, struct bnet_macho *macho);

/* "call", "result", "event", "error", ...; static; "unknown" for others. */
const char *bnet_macho_type_name(int64_t type);

/* "UNMACHODESTINATION", ...; static; "unknown error" for others. */
const char *bnet_macho_error_name(int64_t code);

#ifdef __cplusplus
}
#endif

#endif
