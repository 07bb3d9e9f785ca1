/* SPDX-License-Identifier: MIT */
/* cmd/common/options, option_file and completion, with a table of their own. */
#include "cmd/common/cli.h"
#include "cmd/common/completion.h"
#include "cmd/common/option_file.h"
#include "proto/codec.h"
#include "tests/unit/unit.h"
#include "tests/unit/temp_file.h"

#include <unistd.h>

#define S INT64_C(1000000000)
#define WORDS_MAX 32
#define LINE_CHARS 256

struct opt {
	bool flag, loud;
	char *name, *token;
	struct option_texts keys;
	uint64_t n;
	uint32_t small;
	uint64_t size;
	int64_t time_ns;
	double factor, percent;
	enum {
		RED = 1,
		GREEN,
		BLUE
	} colour;
	uint32_t codecs;
	struct option_ports ports;
	struct option_addresses listen;
	struct option_cidrs blocks;
	unsigned n_times; /* --more */
	char seen[LINE_CHARS];
};

static bool
more(void *arg, const char *text, char err[OPTION_ERR_CHARS])
{
	struct opt *opt = arg;

	opt->n_times++;
	if (text == NULL || strcmp(text, "bad") != 0)
		return true;
	return option_expected(err, "another one");
}

static const char *const colours[] = { "red", "green", "blue", NULL };

/* clang-format off */
static const struct option_row rows[] = {
	{ "flag", 'f', NULL, "a flag", OPTION_FLAG(struct opt, flag),
	    .group = "Simple" },
	{ "loud", 0, NULL, "another; it's [loud]: yes",
	    OPTION_FLAG(struct opt, loud), .flags = OPTION_RELOAD },
	{ "name", 'n', "TEXT", "a text of two to five",
	    OPTION_TEXT(struct opt, name, 2, 5), .initial = "anna",
	    .flags = OPTION_RELOAD },
	{ "token", 0, "TOKEN", "a secret",
	    OPTION_TEXT(struct opt, token, 3, 9), .flags = OPTION_SECRET },
	{ "keys", 0, "FILE", "some texts", OPTION_TEXTS(struct opt, keys, 2) },
	{ "number", 0, "N", "a number", OPTION_NUMBER(struct opt, n, 1, 10),
	    .initial = "7", .group = "Numbers" },
	{ "small", 0, "N", "32 bits",
	    OPTION_NUMBER(struct opt, small, 0, UINT32_MAX) },
	{ "size", 's', "SIZE", "bytes",
	    OPTION_SIZE(struct opt, size, 1024, 1 << 30), .initial = "64K" },
	{ "time", 0, "TIME", "ns",
	    OPTION_TIME(struct opt, time_ns, 10000000, 86400 * S),
	    .initial = "20s", .flags = OPTION_RELOAD },
	{ "factor", 0, "X", "above 0", OPTION_FACTOR(struct opt, factor, 100) },
	{ "percent", 0, "PERCENT", "of all",
	    OPTION_PERCENT(struct opt, percent, 100) },
	{ "colour", 0, "COLOUR", "paint it so",
	    OPTION_WORD(struct opt, colour, colours), .min = RED,
	    .initial = "green", .group = "Other" },
	{ "codecs", 0, "LIST", "codecs", OPTION_CODECS(struct opt, codecs),
	    .initial = "zlib" },
	{ "port", 'p', "PORTS", "ports", OPTION_PORTS(struct opt, ports),
	    .shown = "26000" },
	{ "listen", 'l', "HOST:PORT", "listen",
	    OPTION_ADDRESSES(struct opt, listen, 2) },
	{ "blocks", 0, "BLOCK,...", "blocks",
	    OPTION_CIDRS(struct opt, blocks, 2), .flags = OPTION_COMMAND },
	{ "more", 0, "WHAT", "its own", OPTION_OWN(more),
	    .complete = "@run --list all" },
	{ NULL, 'm', NULL, "a letter only", OPTION_OWN(more) },
	{ OPTION_HELP_ROW },
	{ OPTION_VERSION_ROW },
	OPTION_END,
};
/* clang-format on */

static void
seen(void *arg, const struct option_row *row, const char *text)
{
	struct opt *opt = arg;
	size_t n = strlen(opt->seen);

	snprintf(opt->seen + n, sizeof(opt->seen) - n, "%s=%s;",
	    row->name != NULL ? row->name : "-", text != NULL ? text : "");
}

