/* SPDX-License-Identifier: MIT */
/*
 * results - the measurements of a run: counts, latencies and lateness, in
 * total, over time, per key and per method of machoNet.
 *
 * Each worker has its own struct results; they are merged at the end. Times are
 * in ns since the run began (the first session was due), so the results of
 * shards that started together merge exactly: counts and sums are whole
 * numbers, and histograms add up.
 *
 * Memory is bounded. There are at most RESULTS_BUCKETS_MAX buckets; beyond that
 * pairs are merged (which takes a few ms, once after 400 buckets, then after
 * 800, ...). There are at most RESULTS_KEYS_MAX keys; one row holds the others.
 * Methods likewise.
 * The histogram of a row has RESULTS_ROW_DIGITS digits and takes 36 KiB from
 * its first value on: the buckets of a worker, with two each, take at most 30
 * MB (15 MB with --asap), and each key that has answers takes 36 KiB. The
 * totals have RESULTS_DIGITS.
 */
#ifndef REPLAY_RESULTS_H
#define REPLAY_RESULTS_H

#include "cmd/common/call.h"
#include "cmd/common/map.h"
#include "cmd/stats/hdr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESULTS_BUCKETS_MAX 400
#define RESULTS_KEYS_MAX 1000
#define RESULTS_METHODS_MAX 1000
#define RESULTS_DIGITS 3
#define RESULTS_ROW_DIGITS 2
#define RESULTS_HIGHEST_NS HDR_HOUR_NS
#define RESULTS_NEAR 16 /* rows in the fast key cache */
#define RESULTS_CODES 16 /* codes of bluenet.error; larger count as 0 */

/*
 * Counters of sessions and frames. Those with a star are counted by the
 * functions below, the others with results_count().
 */
enum results_count {
	RESULTS_SESSIONS_BEGUN, /* connect() was called */
	RESULTS_SESSIONS_READY, /* * connected and, after a hello, welcomed */
	RESULTS_SESSIONS_REFUSED, /* bluenet.refuse */
	RESULTS_SESSIONS_FAILED, /* otherwise not connected or not welcomed */
	RESULTS_SESSIONS_CUT, /* by the cluster, before everything was sent */
	RESULTS_SESSIONS_DONE, /* everything was sent */
	RESULTS_SESSIONS_STOPPED, /* by --duration or Ctrl-C */
	RESULTS_SESSIONS_STOCK, /* without their hello, to a stock peer */
	RESULTS_FRAMES_SENT, /* * */
	RESULTS_BYTES_SENT, /* * on the wire, before TLS */
	RESULTS_FRAMES_RECEIVED, /* * */
	RESULTS_BYTES_RECEIVED, /* * */
	RESULTS_HELD, /* * delayed by the peer, which did not read */
	RESULTS_UNSENT, /* the sum of the reasons below */
	RESULTS_UNSENDABLE, /* too large for this peer */
	RESULTS_NOT_FOR_STOCK, /* session messages that a stock peer gets not */
	RESULTS_ANSWERED, /* * requests */
	RESULTS_UNANSWERED, /* * no answer in time, or another error */
	RESULTS_ERRORS, /* * bluenet.error, all codes */
	RESULTS_BAD, /* frames received with a bad payload */
	/*
	 * Every record of every session of the rounds that began: sent, unsent,
	 * unsendable, or skipped.
	 */
	RESULTS_PLANNED,
	RESULTS_SKIPPED, /* hello, keepalive, pong: made anew, not replayed */
	RESULTS_UNSENT_NOT_CONNECTED, /* of sessions failed or refused */
	RESULTS_UNSENT_CUT, /* of sessions that the cluster cut */
	RESULTS_UNSENT_STOPPED, /* by --duration, Ctrl-C or production */
	RESULTS_UNSENT_INJECTOR, /* no memory, descriptor or port here */
	RESULTS_UNSENT_DAMAGED, /* the replay file does not hold it */
	/*
	 * Requests sent whose answer the capture lacks, although it holds what
	 * their session received: so many may be unanswered here, too.
	 */
	RESULTS_UNANSWERED_CAPTURED,
	RESULTS_SESSIONS_INJECTOR, /* failed here, for lack of something */
	/* Of those unanswered: only the order of frames makes them requests. */
	RESULTS_UNANSWERED_SEQUENCE,
	RESULTS_CALL_ERRORS, /* * calls whose answer is that they failed */
	RESULTS_CALL_ERRORS_CAPTURED, /* of these: as in the capture */
	/* --rewrite-payload, in the order of enum rewrite_result */
	RESULTS_REWRITTEN,
	RESULTS_UNREWRITTEN_MALFORMED, /* sent as captured, as are these: */
	RESULTS_UNREWRITTEN_PICKLE,
	RESULTS_UNREWRITTEN_FORM,
	RESULTS_UNREWRITTEN_ID,
	RESULTS_UNREWRITTEN_LARGE,
	RESULTS_N_COUNTS
};

/*
 * One interval of time, one key, or one method. Sent, received, opened, closed and errors
 * count in the interval in which they happened; answered, unanswered, latency
 * and late count in the interval in which the frame was due.
 *
 * Of a method: calls are sent, and answered, unanswered or in errors, of the
 * code of a bluenet.error, or 0: the answer is that the call failed.
 */
