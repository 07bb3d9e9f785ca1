/* SPDX-License-Identifier: MIT */
/*
 * seeds DIR: what the fuzzers start from, a folder each, made of the
 * fixtures: header, frame and message vectors, and the frames of the
 * recordings, alone, in rows, in packets of each link type, and under TLS;
 * tapes of recordings, reports, scenarios, and the rows of unit tests.
 */
#include "cmd/capture/capture.h"
#include "cmd/capture/layers.h"
#include "cmd/capture/source.h"
#include "cmd/replay/tape/compile.h"
#include "cmd/replay/report/json.h"
#include "proto/bluenet.h"
#include "tests/captures/around.h"
#include "tests/captures/pkt.h"

#include <ctype.h>
#include <pcap/dlt.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES 65536
#define PATH_BYTES 512
#define FRAME_SEED_BYTES 1500 /* longer frames are passed over */
#define ROW_FRAMES 6
#define FRAMES_MAX 60 /* of a recording and codec */
#define SEGMENT_BYTES 200
#define LIMIT_1M 6 /* fuzz_frame's and fuzz_codec's limits[] */
#define LINK_LIMIT_1M 3 /* fuzz_link's */
#define CAP_SEGMENTS 0x80 /* fuzz_capture's SET_SEGMENTS */
#define SEED_BYTES 4096 /* of what could be larger */

struct seeds {
	const char *dir, *fixtures;
	unsigned n; /* written so far: their names */
	enum bnet_order order; /* of the recording */
	unsigned n_of[3]; /* frames taken of it, by codec */
	struct bnet_buf frame; /* one as on the wire */
	struct bnet_buf row; /* several */
	unsigned n_row;
	struct bnet_buf out; /* the seed at hand */
};

static void
must(enum bnet_err got)
{
	if (got != BNET_OK)
		errx(1, "%s", bnet_strerror(got));
}

static void
add(struct bnet_buf *buf, const void *p, size_t n)
{
	must(bnet_buf_append(buf, (struct bnet_slice){ p, n }));
}

static void
add_byte(struct bnet_buf *buf, unsigned v)
{
	uint8_t byte = (uint8_t)v;

	add(buf, &byte, 1);
}

static void
add_slice(struct bnet_buf *buf, struct bnet_slice s)
{
	must(bnet_buf_append(buf, s));
}

/* Write what is in `out` as a seed of `fuzzer`, and empty it. */
static void
write_seed(struct seeds *s, const char *fuzzer)
{
	char path[PATH_BYTES];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", s->dir, fuzzer);
	(void)mkdir(path, 0777);
	(void)snprintf(
	    path, sizeof(path), "%s/%s/%04u", s->dir, fuzzer, s->n++);
	f = fopen(path, "wb");
	if (f == NULL)
		err(1, "%s", path);
	if (s->out.len > 0 &&
	    fwrite(bnet_buf_slice(&s->out).p, 1, s->out.len, f) != s->out.len)
		err(1, "%s", path);
	if (fclose(f) != 0)
		err(1, "%s", path);
	bnet_buf_clear(&s->out);
}

/* ---- vectors ---- */

static unsigned
nibble(char c)
{
	return (unsigned)(isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10);
}

/* The bytes of a member, in hexadecimal, into `out`. */
static void
add_hex(struct seeds *s, const char *line, const char *member)
{
	const char *hex = strstr(line, member);

	if (hex == NULL)
		errx(1, "no %s in: %.80s", member, line);
	for (hex += strlen(member); isxdigit((unsigned char)hex[0]); hex += 2)
		add_byte(&s->out, nibble(hex[0]) << 4 | nibble(hex[1]));
}

static void
on_header(struct seeds *s, const char *line)
{
	add_hex(s, line, "\"hex\":\"");
	write_seed(s, "fuzz_header");
}

static void
on_frame(struct seeds *s, const char *line)
{
	bool network = strstr(line, "\"order\":\"network\"") != NULL;

	add_byte(&s->out, LIMIT_1M << 1 | network);
	add_hex(s, line, "\"hex\":\"");
	write_seed(s, "fuzz_frame");
	add_byte(&s->out, LINK_LIMIT_1M << 2);
	add_byte(&s->out, s->n);
	add_hex(s, line, "\"hex\":\"");
	write_seed(s, "fuzz_link");
}

static void
on_message(struct seeds *s, const char *line)
{
	static const char member[] = "\"key\":";
	const char *key = strstr(line, member);
	enum bnet_message_type type;

	if (key == NULL)
		errx(1, "no key in: %.80s", line);
	type = bnet_message_type(
	    (int32_t)strtol(key + sizeof(member) - 1, NULL, 10));
	if (type == BNET_MSG_NONE)
		errx(1, "no message: %.80s", line);
	add_byte(&s->out, type - 1);
	add_hex(s, line, "\"body\":\"");
	write_seed(s, "fuzz_message");
}

