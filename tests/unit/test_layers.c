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

	/* a tunnel that is cut in its UDP header */
	if (layer == CAP_LAYER_OTHER && in.len < wire_bytes &&
	    ip.other.kind == CAP_OTHER_IP && ip.other.number == 17)
		return CAP_LAYER_BAD;
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
	{ "old QinQ, three", MACS "9200 0005 9300 0006 8100 0007 0800" V4_HEX,
	    DLT_EN10MB },
	{ "five tags",
	    MACS
	    "8100 0001 8100 0002 8100 0003 8100 0004 8100 0005 0800" V4_HEX,
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

/* Around IPv4 or IPv6 that holds the segment. */
#define OUT4(protocol, bytes) \
	"4500" bytes "0000000040" protocol "0000 0b000009 0b000008"
#define OUT6(protocol) "60000000 0000" protocol "40" V6_ENDS
#define GRE4 MACS "0800" OUT4("2f", "0000")
#define UDP4(port) MACS "0800" OUT4("11", "0000") "c350" port "00000000"
#define ETHER4 MACS "0800" V4_HEX
#define SNAP4 "aaaa03 000000 0800" V4_HEX
#define RADIOTAP "0000 0800 00000000"
#define WLAN_ENDS "020000000001 020000000002 020000000003"

static const struct good_row tunnel_rows[] = {
	{ "VXLAN", UDP4("12b5") "08000000 00002a00" ETHER4, DLT_EN10MB },
	{ "VXLAN over IPv6",
	    MACS "86dd" OUT6("11") "c350 12b5 00000000 08000000 00002a00"
				   "020000000001 020000000002 86dd" V6_HEX,
	    DLT_EN10MB },
	{ "VXLAN, group policy", UDP4("12b5") "88000007 00002a00" ETHER4,
	    DLT_EN10MB },
	{ "VXLAN, Linux' first port", UDP4("2118") "08000000 00002a00" ETHER4,
	    DLT_EN10MB },
	{ "VXLAN, tags inside",
	    UDP4("12b5") "08000000 00002a00" MACS
			 "88a8 0005 8100 0006 0800" V4_HEX,
	    DLT_EN10MB },
	{ "VXLAN in VXLAN",
	    UDP4("12b5") "08000000 00002a00" UDP4(
		"12b5") "08000000 00002b00" ETHER4,
	    DLT_EN10MB },
	{ "VXLAN-GPE, IPv4", UDP4("12b6") "0c000001 00002a00" V4_HEX,
	    DLT_EN10MB },
	{ "VXLAN-GPE, IPv6", UDP4("12b6") "0c000002 00002a00" V6_HEX,
	    DLT_EN10MB },
	{ "VXLAN-GPE, Ethernet", UDP4("12b6") "0c000003 00002a00" ETHER4,
	    DLT_EN10MB },
	{ "VXLAN-GPE, no protocol", UDP4("12b6") "08000000 00002a00" ETHER4,
	    DLT_EN10MB },
	{ "VXLAN-GPE, NSH, MPLS",
	    UDP4("12b6") "0c000004 00002a00 0fc20205 00000101 00064140" V4_HEX,
	    DLT_EN10MB },
	{ "NSH", MACS "894f 0fc20201 00000101" V4_HEX, DLT_EN10MB },
	{ "Geneve, Ethernet", UDP4("17c1") "00006558 00002a00" ETHER4,
	    DLT_EN10MB },
	{ "Geneve, IPv6", UDP4("17c1") "000086dd 00002a00" V6_HEX, DLT_EN10MB },
	{ "Geneve, options",
	    UDP4("17c1") "03406558 00002a00 01020001 11223344 01030000" ETHER4,
	    DLT_EN10MB },
	{ "GRE, IPv4", GRE4 "00000800" V4_HEX, DLT_EN10MB },
	{ "GRE, IPv6", GRE4 "000086dd" V6_HEX, DLT_EN10MB },
	{ "GRE over IPv6", MACS "86dd" OUT6("2f") "00000800" V4_HEX,
	    DLT_EN10MB },
	{ "GRE, checksum", GRE4 "80000800 12340000" V4_HEX, DLT_EN10MB },
	{ "GRE, key", GRE4 "20000800 00000007" V4_HEX, DLT_EN10MB },
	{ "GRE, all there is",
	    GRE4
	    "f0000800 12340000 00000007 00000001"
	    "0800 0004 0a000001 0800 0408 0a0000010a000002 0000 0000" V4_HEX,
	    DLT_EN10MB },
	{ "GRE, Ethernet", GRE4 "20006558 00002a00" ETHER4, DLT_EN10MB },
	{ "GRE, MPLS", GRE4 "00008847 00064140" V4_HEX, DLT_EN10MB },
	{ "GRE, PPTP",
	    GRE4 "3081880b 00310001 00000001 00000002 ff030021" V4_HEX,
	    DLT_EN10MB },
	{ "GRE, WCCP 1", GRE4 "0000883e" V4_HEX, DLT_EN10MB },
	{ "GRE, WCCP 2", GRE4 "0000883e 00010000" V4_HEX, DLT_EN10MB },
	{ "GRE in UDP", UDP4("1292") "00000800" V4_HEX, DLT_EN10MB },
	{ "ERSPAN I", GRE4 "000088be" ETHER4, DLT_EN10MB },
	{ "ERSPAN II", GRE4 "100088be 00000001 10050064 00000000" ETHER4,
	    DLT_EN10MB },
	{ "ERSPAN III",
	    GRE4 "100022eb 00000001 20050064 00000000 00000000" ETHER4,
	    DLT_EN10MB },
	{ "ERSPAN III, more",
	    GRE4 "100022eb 00000001 20050064 00000000 00000001"
		 "1122334455667788" ETHER4,
	    DLT_EN10MB },
	{ "ERSPAN III, IP",
	    GRE4 "100022eb 00000001 20050064 00000000 00000800" V4_HEX,
	    DLT_EN10MB },
	{ "IP in IP", MACS "0800" OUT4("04", "003e") V4_HEX, DLT_EN10MB },
	{ "IPv6 in IPv4", MACS "0800" OUT4("29", "0052") V6_HEX, DLT_EN10MB },
	{ "IPv4 in IPv6", MACS "86dd" OUT6("04") V4_HEX, DLT_EN10MB },
	{ "IPv6 in IPv6", MACS "86dd" OUT6("29") V6_HEX, DLT_EN10MB },
	{ "IPv6 in IPv6, options",
	    MACS "86dd" OUT6("3c") "2900010400000000" V6_HEX, DLT_EN10MB },
	{ "IP, three deep, raw", OUT4("29", "0000") OUT6("04") V4_HEX,
	    DLT_RAW },
	{ "EtherIP", MACS "0800" OUT4("61", "0000") "3000" ETHER4, DLT_EN10MB },
	{ "Ethernet in IPv6", MACS "86dd" OUT6("8f") ETHER4, DLT_EN10MB },
	{ "IPv4, authentication",
	    "45000036 00000000 40330000 0a000001 0a000002"
	    "060100000000000000000000" TCP_HEX "6869",
	    DLT_RAW },
	{ "MPLS", MACS "8847 00064140" V4_HEX, DLT_EN10MB },
	{ "MPLS, IPv6", MACS "8847 00064140" V6_HEX, DLT_EN10MB },
	{ "MPLS, multicast", MACS "8848 00064140" V4_HEX, DLT_EN10MB },
	{ "MPLS, padded", MACS "8847 00064140" V4_HEX "0000", DLT_EN10MB },
	{ "MPLS, three labels", MACS "8847 00064040 00065040 00002140" V6_HEX,
	    DLT_EN10MB },
	{ "MPLS, Ethernet", MACS "8847 00064140" ETHER4, DLT_EN10MB },
	{ "MPLS, Ethernet from 4x",
	    MACS "8847 00064140 450000200001 020000000002 86dd" V6_HEX,
	    DLT_EN10MB },
	{ "MPLS, control word", MACS "8847 00064140 00000000" ETHER4,
	    DLT_EN10MB },
	{ "MPLS, control word, tags",
	    MACS "8847 00064140 00000007" MACS "8100 0005 86dd" V6_HEX,
	    DLT_EN10MB },
	{ "MPLS in IP", MACS "0800" OUT4("89", "0000") "00064140" V4_HEX,
	    DLT_EN10MB },
	{ "MPLS in UDP", UDP4("19eb") "00064140" V4_HEX, DLT_EN10MB },
	{ "PPPoE", MACS "8864 1100 0001 002c 0021" V4_HEX, DLT_EN10MB },
	{ "PPPoE, IPv6", MACS "8864 1100 0001 0040 0057" V6_HEX, DLT_EN10MB },
	{ "PPPoE in a VLAN", MACS "8100 0007 8864 1100 0001 002c 0021" V4_HEX,
	    DLT_EN10MB },
	{ "PPPoE, short protocol", MACS "8864 1100 0001 002b 21" V4_HEX,
	    DLT_EN10MB },
	{ "SNAP", MACS "0032" SNAP4, DLT_EN10MB },
	{ "SNAP, 802.1H", MACS "0032 aaaa03 0000f8 0800" V4_HEX, DLT_EN10MB },
	{ "SNAP in a VLAN", MACS "8100 0005 0032" SNAP4, DLT_EN10MB },
	{ "SNAP, jumbo", MACS "8870" SNAP4, DLT_EN10MB },
	{ "LLC, IPv4", MACS "002d 060603" V4_HEX, DLT_EN10MB },
	{ "VN-Tag", MACS "8926 00010002 0800" V4_HEX, DLT_EN10MB },
	{ "VN-Tag, VLAN", MACS "8926 00010002 8100 0005 86dd" V6_HEX,
	    DLT_EN10MB },
	{ "802.1BR", MACS "893f 000100020000 0800" V4_HEX, DLT_EN10MB },
	{ "Cisco metadata", MACS "8909 0101 0001 0064 0800" V4_HEX,
	    DLT_EN10MB },
	{ "VLAN, Cisco metadata, longer",
	    MACS "8100 0005 8909 0102 0001 0064 0002 0000 86dd" V6_HEX,
	    DLT_EN10MB },
	{ "802.1ah", MACS "88a8 0005 88e7 00000101" ETHER4, DLT_EN10MB },
	{ "PPP", "0021" V4_HEX, DLT_PPP },
	{ "PPP, address", "ff030057" V6_HEX, DLT_PPP },
	{ "PPP, serial", "ff030021" V4_HEX, DLT_PPP_SERIAL },
	{ "Cisco HDLC", "0f000800" V4_HEX, DLT_C_HDLC },
	{ "PPP, MPLS", "ff030281 00064140" V4_HEX, DLT_PPP },
	{ "PPP, direction", "00ff030021" V4_HEX, DLT_PPP_WITH_DIR },
	{ "PPP, pppd", "01030021" V4_HEX, DLT_PPP_PPPD },
	{ "PPPoE alone", "1100 0001 002c 0021" V4_HEX, DLT_PPP_ETHER },
	{ "NFLOG",
	    "02000001 0800 0100 08000100 0500 0a00 00000000 2e00 0900" V4_HEX,
	    DLT_NFLOG },
	{ "NFLOG, big-endian, IPv6",
	    "0a000001 0008 0001 86dd0100 0005 000a 00000000 0042 0009" V6_HEX,
	    DLT_NFLOG },
	{ "802.11", RADIOTAP "08010000" WLAN_ENDS "1000" SNAP4,
	    DLT_IEEE802_11_RADIO },
	{ "802.11, no radiotap", "08020000" WLAN_ENDS "1000" SNAP4,
	    DLT_IEEE802_11 },
	{ "802.11, QoS", RADIOTAP "88010000" WLAN_ENDS "1000 0000" SNAP4,
	    DLT_IEEE802_11_RADIO },
	{ "802.11, QoS, HT control",
	    RADIOTAP "88810000" WLAN_ENDS "1000 0000 00000000" SNAP4,
	    DLT_IEEE802_11_RADIO },
	{ "802.11, four addresses",
	    RADIOTAP "88030000" WLAN_ENDS "1000 020000000004 0000" SNAP4,
	    DLT_IEEE802_11_RADIO },
	{ "802.11, long radiotap",
	    "0000 2000 030000a0 200000a0 00000000 1122334455667788 10"
	    "00000000000000 08010000" WLAN_ENDS "1000" SNAP4 "aabbccdd",
	    DLT_IEEE802_11_RADIO },
	{ "802.11, padded header",
	    "0000 0900 02000000 20 88010000" WLAN_ENDS "1000 0000 0000" SNAP4,
	    DLT_IEEE802_11_RADIO },
	{ "802.11, aggregate of one",
	    RADIOTAP "88010000" WLAN_ENDS "1000 8000" MACS "0032" SNAP4,
	    DLT_IEEE802_11_RADIO },
	{ "all at once",
	    MACS "88a8 0005 8100 0006 8847 00064140 00000000" MACS
		 "8100 0007 86dd" OUT6(
		     "11") "c350 17c1 00000000"
			   "01006558 00002a00 01020000" MACS "0800" OUT4("2f",
			       "0000") "200086dd 00000007" OUT6("29") V6_HEX,
	    DLT_EN10MB },
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

static const struct good_row *
row_at(int i)
{
	int n = UNIT_ROWS(good_rows);

	return i < n ? &good_rows[i] : &tunnel_rows[i - n];
}

#define N_ROWS (UNIT_ROWS(good_rows) + UNIT_ROWS(tunnel_rows))

START_TEST(test_good)
{
	const struct good_row *row = row_at(_i);
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
	const struct good_row *row = row_at(_i);
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
	{ "unknown link type", V4_HEX, 147, CAP_LAYER_OTHER },
	{ "ARP", MACS "0806 0001", DLT_EN10MB, CAP_LAYER_OTHER },
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
	struct cap_ip ip;

	put_u16(p + 4, sizeof(p) - 40);
	ck_assert_int_eq(
	    cap_layers_ip(DLT_RAW, in, in.len, &ip), CAP_LAYER_OTHER);
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
		const struct good_row *row = row_at(i % (int)N_ROWS);
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

	tcase_add_loop_test(tc, test_good, 0, N_ROWS);
	tcase_add_loop_test(tc, test_cut_at_every_byte, 0, N_ROWS);
	tcase_add_loop_test(tc, test_layer, 0, UNIT_ROWS(layer_rows));
	tcase_add_test(tc, test_endless_chain);
	tcase_add_test(tc, test_fragment_fields);
	tcase_add_test(tc, test_random);
	return suite;
}

UNIT_MAIN(make_suite)
