/* SPDX-License-Identifier: MIT */
/* cmd/common/proxy_protocol */
#include "cmd/common/proxy_protocol.h"
#include "tests/unit/unit.h"

#define SIG "0d0a0d0a000d0a515549540a"
#define V4 \
	"7f0000010a000002" \
	"d03801bb"
#define V6 \
	"20010db8000000000000000000000001" \
	"20010db8000000000000000000000002" \
	"d03801bb"
#define Z16 "00000000000000000000000000000000"
#define Z96 Z16 Z16 Z16 Z16 Z16 Z16
/* "/run/x", then junk behind the NUL; "@relay" */
#define PATH "2f72756e2f7800ff00000000" Z96
#define ABSTRACT "0072656c6179000000000000" Z96
#define OWN "9.9.9.9:9"

/* `want` is the source; all of the header is used. */
static const struct good_row {
	const char *name, *hex, *want;
} good_rows[] = {
	{ "TCP over IPv4", SIG "2111000c" V4, "127.0.0.1:53304" },
	{ "TCP over IPv6", SIG "21210024" V6, "[2001:db8::1]:53304" },
	{ "UNIX", SIG "213100d8" PATH PATH, "unix:/run/x" },
	{ "UNIX, abstract", SIG "213100d8" ABSTRACT PATH, "unix:@relay" },
	{ "UNIX, no name",
	    SIG "213100d8"
		"000000000000000000000000" Z96 PATH,
	    "unix:" },
	{ "local", SIG "20000000", OWN },
	{ "local, of a family", SIG "2011000c" V4, OWN },
	{ "local, of no family", SIG "20ff0000", OWN },
	{ "local, anything in it",
	    SIG "20000005"
		"ffffffffff",
	    OWN },
	{ "unspecified", SIG "21000000", OWN },
	{ "unspecified, with bytes",
	    SIG "21000003"
		"010203",
	    OWN },
	{ "unspecified transport", SIG "2110000c" V4, OWN },
	{ "unspecified family", SIG "21010000", OWN },
	{ "UDP over IPv4", SIG "2112000c" V4, OWN },
	{ "UDP over IPv6", SIG "21220024" V6, OWN },
	{ "UNIX datagrams", SIG "213200d8" PATH PATH, OWN },
	{ "an empty TLV", SIG "2111000f" V4 "040000", "127.0.0.1:53304" },
	{ "several TLVs",
	    SIG "21110018" V4 "0400021122"
		"ea0000"
		"ff000101",
	    "127.0.0.1:53304" },
	/* recorded of haproxy 2.6, send-proxy-v2 */
	{ "haproxy, crc32c and unique-id",
	    SIG "21110016"
		"7f0000017f000001d0386087"
		"030004bd8d7c01"
		"050000",
	    "127.0.0.1:53304" },
	{ "haproxy, IPv6, crc32c",
	    SIG "2121002b"
		"00000000000000000000000000000001"
		"00000000000000000000000000000001"
		"962c6087"
		"030004b6973be5",
	    "[::1]:38444" },
};

