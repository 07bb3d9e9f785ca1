/* SPDX-License-Identifier: MIT */
/* The filter: which records pass which expressions. */
#include "cmd/filter/filter.h"
#include "proto/codec.h"
#include "proto/header.h"
#include "tests/unit/failmalloc.h"
#include "tests/unit/filter_records.h"
#include "tests/unit/unit.h"

/*
 * Records: f full frame, e echo, k unknown key with forks, p plain frame,
 * g gap, l limit; see filter_records.h.
 */
static const struct {
	const char *text, *pass;
} rows[] = {
	/* words */
	{ "type == frame", "fekp" },
	{ "type != frame", "gl" },
	{ "type", "fekpgl" },
	{ "type in { gap, limit }", "gl" },
	{ "type == \"gap\"", "g" },
	{ "type matches \"^(gap|skip)$\"", "g" },
	{ "type contains \"m\"", "fekpl" },
	{ "dir == up", "fkp" },
	{ "dir == down", "eg" },
	{ "dir != up", "eg" },
	{ "!(dir == up)", "egl" },
	{ "dir", "fekpg" },
	{ "order == little", "fpg" },
	{ "order == network", "e" },
	{ "order != little", "e" },
	{ "order", "fepg" },
	{ "codec == zlib", "f" },
	{ "codec != zlib", "ekp" },
	{ "codec", "fk" },
	{ "codec in {zlib,snappy}", "fk" },
	{ "codec contains \"\"", "fekp" },
	{ "message == echo", "e" },
	{ "message == bluenet.echo", "e" },
	{ "message == \"echo-reply\"", "" },
	{ "message != hello", "e" },
	{ "message", "e" },
	{ "message matches \"^echo\"", "e" },
	/* fields of messages: only of a message that has them */
	{ "echo.cookie == 7", "e" },
	{ "echo.cookie != 8", "e" },
	{ "echo.sent_ns", "" },
	{ "echo.n == 2", "e" },
	{ "echo-reply.cookie == 7", "" },
	{ "error.code in { 2..4 }", "f" },
	{ "error.dest_type < 0", "f" },
	{ "error.key == 0x9f9003c1", "f" },
	{ "error.reason matches \"^a.b$\"", "f" },
	{ "error.reason contains \"\\x00\"", "f" },
	{ "error.reason == \"a\"", "" },
	{ "!roster-reply.more", "fekpgl" },
	/* truth values */
	{ "header", "fek" },
	{ "header == false", "p" },
	{ "header != true", "p" },
	{ "!header", "pgl" },
	{ "priority", "f" },
	{ "!priority", "ekpgl" },
	{ "priority == false", "ek" },
	{ "priority == 1", "f" },
	{ "priority != 0", "f" },
	/* numbers that are unsigned */
	{ "number == 1", "f" },
	{ "number", "fekp" },
	{ "number >= 2 && number < 4", "ek" },
	{ "packet > 7", "gl" },
	{ "packet in { 4, 6..7, 9 }", "fkpl" },
	{ "packet in { 9, 4..6, 5..8, 4 }", "fekpgl" },
	{ "packet in{0x4..0x5}", "fe" },
	{ "stream == 0", "fpg" },
	{ "stream", "ek" },
	{ "size == 9021", "f" },
	{ "size<22", "kp" },
	{ "size lt -1", "" },
	{ "size gt -1", "fekp" },
	{ "size != -1", "fekp" },
	{ "size == -1", "" },
	{ "size < 18446744073709551615", "fekp" },
	{ "size in { -5..20 }", "p" },
	{ "oob_len == 0", "p" },
	{ "oob_len", "fek" },
	{ "payload_len le 4", "ekp" },
	{ "serial == 4294967295", "k" },
	{ "latency_ms > 50", "fe" },
	{ "latency_ms > 50 && !(ping)", "e" },
	{ "latency_ms >= +50", "fek" },
	{ "latency_ms == 007", "" },
	{ "ping", "f" },
	{ "ping == 2630594", "f" },
	{ "ping != 1", "f" },
	{ "timestamp", "e" },
	{ "timestamp >= 0x8000000000000000", "e" },
	{ "timestamp <= 18446744073709551615", "fek" },
	{ "timestamp > 18446744073709551615", "" },
	{ "timestamp < 0", "" },
	{ "bytes", "g" },
	{ "bytes == 0", "l" },
	{ "bytes != 0", "g" },
	/* signed */
	{ "source == -5", "e" },
	{ "source != -5", "fk" },
	{ "source < 0", "ek" },
	{ "source <= -9223372036854775808", "k" },
	{ "source < -9223372036854775808", "" },
	{ "source > -9223372036854775808", "fe" },
	{ "source == 0", "f" },
	{ "source == -0", "f" },
	{ "source", "ek" },
	{ "dest == 9223372036854775807", "k" },
	{ "dest > 9223372036854775807", "" },
	{ "dest < 9223372036854775808", "fek" },
	{ "dest == 9223372036854775808", "" },
	{ "dest != 18446744073709551615", "fek" },
	{ "source in { -6..-4, 0..1 }", "fe" },
	{ "source in { -9223372036854775808..18446744073709551615 }", "fek" },
	{ "dest_type == node", "e" },
	{ "dest_type == 3", "k" },
	{ "dest_type != client", "ek" },
	{ "dest_type in { node..3 }", "fek" },
	{ "dest_type < \"client\"", "e" },
	/* keys */
	{ "key == 0x9f9003c1", "e" },
	{ "key == -1617951807", "e" },
	{ "key != 0x9f9003c1", "fk" },
	{ "key < 0", "fe" },
	{ "key < 0x7fffffff", "k" },
	{ "key > 0x7fffffff", "fe" },
	{ "key >= 0", "k" },
	{ "key >= 0x0", "fek" },
	{ "key < 0x0", "" },
	{ "key > 0xffffffff", "" },
	{ "key in { 0x1..0x9f9003c1 }", "fek" },
	{ "key in { 0x2..0x9f9003c0 }", "f" },
	{ "key in { 0x9f9003c1, 1 }", "ek" },
	{ "key", "fek" },
	/* time */
	{ "time == 1763850858.296242", "f" },
	{ "time == 1763850858.296242001", "e" },
	{ "time > 1763850858.296242001", "kpg" },
	{ "time < 1763850858", "l" },
	{ "time == -1.5", "l" },
	{ "time in { -2..1763850858.296242000 }", "fl" },
	{ "time", "fekpgl" },
	{ "time > 2025-11-22", "fekpg" },
	{ "time > \"2025-11-22 22:34:18Z\"", "fekpg" },
	{ "time > 2025-11-22T22:34:18.296242+00:00", "ekpg" },
	{ "time == 2025-11-22T22:34:18.296242Z", "f" },
	{ "time == \"2025-11-23 00:34:18.296242000 +02:00\"", "f" },
	{ "time == \"2025-11-22 17:04:18.296242 -0530\"", "f" },
	{ "time == \"Sat, 22 Nov 2025 22:34:18.296242 GMT\"", "f" },
	{ "time == \"Nov 22, 2025 22:34:18.296242 UTC\"", "f" },
	{ "time < 1970-01-01T00:00Z", "l" },
	{ "time == \"1969-12-31 23:59:58.5 Z\"", "l" },
	{ "time in { \"2025-11-22 22:34:18.2 Z\".."
	  "\"2025-11-22 22:34:18.296242001 Z\" }",
	    "fe" },
	/* addresses */
	{ "src == \"127.0.0.1:51996\"", "fp" },
	{ "src == 127.0.0.1", "fpg" },
	{ "src == \"127.0.0.1\"", "fpg" },
	{ "dst == 127.0.0.1", "fpg" },
	{ "dst == 127.0.0.10", "k" },
	{ "src == 127.0.0.1:26000", "g" },
	{ "src == ::1", "e" },
	{ "src == [::1]", "e" },
	{ "src == \"[0:0::1]:26000\"", "e" },
	{ "src == [::1]:26001", "" },
	{ "dst == \"2001:DB8:0::7\"", "e" },
	{ "dst != ::1", "fekpg" },
	{ "src in { 10.0.0.1, ::1, \"1.2.3.4:5\" }", "ek" },
	{ "src contains \"127.\"", "fpg" },
	{ "src matches \":(5|26000)$\"", "ekg" },
	{ "src", "fekpg" },
	{ "src_port == 26000", "eg" },
	{ "dst_port == 65535", "k" },
	{ "src_port < 10 or dst_port > 65000", "k" },
	{ "src.port == 26000", "eg" },
	{ "dst.port in { 26000, 65000..65535 }", "fkp" },
	{ "port == 26000", "fepg" },
	{ "port != 26000", "k" },
	{ "port < 10", "k" },
	{ "port in { 5, 51996 }", "fkpg" },
	{ "port", "fekpg" },
	{ "addr == 127.0.0.1", "fpg" },
	{ "addr == 127.0.0.10", "k" },
	{ "addr == 127.0.0.1:26000", "fpg" },
	{ "addr == [::1]:26000", "e" },
	{ "addr != ::1", "fkpg" },
	{ "addr in { 10.0.0.1, ::1 }", "ek" },
	{ "addr == 10.0.0.0/8", "k" },
	{ "addr matches \":65535$\"", "k" },
	{ "addr", "fekpg" },
	{ "src.ip == 127.0.0.1", "fpg" },
	{ "src.ip == \"127.0.0.1\"", "fpg" },
	{ "src.addr == ::1", "e" },
	{ "src.ip == [0::1]", "e" },
	{ "src.ip != 127.0.0.1", "ek" },
	{ "dst.ip == 2001:db8::7", "e" },
	{ "dst.addr in { 2001:db8::7, 127.0.0.10 }", "ek" },
	{ "src.ip in { 127.0.0.0..127.0.0.9, ::1..::1 }", "fepg" },
	{ "src.ip contains \"127\"", "fpg" },
	{ "src.ip matches \"^[0-9.]+$\"", "fkpg" },
	{ "src.ip", "fekpg" },
	{ "src == 127.0.0.0/8", "fpg" },
	{ "src == \"127.0.0.0/8\"", "fpg" },
	{ "src != 127.0.0.0/8", "ek" },
	{ "src == 0.0.0.0/0", "fkpg" },
	{ "src == ::/0", "e" },
	{ "dst == 2001:db8::/32", "e" },
	{ "dst == 2001:db9::/32", "" },
	{ "dst == 127.0.0.8/29", "k" },
	{ "dst == 127.0.0.10/32", "k" },
	{ "dst == 127.0.0.8/31", "" },
	{ "dst == ::ffff:127.0.0.0/104", "fkpg" },
	{ "src in { 10.0.0.0/8, ::1 }", "ek" },
	{ "src in { 10.0.0.0..10.255.255.255 }", "k" },
	{ "src in { 9.0.0.0..10.0.0.0, 10.0.0.2..10.0.0.3 }", "" },
	{ "src in { ::..ffff:: }", "e" },
	/* the names of JSON */
	{ "header.dest == 7", "e" },
	{ "header.key_name == \"bluenet.echo\"", "e" },
	{ "header.fork_ids == 5", "k" },
	{ "message.type == echo", "e" },
	{ "message.cookie == 7", "e" },
	{ "message.cookie == 0", "f" },
	{ "message.code == 3", "f" },
	{ "message.code != 4", "f" },
	{ "message.reason contains \"b\"", "f" },
	{ "message.key == 0x9f9003c1", "f" },
	{ "message.n == 2", "e" },
	{ "message.hops.id == 41", "e" },
	{ "message.hops.id > 41", "e" },
	{ "message.hops.id != 43", "e" },
	{ "message.hops.id != 42", "" },
	{ "message.hops.id in { 40..41, 50 }", "e" },
	{ "echo.hops.out_ns == 9", "e" },
	{ "echo.hops.in_ns", "" },
	{ "echo-reply.hops.id", "" },
	{ "message.entries.id", "" },
	{ "roster-reply.entries.name == \"x\"", "" },
	{ "hello.token", "" },
	{ "message.token == false", "" },
	{ "message.dest_type < 0", "f" },
	/* strings */
	{ "key_name == \"bluenet.echo\"", "e" },
	{ "key_name != \"bluenet.echo\"", "f" },
	{ "key_name", "fe" },
	{ "header && !key_name", "k" },
	{ "key_name == \"\"", "" },
	{ "key_name in { \"x\", \"BlueNet::pong\" }", "f" },
	{ "key_name contains \"pong\"", "f" },
	{ "key_name contains \"bluenet.echo.\"", "" },
	{ "key_name matches \"^[Bb]lue[Nn]et(::|\\\\.)(pong|echo)$\"", "fe" },
	{ "key_name matches \"\"", "fe" },
	{ "reason == \"not in the capture\"", "g" },
	{ "reason", "g" },
	{ "reason == \"\"", "l" },
	/* payload */
	{ "payload contains \"pong\\n\"", "f" },
	{ "payload contains \"g\\x00p\"", "f" },
	{ "payload contains 0a:0B:0c", "f" },
	{ "payload contains ff", "f" },
	{ "payload contains \"\\xFF \\x65nd\"", "f" },
	{ "payload contains \"\"", "fekp" },
	{ "payload == \"ping\"", "e" },
	{ "payload == 70:69:6e:67", "e" },
	{ "payload != \"ping\"", "fkp" },
	{ "payload in { 70:6f:6e:67, \"ping\" }", "ep" },
	{ "payload", "fep" },
	{ "payload matches \"^ping$\"", "e" },
	{ "payload matches \"p[io]ng\"", "fep" },
	{ "payload matches \"\\\\x00pong\\\\n\"", "f" },
	{ "payload matches \"(?i)PING\"", "fe" },
	{ "payload == 0x70696e67", "e" },
	{ "payload contains 0x0a0b0c", "f" },
	{ "oob", "fek" },
	{ "oob contains \"ping\\x00\"", "fek" },
	{ "trailing_len == 0", "fekp" },
	/* slices: what is not wholly there is missing */
	{ "payload[0:4] == 70:69:6e:67", "fe" },
	{ "payload[0:4] == \"ping\"", "fe" },
	{ "payload[0:4] != \"ping\"", "p" },
	{ "payload[:4] == \"ping\"", "fe" },
	{ "payload[0-3] == \"ping\"", "fe" },
	{ "payload[1-2] == \"in\"", "fe" },
	{ "payload[1:2] == \"in\"", "fe" },
	{ "payload[3] == \"g\"", "fep" },
	{ "payload[3] == 0x67", "fep" },
	{ "payload[4]", "f" },
	{ "payload[4:] == \"\"", "ep" },
	{ "payload[5:] != \"x\"", "f" },
	{ "payload[-4:] == \"ping\"", "e" },
	{ "payload[-4:4] in { \"ping\", \"pong\" }", "ep" },
	{ "payload[-3--2] == \"in\"", "e" },
	{ "payload[-1] == \"g\"", "ep" },
	{ "payload[0:5] contains \"g\"", "f" },
	{ "payload[5:] matches \"^pong\"", "f" },
	{ "payload[999999999] == 00", "" },
	{ "payload[-999999999:1]", "" },
	{ "oob[9:3]", "fk" },
	{ "key_name[0:4] == \"Blue\"", "f" },
	{ "key_name[-4:] == \"echo\"", "e" },
	{ "reason[:3] == \"not\"", "g" },
	{ "error.reason[1] == \"\\x00\"", "f" },
	/* fork ids */
	{ "fork_ids == 5", "k" },
	{ "fork_ids == 18446744073709551615", "k" },
	{ "fork_ids == 6", "" },
	{ "fork_ids != 6", "k" },
	{ "fork_ids != 5", "" },
	{ "fork_ids > 900", "k" },
	{ "fork_ids in { 6..899, 901..902 }", "" },
	{ "fork_ids", "k" },
	{ "forks", "k" },
	{ "forks == 4", "k" },
	/* joined */
	{ "number == 1 || number == 2 && codec == zlib", "f" },
	{ "(number == 1 || number == 2) && codec == none", "e" },
	{ "number == 1 and dir == down or number == 4", "p" },
	{ "number == 4 or number == 1 and dir == down", "p" },
	{ "number == 1 or number == 2 or number == 3", "fek" },
	{ "number > 1 and number > 2 and number > 3", "p" },
	{ "! number == 1", "ekpgl" },
	{ "not number == 1 and number", "ekp" },
	{ "!!priority", "f" },
	{ "!(!(priority) || codec == zlib)", "" },
	{ "!(priority && dir == up) && header", "ek" },
	{ "(((((priority)))))", "f" },
	{ "priority&&codec==zlib", "f" },
	{ "\n(dir==up\t&&\r\n!priority)", "kp" },
	{ "key_name == \"chat::line\" && (dest == 7 || latency_ms > 50) && "
	  "!priority",
	    "" },
	{ "key_name == \"bluenet.echo\" && (dest == 9 || latency_ms > 50) && "
	  "!priority",
	    "e" },
};

