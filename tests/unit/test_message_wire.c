/* SPDX-License-Identifier: MIT */
/* proto/message: names and keys, and bodies that lie about their counts. */
#include "proto/message.h"

#include "proto/bits.h"
#include "proto/header.h"
#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As bluenet-wire.5 has them. */
static const char *const names[BNET_N_MSGS] = {
	[BNET_MSG_NONE] = "",
	[BNET_MSG_HELLO] = "bluenet.hello",
	[BNET_MSG_WELCOME] = "bluenet.welcome",
	[BNET_MSG_REFUSE] = "bluenet.refuse",
	[BNET_MSG_ERROR] = "bluenet.error",
	[BNET_MSG_REGISTER] = "bluenet.register",
	[BNET_MSG_ROSTER] = "bluenet.roster",
	[BNET_MSG_ROSTER_REPLY] = "bluenet.roster-reply",
	[BNET_MSG_ECHO] = "bluenet.echo",
	[BNET_MSG_ECHO_REPLY] = "bluenet.echo-reply",
	[BNET_MSG_KEEPALIVE] = "bluenet.keepalive",
	[BNET_MSG_DISCARD] = "bluenet.discard",
	[BNET_MSG_DRAIN] = "bluenet.drain",
};

START_TEST(test_name)
{
	enum bnet_message_type type = (enum bnet_message_type)_i;
	int32_t key = bnet_key(names[_i]);

	ck_assert_str_eq(bnet_message_name(type), names[_i]);
	ck_assert_int_eq(bnet_message_key(type), key);
	ck_assert_int_eq(bnet_message_type(key), type);
	/* no neighbour of a key is taken for it */
	for (int bit = 0; bit < 32; bit++) {
		int64_t other = (int64_t)key ^ (INT64_C(1) << bit);

		if (other >= INT32_MIN && other <= INT32_MAX)
			ck_assert_int_eq(
			    bnet_message_type((int32_t)other), BNET_MSG_NONE);
	}
}
END_TEST

/* ---- the tables of the manual ---- */

#define LISTED_MAX 64

struct listed {
	enum bnet_message_type type;
	char text[64]; /* "name kind" */
};

/* What the page lists; returns how many. */
static size_t
read_page(struct listed *listed)
{
	const char *fixtures = getenv("BNET_FIXTURES");
	enum bnet_message_type type = BNET_MSG_NONE;
	char line[512], path[512], name[32], kind[16];
	size_t n = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/../man/bluenet-wire.5",
	    fixtures == NULL ? "fixtures" : fixtures);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "can not open %s", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, ".Sh ", 4) == 0)
			type = BNET_MSG_NONE;
		if (sscanf(line, ".Ss %31s", name) == 1)
			type = bnet_message_type(bnet_key(name));
		if (type == BNET_MSG_NONE ||
		    sscanf(line, ".It %31s Ta %15s", name, kind) != 2)
			continue;
		ck_assert_uint_lt(n, LISTED_MAX);
		listed[n].type = type;
		(void)snprintf(listed[n++].text, sizeof(listed[0].text),
		    "%s %s", name, kind);
	}
	ck_assert_int_eq(fclose(f), 0);
	return n;
}

static void
list(struct listed *listed, size_t *n, enum bnet_message_type type,
    const struct bnet_field *field)
{
	static const char *const kinds[] = { "u32", "u64", "i32", "i64", "bool",
		"string", "u32" };

	ck_assert_uint_lt(*n, LISTED_MAX);
	listed[*n].type = type;
	(void)snprintf(listed[(*n)++].text, sizeof(listed[0].text), "%s %s",
	    field->list == NULL ? field->name : "n", kinds[field->kind]);
	for (size_t i = 0; field->list != NULL && i < field->list->n_fields;
	     i++)
		list(listed, n, type, &field->list->fields[i]);
}

