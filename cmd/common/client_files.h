/* SPDX-License-Identifier: MIT */
/*
 * client_files - files named by a client's options: certificates and keys in
 * PEM, and the token.
 */
#ifndef COMMON_CLIENT_FILES_H
#define COMMON_CLIENT_FILES_H

#include "cmd/common/options.h"
#include "proto/tls.h"

#include <stdbool.h>

#define CLIENT_TOKEN_CHARS 4096
#define CLIENT_HOST_CHARS 256

/* As on the command line; NULL: not given. */
struct client_options {
	bool tls;
	bool insecure; /* --tls-insecure */
	char *ca, *crl, *cert, *key; /* paths; read if `tls` */
	char *token, *token_file; /* at most one of them */
};

/*
 * The option rows, except --tls, for a program's struct T with this `member`.
 */
#define CLIENT_ROWS(T, member, bits) \
	{ "ca", 0, "FILE", "trust the CAs in FILE, not those of the system", \
		OPTION_PATH(T, member.ca), .mine = (bits) }, \
	    { "crl", 0, "FILE", "refuse certificates that FILE revokes", \
		    OPTION_PATH(T, member.crl), .mine = (bits) }, \
	    { "tls-insecure", 0, NULL, \
		    "verify no certificate; the token goes to whoever " \
		    "answers", \
		    OPTION_FLAG(T, member.insecure), .mine = (bits) }, \
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
	bool insecure; /* the token may go to whoever answers */
	char token[CLIENT_TOKEN_CHARS]; /* "": none */
};

/* Options that exclude each other are bad usage: prints which, and exits. */
void client_options_check(
    struct option_reading *reading, const struct client_options *opt);

/* Exits with bad usage if the relay address, called `what`, is invalid. */
void client_target_check(
    struct option_reading *reading, const char *what, const char *target);

/*
 * Reads the files; the token is the first line of its file. If one cannot be
 * read or is invalid, exits with CLI_FAILED and a message that names it and the
 * reason, but never contains the token. Warns of --tls-insecure.
 */
void
client_files_load(struct client_files *files, const struct client_options *opt);
void client_files_free(struct client_files *files);

/*
 * The host of "HOST:PORT", "[HOST]:PORT", "HOST" or "PORT"; truncates a long
 * one.
 */
void client_host(const char *target, char host[CLIENT_HOST_CHARS]);

#endif
