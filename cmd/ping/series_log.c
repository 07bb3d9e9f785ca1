/* SPDX-License-Identifier: MIT */
/* Writing and parsing the comments of a log; then the log itself. */
#include "cmd/ping/series_log.h"

#include "cmd/common/u128.h"
#include "cmd/stats/hdr.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ROW_HEAD "#[bluenet-ping log: "
#define ROW_START "#[bluenet-ping row: "
#define OUTAGE_START "#[bluenet-ping outage: "

struct row_head {
	int64_t bucket_ns, zone_ns;
};

#define YEAR_NS (INT64_C(366) * 24 * HDR_HOUR_NS)
#define DAY_NS (24 * HDR_HOUR_NS)

enum kind {
	KIND_SUMS,
	KIND_SUMMARY,
	KIND_COUNT,
};

#define AT(member) offsetof(struct series_row, member)

/* Fields without a value are left out. */
static const struct field {
	const char *name;
	enum kind kind;
	size_t at;
} fields[] = {
	{ "due", KIND_SUMS, AT(due) }, { "sent", KIND_SUMS, AT(sent) },
	{ "lost", KIND_COUNT, AT(counts[PING_LOST]) },
	{ "late", KIND_COUNT, AT(counts[PING_LATE]) },
	{ "duplicate", KIND_COUNT, AT(counts[PING_DUPLICATE]) },
	{ "reordered", KIND_COUNT, AT(counts[PING_REORDERED]) },
	{ "missed_slot", KIND_COUNT, AT(counts[PING_MISSED_SLOT]) },
	{ "up", KIND_SUMMARY, AT(up) }, { "down", KIND_SUMMARY, AT(down) },
	{ "clock_error", KIND_SUMMARY, AT(clock_error) },
	{ "hiccups", KIND_SUMS, AT(hiccups) },
	{ "noise", KIND_SUMS, AT(hiccups) }, /* its old name: only read */
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))
#define N_WRITTEN (N_FIELDS - 1)

static void
print_sums(FILE *file, const char *name, const struct hdr_sums *sums)
{
	char sum[U128_CHARS], squares[U128_CHARS];

	if (sums->count == 0)
		return;
	fprintf(file, " %s=%" PRIu64 ",%" PRId64 ",%" PRId64 ",%s,%s", name,
	    sums->count, sums->min, sums->max, u128_text(sums->sum, sum),
	    u128_text(sums->sum_squares, squares));
}

static void
print_summary(FILE *file, const char *name, const struct summary *sum)
{
	if (sum->count == 0)
		return;
	fprintf(file, " %s=%" PRIu64 ",%.17g,%.17g,%.17g,%.17g", name,
	    sum->count, sum->min, sum->max, sum->mean, sum->m2);
}

static void
print_count(FILE *file, const char *name, const uint64_t *count)
{
	if (*count > 0)
		fprintf(file, " %s=%" PRIu64, name, *count);
}

/* A name extends to the end of the line: blanks are fine, line ends not. */
static void
print_name(FILE *file, const char *name)
{
	if (name[0] == '\0')
		return;
	fputs(" name=", file);
	for (; *name != '\0'; name++)
		fputc((unsigned char)*name < ' ' ? '?' : *name, file);
}

static void
row_print(FILE *file, const struct series_row *row, const char *name)
{
	const char *base = (const char *)row;

	fprintf(file, ROW_START "start_ns=%" PRId64, row->start_ns);
	if (row->node == SERIES_ALL)
		fputs(" node=all", file);
	else if (row->node == SERIES_OTHERS)
		fputs(" node=others", file);
	else
		fprintf(file, " node=%" PRIu64, row->node);
	fprintf(file, " layer=%s", ping_layer_names[row->layer]);
	for (size_t i = 0; i < N_WRITTEN; i++) {
		const void *v = base + fields[i].at;

		if (fields[i].kind == KIND_SUMS)
			print_sums(file, fields[i].name, v);
		else if (fields[i].kind == KIND_SUMMARY)
			print_summary(file, fields[i].name, v);
		else
			print_count(file, fields[i].name, v);
	}
	print_name(file, name);
	fputs("]\n", file);
}

static void
row_print_head(FILE *file, const struct row_head *head)
{
	fprintf(file,
	    ROW_HEAD "version=1 bucket_ns=%" PRId64 " zone_ns=%" PRId64 "]\n",
	    head->bucket_ns, head->zone_ns);
}

