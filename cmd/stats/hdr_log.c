/* SPDX-License-Identifier: MIT */
#include "cmd/stats/hdr_log.h"

#include "cmd/stats/hdr_codec.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS 1e6
#define SECONDS_MAX 4e9 /* the year 2096, or so long an interval */
#define YEAR_S (365 * 24 * 3600.0)
#define LINE_BYTES_AT_FIRST 4096

void
hdr_log_head(FILE *file, int64_t start_ns)
{
	time_t start_s = (time_t)(start_ns / NS_PER_S);
	char text[64] = "";
	struct tm tm;

	if (gmtime_r(&start_s, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fprintf(file, "#[Histogram log format version 1.3]\n");
	fprintf(file,
	    "#[StartTime: %" PRId64 ".%03d (seconds since epoch), %s]\n",
	    start_ns / NS_PER_S, (int)(start_ns % NS_PER_S / 1000000), text);
}

void
hdr_log_legend(FILE *file)
{
	fprintf(file,
	    "\"StartTimestamp\",\"Interval_Length\","
	    "\"Interval_Max\",\"Interval_Compressed_Histogram\"\n");
}

bool
hdr_log_line(FILE *file, const char *tag, int64_t start_ns, int64_t length_ns,
    const struct hdr *hdr)
{
	char *text = hdr_encode(hdr);

	if (text == NULL)
		return false;
	if (tag != NULL)
		fprintf(file, "Tag=%s,", tag);
	fprintf(file, "%" PRId64 ".%03d,%" PRId64 ".%03d,%.3f,%s\n",
	    start_ns / NS_PER_S, (int)(start_ns % NS_PER_S / 1000000),
	    length_ns / NS_PER_S, (int)(length_ns % NS_PER_S / 1000000),
	    (double)hdr->sums.max / NS_PER_MS, text);
	free(text);
	return true;
}

void
hdr_log_open(struct hdr_log *log, FILE *file)
{
	*log = (struct hdr_log){ .file = file };
}

void
hdr_log_free(struct hdr_log *log)
{
	free(log->line);
	hdr_free(&log->hdr);
	*log = (struct hdr_log){ 0 };
}

static enum hdr_log_what __attribute__((format(printf, 2, 3)))
bad(struct hdr_log *log, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(log->err, sizeof(log->err), format, ap);
	va_end(ap);
	return HDR_LOG_BAD;
}

/* Twice the room, to the ceiling. */
static bool
grow(struct hdr_log *log)
{
	size_t cap = log->cap_bytes * 2;
	char *line;

	if (cap == 0)
		cap = LINE_BYTES_AT_FIRST;
	if (cap > HDR_LOG_LINE_BYTES_MAX)
		return false;
	line = realloc(log->line, cap);
	if (line == NULL)
		return false;
	log->line = line;
	log->cap_bytes = cap;
	return true;
}

/* A whole line, without its end. HDR_LOG_COMMENT stands for "got one". */
static enum hdr_log_what
read_line(struct hdr_log *log)
{
	size_t n = 0;

	log->n_lines++;
	for (;;) {
		if (n + 2 > log->cap_bytes && !grow(log))
			return bad(log, "longer than %d bytes, or no memory",
			    HDR_LOG_LINE_BYTES_MAX);
		if (fgets(log->line + n, (int)(log->cap_bytes - n),
			log->file) == NULL)
			break;
		n += strlen(log->line + n);
		if (n > 0 && log->line[n - 1] == '\n') {
			log->line[n - 1] = '\0';
			if (n > 1 && log->line[n - 2] == '\r')
				log->line[n - 2] = '\0';
			return HDR_LOG_COMMENT;
		}
	}
	return n == 0 ? HDR_LOG_END : HDR_LOG_CUT;
}

/* #[StartTime: 1.5 (...  Anything else is not ours to know. */
static void
read_comment(struct hdr_log *log)
{
	static const char start[] = "#[StartTime: ", base[] = "#[BaseTime: ";
	double v;

	if (strncmp(log->line, start, sizeof(start) - 1) == 0) {
		v = strtod(log->line + sizeof(start) - 1, NULL);
		if (v >= 0 && v < SECONDS_MAX)
			log->start_s = v;
	} else if (strncmp(log->line, base, sizeof(base) - 1) == 0) {
		v = strtod(log->line + sizeof(base) - 1, NULL);
		log->has_base = v >= 0 && v < SECONDS_MAX;
		if (log->has_base)
			log->base_s = v;
	}
	log->text = log->line;
}

/* A number and the comma behind it. */
static bool
take_seconds(char **at, double *v)
{
	char *end;

	*v = strtod(*at, &end);
	if (end == *at || *end != ',' || !(*v >= 0 && *v < SECONDS_MAX))
		return false;
	*at = end + 1;
	return true;
}

/* As the format has it: without a base, small times are from the start. */
static int64_t
absolute_ns(const struct hdr_log *log, double s)
{
	double base_s = log->base_s;

	if (!log->has_base && s < log->start_s - YEAR_S)
		base_s = log->start_s;
	return llround((base_s + s) * 1e3) * 1000000;
}

static enum hdr_log_what
read_interval(struct hdr_log *log)
{
	double start_s, length_s, max;
	char *at = log->line, *comma;
	const char *wrong;

	log->tag = NULL;
	if (strncmp(at, "Tag=", 4) == 0) {
		comma = strchr(at, ',');
		if (comma == NULL)
			return bad(log, "a tag and nothing behind it");
		*comma = '\0';
		log->tag = at + 4;
		at = comma + 1;
	}
	if (!take_seconds(&at, &start_s))
		return bad(log, "expected when the interval began, in s");
	if (!take_seconds(&at, &length_s))
		return bad(log, "expected the length of the interval, in s");
	if (!take_seconds(&at, &max) && (at = strchr(at, ',')) == NULL)
		return bad(log, "expected the maximum and a histogram");
	at += *at == ',';
	log->start_ns = absolute_ns(log, start_s);
	log->length_ns = llround(length_s * 1e3) * 1000000;
	hdr_free(&log->hdr);
	wrong = hdr_decode(
	    (struct bnet_slice){ (const uint8_t *)at, strlen(at) }, &log->hdr);
	if (wrong != NULL)
		return bad(log, "the histogram: %s", wrong);
	return HDR_LOG_INTERVAL;
}

enum hdr_log_what
hdr_log_next(struct hdr_log *log)
{
	enum hdr_log_what what;

	do {
		what = read_line(log);
		if (what != HDR_LOG_COMMENT)
			return what;
	} while (log->line[0] == '\0' || log->line[0] == '"');
	if (log->line[0] != '#')
		return read_interval(log);
	read_comment(log);
	return HDR_LOG_COMMENT;
}
