/* SPDX-License-Identifier: MIT */
#include "tests/captures/hostile.h"

#include "proto/bluenet.h"
#include "tests/captures/pkt.h"

#define HOSTILE_TIME_NS (INT64_C(1763850858) * 1000000000)
#define HOSTILE_LINKTYPE_ETHERNET 1
#define HOSTILE_SEGMENT_BYTES 1448
#define HOSTILE_ETHER_BYTES 14

static struct pkt_tcp
hostile_tcp(void)
{
	return (struct pkt_tcp){ .src = { 10, 0, 0, 1 },
		.dst = { 10, 0, 0, 2 },
		.sport = 40000,
		.dport = 26000,
		.seq = 1,
		.ack = 1,
		.flags = PKT_ACK,
		.window = 65535 };
}

/* Ethernet in front of the IP packet that is at `bytes` + 14. */
static void
hostile_write(
    struct pkt_file *file, uint8_t *bytes, size_t n_ip, uint32_t ethertype)
{
	memset(bytes, 2, 12);
	pkt_put16(bytes + 12, ethertype);
	pkt_file_packet(file, HOSTILE_TIME_NS,
	    (struct bnet_slice){ bytes, HOSTILE_ETHER_BYTES + n_ip });
}

static void
hostile_segment(struct pkt_file *file, const struct pkt_tcp *tcp)
{
	static uint8_t bytes[PKT_BUF_BYTES];
	uint8_t *ip = bytes + HOSTILE_ETHER_BYTES;
	size_t n = pkt_write_tcp(ip + PKT_IP4_BYTES, tcp, false);

	n += pkt_write_ip4(ip, tcp, n, 1, 0);
	hostile_write(file, bytes, n, 0x0800);
}

/* SYN, the bytes in segments, FIN. */
static void
hostile_stream(struct pkt_file *file, struct bnet_slice in)
{
	struct pkt_tcp tcp = hostile_tcp();

	tcp.seq = 0;
	tcp.flags = PKT_SYN;
	hostile_segment(file, &tcp);
	tcp.flags = PKT_ACK;
	for (tcp.seq = 1; in.len > 0;) {
		tcp.payload = in;
		if (in.len > HOSTILE_SEGMENT_BYTES)
			tcp.payload.len = HOSTILE_SEGMENT_BYTES;
		hostile_segment(file, &tcp);
		tcp.seq += (uint32_t)tcp.payload.len;
		in = bnet_slice_from(in, tcp.payload.len);
	}
	tcp.flags |= PKT_FIN;
	tcp.payload = in;
	hostile_segment(file, &tcp);
}

/* Where the files go. */
struct hostile_sink {
	hostile_take *take;
	void *arg;
};

/* A capture to be written to. */
struct hostile_file {
	struct pkt_file pkt;
	char *bytes;
	size_t n_bytes;
};

static struct pkt_file *
hostile_open(struct hostile_file *file, bool pcapng)
{
	*file = (struct hostile_file){ .pkt = { .linktype =
						    HOSTILE_LINKTYPE_ETHERNET,
					   .snaplen = PKT_SNAPLEN,
					   .pcapng = pcapng } };
	pkt_file_open_memory(&file->pkt, &file->bytes, &file->n_bytes);
	return &file->pkt;
}

static void
hostile_close(const struct hostile_sink *to, struct hostile_file *file,
    const char *name, const char *suffix)
{
	char full[100];

	pkt_file_close(&file->pkt);
	(void)snprintf(full, sizeof(full), "%s%s", name, suffix);
	to->take(to->arg, full,
	    (struct bnet_slice){ (const uint8_t *)file->bytes, file->n_bytes });
	free(file->bytes);
}

/* ---- packets that lie; each among the segments of a good stream ---- */

/* First fragments of many datagrams, of which no more comes. */
static void
hostile_fragments_unfinished(struct pkt_file *file)
{
	static uint8_t bytes[256];
	uint8_t *ip = bytes + HOSTILE_ETHER_BYTES;
	struct pkt_tcp tcp = hostile_tcp();

	for (uint32_t id = 0; id < 300; id++) {
		pkt_write_ip4(ip, &tcp, 8, id, 0x2000);
		hostile_write(file, bytes, PKT_IP4_BYTES + 8, 0x0800);
	}
}

