/* SPDX-License-Identifier: MIT */
/* json - a run as JSON: written by a run, read by --merge. */
#ifndef REPLAY_REPORT_JSON_H
#define REPLAY_REPORT_JSON_H

#include "cmd/replay/report/report.h"

/*
 * Writes everything that report_read_json() needs to restore the report.
 * Returns false on failure; err says why.
 */
bool report_write_json(const struct report *report, const struct keys *keys,
    const char *path, char err[CLI_ERR_CHARS]);

/*
 * Reads a report; free it with report_free(). Returns NULL on failure; err says
 * what is wrong, and where.
 */
struct report *report_read_json(const char *path, char err[CLI_ERR_CHARS]);

#endif
