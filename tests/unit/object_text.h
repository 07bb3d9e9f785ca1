/* SPDX-License-Identifier: MIT */
/* A tree as JSON in memory, and the same read back by jansson. */
#ifndef UNIT_OBJECT_TEXT_H
#define UNIT_OBJECT_TEXT_H

#include "cmd/common/object_json.h"
#include "tests/unit/vectors.h"

#include <fcntl.h>

#define OBJECT_TEXT_WORK ((uint64_t)64 * 1024)

/* The JSON of a node; it stays in the buffer, which is not written out. */
static inline const char *
object_text(const struct bnet_node *node)
{
	static struct outbuf out;

	out_init(&out, -1, false);
	object_json(&out, node, OBJECT_TEXT_WORK);
	ck_assert_int_eq(out.error, 0);
	ck_assert_uint_lt(out.n, OUTBUF_BYTES);
	out.p[out.n] = '\0';
	return out.p;
}

static inline json_t *
object_parse(const char *text)
{
	static char quoted[2 * OUTBUF_BYTES];
	json_error_t error;
	json_t *value;

	vectors_quote(text, quoted);
	value = json_loads(quoted, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
	UNIT_MUST(value != NULL, "%s: %.200s", error.text, quoted);
	return value;
}

static inline void
object_is(const char *what, const struct bnet_node *node, const json_t *want)
{
	json_t *got;

	UNIT_MUST(node != NULL, "%s: no object", what);
	got = object_parse(object_text(node));
	UNIT_MUST(json_equal(got, want), "%s: %s", what, object_text(node));
	json_decref(got);
}

/* fixtures/vectors/marshal-named.json */
static inline json_t *
object_named(void)
{
	const char *fixtures = getenv("BNET_FIXTURES");
	json_error_t error;
	char path[512];
	json_t *all;

	(void)snprintf(path, sizeof(path), "%s/vectors/marshal-named.json",
	    fixtures == NULL ? "fixtures" : fixtures);
	all = json_load_file(path, 0, &error);
	ck_assert_msg(all != NULL, "%s: %s", path, error.text);
	return all;
}

#endif
