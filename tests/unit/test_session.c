/* SPDX-License-Identifier: MIT */
/* cmd/session: against a relay that is played by hand. */
#include "cmd/session/session.h"
#include "proto/bluenet.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#define READ_BYTES 4096
#define WHY_CHARS 128
#define OWNER_PING 3 /* the timestamp of a ping of the owner's */
#define NS_PER_MS INT64_C(1000000)
#define PERIOD_MS 10000
#define KEY_PERIODS 6
#define NS_PER_HOUR (3600000 * NS_PER_MS)

/* ---- the owner of a session ---- */

enum event {
	EVENT_OPEN,
	EVENT_ORDER,
	EVENT_OWN_PONG,
	EVENT_STOCK,
	EVENT_UP,
	EVENT_REFUSED,
	EVENT_DRAINED,
	EVENT_LOST,
	EVENT_PACKET, /* left to the owner */
	EVENT_CLOSED,
	N_EVENTS
};

static struct engine *engine;
static struct session session;
static struct session_scratch scratch;
static struct session_target target;
static struct bnet_hello hello;
static bool stock; /* it says no hello */
static bool asks; /* the byte order is at stake */
static struct orders found_orders;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static unsigned events[N_EVENTS], counts[SESSION_N_COUNTS];
static uint32_t code; /* of refuse; or the seconds of drain */
static int codec;
static unsigned frame_max_bytes;
static char why[WHY_CHARS]; /* refused, drained, lost */
static enum bnet_order found;

static void
note(unsigned *n)
{
	pthread_mutex_lock(&lock);
	(*n)++;
	pthread_cond_broadcast(&moved);
	pthread_mutex_unlock(&lock);
}

/* The case has a time limit. */
static void
await_n(const unsigned *n, unsigned want)
{
	pthread_mutex_lock(&lock);
	while (*n < want)
		pthread_cond_wait(&moved, &lock);
	pthread_mutex_unlock(&lock);
}

static unsigned
seen(const unsigned *n)
{
	unsigned got;

	pthread_mutex_lock(&lock);
	got = *n;
	pthread_mutex_unlock(&lock);
	return got;
}

static void
set_why(uint32_t number, const struct bnet_string *text)
{
	pthread_mutex_lock(&lock);
	code = number;
	snprintf(why, sizeof(why), "%.*s", (int)text->len_bytes,
	    text->p != NULL ? text->p : "");
	pthread_mutex_unlock(&lock);
}

static void
opened(void *owner)
{
	(void)owner;
	note(&events[EVENT_OPEN]);
}

static void
ordered(void *owner, enum bnet_order order)
{
	(void)owner;
	pthread_mutex_lock(&lock);
	found = order;
	pthread_mutex_unlock(&lock);
	note(&events[EVENT_ORDER]);
}

static void
own_pong(void *owner, uint64_t ping)
{
	(void)owner;
	ck_assert_uint_ne(ping & SESSION_OWN_PING, 0);
	note(&events[EVENT_OWN_PONG]);
}

static void
is_stock(void *owner)
{
	const struct session *s = owner;

	ck_assert(s->is_stock);
	ck_assert_int_eq(s->state, SESSION_DOWN);
	note(&events[EVENT_STOCK]);
}

static void
up(void *owner, const struct bnet_welcome *welcome)
{
	struct session *s = owner;
	const struct engine_sendq *sendq = engine_conn_sendq(s->conn);

	ck_assert_uint_eq(welcome->id, s->id);
	pthread_mutex_lock(&lock);
	codec = sendq->codec;
	frame_max_bytes = sendq->frame_max_bytes;
	pthread_mutex_unlock(&lock);
	note(&events[EVENT_UP]);
}

static void
refused(void *owner, const struct bnet_refuse *refuse)
{
	char text[WHY_CHARS];
	struct bnet_string reason;

	(void)owner;
	session_refused_text(refuse, text, sizeof(text));
	reason = bnet_string_of(text);
	set_why(refuse->code, &reason);
	note(&events[EVENT_REFUSED]);
}

static void
drained(void *owner, const struct bnet_drain *drain)
{
	(void)owner;
	set_why(drain->seconds, &drain->where);
	note(&events[EVENT_DRAINED]);
}

static bool
pong(void *owner, const struct bnet_header *header)
{
	(void)owner;
	return header->timestamp == OWNER_PING;
}

static void
lost(void *owner, const char *text)
{
	const struct bnet_string reason = bnet_string_of(text);

	(void)owner;
	set_why(0, &reason);
	note(&events[EVENT_LOST]);
}

static void
counted(void *owner, enum session_count what)
{
	(void)owner;
	note(&counts[what]);
}

static const struct session_hooks session_hooks = {
	.open = opened,
	.order = ordered,
	.own_pong = own_pong,
	.up = up,
	.refused = refused,
	.drained = drained,
	.pong = pong,
	.lost = lost,
	.counted = counted,
};

static const struct session_hooks hooks_of_stock = {
	.open = opened,
	.order = ordered,
	.own_pong = own_pong,
	.stock = is_stock,
	.up = up,
	.lost = lost,
	.counted = counted,
};

