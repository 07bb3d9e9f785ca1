/* SPDX-License-Identifier: MIT */
/*
 * bnet_engine - connections on worker threads, for an embedder; see
 * bluenet-engine(3). It is libbluenet with sockets, timers and queues: Linux.
 *
 *	           .--------- a worker thread ----------.
 *	socket --> | read, decrypt, cut, inflate ------> key callback, packet()
 *	           |                                    | --> inbox --> your thread
 *	socket <-- | write <- encrypt <- compress <- queue <-- bnet_engine_send()
 *	           '------------------------------------'
 *
 * A connection lives on one worker. It reads ahead of your program: what no
 * callback takes waits in the inbox, up to its limit. Sending queues and
 * returns, from any thread. All memory for peers comes from one budget.
 *
 * Hooks and key callbacks run on the worker of their connection, one at a time
 * for each connection, and several workers run at once: guard what they share.
 * They must not block, and must not stop or free the engine. A struct bnet_conn
 * is valid until the hook that got it returns; bnet_conn_id() is valid for good
 * and never used again.
 */
#ifndef BNET_ENGINE_H
#define BNET_ENGINE_H

#include "proto/header.h"
#include "proto/link.h"
#include "proto/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BNET_ADDRESS_CHARS 128 /* fits any address as text */

struct bnet_engine;
struct bnet_conn;

/* A hook or callback for a packet, which is borrowed for the call. */
typedef void bnet_engine_packet(
    void *arg, struct bnet_conn *conn, const struct bnet_packet *packet);

/* Zero-initialise, then set what differs; 0 is the default named. */
struct bnet_engine_settings {
	size_t struct_bytes; /* sizeof; 0: the members of version 0.1 */
	unsigned n_workers; /* one a core */
	uint64_t memory_max_bytes; /* of all buffers together; 1 GiB */
	size_t queue_max_bytes; /* of one connection; 4 MiB */
	size_t inbox_max_bytes; /* read ahead and not yet taken; 16 MiB */
	uint32_t frame_max_bytes; /* BNET_FRAME_MAX_BYTES */
	uint32_t payload_max_bytes; /* BNET_PAYLOAD_MAX_BYTES */
	uint32_t threshold_bytes; /* compress from this size;
				     BNET_THRESHOLD_BYTES */
	int64_t handshake_timeout_ns; /* of TLS; 15 s */
	int64_t frame_timeout_ns; /* of an incomplete frame; 30 s */
	int64_t write_timeout_ns; /* queued, and nothing written; 30 s */
	void *arg; /* of the hooks; NULL hooks do nothing */
	/*
	 * May this address connect? `user` is that of the listener. Before
	 * anything is allocated for it. NULL: all may.
	 */
	bool (*admit)(void *arg, void *user, const char *from);
	/* It is open: TLS, if any, is done. */
	void (*opened)(void *arg, struct bnet_conn *conn);
	/*
	 * A packet whose key has no callback. NULL: it goes to the inbox,
	 * and if that is full, it is lost and counted.
	 */
	bnet_engine_packet *packet;
	/* The time of bnet_conn_set_timer() has come. */
	void (*timer)(void *arg, struct bnet_conn *conn);
	/*
	 * The queue of the connection was full, or the socket; now there is
	 * room again.
	 */
	void (*drained)(void *arg, struct bnet_conn *conn);
	/* After opened(), once: it ended, and why. */
	void (*closed)(void *arg, struct bnet_conn *conn, const char *why);
	/* Instead of opened(): bnet_engine_connect() of this `user` failed. */
	void (*failed)(void *arg, void *user, const char *why);
};

/* ---- the engine: one thread makes, starts, stops and frees it ---- */

/*
 *	BNET_OK		end with bnet_engine_free()
 *	BNET_ENOMEM	no memory or no descriptors (errno)
 *	BNET_ESETTINGS	a member is set that this version does not know
 */
BNET_MUST enum bnet_err bnet_engine_new(
    const struct bnet_engine_settings *set, struct bnet_engine **engine);

/* False: threads could not be started (errno). */
BNET_MUST bool bnet_engine_start(struct bnet_engine *engine);

/*
 * End all connections and threads; no hook runs afterwards. False: a hook has
 * not returned for 30 seconds, which standard error has been told; then do not
 * free what it uses. It may be called again.
 */
bool bnet_engine_stop(struct bnet_engine *engine);

/*
 * After bnet_engine_stop(), or if it never started; NULL is allowed. An engine
 * that could not be stopped is not freed.
 */
void bnet_engine_free(struct bnet_engine *engine);

/* ---- before bnet_engine_start() ---- */

/*
 * Listen on "HOST:PORT", "[IPv6]:PORT" or "PORT" (of 127.0.0.1; 0: any). `tls`,
 * NULL: plain, must outlive the engine. `user` is the bnet_conn_user() of what
 * connects here. `at`, if not NULL, is told the address with the actual port.
 * False: `why` says what is wrong.
 */
BNET_MUST bool bnet_engine_listen(struct bnet_engine *engine,
    const char *address, struct bnet_tls_ctx *tls, void *user,
    char at[BNET_ADDRESS_CHARS], char *why, size_t why_bytes);

