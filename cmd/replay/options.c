/* SPDX-License-Identifier: MIT */
/*
 * The command line of bluenet-replay: a table of options, their values, and
 * what cannot be combined. Owns the copy of a token, which is hidden from ps.
 * Called by main.c, once.
 */
#include "cmd/replay/options.h"

#include "cmd/filter/filter.h"
#include "cmd/engine/engine.h"
#include "proto/bluenet.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define DAY_S 86400
#define START_MAX_S (400 * DAY_S) /* ahead of now */
#define SPEED_MAX 1e6
#define RATE_MAX 1e9
#define SHARDS_MAX 100000
#define TIME_SYNTAX "a time such as 2026-11-25T12:00:00Z, @1764072000.5 or +5s"
#define NS_PER_MS INT64_C(1000000)
#define LONG_NS (INT64_C(400) * 86400 * NS_PER_S)
#define LONG_BASE 256 /* getopt's value of row i is that + i */

#define REPLAY_ROWS_MAX 64 /* of the table */

/* What the member at `at` of struct replay_options is. */
enum replay_kind {
	REPLAY_FLAG, /* bool */
	REPLAY_TEXT, /* const char * */
	REPLAY_TOKEN, /* the same, and hidden from ps */
	REPLAY_NUMBER, /* uint64_t */
	REPLAY_UNSIGNED, /* unsigned */
	REPLAY_DURATION, /* int64_t, in ns */
	REPLAY_FACTOR, /* double */
	REPLAY_WORD, /* int, the index in `words` */
	REPLAY_OWN, /* what take() makes of it */
};

/* Where an option is of use: bits, by enum replay_mode; and: */
#define REPLAY_IN(mode) (1U << (mode))
#define REPLAY_REPORTED 256U /* it is in `how` */

struct replay_option {
	char letter; /* 0: none */
	const char *name;
	const char *arg; /* NULL: a flag */
	const char *about;
	enum replay_kind kind;
	unsigned where;
	size_t at;
	int64_t min, max;
	const char *const *words;
	/* False: `err` says what was expected. */
	bool (*take)(struct replay_options *opt, const char *text,
	    char err[CLI_ERR_CHARS]);
};

/* ---- values of its own kinds: see `take` ---- */

static bool
expected(char err[CLI_ERR_CHARS], const char *what)
{
	(void)snprintf(err, CLI_ERR_CHARS, "expected %s", what);
	return false;
}

/* A number above 0, such as 2 or 0.5. */
static bool
replay_factor(const char *text, double max, double *v, char err[CLI_ERR_CHARS])
{
	char *end;

	*v = strtod(text, &end);
	/* strtod() takes blanks, signs, words and hexadecimal as well */
	if (end != text && *end == '\0' && *v > 0 && *v <= max &&
	    strspn(text, "0123456789.") == strlen(text))
		return true;
	(void)snprintf(err, CLI_ERR_CHARS,
	    "expected a number above 0, such as 2 or 0.5, up to %.0f", max);
	return false;
}

static bool
replay_take_speed(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	opt->timing = REPLAY_SPEED;
	return replay_factor(text, SPEED_MAX, &opt->speed, err);
}

static bool
replay_take_rate(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	opt->timing = REPLAY_RATE;
	return replay_factor(text, RATE_MAX, &opt->rate, err);
}

/* ---- words ---- */

static bool
replay_take_pacing(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	static const char *const words[] = { "open", "closed", "hybrid", NULL };
	int v = 0;
	bool ok = cli_take_word(text, words, &v, err);

	opt->pacing = (enum replay_pacing)v;
	return ok;
}

static bool
replay_take_codec(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	static const char *const words[] = { "none", "zlib", "snappy", NULL };

	return cli_take_word(text, words, &opt->codec, err);
}

static bool
replay_take_roles(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	static const char *const words[] = { "clients", "nodes", "all", NULL };
	int v = 0;
	bool ok = cli_take_word(text, words, &v, err);

	opt->clients = v != 1;
	opt->nodes = v != 0;
	return ok;
}

