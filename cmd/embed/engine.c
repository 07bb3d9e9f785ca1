/* SPDX-License-Identifier: MIT */
/*
 * The facade of cmd/engine that is installed as libbluenet-engine: public
 * types in, ours out. A struct bnet_conn is a struct engine_conn.
 *
 * Owns the engine, and a table of the open connections by their ids, so that
 * any thread is told whether there is such a connection. A send queue that is
 * found there is valid while the lock is held, since closed() takes it before
 * the queue can be freed; on a worker it is, until the hook returns.
 */
#include "cmd/embed/engine.h"

#include "cmd/common/address.h"
#include "cmd/common/clock.h"
#include "cmd/common/map.h"
#include "cmd/engine/send.h"
#include "proto/settings_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 32 /* as in the engine */
#define CONNS_MAX ((size_t)1 << 24)
#define HEADER_BYTES 128 /* more than a frame and a header take */
#define FORK_BYTES 16 /* more than a fork id takes */
#define MARKS 8 /* a mark for so large a part of a queue */

/* What connects to a listener has it as its user; others have their own. */
struct listener {
	void *user;
	struct listener *next;
};

struct key_callback {
	struct bnet_engine *engine;
	bnet_engine_packet *callback;
	void *arg;
};

struct bnet_engine {
	struct engine *engine;
	struct bnet_engine_settings set;
	pthread_rwlock_t lock; /* of conns */
	struct map conns; /* struct open_conn */
	struct listener *listeners; /* owned */
	struct key_callback keys[KEYS_MAX];
	size_t n_keys;
	bool stuck; /* a hook has not returned: nothing is freed */
	atomic_uint next_worker; /* that bnet_engine_connect() uses */
	_Atomic uint64_t n_bad, n_inbox_lost;
};

struct open_conn {
	uint64_t id;
	struct engine_sendq *sendq;
};

/*
 * What the facade keeps of a connection: sendq->user. What other threads have
 * posted counts for its queue until a mark, which follows it through the
 * mailbox of the worker, has arrived.
 */
struct own {
	void *user;
	bool opened;
	atomic_bool refused; /* BNET_ELIMIT; drained() is due */
	atomic_size_t
	    posted_bytes; /* that no mark has followed to the worker */
	atomic_size_t unmarked_bytes; /* of these, without a mark so far */
};

struct mark {
	uint64_t handle;
	uint64_t n_bytes; /* posted before it, and since the last one */
};

/* The worker that this thread is, and of which engine. */
static _Thread_local const struct engine *own_engine;
static _Thread_local struct engine_worker *own_worker;

static struct engine_conn *
conn_of(struct bnet_conn *conn)
{
	return (struct engine_conn *)conn;
}

static struct bnet_conn *public(struct engine_conn *conn)
{
	return (struct bnet_conn *)conn;
}

static struct own *
own_in(struct engine_sendq *sendq)
{
	return (struct own *)(void *)sendq->user;
}

static struct own *
own_of(struct engine_conn *conn)
{
	return own_in(engine_conn_sendq(conn));
}

static const struct listener *
listener_of(const struct bnet_engine *engine, const void *user)
{
	const struct listener *one = engine->listeners;

	while (one != NULL && one != user)
		one = one->next;
	return one;
}

static void *
user_of(const struct bnet_engine *engine, void *user)
{
	const struct listener *listener = listener_of(engine, user);

	return listener != NULL ? listener->user : user;
}

/* ---- the table of connections ---- */

static bool
enter(struct bnet_engine *engine, struct engine_conn *conn)
{
	struct engine_sendq *sendq = engine_conn_sendq(conn);
	struct open_conn *entry;

	pthread_rwlock_wrlock(&engine->lock);
	entry = map_get(&engine->conns, &sendq->handle);
	if (entry != engine->conns.others)
		entry->sendq = sendq;
	pthread_rwlock_unlock(&engine->lock);
	return entry != engine->conns.others;
}

