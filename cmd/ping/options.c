/* SPDX-License-Identifier: MIT */
#include "cmd/ping/options.h"

#include "cmd/common/cli.h"
#include "proto/bluenet.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S INT64_C(1000000000)
#define LONG_NS (INT64_C(365) * 86400 * NS_PER_S)
#define INTERVAL_MIN_NS 1000

enum kind {
	KIND_FLAG,
	KIND_TEXT,
	KIND_NUMBER,
	KIND_DURATION,
	KIND_WORD,
	KIND_HOP,
	KIND_AS_NODE,
	KIND_FAIL_IF,
	KIND_TOLERANCE,
	KIND_TOKEN,
	KIND_HELP,
	KIND_VERSION,
};

static const char *const outputs[] = { "text", "json", "csv", NULL };
static const char *const layers[] = { "net", "service", "both", NULL };
static const char *const hops[] = { "ping", "echo", NULL };

#define AT(field) offsetof(struct ping_options, field)

/*
 * One row an option: for getopt, for --help, held against the manual. `at` is
 * where its value goes, `min` and `max` what that may be.
 */
static const struct row {
	char letter; /* 0: none */
	const char *name;
	const char *arg; /* NULL: none */
	const char *about;
	enum kind kind;
	size_t at;
	int64_t min, max;
	const char *const *words;
} table[] = {
	{ 'c', "count", "N", "stop after N pings of each node", KIND_NUMBER,
	    AT(count), 1, INT64_MAX, NULL },
	{ 'i', "interval", "TIME", "time between pings of a node (1s)",
	    KIND_DURATION, AT(interval_ns), INTERVAL_MIN_NS, LONG_NS, NULL },
	{ 'w', "deadline", "TIME", "stop after TIME, whatever the count",
	    KIND_DURATION, AT(deadline_ns), 1, LONG_NS, NULL },
	{ 'W', "timeout", "TIME", "count a later answer as lost (10s)",
	    KIND_DURATION, AT(timeout_ns), 1000, LONG_NS, NULL },
	{ 's', "size", "BYTES", "add padding to each echo (0)", KIND_NUMBER,
	    AT(padding_bytes), 0, PING_PADDING_BYTES_MAX, NULL },
	{ 'o', "output", "FORMAT", "output format: text, json or csv",
	    KIND_WORD, AT(output), 0, 0, outputs },
	{ 'v', "verbose", NULL, "print a line for each answer", KIND_FLAG,
	    AT(verbose), 0, 0, NULL },
	{ 0, "live", NULL, "show a full screen, a line for each node",
	    KIND_FLAG, AT(live), 0, 0, NULL },
	{ 0, "bucket", "TIME", "length of a row of the table (1h)",
	    KIND_DURATION, AT(bucket_ns), NS_PER_S, LONG_NS, NULL },
	{ 0, "per-node", NULL, "print a table for each node", KIND_FLAG,
	    AT(per_node), 0, 0, NULL },
	{ 0, "percentiles", NULL, "add p50, p90, p99 and p99.9", KIND_FLAG,
	    AT(percentiles), 0, 0, NULL },
	{ 0, "clients", NULL, "ping clients, too", KIND_FLAG, AT(clients), 0, 0,
	    NULL },
	{ 0, "hop", "HOW", "ping the relay itself: by ping (header) or echo",
	    KIND_HOP, AT(hop), 0, 0, hops },
	{ 0, "layer", "LAYER", "what to ping: net, service or both", KIND_WORD,
	    AT(layers), 0, 0, layers },
	{ 0, "poisson", NULL, "draw random gaps, the interval as their mean",
	    KIND_FLAG, AT(poisson), 0, 0, NULL },
	{ 0, "spin", NULL, "never sleep: trade a processor for precision",
	    KIND_FLAG, AT(spin), 0, 0, NULL },
	{ 0, "trace", NULL, "measure the time at each relay", KIND_FLAG,
	    AT(trace), 0, 0, NULL },
	{ 0, "log", "FILE", "write histograms in the HdrHistogram format",
	    KIND_TEXT, AT(log), 0, 0, NULL },
	{ 0, "samples", "FILE", "write every sample as CSV", KIND_TEXT,
	    AT(samples), 0, 0, NULL },
	{ 0, "from", NULL, "print a report of logs: FILE ...", KIND_FLAG,
	    AT(from), 0, 0, NULL },
	{ 0, "compare", NULL, "compare two logs: BEFORE AFTER", KIND_FLAG,
	    AT(compare), 0, 0, NULL },
	{ 0, "tolerance", "PERCENT", "ignore regressions up to PERCENT (5)",
	    KIND_TOLERANCE, AT(tolerance), 0, 0, NULL },
	{ 0, "fail-if", "TEST", "exit 1 if TEST holds, such as 'p99>5ms'",
	    KIND_FAIL_IF, 0, 0, 0, NULL },
	{ 0, "plot", "FILE", "draw a picture: a name in .svg or .png",
	    KIND_TEXT, AT(plot), 0, 0, NULL },
	{ 0, "as-node", "ID", "connect as the node ID (0: any)", KIND_AS_NODE,
	    AT(as_id), 0, INT64_MAX, NULL },
	{ 0, "mesh", NULL, "make every bluenet-node ping every other",
	    KIND_FLAG, AT(mesh), 0, 0, NULL },
	{ 0, "name", "NAME", "name to show the relay (bluenet-ping)", KIND_TEXT,
	    AT(name), 0, 0, NULL },
	{ 0, "seed", "N", "seed of --poisson (1)", KIND_NUMBER, AT(seed), 0,
	    INT64_MAX, NULL },
	{ 0, "tls", NULL, "use TLS", KIND_FLAG, AT(client.tls), 0, 0, NULL },
	{ 0, "ca", "FILE", "trust the certificates of these CAs", KIND_TEXT,
	    AT(client.ca), 0, 0, NULL },
	{ 0, "cert", "FILE", "certificate to show", KIND_TEXT, AT(client.cert),
	    0, 0, NULL },
	{ 0, "key", "FILE", "key of the certificate", KIND_TEXT, AT(client.key),
	    0, 0, NULL },
	{ 0, "token", "TOKEN", "token to show", KIND_TOKEN, AT(client.token), 0,
	    0, NULL },
	{ 0, "token-file", "FILE", "read the token from a file", KIND_TEXT,
	    AT(client.token_file), 0, 0, NULL },
	{ 'h', "help", NULL, "show this help", KIND_HELP, 0, 0, 0, NULL },
	{ 0, "version", NULL, "print the version", KIND_VERSION, 0, 0, 0,
	    NULL },
};

