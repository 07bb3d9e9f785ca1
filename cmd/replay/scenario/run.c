/* SPDX-License-Identifier: MIT */
/*
 * Scenarios: read from files, run each in a process of its own, printed as TAP.
 * Owns the scenarios that were read, and their processes. Called by ../run.c.
 */
#include "cmd/replay/scenario/run.h"

#include "cmd/common/cli.h"
#include "cmd/common/clock.h"
#include "cmd/common/data_files.h"
#include "cmd/common/glob.h"
#include "cmd/replay/scenario/conn.h"
#include "cmd/replay/scenario/ids.h"
#include "cmd/replay/scenario/relay.h"
#include "cmd/replay/scenario/script.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SCENARIOS_MAX 10000
#define BLANK " \t\r\n"
#define SAID_MAX_BYTES ((size_t)16 << 10) /* of one scenario; the last ones */
#define SHOWN_LINES 12
#define LINE_SHOWN_CHARS 200
#define LOOK_MS 100
#define PROBE "probe" /* our connections, in scripts of ours */
#define PROBE_NS INT64_C(5000000000) /* at least */
#define NS_PER_S 1e9
#define LIMIT_FACTOR 4 /* of all expectations of a scenario together */

/* ---- scenarios as they stand in files ---- */

struct reading {
	struct scenarios *all;
	const char *path, *file;
	unsigned line;
	char *err;
};

static bool
bad(struct reading *r, const char *what, const char *text)
{
	snprintf(r->err, SCENARIO_ERR_CHARS, "%s:%u: %s%.200s", r->path,
	    r->line, what, text);
	return false;
}

/* A copy without the blanks at both ends; NULL when out of memory. */
static char *
trimmed(const char *text)
{
	size_t len;

	text += strspn(text, BLANK);
	len = strlen(text);
	while (len > 0 && strchr(BLANK, text[len - 1]) != NULL)
		len--;
	return strndup(text, len);
}

/* ---- the head ---- */

static bool
is_name(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if (!islower((unsigned char)*p) &&
		    !isdigit((unsigned char)*p) && *p != '-')
			return false;
	return *text != '\0';
}

static bool
is_section(const char *text)
{
	return isdigit((unsigned char)*text) &&
	    strspn(text, "0123456789.") == strlen(text);
}

static struct scenario *
current(struct reading *r)
{
	return r->all->n == 0 ? NULL : &r->all->list[r->all->n - 1];
}

/* The last one is whole. */
static bool
check_whole(struct reading *r)
{
	const struct scenario *s = current(r);

	if (s == NULL || strcmp(s->file, r->file) != 0)
		return true;
	if (s->section == NULL)
		return bad(r, "expected 'section N' in scenario ", s->name);
	if (s->about == NULL || s->about[0] == '\0')
		return bad(r, "expected 'about TEXT' in scenario ", s->name);
	if (s->n_lines == 0)
		return bad(r, "no commands in scenario ", s->name);
	return true;
}

static bool
take_scenario(struct reading *r, char *name)
{
	struct scenarios *all = r->all;
	struct scenario *list;

	if (!check_whole(r))
		return false;
	if (!is_name(name))
		return bad(r, "expected a name of a-z, 0-9 and -, not: ", name);
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->list[i].name, name) == 0)
			return bad(r, "there is already a scenario ", name);
	if (all->n == SCENARIOS_MAX)
		return bad(r, "too many scenarios at ", name);
	list = realloc(all->list, (all->n + 1) * sizeof(*list));
	if (list == NULL)
		return bad(r, "out of memory", "");
	all->list = list;
	list[all->n] = (struct scenario){
		.line = r->line, .file = strdup(r->file), .name = strdup(name)
	};
	all->n++;
	return list[all->n - 1].file != NULL && list[all->n - 1].name != NULL;
}

static bool
take_once(struct reading *r, char **where, const char *what, const char *text)
{
	if (*where != NULL)
		return bad(r, "repeated: ", what);
	*where = strdup(text);
	return *where != NULL || bad(r, "out of memory", "");
}

