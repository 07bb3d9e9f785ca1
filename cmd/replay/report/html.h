/* SPDX-License-Identifier: MIT */
/* html - a run as one page: the verdict, what was counted, charts. */
#ifndef REPLAY_REPORT_HTML_H
#define REPLAY_REPORT_HTML_H

#include "cmd/replay/report/report.h"

/* A self-contained file; charts by gnuplot, if it is installed. False: err. */
bool report_write_html(const struct report *report, const struct keys *keys,
    const char *path, char err[CLI_ERR_CHARS]);

#endif
