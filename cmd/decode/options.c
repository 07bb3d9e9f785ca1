/* SPDX-License-Identifier: MIT */
#include "cmd/decode/options.h"

#include "cmd/common/cli.h"
#include "cmd/decode/statistics.h"
#include "cmd/filter/filter.h"
#include "proto/bluenet.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNAPLEN_MAX 262144
#define STREAM_BYTES_MIN UINT64_C(131072)
#define TOTAL_BYTES_MIN UINT64_C(1048576)
#define NS_PER_S INT64_C(1000000000)
#define IDLE_MAX_NS (INT64_C(30) * 86400 * NS_PER_S)

/* Options without a letter. */
enum {
	OPT_COLOR = 256,
	OPT_FRAME_MAX,
	OPT_IDLE,
	OPT_KEYLOG,
	OPT_KEYS,
	OPT_MAX_STREAMS,
	OPT_MEMORY,
	OPT_ORDER,
	OPT_OVERLAP,
	OPT_PAYLOAD,
	OPT_PAYLOAD_MAX,
	OPT_PROGRESS,
	OPT_STREAM_MEMORY,
	OPT_TIME,
	OPT_VERSION,
};

/* One row an option: for getopt, for --help, held against the manual. */
static const struct {
	int val;
	const char *name; /* NULL: the letter only */
	const char *arg; /* NULL: none */
	const char *about;
} table[] = {
	{ 'r', "read", "FILE", "a pcap or pcapng file; - is standard input" },
	{ 'i', "interface", "IFACE", "capture live" },
	{ 'D', "list-interfaces", NULL, "list the interfaces" },
	{ 'f', "bpf", "BPF", "capture filter, as tcpdump's" },
	{ 's', NULL, "BYTES", "live: bytes captured of a packet (262144)" },
	{ 'Z', "relinquish-privileges", "USER",
	    "live, as root: go on as USER (nobody)" },
	{ 'p', "port", "PORTS", "ports of relays (26000), or any" },
	{ OPT_ORDER, "order", "ORDER", "byte order: auto, little, network" },
	{ OPT_OVERLAP, "overlap", "WHICH",
	    "of bytes sent twice keep: first, last" },
	{ OPT_KEYLOG, "keylog", "FILE", "TLS secrets (NSS key log format)" },
	{ OPT_KEYS, "keys", "FILE", "names of keys, one a line" },
	{ 'Y', "display-filter", "EXPR",
	    "show only what matches; help lists the fields" },
	{ 'c', "count", "COUNT", "stop after so many frames shown" },
	{ 'o', "output", "FORMAT", "text, json or none" },
	{ 'x', "hex", NULL, "text: payloads in hex and ASCII" },
	{ 'V', "verbose", NULL, "text: every field on its own line" },
	{ OPT_PAYLOAD, "payload", "HOW", "json: payloads none or hex" },
	{ 't', NULL, NULL, "no times; -tt epoch, -ttt delta, -tttt date" },
	{ OPT_TIME, "time", "FORMAT", "none, epoch, delta, date or time" },
	{ OPT_COLOR, "color", "WHEN", "auto, always or never" },
	{ 'l', "line-buffered", NULL, "write every line at once" },
	{ 'q', "quiet", NULL, "no lines, only statistics" },
	{ 'z', "statistics", "NAME",
	    "print a statistic at the end; help lists them" },
	{ 'w', "write", "FILE", "write the packets of matching streams" },
	{ OPT_PROGRESS, "progress", "WHEN", "auto, always or never" },
	{ OPT_FRAME_MAX, "frame-max", "BYTES", "longest frame (1M)" },
	{ OPT_PAYLOAD_MAX, "payload-max", "BYTES",
	    "longest payload, decompressed (20000000)" },
	{ OPT_STREAM_MEMORY, "stream-memory", "BYTES",
	    "held of a direction of a stream (4M)" },
	{ OPT_MEMORY, "memory", "BYTES", "held of all streams (256M)" },
	{ OPT_MAX_STREAMS, "max-streams", "N", "streams at once (65536)" },
	{ OPT_IDLE, "idle", "TIME",
	    "a stream silent for so long rests (600s)" },
	{ 'h', "help", NULL, "this" },
	{ OPT_VERSION, "version", NULL, "the version" },
};

#define N_OPTIONS (sizeof(table) / sizeof(table[0]))

static const char *const outputs[] = { "text", "json", "none", NULL };
static const char *const whens[] = { "auto", "always", "never", NULL };
static const char *const orders[] = { "auto", "little", "network", NULL };
static const char *const overlaps[] = { "first", "last", NULL };
static const char *const payloads[] = { "none", "hex", NULL };
static const char *const times[] = { "time", "none", "epoch", "delta", "date",
	NULL };

/* What was asked for is printed: that is all. */
_Noreturn static void
printed(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		cli_die("standard output: %s", strerror(errno));
	exit(CLI_OK);
}