static bool
replay_take_order(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	static const char *const words[] = { "auto", "little", "network",
		NULL };
	int v = 0;
	bool ok = cli_take_word(text, words, &v, err);

	opt->cap.order = (enum bnet_order)v;
	return ok;
}

/* ---- lists and pairs ---- */

/* The number before `mark`, and what is behind it. */
static bool
number_before(
    const char *text, char mark, uint64_t max, uint64_t *v, const char **rest)
{
	char *end;

	errno = 0;
	*v = strtoull(text, &end, 10);
	*rest = end + 1;
	return isdigit((unsigned char)text[0]) && errno == 0 && *end == mark &&
	    *v <= max;
}

static bool
replay_take_ports(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	struct cap_settings *cap = &opt->cap;
	const char *rest = text;
	uint64_t port;

	if (strcmp(text, "any") == 0) {
		cap->any_port = true;
		return true;
	}
	do {
		text = rest;
		if (!number_before(text, ',', 65535, &port, &rest) &&
		    !number_before(text, '\0', 65535, &port, &rest))
			port = 0;
		if (port == 0)
			return expected(err,
			    "ports from 1 to 65535, with , "
			    "between them, or any");
		if (cap->n_ports == CAP_PORTS_MAX)
			return expected(err, "fewer ports");
		cap->ports[cap->n_ports++] = (uint16_t)port;
	} while (rest[-1] == ',');
	return true;
}

static bool
replay_take_shard(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	uint64_t i, n;
	const char *rest;

	if (!number_before(text, '/', SHARDS_MAX, &i, &rest) ||
	    !number_before(rest, '\0', SHARDS_MAX, &n, &rest) || i >= n)
		return expected(
		    err, "I/N with I from 0 to N - 1, such as 0/4 of four");
	opt->shard = (uint32_t)i;
	opt->of_shards = (uint32_t)n;
	return true;
}

static bool
replay_take_map(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	struct replay_node_map map;
	const char *rest;

	if (!number_before(text, '=', INT64_MAX, &map.from, &rest) ||
	    !number_before(rest, '\0', INT64_MAX, &map.to, &rest))
		return expected(
		    err, "OLD=NEW, two ids of nodes such as 7=1007");
	for (size_t i = 0; i < opt->n_maps; i++)
		if (opt->maps[i].from == map.from)
			return expected(err, "each OLD once");
	if (opt->n_maps == REPLAY_MAPS_MAX)
		return expected(err, "fewer of them");
	opt->maps[opt->n_maps++] = map;
	return true;
}

static bool
replay_take_allow(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	if (opt->n_allow == REPLAY_ALLOW_MAX)
		return expected(err, "fewer of them");
	if (!cidr_parse(text, &opt->allow[opt->n_allow]))
		return expected(err, CIDR_SYNTAX);
	opt->n_allow++;
	return true;
}

/* ---- times ---- */

/* ".5": decimals of a second, at least one; nine of them count. */
static bool
decimals(const char **text, int64_t *ns)
{
	const char *p = *text;
	int64_t unit = NS_PER_S / 10;

	*ns = 0;
	if (*p != '.')
		return true;
	for (p++; isdigit((unsigned char)*p); p++, unit /= 10)
		*ns += unit * (*p - '0');
	*text = p;
	return isdigit((unsigned char)p[-1]);
}

/* "Z", "+01:30" or "-08:00", and nothing behind it. */
static bool
zone(const char *text, int64_t *ahead_s)
{
	int sign = text[0] == '-' ? -1 : 1;

	*ahead_s = 0;
	if (strcasecmp(text, "Z") == 0)
		return true;
	if ((text[0] != '+' && text[0] != '-') || strlen(text) != 6 ||
	    text[3] != ':' || strspn(text + 1, "0123456789") != 2 ||
	    strspn(text + 4, "0123456789") != 2)
		return false;
	*ahead_s = sign *
	    (((text[1] - '0') * 10 + text[2] - '0') * 3600 +
		((text[4] - '0') * 10 + text[5] - '0') * 60);
	return true;
}

