/* SPDX-License-Identifier: MIT */
/*
 * Numbers of a filter: read over the full range of int64_t and uint64_t, and
 * turned into ranges of what the field can be.
 */
#include "cmd/capture/filter_impl.h"

#include <stdio.h>
#include <string.h>

#define NS_DIGITS 9
#define NS UINT64_C(1000000000)

struct number {
	bool negative, hex;
	uint64_t magnitude; /* at most 2^63 where negative */
};

enum reading {
	READ_OK,
	READ_NOT, /* not a number at all */
	READ_OVER, /* more than 64 bits */
};

/* Digits of `base` up to the end of `s`. */
static enum reading
read_digits(struct bnet_slice s, unsigned base, uint64_t *v)
{
	static const char digits[] = "0123456789abcdef";
	enum reading result = READ_OK;
	const char *d;

	*v = 0;
	for (size_t i = 0; i < s.len; i++) {
		int c = s.p[i] >= 'A' && s.p[i] <= 'F' ? s.p[i] | 0x20 : s.p[i];

		d = memchr(digits, c, base);
		if (d == NULL)
			return READ_NOT;
		if (__builtin_mul_overflow(*v, base, v) ||
		    __builtin_add_overflow(*v, (uint64_t)(d - digits), v))
			result = READ_OVER;
	}
	return s.len == 0 ? READ_NOT : result;
}

static enum reading
read_sign(struct bnet_slice *s, bool *negative)
{
	*negative = s->len > 0 && s->p[0] == '-';
	if (s->len > 0 && (s->p[0] == '-' || s->p[0] == '+'))
		*s = bnet_slice_from(*s, 1);
	return s->len == 0 ? READ_NOT : READ_OK;
}

static enum reading
read_number(struct bnet_slice s, struct number *n)
{
	enum reading result = read_sign(&s, &n->negative);

	if (result != READ_OK)
		return result;
	n->hex = s.len > 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x';
	result = read_digits(bnet_slice_from(s, n->hex ? 2 : 0),
	    n->hex ? 16 : 10, &n->magnitude);
	if (result != READ_OK)
		return result;
	n->negative = n->negative && n->magnitude > 0;
	return n->negative && n->magnitude > FILTER_BIAS ? READ_OVER : READ_OK;
}

/* Seconds with up to nine decimals, as ns. */
static enum reading
read_time(struct bnet_slice s, struct number *n)
{
	struct bnet_slice whole, part = { NULL, 0 };
	const uint8_t *dot;
	uint64_t ns = 0;
	enum reading result = read_sign(&s, &n->negative);

	if (result != READ_OK)
		return result;
	whole = s;
	dot = memchr(s.p, '.', s.len);
	if (dot != NULL) {
		whole.len = (size_t)(dot - s.p);
		part = bnet_slice_from(s, whole.len + 1);
		if (part.len > NS_DIGITS ||
		    read_digits(part, 10, &ns) != READ_OK)
			return READ_NOT;
		for (size_t i = part.len; i < NS_DIGITS; i++)
			ns *= 10;
	}
	result = read_digits(whole, 10, &n->magnitude);
	if (result != READ_OK)
		return result;
	if (n->magnitude > (uint64_t)INT64_MAX / NS)
		return READ_OVER;
	n->magnitude = n->magnitude * NS + ns;
	if (n->magnitude > INT64_MAX)
		return READ_OVER;
	n->negative = n->negative && n->magnitude > 0;
	return READ_OK;
}

static bool
not_a_number(struct filter_parse *p, const struct filter_row *row)
{
	char buf[FILTER_SHOW_CHARS], words[FILTER_LIST_CHARS] = "";
	const char *name = row->field.name;

	if (row->field.type == FILTER_TIME)
		return filter_fail(p, p->tok.at,
		    "%s is seconds since 1970 with at most %d decimals, not %s",
		    name, NS_DIGITS, filter_show(p, buf));
	if (row->field.words != NULL)
		filter_list_words(row, words);
	return filter_fail(p, p->tok.at, "%s is a number%s%s, not %s", name,
	    *words != '\0' ? ", or " : "", words, filter_show(p, buf));
}

static bool
out_of_range(struct filter_parse *p, const struct filter_row *row)
{
	char buf[FILTER_SHOW_CHARS];
	const char *range =
	    "numbers are -9223372036854775808 to 18446744073709551615";

	if (row->field.type == FILTER_TIME)
		range = "times are -9223372036.854775807 to "
			"9223372036.854775807";
	else if (row->load == LOAD_KEY)
		range = "keys are -2147483648 to 2147483647, "
			"or 0x0 to 0xffffffff";
	return filter_fail(
	    p, p->tok.at, "%s is out of range: %s", filter_show(p, buf), range);
}

