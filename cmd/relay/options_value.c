/* SPDX-License-Identifier: MIT */
#include "cmd/relay/options_impl.h"

#include "cmd/common/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODEC_ZLIB UINT32_C(1)
#define CODEC_SNAPPY UINT32_C(2)

/* Any member, by its kind. */
union value {
	void *p;
	bool *flag;
	char **text;
	uint64_t *number;
	int64_t *ns;
	int *word;
	uint32_t *codecs;
	struct relay_addresses *addresses;
	struct relay_cidrs *cidrs;
};

union const_value {
	const void *p;
	const bool *flag;
	char *const *text;
	const uint64_t *number;
	const int64_t *ns;
	const int *word;
	const uint32_t *codecs;
	const struct relay_addresses *addresses;
	const struct relay_cidrs *cidrs;
};

static union value
value_of(const struct relay_option *row, struct relay_options *opt)
{
	return (union value){ .p = (char *)opt + row->offset };
}

static union const_value
const_value_of(const struct relay_option *row, const struct relay_options *opt)
{
	return (union const_value){ .p = (const char *)opt + row->offset };
}

static size_t
value_bytes(const struct relay_option *row)
{
	static const size_t bytes[] = {
		[RELAY_FLAG] = sizeof(bool),
		[RELAY_TEXT] = sizeof(char *),
		[RELAY_NUMBER] = sizeof(uint64_t),
		[RELAY_SIZE] = sizeof(uint64_t),
		[RELAY_DURATION] = sizeof(int64_t),
		[RELAY_WORD] = sizeof(int),
		[RELAY_CODECS] = sizeof(uint32_t),
		[RELAY_ADDRESSES] = sizeof(struct relay_addresses),
		[RELAY_CIDRS] = sizeof(struct relay_cidrs),
	};

	return bytes[row->kind];
}

static bool
set_flag(bool *flag, const char *text, char *err)
{
	static const char *const words[] = { "yes", "no", "true", "false",
		NULL };
	int word;

	if (!cli_take_word(text, words, &word, err))
		return false;
	*flag = word % 2 == 0;
	return true;
}

static bool
set_text(const struct relay_option *row, char **to, const char *text, char *err)
{
	size_t n = strlen(text);
	char *copy;

	if (n < row->min || n > row->max) {
		snprintf(err, RELAY_ERR_CHARS,
		    "expected %llu to %llu characters",
		    (unsigned long long)row->min, (unsigned long long)row->max);
		return false;
	}
	copy = strdup(text);
	if (copy == NULL) {
		snprintf(err, RELAY_ERR_CHARS, "out of memory");
		return false;
	}
	free(*to);
	*to = copy;
	return true;
}

static bool
full(size_t n, size_t max, char *err)
{
	if (n < max)
		return false;
	snprintf(err, RELAY_ERR_CHARS, "expected at most %zu of them", max);
	return true;
}

static bool
set_address(const struct relay_option *row, struct relay_addresses *list,
    const char *text, char *err)
{
	struct address addr;

	if (!address_parse(text, ADDRESS_PORT_NONE, &addr)) {
		snprintf(err, RELAY_ERR_CHARS, "expected " ADDRESS_SYNTAX);
		return false;
	}
	if (row->max == 1)
		list->n = 0; /* no list: the last one counts */
	if (full(list->n, (size_t)row->max, err))
		return false;
	list->at[list->n++] = addr;
	return true;
}

/* The words of a list with commas, each to `take`. */
static bool
each_word(const char *text, bool (*take)(void *to, const char *word, char *err),
    void *to, char *err)
{
	char *copy = strdup(text), *rest = copy, *word;
	bool ok = copy != NULL;

	if (!ok)
		snprintf(err, RELAY_ERR_CHARS, "out of memory");
	while (ok && (word = strsep(&rest, ",")) != NULL) {
		word += strspn(word, " \t");
		word[strcspn(word, " \t")] = '\0';
		ok = take(to, word, err);
	}
	free(copy);
	return ok;
}