static bool
calendar(const char *text, int64_t *at_ns)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	struct tm tm = { .tm_sec = 0 }, back;
	int64_t ns, ahead_s;
	time_t at;

	for (size_t i = 0; form[i] != '\0'; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)text[i])
				   : toupper((unsigned char)text[i]) != form[i])
			return false;
	if (sscanf(text, "%4d-%2d-%2d%*1c%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon,
		&tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	back = tm;
	at = timegm(&back); /* which makes a March of February 30 */
	text += sizeof(form) - 1;
	if (back.tm_mday != tm.tm_mday || back.tm_mon != tm.tm_mon ||
	    back.tm_hour != tm.tm_hour || back.tm_min != tm.tm_min ||
	    !decimals(&text, &ns) || !zone(text, &ahead_s))
		return false;
	*at_ns = ((int64_t)at - ahead_s) * NS_PER_S + ns;
	return true;
}

static bool
unix_time(const char *text, int64_t *at_ns)
{
	char *end;
	const char *rest;
	int64_t ns;
	long long s;

	errno = 0;
	s = strtoll(text, &end, 10);
	rest = end;
	if (!isdigit((unsigned char)text[0]) || errno != 0 ||
	    s > INT64_MAX / NS_PER_S - 1 || !decimals(&rest, &ns) ||
	    *rest != '\0')
		return false;
	*at_ns = s * NS_PER_S + ns;
	return true;
}

bool
replay_time(
    const char *text, int64_t now_ns, int64_t *at_ns, char err[CLI_ERR_CHARS])
{
	int64_t ahead_ns;

	if (text[0] == '+') {
		if (!cli_take_duration_ns(
			text + 1, 0, START_MAX_S * NS_PER_S, &ahead_ns, err))
			return expected(err, TIME_SYNTAX);
		*at_ns = now_ns + ahead_ns;
	} else if (!(text[0] == '@' ? unix_time(text + 1, at_ns)
				    : calendar(text, at_ns)))
		return expected(err, TIME_SYNTAX);
	if (*at_ns < now_ns) {
		(void)snprintf(err, CLI_ERR_CHARS,
		    "expected a time in the future: this was %.0f s ago",
		    (double)(now_ns - *at_ns) / 1e9);
		return false;
	}
	if (*at_ns - now_ns > START_MAX_S * NS_PER_S)
		return expected(err, "a time within the next 400 days");
	return true;
}

static bool
replay_take_start(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return replay_time(text, (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec,
	    &opt->start_at_ns, err);
}

/* ---- the table ---- */

static const char *const whens[] = { "auto", "always", "never", NULL };

#define AT(member) offsetof(struct replay_options, member)

/* Where options are of use. What is of use to play is so to --dry-run. */
#define PLAY (REPLAY_IN(REPLAY_PLAY) | REPLAY_IN(REPLAY_DRY_RUN))
#define PLAYED (PLAY | REPLAY_REPORTED)
#define READ (PLAYED | REPLAY_IN(REPLAY_COMPILE))
#define PEER (PLAY | REPLAY_IN(REPLAY_SCENARIO))
#define SCENARIO REPLAY_IN(REPLAY_SCENARIO)
#define OUTPUT (PLAY | REPLAY_IN(REPLAY_MERGE))
#define ALL UINT32_C(255)

/* Rows alike: where the value is, and what it may be. */
#define FLAG(member, where) REPLAY_FLAG, where, AT(member), 0, 0, NULL, NULL
#define TEXT(member, where) REPLAY_TEXT, where, AT(member), 0, 0, NULL, NULL
#define TIME(member, where, min) \
	REPLAY_DURATION, where, AT(member), min, LONG_NS, NULL, NULL
#define OWN(take, where) REPLAY_OWN, where, 0, 0, 0, NULL, take

/* In the order of --help; it ends with a name of NULL. */
/* clang-format off */
static const struct replay_option replay_table[] = {
	/* what is read */
	{ 'f', "bpf", "BPF", "packets to read: an expression of tcpdump",
	    TEXT(bpf, READ) },
	{ 'Y', "filter", "EXPR", "frames to play; 'help' lists the fields",
	    TEXT(filter, READ) },
	{ 'p', "port", "PORTS", "relay ports (26000), or any",
	    OWN(replay_take_ports, READ) },
	{ 0, "order", "ORDER", "byte order: auto, little, network",
	    OWN(replay_take_order, READ) },
	{ 0, "keylog", "FILE", "TLS secrets (NSS key log format)",
	    TEXT(keylog, READ & ~REPLAY_REPORTED) },
	{ 0, "keys", "FILE", "names of keys, one per line",
	    TEXT(keys_file, OUTPUT) },
	{ 0, "roles", "ROLES", "roles to play: clients, nodes, all (clients)",
	    OWN(replay_take_roles, PLAYED) },
	{ 0, "compile", "FILE", "write a replay file, which starts at once",
	    TEXT(compile_to, PLAY | REPLAY_IN(REPLAY_COMPILE)) },
	{ 0, "dry-run", NULL, "print what would be sent; send nothing",
	    FLAG(dry_run, PLAY) },

	/* when it is sent */
	{ 0, "speed", "X", "play X times as fast as captured (1)",
	    OWN(replay_take_speed, PLAYED) },
	{ 0, "rate", "N", "send N frames per second in all, evenly",
	    OWN(replay_take_rate, PLAYED) },
	{ 0, "asap", NULL, "send as fast as the target accepts frames",
	    REPLAY_OWN, PLAYED, 0, 0, 0, NULL, NULL },
	{ 0, "pacing", "HOW", "open, closed or hybrid (open)",
	    OWN(replay_take_pacing, PLAYED) },
	{ 0, "max-idle", "TIME", "shorten longer silences to TIME",
	    TIME(max_idle_ns, PLAYED, 1) },
	{ 0, "connect-speed", "X", "like --speed, for connecting",
	    REPLAY_FACTOR, PLAYED, AT(connect_speed), 0, 1000000, NULL, NULL },
	{ 0, "ramp", "TIME", "spread connects evenly over TIME; 0: no ramp",
	    TIME(ramp_ns, PLAYED, 0) },
	{ 0, "stagger", "TIME", "delay between the clones of a session",
	    TIME(stagger_ns, PLAYED, 0) },
	{ 0, "answer-timeout", "TIME", "give up on an answer after TIME (10s)",
	    TIME(answer_timeout_ns, PLAYED, NS_PER_MS) },
	{ 0, "duration", "TIME", "stop after TIME",
	    TIME(duration_ns, PLAYED, NS_PER_MS) },
	{ 0, "loop", "N", "repeat N times; 0: forever (1)",
	    REPLAY_NUMBER, PLAYED, AT(loop), 0, UINT32_MAX, NULL, NULL },
	{ 0, "start-at", "TIME", "begin at 2026-11-25T12:00:00Z, @UNIX or +5s",
	    OWN(replay_take_start, PLAY) },

	/* who sends it */
	{ 0, "clients", "N", "play N sessions: a sample, or with clones",
	    REPLAY_NUMBER, PLAYED, AT(n_clients), 1, REPLAY_CLIENTS_MAX, NULL,
	    NULL },
	{ 0, "shard", "I/N", "play only part I of N, counted from 0",
	    OWN(replay_take_shard, PLAY) },
	{ 0, "map-node", "OLD=NEW", "send to node NEW what went to node OLD",
	    OWN(replay_take_map, PLAYED) },
	{ 0, "codec", "CODEC", "none, zlib, snappy (as it was recorded)",
	    OWN(replay_take_codec, PLAYED) },
	{ 0, "threads", "N", "sending threads (one per processor)",
	    REPLAY_UNSIGNED, PLAY, AT(n_threads), 1, ENGINE_WORKERS_MAX, NULL,
	    NULL },
	{ 0, "spin", NULL, "never sleep: use processors for precision",
	    FLAG(spin, PLAYED) },

	/* to whom */
	{ 0, "allow", "ADDRESS", "allow this target though it is not private",
	    OWN(replay_take_allow, PEER) },
	{ 0, "tls", NULL, "use TLS",
	    FLAG(client.tls, PEER | REPLAY_REPORTED) },
	{ 0, "tls-host", "NAME", "name in its certificate (of TARGET)",
	    TEXT(tls_host, PEER) },
	{ 0, "ca", "FILE", "trust certificates signed by these",
	    TEXT(client.ca, PEER) },
	{ 0, "cert", "FILE", "present this certificate",
	    TEXT(client.cert, PEER) },
	{ 0, "key", "FILE", "private key of --cert", TEXT(client.key, PEER) },
	{ 0, "token", "TOKEN", "token to present",
	    REPLAY_TOKEN, PEER, AT(client.token), 0, 0, NULL, NULL },
	{ 0, "token-file", "FILE", "read the token from FILE",
	    TEXT(client.token_file, PEER) },

	/* what is said of it */
	{ 0, "max-lateness", "TIME", "later than TIME is not kept up (10ms)",
	    TIME(max_late_ns, PLAY, 1000) },
	{ 0, "bucket", "TIME", "interval of results over time (1s)",
	    TIME(bucket_ns, PLAY, NS_PER_MS) },
	{ 0, "report", "FILE", "write all results as JSON",
	    TEXT(report, OUTPUT) },
	{ 0, "log", "FILE", "write histograms in HdrHistogram's format",
	    TEXT(log, OUTPUT) },
	{ 0, "html", "FILE", "write a page with charts",
	    TEXT(html, OUTPUT) },
	{ 0, "diff", NULL, "compare the answers; exit 1 if they differ",
	    FLAG(diff, PLAYED) },
	{ 0, "ignore", "LIST", "what --diff ignores: payload[0:8],...",
	    TEXT(ignore, PLAYED) },
	{ 0, "merge", NULL, "add up the --report files of shards",
	    FLAG(merge, REPLAY_IN(REPLAY_MERGE)) },
	{ 0, "progress", "WHEN", "auto, always or never",
	    REPLAY_WORD, PLAY | REPLAY_IN(REPLAY_COMPILE), AT(progress), 0, 0,
	    whens, NULL },
	{ 'q', "quiet", NULL, "print no coverage and no progress",
	    FLAG(quiet, ALL) },

	/* --scenario */
	{ 0, "scenario", "PATH", "run a scenario, or a folder of them",
	    TEXT(scenario, SCENARIO) },
	{ 0, "scenario-only", "GLOB", "run only scenarios whose names match",
	    TEXT(scenario_only, SCENARIO) },
	{ 0, "scenario-timeout", "TIME", "time limit of an expectation (5s)",
	    TIME(scenario_timeout_ns, SCENARIO, NS_PER_MS) },

	{ 'h', "help", NULL, "show this help",
	    REPLAY_OWN, ALL, 0, 0, 0, NULL, NULL },
	{ 0, "version", NULL, "show the version",
	    REPLAY_OWN, ALL, 0, 0, 0, NULL, NULL },
	{ .name = NULL },
};
/* clang-format on */

_Static_assert(
    sizeof(replay_table) / sizeof(replay_table[0]) <= REPLAY_ROWS_MAX, "rows");

static _Noreturn void
replay_help(void)
{
	puts("usage: bluenet-replay [options] CAPTURE... TARGET[:PORT]\n"
	     "       bluenet-replay --compile FILE [options] CAPTURE..."
	     " [TARGET[:PORT]]\n"
	     "       bluenet-replay --dry-run [options] CAPTURE..."
	     " [TARGET[:PORT]]\n"
	     "       bluenet-replay --merge [options] REPORT...\n"
	     "       bluenet-replay --scenario PATH [options] TARGET[:PORT]\n\n"
	     "Replay the clients of a capture against another cluster, and "
	     "report"
	     " whether the\ncluster or the injector fell behind.\n");
	for (const struct replay_option *row = replay_table; row->name != NULL;
	     row++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%c%s--%s%s%s",
		    row->letter != 0 ? "-" : " ",
		    row->letter != 0 ? row->letter : ' ',
		    row->letter != 0 ? ", " : "  ", row->name,
		    row->arg != NULL ? " " : "",
		    row->arg != NULL ? row->arg : "");
		printf("  %-28s %s\n", left, row->about);
	}
	puts("\nExit status: 0 success; 1 differences, failed scenarios or an"
	     " error;\n2 usage error or refused target; 3 cannot connect;"
	     " 4 the injector fell behind.\nSee bluenet-replay(1).");
	if (fflush(stdout) != 0 || ferror(stdout))
		cli_die("standard output: %s", strerror(errno));
	exit(REPLAY_OK);
}

/* ---- options that do not go together, or not with what is to be done ---- */

/* How --help and the messages call a mode. */
static const char *const modes[] = {
	[REPLAY_PLAY] = "playing",
	[REPLAY_COMPILE] = "--compile without a TARGET",
	[REPLAY_DRY_RUN] = "--dry-run",
	[REPLAY_MERGE] = "--merge",
	[REPLAY_SCENARIO] = "--scenario",
};

/* Pairs that contradict each other. */
static const struct {
	const char *a, *b, *why;
} pairs[] = {
	{ "speed", "rate", "expected one of them" },
	{ "speed", "asap", "expected one of them" },
	{ "rate", "asap", "expected one of them" },
	{ "rate", "max-idle", "a rate has no silence" },
	{ "asap", "max-idle", "there is no silence to shorten" },
	{ "asap", "max-lateness", "without a schedule nothing is late" },
};

/* The first is of no use without the other. */
static const struct {
	const char *a, *needs;
} needs[] = {
	{ "ignore", "diff" },
	{ "stagger", "clients" },
	{ "tls-host", "tls" },
	{ "scenario-only", "scenario" },
	{ "scenario-timeout", "scenario" },
};

static bool
is_given(const bool *given, const char *name)
{
	size_t i = 0;

	while (strcmp(replay_table[i].name, name) != 0)
		i++;
	return given[i];
}

static void
check_modes(const struct replay_options *opt, const bool *given)
{
	for (size_t i = 0; replay_table[i].name != NULL; i++)
		if (given[i] &&
		    (replay_table[i].where & REPLAY_IN(opt->mode)) == 0)
			cli_usage("--%s cannot be used with %s",
			    replay_table[i].name, modes[opt->mode]);
}

static void
check_pairs(const bool *given)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (is_given(given, pairs[i].a) && is_given(given, pairs[i].b))
			cli_usage("--%s and --%s: %s", pairs[i].a, pairs[i].b,
			    pairs[i].why);
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (is_given(given, needs[i].a) &&
		    !is_given(given, needs[i].needs))
			cli_usage(
			    "--%s needs --%s", needs[i].a, needs[i].needs);
}

