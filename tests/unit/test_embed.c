/* SPDX-License-Identifier: MIT */
/* libbluenet-engine: two engines of an embedder that talk on loopback. */
#include "cmd/embed/engine.h"

#include "proto/bluenet.h"
#include "tests/unit/tls_ends.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#define MANY 2000
#define KEY_OURS 77

/* One end, and what its hooks have seen. */
struct side {
	struct bnet_engine *engine;
	struct bnet_engine_settings set;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t moved;
	unsigned n_opened, n_closed, n_failed, n_admitted, n_timers;
	unsigned n_packets, n_keyed, n_drained;
	bool out_of_order;
	uint64_t conns[8]; /* in the order of opened() */
	char why[200], peer[BNET_ADDRESS_CHARS];
	enum bnet_err last; /* of what a hook sent */
	bool tls;
	/* set before the start */
	bool admits, echoes, closes;
	size_t send_bytes; /* that opened() sends in one packet */
	unsigned n_burst; /* packets that opened() sends before it closes */
};

static const char text[] = "good day";

static void
side_lock(struct side *side)
{
	pthread_mutex_lock(&side->lock);
}

static void
side_unlock(struct side *side)
{
	pthread_cond_broadcast(&side->moved);
	pthread_mutex_unlock(&side->lock);
}

#define SIDE_WAIT(side, member, at_least) \
	do { \
		side_lock(side); \
		while ((side)->member < (at_least)) \
			pthread_cond_wait(&(side)->moved, &(side)->lock); \
		side_unlock(side); \
	} while (0)

static enum bnet_err
tell(struct bnet_engine *engine, uint64_t conn, int32_t key, const void *p,
    size_t n)
{
	const struct bnet_packet packet = { .has_header = true,
		.header = { .dest_type = BNET_DEST_NODE, .key = key },
		.payload = { p, n } };

	return bnet_engine_send(engine, conn, &packet);
}

/* ---- hooks ---- */

static bool
admit(void *arg, void *user, const char *from)
{
	struct side *side = arg;

	side_lock(side);
	side->n_admitted++;
	ck_assert_ptr_eq(user, &side->n_admitted);
	ck_assert_int_eq(strncmp(from, "127.0.0.1:", 10), 0);
	side_unlock(side);
	return side->admits;
}

static void
burst(struct side *side, uint64_t conn)
{
	for (uint32_t i = 0; i < side->n_burst; i++)
		ck_assert_int_eq(
		    tell(side->engine, conn, KEY_OURS, &i, sizeof(i)), BNET_OK);
	bnet_engine_close(side->engine, conn);
}

static void
opened(void *arg, struct bnet_conn *conn)
{
	struct side *side = arg;
	uint64_t id = bnet_conn_id(conn);
	enum bnet_err err = BNET_OK;

	if (side->send_bytes > 0) {
		void *p = calloc(1, side->send_bytes);

		err = tell(side->engine, id, KEY_OURS, p, side->send_bytes);
		free(p);
	}
	if (side->n_burst > 0)
		burst(side, id);
	bnet_conn_set_peer(conn, BNET_CODEC_ZLIB, 0);
	bnet_conn_set_timer(conn, bnet_engine_now_ns());
	side_lock(side);
	side->last = err;
	side->tls = bnet_link_tls(bnet_conn_link(conn)) != NULL;
	bnet_conn_peer(conn, side->peer);
	side->conns[side->n_opened++] = id;
	side_unlock(side);
}

static void
timer(void *arg, struct bnet_conn *conn)
{
	struct side *side = arg;

	(void)conn;
	side_lock(side);
	side->n_timers++;
	side_unlock(side);
}

/* The number of a packet of burst() is the next one. */
static void
packet(void *arg, struct bnet_conn *conn, const struct bnet_packet *in)
{
	struct side *side = arg;
	uint32_t number = 0;

	if (side->echoes)
		ck_assert_int_eq(
		    tell(side->engine, bnet_conn_id(conn), in->header.key,
			in->payload.p, in->payload.len),
		    BNET_OK);
	if (in->payload.len == sizeof(number))
		memcpy(&number, in->payload.p, sizeof(number));
	side_lock(side);
	side->out_of_order = side->out_of_order ||
	    (in->payload.len == sizeof(number) && number != side->n_packets);
	side->n_packets++;
	side_unlock(side);
	if (side->closes)
		bnet_conn_cut(conn);
}

