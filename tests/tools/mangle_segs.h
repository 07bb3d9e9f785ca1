/* SPDX-License-Identifier: MIT */
/*
 * mangle, third part: what is done to segments one by one: copies, order,
 * times, losses. Each do_ function is one transformation; main says in which
 * order they are done.
 */
#ifndef TESTS_MANGLE_SEGS_H
#define TESTS_MANGLE_SEGS_H

#include "tests/tools/mangle_streams.h"

#define KEY_SHIFT 24 /* below it: what makes the keys differ */

static bool
chance(struct mangle *m, uint32_t percent)
{
	return pkt_random_below(&m->random, 100) < percent;
}

static int
by_key(const void *a, const void *b)
{
	uint64_t ka = ((const struct seg *)a)->key;
	uint64_t kb = ((const struct seg *)b)->key;

	return (ka > kb) - (ka < kb);
}

static void
segs_number(struct mangle *m)
{
	for (size_t i = 0; i < m->segs.n; i++)
		m->segs.p[i].key = (uint64_t)i << KEY_SHIFT;
}

static void
segs_sort(struct mangle *m)
{
	qsort(m->segs.p, m->segs.n, sizeof(*m->segs.p), by_key);
}

/* Segments that begin earlier or end later, with the stream's own bytes. */
static void
do_overlap(struct mangle *m, uint32_t percent)
{
	for (size_t i = 0; i < m->segs.n; i++) {
		struct seg *seg = &m->segs.p[i];
		int64_t more = 1 + pkt_random_below(&m->random, 2000);
		int64_t left =
		    (int64_t)seg_dir(m, seg)->n_bytes - seg->off - seg->n_bytes;

		if (seg->n_bytes == 0 || !chance(m, percent) ||
		    seg->n_bytes + more > PKT_PAYLOAD_MAX)
			continue;
		if (chance(m, 50) && left > 0 && (seg->flags & PKT_FIN) == 0) {
			seg->n_bytes += (uint32_t)(more < left ? more : left);
			continue;
		}
		more = more < seg->off ? more : seg->off;
		seg->off -= more;
		seg->n_bytes += (uint32_t)more;
	}
}

/* Nothing of an old connection comes after the SYN of the next one. */
static size_t
before_next_syn(const struct mangle *m, size_t from, size_t to)
{
	for (size_t i = from + 1; i <= to && i < m->segs.n; i++)
		if ((m->segs.p[i].flags & (PKT_SYN | PKT_ACK)) == PKT_SYN)
			return i - 1;
	return to;
}

/* The copies of a segment: it alone, in halves, or with what follows it. */
static void
push_copies(struct mangle *m, struct segs *out, struct seg copy)
{
	const struct dir *dir = seg_dir(m, &copy);
	uint32_t half = copy.n_bytes / 2;
	uint64_t left = dir->n_bytes - (uint64_t)copy.off - copy.n_bytes;

	switch (pkt_random_below(&m->random, 3)) {
	case 0:
		segs_push(out, &copy);
		break;
	case 1: /* the second half first */
		copy.off += half;
		copy.n_bytes -= half;
		segs_push(out, &copy);
		copy.off -= half;
		copy.n_bytes = half;
		copy.flags &= (uint8_t)~PKT_FIN;
		copy.key++;
		segs_push(out, &copy);
		break;
	default:
		copy.flags &= (uint8_t)~PKT_FIN;
		left = left < copy.n_bytes ? left : copy.n_bytes;
		if (copy.n_bytes + left <= PKT_PAYLOAD_MAX)
			copy.n_bytes += (uint32_t)left;
		segs_push(out, &copy);
	}
}

static void
do_duplicate(struct mangle *m, uint32_t percent)
{
	struct segs out = { 0 };

	segs_number(m);
	for (size_t i = 0; i < m->segs.n; i++) {
		struct seg copy = m->segs.p[i];
		size_t at = i + 1 + pkt_random_below(&m->random, 20);

		segs_push(&out, &copy);
		if (copy.n_bytes < 2 || !chance(m, percent))
			continue;
		at = before_next_syn(m, i, at);
		copy.key = ((uint64_t)at << KEY_SHIFT) + 1 + 2 * (at + 1 - i);
		push_copies(m, &out, copy);
	}
	segs_replace(m, &out);
	segs_sort(m);
}

/*
 * Of three segments in a row the third comes before the second, and a part
 * of it twice: with its own contents and with others, so that a reassembler
 * holds both when the second arrives. `other_first`: in which order.
 */
