/* SPDX-License-Identifier: MIT */
/*
 * Counts and histograms of a run, in total, by key and over time, and their
 * merging. Owns the rows of a struct results. Called for every frame by
 * virtual_client.c, and by the report.
 */
#include "cmd/replay/play/results.h"

#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

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
	ok = merge_hdr(&row->hiccups, &from->hiccups) && ok;
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

/* Doubles the bucket width: merges pairs of neighbours. */
static void
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

/* ---- counting: called for every frame ---- */

/* The upper bits of the product depend on all bits of the key. */
#define NEAR_SHIFT 28
_Static_assert(RESULTS_NEAR == 1 << (32 - NEAR_SHIFT), "one row each");

void
results_row_init(struct results_row *row)
{
	*row = (struct results_row){ 0 };
	hdr_layout(&row->latency, RESULTS_ROW_DIGITS, RESULTS_HIGHEST_NS);
	hdr_layout(&row->late, RESULTS_ROW_DIGITS, RESULTS_HIGHEST_NS);
	hdr_layout(&row->hiccups, RESULTS_ROW_DIGITS, RESULTS_HIGHEST_NS);
}

void
results_row_free(struct results_row *row)
{
	hdr_free(&row->latency);
	hdr_free(&row->late);
	hdr_free(&row->hiccups);
}

struct results_row *
results_others(const struct results *results)
{
	struct results_key *others = results->keys.others;

	return &others->row;
}

struct results_row *
results_other_methods(const struct results *results)
{
	struct results_method *others = results->methods.others;

	return &others->row;
}

bool
results_init(struct results *results, int64_t bucket_ns)
{
	*results = (struct results){ .bucket_ns = bucket_ns };
	if (!map_init(&results->keys, sizeof(struct results_key), 1,
		RESULTS_KEYS_MAX))
		return false;
	results_row_init(results_others(results));
	if (!map_init(&results->methods, sizeof(struct results_method),
		CALL_NAME_WORDS, RESULTS_METHODS_MAX)) {
		results_free(results);
		return false;
	}
	results_row_init(results_other_methods(results));
	if (hdr_init(&results->late, RESULTS_DIGITS, RESULTS_HIGHEST_NS) &&
	    hdr_init(&results->latency, RESULTS_DIGITS, RESULTS_HIGHEST_NS) &&
	    hdr_init(&results->connect, RESULTS_DIGITS, RESULTS_HIGHEST_NS) &&
	    hdr_init(&results->hiccups, RESULTS_DIGITS, RESULTS_HIGHEST_NS))
		return true;
	results_free(results);
	return false;
}

void
results_free(struct results *results)
{
	struct results_key *key;

	for (size_t i = 0; i < results->n_buckets; i++) {
		if (results->buckets[i] != NULL)
			results_row_free(results->buckets[i]);
		free(results->buckets[i]);
	}
	for (size_t i = 0; i < results->keys.n; i++) {
		key = map_at(&results->keys, i);
		results_row_free(&key->row);
	}
	for (size_t i = 0; i < results->methods.n; i++) {
		struct results_method *method = map_at(&results->methods, i);

		results_row_free(&method->row);
	}
	if (results->keys.others != NULL)
		results_row_free(results_others(results));
	if (results->methods.others != NULL)
		results_row_free(results_other_methods(results));
	map_free(&results->keys);
	map_free(&results->methods);
	hdr_free(&results->late);
	hdr_free(&results->latency);
	hdr_free(&results->connect);
	hdr_free(&results->hiccups);
	*results = (struct results){ 0 };
}

static struct results_row *
make_bucket(struct results *results, int64_t at_ns)
{
	struct results_row *row;
	size_t i;

	while (at_ns / results->bucket_ns >= RESULTS_BUCKETS_MAX)
		results_widen(results);
	i = (size_t)(at_ns / results->bucket_ns);
	if (i >= results->n_buckets)
		results->n_buckets = i + 1;
	row = results->buckets[i];
	if (row == NULL) {
		row = malloc(sizeof(*row));
		if (row == NULL)
			return NULL;
		results_row_init(row);
		results->buckets[i] = row;
	}
	results->last_bucket = i;
	return row;
}

