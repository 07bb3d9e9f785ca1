/* SPDX-License-Identifier: MIT */
/*
 * In this order: salted hashes of tokens; the identity in a certificate; the
 * table of tokens and its file.
 */
#include "cmd/relay/credentials.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static uint64_t credentials_id(const char *text, size_t n);

/* ---- salted hashes ---- */

#define SALT_BYTES 16
#define HASH_BYTES 32
#define SALT_HEX_CHARS (SALT_BYTES * 2)
#define HASH_HEX_CHARS (HASH_BYTES * 2)
#define SLOW_ROUNDS 1000 /* as in its prefix */

enum hash_kind {
	HASH_SHA256, /* of the salt and the token */
	HASH_SLOW, /* of older versions */
	HASH_KINDS
};

struct hash {
	enum hash_kind kind;
	unsigned char salt[SALT_BYTES];
	unsigned char bytes[HASH_BYTES];
};

static bool
derive_sha256(const char *token, size_t token_bytes, const unsigned char *salt,
    unsigned char *bytes)
{
	unsigned char in[SALT_BYTES + CREDENTIALS_TOKEN_BYTES_MAX];
	bool ok;

	memcpy(in, salt, SALT_BYTES);
	memcpy(in + SALT_BYTES, token, token_bytes);
	ok = EVP_Digest(in, SALT_BYTES + token_bytes, bytes, NULL, EVP_sha256(),
		 NULL) == 1;
	OPENSSL_cleanse(in, sizeof(in));
	return ok;
}

static bool
derive_slow(const char *token, size_t token_bytes, const unsigned char *salt,
    unsigned char *bytes)
{
	return PKCS5_PBKDF2_HMAC(token, (int)token_bytes, salt, SALT_BYTES,
		   SLOW_ROUNDS, EVP_sha256(), HASH_BYTES, bytes) == 1;
}

static const struct kind {
	const char *prefix;
	bool (*derive)(const char *token, size_t token_bytes,
	    const unsigned char *salt, unsigned char *bytes);
} kinds[HASH_KINDS] = {
	[HASH_SHA256] = { "sha256$", derive_sha256 },
	[HASH_SLOW] = { "pbkdf2-sha256$1000$", derive_slow },
};

/* Takes the time of `kind` whatever the kind of `hash`; then it is false. */
static bool
hash_is(const char *token, size_t token_bytes, enum hash_kind kind,
    const struct hash *hash)
{
	unsigned char got[HASH_BYTES];
	bool same = kinds[kind].derive(token, token_bytes, hash->salt, got) &&
	    CRYPTO_memcmp(got, hash->bytes, sizeof(got)) == 0;

	OPENSSL_cleanse(got, sizeof(got));
	return same && hash->kind == kind;
}

/* Exactly `n` bytes in hex, followed by `end`. */
static bool
parse_hex(const char *text, char end, unsigned char *bytes, size_t n)
{
	char hex[HASH_HEX_CHARS + 1];
	size_t got;

	if (strnlen(text, n * 2 + 1) < n * 2 || text[n * 2] != end)
		return false;
	memcpy(hex, text, n * 2);
	hex[n * 2] = '\0';
	return OPENSSL_hexstr2buf_ex(bytes, n, &got, hex, '\0') == 1 &&
	    got == n;
}

/* Parse "sha256$SALT$HASH" or an older line. False: malformed. */
static bool
hash_parse(const char *text, struct hash *hash)
{
	for (hash->kind = 0; hash->kind < HASH_KINDS; hash->kind++) {
		size_t n = strlen(kinds[hash->kind].prefix);

		if (strncmp(text, kinds[hash->kind].prefix, n) != 0)
			continue;
		return parse_hex(text + n, '$', hash->salt, SALT_BYTES) &&
		    parse_hex(text + n + SALT_HEX_CHARS + 1, '\0', hash->bytes,
			HASH_BYTES);
	}
	return false;
}

static void
hash_print(const struct hash *hash, FILE *out)
{
	char salt[SALT_HEX_CHARS + 1] = "", bytes[HASH_HEX_CHARS + 1] = "";

	OPENSSL_buf2hexstr_ex(
	    salt, sizeof(salt), NULL, hash->salt, SALT_BYTES, '\0');
	OPENSSL_buf2hexstr_ex(
	    bytes, sizeof(bytes), NULL, hash->bytes, HASH_BYTES, '\0');
	fprintf(out, "%s%s$%s", kinds[hash->kind].prefix, salt, bytes);
}

