/* SPDX-License-Identifier: MIT */
#include "cmd/capture/left_out.h"

#include "cmd/capture/resync.h"
#include "cmd/common/map.h"

#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_CHARS 400
#define NAMED_MAX 5 /* kinds in a sentence */
#define HINTS_MAX 8 /* ports in a sentence */
/* Segments with payload that are looked into: of a port, and of all. */
#define TRIES_OF_PORT 32
#define TRIES_MAX 4096
/*
 * A plausible header is as good as certain. Frames without one are a length and
 * bytes, as other protocols have them: several are needed.
 */
#define LIKELY 4

#define KIND_TCP 0xff /* beside those of cap_other */

struct kind {
	uint64_t key; /* kind << 32 | number */
	uint64_t packets;
	uint32_t tried, likely; /* a port */
	bool listens; /* a port: it was seen to be connected to */
};

struct left_out {
	struct map kinds;
	uint32_t frame_max_bytes;
	uint32_t tried;
	/* the last segment's ports, and its kind: NULL at first */
	uint16_t port_low, port_high;
	struct kind *last;
};

struct left_out *
left_out_new(uint32_t frame_max_bytes)
{
	struct left_out *lo = calloc(1, sizeof(*lo));

	if (lo == NULL)
		return NULL;
	lo->frame_max_bytes = frame_max_bytes;
	if (map_init(&lo->kinds, sizeof(struct kind), 1, LEFT_OUT_KINDS_MAX))
		return lo;
	left_out_free(lo);
	return NULL;
}

void
left_out_free(struct left_out *lo)
{
	if (lo == NULL)
		return;
	map_free(&lo->kinds);
	free(lo);
}

static uint64_t
key_of(unsigned kind, uint32_t number)
{
	return (uint64_t)kind << 32 | number;
}

void
left_out_packet(struct left_out *lo, const struct cap_other *what)
{
	uint64_t key = key_of(what->kind, what->number);
	struct kind *kind = map_get(&lo->kinds, &key);

	kind->packets++;
}

/* ---- ports ---- */

static bool
listens(const struct left_out *lo, uint16_t port)
{
	uint64_t key = key_of(KIND_TCP, port);
	const struct kind *kind = map_find(&lo->kinds, &key);

	return kind != NULL && kind->listens;
}

/* The port that was connected to; if that is unknown, the lower one. */
static struct kind *
kind_of_port(struct left_out *lo, const struct cap_segment *seg)
{
	uint16_t src = seg->src.port, dst = seg->dst.port;
	bool syn = (seg->flags & TCP_SYN) != 0;
	struct kind *kind;
	uint64_t key;

	if (syn)
		key = key_of(KIND_TCP, seg->flags & TCP_ACK ? src : dst);
	else if (listens(lo, src) != listens(lo, dst))
		key = key_of(KIND_TCP, listens(lo, src) ? src : dst);
	else
		key = key_of(KIND_TCP, src < dst ? src : dst);
	kind = map_get(&lo->kinds, &key);
	if (syn && kind->key == key)
		kind->listens = true;
	return kind;
}

/* Do frames start with the payload? */
static void
look_into(struct left_out *lo, struct kind *kind, struct bnet_slice in)
{
	bool has_header;

	kind->tried++;
	lo->tried++;
	if (!resync_starts_frame(in, lo->frame_max_bytes, &has_header))
		return;
	kind->likely += has_header ? LIKELY : 1;
}

void
left_out_segment(struct left_out *lo, const struct cap_segment *seg)
{
	uint16_t low = seg->src.port, high = seg->dst.port;
	struct kind *kind = lo->last;

	if (low > high) {
		low = seg->dst.port;
		high = seg->src.port;
	}
	if (kind == NULL || low != lo->port_low || high != lo->port_high ||
	    (seg->flags & TCP_SYN)) {
		kind = kind_of_port(lo, seg);
		lo->last = kind;
		lo->port_low = low;
		lo->port_high = high;
	}
	kind->packets++;
	if (seg->data.len > 0 && kind->key != 0 && kind->likely < LIKELY &&
	    kind->tried < TRIES_OF_PORT && lo->tried < TRIES_MAX)
		look_into(lo, kind, seg->data);
}

