/* SPDX-License-Identifier: MIT */
#include "cmd/relay/options_impl.h"

#include "cmd/engine/engine.h"
#include "cmd/relay/ids.h"
#include "cmd/relay/limits.h"
#include "proto/frame.h"

#include <stdio.h>
#include <string.h>

#define TEXT_CHARS 4096
#define NAME_CHARS 255
#define NS_PER_MS UINT64_C(1000000)
#define TIME_MIN_NS (10 * NS_PER_MS)
#define TIME_MAX_NS (86400000 * NS_PER_MS)
#define ID_MAX ((uint64_t)INT64_MAX)

static const char *const tls_versions[] = { "1.2", "1.3", NULL };
static const char *const overloads[] = { "refuse", "pause", "cut", NULL };

#define AT(member) offsetof(struct relay_options, member)

/* Rows alike: where the value is, and what it may be. */
#define FLAG(member, when) NULL, RELAY_FLAG, when, AT(member), 0, 0, NULL
#define TEXT(value, member, when, min, max) \
	value, RELAY_TEXT, when, AT(member), min, max, NULL
#define PATH(member, when) TEXT(NULL, member, when, 1, TEXT_CHARS)
#define NUMBER(value, member, when, min, max) \
	value, RELAY_NUMBER, when, AT(member), min, max, NULL
#define SIZE(value, member, when, min, max) \
	value, RELAY_SIZE, when, AT(member), min, max, NULL
#define TIME(value, member, when) \
	value, RELAY_DURATION, when, AT(member), TIME_MIN_NS, TIME_MAX_NS, NULL
#define WORD(value, member, when, words) \
	value, RELAY_WORD, when, AT(member), 0, 0, words
#define ADDRESSES(member, max) \
	NULL, RELAY_ADDRESSES, RELAY_RESTART, AT(member), 1, max, NULL