/*
 * Packets of `key` go to this callback, on the worker that read them. False: 32
 * keys have one.
 */
BNET_MUST bool bnet_engine_on_key(struct bnet_engine *engine, int32_t key,
    bnet_engine_packet *callback, void *arg);

/* ---- any thread, also in hooks ---- */

/* Zero-initialise, then set what differs. */
struct bnet_engine_connect {
	size_t struct_bytes; /* as above */
	const char *address; /* "HOST:PORT", the first address of HOST;
				may look it up, which blocks */
	struct bnet_tls_ctx *tls; /* NULL: plain; must outlive the engine */
	const char *tls_host; /* required of the certificate; NULL: HOST */
	int64_t timeout_ns; /* of TCP and TLS together; 15 s */
	enum bnet_order order; /* speak in it; AUTO: little */
	void *user; /* bnet_conn_user() */
};

/*
 * Begin to connect; opened() or failed() follows, on a worker. False: `why`
 * says what is wrong, and neither follows.
 */
BNET_MUST bool bnet_engine_connect(struct bnet_engine *engine,
    const struct bnet_engine_connect *set, char *why, size_t why_bytes);

/*
 * Queue a packet, which must have a header, for a connection; of it, has_header,
 * header, fork_ids and payload are used, and copied. What is sent by one thread
 * to one connection arrives in order.
 *	BNET_OK
 *	BNET_CLOSED	there is no such connection any more
 *	BNET_ELIMIT	its queue is full: drained() follows
 *	BNET_ESIZE	too large for its frames; other threads than its worker
 *			are not told, and it is counted as lost
 *	BNET_EHEADER	it has no header
 *	BNET_ENOMEM	no memory, or the budget is used up
 */
BNET_MUST enum bnet_err bnet_engine_send(struct bnet_engine *engine,
    uint64_t conn, const struct bnet_packet *packet);

/* Write what is queued, then close it in order. */
void bnet_engine_close(struct bnet_engine *engine, uint64_t conn);

/* What has been since the start, except where it says "now". */
struct bnet_engine_counters {
	size_t struct_bytes; /* sizeof, set by the caller; as above */
	uint64_t connections; /* open now */
	uint64_t memory_bytes; /* of the budget, taken now */
	uint64_t accepts, accepts_no_memory;
	uint64_t bytes_read, packets_read; /* bytes: ciphertext under TLS */
	uint64_t bytes_written, packets_written;
	uint64_t packets_queued;
	uint64_t packets_lost; /* queued, and not written */
	uint64_t packets_bad; /* read, with a bad payload; dropped */
	uint64_t inbox_packets; /* put into the inbox */
	uint64_t inbox_lost; /* it was full */
};

/* Slightly out of date. False: struct_bytes is of a newer version. */
bool bnet_engine_count(
    struct bnet_engine *engine, struct bnet_engine_counters *counters);

/* ---- the inbox: one thread at a time ---- */

struct bnet_inbox_packet {
	uint64_t conn; /* whom to answer; it may be closed by now */
	void *user; /* of bnet_engine_listen(), or _connect() */
	int64_t at_ns; /* when it came, as bnet_engine_now_ns() */
	struct bnet_header header; /* without fork ids */
	struct bnet_slice payload; /* until bnet_inbox_free() */
	void *block; /* the library's */
};

/*
 * Take the next packet. False: none came within timeout_ns (0: do not wait;
 * negative: no limit), or bnet_engine_wake() was called.
 */
BNET_MUST bool bnet_inbox_take(struct bnet_engine *engine,
    struct bnet_inbox_packet *packet, int64_t timeout_ns);
void
bnet_inbox_free(struct bnet_engine *engine, struct bnet_inbox_packet *packet);

/* End a bnet_inbox_take() that waits, or the next one. Any thread. */
void bnet_engine_wake(struct bnet_engine *engine);

/* ---- a connection, in its hooks ---- */

uint64_t bnet_conn_id(struct bnet_conn *conn);

/* A pointer of yours; first that of bnet_engine_listen() or _connect(). */
void *bnet_conn_user(struct bnet_conn *conn);
void bnet_conn_set_user(struct bnet_conn *conn, void *user);

/* The address of the peer; returns `text`. */
const char *
bnet_conn_peer(struct bnet_conn *conn, char text[BNET_ADDRESS_CHARS]);

/* To ask for its byte order and TLS; do not feed it, or send with it. */
struct bnet_link *bnet_conn_link(struct bnet_conn *conn);

/* Send with `codec`, in frames of at most `frame_max_bytes` (0: any). */
void bnet_conn_set_peer(
    struct bnet_conn *conn, enum bnet_codec_id codec, uint32_t frame_max_bytes);

/* Call timer() at this time, once; 0: never. */
void bnet_conn_set_timer(struct bnet_conn *conn, int64_t at_ns);

/* Close now. What is queued is lost, and counted. */
void bnet_conn_cut(struct bnet_conn *conn);

/* The clock of all times here: CLOCK_MONOTONIC. */
int64_t bnet_engine_now_ns(void);

#ifdef __cplusplus
}
#endif

#endif
