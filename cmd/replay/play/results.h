/* SPDX-License-Identifier: MIT */
/*
 * results - what a run did: counts, latencies and lateness, in all, over time
 * and per key.
 *
 * Each worker has a struct results of its own; they are merged at the end.
 * Times are in ns since the run began (the first session was due), so the
 * results of shards that started together can be merged, exactly: counts and
 * sums are whole numbers, and histograms add up.
 *
 * Memory is bounded. There are at most RESULTS_BUCKETS_MAX buckets; beyond that
 * pairs are merged (which takes a few ms, once after 400 buckets, then after
 * 800, ...). There are at most RESULTS_KEYS_MAX keys; one row holds the others.
 * The histogram of a row has RESULTS_ROW_DIGITS digits and takes 36 KiB from
 * its first value on: the buckets of a worker, with two each, take at most 30
 * MB (15 MB with --asap), and each key that has answers takes 36 KiB. The
 * totals have RESULTS_DIGITS.
 */
#ifndef REPLAY_RESULTS_H
#define REPLAY_RESULTS_H

#include "cmd/common/map.h"
#include "cmd/stats/hdr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESULTS_BUCKETS_MAX 400
#define RESULTS_KEYS_MAX 1000
#define RESULTS_DIGITS 3
#define RESULTS_ROW_DIGITS 2
#define RESULTS_HIGHEST_NS HDR_HOUR_NS
#define RESULTS_NEAR 16 /* rows of keys that are found at once */
#define RESULTS_CODES 16 /* codes of bluenet.error; larger count as 0 */

/*
 * What became of sessions and frames, each a plain counter. Those with a star
 * are counted by the functions below, the others with results_count().
 */
enum results_count {
	RESULTS_SESSIONS_BEGUN, /* connect() was called */
	RESULTS_SESSIONS_READY, /* * connected, and welcomed where it says so */
	RESULTS_SESSIONS_REFUSED, /* bluenet.refuse */
	RESULTS_SESSIONS_FAILED, /* never connected or welcomed otherwise */
	RESULTS_SESSIONS_CUT, /* by the cluster, before all was sent */
	RESULTS_SESSIONS_DONE, /* all was sent */
	RESULTS_SESSIONS_STOPPED, /* by --duration or Ctrl-C */
	RESULTS_FRAMES_SENT, /* * */
	RESULTS_BYTES_SENT, /* * on the wire, before TLS */
	RESULTS_FRAMES_RECEIVED, /* * */
	RESULTS_BYTES_RECEIVED, /* * */
	RESULTS_HELD, /* * sent late because the peer took no more: its fault */
	RESULTS_UNSENT, /* of cut and stopped sessions */
	RESULTS_UNSENDABLE, /* too large for this peer */
	RESULTS_ANSWERED, /* * requests */
	RESULTS_UNANSWERED, /* * none in time, or an error */
	RESULTS_ERRORS, /* * bluenet.error, all codes */
	RESULTS_BAD, /* frames received with a bad payload */
	RESULTS_N_COUNTS
};

/*
 * One interval of time, or one key. Sent, received, opened, closed and errors
 * are in the interval in which they happened; answered, unanswered, latency and
 * late are in the interval in which the frame was due.
 */
struct results_row {
	uint64_t sent, sent_bytes, received, received_bytes;
	uint64_t answered, unanswered;
	uint64_t opened, closed; /* sessions; intervals only */
	uint64_t errors[RESULTS_CODES];
	struct hdr latency; /* ns from due to answer; no counts yet: NULL */
	struct hdr late; /* ns from due to sent; intervals only; too */
};

struct results_key {
	uint64_t key; /* of the map: (uint32_t)int32_t key */
	struct results_row row;
};

struct results {
	uint64_t counts[RESULTS_N_COUNTS];
	uint64_t errors[RESULTS_CODES];
	struct hdr late; /* every send: after it was due, ns */
	struct hdr latency; /* every answer: since the request was due, ns */
	struct hdr connect; /* every session: from due to ready, ns */
	int64_t bucket_ns; /* width of a bucket now: the base x 2^k */
	size_t n_buckets; /* in use; those without anything are NULL */
	struct results_row *buckets[RESULTS_BUCKETS_MAX]; /* owned */
	struct map keys; /* of struct results_key; others: all beyond them */
	int64_t end_ns; /* the last thing that happened */
	/* where the last calls have been */
	size_t last_bucket; /* only where it is there */
	struct results_key *near[RESULTS_NEAR];
};

/* False when out of memory. bucket_ns > 0. */
bool results_init(struct results *results, int64_t bucket_ns);
void results_free(struct results *results);

/* ---- what the worker reports; never fails: out of memory loses a row ---- */

static inline void
results_count(struct results *results, enum results_count which, uint64_t n)
{
	results->counts[which] += n;
}

/*
 * A frame that was due at due_ns left at due_ns + late_ns. `held`: it waited
 * for the peer, so that its lateness is not the injector's and is not counted
 * in `late`. late_ns < 0: without a schedule (--asap) there is no lateness.
 */
void results_sent(struct results *results, int64_t due_ns, int64_t late_ns,
    bool held, int32_t key, size_t wire_bytes);

void results_received(
    struct results *results, int64_t at_ns, int32_t key, size_t wire_bytes);

/* The request of `key` that was due at due_ns was answered latency_ns later. */
void results_answered(
    struct results *results, int64_t due_ns, int32_t key, int64_t latency_ns);
void results_unanswered(struct results *results, int64_t due_ns, int32_t key);

/* bluenet.error about a frame of `key`. */
void results_error(
    struct results *results, int64_t at_ns, int32_t key, uint32_t code);

/* A session got ready latency_ns after it was due. */
void results_ready(struct results *results, int64_t latency_ns);

/* A session is open from here until results_closed(). */
void results_opened(struct results *results, int64_t at_ns);
void results_closed(struct results *results, int64_t at_ns);

/* ---- at the end ---- */

/* Can they be merged? Only if the width of one is the other's times 2^k. */
bool results_fit(const struct results *a, const struct results *b);

/*
 * Add all of `from`, in the wider buckets of the two. Exact; only the choice of
 * keys that have rows of their own depends on the order, if there are more than
 * RESULTS_KEYS_MAX. False: out of memory, or they do not fit.
 */
bool results_merge(struct results *results, const struct results *from);

/*
 * The row of the bucket that holds at_ns, and of a key; made if there is none.
 * NULL when out of memory; the row of others if there are too many keys.
 */
struct results_row *results_bucket(struct results *results, int64_t at_ns);
struct results_row *results_key(struct results *results, int32_t key);

/* The row of all keys beyond RESULTS_KEYS_MAX; never NULL. */
struct results_row *results_others(const struct results *results);

/* Add one row to another; memory for histograms is taken as needed. */
bool results_row_merge(struct results_row *row, const struct results_row *from);
void results_row_init(struct results_row *row);
void results_row_free(struct results_row *row);

/* Errors of all codes. */
uint64_t results_row_errors(const struct results_row *row);

#endif