static const struct option_program program = {
	.name = "bluenet-test",
	.usage = "bluenet-test [options]",
	.about = "Words and words and words and words and words and words and"
		 " words and words.",
	.ending = "The end.",
	.rows = rows,
	.opt_bytes = sizeof(struct opt),
	.operands = "@files",
	.seen = seen,
};

/* ---- what is read ---- */

static char argv_text[LINE_CHARS]; /* as a process has it */

static bool
read_line(struct option_reading *reading, struct opt *opt, const char *line)
{
	static char *argv[WORDS_MAX + 1];
	char *rest = argv_text, *word;
	int argc = 0;

	snprintf(argv_text, sizeof(argv_text), "bluenet-test %s", line);
	while ((word = strsep(&rest, " ")) != NULL && argc < WORDS_MAX)
		if (*word != '\0')
			argv[argc++] = word;
	argv[argc] = NULL;
	*opt = (struct opt){ .flag = false };
	return options_read(reading, &program, opt, argc, argv);
}

START_TEST(defaults)
{
	struct option_reading r;
	struct opt opt;

	ck_assert(read_line(&r, &opt, ""));
	ck_assert_str_eq(opt.name, "anna");
	ck_assert_ptr_null(opt.token);
	ck_assert_uint_eq(opt.n, 7);
	ck_assert_uint_eq(opt.size, 65536);
	ck_assert_int_eq(opt.time_ns, 20 * S);
	ck_assert_int_eq(opt.colour, GREEN);
	ck_assert_uint_eq(opt.codecs, BNET_CODEC_ZLIB);
	ck_assert(!opt.ports.any && opt.ports.n == 0 && !opt.flag);
	ck_assert(!options_given(&r, "name"));
	options_free(&program, &opt);
	ck_assert_ptr_null(opt.name);
}
END_TEST

/* One option each; `same` is another way to say it. */
static const struct {
	const char *line, *same;
} alike[] = {
	{ "--flag", "-f" },
	{ "--flag=yes", "--flag=true" },
	{ "--flag=no", "" },
	{ "--fl", "-f" },
	{ "--name bert", "-nbert" },
	{ "--name=bert", "-n anna -n bert" },
	{ "--number 007", "" },
	{ "--size 1024", "-s 1k" },
	{ "--size 1G", "-s1024M" },
	{ "--time 20", "--time 20s" },
	{ "--time 0.5", "--time 500ms" },
	{ "--time 1.5h", "--time 90m" },
	{ "--time 10000us", "--time 10000000ns" },
	{ "--codecs snappy,zlib", "--codecs zlib,snappy" },
	{ "--codecs snappy", "--codecs none --codecs snappy" },
	{ "-p 1,any", "-p any,1" },
	{ "-l 26000", "-l 127.0.0.1:26000" },
	{ "--small 4294967295", "--small 04294967295" },
	{ "--factor 2", "--factor 2.0" },
	{ "--percent 0", "" },
	{ "--colour green", "" },
};

START_TEST(said_otherwise)
{
	static struct option_reading r;
	static struct opt a, b;
	bool both = read_line(&r, &a, alike[_i].line) &&
	    read_line(&r, &b, alike[_i].same);
	struct option_changes changes;

	ck_assert_msg(both, "%s", r.mistakes);
	ck_assert(options_reload(&program, &a, &b, &changes));
	ck_assert_str_eq(changes.now, "");
	ck_assert_str_eq(changes.restart, "");
	options_free(&program, &a);
	options_free(&program, &b);
}
END_TEST

START_TEST(given)
{
	struct option_reading r;
	struct opt opt;

	ck_assert(read_line(&r, &opt,
	    "a --keys x -m -m b --keys y --colour blue --factor 0.5"
	    " --percent 2.5 --more z"));
	ck_assert(opt.keys.n == 2 && strcmp(opt.keys.at[1], "y") == 0);
	ck_assert_int_eq(opt.colour, BLUE);
	ck_assert_double_eq(opt.factor, 0.5);
	ck_assert_double_eq(opt.percent, 2.5);
	ck_assert_uint_eq(opt.n_times, 3);
	ck_assert(options_given(&r, "keys") && options_given(&r, "more"));
	ck_assert(!options_given(&r, "flag"));
	ck_assert_int_eq(r.n_words, 2);
	ck_assert_str_eq(r.words[0], "a");
	ck_assert_str_eq(r.words[1], "b");
	ck_assert_str_eq(opt.seen,
	    "keys=x;-=;-=;keys=y;colour=blue;factor=0.5;percent=2.5;more=z;");
	options_free(&program, &opt);
}
END_TEST

