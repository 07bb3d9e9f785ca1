/* SPDX-License-Identifier: MIT */
/*
 * http - a few pages over HTTP, made at each request (libmicrohttpd).
 *
 * One thread of its own serves HTTP_CONNECTIONS_MAX connections at most, each
 * closed after HTTP_TIMEOUT_S of silence. GET and HEAD; other methods are
 * 405, other paths 404. Opening is apart from starting, so that root can bind
 * the port and be given up between. For admin.c.
 */
#ifndef RELAY_HTTP_H
#define RELAY_HTTP_H

#include "cmd/common/address.h"
#include "cmd/common/json.h"

#include <stdbool.h>
#include <stddef.h>

#define HTTP_CONNECTIONS_MAX 32
#define HTTP_TIMEOUT_S 10
#define HTTP_PAGE_MAX_BYTES ((size_t)64 << 20)

struct http_page {
	const char *path, *content_type;
	/*
	 * Fill `out`, on the server's thread. True: 200; false: 503 with what
	 * is in it. Where `out` failed it is 500.
	 */
	bool (*make)(void *arg, struct text *out);
};

/* All but `address` is borrowed until http_free(). */
struct http_settings {
	const struct address *address; /* port 0: any */
	const struct http_page *pages;
	size_t n_pages;
	void *arg; /* of the pages */
};

struct http;

/* Listen, and answer nobody yet. NULL: errno says why. */
struct http *http_open(const struct http_settings *set);

/* Where it listens, the port as it is. */
struct address http_address(const struct http *http);

/* Answer. Signals are not for its thread: block them before. False: errno. */
bool http_start(struct http *http);

/*
 * No page is being made when it returns, but for one that did not end in time
 * (cmd/common/ending.h). NULL is allowed.
 */
void http_free(struct http *http);

#endif
