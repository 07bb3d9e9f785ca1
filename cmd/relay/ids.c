/* SPDX-License-Identifier: MIT */
/*
 * A bit per id, set while it is taken or rests; and a list of those that rest,
 * the one that was released first at its head.
 */
#include "cmd/relay/ids.h"

#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64
#define WORDS_FIRST 4
#define NONE UINT32_MAX

/* An id that rests: its neighbours in the list. */
struct rest {
	int64_t until_ns; /* 0: it does not rest */
	uint32_t before, after;
};

struct ids {
	uint64_t from;
	uint32_t n;
	uint64_t *words; /* owned; bit set: not free */
	struct rest *rests; /* owned; WORD_BITS for each word */
	uint32_t n_words; /* ids past them are all free */
	uint32_t full; /* this many words at the start are not free at all */
	uint32_t first, last; /* that rest; NONE */
	int64_t rest_ns;
};

struct ids *
ids_new(uint64_t from, uint32_t n)
{
	struct ids *ids;

	if (from == 0 || n == 0 || n > IDS_MAX ||
	    from > (uint64_t)INT64_MAX - (n - 1))
		return NULL;
	ids = calloc(1, sizeof(*ids));
	if (ids != NULL) {
		ids->from = from;
		ids->n = n;
		ids->first = ids->last = NONE;
	}
	return ids;
}

void
ids_free(struct ids *ids)
{
	if (ids == NULL)
		return;
	free(ids->words);
	free(ids->rests);
	free(ids);
}

void
ids_set_rest(struct ids *ids, int64_t rest_ns)
{
	ids->rest_ns = rest_ns;
}

bool
ids_cover(const struct ids *ids, uint64_t id)
{
	return id >= ids->from && id - ids->from < ids->n;
}

/* Make room for word `at`; the size at least doubles. */
static bool
grow(struct ids *ids, uint32_t at)
{
	uint32_t n = ids->n_words == 0 ? WORDS_FIRST : ids->n_words;
	uint64_t *words;
	struct rest *rests;

	if (at < ids->n_words)
		return true;
	while (n <= at)
		n *= 2;
	rests =
	    realloc(ids->rests, (size_t)n * WORD_BITS * sizeof(*ids->rests));
	if (rests == NULL)
		return false;
	ids->rests = rests;
	words = realloc(ids->words, n * sizeof(*words));
	if (words == NULL)
		return false;
	ids->words = words;
	memset(words + ids->n_words, 0, (n - ids->n_words) * sizeof(*words));
	memset(rests + (size_t)ids->n_words * WORD_BITS, 0,
	    (size_t)(n - ids->n_words) * WORD_BITS * sizeof(*rests));
	ids->n_words = n;
	return true;
}

static bool
is_free(const struct ids *ids, uint32_t bit)
{
	return bit / WORD_BITS >= ids->n_words ||
	    !(ids->words[bit / WORD_BITS] & UINT64_C(1) << bit % WORD_BITS);
}

static void
make_free(struct ids *ids, uint32_t bit)
{
	uint32_t at = bit / WORD_BITS;

	ids->words[at] &= ~(UINT64_C(1) << bit % WORD_BITS);
	if (at < ids->full)
		ids->full = at;
}

/* ---- the list of those that rest ---- */

static void
rest_add(struct ids *ids, uint32_t bit, int64_t until_ns)
{
	ids->rests[bit] = (struct rest){
		.until_ns = until_ns, .before = ids->last, .after = NONE
	};
	if (ids->last != NONE)
		ids->rests[ids->last].after = bit;
	else
		ids->first = bit;
	ids->last = bit;
}

static void
rest_end(struct ids *ids, uint32_t bit)
{
	struct rest *rest = &ids->rests[bit];

	if (rest->before != NONE)
		ids->rests[rest->before].after = rest->after;
	else
		ids->first = rest->after;
	if (rest->after != NONE)
		ids->rests[rest->after].before = rest->before;
	else
		ids->last = rest->before;
	rest->until_ns = 0;
}

/* Those that have rested are free. After a shorter rest was set, some wait for
 * others before them. */
static void
wake(struct ids *ids, int64_t now_ns)
{
	uint32_t bit;

	while (
	    (bit = ids->first) != NONE && ids->rests[bit].until_ns <= now_ns) {
		rest_end(ids, bit);
		make_free(ids, bit);
	}
}

/* ---- */

uint64_t
ids_take_lowest(struct ids *ids, int64_t now_ns)
{
	uint32_t bit;

	wake(ids, now_ns);
	while (ids->full < ids->n_words && ids->words[ids->full] == UINT64_MAX)
		ids->full++;
	bit = ids->full * WORD_BITS;
	if (ids->full < ids->n_words)
		bit += (uint32_t)__builtin_ctzll(~ids->words[ids->full]);
	if (bit < ids->n && grow(ids, bit / WORD_BITS)) {
		ids->words[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
		return ids->from + bit;
	}
	bit = ids->first;
	if (bit == NONE)
		return 0;
	rest_end(ids, bit);
	return ids->from + bit;
}

bool
ids_take(struct ids *ids, uint64_t id, bool may_rest, int64_t now_ns)
{
	uint32_t bit = (uint32_t)(id - ids->from);

	if (!ids_cover(ids, id))
		return false;
	wake(ids, now_ns);
	if (is_free(ids, bit)) {
		if (!grow(ids, bit / WORD_BITS))
			return false;
		ids->words[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
		return true;
	}
	if (!may_rest || ids->rests[bit].until_ns == 0)
		return false;
	rest_end(ids, bit);
	return true;
}

void
ids_release(struct ids *ids, uint64_t id, int64_t now_ns)
{
	uint32_t bit = (uint32_t)(id - ids->from);

	if (!ids_cover(ids, id) || is_free(ids, bit) ||
	    ids->rests[bit].until_ns != 0)
		return;
	if (ids->rest_ns > 0)
		rest_add(ids, bit, now_ns + ids->rest_ns);
	else
		make_free(ids, bit);
}