/* Usually the bucket is the previous one: then no division is needed. */
struct results_row *
results_bucket(struct results *results, int64_t at_ns)
{
	int64_t start_ns = (int64_t)results->last_bucket * results->bucket_ns;
	struct results_row *row = results->buckets[results->last_bucket];

	if (at_ns < 0)
		at_ns = 0; /* before the first session was due */
	if (row != NULL &&
	    (uint64_t)(at_ns - start_ns) < (uint64_t)results->bucket_ns)
		return row;
	return make_bucket(results, at_ns);
}

struct results_row *
results_key(struct results *results, int32_t key)
{
	uint32_t word = (uint32_t)key;
	uint64_t map_key = word;
	struct results_key **near =
	    &results->near[word * UINT32_C(0x9e3779b1) >> NEAR_SHIFT];
	struct results_key *entry = *near;

	if (entry != NULL && entry->key == map_key)
		return &entry->row;
	entry = map_get(&results->keys, &map_key);
	if (entry == results->keys.others)
		return &entry->row; /* others has no key: not cached */
	if (entry->row.latency.digits == 0)
		results_row_init(&entry->row);
	*near = entry;
	return &entry->row;
}

struct results_row *
results_method(struct results *results, const char *method)
{
	union call_name name = { .words = { 0 } };
	struct results_method *entry;

	memcpy(name.text, method, strnlen(method, sizeof(name.text) - 1));
	if (name.text[0] == '\0')
		return results_other_methods(results);
	entry = map_get(&results->methods, name.words);
	if (entry->row.latency.digits == 0)
		results_row_init(&entry->row);
	return &entry->row;
}

/* Allocates the histogram at its first value. */
static inline void
add(struct hdr *hdr, int64_t value)
{
	if (hdr->counts == NULL && !hdr_init(hdr, hdr->digits, hdr->highest))
		return;
	hdr_add(hdr, value);
}

static inline void
happened(struct results *results, int64_t at_ns)
{
	if (at_ns > results->end_ns)
		results->end_ns = at_ns;
}

void
results_sent(struct results *results, int64_t due_ns, int64_t late_ns,
    bool held, int32_t key, size_t wire_bytes)
{
	int64_t left_ns = due_ns + (late_ns > 0 ? late_ns : 0);
	struct results_row *bucket, *row = results_key(results, key);

	results->counts[RESULTS_FRAMES_SENT]++;
	results->counts[RESULTS_BYTES_SENT] += wire_bytes;
	results->counts[RESULTS_HELD] += held;
	happened(results, left_ns);
	row->sent++;
	row->sent_bytes += wire_bytes;
	bucket = results_bucket(results, left_ns);
	if (bucket != NULL) {
		bucket->sent++;
		bucket->sent_bytes += wire_bytes;
	}
	if (held || late_ns < 0)
		return;
	hdr_add(&results->late, late_ns);
	bucket = results_bucket(results, due_ns);
	if (bucket != NULL)
		add(&bucket->late, late_ns);
}

void
results_received(
    struct results *results, int64_t at_ns, int32_t key, size_t wire_bytes)
{
	struct results_row *rows[] = { results_key(results, key),
		results_bucket(results, at_ns) };

	results->counts[RESULTS_FRAMES_RECEIVED]++;
	results->counts[RESULTS_BYTES_RECEIVED] += wire_bytes;
	happened(results, at_ns);
	for (unsigned i = 0; i < 2; i++) {
		if (rows[i] == NULL)
			continue;
		rows[i]->received++;
		rows[i]->received_bytes += wire_bytes;
	}
}

void
results_answered(
    struct results *results, int64_t due_ns, int32_t key, int64_t latency_ns)
{
	struct results_row *rows[] = { results_key(results, key),
		results_bucket(results, due_ns) };

	results->counts[RESULTS_ANSWERED]++;
	happened(results, due_ns + latency_ns);
	hdr_add(&results->latency, latency_ns);
	for (unsigned i = 0; i < 2; i++) {
		if (rows[i] == NULL)
			continue;
		rows[i]->answered++;
		add(&rows[i]->latency, latency_ns);
	}
}

