/* SPDX-License-Identifier: MIT */
/*
 * Recordings in captures that are harder to read, but whole: every frame
 * comes out, and nothing is reported.
 */
#include "tests/captures/trial.h"

/* As recorded; what is printed as JSON is read back. */
static const struct trial as_recorded[] = {
	{ .json = true },
	{ .json = false },
	{ .mangle = "" },
};

static const struct trial segments[] = {
	{ .mangle = "--segment 1448" },
	{ .recordings = "net", .mangle = "--segment 7" },
	{ .recordings = "stock", .mangle = "--segment 61" },
	{ .mangle = "--coalesce 60000" },
	{ .mangle = "--reorder 4", .n_seeds = 2 },
	{ .mangle = "--reorder 10", .n_seeds = 2 },
	{ .mangle = "--segment 1448 --reorder 16", .n_seeds = 2 },
	{ .mangle = "--segment 536 --reorder 64", .n_seeds = 3 },
	{ .mangle = "--duplicate 25", .n_seeds = 2 },
	{ .mangle = "--segment 1448 --duplicate 10", .n_seeds = 4 },
	{ .mangle = "--segment 8000 --duplicate 100" },
	{ .mangle = "--overlap 40", .n_seeds = 2 },
	{ .mangle = "--segment 1448 --overlap 40", .n_seeds = 5 },
	{ .mangle = "--seq-wrap" },
	{ .mangle = "--seq-wrap --segment 1448 --reorder 12 --duplicate 5",
	    .n_seeds = 2 },
	{ .mangle = "--rst" },
	{ .mangle = "--rst --segment 1448 --duplicate 5 --reorder 6",
	    .n_seeds = 2 },
};

/* The first contents count, or the last ones; and it is said. */
static const struct trial conflicts[] = {
	{ .mangle = "--segment 1448 --conflict 5 --seed 6",
	    .kind = TRIAL_ANY,
	    .n[CAP_OVERLAP] = 5 },
	{ .mangle = "--segment 1448 --conflict 5",
	    .n_seeds = 3,
	    .kind = TRIAL_ANY,
	    .n[CAP_OVERLAP] = 5 },
	{ .mangle = "--segment 1448 --conflict 5 --conflict-first --seed 6",
	    .cap = { .overlap = CAP_OVERLAP_LAST },
	    .kind = TRIAL_ANY,
	    .n[CAP_OVERLAP] = 5 },
	{ .mangle = "--segment 1448 --conflict 5 --conflict-first --seed 6",
	    .kind = TRIAL_WRONG },
	{ .mangle = "--segment 1448 --conflict 5 --seed 6",
	    .cap = { .overlap = CAP_OVERLAP_LAST },
	    .kind = TRIAL_WRONG },
};

/* A port used again is a stream of its own. */
static const struct trial ports_again[] = {
	{ .recordings = "plain",
	    .mangle = "--port-reuse",
	    .expect = { .again = 34290, .n_streams = 4 } },
	{ .recordings = "net",
	    .mangle = "--port-reuse --rst --segment 1448 --reorder 6"
		      " --duplicate 5",
	    .n_seeds = 2,
	    .expect = { .again = 34318, .n_streams = 4 } },
	{ .recordings = "stock",
	    .mangle = "--port-reuse --ipv6 --seq-wrap --reorder 8",
	    .n_seeds = 2,
	    .expect = { .again = 44730, .n_streams = 2 } },
	/* without an end of the first: the last packets of it */
	{ .recordings = "stock",
	    .mangle = "--port-reuse --drop-packets 78-80",
	    .kind = TRIAL_ANY,
	    .expect = { .again = 44730, .n_streams = 2 } },
};

static const struct trial links[] = {
	{ .mangle = "--vlan 7" },
	{ .mangle = "--qinq 100,200" },
	{ .mangle = "--link sll" },
	{ .mangle = "--link sll2" },
	{ .mangle = "--link raw" },
	{ .mangle = "--link null" },
	{ .mangle = "--link loop" },
	{ .mangle = "--link sll --ipv6" },
	{ .mangle = "--link sll2 --ipv6" },
	{ .mangle = "--link raw --ipv6" },
	{ .mangle = "--link null --ipv6" },
	{ .mangle = "--link loop --ipv6" },
	{ .mangle = "--link sll --vlan 9" },
	{ .mangle = "--link sll2 --qinq 9,10" },
	{ .mangle = "--ipv6", .from = "[fd00::7f00:1]:" },
	{ .recordings = "stock",
	    .mangle = "--ipv6",
	    .json = true,
	    .prints = "\"src\":\"\\[fd00::7f00:1]:" },
	{ .mangle = "--ipv6 --exthdr" },
	{ .mangle = "--fragment 1480" },
	{ .mangle = "--segment 4000 --fragment 1480 --fragment-reorder" },
	{ .mangle = "--ipv6 --fragment 1400" },
	{ .mangle = "--ipv6 --exthdr --fragment 1400 --fragment-reorder" },
};

static const struct trial ports[] = {
	{ .mangle = "--port 4000", .cap = { .ports = { 4000 }, .n_ports = 1 } },
	{ .mangle = "--port 4000", .cap = { .any_port = true } },
	{ .mangle = "--port 4000",
	    .kind = TRIAL_WRONG,
	    .exits = 1u << 0,
	    .has_no[CAP_FRAME] = true },
};

static const struct trial files[] = {
	{ .mangle = "--nano" },
	{ .mangle = "--big-endian" },
	{ .mangle = "--big-endian --nano" },
	{ .mangle = "--pcapng" },
	{ .mangle = "--pcapng --nano --link sll2" },
	{ .mangle = "--pcapng --big-endian" },
};

static const struct trial combinations[] = {
	{ .mangle = "--segment 1448 --reorder 8 --duplicate 8 --overlap 8"
		    " --seq-wrap --rst --ipv6 --exthdr --link sll2 --vlan 5"
		    " --nano",
	    .n_seeds = 4 },
	{ .mangle = "--coalesce 9000 --segment 5000 --reorder 3 --duplicate 20"
		    " --fragment 1000 --fragment-reorder --qinq 3,4 --pcapng"
		    " --big-endian",
	    .n_seeds = 4 },
	{ .mangle = "--segment 3000 --overlap 30 --reorder 5 --ipv6 --exthdr"
		    " --fragment 1280 --link sll --qinq 7,8 --pcapng --nano",
	    .n_seeds = 3 },
	{ .mangle = "--coalesce 30000 --duplicate 30 --seq-wrap --rst"
		    " --link null --big-endian",
	    .n_seeds = 3 },
	{ .mangle = "--segment 700 --reorder 32 --overlap 15 --link loop"
		    " --ipv6 --nano --big-endian",
	    .n_seeds = 3 },
};

TRIAL_TABLE(as_recorded)
TRIAL_TABLE(segments)
TRIAL_TABLE(conflicts)
TRIAL_TABLE(ports_again)
TRIAL_TABLE(links)
TRIAL_TABLE(ports)
TRIAL_TABLE(files)
TRIAL_TABLE(combinations)

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("captures_whole");

	TRIAL_ADD(suite, as_recorded);
	TRIAL_ADD(suite, segments);
	TRIAL_ADD(suite, conflicts);
	TRIAL_ADD(suite, ports_again);
	TRIAL_ADD(suite, links);
	TRIAL_ADD(suite, ports);
	TRIAL_ADD(suite, files);
	TRIAL_ADD(suite, combinations);
	return suite;
}

TRIAL_MAIN(make_suite)
