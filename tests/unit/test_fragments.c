/* SPDX-License-Identifier: MIT */
/* IP fragments made whole: order, overlap, contradictions, eviction. */
#include "cmd/capture/layers.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/packets.h"

#define S INT64_C(1000000000)

static struct cap_fragments *frags;
static uint8_t whole[65536];

static void
setup(void)
{
	uint64_t seed = 3;

	for (size_t i = 0; i < sizeof(whole); i++)
		whole[i] = (uint8_t)unit_random(&seed);
	frags = cap_fragments_new();
	ck_assert_ptr_nonnull(frags);
}

static void
teardown(void)
{
	cap_fragments_free(frags);
}

static struct cap_ip
fragment(uint32_t id, size_t from, size_t to, bool more)
{
	struct cap_ip ip = { .protocol = 6,
		.fragment = true,
		.more = more,
		.id = id,
		.offset_bytes = (uint32_t)from };

	ip.src.ip[0] = 1;
	ip.dst.ip[0] = 2;
	ip.data = unit_copy(whole + from, to - from);
	return ip;
}

static struct bnet_slice made; /* the last that was made whole */
static size_t evicted;

static enum bnet_err
add_at(int64_t time_ns, struct cap_ip ip)
{
	struct bnet_slice copy = ip.data;
	enum bnet_err err = cap_fragments_add(frags, &ip, time_ns, &evicted);

	unit_free(copy);
	if (err == BNET_OK) {
		ck_assert(!ip.fragment);
		made = ip.data;
	}
	return err;
}

static enum bnet_err
add(uint32_t id, size_t from, size_t to, bool more)
{
	return add_at(0, fragment(id, from, to, more));
}

static void
made_whole(const char *what, size_t n)
{
	unit_same(what, made, (struct bnet_slice){ whole, n });
}

