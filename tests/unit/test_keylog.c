/* SPDX-License-Identifier: MIT */
#include "cmd/capture/keylog.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define R "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define S32 "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
#define S48 S32 "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
#define S47 S32 "c0c1c2c3c4c5c6c7c8c9cacbcccdce"

static const uint8_t the_random[CAP_RANDOM_BYTES] = { 0x00, 0x11, 0x22, 0x33,
	0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
	0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb,
	0xcc, 0xdd, 0xee, 0xff };

static struct bnet_slice
text(const char *s)
{
	return (struct bnet_slice){ (const void *)s, strlen(s) };
}

static const struct row {
	const char *name, *text;
	enum bnet_err err;
	size_t n;
	const char *problem;
} rows[] = {
	{ "empty", "", BNET_OK, 0, "" },
	{ "comments, blanks", "# a\n\n  \r\n#b", BNET_OK, 0, "" },
	{ "1.2", "CLIENT_RANDOM " R " " S48 "\n", BNET_OK, 1, "" },
	{ "no newline", "CLIENT_RANDOM " R " " S48, BNET_OK, 1, "" },
	{ "crlf", "CLIENT_RANDOM " R " " S48 "\r\n#\r\n", BNET_OK, 1, "" },
	{ "tabs", "\tCLIENT_RANDOM\t" R "  " S48 " \n", BNET_OK, 1, "" },
	{ "1.3 of both hashes",
	    "CLIENT_TRAFFIC_SECRET_0 " R " " S32 "\n"
	    "SERVER_TRAFFIC_SECRET_0 " R " " S48 "\n",
	    BNET_OK, 2, "" },
	{ "every label",
	    "CLIENT_RANDOM " R " " S48 "\n"
	    "CLIENT_EARLY_TRAFFIC_SECRET " R " " S32 "\n"
	    "CLIENT_HANDSHAKE_TRAFFIC_SECRET " R " " S32 "\n"
	    "SERVER_HANDSHAKE_TRAFFIC_SECRET " R " " S32 "\n"
	    "CLIENT_TRAFFIC_SECRET_0 " R " " S32 "\n"
	    "SERVER_TRAFFIC_SECRET_0 " R " " S32 "\n",
	    BNET_OK, 6, "" },
	{ "unknown labels",
	    "EXPORTER_SECRET " R " " S32 "\nRSA 00 11\nCLIENT_RANDO\n"
	    "CLIENT_RANDOMX " R " " S48 "\nCLIENT_TRAFFIC_SECRET_1 x y\n",
	    BNET_OK, 0, "" },
	{ "twice", "CLIENT_RANDOM " R " " S48 "\nCLIENT_RANDOM " R " " S48,
	    BNET_OK, 1, "" },
	{ "good lines around a bad one",
	    "CLIENT_RANDOM " R " " S48 "\n#\nCLIENT_RANDOM " R " zz\n"
	    "CLIENT_RANDOM x\nCLIENT_TRAFFIC_SECRET_0 " R " " S32,
	    BNET_ETLS, 2, "line 3: secret has the wrong length" },
	{ "short random", "\nCLIENT_RANDOM 0011 " S48, BNET_ETLS, 0,
	    "line 2: client random is not 64 hex digits" },
	{ "random not hex", "CLIENT_RANDOM " S32 "x " S48, BNET_ETLS, 0,
	    "line 1: client random is not 64 hex digits" },
	{ "master of the wrong size", "CLIENT_RANDOM " R " " S32, BNET_ETLS, 0,
	    "line 1: secret has the wrong length" },
	{ "odd", "CLIENT_RANDOM " R " " S48 "0", BNET_ETLS, 0,
	    "line 1: secret has the wrong length" },
	{ "47 bytes", "CLIENT_RANDOM " R " " S47, BNET_ETLS, 0,
	    "line 1: secret has the wrong length" },
	{ "not hex", "CLIENT_RANDOM " R " " S47 "0g", BNET_ETLS, 0,
	    "line 1: secret is not hex" },
	{ "nothing but the label", "CLIENT_RANDOM", BNET_ETLS, 0,
	    "line 1: client random is not 64 hex digits" },
	{ "no secret", "CLIENT_RANDOM " R, BNET_ETLS, 0,
	    "line 1: secret has the wrong length" },
	{ "too many words", "CLIENT_RANDOM " R " " S48 " x", BNET_ETLS, 0,
	    "line 1: something follows the secret" },
};

