/* SPDX-License-Identifier: MIT */
#include "cmd/relay/options.h"

#include "cmd/common/cli.h"
#include "cmd/common/option_file.h"
#include "cmd/engine/engine.h"
#include "cmd/relay/ids.h"
#include "cmd/relay/limits.h"
#include "cmd/relay/rates.h"
#include "proto/frame.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME_CHARS 255
#define NS_PER_MS UINT64_C(1000000)
#define TIME_MIN_NS (10 * NS_PER_MS)
#define TIME_MAX_NS (86400000 * NS_PER_MS)
#define RESERVE_QUOTIENT 100 /* 1 / this of the connections is for nodes */
#define ID_MAX ((uint64_t)INT64_MAX)
#define SOCKET_CHARS (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static const char *const tls_versions[] = { "1.2", "1.3", NULL };
static const char *const log_formats[] = { "logfmt", "json", NULL };
static const char *const overloads[] = { "refuse", "pause", "cut", NULL };

static const char *const excesses[] = { "refuse", "pause", NULL };

#define OPT struct relay_options
#define TIMEOUT(member) OPTION_TIME(OPT, member, TIME_MIN_NS, TIME_MAX_NS)
#define LISTENERS(member) OPTION_ADDRESSES(OPT, member, OPTION_ADDRESSES_MAX)

