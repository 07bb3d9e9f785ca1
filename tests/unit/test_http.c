/* SPDX-License-Identifier: MIT */
/* The pages, asked for over a socket. */
#include "cmd/relay/http.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

static atomic_bool well;
static struct http *http;
static char got[200000];

static bool
good_page(void *arg, struct text *out)
{
	text_printf(out, "hello %s\n", (const char *)arg);
	return true;
}

static bool
health_page(void *arg, struct text *out)
{
	(void)arg;
	text_str(out, atomic_load(&well) ? "ok\n" : "draining\n");
	return atomic_load(&well);
}

static bool
long_page(void *arg, struct text *out)
{
	(void)arg;
	for (int i = 0; i < 10000; i++)
		text_str(out, "0123456789");
	return true;
}

static bool
failed_page(void *arg, struct text *out)
{
	(void)arg;
	out->failed = true;
	return true;
}

static bool
empty_page(void *arg, struct text *out)
{
	(void)arg;
	(void)out;
	return true;
}

static const struct http_page pages[] = {
	{ "/good", "text/x-good", good_page },
	{ "/health", "text/plain", health_page },
	{ "/long", "text/plain", long_page },
	{ "/failed", "text/plain", failed_page },
	{ "/empty", "text/plain", empty_page },
};

static char world[] = "world";
static int64_t timeout_ns;

static struct http *
open_at(const struct address *address)
{
	const struct http_settings set = {
		.address = address,
		.pages = pages,
		.n_pages = sizeof(pages) / sizeof(pages[0]),
		.arg = world,
		.timeout_ns = timeout_ns,
	};

	return http_open(&set);
}

static void
setup(void)
{
	struct address any;

	ck_assert(address_parse("127.0.0.1:0", ADDRESS_PORT_NONE, &any));
	timeout_ns = 0;
	atomic_store(&well, true);
	http = open_at(&any);
	ck_assert_ptr_nonnull(http);
}

static void
teardown(void)
{
	http_free(http);
}

/* The answer to `request`, until the other side closes, in `got`. */
static void
ask(const char *request)
{
	struct address to = http_address(http);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t n = 0;
	ssize_t more;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(
	    connect(fd, (struct sockaddr *)&to.sa, to.len_bytes), 0);
	ck_assert_int_eq(send(fd, request, strlen(request), MSG_NOSIGNAL),
	    (ssize_t)strlen(request));
	while ((more = recv(fd, got + n, sizeof(got) - 1 - n, 0)) > 0)
		n += (size_t)more;
	got[n] = '\0';
	close(fd);
}

#define ASK(method, path) \
	method " " path \
	       " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

#define ASK_HOST(host) \
	"GET /good HTTP/1.1\r\nHost: " host "\r\nConnection: close\r\n\r\n"

static const struct {
	const char *request, *status, *has, *has_not;
} rows[] = {
	{ ASK("GET", "/good"), "HTTP/1.1 200 ", "\r\n\r\nhello world\n",
	    "Allow" },
	{ ASK("GET", "/good"), "HTTP/1.1 200 ", "Content-Type: text/x-good\r\n",
	    "Allow" },
	{ ASK("GET", "/good?x=1"), "HTTP/1.1 200 ", "hello world\n", "Allow" },
	{ ASK("HEAD", "/good"), "HTTP/1.1 200 ", "Content-Length: 12\r\n",
	    "hello" },
	{ ASK("GET", "/empty"), "HTTP/1.1 200 ", "Content-Length: 0\r\n",
	    "Allow" },
	{ ASK("GET", "/"), "HTTP/1.1 404 ", "no such page\n", "hello" },
	{ ASK("GET", "/goodbye"), "HTTP/1.1 404 ", "no such page\n", "hello" },
	{ ASK("POST", "/"), "HTTP/1.1 404 ", "no such page\n", "hello" },
	{ ASK("POST", "/good"), "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n",
	    "hello" },
	{ ASK("DELETE", "/good"), "HTTP/1.1 405 ", "only GET", "hello" },
	{ "POST /good HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	  "Content-Length: 5\r\n\r\nhello",
	    "HTTP/1.1 405 ", "only GET", "hello" },
	{ ASK("GET", "/failed"), "HTTP/1.1 500 ", "too large", "hello" },
	/* a name that a web page made point here */
	{ ASK_HOST("evil.example"), "HTTP/1.1 403 ", "as Host", "hello" },
	{ ASK_HOST("127.0.0.1.evil.example:80"), "HTTP/1.1 403 ", "as Host",
	    "hello" },
	{ ASK_HOST("[::1].evil.example"), "HTTP/1.1 403 ", "as Host", "hello" },
	{ ASK_HOST(""), "HTTP/1.1 403 ", "as Host", "hello" },
	{ ASK_HOST("LocalHost:9600"), "HTTP/1.1 200 ", "hello", "Allow" },
	{ ASK_HOST("127.0.0.1:9600"), "HTTP/1.1 200 ", "hello", "Allow" },
	{ ASK_HOST("[::1]:9600"), "HTTP/1.1 200 ", "hello", "Allow" },
	{ "GET /good HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", "hello", "Allow" },
	{ "nonsense\r\n\r\n", "HTTP/1.1 400 ", "", "hello" },
};

