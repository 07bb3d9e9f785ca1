/* SPDX-License-Identifier: MIT */
/* What the options name as files: PEM for TLS, and the token. */
#include "cmd/ping/measure_impl.h"

#include "cmd/common/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES ((size_t)4 << 20)

/* All of a file, appended to `buf`; nothing where `path` is NULL. */
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
load_tls(struct measure_files *files, const struct ping_options *opt)
{
	struct bnet_tls_settings set = { .role = BNET_TLS_CLIENT };
	struct bnet_buf ca, cert, key;
	char reason[256] = "";
	enum bnet_err err;

	bnet_buf_init(&ca, FILE_MAX_BYTES);
	bnet_buf_init(&cert, FILE_MAX_BYTES);
	bnet_buf_init(&key, FILE_MAX_BYTES);
	read_file("--ca", opt->ca, &ca);
	read_file("--cert", opt->cert, &cert);
	read_file("--key", opt->key, &key);
	set.ca_pem = bnet_buf_slice(&ca);
	set.cert_pem = bnet_buf_slice(&cert);
	set.key_pem = bnet_buf_slice(&key);
	err = bnet_tls_ctx_new(&set, &files->tls, reason, sizeof(reason));
	if (err != BNET_OK)
		cli_die(
		    "TLS: %s", reason[0] != '\0' ? reason : bnet_strerror(err));
	bnet_buf_free(&ca);
	bnet_buf_free(&cert);
	bnet_buf_free(&key);
}

/* The first line of the file, or all of --token. */
static void
set_token(struct measure_files *files, const char *what, struct bnet_slice text)
{
	size_t n = 0;

	while (n < text.len && text.p[n] != '\n' && text.p[n] != '\r')
		n++;
	if (n == 0 || n >= MEASURE_TOKEN_CHARS)
		cli_die("%s: expected a token of at most %d bytes", what,
		    MEASURE_TOKEN_CHARS - 1);
	else
		memcpy(files->token, text.p, n); /* it ends in zeros */
}

static void
load_token(struct measure_files *files, const struct ping_options *opt)
{
	struct bnet_buf buf;

	if (opt->token != NULL)
		set_token(files, "--token",
		    (struct bnet_slice){
			(const uint8_t *)opt->token, strlen(opt->token) });
	if (opt->token_file == NULL)
		return;
	bnet_buf_init(&buf, FILE_MAX_BYTES);
	read_file("--token-file", opt->token_file, &buf);
	set_token(files, opt->token_file, bnet_buf_slice(&buf));
	bnet_buf_free(&buf);
}

struct measure_files *
measure_files_load(const struct ping_options *opt)
{
	struct measure_files *files = calloc(1, sizeof(*files));

	if (files == NULL)
		cli_die("out of memory");
	load_token(files, opt);
	if (opt->tls)
		load_tls(files, opt);
	return files;
}

void
measure_files_free(struct measure_files *files)
{
	bnet_tls_ctx_free(files->tls);
	free(files);
}
