/* SPDX-License-Identifier: MIT */
/*
 * Streams in tunnels: the same ends in several networks, the same packet at
 * several points of its path, fragments; and packets that lie.
 */
#include "proto/bluenet.h"
#include "tests/captures/around.h"
#include "tests/captures/pkt.h"
#include "tests/unit/packets.h"

static struct tap tap;

/* One end of a connection between 10.0.0.1:40000 and 10.0.0.2:26000. */
struct sender {
	const char *around[2]; /* lists for each point of the path; or NULL */
	const char *word; /* the payload of its frames */
	uint32_t seq[2], n_frames;
};

static void
setup(void)
{
	tap_open(&tap, NULL);
}

static void
teardown(void)
{
	tap_free(&tap);
}

static void
send_at(const struct pkt_tcp *tcp, const char *list, bool down)
{
	static uint8_t room[AROUND_ROOM + 4096];
	static uint32_t id;
	struct around packet = {
		.p = room + AROUND_ROOM, .type = 0x0800, .down = down
	};
	struct cap_stream *stream;
	struct bnet_slice copy;

	packet.n = pkt_write_tcp(packet.p + PKT_IP4_BYTES, tcp, false);
	packet.n += pkt_write_ip4(packet.p, tcp, packet.n, ++id, 0);
	around(&packet, list);
	if (packet.type != 0x6558) {
		struct around ether = packet;

		around(&ether, "ether");
		packet = ether;
	}
	copy = unit_copy(packet.p, packet.n);
	UNIT_MUST(cap_packet(tap.cap, DLT_EN10MB, tap.time_ns += 1000, copy,
		      copy.len, &stream) == BNET_OK,
	    "refused");
	unit_free(copy);
}

/* At every point of the path. */
static void
send_segment(
    struct sender *s, enum cap_dir dir, uint8_t flags, struct bnet_slice data)
{
	struct pkt_tcp tcp = { .src = { 10, 0, 0, dir == CAP_UP ? 1 : 2 },
		.dst = { 10, 0, 0, dir == CAP_UP ? 2 : 1 },
		.sport = dir == CAP_UP ? 40000 : 26000,
		.dport = dir == CAP_UP ? 26000 : 40000,
		.seq = s->seq[dir],
		.flags = flags,
		.payload = data };

	if (flags & PKT_ACK)
		tcp.ack = s->seq[!dir];
	for (int i = 0; i < 2; i++)
		if (s->around[i] != NULL)
			send_at(&tcp, s->around[i], dir == CAP_DOWN);
	s->seq[dir] +=
	    (uint32_t)data.len + ((flags & (PKT_SYN | PKT_FIN)) != 0 ? 1 : 0);
}

static void
open_connection(struct sender *s)
{
	send_segment(s, CAP_UP, PKT_SYN, PKT_NONE);
	send_segment(s, CAP_DOWN, PKT_SYN | PKT_ACK, PKT_NONE);
	send_segment(s, CAP_UP, PKT_ACK, PKT_NONE);
}

static void
send_frame(struct sender *s, enum cap_dir dir)
{
	uint8_t frame[64];
	size_t n = strlen(s->word);

	memset(frame, 0, 4);
	frame[0] = (uint8_t)n;
	memcpy(frame + 4, s->word, n);
	send_segment(
	    s, dir, PKT_ACK | PKT_PSH, (struct bnet_slice){ frame, 4 + n });
	s->n_frames++;
}

static void
close_connection(struct sender *s)
{
	send_segment(s, CAP_UP, PKT_FIN | PKT_ACK, PKT_NONE);
	send_segment(s, CAP_DOWN, PKT_FIN | PKT_ACK, PKT_NONE);
}

/* So many streams, and all frames; nothing lost, nothing twice. */
static void
check(const struct sender *senders, size_t n_senders, uint64_t n_streams)
{
	const struct cap_counters *n = cap_counters(tap.cap);
	uint64_t frames = 0;

	tap_finish(&tap);
	for (size_t i = 0; i < n_senders; i++)
		frames += senders[i].n_frames;
	ck_assert_uint_eq(n->streams, n_streams);
	ck_assert_uint_eq(n->events[CAP_FRAME], frames);
	for (int i = CAP_FRAME + 1; i < CAP_N_EVENTS; i++)
		ck_assert_msg(n->events[i] == 0, "event %d: %s", i, tap.reason);
	ck_assert_uint_eq(n->not_tcp, 0);
	ck_assert_uint_eq(n->bad_packets, 0);
}