/* To the option that asks; what is behind it may be anything. */
START_TEST(asked)
{
	struct option_reading r;
	struct opt opt;

	ck_assert(read_line(&r, &opt, "-V --nonsense"));
	ck_assert(r.version && !r.help);
	options_free(&program, &opt);
	ck_assert(read_line(&r, &opt, "--help --number x"));
	ck_assert(r.help);
	options_free(&program, &opt);
}
END_TEST

/* ---- mistakes ---- */

#define TIMES "expected a time such as 500ms, 20s or 5m, from 10ms to 24h\n"
#define SIZES "expected a size such as 4096, 64K or 1M, from 1K to 1G\n"

static const struct {
	const char *line, *want; /* all that is said */
} bad[] = {
	{ "--number 0", "--number: \"0\": expected a number from 1 to 10\n" },
	{ "--number 11", "--number: \"11\": expected a number from 1 to 10\n" },
	{ "--number 1K", "--number: \"1K\": expected a number from 1 to 10\n" },
	{ "--number=", "--number: \"\": expected a number from 1 to 10\n" },
	{ "--number +1", "--number: \"+1\": expected a number from 1 to 10\n" },
	{ "--number -1", "--number: \"-1\": expected a number from 1 to 10\n" },
	{ "--number 0x1",
	    "--number: \"0x1\": expected a number from 1 to"
	    " 10\n" },
	{ "--small 4294967296",
	    "--small: \"4294967296\": expected a number"
	    " from 0 to 4294967295\n" },
	{ "--small 99999999999999999999",
	    "--small: \"99999999999999999999\": expected a number from 0 to"
	    " 4294967295\n" },
	{ "-s 1023", "-s: \"1023\": " SIZES },
	{ "--size 1T", "--size: \"1T\": " SIZES },
	{ "--size K", "--size: \"K\": " SIZES },
	{ "--size 17179869184G", "--size: \"17179869184G\": " SIZES },
	{ "--time 5x", "--time: \"5x\": " TIMES },
	{ "--time 9ms", "--time: \"9ms\": " TIMES },
	{ "--time 25h", "--time: \"25h\": " TIMES },
	{ "--time -1s", "--time: \"-1s\": " TIMES },
	{ "--time .5", "--time: \".5\": " TIMES },
	{ "--time 1S", "--time: \"1S\": " TIMES },
	{ "--time nan", "--time: \"nan\": " TIMES },
	{ "--time inf", "--time: \"inf\": " TIMES },
	{ "--time 1e400", "--time: \"1e400\": " TIMES },
	{ "--time 0x1p3", "--time: \"0x1p3\": " TIMES },
	{ "--factor 0",
	    "--factor: \"0\": expected a number above 0, such as 2"
	    " or 0.5, up to 100\n" },
	{ "--factor nan",
	    "--factor: \"nan\": expected a number above 0, such"
	    " as 2 or 0.5, up to 100\n" },
	{ "--percent 101",
	    "--percent: \"101\": expected a percentage such as 5"
	    " or 0.1, from 0 to 100\n" },
	{ "--percent -1",
	    "--percent: \"-1\": expected a percentage such as 5"
	    " or 0.1, from 0 to 100\n" },
	{ "--colour r", "--colour: \"r\": expected one of red, green, blue\n" },
	{ "--codecs zlib,",
	    "--codecs: \"zlib,\": expected zlib, snappy,"
	    " zlib,snappy or none\n" },
	{ "-p 1,x",
	    "-p: \"1,x\": expected ports from 1 to 65535, ranges"
	    " such as 26000-26010, or any, with"
	    " commas between them\n" },
	{ "-p 0",
	    "-p: \"0\": expected ports from 1 to 65535, ranges"
	    " such as 26000-26010, or any, with"
	    " commas between them\n" },
	{ "-l x",
	    "-l: \"x\": expected HOST:PORT, [IPv6 ADDRESS]:PORT or"
	    " PORT\n" },
	{ "-l 1 -l 2 -l 3", "-l: \"3\": expected at most 2 of them\n" },
	{ "--keys 1 --keys 2 --keys 3",
	    "--keys: \"3\": expected at most 2 of them\n" },
	{ "--blocks ::1,::2,::3",
	    "--blocks: \"::1,::2,::3\": expected at most 2 of them\n" },
	{ "--name a",
	    "--name: \"a\": expected text with a length from 2 to"
	    " 5\n" },
	{ "--name anna\033[2J",
	    "--name: \"anna?[2J\": expected text with a length"
	    " from 2 to 5\n" },
	{ "--token ab",
	    "--token: \"...\": expected text with a length from 3"
	    " to 9\n" },
	{ "--more bad", "--more: \"bad\": expected another one\n" },
	{ "--flag=maybe",
	    "--flag: \"maybe\": expected one of yes, no, true,"
	    " false\n" },
	{ "--help=yes", "--help: expected no argument\n" },
	{ "--number", "--number: expected N after it\n" },
	{ "-s", "-s: expected SIZE after it\n" },
	{ "-k", "-k: no such option\n" },
	{ "--nonsense", "--nonsense: no such option\n" },
	{ "--nonsense=5", "--nonsense: no such option\n" },
	{ "--numbr 5", "--numbr: no such option; did you mean --number?\n" },
	{ "--nubmer=5", "--nubmer: no such option; did you mean --number?\n" },
	{ "--prot 5", "--prot: no such option; did you mean --port?\n" },
	{ "--color red", "--color: no such option; did you mean --colour?\n" },
	{ "--co red", "--co: expected one of --colour, --codecs\n" },
	/* what follows a mistake may be anything */
	{ "--number x --nonsense",
	    "--number: \"x\": expected a number from 1"
	    " to 10\n" },
};

