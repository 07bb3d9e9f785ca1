/* SPDX-License-Identifier: MIT */
/* Scenarios, each in a process of its own, and what came of them as TAP. */
#include "cmd/replay/scenario/run.h"

#include "cmd/common/cli.h"
#include "cmd/common/clock.h"
#include "cmd/replay/peer_connect.h"
#include "cmd/replay/scenario/script.h"
#include "cmd/replay/scenario_file.h"

#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define SAID_MAX_BYTES ((size_t)16 << 10) /* of one scenario; the last ones */
#define SHOWN_LINES 12
#define LINE_SHOWN_CHARS 200
#define LOOK_MS 100
#define NS_PER_S 1e9
#define LIMIT_FACTOR 4 /* of all expectations of a scenario together */

/* What a run of one came to. */
enum outcome {
	PASSED,
	FAILED,
	WRONG, /* the scenario itself */
	STOPPED,
};

struct suite {
	const struct replay_options *opt;
	const struct address *address;
	char where[ADDRESS_CHARS]; /* the same in words: $r */
	const volatile int *stop;
	FILE *out;
	char said[SAID_MAX_BYTES + 1]; /* by the last one */
	size_t n_said;
};

/* ---- in the process of a scenario ---- */

_Noreturn static void
play(const struct suite *suite, const struct scenario *s, int fd)
{
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(PEER_SCRIPT_WRONG);
	peer_timeout_s = (double)suite->opt->scenario_timeout_ns / NS_PER_S;
	peer_reads_files = false; /* they would go to the target */
	peer_var_set("r", suite->where);
	peer_begin();
	for (size_t i = 0; i < s->n_lines; i++) {
		peer_line = s->lines[i].number;
		peer_run_line(s->lines[i].text);
	}
	(void)fflush(stdout);
	_exit(0);
}

/* ---- beside it ---- */

/* Its words are kept; of many, the last. False: it has ended. */
static bool
listen_to(struct suite *suite, int fd)
{
	size_t room = SAID_MAX_BYTES - suite->n_said;
	ssize_t n;

	if (room < SAID_MAX_BYTES / 2) {
		suite->n_said -= SAID_MAX_BYTES / 2;
		memmove(suite->said, suite->said + SAID_MAX_BYTES / 2,
		    suite->n_said);
		room = SAID_MAX_BYTES - suite->n_said;
	}
	n = read(fd, suite->said + suite->n_said, room);
	if (n < 0)
		return errno == EINTR;
	suite->n_said += (size_t)n;
	suite->said[suite->n_said] = '\0';
	return n > 0;
}

/* False: it took too long, or we are to stop. */
static bool
attend(struct suite *suite, int fd, int64_t deadline_ns)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	for (;;) {
		if (*suite->stop > 0 || clock_now_ns() > deadline_ns)
			return false;
		if (poll(&ready, 1, LOOK_MS) > 0 && !listen_to(suite, fd))
			return true;
	}
}

static enum outcome
outcome_of(struct suite *suite, int status, bool ended)
{
	if (*suite->stop > 0)
		return STOPPED;
	if (!ended)
		suite->n_said += (size_t)snprintf(suite->said + suite->n_said,
		    SAID_MAX_BYTES - suite->n_said, "it took too long\n");
	if (!ended)
		return FAILED;
	if (!WIFEXITED(status)) {
		suite->n_said += (size_t)snprintf(suite->said + suite->n_said,
		    SAID_MAX_BYTES - suite->n_said,
		    "its process died of signal %d\n", WTERMSIG(status));
		return WRONG;
	}
	return WEXITSTATUS(status) == 0                ? PASSED
	    : WEXITSTATUS(status) == PEER_SCRIPT_WRONG ? WRONG
						       : FAILED;
}

