/* SPDX-License-Identifier: MIT */
/*
 * proxy_protocol - the PROXY protocol, by which a balancer says where a
 * connection comes from (haproxy: send-proxy, send-proxy-v2), receiving side.
 *
 *	version 1	PROXY TCP4 SOURCE DESTINATION PORT PORT CR LF
 *
 *	version 2	| signature 12 | version 4 bit, command 4 bit |
 *			| family 4, transport 4 | length u16 |
 *			| source, destination | source port, destination port |
 *			| TLVs: type u8, length u16, value ... |
 *
 * Bytes in, no I/O. The relay (conn.c) takes version 2 from the senders it
 * trusts; the decoder (flow.c) reads either at the start of a stream. The
 * header comes before TLS. It is a claim: believe trusted addresses only, and
 * require it from those. It never makes a peer local: judge whether a listener
 * is loopback, and so open, by the addresses of the socket.
 */
#ifndef COMMON_PROXY_PROTOCOL_H
#define COMMON_PROXY_PROTOCOL_H

#include "cmd/common/address.h"
#include "proto/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROXY_PROTOCOL_HEAD_BYTES 16
#define PROXY_PROTOCOL_MAX_BYTES (PROXY_PROTOCOL_HEAD_BYTES + 4096)
#define PROXY_HEADER_MAX_BYTES (PROXY_PROTOCOL_HEAD_BYTES + 65535)

/*
 * Parse the version 2 header at the start of `in`, for a server. An error is
 * reported as soon as the byte that makes it one is there.
 *	BNET_OK		*used_bytes is what it took. *source is set for TCP and
 *			AF_UNIX streams; a LOCAL header (the balancer's own
 *			check), and one about any other kind, leave it as it is
 *	BNET_MORE	a valid prefix; *used_bytes is 0
 *	BNET_EHEADER	no PROXY header, not version 2, too short for its
 *			addresses, bad TLVs, or a wrong CRC32c
 *	BNET_ESIZE	longer than PROXY_PROTOCOL_MAX_BYTES
 * After an error the connection is to be cut, as the protocol wants it.
 */
BNET_MUST enum bnet_err proxy_protocol_parse(
    struct bnet_slice in, struct address *source, size_t *used_bytes);

enum proxy_looks {
	PROXY_NO = 0,
	PROXY_YES, /* the signature of version 2, or "PROXY " */
	PROXY_PERHAPS, /* so far; 12 bytes are enough to decide */
};

enum proxy_looks proxy_header_looks(struct bnet_slice in);

/* An end has len_bytes 0 where the header names none, or no stream's. */
struct proxy_header {
	uint8_t version; /* 1, 2 */
	bool local; /* 2: the balancer's own connection, for its checks */
	struct address source, destination; /* of the client's connection */
	size_t n_bytes; /* with its signature; 0: unknown */
};

/*
 * Parse the header of either version at the start of `in`, which looks like
 * one, for an onlooker: of any length up to PROXY_HEADER_MAX_BYTES.
 *	BNET_OK
 *	BNET_MORE	`in` ends before the header does
 *	BNET_EHEADER	as above, or no line of version 1; n_bytes says how
 *			long it is, or 0 where that cannot be told
 */
BNET_MUST enum bnet_err
proxy_header_parse(struct bnet_slice in, struct proxy_header *header);

#endif
