/* SPDX-License-Identifier: MIT */
/*
 * In this order: counters; replies, some of them lost or late; the connect
 * schedule; relay packets that cmd/session/session.h leaves to its owner; the
 * life of a link; the application, which has its own thread.
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

/* A reply without its body. */
struct outgoing {
	bool has_header;
	struct bnet_header header;
	enum stat as; /* its counter, once it is sent */
	int64_t delay_ns; /* on top of that of --jitter */
};

/* A message to a worker, from the application: header of its bytes. */
struct app_reply {
	uint64_t handle; /* of the connection that the request came on */
	struct outgoing to;
};

enum node_message {
	NODE_MESSAGE_REPLY, /* struct app_reply, then the body */
	NODE_MESSAGE_STOP,
};

static void link_arm(struct node_link *link);
static void link_failed(struct node_link *link, const char *why);
static void link_finish(struct node_link *link);

static const struct session_hooks session_hooks;

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

/* Outgoing replies: some are lost, some late. */

#define LATE_MAX_BYTES ((size_t)16 << 20) /* per link */

struct reply {
	struct timer timer; /* first: each timer in the heap is a reply */
	struct outgoing to;
	size_t body_bytes;
	uint8_t body[];
};

static void
send_now(
    struct node_link *link, const struct outgoing *to, struct bnet_slice body)
{
	struct engine_conn *conn = link->session.conn;
	const struct bnet_packet packet = {
		.has_header = to->has_header,
		.header = to->header,
		.payload = body,
	};
	enum engine_sent sent = engine_send(engine_conn_worker(conn),
	    engine_conn_sendq(conn), &packet, to->header.priority);

	stats_count(
	    &link->node->stats, sent == ENGINE_QUEUED ? to->as : STAT_NOT_SENT);
}

/* False: too much is waiting already, or out of memory. */
static bool
hold(struct node_link *link, const struct outgoing *to, struct bnet_slice body,
    int64_t at_ns)
{
	size_t n_bytes = sizeof(struct reply) + body.len;
	struct reply *reply;

	if (link->late_bytes + n_bytes > LATE_MAX_BYTES)
		return false;
	reply = malloc(n_bytes);
	if (reply == NULL)
		return false;
	reply->timer = (struct timer){ 0 };
	reply->to = *to;
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

/* Send, delay or lose a reply. */
static void
reply_send(
    struct node_link *link, const struct outgoing *to, struct bnet_slice body)
{
	struct node *node = link->node;
	int64_t delay_ns, now_ns;

	if (!impairment_reply(
		&node->opt.impairment, &link->impairment_rnd, &delay_ns)) {
		stats_count(&node->stats, STAT_LOST);
		return;
	}
	delay_ns += to->delay_ns;
	if (delay_ns == 0) {
		send_now(link, to, body);
		return;
	}
	now_ns = engine_worker_now_ns(engine_conn_worker(link->session.conn));
	if (hold(link, to, body, now_ns + delay_ns))
		link_arm(link);
	else
		stats_count(&node->stats, STAT_NOT_SENT);
}

/* Take the next due reply off the heap; NULL: none. The caller frees it. */
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

/* Send the replies that are due by now_ns. */
static void
reply_send_due(struct node_link *link, int64_t now_ns)
{
	struct reply *reply;

	while ((reply = next_late(link, now_ns)) != NULL) {
		send_now(link, &reply->to,
		    (struct bnet_slice){ reply->body, reply->body_bytes });
		free(reply);
	}
}

/* Discard the waiting replies. */
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

/* When links connect, and what they report to the main thread. */

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

	(void)n; /* a full eventfd wakes as well */
}

/* On a worker: the link is up for the first time since it connected. */
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

/* The connection is closed: connect again at at_ns, or never if it is -1. */
static void
sched_down(struct node_link *link, bool was_up, int64_t at_ns)
{
	struct sched *sched = &link->node->sched;

	pthread_mutex_lock(&sched->lock);
	sched->n_live--;
	sched->n_up -= was_up;
	/* without memory to schedule it, the link is given up as well */
	if (at_ns < 0 || !timers_set(&sched->retries, &link->retry, at_ns))
		sched->n_given_up++;
	pthread_mutex_unlock(&sched->lock);
	wake(sched);
}

/* A guest came (1) or left (-1): the end waits for those that are here. */
static void
sched_guest(struct sched *sched, int n)
{
	pthread_mutex_lock(&sched->lock);
	sched->n_live += (size_t)n;
	pthread_mutex_unlock(&sched->lock);
	wake(sched);
}

