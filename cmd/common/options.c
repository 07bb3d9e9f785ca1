/* SPDX-License-Identifier: MIT */
#include "cmd/common/options.h"

#include "cmd/common/cli.h"
#include "cmd/common/version.h"
#include "proto/codec.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LONG_BASE 256 /* getopt's value of the long name of row i */
#define VALUE_SHOWN 200 /* characters shown of a bad value */
#define RANGE_CHARS 64

static bool
is_end(const struct option_row *row)
{
	return row->name == NULL && row->letter == 0;
}

static bool
is_list(const struct option_row *row)
{
	return row->type == OPTION_IS_TEXTS || row->type == OPTION_IS_PORTS ||
	    row->type == OPTION_IS_ADDRESSES || row->type == OPTION_IS_CIDRS;
}

static size_t
index_of(const struct option_reading *reading, const struct option_row *row)
{
	return (size_t)(row - reading->program->rows);
}

static const struct option_row *
row_named(const struct option_program *program, const char *name)
{
	const struct option_row *row = program->rows;

	for (; !is_end(row); row++)
		if (row->name != NULL && strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

/* ---- mistakes ---- */

/* Adds a line: "PREFIX: TEXT", or the text alone. */
static void
add_mistake(
    struct option_reading *reading, const char *prefix, const char *text)
{
	size_t used = strlen(reading->mistakes),
	       room = sizeof(reading->mistakes) - used;
	int n;

	n = snprintf(reading->mistakes + used, room, "%s%s%s\n", prefix,
	    prefix[0] != '\0' ? ": " : "", text);
	if (n < 0 || (size_t)n >= room) {
		reading->mistakes[used] = '\0';
		reading->n_left_out++;
	}
	reading->n_mistakes++;
}

/* Where option `row` was given: "--name", "FILE:LINE: name". */
static void
place_of(const struct option_reading *reading, const struct option_row *row,
    char place[OPTION_ERR_CHARS])
{
	size_t i = index_of(reading, row);

	if (reading->line[i] == 0)
		(void)snprintf(place, OPTION_ERR_CHARS, "--%s", row->name);
	else if (reading->n_given[i] > 1 && is_list(row)) /* name the bad one */
		(void)snprintf(place, OPTION_ERR_CHARS, "%.300s: %s",
		    reading->path, row->name);
	else
		(void)snprintf(place, OPTION_ERR_CHARS, "%.300s:%d: %s",
		    reading->path, reading->line[i], row->name);
}

void
options_refuse(
    struct option_reading *reading, const char *name, const char *fmt, ...)
{
	const struct option_row *row =
	    name == NULL ? NULL : row_named(reading->program, name);
	char place[OPTION_ERR_CHARS] = "", text[2 * OPTION_ERR_CHARS];
	va_list ap;

	if (row != NULL)
		place_of(reading, row, place);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cli_plain(text);
	add_mistake(reading, place, text);
}

void
options_refuse_line(struct option_reading *reading, int line, const char *why)
{
	char place[OPTION_ERR_CHARS];

	(void)snprintf(place, sizeof(place), "%.300s:%d", reading->path, line);
	add_mistake(reading, line == 0 ? reading->path : place, why);
}

void
options_first_mistake(
    const struct option_reading *reading, char *text, size_t text_bytes)
{
	int n = (int)strcspn(reading->mistakes, "\n");

	if (reading->n_mistakes > 1)
		(void)snprintf(text, text_bytes, "%.*s (and %u more)", n,
		    reading->mistakes, reading->n_mistakes - 1);
	else
		(void)snprintf(text, text_bytes, "%.*s", n, reading->mistakes);
}

void
options_end_if_bad(const struct option_reading *reading)
{
	const char *at = reading->mistakes, *end;

	if (reading->n_mistakes == 0)
		return;
	while ((end = strchr(at, '\n')) != NULL && end[1] != '\0') {
		cli_warn("%.*s", (int)(end - at), at);
		at = end + 1;
	}
	if (reading->n_left_out > 0)
		cli_warn("%u more mistakes", reading->n_left_out);
	cli_usage("%.*s", (int)strcspn(at, "\n"), at);
}

/* ---- numbers, sizes, times ---- */

bool
option_expected(char err[OPTION_ERR_CHARS], const char *what)
{
	(void)snprintf(err, OPTION_ERR_CHARS, "expected %s", what);
	return false;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* The largest unit first, for messages. */
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit size_units[] = {
	{ "G", UINT64_C(1) << 30 },
	{ "M", UINT64_C(1) << 20 },
	{ "K", UINT64_C(1) << 10 },
	{ "", 1 },
	{ NULL, 0 },
};
static const struct unit time_units[] = {
	{ "h", UINT64_C(3600000000000) },
	{ "m", UINT64_C(60000000000) },
	{ "s", UINT64_C(1000000000) },
	{ "ms", UINT64_C(1000000) },
	{ "us", UINT64_C(1000) },
	{ "ns", 1 },
	{ "", UINT64_C(1000000000) },
	{ NULL, 0 },
};

/* Formats in the largest unit that leaves no remainder. */
static const char *
in_units(uint64_t v, const struct unit *unit, char text[RANGE_CHARS])
{
	while (unit->factor > 1 && (v == 0 || v % unit->factor != 0))
		unit++;
	(void)snprintf(text, RANGE_CHARS, "%llu%s",
	    (unsigned long long)(v / unit->factor), v == 0 ? "" : unit->name);
	return text;
}

/* Sets "expected WHAT, from MIN to MAX". */
static bool
out_of_range(char err[OPTION_ERR_CHARS], const char *what,
    const struct unit *units, uint64_t min, uint64_t max)
{
	char low[RANGE_CHARS], high[RANGE_CHARS];

	if (units == size_units && max >= SIZE_MAX / 4)
		(void)snprintf(err, OPTION_ERR_CHARS,
		    "expected %s of at least %s", what,
		    in_units(min, units, low));
	else
		(void)snprintf(err, OPTION_ERR_CHARS,
		    "expected %s from %s to %s", what,
		    in_units(min, units, low), in_units(max, units, high));
	return false;
}

static bool
whole(const char *text, const struct unit *unit, uint64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || errno != 0)
		return false;
	while (unit->name != NULL && strcasecmp(unit->name, end) != 0)
		unit++;
	if (unit->name == NULL || *v > UINT64_MAX / unit->factor)
		return false;
	*v *= unit->factor;
	return true;
}

static bool
take_number(const char *text, uint64_t min, uint64_t max, uint64_t *v,
    char err[OPTION_ERR_CHARS])
{
	if (whole(text, no_units, v) && *v >= min && *v <= max)
		return true;
	return out_of_range(err, "a number", no_units, min, max);
}

static bool
take_size(const char *text, uint64_t min, uint64_t max, uint64_t *v,
    char err[OPTION_ERR_CHARS])
{
	if (whole(text, size_units, v) && *v >= min && *v <= max)
		return true;
	return out_of_range(
	    err, "a size such as 4096, 64K or 1M,", size_units, min, max);
}

bool
option_time(const char *text, int64_t min_ns, int64_t max_ns, int64_t *v_ns,
    char err[OPTION_ERR_CHARS])
{
	char *end;
	double v = strtod(text, &end), ns = -1;

	for (const struct unit *unit = time_units; unit->name != NULL; unit++)
		if (end != text && strcmp(end, unit->name) == 0)
			ns = v * (double)unit->factor;
	/* strtod() also accepts blanks, signs, words and hexadecimal */
	if (!isfinite(ns) || ns < (double)min_ns || ns > (double)max_ns ||
	    ns >= (double)INT64_MAX || !isdigit((unsigned char)text[0]) ||
	    tolower((unsigned char)text[1]) == 'x')
		return out_of_range(err, "a time such as 500ms, 20s or 5m,",
		    time_units, (uint64_t)min_ns, (uint64_t)max_ns);
	*v_ns = (int64_t)ns;
	return true;
}

/* Rejects blanks, signs, words and hexadecimal, which strtod() accepts. */
static bool
decimal(const char *text, double *v)
{
	char *end;

	*v = strtod(text, &end);
	return end != text && *end == '\0' &&
	    strspn(text, "0123456789.") == strlen(text);
}

static bool
set_decimal(const struct option_row *row, double *to, const char *text,
    char err[OPTION_ERR_CHARS])
{
	bool factor = row->type == OPTION_IS_FACTOR;
	double v;

	if (decimal(text, &v) && v <= (double)row->max && (!factor || v > 0)) {
		*to = v;
		return true;
	}
	(void)snprintf(err, OPTION_ERR_CHARS,
	    factor ? "expected a number above 0, such as 2 or 0.5, up to %llu"
		   : "expected a percentage such as 5 or 0.1, from 0 to %llu",
	    (unsigned long long)row->max);
	return false;
}

/* ---- other types ---- */

static bool
find_word(const char *text, const char *const *words, int *v,
    char err[OPTION_ERR_CHARS])
{
	size_t n;

	for (int i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], text) == 0) {
			*v = i;
			return true;
		}
	}
	n = (size_t)snprintf(err, OPTION_ERR_CHARS, "expected one of ");
	for (int i = 0; words[i] != NULL && n < OPTION_ERR_CHARS; i++)
		n += (size_t)snprintf(err + n, OPTION_ERR_CHARS - n, "%s%s",
		    i == 0 ? "" : ", ", words[i]);
	return false;
}

