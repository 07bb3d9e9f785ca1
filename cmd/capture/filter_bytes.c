/* SPDX-License-Identifier: MIT */
/* Values of a filter that are kept as bytes: addresses, and payload. */
#include "cmd/capture/filter_impl.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define END_CHARS (INET6_ADDRSTRLEN + sizeof("[]:65535"))

/* The port behind the address, if `s` has one; cut off. */
static bool
cut_port(char *s, int *port)
{
	char *colon = strrchr(s, ':');
	const char *c;

	*port = -1;
	if (colon == NULL || (s[0] == '[' && colon[-1] != ']') ||
	    (s[0] != '[' && strchr(s, ':') != colon))
		return true; /* none; the colons are IPv6's */
	c = colon + 1;
	if (*c == '\0' || strlen(c) > 5 || strspn(c, "0123456789") != strlen(c))
		return false;
	for (*port = 0; *c != '\0'; c++)
		*port = *port * 10 + (*c - '0');
	*colon = '\0';
	return *port <= 65535;
}

/*
 * Write an address the way that ends of streams are written: without a port
 * up to its colon. Returns the length, 0 if it is no address.
 */
static size_t
write_end(char *s, char end[END_CHARS])
{
	char host[INET6_ADDRSTRLEN];
	unsigned char addr[sizeof(struct in6_addr)];
	size_t n = strlen(s);
	int family = AF_INET, port, written;

	if (n == 0 || !cut_port(s, &port))
		return 0;
	n = strlen(s);
	if (strchr(s, ':') != NULL || s[0] == '[') {
		family = AF_INET6;
		if (s[0] == '[' && s[n - 1] != ']')
			return 0;
		if (s[0] == '[')
			s[n - 1] = '\0';
		s += s[0] == '[';
	}
	if (inet_pton(family, s, addr) != 1 ||
	    inet_ntop(family, addr, host, sizeof(host)) == NULL)
		return 0;
	written =
	    snprintf(end, END_CHARS, family == AF_INET ? "%s:" : "[%s]:", host);
	if (port >= 0)
		written += snprintf(
		    end + written, END_CHARS - (size_t)written, "%d", port);
	return (size_t)written;
}

bool
filter_add_address(struct filter_parse *p, struct filter_insn *insn)
{
	struct bnet_slice v = filter_token_value(p);
	char buf[FILTER_SHOW_CHARS], copy[END_CHARS] = "", end[END_CHARS];
	struct filter_text text;
	size_t n = 0;

	if ((p->tok.type == TOK_ATOM || p->tok.type == TOK_STRING) &&
	    v.len < sizeof(copy) && memchr(v.p, '\0', v.len) == NULL) {
		memcpy(copy, v.p, v.len);
		n = write_end(copy, end);
	}
	if (n == 0)
		return filter_fail(p, p->tok.at,
		    "%s is an address: expected \"ADDR\" or \"ADDR:PORT\", "
		    "not %s",
		    insn->row->field.name, filter_show(p, buf));
	if (!filter_push_text(p, end, n, &text))
		return false;
	text.prefix = end[n - 1] == ':';
	return filter_add_text(p, insn, text) && filter_next(p);
}

static int
nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of digits with colons between? */
static bool
is_pairs(struct bnet_slice v)
{
	if (v.len % 3 != 2)
		return false;
	for (size_t i = 0; i < v.len; i += 3)
		if (nibble(v.p[i]) < 0 || nibble(v.p[i + 1]) < 0 ||
		    (i + 2 < v.len && v.p[i + 2] != ':'))
			return false;
	return true;
}

static bool
push_pairs(struct filter_parse *p, struct filter_text *text)
{
	struct bnet_slice v = filter_token_value(p);
	char byte;

	*text = (struct filter_text){ .at = p->out->n_bytes,
		.len = (v.len + 1) / 3 };
	for (size_t i = 0; i < v.len; i += 3) {
		byte = (char)(nibble(v.p[i]) << 4 | nibble(v.p[i + 1]));
		if (!filter_push(p, &byte, 1))
			return false;
	}
	return true;
}

bool
filter_add_bytes(struct filter_parse *p, struct filter_insn *insn)
{
	struct filter_text text = p->tok.text;
	char buf[FILTER_SHOW_CHARS];

	if (p->tok.type == TOK_ATOM && is_pairs(filter_token_value(p))) {
		if (!push_pairs(p, &text))
			return false;
	} else if (p->tok.type != TOK_STRING) {
		return filter_fail(p, p->tok.at,
		    "%s is bytes: expected \"text\" or hexadecimal bytes such "
		    "as 0a:0b:0c, not %s",
		    insn->row->field.name, filter_show(p, buf));
	}
	return filter_add_text(p, insn, text) && filter_next(p);
}
