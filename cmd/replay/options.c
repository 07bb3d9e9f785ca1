/* SPDX-License-Identifier: MIT */
/*
 * The command line of bluenet-replay: the option table, and the combinations
 * that are refused. Called once by main.c.
 */
#include "cmd/replay/options.h"

#include "cmd/common/cli.h"
#include "cmd/engine/engine.h"
#include "cmd/filter/filter.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define DAY_S 86400
#define START_MAX_S (400 * DAY_S) /* from now */
#define LONG_NS (INT64_C(400) * 86400 * NS_PER_S)
#define SPEED_MAX 1000000
#define RATE_MAX 1000000000
#define SHARDS_MAX 100000
#define EXPRESSION_MAX (1 << 20) /* characters */
#define SOURCE_SYNTAX "addresses without ports, such as 10.0.0.1,[fd00::2]"
#define CPU_SYNTAX "numbers and ranges of processors, such as 1 or 0,2-3"
#define TIME_SYNTAX "a time such as 2026-11-25T12:00:00Z, @1764072000.5 or +5s"

/* ---- pairs ---- */

/* Parses the number before `mark`; *rest is what follows. */
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
take_shard(void *arg, const char *text, char err[OPTION_ERR_CHARS])
{
	struct replay_options *opt = arg;
	uint64_t i, n;
	const char *rest;

	if (!number_before(text, '/', SHARDS_MAX, &i, &rest) ||
	    !number_before(rest, '\0', SHARDS_MAX, &n, &rest) || i >= n)
		return option_expected(
		    err, "I/N with I from 0 to N - 1, such as 0/4 of four");
	opt->shard = (uint32_t)i;
	opt->of_shards = (uint32_t)n;
	return true;
}

static bool
take_map(void *arg, const char *text, char err[OPTION_ERR_CHARS])
{
	struct replay_options *opt = arg;
	struct replay_node_map map;
	const char *rest;

	if (!number_before(text, '=', INT64_MAX, &map.from, &rest) ||
	    !number_before(rest, '\0', INT64_MAX, &map.to, &rest))
		return option_expected(
		    err, "OLD=NEW, two ids of nodes such as 7=1007");
	for (size_t i = 0; i < opt->n_maps; i++)
		if (opt->maps[i].from == map.from)
			return option_expected(err, "each OLD once");
	if (opt->n_maps == REPLAY_MAPS_MAX)
		return option_expected(err, "fewer of them");
	opt->maps[opt->n_maps++] = map;
	return true;
}

static bool
has_port(const struct address *address)
{
	return address->sa.ss_family == AF_INET6
	    ? ((const struct sockaddr_in6 *)&address->sa)->sin6_port != 0
	    : ((const struct sockaddr_in *)&address->sa)->sin_port != 0;
}

/* "10.0.0.1,[fd00::2]" */
static bool
take_sources(void *arg, const char *text, char err[OPTION_ERR_CHARS])
{
	struct replay_options *opt = arg;
	char one[ADDRESS_CHARS];
	size_t n;

	for (;; text += n + 1) {
		n = strcspn(text, ",");
		if (n == 0 || n >= sizeof(one))
			return option_expected(err, SOURCE_SYNTAX);
		if (opt->n_sources == REPLAY_SOURCES_MAX)
			return option_expected(err, "fewer of them");
		memcpy(one, text, n);
		one[n] = '\0';
		/* a number alone would be a port */
		if (strpbrk(one, ".[") == NULL ||
		    !address_parse(one, 0, &opt->sources[opt->n_sources]) ||
		    has_port(&opt->sources[opt->n_sources]))
			return option_expected(err, SOURCE_SYNTAX);
		opt->n_sources++;
		if (text[n] == '\0')
			return true;
	}
}

