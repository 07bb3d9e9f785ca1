/* SPDX-License-Identifier: MIT */
/* Every hex example of man/bluenet-wire.5 is what the page says it is. */
#include "proto/bits.h"
#include "proto/message.h"
#include "tests/unit/link_talk.h"

#include <ctype.h>

#define LINE_BYTES 200
#define MARK ".\\\" HEX "

/* One example: a line, and those that go on with it, further in. */
struct example {
	char kind[40]; /* behind the mark */
	char before[LINE_BYTES]; /* words in front of the hex, or "" */
	char hex[LINE_BYTES];
	char text[LINE_BYTES]; /* words behind it */
};

#define EXAMPLES_MAX 60
static struct example examples[EXAMPLES_MAX];
static size_t n_examples;

static bool
is_hex(const char *word, size_t n)
{
	return n >= 2 && n % 2 == 0 && strspn(word, "0123456789abcdef") >= n;
}

static void
add_words(char *to, const char *words, size_t n)
{
	size_t len = strlen(to);

	ck_assert_uint_lt(len + n + 1, LINE_BYTES);
	memcpy(to + len, words, n);
	to[len + n] = ' ';
	to[len + n + 1] = '\0';
}

/* Hex words up to the first word that is none; a leading label is passed. */
static void
add_line(struct example *example, const char *line)
{
	bool behind = false;

	for (const char *p = line;;) {
		size_t n;

		p += strspn(p, " \t\n");
		n = strcspn(p, " \t\n");
		if (n == 0)
			break;
		if (!behind && is_hex(p, n))
			add_words(example->hex, p, n);
		else if (example->hex[0] == '\0')
			add_words(example->before, p, n);
		else {
			behind = true;
			add_words(example->text, p, n);
		}
		p += n;
	}
}

/* "u32  16  8200": the hex is the last word, the value may look like some. */
static void
add_value(struct example *example, const char *line)
{
	const char *end = line + strcspn(line, "\n"), *p = end;

	while (p > line && p[-1] != ' ')
		p--;
	add_words(example->hex, p, (size_t)(end - p));
	add_words(example->before, line, (size_t)(p - line));
}

static void
add_example(const char *kind, const char *line)
{
	struct example *example = &examples[n_examples];

	/* a welcome is two lines long; what is indented goes on */
	if (n_examples > 0 &&
	    (isspace((unsigned char)line[0]) ||
		(strncmp(kind, "body", 4) == 0 &&
		    strcmp(example[-1].kind, kind) == 0))) {
		add_line(&example[-1], line);
		return;
	}
	ck_assert_uint_lt(n_examples, EXAMPLES_MAX);
	*example = (struct example){ 0 };
	(void)snprintf(example->kind, sizeof(example->kind), "%s", kind);
	if (strcmp(kind, "values") == 0)
		add_value(example, line);
	else
		add_line(example, line);
	n_examples++;
}

static void
setup(void)
{
	const char *fixtures = getenv("BNET_FIXTURES");
	char path[512], line[LINE_BYTES], kind[40] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/../man/bluenet-wire.5",
	    fixtures == NULL ? "fixtures" : fixtures);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "can not open %s", path);
	n_examples = 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, MARK, strlen(MARK)) == 0)
			(void)snprintf(kind, sizeof(kind), "%.*s",
			    (int)strcspn(line + strlen(MARK), "\n"),
			    line + strlen(MARK));
		else if (strncmp(line, ".Ed", 3) == 0)
			kind[0] = '\0';
		else if (kind[0] != '\0' && line[0] != '.')
			add_example(kind, line);
	}
	ck_assert_int_eq(fclose(f), 0);
}

/* ---- frames -------------------------------------------------------------- */

#define FORTY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* The page's frames in its order. */
static const struct frame_row {
	enum bnet_order order; /* AUTO: either */
	bool has_oob, has_header;
	const char *payload; /* NULL: a hello */
} frame_rows[] = {
	{ BNET_ORDER_LITTLE, false, false, "hello" },
	{ BNET_ORDER_NETWORK, false, false, "hello" },
	{ BNET_ORDER_AUTO, false, false, "" },
	{ BNET_ORDER_LITTLE, true, false, "" },
	{ BNET_ORDER_LITTLE, true, true, "ping" },
	{ BNET_ORDER_LITTLE, false, false, FORTY_A },
	{ BNET_ORDER_LITTLE, false, false, FORTY_A },
	{ BNET_ORDER_LITTLE, true, true, "ping" },
	{ BNET_ORDER_NETWORK, true, true, "ping" },
	{ BNET_ORDER_LITTLE, true, true, FORTY_A },
	{ BNET_ORDER_LITTLE, true, true, NULL },
};

