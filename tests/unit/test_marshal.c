/* SPDX-License-Identifier: MIT */
/* The reader of marshal streams, and the JSON of what it reads. */
#include "proto/marshal.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/object_text.h"

#include <zlib.h>

static struct bnet_marshal *m;

static void
setup(void)
{
	m = bnet_marshal_new(NULL);
	ck_assert_ptr_nonnull(m);
}

static void
teardown(void)
{
	bnet_marshal_free(m);
}

static enum bnet_err
outcome(const char *name)
{
	static const struct {
		const char *name;
		enum bnet_err err;
	} rows[] = { { "ok", BNET_OK }, { "cut", BNET_ECUT },
		{ "malformed", BNET_EMARSHAL }, { "limit", BNET_ELIMIT } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].err;
	ck_abort_msg("no outcome: %s", name);
	return BNET_OK;
}

/* Every node is inside of what it says, and the spans fit. */
static void
check_tree(const char *what, const struct bnet_object *o)
{
	const struct bnet_node *end = o->root + o->n_nodes, *at, *child;

	UNIT_MUST(bnet_node_next(o->root) == end, "%s: the root's span", what);
	for (at = o->root; at < end; at++) {
		UNIT_MUST(at->type < BNET_N_NODES, "%s: type", what);
		if (at->type == BNET_NODE_REF)
			UNIT_MUST(at->v.back >= 1 &&
				at->v.back <= (size_t)(at - o->root),
			    "%s: a reference", what);
		if (!bnet_node_is_container(at))
			continue;
		child = at + 1;
		for (uint32_t i = bnet_node_children(at); i > 0; i--)
			child = bnet_node_next(child);
		UNIT_MUST(child == bnet_node_next(at) && child <= end,
		    "%s: children of node %zd", what, at - o->root);
	}
}

/* ---- vectors ---- */

START_TEST(test_vectors)
{
	json_t *all = vectors_load("marshal");
	struct bnet_object o;

	ck_assert_uint_eq(json_array_size(all), 300);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *v = json_array_get(all, i);
		const char *hex = vectors_text(v, "hex");
		struct bnet_slice in = unit_hex(hex);

		unit_err(hex, bnet_marshal_read(m, in, &o), BNET_OK);
		check_tree(hex, &o);
		object_is(hex, o.root, vectors_get(v, "json"));
		UNIT_MUST(o.reason[0] == '\0', "%s: %s", hex, o.reason);
		unit_free(in);
	}
	json_decref(all);
}
END_TEST

/* No prefix crashes, and none but those without the map is whole. */
START_TEST(test_prefixes)
{
	json_t *all = vectors_load("marshal");
	struct bnet_object o;
	enum bnet_err err;

	for (size_t i = 0; i < json_array_size(all); i += 3) {
		struct bnet_slice in =
		    unit_hex(vectors_text(json_array_get(all, i), "hex"));

		for (size_t n = 0; n < in.len && n < 700; n++) {
			struct bnet_slice part = unit_copy(in.p, n);

			err = bnet_marshal_read(m, part, &o);
			UNIT_MUST(err == BNET_ECUT || err == BNET_EMARSHAL,
			    "vector %zu, %zu bytes: %s", i, n,
			    bnet_strerror(err));
			if (o.root != NULL) {
				check_tree("prefix", &o);
				(void)object_text(o.root);
			}
			unit_free(part);
		}
		unit_free(in);
	}
	json_decref(all);
}
END_TEST

/* What the published reader refuses and this one reads, and the reverse. */
static const struct other {
	const char *name;
	enum bnet_err err;
} others[] = {
	{ "utf8 0x2e", BNET_OK }, /* of an older reader */
	{ "instance 0x17", BNET_ECUT }, /* the same, without a state */
	{ "blacklist", BNET_OK }, /* a name, never imported */
	{ "zlib", BNET_EMARSHAL }, /* cut too early to be anything */
};

static enum bnet_err
wanted(const json_t *v)
{
	const char *name = vectors_text(v, "name");
	const char *decoded = json_string_value(
	    json_object_get(v, "decoded_by_published_reader"));

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(others[i].name, name) == 0)
			return others[i].err;
	if (strcmp(name, "pickle opcode 0x1a") == 0)
		return BNET_ECUT;
	return decoded != NULL && strncmp(decoded, "ERROR", 5) == 0
	    ? BNET_EMARSHAL
	    : BNET_OK;
}

