/* SPDX-License-Identifier: MIT */
/*
 * expect, second part: which of the sent frames came out, which may be
 * missing, and which frames were never sent. The cheapest explanation of the
 * one list by the other, as of an edit distance.
 */
#ifndef TESTS_EXPECT_ALIGN_H
#define TESTS_EXPECT_ALIGN_H

#include "tests/tools/expect_load.h"

#define CELLS_MAX ((size_t)1 << 26)
#define COST_EXCUSED 1u
#define COST_ALLOWED 10u /* an extra frame that may be */
#define COST_BAD 100000u
#define SHOWN_MAX 20 /* differences */

struct result {
	uint64_t equal, missing, excused, extra, allowed;
	uint64_t shown, n_bad; /* n_bad: other complaints */
};

struct settings {
	bool allow_extra;
	const char *lost;
	uint32_t tls; /* connection whose offsets are of ciphertext, or 0 */
	uint32_t again; /* connection that is there twice; 0: none */
	size_t n_streams; /* 0: any number */
};

static bool
show(struct result *r)
{
	return r->shown++ < SHOWN_MAX;
}

static const char *
way_name(const struct way *way)
{
	return way->down ? "down" : "up";
}

/* Do bytes of the frame miss, or did some come in between? */
static bool
excused(const struct way *way, const struct frame *frame)
{
	for (size_t i = 0; i < way->n_lost; i++)
		if (way->lost[i].from < frame->to &&
		    way->lost[i].to > frame->from)
			return true;
	return false;
}

/* Where a frame starts is known if the word of the one before is there. */
static bool
word_lost(const struct way *way, const struct frame *frame)
{
	for (size_t i = 0; i < way->n_lost; i++)
		if (way->lost[i].from < frame->from + 4 &&
		    way->lost[i].to > frame->from)
			return true;
	return false;
}

/* Four zeros; they may as well be the end of something else. */
static bool
is_empty(const struct frame *frame)
{
	return frame->to - frame->from == 4;
}

/*
 * Frames in a row, whole, behind a place where the framing was lost: are
 * they several, so that a decoder must believe them? Empty ones do not count.
 */
static bool
believable(const struct way *way, size_t from, size_t to)
{
	size_t n = 0, headers = 0;

	for (size_t i = from; i < to; i++) {
		n += !is_empty(&way->expected.p[i]);
		headers += way->expected.p[i].header;
	}
	if (to == way->expected.n)
		return n >= 2 || headers >= 1;
	return n >= 6 || (n >= 4 && headers >= 1) || (n >= 3 && headers >= 2);
}

static uint32_t
extra_cost(const struct settings *set, const struct way *way)
{
	if (set->allow_extra)
		return COST_ALLOWED;
	for (size_t i = 0; i < way->n_lost; i++)
		if (way->lost[i].inserted > 0)
			return COST_ALLOWED;
	return COST_BAD;
}

struct align {
	const struct frames *a, *b; /* expected, decoded */
	uint32_t *miss; /* what the lack of a[i] costs */
	uint32_t *extra; /* what another frame before a[i] costs */
	uint32_t *cost; /* of a from i and b from j: [i * (b->n + 1) + j] */
};

/*
 * Where the framing was lost, a decoder may take what is left of the last
 * damaged frame for one more: nothing in it says that it is not.
 */
static void
align_prices(
    const struct settings *set, const struct way *way, struct align *al)
{
	const struct frames *a = &way->expected;
	bool tls = set->tls == way->conn, adrift = false;
	size_t i = 0, to;

	al->extra[0] = extra_cost(set, way);
	while (i < a->n) {
		if (tls || excused(way, &a->p[i]) ||
		    (adrift && is_empty(&a->p[i]))) {
			adrift |= word_lost(way, &a->p[i]);
			al->miss[i++] = COST_EXCUSED;
			al->extra[i] =
			    adrift && !tls ? COST_ALLOWED : al->extra[0];
			continue;
		}
		for (to = i; to < a->n && !excused(way, &a->p[to]);)
			to++;
		adrift = adrift && !believable(way, i, to);
		while (i < to) {
			al->miss[i++] = adrift ? COST_EXCUSED : COST_BAD;
			al->extra[i] = adrift ? COST_ALLOWED : al->extra[0];
		}
	}
}

static bool
equal_at(const struct align *al, size_t i, size_t j)
{
	return i < al->a->n && j < al->b->n &&
	    strcmp(al->a->p[i].text, al->b->p[j].text) == 0;
}

/* The cheapest way to explain b by a, from the end to the front. */
static void
align_costs(const struct align *al)
{
	size_t n = al->a->n, m = al->b->n, w = m + 1;

	for (size_t i = n + 1; i-- > 0;) {
		for (size_t j = m + 1; j-- > 0;) {
			uint32_t *c = &al->cost[i * w + j], other;

			*c = i == n && j == m ? 0 : UINT32_MAX;
			if (equal_at(al, i, j))
				*c = c[w + 1];
			other = i < n ? c[w] + al->miss[i] : UINT32_MAX;
			*c = other < *c ? other : *c;
			other = j < m ? c[1] + al->extra[i] : UINT32_MAX;
			*c = other < *c ? other : *c;
		}
	}
}

static void
tell_missing(
    const struct align *al, const struct way *way, size_t i, struct result *r)
{
	if (al->miss[i] == COST_EXCUSED) {
		r->excused++;
		return;
	}
	r->missing++;
	if (show(r))
		printf("%u %s: frame %zu is missing: %s\n", way->conn,
		    way_name(way), i, al->a->p[i].text);
}

static void
tell_extra(const struct align *al, const struct way *way, size_t i, size_t j,
    struct result *r)
{
	if (al->extra[i] == COST_ALLOWED) {
		r->allowed++;
		return;
	}
	r->extra++;
	if (show(r))
		printf("%u %s: decoded frame %zu was not sent: %s\n", way->conn,
		    way_name(way), j, al->b->p[j].text);
}

static void
align_walk(const struct align *al, const struct way *way, struct result *r)
{
	size_t n = al->a->n, m = al->b->n, w = m + 1, i = 0, j = 0;

	while (i < n || j < m) {
		const uint32_t *c = &al->cost[i * w + j];

		if (equal_at(al, i, j) && *c == c[w + 1]) {
			r->equal++;
			i++;
			j++;
		} else if (i < n && *c == c[w] + al->miss[i]) {
			tell_missing(al, way, i++, r);
		} else {
			tell_extra(al, way, i, j++, r);
		}
	}
}

static void
compare_frames(
    const struct settings *set, const struct way *way, struct result *r)
{
	const struct frames *a = &way->expected, *b = &way->decoded;
	struct align al = { .a = a, .b = b };
	size_t i = 0;

	while (equal_at(&al, i, i))
		i++;
	if (i == a->n && i == b->n) {
		r->equal += i;
		return;
	}
	if ((a->n + 1) > CELLS_MAX / (b->n + 1))
		errx(1,
		    "%u %s: %zu and %zu frames, from number %zu on not "
		    "equal, are too many to align",
		    way->conn, way_name(way), a->n, b->n, i);
	al.miss = grow(NULL, a->n + 1, sizeof(*al.miss));
	al.extra = grow(NULL, a->n + 1, sizeof(*al.extra));
	align_prices(set, way, &al);
	al.cost = grow(NULL, (a->n + 1) * (b->n + 1), sizeof(*al.cost));
	align_costs(&al);
	align_walk(&al, way, r);
	free(al.miss);
	free(al.extra);
	free(al.cost);
}

#endif