static void
leave(struct bnet_engine *engine, struct engine_conn *conn)
{
	pthread_rwlock_wrlock(&engine->lock);
	map_remove(&engine->conns, &engine_conn_sendq(conn)->handle);
	pthread_rwlock_unlock(&engine->lock);
}

static size_t
n_open(struct bnet_engine *engine)
{
	size_t n;

	pthread_rwlock_rdlock(&engine->lock);
	n = engine->conns.n;
	pthread_rwlock_unlock(&engine->lock);
	return n;
}

/* ---- hooks of the engine ---- */

static void
on_worker_start(void *arg, struct engine_worker *worker)
{
	const struct bnet_engine *engine = arg;

	own_engine = engine->engine;
	own_worker = worker;
}

static bool
on_admit(void *arg, void *user, const struct address *from)
{
	const struct bnet_engine *engine = arg;
	char text[ADDRESS_CHARS];

	return engine->set.admit == NULL ||
	    engine->set.admit(engine->set.arg, user_of(engine, user),
		address_format(from, text));
}

static void
on_ready(void *arg, struct engine_conn *conn)
{
	struct bnet_engine *engine = arg;
	struct own *own = own_of(conn);

	own->user = user_of(engine, engine_conn_listener_user(conn));
	if (!enter(engine, conn)) {
		engine_conn_cut(conn);
		return;
	}
	own->opened = true;
	if (engine->set.opened != NULL)
		engine->set.opened(engine->set.arg, public(conn));
}

static void
on_packet(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct bnet_engine *engine = arg;

	if (packet->has_header && engine_deliver(conn, packet) != ENGINE_NO_APP)
		return;
	if (engine->set.packet != NULL)
		engine->set.packet(engine->set.arg, public(conn), packet);
	else if (engine_to_inbox(conn, packet) != ENGINE_DELIVERED)
		atomic_fetch_add(&engine->n_inbox_lost, 1);
}

static void
on_bad(void *arg, struct engine_conn *conn, const struct bnet_packet *packet,
    enum bnet_err why)
{
	struct bnet_engine *engine = arg;

	(void)conn;
	(void)packet;
	(void)why;
	atomic_fetch_add(&engine->n_bad, 1);
}

static void
on_timer(void *arg, struct engine_conn *conn, int64_t now_ns)
{
	struct bnet_engine *engine = arg;

	(void)now_ns;
	if (engine->set.timer != NULL)
		engine->set.timer(engine->set.arg, public(conn));
}

static void
tell_drained(struct bnet_engine *engine, struct engine_conn *conn)
{
	atomic_store(&own_of(conn)->refused, false);
	if (engine->set.drained != NULL)
		engine->set.drained(engine->set.arg, public(conn));
}

static void
on_drained(void *arg, struct engine_conn *conn)
{
	if (own_of(conn)->opened)
		tell_drained(arg, conn);
}

/* A mark: what was posted before it is in the queue, or lost. */
static void
on_message(void *arg, struct engine_worker *worker, uint32_t type,
    struct bnet_slice bytes)
{
	struct engine_conn *conn;
	struct mark mark;

	(void)type;
	memcpy(&mark, bytes.p, sizeof(mark));
	conn = engine_conn_find(worker, mark.handle);
	if (conn == NULL)
		return;
	atomic_fetch_sub(&own_of(conn)->posted_bytes, (size_t)mark.n_bytes);
	if (atomic_load(&own_of(conn)->refused) &&
	    !engine_conn_is_blocked(conn)) /* else on_drained() follows */
		tell_drained(arg, conn);
}

