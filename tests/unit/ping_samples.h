/* SPDX-License-Identifier: MIT */
/* What the tests of cmd/ping share: a series with samples in it. */
#ifndef PING_SAMPLES_H
#define PING_SAMPLES_H

#include "cmd/ping/series.h"
#include "tests/unit/unit.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)
#define NOON (INT64_C(1221480000) * SECOND) /* 2008-09-15 12:00 UTC */

static inline struct series *
samples_new(int64_t bucket_ns)
{
	const struct series_settings settings = { .bucket_ns = bucket_ns };
	struct series *series = series_new(&settings);

	ck_assert_ptr_nonnull(series);
	return series;
}

static inline void
samples_add(
    struct series *series, uint64_t node, int64_t wall_ns, int64_t due_ns)
{
	const struct ping_sample sample = {
		.node = node,
		.wall_ns = wall_ns,
		.due_ns = due_ns,
		.sent_ns = due_ns,
	};

	series_add(series, &sample);
}

/* The same every time, between 0.5 ms and about 400 ms. */
static inline int64_t
samples_value(uint64_t i)
{
	uint64_t z = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 31) % 1000;
	return (int64_t)(z * z * z / 3 * 1000 / 900 + 500000);
}

/* What a function prints, for unit tests; to be freed. */
#define PRINTED(text, call) \
	do { \
		size_t printed_bytes; \
		FILE *out = open_memstream(&(text), &printed_bytes); \
		ck_assert_ptr_nonnull(out); \
		call; \
		fclose(out); \
	} while (0)

#endif