/* rules ours stock */
static bool
take_rules(struct reading *r, struct scenario *s, char *rest)
{
	char *save = NULL, *word = strtok_r(rest, BLANK, &save);

	for (; word != NULL; word = strtok_r(NULL, BLANK, &save)) {
		if (strcmp(word, "ours") == 0)
			s->rules[REPLAY_RULES_OURS] = true;
		else if (strcmp(word, "stock") == 0)
			s->rules[REPLAY_RULES_STOCK] = true;
		else
			return bad(
			    r, "expected 'rules ours stock', not: ", word);
	}
	return s->rules[REPLAY_RULES_OURS] || s->rules[REPLAY_RULES_STOCK] ||
	    bad(r, "expected 'rules ours stock', not: ", rest);
}

/*
 * with --OPTION [VALUE]...: they go to a shell, and to a program that writes
 * files, so a scenario can say little: see is_harmless().
 */
static bool
is_harmless(const char *options)
{
	static const char nothing[] = "/dev/null";
	static const char *const known[] = { "--drain-timeout", "--drain-to",
		"--hello-timeout", "--keepalive", "--max-frame",
		"--max-payload", "--no-client-to-client", "--overload",
		"--ping-interval", "--queue", "--require-hello", "--threads",
		"--trace", "--codecs", "--ids", "--client-tokens" };
	size_t len;

	if (strspn(options, "abcdefghijklmnopqrstuvwxyz0123456789-.,:KM /") !=
		strlen(options) ||
	    strncmp(options, "--", 2) != 0)
		return false;
	for (const char *p = options; (p = strchr(p, '/')) != NULL;
	     p += strlen(nothing))
		if (strncmp(p, nothing, strlen(nothing)) != 0)
			return false;
	for (; (options = strstr(options, "--")) != NULL; options += len) {
		bool found = false;

		len = strcspn(options, BLANK);
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found |= strlen(known[i]) == len &&
			    memcmp(known[i], options, len) == 0;
		if (!found)
			return false;
	}
	return true;
}

/* True: it is a line of the head, and *ok says whether it is good. */
static bool
take_head(struct reading *r, const char *word, char *rest, bool *ok)
{
	struct scenario *s = current(r);

	if (strcmp(word, "scenario") == 0) {
		*ok = take_scenario(r, rest);
		return true;
	}
	if (strcmp(word, "section") != 0 && strcmp(word, "about") != 0 &&
	    strcmp(word, "needs") != 0 && strcmp(word, "rules") != 0 &&
	    strcmp(word, "with") != 0)
		return false;
	if (s == NULL || strcmp(s->file, r->file) != 0)
		*ok = bad(r, "expected 'scenario NAME' before ", word);
	else if (strcmp(word, "about") == 0)
		*ok = take_once(r, &s->about, word, rest);
	else if (strcmp(word, "section") == 0)
		*ok = is_section(rest)
		    ? take_once(r, &s->section, word, rest)
		    : bad(r, "expected a section such as 4.3, not: ", rest);
	else if (strcmp(word, "rules") == 0)
		*ok = take_rules(r, s, rest);
	else if (strcmp(word, "with") == 0)
		*ok = is_harmless(rest)
		    ? take_once(r, &s->with, word, rest)
		    : bad(r,
			  "expected options of a relay such as"
			  " --keepalive 1s, not: ",
			  rest);
	else if (strcmp(rest, "node") == 0)
		s->needs_node = *ok = true;
	else
		*ok = bad(r, "expected 'needs node', not: ", rest);
	return true;
}

/* ---- lines ---- */

/* What can be known of a line before it runs. */
static bool
check_line(struct reading *r, const char *line)
{
	const char *text = line;
	char word[32];
	size_t quotes = 0;

	while (strncmp(text, "repeat ", 7) == 0) {
		if (!isdigit((unsigned char)text[7]))
			return bad(r, "expected repeat N, not: ", text);
		text += 7 + strspn(text + 7, BLANK "0123456789");
		text += strspn(text, BLANK);
	}
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, BLANK), text);
	if (peer_command(word) == NULL)
		return bad(r, "unknown command ", word);
	if (strcmp(word, "terminate") == 0 && current(r)->with == NULL)
		return bad(r, "expected 'with OPTIONS' before ", word);
	if (strstr(text, " file=") != NULL)
		return bad(r, "scenarios cannot read files: ", text);
	for (const char *p = text; *p != '\0'; p++)
		quotes += *p == '"';
	return quotes % 2 == 0 || bad(r, "a \" is not closed: ", text);
}