START_TEST(mistakes)
{
	struct option_reading r;
	struct opt opt;

	ck_assert_msg(!read_line(&r, &opt, bad[_i].line), "%s", bad[_i].line);
	ck_assert_str_eq(r.mistakes, bad[_i].want);
	ck_assert_uint_eq(r.n_mistakes, 1);
	options_free(&program, &opt);
}
END_TEST

static void
parse_bad(const void *line)
{
	static char name[] = "bluenet-test", word[LINE_CHARS];
	char *argv[] = { name, word, NULL };
	struct option_reading r;
	struct opt opt = { .flag = false };

	snprintf(word, sizeof(word), "%s", (const char *)line);
	options_parse(&r, &program, &opt, 2, argv);
}

START_TEST(endings)
{
	unit_exits(parse_bad, "--number=x", CLI_USAGE);
	unit_exits(parse_bad, "-k", CLI_USAGE);
	unit_exits(parse_bad, "--version", CLI_OK);
	unit_exits(parse_bad, "-h", CLI_OK);
	unit_exits(parse_bad, "x", UNIT_RETURNED);
}
END_TEST

/* However many there are, each is counted. */
START_TEST(too_many_mistakes)
{
	static char long_text[400];
	static struct option_reading r;
	struct opt opt;
	char text[LINE_CHARS];

	memset(long_text, 'x', sizeof(long_text) - 1);
	ck_assert(read_line(&r, &opt, ""));
	for (int i = 0; i < 100; i++)
		options_refuse(&r, "number", "%d %s", i, long_text);
	ck_assert_uint_eq(r.n_mistakes, 100);
	ck_assert_uint_gt(r.n_left_out, 0);
	ck_assert_ptr_nonnull(strstr(r.mistakes, "\n--number: 20 xxx"));
	options_first_mistake(&r, text, sizeof(text));
	ck_assert_int_eq(strncmp(text, "--number: 0 xxx", 15), 0);
	options_free(&program, &opt);
}
END_TEST

/* ---- secrets ---- */

static const char *const secrets[] = {
	"--token geheim",
	"--token=geheim",
	"--tok geheim",
	"x --token geheim -f",
	"--token geheim --token geheim",
};

