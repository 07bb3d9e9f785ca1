/* SPDX-License-Identifier: MIT */
#include "cmd/relay/http.h"

#include "cmd/common/clock.h"
#include "cmd/common/ending.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024
#define CONNECTION_BYTES ((size_t)16 << 10) /* headers, both ways */
#define CLIENTS_MAX (4 * HTTP_CONNECTIONS_MAX) /* with those being closed */
#define STEP_MS 100 /* between two looks at the clock and at `stop` */

/* A connection. */
struct client {
	bool open, cut;
	int fd; /* libmicrohttpd's */
	int64_t since_ns; /* when it came */
	int64_t until_ns; /* the end of its present request */
	struct address_key key;
};

struct http {
	struct http_settings set;
	struct address address;
	int fd; /* -1 once libmicrohttpd has it */
	struct MHD_Daemon *daemon; /* NULL: not started */
	pthread_t thread;
	atomic_bool stop;
	struct client clients[CLIENTS_MAX]; /* for the thread only */
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
	if (http->set.timeout_ns == 0)
		http->set.timeout_ns = HTTP_TIMEOUT_NS;
	http->fd = -1;
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

/* ---- connections, on the thread ---- */

/* libmicrohttpd sees the end, and closes it. */
static void
cut(struct client *client)
{
	client->cut = true;
	(void)shutdown(client->fd, SHUT_RDWR);
}

/* Close the oldest of too many: of one address, or of all if that is NULL. */
static void
make_room(struct http *http, const struct address_key *key, size_t n_max)
{
	struct client *oldest = NULL;
	size_t n = 0;

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &http->clients[i];

		if (!c->open || c->cut ||
		    (key != NULL && memcmp(&c->key, key, sizeof(*key)) != 0))
			continue;
		n++;
		if (oldest == NULL || c->since_ns < oldest->since_ns)
			oldest = c;
	}
	if (n > n_max)
		cut(oldest);
}

static void
came(struct http *http, struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct address from = { .len_bytes = sizeof(from.sa) };
	struct client *client = http->clients;

	while (client < http->clients + CLIENTS_MAX && client->open)
		client++;
	if (fd == NULL || client == http->clients + CLIENTS_MAX)
		return; /* not reached: libmicrohttpd takes no more */
	*client = (struct client){ .open = true, .fd = fd->connect_fd };
	if (getpeername(
		client->fd, (struct sockaddr *)&from.sa, &from.len_bytes) == 0)
		client->key = address_key(&from);
	client->since_ns = clock_now_ns();
	client->until_ns = client->since_ns + http->set.timeout_ns;
	*context = client;
	make_room(http, &client->key, HTTP_ADDRESS_MAX);
	make_room(http, NULL, HTTP_CONNECTIONS_MAX);
}

static void
on_connection(void *arg, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	struct client *client = *context;

	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		came(arg, connection, context);
	else if (client != NULL)
		client->open = false;
}

/* The next request of this connection has its own time. */
static void
on_completed(void *arg, struct MHD_Connection *connection, void **state,
    enum MHD_RequestTerminationCode how)
{
	const struct http *http = arg;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct client *client = info != NULL ? info->socket_context : NULL;

	(void)state;
	(void)how;
	if (client != NULL)
		client->until_ns = clock_now_ns() + http->set.timeout_ns;
}

static void
cut_late(struct http *http)
{
	int64_t now_ns = clock_now_ns();

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &http->clients[i];

		if (c->open && !c->cut && c->until_ns <= now_ns)
			cut(c);
	}
}

/* ---- answering ---- */

/* Is it an address or "localhost", with or without a port? NULL: none. */
static bool
is_own_host(const char *host)
{
	char name[64], *end;
	unsigned char bytes[16];
	size_t n = host != NULL ? strlen(host) : 0;

	if (host == NULL)
		return true;
	if (n >= sizeof(name))
		return false;
	memcpy(name, host, n + 1);
	if (name[0] == '[') {
		end = strchr(name, ']');
		if (end != NULL)
			*end = '\0';
		return end != NULL && (end[1] == '\0' || end[1] == ':') &&
		    inet_pton(AF_INET6, name + 1, bytes) == 1;
	}
	name[strcspn(name, ":")] = '\0';
	return strcasecmp(name, "localhost") == 0 ||
	    inet_pton(AF_INET, name, bytes) == 1;
}

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
	if (address_is_loopback(&http->address) &&
	    !is_own_host(MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST)))
		return answer_text(connection, MHD_HTTP_FORBIDDEN,
		    "expected an address or localhost as Host\n");
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

static void *
serve(void *arg)
{
	struct http *http = arg;

	while (!atomic_load(&http->stop)) {
		(void)MHD_run_wait(http->daemon, STEP_MS);
		cut_late(http);
	}
	return NULL;
}

bool
http_start(struct http *http)
{
	const struct MHD_OptionItem options[] = {
		{ MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)say_nothing, NULL },
		{ MHD_OPTION_LISTEN_SOCKET, http->fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, CLIENTS_MAX, NULL },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, http },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, http },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		    (intptr_t)CONNECTION_BYTES, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	errno = 0;
	http->daemon =
	    MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL,
		on_request, http, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (http->daemon == NULL) {
		errno = errno != 0 ? errno : EIO;
		return false;
	}
	http->fd = -1;
	errno = pthread_create(&http->thread, NULL, serve, http);
	if (errno == 0)
		return true;
	MHD_stop_daemon(http->daemon);
	http->daemon = NULL;
	return false;
}

void
http_free(struct http *http)
{
	if (http == NULL)
		return;
	atomic_store(&http->stop, true);
	if (http->daemon != NULL) {
		if (!ending_join(http->thread, "the metrics server")) {
			(void)pthread_detach(http->thread);
			return;
		}
		MHD_stop_daemon(http->daemon);
	}
	if (http->fd >= 0)
		(void)close(http->fd);
	free(http);
}