/* Parse a non-negative integer, and the comma behind it if there is one. */
static bool
take_u128(const char **at, struct u128 *v)
{
	if (!u128_take(at, v))
		return false;
	*at += **at == ',';
	return true;
}

static bool
take_u64(const char **at, uint64_t *v)
{
	struct u128 wide;

	if (!take_u128(at, &wide) || wide.hi != 0)
		return false;
	*v = wide.lo;
	return true;
}

static bool
take_time(const char **at, int64_t min_ns, int64_t max_ns, int64_t *v)
{
	bool negative = **at == '-';
	uint64_t part;

	*at += negative;
	if (!take_u64(at, &part) || part > INT64_MAX)
		return false;
	*v = negative ? -(int64_t)part : (int64_t)part;
	return *v >= min_ns && *v <= max_ns;
}

static bool
take_double(const char **at, double *v)
{
	char *end;

	*v = strtod(*at, &end);
	if (end == *at || !isfinite(*v))
		return false;
	*at = end + (*end == ',');
	return true;
}

static bool
take_sums(const char *at, struct hdr_sums *sums)
{
	return take_u64(&at, &sums->count) &&
	    take_time(&at, 0, INT64_MAX, &sums->min) &&
	    take_time(&at, sums->min, INT64_MAX, &sums->max) &&
	    take_u128(&at, &sums->sum) && take_u128(&at, &sums->sum_squares);
}

static bool
take_summary(const char *at, struct summary *sum)
{
	return take_u64(&at, &sum->count) && take_double(&at, &sum->min) &&
	    take_double(&at, &sum->max) && take_double(&at, &sum->mean) &&
	    take_double(&at, &sum->m2);
}

static bool
take_field(const struct field *field, const char *at, struct series_row *row)
{
	void *v = (char *)row + field->at;

	if (field->kind == KIND_SUMS)
		return take_sums(at, v);
	if (field->kind == KIND_SUMMARY)
		return take_summary(at, v);
	return take_u64(&at, v);
}

/* The value after " key=" in the line; NULL if there is none. */
static const char *
value_of(const char *line, const char *key)
{
	const char *name = strstr(line, " name="), *at = line;
	size_t n = strlen(key);

	/* Text in a node's name is not a field. */
	while ((at = strchr(at, ' ')) != NULL && (name == NULL || at <= name)) {
		at++;
		if (strncmp(at, key, n) == 0 && at[n] == '=')
			return at + n + 1;
	}
	return NULL;
}

static bool
take_node(const char *at, uint64_t *node)
{
	if (strncmp(at, "all ", 4) == 0)
		*node = SERIES_ALL;
	else if (strncmp(at, "others ", 7) == 0)
		*node = SERIES_OTHERS;
	else
		return take_u64(&at, node);
	return true;
}

static bool
take_layer(const char *at, enum ping_layer *layer)
{
	size_t n = strcspn(at, " ]");

	for (unsigned i = 0; i < PING_LAYERS; i++) {
		if (strncmp(at, ping_layer_names[i], n) != 0 ||
		    ping_layer_names[i][n] != '\0')
			continue;
		*layer = (enum ping_layer)i;
		return true;
	}
	return false;
}

static void
take_name(const char *at, char name[SERIES_NAME_CHARS])
{
	size_t n;

	snprintf(name, SERIES_NAME_CHARS, "%s", at);
	n = strlen(name);
	if (n == strlen(at) && n > 0 && name[n - 1] == ']')
		name[n - 1] = '\0';
}

static const char *
row_parse(
    const char *line, struct series_row *row, char name[SERIES_NAME_CHARS])
{
	const char *at = value_of(line, "start_ns");

	*row = (struct series_row){ 0 };
	name[0] = '\0';
	if (at == NULL || !take_time(&at, 0, INT64_MAX / 2, &row->start_ns))
		return "start_ns: expected unix time in ns";
	at = value_of(line, "node");
	if (at == NULL || !take_node(at, &row->node))
		return "node: expected \"all\", \"others\" or an id";
	at = value_of(line, "layer");
	if (at == NULL || !take_layer(at, &row->layer))
		return "layer: expected net, service or hop";
	for (size_t i = 0; i < N_FIELDS; i++) {
		at = value_of(line, fields[i].name);
		if (at != NULL && !take_field(&fields[i], at, row))
			return fields[i].name;
	}
	at = value_of(line, "name");
	if (at != NULL)
		take_name(at, name);
	return NULL;
}

