/* SPDX-License-Identifier: MIT */
/*
 * The blocks of pcapng, in both byte orders: packets of every kind, times of
 * every unit, sections, secrets, statistics; and what a reader must not trust.
 */
#include "cmd/capture/pcapng.h"

#include "cmd/capture/keylog.h"
#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

#include <pcap/dlt.h>

#define LINE \
	"CLIENT_RANDOM " \
	"0000000000000000000000000000000000000000000000000000000000000000 " \
	"000000000000000000000000000000000000000000000000" \
	"000000000000000000000000000000000000000000000000\n"
#define LINE_2 \
	"CLIENT_TRAFFIC_SECRET_0 " \
	"0000000000000000000000000000000000000000000000000000000000000000 " \
	"0000000000000000000000000000000000000000000000000000000000000000\n"

#define SECTION 0x0a0d0d0aU
#define INTERFACE 1
#define PACKET_OLD 2
#define PACKET_SIMPLE 3
#define NAMES 4
#define STATISTICS 5
#define PACKET 6
#define SECRETS 10
#define CUSTOM 0xbadU
#define UNKNOWN 0x7654321U
#define TLS 0x544c534bU
#define WIREGUARD 0x57474b4cU
#define S INT64_C(1000000000)

/* A file in the making, or a body. */
struct file {
	uint8_t p[8192];
	size_t n;
	bool big;
};

static void
put(struct file *f, uint64_t v, int n_bytes)
{
	for (int i = 0; i < n_bytes; i++)
		f->p[f->n++] =
		    (uint8_t)(v >> 8 * (f->big ? n_bytes - 1 - i : i));
}

static void
put_bytes(struct file *f, const void *p, size_t n)
{
	memcpy(f->p + f->n, p, n);
	f->n += n;
	while (f->n % 4 != 0)
		f->p[f->n++] = 0;
}

static void
put_block(struct file *f, uint32_t type, const struct file *body)
{
	put(f, type, 4);
	put(f, body->n + 12, 4);
	put_bytes(f, body->p, body->n);
	put(f, body->n + 12, 4);
}

static void
put_section(struct file *f)
{
	struct file body = { .big = f->big };

	put(&body, 0x1a2b3c4d, 4);
	put(&body, 1, 2);
	put(&body, 0, 2);
	put(&body, UINT64_MAX, 8);
	put_block(f, SECTION, &body);
}

/* unit -1: without the option */
static void
put_interface(struct file *f, unsigned linktype, unsigned snaplen, int unit,
    int64_t offset)
{
	struct file body = { .big = f->big };

	put(&body, linktype, 2);
	put(&body, 0, 2);
	put(&body, snaplen, 4);
	put(&body, 2, 2); /* if_name */
	put(&body, 5, 2);
	put_bytes(&body, "eth12", 5);
	if (unit >= 0) {
		put(&body, 9, 2);
		put(&body, 1, 2);
		put(&body, (uint64_t)unit, 1);
		put_bytes(&body, "", 0);
	}
	if (offset != 0) {
		put(&body, 14, 2);
		put(&body, 8, 2);
		put(&body, (uint64_t)offset, 8);
	}
	put(&body, 0, 4);
	put_block(f, INTERFACE, &body);
}

/* lost UINT64_MAX: without the option */
static void
put_packet(struct file *f, uint32_t interface, uint64_t ticks, const char *data,
    uint64_t lost)
{
	struct file body = { .big = f->big };

	put(&body, interface, 4);
	put(&body, ticks >> 32, 4);
	put(&body, ticks, 4);
	put(&body, strlen(data), 4);
	put(&body, strlen(data) + 7, 4);
	put_bytes(&body, data, strlen(data));
	if (lost != UINT64_MAX) {
		put(&body, 4, 2);
		put(&body, 8, 2);
		put(&body, lost, 8);
	}
	put_block(f, PACKET, &body);
}

static void
put_statistics(struct file *f, uint32_t interface, uint64_t by_interface,
    uint64_t by_system)
{
	struct file body = { .big = f->big };

	put(&body, interface, 4);
	put(&body, 0, 8);
	put(&body, 4, 2); /* isb_ifrecv */
	put(&body, 8, 2);
	put(&body, 1000, 8);
	put(&body, 5, 2);
	put(&body, 8, 2);
	put(&body, by_interface, 8);
	put(&body, 7, 2);
	put(&body, 8, 2);
	put(&body, by_system, 8);
	put_block(f, STATISTICS, &body);
}

