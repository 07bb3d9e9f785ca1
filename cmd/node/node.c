/* SPDX-License-Identifier: MIT */
/*
 * In this order: counters; replies on their way out, some lost, some late; when
 * links connect; what a relay and a node say to each other; the life of a link;
 * the application, a thread of its own.
 */
#include "cmd/node/node.h"

#include "cmd/common/clock.h"
#include "cmd/common/log.h"
#include "cmd/node/answer.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* A message to a worker, from the application: header of its bytes. */
struct app_reply {
	struct node_link *link;
	uint64_t handle; /* of the connection that the question came on */
	struct bnet_header header;
	enum stat as;
};

enum node_message {
	NODE_MESSAGE_REPLY, /* struct app_reply, then the body */
	NODE_MESSAGE_STOP,
};

static void link_arm(struct node_link *link);
static void link_failed(struct node_link *link, const char *why);
static bool link_connect(struct node_link *link, const struct address *address,
    const char *tls_host);
static void link_finish(struct node_link *link);

static const char *const stat_names[N_STATS] = {
#define STAT_NAME(stat, name) [stat] = (name),
	NODE_STATS(STAT_NAME)
#undef STAT_NAME
};

void
stats_print(struct stats *stats, FILE *out)
{
	for (size_t i = 0; i < N_STATS; i++)
		fprintf(out, "%s%s=%" PRIu64, i == 0 ? "" : " ", stat_names[i],
		    atomic_load_explicit(
			&stats->count[i], memory_order_relaxed));
	fputc('\n', out);
}

/* Replies on their way out: some are lost, some late. */

#define LATE_MAX_BYTES ((size_t)16 << 20) /* of one link */

struct reply {
	struct timer timer; /* first: what the heap holds is a reply */
	struct bnet_header header;
	enum stat as;
	size_t body_bytes;
	uint8_t body[];
};

static void
send_now(struct node_link *link, const struct bnet_header *header,
    struct bnet_slice body, enum stat as)
{
	const struct bnet_packet packet = {
		.has_header = true,
		.header = *header,
		.payload = body,
	};
	enum engine_sent sent = engine_send(engine_conn_worker(link->conn),
	    engine_conn_sendq(link->conn), &packet, false);

	stats_count(
	    &link->node->stats, sent == ENGINE_QUEUED ? as : STAT_NOT_SENT);
}

/* False: too much waits already, or no memory. */
static bool
hold(struct node_link *link, const struct bnet_header *header,
    struct bnet_slice body, enum stat as, int64_t at_ns)
{
	size_t n_bytes = sizeof(struct reply) + body.len;
	struct reply *reply;

	if (link->late_bytes + n_bytes > LATE_MAX_BYTES)
		return false;
	reply = malloc(n_bytes);
	if (reply == NULL)
		return false;
	reply->timer = (struct timer){ 0 };
	reply->header = *header;
	reply->as = as;
	reply->body_bytes = body.len;
	if (body.len > 0)
		memcpy(reply->body, body.p, body.len);
	if (!timers_set(&link->late, &reply->timer, at_ns)) {
		free(reply);
		return false;
	}
	link->late_bytes += n_bytes;
	return true;
}

/* Send, now or later, or lose. `as` counts it when it is sent. */
static void
reply_send(struct node_link *link, const struct bnet_header *header,
    struct bnet_slice body, enum stat as)
{
	struct node *node = link->node;
	int64_t delay_ns, now_ns;

	if (!impairment_reply(
		&node->opt.impairment, &link->impairment_rnd, &delay_ns)) {
		stats_count(&node->stats, STAT_LOST);
		return;
	}
	if (delay_ns == 0) {
		send_now(link, header, body, as);
		return;
	}
	now_ns = engine_worker_now_ns(engine_conn_worker(link->conn));
	if (hold(link, header, body, as, now_ns + delay_ns))
		link_arm(link);
	else
		stats_count(&node->stats, STAT_NOT_SENT);
}

/* The next that is due, off the heap; NULL: none. For free(). */
static struct reply *
next_late(struct node_link *link, int64_t now_ns)
{
	struct timer *timer = timers_due(&link->late, now_ns);
	struct reply *reply;

	if (timer == NULL)
		return NULL;
	reply = (struct reply *)(void *)timer;
	link->late_bytes -= sizeof(*reply) + reply->body_bytes;
	return reply;
}

/* Those that are due by now_ns. */
static void
reply_send_due(struct node_link *link, int64_t now_ns)
{
	struct reply *reply;

	while ((reply = next_late(link, now_ns)) != NULL) {
		send_now(link, &reply->header,
		    (struct bnet_slice){ reply->body, reply->body_bytes },
		    reply->as);
		free(reply);
	}
}

