/* SPDX-License-Identifier: MIT */
/* The page of metrics: every counter is on it, and promtool likes it. */
#include "cmd/relay/admin.h"

#include "tests/unit/unit.h"

#include <inttypes.h>

#define PAGE_MAX_BYTES 100000
#define ENGINE_BASE UINT64_C(1000001)
#define RELAY_BASE UINT64_C(50000001) /* no sum of the buckets */

static uint64_t engine[ENGINE_N_COUNTERS], relay[RELAY_N_COUNTERS];
static char page[PAGE_MAX_BYTES + 1];

static struct metrics metrics;

/* Every counter another value, so that it is known on the page. */
static void
setup(void)
{
	for (unsigned i = 0; i < ENGINE_N_COUNTERS; i++)
		engine[i] = ENGINE_BASE + i;
	for (unsigned i = 0; i < RELAY_N_COUNTERS; i++)
		relay[i] = RELAY_BASE + i;
	metrics = (struct metrics){
		.engine = engine,
		.relay = relay,
		.n_clients = 11,
		.n_nodes = 13,
		.n_connections = 40,
		.draining = true,
		.started_s = 1700000000,
		.version = "1.2.3",
		.environment = "staging",
		.name = "relay",
		.id = 5,
	};
}

static void
render(void)
{
	struct text text;
	struct bnet_slice got;

	text_init(&text, PAGE_MAX_BYTES);
	metrics_render(&text, &metrics);
	ck_assert(text_ok(&text));
	got = text_slice(&text);
	memcpy(page, got.p, got.len);
	page[got.len] = '\0';
	text_free(&text);
}

static unsigned
times(const char *what)
{
	unsigned n = 0;

	for (const char *p = page; (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

static void
has_value(uint64_t v, unsigned n)
{
	char what[32];

	(void)snprintf(what, sizeof(what), " %" PRIu64 "\n", v);
	ck_assert_msg(times(what) == n, "%s is there %u times, not %u", what,
	    times(what), n);
}

START_TEST(all_are_there)
{
	render();
	for (unsigned i = 0; i < RELAY_N_COUNTERS; i++)
		has_value(RELAY_BASE + i, 1);
	/* the histogram's sum is the packets written */
	for (unsigned i = 0; i < ENGINE_WRITE_SIZES; i++)
		has_value(ENGINE_BASE + i, i == ENGINE_PACKETS_WRITTEN ? 2 : 1);
}
END_TEST

static const char *const lines[] = {
	"\nbluenet_relay_packets_forwarded_total{dest=\"any\"} ",
	"\nbluenet_relay_packets_local_total{key=\"discard\"} ",
	"\nbluenet_relay_packets_refused_total{reason=\"malformed\"} ",
	"\nbluenet_relay_packets_dropped_total{reason=\"no_header\"} ",
	"\nbluenet_relay_errors_sent_total{code=\"9\"} ",
	"\nbluenet_relay_connections_closed_total{reason=\"limit\"} ",
	"\nbluenet_relay_tls_handshakes_total{version=\"1.3\"} 10000",
	"\nbluenet_relay_tls_resumed_total 10000",
	"\nbluenet_relay_links{role=\"client\"} 11\n",
	"\nbluenet_relay_links{role=\"node\"} 13\n",
	"\nbluenet_relay_connections 40\n",
	"\nbluenet_relay_draining 1\n",
	"\nbluenet_relay_start_time_seconds 1700000000\n",
	",environment=\"staging\",name=\"relay\"} 1\n",
};

START_TEST(lines_as_promised)
{
	render();
	ck_assert_msg(times(lines[_i]) == 1, "not there once: %s", lines[_i]);
}
END_TEST

START_TEST(certificate)
{
	const char sample[] = "\nbluenet_relay_certificate_expiry_seconds ";

	render();
	ck_assert_uint_eq(times(sample), 0);
	metrics.cert_expires_s = 1800000000;
	render();
	ck_assert_uint_eq(times(sample), 1);
}
END_TEST

/* Buckets are cumulative, and the last is the count. */
START_TEST(histogram)
{
	for (unsigned i = 0; i < 8; i++)
		engine[ENGINE_WRITE_SIZES + i] = 1u << i;
	render();
	ck_assert_uint_eq(times("packets_per_write_bucket{le=\"1\"} 1\n"), 1);
	ck_assert_uint_eq(times("packets_per_write_bucket{le=\"3\"} 3\n"), 1);
	ck_assert_uint_eq(
	    times("packets_per_write_bucket{le=\"127\"} 127\n"), 1);
	ck_assert_uint_eq(
	    times("packets_per_write_bucket{le=\"+Inf\"} 255\n"), 1);
	ck_assert_uint_eq(times("packets_per_write_count 255\n"), 1);
}
END_TEST

START_TEST(closed_words)
{
	for (unsigned i = RELAY_CLOSED_PEER; i <= RELAY_CLOSED_LIMIT; i++)
		ck_assert_str_ne(
		    metrics_closed_word((enum relay_counter)i), "unknown");
	ck_assert_str_eq(
	    metrics_closed_word(RELAY_CLOSED_MALFORMED), "malformed");
	ck_assert_str_eq(
	    metrics_closed_word(RELAY_CLOSED_SHUTTING_DOWN), "shutting_down");
	ck_assert_str_eq(metrics_closed_word(RELAY_CLOSED_LIMIT), "limit");
	ck_assert_str_eq(metrics_closed_word(RELAY_ADMITTED), "unknown");
}
END_TEST

START_TEST(hostile_labels)
{
	metrics.name = "a\"} 7\nb\\c\x01\xff\xc3\xa9";
	metrics.environment = NULL;
	render();
	ck_assert_uint_eq(times("environment=\"\",name=\"a\\\"} 7\\nb\\\\c"
				"\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\"} 1\n"),
	    1);
}
END_TEST

/* Names, types, help and labels, as the one who reads them wants them. */
START_TEST(promtool)
{
	FILE *f;

	metrics.name = _i == 0 ? "relay" : "a\"} 7\nb\\c\x01\xff";
	metrics.cert_expires_s = _i == 0 ? 0 : 1800000000;
	render();
	f = popen("promtool check metrics", "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ne(fputs(page, f), EOF);
	ck_assert_int_eq(pclose(f), 0);
}
END_TEST

static Suite *
metrics_suite(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tc = unit_case(suite, "metrics");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, all_are_there);
	tcase_add_loop_test(tc, lines_as_promised, 0, UNIT_ROWS(lines));
	tcase_add_test(tc, certificate);
	tcase_add_test(tc, histogram);
	tcase_add_test(tc, closed_words);
	tcase_add_test(tc, hostile_labels);
	tcase_add_loop_test(tc, promtool, 0, 2);
	return suite;
}

UNIT_MAIN(metrics_suite)
