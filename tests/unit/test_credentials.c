/* SPDX-License-Identifier: MIT */
/* cmd/relay/credentials and credentials_hash: files of tokens. */
#include "cmd/relay/credentials.h"
#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

#include <openssl/err.h>
#include <unistd.h>

#define SALT "000102030405060708090a0b0c0d0e0f"
#define S64 "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"
#define T64 "1123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"
/*
 * Of "market." S64 by Python's hashlib.sha256, and of "market." T64 by its
 * hashlib.pbkdf2_hmac: as this version makes them, and as older ones did.
 */
#define HASH_S "sha256$" SALT "$" MARKET_S
#define HASH_T "pbkdf2-sha256$1000$" SALT "$" MARKET_T
#define MARKET_S \
	"0faafe66430bf77944f295e21ccdfda2a39eb433fe9dc12ab9df4acd07976f4d"
#define MARKET_T \
	"aa3df7d0bcdad9ea447ffabdb72a8a375bf5225b1b0ae93568f6eff2aa5cdc70"
#define N63 "n23456789012345678901234567890123456789012345678901234567890123"

/* A file with those bytes; for unlink(). */
static const char *
file_of(const char *bytes, size_t n)
{
	static char path[64];
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "/tmp/bluenet-tokens-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	f = fdopen(fd, "w");
	ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
	return path;
}

static struct credentials *
load(const char *text, char *err, size_t err_bytes)
{
	const char *path = file_of(text, strlen(text));
	struct credentials *creds = credentials_load(path, err, err_bytes);

	unlink(path);
	return creds;
}

static const char the_file[] = "# nodes\n"
			       "\n"
			       "7 market " HASH_S "\n"
			       "  *\tother " HASH_S "\r\n"
			       "7 market " HASH_T;

/* `identity` NULL: refused. */
static const struct check_row {
	const char *token, *identity;
	uint64_t id;
} check_rows[] = {
	{ "market." S64, "token:7:market", 7 },
	{ "market." T64, "token:7:market", 7 },
	{ "other." S64, NULL, 0 }, /* the name is hashed too */
	{ "nobody." S64, NULL, 0 },
	{ "markeu." S64, NULL, 0 },
	{ "Market." S64, NULL, 0 },
	{ "market:" S64, NULL, 0 },
	{ "market." S64 "0", NULL, 0 },
	{ "market.0" S64, NULL, 0 },
	{ "market", NULL, 0 },
	{ "market.", NULL, 0 },
	{ "." S64, NULL, 0 },
	{ S64, NULL, 0 },
	{ "", NULL, 0 },
	{ "a b." S64, NULL, 0 },
	{ N63 "." S64, NULL, 0 },
	{ N63 "4." S64, NULL, 0 },
	{ "*." S64, NULL, 0 },
	{ "market.0123456789abcdef0123456789abcdef"
	  "0123456789abcdef0123456789abcdef",
	    NULL, 0 },
};

START_TEST(tokens)
{
	const struct check_row *row = &check_rows[_i];
	struct credentials_grant grant = { .id = 99 };
	char err[256];
	struct credentials *creds = load(the_file, err, sizeof(err));
	struct bnet_slice copy = unit_copy(row->token, strlen(row->token));
	bool ok;

	ck_assert_msg(creds != NULL, "%s", err);
	ok = credentials_check(creds, (const char *)copy.p, copy.len, &grant);
	ck_assert_msg(ok == (row->identity != NULL), "%s", row->token);
	if (ok) {
		ck_assert_str_eq(grant.identity, row->identity);
		ck_assert_uint_eq(grant.id, row->id);
		ck_assert(credentials_allow(&grant, row->id));
		ck_assert(!credentials_allow(&grant, row->id + 1));
	}
	unit_free(copy);
	credentials_free(creds);
}
END_TEST

/* Whatever is behind a NUL is part of a token, and no token has one. */
START_TEST(token_with_nul)
{
	static const char token[] = "mar\0et." S64;
	struct credentials_grant grant;
	struct credentials *creds = load(the_file, NULL, 0);

	ck_assert(!credentials_check(creds, token, sizeof(token) - 1, &grant));
	ck_assert(!credentials_check(
	    creds, "market." S64, strlen("market." S64) + 1, &grant));
	credentials_free(creds);
}
END_TEST

