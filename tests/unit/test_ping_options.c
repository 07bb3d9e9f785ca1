/* SPDX-License-Identifier: MIT */
/* cmd/ping/options and target */
#include "cmd/ping/options.h"
#include "cmd/ping/screen.h"
#include "cmd/ping/target.h"
#include "tests/unit/unit.h"

#include <locale.h>

#include <stdint.h>

#include "cmd/common/cli.h"

#define S INT64_C(1000000000)
#define ARGS_MAX 32

/* The words of `line`, which is cut at its blanks. */
static int
split(char *line, char *argv[ARGS_MAX])
{
	char *save = NULL;
	int n = 0;

	for (char *word = strtok_r(line, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save))
		argv[n++] = word;
	argv[n] = NULL;
	return n;
}

static void
parse(struct ping_options *opt, char line[256], const char *text)
{
	char *argv[ARGS_MAX];
	static char *kept[ARGS_MAX]; /* `words` point into it */
	int n;

	snprintf(line, 256, "bluenet-ping %s", text);
	n = split(line, argv);
	memcpy(kept, argv, sizeof(kept));
	ping_options_parse(opt, n, kept);
}

START_TEST(defaults)
{
	struct ping_options opt;
	char line[256];

	parse(&opt, line, "host");
	ck_assert_str_eq(opt.relay, "host");
	ck_assert_uint_eq(opt.n_words, 0);
	ck_assert_int_eq(opt.mode, PING_MEASURE);
	ck_assert_int_eq(opt.interval_ns, S);
	ck_assert_int_eq(opt.bucket_ns, 0);
	ck_assert_uint_eq(opt.count, 0);
	ck_assert_int_eq(opt.output, PING_TEXT);
	ck_assert_int_eq(opt.layers, PING_LAYER_NET);
	ck_assert_int_eq(opt.hop, PING_HOP_NONE);
	ping_options_free(&opt);
}
END_TEST

/* Words may stand before, between and behind options. */
START_TEST(given)
{
	struct ping_options opt;
	char line[256];

	parse(&opt, line,
	    "-c 5 host sol-1 -i 10ms 7 --layer=both --fail-if p99>5ms"
	    " --fail-if lost>0 --as-node 9 --tolerance 2.5 -v");
	ck_assert_str_eq(opt.relay, "host");
	ck_assert_uint_eq(opt.n_words, 2);
	ck_assert_str_eq(opt.words[0], "sol-1");
	ck_assert_str_eq(opt.words[1], "7");
	ck_assert_uint_eq(opt.count, 5);
	ck_assert_int_eq(opt.interval_ns, S / 100);
	ck_assert_int_eq(opt.layers, PING_LAYER_BOTH);
	ck_assert_uint_eq(opt.fail_ifs.n, 2);
	ck_assert_str_eq(opt.fail_ifs.at[1], "lost>0");
	ck_assert(opt.as_node && opt.verbose && !opt.live);
	ck_assert_uint_eq(opt.as_id, 9);
	ck_assert_double_eq(opt.tolerance, 0.025);
	ping_options_free(&opt);
	parse(&opt, line, "--hop echo -s 64K --token geheim host");
	ck_assert_int_eq(opt.hop, PING_HOP_ECHO);
	ck_assert_uint_eq(opt.padding_bytes, 65536);
	ck_assert_str_eq(opt.client.token, "geheim");
	ck_assert(!opt.as_node);
	ping_options_free(&opt);
}
END_TEST

START_TEST(files)
{
	struct ping_options opt;
	char line[256];

	parse(&opt, line, "--from a.hlog b.hlog --percentiles");
	ck_assert_int_eq(opt.mode, PING_FROM);
	ck_assert_ptr_null(opt.relay);
	ck_assert_uint_eq(opt.n_words, 2);
	ping_options_free(&opt);
	parse(&opt, line, "--compare a b");
	ck_assert_int_eq(opt.mode, PING_COMPARE);
	ck_assert_str_eq(opt.words[1], "b");
	ping_options_free(&opt);
}
END_TEST