static const struct session_hooks no_hooks = { .counted = counted };

static void
arm(void)
{
	int64_t at_ns = session_next_ns(&session);

	engine_conn_set_timer(session.conn, at_ns == INT64_MAX ? 0 : at_ns);
}

static void
ready(void *arg, struct engine_conn *conn)
{
	(void)arg;
	if (session_ready(&session, conn, stock ? NULL : &hello))
		arm();
}

/* As if three keepalive periods passed. */
static void
pass_periods(int64_t now_ns)
{
	for (int i = 1; i <= 3; i++)
		ck_assert(session_timer(
		    &session, now_ns + i * PERIOD_MS * NS_PER_MS));
}

static void
packet(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	(void)arg;
	if (!session_packet(&session, packet))
		note(&events[EVENT_PACKET]);
	if (packet->header.key == KEY_PERIODS)
		pass_periods(engine_worker_now_ns(engine_conn_worker(conn)));
	arm();
}

static void
timer(void *arg, struct engine_conn *conn, int64_t now_ns)
{
	(void)arg;
	(void)conn;
	if (session_timer(&session, now_ns))
		arm();
}

static void
closed(void *arg, struct engine_conn *conn, enum engine_end end)
{
	(void)arg;
	(void)conn;
	if (!session_closed(&session, end, true))
		note(&events[EVENT_CLOSED]);
}

static const struct engine_hooks hooks = {
	.ready = ready,
	.packet = packet,
	.timer = timer,
	.closed = closed,
};

/* ---- the relay ---- */

static int listen_fd = -1, peer_fd = -1;
static struct bnet_codecs *codecs;
static struct bnet_link *peer;
static struct bnet_header came; /* what await() found */
static uint64_t keepalives[8]; /* timestamps of those that came */
static unsigned n_keepalives;
static struct bnet_message said;
static struct bnet_buf store;

static struct address
address_of(int fd)
{
	struct address at = { .len_bytes = sizeof(at.sa) };

	ck_assert_int_eq(
	    getsockname(fd, (struct sockaddr *)&at.sa, &at.len_bytes), 0);
	return at;
}

/* A port of loopback; with a backlog of 0 nobody listens there. */
static int
bound(int backlog)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	if (backlog > 0)
		ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

struct wanted {
	int32_t key;
	bool came;
};

static enum bnet_err
look(void *arg, const struct bnet_packet *in)
{
	struct wanted *wanted = arg;
	enum bnet_message_type type = bnet_message_type(in->header.key);
	size_t left;

	if (in->has_header && type == BNET_MSG_KEEPALIVE)
		keepalives[n_keepalives++ % UNIT_ROWS(keepalives)] =
		    in->header.timestamp;
	if (wanted->came || !in->has_header || in->header.key != wanted->key)
		return BNET_OK;
	wanted->came = true;
	came = in->header;
	if (type == BNET_MSG_NONE)
		return BNET_OK;
	return bnet_message_decode(type, in->payload, &said, &store, &left);
}

/* False: the end came instead. What comes behind it in one piece is dropped. */
static bool
await_key(int32_t key)
{
	struct wanted wanted = { .key = key };
	const struct bnet_link_sink sink = { .packet = look, .arg = &wanted };
	uint8_t bytes[READ_BYTES];
	size_t used;

	while (!wanted.came) {
		ssize_t n = read(peer_fd, bytes, sizeof(bytes));

		if (n <= 0)
			return false;
		unit_err("feed",
		    bnet_link_feed(peer,
			(struct bnet_slice){ bytes, (size_t)n }, &sink, &used),
		    BNET_OK);
	}
	return true;
}

static void
await(enum bnet_message_type type)
{
	ck_assert(await_key(bnet_message_key(type)));
}

static void
await_end(void)
{
	ck_assert(!await_key(-1));
}

static void
put(const struct bnet_header *header, struct bnet_slice payload)
{
	const struct bnet_packet out_packet = {
		.has_header = true, .header = *header, .payload = payload
	};
	struct bnet_slice out;

	unit_err("send", bnet_link_send(peer, &out_packet), BNET_OK);
	unit_err("output", bnet_link_output(peer, &out), BNET_OK);
	ck_assert_int_eq(
	    send(peer_fd, out.p, out.len, MSG_NOSIGNAL), (ssize_t)out.len);
	bnet_link_output_done(peer, out.len);
}

static void
say_as(const struct bnet_message *message, struct bnet_header header)
{
	struct bnet_buf body;

	bnet_buf_init(&body, READ_BYTES);
	unit_err("encode", bnet_message_encode(message, &body), BNET_OK);
	header.key = bnet_message_key(message->type);
	put(&header, bnet_buf_slice(&body));
	bnet_buf_free(&body);
}

static void
say(const struct bnet_message *message)
{
	say_as(message, (struct bnet_header){ .key = 0 });
}

static void
send_pong(uint64_t timestamp, uint32_t latency_ms)
{
	const struct bnet_header header = { .key = BNET_KEY_PONG,
		.dest_type = BNET_DEST_CLIENT, /* a pong is one anywhere */
		.priority = true,
		.timestamp = timestamp,
		.latency_ms = latency_ms };

	put(&header, (struct bnet_slice){ NULL, 0 });
}