#define N_OPTIONS (sizeof(table) / sizeof(table[0]))
#define LONG_BASE 256 /* getopt's value of row i is that + i */

/* What was asked for is printed: that is all. */
_Noreturn static void
printed(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		cli_die("standard output: %s", strerror(errno));
	exit(CLI_OK);
}

_Noreturn static void
help(void)
{
	puts("usage: bluenet-ping [options] RELAY[:PORT] [NODE ...]\n"
	     "       bluenet-ping --from [options] FILE ...\n"
	     "       bluenet-ping --compare [options] BEFORE AFTER\n\n"
	     "Measure the latency of nodes, by id or name. Without NODE,"
	     " ping every node.\n");
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct row *row = &table[i];
		char left[64];

		snprintf(left, sizeof(left), "%s%c%s--%s%s%s",
		    row->letter != 0 ? "-" : " ",
		    row->letter != 0 ? row->letter : ' ',
		    row->letter != 0 ? ", " : "  ", row->name,
		    row->arg != NULL ? " " : "",
		    row->arg != NULL ? row->arg : "");
		printf("  %-26s %s\n", left, row->about);
	}
	puts("\nExit: 0 all answered; 1 some node did not, or --fail-if;"
	     " 2 bad usage; 3 the\nrelay cannot be reached. See "
	     "bluenet-ping(1).");
	printed();
}

/* ---- values ---- */

static void
add_fail_if(struct ping_options *opt, const char *arg)
{
	if (opt->n_fail_ifs == PING_FAIL_IFS_MAX)
		cli_usage("--fail-if: at most %d of them", PING_FAIL_IFS_MAX);
	opt->fail_ifs[opt->n_fail_ifs++] = arg;
}

static double
part(const char *what, const char *text)
{
	char *end;
	double v = strtod(text, &end);

	/* strtod() takes blanks, signs, words and hexadecimal as well */
	if (end == text || *end != '\0' || !(v >= 0 && v <= 1000) ||
	    strspn(text, "0123456789.") != strlen(text))
		cli_usage(
		    "%s: '%s': expected a percentage such as 5", what, text);
	return v / 100;
}