/* clang-format off */
static const struct option_row rows[] = {
	{ "listen", 'l', "HOST:PORT", "accept plain connections there",
	    LISTENERS(listen), .shown = RELAY_LISTEN_DEFAULT,
	    .group = "Listening" },
	{ "listen-tls", 'L', "HOST:PORT", "accept TLS connections there",
	    LISTENERS(listen_tls) },
	{ "proxy-protocol", 0, "BLOCK,...",
	    "expect a PROXY v2 header from the balancers in these blocks",
	    OPTION_CIDRS(OPT, proxy_protocol, RELAY_CIDRS_MAX) },

	{ "cert", 0, "FILE", "show the certificates in FILE (PEM)",
	    OPTION_PATH(OPT, cert), .flags = OPTION_RELOAD, .group = "TLS" },
	{ "key", 0, "FILE", "use the private key in FILE (PEM)",
	    OPTION_PATH(OPT, key), .flags = OPTION_RELOAD },
	{ "ca", 0, "FILE", "accept node certificates signed under FILE (PEM)",
	    OPTION_PATH(OPT, ca), .flags = OPTION_RELOAD },
	{ "crl", 0, "FILE", "refuse certificates that FILE (PEM) revokes",
	    OPTION_PATH(OPT, crl), .flags = OPTION_RELOAD },
	{ "tls-min", 0, "VERSION", "require at least this version of TLS",
	    OPTION_WORD(OPT, tls_min, tls_versions), .initial = "1.2" },

	{ "id", 0, "N", "use N as the node id of the relay",
	    OPTION_NUMBER(OPT, id, 1, ID_MAX), .initial = "1",
	    .group = "Identity" },
	{ "name", 0, "TEXT", "set the name of the relay",
	    OPTION_TEXT(OPT, name, 0, NAME_CHARS), .initial = "relay" },
	{ "environment", 0, "TEXT", "set the environment that peers are told",
	    OPTION_TEXT(OPT, environment, 0, NAME_CHARS),
	    .initial = "development" },
	{ "clients-from", 0, "N", "give clients ids from N on",
	    OPTION_NUMBER(OPT, clients_from, 1, ID_MAX), .initial = "1" },
	{ "nodes-from", 0, "N", "give nodes that ask for no id one from N on",
	    OPTION_NUMBER(OPT, nodes_from, 1, ID_MAX), .initial = "1" },
	{ "ids", 0, "N", "have N ids for clients, and N for nodes",
	    OPTION_NUMBER(OPT, n_ids, 1, IDS_MAX), .initial = "65536" },

	{ "id-rest", 0, "TIME",
	    "give out an id again only after this time, while others are free",
	    OPTION_TIME(OPT, id_rest_ns, 0, TIME_MAX_NS), .initial = "60s",
	    .flags = OPTION_RELOAD },

	{ "tokens", 0, "FILE", "accept nodes with a token in FILE",
	    OPTION_PATH(OPT, tokens), .flags = OPTION_RELOAD,
	    .group = "Who may connect" },
	{ "client-tokens", 0, "FILE", "require of clients a token in FILE",
	    OPTION_PATH(OPT, client_tokens), .flags = OPTION_RELOAD },
	{ "keep-revoked", 0, NULL,
	    "keep links whose token or certificate is revoked",
	    OPTION_FLAG(OPT, keep_revoked), .flags = OPTION_RELOAD },
	{ "require-hello", 0, NULL, "refuse stock clients, which say no hello",
	    OPTION_FLAG(OPT, require_hello) },
	{ "no-client-to-client", 0, NULL,
	    "refuse packets from clients to clients",
	    OPTION_FLAG(OPT, no_client_to_client) },
	{ "insecure-listen", 0, NULL,
	    "allow plain listeners beyond loopback",
	    OPTION_FLAG(OPT, insecure_listen) },
	{ "insecure-nodes", 0, NULL,
	    "admit nodes without credentials, from anywhere",
	    OPTION_FLAG(OPT, insecure_nodes) },
	{ "insecure-metrics", 0, NULL, "allow --metrics beyond loopback",
	    OPTION_FLAG(OPT, insecure_metrics) },

	{ "handshake-timeout", 0, "TIME",
	    "cut a peer that needs longer for TLS or the PROXY header",
	    TIMEOUT(handshake_timeout_ns), .initial = "15s",
	    .flags = OPTION_RELOAD, .group = "Timeouts" },
	{ "hello-timeout", 0, "TIME",
	    "cut a peer that needs longer for its first packet",
	    TIMEOUT(hello_timeout_ns), .initial = "15s",
	    .flags = OPTION_RELOAD },
	{ "frame-timeout", 0, "TIME",
	    "cut a peer that stops in the middle of a frame for this long",
	    TIMEOUT(frame_timeout_ns), .initial = "30s",
	    .flags = OPTION_RELOAD },
	{ "write-timeout", 0, "TIME",
	    "cut a peer that reads nothing of its queue for this long",
	    TIMEOUT(write_timeout_ns), .initial = "30s" },
	{ "keepalive", 0, "TIME", "send a keepalive at least this often",
	    TIMEOUT(keepalive_ns), .initial = "20s" },
	{ "ping-interval", 0, "TIME", "measure the latency of links this often",
	    TIMEOUT(ping_interval_ns), .initial = "30s" },
	{ "drain-timeout", 0, "TIME",
	    "at the end, give peers and queues at most this long",
	    TIMEOUT(drain_timeout_ns), .initial = "10s",
	    .flags = OPTION_RELOAD },
	{ "drain-spread", 0, "TIME",
	    "at the end, tell peers to leave one after the other in this time",
	    OPTION_TIME(OPT, drain_spread_ns, 0, TIME_MAX_NS),
	    .initial = "1s", .flags = OPTION_RELOAD },
	{ "drain-to", 0, "TEXT", "at the end, tell peers to go to TEXT",
	    OPTION_TEXT(OPT, drain_to, 0, NAME_CHARS),
	    .flags = OPTION_RELOAD, .complete = "@hosts" },

	{ "max-connections", 0, "N", "accept at most N connections at once",
	    OPTION_NUMBER(OPT, max_connections, 1, LIMITS_OPEN_MAX),
	    .initial = "10000", .flags = OPTION_RELOAD, .group = "Limits" },
	{ "reserve-nodes", 0, "N",
	    "keep N of the connections for nodes",
	    OPTION_NUMBER(OPT, reserve_nodes, 0, LIMITS_OPEN_MAX),
	    .shown = "a hundredth of them", .flags = OPTION_RELOAD },
	{ "max-per-address", 0, "N",
	    "accept at most N at once from one address; 0 is no limit",
	    OPTION_NUMBER(OPT, max_per_address, 0, LIMITS_OPEN_MAX),
	    .initial = "0", .flags = OPTION_RELOAD },
	{ "accept-rate", 0, "N",
	    "accept at most N connections a second; 0 is no limit",
	    OPTION_NUMBER(OPT, accept_rate, 0, 1000000), .initial = "0",
	    .flags = OPTION_RELOAD },
	{ "client-rate", 0, "N",
	    "take at most N packets a second from a client; 0 is no limit",
	    OPTION_NUMBER(OPT, client_rate, 0, RATES_MAX), .initial = "0",
	    .flags = OPTION_RELOAD },
	{ "client-bytes", 0, "SIZE",
	    "take at most SIZE a second from a client; 0 is no limit",
	    OPTION_SIZE(OPT, client_bytes, 0, SIZE_MAX / 4), .initial = "0",
	    .flags = OPTION_RELOAD },
	{ "key-rate", 0, "KEY=N",
	    "take at most N packets a second of KEY from a client",
	    OPTION_TEXTS(OPT, key_rate, RATES_KEYS_MAX),
	    .flags = OPTION_RELOAD },
	{ "client-excess", 0, "POLICY",
	    "do this with what a client sends beyond its rates",
	    OPTION_WORD(OPT, client_excess, excesses), .initial = "refuse",
	    .flags = OPTION_RELOAD },
	{ "max-frame", 0, "SIZE", "cut a peer that sends a longer frame",
	    OPTION_SIZE(OPT, frame_max_bytes, 256, BNET_FRAME_MAX_BYTES_TOP),
	    .initial = "1M" },
	{ "max-payload", 0, "SIZE", "refuse to inflate a longer payload",
	    OPTION_SIZE(OPT, payload_max_bytes, 256, UINT32_MAX),
	    .initial = "20000000" },
	{ "queue", 0, "SIZE", "buffer at most SIZE for one destination",
	    OPTION_SIZE(OPT, queue_bytes, 4096, SIZE_MAX / 4),
	    .initial = "4M", .flags = OPTION_RELOAD },
	{ "memory", 0, "SIZE", "buffer at most SIZE in all",
	    OPTION_SIZE(OPT, memory_bytes, 1 << 20, SIZE_MAX / 4),
	    .initial = "1G", .flags = OPTION_RELOAD },
	{ "socket-buffer", 0, "SIZE",
	    "let the system receive at most SIZE ahead; 0 leaves it to it",
	    OPTION_SIZE(OPT, socket_bytes, 0, INT32_MAX / 2),
	    .initial = "1M" },
	{ "overload", 0, "POLICY", "do this when a buffer is full",
	    OPTION_WORD(OPT, overload, overloads), .initial = "refuse",
	    .flags = OPTION_RELOAD },

	{ "codecs", 0, "LIST",
	    "offer these codecs: zlib, snappy, both, or none",
	    OPTION_CODECS(OPT, codecs), .initial = "zlib,snappy",
	    .group = "Compression" },
	{ "threshold", 0, "SIZE", "compress payloads of at least SIZE",
	    OPTION_SIZE(OPT, threshold_bytes, 0, UINT32_MAX),
	    .initial = "200" },

	{ "threads", 0, "N", "use N worker threads; 0 is one for each core",
	    OPTION_NUMBER(OPT, n_threads, 0, ENGINE_WORKERS_MAX),
	    .initial = "0", .group = "Process" },
	{ "user", 0, "USER", "become USER once the sockets are open",
	    OPTION_PATH(OPT, user) },

	{ "metrics", 0, "HOST:PORT", "serve the status page, /metrics, /healthz and /links there",
	    OPTION_ADDRESSES(OPT, metrics, 1), .group = "Output" },
	{ "trace", 0, NULL, "add times to each echo that asks for a trace",
	    OPTION_FLAG(OPT, trace) },
	{ "capture", 0, "FILE", "record the decrypted packets in FILE (pcap)",
	    OPTION_PATH(OPT, capture) },
	{ "capture-size", 0, "SIZE", "start a new capture file at SIZE",
	    OPTION_SIZE(OPT, capture_bytes, 65536, SIZE_MAX / 4),
	    .initial = "64M" },
	{ "capture-files", 0, "N", "keep the last N capture files",
	    OPTION_NUMBER(OPT, n_capture_files, 1, 1000), .initial = "4" },
	{ "keylog", 0, "FILE", "append TLS secrets to FILE (NSS key log)",
	    OPTION_PATH(OPT, keylog) },
	{ "admin-socket", 0, "PATH", "take commands (--admin) there",
	    OPTION_PATH(OPT, admin_socket) },
	{ "log-format", 0, "FORMAT", "write the log in this format",
	    OPTION_WORD(OPT, log_format, log_formats), .initial = "logfmt" },
	{ "log-level", 0, "LEVEL", "log messages of this level and above",
	    OPTION_WORD(OPT, log_level, log_level_names), .initial = "info",
	    .flags = OPTION_RELOAD },
	{ "verbose", 'v', NULL, "log everything: --log-level debug",
	    OPTION_FLAG(OPT, verbose), .flags = OPTION_RELOAD },

	{ "config", 0, "FILE", "read options from FILE",
	    OPTION_PATH(OPT, config), .flags = OPTION_COMMAND,
	    .group = "Configuration and help" },
	{ "check-config", 0, NULL, "report every mistake in it, and exit",
	    OPTION_FLAG(OPT, check_config), .flags = OPTION_COMMAND },
	{ "admin", 0, "COMMAND",
	    "give a command to the relay of --admin-socket, and exit",
	    OPTION_PATH(OPT, admin), .flags = OPTION_COMMAND },
	{ "make-token", 0, "ID NAME", "print a new token, and exit",
	    OPTION_PATH(OPT, make_token), .flags = OPTION_COMMAND },
	{ OPTION_HELP_ROW },
	{ OPTION_VERSION_ROW },
	OPTION_END,
};
/* clang-format on */

