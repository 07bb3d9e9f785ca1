/* SPDX-License-Identifier: MIT */
/*
 * seeds DIR: what the fuzzers start from, a folder each, made of the
 * fixtures: header, frame and message vectors, and the frames of the
 * recordings, alone, in rows, and in packets of each link type.
 */
#include "cmd/capture/capture.h"
#include "cmd/capture/source.h"
#include "proto/bluenet.h"
#include "tests/captures/pkt.h"

#include <ctype.h>
#include <sys/stat.h>

#define LINE_BYTES 65536
#define PATH_BYTES 512
#define FRAME_SEED_BYTES 1500 /* longer frames are passed over */
#define ROW_FRAMES 6
#define FRAMES_MAX 60 /* of a recording and codec */
#define SEGMENT_BYTES 200
#define LIMIT_1M 6 /* fuzz_frame's and fuzz_codec's limits[] */
#define LINK_LIMIT_1M 3 /* fuzz_link's */
#define CAP_SEGMENTS 0x80 /* fuzz_capture's SET_SEGMENTS */

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

static void
read_vectors(struct seeds *s, const char *name,
    void (*on_line)(struct seeds *s, const char *line))
{
	static char line[LINE_BYTES];
	char path[PATH_BYTES];
	FILE *f;

	(void)snprintf(
	    path, sizeof(path), "%s/vectors/%s.jsonl", s->fixtures, name);
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
	write_segments(s, row, i & 1, i & 2);
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
	src = source_open_file(path, why);
	if (src == NULL || cap == NULL)
		errx(1, "%s", src == NULL ? why : "memory");
	memset(s->n_of, 0, sizeof(s->n_of));
	while (source_next(src, &packet, why) == SOURCE_PACKET)
		must(cap_packet(cap, source_linktype(src), packet.time_ns,
		    packet.data, packet.wire_bytes, &stream));
	cap_finish(cap);
	bnet_buf_clear(&s->row); /* the next may be of the other order */
	s->n_row = 0;
	cap_free(cap);
	source_close(src);
}

/* A file as it is. */
static void
copy_file(struct seeds *s, const char *name, const char *fuzzer)
{
	static uint8_t bytes[LINE_BYTES];
	char path[PATH_BYTES];
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", s->fixtures, name);
	f = fopen(path, "rb");
	if (f == NULL)
		err(1, "%s", path);
	n = fread(bytes, 1, sizeof(bytes), f);
	(void)fclose(f);
	add(&s->out, bytes, n);
	write_seed(s, fuzzer);
}

int
main(int argc, char **argv)
{
	static const char *const recordings[] = { "plain", "net", "stock" };
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
	read_vectors(&s, "header", on_header);
	read_vectors(&s, "frame", on_frame);
	read_vectors(&s, "message", on_message);
	for (size_t i = 0; i < 3; i++)
		read_recording(&s, recordings[i]);
	copy_file(&s, "captures/tls13.keys", "fuzz_keylog");
	copy_file(&s, "ping/after.hlog", "fuzz_hdr_log");
	bnet_buf_free(&s.frame);
	bnet_buf_free(&s.row);
	bnet_buf_free(&s.out);
	return 0;
}
