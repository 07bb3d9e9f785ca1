/* SPDX-License-Identifier: MIT */
/* In this order: commands; what they do; the socket; the thread; the client. */
#include "cmd/relay/control.h"

#include "cmd/common/cli.h"
#include "cmd/common/clock.h"
#include "cmd/common/ending.h"
#include "cmd/common/json.h"
#include "cmd/relay/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 4
#define BACKLOG 16
#define HEAD_BYTES 32 /* of an answer: "error N\n" */
#define NS_PER_MS 1000000
#define REST_MS 100 /* after an accept that failed */
#define ASK_TIMEOUT_NS INT64_C(30000000000) /* others are served first */

static bool fail(char err[CONTROL_ERR_CHARS], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static bool
fail(char err[CONTROL_ERR_CHARS], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(err, CONTROL_ERR_CHARS, fmt, args);
	va_end(args);
	return false;
}

/* ---- commands ---- */

#define VERBS_SYNTAX \
	"list, show ROLE ID, kick ROLE ID, drain ROLE ID, block ADDRESS," \
	" unblock ADDRESS, blocked or log-level LEVEL"

enum takes {
	TAKES_NOTHING,
	TAKES_LINK,
	TAKES_BLOCK,
	TAKES_LEVEL,
};

static const struct {
	const char *name;
	enum takes takes;
} verbs[] = {
	[CONTROL_LIST] = { "list", TAKES_NOTHING },
	[CONTROL_SHOW] = { "show", TAKES_LINK },
	[CONTROL_KICK] = { "kick", TAKES_LINK },
	[CONTROL_DRAIN] = { "drain", TAKES_LINK },
	[CONTROL_BLOCK] = { "block", TAKES_BLOCK },
	[CONTROL_UNBLOCK] = { "unblock", TAKES_BLOCK },
	[CONTROL_BLOCKED] = { "blocked", TAKES_NOTHING },
	[CONTROL_LOG_LEVEL] = { "log-level", TAKES_LEVEL },
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct {
	size_t n_words; /* after the name */
	const char *syntax;
} wants[] = {
	[TAKES_NOTHING] = { 0, "nothing" },
	[TAKES_LINK] = { 2, "\"client\" or \"node\", and an id" },
	[TAKES_BLOCK] = { 1, CIDR_SYNTAX },
	[TAKES_LEVEL] = { 1, "error, warn, info or debug" },
};

static const char *
role_word(enum bnet_role role)
{
	return role == BNET_ROLE_NODE ? "node" : "client";
}

static bool
read_link(struct control_command *command, char *const *words)
{
	char *end;

	if (strcmp(words[0], "node") == 0)
		command->role = BNET_ROLE_NODE;
	else if (strcmp(words[0], "client") == 0)
		command->role = BNET_ROLE_CLIENT;
	else
		return false;
	if (words[1][0] < '0' || words[1][0] > '9')
		return false;
	errno = 0;
	command->id = strtoull(words[1], &end, 10);
	return errno == 0 && *end == '\0' && command->id > 0;
}

static bool
read_level(struct control_command *command, const char *word)
{
	for (int i = 0; log_level_names[i] != NULL; i++)
		if (strcmp(log_level_names[i], word) == 0) {
			command->level = (enum log_level)i;
			return true;
		}
	return false;
}

static bool
read_words(struct control_command *command, enum takes takes, char **words)
{
	switch (takes) {
	case TAKES_NOTHING:
		return true;
	case TAKES_LINK:
		return read_link(command, words);
	case TAKES_BLOCK:
		return cidr_parse(words[0], &command->block);
	case TAKES_LEVEL:
		return read_level(command, words[0]);
	}
	return false;
}

/* Returns the number of words, at most WORDS_MAX. */
static size_t
split(char *line, char *words[WORDS_MAX])
{
	char *rest, *word;
	size_t n = 0;

	for (word = strtok_r(line, " \t", &rest); word != NULL && n < WORDS_MAX;
	     word = strtok_r(NULL, " \t", &rest))
		words[n++] = word;
	return n;
}

bool
control_parse(const char *line, struct control_command *command,
    char err[CONTROL_ERR_CHARS])
{
	char copy[CONTROL_LINE_BYTES], *words[WORDS_MAX];
	size_t n, verb = 0;

	if (strlen(line) >= sizeof(copy))
		return fail(err, "expected a command of at most %zu bytes",
		    sizeof(copy) - 1);
	memcpy(copy, line, strlen(line) + 1);
	n = split(copy, words);
	if (n == 0)
		return fail(err, "expected " VERBS_SYNTAX);
	while (verb < N_VERBS && strcmp(verbs[verb].name, words[0]) != 0)
		verb++;
	if (verb == N_VERBS)
		return fail(err, "\"%s\": expected " VERBS_SYNTAX, words[0]);
	*command = (struct control_command){ .verb = (enum control_verb)verb };
	if (n - 1 == wants[verbs[verb].takes].n_words &&
	    read_words(command, verbs[verb].takes, words + 1))
		return true;
	return fail(err, "\"%s\": expected %s after %s", line,
	    wants[verbs[verb].takes].syntax, words[0]);
}

/* ---- what they do; on the thread ---- */

/* A row of the table. */
static void
list_one(void *arg, const struct link_view *link)
{
	struct text *out = arg;
	time_t t = (time_t)link->since_s;
	struct tm tm;
	char when[32] = "-";

	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	text_printf(out,
	    "%-6s %20" PRIu64 " %-21s %s %12" PRIu64 " %12" PRIu64 " ",
	    role_word(link->role), link->id, link->address, when,
	    link->queue_bytes, link->memory_bytes);
	text_json(out, link->name);
	text_str(out, "\n");
}

static bool
list(struct relay *relay, struct text *out, char err[CONTROL_ERR_CHARS])
{
	text_printf(out, "%-6s %20s %-21s %-20s %12s %12s %s\n", "ROLE", "ID",
	    "ADDRESS", "SINCE", "QUEUE", "MEMORY", "NAME");
	return admin_each_link(relay, list_one, out) ||
	    fail(err, "out of memory");
}

/* Under the lock: the link must not go meanwhile. */
static bool
with_link(struct relay *relay, const struct control_command *command,
    struct text *out, char err[CONTROL_ERR_CHARS])
{
	uint32_t type = command->verb == CONTROL_KICK
	    ? RELAY_MESSAGE_KICK
	    : RELAY_MESSAGE_DRAIN_LINK;
	const char *role = role_word(command->role);
	struct route_entry *entry =
	    routes_find(relay->routes, command->role, command->id);
	struct link_view link;
	struct bnet_slice handle;

	if (entry == NULL)
		return fail(err, "there is no %s %" PRIu64, role, command->id);
	link = admin_link(entry);
	if (command->verb == CONTROL_SHOW) {
		links_json_link(out, &link, true);
		text_str(out, "\n");
		return true;
	}
	if (command->verb == CONTROL_DRAIN && link.stock)
		return fail(err,
		    "%s %" PRIu64 " said no hello, so it cannot be told to"
		    " leave: kick it",
		    role, command->id);
	handle = (struct bnet_slice){ (const uint8_t *)&entry->sendq->handle,
		sizeof(entry->sendq->handle) };
	if (!engine_message(relay->engine, entry->sendq->worker, type, handle))
		return fail(err, "out of memory");
	text_printf(
	    out, "%s %" PRIu64 " is told to leave\n", role, command->id);
	return true;
}

static bool
block(struct relay *relay, const struct control_command *command,
    char err[CONTROL_ERR_CHARS])
{
	const struct bnet_slice nothing = { NULL, 0 };

	if (command->verb == CONTROL_UNBLOCK)
		return limits_unblock(relay->limits, &command->block) ||
		    fail(err, "that is not blocked; see the command blocked");
	if (!limits_block(relay->limits, &command->block))
		return fail(err, "%d are blocked already, which is the limit",
		    LIMITS_BLOCKS_MAX);
	for (unsigned i = 0; i < engine_n_workers(relay->engine); i++)
		if (!engine_message(
			relay->engine, i, RELAY_MESSAGE_BLOCKED, nothing))
			return fail(err,
			    "blocked, but out of memory to end the links that"
			    " are up");
	return true;
}

static void
blocked(struct relay *relay, struct text *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct cidr at[LIMITS_BLOCKS_MAX];
	size_t n = limits_blocks(relay->limits, at);
	char ip[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < n; i++) {
		bool v4 = memcmp(at[i].ip, mapped, sizeof(mapped)) == 0 &&
		    at[i].bits >= 96;

		if (inet_ntop(v4 ? AF_INET : AF_INET6,
			at[i].ip + (v4 ? sizeof(mapped) : 0), ip,
			sizeof(ip)) != NULL)
			text_printf(
			    out, "%s/%u\n", ip, at[i].bits - (v4 ? 96 : 0));
	}
}

static bool
act(struct relay *relay, const struct control_command *command,
    struct text *out, char err[CONTROL_ERR_CHARS])
{
	bool ok;

	switch (command->verb) {
	case CONTROL_LIST:
		return list(relay, out, err);
	case CONTROL_SHOW:
	case CONTROL_KICK:
	case CONTROL_DRAIN:
		engine_read_lock();
		ok = with_link(relay, command, out, err);
		engine_read_unlock();
		return ok;
	case CONTROL_BLOCK:
	case CONTROL_UNBLOCK:
		return block(relay, command, err);
	case CONTROL_BLOCKED:
		blocked(relay, out);
		return true;
	case CONTROL_LOG_LEVEL:
		log_set_level(command->level);
		return true;
	}
	return false;
}

/* ---- the socket ---- */

struct control {
	struct relay *relay;
	char *path;
	dev_t dev; /* of the socket's file */
	ino_t ino;
	int fd, stop_fd; /* -1: not open */
	bool started;
	pthread_t thread;
};

static bool
address_of(const char *path, struct sockaddr_un *un)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(un->sun_path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(un->sun_path, path, strlen(path));
	return true;
}

/* A new socket that is connected; -1: errno. */
static int
connect_to(const struct sockaddr_un *un)
{
	int error, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0)
		return fd;
	error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

/* Remove a socket that nobody listens on; nothing else. */
static bool
make_way(const struct sockaddr_un *un, char err[CONTROL_ERR_CHARS])
{
	struct stat st;
	int fd;

	if (lstat(un->sun_path, &st) != 0)
		return true; /* bind() finds out what else is wrong */
	if (!S_ISSOCK(st.st_mode))
		return fail(err, "%s: there is a file that is not a socket",
		    un->sun_path);
	fd = connect_to(un);
	if (fd >= 0) {
		(void)close(fd);
		return fail(
		    err, "%s: a process listens there already", un->sun_path);
	}
	if (errno != ECONNREFUSED || unlink(un->sun_path) != 0)
		return fail(err, "%s: %s", un->sun_path, strerror(errno));
	return true;
}

/* The mode is right from the start, so that nobody slips in. */
static bool
listen_at(struct control *control, const struct sockaddr_un *un)
{
	mode_t before = umask(0177);
	struct stat st;
	bool ok;

	control->fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ok = control->fd >= 0 &&
	    bind(control->fd, (const struct sockaddr *)un, sizeof(*un)) == 0;
	(void)umask(before);
	if (!ok || lstat(un->sun_path, &st) != 0)
		return false;
	control->dev = st.st_dev;
	control->ino = st.st_ino;
	control->stop_fd = eventfd(0, EFD_CLOEXEC);
	return control->stop_fd >= 0 && listen(control->fd, BACKLOG) == 0;
}

struct control *
control_open(struct relay *relay, const char *path, char err[CONTROL_ERR_CHARS])
{
	struct control *control = calloc(1, sizeof(*control));
	struct sockaddr_un un;

	if (control == NULL) {
		(void)fail(err, "out of memory");
		return NULL;
	}
	*control = (struct control){ .relay = relay, .fd = -1, .stop_fd = -1 };
	control->path = strdup(path);
	if (control->path == NULL)
		(void)fail(err, "out of memory");
	else if (!address_of(path, &un))
		(void)fail(err, "%s: %s", path, strerror(errno));
	else if (make_way(&un, err)) {
		if (listen_at(control, &un))
			return control;
		(void)fail(err, "%s: %s", path, strerror(errno));
	}
	control_free(control);
	return NULL;
}

/* ---- the thread ---- */

/* Wait for `events`; false: not in time, or the relay ends. */
static bool
wait_for(int fd, int stop_fd, short events, int64_t until_ns)
{
	struct pollfd at[] = { { .fd = fd, .events = events },
		{ .fd = stop_fd, .events = POLLIN } };
	int64_t left_ms;
	int n;

	do {
		left_ms = (until_ns - clock_now_ns()) / NS_PER_MS + 1;
		if (left_ms <= 0)
			return false;
		n = poll(at, 2, (int)left_ms);
	} while (n < 0 && errno == EINTR);
	return n > 0 && at[0].revents != 0 && at[1].revents == 0;
}

/* The first line, without its end. False: `err` says why there is none. */
static bool
read_line(const struct control *control, int fd, int64_t until_ns,
    char line[CONTROL_LINE_BYTES], char err[CONTROL_ERR_CHARS])
{
	char *end = NULL;
	size_t len = 0;
	ssize_t n;

	while (end == NULL && len < CONTROL_LINE_BYTES) {
		if (!wait_for(fd, control->stop_fd, POLLIN, until_ns))
			return fail(err, "expected a line in time");
		n = recv(
		    fd, line + len, CONTROL_LINE_BYTES - len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return fail(err, "expected a line");
		end = memchr(line + len, '\n', (size_t)n);
		len += (size_t)n;
	}
	if (end == NULL)
		return fail(err, "expected a command of at most %d bytes",
		    CONTROL_LINE_BYTES - 1);
	*end = '\0';
	return strlen(line) == (size_t)(end - line) ||
	    fail(err, "expected a line of text");
}

static bool
write_all(int fd, int stop_fd, struct bnet_slice bytes, int64_t until_ns)
{
	ssize_t n;

	while (bytes.len > 0) {
		n = send(fd, bytes.p, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			bytes.p += n;
			bytes.len -= (size_t)n;
		} else if (errno != EINTR &&
		    (errno != EAGAIN ||
			!wait_for(fd, stop_fd, POLLOUT, until_ns))) {
			return false;
		}
	}
	return true;
}

static void
answer(const struct control *control, int fd, const struct text *out,
    const char *err, int64_t until_ns)
{
	char head[HEAD_BYTES];
	struct bnet_slice body = err != NULL
	    ? (struct bnet_slice){ (const uint8_t *)err, strlen(err) }
	    : text_slice(out);
	int n = snprintf(head, sizeof(head), "%s %zu\n",
	    err != NULL ? "error" : "ok", body.len);

	if (write_all(fd, control->stop_fd,
		(struct bnet_slice){ (const uint8_t *)head, (size_t)n },
		until_ns))
		(void)write_all(fd, control->stop_fd, body, until_ns);
}

/*
 * A line for each request, whatever the level. The site is new each time, so
 * that no line is left out, however many there are.
 */
static void
audit(const struct ucred *who, const char *line, const char *err)
{
	struct log_site site = { .msg = "admin command" };
	const struct log_field fields[] = { LOG_STR("command", line),
		LOG_U64("uid", who->uid), LOG_I64("pid", who->pid),
		LOG_STR("result", err == NULL ? "done" : "refused"),
		LOG_STR("reason", err) };

	log_line(
	    &site, LOG_LEVEL_INFO, fields, sizeof(fields) / sizeof(fields[0]));
}

/* The mode of the file says the same; this holds whatever became of it. */
static bool
may_ask(int fd, struct ucred *who, char err[CONTROL_ERR_CHARS])
{
	socklen_t len = sizeof(*who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, who, &len) != 0)
		return fail(err, "who asks is not known: %s", strerror(errno));
	return who->uid == 0 || who->uid == geteuid() ||
	    fail(err, "only the user of the relay and root may ask");
}

static void
serve_one(const struct control *control, int fd)
{
	int64_t until_ns = clock_now_ns() + CONTROL_TIMEOUT_NS;
	char line[CONTROL_LINE_BYTES] = "", err[CONTROL_ERR_CHARS];
	struct control_command command;
	struct ucred who = { 0 };
	struct text out;
	bool ok, asked = false;

	text_init(&out, CONTROL_ANSWER_MAX_BYTES);
	ok = may_ask(fd, &who, err);
	if (ok)
		ok = asked = read_line(control, fd, until_ns, line, err);
	ok = ok && control_parse(line, &command, err) &&
	    act(control->relay, &command, &out, err);
	if (ok && !text_ok(&out))
		ok = fail(err, "out of memory");
	audit(&who, asked ? line : NULL, ok ? NULL : err);
	answer(control, fd, &out, ok ? NULL : err, until_ns);
	text_free(&out);
}

static void *
serve(void *arg)
{
	const struct control *control = arg;
	struct pollfd at[] = { { .fd = control->fd, .events = POLLIN },
		{ .fd = control->stop_fd, .events = POLLIN } };
	int fd;

	while (at[1].revents == 0) {
		if (poll(at, 2, -1) <= 0 || at[0].revents == 0)
			continue;
		fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			serve_one(control, fd);
			(void)close(fd);
		} else if (errno != EAGAIN && errno != ECONNABORTED) {
			(void)poll(&at[1], 1, REST_MS);
		}
	}
	return NULL;
}

bool
control_start(struct control *control)
{
	errno = pthread_create(&control->thread, NULL, serve, control);
	control->started = errno == 0;
	return control->started;
}

/* Not if it is another relay's by now. */
static void
remove_socket(const struct control *control)
{
	struct stat st;

	if (control->ino != 0 && lstat(control->path, &st) == 0 &&
	    st.st_dev == control->dev && st.st_ino == control->ino)
		(void)unlink(control->path);
}

void
control_free(struct control *control)
{
	if (control == NULL)
		return;
	remove_socket(control);
	if (control->started) {
		(void)eventfd_write(control->stop_fd, 1);
		if (!ending_join(control->thread, "the admin socket")) {
			(void)pthread_detach(control->thread);
			return;
		}
	}
	if (control->fd >= 0)
		(void)close(control->fd);
	if (control->stop_fd >= 0)
		(void)close(control->stop_fd);
	free(control->path);
	free(control);
}

/* ---- the client ---- */

/* All that comes until the relay closes the connection. */
static bool
read_answer(int fd, struct text *in, char err[CONTROL_ERR_CHARS])
{
	int64_t until_ns = clock_now_ns() + ASK_TIMEOUT_NS;
	char part[4096];
	ssize_t n = 1;

	while (n != 0) {
		if (!wait_for(fd, -1, POLLIN, until_ns))
			return fail(err, "the relay does not answer");
		n = recv(fd, part, sizeof(part), 0);
		/* its end, if it did not read what it was sent */
		if (n < 0 && errno == ECONNRESET)
			break;
		if (n < 0 && errno != EINTR)
			return fail(err, "%s", strerror(errno));
		if (n > 0)
			text_bytes(in, part, (size_t)n);
	}
	text_str(in, ""); /* never an empty block */
	return text_ok(in) || fail(err, "out of memory");
}

static bool
take_answer(struct bnet_slice in, char err[CONTROL_ERR_CHARS])
{
	const uint8_t *end = in.len > 0 ? memchr(in.p, '\n', in.len) : NULL;
	char head[HEAD_BYTES] = "", word[HEAD_BYTES];
	size_t len, n;

	if (end != NULL && (size_t)(end - in.p) < sizeof(head))
		memcpy(head, in.p, (size_t)(end - in.p));
	if (sscanf(head, "%31s %zu", word, &n) != 2 ||
	    n != in.len - (len = (size_t)(end - in.p) + 1))
		return fail(err, "the answer is not complete");
	if (strcmp(word, "ok") != 0)
		return fail(err, "%.*s", (int)n, (const char *)in.p + len);
	return fwrite(in.p + len, 1, n, stdout) == n ||
	    fail(err, "standard output: %s", strerror(errno));
}

static bool
exchange(int fd, const char *command, char err[CONTROL_ERR_CHARS])
{
	int64_t until_ns = clock_now_ns() + ASK_TIMEOUT_NS;
	char line[CONTROL_LINE_BYTES + 1];
	struct text in;
	int n = snprintf(line, sizeof(line), "%s\n", command);
	bool ok;

	/* it may have answered and closed already */
	(void)write_all(fd, -1,
	    (struct bnet_slice){ (const uint8_t *)line, (size_t)n }, until_ns);
	text_init(&in, CONTROL_ANSWER_MAX_BYTES + HEAD_BYTES);
	ok = read_answer(fd, &in, err) && take_answer(text_slice(&in), err);
	text_free(&in);
	return ok;
}

bool
control_ask(const char *path, const char *command, char err[CONTROL_ERR_CHARS])
{
	struct sockaddr_un un;
	bool ok;
	int fd;

	if (!address_of(path, &un) || (fd = connect_to(&un)) < 0)
		return fail(err, "%s: %s", path, strerror(errno));
	ok = exchange(fd, command, err);
	(void)close(fd);
	return ok;
}
