/* SPDX-License-Identifier: MIT */
/*
 * source - the packets of capture files, of standard input, or of a live
 * interface, in nanoseconds.
 *
 * Several files are one capture: their packets are merged by time. A file is
 * opened where its first packet belongs and closed behind its last one, so
 * files that follow each other are open one at a time. Live capture is
 * libpcap's. Owns the files and the current packet; called by the tools.
 */
#ifndef CAPTURE_SOURCE_H
#define CAPTURE_SOURCE_H

#include "cmd/capture/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct cap_keylog;
struct source;

/* On failure, these return NULL or false and set `err`, SOURCE_ERR_CHARS. */

/*
 * Opens n capture files (n > 0), in any order: pcap or pcapng, compressed or
 * not; "-" is standard input. TLS secrets in pcapng files go to `log`, or are
 * ignored if it is NULL. `paths` is borrowed. Fails if a file cannot be read or
 * capture.h does not know the link type of a pcap file.
 */
struct source *source_open(
    const char *const *paths, size_t n, struct cap_keylog *log, char *err);

/* Opens a live capture. */
struct source *source_open_live(const char *iface, int snaplen, char *err);

/*
 * Selects packets with a BPF expression. Live: also drops what came before, so
 * that the buffer has room for packets that pass.
 */
bool source_filter(struct source *src, const char *bpf, char *err);

/* What the filter did; hidden: did not match, but their IP packets would. */
struct source_filtered {
	uint64_t packets, passed;
	uint64_t tagged; /* hidden behind a VLAN tag, */
	uint64_t tagged_twice; /* or several */
	uint64_t wrapped; /* hidden in a tunnel or other headers */
};

/* So far; false: live, where the kernel drops packets unseen. */
bool source_filtered(const struct source *src, struct source_filtered *n);

void source_close(struct source *src); /* NULL is allowed */

/* The DLT_ of the first packets, and its name; each packet has its own. */
int source_linktype(const struct source *src);
const char *source_linktype_name(const struct source *src);

/*
 * Calls `idle` when there is nothing to read at the moment, live or from a
 * pipe; then source_next() waits. If `idle` returns false, the source ends.
 */
void source_on_idle(struct source *src, bool (*idle)(void *arg), void *arg);

/*
 * The next packet. A file that cannot be read to its end does not end the
 * others: they come first, then SOURCE_ERROR.
 */
enum source_result
source_next(struct source *src, struct source_packet *packet, char *err);

/* Makes source_next() return SOURCE_END soon. Safe in a signal handler. */
void source_break(struct source *src);

/* The position in all files, and their size in bytes; false: unknown. */
bool source_progress(const struct source *src, uint64_t *at, uint64_t *size);

/*
 * Live: packets dropped by the kernel. Files: so far, by the statistics in
 * pcapng.
 */
uint64_t source_dropped(const struct source *src);

/*
 * May secrets come behind the packets that they are for? On a pipe, a pcapng
 * file cannot be searched for them in advance.
 */
bool source_secrets_may_follow(const struct source *src);

/* Prints the interfaces, as tcpdump -D does. */
bool source_list(FILE *out, char *err);

#endif
