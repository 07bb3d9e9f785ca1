/* SPDX-License-Identifier: MIT */
/* How the relay is told what to do: command line, file, and file again. */
#include "cmd/relay/options.h"

#include "tests/unit/unit.h"
#include "tests/unit/temp_file.h"

#include <unistd.h>

#define WORDS_MAX 16

/* As from a shell: `line` is cut at blanks; with_file adds --config. */
static bool
read_line(struct relay_options *opt, struct option_reading *reading,
    const char *line, bool with_file)
{
	char *argv[WORDS_MAX + 4], *copy = strdup(line), *rest = copy, *word;
	char name[] = "bluenet-relay", config[] = "--config";
	int argc = 0;
	bool ok;

	ck_assert_ptr_nonnull(copy);
	argv[argc++] = name;
	if (with_file) {
		argv[argc++] = config;
		argv[argc++] = temp_path;
	}
	while ((word = strsep(&rest, " ")) != NULL && argc < WORDS_MAX)
		if (*word != '\0')
			argv[argc++] = word;
	argv[argc] = NULL;
	ok = relay_options_read(opt, reading, argc, argv);
	free(copy);
	return ok;
}

static void
must_read(struct relay_options *opt, const char *line, const char *file)
{
	struct option_reading reading;

	if (file != NULL)
		temp_write(file, strlen(file));
	ck_assert_msg(read_line(opt, &reading, line, file != NULL), "%s: %s",
	    line, reading.mistakes);
}

START_TEST(test_defaults)
{
	struct relay_options opt;

	must_read(&opt, "", NULL);
	ck_assert_uint_eq(opt.listen.n, 0);
	ck_assert_uint_eq(opt.listen_tls.n, 0);
	ck_assert_uint_eq(opt.metrics.n, 0);
	ck_assert_uint_eq(opt.id, 1);
	ck_assert_str_eq(opt.name, "relay");
	ck_assert_str_eq(opt.environment, "development");
	ck_assert_uint_eq(opt.n_ids, 65536);
	ck_assert_int_eq(opt.hello_timeout_ns, INT64_C(15000000000));
	ck_assert_uint_eq(opt.frame_max_bytes, 1 << 20);
	ck_assert_uint_eq(opt.payload_max_bytes, 20000000);
	ck_assert_uint_eq(opt.codecs, 3);
	ck_assert_uint_eq(opt.queue_bytes, 4 << 20);
	ck_assert_uint_eq(opt.memory_bytes, 1 << 30);
	ck_assert_int_eq(opt.overload, RELAY_OVERLOAD_REFUSE);
	ck_assert_int_eq(opt.tls_min, RELAY_TLS_1_2);
	ck_assert_int_eq(opt.log_level, LOG_LEVEL_INFO);
	ck_assert_ptr_null(opt.cert);
	ck_assert(!opt.insecure_listen && !opt.insecure_nodes);
	ck_assert(!opt.insecure_metrics && !opt.trace && !opt.require_hello);
	relay_options_free(&opt);
}
END_TEST

START_TEST(test_command_line)
{
	struct relay_options opt;
	char text[ADDRESS_CHARS];

	must_read(&opt,
	    "-l 127.0.0.1:1 -l [::1]:2 --queue=64K --trace"
	    " --codecs snappy --overload cut --drain-timeout 500ms",
	    NULL);
	ck_assert_uint_eq(opt.listen.n, 2);
	ck_assert_uint_eq(opt.queue_bytes, 65536);
	ck_assert(opt.trace);
	ck_assert_uint_eq(opt.codecs, 2);
	ck_assert_int_eq(opt.overload, RELAY_OVERLOAD_CUT);
	ck_assert_int_eq(opt.drain_timeout_ns, 500000000);
	relay_options_free(&opt);

	must_read(&opt, "--metrics 127.0.0.1:1 --metrics 127.0.0.1:2", NULL);
	ck_assert_uint_eq(opt.metrics.n, 1);
	relay_options_free(&opt);

	must_read(&opt, "--make-token * market", NULL);
	ck_assert_str_eq(opt.make_token, "*");
	ck_assert_str_eq(opt.make_token_name, "market");
	relay_options_free(&opt);

	must_read(&opt, "-l 26000 --verbose --log-level error", NULL);
	ck_assert_str_eq(
	    address_format(&opt.listen.at[0], text), "127.0.0.1:26000");
	ck_assert_int_eq(opt.log_level, LOG_LEVEL_DEBUG);
	relay_options_free(&opt);

	must_read(&opt, "--help --nonsense", NULL);
	relay_options_free(&opt);
}
END_TEST

