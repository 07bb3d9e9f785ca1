/* SPDX-License-Identifier: MIT */
/* From link layer to TCP segment. */
#include "cmd/capture/layers.h"

#include "cmd/capture/capture.h"
#include "tests/unit/packets.h"

#include <pcap/dlt.h>

/* IPv4 and IPv6 with TCP from port 1 to 26000, seq 5, ack 6, PSH+ACK, "hi". */
#define TCP_HEX "0001 6590 00000005 00000006 50180000 00000000"
#define V4_HEX "4500002a 00000000 40060000 0a000001 0a000002" TCP_HEX "6869"
#define V6_ENDS \
	"fe800000000000000000000000000001" \
	"fe800000000000000000000000000002"
#define V6_HEX "60000000 0016 06 40" V6_ENDS TCP_HEX "6869"
#define MACS "020000000001 020000000002"

static enum cap_layer
parse(int linktype, struct bnet_slice in, size_t wire_bytes,
    struct cap_segment *segment)
{
	struct cap_ip ip;
	enum cap_layer layer = cap_layers_ip(linktype, in, wire_bytes, &ip);

	return layer == CAP_LAYER_TCP ? cap_layers_tcp(&ip, segment) : layer;
}

static const struct good_row {
	const char *name, *hex;
	int linktype;
} good_rows[] = {
	{ "Ethernet", MACS "0800" V4_HEX, DLT_EN10MB },
	{ "Ethernet, IPv6", MACS "86dd" V6_HEX, DLT_EN10MB },
	{ "padded", MACS "0800" V4_HEX "00000000 ff", DLT_EN10MB },
	{ "padded, IPv6", MACS "86dd" V6_HEX "00000000 ff", DLT_EN10MB },
	{ "VLAN", MACS "8100 0005 0800" V4_HEX, DLT_EN10MB },
	{ "QinQ", MACS "88a8 0005 8100 0006 86dd" V6_HEX, DLT_EN10MB },
	{ "old QinQ", MACS "9100 0005 8100 0006 0800" V4_HEX, DLT_EN10MB },
	{ "four tags",
	    MACS "8100 0001 8100 0002 8100 0003 8100 0004 0800" V4_HEX,
	    DLT_EN10MB },
	{ "cooked", "0000 0001 0006 000000000000 0000 0800" V4_HEX,
	    DLT_LINUX_SLL },
	{ "cooked, VLAN",
	    "0000 0001 0006 000000000000 0000 8100 0005 86dd" V6_HEX,
	    DLT_LINUX_SLL },
	{ "cooked 2", "0800 0000 00000001 0001 00 06 0000000000000000" V4_HEX,
	    DLT_LINUX_SLL2 },
	{ "cooked 2, IPv6",
	    "86dd 0000 00000001 0001 00 06 0000000000000000" V6_HEX,
	    DLT_LINUX_SLL2 },
	{ "raw", V4_HEX, DLT_RAW },
	{ "raw, as in files", V6_HEX, 101 },
	{ "IPv4", V4_HEX, DLT_IPV4 },
	{ "IPv6", V6_HEX, DLT_IPV6 },
	{ "NULL, little", "02000000" V4_HEX, DLT_NULL },
	{ "NULL, big", "0000001c" V6_HEX, DLT_NULL },
	{ "LOOP", "0000001e" V6_HEX, DLT_LOOP },
	{ "IP options",
	    "4600002e 00000000 40060000 0a000001 0a000002 01010101" TCP_HEX
	    "6869",
	    DLT_RAW },
	{ "all IP options",
	    "4f000052 00000000 40060000 0a000001 0a000002"
	    "0101010101010101010101010101010101010101"
	    "0101010101010101010101010101010101010101" TCP_HEX "6869",
	    DLT_RAW },
	{ "total length 0",
	    "45000000 00000000 40060000 0a000001 0a000002" TCP_HEX "6869",
	    DLT_RAW },
	{ "payload length 0", "60000000 0000 06 40" V6_ENDS TCP_HEX "6869",
	    DLT_RAW },
	{ "TCP options",
	    "4500002e 00000000 40060000 0a000001 0a000002"
	    "0001 6590 00000005 00000006 60180000 00000000 01010101 6869",
	    DLT_RAW },
	{ "hop by hop",
	    "60000000 001e 00 40" V6_ENDS "0600000000000000" TCP_HEX "6869",
	    DLT_RAW },
	{ "a chain of all but a fragment",
	    "60000000 003e 00 40" V6_ENDS "3c00000000000000"
	    "2b00010400000000 3300000000000000 8700000000000000"
	    "0600000000000000" TCP_HEX "6869",
	    DLT_RAW },
	{ "a long extension",
	    "60000000 0026 3c 40" V6_ENDS
	    "0601010c000000000000000000000000" TCP_HEX "6869",
	    DLT_RAW },
	{ "authentication",
	    "60000000 0022 33 40" V6_ENDS "060100000000000000000000" TCP_HEX
	    "6869",
	    DLT_RAW },
	{ "atomic fragment",
	    "60000000 001e 2c 40" V6_ENDS "0600000000000001" TCP_HEX "6869",
	    DLT_RAW },
	{ "atomic fragment, then options",
	    "60000000 0026 2c 40" V6_ENDS
	    "3c00000000000001 0600010400000000" TCP_HEX "6869",
	    DLT_RAW },
};