/* claim: what the block says of the length of its text. */
static void
put_secrets(struct file *f, uint32_t type, const char *text, size_t claim)
{
	struct file body = { .big = f->big };

	put(&body, type, 4);
	put(&body, claim, 4);
	put_bytes(&body, text, strlen(text));
	put_block(f, SECRETS, &body);
}

/* ---- reading it ---- */

static struct pcapng *ng;
static struct cap_keylog *keys;
static FILE *stream;
static struct source_packet packet;

static void
start(const struct file *f, size_t n)
{
	stream = fmemopen((void *)(uintptr_t)f->p, n == 0 ? 1 : n, "r");
	ck_assert_ptr_nonnull(stream);
	if (n == 0)
		(void)fgetc(stream);
	keys = cap_keylog_new();
	ng = pcapng_new(stream, keys);
	ck_assert_ptr_nonnull(ng);
}

static void
stop(void)
{
	pcapng_free(ng);
	cap_keylog_free(keys);
	fclose(stream);
}

static void
want_packet(const char *data, int64_t time_ns, int linktype)
{
	ck_assert_msg(pcapng_next(ng, &packet) == SOURCE_PACKET, "%s: %s", data,
	    pcapng_problem(ng));
	ck_assert_uint_eq(packet.data.len, strlen(data));
	ck_assert_mem_eq(packet.data.p, data, packet.data.len);
	ck_assert_int_eq(packet.time_ns, time_ns);
	ck_assert_int_eq(packet.linktype, linktype);
}

static void
want_end(void)
{
	ck_assert_msg(
	    pcapng_next(ng, &packet) == SOURCE_END, "%s", pcapng_problem(ng));
	ck_assert_int_eq(pcapng_next(ng, &packet), SOURCE_END);
}

static void
want_problem(const char *text)
{
	ck_assert_int_eq(pcapng_next(ng, &packet), SOURCE_ERROR);
	ck_assert_msg(strstr(pcapng_problem(ng), text) != NULL, "%s: not %s",
	    pcapng_problem(ng), text);
}

/* Every kind of block; two interfaces of different link types. */
static void
usual(struct file *f)
{
	struct file body = { .big = f->big };

	put_section(f);
	put_secrets(f, TLS, LINE, strlen(LINE));
	put_secrets(f, WIREGUARD, "x", 1);
	put_interface(f, 1, 128, -1, 0);
	put_interface(f, 101, 0, 9, 100);
	put_packet(f, 0, 1000001, "ethernet", UINT64_MAX);
	put_packet(f, 1, 2000000003, "raw", UINT64_MAX);
	put(&body, 1, 2); /* obsolete packet: interface, drops, ... */
	put(&body, 0xffff, 2);
	put(&body, 0, 4);
	put(&body, 5, 4);
	put(&body, 3, 4);
	put(&body, 3, 4);
	put_bytes(&body, "old", 3);
	put_block(f, PACKET_OLD, &body);
	body.n = 0;
	put(&body, 6, 4);
	put_bytes(&body, "simple", 6);
	put_block(f, PACKET_SIMPLE, &body);
	body.n = 0;
	put_bytes(&body, "anything", 8);
	put_block(f, NAMES, &body);
	put_block(f, CUSTOM, &body);
	put_block(f, CUSTOM | 0x40000000, &body);
	put_block(f, UNKNOWN, &body);
	put_statistics(f, 0, 1, 2);
	put_secrets(f, TLS, LINE_2, strlen(LINE_2));
}

START_TEST(test_usual)
{
	struct file f = { .big = _i };

	usual(&f);
	start(&f, f.n);
	ck_assert_int_eq(pcapng_begin(ng), SOURCE_PACKET);
	ck_assert_int_eq(pcapng_linktype(ng, 0), DLT_EN10MB);
	ck_assert_int_eq(pcapng_linktype(ng, 1), -1);
	ck_assert_uint_eq(cap_keylog_count(keys), 1);
	want_packet("ethernet", S + 1000, DLT_EN10MB);
	ck_assert_uint_eq(packet.wire_bytes, 15);
	want_packet("raw", 102 * S + 3, DLT_RAW);
	want_packet("old", 100 * S + 5, DLT_RAW);
	want_packet("simple", 100 * S + 5, DLT_EN10MB);
	want_end();
	ck_assert_uint_eq(cap_keylog_count(keys), 2);
	ck_assert_str_eq(pcapng_secrets_problem(ng), "");
	ck_assert_uint_eq(pcapng_dropped(ng), 3);
	stop();
}
END_TEST

