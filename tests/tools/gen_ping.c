/* SPDX-License-Identifier: MIT */
/*
 * gen_ping - makes the logs in fixtures/ping: samples whose summaries are the
 * two tables that the article of 2008 printed, before and after its change.
 *
 *	gen_ping before > fixtures/ping/before.hlog
 *	gen_ping after > fixtures/ping/after.hlog
 *
 * Each hour is four nodes, pinged every third of a second. Its samples are
 * drawn (seeded, so always the same) from a log-normal distribution between
 * the hour's minimum and maximum, whose two parameters are sought so that
 * the average and the deviation are the article's. Values are cut to four
 * binary digits, which keeps the files small.
 */
#include "cmd/common/cli.h"
#include "cmd/ping/series_log.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_NODES 4
#define N_SAMPLES (N_NODES * 3 * 3600) /* an hour */
#define N_HOURS 5
#define DIGITS 4 /* of values, in binary */
#define NS_PER_S INT64_C(1000000000)
#define SEED UINT64_C(20080915)

struct hour {
	int hour; /* of the day that the run began; 24: midnight */
	double min_s, max_s, mean_s, stddev_s;
};

static const struct run {
	const char *name;
	int64_t day_s; /* unix time of its midnight */
	struct hour hours[N_HOURS];
} runs[] = {
	{ "before", 1221436800, /* 2008-09-15 */
	    {
		{ 16, 0.00065, 3.22, 0.042, 0.032 },
		{ 21, 0.00064, 4.36, 0.068, 0.056 },
		{ 22, 0.00065, 1.21, 0.027, 0.027 },
		{ 23, 0.00064, 4.36, 0.027, 0.028 },
		{ 24, 0.00065, 1.01, 0.020, 0.017 },
	    } },
	{ "after", 1222041600, /* 2008-09-22 */
	    {
		{ 16, 0.00064, 2.00, 0.014, 0.021 },
		{ 21, 0.00064, 1.02, 0.014, 0.018 },
		{ 22, 0.00064, 0.25, 0.009, 0.011 },
		{ 23, 0.00064, 1.93, 0.014, 0.021 },
		{ 24, 0.00064, 1.06, 0.010, 0.014 },
	    } },
};

static double normal[N_SAMPLES];
static int64_t values_ns[N_SAMPLES];

/* splitmix64, as a number above 0 and at most 1. */
static double
uniform(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return (double)((z >> 11) + 1) / (double)(UINT64_C(1) << 53);
}

/* Box and Muller. */
static void
draw_normal(uint64_t *state)
{
	double radius, turn;

	for (size_t i = 0; i < N_SAMPLES; i += 2) {
		radius = sqrt(-2 * log(uniform(state)));
		turn = 2 * M_PI * uniform(state);
		normal[i] = radius * cos(turn);
		normal[i + 1] = radius * sin(turn);
	}
}

static int64_t
cut(double v_ns, int64_t min_ns, int64_t max_ns)
{
	int exponent;

	frexp(v_ns, &exponent);
	v_ns = ldexp(rint(ldexp(v_ns, DIGITS - exponent)), exponent - DIGITS);
	if (v_ns < (double)min_ns)
		return min_ns;
	return v_ns > (double)max_ns ? max_ns : (int64_t)v_ns;
}

/* The hour's samples for these parameters; one is the minimum, one the max. */
static struct hdr_sums
fill(const struct hour *hour, double mu, double sigma)
{
	int64_t min_ns = llround(hour->min_s * 1e9);
	int64_t max_ns = llround(hour->max_s * 1e9);
	struct hdr_sums sums = { 0 };

	for (size_t i = 0; i < N_SAMPLES; i++) {
		values_ns[i] =
		    cut(exp(mu + sigma * normal[i]) * 1e9, min_ns, max_ns);
		if (i == N_SAMPLES / 4)
			values_ns[i] = min_ns;
		else if (i == N_SAMPLES / 2)
			values_ns[i] = max_ns;
		hdr_sums_add(&sums, values_ns[i]);
	}
	return sums;
}

/* For that sigma, the mu whose average is the hour's. */
static struct hdr_sums
seek_mean(const struct hour *hour, double sigma)
{
	double low = -12, high = 0, mu;
	struct hdr_sums sums;

	for (int i = 0; i < 20; i++) {
		mu = (low + high) / 2;
		sums = fill(hour, mu, sigma);
		if (hdr_sums_mean(&sums) < hour->mean_s * 1e9)
			low = mu;
		else
			high = mu;
	}
	return sums;
}

static void
seek(const struct hour *hour)
{
	double low = 0.05, high = 2.5, sigma;
	struct hdr_sums sums;

	for (int i = 0; i < 20; i++) {
		sigma = (low + high) / 2;
		sums = seek_mean(hour, sigma);
		if (hdr_sums_stddev(&sums) < hour->stddev_s * 1e9)
			low = sigma;
		else
			high = sigma;
	}
	if (fabs(hdr_sums_mean(&sums) / 1e9 - hour->mean_s) > 0.0004 ||
	    fabs(hdr_sums_stddev(&sums) / 1e9 - hour->stddev_s) > 0.0004)
		cli_die("%02d:00: no such distribution", hour->hour % 24);
}

static void
add_hour(struct series *series, const struct hour *hour, int64_t start_ns)
{
	struct ping_sample sample = { 0 };

	seek(hour);
	for (size_t i = 0; i < N_SAMPLES; i++) {
		sample.node = 1 + i % N_NODES;
		sample.wall_ns =
		    start_ns + (int64_t)i * (HDR_HOUR_NS / N_SAMPLES);
		sample.due_ns = sample.sent_ns = values_ns[i];
		series_add(series, &sample);
	}
}

struct writer {
	struct series *series;
	bool failed;
};

static void
closed(void *ctx, const struct series_row *row, const struct series_cell *cell)
{
	struct writer *writer = ctx;

	if (!series_log_row(stdout, series_settings(writer->series), row,
		&cell->due, series_name_of(writer->series, row->node)))
		writer->failed = true;
}

static void
generate(const struct run *run)
{
	struct writer writer = { 0 };
	struct series_settings settings = { .closed = closed, .ctx = &writer };
	uint64_t state = SEED;
	char name[16];

	writer.series = series_new(&settings);
	if (writer.series == NULL)
		cli_die("out of memory");
	for (unsigned i = 1; i <= N_NODES; i++) {
		snprintf(name, sizeof(name), "sol-%u", i);
		series_name(writer.series, i, name);
	}
	series_log_head(stdout, series_settings(writer.series),
	    (run->day_s + run->hours[0].hour * 3600) * NS_PER_S);
	for (size_t i = 0; i < N_HOURS; i++) {
		draw_normal(&state);
		add_hour(writer.series, &run->hours[i],
		    (run->day_s + run->hours[i].hour * 3600) * NS_PER_S);
	}
	series_finish(writer.series);
	series_free(writer.series);
	if (writer.failed || fflush(stdout) != 0)
		cli_die("cannot write");
}

int
main(int argc, char **argv)
{
	cli_name("gen_ping");
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		if (argc != 2 || strcmp(argv[1], runs[i].name) != 0)
			continue;
		generate(&runs[i]);
		return CLI_OK;
	}
	cli_usage("before or after: which of the two?");
}
