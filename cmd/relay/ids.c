/* SPDX-License-Identifier: MIT */
#include "cmd/relay/ids.h"

#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64
#define WORDS_FIRST 4

struct ids {
	uint64_t from;
	uint32_t n;
	uint32_t n_taken;
	uint64_t *words; /* owned; bit set: taken */
	uint32_t n_words; /* those behind are all free */
	uint32_t full; /* this many words at the start are all taken */
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
	}
	return ids;
}

void
ids_free(struct ids *ids)
{
	if (ids == NULL)
		return;
	free(ids->words);
	free(ids);
}

bool
ids_cover(const struct ids *ids, uint64_t id)
{
	return id >= ids->from && id - ids->from < ids->n;
}

/* At least `at` + 1 words, and twice what there was. */
static bool
grow(struct ids *ids, uint32_t at)
{
	uint32_t n = ids->n_words == 0 ? WORDS_FIRST : ids->n_words;
	uint64_t *words;

	if (at < ids->n_words)
		return true;
	while (n <= at)
		n *= 2;
	words = realloc(ids->words, n * sizeof(*words));
	if (words == NULL)
		return false;
	memset(words + ids->n_words, 0, (n - ids->n_words) * sizeof(*words));
	ids->words = words;
	ids->n_words = n;
	return true;
}

static bool
take_bit(struct ids *ids, uint32_t bit)
{
	uint64_t mask = UINT64_C(1) << bit % WORD_BITS;

	if (!grow(ids, bit / WORD_BITS) || (ids->words[bit / WORD_BITS] & mask))
		return false;
	ids->words[bit / WORD_BITS] |= mask;
	ids->n_taken++;
	return true;
}

uint64_t
ids_take_lowest(struct ids *ids)
{
	uint32_t bit;

	while (ids->full < ids->n_words && ids->words[ids->full] == UINT64_MAX)
		ids->full++;
	bit = ids->full * WORD_BITS;
	if (ids->full < ids->n_words)
		bit += (uint32_t)__builtin_ctzll(~ids->words[ids->full]);
	if (bit >= ids->n || !take_bit(ids, bit))
		return 0;
	return ids->from + bit;
}

bool
ids_take(struct ids *ids, uint64_t id)
{
	return ids_cover(ids, id) && take_bit(ids, (uint32_t)(id - ids->from));
}

void
ids_release(struct ids *ids, uint64_t id)
{
	uint32_t bit = (uint32_t)(id - ids->from), at = bit / WORD_BITS;
	uint64_t mask = UINT64_C(1) << bit % WORD_BITS;

	if (!ids_cover(ids, id) || at >= ids->n_words ||
	    !(ids->words[at] & mask))
		return;
	ids->words[at] &= ~mask;
	ids->n_taken--;
	if (at < ids->full)
		ids->full = at;
}

uint32_t
ids_taken(const struct ids *ids)
{
	return ids->n_taken;
}
