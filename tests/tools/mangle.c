/* SPDX-License-Identifier: MIT */
/*
 * mangle IN.pcap OUT.pcap OPTIONS: the same connections, in a capture that
 * is harder to read. Every option is one transformation; they combine, and
 * the same --seed gives the same file. --lost FILE lists the byte ranges of
 * the streams that OUT does not hold, one JSON object a line.
 */
#include "tests/tools/mangle_emit.h"
#include "tests/tools/mangle_lost.h"
#include "tests/tools/mangle_segs.h"

#include <getopt.h>
#include <stddef.h>

struct options {
	uint32_t seed, segment, coalesce, reorder, duplicate, overlap;
	uint32_t conflict, drop_random, drop_fragments, cut_start, cut_end;
	uint32_t cut_bytes, snaplen, vlan, fragment, port, garbage, idle;
	bool conflict_first, ip6, exthdr, fragment_reorder, port_reuse, rst;
	bool seq_wrap, nano, pcapng, big_endian;
	const char *drop_packets, *qinq, *link, *secrets, *lost;
};

enum kind {
	NUMBER,
	FLAG,
	TEXT,
};

#define OPT(name, kind, field) \
	{ \
		name, kind, offsetof(struct options, field) \
	}

static const struct option_row {
	const char *name;
	enum kind kind;
	size_t at;
} rows[] = {
	OPT("seed", NUMBER, seed),
	/* streams */
	OPT("garbage", NUMBER, garbage), /* bytes put in */
	OPT("port", NUMBER, port), /* of the server */
	OPT("port-reuse", FLAG, port_reuse), /* first one again, at the end */
	OPT("seq-wrap", FLAG, seq_wrap),
	/* segments */
	OPT("coalesce", NUMBER, coalesce), /* up to so many bytes */
	OPT("segment", NUMBER, segment), /* down to so many bytes */
	OPT("overlap", NUMBER, overlap), /* percent */
	OPT("duplicate", NUMBER, duplicate), /* percent */
	OPT("conflict", NUMBER, conflict), /* how many */
	OPT("conflict-first", FLAG, conflict_first), /* the wrong one */
	OPT("reorder", NUMBER, reorder), /* in windows of so many packets */
	OPT("idle", NUMBER, idle), /* seconds, in the middle */
	OPT("rst", FLAG, rst), /* in place of FIN */
	/* losses */
	OPT("cut-start", NUMBER, cut_start), /* packets */
	OPT("cut-end", NUMBER, cut_end),
	OPT("drop-packets", TEXT, drop_packets), /* 3,7-9 */
	OPT("drop-random", NUMBER, drop_random), /* percent */
	/* packets */
	OPT("ipv6", FLAG, ip6),
	OPT("exthdr", FLAG, exthdr), /* hop-by-hop, destination options */
	OPT("fragment", NUMBER, fragment), /* bytes */
	OPT("fragment-reorder", FLAG, fragment_reorder), /* last first */
	OPT("drop-fragments", NUMBER, drop_fragments), /* percent */
	OPT("vlan", NUMBER, vlan),
	OPT("qinq", TEXT, qinq), /* outer,inner */
	OPT("link", TEXT, link), /* ether sll sll2 raw null loop */
	/* file */
	OPT("snaplen", NUMBER, snaplen),
	OPT("nano", FLAG, nano),
	OPT("big-endian", FLAG, big_endian),
	OPT("pcapng", FLAG, pcapng),
	OPT("secrets", TEXT, secrets), /* a key log, put into a pcapng */
	OPT("cut-bytes", NUMBER, cut_bytes), /* at the end of the file */
	OPT("lost", TEXT, lost),
};

#define N_ROWS (sizeof(rows) / sizeof(*rows))

_Noreturn static void
usage(FILE *f, int status)
{
	static const char *const value[] = { " N", "", " TEXT" };

	fputs("usage: mangle IN.pcap OUT.pcap [OPTION ...]\n", f);
	for (size_t i = 0; i < N_ROWS; i++)
		fprintf(f, "\t--%s%s\n", rows[i].name, value[rows[i].kind]);
	exit(status);
}

static void
option_set(struct options *opt, const struct option_row *row, const char *arg)
{
	char *at = (char *)opt + row->at, *end;
	unsigned long n;

	switch (row->kind) {
	case FLAG:
		*(bool *)at = true;
		break;
	case TEXT:
		memcpy(at, &arg, sizeof(arg));
		break;
	case NUMBER:
		n = strtoul(arg, &end, 10);
		if (*arg == '\0' || *end != '\0' || n > UINT32_MAX)
			errx(2, "--%s: not a number: %s", row->name, arg);
		memcpy(at, &(uint32_t){ (uint32_t)n }, sizeof(uint32_t));
		break;
	}
}