static bool
take_cidr(void *to, const char *word, char *err)
{
	struct relay_cidrs *list = to;

	if (full(list->n, RELAY_LIST_MAX, err))
		return false;
	if (!cidr_parse(word, &list->at[list->n])) {
		snprintf(err, RELAY_ERR_CHARS,
		    "expected " CIDR_SYNTAX ", with commas between");
		return false;
	}
	list->n++;
	return true;
}

static bool
take_codec(void *to, const char *word, char *err)
{
	uint32_t *codecs = to;

	if (strcmp(word, "zlib") == 0)
		*codecs |= CODEC_ZLIB;
	else if (strcmp(word, "snappy") == 0)
		*codecs |= CODEC_SNAPPY;
	else
		snprintf(err, RELAY_ERR_CHARS,
		    "expected zlib, snappy, zlib,snappy or none");
	return strcmp(word, "zlib") == 0 || strcmp(word, "snappy") == 0;
}

static bool
set_codecs(uint32_t *codecs, const char *text, char *err)
{
	*codecs = 0;
	return strcmp(text, "none") == 0 ||
	    each_word(text, take_codec, codecs, err);
}

bool
relay_value_set(const struct relay_option *row, struct relay_options *opt,
    const char *text, char err[RELAY_ERR_CHARS])
{
	union value v = value_of(row, opt);

	_Static_assert(RELAY_ERR_CHARS >= CLI_ERR_CHARS, "err is for cli too");
	switch (row->kind) {
	case RELAY_FLAG:
		return set_flag(v.flag, text, err);
	case RELAY_TEXT:
		return set_text(row, v.text, text, err);
	case RELAY_NUMBER:
		return cli_take_number(text, row->min, row->max, v.number, err);
	case RELAY_SIZE:
		return cli_take_size(text, row->min, row->max, v.number, err);
	case RELAY_DURATION:
		return cli_take_duration_ns(
		    text, (int64_t)row->min, (int64_t)row->max, v.ns, err);
	case RELAY_WORD:
		return cli_take_word(text, row->words, v.word, err);
	case RELAY_CODECS:
		return set_codecs(v.codecs, text, err);
	case RELAY_ADDRESSES:
		return set_address(row, v.addresses, text, err);
	case RELAY_CIDRS:
		return each_word(text, take_cidr, v.cidrs, err);
	}
	return false;
}

static bool
same_addresses(const struct relay_addresses *a, const struct relay_addresses *b)
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
same_cidrs(const struct relay_cidrs *a, const struct relay_cidrs *b)
{
	size_t i = 0;

	while (i < a->n && i < b->n && a->at[i].bits == b->at[i].bits &&
	    memcmp(a->at[i].ip, b->at[i].ip, sizeof(a->at[i].ip)) == 0)
		i++;
	return i == a->n && i == b->n;
}

bool
relay_value_same(const struct relay_option *row, const struct relay_options *a,
    const struct relay_options *b)
{
	union const_value va = const_value_of(row, a),
			  vb = const_value_of(row, b);

	switch (row->kind) {
	case RELAY_TEXT:
		if (*va.text == NULL || *vb.text == NULL)
			return *va.text == *vb.text;
		return strcmp(*va.text, *vb.text) == 0;
	case RELAY_ADDRESSES:
		return same_addresses(va.addresses, vb.addresses);
	case RELAY_CIDRS:
		return same_cidrs(va.cidrs, vb.cidrs);
	default: /* plain numbers */
		return memcmp(va.p, vb.p, value_bytes(row)) == 0;
	}
}

bool
relay_value_copy(const struct relay_option *row, struct relay_options *to,
    const struct relay_options *from)
{
	union const_value theirs = const_value_of(row, from);
	union value ours = value_of(row, to);
	char *copy = NULL;

	if (row->kind != RELAY_TEXT) {
		memcpy(ours.p, theirs.p, value_bytes(row));
		return true;
	}
	if (*theirs.text != NULL && (copy = strdup(*theirs.text)) == NULL)
		return false;
	free(*ours.text);
	*ours.text = copy;
	return true;
}

void
relay_value_clear(const struct relay_option *row, struct relay_options *opt)
{
	union value v = value_of(row, opt);

	if (row->kind == RELAY_TEXT)
		free(*v.text);
	memset(v.p, 0, value_bytes(row));
}