/* The second lies inside the first, and the last ends before it. */
static void
hostile_fragments_overlapping(struct pkt_file *file)
{
	static uint8_t bytes[256];
	uint8_t *ip = bytes + HOSTILE_ETHER_BYTES;
	struct pkt_tcp tcp = hostile_tcp();

	pkt_write_ip4(ip, &tcp, 64, 9, 0x2000);
	hostile_write(file, bytes, PKT_IP4_BYTES + 64, 0x0800);
	pkt_write_ip4(ip, &tcp, 24, 9, 0x2000 | 3);
	hostile_write(file, bytes, PKT_IP4_BYTES + 24, 0x0800);
	pkt_write_ip4(ip, &tcp, 4, 9, 1);
	hostile_write(file, bytes, PKT_IP4_BYTES + 4, 0x0800);
}

/* Beyond the 64 KiB that a datagram can have. */
static void
hostile_fragment_beyond_64k(struct pkt_file *file)
{
	static uint8_t bytes[256];
	uint8_t *ip = bytes + HOSTILE_ETHER_BYTES;
	struct pkt_tcp tcp = hostile_tcp();

	pkt_write_ip4(ip, &tcp, 64, 9, 0x1fff);
	hostile_write(file, bytes, PKT_IP4_BYTES + 64, 0x0800);
}

/* Extension headers in a row, until nothing is left. */
static void
hostile_ip6_extensions(struct pkt_file *file)
{
	static uint8_t bytes[2048];
	uint8_t *ip = bytes + HOSTILE_ETHER_BYTES;
	struct pkt_tcp tcp = hostile_tcp();

	pkt_write_ip6(ip, &tcp, 1600, 0);
	memset(ip + PKT_IP6_BYTES, 0, 1600); /* hop-by-hop: 8 bytes each */
	hostile_write(file, bytes, PKT_IP6_BYTES + 1600, 0x86dd);
}

static void
hostile_vlan_tags(struct pkt_file *file)
{
	static uint8_t bytes[512];

	for (size_t at = HOSTILE_ETHER_BYTES; at < 500; at += 4) {
		pkt_put16(bytes + at, 1);
		pkt_put16(bytes + at + 2, 0x8100);
	}
	hostile_write(file, bytes, 480, 0x8100);
}

/* Lengths that say more than there is. */
static void
hostile_lengths(struct pkt_file *file)
{
	static uint8_t bytes[256];
	uint8_t *ip = bytes + HOSTILE_ETHER_BYTES;
	struct pkt_tcp tcp = hostile_tcp();
	size_t n;

	tcp.sport = 40001;
	n = pkt_write_tcp(ip + PKT_IP4_BYTES, &tcp, false);
	pkt_write_ip4(ip, &tcp, n, 1, 0);
	ip[PKT_IP4_BYTES + 12] = 0xf0; /* a TCP header of 60 bytes */
	hostile_write(file, bytes, PKT_IP4_BYTES + n, 0x0800);
	ip[PKT_IP4_BYTES + 12] = 0x10; /* of 4 */
	hostile_write(file, bytes, PKT_IP4_BYTES + n, 0x0800);
	ip[0] = 0x4f; /* an IP header of 60 bytes */
	hostile_write(file, bytes, PKT_IP4_BYTES + n, 0x0800);
	ip[0] = 0x41; /* of 4 */
	hostile_write(file, bytes, PKT_IP4_BYTES + n, 0x0800);
	ip[0] = 0x45;
	pkt_put16(ip + 2, 7); /* less than its own header */
	hostile_write(file, bytes, PKT_IP4_BYTES + n, 0x0800);
}

/* Segments of a stream half of sequence space away from each other. */
static void
hostile_sequence_leaps(struct pkt_file *file)
{
	struct pkt_tcp tcp = hostile_tcp();

	tcp.sport = 40001;
	tcp.payload = (struct bnet_slice){ (const uint8_t *)"leap", 4 };
	for (uint32_t i = 0; i < 16; i++) {
		tcp.seq = i * UINT32_C(0x7fffffff);
		hostile_segment(file, &tcp);
	}
}

