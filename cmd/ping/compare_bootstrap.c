/* SPDX-License-Identifier: MIT */
/* The intervals: what other runs of the same kind would have given. */
#include "cmd/ping/compare_impl.h"

#include <math.h>
#include <stdlib.h>

#define N_ROUNDS 1000
#define TAIL 0.025 /* of each side: 95 % lie between */
#define POISSON_NORMAL 30 /* from there on a normal distribution is as good */

/* Values and how often they were seen; or whole buckets. */
struct draws {
	const struct series_row **rows; /* owned; NULL: values */
	double *values, *counts; /* owned */
	size_t n;
};

/* What a round gives of one run. */
struct drawn {
	double mean, stddev;
};

/* splitmix64, as a number above 0 and below 1. */
static double
uniform(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return ((double)(z >> 12) + 0.5) / (double)(UINT64_C(1) << 52);
}

/* How often would something that was seen n times be seen again? */
static double
poisson(uint64_t *state, double n)
{
	double left, product = 1, count = -1;

	if (n >= POISSON_NORMAL) {
		left = sqrt(-2 * log(uniform(state))) *
		    cos(2 * M_PI * uniform(state));
		return fmax(0, rint(n + sqrt(n) * left));
	}
	for (left = exp(-n); product > left; count++)
		product *= uniform(state);
	return count;
}

static size_t
count_rows(const struct series *series, enum ping_layer layer)
{
	size_t n = 0, at = 0;

	while (compare_next(series, layer, &at) != NULL)
		n++;
	return n;
}

static bool
draws_of_rows(struct draws *draws, const struct series *series,
    enum ping_layer layer, size_t n)
{
	size_t at = 0;

	draws->rows = calloc(n, sizeof(*draws->rows));
	draws->n = n;
	for (size_t i = 0; draws->rows != NULL && i < n; i++)
		draws->rows[i] = compare_next(series, layer, &at);
	return draws->rows != NULL;
}

static bool
draws_of_values(struct draws *draws, const struct hdr *hdr)
{
	for (uint32_t i = hdr->first; i <= hdr->last; i++)
		draws->n += hdr->counts[i] > 0;
	draws->values = calloc(draws->n + 1, sizeof(*draws->values));
	draws->counts = calloc(draws->n + 1, sizeof(*draws->counts));
	if (draws->values == NULL || draws->counts == NULL)
		return false;
	draws->n = 0;
	for (uint32_t i = hdr->first; i <= hdr->last; i++) {
		if (hdr->counts[i] == 0)
			continue;
		draws->values[draws->n] =
		    ((double)hdr_low(hdr, i) + (double)hdr_high(hdr, i)) / 2;
		draws->counts[draws->n++] = (double)hdr->counts[i];
	}
	return true;
}

static void
draws_free(struct draws *draws)
{
	free(draws->rows);
	free(draws->values);
	free(draws->counts);
}

/* As many buckets as there were, any of them, some more than once. */
static struct drawn
draw_rows(const struct draws *draws, uint64_t *state)
{
	struct hdr_sums sums = { 0 };
	size_t at;

	for (size_t i = 0; i < draws->n; i++) {
		at = (size_t)(uniform(state) * (double)draws->n);
		hdr_sums_merge(&sums, &draws->rows[at]->due);
	}
	return (struct drawn){ hdr_sums_mean(&sums), hdr_sums_stddev(&sums) };
}

static struct drawn
draw_values(const struct draws *draws, uint64_t *state)
{
	double n = 0, mean = 0, m2 = 0, weight, delta;

	for (size_t i = 0; i < draws->n; i++) {
		weight = poisson(state, draws->counts[i]);
		if (weight <= 0)
			continue;
		delta = draws->values[i] - mean;
		n += weight;
		mean += delta * weight / n;
		m2 += weight * delta * (draws->values[i] - mean);
	}
	return (struct drawn){ mean, n > 0 ? sqrt(m2 / n) : 0 };
}

static struct drawn
draw(const struct draws *draws, uint64_t *state)
{
	return draws->rows != NULL ? draw_rows(draws, state)
				   : draw_values(draws, state);
}

static int
by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
set_interval(struct compare_factor *factor, double *ratios, size_t n)
{
	if (!factor->known || n < N_ROUNDS / 2)
		return;
	qsort(ratios, n, sizeof(*ratios), by_size);
	factor->has_interval = true;
	factor->low = ratios[(size_t)(TAIL * (double)n)];
	factor->high = ratios[(size_t)((1 - TAIL) * (double)n)];
}

static void
run_rounds(const struct draws *before, const struct draws *after, uint64_t seed,
    struct compare_layer *result)
{
	double means[N_ROUNDS], stddevs[N_ROUNDS];
	size_t n_means = 0, n_stddevs = 0;
	struct drawn b, a;

	for (size_t i = 0; i < N_ROUNDS; i++) {
		b = draw(before, &seed);
		a = draw(after, &seed);
		if (a.mean > 0)
			means[n_means++] = b.mean / a.mean;
		if (a.stddev > 0)
			stddevs[n_stddevs++] = b.stddev / a.stddev;
	}
	set_interval(&result->factors[ARTICLE_AVERAGE], means, n_means);
	set_interval(&result->factors[ARTICLE_STDDEV], stddevs, n_stddevs);
}

void
compare_bootstrap(const struct series *before, const struct series *after,
    enum ping_layer layer, uint64_t seed, struct compare_layer *result)
{
	size_t n_before = count_rows(before, layer);
	size_t n_after = count_rows(after, layer);
	struct draws b = { 0 }, a = { 0 };
	bool made;

	if (n_before >= COMPARE_BLOCKS && n_after >= COMPARE_BLOCKS)
		made = draws_of_rows(&b, before, layer, n_before) &&
		    draws_of_rows(&a, after, layer, n_after);
	else
		made = draws_of_values(&b, result->before) &&
		    draws_of_values(&a, result->after);
	if (made && b.n > 0 && a.n > 0)
		run_rounds(&b, &a, seed, result);
	draws_free(&b);
	draws_free(&a);
}
