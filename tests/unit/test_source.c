/* SPDX-License-Identifier: MIT */
/* Packets out of files: pcap of both precisions, pcapng, and damaged ones. */
#include "cmd/capture/source.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <pcap/dlt.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[] = "/tmp/bnet-source-XXXXXX";
static char err[SOURCE_ERR_CHARS];
static struct source_packet packet;

static struct source *
open_file(const char *name)
{
	return source_open(&name, 1, NULL, err);
}

static void
setup(void)
{
	int fd;

	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void
teardown(void)
{
	unlink(path);
}

static void
write_hex(const char *hex, size_t n_cut)
{
	struct bnet_slice in = unit_hex(hex);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	if (in.len > n_cut)
		ck_assert_uint_eq(
		    fwrite(in.p, 1, in.len - n_cut, f), in.len - n_cut);
	ck_assert_int_eq(fclose(f), 0);
	unit_free(in);
}

/* Two packets of raw IP, "abcd" of 9 and "ef", one second apart. */
#define RECORDS_LE(sub) \
	"00f15365" sub "04000000 09000000 61626364" \
	"01f15365" sub "02000000 02000000 6566"
#define MICRO "d4c3b2a1 0200 0400 00000000 00000000 00000400 65000000"
#define NANO "4d3cb2a1 0200 0400 00000000 00000000 00000400 65000000"
#define SUB "40e20100" /* 123456 */
#define SECTION "0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000"
/* raw IP, with an option: nanoseconds */
#define IFACE \
	"01000000 20000000 6500 0000 00000400" \
	"0900 0100 09000000 0000 0000 20000000"

static const struct good_row {
	const char *name, *hex;
	int64_t time_ns; /* of the first */
	int n;
} good_rows[] = {
	{ "micro", MICRO RECORDS_LE(SUB), INT64_C(1700000000123456000), 2 },
	{ "nano", NANO RECORDS_LE(SUB), INT64_C(1700000000000123456), 2 },
	{ "big endian",
	    "a1b2c3d4 0002 0004 00000000 00000000 00040000 00000065"
	    "6553f100 0001e240 00000004 00000009 61626364",
	    INT64_C(1700000000123456000), 1 },
	{ "empty", MICRO, 0, 0 },
	{ "pcapng",
	    SECTION IFACE "06000000 24000000 00000000"
			  "86bc9717 40e30100 04000000 09000000 61626364"
			  "24000000",
	    -1, 1 },
};

START_TEST(test_good)
{
	const struct good_row *row = &good_rows[_i];
	struct source *src;
	uint64_t at, size;

	write_hex(row->hex, 0);
	src = open_file(path);
	ck_assert_msg(src != NULL, "%s: %s", row->name, err);
	ck_assert_int_eq(source_linktype(src), DLT_RAW);
	ck_assert_str_eq(source_linktype_name(src), "RAW");
	ck_assert_uint_eq(source_dropped(src), 0);
	for (int i = 0; i < row->n; i++) {
		ck_assert_int_eq(source_next(src, &packet, err), SOURCE_PACKET);
		unit_same(row->name, packet.data,
		    (struct bnet_slice){
			(const uint8_t *)(i == 0 ? "abcd" : "ef"),
			i == 0 ? 4 : 2 });
		ck_assert_uint_eq(packet.wire_bytes, i == 0 ? 9 : 2);
		if (row->time_ns > 0)
			ck_assert_int_eq(packet.time_ns,
			    row->time_ns + i * INT64_C(1000000000));
	}
	ck_assert_int_eq(source_next(src, &packet, err), SOURCE_END);
	ck_assert(source_progress(src, &at, &size));
	ck_assert_uint_eq(at, size);
	source_close(src);
}
END_TEST

/* Cut at every byte: what is before comes, then an end or an error in words. */
START_TEST(test_cut)
{
	const struct good_row *row = &good_rows[_i];
	struct bnet_slice in = unit_hex(row->hex);
	size_t whole = in.len;

	unit_free(in);
	for (size_t cut = 1; cut <= whole; cut++) {
		struct source *src;
		enum source_result result;
		int n = 0;

		err[0] = '\0';
		write_hex(row->hex, cut);
		src = open_file(path);
		if (src == NULL) {
			ck_assert_msg(
			    strncmp(err, path, strlen(path)) == 0, "%s", err);
			continue;
		}
		while (
		    (result = source_next(src, &packet, err)) == SOURCE_PACKET)
			n++;
		ck_assert_int_lt(n, row->n + (row->n == 0));
		if (result == SOURCE_ERROR)
			ck_assert_msg(
			    strstr(err, ": after packet ") != NULL, "%s", err);
		else
			ck_assert_int_eq(result, SOURCE_END);
		source_close(src);
	}
}
END_TEST

/* Times that no clock shows are no reason to overflow. */
START_TEST(test_wild_times)
{
	static const char *const times[] = { "ffffffff ffffffff",
		"ffffff7f 00000000", "00000080 00000000", "00000000 ffffffff" };
	/* seconds, and units of two to the minus 0 and 63 */
	static const char *const units[] = { "00", "80", "bf", "09", "06" };
	char hex[500];

	for (int u = 0; u < UNIT_ROWS(units); u++)
		for (int i = 0; i < UNIT_ROWS(times); i++) {
			struct source *src;

			snprintf(hex, sizeof(hex),
			    SECTION "01000000 20000000 6500 0000 00000400"
				    "0900 0100 %s000000 0000 0000 20000000"
				    "06000000 24000000 00000000 %s"
				    "04000000 09000000 61626364 24000000",
			    units[u], times[i]);
			write_hex(hex, 0);
			src = open_file(path);
			ck_assert_msg(src != NULL, "%s", err);
			if (source_next(src, &packet, err) == SOURCE_PACKET) {
				ck_assert_int_le(packet.time_ns, INT64_MAX / 2);
				ck_assert_int_ge(packet.time_ns, INT64_MIN / 2);
			}
			source_close(src);
		}
}
END_TEST

static const struct bad_row {
	const char *name, *hex, *want;
} bad_rows[] = {
	{ "empty", "", "expected a pcap or pcapng file" },
	{ "text", "68656c6c6f20776f726c642c20686f772061726520796f753f0a",
	    "expected a pcap or pcapng file" },
	{ "version 9", "d4c3b2a1 0900 0400 00000000 00000000 00000400 65000000",
	    "expected a pcap or pcapng file" },
};

START_TEST(test_bad)
{
	const struct bad_row *row = &bad_rows[_i];

	write_hex(row->hex, 0);
	ck_assert_ptr_null(open_file(path));
	ck_assert_msg(strncmp(err, path, strlen(path)) == 0 &&
		strstr(err, row->want) != NULL,
	    "%s: %s", row->name, err);
}
END_TEST

START_TEST(test_no_file)
{
	char longer[3000];

	ck_assert_ptr_null(open_file("/no/such/file"));
	ck_assert_str_eq(err, "/no/such/file: No such file or directory");
	ck_assert_ptr_null(open_file("/tmp"));
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_ptr_null(open_file(longer));
	ck_assert_uint_lt(strlen(err), SOURCE_ERR_CHARS);
	ck_assert_ptr_null(source_open_live("no-such-interface", 1000, err));
	ck_assert_msg(strstr(err, "no-such-interface") != NULL, "%s", err);
	source_close(NULL);
}
END_TEST

/* A record that claims more than can be is an error, behind the good one. */
START_TEST(test_record_too_long)
{
	struct source *src;

	write_hex(
	    MICRO RECORDS_LE(SUB) "02f15365" SUB "ffffff7f ffffff7f 6566", 0);
	src = open_file(path);
	ck_assert_msg(src != NULL, "%s", err);
	ck_assert_int_eq(source_next(src, &packet, err), SOURCE_PACKET);
	ck_assert_int_eq(source_next(src, &packet, err), SOURCE_PACKET);
	ck_assert_int_eq(source_next(src, &packet, err), SOURCE_ERROR);
	ck_assert_msg(strstr(err, "after packet 2") != NULL, "%s", err);
	source_close(src);
}
END_TEST

/* A datagram to a port of loopback where nobody has to listen. */
static void
say(int fd, uint16_t port, const void *data, size_t n)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };

	(void)sendto(fd, data, n, 0, (const struct sockaddr *)&to, sizeof(to));
}

