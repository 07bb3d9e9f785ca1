/* SPDX-License-Identifier: MIT */
/*
 * probe - one connection before the load: does the target answer, and who is
 * it?
 *
 * The probe sends a hello, waits for the welcome, and closes. It also finds out
 * the byte order of the target.
 */
#ifndef REPLAY_PROBE_H
#define REPLAY_PROBE_H

#include "cmd/session/orders.h"
#include "cmd/session/target.h"
#include "proto/message.h"

#define PROBE_TEXT_CHARS 256

struct probe_settings { /* all members are borrowed */
	const struct session_target *target;
	struct orders *orders; /* the byte order is kept here */
	enum bnet_order order; /* speak this; AUTO: find out */
	enum bnet_order first; /* AUTO: try this one first */
	const char *token; /* "": none */
	const struct address *source; /* connect from it; NULL: any */
	enum bnet_role role; /* role in the hello */
	int64_t connect_timeout_ns; /* per address, including TLS */
	int64_t welcome_timeout_ns; /* in both orders together */
};

enum probe_result {
	PROBE_WELCOME = 0,
	PROBE_REFUSED, /* bluenet.refuse */
	PROBE_SILENT, /* connected, but no answer at all */
	PROBE_STOCK, /* answered a ping, but sent no welcome: a stock peer */
	PROBE_CLOSED, /* closed or reset the connection after our hello */
	PROBE_NOBODY, /* no connection, or no TLS */
};

struct probe {
	enum probe_result result;
	struct address address; /* the last one tried */
	enum bnet_order order; /* found, if not the first; or AUTO */
	int failure; /* NOBODY: errno of what we lacked; 0: nothing */
	/* From the welcome; unprintable characters are '?'. */
	char environment[PROBE_TEXT_CHARS], name[PROBE_TEXT_CHARS];
	char reason[PROBE_TEXT_CHARS]; /* for the other outcomes; may be "" */
};

/*
 * Runs the probe. A signal ends it early; *probe then holds the result so far.
 */
void probe_run(const struct probe_settings *set, struct probe *probe);

#endif
