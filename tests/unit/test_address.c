/* SPDX-License-Identifier: MIT */
/* cmd/common/address */
#include "cmd/common/address.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <sys/un.h>

/* `want` is what address_format() makes of it; NULL: no address. */
static const struct parse_row {
	const char *text;
	int port;
	const char *want;
} parse_rows[] = {
	{ "127.0.0.1:26000", -1, "127.0.0.1:26000" },
	{ "0.0.0.0:0", -1, "0.0.0.0:0" },
	{ "1.2.3.4:65535", 7, "1.2.3.4:65535" },
	{ "1.2.3.4", 7, "1.2.3.4:7" },
	{ "1.2.3.4:00080", -1, "1.2.3.4:80" },
	{ "[1::2]:3", -1, "[1::2]:3" },
	{ "[::1]", 26000, "[::1]:26000" },
	{ "[::FFFF:1.2.3.4]:5", -1, "[::ffff:1.2.3.4]:5" },
	{ "26000", -1, "127.0.0.1:26000" },
	{ "0", 7, "127.0.0.1:0" },
	{ "65536", 7, NULL },
	{ "1.2.3.4", -1, NULL },
	{ "[::1]", -1, NULL },
	{ "", 1, NULL },
	{ ":80", 1, NULL },
	{ "[]:80", 1, NULL },
	{ "[::1", 1, NULL },
	{ "[::1]x", 1, NULL },
	{ "[::1]80", 1, NULL },
	{ "[1.2.3.4]:80", 1, NULL },
	{ "::1", 1, "[::1]:1" },
	{ "::1", -1, NULL },
	{ "fe80::a:bc", 1, "[fe80::a:bc]:1" },
	{ "1:2:3:4:5:6:7:8", 1, "[1:2:3:4:5:6:7:8]:1" },
	{ "1:2:3:4:5:6:7:8:9", 1, NULL },
	{ "::", 1, "[::]:1" },
	{ "1::2:3", 1, NULL },
	{ "::1:2600", 1, NULL },
	{ "1.2.3.4:", 1, NULL },
	{ "1.2.3.4:65536", 1, NULL },
	{ "1.2.3.4:4294967376", 1, NULL },
	{ "1.2.3.4:18446744073709551617", 1, NULL },
	{ "1.2.3.4:-1", 1, NULL },
	{ "1.2.3.4:+1", 1, NULL },
	{ "1.2.3.4: 1", 1, NULL },
	{ "1.2.3.4:0x50", 1, NULL },
	{ "1.2.3.4:80 ", 1, NULL },
	{ " 1.2.3.4:80", 1, NULL },
	{ "1.2.3:80", 1, NULL },
	{ "127.1:80", 1, NULL },
	{ "1.2.3.256:80", 1, NULL },
	{ "localhost:80", 1, NULL },
	{ "*:80", 1, NULL },
};

START_TEST(parse)
{
	const struct parse_row *row = &parse_rows[_i];
	char text[ADDRESS_CHARS];
	struct address addr;
	bool ok = address_parse(row->text, row->port, &addr);

	ck_assert_msg(ok == (row->want != NULL), "'%s'", row->text);
	if (!ok)
		return;
	ck_assert_str_eq(address_format(&addr, text), row->want);
	ck_assert_uint_eq(addr.len_bytes,
	    row->want[0] == '[' ? sizeof(struct sockaddr_in6)
				: sizeof(struct sockaddr_in));
}
END_TEST