/* ---- names ---- */

struct name_row {
	uint32_t number;
	const char *name;
};

static const struct name_row ethertype_names[] = {
	{ 0x0806, "ARP" },
	{ 0x22f3, "TRILL" },
	{ 0x8035, "RARP" },
	{ 0x8137, "IPX" },
	{ 0x8808, "Ethernet flow control" },
	{ 0x8809, "LACP" },
	{ 0x8863, "PPPoE discovery" },
	{ 0x8864, "PPPoE, not of a session" },
	{ 0x888e, "EAPOL" },
	{ 0x88cc, "LLDP" },
	{ 0x88e5, "MACsec" },
	{ 0x88f7, "PTP" },
	{ 0x8902, "Ethernet OAM" },
	{ 0x8906, "FCoE" },
	{ 0x894f, "NSH" },
	{ 0, NULL },
};

static const struct name_row ip_names[] = {
	{ 1, "ICMP" },
	{ 2, "IGMP" },
	{ 17, "UDP" },
	{ 33, "DCCP" },
	{ 47, "GRE" },
	{ 50, "ESP (encrypted)" },
	{ 58, "ICMPv6" },
	{ 59, "IPv6 without a next header" },
	{ 88, "EIGRP" },
	{ 89, "OSPF" },
	{ 103, "PIM" },
	{ 112, "VRRP" },
	{ 115, "L2TPv3" },
	{ 132, "SCTP" },
	{ 136, "UDP-Lite" },
	{ 0, NULL },
};

static const struct name_row sap_names[] = {
	{ 0x42, "spanning tree" },
	{ 0xe0, "IPX" },
	{ 0xf0, "NetBIOS" },
	{ 0xfe, "IS-IS" },
	{ 0xff, "IPX" },
	{ 0, NULL },
};

static const struct name_row ppp_names[] = {
	{ 0x003d, "PPP multilink" },
	{ 0x00fd, "PPP compressed" },
	{ 0x8021, "IPCP" },
	{ 0x8057, "IPv6CP" },
	{ 0xc021, "LCP" },
	{ 0xc023, "PAP" },
	{ 0xc223, "CHAP" },
	{ 0, NULL },
};

enum {
	NO_NUMBER = 0,
	DECIMAL = 1
}; /* else: hexadecimal digits */

/* How the kinds are called, where the table of names has none. */
static const struct kind_row {
	unsigned kind;
	unsigned number; /* how it is written */
	const char *words;
	const struct name_row *names; /* or NULL */
} kind_names[] = {
	{ CAP_OTHER_ETHERTYPE, 4, "ethertype", ethertype_names },
	{ CAP_OTHER_SAP, 2, "LLC SAP", sap_names },
	{ CAP_OTHER_SNAP, 6, "SNAP OUI", NULL },
	{ CAP_OTHER_PPP, 4, "PPP protocol", ppp_names },
	{ CAP_OTHER_IP, DECIMAL, "IP protocol", ip_names },
	{ CAP_OTHER_UDP, DECIMAL, "UDP port", NULL },
	{ CAP_OTHER_MPLS, NO_NUMBER, "MPLS without IP or Ethernet", NULL },
	{ CAP_OTHER_NO_IP, NO_NUMBER, "network layers other than IP", NULL },
	{ CAP_OTHER_WLAN_CONTROL, NO_NUMBER, "802.11 management and control",
	    NULL },
	{ CAP_OTHER_WLAN_ENCRYPTED, NO_NUMBER, "802.11 encrypted", NULL },
	{ CAP_OTHER_WLAN_FRAGMENT, NO_NUMBER, "802.11 fragments", NULL },
	{ CAP_OTHER_NESTED, NO_NUMBER, "too many headers in each other", NULL },
	{ KIND_TCP, DECIMAL, "TCP port", NULL }, /* the last one */
};

static void
name_linktype(char name[LEFT_OUT_NAME_CHARS], uint32_t linktype)
{
	const char *word = pcap_datalink_val_to_name((int)linktype);

	snprintf(name, LEFT_OUT_NAME_CHARS, "link type %s (%" PRIu32 ")",
	    word != NULL ? word : "unknown", linktype);
}