/* ---- the identity in a certificate ---- */

#define NODE_URI "bluenet:node:"

/*
 * The id in a URI, or *any. The URI has a length because it may hold NULs.
 * Returns 0 without *any if it is not a BlueNet URI in exact form.
 */
static uint64_t
id_of(const GENERAL_NAME *name, bool *any)
{
	const size_t prefix = sizeof(NODE_URI) - 1;
	const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
	const char *text;
	size_t n;

	*any = false;
	if (name->type != GEN_URI)
		return 0;
	text = (const char *)ASN1_STRING_get0_data(uri);
	n = (size_t)ASN1_STRING_length(uri);
	if (n <= prefix || memcmp(text, NODE_URI, prefix) != 0)
		return 0;
	*any = n == prefix + 1 && text[prefix] == '*';
	return credentials_id(text + prefix, n - prefix);
}

/*
 * NULL also if the extension is malformed or occurs twice. Restores OpenSSL's
 * error queue, which a TLS connection of this thread may read.
 */
static GENERAL_NAMES *
names_of(const struct x509_st *cert)
{
	GENERAL_NAMES *names;

	if (cert == NULL)
		return NULL;
	ERR_set_mark();
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	ERR_pop_to_mark();
	return names;
}

bool
credentials_cert(const struct x509_st *cert, uint64_t wanted_id,
    struct credentials_grant *grant)
{
	GENERAL_NAMES *names = names_of(cert);
	bool found = false, any = false, this_any;
	uint64_t id = 0;

	for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		id = id_of(sk_GENERAL_NAME_value(names, i), &this_any);
		any |= this_any;
		found = id != 0 && (wanted_id == 0 || id == wanted_id);
	}
	GENERAL_NAMES_free(names);
	if (found)
		snprintf(grant->identity, sizeof(grant->identity),
		    "cert:" NODE_URI "%llu", (unsigned long long)id);
	else if (any)
		snprintf(grant->identity, sizeof(grant->identity),
		    "cert:" NODE_URI "*");
	grant->id = found ? id : 0;
	return found || any;
}

/* ---- the table of tokens ---- */

#define SECRET_BYTES 32
#define SECRET_CHARS (SECRET_BYTES * 2)
#define LINE_CHARS 512
#define BLANKS " \t\r\n"
#define N_SAME 2 /* lines per name, and hashes per check */
#define ID_EXPECTED "expected an id from 1 to 9223372036854775807, or *"
#define NAME_EXPECTED \
	"expected a name of 1 to 63 letters, digits, '.', '_' or '-'"

struct entry {
	char name[CREDENTIALS_NAME_CHARS];
	uint64_t id; /* 0: any */
	struct hash hash;
	size_t line;
};

struct credentials {
	struct entry *entries; /* owned; sorted by name, then by line */
	size_t n, cap;
	size_t n_slow;
};

static const struct entry nobody; /* no token has an all-zero hash */

/* Parse 1 to INT64_MAX in decimal: no sign, no leading zero. 0: invalid. */
static uint64_t
credentials_id(const char *text, size_t n)
{
	uint64_t id = 0, digit;

	if (n == 0 || text[0] == '0')
		return 0;
	for (size_t i = 0; i < n; i++) {
		digit = (uint64_t)((unsigned char)text[i] - '0');
		if (!isdigit((unsigned char)text[i]) ||
		    id > ((uint64_t)INT64_MAX - digit) / 10)
			return 0;
		id = id * 10 + digit;
	}
	return id;
}

static bool
good_name(const char *name, size_t n)
{
	if (n == 0 || n >= CREDENTIALS_NAME_CHARS)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '.' &&
		    name[i] != '_' && name[i] != '-')
			return false;
	return true;
}

static int
by_name(const void *a, const void *b)
{
	const struct entry *l = a, *r = b;
	int order = strcmp(l->name, r->name);

	return order != 0 ? order : (l->line > r->line) - (l->line < r->line);
}

static bool
append(struct credentials *creds, const struct entry *entry)
{
	size_t cap = creds->cap == 0 ? 16 : creds->cap * 2;
	struct entry *entries;

	if (creds->n == creds->cap) {
		entries = realloc(creds->entries, cap * sizeof(*entries));
		if (entries == NULL)
			return false;
		creds->entries = entries;
		creds->cap = cap;
	}
	creds->entries[creds->n++] = *entry;
	return true;
}