/* ---- networks with the same addresses ---- */

static const struct tenants_row {
	const char *first, *second;
} tenants_rows[] = {
	{ "vxlan", "geneve" },
	{ "vlan", "qinq" },
	{ "", "vlan" },
	{ "", "gre" },
	{ "ipip", "gre" },
	{ "pw", "mpls" },
	{ "gre-all", "teb" },
	{ "erspan2", "vxlan,vlan" },
	{ "pppoe", "" },
};

START_TEST(test_tenants)
{
	const struct tenants_row *row = &tenants_rows[_i];
	struct sender s[] = { { .around = { row->first },
				  .word = "one",
				  .seq = { 1000, 900000000 } },
		{ .around = { row->second },
		    .word = "other",
		    .seq = { 2000000000, 3500000000 } } };

	open_connection(&s[0]);
	send_frame(&s[0], CAP_UP);
	open_connection(&s[1]);
	for (int i = 0; i < 20; i++) {
		send_frame(&s[i % 2], CAP_UP);
		send_frame(&s[i / 2 % 2], CAP_DOWN);
	}
	close_connection(&s[0]);
	for (int i = 0; i < 5; i++)
		send_frame(&s[1], CAP_DOWN);
	close_connection(&s[1]);
	check(s, 2, 2);
}
END_TEST

/* A capture that starts in the middle of both. */
START_TEST(test_tenants_no_start)
{
	struct sender s[] = { { .around = { "vxlan" },
				  .word = "one",
				  .seq = { 1000, 900000000 } },
		{ .around = { "vlan,vxlan" },
		    .word = "other",
		    .seq = { 2000000000, 3500000000 } } };

	for (int i = 0; i < 40; i++) {
		send_frame(&s[i % 2], CAP_UP);
		send_frame(&s[i / 2 % 2], CAP_DOWN);
	}
	tap_finish(&tap);
	ck_assert_uint_eq(cap_counters(tap.cap)->streams, 2);
	ck_assert_uint_eq(cap_counters(tap.cap)->events[CAP_FRAME], 80);
}
END_TEST

/* The port is used again, in another tunnel. */
START_TEST(test_tenants_reuse)
{
	struct sender s[] = { { .around = { "vxlan" },
				  .word = "one",
				  .seq = { 1000, 900000000 } },
		{ .around = { "", "gre" },
		    .word = "other",
		    .seq = { 2000000000, 3500000000 } } };

	for (int i = 0; i < 2; i++) {
		open_connection(&s[i]);
		for (int k = 0; k < 6; k++)
			send_frame(&s[i], k % 2 ? CAP_UP : CAP_DOWN);
		close_connection(&s[i]);
	}
	check(s, 2, 2);
}
END_TEST

/* ---- the same packet at two points ---- */

START_TEST(test_two_points)
{
	static const char *const lists[][2] = { { "", "vxlan" },
		{ "vlan", "qinq" }, { "gre", "ipip" }, { "mpls", "" },
		{ "erspan3", "vxlan" }, { "vxlan,vlan", "vxlan" } };
	struct sender s = { .around = { lists[_i][0], lists[_i][1] },
		.word = "twice",
		.seq = { 4294967000u, 12345 } };

	open_connection(&s);
	for (int i = 0; i < 50; i++)
		send_frame(&s, i % 3 ? CAP_UP : CAP_DOWN);
	close_connection(&s);
	check(&s, 1, 1);
}
END_TEST

/* ---- fragments ---- */

