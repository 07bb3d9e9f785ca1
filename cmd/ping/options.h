/* SPDX-License-Identifier: MIT */
/* options - the command line of bluenet-ping. For main.c. */
#ifndef PING_OPTIONS_H
#define PING_OPTIONS_H

#include "cmd/common/client_files.h"
#include "cmd/common/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PING_PORT 26000 /* of a relay given without a port */
#define PING_FAIL_IFS_MAX 16
#define PING_PADDING_BYTES_MAX 65536

/* The meaning of the words after the options. */
enum ping_mode {
	PING_MEASURE = 0, /* a relay, then nodes */
	PING_FROM, /* logs to read back */
	PING_COMPARE, /* two logs */
};

enum ping_output {
	PING_TEXT = 0,
	PING_JSON,
	PING_CSV,
};

enum ping_layers {
	PING_LAYER_NET = 0,
	PING_LAYER_SERVICE,
	PING_LAYER_BOTH,
};

enum ping_hop {
	PING_HOP_NONE = 0,
	PING_HOP_PING, /* by header ping */
	PING_HOP_ECHO,
};

/* The relay and `words` are borrowed from argv. */
struct ping_options {
	bool from, compare; /* as given; use `mode` */
	enum ping_mode mode;
	const char *relay; /* PING_MEASURE only */
	char **words; /* the nodes, or the files */
	size_t n_words;
	uint64_t count; /* 0: no limit */
	int64_t interval_ns, timeout_ns;
	int64_t bucket_ns; /* 0: an hour, or that of the files */
	int64_t deadline_ns; /* from the start; 0: none */
	uint64_t padding_bytes;
	int output; /* enum ping_output */
	int layers; /* enum ping_layers */
	int hop; /* enum ping_hop */
	int order; /* enum bnet_order */
	bool clients, mesh;
	bool poisson, spin, trace;
	bool verbose, live;
	int unit; /* enum cluster_unit */
	bool per_node, percentiles;
	bool exit_on_loss;
	bool as_node, force;
	uint64_t as_id; /* 0: the relay chooses */
	char *name;
	uint64_t seed;
	char *log, *samples, *plot; /* files; NULL: none */
	double tolerance; /* of --compare, a fraction: 0.05 */
	struct option_texts fail_ifs;
	bool allow_undecided;
	struct client_options client;
};

extern const struct option_program ping_program;

/*
 * For ping_options_free(). Ends the process on --help, --version and bad
 * usage.
 */
void ping_options_parse(struct ping_options *opt, int argc, char **argv);
void ping_options_free(struct ping_options *opt);

#endif
