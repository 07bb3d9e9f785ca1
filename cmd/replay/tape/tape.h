/* SPDX-License-Identifier: MIT */
/*
 * tape - a replay file: the sessions of a capture, ready to be played.
 *
 *	| head | records, as they came in the capture ... | sessions | texts |
 *
 * A tape is mapped, not read: a replay starts at once, whatever its size, and
 * its memory is the page cache. Each session has two chains of records: what
 * its client sent (CAP_UP) and what it received (CAP_DOWN), each in order. A
 * record follows its predecessor in the file, so that every chain ends.
 *
 * Everything is 8-byte aligned, in the byte order of the machine that wrote it.
 * A file is not trusted: a record that is out of bounds ends its chain, and
 * tape_damaged() reports it. The tokens of captured hellos are not stored.
 */
#ifndef REPLAY_TAPE_H
#define REPLAY_TAPE_H

#include "cmd/capture/capture.h"
#include "cmd/common/call.h"
#include "proto/link.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAPE_MAGIC "BNTAPE\r\n"
#define TAPE_VERSION 2
#define TAPE_BYTE_ORDER UINT32_C(0x01020304)
#define TAPE_NONE UINT32_MAX /* no such session */
#define TAPE_ERR_CHARS 512

/* Why a stream of the capture is not a session of the tape. */
enum tape_left_out {
	TAPE_NO_FRAMES = 0, /* nothing but TCP */
	TAPE_NO_KEY, /* TLS without a secret */
	TAPE_FILTERED, /* -Y selected none of its frames */
	TAPE_NOTHING_SENT, /* the client sent nothing that can be played */
	TAPE_N_LEFT_OUT
};

/* The contents of the capture; kept so that a later replay can report them. */
struct tape_coverage {
	uint64_t packets, packet_bytes;
	uint64_t streams; /* TCP connections seen on the ports */
	uint64_t left_out[TAPE_N_LEFT_OUT]; /* streams */
	uint64_t frames[2]; /* by enum cap_dir */
	uint64_t frame_bytes[2]; /* on the wire */
	uint64_t filtered_frames; /* not selected by -Y */
	uint64_t keepalive_frames; /* with pongs: created anew on replay */
	uint64_t events[CAP_N_LOSSES]; /* gaps and so on; see capture.h */
	uint64_t event_bytes[CAP_N_LOSSES];
	uint64_t answered; /* requests with an answer in the capture */
	uint64_t calls; /* of machoNet */
	/*
	 * Frames from clients that waited for bytes before them, and of how
	 * many sessions; of the first one: its packet, time since head.start_ns
	 * and session.
	 */
	uint64_t held_frames, held_sessions;
	uint64_t held_packet;
	int64_t held_ns;
	uint64_t held_session;
};

struct tape_head { /* at offset 0 */
	char magic[8];
	uint32_t version, byte_order;
	uint64_t file_bytes;
	uint64_t sessions_at, texts_at, texts_bytes;
	uint32_t n_sessions;
	uint32_t clock_steps; /* of the capture's clock; taken out */
	int64_t start_ns, end_ns; /* unix: first and last packet */
	/* of the calls that the clients made; above the last one: none */
	int64_t first_call_id, last_call_id;
	struct tape_coverage coverage;
};

enum tape_session_flags {
	TAPE_S_HELLO = 1, /* sent a hello; a stock client does not */
	TAPE_S_NO_START = 2, /* its beginning is not in the capture */
	TAPE_S_GAPS = 4, /* some of its frames are missing */
	TAPE_S_TLS = 8,
	TAPE_S_MESSAGES = 32, /* accepts session messages, hello or not */
	TAPE_S_LEFT_OUT = 64, /* not played: only in the table */
};

struct tape_session {
	uint64_t first[2]; /* offset of the first record, by enum cap_dir */
	uint64_t stream; /* its number in the capture */
	uint64_t hash; /* of its addresses and start; selects the shard */
	int64_t start_ns; /* since head.start_ns: the first packet */
	int64_t ready_ns; /* since start_ns: the welcome; 0: none */
	int64_t end_ns; /* since start_ns: the last frame or the end */
	uint64_t id, relay_id; /* 0: unknown */
	uint64_t wanted_id; /* hello */
	uint32_t role; /* enum bnet_role; 0: a stock client */
	uint32_t codecs, frame_max_bytes; /* hello */
	uint32_t flags; /* enum tape_session_flags */
	uint32_t order; /* enum bnet_order */
	uint32_t n[2]; /* records, by enum cap_dir */
	uint32_t n_answered; /* of CAP_UP, with TAPE_R_ANSWERED */
	/* offsets in the texts; each text ends with a NUL */
	uint32_t name; /* hello */
	uint32_t end[2]; /* "ADDR:PORT"; [0] is the client */
};

/* Otherwise it is a client. Clients and nodes are numbered separately. */
static inline bool
tape_is_node(const struct tape_session *session)
{
	return session->role == BNET_ROLE_NODE;
}

enum tape_record_flags {
	TAPE_R_OOB = 1, /* the frame has an out-of-band section */
	TAPE_R_HEADER = 2, /* and that section is a header */
	TAPE_R_HELLO = 4, /* the payload is created anew */
	TAPE_R_KEEPALIVE = 8, /* keepalive or pong: not sent */
	TAPE_R_ANSWERED = 16, /* UP: the capture holds its answer */
	TAPE_R_ANSWER = 32, /* DOWN: answers a request of this session */
	TAPE_R_MESSAGE = 64, /* a session message, dest_type HOP */
	TAPE_R_FORKS = 128, /* has forks: a ref for each follows */
	TAPE_R_MACHO = 256, /* a struct tape_macho follows */
	TAPE_R_CALL_FAILED = 512, /* UP: its answer says that the call failed */
	/*
	 * UP: a byte from here on; if not 0, the answer is a bluenet.error with
	 * this code.
	 */
	TAPE_R_ERROR_SHIFT = 24,
};

