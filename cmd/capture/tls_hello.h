/* SPDX-License-Identifier: MIT */
/*
 * tls_hello - reads the bodies of ClientHello and ServerHello (RFC 8446 section
 * 4.1, RFC 5246 section 7.4.1): what is needed to find and set up keys.
 * Bytes in, no state; called by tls.c.
 */
#ifndef CAPTURE_TLS_HELLO_H
#define CAPTURE_TLS_HELLO_H

#include "cmd/capture/keylog.h"

#include <stdbool.h>
#include <stdint.h>

struct tls_hello {
	uint8_t random[CAP_RANDOM_BYTES];
	bool early_data; /* the client's only; the rest the server's */
	uint16_t version, suite;
	bool retry; /* it asks for another ClientHello */
	bool compressed, encrypt_then_mac, truncated_hmac;
};

/* `in` is the message without its head. Return false if it is malformed. */
bool tls_hello_client(struct bnet_slice in, struct tls_hello *hello);
bool tls_hello_server(struct bnet_slice in, struct tls_hello *hello);

#endif
