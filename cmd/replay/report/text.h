/* SPDX-License-Identifier: MIT */
/* text - prints the summary at the end of a run, for people. */
#ifndef REPLAY_REPORT_TEXT_H
#define REPLAY_REPORT_TEXT_H

#include "cmd/replay/report/report.h"

/*
 * Prints the last lines of a run: the summary, and one line with the verdict.
 */
void report_print_text(
    const struct report *report, const struct keys *keys, FILE *out);

#endif
