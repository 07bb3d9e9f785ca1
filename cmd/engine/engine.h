/* SPDX-License-Identifier: MIT */
/*
 * engine - connections on worker threads.
 *
 *	           .------------- one worker ---------------.
 *	socket --> | read, decrypt, cut, inflate -> packet() |
 *	socket <-- | write <- encrypt <- queue <- send       | <-- other workers
 *	           '-----------------------------------------'     and threads
 *
 * Each worker is a thread with its own epoll loop, and a connection lives on
 * one of them from accept or connect to its end. A loop turn reads what has
 * come, runs the owner's hooks, takes what other threads handed over, then
 * writes: all frames for one connection in one write, all for another worker
 * in one hand-over, which wakes that worker only if its queue was empty.
 *
 * A connection has two halves. struct engine_conn is its worker's alone. Its
 * outlet is for everybody: enough to send to it, with `user_bytes` of the
 * owner's behind. An outlet is freed when no worker can still hold it (RCU,
 * QSBR flavour): a pointer found in a table of the owner's is good until the
 * hook returns, or for other threads until they leave engine_read_lock().
 * Those that keep it longer keep the handle, which is never given out twice.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include "cmd/common/address.h"
#include "cmd/engine/counters.h"
#include "proto/link.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_WORKERS_MAX 64
#define ENGINE_BARRIERS_MAX 8 /* words of engine_barrier() under way */

struct engine;
struct engine_worker;
struct engine_conn;
struct engine_listener;

/* What ended a connection. */
enum engine_end {
	ENGINE_END_PEER, /* the peer closed, between frames */
	ENGINE_END_CUT, /* the peer closed or reset inside a frame */
	ENGINE_END_MALFORMED,
	ENGINE_END_OVERSIZE,
	ENGINE_END_TLS,
	ENGINE_END_PROXY, /* no good PROXY protocol header */
	ENGINE_END_HANDSHAKE_TIMEOUT, /* TLS or PROXY header */
	ENGINE_END_CONNECT, /* connecting failed, or took too long */
	ENGINE_END_FRAME_TIMEOUT, /* a frame stood incomplete too long */
	ENGINE_END_IO,
	ENGINE_END_MEMORY,
	ENGINE_END_NOT_ADMITTED, /* locate() said no */
	ENGINE_END_OWNER, /* engine_conn_finish(), engine_conn_cut() */
	ENGINE_N_ENDS
};

enum engine_sent {
	ENGINE_QUEUED = 0,
	ENGINE_FULL, /* the ceiling of that queue */
	ENGINE_MEMORY, /* the budget of the process */
	ENGINE_TOO_LARGE, /* for that peer's frame limit */
	ENGINE_GONE, /* the connection has ended */
};

/* The half of a connection that any thread may read. */
struct engine_outlet {
	uint64_t handle;
	unsigned worker; /* its index */
	atomic_int order; /* enum bnet_order */
	atomic_int codec; /* enum bnet_codec_id: what we send it with */
	atomic_uint frame_max_bytes;
	atomic_size_t queued_bytes; /* and not yet written */
	size_t queue_max_bytes;
	_Atomic uint64_t packets_in, packets_out, bytes_in, bytes_out;
	_Alignas(max_align_t) unsigned char user[]; /* the owner's; zeroed */
};

/* A direction of a tap. */
enum engine_way {
	ENGINE_IN,
	ENGINE_OUT
};

/*
 * Called on the worker of the connection; NULL: nothing to do. None may block.
 * After admit() said yes there is exactly one closed().
 */