static const char *const ends[ENGINE_N_ENDS] = {
	[ENGINE_END_PEER] = "closed by the peer",
	[ENGINE_END_CUT] = "closed by the peer inside a frame",
	[ENGINE_END_MALFORMED] = "the peer sent what is no frame",
	[ENGINE_END_OVERSIZE] = "the peer sent a frame over the limit",
	[ENGINE_END_TLS] = "TLS failed",
	[ENGINE_END_PROXY] = "bad PROXY header",
	[ENGINE_END_HANDSHAKE_TIMEOUT] = "the TLS handshake took too long",
	[ENGINE_END_CONNECT] = "cannot connect",
	[ENGINE_END_FRAME_TIMEOUT] = "a frame was incomplete for too long",
	[ENGINE_END_IO] = "reading or writing failed",
	[ENGINE_END_MEMORY] = "out of memory",
	[ENGINE_END_PRESSURE] = "memory was short, and it held the most",
	[ENGINE_END_WRITE_TIMEOUT] = "the peer read nothing for too long",
	[ENGINE_END_NOT_ADMITTED] = "not admitted",
	[ENGINE_END_OWNER] = "closed by this program",
};

static void
on_closed(void *arg, struct engine_conn *conn, enum engine_end end)
{
	struct bnet_engine *engine = arg;
	void *user = engine_conn_listener_user(conn);
	const char *why = engine_conn_reason(conn);

	if (why[0] == '\0')
		why = ends[end];
	if (own_of(conn)->opened) {
		leave(engine, conn);
		if (engine->set.closed != NULL)
			engine->set.closed(engine->set.arg, public(conn), why);
	} else if (listener_of(engine, user) == NULL &&
	    engine->set.failed != NULL) {
		engine->set.failed(engine->set.arg, user, why);
	}
}

static void
on_no_conn(void *arg, void *user, const struct address *from)
{
	struct bnet_engine *engine = arg;

	if (from == NULL && engine->set.failed != NULL)
		engine->set.failed(engine->set.arg, user, strerror(errno));
}

static const struct engine_hooks hooks = {
	.worker_start = on_worker_start,
	.admit = on_admit,
	.ready = on_ready,
	.packet = on_packet,
	.bad = on_bad,
	.timer = on_timer,
	.drained = on_drained,
	.closed = on_closed,
	.no_conn = on_no_conn,
	.message = on_message,
};

/* ---- the engine ---- */

static struct engine *
new_inner(struct bnet_engine *engine)
{
	const struct bnet_engine_settings *set = &engine->set;
	const struct engine_settings inner = {
		.n_workers = set->n_workers,
		.memory_max_bytes = set->memory_max_bytes,
		.queue_max_bytes = set->queue_max_bytes,
		.inbox_max_bytes = set->inbox_max_bytes,
		.frame_max_bytes = set->frame_max_bytes,
		.payload_max_bytes = set->payload_max_bytes,
		.threshold_bytes = set->threshold_bytes,
		.handshake_timeout_ns = set->handshake_timeout_ns,
		.frame_timeout_ns = set->frame_timeout_ns,
		.write_timeout_ns = set->write_timeout_ns,
		.user_bytes = sizeof(struct own),
		.hooks = &hooks,
		.arg = engine,
	};

	return engine_new(&inner);
}

enum bnet_err
bnet_engine_new(
    const struct bnet_engine_settings *set, struct bnet_engine **engine)
{
	struct bnet_engine *one = calloc(1, sizeof(*one));

	*engine = NULL;
	if (one == NULL)
		return BNET_ENOMEM;
	if (!bnet_settings_take(
		&one->set, sizeof(one->set), sizeof(one->set), set)) {
		free(one);
		return BNET_ESETTINGS;
	}
	if (map_init(&one->conns, sizeof(struct open_conn), 1, CONNS_MAX) &&
	    pthread_rwlock_init(&one->lock, NULL) == 0) {
		one->engine = new_inner(one);
		if (one->engine != NULL) {
			*engine = one;
			return BNET_OK;
		}
		pthread_rwlock_destroy(&one->lock);
	}
	map_free(&one->conns);
	free(one);
	return BNET_ENOMEM;
}

bool
bnet_engine_start(struct bnet_engine *engine)
{
	return engine_start(engine->engine);
}

bool
bnet_engine_stop(struct bnet_engine *engine)
{
	engine->stuck = !engine_stop(engine->engine);
	return !engine->stuck;
}