static const struct time_row {
	int unit;
	int64_t offset;
	uint64_t ticks;
	int64_t time_ns;
} time_rows[] = {
	{ -1, 0, UINT64_C(1700000000123456), 1700000000 * S + 123456000 },
	{ 6, -1, UINT64_C(1700000000123456), 1699999999 * S + 123456000 },
	{ 0, 0, 1700000000, 1700000000 * S },
	{ 3, 0, UINT64_C(1700000000123), 1700000000 * S + 123000000 },
	{ 9, 0, UINT64_C(1700000000123456789), 1700000000 * S + 123456789 },
	{ 9, 3600, UINT64_C(1700000000123456789), 1700003600 * S + 123456789 },
	{ 12, 0, UINT64_C(123456789012345), 123 * S + 456789012 },
	{ 19, 0, UINT64_C(12345678901234567890), S + 234567890 },
	{ 28, 0, UINT64_MAX, 1 },
	{ 29, 0, UINT64_MAX, 0 },
	{ 127, 0, UINT64_MAX, 0 },
	{ 0x80, 0, 1700000000, 1700000000 * S },
	{ 0x81, 0, 3, S + S / 2 },
	{ 0x8a, 0, UINT64_C(1700000000) << 10 | 1, 1700000000 * S + 976562 },
	{ 0x94, 1, (uint64_t)5 << 20 | 1 << 19, 6 * S + S / 2 },
	{ 0xa0, 0, UINT64_C(1700000000) << 32 | 1U << 31,
	    1700000000 * S + S / 2 },
	{ 0xbf, 0, UINT64_C(3) << 62, S + S / 2 },
	{ 0xc0, 0, UINT64_C(1) << 63, S / 2 },
	{ 0xc1, 0, UINT64_C(1) << 63, S / 4 },
	{ 0xff, 0, UINT64_MAX, 0 },
	/* what no clock shows: at the limit, so that differences can be made */
	{ 0, 0, UINT64_MAX, 4600000000 * S },
	{ 0, INT64_MAX, UINT64_MAX, 4600000000 * S },
	{ 0, INT64_MAX, 1, 4600000000 * S },
	{ 0, INT64_MIN, 0, -4600000000 * S },
	{ 0, -10, 3, -7 * S },
};

START_TEST(test_times)
{
	for (int i = 0; i < UNIT_ROWS(time_rows); i++) {
		const struct time_row *row = &time_rows[i];
		struct file f = { .big = _i };

		put_section(&f);
		put_interface(&f, 101, 0, row->unit, row->offset);
		put_packet(&f, 0, row->ticks, "x", UINT64_MAX);
		start(&f, f.n);
		UNIT_MUST(
		    pcapng_next(ng, &packet) == SOURCE_PACKET, "row %d", i);
		ck_assert_msg(packet.time_ns == row->time_ns,
		    "row %d: %lld, not %lld", i, (long long)packet.time_ns,
		    (long long)row->time_ns);
		stop();
	}
}
END_TEST

/* Two files in one, of different orders: interfaces begin again. */
START_TEST(test_sections)
{
	struct file f = { .big = _i };

	put_section(&f);
	put_interface(&f, 1, 0, -1, 0);
	put_packet(&f, 0, 1, "first", 5);
	put_statistics(&f, 0, 1, 1);
	f.big = !f.big;
	put_section(&f);
	put_secrets(&f, TLS, LINE, strlen(LINE));
	put_interface(&f, 113, 0, -1, 0);
	put_packet(&f, 0, 2, "second", UINT64_MAX);
	put_statistics(&f, 0, 1, 1);
	put_statistics(&f, 0, 4, 6); /* counts from the start, as the first */
	put_section(&f);
	put_packet(&f, 0, 3, "of no interface", UINT64_MAX);
	start(&f, f.n);
	want_packet("first", 1000, DLT_EN10MB);
	want_packet("second", 2000, DLT_LINUX_SLL);
	want_problem("a packet of interface 0, of 0");
	ck_assert_uint_eq(cap_keylog_count(keys), 1);
	ck_assert_uint_eq(pcapng_dropped(ng), 5 + 10);
	stop();
}
END_TEST

