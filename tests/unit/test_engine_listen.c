/* SPDX-License-Identifier: MIT */
/* Connecting and listening: failures, deadlines, and those behind a proxy. */
#include "tests/unit/engine_fixture.h"
#include "tests/unit/failmalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#define PROXY_SIGNATURE "0d0a0d0a000d0a515549540a"

static const unsigned workers_rows[] = { 1, 3 };

/* A port of loopback where nobody listens, or, with `fd`, nobody accepts. */
static struct address
bound(int *fd)
{
	struct address at;

	ck_assert(address_parse("127.0.0.1:0", ADDRESS_PORT_NONE, &at));
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(*fd, (struct sockaddr *)&at.sa, at.len_bytes), 0);
	at.len_bytes = sizeof(at.sa);
	ck_assert_int_eq(
	    getsockname(*fd, (struct sockaddr *)&at.sa, &at.len_bytes), 0);
	return at;
}

/* The engine connects to itself: both halves come up, and end. */
START_TEST(to_itself)
{
	struct engine_settings set = { .n_workers = workers_rows[_i % 2] };
	const char *where = _i < 2 ? "127.0.0.1:0" : "[::1]:0";
	struct engine_listen listen = { 0 };
	struct engine_connect want = { 0 };
	struct bnet_packet packet = { .has_header = true };
	struct fix fix;

	fix_new(&fix, &set, FIX_COUNT);
	fix_listen(&fix, &listen, where);
	ck_assert(engine_start(fix.engine));
	want.address = fix.at;
	for (unsigned i = 0; i < 10; i++) {
		want.worker = i;
		ck_assert(engine_connect(fix.engine, &want));
	}
	FIX_WAIT(&fix, n_ready, 20);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(
		    engine_post(fix.engine, fix.handles[i], &packet),
		    ENGINE_QUEUED);
	FIX_WAIT(&fix, n_packets, 20);
	for (unsigned i = 0; i < 20; i++)
		engine_post_finish(fix.engine, fix.handles[i]);
	FIX_WAIT(&fix, n_closed, 20);
	ck_assert_uint_eq(
	    fix.ends[ENGINE_END_OWNER] + fix.ends[ENGINE_END_PEER], 20);
	fix_stop(&fix);
}
END_TEST

START_TEST(refused)
{
	struct engine_settings set = { .n_workers = 1 };
	struct engine_connect want = { 0 };
	struct fix fix;
	int fd;

	want.address = bound(&fd);
	fix_start(&fix, &set, FIX_COUNT);
	ck_assert(engine_connect(fix.engine, &want));
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_uint_eq(fix.ends[ENGINE_END_CONNECT], 1);
	ck_assert_str_eq(fix.reason, strerror(ECONNREFUSED));
	ck_assert_uint_eq(fix.n_ready, 0);
	close(fd);
	fix_stop(&fix);
}
END_TEST

/* A full backlog does not answer. */
START_TEST(not_answered)
{
	struct engine_settings set = { .n_workers = 1 };
	struct engine_connect want = { .timeout_ns = 100000000 };
	struct fix fix;
	int fd, fill[8];

	want.address = bound(&fd);
	ck_assert_int_eq(listen(fd, 0), 0);
	for (int i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fill[i], (struct sockaddr *)&want.address.sa,
		    want.address.len_bytes);
	}
	fix_start(&fix, &set, FIX_COUNT);
	ck_assert(engine_connect(fix.engine, &want));
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_uint_eq(fix.ends[ENGINE_END_CONNECT], 1);
	ck_assert_str_eq(fix.reason, "timed out");
	for (int i = 0; i < 8; i++)
		close(fill[i]);
	close(fd);
	fix_stop(&fix);
}
END_TEST

START_TEST(no_more_after_stop_listening)
{
	struct engine_settings set = { .n_workers = workers_rows[_i] };
	struct fix fix;
	int fd, late, err;

	fix_start(&fix, &set, FIX_ECHO);
	fd = peer_connect(&fix);
	peer_send_u32(fd, 1);
	peer_expect_u32(fd, 1);
	engine_stop_listening(fix.engine);
	do { /* until each worker has heard it */
		late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		err = connect(late, (struct sockaddr *)&fix.at.sa,
			  fix.at.len_bytes) == 0
		    ? 0
		    : errno;
		close(late);
	} while (err != ECONNREFUSED);
	peer_send_u32(fd, 2);
	peer_expect_u32(fd, 2);
	close(fd);
	fix_stop(&fix);
}
END_TEST

