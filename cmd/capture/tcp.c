/* SPDX-License-Identifier: MIT */
#include "cmd/capture/tcp.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

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

/*
 * How long a hole is awaited once the receiver has acknowledged it: a capture
 * may swap packets, and a sender that missed the acknowledgement sends again.
 * In time since then, and in segments since it was found.
 */
#define PROVEN_NS INT64_C(500000000)
#define PROVEN_SEGMENTS 256

/*
 * How long it is awaited when nobody acknowledges it: the other side is not in
 * the capture, or was heard but has fallen silent. While it speaks and does not
 * acknowledge the hole, the bytes will be sent again.
 */
#define UNHEARD_NS INT64_C(500000000)
#define UNHEARD_SEGMENTS 2048
#define SILENT_NS INT64_C(30000000000)

/*
 * The beginning is awaited for a shorter time: until then there is no output.
 */
#define START_SEGMENTS 64
#define START_NS INT64_C(250000000)

/* Limit per direction; pieces are searched linearly. */
#define PIECES_MAX 4096

/* A FIN is accepted within this distance of the expected sequence number. */
#define FIN_BYTES UINT32_C(67108864)

#define NOT_PROVEN INT64_MIN

/* A keep-alive comes after this long without data. */
#define KEEPALIVE_NS INT64_C(1000000000)

struct tcp_piece {
	struct tcp_piece *next;
	struct cap_mark mark; /* the packet that brought it */
	int64_t time_ns; /* when it came, */
	int64_t proven_ns; /* when all before it was acknowledged, */
	uint32_t segment; /* and n_segments when it came */
	uint32_t seq;
	uint32_t len;
	bool cut; /* the snapshot length cut it off: no data */
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

/* Notes which of the pieces have nothing to wait for any more. */
static void
prove(struct tcp_half *half, int64_t time_ns)
{
	struct tcp_piece *piece = half->head;

	for (; piece != NULL && distance(piece->seq, half->peer_ack) >= 0;
	     piece = piece->next)
		if (piece->proven_ns == NOT_PROVEN)
			piece->proven_ns = time_ns;
}

void
tcp_acknowledge(struct tcp_half *half, uint32_t ack, int64_t time_ns)
{
	half->heard_ns = time_ns;
	half->heard = true;
	if (half->acked && distance(half->peer_ack, ack) <= 0)
		return;
	half->acked = true;
	half->peer_ack = ack;
	if (half->head != NULL)
		prove(half, time_ns);
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
	return (ssize_t)(sizeof(*piece) + (piece->cut ? 0 : piece->len));
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

/*
 * Inserts a copy of `data` after `after`; NULL: as the first. Without bytes
 * (p is NULL), it was cut off.
 */
static enum bnet_err
insert(struct tcp_half *half, const struct tcp_shared *shared,
    struct tcp_piece *after, uint32_t seq, struct bnet_slice data)
{
	size_t n = data.p != NULL ? data.len : 0;
	struct tcp_piece *piece = malloc(sizeof(*piece) + n);
	struct tcp_piece **link = after != NULL ? &after->next : &half->head;

	if (piece == NULL)
		return BNET_ENOMEM;
	piece->mark = shared->now;
	piece->time_ns = half->time_ns;
	piece->proven_ns = NOT_PROVEN;
	if (half->acked && distance(seq, half->peer_ack) >= 0)
		piece->proven_ns = half->time_ns;
	piece->segment = half->n_segments;
	piece->seq = seq;
	piece->len = (uint32_t)data.len;
	piece->cut = data.p == NULL;
	if (n > 0)
		memcpy(piece->data, data.p, n);
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

	if (piece->cut || data.p == NULL)
		return;
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

/* As bnet_slice_from(), also of bytes that are not there. */
static struct bnet_slice
rest_of(struct bnet_slice data, size_t n)
{
	return (struct bnet_slice){ data.p != NULL ? data.p + n : NULL,
		data.len - n };
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
				data = rest_of(data, n);
				continue;
			}
			n = n < (size_t)to_piece ? n : (size_t)to_piece;
		}
		err = insert(half, shared, before, seq,
		    (struct bnet_slice){ data.p, n });
		before = before != NULL ? before->next : half->head;
		seq += (uint32_t)n;
		data = rest_of(data, n);
	}
	return err;
}

static void
pass(struct tcp_half *half, const struct tcp_shared *shared,
    struct bnet_slice data, const struct cap_mark *mark, void *arg)
{
	history_add(&half->history, shared->history, half->next_seq, data);
	half->next_seq += (uint32_t)data.len;
	shared->sink->data(arg, data, mark);
}