START_TEST(test_file)
{
	static const char file[] = "# a comment\n"
				   "; another\n"
				   "listen = 127.0.0.1:1\n"
				   "  listen = 127.0.0.1:2\r\n"
				   "queue = 1M\n"
				   "insecure-nodes = yes ; behind a wall\n"
				   "trace = no\n"
				   "proxy-protocol = 10.0.0.0/8, ::1\n"
				   "proxy-protocol = 192.0.2.7\n"
				   "drain-to = relay-2.example:26000";
	struct relay_options opt;

	must_read(&opt, "", file);
	ck_assert_uint_eq(opt.listen.n, 2);
	ck_assert_uint_eq(opt.queue_bytes, 1 << 20);
	ck_assert(opt.insecure_nodes && !opt.insecure_listen && !opt.trace);
	ck_assert_uint_eq(opt.proxy_protocol.n, 3);
	ck_assert_str_eq(opt.drain_to, "relay-2.example:26000");
	relay_options_free(&opt);

	/* the command line wins, also over a list, also from behind */
	must_read(&opt,
	    "-l 127.0.0.1:9 --queue 2M --insecure-nodes=no --drain-to x", file);
	ck_assert_uint_eq(opt.listen.n, 1);
	ck_assert_uint_eq(opt.queue_bytes, 2 << 20);
	ck_assert(!opt.insecure_nodes);
	ck_assert_str_eq(opt.drain_to, "x");
	relay_options_free(&opt);

	must_read(&opt, "", "");
	relay_options_free(&opt);
}
END_TEST

