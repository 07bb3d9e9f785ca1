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
 * one of them from accept or connect to its end. A turn of the loop reads what
 * has arrived, runs the owner's hooks, takes what other threads put into the
 * worker's mailbox, then writes: all frames for one connection in one write,
 * all frames for another worker in one batch. A batch wakes its worker only if
 * the mailbox was empty.
 *
 * A connection has two halves. struct engine_conn belongs to its worker alone.
 * Its send queue is for every thread: it has what is needed to send to the
 * connection, followed by `user_bytes` for the owner. A send queue is freed
 * when no worker can still hold it (RCU, QSBR flavour): a pointer to it that
 * was found in a table of the owner is valid until the hook returns, or, on
 * other threads, until engine_read_unlock(). Keep the handle to refer to a
 * connection for longer; a handle is never reused.
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
#define ENGINE_BARRIERS_MAX 8 /* engine_barrier() calls in progress */

struct engine;
struct fair;
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
	ENGINE_END_PROXY, /* a bad PROXY protocol header */
	ENGINE_END_HANDSHAKE_TIMEOUT, /* TLS or PROXY header */
	ENGINE_END_CONNECT, /* connecting failed, or took too long */
	ENGINE_END_FRAME_TIMEOUT, /* a frame was incomplete for too long */
	ENGINE_END_IO,
	ENGINE_END_MEMORY,
	ENGINE_END_PRESSURE, /* memory was short, and it held the most */
	ENGINE_END_WRITE_TIMEOUT, /* it read nothing for too long */
	ENGINE_END_NOT_ADMITTED, /* locate() said no */
	ENGINE_END_OWNER, /* engine_conn_finish(), engine_conn_cut() */
	ENGINE_N_ENDS
};

enum engine_sent {
	ENGINE_QUEUED = 0,
	ENGINE_FULL, /* the limit of that queue */
	ENGINE_MEMORY, /* the budget of the process */
	ENGINE_TOO_LARGE, /* for that peer's frame limit */
	ENGINE_GONE, /* the connection has ended */
};

/* The half of a connection that any thread may read, to send to it. */
struct engine_sendq {
	uint64_t handle;
	unsigned worker; /* its index */
	atomic_int order; /* enum bnet_order */
	atomic_int codec; /* enum bnet_codec_id: what we send it with */
	atomic_uint frame_max_bytes;
	atomic_size_t queued_bytes; /* and not yet written */
	atomic_size_t held_bytes; /* by buffers for both directions */
	atomic_bool trusted; /* engine_conn_trust() */
	atomic_bool shared; /* it is long: sources take turns */
	_Atomic(struct fair *) fair; /* NULL: it never was; see fair.h */
	_Atomic uint64_t packets_in, packets_out, bytes_in, bytes_out;
	_Alignas(max_align_t) unsigned char user[]; /* the owner's; zeroed */
};

/* A direction of a tap. */
enum engine_way {
	ENGINE_IN,
	ENGINE_OUT
};

/*
 * Called on the worker of the connection; NULL: do nothing. A hook must not
 * block. After admit() returned true, closed() is called exactly once.
 */