static const struct bad_row {
	const char *name, *hex;
	enum bnet_err err;
} bad_rows[] = {
	{ "other protocol", "00", BNET_EHEADER },
	{ "TLS", "1603010200", BNET_EHEADER },
	{ "version 1", "50524f5859205443503420", BNET_EHEADER },
	{ "signature, last byte", "0d0a0d0a000d0a515549540d", BNET_EHEADER },
	{ "version 1 of the binary", SIG "11", BNET_EHEADER },
	{ "version 3", SIG "31", BNET_EHEADER },
	{ "command 2", SIG "22", BNET_EHEADER },
	{ "command 15", SIG "2f", BNET_EHEADER },
	{ "family 4", SIG "2141", BNET_EHEADER },
	{ "family 15", SIG "21f1", BNET_EHEADER },
	{ "transport 3", SIG "2113", BNET_EHEADER },
	{ "transport 15", SIG "211f", BNET_EHEADER },
	{ "IPv4 of 11 bytes", SIG "2111000b", BNET_EHEADER },
	{ "IPv4 of none", SIG "21110000", BNET_EHEADER },
	{ "IPv6 of 35 bytes", SIG "21210023", BNET_EHEADER },
	{ "UNIX of 215 bytes", SIG "213100d7", BNET_EHEADER },
	{ "4097 bytes", SIG "21111001", BNET_ESIZE },
	{ "65535 bytes", SIG "2111ffff", BNET_ESIZE },
	{ "65535 bytes, local", SIG "2000ffff", BNET_ESIZE },
	{ "TLV of one byte", SIG "2111000d" V4 "04", BNET_EHEADER },
	{ "TLV of two bytes", SIG "2111000e" V4 "0400", BNET_EHEADER },
	{ "TLV without value", SIG "2111000f" V4 "040001", BNET_EHEADER },
	{ "TLV beyond the header", SIG "21110010" V4 "0400ffff", BNET_EHEADER },
	{ "CRC32c of 3 bytes", SIG "21110012" V4 "030003bd8d7c", BNET_EHEADER },
	{ "CRC32c of none", SIG "2111000f" V4 "030000", BNET_EHEADER },
	{ "CRC32c wrong",
	    SIG "21110016"
		"7f0000017f000001d0386087"
		"030004bd8d7c02"
		"050000",
	    BNET_EHEADER },
	{ "CRC32c of other bytes",
	    SIG "21110016"
		"7f0000017f000001d0386088"
		"030004bd8d7c01"
		"050000",
	    BNET_EHEADER },
	{ "two CRC32c",
	    SIG "2111001a" V4 "03000400000000"
		"03000400000000",
	    BNET_EHEADER },
};

static struct address
own_address(void)
{
	struct address addr;

	ck_assert(address_parse(OWN, ADDRESS_PORT_NONE, &addr));
	return addr;
}

/* As proxy_protocol_parse(), of a copy; the source is as text. */
static enum bnet_err
parse(struct bnet_slice in, char text[ADDRESS_CHARS], size_t *used_bytes)
{
	struct bnet_slice copy = unit_copy(in.p, in.len);
	struct address addr = own_address();
	enum bnet_err err = proxy_protocol_parse(copy, &addr, used_bytes);

	address_format(&addr, text);
	unit_free(copy);
	return err;
}

START_TEST(good)
{
	const struct good_row *row = &good_rows[_i];
	struct bnet_slice whole = unit_hex(row->hex), part = whole;
	char text[ADDRESS_CHARS];
	struct bnet_buf more;
	size_t used;

	for (part.len = 0; part.len < whole.len; part.len++) {
		unit_err(row->name, parse(part, text, &used), BNET_MORE);
		ck_assert_uint_eq(used, 0);
		ck_assert_str_eq(text, OWN);
	}
	unit_err(row->name, parse(whole, text, &used), BNET_OK);
	ck_assert_msg(used == whole.len, "%s: %zu", row->name, used);
	ck_assert_str_eq(text, row->want);
	/* what follows is not its business */
	bnet_buf_init(&more, 1000);
	ck_assert_int_eq(bnet_buf_append(&more, whole), BNET_OK);
	ck_assert_int_eq(bnet_buf_append(&more, whole), BNET_OK);
	unit_err(row->name, parse(bnet_buf_slice(&more), text, &used), BNET_OK);
	ck_assert_uint_eq(used, whole.len);
	bnet_buf_free(&more);
	unit_free(whole);
}
END_TEST

/* Each is told at its last byte, and not before. */
START_TEST(bad)
{
	const struct bad_row *row = &bad_rows[_i];
	struct bnet_slice whole = unit_hex(row->hex), part = whole;
	char text[ADDRESS_CHARS];
	size_t used;

	for (part.len = 0; part.len <= whole.len; part.len++) {
		enum bnet_err err = parse(part, text, &used);

		if (part.len == whole.len)
			unit_err(row->name, err, row->err);
		else if (err != BNET_MORE)
			unit_err(row->name, err, row->err);
		ck_assert_uint_eq(used, 0);
		ck_assert_str_eq(text, OWN);
	}
	unit_free(whole);
}
END_TEST

/* The longest that is taken, all padding. */
START_TEST(longest)
{
	static uint8_t bytes[PROXY_PROTOCOL_MAX_BYTES];
	struct bnet_slice head = unit_hex(SIG "21111000" V4 "040ff1");
	char text[ADDRESS_CHARS];
	size_t used;

	memcpy(bytes, head.p, head.len);
	unit_err("short",
	    parse((struct bnet_slice){ bytes, sizeof(bytes) - 1 }, text, &used),
	    BNET_MORE);
	unit_err("whole",
	    parse((struct bnet_slice){ bytes, sizeof(bytes) }, text, &used),
	    BNET_OK);
	ck_assert_uint_eq(used, sizeof(bytes));
	unit_free(head);
}
END_TEST

