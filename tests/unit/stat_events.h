/* SPDX-License-Identifier: MIT */
/* What the tests of statistics share: events made up, tables read back. */
#ifndef UNIT_STAT_EVENTS_H
#define UNIT_STAT_EVENTS_H

#include "cmd/decode/statistics.h"
#include "tests/unit/unit.h"

#include <jansson.h>

#define T0 INT64_C(1763850858000000000)
#define MS INT64_C(1000000)

/* A stream between 10.0.0.1:(40000 + number) and 10.9.0.1:26000. */
static inline struct cap_stream
made_stream(uint64_t number)
{
	struct cap_stream stream = { .number = number,
		.order = BNET_ORDER_LITTLE };

	snprintf(stream.end[0], CAP_END_CHARS, "10.0.0.1:%d",
	    (int)(40000 + number % 20000));
	snprintf(stream.end[1], CAP_END_CHARS, "10.9.0.1:26000");
	return stream;
}

static inline struct statistics *
made_statistics(const char *spec)
{
	struct statistics *st = statistics_new();
	char err[256];

	ck_assert_ptr_nonnull(st);
	ck_assert_msg(
	    statistics_add(st, spec, err, sizeof(err)), "%s: %s", spec, err);
	return st;
}

static inline void
tell_frame(struct statistics *st, struct cap_stream *stream, enum cap_dir dir,
    int64_t time_ns, const struct bnet_packet *frame, const char *key_name)
{
	const struct cap_event event = { .type = CAP_FRAME,
		.dir = dir,
		.time_ns = time_ns,
		.clock_ns = time_ns,
		.stream = stream,
		.frame = frame };
	const struct record record = { .event = &event, .key_name = key_name };

	statistics_record(st, &record);
}

static inline void
tell_loss(struct statistics *st, struct cap_stream *stream,
    enum cap_event_type type, int64_t time_ns, uint64_t bytes,
    const char *reason)
{
	const struct cap_event event = { .type = type,
		.time_ns = time_ns,
		.clock_ns = time_ns,
		.stream = stream,
		.bytes = bytes,
		.reason = reason };
	const struct record record = { .event = &event };

	statistics_record(st, &record);
}

/*
 * All that is printed; to be freed. Not inline: gcc 12 takes the address that
 * open_memstream() keeps for one that is left dangling.
 */
static __attribute__((noinline, unused)) char *
told(
    const struct statistics *st, bool json, const struct cap_counters *counters)
{
	static const struct cap_counters none;
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	ck_assert_ptr_nonnull(out);
	ck_assert(statistics_print(
	    st, out, json, counters == NULL ? &none : counters));
	fclose(out);
	return text;
}

/* Fails unless every line of the text fits in 80 plain ASCII columns. */
static inline void
check_text(const struct statistics *st, const struct cap_counters *counters)
{
	char *text = told(st, false, counters), *line, *save = NULL;

	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		ck_assert_msg(strlen(line) <= 80, "too long: %s", line);
		ck_assert_msg(line[strlen(line) - 1] != ' ', "'%s'", line);
		for (const char *p = line; *p != '\0'; p++)
			ck_assert_msg(*p >= ' ' && *p <= '~', "'%s'", line);
	}
	free(text);
}

/*
 * Fails unless table `name` of the JSON has just these columns, rows and
 * notes: `want` is [columns, rows] or [columns, rows, notes].
 */
static inline void
check_table(const struct statistics *st, const struct cap_counters *counters,
    const char *name, const char *want)
{
	char *text = told(st, true, counters), *line, *save = NULL, *was;
	json_t *table = NULL, *got;
	json_error_t err;

	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		table = json_loads(line, JSON_REJECT_DUPLICATES, &err);
		ck_assert_msg(table != NULL, "%s: %s", err.text, line);
		ck_assert_str_eq(
		    json_string_value(json_object_get(table, "type")),
		    "statistics");
		if (strcmp(json_string_value(json_object_get(table, "name")),
			name) == 0)
			break;
		json_decref(table);
		table = NULL;
	}
	ck_assert_msg(table != NULL, "no table %s", name);
	got = json_array();
	json_array_append(got, json_object_get(table, "columns"));
	json_array_append(got, json_object_get(table, "rows"));
	if (json_object_get(table, "notes") != NULL)
		json_array_append(got, json_object_get(table, "notes"));
	was = json_dumps(got, JSON_COMPACT | JSON_REAL_PRECISION(6));
	ck_assert_str_eq(was, want);
	free(was);
	json_decref(got);
	json_decref(table);
	free(text);
}

#endif