/* Forget those that wait. */
static void
reply_drop(struct node_link *link)
{
	struct reply *reply;

	while ((reply = next_late(link, INT64_MAX)) != NULL) {
		stats_count(&link->node->stats, STAT_NOT_SENT);
		free(reply);
	}
	timers_free(&link->late);
}

/* When links connect, and what is reported of them to the main thread. */

bool
sched_init(struct sched *sched)
{
	*sched =
	    (struct sched){ .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	return sched->wake_fd >= 0 &&
	    pthread_mutex_init(&sched->lock, NULL) == 0;
}

void
sched_free(struct sched *sched)
{
	timers_free(&sched->retries);
	pthread_mutex_destroy(&sched->lock);
	close(sched->wake_fd);
}

static void
wake(struct sched *sched)
{
	const uint64_t one = 1;
	ssize_t n = write(sched->wake_fd, &one, sizeof(one));

	(void)n; /* full is as good */
}

/* A worker: the link is up for the first time since it connected. */
static void
sched_up(struct sched *sched, bool first)
{
	pthread_mutex_lock(&sched->lock);
	sched->n_up++;
	sched->n_ever_up += first;
	pthread_mutex_unlock(&sched->lock);
	wake(sched);
}

static void
sched_refused(struct sched *sched)
{
	pthread_mutex_lock(&sched->lock);
	sched->refused = true;
	pthread_mutex_unlock(&sched->lock);
}

/* Its connection is gone: connect again at at_ns, or (-1) never. */
static void
sched_down(struct node_link *link, bool was_up, int64_t at_ns)
{
	struct sched *sched = &link->node->sched;

	pthread_mutex_lock(&sched->lock);
	sched->n_live--;
	sched->n_up -= was_up;
	/* one that we have no memory for is given up as well */
	if (at_ns < 0 || !timers_set(&sched->retries, &link->retry, at_ns))
		sched->n_given_up++;
	pthread_mutex_unlock(&sched->lock);
	wake(sched);
}

bool
sched_add(struct node_link *link, int64_t at_ns)
{
	return timers_set(&link->node->sched.retries, &link->retry, at_ns);
}

/* The next that is due, from now on a live one; NULL: none. */
static struct node_link *
next_retry(struct sched *sched, int64_t now_ns)
{
	struct timer *timer;

	pthread_mutex_lock(&sched->lock);
	timer = timers_due(&sched->retries, now_ns);
	if (timer != NULL)
		sched->n_live++;
	pthread_mutex_unlock(&sched->lock);
	return (struct node_link *)(void *)timer;
}

/* A look-up holds up the main thread, and that one only. */
static void
attempt(struct node_link *link)
{
	const char *relay = link->where[0] != '\0' ? link->where : link->relay;
	struct address found[ADDRESS_RESOLVED_MAX];
	char why[256], host[CLIENT_HOST_CHARS];
	size_t n = address_resolve(relay, NODE_PORT, found, why, sizeof(why));

	client_host(relay, host);
	if (n == 0)
		link_failed(link, why);
	else if (!link_connect(link, &found[link->n_attempts++ % n], host))
		link_failed(link, "out of memory");
}

void
sched_run(struct node *node, int64_t now_ns)
{
	struct node_link *link;

	while ((link = next_retry(&node->sched, now_ns)) != NULL)
		attempt(link);
}

struct sched_view
sched_look(struct sched *sched)
{
	struct sched_view view;

	pthread_mutex_lock(&sched->lock);
	view = (struct sched_view){
		.n_live = sched->n_live,
		.n_given_up = sched->n_given_up,
		.n_up = sched->n_up,
		.n_ever_up = sched->n_ever_up,
		.refused = sched->refused,
		.next_ns = timers_next_ns(&sched->retries),
	};
	pthread_mutex_unlock(&sched->lock);
	return view;
}

void
sched_sleep(struct sched *sched, int fd, int64_t at_ns)
{
	struct pollfd fds[] = { { .fd = sched->wake_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN } };
	int64_t left_ns = at_ns == INT64_MAX ? 0 : at_ns - clock_now_ns();
	struct timespec ts = { 0 };
	uint64_t n;
	ssize_t got;

	if (left_ns > 0) {
		ts.tv_sec = left_ns / 1000000000;
		ts.tv_nsec = left_ns % 1000000000;
	}
	(void)ppoll(fds, 2, at_ns == INT64_MAX ? NULL : &ts, NULL);
	got = read(sched->wake_fd, &n, sizeof(n));
	(void)got; /* nothing to read is as good */
}

/* What a relay says to a node, and what the node says to it. */

#define MS_NS 1000000
#define US_NS 1000
#define KEEPALIVE_MIN_MS 10 /* whatever the relay asks for */
#define PONG_BYTES 4 /* arbitrary ones: what stock peers send */

static struct node_link *
link_of(struct engine_conn *conn)
{
	return engine_conn_listener_user(conn);
}

static struct node_scratch *
scratch_of(struct node_link *link)
{
	return &link->node->scratch[link->worker];
}

static int64_t
now_ns(struct node_link *link)
{
	return engine_worker_now_ns(engine_conn_worker(link->conn));
}

/* ---- to the relay ---- */

static void
send_packet(struct node_link *link, const struct bnet_header *header,
    struct bnet_slice body)
{
	const struct bnet_packet packet = {
		.has_header = true,
		.header = *header,
		.payload = body,
	};

	/* where the queue is full the relay has more to read than this */
	(void)!engine_send(engine_conn_worker(link->conn),
	    engine_conn_sendq(link->conn), &packet, header->priority);
}

/* A message to the relay; `timestamp` 0: no ping. */
static void
session_send(struct node_link *link, const struct bnet_message *message,
    uint64_t timestamp)
{
	struct bnet_buf *body = &scratch_of(link)->body;
	const struct bnet_header header = {
		.key = bnet_message_key(message->type),
		.priority = timestamp != 0,
		.timestamp = timestamp,
	};

	bnet_buf_clear(body);
	if (bnet_message_encode(message, body) == BNET_OK)
		send_packet(link, &header, bnet_buf_slice(body));
}

static void
session_hello(struct node_link *link)
{
	struct bnet_message message = { .type = BNET_MSG_HELLO };

	message.u.hello = (struct bnet_hello){
		.version = BNET_PROTOCOL_VERSION,
		.role = BNET_ROLE_NODE,
		.wanted_id = link->wanted_id,
		.codecs = link->node->opt.codecs,
		.frame_max_bytes = BNET_FRAME_MAX_BYTES,
		.name = bnet_string_of(link->name),
		.token = bnet_string_of(link->node->files.token),
	};
	session_send(link, &message, 0);
}

/* With a ping; returns its timestamp. */
static uint64_t
session_keepalive(struct node_link *link)
{
	const struct bnet_message message = { .type = BNET_MSG_KEEPALIVE };
	uint64_t now_us = (uint64_t)now_ns(link) / US_NS;

	session_send(link, &message, now_us);
	return now_us;
}

static void
send_pong(struct node_link *link, uint64_t timestamp)
{
	static const uint8_t bytes[PONG_BYTES];
	struct bnet_header header = answer_pong(timestamp);

	send_packet(link, &header, (struct bnet_slice){ bytes, sizeof(bytes) });
}

static void
session_ping_back(struct node_link *link, const struct bnet_header *header)
{
	send_pong(link, header->timestamp);
	stats_count(&link->node->stats, STAT_PINGS);
	if ((header->timestamp & BNET_TIMESTAMP_PING_BACK) != 0)
		(void)session_keepalive(link);
}

/* ---- from the relay ---- */

/*
 * A message that is the relay's to send. What somebody else had it forward
 * names a destination: a client must not be able to send our nodes away.
 */
static bool
take(struct engine_conn *conn, const struct bnet_packet *packet,
    enum bnet_message_type type, struct bnet_message *message)
{
	struct node_link *link = link_of(conn);
	size_t left;

	if (!answer_is_hop(&packet->header)) {
		stats_count(&link->node->stats, STAT_IGNORED);
		return false;
	}
	if (bnet_message_decode(type, packet->payload, message,
		&scratch_of(link)->store, &left) == BNET_OK)
		return true;
	stats_count(&link->node->stats, STAT_MALFORMED);
	return false;
}

static enum bnet_codec_id
codec_for(uint32_t codecs)
{
	if ((codecs & BNET_CODEC_SNAPPY) != 0)
		return BNET_CODEC_SNAPPY;
	return (codecs & BNET_CODEC_ZLIB) != 0 ? BNET_CODEC_ZLIB
					       : BNET_CODEC_NONE;
}

static void
register_keys(struct node_link *link)
{
	const struct node_options *opt = &link->node->opt;
	struct bnet_message message = { .type = BNET_MSG_REGISTER };

	for (size_t i = 0; i < opt->n_keys; i++) {
		message.u.reg.key = bnet_key(opt->keys[i]);
		session_send(link, &message, 0);
	}
}

/*
 * A ping behind the registrations: when its pong is here the relay has taken
 * them, and whoever waits for "ready" may send under these keys.
 */
static void
on_welcome(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node_link *link = link_of(conn);
	struct bnet_message message;
	const struct bnet_welcome *welcome = &message.u.welcome;
	uint32_t keepalive_ms;

	(void)arg;
	if (!take(conn, packet, BNET_MSG_WELCOME, &message) ||
	    link->state != LINK_GREETED)
		return;
	engine_conn_set_peer(conn,
	    codec_for(welcome->codecs & link->node->opt.codecs),
	    bnet_frame_max(welcome->frame_max_bytes));
	link->state = LINK_WELCOME;
	link->id = welcome->id;
	keepalive_ms = welcome->keepalive_ms;
	if (keepalive_ms != 0 && keepalive_ms < KEEPALIVE_MIN_MS)
		keepalive_ms = KEEPALIVE_MIN_MS;
	link->keepalive_ns = (int64_t)keepalive_ms * MS_NS;
	if (link->keepalive_ns != 0)
		link->keepalive_at_ns = now_ns(link) + link->keepalive_ns;
	register_keys(link);
	link->fence_us = session_keepalive(link);
	link_arm(link);
}

static void
up(struct node_link *link)
{
	struct node *node = link->node;

	link->state = LINK_UP;
	link->deadline_ns = 0;
	link->up_at_ns = now_ns(link);
	stats_count(&node->stats, STAT_UP);
	stats_count(&node->stats, STAT_CONNECTS);
	if (link->was_up)
		stats_count(&node->stats, STAT_RECONNECTS);
	log_info("link up", LOG_STR("name", link->name),
	    LOG_U64("id", link->id),
	    LOG_STR(
		"relay", link->where[0] != '\0' ? link->where : link->relay));
	sched_up(&node->sched, !link->was_up);
	link->was_up = true;
}

static void
on_pong(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node_link *link = link_of(conn);
	const struct bnet_header *header = &packet->header;

	(void)arg;
	/* their ping may travel there; ours has none, so that ends here */
	if (header->latency_ms != 0)
		send_pong(link, header->latency_ms);
	if (link->state == LINK_WELCOME && header->timestamp == link->fence_us)
		up(link);
}

static void
on_refuse(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node_link *link = link_of(conn);
	struct node *node = link->node;
	struct bnet_message message;
	const struct bnet_refuse *refuse = &message.u.refuse;
	bool final;

	(void)arg;
	if (!take(conn, packet, BNET_MSG_REFUSE, &message))
		return;
	final = answer_is_final(refuse->code);
	log_warn("refused", LOG_STR("name", link->name),
	    LOG_STR("relay", link->relay), LOG_U64("code", refuse->code),
	    LOG_STR("means", bnet_code_name(refuse->code)),
	    LOG_BYTES("reason", refuse->reason.p, refuse->reason.len_bytes));
	stats_count(&node->stats, STAT_REFUSED);
	if (final || node->opt.once)
		sched_refused(&node->sched);
	link->given_up = final;
	link_finish(link);
}

static void
on_error(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node_link *link = link_of(conn);
	struct bnet_message message;
	const struct bnet_error *error = &message.u.error;

	(void)arg;
	if (!take(conn, packet, BNET_MSG_ERROR, &message))
		return;
	log_info("error", LOG_STR("name", link->name),
	    LOG_STR("relay", link->relay),
	    LOG_STR("means", bnet_code_name(error->code)),
	    LOG_I64("dest_type", error->dest_type),
	    LOG_I64("dest", error->dest), LOG_HEX("key", (uint32_t)error->key),
	    LOG_BYTES("reason", error->reason.p, error->reason.len_bytes));
	stats_count(&link->node->stats, STAT_ERRORS);
}

static void
on_drain(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node_link *link = link_of(conn);
	struct bnet_message message;
	const struct bnet_string *where = &message.u.drain.where;

	(void)arg;
	if (!take(conn, packet, BNET_MSG_DRAIN, &message))
		return;
	link->where[0] = '\0';
	if (where->len_bytes > 0 && where->len_bytes < NODE_WHERE_CHARS) {
		memcpy(link->where, where->p, where->len_bytes);
		link->where[where->len_bytes] = '\0';
	}
	log_info("relay drains", LOG_STR("name", link->name),
	    LOG_STR("relay", link->relay), LOG_STR("where", link->where));
	stats_count(&link->node->stats, STAT_DRAINS);
	link->drained = true;
	link_finish(link);
}

static void
on_keepalive(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	(void)arg;
	(void)conn;
	(void)packet; /* its ping is answered already, and it was heard */
}

/* ---- from others ---- */

/* The layer is the asker's choice; here it is still the network. */
static void
on_echo(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node_link *link = link_of(conn);
	struct node_scratch *scratch = scratch_of(link);
	uint64_t received_ns = (uint64_t)clock_unix_ns();
	struct bnet_message echo;
	struct bnet_header header;
	size_t left;

	(void)arg;
	bnet_buf_clear(&scratch->body);
	if (bnet_message_decode(BNET_MSG_ECHO, packet->payload, &echo,
		&scratch->store, &left) != BNET_OK) {
		stats_count(&link->node->stats, STAT_MALFORMED);
	} else if ((echo.u.echo.flags & BNET_ECHO_F_SERVICE) != 0) {
		if (engine_to_inbox(conn, packet) != ENGINE_DELIVERED)
			stats_count(&link->node->stats, STAT_INBOX_FULL);
	} else if (answer_echo(&packet->header, &echo, received_ns,
		       (uint64_t)clock_unix_ns(), &header,
		       &scratch->body) != BNET_OK) {
		stats_count(&link->node->stats, STAT_NOT_SENT);
	} else {
		reply_send(link, &header, bnet_buf_slice(&scratch->body),
		    STAT_ECHO_NETWORK);
	}
}

/* Somebody has us ping a node. */
static void
on_mesh_ping(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node_link *link = link_of(conn);
	struct bnet_buf *body = &scratch_of(link)->body;
	struct bnet_header header;

	(void)arg;
	bnet_buf_clear(body);
	if (mesh_ask(&link->mesh, &packet->header, packet->payload,
		clock_now_ns(), &header, body) == BNET_OK)
		send_packet(link, &header, bnet_buf_slice(body));
	else
		stats_count(&link->node->stats, STAT_MALFORMED);
}

static void
on_echo_reply(
    void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node_link *link = link_of(conn);
	struct node_scratch *scratch = scratch_of(link);
	int64_t now_ns = clock_now_ns();
	struct bnet_message reply;
	struct bnet_header header;
	size_t left;

	(void)arg;
	bnet_buf_clear(&scratch->body);
	if (bnet_message_decode(BNET_MSG_ECHO_REPLY, packet->payload, &reply,
		&scratch->store, &left) != BNET_OK)
		stats_count(&link->node->stats, STAT_MALFORMED);
	else if (mesh_answer(&link->mesh, reply.u.echo.cookie, now_ns, &header,
		     &scratch->body))
		send_packet(link, &header, bnet_buf_slice(&scratch->body));
	else
		stats_count(&link->node->stats, STAT_IGNORED);
}

/* A packet that no session message is. */
static void
session_other(struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node *node = link_of(conn)->node;

	if (bnet_message_type(packet->header.key) != BNET_MSG_NONE) {
		stats_count(&node->stats, STAT_IGNORED);
		return;
	}
	stats_count(&node->stats, STAT_PACKETS);
	if (node->opt.replies &&
	    engine_to_inbox(conn, packet) != ENGINE_DELIVERED)
		stats_count(&node->stats, STAT_INBOX_FULL);
}

bool
session_apps(struct node *node)
{
	static const struct {
		enum bnet_message_type type;
		engine_app *app;
	} apps[] = {
		{ BNET_MSG_WELCOME, on_welcome },
		{ BNET_MSG_REFUSE, on_refuse },
		{ BNET_MSG_ERROR, on_error },
		{ BNET_MSG_ECHO, on_echo },
		{ BNET_MSG_ECHO_REPLY, on_echo_reply },
		{ BNET_MSG_KEEPALIVE, on_keepalive },
		{ BNET_MSG_DRAIN, on_drain },
	};

	for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++)
		if (!engine_on_key(node->engine, bnet_message_key(apps[i].type),
			apps[i].app, node))
			return false;
	return engine_on_key(node->engine, BNET_KEY_PONG, on_pong, node) &&
	    engine_on_key(
		node->engine, bnet_key(MESH_KEY_PING), on_mesh_ping, node);
}

