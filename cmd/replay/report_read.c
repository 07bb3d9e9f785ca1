/* SPDX-License-Identifier: MIT */
/*
 * Reading what report_write.c wrote; its format is told there. Nothing in the
 * file is trusted: numbers have to be in their range, and histograms to agree
 * with the sums beside them. What is derived is not looked at.
 */
#include "cmd/replay/report_read_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Twice that times the most buckets is still a time. */
#define BUCKET_NS_MAX (INT64_MAX / (2 * RESULTS_BUCKETS_MAX))

static bool
read_errors(const struct in *up, uint64_t errors[RESULTS_CODES])
{
	struct in list;
	bool ok = in_member(up, "errors", JSON_ARRAY, &list);

	if (ok && json_array_size(list.v) != RESULTS_CODES)
		return in_bad(&list, "an array of %d numbers", RESULTS_CODES);
	for (size_t i = 0; ok && i < RESULTS_CODES; i++)
		ok = in_element_u64(&list, i, UINT64_MAX, &errors[i]);
	return ok;
}

static bool
read_row_hdr(const struct in *up, const char *name, struct hdr *hdr)
{
	if (json_object_get(up->v, name) == NULL)
		return true;
	if (!in_hdr(up, name, hdr))
		return false;
	return hdr->sums.count > 0 || in_bad(up, "values, or no %s", name);
}

static bool
read_row(const struct in *at, struct results_row *row)
{
	for (size_t i = 0; i < REPORT_ROW_MEMBERS; i++) {
		const struct report_member *member = &report_row_members[i];
		uint64_t v;

		if (!in_u64(at, member->name, UINT64_MAX, &v))
			return false;
		memcpy((char *)row + member->offset, &v, sizeof(v));
	}
	return read_errors(at, row->errors) &&
	    read_row_hdr(at, "latency", &row->latency) &&
	    read_row_hdr(at, "late", &row->late);
}

static bool
read_buckets(const struct in *top, struct results *results)
{
	struct in list, at;
	uint64_t i;

	if (!in_member(top, "buckets", JSON_ARRAY, &list))
		return false;
	for (size_t n = 0; n < json_array_size(list.v); n++) {
		struct results_row *row;

		if (!in_element(&list, n, JSON_OBJECT, &at) ||
		    !in_u64(&at, "at", RESULTS_BUCKETS_MAX - 1, &i))
			return false;
		if (i < results->n_buckets)
			return in_bad(&at, "buckets in their order");
		row = results_bucket(results, (int64_t)i * results->bucket_ns);
		if (row == NULL)
			return in_no_memory(&at);
		if (!read_row(&at, row))
			return false;
	}
	return true;
}

static bool
read_keys(const struct in *top, struct results *results)
{
	struct in list, at;
	int32_t key;

	if (!in_member(top, "keys", JSON_ARRAY, &list))
		return false;
	if (json_array_size(list.v) > RESULTS_KEYS_MAX)
		return in_bad(&list, "at most %d keys", RESULTS_KEYS_MAX);
	for (size_t n = 0; n < json_array_size(list.v); n++) {
		struct results_row *row;

		if (!in_element(&list, n, JSON_OBJECT, &at) ||
		    !in_i32(&at, "key", &key))
			return false;
		row = results_key(results, key);
		if (row == results_others(results))
			return in_no_memory(&at);
		if (results->keys.n != n + 1)
			return in_bad(&at, "each key once");
		if (!read_row(&at, row))
			return false;
	}
	return in_member(top, "others", JSON_OBJECT, &at) &&
	    read_row(&at, results_others(results));
}

static bool
read_results(const struct in *top, struct results *results)
{
	struct in counts;
	int64_t bucket_ns;
	bool ok = in_ns(top, "bucket_ns", BUCKET_NS_MAX, &bucket_ns);

	if (ok && bucket_ns == 0)
		return in_bad(top, "bucket_ns above 0");
	if (!ok || !in_member(top, "counts", JSON_OBJECT, &counts))
		return false;
	if (!results_init(results, bucket_ns))
		return in_no_memory(top);
	for (unsigned i = 0; ok && i < RESULTS_N_COUNTS; i++)
		ok = in_u64(&counts, report_count_names[i], UINT64_MAX,
		    &results->counts[i]);
	return ok && read_errors(top, results->errors) &&
	    in_hdr(top, "late", &results->late) &&
	    in_hdr(top, "latency", &results->latency) &&
	    in_hdr(top, "connect", &results->connect) &&
	    in_ns(top, "end_ns", INT64_MAX, &results->end_ns) &&
	    read_buckets(top, results) && read_keys(top, results);
}

