/* SPDX-License-Identifier: MIT */
/*
 * keylog_file - TLS secrets appended to a file, in the NSS key log format.
 *
 * Its readers can decrypt all traffic, so it is created for its owner only
 * (0600); an existing file keeps its mode. For admin.c.
 */
#ifndef RELAY_KEYLOG_FILE_H
#define RELAY_KEYLOG_FILE_H

struct keylog_file;

/* NULL: errno says why. Existing contents are kept. */
struct keylog_file *keylog_file_open(const char *path);
void keylog_file_close(struct keylog_file *keylog); /* NULL is allowed */

/*
 * A bnet_tls_keylog, whose arg is the struct keylog_file. Appends the line in
 * one write, from any thread. The first failure is logged.
 */
void keylog_file_line(void *arg, const char *line);

#endif
