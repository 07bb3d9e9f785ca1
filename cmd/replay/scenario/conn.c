/* SPDX-License-Identifier: MIT */
#include "cmd/replay/scenario/conn.h"

double peer_timeout_s = 10;
bool peer_muted;
int peer_epoll = -1;
struct bnet_codecs *peer_codecs;
struct peer_conn *peer_conns;
struct peer_conn *
peer_conn_find(const char *name)
{
	struct peer_conn *c;

	for (c = peer_conns; c != NULL; c = c->next)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

struct peer_conn *
peer_conn(const char *name)
{
	struct peer_conn *c = peer_conn_find(name);

	if (c == NULL)
		peer_wrong("no connection is called '%s'", name);
	return c;
}

static void
peer_conn_add(struct peer_conn *c, struct peer_event *ev)
{
	if (!peer_muted)
		printf("%s: %s\n", c->name, ev->text);
	*c->last = ev;
	c->last = &ev->next;
}

struct peer_event *
peer_conn_take(struct peer_conn *c)
{
	struct peer_event *ev = c->first;

	c->first = ev->next;
	if (c->first == NULL)
		c->last = &c->first;
	return ev;
}

void
peer_conn_shut(struct peer_conn *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

void
peer_conn_ended(struct peer_conn *c, const char *how, const char *reason)
{
	char text[256];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s", how);
	int len = (int)n;

	if (reason != NULL)
		len +=
		    snprintf(text + n, sizeof(text) - n, " reason=%s", reason);
	for (size_t i = n + 1; i < sizeof(text) && (int)i < len; i++)
		if (!isgraph((unsigned char)text[i]))
			text[i] = '_';
	peer_conn_shut(c);
	peer_conn_add(c, peer_event_text(text));
}

static void
peer_conn_watch(struct peer_conn *c, bool writes)
{
	struct epoll_event ev = { .data.ptr = c };

	if (c->fd < 0)
		return;
	ev.events = (c->paused ? 0u : EPOLLIN) | (writes ? EPOLLOUT : 0u);
	if (epoll_ctl(peer_epoll, EPOLL_CTL_MOD, c->fd, &ev) != 0 &&
	    epoll_ctl(peer_epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		peer_wrong("epoll_ctl: %s", strerror(errno));
}

bool
peer_conn_write(struct peer_conn *c)
{
	struct bnet_slice out;
	ssize_t n;

	while (c->fd >= 0 && !c->mute_writes) {
		if (bnet_link_output(c->link, &out) != BNET_OK)
			peer_wrong("%s: cannot encrypt", c->name);
		if (out.len == 0)
			break;
		n = send(c->fd, out.p, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			peer_conn_watch(c, true);
			return false;
		}
		if (n < 0) /* reading will say why */
			c->mute_writes = true;
		else
			bnet_link_output_done(c->link, (size_t)n);
	}
	peer_conn_watch(c, false);
	return true;
}

static void
peer_pong(struct peer_conn *c, const struct bnet_header *ping)
{
	struct bnet_packet pong = { .has_oob = true,
		.has_header = true,
		.header = { .key = BNET_KEY_PONG,
		    .priority = true,
		    .timestamp = ping->timestamp & ~BNET_TIMESTAMP_PING_BACK },
		.payload = { (const uint8_t *)"pong", 4 } };

	if (bnet_link_send(c->link, &pong) != BNET_OK)
		peer_wrong("%s: cannot queue a pong", c->name);
}

static enum bnet_err
peer_conn_packet(void *arg, const struct bnet_packet *p)
{
	struct peer_conn *c = arg;

	peer_conn_add(c, peer_event_packet(p, BNET_OK));
	if (p->has_header && p->header.timestamp != 0 &&
	    p->header.key != BNET_KEY_PONG && !c->no_pong)
		peer_pong(c, &p->header);
	return BNET_OK;
}

static enum bnet_err
peer_conn_bad(void *arg, const struct bnet_packet *p, enum bnet_err why)
{
	peer_conn_add(arg, peer_event_packet(p, why));
	return BNET_OK;
}

static void
peer_conn_fed(struct peer_conn *c, enum bnet_err err)
{
	(void)peer_conn_write(c); /* handshake, alert, pongs */
	if (err == BNET_CLOSED)
		peer_conn_ended(c, "closed", NULL);
	else if (err == BNET_ETLS)
		peer_conn_ended(
		    c, "tls-failed", bnet_tls_reason(bnet_link_tls(c->link)));
	else if (err != BNET_OK)
		peer_conn_ended(c, "bad", bnet_strerror(err));
}

static void
peer_conn_read(struct peer_conn *c)
{
	static uint8_t bytes[PEER_READ_BYTES];
	const struct bnet_link_sink sink = { peer_conn_packet, peer_conn_bad,
		c };
	ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	size_t used;

	if (n > 0)
		peer_conn_fed(c,
		    bnet_link_feed(c->link,
			(struct bnet_slice){ bytes, (size_t)n }, &sink, &used));
	else if (n == 0 && bnet_link_end(c->link) == BNET_CLOSED)
		peer_conn_ended(c, "closed", NULL);
	else if (n == 0)
		peer_conn_ended(c, "cut", NULL);
	else if (errno != EAGAIN && errno != EINTR)
		peer_conn_ended(c, "reset", strerror(errno));
}

bool
peer_pump(int64_t deadline_ns)
{
	struct epoll_event ready[64];
	int64_t left_ms = (deadline_ns - clock_now_ns() + 999999) / 1000000;
	int n =
	    epoll_wait(peer_epoll, ready, 64, left_ms < 0 ? 0 : (int)left_ms);

	for (int i = 0; i < n; i++) {
		struct peer_conn *c = ready[i].data.ptr;

		if (ready[i].events & EPOLLOUT)
			(void)peer_conn_write(c);
		if (c->fd >= 0 && !c->paused)
			peer_conn_read(c);
		else if (c->fd >= 0 && ready[i].events & (EPOLLERR | EPOLLHUP))
			/* seen when it reads again; do not spin till then */
			(void)epoll_ctl(peer_epoll, EPOLL_CTL_DEL, c->fd, NULL);
	}
	return n > 0 || clock_now_ns() < deadline_ns;
}

int64_t
peer_deadline(void)
{
	return clock_now_ns() + (int64_t)(peer_timeout_s * 1e9);
}
