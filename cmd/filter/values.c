/* SPDX-License-Identifier: MIT */
#include "cmd/filter/values.h"

#include "cmd/common/date.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILTER_LIST_CHARS 128 /* for the words of a field */

/* ---- regular expressions ---- */

/* The position in the source of byte `n` of a string's value. */
static size_t
place_in_string(const struct filter_parse *p, size_t n)
{
	size_t at = p->tok.at + 1;

	for (; n > 0 && p->text[at] != '"'; n--)
		at += p->text[at] != '\\' ? 1 : p->text[at + 1] == 'x' ? 4 : 2;
	return at;
}

static bool
bad_regex(struct filter_parse *p, int code, size_t offset)
{
	PCRE2_UCHAR why[128];

	if (code == PCRE2_ERROR_HEAP_FAILED)
		return false;
	(void)pcre2_get_error_message(code, why, sizeof(why));
	return lex_fail(p, place_in_string(p, offset),
	    "bad regular expression: %s", (const char *)why);
}

/* Compiles *regex from the string p->tok; the caller frees it. */
static bool
parse_regex(struct filter_parse *p, pcre2_code **regex)
{
	char buf[FILTER_SHOW_CHARS];
	struct bnet_slice s = lex_value(p);
	size_t offset;
	int code;

	if (p->tok.type != TOK_STRING)
		return lex_fail(p, p->tok.at,
		    "expected a regular expression in double quotes, not %s",
		    lex_show(p, buf));
	if (p->out->regexes == NULL)
		p->out->regexes = filter_regexes_new();
	if (p->out->regexes == NULL)
		return false;
	*regex = filter_regex_new(p->out->regexes, s, &code, &offset);
	if (*regex == NULL)
		return bad_regex(p, code, offset);
	if (p->out->regexes->n_bytes > REGEX_TOTAL_MAX_BYTES)
		return lex_fail(p, p->tok.at,
		    "the regular expressions take more than %d bytes compiled",
		    REGEX_TOTAL_MAX_BYTES);
	return true;
}

/* ---- words ---- */

#define MESSAGE_PREFIX "bluenet."

static bool
is_name(struct bnet_slice v, const char *name)
{
	return v.len == strlen(name) && memcmp(v.p, name, v.len) == 0;
}

/* Words may be quoted; for messages the full name is accepted, too. */
static const struct filter_word *
find_word(const struct filter_parse *p, const struct filter_row *row)
{
	struct bnet_slice v = lex_value(p);
	const struct filter_word *w = row->field.words;
	const size_t n = strlen(MESSAGE_PREFIX);

	if (w == NULL || (p->tok.type != TOK_ATOM && p->tok.type != TOK_STRING))
		return NULL;
	if (strcmp(row->field.name, "message") == 0 && v.len > n &&
	    memcmp(v.p, MESSAGE_PREFIX, n) == 0)
		v = bnet_slice_from(v, n);
	for (; w->name != NULL; w++)
		if (is_name(v, w->name))
			return w;
	return NULL;
}

static void
list_words(const struct filter_row *row, char buf[FILTER_LIST_CHARS])
{
	const struct filter_word *w = row->field.words;
	size_t n = 0;

	for (; w->name != NULL && n < FILTER_LIST_CHARS; w++) {
		const char *join = w[1].name != NULL ? ", " : " or ";

		n += (size_t)snprintf(buf + n, FILTER_LIST_CHARS - n, "%s%s",
		    n == 0 ? "" : join, w->name);
	}
}

/* ---- numbers ---- */

#define NS_DIGITS 9
#define NS UINT64_C(1000000000)

struct number {
	bool negative, hex;
	uint64_t magnitude; /* at most 2^63 if negative */
};

enum reading {
	READ_OK,
	READ_NOT, /* not a number */
	READ_OVER, /* more than 64 bits */
};

/* Reads digits of `base` up to the end of `s`. */
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

/* Reads seconds with up to nine decimals, as ns. */
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
		return lex_fail(p, p->tok.at,
		    "%s is seconds since 1970 with at most %d decimals, "
		    "or " DATE_SYNTAX ", not %s",
		    name, NS_DIGITS, lex_show(p, buf));
	if (row->field.words != NULL)
		list_words(row, words);
	return lex_fail(p, p->tok.at, "%s is a number%s%s, not %s", name,
	    *words != '\0' ? ", or " : "", words, lex_show(p, buf));
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
	return lex_fail(
	    p, p->tok.at, "%s is out of range: %s", lex_show(p, buf), range);
}