static void
is_hi(const char *what, const struct cap_segment *segment)
{
	ck_assert_msg(segment->src.port == 1 && segment->dst.port == 26000 &&
		segment->seq == 5 && segment->ack == 6 &&
		segment->flags == 0x18 && segment->missing_bytes == 0,
	    "%s: %u %u %u %u %x %zu", what, segment->src.port,
	    segment->dst.port, segment->seq, segment->ack, segment->flags,
	    segment->missing_bytes);
	unit_same(what, segment->data, slice_of("hi"));
	ck_assert_uint_eq(segment->src.ip[segment->src.v6 ? 15 : 3], 1);
	ck_assert_uint_eq(segment->dst.ip[segment->dst.v6 ? 15 : 3], 2);
}

START_TEST(test_good)
{
	const struct good_row *row = &good_rows[_i];
	struct bnet_slice in = unit_hex(row->hex);
	struct cap_segment segment;

	ck_assert(cap_linktype_known(row->linktype));
	ck_assert_msg(
	    parse(row->linktype, in, in.len, &segment) == CAP_LAYER_TCP, "%s",
	    row->name);
	is_hi(row->name, &segment);
	unit_free(in);
}
END_TEST

/*
 * Cut at every byte, sent whole: either it is bad, or it is the segment with
 * what is missing of it counted.
 */
START_TEST(test_cut_at_every_byte)
{
	const struct good_row *row = &good_rows[_i];
	struct bnet_slice in = unit_hex(row->hex);

	for (size_t n = 0; n < in.len; n++) {
		struct bnet_slice cut = unit_copy(in.p, n);
		struct cap_segment segment;
		enum cap_layer layer =
		    parse(row->linktype, cut, in.len, &segment);

		ck_assert_msg(layer == CAP_LAYER_BAD || layer == CAP_LAYER_TCP,
		    "%s, %zu bytes: %d", row->name, n, layer);
		if (layer == CAP_LAYER_TCP) {
			ck_assert_msg(
			    segment.data.len + segment.missing_bytes == 2,
			    "%s, %zu bytes: %zu and %zu", row->name, n,
			    segment.data.len, segment.missing_bytes);
			ck_assert_uint_eq(segment.seq, 5);
		}
		unit_free(cut);
	}
	unit_free(in);
}
END_TEST

static const struct layer_row {
	const char *name, *hex;
	int linktype;
	enum cap_layer layer;
} layer_rows[] = {
	{ "unknown link type", V4_HEX, 105, CAP_LAYER_OTHER },
	{ "ARP", MACS "0806 0001", DLT_EN10MB, CAP_LAYER_OTHER },
	{ "five tags",
	    MACS
	    "8100 0001 8100 0002 8100 0003 8100 0004 8100 0005 0800" V4_HEX,
	    DLT_EN10MB, CAP_LAYER_OTHER },
	{ "nothing", "", DLT_RAW, CAP_LAYER_BAD },
	{ "IP version 5", "5500002a", DLT_RAW, CAP_LAYER_OTHER },
	{ "IPv6 said to be IPv4", MACS "0800" V6_HEX, DLT_EN10MB,
	    CAP_LAYER_BAD },
	{ "IPv4 said to be IPv6", MACS "86dd" V4_HEX, DLT_EN10MB,
	    CAP_LAYER_BAD },
	{ "a head of 16 bytes",
	    "4400002a 00000000 40060000 0a000001 0a000002" TCP_HEX, DLT_RAW,
	    CAP_LAYER_BAD },
	{ "total length below the head",
	    "45000013 00000000 40060000 0a000001 0a000002" TCP_HEX, DLT_RAW,
	    CAP_LAYER_BAD },
	{ "no room for TCP",
	    "45000027 00000000 40060000 0a000001 0a000002" TCP_HEX, DLT_RAW,
	    CAP_LAYER_BAD },
	{ "UDP", "4500002a 00000000 40110000 0a000001 0a000002" TCP_HEX "6869",
	    DLT_RAW, CAP_LAYER_OTHER },
	{ "UDP over IPv6", "60000000 0016 11 40" V6_ENDS TCP_HEX "6869",
	    DLT_RAW, CAP_LAYER_OTHER },
	{ "UDP behind options",
	    "60000000 001e 3c 40" V6_ENDS "1100010400000000" TCP_HEX "6869",
	    DLT_RAW, CAP_LAYER_OTHER },
	{ "no next header", "60000000 0000 3b 40" V6_ENDS, DLT_RAW,
	    CAP_LAYER_OTHER },
	{ "TCP head of 16 bytes",
	    "4500002a 00000000 40060000 0a000001 0a000002"
	    "0001 6590 00000005 00000006 40180000 00000000 6869",
	    DLT_RAW, CAP_LAYER_BAD },
	{ "TCP head longer than the packet",
	    "4500002a 00000000 40060000 0a000001 0a000002"
	    "0001 6590 00000005 00000006 60180000 00000000 6869",
	    DLT_RAW, CAP_LAYER_BAD },
	{ "an extension longer than the packet",
	    "60000000 0016 00 40" V6_ENDS "0610000000000000" TCP_HEX, DLT_RAW,
	    CAP_LAYER_BAD },
	{ "first fragment",
	    "4500002a 12342000 40060000 0a000001 0a000002" TCP_HEX "6869",
	    DLT_RAW, CAP_LAYER_FRAGMENT },
	{ "last fragment",
	    "4500002a 12340001 40060000 0a000001 0a000002" TCP_HEX "6869",
	    DLT_RAW, CAP_LAYER_FRAGMENT },
	{ "do not fragment",
	    "4500002a 12344000 40060000 0a000001 0a000002" TCP_HEX "6869",
	    DLT_RAW, CAP_LAYER_TCP },
	{ "IPv6 fragment",
	    "60000000 001e 2c 40" V6_ENDS "0600000100000001" TCP_HEX "6869",
	    DLT_RAW, CAP_LAYER_FRAGMENT },
};