const struct option_program relay_program = {
	.name = "bluenet-relay",
	.usage = "bluenet-relay [-l HOST:PORT]... [-L HOST:PORT]...\n"
		 "                     [--cert FILE --key FILE]"
		 " [--config FILE] [options]",
	.about = "Pass packets between clients and nodes. In the file of"
		 " --config, an option is 'name = value', and a flag is"
		 " 'name = yes'.",
	.ending = "Exit status: 0 ended in order; 1 failed; 2 bad usage. See"
		  " bluenet-relay(1).",
	.rows = rows,
	.opt_bytes = sizeof(OPT),
};

/* ---- options that do not go together ---- */

/* A listener that other machines can reach needs authentication. */
static void
check_loopback(struct option_reading *reading,
    const struct option_addresses *list, const char *name, const char *instead)
{
	char text[ADDRESS_CHARS];

	for (size_t i = 0; i < list->n; i++)
		if (!address_is_loopback(&list->at[i]))
			options_refuse(reading, name,
			    "\"%s\": expected a loopback address; %s, or"
			    " --insecure-%s to do it all the same",
			    address_format(&list->at[i], text), instead, name);
}

static void
check_tls(struct option_reading *reading, const struct relay_options *opt)
{
	if (opt->cert != NULL && opt->key == NULL)
		options_refuse(
		    reading, "cert", "expected key with it: add --key");
	if (opt->key != NULL && opt->cert == NULL)
		options_refuse(
		    reading, "key", "expected cert with it: add --cert");
	if (opt->crl != NULL && opt->ca == NULL)
		options_refuse(
		    reading, "crl", "expected ca with it: add --ca FILE");
	if (opt->listen_tls.n > 0 && opt->cert == NULL)
		options_refuse(reading, "listen-tls",
		    "expected a certificate: add --cert FILE and --key FILE");
}

