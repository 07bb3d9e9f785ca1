/* SPDX-License-Identifier: MIT */
/* json - a run as JSON: written, and read again by --merge. */
#ifndef REPLAY_REPORT_JSON_H
#define REPLAY_REPORT_JSON_H

#include "cmd/replay/report/report.h"

/* Write all of it, so that reading gives the same. False: err says why. */
bool report_write_json(const struct report *report, const struct keys *keys,
    const char *path, char err[CLI_ERR_CHARS]);

/* To be freed with report_free(). NULL: err says what, and where. */
struct report *report_read_json(const char *path, char err[CLI_ERR_CHARS]);

#endif
