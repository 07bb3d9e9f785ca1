/* SPDX-License-Identifier: MIT */
/* The relay as a service, with the test in the place of systemd. */
#include "cmd/relay/service.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FD 3

START_TEST(test_no_sockets)
{
	struct service_sockets sockets = { .n = 7 };
	char err[SERVICE_ERR_CHARS];

	unsetenv("LISTEN_PID");
	ck_assert(service_take_sockets(&sockets, err));
	ck_assert_uint_eq(sockets.n, 0);
}
END_TEST

#ifdef HAVE_SYSTEMD
/* Descriptor 3 is what check talks on, so what takes it is a child. */
static int
in_child(bool (*run)(void))
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(run() ? 0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static int
tcp(bool listening)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	if (listening)
		ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static void
number(const char *name, long v)
{
	char text[40];

	snprintf(text, sizeof(text), "%ld", v);
	setenv(name, text, 1);
}

/* `n` sockets, all of which listen but the last, if that is not to. */
static void
pass(int n, const char *names, bool last_listens)
{
	int from[FIRST_FD + SERVICE_SOCKETS_MAX + 2];

	for (int i = 0; i < n; i++) {
		int fd = tcp(i + 1 < n || last_listens);

		/* out of the way of what is put up below */
		from[i] = fcntl(fd, F_DUPFD, 100);
		ck_assert_int_ge(from[i], 0);
		close(fd);
	}
	for (int i = 0; i < n; i++)
		if (dup2(from[i], FIRST_FD + i) < 0)
			_exit(2); /* not ck_assert: its descriptor is gone */
	number("LISTEN_PID", getpid());
	number("LISTEN_FDS", n);
	if (names != NULL)
		setenv("LISTEN_FDNAMES", names, 1);
}

static bool
takes_three(void)
{
	struct service_sockets sockets;
	char err[SERVICE_ERR_CHARS];

	pass(3, "tls:plain:relay.socket", true);
	if (!service_take_sockets(&sockets, err) || sockets.n != 3)
		return false;
	for (int i = 0; i < 3; i++)
		if (sockets.at[i].fd != FIRST_FD + i ||
		    sockets.at[i].tls != (i == 0) ||
		    (fcntl(FIRST_FD + i, F_GETFL) & O_NONBLOCK) == 0)
			return false;
	/* taken is taken */
	return service_take_sockets(&sockets, err) && sockets.n == 0;
}

static bool
refuses_what_does_not_listen(void)
{
	struct service_sockets sockets;
	char err[SERVICE_ERR_CHARS];

	pass(2, NULL, false);
	return !service_take_sockets(&sockets, err) &&
	    strstr(err, "passed descriptor 4 (") != NULL;
}

static bool
refuses_too_many(void)
{
	struct service_sockets sockets;
	char err[SERVICE_ERR_CHARS];

	pass(SERVICE_SOCKETS_MAX + 1, NULL, true);
	return !service_take_sockets(&sockets, err) &&
	    strstr(err, "expected at most 16") != NULL;
}

START_TEST(test_sockets)
{
	ck_assert_int_eq(in_child(takes_three), 0);
	ck_assert_int_eq(in_child(refuses_what_does_not_listen), 0);
	ck_assert_int_eq(in_child(refuses_too_many), 0);
}
END_TEST

START_TEST(test_notify)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[200], name[60];
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	snprintf(name, sizeof(name), "@test-service-%ld", (long)getpid());
	memcpy(sun.sun_path + 1, name + 1, strlen(name) - 1);
	ck_assert_int_eq(
	    bind(fd, (struct sockaddr *)&sun,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) +
		    strlen(name))),
	    0);
	setenv("NOTIFY_SOCKET", name, 1);
	service_ready("12 links");
	n = recv(fd, text, sizeof(text) - 1, 0);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, "READY=1\nSTATUS=12 links");
	service_reloading();
	n = recv(fd, text, sizeof(text) - 1, 0);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(strncmp(text, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	service_watchdog();
	n = recv(fd, text, sizeof(text) - 1, 0);
	ck_assert_int_eq(n, 10);
	service_stopping("bye");
	n = recv(fd, text, sizeof(text) - 1, 0);
	ck_assert_int_eq(n, 21);
	close(fd);
}
END_TEST

START_TEST(test_watchdog)
{
	unsetenv("WATCHDOG_USEC");
	ck_assert_int_eq(service_watchdog_interval_ns(), 0);
	number("WATCHDOG_USEC", 30000000);
	number("WATCHDOG_PID", getpid());
	ck_assert_int_eq(service_watchdog_interval_ns(), INT64_C(15000000000));
	number("WATCHDOG_PID", getpid() + 1); /* somebody else's */
	ck_assert_int_eq(service_watchdog_interval_ns(), 0);
}
END_TEST

#endif

START_TEST(test_user)
{
	char err[SERVICE_ERR_CHARS];

	ck_assert(!service_drop_privileges("no-such-user-here", err));
	ck_assert_str_eq(err, "user 'no-such-user-here': no such user");
	ck_assert(!service_drop_privileges("root", err));
	ck_assert_str_eq(err, "user 'root': expected another one than root");
	if (geteuid() != 0) {
		ck_assert(!service_drop_privileges("nobody", err));
		return;
	}
	ck_assert_msg(service_drop_privileges("nobody", err), "%s", err);
	ck_assert_uint_ne(geteuid(), 0);
	ck_assert_int_ne(setuid(0), 0);
	ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("service");
	TCase *tc = unit_case(suite, "service");

	tcase_add_test(tc, test_no_sockets);
#ifdef HAVE_SYSTEMD
	tcase_add_test(tc, test_sockets);
	tcase_add_test(tc, test_notify);
	tcase_add_test(tc, test_watchdog);
#endif
	tcase_add_test(tc, test_user);
	return suite;
}

UNIT_MAIN(make_suite)
