/* SPDX-License-Identifier: MIT */
/* run - one run of bluenet-replay, whatever it is asked to do. */
#ifndef REPLAY_RUN_H
#define REPLAY_RUN_H

#include "cmd/replay/options.h"

/*
 * From captures to the verdict. Returns an exit code; where something is
 * wrong with what the user gave, the process ends with a message.
 */
int replay_run(const struct replay_options *opt);

#endif