static void
welcome(uint32_t with_codecs, uint32_t max_bytes, uint32_t keepalive_ms)
{
	const struct bnet_message message = { .type = BNET_MSG_WELCOME,
		.u.welcome = { .version = BNET_PROTOCOL_VERSION,
		    .id = 7,
		    .relay_id = 1,
		    .codecs = with_codecs,
		    .frame_max_bytes = max_bytes,
		    .keepalive_ms = keepalive_ms } };

	say(&message);
}

/* ---- both ---- */

/* As a process of its own has it: with CK_FORK=no tests share one. */
static void
reset(void)
{
	memset(&session, 0, sizeof(session));
	memset(&target, 0, sizeof(target));
	memset(&hello, 0, sizeof(hello));
	orders_init(&found_orders);
	stock = asks = false;
	found = BNET_ORDER_AUTO;
	memset(events, 0, sizeof(events));
	memset(counts, 0, sizeof(counts));
	memset(&said, 0, sizeof(said));
	code = 0;
	n_keepalives = 0;
	codec = 0;
	frame_max_bytes = 0;
	why[0] = '\0';
}

static void
begin(struct session_settings set)
{
	const struct engine_settings engine_set = { .n_workers = 1,
		.hooks = &hooks };

	listen_fd = bound(1);
	target.addresses[target.n_addresses++] = address_of(listen_fd);
	session_scratch_init(&scratch);
	bnet_buf_init(&store, READ_BYTES);
	set.target = &target;
	set.scratch = &scratch;
	set.owner = &session;
	if (set.hooks == NULL)
		set.hooks = &session_hooks;
	if (!asks && set.order == BNET_ORDER_AUTO)
		set.order = BNET_ORDER_LITTLE;
	session_init(&session, &set);
	engine = engine_new(&engine_set);
	ck_assert_ptr_nonnull(engine);
	ck_assert(engine_start(engine));
	ck_assert(session_connect(&session, engine, 0));
}

static void
accept_peer(void)
{
	static const struct bnet_link_settings set = { 0 };

	peer_fd = accept(listen_fd, NULL, NULL);
	ck_assert_int_ge(peer_fd, 0);
	codecs = bnet_codecs_new();
	unit_err("link", bnet_link_new(&set, codecs, &peer), BNET_OK);
	await(BNET_MSG_HELLO);
}

/* Up to the hello. */
static void
greeted(struct session_settings set)
{
	begin(set);
	accept_peer();
}

/* Up to the welcome, with a keepalive that does not matter. */
static void
welcomed(struct session_settings set)
{
	greeted(set);
	welcome(0, 0, 0);
	await_n(&events[EVENT_UP], 1);
}

static void
end(void)
{
	ck_assert(engine_stop(engine));
	engine_free(engine);
	session_scratch_free(&scratch);
	bnet_link_free(peer);
	bnet_codecs_free(codecs);
	bnet_buf_free(&store);
	close(peer_fd);
	close(listen_fd);
	peer = NULL;
	codecs = NULL;
	peer_fd = listen_fd = -1;
}

/* ---- hello and welcome ---- */

START_TEST(hello_as_usual)
{
	greeted((struct session_settings){ 0 });
	ck_assert_int_eq(came.dest_type, BNET_DEST_HOP);
	ck_assert_uint_eq(said.u.hello.version, BNET_PROTOCOL_VERSION);
	ck_assert_uint_eq(said.u.hello.role, BNET_ROLE_CLIENT);
	ck_assert_uint_eq(said.u.hello.wanted_id, 0);
	ck_assert_uint_eq(said.u.hello.codecs, 0);
	ck_assert_uint_eq(said.u.hello.frame_max_bytes, BNET_FRAME_MAX_BYTES);
	end();
}
END_TEST

START_TEST(hello_as_set)
{
	hello = (struct bnet_hello){
		.role = BNET_ROLE_NODE,
		.wanted_id = 99,
		.codecs = BNET_CODEC_ZLIB,
		.frame_max_bytes = 4096,
		.name = bnet_string_of("sol"),
		.token = bnet_string_of("secret"),
	};
	greeted((struct session_settings){ 0 });
	ck_assert_uint_eq(said.u.hello.role, BNET_ROLE_NODE);
	ck_assert_uint_eq(said.u.hello.wanted_id, 99);
	ck_assert_uint_eq(said.u.hello.codecs, BNET_CODEC_ZLIB);
	ck_assert_uint_eq(said.u.hello.frame_max_bytes, 4096);
	ck_assert_uint_eq(said.u.hello.name.len_bytes, 3);
	ck_assert_mem_eq(said.u.hello.token.p, "secret", 6);
	end();
}
END_TEST