START_TEST(test_layer)
{
	const struct layer_row *row = &layer_rows[_i];
	struct bnet_slice in = unit_hex(row->hex);
	struct cap_segment segment;
	enum cap_layer layer = parse(row->linktype, in, in.len, &segment);

	ck_assert_msg(layer == row->layer, "%s: %d, not %d", row->name, layer,
	    row->layer);
	unit_free(in);
}
END_TEST

/* Extension headers without an end: as many as fit. */
START_TEST(test_endless_chain)
{
	uint8_t p[40 + 8 * 1000] = { 0x60 };
	struct bnet_slice in = { p, sizeof(p) };
	struct cap_segment segment;
	struct cap_ip ip;

	put_u16(p + 4, sizeof(p) - 40);
	ck_assert_int_eq(
	    cap_layers_ip(DLT_RAW, in, in.len, &ip), CAP_LAYER_TCP);
	ck_assert_int_ne(cap_layers_tcp(&ip, &segment), CAP_LAYER_TCP);
}
END_TEST

/* Where a fragment starts and what it is of. */
START_TEST(test_fragment_fields)
{
	struct bnet_slice in =
	    unit_hex("60000000 0028 00 40" V6_ENDS "2c00000000000000"
		     "3c00ffa9deadbeef 0600010400000000 0001020304050607"
		     "08090a0b0c0d0e0f");
	struct cap_ip ip;

	ck_assert_int_eq(
	    cap_layers_ip(DLT_RAW, in, in.len, &ip), CAP_LAYER_FRAGMENT);
	ck_assert_uint_eq(ip.offset_bytes, 0xffa8);
	ck_assert_uint_eq(ip.id, 0xdeadbeef);
	ck_assert(ip.more && ip.fragment);
	ck_assert_uint_eq(ip.protocol, 60);
	ck_assert_uint_eq(ip.data.len, 24);
	unit_free(in);
}
END_TEST

/* Random bytes, and good packets with random changes: nothing is overread. */
START_TEST(test_random)
{
	uint64_t seed = 7;

	for (int i = 0; i < 4000; i++) {
		const struct good_row *row =
		    &good_rows[i % UNIT_ROWS(good_rows)];
		struct bnet_slice in = unit_hex(row->hex), cut;
		struct cap_segment segment;
		uint8_t bytes[200];
		size_t n = in.len < 200 ? in.len : 200;

		memcpy(bytes, in.p, n);
		for (int j = 0; j < 1 + i % 7; j++)
			bytes[unit_random(&seed) % n] =
			    (uint8_t)unit_random(&seed);
		n -= unit_random(&seed) % 3 == 0 ? unit_random(&seed) % n : 0;
		cut = unit_copy(bytes, n);
		if (parse(row->linktype, cut, n + (size_t)(i % 5), &segment) ==
			CAP_LAYER_TCP &&
		    segment.data.len > 0)
			ck_assert(segment.data.p >= cut.p &&
			    segment.data.p + segment.data.len <= cut.p + n);
		unit_free(cut);
		unit_free(in);
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("layers");
	TCase *tc = unit_case(suite, "layers");

	tcase_add_loop_test(tc, test_good, 0, UNIT_ROWS(good_rows));
	tcase_add_loop_test(
	    tc, test_cut_at_every_byte, 0, UNIT_ROWS(good_rows));
	tcase_add_loop_test(tc, test_layer, 0, UNIT_ROWS(layer_rows));
	tcase_add_test(tc, test_endless_chain);
	tcase_add_test(tc, test_fragment_fields);
	tcase_add_test(tc, test_random);
	return suite;
}

UNIT_MAIN(make_suite)
