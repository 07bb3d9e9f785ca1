/* SPDX-License-Identifier: MIT */
/*
 * layers - finds the TCP segment in a captured packet.
 *
 *	link types: Ethernet, Linux cooked 1 and 2, raw IP, NULL, LOOP, PPP,
 *	Cisco HDLC, MPLS, NFLOG, 802.11 with or without radiotap
 *	  -> tags: 802.1Q, 802.1ad, VN-Tag, 802.1BR, Cisco metadata
 *	  -> LLC/SNAP, MPLS, PPPoE, 802.1ah, NSH
 *	  -> IPv4, IPv6 with extension headers -> [fragment]
 *	  -> tunnels: IP in IP, GRE (with ERSPAN, PPTP), EtherIP, and over UDP
 *	     VXLAN, VXLAN-GPE, Geneve, GRE, MPLS -> any of the above
 *	  -> TCP
 *
 * A walk goes from header to header, CAP_HEADERS_MAX at most. Never reads past
 * the captured bytes; allocates only for fragments. Lengths are those of the
 * innermost IP header, so padding and checksums of the link are not payload; an
 * IP length of 0 (segmentation offload) means all of the packet. Owns the
 * fragments that wait; called by capture.c.
 */
#ifndef CAPTURE_LAYERS_H
#define CAPTURE_LAYERS_H

#include "proto/buf.h"
#include "proto/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAGMENTS_MAX 256 /* datagrams that wait at a time */
#define CAP_HEADERS_MAX 64 /* of a packet, down to TCP */

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
	CAP_LAYER_FRAGMENT, /* a fragment of IP: cap_fragments_add() */
	CAP_LAYER_OTHER, /* not TCP over IP: ip->other says what */
	CAP_LAYER_BAD, /* headers truncated or inconsistent */
};

/* What a packet is that holds no TCP segment, and a number for it. */
enum cap_other_kind {
	CAP_OTHER_NONE = 0,
	CAP_OTHER_LINKTYPE, /* DLT_ */
	CAP_OTHER_ETHERTYPE,
	CAP_OTHER_SAP, /* of LLC */
	CAP_OTHER_SNAP, /* OUI */
	CAP_OTHER_PPP, /* protocol */
	CAP_OTHER_IP, /* protocol */
	CAP_OTHER_UDP, /* port of the service */
	CAP_OTHER_MPLS, /* neither IP nor Ethernet below the labels */
	CAP_OTHER_NO_IP, /* another network layer */
	CAP_OTHER_WLAN_CONTROL, /* 802.11: management, control, no data */
	CAP_OTHER_WLAN_ENCRYPTED,
	CAP_OTHER_WLAN_FRAGMENT,
	CAP_OTHER_NESTED, /* too many headers */
};

struct cap_other {
	enum cap_other_kind kind;
	uint32_t number;
};

/* An IP datagram or fragment: the innermost one. */
struct cap_ip {
	struct cap_end src, dst; /* ports are 0 */
	const uint8_t *start; /* of its header in the packet; NULL: no IP */
	uint8_t protocol; /* 6 TCP */
	struct bnet_slice data; /* captured; borrowed */
	size_t missing_bytes; /* sent after `data`, but not captured */
	bool fragment;
	bool more; /* fragment: more fragments follow */
	uint32_t id; /* fragment */
	uint32_t offset_bytes; /* fragment */
	uint32_t tunnel; /* as in struct cap_segment */
	uint8_t n_headers; /* so far */
	uint8_t n_vlans; /* tags before the first IP header */
	bool wrapped; /* in MPLS, PPPoE, or another IP packet */
	struct cap_other other;
	struct bnet_slice rest; /* for cap_layers_rest(), unless empty */
};

struct cap_segment {
	struct cap_end src, dst;
	uint32_t seq, ack;
	/*
	 * of the VLANs, VNIs, keys, labels and outer addresses around it: the
	 * same for the same ones, never 0
	 */
	uint32_t tunnel;
	uint8_t flags; /* TCP_* */
	bool clocked; /* it has a timestamp, of the sender's clock: */
	uint32_t ticks; /* usually milliseconds */
	struct bnet_slice data; /* payload as captured; borrowed */
	size_t missing_bytes; /* payload sent but not captured */
};

/*
 * Parses a packet of `linktype` (DLT_) that had `wire_bytes` when it was sent.
 */
enum cap_layer cap_layers_ip(int linktype, struct bnet_slice packet,
    size_t wire_bytes, struct cap_ip *ip);

/*
 * May the datagram of a fragment hold TCP or a tunnel? If not, ip->other says
 * what it is.
 */
bool cap_layers_wants(struct cap_ip *ip);

/* Goes on in a datagram that cap_fragments_add() made whole. */
enum cap_layer cap_layers_on(struct cap_ip *ip);

/* The next packet of an 802.11 aggregate, as long as ip->rest is not empty. */
enum cap_layer cap_layers_rest(struct cap_ip *ip);

/* Parses the data of a whole datagram of TCP: TCP or BAD. */
enum cap_layer
cap_layers_tcp(const struct cap_ip *ip, struct cap_segment *segment);

/* ---- reassembly of IP fragments ---- */

/*
 * At most FRAGMENTS_MAX datagrams wait at a time; another one replaces the
 * oldest, or first one of UDP without its start, which is perhaps no tunnel.
 * Where fragments overlap, the first bytes are kept.
 */
struct cap_fragments;

/* Returns NULL when out of memory. */
struct cap_fragments *cap_fragments_new(void);
void cap_fragments_free(struct cap_fragments *frags);

/*
 * Adds a fragment, which may lie in the datagram that the last call returned.
 * *evicted_bytes: bytes held of a datagram that was evicted.
 *	BNET_OK		`ip` is now the whole datagram, its data borrowed
 *			until the next call: cap_layers_on()
 *	BNET_MORE	held
 *	BNET_ELIMIT	it extends beyond 64 KiB or the datagram's end, or was
 *			not captured completely
 *	BNET_ENOMEM
 */
BNET_MUST enum bnet_err cap_fragments_add(struct cap_fragments *frags,
    struct cap_ip *ip, int64_t time_ns, size_t *evicted_bytes);

#endif
