/* SPDX-License-Identifier: MIT */
/* cmd/ping/series_log: what is written comes back, and parts add up. */
#include "cmd/ping/report.h"
#include "cmd/ping/series_log.h"
#include "tests/unit/ping_samples.h"

#include <unistd.h>

#define MINUTE (60 * SECOND)
#define N_SAMPLES 30000
#define N_NODES 6
#define PATH_CHARS 32

struct writer {
	struct series *series;
	FILE *file;
};

static void
closed(void *ctx, const struct series_row *row, const struct series_cell *cell)
{
	struct writer *writer = ctx;

	ck_assert(series_log_row(writer->file, series_settings(writer->series),
	    row, &cell->due, series_name_of(writer->series, row->node)));
}

/* All that is known of a sample, made of its number. */
static void
add(struct series *series, uint64_t i)
{
	const struct ping_sample sample = {
		.node = i % N_NODES,
		.layer = i % 4 == 3 ? PING_SERVICE : PING_NET,
		.wall_ns = NOON + (int64_t)i * 10 * MS,
		.due_ns = samples_value(i),
		.sent_ns = samples_value(i) / 2,
		.has_clock = i % 2 == 0,
		.up_ns = samples_value(i) / 3 - 2 * MS,
		.down_ns = samples_value(i) / 5,
		.clock_error_ns = 1000 + (int64_t)(i % 100),
	};

	series_add(series, &sample);
	if (i % 1000 == 0)
		series_count(series, sample.node, sample.layer, PING_LOST,
		    sample.wall_ns);
	if (i % 7 == 0)
		series_hiccup(series, sample.wall_ns, (int64_t)i);
}

