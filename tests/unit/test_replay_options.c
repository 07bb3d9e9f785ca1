/* SPDX-License-Identifier: MIT */
/* cmd/replay/options */
#include "cmd/replay/options.h"
#include "tests/unit/unit.h"

#include "proto/codec.h"

#define S INT64_C(1000000000)
#define ARGS_MAX 64
#define LINE_CHARS 512

static char words[LINE_CHARS]; /* what options borrow from */

/* The words of `text`, at its blanks, behind the program's name. */
static void
parse(struct replay_options *opt, const char *text)
{
	static char *argv[ARGS_MAX];
	char *save = NULL, *word;
	int n = 0;

	snprintf(words, sizeof(words), "bluenet-replay %s", text);
	word = strtok_r(words, " ", &save);
	while (word != NULL && n + 1 < ARGS_MAX) {
		argv[n++] = word;
		word = strtok_r(NULL, " ", &save);
	}
	argv[n] = NULL;
	replay_options_parse(opt, n, argv);
}

START_TEST(defaults)
{
	struct replay_options opt;

	parse(&opt, "a.pcap b.pcap host:1");
	ck_assert_int_eq(opt.mode, REPLAY_PLAY);
	ck_assert_uint_eq(opt.n_captures, 2);
	ck_assert_str_eq(opt.captures[1], "b.pcap");
	ck_assert_str_eq(opt.target, "host:1");
	ck_assert(opt.clients && !opt.nodes);
	ck_assert_int_eq(opt.timing, REPLAY_SPEED);
	ck_assert_double_eq(opt.speed, 1);
	ck_assert_double_eq(opt.connect_speed, 0);
	ck_assert_int_eq(opt.pacing, REPLAY_OPEN);
	ck_assert_int_eq(opt.ramp_ns, -1);
	ck_assert_int_eq(opt.stagger_ns, -1);
	ck_assert_int_eq(opt.answer_timeout_ns, 10 * S);
	ck_assert_uint_eq(opt.loop, 1);
	ck_assert_int_eq(opt.start_at_ns, 0);
	ck_assert_uint_eq(opt.shard, 0);
	ck_assert_uint_eq(opt.of_shards, 1);
	ck_assert_int_eq(opt.codec, REPLAY_CODEC_AS_RECORDED);
	ck_assert_int_eq(opt.max_late_ns, S / 100);
	ck_assert_int_eq(opt.bucket_ns, S);
	ck_assert_int_eq(opt.scenario_timeout_ns, 5 * S);
	ck_assert_str_eq(opt.how, "");
	replay_options_free(&opt);
}
END_TEST

START_TEST(given)
{
	struct replay_options opt;

	parse(&opt,
	    "--speed 2.5 a --pacing hybrid --clients 100 --stagger 5ms"
	    " --connect-speed 10 --shard 3/4 --map-node 7=1007 --roles all"
	    " --map-node 8=9 --codec snappy --loop 0 --allow 192.0.2.0/24"
	    " --port 26000,any,26001 --ramp 0 --start-at +5s -q --diff"
	    " --ignore payload --tls --ca x h");
	ck_assert_double_eq(opt.speed, 2.5);
	ck_assert_double_eq(opt.connect_speed, 10);
	ck_assert_int_eq(opt.pacing, REPLAY_HYBRID);
	ck_assert_uint_eq(opt.n_clients, 100);
	ck_assert_int_eq(opt.stagger_ns, S / 200);
	ck_assert_int_eq(opt.ramp_ns, 0);
	ck_assert(opt.shard == 3 && opt.of_shards == 4);
	ck_assert_uint_eq(opt.n_maps, 2);
	ck_assert(opt.maps[0].from == 7 && opt.maps[0].to == 1007);
	ck_assert(opt.clients && opt.nodes);
	ck_assert_int_eq(opt.codec, BNET_CODEC_SNAPPY);
	ck_assert_uint_eq(opt.loop, 0);
	ck_assert_uint_eq(opt.allow.n, 1);
	ck_assert_uint_eq(opt.cap.n_ports, 2);
	ck_assert(opt.cap.any_port);
	ck_assert_uint_eq(opt.cap.ports[1], 26001);
	ck_assert_int_ne(opt.start_at_ns, 0);
	ck_assert(opt.quiet && opt.diff && opt.client.tls);
	/* what is told is what makes the run, not who looks on */
	ck_assert_str_eq(opt.how,
	    "--speed 2.5 --pacing hybrid --clients 100 --stagger 5ms"
	    " --connect-speed 10 --map-node 7=1007 --roles all --map-node 8=9"
	    " --codec snappy --loop 0 --port 26000,any,26001 --ramp 0 --diff"
	    " --ignore payload --tls");
	replay_options_free(&opt);
	parse(&opt, "--rate 5 -v a h");
	ck_assert_int_eq(opt.timing, REPLAY_RATE);
	ck_assert(opt.verbose);
	replay_options_free(&opt);
	parse(&opt, "--asap --roles nodes a h");
	ck_assert_int_eq(opt.timing, REPLAY_ASAP);
	ck_assert(!opt.clients && opt.nodes);
	replay_options_free(&opt);
}
END_TEST

