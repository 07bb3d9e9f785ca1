/* SPDX-License-Identifier: MIT */
/* What is said of packets that lead to no stream. */
#include "cmd/capture/left_out.h"

#include "tests/unit/packets.h"

#include <stdio.h>

static struct tap tap;
static char said[4000];

static void
setup(void)
{
	tap_open(&tap, NULL);
	said[0] = '\0';
}

static void
teardown(void)
{
	tap_free(&tap);
}

static void
take_line(void *arg, const char *text)
{
	size_t n = strlen(said);

	(void)arg;
	(void)snprintf(said + n, sizeof(said) - n, "%s\n", text);
}

static void
take_row(void *arg, const char *name, uint64_t packets, bool looks_like)
{
	size_t n = strlen(said);

	(void)arg;
	(void)snprintf(said + n, sizeof(said) - n, "%s %llu%s\n", name,
	    (unsigned long long)packets, looks_like ? " !" : "");
}

static void
feed(int linktype, const char *hex, unsigned times)
{
	struct bnet_slice in = unit_hex(hex);

	for (unsigned i = 0; i < times; i++)
		UNIT_MUST(cap_packet(tap.cap, linktype, 1, in, in.len,
			      &tap.stream) == BNET_OK,
		    "refused");
	unit_free(in);
}

static void
says(const char *want)
{
	tap_finish(&tap);
	said[0] = '\0';
	left_out_lines(cap_counters(tap.cap), take_line, NULL);
	ck_assert_str_eq(said, want);
}

#define MACS "020000000001 020000000002"
#define IP4(protocol) "45000000 00000000 40" protocol "0000 0a000001 0a000002"
#define UDP "00350000 00080000" /* from port 53 */

/* Each kind by its name. */
static const struct kind_row {
	int linktype;
	const char *hex, *name;
} kind_rows[] = {
	{ DLT_EN10MB, MACS "0806 0001", "ARP" },
	{ DLT_EN10MB, MACS "88cc 0001", "LLDP" },
	{ DLT_EN10MB, MACS "88e5 0001", "MACsec" },
	{ DLT_EN10MB, MACS "1234 0001", "ethertype 0x1234" },
	{ DLT_EN10MB, MACS "8100 0005 1234 0001", "ethertype 0x1234" },
	{ DLT_EN10MB, MACS "8863 11090000 0000", "PPPoE discovery" },
	{ DLT_EN10MB, MACS "8864 1100 0001 0004 c021 0101", "LCP" },
	{ DLT_EN10MB, MACS "8864 1100 0001 0004 0203 0101",
	    "PPP protocol 0x0203" },
	{ DLT_EN10MB, MACS "0026 424203 0000", "spanning tree" },
	{ DLT_EN10MB, MACS "0026 121203 0000", "LLC SAP 0x12" },
	{ DLT_EN10MB, MACS "0026 aaaa03 00000c 2000 00", "SNAP OUI 0x00000c" },
	{ DLT_EN10MB,
	    MACS "8847 00064140 10000000 00000000 00000000 00000000"
		 "00000000 00000000 00000000 00000000 00000000",
	    "MPLS without IP or Ethernet" },
	{ DLT_RAW, IP4("01") "0800", "ICMP" },
	{ DLT_RAW, IP4("32") "00", "ESP (encrypted)" },
	{ DLT_RAW, IP4("fd") "00", "IP protocol 253" },
	{ DLT_RAW, IP4("11") "c350 0035 0008 0000", "UDP port 53" },
	{ DLT_RAW, IP4("11") "12b5 c350 0008 0000", "UDP port 4789" },
	/* the flag of a VNI is missing */
	{ DLT_RAW, IP4("11") "c350 12b5 0010 0000 0000000000002a00",
	    "UDP port 4789" },
	{ DLT_RAW,
	    IP4("11") "c350 12b5 0028 0000 0800000000002a00" MACS "0806 0001",
	    "ARP" },
	{ DLT_RAW, "50000000", "network layers other than IP" },
	{ DLT_IEEE802_11, "80000000", "802.11 management and control" },
	{ DLT_IEEE802_11, "08420000", "802.11 encrypted" },
	{ 147, "00", "link type unknown (147)" },
	{ 9999, "00", "link type unknown (9999)" },
};

START_TEST(test_kind)
{
	const struct kind_row *row = &kind_rows[_i];
	char want[200];

	feed(row->linktype, row->hex, 1);
	(void)snprintf(
	    want, sizeof(want), "1 packet is not TCP: %s\n", row->name);
	says(want);
	(void)snprintf(want, sizeof(want), "%s 1\n", row->name);
	said[0] = '\0';
	left_out_rows(cap_counters(tap.cap)->left_out, take_row, NULL);
	ck_assert_str_eq(said, want);
}
END_TEST

START_TEST(test_one_kind)
{
	feed(DLT_RAW, IP4("11") "c350 12b5 0010 0000 0000000000002a00", 46);
	says("46 packets are not TCP: UDP port 4789\n");
}
END_TEST

/* The most frequent first, and only some. */
START_TEST(test_many_kinds)
{
	char hex[200];

	for (unsigned i = 1; i <= 9; i++) {
		(void)snprintf(
		    hex, sizeof(hex), IP4("11") "c350 00%02x 0008 0000", i);
		feed(DLT_RAW, hex, i);
	}
	feed(DLT_RAW, IP4("32") "00", 20);
	says("65 packets are not TCP: ESP (encrypted) (20), UDP port 9 (9),"
	     " UDP port 8 (8), UDP port 7 (7), UDP port 6 (6),"
	     " others (15)\n");
}
END_TEST

