/* SPDX-License-Identifier: MIT */
/* A direction of TCP by itself, and sinks that put together what it tells. */
#ifndef UNIT_TCP_HALF_H
#define UNIT_TCP_HALF_H

#include "cmd/capture/tcp.h"

#include "tests/unit/packets.h"

#define MS INT64_C(1000000)
#define N_BYTES 4000 /* of the stream in most tests */

static uint8_t stream[N_BYTES];
static struct cap_counters counters;
static size_t all_held;
static struct history_budget budget;

/* What the sinks were told; a gap leaves 0xee in `got`. */
static struct {
	uint8_t got[1 << 17];
	size_t n, n_gaps, n_cuts, n_conflicts, n_limits;
	struct cap_mark mark, gap_mark; /* of the last data, and gap */
	struct cap_mark latest; /* of any data */
	uint64_t gap_bytes, conflict_bytes;
	const char *reason;
} told;

static inline void
on_data(void *arg, struct bnet_slice data, const struct cap_mark *mark)
{
	(void)arg;
	told.mark = *mark;
	told.latest = cap_mark_later(told.latest, *mark);
	if (told.n + data.len <= sizeof(told.got))
		memcpy(told.got + told.n, data.p, data.len);
	told.n += data.len;
}

static inline void
on_gap(void *arg, uint64_t bytes, enum tcp_gap kind, const char *reason,
    const struct cap_mark *mark)
{
	(void)arg;
	told.n_cuts += kind == TCP_GAP_CUT;
	told.gap_mark = *mark;
	told.n_gaps++;
	told.gap_bytes += bytes;
	told.reason = reason;
	if (told.n + bytes <= sizeof(told.got))
		memset(told.got + told.n, 0xee, (size_t)bytes);
	told.n += (size_t)bytes;
}

static inline void
on_conflict(void *arg, uint64_t bytes, const char *reason)
{
	(void)arg;
	told.n_conflicts++;
	told.conflict_bytes += bytes;
	told.reason = reason;
}

static inline void
on_limit(void *arg, uint64_t bytes)
{
	(void)arg;
	(void)bytes;
	told.n_limits++;
}

static const struct tcp_sink sink = { on_data, on_gap, on_conflict, on_limit };
static const struct tcp_shared fresh = { .sink = &sink,
	.held_max_bytes = 1 << 20,
	.held_bytes = &all_held,
	.history = &budget,
	.counters = &counters };
static struct tcp_shared shared;
static struct tcp_half half;
static uint32_t base; /* sequence number of the first byte */
static int64_t now_ns;

static inline void
setup(void)
{
	for (size_t i = 0; i < N_BYTES; i++)
		stream[i] = (uint8_t)(i * 7 + i / 256);
	base = 1000;
	now_ns = 0;
	counters = (struct cap_counters){ 0 };
	budget = (struct history_budget){ .max_bytes = 1 << 20 };
	shared = fresh;
	half = (struct tcp_half){ 0 };
	memset(&told, 0, sizeof(told));
}

static inline void
teardown(void)
{
	tcp_drop(&half, &shared);
	ck_assert_uint_eq(half.held_bytes, 0);
	ck_assert_uint_eq(all_held, 0);
	ck_assert_uint_eq(budget.used_bytes, 0);
}

static inline void
restart(void)
{
	tcp_drop(&half, &shared);
	half = (struct tcp_half){ 0 };
	memset(&told, 0, sizeof(told));
}

static inline void
put(const uint8_t *p, size_t from, size_t to, uint8_t flags, size_t missing)
{
	struct bnet_slice data = unit_copy(p + from, to - from);
	const struct cap_segment segment = {
		.seq = base + (uint32_t)from,
		.flags = flags,
		.data = data,
		.missing_bytes = missing,
	};

	shared.now.packet++;
	shared.now.time_ns = now_ns;
	unit_err("segment", tcp_segment(&half, &shared, &segment, now_ns, NULL),
	    BNET_OK);
	unit_free(data);
	now_ns += MS;
}

static inline void
seg(size_t from, size_t to)
{
	put(stream, from, to, TCP_ACK, 0);
}

static inline void
fin(size_t at)
{
	put(stream, at, at, TCP_FIN | TCP_ACK, 0);
}

static inline void
flush(void)
{
	tcp_flush(&half, &shared, NULL);
	ck_assert_uint_eq(half.held_bytes, 0);
}

/* All that was told is stream[from, from + n). */
static inline void
is_stream(const char *what, size_t from, size_t n)
{
	unit_same(what, (struct bnet_slice){ told.got, told.n },
	    (struct bnet_slice){ stream + from, n });
}

#endif