struct engine_hooks {
	/*
	 * May this address connect? Before anything is allocated for it.
	 * NULL: it is behind a proxy, and locate() will ask again.
	 */
	bool (*admit)(
	    void *arg, void *listener_user, const struct address *from);
	/* Its PROXY header is here: engine_conn_peer() is known. Keep it? */
	bool (*locate)(void *arg, struct engine_conn *conn);
	/* It is open: TLS, if any, is done. Not called if it ends before. */
	void (*ready)(void *arg, struct engine_conn *conn);
	/* In order, once each. `packet` is borrowed for the call. */
	void (*packet)(void *arg, struct engine_conn *conn,
	    const struct bnet_packet *packet);
	/*
	 * Packets in a row that have the same header, before packet() gets
	 * them. True: all of them are taken, and packet() gets none. It must
	 * not pause or end `conn`. Not called where there is a tap.
	 */
	bool (*run)(
	    void *arg, struct engine_conn *conn, const struct bnet_run *run);
	/* A well-framed packet with a bad payload; as bnet_link_sink.bad. */
	void (*bad)(void *arg, struct engine_conn *conn,
	    const struct bnet_packet *packet, enum bnet_err why);
	/*
	 * The stream is given up (_MALFORMED, _OVERSIZE, or, in the middle of
	 * a frame, _PRESSURE): a last chance to send
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
	 * The socket was full for a while; now everything that was queued is
	 * written.
	 */
	void (*drained)(void *arg, struct engine_conn *conn);
	/* It ended; `conn` and its send queue are valid for this call. */
	void (*closed)(
	    void *arg, struct engine_conn *conn, enum engine_end end);
	/*
	 * No memory or descriptor for what admit() let in (then there is no
	 * closed()), or for engine_connect(), whose `from` is NULL and whose
	 * errno says what is missing.
	 */
	void (*no_conn)(void *arg, void *user, const struct address *from);
	/* A message of engine_message() or engine_barrier(). */
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
	uint32_t socket_bytes; /* receive buffer of what is accepted; 0: any */
	bool no_inflate; /* payloads as they came, as bnet_link_settings */
	bool spin; /* workers never sleep */
	int64_t awake_ns; /* nor so shortly before a timer; 0: they do */
	bool rx_times; /* engine_conn_rx_ns() of what engine_connect() makes */
	int64_t handshake_timeout_ns; /* 15 s */
	int64_t frame_timeout_ns; /* of an incomplete frame; 30 s */
	int64_t write_timeout_ns; /* queued, and nothing written; 30 s */
	size_t user_bytes; /* of each send queue, for the owner */
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
 * End all connections (ENGINE_END_OWNER) and threads. False: a worker, or
 * another thread that holds a send queue, did not end within the limit of
 * cmd/common/ending.h, which has reported it. Then hooks may still run and
 * hold the lock, so do not free what they use. It may be called again.
 */
bool engine_stop(struct engine *engine);

/* After engine_stop(): no hook runs on that worker. */
bool engine_ended(const struct engine *engine, unsigned worker);

/*
 * After engine_stop(), or if it never started. NULL is allowed. An engine that
 * could not be stopped is not freed.
 */
void engine_free(struct engine *engine);

unsigned engine_n_workers(const struct engine *engine);

/* The sums of all workers' counters; slightly out of date. */
void engine_counters(struct engine *engine, uint64_t sums[ENGINE_N_COUNTERS]);

/* Change the limit of the budget, and that of each send queue. */
void engine_set_limits(
    struct engine *engine, uint64_t memory_max_bytes, size_t queue_max_bytes);

/* The limit of each send queue. */
size_t engine_queue_max_bytes(const struct engine *engine);

/* Change the times for handshakes and for frames that begin from now on. */
void engine_set_timeouts(struct engine *engine, int64_t handshake_timeout_ns,
    int64_t frame_timeout_ns);

/* How much of the budget (memory_max_bytes) is taken. */
uint64_t engine_memory_reserved(struct engine *engine);

/* When memory was refused last (CLOCK_MONOTONIC); 0: never. */
int64_t engine_memory_short_ns(struct engine *engine);

/*
 * What the kernel holds for the connections, in both directions, as of the last
 * engine_measure_sockets(): each worker does that in its next turn.
 */
void engine_measure_sockets(struct engine *engine);
uint64_t engine_socket_bytes(struct engine *engine);

/*
 * When the oldest turn that is still running began (CLOCK_MONOTONIC); the
 * present time if all workers sleep. For a watchdog.
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

/* Before engine_start(). NULL: see errno. It lives as long as the engine. */
struct engine_listener *
engine_listen(struct engine *engine, const struct engine_listen *set);

/* Where it listens, with the actual port. */
struct address engine_listener_address(const struct engine_listener *listener);

/* New connections use `tls` from now on; not taken over. Any thread. */
void engine_listener_set_tls(
    struct engine_listener *listener, struct bnet_tls_ctx *tls);

/* Accept no more connections. Any thread. */
void engine_stop_listening(struct engine *engine);

struct engine_connect {
	struct address address;
	struct bnet_tls_ctx *tls; /* NULL: plain; must live until ready() */
	const char *tls_host; /* as bnet_tls_new(); copied */
	int64_t timeout_ns; /* of TCP and TLS together; 0: 15 s */
	enum bnet_order order; /* speak in it; AUTO: little */
	struct address source; /* connect from it; len_bytes 0: any */
	unsigned worker; /* index of the worker to live on */
	void *user; /* engine_conn_listener_user() */
};

/*
 * Begin to connect. The outcome is ready(), or closed() with
 * ENGINE_END_CONNECT or ENGINE_END_TLS. Any thread. False: out of memory.
 */
bool engine_connect(struct engine *engine, const struct engine_connect *set);

/* ---- a connection: on its worker, that is, in its hooks ---- */

struct engine_sendq *engine_conn_sendq(struct engine_conn *conn);
struct engine_worker *engine_conn_worker(struct engine_conn *conn);
struct bnet_link *engine_conn_link(struct engine_conn *conn);
void *engine_conn_listener_user(struct engine_conn *conn);

/*
 * The peer's address; behind a proxy the one in its PROXY header, or NULL until
 * that header arrives. And our own address.
 */
const struct address *engine_conn_peer(struct engine_conn *conn);
struct address engine_conn_local(struct engine_conn *conn);

/* It is behind a proxy: it begins with a PROXY protocol header. */
bool engine_conn_proxied(struct engine_conn *conn);

/* When bytes last arrived (CLOCK_MONOTONIC); now, while it is paused. */
int64_t engine_conn_last_in_ns(struct engine_conn *conn);

/*
 * When the kernel received the last bytes of the last read (CLOCK_MONOTONIC).
 * 0: there is no timestamp, or the clock was set.
 */
int64_t engine_conn_rx_ns(const struct engine_conn *conn);

/* Send with `codec`, in frames of at most `frame_max_bytes`. */
void engine_conn_set_peer(struct engine_conn *conn, enum bnet_codec_id codec,
    uint32_t frame_max_bytes);

/* The socket did not take all of the last write; drained() will follow. */
bool engine_conn_is_blocked(const struct engine_conn *conn);

/* For how long the socket has taken nothing of what is queued; 0: it does. */
int64_t engine_conn_stalled_ns(const struct engine_conn *conn);

/*
 * The peer is one that the relay relies on, a node: some memory is kept for it,
 * and it is not ended because memory is short.
 */
void engine_conn_trust(struct engine_conn *conn);

/* Call timer() at this time (CLOCK_MONOTONIC); 0: never. One for each. */
void engine_conn_set_timer(struct engine_conn *conn, int64_t at_ns);

/*
 * Let the kernel end the connection when its peer acknowledges nothing for so
 * long, or answers no probe of an idle connection: for a peer that says nothing
 * of itself.
 */
void engine_conn_set_patience(struct engine_conn *conn, int64_t patience_ns);

/* The text of the failure for ENGINE_END_TLS, _IO and _CONNECT; or "". */
const char *engine_conn_reason(struct engine_conn *conn);

/* The errno of it for ENGINE_END_IO and _CONNECT; 0: it has none. */
int engine_conn_errno(const struct engine_conn *conn);

/*
 * Write what is queued, then close in order. What still arrives is discarded:
 * packet() is not called again. closed() follows within handshake_timeout_ns,
 * even if the peer has not read everything.
 */
void engine_conn_finish(struct engine_conn *conn);

/* Close now. What is queued is lost, and counted. */
void engine_conn_cut(struct engine_conn *conn);

/* Discard what is queued after the frame that is being written. */
void engine_conn_drop_queue(struct engine_conn *conn);

/* Put what waits for its turn in line: what is sent now comes behind it. */
void engine_conn_line_up(struct engine_conn *conn);

/*
 * Stop reading until the send queue `full` is short again, or holds little of
 * this connection, or its own connection
 * has ended. The current packet is the last one for now.
 */
void engine_conn_pause_for(
    struct engine_conn *conn, const struct engine_sendq *full);

/* Stop reading until that time (CLOCK_MONOTONIC). */
void engine_conn_pause_until(struct engine_conn *conn, int64_t at_ns);

/*
 * The current packet took much work: go on with this connection in the next
 * turn, after the others.
 */
void engine_conn_yield(struct engine_conn *conn);

/*
 * Call `each` for every connection of a worker, from a hook of this worker.
 * `each` may finish or cut the connection that it gets.
 */
void engine_each_conn(struct engine_worker *worker,
    void (*each)(void *arg, struct engine_conn *conn), void *arg);

/* ---- sending ---- */

/*
 * From a hook of `worker`: queue a packet, as bnet_link_send(), for any
 * connection. With `flush` it is written before anything else is read,
 * otherwise at the end of the turn.
 */
BNET_MUST enum engine_sent engine_send(struct engine_worker *worker,
    struct engine_sendq *to, const struct bnet_packet *packet, bool flush);

/*
 * engine_send() of a packet that came in on the connection `from` (its handle).
 * Where the queue is long, its sources take turns and each has a share of it:
 * ENGINE_FULL may be for this source only. Packets of one source keep their
 * order. What engine_send() sends takes no turns: it overtakes what waits for
 * one, unless engine_conn_line_up() was called.
 */
BNET_MUST enum engine_sent
engine_send_from(struct engine_worker *worker, struct engine_sendq *to,
    const struct bnet_packet *packet, bool flush, uint64_t from);

/*
 * engine_send_from() of each packet of a run, without `flush`, with the header
 * `oob` in place of its own. Payloads are passed on as they are. False: nothing
 * was sent, and each packet has to be: the queue of `to` is half full, or its
 * sources take turns, or not every one can be sent.
 */
BNET_MUST bool engine_send_run(struct engine_worker *worker,
    struct engine_sendq *to, const struct bnet_run *run, struct bnet_slice oob);

/*
 * What waits for `to`, or is on its way there, of the connection `from` (and of
 * others that share its share). SIZE_MAX: the queue is short, and not shared.
 */
size_t engine_waits_of(
    struct engine_worker *worker, const struct engine_sendq *to, uint64_t from);

/* The most that a source has waiting without being one that fills the queue. */
size_t engine_share_bytes(const struct engine *engine);

/*
 * The same from any other thread, to a handle. The packet is copied; the
 * connection's worker compresses and frames it, and counts it as lost if that
 * fails. Only has_header, header, fork_ids and payload are used.
 *	ENGINE_QUEUED, ENGINE_MEMORY
 */
BNET_MUST enum engine_sent engine_post(
    struct engine *engine, uint64_t handle, const struct bnet_packet *packet);

/* engine_conn_finish() of a handle. Any thread. */
void engine_post_finish(struct engine *engine, uint64_t handle);

/* Call message() with a copy of `bytes` on a worker. False: no memory. */
bool engine_message(struct engine *engine, unsigned worker, uint32_t type,
    struct bnet_slice bytes);
/* The same from a hook: it goes with the frames of this turn. */
bool engine_worker_message(struct engine_worker *from, unsigned worker,
    uint32_t type, struct bnet_slice bytes);

/*
 * Call message() of `type`, without bytes, once on every worker, in the order
 * of the barriers. By then everything that any worker sent to this one before
 * it saw the barrier has arrived: packets that its hooks got earlier are in
 * the send queues of their destinations. So what message() sends or finishes
 * follows them. Not covered is what waits elsewhere: in the inbox, in a paused
 * connection, in a socket.
 *
 * Two barriers in a row shut a path: if message() of the first makes packet()
 * send nothing more, nothing more arrives after the second.
 *
 * Any thread. It allocates nothing, and is late only if a worker is late with
 * its turn. A barrier that is not complete when the engine stops is not
 * reported. False: ENGINE_BARRIERS_MAX are in progress.
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
 * engine_deliver() gives a packet to the application of its key: to a callback
 * that is registered here, on the thread that reads, or to the inbox.
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
/* Into the inbox, whatever its key is. */
BNET_MUST enum engine_delivery
engine_to_inbox(struct engine_conn *conn, const struct bnet_packet *packet);

/* A packet of the inbox; free it with engine_packet_free(). */
struct engine_packet {
	uint64_t handle; /* the connection it came from */
	unsigned worker; /* of that connection */
	void *user; /* its engine_conn_listener_user() */
	int64_t at_ns; /* when it came; CLOCK_MONOTONIC */
	bool has_header;
	struct bnet_header header;
	struct bnet_slice payload; /* within this block */
};

/*
 * The next packet of the inbox; NULL if none arrived within timeout_ns (0: do
 * not wait; negative: wait without a limit) or engine_wake() was called. One
 * thread at a time.
 */
struct engine_packet *engine_take(struct engine *engine, int64_t timeout_ns);
void engine_packet_free(struct engine *engine, struct engine_packet *packet);
void engine_wake(struct engine *engine);

/* ---- tables that are read without a lock ---- */

/* Around a lookup in such a table, on threads that are not workers. */
void engine_read_lock(void);
void engine_read_unlock(void);

#endif