/* Passes on that bytes are cut off. */
static void
pass_cut(struct tcp_half *half, const struct tcp_shared *shared, size_t n,
    const struct cap_mark *mark, void *arg)
{
	half->next_seq += (uint32_t)n;
	history_break(&half->history);
	shared->sink->gap(
	    arg, n, TCP_GAP_CUT, "not captured (snapshot length)", mark);
}

static void
note_ended(struct tcp_half *half)
{
	half->ended = half->fin && half->started &&
	    distance(half->next_seq, half->fin_seq) <= 0;
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
		if (old < (int32_t)piece->len && piece->cut)
			pass_cut(half, shared, piece->len - (uint32_t)old,
			    &piece->mark, arg);
		else if (old < (int32_t)piece->len)
			pass(half, shared,
			    (struct bnet_slice){
				piece->data + old, piece->len - (uint32_t)old },
			    &piece->mark, arg);
		free(piece);
	}
	note_ended(half);
}

/* Gives up the hole before the first piece. */
static void
give_up(struct tcp_half *half, const struct tcp_shared *shared, void *arg)
{
	uint32_t missing = half->head->seq - half->next_seq;

	half->next_seq = half->head->seq;
	history_break(&half->history);
	shared->sink->gap(arg, missing, TCP_GAP_LOST, "not in the capture",
	    &half->head->mark);
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
	shared->sink->gap(arg, 0, TCP_GAP_START,
	    "the beginning of the stream is not in the capture",
	    &half->head->mark);
	drain(half, shared, arg);
}

/* Is there a reason to stop waiting for the hole before the first piece? */
static bool
wait_is_over(const struct tcp_half *half, int64_t time_ns)
{
	const struct tcp_piece *piece = half->head;
	uint32_t n_waited;
	int64_t since_ns;

	if (piece == NULL)
		return false;
	n_waited = half->n_segments - piece->segment + 1;
	if (piece->proven_ns != NOT_PROVEN)
		return n_waited >= PROVEN_SEGMENTS ||
		    time_ns - piece->proven_ns >= PROVEN_NS;
	since_ns = time_ns - piece->time_ns;
	if (half->heard && half->heard_ns >= piece->time_ns)
		return time_ns - half->heard_ns >= SILENT_NS;
	return since_ns >= UNHEARD_NS || n_waited >= UNHEARD_SEGMENTS;
}

int64_t
tcp_held_since(const struct tcp_half *half, uint64_t *packet)
{
	const struct tcp_piece *piece, *oldest = half->head;

	for (piece = half->head; piece != NULL; piece = piece->next)
		if (piece->mark.packet < oldest->mark.packet)
			oldest = piece;
	*packet = oldest->mark.packet;
	return oldest->time_ns;
}

/* Gives up holes that were awaited long enough, or that hold too much. */
void
tcp_judge(struct tcp_half *half, const struct tcp_shared *shared,
    int64_t time_ns, void *arg)
{
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
			give_up(half, shared, arg);
	}
	if (!half->started &&
	    (half->n_segments - half->first_segment + 1 >= START_SEGMENTS ||
		time_ns - half->first_ns >= START_NS))
		start_late(half, shared, arg);
	while (half->started && wait_is_over(half, time_ns))
		give_up(half, shared, arg);
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

/*
 * A keep-alive repeats the byte before the next one, with any contents, after
 * everything was acknowledged. Real ones carry a zero, are not pushed, and come
 * after a pause; one of these may be otherwise.
 */
static bool
is_keepalive(const struct tcp_half *half, const struct cap_segment *segment,
    uint32_t seq, int64_t now_ns)
{
	if (segment->data.len != 1 || segment->missing_bytes > 0 ||
	    seq + 1 != half->next_seq || half->head != NULL ||
	    (segment->flags & (TCP_SYN | TCP_FIN)) ||
	    (half->acked && half->peer_ack != half->next_seq))
		return false;
	return (segment->data.p[0] == 0) + ((segment->flags & TCP_PSH) == 0) +
	    (now_ns - half->unix_ns >= KEEPALIVE_NS) >=
	    2;
}

/* Compares a retransmission with the bytes passed on earlier. */
static void
compare_old(struct tcp_half *half, const struct tcp_shared *shared,
    uint32_t seq, struct bnet_slice old, void *arg)
{
	uint64_t differ =
	    history_differs(&half->history, half->next_seq, seq, old);

	if (differ > 0)
		shared->sink->conflict(arg, differ,
		    shared->overlap == CAP_OVERLAP_LAST
			? "sent twice with different contents, the first was "
			  "decoded"
			: "sent twice with different contents, the first kept");
}

/* What of a segment is new: its data, and behind them what was cut off. */
struct fresh {
	uint32_t seq;
	struct bnet_slice data;
	size_t cut_bytes;
};