struct hostile_packet_case {
	const char *name;
	void (*write)(struct pkt_file *file);
};

static const struct hostile_packet_case hostile_packet_cases[] = {
	{ "fragments-unfinished", hostile_fragments_unfinished },
	{ "fragments-overlapping", hostile_fragments_overlapping },
	{ "fragment-beyond-64k", hostile_fragment_beyond_64k },
	{ "ip6-extensions-200", hostile_ip6_extensions },
	{ "vlan-tags-120", hostile_vlan_tags },
	{ "lengths-that-lie", hostile_lengths },
	{ "sequence-leaps", hostile_sequence_leaps },
};

/* ---- files that lie, behind a good stream ---- */

/* A packet of nearly 4 GiB, says the file. */
static void
hostile_file_pcap(struct pkt_file *file, struct bnet_slice good)
{
	uint8_t head[16] = { 0 };

	hostile_stream(file, good);
	memset(head + 8, 0xf0, 8);
	pkt_file_bytes(file, head, sizeof(head));
}

/* A block of nearly 4 GiB. */
static void
hostile_file_pcapng(struct pkt_file *file, struct bnet_slice good)
{
	uint8_t head[8] = { 6 };

	hostile_stream(file, good);
	memset(head + 4, 0xf0, 4);
	pkt_file_bytes(file, head, sizeof(head));
}

/* Secrets that are longer than their block. */
static void
hostile_file_secrets(struct pkt_file *file, struct bnet_slice good)
{
	uint8_t head[8];

	pkt_file_put32(file, head, UINT32_C(0x544c534b));
	pkt_file_put32(file, head + 4, UINT32_C(0xfffffff0));
	pkt_file_block(file, 10, (struct bnet_slice){ head, 8 },
	    (struct bnet_slice){ (const uint8_t *)"CLIENT_RANDOM 00", 16 },
	    PKT_NONE);
	hostile_stream(file, good);
}

/* All of these, with the good stream behind the packets. */
static void
hostile_packets(const struct hostile_sink *to, struct bnet_slice good)
{
	struct hostile_file file;
	struct pkt_file *pkt;

	for (size_t i = 0;
	     i < sizeof(hostile_packet_cases) / sizeof(hostile_packet_cases[0]);
	     i++) {
		pkt = hostile_open(&file, false);
		hostile_packet_cases[i].write(pkt);
		hostile_stream(pkt, good);
		hostile_close(to, &file, hostile_packet_cases[i].name, ".pcap");
	}
	hostile_file_pcap(hostile_open(&file, false), good);
	hostile_close(to, &file, "packet-of-4-gib", ".pcap");
	hostile_file_pcapng(hostile_open(&file, true), good);
	hostile_close(to, &file, "block-of-4-gib", ".pcapng");
	hostile_file_secrets(hostile_open(&file, true), good);
	hostile_close(to, &file, "secrets-cut", ".pcapng");
}

/* ---- streams that lie ---- */

#define GOOD_BEFORE 2
#define GOOD_AFTER 12 /* enough to be found again */

struct stream_case {
	const char *name;
	void (*make)(struct bnet_buf *out);
	bool alone; /* without good frames around it */
};

static struct bnet_codecs *codecs;

static void
add(struct bnet_buf *out, const void *p, size_t n)
{
	if (bnet_buf_append(out, (struct bnet_slice){ p, n }) != BNET_OK)
		errx(1, "memory");
}

static void
add_u32(struct bnet_buf *out, uint32_t v)
{
	uint8_t p[4];

	bnet_order_put_u32(BNET_ORDER_LITTLE, p, v);
	add(out, p, sizeof(p));
}

/* A frame of a header to node 7 (or of any bytes as one) and a payload. */
static void
add_frame(struct bnet_buf *out, uint32_t flags, struct bnet_slice oob,
    const void *payload, size_t n)
{
	struct bnet_frame frame = { .flags = BNET_FRAME_F_OOB | flags,
		.oob = oob,
		.payload = { payload, n } };

	if (bnet_frame_encode(&frame, BNET_ORDER_LITTLE, BNET_FRAME_MAX_BYTES,
		out) != BNET_OK)
		errx(1, "a frame is too long");
}

