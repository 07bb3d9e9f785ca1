/* SPDX-License-Identifier: MIT */
/*
 * save - the packets of matching streams, written as pcap (-w).
 *
 * A stream matches from its first record that passes the filter; its packets
 * before that wait, at most SAVE_STREAM_BYTES of them, then the oldest go. Owns
 * those and the file; called by loop.c and main.c.
 */
#ifndef DECODE_SAVE_H
#define DECODE_SAVE_H

#include "cmd/capture/source.h"

#define SAVE_STREAM_BYTES ((size_t)1 << 20)
#define SAVE_TOTAL_BYTES ((size_t)64 << 20)

struct save;

/*
 * "-" is standard output. False and `err` (SOURCE_ERR_CHARS) where the file
 * can not be made.
 */
bool save_open(struct save **save, const char *path, int linktype, char *err);

/* A packet of stream `number`; `matches`: the stream matched by now. */
void save_packet(struct save *save, uint64_t number, bool matches,
    const struct source_packet *packet);

/* A packet that is written whatever its stream. */
void save_any(struct save *save, const struct source_packet *packet);

/* The stream is over: what waits is not of a matching stream. */
void save_stream_end(struct save *save, uint64_t number);

/* What was written so far is to be seen by others. */
void save_flush(struct save *save);

/* Did writing fail? `err` is set then. */
bool save_failed(const struct save *save, char *err);

/*
 * Packets of streams that matched only after they had to be dropped; and of
 * those that there was no place to wait for.
 */
uint64_t save_dropped(const struct save *save);

/*
 * False and `err` where writing failed at last, except that nobody reads
 * standard output any more. NULL is allowed.
 */
bool save_close(struct save *save, char *err);

#endif
