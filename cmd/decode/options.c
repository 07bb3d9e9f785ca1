/* SPDX-License-Identifier: MIT */
#include "cmd/decode/options.h"

#include "cmd/common/cli.h"
#include "cmd/decode/statistics.h"
#include "cmd/filter/filter.h"
#include "proto/frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNAPLEN_MAX 262144
#define STREAM_BYTES_MIN UINT64_C(131072)
#define TOTAL_BYTES_MIN UINT64_C(1048576)
#define NS_PER_S INT64_C(1000000000)
#define IDLE_MAX_NS (INT64_C(30) * 86400 * NS_PER_S)
#define EXPRESSION_MAX (1 << 20) /* characters */

static const char *const outputs[] = { "text", "json", "none", NULL };
static const char *const whens[] = { "auto", "always", "never", NULL };
static const char *const orders[] = { "auto", "little", "network", NULL };
static const char *const overlaps[] = { "first", "last", NULL };
static const char *const payloads[] = { "none", "hex", "object", NULL };
static const char *const times[] = { "time", "none", "epoch", "delta", "date",
	NULL };

/* -t: each repetition selects the next format, as in tcpdump. */
static bool
take_t(void *arg, const char *text, char err[OPTION_ERR_CHARS])
{
	struct decode_options *opt = arg;

	(void)text;
	(void)err;
	opt->time = opt->time < TIME_DATE ? opt->time + 1 : TIME_DATE;
	return true;
}

#define OPT struct decode_options

/* clang-format off */
static const struct option_row rows[] = {
	{ "read", 'r', "FILE", "read a pcap or pcapng file; - is standard input",
	    OPTION_PATH(OPT, read_path), .group = "Input" },
	{ "interface", 'i', "INTERFACE", "capture from INTERFACE",
	    OPTION_PATH(OPT, iface), .complete = "@run -D" },
	{ "list-interfaces", 'D', NULL, "list the interfaces, and exit",
	    OPTION_FLAG(OPT, list_ifaces) },
	{ "bpf", 'f', "BPF", "read only the packets that match, as tcpdump does",
	    OPTION_TEXT(OPT, capture_filter, 0, EXPRESSION_MAX) },
	{ NULL, 's', "SNAPLEN", "with -i, capture SNAPLEN bytes of a packet",
	    OPTION_NUMBER(OPT, snaplen, 0, SNAPLEN_MAX), .initial = "262144" },
	{ "relinquish-privileges", 'Z', "USER",
	    "with -i and as root, become USER", OPTION_PATH(OPT, user),
	    .shown = "nobody" },
	{ "port", 'p', "PORTS", "decode the streams to these ports, or to any",
	    OPTION_PORTS(OPT, ports), .shown = "26000" },
	{ "order", 0, "ORDER", "assume this byte order",
	    OPTION_WORD(OPT, cap.order, orders), .initial = "auto" },
	{ "overlap", 0, "WHICH", "of bytes that were sent twice, keep these",
	    OPTION_WORD(OPT, cap.overlap, overlaps), .initial = "first" },
	{ "keylog", 0, "FILE", "decrypt TLS with the secrets in FILE (NSS key log)",
	    OPTION_TEXTS(OPT, keylogs, DECODE_LIST_MAX) },
	{ "keys", 0, "FILE", "show the keys in FILE by name, one on each line",
	    OPTION_TEXTS(OPT, keys, DECODE_LIST_MAX) },
	{ "strings", 0, "FILE",
	    "read marshal streams with the table of strings in FILE",
	    OPTION_PATH(OPT, strings_path) },

	{ "display-filter", 'Y', "EXPRESSION",
	    "show only what matches; 'help' lists the fields",
	    OPTION_TEXT(OPT, filter, 0, EXPRESSION_MAX), .complete = "help",
	    .group = "Selection" },
	{ "count", 'c', "COUNT", "stop after COUNT frames are shown",
	    OPTION_NUMBER(OPT, count, 1, UINT64_MAX) },

	{ "output", 'o', "FORMAT", "show frames in this format",
	    OPTION_WORD(OPT, output, outputs), .initial = "text",
	    .group = "Output" },
	{ "verbose", 'v', NULL, "text: show every field on its own line",
	    OPTION_FLAG(OPT, verbose) },
	{ "hex", 'x', NULL, "text: show payloads in hex and ASCII",
	    OPTION_FLAG(OPT, hex) },
	{ "payload", 0, "HOW", "json: show payloads like this",
	    OPTION_WORD(OPT, payload, payloads), .initial = "none" },
	{ NULL, 't', NULL,
	    "show no time; -tt shows seconds since 1970, -ttt since the line"
	    " before, -tttt the date", OPTION_OWN(take_t) },
	{ "time", 0, "FORMAT", "show the time in this format",
	    OPTION_WORD(OPT, time, times), .initial = "time" },
	{ "color", 0, "WHEN", "colour the text",
	    OPTION_WORD(OPT, color, whens), .initial = "auto" },
	{ "line-buffered", 'l', NULL, "write each line at once",
	    OPTION_FLAG(OPT, line_buffered) },
	{ "quiet", 'q', NULL, "show no frames, only statistics",
	    OPTION_FLAG(OPT, quiet) },
	{ "statistics", 'z', "STATISTIC",
	    "print a table at the end; 'help' lists them",
	    OPTION_TEXTS(OPT, stats, DECODE_LIST_MAX),
	    .complete = "@run -z help" },
	{ "write", 'w', "FILE", "write the packets of matching streams to FILE",
	    OPTION_PATH(OPT, write_path) },
	{ "progress", 0, "WHEN", "show the progress of reading",
	    OPTION_WORD(OPT, progress, whens), .initial = "auto" },

	{ "frame-max", 0, "BYTES", "treat a longer frame as malformed",
	    OPTION_SIZE(OPT, cap.frame_max_bytes, 1, BNET_FRAME_MAX_BYTES_TOP),
	    .initial = "1M", .group = "Limits" },
	{ "payload-max", 0, "BYTES", "do not decompress a longer payload",
	    OPTION_SIZE(OPT, cap.payload_max_bytes, 1, UINT32_MAX),
	    .initial = "20000000" },
	{ "stream-memory", 0, "BYTES",
	    "hold at most BYTES of each direction of a stream",
	    OPTION_SIZE(OPT, cap.limits.stream_bytes, STREAM_BYTES_MIN,
		SIZE_MAX / 4), .initial = "4M" },
	{ "memory", 0, "BYTES", "hold at most BYTES of all streams",
	    OPTION_SIZE(OPT, cap.limits.total_bytes, TOTAL_BYTES_MIN,
		SIZE_MAX / 4), .initial = "256M" },
	{ "max-streams", 0, "N", "hold at most N streams at once",
	    OPTION_NUMBER(OPT, cap.limits.n_streams, 1, UINT32_MAX),
	    .initial = "65536" },
	{ "idle", 0, "TIME", "set a stream aside that is silent for this long",
	    OPTION_TIME(OPT, cap.limits.idle_ns, NS_PER_S / 1000, IDLE_MAX_NS),
	    .initial = "600s" },

	OPTION_HELP_ROWS,
	OPTION_END,
};
/* clang-format on */

