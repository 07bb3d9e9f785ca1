/* SPDX-License-Identifier: MIT */
#include "cmd/common/client_files.h"

#include "cmd/common/address.h"
#include "cmd/common/cli.h"
#include "proto/buf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX_BYTES ((size_t)4 << 20)

void
client_options_check(
    struct option_reading *reading, const struct client_options *opt)
{
	if (opt->token != NULL && opt->token_file != NULL)
		options_refuse(reading, NULL,
		    "--token and --token-file: expected one of them");
	if ((opt->cert != NULL) != (opt->key != NULL))
		options_refuse(
		    reading, NULL, "--cert and --key: expected both or none");
	if (!opt->tls && (opt->ca != NULL || opt->cert != NULL))
		options_refuse(
		    reading, NULL, "--ca, --cert and --key go with --tls");
	if (opt->insecure && !opt->tls && opt->token == NULL &&
	    opt->token_file == NULL)
		options_refuse(
		    reading, NULL, "--tls-insecure goes with --tls or a token");
	if (opt->crl != NULL && opt->ca == NULL)
		options_refuse(
		    reading, "crl", "expected ca with it: add --ca FILE");
	if (opt->ca != NULL && opt->insecure)
		options_refuse(reading, NULL,
		    "--ca and --tls-insecure: expected one of them");
}

void
client_target_check(
    struct option_reading *reading, const char *what, const char *target)
{
	if (!address_is_target(target))
		options_refuse(reading, NULL,
		    "%s: \"%.200s\": expected " ADDRESS_TARGET_SYNTAX, what,
		    target);
}

/* Appends a whole file to `buf`; does nothing if `path` is NULL. */
static void
read_file(const char *what, const char *path, struct bnet_buf *buf)
{
	FILE *f = path == NULL ? NULL : fopen(path, "re");
	enum bnet_err err = BNET_OK;
	uint8_t *tail;
	size_t n = 1;

	if (path == NULL)
		return;
	if (f == NULL)
		cli_die("%s: %s: %s", what, path, strerror(errno));
	while (n > 0 && err == BNET_OK) {
		err = bnet_buf_room(buf, BUFSIZ, &tail);
		n = err == BNET_OK ? fread(tail, 1, BUFSIZ, f) : 0;
		bnet_buf_added(buf, n);
	}
	if (ferror(f))
		cli_die("%s: %s: %s", what, path, strerror(errno));
	if (err != BNET_OK)
		cli_die("%s: %s: %s", what, path, bnet_strerror(err));
	fclose(f);
}

static void
load_tls(struct client_files *files, const struct client_options *opt)
{
	struct bnet_tls_settings set = {
		.struct_bytes = sizeof(set),
		.role = BNET_TLS_CLIENT,
		.insecure = opt->insecure,
	};
	struct bnet_buf ca, crl, cert, key;
	char reason[256] = "";
	enum bnet_err err;

	bnet_buf_init(&ca, FILE_MAX_BYTES);
	bnet_buf_init(&crl, FILE_MAX_BYTES);
	bnet_buf_init(&cert, FILE_MAX_BYTES);
	bnet_buf_init(&key, FILE_MAX_BYTES);
	read_file("--ca", opt->ca, &ca);
	read_file("--crl", opt->crl, &crl);
	read_file("--cert", opt->cert, &cert);
	read_file("--key", opt->key, &key);
	set.ca_pem = bnet_buf_slice(&ca);
	set.crl_pem = bnet_buf_slice(&crl);
	set.cert_pem = bnet_buf_slice(&cert);
	set.key_pem = bnet_buf_slice(&key);
	err = bnet_tls_ctx_new(&set, &files->tls, reason, sizeof(reason));
	if (err != BNET_OK)
		cli_die(
		    "TLS: %s", reason[0] != '\0' ? reason : bnet_strerror(err));
	bnet_buf_free(&ca);
	bnet_buf_free(&crl);
	bnet_buf_free(&cert);
	bnet_buf_free(&key);
}

static void
set_token(struct client_files *files, const char *what, const char *path,
    struct bnet_slice text)
{
	size_t n = 0;

	while (n < text.len && text.p[n] != '\n' && text.p[n] != '\r')
		n++;
	if (n == 0 || n >= CLIENT_TOKEN_CHARS)
		cli_die("%s%s%s: expected a token of at most %d bytes", what,
		    path != NULL ? ": " : "", path != NULL ? path : "",
		    CLIENT_TOKEN_CHARS - 1);
	memcpy(files->token, text.p, n); /* the buffer is zeroed */
}

static void
load_token(struct client_files *files, const struct client_options *opt)
{
	struct bnet_buf buf;

	if (opt->token != NULL)
		set_token(files, "--token", NULL,
		    (struct bnet_slice){
			(const uint8_t *)opt->token, strlen(opt->token) });
	if (opt->token_file == NULL)
		return;
	bnet_buf_init(&buf, FILE_MAX_BYTES);
	read_file("--token-file", opt->token_file, &buf);
	set_token(files, "--token-file", opt->token_file, bnet_buf_slice(&buf));
	bnet_buf_free(&buf);
}

static void
warn_insecure(
    const struct client_files *files, const struct client_options *opt)
{
	cli_warn("--tls-insecure: the peer is not verified%s%s",
	    opt->tls ? "" : ", there is no TLS",
	    files->token[0] != '\0'
		? ", and whoever answers or listens can take the token"
		: "");
}

void
client_files_load(struct client_files *files, const struct client_options *opt)
{
	*files = (struct client_files){ .insecure = opt->insecure };
	load_token(files, opt);
	if (opt->insecure)
		warn_insecure(files, opt);
	if (opt->tls)
		load_tls(files, opt);
}

void
client_files_free(struct client_files *files)
{
	bnet_tls_ctx_free(files->tls);
	*files = (struct client_files){ .tls = NULL };
}

void
client_host(const char *target, char host[CLIENT_HOST_CHARS])
{
	size_t n = strcspn(target, ":");

	if (target[strspn(target, "0123456789")] == '\0') {
		target = ADDRESS_HOST_DEFAULT; /* a port alone */
		n = strlen(target);
	}
	if (target[0] == '[')
		n = strcspn(++target, "]");
	else if (target[n] == ':' && strchr(&target[n + 1], ':') != NULL)
		n = strlen(target); /* an IPv6 address alone */
	if (n >= CLIENT_HOST_CHARS)
		n = CLIENT_HOST_CHARS - 1;
	memcpy(host, target, n);
	host[n] = '\0';
}