static const char *const bad[] = {
	"",
	"-c 0 host",
	"-c x host",
	"-i 0 host",
	"-i 10ns host",
	"-o xml host",
	"--layer all host",
	"--hop tcp host",
	"--hop ping host sol-1",
	"--hop echo --clients host",
	"--live -v host",
	"--live -o json host",
	"--mesh --live host",
	"--from",
	"--compare a",
	"--compare a b c",
	"--compare --from a b",
	"--token a --token-file b host",
	"--cert a host",
	"--tls --cert a host",
	"--ca a host",
	"--tls-insecure host",
	"--tls --ca a --tls-insecure host",
	"--tolerance -1 host",
	"--tolerance x host",
	"--as-node x host",
	"--bucket 10ms host",
	"--nothing host",
	"-Q host",
	"host -c",
	"127.0.0.1:99999",
	"127.0.0.1:x",
	"::1:26000",
	"-s 65537 host",
};

static void
parse_bad(const void *text)
{
	struct ping_options opt;
	char line[256];

	parse(&opt, line, text);
}

START_TEST(refused)
{
	unit_exits(parse_bad, bad[_i], CLI_USAGE);
}
END_TEST

/* ---- whom ---- */

static struct bnet_roster_entry
entry(uint32_t role, uint64_t id, const char *name)
{
	return (struct bnet_roster_entry){
		.id = id, .role = role, .name = { name, (uint32_t)strlen(name) }
	};
}

static const struct {
	const char *line;
	uint32_t role;
	uint64_t id;
	const char *name;
	bool wanted;
} wants[] = {
	{ "host", BNET_ROLE_NODE, 7, "sol", true },
	{ "host", BNET_ROLE_CLIENT, 7, "sol", false },
	{ "--clients host", BNET_ROLE_CLIENT, 7, "sol", true },
	{ "--clients host", BNET_ROLE_NODE, 7, "sol", true },
	{ "host", 3, 7, "sol", false },
	{ "host sol", BNET_ROLE_NODE, 7, "sol", true },
	{ "host sol", BNET_ROLE_NODE, 7, "sol-1", false },
	{ "host sol", BNET_ROLE_NODE, 7, "so", false },
	{ "host 7", BNET_ROLE_NODE, 7, "sol", true },
	{ "host 07", BNET_ROLE_NODE, 7, "sol", true },
	{ "host 7", BNET_ROLE_NODE, 77, "sol", false },
	{ "host 7", BNET_ROLE_NODE, 8, "7", true },
	{ "host 7x", BNET_ROLE_NODE, 7, "sol", false },
	{ "host sol 8", BNET_ROLE_NODE, 8, "jita", true },
	{ "host sol", BNET_ROLE_CLIENT, 8, "sol", false },
};

START_TEST(wanted)
{
	struct ping_options opt;
	struct targets targets;
	struct bnet_roster_entry e =
	    entry(wants[_i].role, wants[_i].id, wants[_i].name);
	char line[256];

	parse(&opt, line, wants[_i].line);
	ck_assert(targets_init(&targets, &opt));
	ck_assert_msg(targets_wanted(&targets, &e) == wants[_i].wanted,
	    "%s: %s", wants[_i].line, wants[_i].name);
	targets_free(&targets);
	ping_options_free(&opt);
}
END_TEST

/* What a peer calls itself is shown on a terminal. */
START_TEST(names)
{
	static struct target target;
	struct bnet_string name = { "a\033[2Jb\xff\n", 8 };
	char many[200], label[SERIES_NAME_CHARS];

	target.role = TARGET_CLIENT;
	target.id = 9;
	ck_assert_str_eq(target_label(&target, label), "client 9");
	target_set_name(&target, &name);
	ck_assert_str_eq(target.name, "a?[2Jb??");
	name = (struct bnet_string){ "\"\\\xc2\x9b\xc3\xa9\xe2\x82", 8 };
	target_set_name(&target, &name);
	ck_assert_str_eq(target.name, "\"\\?\xc3\xa9??");
	memset(many, 'x', sizeof(many));
	name = (struct bnet_string){ many, sizeof(many) };
	target_set_name(&target, &name);
	ck_assert_uint_eq(strlen(target.name), SERIES_NAME_CHARS - 1);
	name = (struct bnet_string){ NULL, 0 };
	target_set_name(&target, &name);
	ck_assert_str_eq(target_label(&target, label), "client 9");
}
END_TEST