/* The page has each field of the table: name, type and order. */
START_TEST(test_page)
{
	struct listed page[LISTED_MAX], table[LISTED_MAX];
	size_t n_page = read_page(page), n = 0, n_fields, n_before;

	for (int type = BNET_MSG_HELLO; type < BNET_N_MSGS; type++) {
		const struct bnet_field *fields = bnet_message_fields(
		    (enum bnet_message_type)type, &n_fields);

		/* of the reply it lists what the echo does not have */
		(void)bnet_message_fields(BNET_MSG_ECHO, &n_before);
		if (type != BNET_MSG_ECHO_REPLY)
			n_before = 0;
		for (size_t i = n_before; i < n_fields; i++)
			list(table, &n, (enum bnet_message_type)type,
			    &fields[i]);
	}
	for (size_t i = 0; i < n && i < n_page; i++) {
		ck_assert_str_eq(page[i].text, table[i].text);
		ck_assert_int_eq(page[i].type, table[i].type);
	}
	ck_assert_uint_eq(n_page, n);
}
END_TEST

START_TEST(test_other_keys)
{
	static const int32_t keys[] = { 0, 1, -1, INT32_MIN, INT32_MAX,
		BNET_KEY_PONG };

	for (int i = 0; i < UNIT_ROWS(keys); i++)
		ck_assert_int_eq(bnet_message_type(keys[i]), BNET_MSG_NONE);
	ck_assert_int_eq(
	    bnet_message_type(bnet_key("bluenet.Hello")), BNET_MSG_NONE);
	ck_assert_int_eq(bnet_message_type(BNET_KEY_ECHO), BNET_MSG_ECHO);
	ck_assert_str_eq(bnet_message_name(BNET_N_MSGS), "");
	ck_assert_int_eq(bnet_message_key(BNET_N_MSGS), 0);
}
END_TEST

START_TEST(test_codes)
{
	for (uint32_t code = BNET_CODE_VERSION; code <= BNET_CODE_REPLACED;
	     code++) {
		ck_assert_str_ne(bnet_code_name(code), "unknown code");
		for (uint32_t i = BNET_CODE_VERSION; i < code; i++)
			ck_assert_str_ne(
			    bnet_code_name(code), bnet_code_name(i));
	}
	ck_assert_str_eq(
	    bnet_code_name(BNET_CODE_NOT_AUTHORISED), "not authorised");
	ck_assert_str_eq(bnet_code_name(0), "unknown code");
	ck_assert_str_eq(bnet_code_name(10), "unknown code");
	ck_assert_str_eq(bnet_code_name(UINT32_MAX), "unknown code");
}
END_TEST

/*
 * A body of zero bits (so that all fields are 0, all strings empty) but for
 * one count, that of an array or of a string's bytes.
 */
