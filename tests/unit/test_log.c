/* SPDX-License-Identifier: MIT */
/* Log lines: what stands in them, whatever peers are called, and how many. */
#include "cmd/common/log.h"

#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIME_NS INT64_C(1767323045678901234) /* 2026-01-02 03:04:05 */
#define HEAD "time=2026-01-02T03:04:05.678Z level=info msg="

static const struct format_row {
	struct log_field field;
	const char *want;
} format_rows[] = {
	{ { 0 }, "" },
	{ LOG_STR("name", NULL), "" },
	{ LOG_STR("name", "jita"), " name=jita" },
	{ LOG_STR("from", "[::1]:26000"), " from=[::1]:26000" },
	{ LOG_STR("name", ""), " name=\"\"" },
	{ LOG_STR("name", "a b"), " name=\"a b\"" },
	{ LOG_STR("name", "a=b"), " name=\"a=b\"" },
	{ LOG_STR("name", "a\"b\\"), " name=\"a\\\"b\\\\\"" },
	{ LOG_STR("name", "x\nlevel=error"), " name=\"x\\nlevel=error\"" },
	{ LOG_STR("name", "\033[2J"), " name=\"\\u001b[2J\"" },
	{ LOG_STR("name", "\x7f"), " name=\"\\u007f\"" },
	{ LOG_STR("name", "\302\233"), " name=\"\\u009b\"" },
	{ LOG_STR("name", "\xff"), " name=\"\\ufffd\"" },
	{ LOG_STR("name", "J\303\251"), " name=\"J\303\251\"" },
	{ LOG_BYTES("name", "jita-4", 4), " name=jita" },
	{ LOG_BYTES("name", "jita", 0), " name=\"\"" },
	{ LOG_U64("id", UINT64_MAX), " id=18446744073709551615" },
	{ LOG_I64("id", INT64_MIN), " id=-9223372036854775808" },
	{ LOG_HEX("key", 0x9f9003c1), " key=0x9f9003c1" },
	{ LOG_HEX("key", 1), " key=0x00000001" },
	{ LOG_TIME("after", 0), " after=0s" },
	{ LOG_TIME("after", 1), " after=1ns" },
	{ LOG_TIME("after", 999999), " after=999.999us" },
	{ LOG_TIME("after", INT64_C(90000000000)), " after=90s" },
	{ LOG_TIME("after", 1500000), " after=1.5ms" },
	{ LOG_TIME("after", -INT64_C(2000000001)), " after=-2s" },
	{ LOG_TIME("after", INT64_MIN), " after=-9223372036.854s" },
};

START_TEST(test_format)
{
	const struct format_row *row = &format_rows[_i];
	char line[LOG_LINE_BYTES];
	size_t n = log_format(
	    line, LOG_LEVEL_INFO, TIME_NS, "link up", &row->field, 1);
	struct bnet_slice rest;

	ck_assert_uint_ge(n, strlen(HEAD "\"link up\""));
	ck_assert_mem_eq(line, HEAD "\"link up\"", strlen(HEAD "\"link up\""));
	rest.p = (const uint8_t *)line + strlen(HEAD "\"link up\"");
	rest.len = n - strlen(HEAD "\"link up\"");
	unit_same(row->want, rest,
	    (struct bnet_slice){
		(const uint8_t *)row->want, strlen(row->want) });
}
END_TEST

static const struct format_row json_rows[] = {
	{ { 0 }, "" },
	{ LOG_STR("name", NULL), "" },
	{ LOG_STR("name", "jita"), ",\"name\":\"jita\"" },
	{ LOG_STR("name", "a\"b\\\n"), ",\"name\":\"a\\\"b\\\\\\n\"" },
	{ LOG_STR("name", "\xff"), ",\"name\":\"\\ufffd\"" },
	{ LOG_U64("id", UINT64_MAX), ",\"id\":18446744073709551615" },
	{ LOG_I64("id", INT64_MIN), ",\"id\":-9223372036854775808" },
	{ LOG_HEX("key", 0x9f9003c1), ",\"key\":\"0x9f9003c1\"" },
	{ LOG_TIME("after", 0), ",\"after\":0.000000000" },
	{ LOG_TIME("after", 1500000), ",\"after\":0.001500000" },
	{ LOG_TIME("after", -INT64_C(2000000001)), ",\"after\":-2.000000001" },
};

START_TEST(test_json)
{
	static const char head[] = "{\"time\":\"2026-01-02T03:04:05.678Z\","
				   "\"level\":\"info\",\"msg\":\"link up\"";
	const struct format_row *row = &json_rows[_i];
	char line[LOG_LINE_BYTES], want[LOG_LINE_BYTES];
	size_t n;

	log_set_json(true);
	n = log_format(
	    line, LOG_LEVEL_INFO, TIME_NS, "link up", &row->field, 1);
	log_set_json(false);
	line[n] = '\0';
	(void)snprintf(want, sizeof(want), "%s%s}", head, row->want);
	ck_assert_str_eq(line, want);
}
END_TEST