static bool
set_word(const struct option_row *row, int *to, const char *text,
    char err[OPTION_ERR_CHARS])
{
	int i;

	if (!find_word(text, row->words, &i, err))
		return false;
	*to = i + (int)row->min;
	return true;
}

static bool
set_flag(bool *flag, const char *text, char err[OPTION_ERR_CHARS])
{
	static const char *const words[] = { "yes", "no", "true", "false",
		NULL };
	int word;

	if (!find_word(text, words, &word, err))
		return false;
	*flag = word % 2 == 0;
	return true;
}

static bool
set_text(const struct option_row *row, char **to, const char *text,
    char err[OPTION_ERR_CHARS])
{
	size_t n = strlen(text);
	char *copy;

	if (n < row->min || n > row->max)
		return out_of_range(
		    err, "text with a length", no_units, row->min, row->max);
	copy = strdup(text);
	if (copy == NULL) {
		(void)snprintf(err, OPTION_ERR_CHARS, "out of memory");
		return false;
	}
	free(*to);
	*to = copy;
	return true;
}

static bool
is_full(size_t n, size_t max, char err[OPTION_ERR_CHARS])
{
	if (n < max)
		return false;
	(void)snprintf(
	    err, OPTION_ERR_CHARS, "expected at most %zu of them", max);
	return true;
}

