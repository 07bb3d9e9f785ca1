/* SPDX-License-Identifier: MIT */
/* run - one run of bluenet-replay, in any of its modes. */
#ifndef REPLAY_RUN_H
#define REPLAY_RUN_H

#include "cmd/replay/options.h"

/*
 * Do what the options say, from captures to the verdict. Returns an exit code;
 * where the input of the user is wrong, the process ends with a message.
 */
int replay_run(const struct replay_options *opt);

#endif
