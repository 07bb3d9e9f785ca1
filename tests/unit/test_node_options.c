/* SPDX-License-Identifier: MIT */
/* cmd/node/options */
#include "cmd/node/options.h"
#include "proto/codec.h"
#include "tests/unit/unit.h"

/* Parse `line`, which is cut at its blanks. */
static void
parse(struct node_options *opt, char *line)
{
	static char *argv[16]; /* options point into what it points to */
	char *save = NULL;
	int n = 0;

	for (char *word = strtok_r(line, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save))
		argv[n++] = word;
	argv[n] = NULL;
	node_options_parse(opt, n, argv);
}

/* The token is not left where ps would show it. */
START_TEST(token_is_hidden)
{
	char line[] = "bluenet-node --token secret host";
	struct node_options opt;

	parse(&opt, line);
	ck_assert_str_eq(opt.client.token, "secret");
	for (size_t i = 0; i + 6 < sizeof(line); i++)
		ck_assert_int_ne(memcmp(line + i, "secret", 6), 0);
	free((void *)(uintptr_t)opt.client.token);
}
END_TEST

static const struct {
	const char *text;
	uint32_t codecs;
} lists[] = {
	{ "none", 0 },
	{ "zlib", BNET_CODEC_ZLIB },
	{ "snappy", BNET_CODEC_SNAPPY },
	{ "zlib,snappy", BNET_CODEC_ZLIB | BNET_CODEC_SNAPPY },
	{ "snappy,zlib", BNET_CODEC_ZLIB | BNET_CODEC_SNAPPY },
};

START_TEST(codecs_in_any_order)
{
	struct node_options opt;
	char line[64];

	snprintf(line, sizeof(line), "bluenet-node --codecs %s host",
	    lists[_i].text);
	parse(&opt, line);
	ck_assert_uint_eq(opt.codecs, lists[_i].codecs);
}
END_TEST

static Suite *
node_options_suite(void)
{
	Suite *suite = suite_create("node_options");
	TCase *tc = unit_case(suite, "options");

	tcase_add_test(tc, token_is_hidden);
	tcase_add_loop_test(tc, codecs_in_any_order, 0, UNIT_ROWS(lists));
	return suite;
}

UNIT_MAIN(node_options_suite)
