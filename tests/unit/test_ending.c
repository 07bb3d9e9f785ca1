/* SPDX-License-Identifier: MIT */
/*
 * cmd/common/ending, and each wait at the end of a program held up: threads,
 * workers of the engine, readers of shared tables, the hiccups of ping.
 */
#include "cmd/common/ending.h"

#include "cmd/common/cli.h"
#include "cmd/engine/rcu.h"
#include "cmd/ping/measure.h"
#include "cmd/common/hiccups.h"
#include "cmd/relay/http.h"
#include "tests/unit/engine_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define SHORT_NS INT64_C(1000000) /* of what does not end: it is over soon */
#define LONG_NS (WAIT_S * INT64_C(1000000000)) /* of what does */

/* A thread that is held: it says that it has come, and waits to be let go. */
static int came[2], go[2]; /* pipes */

static struct http *volatile left_alone; /* so that it is no leak */

static void
setup(void)
{
	ending_reset(SHORT_NS);
	ck_assert_int_eq(pipe2(came, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
}

static void
teardown(void)
{
	for (int i = 0; i < 2; i++) {
		close(came[i]);
		close(go[i]);
	}
	ending_reset(ENDING_LIMIT_NS);
}

static void
hold(void *arg)
{
	char byte = 1;

	(void)arg;
	while (write(came[1], &byte, 1) != 1)
		;
	while (read(go[0], &byte, 1) != 1)
		;
}

static void
wait_held(void)
{
	char byte;

	ck_assert_int_eq(read(came[0], &byte, 1), 1);
}

/* Now everything may take as long as it takes. */
static void
let_go(void)
{
	char byte = 1;

	ending_reset(LONG_NS);
	ck_assert_int_eq(write(go[1], &byte, 1), 1);
}

static void *
held_thread(void *arg)
{
	hold(arg);
	return NULL;
}

static pthread_t
start_held(void)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, held_thread, NULL), 0);
	wait_held();
	return thread;
}

/* ---- the waits themselves ---- */

START_TEST(a_thread)
{
	pthread_t thread = start_held();

	ck_assert(!ending_join(thread, "a thread"));
	ck_assert(ending_is_stuck());
	let_go();
	ck_assert(!ending_is_stuck());
	ck_assert(ending_join(thread, "a thread"));
	ck_assert(!ending_is_stuck());
	ck_assert_int_eq(ending_code(3), 3);
}
END_TEST

static void
hold_call(void *arg)
{
	char byte = 2;

	hold(arg);
	while (write(came[1], &byte, 1) != 1)
		;
}

static void
count_call(void *arg)
{
	++*(int *)arg;
}

START_TEST(a_call)
{
	int n = 0;

	ending_reset(LONG_NS);
	ck_assert(ending_call(count_call, &n, "a call"));
	ck_assert_int_eq(n, 1);
	ending_reset(SHORT_NS);
	ck_assert(!ending_call(hold_call, NULL, "a call"));
	ck_assert(ending_is_stuck());
	/* its arguments may be in use: nothing more is called */
	ck_assert(!ending_call(count_call, &n, "another"));
	ck_assert_int_eq(n, 1);
	wait_held();
	let_go();
	wait_held(); /* that it has gone on */
}
END_TEST

/* ---- leaving ---- */

static int out[2]; /* a pipe, to what the parent reads */

static void
leave_with_output(const void *arg)
{
	FILE *f = fdopen(out[1], "w");

	(void)arg;
	fputs("what there is", f);
	if (ending_join(start_held(), "a thread"))
		return;
	ending_set_limit(LONG_NS); /* of the flush, which does end */
	(void)ending_code(CLI_OK);
}

static void *
hold_stream(void *f)
{
	flockfile(f);
	hold(NULL);
	return NULL;
}