static bool
add_text(const struct option_row *row, struct option_texts *list,
    const char *text, char err[OPTION_ERR_CHARS])
{
	char *copy;

	if (is_full(list->n, (size_t)row->max, err))
		return false;
	copy = strdup(text);
	if (copy == NULL) {
		(void)snprintf(err, OPTION_ERR_CHARS, "out of memory");
		return false;
	}
	list->at[list->n++] = copy;
	return true;
}

static bool
add_address(const struct option_row *row, struct option_addresses *list,
    const char *text, char err[OPTION_ERR_CHARS])
{
	struct address address;

	if (!address_of_listener(text, &address, err, OPTION_ERR_CHARS))
		return false;
	if (row->max == 1)
		list->n = 0; /* not a list: the last one counts */
	if (is_full(list->n, (size_t)row->max, err))
		return false;
	list->at[list->n++] = address;
	return true;
}

/* Splits a list at commas and passes each word to `take`. */
static bool
each_word(const char *text,
    bool (*take)(void *to, const struct option_row *row, char *word,
	char err[OPTION_ERR_CHARS]),
    void *to, const struct option_row *row, char err[OPTION_ERR_CHARS])
{
	char *copy = strdup(text), *rest = copy, *word;
	bool ok = copy != NULL;

	if (!ok)
		(void)snprintf(err, OPTION_ERR_CHARS, "out of memory");
	while (ok && (word = strsep(&rest, ",")) != NULL) {
		word += strspn(word, " \t");
		word[strcspn(word, " \t")] = '\0';
		ok = take(to, row, word, err);
	}
	free(copy);
	return ok;
}

static bool
take_cidr(void *to, const struct option_row *row, char *word,
    char err[OPTION_ERR_CHARS])
{
	struct option_cidrs *list = to;

	if (is_full(list->n, (size_t)row->max, err))
		return false;
	if (!cidr_parse(word, &list->at[list->n]))
		return option_expected(err, CIDR_SYNTAX);
	list->n++;
	return true;
}

static bool
take_codec(void *to, const struct option_row *row, char *word,
    char err[OPTION_ERR_CHARS])
{
	uint32_t *codecs = to;

	(void)row;
	if (strcmp(word, "zlib") == 0)
		*codecs |= BNET_CODEC_ZLIB;
	else if (strcmp(word, "snappy") == 0)
		*codecs |= BNET_CODEC_SNAPPY;
	else
		return option_expected(
		    err, "zlib, snappy, zlib,snappy or none");
	return true;
}

static bool
set_codecs(uint32_t *codecs, const char *text, char err[OPTION_ERR_CHARS])
{
	*codecs = 0;
	return strcmp(text, "none") == 0 ||
	    each_word(text, take_codec, codecs, NULL, err);
}