START_TEST(parse_long)
{
	char text[4096];
	struct address addr;

	memset(text, '1', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	ck_assert(!address_parse(text, 1, &addr));
	text[0] = '[';
	ck_assert(!address_parse(text, 1, &addr));
	text[sizeof(text) - 2] = ']';
	ck_assert(!address_parse(text, 1, &addr));
}
END_TEST

static struct address
unix_address(const char *path, size_t n)
{
	struct address addr = { 0 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	memcpy(un.sun_path, path, n);
	memcpy(&addr.sa, &un, sizeof(un));
	addr.len_bytes =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return addr;
}

static struct address
parsed(const char *host)
{
	struct address addr;

	if (strcmp(host, "unix") == 0)
		return unix_address("/a", 3);
	ck_assert_msg(address_parse(host, 1, &addr), "%s", host);
	return addr;
}

static const struct unix_row {
	const char *path;
	size_t n;
	const char *want;
} unix_rows[] = {
	{ "", 0, "unix:" },
	{ "\0", 1, "unix:" },
	{ "\0\0\0", 3, "unix:" },
	{ "/a", 2, "unix:/a" },
	{ "/a\0junk", 7, "unix:/a" },
	{ "a", 1, "unix:a" },
	{ "\0abc", 4, "unix:@abc" },
	{ "/a\nlevel=\x1b\xff", 12, "unix:/a?level=??" },
};

START_TEST(format_unix)
{
	const struct unix_row *row = &unix_rows[_i];
	struct address addr = unix_address(row->path, row->n);
	char text[ADDRESS_CHARS];

	ck_assert_str_eq(address_format(&addr, text), row->want);
}
END_TEST

START_TEST(format_odd)
{
	char text[ADDRESS_CHARS],
	    path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct address addr = { .sa.ss_family = AF_UNSPEC,
		.len_bytes = sizeof(addr.sa) };

	ck_assert_str_eq(address_format(&addr, text), "?");
	addr = (struct address){ 0 };
	ck_assert_str_eq(address_format(&addr, text), "?");
	memset(path, 'x', sizeof(path));
	addr = unix_address(path, sizeof(path));
	ck_assert_uint_eq(
	    strlen(address_format(&addr, text)), 5 + sizeof(path));
	addr.len_bytes = sizeof(addr.sa); /* more than the path has */
	ck_assert_uint_eq(
	    strlen(address_format(&addr, text)), 5 + sizeof(path));
}
END_TEST

enum kind {
	FAR,
	NEAR,
	HERE
};

static const struct kind_row {
	const char *host;
	enum kind kind;
} kind_rows[] = {
	{ "unix", HERE },
	{ "127.0.0.1", HERE },
	{ "127.255.255.255", HERE },
	{ "[::1]", HERE },
	{ "[::ffff:127.0.0.1]", HERE },
	{ "10.0.0.0", NEAR },
	{ "10.255.255.255", NEAR },
	{ "172.16.0.0", NEAR },
	{ "172.31.255.255", NEAR },
	{ "192.168.1.1", NEAR },
	{ "169.254.1.1", NEAR },
	{ "[::ffff:10.1.1.1]", NEAR },
	{ "[fc00::1]", NEAR },
	{ "[fdff::1]", NEAR },
	{ "[fe80::1]", NEAR },
	{ "[febf::1]", NEAR },
	{ "0.0.0.0", FAR },
	{ "126.255.255.255", FAR },
	{ "128.0.0.0", FAR },
	{ "172.15.255.255", FAR },
	{ "172.32.0.0", FAR },
	{ "192.169.0.0", FAR },
	{ "11.0.0.0", FAR },
	{ "[::]", FAR },
	{ "[::2]", FAR },
	{ "[::127.0.0.1]", FAR },
	{ "[::ffff:8.8.8.8]", FAR },
	{ "[2001:db8::1]", FAR },
	{ "[fec0::1]", FAR },
	{ "[fb00::1]", FAR },
};

START_TEST(kinds)
{
	const struct kind_row *row = &kind_rows[_i];
	struct address addr = parsed(row->host);

	ck_assert_msg(
	    address_is_loopback(&addr) == (row->kind == HERE), "%s", row->host);
	ck_assert_msg(
	    address_is_private(&addr) == (row->kind != FAR), "%s", row->host);
}
END_TEST

static const struct cidr_row {
	const char *block, *host;
	bool in;
} cidr_rows[] = {
	{ "10.0.0.0/8", "10.255.0.1", true },
	{ "10.0.0.0/8", "11.0.0.0", false },
	{ "10.0.0.0/8", "[::ffff:10.1.2.3]", true },
	{ "10.0.0.0/9", "10.127.255.255", true },
	{ "10.0.0.0/9", "10.128.0.0", false },
	{ "1.2.3.4", "1.2.3.4", true },
	{ "1.2.3.4", "1.2.3.5", false },
	{ "1.2.3.4/32", "1.2.3.4", true },
	{ "0.0.0.0/0", "255.255.255.255", true },
	{ "0.0.0.0/0", "[::1]", false },
	{ "::/0", "[2001::1]", true },
	{ "::/0", "1.2.3.4", false },
	{ "::ffff:0:0/96", "1.2.3.4", true },
	{ "::1", "[::1]", true },
	{ "::1", "[::3]", false },
	{ "fd00::/8", "[fd12::]", true },
	{ "fd00::/8", "[fc12::]", false },
	{ "2001:db8::/33", "[2001:db8:7fff::1]", true },
	{ "2001:db8::/33", "[2001:db8:8000::1]", false },
	{ "0.0.0.0/0", "unix", false },
};

START_TEST(cidrs)
{
	const struct cidr_row *row = &cidr_rows[_i];
	struct address addr = parsed(row->host);
	struct cidr cidr;

	ck_assert_msg(cidr_parse(row->block, &cidr), "%s", row->block);
	ck_assert_msg(cidr_match(&cidr, &addr) == row->in, "%s in %s",
	    row->host, row->block);
}
END_TEST

static const char *const bad_cidrs[] = { "", "/", "/8", "10.0.0.0/",
	"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8",
	"10.0.0.0/8/8", "10.0.0.0/4294967304", "10.0.0.1/8", "10.0.0.0/6",
	"10.0.0", "10.0.0.0:80", "[::1]", "::/129", "::1/127", "fe80::1%lo",
	"localhost", "1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111" };

START_TEST(cidr_bad)
{
	struct cidr cidr;

	ck_assert_msg(!cidr_parse(bad_cidrs[_i], &cidr), "%s", bad_cidrs[_i]);
}
END_TEST

static const struct key_row {
	const char *a, *b;
	bool same;
} key_rows[] = {
	{ "1.2.3.4:1", "1.2.3.4:2", true },
	{ "1.2.3.4", "[::ffff:1.2.3.4]", true },
	{ "1.2.3.4", "1.2.3.5", false },
	{ "[2001:db8::1]:1", "[2001:db8::ffff:0:0:1]:2", true },
	{ "[2001:db8::1]", "[2001:db8:0:1::1]", false },
	{ "0.0.0.0", "[::]", false },
	{ "unix", "unix", true },
	{ "unix", "0.0.0.0", false },
	{ "unix", "[::]", false },
};

START_TEST(keys)
{
	const struct key_row *row = &key_rows[_i];
	struct address a = parsed(row->a), b = parsed(row->b);
	struct address_key l = address_key(&a), r = address_key(&b);

	ck_assert_msg((memcmp(&l, &r, sizeof(l)) == 0) == row->same, "%s, %s",
	    row->a, row->b);
}
END_TEST

START_TEST(resolve)
{
	struct address addrs[ADDRESS_RESOLVED_MAX];
	char err[256] = "", text[ADDRESS_CHARS];

	ck_assert_uint_eq(
	    address_resolve("127.0.0.1:26000", -1, addrs, err, sizeof(err)), 1);
	ck_assert_str_eq(address_format(&addrs[0], text), "127.0.0.1:26000");
	ck_assert_uint_eq(
	    address_resolve("[::1]", 9, addrs, err, sizeof(err)), 1);
	ck_assert_str_eq(address_format(&addrs[0], text), "[::1]:9");
	ck_assert_str_eq(err, "");
	ck_assert_uint_eq(
	    address_resolve("a:b:c", 9, addrs, err, sizeof(err)), 0);
	ck_assert_str_eq(
	    err, "'a:b:c': expected HOST:PORT or [IPv6 ADDRESS]:PORT");
	ck_assert_uint_eq(
	    address_resolve("[localhost]:1", 9, addrs, err, sizeof(err)), 0);
	ck_assert_str_eq(err, "'localhost': no IPv6 address");
}
END_TEST

/* Of the hosts file; a machine without one may not know it. */
START_TEST(resolve_name)
{
	struct address addrs[ADDRESS_RESOLVED_MAX];
	char err[256] = "";
	size_t n = address_resolve("localhost", 80, addrs, err, sizeof(err));

	ck_assert((n == 0) == (err[0] != '\0'));
	ck_assert_uint_le(n, ADDRESS_RESOLVED_MAX);
	for (size_t i = 0; i < n; i++)
		ck_assert(address_is_loopback(&addrs[i]));
}
END_TEST

static const struct {
	const char *text;
	const char *want; /* NULL: any address of loopback; "": none */
} listeners[] = {
	{ "26000", "127.0.0.1:26000" },
	{ "0.0.0.0:1", "0.0.0.0:1" },
	{ "[::1]:2", "[::1]:2" },
	{ "localhost:3", NULL },
	{ "localhost", "" },
	{ "127.0.0.1", "" },
	{ "127.0.0.1:99999", "" },
	{ "99999", "" },
	{ "nowhere.invalid:1", "" },
	{ "", "" },
};

START_TEST(listener)
{
	char err[256] = "", text[ADDRESS_CHARS];
	const char *want = listeners[_i].want;
	struct address addr;
	bool ok =
	    address_of_listener(listeners[_i].text, &addr, err, sizeof(err));

	if (want == NULL) /* as the hosts file of the machine says */
		ck_assert(!ok || address_is_loopback(&addr));
	else if (want[0] != '\0')
		ck_assert_str_eq(address_format(&addr, text), want);
	else
		ck_assert_msg(!ok && err[0] != '\0', "%s", listeners[_i].text);
}
END_TEST

static const struct {
	const char *text;
	bool want;
} targets[] = {
	{ "host", true },
	{ "host:1", true },
	{ "1", true },
	{ "[::1]", true },
	{ "127.0.0.1:65535", true },
	{ "127.0.0.1:99999", false },
	{ "host:", false },
	{ "host:x", false },
	{ "::1", true },
	{ "::1:26000", false },
	{ "99999", false },
	{ "", false },
};

START_TEST(target)
{
	ck_assert_msg(address_is_target(targets[_i].text) == targets[_i].want,
	    "%s", targets[_i].text);
}
END_TEST

static Suite *
address_suite(void)
{
	Suite *suite = suite_create("address");
	TCase *tc = unit_case(suite, "address");

	tcase_add_loop_test(tc, parse, 0, UNIT_ROWS(parse_rows));
	tcase_add_test(tc, parse_long);
	tcase_add_loop_test(tc, format_unix, 0, UNIT_ROWS(unix_rows));
	tcase_add_test(tc, format_odd);
	tcase_add_loop_test(tc, kinds, 0, UNIT_ROWS(kind_rows));
	tcase_add_loop_test(tc, cidrs, 0, UNIT_ROWS(cidr_rows));
	tcase_add_loop_test(tc, cidr_bad, 0, UNIT_ROWS(bad_cidrs));
	tcase_add_loop_test(tc, keys, 0, UNIT_ROWS(key_rows));
	tcase_add_test(tc, resolve);
	tcase_add_test(tc, resolve_name);
	tcase_add_loop_test(tc, listener, 0, UNIT_ROWS(listeners));
	tcase_add_loop_test(tc, target, 0, UNIT_ROWS(targets));
	return suite;
}

UNIT_MAIN(address_suite)