/* Each stream of the line, for the reader, and as what a packet may hold. */
static void
on_marshal(struct seeds *s, const char *line)
{
	static const char member[] = "\"hex\":";
	const char *hex;
	size_t n;

	for (hex = line; (hex = strstr(hex, member)) != NULL;) {
		hex += sizeof(member) - 1;
		hex += strspn(hex, " \"");
		n = strspn(hex, "0123456789abcdef");
		for (unsigned first = 0; n <= 2 * SEED_BYTES && first < 5;
		     first++) {
			/* 0: fuzz_marshal's; then each kind of fuzz_macho's */
			add_byte(&s->out, first == 0 ? 0 : first - 1);
			for (size_t i = 0; i + 1 < n; i += 2)
				add_byte(&s->out,
				    nibble(hex[i]) << 4 | nibble(hex[i + 1]));
			write_seed(
			    s, first == 0 ? "fuzz_marshal" : "fuzz_macho");
		}
	}
}

static void
read_vectors(struct seeds *s, const char *name,
    void (*on_line)(struct seeds *s, const char *line))
{
	static char line[LINE_BYTES];
	char path[PATH_BYTES];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/vectors/%s", s->fixtures, name);
	f = fopen(path, "r");
	if (f == NULL)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), f) != NULL)
		on_line(s, line);
	(void)fclose(f);
}

/* ---- packets with a row of frames in them, for fuzz_capture ---- */

struct link {
	unsigned set; /* index in fuzz_capture's linktypes[] */
	bool v6;
	size_t len;
	uint8_t head[24];
};

static const struct link links[] = {
	{ 0, false, 14, { [12] = 0x08 } },
	{ 0, true, 18, { [12] = 0x81, [15] = 7, [16] = 0x86, 0xdd } },
	{ 0, false, 22,
	    { [12] = 0x88, 0xa8, 0, 1, 0x81, 0x00, 0, 2, 0x08, 0x00 } },
	{ 1, false, 16, { [3] = 1, [14] = 0x08 } },
	{ 2, true, 20, { [0] = 0x86, 0xdd } },
	{ 3, false, 0, { 0 } },
	{ 4, false, 4, { 2 } },
	{ 5, true, 4, { 0, 0, 0, 30 } },
};

/* One record: length, time, link header, IP, TCP. */
static void
add_record(struct seeds *s, const struct link *link, const struct pkt_tcp *tcp)
{
	static uint8_t body[PKT_BUF_BYTES];
	uint8_t head[3], ip[PKT_IP6_BYTES];
	size_t n = pkt_write_tcp(body, tcp, link->v6), n_ip;

	n_ip = link->v6 ? pkt_write_ip6(ip, tcp, n, PKT_PROTO_TCP)
			: pkt_write_ip4(ip, tcp, n, 1, 0);
	pkt_put16(head, (uint32_t)(link->len + n_ip + n));
	head[2] = 3; /* milliseconds */
	add(&s->out, head, sizeof(head));
	add(&s->out, link->head, link->len);
	add(&s->out, ip, n_ip);
	add(&s->out, body, n);
}

static void
write_packets(struct seeds *s, const struct link *link, struct bnet_slice row)
{
	struct pkt_tcp tcp = { .src = { 10, 0, 0, 1 },
		.dst = { 10, 0, 0, 2 },
		.sport = 40000,
		.dport = CAP_PORT,
		.seq = 1000,
		.flags = PKT_SYN,
		.window = 4096 };

	add_byte(&s->out, link->set);
	add_byte(&s->out, 0);
	add_record(s, link, &tcp);
	tcp.seq++;
	for (tcp.flags = PKT_ACK; row.len > 0;) {
		tcp.payload = row;
		if (row.len > SEGMENT_BYTES)
			tcp.payload.len = SEGMENT_BYTES;
		add_record(s, link, &tcp);
		tcp.seq += (uint32_t)tcp.payload.len;
		row = bnet_slice_from(row, tcp.payload.len);
	}
	tcp.flags |= PKT_FIN;
	tcp.payload = row;
	add_record(s, link, &tcp);
	write_seed(s, "fuzz_capture");
}