/* A socket that was given stays one that listens. */
START_TEST(given_socket)
{
	struct engine_settings set = { .n_workers = workers_rows[_i] };
	struct engine_listen listen_on = { 0 };
	struct fix fix;
	int ours, fd;

	fix_new(&fix, &set, FIX_ECHO);
	fix.at = bound(&ours);
	ck_assert_int_eq(listen(ours, 10), 0);
	listen_on.fd = dup(ours);
	ck_assert_ptr_nonnull(engine_listen(fix.engine, &listen_on));
	ck_assert(engine_start(fix.engine));
	fd = peer_connect(&fix);
	peer_send_u32(fd, 1);
	peer_expect_u32(fd, 1);
	engine_stop_listening(fix.engine);
	close(fd);
	FIX_WAIT(&fix, n_closed, 1);
	fix_stop(&fix);
	close(peer_connect_to(&fix.at, 0));
	close(ours);
}
END_TEST

/* ---- the PROXY protocol ---- */

static bool
everybody(void *arg, const struct address *from)
{
	(void)arg;
	(void)from;
	return true;
}

static void
start_proxied(struct fix *fix, int64_t handshake_timeout_ns)
{
	struct engine_settings set = { .n_workers = 1,
		.handshake_timeout_ns = handshake_timeout_ns };
	struct engine_listen listen = { .is_proxy = everybody };

	fix_new(fix, &set, FIX_ECHO);
	fix_listen(fix, &listen, "127.0.0.1:0");
	ck_assert(engine_start(fix->engine));
}

/* The header and a packet, cut behind byte `_i` of both. */
START_TEST(proxied)
{
	struct bnet_slice head =
	    unit_hex(PROXY_SIGNATURE "2111000c0a0000010a00000230390050"
				     "0100000061");
	int on = 1, fd;
	uint8_t got[1];
	struct fix fix;

	start_proxied(&fix, 0);
	fd = peer_connect(&fix);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	peer_write(fd, head.p, (size_t)_i);
	FIX_WAIT(&fix, n_admitted, 1);
	fix_wait_counter(&fix, ENGINE_TURNS, fix_counter(&fix, ENGINE_TURNS));
	peer_write(fd, head.p + _i, head.len - (size_t)_i);
	ck_assert_uint_eq(
	    peer_take(fd, BNET_ORDER_LITTLE, got, sizeof(got)), 1);
	ck_assert_uint_eq(got[0], 'a');
	close(fd);
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_uint_eq(fix.ends[ENGINE_END_PEER], 1);
	unit_free(head);
	fix_stop(&fix);
}
END_TEST

struct proxy_row {
	const char *name, *hex;
	bool refuse, shut;
	enum engine_end end;
};

static const struct proxy_row proxy_rows[] = {
	{ "no header", "0100000061", false, false, ENGINE_END_PROXY },
	{ "none, and the end", "", false, true, ENGINE_END_PROXY },
	{ "half, and the end", "0d0a0d0a", false, true, ENGINE_END_PROXY },
	{ "half", "0d0a0d0a", false, false, ENGINE_END_HANDSHAKE_TIMEOUT },
	{ "not let in", PROXY_SIGNATURE "2111000c0a0000010a00000230390050",
	    true, false, ENGINE_END_NOT_ADMITTED },
};

START_TEST(not_proxied)
{
	const struct proxy_row *row = &proxy_rows[_i];
	struct bnet_slice bytes = unit_hex(row->hex);
	struct fix fix;
	int fd;

	start_proxied(
	    &fix, row->end == ENGINE_END_HANDSHAKE_TIMEOUT ? 50000000 : 0);
	fix.refuse_located = row->refuse;
	fd = peer_connect(&fix);
	peer_write(fd, bytes.p, bytes.len);
	if (row->shut)
		ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_msg(fix.ends[row->end] == 1, "%s", row->name);
	ck_assert_uint_eq(fix.n_ready, 0);
	close(fd);
	unit_free(bytes);
	fix_stop(&fix);
}
END_TEST

/* ---- no descriptor, no memory ---- */

