/* SPDX-License-Identifier: MIT */
/*
 * pcapng - reads the blocks of a pcapng file (draft-ietf-opsawg-pcapng).
 *
 *	| type u32 | total length u32 | body, padded to 4 | total length u32 |
 *
 * A file is one or more sections, each in a byte order of its own and with
 * interfaces of its own: link type, snap length, unit and offset of times.
 * Packets come from enhanced, simple and obsolete packet blocks; secrets go
 * into a key log; drops are added up. All other blocks are skipped. Memory is
 * bounded by the limits below, and is allocated only for bytes that are there.
 * Owns the interfaces and one block; called by capfile.c.
 */
#ifndef CAPTURE_PCAPNG_H
#define CAPTURE_PCAPNG_H

#include "cmd/capture/packet.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PCAPNG_BLOCK_MAX_BYTES (16u << 20) /* of those that are not skipped */
#define PCAPNG_SECRETS_MAX_BYTES (64u << 20) /* of a block of secrets */
#define PCAPNG_INTERFACES_MAX 65536u /* in a section */
#define PCAPNG_MAGIC "\x0a\x0d\x0d\x0a" /* the first bytes of a file */

struct cap_keylog;
struct pcapng;

/*
 * Reads from `f`, which is borrowed, as `log`, which takes the secrets, or
 * NULL. Returns NULL when out of memory.
 */
struct pcapng *pcapng_new(FILE *f, struct cap_keylog *log);
void pcapng_free(struct pcapng *ng); /* NULL is allowed */

/* The next packet. SOURCE_ERROR: pcapng_problem() says where and why. */
enum source_result pcapng_next(struct pcapng *ng, struct source_packet *packet);

/*
 * Reads one block, of which only secrets count. Returns false at the end, or at
 * an error. Not to be mixed with the others.
 */
bool pcapng_next_secrets(struct pcapng *ng);

/*
 * Reads up to the first packet or interface and no further, so that
 * pcapng_linktype() is known. SOURCE_PACKET: it is.
 */
enum source_result pcapng_begin(struct pcapng *ng);

/* The DLT_ of interface `i` of the section; -1: there is no such interface. */
int pcapng_linktype(const struct pcapng *ng, size_t i);

/* The number of a DLT_ in files. */
uint16_t pcapng_linktype_of(int dlt);

const char *pcapng_problem(const struct pcapng *ng);

/*
 * Why secrets were left out ("line 3: secret is not hex"), the first time; ""
 * if none were. What is before and behind them is read all the same.
 */
const char *pcapng_secrets_problem(const struct pcapng *ng);

/* The packets that the statistics of the interfaces report as dropped. */
uint64_t pcapng_dropped(const struct pcapng *ng);

#endif
