/* SPDX-License-Identifier: MIT */
#include "cmd/capture/tcp.h"

#include <stdlib.h>
#include <string.h>

/* ---- history ---- */

/* Remembers `data` that was passed on; `seq` belongs to its first byte. */
static void
history_add(struct history *history, struct history_budget *budget,
    uint32_t seq, struct bnet_slice data)
{
	uint32_t at;
	size_t first;

	if (history->ring == NULL) {
		if (budget->used_bytes + HISTORY_BYTES > budget->max_bytes)
			return;
		history->ring = malloc(HISTORY_BYTES);
		if (history->ring == NULL)
			return;
		budget->used_bytes += HISTORY_BYTES;
	}
	if (data.len > HISTORY_BYTES) {
		seq += (uint32_t)(data.len - HISTORY_BYTES);
		data = bnet_slice_from(data, data.len - HISTORY_BYTES);
	}
	at = seq % HISTORY_BYTES;
	first = HISTORY_BYTES - at < data.len ? HISTORY_BYTES - at : data.len;
	memcpy(history->ring + at, data.p, first);
	memcpy(history->ring, data.p + first, data.len - first);
	history->n += (uint32_t)data.len;
	if (history->n > HISTORY_BYTES)
		history->n = HISTORY_BYTES;
}

/*
 * Counts the bytes of `data`, retransmitted at `seq` and all before next_seq,
 * that differ from the history.
 */
static uint64_t
history_differs(const struct history *history, uint32_t next_seq, uint32_t seq,
    struct bnet_slice data)
{
	uint32_t behind = next_seq - seq;
	uint64_t differ = 0;
	size_t skip = 0;

	if (history->ring == NULL)
		return 0;
	if (behind > history->n)
		skip = behind - history->n;
	for (size_t i = skip; i < data.len; i++)
		differ += history->ring[(seq + i) % HISTORY_BYTES] != data.p[i];
	return differ;
}

/* Bytes are missing before the next ones. */
static void
history_break(struct history *history)
{
	history->n = 0;
}

static void
history_free(struct history *history, struct history_budget *budget)
{
	if (history->ring == NULL)
		return;
	free(history->ring);
	budget->used_bytes -= HISTORY_BYTES;
	*history = (struct history){ .ring = NULL };
}

/* ---- pieces ---- */

/* How long an acknowledged hole is awaited, in segments and in time. */
#define WAIT_SEGMENTS 256
#define WAIT_NS INT64_C(3000000000)

/*
 * The beginning is awaited for a shorter time: until then there is no output.
 */
#define START_SEGMENTS 64
#define START_NS INT64_C(1000000000)

/* If segments are captured partially, holes are normal. */
#define CUT_SEGMENTS 4

/* Limit per direction; pieces are searched linearly. */
#define PIECES_MAX 4096

/* A FIN is accepted within this distance of the expected sequence number. */
#define FIN_BYTES UINT32_C(67108864)

struct tcp_piece {
	struct tcp_piece *next;
	int64_t time_ns; /* arrival time, */
	uint32_t segment; /* and n_segments at that time */
	uint32_t seq;
	uint32_t len;
	uint8_t data[];
};

/* Distance from `from` to `to` in sequence space; negative if before. */
static int32_t
distance(uint32_t from, uint32_t to)
{
	return (int32_t)(to - from);
}

void
tcp_start(struct tcp_half *half, uint32_t seq)
{
	if (half->started)
		return;
	half->started = true;
	half->next_seq = seq;
}

void
tcp_acknowledge(struct tcp_half *half, uint32_t ack)
{
	if (half->acked && distance(half->peer_ack, ack) <= 0)
		return;
	half->acked = true;
	half->peer_ack = ack;
}

static void
account(struct tcp_half *half, const struct tcp_shared *shared, ssize_t bytes)
{
	half->held_bytes += (size_t)bytes;
	*shared->held_bytes += (size_t)bytes;
}

static ssize_t
piece_bytes(const struct tcp_piece *piece)
{
	return (ssize_t)(sizeof(*piece) + piece->len);
}

