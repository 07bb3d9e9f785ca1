/* SPDX-License-Identifier: MIT */
/* cmd/relay/credentials_cert: what a certificate says, honest or not. */
#include "cmd/relay/credentials.h"
#include "tests/unit/tls_certs.h"
#include "tests/unit/unit.h"

#include <openssl/err.h>

#define MAX_NAMES 4

/* One name of the subjectAltName: a type and its bytes. */
struct name {
	int type;
	const char *p;
	size_t n;
};

#define URI(s) \
	{ \
		GEN_URI, s, sizeof(s) - 1 \
	}
#define DNS(s) \
	{ \
		GEN_DNS, s, sizeof(s) - 1 \
	}
#define EMAIL(s) \
	{ \
		GEN_EMAIL, s, sizeof(s) - 1 \
	}
#define MAX_ID "9223372036854775807"

/* `identity` NULL: refused; otherwise `id` is the one granted, 0 any. */
static const struct row {
	const char *what;
	struct name names[MAX_NAMES];
	uint64_t wanted;
	const char *identity;
	uint64_t id;
} rows[] = {
	{ "its id", { URI("bluenet:node:7") }, 7, "cert:bluenet:node:7", 7 },
	{ "other id", { URI("bluenet:node:7") }, 8, NULL, 0 },
	{ "no wish", { URI("bluenet:node:7") }, 0, "cert:bluenet:node:7", 7 },
	{ "any", { URI("bluenet:node:*") }, 7, "cert:bluenet:node:*", 0 },
	{ "any, no wish", { URI("bluenet:node:*") }, 0, "cert:bluenet:node:*",
	    0 },
	{ "largest", { URI("bluenet:node:" MAX_ID) }, INT64_MAX,
	    "cert:bluenet:node:" MAX_ID, INT64_MAX },
	{ "several", { URI("bluenet:node:7"), URI("bluenet:node:8") }, 8,
	    "cert:bluenet:node:8", 8 },
	{ "several, first", { URI("bluenet:node:7"), URI("bluenet:node:8") }, 0,
	    "cert:bluenet:node:7", 7 },
	{ "several, none", { URI("bluenet:node:7"), URI("bluenet:node:8") }, 9,
	    NULL, 0 },
	{ "id before any", { URI("bluenet:node:*"), URI("bluenet:node:7") }, 7,
	    "cert:bluenet:node:7", 7 },
	{ "id before any, no wish",
	    { URI("bluenet:node:*"), URI("bluenet:node:7") }, 0,
	    "cert:bluenet:node:7", 7 },
	{ "any besides", { URI("bluenet:node:7"), URI("bluenet:node:*") }, 8,
	    "cert:bluenet:node:*", 0 },
	{ "among others",
	    { DNS("bluenet:node:1"), URI("https://example.com/"),
		URI("bluenet:node:x"), URI("bluenet:node:7") },
	    7, "cert:bluenet:node:7", 7 },
	{ "no names", { { 0 } }, 7, NULL, 0 },
	{ "no number", { URI("bluenet:node:") }, 0, NULL, 0 },
	{ "empty", { URI("") }, 0, NULL, 0 },
	{ "zero", { URI("bluenet:node:0") }, 0, NULL, 0 },
	{ "leading zero", { URI("bluenet:node:07") }, 7, NULL, 0 },
	{ "plus", { URI("bluenet:node:+7") }, 7, NULL, 0 },
	{ "minus", { URI("bluenet:node:-7") }, 7, NULL, 0 },
	{ "minus of a u64", { URI("bluenet:node:-1") }, UINT64_MAX, NULL, 0 },
	{ "hex", { URI("bluenet:node:0x7") }, 7, NULL, 0 },
	{ "blank before", { URI("bluenet:node: 7") }, 7, NULL, 0 },
	{ "blank behind", { URI("bluenet:node:7 ") }, 7, NULL, 0 },
	{ "newline", { URI("bluenet:node:7\n") }, 7, NULL, 0 },
	{ "NUL behind", { URI("bluenet:node:7\0") }, 7, NULL, 0 },
	{ "NUL and more", { URI("bluenet:node:7\0.example.com") }, 7, NULL, 0 },
	{ "NUL inside",
	    { URI("bluenet:node:\0"
		  "7") },
	    7, NULL, 0 },
	{ "NUL before any", { URI("bluenet:node:\0*") }, 7, NULL, 0 },
	{ "any and NUL", { URI("bluenet:node:*\0") }, 7, NULL, 0 },
	{ "any and more", { URI("bluenet:node:*7") }, 7, NULL, 0 },
	{ "two stars", { URI("bluenet:node:**") }, 7, NULL, 0 },
	{ "i64 + 1", { URI("bluenet:node:9223372036854775808") },
	    UINT64_C(9223372036854775808), NULL, 0 },
	{ "u64 + 8", { URI("bluenet:node:18446744073709551623") }, 7, NULL, 0 },
	{ "very long",
	    { URI("bluenet:node:"
		  "77777777777777777777777777777777777777777777777777777") },
	    0, NULL, 0 },
	{ "upper case", { URI("BLUENET:NODE:7") }, 7, NULL, 0 },
	{ "other kind", { URI("bluenet:client:7") }, 7, NULL, 0 },
	{ "something before", { URI("x-bluenet:node:7") }, 7, NULL, 0 },
	{ "port", { URI("bluenet:node:7:1") }, 7, NULL, 0 },
	{ "a prefix of it", { URI("bluenet:node") }, 0, NULL, 0 },
	{ "DNS name", { DNS("bluenet:node:7") }, 7, NULL, 0 },
	{ "mail", { EMAIL("bluenet:node:*") }, 7, NULL, 0 },
};