/* clang-format off */
const struct relay_option relay_table[] = {
	{ 'l', "listen", "ADDR:PORT", "listen, plain (" RELAY_LISTEN_DEFAULT ")",
	    ADDRESSES(listen, RELAY_LIST_MAX) },
	{ 'L', "listen-tls", "ADDR:PORT", "listen, with TLS",
	    ADDRESSES(listen_tls, RELAY_LIST_MAX) },
	{ 0, "cert", "FILE", "certificates of the relay, PEM",
	    PATH(cert, RELAY_RELOAD) },
	{ 0, "key", "FILE", "its private key, PEM", PATH(key, RELAY_RELOAD) },
	{ 0, "ca", "FILE", "who signs the nodes' certificates, PEM",
	    PATH(ca, RELAY_RELOAD) },
	{ 0, "tls-min", "VERSION", "1.2 or 1.3 (1.2)",
	    WORD("1.2", tls_min, RELAY_RESTART, tls_versions) },
	{ 0, "proxy-protocol", "CIDRS", "balancers that speak PROXY v2",
	    NULL, RELAY_CIDRS, RELAY_RESTART, AT(proxy_protocol), 0, 0, NULL },

	{ 0, "id", "N", "id of the relay among nodes (1)",
	    NUMBER("1", id, RELAY_RESTART, 1, ID_MAX) },
	{ 0, "name", "TEXT", "name of the relay (relay)",
	    TEXT("relay", name, RELAY_RESTART, 0, NAME_CHARS) },
	{ 0, "environment", "TEXT", "told to peers (development)",
	    TEXT("development", environment, RELAY_RESTART, 0, NAME_CHARS) },
	{ 0, "clients-from", "N", "first id for clients (1)",
	    NUMBER("1", clients_from, RELAY_RESTART, 1, ID_MAX) },
	{ 0, "nodes-from", "N", "first id for nodes that want none (1)",
	    NUMBER("1", nodes_from, RELAY_RESTART, 1, ID_MAX) },
	{ 0, "ids", "N", "how many ids of each (65536)",
	    NUMBER("65536", n_ids, RELAY_RESTART, 1, IDS_MAX) },
	{ 0, "threads", "N", "worker threads; 0 is one a core (0)",
	    NUMBER("0", n_threads, RELAY_RESTART, 0, ENGINE_WORKERS_MAX) },
	{ 0, "user", "USER", "go on as USER once bound",
	    PATH(user, RELAY_RESTART) },

	{ 0, "insecure", NULL, "plain beyond loopback, and nodes unproved",
	    FLAG(insecure, RELAY_RESTART) },
	{ 0, "tokens", "FILE", "tokens of nodes", PATH(tokens, RELAY_RELOAD) },
	{ 0, "client-tokens", "FILE", "clients need a token of these",
	    PATH(client_tokens, RELAY_RELOAD) },
	{ 0, "require-hello", NULL, "no stock clients",
	    FLAG(require_hello, RELAY_RESTART) },
	{ 0, "no-client-to-client", NULL, "clients reach nodes only",
	    FLAG(no_client_to_client, RELAY_RESTART) },

	{ 0, "handshake-timeout", "TIME", "for TLS and PROXY headers (15s)",
	    TIME("15s", handshake_timeout_ns, RELAY_RELOAD) },
	{ 0, "hello-timeout", "TIME", "for the first packet (15s)",
	    TIME("15s", hello_timeout_ns, RELAY_RELOAD) },
	{ 0, "frame-timeout", "TIME", "for more of a frame (30s)",
	    TIME("30s", frame_timeout_ns, RELAY_RELOAD) },
	{ 0, "keepalive", "TIME", "silence before a keepalive (20s)",
	    TIME("20s", keepalive_ns, RELAY_RESTART) },
	{ 0, "ping-interval", "TIME", "between pings of a link (30s)",
	    TIME("30s", ping_interval_ns, RELAY_RESTART) },
	{ 0, "drain-timeout", "TIME", "for peers to go at the end (10s)",
	    TIME("10s", drain_timeout_ns, RELAY_RELOAD) },
	{ 0, "drain-to", "TEXT", "at the end, where peers are to go",
	    TEXT(NULL, drain_to, RELAY_RELOAD, 0, NAME_CHARS) },

	{ 0, "max-connections", "N", "at once (10000)",
	    NUMBER("10000", max_connections, RELAY_RELOAD, 1, LIMITS_OPEN_MAX) },
	{ 0, "max-per-address", "N", "at once; 0 is no limit (0)",
	    NUMBER("0", max_per_address, RELAY_RELOAD, 0, LIMITS_OPEN_MAX) },
	{ 0, "accept-rate", "N", "new ones a second; 0 is no limit (0)",
	    NUMBER("0", accept_rate, RELAY_RELOAD, 0, 1000000) },
	{ 0, "max-frame", "SIZE", "longest frame (1M)",
	    SIZE("1M", frame_max_bytes, RELAY_RESTART, 256,
		BNET_FRAME_MAX_BYTES_TOP) },
	{ 0, "max-payload", "SIZE", "longest payload inflated (20000000)",
	    SIZE("20000000", payload_max_bytes, RELAY_RESTART, 256,
		UINT32_MAX) },
	{ 0, "codecs", "LIST", "of zlib and snappy, or none (zlib,snappy)",
	    "zlib,snappy", RELAY_CODECS, RELAY_RESTART, AT(codecs), 0, 0,
	    NULL },
	{ 0, "threshold", "SIZE", "compress from this size on (200)",
	    SIZE("200", threshold_bytes, RELAY_RESTART, 0, UINT32_MAX) },
	{ 0, "queue", "SIZE", "held for a destination (4M)",
	    SIZE("4M", queue_bytes, RELAY_RELOAD, 4096, SIZE_MAX / 4) },
	{ 0, "memory", "SIZE", "held in all buffers together (1G)",
	    SIZE("1G", memory_bytes, RELAY_RELOAD, 1 << 20, SIZE_MAX / 4) },
	{ 0, "overload", "POLICY", "refuse, pause or cut (refuse)",
	    WORD("refuse", overload, RELAY_RELOAD, overloads) },

	{ 0, "trace", NULL, "add to echoes that ask for a trace",
	    FLAG(trace, RELAY_RESTART) },
	{ 0, "metrics", "ADDR:PORT", "serve /metrics, /healthz and /links",
	    ADDRESSES(metrics, 1) },
	{ 0, "capture", "FILE", "record what passes, decrypted, as pcap",
	    PATH(capture, RELAY_RESTART) },
	{ 0, "capture-size", "SIZE", "of a file of the capture (64M)",
	    SIZE("64M", capture_bytes, RELAY_RESTART, 65536, SIZE_MAX / 4) },
	{ 0, "capture-files", "N", "kept of the capture (4)",
	    NUMBER("4", n_capture_files, RELAY_RESTART, 1, 1000) },
	{ 0, "keylog", "FILE", "write TLS secrets (NSS key log format)",
	    PATH(keylog, RELAY_RESTART) },
	{ 0, "log-level", "LEVEL", "error, warn, info or debug (info)",
	    WORD("info", log_level, RELAY_RELOAD, log_level_names) },

	{ 0, "config", "FILE", "read more options from FILE",
	    PATH(config, RELAY_COMMAND) },
	{ 0, "check-config", NULL, "say whether it would start, and exit",
	    FLAG(check_config, RELAY_COMMAND) },
	{ 0, "make-token", "ID NAME", "print a new token, and exit",
	    PATH(make_token, RELAY_COMMAND) },
	{ 'h', "help", NULL, "this", FLAG(help, RELAY_COMMAND) },
	{ 'V', "version", NULL, "the version", FLAG(version, RELAY_COMMAND) },
	{ 0, NULL, NULL, NULL, NULL, RELAY_FLAG, RELAY_COMMAND, 0, 0, 0, NULL },
};
/* clang-format on */

const struct relay_option *
relay_option_named(const char *name)
{
	const struct relay_option *row = relay_table;

	while (row->name != NULL && strcmp(row->name, name) != 0)
		row++;
	return row->name != NULL ? row : NULL;
}

void
relay_help(void)
{
	puts("usage: bluenet-relay [-l ADDR:PORT]... [-L ADDR:PORT]...\n"
	     "                     [--cert FILE --key FILE] [--config FILE]"
	     " [options]\n\n"
	     "Pass packets between clients and nodes. In FILE an option is"
	     " 'name = value',\nand a flag 'name = yes'.\n");
	for (const struct relay_option *row = relay_table; row->name != NULL;
	     row++) {
		char left[64];

		snprintf(left, sizeof(left), "%c%c%s--%s%s%s",
		    row->letter ? '-' : ' ', row->letter ? row->letter : ' ',
		    row->letter ? ", " : "  ", row->name,
		    row->arg != NULL ? " " : "",
		    row->arg != NULL ? row->arg : "");
		printf("  %-30s %s\n", left, row->about);
	}
	puts("\nExit: 0 ended in order; 1 failed; 2 usage."
	     " See bluenet-relay(1).");
}