/* Not where ps would show it. */
START_TEST(secret_is_hidden)
{
	struct option_reading r;
	struct opt opt;

	ck_assert(read_line(&r, &opt, secrets[_i]));
	ck_assert_str_eq(opt.token, "geheim");
	for (size_t i = 0; i + 6 < sizeof(argv_text); i++)
		ck_assert_int_ne(memcmp(argv_text + i, "geheim", 6), 0);
	options_free(&program, &opt);
}
END_TEST

/* ---- the file ---- */

static bool
read_both(struct option_reading *r, struct opt *opt, const char *line,
    const char *file)
{
	temp_write(file, strlen(file));
	ck_assert(read_line(r, opt, line));
	return option_file_read(r, temp_path);
}

START_TEST(file)
{
	struct option_reading r;
	struct opt opt;

	ck_assert(read_both(&r, &opt, "-l 1 --number 3 --flag=no",
	    "# a comment\n; another\n\nflag = yes\n"
	    "  name = bert ; a name\r\nnumber = 4\nlisten = 2\nkeys=a\n"
	    "keys = b"));
	ck_assert_str_eq(opt.name, "bert");
	/* what the command line says counts, also of a list */
	ck_assert_uint_eq(opt.n, 3);
	ck_assert(!opt.flag);
	ck_assert_uint_eq(opt.listen.n, 1);
	ck_assert_uint_eq(opt.keys.n, 2);
	ck_assert(options_given(&r, "keys"));
	options_free(&program, &opt);
}
END_TEST

/* All mistakes, each with its line. */
START_TEST(file_mistakes)
{
	static const char *const want[] = {
		"1: number: \"x\": expected a number from 1 to 10\n",
		"2: expected NAME = VALUE\n",
		"4: expected no [section]\n",
		"5: numbr: expected the name of an option; did you mean"
		" number?\n",
		"6: blocks: expected on the command line only\n",
		"7: help: expected on the command line only\n",
		"8: token: \"...\": expected text with a length from 3 to 9\n",
		"9: name: too short for this\n",
		": keys: and this\n",
		NULL,
	};
	struct option_reading r;
	struct opt opt;
	const char *at = r.mistakes;

	ck_assert(!read_both(&r, &opt, "--size 2K",
	    "number = x\nflag\nloud = yes\n[section]\nnumbr = 4\n"
	    "blocks = ::1\nhelp = yes\ntoken = a\nname = bert\n"
	    "keys = a\nkeys = b\n"));
	options_refuse(&r, "name", "too short for this");
	options_refuse(&r, "keys", "and this");
	options_refuse(&r, "size", "of the command line");
	options_refuse(&r, NULL, "of nothing");
	for (size_t i = 0; want[i] != NULL; i++) {
		ck_assert_int_eq(strncmp(at, temp_path, strlen(temp_path)), 0);
		at += strlen(temp_path) + (want[i][0] == ':' ? 0 : 1);
		ck_assert_msg(strncmp(at, want[i], strlen(want[i])) == 0,
		    "%s, not %s", at, want[i]);
		at += strlen(want[i]);
	}
	ck_assert_str_eq(at, "--size: of the command line\nof nothing\n");
	ck_assert(opt.loud);
	options_free(&program, &opt);
}
END_TEST

START_TEST(reload)
{
	struct option_reading r;
	struct option_changes changes;
	struct opt old, fresh;

	ck_assert(read_both(&r, &old, "", "name = bert\nkeys = a\n"));
	ck_assert(read_both(&r, &fresh, "",
	    "name = carla\nnumber = 9\nloud = yes\nlisten = 1\n"
	    "keys = c\nkeys = a\ntime = 1m\n"));
	ck_assert(options_reload(&program, &old, &fresh, &changes));
	ck_assert_str_eq(changes.now, "loud name time");
	ck_assert_str_eq(changes.restart, "keys number listen");
	ck_assert_str_eq(fresh.name, "carla");
	ck_assert_uint_eq(fresh.n, 7);
	ck_assert_uint_eq(fresh.listen.n, 0);
	ck_assert_uint_eq(fresh.keys.n, 1);
	ck_assert_str_eq(fresh.keys.at[0], "a");
	options_free(&program, &old);
	options_free(&program, &fresh);
}
END_TEST

/* ---- what is written from the table ---- */