static bool
add_line(struct reading *r, char *text)
{
	struct scenario *s = current(r);
	struct scenario_line *lines;

	if (s == NULL || strcmp(s->file, r->file) != 0)
		return bad(r, "expected 'scenario NAME' before: ", text);
	if (s->n_lines == SCENARIO_LINES_MAX)
		return bad(r, "too many lines in scenario ", s->name);
	if (!check_line(r, text))
		return false;
	lines = realloc(s->lines, (s->n_lines + 1) * sizeof(*lines));
	if (lines == NULL)
		return bad(r, "out of memory", "");
	s->lines = lines;
	lines[s->n_lines].number = r->line;
	lines[s->n_lines].text = strdup(text);
	if (lines[s->n_lines].text == NULL)
		return bad(r, "out of memory", "");
	s->n_lines++;
	return true;
}

static bool
take_line(struct reading *r, const char *raw)
{
	char *line = trimmed(raw), *rest = NULL, word[16] = "";
	bool ok = true;
	size_t len;

	if (line == NULL)
		return bad(r, "out of memory", "");
	len = strcspn(line, BLANK);
	if (len < sizeof(word)) {
		memcpy(word, line, len);
		word[len] = '\0';
	}
	rest = line + len + strspn(line + len, BLANK);
	if (*line != '\0' && *line != '#' && !take_head(r, word, rest, &ok))
		ok = add_line(r, line);
	free(line);
	return ok;
}

/* ---- files ---- */

static bool
read_file(struct scenarios *all, const char *path, char *err)
{
	const char *slash = strrchr(path, '/');
	struct reading r = { .all = all,
		.path = path,
		.file = slash != NULL ? slash + 1 : path,
		.err = err };
	FILE *f = fopen(path, "re");
	size_t bytes = 0, total = 0;
	char *line = NULL;
	bool ok = true;
	ssize_t n;

	if (f == NULL) {
		snprintf(
		    err, SCENARIO_ERR_CHARS, "%s: %s", path, strerror(errno));
		return false;
	}
	while (ok && (n = getline(&line, &bytes, f)) >= 0) {
		r.line++;
		total += (size_t)n;
		if (total > SCENARIO_FILE_BYTES_MAX)
			ok = bad(&r, "the file is too long", "");
		else if (strlen(line) != (size_t)n)
			ok = bad(&r, "a zero byte", "");
		else
			ok = take_line(&r, line);
	}
	ok = ok && check_whole(&r);
	free(line);
	fclose(f);
	return ok;
}

static int
is_scenario(const struct dirent *entry)
{
	return fnmatch("*.bns", entry->d_name, FNM_PERIOD) == 0;
}