static const struct bad_row {
	const char *line;
	const char *file; /* NULL: none */
	const char *want; /* in the message, after "FILE:" where there is one */
} bad_rows[] = {
	{ "--queue 1X", NULL, "--queue: \"1X\": expected a size such as" },
	{ "--id 0", NULL, "--id: \"0\": expected a number from 1 to" },
	{ "--keepalive 1ms", NULL,
	    "--keepalive: \"1ms\": expected a time such as" },
	{ "--overload maybe", NULL, "expected one of refuse, pause, cut" },
	{ "--tls-min 1.1", NULL, "expected one of 1.2, 1.3" },
	{ "--codecs lz4", NULL, "expected zlib, snappy, zlib,snappy or none" },
	{ "--codecs zlib,", NULL, "--codecs: \"zlib,\": expected" },
	{ "--listen 70000", NULL, "--listen: \"70000\": expected HOST:PORT" },
	{ "-l localhost", NULL, "-l: \"localhost\": expected HOST:PORT" },
	{ "-l nowhere.invalid:1", NULL, "-l: \"nowhere.invalid:1\": " },
	{ "--insecure-nodes=maybe", NULL,
	    "expected one of yes, no, true, false" },
	{ "--proxy-protocol 10.0.0.1/8", NULL, "expected an address, or" },
	{ "--threads 65", NULL, "expected a number from 0 to 64" },
	{ "--cert=", NULL, "--cert: \"\": expected text with a length from" },
	{ "--nonsense", NULL, "--nonsense: no such option" },
	{ "-k", NULL, "-k: no such option" },
	{ "-l", NULL, "-l: expected HOST:PORT after it" },
	{ "words", NULL, "\"words\": expected options only" },
	{ "--make-token 7", NULL, "--make-token: expected ID NAME" },
	{ "--make-token 7 a b", NULL, "\"b\": expected options only" },
	/* what does not go together */
	{ "-L 127.0.0.1:1", NULL, "add --cert FILE and --key FILE" },
	{ "--cert a", NULL, "cert: expected key with it: add --key" },
	{ "--key a", NULL, "key: expected cert with it: add --cert" },
	{ "-l 0.0.0.0:1", NULL, "listen: \"0.0.0.0:1\": expected a loopback" },
	{ "-l 127.0.0.1:1 -l [::]:1", NULL, "\"[::]:1\": expected a loopback" },
	{ "-l 10.0.0.1:1", NULL,
	    "--listen-tls for others, or --insecure-listen" },
	{ "--metrics 10.0.0.1:1", NULL, "metrics: \"10.0.0.1:1\": expected a" },
	{ "--queue 2G", NULL, "queue: \"2147483648\": expected at most --mem" },
	{ "--nodes-from 9223372036854775807", NULL, "room for 65536 ids" },
	/* the file */
	{ "", "\n\nqueue = 1X\n", "3: queue: \"1X\": expected a size" },
	{ "", "nonsense = 1", "1: nonsense: expected the name of an" },
	{ "", "help = yes", "1: help: expected on the command line" },
	{ "", "config = x", "1: config: expected on the command line" },
	{ "", "#\ntrace\n", "2: expected NAME = VALUE" },
	{ "", "trace\nqueue = x", "1: expected NAME = VALUE" },
	{ "", "queue = x\ntrace", "1: queue: \"x\": expected" },
	{ "", "queue = x\ntrace", "2: expected NAME = VALUE" },
	{ "", "\nlisten = 0.0.0.0:1", "2: listen: \"0.0.0.0:1\": expected a" },
	{ "", "key = a", "1: key: expected cert with it: add --cert" },
	{ "", "queu = 1", "1: queu: expected the name of an option; did" },
	{ "", "[relay]\nid = 3", "1: expected no [section]" },
	{ "", "id = ", "1: id: \"\": expected a number" },
	{ "--id 2", "id = x", "1: id: \"x\": expected a number" },
};

START_TEST(test_bad)
{
	const struct bad_row *row = &bad_rows[_i];
	char want[sizeof(temp_path) + 200];
	struct option_reading reading;
	struct relay_options opt;

	snprintf(want, sizeof(want), "%s%s%s",
	    row->file != NULL ? temp_path : "", row->file != NULL ? ":" : "",
	    row->want);
	if (row->file != NULL)
		temp_write(row->file, strlen(row->file));
	ck_assert_msg(!read_line(&opt, &reading, row->line, row->file != NULL),
	    "%s: taken", row->line);
	ck_assert_msg(strstr(reading.mistakes, want) != NULL, "%s: %s",
	    row->line, reading.mistakes);
	relay_options_free(&opt);
}
END_TEST

/* What a text file is not; lines longer than inih takes. */
START_TEST(test_odd_file)
{
	struct option_reading reading;
	char text[1000];
	struct relay_options opt;

	temp_write("id = 2\nid\0 = 3\n", 15);
	ck_assert(!read_line(&opt, &reading, "", true));
	ck_assert_ptr_nonnull(strstr(reading.mistakes, ":2: expected text"));
	relay_options_free(&opt);

	memset(text, 'x', sizeof(text));
	memcpy(text, "id = 2\nname = ", 14);
	temp_write(text, sizeof(text));
	ck_assert(!read_line(&opt, &reading, "", true));
	ck_assert_ptr_nonnull(
	    strstr(reading.mistakes, ":2: the line is too long"));
	relay_options_free(&opt);

	memset(text, ' ', sizeof(text));
	memcpy(text + sizeof(text) - 6, "id = 7", 6);
	temp_write(text, sizeof(text));
	ck_assert(read_line(&opt, &reading, "", true));
	ck_assert_uint_eq(opt.id, 7);
	relay_options_free(&opt);

	unlink(temp_path);
	ck_assert(!read_line(&opt, &reading, "", true));
	ck_assert_ptr_nonnull(
	    strstr(reading.mistakes, ": No such file or directory"));
	relay_options_free(&opt);
	ck_assert(!read_line(&opt, &reading, "--config /", false));
	ck_assert_ptr_nonnull(strstr(reading.mistakes, ": Is a directory"));
	relay_options_free(&opt);
}
END_TEST

