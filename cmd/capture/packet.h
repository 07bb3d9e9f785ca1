/* SPDX-License-Identifier: MIT */
/*
 * packet - a packet as its reader hands it on: pcapng.c and capfile.c fill it,
 * source.c passes it to the tools.
 */
#ifndef CAPTURE_PACKET_H
#define CAPTURE_PACKET_H

#include "proto/buf.h"

#include <stddef.h>
#include <stdint.h>

#define SOURCE_ERR_CHARS 512
#define SOURCE_SNAPLEN_MAX 262144 /* libpcap's limit of a packet */

struct source_packet {
	int64_t time_ns; /* unix */
	struct bnet_slice data; /* borrowed until the next call */
	size_t wire_bytes;
	int linktype; /* a DLT_ of libpcap */
};

enum source_result {
	SOURCE_PACKET,
	SOURCE_END,
	SOURCE_ERROR, /* `err` is set */
};

#endif
