/* SPDX-License-Identifier: MIT */
/*
 * Frames of a player against those of the capture, key by key. Of each key
 * there is a window over the captured frames:
 *
 *	settled | base ... some were received, some not | not yet ...
 *	          '------------- DIFF_BACK ------------'  '-- DIFF_AHEAD --'
 *
 * What comes is looked for there, among those that were not received. If one
 * is equal it is that one: out of order, where a later one has been received.
 * If none is, it is taken for the next one, but different; and where that one
 * comes after all, it was extra. What leaves the window unreceived is missing.
 */
#include "cmd/replay/diff_impl.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_ROWS_MAX 10000
#define MESSAGE_MAX_BYTES ((size_t)1 << 20)

/* ---- what a frame that came is ---- */

struct arrival {
	struct diff *diff;
	const struct diff_state *state;
	struct diff_cursor *cursor;
	uint32_t session;
	const struct diff_frame *frame;
};

/* What was taken for this one, but different, was no captured frame. */
static void
was_extra(const struct arrival *a, enum diff_kind kind, uint64_t index)
{
	struct diff *diff = a->diff;
	int32_t key = a->cursor->key;
	bool counted = !diff_kind_is_masked(diff, DIFF_EXTRA);

	diff->counts[kind]--;
	diff_key_row(diff, key)->counts[kind]--;
	diff->counts[DIFF_EXTRA] += counted;
	diff_key_row(diff, key)->counts[DIFF_EXTRA] += counted;
	for (size_t i = 0; i < diff->n_examples; i++) {
		struct diff_example *example = &diff->examples[i];

		if (example->player != a->state || example->key != key ||
		    example->index != index || example->kind != kind)
			continue;
		example->kind = DIFF_EXTRA;
		example->captured.there = false;
		example->index = example->received_index;
		if (!counted)
			*example = diff->examples[--diff->n_examples];
		return;
	}
}

static bool
is_overtaken(const struct diff_cursor *cursor, uint32_t i)
{
	for (uint32_t later = i + 1; later < cursor->n; later++)
		if (cursor->states[later] == DIFF_RECEIVED)
			return true;
	return false;
}

static void
take_equal(const struct arrival *a, struct diff_place at)
{
	uint64_t index = a->cursor->base_index + at.i;
	uint8_t state = diff_state_of(a->cursor, at.i);
	struct diff_example *example;
	struct diff_frame captured;

	if (state >= DIFF_DIFFERENT)
		was_extra(a, (enum diff_kind)(state - DIFF_DIFFERENT), index);
	if (is_overtaken(a->cursor, at.i)) {
		example = diff_count_one(
		    a->diff, DIFF_ORDER, a->session, a->cursor->key);
		if (example != NULL) {
			example->index = index;
			example->received_index = a->cursor->n_received;
			diff_of_record(&captured, at.record);
			diff_load_payload(a->diff, &captured);
			diff_show(a->diff, example, &captured, a->frame);
		}
	}
	diff_set_state(a->diff, a->cursor, at.i, DIFF_RECEIVED);
}

static void
take_different(const struct arrival *a, struct diff_place at)
{
	enum diff_kind kind = DIFF_CODEC;
	struct diff_example *example;
	struct diff_frame captured;
	uint32_t fields;

	diff_of_record(&captured, at.record);
	fields = diff_fields(a->diff, &captured, a->frame, true);
	if ((fields & DIFF_BIT(DIFF_F_PAYLOAD)) != 0)
		kind = DIFF_PAYLOAD;
	else if ((fields & DIFF_HEADER_BITS) != 0)
		kind = DIFF_HEADER;
	example = diff_count_one(a->diff, kind, a->session, a->cursor->key);
	if (example != NULL) {
		example->player = a->state;
		example->index = a->cursor->base_index + at.i;
		example->received_index = a->cursor->n_received;
		example->fields = fields;
		diff_load_payload(a->diff, &captured);
		diff_show(a->diff, example, &captured, a->frame);
	}
	diff_set_state(
	    a->diff, a->cursor, at.i, (uint8_t)(DIFF_DIFFERENT + kind));
}

static void
take_extra(const struct arrival *a)
{
	struct diff_example *example =
	    diff_count_one(a->diff, DIFF_EXTRA, a->session, a->cursor->key);

	if (example == NULL)
		return;
	example->index = a->cursor->n_received;
	diff_show(a->diff, example, NULL, a->frame);
}