static enum outcome
run_one(struct suite *suite, const struct scenario *s)
{
	int64_t limit_ns = suite->opt->scenario_timeout_ns * LIMIT_FACTOR;
	int pipes[2], status = 0;
	bool ended;
	pid_t pid;

	suite->n_said = 0;
	suite->said[0] = '\0';
	(void)fflush(suite->out);
	if (pipe(pipes) != 0)
		cli_die("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		cli_die("fork: %s", strerror(errno));
	if (pid == 0) {
		close(pipes[0]);
		play(suite, s, pipes[1]);
	}
	close(pipes[1]);
	ended = attend(suite, pipes[0], clock_now_ns() + limit_ns);
	if (!ended)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	close(pipes[0]);
	return outcome_of(suite, status, ended);
}

/* ---- what is told ---- */

/* Where the last SHOWN_LINES of what was said begin. */
static const char *
last_lines(const struct suite *suite)
{
	const char *at = suite->said + suite->n_said;
	int n = 0;

	while (at > suite->said && (n < SHOWN_LINES || at[-1] != '\n')) {
		at--;
		n += *at == '\n';
	}
	return at;
}

/* What was said, as a block of YAML. */
static void
explain(struct suite *suite, const struct scenario *s)
{
	const char *line = last_lines(suite);

	fprintf(
	    suite->out, "  ---\n  at: %s:%u\n  said: |\n", s->file, s->line);
	while (*line != '\0') {
		size_t len = strcspn(line, "\n");

		fprintf(suite->out, "    %.*s%s\n",
		    (int)(len < LINE_SHOWN_CHARS ? len : LINE_SHOWN_CHARS),
		    line, len > LINE_SHOWN_CHARS ? " ..." : "");
		line += len + (line[len] != '\0');
	}
	fputs("  ...\n", suite->out);
}

static void
tell(struct suite *suite, size_t number, const struct scenario *s,
    enum outcome outcome)
{
	fprintf(suite->out,
	    "%sok %zu - %s (section %s): ", outcome == PASSED ? "" : "not ",
	    number, s->name, s->section);
	for (const char *p = s->about; *p != '\0'; p++)
		fprintf(suite->out, "%s%c", *p == '#' ? "\\" : "", *p);
	fputc('\n', suite->out);
	if (outcome != PASSED)
		explain(suite, s);
	(void)fflush(suite->out);
}

/* ---- the suite ---- */

/* Are nodes let in, with the token that we have? */
static bool
takes_nodes(struct suite *suite)
{
	char text[] = "join probe $r role=node name=scenario-probe";
	struct scenario_line line = { 1, text };
	const struct scenario probe = { .lines = &line, .n_lines = 1 };

	return run_one(suite, &probe) == PASSED;
}

static bool
still_accepts(struct suite *suite)
{
	char text[] = "connect probe $r";
	struct scenario_line line = { 1, text };
	const struct scenario probe = { .lines = &line, .n_lines = 1 };

	return run_one(suite, &probe) == PASSED &&
	    strstr(suite->said, "unreachable") == NULL;
}

static bool
is_wanted(const struct suite *suite, const struct scenario *s)
{
	const char *only = suite->opt->scenario_only;

	return only == NULL || fnmatch(only, s->name, FNM_EXTMATCH) == 0;
}

static size_t
count_wanted(const struct suite *suite, const struct scenarios *all)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		n += is_wanted(suite, &all->list[i]);
	return n;
}

/* Returns an exit code. */
static int
run_all(struct suite *suite, const struct scenarios *all)
{
	bool nodes = takes_nodes(suite);
	int code = REPLAY_OK;
	enum outcome outcome;
	size_t number = 0;

	fprintf(
	    suite->out, "TAP version 13\n1..%zu\n", count_wanted(suite, all));
	for (size_t i = 0; i < all->n && *suite->stop == 0; i++) {
		const struct scenario *s = &all->list[i];

		if (!is_wanted(suite, s))
			continue;
		number++;
		if (s->needs_node && !nodes) {
			fprintf(suite->out,
			    "ok %zu - %s # SKIP no node is let in\n", number,
			    s->name);
			continue;
		}
		outcome = run_one(suite, s);
		if (outcome == STOPPED)
			break;
		tell(suite, number, s, outcome);
		if (outcome == PASSED)
			continue;
		code = outcome == WRONG ? REPLAY_USAGE
		    : code == REPLAY_OK ? REPLAY_DIFFERENT
					: code;
		if (!still_accepts(suite)) {
			fprintf(suite->out,
			    "Bail out! nobody accepts connections at %s\n",
			    suite->where);
			return REPLAY_DIFFERENT;
		}
	}
	return *suite->stop > 0 ? REPLAY_DIFFERENT : code;
}

int
scenario_run(const struct replay_options *opt, const struct address *address,
    struct bnet_tls_ctx *tls, const char *tls_host, const char *token,
    const volatile int *stop, FILE *out)
{
	static struct suite suite;
	struct scenarios all;
	char err[SCENARIO_ERR_CHARS];
	int code;

	suite = (struct suite){
		.opt = opt, .address = address, .stop = stop, .out = out
	};
	address_format(address, suite.where);
	peer_defaults =
	    (struct peer_defaults){ tls, tls != NULL ? tls_host : NULL, token };
	if (!scenarios_read(&all, opt->scenario, err)) {
		cli_warn("%s", err);
		return REPLAY_USAGE;
	}
	if (count_wanted(&suite, &all) == 0) {
		cli_warn("--scenario-only: '%s' is the name of no scenario in"
			 " %s",
		    opt->scenario_only, opt->scenario);
		code = REPLAY_USAGE;
	} else {
		code = run_all(&suite, &all);
	}
	scenarios_free(&all);
	if (fflush(out) != 0 || ferror(out))
		cli_die("standard output: %s", strerror(errno));
	return code;
}
