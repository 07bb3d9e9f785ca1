/* SPDX-License-Identifier: MIT */
/* Which request a frame answers. */
#include "cmd/replay/tape/pairing.h"
#include "tests/unit/unit.h"

#define KEY 99
#define NODE BNET_DEST_NODE
#define ANY BNET_DEST_ANY
#define OPEN 1000
#define NOBODY 0 /* no request is answered */

struct sent {
	int64_t dest_type, dest;
	uint32_t serial;
};

struct row {
	const char *name;
	struct sent sent[3]; /* requests 1, 2, 3 of KEY; until one of zeros */
	int64_t source; /* of the answer */
	uint32_t serial;
	uint64_t answered;
};

static const struct row rows[] = {
	{ "the oldest", { { ANY, 0, 0 }, { ANY, 0, 0 } }, 7, 0, 1 },
	{ "of that node", { { NODE, 8, 0 }, { NODE, 7, 0 } }, 7, 0, 2 },
	{ "any will do", { { NODE, 8, 0 }, { ANY, 0, 0 } }, 7, 0, 2 },
	{ "none went there", { { NODE, 8, 0 }, { NODE, 9, 0 } }, 7, 0, NOBODY },
	{ "by serial", { { ANY, 0, 4 }, { ANY, 0, 5 } }, 7, 5, 2 },
	{ "by serial, from elsewhere", { { NODE, 8, 5 } }, 7, 5, 1 },
	{ "a serial of the node's own", { { ANY, 0, 4 } }, 7, 77, 1 },
	{ "nothing is open", { { 0, 0, 0 } }, 7, 0, NOBODY },
};

static struct bnet_buf store, body;
static struct pairing pairing;

static void
setup(void)
{
	bnet_buf_init(&store, 1 << 16);
	bnet_buf_init(&body, 1 << 16);
	pairing = (struct pairing){ 0 };
}

static void
teardown(void)
{
	bnet_buf_free(&store);
	bnet_buf_free(&body);
	pairing_free(&pairing);
}

static void
send(int32_t key, struct sent to, struct bnet_slice payload, uint64_t user)
{
	const struct bnet_header header = { .key = key,
		.dest_type = to.dest_type,
		.dest = to.dest,
		.serial = to.serial };
	const struct pairing_request request =
	    pairing_request(&header, BNET_CODEC_NONE, payload, user);

	ck_assert(pairing_sent(&pairing, &request));
}

/* The number of the request that is answered, or NOBODY. */
static uint64_t
receive(const struct bnet_header *header, struct bnet_slice payload)
{
	const struct bnet_packet packet = { .has_oob = true,
		.has_header = true,
		.header = *header,
		.payload = payload };
	struct pairing_request request;

	return pairing_received(&pairing, &packet, &store, &request)
	    ? request.user
	    : NOBODY;
}

static struct bnet_slice
encode(const struct bnet_message *message)
{
	bnet_buf_clear(&body);
	ck_assert_int_eq(bnet_message_encode(message, &body), BNET_OK);
	return bnet_buf_slice(&body);
}

static const struct bnet_slice nothing = { NULL, 0 };

START_TEST(each_row)
{
	const struct row *row = &rows[_i];
	const struct bnet_header answer = { .key = KEY,
		.source = row->source,
		.dest_type = BNET_DEST_CLIENT,
		.serial = row->serial };
	uint64_t got;

	for (uint64_t i = 0; i < 3 && row->sent[i].dest_type != 0; i++)
		send(KEY, row->sent[i], nothing, i + 1);
	got = receive(&answer, nothing);
	ck_assert_msg(got == row->answered, "%s: %d", row->name, (int)got);
}
END_TEST

