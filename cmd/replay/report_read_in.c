/* SPDX-License-Identifier: MIT */
#include "cmd/replay/report_read_impl.h"
#include "cmd/stats/hdr.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define WHERE_CHARS 128
#define U128_MAX (~(hdr_u128)0)

/* "buckets[3].latency.count" */
static void
say_where(const struct in *at, char where[WHERE_CHARS])
{
	size_t n;

	if (at->up == NULL)
		return;
	say_where(at->up, where);
	n = strlen(where);
	if (at->name == NULL)
		snprintf(where + n, WHERE_CHARS - n, "[%zu]", at->i);
	else
		snprintf(where + n, WHERE_CHARS - n, "%s%s", n > 0 ? "." : "",
		    at->name);
}

bool
in_bad(const struct in *at, const char *format, ...)
{
	char where[WHERE_CHARS] = "", what[WHERE_CHARS];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	say_where(at, where);
	snprintf(at->err, CLI_ERR_CHARS, "%.200s: %s%sexpected %s", at->path,
	    where, where[0] != '\0' ? ": " : "", what);
	return false;
}

bool
in_no_memory(const struct in *at)
{
	snprintf(at->err, CLI_ERR_CHARS, "%.200s: out of memory", at->path);
	return false;
}

static const char *
type_name(json_type type)
{
	switch (type) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	default:
		return "a whole number";
	}
}

static void
enter(const struct in *up, const char *name, size_t i, struct in *at)
{
	*at = (struct in){
		.path = up->path, .err = up->err, .up = up, .name = name, .i = i
	};
	at->v = name != NULL ? json_object_get(up->v, name)
			     : json_array_get(up->v, i);
}

bool
in_member(const struct in *up, const char *name, json_type type, struct in *at)
{
	enter(up, name, 0, at);
	if (at->v == NULL || json_typeof(at->v) != type)
		return in_bad(at, "%s", type_name(type));
	return true;
}

bool
in_element(const struct in *up, size_t i, json_type type, struct in *at)
{
	enter(up, NULL, i, at);
	if (at->v == NULL || json_typeof(at->v) != type)
		return in_bad(at, "%s", type_name(type));
	return true;
}

/* Nothing but digits, and not more than there is room for. */
static bool
digits(json_t *string, hdr_u128 *v)
{
	const char *text = json_string_value(string);
	size_t n = json_string_length(string);

	*v = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned digit = (unsigned)text[i] - '0';

		if (digit > 9 || *v > (U128_MAX - digit) / 10)
			return false;
		*v = *v * 10 + digit;
	}
	return n > 0;
}

static bool
whole(const struct in *at, uint64_t max, uint64_t *v)
{
	json_int_t number =
	    json_is_integer(at->v) ? json_integer_value(at->v) : -1;
	hdr_u128 wide = (hdr_u128)number;
	bool ok = number >= 0;

	if (json_is_string(at->v))
		ok = digits(at->v, &wide);
	*v = (uint64_t)wide;
	if (ok && wide <= max)
		return true;
	return in_bad(at, "a number from 0 to %" PRIu64, max);
}

bool
in_u64(const struct in *up, const char *name, uint64_t max, uint64_t *v)
{
	struct in at;

	enter(up, name, 0, &at);
	return whole(&at, max, v);
}

bool
in_element_u64(const struct in *up, size_t i, uint64_t max, uint64_t *v)
{
	struct in at;

	enter(up, NULL, i, &at);
	return whole(&at, max, v);
}

bool
in_ns(const struct in *up, const char *name, int64_t max_ns, int64_t *v)
{
	uint64_t wide;

	if (!in_u64(up, name, (uint64_t)max_ns, &wide))
		return false;
	*v = (int64_t)wide;
	return true;
}

bool
in_i32(const struct in *up, const char *name, int32_t *v)
{
	struct in at;
	json_int_t number;

	if (!in_member(up, name, JSON_INTEGER, &at))
		return false;
	number = json_integer_value(at.v);
	if (number < INT32_MIN || number > INT32_MAX)
		return in_bad(&at, "a number of 32 bits");
	*v = (int32_t)number;
	return true;
}

bool
in_bool(const struct in *up, const char *name, bool *v)
{
	struct in at;

	enter(up, name, 0, &at);
	if (!json_is_boolean(at.v))
		return in_bad(&at, "true or false");
	*v = json_is_true(at.v);
	return true;
}

bool
in_text(const struct in *up, const char *name, char text[REPORT_TEXT_CHARS])
{
	struct in at;
	size_t n;

	if (!in_member(up, name, JSON_STRING, &at))
		return false;
	n = json_string_length(at.v);
	if (n >= REPORT_TEXT_CHARS)
		n = REPORT_TEXT_CHARS - 1;
	memcpy(text, json_string_value(at.v), n);
	text[n] = '\0'; /* jansson lets no other NUL in */
	return true;
}

static bool
in_u128(const struct in *up, const char *name, hdr_u128 *v)
{
	struct in at;

	if (!in_member(up, name, JSON_STRING, &at))
		return false;
	if (!digits(at.v, v))
		return in_bad(&at, "a number of at most 128 bits, as a string");
	return true;
}

static bool
read_sums(const struct in *at, struct hdr_sums *sums)
{
	return in_u64(at, "count", UINT64_MAX, &sums->count) &&
	    in_ns(at, "min_ns", INT64_MAX, &sums->min) &&
	    in_ns(at, "max_ns", INT64_MAX, &sums->max) &&
	    in_u128(at, "sum_ns", &sums->sum) &&
	    in_u128(at, "sum_squares_ns2", &sums->sum_squares);
}

/* Could values that are counted so have these sums? */
static bool
agree(const struct hdr *hdr, const struct hdr_sums *sums)
{
	hdr_u128 min = (hdr_u128)sums->min, max = (hdr_u128)sums->max;
	hdr_u128 n = sums->count;

	if (n != hdr->sums.count)
		return false;
	if (n == 0)
		return max == 0 && sums->sum == 0 && sums->sum_squares == 0;
	return hdr_index(hdr, sums->min) == hdr->first &&
	    hdr_index(hdr, sums->max) == hdr->last && min <= max &&
	    sums->sum >= n * min && sums->sum <= n * max &&
	    sums->sum_squares / n >= min * min &&
	    sums->sum_squares / n <= max * max;
}

bool
in_hdr(const struct in *up, const char *name, struct hdr *hdr)
{
	struct in at, text;
	struct hdr_sums sums;
	const char *wrong;
	struct hdr got;

	if (!in_member(up, name, JSON_OBJECT, &at) || !read_sums(&at, &sums) ||
	    !in_member(&at, "histogram", JSON_STRING, &text))
		return false;
	wrong = hdr_decode(
	    (struct bnet_slice){ (const uint8_t *)json_string_value(text.v),
		json_string_length(text.v) },
	    &got);
	if (wrong != NULL)
		return in_bad(&text, "a histogram: %s", wrong);
	if (got.digits != hdr->digits || got.highest != hdr->highest) {
		hdr_free(&got);
		return in_bad(&text, "a histogram of %u digits to %" PRId64,
		    hdr->digits, hdr->highest);
	}
	if (!agree(&got, &sums)) {
		hdr_free(&got);
		return in_bad(&at, "sums that the histogram can have");
	}
	got.sums = sums;
	hdr_free(hdr);
	*hdr = got;
	return true;
}