/* The other form; `swap`: each two segments change places. */
static void
write_segments(struct seeds *s, struct bnet_slice row, bool swap, unsigned set)
{
	size_t n_parts = (row.len + SEGMENT_BYTES - 1) / SEGMENT_BYTES;
	uint8_t head[6] = { 0x10, 0, 2 }; /* a SYN of seq -1 */

	add_byte(&s->out, CAP_SEGMENTS);
	add_byte(&s->out, set);
	add(&s->out, head, sizeof(head));
	for (size_t i = 0; i < n_parts; i++) {
		size_t part = swap && (i ^ 1) < n_parts ? i ^ 1 : i;
		size_t at = part * SEGMENT_BYTES;
		size_t n =
		    row.len - at < SEGMENT_BYTES ? row.len - at : SEGMENT_BYTES;

		head[0] = 8;
		pkt_put16(head + 1, (uint32_t)at + 3);
		pkt_put16(head + 3, (uint32_t)n);
		add(&s->out, head, sizeof(head));
		add(&s->out, row.p + at, n);
	}
	write_seed(s, "fuzz_capture");
}

/* ---- a row of frames under TLS ---- */

/* As tls_write.h and fuzz_link_tls have orders. */
static void
add_order(struct bnet_buf *out, unsigned what, size_t arg)
{
	uint8_t order[3] = { (uint8_t)what };

	pkt_put16(order + 1, (uint32_t)arg);
	add(out, order, sizeof(order));
}

/* A suite, then the row as records of application data, up and down. */
static void
add_tls(struct seeds *s, struct bnet_slice row, unsigned i)
{
	static const unsigned what[] = { 4, 5, 5, 14 }; /* 14: some ahead */

	add_byte(&s->out, 12 | (i & 3));
	for (unsigned k = 0; row.len > 0; k++) {
		struct bnet_slice part = row;
		unsigned how = what[k % 4];

		if (part.len > SEGMENT_BYTES)
			part.len = SEGMENT_BYTES;
		if (i & 32 && k % 4 == 2) /* a part of it is missing */
			how |= 0x80 | (k / 4 & 3) << 4;
		if (how == 14 && i & 4)
			add_order(&s->out, how, (part.len + 1) << 8);
		else
			add_order(&s->out, how & ~10u, part.len + 1);
		add_slice(&s->out, part);
		add_byte(&s->out, 23);
		row = bnet_slice_from(row, part.len);
		if (i & 8)
			add_order(&s->out, 12, 1 | (k & 2));
		if (i & 16 && k % 3 == 1)
			add_order(&s->out, 6, 30);
	}
}

/* Hellos that are not as usual, and some data behind them. */
static void
write_hellos(struct seeds *s)
{
	for (unsigned odd = 1; odd <= 5; odd++)
		for (unsigned suite = 0; suite < 4; suite += 2) {
			add_byte(&s->out, 0);
			add_order(&s->out, 8, odd << 2 | suite);
			add_order(&s->out, 4, 5); /* perhaps too early */
			add(&s->out, "ping\x17", 5);
			add_order(&s->out, 9, odd << 2 | suite);
			add_order(&s->out, 4, 5);
			add(&s->out, "pong\x17", 5);
			add_order(&s->out, 9, suite); /* after a retry */
			add_order(&s->out, 13, 1);
			write_seed(s, "fuzz_tls_record");
		}
}

static void
write_under_tls(struct seeds *s, struct bnet_slice row, unsigned i)
{
	if (row.len > SEED_BYTES)
		row.len = SEED_BYTES;
	add_tls(s, row, i);
	write_seed(s, "fuzz_tls_record");
	add_byte(&s->out, i);
	add_byte(&s->out, i & 64 ? 0x10 : 0); /* SET_TIGHT */
	add_tls(s, row, i / 4);
	write_seed(s, "fuzz_capture_tls");
	/* the peer sends it, the link answers, the peer ends */
	add_byte(
	    &s->out, (i & 0x3f) | (s->order == BNET_ORDER_NETWORK ? 0x40u : 0));
	add_byte(&s->out, LINK_LIMIT_1M | (i & 3) << 2);
	add_order(&s->out, 0, row.len);
	add_slice(&s->out, row);
	add_order(&s->out, 5, 4);
	add(&s->out, "ping", 4);
	add_order(&s->out, i & 4 ? 4 : 3, 0);
	add_order(&s->out, 0, 4);
	add(&s->out, "\4\0\0\0", 4);
	add_order(&s->out, 7, 0);
	write_seed(s, "fuzz_link_tls");
}

/* ---- the frames of recordings ---- */

static void
write_row(struct seeds *s)
{
	struct bnet_slice row = bnet_buf_slice(&s->row);
	unsigned i = s->n;

	add_byte(&s->out, LINK_LIMIT_1M << 2);
	add_byte(&s->out, i);
	add_slice(&s->out, row);
	write_seed(s, "fuzz_link");
	write_segments(s, row, i & 1, (i & 2) | (i & 4) << 2);
	write_under_tls(s, row, i);
	write_packets(s, &links[i % (sizeof(links) / sizeof(links[0]))], row);
	bnet_buf_clear(&s->row);
	s->n_row = 0;
}

