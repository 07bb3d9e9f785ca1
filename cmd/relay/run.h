/* SPDX-License-Identifier: MIT */
/* run - a started relay, until it ends. For the main thread. */
#ifndef RELAY_RUN_H
#define RELAY_RUN_H

#include "cmd/relay/relay.h"
#include "cmd/relay/secrets.h"
#include "proto/tls.h"

#include <signal.h>

struct run {
	struct relay *relay;
	int argc; /* for rereading the options */
	char **argv;
	bnet_tls_keylog *keylog; /* NULL: none */
	void *keylog_arg;
	sigset_t signals;
	struct secrets_ends ends; /* of the certificates in force */
	int64_t warn_at_s; /* when to look at them next, unix */
	bool check_links; /* workers are to check who may stay */
	unsigned n_checks; /* that they were told */
	uint64_t n_ticks;
	uint64_t memory_peak; /* since memory went back to the system */
	int64_t memory_said_ns; /* when we said that it is short; 0: not yet */
};

void run_block_signals(struct run *run);

/* Serve until SIGTERM or SIGINT, then drain. */
void run_loop(struct run *run);

void config_free(struct relay_config *config); /* NULL is allowed */
bool config_load(struct relay_config *config, char err[RELAY_ERR_CHARS]);
void config_limits(struct relay *relay, const struct relay_options *opt);

#endif
