/* SPDX-License-Identifier: MIT */
/* html - a run as one HTML page: the verdict, counts, charts. */
#ifndef REPLAY_REPORT_HTML_H
#define REPLAY_REPORT_HTML_H

#include "cmd/replay/report/report.h"

/*
 * Writes a self-contained file, with charts if gnuplot is installed. Returns
 * false on failure; err says why.
 */
bool report_write_html(const struct report *report, const struct keys *keys,
    const char *path, char err[CLI_ERR_CHARS]);

#endif