static const struct {
	const char *name;
	uint32_t ours, theirs, said_bytes, max_bytes;
	enum bnet_codec_id codec;
} welcomes[] = {
	{ "a relay that names no limit", 0, 0, 0, BNET_FRAME_MAX_BYTES,
	    BNET_CODEC_NONE },
	{ "a small limit", 0, 3, 1024, 1024, BNET_CODEC_NONE },
	{ "a limit that no word can say", 0, 0, UINT32_MAX,
	    BNET_FRAME_MAX_BYTES_TOP, BNET_CODEC_NONE },
	{ "both codecs", 3, 3, 0, BNET_FRAME_MAX_BYTES, BNET_CODEC_SNAPPY },
	{ "one of them", 3, 1, 0, BNET_FRAME_MAX_BYTES, BNET_CODEC_ZLIB },
	{ "none in common", 1, 2, 0, BNET_FRAME_MAX_BYTES, BNET_CODEC_NONE },
	{ "codecs to come", 3, 0x84, 0, BNET_FRAME_MAX_BYTES, BNET_CODEC_NONE },
};

START_TEST(welcome_sets_the_peer)
{
	greeted((struct session_settings){ .codecs = welcomes[_i].ours });
	welcome(welcomes[_i].theirs, welcomes[_i].said_bytes, 0);
	await_n(&events[EVENT_UP], 1);
	ck_assert_msg(frame_max_bytes == welcomes[_i].max_bytes, "%s: %u",
	    welcomes[_i].name, frame_max_bytes);
	ck_assert_msg(codec == (int)welcomes[_i].codec, "%s: codec %d",
	    welcomes[_i].name, codec);
	end();
}
END_TEST

/* A second one changes nothing. */
START_TEST(welcome_twice)
{
	welcomed((struct session_settings){ 0 });
	welcome(0, 1024, 0);
	send_pong(1, 0); /* behind it */
	await_n(&counts[SESSION_FORGED], 1);
	ck_assert_uint_eq(seen(&events[EVENT_UP]), 1);
	end();
}
END_TEST

START_TEST(no_welcome)
{
	greeted((struct session_settings){ .welcome_timeout_ns = NS_PER_MS });
	await_end();
	await_n(&events[EVENT_CLOSED], 1);
	ck_assert_uint_eq(seen(&events[EVENT_LOST]), 1);
	ck_assert_str_eq(why,
	    "no welcome in time, nor an answer to a header ping, in little"
	    " order");
	end();
}
END_TEST

START_TEST(refuse)
{
	const struct bnet_message message = { .type = BNET_MSG_REFUSE,
		.u.refuse = { .code = BNET_CODE_OVERLOADED,
		    .reason = bnet_string_of("full") } };

	greeted((struct session_settings){ 0 });
	say(&message);
	await_n(&events[EVENT_REFUSED], 1);
	ck_assert_uint_eq(code, BNET_CODE_OVERLOADED);
	ck_assert_str_eq(why, "refused: overloaded: full");
	end();
}
END_TEST

static const struct bnet_message drain = { .type = BNET_MSG_DRAIN,
	.u.drain = { .seconds = 30, .where = { "relay-2", 7 } } };

START_TEST(drain_is_told)
{
	welcomed((struct session_settings){ 0 });
	say(&drain);
	await_n(&events[EVENT_DRAINED], 1);
	ck_assert_uint_eq(code, 30);
	ck_assert_str_eq(why, "relay-2");
	end();
}
END_TEST

START_TEST(drain_is_left)
{
	greeted((struct session_settings){ .hooks = &no_hooks });
	say(&drain);
	await_n(&events[EVENT_PACKET], 1);
	end();
}
END_TEST

/* What the relay forwards for somebody else names a destination. */
START_TEST(clients_can_not_play_the_relay)
{
	static const enum bnet_message_type types[] = { BNET_MSG_WELCOME,
		BNET_MSG_REFUSE, BNET_MSG_DRAIN };
	const struct bnet_message message = { .type = types[_i] };

	greeted((struct session_settings){ 0 });
	say_as(&message,
	    (struct bnet_header){ .dest_type = BNET_DEST_CLIENT, .dest = 7 });
	await_n(&counts[SESSION_FOREIGN], 1);
	for (int i = EVENT_UP; i < N_EVENTS; i++)
		ck_assert_uint_eq(seen(&events[i]), 0);
	end();
}
END_TEST

START_TEST(half_a_message)
{
	const struct bnet_header header = { .key = bnet_message_key(
						BNET_MSG_WELCOME) };

	greeted((struct session_settings){ 0 });
	put(&header, (struct bnet_slice){ (const uint8_t *)"x", 1 });
	await_n(&counts[SESSION_MALFORMED], 1);
	ck_assert_uint_eq(seen(&events[EVENT_UP]), 0);
	end();
}
END_TEST

/* ---- pings, pongs, keepalives ---- */

/* What comes later is silence() again, if this machine is slow. */
START_TEST(keepalive_is_a_ping)
{
	greeted((struct session_settings){ 0 });
	welcome(0, 0, 1);
	await(BNET_MSG_KEEPALIVE);
	ck_assert_int_eq(came.dest_type, BNET_DEST_HOP);
	ck_assert_uint_ne(came.timestamp & SESSION_OWN_PING, 0);
	ck_assert_uint_eq(came.timestamp & BNET_TIMESTAMP_PING_BACK, 0);
	end();
}
END_TEST

