/* SPDX-License-Identifier: MIT */
/*
 * coverage - what of a capture can be played, and what --dry-run would send.
 */
#ifndef REPLAY_COVERAGE_H
#define REPLAY_COVERAGE_H

#include "cmd/replay/tape/tape.h"

#include <stdio.h>

/* The report that comes first: some eight lines, aligned, for people. */
void coverage_print(const struct tape *tape, FILE *out);

#endif
