/* SPDX-License-Identifier: MIT */
/*
 * mangle, second part: what is done to whole streams, and how they are cut
 * into segments. Each do_ function is one transformation.
 */
#ifndef TESTS_MANGLE_STREAMS_H
#define TESTS_MANGLE_STREAMS_H

#include "tests/tools/mangle_load.h"

static void
segs_replace(struct mangle *m, struct segs *segs)
{
	free(m->segs.p);
	m->segs = *segs;
}

/* Put `n` random bytes into the first connection, inside a segment. */
static void
do_garbage(struct mangle *m, uint32_t n)
{
	uint8_t way = m->conns[0].dir[0].n_bytes < m->conns[0].dir[1].n_bytes;
	struct dir *dir = &m->conns[0].dir[way];
	size_t quarter = dir->n_bytes / 4, at;

	if (quarter < 2)
		errx(1, "the first connection is too short for garbage");
	at = quarter + pkt_random_below(&m->random, (uint32_t)quarter * 2);
	dir->bytes = grow(dir->bytes, dir->n_bytes + n, 1);
	memmove(dir->bytes + at + n, dir->bytes + at, dir->n_bytes - at);
	for (size_t i = 0; i < n; i++)
		dir->bytes[at + i] = (uint8_t)pkt_random(&m->random);
	dir->n_bytes += n;
	dir->garbage_at = at;
	dir->garbage_bytes = n;
	for (size_t i = 0; i < m->segs.n; i++) {
		struct seg *seg = &m->segs.p[i];

		if (seg->conn != 0)
			continue;
		if (seg->dir != way && seg->ack_off > (int64_t)at)
			seg->ack_off += n;
		else if (seg->dir == way && seg->off > (int64_t)at)
			seg->off += n;
		else if (seg->dir == way &&
		    seg->off + seg->n_bytes > (int64_t)at)
			seg->n_bytes += n;
	}
}

/* Every stream's sequence numbers pass 2^32 in its middle. */
static void
do_seq_wrap(struct mangle *m)
{
	for (uint32_t i = 0; i < 2 * m->n_conns; i++) {
		struct dir *dir = &m->conns[i / 2].dir[i % 2];

		dir->isn = 0 - (uint32_t)(dir->n_bytes / 2) - 1;
	}
}

static void
do_port(struct mangle *m, uint32_t port)
{
	for (uint32_t i = 0; i < m->n_conns; i++)
		m->conns[i].port[1] = (uint16_t)port;
}

static void
dir_again(struct dir *dir, const struct dir *old)
{
	*dir = *old;
	dir->bytes = NULL;
	if (old->n_bytes > 0) {
		dir->bytes = grow(NULL, old->n_bytes, 1);
		memcpy(dir->bytes, old->bytes, old->n_bytes);
	}
	dir->base = old->n_bytes - old->garbage_bytes;
	dir->isn = old->isn + (uint32_t)old->n_bytes + 1000003;
}

/* The first connection a second time, after all the others. */
static void
do_port_reuse(struct mangle *m)
{
	struct conn *conn;
	int64_t shift_ns =
	    m->segs.p[m->segs.n - 1].time_ns - m->segs.p[0].time_ns + 1000000;
	size_t n = m->segs.n;

	m->conns = grow(m->conns, m->n_conns + 1, sizeof(*m->conns));
	conn = &m->conns[m->n_conns];
	*conn = m->conns[0];
	dir_again(&conn->dir[0], &m->conns[0].dir[0]);
	dir_again(&conn->dir[1], &m->conns[0].dir[1]);
	for (size_t i = 0; i < n; i++) {
		struct seg seg = m->segs.p[i];

		if (seg.conn != 0)
			continue;
		seg.conn = m->n_conns;
		seg.time_ns += shift_ns;
		segs_push(&m->segs, &seg);
	}
	m->n_conns++;
}

/*
 * Join what a side sent without a word from the other, up to `max` bytes;
 * bare ACKs between do not count.
 */
static void
do_coalesce(struct mangle *m, uint32_t max)
{
	size_t *last = grow(NULL, m->n_conns, sizeof(*last));
	struct segs out = { 0 };

	memset(last, 0xff, m->n_conns * sizeof(*last));
	for (size_t i = 0; i < m->segs.n; i++) {
		const struct seg *seg = &m->segs.p[i];
		size_t at = last[seg->conn];
		struct seg *was = at == SIZE_MAX ? NULL : &out.p[at];

		if (was != NULL && was->dir == seg->dir && seg->n_bytes > 0 &&
		    was->n_bytes + seg->n_bytes <= max &&
		    seg->off == was->off + was->n_bytes) {
			was->n_bytes += seg->n_bytes;
			was->flags |= seg->flags;
			continue;
		}
		if (seg->n_bytes > 0)
			last[seg->conn] = out.n;
		segs_push(&out, seg);
	}
	free(last);
	segs_replace(m, &out);
}

static void
do_segment(struct mangle *m, uint32_t max)
{
	struct segs out = { 0 };

	for (size_t i = 0; i < m->segs.n; i++) {
		struct seg rest = m->segs.p[i], part;

		while (rest.n_bytes > max) {
			part = rest;
			part.n_bytes = max;
			part.flags &= (uint8_t) ~(PKT_FIN | PKT_PSH);
			segs_push(&out, &part);
			rest.off += max;
			rest.n_bytes -= max;
		}
		segs_push(&out, &rest);
	}
	segs_replace(m, &out);
}

#endif
