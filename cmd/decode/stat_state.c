/* SPDX-License-Identifier: MIT */
#include "cmd/decode/stat_state.h"

#include "cmd/common/u128.h"
#include "cmd/decode/stat.h"
#include "cmd/stats/hdr.h"
#include "cmd/stats/summary.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_TOP UINT32_MAX /* of what a histogram without a limit counts */
#define KEY_WORDS_MAX 16
#define NAMED_CHARS 48

/* ---- saving ---- */

/* A count of 2^63 and more is not reached. */
static json_t *
u64_of(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *
sums_of(const uint64_t *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, u64_of(v[i])) != 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *
hdr_sums_of(const struct hdr_sums *sums)
{
	char sum[U128_CHARS], squares[U128_CHARS];

	return json_pack("{s:I, s:I, s:I, s:s, s:s}", "count",
	    (json_int_t)sums->count, "min", (json_int_t)sums->min, "max",
	    (json_int_t)sums->max, "sum", u128_text(sums->sum, sum),
	    "sum_squares", u128_text(sums->sum_squares, squares));
}

static json_t *
hdr_of(const struct hdr *hdr)
{
	json_t *object = hdr_sums_of(&hdr->sums);
	char *text = hdr_encode(hdr);

	if (text == NULL ||
	    json_object_set_new(object, "histogram", json_string(text)) != 0) {
		json_decref(object);
		object = NULL;
	}
	free(text);
	return object;
}

static bool
is_zero(const struct stat_field *field, const void *at)
{
	const uint64_t *sums = at;
	size_t n = field->n > 0 ? field->n : 1;

	switch (field->type) {
	case STAT_SUM:
	case STAT_MAX:
		for (size_t i = 0; i < n; i++)
			if (sums[i] != 0)
				return false;
		return true;
	case STAT_TALLY:
		return ((const struct tally *)at)->count == 0;
	case STAT_SPAN:
		return !((const struct stat_span *)at)->any;
	case STAT_SUMS:
		return ((const struct hdr_sums *)at)->count == 0;
	case STAT_HDR:
		return ((const struct hdr *)at)->sums.count == 0;
	case STAT_NAME:
		return *(const char *const *)at == NULL;
	case STAT_PART:
		return false;
	}
	return true;
}

static json_t *
part_of(const void *of, const struct stat_field *fields)
{
	json_t *object = json_object();

	if (object == NULL || stat_fields_save(object, of, fields))
		return object;
	json_decref(object);
	return NULL;
}

static json_t *
value_of(const struct stat_field *field, const void *at)
{
	const struct tally *tally = at;
	const struct stat_span *span = at;

	switch (field->type) {
	case STAT_SUM:
		return field->n > 0 ? sums_of(at, field->n)
				    : u64_of(*(const uint64_t *)at);
	case STAT_MAX:
		return u64_of(*(const uint64_t *)at);
	case STAT_TALLY:
		return json_pack("{s:I, s:I, s:I, s:I}", "count",
		    (json_int_t)tally->count, "min", (json_int_t)tally->min,
		    "max", (json_int_t)tally->max, "sum",
		    (json_int_t)tally->sum);
	case STAT_SPAN:
		return json_pack("[I, I]", (json_int_t)span->first_ns,
		    (json_int_t)span->last_ns);
	case STAT_SUMS:
		return hdr_sums_of(at);
	case STAT_HDR:
		return hdr_of(at);
	case STAT_NAME:
		return json_string(*(const char *const *)at);
	case STAT_PART:
		return part_of(at, field->fields);
	}
	return NULL;
}

bool
stat_fields_save(json_t *to, const void *of, const struct stat_field *fields)
{
	const char *base = of;

	for (; fields->name != NULL; fields++)
		if (!is_zero(fields, base + fields->at) &&
		    json_object_set_new(to, fields->name,
			value_of(fields, base + fields->at)) != 0)
			return false;
	return true;
}

/* Each byte is the character of its number, so that any name is text. */
static json_t *
text_of(const char *bytes, size_t max)
{
	size_t n = strnlen(bytes, max), at = 0;
	char text[2 * KEY_WORDS_MAX * sizeof(uint64_t)];

	for (size_t i = 0; i < n; i++) {
		const unsigned char c = (unsigned char)bytes[i];

		if (c >= 0x80)
			text[at++] = (char)(0xc0 | c >> 6);
		text[at++] = (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c);
	}
	return json_stringn(text, at);
}

static json_t *
key_of(const struct stat_rows *rows, const struct map *map, const void *row)
{
	const uint64_t *words = row;
	json_t *list;

	if (rows->text)
		return text_of(row, map->key_words * sizeof(uint64_t));
	list = json_array();
	for (size_t i = 0; i < map->key_words; i++)
		if (json_array_append_new(list, u64_of(words[i])) != 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *
row_of(const struct stat_rows *rows, const struct map *map, const void *row)
{
	json_t *object = json_object();

	if (json_object_set_new(object, "key", key_of(rows, map, row)) == 0 &&
	    stat_fields_save(object, row, rows->fields))
		return object;
	json_decref(object);
	return NULL;
}

static bool
save_rows(json_t *to, const struct stat_rows *rows, const struct map *map)
{
	json_t *list = json_array(), *others;

	if (json_object_set_new(to, "rows", list) != 0)
		return false;
	for (size_t i = 0; i < map->n; i++)
		if (json_array_append_new(
			list, row_of(rows, map, map_at(map, i))) != 0)
			return false;
	if (map->n_refused == 0)
		return true;
	others = part_of(map->others, rows->fields);
	return json_object_set_new(to, "others", others) == 0 &&
	    json_object_set_new(to, "refused", u64_of(map->n_refused)) == 0;
}

json_t *
stat_state_save(
    const struct stat_ops *ops, const void *state, const struct stat_out *to)
{
	json_t *object = json_object();
	const char *base = state;

	if (object != NULL &&
	    (ops->fields == NULL ||
		stat_fields_save(object, state, ops->fields)) &&
	    (ops->rows == NULL ||
		save_rows(
		    object, ops->rows, (const void *)(base + ops->rows->at))) &&
	    (ops->save == NULL || ops->save(state, to, object)))
		return object;
	json_decref(object);
	return NULL;
}

/* ---- loading ---- */

static bool
bad(char *err, const char *name, const char *expected)
{
	snprintf(err, STAT_STATE_ERR_CHARS, "%.*s: expected %s", NAMED_CHARS,
	    name, expected);
	return false;
}

static bool
whole(json_t *v, uint64_t max, uint64_t *number)
{
	*number = json_is_integer(v) ? (uint64_t)json_integer_value(v) : 0;
	return json_is_integer(v) && json_integer_value(v) >= 0 &&
	    *number <= max;
}

static bool
load_sums(json_t *v, uint64_t *to, size_t n)
{
	uint64_t more;

	if (!json_is_array(v) || json_array_size(v) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!whole(json_array_get(v, i), INT64_MAX, &more))
			return false;
		to[i] += more;
	}
	return true;
}

static bool
load_tally(json_t *v, struct tally *to)
{
	struct tally from;

	if (!whole(json_object_get(v, "count"), INT64_MAX, &from.count) ||
	    !whole(json_object_get(v, "min"), INT64_MAX, &from.min) ||
	    !whole(json_object_get(v, "max"), INT64_MAX, &from.max) ||
	    !whole(json_object_get(v, "sum"), INT64_MAX, &from.sum) ||
	    from.count == 0 || from.min > from.max)
		return false;
	tally_merge(to, &from);
	return true;
}

static bool
load_span(json_t *v, struct stat_span *to)
{
	json_t *first = json_array_get(v, 0), *last = json_array_get(v, 1);
	const int64_t first_ns = json_integer_value(first);
	const int64_t last_ns = json_integer_value(last);

	if (!json_is_integer(first) || !json_is_integer(last))
		return false;
	if (!to->any || first_ns < to->first_ns)
		to->first_ns = first_ns;
	if (!to->any || last_ns > to->last_ns)
		to->last_ns = last_ns;
	to->any = true;
	return true;
}

static bool
read_hdr_sums(json_t *v, struct hdr_sums *sums)
{
	uint64_t min, max;
	bool ok = whole(json_object_get(v, "count"), INT64_MAX, &sums->count) &&
	    whole(json_object_get(v, "min"), INT64_MAX, &min) &&
	    whole(json_object_get(v, "max"), INT64_MAX, &max) &&
	    u128_read(
		json_string_value(json_object_get(v, "sum")), &sums->sum) &&
	    u128_read(json_string_value(json_object_get(v, "sum_squares")),
		&sums->sum_squares);

	sums->min = ok ? (int64_t)min : 0;
	sums->max = ok ? (int64_t)max : 0;
	return ok && hdr_sums_possible(sums);
}

static bool
load_hdr(json_t *v, struct hdr *to, const struct stat_field *field)
{
	json_t *text = json_object_get(v, "histogram");
	struct hdr_sums sums = { 0 };
	struct hdr from;
	bool ok;

	if (!json_is_string(text) || !read_hdr_sums(v, &sums) ||
	    hdr_decode(
		(struct bnet_slice){ (const uint8_t *)json_string_value(text),
		    json_string_length(text) },
		&from) != NULL)
		return false;
	ok = from.digits == field->digits && hdr_sums_fit(&from, &sums) &&
	    (field->highest > 0 || sums.max <= SIZE_TOP) &&
	    (to->counts != NULL || hdr_init(to, field->digits, field->highest));
	if (ok) {
		from.sums = sums;
		hdr_merge(to, &from);
	}
	hdr_free(&from);
	return ok;
}

static bool
load_value(json_t *v, void *at, const struct stat_field *field, char *err)
{
	struct hdr_sums sums = { 0 };
	const char **name = at;
	uint64_t *sum = at;
	uint64_t number = 0;

	switch (field->type) {
	case STAT_SUM:
		if (field->n > 0)
			return load_sums(v, at, field->n) ||
			    bad(err, field->name, "its counts");
		if (!whole(v, INT64_MAX, &number))
			return bad(err, field->name, "a count");
		*sum += number;
		return true;
	case STAT_MAX:
		if (!whole(v, INT64_MAX, &number))
			return bad(err, field->name, "a number");
		*sum = number > *sum ? number : *sum;
		return true;
	case STAT_TALLY:
		return load_tally(v, at) || bad(err, field->name, "a tally");
	case STAT_SPAN:
		return load_span(v, at) || bad(err, field->name, "two times");
	case STAT_SUMS:
		if (!read_hdr_sums(v, &sums))
			return bad(err, field->name, "sums");
		hdr_sums_merge(at, &sums);
		return true;
	case STAT_HDR:
		return load_hdr(v, at, field) ||
		    bad(err, field->name, "a histogram and its sums");
	case STAT_NAME:
		if (*name == NULL)
			*name = json_string_value(v);
		return json_is_string(v) || bad(err, field->name, "a name");
	case STAT_PART:
		return stat_fields_load(v, at, field->fields, err);
	}
	return false;
}

bool
stat_fields_load(json_t *from, void *of, const struct stat_field *fields,
    char err[STAT_STATE_ERR_CHARS])
{
	char *base = of;
	json_t *v;

	for (; fields->name != NULL; fields++) {
		v = json_object_get(from, fields->name);
		if (v != NULL && !load_value(v, base + fields->at, fields, err))
			return false;
	}
	return true;
}

static bool
read_text(json_t *v, char *to, size_t max)
{
	const unsigned char *s = (const void *)json_string_value(v);
	size_t n = 0;

	if (s == NULL)
		return false;
	for (; *s != '\0'; s++) {
		if (n == max - 1 || *s > 0xc3)
			return false;
		if (*s < 0x80)
			to[n++] = (char)*s;
		else /* jansson made sure that another one follows */
			to[n++] = (char)((*s & 3) << 6 | (s[1] & 0x3f));
		s += *s >= 0x80;
	}
	return true;
}

static bool
read_key(json_t *v, const struct stat_rows *rows, size_t n_words,
    uint64_t words[KEY_WORDS_MAX])
{
	memset(words, 0, KEY_WORDS_MAX * sizeof(uint64_t));
	if (rows->text)
		return read_text(v, (char *)words, n_words * sizeof(uint64_t));
	for (size_t i = 0; i < n_words; i++) {
		json_t *word = json_array_get(v, i);

		if (!json_is_integer(word))
			return false;
		words[i] = (uint64_t)json_integer_value(word);
	}
	return true;
}

static bool
load_rows(json_t *from, const struct stat_rows *rows, struct map *map,
    int64_t shift, char *err)
{
	uint64_t words[KEY_WORDS_MAX], n_refused = 0;
	json_t *list = json_object_get(from, "rows"), *row;
	json_t *refused = json_object_get(from, "refused");
	json_t *others = json_object_get(from, "others");
	size_t i;

	if (!json_is_array(list))
		return bad(err, "rows", "a list");
	json_array_foreach(list, i, row)
	{
		if (!read_key(json_object_get(row, "key"), rows, map->key_words,
			words))
			return bad(err, "key", "the key of a row");
		if (rows->key_is_good != NULL && !rows->key_is_good(words))
			return bad(err, "key", "the key of a row");
		words[0] += (uint64_t)shift;
		if (!stat_fields_load(
			row, map_get(map, words), rows->fields, err))
			return false;
	}
	if (refused == NULL)
		return true;
	if (!whole(refused, INT64_MAX, &n_refused))
		return bad(err, "refused", "a count");
	map->n_refused += n_refused;
	return stat_fields_load(others, map->others, rows->fields, err);
}

bool
stat_state_load(const struct stat_ops *ops, void *state, json_t *from,
    char err[STAT_STATE_ERR_CHARS])
{
	char *base = state;
	int64_t shift = 0;

	err[0] = '\0';
	if (!json_is_object(from))
		return bad(err, "state", "an object");
	if (ops->load != NULL && !ops->load(state, from, &shift, err))
		return false;
	if (ops->fields != NULL &&
	    !stat_fields_load(from, state, ops->fields, err))
		return false;
	return ops->rows == NULL ||
	    load_rows(
		from, ops->rows, (void *)(base + ops->rows->at), shift, err);
}