/* Halves of two datagrams with the same id, in two VLANs; the last one first. */
START_TEST(test_fragments_of_tenants)
{
	const struct cap_counters *n = cap_counters(tap.cap);
	uint8_t tcp_bytes[2][48], packet[100];
	struct cap_stream *stream;

	for (uint32_t i = 0; i < 2; i++) {
		struct pkt_tcp tcp = { .src = { 10, 0, 0, 1 },
			.dst = { 10, 0, 0, 2 },
			.sport = 40000,
			.dport = 26000,
			.seq = i * 1000000000,
			.flags = PKT_SYN };

		memset(tcp_bytes[i], 0, sizeof(tcp_bytes[i]));
		tcp.options =
		    (struct bnet_slice){ (const uint8_t *)"\1\1\1\1", 4 };
		pkt_write_tcp(tcp_bytes[i], &tcp, false);
	}
	for (uint32_t i = 0; i < 4; i++) {
		const struct pkt_tcp tcp = { .src = { 10, 0, 0, 1 },
			.dst = { 10, 0, 0, 2 } };
		uint32_t vlan = i % 2, last = i < 2;
		size_t at = 18, bytes = last ? 8 : 16;

		memset(packet, 2, 12);
		pkt_put32(packet + 12, UINT32_C(0x81000001) + vlan);
		pkt_put16(packet + 16, 0x0800);
		at += pkt_write_ip4(
		    packet + at, &tcp, bytes, 77, last ? 2 : 0x2000);
		memcpy(packet + at, tcp_bytes[vlan] + (last ? 16 : 0), bytes);
		UNIT_MUST(cap_packet(tap.cap, DLT_EN10MB, 1,
			      (struct bnet_slice){ packet, at + bytes },
			      at + bytes, &stream) == BNET_OK,
		    "refused");
	}
	ck_assert_uint_eq(n->fragments, 4);
	ck_assert_uint_eq(n->datagrams, 2);
	ck_assert_uint_eq(n->streams, 2);
	tap_finish(&tap);
}
END_TEST

/* Many datagrams of UDP whose starts are not there do not evict those of TCP. */
START_TEST(test_fragments_of_udp)
{
	const struct cap_counters *n = cap_counters(tap.cap);
	struct pkt_tcp tcp = { .src = { 10, 0, 0, 1 },
		.dst = { 10, 0, 0, 2 },
		.sport = 40000,
		.dport = 26000,
		.flags = PKT_SYN };
	uint8_t packet[100] = { 0 }, whole[60];

	pkt_write_tcp(whole, &tcp, false);
	pkt_write_ip4(packet, &tcp, 16, 7, 0x2000);
	memcpy(packet + 20, whole, 16);
	unit_err("first", tap_raw(&tap, packet, 36, SIZE_MAX), BNET_OK);
	for (uint32_t id = 0; id < 1000; id++) {
		pkt_write_ip4(packet, &tcp, 16, id, 0x2000 | 185);
		packet[9] = 17;
		UNIT_MUST(
		    tap_raw(&tap, packet, 36, SIZE_MAX) == BNET_OK, "refused");
	}
	pkt_write_ip4(packet, &tcp, 4, 7, 2);
	memcpy(packet + 20, whole + 16, 4);
	unit_err("last", tap_raw(&tap, packet, 24, SIZE_MAX), BNET_OK);
	ck_assert_uint_eq(n->datagrams, 1);
	ck_assert_uint_eq(n->streams, 1);
	ck_assert_uint_eq(n->events[CAP_LIMIT], 0);
	/* the start of one that is no tunnel is not kept */
	pkt_write_ip4(packet, &tcp, 16, 2000, 0x2000);
	packet[9] = 17;
	pkt_put16(packet + 20, 5000);
	pkt_put16(packet + 22, 53);
	unit_err("UDP", tap_raw(&tap, packet, 36, SIZE_MAX), BNET_OK);
	ck_assert_uint_eq(n->not_tcp, 1);
	tap_finish(&tap);
}
END_TEST

/* ---- several packets in one ---- */

START_TEST(test_aggregate)
{
	const struct cap_counters *n = cap_counters(tap.cap);
	uint8_t packet[400] = { 0x88, 2 };
	struct cap_stream *stream;
	size_t at = 26;

	packet[24] = 0x80;
	for (uint16_t i = 0; i < 3; i++) {
		struct pkt_tcp tcp = { .src = { 10, 0, 0, 1 },
			.dst = { 10, 0, 0, 2 },
			.sport = (uint16_t)(40000 + i),
			.dport = 26000,
			.flags = PKT_SYN };
		size_t n_tcp;

		at = 26 + (at - 26 + 3) / 4 * 4;
		pkt_put16(packet + at + 12, 8 + 40 + i);
		memcpy(packet + at + 14, "\xaa\xaa\x03\0\0\0\x08\0", 8);
		n_tcp = pkt_write_tcp(packet + at + 42, &tcp, false);
		pkt_write_ip4(packet + at + 22, &tcp, n_tcp, i, 0);
		at += 14 + 8 + 40u + i;
	}
	for (size_t len = 0; len <= at; len++)
		UNIT_MUST(cap_packet(tap.cap, DLT_IEEE802_11, 1,
			      (struct bnet_slice){ packet, len }, at,
			      &stream) == BNET_OK,
		    "refused");
	ck_assert_uint_eq(n->streams, 3);
	ck_assert_uint_eq(n->not_tcp, 0);
	tap_finish(&tap);
}
END_TEST