static struct filter *
compile(const char *text)
{
	struct bnet_slice copy = unit_copy(text, strlen(text) + 1);
	struct filter_error err;
	struct filter *f = filter_compile((const char *)copy.p, &err);

	ck_assert_msg(
	    f != NULL, "%s: column %zu: %s", text, err.column, err.text);
	unit_free(copy); /* a filter does not borrow its text */
	return f;
}

/* The letters of the records that pass; `pass` takes N_RECS + 1. */
static void
run(const struct filter *f, char *pass)
{
	struct records recs;
	size_t n = 0;

	records_init(&recs);
	failmalloc_watch();
	for (int i = 0; i < N_RECS; i++)
		if (filter_match(f, &recs.r[i]))
			pass[n++] = REC_LETTERS[i];
	pass[n] = '\0';
	ck_assert_uint_eq(failmalloc_stop(), 0);
}

START_TEST(test_row)
{
	struct filter *f = compile(rows[_i].text);
	char pass[N_RECS + 1];

	run(f, pass);
	ck_assert_msg(strcmp(pass, rows[_i].pass) == 0, "%s: %s, not %s",
	    rows[_i].text, pass, rows[_i].pass);
	filter_free(f);
}
END_TEST

/* Its opposite lets the others pass, and it is the same twice. */
START_TEST(test_laws)
{
	char text[512], pass[N_RECS + 1], want[N_RECS + 1];
	struct filter *f;
	size_t n = 0;

	for (const char *c = REC_LETTERS; *c != '\0'; c++)
		if (strchr(rows[_i].pass, *c) == NULL)
			want[n++] = *c;
	want[n] = '\0';
	snprintf(text, sizeof(text), "!(%s)", rows[_i].text);
	f = compile(text);
	run(f, pass);
	ck_assert_msg(strcmp(pass, want) == 0, "%s: %s", text, pass);
	filter_free(f);
	snprintf(text, sizeof(text), "type and (%s) or not type or (%s)",
	    rows[_i].text, rows[_i].text);
	f = compile(text);
	run(f, pass);
	ck_assert_msg(strcmp(pass, rows[_i].pass) == 0, "%s: %s", text, pass);
	filter_free(f);
}
END_TEST

