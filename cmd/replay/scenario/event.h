/* SPDX-License-Identifier: MIT */
/*
 * What came over a connection, as a line that a script is held against:
 *
 *	KIND NAME=VALUE ...
 *
 * KIND is the name of the session message without "bluenet.", pong, packet,
 * bad-payload, or how the connection ended.
 */
#ifndef REPLAY_PEER_EVENT_H
#define REPLAY_PEER_EVENT_H

#include "cmd/replay/peer_words.h"
#include "proto/bluenet.h"

#include <fnmatch.h>
#include <inttypes.h>

#define PEER_MESSAGE_BYTES (1 << 24)
#define PEER_SHOWN_BYTES 64 /* of a payload */

struct peer_event {
	struct peer_event *next;
	char *text; /* KIND NAME=VALUE ... */
	int32_t key; /* of the packet; of an error: of the refused one */
	uint64_t timestamp;
	uint32_t serial;
	uint8_t *payload;
	size_t payload_bytes;
};

void peer_event_free(struct peer_event *ev);

/* ---- values, written as a script writes them ------------------------------ */

/* A key by name or number; a name is remembered. */
int32_t peer_key(const char *text);

/* ---- session messages ----------------------------------------------------- */

/* ---- an event ------------------------------------------------------------- */

struct peer_event *peer_event_text(const char *text);

struct peer_event *
peer_event_packet(const struct bnet_packet *p, enum bnet_err bad);

/* The value of a field, or NULL; the caller frees it. */
char *
peer_event_field(const struct peer_event *ev, const char *name, size_t len);

/* `kinds`: a glob, or several with | between. */
bool peer_event_is(const struct peer_event *ev, const char *kinds);

#endif
