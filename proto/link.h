/* SPDX-License-Identifier: MIT */
/*
 * bnet_link - one connection in both directions: the order of the stages.
 *
 *	bytes in  -> tls -> frame -> header -> codec -> sink
 *	bytes out <- tls <- frame <- header <- codec <- bnet_link_send()
 *
 * It works in memory, owns no socket and never blocks. A frame that lies
 * whole in the input is not copied. An idle plain link holds no buffer.
 */
#ifndef BNET_LINK_H
#define BNET_LINK_H

#include "bits.h"
#include "buf.h"
#include "codec.h"
#include "err.h"
#include "frame.h"
#include "header.h"
#include "tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bnet_packet {
	uint32_t size_bytes; /* in: bytes after the word, on the wire */
	enum bnet_codec_id codec; /* in: as received; out: see send */
	bool has_oob;
	bool has_header; /* `header` is set; implies has_oob */
	struct bnet_header header;
	struct bnet_bits_rd forks; /* in: reads header.forks ids, if any */
	const uint64_t *fork_ids; /* out: header.forks of them */
	size_t trailing_bytes; /* in: out-of-band bytes after the header */
	struct bnet_slice oob; /* in; out: sent unchanged if !has_header */
	struct bnet_slice wire_payload; /* in: still compressed */
	struct bnet_slice payload; /* decompressed; see `no_inflate` */
};

/*
 * Called once with each packet, in order. Everything in it is borrowed for the
 * call. A return value other than BNET_OK makes bnet_link_feed() stop and
 * return that value.
 */
struct bnet_link_sink {
	enum bnet_err (*packet)(void *arg, const struct bnet_packet *packet);
	/*
	 * A well-framed packet whose payload is bad (`why`: BNET_EZLIB,
	 * BNET_ESNAPPY, BNET_EPAYLOAD); its payload is empty. NULL: such a
	 * packet stops bnet_link_feed() with `why`.
	 */
	enum bnet_err (*bad)(
	    void *arg, const struct bnet_packet *packet, enum bnet_err why);
	void *arg;
};

/* Zero-initialise, then set what differs from the defaults. */
struct bnet_link_settings {
	size_t struct_bytes; /* sizeof; 0: the members of version 0.1 */
	enum bnet_order order; /* AUTO: detected from the first frames */
	uint32_t frame_max_bytes; /* 0: BNET_FRAME_MAX_BYTES */
	uint32_t payload_max_bytes; /* 0: BNET_PAYLOAD_MAX_BYTES */
	size_t out_max_bytes; /* ceiling of the output; 0: 4 x frame_max */
	uint32_t threshold_bytes; /* compress from this size; 0: the default */
	enum bnet_codec_id codec; /* to send with; NONE: never compress */
	bool no_inflate; /* do not decompress: payload is
				   wire_payload, nothing is bad */
	struct bnet_tls_ctx *tls; /* NULL: plain */
	const char *tls_host; /* as bnet_tls_new() */
};

/* How to encode packets for a peer. */
struct bnet_wire {
	enum bnet_order order; /* AUTO: little */
	enum bnet_codec_id codec; /* compress with it; NONE: never */
	uint32_t frame_max_bytes;
	uint32_t threshold_bytes; /* compress payloads from this size */
};

/*
 * Append one packet to `out` as a frame. It reads the same members as
 * bnet_link_send(), which does this for the output of a link. The contexts of
 * `codecs` are used during the call.
 *	BNET_OK
 *	BNET_ESIZE	over the frame limit
 *	BNET_ELIMIT, BNET_ENOMEM
 * `out` is unchanged on error.
 */
BNET_MUST enum bnet_err
bnet_packet_encode(const struct bnet_wire *wire, struct bnet_codecs *codecs,
    const struct bnet_packet *packet, struct bnet_buf *out);

struct bnet_link;

