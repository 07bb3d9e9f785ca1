/* SPDX-License-Identifier: MIT */
#include "cmd/ping/series_log.h"

#include "cmd/ping/series_log_row.h"
#include "cmd/stats/hdr.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TAG_CHARS 48

void
series_log_head(
    FILE *file, const struct series_settings *settings, int64_t start_ns)
{
	const struct row_head head = {
		.bucket_ns = settings->bucket_ns,
		.zone_ns = settings->zone_ns,
	};

	hdr_log_head(file, start_ns);
	row_print_head(file, &head);
	hdr_log_legend(file);
}

/* NULL: none. */
static const char *
tag_of(const struct series_row *row, char tag[TAG_CHARS])
{
	const char *layer = ping_layer_names[row->layer];

	if (row->node == SERIES_ALL && row->layer == PING_NET)
		return NULL;
	if (row->node == SERIES_ALL)
		snprintf(tag, TAG_CHARS, "%s", layer);
	else if (row->node == SERIES_OTHERS)
		snprintf(tag, TAG_CHARS, "%s.others", layer);
	else
		snprintf(tag, TAG_CHARS, "%s.%" PRIu64, layer, row->node);
	return tag;
}

bool
series_log_row(FILE *file, const struct series_settings *settings,
    const struct series_row *row, const struct hdr *due, const char *name)
{
	char tag[TAG_CHARS];

	row_print(file, row, name);
	return hdr_log_line(file, tag_of(row, tag), row->start_ns,
		   settings->bucket_ns, due) &&
	    fflush(file) == 0 && ferror(file) == 0;
}

/* A log that is being read, one interval ahead. */
struct source {
	const char *path;
	FILE *file;
	struct hdr_log log;
	struct row_head head;
	bool has_row; /* the comment of the next interval was there */
	bool ended;
	uint64_t n_skipped; /* tagged lines that are not ours */
	struct series_row row;
	char name[SERIES_NAME_CHARS];
};

static bool __attribute__((format(printf, 3, 4)))
fail(const struct source *src, char *err, const char *format, ...)
{
	char what[CLI_ERR_CHARS / 2];
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	snprintf(err, CLI_ERR_CHARS, "%.200s, line %" PRIu64 ": %s", src->path,
	    src->log.n_lines, what);
	return false;
}

static bool
take_comment(struct source *src, char *err)
{
	const char *text = src->log.text, *wrong = NULL;

	if (strncmp(text, ROW_HEAD, sizeof(ROW_HEAD) - 1) == 0) {
		wrong = row_parse_head(text, &src->head);
	} else if (strncmp(text, ROW_START, sizeof(ROW_START) - 1) == 0) {
		wrong = row_parse(text, &src->row, src->name);
		src->has_row = wrong == NULL;
	}
	if (wrong != NULL)
		return fail(src, err, "bad comment of bluenet-ping: %s", wrong);
	return true;
}

/* True: there is a row now. */
static bool
take_interval(struct source *src)
{
	struct hdr_log *log = &src->log;

	if (src->has_row)
		return true;
	if (log->tag != NULL) {
		src->n_skipped++;
		return false;
	}
	src->row = (struct series_row){
		.start_ns = log->start_ns,
		.node = SERIES_ALL,
		.due = log->hdr.sums,
	};
	src->name[0] = '\0';
	if (src->head.bucket_ns < log->length_ns)
		src->head.bucket_ns = log->length_ns;
	return true;
}

static void
warn_of(const struct source *src, enum hdr_log_what what)
{
	if (what == HDR_LOG_CUT)
		cli_warn("%s, line %" PRIu64 ": it has no end, and is left out",
		    src->path, src->log.n_lines);
	if (src->n_skipped > 0)
		cli_warn("%s: %" PRIu64 " tagged lines of another program"
			 " are left out",
		    src->path, src->n_skipped);
}

