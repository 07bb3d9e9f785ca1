/* SPDX-License-Identifier: MIT */
#include "cmd/replay/options_impl.h"

#include "cmd/engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define LONG_NS (INT64_C(400) * 86400 * NS_PER_S)

static const char *const whens[] = { "auto", "always", "never", NULL };

#define AT(member) offsetof(struct replay_options, member)

/* Where options are of use. What is of use to play is so to --dry-run. */
#define PLAY (REPLAY_IN(REPLAY_PLAY) | REPLAY_IN(REPLAY_DRY_RUN))
#define TELL (PLAY | REPLAY_TOLD)
#define READ (TELL | REPLAY_IN(REPLAY_COMPILE))
#define PEER (PLAY | REPLAY_IN(REPLAY_SCENARIO))
#define SCENARIO REPLAY_IN(REPLAY_SCENARIO)
#define PAPER (PLAY | REPLAY_IN(REPLAY_MERGE))
#define ALL UINT32_C(255)

/* Rows alike: where the value is, and what it may be. */
#define FLAG(member, where) REPLAY_FLAG, where, AT(member), 0, 0, NULL, NULL
#define TEXT(member, where) REPLAY_TEXT, where, AT(member), 0, 0, NULL, NULL
#define TIME(member, where, min) \
	REPLAY_DURATION, where, AT(member), min, LONG_NS, NULL, NULL
#define OWN(take, where) REPLAY_OWN, where, 0, 0, 0, NULL, take

/* clang-format off */
const struct replay_option replay_table[] = {
	/* what is read */
	{ 'f', "bpf", "BPF", "packets to read, as tcpdump takes them",
	    TEXT(bpf, READ) },
	{ 'Y', "filter", "EXPR", "frames to play; help lists the fields",
	    TEXT(filter, READ) },
	{ 'p', "port", "PORTS", "ports of relays (26000), or any",
	    OWN(replay_take_ports, READ) },
	{ 0, "order", "ORDER", "byte order: auto, little, network",
	    OWN(replay_take_order, READ) },
	{ 0, "keylog", "FILE", "TLS secrets (NSS key log format)",
	    TEXT(keylog, READ & ~REPLAY_TOLD) },
	{ 0, "keys", "FILE", "names of keys, one a line",
	    TEXT(keys_file, PAPER) },
	{ 0, "roles", "ROLES", "to play: clients, nodes, all (clients)",
	    OWN(replay_take_roles, TELL) },
	{ 0, "compile", "FILE", "write a replay file, which starts at once",
	    TEXT(compile_to, PLAY | REPLAY_IN(REPLAY_COMPILE)) },
	{ 0, "dry-run", NULL, "send nothing: print what would be sent",
	    FLAG(dry_run, PLAY) },

	/* when it is sent */
	{ 0, "speed", "X", "so many times as fast as it was (1)",
	    OWN(replay_take_speed, TELL) },
	{ 0, "rate", "N", "so many frames a second in all, evenly",
	    OWN(replay_take_rate, TELL) },
	{ 0, "asap", NULL, "as fast as the target takes them",
	    REPLAY_OWN, TELL, 0, 0, 0, NULL, NULL },
	{ 0, "pacing", "HOW", "open, closed or hybrid (open)",
	    OWN(replay_take_pacing, TELL) },
	{ 0, "max-idle", "TIME", "cut silence that was longer",
	    TIME(max_idle_ns, TELL, 1) },
	{ 0, "connect-speed", "X", "the same as --speed, of connecting",
	    REPLAY_FACTOR, TELL, AT(connect_speed), 0, 1000000, NULL, NULL },
	{ 0, "ramp", "TIME", "connect evenly over that; 0: no ramp",
	    TIME(ramp_ns, TELL, 0) },
	{ 0, "stagger", "TIME", "between clones of a session",
	    TIME(stagger_ns, TELL, 0) },
	{ 0, "answer-timeout", "TIME", "give up an answer then (10s)",
	    TIME(answer_timeout_ns, TELL, NS_PER_MS) },
	{ 0, "duration", "TIME", "stop after that",
	    TIME(duration_ns, TELL, NS_PER_MS) },
	{ 0, "loop", "N", "play it so often; 0: without end (1)",
	    REPLAY_NUMBER, TELL, AT(loop), 0, UINT32_MAX, NULL, NULL },
	{ 0, "start-at", "TIME", "begin at 2026-11-25T12:00:00Z, @UNIX, +5s",
	    OWN(replay_take_start, PLAY) },

	/* who sends it */
	{ 0, "clients", "N", "sessions: clones, or a sample, to make N",
	    REPLAY_NUMBER, TELL, AT(n_clients), 1, REPLAY_CLIENTS_MAX, NULL,
	    NULL },
	{ 0, "shard", "I/N", "only the I-th part of N, from 0",
	    OWN(replay_take_shard, PLAY) },
	{ 0, "map-node", "OLD=NEW", "to NEW what was sent to node OLD",
	    OWN(replay_take_map, TELL) },
	{ 0, "codec", "CODEC", "none, zlib, snappy (as it was recorded)",
	    OWN(replay_take_codec, TELL) },
	{ 0, "threads", "N", "threads that send (one a processor)",
	    REPLAY_UNSIGNED, PLAY, AT(n_threads), 1, ENGINE_WORKERS_MAX, NULL,
	    NULL },
	{ 0, "spin", NULL, "never sleep: processors for precision",
	    FLAG(spin, TELL) },

	/* to whom */
	{ 0, "allow", "ADDRESS", "may be sent to, though not private",
	    OWN(replay_take_allow, PEER) },
	{ 0, "tls", NULL, "speak TLS",
	    FLAG(client.tls, PEER | REPLAY_TOLD) },
	{ 0, "tls-host", "NAME", "that its certificate has (of TARGET)",
	    TEXT(tls_host, PEER) },
	{ 0, "ca", "FILE", "trust certificates under these",
	    TEXT(client.ca, PEER) },
	{ 0, "cert", "FILE", "show this certificate",
	    TEXT(client.cert, PEER) },
	{ 0, "key", "FILE", "its key", TEXT(client.key, PEER) },
	{ 0, "token", "TOKEN", "the token to show",
	    REPLAY_TOKEN, PEER, AT(client.token), 0, 0, NULL, NULL },
	{ 0, "token-file", "FILE", "the same, from a file",
	    TEXT(client.token_file, PEER) },

	/* what is said of it */
	{ 0, "max-lateness", "TIME", "later than that: not kept up (10ms)",
	    TIME(max_late_ns, PLAY, 1000) },
	{ 0, "bucket", "TIME", "of results over time (1s)",
	    TIME(bucket_ns, PLAY, NS_PER_MS) },
	{ 0, "report", "FILE", "write all results, as JSON",
	    TEXT(report, PAPER) },
	{ 0, "log", "FILE", "write histograms, in HdrHistogram's format",
	    TEXT(log, PAPER) },
	{ 0, "html", "FILE", "write a page with charts",
	    TEXT(html, PAPER) },
	{ 0, "diff", NULL, "did it answer the same? else exit 1",
	    FLAG(diff, TELL) },
	{ 0, "ignore", "LIST", "what --diff leaves out: payload[0:8],...",
	    TEXT(ignore, TELL) },
	{ 0, "merge", NULL, "add up what shards wrote with --report",
	    FLAG(merge, REPLAY_IN(REPLAY_MERGE)) },
	{ 0, "progress", "WHEN", "auto, always or never",
	    REPLAY_WORD, PLAY | REPLAY_IN(REPLAY_COMPILE), AT(progress), 0, 0,
	    whens, NULL },
	{ 'q', "quiet", NULL, "no coverage, no progress", FLAG(quiet, ALL) },

	/* --scenario */
	{ 0, "scenario", "PATH", "run a scenario, or a folder of them",
	    TEXT(scenario, SCENARIO) },
	{ 0, "scenario-only", "GLOB", "those whose names match",
	    TEXT(scenario_only, SCENARIO) },
	{ 0, "scenario-timeout", "TIME", "of each thing expected (5s)",
	    TIME(scenario_timeout_ns, SCENARIO, NS_PER_MS) },

	{ 'h', "help", NULL, "this",
	    REPLAY_OWN, ALL, 0, 0, 0, NULL, NULL },
	{ 0, "version", NULL, "the version",
	    REPLAY_OWN, ALL, 0, 0, 0, NULL, NULL },
	{ .name = NULL },
};
/* clang-format on */