static struct bnet_slice
header(int32_t key)
{
	static struct bnet_buf buf = { .max = 64 };
	const struct bnet_header h = {
		.dest_type = BNET_DEST_NODE, .dest = 7, .key = key
	};

	bnet_buf_clear(&buf);
	if (bnet_header_encode(&h, NULL, &buf) != BNET_OK)
		errx(1, "memory");
	return bnet_buf_slice(&buf);
}

static void
add_good(struct bnet_buf *out, int n)
{
	for (int i = 0; i < n; i++)
		add_frame(out, 0, header(bnet_key("chat::line")), "good", 4);
}

/* ---- words ---- */

static void
word_oversize(struct bnet_buf *out)
{
	add_u32(out, UINT32_C(0x0fffffff));
	add(out, "never to be waited for", 22);
}

static void
word_bit_31(struct bnet_buf *out)
{
	add_u32(out, UINT32_C(0x80000004));
	add(out, "abcd", 4);
}

static void
word_both_codecs(struct bnet_buf *out)
{
	add_u32(out, UINT32_C(0x60000004));
	add(out, "abcd", 4);
}

static void
oob_len_too_long(struct bnet_buf *out)
{
	add_u32(out, BNET_FRAME_F_OOB | 8);
	add_u32(out, UINT32_C(0xffffffff));
	add(out, "abcd", 4);
}

static void
oob_without_room(struct bnet_buf *out)
{
	add_u32(out, BNET_FRAME_F_OOB | 3);
	add(out, "abc", 3);
}

static void
ends_in_a_frame(struct bnet_buf *out)
{
	add_good(out, 1);
	add_u32(out, 1000);
	add(out, "the rest never comes", 20);
}

/* ---- payloads ---- */

/* `n` zeros, compressed; the first `claim` bytes of it say how many. */
static void
zlib_payload(struct bnet_buf *packed, size_t n, uint32_t claim)
{
	uint8_t *zeros = calloc(n, 1);

	bnet_buf_init(packed, SIZE_MAX / 2);
	if (zeros == NULL ||
	    bnet_codec_encode(codecs, BNET_CODEC_ZLIB, BNET_ORDER_LITTLE,
		(struct bnet_slice){ zeros, n }, packed) != BNET_OK)
		errx(1, "memory");
	bnet_order_put_u32(BNET_ORDER_LITTLE, packed->p + packed->at, claim);
	free(zeros);
}

static void
add_zlib(struct bnet_buf *out, struct bnet_buf *packed, ssize_t more)
{
	size_t n = packed->len;

	if (more > 0)
		add(packed, "junk", (size_t)more);
	n = (size_t)((ssize_t)n + more);
	add_frame(out, BNET_FRAME_F_ZLIB, header(0), packed->p + packed->at, n);
	bnet_buf_free(packed);
}

static void
zlib_claims_4_gib(struct bnet_buf *out)
{
	struct bnet_buf packed;

	zlib_payload(&packed, 1000, UINT32_MAX);
	add_zlib(out, &packed, 0);
}

static void
zlib_bomb(struct bnet_buf *out)
{
	struct bnet_buf packed;

	zlib_payload(
	    &packed, BNET_PAYLOAD_MAX_BYTES + 1, BNET_PAYLOAD_MAX_BYTES + 1);
	add_zlib(out, &packed, 0);
}

static void
zlib_longer_than_claimed(struct bnet_buf *out)
{
	struct bnet_buf packed;

	zlib_payload(&packed, 500000, 100);
	add_zlib(out, &packed, 0);
}

static void
zlib_shorter_than_claimed(struct bnet_buf *out)
{
	struct bnet_buf packed;

	zlib_payload(&packed, 1000, 1001);
	add_zlib(out, &packed, 0);
}

static void
zlib_truncated(struct bnet_buf *out)
{
	struct bnet_buf packed;

	zlib_payload(&packed, 1000, 1000);
	add_zlib(out, &packed, -1);
}

