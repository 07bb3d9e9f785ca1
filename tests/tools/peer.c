/* SPDX-License-Identifier: MIT */
/*
 * peer [-f SCRIPT] [NAME=VALUE]...: plays the peers of a relay, as a script
 * says, line by line; prints what comes; ends with 1 at the first thing that
 * is not as expected, and says at which line. It shares nothing with the
 * engine but libbluenet.
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
 *	expect-none NAME [via=NAME]; fence NAME [via=NAME]
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
#include "tests/tools/peer_expect.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static void run_line(const char *line);

static struct peer_conn *
named(struct peer_args *args)
{
	return peer_conn(peer_arg_at(args, 1, "NAME"));
}

/* ---- connections ---------------------------------------------------------- */

static void
cmd_join(struct peer_args *args)
{
	char hello[] = "hello", expect[] = "expect", welcome[] = "welcome";
	struct peer_args wanted = { { expect, args->words[1], welcome },
		{ false }, 3 };

	peer_connect(args);
	args->words[0] = hello;
	peer_message_send(args);
	peer_expect(&wanted);
}

static void
cmd_pause(struct peer_args *args)
{
	struct peer_conn *c = named(args);

	c->paused = strcmp(args->words[0], "pause") == 0;
	(void)peer_conn_write(c);
}

static void
flush(struct peer_conn *c)
{
	int64_t deadline_ns = peer_deadline();

	while (!peer_conn_write(c))
		if (!peer_pump(deadline_ns))
			peer_fail("%s takes no more", c->name);
}

static void
cmd_flush(struct peer_args *args)
{
	flush(named(args));
}

static void
say_the_end(struct peer_conn *c)
{
	flush(c);
	if (c->fd >= 0 && bnet_link_close(c->link) == BNET_OK)
		flush(c);
}

static void
cmd_close(struct peer_args *args)
{
	struct peer_conn *c = named(args);

	say_the_end(c);
	peer_conn_free(c);
}

static void
cmd_halfclose(struct peer_args *args)
{
	struct peer_conn *c = named(args);

	say_the_end(c);
	(void)shutdown(c->fd, SHUT_WR);
}

static void
cmd_reset(struct peer_args *args)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct peer_conn *c = named(args);

	(void)setsockopt(
	    c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	peer_conn_free(c);
}

static void
cmd_die(struct peer_args *args)
{
	(void)args;
	(void)fflush(stdout);
	(void)raise(SIGKILL);
}

/* ---- everything else ------------------------------------------------------ */

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

static void
do_repeat(const char *rest)
{
	char *end, i[32];
	long n = strtol(rest, &end, 0);

	for (long at = 1; at <= n; at++) {
		(void)snprintf(i, sizeof(i), "%ld", at);
		peer_var_set("i", i);
		run_line(end);
	}
}

static void
cmd_check(struct peer_args *args)
{
	int64_t a = peer_number_of("A", peer_arg_at(args, 1, "A"));
	const char *op = peer_arg_at(args, 2, "OP");
	int64_t b = peer_number_of("B", peer_arg_at(args, 3, "B"));
	bool holds = op[0] == '=' ? a == b
	    : op[0] == '!'        ? a != b
	    : op[0] == '<'        ? a < b
				  : a > b;

	if (strchr("=!<>", op[0]) == NULL)
		peer_wrong("check: = ! < >, not '%s'", op);
	if (!holds)
		peer_expected(args, "it is not so", "");
}

static void
cmd_set(struct peer_args *args)
{
	peer_var_set(
	    peer_arg_at(args, 1, "NAME"), peer_arg_at(args, 2, "VALUE"));
}

static void
cmd_timeout(struct peer_args *args)
{
	peer_timeout_s = strtod(peer_arg_at(args, 1, "SECONDS"), NULL);
}

static void
cmd_mute(struct peer_args *args)
{
	(void)args;
	peer_muted = true;
}