static void
set_value(struct ping_options *opt, const struct row *row, const char *what,
    char *arg)
{
	void *at = (char *)opt + row->at;

	switch (row->kind) {
	case KIND_FLAG:
		*(bool *)at = true;
		break;
	case KIND_TEXT:
		*(const char **)at = arg;
		break;
	case KIND_TOKEN:
		*(const char **)at = cli_secret(arg);
		break;
	case KIND_AS_NODE:
		opt->as_node = true;
		/* fall through */
	case KIND_NUMBER:
		*(uint64_t *)at = cli_number(
		    what, arg, (uint64_t)row->min, (uint64_t)row->max);
		break;
	case KIND_DURATION:
		*(int64_t *)at = cli_duration_ns(what, arg, row->min, row->max);
		break;
	case KIND_WORD:
		*(int *)at = cli_word(what, arg, row->words);
		break;
	case KIND_HOP:
		opt->hop = cli_word(what, arg, row->words) + PING_HOP_PING;
		break;
	case KIND_FAIL_IF:
		add_fail_if(opt, arg);
		break;
	case KIND_TOLERANCE:
		opt->tolerance = part(what, arg);
		break;
	case KIND_HELP:
		help();
	case KIND_VERSION:
		puts("bluenet-ping " BNET_VERSION);
		printed();
	}
}

/* ---- all ---- */

static void
check_files(const struct ping_options *opt)
{
	if (opt->from && opt->compare)
		cli_usage("--from and --compare: expected one of them");
	if (opt->mode == PING_FROM && opt->n_words == 0)
		cli_usage("--from: expected a file that --log wrote");
	if (opt->mode == PING_COMPARE && opt->n_words != 2)
		cli_usage("--compare: expected two files that --log wrote:"
			  " BEFORE AFTER");
}

static void
check_whom(const struct ping_options *opt)
{
	if (opt->relay == NULL)
		cli_usage("expected a relay: HOST, HOST:PORT or"
			  " [IPv6 ADDRESS]:PORT");
	if (opt->hop != PING_HOP_NONE && (opt->n_words > 0 || opt->clients))
		cli_usage("--hop: the relay itself, so expected no NODE and no"
			  " --clients");
	if (opt->mesh && (opt->hop != PING_HOP_NONE || opt->live))
		cli_usage("--mesh goes without --hop and --live");
	for (size_t i = 0; i < opt->n_words; i++)
		if (opt->words[i][0] == '\0')
			cli_usage("expected the id or the name of a NODE");
	if (opt->live && (opt->verbose || opt->output != PING_TEXT))
		cli_usage("--live goes without -v and -o");
}

static void
check(const struct ping_options *opt)
{
	if (opt->mode != PING_MEASURE) {
		check_files(opt);
		return;
	}
	check_whom(opt);
	client_options_check(&opt->client);
}

static void
take_words(struct ping_options *opt, int n, char **words)
{
	opt->mode = opt->from ? PING_FROM : PING_MEASURE;
	if (opt->compare)
		opt->mode = PING_COMPARE;
	if (opt->mode == PING_MEASURE && n > 0) {
		opt->relay = *words++;
		n--;
	}
	opt->words = words;
	opt->n_words = (size_t)n;
}

static void
make_getopt(struct option longs[N_OPTIONS + 1], char shorts[2 * N_OPTIONS + 2])
{
	size_t n = 0;

	shorts[n++] = ':';
	for (size_t i = 0; i < N_OPTIONS; i++) {
		longs[i] = (struct option){ table[i].name, table[i].arg != NULL,
			NULL, LONG_BASE + (int)i };
		if (table[i].letter == 0)
			continue;
		shorts[n++] = table[i].letter;
		if (table[i].arg != NULL)
			shorts[n++] = ':';
	}
	shorts[n] = '\0';
	longs[N_OPTIONS] = (struct option){ NULL, 0, NULL, 0 };
}

/* The row of what getopt said; `what` is how the user wrote it. */
static const struct row *
row_of(int c, char what[32])
{
	size_t i = 0;

	if (c >= LONG_BASE) {
		i = (size_t)(c - LONG_BASE);
		snprintf(what, 32, "--%s", table[i].name);
		return &table[i];
	}
	while (table[i].letter != c)
		i++;
	snprintf(what, 32, "-%c", c);
	return &table[i];
}

void
ping_options_parse(struct ping_options *opt, int argc, char **argv)
{
	struct option longs[N_OPTIONS + 1];
	char shorts[2 * N_OPTIONS + 2], what[32];
	const struct row *row;
	int c;

	*opt = (struct ping_options){
		.interval_ns = NS_PER_S,
		.timeout_ns = 10 * NS_PER_S,
		.name = "bluenet-ping",
		.seed = 1,
		.tolerance = 0.05,
	};
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
		row = row_of(c, what);
		set_value(opt, row, what, optarg);
	}
	take_words(opt, argc - optind, argv + optind);
	check(opt);
}