/* Parse one line; returns what is wrong with it, or NULL. */
static const char *
add_line(struct credentials *creds, char *line, size_t n_line)
{
	struct entry entry = { .line = n_line };
	char *rest, *id = strtok_r(line, BLANKS, &rest), *name, *hash;

	if (id == NULL || id[0] == '#')
		return NULL;
	name = strtok_r(NULL, BLANKS, &rest);
	hash = strtok_r(NULL, BLANKS, &rest);
	entry.id = credentials_id(id, strlen(id));
	if (entry.id == 0 && strcmp(id, "*") != 0)
		return ID_EXPECTED;
	if (name == NULL || !good_name(name, strlen(name)))
		return NAME_EXPECTED;
	if (hash == NULL || !hash_parse(hash, &entry.hash))
		return "expected sha256$SALT$HASH, as --make-token prints it";
	if (strtok_r(NULL, BLANKS, &rest) != NULL)
		return "expected the end of the line after the hash";
	if (creds->n == CREDENTIALS_TOKENS_MAX)
		return "expected at most 65536 tokens";
	snprintf(entry.name, sizeof(entry.name), "%s", name);
	creds->n_slow += entry.hash.kind == HASH_SLOW;
	return append(creds, &entry) ? NULL : "out of memory";
}

/* Sort; returns what is wrong with the names, or NULL. */
static const char *
join(struct credentials *creds, size_t *n_line)
{
	const struct entry *e = creds->entries;

	if (creds->n > 1)
		qsort(creds->entries, creds->n, sizeof(*e), by_name);
	for (size_t i = 1; i < creds->n; i++) {
		if (strcmp(e[i].name, e[i - 1].name) != 0)
			continue;
		*n_line = e[i].line;
		if (e[i].id != e[i - 1].id)
			return "expected the same id as on the other line of"
			       " this name";
		if (i >= N_SAME && strcmp(e[i].name, e[i - N_SAME].name) == 0)
			return "expected at most two lines of one name";
	}
	return NULL;
}

static const char *
read_lines(struct credentials *creds, FILE *f, size_t *n_line)
{
	char line[LINE_CHARS];
	const char *why = NULL;

	while (why == NULL && fgets(line, sizeof(line), f) != NULL) {
		++*n_line;
		if (strchr(line, '\n') == NULL && !feof(f))
			why = "expected a line of at most 510 bytes, and no"
			      " NUL in it";
		else
			why = add_line(creds, line, *n_line);
	}
	OPENSSL_cleanse(line, sizeof(line));
	if (why == NULL && !ferror(f))
		why = join(creds, n_line);
	return why;
}

struct credentials *
credentials_load(const char *path, char *err, size_t err_bytes)
{
	struct credentials *creds = calloc(1, sizeof(*creds));
	FILE *f = creds == NULL ? NULL : fopen(path, "re");
	const char *why;
	size_t n_line = 0;
	bool failed;

	if (f == NULL) {
		snprintf(err, err_bytes, "%s: %s", path, strerror(errno));
		credentials_free(creds);
		return NULL;
	}
	ERR_set_mark(); /* keeps a bad line's error from TLS connections */
	why = read_lines(creds, f, &n_line);
	ERR_pop_to_mark();
	failed = why != NULL || ferror(f);
	if (why != NULL)
		snprintf(err, err_bytes, "%s:%zu: %s", path, n_line, why);
	else if (failed)
		snprintf(err, err_bytes, "%s: %s", path, strerror(errno));
	fclose(f);
	if (!failed)
		return creds;
	credentials_free(creds);
	return NULL;
}

void
credentials_free(struct credentials *creds)
{
	if (creds == NULL)
		return;
	free(creds->entries);
	free(creds);
}

