/* SPDX-License-Identifier: MIT */
/*
 * tcp - one direction of a TCP connection put in order.
 *
 *	segments as captured -> data, gaps and conflicts, in stream order
 *
 * A segment that comes in order is passed on where it lies; others are
 * copied and held until what is before them comes. It is given up as a gap
 * when the receiver has acknowledged it and yet many packets or much time
 * went by, when too much is held, or at the end. Where the beginning was not
 * captured, the first segments are held for a moment, and the lowest starts.
 * Owns what is held or remembered of a direction; called by capture.c and
 * streams.c.
 */
#ifndef CAPTURE_TCP_H
#define CAPTURE_TCP_H

#include "cmd/capture/capture.h"
#include "cmd/capture/layers.h"

/*
 * The last bytes of a direction that were passed on, so that a retransmission
 * that differs from them is noticed. A ring, made with the first byte; where
 * all rings together would be over their budget a direction goes without.
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

/* All sinks are called in stream order. */
struct tcp_sink {
	void (*data)(void *arg, struct bnet_slice data);
	void (*gap)(void *arg, uint64_t bytes, const char *reason);
	/* bytes that came twice and differ; `reason` says which were kept */
	void (*conflict)(void *arg, uint64_t bytes, const char *reason);
	/* `bytes`, or too many pieces, are held out of order; gaps follow */
	void (*limit)(void *arg, uint64_t bytes);
};

struct tcp_half {
	bool started; /* next_seq is known */
	bool no_start; /* its beginning is not in the capture */
	bool fin, ended; /* fin_seq is known; and was reached */
	bool acked; /* peer_ack is known */
	bool cut; /* some segments were not captured whole */
	uint32_t next_seq;
	uint32_t fin_seq;
	uint32_t peer_ack; /* the highest the other side acknowledged */
	bool sent; /* sent_seq is known */
	uint32_t sent_seq; /* after the last byte that was seen to be sent */
	uint32_t n_segments; /* with data, so far */
	uint32_t first_segment; /* the first held, while not started */
	int64_t first_ns; /* its time */
	int64_t time_ns; /* of the segment at hand */
	struct tcp_piece *last_held; /* where the next one often belongs */
	uint32_t n_pieces;
	struct tcp_piece *head, *tail; /* held, by seq, not overlapping */
	size_t held_bytes; /* with what it takes to hold them */
	struct history history; /* of what was passed on */
};

/* What all connections share. */
struct tcp_shared {
	const struct tcp_sink *sink;
	enum cap_overlap overlap;
	size_t held_max_bytes; /* one direction */
	size_t *held_bytes; /* of all, kept up to date */
	struct history_budget *history;
	struct cap_counters *counters;
};

/* The first byte's sequence number is known (a SYN, or its acknowledgement). */
void tcp_start(struct tcp_half *half, uint32_t seq);

/*
 * A segment with or without data; `arg` is for the sinks.
 *	BNET_OK, BNET_ENOMEM (the segment is lost)
 */
BNET_MUST enum bnet_err
tcp_segment(struct tcp_half *half, const struct tcp_shared *shared,
    const struct cap_segment *segment, int64_t time_ns, void *arg);

/* The other side acknowledged up to `ack`. */
void tcp_acknowledge(struct tcp_half *half, uint32_t ack);

/* The end of the capture or of the connection: report all that is held. */
void
tcp_flush(struct tcp_half *half, const struct tcp_shared *shared, void *arg);

/* Forget what was passed on. */
void tcp_forget(struct tcp_half *half, const struct tcp_shared *shared);

/* Drop all that is held or remembered, unreported. */
void tcp_drop(struct tcp_half *half, const struct tcp_shared *shared);

#endif
