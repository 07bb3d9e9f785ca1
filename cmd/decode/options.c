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
#include <sys/stat.h>

#define SNAPLEN_MAX 262144
#define STREAM_BYTES_MIN UINT64_C(131072)
#define TOTAL_BYTES_MIN UINT64_C(1048576)
#define NS_PER_S INT64_C(1000000000)
#define IDLE_MAX_NS (INT64_C(30) * 86400 * NS_PER_S)
#define KEY_WAIT_MAX_NS (INT64_C(3600) * NS_PER_S)
#define EXPRESSION_MAX (1 << 20) /* characters */

static const char *const outputs[] = { "text", "json", "fields", "csv", "none",
	NULL };
static const char *const whens[] = { "auto", "always", "never", NULL };
static const char *const orders[] = { "auto", "little", "network", NULL };
static const char *const overlaps[] = { "first", "last", NULL };
static const char *const payloads[] = { "none", "hex", "object", NULL };
static const char *const times[] = { "time", "none", "epoch", "delta", "date",
	"utc", "utc-date", NULL };

/* What may follow -t, as in tshark, and what it means. */
static const char *const forms[] = { "a", "ad", "d", "e", "u", "ud", NULL };
static const enum option_time times_of_forms[] = { TIME_OF_DAY, TIME_DATE,
	TIME_DELTA, TIME_EPOCH, TIME_UTC_CLOCK, TIME_UTC_DATE };

/* -t: each repetition selects the next format, as in tcpdump. */
static bool
take_t(void *arg, const char *text, char err[OPTION_ERR_CHARS])
{
	struct decode_options *opt = arg;

	(void)err;
	if (text == NULL)
		opt->time = opt->time < TIME_DATE ? opt->time + 1 : TIME_DATE;
	for (size_t i = 0; text != NULL && forms[i] != NULL; i++)
		if (strcmp(forms[i], text) == 0)
			opt->time = times_of_forms[i];
	opt->time_given = true;
	return true;
}

/* Reads a character, or /t for a tab, /s for a blank. */
static bool
take_char(const char *text, char *c, char err[OPTION_ERR_CHARS])
{
	*c = text[0];
	if (strcmp(text, "/t") == 0)
		*c = '\t';
	else if (strcmp(text, "/s") == 0)
		*c = ' ';
	else if (strlen(text) != 1 || (unsigned char)*c < 0x20 ||
	    (unsigned char)*c > 0x7e || strchr("\"\\'", *c) != NULL)
		return option_expected(err,
		    "one printable character that is no quote and no"
		    " backslash, /t (a tab) or /s (a blank)");
	return true;
}

/* Reads one letter of `letters`. */
static bool
take_letter(
    const char *text, const char *letters, char *c, char err[OPTION_ERR_CHARS])
{
	*c = text[0];
	if (*c != '\0' && text[1] == '\0' && strchr(letters, *c) != NULL)
		return true;
	(void)snprintf(
	    err, OPTION_ERR_CHARS, "expected one of the letters %s", letters);
	return false;
}

/* -E NAME=VALUE, as in tshark */
static bool
take_column_option(void *arg, const char *text, char err[OPTION_ERR_CHARS])
{
	struct option_columns *to = &((struct decode_options *)arg)->columns;
	const char *value = strchr(text, '=');
	const size_t n = value != NULL ? (size_t)(value - text) : 0;
	char c;

	value += value != NULL;
	if (n == 6 && strncmp(text, "header", n) == 0) {
		if (!take_letter(value, "yn", &c, err))
			return false;
		to->header = c == 'y';
	} else if (n == 5 && strncmp(text, "quote", n) == 0) {
		if (!take_letter(value, "dsn", &c, err))
			return false;
		to->quote = c == 'd' ? '"' : c == 's' ? '\'' : 'n';
	} else if (n == 10 && strncmp(text, "occurrence", n) == 0) {
		if (!take_letter(value, "afl", &c, err))
			return false;
		to->occurrence = c == 'f' ? OCCURRENCE_FIRST
		    : c == 'l'            ? OCCURRENCE_LAST
					  : OCCURRENCE_ALL;
	} else if (n == 9 && strncmp(text, "separator", n) == 0) {
		return take_char(value, &to->separator, err);
	} else if (n == 10 && strncmp(text, "aggregator", n) == 0) {
		return take_char(value, &to->aggregator, err);
	} else {
		return option_expected(err,
		    "header=, separator=, quote=, occurrence= or aggregator=");
	}
	return true;
}

