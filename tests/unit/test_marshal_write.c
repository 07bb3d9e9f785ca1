/* SPDX-License-Identifier: MIT */
/* The writer of marshal streams: what the published one writes, and back. */
#include "proto/marshal_write.h"

#include "proto/marshal.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/object_text.h"

#define OUT_MAX_BYTES ((size_t)1 << 24)

static struct bnet_marshal *m;
static struct bnet_marshal_wr *w;
static struct bnet_buf out;

static void
setup(void)
{
	m = bnet_marshal_new(NULL);
	w = bnet_marshal_wr_new(NULL);
	bnet_buf_init(&out, OUT_MAX_BYTES);
	ck_assert(m != NULL && w != NULL);
}

static void
teardown(void)
{
	bnet_marshal_free(m);
	bnet_marshal_wr_free(w);
	bnet_buf_free(&out);
}

static void
begin(uint32_t version, bool checksum, bool share)
{
	const struct bnet_marshal_form form = { version, checksum, share };

	bnet_buf_clear(&out);
	bnet_marshal_begin(w, &out, &form);
}

/* ---- vectors ---- */

/* Byte for byte what the published writer wrote. */
static void
check_same(const char *hex)
{
	struct bnet_slice in = unit_hex(hex);
	struct bnet_object o;

	unit_err(hex, bnet_marshal_read(m, in, &o), BNET_OK);
	begin(o.version, o.has_checksum, true);
	bnet_put_node(w, o.root);
	unit_err(hex, bnet_marshal_finish(w), BNET_OK);
	unit_same(hex, bnet_buf_slice(&out), in);
	unit_free(in);
}

START_TEST(test_vectors)
{
	json_t *all = vectors_load("marshal");

	for (size_t i = 0; i < json_array_size(all); i++)
		check_same(vectors_text(json_array_get(all, i), "hex"));
	json_decref(all);
}
END_TEST

START_TEST(test_named)
{
	json_t *all = object_named();
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *v = json_array_get(all, i);
		const char *name = vectors_text(v, "name");

		/* of a reader only, or no stream */
		if (json_object_get(v, "decoded_by_published_reader") ||
		    json_object_get(v, "hex") == NULL ||
		    strcmp(name, "bitser") == 0 ||
		    strncmp(name, "BlueNet", 7) == 0)
			continue;
		check_same(vectors_text(v, "hex"));
		n++;
	}
	ck_assert_uint_eq(n, 54);
	json_decref(all);
}
END_TEST

/* In every form, it reads back as the same. */
START_TEST(test_forms)
{
	json_t *all = vectors_load("marshal");
	struct bnet_marshal *again = bnet_marshal_new(NULL);
	struct bnet_object o, o2;

	ck_assert_ptr_nonnull(again);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *v = json_array_get(all, i);
		struct bnet_slice in = unit_hex(vectors_text(v, "hex"));

		unit_err("read", bnet_marshal_read(m, in, &o), BNET_OK);
		for (unsigned form = 0; form < 8; form++) {
			begin(form & 1, (form & 2) != 0, (form & 4) != 0);
			bnet_put_node(w, o.root);
			unit_err("write", bnet_marshal_finish(w), BNET_OK);
			unit_err("again",
			    bnet_marshal_read(again, bnet_buf_slice(&out), &o2),
			    BNET_OK);
			ck_assert_uint_eq(o2.version, form & 1);
			UNIT_MUST(o2.has_checksum == ((form & 2) != 0), "sum");
			object_is("again", o2.root, vectors_get(v, "json"));
		}
		unit_free(in);
	}
	bnet_marshal_free(again);
	json_decref(all);
}
END_TEST

/* ---- random objects ---- */

#define TEXT_MAX 60000

struct maker {
	uint64_t seed;
	char text[TEXT_MAX + 200]; /* what it is, as JSON */
	size_t n;
	unsigned left; /* values to come, at most */
	uint32_t shared; /* the number of a list that is shared, plus 1 */
	char shared_text[32];
};

static void
say(struct maker *k, const char *text)
{
	size_t n = strlen(text);

	ck_assert_uint_lt(k->n + n, sizeof(k->text));
	memcpy(k->text + k->n, text, n + 1);
	k->n += n;
}

