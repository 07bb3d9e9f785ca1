/* SPDX-License-Identifier: MIT */
/*
 * Captures that do not hold all: what was not damaged comes out, and the loss
 * is reported, as long as it is.
 */
#include "tests/captures/trial.h"

#define OK (1u << 0)
#define FAILED (1u << 1)
#define LOSSY (1u << 3)

static const struct trial ends[] = {
	{ .recordings = "plain",
	    .mangle = "--cut-start 20",
	    .kind = TRIAL_LOSSY },
	{ .recordings = "plain",
	    .mangle = "--cut-start 260",
	    .kind = TRIAL_LOSSY },
	{ .recordings = "net",
	    .mangle = "--cut-start 40",
	    .kind = TRIAL_LOSSY },
	{ .recordings = "stock",
	    .mangle = "--cut-start 9",
	    .kind = TRIAL_LOSSY },
	{ .recordings = "plain",
	    .mangle = "--cut-end 60",
	    .kind = TRIAL_LOSSY,
	    .exits = OK | LOSSY },
	{ .recordings = "net",
	    .mangle = "--cut-end 40",
	    .kind = TRIAL_LOSSY,
	    .exits = OK | LOSSY },
	{ .recordings = "stock",
	    .mangle = "--cut-end 30",
	    .kind = TRIAL_LOSSY,
	    .exits = OK | LOSSY },
};

/* So many packets are missing at the start. */
static const int starts[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20,
	24, 28, 32, 40, 48 };

static const struct trial segments[] = {
	{ .mangle = "--drop-random 3", .n_seeds = 6, .kind = TRIAL_LOSSY },
	{ .recordings = "plain stock",
	    .mangle = "--segment 1448 --drop-random 1",
	    .n_seeds = 6,
	    .kind = TRIAL_LOSSY,
	    .has[CAP_GAP] = true },
	{ .recordings = "plain",
	    .mangle = "--segment 1448 --drop-random 50",
	    .kind = TRIAL_LOSSY },
	{ .recordings = "net",
	    .mangle = "--segment 536 --drop-random 50",
	    .kind = TRIAL_LOSSY },
	{ .mangle = "--segment 1448 --drop-random 50",
	    .n_seeds = 2,
	    .kind = TRIAL_LOSSY },
	{ .mangle = "--segment 1448 --reorder 8 --duplicate 10 --drop-random 2",
	    .n_seeds = 2,
	    .kind = TRIAL_LOSSY },
	{ .mangle = "--segment 1448 --reorder 8 --overlap 10 --drop-random 2",
	    .n_seeds = 2,
	    .kind = TRIAL_LOSSY },
	{ .mangle = "--segment 1448 --reorder 8 --rst --drop-random 2",
	    .n_seeds = 2,
	    .kind = TRIAL_LOSSY },
	{ .mangle = "--segment 1448 --seq-wrap --ipv6 --link sll2 --pcapng"
		    " --drop-random 2",
	    .n_seeds = 2,
	    .kind = TRIAL_LOSSY },
	/* as the rows that are for one recording had it */
	{ .recordings = "plain",
	    .mangle = "--segment 1448 --reorder 8 --duplicate 10"
		      " --drop-random 2",
	    .kind = TRIAL_LOSSY },
	{ .recordings = "net",
	    .mangle = "--segment 1448 --reorder 8 --overlap 10"
		      " --drop-random 2",
	    .kind = TRIAL_LOSSY },
	{ .recordings = "stock",
	    .mangle = "--segment 1448 --reorder 8 --rst --drop-random 2",
	    .kind = TRIAL_LOSSY },
};

static const struct trial fragments[] = {
	{ .recordings = "plain",
	    .mangle = "--segment 4000 --fragment 1480 --drop-fragments 2",
	    .kind = TRIAL_LOSSY },
	{ .recordings = "net",
	    .mangle = "--ipv6 --segment 4000 --fragment 1400"
		      " --drop-fragments 2",
	    .kind = TRIAL_LOSSY },
	{ .mangle = "--ipv6 --exthdr --segment 4000 --fragment 1400"
		    " --fragment-reorder --drop-fragments 2",
	    .n_seeds = 2,
	    .kind = TRIAL_LOSSY },
};