/* A tenth of a second each time: what is there is shown long before the end. */
static bool
idle(void *arg)
{
	int *n_left = arg;

	return (*n_left)-- > 0;
}

/* More than the kernel's buffer holds, and nobody has read any of it. */
START_TEST(test_filter_live)
{
	static const uint8_t much[32768];
	struct source *src = source_open_live("lo", 65535, err);
	int fd, n_left = 100;

	if (src == NULL) /* not ours to capture */
		return;
	source_on_idle(src, idle, &n_left);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_ge(fd, 0);
	for (int i = 0; i < 1000; i++)
		say(fd, 9, much, sizeof(much));
	ck_assert_msg(source_filter(src, "udp dst port 7", err), "%s", err);
	say(fd, 7, "here", 4);
	ck_assert_int_eq(source_next(src, &packet, err), SOURCE_PACKET);
	ck_assert_uint_ge(packet.data.len, 4);
	ck_assert_mem_eq(packet.data.p + packet.data.len - 4, "here", 4);
	ck_assert_int_eq(close(fd), 0);
	source_close(src);
}
END_TEST

START_TEST(test_filter)
{
	struct source *src;

	write_hex(MICRO RECORDS_LE(SUB), 0);
	src = open_file(path);
	ck_assert_msg(src != NULL, "%s", err);
	ck_assert(!source_filter(src, "tcp prt 26000", err));
	ck_assert_msg(strstr(err, "'tcp prt 26000'") != NULL, "%s", err);
	ck_assert_msg(source_filter(src, "greater 5", err), "%s", err);
	ck_assert_int_eq(source_next(src, &packet, err), SOURCE_PACKET);
	ck_assert_int_eq(source_next(src, &packet, err), SOURCE_END);
	source_close(src);
	src = open_file(path);
	source_break(src);
	ck_assert_int_eq(source_next(src, &packet, err), SOURCE_END);
	source_close(src);
}
END_TEST

