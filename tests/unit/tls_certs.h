/* SPDX-License-Identifier: MIT */
/* Keys and certificates for the TLS tests, made on the spot. */
#ifndef TESTS_TLS_CERTS_H
#define TESTS_TLS_CERTS_H

#include "proto/buf.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

#define DAY_S (24L * 60 * 60)
#define SAN_LOCAL "DNS:localhost,IP:127.0.0.1,IP:::1"

struct ident {
	X509 *cert;
	EVP_PKEY *key;
	struct bnet_buf cert_pem, key_pem;
};

enum ident_id {
	ID_CA,
	ID_OTHER_CA,
	ID_BETWEEN, /* an issuer below ID_CA */
	ID_SERVER,
	ID_EXPIRED,
	ID_CHAINED, /* issued by ID_BETWEEN, which follows in cert_pem */
	ID_CLIENT,
	ID_STRANGER, /* a client of ID_OTHER_CA */
	N_IDENTS
};

struct ident_row {
	const char *name;
	enum ident_id issuer;
	const char *san; /* NULL: it issues certificates */
	long until_s; /* from now */
};

static const struct ident_row ident_rows[N_IDENTS] = {
	[ID_CA] = { "test CA", ID_CA, NULL, DAY_S },
	[ID_OTHER_CA] = { "other CA", ID_OTHER_CA, NULL, DAY_S },
	[ID_BETWEEN] = { "between", ID_CA, NULL, DAY_S },
	[ID_SERVER] = { "server", ID_CA, SAN_LOCAL, DAY_S },
	[ID_EXPIRED] = { "expired", ID_CA, SAN_LOCAL, -DAY_S },
	[ID_CHAINED] = { "chained", ID_BETWEEN, SAN_LOCAL, DAY_S },
	[ID_CLIENT] = { "client", ID_CA, "DNS:client", DAY_S },
	[ID_STRANGER] = { "stranger", ID_OTHER_CA, "DNS:client", DAY_S },
};

static struct ident idents[N_IDENTS];

static void
take_mem(struct bnet_buf *out, BIO *bio)
{
	uint8_t chunk[1024];
	int n;

	while ((n = BIO_read(bio, chunk, sizeof(chunk))) > 0)
		ck_assert_int_eq(bnet_buf_append(out,
				     (struct bnet_slice){ chunk, (size_t)n }),
		    BNET_OK);
	BIO_free(bio);
}

static void
put_cert(struct bnet_buf *out, X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	ck_assert_int_eq(PEM_write_bio_X509(bio, cert), 1);
	take_mem(out, bio);
}

/* `cipher` NULL: in the clear. */
static void
put_key(struct bnet_buf *out, EVP_PKEY *key, const EVP_CIPHER *cipher)
{
	static const unsigned char secret[] = "secret";
	BIO *bio = BIO_new(BIO_s_mem());

	ck_assert_int_eq(
	    PEM_write_bio_PrivateKey(bio, key, cipher,
		cipher == NULL ? NULL : secret,
		cipher == NULL ? 0 : (int)sizeof(secret) - 1, NULL, NULL),
	    1);
	take_mem(out, bio);
}

static void
add_ext(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	ck_assert_ptr_nonnull(ext);
	ck_assert_int_eq(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

static X509 *
make_cert(const struct ident_row *row, EVP_PKEY *key, long serial)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_NAME_new();
	const struct ident *issuer = &idents[row->issuer];

	ck_assert_ptr_nonnull(cert);
	ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
			     (const unsigned char *)row->name, -1, -1, 0),
	    1);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), -2 * DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(cert), row->until_s);
	X509_set_pubkey(cert, key);
	X509_set_subject_name(cert, name);
	X509_set_issuer_name(cert,
	    issuer->cert == NULL ? name : X509_get_subject_name(issuer->cert));
	X509_NAME_free(name);
	add_ext(cert, NID_basic_constraints,
	    row->san == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (row->san != NULL)
		add_ext(cert, NID_subject_alt_name, row->san);
	ck_assert_int_gt(
	    X509_sign(
		cert, issuer->key == NULL ? key : issuer->key, EVP_sha256()),
	    0);
	return cert;
}

/* All of idents[]; issuers come before what they issue. */
static void
make_idents(void)
{
	for (int i = 0; i < N_IDENTS; i++) {
		struct ident *id = &idents[i];
		enum ident_id issuer = ident_rows[i].issuer;
		EVP_PKEY *key = EVP_EC_gen("P-256");

		ck_assert_ptr_nonnull(key);
		bnet_buf_init(&id->cert_pem, 1 << 16);
		bnet_buf_init(&id->key_pem, 1 << 16);
		id->cert = make_cert(&ident_rows[i], key, i + 1);
		id->key = key;
		put_cert(&id->cert_pem, id->cert);
		put_key(&id->key_pem, key, NULL);
		if (issuer == ID_BETWEEN)
			put_cert(&id->cert_pem, idents[issuer].cert);
	}
}

static void
free_idents(void)
{
	for (int i = 0; i < N_IDENTS; i++) {
		X509_free(idents[i].cert);
		EVP_PKEY_free(idents[i].key);
		bnet_buf_free(&idents[i].cert_pem);
		bnet_buf_free(&idents[i].key_pem);
		/* made again in this process: the issuer is not there yet */
		idents[i] = (struct ident){ 0 };
	}
}

#define NOBODY N_IDENTS

/* Append the revocation list of an issuer, on which is `revoked`. */
static inline void
put_crl(struct bnet_buf *out, enum ident_id issuer, enum ident_id revoked,
    long until_s)
{
	const struct ident *by = &idents[issuer];
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *since = X509_gmtime_adj(NULL, -2 * DAY_S);
	ASN1_TIME *until = X509_gmtime_adj(NULL, until_s);
	BIO *bio = BIO_new(BIO_s_mem());
	X509_REVOKED *row;

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(by->cert));
	X509_CRL_set1_lastUpdate(crl, since);
	X509_CRL_set1_nextUpdate(crl, until);
	if (revoked != NOBODY) {
		row = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(
		    row, X509_get_serialNumber(idents[revoked].cert));
		X509_REVOKED_set_revocationDate(row, since);
		ck_assert_int_eq(X509_CRL_add0_revoked(crl, row), 1);
	}
	ck_assert_int_gt(X509_CRL_sign(crl, by->key, EVP_sha256()), 0);
	ck_assert_int_eq(PEM_write_bio_X509_CRL(bio, crl), 1);
	take_mem(out, bio);
	ASN1_TIME_free(since);
	ASN1_TIME_free(until);
	X509_CRL_free(crl);
}

static inline struct bnet_slice
cert_of(enum ident_id id)
{
	return bnet_buf_slice(&idents[id].cert_pem);
}

static inline struct bnet_slice
key_of(enum ident_id id)
{
	return bnet_buf_slice(&idents[id].key_pem);
}

#endif