static void
make_int(struct maker *k)
{
	int64_t v = (int64_t)unit_random(&k->seed);
	char text[32];

	v >>= unit_random(&k->seed) % 64;
	bnet_put_int(w, v);
	(void)snprintf(text, sizeof(text), "%lld", (long long)v);
	say(k, text);
}

static void
make_bytes(struct maker *k, bool global)
{
	uint8_t bytes[40];
	char text[100] = "";
	size_t n = unit_random(&k->seed) % sizeof(bytes);

	for (size_t i = 0; i < n; i++) {
		bytes[i] = (uint8_t)('a' + unit_random(&k->seed) % 26);
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	}
	if (global) {
		bnet_put_global(w, (char *)bytes, n);
		(void)snprintf(
		    text, sizeof(text), "%.*s", (int)n, (char *)bytes);
	} else {
		bnet_put_bytes(w, (struct bnet_slice){ bytes, n });
	}
	say(k, global ? "{\"global\":\"" : "{\"bytes\":\"");
	say(k, text);
	say(k, "\"}");
}

static void
make_str(struct maker *k, const char **text)
{
	static const char *const words[] = { "", "x", "name", "\303\251",
		"a longer string, of more than the two bytes", "row", "charid",
		"\342\202\250\342\202\261" };
	const char *word = words[unit_random(&k->seed) % 8];

	bnet_put_str(w, word, strlen(word));
	if (text != NULL) {
		*text = word;
		return;
	}
	say(k, "\"");
	say(k, word);
	say(k, "\"");
}

static void
make_float(struct maker *k)
{
	double v = (double)(int64_t)unit_random(&k->seed) / 4096;
	char text[64];

	bnet_put_float(w, v);
	(void)snprintf(text, sizeof(text), "%.17g", v);
	say(k, text);
	if (strpbrk(text, ".e") == NULL)
		say(k, ".0");
}

static void make(struct maker *k, unsigned depth);

static void
make_sequence(struct maker *k, unsigned depth)
{
	uint32_t n = (uint32_t)(unit_random(&k->seed) % 5);

	if (unit_random(&k->seed) % 2 == 0)
		bnet_put_tuple(w, n);
	else
		bnet_put_list(w, n);
	say(k, "[");
	for (uint32_t i = 0; i < n; i++) {
		make(k, depth + 1);
		say(k, i + 1 < n ? "," : "");
	}
	say(k, "]");
}

/* Its keys are numbers, so that the text has their order. */
static void
make_dict(struct maker *k, unsigned depth)
{
	uint32_t n = (uint32_t)(1 + unit_random(&k->seed) % 3);
	char text[32];

	bnet_put_dict(w, n);
	say(k, "{\"dict\":[");
	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "[%u,", i);
		say(k, text);
		make(k, depth + 1);
		say(k, i + 1 < n ? "]," : "]");
		bnet_put_int(w, i);
	}
	say(k, "]}");
}

static void
make_instance(struct maker *k, unsigned depth)
{
	bnet_put_newobj(w);
	bnet_put_tuple(w, 2);
	bnet_put_tuple(w, 2);
	bnet_put_global(w, "m.C", 3);
	say(k, "{\"instance\":{\"class\":\"m.C\",\"args\":[");
	make(k, depth + 4);
	say(k, "],\"state\":");
	make(k, depth + 4);
	say(k, ",\"list\":[");
	make(k, depth + 4);
	bnet_put_mark(w);
	say(k, "],\"dict\":{\"dict\":[[7,");
	bnet_put_int(w, 7);
	make(k, depth + 4);
	bnet_put_mark(w);
	say(k, "]]}}}");
}

static void
make_shared(struct maker *k)
{
	if (k->shared != 0) {
		bnet_put_ref(w, k->shared - 1);
	} else {
		k->shared = 1 + bnet_put_shared(w);
		bnet_put_list(w, 1);
		bnet_put_int(w, 12345);
	}
	say(k, "[12345]");
}