/* Reads a date; returns false if p->tok is none, after setting *wrong. */
static bool
read_date(
    const struct filter_parse *p, struct number *n, char wrong[DATE_ERR_CHARS])
{
	struct bnet_slice v = lex_value(p);
	char text[64];
	int64_t ns;

	wrong[0] = '\0';
	if ((p->tok.type != TOK_ATOM && p->tok.type != TOK_STRING) ||
	    v.len >= sizeof(text) || memchr(v.p, '\0', v.len) != NULL)
		return false;
	memcpy(text, v.p, v.len);
	text[v.len] = '\0';
	if (!date_parse(text, DATE_NO_DAY, &ns, wrong))
		return false;
	n->negative = ns < 0;
	n->magnitude = n->negative ? UINT64_C(0) - (uint64_t)ns : (uint64_t)ns;
	return true;
}

/* Reads the time p->tok, in either way. */
static bool
take_time(
    struct filter_parse *p, const struct filter_row *row, struct number *n)
{
	char buf[FILTER_SHOW_CHARS], wrong[DATE_ERR_CHARS];
	enum reading result = READ_NOT;

	if (p->tok.type == TOK_ATOM)
		result = read_time(lex_value(p), n);
	if (result == READ_OK || (result == READ_NOT && read_date(p, n, wrong)))
		return lex_next(p);
	if (result == READ_OVER)
		return out_of_range(p, row);
	if (wrong[0] != '\0')
		return lex_fail(
		    p, p->tok.at, "%s is no time: %s", lex_show(p, buf), wrong);
	return not_a_number(p, row);
}

/* A key of the wrong size never matches: probably a mistake. */
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
	const struct filter_word *word = find_word(p, row);
	enum reading result = READ_NOT;

	if (word != NULL) {
		*n = (struct number){ .magnitude = word->value };
		return lex_next(p);
	}
	if (row->field.type == FILTER_TIME)
		return take_time(p, row, n);
	if (p->tok.type == TOK_ATOM)
		result = read_number(lex_value(p), n);
	if (result == READ_NOT)
		return not_a_number(p, row);
	if (result == READ_OVER || (row->load == LOAD_KEY && !key_fits(n)))
		return out_of_range(p, row);
	return lex_next(p);
}

/* Is it below (-1), in (0) or above (1) the range of the type? Sets *v if 0. */
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

/* The least value >= n, or > n; returns false if there is none. */
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

/* The greatest value <= n, or < n; returns false if there is none. */
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

/* Unsigned keys lo..hi are at most two ranges of signed keys. */
static bool
add_hex_keys(
    struct filter_parse *p, struct filter_insn *insn, uint64_t lo, uint64_t hi)
{
	const uint64_t top = INT32_MAX, turn = UINT64_C(1) << 32;

	if (hi > UINT32_MAX)
		hi = UINT32_MAX;
	if (lo <= top && lo <= hi &&
	    !lex_range(
		p, insn, FILTER_BIAS + lo, FILTER_BIAS + (hi < top ? hi : top)))
		return false;
	if (lo <= top)
		lo = top + 1;
	return lo > hi ||
	    lex_range(
		p, insn, FILTER_BIAS - turn + lo, FILTER_BIAS - turn + hi);
}

static bool
add_span(struct filter_parse *p, struct filter_insn *insn,
    const struct number *from, const struct number *to, enum filter_tok op)
{
	bool hex =
	    insn->ref.row->load == LOAD_KEY && (from != NULL ? from : to)->hex;
	bool is_signed = filter_row_signed(insn->ref.row) && !hex;
	uint64_t lo = 0, hi = UINT64_MAX;

	if (from != NULL && !lower_bound(from, is_signed, op == TOK_GT, &lo))
		return true; /* no value is that large */
	if (to != NULL && !upper_bound(to, is_signed, op == TOK_LT, &hi))
		return true;
	if (hex)
		return add_hex_keys(p, insn, lo, hi);
	return lex_range(p, insn, lo, hi);
}

static bool
number_less(const struct number *a, const struct number *b)
{
	if (a->negative != b->negative)
		return a->negative;
	return a->negative ? a->magnitude > b->magnitude
			   : a->magnitude < b->magnitude;
}

