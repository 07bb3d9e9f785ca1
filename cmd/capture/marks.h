/* SPDX-License-Identifier: MIT */
/*
 * marks - which packets brought the bytes that wait in a buffer.
 *
 *	bytes appended with a mark -> taken from the front, with their marks
 *
 * What is decoded late is reported with the time and number of the packet that
 * completed it, not of the packet that released it. Owns the runs; called by
 * flow.c.
 */
#ifndef CAPTURE_MARKS_H
#define CAPTURE_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A packet of the capture: its unix time, and its number from 1 (0: none). */
struct cap_mark {
	int64_t time_ns;
	uint64_t packet;
};

/* The later one: by the order of the packets, since a clock may step. */
static inline struct cap_mark
cap_mark_later(struct cap_mark a, struct cap_mark b)
{
	return a.packet >= b.packet ? a : b;
}

struct marks_run {
	uint64_t end; /* stream offset after its last byte */
	struct cap_mark mark;
};

/* Zero-initialised, it is empty. */
struct marks {
	struct marks_run *run; /* by offset; the first `head` are used up */
	size_t head, n, cap;
	uint64_t from, to; /* stream offsets of the bytes that wait */
};

/*
 * Appends `n` bytes. Out of memory, or beyond MARKS_MAX runs, they get the
 * later mark of theirs and the last one's.
 */
#define MARKS_MAX 16384
void marks_add(struct marks *marks, size_t n, struct cap_mark mark);

/* Takes bytes up to stream offset `to`; returns their latest mark. */
struct cap_mark marks_take_to(struct marks *marks, uint64_t to);

static inline struct cap_mark
marks_take(struct marks *marks, size_t n)
{
	return marks_take_to(marks, marks->from + n);
}

static inline bool
marks_empty(const struct marks *marks)
{
	return marks->head == marks->n;
}

/* Takes all; frees the memory. */
struct cap_mark marks_take_all(struct marks *marks);

#endif