START_TEST(test_named)
{
	json_t *all = object_named();
	struct bnet_object o;
	size_t n = 0;

	ck_assert_uint_eq(json_array_size(all), 77);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *v = json_array_get(all, i);
		const char *name = vectors_text(v, "name");
		struct bnet_slice in;

		/* bit-packed values: test_macho; nothing was written */
		if (strcmp(name, "bitser") == 0 ||
		    strncmp(name, "BlueNet", 7) == 0 ||
		    json_object_get(v, "hex") == NULL)
			continue;
		in = unit_hex(vectors_text(v, "hex"));
		unit_err(name, bnet_marshal_read(m, in, &o), wanted(v));
		if (o.root != NULL)
			check_tree(name, &o);
		unit_free(in);
		n++;
	}
	ck_assert_uint_eq(n, 65);
	json_decref(all);
}
END_TEST

START_TEST(test_hostile)
{
	json_t *all = vectors_load("marshal-hostile");
	struct bnet_object o;
	enum bnet_err err;

	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *v = json_array_get(all, i);
		const char *name = vectors_text(v, "name");
		const char *result = vectors_text(v, "result");
		const json_t *object = json_object_get(v, "object");
		const json_t *has = json_object_get(v, "has");
		struct bnet_slice in = unit_hex(vectors_text(v, "hex"));

		err = bnet_marshal_read(m, in, &o);
		if (strcmp(result, "none") == 0)
			UNIT_MUST(err != BNET_OK && o.root == NULL,
			    "%s: it was read", name);
		else
			unit_err(name, err, outcome(result));
		UNIT_MUST((err == BNET_OK) == (o.reason[0] == '\0'), "%s: %s",
		    name, o.reason);
		if (o.root != NULL)
			check_tree(name, &o);
		if (object != NULL)
			object_is(name, o.root, object);
		if (has != NULL)
			UNIT_MUST(strstr(object_text(o.root),
				      json_string_value(has)) != NULL,
			    "%s: not in %.300s", name, object_text(o.root));
		unit_free(in);
	}
	json_decref(all);
}
END_TEST

/* The streams that the manual shows are streams. */
START_TEST(test_manual)
{
	const char *fixtures = getenv("BNET_FIXTURES");
	char path[512], line[512];
	struct bnet_object o;
	bool inside = false;
	size_t n = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/../man/bluenet-marshal.5",
	    fixtures == NULL ? "fixtures" : fixtures);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "can not open %s", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		char *hex = strstr(line, " 7");
		struct bnet_slice in;

		if (strncmp(line, ".Sh ", 4) == 0)
			inside = strcmp(line, ".Sh VECTORS\n") == 0;
		if (!inside || hex == NULL || (hex[2] != 'd' && hex[2] != 'e'))
			continue;
		hex[strcspn(hex, "\n")] = '\0';
		in = unit_hex(hex);
		unit_err(line, bnet_marshal_read(m, in, &o), BNET_OK);
		unit_free(in);
		n++;
	}
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_uint_ge(n, 13);
}
END_TEST

/* ---- bounds ---- */

static struct bnet_slice
repeat(const char *head, const char *each, size_t n)
{
	struct bnet_slice first = unit_hex(head), one = unit_hex(each), all;
	uint8_t *p = malloc(first.len + n * one.len);

	ck_assert_ptr_nonnull(p);
	memcpy(p, first.p, first.len);
	for (size_t i = 0; i < n; i++)
		memcpy(p + first.len + i * one.len, one.p, one.len);
	all = unit_copy(p, first.len + n * one.len);
	free(p);
	unit_free(first);
	unit_free(one);
	return all;
}

/* Each setting, at its edge and one beyond. */
static const struct bound {
	const char *name;
	struct bnet_marshal_settings set;
	const char *head, *each;
	size_t n;
	enum bnet_err err;
} bounds[] = {
	{ "4 levels", { .depth_max = 4 }, "7d01", "27", 4, BNET_ECUT },
	{ "5 levels", { .depth_max = 4 }, "7d01", "27", 5, BNET_ELIMIT },
	{ "1000 levels", { 0 }, "7d01", "27", 1000, BNET_ECUT },
	{ "1001 levels", { 0 }, "7d01", "27", 1001, BNET_ELIMIT },
	{ "1001 levels, wanted", { .depth_max = 5000 }, "7d01", "27", 1001,
	    BNET_ELIMIT },
	{ "a million values", { 0 }, "7d0115ff40420f00", "01", 1000000,
	    BNET_OK },
	{ "100 values", { .nodes_max = 105 }, "7d011564", "01", 100, BNET_OK },
	{ "200 values", { .nodes_max = 105 }, "7d0115c8", "01", 200,
	    BNET_ELIMIT },
	{ "shared, a million", { 0 }, "7d0115ff40420f00", "6709", 1000000,
	    BNET_OK },
};