/* Drops what was already passed on. */
static void
trim_old(struct tcp_half *half, const struct tcp_shared *shared,
    struct fresh *fresh, bool keepalive, void *arg)
{
	int32_t ahead = distance(half->next_seq, fresh->seq);
	size_t old, n;

	if (ahead >= 0)
		return;
	old = (size_t) - (int64_t)ahead;
	n = old < fresh->data.len ? old : fresh->data.len;
	if (!keepalive)
		compare_old(half, shared, fresh->seq,
		    (struct bnet_slice){ fresh->data.p, n }, arg);
	fresh->data = bnet_slice_from(fresh->data, n);
	fresh->seq += (uint32_t)n;
	old -= n;
	n += old < fresh->cut_bytes ? old : fresh->cut_bytes;
	old = old < fresh->cut_bytes ? old : fresh->cut_bytes;
	fresh->cut_bytes -= old;
	fresh->seq += (uint32_t)old;
	shared->counters->retransmissions++;
	shared->counters->retransmitted_bytes += n;
}

/* Holds what is new, until what is before it comes. */
static enum bnet_err
hold_fresh(struct tcp_half *half, const struct tcp_shared *shared,
    const struct fresh *fresh, int64_t time_ns, void *arg)
{
	const struct bnet_slice cut = { NULL, fresh->cut_bytes };
	enum bnet_err err = BNET_OK;

	if (half->head == NULL) {
		half->first_segment = half->n_segments;
		half->first_ns = time_ns;
		half->heard = false;
	}
	if (half->started && fresh->seq != half->next_seq)
		shared->counters->out_of_order++;
	if (fresh->data.len > 0)
		err = hold(half, shared, fresh->seq, fresh->data, arg);
	if (err == BNET_OK && cut.len > 0)
		err = hold(half, shared, fresh->seq + (uint32_t)fresh->data.len,
		    cut, arg);
	return err;
}

/* A segment that is not just the next one. */
static enum bnet_err
unusual(struct tcp_half *half, const struct tcp_shared *shared,
    const struct cap_segment *segment, int64_t time_ns, void *arg)
{
	uint32_t seq = segment->seq + ((segment->flags & TCP_SYN) != 0);
	struct fresh fresh = { seq, segment->data, segment->missing_bytes };
	enum bnet_err err;
	bool keepalive;

	if (fresh.data.len + fresh.cut_bytes > 0) {
		keepalive =
		    is_keepalive(half, segment, seq, shared->now.time_ns);
		half->time_ns = time_ns;
		half->unix_ns = shared->now.time_ns;
		half->n_segments++;
		if (half->started)
			trim_old(half, shared, &fresh, keepalive, arg);
	}
	if (fresh.data.len + fresh.cut_bytes > 0 && half->started &&
	    half->head == NULL && fresh.seq == half->next_seq) {
		if (fresh.data.len > 0)
			pass(half, shared, fresh.data, &shared->now, arg);
		if (fresh.cut_bytes > 0)
			pass_cut(
			    half, shared, fresh.cut_bytes, &shared->now, arg);
		note_ended(half);
		return BNET_OK;
	}
	if (fresh.data.len + fresh.cut_bytes > 0) {
		err = hold_fresh(half, shared, &fresh, time_ns, arg);
		if (err != BNET_OK)
			return err;
	}
	if (half->started)
		drain(half, shared, arg);
	tcp_judge(half, shared, time_ns, arg);
	return BNET_OK;
}

enum bnet_err
tcp_segment(struct tcp_half *half, const struct tcp_shared *shared,
    const struct cap_segment *segment, int64_t time_ns, void *arg)
{
	uint32_t seq = segment->seq + ((segment->flags & TCP_SYN) != 0);

	if (segment->flags & TCP_RST) /* its data is at most a message */
		return BNET_OK;
	note_end(half, segment, seq);
	if (segment->data.len == 0 || segment->missing_bytes > 0 ||
	    half->head != NULL || !half->started || seq != half->next_seq)
		return unusual(half, shared, segment, time_ns, arg);
	half->time_ns = time_ns;
	half->unix_ns = shared->now.time_ns;
	half->n_segments++;
	pass(half, shared, segment->data, &shared->now, arg);
	note_ended(half);
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
		give_up(half, shared, arg);
	missing = missing_end(half) - half->next_seq;
	if (half->started && missing > 0 && missing <= INT32_MAX) {
		half->next_seq += missing;
		shared->sink->gap(arg, missing, TCP_GAP_LOST,
		    "the end of the stream is not in the capture",
		    &shared->now);
	}
	half->ended = true;
}
