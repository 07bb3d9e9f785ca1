/* SPDX-License-Identifier: MIT */
/*
 * stock ROLE [OPTION]...: a peer as the published code is (bluenet-wire(5),
 * STOCK PEERS), for tests of what meets one.
 *
 *	stock server [--register NAME]... [--answer] [--answer-plain]
 *	stock proxy ...			nodes have a port of their own
 *	stock client ADDR:PORT [--tls]		does what standard input says
 *	stock --list				the traits, and which are on
 *
 *	--with TRAIT, --without TRAIT	it is so, or as the others are
 *	--id N		its own id (1)
 *	--cert FILE --key FILE		TLS 1.3
 *	--pcap FILE	a recording of all that it reads and writes, decrypted
 *	--alarm SECONDS	it ends then, whatever became of its test (600)
 *
 * It says "stock: ready on ADDR:PORT", a proxy "stock: nodes on ADDR:PORT" too,
 * and a line for everything that reaches an application:
 *	call key=0x... source=N dest_type=N dest=N payload=HEX
 *	application key=0x... payload=HEX	what nobody registered
 *
 * The client's commands: "send hop|node|client|broadcast|any DEST NAME TEXT
 * [FORK...]", "raw HEX", "plain TEXT", "await N" packets in all; it closes at
 * the end of them.
 */
#include "tests/tools/stock_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>

#define READ_BYTES 65536
#define KEYS_MAX 64
#define WORDS_MAX 1100
#define FIRST_NODE 1000

enum role {
	SERVER,
	PROXY,
	CLIENT
};

static enum role role;
static int32_t keys[KEYS_MAX];
static size_t n_keys;
static bool answers, answers_plain, tls_client;
static struct bnet_tls_ctx *tls_ctx;
static uint64_t n_delivered; /* to applications, pongs left out */
static const char *cert_path, *key_path;

/* ---- the applications ----------------------------------------------------- */

static void
print_hex(struct bnet_slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		printf("%02x", bytes.p[i]);
}

/* The payload with what lies behind it on the heap. */
static struct bnet_slice
lengthened(struct bnet_slice payload)
{
	static uint8_t bytes[LIMIT_BYTES + MORE_BYTES];
	static uint32_t heap = 0xfeedbeef;

	if (payload.len > 0)
		memcpy(bytes, payload.p, payload.len);
	if (!trait[FOUR_BYTES])
		return (struct bnet_slice){ bytes, payload.len };
	heap = heap * 1664525 + 1013904223;
	memcpy(bytes + payload.len, &heap, MORE_BYTES);
	return (struct bnet_slice){ bytes, payload.len + MORE_BYTES };
}

static bool
is_registered(int32_t key)
{
	for (size_t i = 0; i < n_keys; i++)
		if (keys[i] == key)
			return true;
	return false;
}

/* The callback of a registered key. */
static void
call(struct link *l, const struct taken *t)
{
	const struct bnet_header *h = &t->header;
	struct bnet_slice payload = lengthened(t->payload);
	struct bnet_header back = { .source = (int64_t)own_id,
		.dest_type = l->node ? BNET_DEST_NODE : BNET_DEST_CLIENT,
		.dest = h->source,
		.key = h->key };

	printf("call key=0x%08x source=%lld dest_type=%lld dest=%lld payload=",
	    (uint32_t)h->key, (long long)h->source, (long long)h->dest_type,
	    (long long)h->dest);
	print_hex(payload);
	puts("");
	if (!answers)
		return;
	back.timestamp = ping_for(l);
	headers_send(l, &back, NULL, 1, payload);
}

/* What is above, and knows nothing of keys. */
static void
application(struct link *l, const struct taken *t)
{
	printf("application key=0x%08x payload=",
	    t->has_header ? (uint32_t)t->header.key : 0);
	print_hex(t->payload);
	puts("");
	if (answers_plain && t->payload.len > 0)
		frame_send(l, (struct bnet_slice){ NULL, 0 }, t->payload);
}

static void
deliver(struct link *l, const struct taken *t)
{
	n_delivered++;
	if (t->has_header && t->header.key != 0 && is_registered(t->header.key))
		call(l, t);
	else if (trait[UNKNOWN_UP] || !t->has_header || t->header.key == 0)
		application(l, t);
}

