/* SPDX-License-Identifier: MIT */
/* Made-up runs for the tests of results and report, and are two the same? */
#ifndef UNIT_REPLAY_RESULTS_H
#define UNIT_REPLAY_RESULTS_H

#include "cmd/replay/play/results.h"
#include "tests/unit/unit.h"

#define MADE_BUCKET_NS INT64_C(1000000000)

/* One thing that happens at about at_ns; the same for the same seed. */
static inline void
made_event(
    struct results *results, uint64_t *seed, int64_t at_ns, uint64_t n_keys)
{
	uint64_t what = unit_random(seed), size = unit_random(seed);
	int32_t key = (int32_t)(uint32_t)(what / 64 % n_keys * 2654435761u);
	int64_t some_ns = (int64_t)(size >> (24 + (unsigned)(what >> 20) % 40));

	char method[CALL_NAME_BYTES];

	(void)snprintf(method, sizeof(method), "service%u::Method%u",
	    (unsigned)(what / 64 % n_keys % 7), (unsigned)(what / 64 % n_keys));
	switch (what % 11) {
	case 9:
		results_called(results, what % 5 == 0 ? "" : method, size % 99);
		break;
	case 10:
		if (size % 3 == 0)
			results_call_unanswered(results, method);
		else if (size % 3 == 1)
			results_call_error(
			    results, method, (uint32_t)(size % 20));
		else
			results_call_answered(results, method, size % 2 == 0,
			    some_ns, size % 1000);
		break;
	case 0:
		results_received(results, at_ns, key, size % 1000);
		break;
	case 1:
		results_answered(results, at_ns, key, some_ns);
		break;
	case 2:
		results_unanswered(results, at_ns, key);
		break;
	case 3:
		results_error(results, at_ns, key, (uint32_t)(size % 20));
		break;
	case 4:
		results_ready(results, some_ns);
		results_opened(results, at_ns);
		break;
	case 5:
		results_count(results,
		    (enum results_count)(size % RESULTS_N_COUNTS), size % 7);
		results_closed(results, at_ns);
		break;
	default:
		results_sent(results, at_ns, size % 50 == 0 ? -1 : some_ns,
		    size % 11 == 0, key, size % 1000);
		break;
	}
}

static inline void
same_sums(const struct hdr *a, const struct hdr *b)
{
	ck_assert_uint_eq(a->sums.count, b->sums.count);
	ck_assert_int_eq(a->sums.min, b->sums.min);
	ck_assert_int_eq(a->sums.max, b->sums.max);
	ck_assert(a->sums.sum == b->sums.sum);
	ck_assert(a->sums.sum_squares == b->sums.sum_squares);
}

static inline void
same_hdr(const struct hdr *a, const struct hdr *b)
{
	same_sums(a, b);
	ck_assert_uint_eq(a->digits, b->digits);
	ck_assert_int_eq(a->highest, b->highest);
	ck_assert_uint_eq(a->first, b->first);
	ck_assert_uint_eq(a->last, b->last);
	if (a->counts == NULL || a->first > a->last)
		return;
	/* at once: one by one takes minutes under the sanitizers */
	ck_assert_mem_eq(a->counts + a->first, b->counts + a->first,
	    (a->last - a->first + 1) * sizeof(*a->counts));
}

static inline void
same_row(const struct results_row *a, const struct results_row *b)
{
	ck_assert_uint_eq(a->sent, b->sent);
	ck_assert_uint_eq(a->sent_bytes, b->sent_bytes);
	ck_assert_uint_eq(a->received, b->received);
	ck_assert_uint_eq(a->received_bytes, b->received_bytes);
	ck_assert_uint_eq(a->answered, b->answered);
	ck_assert_uint_eq(a->unanswered, b->unanswered);
	ck_assert_uint_eq(a->opened, b->opened);
	ck_assert_uint_eq(a->closed, b->closed);
	ck_assert_mem_eq(a->errors, b->errors, sizeof(a->errors));
	same_hdr(&a->latency, &b->latency);
	same_hdr(&a->late, &b->late);
}

static inline void
same_results(const struct results *a, const struct results *b)
{
	const struct results_key *key, *other;

	ck_assert_mem_eq(a->counts, b->counts, sizeof(a->counts));
	ck_assert_mem_eq(a->errors, b->errors, sizeof(a->errors));
	same_hdr(&a->late, &b->late);
	same_hdr(&a->latency, &b->latency);
	same_hdr(&a->connect, &b->connect);
	ck_assert_int_eq(a->bucket_ns, b->bucket_ns);
	ck_assert_int_eq(a->end_ns, b->end_ns);
	ck_assert_uint_eq(a->n_buckets, b->n_buckets);
	for (size_t i = 0; i < a->n_buckets; i++) {
		ck_assert_int_eq(a->buckets[i] == NULL, b->buckets[i] == NULL);
		if (a->buckets[i] != NULL)
			same_row(a->buckets[i], b->buckets[i]);
	}
	ck_assert_uint_eq(a->keys.n, b->keys.n);
	for (size_t i = 0; i < a->keys.n; i++) {
		key = map_at(&a->keys, i);
		other = map_find(&b->keys, &key->key);
		ck_assert_ptr_nonnull(other);
		same_row(&key->row, &other->row);
	}
	same_row(results_others(a), results_others(b));
	ck_assert_uint_eq(a->methods.n, b->methods.n);
	for (size_t i = 0; i < a->methods.n; i++) {
		const struct results_method *method = map_at(&a->methods, i);
		const struct results_method *same =
		    map_find(&b->methods, method->name);

		ck_assert_ptr_nonnull(same);
		same_row(&method->row, &same->row);
	}
	same_row(results_other_methods(a), results_other_methods(b));
}

#endif