/* --follow STREAM, or STREAM,HOW */
static bool
take_follow(void *arg, const char *text, char err[OPTION_ERR_CHARS])
{
	static const char *const hows[] = { "text", "hex", "raw" };
	struct decode_options *opt = arg;
	char *end;

	errno = 0;
	opt->follow_stream = strtoull(text, &end, 10);
	opt->follow =
	    end == text || errno != 0 || text[0] < '0' || text[0] > '9'
	    ? FOLLOW_NOT
	    : FOLLOW_TEXT;
	if (opt->follow == FOLLOW_TEXT && *end == '\0')
		return true;
	for (int i = 0; opt->follow != FOLLOW_NOT && *end == ',' && i < 3; i++)
		if (strcmp(end + 1, hows[i]) == 0) {
			opt->follow = (enum option_follow)(FOLLOW_TEXT + i);
			return true;
		}
	return option_expected(err,
	    "the number of a stream, alone or followed by ,text ,hex or ,raw");
}

static bool
take_first(void *arg, const char *text, char err[OPTION_ERR_CHARS])
{
	struct window *window = &((struct decode_options *)arg)->window;

	window->on = true;
	return window_bound_read(&window->first, text, err);
}

static bool
take_last(void *arg, const char *text, char err[OPTION_ERR_CHARS])
{
	struct window *window = &((struct decode_options *)arg)->window;

	window->on = true;
	return window_bound_read(&window->last, text, err);
}

#define OPT struct decode_options