/* ---- a proxy -------------------------------------------------------------- */

static struct link *
link_find(bool node, uint64_t id)
{
	EACH_LINK(l)
	if (l->node == node && l->id == id)
		return l;
	return NULL;
}

/* Copy `nth`, from 1, has so many headers. */
static void
pass(struct link *to, const struct link *from, const struct taken *t,
    unsigned nth, struct bnet_slice payload)
{
	struct bnet_header h = t->header;

	h.source = (int64_t)from->id;
	h.latency_ms += (uint32_t)(to->latency_us / 1000);
	h.timestamp = ping_for(to);
	if (h.dest_type == BNET_DEST_NODE)
		h.priority = true;
	if (h.forks > 0)
		h.dest = (int64_t)to->id;
	h.forks = 0;
	headers_send(to, &h, NULL, trait[FORK_HEADERS] ? nth : 1, payload);
}

static void
to_forks(struct link *from, const struct taken *t)
{
	struct bnet_slice payload = lengthened(t->payload);
	struct link *to;

	for (uint32_t i = 0; i < t->n_forks; i++) {
		to = link_find(false, t->forks[i]);
		if (to != NULL)
			pass(to, from, t, i + 1, payload);
	}
}

static void
drop(struct link *l, const struct taken *t)
{
	struct bnet_message message = { .type = BNET_MSG_ERROR };
	struct bnet_header h = { .source = (int64_t)own_id,
		.key = bnet_message_key(BNET_MSG_ERROR) };
	struct bnet_buf body;

	if (trait[SILENT_DROP])
		return;
	message.u.error.code = BNET_CODE_NO_DESTINATION;
	message.u.error.dest_type = t->header.dest_type;
	message.u.error.dest = t->header.dest;
	message.u.error.key = t->header.key;
	bnet_buf_init(&body, READ_BYTES);
	if (bnet_message_encode(&message, &body) == BNET_OK)
		headers_send(l, &h, NULL, 1, bnet_buf_slice(&body));
	bnet_buf_free(&body);
}

static void
proxy_route(struct link *l, const struct taken *t)
{
	const struct bnet_header *h = &t->header;
	bool own = h->dest == (int64_t)own_id;
	struct link *to = NULL;

	if (own && (trait[OWN_ID_LOCAL] || h->dest_type == BNET_DEST_NODE)) {
		deliver(l, t);
		return;
	}
	if (h->dest_type == BNET_DEST_CLIENT && h->forks > 0) {
		if (l->node)
			to_forks(l, t);
		return;
	}
	if (h->dest_type == BNET_DEST_NODE)
		to = link_find(true, (uint64_t)h->dest);
	else if (h->dest_type == BNET_DEST_CLIENT)
		to = link_find(false, (uint64_t)h->dest);
	if (to != NULL)
		pass(to, l, t, 1, lengthened(t->payload));
	else
		drop(l, t);
}

/* ---- packets -------------------------------------------------------------- */

static void
plain_behind(struct link *l)
{
	static const uint8_t text[] = "behind";

	if (trait[PLAIN_BEHIND])
		frame_send(l, (struct bnet_slice){ NULL, 0 },
		    (struct bnet_slice){ text, sizeof(text) - 1 });
}

static void
on_packet(struct link *l, const struct taken *t)
{
	const struct bnet_header *h = &t->header;

	if (!t->has_header || h->key == 0) {
		deliver(l, t);
		return;
	}
	if (h->key == BNET_KEY_PONG) {
		pong_taken(l, h);
		plain_behind(l);
		return;
	}
	if (h->timestamp != 0) {
		pong_send(l, h->timestamp);
		plain_behind(l);
		if ((h->timestamp & BNET_TIMESTAMP_PING_BACK) != 0)
			l->ping_wanted = true;
	}
	if (role == PROXY)
		proxy_route(l, t);
	else
		deliver(l, t);
}

/* ---- sockets -------------------------------------------------------------- */

static void
link_end(struct link *l)
{
	bnet_tls_free(l->tls);
	(void)close(l->fd);
	bnet_buf_free(&l->in);
	bnet_buf_free(&l->out);
	*l = (struct link){ .fd = -1 };
}

