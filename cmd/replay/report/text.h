/* SPDX-License-Identifier: MIT */
/* text - the summary that ends a run, for people. */
#ifndef REPLAY_REPORT_TEXT_H
#define REPLAY_REPORT_TEXT_H

#include "cmd/replay/report/report.h"

/* The last lines of every run: the summary, and the one line of the verdict. */
void report_print_text(
    const struct report *report, const struct keys *keys, FILE *out);

#endif