/* Relays say these of themselves, when they like. */
static bool
is_left_out(const struct bnet_packet *packet)
{
	enum bnet_message_type type;

	if (!packet->has_header)
		return false;
	if (packet->header.key == BNET_KEY_PONG)
		return true;
	type = bnet_message_type(packet->header.key);
	return type != BNET_MSG_NONE && type != BNET_MSG_ERROR &&
	    packet->header.dest_type == BNET_DEST_HOP;
}

bool
diff_received(struct diff *diff, struct diff_player *player, uint32_t session,
    const struct bnet_packet *packet, const struct diff_ids *ids)
{
	struct diff_frame frame;
	struct arrival a = {
		.diff = diff, .session = session, .frame = &frame
	};
	struct diff_place equal, next;

	if (is_left_out(packet))
		return false;
	diff_of_packet(&frame, packet, ids);
	a.cursor = diff_cursor(diff, player, session, frame.key);
	if (a.cursor == NULL) {
		diff->unlooked++;
		return true;
	}
	a.state = player->state;
	diff->compared++;
	diff_key_row(diff, frame.key)->compared++;
	equal = diff_look(diff, a.cursor, &frame, &next);
	if (equal.record != NULL)
		take_equal(&a, equal);
	else if (next.record != NULL)
		take_different(&a, next);
	else
		take_extra(&a);
	a.cursor->n_received++;
	return true;
}

/* ---- the end ---- */

static void
end_record(struct diff *diff, struct diff_player *player, uint32_t session,
    const struct tape_record *record)
{
	struct diff_cursor *cursor =
	    diff_cursor(diff, player, session, diff_key_of(record));
	uint64_t i;

	if (cursor == NULL) {
		diff->unlooked++;
		return;
	}
	/* a chain only leads on, so what is before it is settled */
	if (cursor->base == NULL || record < cursor->base)
		return;
	i = cursor->n_ended++;
	if (diff_state_of(cursor, i) == DIFF_PENDING)
		diff_count_missing(
		    diff, cursor, record, cursor->base_index + i);
}

void
diff_ended(struct diff *diff, struct diff_player *player, uint32_t session,
    const struct tape_record *sent_to)
{
	const struct tape_record *record =
	    tape_first(diff->tape, session, CAP_DOWN);
	struct diff_state *state;

	for (; record != NULL; record = tape_next(diff->tape, record)) {
		if (sent_to != NULL && record->at_ns >= sent_to->at_ns)
			break;
		if (diff_is_compared(record))
			end_record(diff, player, session, record);
	}
	state = player->state;
	player->state = NULL;
	for (size_t i = 0; i < diff->n_examples; i++)
		if (diff->examples[i].player == state)
			diff->examples[i].player = NULL;
	if (state == NULL)
		return;
	diff->n_cursors -= state->n;
	free(state->cursors);
	free(state);
}

/* ---- all ---- */

struct diff *
diff_new(const struct tape *tape, const struct diff_masks *masks)
{
	struct diff *diff = calloc(1, sizeof(*diff));

	if (diff == NULL)
		return NULL;
	diff->tape = tape;
	diff->masks = masks;
	diff->masked = diff_masked_fields(masks);
	for (size_t i = 0; i < masks->n; i++)
		diff->ranges = diff->ranges || masks->masks[i].from != 0 ||
		    masks->masks[i].to != 0;
	bnet_buf_init(&diff->plain, BNET_PAYLOAD_MAX_BYTES);
	bnet_buf_init(&diff->store, MESSAGE_MAX_BYTES);
	diff->codecs = bnet_codecs_new();
	if (diff->codecs != NULL &&
	    map_init(&diff->keys, sizeof(struct diff_key), 1, KEYS_ROWS_MAX))
		return diff;
	bnet_codecs_free(diff->codecs);
	free(diff);
	return NULL;
}

void
diff_free(struct diff *diff)
{
	if (diff == NULL)
		return;
	bnet_codecs_free(diff->codecs);
	bnet_buf_free(&diff->plain);
	bnet_buf_free(&diff->store);
	map_free(&diff->keys);
	free(diff);
}