static const struct trial snapped[] = {
	{ .recordings = "plain",
	    .mangle = "--snaplen 1500",
	    .kind = TRIAL_LOSSY },
	{ .recordings = "net",
	    .mangle = "--segment 1448 --snaplen 1000",
	    .kind = TRIAL_LOSSY },
	{ .recordings = "stock",
	    .mangle = "--snaplen 20000",
	    .kind = TRIAL_LOSSY },
	{ .mangle = "--snaplen 128", .kind = TRIAL_LOSSY },
	{ .mangle = "--segment 1448 --reorder 8 --snaplen 200",
	    .n_seeds = 2,
	    .kind = TRIAL_LOSSY },
	{ .mangle = "--segment 1448 --drop-random 5 --snaplen 300",
	    .n_seeds = 2,
	    .kind = TRIAL_LOSSY },
	{ .recordings = "net",
	    .mangle = "--cut-start 40 --snaplen 128",
	    .kind = TRIAL_LOSSY },
};

/* Garbage in a stream is passed over, and reported. */
static const struct trial garbage[] = {
	{ .recordings = "plain",
	    .mangle = "--garbage 50",
	    .n_seeds = 8,
	    .kind = TRIAL_LOSSY },
	{ .recordings = "net",
	    .mangle = "--garbage 3000",
	    .n_seeds = 8,
	    .kind = TRIAL_LOSSY },
	{ .recordings = "stock",
	    .mangle = "--garbage 1 --segment 1448",
	    .n_seeds = 8,
	    .kind = TRIAL_LOSSY },
};

/* A pause of a day costs the frame it falls into, at most. */
static const struct trial pauses[] = {
	{ .mangle = "--idle 86400", .kind = TRIAL_ANY },
};

/* All before the damage, an error, exit 1. */
static const struct trial cut_files[] = {
	{ .mangle = "--nano --cut-bytes 5000",
	    .kind = TRIAL_LOSSY,
	    .exits = FAILED,
	    .warns = true,
	    .has[CAP_FRAME] = true },
	{ .mangle = "--pcapng --cut-bytes 5000",
	    .kind = TRIAL_LOSSY,
	    .exits = FAILED,
	    .warns = true,
	    .has[CAP_FRAME] = true },
	/* in the header of a packet */
	{ .recordings = "net",
	    .mangle = "--nano --cut-bytes 90",
	    .kind = TRIAL_ANY,
	    .exits = FAILED,
	    .warns = true },
	{ .recordings = "net",
	    .mangle = "--pcapng --cut-bytes 90",
	    .kind = TRIAL_ANY,
	    .exits = FAILED,
	    .warns = true },
};

/* The recording under TLS, one end of which is inside a frame. */
#define TLS \
	.recordings = "tls13", .keylog = true, .kind = TRIAL_LOSSY, \
	.expect = { .n_streams = 3 }, .n[CAP_FRAME] = 160

static const struct trial tls[] = {
	{ TLS },
	{ TLS, .json = true },
	{ TLS, .mangle = "" },
	{ TLS, .mangle = "--segment 1448 --reorder 8 --duplicate 10",
	    .n_seeds = 2 },
	{ TLS, .mangle = "--segment 1448 --overlap 30 --seq-wrap",
	    .n_seeds = 2 },
	{ TLS, .mangle = "--ipv6 --exthdr --link sll2 --rst" },
	{ TLS,
	    .mangle = "--segment 100 --fragment 56 --fragment-reorder"
		      " --pcapng" },
	/* without its secrets there are no frames */
	{ .recordings = "tls13",
	    .kind = TRIAL_WRONG,
	    .exits = LOSSY,
	    .has_no[CAP_FRAME] = true },
	/* segments are missing: what is told is right, the rest reported */
	{ .recordings = "tls13",
	    .keylog = true,
	    .mangle = "--segment 1448 --drop-packets 300",
	    .kind = TRIAL_LOSSY,
	    .expect = { .tls = TRIAL_TLS_CONN },
	    .has[CAP_FRAME] = true },
};

TRIAL_TABLE(ends)
TRIAL_TABLE(segments)
TRIAL_TABLE(fragments)
TRIAL_TABLE(snapped)
TRIAL_TABLE(garbage)
TRIAL_TABLE(pauses)
TRIAL_TABLE(cut_files)
TRIAL_TABLE(tls)

START_TEST(test_starts)
{
	struct trial row = { .recordings = "stock", .kind = TRIAL_ANY };
	char options[60];

	(void)snprintf(options, sizeof(options),
	    "--segment 30000 --cut-start %d", starts[_i]);
	row.mangle = options;
	trial_run(&row);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("captures_lossy");

	TRIAL_ADD(suite, ends);
	TRIAL_ADD(suite, starts);
	TRIAL_ADD(suite, segments);
	TRIAL_ADD(suite, fragments);
	TRIAL_ADD(suite, snapped);
	TRIAL_ADD(suite, garbage);
	TRIAL_ADD(suite, pauses);
	TRIAL_ADD(suite, cut_files);
	TRIAL_ADD(suite, tls);
	return suite;
}

TRIAL_MAIN(make_suite)