struct engine_hooks {
	/*
	 * May this address connect? Before anything is allocated for it.
	 * NULL: it is behind a proxy, and locate() will ask again.
	 */
	bool (*admit)(
	    void *arg, void *listener_user, const struct address *from);
	/* Its PROXY header came: engine_conn_peer() is known. May it stay? */
	bool (*locate)(void *arg, struct engine_conn *conn);
	/* Up: TLS, if any, is done. Not called for what ends before. */
	void (*ready)(void *arg, struct engine_conn *conn);
	/* In order, once each; all in `packet` is borrowed for the call. */
	void (*packet)(void *arg, struct engine_conn *conn,
	    const struct bnet_packet *packet);
	/* A well-framed packet with a bad payload; as bnet_link_sink.bad. */
	void (*bad)(void *arg, struct engine_conn *conn,
	    const struct bnet_packet *packet, enum bnet_err why);
	/*
	 * The stream is lost (_MALFORMED, _OVERSIZE): a last chance to send
	 * the peer something before it is closed.
	 */
	void (*broken)(
	    void *arg, struct engine_conn *conn, enum engine_end end);
	/*
	 * The time set with engine_conn_set_timer() has come. What it sends
	 * with `flush` is written before the next timer's turn.
	 */
	void (*timer)(void *arg, struct engine_conn *conn, int64_t now_ns);
	/*
	 * The socket took no more for a while, and now all that was queued is
	 * written.
	 */
	void (*drained)(void *arg, struct engine_conn *conn);
	/* It is over; `conn` and its outlet are good for this call. */
	void (*closed)(
	    void *arg, struct engine_conn *conn, enum engine_end end);
	/*
	 * No memory or descriptor for what admit() let in (then there is no
	 * closed()), or for engine_connect(), whose `from` is NULL.
	 */
	void (*no_conn)(void *arg, void *user, const struct address *from);
	/* What engine_message() brought, or a word of engine_barrier(). */
	void (*message)(void *arg, struct engine_worker *worker, uint32_t type,
	    struct bnet_slice bytes);
	/* Frames as they pass, decrypted: n slices that are one piece. */
	void (*tap)(void *arg, struct engine_conn *conn, enum engine_way way,
	    const struct bnet_slice *pieces, size_t n);
	/* A worker starts and ends; on its thread. */
	void (*worker_start)(void *arg, struct engine_worker *worker);
	void (*worker_stop)(void *arg, struct engine_worker *worker);
};

/* Zero-initialise, then set what differs; 0 is the default named. */
struct engine_settings {
	unsigned n_workers; /* one a core */
	uint64_t memory_max_bytes; /* of all buffers together; 1 GiB */
	size_t queue_max_bytes; /* of one connection; 4 MiB */
	size_t inbox_max_bytes; /* of what waits in engine_take(); 16 MiB */
	uint32_t frame_max_bytes; /* BNET_FRAME_MAX_BYTES */
	uint32_t payload_max_bytes; /* BNET_PAYLOAD_MAX_BYTES */
	uint32_t threshold_bytes; /* BNET_THRESHOLD_BYTES */
	bool no_inflate; /* payloads as they came, as bnet_link_settings */
	bool spin; /* workers never sleep */
	int64_t awake_ns; /* nor so shortly before a timer; 0: they do */
	bool rx_times; /* engine_conn_rx_ns() of what engine_connect() makes */
	int64_t handshake_timeout_ns; /* 15 s */
	int64_t frame_timeout_ns; /* of an incomplete frame; 30 s */
	size_t user_bytes; /* of each outlet, for the owner */
	pthread_mutex_t *lock; /* held by whichever worker runs; NULL: none */
	const struct engine_hooks *hooks;
	void *arg; /* of the hooks */
};

/* ---- the engine: any thread, but start and stop from one ---- */

/* NULL when out of memory or out of descriptors (errno). */
struct engine *engine_new(const struct engine_settings *set);

/* False: threads could not be started (errno). */
bool engine_start(struct engine *engine);

/*
 * End all connections (ENGINE_END_OWNER) and threads. False: a thread, or one
 * that holds an outlet that it read, did not end within the limit of
 * cmd/common/ending.h, which has said so. Then hooks may still be running and
 * hold the lock, and what they use must stay. It may be called again.
 */
bool engine_stop(struct engine *engine);

/* After engine_stop(): no hook runs on that worker any more. */
bool engine_ended(const struct engine *engine, unsigned worker);

/*
 * After engine_stop(), or if it never started. NULL is allowed; nothing is
 * freed of one that could not be stopped.
 */
void engine_free(struct engine *engine);

unsigned engine_n_workers(const struct engine *engine);

/* Sum of all workers' counters; a little out of date. */
void engine_counters(struct engine *engine, uint64_t sums[ENGINE_N_COUNTERS]);

/*
 * Other limits from now on: of the budget, and of the queues of connections
 * that are yet to come.
 */
void engine_set_limits(
    struct engine *engine, uint64_t memory_max_bytes, size_t queue_max_bytes);

/* What is taken of the budget, which is memory_max_bytes. */
uint64_t engine_memory_reserved(struct engine *engine);

/*
 * Since when, on the clock of CLOCK_MONOTONIC, the worker that has been in
 * one turn longest is in it; the present where all sleep. For a watchdog.
 */