/* One ping in 30 s, whatever the keepalive period is. */
START_TEST(pings_are_rare)
{
	const struct bnet_header header = { .key = KEY_PERIODS };

	greeted((struct session_settings){ 0 });
	welcome(0, 0, PERIOD_MS);
	put(&header, (struct bnet_slice){ NULL, 0 });
	while (n_keepalives < 3)
		await(BNET_MSG_KEEPALIVE);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(keepalives[i] != 0, i != 1);
	end();
}
END_TEST

START_TEST(silence)
{
	greeted((struct session_settings){ 0 });
	welcome(0, 0, 10);
	await_end();
	await_n(&events[EVENT_CLOSED], 1);
	ck_assert_uint_eq(seen(&events[EVENT_LOST]), 1);
	ck_assert_int_eq(strncmp(why, "silent for ", 11), 0);
	end();
}
END_TEST

/* Neither counted as an answer nor answered, whatever it carries. */
START_TEST(forged_pong)
{
	const struct bnet_header ping = { .key = 5, .timestamp = 77 };

	welcomed((struct session_settings){ 0 });
	send_pong(SESSION_OWN_PING | 5, 66);
	send_pong(0, 0);
	await_n(&counts[SESSION_FORGED], 2);
	put(&ping, (struct bnet_slice){ NULL, 0 });
	ck_assert(await_key(BNET_KEY_PONG));
	ck_assert_uint_eq(came.timestamp, 77);
	end();
}
END_TEST

static const struct bnet_header wants_ping = { .key = 5,
	.timestamp = BNET_TIMESTAMP_PING_BACK | 9 };

/* Each of its pings has one pong; the second is forged. */
START_TEST(pong_of_its_own)
{
	uint64_t first, second;

	welcomed((struct session_settings){ 0 });
	put(&wants_ping, (struct bnet_slice){ NULL, 0 });
	await(BNET_MSG_KEEPALIVE);
	first = came.timestamp;
	put(&wants_ping, (struct bnet_slice){ NULL, 0 });
	await(BNET_MSG_KEEPALIVE);
	second = came.timestamp;
	send_pong(second, 0);
	send_pong(first, 0);
	send_pong(second, 0);
	await_n(&counts[SESSION_FORGED], 1);
	put(&wants_ping, (struct bnet_slice){ NULL, 0 });
	await(BNET_MSG_KEEPALIVE);
	ck_assert_uint_eq(seen(&counts[SESSION_FORGED]), 1);
	end();
}
END_TEST

/* A relay's ping may travel in its pong. */
START_TEST(pong_with_a_ping)
{
	welcomed((struct session_settings){ 0 });
	send_pong(OWNER_PING, 66);
	ck_assert(await_key(BNET_KEY_PONG));
	ck_assert_uint_eq(came.timestamp, 66);
	ck_assert_uint_eq(came.latency_ms, 0);
	ck_assert_uint_eq(seen(&counts[SESSION_FORGED]), 0);
	end();
}
END_TEST

/* Bit 63: it wants a ping back, which its keepalive is. */
START_TEST(ping_back)
{
	welcomed((struct session_settings){ 0 });
	put(&wants_ping, (struct bnet_slice){ NULL, 0 });
	ck_assert(await_key(BNET_KEY_PONG));
	ck_assert_uint_eq(came.timestamp, 9);
	put(&wants_ping, (struct bnet_slice){ NULL, 0 });
	await(BNET_MSG_KEEPALIVE);
	ck_assert_uint_eq(seen(&counts[SESSION_PINGED]), 2);
	end();
}
END_TEST

static const struct bnet_message echo = { .type = BNET_MSG_ECHO,
	.u.echo = { .cookie = 12, .flags = BNET_ECHO_F_NODE } };

START_TEST(echo_answered)
{
	welcomed((struct session_settings){ .answers_echo = true });
	say_as(&echo,
	    (struct bnet_header){
		.dest_type = BNET_DEST_CLIENT, .dest = 7, .source = 4 });
	await(BNET_MSG_ECHO_REPLY);
	ck_assert_int_eq(came.dest_type, BNET_DEST_NODE);
	ck_assert_int_eq(came.dest, 4);
	ck_assert_uint_eq(said.u.echo.cookie, 12);
	ck_assert_uint_ne(said.u.echo.received_ns, 0);
	end();
}
END_TEST

START_TEST(echo_left)
{
	welcomed((struct session_settings){ 0 });
	say(&echo);
	await_n(&events[EVENT_PACKET], 1);
	end();
}
END_TEST

/* ---- connecting ---- */

static const struct {
	enum bnet_order set;
	uint8_t first, last; /* of the word; the frame is short */
} orders[] = {
	{ BNET_ORDER_LITTLE, 1, 0 },
	{ BNET_ORDER_NETWORK, 0, 1 },
};

/* Of the word's four bytes one is the size, and one has bit 28. */
START_TEST(order)
{
	uint8_t word[4];

	begin((struct session_settings){ .order = orders[_i].set });
	peer_fd = accept(listen_fd, NULL, NULL);
	ck_assert_int_ge(peer_fd, 0);
	ck_assert_int_eq(
	    recv(peer_fd, word, sizeof(word), MSG_WAITALL), sizeof(word));
	ck_assert_int_eq(word[0] == 0x10, orders[_i].last);
	ck_assert_int_eq(word[3] == 0x10, orders[_i].first);
	end();
}
END_TEST

