/* SPDX-License-Identifier: MIT */
/*
 * save - the packets of matching streams, written as pcap or, with their TLS
 * secrets, as pcapng (-w).
 *
 * A stream matches once one of its records passes the filter. Earlier packets
 * wait, up to SAVE_STREAM_BYTES; beyond that the oldest are dropped. Owns the
 * waiting packets and the file; called by loop.c and main.c.
 */
#ifndef DECODE_SAVE_H
#define DECODE_SAVE_H

#include "cmd/capture/source.h"

#define SAVE_STREAM_BYTES ((size_t)1 << 20)
#define SAVE_TOTAL_BYTES ((size_t)64 << 20)

struct save;

struct cap_keylog;

/*
 * Opens the file; "-" is standard output. It is pcapng if its name ends in
 * ".pcapng", and then holds the secrets of `log` (borrowed, or NULL) that were
 * used; else it is pcap, and all packets have to be of `linktype`. Behind that,
 * ".gz", ".zst" or ".lz4" compresses it. Returns
 * false if it cannot be created: errno is set, and `err` (SOURCE_ERR_CHARS).
 */
bool save_open(struct save **save, const char *path, int linktype,
    const struct cap_keylog *log, char *err);

/* Saves a packet of stream `number`; `matches`: the stream has matched. */
void save_packet(struct save *save, uint64_t number, bool matches,
    const struct source_packet *packet);

/* Writes a packet whatever its stream. */
void save_any(struct save *save, const struct source_packet *packet);

/* The stream is over without a match: drops its waiting packets. */
void save_stream_end(struct save *save, uint64_t number);

/* Makes everything written so far visible to others. */
void save_flush(struct save *save);

/* Did writing fail? Then sets `err`. */
bool save_failed(const struct save *save, char *err);

/*
 * The number of packets dropped before their streams matched, and of packets
 * that found no place to wait.
 */
uint64_t save_dropped(const struct save *save);

/*
 * Returns false and sets `err` if writing failed, except when standard output
 * has no reader any more. NULL is allowed.
 */
bool save_close(struct save *save, char *err);

#endif