START_TEST(requests)
{
	ck_assert(http_start(http));
	ask(rows[_i].request);
	ck_assert_msg(strncmp(got, rows[_i].status, 13) == 0 ||
		(rows[_i].status[9] == '4' && rows[_i].status[11] == '0' &&
		    rows[_i].has[0] == '\0'),
	    "%s: %s", rows[_i].request, got);
	ck_assert_msg(
	    strstr(got, rows[_i].has) != NULL, "%s: %s", rows[_i].request, got);
	ck_assert_msg(strstr(got, rows[_i].has_not) == NULL, "%s: %s",
	    rows[_i].request, got);
}
END_TEST

START_TEST(health)
{
	ck_assert(http_start(http));
	ask(ASK("GET", "/health"));
	ck_assert_ptr_nonnull(strstr(got, "HTTP/1.1 200 "));
	ck_assert_ptr_nonnull(strstr(got, "\r\n\r\nok\n"));
	atomic_store(&well, false);
	ask(ASK("GET", "/health"));
	ck_assert_ptr_nonnull(strstr(got, "HTTP/1.1 503 "));
	ck_assert_ptr_nonnull(strstr(got, "\r\n\r\ndraining\n"));
}
END_TEST

START_TEST(long_one)
{
	const char *body;

	ck_assert(http_start(http));
	ask(ASK("GET", "/long"));
	body = strstr(got, "\r\n\r\n");
	ck_assert_ptr_nonnull(body);
	ck_assert_uint_eq(strlen(body + 4), 100000);
}
END_TEST

/* The port that was given is one's own; it can be opened, and not started. */
START_TEST(ports)
{
	struct address here = http_address(http);
	char text[ADDRESS_CHARS];

	(void)address_format(&here, text);
	ck_assert_str_ne(text, "127.0.0.1:0");
	ck_assert_ptr_null(open_at(&here));
	http_free(NULL);
}
END_TEST

/* A client that says nothing is in nobody's way, and no reason to wait. */
START_TEST(silent_client)
{
	struct address to = http_address(http);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert(http_start(http));
	ck_assert_int_eq(
	    connect(fd, (struct sockaddr *)&to.sa, to.len_bytes), 0);
	ask(ASK("GET", "/good"));
	ck_assert_ptr_nonnull(strstr(got, "hello world\n"));
	http_free(http);
	http = NULL;
	close(fd);
}
END_TEST

static int
half_request(void)
{
	static const char half[] = "GET /good HTTP/1.1\r\nX: ";
	struct address to = http_address(http);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(
	    connect(fd, (struct sockaddr *)&to.sa, to.len_bytes), 0);
	ck_assert_int_eq(
	    send(fd, half, strlen(half), MSG_NOSIGNAL), (ssize_t)strlen(half));
	return fd;
}

/* However many are slow, those that ask are answered. */
START_TEST(slow_clients)
{
	int fds[100];

	ck_assert(http_start(http));
	for (size_t i = 0; i < 100; i++)
		fds[i] = half_request();
	for (int i = 0; i < 20; i++) {
		ask(ASK("GET", "/good"));
		ck_assert_ptr_nonnull(strstr(got, "hello world\n"));
	}
	for (size_t i = 0; i < 100; i++)
		close(fds[i]);
}
END_TEST

/* A byte now and then does not extend the time of a request. */
START_TEST(dripping_client)
{
	struct address any;
	char c;
	int fd;

	http_free(http);
	ck_assert(address_parse("127.0.0.1:0", ADDRESS_PORT_NONE, &any));
	timeout_ns = 200000000;
	http = open_at(&any);
	ck_assert(http_start(http));
	fd = half_request();
	/* ends when the other side does; otherwise the test's time is up */
	while (recv(fd, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		(void)send(fd, "x", 1, MSG_NOSIGNAL);
		(void)poll(&wait, 1, 10);
	}
	close(fd);
}
END_TEST

static Suite *
http_suite(void)
{
	Suite *suite = suite_create("http");
	TCase *tc = unit_case(suite, "http");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, requests, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, health);
	tcase_add_test(tc, long_one);
	tcase_add_test(tc, ports);
	tcase_add_test(tc, silent_client);
	tcase_add_test(tc, slow_clients);
	tcase_add_test(tc, dripping_client);
	return suite;
}

UNIT_MAIN(http_suite)
