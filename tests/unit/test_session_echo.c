/* SPDX-License-Identifier: MIT */
/* cmd/session: the reply to an echo */
#include "cmd/session/session.h"
#include "tests/unit/unit.h"

#define ROOM 4096

static const struct bnet_echo_hop hops[] = { { 1, 100, 200 },
	{ UINT64_MAX, 0, UINT64_MAX } };

/* The body of a question, `padding` zeros behind it. For bnet_buf_free(). */
static struct bnet_buf
question(uint32_t flags, uint32_t n_hops, size_t padding)
{
	struct bnet_message echo = { .type = BNET_MSG_ECHO };
	struct bnet_buf body;
	uint8_t *tail;

	echo.u.echo = (struct bnet_echo){ .cookie = UINT64_C(1) << 60,
		.sent_ns = 12345,
		.flags = flags,
		.n = n_hops,
		.hops = hops };
	bnet_buf_init(&body, ROOM);
	unit_err("encode", bnet_message_encode(&echo, &body), BNET_OK);
	unit_err("room", bnet_buf_room(&body, padding, &tail), BNET_OK);
	memset(tail, 0, padding);
	bnet_buf_added(&body, padding);
	return body;
}

static const struct {
	const char *name;
	uint32_t flags, n_hops;
	size_t padding;
	int64_t source, dest_type;
} rows[] = {
	{ "a client", 0, 0, 0, 5, BNET_DEST_CLIENT },
	{ "a client, service", 1, 0, 0, 5, BNET_DEST_CLIENT },
	{ "a client, trace", 2, 2, 0, INT64_MAX, BNET_DEST_CLIENT },
	{ "a node", 4, 0, 0, 7, BNET_DEST_NODE },
	{ "a node, all", 7, 2, 0, 7, BNET_DEST_NODE },
	{ "flags to come", 0x80000004, 1, 0, 7, BNET_DEST_NODE },
	{ "padding", 0, 2, 1000, 5, BNET_DEST_CLIENT },
};

static void
check_reply(int i, const struct bnet_header *header, struct bnet_slice body)
{
	struct bnet_message reply;
	struct bnet_buf store;
	size_t left;

	bnet_buf_init(&store, ROOM);
	ck_assert_int_eq(header->dest_type, rows[i].dest_type);
	ck_assert_int_eq(header->dest, rows[i].source);
	ck_assert_int_eq(header->source, 0);
	ck_assert_int_eq(header->key, bnet_message_key(BNET_MSG_ECHO_REPLY));
	ck_assert_uint_eq(header->timestamp, 0);
	unit_err(rows[i].name,
	    bnet_message_decode(
		BNET_MSG_ECHO_REPLY, body, &reply, &store, &left),
	    BNET_OK);
	ck_assert_uint_eq(left, 0);
	ck_assert_uint_eq(reply.u.echo.cookie, UINT64_C(1) << 60);
	ck_assert_uint_eq(reply.u.echo.sent_ns, 12345);
	ck_assert_uint_eq(reply.u.echo.flags, rows[i].flags);
	ck_assert_uint_eq(reply.u.echo.n, rows[i].n_hops);
	for (uint32_t h = 0; h < rows[i].n_hops; h++)
		ck_assert_uint_eq(reply.u.echo.hops[h].id, hops[h].id);
	ck_assert_uint_eq(reply.u.echo.received_ns, 1000);
	ck_assert_uint_eq(reply.u.echo.replied_ns, 2000);
	bnet_buf_free(&store);
}

START_TEST(echo)
{
	struct bnet_buf asked =
	    question(rows[_i].flags, rows[_i].n_hops, rows[_i].padding);
	const struct bnet_header from = { .source = rows[_i].source,
		.dest_type = BNET_DEST_NODE,
		.dest = 9,
		.key = BNET_KEY_ECHO,
		.latency_ms = 4,
		.timestamp = 3 };
	struct bnet_header header;
	struct bnet_message message;
	struct bnet_buf store, body;
	size_t left;

	bnet_buf_init(&store, ROOM);
	bnet_buf_init(&body, ROOM);
	unit_err(rows[_i].name,
	    bnet_message_decode(
		BNET_MSG_ECHO, bnet_buf_slice(&asked), &message, &store, &left),
	    BNET_OK);
	ck_assert_uint_eq(left, rows[_i].padding);
	unit_err(rows[_i].name,
	    session_echo_reply(&from, &message, 1000, 2000, &header, &body),
	    BNET_OK);
	check_reply(_i, &header, bnet_buf_slice(&body));
	bnet_buf_free(&asked);
	bnet_buf_free(&store);
	bnet_buf_free(&body);
}
END_TEST

static Suite *
echo_suite(void)
{
	Suite *suite = suite_create("session_echo");
	TCase *tc = unit_case(suite, "echo");

	tcase_add_loop_test(tc, echo, 0, UNIT_ROWS(rows));
	return suite;
}

UNIT_MAIN(echo_suite)
