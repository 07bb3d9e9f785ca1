/* SPDX-License-Identifier: MIT */
/* html - a run as one page: the verdict, what was counted, charts. */
#ifndef REPLAY_REPORT_HTML_H
#define REPLAY_REPORT_HTML_H

#include "cmd/replay/report/report.h"

/* One file, nothing from elsewhere; charts by gnuplot, where it is there. */
bool report_write_html(const struct report *report, const struct keys *keys,
    const char *path, char err[CLI_ERR_CHARS]);

#endif