static void
write_frame(struct seeds *s, const struct bnet_packet *packet)
{
	bool network = s->order == BNET_ORDER_NETWORK;

	add_byte(&s->out, LIMIT_1M << 1 | network);
	add_slice(&s->out, bnet_buf_slice(&s->frame));
	write_seed(s, "fuzz_frame");
	if (packet->has_oob) {
		add_slice(&s->out, packet->oob);
		write_seed(s, "fuzz_header");
	}
	if (packet->codec == BNET_CODEC_NONE)
		return;
	add_byte(&s->out,
	    LIMIT_1M << 2 | (unsigned)network << 1 |
		(packet->codec == BNET_CODEC_SNAPPY));
	add_slice(&s->out, packet->wire_payload);
	write_seed(s, "fuzz_codec");
}

static void
on_event(void *arg, const struct cap_event *event)
{
	static const uint32_t flags[] = { 0, BNET_FRAME_F_ZLIB,
		BNET_FRAME_F_SNAPPY };
	struct seeds *s = arg;
	const struct bnet_packet *packet = event->frame;
	struct bnet_frame frame;

	if (event->type != CAP_FRAME || packet->size_bytes > FRAME_SEED_BYTES ||
	    s->n_of[packet->codec]++ >= FRAMES_MAX)
		return;
	frame.flags = flags[packet->codec];
	frame.flags |= packet->has_oob ? BNET_FRAME_F_OOB : 0;
	frame.oob = packet->oob;
	frame.payload = packet->wire_payload;
	s->order = event->stream->order == BNET_ORDER_NETWORK
	    ? BNET_ORDER_NETWORK
	    : BNET_ORDER_LITTLE;
	bnet_buf_clear(&s->frame);
	must(bnet_frame_encode(
	    &frame, s->order, BNET_FRAME_MAX_BYTES, &s->frame));
	write_frame(s, packet);
	add_slice(&s->row, bnet_buf_slice(&s->frame));
	if (++s->n_row == ROW_FRAMES)
		write_row(s);
}

static void
read_recording(struct seeds *s, const char *name)
{
	const struct cap_settings set = { .any_port = false };
	const struct cap_sink sink = { on_event, NULL, s };
	struct cap *cap = cap_new(&set, &sink);
	char path[PATH_BYTES], why[SOURCE_ERR_CHARS];
	struct source_packet packet;
	struct cap_stream *stream;
	struct source *src;

	(void)snprintf(
	    path, sizeof(path), "%s/captures/%s.pcap", s->fixtures, name);
	src = source_open(&(const char *){ path }, 1, NULL, why);
	if (src == NULL || cap == NULL)
		errx(1, "%s", src == NULL ? why : "memory");
	memset(s->n_of, 0, sizeof(s->n_of));
	while (source_next(src, &packet, why) == SOURCE_PACKET)
		must(cap_packet(cap, packet.linktype, packet.time_ns,
		    packet.data, packet.wire_bytes, &stream));
	cap_finish(cap);
	bnet_buf_clear(&s->row); /* the next may be of the other order */
	s->n_row = 0;
	cap_free(cap);
	source_close(src);
}

/* What was said on the wire, as it was: for what reads TLS. */
static void
read_wire(struct seeds *s, const char *name)
{
	char path[PATH_BYTES], why[SOURCE_ERR_CHARS];
	struct source_packet packet;
	struct source *src;

	(void)snprintf(
	    path, sizeof(path), "%s/captures/%s.pcap", s->fixtures, name);
	src = source_open(&(const char *){ path }, 1, NULL, why);
	if (src == NULL)
		errx(1, "%s", why);
	add_byte(&s->out, 0);
	while (s->out.len < 2 * SEED_BYTES &&
	    source_next(src, &packet, why) == SOURCE_PACKET) {
		struct cap_segment seg;
		struct cap_ip ip;

		if (cap_layers_ip(source_linktype(src), packet.data,
			packet.wire_bytes, &ip) != CAP_LAYER_TCP ||
		    cap_layers_tcp(&ip, &seg) != CAP_LAYER_TCP ||
		    seg.data.len == 0 || seg.data.len > SEED_BYTES / 2)
			continue;
		add_order(
		    &s->out, seg.dst.port == CAP_PORT ? 0 : 1, seg.data.len);
		add_slice(&s->out, seg.data);
	}
	write_seed(s, "fuzz_tls_record");
	source_close(src);
}