/* The life of a link: up, down, and up again. */

#define WELCOME_TIMEOUT_NS INT64_C(15000000000)
#define SILENT_PERIODS 3

/* ---- down ---- */

/* The link goes to the main thread: nothing of it is touched after this. */
static void
hand_back(struct node_link *link, bool was_up, bool again, int64_t now_ns)
{
	struct node *node = link->node;
	int64_t wait_ns;

	link->state = LINK_DOWN;
	if (was_up)
		stats_add(&node->stats, STAT_UP, -1);
	if (!again || node->opt.once || atomic_load(&node->stop)) {
		sched_down(link, was_up, -1);
		return;
	}
	wait_ns = backoff_failed(&link->backoff, &link->backoff_rnd);
	log_info("next attempt", LOG_STR("name", link->name),
	    LOG_STR(
		"relay", link->where[0] != '\0' ? link->where : link->relay),
	    LOG_SECONDS("wait", wait_ns));
	sched_down(link, was_up, now_ns + wait_ns);
}

/* An attempt came to nothing; the link is the caller's. */
static void
link_failed(struct node_link *link, const char *why)
{
	log_warn("cannot connect", LOG_STR("name", link->name),
	    LOG_STR(
		"relay", link->where[0] != '\0' ? link->where : link->relay),
	    LOG_STR("reason", why));
	stats_count(&link->node->stats, STAT_FAILURES);
	link->where[0] = '\0'; /* the next attempt goes home */
	hand_back(link, false, true, clock_now_ns());
}