static void
keyed(void *arg, struct bnet_conn *conn, const struct bnet_packet *in)
{
	struct side *side = arg;

	ck_assert_int_eq(in->header.key, BNET_KEY_ECHO);
	side_lock(side);
	ck_assert_ptr_eq(bnet_conn_user(conn), &side->n_admitted);
	bnet_conn_set_user(conn, side);
	ck_assert_ptr_eq(bnet_conn_user(conn), side);
	side->n_keyed++;
	side_unlock(side);
}

static void
drained(void *arg, struct bnet_conn *conn)
{
	struct side *side = arg;

	(void)conn;
	side_lock(side);
	side->n_drained++;
	side_unlock(side);
}

static void
closed(void *arg, struct bnet_conn *conn, const char *why)
{
	struct side *side = arg;

	ck_assert_int_eq(
	    tell(side->engine, bnet_conn_id(conn), 1, "", 0), BNET_CLOSED);
	side_lock(side);
	side->n_closed++;
	snprintf(side->why, sizeof(side->why), "%s", why);
	side_unlock(side);
	bnet_engine_wake(side->engine);
}

static void
failed(void *arg, void *user, const char *why)
{
	struct side *side = arg;

	side_lock(side);
	ck_assert_ptr_eq(user, side);
	side->n_failed++;
	snprintf(side->why, sizeof(side->why), "%s", why);
	side_unlock(side);
}

/* ---- to make one ---- */

static void
side_init(struct side *side)
{
	*side = (struct side){ .admits = true };
	pthread_mutex_init(&side->lock, NULL);
	pthread_cond_init(&side->moved, NULL);
	side->set = (struct bnet_engine_settings){
		.struct_bytes = sizeof(side->set),
		.n_workers = 2,
		.arg = side,
		.admit = admit,
		.opened = opened,
		.timer = timer,
		.drained = drained,
		.closed = closed,
		.failed = failed,
	};
}

static void
side_new(struct side *side)
{
	ck_assert_int_eq(bnet_engine_new(&side->set, &side->engine), BNET_OK);
}

static void
side_listen(
    struct side *side, struct bnet_tls_ctx *tls, char at[BNET_ADDRESS_CHARS])
{
	char why[200] = "";

	ck_assert_msg(bnet_engine_listen(side->engine, "127.0.0.1:0", tls,
			  &side->n_admitted, at, why, sizeof(why)),
	    "%s", why);
	ck_assert(bnet_engine_start(side->engine));
}

static void
side_connect(struct side *side, const char *at, struct bnet_tls_ctx *tls,
    const char *host)
{
	const struct bnet_engine_connect to = { .struct_bytes = sizeof(to),
		.address = at,
		.tls = tls,
		.tls_host = host,
		.user = side };
	char why[200] = "";

	ck_assert_msg(bnet_engine_connect(side->engine, &to, why, sizeof(why)),
	    "%s", why);
}

static void
side_free(struct side *side)
{
	ck_assert(bnet_engine_stop(side->engine));
	ck_assert_uint_eq(side->n_opened, side->n_closed);
	bnet_engine_free(side->engine);
	pthread_mutex_destroy(&side->lock);
	pthread_cond_destroy(&side->moved);
}

static struct bnet_engine_counters
counted(struct side *side)
{
	struct bnet_engine_counters n = { .struct_bytes = sizeof(n) };

	ck_assert(bnet_engine_count(side->engine, &n));
	return n;
}