static void
check_pacing(const struct replay_options *opt)
{
	if (opt->pacing == REPLAY_CLOSED && opt->timing == REPLAY_RATE)
		cli_usage("--rate and --pacing closed: closed pacing follows"
			  " answers and think times; expected open or hybrid");
}

static void
check_operands(const struct replay_options *opt)
{
	if (opt->mode == REPLAY_SCENARIO && opt->target == NULL)
		cli_usage("--scenario: expected one TARGET[:PORT]");
	if (opt->mode == REPLAY_SCENARIO)
		return;
	if (opt->mode == REPLAY_MERGE && opt->n_captures == 0)
		cli_usage("--merge: expected files that --report wrote");
	if (opt->n_captures == 0 && opt->target == NULL)
		cli_usage("expected CAPTURE... TARGET[:PORT]");
	if (opt->n_captures == 0)
		cli_usage("expected CAPTURE... TARGET[:PORT], but got"
			  " only '%s'",
		    opt->target);
	if (opt->mode == REPLAY_PLAY && opt->target[0] == '\0')
		cli_usage("expected a target: HOST, HOST:PORT or"
			  " [IPv6 ADDRESS]:PORT");
}

/* `given[i]`: row i of the table was. Ends the process on bad usage. */
static void
replay_options_check(const struct replay_options *opt, const bool *given)
{
	check_modes(opt, given);
	check_pairs(given);
	check_pacing(opt);
	client_options_check(&opt->client);
	check_operands(opt);
}

