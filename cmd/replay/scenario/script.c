/* SPDX-License-Identifier: MIT */
#include "cmd/replay/scenario/script.h"

#include "cmd/replay/peer_expect.h"

#define TIMEOUT_MAX_S 86400

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

/* ---- everything else ------------------------------------------------------ */

static void
do_repeat(const char *rest)
{
	char *end, i[32];
	long n = strtol(rest, &end, 0);

	if (end == rest || n < 1)
		peer_wrong("repeat: a number from 1, not '%s'", rest);
	for (long at = 1; at <= n; at++) {
		(void)snprintf(i, sizeof(i), "%ld", at);
		peer_var_set("i", i);
		peer_run_line(end);
	}
}

static void
cmd_check(struct peer_args *args)
{
	int64_t a = peer_number_of("A", peer_arg_at(args, 1, "A"));
	const char *op = peer_arg_at(args, 2, "OP");
	int64_t b = peer_number_of("B", peer_arg_at(args, 3, "B"));
	const struct {
		const char *op;
		bool holds;
	} ops[] = { { "=", a == b }, { "!", a != b }, { "<", a < b },
		{ ">", a > b }, { "<=", a <= b }, { ">=", a >= b } };

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(op, ops[i].op) != 0)
			continue;
		if (!ops[i].holds)
			peer_expected(args, "it is not so", "");
		return;
	}
	peer_wrong("check: = ! < > <= >=, not '%s'", op);
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
	const char *text = peer_arg_at(args, 1, "SECONDS");
	char *end;

	peer_timeout_s = strtod(text, &end);
	if (end == text || *end != '\0' || !(peer_timeout_s > 0) ||
	    peer_timeout_s > TIMEOUT_MAX_S)
		peer_wrong("timeout: seconds, not '%s'", text);
}

static void
cmd_mute(struct peer_args *args)
{
	(void)args;
	peer_muted = true;
}

static const struct peer_command commands[] = {
	{ "answer", peer_answer, false },
	{ "await", peer_expect, true },
	{ "check", cmd_check, false },
	{ "close", cmd_close, false },
	{ "collect", peer_collect, true },
	{ "connect", peer_connect, false },
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
	{ NULL, NULL, false },
};

static const struct peer_command *more_commands;
static const struct peer_line_command *line_commands;

void
peer_extend(
    const struct peer_command *more, const struct peer_line_command *lines)
{
	more_commands = more;
	line_commands = lines;
}

static const struct peer_command *
find_in(const struct peer_command *table, const char *name)
{
	for (; table != NULL && table->name != NULL; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

const struct peer_command *
peer_command(const char *name)
{
	const struct peer_command *command = find_in(commands, name);

	return command != NULL ? command : find_in(more_commands, name);
}

const char *
peer_command_name(size_t i)
{
	return i < sizeof(commands) / sizeof(commands[0]) ? commands[i].name
							  : NULL;
}

/* ---- the script ----------------------------------------------------------- */

/* A variable, or FIELD of what connection NAME was last expected to say. */
static char *
lookup(const char *name, size_t len)
{
	const char *value = peer_var(name, len);
	const char *dot = memchr(name, '.', len);
	const struct peer_conn *c;
	char *text, id[32];
	size_t n;

	if (value != NULL)
		return peer_dup(value, strlen(value));
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
	const struct peer_command *command = peer_command(args->words[0]);

	if (command == NULL)
		peer_wrong("there is no command '%s'", args->words[0]);
	command->run(args);
	if (!command->own_words)
		peer_args_done(args);
}

/* The rest of such a line is taken as it is. */
static bool
run_as_line(const char *text)
{
	const struct peer_line_command *command = line_commands;

	for (; command != NULL && command->name != NULL; command++) {
		size_t len = strlen(command->name);

		if (strncmp(text, command->name, len) != 0 || text[len] != ' ')
			continue;
		command->run(text + len);
		return true;
	}
	return false;
}

void
peer_run_line(const char *line)
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
	if (!run_as_line(text)) {
		args = peer_split(text);
		if (args.n > 0)
			run_words(&args);
	}
	free(text);
}

/* ---- beginning and end ---------------------------------------------------- */

void
peer_begin(void)
{
	peer_codecs = bnet_codecs_new();
	peer_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (peer_codecs == NULL || peer_epoll < 0)
		peer_wrong("cannot start");
}

void
peer_end(void)
{
	while (peer_conns != NULL)
		peer_conn_free(peer_conns);
	bnet_codecs_free(peer_codecs);
	(void)close(peer_epoll);
}