/* A server and a client, connected. */
static void
pair(struct side *server, struct side *client)
{
	char at[BNET_ADDRESS_CHARS];

	side_new(server);
	ck_assert(
	    bnet_engine_on_key(server->engine, BNET_KEY_ECHO, keyed, server));
	side_listen(server, NULL, at);
	side_new(client);
	ck_assert(bnet_engine_start(client->engine));
	side_connect(client, at, NULL, NULL);
	SIDE_WAIT(server, n_opened, 1);
	SIDE_WAIT(client, n_opened, 1);
	ck_assert_str_eq(client->peer, at);
}

/* ---- tests ---- */

START_TEST(keys_hooks_and_inbox)
{
	struct bnet_inbox_packet in;
	struct side server, client;

	side_init(&server);
	side_init(&client);
	client.set.packet = packet;
	pair(&server, &client);
	SIDE_WAIT(&client, n_timers, 1);
	ck_assert_int_eq(
	    tell(client.engine, client.conns[0], KEY_OURS, text, sizeof(text)),
	    BNET_OK);
	ck_assert_int_eq(
	    tell(client.engine, client.conns[0], BNET_KEY_ECHO, "", 0),
	    BNET_OK);
	/* what has no callback waits for this thread, which answers */
	ck_assert(bnet_inbox_take(server.engine, &in, -1));
	ck_assert_int_eq(in.header.key, KEY_OURS);
	ck_assert_uint_eq(in.conn, server.conns[0]);
	ck_assert_ptr_eq(in.user, &server.n_admitted);
	ck_assert_uint_eq(in.payload.len, sizeof(text));
	ck_assert_mem_eq(in.payload.p, text, sizeof(text));
	ck_assert_int_eq(tell(server.engine, in.conn, KEY_OURS, in.payload.p,
			     in.payload.len),
	    BNET_OK);
	bnet_inbox_free(server.engine, &in);
	SIDE_WAIT(&server, n_keyed, 1);
	SIDE_WAIT(&client, n_packets, 1);
	ck_assert(!bnet_inbox_take(server.engine, &in, 0));
	ck_assert_uint_eq(counted(&server).connections, 1);
	ck_assert_uint_eq(counted(&server).accepts, 1);
	ck_assert_uint_eq(counted(&server).packets_read, 2);
	ck_assert_uint_eq(counted(&server).inbox_packets, 1);
	ck_assert_uint_gt(counted(&server).memory_bytes, 0);
	/* both ends are told; an id that is gone is nobody's */
	bnet_engine_close(client.engine, client.conns[0]);
	SIDE_WAIT(&server, n_closed, 1);
	SIDE_WAIT(&client, n_closed, 1);
	ck_assert_str_eq(client.why, "closed by this program");
	ck_assert_str_eq(server.why, "closed by the peer");
	ck_assert_int_eq(
	    tell(server.engine, server.conns[0], 1, "", 0), BNET_CLOSED);
	bnet_engine_close(server.engine, server.conns[0]);
	bnet_engine_close(server.engine, UINT64_MAX);
	ck_assert(!bnet_inbox_take(server.engine, &in, -1)); /* closed() woke */
	side_free(&client);
	side_free(&server);
}
END_TEST

/* From a thread, or (i) a hook: all that was sent, in order, then the end. */
START_TEST(close_is_last)
{
	struct side server, client;

	side_init(&server);
	side_init(&client);
	server.set.packet = packet;
	client.n_burst = _i == 0 ? 0 : MANY;
	pair(&server, &client);
	if (_i == 0) {
		client.n_burst = MANY;
		burst(&client, client.conns[0]);
	}
	SIDE_WAIT(&server, n_closed, 1);
	ck_assert_uint_eq(server.n_packets, MANY);
	ck_assert(!server.out_of_order);
	ck_assert_uint_eq(counted(&client).packets_lost, 0);
	side_free(&client);
	side_free(&server);
}
END_TEST