/* Which word is what. */
static const struct {
	const char *line;
	enum replay_mode mode;
	size_t n_captures;
	const char *target;
} modes[] = {
	{ "a h", REPLAY_PLAY, 1, "h" },
	{ "--asap a b h", REPLAY_PLAY, 2, "h" },
	{ "--asap --pacing closed a h", REPLAY_PLAY, 1, "h" },
	{ "--compile t a", REPLAY_COMPILE, 1, NULL },
	{ "--compile t /nowhere/a /dev/null", REPLAY_COMPILE, 2, NULL },
	{ "--compile t a -", REPLAY_COMPILE, 2, NULL },
	{ "--compile t a nowhere.example", REPLAY_PLAY, 1, "nowhere.example" },
	{ "--dry-run a", REPLAY_DRY_RUN, 1, NULL },
	{ "--dry-run a nowhere.example", REPLAY_DRY_RUN, 1, "nowhere.example" },
	{ "--dry-run --speed 2 --clients 9 a", REPLAY_DRY_RUN, 1, NULL },
	{ "--dry-run --compile t a", REPLAY_DRY_RUN, 1, NULL },
	{ "--merge a", REPLAY_MERGE, 1, NULL },
	{ "--merge --report r a b c", REPLAY_MERGE, 3, NULL },
	{ "--scenario d h", REPLAY_SCENARIO, 0, "h" },
	{ "--scenario d --token-file f --allow ::1 h", REPLAY_SCENARIO, 0,
	    "h" },
};

START_TEST(words_behind)
{
	struct replay_options opt;
	const char *line = modes[_i].line;

	parse(&opt, line);
	ck_assert_msg(opt.mode == modes[_i].mode, "%s: %d", line, opt.mode);
	ck_assert_msg(opt.n_captures == modes[_i].n_captures, "%s", line);
	ck_assert_msg(modes[_i].target == NULL ? opt.target == NULL
					       : opt.target != NULL &&
		    strcmp(opt.target, modes[_i].target) == 0,
	    "%s: %s", line, opt.target);
	replay_options_free(&opt);
}
END_TEST

START_TEST(token_is_hidden)
{
	struct replay_options opt;

	parse(&opt, "--token secret a h");
	ck_assert_str_eq(opt.client.token, "secret");
	for (size_t i = 0; i + 6 < sizeof(words); i++)
		ck_assert_int_ne(memcmp(words + i, "secret", 6), 0);
	ck_assert_ptr_null(strstr(opt.how, "secret"));
	replay_options_free(&opt);
}
END_TEST

static const char *const bad[] = {
	"",
	"host",
	"--compile t",
	"--dry-run",
	"--merge",
	"--scenario d",
	"--scenario d h i",
	"--scenario d --speed 2 h",
	"--merge --speed 2 r",
	"--merge --compile t r",
	"--merge --scenario d h",
	"--compile t --speed 2 a",
	"--compile t --report r a",
	"--scenario-only x a h",
	"--scenario-timeout 1s a h",
	"--speed 0 a h",
	"--speed -1 a h",
	"--speed x a h",
	"--speed 0x2 a h",
	"--speed nan a h",
	"--rate 0 a h",
	"--speed 1 --rate 1 a h",
	"--speed 1 --asap a h",
	"--rate 1 --asap a h",
	"--asap --max-idle 1s a h",
	"--rate 1 --max-idle 1s a h",
	"--asap --max-lateness 1ms a h",
	"--rate 5 --pacing closed a h",
	"--pacing half-open a h",
	"--ignore payload a h",
	"--stagger 1s a h",
	"--clients 0 a h",
	"--clients 1000001 a h",
	"--shard 4/4 a h",
	"--shard 1 a h",
	"--shard 0/0 a h",
	"--shard -1/4 a h",
	"--map-node 7 a h",
	"--map-node 7=x a h",
	"--map-node 7=8 --map-node 7=9 a h",
	"--allow 10.0.0.1/8 a h",
	"--allow host a h",
	"--codec lz4 a h",
	"--roles relays a h",
	"--port 0 a h",
	"--port 1, a h",
	"--port 70000 a h",
	"--order big a h",
	"--start-at noon a h",
	"--start-at 2001-01-01T00:00:00Z a h",
	"--threads 0 a h",
	"--token a --token-file b c h",
	"--tls --cert c a h",
	"--ca c a h",
	"--tls-host n a h",
	"--progress sometimes a h",
	"--nothing a h",
	"-Q a h",
	"a h --speed",
	"a 127.0.0.1:99999",
	"a ::1:26000",
	"--scenario d 127.0.0.1:99999",
};