static void
zlib_trailing(struct bnet_buf *out)
{
	struct bnet_buf packed;

	zlib_payload(&packed, 1000, 1000);
	add_zlib(out, &packed, 4);
}

static void
zlib_no_raw_size(struct bnet_buf *out)
{
	add_frame(out, BNET_FRAME_F_ZLIB, header(0), "abc", 3);
}

static void
snappy_claims_too_much(struct bnet_buf *out)
{
	add_frame(out, BNET_FRAME_F_SNAPPY, header(0),
	    "\xff\xff\xff\xff\x0f\x00"
	    "a",
	    7);
}

static void
snappy_lies(struct bnet_buf *out)
{
	/* 64 bytes, it says; here are three */
	add_frame(out, BNET_FRAME_F_SNAPPY, header(0),
	    "\x40\x08"
	    "abc",
	    5);
}

static void
snappy_copies_from_before(struct bnet_buf *out)
{
	/* one byte, then four from 200 back */
	add_frame(out, BNET_FRAME_F_SNAPPY, header(0),
	    "\x05\x00"
	    "a\x01\xc8",
	    5);
}

/* ---- headers and messages ---- */

static void
header_forks_4294967295(struct bnet_buf *out)
{
	struct bnet_buf oob;
	struct bnet_bits_wr wr;

	bnet_buf_init(&oob, 64);
	bnet_bits_write(&wr, &oob);
	bnet_bits_put_i64(&wr, 0);
	bnet_bits_put_i64(&wr, BNET_DEST_CLIENT);
	bnet_bits_put_i64(&wr, 0);
	bnet_bits_put_i32(&wr, 1);
	bnet_bits_put_u32(&wr, UINT32_MAX);
	bnet_bits_put_u32(&wr, 0);
	bnet_bits_put_u32(&wr, 0);
	bnet_bits_put_bool(&wr, false);
	bnet_bits_put_u64(&wr, 0);
	if (bnet_bits_finish(&wr) != BNET_OK)
		errx(1, "memory");
	add_frame(out, 0, bnet_buf_slice(&oob), "few", 3);
	bnet_buf_free(&oob);
}

