/* SPDX-License-Identifier: MIT */
/* coverage - what part of a capture can be played. */
#ifndef REPLAY_COVERAGE_H
#define REPLAY_COVERAGE_H

#include "cmd/replay/tape/tape.h"

#include <stdio.h>

/* Prints the coverage report, about eight aligned lines for people. */
void coverage_print(const struct tape *tape, FILE *out);

#endif