static void
parse_bad(const void *text)
{
	struct replay_options opt;

	parse(&opt, text);
}

START_TEST(refused)
{
	unit_exits(parse_bad, bad[_i], REPLAY_USAGE);
}
END_TEST

/* ---- times ---- */

#define NOW (INT64_C(1764072000) * S) /* 2025-11-25T12:00:00Z */

static const struct {
	const char *text;
	int64_t at_ns; /* since NOW; below 0: not taken */
} times[] = {
	{ "2025-11-25T12:00:00Z", 0 },
	{ "2025-11-25t12:00:01z", S },
	{ "2025-11-25T12:00:00.5Z", S / 2 },
	{ "2025-11-25T12:00:00.1234567891Z", 123456789 },
	{ "2025-11-25T13:00:00+01:00", 0 },
	{ "2025-11-25T04:30:00-08:00", 1800 * S },
	{ "2026-02-28T12:00:00Z", 95 * 86400 * S },
	{ "@1764072000", 0 },
	{ "@1764072000.25", S / 4 },
	{ "@1764072060", 60 * S },
	{ "+5s", 5 * S },
	{ "+5", 5 * S },
	{ "+250ms", S / 4 },
	{ "+0", 0 },
	{ "2025-11-25T11:59:59Z", -1 },
	{ "@1764071999.999", -1 },
	{ "2025-11-25T12:00:00", -1 },
	{ "2025-11-25 12:00:00Z", -1 },
	{ "2025-11-25T12:00Z", -1 },
	{ "2025-11-25T12:00:00.Z", -1 },
	{ "2025-11-25T12:00:00+0100", -1 },
	{ "2025-11-25T12:00:00+01:0x", -1 },
	{ "2025-11-25T12:00:00Z ", -1 },
	{ "2025-13-25T12:00:00Z", -1 },
	{ "2026-02-30T12:00:00Z", -1 },
	{ "2025-11-25T24:30:00Z", -1 },
	{ "2025-11-25T12:60:00Z", -1 },
	{ "2025-11-25T12:00:60Z", -1 },
	{ "2029-11-25T12:00:00Z", -1 },
	{ "+401h", 401 * 3600 * S },
	{ "+9700h", -1 },
	{ "@", -1 },
	{ "@-5", -1 },
	{ "@99999999999999999999", -1 },
	{ "@1764072000.", -1 },
	{ "+", -1 },
	{ "+x", -1 },
	{ "-5s", -1 },
	{ "", -1 },
	{ "now", -1 },
};

START_TEST(start_at)
{
	char err[OPTION_ERR_CHARS] = "";
	int64_t at_ns = -1;
	bool ok = replay_time(times[_i].text, NOW, &at_ns, err);

	ck_assert_msg(
	    ok == (times[_i].at_ns >= 0), "'%s': %s", times[_i].text, err);
	if (ok)
		ck_assert_msg(at_ns - NOW == times[_i].at_ns, "'%s': %lld",
		    times[_i].text, (long long)(at_ns - NOW));
	else
		ck_assert_msg(strncmp(err, "expected ", 9) == 0, "'%s'", err);
}
END_TEST

static Suite *
replay_options_suite(void)
{
	Suite *suite = suite_create("replay options");
	TCase *tc = unit_case(suite, "options");

	tcase_add_test(tc, defaults);
	tcase_add_test(tc, given);
	tcase_add_test(tc, token_is_hidden);
	tcase_add_loop_test(tc, words_behind, 0, UNIT_ROWS(modes));
	tcase_add_loop_test(tc, refused, 0, UNIT_ROWS(bad));
	tcase_add_loop_test(tc, start_at, 0, UNIT_ROWS(times));
	return suite;
}

UNIT_MAIN(replay_options_suite)