/* Removes the first piece. */
static struct tcp_piece *
pop(struct tcp_half *half, const struct tcp_shared *shared)
{
	struct tcp_piece *piece = half->head;

	half->head = piece->next;
	half->n_pieces--;
	if (half->head == NULL)
		half->tail = NULL;
	if (half->last_held == piece)
		half->last_held = NULL;
	account(half, shared, -piece_bytes(piece));
	return piece;
}

void
tcp_forget(struct tcp_half *half, const struct tcp_shared *shared)
{
	history_free(&half->history, shared->history);
}

void
tcp_drop(struct tcp_half *half, const struct tcp_shared *shared)
{
	while (half->head != NULL)
		free(pop(half, shared));
	history_free(&half->history, shared->history);
}

/* Inserts a copy of `data` after `after`; NULL: as the first. */
static enum bnet_err
insert(struct tcp_half *half, const struct tcp_shared *shared,
    struct tcp_piece *after, uint32_t seq, struct bnet_slice data)
{
	struct tcp_piece *piece = malloc(sizeof(*piece) + data.len);
	struct tcp_piece **link = after != NULL ? &after->next : &half->head;

	if (piece == NULL)
		return BNET_ENOMEM;
	piece->time_ns = half->time_ns;
	piece->segment = half->n_segments;
	piece->seq = seq;
	piece->len = (uint32_t)data.len;
	memcpy(piece->data, data.p, data.len);
	piece->next = *link;
	*link = piece;
	half->last_held = piece;
	half->n_pieces++;
	if (piece->next == NULL)
		half->tail = piece;
	account(half, shared, piece_bytes(piece));
	return BNET_OK;
}

/* `data` overlaps a held piece from offset `at`: handles differences. */
static void
compare(struct tcp_piece *piece, uint32_t at, struct bnet_slice data,
    const struct tcp_shared *shared, void *arg)
{
	uint64_t differ = 0;

	for (size_t i = 0; i < data.len; i++)
		differ += piece->data[at + i] != data.p[i];
	if (differ == 0)
		return;
	if (shared->overlap == CAP_OVERLAP_LAST) {
		memcpy(piece->data + at, data.p, data.len);
		shared->sink->conflict(arg, differ,
		    "sent twice with different contents, the last kept");
		return;
	}
	shared->sink->conflict(
	    arg, differ, "sent twice with different contents, the first kept");
}

/*
 * Holds the parts of [seq, seq + len) that are not held yet; compares the rest.
 */
static enum bnet_err
hold(struct tcp_half *half, const struct tcp_shared *shared, uint32_t seq,
    struct bnet_slice data, void *arg)
{
	struct tcp_piece *before = NULL, *piece = half->head;
	enum bnet_err err = BNET_OK;

	if (half->tail != NULL &&
	    distance(half->tail->seq + half->tail->len, seq) >= 0) {
		before = half->tail; /* the common case: at the end */
		piece = NULL;
	} else if (half->last_held != NULL &&
	    distance(half->last_held->seq + half->last_held->len, seq) >= 0) {
		before = half->last_held;
		piece = before->next;
	}
	while (data.len > 0 && err == BNET_OK) {
		size_t n = data.len;

		if (piece != NULL) {
			int32_t to_piece = distance(seq, piece->seq);
			int32_t to_end = distance(seq, piece->seq + piece->len);

			if (to_end <= 0) {
				before = piece;
				piece = piece->next;
				continue;
			}
			if (to_piece <= 0) { /* the first bytes are held */
				n = n < (size_t)to_end ? n : (size_t)to_end;
				compare(piece, (uint32_t)-to_piece,
				    (struct bnet_slice){ data.p, n }, shared,
				    arg);
				shared->counters->retransmitted_bytes += n;
				seq += (uint32_t)n;
				data = bnet_slice_from(data, n);
				continue;
			}
			n = n < (size_t)to_piece ? n : (size_t)to_piece;
		}
		err = insert(half, shared, before, seq,
		    (struct bnet_slice){ data.p, n });
		before = before != NULL ? before->next : half->head;
		seq += (uint32_t)n;
		data = bnet_slice_from(data, n);
	}
	return err;
}