/* "0,2-3" */
static bool
take_cpus(void *arg, const char *text, char err[OPTION_ERR_CHARS])
{
	struct replay_options *opt = arg;
	char *next;

	opt->n_cpus = 0;
	for (;; text = next + 1) {
		unsigned long first = strtoul(text, &next, 10), last = first;
		bool ok = isdigit((unsigned char)text[0]);

		if (ok && *next == '-') {
			ok = isdigit((unsigned char)next[1]);
			last = strtoul(next + 1, &next, 10);
		}
		if (!ok || (*next != ',' && *next != '\0') || first > last ||
		    last >= CPU_SETSIZE)
			return option_expected(err, CPU_SYNTAX);
		for (; first <= last; first++) {
			if (opt->n_cpus == REPLAY_CPUS_MAX)
				return option_expected(err, "fewer of them");
			opt->cpus[opt->n_cpus++] = (unsigned)first;
		}
		if (*next == '\0')
			return true;
	}
}

/* ---- times ---- */

/*
 * ".5": decimals of a second. At least one digit; digits after the ninth are
 * ignored.
 */
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

/* "Z", "+01:30" or "-08:00", and nothing after it. */
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
	/* in two parts: RFC 3339 allows a small t between date and time */
	if (strptime(text, "%Y-%m-%d", &tm) == NULL ||
	    strptime(text + strlen("dddd-dd-ddT"), "%H:%M:%S", &tm) == NULL)
		return false;
	back = tm;
	at = timegm(&back); /* timegm() normalises: February 30 becomes March */
	text += sizeof(form) - 1;
	if (back.tm_mday != tm.tm_mday || back.tm_min != tm.tm_min ||
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
replay_time(const char *text, int64_t now_ns, int64_t *at_ns,
    char err[OPTION_ERR_CHARS])
{
	int64_t ahead_ns;

	if (text[0] == '+') {
		if (!option_time(
			text + 1, 0, START_MAX_S * NS_PER_S, &ahead_ns, err))
			return option_expected(err, TIME_SYNTAX);
		*at_ns = now_ns + ahead_ns;
	} else if (!(text[0] == '@' ? unix_time(text + 1, at_ns)
				    : calendar(text, at_ns)))
		return option_expected(err, TIME_SYNTAX);
	if (*at_ns < now_ns) {
		(void)snprintf(err, OPTION_ERR_CHARS,
		    "expected a time in the future: this was %.0f s ago",
		    (double)(now_ns - *at_ns) / 1e9);
		return false;
	}
	if (*at_ns - now_ns > START_MAX_S * NS_PER_S)
		return option_expected(err, "a time within the next 400 days");
	return true;
}

static bool
take_start(void *arg, const char *text, char err[OPTION_ERR_CHARS])
{
	struct replay_options *opt = arg;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return replay_time(text, (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec,
	    &opt->start_at_ns, err);
}

/* ---- the table ---- */

static const char *const whens[] = { "auto", "always", "never", NULL };
static const char *const rules[] = { "ours", "stock", NULL };
static const char *const orders[] = { "auto", "little", "network", NULL };
static const char *const roles[] = { "clients", "nodes", "all", NULL };
static const char *const pacings[] = { "open", "closed", "hybrid", NULL };
static const char *const codecs[] = { "none", "zlib", "snappy", NULL };

/*
 * The modes an option applies to: a bit for each enum replay_mode, and flags.
 */
#define IN(mode) (1U << (mode))
#define REPORTED 256U /* listed in `how` */

/* Options that apply to a replay also apply to --dry-run. */
#define PLAY (IN(REPLAY_PLAY) | IN(REPLAY_DRY_RUN))
#define PLAYED (PLAY | REPORTED)
#define READ (PLAYED | IN(REPLAY_COMPILE))
#define PEER (PLAY | IN(REPLAY_SCENARIO))
#define SCENARIO IN(REPLAY_SCENARIO)
#define OUTPUT (PLAY | IN(REPLAY_MERGE))
#define ALL 255U

#define OPT struct replay_options

/* clang-format off */
static const struct option_row rows[] = {
	{ "bpf", 'f', "BPF", "read only the packets that match, as tcpdump does",
	    OPTION_TEXT(OPT, bpf, 0, EXPRESSION_MAX), .mine = READ,
	    .group = "Input" },
	{ "filter", 'Y', "EXPR", "play only the frames that match; 'help' lists"
	    " the fields", OPTION_TEXT(OPT, filter, 0, EXPRESSION_MAX),
	    .mine = READ, .complete = "help" },
	{ "port", 'p', "PORTS", "read the streams to these ports and ranges of ports, or to any",
	    OPTION_PORTS(OPT, ports), .shown = "26000", .mine = READ },
	{ "order", 0, "ORDER", "assume this byte order in the capture",
	    OPTION_WORD(OPT, cap.order, orders), .initial = "auto",
	    .mine = READ },
	{ "keylog", 0, "FILE", "decrypt TLS with the secrets in FILE (NSS key log)",
	    OPTION_PATH(OPT, keylog), .mine = READ & ~REPORTED },
	{ "keys", 0, "FILE", "show the keys in FILE by name, one on each line",
	    OPTION_PATH(OPT, keys_file), .mine = OUTPUT },
	{ "roles", 0, "ROLES", "play these", OPTION_WORD(OPT, roles, roles),
	    .initial = "clients", .mine = PLAYED },
	{ "compile", 0, "FILE", "write a replay file, which starts at once",
	    OPTION_PATH(OPT, compile_to), .mine = PLAY | IN(REPLAY_COMPILE) },
	{ "dry-run", 0, NULL, "print what would be sent; send nothing",
	    OPTION_FLAG(OPT, dry_run), .mine = PLAY },

	{ "speed", 0, "X", "play X times as fast as captured",
	    OPTION_FACTOR(OPT, speed, SPEED_MAX), .initial = "1",
	    .mine = PLAYED, .group = "Timing" },
	{ "rate", 0, "N", "send N frames a second in all, evenly",
	    OPTION_FACTOR(OPT, rate, RATE_MAX), .mine = PLAYED },
	{ "asap", 0, NULL, "send as fast as the target accepts frames",
	    OPTION_FLAG(OPT, asap), .mine = PLAYED },
	{ "pacing", 0, "HOW", "wait for answers like this",
	    OPTION_WORD(OPT, pacing, pacings), .initial = "open",
	    .mine = PLAYED },
	{ "max-idle", 0, "TIME", "shorten longer silences to TIME",
	    OPTION_TIME(OPT, max_idle_ns, 1, LONG_NS), .mine = PLAYED },
	{ "connect-speed", 0, "X", "like --speed, for connecting",
	    OPTION_FACTOR(OPT, connect_speed, SPEED_MAX), .mine = PLAYED },
	{ "ramp", 0, "TIME", "spread connects evenly over TIME; 0 is no ramp",
	    OPTION_TIME(OPT, ramp_ns, 0, LONG_NS), .mine = PLAYED },
	{ "stagger", 0, "TIME", "wait TIME between the clones of a session",
	    OPTION_TIME(OPT, stagger_ns, 0, LONG_NS), .mine = PLAYED },
	{ "answer-timeout", 0, "TIME", "give up on an answer after TIME",
	    OPTION_TIME(OPT, answer_timeout_ns, NS_PER_MS, LONG_NS),
	    .initial = "10s", .mine = PLAYED },
	{ "duration", 0, "TIME", "stop after TIME",
	    OPTION_TIME(OPT, duration_ns, NS_PER_MS, LONG_NS), .mine = PLAYED },
	{ "loop", 0, "N", "repeat N times; 0 is forever",
	    OPTION_NUMBER(OPT, loop, 0, UINT32_MAX), .initial = "1",
	    .mine = PLAYED },
	{ "start-at", 0, "TIME", "begin at 2026-11-25T12:00:00Z, @UNIX or +5s",
	    OPTION_OWN(take_start), .mine = PLAY },

	{ "clients", 0, "N", "play N sessions: a sample, or with clones",
	    OPTION_NUMBER(OPT, n_clients, 1, REPLAY_CLIENTS_MAX),
	    .mine = PLAYED, .group = "Clients" },
	{ "shard", 0, "I/N", "play only part I of N, counted from 0",
	    OPTION_OWN(take_shard), .mine = PLAY },
	{ "map-node", 0, "OLD=NEW", "send to node NEW what went to node OLD",
	    OPTION_OWN(take_map), .mine = PLAYED },
	{ "map-relay", 0, "OLD=NEW",
	    "play the sessions of the captured relay OLD to NEW",
	    OPTION_TEXTS(OPT, map_relay, REPLAY_MAP_RELAYS_MAX),
	    .mine = PLAYED },
	{ "rewrite-payload", 0, NULL, "rewrite ids of calls and clients in"
	    " addresses of machoNet", OPTION_FLAG(OPT, rewrite_payload),
	    .mine = PLAYED },
	{ "codec", 0, "CODEC", "compress with this, not as it was recorded",
	    OPTION_WORD(OPT, codec, codecs), .mine = PLAYED },
	{ "threads", 0, "N", "use N sending threads",
	    OPTION_NUMBER(OPT, n_threads, 1, ENGINE_WORKERS_MAX),
	    .shown = "processors - 1", .mine = PLAY },
	{ "cpu", 0, "LIST", "pin the sending threads to these processors",
	    OPTION_OWN(take_cpus), .mine = PLAY },
	{ "realtime", 0, NULL,
	    "schedule before all other programs, with memory locked",
	    OPTION_FLAG(OPT, realtime), .mine = PLAY },
	{ "spin", 0, NULL, "never sleep: trade processors for precision",
	    OPTION_FLAG(OPT, spin), .mine = PLAYED },

	{ "allow", 0, "ADDRESS", "allow a target that is not private; repeatable",
	    OPTION_CIDRS(OPT, allow, REPLAY_ALLOW_MAX), .mine = PEER,
	    .group = "Target" },
	{ "source", 0, "ADDRESSES",
	    "connect from these addresses of this machine, in turn",
	    OPTION_OWN(take_sources), .mine = PLAY },
	{ "tls", 0, NULL, "use TLS", OPTION_FLAG(OPT, client.tls),
	    .mine = PEER | REPORTED },
	{ "tls-host", 0, "NAME", "expect NAME in the certificate, not TARGET",
	    OPTION_TEXT(OPT, tls_host, 0, OPTION_TEXT_MAX), .mine = PEER,
	    .complete = "@hosts" },
	CLIENT_ROWS(OPT, client, PEER),
	{ "target-order", 0, "ORDER",
	    "speak this byte order; auto finds it out",
	    OPTION_WORD(OPT, target_order, orders), .initial = "auto",
	    .mine = PEER | REPORTED },
	{ "no-probe", 0, NULL,
	    "do not ask the target for its environment first",
	    OPTION_FLAG(OPT, no_probe), .mine = PEER },

	{ "max-lateness", 0, "TIME", "exit with 4 if frames are later than TIME",
	    OPTION_TIME(OPT, max_late_ns, 1000, LONG_NS), .initial = "10ms",
	    .mine = PLAY, .group = "Results" },
	{ "fail-if", 0, "TEST",
	    "exit with 1 if TEST holds, such as 'answered<99%'",
	    OPTION_TEXTS(OPT, fail_ifs, REPLAY_FAIL_IFS_MAX),
	    .mine = OUTPUT },
	{ "allow-undecided", 0, NULL,
	    "do not exit with 1 if a TEST cannot be decided",
	    OPTION_FLAG(OPT, allow_undecided), .mine = OUTPUT },
	{ "bucket", 0, "TIME", "report results over time in steps of TIME",
	    OPTION_TIME(OPT, bucket_ns, NS_PER_MS, LONG_NS), .initial = "1s",
	    .mine = PLAY },
	{ "report", 0, "FILE", "write all results as JSON",
	    OPTION_PATH(OPT, report), .mine = OUTPUT },
	{ "log", 0, "FILE", "write histograms in the HdrHistogram format",
	    OPTION_PATH(OPT, log), .mine = OUTPUT },
	{ "html", 0, "FILE", "write a page with charts",
	    OPTION_PATH(OPT, html), .mine = OUTPUT },
	{ "diff", 0, NULL, "compare the answers; exit with 1 if they differ",
	    OPTION_FLAG(OPT, diff), .mine = PLAYED },
	{ "ignore", 0, "LIST",
	    "make --diff ignore these: payload[0:8],payload[-4:],...",
	    OPTION_TEXT(OPT, ignore, 0, EXPRESSION_MAX), .mine = PLAYED },
	{ "stock", 0, NULL, "make --diff ignore what stock peers change",
	    OPTION_FLAG(OPT, stock), .mine = PLAYED },
	{ "merge", 0, NULL, "add up the --report files of shards",
	    OPTION_FLAG(OPT, merge), .mine = IN(REPLAY_MERGE) },
	{ "progress", 0, "WHEN", "show the progress",
	    OPTION_WORD(OPT, progress, whens), .initial = "auto",
	    .mine = PLAY | IN(REPLAY_COMPILE) },
	{ "quiet", 'q', NULL, "print no coverage and no progress",
	    OPTION_FLAG(OPT, quiet), .mine = ALL },
	{ "verbose", 'v', NULL, "report each step on standard error",
	    OPTION_FLAG(OPT, verbose), .mine = ALL },

	{ "scenario", 0, "PATH", "run a scenario, or a folder of them",
	    OPTION_PATH(OPT, scenario), .mine = SCENARIO,
	    .group = "Scenarios" },
	{ "scenario-only", 0, "GLOB", "run only scenarios whose names match",
	    OPTION_TEXT(OPT, scenario_only, 0, OPTION_TEXT_MAX),
	    .mine = SCENARIO },
	{ "only", 0, "RULES", "run only scenarios of these rules",
	    OPTION_WORD(OPT, scenario_rules, rules), .initial = "ours",
	    .mine = SCENARIO },
	{ "scenario-relay", 0, "COMMAND",
	    "start relays with COMMAND, each with the options it needs",
	    OPTION_TEXT(OPT, scenario_relay, 1, OPTION_TEXT_MAX),
	    .mine = SCENARIO },
	{ "scenario-timeout", 0, "TIME", "fail an expectation after TIME",
	    OPTION_TIME(OPT, scenario_timeout_ns, NS_PER_MS, LONG_NS),
	    .initial = "5s", .mine = SCENARIO },

	OPTION_HELP_ROWS,
	OPTION_END,
};
/* clang-format on */

/* Appends " --speed 2" to opt->how; truncates when there is no room. */
static void
report_row(void *arg, const struct option_row *row, const char *text)
{
	struct replay_options *opt = arg;
	size_t n = strlen(opt->how);
	bool quote = row->arg != NULL && strpbrk(text, " \t\n'\"$&|<>()[]!");

	if ((row->mine & REPORTED) == 0)
		return;
	(void)snprintf(opt->how + n, sizeof(opt->how) - n, "%s--%s%s%s%s%s",
	    n > 0 ? " " : "", row->name, row->arg != NULL ? " " : "",
	    quote ? "'" : "", row->arg != NULL ? text : "", quote ? "'" : "");
}

const struct option_program replay_program = {
	.name = "bluenet-replay",
	.usage =
	    "bluenet-replay [options] CAPTURE... TARGET[:PORT]...\n"
	    "       bluenet-replay --compile FILE [options] CAPTURE..."
	    " [TARGET[:PORT]...]\n"
	    "       bluenet-replay --dry-run [options] CAPTURE..."
	    " [TARGET[:PORT]...]\n"
	    "       bluenet-replay --merge [options] REPORT...\n"
	    "       bluenet-replay --scenario PATH [options] TARGET[:PORT]\n"
	    "       bluenet-replay --scenario PATH --scenario-relay COMMAND"
	    " [options]\n"
	    "                      [TARGET[:PORT]]",
	.about = "Replay the clients of a capture against another cluster, and"
		 " report whether the cluster or the injector fell behind.",
	.ending = "Exit status: 0 success; 1 differences, failed scenarios or"
		  " an error; 2 bad usage or refused target; 3 cannot connect;"
		  " 4 the injector fell behind. See bluenet-replay(1).",
	.rows = rows,
	.opt_bytes = sizeof(OPT),
	.operands = "@files",
	.seen = report_row,
};

/* ---- options that exclude each other, or do not apply to the mode ---- */

/* The names of the modes in --help and in messages. */
static const char *const modes[] = {
	[REPLAY_PLAY] = "playing",
	[REPLAY_COMPILE] = "--compile without a TARGET",
	[REPLAY_DRY_RUN] = "--dry-run",
	[REPLAY_MERGE] = "--merge",
	[REPLAY_SCENARIO] = "--scenario",
};

/* Pairs that exclude each other. */
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

/* The first option requires the second. */
static const struct {
	const char *a, *needs;
} needs[] = {
	{ "ignore", "diff" },
	{ "allow-undecided", "fail-if" },
	{ "stock", "diff" },
	{ "stagger", "clients" },
	{ "tls-host", "tls" },
	{ "scenario-only", "scenario" },
	{ "only", "scenario" },
	{ "scenario-relay", "scenario" },
	{ "scenario-timeout", "scenario" },
};

static void
check_modes(struct option_reading *reading, const struct replay_options *opt)
{
	for (const struct option_row *row = rows; row->name != NULL; row++)
		if (options_given(reading, row->name) &&
		    (row->mine & IN(opt->mode)) == 0)
			options_refuse(reading, NULL,
			    "--%s cannot be used with %s", row->name,
			    modes[opt->mode]);
}

static void
check_pairs(struct option_reading *reading)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (options_given(reading, pairs[i].a) &&
		    options_given(reading, pairs[i].b))
			options_refuse(reading, NULL, "--%s and --%s: %s",
			    pairs[i].a, pairs[i].b, pairs[i].why);
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (options_given(reading, needs[i].a) &&
		    !options_given(reading, needs[i].needs))
			options_refuse(reading, NULL, "--%s needs --%s",
			    needs[i].a, needs[i].needs);
}

/* OLD is an address of the capture, with a port or without. */
static void
check_relays(
    struct option_reading *reading, const struct option_texts *map_relay)
{
	for (size_t i = 0; i < map_relay->n; i++) {
		const char *equals = strchr(map_relay->at[i], '=');
		char old[ADDRESS_CHARS];
		struct address address;
		size_t n =
		    equals != NULL ? (size_t)(equals - map_relay->at[i]) : 0;

		if (n > 0 && n < sizeof(old)) {
			memcpy(old, map_relay->at[i], n);
			old[n] = '\0';
		}
		if (n == 0 || n >= sizeof(old) ||
		    !address_parse(old, REPLAY_PORT, &address) ||
		    equals[1] == '\0')
			options_refuse(reading, "map-relay",
			    "\"%.200s\": expected OLD=NEW, an address of the"
			    " capture and a target, such as"
			    " 10.0.0.1:26000=relay2.staging",
			    map_relay->at[i]);
		else
			client_target_check(reading, "map-relay", equals + 1);
	}
}

static void
check_operands(struct option_reading *reading, const struct replay_options *opt)
{
	for (size_t i = 0; i < opt->n_targets; i++)
		client_target_check(reading, "TARGET", opt->targets[i]);
	check_relays(reading, &opt->map_relay);
	if (opt->mode == REPLAY_SCENARIO && opt->target == NULL &&
	    opt->scenario_relay == NULL)
		options_refuse(
		    reading, "scenario", "expected one TARGET[:PORT]");
	if (opt->mode == REPLAY_SCENARIO || opt->n_captures > 0)
		return;
	if (opt->mode == REPLAY_MERGE)
		options_refuse(
		    reading, "merge", "expected files that --report wrote");
	else if (opt->target == NULL)
		options_refuse(
		    reading, NULL, "expected CAPTURE... TARGET[:PORT]");
	else
		options_refuse(reading, NULL,
		    "expected CAPTURE... TARGET[:PORT], but got only "
		    "\"%.200s\"",
		    opt->target);
}

static void
check(struct option_reading *reading, const struct replay_options *opt)
{
	check_modes(reading, opt);
	check_pairs(reading);
	if (opt->pacing == REPLAY_CLOSED && opt->timing == REPLAY_RATE)
		options_refuse(reading, NULL,
		    "--rate and --pacing closed: closed pacing follows answers"
		    " and think times; expected open or hybrid");
	client_options_check(reading, &opt->client);
	check_operands(reading, opt);
}

/* ---- operands ---- */

static bool
is_there(const char *path)
{
	return strcmp(path, "-") == 0 || access(path, F_OK) == 0;
}

/*
 * The last operand is the target. In modes where a target is optional, an
 * existing file is not a target, and neither is a single operand.
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

/*
 * Is it another target, rather than a capture whose name is wrong? It has a
 * port, or is an address.
 */
static bool
is_target(const char *word)
{
	const char *colon = strrchr(word, ':');
	struct address address;

	if (is_there(word) || strchr(word, '/') != NULL)
		return false;
	return address_parse(word, REPLAY_PORT, &address) ||
	    (colon != NULL && colon[1] != '\0' &&
		strspn(colon + 1, "0123456789") == strlen(colon + 1));
}

/* How many of the words are targets: the first one is a capture. */
static int
count_targets(const struct replay_options *opt, int n, char **words)
{
	int n_targets = 1;

	if (!ends_in_target(opt, n, words))
		return 0;
	while (opt->scenario == NULL && n - n_targets > 1 &&
	    is_target(words[n - n_targets - 1]))
		n_targets++;
	return n_targets;
}

static void
take_words(struct option_reading *reading, struct replay_options *opt)
{
	int n_targets = count_targets(opt, reading->n_words, reading->words);
	int n = reading->n_words - n_targets;

	if (n_targets > REPLAY_TARGETS_MAX)
		options_refuse(reading, NULL, "expected at most %d targets",
		    REPLAY_TARGETS_MAX);
	for (int i = 0; i < n_targets && i < REPLAY_TARGETS_MAX; i++)
		opt->targets[opt->n_targets++] = reading->words[n + i];
	opt->target = opt->targets[0];
	if (n > REPLAY_CAPTURES_MAX)
		options_refuse(reading, NULL, "expected at most %d files",
		    REPLAY_CAPTURES_MAX);
	for (int i = 0; i < n && i < REPLAY_CAPTURES_MAX; i++)
		opt->captures[opt->n_captures++] = reading->words[i];
	if (opt->merge)
		opt->mode = REPLAY_MERGE;
	else if (opt->scenario != NULL)
		opt->mode = REPLAY_SCENARIO;
	else if (opt->dry_run)
		opt->mode = REPLAY_DRY_RUN;
	else if (opt->compile_to != NULL && opt->target == NULL)
		opt->mode = REPLAY_COMPILE;
}

/* ---- parsing ---- */

/* Derives members from the values of several options. */
static void
derive(struct replay_options *opt)
{
	_Static_assert(OPTION_PORTS_MAX <= CAP_PORTS_MAX, "they fit");
	opt->clients = opt->roles != 1;
	opt->nodes = opt->roles != 0;
	opt->cap.any_port = opt->ports.any;
	opt->cap.n_ports = opt->ports.n;
	for (size_t i = 0; i < opt->ports.n; i++) {
		opt->cap.ports[i] = opt->ports.at[i].first;
		opt->cap.last_ports[i] = opt->ports.at[i].last;
	}
	if (opt->asap)
		opt->timing = REPLAY_ASAP;
	else if (opt->rate > 0)
		opt->timing = REPLAY_RATE;
}

/* -Y help */
static void
list_fields(struct replay_options *opt)
{
	if (opt->filter == NULL || strcmp(opt->filter, "help") != 0)
		return;
	filter_help(stdout);
	replay_options_free(opt);
	if (!cli_flush())
		exit(CLI_FAILED);
	exit(REPLAY_OK);
}

void
replay_options_parse(struct replay_options *opt, int argc, char **argv)
{
	struct option_reading reading;

	*opt = (struct replay_options){
		.ramp_ns = -1,
		.stagger_ns = -1,
		.of_shards = 1,
		.codec = REPLAY_CODEC_AS_RECORDED,
	};
	options_parse(&reading, &replay_program, opt, argc, argv);
	list_fields(opt);
	derive(opt);
	take_words(&reading, opt);
	check(&reading, opt);
	options_end_if_bad(&reading);
}

void
replay_options_free(struct replay_options *opt)
{
	options_free(&replay_program, opt);
}