static char *
written(void (*print)(FILE *f))
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	ck_assert_ptr_nonnull(f);
	print(f);
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

static void
print_help(FILE *f)
{
	options_help(&program, f, 60);
}

START_TEST(help)
{
	static const char *const has[] = {
		"usage: bluenet-test [options]\n\nWords and ",
		"\nwords and words.\n\nSimple:\n  -f, --flag                "
		"  a flag\n",
		"\n  -n, --name TEXT             a text of two to five\n"
		"                              (default: anna)\n",
		"\nNumbers:\n      --number N              a number (default: "
		"7)\n",
		"paint it so: red, green or\n"
		"                              blue (default: green)\n",
		"\n  -p, --port PORTS            ports (default: 26000)\n",
		"\n  -m                          a letter only\n",
		"\n  -h, --help                  show this help\n",
		"\n\nThe end.\n",
	};
	char *text = written(print_help);

	for (size_t i = 0; i < sizeof(has) / sizeof(has[0]); i++)
		ck_assert_msg(
		    strstr(text, has[i]) != NULL, "no %s in %s", has[i], text);
	for (const char *line = text; line != NULL && *line != '\0';) {
		ck_assert_uint_le(strcspn(line, "\n"), 60);
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	free(text);
}
END_TEST

static void
print_bash(FILE *f)
{
	completion_bash(&program, f);
}

static void
print_zsh(FILE *f)
{
	completion_zsh(&program, f);
}

START_TEST(completions)
{
	static const char *const bash[] = {
		"\t--colour)\n\t\t_bluenet_test_words \"$2\" \"red green blue\""
		" ;;\n",
		"\t--keys)\n\t\t_bluenet_test_files \"$2\" ;;\n",
		"\t-p | --port)\n",
		"\t--more)\n\t\t_bluenet_test_run \"$2\" \"$3\" --list all "
		";;\n",
		"\n\t\t-s --size\n",
		"\n\t\t-m\n",
		"\n\t\t_bluenet_test_files \"$cur\"\n",
		"complete -F _bluenet_test bluenet-test\n",
	};
	static const char *const zsh[] = {
		"#compdef bluenet-test\n",
		"'(-s --size)'{-s+,--size=}'[bytes]:SIZE:' \\\n",
		"'*--keys=[some texts]:FILE:_files' \\\n",
		"'--colour=[paint it so]:COLOUR:(red green blue)' \\\n",
		"'--loud[another; it'\\''s \\[loud\\]\\: yes]' \\\n",
		"'*--more=[its own]:WHAT: _bluenet_test_run --list all' \\\n",
		"'(- *)'{-h,--help}'[show this help]' \\\n",
	};
	char *text = written(print_bash);

	for (size_t i = 0; i < sizeof(bash) / sizeof(bash[0]); i++)
		ck_assert_msg(strstr(text, bash[i]) != NULL, "no %s in %s",
		    bash[i], text);
	free(text);
	text = written(print_zsh);
	for (size_t i = 0; i < sizeof(zsh) / sizeof(zsh[0]); i++)
		ck_assert_msg(
		    strstr(text, zsh[i]) != NULL, "no %s in %s", zsh[i], text);
	free(text);
}
END_TEST

static Suite *
options_suite(void)
{
	Suite *suite = suite_create("options");
	TCase *tc = unit_case(suite, "command line");

	tcase_add_test(tc, defaults);
	tcase_add_loop_test(tc, said_otherwise, 0, UNIT_ROWS(alike));
	tcase_add_test(tc, given);
	tcase_add_test(tc, asked);
	tcase_add_loop_test(tc, mistakes, 0, UNIT_ROWS(bad));
	tcase_add_test(tc, endings);
	tcase_add_test(tc, too_many_mistakes);
	tcase_add_loop_test(tc, secret_is_hidden, 0, UNIT_ROWS(secrets));
	tc = unit_case(suite, "file");
	tcase_add_checked_fixture(tc, temp_setup, temp_teardown);
	tcase_add_test(tc, file);
	tcase_add_test(tc, file_mistakes);
	tcase_add_test(tc, reload);
	tc = unit_case(suite, "written");
	tcase_add_test(tc, help);
	tcase_add_test(tc, completions);
	return suite;
}

UNIT_MAIN(options_suite)