bool
sched_add(struct node_link *link, int64_t at_ns)
{
	return timers_set(&link->node->sched.retries, &link->retry, at_ns);
}

/* Take the next due link, which then counts as live; NULL: none. */
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

static const char *
relay_of(const struct node_link *link)
{
	return link->where[0] != '\0' ? link->where : link->relay;
}

/* A look-up blocks the main thread only. */
static void
attempt(struct node_link *link)
{
	struct node *node = link->node;
	const struct session_settings set = {
		.target = &link->target,
		.scratch = &node->scratch[link->worker],
		.hooks = &session_hooks,
		.owner = link,
		.order = (enum bnet_order)node->opt.order,
		.orders = &node->orders,
		.codecs = node->opt.codecs,
	};
	char why[256];

	link->is_up = false;
	link->drained = false;
	session_target_use(&link->target, &node->files);
	session_init(&link->session, &set);
	if (!session_resolve(
		&link->target, relay_of(link), NODE_PORT, why, sizeof(why)))
		link_failed(link, why);
	else if (!session_connect(&link->session, node->engine, link->worker))
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
	(void)got; /* nothing to read is fine */
}

/* Packets from a relay. */

#define FENCE_TIMEOUT_NS INT64_C(15000000000)

/* A peer that connected to us keeps its link in its send queue. */
static struct node_link **
guest_of(struct engine_conn *conn)
{
	return (struct node_link **)(void *)engine_conn_sendq(conn)->user;
}

static struct node_link *
link_of(struct engine_conn *conn)
{
	struct node_link *link = engine_conn_listener_user(conn);

	return link != NULL ? link : *guest_of(conn);
}

static struct session_scratch *
scratch_of(struct node_link *link)
{
	return &link->node->scratch[link->worker];
}

static int64_t
now_ns(struct node_link *link)
{
	return engine_worker_now_ns(engine_conn_worker(link->session.conn));
}

/* ---- the session ---- */

/* If the queue is full, the relay already has something to read. */
static void
send_packet(struct node_link *link, const struct bnet_header *header,
    struct bnet_slice body)
{
	(void)!session_send(&link->session, header, body);
}

static void
register_keys(struct node_link *link)
{
	const struct node_options *opt = &link->node->opt;
	struct bnet_message message = { .type = BNET_MSG_REGISTER };

	for (size_t i = 0; i < opt->keys.n; i++) {
		message.u.reg.key = bnet_key(opt->keys.at[i]);
		(void)session_say(&link->session, &message);
	}
}

/*
 * A ping after the registrations: its pong shows that the relay has processed
 * them, so that whoever waits for "ready" may send to these keys.
 */
static void
on_welcome(void *owner, const struct bnet_welcome *welcome)
{
	struct node_link *link = owner;

	(void)welcome;
	register_keys(link);
	link->fence = session_ping(&link->session);
	link->fence_by_ns = now_ns(link) + FENCE_TIMEOUT_NS;
	link_arm(link);
}

static void
up(struct node_link *link)
{
	struct node *node = link->node;

	link->is_up = true;
	link->fence_by_ns = 0;
	link->up_at_ns = now_ns(link);
	stats_count(&node->stats, STAT_UP);
	stats_count(&node->stats, STAT_CONNECTS);
	if (link->was_up)
		stats_count(&node->stats, STAT_RECONNECTS);
	log_info("link up", LOG_STR("name", link->name),
	    LOG_U64("id", link->session.id), LOG_STR("relay", relay_of(link)));
	sched_up(&node->sched, !link->was_up);
	link->was_up = true;
}

/* The fence; the session knows its other pings. */
static void
on_own_pong(void *owner, uint64_t ping)
{
	struct node_link *link = owner;

	if (link->fence_by_ns != 0 && ping == link->fence)
		up(link);
}