static void
header_of_ones(struct bnet_buf *out)
{
	static const uint8_t ones[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	add_frame(out, 0, (struct bnet_slice){ ones, sizeof(ones) }, "", 0);
}

static void
message_roster_n_4294967295(struct bnet_buf *out)
{
	struct bnet_buf body;
	struct bnet_bits_wr wr;

	bnet_buf_init(&body, 64);
	bnet_bits_write(&wr, &body);
	bnet_bits_put_bool(&wr, true);
	bnet_bits_put_u32(&wr, UINT32_MAX);
	bnet_bits_put_u64(&wr, 1);
	if (bnet_bits_finish(&wr) != BNET_OK)
		errx(1, "memory");
	add_frame(out, 0, header(bnet_message_key(BNET_MSG_ROSTER_REPLY)),
	    body.p + body.at, body.len);
	bnet_buf_free(&body);
}

static void
message_string_too_long(struct bnet_buf *out)
{
	struct bnet_buf body;
	struct bnet_bits_wr wr;

	bnet_buf_init(&body, 64);
	bnet_bits_write(&wr, &body);
	bnet_bits_put_u32(&wr, BNET_CODE_REFUSED);
	bnet_bits_put_u32(&wr, UINT32_MAX);
	if (bnet_bits_finish(&wr) != BNET_OK)
		errx(1, "memory");
	add_frame(out, 0, header(bnet_message_key(BNET_MSG_REFUSE)),
	    body.p + body.at, body.len);
	bnet_buf_free(&body);
}

/* A name that would like to be a command to a terminal, or more JSON. */
static void
message_name_with_escapes(struct bnet_buf *out)
{
	static const char name[] =
	    "\033]0;owned\a\033[2J\r\n\"},{\"x\":\"\\"
	    "\xff\xc0\xaf\xed\xa0\x80\0end\x7f\x9b\xc2\x9b";
	const struct bnet_message message = { .type = BNET_MSG_HELLO,
		.u.hello = { .version = BNET_PROTOCOL_VERSION,
		    .role = 77,
		    .name = { name, sizeof(name) - 1 },
		    .token = { "s3cret", 6 } } };
	struct bnet_buf body;

	bnet_buf_init(&body, 4096);
	if (bnet_message_encode(&message, &body) != BNET_OK)
		errx(1, "memory");
	add_frame(out, 0, header(bnet_message_key(BNET_MSG_HELLO)),
	    body.p + body.at, body.len);
	bnet_buf_free(&body);
}

/* ---- no frames at all ---- */

static void
zeros(struct bnet_buf *out)
{
	static const uint8_t z[4096];

	add(out, z, sizeof(z));
}

static void
random_bytes(struct bnet_buf *out)
{
	uint64_t state = 1;

	for (int i = 0; i < 1024; i++)
		add_u32(out, (uint32_t)pkt_random(&state));
}

static void
other_protocol(struct bnet_buf *out)
{
	for (int i = 0; i < 8; i++)
		add(out, "GET / HTTP/1.1\r\nHost: relay\r\n\r\n", 31);
}

/* A record that says ClientHello, and then something else. */
static void
tls_hello_of_nothing(struct bnet_buf *out)
{
	add(out, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
	add_good(out, 40);
}

static const struct stream_case stream_cases[] = {
	{ "word-oversize", word_oversize, false },
	{ "word-bit-31", word_bit_31, false },
	{ "word-both-codecs", word_both_codecs, false },
	{ "oob-len-too-long", oob_len_too_long, false },
	{ "oob-without-room", oob_without_room, false },
	{ "zlib-claims-4-gib", zlib_claims_4_gib, false },
	{ "zlib-bomb", zlib_bomb, false },
	{ "zlib-longer-than-claimed", zlib_longer_than_claimed, false },
	{ "zlib-shorter-than-claimed", zlib_shorter_than_claimed, false },
	{ "zlib-truncated", zlib_truncated, false },
	{ "zlib-trailing", zlib_trailing, false },
	{ "zlib-no-raw-size", zlib_no_raw_size, false },
	{ "snappy-claims-too-much", snappy_claims_too_much, false },
	{ "snappy-lies", snappy_lies, false },
	{ "snappy-copies-from-before", snappy_copies_from_before, false },
	{ "header-forks-4294967295", header_forks_4294967295, false },
	{ "header-of-ones", header_of_ones, false },
	{ "message-roster-n-4294967295", message_roster_n_4294967295, false },
	{ "message-string-too-long", message_string_too_long, false },
	{ "message-name-with-escapes", message_name_with_escapes, false },
	{ "ends-in-a-frame", ends_in_a_frame, true },
	{ "zeros", zeros, true },
	{ "random", random_bytes, true },
	{ "other-protocol", other_protocol, true },
	{ "tls-hello-of-nothing", tls_hello_of_nothing, true },
};

static void
write_stream(const struct hostile_sink *to, const struct stream_case *row)
{
	struct hostile_file file;
	struct bnet_buf out;
	char name[100];

	bnet_buf_init(&out, 1 << 20);
	if (!row->alone)
		add_good(&out, GOOD_BEFORE);
	row->make(&out);
	if (!row->alone)
		add_good(&out, GOOD_AFTER);
	(void)snprintf(name, sizeof(name), "%s.frames", row->name);
	to->take(to->arg, name, bnet_buf_slice(&out));
	hostile_stream(hostile_open(&file, false), bnet_buf_slice(&out));
	hostile_close(to, &file, row->name, ".pcap");
	bnet_buf_free(&out);
}

void
hostile(hostile_take *take, void *arg)
{
	const struct hostile_sink to = { take, arg };
	struct bnet_buf good;

	codecs = bnet_codecs_new();
	if (codecs == NULL)
		errx(1, "memory");
	for (size_t i = 0; i < sizeof(stream_cases) / sizeof(stream_cases[0]);
	     i++)
		write_stream(&to, &stream_cases[i]);
	bnet_buf_init(&good, 1 << 20);
	add_good(&good, GOOD_AFTER);
	hostile_packets(&to, bnet_buf_slice(&good));
	bnet_buf_free(&good);
	bnet_codecs_free(codecs);
}