static const char *const end_texts[ENGINE_N_ENDS] = {
	[ENGINE_END_PEER] = "the relay closed",
	[ENGINE_END_CUT] = "the relay was cut off",
	[ENGINE_END_MALFORMED] = "a malformed frame",
	[ENGINE_END_OVERSIZE] = "a frame over the limit",
	[ENGINE_END_TLS] = "TLS failed",
	[ENGINE_END_PROXY] = "PROXY",
	[ENGINE_END_HANDSHAKE_TIMEOUT] = "timed out",
	[ENGINE_END_CONNECT] = "no connection",
	[ENGINE_END_FRAME_TIMEOUT] = "a frame took too long",
	[ENGINE_END_IO] = "I/O error",
	[ENGINE_END_MEMORY] = "out of memory",
	[ENGINE_END_NOT_ADMITTED] = "not admitted",
	[ENGINE_END_OWNER] = "we closed",
};

static void
closed(void *arg, struct engine_conn *conn, enum engine_end end)
{
	struct node_link *link = link_of(conn);
	const char *reason = engine_conn_reason(conn);
	enum link_state state = link->state;
	int64_t now_ns = engine_worker_now_ns(engine_conn_worker(conn));
	bool was_up = state == LINK_UP;

	(void)arg;
	link->conn = NULL;
	reply_drop(link);
	if (reason[0] == '\0')
		reason = end_texts[end];
	if (!was_up && !link->given_up && !link->drained &&
	    !atomic_load(&link->node->stop)) {
		link_failed(link, reason);
		return;
	}
	if (was_up) {
		log_info("link down", LOG_STR("name", link->name),
		    LOG_U64("id", link->id), LOG_STR("relay", link->relay),
		    LOG_STR("reason", reason));
		backoff_worked(&link->backoff, now_ns - link->up_at_ns);
	}
	hand_back(link, was_up, !link->given_up, now_ns);
}