START_TEST(test_nothing)
{
	says("there are no packets\n");
}
END_TEST

START_TEST(test_bad)
{
	feed(DLT_EN10MB, MACS "0800 45", 3);
	feed(DLT_EN10MB, MACS "0806", 1);
	says("1 packet is not TCP: ARP\n"
	     "3 packets have cut or inconsistent headers\n");
}
END_TEST

/* More kinds than are kept: none is lost. */
START_TEST(test_too_many)
{
	char hex[200];

	for (unsigned i = 1; i <= 3000; i++) {
		(void)snprintf(
		    hex, sizeof(hex), IP4("11") "f%03x f%03x 0008 0000", i, i);
		feed(DLT_RAW, hex, 1);
	}
	tap_finish(&tap);
	left_out_lines(cap_counters(tap.cap), take_line, NULL);
	ck_assert(strncmp(said, "3000 packets are not TCP: ", 26) == 0);
	ck_assert_ptr_nonnull(strstr(said, ", others (2995)\n"));
}
END_TEST

/* ---- TCP on other ports ---- */

static void
segment(uint16_t src, uint16_t dst, uint8_t flags, struct bnet_slice data)
{
	const struct pkt pkt = { .src = 1,
		.dst = 2,
		.src_port = src,
		.dst_port = dst,
		.seq = 1,
		.flags = flags };
	uint8_t p[2000];

	put_ipv4(p, &pkt, 20 + data.len);
	put_tcp(p + 20, &pkt);
	if (data.len > 0)
		memcpy(p + 40, data.p, data.len);
	UNIT_MUST(
	    tap_raw(&tap, p, 40 + data.len, SIZE_MAX) == BNET_OK, "refused");
}

#define NOTHING ((struct bnet_slice){ NULL, 0 })

static const struct port_row {
	const char *name, *hex;
	unsigned times;
	bool looks_like;
} port_rows[] = {
	{ "a frame with a header",
	    "11000010 09000000 2041cefff0bf810100 70696e67", 1, true },
	{ "network order", "10000011 00000009 2041cefff0bf810100 70696e67", 1,
	    true },
	{ "the start of a long one", "11100010 09000000 2041cefff0bf810100 70",
	    1, true },
	{ "frames without headers", "05000000 68656c6c6f 02000000 6869", 1,
	    false },
	{ "many of them", "05000000 68656c6c6f 02000000 6869", 4, true },
	{ "a length and bytes", "00000005 68656c6c6f", 40, false },
	{ "HTTP", "474554202f20485454502f312e310d0a0d0a", 40, false },
	{ "TLS", "1603010200010001fc0303000102030405060708", 40, false },
	{ "zeros", "0000000000000000000000000000000000000000", 40, false },
	{ "ones", "ffffffffffffffffffffffffffffffffffffffff", 40, false },
	{ "a byte", "11", 40, false },
};

START_TEST(test_port)
{
	const struct port_row *row = &port_rows[_i];
	struct bnet_slice data = unit_hex(row->hex);
	char want[300] = "";

	/* the port that was connected to is the higher one */
	segment(1000, 26001, TCP_SYN, NOTHING);
	segment(26001, 1000, TCP_SYN | TCP_ACK, NOTHING);
	for (unsigned i = 0; i < row->times; i++)
		segment(
		    i % 2 ? 26001 : 1000, i % 2 ? 1000 : 26001, TCP_ACK, data);
	if (row->looks_like)
		(void)snprintf(want, sizeof(want),
		    "TCP streams on 26001 look like BlueNet: try -p 26001\n");
	(void)snprintf(want + strlen(want), sizeof(want) - strlen(want),
	    "%u packets are TCP on other ports: 26001\n", 2 + row->times);
	says(want);
	unit_free(data);
}
END_TEST

/* Whoever was not seen to connect: the lower port. Two of them look like it. */
START_TEST(test_ports)
{
	struct bnet_slice data =
	    unit_hex("11000010 09000000 2041cefff0bf810100 70696e67");

	for (unsigned i = 0; i < 3; i++) {
		segment(40000, 443, TCP_ACK, NOTHING);
		segment(26001, 40001, TCP_ACK, i == 2 ? data : NOTHING);
		segment(40002, 26002, TCP_ACK, i == 2 ? data : NOTHING);
	}
	segment(26002, 40002, TCP_ACK, NOTHING);
	says("TCP streams on 26002, 26001 look like BlueNet: try"
	     " -p 26002,26001\n"
	     "10 packets are TCP on other ports: 26002 (4), 443 (3),"
	     " 26001 (3)\n");
	unit_free(data);
}
END_TEST

/* On our own port, but no frames. */
START_TEST(test_frameless)
{
	segment(40000, 26000, TCP_SYN, NOTHING);
	says("no payload in 1 TCP stream\n");
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("left_out");
	TCase *tc = unit_case(suite, "left_out");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_kind, 0, UNIT_ROWS(kind_rows));
	tcase_add_test(tc, test_one_kind);
	tcase_add_test(tc, test_many_kinds);
	tcase_add_test(tc, test_nothing);
	tcase_add_test(tc, test_bad);
	tcase_add_test(tc, test_too_many);
	tcase_add_loop_test(tc, test_port, 0, UNIT_ROWS(port_rows));
	tcase_add_test(tc, test_ports);
	tcase_add_test(tc, test_frameless);
	return suite;
}

UNIT_MAIN(make_suite)
