/* SPDX-License-Identifier: MIT */
/*
 * capture - decrypted traffic as plain TCP segments in pcap files (--capture).
 *
 *	workers -> ring -> a thread of its own -> files of a bounded size
 *
 * Each connection appears as a TCP connection: a handshake, the data in both
 * directions, FINs. No worker waits for the disk: if the ring is full,
 * segments are dropped and counted, and their sequence numbers are skipped, so
 * that a reader sees a gap. The same happens after a write error, until there
 * is room again: files hold whole records only, and every segment is either
 * written or counted as dropped.
 *
 * Names begin with record_, since capture_ is the prefix of cmd/capture.
 *
 * Any thread may call anything but _new, _start and _free; the calls for one
 * connection must come from one thread at a time. For admin.c.
 */
#ifndef RELAY_CAPTURE_H
#define RELAY_CAPTURE_H

#include "cmd/common/address.h"
#include "proto/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_ERR_CHARS 512

struct record;

enum record_way {
	RECORD_IN = 0, /* from the peer */
	RECORD_OUT = 1,
};

struct record_settings {
	const char *path;
	uint64_t file_bytes; /* limit of each file */
	unsigned n_files;
	size_t ring_bytes; /* allocated at once; 0: 8 MiB */
};

/*
 * Creates the file. From then on this process ignores SIGXFSZ: reaching the
 * file size limit is an error to handle, not a reason to die. NULL: `err` says
 * why.
 */
struct record *
record_new(const struct record_settings *set, char err[RECORD_ERR_CHARS]);

/* Begin to write; until then the ring fills. False: errno. */
bool record_start(struct record *rec);

/*
 * Writes the contents of the ring first. NULL is allowed. If the writer, or
 * another thread that the program waits for (cmd/common/ending.h), does not
 * end, the remaining memory is not freed.
 */
void record_free(struct record *rec);

/*
 * Begin connection `conn`, a number that is never reused. Out of memory: the
 * connection is not recorded.
 */
void record_open(struct record *rec, uint64_t conn, const struct address *peer,
    const struct address *local);

/* Record `n` slices as one piece. */
void record_bytes(struct record *rec, uint64_t conn, enum record_way way,
    const struct bnet_slice *pieces, size_t n);

void record_close(struct record *rec, uint64_t conn);

/* The numbers of segments that were dropped, and that are in the files. */
uint64_t record_dropped(struct record *rec);
uint64_t record_written(struct record *rec);

/* False after a write error, until it goes on. */
bool record_works(struct record *rec);

/* After a write error: see at once whether there is room. */
void record_again(struct record *rec);

#endif
