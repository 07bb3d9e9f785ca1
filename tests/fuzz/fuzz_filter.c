/* SPDX-License-Identifier: MIT */
/*
 * Any text as a filter: it is an expression, whose opposite lets the other
 * records pass, or it is none, and the place shown is inside it.
 */
#include "cmd/filter/filter.h"

#include "tests/fuzz/fuzz.h"
#include "tests/unit/filter_records.h"

static void
check_error(const char *text, const struct filter_error *err)
{
	char report[FILTER_REPORT_CHARS];
	size_t len = filter_error_format(report, sizeof(report), text, err);

	if (err->at_bytes > strlen(text) || err->column > err->at_bytes + 1)
		__builtin_trap();
	if (err->column == 0 || err->text[0] == '\0')
		__builtin_trap();
	if (len >= sizeof(report) || len != strlen(report) ||
	    strcmp(report + len - 2, "^\n") != 0)
		__builtin_trap();
}

static unsigned
passing(const struct filter *f)
{
	static struct records recs;
	unsigned pass = 0;

	if (recs.r[0].event == NULL)
		records_init(&recs);
	for (unsigned i = 0; i < N_RECS; i++)
		pass |= filter_match(f, &recs.r[i]) ? 1u << i : 0;
	return pass;
}

/* NULL as well where the text is now too long or too deep. */
static void
check_opposite(const char *text, unsigned pass)
{
	size_t size = strlen(text) + sizeof("not()");
	char *opposite = malloc(size);
	struct filter_error err;
	struct filter *f;

	if (opposite == NULL)
		return;
	snprintf(opposite, size, "not(%s)", text);
	f = filter_compile(opposite, &err);
	if (f != NULL && passing(f) != (~pass & ((1u << N_RECS) - 1)))
		__builtin_trap();
	filter_free(f);
	free(opposite);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filter_error err;
	struct filter *f;
	char *text = malloc(size + 1);

	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	f = filter_compile(text, &err);
	if (f == NULL)
		check_error(text, &err);
	else
		check_opposite(text, passing(f));
	filter_free(f);
	free(text);
	return 0;
}