/* clang-format off */
static const struct option_row rows[] = {
	{ "read", 'r', "FILE",
	    "read a pcap or pcapng file, or several; - is standard input",
	    OPTION_TEXTS(OPT, reads, OPTION_TEXTS_MAX), .group = "Input" },
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
	{ "port", 'p', "PORTS", "decode the streams to these ports and ranges of ports, or to any",
	    OPTION_PORTS(OPT, ports), .shown = "26000" },
	{ "order", 0, "ORDER", "assume this byte order",
	    OPTION_WORD(OPT, cap.order, orders), .initial = "auto" },
	{ "overlap", 0, "WHICH", "of bytes that were sent twice, keep these",
	    OPTION_WORD(OPT, cap.overlap, overlaps), .initial = "first" },
	{ "keylog", 0, "FILE", "decrypt TLS with the secrets in FILE (NSS key log)",
	    OPTION_TEXTS(OPT, keylogs, DECODE_LIST_MAX) },
	{ "keylog-wait", 0, "TIME",
	    "live or from a pipe: wait this long for a missing secret",
	    OPTION_TIME(OPT, cap.key_wait_ns, 0, KEY_WAIT_MAX_NS),
	    .initial = "5s" },
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
	{ "first", 0, "TIME", "show only what is not before TIME, a date, a"
	    " time of day, or +5s after the first packet",
	    OPTION_OWN(take_first) },
	{ "last", 0, "TIME", "show only what is not after TIME",
	    OPTION_OWN(take_last) },
	{ "follow", 0, "STREAM",
	    "show the payloads of one stream as text; STREAM,hex and STREAM,raw"
	    " in hex",
	    OPTION_OWN(take_follow) },

	{ "output", 'o', "FORMAT", "show frames in this format",
	    OPTION_WORD(OPT, output, outputs), .initial = "text",
	    .group = "Output" },
	{ NULL, 'T', "FORMAT", "the same as -o, as in tshark",
	    OPTION_WORD(OPT, output, outputs) },
	{ "field", 'e', "FIELD",
	    "fields and csv: show FIELD in the next column; any name of -Y",
	    OPTION_TEXTS(OPT, fields, OPTION_TEXTS_MAX), .complete = "help" },
	{ NULL, 'E', "NAME=VALUE",
	    "fields and csv: header=y, separator=, quote=d|s|n,"
	    " occurrence=f|l|a, aggregator=", OPTION_OWN(take_column_option),
	    .complete = "header=y separator= quote=d occurrence=f aggregator=" },
	{ "verbose", 'v', NULL, "text: show every field on its own line",
	    OPTION_FLAG(OPT, verbose) },
	{ "hex", 'x', NULL, "text: show payloads in hex and ASCII",
	    OPTION_FLAG(OPT, hex) },
	{ "payload", 0, "HOW", "json: show payloads like this",
	    OPTION_WORD(OPT, payload, payloads), .initial = "none" },
	{ NULL, 't', NULL,
	    "show no time; -tt shows seconds since 1970, -ttt since the line"
	    " before, -tttt the date; -t u shows UTC, -t ud with the date",
	    OPTION_OWN(take_t), .words = forms },
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
	{ "merge", 0, NULL,
	    "the files are of -o json: add up the statistics in them",
	    OPTION_FLAG(OPT, merge) },
	{ "write", 'w', "FILE", "write the packets of matching streams to FILE",
	    OPTION_PATH(OPT, write_path) },
	{ "export", 0, "DIR", "write each payload to a file in DIR, with a list",
	    OPTION_PATH(OPT, export_path), .complete = "@files" },
	{ "export-streams", 0, NULL,
	    "--export: a file for each direction of a stream instead",
	    OPTION_FLAG(OPT, export_streams) },
	{ "export-max", 0, "N", "write at most N of these files",
	    OPTION_NUMBER(OPT, export_max, 1, 10000000), .initial = "10000" },
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
	    "bluenet-decode [-r FILE ... | -i INTERFACE] [-f BPF]"
	    " [-Y EXPRESSION]\n"
	    "                      [-c COUNT] [-o text|json|fields|csv|none]"
	    "\n"
	    "                      [-e FIELD] [-v] [-x] [-q] [-w FILE]"
	    " [-z STATISTIC]\n"
	    "                      [options] [BPF ...]",
	.about = "Show the CarbonIO and BlueNet frames in a capture. Words"
		 " after the options are files to read, too, as long as there"
		 " are such files; the rest is a capture filter.",
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
	exit(cli_flush() ? CLI_OK : CLI_FAILED);
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

static bool
wants_names(const struct decode_options *opt)
{
	for (size_t i = 0; i < opt->fields.n; i++)
		if (strcmp(opt->fields.at[i], "help") == 0)
			return true;
	return opt->filter != NULL && strcmp(opt->filter, "help") == 0;
}

/* -z help, -Y help, -e help */
static void
list(struct decode_options *opt)
{
	for (size_t i = 0; i < opt->stats.n; i++) {
		if (strcmp(opt->stats.at[i], "help") != 0)
			continue;
		decode_options_free(opt);
		list_statistics();
	}
	if (wants_names(opt)) {
		decode_options_free(opt);
		filter_help(stdout);
		printed();
	}
}

/* ---- operands ---- */

/* What the name of a capture ends with, so that it is no filter. */
static const char *const endings[] = { ".pcap", ".pcapng", ".cap", ".gz",
	".zst", ".lz4" };

/* Is the operand a file? Directories may be called as words of a filter are. */
static bool
is_file(const char *word)
{
	size_t n = strlen(word), n_ending;
	struct stat st;

	if (stat(word, &st) == 0)
		return !S_ISDIR(st.st_mode);
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		n_ending = strlen(endings[i]);
		if (n > n_ending &&
		    strcmp(word + n - n_ending, endings[i]) == 0)
			return true;
	}
	return false;
}

/*
 * Makes opt->paths of -r and of the operands that are files. Returns how many
 * operands those are.
 */
static int
take_files(struct decode_options *opt, char **words, int n_words)
{
	int n = 0;

	if (opt->reads.n == 0 && !opt->merge)
		return 0;
	while (n < n_words && (opt->merge || is_file(words[n])))
		n++;
	opt->paths = calloc(opt->reads.n + (size_t)n, sizeof(*opt->paths));
	if (opt->paths == NULL)
		cli_die("out of memory");
	for (size_t i = 0; i < opt->reads.n; i++)
		opt->paths[opt->n_paths++] = opt->reads.at[i];
	for (int i = 0; i < n; i++)
		opt->paths[opt->n_paths++] = words[i];
	return n;
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

static bool
is_given_twice(const struct option_reading *reading, const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) - 1; i++)
		if (rows[i].name != NULL && strcmp(rows[i].name, name) == 0)
			return reading->n_given[i] > 1;
	return false;
}