static const struct {
	const char *name;
	void (*run)(struct peer_args *args);
	bool own_words; /* it looks at all words itself */
} commands[] = {
	{ "answer", peer_answer, false },
	{ "await", peer_expect, true },
	{ "check", cmd_check, false },
	{ "close", cmd_close, false },
	{ "collect", peer_collect, true },
	{ "connect", peer_connect, false },
	{ "die", cmd_die, false },
	{ "echo", peer_message_send, false },
	{ "expect", peer_expect, true },
	{ "expect-none", peer_fence, false },
	{ "fence", peer_fence, false },
	{ "flood", peer_send, false },
	{ "flush", cmd_flush, false },
	{ "halfclose", cmd_halfclose, false },
	{ "hello", peer_message_send, false },
	{ "join", cmd_join, false },
	{ "keepalive", peer_message_send, false },
	{ "mute", cmd_mute, false },
	{ "pause", cmd_pause, false },
	{ "raw", peer_raw, false },
	{ "register", peer_message_send, false },
	{ "reset", cmd_reset, false },
	{ "resume", cmd_pause, false },
	{ "roster", peer_message_send, false },
	{ "send", peer_send, false },
	{ "set", cmd_set, false },
	{ "timeout", cmd_timeout, false },
};

/* Those that take the rest of the line as it is; repeat expands it later. */
static const struct {
	const char *name;
	void (*run)(const char *rest);
} raw_commands[] = {
	{ "run ", do_run },
	{ "until ", do_until },
};

/* ---- the script ----------------------------------------------------------- */

/* A variable, or FIELD of what connection NAME was last expected to say. */
static char *
lookup(const char *name, size_t len)
{
	const struct peer_var *var = peer_var_find(name, len);
	const char *dot = memchr(name, '.', len);
	const struct peer_conn *c;
	char *text, id[32];
	size_t n;

	if (var != NULL)
		return peer_dup(var->value, strlen(var->value));
	if (dot == NULL)
		return NULL;
	text = peer_dup(name, (size_t)(dot - name));
	c = peer_conn_find(text);
	free(text);
	n = len - (size_t)(dot + 1 - name);
	if (c == NULL)
		return NULL;
	if (n == 2 && memcmp(dot + 1, "id", 2) == 0) {
		(void)snprintf(id, sizeof(id), "%" PRIu64, c->id);
		return peer_dup(id, strlen(id));
	}
	return c->seen == NULL ? NULL : peer_event_field(c->seen, dot + 1, n);
}

static void
run_words(struct peer_args *args)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, args->words[0]) != 0)
			continue;
		commands[i].run(args);
		if (!commands[i].own_words)
			peer_args_done(args);
		return;
	}
	peer_wrong("there is no command '%s'", args->words[0]);
}

static void
run_line(const char *line)
{
	struct peer_args args;
	char *text;

	line += strspn(line, " \t\n");
	if (strncmp(line, "repeat ", 7) == 0) {
		do_repeat(line + 7);
		return;
	}
	if (*line == '#')
		return;
	text = peer_expand(line, lookup);
	for (size_t i = 0; i < sizeof(raw_commands) / sizeof(raw_commands[0]);
	     i++) {
		size_t len = strlen(raw_commands[i].name);

		if (strncmp(text, raw_commands[i].name, len) == 0) {
			raw_commands[i].run(text + len);
			free(text);
			return;
		}
	}
	args = peer_split(text);
	if (args.n > 0)
		run_words(&args);
	free(text);
}

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
	FILE *script = stdin;
	char *line = NULL;
	size_t bytes = 0;

	if (argc > 2 && strcmp(argv[1], "-f") == 0) {
		script = fopen(argv[2], "r");
		if (script == NULL)
			peer_wrong("%s: %s", argv[2], strerror(errno));
		argc -= 2;
		argv += 2;
	}
	definitions(argc - 1, argv + 1);
	peer_codecs = bnet_codecs_new();
	peer_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (peer_codecs == NULL || peer_epoll < 0)
		peer_wrong("cannot start");
	while (getline(&line, &bytes, script) >= 0) {
		peer_line++;
		run_line(line);
	}
	free(line);
	while (peer_conns != NULL)
		peer_conn_free(peer_conns);
	bnet_codecs_free(peer_codecs);
	return 0;
}