START_TEST(what_cannot_be_sent)
{
	const struct bnet_packet headless = { .has_oob = false };
	static uint8_t large[64 << 10];
	struct side server, client;
	enum bnet_err err;

	side_init(&server);
	side_init(&client);
	client.set.frame_max_bytes = 1 << 20;
	client.send_bytes = 2 << 20; /* over the limit of a frame */
	client.set.threshold_bytes = UINT32_MAX;
	server.set.inbox_max_bytes = 4 << 10;
	pair(&server, &client);
	ck_assert_int_eq(client.last, BNET_ESIZE);
	ck_assert_int_eq(
	    bnet_engine_send(client.engine, client.conns[0], &headless),
	    BNET_EHEADER);
	/* the inbox of the peer takes none of these, and counts them */
	ck_assert_int_eq(tell(client.engine, client.conns[0], KEY_OURS, large,
			     sizeof(large)),
	    BNET_OK);
	while (counted(&server).inbox_lost < 1)
		sched_yield();
	ck_assert_uint_eq(counted(&server).inbox_packets, 0);
	side_free(&server);
	SIDE_WAIT(&client, n_closed, 1);
	err = tell(client.engine, client.conns[0], KEY_OURS, text, 1);
	ck_assert_int_eq(err, BNET_CLOSED);
	side_free(&client);
}
END_TEST

/* A peer that reads nothing: its queue is full in the end, not the memory. */
START_TEST(full_queue)
{
	static uint8_t payload[32 << 10];
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	enum bnet_err err = BNET_OK;
	struct side client;
	char port[16];

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	snprintf(port, sizeof(port), "%d", ntohs(at.sin_port));
	side_init(&client);
	client.set.queue_max_bytes = 128 << 10;
	side_new(&client);
	ck_assert(bnet_engine_start(client.engine));
	side_connect(&client, port, NULL, NULL);
	SIDE_WAIT(&client, n_opened, 1);
	while (err == BNET_OK)
		err = tell(client.engine, client.conns[0], KEY_OURS, payload,
		    sizeof(payload));
	ck_assert_msg(err == BNET_ELIMIT, "%d %s", (int)err, client.why);
	side_free(&client);
	close(fd);
}
END_TEST

/*
 * A thread that is faster than the worker is refused, told when to go on, and
 * nothing is lost.
 */
START_TEST(faster_than_the_worker)
{
	static uint8_t payload[6000];
	struct side server, client;

	side_init(&server);
	side_init(&client);
	server.set.packet = packet;
	client.set.queue_max_bytes = 20 << 10;
	pair(&server, &client);
	for (unsigned i = 0; i < MANY;) {
		unsigned n_drained;
		enum bnet_err err;

		side_lock(&client);
		n_drained = client.n_drained;
		side_unlock(&client);
		err = tell(client.engine, client.conns[0], KEY_OURS, payload,
		    sizeof(payload));
		if (err == BNET_ELIMIT)
			SIDE_WAIT(&client, n_drained, n_drained + 1);
		else
			ck_assert_int_eq(err, BNET_OK);
		i += err == BNET_OK;
	}
	SIDE_WAIT(&server, n_packets, MANY);
	ck_assert_uint_eq(counted(&client).packets_lost, 0);
	ck_assert_uint_eq(counted(&client).packets_queued, MANY);
	side_free(&client);
	side_free(&server);
}
END_TEST

START_TEST(who_may_connect)
{
	struct side server, client;
	char at[BNET_ADDRESS_CHARS], why[200];
	struct bnet_engine_connect to = { .address = "no port here" };

	side_init(&server);
	side_init(&client);
	server.admits = false;
	side_new(&server);
	ck_assert(!bnet_engine_listen(
	    server.engine, "nonsense:", NULL, NULL, at, why, sizeof(why)));
	ck_assert_str_ne(why, "");
	side_listen(&server, NULL, at);
	side_new(&client);
	ck_assert(bnet_engine_start(client.engine));
	ck_assert(!bnet_engine_connect(client.engine, &to, why, sizeof(why)));
	side_connect(&client, at, NULL, NULL);
	SIDE_WAIT(&server, n_admitted, 1);
	SIDE_WAIT(&client, n_closed, 1); /* TCP was through */
	ck_assert_uint_eq(server.n_opened, 0);
	side_free(&server);
	side_connect(&client, at, NULL, NULL); /* nobody listens */
	SIDE_WAIT(&client, n_failed, 1);
	ck_assert_str_ne(client.why, "");
	side_free(&client);
}
END_TEST

