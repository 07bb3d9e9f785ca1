/* SPDX-License-Identifier: MIT */
/* The captured frames of a key, and which of them have come. */
#include "cmd/replay/diff_impl.h"

#include <stdlib.h>
#include <string.h>

#define CURSORS_MAX 4096 /* keys of a player */
#define CURSORS_ALL_MAX ((size_t)1 << 20) /* of all players of a worker */
#define WALK_MAX 4096 /* records looked at ahead of a frame */

/* ---- captured frames of a key ---- */

int32_t
diff_key_of(const struct tape_record *record)
{
	return (record->flags & TAPE_R_HEADER) != 0 ? record->key : 0;
}

bool
diff_is_compared(const struct tape_record *record)
{
	if ((record->flags & TAPE_R_UPKEEP) != 0 ||
	    diff_key_of(record) == BNET_KEY_PONG)
		return false;
	return (record->flags & TAPE_R_MESSAGE) == 0 ||
	    record->key == bnet_message_key(BNET_MSG_ERROR);
}

/* This one or the next of that key, at most so many records on; or NULL. */
static const struct tape_record *
find_key(const struct diff *diff, const struct tape_record *record, int32_t key,
    uint64_t *steps)
{
	while (record != NULL &&
	    (diff_key_of(record) != key || !diff_is_compared(record))) {
		if ((*steps)-- == 0)
			return NULL;
		record = tape_next(diff->tape, record);
	}
	return record;
}

static const struct tape_record *
next_of(const struct diff *diff, const struct tape_record *record, int32_t key,
    uint64_t *steps)
{
	return find_key(diff, tape_next(diff->tape, record), key, steps);
}

/* NULL: there are too many, or no memory. */
static struct diff_cursor *
add_cursor(
    struct diff *diff, struct diff_state *state, uint32_t session, int32_t key)
{
	uint64_t steps = UINT64_MAX;

	if (state->n == CURSORS_MAX || diff->n_cursors == CURSORS_ALL_MAX)
		return NULL;
	if (state->n == state->cap) {
		size_t cap = state->cap == 0 ? 2 : 2 * state->cap;
		struct diff_cursor *more =
		    realloc(state->cursors, cap * sizeof(*more));

		if (more == NULL)
			return NULL;
		state->cursors = more;
		state->cap = cap;
	}
	diff->n_cursors++;
	state->cursors[state->n] = (struct diff_cursor){
		.key = key,
		.base = find_key(diff,
		    tape_first(diff->tape, session, CAP_DOWN), key, &steps),
	};
	return &state->cursors[state->n++];
}

/* What is often looked for is found soon. */
static struct diff_cursor *
nearer(struct diff_state *state, size_t i)
{
	struct diff_cursor found = state->cursors[i];

	state->cursors[i] = state->cursors[i / 2];
	state->cursors[i / 2] = found;
	return &state->cursors[i / 2];
}

struct diff_cursor *
diff_cursor(struct diff *diff, struct diff_player *player, uint32_t session,
    int32_t key)
{
	struct diff_state *state = player->state;

	if (state == NULL)
		player->state = state = calloc(1, sizeof(*state));
	if (state == NULL)
		return NULL;
	for (size_t i = 0; i < state->n; i++)
		if (state->cursors[i].key == key)
			return nearer(state, i);
	return add_cursor(diff, state, session, key);
}

/* ---- the window ---- */

/* Settle what is behind, until the window is as long as it may be. */
static void
slide(struct diff *diff, struct diff_cursor *cursor)
{
	uint64_t steps = UINT64_MAX;

	while (cursor->n > 0 &&
	    (cursor->states[0] == DIFF_RECEIVED || cursor->n > DIFF_BACK + 1)) {
		if (cursor->states[0] == DIFF_PENDING)
			diff_count_missing(
			    diff, cursor, cursor->base, cursor->base_index);
		cursor->n--;
		memmove(cursor->states, cursor->states + 1, cursor->n);
		cursor->base_index++;
		cursor->base = next_of(diff, cursor->base, cursor->key, &steps);
	}
}

void
diff_set_state(
    struct diff *diff, struct diff_cursor *cursor, uint32_t i, uint8_t state)
{
	while (cursor->n <= i)
		cursor->states[cursor->n++] = DIFF_PENDING;
	cursor->states[i] = state;
	slide(diff, cursor);
}

uint8_t
diff_state_of(const struct diff_cursor *cursor, uint64_t i)
{
	return i < cursor->n ? cursor->states[i] : (uint8_t)DIFF_PENDING;
}

struct diff_place
diff_look(struct diff *diff, const struct diff_cursor *cursor,
    const struct diff_frame *received, struct diff_place *next)
{
	struct diff_place at = { cursor->base, 0 };
	struct diff_frame captured;
	uint64_t steps = WALK_MAX;

	*next = (struct diff_place){ NULL, 0 };
	for (; at.record != NULL && at.i < cursor->n + DIFF_AHEAD; at.i++) {
		uint8_t state = diff_state_of(cursor, at.i);

		if (state != DIFF_RECEIVED) {
			diff_of_record(&captured, at.record);
			if (diff_fields(diff, &captured, received, false) == 0)
				return at;
		}
		/* the first that is behind all received, else any */
		if (state == DIFF_PENDING &&
		    (next->record == NULL ||
			(next->i < cursor->n && at.i >= cursor->n)))
			*next = at;
		at.record = next_of(diff, at.record, cursor->key, &steps);
	}
	return (struct diff_place){ NULL, 0 };
}
