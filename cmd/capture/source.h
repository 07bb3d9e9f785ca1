/* SPDX-License-Identifier: MIT */
/*
 * source - reads packets from a capture file, standard input, or a live
 * interface with libpcap. Times are in nanoseconds. Owns the libpcap handle and
 * the current packet; called by the tools.
 */
#ifndef CAPTURE_SOURCE_H
#define CAPTURE_SOURCE_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SOURCE_ERR_CHARS 512

struct source;

/* On failure, these return NULL or false and set `err`, SOURCE_ERR_CHARS. */

/*
 * Opens a pcap (micro, nano) or pcapng file; "-" is standard input. Fails if
 * capture.h does not know the link type.
 */
struct source *source_open_file(const char *path, char *err);

/* Opens a live capture. */
struct source *source_open_live(const char *iface, int snaplen, char *err);

/*
 * Selects packets with a BPF expression. Live: also drops what came before, so
 * that the buffer has room for packets that pass.
 */
bool source_filter(struct source *src, const char *bpf, char *err);

void source_close(struct source *src); /* NULL is allowed */

/* The DLT_ of libpcap, and its name. */
int source_linktype(const struct source *src);
const char *source_linktype_name(const struct source *src);

struct source_packet {
	int64_t time_ns; /* unix */
	struct bnet_slice data; /* borrowed until the next call */
	size_t wire_bytes;
};

enum source_result {
	SOURCE_PACKET,
	SOURCE_END,
	SOURCE_ERROR, /* `err` is set */
};

/*
 * Calls `idle` when there is nothing to read at the moment, live or from a
 * pipe; then source_next() waits. If `idle` returns false, the source ends.
 */
void source_on_idle(struct source *src, bool (*idle)(void *arg), void *arg);

enum source_result
source_next(struct source *src, struct source_packet *packet, char *err);

/* Makes source_next() return SOURCE_END soon. Safe in a signal handler. */
void source_break(struct source *src);

/* The position in a file, and its size in bytes. Returns false if unknown. */
bool source_progress(const struct source *src, uint64_t *at, uint64_t *size);

/* Live: packets dropped by the kernel. */
uint64_t source_dropped(const struct source *src);

/* Prints the interfaces, as tcpdump -D does. */
bool source_list(FILE *out, char *err);

#endif
