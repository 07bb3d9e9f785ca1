/* SPDX-License-Identifier: MIT */
/* diff_text - prints the differences that --diff found, for people. */
#ifndef REPLAY_REPORT_DIFF_TEXT_H
#define REPLAY_REPORT_DIFF_TEXT_H

#include "cmd/common/keys.h"
#include "cmd/replay/play/diff.h"

#include <stdio.h>

/* Prints the summary by kind and key, and the first few differences in full. */
void diff_print(const struct diff *diff, const struct keys *keys, FILE *out);

#endif