void
bnet_engine_free(struct bnet_engine *engine)
{
	struct listener *listener;

	if (engine == NULL || engine->stuck)
		return;
	engine_free(engine->engine);
	while ((listener = engine->listeners) != NULL) {
		engine->listeners = listener->next;
		free(listener);
	}
	map_free(&engine->conns);
	pthread_rwlock_destroy(&engine->lock);
	free(engine);
}

bool
bnet_engine_listen(struct bnet_engine *engine, const char *address,
    struct bnet_tls_ctx *tls, void *user, char at[BNET_ADDRESS_CHARS],
    char *why, size_t why_bytes)
{
	struct listener *one;
	struct engine_listener *listener;
	struct address where, actual;
	struct engine_listen set = { .address = &where, .tls = tls };

	if (!address_of_listener(address, &where, why, why_bytes))
		return false;
	one = calloc(1, sizeof(*one));
	set.user = one;
	listener = one != NULL ? engine_listen(engine->engine, &set) : NULL;
	if (listener == NULL) {
		snprintf(why, why_bytes, "%s: %s", address, strerror(errno));
		free(one);
		return false;
	}
	*one = (struct listener){ user, engine->listeners };
	engine->listeners = one;
	actual = engine_listener_address(listener);
	if (at != NULL)
		address_format(&actual, at);
	return true;
}

static void
on_key(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	const struct key_callback *key = arg;

	key->callback(key->arg, public(conn), packet);
}

bool
bnet_engine_on_key(struct bnet_engine *engine, int32_t key,
    bnet_engine_packet *callback, void *arg)
{
	struct key_callback *one = &engine->keys[engine->n_keys];

	if (engine->n_keys == KEYS_MAX)
		return false;
	*one = (struct key_callback){ engine, callback, arg };
	if (!engine_on_key(engine->engine, key, on_key, one))
		return false;
	engine->n_keys++;
	return true;
}

/* ---- connecting, sending ---- */

/* The part of "HOST:PORT" that a certificate has to name. */
static const char *
host_of(const char *address, char host[BNET_ADDRESS_CHARS * 2])
{
	const char *colon = strrchr(address, ':');
	size_t n = strlen(address);

	if (address[0] == '[') {
		address++;
		n = strcspn(address, "]");
	} else if (colon != NULL && strchr(address, ':') == colon) {
		n = (size_t)(colon - address);
	}
	if (n >= BNET_ADDRESS_CHARS * 2)
		n = BNET_ADDRESS_CHARS * 2 - 1;
	memcpy(host, address, n);
	host[n] = '\0';
	return host;
}

bool
bnet_engine_connect(struct bnet_engine *engine,
    const struct bnet_engine_connect *asked, char *why, size_t why_bytes)
{
	struct address found[ADDRESS_RESOLVED_MAX];
	char host[BNET_ADDRESS_CHARS * 2];
	struct bnet_engine_connect set;
	struct engine_connect inner;

	if (!bnet_settings_take(&set, sizeof(set), sizeof(set), asked)) {
		snprintf(why, why_bytes, "%s", bnet_strerror(BNET_ESETTINGS));
		return false;
	}
	if (address_resolve(
		set.address, ADDRESS_PORT_NONE, found, why, why_bytes) == 0)
		return false;
	inner = (struct engine_connect){
		.address = found[0],
		.tls = set.tls,
		.tls_host = set.tls_host != NULL ? set.tls_host
						 : host_of(set.address, host),
		.timeout_ns = set.timeout_ns,
		.order = set.order,
		.worker = atomic_fetch_add(&engine->next_worker, 1) %
		    engine_n_workers(engine->engine),
		.user = set.user,
	};
	if (engine_connect(engine->engine, &inner))
		return true;
	snprintf(why, why_bytes, "%s", bnet_strerror(BNET_ENOMEM));
	return false;
}