static const struct claim {
	const char *name;
	enum bnet_message_type type;
	uint32_t head_bits; /* zero bits ahead of the count */
	uint32_t n;
	size_t behind_bits; /* how many there are after the count */
	enum bnet_err err;
} claims[] = {
	/* an entry is 12 bits at the least, a hop 9 */
	{ "no entries", BNET_MSG_ROSTER_REPLY, 1, 0, 0, BNET_OK },
	{ "an entry", BNET_MSG_ROSTER_REPLY, 1, 1, 12, BNET_OK },
	{ "an entry, cut", BNET_MSG_ROSTER_REPLY, 1, 1, 11, BNET_EMESSAGE },
	{ "1000 entries", BNET_MSG_ROSTER_REPLY, 1, 1000, 12000, BNET_OK },
	{ "1000 entries, a bit less", BNET_MSG_ROSTER_REPLY, 1, 1000, 11999,
	    BNET_EMESSAGE },
	{ "2^32 - 1 entries", BNET_MSG_ROSTER_REPLY, 1, UINT32_MAX, 60,
	    BNET_EMESSAGE },
	{ "2^32 - 1 entries in 9000 bytes", BNET_MSG_ROSTER_REPLY, 1,
	    UINT32_MAX, 72000, BNET_EMESSAGE },
	{ "2^31 entries", BNET_MSG_ROSTER_REPLY, 1, UINT32_C(1) << 31, 60,
	    BNET_EMESSAGE },
	{ "a hop", BNET_MSG_ECHO, 9, 1, 9, BNET_OK },
	{ "a hop, cut", BNET_MSG_ECHO, 9, 1, 8, BNET_EMESSAGE },
	{ "1000 hops", BNET_MSG_ECHO, 9, 1000, 9000, BNET_OK },
	{ "1000 hops, a bit less", BNET_MSG_ECHO, 9, 1000, 8999,
	    BNET_EMESSAGE },
	{ "2^32 - 1 hops", BNET_MSG_ECHO, 9, UINT32_MAX, 52, BNET_EMESSAGE },
	{ "a hop of a reply", BNET_MSG_ECHO_REPLY, 9, 1, 15, BNET_OK },
	{ "a hop of a reply, no times", BNET_MSG_ECHO_REPLY, 9, 1, 14,
	    BNET_EMESSAGE },
	{ "2^32 - 1 hops of a reply", BNET_MSG_ECHO_REPLY, 9, UINT32_MAX, 52,
	    BNET_EMESSAGE },
	{ "a reason", BNET_MSG_REFUSE, 3, 5, 40, BNET_OK },
	{ "a reason, a bit less", BNET_MSG_REFUSE, 3, 5, 39, BNET_EMESSAGE },
	{ "a reason of 2^32 - 1", BNET_MSG_REFUSE, 3, UINT32_MAX, 40,
	    BNET_EMESSAGE },
	{ "a reason of 2^29", BNET_MSG_REFUSE, 3, UINT32_C(1) << 29, 40,
	    BNET_EMESSAGE },
	{ "a name, no token", BNET_MSG_HELLO, 15, 4, 32, BNET_EMESSAGE },
	{ "a name, an empty token", BNET_MSG_HELLO, 15, 4, 35, BNET_OK },
	{ "a name of 2^32 - 1", BNET_MSG_HELLO, 15, UINT32_MAX, 72,
	    BNET_EMESSAGE },
	{ "an environment of 2^32 - 1", BNET_MSG_WELCOME, 18, UINT32_MAX, 72,
	    BNET_EMESSAGE },
	{ "a prefix of 2^32 - 1", BNET_MSG_ROSTER, 3, UINT32_MAX, 40,
	    BNET_EMESSAGE },
	{ "nowhere of 2^32 - 1", BNET_MSG_DRAIN, 3, UINT32_MAX, 40,
	    BNET_EMESSAGE },
	{ "an error's reason of 2^32 - 1", BNET_MSG_ERROR, 18, UINT32_MAX, 40,
	    BNET_EMESSAGE },
};

/* The body, in whole bytes: bits that do not fill the last are dropped. */
static struct bnet_slice
make_claim(const struct claim *row)
{
	size_t n_bits = row->head_bits + 3 + 32 + row->behind_bits;
	uint8_t *bytes = calloc(1, n_bits / 8 + 1);
	uint64_t count = (uint64_t)row->n << 3 | 7;
	struct bnet_slice copy;

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < 35; i++) {
		size_t at = row->head_bits + i;

		bytes[at / 8] |= (uint8_t)((count >> i & 1) << at % 8);
	}
	copy = unit_copy(bytes, n_bits / 8);
	free(bytes);
	return copy;
}

START_TEST(test_claim)
{
	const struct claim *row = &claims[_i];
	struct claim padded = *row;
	struct bnet_message message;
	struct bnet_slice body;
	struct bnet_buf store;
	unsigned long n_allocs;
	enum bnet_err err;
	size_t left;

	/* a good one is not to lose its last bits */
	if (row->err == BNET_OK)
		padded.behind_bits += 7;
	body = make_claim(&padded);
	bnet_buf_init(&store, SIZE_MAX);
	failmalloc_watch();
	err = bnet_message_decode(row->type, body, &message, &store, &left);
	n_allocs = failmalloc_stop();
	unit_err(row->name, err, row->err);
	if (err == BNET_OK) {
		ck_assert_uint_eq(left, 0);
		ck_assert_uint_eq(n_allocs, store.len > 0);
	} else
		ck_assert_uint_eq(n_allocs, 0);
	bnet_buf_free(&store);
	unit_free(body);
}
END_TEST