/* In a process of its own: check forks for each test. */
START_TEST(out_of_descriptors)
{
	struct engine_settings set = { .n_workers = 1 };
	struct rlimit limit, whole;
	struct fix fix;
	int fd, before, n = 0, filler[64];

	fix_start(&fix, &set, FIX_ECHO);
	fd = peer_connect(&fix);
	peer_send_u32(fd, 1);
	peer_expect_u32(fd, 1);
	before = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &whole), 0);
	limit = whole;
	limit.rlim_cur = (rlim_t)before + 10;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while ((filler[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	/* it is accepted and closed, and those that are there stay */
	ck_assert_int_eq(
	    connect(before, (struct sockaddr *)&fix.at.sa, fix.at.len_bytes),
	    0);
	peer_expect_end(before);
	fix_wait_counter(&fix, ENGINE_ACCEPTS_NO_MEMORY, 1);
	peer_send_u32(fd, 2);
	peer_expect_u32(fd, 2);
	/* nor can it connect */
	ck_assert(engine_connect(
	    fix.engine, &(const struct engine_connect){ .address = fix.at }));
	FIX_WAIT(&fix, n_no_conn, 1);
	while (n > 0)
		close(filler[--n]);
	close(before);
	before = peer_connect(&fix);
	peer_send_u32(before, 3);
	peer_expect_u32(before, 3);
	close(before);
	close(fd);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &whole), 0);
	fix_stop(&fix);
}
END_TEST

/*
 * Nothing helps, not even the spare descriptors: then the workers rest, and
 * one that asks in vain does not cost a turn after the other.
 */
START_TEST(nothing_but_rest)
{
	struct engine_settings set = { .n_workers = 2 };
	struct rlimit none, whole;
	struct fix fix;
	uint64_t turns, rests;
	int fd;

	fix_start(&fix, &set, FIX_ECHO);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &whole), 0);
	none = whole;
	none.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(
	    connect(fd, (struct sockaddr *)&fix.at.sa, fix.at.len_bytes), 0);
	fix_wait_counter(&fix, ENGINE_ACCEPT_RESTS, 4);
	turns = fix_counter(&fix, ENGINE_TURNS);
	rests = fix_counter(&fix, ENGINE_ACCEPT_RESTS);
	ck_assert_msg(turns <= 10 * rests, "%llu turns, %llu rests",
	    (unsigned long long)turns, (unsigned long long)rests);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &whole), 0);
	/* it was only put off */
	peer_send_u32(fd, 1);
	peer_expect_u32(fd, 1);
	close(fd);
	fix_stop(&fix);
}
END_TEST

START_TEST(no_budget_for_another)
{
	struct engine_settings set = { .n_workers = 1,
		.memory_max_bytes = 10000 };
	struct fix fix;
	int fds[10];

	fix_start(&fix, &set, FIX_ECHO);
	for (unsigned i = 0; i < 10; i++) {
		fds[i] = peer_connect(&fix);
		FIX_WAIT(&fix, n_admitted, i + 1);
	}
	FIX_WAIT(&fix, n_no_conn, 1);
	for (int i = 0; i < 10; i++)
		close(fds[i]);
	FIX_WAIT(&fix, n_gone, 10);
	ck_assert_uint_eq(
	    fix_counter(&fix, ENGINE_ACCEPTS_NO_MEMORY), fix.n_no_conn);
	fix_stop(&fix);
}
END_TEST

/* Everything that can be made before there are threads. */
static enum bnet_err
make_engine(void *arg)
{
	const struct engine_settings set = { .n_workers = 3,
		.hooks = &fix_hooks };
	const struct engine_listen listen = { .address = arg };
	struct engine *engine = engine_new(&set);
	enum bnet_err err = BNET_OK;

	if (engine == NULL || engine_listen(engine, &listen) == NULL ||
	    !engine_message(engine, 1, 0, (struct bnet_slice){ NULL, 0 }))
		err = BNET_ENOMEM;
	engine_free(engine);
	return err;
}

START_TEST(no_memory_to_begin_with)
{
	struct address at;

	ck_assert(address_parse("127.0.0.1:0", ADDRESS_PORT_NONE, &at));
	failmalloc_each(make_engine, &at);
}
END_TEST

static Suite *
engine_listen_suite(void)
{
	Suite *suite = suite_create("engine_listen");
	TCase *tc = unit_case(suite, "listen");

	tcase_add_loop_test(tc, to_itself, 0, 4);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, not_answered);
	tcase_add_loop_test(tc, no_more_after_stop_listening, 0, 2);
	tcase_add_loop_test(tc, given_socket, 0, 2);
	tcase_add_loop_test(tc, proxied, 0, 33);
	tcase_add_loop_test(tc, not_proxied, 0, UNIT_ROWS(proxy_rows));
	tcase_add_test(tc, out_of_descriptors);
	tcase_add_test(tc, nothing_but_rest);
	tcase_add_test(tc, no_budget_for_another);
	tcase_add_test(tc, no_memory_to_begin_with);
	return suite;
}

UNIT_MAIN(engine_listen_suite)
