/* SPDX-License-Identifier: MIT */
/*
 * tcp - puts one direction of a TCP connection in order.
 *
 *	segments as captured -> data, gaps and conflicts, in stream order
 *
 * A segment in order is passed on without a copy; others are copied and held
 * until the bytes before them arrive. Missing bytes are given up as a gap when
 * the receiver has acknowledged them and many packets or much time went by,
 * when too much is held, or at the end. If the beginning was not captured, the
 * first segments are held for a moment, and the lowest one becomes the start.
 * Owns what a direction holds and remembers; called by capture.c and streams.c.
 */
#ifndef CAPTURE_TCP_H
#define CAPTURE_TCP_H

#include "cmd/capture/capture.h"
#include "cmd/capture/layers.h"

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

/* All sinks are called in stream order. */
struct tcp_sink {
	void (*data)(void *arg, struct bnet_slice data);
	void (*gap)(void *arg, uint64_t bytes, const char *reason);
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
	bool cut; /* some segments were captured partially */
	uint32_t next_seq;
	uint32_t fin_seq;
	uint32_t peer_ack; /* highest acknowledgement of the other side */
	bool sent; /* sent_seq is known */
	uint32_t sent_seq; /* after the last byte known to be sent */
	uint32_t n_segments; /* with data, so far */
	uint32_t first_segment; /* the first held, while not started */
	int64_t first_ns; /* its time */
	int64_t time_ns; /* of the current segment */
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
};

/*
 * Sets the sequence number of the first byte, from a SYN or its
 * acknowledgement.
 */
void tcp_start(struct tcp_half *half, uint32_t seq);

/*
 * Processes a segment with or without data; `arg` is for the sinks.
 *	BNET_OK, BNET_ENOMEM (the segment is lost)
 */
BNET_MUST enum bnet_err
tcp_segment(struct tcp_half *half, const struct tcp_shared *shared,
    const struct cap_segment *segment, int64_t time_ns, void *arg);

/* The other side acknowledged up to `ack`. */
void tcp_acknowledge(struct tcp_half *half, uint32_t ack);

/* The capture or the connection has ended: reports everything that is held. */
void
tcp_flush(struct tcp_half *half, const struct tcp_shared *shared, void *arg);

/* Frees the history. */
void tcp_forget(struct tcp_half *half, const struct tcp_shared *shared);

/* Drops everything held or remembered, without reporting it. */
void tcp_drop(struct tcp_half *half, const struct tcp_shared *shared);

#endif