/*
 * `codecs` is borrowed: it must outlive the link, and only the thread that
 * uses the link may use it. All links of a thread can share it; a sink may
 * send on any of them, but must not feed one. The first flight of a TLS client
 * is in the output.
 *	BNET_OK, BNET_ENOMEM, BNET_ETLS
 *	BNET_ESETTINGS	a member is set that this version does not know
 */
BNET_MUST enum bnet_err bnet_link_new(const struct bnet_link_settings *set,
    struct bnet_codecs *codecs, struct bnet_link **link);

/* NULL is allowed. */
void bnet_link_free(struct bnet_link *link);

/*
 * Take bytes from the peer and give the sink each packet that they complete.
 * The start of an incomplete frame is kept, at most up to the frame limit.
 *	BNET_OK		all of `in` was taken
 *	BNET_CLOSED	TLS close_notify came, after the packets before it
 *	BNET_ERESERVED, BNET_ECODECS, BNET_EOOB, BNET_ESIZE
 *			the stream is lost; the undelivered bytes are
 *			bnet_link_pending(), then `in` from *used_bytes on
 *	BNET_EZLIB, BNET_ESNAPPY, BNET_EPAYLOAD	if the sink has no `bad`
 *	BNET_ETLS, BNET_ELIMIT, BNET_ENOMEM
 *	else		what the sink returned; *used_bytes is after its packet
 * TLS output (handshake, alert) may be waiting after any of these.
 */
BNET_MUST enum bnet_err
bnet_link_feed(struct bnet_link *link, struct bnet_slice in,
    const struct bnet_link_sink *sink, size_t *used_bytes);

/*
 * The peer's stream ended.
 *	BNET_CLOSED	in order: between frames, and under TLS after
 *			close_notify
 *	BNET_ECUT	in the middle of a frame, or without close_notify
 */
BNET_MUST enum bnet_err bnet_link_end(const struct bnet_link *link);

/* The bytes kept of the incomplete frame; borrowed until the next feed. */
struct bnet_slice bnet_link_pending(const struct bnet_link *link);

/* How many more bytes that frame needs; 0 if that is not known yet. */
size_t bnet_link_missing_bytes(const struct bnet_link *link);

/*
 * Describe the incomplete frame, whose rest will never come, in *packet: its
 * header, and as payload what is there of it, still compressed. *of_bytes is
 * the size of the whole payload. Borrowed as bnet_link_pending(). Returns false
 * if its word or its out-of-band section is not whole.
 */
bool bnet_link_partial(const struct bnet_link *link, struct bnet_packet *packet,
    uint64_t *of_bytes);

/* Forget the incomplete frame: the next byte fed starts a frame. Plain only. */
void bnet_link_reset(struct bnet_link *link);

/* The byte order: AUTO while not known. */
enum bnet_order bnet_link_order(const struct bnet_link *link);
void bnet_link_set_order(struct bnet_link *link, enum bnet_order order);

/* From now on compress with `codec` (what the peer's hello offered). */
void bnet_link_set_codec(struct bnet_link *link, enum bnet_codec_id codec);

/*
 * Queue a packet: the header (or oob) and the payload, compressed with the
 * link's codec if that saves enough. Reads has_oob, has_header, header,
 * fork_ids, oob and payload; if codec is not NONE, it reads wire_payload
 * instead and sends that unchanged, marked with the codec. The byte order is
 * the peer's, little until it is known. Packets queued together leave in one
 * TLS record (up to 16 KiB), once the handshake is done. A compressed payload
 * that is passed on keeps its zlib raw size in the order it was received in,
 * so both peers must use the same order. If header.forks is not 0, fork_ids
 * must be set.
 *	BNET_OK
 *	BNET_ESIZE	over the frame limit; nothing queued
 *	BNET_ELIMIT	the output's ceiling; nothing queued
 *	BNET_ENOMEM	nothing queued
 */
BNET_MUST enum bnet_err
bnet_link_send(struct bnet_link *link, const struct bnet_packet *packet);

