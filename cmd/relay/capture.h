/* SPDX-License-Identifier: MIT */
/*
 * capture - what passes, after decryption, as plain TCP segments in pcap files
 * (--capture).
 *
 *	workers -> ring -> a thread of its own -> files of a bounded size
 *
 * A connection shows as one of TCP: a handshake, what came in and went out,
 * FINs. Nobody waits for the disk: where the ring is full, segments are
 * dropped and counted, and their sequence numbers are left out, so that a
 * reader sees a gap. When writing fails that is logged once and all else is
 * dropped.
 *
 * Names begin with record_: capture_ is what cmd/capture reads.
 *
 * Any thread may call anything but _new, _start and _free; what belongs to
 * one connection comes from one thread at a time. For
 * admin.c.
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
	uint64_t file_bytes; /* at most, of each file */
	unsigned n_files;
	size_t ring_bytes; /* allocated at once; 0: 8 MiB */
};

/*
 * The file is there from now on. SIGXFSZ is ignored in this process: a file
 * at its limit is an error of ours and not the end. NULL: `err` says why.
 */
struct record *
record_new(const struct record_settings *set, char err[RECORD_ERR_CHARS]);

/* Begin to write; before that, the ring fills. False: errno. */
bool record_start(struct record *rec);

/*
 * What is in the ring is written first. NULL is allowed. Where the writer, or
 * what else the program waits for (cmd/common/ending.h), did not end, the rest
 * of it stays.
 */
void record_free(struct record *rec);

/*
 * Connection `conn`, a number that is not used twice. Out of memory: nothing
 * of it is recorded.
 */
void record_open(struct record *rec, uint64_t conn, const struct address *peer,
    const struct address *local);

/* `n` slices that are one piece. */
void record_bytes(struct record *rec, uint64_t conn, enum record_way way,
    const struct bnet_slice *pieces, size_t n);

void record_close(struct record *rec, uint64_t conn);

/* Segments that are not in the files. */
uint64_t record_dropped(struct record *rec);

#endif