/* Packets as they are: those of hostile captures, and fragments. */
static void
write_hostile(struct seeds *s, const char *name)
{
	static const int linktypes[] = { DLT_EN10MB, DLT_LINUX_SLL,
		DLT_LINUX_SLL2, DLT_RAW, DLT_NULL, DLT_LOOP };
	char path[PATH_BYTES], why[SOURCE_ERR_CHARS];
	struct source_packet packet;
	struct source *src;
	unsigned set = 0;
	uint8_t head[3] = { 0, 0, 3 };

	(void)snprintf(
	    path, sizeof(path), "%s/hostile/%s.pcap", s->fixtures, name);
	src = source_open(&(const char *){ path }, 1, NULL, why);
	if (src == NULL)
		errx(1, "%s", why);
	while (set < 5 && linktypes[set] != source_linktype(src))
		set++;
	add_byte(&s->out, set);
	add_byte(&s->out, 0);
	while (s->out.len < 2 * SEED_BYTES &&
	    source_next(src, &packet, why) == SOURCE_PACKET) {
		if (packet.data.len > SEED_BYTES)
			continue;
		pkt_put16(head, (uint32_t)packet.data.len);
		add(&s->out, head, sizeof(head));
		add_slice(&s->out, packet.data);
	}
	write_seed(s, "fuzz_capture");
	source_close(src);
}

/* The packet of `tcp` in two fragments, of IPv4 or IPv6. */
static void
add_fragments(struct seeds *s, const struct pkt_tcp *tcp, bool v6, bool turned)
{
	static uint8_t body[PKT_BUF_BYTES];
	size_t n = pkt_write_tcp(body, tcp, v6), half = n / 16 * 8;

	for (int i = 0; i < 2; i++) {
		bool last = (i == 1) != turned;
		size_t at = last ? half : 0, len = last ? n - half : half;
		uint8_t head[3], ip[PKT_IP6_BYTES + 8] = { 0 };
		size_t n_ip = v6
		    ? pkt_write_ip6(ip, tcp, len + 8, 44) + 8
		    : pkt_write_ip4(ip, tcp, len, 7,
			  (uint16_t)(at / 8 | (last ? 0 : 0x2000)));

		if (v6) {
			ip[PKT_IP6_BYTES] = PKT_PROTO_TCP;
			pkt_put16(
			    ip + PKT_IP6_BYTES + 2, (uint32_t)(at | !last));
			ip[PKT_IP6_BYTES + 7] = 7;
		}
		pkt_put16(head, (uint32_t)(n_ip + len));
		head[2] = 3;
		add(&s->out, head, sizeof(head));
		add(&s->out, ip, n_ip);
		add(&s->out, body + at, len);
	}
}

static void
write_fragments(struct seeds *s, bool v6, bool turned)
{
	static const uint8_t frame[] = { 4, 0, 0, 0, 'p', 'i', 'n', 'g' };
	struct pkt_tcp tcp = { .src = { 10, 0, 0, 1 },
		.dst = { 10, 0, 0, 2 },
		.sport = 40000,
		.dport = CAP_PORT,
		.seq = 1000,
		.flags = PKT_ACK,
		.window = 4096 };

	add_byte(&s->out, 3); /* DLT_RAW */
	add_byte(&s->out, 0);
	for (int i = 0; i < 4; i++) {
		tcp.payload = (struct bnet_slice){ frame, sizeof(frame) };
		add_fragments(s, &tcp, v6, turned);
		tcp.seq += sizeof(frame);
	}
	write_seed(s, "fuzz_capture");
}

/* ---- files ---- */

static FILE *
open_fixture(const struct seeds *s, const char *name)
{
	char path[PATH_BYTES];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", s->fixtures, name);
	f = fopen(path, "rb");
	if (f == NULL)
		err(1, "%s", path);
	return f;
}

/* A file as it is, up to so many bytes. */
static void
copy_file(struct seeds *s, const char *name, size_t max, const char *fuzzer)
{
	static uint8_t bytes[LINE_BYTES];
	FILE *f = open_fixture(s, name);
	size_t n =
	    fread(bytes, 1, max < sizeof(bytes) ? max : sizeof(bytes), f);

	(void)fclose(f);
	add(&s->out, bytes, n);
	write_seed(s, fuzzer);
}

/* The same, in parts that end with an empty line. */
static void
copy_parts(struct seeds *s, const char *name, const char *fuzzer)
{
	static char line[LINE_BYTES];
	FILE *f = open_fixture(s, name);

	while (fgets(line, sizeof(line), f) != NULL) {
		add(&s->out, line, strlen(line));
		if (line[0] == '\n')
			write_seed(s, fuzzer);
	}
	write_seed(s, fuzzer);
	(void)fclose(f);
}

/* The strings with which rows of a unit test's tables begin. */
static void
copy_rows(struct seeds *s, const char *name, const char *fuzzer)
{
	static char line[LINE_BYTES];
	FILE *f = open_fixture(s, name);

	while (fgets(line, sizeof(line), f) != NULL) {
		const char *p = strstr(line, "\t{ \"");

		if (p == NULL)
			continue;
		for (p += 4; *p != '"' && *p != '\0'; p++) {
			if (*p == '\\')
				p++;
			add(&s->out, p, 1);
		}
		write_seed(s, fuzzer);
	}
	(void)fclose(f);
}

