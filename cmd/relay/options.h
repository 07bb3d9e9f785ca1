/* SPDX-License-Identifier: MIT */
/*
 * options - the command line and the file of bluenet-relay: see its manual.
 *
 * To add an option: a member here, a row in options.c, and the manual; see
 * cmd/common/options.h.
 *
 * For the main thread. A struct relay_options does not change once it is read,
 * so any thread may read it until it is freed.
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

enum relay_log_format {
	RELAY_LOG_LOGFMT = 0,
	RELAY_LOG_JSON,
};

/* Strings are NULL if they were not given and have no default. */
struct relay_options {
	/* where to listen; RELAY_LISTEN_DEFAULT if there is nothing else */
	struct option_addresses listen, listen_tls;
	struct option_addresses metrics; /* at most one */
	struct option_cidrs proxy_protocol; /* trusted senders; none: off */
	char *cert, *key, *ca, *crl;
	int tls_min; /* enum relay_tls_min */

	uint64_t id; /* of the relay: a node id */
	char *name, *environment;
	uint64_t clients_from, nodes_from; /* the first id of each block */
	uint64_t n_ids; /* in each block */
	int64_t id_rest_ns;

	uint64_t n_threads; /* 0: one per core */
	char *config;
	char *user;

	/* who is admitted */
	bool insecure_listen, insecure_nodes, insecure_metrics;
	bool require_hello, no_client_to_client, keep_revoked;
	char *tokens, *client_tokens;

	/* timeouts */
	int64_t handshake_timeout_ns, hello_timeout_ns, frame_timeout_ns;
	int64_t write_timeout_ns;
	int64_t keepalive_ns, ping_interval_ns, drain_timeout_ns;
	int64_t drain_spread_ns;
	char *drain_to;

	/* limits */
	uint64_t max_connections;
	uint64_t reserve_nodes; /* of them, for nodes */
	uint64_t max_per_address, accept_rate; /* 0: no limit */
	uint64_t client_rate, client_bytes; /* a second; 0: no limit */
	struct option_texts key_rate; /* KEY=N */
	int client_excess; /* enum rates_excess */
	uint64_t frame_max_bytes, payload_max_bytes;
	uint64_t threshold_bytes;
	uint32_t codecs; /* bit mask: 1 zlib, 2 snappy */
	uint64_t queue_bytes, memory_bytes;
	uint64_t socket_bytes; /* receive buffer; 0: the system's */
	int overload; /* enum relay_overload */

	/* observing the relay */
	bool trace;
	char *capture;
	uint64_t capture_bytes, n_capture_files;
	char *keylog;
	int log_level; /* enum log_level */
	int log_format; /* enum relay_log_format */
	bool verbose; /* sets --log-level debug */

	/* instead of running; from the command line only */
	char *make_token; /* the id, or "*" */
	char *make_token_name;
	bool check_config;
};

extern const struct option_program relay_program;

/*
 * Read the command line and the file that it names, and check them together.
 * False: the errors are in `reading`. With --help and --version, which the
 * caller handles, the file is not read. Call relay_options_free() on *opt in
 * any case. argv may be permuted, as getopt does.
 */
bool relay_options_read(struct relay_options *opt,
    struct option_reading *reading, int argc, char **argv);

/*
 * The same at the start of the program: it ends the process at --help,
 * --version and bad usage.
 */
void relay_options_parse(struct relay_options *opt, int argc, char **argv);

/*
 * Apply a reload; see options_reload(). Compares `fresh`, read with `reading`,
 * to `old`, which is in force. Options that need a restart are set in `fresh`
 * to their value in `old`, so that `fresh` is what is in force from now on.
 * `old` is only read; the caller frees it once no thread uses it. False:
 * `reading` says why; keep `old`. That includes a listener that can go only at
 * a restart, but has lost its certificate already.
 *
 * A file of the same name may have new contents: reload certificates and
 * tokens in any case.
 */
bool relay_options_reload(const struct relay_options *old,
    struct relay_options *fresh, struct option_reading *reading,
    struct option_changes *changes);

/* Frees the contents, not *opt itself. */
void relay_options_free(struct relay_options *opt);

#endif