static void
check_hello(struct bnet_slice body)
{
	struct bnet_message hello;
	struct bnet_buf store;
	size_t left;

	bnet_buf_init(&store, 1000);
	unit_err("hello",
	    bnet_message_decode(BNET_MSG_HELLO, body, &hello, &store, &left),
	    BNET_OK);
	ck_assert_uint_eq(hello.u.hello.role, BNET_ROLE_NODE);
	ck_assert_uint_eq(hello.u.hello.wanted_id, 7);
	ck_assert_uint_eq(hello.u.hello.codecs, 3);
	ck_assert_uint_eq(hello.u.hello.frame_max_bytes, 1048576);
	ck_assert_str_eq(hello.u.hello.name.p, "jita");
	ck_assert_uint_eq(hello.u.hello.token.len_bytes, 0);
	bnet_buf_free(&store);
}

static enum bnet_err
check_packet(void *arg, const struct bnet_packet *packet)
{
	const struct frame_row *row = *(const struct frame_row **)arg;

	ck_assert_msg(row != NULL, "more than one packet");
	*(const struct frame_row **)arg = NULL;
	ck_assert_int_eq(packet->has_oob, row->has_oob);
	ck_assert_int_eq(packet->has_header, row->has_header);
	ck_assert_uint_eq(packet->trailing_bytes, 0);
	if (row->payload == NULL) {
		ck_assert_int_eq(
		    packet->header.key, bnet_message_key(BNET_MSG_HELLO));
		check_hello(packet->payload);
		return BNET_OK;
	}
	unit_same("payload", packet->payload, slice_of(row->payload));
	if (row->has_header) {
		ck_assert_int_eq(packet->header.dest_type, BNET_DEST_NODE);
		ck_assert_int_eq(packet->header.dest, 7);
		ck_assert_int_eq(packet->header.key, BNET_KEY_ECHO);
	}
	return BNET_OK;
}

START_TEST(test_frames)
{
	struct bnet_codecs *codecs = bnet_codecs_new();
	int n = 0;

	ck_assert_ptr_nonnull(codecs);
	for (size_t i = 0; i < n_examples; i++) {
		const struct bnet_link_settings set = { 0 };
		const struct frame_row *row = &frame_rows[n], *left = row;
		const struct bnet_link_sink sink = { check_packet, NULL,
			&left };
		struct bnet_link *link;
		struct bnet_slice wire;
		size_t used;

		if (strcmp(examples[i].kind, "frames") != 0)
			continue;
		ck_assert_int_lt(n++, UNIT_ROWS(frame_rows));
		link = new_link(&set, codecs);
		wire = unit_hex(examples[i].hex);
		unit_err(examples[i].hex,
		    bnet_link_feed(link, wire, &sink, &used), BNET_OK);
		ck_assert_msg(
		    left == NULL, "no whole frame: %s", examples[i].hex);
		unit_err("end", bnet_link_end(link), BNET_CLOSED);
		ck_assert_int_eq(bnet_link_order(link), row->order);
		unit_free(wire);
		bnet_link_free(link);
	}
	ck_assert_int_eq(n, UNIT_ROWS(frame_rows));
	bnet_codecs_free(codecs);
}
END_TEST

/* ---- headers ------------------------------------------------------------- */

static const uint64_t forks[] = { 12, 40 };

static const struct bnet_header headers[] = {
	{ .dest_type = BNET_DEST_CLIENT, .key = BNET_KEY_ECHO, .forks = 2 },
	{ .dest_type = BNET_DEST_NODE,
	    .dest = 7,
	    .timestamp = UINT64_C(5000) | BNET_TIMESTAMP_PING_BACK },
	{ .key = BNET_KEY_PONG, .priority = true, .timestamp = 5000 },
};

START_TEST(test_headers)
{
	int n = 0;

	for (size_t i = 0; i < n_examples; i++) {
		struct bnet_slice want;
		struct bnet_buf out;

		if (strcmp(examples[i].kind, "headers") != 0)
			continue;
		ck_assert_int_lt(n, UNIT_ROWS(headers));
		want = unit_hex(examples[i].hex);
		bnet_buf_init(&out, 100);
		unit_err("header", bnet_header_encode(&headers[n], forks, &out),
		    BNET_OK);
		unit_same(examples[i].hex, bnet_buf_slice(&out), want);
		bnet_buf_free(&out);
		unit_free(want);
		n++;
	}
	ck_assert_int_eq(n, UNIT_ROWS(headers));
}
END_TEST

/* ---- values -------------------------------------------------------------- */

/* A number as the page spells it: "-2^63", "2^64 - 1", "-5". */
static uint64_t
number(const char *text, bool *negative)
{
	uint64_t v;
	char *end;

	*negative = *text == '-';
	v = strtoull(text + *negative, &end, 10);
	if (*end == '^')
		v = (strtoull(end + 1, &end, 10) & 63) == 0
		    ? 0
		    : UINT64_C(1) << strtoul(strchr(text, '^') + 1, NULL, 10);
	if (strstr(text, "- 1") != NULL)
		v--;
	return v;
}