/* A frame of no fork ids, and a bad reader, are no match and no harm. */
START_TEST(test_bad_ids)
{
	struct filter *f = compile("fork_ids == 0");
	struct records recs;

	records_init(&recs);
	ck_assert(filter_match(f, &recs.r[REC_KEY]));
	recs.packets[REC_KEY].header.forks = 0;
	ck_assert(!filter_match(f, &recs.r[REC_KEY]));
	filter_free(f);

	f = compile("fork_ids == 77");
	recs.packets[REC_KEY].header.forks = UINT32_MAX;
	ck_assert(!filter_match(f, &recs.r[REC_KEY]));
	filter_free(f);
}
END_TEST

/* A set of many values: each of them, and none of the others. */
START_TEST(test_large_set)
{
	char text[16384] = "number in { 100000";
	size_t n = strlen(text);
	struct records recs;
	struct filter *f;

	for (int i = 999; i >= 0; i--)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",%d..%d",
		    i * 10 + 3, i * 10 + 6);
	snprintf(text + n, sizeof(text) - n, "}");
	f = compile(text);
	records_init(&recs);
	for (uint64_t v = 0; v < 10010; v++) {
		recs.events[REC_FULL].number = v;
		ck_assert_msg(filter_match(f, &recs.r[REC_FULL]) ==
			(v < 10000 && v % 10 >= 3 && v % 10 <= 6),
		    "%u", (unsigned)v);
	}
	filter_free(f);
}
END_TEST

