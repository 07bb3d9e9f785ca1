/* SPDX-License-Identifier: MIT */
/*
 * layers - from a captured packet to the TCP segment in it.
 *
 *	Ethernet (VLAN, QinQ), Linux cooked 1 and 2, raw IP, NULL, LOOP
 *	  -> IPv4, IPv6 with extension headers -> [fragment] -> TCP
 *
 * Nothing is read past the captured bytes, and nothing is allocated but for
 * fragments. Lengths are those that IP states, so Ethernet padding is no
 * payload; an IP length of 0 (segmentation offload) means all of the packet.
 * Owns the fragments that wait; called by capture.c.
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
#define TCP_ACK 0x10

/* One end of a connection; IPv4 in the first 4 bytes of ip. */
struct cap_end {
	uint8_t ip[16];
	uint16_t port;
	bool v6;
};

enum cap_layer {
	CAP_LAYER_TCP, /* segment is set */
	CAP_LAYER_FRAGMENT, /* ip and fragment are set */
	CAP_LAYER_OTHER, /* something that is not TCP over IP */
	CAP_LAYER_BAD, /* headers cut off or inconsistent */
};

/* What IP says of the bytes in it. */
struct cap_ip {
	struct cap_end src, dst; /* ports are 0 */
	uint8_t protocol; /* 6 TCP */
	struct bnet_slice data; /* captured; borrowed */
	size_t missing_bytes; /* sent after `data`, but not captured */
	bool fragment;
	bool more; /* fragment: not the last */
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

/* A packet of `linktype` (DLT_), `wire_bytes` long when it was sent. */
enum cap_layer cap_layers_ip(int linktype, struct bnet_slice packet,
    size_t wire_bytes, struct cap_ip *ip);

/* What whole IP data holds: TCP, OTHER or BAD. */
enum cap_layer
cap_layers_tcp(const struct cap_ip *ip, struct cap_segment *segment);

/* ---- IP fragments made whole again ---- */

/*
 * At most FRAGMENTS_MAX datagrams wait at a time; a further one takes the
 * place of the oldest. Where fragments overlap, what came first stands.
 */
struct cap_fragments;

/* Returns NULL when out of memory. */
struct cap_fragments *cap_fragments_new(void);
void cap_fragments_free(struct cap_fragments *frags);

/*
 * One fragment. *evicted_bytes: what was held of a datagram that had to go.
 *	BNET_OK		`ip` is now the whole datagram, its data borrowed
 *			until the next call
 *	BNET_MORE	held
 *	BNET_ELIMIT	it reaches beyond 64 KiB or the datagram's end, or was
 *			not captured whole
 *	BNET_ENOMEM
 */
BNET_MUST enum bnet_err cap_fragments_add(struct cap_fragments *frags,
    struct cap_ip *ip, int64_t time_ns, size_t *evicted_bytes);

#endif