/*
 * Queue frames that bnet_packet_encode() made, unchanged.
 *	BNET_OK, BNET_ELIMIT, BNET_ENOMEM; nothing queued on error
 */
BNET_MUST enum bnet_err
bnet_link_queue(struct bnet_link *link, struct bnet_slice frames);

/*
 * The bytes to write to the peer. *out is borrowed until the next call on the
 * link, and empty if there is nothing to write (yet). Write it, then call
 * bnet_link_output_done().
 *	BNET_OK
 *	BNET_ETLS, BNET_ELIMIT, BNET_ENOMEM	encrypting failed; the
 *			connection is lost
 */
BNET_MUST enum bnet_err
bnet_link_output(struct bnet_link *link, struct bnet_slice *out);

/* The first `n` bytes of the output were written. */
void bnet_link_output_done(struct bnet_link *link, size_t n);

/*
 * End the link in order: put the queued frames and, with TLS, close_notify
 * into the output. Send nothing afterwards.
 *	BNET_OK
 *	BNET_MORE	frames are queued and the TLS handshake is not done:
 *			they are kept; go on feeding, and call again
 *	else		as bnet_link_output()
 */
BNET_MUST enum bnet_err bnet_link_close(struct bnet_link *link);

/*
 * The bytes that its buffers have allocated, for the incomplete frame and the
 * output: an upper bound of the allocation after feeding `n` more bytes. It
 * leaves out what TLS sends of its own accord (a handshake flight, an alert, a
 * new key).
 */
size_t bnet_link_memory_bytes(const struct bnet_link *link);
/* Of that, what the incomplete frame has. */
size_t bnet_link_frame_memory_bytes(const struct bnet_link *link);
size_t bnet_link_memory_for(const struct bnet_link *link, size_t n);

/* The TLS of the link, borrowed; NULL where plain. */
struct bnet_tls *bnet_link_tls(struct bnet_link *link);

/*
 * Like bnet_frame_detect(). If both orders are possible, choose the one in
 * which the out-of-band bytes are exactly a header, if only one does that.
 *	BNET_OK		*order is LITTLE, NETWORK or AUTO, as there
 *	BNET_MORE	`in` is too short to decide; *need_bytes is the length
 *			to wait for. Both readings have a frame of at least
 *			that length, so waiting stalls nobody.
 *	else		neither order is possible
 * More bytes after `in` do not change an answer other than BNET_MORE.
 */
BNET_MUST enum bnet_err bnet_link_find_order(struct bnet_slice in,
    uint32_t frame_max_bytes, enum bnet_order *order, size_t *need_bytes);

/* ---- runs of frames, for owners that pass frames on as they are ---- */

#define BNET_RUN_OOB_MAX_BYTES 32

/*
 * Whole frames in a row whose flags and out-of-band bytes are the same; there
 * are some of these. Their payloads are not looked at.
 */
struct bnet_run {
	enum bnet_order order; /* LITTLE or NETWORK */
	enum bnet_codec_id codec;
	struct bnet_slice oob; /* of each; at most BNET_RUN_OOB_MAX_BYTES */
	struct bnet_slice bytes; /* the frames; all of this is borrowed */
	size_t n_frames;
	uint32_t size_max_bytes; /* after the word, of the longest */
};

/* True: it is taken. False: the sink gets each of its packets. */
typedef bool bnet_link_run(void *arg, const struct bnet_run *run);

/*
 * bnet_link_feed(), but frames that arrive whole, once the byte order is
 * known, are first shown to `run` (its `arg` is the sink's). NULL: none are.
 */
BNET_MUST enum bnet_err
bnet_link_feed_runs(struct bnet_link *link, struct bnet_slice in,
    const struct bnet_link_sink *sink, bnet_link_run *run, size_t *used_bytes);

#ifdef __cplusplus
}
#endif

#endif
