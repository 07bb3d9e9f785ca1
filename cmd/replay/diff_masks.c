/* SPDX-License-Identifier: MIT */
/* What --ignore says. */
#include "cmd/replay/diff_impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const diff_field_names[DIFF_N_FIELDS] = {
	[DIFF_F_HEADER] = "header",
	[DIFF_F_SOURCE] = "source",
	[DIFF_F_DEST_TYPE] = "dest_type",
	[DIFF_F_DEST] = "dest",
	[DIFF_F_FORKS] = "forks",
	[DIFF_F_SERIAL] = "serial",
	[DIFF_F_LATENCY] = "latency_ms",
	[DIFF_F_PRIORITY] = "priority",
	[DIFF_F_TIMESTAMP] = "timestamp",
	[DIFF_F_TRAILING] = "trailing",
	[DIFF_F_CODEC] = "codec",
	[DIFF_F_PAYLOAD] = "payload",
	[DIFF_F_MISSING] = "missing",
	[DIFF_F_EXTRA] = "extra",
	[DIFF_F_ORDER] = "order",
};

/* ---- use ---- */

static bool
is_range(const struct diff_mask *mask)
{
	return mask->from != 0 || mask->to != 0;
}

uint32_t
diff_masked_fields(const struct diff_masks *masks)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < masks->n; i++)
		if (!is_range(&masks->masks[i]))
			bits |= DIFF_BIT(masks->masks[i].field);
	return bits;
}

bool
diff_byte_is_masked(const struct diff_masks *masks, uint64_t i)
{
	for (size_t m = 0; m < masks->n; m++) {
		const struct diff_mask *mask = &masks->masks[m];

		if (is_range(mask) && i >= mask->from &&
		    (mask->to == 0 || i < mask->to))
			return true;
	}
	return false;
}

/* ---- parsing ---- */

static bool
wrong(const char *text, const char *item, size_t n, const char *expected,
    char err[CLI_ERR_CHARS])
{
	(void)snprintf(err, CLI_ERR_CHARS, "'%.*s' at character %zu: %s",
	    n < 80 ? (int)n : 80, item, (size_t)(item - text) + 1, expected);
	return false;
}

static bool
no_field(const char *text, const char *item, size_t n, char err[CLI_ERR_CHARS])
{
	char expected[CLI_ERR_CHARS] = "expected payload[FROM:TO]";
	size_t len = strlen(expected);

	for (size_t i = 0; i < DIFF_N_FIELDS; i++)
		len += (size_t)snprintf(expected + len, sizeof(expected) - len,
		    "%s%s", i + 1 < DIFF_N_FIELDS ? ", " : " or ",
		    diff_field_names[i]);
	return wrong(text, item, n, expected, err);
}

/* Digits, or none: *v stays. Returns what is behind; NULL: too large. */
static const char *
take_digits(const char *p, uint64_t *v)
{
	char *end;

	if (!isdigit((unsigned char)*p))
		return p;
	errno = 0;
	*v = strtoull(p, &end, 10);
	return errno != 0 ? NULL : end;
}

/* "[FROM:TO]" up to `end`; either may be left out, but not both. */
static bool
take_range(const char *p, const char *end, struct diff_mask *mask)
{
	bool open_ended;

	p = take_digits(p + 1, &mask->from);
	if (p == NULL || *p != ':')
		return false;
	open_ended = p[1] == ']';
	p = take_digits(p + 1, &mask->to);
	if (p == NULL || p != end - 1 || *p != ']')
		return false;
	return open_ended ? mask->from > 0 : mask->to > mask->from;
}

static bool
take_item(struct diff_mask *mask, const char *text, const char *item, size_t n,
    char err[CLI_ERR_CHARS])
{
	size_t name_chars = strcspn(item, "[,");
	int field = 0;

	if (name_chars > n)
		name_chars = n;
	while (field < DIFF_N_FIELDS &&
	    (strlen(diff_field_names[field]) != name_chars ||
		memcmp(diff_field_names[field], item, name_chars) != 0))
		field++;
	if (field == DIFF_N_FIELDS)
		return no_field(text, item, n, err);
	*mask = (struct diff_mask){ .field = field };
	if (name_chars == n)
		return true;
	if (field != DIFF_F_PAYLOAD)
		return wrong(text, item, n,
		    "only payload has parts: payload[FROM:TO]", err);
	if (take_range(item + name_chars, item + n, mask))
		return true;
	return wrong(text, item, n,
	    "expected payload[FROM:TO], bytes from 0, TO behind the last:"
	    " payload[0:8], payload[8:], payload[:8]",
	    err);
}

bool
diff_masks_parse(
    struct diff_masks *masks, const char *text, char err[CLI_ERR_CHARS])
{
	const char *item = text;

	*masks = (struct diff_masks){
		.masks = { { DIFF_F_LATENCY, 0, 0 },
		    { DIFF_F_TIMESTAMP, 0, 0 } },
		.n = 2,
	};
	while (item != NULL) {
		size_t n = strcspn(item, ",");

		if (masks->n == DIFF_MASKS_MAX)
			return wrong(text, item, n, "these are too many", err);
		if (!take_item(&masks->masks[masks->n++], text, item, n, err))
			return false;
		item = item[n] == ',' ? item + n + 1 : NULL;
	}
	return true;
}