START_TEST(test_reload)
{
	struct relay_options old, fresh;
	struct option_changes changes;
	struct option_reading reading = { .program = &relay_program };

	must_read(&old, "--id 5",
	    "queue = 1M\nlisten = 127.0.0.1:1\ncert = a\nkey = b\n");
	must_read(&fresh, "--id 5",
	    "queue = 1M\nlisten = 127.0.0.1:1\ncert = a\nkey = b\n");
	ck_assert(relay_options_reload(&old, &fresh, &reading, &changes));
	ck_assert_str_eq(changes.now, "");
	ck_assert_str_eq(changes.restart, "");
	relay_options_free(&fresh);

	must_read(&fresh, "--id 5",
	    "queue = 2M\nlisten = 127.0.0.1:2\ncert = c\nkey = b\n"
	    "name = other\nid = 7\ntokens = t\nproxy-protocol = ::1\n"
	    "log-level = debug\nuser = nobody\n");
	ck_assert(relay_options_reload(&old, &fresh, &reading, &changes));
	ck_assert_str_eq(changes.now, "cert tokens queue log-level");
	ck_assert_str_eq(changes.restart, "listen proxy-protocol name user");
	/* what is in force now */
	ck_assert_uint_eq(fresh.queue_bytes, 2 << 20);
	ck_assert_str_eq(fresh.cert, "c");
	ck_assert_str_eq(fresh.tokens, "t");
	ck_assert_str_eq(fresh.name, "relay");
	ck_assert_ptr_null(fresh.user);
	ck_assert_uint_eq(fresh.proxy_protocol.n, 0);
	relay_options_free(&old);

	/* what waits is told again, what is in force is not */
	must_read(&old, "--id 5",
	    "queue = 2M\nlisten = 127.0.0.1:1\ncert = c\nkey = b\n"
	    "name = other\ntokens = t\nlog-level = debug\n");
	ck_assert(relay_options_reload(&fresh, &old, &reading, &changes));
	ck_assert_str_eq(changes.now, "");
	ck_assert_str_eq(changes.restart, "name");
	relay_options_free(&old);
	relay_options_free(&fresh);
}
END_TEST

/* Each file is good, but what takes effect of the second is not. */
START_TEST(test_reload_check)
{
	struct relay_options old, fresh;
	struct option_changes changes;
	struct option_reading reading = { .program = &relay_program };

	must_read(&old, "", "listen-tls = 127.0.0.1:1\ncert = a\nkey = b\n");
	must_read(&fresh, "", "");
	ck_assert(!relay_options_reload(&old, &fresh, &reading, &changes));
	ck_assert_str_eq(changes.restart, "listen-tls");
	ck_assert_ptr_nonnull(
	    strstr(reading.mistakes, "expected a certificate"));
	relay_options_free(&old);
	relay_options_free(&fresh);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("relay_options");
	TCase *tc = unit_case(suite, "relay_options");

	tcase_add_checked_fixture(tc, temp_setup, temp_teardown);
	tcase_add_test(tc, test_defaults);
	tcase_add_test(tc, test_command_line);
	tcase_add_test(tc, test_file);
	tcase_add_loop_test(tc, test_bad, 0, UNIT_ROWS(bad_rows));
	tcase_add_test(tc, test_odd_file);
	tcase_add_test(tc, test_reload);
	tcase_add_test(tc, test_reload_check);
	return suite;
}

UNIT_MAIN(make_suite)
