/* SPDX-License-Identifier: MIT */
/*
 * merge - the statistics of many captures from their JSON (--merge): what
 * `bluenet-decode -q -z ... -o json` printed of each, added up as if it had
 * been one capture. Called by main.c.
 */
#ifndef DECODE_MERGE_H
#define DECODE_MERGE_H

#include "cmd/decode/options.h"

/*
 * Reads the files, prints the statistics and says on standard error what could
 * not be merged. Returns the exit status.
 */
int merge_run(const struct decode_options *opt);

#endif
