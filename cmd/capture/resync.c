/* SPDX-License-Identifier: MIT */
#include "cmd/capture/resync.h"

#include "proto/header.h"

#include <stdlib.h>
#include <string.h>

#define CHAINS_MAX 4096 /* open at a time; later ones are ignored */
#define EMPTY_MAX 3 /* consecutive empty frames accepted */
/*
 * Longer headers (many forks) are not parsed: each position would cost too
 * much.
 */
#define HEADER_MAX_BYTES 128

/* A chain is accepted with this many frames, this many with a good header. */
static const struct {
	uint32_t frames, headers;
} enough[] = {
	{ 3, 2 },
	{ 4, 1 },
	{ 6, 0 },
};

struct resync_chain {
	enum bnet_order order;
	size_t from; /* start of its first frame */
	size_t next; /* expected start of the next frame */
	size_t needs; /* bytes required before `next` can be judged */
	uint32_t frames; /* good ones that are not empty */
	uint32_t headers; /* with a plausible header */
	uint32_t empty; /* consecutive empty ones */
};

void
resync_init(struct resync *resync, enum bnet_order order,
    uint32_t frame_max_bytes, size_t n_starts)
{
	*resync = (struct resync){ .order = order,
		.frame_max_bytes = frame_max_bytes,
		.n_starts = n_starts };
}

void
resync_free(struct resync *resync)
{
	free(resync->chain);
	resync_init(
	    resync, resync->order, resync->frame_max_bytes, resync->n_starts);
}

size_t
resync_held_bytes(const struct resync *resync)
{
	return resync->cap_chains * sizeof(*resync->chain);
}

/* A frame that a sender could have produced: known kind, no trailing bytes. */
static bool
plausible_header(struct bnet_slice oob)
{
	struct bnet_header header;
	size_t trailing_bytes;

	if (oob.len > HEADER_MAX_BYTES ||
	    bnet_header_decode(oob, &header, NULL, &trailing_bytes) !=
		BNET_OK ||
	    trailing_bytes != 0)
		return false;
	switch (header.dest_type) {
	case BNET_DEST_HOP:
	case BNET_DEST_NODE:
	case BNET_DEST_CLIENT:
	case BNET_DEST_BROADCAST:
	case BNET_DEST_ANY:
		return true;
	default:
		return false;
	}
}

enum step {
	STEP_ON, /* the frame is good; `next` is the one after it */
	STEP_WAIT, /* `needs` bytes are needed */
	STEP_BAD,
};

/*
 * Only the word, oob_len and header are read, so a long frame causes no wait.
 */
static enum step
step_chain(
    struct resync *resync, struct resync_chain *chain, struct bnet_slice bytes)
{
	struct bnet_slice in = bnet_slice_from(bytes, chain->next);
	struct bnet_frame frame;
	size_t used, head_bytes = BNET_FRAME_WORD_BYTES;
	uint32_t oob_bytes;
	enum bnet_err err;

	resync->n_steps++;
	err = bnet_frame_decode(
	    in, chain->order, resync->frame_max_bytes, &frame, &used);
	if (err > BNET_MORE)
		return STEP_BAD;
	chain->needs = chain->next + head_bytes;
	if (in.len < head_bytes)
		return STEP_WAIT;
	if (frame.flags & BNET_FRAME_F_OOB) {
		head_bytes += BNET_FRAME_OOB_BYTES;
		chain->needs = chain->next + head_bytes;
		if (in.len < head_bytes)
			return STEP_WAIT;
		oob_bytes = bnet_order_get_u32(
		    chain->order, in.p + BNET_FRAME_WORD_BYTES);
		chain->needs += oob_bytes;
		if (in.len < head_bytes + oob_bytes)
			return STEP_WAIT;
		chain->headers += plausible_header(
		    (struct bnet_slice){ in.p + head_bytes, oob_bytes });
	}
	if (frame.size_bytes == 0) {
		if (chain->frames == 0 || ++chain->empty > EMPTY_MAX)
			return STEP_BAD;
	} else {
		chain->empty = 0;
		chain->frames++;
	}
	chain->next += BNET_FRAME_WORD_BYTES + (size_t)frame.size_bytes;
	chain->needs = chain->next + BNET_FRAME_WORD_BYTES;
	return STEP_ON;
}

static bool
is_enough(const struct resync_chain *chain)
{
	for (size_t i = 0; i < sizeof(enough) / sizeof(enough[0]); i++)
		if (chain->frames >= enough[i].frames &&
		    chain->headers >= enough[i].headers)
			return true;
	return false;
}

/* No bytes will follow: the frames must end at, or near, the last byte. */
static bool
is_enough_at_end(const struct resync_chain *chain, size_t n_bytes)
{
	if (chain->next == n_bytes)
		return chain->headers >= 1 || chain->frames >= 2;
	return chain->headers >= 2 && chain->next > n_bytes;
}

enum verdict {
	ACCEPTED,
	OPEN,
	REJECTED,
};

/* Has every position been judged that a frame may start at? */
static bool
is_beyond_starts(const struct resync *resync)
{
	return resync->n_starts > 0 && resync->scanned >= resync->n_starts;
}

static enum verdict
judge(struct resync *resync, struct resync_chain *chain,
    struct bnet_slice bytes, bool last)
{
	enum step step = STEP_ON;

