/* SPDX-License-Identifier: MIT */
/*
 * capfile - the packets of one capture file: pcap, read by libpcap, or pcapng,
 * read by pcapng.c; compressed or not. Owns the file; called by source.c.
 */
#ifndef CAPTURE_CAPFILE_H
#define CAPTURE_CAPFILE_H

#include "cmd/capture/input.h"
#include "cmd/capture/packet.h"

struct cap_keylog;
struct capfile;

enum capfile_flag {
	CAPFILE_SMALL = 1, /* a small buffer: one of many */
	CAPFILE_EMPTY_OK = 2, /* a file of no bytes has no packets */
};

/*
 * Opens a file; "-" is standard input. The secrets in a pcapng file go to
 * `log` (or NULL): all of them now if it can be read twice, else as they come.
 * Those that are left out are named on standard error. Returns NULL with `err`
 * set, SOURCE_ERR_CHARS.
 */
struct capfile *capfile_open(const char *path, unsigned flags,
    struct input_wait *wait, struct cap_keylog *log, char *err);
void capfile_close(struct capfile *file); /* NULL is allowed */

/* After SOURCE_END or SOURCE_ERROR it is the same again. */
enum source_result
capfile_next(struct capfile *file, struct source_packet *packet, char *err);

/* Then each packet may be of another link type. */
bool capfile_is_pcapng(const struct capfile *file);

/* Are its secrets read with the packets, which may come before them? */
bool capfile_secrets_may_follow(const struct capfile *file);

/* The DLT_ of its first interface; -1: it has none. */
int capfile_linktype(const struct capfile *file);

/* Packets that the statistics in the file report as dropped. */
uint64_t capfile_dropped(const struct capfile *file);

/* Can it be closed, and opened again later? */
bool capfile_is_regular(const struct capfile *file);
uint64_t capfile_at(const struct capfile *file); /* bytes read */
uint64_t capfile_size(const struct capfile *file); /* 0: unknown */

#endif