/* ---- packets that lie ---- */

/* So many of them in each other: those within the limit are read. */
START_TEST(test_nested)
{
	static const char *const what[] = { "ipip", "vxlan", "gre-all", "mpls",
		"qinq", "geneve-options", "pw,vlan", "teb,ipip6" };
	static uint8_t room[100000];
	const struct cap_counters *n = cap_counters(tap.cap);
	struct pkt_tcp tcp = { .src = { 10, 0, 0, 1 },
		.dst = { 10, 0, 0, 2 },
		.sport = 40000,
		.dport = 26000,
		.flags = PKT_SYN };
	struct around packet = { .p = room + 99000, .type = 0x0800 };
	struct cap_stream *stream;

	packet.n = pkt_write_tcp(packet.p + PKT_IP4_BYTES, &tcp, false);
	packet.n += pkt_write_ip4(packet.p, &tcp, packet.n, 1, 0);
	for (int i = 0; i < 200; i++) {
		struct around ether;

		around(&packet, what[_i]);
		ether = packet;
		around(&ether, "ether");
		UNIT_MUST(cap_packet(tap.cap, DLT_EN10MB, 1,
			      (struct bnet_slice){ ether.p, ether.n }, ether.n,
			      &stream) == BNET_OK,
		    "refused");
	}
	ck_assert_uint_eq(n->packets, 200);
	ck_assert_uint_eq(n->bad_packets, 0);
	ck_assert_uint_ge(n->not_tcp, 130);
	ck_assert_uint_le(n->not_tcp, 195);
	tap_finish(&tap);
}
END_TEST

/* Each byte of the headers as each value, at each length. */
START_TEST(test_lies)
{
	static const char *const lists[] = { "gre-all", "geneve-options",
		"erspan3", "vxlan", "pw,vlan", "pppoe", "snap", "metadata",
		"gpe", "mpls3", "ipip6,gre6", "pbb", "etag,vntag" };
	static const uint8_t values[] = { 0, 1, 0x0f, 0x3f, 0x40, 0x45, 0x60,
		0x7f, 0x80, 0xf0, 0xff };
	static uint8_t room[AROUND_ROOM + 100];
	struct pkt_tcp tcp = { .src = { 10, 0, 0, 1 },
		.dst = { 10, 0, 0, 2 },
		.sport = 40000,
		.dport = 26000,
		.flags = PKT_SYN };
	struct around packet = { .p = room + AROUND_ROOM, .type = 0x0800 };
	struct cap_stream *stream;

	packet.n = pkt_write_tcp(packet.p + PKT_IP4_BYTES, &tcp, false);
	packet.n += pkt_write_ip4(packet.p, &tcp, packet.n, 1, 0);
	around(&packet, lists[_i]);
	around(&packet, "ether");
	for (size_t at = 0; at < packet.n; at++)
		for (size_t v = 0; v < sizeof(values); v++) {
			size_t len = packet.n - (v % 3 == 2 ? at % 60 : 0);
			uint8_t was = packet.p[at];
			struct bnet_slice copy;

			packet.p[at] = values[v];
			copy = unit_copy(packet.p, len);
			packet.p[at] = was;
			UNIT_MUST(cap_packet(tap.cap, DLT_EN10MB, 1, copy,
				      packet.n, &stream) == BNET_OK,
			    "refused");
			unit_free(copy);
		}
	tap_finish(&tap);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("tunnels");
	TCase *tc = unit_case(suite, "tunnels");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_tenants, 0, UNIT_ROWS(tenants_rows));
	tcase_add_test(tc, test_tenants_no_start);
	tcase_add_test(tc, test_tenants_reuse);
	tcase_add_loop_test(tc, test_two_points, 0, 6);
	tcase_add_test(tc, test_fragments_of_tenants);
	tcase_add_test(tc, test_fragments_of_udp);
	tcase_add_test(tc, test_aggregate);
	tcase_add_loop_test(tc, test_nested, 0, 8);
	tcase_add_loop_test(tc, test_lies, 0, 13);
	return suite;
}

UNIT_MAIN(make_suite)
