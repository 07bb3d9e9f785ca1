/* SPDX-License-Identifier: MIT */
/*
 * options - the command line and the file of bluenet-relay: see its manual.
 *
 * To add an option: a member here, a row in options.c, and the manual; see
 * cmd/common/options.h.
 *
 * For the main thread. A struct relay_options that was read is not changed
 * any more, so any thread may read it until it is freed.
 */
#ifndef RELAY_OPTIONS_H
#define RELAY_OPTIONS_H

#include "cmd/common/log.h"
#include "cmd/common/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RELAY_CIDRS_MAX 16
#define RELAY_LISTEN_DEFAULT "127.0.0.1:26000"
#define RELAY_ERR_CHARS 1024

enum relay_tls_min {
	RELAY_TLS_1_2 = 0,
	RELAY_TLS_1_3,
};

enum relay_overload {
	RELAY_OVERLOAD_REFUSE = 0,
	RELAY_OVERLOAD_PAUSE,
	RELAY_OVERLOAD_CUT,
};

/* Strings are NULL where they were not given and have no default. */
struct relay_options {
	/* who listens where: RELAY_LISTEN_DEFAULT if there is nothing else */
	struct option_addresses listen, listen_tls;
	struct option_addresses metrics; /* at most one */
	struct option_cidrs proxy_protocol; /* trusted senders; none: off */
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
	bool verbose; /* as --log-level debug, which it sets */

	/* instead of running; from the command line only */
	char *make_token; /* the id, or "*" */
	char *make_token_name;
	bool check_config;
};

extern const struct option_program relay_program;

/*
 * The command line and the file it names, held against each other. False: the
 * mistakes are in `reading`. At --help and --version, which are left to the
 * caller, the file is not read. *opt is for relay_options_free() in any case.
 * argv may be permuted, as getopt does.
 */
bool relay_options_read(struct relay_options *opt,
    struct option_reading *reading, int argc, char **argv);

/*
 * The same at the start of the program, which it ends itself at --help,
 * --version and bad usage.
 */
void relay_options_parse(struct relay_options *opt, int argc, char **argv);

/*
 * What a reload changed; see options_reload(). Of `fresh`, read with
 * `reading`, against `old`, which is in force. What has to wait for a restart
 * becomes in `fresh` what it is in `old`, so that `fresh` is what is in force
 * from now on; `old` is only read, and stays the caller's to free once no
 * thread looks at it. False: `reading` says why, keep `old`; as where a
 * listener needs a restart to go, but its certificate is gone already.
 *
 * That a file is the same by name does not say the same of its contents:
 * read certificates and tokens again in any case.
 */
bool relay_options_reload(const struct relay_options *old,
    struct relay_options *fresh, struct option_reading *reading,
    struct option_changes *changes);

/* What it holds, not *opt itself. */
void relay_options_free(struct relay_options *opt);

#endif