static const char *
known_name(const struct name_row *row, uint32_t number)
{
	while (row != NULL && row->name != NULL && row->number != number)
		row++;
	return row != NULL ? row->name : NULL;
}

static void
name_kind(char name[LEFT_OUT_NAME_CHARS], const struct kind *kind)
{
	unsigned what = (unsigned)(kind->key >> 32);
	uint32_t number = (uint32_t)kind->key;
	const struct kind_row *row = kind_names;
	const char *known;

	while (row->kind != what && row->kind != KIND_TCP)
		row++;
	known = known_name(row->names, number);
	if (what == CAP_OTHER_LINKTYPE)
		name_linktype(name, number);
	else if (known != NULL)
		snprintf(name, LEFT_OUT_NAME_CHARS, "%s", known);
	else if (row->number == NO_NUMBER)
		snprintf(name, LEFT_OUT_NAME_CHARS, "%s", row->words);
	else if (row->number == DECIMAL)
		snprintf(name, LEFT_OUT_NAME_CHARS, "%s %" PRIu32, row->words,
		    number);
	else
		snprintf(name, LEFT_OUT_NAME_CHARS, "%s 0x%0*" PRIx32,
		    row->words, (int)row->number, number);
}

/* ---- telling ---- */

static int
by_packets(const void *a, const void *b)
{
	const struct kind *x = *(const struct kind *const *)a;
	const struct kind *y = *(const struct kind *const *)b;

	if (x->packets != y->packets)
		return x->packets < y->packets ? 1 : -1;
	return x->key < y->key ? -1 : x->key > y->key;
}

void
left_out_rows(const struct left_out *lo, left_out_row *row, void *arg)
{
	char name[LEFT_OUT_NAME_CHARS];
	const struct kind *others;
	struct kind **kinds;

	if (lo == NULL)
		return;
	kinds = (struct kind **)map_sorted(&lo->kinds, by_packets);
	for (size_t i = 0; kinds != NULL && i < lo->kinds.n; i++) {
		name_kind(name, kinds[i]);
		row(arg, name, kinds[i]->packets, kinds[i]->likely >= LIKELY);
	}
	free(kinds);
	others = lo->kinds.others;
	if (others->packets > 0)
		row(arg, "(others)", others->packets, false);
}

void
left_out_kinds(const struct left_out *lo, left_out_kind *row, void *arg)
{
	const struct kind *kind;

	for (size_t i = 0; lo != NULL && i < lo->kinds.n; i++) {
		kind = map_at(&lo->kinds, i);
		row(arg, kind->key, kind->packets, kind->likely);
	}
	kind = lo == NULL ? NULL : lo->kinds.others;
	if (kind != NULL && kind->packets > 0)
		row(arg, UINT64_MAX, kind->packets, 0);
}

/* The key of (others) is that of no kind. */
void
left_out_add(
    struct left_out *lo, uint64_t key, uint64_t packets, uint32_t likely)
{
	struct kind *kind =
	    key == UINT64_MAX ? lo->kinds.others : map_get(&lo->kinds, &key);

	kind->packets += packets;
	kind->likely = likely < UINT32_MAX - kind->likely
	    ? kind->likely + likely
	    : UINT32_MAX;
}

struct sentence {
	char text[LINE_CHARS];
	size_t n_chars;
};

static void __attribute__((format(printf, 2, 3)))
append(struct sentence *s, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(
	    s->text + s->n_chars, LINE_CHARS - s->n_chars, format, args);
	va_end(args);
	if (n > 0)
		s->n_chars += (size_t)n;
	if (s->n_chars >= LINE_CHARS) /* cut */
		s->n_chars = LINE_CHARS - 1;
}

/* The kinds of packets that a sentence lists, and how many there are. */
struct list {
	bool tcp;
	uint64_t packets; /* of all kinds */
	uint64_t counts[NAMED_MAX];
	char name[NAMED_MAX][LEFT_OUT_NAME_CHARS];
	size_t n; /* kinds, also those without a name here */
	uint64_t named_packets;
	struct sentence hints; /* "26001, 26002" */
	struct sentence ports; /* "26001,26002" */
	size_t n_hints;
};

#define TCP_PREFIX "TCP port "