int64_t engine_oldest_turn_ns(struct engine *engine);

/* ---- listening and connecting ---- */

struct engine_listen {
	const struct address *address; /* port 0: any */
	int fd; /* listen on this instead if address is NULL; taken over */
	struct bnet_tls_ctx *tls; /* NULL: plain; not taken over */
	/* Does this sender begin with a PROXY protocol header? NULL: none */
	bool (*is_proxy)(void *arg, const struct address *from);
	void *user; /* engine_conn_listener_user() of what comes in */
};

/* Before engine_start(). NULL: errno says why. Lives as long as the engine. */
struct engine_listener *
engine_listen(struct engine *engine, const struct engine_listen *set);

/* Where it listens, the port as it is. */
struct address engine_listener_address(const struct engine_listener *listener);

/* New connections use `tls` from now on; not taken over. Any thread. */
void engine_listener_set_tls(
    struct engine_listener *listener, struct bnet_tls_ctx *tls);

/* No new connections any more. Any thread. */
void engine_stop_listening(struct engine *engine);

struct engine_connect {
	struct address address;
	struct bnet_tls_ctx *tls; /* NULL: plain; must live until ready() */
	const char *tls_host; /* as bnet_tls_new(); copied */
	int64_t timeout_ns; /* of TCP and TLS together; 0: 15 s */
	enum bnet_order order; /* speak in it; AUTO: little */
	unsigned worker; /* index of the worker to live on */
	void *user; /* engine_conn_listener_user() */
};

/*
 * Begin to connect. Then comes ready(), or closed() with ENGINE_END_CONNECT or
 * ENGINE_END_TLS. Any thread. False when out of memory.
 */
bool engine_connect(struct engine *engine, const struct engine_connect *set);

/* ---- a connection: on its worker, that is, in its hooks ---- */

struct engine_outlet *engine_conn_outlet(struct engine_conn *conn);
struct engine_worker *engine_conn_worker(struct engine_conn *conn);
struct bnet_link *engine_conn_link(struct engine_conn *conn);
void *engine_conn_listener_user(struct engine_conn *conn);

/*
 * The peer's address: the one that its PROXY header told, where it has to have
 * one; NULL before that came. And our own.
 */
const struct address *engine_conn_peer(struct engine_conn *conn);
struct address engine_conn_local(struct engine_conn *conn);

/* It came through a PROXY protocol header. */
bool engine_conn_proxied(struct engine_conn *conn);

/* When bytes last came in; CLOCK_MONOTONIC. Now, while it is paused. */
int64_t engine_conn_last_in_ns(struct engine_conn *conn);

/*
 * When the last of the bytes that were read at last came to this machine, by
 * the kernel's stamp; CLOCK_MONOTONIC. 0: it did not say, or the clock was set.
 */
int64_t engine_conn_rx_ns(const struct engine_conn *conn);

/* Compress what is sent with `codec`, in frames of at most so many bytes. */
void engine_conn_set_peer(struct engine_conn *conn, enum bnet_codec_id codec,
    uint32_t frame_max_bytes);

/* The socket took not all of the last write: drained() will come. */
bool engine_conn_is_blocked(const struct engine_conn *conn);

/* timer() at that time of CLOCK_MONOTONIC; 0: none. One a connection. */
void engine_conn_set_timer(struct engine_conn *conn, int64_t at_ns);

/* Why it failed, in words, for ENGINE_END_TLS, _IO and _CONNECT; or "". */
const char *engine_conn_reason(struct engine_conn *conn);

/*
 * Write what is queued, then close in order; what still comes in is thrown
 * away. packet() is not called any more, closed() is; within
 * handshake_timeout_ns, however little of it the peer has read by then.
 */
void engine_conn_finish(struct engine_conn *conn);

/* Close now. What is queued is lost, and counted. */
void engine_conn_cut(struct engine_conn *conn);

/* Drop what is queued behind the frame that is being written. */
void engine_conn_drop_queue(struct engine_conn *conn);

/*
 * Stop reading until the queue of `full`, or its connection, is gone. The
 * packet at hand is the last for now.
 */
void engine_conn_pause_for(
    struct engine_conn *conn, const struct engine_outlet *full);

/*
 * The packet at hand was a lot of work: its connection goes on in the next
 * turn, when others have had theirs.
 */
void engine_conn_yield(struct engine_conn *conn);

