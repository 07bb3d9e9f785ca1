/* SPDX-License-Identifier: MIT */
/*
 * Decides which targets are refused: public addresses, captured addresses, and
 * production. Owns nothing and does no I/O. Called by run.c.
 */
#include "cmd/replay/safety.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/*
 * Reads an address as IPv6; maps IPv4 into it. Returns false if it is no IP
 * address.
 */
static bool
ip_of(const struct address *address, uint8_t ip[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (address->sa.ss_family == AF_INET6) {
		memcpy(&in6, &address->sa, sizeof(in6));
		memcpy(ip, &in6.sin6_addr, 16);
		return true;
	}
	if (address->sa.ss_family != AF_INET)
		return false;
	memcpy(&in, &address->sa, sizeof(in));
	memcpy(ip, mapped, sizeof(mapped));
	memcpy(ip + sizeof(mapped), &in.sin_addr, 4);
	return true;
}

static bool
same_ip(const struct address *a, const struct address *b)
{
	uint8_t of_a[16], of_b[16];

	return ip_of(a, of_a) && ip_of(b, of_b) &&
	    memcmp(of_a, of_b, sizeof(of_a)) == 0;
}

static bool
is_allowed(const struct safety *safety, const struct address *target)
{
	if (address_is_private(target))
		return true;
	for (size_t i = 0; i < safety->n_allow; i++)
		if (cidr_match(&safety->allow[i], target))
			return true;
	return false;
}

bool
safety_targets_allowed(const struct safety *safety, char err[CLI_ERR_CHARS])
{
	char text[ADDRESS_CHARS];

	for (size_t i = 0; i < safety->n_targets; i++) {
		if (is_allowed(safety, &safety->targets[i]))
			continue;
		(void)snprintf(err, CLI_ERR_CHARS,
		    "refused: %s is not a private address; if it is yours and"
		    " meant to be loaded, use --allow ADDRESS",
		    address_format(&safety->targets[i], text));
		return false;
	}
	return true;
}

bool
safety_end_allowed(
    const struct safety *safety, const char *end, char err[CLI_ERR_CHARS])
{
	struct address captured;
	char text[ADDRESS_CHARS];

	if (!address_parse(end, ADDRESS_PORT_NONE, &captured)) {
		(void)snprintf(err, CLI_ERR_CHARS,
		    "refused: '%s' of the capture is not an address, so it"
		    " may be the target",
		    end);
		return false;
	}
	for (size_t i = 0; i < safety->n_targets; i++) {
		const struct address *target = &safety->targets[i];

		if (address_is_loopback(target) || !same_ip(target, &captured))
			continue;
		(void)snprintf(err, CLI_ERR_CHARS,
		    "refused: the target %s is an address of the capture"
		    " (%s), so it is the captured cluster or its clients;"
		    " replay against another cluster",
		    address_format(target, text), end);
		return false;
	}
	return true;
}

bool
safety_is_production(const char *environment)
{
	return strcasecmp(environment, "production") == 0;
}