#define TAPE_R_ERROR_MAX 255 /* larger codes are not kept */

struct tape_record {
	uint64_t next; /* offset of the next in its chain; 0: none */
	int64_t at_ns; /* since the session's start_ns */
	/*
	 * UP: how long the client waited since the last answer or the last
	 * frame that it sent, whichever is later.
	 */
	int64_t think_ns;
	uint32_t session;
	/* UP: requests of the session answered before this frame */
	uint32_t answers_before;
	/*
	 * The session that had the header's destination id (CLIENT or NODE) at
	 * that time, or for DOWN its source id; or TAPE_NONE.
	 */
	uint32_t ref;
	uint32_t flags; /* enum tape_record_flags */
	int32_t key;
	uint32_t codec; /* enum bnet_codec_id of the stored payload */
	uint32_t oob_bytes, payload_bytes, n_refs, pad;
	/*
	 * followed by oob, payload and, 4-byte aligned, n_refs x u32 like
	 * `ref`, and 8-byte aligned a struct tape_macho
	 */
};

/* What is known of a machoNet packet: of each that was sent, of answers. */
struct tape_macho {
	int64_t call_id, client; /* as in struct call */
	uint32_t kind; /* enum call_kind; CALL_MADE: with an id */
	/*
	 * The session that had the id `client`, as that of a client, at that
	 * time; or TAPE_NONE.
	 */
	uint32_t client_ref;
	uint32_t method; /* text: of the call made or answered; 0: none */
	uint32_t pad;
};

struct tape;

/*
 * Maps a tape. The caller may close `fd` afterwards; `name` is for messages.
 * Returns NULL on failure, and err says why: not a tape, another version,
 * truncated, or out of bounds.
 */
struct tape *tape_open(int fd, const char *name, char err[TAPE_ERR_CHARS]);
void tape_close(struct tape *tape); /* NULL is allowed */

/* Does the file start like a tape? Leaves the file position unchanged. */
bool tape_is(int fd);

const struct tape_head *tape_head(const struct tape *tape);
/* `i` must be below head->n_sessions. */
const struct tape_session *tape_session(const struct tape *tape, uint32_t i);
/* Returns "" if there is none. */
const char *tape_text(const struct tape *tape, uint32_t text);

/*
 * Returns NULL at the end of the chain, or where the file is damaged. Safe in
 * any thread.
 */
const struct tape_record *
tape_first(const struct tape *tape, uint32_t session, enum cap_dir dir);
const struct tape_record *
tape_next(const struct tape *tape, const struct tape_record *record);

/* Has any chain ended at a record out of bounds? Safe in any thread. */
bool tape_damaged(const struct tape *tape);

/* UP: the code of the bluenet.error that answers it; 0: none does. */
static inline uint32_t
tape_error(const struct tape_record *record)
{
	return record->flags >> TAPE_R_ERROR_SHIFT;
}

/* The bytes after a record; valid while the tape is open. */
static inline struct bnet_slice
tape_oob(const struct tape_record *record)
{
	return (struct bnet_slice){ (const uint8_t *)(record + 1),
		record->oob_bytes };
}

static inline struct bnet_slice
tape_payload(const struct tape_record *record)
{
	return (struct bnet_slice){ (const uint8_t *)(record + 1) +
		    record->oob_bytes,
		record->payload_bytes };
}

/*
 * The session of fork `i`; TAPE_NONE: unknown. May be out of bounds in a
 * damaged tape.
 */
uint32_t tape_ref(const struct tape_record *record, uint32_t i);

/* False: it is no machoNet packet, or nothing is known of it. */
bool tape_macho(const struct tape_record *record, struct tape_macho *macho);

/*
 * Writes a tape record by record. Records can still be changed after they were
 * written (the next of a chain, a flag): in memory near the end, in the file
 * further back. Memory is one buffer.
 */

struct tape_writer {
	int fd;
	int error; /* errno of the first failure; 0: none */
	uint8_t *buf; /* owned */
	size_t n; /* bytes in `buf` */
	uint64_t at; /* the file offset of `buf` */
};

/* The file must be empty. Returns false when out of memory. */
bool tape_write_init(struct tape_writer *writer, int fd);
void tape_write_free(struct tape_writer *writer);

/*
 * Appends a record and the bytes that follow it (record->oob_bytes and so on;
 * `macho` with TAPE_R_MACHO). Returns its offset.
 */
uint64_t
tape_write_record(struct tape_writer *writer, const struct tape_record *record,
    struct bnet_slice oob, struct bnet_slice payload, const uint32_t *refs,
    const struct tape_macho *macho);

/* Adds flags to the record at `at`, or sets the next record of its chain. */
void tape_write_flags(struct tape_writer *writer, uint64_t at, uint32_t flags);
void tape_write_next(struct tape_writer *writer, uint64_t at, uint64_t next);

/* Sets at_ns and think_ns of the record at `at`. */
void tape_write_times(
    struct tape_writer *writer, uint64_t at, int64_t at_ns, int64_t think_ns);

/*
 * Writes the sessions, the texts, and the head, whose offsets and sizes are
 * filled in here. Returns false and sets errno on failure.
 */
bool tape_write_end(struct tape_writer *writer, struct tape_head *head,
    const struct tape_session *sessions, struct bnet_slice texts);

#endif
