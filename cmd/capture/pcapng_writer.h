/* SPDX-License-Identifier: MIT */
/*
 * pcapng_writer - writes a pcapng file of one section, in this machine's byte
 * order and in nanoseconds. An interface is added for each link type at its
 * first packet. Owns the list of them, not the file; called by save.c.
 */
#ifndef CAPTURE_PCAPNG_WRITER_H
#define CAPTURE_PCAPNG_WRITER_H

#include "cmd/capture/packet.h"

#include <stdbool.h>
#include <stdio.h>

#define PCAPNG_WRITER_INTERFACES_MAX 64

struct pcapng_writer {
	FILE *f; /* borrowed; its error flag tells of failures */
	int linktypes[PCAPNG_WRITER_INTERFACES_MAX]; /* DLT_ */
	size_t n;
};

/* Writes the section header. */
void pcapng_writer_begin(struct pcapng_writer *w, FILE *f);

/* Writes a block of TLS secrets in the format of a key log. */
void pcapng_writer_secrets(struct pcapng_writer *w, struct bnet_slice key_log);

/* Returns false if there are too many link types. */
bool pcapng_writer_packet(
    struct pcapng_writer *w, const struct source_packet *packet);

#endif
