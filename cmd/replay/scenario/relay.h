/* SPDX-License-Identifier: MIT */
/*
 * relay - a relay that the scenarios start for themselves (--scenario-relay).
 * For run.c; one at a time.
 */
#ifndef REPLAY_SCENARIO_RELAY_H
#define REPLAY_SCENARIO_RELAY_H

#include "cmd/common/address.h"

#include <stdbool.h>
#include <sys/types.h>

#define SCENARIO_RELAY_ERR_CHARS 256

struct scenario_relay {
	pid_t pid; /* 0: none runs */
	int out_fd; /* its standard output */
	char where[ADDRESS_CHARS]; /* what it is ready on */
};

/*
 * Run `command` with `options` behind it in a shell, and wait for its line
 * "... ready on ADDRESS:PORT". Its standard error is shown if `shown`. False:
 * `err` says why, and it does not run.
 */
bool scenario_relay_start(struct scenario_relay *relay, const char *command,
    const char *options, bool shown, char err[SCENARIO_RELAY_ERR_CHARS]);

/* End it: SIGTERM, and SIGKILL if it takes too long. One that ended is fine. */
void scenario_relay_stop(struct scenario_relay *relay);

#endif