static const struct bad_row {
	const char *text, *want; /* behind the file's name */
} bad_rows[] = {
	{ "7\n", ":1: expected a name of" },
	{ "# x\n\n7 market\n", ":3: expected sha256$SALT$HASH" },
	{ "0 market " HASH_S, ":1: expected an id from 1" },
	{ "07 market " HASH_S, ":1: expected an id from 1" },
	{ "+7 market " HASH_S, ":1: expected an id from 1" },
	{ "-7 market " HASH_S, ":1: expected an id from 1" },
	{ "** market " HASH_S, ":1: expected an id from 1" },
	{ "9223372036854775808 market " HASH_S, ":1: expected an id from 1" },
	{ "18446744073709551623 m " HASH_S, ":1: expected an id from 1" },
	{ "market 7 " HASH_S, ":1: expected an id from 1" },
	{ "7 mar:ket " HASH_S, ":1: expected a name of" },
	{ "7 " N63 "4 " HASH_S, ":1: expected a name of" },
	{ "7 market market." S64, ":1: expected sha256$" },
	{ "7 market pbkdf2-sha256$1001$" SALT "$" MARKET_S,
	    ":1: expected sha256$" },
	{ "7 market pbkdf2-sha256$1000$" SALT "0$" MARKET_S,
	    ":1: expected sha256$" },
	{ "7 market pbkdf2-sha256$1000$$" MARKET_S, ":1: expected sha256$" },
	{ "7 market pbkdf2-sha256$1000$" SALT "$", ":1: expected sha256$" },
	{ "7 market pbkdf2-sha256$1000$" SALT, ":1: expected sha256$" },
	{ "7 market pbkdf2-sha256$1000$", ":1: expected sha256$" },
	{ "7 market sha256$" SALT "$" MARKET_S "0", ":1: expected sha256$" },
	{ "7 market sha256$" SALT "$", ":1: expected sha256$" },
	{ "7 market sha256$", ":1: expected sha256$" },
	{ "7 market sha512$" SALT "$" MARKET_S, ":1: expected sha256$" },
	{ "7 market pbkdf2-sha256", ":1: expected sha256$" },
	{ "7 market " HASH_S "0", ":1: expected sha256$" },
	{ "7 market pbkdf2-sha256$1000$" SALT "$x" S64,
	    ":1: expected sha256$" },
	{ "7 market pbkdf2-sha256$1000$0001020304050607_8090a0b0c0d0e0f$" S64,
	    ":1: expected sha256$" },
	{ "7 market " HASH_S " # mine", ":1: expected the end of the line" },
	{ "7 a " HASH_S "\n7 b " HASH_S "\n8 a " HASH_S "\n",
	    ":3: expected the same id" },
	{ "* a " HASH_S "\n7 a " HASH_S "\n", ":2: expected the same id" },
	{ "7 a " HASH_S "\n7 a " HASH_S "\n7 b " HASH_S "\n7 a " HASH_S,
	    ":4: expected at most two lines" },
	{ "# " S64 S64 S64 S64 S64 S64 S64 S64 "\n", ":1: expected a line of" },
};