START_TEST(test_bounds)
{
	const struct bound *row = &bounds[_i];
	struct bnet_slice in = repeat(row->head, row->each, row->n);
	struct bnet_marshal *other = bnet_marshal_new(&row->set);
	struct bnet_object o;

	ck_assert_ptr_nonnull(other);
	unit_err(row->name, bnet_marshal_read(other, in, &o), row->err);
	ck_assert_ptr_nonnull(o.root);
	check_tree(row->name, &o);
	bnet_marshal_free(other);
	unit_free(in);
}
END_TEST

/* 40 MB of a string, as 40 kB: no more is held than the settings say. */
START_TEST(test_zlib_bomb)
{
	static uint8_t zeros[1 << 20], packed[1 << 17];
	const struct bnet_marshal_settings set = { .inflated_max_bytes =
						       1000000 };
	struct bnet_marshal *other = bnet_marshal_new(&set);
	static const uint8_t head[] = { 0x7d, 1, 0x13, 0xff, 0, 0, 0, 3 };
	z_stream z = { .next_out = packed, .avail_out = sizeof(packed) };
	struct bnet_object o;

	ck_assert_int_eq(deflateInit(&z, 9), Z_OK);
	for (int i = -1; i < 40; i++) {
		memcpy(
		    packed + sizeof(packed) - sizeof(head), head, sizeof(head));
		z.next_in =
		    i < 0 ? packed + sizeof(packed) - sizeof(head) : zeros;
		z.avail_in = i < 0 ? sizeof(head) : sizeof(zeros);
		ck_assert_int_eq(deflate(&z, i == 39 ? Z_FINISH : Z_NO_FLUSH),
		    i == 39 ? Z_STREAM_END : Z_OK);
	}
	failmalloc_watch();
	(void)!bnet_marshal_read(
	    other, (struct bnet_slice){ packed, z.total_out }, &o);
	(void)failmalloc_stop();
	ck_assert_uint_le(failmalloc_largest_bytes(), 1000000 + 65536);
	ck_assert_ptr_null(o.root);
	deflateEnd(&z);
	bnet_marshal_free(other);
}
END_TEST

/* An index of a byte reaches into the table that is given. */
START_TEST(test_strings)
{
	static const struct bnet_string at[] = { { "one", 3 }, { "two", 3 } };
	static const struct bnet_strings strings = { at, 2 };
	const struct bnet_marshal_settings set = { .strings = &strings };
	struct bnet_marshal *other = bnet_marshal_new(&set);
	struct bnet_slice in = unit_hex("7d01 14 03 1101 1102 1103");
	struct bnet_object o;
	const struct bnet_strings *builtin = bnet_strings_builtin();

	unit_err(
	    "a table of two", bnet_marshal_read(other, in, &o), BNET_EMARSHAL);
	ck_assert_str_eq(object_text(o.root),
	    "[\"one\",\"two\",{\"cut\":\"a string that the table does not "
	    "have\"}]");
	ck_assert_uint_eq(builtin->n, 195);
	ck_assert_str_eq(builtin->at[0].p, "*corpid");
	ck_assert_str_eq(builtin->at[27].p, "EVE System");
	ck_assert_str_eq(builtin->at[68].p, "Sentry Gun");
	ck_assert_str_eq(builtin->at[194].p, "agent.StorylineMissionDetails");
	bnet_marshal_free(other);
	unit_free(in);
}
END_TEST

static enum bnet_err
read_all(void *arg)
{
	const struct bnet_slice *in = arg;
	struct bnet_marshal *other = bnet_marshal_new(NULL);
	struct bnet_object o;
	enum bnet_err err = BNET_ENOMEM;

	if (other != NULL)
		err = bnet_marshal_read(other, *in, &o);
	bnet_marshal_free(other);
	return err;
}