void
results_unanswered(struct results *results, int64_t due_ns, int32_t key)
{
	struct results_row *bucket = results_bucket(results, due_ns);

	results->counts[RESULTS_UNANSWERED]++;
	happened(results, due_ns);
	results_key(results, key)->unanswered++;
	if (bucket != NULL)
		bucket->unanswered++;
}

void
results_error(
    struct results *results, int64_t at_ns, int32_t key, uint32_t code)
{
	struct results_row *bucket = results_bucket(results, at_ns);
	uint32_t which = code < RESULTS_CODES ? code : 0;

	results->counts[RESULTS_ERRORS]++;
	results->errors[which]++;
	happened(results, at_ns);
	results_key(results, key)->errors[which]++;
	if (bucket != NULL)
		bucket->errors[which]++;
}

void
results_error_captured(struct results *results, uint32_t code)
{
	results->captured_errors[code < RESULTS_CODES ? code : 0]++;
}

uint64_t
results_errors_captured(const struct results *results)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < RESULTS_CODES; i++)
		n += results->captured_errors[i];
	return n;
}

void
results_called(struct results *results, const char *method, size_t wire_bytes)
{
	struct results_row *row = results_method(results, method);

	row->sent++;
	row->sent_bytes += wire_bytes;
}

void
results_call_answered(struct results *results, const char *method, bool failed,
    int64_t latency_ns, size_t wire_bytes)
{
	struct results_row *row = results_method(results, method);

	row->received++;
	row->received_bytes += wire_bytes;
	results->counts[RESULTS_CALL_ERRORS] += failed;
	if (failed) {
		row->errors[0]++;
		return;
	}
	row->answered++;
	add(&row->latency, latency_ns);
}

void
results_call_error(struct results *results, const char *method, uint32_t code)
{
	results_method(results, method)
	    ->errors[code < RESULTS_CODES ? code : 0]++;
}

void
results_call_unanswered(struct results *results, const char *method)
{
	results_method(results, method)->unanswered++;
}

void
results_ready(struct results *results, int64_t latency_ns)
{
	results->counts[RESULTS_SESSIONS_READY]++;
	hdr_add(&results->connect, latency_ns);
}

void
results_opened(struct results *results, int64_t at_ns)
{
	struct results_row *bucket = results_bucket(results, at_ns);

	happened(results, at_ns);
	if (bucket != NULL)
		bucket->opened++;
}

void
results_closed(struct results *results, int64_t at_ns)
{
	struct results_row *bucket = results_bucket(results, at_ns);

	happened(results, at_ns);
	if (bucket != NULL)
		bucket->closed++;
}

/* It may come after the last event, which it must not move. */
void
results_hiccup(struct results *results, int64_t at_ns, int64_t stall_ns)
{
	struct results_row *bucket = results_bucket(results, at_ns);

	hdr_add(&results->hiccups, stall_ns);
	if (bucket != NULL)
		add(&bucket->hiccups, stall_ns);
}

/* ---- merging: rows, buckets of other widths, other workers ---- */

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

static bool
merge_methods(struct results *results, const struct results *from)
{
	const struct results_method *method;
	union call_name name;
	bool ok = results_row_merge(
	    results_other_methods(results), results_other_methods(from));

	for (size_t i = 0; i < from->methods.n; i++) {
		method = map_at(&from->methods, i);
		memcpy(name.words, method->name, sizeof(name.words));
		ok = results_row_merge(
			 results_method(results, name.text), &method->row) &&
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
	ok = merge_methods(results, from) && ok;
	for (unsigned i = 0; i < RESULTS_N_COUNTS; i++)
		results->counts[i] += from->counts[i];
	for (unsigned i = 0; i < RESULTS_CODES; i++) {
		results->errors[i] += from->errors[i];
		results->captured_errors[i] += from->captured_errors[i];
	}
	hdr_merge(&results->late, &from->late);
	hdr_merge(&results->latency, &from->latency);
	hdr_merge(&results->connect, &from->connect);
	hdr_merge(&results->hiccups, &from->hiccups);
	if (from->end_ns > results->end_ns)
		results->end_ns = from->end_ns;
	return ok;
}