/* ---- the command line ---- */

/* What was asked for is printed: that is all. */
_Noreturn static void
printed(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		cli_die("standard output: %s", strerror(errno));
	exit(REPLAY_OK);
}

/* ---- values ---- */

/* Nobody shall read it in the list of processes for as long as we run. */
static const char *
hide(char *arg)
{
	char *copy = strdup(arg);

	if (copy == NULL)
		cli_die("out of memory");
	memset(arg, '*', strlen(arg));
	return copy;
}

static void
take_own(struct replay_options *opt, const struct replay_option *row,
    const char *what, const char *arg)
{
	char err[CLI_ERR_CHARS];

	if (row->take != NULL && !row->take(opt, arg, err))
		cli_usage("%s: '%s': %s", what, arg, err);
	if (row->take != NULL)
		return;
	if (strcmp(row->name, "help") == 0)
		replay_help();
	if (strcmp(row->name, "version") == 0) {
		puts("bluenet-replay " BNET_VERSION);
		printed();
	}
	opt->timing = REPLAY_ASAP;
}

static void
take(struct replay_options *opt, const struct replay_option *row,
    const char *what, char *arg)
{
	void *at = (char *)opt + row->at;
	char err[CLI_ERR_CHARS];

	switch (row->kind) {
	case REPLAY_FLAG:
		*(bool *)at = true;
		break;
	case REPLAY_TEXT:
		*(const char **)at = arg;
		break;
	case REPLAY_TOKEN:
		*(const char **)at = hide(arg);
		break;
	case REPLAY_NUMBER:
		*(uint64_t *)at = cli_number(
		    what, arg, (uint64_t)row->min, (uint64_t)row->max);
		break;
	case REPLAY_UNSIGNED:
		*(unsigned *)at = (unsigned)cli_number(
		    what, arg, (uint64_t)row->min, (uint64_t)row->max);
		break;
	case REPLAY_DURATION:
		*(int64_t *)at = cli_duration_ns(what, arg, row->min, row->max);
		break;
	case REPLAY_FACTOR:
		if (!replay_factor(arg, (double)row->max, at, err))
			cli_usage("%s: '%s': %s", what, arg, err);
		break;
	case REPLAY_WORD:
		*(int *)at = cli_word(what, arg, row->words);
		break;
	case REPLAY_OWN:
		take_own(opt, row, what, arg);
		break;
	}
}

