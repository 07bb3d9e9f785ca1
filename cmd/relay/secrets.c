/* SPDX-License-Identifier: MIT */
#include "cmd/common/log.h"
#include "cmd/relay/secrets.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* ---- files ---- */

#define N_FILES 4 /* --cert, --key, --ca, --crl */

struct file {
	uint8_t *p;
	size_t len;
};

static void
file_free(struct file *file)
{
	if (file->p != NULL)
		OPENSSL_cleanse(file->p, file->len);
	free(file->p);
	*file = (struct file){ NULL, 0 };
}

/* A private key that anybody on this machine may read is none. */
static bool
is_private(const char *path, FILE *f, char err[RELAY_ERR_CHARS])
{
	struct stat st;

	if (fstat(fileno(f), &st) != 0 || (st.st_mode & S_IROTH) == 0 ||
	    !S_ISREG(st.st_mode))
		return true;
	(void)snprintf(err, RELAY_ERR_CHARS,
	    "--key: %s: anybody may read it (mode %03o): expected chmod o-r",
	    path, (unsigned)st.st_mode & 07777);
	return false;
}

static bool
read_all(FILE *f, struct file *file)
{
	file->p = malloc(SECRETS_FILE_MAX_BYTES + 1);
	if (file->p == NULL)
		return false;
	file->len = fread(file->p, 1, SECRETS_FILE_MAX_BYTES + 1, f);
	if (ferror(f))
		return false;
	if (file->len > SECRETS_FILE_MAX_BYTES) {
		errno = EFBIG;
		return false;
	}
	return true;
}

/* A `path` of NULL gives an empty file. */
static bool
file_read(const char *what, const char *path, bool secret, struct file *file,
    char err[RELAY_ERR_CHARS])
{
	FILE *f;
	bool ok;

	*file = (struct file){ NULL, 0 };
	if (path == NULL)
		return true;
	f = fopen(path, "re");
	ok = f != NULL && read_all(f, file);
	if (!ok)
		(void)snprintf(err, RELAY_ERR_CHARS, "--%s: %s: %s", what, path,
		    strerror(errno));
	if (ok && secret)
		ok = is_private(path, f, err);
	if (f != NULL)
		fclose(f);
	return ok;
}

static struct bnet_slice
slice_of(const struct file *file)
{
	return (struct bnet_slice){ file->p, file->len };
}

/* ---- TLS ---- */

/* Unix time; 0: unknown. */
static int64_t
unix_of(const ASN1_TIME *at)
{
	struct tm tm;

	return at != NULL && ASN1_TIME_to_tm(at, &tm) == 1
	    ? (int64_t)timegm(&tm)
	    : 0;
}