static void
options_read(struct options *opt, int argc, char **argv)
{
	struct option longs[N_ROWS + 2] = { 0 };
	int c, at;

	for (size_t i = 0; i < N_ROWS; i++) {
		longs[i].name = rows[i].name;
		longs[i].has_arg = rows[i].kind != FLAG;
	}
	longs[N_ROWS] = (struct option){ "help", 0, NULL, 'h' };
	while ((c = getopt_long(argc, argv, "h", longs, &at)) != -1) {
		if (c != 0)
			usage(c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
		option_set(opt, &rows[at], optarg);
	}
	if (argc - optind != 2)
		usage(stderr, 2);
}

/* What cannot be combined, or what a report could not be made for. */
static void
options_check(const struct options *opt)
{
	if (opt->conflict > 0 && opt->reorder > 0)
		errx(2, "--conflict: its order would be lost by --reorder");
	if (opt->snaplen > 0 && opt->fragment > 0)
		errx(2, "--snaplen does not go with --fragment");
	if (opt->fragment > 0 && opt->fragment < 8)
		errx(2, "--fragment: at least 8");
	if (opt->secrets != NULL && !opt->pcapng)
		errx(2, "--secrets needs --pcapng");
	if (opt->exthdr && !opt->ip6)
		errx(2, "--exthdr needs --ipv6");
	if (opt->port > UINT16_MAX || opt->vlan > 4094)
		errx(2, "--port or --vlan: too large");
}

static void
emit_settings(struct emit *e, const struct options *opt)
{
	e->link = link_named(opt->link != NULL ? opt->link : "ether");
	e->ip6 = opt->ip6;
	e->exthdr = opt->exthdr;
	e->fragment_bytes = opt->fragment;
	e->fragment_reorder = opt->fragment_reorder;
	e->drop_fragments = opt->drop_fragments;
	e->vlan[0] = opt->vlan;
	e->n_vlans = opt->vlan > 0;
	if (opt->qinq != NULL) {
		if (sscanf(opt->qinq, "%u,%u", &e->vlan[0], &e->vlan[1]) != 2)
			errx(2, "--qinq: not OUTER,INNER: %s", opt->qinq);
		e->n_vlans = 2;
	}
	if (e->n_vlans > 0 && !e->link->tags)
		errx(2, "--link %s has no VLANs", e->link->name);
	e->file.nano = opt->nano;
	e->file.pcapng = opt->pcapng;
	e->file.big_endian = opt->big_endian;
	e->file.snaplen = opt->snaplen > 0 ? opt->snaplen : PKT_SNAPLEN;
}

static void
transform(struct mangle *m, const struct options *opt)
{
	if (opt->garbage > 0)
		do_garbage(m, opt->garbage);
	if (opt->port > 0)
		do_port(m, opt->port);
	if (opt->seq_wrap)
		do_seq_wrap(m);
	if (opt->port_reuse)
		do_port_reuse(m);
	if (opt->coalesce > 0)
		do_coalesce(m, opt->coalesce);
	do_segment(m,
	    opt->segment > 0 && opt->segment < PKT_PAYLOAD_MAX
		? opt->segment
		: PKT_PAYLOAD_MAX);
	if (opt->overlap > 0)
		do_overlap(m, opt->overlap);
	if (opt->duplicate > 0)
		do_duplicate(m, opt->duplicate);
	if (opt->conflict > 0)
		do_conflict(m, opt->conflict, opt->conflict_first);
	if (opt->reorder > 1)
		do_reorder(m, opt->reorder);
	if (opt->rst)
		do_rst(m);
	do_times(m, opt->idle);
	do_cut(m, opt->cut_start, opt->cut_end);
	if (opt->drop_packets != NULL)
		do_drop_list(m, opt->drop_packets);
	if (opt->drop_random > 0)
		do_drop_random(m, opt->drop_random);
}

int
main(int argc, char **argv)
{
	struct options opt = { 0 };
	struct mangle m = { 0 };
	struct emit e = { 0 };

	options_read(&opt, argc, argv);
	options_check(&opt);
	emit_settings(&e, &opt);
	m.random = opt.seed;
	load(&m, argv[optind]);
	transform(&m, &opt);
	emit_all(&m, &e, argv[optind + 1], opt.secrets, opt.cut_bytes);
	if (opt.lost != NULL)
		list_lost(&m, opt.lost, opt.idle > 0);
	unload(&m);
	return 0;
}