/* A file in memory, which has a name. */
static int
memory_file(char path[PATH_BYTES])
{
	int fd = memfd_create("seed", MFD_CLOEXEC);

	if (fd < 0)
		err(1, "memfd_create");
	(void)snprintf(path, PATH_BYTES, "/proc/self/fd/%d", fd);
	return fd;
}

static void
write_memory(struct seeds *s, int fd, const char *fuzzer)
{
	static uint8_t bytes[LINE_BYTES];
	ssize_t n;
	off_t at = 0;

	while ((n = pread(fd, bytes, sizeof(bytes), at)) > 0) {
		add(&s->out, bytes, (size_t)n);
		at += n;
	}
	close(fd);
	write_seed(s, fuzzer);
}

/* ---- tapes ---- */

static const struct recorded_tape {
	const char *capture;
	int n_packets; /* the first of the capture, */
	uint32_t max_bytes; /* but for those that are longer */
	bool keylog;
} tapes[] = {
	{ "plain", 60, 2000, false },
	{ "plain", 200, 200, false },
	{ "net", 130, 600, false },
	{ "stock", 80, 400, false },
	{ "tls13", 60, 2000, true },
	{ "tls13", 20, 2000, false }, /* no secret, no session */
	{ "profile-market", 80, 400, false },
	{ "profile-relay", 120, 300, false },
	{ "profile-fleet", 60, 600, false },
};

/* The first packets of a recording. */
static int
cut_capture(struct seeds *s, const struct recorded_tape *tape, char *path)
{
	static uint8_t bytes[1 << 18];
	char name[80];
	FILE *f;
	int fd = memory_file(path);
	uint32_t record[4]; /* seconds, their fraction, captured, length */

	(void)snprintf(name, sizeof(name), "captures/%s.pcap", tape->capture);
	f = open_fixture(s, name);
	if (fread(bytes, 1, 24, f) != 24 || write(fd, bytes, 24) != 24)
		err(1, "%s", name);
	for (int i = 0;
	     i < tape->n_packets && fread(record, sizeof(record), 1, f) == 1;
	     i++) {
		if (fread(bytes, 1, record[2], f) != record[2])
			errx(1, "%s", name);
		if (record[2] > tape->max_bytes)
			continue;
		if (write(fd, record, sizeof(record)) != sizeof(record) ||
		    write(fd, bytes, record[2]) != (ssize_t)record[2])
			err(1, "%s", name);
	}
	(void)fclose(f);
	return fd;
}

static void
write_tape(struct seeds *s, const struct recorded_tape *tape)
{
	char path[PATH_BYTES], keys[PATH_BYTES], name[PATH_BYTES];
	char why[TAPE_ERR_CHARS];
	const char *const paths[] = { path };
	struct compile_settings set = { .paths = paths, .n_paths = 1 };
	int capture = cut_capture(s, tape, path), fd = memory_file(name);

	(void)snprintf(keys, sizeof(keys), "%s/captures/%s.keys", s->fixtures,
	    tape->capture);
	set.keylog = tape->keylog ? keys : NULL;
	if (!compile(&set, fd, why))
		errx(1, "%s", why);
	close(capture);
	write_memory(s, fd, "fuzz_tape");
}

/* ---- reports ---- */

#define NS_PER_S INT64_C(1000000000)

/* `n` of everything that can happen. */
static void
happen(struct results *results, int n)
{
	for (int i = 0; i < n; i++) {
		int64_t at_ns = i * NS_PER_S / 7, ms = 1000000;
		int32_t key = i % 3;

		results_sent(results, at_ns, i % 5 * ms, i % 4 == 0, key, 100);
		results_received(results, at_ns, key, 50);
		results_answered(results, at_ns, key, (i + 1) * ms);
		results_unanswered(results, at_ns, key);
		results_error(results, at_ns, key, (uint32_t)i % 9);
		results_ready(results, 3 * ms);
		results_opened(results, at_ns);
		results_closed(results, at_ns);
		results_count(results,
		    (enum results_count)(i % (int)RESULTS_N_COUNTS), 2);
	}
}

