/* SPDX-License-Identifier: MIT */
/*
 * export - the payloads as files of their own, with a list of them (--export).
 *
 *	DIR/manifest.ndjson		an object for each file, in order
 *	DIR/frame-000000012-stream-3-up.bin
 * or	DIR/stream-3-up.bin		all payloads of a direction
 *
 * The names are numbers only. Nothing is overwritten. Owns the folder and the
 * list; called by loop.c and main.c.
 */
#ifndef DECODE_EXPORT_H
#define DECODE_EXPORT_H

#include "cmd/filter/record.h"

#include <stddef.h>

#define EXPORT_ERR_CHARS 256

struct decode_export;

/*
 * Makes the folder if it is missing, and the list in it. At most `max` files
 * are written: one for each payload, or (streams) for each direction of a
 * stream. Returns NULL on failure, and sets `err`.
 */
struct decode_export *export_open(
    const char *path, uint64_t max, bool streams, char err[EXPORT_ERR_CHARS]);

/* Writes the payload of a frame; other records have none. */
void export_record(struct decode_export *export, const struct record *record);

/* Did writing fail? NULL: no. Otherwise says why. */
const char *export_problem(const struct decode_export *export);

/* The number of payloads that were not written, being too many. */
uint64_t export_left_out(const struct decode_export *export);

/*
 * Returns false and sets `err` if writing failed, now or before. NULL is
 * allowed.
 */
bool export_close(struct decode_export *export, char err[EXPORT_ERR_CHARS]);

#endif