/* The stream is a thread's that does not end: it cannot be flushed. */
static void
leave_with_held_stream(const void *arg)
{
	FILE *f = fdopen(out[1], "w");
	pthread_t thread;

	(void)arg;
	fputs("lost", f);
	if (pthread_create(&thread, NULL, hold_stream, f) != 0)
		return;
	wait_held();
	if (!ending_join(thread, "the holder"))
		(void)ending_code(CLI_OK);
}

static void
leave_well(const void *arg)
{
	(void)arg;
	exit(ending_code(CLI_LOSSY));
}

static const struct leave_row {
	void (*body)(const void *arg);
	int status;
	const char *text;
} leaves[] = {
	{ leave_well, CLI_LOSSY, "" },
	{ leave_with_output, CLI_STUCK, "what there is" },
	{ leave_with_held_stream, CLI_STUCK, "" },
};

START_TEST(leaving)
{
	const struct leave_row *row = &leaves[_i];
	char text[64] = "";

	ck_assert_int_eq(pipe(out), 0);
	unit_exits(row->body, NULL, row->status);
	close(out[1]);
	ck_assert_int_eq(
	    read(out[0], text, sizeof(text) - 1), (ssize_t)strlen(row->text));
	ck_assert_str_eq(text, row->text);
	close(out[0]);
}
END_TEST

/* ---- the engine ---- */

static void
hold_packet(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	(void)conn;
	(void)packet;
	hold(arg);
}

/* A hook that does not return: one worker goes on, the others end. */
START_TEST(a_worker)
{
	static struct engine_hooks hooks;
	struct engine_settings set = { .n_workers = 3, .hooks = &hooks };
	unsigned n_ended = 0;
	struct fix fix;
	int fd;

	hooks = fix_hooks;
	hooks.packet = hold_packet;
	fix_start(&fix, &set, FIX_COUNT);
	fd = peer_connect(&fix);
	peer_send_u32(fd, 1);
	wait_held();
	/* the other two have all the time that they need */
	while (n_ended < 2) {
		ending_reset(SHORT_NS);
		ck_assert(!engine_stop(fix.engine));
		ck_assert(ending_is_stuck());
		n_ended = 0;
		for (unsigned i = 0; i < 3; i++)
			n_ended += engine_ended(fix.engine, i);
	}
	ck_assert_uint_eq(n_ended, 2);
	engine_free(fix.engine); /* does nothing */
	let_go();
	close(fd);
	fix_stop(&fix);
}
END_TEST

static void *
held_reader(void *arg)
{
	engine_read_lock();
	hold(arg);
	engine_read_unlock();
	return NULL;
}

/* The classic: known to RCU and asleep, so that no grace period ends. */
START_TEST(a_reader)
{
	struct engine_settings set = { .n_workers = 2 };
	pthread_t reader;
	struct fix fix;
	int fd;

	fix_start(&fix, &set, FIX_COUNT);
	fd = peer_connect(&fix);
	FIX_WAIT(&fix, n_ready, 1);
	ck_assert_int_eq(pthread_create(&reader, NULL, held_reader, NULL), 0);
	wait_held();
	do {
		ending_reset(SHORT_NS);
		ck_assert(!engine_stop(fix.engine));
	} while (!engine_ended(fix.engine, 0) || !engine_ended(fix.engine, 1));
	ck_assert(!engine_stop(fix.engine)); /* now it is the reader */
	engine_free(fix.engine);
	let_go();
	ck_assert(ending_join(reader, "the reader"));
	close(fd);
	fix_stop(&fix);
}
END_TEST

/* ---- the hiccups ---- */

static void
hold_signalled(int sig)
{
	(void)sig;
	hold(NULL);
}

/* Its thread is the one that does not block the signal. */
START_TEST(the_hiccups)
{
	struct sigaction action = { .sa_handler = hold_signalled };
	struct hiccups *hiccups;
	sigset_t set, before;

	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	hiccups = hiccups_start();
	ck_assert_ptr_nonnull(hiccups);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, &before), 0);
	ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
	wait_held();
	ck_assert(!hiccups_stop(hiccups));
	ck_assert(ending_is_stuck());
	let_go();
	ck_assert(hiccups_stop(hiccups));
	ck_assert(hiccups_stop(NULL));
	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}
