/* SPDX-License-Identifier: MIT */
#include "cmd/ping/options.h"

#include "cmd/common/cli.h"
#include "cmd/ping/cluster_table.h"

#define NS_PER_S INT64_C(1000000000)
#define LONG_NS (INT64_C(365) * 86400 * NS_PER_S)
#define INTERVAL_MIN_NS 1000
#define NAME_CHARS 4096

static const char *const outputs[] = { "text", "json", "csv", NULL };
static const char *const layers[] = { "net", "service", "both", NULL };
/* by enum bnet_order */
static const char *const orders[] = { "auto", "little", "network", NULL };
static const char *const hops[] = { "ping", "echo", NULL };

#define OPT struct ping_options

/* clang-format off */
static const struct option_row rows[] = {
	{ "count", 'c', "N", "stop after N pings of each node",
	    OPTION_NUMBER(OPT, count, 1, INT64_MAX), .group = "Pinging" },
	{ "interval", 'i', "TIME", "ping each node once in TIME",
	    OPTION_TIME(OPT, interval_ns, INTERVAL_MIN_NS, LONG_NS),
	    .initial = "1s" },
	{ "deadline", 'w', "TIME", "stop after TIME, whatever the count",
	    OPTION_TIME(OPT, deadline_ns, 1, LONG_NS) },
	{ "timeout", 'W', "TIME", "count a later answer as lost",
	    OPTION_TIME(OPT, timeout_ns, 1000, LONG_NS), .initial = "10s" },
	{ "size", 's', "BYTES", "add BYTES of padding to each echo",
	    OPTION_SIZE(OPT, padding_bytes, 0, PING_PADDING_BYTES_MAX),
	    .initial = "0" },
	{ "layer", 0, "LAYER", "ping this layer of the nodes",
	    OPTION_WORD(OPT, layers, layers), .initial = "net" },
	{ "clients", 0, NULL, "ping clients, too", OPTION_FLAG(OPT, clients) },
	{ "hop", 0, "HOW",
	    "ping the relay itself, in a header or with an echo",
	    OPTION_WORD(OPT, hop, hops), .min = PING_HOP_PING },
	{ "mesh", 0, NULL, "make every bluenet-node ping every other",
	    OPTION_FLAG(OPT, mesh) },
	{ "trace", 0, NULL, "measure the time at each relay",
	    OPTION_FLAG(OPT, trace) },
	{ "poisson", 0, NULL, "draw random gaps, the interval as their mean",
	    OPTION_FLAG(OPT, poisson) },
	{ "seed", 0, "N", "set the seed of --poisson",
	    OPTION_NUMBER(OPT, seed, 0, INT64_MAX), .initial = "1" },
	{ "spin", 0, NULL, "never sleep: trade a processor for precision",
	    OPTION_FLAG(OPT, spin) },

	{ "output", 'o', "FORMAT", "print results in this format",
	    OPTION_WORD(OPT, output, outputs), .initial = "text",
	    .group = "Output" },
	{ "verbose", 'v', NULL, "print a line for each answer",
	    OPTION_FLAG(OPT, verbose) },
	{ "live", 0, NULL, "show a full screen, a line for each node",
	    OPTION_FLAG(OPT, live) },
	{ "bucket", 0, "TIME", "make each row of the table this long",
	    OPTION_TIME(OPT, bucket_ns, NS_PER_S, LONG_NS), .shown = "1h" },
	{ "unit", 0, "UNIT", "show tables and the screen in this unit",
	    OPTION_WORD(OPT, unit, cluster_units), .initial = "s" },
	{ "per-node", 0, NULL, "print a table for each node",
	    OPTION_FLAG(OPT, per_node) },
	{ "percentiles", 0, NULL, "add p50, p90, p99 and p99.9",
	    OPTION_FLAG(OPT, percentiles) },
	{ "fail-if", 0, "TEST", "exit with 1 if TEST holds, such as 'p99>5ms'",
	    OPTION_TEXTS(OPT, fail_ifs, PING_FAIL_IFS_MAX) },
	{ "allow-undecided", 0, NULL,
	    "let a --fail-if pass that has too few samples",
	    OPTION_FLAG(OPT, allow_undecided) },
	{ "log", 0, "FILE", "write histograms in the HdrHistogram format",
	    OPTION_PATH(OPT, log) },
	{ "samples", 0, "FILE", "write every sample as CSV",
	    OPTION_PATH(OPT, samples) },
	{ "plot", 0, "FILE", "draw a picture; the name ends in .svg or .png",
	    OPTION_PATH(OPT, plot) },

	{ "from", 0, NULL, "print a report of logs: FILE ...",
	    OPTION_FLAG(OPT, from), .group = "Logs" },
	{ "compare", 0, NULL, "compare two logs: BEFORE AFTER",
	    OPTION_FLAG(OPT, compare) },
	{ "tolerance", 0, "PERCENT", "ignore regressions up to PERCENT",
	    OPTION_PERCENT(OPT, tolerance, 1000), .initial = "5" },

	{ "as-node", 0, "ID", "connect as the node ID; 0 is any id",
	    OPTION_NUMBER(OPT, as_id, 0, INT64_MAX), .group = "Identity" },
	{ "force", 0, NULL, "displace a node that has the id of --as-node",
	    OPTION_FLAG(OPT, force) },
	{ "name", 0, "NAME", "show this name to the relay",
	    OPTION_TEXT(OPT, name, 0, NAME_CHARS), .initial = "bluenet-ping" },

	{ "exit-on-loss", 0, NULL, "end when the relay is lost",
	    OPTION_FLAG(OPT, exit_on_loss), .group = "Connection" },
	{ "order", 0, "ORDER", "speak this byte order; auto finds it out",
	    OPTION_WORD(OPT, order, orders), .initial = "auto" },

	{ "tls", 0, NULL, "use TLS", OPTION_FLAG(OPT, client.tls),
	    .group = "Authentication" },
	CLIENT_ROWS(OPT, client, 0),

	OPTION_HELP_ROWS,
	OPTION_END,
};
/* clang-format on */