/* Three fragments in all orders, each also sent twice. */
START_TEST(test_every_order)
{
	static const struct {
		size_t from, to;
	} part[] = { { 0, 16 }, { 16, 40 }, { 40, 45 } };
	static const int orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
		{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (int twice = 0; twice < 2; twice++)
		for (int i = 0; i < 3; i++) {
			int k = orders[_i][i];
			size_t from = part[k].from, to = part[k].to;

			if (twice && i < 2)
				unit_err("twice", add(9, from, to, k < 2),
				    BNET_MORE);
			unit_err("part", add(9, from, to, k < 2),
			    i == 2 ? BNET_OK : BNET_MORE);
			if (i == 2)
				made_whole("whole", 45);
		}
	ck_assert_uint_eq(evicted, 0);
}
END_TEST

START_TEST(test_overlap_first_stands)
{
	struct cap_ip other = fragment(1, 0, 24, true);
	union {
		const uint8_t *theirs;
		uint8_t *ours;
	} p = { .theirs = other.data.p };

	unit_err("first", add(1, 8, 16, true), BNET_MORE);
	memset(p.ours + 8, 0xee, 8);
	unit_err("over it", add_at(0, other), BNET_MORE);
	unit_err("last", add(1, 16, 30, false), BNET_OK);
	made_whole("the first stands", 30);
}
END_TEST

/*
 * Pieces behind the end, or a second end, must not make it look whole: the
 * bytes that never came would be whatever was in memory.
 */
START_TEST(test_contradictions)
{
	unit_err("behind the end", add(1, 40, 48, true), BNET_MORE);
	unit_err("the end", add(1, 8, 16, false), BNET_MORE);
	unit_err("the start", add(1, 0, 8, true), BNET_OK);
	made_whole("up to the end", 16);

	unit_err("the end", add(2, 8, 16, false), BNET_MORE);
	unit_err("behind it", add(2, 16, 24, true), BNET_ELIMIT);
	unit_err("an earlier end", add(2, 0, 3, false), BNET_ELIMIT);
	unit_err("a later end", add(2, 16, 19, false), BNET_ELIMIT);
	unit_err("the start", add(2, 0, 8, true), BNET_OK);
	made_whole("with one end", 16);
}
END_TEST

START_TEST(test_edges_of_64k)
{
	unit_err("too far", add(1, 65528, 65536, false), BNET_MORE);
	for (size_t at = 0; at < 65528; at += 8184)
		unit_err("part",
		    add(1, at, at + 8184 < 65528 ? at + 8184 : 65528, true),
		    at + 8184 < 65528 ? BNET_MORE : BNET_OK);
	made_whole("64 KiB", 65536);
	{
		struct cap_ip ip = fragment(2, 0, 16, false);

		ip.offset_bytes = 65528;
		unit_err("beyond", add_at(0, ip), BNET_ELIMIT);
	}
	unit_err("no multiple of 8", add(3, 0, 12, true), BNET_ELIMIT);
	{
		struct cap_ip ip = fragment(4, 0, 16, true);

		ip.missing_bytes = 8;
		unit_err("cut", add_at(0, ip), BNET_ELIMIT);
	}
}
END_TEST

/* What tells datagrams apart. */
START_TEST(test_keys)
{
	struct cap_ip ip = fragment(1, 8, 16, false);

	unit_err("start", add(1, 0, 8, true), BNET_MORE);
	ip.protocol = 17;
	unit_err("another protocol", add_at(0, ip), BNET_MORE);
	ip = fragment(1, 8, 16, false);
	ip.src.ip[0] = 9;
	unit_err("another source", add_at(0, ip), BNET_MORE);
	ip = fragment(1, 8, 16, false);
	ip.dst.ip[0] = 9;
	unit_err("another destination", add_at(0, ip), BNET_MORE);
	ip = fragment(1, 8, 16, false);
	ip.src.v6 = ip.dst.v6 = true;
	unit_err("IPv6", add_at(0, ip), BNET_MORE);
	unit_err("another id", add(2, 8, 16, false), BNET_MORE);
	unit_err("the same", add(1, 8, 16, false), BNET_OK);
	made_whole("the same", 16);
}
END_TEST

/* Of IPv6 the next header is that of the first fragment (RFC 8200, 4.5). */
START_TEST(test_ipv6_protocol)
{
	struct cap_ip ip = fragment(1, 8, 16, false);
	struct bnet_slice copy = ip.data;

	ip.src.v6 = ip.dst.v6 = true;
	ip.protocol = 60;
	unit_err("end", add_at(0, ip), BNET_MORE);
	ip = fragment(1, 0, 8, true);
	copy = ip.data;
	ip.src.v6 = ip.dst.v6 = true;
	unit_err("start", cap_fragments_add(frags, &ip, 0, &evicted), BNET_OK);
	ck_assert_uint_eq(ip.protocol, 6);
	unit_free(copy);
}
END_TEST

/* One more than there is room for takes the place of the oldest, and says so. */
START_TEST(test_eviction)
{
	for (uint32_t id = 0; id < FRAGMENTS_MAX; id++) {
		unit_err("held", add_at((int64_t)id, fragment(id, 0, 16, true)),
		    BNET_MORE);
		ck_assert_uint_eq(evicted, 0);
	}
	unit_err(
	    "one more", add_at(1000, fragment(9999, 0, 8, true)), BNET_MORE);
	ck_assert_uint_eq(evicted, 16);
	unit_err("the next is there", add_at(1000, fragment(1, 16, 24, false)),
	    BNET_OK);
	ck_assert_uint_eq(evicted, 0);
	unit_err("the oldest is not", add_at(1000, fragment(0, 16, 24, false)),
	    BNET_MORE);
}
END_TEST

/* An id that comes again much later is another datagram. */
START_TEST(test_stale)
{
	unit_err("start", add_at(0, fragment(1, 0, 8, true)), BNET_MORE);
	unit_err(
	    "in time", add_at(29 * S, fragment(1, 8, 16, true)), BNET_MORE);
	unit_err(
	    "too late", add_at(31 * S, fragment(1, 16, 24, false)), BNET_MORE);
	unit_err("again", add_at(32 * S, fragment(1, 0, 16, true)), BNET_OK);
	made_whole("again", 24);
}
END_TEST

static enum bnet_err
make_one(void *arg)
{
	struct cap_fragments *own = cap_fragments_new();
	enum bnet_err err = own == NULL ? BNET_ENOMEM : BNET_OK;
	struct cap_ip ip = { .fragment = true, .more = true };
	size_t n;

	(void)arg;
	ip.data = (struct bnet_slice){ whole, 8 };
	if (err == BNET_OK)
		err = cap_fragments_add(own, &ip, 0, &n);
	ip.more = false;
	ip.offset_bytes = 8;
	if (err == BNET_MORE)
		err = cap_fragments_add(own, &ip, 0, &n);
	cap_fragments_free(own);
	return err;
}

START_TEST(test_every_failed_allocation)
{
	ck_assert_uint_eq(failmalloc_each(make_one, NULL), 2);
	cap_fragments_free(NULL);
}
END_TEST

/* A datagram over IPv6 that starts with destination options, to TCP. */
START_TEST(test_ipv6_options_behind_fragment)
{
	static const uint8_t options[] = { 6, 0, 1, 4, 0, 0, 0, 0 };
	struct conn conn = CONN(1000, 26000);
	struct tap tap;
	struct bnet_buf body;
	struct pkt pkt;
	uint8_t tcp[20], p[2000] = { 0x60, 0, 0, 0, 0, 0, 44, 64, 0xfe };

	tap_open(&tap, NULL);
	bnet_buf_init(&body, 1000);
	pkt = conn_pkt(&conn, CAP_UP, TCP_SYN);
	put_tcp(tcp, &pkt);
	for (int i = 0; i < 2; i++) {
		const struct bnet_slice parts[] = { { options, 8 },
			{ tcp, 20 } };

		bnet_buf_clear(&body);
		for (int j = 0; j < 2; j++)
			unit_err(
			    "part", bnet_buf_append(&body, parts[j]), BNET_OK);
		if (i == 1)
			put_numbered(&body, BNET_ORDER_LITTLE, 1, 40);
		for (size_t at = 0; at < body.len; at += 24) {
			size_t n = body.len - at < 24 ? body.len - at : 24;
			bool more = at + n < body.len;

			put_u16(p + 4, 8 + n);
			p[40] = 60;
			put_u16(p + 42, at | more);
			put_u32(p + 44, (size_t)i);
			memcpy(p + 48, body.p + at, n);
			unit_err("packet", tap_raw(&tap, p, 48 + n, SIZE_MAX),
			    BNET_OK);
		}
		pkt.seq++;
		pkt.flags = TCP_ACK;
		put_tcp(tcp, &pkt);
	}
	tap_finish(&tap);
	tap_expect(&tap, "frame", CAP_UP, CAP_FRAME, 1, NUMBERED_BYTES(40));
	ck_assert_uint_eq(cap_counters(tap.cap)->datagrams, 2);
	ck_assert_uint_eq(cap_counters(tap.cap)->not_tcp, 0);
	bnet_buf_free(&body);
	tap_free(&tap);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("fragments");
	TCase *tc = unit_case(suite, "fragments");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_every_order, 0, 6);
	tcase_add_test(tc, test_overlap_first_stands);
	tcase_add_test(tc, test_contradictions);
	tcase_add_test(tc, test_edges_of_64k);
	tcase_add_test(tc, test_keys);
	tcase_add_test(tc, test_ipv6_protocol);
	tcase_add_test(tc, test_eviction);
	tcase_add_test(tc, test_stale);
	tcase_add_test(tc, test_every_failed_allocation);
	tcase_add_test(tc, test_ipv6_options_behind_fragment);
	return suite;
}

UNIT_MAIN(make_suite)