static void
check_ids(
    struct option_reading *reading, const char *name, uint64_t from, uint64_t n)
{
	if (n - 1 > (uint64_t)INT64_MAX - from)
		options_refuse(reading, name,
		    "\"%llu\": expected room for %llu ids (--ids) below 2^63",
		    (unsigned long long)from, (unsigned long long)n);
}

static void
check_rates(struct option_reading *reading, const struct relay_options *opt)
{
	struct rates_settings rates = { .excess = RATES_REFUSE };
	const char *bad = rates_read(
	    &rates, opt->client_rate, opt->client_bytes, &opt->key_rate);

	if (bad != NULL)
		options_refuse(reading, "key-rate",
		    "\"%.200s\": expected KEY=N, where N is 1 to %d", bad,
		    RATES_MAX);
}

static void
check_admin(struct option_reading *reading, const struct relay_options *opt)
{
	if (opt->admin != NULL && opt->admin_socket == NULL)
		options_refuse(reading, "admin",
		    "expected the socket of the relay: add --admin-socket PATH,"
		    " or --config FILE that has it");
	if (opt->admin_socket != NULL &&
	    strlen(opt->admin_socket) > SOCKET_CHARS)
		options_refuse(reading, "admin-socket",
		    "\"%s\": expected a path of at most %zu bytes",
		    opt->admin_socket, SOCKET_CHARS);
}

