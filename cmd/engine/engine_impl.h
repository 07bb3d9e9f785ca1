/* SPDX-License-Identifier: MIT */
/* What the files of the engine share; nobody else includes it. */
#ifndef ENGINE_IMPL_H
#define ENGINE_IMPL_H

#include "cmd/engine/budget.h"
#include "cmd/engine/engine.h"
#include "cmd/engine/handover.h"
#include "cmd/engine/timers.h"

#define ENGINE_READ_BYTES ((size_t)128 << 10) /* of one connection a turn */
#define ENGINE_WIRE_BYTES ((size_t)64 << 10) /* encrypted at a time */
#define ENGINE_APPS_MAX 32
#define ENGINE_SPARES 8 /* buffers that a worker keeps for its next queue */
#define ENGINE_REASON_CHARS 128
#define ENGINE_LINGER_NS INT64_C(2000000000) /* for the peer's end of file */
/* A pause ends after this, should the word that ends it have been lost. */
#define ENGINE_PAUSE_NS INT64_C(30000000000)

/* What a connection costs beside its buffers; measured, rounded up. */
#define ENGINE_CONN_BYTES 2048
#define ENGINE_TLS_BYTES 17408

/* What an event of epoll is about: the first member of each. */
enum source_kind {
	SOURCE_WAKE,
	SOURCE_LISTENER,
	SOURCE_CONN
};
struct source {
	enum source_kind kind;
};

enum conn_state {
	CONN_CONNECTING, /* TCP */
	CONN_PROXY, /* its PROXY header is awaited */
	CONN_OPENING, /* TLS handshake */
	CONN_OPEN,
	CONN_FINISHING, /* the queue is written, then it closes */
	CONN_LINGERING, /* all is written; the peer's end is awaited */
	CONN_DEAD, /* freed at the end of the turn */
};

struct outlet_box {
	struct rcu_head rcu;
	struct engine_outlet outlet; /* ends in user[] */
};

struct engine_conn {
	struct source source;
	int fd;
	enum conn_state state;
	struct engine_worker *worker;
	struct engine_outlet *outlet;
	struct bnet_link *link;
	void *user; /* of the listener, or of engine_connect() */
	uint64_t base_bytes, link_bytes; /* reserved for it, and for its link */
	uint32_t slot;
	bool admitted, dirty, urgent, listed, paused, is_tls;
	bool proxied, located; /* has a PROXY header; it came */
	bool starved; /* listed because there was no budget */
	bool yielded; /* paused, until the next turn */
	bool hung_up; /* epoll told an end or an error: read until it comes */
	bool eof; /* the peer will send no more */
	bool blocked; /* the socket took not all of the last write */
	bool order_mixed; /* frames of two byte orders in `out` */
	struct bnet_buf out; /* frames to be written */
	struct bnet_buf held; /* read, and not fed when it was paused */
	uint64_t out_frames; /* in `out`, the one in writing too */
	uint64_t wire_frames, wire_bytes; /* in the link, being encrypted */
	size_t frame_left_bytes; /* of the one in writing */
	struct engine_conn *next_dirty, *next_urgent;
	struct engine_conn *next_ready, *next_dead;
	uint64_t *watchers; /* handles that wait for this queue; owned */
	size_t n_watchers;
	struct timer timer;
	int64_t deadline_ns; /* of the state; 0: none */
	int64_t frame_since_ns; /* incomplete without progress; 0: none */
	int64_t user_timer_ns; /* 0: none */
	int64_t last_in_ns;
	int64_t rx_ns, unix_ahead_ns; /* rx_time.c */
	enum engine_end end; /* while finishing: what closed() will be told */
	const char *reason; /* static, or reason_text */
	char *reason_text; /* owned */
	int64_t connect_timeout_ns;
	struct address peer;
};

struct slot {
	struct engine_conn *conn; /* NULL: free */
	uint32_t generation;
	uint32_t next_free; /* slot + 1 */
};

struct engine_worker {
	/* first; each worker owns its cache lines */
	_Alignas(64) struct source wake;
	struct engine *engine;
	unsigned index;
	pthread_t thread;
	bool ended; /* and joined */
	int epoll_fd;
	_Alignas(64) struct handover_queue queue; /* for us; others write */
	_Alignas(
	    64) struct parcel **parcels; /* n_workers: of this turn, for them */
	struct engine_conn *dirty, *urgent, *ready, *dead;
	struct slot *slots; /* owned */
	uint32_t n_slots, cap_slots, free_slot;
	struct timers timers;
	int64_t now_ns;
	_Atomic int64_t turn_since_ns; /* 0: asleep */
	_Atomic uint64_t counters[ENGINE_N_COUNTERS];
	struct bnet_codecs *codecs;
	struct bnet_buf spare[ENGINE_SPARES];
	unsigned n_spare;
	bool starved; /* a connection waits for budget */
	uint8_t *read_buf;
	bool urgent_parcels;
	int spare_fd; /* given up when there is no other */
	bool deaf; /* not listening any more */
	/* barrier.c */
	struct parcel *markers; /* ours: two for each worker */
	unsigned
	    n_markers[2]; /* that came, of words with an even number, odd */
	unsigned n_words_taken;
	atomic_uint n_words_told; /* to the hook; wraps around, as all do */
};