const struct option_program decode_program = {
	.name = "bluenet-decode",
	.usage =
	    "bluenet-decode [-r FILE | -i INTERFACE] [-f BPF]"
	    " [-Y EXPRESSION]\n"
	    "                      [-c COUNT] [-o text|json|none] [-v] [-x]"
	    " [-q] [-w FILE]\n"
	    "                      [-z STATISTIC] [options] [BPF ...]",
	.about = "Show the CarbonIO and BlueNet frames in a capture. Words"
		 " after the options are a capture filter, too.",
	.ending = "Exit status: 0 clean; 1 could not read; 2 bad usage; 3 read,"
		  " but with gaps, malformed frames or limits hit. See"
		  " bluenet-decode(1).",
	.rows = rows,
	.opt_bytes = sizeof(OPT),
};

/* Exits after the requested text was printed. */
_Noreturn static void
printed(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		cli_die("standard output: %s", strerror(errno));
	exit(CLI_OK);
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

/* -z help, -Y help */
static void
list(struct decode_options *opt)
{
	for (size_t i = 0; i < opt->stats.n; i++) {
		if (strcmp(opt->stats.at[i], "help") != 0)
			continue;
		decode_options_free(opt);
		list_statistics();
	}
	if (opt->filter != NULL && strcmp(opt->filter, "help") == 0) {
		decode_options_free(opt);
		filter_help(stdout);
		printed();
	}
}

/* "(-f) and (words)", one of them alone, or NULL. */
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
check(struct option_reading *reading, const struct decode_options *opt)
{
	if (opt->list_ifaces)
		return;
	if (opt->read_path != NULL && opt->iface != NULL)
		options_refuse(reading, NULL,
		    "--read and --interface: expected one of them");
	if (opt->read_path == NULL && opt->iface == NULL)
		options_refuse(
		    reading, NULL, "expected -r FILE or -i INTERFACE");
	if (opt->user != NULL && opt->iface == NULL)
		options_refuse(reading, "relinquish-privileges",
		    "expected --interface with it");
}

static void
set_ports(struct cap_settings *cap, const struct option_ports *ports)
{
	_Static_assert(OPTION_PORTS_MAX <= CAP_PORTS_MAX, "they fit");
	cap->any_port = ports->any;
	cap->n_ports = ports->n;
	memcpy(cap->ports, ports->at, sizeof(ports->at));
}

void
decode_options_parse(struct decode_options *opt, int argc, char **argv)
{
	struct option_reading reading;

	*opt = (struct decode_options){ .snaplen = 0 };
	options_parse(&reading, &decode_program, opt, argc, argv);
	list(opt);
	if (opt->snaplen == 0)
		opt->snaplen = SNAPLEN_MAX;
	set_ports(&opt->cap, &opt->ports);
	check(&reading, opt);
	options_end_if_bad(&reading);
	opt->bpf =
	    join_bpf(opt->capture_filter, reading.words, reading.n_words);
}

void
decode_options_free(struct decode_options *opt)
{
	options_free(&decode_program, opt);
	free(opt->bpf);
	opt->bpf = NULL;
}