static void
on_refuse(void *owner, const struct bnet_refuse *refuse)
{
	struct node_link *link = owner;
	struct node *node = link->node;
	bool final = answer_is_final(refuse->code);

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
on_drain(void *owner, const struct bnet_drain *drain)
{
	struct node_link *link = owner;
	const struct bnet_string *where = &drain->where;

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
on_lost(void *owner, const char *why)
{
	const struct node_link *link = owner;

	log_warn("relay given up", LOG_STR("name", link->name),
	    LOG_STR("relay", link->relay), LOG_STR("reason", why));
}

static void
on_count(void *owner, enum session_count what)
{
	static const enum stat stats[SESSION_N_COUNTS] = {
		[SESSION_PINGED] = STAT_PINGS,
		[SESSION_FORGED] = STAT_IGNORED,
		[SESSION_FOREIGN] = STAT_IGNORED,
		[SESSION_MALFORMED] = STAT_MALFORMED,
	};
	struct node_link *link = owner;

	stats_count(&link->node->stats, stats[what]);
}

static void
on_order(void *owner, enum bnet_order order)
{
	const struct node_link *link = owner;

	if (order == BNET_ORDER_NETWORK)
		log_warn("relay speaks network order",
		    LOG_STR("relay", relay_of(link)));
	else
		log_warn("relay speaks little order",
		    LOG_STR("relay", relay_of(link)));
}

/* It has no answer for us later either, so nothing is tried again. */
static void
on_stock(void *owner)
{
	struct node_link *link = owner;

	log_warn("a stock peer cannot take a node: it sends no welcome",
	    LOG_STR("name", link->name), LOG_STR("relay", relay_of(link)));
	stats_count(&link->node->stats, STAT_FAILURES);
	sched_refused(&link->node->sched);
	link->given_up = true;
	link_finish(link);
}

static const struct session_hooks session_hooks = {
	.order = on_order,
	.stock = on_stock,
	.up = on_welcome,
	.refused = on_refuse,
	.drained = on_drain,
	.own_pong = on_own_pong,
	.lost = on_lost,
	.counted = on_count,
};

/* ---- messages ---- */

static void
on_error(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node_link *link = link_of(conn);
	struct bnet_message message;
	const struct bnet_error *error = &message.u.error;

	(void)arg;
	if (!session_take(&link->session, packet, BNET_MSG_ERROR, &message))
		return;
	log_info("error", LOG_STR("name", link->name),
	    LOG_STR("relay", link->relay),
	    LOG_STR("means", bnet_code_name(error->code)),
	    LOG_I64("dest_type", error->dest_type),
	    LOG_I64("dest", error->dest), LOG_HEX("key", (uint32_t)error->key),
	    LOG_BYTES("reason", error->reason.p, error->reason.len_bytes));
	stats_count(&link->node->stats, STAT_ERRORS);
}

/* ---- from others ---- */

/* The asker chooses the layer; here it is still the network. */
static void
on_echo(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node_link *link = link_of(conn);
	struct session_scratch *scratch = scratch_of(link);
	uint64_t received_ns = (uint64_t)clock_unix_ns();
	struct outgoing to = { .has_header = true, .as = STAT_ECHO_NETWORK };
	struct bnet_message echo;
	size_t left;

	(void)arg;
	bnet_buf_clear(&scratch->body);
	if (bnet_message_decode(BNET_MSG_ECHO, packet->payload, &echo,
		&scratch->store, &left) != BNET_OK) {
		stats_count(&link->node->stats, STAT_MALFORMED);
	} else if ((echo.u.echo.flags & BNET_ECHO_F_SERVICE) != 0) {
		if (engine_to_inbox(conn, packet) != ENGINE_DELIVERED)
			stats_count(&link->node->stats, STAT_INBOX_FULL);
	} else if (session_echo_reply(&packet->header, &echo, received_ns,
		       (uint64_t)clock_unix_ns(), &to.header,
		       &scratch->body) != BNET_OK) {
		stats_count(&link->node->stats, STAT_NOT_SENT);
	} else {
		reply_send(link, &to, bnet_buf_slice(&scratch->body));
	}
}

/* A client asks us to ping a node. */
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
	struct session_scratch *scratch = scratch_of(link);
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

/* A packet that is not a session message. */
static void
other_packet(struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node *node = link_of(conn)->node;

	if (bnet_message_type(packet->header.key) != BNET_MSG_NONE) {
		stats_count(&node->stats, STAT_IGNORED);
		return;
	}
	stats_count(&node->stats, STAT_PACKETS);
	if ((node->opt.replies || node->macho != NULL) &&
	    engine_to_inbox(conn, packet) != ENGINE_DELIVERED)
		stats_count(&node->stats, STAT_INBOX_FULL);
}

/* Only machoNet knows packets without a key. */
static void
keyless_packet(struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node *node = link_of(conn)->node;

	if (node->macho == NULL)
		stats_count(&node->stats, STAT_IGNORED);
	else if (engine_to_inbox(conn, packet) != ENGINE_DELIVERED)
		stats_count(&node->stats, STAT_INBOX_FULL);
}

bool
node_apps(struct node *node)
{
	static const struct {
		enum bnet_message_type type;
		engine_app *app;
	} apps[] = {
		{ BNET_MSG_ERROR, on_error },
		{ BNET_MSG_ECHO, on_echo },
		{ BNET_MSG_ECHO_REPLY, on_echo_reply },
	};

	for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++)
		if (!engine_on_key(node->engine, bnet_message_key(apps[i].type),
			apps[i].app, node))
			return false;
	return engine_on_key(
	    node->engine, bnet_key(MESH_KEY_PING), on_mesh_ping, node);
}

/* Guests: peers that connect to --listen, as stock peers do. No session. */

static void
guest_ready(struct node *node, struct engine_conn *conn)
{
	struct node_link *link = calloc(1, sizeof(*link));

	if (link == NULL) {
		engine_conn_cut(conn);
		return;
	}
	*guest_of(conn) = link;
	link->node = node;
	link->is_guest = true;
	link->worker = engine_worker_index(engine_conn_worker(conn));
	link->session.conn = conn;
	link->impairment_rnd = random_stream(
	    node->opt.seed, UINT64_MAX - engine_conn_sendq(conn)->handle);
	stats_count(&node->stats, STAT_GUESTS);
	sched_guest(&node->sched, 1);
}

static void
guest_left(struct node_link *link)
{
	sched_guest(&link->node->sched, -1);
	free(link);
}

/* A stock peer answers a ping; nothing else of the session is known to it. */
static void
guest_packet(struct node_link *link, const struct bnet_packet *packet)
{
	static const uint8_t four[4] = { 0 };
	const struct bnet_header *header = &packet->header;
	const struct outgoing pong = { .has_header = true,
		.header = { .key = BNET_KEY_PONG,
		    .priority = true,
		    .timestamp = header->timestamp & INT64_MAX },
		.as = STAT_PINGS };

	if (!packet->has_header || header->key == 0) {
		keyless_packet(link->session.conn, packet);
		return;
	}
	if (header->key == BNET_KEY_PONG)
		return;
	if (header->timestamp != 0)
		send_now(
		    link, &pong, (struct bnet_slice){ four, sizeof(four) });
	other_packet(link->session.conn, packet);
}

/* The life of a link: up, down, and up again. */

/* ---- down ---- */

/* Hand the link to the main thread: do not touch it after this. */
static void
hand_back(struct node_link *link, bool was_up, bool again, int64_t now_ns)
{
	struct node *node = link->node;
	int64_t wait_ns;

	link->is_up = false;
	if (was_up)
		stats_add(&node->stats, STAT_UP, -1);
	if (!again || node->opt.once || atomic_load(&node->stop)) {
		sched_down(link, was_up, -1);
		return;
	}
	wait_ns = backoff_failed(&link->backoff, &link->backoff_rnd);
	log_info("next attempt", LOG_STR("name", link->name),
	    LOG_STR("relay", relay_of(link)), LOG_TIME("wait", wait_ns));
	sched_down(link, was_up, now_ns + wait_ns);
}

/* An attempt failed; the caller still owns the link. */
static void
link_failed(struct node_link *link, const char *why)
{
	log_warn("cannot connect", LOG_STR("name", link->name),
	    LOG_STR("relay", relay_of(link)), LOG_STR("reason", why));
	stats_count(&link->node->stats, STAT_FAILURES);
	link->where[0] = '\0'; /* forget where a drain sent it */
	hand_back(link, false, true, clock_now_ns());
}

static void
link_closed(
    struct node_link *link, struct engine_conn *conn, enum engine_end end)
{
	const char *reason = session_end_text(conn, end);
	int64_t now_ns = engine_worker_now_ns(engine_conn_worker(conn));
	bool was_up = link->is_up, stop = atomic_load(&link->node->stop);

	if (session_closed(&link->session, end, !stop))
		return;
	if (!was_up && !link->given_up && !link->drained && !stop) {
		link_failed(link, reason);
		return;
	}
	if (was_up) {
		log_info("link down", LOG_STR("name", link->name),
		    LOG_U64("id", link->session.id),
		    LOG_STR("relay", link->relay), LOG_STR("reason", reason));
		backoff_worked(&link->backoff, now_ns - link->up_at_ns);
	}
	hand_back(link, was_up, !link->given_up, now_ns);
}

static void
closed(void *arg, struct engine_conn *conn, enum engine_end end)
{
	struct node_link *link = link_of(conn);

	(void)arg;
	if (link == NULL) /* a guest that was never ready */
		return;
	reply_drop(link);
	if (link->is_guest)
		guest_left(link);
	else
		link_closed(link, conn, end);
}

static void
no_conn(void *arg, void *user, const struct address *from)
{
	(void)arg;
	if (from == NULL) {
		link_failed(user, "out of memory or descriptors");
		return;
	}
	log_warn("a connection was not taken: out of memory or descriptors");
}

/* ---- up ---- */

static void
ready(void *arg, struct engine_conn *conn)
{
	struct node_link *link = link_of(conn);
	struct bnet_hello hello = { .role = BNET_ROLE_NODE };

	if (link == NULL) {
		guest_ready(arg, conn);
		return;
	}
	link->fence_by_ns = 0;
	hello.wanted_id = link->wanted_id;
	hello.codecs = link->node->opt.codecs;
	hello.name = bnet_string_of(link->name);
	hello.token = bnet_string_of(link->node->files.token);
	if (!session_ready(&link->session, conn, &hello))
		return;
	link_arm(link);
	if (atomic_load(
		&link->node->stop)) /* stop came before the connection */
		link_finish(link);
}

/* ---- timers ---- */

static int64_t
earlier(int64_t a_ns, int64_t b_ns)
{
	return b_ns != 0 && b_ns < a_ns ? b_ns : a_ns;
}

/* Set the connection's timer to the earliest deadline. */
static void
link_arm(struct node_link *link)
{
	int64_t at_ns = timers_next_ns(&link->late);

	at_ns = earlier(at_ns, link->fence_by_ns);
	if (!link->is_guest)
		at_ns = earlier(at_ns, session_next_ns(&link->session));
	engine_conn_set_timer(
	    link->session.conn, at_ns == INT64_MAX ? 0 : at_ns);
}

static void
timer(void *arg, struct engine_conn *conn, int64_t now_ns)
{
	struct node_link *link = link_of(conn);

	(void)arg;
	if (link->fence_by_ns != 0 && link->fence_by_ns <= now_ns) {
		on_lost(link, "no pong in time");
		engine_conn_cut(conn);
		return;
	}
	reply_send_due(link, now_ns);
	if (link->is_guest || session_timer(&link->session, now_ns))
		link_arm(link);
}

/* ---- packets ---- */

static void
packet(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	struct node_link *link = link_of(conn);
	const struct bnet_header *header = &packet->header;

	(void)arg;
	if (link->is_guest) {
		guest_packet(link, packet);
		return;
	}
	if (session_packet(&link->session, packet))
		return;
	if (!packet->has_header || header->key == 0)
		keyless_packet(conn, packet);
	else if (engine_deliver(conn, packet) == ENGINE_NO_APP)
		other_packet(conn, packet);
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
take_reply(
    struct node *node, struct engine_worker *worker, struct bnet_slice bytes)
{
	struct app_reply reply;
	struct engine_conn *conn;

	memcpy(&reply, bytes.p, sizeof(reply));
	conn = engine_conn_find(worker, reply.handle);
	/* it may have ended, or been replaced, since the request */
	if (conn == NULL || link_of(conn)->session.conn != conn)
		stats_count(&node->stats, STAT_NOT_SENT);
	else
		reply_send(link_of(conn), &reply.to,
		    bnet_slice_from(bytes, sizeof(reply)));
}

/* Send what is queued, then close. */
static void
link_finish(struct node_link *link)
{
	reply_send_due(link, INT64_MAX);
	engine_conn_finish(link->session.conn);
}

static void
finish_one(void *arg, struct engine_conn *conn)
{
	struct node_link *link = link_of(conn);

	(void)arg;
	if (link != NULL && link->session.conn != NULL)
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
		take_reply(node, worker, bytes);
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
 * The application: one thread, like a single-threaded runtime. It answers the
 * messages in its inbox and does background work. In serial mode it holds the
 * lock whenever it works.
 */

#define STORE_BYTES ((size_t)1 << 20)
#define BODY_BYTES ((size_t)2 << 20) /* including the head of the message */

struct app {
	struct node *node;
	struct chore chores[2];
	struct bnet_buf bytes, store;
};

#define N_CHORES 2

/*
 * Keep the processor busy for a time by the clock, so that the wait is the
 * same for others whatever the load of the machine.
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

/* Append the body of the answer to app->bytes. */
static bool
answer(struct app *app, const struct engine_packet *packet,
    struct app_reply *reply)
{
	const struct bnet_header *asked = &packet->header;
	struct bnet_message echo;
	uint64_t now_ns, waited_ns;
	size_t left;

	reply->to.has_header = true;
	if (asked->key != BNET_KEY_ECHO) {
		reply->to.as = STAT_REPLIES;
		return answer_app(asked, packet->payload,
			   app->node->opt.reply_bytes, &reply->to.header,
			   &app->bytes) == BNET_OK;
	}
	now_ns = (uint64_t)clock_unix_ns();
	waited_ns = (uint64_t)(clock_now_ns() - packet->at_ns);
	reply->to.as = STAT_ECHO_SERVICE;
	return bnet_message_decode(BNET_MSG_ECHO, packet->payload, &echo,
		   &app->store, &left) == BNET_OK &&
	    session_echo_reply(asked, &echo, now_ns - waited_ns, now_ns,
		&reply->to.header, &app->bytes) == BNET_OK;
}

/* Room for the head of the message in app->bytes. */
static bool
begin_reply(struct app *app, const struct app_reply *reply)
{
	bnet_buf_clear(&app->bytes);
	return bnet_buf_append(&app->bytes,
		   (struct bnet_slice){
		       (const uint8_t *)reply, sizeof(*reply) }) == BNET_OK;
}

/* Its head is filled in last, once its contents are known. */
static bool
post_reply(struct app *app, const struct engine_packet *packet,
    const struct app_reply *reply)
{
	struct bnet_buf *bytes = &app->bytes;

	memcpy(bytes->p + bytes->at, reply, sizeof(*reply));
	return engine_message(app->node->engine, packet->worker,
	    NODE_MESSAGE_REPLY, bnet_buf_slice(bytes));
}

static void
serve_key(struct app *app, const struct engine_packet *packet)
{
	struct app_reply reply = { .handle = packet->handle };

	if (!begin_reply(app, &reply) || !answer(app, packet, &reply) ||
	    !post_reply(app, packet, &reply))
		stats_count(&app->node->stats, STAT_NOT_SENT);
}

/* ---- machoNet ---- */

/* The packet that is answered. */
struct macho_call {
	struct app *app;
	const struct engine_packet *packet;
};

/* To where the call came from, with a header if that had one. */
static void
macho_reply(void *arg, const struct macho_reply *answer)
{
	static const enum stat stats[] = {
		[MACHO_RESULT] = STAT_RESULTS,
		[MACHO_ERROR] = STAT_CALL_ERRORS,
		[MACHO_EVENT] = STAT_EVENTS,
		[MACHO_PONG] = STAT_PINGS,
	};
	const struct macho_call *call = arg;
	const struct engine_packet *packet = call->packet;
	struct app *app = call->app;
	struct app_reply reply = { .handle = packet->handle,
		.to = { .has_header = packet->has_header,
		    .as = stats[answer->kind],
		    .delay_ns = answer->delay_ns } };

	if (packet->has_header) {
		reply.to.header.dest_type =
		    answer->to_node ? BNET_DEST_NODE : BNET_DEST_CLIENT;
		reply.to.header.dest = packet->header.source;
		reply.to.header.key = packet->header.key;
	}
	if (!begin_reply(app, &reply) ||
	    bnet_buf_append(&app->bytes, answer->payload) != BNET_OK ||
	    !post_reply(app, packet, &reply))
		stats_count(&app->node->stats, STAT_NOT_SENT);
}

/* False: it is not for machoNet. */
static bool
serve_macho(struct app *app, const struct engine_packet *packet)
{
	struct macho_call call = { app, packet };
	enum macho_taken taken =
	    macho_take(app->node->macho, packet->payload, macho_reply, &call);

	if (taken == MACHO_SILENT)
		stats_count(&app->node->stats, STAT_SILENT);
	else if (taken == MACHO_FAILED)
		stats_count(&app->node->stats, STAT_NOT_SENT);
	return taken != MACHO_FOREIGN;
}

static void
serve(struct app *app, const struct engine_packet *packet)
{
	const struct node *node = app->node;
	const bool keyed = packet->has_header && packet->header.key != 0;

	app_work(app->node, node->opt.service_ns);
	if (keyed && packet->header.key == BNET_KEY_ECHO)
		serve_key(app, packet);
	else if (node->macho != NULL && serve_macho(app, packet))
		return;
	else if (keyed && node->opt.replies)
		serve_key(app, packet);
	else
		stats_count(&app->node->stats, STAT_IGNORED);
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
		return -1; /* no deadline */
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