/* Appends " --speed 2" to opt->how; cut where it is too long. */
static void
report_row(struct replay_options *opt, const struct replay_option *row,
    const char *arg)
{
	size_t n = strlen(opt->how);
	bool quote =
	    row->arg != NULL && strpbrk(arg, " \t\n'\"$&|<>()[]!") != NULL;

	if ((row->where & REPLAY_REPORTED) == 0)
		return;
	(void)snprintf(opt->how + n, sizeof(opt->how) - n, "%s--%s%s%s%s%s",
	    n > 0 ? " " : "", row->name, row->arg != NULL ? " " : "",
	    quote ? "'" : "", row->arg != NULL ? arg : "", quote ? "'" : "");
}

/* ---- the words behind ---- */

static bool
is_there(const char *path)
{
	return strcmp(path, "-") == 0 || access(path, F_OK) == 0;
}

/*
 * The last word is the target. Where there need not be one, a file is none,
 * and neither is the only word.
 */
static bool
ends_in_target(const struct replay_options *opt, int n, char **words)
{
	if (opt->scenario != NULL)
		return n == 1;
	if (opt->merge || n == 0)
		return false;
	if (!opt->dry_run && opt->compile_to == NULL)
		return true;
	return n > 1 && !is_there(words[n - 1]);
}