/*
 * Every connection of a worker, while the hook runs that `worker` came with.
 * `each` may finish or cut the connection at hand.
 */
void engine_each_conn(struct engine_worker *worker,
    void (*each)(void *arg, struct engine_conn *conn), void *arg);

/* ---- sending ---- */

/*
 * Queue a packet, as bnet_link_send(), for any connection: from a hook of
 * `worker`. With `flush` it is written before anything else is read,
 * otherwise at the end of the turn.
 */
BNET_MUST enum engine_sent engine_send(struct engine_worker *worker,
    struct engine_outlet *to, const struct bnet_packet *packet, bool flush);

/*
 * The same from any other thread, to a handle. The packet is copied; it is
 * compressed and framed by the connection's worker, and what fails there is
 * counted as lost. Only has_header, header, fork_ids and payload are used.
 *	ENGINE_QUEUED, ENGINE_MEMORY
 */
BNET_MUST enum engine_sent engine_post(
    struct engine *engine, uint64_t handle, const struct bnet_packet *packet);

/* engine_conn_finish() of a handle. Any thread. */
void engine_post_finish(struct engine *engine, uint64_t handle);

/* message() with a copy of `bytes` on a worker. False: out of memory. */
bool engine_message(struct engine *engine, unsigned worker, uint32_t type,
    struct bnet_slice bytes);
/* The same from a hook: handed over with the frames of this turn. */
bool engine_worker_message(struct engine_worker *from, unsigned worker,
    uint32_t type, struct bnet_slice bytes);

/*
 * message() of `type`, without bytes, once on every worker, in the order in
 * which the words were raised. By then all that any worker sent to this one
 * before it saw the word itself has come: packets that its hooks had got are
 * in the queues of their destinations. So what is sent or finished from
 * message() follows them. What waits elsewhere is not covered: in the inbox,
 * in a connection that is paused, in a socket.
 *
 * Two words one after another close a door: when message() of the first makes
 * packet() send nothing more, nothing more comes after the second.
 *
 * Any thread. It takes no memory, and comes late only by a worker that is late
 * with its turn. A word that is not through when the engine stops is not told.
 * False: ENGINE_BARRIERS_MAX are under way.
 */
BNET_MUST bool engine_barrier(struct engine *engine, uint32_t type);

/* The connection of a handle, if it lives on this worker; or NULL. */
struct engine_conn *
engine_conn_find(struct engine_worker *worker, uint64_t handle);

unsigned engine_worker_index(const struct engine_worker *worker);
int64_t engine_worker_now_ns(const struct engine_worker *worker);
struct bnet_codecs *engine_worker_codecs(struct engine_worker *worker);

/* ---- applications ---- */

/*
 * engine_deliver() hands a packet to the application of its key: a callback
 * registered here, on the thread that reads, or else the inbox.
 */
typedef void engine_app(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet);

/* Before engine_start(). False: too many. */
bool
engine_on_key(struct engine *engine, int32_t key, engine_app *app, void *arg);
/* Packets of `key` go to the inbox. */
bool engine_inbox_key(struct engine *engine, int32_t key);

enum engine_delivery {
	ENGINE_DELIVERED,
	ENGINE_NO_APP, /* nobody registered the key */
	ENGINE_INBOX_FULL,
};
BNET_MUST enum engine_delivery
engine_deliver(struct engine_conn *conn, const struct bnet_packet *packet);
/* Into the inbox whatever its key. */
BNET_MUST enum engine_delivery
engine_to_inbox(struct engine_conn *conn, const struct bnet_packet *packet);

/* A packet that waited; to be freed with engine_packet_free(). */
struct engine_packet {
	uint64_t handle; /* the connection it came from */
	void *user; /* its engine_conn_listener_user() */
	int64_t at_ns; /* when it came; CLOCK_MONOTONIC */
	struct bnet_header header;
	struct bnet_slice payload; /* within this block */
};

/*
 * The next packet of the inbox; NULL when none came within timeout_ns (0: do
 * not wait; negative: as long as it takes) or engine_wake() was called. One
 * thread at a time.
 */
struct engine_packet *engine_take(struct engine *engine, int64_t timeout_ns);
void engine_packet_free(struct engine *engine, struct engine_packet *packet);
void engine_wake(struct engine *engine);

/* ---- tables that are read without a lock ---- */

/* For threads that are no workers, around looking into such a table. */
void engine_read_lock(void);
void engine_read_unlock(void);

#endif
