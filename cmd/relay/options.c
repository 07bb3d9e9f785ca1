/* SPDX-License-Identifier: MIT */
#include "cmd/relay/options.h"

#include "cmd/common/cli.h"
#include "cmd/engine/engine.h"
#include "cmd/relay/routes.h"
#include "cmd/relay/limits.h"
#include "cmd/relay/options_impl.h"
#include "proto/bluenet.h"
#include "proto/frame.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
/* In the order of --help; it ends with a name of NULL. */
static const struct relay_option relay_table[] = {
	{ 'l', "listen", "ADDR:PORT", "listen, plain (" RELAY_LISTEN_DEFAULT ")",
	    ADDRESSES(listen, RELAY_LIST_MAX) },
	{ 'L', "listen-tls", "ADDR:PORT", "listen, with TLS",
	    ADDRESSES(listen_tls, RELAY_LIST_MAX) },
	{ 0, "cert", "FILE", "certificate chain of the relay, PEM",
	    PATH(cert, RELAY_RELOAD) },
	{ 0, "key", "FILE", "its private key, PEM", PATH(key, RELAY_RELOAD) },
	{ 0, "ca", "FILE", "CA that signs the nodes' certificates, PEM",
	    PATH(ca, RELAY_RELOAD) },
	{ 0, "tls-min", "VERSION", "lowest TLS version: 1.2 or 1.3 (1.2)",
	    WORD("1.2", tls_min, RELAY_RESTART, tls_versions) },
	{ 0, "proxy-protocol", "CIDRS", "load balancers that send PROXY v2",
	    NULL, RELAY_CIDRS, RELAY_RESTART, AT(proxy_protocol), 0, 0, NULL },

	{ 0, "id", "N", "id of the relay among nodes (1)",
	    NUMBER("1", id, RELAY_RESTART, 1, ID_MAX) },
	{ 0, "name", "TEXT", "name of the relay (relay)",
	    TEXT("relay", name, RELAY_RESTART, 0, NAME_CHARS) },
	{ 0, "environment", "TEXT", "environment to show peers (development)",
	    TEXT("development", environment, RELAY_RESTART, 0, NAME_CHARS) },
	{ 0, "clients-from", "N", "first id for clients (1)",
	    NUMBER("1", clients_from, RELAY_RESTART, 1, ID_MAX) },
	{ 0, "nodes-from", "N", "first id for nodes that ask for none (1)",
	    NUMBER("1", nodes_from, RELAY_RESTART, 1, ID_MAX) },
	{ 0, "ids", "N", "number of ids of each kind (65536)",
	    NUMBER("65536", n_ids, RELAY_RESTART, 1, IDS_MAX) },
	{ 0, "threads", "N", "worker threads; 0: one per core (0)",
	    NUMBER("0", n_threads, RELAY_RESTART, 0, ENGINE_WORKERS_MAX) },
	{ 0, "user", "USER", "run as USER once bound",
	    PATH(user, RELAY_RESTART) },

	{ 0, "insecure", NULL, "allow plain and unproved peers beyond loopback",
	    FLAG(insecure, RELAY_RESTART) },
	{ 0, "tokens", "FILE", "tokens of nodes", PATH(tokens, RELAY_RELOAD) },
	{ 0, "client-tokens", "FILE", "require one of these tokens of clients",
	    PATH(client_tokens, RELAY_RELOAD) },
	{ 0, "require-hello", NULL, "refuse stock clients",
	    FLAG(require_hello, RELAY_RESTART) },
	{ 0, "no-client-to-client", NULL, "let clients reach nodes only",
	    FLAG(no_client_to_client, RELAY_RESTART) },

	{ 0, "handshake-timeout", "TIME", "limit for TLS and PROXY headers (15s)",
	    TIME("15s", handshake_timeout_ns, RELAY_RELOAD) },
	{ 0, "hello-timeout", "TIME", "limit for the first packet (15s)",
	    TIME("15s", hello_timeout_ns, RELAY_RELOAD) },
	{ 0, "frame-timeout", "TIME", "limit for more of a frame (30s)",
	    TIME("30s", frame_timeout_ns, RELAY_RELOAD) },
	{ 0, "keepalive", "TIME", "silence before a keepalive (20s)",
	    TIME("20s", keepalive_ns, RELAY_RESTART) },
	{ 0, "ping-interval", "TIME", "time between pings of a link (30s)",
	    TIME("30s", ping_interval_ns, RELAY_RESTART) },
	{ 0, "drain-timeout", "TIME", "time for peers to leave at the end (10s)",
	    TIME("10s", drain_timeout_ns, RELAY_RELOAD) },
	{ 0, "drain-to", "TEXT", "where peers are to go at the end",
	    TEXT(NULL, drain_to, RELAY_RELOAD, 0, NAME_CHARS) },

	{ 0, "max-connections", "N", "most connections at once (10000)",
	    NUMBER("10000", max_connections, RELAY_RELOAD, 1, LIMITS_OPEN_MAX) },
	{ 0, "max-per-address", "N", "most at once per address; 0: no limit (0)",
	    NUMBER("0", max_per_address, RELAY_RELOAD, 0, LIMITS_OPEN_MAX) },
	{ 0, "accept-rate", "N", "most new ones per second; 0: no limit (0)",
	    NUMBER("0", accept_rate, RELAY_RELOAD, 0, 1000000) },
	{ 0, "max-frame", "SIZE", "longest frame (1M)",
	    SIZE("1M", frame_max_bytes, RELAY_RESTART, 256,
		BNET_FRAME_MAX_BYTES_TOP) },
	{ 0, "max-payload", "SIZE", "longest payload after inflating (20000000)",
	    SIZE("20000000", payload_max_bytes, RELAY_RESTART, 256,
		UINT32_MAX) },
	{ 0, "codecs", "LIST", "zlib and snappy, or none (zlib,snappy)",
	    "zlib,snappy", RELAY_CODECS, RELAY_RESTART, AT(codecs), 0, 0,
	    NULL },
	{ 0, "threshold", "SIZE", "compress from this size on (200)",
	    SIZE("200", threshold_bytes, RELAY_RESTART, 0, UINT32_MAX) },
	{ 0, "queue", "SIZE", "most bytes queued for a destination (4M)",
	    SIZE("4M", queue_bytes, RELAY_RELOAD, 4096, SIZE_MAX / 4) },
	{ 0, "memory", "SIZE", "most bytes in all buffers together (1G)",
	    SIZE("1G", memory_bytes, RELAY_RELOAD, 1 << 20, SIZE_MAX / 4) },
	{ 0, "overload", "POLICY", "on a full queue: refuse, pause or cut (refuse)",
	    WORD("refuse", overload, RELAY_RELOAD, overloads) },

	{ 0, "trace", NULL, "add this relay to echoes that ask for a trace",
	    FLAG(trace, RELAY_RESTART) },
	{ 0, "metrics", "ADDR:PORT", "serve /metrics, /healthz and /links",
	    ADDRESSES(metrics, 1) },
	{ 0, "capture", "FILE", "record the traffic, decrypted, as pcap",
	    PATH(capture, RELAY_RESTART) },
	{ 0, "capture-size", "SIZE", "size of a capture file (64M)",
	    SIZE("64M", capture_bytes, RELAY_RESTART, 65536, SIZE_MAX / 4) },
	{ 0, "capture-files", "N", "capture files to keep (4)",
	    NUMBER("4", n_capture_files, RELAY_RESTART, 1, 1000) },
	{ 0, "keylog", "FILE", "write TLS secrets (NSS key log format)",
	    PATH(keylog, RELAY_RESTART) },
	{ 0, "log-level", "LEVEL", "error, warn, info or debug (info)",
	    WORD("info", log_level, RELAY_RELOAD, log_level_names) },

	{ 0, "config", "FILE", "read more options from FILE",
	    PATH(config, RELAY_COMMAND) },
	{ 0, "check-config", NULL, "check the configuration, and exit",
	    FLAG(check_config, RELAY_COMMAND) },
	{ 0, "make-token", "ID NAME", "print a new token, and exit",
	    PATH(make_token, RELAY_COMMAND) },
	{ 'h', "help", NULL, "show this help", FLAG(help, RELAY_COMMAND) },
	{ 'V', "version", NULL, "print the version", FLAG(version, RELAY_COMMAND) },
	{ 0, NULL, NULL, NULL, NULL, RELAY_FLAG, RELAY_COMMAND, 0, 0, 0, NULL },
};
/* clang-format on */