	while (step == STEP_ON) {
		if (is_enough(chain))
			return ACCEPTED;
		if (chain->next > bytes.len)
			break;
		step = step_chain(resync, chain, bytes);
	}
	if (step == STEP_BAD)
		return REJECTED;
	if (last)
		return is_enough_at_end(chain, bytes.len + resync->cut_bytes)
		    ? ACCEPTED
		    : REJECTED;
	return OPEN;
}

/* The latest chain without a header makes way for one with a header. */
static bool
make_place(struct resync *resync)
{
	size_t i = resync->n_chains;

	while (i > 0 && resync->chain[i - 1].headers > 0)
		i--;
	if (i == 0)
		return false;
	memmove(&resync->chain[i - 1], &resync->chain[i],
	    (resync->n_chains - i) * sizeof(*resync->chain));
	resync->n_chains--;
	return true;
}

static void
keep(struct resync *resync, const struct resync_chain *chain)
{
	struct resync_chain *grown;
	size_t cap;

	if (resync->n_chains == CHAINS_MAX &&
	    (chain->headers == 0 || !make_place(resync)))
		return;
	if (resync->n_chains == resync->cap_chains) {
		cap = resync->cap_chains == 0 ? 16 : resync->cap_chains * 2;
		grown = realloc(resync->chain, cap * sizeof(*grown));
		if (grown == NULL)
			return;
		resync->chain = grown;
		resync->cap_chains = cap;
	}
	resync->chain[resync->n_chains++] = *chain;
}

/*
 * Continues the open chains that have enough bytes, earliest first. A chain
 * that is good enough waits for earlier ones with a header: it may lie inside
 * their payload.
 */
static bool
judge_open(struct resync *resync, struct bnet_slice bytes, bool last,
    struct resync_chain *found)
{
	size_t kept = 0;
	bool waits = false;

	for (size_t i = 0; i < resync->n_chains; i++) {
		struct resync_chain *chain = &resync->chain[i];
		enum verdict v = OPEN;

		if (last || chain->needs <= bytes.len)
			v = judge(resync, chain, bytes, last);
		if (v == ACCEPTED && !waits) {
			*found = *chain;
			return true;
		}
		if (v == REJECTED)
			continue;
		waits |= chain->headers > 0;
		resync->chain[kept++] = *chain;
	}
	resync->n_chains = kept;
	return false;
}

/* Judges new positions; each needs at least a word. */
static bool
judge_new(struct resync *resync, struct bnet_slice bytes, bool last,
    struct resync_chain *found)
{
	bool waits = false;

	for (size_t i = 0; i < resync->n_chains; i++)
		waits |= resync->chain[i].headers > 0;
	for (; resync->scanned + BNET_FRAME_WORD_BYTES <= bytes.len;
	     resync->scanned++) {
		/* no later position can be chosen before one that waits */
		if (waits || is_beyond_starts(resync))
			return false;
		for (enum bnet_order order = BNET_ORDER_LITTLE;
		     order <= BNET_ORDER_NETWORK; order++) {
			struct resync_chain chain = { .order = order,
				.from = resync->scanned,
				.next = resync->scanned };
			enum verdict v;

			if (resync->order != BNET_ORDER_AUTO &&
			    resync->order != order)
				continue;
			v = judge(resync, &chain, bytes, last);
			if (v == ACCEPTED && !waits) {
				*found = chain;
				return true;
			}
			if (v == REJECTED)
				continue;
			waits |= chain.headers > 0;
			keep(resync, &chain);
		}
	}
	return false;
}

enum resync_result
resync_step(struct resync *resync, struct bnet_slice bytes, bool last,
    size_t *at, enum bnet_order *order)
{
	struct resync_chain found;

	if (judge_open(resync, bytes, last, &found) ||
	    judge_new(resync, bytes, last, &found)) {
		*at = found.from;
		*order = found.order;
		return RESYNC_FOUND;
	}
	*at = resync->n_chains > 0 ? resync->chain[0].from : resync->scanned;
	if (last || (is_beyond_starts(resync) && resync->n_chains == 0)) {
		*at = bytes.len;
		return RESYNC_NONE;
	}
	return RESYNC_OPEN;
}

bool
resync_starts_frame(
    struct bnet_slice in, uint32_t frame_max_bytes, bool *has_header)
{
	struct resync resync = { .frame_max_bytes = frame_max_bytes };

	for (enum bnet_order order = BNET_ORDER_LITTLE;
	     order <= BNET_ORDER_NETWORK; order++) {
		struct resync_chain chain = { .order = order };
		enum step step = STEP_ON;

		while (step == STEP_ON && chain.next <= in.len &&
		    chain.headers == 0 && !is_enough(&chain))
			step = step_chain(&resync, &chain, in);
		*has_header = chain.headers > 0;
		if (*has_header ||
		    (step != STEP_BAD &&
			(is_enough(&chain) ||
			    is_enough_at_end(&chain, in.len))))
			return true;
	}
	return false;
}

void
resync_dropped(struct resync *resync, size_t n)
{
	size_t kept = 0;

	resync->scanned -= n < resync->scanned ? n : resync->scanned;
	for (size_t i = 0; i < resync->n_chains; i++) {
		struct resync_chain chain = resync->chain[i];

		if (chain.from < n)
			continue;
		chain.from -= n;
		chain.next -= n;
		chain.needs -= n;
		resync->chain[kept++] = chain;
	}
	resync->n_chains = kept;
}