#define N_ROWS ((int)(sizeof(rows) / sizeof(rows[0])))

START_TEST(test_rows)
{
	const struct row *row = &rows[_i];
	struct cap_keylog *log = cap_keylog_new();

	ck_assert_msg(
	    cap_keylog_add(log, text(row->text)) == row->err, "%s", row->name);
	ck_assert_msg(cap_keylog_count(log) == row->n, "%s", row->name);
	ck_assert_str_eq(cap_keylog_problem(log), row->problem);
	/* what was wrong is of the last call only */
	ck_assert_int_eq(cap_keylog_add(log, text("#")), BNET_OK);
	ck_assert_str_eq(cap_keylog_problem(log), "");
	cap_keylog_free(log);
}
END_TEST

/* The same rows through a file. */
START_TEST(test_read)
{
	const struct row *row = &rows[_i];
	struct cap_keylog *log = cap_keylog_new();
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(
	    fwrite(row->text, 1, strlen(row->text), f), strlen(row->text));
	rewind(f);
	ck_assert_msg(cap_keylog_read(log, f) == row->err, "%s", row->name);
	ck_assert_msg(cap_keylog_count(log) == row->n, "%s", row->name);
	ck_assert_str_eq(cap_keylog_problem(log), row->problem);
	fclose(f);
	cap_keylog_free(log);
}
END_TEST

/* In a copy of the exact size, so that a read past the end is seen. */
START_TEST(test_prefixes)
{
	const struct row *row = &rows[_i];

	for (size_t n = 0; n <= strlen(row->text); n++) {
		struct cap_keylog *log = cap_keylog_new();
		uint8_t *copy = malloc(n == 0 ? 1 : n);
		enum bnet_err err;

		memcpy(copy, row->text, n);
		err = cap_keylog_add(log, (struct bnet_slice){ copy, n });
		ck_assert(err == BNET_OK || err == BNET_ETLS);
		ck_assert_int_eq(
		    err == BNET_ETLS, *cap_keylog_problem(log) != '\0');
		ck_assert_uint_le(cap_keylog_count(log), row->n + 1);
		free(copy);
		cap_keylog_free(log);
	}
}
END_TEST

START_TEST(test_find)
{
	struct cap_keylog *log = cap_keylog_new();
	uint8_t other[CAP_RANDOM_BYTES];
	struct bnet_slice s;

	ck_assert(!cap_keylog_find(log, the_random, CAP_SECRET_MASTER, &s));
	ck_assert_int_eq(
	    cap_keylog_add(log, text("SERVER_TRAFFIC_SECRET_0 " R " " S32)),
	    BNET_OK);
	ck_assert(
	    cap_keylog_find(log, the_random, CAP_SECRET_SERVER_TRAFFIC, &s));
	ck_assert_uint_eq(s.len, 32);
	for (size_t i = 0; i < s.len; i++)
		ck_assert_uint_eq(s.p[i], 0xa0 + i);
	for (enum cap_secret which = 0; which < CAP_N_SECRETS; which++)
		ck_assert(cap_keylog_find(log, the_random, which, &s) ==
		    (which == CAP_SECRET_SERVER_TRAFFIC));
	memcpy(other, the_random, sizeof(other));
	other[31] ^= 1;
	ck_assert(!cap_keylog_find(log, other, CAP_SECRET_SERVER_TRAFFIC, &s));
	/* the later of two */
	ck_assert_int_eq(
	    cap_keylog_add(log, text("SERVER_TRAFFIC_SECRET_0 " R " " S48)),
	    BNET_OK);
	ck_assert(
	    cap_keylog_find(log, the_random, CAP_SECRET_SERVER_TRAFFIC, &s));
	ck_assert_uint_eq(s.len, 48);
	ck_assert_uint_eq(cap_keylog_count(log), 1);
	cap_keylog_free(log);
}
END_TEST