/* The lowest id that is free. */
static uint64_t
free_id(bool node)
{
	uint64_t id = node ? FIRST_NODE : own_id + 1;

	while (link_find(node, id) != NULL)
		id++;
	return id;
}

static struct link *
link_new(int fd, bool node)
{
	int one = 1;

	for (struct link *l = links; fd >= 0 && l < links + LINKS_MAX; l++) {
		if (l->fd >= 0)
			continue;
		*l = (struct link){ .fd = -1, .ping_wanted = true };
		l->id = free_id(node);
		l->node = node;
		l->fd = fd;
		bnet_buf_init(&l->in, BUFFER_BYTES);
		bnet_buf_init(&l->out, BUFFER_BYTES);
		if (!trait[NO_NODELAY])
			(void)setsockopt(
			    fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		record_open(l, role == CLIENT);
		if (tls_ctx != NULL)
			l->tls = bnet_tls_new(tls_ctx, NULL);
		return l;
	}
	if (fd >= 0)
		(void)close(fd);
	return NULL;
}

static void
link_read(struct link *l)
{
	static uint8_t bytes[READ_BYTES];
	ssize_t n = recv(l->fd, bytes, sizeof(bytes), 0);
	struct bnet_slice in = { bytes, n > 0 ? (size_t)n : 0 };
	size_t before = bnet_buf_slice(&l->in).len;
	enum bnet_err e;

	if (n <= 0) {
		/* a frame that is cut is lost, and nobody hears of it */
		l->ended = true;
		return;
	}
	e = l->tls != NULL ? bnet_tls_feed(l->tls, in, &l->in, &l->out)
			   : bnet_buf_append(&l->in, in);
	link_write(l);
	record(l, false, bnet_slice_from(bnet_buf_slice(&l->in), before));
	frames_read(l, on_packet);
	if (e != BNET_OK)
		l->ended = true;
}

static int
listen_on(const char *what)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, len) != 0 ||
	    listen(fd, 128) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0)
		err(1, "listen");
	printf("stock: %s on 127.0.0.1:%d\n", what, ntohs(sin.sin_port));
	return fd;
}

static void
links_turn(struct pollfd *ready)
{
	for (int i = 0; i < LINKS_MAX; i++) {
		struct link *l = &links[i];

		if (l->fd >= 0 && ready[i].fd == l->fd) {
			if ((ready[i].revents & POLLOUT) != 0)
				link_write(l);
			if ((ready[i].revents & ~POLLOUT) != 0)
				link_read(l);
		}
		if (l->fd >= 0 && l->ended)
			link_end(l);
	}
}

/* listeners[1]: of nodes, or standard input, or -1. */
static void
turn(int first, int second)
{
	static struct pollfd ready[LINKS_MAX + 2];

	for (int i = 0; i < LINKS_MAX; i++) {
		ready[i] =
		    (struct pollfd){ .fd = links[i].fd, .events = POLLIN };
		if (links[i].fd >= 0 && bnet_buf_slice(&links[i].out).len > 0)
			ready[i].events |= POLLOUT;
	}
	ready[LINKS_MAX] = (struct pollfd){ .fd = first, .events = POLLIN };
	ready[LINKS_MAX + 1] =
	    (struct pollfd){ .fd = second, .events = POLLIN };
	if (poll(ready, LINKS_MAX + 2, -1) < 0)
		return;
	links_turn(ready);
	if (first >= 0 && ready[LINKS_MAX].revents != 0)
		(void)link_new(accept(first, NULL, NULL), false);
	if (second >= 0 && ready[LINKS_MAX + 1].revents != 0)
		(void)link_new(accept(second, NULL, NULL), true);
	(void)fflush(stdout);
}

/* ---- the client's commands ------------------------------------------------ */

static struct bnet_slice
text_of(const char *text)
{
	return (struct bnet_slice){ (const uint8_t *)text, strlen(text) };
}

static int64_t
dest_type_of(const char *word)
{
	static const struct {
		const char *word;
		int64_t type;
	} types[] = { { "hop", 0 }, { "node", 1 }, { "client", 2 },
		{ "broadcast", 4 }, { "any", 8 } };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].word, word) == 0)
			return types[i].type;
	errx(2, "no destination: %s", word);
}

