/* SPDX-License-Identifier: MIT */
/*
 * http - a few pages over HTTP, generated at each request (libmicrohttpd).
 *
 * A thread of its own serves them. A request has HTTP_TIMEOUT_NS from its first
 * byte to the last one of its answer. Of more than HTTP_ADDRESS_MAX connections
 * of one address, or HTTP_CONNECTIONS_MAX in all, the oldest is closed, so that
 * whoever asks at once is served, however many say nothing or little.
 *
 * GET and HEAD; other methods get 405, other paths 404. On a loopback address,
 * a Host that is neither an address nor localhost gets 403: a web page could
 * otherwise read the pages under a name of its own that points here.
 *
 * Opening is separate from starting, so that root can bind the port and be
 * given up in between. For admin.c.
 */
#ifndef RELAY_HTTP_H
#define RELAY_HTTP_H

#include "cmd/common/address.h"
#include "cmd/common/json.h"

#include <stdbool.h>
#include <stddef.h>

#define HTTP_CONNECTIONS_MAX 32
#define HTTP_ADDRESS_MAX 16
#define HTTP_TIMEOUT_NS INT64_C(10000000000)
#define HTTP_PAGE_MAX_BYTES ((size_t)64 << 20)

struct http_page {
	const char *path, *content_type;
	/*
	 * Fill `out`, on the server's thread. True: status 200; false: 503
	 * with the contents of `out`. If `out` ran out of memory: 500.
	 */
	bool (*make)(void *arg, struct text *out);
};

/* Everything but `address` is borrowed until http_free(). */
struct http_settings {
	const struct address *address; /* port 0: any */
	const struct http_page *pages;
	size_t n_pages;
	void *arg; /* of the pages */
	int64_t timeout_ns; /* 0: HTTP_TIMEOUT_NS */
};

struct http;

/* Listen without answering yet. NULL: errno says why. */
struct http *http_open(const struct http_settings *set);

/* The address it listens on, with the actual port. */
struct address http_address(const struct http *http);

/*
 * Start to answer. Block signals first: its thread must not take them. False:
 * errno.
 */
bool http_start(struct http *http);

/*
 * After it returns no page is being generated, except one that did not end in
 * time (cmd/common/ending.h). NULL is allowed.
 */
void http_free(struct http *http);

#endif