static void
check(struct option_reading *reading, const struct relay_options *opt)
{
	check_tls(reading, opt);
	check_admin(reading, opt);
	check_rates(reading, opt);
	check_ids(reading, "clients-from", opt->clients_from, opt->n_ids);
	check_ids(reading, "nodes-from", opt->nodes_from, opt->n_ids);
	if (opt->reserve_nodes >= opt->max_connections)
		options_refuse(reading, "reserve-nodes",
		    "\"%llu\": expected less than --max-connections, which is"
		    " %llu",
		    (unsigned long long)opt->reserve_nodes,
		    (unsigned long long)opt->max_connections);
	if (opt->queue_bytes > opt->memory_bytes)
		options_refuse(reading, "queue",
		    "\"%llu\": expected at most --memory, which is %llu",
		    (unsigned long long)opt->queue_bytes,
		    (unsigned long long)opt->memory_bytes);
	if (!opt->insecure_listen)
		check_loopback(reading, &opt->listen, "listen",
		    "use --listen-tls for others");
	if (!opt->insecure_metrics)
		check_loopback(reading, &opt->metrics, "metrics",
		    "put an authenticating proxy in front of it");
}

/* The command is given as several words, or as one argument. */
static void
take_command(struct option_reading *reading, struct relay_options *opt)
{
	size_t len = strlen(opt->admin), n;
	char *more;

	for (int i = 0; i < reading->n_words; i++) {
		n = strlen(reading->words[i]);
		more = realloc(opt->admin, len + n + 2);
		if (more == NULL) {
			options_refuse(reading, NULL, "out of memory");
			return;
		}
		opt->admin = more;
		more[len] = ' ';
		memcpy(more + len + 1, reading->words[i], n + 1);
		len += n + 1;
	}
}

/* The words after the options: only --make-token and --admin take some. */
static void
take_words(struct option_reading *reading, struct relay_options *opt)
{
	int n = reading->n_words, n_max = opt->make_token != NULL ? 1 : 0;

	if (opt->admin != NULL && opt->make_token != NULL)
		options_refuse(
		    reading, "admin", "expected it without --make-token");
	else if (opt->admin != NULL)
		take_command(reading, opt);
	else if (n < n_max)
		options_refuse(reading, "make-token", "expected ID NAME");
	else if (n > n_max)
		options_refuse(reading, NULL,
		    "\"%.200s\": expected options only", reading->words[n - 1]);
	else if (n == 1 &&
	    (opt->make_token_name = strdup(reading->words[0])) == NULL)
		options_refuse(reading, NULL, "out of memory");
}

bool
relay_options_read(struct relay_options *opt, struct option_reading *reading,
    int argc, char **argv)
{
	*opt = (struct relay_options){ .n_threads = 0 };
	if (!options_read(reading, &relay_program, opt, argc, argv))
		return false;
	if (reading->help || reading->version)
		return true;
	take_words(reading, opt);
	if (opt->config != NULL)
		option_file_read(reading, opt->config);
	if (!options_given(reading, "reserve-nodes"))
		opt->reserve_nodes = opt->max_connections / RESERVE_QUOTIENT;
	check(reading, opt);
	if (opt->verbose)
		opt->log_level = LOG_LEVEL_DEBUG;
	return reading->n_mistakes == 0;
}

void
relay_options_parse(struct relay_options *opt, int argc, char **argv)
{
	struct option_reading reading;

	if (relay_options_read(opt, &reading, argc, argv) &&
	    opt->user != NULL && geteuid() != 0)
		options_refuse(&reading, "user",
		    "\"%s\": expected to be started by root", opt->user);
	options_end_if_bad(&reading);
	options_answer(&reading);
}

bool
relay_options_reload(const struct relay_options *old,
    struct relay_options *fresh, struct option_reading *reading,
    struct option_changes *changes)
{
	if (!options_reload(&relay_program, old, fresh, changes))
		options_refuse(reading, NULL, "out of memory");
	else
		check(reading, fresh);
	return reading->n_mistakes == 0;
}

void
relay_options_free(struct relay_options *opt)
{
	options_free(&relay_program, opt);
	free(opt->make_token_name);
	opt->make_token_name = NULL;
}