START_TEST(bad_files)
{
	const struct bad_row *row = &bad_rows[_i];
	char err[256] = "";
	const char *path = file_of(row->text, strlen(row->text));
	struct credentials *creds = credentials_load(path, err, sizeof(err));

	unlink(path);
	ck_assert_msg(creds == NULL, "%s", row->text);
	ck_assert_msg(strncmp(err, path, strlen(path)) == 0, "%s", err);
	ck_assert_msg(
	    strncmp(err + strlen(path), row->want, strlen(row->want)) == 0,
	    "%s: not '%s'", err, row->want);
	/* a token in the wrong file is not to be shown in a log */
	ck_assert_msg(strstr(err, S64) == NULL, "%s", err);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

START_TEST(no_file)
{
	static const char nul[] = "7 market " HASH_S "\0\n8 x " HASH_S "\n";
	char err[256] = "";
	const char *path;

	ck_assert_ptr_null(
	    credentials_load("/nonexistent/x", err, sizeof(err)));
	ck_assert_str_eq(err, "/nonexistent/x: No such file or directory");
	ck_assert_ptr_null(credentials_load("/", err, sizeof(err)));
	ck_assert_str_eq(err, "/: Is a directory");
	ck_assert_ptr_null(credentials_load("/dev/zero", err, sizeof(err)));
	ck_assert_msg(
	    strncmp(err, "/dev/zero:1: expected", 21) == 0, "%s", err);
	path = file_of(nul, sizeof(nul) - 1);
	ck_assert_ptr_null(credentials_load(path, err, sizeof(err)));
	unlink(path);
	ck_assert_msg(strstr(err, "no NUL") != NULL, "%s", err);
	credentials_free(NULL);
}
END_TEST

START_TEST(empty_file)
{
	char err[256] = "";
	struct credentials_grant grant;
	struct credentials *creds = load("# nobody yet\n", err, sizeof(err));

	ck_assert_msg(creds != NULL, "%s", err);
	ck_assert(!credentials_check(
	    creds, "market." S64, strlen("market." S64), &grant));
	credentials_free(creds);
}
END_TEST

START_TEST(too_many)
{
	const char *path = file_of("", 0);
	FILE *f = fopen(path, "w");
	struct credentials *creds;
	char err[256] = "";

	for (int i = 0; i < CREDENTIALS_TOKENS_MAX; i++)
		fprintf(f, "* n%d %s\n", i, HASH_S);
	ck_assert_int_eq(fflush(f), 0);
	creds = credentials_load(path, err, sizeof(err));
	ck_assert_msg(creds != NULL, "%s", err);
	credentials_free(creds);
	fprintf(f, "* more %s\n", HASH_S);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_ptr_null(credentials_load(path, err, sizeof(err)));
	ck_assert_msg(
	    strstr(err, ":65537: expected at most 65536 tokens") != NULL, "%s",
	    err);
	unlink(path);
}
END_TEST

static enum bnet_err
load_once(void *arg)
{
	char err[256];
	struct credentials *creds = credentials_load(arg, err, sizeof(err));

	if (creds == NULL)
		return BNET_ENOMEM;
	credentials_free(creds);
	return BNET_OK;
}

START_TEST(no_memory)
{
	char path[64];

	snprintf(
	    path, sizeof(path), "%s", file_of(the_file, sizeof(the_file) - 1));
	ck_assert_uint_eq(failmalloc_each(load_once, path), 2);
	unlink(path);
}
END_TEST

/* What is made can be put in a file, and gets its holder in. */
static const struct make_row {
	const char *id, *name, *identity, *err;
} make_rows[] = {
	{ "7", "market", "token:7:market", NULL },
	{ "*", "a.b_c-D.9", "token:*:a.b_c-D.9", NULL },
	{ "9223372036854775807", N63, "token:9223372036854775807:" N63, NULL },
	{ "0", "market", NULL, "'0 market': expected an id" },
	{ "7", "", NULL, "'7 ': expected a name" },
	{ "7", "a b", NULL, "'7 a b': expected a name" },
	{ "7", N63 "4", NULL, "'7 " N63 "4': expected a name" },
};

START_TEST(make)
{
	const struct make_row *row = &make_rows[_i];
	char *text = NULL, err[256] = "", *token, *end;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	struct credentials_grant grant;
	struct credentials *creds;
	bool ok =
	    credentials_make_token(row->id, row->name, out, err, sizeof(err));

	fclose(out);
	ck_assert(ok == (row->identity != NULL));
	if (!ok) {
		ck_assert_uint_eq(n, 0);
		ck_assert_msg(
		    strncmp(err, row->err, strlen(row->err)) == 0, "%s", err);
		free(text);
		return;
	}
	token = strchr(text, '\n') + 1; /* comment, token, comment, line */
	end = strchr(token, '\n');
	creds = load(end + 1, err, sizeof(err));
	ck_assert_msg(creds != NULL, "%s", err);
	ck_assert(
	    credentials_check(creds, token, (size_t)(end - token), &grant));
	ck_assert_str_eq(grant.identity, row->identity);
	ck_assert(strlen(row->identity) < CREDENTIALS_IDENTITY_CHARS);
	token[0] ^= 1;
	ck_assert(
	    !credentials_check(creds, token, (size_t)(end - token), &grant));
	token[0] ^= 1;
	end[-1] = end[-1] == '0' ? '1' : '0';
	ck_assert(
	    !credentials_check(creds, token, (size_t)(end - token), &grant));
	credentials_free(creds);
	free(text);
}
END_TEST

/* A hash counts only under the prefix of its kind, in upper case too. */
static const struct form_row {
	const char *hash;
	size_t n_slow;
	bool s64, t64;
} form_rows[] = {
	{ HASH_S, 0, true, false },
	{ HASH_T, 1, false, true },
	{ HASH_S "\n7 market " HASH_T, 1, true, true },
	{ HASH_T "\n7 market " HASH_T, 2, false, true },
	{ "sha256$" SALT "$" MARKET_T, 0, false, false },
	{ "pbkdf2-sha256$1000$" SALT "$" MARKET_S, 1, false, false },
	{ "sha256$100102030405060708090a0b0c0d0e0f$" MARKET_S, 0, false,
	    false },
	{ "sha256$000102030405060708090A0B0C0D0E0F$" MARKET_S, 0, true, false },
};

START_TEST(forms)
{
	const struct form_row *row = &form_rows[_i];
	struct credentials_grant grant;
	struct credentials *creds;
	char text[1000], err[256] = "";

	snprintf(text, sizeof(text), "7 market %s\n", row->hash);
	creds = load(text, err, sizeof(err));
	ck_assert_msg(creds != NULL, "%s", err);
	ck_assert_uint_eq(credentials_n_slow(creds), row->n_slow);
	ck_assert(credentials_check(creds, "market." S64, strlen("market." S64),
		      &grant) == row->s64);
	ck_assert(credentials_check(creds, "market." T64, strlen("market." T64),
		      &grant) == row->t64);
	credentials_free(creds);
}
END_TEST

static Suite *
credentials_suite(void)
{
	Suite *suite = suite_create("credentials");
	TCase *tc = unit_case(suite, "credentials");

	tcase_add_loop_test(tc, tokens, 0, UNIT_ROWS(check_rows));
	tcase_add_test(tc, token_with_nul);
	tcase_add_loop_test(tc, bad_files, 0, UNIT_ROWS(bad_rows));
	tcase_add_test(tc, no_file);
	tcase_add_test(tc, empty_file);
	tcase_add_test(tc, too_many);
	tcase_add_test(tc, no_memory);
	tcase_add_loop_test(tc, make, 0, UNIT_ROWS(make_rows));
	tcase_add_loop_test(tc, forms, 0, UNIT_ROWS(form_rows));
	return suite;
}

UNIT_MAIN(credentials_suite)