/* NULL: there is none of that name. */
static const struct relay_option *
relay_option_named(const char *name)
{
	const struct relay_option *row = relay_table;

	while (row->name != NULL && strcmp(row->name, name) != 0)
		row++;
	return row->name != NULL ? row : NULL;
}

static void
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

/* Says why, and is false. */
static bool __attribute__((format(printf, 2, 3)))
refuse(char err[RELAY_ERR_CHARS], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, RELAY_ERR_CHARS, fmt, ap);
	va_end(ap);
	return false;
}

/* What is reached from other machines is authenticated. */
static bool
check_loopback(const struct relay_addresses *list, const char *name,
    const char *instead, char err[RELAY_ERR_CHARS])
{
	char text[ADDRESS_CHARS];

	for (size_t i = 0; i < list->n; i++)
		if (!address_is_loopback(&list->at[i]))
			return refuse(err,
			    "%s: '%s': expected a loopback address; %s, or"
			    " --insecure to do it all the same",
			    name, address_format(&list->at[i], text), instead);
	return true;
}

static bool
check_tls(const struct relay_options *opt, char err[RELAY_ERR_CHARS])
{
	if (opt->cert != NULL && opt->key == NULL)
		return refuse(err, "cert: expected key with it: add --key");
	if (opt->key != NULL && opt->cert == NULL)
		return refuse(err, "key: expected cert with it: add --cert");
	if (opt->listen_tls.n > 0 && opt->cert == NULL)
		return refuse(err,
		    "listen-tls: expected a certificate: add --cert FILE"
		    " and --key FILE");
	return true;
}

