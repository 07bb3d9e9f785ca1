/* SPDX-License-Identifier: MIT */
#include "cmd/relay/http.h"

#include "cmd/common/ending.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 16
#define CONNECTION_BYTES ((size_t)16 << 10) /* headers, both ways */

struct http {
	struct http_settings set;
	struct address address;
	int fd; /* -1 once libmicrohttpd has it */
	struct MHD_Daemon *daemon; /* NULL: not started */
};

/* ---- listening ---- */

static bool
listen_on(struct http *http, const struct address *address)
{
	int on = 1;

	http->fd = socket(address->sa.ss_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (http->fd < 0)
		return false;
	if (setsockopt(http->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) !=
		0 ||
	    bind(http->fd, (const struct sockaddr *)&address->sa,
		address->len_bytes) != 0 ||
	    listen(http->fd, BACKLOG) != 0)
		return false;
	http->address.len_bytes = sizeof(http->address.sa);
	return getsockname(http->fd, (struct sockaddr *)&http->address.sa,
		   &http->address.len_bytes) == 0;
}

struct http *
http_open(const struct http_settings *set)
{
	struct http *http = calloc(1, sizeof(*http));
	int error;

	if (http == NULL)
		return NULL;
	http->set = *set;
	if (!listen_on(http, set->address)) {
		error = errno;
		http_free(http);
		errno = error;
		return NULL;
	}
	return http;
}

struct address
http_address(const struct http *http)
{
	return http->address;
}

/* ---- answering ---- */

static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned status,
    const char *content_type, struct MHD_Response *response)
{
	enum MHD_Result queued;

	if (response == NULL)
		return MHD_NO;
	(void)MHD_add_response_header(
	    response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	(void)MHD_add_response_header(
	    response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(
		    response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	queued = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result
answer_text(
    struct MHD_Connection *connection, unsigned status, const char *words)
{
	struct bnet_slice body = { (const uint8_t *)words, strlen(words) };
	union {
		const uint8_t *theirs;
		void *ours;
	} p = { .theirs = body.p };

	return answer(connection, status, "text/plain; charset=utf-8",
	    MHD_create_response_from_buffer(
		body.len, p.ours, MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result
answer_page(struct http *http, struct MHD_Connection *connection,
    const struct http_page *page)
{
	struct MHD_Response *response;
	struct text out;
	unsigned status;

	text_init(&out, HTTP_PAGE_MAX_BYTES);
	status = page->make(http->set.arg, &out) ? MHD_HTTP_OK
						 : MHD_HTTP_SERVICE_UNAVAILABLE;
	if (!text_ok(&out)) {
		text_free(&out);
		return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
		    "the page is too large, or out of memory\n");
	}
	/* the block is at the front: nothing has been consumed */
	response = MHD_create_response_from_buffer(
	    out.buf.len, out.buf.p, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		text_free(&out);
	return answer(connection, status, page->content_type, response);
}

static const struct http_page *
find(const struct http *http, const char *path)
{
	for (size_t i = 0; i < http->set.n_pages; i++)
		if (strcmp(http->set.pages[i].path, path) == 0)
			return &http->set.pages[i];
	return NULL;
}

/*
 * Called at the headers of a request, then for what follows. libmicrohttpd
 * wants the answer at the second call. A request with a body is answered at
 * the first, which closes the connection.
 */
static enum MHD_Result
on_request(void *arg, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *upload,
    size_t *upload_bytes, void **state)
{
	static char seen;
	struct http *http = arg;
	const struct http_page *page = find(http, path);
	bool reads = strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
	    strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;

	(void)version;
	(void)upload;
	if (page == NULL)
		return answer_text(
		    connection, MHD_HTTP_NOT_FOUND, "no such page\n");
	if (!reads || *upload_bytes > 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
		    "only GET and HEAD\n");
	if (*state == NULL) {
		*state = &seen;
		return MHD_YES;
	}
	return answer_page(http, connection, page);
}

static void
say_nothing(void *arg, const char *fmt, va_list args)
{
	(void)arg;
	(void)fmt;
	(void)args;
}

bool
http_start(struct http *http)
{
	const struct MHD_OptionItem options[] = {
		{ MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)say_nothing, NULL },
		{ MHD_OPTION_LISTEN_SOCKET, http->fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS_MAX, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, HTTP_TIMEOUT_S, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		    (intptr_t)CONNECTION_BYTES, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	errno = 0;
	http->daemon = MHD_start_daemon(
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_USE_ERROR_LOG,
	    0, NULL, NULL, on_request, http, MHD_OPTION_ARRAY, options,
	    MHD_OPTION_END);
	if (http->daemon == NULL) {
		errno = errno != 0 ? errno : EIO;
		return false;
	}
	http->fd = -1;
	return true;
}

/* Waits for the server's thread without a limit. */
static void
stop_daemon(void *arg)
{
	MHD_stop_daemon(arg);
}

void
http_free(struct http *http)
{
	if (http == NULL)
		return;
	if (http->daemon != NULL &&
	    !ending_call(stop_daemon, http->daemon, "the metrics server"))
		return;
	if (http->fd >= 0)
		(void)close(http->fd);
	free(http);
}