static void
pass(struct tcp_half *half, const struct tcp_shared *shared,
    struct bnet_slice data, void *arg)
{
	history_add(&half->history, shared->history, half->next_seq, data);
	half->next_seq += (uint32_t)data.len;
	shared->sink->data(arg, data);
}

/* Passes on the pieces that are now in order. */
static void
drain(struct tcp_half *half, const struct tcp_shared *shared, void *arg)
{
	while (half->head != NULL &&
	    distance(half->next_seq, half->head->seq) <= 0) {
		struct tcp_piece *piece = pop(half, shared);
		int32_t old = distance(piece->seq, half->next_seq);

		/* held before a SYN showed that the stream starts later */
		if (old < 0 || old > (int32_t)piece->len)
			old = (int32_t)piece->len; /* half the space away */
		shared->counters->retransmitted_bytes += (uint32_t)old;
		if (old < (int32_t)piece->len)
			pass(half, shared,
			    (struct bnet_slice){
				piece->data + old, piece->len - (uint32_t)old },
			    arg);
		free(piece);
	}
	half->ended = half->fin && half->started &&
	    distance(half->next_seq, half->fin_seq) <= 0;
}

/* Gives up the hole before the first piece. */
static void
give_up(struct tcp_half *half, const struct tcp_shared *shared,
    const char *reason, void *arg)
{
	uint32_t missing = half->head->seq - half->next_seq;

	half->next_seq = half->head->seq;
	history_break(&half->history);
	shared->sink->gap(arg, missing, reason);
	drain(half, shared, arg);
}

static void
start_late(struct tcp_half *half, const struct tcp_shared *shared, void *arg)
{
	if (half->started || half->head == NULL)
		return;
	half->started = true;
	half->no_start = true;
	half->next_seq = half->head->seq;
	shared->counters->streams_no_start++;
	shared->sink->gap(
	    arg, 0, "the beginning of the stream is not in the capture");
	drain(half, shared, arg);
}

/*
 * Why to stop waiting for the hole before the first piece; NULL: keep waiting.
 */
static const char *
wait_is_over(const struct tcp_half *half)
{
	const struct tcp_piece *piece = half->head;
	uint32_t n_waited;

	if (piece == NULL)
		return NULL;
	n_waited = half->n_segments - piece->segment + 1;
	if (half->cut && n_waited >= CUT_SEGMENTS)
		return "not captured (snapshot length)";
	if (half->acked && distance(piece->seq, half->peer_ack) >= 0 &&
	    (n_waited >= WAIT_SEGMENTS ||
		half->time_ns - piece->time_ns >= WAIT_NS))
		return "not in the capture";
	return NULL;
}

/* Gives up holes that were awaited long enough, or that hold too much. */
static void
judge_wait(struct tcp_half *half, const struct tcp_shared *shared, void *arg)
{
	const char *reason;

	if (half->head == NULL)
		return;
	if (half->held_bytes > shared->held_max_bytes ||
	    half->n_pieces > PIECES_MAX) {
		shared->sink->limit(arg, half->held_bytes);
		start_late(half, shared, arg);
		/*
		 * down to half, so that this does not happen for every packet
		 */
		while (half->held_bytes > shared->held_max_bytes / 2 ||
		    half->n_pieces > PIECES_MAX / 2)
			give_up(half, shared, "not in the capture", arg);
	}
	if (!half->started &&
	    (half->n_segments - half->first_segment + 1 >= START_SEGMENTS ||
		half->time_ns - half->first_ns >= START_NS))
		start_late(half, shared, arg);
	while (half->started && (reason = wait_is_over(half)) != NULL)
		give_up(half, shared, reason, arg);
}

/* Tracks how far the sender got, even if that was not captured. */
static void
note_end(struct tcp_half *half, const struct cap_segment *segment, uint32_t seq)
{
	uint32_t end = seq + (uint32_t)segment->data.len +
	    (uint32_t)segment->missing_bytes;

	if (end != seq) {
		if (!half->sent || distance(half->sent_seq, end) > 0)
			half->sent_seq = end;
		half->sent = true;
	}
	if ((segment->flags & TCP_FIN) &&
	    (!half->started ||
		end - half->next_seq + FIN_BYTES <= 2 * FIN_BYTES)) {
		half->fin = true;
		half->fin_seq = end;
	}
}

