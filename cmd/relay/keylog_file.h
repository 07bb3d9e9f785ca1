/* SPDX-License-Identifier: MIT */
/*
 * keylog_file - TLS secrets appended to a file, in the NSS key log format.
 *
 * Who can read the file can read everything, so it is made for its owner only
 * (0600); one that is there keeps its mode. For admin.c.
 */
#ifndef RELAY_KEYLOG_FILE_H
#define RELAY_KEYLOG_FILE_H

struct keylog_file;

/* NULL: errno says why. Nothing that is in the file is touched. */
struct keylog_file *keylog_file_open(const char *path);
void keylog_file_close(struct keylog_file *keylog); /* NULL is allowed */

/*
 * A bnet_tls_keylog, whose arg is the struct keylog_file: the line in one
 * write. Any thread. Where that fails it is logged, once.
 */
void keylog_file_line(void *arg, const char *line);

#endif
