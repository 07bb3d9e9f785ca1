/* SPDX-License-Identifier: MIT */
/* options - the command line of bluenet-replay. */
#ifndef REPLAY_OPTIONS_H
#define REPLAY_OPTIONS_H

#include "cmd/capture/capture.h"
#include "cmd/common/address.h"
#include "cmd/common/cli.h"
#include "cmd/common/client_files.h"
#include "cmd/common/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_PORT 26000 /* used when the target names no port */
#define REPLAY_CAPTURES_MAX 256
#define REPLAY_MAPS_MAX 256
#define REPLAY_ALLOW_MAX OPTION_CIDRS_MAX
#define REPLAY_CLIENTS_MAX 1000000
#define REPLAY_HOW_CHARS 256
#define REPLAY_FAIL_IFS_MAX 32
#define REPLAY_SOURCES_MAX 64
#define REPLAY_CPUS_MAX 64
#define REPLAY_TARGETS_MAX 32
#define REPLAY_MAP_RELAYS_MAX OPTION_TEXTS_MAX

/* Exit codes; see bluenet-replay(1). */
enum replay_exit {
	REPLAY_OK = 0, /* done, and the answers were the same */
	REPLAY_DIFFERENT = 1, /* differences, failed scenarios, or an error */
	REPLAY_USAGE = 2, /* wrong usage, or a target that is refused */
	REPLAY_NOT_CONNECTED = 3,
	REPLAY_LATE = 4, /* the injector did not keep up */
};

enum replay_mode {
	REPLAY_PLAY = 0,
	REPLAY_COMPILE, /* --compile without a target */
	REPLAY_DRY_RUN,
	REPLAY_MERGE,
	REPLAY_SCENARIO,
};

enum replay_timing {
	REPLAY_SPEED = 0, /* as captured, times `speed` */
	REPLAY_RATE, /* evenly, `rate` frames a second in all */
	REPLAY_ASAP,
};

enum replay_pacing {
	REPLAY_OPEN = 0, /* by the clock alone */
	REPLAY_CLOSED, /* after the earlier answers and the think time */
	REPLAY_HYBRID, /* by the clock, but not before the earlier answers */
};

enum replay_when {
	REPLAY_AUTO = 0,
	REPLAY_ALWAYS,
	REPLAY_NEVER,
};

#define REPLAY_CODEC_AS_RECORDED (-1)

struct replay_node_map {
	uint64_t from, to;
};

/* Whose rules a scenario tests; in the order of the words of --only. */
enum replay_rules {
	REPLAY_RULES_OURS,
	REPLAY_RULES_STOCK,
	REPLAY_N_RULES
};

struct replay_options {
	enum replay_mode mode;
	bool dry_run, merge; /* as given; `mode` is derived */
	const char *captures[REPLAY_CAPTURES_MAX]; /* or reports to merge */
	size_t n_captures;
	const char *target; /* the first one as given; NULL: none */
	const char *targets[REPLAY_TARGETS_MAX]; /* all of them */
	size_t n_targets;
	struct option_texts map_relay; /* "OLD=NEW": relays of the capture */

	/* input */
	char *bpf, *filter, *keylog, *keys_file; /* or NULL */
	struct option_ports ports;
	struct cap_settings cap; /* ports, order, limits */
	int roles; /* as given; sets the next two */
	bool nodes; /* --roles: play the captured nodes */
	bool clients; /* and the clients, including stock ones; the default */
	char *compile_to; /* or NULL */

	/* timing */
	bool asap; /* as given; sets `timing` */
	enum replay_timing timing;
	double speed; /* 1 */
	double rate; /* frames per second, in total */
	enum replay_pacing pacing;
	double connect_speed; /* 0: as `speed` */
	int64_t max_idle_ns; /* 0: silence is not cut */
	int64_t ramp_ns; /* -1: the default, by the number of connections */
	int64_t stagger_ns; /* between clones of a session; -1: spread evenly */
	int64_t answer_timeout_ns; /* 10 s */
	int64_t duration_ns; /* 0: no limit */
	uint64_t loop; /* 1; 0: endless */
	int64_t start_at_ns; /* unix time; 0: now */

	/* clients and threads */
	uint64_t n_clients; /* 0: as many as in the capture */
	uint32_t shard, of_shards; /* 0 of 1 */
	struct replay_node_map maps[REPLAY_MAPS_MAX];
	size_t n_maps;
	int codec; /* enum bnet_codec_id, or REPLAY_CODEC_AS_RECORDED */
	bool rewrite_payload; /* ids in addresses of machoNet */
	unsigned n_threads; /* 0: see play.c */
	bool spin;
	bool realtime; /* SCHED_FIFO, and memory locked */
	unsigned cpus[REPLAY_CPUS_MAX]; /* of the threads, in turn */
	size_t n_cpus; /* 0: any */

	/* targets */
	struct client_options client;
	char *tls_host; /* name in the certificate; NULL: from the target */
	struct option_cidrs allow;
	struct address sources[REPLAY_SOURCES_MAX]; /* port 0 */
	size_t n_sources; /* 0: the system chooses */
	int target_order; /* enum bnet_order; AUTO: find out */
	bool no_probe;

	/* results */
	int64_t max_late_ns; /* 10 ms */
	struct option_texts fail_ifs; /* thresholds_check() */
	bool allow_undecided;
	int64_t bucket_ns; /* 1 s */
	char *report, *log, *html; /* paths, or NULL */
	bool diff;
	char *ignore; /* masks of --diff, or NULL; diff_masks_parse() */
	bool stock; /* diff_masks_stock() */
	int progress; /* enum replay_when */
	bool quiet; /* no coverage report, no progress */
	bool verbose; /* report each step */
	/* The options that shape a run, as given. */
	char how[REPLAY_HOW_CHARS];

	/* --scenario */
	char *scenario; /* a folder or a file */
	char *scenario_only; /* glob of names to run, or NULL */
	int scenario_rules; /* enum replay_rules: whose to run */
	char *scenario_relay; /* command that starts a relay, or NULL */
	int64_t scenario_timeout_ns; /* per expectation; 5 s */
};

extern const struct option_program replay_program;

/*
 * Fills *opt; release it with replay_options_free(). On bad usage, prints the
 * reason and exits with REPLAY_USAGE; exits with 0 after --help, --version and
 * "-Y help". The captures and the target are borrowed from argv.
 */
void replay_options_parse(struct replay_options *opt, int argc, char **argv);
void replay_options_free(struct replay_options *opt);

/*
 * Parses "2026-11-25T12:00:00Z" (decimals and other offsets are allowed),
 * "@1764072000.5", or "+5s" relative to now_ns. *at_ns is in ns of unix time.
 */
bool replay_time(const char *text, int64_t now_ns, int64_t *at_ns,
    char err[OPTION_ERR_CHARS]);

#endif