/* However much there is, it is a whole object, and has room for a newline. */
START_TEST(test_json_long)
{
	struct log_field fields[20];
	char line[LOG_LINE_BYTES], text[LOG_VALUE_BYTES + 64];
	size_t n;

	memset(text, 'x', sizeof(text));
	log_set_json(true);
	for (size_t last = 0; last < 64; last++) {
		for (size_t i = 0; i < 20; i++)
			fields[i] = LOG_BYTES("n", text, 200 + last - i);
		n = log_format(line, LOG_LEVEL_INFO, TIME_NS, "m", fields, 20);
		ck_assert_uint_lt(n, LOG_LINE_BYTES);
		ck_assert_mem_eq(line + n - 2, "\"}", 2);
	}
	log_set_json(false);
}
END_TEST

/* Long values are cut; fields that do not fit are left out, not cut. */
START_TEST(test_long)
{
	struct log_field fields[20];
	char line[LOG_LINE_BYTES], text[LOG_VALUE_BYTES + 2];
	size_t n;

	memset(text, 'x', sizeof(text));
	n = log_format(line, LOG_LEVEL_INFO, TIME_NS, "m",
	    &LOG_BYTES("name", text, LOG_VALUE_BYTES), 1);
	ck_assert_uint_eq(n, strlen(HEAD "m name=") + LOG_VALUE_BYTES);
	n = log_format(line, LOG_LEVEL_INFO, TIME_NS, "m",
	    &LOG_BYTES("name", text, LOG_VALUE_BYTES + 1), 1);
	ck_assert_uint_eq(n, strlen(HEAD "m name=\"...\"") + LOG_VALUE_BYTES);
	ck_assert_mem_eq(line + n - 4, "...\"", 4);

	memset(text, '\1', sizeof(text));
	for (size_t i = 0; i < 20; i++)
		fields[i] = LOG_BYTES("n", text, sizeof(text));
	fields[19] = LOG_U64("last", 7);
	n = log_format(line, LOG_LEVEL_INFO, TIME_NS, "m", fields, 20);
	ck_assert_uint_lt(n, sizeof(line));
	ck_assert_mem_eq(
	    line + n - strlen(" last=7"), " last=7", strlen(" last=7"));
}
END_TEST

START_TEST(test_site)
{
	struct log_site site = { .msg = "flood" };
	uint64_t left_out = 99;

	for (int i = 0; i < LOG_BURST; i++) {
		ck_assert(log_site_pass(&site, 7, &left_out));
		ck_assert_uint_eq(left_out, 0);
	}
	for (int i = 0; i < 3; i++)
		ck_assert(!log_site_pass(&site, 7, &left_out));
	ck_assert(log_site_pass(&site, 8, &left_out));
	ck_assert_uint_eq(left_out, 3);
	ck_assert(log_site_pass(&site, 8, &left_out));
	ck_assert_uint_eq(left_out, 0);
}
END_TEST

/* Standard error goes to a file meanwhile; its contents, for free(). */
static char *
said(void (*run)(FILE *f))
{
	FILE *f = tmpfile();
	int old = dup(STDERR_FILENO);
	char *text = calloc(1, 1 << 20);

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_ge(dup2(fileno(f), STDERR_FILENO), 0);
	run(f);
	ck_assert_int_ge(dup2(old, STDERR_FILENO), 0);
	close(old);
	rewind(f);
	(void)fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	return text;
}

static void
levels(FILE *f)
{
	(void)f;
	log_setup(LOG_LEVEL_WARN);
	log_error("one");
	log_warn("two", LOG_U64("id", 2), LOG_STR("name", "b"));
	log_info("three", LOG_U64("id", (ck_abort(), 0)));
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("four");
}

START_TEST(test_levels)
{
	char *text = said(levels);

	ck_assert_ptr_nonnull(strstr(text, "Z level=error msg=one\n"));
	ck_assert_ptr_nonnull(
	    strstr(text, "Z level=warn msg=two id=2 name=b\n"));
	ck_assert_ptr_null(strstr(text, "three"));
	ck_assert_ptr_nonnull(strstr(text, "Z level=debug msg=four\n"));
	ck_assert_int_eq(strncmp(text, "time=", 5), 0);
	free(text);
}
END_TEST

static void
journal(FILE *f)
{
	char text[100];
	struct stat st;

	ck_assert_int_eq(fstat(fileno(f), &st), 0);
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", text, 1);
	log_setup(LOG_LEVEL_INFO);
	log_info("one");
	log_error("two");
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino + 1);
	setenv("JOURNAL_STREAM", text, 1); /* of somebody before us */
	log_setup(LOG_LEVEL_INFO);
	log_info("three");
	unsetenv("JOURNAL_STREAM");
}