/* Good headers with bytes changed: never over the end, never no progress. */
START_TEST(mutated)
{
	struct bnet_slice whole = unit_hex(good_rows[_i].hex);
	uint8_t *bytes = malloc(whole.len);
	char text[ADDRESS_CHARS];
	uint64_t seed = 99;
	size_t used;

	for (int i = 0; i < 2000; i++) {
		memcpy(bytes, whole.p, whole.len);
		for (int n = 0; n < 1 + i % 3; n++)
			bytes[unit_random(&seed) % whole.len] =
			    (uint8_t)unit_random(&seed);
		if (parse((struct bnet_slice){ bytes, whole.len }, text,
			&used) == BNET_OK)
			ck_assert(used >= 16 && used <= whole.len);
		else
			ck_assert_uint_eq(used, 0);
	}
	free(bytes);
	unit_free(whole);
}
END_TEST

/* ---- as an onlooker reads it, either version ---- */

/* `src` NULL: none is named. */
static const struct either_row {
	const char *name, *hex, *text, *src, *dst;
	uint8_t version;
	bool local;
	enum bnet_err err;
} either_rows[] = {
	{ "TCP4", NULL, "PROXY TCP4 192.0.2.9 10.0.0.2 51000 26000\r\n",
	    "192.0.2.9:51000", "10.0.0.2:26000", 1, false, BNET_OK },
	{ "TCP6", NULL, "PROXY TCP6 2001:db8::1 ::1 65535 0\r\n",
	    "[2001:db8::1]:65535", "[::1]:0", 1, false, BNET_OK },
	{ "UNKNOWN", NULL, "PROXY UNKNOWN\r\n", NULL, NULL, 1, false, BNET_OK },
	{ "UNKNOWN, with addresses", NULL,
	    "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", NULL, NULL, 1, false,
	    BNET_OK },
	{ "the longest line", NULL,
	    "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
	    " ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	    NULL, NULL, 1, false, BNET_OK },
	{ "UNKNOWNS", NULL, "PROXY UNKNOWNS\r\n", NULL, NULL, 1, false,
	    BNET_EHEADER },
	{ "no protocol", NULL, "PROXY \r\n", NULL, NULL, 1, false,
	    BNET_EHEADER },
	{ "TCP5", NULL, "PROXY TCP5 192.0.2.9 10.0.0.2 1 2\r\n", NULL, NULL, 1,
	    false, BNET_EHEADER },
	{ "a word too few", NULL, "PROXY TCP4 192.0.2.9 10.0.0.2 1\r\n", NULL,
	    NULL, 1, false, BNET_EHEADER },
	{ "a word too many", NULL, "PROXY TCP4 192.0.2.9 10.0.0.2 1 2 3\r\n",
	    NULL, NULL, 1, false, BNET_EHEADER },
	{ "two spaces", NULL, "PROXY TCP4  192.0.2.9 10.0.0.2 1 2\r\n", NULL,
	    NULL, 1, false, BNET_EHEADER },
	{ "port 65536", NULL, "PROXY TCP4 192.0.2.9 10.0.0.2 65536 2\r\n", NULL,
	    NULL, 1, false, BNET_EHEADER },
	{ "port -1", NULL, "PROXY TCP4 192.0.2.9 10.0.0.2 -1 2\r\n", NULL, NULL,
	    1, false, BNET_EHEADER },
	{ "IPv6 as TCP4", NULL, "PROXY TCP4 ::1 ::1 1 2\r\n", NULL, NULL, 1,
	    false, BNET_EHEADER },
	{ "v2, IPv4", SIG "2111000c" V4, NULL, "127.0.0.1:53304",
	    "10.0.0.2:443", 2, false, BNET_OK },
	{ "v2, UNIX", SIG "213100d8" PATH ABSTRACT, NULL, "unix:/run/x",
	    "unix:@relay", 2, false, BNET_OK },
	{ "v2, local", SIG "2011000c" V4, NULL, NULL, NULL, 2, true, BNET_OK },
	{ "v2, unspecified, TLV", SIG "2100000404000100", NULL, NULL, NULL, 2,
	    false, BNET_OK },
	/* the client's TLS: version, cipher and name, as haproxy sends them */
	{ "v2, SSL TLV",
	    SIG "21110037" V4 "200028"
		"0700000000"
		"210007544c5376312e33"
		"230016544c535f4145535f3235365f47434d5f534841333834",
	    NULL, "127.0.0.1:53304", "10.0.0.2:443", 2, false, BNET_OK },
	{ "v2, version 3 in it", SIG "3111000c" V4, NULL, NULL, NULL, 2, false,
	    BNET_EHEADER },
	{ "v2, too short", SIG "21110003010203", NULL, NULL, NULL, 2, false,
	    BNET_EHEADER },
};

static void
check_end(const char *name, const struct address *end, const char *want)
{
	char text[ADDRESS_CHARS];

	ck_assert_msg((end->len_bytes > 0) == (want != NULL), "%s", name);
	if (want != NULL)
		ck_assert_str_eq(address_format(end, text), want);
}

START_TEST(either)
{
	const struct either_row *row = &either_rows[_i];
	struct bnet_slice whole = row->hex != NULL
	    ? unit_hex(row->hex)
	    : unit_copy((const uint8_t *)row->text, strlen(row->text));
	struct bnet_slice part = whole;
	struct proxy_header header;

	for (part.len = 0; part.len < whole.len; part.len++) {
		struct bnet_slice copy = unit_copy(part.p, part.len);

		ck_assert_int_eq(proxy_header_looks(copy),
		    part.len < (row->version == 1 ? 6 : 12) ? PROXY_PERHAPS
							    : PROXY_YES);
		/* bad or not, all of it is waited for */
		unit_err(
		    row->name, proxy_header_parse(copy, &header), BNET_MORE);
		unit_free(copy);
	}
	unit_err(row->name, proxy_header_parse(whole, &header), row->err);
	ck_assert_msg(
	    header.n_bytes == whole.len, "%s: %zu", row->name, header.n_bytes);
	ck_assert_uint_eq(header.version, row->version);
	if (row->err == BNET_OK) {
		ck_assert(header.local == row->local);
		check_end(row->name, &header.source, row->src);
		check_end(row->name, &header.destination, row->dst);
	}
	unit_free(whole);
}
END_TEST

/* A line that does not end in 107 bytes has no end; a longer header has. */
START_TEST(lengths)
{
	static uint8_t bytes[PROXY_HEADER_MAX_BYTES];
	struct bnet_slice head = unit_hex(SIG "2111ffff" V4 "04fff0"), in;
	struct proxy_header header;

	memcpy(bytes, head.p, head.len);
	in = (struct bnet_slice){ bytes, sizeof(bytes) };
	unit_err("longest", proxy_header_parse(in, &header), BNET_OK);
	ck_assert_uint_eq(header.n_bytes, sizeof(bytes));
	in.len--;
	unit_err("cut", proxy_header_parse(in, &header), BNET_MORE);
	unit_free(head);
	memcpy(bytes, "PROXY UNKNOWN ", 14);
	memset(bytes + 14, 'x', sizeof(bytes) - 14);
	in.len = 106;
	unit_err("106", proxy_header_parse(in, &header), BNET_MORE);
	in.len = 107;
	unit_err("107", proxy_header_parse(in, &header), BNET_EHEADER);
	ck_assert_uint_eq(header.n_bytes, 0);
}
END_TEST

static Suite *
proxy_protocol_suite(void)
{
	Suite *suite = suite_create("proxy_protocol");
	TCase *tc = unit_case(suite, "proxy_protocol");

	tcase_add_loop_test(tc, good, 0, UNIT_ROWS(good_rows));
	tcase_add_loop_test(tc, bad, 0, UNIT_ROWS(bad_rows));
	tcase_add_test(tc, longest);
	tcase_add_loop_test(tc, mutated, 0, UNIT_ROWS(good_rows));
	tcase_add_loop_test(tc, either, 0, UNIT_ROWS(either_rows));
	tcase_add_test(tc, lengths);
	return suite;
}

UNIT_MAIN(proxy_protocol_suite)