/* Strings are bytes: not text, nor do they end at a NUL. */
START_TEST(test_any_bytes)
{
	struct bnet_message message = { .type = BNET_MSG_DRAIN }, got;
	struct bnet_buf out, store;
	char bytes[256];
	size_t left;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(uint8_t)i;
	message.u.drain.where = (struct bnet_string){ bytes, sizeof(bytes) };
	bnet_buf_init(&out, 1000);
	bnet_buf_init(&store, 1000);
	unit_err("encode", bnet_message_encode(&message, &out), BNET_OK);
	unit_err("decode",
	    bnet_message_decode(
		BNET_MSG_DRAIN, bnet_buf_slice(&out), &got, &store, &left),
	    BNET_OK);
	ck_assert_uint_eq(got.u.drain.where.len_bytes, sizeof(bytes));
	ck_assert_mem_eq(got.u.drain.where.p, bytes, sizeof(bytes));
	bnet_buf_free(&store);
	bnet_buf_free(&out);
}
END_TEST

/* A sender may leave strings and arrays of nothing NULL. */
START_TEST(test_null)
{
	enum bnet_message_type type = (enum bnet_message_type)_i;
	struct bnet_message message, got;
	struct bnet_buf out, store;
	size_t left = 99;

	memset(&message, 0, sizeof(message));
	message.type = type;
	bnet_buf_init(&out, 100);
	bnet_buf_init(&store, 100);
	unit_err("encode", bnet_message_encode(&message, &out), BNET_OK);
	unit_err("decode",
	    bnet_message_decode(
		type, bnet_buf_slice(&out), &got, &store, &left),
	    BNET_OK);
	ck_assert_int_eq(got.type, type);
	ck_assert_uint_eq(left, 0);
	bnet_buf_free(&store);
	bnet_buf_free(&out);
}
END_TEST

/* So long that what it might need of the store has no number: not read. */
START_TEST(test_huge)
{
	static const uint8_t byte;
	struct bnet_message message;
	struct bnet_buf store;
	size_t left;

	bnet_buf_init(&store, SIZE_MAX);
	unit_err("huge",
	    bnet_message_decode(BNET_MSG_HELLO,
		(struct bnet_slice){ &byte, SIZE_MAX }, &message, &store,
		&left),
	    BNET_ELIMIT);
	ck_assert_ptr_null(store.p);
}
END_TEST

/* A value that its type can not hold is not cut down to it. */
START_TEST(test_range)
{
	/* 2^31, -2^31, -2^31 - 1: a sign, n = 7, 32 bits */
	static const char *const bodies[] = { "0e00000008", "0f00000008",
		"1f00000008" };
	static const enum bnet_err errs[] = { BNET_EMESSAGE, BNET_OK,
		BNET_EMESSAGE };
	struct bnet_slice body = unit_hex(bodies[_i]);
	struct bnet_message message;
	struct bnet_buf store;
	size_t left;

	bnet_buf_init(&store, 100);
	unit_err(bodies[_i],
	    bnet_message_decode(
		BNET_MSG_REGISTER, body, &message, &store, &left),
	    errs[_i]);
	if (errs[_i] == BNET_OK)
		ck_assert_int_eq(message.u.reg.key, INT32_MIN);
	unit_free(body);
}
END_TEST

static Suite *
message_wire_suite(void)
{
	Suite *suite = suite_create("message, names and hostile bodies");
	TCase *tc = unit_case(suite, "names");

	tcase_add_loop_test(tc, test_name, 0, BNET_N_MSGS);
	tcase_add_test(tc, test_page);
	tcase_add_test(tc, test_other_keys);
	tcase_add_test(tc, test_codes);
	tc = unit_case(suite, "bodies");
	tcase_add_loop_test(tc, test_claim, 0, UNIT_ROWS(claims));
	tcase_add_test(tc, test_any_bytes);
	tcase_add_loop_test(tc, test_null, BNET_MSG_NONE + 1, BNET_N_MSGS);
	tcase_add_test(tc, test_huge);
	tcase_add_loop_test(tc, test_range, 0, 3);
	return suite;
}

UNIT_MAIN(message_wire_suite)