struct results_row {
	uint64_t sent, sent_bytes, received, received_bytes;
	uint64_t answered, unanswered;
	uint64_t opened, closed; /* sessions; intervals only */
	uint64_t errors[RESULTS_CODES];
	struct hdr latency; /* ns from due to answer; counts NULL: empty */
	struct hdr late; /* ns from due to sent; intervals only; likewise */
	struct hdr hiccups; /* ns that a wake-up was late; as `late` */
};

struct results_key {
	uint64_t key; /* of the map: (uint32_t)int32_t key */
	struct results_row row;
};

struct results_method {
	uint64_t name[CALL_NAME_WORDS]; /* of the map: a union call_name */
	struct results_row row;
};

struct results {
	uint64_t counts[RESULTS_N_COUNTS];
	uint64_t errors[RESULTS_CODES];
	uint64_t captured_errors[RESULTS_CODES]; /* of these: as captured */
	struct hdr late; /* every send: ns after it was due */
	struct hdr latency; /* every answer: ns after its request was due */
	struct hdr connect; /* every session: ns from due to ready */
	struct hdr hiccups; /* every wake-up of a thread that does no more */
	int64_t bucket_ns; /* current bucket width: the base x 2^k */
	size_t n_buckets; /* in use; empty buckets are NULL */
	struct results_row *buckets[RESULTS_BUCKETS_MAX]; /* owned */
	struct map keys; /* of struct results_key; others: all excess keys */
	struct map methods; /* of struct results_method; others: as keys */
	int64_t end_ns; /* time of the last event */
	/* caches of the last look-ups */
	size_t last_bucket; /* valid only if that bucket exists */
	struct results_key *near[RESULTS_NEAR];
};

/* Requires bucket_ns > 0. Returns false when out of memory. */
bool results_init(struct results *results, int64_t bucket_ns);
void results_free(struct results *results);

/* ---- reported by the worker; never fails: out of memory loses a row ---- */

static inline void
results_count(struct results *results, enum results_count which, uint64_t n)
{
	results->counts[which] += n;
}

/*
 * Counts a frame that was due at due_ns and left at due_ns + late_ns. `held`:
 * it waited for the peer; its lateness is not the injector's and is not counted
 * in `late`. late_ns < 0: no schedule (--asap), so no lateness.
 */
void results_sent(struct results *results, int64_t due_ns, int64_t late_ns,
    bool held, int32_t key, size_t wire_bytes);

void results_received(
    struct results *results, int64_t at_ns, int32_t key, size_t wire_bytes);

/* A request of `key`, due at due_ns, was answered latency_ns later. */
void results_answered(
    struct results *results, int64_t due_ns, int32_t key, int64_t latency_ns);
void results_unanswered(struct results *results, int64_t due_ns, int32_t key);

/* A bluenet.error about a frame of `key` was received. */
void results_error(
    struct results *results, int64_t at_ns, int32_t key, uint32_t code);

/*
 * That error answered its request in the capture, too: it is counted in
 * addition to results_error(), in place of results_unanswered().
 */
void results_error_captured(struct results *results, uint32_t code);

/* Of all codes. */
uint64_t results_errors_captured(const struct results *results);

/*
 * ---- calls, beside the functions above, which count frames ----
 *
 * `method` is a text of CALL_NAME_BYTES - 1 characters at most; "": unknown.
 */
void
results_called(struct results *results, const char *method, size_t wire_bytes);
void results_call_answered(struct results *results, const char *method,
    bool failed, int64_t latency_ns, size_t wire_bytes);
/* A bluenet.error answered it. */
void
results_call_error(struct results *results, const char *method, uint32_t code);
void results_call_unanswered(struct results *results, const char *method);

/* A session became ready latency_ns after it was due. */
void results_ready(struct results *results, int64_t latency_ns);

/* A session opened; it stays open until results_closed(). */
void results_opened(struct results *results, int64_t at_ns);
void results_closed(struct results *results, int64_t at_ns);

/* A wake-up that was due at at_ns came stall_ns later. */
void results_hiccup(struct results *results, int64_t at_ns, int64_t stall_ns);

/* ---- at the end ---- */

/* Can they be merged? One bucket width must be the other one times 2^k. */
bool results_fit(const struct results *a, const struct results *b);

/*
 * Adds all of `from`, using the wider buckets. Exact; with more than
 * RESULTS_KEYS_MAX keys (or too many methods), only the choice of those with rows of their own depends
 * on the order. Returns false when out of memory, or if they do not fit.
 */
bool results_merge(struct results *results, const struct results *from);

/*
 * The row of the bucket at at_ns, or of a key; created if missing. Returns NULL
 * when out of memory; the row of others if there are too many keys.
 */
struct results_row *results_bucket(struct results *results, int64_t at_ns);
struct results_row *results_key(struct results *results, int32_t key);

/* The row of all keys beyond RESULTS_KEYS_MAX; never NULL. */
struct results_row *results_others(const struct results *results);

/* The same of methods. */
struct results_row *results_method(struct results *results, const char *method);
struct results_row *results_other_methods(const struct results *results);

/*
 * Adds one row to another; allocates histograms as needed. Returns false when
 * out of memory.
 */
bool results_row_merge(struct results_row *row, const struct results_row *from);
void results_row_init(struct results_row *row);
void results_row_free(struct results_row *row);

/* Errors of all codes. */
uint64_t results_row_errors(const struct results_row *row);

#endif