static void
help(void)
{
	char left[64];

	puts("usage: bluenet-decode [-r FILE | -i IFACE] [-f BPF] [-Y EXPR]"
	     " [-c COUNT]\n"
	     "                      [-o text|json|none] [-x] [-V] [-q]"
	     " [-w FILE] [-z NAME]\n"
	     "                      [options] [BPF ...]\n\n"
	     "Show the CarbonIO and BlueNet frames in a capture. Words behind"
	     " the options are\na capture filter too.\n");
	for (size_t i = 0; i < N_OPTIONS; i++) {
		char letter[8] = "    ";

		if (table[i].val < 256)
			snprintf(letter, sizeof(letter), "-%c%s", table[i].val,
			    table[i].name != NULL ? ", " : "");
		snprintf(left, sizeof(left), "%s%s%s%s%s", letter,
		    table[i].name != NULL ? "--" : "",
		    table[i].name != NULL ? table[i].name : "",
		    table[i].arg != NULL ? " " : "",
		    table[i].arg != NULL ? table[i].arg : "");
		printf("  %-32s %s\n", left, table[i].about);
	}
	puts("\nExit: 0 clean; 1 could not read; 2 usage; 3 read, but with"
	     " gaps, malformed\nframes or limits hit. See bluenet-decode(1).");
	printed();
}

static void
list_statistics(void)
{
	const struct statistics_info *info;
	char left[64];

	for (size_t i = 0; (info = statistics_info(i)) != NULL; i++) {
		snprintf(left, sizeof(left), "%s%s%s", info->name,
		    info->arg != NULL ? "," : "",
		    info->arg != NULL ? info->arg : "");
		printf("%-14s %s\n", left, info->about);
	}
	printed();
}

static void
add_item(struct option_list *list, const char *what, const char *item)
{
	if (list->n == OPTIONS_LIST_MAX)
		cli_usage("%s: at most %d of them", what, OPTIONS_LIST_MAX);
	list->item[list->n++] = item;
}

static void
parse_ports(struct cap_settings *cap, const char *text)
{
	char *copy = strdup(text), *rest = copy, *word;

	if (copy == NULL)
		cli_die("out of memory");
	while ((word = strsep(&rest, ",")) != NULL) {
		if (strcmp(word, "any") == 0) {
			cap->any_port = true;
			continue;
		}
		if (cap->n_ports == CAP_PORTS_MAX)
			cli_usage("-p: at most %d ports", CAP_PORTS_MAX);
		cap->ports[cap->n_ports++] =
		    (uint16_t)cli_number("-p", word, 1, 65535);
	}
	free(copy);
}

static void
parse_limit(struct cap_settings *cap, int c, const char *arg)
{
	switch (c) {
	case OPT_FRAME_MAX:
		cap->frame_max_bytes = (uint32_t)cli_size(
		    "--frame-max", arg, 1, BNET_FRAME_MAX_BYTES_TOP);
		break;
	case OPT_PAYLOAD_MAX:
		cap->payload_max_bytes =
		    (uint32_t)cli_size("--payload-max", arg, 1, UINT32_MAX);
		break;
	case OPT_STREAM_MEMORY:
		cap->limits.stream_bytes = (size_t)cli_size(
		    "--stream-memory", arg, STREAM_BYTES_MIN, SIZE_MAX / 4);
		break;
	case OPT_MEMORY:
		cap->limits.total_bytes = (size_t)cli_size(
		    "--memory", arg, TOTAL_BYTES_MIN, SIZE_MAX / 4);
		break;
	case OPT_MAX_STREAMS:
		cap->limits.n_streams =
		    (size_t)cli_number("--max-streams", arg, 1, UINT32_MAX);
		break;
	default:
		cap->limits.idle_ns = cli_duration_ns(
		    "--idle", arg, NS_PER_S / 1000, IDLE_MAX_NS);
	}
}

static void
parse_format(struct options *opt, int c, const char *arg)
{
	switch (c) {
	case 'o':
		opt->output = (enum option_output)cli_word("-o", arg, outputs);
		break;
	case OPT_COLOR:
		opt->color = (enum option_when)cli_word("--color", arg, whens);
		break;
	case OPT_PROGRESS:
		opt->progress =
		    (enum option_when)cli_word("--progress", arg, whens);
		break;
	case OPT_PAYLOAD:
		opt->payload_hex = cli_word("--payload", arg, payloads) == 1;
		break;
	case OPT_ORDER:
		opt->cap.order =
		    (enum bnet_order)cli_word("--order", arg, orders);
		break;
	case OPT_OVERLAP:
		opt->cap.overlap =
		    (enum cap_overlap)cli_word("--overlap", arg, overlaps);
		break;
	default:
		opt->time = (enum option_time)cli_word("--time", arg, times);
	}
}