const struct option_program ping_program = {
	.name = "bluenet-ping",
	.usage = "bluenet-ping [options] RELAY[:PORT] [NODE ...]\n"
		 "       bluenet-ping --from [options] FILE ...\n"
		 "       bluenet-ping --compare [options] BEFORE AFTER",
	.about = "Measure the latency of nodes, by id or name. Without NODE,"
		 " ping every node.",
	.ending = "Exit status: 0 all answered; 1 some node did not, or"
		  " --fail-if; 2 bad usage; 3 the relay cannot be reached. See"
		  " bluenet-ping(1).",
	.rows = rows,
	.opt_bytes = sizeof(OPT),
	.operands = "@files",
};

static void
check_files(struct option_reading *reading, const struct ping_options *opt)
{
	if (opt->from && opt->compare)
		options_refuse(reading, NULL,
		    "--from and --compare: expected one of them");
	if (opt->mode == PING_FROM && opt->n_words == 0)
		options_refuse(
		    reading, "from", "expected a file that --log wrote");
	if (opt->mode == PING_COMPARE && opt->unit != CLUSTER_S)
		options_refuse(
		    reading, "unit", "expected s: --compare is in seconds");
	if (opt->mode == PING_COMPARE && opt->n_words != 2)
		options_refuse(reading, "compare",
		    "expected two files that --log wrote: BEFORE AFTER");
}

static void
check_targets(struct option_reading *reading, const struct ping_options *opt)
{
	if (opt->relay == NULL)
		options_refuse(
		    reading, NULL, "expected a relay: " ADDRESS_TARGET_SYNTAX);
	else
		client_target_check(reading, "RELAY", opt->relay);
	if (opt->hop != PING_HOP_NONE && (opt->n_words > 0 || opt->clients))
		options_refuse(reading, "hop",
		    "the relay itself, so expected no NODE and no --clients");
	if (opt->mesh && (opt->hop != PING_HOP_NONE || opt->live))
		options_refuse(
		    reading, NULL, "--mesh goes without --hop and --live");
	for (size_t i = 0; i < opt->n_words; i++)
		if (opt->words[i][0] == '\0')
			options_refuse(reading, NULL,
			    "expected the id or the name of a NODE");
	if (opt->live && (opt->verbose || opt->output != PING_TEXT))
		options_refuse(reading, NULL, "--live goes without -v and -o");
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

void
ping_options_parse(struct ping_options *opt, int argc, char **argv)
{
	struct option_reading reading;

	*opt = (struct ping_options){ .count = 0 };
	options_parse(&reading, &ping_program, opt, argc, argv);
	opt->tolerance /= 100;
	opt->as_node = options_given(&reading, "as-node");
	take_words(opt, reading.n_words, reading.words);
	if (opt->mode != PING_MEASURE) {
		check_files(&reading, opt);
	} else {
		check_targets(&reading, opt);
		client_options_check(&reading, &opt->client);
	}
	options_end_if_bad(&reading);
}

void
ping_options_free(struct ping_options *opt)
{
	options_free(&ping_program, opt);
}
