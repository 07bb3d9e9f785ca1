/* SPDX-License-Identifier: MIT */
/*
 * histogram - how often values of which size were seen, log-linear.
 *
 * Each power of two is cut into 2^sub_bits buckets of one width, and values
 * below 2^sub_bits have a bucket each. So 0 gives the powers of two, 3 all
 * values to 15 exactly and then 12 % wide buckets, 7 below 1 %. Memory is
 * (65 - sub_bits) << sub_bits counts, whatever is put in.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS_MAX 16

struct histogram {
	unsigned sub_bits;
	size_t n_buckets;
	uint64_t *counts; /* n_buckets; owned */
};

/* False when out of memory; sub_bits is at most HISTOGRAM_SUB_BITS_MAX. */
bool histogram_init(struct histogram *hist, unsigned sub_bits);
void histogram_free(struct histogram *hist);

/* Both must have the same sub_bits. */
void histogram_merge(struct histogram *hist, const struct histogram *from);

/* The lowest and the highest value that count in bucket `i`. */
uint64_t histogram_low(const struct histogram *hist, size_t i);
uint64_t histogram_high(const struct histogram *hist, size_t i);

uint64_t histogram_total(const struct histogram *hist);

/*
 * The highest value of the bucket in which the q-th part of all values (0 to
 * 1) is reached; 0 where there are none.
 */
uint64_t histogram_quantile(const struct histogram *hist, double q);

static inline size_t
histogram_index(unsigned sub_bits, uint64_t value)
{
	unsigned shift;

	if (value >> sub_bits == 0)
		return (size_t)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - sub_bits;
	return ((size_t)shift << sub_bits) + (size_t)(value >> shift);
}

static inline void
histogram_add(struct histogram *hist, uint64_t value)
{
	hist->counts[histogram_index(hist->sub_bits, value)]++;
}

#endif