static bool
take_port(void *to, const struct option_row *row, char *word,
    char err[OPTION_ERR_CHARS])
{
	struct option_ports *ports = to;
	uint64_t first, last;
	char *dash = strchr(word, '-');

	(void)row;
	if (strcmp(word, "any") == 0)
		return ports->any = true;
	if (dash != NULL)
		*dash = '\0';
	if (!take_number(word, 1, UINT16_MAX, &first, err) ||
	    !take_number(
		dash != NULL ? dash + 1 : word, 1, UINT16_MAX, &last, err))
		return option_expected(err,
		    "ports from 1 to 65535, ranges such as 26000-26010, or"
		    " any, with commas between them");
	if (first > last)
		return option_expected(
		    err, "the first port of a range to be below its last");
	if (is_full(ports->n, OPTION_PORTS_MAX, err))
		return false;
	ports->at[ports->n++] =
	    (struct option_port_range){ (uint16_t)first, (uint16_t)last };
	return true;
}

/* ---- storing a value ---- */

/* A member of any type. */
union value {
	void *p;
	bool *flag;
	char **text;
	struct option_texts *texts;
	uint64_t *u64;
	uint32_t *u32;
	int64_t *ns;
	double *decimal;
	int *word;
	struct option_ports *ports;
	struct option_addresses *addresses;
	struct option_cidrs *cidrs;
};

static union value
value_of(const struct option_row *row, void *opt)
{
	return (union value){ .p = (char *)opt + row->at };
}

/* The same member of another struct, read-only. */
static const void *
const_value_of(const struct option_row *row, const void *opt)
{
	return (const char *)opt + row->at;
}

static bool
set_unsigned(const struct option_row *row, union value to, const char *text,
    char err[OPTION_ERR_CHARS])
{
	uint64_t v;

	if (row->type == OPTION_IS_SIZE
		? !take_size(text, row->min, row->max, &v, err)
		: !take_number(text, row->min, row->max, &v, err))
		return false;
	if (row->bytes == sizeof(uint32_t))
		*to.u32 = (uint32_t)v;
	else
		*to.u64 = v;
	return true;
}

static bool
set_list(const struct option_row *row, union value to, const char *text,
    char err[OPTION_ERR_CHARS])
{
	switch (row->type) {
	case OPTION_IS_TEXTS:
		return add_text(row, to.texts, text, err);
	case OPTION_IS_ADDRESSES:
		return add_address(row, to.addresses, text, err);
	case OPTION_IS_PORTS:
		return each_word(text, take_port, to.ports, row, err);
	default:
		return each_word(text, take_cidr, to.cidrs, row, err);
	}
}

/* Appends to a list; replaces any other value. */
static bool
set_value(const struct option_row *row, void *opt, const char *text,
    char err[OPTION_ERR_CHARS])
{
	union value to = value_of(row, opt);

	switch (row->type) {
	case OPTION_IS_FLAG:
		return set_flag(to.flag, text != NULL ? text : "yes", err);
	case OPTION_IS_TEXT:
		return set_text(row, to.text, text, err);
	case OPTION_IS_NUMBER:
	case OPTION_IS_SIZE:
		return set_unsigned(row, to, text, err);
	case OPTION_IS_TIME:
		return option_time(
		    text, (int64_t)row->min, (int64_t)row->max, to.ns, err);
	case OPTION_IS_FACTOR:
	case OPTION_IS_PERCENT:
		return set_decimal(row, to.decimal, text, err);
	case OPTION_IS_WORD:
		return set_word(row, to.word, text, err);
	case OPTION_IS_CODECS:
		return set_codecs(to.u32, text, err);
	case OPTION_IS_OWN:
		return row->take(opt, text, err);
	case OPTION_IS_HELP:
	case OPTION_IS_VERSION:
		return true;
	default:
		return set_list(row, to, text, err);
	}
}

/* Resets a value to zero. */
static void
clear_value(const struct option_row *row, void *opt)
{
	union value v = value_of(row, opt);

	if (row->type == OPTION_IS_TEXT)
		free(*v.text);
	if (row->type == OPTION_IS_TEXTS)
		for (size_t i = 0; i < v.texts->n; i++)
			free(v.texts->at[i]);
	memset(v.p, 0, row->bytes);
}

void
options_free(const struct option_program *program, void *opt)
{
	for (const struct option_row *row = program->rows; !is_end(row); row++)
		clear_value(row, opt);
}

/* ---- reloading ---- */

