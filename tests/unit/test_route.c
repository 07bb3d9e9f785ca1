/* SPDX-License-Identifier: MIT */
/* cmd/relay/route: where a packet goes, without a socket */
#include "cmd/relay/route.h"
#include "tests/unit/unit.h"

#define RELAY 1000
#define KEY 4711

/* ---- route_decide() ---- */

struct decide_row {
	const char *what;
	enum bnet_role sender;
	uint64_t dest_type;
	int64_t dest;
	uint32_t forks;
	bool no_client_to_client;
	enum route_verdict want;
};

#define C BNET_ROLE_CLIENT
#define N BNET_ROLE_NODE

static const struct decide_row decide_rows[] = {
	{ "hop", C, BNET_DEST_HOP, 0, 0, false, ROUTE_LOCAL },
	{ "hop, whatever the id", C, BNET_DEST_HOP, 7, 0, false, ROUTE_LOCAL },
	{ "node", C, BNET_DEST_NODE, 7, 0, false, ROUTE_NODE },
	{ "node to node", N, BNET_DEST_NODE, 7, 0, false, ROUTE_NODE },
	{ "node, with forks", N, BNET_DEST_NODE, 7, 3, false, ROUTE_NODE },
	{ "any, with forks", N, BNET_DEST_ANY, 0, 3, false, ROUTE_ANY },
	{ "node, forks of a client", C, BNET_DEST_NODE, 7, 3, false,
	    ROUTE_REFUSED },
	{ "hop, forks of a client", C, BNET_DEST_HOP, 0, 1, false,
	    ROUTE_REFUSED },
	{ "the relay, forks of a client", C, BNET_DEST_NODE, RELAY, 1, false,
	    ROUTE_REFUSED },
	{ "any, forks of a client", C, BNET_DEST_ANY, 0, 3, false,
	    ROUTE_REFUSED },
	{ "kind 3, forks of a client", C, 3, 0, 1, false, ROUTE_REFUSED },
	{ "node of no id", C, BNET_DEST_NODE, 0, 0, false, ROUTE_NODE },
	{ "negative node", C, BNET_DEST_NODE, -7, 0, false, ROUTE_NODE },
	{ "the relay", C, BNET_DEST_NODE, RELAY, 0, false, ROUTE_LOCAL },
	{ "client of the relay's id", N, BNET_DEST_CLIENT, RELAY, 0, false,
	    ROUTE_CLIENT },
	{ "client to client", C, BNET_DEST_CLIENT, 7, 0, false, ROUTE_CLIENT },
	{ "not allowed", C, BNET_DEST_CLIENT, 7, 0, true, ROUTE_REFUSED },
	{ "allowed to nodes", N, BNET_DEST_CLIENT, 7, 0, true, ROUTE_CLIENT },
	{ "forks", N, BNET_DEST_CLIENT, 0, 1, false, ROUTE_FORKS },
	{ "forks, whatever the id", N, BNET_DEST_CLIENT, 7, 2, true,
	    ROUTE_FORKS },
	{ "forks of a client", C, BNET_DEST_CLIENT, 0, 1, false,
	    ROUTE_REFUSED },
	{ "broadcast", N, BNET_DEST_BROADCAST, 0, 0, false, ROUTE_BROADCAST },
	{ "broadcast, forks", N, BNET_DEST_BROADCAST, 0, 3, false,
	    ROUTE_BROADCAST },
	{ "broadcast of a client", C, BNET_DEST_BROADCAST, 0, 0, false,
	    ROUTE_REFUSED },
	{ "broadcast to an id", N, BNET_DEST_BROADCAST, 1, 0, false,
	    ROUTE_UNKNOWN },
	{ "any", C, BNET_DEST_ANY, 0, 0, false, ROUTE_ANY },
	{ "any, of a node", N, BNET_DEST_ANY, 0, 0, false, ROUTE_ANY },
	{ "kind 3", N, 3, 0, 0, false, ROUTE_UNKNOWN },
	{ "kind 9", C, 9, 7, 0, false, ROUTE_UNKNOWN },
	{ "kind -1", C, UINT64_MAX, 7, 0, false, ROUTE_UNKNOWN },
};

START_TEST(decide)
{
	const struct decide_row *row = &decide_rows[_i];
	const struct route_rules rules = { .relay_id = RELAY,
		.no_client_to_client = row->no_client_to_client };
	struct bnet_packet packet = { .has_oob = true, .has_header = true };
	enum route_verdict got;

	packet.header.key = KEY;
	packet.header.dest_type = (int64_t)row->dest_type;
	packet.header.dest = row->dest;
	packet.header.forks = row->forks;
	got = route_decide(&rules, row->sender, &packet);
	ck_assert_msg(got == row->want, "%s: %d, not %d", row->what, (int)got,
	    (int)row->want);
}
END_TEST