static enum bnet_err
send_error(enum engine_sent sent)
{
	static const enum bnet_err errors[] = {
		[ENGINE_QUEUED] = BNET_OK,
		[ENGINE_FULL] = BNET_ELIMIT,
		[ENGINE_MEMORY] = BNET_ENOMEM,
		[ENGINE_TOO_LARGE] = BNET_ESIZE,
		[ENGINE_GONE] = BNET_CLOSED,
	};

	return errors[sent];
}

/* Have what was posted so far counted where it arrives. */
static void
send_mark(struct bnet_engine *engine, struct engine_sendq *to)
{
	struct own *own = own_in(to);
	struct mark mark = { to->handle,
		atomic_exchange(&own->unmarked_bytes, 0) };

	if (!engine_message(engine->engine, to->worker, 0,
		(struct bnet_slice){ (const uint8_t *)&mark, sizeof(mark) }))
		atomic_fetch_add(&own->unmarked_bytes, (size_t)mark.n_bytes);
}

static void
note_refused(struct bnet_engine *engine, struct engine_sendq *to)
{
	if (!atomic_exchange(&own_in(to)->refused, true))
		send_mark(engine, to);
}

/* From another thread: the queue's limit is for what is on its way, too. */
static enum bnet_err
post(struct bnet_engine *engine, struct engine_sendq *to,
    const struct bnet_packet *packet)
{
	struct own *own = own_in(to);
	size_t max = engine_queue_max_bytes(engine->engine);
	size_t room = HEADER_BYTES + packet->payload.len +
	    (size_t)packet->header.forks * FORK_BYTES;
	size_t waiting = atomic_fetch_add(&own->posted_bytes, room) +
	    atomic_load_explicit(&to->queued_bytes, memory_order_relaxed);
	enum bnet_err err;

	if (room > max || waiting > max - room) {
		atomic_fetch_sub(&own->posted_bytes, room);
		return BNET_ELIMIT;
	}
	err = send_error(engine_post(engine->engine, to->handle, packet));
	if (err != BNET_OK)
		atomic_fetch_sub(&own->posted_bytes, room);
	else if (atomic_fetch_add(&own->unmarked_bytes, room) + room >
	    max / MARKS)
		send_mark(engine, to);
	return err;
}

enum bnet_err
bnet_engine_send(
    struct bnet_engine *engine, uint64_t conn, const struct bnet_packet *packet)
{
	bool is_here = own_engine == engine->engine;
	enum bnet_err err = BNET_CLOSED;
	const struct open_conn *entry;
	struct engine_sendq *to = NULL;

	if (!packet->has_header)
		return BNET_EHEADER;
	pthread_rwlock_rdlock(&engine->lock);
	entry = map_find(&engine->conns, &conn);
	if (entry != NULL)
		to = entry->sendq;
	if (to != NULL)
		err = is_here
		    ? send_error(engine_send(own_worker, to, packet, false))
		    : post(engine, to, packet);
	if (err == BNET_ELIMIT)
		note_refused(engine, to);
	pthread_rwlock_unlock(&engine->lock);
	return err;
}

/* On a worker after what it has sent, which may be in its outbox. */
static void
finish_here(uint64_t conn)
{
	static const struct bnet_slice nothing = { NULL, 0 };
	struct engine_conn *ours = engine_conn_find(own_worker, conn);

	if (ours != NULL)
		engine_conn_finish(ours);
	else if (!send_control(own_worker, conn, RECORD_FINISH, nothing))
		engine_post_finish(own_worker->engine, conn);
}

void
bnet_engine_close(struct bnet_engine *engine, uint64_t conn)
{
	bool is_open;

	pthread_rwlock_rdlock(&engine->lock);
	is_open = map_find(&engine->conns, &conn) != NULL;
	pthread_rwlock_unlock(&engine->lock);
	if (is_open && own_engine == engine->engine)
		finish_here(conn);
	else if (is_open)
		engine_post_finish(engine->engine, conn);
}

/* ---- counters, the inbox ---- */

