/* SPDX-License-Identifier: MIT */
/*
 * scenario - small dialogues with a relay, and what it should answer: the
 * conformance suite. The format is bluenet-scenario(5).
 *
 * A scenario has a process and connections of its own, made with libbluenet
 * and epoll; it shares nothing with the engine, so that a mistake there shows,
 * and whatever a hostile relay does to it ends that scenario only.
 */
#ifndef REPLAY_SCENARIO_H
#define REPLAY_SCENARIO_H

#include "cmd/common/address.h"
#include "cmd/replay/options.h"

#include <stdio.h>

/*
 * Run each *.bns of opt->scenario (a folder, in the order of names, or one
 * file) against the target, and print TAP version 13 to `out`. `stop` is
 * looked at between steps. Returns an exit code: REPLAY_OK, REPLAY_DIFFERENT
 * where one fails, REPLAY_USAGE where a file is bad (told with file, line and
 * what was expected), REPLAY_NOT_CONNECTED where nobody listens.
 */
int
scenario_run(const struct replay_options *opt, const struct address *address,
    struct bnet_tls_ctx *tls, const char *tls_host, const char *token,
    const volatile int *stop, FILE *out);

#endif