static void
do_conflict(struct mangle *m, uint32_t n, bool other_first)
{
	size_t *last = grow(NULL, m->n_conns * 4, sizeof(*last));
	uint32_t done = 0;
	size_t n_segs = m->segs.n;

	memset(last, 0xff, m->n_conns * 4 * sizeof(*last));
	segs_number(m);
	for (size_t i = 0; i < n_segs && done < n; i++) {
		struct seg *seg = &m->segs.p[i], other;
		size_t *was = &last[seg->conn * 4 + seg->dir * 2u];
		const struct seg *b =
		    was[1] == SIZE_MAX ? NULL : &m->segs.p[was[1]];

		if (seg->n_bytes < 3)
			continue;
		if (b == NULL || seg->off != b->off + b->n_bytes ||
		    was[0] == SIZE_MAX || !chance(m, 50)) {
			was[0] = was[1];
			was[1] = i;
			continue;
		}
		seg->key = b->key - 10;
		other = *seg;
		other.key = other_first ? seg->key - 1 : seg->key + 1;
		other.off += seg->n_bytes / 3;
		other.n_bytes = seg->n_bytes / 3;
		other.flags &= (uint8_t)~PKT_FIN;
		other.flip = 0x5a;
		segs_push(&m->segs, &other);
		was[0] = was[1] = SIZE_MAX;
		done++;
	}
	free(last);
	if (done < n)
		errx(1, "room for %u conflicts only", done);
	segs_sort(m);
}

/* Shuffle windows of `n` packets; SYNs stay where they are. */
static void
do_reorder(struct mangle *m, uint32_t n)
{
	for (size_t from = 0, to; from < m->segs.n; from = to) {
		struct seg *p = m->segs.p + from;

		to = from + 1;
		if ((p->flags & PKT_SYN) != 0)
			continue;
		while (to < m->segs.n && to - from < n &&
		    (m->segs.p[to].flags & PKT_SYN) == 0)
			to++;
		for (size_t i = to - from - 1; i > 0; i--) {
			size_t j =
			    pkt_random_below(&m->random, (uint32_t)i + 1);
			struct seg seg = p[i];

			p[i] = p[j];
			p[j] = seg;
		}
	}
}

/* No FIN, but a RST from the opening side behind its last packet. */
static void
do_rst(struct mangle *m)
{
	size_t n = m->segs.n;

	segs_number(m);
	for (size_t i = 0; i < n; i++)
		m->segs.p[i].flags &= (uint8_t)~PKT_FIN;
	for (uint32_t c = 0; c < m->n_conns; c++) {
		size_t i = n;
		struct seg seg;

		while (m->segs.p[i - 1].conn != c)
			i--;
		seg = m->segs.p[i - 1];
		seg.ack_off = seg.dir == 0 ? seg.ack_off : seg.off;
		seg.dir = 0;
		seg.off = (int64_t)seg_dir(m, &seg)->n_bytes;
		seg.n_bytes = 0;
		seg.flip = 0;
		seg.flags = PKT_RST | PKT_ACK;
		seg.key++;
		segs_push(&m->segs, &seg);
	}
	segs_sort(m);
}

/* Packets were moved; the clock was not. `idle_s`: a pause in the middle. */
static void
do_times(struct mangle *m, uint32_t idle_s)
{
	size_t n = m->segs.n;

	for (size_t i = 0; i < n; i++)
		m->segs.p[i].key = i;
	for (size_t i = 1; i < n; i++) {
		struct seg *seg = &m->segs.p[i];

		if (seg->time_ns < seg[-1].time_ns)
			seg->time_ns = seg[-1].time_ns;
	}
	for (size_t i = n / 2; i < n; i++)
		m->segs.p[i].time_ns += (int64_t)idle_s * 1000000000;
}

/* "3,7-9": numbers of packets, from 1. */
static void
do_drop_list(struct mangle *m, const char *list)
{
	char *end;

	while (*list != '\0') {
		size_t from = strtoul(list, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		if ((*end != ',' && *end != '\0') || from == 0 || to < from ||
		    to > m->segs.n)
			errx(2, "--drop-packets: not a list of packets: %s",
			    list);
		for (size_t i = from; i <= to; i++)
			m->segs.p[i - 1].dropped = true;
		list = *end == ',' ? end + 1 : end;
	}
}

/* Of those with payload, and at least one. */
static void
do_drop_random(struct mangle *m, uint32_t percent)
{
	size_t n = 0, last = 0;

	for (size_t i = 0; i < m->segs.n; i++) {
		if (m->segs.p[i].n_bytes == 0)
			continue;
		last = i;
		if (!chance(m, percent))
			continue;
		m->segs.p[i].dropped = true;
		n++;
	}
	if (n == 0)
		m->segs.p[last].dropped = true;
}

static void
do_cut(struct mangle *m, size_t start, size_t end)
{
	if (start + end >= m->segs.n)
		errx(2, "nothing is left of %zu packets", m->segs.n);
	for (size_t i = 0; i < start; i++)
		m->segs.p[i].dropped = true;
	for (size_t i = m->segs.n - end; i < m->segs.n; i++)
		m->segs.p[i].dropped = true;
}

#endif