/*
 * Parse a line with that start. Returns NULL, or what is wrong in it. `name`
 * is "" if there is none. Unknown fields are skipped.
 */
static const char *
row_parse_head(const char *line, struct row_head *head)
{
	const char *at = value_of(line, "version");

	if (at == NULL || at[0] != '1' || at[1] != ' ')
		return "a version of the log that is not known";
	at = value_of(line, "bucket_ns");
	if (at == NULL || !take_time(&at, 1, YEAR_NS, &head->bucket_ns))
		return "bucket_ns: expected ns, at most a year";
	at = value_of(line, "zone_ns");
	if (at == NULL || !take_time(&at, -DAY_NS, DAY_NS, &head->zone_ns))
		return "zone_ns: expected ns, at most a day";
	return NULL;
}

static const char *
outage_parse(const char *line, struct series_outage *outage)
{
	const char *at = value_of(line, "start_ns");

	if (at == NULL || !take_time(&at, 0, INT64_MAX / 2, &outage->start_ns))
		return "start_ns: expected unix time in ns";
	at = value_of(line, "end_ns");
	if (at == NULL ||
	    !take_time(&at, outage->start_ns, INT64_MAX / 2, &outage->end_ns))
		return "end_ns: expected unix time in ns, after start_ns";
	return NULL;
}

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

void
series_log_outage(FILE *file, const struct series_outage *outage)
{
	fprintf(file, OUTAGE_START "start_ns=%" PRId64 " end_ns=%" PRId64 "]\n",
	    outage->start_ns, outage->end_ns);
	(void)fflush(file);
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
	bool part = row->length_ns > 0;
	int64_t begin_ns = part ? row->begin_ns : row->start_ns;
	int64_t length_ns = part ? row->length_ns : settings->bucket_ns;
	char tag[TAG_CHARS];

	row_print(file, row, name);
	return hdr_log_line(file, tag_of(row, tag), begin_ns, length_ns, due) &&
	    fflush(file) == 0 && ferror(file) == 0;
}

/* A log being read, one interval ahead. */
struct source {
	const char *path;
	FILE *file;
	struct hdr_log log;
	struct row_head head;
	bool has_row; /* the comment of the next interval was read */
	bool ended;
	uint64_t n_skipped; /* tagged lines of other programs */
	struct series_row row;
	char name[SERIES_NAME_CHARS];
	struct series *outages; /* holds the outages read so far; owned */
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
	struct series_outage outage;

	if (strncmp(text, ROW_HEAD, sizeof(ROW_HEAD) - 1) == 0) {
		wrong = row_parse_head(text, &src->head);
	} else if (strncmp(text, ROW_START, sizeof(ROW_START) - 1) == 0) {
		wrong = row_parse(text, &src->row, src->name);
		src->has_row = wrong == NULL;
	} else if (strncmp(text, OUTAGE_START, sizeof(OUTAGE_START) - 1) == 0) {
		wrong = outage_parse(text, &outage);
		if (wrong == NULL)
			series_outage(
			    src->outages, outage.start_ns, outage.end_ns);
	}
	if (wrong != NULL)
		return fail(src, err, "bad comment of bluenet-ping: %s", wrong);
	return true;
}

/* True: the row is ready. */
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

/* Read the next row, or the end. False: err. */
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
	const struct series_settings none = { .nodes_max = 1 };

	for (size_t i = 0; i < n; i++) {
		src[i].path = paths[i];
		src[i].file = fopen(paths[i], "re");
		if (src[i].file == NULL) {
			snprintf(err, CLI_ERR_CHARS, "%.200s: %s", paths[i],
			    strerror(errno));
			return false;
		}
		hdr_log_open(&src[i].log, src[i].file);
		src[i].outages = series_new(&none);
		if (src[i].outages == NULL) {
			snprintf(err, CLI_ERR_CHARS, "out of memory");
			return false;
		}
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
		series_free(src[i].outages);
		if (src[i].file != NULL)
			fclose(src[i].file);
	}
	free(src);
}

/* The source with the earliest row among those not at their end; or NULL. */
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

static void
merge_outages(struct series *series, const struct source *src)
{
	const struct series_outage *list;
	size_t n;

	list = series_outages(src->outages, &n);
	for (size_t i = 0; i < n; i++)
		series_outage(series, list[i].start_ns, list[i].end_ns);
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
	for (size_t i = 0; i < n; i++)
		merge_outages(series, &src[i]);
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