static void
put_value(struct bnet_bits_wr *wr, const char *text)
{
	bool negative;
	uint64_t v;

	if (strncmp(text, "string", 6) == 0) {
		const char *from = strchr(text, '"') + 1;
		size_t len = strcspn(from, "\"");

		bnet_bits_put_u32(wr, (uint32_t)len);
		for (size_t i = 0; i < len; i++)
			for (unsigned bit = 0; bit < 8; bit++)
				bnet_bits_put_bool(wr, from[i] >> bit & 1);
		return;
	}
	v = number(text + 3 + strspn(text + 3, " "), &negative);
	if (strncmp(text, "u32", 3) == 0)
		bnet_bits_put_u32(wr, (uint32_t)v);
	else if (strncmp(text, "u64", 3) == 0)
		bnet_bits_put_u64(wr, v);
	else if (strncmp(text, "i32", 3) == 0)
		bnet_bits_put_i32(
		    wr, (int32_t)(negative ? -(int64_t)v : (int64_t)v));
	else if (strncmp(text, "i64", 3) == 0)
		bnet_bits_put_i64(wr, (int64_t)(negative ? 0 - v : v));
	else
		ck_abort_msg("no such type: %s", text);
}

START_TEST(test_values)
{
	int n = 0;

	for (size_t i = 0; i < n_examples; i++) {
		struct bnet_bits_wr wr;
		struct bnet_slice want;
		struct bnet_buf out;

		if (strcmp(examples[i].kind, "values") != 0)
			continue;
		want = unit_hex(examples[i].hex);
		bnet_buf_init(&out, 100);
		bnet_bits_write(&wr, &out);
		put_value(&wr, examples[i].before);
		unit_err("value", bnet_bits_finish(&wr), BNET_OK);
		unit_same(examples[i].before, bnet_buf_slice(&out), want);
		bnet_buf_free(&out);
		unit_free(want);
		n++;
	}
	ck_assert_int_eq(n, 21);
}
END_TEST

/* ---- bodies -------------------------------------------------------------- */

#define STR(text) \
	{ \
		text, sizeof(text) - 1 \
	}
#define SENT UINT64_C(1763850858296242000)

static const struct bnet_roster_entry entries[] = {
	{ 7, BNET_ROLE_NODE, STR("jita"), 180 },
	{ 12, BNET_ROLE_CLIENT, STR(""), 950 },
};

static const struct bnet_message bodies[] = {
	{ BNET_MSG_WELCOME,
	    { .welcome = { 1, 7, 1, 3, 1048576, 30000, STR("staging"),
		  STR("relay-1"), SENT } } },
	{ BNET_MSG_REFUSE, { .refuse = { 2, STR("bad token") } } },
	{ BNET_MSG_ERROR,
	    { .error = { 3, BNET_DEST_NODE, 9, BNET_KEY_ECHO, 0, STR("") } } },
	{ BNET_MSG_REGISTER, { .reg = { BNET_KEY_ECHO } } },
	{ BNET_MSG_ROSTER, { .roster = { 3, STR("") } } },
	{ BNET_MSG_ROSTER_REPLY, { .roster_reply = { false, 2, entries } } },
	{ BNET_MSG_ECHO, { .echo = { .cookie = 1, .sent_ns = SENT } } },
	{ BNET_MSG_ECHO_REPLY,
	    { .echo = { .cookie = 1,
		  .sent_ns = SENT,
		  .received_ns = SENT + 58000,
		  .replied_ns = SENT + 59000 } } },
	{ BNET_MSG_DRAIN, { .drain = { 30, STR("relay-2:26000") } } },
};

START_TEST(test_bodies)
{
	int n = 0;

	for (size_t i = 0; i < n_examples; i++) {
		struct bnet_slice want;
		struct bnet_buf out;

		if (strncmp(examples[i].kind, "body ", 5) != 0)
			continue;
		ck_assert_int_lt(n, UNIT_ROWS(bodies));
		ck_assert_str_eq(
		    examples[i].kind + 5, bnet_message_name(bodies[n].type));
		want = unit_hex(examples[i].hex);
		bnet_buf_init(&out, 1000);
		unit_err(
		    "body", bnet_message_encode(&bodies[n], &out), BNET_OK);
		unit_same(examples[i].kind, bnet_buf_slice(&out), want);
		bnet_buf_free(&out);
		unit_free(want);
		n++;
	}
	ck_assert_int_eq(n, UNIT_ROWS(bodies));
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("link_page");
	TCase *tc = unit_case(suite, "examples");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_frames);
	tcase_add_test(tc, test_headers);
	tcase_add_test(tc, test_values);
	tcase_add_test(tc, test_bodies);
	return suite;
}

UNIT_MAIN(make_suite)
