/* SPDX-License-Identifier: MIT */
/*
 * A relay that the scenarios start for themselves. Owns its process and the
 * pipe of its standard output. Called by run.c.
 */
#include "cmd/replay/scenario/relay.h"

#include "cmd/common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_NS (INT64_C(30) * 1000000000)
#define END_NS (INT64_C(30) * 1000000000)
#define LOOK_MS 20
#define SAID_BYTES 4096
#define READY " ready on "

/* ---- in its process ---- */

_Noreturn static void
exec_relay(const char *command, const char *options, bool shown, int out_fd)
{
	char shell[] = "sh", option[] = "-c", *line = NULL;
	char *argv[] = { shell, option, NULL, NULL };
	int nothing = open("/dev/null", O_RDWR);

	if (asprintf(&line, "exec %s %s", command, options) < 0)
		_exit(127);
	argv[2] = line;
	(void)signal(SIGINT, SIG_IGN); /* it ends when it is told to */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* or when we are gone */
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    dup2(out_fd, STDOUT_FILENO) < 0 ||
	    (!shown && dup2(nothing, STDERR_FILENO) < 0))
		_exit(127);
	execv("/bin/sh", argv);
	_exit(127);
}

/* ---- in ours ---- */

/* The address of the first whole line that ends in READY ADDRESS. */
static bool
is_ready(const char *said, char *where)
{
	const char *line = said, *end, *at;

	for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		at = strstr(line, READY);
		if (at == NULL || at > end)
			continue;
		at += strlen(READY);
		if (memchr(at, ' ', (size_t)(end - at)) != NULL ||
		    end - at >= ADDRESS_CHARS)
			continue; /* "ADDRESS tls" */
		memcpy(where, at, (size_t)(end - at));
		where[end - at] = '\0';
		return true;
	}
	return false;
}

static bool
wait_ready(struct scenario_relay *relay, char *err)
{
	int64_t deadline_ns = clock_now_ns() + READY_NS;
	char said[SAID_BYTES + 1] = "";
	struct pollfd ready = { .fd = relay->out_fd, .events = POLLIN };
	size_t n = 0;
	ssize_t more;

	while (!is_ready(said, relay->where)) {
		if (clock_now_ns() > deadline_ns || n == SAID_BYTES) {
			snprintf(err, SCENARIO_RELAY_ERR_CHARS,
			    "the relay did not say 'ready on ADDRESS:PORT'");
			return false;
		}
		if (poll(&ready, 1, LOOK_MS) <= 0)
			continue;
		more = read(relay->out_fd, said + n, SAID_BYTES - n);
		if (more <= 0) {
			snprintf(err, SCENARIO_RELAY_ERR_CHARS,
			    "the relay ended before it was ready");
			return false;
		}
		n += (size_t)more;
		said[n] = '\0';
	}
	return true;
}

bool
scenario_relay_start(struct scenario_relay *relay, const char *command,
    const char *options, bool shown, char err[SCENARIO_RELAY_ERR_CHARS])
{
	int pipes[2];

	*relay = (struct scenario_relay){ .out_fd = -1 };
	if (pipe2(pipes, O_CLOEXEC) != 0) {
		snprintf(
		    err, SCENARIO_RELAY_ERR_CHARS, "pipe: %s", strerror(errno));
		return false;
	}
	relay->out_fd = pipes[0];
	relay->pid = fork();
	if (relay->pid == 0)
		exec_relay(command, options, shown, pipes[1]);
	close(pipes[1]);
	if (relay->pid < 0) {
		relay->pid = 0;
		snprintf(
		    err, SCENARIO_RELAY_ERR_CHARS, "fork: %s", strerror(errno));
		close(relay->out_fd);
		return false;
	}
	if (wait_ready(relay, err))
		return true;
	scenario_relay_stop(relay);
	return false;
}

static bool
has_ended(pid_t pid)
{
	pid_t got = waitpid(pid, NULL, WNOHANG);

	return got == pid || (got < 0 && errno == ECHILD);
}

void
scenario_relay_stop(struct scenario_relay *relay)
{
	int64_t deadline_ns = clock_now_ns() + END_NS;
	struct pollfd out = { .fd = relay->out_fd, .events = POLLIN };
	char said[SAID_BYTES];

	if (relay->pid == 0)
		return;
	(void)kill(relay->pid, SIGTERM);
	while (!has_ended(relay->pid)) {
		if (clock_now_ns() > deadline_ns)
			(void)kill(relay->pid, SIGKILL);
		/* the end of its output comes with its own */
		if (poll(&out, 1, LOOK_MS) > 0 &&
		    read(relay->out_fd, said, sizeof(said)) <= 0)
			out.fd = -1;
	}
	close(relay->out_fd);
	relay->pid = 0;
}
