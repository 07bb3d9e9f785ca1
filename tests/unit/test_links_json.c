/* SPDX-License-Identifier: MIT */
/* /links, read back with a JSON library. */
#include "cmd/relay/admin.h"

#include "proto/codec.h"
#include "proto/tls.h"
#include "tests/unit/unit.h"

#include <jansson.h>

static const struct link_view views[] = {
	{
	    .id = 7,
	    .role = BNET_ROLE_NODE,
	    .name = "jita",
	    .address = "10.0.0.1:40000",
	    .queue_bytes = 5,
	    .memory_bytes = 6,
	    .latency_us = 1500,
	    .latency_known = true,
	    .packets_in = 1,
	    .packets_out = 2,
	    .bytes_in = 3,
	    .bytes_out = UINT64_C(9007199254740993),
	    .codecs = BNET_CODEC_ZLIB | BNET_CODEC_SNAPPY,
	    .order = BNET_ORDER_NETWORK,
	    .tls = BNET_TLS_1_3,
	    .since_s = 1767323045,
	},
	{
	    .id = 1,
	    .role = BNET_ROLE_CLIENT,
	    .stock = true,
	    .name = "\"},{\xff\n\x1b[2J",
	    .address = "unix:",
	    .codecs = BNET_CODEC_SNAPPY,
	    .order = BNET_ORDER_LITTLE,
	    .tls = BNET_TLS_1_2,
	},
	{ .id = 2, .role = BNET_ROLE_CLIENT, .name = "", .address = "" },
	{ .id = UINT64_C(9007199254740993),
	    .role = BNET_ROLE_NODE,
	    .name = "",
	    .address = "" },
};

/* The links of the first `n` views; to be given back. */
static json_t *
parsed(size_t n)
{
	struct text text;
	json_error_t error;
	json_t *root;

	text_init(&text, 100000);
	links_json_begin(&text);
	for (size_t i = 0; i < n; i++)
		links_json_link(&text, &views[i], i == 0);
	links_json_end(&text, views, n);
	ck_assert(text_ok(&text));
	root = json_loadb((const char *)text_slice(&text).p,
	    text_slice(&text).len, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(root != NULL, "%d: %s", error.line, error.text);
	ck_assert_uint_eq(json_array_size(json_object_get(root, "links")), n);
	text_free(&text);
	return root;
}

START_TEST(any_number)
{
	json_decref(parsed((size_t)_i));
}
END_TEST

START_TEST(members)
{
	json_t *root = parsed(4), *want;
	json_t *got = json_array_get(json_object_get(root, "links"), 0);

	want = json_pack("{si ss ss ss si si si si si si sI s[ss] ss ss sb ss}",
	    "id", 7, "role", "node", "name", "jita", "address",
	    "10.0.0.1:40000", "queue_bytes", 5, "memory_bytes", 6, "latency_us",
	    1500, "packets_in", 1, "packets_out", 2, "bytes_in", 3, "bytes_out",
	    (json_int_t)9007199254740993, "codecs", "zlib", "snappy", "order",
	    "network", "tls", "1.3", "stock", 0, "since",
	    "2026-01-02T03:04:05Z");
	ck_assert_ptr_nonnull(want);
	ck_assert(json_equal(got, want));
	/* a reader with doubles would take this id for the one below it */
	ck_assert_str_eq(
	    json_string_value(json_object_get(
		json_array_get(json_object_get(root, "links"), 3), "id_text")),
	    "9007199254740993");
	json_decref(want);
	json_decref(root);
}
END_TEST

static const char *
string_of(const json_t *link, const char *member)
{
	return json_string_value(json_object_get(link, member));
}

START_TEST(hostile_and_unknown)
{
	json_t *root = parsed(3);
	json_t *links = json_object_get(root, "links");
	json_t *stock = json_array_get(links, 1);
	json_t *bare = json_array_get(links, 2);

	ck_assert_str_eq(
	    string_of(stock, "name"), "\"},{\xef\xbf\xbd\n\x1b[2J");
	ck_assert_str_eq(string_of(stock, "role"), "client");
	ck_assert(json_is_true(json_object_get(stock, "stock")));
	ck_assert(json_is_null(json_object_get(stock, "latency_us")));
	ck_assert_str_eq(string_of(stock, "tls"), "1.2");
	ck_assert(json_is_null(json_object_get(bare, "tls")));
	ck_assert(json_is_null(json_object_get(bare, "order")));
	ck_assert_uint_eq(json_array_size(json_object_get(bare, "codecs")), 0);
	json_decref(root);
}
END_TEST

static Suite *
links_json_suite(void)
{
	Suite *suite = suite_create("links_json");
	TCase *tc = unit_case(suite, "links_json");

	tcase_add_loop_test(tc, any_number, 0, UNIT_ROWS(views) + 1);
	tcase_add_test(tc, members);
	tcase_add_test(tc, hostile_and_unknown);
	return suite;
}

UNIT_MAIN(links_json_suite)