/* begin() puts the relay behind it. */
START_TEST(addresses_in_turn)
{
	int nobody = bound(0);

	target.addresses[target.n_addresses++] = address_of(nobody);
	greeted((struct session_settings){ 0 });
	welcome(0, 0, 0);
	await_n(&events[EVENT_UP], 1);
	ck_assert_uint_eq(seen(&events[EVENT_CLOSED]), 0);
	ck_assert_ptr_eq(session_address(&session), &target.addresses[1]);
	end();
	close(nobody);
}
END_TEST

START_TEST(dial)
{
	int nobody = bound(0), somebody = bound(1), fd;

	target.addresses[0] = address_of(nobody);
	target.n_addresses = 1;
	ck_assert_int_eq(session_dial(&target, 0, NS_PER_HOUR), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	target.addresses[1] = address_of(somebody);
	target.n_addresses = 2;
	fd = session_dial(&target, 4096, NS_PER_HOUR);
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(somebody);
	close(nobody);
}
END_TEST

/* ---- the byte order of a peer that is dialled ---- */

static struct session_settings
asking(int64_t timeout_ns)
{
	asks = true;
	return (struct session_settings){ .orders = &found_orders,
		.order_timeout_ns = timeout_ns };
}

/* The next connection, up to the first message, which has this order. */
static void
next_peer(enum bnet_order wanted, bool pings)
{
	static const struct bnet_link_settings set = { 0 };

	bnet_link_free(peer);
	if (peer_fd >= 0)
		close(peer_fd);
	if (codecs == NULL)
		codecs = bnet_codecs_new();
	peer_fd = accept(listen_fd, NULL, NULL);
	ck_assert_int_ge(peer_fd, 0);
	unit_err("link", bnet_link_new(&set, codecs, &peer), BNET_OK);
	await(stock ? BNET_MSG_KEEPALIVE : BNET_MSG_HELLO);
	ck_assert_int_eq(bnet_link_order(peer), wanted);
	ck_assert_int_eq((came.timestamp & SESSION_OWN_PING) != 0, pings);
	ck_assert_uint_eq(came.timestamp & BNET_TIMESTAMP_PING_BACK, 0);
}

static void
same_events(unsigned n_open, unsigned n_order)
{
	ck_assert_uint_eq(seen(&events[EVENT_OPEN]), n_open);
	ck_assert_uint_eq(seen(&events[EVENT_ORDER]), n_order);
}

/* Connect once more, when the last connection is over. */
static void
again(void)
{
	const struct session_settings set = session.set;

	await_n(&events[EVENT_CLOSED], 1);
	memset(events, 0, sizeof(events));
	session_init(&session, &set);
	ck_assert(session_connect(&session, engine, 0));
}

static void
hang_up(void)
{
	close(peer_fd);
	peer_fd = -1;
}

/* Nothing is sent before the answer but the hello; then it is said once. */
START_TEST(other_order)
{
	begin(asking(NS_PER_HOUR));
	next_peer(BNET_ORDER_LITTLE, true);
	same_events(0, 0);
	next_peer(BNET_ORDER_NETWORK, true);
	same_events(0, 0);
	send_pong(came.timestamp, 0);
	await_n(&events[EVENT_OPEN], 1);
	await_n(&events[EVENT_OWN_PONG], 1);
	same_events(1, 1);
	ck_assert_int_eq(found, BNET_ORDER_NETWORK);
	hang_up();
	again(); /* it is known now, so nothing is awaited */
	next_peer(BNET_ORDER_NETWORK, true);
	await_n(&events[EVENT_OPEN], 1);
	same_events(1, 0);
	end();
}
END_TEST

/* Nobody ever answers: the first order, the other, and the first for good. */
START_TEST(no_order)
{
	stock = _i == 1;
	begin(asking(NS_PER_MS));
	next_peer(BNET_ORDER_LITTLE, true);
	await_end();
	next_peer(BNET_ORDER_NETWORK, true);
	await_end();
	next_peer(BNET_ORDER_LITTLE, true);
	await_n(&events[EVENT_OPEN], 1);
	send_pong(came.timestamp, 0); /* late, but an answer */
	await_n(&events[EVENT_OWN_PONG], 1);
	same_events(1, 0);
	end();
}
END_TEST

/* What was tried is told. */
START_TEST(no_order_and_no_welcome)
{
	struct session_settings set = asking(NS_PER_MS);

	set.welcome_timeout_ns = 500 * NS_PER_MS;
	begin(set);
	next_peer(BNET_ORDER_LITTLE, true);
	await_end();
	next_peer(BNET_ORDER_NETWORK, true);
	await_end();
	next_peer(BNET_ORDER_LITTLE, true);
	await_n(&events[EVENT_CLOSED], 1);
	ck_assert_str_eq(why,
	    "no welcome in time, nor an answer to a header ping, in little or"
	    " network order");
	end();
}
END_TEST

/* The connection after the next accept(), without a hello: its first packet. */
static void
next_without_hello(enum bnet_order wanted)
{
	const struct bnet_header header = { .key = 5 };

	hang_up();
	again();
	peer_fd = accept(listen_fd, NULL, NULL);
	ck_assert_int_ge(peer_fd, 0);
	await_n(&events[EVENT_STOCK], 1);
	bnet_link_reset(peer);
	bnet_link_set_order(peer, wanted);
	put(&header, (struct bnet_slice){ NULL, 0 });
	await_n(&events[EVENT_PACKET], 1);
	same_events(1, 0);
	hang_up();
	await_n(&events[EVENT_CLOSED], 1);
	ck_assert_uint_eq(seen(&events[EVENT_STOCK]), 1);
}

/* It answers the ping of the hello, and nothing else: no hello from then on. */
START_TEST(stock_peer)
{
	struct session_settings set = asking(NS_PER_HOUR);

	set.welcome_timeout_ns = 100 * NS_PER_MS;
	set.hooks = &hooks_of_stock;
	if (_i == 1)
		set.order = BNET_ORDER_NETWORK;
	else
		set.first = BNET_ORDER_NETWORK;
	begin(set);
	next_peer(BNET_ORDER_NETWORK, true);
	send_pong(came.timestamp & UINT32_MAX, 0); /* as some return it */
	await_n(&events[EVENT_STOCK], 1);
	same_events(1, 0);
	ck_assert_uint_eq(seen(&events[EVENT_LOST]), 0);
	/* a ping of it is answered still, a welcome comes too late */
	put(&(struct bnet_header){ .key = 5, .timestamp = 9 },
	    (struct bnet_slice){ NULL, 0 });
	ck_assert(await_key(BNET_KEY_PONG));
	welcome(0, 0, 0);
	next_without_hello(BNET_ORDER_NETWORK);
	ck_assert_uint_eq(seen(&events[EVENT_UP]), 0);
	end();
}
END_TEST

/* Who has no use for one is told what it is. */
START_TEST(stock_peer_is_of_no_use)
{
	struct session_settings set = asking(NS_PER_HOUR);

	set.welcome_timeout_ns = 100 * NS_PER_MS;
	begin(set);
	next_peer(BNET_ORDER_LITTLE, true);
	send_pong(came.timestamp, 0);
	await_n(&events[EVENT_CLOSED], 1);
	ck_assert_str_eq(why,
	    "no welcome in time, but an answer to a header ping: this is a"
	    " stock peer");
	end();
}
END_TEST

/* A relay that sent a welcome is no stock peer, and is asked no more. */
START_TEST(hello_pings_until_a_welcome)
{
	struct session_settings set = asking(NS_PER_HOUR);

	set.order = BNET_ORDER_NETWORK;
	begin(set);
	next_peer(BNET_ORDER_NETWORK, true);
	welcome(0, 0, 0);
	await_n(&events[EVENT_UP], 1);
	hang_up();
	again();
	next_peer(BNET_ORDER_NETWORK, false);
	end();
}
END_TEST

START_TEST(first_order)
{
	begin(asking(NS_PER_HOUR));
	next_peer(BNET_ORDER_LITTLE, true);
	welcome(0, 0, 0);
	await_n(&events[EVENT_UP], 1);
	same_events(1, 0);
	ck_assert(orders_find(&found_orders, &target.addresses[0]).any);
	end();
}
END_TEST

/* The order of the capture comes first, and is no news. */
START_TEST(order_to_begin_with)
{
	struct session_settings set = asking(NS_PER_HOUR);

	set.first = BNET_ORDER_NETWORK;
	begin(set);
	next_peer(BNET_ORDER_NETWORK, true);
	send_pong(came.timestamp, 0);
	await_n(&events[EVENT_OPEN], 1);
	same_events(1, 0);
	end();
}
END_TEST

/* With a hello, who closes on both wants none of us. */
START_TEST(closed_on_both)
{
	begin(asking(NS_PER_HOUR));
	next_peer(BNET_ORDER_LITTLE, true);
	next_peer(BNET_ORDER_NETWORK, true);
	hang_up();
	await_n(&events[EVENT_CLOSED], 1);
	same_events(0, 0);
	end();
}
END_TEST

/* A stock client goes on without a question, and asks no more. */
START_TEST(closed_on_a_question)
{
	struct bnet_header header = { .key = 5 };

	stock = true;
	begin(asking(NS_PER_HOUR));
	next_peer(BNET_ORDER_LITTLE, true);
	next_peer(BNET_ORDER_NETWORK, true);
	hang_up();
	await_n(&events[EVENT_OPEN], 1);
	peer_fd = accept(listen_fd, NULL, NULL);
	ck_assert_int_ge(peer_fd, 0);
	bnet_link_reset(peer);
	bnet_link_set_order(peer, BNET_ORDER_LITTLE);
	put(&header, (struct bnet_slice){ NULL, 0 });
	await_n(&events[EVENT_PACKET], 1);
	same_events(1, 0);
	hang_up();
	await_n(&events[EVENT_CLOSED], 1);
	end();
}
END_TEST

/* A peer that speaks first says what it speaks. */
START_TEST(peer_speaks_first)
{
	const struct bnet_header header = { .key = 5 };

	begin(asking(NS_PER_HOUR));
	next_peer(BNET_ORDER_LITTLE, true);
	bnet_link_set_order(peer, BNET_ORDER_NETWORK);
	put(&header, (struct bnet_slice){ (const uint8_t *)"abcde", 5 });
	await_end();
	next_peer(BNET_ORDER_NETWORK, true);
	put(&header, (struct bnet_slice){ NULL, 0 });
	await_n(&events[EVENT_OPEN], 1);
	same_events(1, 1);
	end();
}
END_TEST

/* One that does not answer in the order that it had is asked again. */
START_TEST(order_in_doubt)
{
	struct session_settings set = asking(NS_PER_HOUR);

	begin(set);
	next_peer(BNET_ORDER_LITTLE, true);
	next_peer(BNET_ORDER_NETWORK, true);
	send_pong(came.timestamp, 0);
	await_n(&events[EVENT_OPEN], 1);
	hang_up();
	again();
	next_peer(BNET_ORDER_NETWORK, true);
	hang_up(); /* without a word */
	again();
	next_peer(BNET_ORDER_NETWORK, true);
	next_peer(BNET_ORDER_LITTLE, true);
	send_pong(came.timestamp, 0);
	await_n(&events[EVENT_OPEN], 1);
	same_events(1, 0); /* that is the usual one */
	end();
}
END_TEST

static const struct {
	uint64_t ping, pong;
	bool is;
} returned[] = {
	{ 77, 77, true },
	{ 77, 78, false },
	{ 77, BNET_TIMESTAMP_PING_BACK | 77, true },
	{ UINT64_C(0x4000123456789abc), UINT64_C(0x4000123456789abc), true },
	{ UINT64_C(0x4000123456789abc), 0x56789abc, true },
	{ UINT64_C(0x4000123456789abc), BNET_TIMESTAMP_PING_BACK | 0x56789abc,
	    true },
	{ UINT64_C(0x4000123456789abc), UINT64_C(0x123456789abc), false },
	{ UINT64_C(0x4000123400000000), 0, false },
	{ 0, 0, false },
	{ 0, BNET_TIMESTAMP_PING_BACK, false },
};

START_TEST(timestamps_of_pongs)
{
	for (int i = 0; i < UNIT_ROWS(returned); i++)
		UNIT_MUST(session_ping_is(returned[i].ping, returned[i].pong) ==
			returned[i].is,
		    "row %d", i);
}
END_TEST

static Suite *
session_suite(void)
{
	Suite *suite = suite_create("session");
	TCase *tc = unit_case(suite, "messages");

	tcase_add_checked_fixture(tc, reset, NULL);
	tcase_add_test(tc, hello_as_usual);
	tcase_add_test(tc, hello_as_set);
	tcase_add_loop_test(tc, welcome_sets_the_peer, 0, UNIT_ROWS(welcomes));
	tcase_add_test(tc, welcome_twice);
	tcase_add_test(tc, no_welcome);
	tcase_add_test(tc, refuse);
	tcase_add_test(tc, drain_is_told);
	tcase_add_test(tc, drain_is_left);
	tcase_add_loop_test(tc, clients_can_not_play_the_relay, 0, 3);
	tcase_add_test(tc, half_a_message);
	tc = unit_case(suite, "pings");
	tcase_add_checked_fixture(tc, reset, NULL);
	tcase_add_test(tc, keepalive_is_a_ping);
	tcase_add_test(tc, pings_are_rare);
	tcase_add_test(tc, silence);
	tcase_add_test(tc, forged_pong);
	tcase_add_test(tc, pong_of_its_own);
	tcase_add_test(tc, pong_with_a_ping);
	tcase_add_test(tc, ping_back);
	tcase_add_test(tc, echo_answered);
	tcase_add_test(tc, echo_left);
	tc = unit_case(suite, "connecting");
	tcase_add_checked_fixture(tc, reset, NULL);
	tcase_add_loop_test(tc, order, 0, UNIT_ROWS(orders));
	tcase_add_test(tc, addresses_in_turn);
	tcase_add_test(tc, dial);
	tc = unit_case(suite, "order");
	tcase_add_checked_fixture(tc, reset, NULL);
	tcase_add_test(tc, other_order);
	tcase_add_loop_test(tc, no_order, 0, 2);
	tcase_add_test(tc, no_order_and_no_welcome);
	tcase_add_loop_test(tc, stock_peer, 0, 2);
	tcase_add_test(tc, stock_peer_is_of_no_use);
	tcase_add_test(tc, hello_pings_until_a_welcome);
	tcase_add_test(tc, first_order);
	tcase_add_test(tc, order_to_begin_with);
	tcase_add_test(tc, closed_on_both);
	tcase_add_test(tc, closed_on_a_question);
	tcase_add_test(tc, peer_speaks_first);
	tcase_add_test(tc, order_in_doubt);
	tcase_add_test(tc, timestamps_of_pongs);
	return suite;
}

UNIT_MAIN(session_suite)
