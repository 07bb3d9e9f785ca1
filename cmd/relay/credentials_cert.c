/* SPDX-License-Identifier: MIT */
#include "cmd/relay/credentials.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#define NODE_URI "bluenet:node:"

/*
 * What a URI names: an id, or *any. By its length, as it may hold NULs;
 * 0 and not *any where it is not ours or not exact.
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
 * NULL also where the extension is there twice, or malformed. OpenSSL's list
 * of errors is left as it was: a TLS connection of this thread looks there.
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
