/* SPDX-License-Identifier: MIT */
/*
 * keylog_follow - reads a key log again while its writer goes on.
 *
 * Takes the lines that were added since, of any number of files, each of which
 * may not be there yet, be replaced, or be emptied. Only whole lines count: the
 * last one may not be finished. Files, but no clock: the caller passes the time.
 * Owns the paths; the decoder calls it when a secret is missing.
 */
#ifndef CAPTURE_KEYLOG_FOLLOW_H
#define CAPTURE_KEYLOG_FOLLOW_H

#include "cmd/capture/keylog.h"

/* How often the files are looked at, at most. */
#define KEYLOG_FOLLOW_NS INT64_C(100000000)

struct keylog_follow;

/* `log` is borrowed. Returns NULL when out of memory. */
struct keylog_follow *keylog_follow_new(struct cap_keylog *log);
void keylog_follow_free(struct keylog_follow *follow); /* NULL is allowed */

/* The path is copied. Returns false when out of memory. */
bool keylog_follow_add(struct keylog_follow *follow, const char *path);

/*
 * Reads what was added, unless it was called less than KEYLOG_FOLLOW_NS ago;
 * `force`: even then. Returns true if the log has got something. Malformed
 * lines, and files that cannot be read, are passed over.
 */
bool
keylog_follow_poll(struct keylog_follow *follow, int64_t now_ns, bool force);

#endif