/* A simple packet is as long as the snap length allows and the block has. */
START_TEST(test_simple)
{
	struct file f = { .big = _i }, body = { .big = _i };

	put_section(&f);
	put_interface(&f, 101, 4, -1, 0);
	put(&body, 6, 4);
	put_bytes(&body, "simple", 4);
	put_block(&f, PACKET_SIMPLE, &body);
	start(&f, f.n);
	want_packet("simp", 0, DLT_RAW);
	ck_assert_uint_eq(packet.wire_bytes, 6);
	want_end();
	stop();
}
END_TEST

/* Cut anywhere: what was whole before counts, and nothing is read beyond. */
START_TEST(test_prefixes)
{
	struct file f = { .big = _i };
	size_t n_all = 0, n_packets = 0;

	usual(&f);
	for (size_t n = 1; n <= f.n; n++) {
		enum source_result result;

		start(&f, n);
		n_packets = 0;
		while ((result = pcapng_next(ng, &packet)) == SOURCE_PACKET)
			n_packets++;
		UNIT_MUST(n_packets >= n_all, "%zu bytes", n);
		n_all = n_packets;
		if (result == SOURCE_ERROR)
			UNIT_MUST(strstr(pcapng_problem(ng),
				      "cut by the end of the file") != NULL,
			    "%zu bytes: %s", n, pcapng_problem(ng));
		stop();
	}
	ck_assert_uint_eq(n_packets, 4);
}
END_TEST

static const struct bad_row {
	const char *hex; /* behind a section and an interface, in big endian */
	const char *problem; /* NULL: none */
} bad_rows[] = {
	{ "00000006 00000000", "a length of 0 is none of a packet block" },
	{ "00000006 0000000b 000000", "a length of 11 is none" },
	{ "00000006 0000001c 00000000 00000000 00000000 00000000 0000001c",
	    "a length of 28 is none of a packet block" },
	{ "00000006 00000021", "a length of 33 is none" },
	{ "00000006 f0f0f0f0", "expected at most 16777216" },
	{ "0000000a fffffffc", "expected at most 67108864" },
	{ "00000001 fffffffc", "expected at most" },
	{ "12345678 fffffffc 00000000", "cut by the end of the file" },
	{ "12345678 00000010 00000000 00000014",
	    "its length is 16 at its start, and 20 at its end" },
	{ "12345678 0000000c 0000000c", NULL },
	/* a packet beyond its block, and one of no interface */
	{ "00000006 00000024 00000000 00000000 00000000 00000005 00000005"
	  "61626364 00000024",
	    "a packet of 5 bytes in a block of 36" },
	{ "00000006 00000024 00000000 00000000 00000000 ffffffff 00000005"
	  "61626364 00000024",
	    "a packet of 4294967295 bytes" },
	{ "00000006 00000024 00000001 00000000 00000000 00000004 00000004"
	  "61626364 00000024",
	    "a packet of interface 1, of 1" },
	{ "00000006 00000024 ffffffff 00000000 00000000 00000004 00000004"
	  "61626364 00000024",
	    "a packet of interface 4294967295, of 1" },
	/* an interface with an option beyond its block */
	{ "00000001 00000018 00650000 00000000 0009ffff 00000018",
	    "an option of interface 1 is longer than the block" },
	/* an option with a length that it does not have: not taken */
	{ "00000001 0000001c 00650000 00000000 00090002 ffff0000 0000001c",
	    NULL },
	/* statistics of no interface, and cut options in them */
	{ "00000005 00000018 00000009 00000000 00000000 00000018", NULL },
	{ "00000005 0000001c 00000000 00000000 00000000 0005ffff 0000001c",
	    NULL },
	/* sections */
	{ "0a0d0d0a 0000001c 11223344", "a section without its byte order" },
	{ "0a0d0d0a 0000001c 1a2b3c4d 0002 0000 ffffffffffffffff 0000001c",
	    "a section of version 2: expected 1" },
	{ "0a0d0d0a 00000018 1a2b3c4d 0001 0000 ffffffff 00000018",
	    "a length of 24 is none of a section block" },
};

