/* SPDX-License-Identifier: MIT */
#include "cmd/common/looks_like.h"

#include <string.h>

static const struct sign {
	const char *bytes;
	size_t n;
	const char *name;
} signs[] = {
#define SIGN(text, name) \
	{ \
		text, sizeof(text) - 1, name \
	}
	SIGN("\x16\x03\x01", "TLS"),
	SIGN("\x16\x03\x02", "TLS"),
	SIGN("\x16\x03\x03", "TLS"),
	SIGN("GET ", "HTTP"),
	SIGN("HEAD ", "HTTP"),
	SIGN("POST ", "HTTP"),
	SIGN("PUT ", "HTTP"),
	SIGN("DELETE ", "HTTP"),
	SIGN("OPTIONS ", "HTTP"),
	SIGN("CONNECT ", "HTTP"),
	SIGN("PRI * HTTP/2", "HTTP"),
	SIGN("SSH-", "SSH"),
	SIGN("PROXY ", "a PROXY header"),
	SIGN("\r\n\r\n\0\r\nQUIT\n", "a PROXY header"),
#undef SIGN
};

const char *
looks_like(struct bnet_slice first)
{
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (first.len >= signs[i].n &&
		    memcmp(first.p, signs[i].bytes, signs[i].n) == 0)
			return signs[i].name;
	return NULL;
}