/* Reads the number or range at p->tok; `op` EQ, LT, ...; RANGE: allows c..d. */
static bool
add_number(struct filter_parse *p, struct filter_insn *insn, enum filter_tok op)
{
	const struct filter_row *row = insn->ref.row;
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
	if (!lex_next(p) || !take_number(p, row, &to))
		return false;
	if (row->load == LOAD_KEY && from.hex != to.hex)
		return lex_fail(p, at,
		    "both ends of a range of keys are to be 0x... or neither");
	if (number_less(&to, &from))
		return lex_fail(p, at,
		    "the range is empty: its first end is above its last");
	return add_span(p, insn, &from, &to, TOK_EQ);
}

/* ---- addresses and bytes ---- */

#define END_CHARS (INET6_ADDRSTRLEN + sizeof("[]:65535"))

/* Cuts the port off the address, if `s` has one. */
static bool
cut_port(char *s, int *port)
{
	char *colon = strrchr(s, ':');
	const char *c;

	*port = -1;
	if (colon == NULL || (s[0] == '[' && colon[-1] != ']') ||
	    (s[0] != '[' && strchr(s, ':') != colon))
		return true; /* no port; the colons belong to IPv6 */
	c = colon + 1;
	if (*c == '\0' || strlen(c) > 5 || strspn(c, "0123456789") != strlen(c))
		return false;
	for (*port = 0; *c != '\0'; c++)
		*port = *port * 10 + (*c - '0');
	*colon = '\0';
	return *port <= 65535;
}

/*
 * Formats an address like the ends of streams; without a port, up to its colon.
 * Returns the length, 0 if it is not an address.
 */
static size_t
write_end(char *s, char end[END_CHARS])
{
	char host[INET6_ADDRSTRLEN];
	unsigned char addr[sizeof(struct in6_addr)];
	size_t n = strlen(s);
	int family = AF_INET, port, written;

	if (n == 0 || !cut_port(s, &port))
		return 0;
	n = strlen(s);
	if (strchr(s, ':') != NULL || s[0] == '[') {
		family = AF_INET6;
		if (s[0] == '[' && s[n - 1] != ']')
			return 0;
		if (s[0] == '[')
			s[n - 1] = '\0';
		s += s[0] == '[';
	}
	if (inet_pton(family, s, addr) != 1 ||
	    inet_ntop(family, addr, host, sizeof(host)) == NULL)
		return 0;
	written =
	    snprintf(end, END_CHARS, family == AF_INET ? "%s:" : "[%s]:", host);
	if (port >= 0)
		written += snprintf(
		    end + written, END_CHARS - (size_t)written, "%d", port);
	return (size_t)written;
}