bool
bnet_engine_count(
    struct bnet_engine *engine, struct bnet_engine_counters *counters)
{
	size_t bytes = counters->struct_bytes;
	uint64_t sums[ENGINE_N_COUNTERS];
	struct bnet_engine_counters now;

	if (bytes == 0)
		bytes = sizeof(now); /* of version 0.1 */
	if (bytes > sizeof(now))
		return false;
	engine_counters(engine->engine, sums);
	now = (struct bnet_engine_counters){
		.struct_bytes = counters->struct_bytes,
		.connections = n_open(engine),
		.memory_bytes = engine_memory_reserved(engine->engine),
		.accepts = sums[ENGINE_ACCEPTS],
		.accepts_no_memory = sums[ENGINE_ACCEPTS_NO_MEMORY],
		.bytes_read = sums[ENGINE_BYTES_READ],
		.packets_read = sums[ENGINE_PACKETS_READ],
		.bytes_written = sums[ENGINE_BYTES_WRITTEN],
		.packets_written = sums[ENGINE_PACKETS_WRITTEN],
		.packets_queued = sums[ENGINE_PACKETS_QUEUED],
		.packets_lost = sums[ENGINE_PACKETS_LOST],
		.packets_bad = atomic_load(&engine->n_bad),
		.inbox_packets = sums[ENGINE_INBOX_PACKETS],
		.inbox_lost = atomic_load(&engine->n_inbox_lost),
	};
	memcpy(counters, &now, bytes);
	return true;
}

bool
bnet_inbox_take(struct bnet_engine *engine, struct bnet_inbox_packet *packet,
    int64_t timeout_ns)
{
	struct engine_packet *one = engine_take(engine->engine, timeout_ns);

	if (one == NULL)
		return false;
	*packet = (struct bnet_inbox_packet){
		.conn = one->handle,
		.user = user_of(engine, one->user),
		.at_ns = one->at_ns,
		.header = one->header,
		.payload = one->payload,
		.block = one,
	};
	return true;
}

void
bnet_inbox_free(struct bnet_engine *engine, struct bnet_inbox_packet *packet)
{
	engine_packet_free(engine->engine, packet->block);
	packet->block = NULL;
}

void
bnet_engine_wake(struct bnet_engine *engine)
{
	engine_wake(engine->engine);
}

/* ---- a connection ---- */

uint64_t
bnet_conn_id(struct bnet_conn *conn)
{
	return engine_conn_sendq(conn_of(conn))->handle;
}

void *
bnet_conn_user(struct bnet_conn *conn)
{
	return own_of(conn_of(conn))->user;
}

void
bnet_conn_set_user(struct bnet_conn *conn, void *user)
{
	own_of(conn_of(conn))->user = user;
}

const char *
bnet_conn_peer(struct bnet_conn *conn, char text[BNET_ADDRESS_CHARS])
{
	const struct address *peer = engine_conn_peer(conn_of(conn));

	_Static_assert(BNET_ADDRESS_CHARS == ADDRESS_CHARS, "a text is cut");
	if (peer == NULL) {
		text[0] = '\0';
		return text;
	}
	return address_format(peer, text);
}

struct bnet_link *
bnet_conn_link(struct bnet_conn *conn)
{
	return engine_conn_link(conn_of(conn));
}

void
bnet_conn_set_peer(
    struct bnet_conn *conn, enum bnet_codec_id codec, uint32_t frame_max_bytes)
{
	engine_conn_set_peer(conn_of(conn), codec,
	    frame_max_bytes != 0 ? frame_max_bytes : BNET_FRAME_MAX_BYTES);
}

void
bnet_conn_set_timer(struct bnet_conn *conn, int64_t at_ns)
{
	engine_conn_set_timer(conn_of(conn), at_ns);
}

void
bnet_conn_cut(struct bnet_conn *conn)
{
	engine_conn_cut(conn_of(conn));
}

int64_t
bnet_engine_now_ns(void)
{
	return clock_now_ns();
}
