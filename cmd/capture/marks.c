/* SPDX-License-Identifier: MIT */
#include "cmd/capture/marks.h"

#include <stdlib.h>
#include <string.h>

#define RUNS_MIN 8

/* Makes room for one more run; returns false if there is none. */
static bool
grow(struct marks *marks)
{
	struct marks_run *run;
	size_t cap;

	if (marks->head > 0 && marks->head >= marks->n / 2) {
		marks->n -= marks->head;
		memmove(marks->run, marks->run + marks->head,
		    marks->n * sizeof(*marks->run));
		marks->head = 0;
	}
	if (marks->n < marks->cap)
		return true;
	if (marks->n >= MARKS_MAX)
		return false;
	cap = marks->cap == 0 ? RUNS_MIN : 2 * marks->cap;
	run = realloc(marks->run, cap * sizeof(*run));
	if (run == NULL)
		return false;
	marks->run = run;
	marks->cap = cap;
	return true;
}

void
marks_add(struct marks *marks, size_t n, struct cap_mark mark)
{
	struct marks_run *last = NULL;

	if (n == 0)
		return;
	if (!marks_empty(marks))
		last = &marks->run[marks->n - 1];
	marks->to += n;
	if (last != NULL && last->mark.packet == mark.packet) {
		last->end = marks->to;
		return;
	}
	if (marks->n == marks->cap && !grow(marks)) {
		if (!marks_empty(marks)) {
			last = &marks->run[marks->n - 1];
			last->end = marks->to;
			last->mark = cap_mark_later(last->mark, mark);
		}
		return;
	}
	marks->run[marks->n++] =
	    (struct marks_run){ .end = marks->to, .mark = mark };
}

struct cap_mark
marks_take_to(struct marks *marks, uint64_t to)
{
	struct cap_mark mark = { 0, 0 };

	if (to <= marks->from)
		return mark;
	marks->from = to;
	if (marks->to < to)
		marks->to = to;
	while (!marks_empty(marks)) {
		const struct marks_run *run = &marks->run[marks->head];

		mark = cap_mark_later(mark, run->mark);
		if (run->end > to)
			break;
		marks->head++;
		if (run->end == to)
			break;
	}
	if (marks_empty(marks))
		marks->head = marks->n = 0;
	return mark;
}

struct cap_mark
marks_take_all(struct marks *marks)
{
	struct cap_mark mark = marks_take_to(marks, marks->to);

	free(marks->run);
	marks->run = NULL;
	marks->head = marks->n = marks->cap = 0;
	return mark;
}
