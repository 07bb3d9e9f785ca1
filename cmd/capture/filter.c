/* SPDX-License-Identifier: MIT */
/* The program of a filter: made, put together, freed. */
#include "cmd/capture/filter_impl.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 8

/* NULL when out of memory; `items` is then as it was. */
static void *
room(void *items, size_t *cap, size_t need, size_t item_bytes)
{
	size_t want = *cap < ROOM_MIN ? ROOM_MIN : *cap;

	if (need <= *cap)
		return items;
	while (want < need)
		want *= 2;
	items = realloc(items, want * item_bytes);
	if (items != NULL)
		*cap = want;
	return items;
}

bool
filter_emit(struct filter_parse *p, const struct filter_insn *insn)
{
	struct filter *f = p->out;
	void *grown = room(f->code, &f->cap_code, f->n_code + 1, sizeof(*insn));

	if (grown == NULL)
		return filter_fail_memory(p);
	f->code = grown;
	f->code[f->n_code++] = *insn;
	return true;
}

bool
filter_add_range(
    struct filter_parse *p, struct filter_insn *insn, uint64_t lo, uint64_t hi)
{
	struct filter *f = p->out;
	void *grown = room(
	    f->ranges, &f->cap_ranges, f->n_ranges + 1, sizeof(*f->ranges));

	if (grown == NULL)
		return filter_fail_memory(p);
	f->ranges = grown;
	if (insn->n++ == 0)
		insn->first = f->n_ranges;
	f->ranges[f->n_ranges++] = (struct filter_range){ lo, hi };
	return true;
}

bool
filter_add_text(
    struct filter_parse *p, struct filter_insn *insn, struct filter_text text)
{
	struct filter *f = p->out;
	void *grown =
	    room(f->texts, &f->cap_texts, f->n_texts + 1, sizeof(*f->texts));

	if (grown == NULL)
		return filter_fail_memory(p);
	f->texts = grown;
	if (insn->n++ == 0)
		insn->first = f->n_texts;
	f->texts[f->n_texts++] = text;
	return true;
}

bool
filter_push(struct filter_parse *p, const void *bytes, size_t len)
{
	struct filter *f = p->out;
	void *grown = room(f->bytes, &f->cap_bytes, f->n_bytes + len, 1);

	if (grown == NULL)
		return filter_fail_memory(p);
	f->bytes = grown;
	memcpy(f->bytes + f->n_bytes, bytes, len);
	f->n_bytes += len;
	return true;
}

bool
filter_push_text(struct filter_parse *p, const void *bytes, size_t len,
    struct filter_text *text)
{
	*text = (struct filter_text){ .at = p->out->n_bytes, .len = len };
	return (len == 0 || filter_push(p, bytes, len)) &&
	    filter_push(p, "", 1);
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct filter_range *x = a;
	const struct filter_range *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

/* The ranges of `insn`, which are the last ones: sorted, none touching. */
void
filter_sort_ranges(struct filter *f, struct filter_insn *insn)
{
	struct filter_range *r;
	size_t n = 0;

	if (insn->n < 2)
		return;
	r = f->ranges + insn->first;
	qsort(r, insn->n, sizeof(*r), compare_ranges);
	for (size_t i = 1; i < insn->n; i++) {
		if (r[i].lo <= r[n].hi)
			r[n].hi = r[i].hi > r[n].hi ? r[i].hi : r[n].hi;
		else
			r[++n] = r[i];
	}
	f->n_ranges -= insn->n - (n + 1);
	insn->n = n + 1;
}

struct filter *
filter_compile(const char *text, struct filter_error *err)
{
	struct filter_parse p = { .text = text, .err = err };

	*err = (struct filter_error){ .column = 0 };
	p.len = strnlen(text, FILTER_TEXT_MAX_BYTES + 1);
	if (p.len > FILTER_TEXT_MAX_BYTES) {
		filter_fail(&p, FILTER_TEXT_MAX_BYTES,
		    "the expression is longer than %d bytes",
		    FILTER_TEXT_MAX_BYTES);
		return NULL;
	}
	p.out = calloc(1, sizeof(*p.out));
	if (p.out == NULL) {
		filter_fail_memory(&p);
		return NULL;
	}
	if (!filter_parse_all(&p)) {
		filter_free(p.out);
		return NULL;
	}
	return p.out;
}

void
filter_free(struct filter *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n_code; i++)
		filter_regex_free(f->code[i].regex);
	free(f->code);
	free(f->ranges);
	free(f->texts);
	free(f->bytes);
	free(f);
}