/* Zlib, shared objects, rows: each with its own allocation. */
START_TEST(test_no_memory)
{
	struct bnet_slice row = unit_hex(
	    "7d01 27 2a 62 2c 0201 6d 25 2c 2c 2961 0603 2c 2962 0581 00"
	    "2d 2d 01 08 09");
	uint8_t packed[256];
	uLongf n = sizeof(packed);
	struct bnet_slice in;

	ck_assert_int_eq(compress(packed, &n, row.p, row.len), Z_OK);
	in = unit_copy(packed, n);
	ck_assert_uint_gt(failmalloc_each(read_all, &in), 5);
	unit_free(in);
	unit_free(row);
}
END_TEST

/* ---- numbers as JSON ---- */

static const struct number {
	double v;
	const char *text;
} numbers[] = {
	{ 0, "0.0" },
	{ -0.0, "-0.0" },
	{ 1, "1.0" },
	{ -2.5, "-2.5" },
	{ 0.1, "0.1" },
	{ 3.14159267, "3.14159267" },
	{ 3.141592653589793, "3.141592653589793" },
	{ 1e15, "1e+15" },
	{ 123456789012345680.0, "1.2345678901234568e+17" },
	{ 1e22, "1e+22" },
	{ 5e-324, "5e-324" },
	{ 1.7976931348623157e308, "1.7976931348623157e+308" },
	{ 0.30000000000000004, "0.30000000000000004" },
	{ 9007199254740993.0, "9007199254740992.0" },
	{ 297.0128479003906, "297.0128479003906" },
};

START_TEST(test_numbers)
{
	const struct bnet_node node = { .type = BNET_NODE_FLOAT,
		.v.d = numbers[_i].v };
	const char *text = object_text(&node);

	ck_assert(strtod(text, NULL) == numbers[_i].v);
	if (numbers[_i].v < 1e14)
		ck_assert_str_eq(text, numbers[_i].text);
}
END_TEST

static const struct digits {
	const char *hex; /* little-endian, two's complement */
	const char *text;
} digits[] = {
	{ "00000000000000000001", "4722366482869645213696" },
	{ "0000000000000000ff", "-18446744073709551616" },
	{ "ffffffffffffffff00", "18446744073709551615" },
	{ "0000000000000080ff", "-9223372036854775808" },
	{ "00000000000000000080", "-604462909807314587353088" },
	{ "00ca9a3b00000000000000", "1000000000" },
	{ "0000000000000000000000", "0" },
	{ "0000000000000000000000000000000080",
	    "-43556142965880123323311949751266331066368" },
};

START_TEST(test_digits)
{
	struct bnet_slice in = unit_hex(digits[_i].hex);
	const struct bnet_node node = {
		.type = BNET_NODE_LONG, .n = (uint32_t)in.len, .v.p = in.p
	};

	ck_assert_str_eq(object_text(&node), digits[_i].text);
	unit_free(in);
}
END_TEST

/* What is shown is bounded; what is beyond is told. */
START_TEST(test_work)
{
	static struct outbuf out;
	struct bnet_slice in = repeat("7d0115ff10270000", "13030001ff", 10000);
	struct bnet_object o;

	unit_err("read", bnet_marshal_read(m, in, &o), BNET_OK);
	out_init(&out, -1, false);
	object_json(&out, o.root, 1000);
	ck_assert_uint_lt(out.n, 3000);
	out.p[out.n] = '\0';
	ck_assert_ptr_nonnull(strstr(out.p, ",{\"cut\":\"too long\"}]"));
	unit_free(in);
}
END_TEST

static Suite *
marshal_suite(void)
{
	Suite *suite = suite_create("marshal");
	TCase *tc = unit_case(suite, "vectors");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_vectors);
	tcase_add_test(tc, test_prefixes);
	tcase_add_test(tc, test_named);
	tcase_add_test(tc, test_hostile);
	tcase_add_test(tc, test_manual);
	tc = unit_case(suite, "bounds");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_bounds, 0, UNIT_ROWS(bounds));
	tcase_add_test(tc, test_zlib_bomb);
	tcase_add_test(tc, test_strings);
	tcase_add_test(tc, test_no_memory);
	tcase_add_test(tc, test_work);
	tc = unit_case(suite, "numbers");
	tcase_add_loop_test(tc, test_numbers, 0, UNIT_ROWS(numbers));
	tcase_add_loop_test(tc, test_digits, 0, UNIT_ROWS(digits));
	return suite;
}

UNIT_MAIN(marshal_suite)
