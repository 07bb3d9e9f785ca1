/* SPDX-License-Identifier: MIT */
/*
 * options - the command line and the file of bluenet-relay: see its manual.
 *
 * One table makes the options of the command line, of --help and of the
 * configuration file (options.c). To add one: a member here, a row
 * there, and the manual.
 *
 * For the main thread. A struct relay_options that was read is not changed
 * any more, so any thread may read it until it is freed.
 */
#ifndef RELAY_OPTIONS_H
#define RELAY_OPTIONS_H

#include "cmd/common/address.h"
#include "cmd/common/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RELAY_LIST_MAX 16
#define RELAY_LISTEN_DEFAULT "127.0.0.1:26000"
#define RELAY_ERR_CHARS 1024
#define RELAY_NAMES_CHARS 1024

enum relay_tls_min {
	RELAY_TLS_1_2 = 0,
	RELAY_TLS_1_3,
};

enum relay_overload {
	RELAY_OVERLOAD_REFUSE = 0,
	RELAY_OVERLOAD_PAUSE,
	RELAY_OVERLOAD_CUT,
};

struct relay_addresses {
	struct address at[RELAY_LIST_MAX];
	size_t n;
};

struct relay_cidrs {
	struct cidr at[RELAY_LIST_MAX];
	size_t n;
};

/* Strings are NULL where they were not given and have no default. */
struct relay_options {
	/* who listens where: RELAY_LISTEN_DEFAULT if there is nothing else */
	struct relay_addresses listen, listen_tls;
	struct relay_addresses metrics; /* at most one */
	struct relay_cidrs proxy_protocol; /* trusted senders; none: off */
	char *cert, *key, *ca;
	int tls_min; /* enum relay_tls_min */

	uint64_t id; /* of the relay: a node id */
	char *name, *environment;
	uint64_t clients_from, nodes_from; /* the first id of each block */
	uint64_t n_ids; /* in each block */

	uint64_t n_threads; /* 0: one a core */
	char *config;
	char *user;

	/* who gets in */
	bool insecure, require_hello, no_client_to_client;
	char *tokens, *client_tokens;

	/* how long for */
	int64_t handshake_timeout_ns, hello_timeout_ns, frame_timeout_ns;
	int64_t keepalive_ns, ping_interval_ns, drain_timeout_ns;
	char *drain_to;

	/* how much */
	uint64_t max_connections;
	uint64_t max_per_address, accept_rate; /* 0: no limit */
	uint64_t frame_max_bytes, payload_max_bytes;
	uint64_t threshold_bytes;
	uint32_t codecs; /* bit mask: 1 zlib, 2 snappy */
	uint64_t queue_bytes, memory_bytes;
	int overload; /* enum relay_overload */

	/* looking into it */
	bool trace;
	char *capture;
	uint64_t capture_bytes, n_capture_files;
	char *keylog;
	int log_level; /* enum log_level */

	/* instead of running; from the command line only */
	char *make_token; /* the id, or "*" */
	char *make_token_name;
	bool check_config, help, version;
};

/*
 * The command line and the file it names, held against each other; --help,
 * --version and --make-token are left to the caller. True: *opt is for
 * relay_options_free(). False: *opt holds nothing, and `err` says where, what
 * and what was expected. argv may be permuted, as getopt does.
 */
bool relay_options_read(struct relay_options *opt, int argc, char **argv,
    char err[RELAY_ERR_CHARS]);

/*
 * The same at the start of the program, which it ends itself at --help,
 * --version and bad usage.
 */
void relay_options_parse(struct relay_options *opt, int argc, char **argv);

/* What a reload changed: names of options with blanks between, or "". */
struct relay_changes {
	char now[RELAY_NAMES_CHARS]; /* take effect while running */
	char restart[RELAY_NAMES_CHARS]; /* take effect at the next start */
};

/*
 * Of `fresh`, just read, against `old`, which is in force. What has to wait
 * for a restart becomes in `fresh` what it is in `old`, so that `fresh` is
 * what is in force from now on; `old` is only read, and stays the caller's to
 * free once no thread looks at it. False: `err` says why, keep `old`; as where
 * a listener needs a restart to go, but its certificate is gone already.
 *
 * That a file is the same by name does not say the same of its contents:
 * read certificates and tokens again in any case.
 */
bool relay_options_reload(const struct relay_options *old,
    struct relay_options *fresh, struct relay_changes *changes,
    char err[RELAY_ERR_CHARS]);

/* What it holds, not *opt itself. */
void relay_options_free(struct relay_options *opt);

#endif