static bool
check_ids(
    const char *name, uint64_t from, uint64_t n, char err[RELAY_ERR_CHARS])
{
	if (n - 1 > (uint64_t)INT64_MAX - from)
		return refuse(err,
		    "%s: '%llu': expected room for %llu ids (--ids) below"
		    " 2^63",
		    name, (unsigned long long)from, (unsigned long long)n);
	return true;
}

/* Options that do not go together. */
static bool
relay_options_check(const struct relay_options *opt, char err[RELAY_ERR_CHARS])
{
	if (!check_tls(opt, err) ||
	    !check_ids("clients-from", opt->clients_from, opt->n_ids, err) ||
	    !check_ids("nodes-from", opt->nodes_from, opt->n_ids, err))
		return false;
	if (opt->queue_bytes > opt->memory_bytes)
		return refuse(err,
		    "queue: '%llu': expected at most --memory, which is %llu",
		    (unsigned long long)opt->queue_bytes,
		    (unsigned long long)opt->memory_bytes);
	return opt->insecure ||
	    (check_loopback(
		 &opt->listen, "listen", "use --listen-tls for others", err) &&
		check_loopback(&opt->metrics, "metrics",
		    "put a proxy that asks who it is before it", err));
}

#define ROWS_MAX 64
#define LONG_BASE 256 /* getopt's value of row 0, by its long name */

struct reading {
	struct relay_options *opt;
	bool given[ROWS_MAX]; /* on the command line */
	char *err;
};

static void __attribute__((format(printf, 2, 3)))
report(char err[RELAY_ERR_CHARS], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, RELAY_ERR_CHARS, fmt, ap);
	va_end(ap);
}

static size_t
index_of(const struct relay_option *row)
{
	return (size_t)(row - relay_table);
}

/* "NAME: 'VALUE': expected ..." */
static bool
set(const struct relay_option *row, struct relay_options *opt,
    const char *prefix, const char *value, char err[RELAY_ERR_CHARS])
{
	char why[RELAY_ERR_CHARS];

	if (relay_value_set(row, opt, value, why))
		return true;
	report(err, "%s%s: '%.200s': %.600s", prefix, row->name, value, why);
	return false;
}

static bool
set_defaults(struct relay_options *opt, char err[RELAY_ERR_CHARS])
{
	for (const struct relay_option *row = relay_table; row->name; row++)
		if (row->initial != NULL &&
		    !set(row, opt, "", row->initial, err))
			return false;
	return true;
}

/* ---- the command line ---- */

struct getopt_tables {
	struct option longs[ROWS_MAX + 1];
	char shorts[2 * ROWS_MAX + 2];
};

/* `shorts` starts with a colon: getopt reports what is missing. */
static void
make_tables(struct getopt_tables *tables)
{
	char *letter = tables->shorts + 1;
	struct option *lng = tables->longs;

	for (const struct relay_option *row = relay_table; row->name; row++) {
		/* a flag takes =yes or =no, to overrule the file */
		*lng++ = (struct option){ row->name,
			row->arg != NULL ? required_argument
					 : optional_argument,
			NULL, LONG_BASE + (int)index_of(row) };
		if (row->letter != '\0')
			*letter++ = row->letter;
		if (row->letter != '\0' && row->arg != NULL)
			*letter++ = ':';
	}
	*letter = '\0';
	*lng = (struct option){ NULL, 0, NULL, 0 };
}

static const struct relay_option *
row_of(int c)
{
	const struct relay_option *row = relay_table;

	if (c >= LONG_BASE)
		return &relay_table[c - LONG_BASE];
	while (row->letter != c)
		row++;
	return row;
}

static bool
take_option(struct reading *reading, int c)
{
	const struct relay_option *row = row_of(c);

	reading->given[index_of(row)] = true;
	return set(row, reading->opt, "--", optarg != NULL ? optarg : "yes",
	    reading->err);
}

/* What getopt did not know. */
static bool
refuse_option(int c, char **argv, char err[RELAY_ERR_CHARS])
{
	if (c == ':')
		report(err, "%s: an argument is missing", argv[optind - 1]);
	else if (optopt != 0 && optopt < LONG_BASE)
		report(err, "-%c: no such option", optopt);
	else
		report(err, "%s: no such option", argv[optind - 1]);
	return false;
}