static bool
read_folder(struct scenarios *all, const char *path, char *err)
{
	struct dirent **list;
	int n = scandir(path, &list, is_scenario, alphasort);
	bool ok = n > 0;
	char *name;

	if (n <= 0)
		snprintf(err, SCENARIO_ERR_CHARS, "%s: %s", path,
		    n < 0 ? strerror(errno) : "no *.bns file in it");
	for (int i = 0; i < n; i++) {
		if (ok &&
		    asprintf(&name, "%s/%s", path, list[i]->d_name) >= 0) {
			ok = read_file(all, name, err);
			free(name);
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return ok;
}

bool
scenarios_read(
    struct scenarios *scenarios, const char *path, char err[SCENARIO_ERR_CHARS])
{
	char room[DATA_PATH_CHARS];
	struct stat st;
	bool ok;

	*scenarios = (struct scenarios){ NULL, 0 };
	err[0] = '\0';
	path = data_or_path(path, room);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		ok = read_folder(scenarios, path, err);
	else
		ok = read_file(scenarios, path, err);
	if (ok && scenarios->n == 0) {
		snprintf(
		    err, SCENARIO_ERR_CHARS, "%s: expected a scenario", path);
		ok = false;
	}
	if (!ok)
		scenarios_free(scenarios);
	return ok;
}

void
scenarios_free(struct scenarios *scenarios)
{
	for (size_t i = 0; i < scenarios->n; i++) {
		struct scenario *s = &scenarios->list[i];

		for (size_t k = 0; k < s->n_lines; k++)
			free(s->lines[k].text);
		free(s->lines);
		free(s->file);
		free(s->name);
		free(s->section);
		free(s->about);
		free(s->with);
	}
	free(scenarios->list);
	*scenarios = (struct scenarios){ NULL, 0 };
}

/* ---- each in a process of its own ---- */

/* What a run of one came to. */
enum outcome {
	PASSED,
	FAILED,
	WRONG, /* the scenario itself */
	REFUSED, /* it would have displaced somebody */
	STOPPED,
};

struct suite {
	const struct replay_options *opt;
	const struct scenarios *all;
	const struct address *address; /* of the target, or NULL */
	const struct session_target *target;
	bool stock; /* the target is one: without roster and ids */
	char where[ADDRESS_CHARS]; /* of the relay at hand: $r */
	struct scenario_relay relay; /* that one, if we started it */
	bool nodes; /* it admits nodes */
	bool probing; /* what runs is a probe of ours */
	bool asking; /* that for the ids that are taken */
	size_t number; /* of the last result */
	const volatile int *stop;
	FILE *out;
	char said[SAID_MAX_BYTES + 1]; /* by the last one */
	size_t n_said;
};

/* Of an expectation. A probe is no expectation: a slow relay is there. */
static int64_t
limit_ns(const struct suite *suite)
{
	int64_t ns = suite->opt->scenario_timeout_ns;

	return suite->probing && ns < PROBE_NS ? PROBE_NS : ns;
}

/* ---- in the process of a scenario ---- */

_Noreturn static void
play(const struct suite *suite, const struct scenario *s, int fd)
{
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(PEER_SCRIPT_WRONG);
	peer_timeout_s = (double)limit_ns(suite) / NS_PER_S;
	peer_reads_files = false; /* they would go to the target */
	peer_var_set("r", suite->where);
	peer_relay = suite->relay.pid;
	peer_begin();
	for (size_t i = 0; i < s->n_lines; i++) {
		peer_line = s->lines[i].number;
		peer_run_line(s->lines[i].text);
	}
	if (suite->asking)
		peer_ids_ask(peer_conn(PROBE));
	(void)fflush(stdout);
	_exit(0);
}

/* ---- in the parent process ---- */

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
		    SAID_MAX_BYTES - suite->n_said, "timed out\n");
	if (!ended)
		return FAILED;
	if (!WIFEXITED(status)) {
		suite->n_said += (size_t)snprintf(suite->said + suite->n_said,
		    SAID_MAX_BYTES - suite->n_said,
		    "its process was killed by signal %d\n", WTERMSIG(status));
		return WRONG;
	}
	switch (WEXITSTATUS(status)) {
	case 0:
		return PASSED;
	case PEER_SCRIPT_WRONG:
		return WRONG;
	case PEER_ID_TAKEN:
		return REFUSED;
	default:
		return FAILED;
	}
}

static enum outcome
run_one(struct suite *suite, const struct scenario *s)
{
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
	ended = attend(
	    suite, pipes[0], clock_now_ns() + limit_ns(suite) * LIMIT_FACTOR);
	if (!ended)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	close(pipes[0]);
	return outcome_of(suite, status, ended);
}

/* ---- what is reported ---- */

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
report(struct suite *suite, size_t number, const struct scenario *s,
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

static bool
run_probe(struct suite *suite, const struct scenario *probe)
{
	enum outcome outcome;

	suite->probing = true;
	outcome = run_one(suite, probe);
	suite->probing = false;
	return outcome == PASSED;
}

/* Are nodes let in, with the token that we have? */
static bool
takes_nodes(struct suite *suite)
{
	char text[] = "join " PROBE " $r role=node name=scenario-probe";
	struct scenario_line line = { 1, text };
	const struct scenario probe = { .lines = &line, .n_lines = 1 };

	return run_probe(suite, &probe);
}

static bool
still_accepts(struct suite *suite)
{
	char text[] = "connect " PROBE " $r";
	struct scenario_line line = { 1, text };
	const struct scenario probe = { .lines = &line, .n_lines = 1 };

	return run_probe(suite, &probe) &&
	    strstr(suite->said, "unreachable") == NULL;
}

static bool
is_wanted(const struct suite *suite, const struct scenario *s)
{
	const char *only = suite->opt->scenario_only;
	int rules = suite->opt->scenario_rules;
	bool whose = s->rules[rules] ||
	    (rules == REPLAY_RULES_OURS && !s->rules[REPLAY_RULES_STOCK]);

	return whose && (only == NULL || glob_match(only, s->name));
}

static size_t
count_wanted(const struct suite *suite, const struct scenarios *all)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		n += is_wanted(suite, &all->list[i]);
	return n;
}