static bool
same_addresses(
    const struct option_addresses *a, const struct option_addresses *b)
{
	char text_a[ADDRESS_CHARS], text_b[ADDRESS_CHARS];
	size_t i = 0;

	while (i < a->n && i < b->n &&
	    strcmp(address_format(&a->at[i], text_a),
		address_format(&b->at[i], text_b)) == 0)
		i++;
	return i == a->n && i == b->n;
}

static bool
same_cidrs(const struct option_cidrs *a, const struct option_cidrs *b)
{
	size_t i = 0;

	while (i < a->n && i < b->n && a->at[i].bits == b->at[i].bits &&
	    memcmp(a->at[i].ip, b->at[i].ip, sizeof(a->at[i].ip)) == 0)
		i++;
	return i == a->n && i == b->n;
}

static bool
same_texts(const struct option_texts *a, const struct option_texts *b)
{
	size_t i = 0;

	while (i < a->n && i < b->n && strcmp(a->at[i], b->at[i]) == 0)
		i++;
	return i == a->n && i == b->n;
}

static bool
same_value(const struct option_row *row, const void *a, const void *b)
{
	const void *va = const_value_of(row, a), *vb = const_value_of(row, b);
	const char *text_a, *text_b;

	switch (row->type) {
	case OPTION_IS_TEXT:
		text_a = *(char *const *)va;
		text_b = *(char *const *)vb;
		if (text_a == NULL || text_b == NULL)
			return text_a == text_b;
		return strcmp(text_a, text_b) == 0;
	case OPTION_IS_TEXTS:
		return same_texts(va, vb);
	case OPTION_IS_ADDRESSES:
		return same_addresses(va, vb);
	case OPTION_IS_CIDRS:
		return same_cidrs(va, vb);
	default: /* plain numbers */
		return memcmp(va, vb, row->bytes) == 0;
	}
}

/* Returns false when out of memory. */
static bool
copy_text(char **to, const char *from)
{
	char *copy = NULL;

	if (from != NULL && (copy = strdup(from)) == NULL)
		return false;
	free(*to);
	*to = copy;
	return true;
}

static bool
copy_texts(struct option_texts *to, const struct option_texts *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (!copy_text(&to->at[i], from->at[i]))
			return false;
	for (size_t i = from->n; i < to->n; i++)
		(void)copy_text(&to->at[i], NULL);
	to->n = from->n;
	return true;
}

static bool
copy_value(const struct option_row *row, void *to, const void *from)
{
	const void *theirs = const_value_of(row, from);
	union value ours = value_of(row, to);

	if (row->type == OPTION_IS_TEXT)
		return copy_text(ours.text, *(char *const *)theirs);
	if (row->type == OPTION_IS_TEXTS)
		return copy_texts(ours.texts, theirs);
	memcpy(ours.p, theirs, row->bytes);
	return true;
}

static void
add_name(char names[OPTION_NAMES_CHARS], const char *name)
{
	size_t n = strlen(names);

	(void)snprintf(
	    names + n, OPTION_NAMES_CHARS - n, "%s%s", n > 0 ? " " : "", name);
}

bool
options_reload(const struct option_program *program, const void *old,
    void *fresh, struct option_changes *changes)
{
	*changes = (struct option_changes){ .now = "" };
	for (const struct option_row *row = program->rows; !is_end(row);
	     row++) {
		if (same_value(row, old, fresh))
			continue;
		if ((row->flags & OPTION_RELOAD) != 0) {
			add_name(changes->now, row->name);
			continue;
		}
		add_name(changes->restart, row->name);
		if (!copy_value(row, fresh, old))
			return false;
	}
	return true;
}

/* ---- processing one option ---- */

/* Sets "PLACE: "VALUE": expected ...", but hides the value of a secret. */
static void
refuse_value(struct option_reading *reading, const struct option_row *row,
    const char *place, const char *value, const char *why)
{
	char shown[VALUE_SHOWN + 1] = "...", text[2 * OPTION_ERR_CHARS];

	if ((row->flags & OPTION_SECRET) == 0)
		(void)snprintf(
		    shown, sizeof(shown), "%s", value != NULL ? value : "");
	cli_plain(shown);
	(void)snprintf(text, sizeof(text), "\"%s\": %s", shown, why);
	add_mistake(reading, place, text);
}

static void
set_defaults(struct option_reading *reading)
{
	const struct option_row *row = reading->program->rows;
	char err[OPTION_ERR_CHARS];

	for (; !is_end(row); row++)
		if (row->initial != NULL &&
		    !set_value(row, reading->opt, row->initial, err))
			refuse_value(
			    reading, row, row->name, row->initial, err);
}