static enum filter_type
type_of(const char *name)
{
	char why[FILTER_REF_ERR_CHARS];
	struct filter_ref ref;
	size_t at;

	ck_assert_msg(
	    filter_ref_parse(name, strlen(name), &ref, why, &at), "%s", why);
	return ref.row->field.type;
}

/* What the library calls its codecs and messages, the filter does, too. */
START_TEST(test_words)
{
	const struct filter_field *field;
	const struct filter_word *w;
	int n_codecs = 0, n_messages = 0;

	for (size_t i = 0; (field = filter_field(i)) != NULL; i++) {
		ck_assert_str_ne(field->description, "");
		ck_assert_str_ne(filter_type_name(field->type), "");
		for (w = field->words; w != NULL && w->name != NULL; w++) {
			if (strcmp(field->name, "codec") == 0) {
				n_codecs++;
				ck_assert_str_eq(w->name,
				    bnet_codec_name(
					(enum bnet_codec_id)w->value));
			} else if (strcmp(field->name, "message") == 0) {
				n_messages++;
				ck_assert_str_eq(w->name,
				    bnet_message_name(
					(enum bnet_message_type)w->value) +
					strlen("bluenet."));
			}
		}
	}
	/* but not what is a credential */
	ck_assert(type_of("hello.name") == FILTER_STRING);
	ck_assert(type_of("hello.token") == FILTER_BOOL);
	ck_assert(type_of("message.token") == FILTER_BOOL);
	ck_assert_int_eq(n_codecs, 3);
	ck_assert_int_eq(n_messages, BNET_N_MSGS - 1);
}
END_TEST