/* Of the certificate of the file that ends first, unix time; 0: unknown. */
static int64_t
expiry_of(const struct file *file)
{
	BIO *bio =
	    file->len > 0 ? BIO_new_mem_buf(file->p, (int)file->len) : NULL;
	int64_t first_s = 0, at_s;
	X509 *x509;

	ERR_set_mark(); /* the end of the file is an error of OpenSSL's */
	while (bio != NULL &&
	    (x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		at_s = unix_of(X509_get0_notAfter(x509));
		if (at_s != 0 && (first_s == 0 || at_s < first_s))
			first_s = at_s;
		X509_free(x509);
	}
	ERR_pop_to_mark();
	BIO_free(bio);
	return first_s;
}

/* The same of revocation lists. */
static int64_t
crl_expiry_of(const struct file *file)
{
	BIO *bio =
	    file->len > 0 ? BIO_new_mem_buf(file->p, (int)file->len) : NULL;
	int64_t first_s = 0, at_s;
	X509_CRL *crl;

	ERR_set_mark();
	while (bio != NULL &&
	    (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
		at_s = unix_of(X509_CRL_get0_nextUpdate(crl));
		if (at_s != 0 && (first_s == 0 || at_s < first_s))
			first_s = at_s;
		X509_CRL_free(crl);
	}
	ERR_pop_to_mark();
	BIO_free(bio);
	return first_s;
}

static bool
make_ctx(const struct relay_options *opt, const struct file files[N_FILES],
    bnet_tls_keylog *keylog, void *keylog_arg, struct bnet_tls_ctx **ctx,
    char err[RELAY_ERR_CHARS])
{
	struct bnet_tls_settings set = {
		.struct_bytes = sizeof(set),
		.role = BNET_TLS_SERVER,
		.cert_pem = slice_of(&files[0]),
		.key_pem = slice_of(&files[1]),
		.ca_pem = slice_of(&files[2]),
		.version_min =
		    opt->tls_min == RELAY_TLS_1_3 ? BNET_TLS_1_3 : BNET_TLS_1_2,
		.keylog = keylog,
		.keylog_arg = keylog_arg,
		.crl_pem = slice_of(&files[3]),
	};
	char reason[256] = "";
	enum bnet_err e = bnet_tls_ctx_new(&set, ctx, reason, sizeof(reason));

	if (e == BNET_OK)
		return true;
	(void)snprintf(err, RELAY_ERR_CHARS, "--cert %s --key %s%s%s%s%s: %s",
	    opt->cert, opt->key, opt->ca != NULL ? " --ca " : "",
	    opt->ca != NULL ? opt->ca : "", opt->crl != NULL ? " --crl " : "",
	    opt->crl != NULL ? opt->crl : "",
	    e == BNET_ETLS ? reason : bnet_strerror(e));
	return false;
}

bool
secrets_tls(const struct relay_options *opt, bnet_tls_keylog *keylog,
    void *keylog_arg, struct bnet_tls_ctx **ctx, struct secrets_ends *ends,
    char err[RELAY_ERR_CHARS])
{
	struct file files[N_FILES] = { { NULL, 0 } };
	bool ok;

	*ctx = NULL;
	*ends = (struct secrets_ends){ 0 };
	if (opt->cert == NULL)
		return true;
	ok = file_read("cert", opt->cert, false, &files[0], err) &&
	    file_read("key", opt->key, true, &files[1], err) &&
	    file_read("ca", opt->ca, false, &files[2], err) &&
	    file_read("crl", opt->crl, false, &files[3], err) &&
	    make_ctx(opt, files, keylog, keylog_arg, ctx, err);
	if (ok) {
		ends->cert_s = expiry_of(&files[0]);
		ends->ca_s = expiry_of(&files[2]);
		ends->crl_s = crl_expiry_of(&files[3]);
	}
	for (size_t i = 0; i < N_FILES; i++)
		file_free(&files[i]);
	return ok;
}

/* ---- tokens ---- */

static bool
load(const char *what, const char *path, struct credentials **creds,
    char err[RELAY_ERR_CHARS])
{
	char why[RELAY_ERR_CHARS - 32];

	*creds = NULL;
	if (path == NULL)
		return true;
	*creds = credentials_load(path, why, sizeof(why));
	if (*creds == NULL) {
		(void)snprintf(err, RELAY_ERR_CHARS, "--%s: %s", what, why);
		return false;
	}
	if (credentials_n_slow(*creds) > 0)
		log_warn("tokens have the slow hash of older versions, so each"
			 " check costs a thousand times as much: make new ones",
		    LOG_STR("file", path),
		    LOG_U64("tokens", credentials_n_slow(*creds)));
	return true;
}

bool
secrets_tokens(const struct relay_options *opt, struct credentials **tokens,
    struct credentials **client_tokens, char err[RELAY_ERR_CHARS])
{
	bool ok = load("tokens", opt->tokens, tokens, err);
	size_t n = ok ? 0 : strlen(err);
	char more[RELAY_ERR_CHARS];

	if (!load("client-tokens", opt->client_tokens, client_tokens, more)) {
		(void)snprintf(
		    err + n, RELAY_ERR_CHARS - n, "%s%s", ok ? "" : "; ", more);
		ok = false;
	}
	if (ok)
		return true;
	credentials_free(*tokens);
	credentials_free(*client_tokens);
	*tokens = *client_tokens = NULL;
	return false;
}