/* One line for session `i`; the start of its secret is `i` as well. */
static void
session_line(FILE *f, unsigned int i)
{
	fprintf(f, "CLIENT_RANDOM %064x %08x%088x\n", i, i, 0);
}

START_TEST(test_many)
{
	const unsigned int n = 20000;
	struct cap_keylog *log = cap_keylog_new();
	uint8_t random[CAP_RANDOM_BYTES] = { 0 };
	FILE *f = tmpfile();
	struct bnet_slice s;

	for (unsigned int i = 0; i < n; i++)
		session_line(f, i);
	rewind(f);
	ck_assert_int_eq(cap_keylog_read(log, f), BNET_OK);
	fclose(f);
	ck_assert_uint_eq(cap_keylog_count(log), n);
	for (unsigned int i = 0; i < n + 10; i++) {
		random[30] = (uint8_t)(i >> 8);
		random[31] = (uint8_t)i;
		ck_assert(cap_keylog_find(log, random, CAP_SECRET_MASTER, &s) ==
		    (i < n));
		if (i < n)
			ck_assert_uint_eq(
			    (unsigned int)s.p[2] << 8 | s.p[3], i);
	}
	cap_keylog_free(log);
}
END_TEST

/* The ceiling; an entry that is there can still be replaced. */
START_TEST(test_limit)
{
	struct cap_keylog *log = cap_keylog_new();
	FILE *f = tmpfile();

	for (unsigned int i = 0; i < CAP_KEYLOG_MAX_SECRETS + 1; i++)
		session_line(f, i);
	rewind(f);
	ck_assert_int_eq(cap_keylog_read(log, f), BNET_ELIMIT);
	ck_assert_uint_eq(cap_keylog_count(log), CAP_KEYLOG_MAX_SECRETS);
	rewind(f);
	ck_assert_int_eq(cap_keylog_read(log, f), BNET_ELIMIT);
	ck_assert_uint_eq(cap_keylog_count(log), CAP_KEYLOG_MAX_SECRETS);
	fclose(f);
	cap_keylog_free(log);
}
END_TEST

/* Lines longer than any block that is read at once. */
START_TEST(test_long_lines)
{
	struct cap_keylog *log = cap_keylog_new();
	FILE *f = tmpfile();

	fprintf(f, "# %0200000d\n", 0);
	session_line(f, 1);
	fprintf(f, "CLIENT_RANDOM %0200000d\n", 0);
	session_line(f, 2);
	fprintf(f, "OTHER %0200000d", 0);
	rewind(f);
	ck_assert_int_eq(cap_keylog_read(log, f), BNET_ETLS);
	ck_assert_str_eq(cap_keylog_problem(log),
	    "line 3: client random is not 64 hex digits");
	ck_assert_uint_eq(cap_keylog_count(log), 2);
	fclose(f);
	cap_keylog_free(log);
}
END_TEST

START_TEST(test_read_fails)
{
	struct cap_keylog *log = cap_keylog_new();
	FILE *f = fopen("/", "rb"); /* opens, but does not read */

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(cap_keylog_read(log, f), BNET_ECUT);
	fclose(f);
	cap_keylog_free(log);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("keylog");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int n_failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_rows, 0, N_ROWS);
	tcase_add_loop_test(tc, test_read, 0, N_ROWS);
	tcase_add_loop_test(tc, test_prefixes, 0, N_ROWS);
	tcase_add_test(tc, test_find);
	tcase_add_test(tc, test_many);
	tcase_add_test(tc, test_limit);
	tcase_add_test(tc, test_long_lines);
	tcase_add_test(tc, test_read_fails);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? 0 : 1;
}
