/* SPDX-License-Identifier: MIT */
/*
 * probe - one connection before the load: is anybody there, and who?
 *
 * It says hello, waits a few seconds for the welcome, and closes.
 */
#ifndef REPLAY_PROBE_H
#define REPLAY_PROBE_H

#include "cmd/session/target.h"
#include "proto/message.h"

#define PROBE_TEXT_CHARS 256

struct probe_settings { /* all borrowed */
	const struct session_target *target;
	const char *token; /* "": none */
	enum bnet_role role; /* to say in the hello */
	int64_t connect_timeout_ns; /* of each address, including TLS */
	int64_t welcome_timeout_ns;
};

enum probe_result {
	PROBE_WELCOME = 0,
	PROBE_REFUSED, /* bluenet.refuse */
	PROBE_SILENT, /* connected, but no welcome: a stock cluster */
	PROBE_CLOSED, /* it closed the connection at our hello, or broke it */
	PROBE_NOBODY, /* no connection, or no TLS */
};

struct probe {
	enum probe_result result;
	struct address address; /* the last that was tried */
	/* WELCOME; what does not print is '?' */
	char environment[PROBE_TEXT_CHARS], name[PROBE_TEXT_CHARS];
	char reason[PROBE_TEXT_CHARS]; /* of the others; "" is possible */
};

/* A signal ends it early, with what is known until then. */
void probe_run(const struct probe_settings *set, struct probe *probe);

#endif
