/* SPDX-License-Identifier: MIT */
#include "cmd/stats/hdr.h"

#include <stdlib.h>
#include <string.h>

/*
 * So many bits that values below 2^bits, each with a count of its own, reach
 * to 2 * 10^digits: there the half of them that a power of two has is finer
 * than one part in 10^digits.
 */
static const unsigned sub_bits_of[HDR_DIGITS_MAX + 1] = { 1, 5, 8, 11, 15, 18 };

static uint32_t
index_of(unsigned sub_bits, uint64_t value)
{
	unsigned power;

	if (value >> sub_bits == 0)
		return (uint32_t)value;
	power = 64u - (unsigned)__builtin_clzll(value) - sub_bits;
	return (power << (sub_bits - 1)) + (uint32_t)(value >> power);
}

/* All counts of the powers of two up to that of `highest`. */
static uint64_t
counts_needed(unsigned sub_bits, int64_t highest)
{
	unsigned power = 0;

	while ((uint64_t)highest >> sub_bits >> power != 0)
		power++;
	return (uint64_t)(power + 2) << (sub_bits - 1);
}

bool
hdr_layout(struct hdr *hdr, unsigned digits, int64_t highest)
{
	uint64_t n;

	*hdr = (struct hdr){ .digits = digits, .highest = highest };
	if (digits < 1 || digits > HDR_DIGITS_MAX)
		return false;
	if (highest == 0)
		hdr->highest = INT64_MAX;
	hdr->sub_bits = sub_bits_of[digits];
	n = counts_needed(hdr->sub_bits, hdr->highest);
	if (hdr->highest < 2 || n > HDR_COUNTS_MAX)
		return false;
	hdr->n_counts = (uint32_t)n;
	hdr->first = hdr->n_counts;
	return true;
}

bool
hdr_init(struct hdr *hdr, unsigned digits, int64_t highest)
{
	if (!hdr_layout(hdr, digits, highest))
		return false;
	hdr->counts = calloc(hdr->n_counts, sizeof(*hdr->counts));
	return hdr->counts != NULL;
}

void
hdr_free(struct hdr *hdr)
{
	free(hdr->counts);
	*hdr = (struct hdr){ 0 };
}

/* Only what was touched is written: the rest need not become resident. */
void
hdr_clear(struct hdr *hdr)
{
	if (hdr->first <= hdr->last)
		memset(hdr->counts + hdr->first, 0,
		    (hdr->last - hdr->first + 1) * sizeof(*hdr->counts));
	hdr->first = hdr->n_counts;
	hdr->last = 0;
	hdr->sums = (struct hdr_sums){ 0 };
}

uint32_t
hdr_index(const struct hdr *hdr, int64_t value)
{
	if (value < 0)
		value = 0;
	if (value > hdr->highest)
		value = hdr->highest;
	return index_of(hdr->sub_bits, (uint64_t)value);
}

/* The inverse of index_of(): which power of two, and where in it. */
static uint64_t
low_of(unsigned sub_bits, uint32_t index)
{
	uint32_t half = UINT32_C(1) << (sub_bits - 1);
	unsigned power = index >> (sub_bits - 1);

	if (power < 2)
		return index;
	return (uint64_t)((index & (half - 1)) | half) << (power - 1);
}

int64_t
hdr_low(const struct hdr *hdr, uint32_t index)
{
	return (int64_t)low_of(hdr->sub_bits, index);
}

int64_t
hdr_high(const struct hdr *hdr, uint32_t index)
{
	return (int64_t)(low_of(hdr->sub_bits, index + 1) - 1);
}

void
hdr_count(struct hdr *hdr, uint32_t index, uint64_t n)
{
	if (index < hdr->first)
		hdr->first = index;
	if (index > hdr->last)
		hdr->last = index;
	hdr->counts[index] += n;
}

void
hdr_add(struct hdr *hdr, int64_t value)
{
	hdr_count(hdr, hdr_index(hdr, value), 1);
	hdr_sums_add(&hdr->sums, value);
}

static int64_t
middle(const struct hdr *hdr, uint32_t index)
{
	int64_t low = hdr_low(hdr, index);

	return low + (hdr_high(hdr, index) - low) / 2;
}

void
hdr_merge(struct hdr *hdr, const struct hdr *from)
{
	uint32_t to;

	for (uint32_t i = from->first; i <= from->last; i++) {
		if (from->counts[i] == 0)
			continue;
		to = i;
		if (from->digits != hdr->digits || i >= hdr->n_counts)
			to = hdr_index(hdr, middle(from, i));
		hdr_count(hdr, to, from->counts[i]);
	}
	hdr_sums_merge(&hdr->sums, &from->sums);
}

int64_t
hdr_quantile(const struct hdr *hdr, double q)
{
	double wanted = q * (double)hdr->sums.count;
	uint64_t seen = 0;
	int64_t value;

	for (uint32_t i = hdr->first; i <= hdr->last; i++) {
		seen += hdr->counts[i];
		if (seen == 0 || (double)seen < wanted)
			continue;
		value = hdr_high(hdr, i);
		if (value < hdr->sums.min)
			return hdr->sums.min;
		return value > hdr->sums.max ? hdr->sums.max : value;
	}
	return hdr->sums.max;
}

void
hdr_sums_of_counts(const struct hdr *hdr, struct hdr_sums *sums)
{
	hdr_u128 value;

	*sums = (struct hdr_sums){ 0 };
	for (uint32_t i = hdr->first; i <= hdr->last; i++) {
		if (hdr->counts[i] == 0)
			continue;
		if (sums->count == 0)
			sums->min = hdr_low(hdr, i);
		sums->max = hdr_high(hdr, i);
		value = (hdr_u128)middle(hdr, i);
		sums->count += hdr->counts[i];
		sums->sum += value * hdr->counts[i];
		sums->sum_squares += value * value * hdr->counts[i];
	}
}