/* At most 1,024 ids a packet; one alone is no list. */
static void
send_forked(struct link *l, struct bnet_header *h, const uint64_t *ids,
    uint32_t n, struct bnet_slice payload)
{
	uint32_t most = trait[FORKS_1024] ? FORKS_MAX : n, part;

	do {
		part = n < most ? n : most;
		h->forks = part;
		if (part == 1 && trait[ONE_FORK_PLAIN]) {
			h->dest = (int64_t)ids[0];
			h->forks = 0;
		}
		h->timestamp = ping_for(l);
		headers_send(l, h, ids, 1, payload);
		ids += part;
		n -= part;
	} while (n > 0);
}

static void
do_send(struct link *l, char **words, size_t n)
{
	static uint64_t ids[WORDS_MAX * 2];
	struct bnet_header h = { 0 };
	uint32_t n_ids = 0;
	char *end;

	if (n < 5)
		errx(2, "send KIND DEST NAME TEXT [FORK...]");
	h.dest_type = dest_type_of(words[1]);
	h.dest = strtoll(words[2], NULL, 0);
	h.key = bnet_key(words[3]);
	h.latency_ms = (uint32_t)(l->latency_us / 1000);
	for (size_t i = 5; i < n; i++) {
		uint64_t id = strtoull(words[i], &end, 0), last = id;

		if (*end == '-')
			last = strtoull(end + 1, NULL, 0);
		for (; id <= last && n_ids < WORDS_MAX * 2; id++)
			ids[n_ids++] = id;
	}
	send_forked(l, &h, ids, n_ids, text_of(words[4]));
}

static void
do_raw(struct link *l, const char *hex)
{
	struct bnet_buf bytes;
	uint8_t byte;
	unsigned v;

	bnet_buf_init(&bytes, BUFFER_BYTES);
	for (; sscanf(hex, "%2x", &v) == 1; hex += 2) {
		byte = (uint8_t)v;
		if (bnet_buf_append(&bytes, (struct bnet_slice){ &byte, 1 }) !=
		    BNET_OK)
			errx(1, "out of memory");
	}
	link_queue(l, bnet_buf_slice(&bytes));
	bnet_buf_free(&bytes);
}

static void
run_line(struct link *l, char *line)
{
	static char *words[WORDS_MAX];
	size_t n = 0;
	char *save = NULL;

	for (char *w = strtok_r(line, " \n", &save); w != NULL && n < WORDS_MAX;
	     w = strtok_r(NULL, " \n", &save))
		words[n++] = w;
	if (n == 0)
		return;
	if (strcmp(words[0], "send") == 0)
		do_send(l, words, n);
	else if (strcmp(words[0], "raw") == 0 && n == 2)
		do_raw(l, words[1]);
	else if (strcmp(words[0], "plain") == 0 && n == 2)
		frame_send(
		    l, (struct bnet_slice){ NULL, 0 }, text_of(words[1]));
	else if (strcmp(words[0], "await") == 0 && n == 2)
		while (n_delivered < strtoull(words[1], NULL, 0)) {
			if (l->fd < 0)
				errx(1, "it has ended");
			turn(-1, -1);
		}
	else
		errx(2, "no command: %s", words[0]);
}