_Static_assert(
    sizeof(replay_table) / sizeof(replay_table[0]) <= REPLAY_ROWS_MAX, "rows");

_Noreturn void
replay_help(void)
{
	puts("usage: bluenet-replay [options] CAPTURE... TARGET[:PORT]\n"
	     "       bluenet-replay --compile FILE [options] CAPTURE..."
	     " [TARGET[:PORT]]\n"
	     "       bluenet-replay --dry-run [options] CAPTURE..."
	     " [TARGET[:PORT]]\n"
	     "       bluenet-replay --merge [options] REPORT...\n"
	     "       bluenet-replay --scenario PATH [options] TARGET[:PORT]\n\n"
	     "Play the clients of a capture against another cluster, and say"
	     " whether the\ncluster, or the injector, fell behind.\n");
	for (const struct replay_option *row = replay_table; row->name != NULL;
	     row++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%c%s--%s%s%s",
		    row->letter != 0 ? "-" : " ",
		    row->letter != 0 ? row->letter : ' ',
		    row->letter != 0 ? ", " : "  ", row->name,
		    row->arg != NULL ? " " : "",
		    row->arg != NULL ? row->arg : "");
		printf("  %-28s %s\n", left, row->about);
	}
	puts("\nExit: 0 done, and the same; 1 differences, failed scenarios or"
	     " an error;\n2 usage, or refused to do harm; 3 cannot connect;"
	     " 4 the injector was too late.\nSee bluenet-replay(1).");
	if (fflush(stdout) != 0 || ferror(stdout))
		cli_die("standard output: %s", strerror(errno));
	exit(REPLAY_OK);
}
