/* SPDX-License-Identifier: MIT */
/*
 * results - what a run did: counts, latencies, lateness; in all, over time,
 * and per key.
 *
 * Each worker has its own struct results and is alone with it; at the end
 * they are merged. Times are ns since the run began (the first one is due),
 * so results of shards that started together lie over each other, and merging
 * is exact: counts and sums are whole numbers, histograms add.
 *
 * Memory is bounded: RESULTS_BUCKETS_MAX buckets, then two become one of twice
 * the width; RESULTS_KEYS_MAX keys, then one row for the others.
 */
#ifndef REPLAY_RESULTS_H
#define REPLAY_RESULTS_H

#include "cmd/stats/hdr.h"
#include "cmd/stats/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESULTS_BUCKETS_MAX 600
#define RESULTS_KEYS_MAX 1000
#define RESULTS_CODES 16 /* codes of bluenet.error; larger count as 0 */

/* What became of sessions and frames; each a plain counter. */
enum results_count {
	RESULTS_SESSIONS_BEGUN, /* connect() was called */
	RESULTS_SESSIONS_READY, /* connected, and welcomed where it says so */
	RESULTS_SESSIONS_REFUSED, /* bluenet.refuse */
	RESULTS_SESSIONS_FAILED, /* never connected or welcomed otherwise */
	RESULTS_SESSIONS_CUT, /* by the cluster, before all was sent */
	RESULTS_SESSIONS_DONE, /* all was sent */
	RESULTS_SESSIONS_STOPPED, /* by --duration or Ctrl-C */
	RESULTS_FRAMES_SENT,
	RESULTS_BYTES_SENT, /* on the wire, before TLS */
	RESULTS_FRAMES_RECEIVED,
	RESULTS_BYTES_RECEIVED,
	RESULTS_HELD, /* sent late because the peer took no more: its fault */
	RESULTS_UNSENT, /* of cut and stopped sessions */
	RESULTS_UNSENDABLE, /* too large for this peer */
	RESULTS_ANSWERED, /* requests */
	RESULTS_UNANSWERED, /* none in time, or an error */
	RESULTS_ERRORS, /* bluenet.error, all codes */
	RESULTS_BAD, /* frames received with a bad payload */
	RESULTS_N_COUNTS
};

/* One interval of time, or one key. */
struct results_row {
	uint64_t sent, sent_bytes, received, received_bytes;
	uint64_t answered, unanswered;
	uint64_t errors[RESULTS_CODES];
	struct hdr latency; /* ns from due to answer; counted when due */
	struct hdr late; /* ns from due to sent; buckets only */
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
	int64_t bucket_ns; /* width of a bucket now */
	size_t n_buckets; /* in use; those without anything are NULL */
	struct results_row *buckets[RESULTS_BUCKETS_MAX]; /* owned */
	struct map keys; /* of struct results_key */
	int64_t end_ns; /* the last thing that happened */
};

/* False when out of memory. bucket_ns > 0. */
bool results_init(struct results *results, int64_t bucket_ns);
void results_free(struct results *results);

/* ---- what the worker tells; never fails: out of memory loses a row ---- */

static inline void
results_count(struct results *results, enum results_count which, uint64_t n)
{
	results->counts[which] += n;
}

/*
 * A frame that was due at due_ns left at due_ns + late_ns. `held`: it waited
 * for the peer, so that its lateness is not the injector's and is not counted
 * in `late`. late_ns < 0: there is no schedule (--asap): no lateness at all.
 */
void results_sent(struct results *results, int64_t due_ns, int64_t late_ns,
    bool held, int32_t key, size_t wire_bytes);

void results_received(
    struct results *results, int64_t at_ns, int32_t key, size_t wire_bytes);

/* The request of `key` that was due at due_ns was answered so much later. */
void results_answered(
    struct results *results, int64_t due_ns, int32_t key, int64_t latency_ns);
void results_unanswered(struct results *results, int64_t due_ns, int32_t key);

/* bluenet.error about a frame of `key`. */
void results_error(
    struct results *results, int64_t at_ns, int32_t key, uint32_t code);

/* A session got ready so much after it was due. */
void results_ready(struct results *results, int64_t latency_ns);

/* ---- at the end ---- */

/* Add all of `from`. Exact. False when out of memory. */
bool results_merge(struct results *results, const struct results *from);

#endif