START_TEST(test_journal)
{
	char *text = said(journal);

	ck_assert_int_eq(strncmp(text, "<6>time=", 8), 0);
	ck_assert_ptr_nonnull(strstr(text, "\n<3>time="));
	ck_assert_ptr_nonnull(strstr(text, "\ntime="));
	free(text);
}
END_TEST

#define FLOOD_THREADS 4
#define FLOOD_LINES (10 * LOG_BURST)

static void *
flood_from(void *arg)
{
	uint64_t *n = arg;

	for (*n = 0; *n < FLOOD_LINES; ++*n)
		log_warn("flood", LOG_U64("n", *n));
	return NULL;
}

static void
flood(FILE *f)
{
	pthread_t threads[FLOOD_THREADS];
	uint64_t n[FLOOD_THREADS];

	(void)f;
	log_setup(LOG_LEVEL_INFO);
	for (int i = 0; i < FLOOD_THREADS; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, flood_from, &n[i]), 0);
	for (int i = 0; i < FLOOD_THREADS; i++)
		pthread_join(threads[i], NULL);
	log_tick();
}

/*
 * Lines are whole. How many there are depends on how many seconds went by,
 * so only that each of them was said, left out, or waits to be told of.
 */
START_TEST(test_flood)
{
	char *text = said(flood), *line, *rest = text;
	unsigned long long n_said = 0, left_out = 0, n;

	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		ck_assert_int_eq(strncmp(line, "time=", 5), 0);
		if (strstr(line, "msg=flood n=") != NULL)
			n_said++;
		else if (sscanf(strstr(line, "msg="),
			     "msg=\"lines left out\" of=flood lines=%llu",
			     &n) == 1)
			left_out += n;
		else
			ck_abort_msg("a line is torn: %s", line);
	}
	ck_assert_uint_ge(n_said, LOG_BURST);
	ck_assert_uint_le(n_said + left_out, FLOOD_THREADS * FLOOD_LINES);
	free(text);
}
END_TEST

/* ---- the queue ---- */

#define N_LINES 4000 /* of each thread; together far more than the queue */

static void *
log_many(void *arg)
{
	for (int i = 0; i < N_LINES; i++)
		log_debug("flood", LOG_STR("by", arg), LOG_I64("i", i));
	return NULL;
}

/* The lines of "flood", and the lines that are said to be lost. */
static void
count_lines(FILE *f, uint64_t *n_said, uint64_t *n_lost)
{
	char line[LOG_LINE_BYTES + 2], *lost;

	while (fgets(line, sizeof(line), f) != NULL) {
		ck_assert_ptr_nonnull(strchr(line, '\n'));
		lost = strstr(line, " lines=");
		if (lost != NULL)
			*n_lost += strtoull(lost + 7, NULL, 10);
		else if (strstr(line, "msg=flood") != NULL)
			++*n_said;
	}
}

static void *
read_all(void *arg)
{
	uint64_t *counts = arg;
	FILE *f = fdopen((int)counts[2], "r");

	count_lines(f, &counts[0], &counts[1]);
	fclose(f);
	return NULL;
}

/* Nobody reads standard error: nobody waits, and what is lost is counted. */
START_TEST(test_full_pipe)
{
	int pipes[2], old = dup(STDERR_FILENO);
	uint64_t counts[3] = { 0 }, n_lost;
	pthread_t threads[2], reader;

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_ge(dup2(pipes[1], STDERR_FILENO), 0);
	close(pipes[1]);
	log_setup(LOG_LEVEL_DEBUG);
	ck_assert_int_eq(log_start(), 0);
	pthread_create(&threads[0], NULL, log_many, (char[]){ "a" });
	pthread_create(&threads[1], NULL, log_many, (char[]){ "b" });
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	n_lost = log_n_lost();
	ck_assert_uint_gt(n_lost, 0);
	/* from here on somebody reads, so all that is queued gets out */
	counts[2] = (uint64_t)pipes[0];
	pthread_create(&reader, NULL, read_all, counts);
	log_stop(INT64_C(60000000000));
	ck_assert_int_ge(dup2(old, STDERR_FILENO), 0);
	close(old);
	pthread_join(reader, NULL);
	ck_assert_uint_eq(counts[1], n_lost);
	ck_assert_uint_eq(counts[0] + counts[1], 2 * N_LINES);
	log_setup(LOG_LEVEL_INFO);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("log");
	TCase *tc = unit_case(suite, "log");

	tcase_add_loop_test(tc, test_json, 0, UNIT_ROWS(json_rows));
	tcase_add_test(tc, test_json_long);
	tcase_add_loop_test(tc, test_format, 0, UNIT_ROWS(format_rows));
	tcase_add_test(tc, test_long);
	tcase_add_test(tc, test_site);
	tcase_add_test(tc, test_levels);
	tcase_add_test(tc, test_journal);
	tcase_add_test(tc, test_flood);
	tcase_add_test(tc, test_full_pipe);
	return suite;
}

UNIT_MAIN(make_suite)