static void
skip(struct suite *suite, const struct scenario *s, const char *why,
    const char *what)
{
	fprintf(suite->out, "ok %zu - %s # SKIP %s%s\n", ++suite->number,
	    s->name, why, what);
}

/* ---- groups: the scenarios that need the same relay ---- */

static bool
same_group(const struct scenario *a, const struct scenario *b)
{
	return a->with == NULL || b->with == NULL
	    ? a->with == b->with
	    : strcmp(a->with, b->with) == 0;
}

static bool
begins_group(const struct suite *suite, const struct scenarios *all, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (is_wanted(suite, &all->list[i]) &&
		    same_group(&all->list[i], &all->list[at]))
			return false;
	return is_wanted(suite, &all->list[at]);
}

/* A line may take an id, or avoids those that are taken. */
static bool
is_about_ids(const struct scenario *s)
{
	for (size_t i = 0; i < s->n_lines; i++)
		if (strstr(s->lines[i].text, "id=") != NULL ||
		    strstr(s->lines[i].text, "$free") != NULL)
			return true;
	return false;
}

/* Which ids must no scenario of the group take? Those of a target of theirs. */
static void
ask_for_ids(struct suite *suite, const struct scenario *first)
{
	const struct scenario *end = suite->all->list + suite->all->n;
	char join[] = "join " PROBE " $r name=scenario-probe", mute[] = "mute",
	     roster[] = "roster " PROBE;
	struct scenario_line lines[] = { { 1, mute }, { 2, join },
		{ 3, roster } };
	const struct scenario probe = { .lines = lines, .n_lines = 3 };
	/* published peers have no roster */
	bool any = suite->relay.pid != 0 || suite->stock || suite->opt->force ||
	    suite->opt->scenario_rules != REPLAY_RULES_OURS;
	bool about = false;

	if (!peer_ids_new(any))
		cli_die("out of memory");
	for (const struct scenario *s = first; s < end; s++)
		about |= is_wanted(suite, s) && same_group(s, first) &&
		    is_about_ids(s);
	suite->asking = about && !any;
	if (suite->asking && !run_probe(suite, &probe) && *suite->stop == 0)
		cli_warn("no roster came from %s: scenarios that take a fixed"
			 " id are left out without --force",
		    suite->where);
	suite->asking = false;
}

/* Make a relay for these scenarios the one at hand. False: it did not start. */
static bool
take_relay(struct suite *suite, const struct scenario *first)
{
	const char *command = suite->opt->scenario_relay;
	char err[SCENARIO_RELAY_ERR_CHARS];

	scenario_relay_stop(&suite->relay);
	if (first->with == NULL && suite->address != NULL) {
		peer_defaults.target = suite->target;
		address_format(suite->address, suite->where);
	} else {
		peer_defaults.target = NULL; /* plain */
		if (!scenario_relay_start(&suite->relay, command,
			first->with != NULL ? first->with : "",
			suite->opt->verbose, err)) {
			cli_warn("--scenario-relay: %s %s: %s", command,
			    first->with != NULL ? first->with : "", err);
			return false;
		}
		memcpy(suite->where, suite->relay.where, sizeof(suite->where));
	}
	ask_for_ids(suite, first);
	suite->nodes = !suite->stock &&
	    suite->opt->scenario_rules == REPLAY_RULES_OURS &&
	    takes_nodes(suite);
	return true;
}

static bool
ends_relay(const struct scenario *s)
{
	for (size_t i = 0; i < s->n_lines; i++)
		if (strcmp(s->lines[i].text, "terminate") == 0)
			return true;
	return false;
}