/* What a relay says is not passed on, wherever it is to go. */
START_TEST(words_of_a_relay)
{
	static const enum bnet_message_type types[] = { BNET_MSG_WELCOME,
		BNET_MSG_REFUSE, BNET_MSG_ERROR, BNET_MSG_ROSTER_REPLY,
		BNET_MSG_DRAIN };
	const struct decide_row *row = &decide_rows[_i];
	const struct route_rules rules = { .relay_id = RELAY };
	struct bnet_packet packet = { .has_oob = true, .has_header = true };

	packet.header.dest_type = (int64_t)row->dest_type;
	packet.header.dest = row->dest;
	for (size_t i = 0; i < UNIT_ROWS(types); i++) {
		packet.header.key = bnet_message_key(types[i]);
		ck_assert_int_eq(route_decide(&rules, row->sender, &packet),
		    row->dest_type == BNET_DEST_HOP ||
			    (row->dest_type == BNET_DEST_NODE &&
				row->dest == RELAY)
			? ROUTE_LOCAL
			: ROUTE_REFUSED);
	}
	/* peers may say the others to each other */
	packet.header.key = bnet_message_key(BNET_MSG_ECHO);
	packet.header.dest_type = BNET_DEST_NODE;
	packet.header.dest = 7;
	ck_assert_int_eq(
	    route_decide(&rules, row->sender, &packet), ROUTE_NODE);
}
END_TEST

/* Such are not BlueNet's, whatever the rest of the header says. */
START_TEST(no_bluenet)
{
	const struct decide_row *row = &decide_rows[_i];
	const struct route_rules rules = { .relay_id = RELAY };
	struct bnet_packet packet = { .has_oob = true, .has_header = true };

	packet.header.dest_type = (int64_t)row->dest_type;
	packet.header.dest = row->dest;
	packet.header.forks = row->forks;
	ck_assert_int_eq(
	    route_decide(&rules, row->sender, &packet), ROUTE_NO_KEY);
	packet.has_header = false;
	packet.header.key = KEY;
	ck_assert_int_eq(
	    route_decide(&rules, row->sender, &packet), ROUTE_NO_HEADER);
}
END_TEST

/* ---- route_cookie() ---- */

static const struct {
	const char *payload;
	enum bnet_codec_id codec;
	uint64_t want;
} cookie_rows[] = {
	{ "", BNET_CODEC_NONE, 0 },
	{ "01020304050607", BNET_CODEC_NONE, 0 },
	{ "0102030405060708", BNET_CODEC_NONE, UINT64_C(0x0807060504030201) },
	{ "ffffffffffffffff00", BNET_CODEC_NONE, UINT64_MAX },
	{ "0000000000000080", BNET_CODEC_NONE, UINT64_C(1) << 63 },
	{ "0102030405060708", BNET_CODEC_ZLIB, 0 },
	{ "0102030405060708", BNET_CODEC_SNAPPY, 0 },
};

START_TEST(cookie)
{
	struct bnet_packet packet = { .codec = cookie_rows[_i].codec };

	packet.payload = unit_hex(cookie_rows[_i].payload);
	packet.wire_payload = packet.payload;
	ck_assert_uint_eq(route_cookie(&packet), cookie_rows[_i].want);
	unit_free(packet.payload);
}
END_TEST

/* ---- route_should_pause() ---- */

#define S INT64_C(1000000000)

static const struct {
	const char *name;
	struct route_load load;
	bool want;
} pause_rows[] = {
	/* queued, of at most, of that its own, share, now, elsewhere */
	{ "nothing", { 0, 1000, SIZE_MAX, 2, 9 * S, 0 }, false },
	{ "half", { 500, 1000, SIZE_MAX, 2, 9 * S, 0 }, false },
	{ "more than half", { 501, 1000, SIZE_MAX, 2, 9 * S, 0 }, true },
	{ "over", { 2000, 1000, SIZE_MAX, 2, 9 * S, 0 }, true },
	{ "the largest", { SIZE_MAX, SIZE_MAX, SIZE_MAX, 2, 9 * S, 0 }, true },
	{ "no room at all", { 1, 0, SIZE_MAX, 2, 9 * S, 0 }, true },
	{ "its own", { 900, 1000, 900, 2, 9 * S, 0 }, true },
	{ "of others", { 900, 1000, 0, 2, 9 * S, 0 }, false },
	{ "a share", { 900, 1000, 2, 2, 9 * S, 0 }, false },
	{ "more than a share", { 900, 1000, 3, 2, 9 * S, 0 }, true },
	{ "it spoke to others", { 900, 1000, 900, 2, 9 * S, 4 * S }, false },
	{ "long ago", { 900, 1000, 900, 2, 9 * S, 4 * S - 1 }, true },
};

START_TEST(should_pause)
{
	ck_assert_msg(
	    route_should_pause(&pause_rows[_i].load) == pause_rows[_i].want,
	    "%s", pause_rows[_i].name);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("route");
	TCase *tc = unit_case(suite, "route");

	tcase_add_loop_test(tc, decide, 0, UNIT_ROWS(decide_rows));
	tcase_add_loop_test(tc, no_bluenet, 0, UNIT_ROWS(decide_rows));
	tcase_add_loop_test(tc, words_of_a_relay, 0, UNIT_ROWS(decide_rows));
	tcase_add_loop_test(tc, cookie, 0, UNIT_ROWS(cookie_rows));
	tcase_add_loop_test(tc, should_pause, 0, UNIT_ROWS(pause_rows));
	return suite;
}

UNIT_MAIN(make_suite)