static void
no_conn(void *arg, void *user, const struct address *from)
{
	(void)arg;
	(void)from;
	link_failed(user, "out of memory or descriptors");
}

/* ---- up ---- */

/* A thread other than its worker: begin to connect to `address`. */
static bool
link_connect(
    struct node_link *link, const struct address *address, const char *tls_host)
{
	const struct engine_connect set = {
		.address = *address,
		.tls = link->node->files.tls,
		.tls_host = tls_host,
		.worker = link->worker,
		.user = link,
	};

	link->state = LINK_CONNECTING;
	link->drained = false;
	return engine_connect(link->node->engine, &set);
}

static void
ready(void *arg, struct engine_conn *conn)
{
	struct node_link *link = link_of(conn);

	(void)arg;
	link->conn = conn;
	link->state = LINK_GREETED;
	link->keepalive_at_ns = 0;
	link->keepalive_ns = 0;
	link->deadline_ns =
	    engine_worker_now_ns(engine_conn_worker(conn)) + WELCOME_TIMEOUT_NS;
	session_hello(link);
	link_arm(link);
}

/* ---- timers ---- */

static int64_t
earlier(int64_t a_ns, int64_t b_ns)
{
	return b_ns != 0 && b_ns < a_ns ? b_ns : a_ns;
}