/* Every field is in the help, alone is an expression, and tells of itself. */
START_TEST(test_help)
{
	const struct filter_field *field;
	char *help = NULL, line[64];
	size_t size = 0;
	FILE *f = open_memstream(&help, &size);

	ck_assert_ptr_nonnull(f);
	filter_help(f);
	fclose(f);
	for (size_t i = 0; (field = filter_field(i)) != NULL; i++) {
		snprintf(line, sizeof(line), "\n  %-12s %s", field->name,
		    filter_type_name(field->type));
		ck_assert_msg(strstr(help, line) != NULL, "%s", line);
		filter_free(compile(field->name));
		ck_assert_msg(
		    strstr(help, filter_type_operators(field->type)) != NULL,
		    "%s", field->name);
	}
	for (const char *c = help; (c = strchr(c, '\n')) != NULL; c++)
		ck_assert(strcspn(c + 1, "\n") < 80);
	free(help);
}
END_TEST

static Suite *
filter_suite(void)
{
	Suite *suite = suite_create("filter");
	TCase *tc = unit_case(suite, "filter");

	tcase_add_loop_test(tc, test_row, 0, UNIT_ROWS(rows));
	tcase_add_loop_test(tc, test_laws, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, test_bad_ids);
	tcase_add_test(tc, test_large_set);
	tcase_add_test(tc, test_words);
	tcase_add_test(tc, test_help);
	return suite;
}

UNIT_MAIN(filter_suite)