static void
add_name(GENERAL_NAMES *names, const struct name *name)
{
	GENERAL_NAME *gen = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	ck_assert_ptr_nonnull(gen);
	ck_assert_int_eq(ASN1_STRING_set(text, name->p, (int)name->n), 1);
	GENERAL_NAME_set0_value(gen, name->type, text);
	ck_assert_int_gt(sk_GENERAL_NAME_push(names, gen), 0);
}

/* Signed again after a change, and as it comes off the wire. */
static X509 *
sealed(X509 *cert)
{
	unsigned char *der = NULL;
	const unsigned char *p;
	int n;

	ck_assert_int_gt(X509_sign(cert, idents[ID_CA].key, EVP_sha256()), 0);
	n = i2d_X509(cert, &der);
	X509_free(cert);
	ck_assert_int_gt(n, 0);
	p = der;
	cert = d2i_X509(NULL, &p, n);
	ck_assert_ptr_nonnull(cert);
	OPENSSL_free(der);
	return cert;
}

static X509 *
bare_cert(void)
{
	/* a CA, as far as make_cert() knows: the one kind without a SAN */
	static const struct ident_row bare = { "bluenet:node:7", ID_CA, NULL,
		DAY_S };

	return make_cert(&bare, idents[ID_CA].key, 99);
}

static X509 *
cert_with(const struct name *name)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	X509 *cert = bare_cert();

	for (int i = 0; i < MAX_NAMES && name[i].p != NULL; i++)
		add_name(names, &name[i]);
	ck_assert_int_eq(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0,
			     X509V3_ADD_APPEND),
	    1);
	GENERAL_NAMES_free(names);
	return sealed(cert);
}

static void
check(const struct row *row, const X509 *cert)
{
	struct credentials_grant grant;
	bool ok;

	memset(&grant, 0xff, sizeof(grant));
	ok = credentials_cert(cert, row->wanted, &grant);
	ck_assert_msg(ok == (row->identity != NULL), "%s", row->what);
	ck_assert_uint_eq(ERR_peek_error(), 0);
	if (!ok)
		return;
	ck_assert_str_eq(grant.identity, row->identity);
	ck_assert_msg(grant.id == row->id, "%s", row->what);
	ck_assert(row->wanted == 0 || credentials_allow(&grant, row->wanted));
}

START_TEST(names)
{
	X509 *cert = cert_with(rows[_i].names);

	check(&rows[_i], cert);
	X509_free(cert);
}
END_TEST

/* What no CA should sign, and one may yet. */
START_TEST(broken)
{
	static const unsigned char junk[] = { 0x30, 0x7f, 0x86, 0x0e, 'b' };
	static const struct row refused = { "broken", { { 0 } }, 7, NULL, 0 };
	static const struct name name[MAX_NAMES] = { URI("bluenet:node:7") };
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;
	X509 *cert = bare_cert();

	check(&refused, NULL);
	check(&refused, cert); /* neither does the subject count */
	ck_assert_int_eq(
	    ASN1_OCTET_STRING_set(value, junk, (int)sizeof(junk)), 1);
	ext =
	    X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value);
	ck_assert_int_eq(X509_add_ext(cert, ext, -1), 1);
	cert = sealed(cert);
	check(&refused, cert);
	X509_free(cert);
	cert = cert_with(name); /* and a second extension of the kind */
	ck_assert_int_eq(X509_add_ext(cert, ext, -1), 1);
	cert = sealed(cert);
	check(&refused, cert);
	X509_free(cert);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
}
END_TEST

static Suite *
credentials_cert_suite(void)
{
	Suite *suite = suite_create("credentials_cert");
	TCase *tc = unit_case(suite, "credentials_cert");

	tcase_add_unchecked_fixture(tc, make_idents, free_idents);
	tcase_add_loop_test(tc, names, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, broken);
	return suite;
}

UNIT_MAIN(credentials_cert_suite)