/* Set its timer to what comes first. */
static void
link_arm(struct node_link *link)
{
	int64_t at_ns = timers_next_ns(&link->late);

	at_ns = earlier(at_ns, link->deadline_ns);
	at_ns = earlier(at_ns, link->keepalive_at_ns);
	engine_conn_set_timer(link->conn, at_ns == INT64_MAX ? 0 : at_ns);
}

/* False: the link has ended. */
static bool
keep_alive(struct node_link *link, int64_t now_ns)
{
	int64_t silent_ns = now_ns - engine_conn_last_in_ns(link->conn);

	if (silent_ns > SILENT_PERIODS * link->keepalive_ns) {
		log_warn("relay is silent", LOG_STR("name", link->name),
		    LOG_STR("relay", link->relay),
		    LOG_SECONDS("for", silent_ns));
		engine_conn_cut(link->conn);
		return false;
	}
	(void)session_keepalive(link);
	link->keepalive_at_ns = now_ns + link->keepalive_ns;
	return true;
}

static void
timer(void *arg, struct engine_conn *conn, int64_t now_ns)
{
	struct node_link *link = link_of(conn);

	(void)arg;
	if (link->deadline_ns != 0 && link->deadline_ns <= now_ns) {
		log_warn("no welcome in time", LOG_STR("relay", link->relay));
		engine_conn_cut(conn);
		return;
	}
	reply_send_due(link, now_ns);
	if (link->keepalive_at_ns != 0 && link->keepalive_at_ns <= now_ns &&
	    !keep_alive(link, now_ns))
		return;
	link_arm(link);
}