static void
make(struct maker *k, unsigned depth)
{
	unsigned kind = (unsigned)(unit_random(&k->seed) % 13);

	if (k->left == 0 || depth > 40)
		kind %= 8;
	k->left -= k->left > 0;
	switch (kind) {
	case 0:
		bnet_put_none(w);
		say(k, "null");
		break;
	case 1:
		bnet_put_bool(w, true);
		say(k, "true");
		break;
	case 2:
		make_str(k, NULL);
		break;
	case 3:
		make_float(k);
		break;
	case 4:
		make_bytes(k, unit_random(&k->seed) % 2 == 0);
		break;
	case 5:
		make_shared(k);
		break;
	case 6:
	case 7:
		make_int(k);
		break;
	case 8:
	case 9:
		make_dict(k, depth);
		break;
	case 10:
		make_instance(k, depth);
		break;
	default:
		make_sequence(k, depth);
	}
}

#define RANDOM_OBJECTS 3000

START_TEST(test_random)
{
	static struct maker k;
	struct bnet_object o;
	json_t *want;

	for (uint64_t i = 1; i <= RANDOM_OBJECTS; i++) {
		k = (struct maker){ .seed = i * UINT64_C(0x9e3779b97f4a7c15),
			.left = 200 };
		begin(i & 1, (i & 2) != 0, true);
		make(&k, 0);
		unit_err("write", bnet_marshal_finish(w), BNET_OK);
		unit_err("read", bnet_marshal_read(m, bnet_buf_slice(&out), &o),
		    BNET_OK);
		want = object_parse(k.text);
		object_is(k.text, o.root, want);
		json_decref(want);
	}
}
END_TEST

/* ---- what can not be written ---- */

static void
two_objects(void)
{
	bnet_put_none(w);
	bnet_put_none(w);
}

static void
too_few(void)
{
	bnet_put_tuple(w, 3);
	bnet_put_int(w, 1);
}

static void
no_object(void)
{
}

static void
mark_in_a_tuple(void)
{
	bnet_put_tuple(w, 1);
	bnet_put_mark(w);
}

static void
key_without_value(void)
{
	bnet_put_reduce(w);
	bnet_put_tuple(w, 0);
	bnet_put_mark(w);
	bnet_put_int(w, 1);
	bnet_put_mark(w);
}

static void
reference_to_nothing(void)
{
	bnet_put_ref(w, 0);
}

static void
shared_number(void)
{
	(void)bnet_put_shared(w);
	bnet_put_int(w, 1);
}

static void
shared_nothing(void)
{
	bnet_put_none(w);
	(void)bnet_put_shared(w);
}

static void
not_utf8(void)
{
	bnet_put_str(w, "\xc3(", 2);
}

static void
surrogate(void)
{
	bnet_put_str(w, "\xed\xa0\x80", 3);
}

static void
a_cut(void)
{
	const struct bnet_node node = { .type = BNET_NODE_CUT };

	bnet_put_node(w, &node);
}

static void
currency(void)
{
	const struct bnet_node node = { .type = BNET_NODE_CURRENCY };

	bnet_put_node(w, &node);
}

static void
too_deep(void)
{
	for (int i = 0; i < BNET_MARSHAL_DEPTH_MAX + 1; i++)
		bnet_put_list(w, 1);
}

static void
too_long(void)
{
	static const uint8_t bytes[OUT_MAX_BYTES / 2 + 1];

	bnet_put_tuple(w, 2);
	bnet_put_bytes(w, (struct bnet_slice){ bytes, sizeof(bytes) });
	bnet_put_bytes(w, (struct bnet_slice){ bytes, sizeof(bytes) });
}

static const struct bad {
	const char *name;
	void (*write)(void);
	enum bnet_err err;
} bads[] = {
	{ "two objects", two_objects, BNET_EMARSHAL },
	{ "too few values", too_few, BNET_EMARSHAL },
	{ "no object", no_object, BNET_EMARSHAL },
	{ "a mark in a tuple", mark_in_a_tuple, BNET_EMARSHAL },
	{ "a key without a value", key_without_value, BNET_EMARSHAL },
	{ "a reference to nothing", reference_to_nothing, BNET_EMARSHAL },
	{ "a shared number", shared_number, BNET_EMARSHAL },
	{ "nothing is shared", shared_nothing, BNET_EMARSHAL },
	{ "no UTF-8", not_utf8, BNET_EMARSHAL },
	{ "a surrogate", surrogate, BNET_EMARSHAL },
	{ "a cut", a_cut, BNET_EMARSHAL },
	{ "currency without a row", currency, BNET_EMARSHAL },
	{ "too deep", too_deep, BNET_ELIMIT },
	{ "too long", too_long, BNET_ELIMIT },
};