/* The index of the first entry of a name, or of its place. */
static size_t
find(const struct credentials *creds, const char *name)
{
	size_t low = 0, high = creds->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (strcmp(creds->entries[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

size_t
credentials_n_slow(const struct credentials *creds)
{
	return creds->n_slow;
}

/* Takes the time of all kinds of the table, which must not reveal names. */
static bool
entry_has(const struct credentials *creds, const struct entry *entry,
    const char *token, size_t token_bytes)
{
	bool same = hash_is(token, token_bytes, HASH_SHA256, &entry->hash);

	if (creds->n_slow > 0)
		same |= hash_is(token, token_bytes, HASH_SLOW, &entry->hash);
	return same && entry != &nobody;
}

/* The grant of an entry. */
static void
grant_of(const struct entry *entry, struct credentials_grant *grant)
{
	char id[24] = "*";

	if (entry->id != 0)
		snprintf(id, sizeof(id), "%llu", (unsigned long long)entry->id);
	snprintf(grant->identity, sizeof(grant->identity), "token:%s:%s", id,
	    entry->name);
	grant->id = entry->id;
	memcpy(grant->proof, entry->hash.bytes, sizeof(grant->proof));
}

bool
credentials_hold(
    const struct credentials *creds, const struct credentials_grant *grant)
{
	const char *name = strrchr(grant->identity, ':');
	struct credentials_grant now;

	if (creds == NULL || name == NULL)
		return false;
	name++;
	for (size_t i = find(creds, name);
	     i < creds->n && strcmp(creds->entries[i].name, name) == 0; i++) {
		grant_of(&creds->entries[i], &now);
		if (strcmp(now.identity, grant->identity) == 0 &&
		    memcmp(now.proof, grant->proof, sizeof(now.proof)) == 0)
			return true;
	}
	return false;
}

/* Tries N_SAME entries in any case: the time must not reveal names. */
bool
credentials_check(const struct credentials *creds, const char *token,
    size_t token_bytes, struct credentials_grant *grant)
{
	const struct entry *entry, *match = NULL;
	char name[CREDENTIALS_NAME_CHARS];
	size_t name_bytes, at;

	if (token_bytes > CREDENTIALS_TOKEN_BYTES_MAX ||
	    token_bytes < SECRET_CHARS + 2)
		return false;
	name_bytes = token_bytes - SECRET_CHARS - 1;
	if (token[name_bytes] != '.' || !good_name(token, name_bytes))
		return false;
	memcpy(name, token, name_bytes);
	name[name_bytes] = '\0';
	at = find(creds, name);
	for (size_t i = at; i < at + N_SAME; i++) {
		entry = &nobody;
		if (i < creds->n && strcmp(creds->entries[i].name, name) == 0)
			entry = &creds->entries[i];
		if (entry_has(creds, entry, token, token_bytes))
			match = entry;
	}
	if (match == NULL)
		return false;
	grant_of(match, grant);
	return true;
}

bool
credentials_make_token(
    const char *id, const char *name, FILE *out, char *err, size_t err_bytes)
{
	unsigned char secret[SECRET_BYTES];
	char hex[SECRET_CHARS + 1], token[CREDENTIALS_TOKEN_BYTES_MAX + 1];
	struct hash hash = { .kind = HASH_SHA256 };
	const char *why = NULL;

	if (strcmp(id, "*") != 0 && credentials_id(id, strlen(id)) == 0)
		why = ID_EXPECTED;
	else if (!good_name(name, strlen(name)))
		why = NAME_EXPECTED;
	if (why != NULL) {
		snprintf(err, err_bytes, "'%s %s': %s", id, name, why);
		return false;
	}
	if (RAND_priv_bytes(secret, sizeof(secret)) != 1 ||
	    RAND_bytes(hash.salt, SALT_BYTES) != 1 ||
	    OPENSSL_buf2hexstr_ex(
		hex, sizeof(hex), NULL, secret, sizeof(secret), '\0') != 1) {
		snprintf(err, err_bytes, "no random bytes");
		return false;
	}
	snprintf(token, sizeof(token), "%s.%s", name, hex);
	if (!derive_sha256(token, strlen(token), hash.salt, hash.bytes)) {
		snprintf(err, err_bytes, "OpenSSL cannot hash");
		return false;
	}
	fprintf(out,
	    "# the token, for whoever is to say hello with it:\n%s\n"
	    "# the line for the relay's file of tokens:\n%s %s ",
	    token, id, name);
	hash_print(&hash, out);
	fputc('\n', out);
	OPENSSL_cleanse(secret, sizeof(secret));
	OPENSSL_cleanse(hex, sizeof(hex));
	OPENSSL_cleanse(token, sizeof(token));
	return true;
}
