/* SPDX-License-Identifier: MIT */
/* What is shown of intervals and keys: sums, lengths, and which. */
#include "cmd/replay/report_impl.h"

#include <stdlib.h>

#define RATE_PART 4 /* of a width: less than that gives no rate */

int64_t
report_end_ns(const struct report *report)
{
	if (report->length_ns > report->results.end_ns)
		return report->length_ns;
	return report->results.end_ns;
}

int64_t
report_covered_ns(
    const struct report *report, int64_t start_ns, int64_t width_ns)
{
	int64_t left_ns = report_end_ns(report) - start_ns;

	if (left_ns >= width_ns)
		return width_ns;
	if (left_ns < width_ns / RATE_PART && start_ns > 0)
		return 0;
	return left_ns < 0 ? 0 : left_ns;
}

bool
report_sum_buckets(
    const struct report *report, size_t i, size_t n, struct results_row *sum)
{
	const struct results *results = &report->results;
	bool ok = true;

	results_row_init(sum);
	for (size_t end = i + n; i < end && i < results->n_buckets; i++)
		if (results->buckets[i] != NULL)
			ok = results_row_merge(sum, results->buckets[i]) && ok;
	return ok;
}

static int
by_frames(const void *a, const void *b)
{
	const struct results_key *const *left = a, *const *right = b;
	uint64_t l = (*left)->row.sent + (*left)->row.received;
	uint64_t r = (*right)->row.sent + (*right)->row.received;

	if (l != r)
		return l > r ? -1 : 1;
	return (*left)->key < (*right)->key ? -1 : 1;
}

static bool
counts_anything(const struct results_row *row)
{
	return row->sent + row->received + row->answered + row->unanswered +
	    results_row_errors(row) >
	    0;
}

bool
report_keys_make(struct report_keys *top, const struct report *report)
{
	const struct map *map = &report->results.keys;
	const struct results_row *others = results_others(&report->results);
	void **all = map_sorted(map, by_frames);
	const struct results_key *key;
	bool ok = all != NULL || map->n == 0;

	*top = (struct report_keys){ 0 };
	results_row_init(&top->rest);
	for (size_t i = 0; ok && i < map->n; i++) {
		key = all[i];
		if (i < REPORT_KEYS_SHOWN) {
			top->top[top->n++] = key;
			continue;
		}
		ok = results_row_merge(&top->rest, &key->row);
		top->n_rest++;
	}
	top->has_rest = top->n_rest > 0 || counts_anything(others);
	ok = ok && results_row_merge(&top->rest, others);
	free(all);
	if (!ok)
		report_keys_free(top);
	return ok;
}

void
report_keys_free(struct report_keys *top)
{
	results_row_free(&top->rest);
}

bool
report_has_shard(const struct report *report, uint32_t shard)
{
	if (report->n_shards <= 1)
		return report->shard == shard;
	return shard < REPORT_SHARDS_MAX &&
	    (report->has_shard[shard / 64] >> shard % 64 & 1) != 0;
}