START_TEST(each_is_answered_once_in_order)
{
	const struct bnet_header answer = { .key = KEY, .source = 7 };

	for (uint64_t i = 1; i <= 500; i++) {
		send(KEY, (struct sent){ ANY, 0, 0 }, nothing, 2 * i);
		send(KEY, (struct sent){ ANY, 0, 0 }, nothing, 2 * i + 1);
		ck_assert_uint_eq(receive(&answer, nothing), i + 1);
	}
	for (uint64_t i = 502; i <= 1001; i++)
		ck_assert_uint_eq(receive(&answer, nothing), i);
	ck_assert(pairing_is_empty(&pairing));
	ck_assert_ptr_null(pairing.open);
}
END_TEST

START_TEST(the_oldest_makes_room)
{
	for (uint64_t i = 1; i <= OPEN; i++)
		send(KEY, (struct sent){ ANY, 0, 0 }, nothing, i);
	ck_assert_uint_eq(pairing.n, OPEN);
	pairing_drop_oldest(&pairing);
	ck_assert_uint_eq(pairing_oldest(&pairing)->user, 2);
	/* and its memory does not grow */
	for (uint64_t i = 0; i < 10 * OPEN; i++) {
		send(KEY, (struct sent){ ANY, 0, 0 }, nothing, i);
		pairing_drop_oldest(&pairing);
	}
	ck_assert_uint_le(pairing.cap, 4 * OPEN);
}
END_TEST

/* What comes too late is not taken for the answer to the next one. */
START_TEST(late_answers)
{
	struct bnet_header answer = { .key = KEY, .source = 7, .serial = 1 };

	for (uint32_t i = 1; i <= 4; i++)
		send(KEY, (struct sent){ NODE, 7, i }, nothing, i);
	pairing_drop_oldest(&pairing);
	ck_assert_uint_eq(receive(&answer, nothing), NOBODY);
	answer.serial = 99; /* serials are repeated here: it is no answer */
	ck_assert_uint_eq(receive(&answer, nothing), NOBODY);
	answer.serial = 3;
	ck_assert_uint_eq(receive(&answer, nothing), 3);
	answer.serial = 0;
	ck_assert_uint_eq(receive(&answer, nothing), 2);
}
END_TEST

START_TEST(an_echo_by_its_cookie)
{
	struct bnet_message message = { .type = BNET_MSG_ECHO };
	struct bnet_header reply = { .key = bnet_message_key(
					 BNET_MSG_ECHO_REPLY) };

	for (uint64_t i = 1; i <= 3; i++) {
		message.u.echo.cookie = 1000 + i;
		send(BNET_KEY_ECHO, (struct sent){ NODE, 7, 0 },
		    encode(&message), i);
	}
	message.type = BNET_MSG_ECHO_REPLY;
	message.u.echo.cookie = 1002;
	ck_assert_uint_eq(receive(&reply, encode(&message)), 2);
	ck_assert_uint_eq(receive(&reply, encode(&message)), NOBODY);
}
END_TEST

START_TEST(an_error_by_what_it_quotes)
{
	static const uint8_t first[] = "cookie-1", second[] = "cookie-2";
	struct bnet_message message = { .type = BNET_MSG_ERROR };
	struct bnet_header header = { .key = bnet_message_key(BNET_MSG_ERROR) };
	struct sent to = { NODE, 7, 0 };

	send(KEY, to, (struct bnet_slice){ first, 8 }, 1);
	send(KEY, to, (struct bnet_slice){ second, 8 }, 2);
	message.u.error = (struct bnet_error){
		.code = BNET_CODE_NO_DESTINATION,
		.dest_type = NODE,
		.dest = 7,
		.key = KEY,
	};
	memcpy(&message.u.error.cookie, second, 8);
	ck_assert_uint_eq(receive(&header, encode(&message)), 2);
	message.u.error.dest = 8;
	memcpy(&message.u.error.cookie, first, 8);
	ck_assert_uint_eq(receive(&header, encode(&message)), NOBODY);
}
END_TEST