static bool
is_stdin_twice(const struct decode_options *opt)
{
	unsigned n = 0;

	for (size_t i = 0; i < opt->reads.n; i++)
		n += strcmp(opt->reads.at[i], "-") == 0;
	return n > 1;
}

static void
check_merge(struct option_reading *reading, const struct decode_options *opt)
{
	if (opt->iface != NULL || opt->capture_filter != NULL ||
	    opt->filter != NULL || opt->stats.n > 0 || opt->write_path != NULL)
		options_refuse(reading, "merge",
		    "expected no option but -o: the files say what was"
		    " counted");
	if (opt->output == OUTPUT_FIELDS || opt->output == OUTPUT_NONE)
		options_refuse(
		    reading, "merge", "expected -o text, json or csv with it");
	if (opt->reads.n == 0 && reading->n_words == 0)
		options_refuse(reading, "merge", "expected FILE ...");
}

static void
check(struct option_reading *reading, const struct decode_options *opt)
{
	if (opt->list_ifaces)
		return;
	if (opt->merge) {
		check_merge(reading, opt);
		return;
	}
	if (opt->reads.n > 0 && opt->iface != NULL)
		options_refuse(reading, NULL,
		    "--read and --interface: expected one of them");
	if (is_given_twice(reading, "interface"))
		options_refuse(reading, "interface",
		    "given twice: expected one interface; any captures from"
		    " all");
	if (is_stdin_twice(opt))
		options_refuse(
		    reading, "read", "standard input can be read only once");
	if (opt->reads.n == 0 && opt->iface == NULL)
		options_refuse(
		    reading, NULL, "expected -r FILE or -i INTERFACE");
	if (opt->user != NULL && opt->iface == NULL)
		options_refuse(reading, "relinquish-privileges",
		    "expected --interface with it");
}

/* Options that go only with others. */
static void
check_output(struct option_reading *reading, const struct decode_options *opt)
{
	const bool columns =
	    opt->output == OUTPUT_FIELDS || opt->output == OUTPUT_CSV;

	if (columns && opt->fields.n == 0 && !opt->quiet && !opt->merge)
		options_refuse(reading, NULL,
		    "-T %s: expected -e FIELD for each column",
		    outputs[opt->output]);
	if (!columns && opt->fields.n > 0)
		options_refuse(
		    reading, "field", "expected -T fields or -T csv with it");
	if (opt->follow != FOLLOW_NOT && opt->output != OUTPUT_TEXT)
		options_refuse(reading, "follow",
		    "expected no other format: it is one itself");
	if (opt->export_streams && opt->export_path == NULL)
		options_refuse(
		    reading, "export-streams", "expected --export DIR with it");
	if (window_is_empty(&opt->window))
		options_refuse(reading, NULL,
		    "--first and --last: expected the first not to be after"
		    " the last");
}

static void
set_ports(struct cap_settings *cap, const struct option_ports *ports)
{
	_Static_assert(OPTION_PORTS_MAX <= CAP_PORTS_MAX, "they fit");
	cap->any_port = ports->any;
	cap->n_ports = ports->n;
	for (size_t i = 0; i < ports->n; i++) {
		cap->ports[i] = ports->at[i].first;
		cap->last_ports[i] = ports->at[i].last;
	}
}

void
decode_options_parse(struct decode_options *opt, int argc, char **argv)
{
	struct option_reading reading;
	int n_files;

	*opt = (struct decode_options){ .snaplen = 0 };
	options_parse(&reading, &decode_program, opt, argc, argv);
	list(opt);
	if (opt->snaplen == 0)
		opt->snaplen = SNAPLEN_MAX;
	set_ports(&opt->cap, &opt->ports);
	opt->time_given |= options_given(&reading, "time");
	check(&reading, opt);
	check_output(&reading, opt);
	options_end_if_bad(&reading);
	n_files = take_files(opt, reading.words, reading.n_words);
	opt->bpf = join_bpf(opt->capture_filter, reading.words + n_files,
	    reading.n_words - n_files);
}

void
decode_options_free(struct decode_options *opt)
{
	options_free(&decode_program, opt);
	free(opt->paths);
	opt->paths = NULL;
	free(opt->bpf);
	opt->bpf = NULL;
}
