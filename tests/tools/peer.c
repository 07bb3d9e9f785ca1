/* SPDX-License-Identifier: MIT */
/*
 * peer [-t SECONDS] [NAME=VALUE]...: plays the peers of a relay, as the script
 * of standard input says, line by line; prints what comes; ends with 1 at the
 * first thing that is not as expected, and says at which line. It shares
 * nothing with the engine but libbluenet. What is expected is waited for so
 * long (-t, timeout).
 *
 *	join NAME ADDR:PORT [...]	connect, hello, expect welcome
 *	connect NAME ADDR:PORT [order=little|network] [tls|tls12] [cert=F]
 *	    [key=F] [ca=F] [host=H] [rcvbuf=N] [limit=N] [nopong]
 *	hello NAME [role=client|node] [id=N] [name=S] [token=S]
 *	    [codecs=none|zlib|snappy|zlib,snappy] [maxframe=N] [version=N]
 *	send NAME [dest=hop|node:N|client:N|any|broadcast|type:N:N] [key=K]
 *	    [payload=TEXT|hex:..|size:N] [forks=1,2|1-9] [source=N] [serial=N]
 *	    [latency=N] [timestamp=N] [priority] [codec=zlib|snappy] [noheader]
 *	flood NAME count=N [...]	serials from 1
 *	register NAME KEY; roster NAME [roles=N] [prefix=S]; keepalive NAME
 *	echo NAME [dest=D] [cookie=N] [flags=N]; answer NAME
 *	raw NAME HEX... | file=F	bytes as they are
 *	expect NAME KIND [FIELD=GLOB]...	the next event is that
 *	await NAME KIND [FIELD=GLOB]...		the first such event
 *	expect-none NAME [via=NAME] [kind=GLOB]; fence NAME [via=NAME]
 *	collect total=N NAME:KIND...; check A OP B
 *	pause NAME; resume NAME; flush NAME
 *	close NAME; halfclose NAME; reset NAME; die
 *	run COMMAND; until COMMAND	of bash, $$ for $
 *	repeat N LINE			$i counts from 1
 *	timeout SECONDS; mute; set NAME VALUE
 *
 * KIND: name of a session message, pong, packet, bad-payload; or the end:
 * closed (in order), cut (inside a frame, or TLS without close_notify), reset,
 * bad (malformed), tls-failed, unreachable. $NAME.FIELD is that of the last
 * event that was expected, $NAME.id the id of the welcome. Header pings are
 * answered, keepalives and pongs passed over unless expected.
 */
#include "cmd/common/clock.h"
#include "cmd/replay/scenario/conn.h"
#include "cmd/replay/scenario/script.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

static void
cmd_die(struct peer_args *args)
{
	(void)args;
	(void)fflush(stdout);
	(void)raise(SIGKILL);
}

static int
bash(const char *command)
{
	char name[] = "bash", option[] = "-c";
	char *copy = peer_dup(command, strlen(command));
	char *argv[] = { name, option, copy, NULL };
	pid_t pid;
	int status;

	(void)fflush(stdout);
	if (posix_spawnp(&pid, name, NULL, NULL, argv, environ) != 0)
		peer_wrong("cannot run bash");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			peer_wrong("waitpid: %s", strerror(errno));
	free(copy);
	return status;
}

static void
do_run(const char *command)
{
	if (bash(command) != 0)
		peer_fail("failed: %s", command);
}

static void
do_until(const char *command)
{
	int64_t deadline_ns = peer_deadline();

	while (bash(command) != 0) {
		int64_t next_ns = clock_now_ns() + 50 * 1000000;

		while (peer_pump(next_ns))
			;
		if (clock_now_ns() > deadline_ns)
			peer_fail("not in time: %s", command);
	}
}

static const struct peer_command commands[] = {
	{ "die", cmd_die, false },
	{ NULL, NULL, false },
};

static const struct peer_line_command lines[] = {
	{ "run", do_run },
	{ "until", do_until },
	{ NULL, NULL },
};

static void
definitions(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (equals == NULL)
			peer_wrong("'%s' is not NAME=VALUE", argv[i]);
		*equals = '\0';
		peer_var_set(argv[i], equals + 1);
	}
}

int
main(int argc, char **argv)
{
	char *line = NULL;
	size_t bytes = 0;

	if (argc > 2 && strcmp(argv[1], "-t") == 0) {
		peer_timeout_s = strtod(argv[2], NULL);
		argc -= 2;
		argv += 2;
	}
	definitions(argc - 1, argv + 1);
	peer_begin();
	peer_extend(commands, lines);
	while (getline(&line, &bytes, stdin) >= 0) {
		peer_line++;
		peer_run_line(line);
	}
	free(line);
	peer_end();
	return 0;
}