/* ---- suggestions for unknown names ---- */

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edit distance: letters to insert, drop, change or swap. */
static size_t
distance(const char *a, const char *b)
{
	enum {
		MAX = 40
	};
	size_t rows[MAX + 1][MAX + 1], n_a = strlen(a), n_b = strlen(b);

	if (n_a > MAX || n_b > MAX)
		return SIZE_MAX;
	for (size_t i = 0; i <= n_a; i++) {
		for (size_t j = 0; j <= n_b; j++) {
			if (i == 0 || j == 0) {
				rows[i][j] = i + j;
				continue;
			}
			rows[i][j] = least(rows[i - 1][j], rows[i][j - 1]) + 1;
			rows[i][j] = least(rows[i][j],
			    rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				rows[i][j] =
				    least(rows[i][j], rows[i - 2][j - 2] + 1);
		}
	}
	return rows[n_a][n_b];
}

/* The name that was probably meant, or NULL. */
static const char *
meant(const struct option_program *program, const char *name)
{
	size_t best = strlen(name) / 3 + 1, d;
	const char *found = NULL;

	for (const struct option_row *row = program->rows; !is_end(row);
	     row++) {
		if (row->name == NULL)
			continue;
		d = distance(name, row->name);
		if (d < best || (d == best && found == NULL)) {
			best = d;
			found = row->name;
		}
	}
	return found;
}

/* Lists the names that `name` abbreviates, if there are several. */
static bool
ambiguous(const struct option_program *program, const char *name,
    char text[OPTION_ERR_CHARS])
{
	size_t used = 0, n = 0;

	text[0] = '\0';
	for (const struct option_row *row = program->rows; !is_end(row);
	     row++) {
		if (row->name == NULL ||
		    strncmp(row->name, name, strlen(name)) != 0)
			continue;
		n++;
		if (used < OPTION_ERR_CHARS)
			used += (size_t)snprintf(text + used,
			    OPTION_ERR_CHARS - used, "%s--%s",
			    used > 0 ? ", " : "", row->name);
	}
	return n > 1;
}

/* ---- the command line ---- */

struct getopt_tables {
	struct option longs[OPTION_ROWS_MAX + 1];
	char shorts[2 * OPTION_ROWS_MAX + 2];
};

/* `shorts` starts with a colon, so that getopt reports missing arguments. */
static void
make_tables(struct getopt_tables *tables, const struct option_program *program)
{
	const struct option_row *row = program->rows;
	char *letter = tables->shorts + 1; /* the colon stays */
	struct option *lng = tables->longs;

	for (; !is_end(row); row++) {
		/* a flag accepts =yes or =no, to override the file */
		if (row->name != NULL)
			*lng++ = (struct option){ row->name,
				row->arg != NULL ? required_argument
				    : row->type == OPTION_IS_FLAG
				    ? optional_argument
				    : no_argument,
				NULL, LONG_BASE + (int)(row - program->rows) };
		if (row->letter != 0)
			*letter++ = row->letter;
		if (row->letter != 0 && row->arg != NULL)
			*letter++ = ':';
	}
	*letter = '\0';
	*lng = (struct option){ NULL, 0, NULL, 0 };
}

static const struct option_row *
row_of(const struct option_program *program, int c)
{
	const struct option_row *row = program->rows;

	if (c >= LONG_BASE)
		return &program->rows[c - LONG_BASE];
	while (row->letter != c)
		row++;
	return row;
}

static void
take_option(struct option_reading *reading, int c, char *arg)
{
	const struct option_row *row = row_of(reading->program, c);
	char err[OPTION_ERR_CHARS], place[RANGE_CHARS];

	reading->n_given[index_of(reading, row)]++;
	reading->help |= row->type == OPTION_IS_HELP;
	reading->version |= row->type == OPTION_IS_VERSION;
	if (c < LONG_BASE)
		(void)snprintf(place, sizeof(place), "-%c", c);
	else
		(void)snprintf(place, sizeof(place), "--%s", row->name);
	if (!set_value(row, reading->opt, arg, err))
		refuse_value(reading, row, place, arg, err);
	else if (reading->program->seen != NULL)
		reading->program->seen(reading->opt, row, arg);
	/* hides it from the list of processes */
	if ((row->flags & OPTION_SECRET) != 0 && arg != NULL)
		memset(arg, '*', strlen(arg));
}

/* Reports a long name that getopt rejected. */
static void
refuse_name(struct option_reading *reading, const char *given)
{
	char name[RANGE_CHARS], names[OPTION_ERR_CHARS];
	const char *close;

	(void)snprintf(name, sizeof(name), "%.*s",
	    (int)least(strcspn(given + 2, "="), sizeof(name) - 1), given + 2);
	cli_plain(name);
	close = meant(reading->program, name);
	if (row_named(reading->program, name) != NULL)
		options_refuse(
		    reading, NULL, "--%s: expected no argument", name);
	else if (ambiguous(reading->program, name, names))
		options_refuse(
		    reading, NULL, "--%s: expected one of %s", name, names);
	else if (close != NULL)
		options_refuse(reading, NULL,
		    "--%s: no such option; did you mean --%s?", name, close);
	else
		options_refuse(reading, NULL, "--%s: no such option", name);
}

/* Reports an unknown option. */
static void
refuse_option(struct option_reading *reading, int c, char **argv)
{
	const char *given = argv[optind - 1];

	if (c == ':' && optopt >= LONG_BASE)
		options_refuse(reading, NULL, "--%s: expected %s after it",
		    row_of(reading->program, optopt)->name,
		    row_of(reading->program, optopt)->arg);
	else if (c == ':')
		options_refuse(reading, NULL, "-%c: expected %s after it",
		    optopt, row_of(reading->program, optopt)->arg);
	else if (optopt != 0 && optopt < LONG_BASE)
		options_refuse(reading, NULL, "-%c: no such option", optopt);
	else
		refuse_name(reading, given);
}

/* The word behind a letter that may have one, taken off the command line. */
static char *
word_behind(const struct option_row *row, int c, int argc, char *const *argv)
{
	if (c >= LONG_BASE || row->type != OPTION_IS_OWN || row->arg != NULL ||
	    optind >= argc)
		return NULL;
	for (size_t i = 0; row->words != NULL && row->words[i] != NULL; i++)
		if (strcmp(row->words[i], argv[optind]) == 0)
			return argv[optind++];
	return NULL;
}

/* Stops at the first mistake, because the words after it are ambiguous. */
static void
read_command_line(struct option_reading *reading, int argc, char **argv)
{
	struct getopt_tables tables = { .shorts = ":" };
	int c;

	make_tables(&tables, reading->program);
	opterr = 0;
	optind = 0; /* from the start, even on a second read */
	while (reading->n_mistakes == 0 && !reading->help &&
	    !reading->version &&
	    (c = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) !=
		-1) {
		if (c == ':' || c == '?')
			refuse_option(reading, c, argv);
		else if (optarg != NULL)
			take_option(reading, c, optarg);
		else
			take_option(reading, c,
			    word_behind(
				row_of(reading->program, c), c, argc, argv));
	}
	reading->words = argv + optind;
	reading->n_words = argc - optind;
}

bool
options_read(struct option_reading *reading,
    const struct option_program *program, void *opt, int argc, char **argv)
{
	*reading = (struct option_reading){ .program = program, .opt = opt };
	set_defaults(reading);
	read_command_line(reading, argc, argv);
	return reading->n_mistakes == 0;
}

void
options_answer(const struct option_reading *reading)
{
	struct winsize size;
	int columns = 80;

	if (!reading->help && !reading->version)
		return;
	if (isatty(STDOUT_FILENO) &&
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		columns = size.ws_col;
	if (reading->help)
		options_help(reading->program, stdout, columns);
	else
		printf("%s %s\n", reading->program->name, tools_version());
	options_free(reading->program, reading->opt);
	if (!cli_flush())
		exit(CLI_FAILED);
	exit(CLI_OK);
}

void
options_parse(struct option_reading *reading,
    const struct option_program *program, void *opt, int argc, char **argv)
{
	(void)options_read(reading, program, opt, argc, argv);
	options_end_if_bad(reading);
	options_answer(reading);
}

bool
options_given(const struct option_reading *reading, const char *name)
{
	const struct option_row *row = row_named(reading->program, name);

	return row != NULL && reading->n_given[index_of(reading, row)] > 0;
}

/* ---- lines of the file ---- */

/* A value overridden by the command line must still be valid. */
static bool
try_value(struct option_reading *reading, const struct option_row *row,
    const char *value, char err[OPTION_ERR_CHARS])
{
	void *unused = calloc(1, reading->program->opt_bytes);
	bool ok;

	if (unused == NULL) {
		(void)snprintf(err, OPTION_ERR_CHARS, "out of memory");
		return false;
	}
	ok = set_value(row, unused, value, err);
	clear_value(row, unused);
	free(unused);
	return ok;
}

static void
refuse_line_name(struct option_reading *reading, int line, const char *name,
    const struct option_row *row)
{
	char text[2 * OPTION_ERR_CHARS], shown[VALUE_SHOWN + 1];
	const char *close = meant(reading->program, name);

	(void)snprintf(shown, sizeof(shown), "%s", name);
	cli_plain(shown);
	if (row != NULL)
		(void)snprintf(text, sizeof(text),
		    "%s: expected on the command line only", shown);
	else if (close != NULL)
		(void)snprintf(text, sizeof(text),
		    "%s: expected the name of an option; did you mean %s?",
		    shown, close);
	else
		(void)snprintf(text, sizeof(text),
		    "%s: expected the name of an option", shown);
	options_refuse_line(reading, line, text);
}

void
options_take_line(struct option_reading *reading, int line, const char *name,
    const char *value)
{
	const struct option_row *row = row_named(reading->program, name);
	char err[OPTION_ERR_CHARS], place[OPTION_ERR_CHARS];
	size_t i;
	bool ok;

	if (row == NULL || (row->flags & OPTION_COMMAND) != 0) {
		refuse_line_name(reading, line, name, row);
		return;
	}
	i = index_of(reading, row);
	(void)snprintf(place, sizeof(place), "%.300s:%d: %s", reading->path,
	    line, row->name);
	if (reading->n_given[i] > 0 && reading->line[i] == 0) {
		ok = try_value(reading, row, value, err);
	} else {
		ok = set_value(row, reading->opt, value, err);
		reading->n_given[i]++;
		reading->line[i] = line;
	}
	if (!ok)
		refuse_value(reading, row, place, value, err);
}

/* ---- --help ---- */

#define HELP_COLUMN 30 /* where the descriptions begin */
#define NO_BREAK '\x1f' /* a blank that must not end a line */

/* Wraps words at `columns`; continuation lines begin at `indent`. */
static void
wrap(FILE *f, const char *text, int at, int indent, int columns)
{
	while (*(text += strspn(text, " ")) != '\0') {
		int n = (int)strcspn(text, " ");

		if (at > indent && at + 1 + n > columns) {
			fprintf(f, "\n%*s", indent, "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', f);
			at++;
		}
		at += n;
		for (; n > 0; n--, text++)
			fputc(*text == NO_BREAK ? ' ' : *text, f);
	}
	fputc('\n', f);
}

/* Prints the description of an option, its words, and its default. */
static void
describe(const struct option_row *row, char text[2 * OPTION_ERR_CHARS])
{
	const char *initial = row->initial != NULL ? row->initial : row->shown;
	size_t room = 2 * OPTION_ERR_CHARS, n;

	n = (size_t)snprintf(text, room, "%s", row->help);
	for (size_t i = 0; row->words != NULL && row->words[i] != NULL; i++)
		if (n < room)
			n += (size_t)snprintf(text + n, room - n, "%s%s",
			    i == 0                          ? ": "
				: row->words[i + 1] != NULL ? ", "
							    : " or ",
			    row->words[i]);
	if (initial != NULL && n < room)
		(void)snprintf(
		    text + n, room - n, " (default:%c%s)", NO_BREAK, initial);
}

static void
help_row(FILE *f, const struct option_row *row, int columns)
{
	char text[2 * OPTION_ERR_CHARS];
	int at = 0;

	if (row->letter != 0)
		at += fprintf(f, "  -%c", row->letter);
	if (row->name != NULL)
		at += fprintf(
		    f, "%s--%s", row->letter != 0 ? ", " : "      ", row->name);
	if (row->arg != NULL)
		at += fprintf(f, " %s", row->arg);
	if (at + 2 > HELP_COLUMN) {
		fputc('\n', f);
		at = 0;
	}
	fprintf(f, "%*s", HELP_COLUMN - at, "");
	describe(row, text);
	wrap(f, text, HELP_COLUMN, HELP_COLUMN, columns);
}

void
options_help(const struct option_program *program, FILE *f, int columns)
{
	if (columns < HELP_COLUMN + 20)
		columns = HELP_COLUMN + 20;
	fprintf(f, "usage: %s\n\n", program->usage);
	wrap(f, program->about, 0, 0, columns);
	for (const struct option_row *row = program->rows; !is_end(row);
	     row++) {
		if (row->group != NULL)
			fprintf(f, "\n%s:\n", row->group);
		help_row(f, row, columns);
	}
	fputc('\n', f);
	wrap(f, program->ending, 0, 0, columns);
}