static void
write_report(struct seeds *s, int n)
{
	struct report *report = calloc(1, sizeof(*report));
	char path[PATH_BYTES], why[CLI_ERR_CHARS];
	int fd = memory_file(path);

	if (report == NULL || !results_init(&report->results, NS_PER_S))
		errx(1, "memory");
	report->scheduled = n % 2 == 0;
	report->diffed = n > 10;
	report->compared = (uint64_t)n;
	report->differences = (uint64_t)n / 2;
	report->max_late_ns = NS_PER_S / 100;
	report->n_shards = 1;
	report->of_shards = n > 10 ? 4 : 1;
	report->start_ns = INT64_C(1764054820123456789);
	report->length_ns = 10 * NS_PER_S;
	report->sessions = (uint64_t)n;
	(void)snprintf(report->target, sizeof(report->target), "[::1]:26000");
	(void)snprintf(report->how, sizeof(report->how), "--speed 2");
	happen(&report->results, n);
	if (!report_write_json(report, NULL, path, why))
		errx(1, "%s", why);
	report_free(report);
	write_memory(s, fd, "fuzz_report");
}

/* ---- pcapng: its blocks, with secrets in one of them ---- */

static void
add_block(struct seeds *s, uint32_t type, const void *p, uint32_t n, bool big)
{
	uint8_t pad[4] = { 0 };
	uint32_t total = 12 + (n + 3) / 4 * 4;
	uint32_t words[] = { type, total };

	for (int i = 0; i < 2 && big; i++)
		words[i] = __builtin_bswap32(words[i]);
	add(&s->out, words, sizeof(words));
	add(&s->out, p, n);
	add(&s->out, pad, (4 - n % 4) % 4);
	add(&s->out, &words[1], sizeof(words[1]));
}

static void
write_pcapng(struct seeds *s, bool big)
{
	uint32_t section[] = { 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX };
	uint32_t interface[] = { 1, 0 };
	uint8_t secrets[8 + 2048] = { 0x4b, 0x53, 0x4c, 0x54 };
	FILE *f = open_fixture(s, "captures/tls13.keys");
	uint32_t n = (uint32_t)fread(secrets + 8, 1, 1024, f);

	(void)fclose(f);
	memcpy(secrets + 4, &n, sizeof(n));
	if (big) {
		section[0] = __builtin_bswap32(section[0]);
		section[1] = 1u << 8;
		for (int i = 0; i < 2; i++) {
			uint32_t v;

			memcpy(&v, secrets + i * 4, 4);
			v = __builtin_bswap32(v);
			memcpy(secrets + i * 4, &v, 4);
		}
	}
	add_block(s, 0x0a0d0d0a, section, sizeof(section), big);
	add_block(s, 1, interface, sizeof(interface), big);
	add_block(s, 10, secrets, 8 + n, big);
	add_block(s, 4, "names", 5, big);
	write_seed(s, "fuzz_pcapng");
}

static void
write_texts(struct seeds *s)
{
	static const char *const scenarios[] = { "compression", "forwarding",
		"frames", "headers", "messages" };
	char name[80];

	copy_file(s, "captures/tls13.keys", SIZE_MAX, "fuzz_keylog");
	copy_file(s, "captures/tls13.keys", 600, "fuzz_keylog");
	copy_file(s, "hostile/secrets-cut.pcapng", 2000, "fuzz_pcapng");
	copy_file(s, "hostile/block-of-4-gib.pcapng", 1000, "fuzz_pcapng");
	write_pcapng(s, false);
	write_pcapng(s, true);
	copy_file(s, "ping/after.hlog", SIZE_MAX, "fuzz_hdr_log");
	copy_file(s, "ping/after.hlog", 3000, "fuzz_hdr_log");
	copy_file(s, "ping/before.hlog", 1000, "fuzz_hdr_log");
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		(void)snprintf(
		    name, sizeof(name), "scenarios/%s.bns", scenarios[i]);
		copy_file(s, name, SIZE_MAX, "fuzz_scenario");
		copy_parts(s, name, "fuzz_scenario");
	}
	copy_rows(s, "../tests/unit/test_filter.c", "fuzz_filter");
	copy_rows(s, "../tests/unit/filter_bad.h", "fuzz_filter");
	copy_rows(s, "../tests/unit/test_replay_diff_text.c", "fuzz_masks");
}

/* ---- headers in headers, for fuzz_layers ---- */

static const char *const lists[] = { "vlan", "qinq,snap", "vntag,metadata",
	"etag", "mpls3", "pw,vlan", "pw-bare", "pppoe", "pbb", "ipip,ipip6",
	"etherip", "vxlan", "vxlan6,qinq", "gpe,mpls", "geneve,pppoe",
	"geneve6", "geneve-options", "gre", "gre6", "gre-all", "teb", "gre-udp",
	"mpls-udp", "erspan1", "erspan2", "erspan3" };

