/* SPDX-License-Identifier: MIT */
/* cmd/node/options */
#include "cmd/node/options.h"
#include "proto/codec.h"
#include "tests/unit/unit.h"

/* Parse `line`, which is cut at its blanks. */
static void
parse(struct node_options *opt, char *line)
{
	static char *argv[32]; /* options point into what it points to */
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
	node_options_free(&opt);
}
END_TEST

START_TEST(given)
{
	char defaults[] = "bluenet-node a b:1",
	     all[] = "bluenet-node --id 7 --count 2 --loss 2.5 --stall 10s,50ms"
		     " --mode serial --reply-size 1K --register a a";
	struct node_options opt;

	parse(&opt, defaults);
	ck_assert_uint_eq(opt.n_relays, 2);
	ck_assert_str_eq(opt.relays[1], "b:1");
	ck_assert_str_eq(opt.name, "node");
	ck_assert_uint_eq(opt.count, 1);
	ck_assert_int_eq(opt.backoff_min_ns, 100000000);
	ck_assert_int_eq(opt.slice_ns, 10000000);
	ck_assert_uint_eq(opt.n_threads, 1);
	ck_assert_uint_eq(opt.seed, 1);
	ck_assert(!opt.replies && !opt.serial);
	node_options_free(&opt);
	parse(&opt, all);
	ck_assert_uint_eq(opt.id, 7);
	ck_assert_double_eq(opt.impairment.loss, 0.025);
	ck_assert_int_eq(opt.stall_every_ns, INT64_C(10000000000));
	ck_assert_int_eq(opt.stall_ns, 50000000);
	ck_assert(opt.replies && opt.serial);
	ck_assert_uint_eq(opt.reply_bytes, 1024);
	ck_assert_uint_eq(opt.keys.n, 1);
	node_options_free(&opt);
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
	node_options_free(&opt);
}
END_TEST

static Suite *
node_options_suite(void)
{
	Suite *suite = suite_create("node_options");
	TCase *tc = unit_case(suite, "options");

	tcase_add_test(tc, token_is_hidden);
	tcase_add_test(tc, given);
	tcase_add_loop_test(tc, codecs_in_any_order, 0, UNIT_ROWS(lists));
	return suite;
}

UNIT_MAIN(node_options_suite)