static void
list_row(void *arg, const char *name, uint64_t packets, bool looks_like)
{
	struct list *list = arg;
	size_t skip = strlen(TCP_PREFIX);
	bool tcp = strncmp(name, TCP_PREFIX, skip) == 0;

	if (tcp != list->tcp)
		return;
	if (tcp)
		name += skip;
	if (looks_like && list->n_hints++ < HINTS_MAX) {
		append(
		    &list->hints, "%s%s", list->n_hints > 1 ? ", " : "", name);
		append(
		    &list->ports, "%s%s", list->n_hints > 1 ? "," : "", name);
	}
	if (list->n < NAMED_MAX) {
		snprintf(list->name[list->n], LEFT_OUT_NAME_CHARS, "%s", name);
		list->counts[list->n] = packets;
		list->named_packets += packets;
	}
	list->n++;
}

static void
append_list(struct sentence *s, const struct list *list)
{
	size_t n = list->n < NAMED_MAX ? list->n : NAMED_MAX;

	for (size_t i = 0; i < n; i++) {
		append(s, "%s%s", i > 0 ? ", " : ": ", list->name[i]);
		if (list->packets > list->counts[i])
			append(s, " (%" PRIu64 ")", list->counts[i]);
	}
	if (list->packets > list->named_packets)
		append(s, "%s others (%" PRIu64 ")", n > 0 ? "," : ":",
		    list->packets - list->named_packets);
}

/* "1 packet is", "2 packets are" */
static void
append_packets(
    struct sentence *s, uint64_t n, const char *one, const char *several)
{
	append(s, "%" PRIu64 " packet%s %s", n, n == 1 ? "" : "s",
	    n == 1 ? one : several);
}

struct teller {
	const struct cap_counters *counters;
	void (*line)(void *arg, const char *text);
	void *arg;
};

static void
tell_kinds(const struct teller *to, bool tcp)
{
	const struct cap_counters *n = to->counters;
	struct sentence s = { .n_chars = 0 };
	struct list list = { .tcp = tcp,
		.packets = tcp ? n->other_ports : n->not_tcp };

	if (list.packets == 0)
		return;
	left_out_rows(n->left_out, list_row, &list);
	if (list.n_hints > 0) {
		append(&s, "TCP streams on %s look like BlueNet: try -p %s",
		    list.hints.text, list.ports.text);
		to->line(to->arg, s.text);
		s.n_chars = 0;
	}
	append_packets(&s, list.packets, "is", "are");
	append(&s, tcp ? " TCP on other ports" : " not TCP");
	append_list(&s, &list);
	to->line(to->arg, s.text);
}

/* No frame, but TCP on the right ports. */
static void
tell_frameless(const struct teller *to)
{
	const struct cap_counters *n = to->counters;
	uint64_t packets =
	    n->packets - n->not_tcp - n->bad_packets - n->other_ports;
	struct sentence s = { .n_chars = 0 };

	if (n->packets == 0)
		append(&s, "there are no packets");
	else if (n->segments > 0)
		append(&s,
		    "no frames in the %" PRIu64 " bytes of %" PRIu64
		    " TCP stream%s",
		    n->segment_bytes, n->streams, n->streams == 1 ? "" : "s");
	else if (n->streams > 0)
		append(&s, "no payload in %" PRIu64 " TCP stream%s", n->streams,
		    n->streams == 1 ? "" : "s");
	else if (n->fragments > 0 && packets > 0)
		append(&s, "%" PRIu64 " IP fragments make up no whole datagram",
		    n->fragments);
	else
		return;
	to->line(to->arg, s.text);
}

void
left_out_lines(const struct cap_counters *n,
    void (*line)(void *arg, const char *text), void *arg)
{
	const struct teller to = { n, line, arg };
	struct sentence s = { .n_chars = 0 };

	if (n->events[CAP_FRAME] == 0)
		tell_frameless(&to);
	tell_kinds(&to, true);
	tell_kinds(&to, false);
	if (n->bad_packets == 0)
		return;
	append_packets(&s, n->bad_packets, "has", "have");
	append(&s, " cut or inconsistent headers");
	if (n->cut_packets > 0)
		append(&s, "; %" PRIu64 " were captured in part only",
		    n->cut_packets);
	line(arg, s.text);
}
