/* SPDX-License-Identifier: MIT */
/* Captures made packet by packet, in a file, and the tapes made of them. */
#ifndef REPLAY_CAPTURE_MAKE_H
#define REPLAY_CAPTURE_MAKE_H

#include "cmd/replay/tape/compile.h"
#include "proto/message.h"
#include "tests/unit/packets.h"

#include <sys/mman.h>
#include <unistd.h>

#define MAKE_BYTES ((size_t)1 << 20)
#define MAKE_START_S 1700000000

/* A pcap of raw IP. Zeroed, then make_open(). */
struct make {
	FILE *file;
	char path[32];
	int64_t now_ms; /* since MAKE_START_S: of the next packet */
};

static inline void
make_open(struct make *make)
{
	static const uint32_t head[6] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535,
		101 };
	int fd;

	*make = (struct make){ .path = "/tmp/bnet-replay-XXXXXX" };
	fd = mkstemp(make->path);
	ck_assert_int_ge(fd, 0);
	make->file = fdopen(fd, "wb");
	ck_assert_ptr_nonnull(make->file);
	ck_assert_uint_eq(fwrite(head, sizeof(head), 1, make->file), 1);
}

static inline void
make_packet(struct make *make, const struct conn *conn, enum cap_dir dir,
    uint8_t flags, struct bnet_slice data)
{
	const struct pkt pkt = conn_pkt(conn, dir, flags);
	uint32_t n = (uint32_t)(PKT_HEAD_BYTES + data.len);
	const uint32_t head[4] = { MAKE_START_S +
		    (uint32_t)(make->now_ms / 1000),
		(uint32_t)(make->now_ms % 1000) * 1000, n, n };
	uint8_t p[PKT_HEAD_BYTES];

	put_ipv4(p, &pkt, 20 + data.len);
	put_tcp(p + 20, &pkt);
	ck_assert_uint_eq(fwrite(head, sizeof(head), 1, make->file), 1);
	ck_assert_uint_eq(fwrite(p, sizeof(p), 1, make->file), 1);
	if (data.len > 0)
		ck_assert_uint_eq(fwrite(data.p, data.len, 1, make->file), 1);
	make->now_ms++;
}

static inline void
make_syn(struct make *make, struct conn *conn)
{
	make_packet(make, conn, CAP_UP, TCP_SYN, nothing);
	conn->seq[0]++;
	make_packet(make, conn, CAP_DOWN, TCP_SYN | TCP_ACK, nothing);
	conn->seq[1]++;
}

static inline void
make_fin(struct make *make, struct conn *conn)
{
	make_packet(make, conn, CAP_UP, TCP_FIN | TCP_ACK, nothing);
	conn->seq[0]++;
	make_packet(make, conn, CAP_DOWN, TCP_FIN | TCP_ACK, nothing);
	conn->seq[1]++;
}

/* A frame in a packet of its own; takes a millisecond. */
static inline void
make_frame(struct make *make, struct conn *conn, enum cap_dir dir,
    const struct bnet_header *header, const uint64_t *fork_ids,
    struct bnet_slice payload, enum bnet_codec_id codec)
{
	const struct bnet_wire wire = { .codec = codec,
		.frame_max_bytes = BNET_FRAME_MAX_BYTES,
		.threshold_bytes = 1 };
	const struct bnet_packet packet = { .has_oob = true,
		.has_header = true,
		.header = *header,
		.fork_ids = fork_ids,
		.payload = payload };
	struct bnet_codecs *codecs = bnet_codecs_new();
	struct bnet_buf out;

	ck_assert_ptr_nonnull(codecs);
	bnet_buf_init(&out, MAKE_BYTES);
	unit_err("encode", bnet_packet_encode(&wire, codecs, &packet, &out),
	    BNET_OK);
	make_packet(make, conn, dir, TCP_ACK, bnet_buf_slice(&out));
	conn->seq[dir] += (uint32_t)out.len;
	bnet_buf_free(&out);
	bnet_codecs_free(codecs);
}

static inline void
make_message(struct make *make, struct conn *conn, enum cap_dir dir,
    const struct bnet_message *message)
{
	const struct bnet_header header = { .key = bnet_message_key(
						message->type) };
	struct bnet_buf body;

	bnet_buf_init(&body, MAKE_BYTES);
	unit_err("body", bnet_message_encode(message, &body), BNET_OK);
	make_frame(make, conn, dir, &header, NULL, bnet_buf_slice(&body),
	    BNET_CODEC_NONE);
	bnet_buf_free(&body);
}

/* The capture is complete. */
static inline void
make_end(struct make *make)
{
	ck_assert_int_eq(fclose(make->file), 0);
}

/* Compile; *fd is the file of the tape, for the caller to close. */
static inline struct tape *
make_tape(const struct compile_settings *set, int *fd)
{
	char err[TAPE_ERR_CHARS] = "";
	struct tape *tape;

	*fd = memfd_create("tape", MFD_CLOEXEC);
	ck_assert_int_ge(*fd, 0);
	ck_assert_msg(compile(set, *fd, err), "%s", err);
	tape = tape_open(*fd, "tape", err);
	ck_assert_msg(tape != NULL, "%s", err);
	return tape;
}

#endif