START_TEST(test_bad)
{
	const struct bad_row *row = &bad_rows[_i];
	struct file f = { .big = true };
	struct bnet_slice bytes = unit_hex(row->hex);

	put_section(&f);
	put_interface(&f, 101, 0, -1, 0);
	put_packet(&f, 0, 1, "good", UINT64_MAX);
	put_bytes(&f, bytes.p, bytes.len);
	unit_free(bytes);
	start(&f, f.n);
	want_packet("good", 1000, DLT_RAW);
	if (row->problem == NULL)
		want_end();
	else
		want_problem(row->problem);
	stop();
}
END_TEST

START_TEST(test_not_pcapng)
{
	struct file f = { .big = false };

	put_interface(&f, 101, 0, -1, 0);
	start(&f, f.n);
	ck_assert_int_eq(pcapng_begin(ng), SOURCE_ERROR);
	ck_assert_str_eq(
	    pcapng_problem(ng), "block at byte 0: no section begins the file");
	stop();
}
END_TEST

/* Bad secrets are named once; those around them, and packets, are read. */
START_TEST(test_bad_secrets)
{
	struct file f = { .big = _i };

	put_section(&f);
	put_interface(&f, 101, 0, -1, 0);
	put_secrets(&f, TLS, LINE, 1000);
	put_secrets(
	    &f, TLS, "CLIENT_RANDOM 00 00\n" LINE_2, 20 + strlen(LINE_2));
	put_packet(&f, 0, 1, "good", UINT64_MAX);
	put_secrets(&f, TLS, LINE, strlen(LINE));
	start(&f, f.n);
	want_packet("good", 1000, DLT_RAW);
	want_end();
	ck_assert_msg(
	    strstr(pcapng_secrets_problem(ng), "longer than the block") != NULL,
	    "%s", pcapng_secrets_problem(ng));
	ck_assert_uint_eq(cap_keylog_count(keys), 2);
	stop();
}
END_TEST

/* A length of 60 MB costs no 60 MB before they come. */
START_TEST(test_lying_length)
{
	enum source_result result;
	struct file f = { .big = false };

	put_section(&f);
	put(&f, SECRETS, 4);
	put(&f, 60u << 20, 4);
	put(&f, TLS, 4);
	start(&f, f.n);
	failmalloc_arm(1000, false);
	result = pcapng_next(ng, &packet);
	ck_assert_uint_eq(failmalloc_stop(), 1); /* of 64 KiB */
	ck_assert_int_eq(result, SOURCE_ERROR);
	ck_assert_ptr_nonnull(strstr(pcapng_problem(ng), "cut by the end"));
	stop();
}
END_TEST

START_TEST(test_no_memory)
{
	struct file f = { .big = false };
	unsigned long seen, nth = 0;

	usual(&f);
	do {
		enum source_result result = SOURCE_ERROR;

		stream = fmemopen(f.p, f.n, "r");
		ck_assert_ptr_nonnull(stream);
		setvbuf(stream, NULL, _IONBF, 0);
		failmalloc_arm(++nth, false);
		keys = NULL;
		ng = pcapng_new(stream, keys);
		while (ng != NULL &&
		    (result = pcapng_next(ng, &packet)) == SOURCE_PACKET)
			;
		seen = failmalloc_stop();
		ck_assert_int_eq(
		    result, seen >= nth ? SOURCE_ERROR : SOURCE_END);
		if (ng != NULL && result == SOURCE_ERROR)
			ck_assert_ptr_nonnull(
			    strstr(pcapng_problem(ng), "out of memory"));
		stop();
	} while (seen >= nth);
	ck_assert_uint_gt(nth, 2);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("pcapng");
	TCase *tc = unit_case(suite, "pcapng");

	tcase_add_loop_test(tc, test_usual, 0, 2);
	tcase_add_loop_test(tc, test_times, 0, 2);
	tcase_add_loop_test(tc, test_sections, 0, 2);
	tcase_add_loop_test(tc, test_simple, 0, 2);
	tcase_add_loop_test(tc, test_prefixes, 0, 2);
	tcase_add_loop_test(tc, test_bad, 0, UNIT_ROWS(bad_rows));
	tcase_add_test(tc, test_not_pcapng);
	tcase_add_loop_test(tc, test_bad_secrets, 0, 2);
	tcase_add_test(tc, test_lying_length);
	tcase_add_test(tc, test_no_memory);
	return suite;
}

UNIT_MAIN(make_suite)