/* The next row, or the end. False: err. */
static bool
advance(struct source *src, char *err)
{
	enum hdr_log_what what;

	src->has_row = false;
	while ((what = hdr_log_next(&src->log)) != HDR_LOG_END &&
	    what != HDR_LOG_CUT) {
		if (what == HDR_LOG_BAD)
			return fail(src, err, "%s", src->log.err);
		if (what == HDR_LOG_COMMENT && !take_comment(src, err))
			return false;
		if (what != HDR_LOG_INTERVAL || !take_interval(src))
			continue;
		if (src->row.due.count != src->log.hdr.sums.count)
			return fail(src, err,
			    "a histogram of %" PRIu64 " samples, but %" PRIu64
			    " in the comment",
			    src->log.hdr.sums.count, src->row.due.count);
		src->log.hdr.sums = src->row.due;
		return true;
	}
	if (ferror(src->file))
		return fail(src, err, "%s", strerror(errno));
	warn_of(src, what);
	src->ended = true;
	return true;
}

static bool
open_sources(struct source *src, char *const *paths, size_t n, char *err)
{
	for (size_t i = 0; i < n; i++) {
		src[i].path = paths[i];
		src[i].file = fopen(paths[i], "re");
		if (src[i].file == NULL) {
			snprintf(err, CLI_ERR_CHARS, "%.200s: %s", paths[i],
			    strerror(errno));
			return false;
		}
		hdr_log_open(&src[i].log, src[i].file);
		if (!advance(&src[i], err))
			return false;
		if (src[i].ended) {
			snprintf(err, CLI_ERR_CHARS,
			    "%.200s: no interval in it; is it a log of"
			    " bluenet-ping --log, or of HdrHistogram?",
			    paths[i]);
			return false;
		}
	}
	return true;
}

static void
close_sources(struct source *src, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		hdr_log_free(&src[i].log);
		if (src[i].file != NULL)
			fclose(src[i].file);
	}
	free(src);
}

/* Of those that have not ended, the one whose row began first; or NULL. */
static struct source *
earliest(struct source *src, size_t n)
{
	struct source *first = NULL;

	for (size_t i = 0; i < n; i++)
		if (!src[i].ended &&
		    (first == NULL ||
			src[i].row.start_ns < first->row.start_ns))
			first = &src[i];
	return first;
}

static struct series *
new_series(const struct source *src, size_t n, int64_t bucket_ns,
    const struct series_settings *settings)
{
	struct series_settings own = { 0 };

	if (settings != NULL)
		own = *settings;
	own.grace_ns = 0;
	own.zone_ns = src[0].head.zone_ns;
	own.bucket_ns = bucket_ns;
	for (size_t i = 0; i < n && bucket_ns == 0; i++)
		if (src[i].head.bucket_ns > own.bucket_ns)
			own.bucket_ns = src[i].head.bucket_ns;
	return series_new(&own);
}

static bool
merge_all(struct series *series, struct source *src, size_t n, char *err)
{
	struct source *next;

	while ((next = earliest(src, n)) != NULL) {
		if (next->name[0] != '\0')
			series_name(series, next->row.node, next->name);
		series_merge(series, &next->row, &next->log.hdr);
		if (!advance(next, err))
			return false;
	}
	series_finish(series);
	return true;
}

struct series *
series_log_read(char *const *paths, size_t n_paths, int64_t bucket_ns,
    const struct series_settings *settings, char err[CLI_ERR_CHARS])
{
	struct series *series = NULL;
	struct source *src;

	if (n_paths == 0 || n_paths > SERIES_LOG_FILES_MAX) {
		snprintf(err, CLI_ERR_CHARS, "%zu logs: 1 to %d can be read",
		    n_paths, SERIES_LOG_FILES_MAX);
		return NULL;
	}
	src = calloc(n_paths, sizeof(*src));
	snprintf(err, CLI_ERR_CHARS, "out of memory");
	if (src == NULL)
		return NULL;
	if (open_sources(src, paths, n_paths, err))
		series = new_series(src, n_paths, bucket_ns, settings);
	if (series != NULL && !merge_all(series, src, n_paths, err)) {
		series_free(series);
		series = NULL;
	}
	close_sources(src, n_paths);
	return series;
}
