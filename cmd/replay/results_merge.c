/* SPDX-License-Identifier: MIT */
/* Adding up: rows, intervals of another width, results of other workers. */
#include "cmd/replay/results_impl.h"

#include <stdlib.h>

uint64_t
results_row_errors(const struct results_row *row)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < RESULTS_CODES; i++)
		n += row->errors[i];
	return n;
}

static bool
merge_hdr(struct hdr *hdr, const struct hdr *from)
{
	if (from->sums.count == 0)
		return true;
	if (hdr->counts == NULL && !hdr_init(hdr, hdr->digits, hdr->highest))
		return false;
	hdr_merge(hdr, from);
	return true;
}

bool
results_row_merge(struct results_row *row, const struct results_row *from)
{
	bool ok = merge_hdr(&row->latency, &from->latency);

	ok = merge_hdr(&row->late, &from->late) && ok;
	row->sent += from->sent;
	row->sent_bytes += from->sent_bytes;
	row->received += from->received;
	row->received_bytes += from->received_bytes;
	row->answered += from->answered;
	row->unanswered += from->unanswered;
	row->opened += from->opened;
	row->closed += from->closed;
	for (unsigned i = 0; i < RESULTS_CODES; i++)
		row->errors[i] += from->errors[i];
	return ok;
}

void
results_widen(struct results *results)
{
	struct results_row **buckets = results->buckets, *left, *right;
	size_t n = (results->n_buckets + 1) / 2;

	for (size_t i = 0; i < n; i++) {
		left = buckets[2 * i];
		right = buckets[2 * i + 1];
		buckets[2 * i] = buckets[2 * i + 1] = NULL;
		if (left == NULL) {
			left = right;
		} else if (right != NULL) {
			results_row_merge(left, right);
			results_row_free(right);
			free(right);
		}
		buckets[i] = left;
	}
	results->n_buckets = n;
	results->bucket_ns *= 2;
	results->last_bucket = 0;
}

bool
results_fit(const struct results *a, const struct results *b)
{
	int64_t wide = a->bucket_ns, narrow = b->bucket_ns, times;

	if (wide < narrow) {
		wide = b->bucket_ns;
		narrow = a->bucket_ns;
	}
	times = wide / narrow;
	return wide % narrow == 0 && (times & (times - 1)) == 0;
}

static bool
merge_buckets(struct results *results, const struct results *from)
{
	struct results_row *row;
	bool ok = true;

	while (results->bucket_ns < from->bucket_ns)
		results_widen(results);
	for (size_t i = 0; i < from->n_buckets; i++) {
		if (from->buckets[i] == NULL)
			continue;
		row = results_bucket(results, (int64_t)i * from->bucket_ns);
		ok = row != NULL && results_row_merge(row, from->buckets[i]) &&
		    ok;
	}
	return ok;
}

static bool
merge_keys(struct results *results, const struct results *from)
{
	const struct results_key *key;
	bool ok =
	    results_row_merge(results_others(results), results_others(from));

	for (size_t i = 0; i < from->keys.n; i++) {
		key = map_at(&from->keys, i);
		ok = results_row_merge(
			 results_key(results, (int32_t)key->key), &key->row) &&
		    ok;
	}
	return ok;
}

bool
results_merge(struct results *results, const struct results *from)
{
	bool ok;

	if (!results_fit(results, from))
		return false;
	ok = merge_buckets(results, from);
	ok = merge_keys(results, from) && ok;
	for (unsigned i = 0; i < RESULTS_N_COUNTS; i++)
		results->counts[i] += from->counts[i];
	for (unsigned i = 0; i < RESULTS_CODES; i++)
		results->errors[i] += from->errors[i];
	hdr_merge(&results->late, &from->late);
	hdr_merge(&results->latency, &from->latency);
	hdr_merge(&results->connect, &from->connect);
	if (from->end_ns > results->end_ns)
		results->end_ns = from->end_ns;
	return ok;
}
