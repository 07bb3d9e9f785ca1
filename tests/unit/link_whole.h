/* SPDX-License-Identifier: MIT */
/* A talk in both byte orders, and what a link says of it in one piece. */
#ifndef UNIT_LINK_WHOLE_H
#define UNIT_LINK_WHOLE_H

#include "tests/unit/link_talk.h"

static struct bnet_codecs *codecs;
static struct bnet_buf talk[3]; /* by byte order */
static struct heard want; /* what all of a talk says */

static inline void
setup(void)
{
	codecs = bnet_codecs_new();
	ck_assert_ptr_nonnull(codecs);
	for (int order = BNET_ORDER_LITTLE; order <= BNET_ORDER_NETWORK;
	     order++) {
		bnet_buf_init(&talk[order], 10000);
		put_talk(&talk[order], (enum bnet_order)order, codecs);
	}
	heard_init(&want);
}

static inline void
teardown(void)
{
	heard_free(&want);
	bnet_buf_free(&talk[BNET_ORDER_LITTLE]);
	bnet_buf_free(&talk[BNET_ORDER_NETWORK]);
	bnet_codecs_free(codecs);
}

static inline void
feed_parts(enum bnet_order told, struct bnet_slice in, const size_t *cuts,
    size_t n_cuts, struct heard *heard)
{
	const struct bnet_link_settings set = { .order = told };
	struct bnet_link *link = new_link(&set, codecs);
	size_t from = 0, used;

	for (size_t i = 0; i <= n_cuts; i++) {
		size_t to = i < n_cuts ? cuts[i] : in.len;

		unit_err("part",
		    feed_copy(link, part_of(in, from, to), heard, &used),
		    BNET_OK);
		from = to;
	}
	unit_err("end", bnet_link_end(link), BNET_CLOSED);
	ck_assert_uint_eq(bnet_link_pending(link).len, 0);
	bnet_link_free(link);
}

/* All of a talk at once, into `want`: as it was put together. */
static inline struct bnet_slice
whole_talk(enum bnet_order order)
{
	struct bnet_slice in = bnet_buf_slice(&talk[order]);

	bnet_buf_clear(&want.log);
	want.n_packets = want.n_told = 0;
	feed_parts(BNET_ORDER_AUTO, in, NULL, 0, &want);
	ck_assert_uint_eq(want.n_packets, TALK_FRAMES);
	ck_assert_uint_eq(want.n_bad, 0);
	return in;
}

#endif