/* ---- packets ---- */

static void
packet(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node_link *link = link_of(conn);
	const struct bnet_header *header = &packet->header;

	(void)arg;
	if (!packet->has_header || header->key == 0) {
		stats_count(&link->node->stats, STAT_IGNORED);
		return;
	}
	if (header->timestamp != 0 && header->key != BNET_KEY_PONG)
		session_ping_back(link, header);
	if (engine_deliver(conn, packet) == ENGINE_NO_APP)
		session_other(conn, packet);
}

static void
bad(void *arg, struct engine_conn *conn, const struct bnet_packet *packet,
    enum bnet_err why)
{
	(void)arg;
	(void)packet;
	(void)why;
	stats_count(&link_of(conn)->node->stats, STAT_MALFORMED);
}

/* ---- messages of other threads ---- */

static void
take_reply(struct node *node, struct bnet_slice bytes)
{
	struct app_reply reply;
	struct node_link *link;

	memcpy(&reply, bytes.p, sizeof(reply));
	link = reply.link;
	/* it may have ended, and even be up again, since the question came */
	if (link->conn == NULL ||
	    engine_conn_sendq(link->conn)->handle != reply.handle)
		stats_count(&node->stats, STAT_NOT_SENT);
	else
		reply_send(link, &reply.header,
		    bnet_slice_from(bytes, sizeof(reply)), reply.as);
}

/* Send what waits, then close. */
static void
link_finish(struct node_link *link)
{
	reply_send_due(link, INT64_MAX);
	engine_conn_finish(link->conn);
}

static void
finish_one(void *arg, struct engine_conn *conn)
{
	struct node_link *link = link_of(conn);

	(void)arg;
	if (link->conn != NULL)
		link_finish(link);
	else
		engine_conn_cut(conn);
}

static void
message(void *arg, struct engine_worker *worker, uint32_t type,
    struct bnet_slice bytes)
{
	struct node *node = arg;

	if (type == NODE_MESSAGE_REPLY)
		take_reply(node, bytes);
	else
		engine_each_conn(worker, finish_one, NULL);
}

void
link_finish_all(struct node *node)
{
	const struct bnet_slice nothing = { NULL, 0 };

	atomic_store(&node->stop, true);
	for (unsigned i = 0; i < engine_n_workers(node->engine); i++)
		(void)engine_message(
		    node->engine, i, NODE_MESSAGE_STOP, nothing);
}

const struct engine_hooks link_hooks = {
	.ready = ready,
	.packet = packet,
	.bad = bad,
	.timer = timer,
	.closed = closed,
	.no_conn = no_conn,
	.message = message,
};

/*
 * The application: one thread, as a single-threaded runtime is. It takes from
 * the inbox what waits for it, works, and works beside that. In serial mode
 * the lock is held whenever it works.
 */

#define STORE_BYTES ((size_t)1 << 20)
#define BODY_BYTES ((size_t)2 << 20) /* with the head of the message */

struct app {
	struct node *node;
	struct chore chores[2];
	struct bnet_buf bytes, store;
};

#define N_CHORES 2

/*
 * Work: the processor is busy with it, for so long by the clock, so that it
 * is the same wait for others however much else the machine has to do.
 */