/* The log of those whose node is `part` of `n_parts`. */
static void
write_log(char path[PATH_CHARS], unsigned part, unsigned n_parts)
{
	struct writer writer = { 0 };
	const struct series_settings settings = { .bucket_ns = MINUTE,
		.zone_ns = 3600 * SECOND,
		.closed = closed,
		.ctx = &writer };
	int fd;

	snprintf(path, PATH_CHARS, "/tmp/test_ping_log.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	writer.file = fdopen(fd, "w");
	writer.series = series_new(&settings);
	series_name(writer.series, part, "sol [lost=9] name=x]");
	series_log_head(writer.file, series_settings(writer.series), NOON);
	for (uint64_t i = 0; i < N_SAMPLES; i++)
		if (i % N_NODES % n_parts == part)
			add(writer.series, i);
	series_finish(writer.series);
	series_free(writer.series);
	ck_assert_int_eq(fclose(writer.file), 0);
}

static char *
report_of(const struct series *series, int format)
{
	const struct report_settings settings = { .format = format,
		.percentiles = true };
	char *text = NULL;

	PRINTED(text, ck_assert(report_print(out, series, &settings)));
	return text;
}

static struct series *
read_logs(char (*paths)[PATH_CHARS], size_t n, int64_t bucket_ns)
{
	char *list[8], err[CLI_ERR_CHARS];
	struct series *series;

	for (size_t i = 0; i < n; i++)
		list[i] = paths[i];
	series = series_log_read(list, n, bucket_ns, NULL, err);
	ck_assert_msg(series != NULL, "%s", err);
	return series;
}

/* To the last digit of an average, whatever was in which part. */
static const unsigned parts[] = { 1, 2, 3, 6 };

START_TEST(parts_add_up)
{
	const struct series_settings settings = { .bucket_ns = MINUTE,
		.zone_ns = 3600 * SECOND };
	struct series *whole = series_new(&settings), *merged;
	char paths[N_NODES][PATH_CHARS], *want, *got;

	for (uint64_t i = 0; i < N_SAMPLES; i++)
		add(whole, i);
	series_finish(whole);
	for (unsigned i = 0; i < parts[_i]; i++)
		write_log(paths[i], i, parts[_i]);
	merged = read_logs(paths, parts[_i], 0);
	for (int format = REPORT_TEXT; format <= REPORT_CSV; format++) {
		want = report_of(whole, format);
		got = report_of(merged, format);
		ck_assert_str_eq(got, want);
		free(want);
		free(got);
	}
	ck_assert_str_eq(series_name_of(merged, 0), "sol [lost=9] name=x]");
	for (unsigned i = 0; i < parts[_i]; i++)
		unlink(paths[i]);
	series_free(whole);
	series_free(merged);
}
END_TEST

/* Read with longer buckets than it was written with. */
START_TEST(longer_buckets)
{
	char paths[1][PATH_CHARS];
	struct series *series;

	write_log(paths[0], 0, 1);
	series = read_logs(paths, 1, 3600 * SECOND);
	ck_assert_uint_eq(series_row(series, 0)->due.count,
	    series_total(series, SERIES_ALL, PING_NET)->due.sums.count);
	unlink(paths[0]);
	series_free(series);
}
END_TEST

#define H \
	"HISTFAAAADR4nJNpmSzMwMDAx8DAwMjAwMDMAAGMDAzMbgY7FjDA+EwsP+WZ2Pb3" \
	"MXLt3MnIBACQxQcf"
#define HEAD "#[bluenet-ping log: version=1 bucket_ns=60000000000 zone_ns=0]\n"
#define ROW "#[bluenet-ping row: start_ns=60000000000 node="
#define OUTAGE "#[bluenet-ping outage: start_ns="
#define GOOD "1 layer=net due=13,0,9,9,9]\n"
#define LINE "60.000,60.000,1.0," H "\n"

static const struct {
	const char *name, *text;
	const char *wrong; /* a part of what is said; NULL: it is taken */
} files[] = {
	{ "ours", HEAD ROW GOOD "Tag=net.1," LINE, NULL },
	{ "of another program", LINE, NULL },
	{ "with tags of another program", "Tag=a," LINE LINE, NULL },
	{ "a field that is not known",
	    HEAD ROW "1 layer=net new=1 due=13,0,9,9,9]\n" LINE, NULL },
	{ "cut in the last line", HEAD ROW GOOD LINE "60.000,60", NULL },
	{ "nothing", "", "no interval" },
	{ "only tags of another program", "Tag=a," LINE, "no interval" },
	{ "a version to come",
	    "#[bluenet-ping log: version=2 bucket_ns=1 zone_ns=0]\n" LINE,
	    "line 1: bad comment of bluenet-ping: a version" },
	{ "no bucket", "#[bluenet-ping log: version=1 zone_ns=0]\n" LINE,
	    "bucket_ns" },
	{ "bucket of 0",
	    "#[bluenet-ping log: version=1 bucket_ns=0 zone_ns=0]\n" LINE,
	    "bucket_ns" },
	{ "an outage", HEAD OUTAGE "5 end_ns=9]\n" ROW GOOD LINE, NULL },
	{ "an outage that ends first",
	    HEAD OUTAGE "9 end_ns=5]\n" ROW GOOD LINE, "end_ns" },
	{ "an outage without an end", HEAD OUTAGE "9]\n" ROW GOOD LINE,
	    "end_ns" },
	{ "an outage before 1970", HEAD OUTAGE "-9 end_ns=5]\n" ROW GOOD LINE,
	    "start_ns" },
	{ "hiccups by their old name",
	    HEAD ROW "1 layer=net due=13,0,9,9,9 noise=1,5,5,5,25]\n" LINE,
	    NULL },
	{ "no node", HEAD ROW " layer=net]\n" LINE, "node" },
	{ "no layer", HEAD ROW "1 layer=nets]\n" LINE, "layer" },
	{ "start before 1970",
	    HEAD "#[bluenet-ping row: start_ns=-1 node=1 layer=net]\n" LINE,
	    "start_ns" },
	{ "start that does not fit",
	    HEAD "#[bluenet-ping row: start_ns=99999999999999999999 node=1"
		 " layer=net]\n" LINE,
	    "start_ns" },
	{ "maximum below minimum",
	    HEAD ROW "1 layer=net due=13,9,0,9,9]\n" LINE, "due" },
	{ "up that is no number",
	    HEAD ROW "1 layer=net due=13,0,9,9,9 up=1,nan,1,1,1]\n" LINE,
	    "up" },
	{ "other counts than the histogram",
	    HEAD ROW "1 layer=net due=12,0,9,9,9]\n" LINE,
	    "line 3: a histogram of 13 samples, but 12" },
	{ "a bad histogram", HEAD ROW GOOD "60.0,60.0,1.0,AAAA\n",
	    "line 3: the histogram" },
};

START_TEST(hostile)
{
	char path[] = "/tmp/test_ping_log.XXXXXX", err[CLI_ERR_CHARS];
	char *list[] = { path };
	int fd = mkstemp(path);
	struct series *series;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, files[_i].text, strlen(files[_i].text)),
	    (ssize_t)strlen(files[_i].text));
	close(fd);
	series = series_log_read(list, 1, 0, NULL, err);
	unlink(path);
	if (files[_i].wrong == NULL) {
		ck_assert_msg(series != NULL, "%s: %s", files[_i].name, err);
	} else {
		ck_assert_msg(series == NULL, "%s: taken", files[_i].name);
		ck_assert_msg(strstr(err, files[_i].wrong) != NULL, "%s: %s",
		    files[_i].name, err);
	}
	series_free(series);
}
END_TEST

START_TEST(no_file)
{
	char path[] = "/nonexistent/ping.hlog", err[CLI_ERR_CHARS];
	char *list[] = { path };

	ck_assert_ptr_null(series_log_read(list, 1, 0, NULL, err));
	ck_assert_str_eq(
	    err, "/nonexistent/ping.hlog: No such file or directory");
	ck_assert_ptr_null(series_log_read(list, 0, 0, NULL, err));
}
END_TEST

static Suite *
log_suite(void)
{
	Suite *suite = suite_create("ping_log");
	TCase *tc = unit_case(suite, "ping_log");

	tcase_add_loop_test(tc, parts_add_up, 0, UNIT_ROWS(parts));
	tcase_add_test(tc, longer_buckets);
	tcase_add_loop_test(tc, hostile, 0, UNIT_ROWS(files));
	tcase_add_test(tc, no_file);
	return suite;
}

UNIT_MAIN(log_suite)
