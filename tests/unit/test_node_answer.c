/* SPDX-License-Identifier: MIT */
/* cmd/node/answer */
#include "cmd/node/answer.h"
#include "tests/unit/unit.h"

#define ROOM 4096

static const struct {
	const char *in, *out;
	size_t reply_bytes;
} apps[] = {
	{ "hello", "hello\0\0\0", 8 },
	{ "hello", "hel", 3 },
	{ "", "\0\0", 2 },
	{ "hello", "", 0 },
	{ "hello", "hello", 5 },
};

START_TEST(app)
{
	const struct bnet_header from = { .source = 5, .key = -77, .forks = 0 };
	struct bnet_slice in = unit_copy(apps[_i].in, strlen(apps[_i].in));
	const struct bnet_slice out = { (const uint8_t *)apps[_i].out,
		apps[_i].reply_bytes };
	struct bnet_header header;
	struct bnet_buf body;

	bnet_buf_init(&body, ROOM);
	unit_err("app",
	    answer_app(&from, in, apps[_i].reply_bytes, &header, &body),
	    BNET_OK);
	unit_same("app", bnet_buf_slice(&body), out);
	ck_assert_int_eq(header.dest_type, BNET_DEST_CLIENT);
	ck_assert_int_eq(header.dest, 5);
	ck_assert_int_eq(header.key, -77);
	unit_err("too large", answer_app(&from, in, ROOM + 1, &header, &body),
	    BNET_ELIMIT);
	unit_free(in);
	bnet_buf_free(&body);
}
END_TEST

static const bool final[] = {
	[BNET_CODE_VERSION] = true,
	[BNET_CODE_NOT_AUTHORISED] = true,
	[BNET_CODE_REFUSED] = true,
	[BNET_CODE_REPLACED] = true,
	[BNET_CODE_REPLACED + 1] = false,
};

START_TEST(refused)
{
	ck_assert_msg(
	    answer_is_final((uint32_t)_i) == final[_i], "code %d", _i);
}
END_TEST

static Suite *
answer_suite(void)
{
	Suite *suite = suite_create("node_answer");
	TCase *tc = unit_case(suite, "answer");

	tcase_add_loop_test(tc, app, 0, UNIT_ROWS(apps));
	tcase_add_loop_test(tc, refused, 0, UNIT_ROWS(final));
	return suite;
}

UNIT_MAIN(answer_suite)