/* Why it stopped: what it said last, without the newline. */
static const char *
refusal(struct suite *suite)
{
	static const char who[] = "peer: ";
	char *at;

	if (suite->n_said > 0 && suite->said[suite->n_said - 1] == '\n')
		suite->said[--suite->n_said] = '\0';
	at = strrchr(suite->said, '\n');
	at = at != NULL ? at + 1 : suite->said;
	if (strncmp(at, who, sizeof(who) - 1) == 0)
		at += sizeof(who) - 1;
	return at;
}

/* Run one and report it. Returns an exit code; *go_on: the next may follow. */
static int
run_and_report(struct suite *suite, const struct scenario *s, bool *go_on)
{
	enum outcome outcome = run_one(suite, s);

	if (outcome == STOPPED)
		return REPLAY_OK;
	if (outcome == REFUSED) {
		skip(suite, s, refusal(suite), "");
		return REPLAY_OK;
	}
	report(suite, ++suite->number, s, outcome);
	if (ends_relay(s)) {
		*go_on = take_relay(suite, s);
		if (!*go_on)
			return REPLAY_NOT_CONNECTED;
	}
	if (outcome == PASSED)
		return REPLAY_OK;
	if (!still_accepts(suite)) {
		fprintf(suite->out,
		    "Bail out! nobody accepts connections at %s\n",
		    suite->where);
		*go_on = false;
	}
	return outcome == WRONG ? REPLAY_USAGE : REPLAY_DIFFERENT;
}

/* A mistake in a file says more than a difference. */
static int
worse(int a, int b)
{
	return a == REPLAY_USAGE || b == REPLAY_OK ? a : b;
}

static int
run_group(struct suite *suite, const struct scenarios *all,
    const struct scenario *first, bool *go_on)
{
	bool there = first->with == NULL && suite->address != NULL;
	int code = REPLAY_OK;

	if (suite->opt->scenario_relay != NULL)
		there = true;
	*go_on = !there || take_relay(suite, first);
	if (!*go_on)
		return REPLAY_NOT_CONNECTED;
	for (const struct scenario *s = first;
	     s < all->list + all->n && *go_on && *suite->stop == 0; s++) {
		if (!is_wanted(suite, s) || !same_group(s, first))
			continue;
		if (!there)
			skip(suite, s, "needs a relay started with ", s->with);
		else if (s->needs_node && !suite->nodes)
			skip(suite, s, "nodes are not admitted", "");
		else
			code = worse(code, run_and_report(suite, s, go_on));
	}
	return code;
}

/* Returns an exit code. */
static int
run_all(struct suite *suite, const struct scenarios *all)
{
	int code = REPLAY_OK;
	bool go_on = true;

	fprintf(
	    suite->out, "TAP version 13\n1..%zu\n", count_wanted(suite, all));
	for (size_t i = 0; i < all->n && go_on && *suite->stop == 0; i++)
		if (begins_group(suite, all, i))
			code = worse(
			    code, run_group(suite, all, &all->list[i], &go_on));
	scenario_relay_stop(&suite->relay);
	return *suite->stop > 0 ? REPLAY_DIFFERENT : code;
}

int
scenario_run(const struct replay_options *opt, const struct address *address,
    const struct session_target *target, bool stock, const char *token,
    enum bnet_order order, const volatile int *stop, FILE *out)
{
	static struct suite suite;
	struct scenarios all;
	char err[SCENARIO_ERR_CHARS];
	int code;

	suite = (struct suite){ .opt = opt,
		.address = address,
		.target = target,
		.stock = stock,
		.stop = stop,
		.out = out };
	peer_defaults = (struct peer_defaults){ target, token, order };
	if (!scenarios_read(&all, opt->scenario, err)) {
		cli_warn("%s", err);
		return REPLAY_USAGE;
	}
	if (count_wanted(&suite, &all) == 0) {
		cli_warn("--scenario-only: '%s' matches no scenario of these"
			 " rules in %s",
		    opt->scenario_only != NULL ? opt->scenario_only : "*",
		    opt->scenario);
		code = REPLAY_USAGE;
	} else {
		suite.all = &all;
		code = run_all(&suite, &all);
	}
	scenarios_free(&all);
	return cli_flush() || code != REPLAY_OK ? code : CLI_FAILED;
}