/* A key of the wrong size never fits: most likely a slip. */
static bool
key_fits(const struct number *n)
{
	if (n->hex && !n->negative)
		return n->magnitude <= UINT32_MAX;
	return n->magnitude <= (uint64_t)INT32_MAX + n->negative;
}

static bool
take_number(
    struct filter_parse *p, const struct filter_row *row, struct number *n)
{
	const struct filter_word *word = filter_find_word(p, row);
	enum reading result = READ_NOT;

	if (word != NULL) {
		*n = (struct number){ .magnitude = word->value };
		return filter_next(p);
	}
	if (p->tok.type == TOK_ATOM)
		result = row->field.type == FILTER_TIME
		    ? read_time(filter_token_value(p), n)
		    : read_number(filter_token_value(p), n);
	if (result == READ_NOT)
		return not_a_number(p, row);
	if (result == READ_OVER || (row->load == LOAD_KEY && !key_fits(n)))
		return out_of_range(p, row);
	return filter_next(p);
}

/* Below (-1), among (0) or above (1) the values of the type; *v if among. */
static int
place(const struct number *n, bool is_signed, uint64_t *v)
{
	if (n->negative) {
		*v = FILTER_BIAS - n->magnitude;
		return is_signed ? 0 : -1;
	}
	*v = n->magnitude;
	if (!is_signed)
		return 0;
	*v ^= FILTER_BIAS;
	return n->magnitude > INT64_MAX ? 1 : 0;
}

/* The least value that is >= n, or > n; false if there is none. */
static bool
lower_bound(const struct number *n, bool is_signed, bool above, uint64_t *lo)
{
	int where = place(n, is_signed, lo);

	if (where < 0)
		*lo = 0;
	else if (where == 0 && above)
		return (*lo)++ != UINT64_MAX;
	return where <= 0;
}

/* The greatest value that is <= n, or < n. */
static bool
upper_bound(const struct number *n, bool is_signed, bool below, uint64_t *hi)
{
	int where = place(n, is_signed, hi);

	if (where > 0)
		*hi = UINT64_MAX;
	else if (where == 0 && below)
		return (*hi)-- != 0;
	return where >= 0;
}

/* Unsigned keys lo..hi are signed ones in two pieces at the most. */
static bool
add_hex_keys(
    struct filter_parse *p, struct filter_insn *insn, uint64_t lo, uint64_t hi)
{
	const uint64_t top = INT32_MAX, turn = UINT64_C(1) << 32;

	if (hi > UINT32_MAX)
		hi = UINT32_MAX;
	if (lo <= top && lo <= hi &&
	    !filter_add_range(
		p, insn, FILTER_BIAS + lo, FILTER_BIAS + (hi < top ? hi : top)))
		return false;
	if (lo <= top)
		lo = top + 1;
	return lo > hi ||
	    filter_add_range(
		p, insn, FILTER_BIAS - turn + lo, FILTER_BIAS - turn + hi);
}

static bool
add_span(struct filter_parse *p, struct filter_insn *insn,
    const struct number *from, const struct number *to, enum filter_tok op)
{
	bool hex =
	    insn->row->load == LOAD_KEY && (from != NULL ? from : to)->hex;
	bool is_signed = filter_row_signed(insn->row) && !hex;
	uint64_t lo = 0, hi = UINT64_MAX;

	if (from != NULL && !lower_bound(from, is_signed, op == TOK_GT, &lo))
		return true; /* nothing is that large */
	if (to != NULL && !upper_bound(to, is_signed, op == TOK_LT, &hi))
		return true;
	if (hex)
		return add_hex_keys(p, insn, lo, hi);
	return filter_add_range(p, insn, lo, hi);
}

static bool
number_less(const struct number *a, const struct number *b)
{
	if (a->negative != b->negative)
		return a->negative;
	return a->negative ? a->magnitude > b->magnitude
			   : a->magnitude < b->magnitude;
}

bool
filter_add_number(
    struct filter_parse *p, struct filter_insn *insn, enum filter_tok op)
{
	const struct filter_row *row = insn->row;
	struct number from, to;
	size_t at = p->tok.at;

	if (!take_number(p, row, &from))
		return false;
	if (op == TOK_LT || op == TOK_LE)
		return add_span(p, insn, NULL, &from, op);
	if (op == TOK_GT || op == TOK_GE)
		return add_span(p, insn, &from, NULL, op);
	if (op != TOK_RANGE || p->tok.type != TOK_RANGE)
		return add_span(p, insn, &from, &from, TOK_EQ);
	if (!filter_next(p) || !take_number(p, row, &to))
		return false;
	if (row->load == LOAD_KEY && from.hex != to.hex)
		return filter_fail(p, at,
		    "both ends of a range of keys are to be 0x... or neither");
	if (number_less(&to, &from))
		return filter_fail(p, at,
		    "the range is empty: its first end is above its last");
	return add_span(p, insn, &from, &to, TOK_EQ);
}