START_TEST(a_roster_by_the_last_of_its_replies)
{
	struct bnet_message message = { .type = BNET_MSG_ROSTER_REPLY };
	struct bnet_header header = { .key = bnet_message_key(
					  BNET_MSG_ROSTER_REPLY) };

	send(bnet_message_key(BNET_MSG_ROSTER), (struct sent){ 0, 0, 0 },
	    nothing, 1);
	message.u.roster_reply.more = true;
	ck_assert_uint_eq(receive(&header, encode(&message)), NOBODY);
	message.u.roster_reply.more = false;
	ck_assert_uint_eq(receive(&header, encode(&message)), 1);
}
END_TEST

START_TEST(what_is_malformed_answers_nothing)
{
	const struct bnet_header header = { .key = bnet_message_key(
						BNET_MSG_ECHO_REPLY) };

	send(BNET_KEY_ECHO, (struct sent){ NODE, 7, 0 }, nothing, 1);
	ck_assert_uint_eq(receive(&header, nothing), NOBODY);
	ck_assert_uint_eq(pairing.n, 1);
}
END_TEST

/* An answer to call `id`, for that client. */
static uint64_t
answer(int64_t id, int64_t client)
{
	const struct call call = { CALL_RESULT, true, id, client };
	struct pairing_request request;

	return pairing_call_answered(&pairing, &call, &request) ? request.user
								: NOBODY;
}

/* By id, whatever the order; the client decides where ids are the same. */
START_TEST(calls_by_their_ids)
{
	static const struct {
		int64_t id, client;
	} calls[] = { { 42, 1 }, { 43, 1 }, { 42, 2 }, { 44, 0 } };
	const struct bnet_header header = { .key = 0, .dest_type = NODE };

	for (uint64_t i = 0; i < 4; i++) {
		struct pairing_request request =
		    pairing_request(&header, BNET_CODEC_NONE, nothing, i + 1);

		request.call = (struct call){ CALL_MADE, true, calls[i].id,
			calls[i].client };
		ck_assert(pairing_sent(&pairing, &request));
	}
	ck_assert_uint_eq(pairing.n_calls, 4);
	ck_assert_uint_eq(answer(45, 1), NOBODY);
	ck_assert_uint_eq(answer(42, 2), 3);
	ck_assert_uint_eq(answer(43, 99), 2); /* another id than it said */
	ck_assert_uint_eq(answer(44, 7), 4);
	ck_assert_uint_eq(answer(44, 7), NOBODY);
	ck_assert_uint_eq(pairing.n_calls, 1);
	ck_assert_uint_eq(answer(42, 0), 1);
	ck_assert(pairing_is_empty(&pairing));
	ck_assert_uint_eq(pairing.n_calls, 0);
}
END_TEST

/* The order of frames answers no call, nor its serial. */
START_TEST(a_call_only_by_its_id)
{
	struct bnet_header header = { .key = KEY,
		.source = 7,
		.dest_type = NODE,
		.dest = 7,
		.serial = 5 };
	struct pairing_request request =
	    pairing_request(&header, BNET_CODEC_NONE, nothing, 1);

	request.call = (struct call){ CALL_MADE, true, 42, 0 };
	ck_assert(pairing_sent(&pairing, &request));
	ck_assert_uint_eq(receive(&header, nothing), NOBODY);
	header.serial = 0;
	ck_assert_uint_eq(receive(&header, nothing), NOBODY);
	ck_assert_uint_eq(answer(42, 3), 1);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("replay_pairing");
	TCase *tc = unit_case(suite, "pairing");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_row, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, each_is_answered_once_in_order);
	tcase_add_test(tc, the_oldest_makes_room);
	tcase_add_test(tc, late_answers);
	tcase_add_test(tc, an_echo_by_its_cookie);
	tcase_add_test(tc, an_error_by_what_it_quotes);
	tcase_add_test(tc, a_roster_by_the_last_of_its_replies);
	tcase_add_test(tc, what_is_malformed_answers_nothing);
	tcase_add_test(tc, calls_by_their_ids);
	tcase_add_test(tc, a_call_only_by_its_id);
	return suite;
}

UNIT_MAIN(make_suite)
