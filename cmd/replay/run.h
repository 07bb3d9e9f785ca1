/* SPDX-License-Identifier: MIT */
/* run - one run of bluenet-replay, in any of its modes. */
#ifndef REPLAY_RUN_H
#define REPLAY_RUN_H

#include "cmd/replay/options.h"

/*
 * Does what the options say, from captures to the verdict. Returns an exit
 * code; on wrong input, prints a message and ends the process.
 */
int replay_run(const struct replay_options *opt);

#endif
