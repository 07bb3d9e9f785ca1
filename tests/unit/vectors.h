/* SPDX-License-Identifier: MIT */
/* Reading fixtures/vectors/NAME.jsonl: one JSON object a line. */
#ifndef UNIT_VECTORS_H
#define UNIT_VECTORS_H

#include "tests/unit/unit.h"

#include <jansson.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>

#define VECTORS_LINE_BYTES 65536
#define VECTORS_DIGITS_MAX 18 /* of a number that jansson surely can hold */

/*
 * jansson's integers are signed: longer numbers are put in quotes. `out` has
 * room for twice the line.
 */
static inline void
vectors_quote(const char *line, char *out)
{
	bool in_string = false;

	while (*line != '\0') {
		size_t n = strspn(line, "-0123456789");
		bool quote = !in_string && n > VECTORS_DIGITS_MAX;

		if (n == 0) {
			n = 1;
			if (*line == '"')
				in_string = !in_string;
			if (*line == '\\') /* \u0000, \" */
				n = line[1] == '\0' ? 1 : 2;
		}
		if (quote)
			*out++ = '"';
		memcpy(out, line, n);
		out += n;
		line += n;
		if (quote)
			*out++ = '"';
	}
	*out = '\0';
}

/* Every object of the file, in an array that the caller gives back. */
static inline json_t *
vectors_load(const char *name)
{
	static char line[VECTORS_LINE_BYTES], quoted[2 * VECTORS_LINE_BYTES];
	const char *fixtures = getenv("BNET_FIXTURES");
	json_t *all = json_array();
	json_error_t error;
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/vectors/%s.jsonl",
	    fixtures == NULL ? "fixtures" : fixtures, name);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "can not open %s", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		json_t *object;

		vectors_quote(line, quoted);
		object = json_loads(quoted, JSON_ALLOW_NUL, &error);
		ck_assert_msg(
		    object != NULL, "%s: %s: %s", path, error.text, quoted);
		ck_assert_int_eq(json_array_append_new(all, object), 0);
	}
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_msg(json_array_size(all) > 0, "%s is empty", path);
	return all;
}

/* The member `key` of `object`, which has to be there. */
static inline json_t *
vectors_get(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	ck_assert_msg(value != NULL, "no \"%s\"", key);
	return value;
}

static inline const char *
vectors_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(vectors_get(object, key));

	ck_assert_msg(text != NULL, "\"%s\" is no string", key);
	return text;
}

static inline bool
vectors_bool(const json_t *object, const char *key)
{
	const json_t *value = vectors_get(object, key);

	ck_assert_msg(json_is_boolean(value), "\"%s\" is no boolean", key);
	return json_is_true(value);
}

/* A number, or one that vectors_quote() made a string. */
static inline uint64_t
vectors_number(const json_t *value)
{
	if (!json_is_string(value)) {
		ck_assert_msg(json_is_integer(value), "no number");
		return (uint64_t)json_integer_value(value);
	}
	if (json_string_value(value)[0] == '-')
		return (uint64_t)strtoll(json_string_value(value), NULL, 10);
	return strtoull(json_string_value(value), NULL, 10);
}

/* The same of a member; cast it to int64_t where it is signed. */
static inline uint64_t
vectors_u64(const json_t *object, const char *key)
{
	return vectors_number(vectors_get(object, key));
}

#endif
