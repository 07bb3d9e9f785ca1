/* SPDX-License-Identifier: MIT */
/*
 * object_diff - are two payloads the same object, and where do they differ?
 *
 * Two marshal streams are read into trees, which are walked side by side: how a
 * value is written does not matter (the width of an integer, what is shared,
 * the order of a dict, what follows the stream). A place is written as a path,
 * as -Y takes it: object.state[4][0].price; {5} is the value of a key that is
 * no string.
 *
 * Payloads are a peer's: the work is bounded, and what exceeds it is unknown.
 * Called by diff.c.
 */
#ifndef REPLAY_OBJECT_DIFF_H
#define REPLAY_OBJECT_DIFF_H

#include "cmd/common/payload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECT_DIFF_SHOWN 5
#define OBJECT_PATH_CHARS 160
#define OBJECT_VALUE_CHARS 64

enum object_result {
	OBJECT_SAME,
	OBJECT_DIFFERENT,
	OBJECT_UNKNOWN, /* not both are whole objects, or too much work */
};

/* The first differences; values as JSON, shortened; "" : there is none. */
struct object_found {
	uint64_t n; /* of all; those shown are in `at` */
	struct object_place {
		char path[OBJECT_PATH_CHARS];
		char captured[OBJECT_VALUE_CHARS];
		char received[OBJECT_VALUE_CHARS];
	} at[OBJECT_DIFF_SHOWN];
};

struct object_sides {
	struct bnet_slice captured, received;
	int32_t key; /* 0: none */
	/* is that path left out? NULL: none is */
	bool (*masked)(void *arg, const char *path, size_t n_chars);
	void *masked_arg;
	/* The captured id of one in an address of machoNet; NULL: the same. */
	int64_t (*captured_id)(void *arg, bool node, int64_t id);
	void *id_arg;
	/* the call that is answered, as sent, and as captured */
	int64_t call_id, captured_call_id;
};

struct object_diff;

/* Returns NULL when out of memory. */
struct object_diff *object_diff_new(void);
void object_diff_free(struct object_diff *diff); /* NULL is allowed */

/* Could it be an object? Cheap. */
bool object_diff_may_be(int32_t key, struct bnet_slice payload);

/* `found` NULL: ends at the first difference. */
enum object_result object_diff_compare(struct object_diff *diff,
    const struct object_sides *sides, struct object_found *found);

#endif
