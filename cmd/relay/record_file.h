/* SPDX-License-Identifier: MIT */
/*
 * record_file - packets in pcap files of a bounded size, the oldest of which
 * goes: FILE is the newest, FILE.1 the one before, and so on to FILE.(n - 1).
 *
 * One thread at a time.
 */
#ifndef RELAY_RECORD_FILE_H
#define RELAY_RECORD_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_ERR_CHARS 512

struct record_file;

/*
 * Begin with a new file, mode 0600; one of that name becomes FILE.1, and
 * where n_files is 1 it is replaced. Packets take at most max_bytes a file.
 * NULL: `err` says why.
 */
struct record_file *record_file_open(const char *path, uint64_t max_bytes,
    unsigned n_files, char err[RECORD_ERR_CHARS]);

/* A packet of IP. False: `err` says why, and nothing more can be written. */
bool record_file_write(struct record_file *file, int64_t time_ns,
    const uint8_t *packet, size_t n_bytes, char err[RECORD_ERR_CHARS]);

/* What was written is to be seen by others. False as above. */
bool record_file_flush(struct record_file *file, char err[RECORD_ERR_CHARS]);

void record_file_close(struct record_file *file); /* NULL is allowed */

#endif