/* Compares a retransmission with the bytes passed on earlier. */
static void
compare_old(struct tcp_half *half, const struct tcp_shared *shared,
    uint32_t seq, struct bnet_slice old, void *arg)
{
	uint64_t differ;

	/* a keep-alive repeats one byte before the next, with any contents */
	if (old.len == 1 && seq + 1 == half->next_seq)
		return;
	differ = history_differs(&half->history, half->next_seq, seq, old);
	if (differ > 0)
		shared->sink->conflict(arg, differ,
		    shared->overlap == CAP_OVERLAP_LAST
			? "sent twice with different contents, the first was "
			  "decoded"
			: "sent twice with different contents, the first kept");
}

/* Drops the part of the data that was already passed on. */
static void
trim_old(struct tcp_half *half, const struct tcp_shared *shared, uint32_t *seq,
    struct bnet_slice *data, void *arg)
{
	int32_t ahead = distance(half->next_seq, *seq);
	size_t old;

	if (ahead >= 0)
		return;
	old = (size_t) - (int64_t)ahead;
	if (old > data->len)
		old = data->len;
	compare_old(
	    half, shared, *seq, (struct bnet_slice){ data->p, old }, arg);
	shared->counters->retransmissions++;
	shared->counters->retransmitted_bytes += old;
	*seq += (uint32_t)old;
	*data = bnet_slice_from(*data, old);
}

enum bnet_err
tcp_segment(struct tcp_half *half, const struct tcp_shared *shared,
    const struct cap_segment *segment, int64_t time_ns, void *arg)
{
	struct bnet_slice data = segment->data;
	uint32_t seq = segment->seq + ((segment->flags & TCP_SYN) != 0);
	enum bnet_err err;

	if (segment->flags & TCP_RST) /* its data is at most a message */
		return BNET_OK;
	note_end(half, segment, seq);
	half->time_ns = time_ns;
	half->n_segments += data.len > 0;
	half->cut |= segment->missing_bytes > 0;
	if (half->started && data.len > 0)
		trim_old(half, shared, &seq, &data, arg);
	if (data.len > 0 && half->started && half->head == NULL &&
	    seq == half->next_seq) {
		pass(half, shared, data, arg);
		half->ended =
		    half->fin && distance(half->next_seq, half->fin_seq) <= 0;
		return BNET_OK;
	}
	if (data.len > 0) {
		if (half->head == NULL) {
			half->first_segment = half->n_segments;
			half->first_ns = time_ns;
		}
		if (half->started && seq != half->next_seq)
			shared->counters->out_of_order++;
		err = hold(half, shared, seq, data, arg);
		if (err != BNET_OK)
			return err;
	}
	if (half->started)
		drain(half, shared, arg);
	judge_wait(half, shared, arg);
	return BNET_OK;
}

/* The end of what was sent or acknowledged beyond the capture. */
static uint32_t
missing_end(const struct tcp_half *half)
{
	uint32_t end = half->next_seq;

	if (half->fin)
		return half->fin_seq;
	if (half->sent && distance(end, half->sent_seq) > 0)
		end = half->sent_seq;
	/* the last acknowledged number may be a FIN */
	if (half->acked && distance(end, half->peer_ack - 1) > 0)
		end = half->peer_ack - 1;
	return end;
}

void
tcp_flush(struct tcp_half *half, const struct tcp_shared *shared, void *arg)
{
	uint32_t missing;

	start_late(half, shared, arg);
	if (half->started) /* started later, by the other side's SYN-ACK */
		drain(half, shared, arg);
	while (half->head != NULL)
		give_up(half, shared, "not in the capture", arg);
	missing = missing_end(half) - half->next_seq;
	if (half->started && missing > 0 && missing <= INT32_MAX) {
		half->next_seq += missing;
		shared->sink->gap(arg, missing,
		    "the end of the stream is not in the capture");
	}
	half->ended = true;
}