/* Words of engine_barrier(). */
struct barrier {
	pthread_mutex_t lock; /* of raising */
	uint32_t types[ENGINE_BARRIERS_MAX]; /* a ring */
	atomic_uint n_raised;
};

struct engine_listener {
	struct source source;
	struct engine *engine;
	struct engine_listener *next;
	int fd[ENGINE_WORKERS_MAX]; /* one a worker, or all the same */
	bool shared_fd;
	pthread_mutex_t lock; /* of tls */
	struct bnet_tls_ctx *tls;
	bool (*is_proxy)(void *arg, const struct address *from);
	void *user;
};

struct app {
	int32_t key;
	engine_app *app; /* NULL: the inbox */
	void *arg;
};

struct inbox;

struct engine {
	struct engine_settings set;
	struct budget budget;
	struct engine_worker *workers;
	unsigned n_workers, n_started;
	bool stuck; /* it could not be stopped: nothing is freed */
	struct engine_listener *listeners;
	atomic_bool stop, stop_listening;
	atomic_size_t queue_max_bytes;
	struct app apps[ENGINE_APPS_MAX];
	size_t n_apps;
	struct inbox *inbox;
	struct barrier barrier;
};

static inline void
count(struct engine_worker *worker, enum engine_counter which, uint64_t n)
{
	counter_add(&worker->counters[which], n);
}

/* What frames for it are encoded in: LITTLE or NETWORK. */
static inline enum bnet_order
outlet_order(struct engine_outlet *outlet)
{
	int order = atomic_load_explicit(&outlet->order, memory_order_relaxed);

	return order == BNET_ORDER_NETWORK ? BNET_ORDER_NETWORK
					   : BNET_ORDER_LITTLE;
}

/* ---- conn.c: its life ---- */
struct engine_conn *conn_new(struct engine_worker *worker, int fd,
    struct bnet_tls_ctx *tls, const char *tls_host, void *user);
bool conn_watch_fd(struct engine_conn *conn);
struct engine_conn *conn_find(struct engine_worker *worker, uint64_t handle);
void conn_end(struct engine_conn *conn, enum engine_end end);
void conn_set_reason(struct engine_conn *conn, const char *text);
void conn_set_deadline(struct engine_conn *conn, int64_t at_ns);
void conn_arm(struct engine_conn *conn);
void conn_ready(struct engine_conn *conn); /* open: tell the owner */
void conn_free_dead(struct engine_worker *worker);
void conn_timer(struct engine_conn *conn, int64_t now_ns);

static inline unsigned
handle_worker(uint64_t handle)
{
	return (unsigned)(handle >> 56);
}

/* ---- conn_read.c ---- */
void conn_read(struct engine_conn *conn);
void conn_list_ready(struct engine_conn *conn);
void conn_resume(struct engine_conn *conn);
void conn_read_again(struct engine_conn *conn);
void conn_starve(struct engine_conn *conn); /* back when there is budget */

/* ---- rx_time.c ---- */
void rx_time_enable(int fd);
ssize_t rx_time_recv(struct engine_conn *conn, void *buf, size_t n);

/* ---- conn_write.c ---- */
void conn_mark_dirty(struct engine_conn *conn);
void conn_flush(struct engine_conn *conn);
void conn_flush_urgent(struct engine_worker *worker);
void conn_flush_all(struct engine_worker *worker);
bool conn_out_room(struct engine_conn *conn, size_t n_bytes);
void conn_out_unused(struct engine_conn *conn);
void conn_out_added(struct engine_conn *conn, uint64_t n_frames);
void conn_lose_queue(struct engine_conn *conn);
void conn_notify_watchers(struct engine_conn *conn, bool gone);

/* ---- send.c ---- */
void send_records(struct engine_worker *worker, struct parcel *parcel);
void send_drop(struct engine_worker *worker, const struct parcel *parcel);
void send_push(struct engine_worker *worker, unsigned to);
void send_push_all(struct engine_worker *worker);
void send_push_urgent(struct engine_worker *worker);
bool send_control(struct engine_worker *from, uint64_t to, uint32_t kind,
    struct bnet_slice bytes);
struct parcel *send_parcel(struct engine_worker *worker, unsigned to);

/* ---- barrier.c ---- */
bool barrier_init(struct engine_worker *worker);
void barrier_free(struct engine_worker *worker);
void barrier_look(struct engine_worker *worker);
void barrier_marker(struct engine_worker *worker, const struct parcel *marker);

/* ---- listen.c, connect.c ---- */
void
listen_accept(struct engine_listener *listener, struct engine_worker *worker);
bool
listen_watch(struct engine_listener *listener, struct engine_worker *worker);
void
listen_close(struct engine_listener *listener, struct engine_worker *worker);
void listen_free(struct engine_listener *listener);
void connect_begin(struct engine_worker *worker, struct bnet_slice bytes);
void connect_forget(struct bnet_slice bytes);
void connect_go_on(struct engine_conn *conn);

/* ---- proxy header of a connection ---- */
void conn_proxy_header(struct engine_conn *conn);

/* ---- worker.c ---- */
void *worker_run(void *arg);
bool worker_init(
    struct engine_worker *worker, struct engine *engine, unsigned index);
void worker_free(struct engine_worker *worker);
int64_t worker_clock_ns(void);

/* ---- inbox.c ---- */
struct inbox *inbox_new(void);
void inbox_free(struct inbox *inbox, struct budget *budget);

#endif