START_TEST(test_bad)
{
	const struct bad *row = &bads[_i];

	begin(_i & 1, false, true);
	row->write();
	unit_err(row->name, bnet_marshal_finish(w), row->err);
	/* and the next stream is not touched by it */
	begin(0, false, false);
	bnet_put_none(w);
	unit_err("then", bnet_marshal_finish(w), BNET_OK);
	ck_assert_uint_eq(out.len, 6);
}
END_TEST

/* A list that holds itself: as a reference, or not at all. */
START_TEST(test_circle)
{
	struct bnet_slice in = unit_hex("7d01 67 1b00");
	struct bnet_object o;

	unit_err("read", bnet_marshal_read(m, in, &o), BNET_OK);
	begin(1, false, false);
	bnet_put_node(w, o.root);
	unit_err("expanded", bnet_marshal_finish(w), BNET_EMARSHAL);
	begin(1, false, true);
	bnet_put_node(w, o.root);
	unit_err("shared", bnet_marshal_finish(w), BNET_OK);
	unit_same("shared", bnet_buf_slice(&out), in);
	unit_free(in);
}
END_TEST

/* References that are expanded stop at the ceiling of the output. */
START_TEST(test_bomb)
{
	char hex[400] = "7d01 551f 55020909";
	struct bnet_slice in;
	struct bnet_object o;

	for (unsigned i = 1; i <= 30; i++)
		(void)snprintf(hex + strlen(hex), sizeof(hex) - strlen(hex),
		    "55021b%02x1b%02x", i, i);
	in = unit_hex(hex);
	unit_err("read", bnet_marshal_read(m, in, &o), BNET_OK);
	begin(1, false, false);
	bnet_put_node(w, o.root);
	unit_err("write", bnet_marshal_finish(w), BNET_ELIMIT);
	ck_assert_uint_le(out.len, OUT_MAX_BYTES);
	unit_free(in);
}
END_TEST

static enum bnet_err
write_all(void *arg)
{
	const struct bnet_marshal_form form = { 0, true, true };
	struct bnet_marshal_wr *other = bnet_marshal_wr_new(NULL);
	struct bnet_buf to;
	enum bnet_err err;

	if (other == NULL)
		return BNET_ENOMEM;
	bnet_buf_init(&to, 100000);
	bnet_marshal_begin(other, &to, &form);
	bnet_put_node(other, arg);
	err = bnet_marshal_finish(other);
	bnet_buf_free(&to);
	bnet_marshal_wr_free(other);
	return err;
}

/* A shared list, a row, and a stream in the stream. */
START_TEST(test_no_memory)
{
	struct bnet_slice in = unit_hex("7d01 1403 6709 2b04 7d01 27 09"
					"2a 22 2c 0201 6d 25 25 2c 2961 0603"
					"2d 2d 02 07 05");
	struct bnet_object o;

	unit_err("read", bnet_marshal_read(m, in, &o), BNET_OK);
	ck_assert_uint_gt(
	    failmalloc_each(write_all, (void *)(uintptr_t)o.root), 5);
	unit_free(in);
}
END_TEST

static Suite *
write_suite(void)
{
	Suite *suite = suite_create("marshal_write");
	TCase *tc = unit_case(suite, "write");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_vectors);
	tcase_add_test(tc, test_named);
	tcase_add_test(tc, test_forms);
	tcase_add_test(tc, test_random);
	tcase_add_loop_test(tc, test_bad, 0, UNIT_ROWS(bads));
	tcase_add_test(tc, test_circle);
	tcase_add_test(tc, test_bomb);
	tcase_add_test(tc, test_no_memory);
	return suite;
}

UNIT_MAIN(write_suite)
