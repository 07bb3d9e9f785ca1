/* SPDX-License-Identifier: MIT */
/* cmd/common/looks_like: whole signs only, and never past the end. */
#include "cmd/common/looks_like.h"

#include "tests/unit/unit.h"

#define ROW(text, name) \
	{ \
		text, sizeof(text) - 1, name \
	}

static const struct row {
	const char *bytes;
	size_t n;
	const char *name;
} rows[] = {
	ROW("", NULL), ROW("\x16\x03\x01\x02\x00\x01", "TLS"),
	ROW("\x16\x03\x03", "TLS"), ROW("\x16\x03", NULL),
	ROW("\x16\x04\x01", NULL), ROW("GET / HTTP/1.1\r\n", "HTTP"),
	ROW("GETTER", NULL), ROW("PRI * HTTP/2.0\r\n", "HTTP"),
	ROW("SSH-2.0-x", "SSH"), ROW("PROXY TCP4 ", "a PROXY header"),
	ROW("\r\n\r\n\0\r\nQUIT\n\x21", "a PROXY header"),
	ROW("\r\n\r\n\0\r\nQUIT", NULL),
	ROW("\x0d\0\0\x10\x09\0\0\0", NULL), /* a frame */
};

START_TEST(signs)
{
	const struct row *row = &rows[_i];
	struct bnet_slice copy = unit_copy((const uint8_t *)row->bytes, row->n);

	ck_assert_pstr_eq(looks_like(copy), row->name);
	unit_free(copy);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("looks_like");
	TCase *tc = unit_case(suite, "looks_like");

	tcase_add_loop_test(tc, signs, 0, UNIT_ROWS(rows));
	return suite;
}

UNIT_MAIN(make_suite)
