/* SPDX-License-Identifier: MIT */
/*
 * source - where packets come from: a capture file, standard input, or a
 * live interface, through libpcap. Times are in nanoseconds. Owns the handle of
 * libpcap and the packet at hand; called by the tools.
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

/* All with NULL or false on failure, and why in `err`, SOURCE_ERR_CHARS. */

/*
 * A pcap (micro, nano) or pcapng file; "-" is standard input. A link type that
 * capture.h does not know is a failure.
 */
struct source *source_open_file(const char *path, char *err);

/* A live capture. */
struct source *source_open_live(const char *iface, int snaplen, char *err);

/*
 * Only packets that the BPF expression takes. Live: and that come from now on;
 * there is room for them, whatever came before.
 */
bool source_filter(struct source *src, const char *bpf, char *err);

void source_close(struct source *src); /* NULL is allowed */

/* DLT_ of libpcap, and its name. */
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
 * `idle` is called when there is nothing to read at the moment, live or from
 * a pipe; false ends the source. Then source_next() waits.
 */
void source_on_idle(struct source *src, bool (*idle)(void *arg), void *arg);

enum source_result
source_next(struct source *src, struct source_packet *packet, char *err);

/* Make source_next() return SOURCE_END soon; safe in a signal handler. */
void source_break(struct source *src);

/* How far a file was read, and its size in bytes; false: nobody knows. */
bool source_progress(const struct source *src, uint64_t *at, uint64_t *size);

/* Live: packets that the kernel dropped. */
uint64_t source_dropped(const struct source *src);

/* Print the interfaces, as tcpdump -D does. */
bool source_list(FILE *out, char *err);

#endif