/* Of other link types: the index in fuzz_layers' linktypes[], then bytes. */
static const struct {
	uint8_t linktype;
	const char *head;
	size_t n;
} heads[] = {
	{ 5, "\xff\x03\x00\x21", 4 },
	{ 7, "\x11\x00\x00\x01\x00\x2c\x00\x21", 8 },
	{ 8, "\x01\x03\x00\x21", 4 },
	{ 9, "\x0f\x00\x08\x00", 4 },
	{ 10, "\x00\x06\x41\x40", 4 },
	{ 11,
	    "\x02\x00\x00\x01\x05\x00\x0a\x00\x00\x00\x00\x00\x2c\x00"
	    "\x09\x00",
	    16 },
	{ 12,
	    "\x88\x02\x00\x00"
	    "020000020000030000"
	    "\x10\x00"
	    "\x00\x00"
	    "\xaa\xaa\x03\x00\x00\x00\x08\x00",
	    34 },
	{ 13,
	    "\x00\x00\x09\x00\x02\x00\x00\x00\x20"
	    "\x88\x02\x00\x00"
	    "020000020000030000"
	    "\x10\x00"
	    "\x80\x00\x00\x00"
	    "020000020000"
	    "\x00\x30"
	    "\xaa\xaa\x03\x00\x00\x00\x08\x00",
	    59 },
};

/* The packet after its length and a byte; so many are missing at its end. */
static void
add_packet(struct seeds *s, const struct around *packet, size_t cut)
{
	uint8_t head[3];

	pkt_put16(head, (uint32_t)(packet->n - cut));
	head[2] = (uint8_t)cut;
	add(&s->out, head, sizeof(head));
	add(&s->out, packet->p, packet->n - cut);
}

static struct around
small_packet(uint8_t *at)
{
	const struct pkt_tcp tcp = { .src = { 10, 0, 0, 1 },
		.dst = { 10, 0, 0, 2 },
		.sport = 40000,
		.dport = 26000,
		.flags = PKT_SYN };
	struct around packet = { .p = at, .type = 0x0800 };

	packet.n = pkt_write_tcp(at + PKT_IP4_BYTES, &tcp, false);
	packet.n += pkt_write_ip4(at, &tcp, packet.n, 1, 0);
	return packet;
}

static void
write_layers(struct seeds *s)
{
	static uint8_t room[AROUND_ROOM + 100];
	struct around packet;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		packet = small_packet(room + AROUND_ROOM);
		around(&packet, lists[i]);
		around(&packet, "ether");
		add_byte(&s->out, 0);
		add_packet(s, &packet, 0);
		add_packet(s, &packet, 20);
		write_seed(s, "fuzz_layers");
	}
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		packet = small_packet(room + AROUND_ROOM);
		packet.p -= heads[i].n;
		packet.n += heads[i].n;
		memcpy(packet.p, heads[i].head, heads[i].n);
		add_byte(&s->out, heads[i].linktype);
		add_packet(s, &packet, 0);
		write_seed(s, "fuzz_layers");
	}
}

int
main(int argc, char **argv)
{
	static const char *const recordings[] = { "plain", "net", "stock" };
	static const char *const hostile[] = { "fragment-beyond-64k",
		"fragments-overlapping", "fragments-unfinished",
		"ip6-extensions-200", "lengths-that-lie", "packet-of-4-gib",
		"sequence-leaps", "tls-hello-of-nothing", "vlan-tags-120" };
	struct seeds s = { .fixtures = getenv("BNET_FIXTURES") };

	if (argc != 2) {
		fputs("usage: seeds DIR\n", stderr);
		return 2;
	}
	s.dir = argv[1];
	if (s.fixtures == NULL)
		s.fixtures = "fixtures";
	bnet_buf_init(&s.frame, SIZE_MAX / 2);
	bnet_buf_init(&s.row, SIZE_MAX / 2);
	bnet_buf_init(&s.out, SIZE_MAX / 2);
	(void)mkdir(s.dir, 0777);
	read_vectors(&s, "header.jsonl", on_header);
	read_vectors(&s, "frame.jsonl", on_frame);
	read_vectors(&s, "message.jsonl", on_message);
	read_vectors(&s, "marshal.jsonl", on_marshal);
	read_vectors(&s, "marshal-hostile.jsonl", on_marshal);
	read_vectors(&s, "marshal-named.json", on_marshal);
	for (size_t i = 0; i < 3; i++)
		read_recording(&s, recordings[i]);
	read_wire(&s, "tls13");
	write_hellos(&s);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
		write_hostile(&s, hostile[i]);
	for (int i = 0; i < 4; i++)
		write_fragments(&s, i & 1, i & 2);
	write_layers(&s);
	for (size_t i = 0; i < sizeof(tapes) / sizeof(tapes[0]); i++)
		write_tape(&s, &tapes[i]);
	for (int n = 0; n <= 40; n += 10)
		write_report(&s, n + n / 30);
	write_texts(&s);
	bnet_buf_free(&s.frame);
	bnet_buf_free(&s.row);
	bnet_buf_free(&s.out);
	return 0;
}
