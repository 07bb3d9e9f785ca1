/* SPDX-License-Identifier: MIT */
/*
 * Recordings inside of tunnels, tags and other link types: every frame comes
 * out, and what is lost is reported, as without them.
 */
#include "tests/captures/trial.h"

#include <stdio.h>

static const char *const names[] = { "vlan", "qinq", "vntag", "etag",
	"metadata", "snap", "mpls", "mpls3", "pw", "pw-bare", "pppoe", "pbb",
	"ipip", "ipip6", "etherip", "vxlan", "vxlan6", "gpe", "geneve",
	"geneve6", "geneve-options", "gre", "gre6", "gre-all", "teb", "gre-udp",
	"mpls-udp", "erspan1", "erspan2", "erspan3",
	/* several */
	"vntag,metadata,vlan", "qinq,snap", "vlan,pppoe", "qinq,mpls3,pw,vlan",
	"vxlan,qinq", "vxlan,mpls", "geneve-options,vlan,pppoe", "gre,mpls",
	"gre6,ipip", "ipip,ipip6,ipip", "vlan,erspan2,vxlan,qinq",
	"erspan3,geneve,vlan,gre-all", "pbb,vlan,mpls-udp,pw-bare",
	"metadata,gpe,pw,snap", "vxlan,vxlan6,vxlan,vxlan" };

static const char *const links[] = { "ether", "sll", "sll2", "raw", "null",
	"loop", "ppp", "hdlc", "nflog", "wlan", "radiotap" };

/* The ones that start with IP go over a link without an ethertype. */
static bool
goes_over(const char *link, const char *name)
{
	static const char *const inner[] = { "vxlan", "gpe", "geneve", "gre",
		"teb", "erspan", "ipip", "etherip", "mpls-udp" };
	static const char *const plain[] = { "raw", "null", "loop", "ppp",
		"nflog" };

	for (size_t i = 0; i < UNIT_ROWS(inner); i++)
		if (strncmp(name, inner[i], strlen(inner[i])) == 0)
			return true;
	for (size_t i = 0; i < UNIT_ROWS(plain); i++)
		if (strcmp(link, plain[i]) == 0)
			return false;
	return true;
}

/* A small one: what is tried is many. */
#define MADE .gen = "--frames 400 --frame-bytes 500 --streams 2"

/* What is tried with each of the names. */
static const struct way {
	const char *options;
	struct trial trial;
} ways[] = {
	{ "", { .recordings = "stock" } },
	{ "--ipv6", { MADE } },
	{ "--segment 8900 --trailer 7 --reorder 8", { MADE, .n_seeds = 1 } },
	{ "--segment 1448 --duplicate 10 --overlap 10 --rst --seq-wrap",
	    { MADE, .n_seeds = 1 } },
	{ "--ipv6 --exthdr --segment 1400 --reorder 6 --trailer 40",
	    { MADE, .n_seeds = 1 } },
	{ "--segment 4000 --fragment 1480 --fragment-reorder", { MADE } },
	{ "--ipv6 --segment 4000 --fragment 1400", { MADE } },
	{ "--segment 1448 --drop-random 2",
	    { MADE, .n_seeds = 1, .kind = TRIAL_LOSSY } },
	{ "--segment 1448 --reorder 8 --drop-random 2",
	    { MADE, .n_seeds = 1, .kind = TRIAL_LOSSY } },
	{ "--cut-start 20", { MADE, .kind = TRIAL_LOSSY } },
	{ "--ipv6 --cut-start 40", { MADE, .kind = TRIAL_LOSSY } },
	{ "--snaplen 1000", { MADE, .kind = TRIAL_LOSSY } },
};

#define OPTIONS_CHARS 300

START_TEST(test_around)
{
	const char *name = names[(size_t)_i / UNIT_ROWS(ways)];
	const struct way *way = &ways[(size_t)_i % UNIT_ROWS(ways)];
	struct trial trial = way->trial;
	char options[OPTIONS_CHARS];

	(void)snprintf(
	    options, sizeof(options), "--around %s %s", name, way->options);
	trial.mangle = options;
	trial_run(&trial);
}
END_TEST

START_TEST(test_links)
{
	static const char *const lists[] = { "", "vxlan", "gre", "mpls" };
	const char *link = links[(size_t)_i / UNIT_ROWS(lists)];
	const char *list = lists[(size_t)_i % UNIT_ROWS(lists)];
	const char *version = strcmp(list, "mpls") == 0 ? "" : "--ipv6";
	struct trial trial = { MADE };
	char options[OPTIONS_CHARS];

	if (!goes_over(link, list) && list[0] != '\0' &&
	    strcmp(link, "ppp") != 0)
		return;
	for (int i = 0; i < 2; i++) {
		(void)snprintf(options, sizeof(options),
		    "--link %s %s %s %s --segment 1448 --reorder 4 --trailer 4",
		    link, list[0] != '\0' ? "--around" : "", list,
		    i == 0 ? "" : version);
		trial.mangle = options;
		trial_run(&trial);
	}
}
END_TEST

/* The tunnel's own packets are fragments, the last one first. */
static const struct trial outer_fragments[] = {
	{ .mangle = "--segment 4000 --around vxlan --around-fragment 1400",
	    .recordings = "net" },
	{ .mangle = "--segment 4000 --around geneve --around-fragment 1400"
		    " --ipv6 --reorder 5",
	    .n_seeds = 1 },
	{ .mangle = "--segment 1448 --around gre --around-fragment 600" },
	{ .mangle = "--segment 1448 --around ipip,gre --around-fragment 600" },
	{ .mangle = "--segment 1448 --around erspan2 --around-fragment 800" },
	/* fragments in a tunnel whose packets are fragments */
	{ .mangle = "--segment 4000 --fragment 1000 --around vxlan"
		    " --around-fragment 400" },
	{ .mangle = "--segment 4000 --fragment 1000 --fragment-reorder"
		    " --ipv6 --around teb,qinq --around-fragment 400",
	    .recordings = "net" },
};

TRIAL_TABLE(outer_fragments)

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("captures_around");
	TCase *tc = unit_case(suite, "around");

	tcase_add_loop_test(tc, test_around, 0, UNIT_ROWS(names));
	tcase_add_loop_test(
	    unit_case(suite, "links"), test_links, 0, UNIT_ROWS(links) * 4);
	TRIAL_ADD(suite, outer_fragments);
	return suite;
}

TRIAL_MAIN(make_suite)