END_TEST

/* ---- the measurement ---- */

/* We hold the lock, so that its worker cannot end, nor we take it again. */
START_TEST(the_measurement)
{
	static const struct client_files files;
	char name[] = "held";
	struct ping_options opt = {
		.interval_ns = SHORT_NS, .timeout_ns = SHORT_NS, .name = name
	};
	struct measure_view view = { 0 };
	char why[MEASURE_REASON_CHARS], relay[ADDRESS_CHARS];
	struct measure *measure;
	struct fix fix;
	size_t n = 1;

	ending_reset(LONG_NS);
	fix_start(&fix, &(struct engine_settings){ .n_workers = 1 }, FIX_COUNT);
	opt.relay = address_format(&fix.at, relay);
	measure = measure_start(&opt, &files, why);
	ck_assert_msg(measure != NULL, "%s", why);
	FIX_WAIT(&fix, n_packets, 1); /* the hello */
	ck_assert_ptr_nonnull(measure_lock(measure));
	ending_reset(SHORT_NS);
	ck_assert_ptr_null(measure_take(measure, &n, &view));
	ck_assert_uint_eq(n, 0);
	ck_assert(ending_is_stuck());
	ck_assert(!measure_stop(measure));
	ck_assert_ptr_null(measure_lock(measure));
	measure_free(measure); /* does nothing */
	measure_unlock(measure);
	ending_reset(LONG_NS);
	ck_assert(measure_stop(measure));
	(void)measure_take(measure, &n, &view);
	measure_free(measure);
	fix_stop(&fix);
}
END_TEST

/* ---- the metrics server ---- */

static bool
held_page(void *arg, struct text *page)
{
	char byte = 2;

	(void)page;
	hold(arg);
	while (write(came[1], &byte, 1) != 1)
		;
	return true;
}

static unsigned
n_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	for (struct dirent *d; (d = readdir(dir)) != NULL;)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void *
nothing(void *arg)
{
	return arg;
}

/* TSan starts threads of its own with the first one of a process. */
static unsigned
n_threads_at_rest(void)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, nothing, NULL), 0);
	pthread_join(thread, NULL);
	return n_threads();
}

/* A page that is not done. What serves it is left alone, and its memory too. */
START_TEST(the_metrics)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	static const struct http_page pages[] = {
		{ .path = "/", .content_type = "text/plain", .make = held_page }
	};
	struct http_settings set = { .pages = pages, .n_pages = 1 };
	struct address at, any;
	struct http *http;
	unsigned n_before = n_threads_at_rest();
	int fd;

	ck_assert(address_parse("127.0.0.1:0", ADDRESS_PORT_NONE, &any));
	set.address = &any;
	http = http_open(&set);
	ck_assert_ptr_nonnull(http);
	ck_assert(http_start(http));
	at = http_address(http);
	fd = peer_connect_to(&at, 0);
	peer_write(fd, request, sizeof(request) - 1);
	wait_held();
	http_free(http);
	ck_assert(ending_is_stuck());
	left_alone = http;
	let_go();
	wait_held(); /* that it has gone on */
	close(fd);
	while (n_threads() > n_before) /* or TSan calls them leaked */
		sched_yield();
}
END_TEST

static Suite *
ending_suite(void)
{
	Suite *suite = suite_create("ending");
	TCase *tc = unit_case(suite, "ending");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_thread);
	tcase_add_test(tc, a_call);
	tcase_add_loop_test(tc, leaving, 0, UNIT_ROWS(leaves));
	tcase_add_test(tc, a_worker);
	tcase_add_test(tc, a_reader);
	tcase_add_test(tc, the_hiccups);
	tcase_add_test(tc, the_measurement);
	tcase_add_test(tc, the_metrics);
	return suite;
}

UNIT_MAIN(ending_suite)
