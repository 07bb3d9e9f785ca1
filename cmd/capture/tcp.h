/* SPDX-License-Identifier: MIT */
/*
 * tcp - puts one direction of a TCP connection in order.
 *
 *	segments as captured -> data, gaps and conflicts, in stream order
 *
 * A segment in order is passed on without a copy; others are copied and held
 * until the bytes before them arrive. What is held keeps the mark of the packet
 * that brought it. Missing bytes are given up as a gap soon after the receiver
 * has acknowledged them; when nobody acknowledges, after a while; when too much
 * is held, or at the end. Bytes that the snapshot length cut off are known to
 * be missing, and not awaited. If the beginning was not captured, the first
 * segments are held for a moment, and the lowest one becomes the start.
 * Owns what a direction holds and remembers; called by capture.c and streams.c.
 */
#ifndef CAPTURE_TCP_H
#define CAPTURE_TCP_H

#include "cmd/capture/capture.h"
#include "cmd/capture/layers.h"
#include "cmd/capture/marks.h"

/*
 * The last bytes passed on in a direction, to detect retransmissions that
 * differ. A ring, allocated at the first byte; a direction goes without if all
 * rings together would exceed their budget.
 */
#define HISTORY_BYTES 16384 /* a power of two */

struct history_budget {
	size_t used_bytes, max_bytes;
};

struct history {
	uint8_t *ring; /* HISTORY_BYTES, by sequence number; NULL: none */
	uint32_t n; /* valid bytes before the next sequence number */
};

struct tcp_piece;

enum tcp_gap {
	TCP_GAP_LOST, /* not in the capture */
	TCP_GAP_CUT, /* cut off by the snapshot length */
	TCP_GAP_START, /* 0 bytes: what came before is not in the capture */
};

/*
 * All sinks are called in stream order. `mark`: of the packet that brought the
 * data; of a gap, the one that showed it.
 */
struct tcp_sink {
	void (*data)(
	    void *arg, struct bnet_slice data, const struct cap_mark *mark);
	void (*gap)(void *arg, uint64_t bytes, enum tcp_gap kind,
	    const char *reason, const struct cap_mark *mark);
	/* bytes that came twice and differ; `reason` says which are kept */
	void (*conflict)(void *arg, uint64_t bytes, const char *reason);
	/* `bytes`, or too many pieces, are held out of order; gaps follow */
	void (*limit)(void *arg, uint64_t bytes);
};

struct tcp_half {
	bool started; /* next_seq is known */
	bool no_start; /* its beginning is not in the capture */
	bool fin, ended; /* fin_seq is known; fin_seq was reached */
	bool acked; /* peer_ack is known */
	bool heard; /* the other side spoke since the hole was found */
	uint32_t next_seq;
	uint32_t fin_seq;
	uint32_t peer_ack; /* highest acknowledgement of the other side */
	bool sent; /* sent_seq is known */
	uint32_t sent_seq; /* after the last byte known to be sent */
	uint32_t n_segments; /* with data, so far */
	uint32_t first_segment; /* the first held, while not started */
	int64_t first_ns; /* its time */
	int64_t time_ns; /* of the last segment with data, */
	int64_t unix_ns; /* and as the capture's clock showed it */
	bool clocked; /* ticks is known: the last timestamp of a segment */
	bool ticking; /* it has changed */
	uint32_t ticks;
	int64_t heard_ns; /* when the other side last acknowledged anything */
	struct tcp_piece *last_held; /* a hint for the next one */
	uint32_t n_pieces;
	struct tcp_piece *head, *tail; /* held, by seq, not overlapping */
	size_t held_bytes; /* including overhead */
	struct history history; /* bytes passed on */
};

/* Shared by all connections. */
struct tcp_shared {
	const struct tcp_sink *sink;
	enum cap_overlap overlap;
	size_t held_max_bytes; /* limit per direction */
	size_t *held_bytes; /* the total, kept up to date */
	struct history_budget *history;
	struct cap_counters *counters;
	struct cap_mark now; /* the current packet */
};

/*
 * Sets the sequence number of the first byte, from a SYN or its
 * acknowledgement.
 */
void tcp_start(struct tcp_half *half, uint32_t seq);

/*
 * Processes a segment with or without data; `arg` is for the sinks. All times
 * are of a clock that does not step.
 *	BNET_OK, BNET_ENOMEM (the segment is lost)
 */
BNET_MUST enum bnet_err
tcp_segment(struct tcp_half *half, const struct tcp_shared *shared,
    const struct cap_segment *segment, int64_t time_ns, void *arg);

/* The other side acknowledged up to `ack`. */
void tcp_acknowledge(struct tcp_half *half, uint32_t ack, int64_t time_ns);

/* Time went by: gives up what was awaited long enough. */
void tcp_judge(struct tcp_half *half, const struct tcp_shared *shared,
    int64_t time_ns, void *arg);

/*
 * When the oldest of the bytes held came; *packet becomes its number. Some must
 * be held.
 */
int64_t tcp_held_since(const struct tcp_half *half, uint64_t *packet);

/* The capture or the connection has ended: reports everything that is held. */
void
tcp_flush(struct tcp_half *half, const struct tcp_shared *shared, void *arg);

/* Frees the history. */
void tcp_forget(struct tcp_half *half, const struct tcp_shared *shared);

/* Drops everything held or remembered, without reporting it. */
void tcp_drop(struct tcp_half *half, const struct tcp_shared *shared);

#endif