/* Sets the bits behind the first `bits`, up to the end of an address. */
static void
fill(uint8_t ip[16], unsigned bits)
{
	for (unsigned i = bits; i < 128; i++)
		ip[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

static bool
not_an_address(struct filter_parse *p, const struct filter_row *row)
{
	char buf[FILTER_SHOW_CHARS];

	return lex_fail(p, p->tok.at,
	    row->field.type == FILTER_IP
		? "%s is an address without a port: expected ADDR or "
		  "ADDR/BITS, not %s"
		: "%s is an address: expected ADDR, \"ADDR:PORT\" or "
		  "ADDR/BITS, not %s",
	    row->field.name, lex_show(p, buf));
}

/* Cuts "/BITS" off `s`; *bits as of IPv6, where IPv4 has 96 before it. */
static bool
cut_bits(struct bnet_slice *s, unsigned *bits)
{
	const uint8_t *slash = memchr(s->p, '/', s->len);
	const bool ipv6 = memchr(s->p, ':', s->len) != NULL;
	struct bnet_slice digits;
	uint64_t v;

	if (slash == NULL)
		return false;
	digits = bnet_slice_from(*s, (size_t)(slash - s->p) + 1);
	s->len = (size_t)(slash - s->p);
	if (digits.len > 3 || read_digits(digits, 10, &v) != READ_OK ||
	    v > (ipv6 ? 128 : 32))
		return false;
	*bits = (unsigned)v + (ipv6 ? 0 : 96);
	return true;
}

/* Reads p->tok as a block if it is "ADDR/BITS". */
static bool
read_block(struct filter_parse *p, struct filter_insn *insn,
    struct filter_block *block)
{
	struct bnet_slice v = lex_value(p);
	char text[INET6_ADDRSTRLEN], buf[FILTER_SHOW_CHARS];
	unsigned bits, shown;
	bool clean = true;

	if (!cut_bits(&v, &bits) || !filter_address_read(v, block->lo))
		return not_an_address(p, insn->ref.row);
	for (unsigned i = bits; i < 128; i++) {
		const uint8_t bit = (uint8_t)(0x80 >> i % 8);

		clean = clean && (block->lo[i / 8] & bit) == 0;
		block->lo[i / 8] &= (uint8_t)~bit;
	}
	memcpy(block->hi, block->lo, sizeof(block->hi));
	fill(block->hi, bits);
	if (clean)
		return true;
	shown = memchr(v.p, ':', v.len) == NULL ? 96 : 0;
	(void)inet_ntop(shown > 0 ? AF_INET : AF_INET6, block->lo + shown / 8,
	    text, sizeof(text));
	return lex_fail(p, p->tok.at,
	    "%s has bits behind its first %u: did you mean %s/%u?",
	    lex_show(p, buf), bits - shown, text, bits - shown);
}

static bool
add_block(struct filter_parse *p, struct filter_insn *insn,
    const struct filter_block *block)
{
	struct filter_text text;

	if (!lex_push_text(p, block, sizeof(*block), &text))
		return false;
	text.block = true;
	return lex_text(p, insn, text);
}

/* The token after ADDR is "..": reads up to the last address of the range. */
static bool
add_address_range(struct filter_parse *p, struct filter_insn *insn, size_t at,
    struct filter_block *block)
{
	if (!lex_next(p))
		return false;
	if (!filter_address_read(lex_value(p), block->hi))
		return lex_fail(p, p->tok.at,
		    "expected an address without a port as the last of the "
		    "range");
	if (memcmp(block->lo, block->hi, sizeof(block->lo)) > 0)
		return lex_fail(p, at,
		    "the range is empty: its first end is above its last");
	return add_block(p, insn, block) && lex_next(p);
}

/* An address alone, or with its port: compared as text. */
static bool
add_end(struct filter_parse *p, struct filter_insn *insn)
{
	const bool ip = insn->ref.row->field.type == FILTER_IP;
	struct bnet_slice v = lex_value(p);
	char copy[END_CHARS] = "", end[END_CHARS];
	struct filter_text text;
	size_t n = 0;

	if (v.len < sizeof(copy) && memchr(v.p, '\0', v.len) == NULL) {
		memcpy(copy, v.p, v.len);
		n = write_end(copy, end);
	}
	if (n == 0 || (ip && end[n - 1] != ':'))
		return not_an_address(p, insn->ref.row);
	if (ip) { /* without the colon, and without brackets */
		n -= end[0] == '[' ? 3 : 1;
		memmove(end, end + (end[0] == '['), n);
	}
	if (!lex_push_text(p, end, n, &text))
		return false;
	text.prefix = !ip && end[n - 1] == ':';
	return lex_text(p, insn, text) && lex_next(p);
}

static bool
add_address(
    struct filter_parse *p, struct filter_insn *insn, enum filter_tok op)
{
	struct bnet_slice v = lex_value(p);
	struct filter_block block;
	const size_t at = p->tok.at;

	if (p->tok.type != TOK_ATOM && p->tok.type != TOK_STRING)
		return not_an_address(p, insn->ref.row);
	if (v.len > 0 && memchr(v.p, '/', v.len) != NULL)
		return read_block(p, insn, &block) &&
		    add_block(p, insn, &block) && lex_next(p);
	if (!add_end(p, insn))
		return false;
	if (op != TOK_RANGE || p->tok.type != TOK_RANGE)
		return true;
	if (!filter_address_read(v, block.lo))
		return lex_fail(p, at,
		    "expected an address without a port as the first of the "
		    "range");
	insn->n--; /* it was no value of its own */
	p->out->n_texts--;
	return add_address_range(p, insn, at, &block);
}

static int
nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Is it pairs of digits separated by colons? */
static bool
is_pairs(struct bnet_slice v)
{
	if (v.len % 3 != 2)
		return false;
	for (size_t i = 0; i < v.len; i += 3)
		if (nibble(v.p[i]) < 0 || nibble(v.p[i + 1]) < 0 ||
		    (i + 2 < v.len && v.p[i + 2] != ':'))
			return false;
	return true;
}

/* "0x" and an even number of digits: the pairs without colons. */
static bool
is_hex(struct bnet_slice v)
{
	if (v.len < 4 || v.len % 2 != 0 || v.p[0] != '0' || v.p[1] != 'x')
		return false;
	for (size_t i = 2; i < v.len; i++)
		if (nibble(v.p[i]) < 0)
			return false;
	return true;
}

/* Pushes the pairs that begin `step` bytes apart. */
static bool
push_pairs(struct filter_parse *p, struct bnet_slice v, size_t step,
    struct filter_text *text)
{
	char byte;

	*text = (struct filter_text){ .at = p->out->n_bytes,
		.len = (v.len + 1) / step };
	for (size_t i = 0; i < v.len; i += step) {
		byte = (char)(nibble(v.p[i]) << 4 | nibble(v.p[i + 1]));
		if (!lex_push(p, &byte, 1))
			return false;
	}
	return true;
}

static bool
add_bytes(struct filter_parse *p, struct filter_insn *insn)
{
	struct filter_text text = p->tok.text;
	struct bnet_slice v = lex_value(p);
	char buf[FILTER_SHOW_CHARS];

	if (p->tok.type == TOK_ATOM && is_pairs(v)) {
		if (!push_pairs(p, v, 3, &text))
			return false;
	} else if (p->tok.type == TOK_ATOM && is_hex(v)) {
		if (!push_pairs(p, bnet_slice_from(v, 2), 2, &text))
			return false;
	} else if (p->tok.type != TOK_STRING) {
		return lex_fail(p, p->tok.at,
		    "%s is bytes: expected \"text\" or hexadecimal bytes such "
		    "as 0a:0b:0c, not %s",
		    insn->ref.row->field.name, lex_show(p, buf));
	}
	return lex_text(p, insn, text) && lex_next(p);
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct filter_range *x = a;
	const struct filter_range *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

/* Sorts and merges the ranges of `insn`, which are the last ones. */
static void
sort_ranges(struct filter *f, struct filter_insn *insn)
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

/* ---- values of a field ---- */

/* The operators of each type; filter_type_operators() returns them as text. */
#define BIT(tok) (1u << (tok))
#define IS (BIT(TOK_EQ) | BIT(TOK_NE))
#define SORTS (BIT(TOK_LT) | BIT(TOK_LE) | BIT(TOK_GT) | BIT(TOK_GE))
#define READS (BIT(TOK_CONTAINS) | BIT(TOK_MATCHES))

static const struct {
	unsigned operators;
	enum filter_op op; /* for == != in */
	const char *called; /* a field of this type */
} types[FILTER_N_TYPES] = {
	[FILTER_NUMBER] = { IS | SORTS | BIT(TOK_IN), OP_RANGES, "a number" },
	[FILTER_TIME] = { IS | SORTS | BIT(TOK_IN), OP_RANGES, "a time" },
	[FILTER_BOOL] = { IS, OP_WORDS, "true or false" },
	[FILTER_WORD] = { IS | READS | BIT(TOK_IN), OP_WORDS, "a word" },
	[FILTER_STRING] = { IS | READS | BIT(TOK_IN), OP_EQUAL, "a string" },
	[FILTER_ADDRESS] = { IS | READS | BIT(TOK_IN), OP_EQUAL, "an address" },
	[FILTER_IP] = { IS | READS | BIT(TOK_IN), OP_EQUAL, "an address" },
	[FILTER_BYTES] = { IS | READS | BIT(TOK_IN), OP_EQUAL, "bytes" },
	[FILTER_VALUE] = { IS | SORTS | READS | BIT(TOK_IN), OP_EQUAL,
	    "a value" },
};

static bool
not_a_word(struct filter_parse *p, const struct filter_row *row)
{
	char buf[FILTER_SHOW_CHARS], words[FILTER_LIST_CHARS];

	list_words(row, words);
	return lex_fail(p, p->tok.at, "%s is %s, not %s", row->field.name,
	    words, lex_show(p, buf));
}

static bool
add_word(struct filter_parse *p, struct filter_insn *insn)
{
	const struct filter_row *row = insn->ref.row;
	const struct filter_word *w = find_word(p, row);
	struct bnet_slice v = lex_value(p);

	if (row->field.type == FILTER_BOOL && p->tok.type != TOK_ATOM)
		w = NULL;
	else if (row->field.type == FILTER_BOOL && is_name(v, "1"))
		w = &row->field.words[0];
	else if (row->field.type == FILTER_BOOL && is_name(v, "0"))
		w = &row->field.words[1];
	if (w == NULL)
		return not_a_word(p, row);
	insn->words |= UINT64_C(1) << w->value;
	return lex_next(p);
}

static bool
add_string(struct filter_parse *p, struct filter_insn *insn)
{
	char buf[FILTER_SHOW_CHARS];

	if (p->tok.type != TOK_STRING)
		return lex_fail(p, p->tok.at,
		    "%s is %s: expected text in double quotes, not %s",
		    insn->ref.row->field.name,
		    types[insn->ref.row->field.type].called, lex_show(p, buf));
	return lex_text(p, insn, p->tok.text) && lex_next(p);
}

/* Is all of it a number? */
static bool
is_number(struct bnet_slice v, long double *number)
{
	char copy[64], *end;

	if (v.len == 0 || v.len >= sizeof(copy))
		return false;
	memcpy(copy, v.p, v.len);
	copy[v.len] = '\0';
	if (strspn(copy, "+-0123456789.") == 0)
		return false; /* such as "nan" and "inf" */
	*number = strtold(copy, &end);
	return end > copy && *end == '\0';
}

/* A number or a word without quotes, or text. */
static bool
add_any(struct filter_parse *p, struct filter_insn *insn, enum filter_tok op)
{
	static const enum filter_op orders[] = {
		[TOK_LT] = OP_LESS,
		[TOK_LE] = OP_LESS_EQUAL,
		[TOK_GT] = OP_GREATER,
		[TOK_GE] = OP_GREATER_EQUAL,
	};
	const bool sorts = (SORTS & BIT(op)) != 0;
	struct bnet_slice v = lex_value(p);
	struct filter_text text;
	char buf[FILTER_SHOW_CHARS];

	if (sorts)
		insn->op = orders[op];
	if (p->tok.type != TOK_ATOM)
		return add_string(p, insn);
	if (!lex_push_text(p, (const char *)v.p, v.len, &text))
		return false;
	text.is_number = is_number(v, &text.number);
	if (sorts && !text.is_number)
		return lex_fail(p, p->tok.at,
		    "%s is a value: expected a number or text in double quotes,"
		    " not %s",
		    insn->ref.row->field.name, lex_show(p, buf));
	return lex_text(p, insn, text) && lex_next(p);
}

/* Reads one value or, in a set, a range of numbers. */
static bool
add_value(struct filter_parse *p, struct filter_insn *insn, enum filter_tok op)
{
	switch (insn->ref.row->field.type) {
	case FILTER_NUMBER:
	case FILTER_TIME:
		return add_number(p, insn, op);
	case FILTER_BOOL:
	case FILTER_WORD:
		return add_word(p, insn);
	case FILTER_ADDRESS:
	case FILTER_IP:
		return add_address(p, insn, op);
	case FILTER_BYTES:
		return add_bytes(p, insn);
	case FILTER_VALUE:
		return add_any(p, insn, op);
	default:
		return add_string(p, insn);
	}
}

static bool
add_set(struct filter_parse *p, struct filter_insn *insn)
{
	char buf[FILTER_SHOW_CHARS];
	const struct filter_field *field = &insn->ref.row->field;
	bool more = true;

	if (p->tok.type != TOK_SET_OPEN)
		return lex_fail(p, p->tok.at, "expected { after in, not %s",
		    lex_show(p, buf));
	while (more) {
		if (!lex_next(p) || !add_value(p, insn, TOK_RANGE))
			return false;
		more = p->tok.type == TOK_COMMA;
	}
	if (p->tok.type == TOK_RANGE)
		return lex_fail(p, p->tok.at,
		    types[field->type].op == OP_RANGES ||
			    field->type == FILTER_ADDRESS ||
			    field->type == FILTER_IP
			? "expected a comma or }, not a third end of a range"
			: "%s is %s: ranges are for numbers",
		    field->name, types[field->type].called);
	if (p->tok.type != TOK_SET_CLOSE)
		return lex_fail(p, p->tok.at, "expected a comma or }, not %s",
		    lex_show(p, buf));
	return lex_next(p);
}

/* Resolves the matching words at compile time. */
static bool
contains_words(struct filter_parse *p, struct filter_insn *insn)
{
	struct bnet_slice v = lex_value(p);
	char buf[FILTER_SHOW_CHARS];

	if (p->tok.type != TOK_STRING)
		return lex_fail(p, p->tok.at,
		    "expected text in double quotes, not %s", lex_show(p, buf));
	for (const struct filter_word *w = insn->ref.row->field.words;
	     w->name != NULL; w++)
		if (memmem(w->name, strlen(w->name), v.p, v.len) != NULL)
			insn->words |= UINT64_C(1) << w->value;
	return lex_next(p);
}

static bool
contains(struct filter_parse *p, struct filter_insn *insn)
{
	if (insn->op == OP_WORDS)
		return contains_words(p, insn);
	insn->op = OP_CONTAINS;
	if (insn->ref.row->field.type == FILTER_BYTES)
		return add_bytes(p, insn);
	return add_string(p, insn);
}

static bool
matches(struct filter_parse *p, struct filter_insn *insn)
{
	if (!parse_regex(p, &insn->regex))
		return false;
	if (insn->op != OP_WORDS) {
		insn->op = OP_REGEX;
		return lex_next(p);
	}
	for (const struct filter_word *w = insn->ref.row->field.words;
	     w->name != NULL; w++)
		if (filter_regex_match(p->out->regexes, insn->regex,
			(struct bnet_slice){
			    (const void *)w->name, strlen(w->name) }))
			insn->words |= UINT64_C(1) << w->value;
	if (p->out->regexes->n_over > 0)
		return lex_fail(p, p->tok.at,
		    "the regular expression takes too many steps");
	pcre2_code_free(insn->regex);
	insn->regex = NULL;
	return lex_next(p);
}

static uint64_t
all_words(const struct filter_row *row, bool but_nothing)
{
	uint64_t all = 0;

	for (const struct filter_word *w = row->field.words; w->name != NULL;
	     w++)
		if (!but_nothing ||
		    (strcmp(w->name, "none") != 0 &&
			strcmp(w->name, "false") != 0))
			all |= UINT64_C(1) << w->value;
	return all;
}

static bool
add_operand(
    struct filter_parse *p, struct filter_insn *insn, enum filter_tok op)
{
	switch (op) {
	case TOK_IN:
		return add_set(p, insn);
	case TOK_CONTAINS:
		return contains(p, insn);
	case TOK_MATCHES:
		return matches(p, insn);
	case TOK_NE:
		if (!add_value(p, insn, op))
			return false;
		if (insn->op == OP_WORDS)
			insn->words =
			    all_words(insn->ref.row, false) & ~insn->words;
		else
			insn->negate = true;
		return true;
	default:
		return add_value(p, insn, op);
	}
}

static bool
finish(struct filter_parse *p, struct filter_insn *insn)
{
	if (insn->op == OP_RANGES)
		sort_ranges(p->out, insn);
	return lex_emit(p, insn);
}

bool
values_comparison(struct filter_parse *p, const struct filter_ref *ref)
{
	const struct filter_row *row = ref->row;
	struct filter_insn insn = { .op = types[row->field.type].op,
		.ref = *ref };
	enum filter_tok op = p->tok.type;
	char buf[FILTER_SHOW_CHARS];

	if ((types[row->field.type].operators & BIT(op)) == 0)
		return lex_fail(p, p->tok.at,
		    "%s is %s: %s does not fit it, but %s do", row->field.name,
		    types[row->field.type].called, lex_show(p, buf),
		    filter_type_operators(row->field.type));
	if (lex_next(p) && add_operand(p, &insn, op) && finish(p, &insn))
		return true;
	pcre2_code_free(insn.regex);
	return false;
}

bool
values_bare(struct filter_parse *p, const struct filter_ref *ref)
{
	const struct filter_row *row = ref->row;
	struct filter_insn insn = { .op = types[row->field.type].op,
		.ref = *ref };
	uint64_t zero = filter_row_signed(row) ? FILTER_BIAS : 0;
	struct filter_text empty;
	bool ok = true;

	if (row->field.type == FILTER_VALUE) {
		insn.op = OP_TRUTH;
	} else if (insn.op == OP_WORDS) {
		insn.words = all_words(row, true);
	} else if (insn.op == OP_EQUAL) {
		insn.negate = true;
		ok = lex_push_text(p, "", 0, &empty) &&
		    lex_text(p, &insn, empty);
	} else if (row->load == LOAD_IDS) { /* an id of 0 counts, too */
		ok = lex_range(p, &insn, 0, UINT64_MAX);
	} else {
		insn.negate = true;
		ok = lex_range(p, &insn, zero, zero);
	}
	return ok && lex_emit(p, &insn);
}