static void
app_work(struct node *node, int64_t for_ns)
{
	int64_t until_ns;

	if (for_ns == 0)
		return;
	until_ns = clock_now_ns() + for_ns;
	while (clock_now_ns() < until_ns && !atomic_load(&node->stop))
		;
}

static void
app_lock(struct node *node)
{
	if (node->opt.serial)
		pthread_mutex_lock(&node->lock);
}

static void
app_unlock(struct node *node)
{
	if (node->opt.serial)
		pthread_mutex_unlock(&node->lock);
}

/* ---- answering ---- */

/* The answer's body goes behind what is in app->bytes. */
static bool
answer(struct app *app, const struct engine_packet *packet,
    struct app_reply *reply)
{
	const struct bnet_header *asked = &packet->header;
	struct bnet_message echo;
	uint64_t now_ns, waited_ns;
	size_t left;

	app_work(app->node, app->node->opt.service_ns);
	if (asked->key != BNET_KEY_ECHO) {
		reply->as = STAT_REPLIES;
		return answer_app(asked, packet->payload,
			   app->node->opt.reply_bytes, &reply->header,
			   &app->bytes) == BNET_OK;
	}
	now_ns = (uint64_t)clock_unix_ns();
	waited_ns = (uint64_t)(clock_now_ns() - packet->at_ns);
	reply->as = STAT_ECHO_SERVICE;
	return bnet_message_decode(BNET_MSG_ECHO, packet->payload, &echo,
		   &app->store, &left) == BNET_OK &&
	    answer_echo(asked, &echo, now_ns - waited_ns, now_ns,
		&reply->header, &app->bytes) == BNET_OK;
}

/* The head of the message is filled in last, when it is known. */
static void
serve(struct app *app, const struct engine_packet *packet)
{
	struct node *node = app->node;
	struct app_reply reply = { .link = packet->user,
		.handle = packet->handle };
	const struct bnet_slice head = { (const uint8_t *)&reply,
		sizeof(reply) };
	struct bnet_buf *bytes = &app->bytes;

	bnet_buf_clear(bytes);
	if (bnet_buf_append(bytes, head) == BNET_OK &&
	    answer(app, packet, &reply)) {
		memcpy(bytes->p + bytes->at, &reply, sizeof(reply));
		if (engine_message(node->engine, reply.link->worker,
			NODE_MESSAGE_REPLY, bnet_buf_slice(bytes)))
			return;
	}
	stats_count(&node->stats, STAT_NOT_SENT);
}

/* ---- the thread ---- */

static void
work_chores(struct app *app)
{
	struct chore *chore = chores_due(app->chores, N_CHORES, clock_now_ns());

	if (chore == NULL)
		return;
	app_lock(app->node);
	app_work(app->node, chore->work_ns);
	app_unlock(app->node);
	chore_done(chore, clock_now_ns());
}

static int64_t
until_chore_ns(const struct app *app)
{
	int64_t next_ns = chores_next_ns(app->chores, N_CHORES), left_ns;

	if (next_ns == INT64_MAX)
		return -1; /* as long as it takes */
	left_ns = next_ns - clock_now_ns();
	return left_ns > 0 ? left_ns : 0;
}

static void
app_init(struct app *app, struct node *node)
{
	const struct node_options *opt = &node->opt;
	int64_t now_ns = clock_now_ns();

	*app = (struct app){ .node = node };
	bnet_buf_init(&app->bytes, BODY_BYTES);
	bnet_buf_init(&app->store, STORE_BYTES);
	if (opt->busy_percent > 0)
		app->chores[0] =
		    chore_busy(opt->busy_percent, opt->slice_ns, now_ns);
	if (opt->stall_ns > 0)
		app->chores[1] =
		    chore_stall(opt->stall_every_ns, opt->stall_ns, now_ns);
}

static void *
app_run(void *arg)
{
	struct node *node = arg;
	struct app app;
	struct engine_packet *packet;

	app_init(&app, node);
	while (!atomic_load(&node->stop)) {
		work_chores(&app);
		packet = engine_take(node->engine, until_chore_ns(&app));
		if (packet == NULL)
			continue;
		app_lock(node);
		serve(&app, packet);
		app_unlock(node);
		engine_packet_free(node->engine, packet);
	}
	bnet_buf_free(&app.bytes);
	bnet_buf_free(&app.store);
	return NULL;
}

bool
app_start(struct node *node, pthread_t *thread)
{
	return pthread_create(thread, NULL, app_run, node) == 0;
}