static void
run_client(const char *where)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	const char *colon = strrchr(where, ':');
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *line = NULL;
	struct link *l;
	size_t bytes = 0;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (colon == NULL)
		errx(2, "expected ADDR:PORT, not %s", where);
	sin.sin_port = htons((uint16_t)atoi(colon + 1));
	if (fd < 0 || connect(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		err(1, "%s", where);
	l = link_new(fd, false);
	if (l->tls != NULL && bnet_tls_start(l->tls, &l->out) != BNET_OK)
		errx(1, "TLS");
	link_write(l);
	while (l->fd >= 0 && l->tls != NULL && !bnet_tls_ready(l->tls))
		turn(-1, -1);
	while (l->fd >= 0 && getline(&line, &bytes, stdin) >= 0) {
		run_line(l, line);
		while (l->fd >= 0 && bnet_buf_slice(&l->out).len > 0)
			turn(-1, -1);
	}
	free(line);
	if (l->fd < 0)
		errx(1, "the other side closed");
	if (l->tls != NULL && bnet_tls_close(l->tls, &l->out) == BNET_OK)
		link_write(l);
	/* to the end of the other side, so that nothing is lost by a reset */
	(void)shutdown(l->fd, SHUT_WR);
	while (l->fd >= 0)
		turn(-1, -1);
}

/* ---- options -------------------------------------------------------------- */

static struct bnet_slice
file_of(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = malloc(READ_BYTES);
	size_t n;

	if (f == NULL || bytes == NULL)
		err(2, "%s", path);
	n = fread(bytes, 1, READ_BYTES, f);
	(void)fclose(f);
	return (struct bnet_slice){ bytes, n };
}

static void
make_tls(void)
{
	struct bnet_tls_settings set = { .role = BNET_TLS_SERVER,
		.version_min = BNET_TLS_1_3 };
	char why[256];

	set.insecure = tls_client;
	if (tls_client)
		set.role = BNET_TLS_CLIENT;
	else if (cert_path == NULL || key_path == NULL)
		return;
	if (cert_path != NULL)
		set.cert_pem = file_of(cert_path);
	if (key_path != NULL)
		set.key_pem = file_of(key_path);
	if (bnet_tls_ctx_new(&set, &tls_ctx, why, sizeof(why)) != BNET_OK)
		errx(2, "TLS: %s", why);
	free((void *)(uintptr_t)set.cert_pem.p);
	free((void *)(uintptr_t)set.key_pem.p);
}

static void
set_trait(const char *name, bool on)
{
	for (int i = 0; i < N_TRAITS; i++)
		if (strcmp(name, trait_names[i]) == 0) {
			trait[i] = on;
			return;
		}
	errx(2, "no such trait: %s", name);
}

/* One with a value. */
static void
option(const char *name, const char *value)
{
	if (value == NULL)
		errx(2, "%s: expected a value", name);
	else if (strcmp(name, "--with") == 0)
		set_trait(value, true);
	else if (strcmp(name, "--without") == 0)
		set_trait(value, false);
	else if (strcmp(name, "--register") == 0 && n_keys < KEYS_MAX)
		keys[n_keys++] = bnet_key(value);
	else if (strcmp(name, "--id") == 0)
		own_id = strtoull(value, NULL, 0);
	else if (strcmp(name, "--cert") == 0)
		cert_path = value;
	else if (strcmp(name, "--key") == 0)
		key_path = value;
	else if (strcmp(name, "--pcap") == 0)
		recording_begin(value);
	else if (strcmp(name, "--alarm") == 0)
		(void)alarm((unsigned)strtoul(value, NULL, 0));
	else
		errx(2, "no such option: %s", name);
}

static void
options(char **argv)
{
	for (; *argv != NULL; argv++) {
		if (strcmp(*argv, "--answer") == 0)
			answers = true;
		else if (strcmp(*argv, "--answer-plain") == 0)
			answers_plain = true;
		else if (strcmp(*argv, "--tls") == 0)
			tls_client = true;
		else {
			option(argv[0], argv[1]);
			argv++;
		}
	}
}

static void
list_traits(void)
{
	for (int i = 0; i < N_TRAITS; i++)
		printf("%s %s\n", trait_names[i], trait[i] ? "on" : "off");
	exit(0);
}

int
main(int argc, char **argv)
{
	int clients, nodes = -1;

	(void)alarm(600);
	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		list_traits();
	if (argc >= 3 && strcmp(argv[1], "client") == 0)
		role = CLIENT;
	else if (argc >= 2 && strcmp(argv[1], "proxy") == 0)
		role = PROXY;
	else if (argc < 2 || strcmp(argv[1], "server") != 0)
		errx(2,
		    "usage: stock server|proxy|client ADDR:PORT [OPTION]...");
	options(argv + (role == CLIENT ? 3 : 2));
	make_tls();
	for (int i = 0; i < LINKS_MAX; i++)
		links[i].fd = -1;
	bnet_buf_init(&packed, BUFFER_BYTES);
	if (role == CLIENT) {
		run_client(argv[2]);
		return 0;
	}
	clients = listen_on("ready");
	if (role == PROXY)
		nodes = listen_on("nodes");
	(void)fflush(stdout);
	for (;;)
		turn(clients, nodes);
}