/* Standard input lives on after the source is closed. */
START_TEST(test_standard_input)
{
	int status;
	pid_t pid;

	write_hex(MICRO RECORDS_LE(SUB) "616263", _i == 0 ? 0 : 53);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct source *src;
		int n = 0;

		if (freopen(path, "r", stdin) == NULL)
			_exit(90);
		src = open_file("-");
		while (src != NULL &&
		    source_next(src, &packet, err) == SOURCE_PACKET)
			n++;
		source_close(src);
		(void)getchar();
		if (strstr(err, "standard input: ") != err)
			_exit(91);
		_exit(n);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WIFEXITED(status), 1);
	ck_assert_int_eq(WEXITSTATUS(status), _i == 0 ? 2 : 0);
}
END_TEST

START_TEST(test_failed_allocation)
{
	struct source *src;

	write_hex(MICRO RECORDS_LE(SUB), 0);
	for (unsigned long nth = 1; nth < 5; nth++) {
		failmalloc_arm(nth, false);
		src = open_file(path);
		(void)failmalloc_stop();
		ck_assert_ptr_null(src);
		ck_assert_msg(strcasestr(err, "memory") != NULL, "%s", err);
	}
	/* without a large buffer it goes on with a small one */
	failmalloc_arm(5, false);
	src = open_file(path);
	(void)failmalloc_stop();
	ck_assert_msg(src != NULL, "%s", err);
	ck_assert_int_eq(source_next(src, &packet, err), SOURCE_PACKET);
	source_close(src);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("source");
	TCase *tc = unit_case(suite, "source");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_good, 0, UNIT_ROWS(good_rows));
	tcase_add_loop_test(tc, test_cut, 0, UNIT_ROWS(good_rows));
	tcase_add_test(tc, test_wild_times);
	tcase_add_loop_test(tc, test_bad, 0, UNIT_ROWS(bad_rows));
	tcase_add_test(tc, test_no_file);
	tcase_add_test(tc, test_record_too_long);
	tcase_add_test(tc, test_filter);
	tcase_add_test(tc, test_filter_live);
	tcase_add_loop_test(tc, test_standard_input, 0, 2);
	tcase_add_test(tc, test_failed_allocation);
	return suite;
}

UNIT_MAIN(make_suite)