static const struct fit {
	const char *name;
	int columns;
	const char *utf8, *ascii;
	int utf8_width, ascii_width;
} fits[] = {
	{ "abc", 5, "abc", "abc", 3, 3 },
	{ "abcdef", 5, "abcde", "abcde", 5, 5 },
	{ "\xc3\xa9t\xc3\xa9", 3, "\xc3\xa9t\xc3\xa9", "?t?", 3, 3 },
	/* two columns each: the third does not fit */
	{ "\xe6\x98\x9f\xe6\x98\x9f\xe6\x98\x9f", 5, "\xe6\x98\x9f\xe6\x98\x9f",
	    "???", 4, 3 },
	/* a combining accent has no column of its own */
	{ "e\xcc\x81x", 2, "e\xcc\x81x", "e?", 2, 2 },
	/* the end of a character, and of a bad log */
	{ "a\xe6\x98", 5, "a??", "a?", 3, 2 },
	{ "a\033b", 5, "a?b", "a?b", 3, 3 },
};

START_TEST(fitting)
{
	const struct fit *fit = &fits[_i];
	char to[SERIES_NAME_CHARS];

	ck_assert_int_eq(
	    target_fit(to, fit->name, fit->columns, false), fit->ascii_width);
	ck_assert_str_eq(to, fit->ascii);
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return;
	ck_assert_int_eq(
	    target_fit(to, fit->name, fit->columns, true), fit->utf8_width);
	ck_assert_str_eq(to, fit->utf8);
	setlocale(LC_CTYPE, "C");
}
END_TEST

START_TEST(nodes_and_clients)
{
	struct ping_options opt = { 0 };
	struct targets targets;
	struct target *node, *client;

	ck_assert(targets_init(&targets, &opt));
	node = targets_get(&targets, TARGET_NODE, 1);
	client = targets_get(&targets, TARGET_CLIENT, 1);
	ck_assert_ptr_ne(node, client);
	ck_assert_ptr_eq(targets_get(&targets, TARGET_NODE, 1), node);
	ck_assert_ptr_eq(targets_get(&targets, TARGET_CLIENT, 1), client);
	ck_assert_uint_eq(targets_n(&targets), 2);
	ck_assert_uint_eq(node->index, 0);
	ck_assert_uint_eq(client->index, 1);
	ck_assert_uint_ne(target_series_id(node), target_series_id(client));
	targets_free(&targets);
}
END_TEST

/* ---- sparklines ---- */

static const struct {
	int64_t round_ns, low_ns, high_ns;
	int level;
} levels[] = {
	{ TARGET_LOST, 1, 100, SCREEN_LEVEL_LOST },
	{ 10, 10, 1000, 0 },
	{ 1000, 10, 1000, SCREEN_LEVELS - 1 },
	{ 100, 10, 1000, SCREEN_LEVELS / 2 },
	{ 5, 10, 1000, 0 },
	{ 5000, 10, 1000, SCREEN_LEVELS - 1 },
	{ 7, 7, 7, 0 },
	{ 0, 0, 1, 0 },
	{ 50, INT64_MAX, 1, 0 },
	{ 999999999, 1, 1000000000, SCREEN_LEVELS - 1 },
};

START_TEST(level)
{
	ck_assert_int_eq(screen_level(levels[_i].round_ns, levels[_i].low_ns,
			     levels[_i].high_ns),
	    levels[_i].level);
}
END_TEST

static Suite *
options_suite(void)
{
	Suite *suite = suite_create("ping_options");
	TCase *tc = unit_case(suite, "options");

	tcase_add_test(tc, defaults);
	tcase_add_test(tc, given);
	tcase_add_test(tc, files);
	tcase_add_loop_test(tc, refused, 0, UNIT_ROWS(bad));
	tc = unit_case(suite, "target");
	tcase_add_loop_test(tc, wanted, 0, UNIT_ROWS(wants));
	tcase_add_test(tc, names);
	tcase_add_loop_test(tc, fitting, 0, UNIT_ROWS(fits));
	tcase_add_test(tc, nodes_and_clients);
	tc = unit_case(suite, "screen");
	tcase_add_loop_test(tc, level, 0, UNIT_ROWS(levels));
	return suite;
}

UNIT_MAIN(options_suite)