static void
take_words(struct replay_options *opt, int n, char **words)
{
	bool target = ends_in_target(opt, n, words);

	if (target)
		opt->target = words[--n];
	if (n > REPLAY_CAPTURES_MAX)
		cli_usage("expected at most %d files", REPLAY_CAPTURES_MAX);
	for (int i = 0; i < n; i++)
		opt->captures[opt->n_captures++] = words[i];
	if (opt->merge)
		opt->mode = REPLAY_MERGE;
	else if (opt->scenario != NULL)
		opt->mode = REPLAY_SCENARIO;
	else if (opt->dry_run)
		opt->mode = REPLAY_DRY_RUN;
	else if (opt->compile_to != NULL && !target)
		opt->mode = REPLAY_COMPILE;
}

/* ---- all ---- */

static void
make_getopt(
    struct option longs[REPLAY_ROWS_MAX], char shorts[2 * REPLAY_ROWS_MAX])
{
	size_t n = 0, i = 0;

	shorts[n++] = ':';
	for (; replay_table[i].name != NULL && i + 1 < REPLAY_ROWS_MAX; i++) {
		longs[i] = (struct option){ replay_table[i].name,
			replay_table[i].arg != NULL, NULL, LONG_BASE + (int)i };
		if (replay_table[i].letter == 0)
			continue;
		shorts[n++] = replay_table[i].letter;
		if (replay_table[i].arg != NULL)
			shorts[n++] = ':';
	}
	shorts[n] = '\0';
	longs[i] = (struct option){ NULL, 0, NULL, 0 };
}

