/* SPDX-License-Identifier: MIT */
/* How many of each kind, and the first of them. */
#include "cmd/replay/diff_impl.h"

/* ---- counting ---- */

struct diff_key *
diff_key_row(struct diff *diff, int32_t key)
{
	uint64_t k = (uint32_t)key;

	return map_get(&diff->keys, &k);
}

bool
diff_kind_is_masked(const struct diff *diff, enum diff_kind kind)
{
	static const enum diff_field fields[] = {
		[DIFF_MISSING] = DIFF_F_MISSING,
		[DIFF_EXTRA] = DIFF_F_EXTRA,
		[DIFF_ORDER] = DIFF_F_ORDER,
	};

	return kind <= DIFF_ORDER &&
	    (diff->masked & DIFF_BIT(fields[kind])) != 0;
}

struct diff_example *
diff_count_one(
    struct diff *diff, enum diff_kind kind, uint32_t session, int32_t key)
{
	struct diff_example *example;

	if (diff_kind_is_masked(diff, kind))
		return NULL;
	diff->counts[kind]++;
	diff_key_row(diff, key)->counts[kind]++;
	if (diff->n_examples == DIFF_EXAMPLES_MAX)
		return NULL;
	example = &diff->examples[diff->n_examples++];
	*example = (struct diff_example){
		.kind = kind,
		.session = session,
		.key = key,
	};
	return example;
}

void
diff_count_missing(struct diff *diff, const struct diff_cursor *cursor,
    const struct tape_record *record, uint64_t index)
{
	struct diff_example *example =
	    diff_count_one(diff, DIFF_MISSING, record->session, cursor->key);
	struct diff_frame captured;

	if (example == NULL)
		return;
	example->index = index;
	diff_of_record(&captured, record);
	diff_load_payload(diff, &captured);
	diff_show(diff, example, &captured, NULL);
}

/* ---- all workers ---- */

static void
merge_key(struct diff_key *row, const struct diff_key *from)
{
	row->compared += from->compared;
	for (size_t k = 0; k < DIFF_N_KINDS; k++)
		row->counts[k] += from->counts[k];
}

bool
diff_merge(struct diff *diff, const struct diff *from)
{
	if (from == NULL)
		return true;
	for (size_t i = 0; i < from->keys.n; i++) {
		const struct diff_key *row = map_at(&from->keys, i);

		merge_key(map_get(&diff->keys, &row->key), row);
	}
	merge_key(diff->keys.others, from->keys.others);
	diff->compared += from->compared;
	diff->unlooked += from->unlooked;
	for (size_t k = 0; k < DIFF_N_KINDS; k++)
		diff->counts[k] += from->counts[k];
	for (size_t i = 0; i < from->n_examples; i++)
		if (diff->n_examples < DIFF_EXAMPLES_MAX)
			diff->examples[diff->n_examples++] = from->examples[i];
	return true;
}

uint64_t
diff_compared(const struct diff *diff)
{
	return diff->compared;
}

uint64_t
diff_count(const struct diff *diff, enum diff_kind kind)
{
	return diff->counts[kind];
}

uint64_t
diff_unlooked(const struct diff *diff)
{
	return diff->unlooked;
}

uint64_t
diff_total(const struct diff *diff)
{
	uint64_t n = 0;

	for (size_t k = 0; k < DIFF_N_KINDS; k++)
		n += diff->counts[k];
	return n;
}