static void
parse_text(struct options *opt, int c, const char *arg)
{
	switch (c) {
	case 'r':
		opt->read_path = arg;
		break;
	case 'i':
		opt->iface = arg;
		break;
	case 'Y':
		opt->filter = arg;
		break;
	case 'w':
		opt->write_path = arg;
		break;
	case 'Z':
		opt->user = arg;
		break;
	case 'z':
		if (strcmp(arg, "help") == 0)
			list_statistics();
		add_item(&opt->stats, "-z", arg);
		break;
	case OPT_KEYS:
		add_item(&opt->keys, "--keys", arg);
		break;
	default:
		add_item(&opt->keylogs, "--keylog", arg);
	}
}

static bool
parse_flag(struct options *opt, int c)
{
	switch (c) {
	case 'D':
		return opt->list_ifaces = true;
	case 'x':
		return opt->hex = true;
	case 'V':
		return opt->verbose = true;
	case 'q':
		return opt->quiet = true;
	case 'l':
		return opt->line_buffered = true;
	case 't':
		opt->time = opt->time < TIME_DATE ? opt->time + 1 : TIME_DATE;
		return true;
	case 'h':
		help();
		return true;
	case OPT_VERSION:
		puts("bluenet-decode " BNET_VERSION);
		printed();
	default:
		return false;
	}
}

static void
parse_one(struct options *opt, int c, const char *arg, const char **bpf)
{
	if (parse_flag(opt, c))
		return;
	switch (c) {
	case 'f':
		*bpf = arg;
		break;
	case 's':
		opt->snaplen = (int)cli_number("-s", arg, 0, SNAPLEN_MAX);
		if (opt->snaplen == 0)
			opt->snaplen = SNAPLEN_MAX;
		break;
	case 'p':
		parse_ports(&opt->cap, arg);
		break;
	case 'c':
		opt->count = cli_number("-c", arg, 1, UINT64_MAX);
		break;
	case OPT_FRAME_MAX:
	case OPT_PAYLOAD_MAX:
	case OPT_STREAM_MEMORY:
	case OPT_MEMORY:
	case OPT_MAX_STREAMS:
	case OPT_IDLE:
		parse_limit(&opt->cap, c, arg);
		break;
	case 'o':
	case OPT_COLOR:
	case OPT_PROGRESS:
	case OPT_PAYLOAD:
	case OPT_ORDER:
	case OPT_OVERLAP:
	case OPT_TIME:
		parse_format(opt, c, arg);
		break;
	default:
		parse_text(opt, c, arg);
	}
}

/* "(-f) and (words)", either alone, or NULL. */
static char *
join_bpf(const char *bpf, char **words, int n)
{
	bool both = bpf != NULL && n > 0;
	char *all = NULL;
	size_t size;
	FILE *f;

	if (bpf == NULL && n == 0)
		return NULL;
	f = open_memstream(&all, &size);
	if (f == NULL)
		cli_die("out of memory");
	if (bpf != NULL)
		fprintf(f, both ? "(%s) and (" : "%s", bpf);
	for (int i = 0; i < n; i++)
		fprintf(f, "%s%s", i > 0 ? " " : "", words[i]);
	if (both)
		fputc(')', f);
	if (fclose(f) != 0)
		cli_die("out of memory");
	return all;
}

static void
check(const struct options *opt)
{
	if (opt->list_ifaces)
		return;
	if (opt->read_path != NULL && opt->iface != NULL)
		cli_usage("-r and -i: expected one of them");
	if (opt->read_path == NULL && opt->iface == NULL)
		cli_usage("expected -r FILE or -i IFACE");
	if (opt->user != NULL && opt->iface == NULL)
		cli_usage("-Z goes with -i");
}

void
decode_options_parse(struct options *opt, int argc, char **argv)
{
	struct option longs[N_OPTIONS + 1];
	char shorts[2 * N_OPTIONS + 2] = ":";
	const char *bpf = NULL;
	size_t n_long = 0, n_short = 1;
	int c;

	*opt = (struct options){ .snaplen = SNAPLEN_MAX };
	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (table[i].val < 256) {
			shorts[n_short++] = (char)table[i].val;
			if (table[i].arg != NULL)
				shorts[n_short++] = ':';
		}
		if (table[i].name != NULL)
			longs[n_long++] = (struct option){ table[i].name,
				table[i].arg != NULL, NULL, table[i].val };
	}
	shorts[n_short] = '\0';
	longs[n_long] = (struct option){ NULL, 0, NULL, 0 };
	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == ':')
			cli_usage(
			    "%s: an argument is missing", argv[optind - 1]);
		if (c == '?' && optopt != 0 && optopt < 256)
			cli_usage("-%c: no such option", optopt);
		if (c == '?')
			cli_usage("%s: no such option", argv[optind - 1]);
		parse_one(opt, c, optarg, &bpf);
	}
	if (opt->filter != NULL && strcmp(opt->filter, "help") == 0) {
		filter_help(stdout);
		printed();
	}
	opt->bpf = join_bpf(bpf, argv + optind, argc - optind);
	check(opt);
}