/* The row of what getopt said; `what` is how the user wrote it. */
static size_t
row_of(int c, char what[32])
{
	size_t i = 0;

	if (c >= LONG_BASE) {
		i = (size_t)(c - LONG_BASE);
		snprintf(what, 32, "--%s", replay_table[i].name);
		return i;
	}
	while (replay_table[i].letter != c)
		i++;
	snprintf(what, 32, "-%c", c);
	return i;
}

static void
take_options(struct replay_options *opt, bool given[REPLAY_ROWS_MAX], int argc,
    char **argv)
{
	struct option longs[REPLAY_ROWS_MAX];
	char shorts[2 * REPLAY_ROWS_MAX], what[32];
	size_t i;
	int c;

	make_getopt(longs, shorts);
	opterr = 0;
	optind = 0; /* from the start, also when called again */
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == ':')
			cli_usage(
			    "%s: an argument is missing", argv[optind - 1]);
		if (c == '?' && optopt != 0 && optopt < LONG_BASE)
			cli_usage("-%c: no such option", optopt);
		if (c == '?')
			cli_usage("%s: no such option", argv[optind - 1]);
		i = row_of(c, what);
		given[i] = true;
		report_row(opt, &replay_table[i], optarg);
		take(opt, &replay_table[i], what, optarg);
	}
}

void
replay_options_parse(struct replay_options *opt, int argc, char **argv)
{
	bool given[REPLAY_ROWS_MAX] = { false };

	*opt = (struct replay_options){
		.clients = true,
		.speed = 1,
		.ramp_ns = -1,
		.stagger_ns = -1,
		.answer_timeout_ns = 10000 * NS_PER_MS,
		.loop = 1,
		.of_shards = 1,
		.codec = REPLAY_CODEC_AS_RECORDED,
		.max_late_ns = 10 * NS_PER_MS,
		.bucket_ns = 1000 * NS_PER_MS,
		.scenario_timeout_ns = 5000 * NS_PER_MS,
	};
	take_options(opt, given, argc, argv);
	if (opt->filter != NULL && strcmp(opt->filter, "help") == 0) {
		filter_help(stdout);
		printed();
	}
	take_words(opt, argc - optind, argv + optind);
	replay_options_check(opt, given);
}
