/* SPDX-License-Identifier: MIT */
/* proto/message: fixtures/vectors/message.jsonl, whole and cut, both ways. */
#include "proto/message.h"

#include "proto/header.h"
#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

#include <stdalign.h>

/* Where the members of the vectors' "message" are in ours. */
enum kind {
	U32,
	U64,
	I32,
	I64,
	BOOL,
	STRING,
};

struct member {
	const char *name;
	enum kind kind;
	size_t at;
};

#define N_MEMBERS 9
#define M(kind, type, name) \
	{ \
#name, kind, offsetof(struct type, name) \
	}

static const struct member members[BNET_N_MSGS][N_MEMBERS + 1] = {
	[BNET_MSG_HELLO] = { M(U32, bnet_hello, version),
	    M(U32, bnet_hello, role), M(U64, bnet_hello, wanted_id),
	    M(U32, bnet_hello, codecs), M(U32, bnet_hello, frame_max_bytes),
	    M(STRING, bnet_hello, name), M(STRING, bnet_hello, token) },
	[BNET_MSG_WELCOME] = { M(U32, bnet_welcome, version),
	    M(U64, bnet_welcome, id), M(U64, bnet_welcome, relay_id),
	    M(U32, bnet_welcome, codecs), M(U32, bnet_welcome, frame_max_bytes),
	    M(U32, bnet_welcome, keepalive_ms),
	    M(STRING, bnet_welcome, environment),
	    M(STRING, bnet_welcome, relay_name),
	    M(U64, bnet_welcome, time_ns) },
	[BNET_MSG_REFUSE] = { M(U32, bnet_refuse, code),
	    M(STRING, bnet_refuse, reason) },
	[BNET_MSG_ERROR] = { M(U32, bnet_error, code),
	    M(I64, bnet_error, dest_type), M(I64, bnet_error, dest),
	    M(I32, bnet_error, key), M(U64, bnet_error, cookie),
	    M(STRING, bnet_error, reason) },
	[BNET_MSG_REGISTER] = { M(I32, bnet_register, key) },
	[BNET_MSG_ROSTER] = { M(U32, bnet_roster, roles),
	    M(STRING, bnet_roster, prefix) },
	[BNET_MSG_ROSTER_REPLY] = { M(BOOL, bnet_roster_reply, more) },
	[BNET_MSG_ECHO] = { M(U64, bnet_echo, cookie),
	    M(U64, bnet_echo, sent_ns), M(U32, bnet_echo, flags) },
	[BNET_MSG_ECHO_REPLY] = { M(U64, bnet_echo, cookie),
	    M(U64, bnet_echo, sent_ns), M(U32, bnet_echo, flags),
	    M(U64, bnet_echo, received_ns), M(U64, bnet_echo, replied_ns) },
	[BNET_MSG_DRAIN] = { M(U32, bnet_drain, seconds),
	    M(STRING, bnet_drain, where) },
};

static const struct member entry_members[] = { M(U64, bnet_roster_entry, id),
	M(U32, bnet_roster_entry, role), M(STRING, bnet_roster_entry, name),
	M(U32, bnet_roster_entry, latency_us), { 0 } };

static const struct member hop_members[] = { M(U64, bnet_echo_hop, id),
	M(U64, bnet_echo_hop, in_ns), M(U64, bnet_echo_hop, out_ns), { 0 } };

static void
same_string(const char *name, const struct bnet_string *got, const json_t *want)
{
	unit_same(name,
	    (struct bnet_slice){ (const uint8_t *)got->p, got->len_bytes },
	    (struct bnet_slice){ (const uint8_t *)json_string_value(want),
		json_string_length(want) });
	ck_assert_msg(got->p[got->len_bytes] == '\0', "%s: no NUL", name);
}