/* The words behind the options: only --make-token has one. */
static bool
take_words(
    struct relay_options *opt, char **words, int n, char err[RELAY_ERR_CHARS])
{
	if (opt->make_token != NULL && n == 0)
		report(err, "--make-token: expected ID NAME");
	else if (n > (opt->make_token != NULL ? 1 : 0))
		report(err, "'%.200s': expected options only", words[n - 1]);
	else if (n == 1 && (opt->make_token_name = strdup(words[0])) == NULL)
		report(err, "out of memory");
	else
		return true;
	return false;
}

static bool
read_command_line(struct reading *reading, int argc, char **argv)
{
	struct getopt_tables tables = { .shorts = ":" };
	int c;

	make_tables(&tables);
	opterr = 0;
	optind = 0; /* from the start, also when it is read again */
	while ((c = getopt_long(
		    argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
		if (c == ':' || c == '?')
			return refuse_option(c, argv, reading->err);
		if (!take_option(reading, c))
			return false;
		if (reading->opt->help || reading->opt->version)
			return true;
	}
	return take_words(
	    reading->opt, argv + optind, argc - optind, reading->err);
}

/* ---- the file ---- */

/* What the command line overrules has to be right all the same. */
static bool
set_nothing(const struct relay_option *row, const char *value,
    char err[RELAY_ERR_CHARS])
{
	struct relay_options unused = { .n_threads = 0 };
	bool ok = set(row, &unused, "", value, err);

	relay_value_clear(row, &unused);
	return ok;
}

static bool
take_line(
    void *ctx, const char *name, const char *value, char err[RELAY_ERR_CHARS])
{
	const struct relay_option *row = relay_option_named(name);
	struct reading *reading = ctx;

	if (row == NULL || row->when == RELAY_COMMAND) {
		report(err, "%.200s: '%.200s': expected %s", name, value,
		    row == NULL ? "the name of an option"
				: "it on the command line only");
		return false;
	}
	if (reading->given[index_of(row)])
		return set_nothing(row, value, err);
	return set(row, reading->opt, "", value, err);
}

bool
relay_options_read(
    struct relay_options *opt, int argc, char **argv, char err[RELAY_ERR_CHARS])
{
	struct reading reading = { .opt = opt, .err = err };

	*opt = (struct relay_options){ .n_threads = 0 };
	if (!set_defaults(opt, err) || !read_command_line(&reading, argc, argv))
		goto fail;
	if (opt->help || opt->version)
		return true;
	if (opt->config != NULL &&
	    !relay_file_read(opt->config, take_line, &reading, err))
		goto fail;
	if (!relay_options_check(opt, err))
		goto fail;
	return true;
fail:
	relay_options_free(opt);
	return false;
}

void
relay_options_parse(struct relay_options *opt, int argc, char **argv)
{
	char err[RELAY_ERR_CHARS];

	if (!relay_options_read(opt, argc, argv, err))
		cli_usage("%s", err);
	if (opt->user != NULL && geteuid() != 0)
		cli_usage(
		    "user: '%s': expected to be started by root", opt->user);
	if (!opt->help && !opt->version)
		return;
	if (opt->help)
		relay_help();
	else
		puts("bluenet-relay " BNET_VERSION);
	relay_options_free(opt);
	if (fflush(stdout) != 0 || ferror(stdout))
		cli_die("standard output: %s", strerror(errno));
	exit(CLI_OK);
}

static void
add_name(char names[RELAY_NAMES_CHARS], const char *name)
{
	size_t n = strlen(names);

	snprintf(
	    names + n, RELAY_NAMES_CHARS - n, "%s%s", n > 0 ? " " : "", name);
}

bool
relay_options_reload(const struct relay_options *old,
    struct relay_options *fresh, struct relay_changes *changes,
    char err[RELAY_ERR_CHARS])
{
	*changes = (struct relay_changes){ .now = "" };
	for (const struct relay_option *row = relay_table; row->name; row++) {
		if (relay_value_same(row, old, fresh))
			continue;
		if (row->when == RELAY_RELOAD) {
			add_name(changes->now, row->name);
			continue;
		}
		add_name(changes->restart, row->name);
		if (!relay_value_copy(row, fresh, old)) {
			report(err, "out of memory");
			return false;
		}
	}
	return relay_options_check(fresh, err);
}

void
relay_options_free(struct relay_options *opt)
{
	for (const struct relay_option *row = relay_table; row->name; row++)
		relay_value_clear(row, opt);
	free(opt->make_token_name);
	opt->make_token_name = NULL;
}
