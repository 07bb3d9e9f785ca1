/* SPDX-License-Identifier: MIT */
/*
 * client_files - what the options of a client name as files: certificates and
 * keys in PEM, and the token.
 */
#ifndef COMMON_CLIENT_FILES_H
#define COMMON_CLIENT_FILES_H

#include "cmd/common/options.h"
#include "proto/tls.h"

#include <stdbool.h>

#define CLIENT_TOKEN_CHARS 4096
#define CLIENT_HOST_CHARS 256

/* As they stand on the command line; NULL: not given. */
struct client_options {
	bool tls;
	char *ca, *cert, *key; /* files; read with `tls` */
	char *token, *token_file; /* one of them at most */
};

/* Their rows, but for --tls, for a program's T that has them as `member`. */
#define CLIENT_ROWS(T, member, bits) \
	{ "ca", 0, "FILE", \
		"require a certificate of the relay signed by a CA in FILE", \
		OPTION_PATH(T, member.ca), .mine = (bits) }, \
	    { "cert", 0, "FILE", "show the certificate in FILE", \
		    OPTION_PATH(T, member.cert), .mine = (bits) }, \
	    { "key", 0, "FILE", "use the private key in FILE", \
		    OPTION_PATH(T, member.key), .mine = (bits) }, \
	    { "token", 0, "TOKEN", "show TOKEN to the relay", \
		    OPTION_TEXT(T, member.token, 0, CLIENT_TOKEN_CHARS), \
		    .flags = OPTION_SECRET, .mine = (bits) }, \
	{ \
		"token-file", 0, "FILE", "read the token from FILE", \
		    OPTION_PATH(T, member.token_file), .mine = (bits) \
	}

struct client_files {
	struct bnet_tls_ctx *tls; /* NULL: plain; owned */
	char token[CLIENT_TOKEN_CHARS]; /* "": none */
};

/* Those that do not go together are bad usage, and it says which. */
void client_options_check(
    struct option_reading *reading, const struct client_options *opt);

/* An address of a relay, called `what`, that cannot be one is bad usage. */
void client_target_check(
    struct option_reading *reading, const char *what, const char *target);

/*
 * Read them; the token is the first line of its file. Ends the process with
 * CLI_FAILED where one cannot be read or is of no use, and says which and
 * why; the token is never in what it says.
 */
void
client_files_load(struct client_files *files, const struct client_options *opt);
void client_files_free(struct client_files *files);

/*
 * The host of "HOST:PORT", "[HOST]:PORT", "HOST" or "PORT", cut where it is
 * long.
 */
void client_host(const char *target, char host[CLIENT_HOST_CHARS]);

#endif