static void
same_members(const void *got, const struct member *member, const json_t *want)
{
	for (; member->name != NULL; member++) {
		const void *at = (const uint8_t *)got + member->at;
		const json_t *json = vectors_get(want, member->name);
		uint64_t v = 0;

		switch (member->kind) {
		case U32:
			v = *(const uint32_t *)at;
			break;
		case U64:
			v = *(const uint64_t *)at;
			break;
		case I32:
			v = (uint64_t)(int64_t) * (const int32_t *)at;
			break;
		case I64:
			v = (uint64_t) * (const int64_t *)at;
			break;
		case BOOL:
			ck_assert_int_eq(*(const bool *)at, json_is_true(json));
			continue;
		case STRING:
			same_string(member->name, at, json);
			continue;
		}
		ck_assert_msg(v == vectors_number(json),
		    "%s: %" PRIu64 ", not %" PRIu64, member->name, v,
		    vectors_number(json));
	}
}

static void
same_array(const void *got, size_t element_bytes, uint32_t n,
    const struct member *member, const json_t *want)
{
	ck_assert_uint_eq(n, json_array_size(want));
	for (size_t i = 0; i < n; i++)
		same_members((const uint8_t *)got + i * element_bytes, member,
		    json_array_get(want, i));
}

static void
same_message(const struct bnet_message *got, const json_t *want)
{
	const struct bnet_roster_reply *reply = &got->u.roster_reply;
	const struct bnet_echo *echo = &got->u.echo;

	same_members(&got->u, members[got->type], want);
	if (got->type == BNET_MSG_ROSTER_REPLY) {
		ck_assert_uint_eq((uintptr_t)reply->entries %
			alignof(struct bnet_roster_entry),
		    0);
		same_array(reply->entries, sizeof(reply->entries[0]), reply->n,
		    entry_members, vectors_get(want, "entries"));
	}
	if (got->type == BNET_MSG_ECHO || got->type == BNET_MSG_ECHO_REPLY) {
		ck_assert_uint_eq(
		    (uintptr_t)echo->hops % alignof(struct bnet_echo_hop), 0);
		same_array(echo->hops, sizeof(echo->hops[0]), echo->n,
		    hop_members, vectors_get(want, "hops"));
	}
}

struct vector {
	const char *name;
	enum bnet_message_type type;
	const json_t *message;
	struct bnet_slice body;
	size_t left_bytes;
	bool minimal; /* as a sender writes it */
};

static void
read_vector(const json_t *object, struct vector *v)
{
	*v = (struct vector){
		.name = vectors_text(object, "name"),
		.type = bnet_message_type((int32_t)vectors_u64(object, "key")),
		.message = vectors_get(object, "message"),
		.body = unit_hex(vectors_text(object, "body")),
		.left_bytes = vectors_u64(object, "left_bytes"),
		.minimal = vectors_bool(object, "minimal"),
	};
	ck_assert_int_ne(v->type, BNET_MSG_NONE);
	ck_assert_str_eq(
	    bnet_message_name(v->type), vectors_text(object, "type"));
}

/* Whole up to its last byte but `left`; no prefix of that is a message. */
static void
check_decode(const struct vector *v)
{
	size_t need = v->body.len - v->left_bytes;
	struct bnet_message message;
	struct bnet_buf store;
	enum bnet_err err;
	unsigned long n_allocs;

	for (size_t n = 0; n <= v->body.len; n++) {
		struct bnet_slice in = unit_copy(v->body.p, n);
		size_t left = 99;

		bnet_buf_init(&store, SIZE_MAX);
		failmalloc_watch();
		err = bnet_message_decode(v->type, in, &message, &store, &left);
		n_allocs = failmalloc_stop();
		unit_err(v->name, err, n < need ? BNET_EMESSAGE : BNET_OK);
		ck_assert_uint_le(n_allocs, n < need ? 0 : 1);
		unit_free(in); /* nothing may be borrowed from it */
		if (err == BNET_OK) {
			ck_assert_uint_eq(left, n - need);
			ck_assert_int_eq(message.type, v->type);
			same_message(&message, v->message);
		}
		bnet_buf_free(&store);
	}
}

