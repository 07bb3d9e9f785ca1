/* SPDX-License-Identifier: MIT */
/*
 * layers - finds the TCP segment in a captured packet.
 *
 *	Ethernet (VLAN, QinQ), Linux cooked 1 and 2, raw IP, NULL, LOOP
 *	  -> IPv4, IPv6 with extension headers -> [fragment] -> TCP
 *
 * Never reads past the captured bytes; allocates only for fragments. Lengths
 * are those of the IP header, so Ethernet padding is not payload; an IP length
 * of 0 (segmentation offload) means all of the packet. Owns the fragments that
 * wait; called by capture.c.
 */
#ifndef CAPTURE_LAYERS_H
#define CAPTURE_LAYERS_H

#include "proto/buf.h"
#include "proto/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAGMENTS_MAX 256 /* datagrams that wait at a time */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

/* One end of a connection; IPv4 uses the first 4 bytes of ip. */
struct cap_end {
	uint8_t ip[16];
	uint16_t port;
	bool v6;
};

enum cap_layer {
	CAP_LAYER_TCP, /* segment is set */
	CAP_LAYER_FRAGMENT, /* ip and fragment are set */
	CAP_LAYER_OTHER, /* not TCP over IP */
	CAP_LAYER_BAD, /* headers truncated or inconsistent */
};

/* An IP datagram or fragment. */
struct cap_ip {
	struct cap_end src, dst; /* ports are 0 */
	uint8_t protocol; /* 6 TCP */
	struct bnet_slice data; /* captured; borrowed */
	size_t missing_bytes; /* sent after `data`, but not captured */
	bool fragment;
	bool more; /* fragment: more fragments follow */
	uint32_t id; /* fragment */
	uint32_t offset_bytes; /* fragment */
};

struct cap_segment {
	struct cap_end src, dst;
	uint32_t seq, ack;
	uint8_t flags; /* TCP_* */
	struct bnet_slice data; /* payload as captured; borrowed */
	size_t missing_bytes; /* payload sent but not captured */
};

/*
 * Parses a packet of `linktype` (DLT_) that had `wire_bytes` when it was sent.
 */
enum cap_layer cap_layers_ip(int linktype, struct bnet_slice packet,
    size_t wire_bytes, struct cap_ip *ip);

/* Parses the data of a whole datagram: TCP, OTHER or BAD. */
enum cap_layer
cap_layers_tcp(const struct cap_ip *ip, struct cap_segment *segment);

/* ---- reassembly of IP fragments ---- */

/*
 * At most FRAGMENTS_MAX datagrams wait at a time; another one replaces the
 * oldest. Where fragments overlap, the first bytes are kept.
 */
struct cap_fragments;

/* Returns NULL when out of memory. */
struct cap_fragments *cap_fragments_new(void);
void cap_fragments_free(struct cap_fragments *frags);

/*
 * Adds a fragment. *evicted_bytes: bytes held of a datagram that was evicted.
 *	BNET_OK		`ip` is now the whole datagram, its data borrowed
 *			until the next call
 *	BNET_MORE	held
 *	BNET_ELIMIT	it extends beyond 64 KiB or the datagram's end, or was
 *			not captured completely
 *	BNET_ENOMEM
 */
BNET_MUST enum bnet_err cap_fragments_add(struct cap_fragments *frags,
    struct cap_ip *ip, int64_t time_ns, size_t *evicted_bytes);

#endif