static struct bnet_tls_ctx *
context(struct bnet_tls_settings set)
{
	struct bnet_tls_ctx *ctx;
	char why[200];

	ck_assert_int_eq(
	    bnet_tls_ctx_new(&set, &ctx, why, sizeof(why)), BNET_OK);
	return ctx;
}

START_TEST(tls)
{
	struct bnet_tls_ctx *ours = context(client_settings());
	struct bnet_tls_ctx *theirs = context(server_settings());
	char at[BNET_ADDRESS_CHARS];
	struct side server, client;

	side_init(&server);
	side_init(&client);
	server.set.packet = packet;
	server.echoes = true;
	client.set.packet = packet;
	side_new(&server);
	side_listen(&server, theirs, at);
	side_new(&client);
	ck_assert(bnet_engine_start(client.engine));
	side_connect(&client, at, ours, "localhost");
	SIDE_WAIT(&client, n_opened, 1);
	ck_assert(client.tls);
	ck_assert_int_eq(
	    tell(client.engine, client.conns[0], KEY_OURS, text, sizeof(text)),
	    BNET_OK);
	SIDE_WAIT(&client, n_packets, 1);
	/* the name is verified, and the host of the address is the default */
	side_connect(&client, at, ours, "elsewhere.example");
	SIDE_WAIT(&client, n_failed, 1);
	ck_assert_msg(strstr(client.why, "TLS") != NULL ||
		strstr(client.why, "ertificate") != NULL ||
		strstr(client.why, "ostname") != NULL,
	    "%s", client.why);
	side_free(&client);
	side_free(&server);
	bnet_tls_ctx_free(ours);
	bnet_tls_ctx_free(theirs);
}
END_TEST

START_TEST(cut_by_a_hook)
{
	struct side server, client;

	side_init(&server);
	side_init(&client);
	server.set.packet = packet;
	server.closes = true;
	pair(&server, &client);
	ck_assert_int_eq(
	    tell(client.engine, client.conns[0], KEY_OURS, "", 0), BNET_OK);
	SIDE_WAIT(&client, n_closed, 1);
	side_free(&client);
	side_free(&server);
}
END_TEST

/* A program that was compiled against a newer version of the header. */
START_TEST(versions)
{
	struct {
		struct bnet_engine_settings set;
		size_t more;
	} newer = { .set = { .struct_bytes = sizeof(newer), .n_workers = 1 },
		.more = 1 };
	struct bnet_engine_counters n = { .struct_bytes = sizeof(n) + 8 };
	struct bnet_engine *engine;

	ck_assert_int_eq(bnet_engine_new(&newer.set, &engine), BNET_ESETTINGS);
	ck_assert_ptr_null(engine);
	bnet_engine_free(engine);
	newer.more = 0;
	ck_assert_int_eq(bnet_engine_new(&newer.set, &engine), BNET_OK);
	ck_assert(!bnet_engine_count(engine, &n));
	for (int32_t key = 1; key <= 32; key++)
		ck_assert(bnet_engine_on_key(engine, key, keyed, NULL));
	ck_assert(!bnet_engine_on_key(engine, 33, keyed, NULL));
	bnet_engine_free(engine); /* never started */
}
END_TEST

static Suite *
embed_suite(void)
{
	Suite *suite = suite_create("embed");
	TCase *tc = unit_case(suite, "engine");

	tcase_add_checked_fixture(tc, make_idents, free_idents);
	tcase_add_test(tc, keys_hooks_and_inbox);
	tcase_add_loop_test(tc, close_is_last, 0, 2);
	tcase_add_test(tc, what_cannot_be_sent);
	tcase_add_test(tc, full_queue);
	tcase_add_test(tc, faster_than_the_worker);
	tcase_add_test(tc, who_may_connect);
	tcase_add_test(tc, tls);
	tcase_add_test(tc, cut_by_a_hook);
	tcase_add_test(tc, versions);
	return suite;
}

UNIT_MAIN(embed_suite)