/* What was decoded encodes to the same bytes, less what is behind it. */
static void
check_encode(const struct vector *v)
{
	size_t need = v->body.len - v->left_bytes, left;
	struct bnet_message message;
	struct bnet_buf store, out;

	bnet_buf_init(&store, SIZE_MAX);
	unit_err(v->name,
	    bnet_message_decode(v->type, v->body, &message, &store, &left),
	    BNET_OK);
	for (size_t max = 0; v->minimal && max <= need; max++) {
		bnet_buf_init(&out, max);
		unit_err(v->name, bnet_message_encode(&message, &out),
		    max < need ? BNET_ELIMIT : BNET_OK);
		if (max == need)
			unit_same(v->name, bnet_buf_slice(&out),
			    (struct bnet_slice){ v->body.p, need });
		bnet_buf_free(&out);
	}
	bnet_buf_free(&store);
}

/* The store's ceiling: just what is needed will do, a byte less will not. */
static void
check_ceiling(const struct vector *v)
{
	struct bnet_message message;
	struct bnet_buf store;
	size_t left, need;

	bnet_buf_init(&store, SIZE_MAX);
	unit_err(v->name,
	    bnet_message_decode(v->type, v->body, &message, &store, &left),
	    BNET_OK);
	need = store.len;
	bnet_buf_free(&store);
	bnet_buf_init(&store, need);
	unit_err(v->name,
	    bnet_message_decode(v->type, v->body, &message, &store, &left),
	    BNET_OK);
	same_message(&message, v->message);
	bnet_buf_free(&store);
	if (need == 0)
		return;
	bnet_buf_init(&store, need - 1);
	unit_err(v->name,
	    bnet_message_decode(v->type, v->body, &message, &store, &left),
	    BNET_ELIMIT);
	ck_assert_ptr_null(store.p);
}

START_TEST(test_vectors)
{
	json_t *all = vectors_load("message");
	size_t n[BNET_N_MSGS] = { 0 };

	for (size_t i = 0; i < json_array_size(all); i++) {
		struct vector v;

		read_vector(json_array_get(all, i), &v);
		n[v.type]++;
		check_decode(&v);
		check_encode(&v);
		check_ceiling(&v);
		unit_free(v.body);
	}
	for (int type = BNET_MSG_NONE + 1; type < BNET_N_MSGS; type++)
		ck_assert_msg(n[type] > 0, "no vector of %s",
		    bnet_message_name((enum bnet_message_type)type));
	json_decref(all);
}
END_TEST

/* One store serves message after message, consumed or not, of any kind. */
START_TEST(test_one_store)
{
	json_t *all = vectors_load("message");
	struct bnet_message message;
	struct bnet_buf store;
	size_t left;

	bnet_buf_init(&store, 100000);
	for (size_t i = 0; i < json_array_size(all); i++) {
		struct vector v;

		read_vector(json_array_get(all, i), &v);
		unit_err(v.name,
		    bnet_message_decode(
			v.type, v.body, &message, &store, &left),
		    BNET_OK);
		same_message(&message, v.message);
		if (store.len > 0)
			bnet_buf_consume(&store, 1);
		unit_free(v.body);
	}
	bnet_buf_free(&store);
	json_decref(all);
}
END_TEST

static enum bnet_err
there_and_back(void *arg)
{
	const struct vector *v = arg;
	struct bnet_message message;
	struct bnet_buf store, out;
	enum bnet_err err;
	size_t left;

	bnet_buf_init(&store, SIZE_MAX);
	bnet_buf_init(&out, SIZE_MAX);
	err = bnet_message_decode(v->type, v->body, &message, &store, &left);
	if (err == BNET_OK)
		err = bnet_message_encode(&message, &out);
	bnet_buf_free(&store);
	bnet_buf_free(&out);
	return err;
}

START_TEST(test_no_memory)
{
	json_t *all = vectors_load("message");

	for (size_t i = 0; i < json_array_size(all); i++) {
		struct vector v;

		read_vector(json_array_get(all, i), &v);
		if (v.body.len > v.left_bytes)
			(void)failmalloc_each(there_and_back, &v);
		unit_free(v.body);
	}
	json_decref(all);
}
END_TEST

static Suite *
message_suite(void)
{
	Suite *suite = suite_create("message");
	TCase *tc = unit_case(suite, "vectors");

	tcase_add_test(tc, test_vectors);
	tcase_add_test(tc, test_one_store);
	tcase_add_test(tc, test_no_memory);
	return suite;
}

UNIT_MAIN(message_suite)