/* In ascending order, so that none is there twice. */
static bool
read_shards(const struct in *run, struct report *report)
{
	uint64_t of, shard, next = 0;
	struct in list;

	if (!in_u64(run, "of_shards", REPORT_SHARDS_MAX, &of) ||
	    !in_member(run, "shards", JSON_ARRAY, &list))
		return false;
	report->of_shards = (uint32_t)of;
	report->n_shards = (uint32_t)json_array_size(list.v);
	if (of == 0 || report->n_shards == 0)
		return in_bad(&list, "at least one shard");
	for (size_t i = 0; i < json_array_size(list.v); i++) {
		if (!in_element_u64(&list, i, of - 1, &shard))
			return false;
		if (shard < next)
			return in_bad(&list, "shards in their order");
		if (i == 0)
			report->shard = (uint32_t)shard;
		report->has_shard[shard / 64] |= UINT64_C(1) << shard % 64;
		next = shard + 1;
	}
	return true;
}

static bool
read_run(const struct in *top, struct report *report)
{
	struct in run;

	return in_member(top, "run", JSON_OBJECT, &run) &&
	    in_text(&run, "target", report->target) &&
	    in_text(&run, "captures", report->captures) &&
	    in_text(&run, "how", report->how) &&
	    in_text(&run, "environment", report->environment) &&
	    in_ns(&run, "start_ns", INT64_MAX, &report->start_ns) &&
	    in_ns(&run, "length_ns", INT64_MAX, &report->length_ns) &&
	    in_ns(&run, "max_lateness_ns", INT64_MAX, &report->max_late_ns) &&
	    read_shards(&run, report) &&
	    in_u64(&run, "sessions", UINT64_MAX, &report->sessions) &&
	    in_bool(&run, "scheduled", &report->scheduled) &&
	    in_bool(&run, "interrupted", &report->interrupted) &&
	    in_bool(&run, "diffed", &report->diffed) &&
	    in_u64(&run, "compared", UINT64_MAX, &report->compared) &&
	    in_u64(&run, "differences", UINT64_MAX, &report->differences);
}

static bool
read_report(const struct in *top, struct report *report)
{
	char type[REPORT_TEXT_CHARS];
	uint64_t version;

	if (!json_is_object(top->v))
		return in_bad(top, "an object: a report of bluenet-replay");
	if (!in_text(top, "type", type))
		return false;
	if (strcmp(type, "bluenet-replay report") != 0)
		return in_bad(top, "type \"bluenet-replay report\"");
	if (!in_u64(top, "version", UINT64_MAX, &version))
		return false;
	if (version != 1)
		return in_bad(top, "version 1, which is all that is known");
	return read_run(top, report) && read_results(top, &report->results);
}

struct source {
	FILE *file;
	size_t left_bytes;
};

/* As much as is wanted, to the ceiling. */
static size_t
next_bytes(void *buffer, size_t n, void *arg)
{
	struct source *source = arg;

	if (n > source->left_bytes)
		n = source->left_bytes;
	n = fread(buffer, 1, n, source->file);
	source->left_bytes -= n;
	return n;
}

static json_t *
load(const char *path, char err[CLI_ERR_CHARS])
{
	struct source source = { fopen(path, "re"), REPORT_FILE_BYTES_MAX };
	json_error_t error;
	json_t *v;

	if (source.file == NULL) {
		snprintf(
		    err, CLI_ERR_CHARS, "%.300s: %s", path, strerror(errno));
		return NULL;
	}
	errno = 0;
	v = json_load_callback(
	    next_bytes, &source, JSON_REJECT_DUPLICATES, &error);
	if (ferror(source.file))
		snprintf(err, CLI_ERR_CHARS, "%.300s: %s", path,
		    strerror(errno != 0 ? errno : EIO));
	else if (v == NULL && source.left_bytes == 0)
		snprintf(err, CLI_ERR_CHARS,
		    "%.300s: expected a report of at most %d bytes", path,
		    REPORT_FILE_BYTES_MAX);
	else if (v == NULL)
		snprintf(err, CLI_ERR_CHARS,
		    "%.300s, line %d, column %d: expected a report: %.100s",
		    path, error.line, error.column, error.text);
	fclose(source.file);
	return v;
}

struct report *
report_read_json(const char *path, char err[CLI_ERR_CHARS])
{
	struct report *report = calloc(1, sizeof(*report));
	struct in top = { .path = path, .err = err };
	bool ok;

	if (report == NULL) {
		snprintf(err, CLI_ERR_CHARS, "%.300s: out of memory", path);
		return NULL;
	}
	top.v = load(path, err);
	ok = top.v != NULL && read_report(&top, report);
	json_decref(top.v);
	if (ok)
		return report;
	report_free(report);
	return NULL;
}
