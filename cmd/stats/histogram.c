/* SPDX-License-Identifier: MIT */
#include "cmd/stats/histogram.h"

#include <stdlib.h>

bool
histogram_init(struct histogram *hist, unsigned sub_bits)
{
	hist->sub_bits = sub_bits;
	hist->n_buckets = (size_t)(65 - sub_bits) << sub_bits;
	hist->counts = calloc(hist->n_buckets, sizeof(*hist->counts));
	return hist->counts != NULL;
}

void
histogram_free(struct histogram *hist)
{
	free(hist->counts);
	hist->counts = NULL;
}

void
histogram_merge(struct histogram *hist, const struct histogram *from)
{
	for (size_t i = 0; i < hist->n_buckets; i++)
		hist->counts[i] += from->counts[i];
}

/* The inverse of histogram_index(): which power of two, and where in it. */
uint64_t
histogram_low(const struct histogram *hist, size_t i)
{
	uint64_t n_subs = UINT64_C(1) << hist->sub_bits;
	size_t power = i >> hist->sub_bits;

	if (power == 0)
		return i;
	return ((i & (n_subs - 1)) | n_subs) << (power - 1);
}

uint64_t
histogram_high(const struct histogram *hist, size_t i)
{
	if (i + 1 == hist->n_buckets)
		return UINT64_MAX;
	return histogram_low(hist, i + 1) - 1;
}

uint64_t
histogram_total(const struct histogram *hist)
{
	uint64_t total = 0;

	for (size_t i = 0; i < hist->n_buckets; i++)
		total += hist->counts[i];
	return total;
}

uint64_t
histogram_quantile(const struct histogram *hist, double q)
{
	uint64_t total = histogram_total(hist), seen = 0;
	double wanted = q * (double)total;

	for (size_t i = 0; i < hist->n_buckets; i++) {
		seen += hist->counts[i];
		if (seen > 0 && (double)seen >= wanted)
			return histogram_high(hist, i);
	}
	return 0;
}
