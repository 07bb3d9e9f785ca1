/* SPDX-License-Identifier: MIT */
/*
 * proxy_protocol - the PROXY protocol, version 2, as a balancer in front of
 * us speaks it (haproxy: send-proxy-v2), receiving side.
 *
 *	| signature 12 | version 4 bit, command 4 bit | family 4, transport 4 |
 *	| length u16 | source, destination | source port, destination port |
 *	| TLVs: type u8, length u16, value ... |
 *
 * Bytes in, no I/O; conn.c calls it. The header comes before TLS. It is a
 * claim: read it from trusted addresses only, and require it from those. It
 * never makes a peer local: judge whether a listener is loopback, and so open,
 * by the addresses of the socket.
 */
#ifndef ENGINE_PROXY_PROTOCOL_H
#define ENGINE_PROXY_PROTOCOL_H

#include "cmd/common/address.h"
#include "proto/buf.h"

#define PROXY_PROTOCOL_HEAD_BYTES 16
#define PROXY_PROTOCOL_MAX_BYTES (PROXY_PROTOCOL_HEAD_BYTES + 4096)

/*
 * Parse the header at the start of `in`. An error is reported as soon as the
 * byte that makes it one is there.
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

#endif
