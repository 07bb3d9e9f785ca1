/* SPDX-License-Identifier: MIT */
#include "cmd/capture/streams.h"

#include "cmd/capture/order.h"
#include "cmd/capture/tls.h"

#include <arpa/inet.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 1024
#define BUCKETS_MAX (1 << 20)
/* Clients do not use the ports below without asking for them. */
#define SERVICE_PORTS 1024
/* How long stray segments of a finished connection still belong to it. */
#define LINGER_NS INT64_C(5000000000)
#define EXPIRE_NS INT64_C(1000000) /* between looks at who is silent */

/* A segment of the same connection is nearer than this. */
#define FAR_BYTES (UINT32_C(1) << 24)

/* ---- the table ---- */

bool
streams_init(struct streams *streams, size_t n_max)
{
	size_t n = BUCKETS_MIN;

	while (n < n_max && n < BUCKETS_MAX)
		n *= 2;
	*streams = (struct streams){ .n_buckets = n };
	streams->bucket = calloc(n, sizeof(struct stream *));
	/* without a seed, only a flood of forged ends would be slower */
	if (RAND_bytes((unsigned char *)&streams->seed,
		(int)sizeof(streams->seed)) != 1)
		streams->seed = (uint64_t)(uintptr_t)streams;
	return streams->bucket != NULL;
}

void
streams_free(struct streams *streams)
{
	free(streams->bucket);
}

static uint64_t
mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static size_t
bucket_of(const struct streams *streams, const struct stream_key *key)
{
	uint64_t h = streams->seed, v[2];

	for (int i = 0; i < 2; i++) {
		memcpy(v, key->end[i].ip, sizeof(v));
		h = mix(h, v[0]);
		h = mix(h, v[1]);
		h = mix(h, key->end[i].port);
	}
	return (size_t)(h ^ h >> 32) & (streams->n_buckets - 1);
}

static bool
same_end(const struct cap_end *a, const struct cap_end *b)
{
	return a->port == b->port && a->v6 == b->v6 &&
	    memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool
same_key(const struct stream_key *a, const struct stream_key *b)
{
	return same_end(&a->end[0], &b->end[0]) &&
	    same_end(&a->end[1], &b->end[1]);
}

struct stream *
streams_find(struct streams *streams, const struct stream_key *key)
{
	struct stream *s = streams->last_hit;

	if (s != NULL && same_key(&s->key, key))
		return s;
	s = streams->bucket[bucket_of(streams, key)];
	while (s != NULL && !same_key(&s->key, key))
		s = s->chain;
	if (s != NULL)
		streams->last_hit = s;
	return s;
}

/* Is it farther away than any window from what is known of the direction? */
static bool
is_far(const struct tcp_half *half, uint32_t seq)
{
	uint32_t near = half->started ? half->next_seq
	    : half->sent              ? half->sent_seq
				      : half->peer_ack;

	return (half->started || half->sent || half->acked) &&
	    seq - near + FAR_BYTES > 2 * FAR_BYTES;
}

static bool
continues(const struct stream *s, int dir, const struct cap_segment *seg)
{
	if ((seg->flags & TCP_SYN) && s->isn_known[dir])
		return s->isn[dir] == seg->seq;
	return !is_far(&s->half[dir], seg->seq) &&
	    !((seg->flags & TCP_ACK) && is_far(&s->half[!dir], seg->ack));
}

struct stream *
streams_of_tunnel(struct streams *streams, struct stream *first, int sender,
    const struct cap_segment *seg)
{
	struct stream *s, *found = NULL, *closing = NULL;

	s = streams->bucket[bucket_of(streams, &first->key)];
	for (; s != NULL; s = s->chain) {
		int dir = sender != s->opener;

		if (!same_key(&s->key, &first->key))
			continue;
		if (s->tunnel[dir] == seg->tunnel) {
			found = s;
			break;
		}
		if (found == NULL && continues(s, dir, seg))
			found = s;
		if (s->closing)
			closing = s;
	}
	if (found == NULL) /* its ports are used again, perhaps */
		found = closing;
	if (found != NULL)
		streams->last_hit = found;
	return found;
}

static struct stream_list *
list_of(struct streams *streams, const struct stream *s)
{
	if (s->dormant)
		return &streams->dormant;
	if (s->silent)
		return &streams->silent;
	return s->closing ? &streams->closing : &streams->open;
}

static void
unlist(struct streams *streams, struct stream *s)
{
	struct stream_list *list = list_of(streams, s);

	if (s->older != NULL)
		s->older->newer = s->newer;
	else
		list->oldest = s->newer;
	if (s->newer != NULL)
		s->newer->older = s->older;
	else
		list->newest = s->older;
}

static void
enlist(struct streams *streams, struct stream *s)
{
	struct stream_list *list = list_of(streams, s);

	s->older = list->newest;
	s->newer = NULL;
	if (list->newest != NULL)
		list->newest->newer = s;
	else
		list->oldest = s;
	list->newest = s;
}

struct stream *
streams_add(struct streams *streams, const struct stream_key *key)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct stream **bucket;

	if (s == NULL)
		return NULL;
	s->key = *key;
	s->pub.number = streams->n_ever++;
	bucket = &streams->bucket[bucket_of(streams, key)];
	s->chain = *bucket;
	*bucket = s;
	enlist(streams, s);
	streams->n++;
	streams->last_hit = s;
	return s;
}

void
streams_remove(struct streams *streams, struct stream *stream)
{
	struct stream **link =
	    &streams->bucket[bucket_of(streams, &stream->key)];

	while (*link != stream)
		link = &(*link)->chain;
	*link = stream->chain;
	unlist(streams, stream);
	streams->n--;
	if (streams->last_hit == stream)
		streams->last_hit = NULL;
	flow_free_proxied(stream);
	free(stream);
}

void
streams_touch(struct streams *streams, struct stream *stream, bool closing)
{
	if (stream->newer == NULL && stream->closing == closing &&
	    !(stream->dormant | stream->silent))
		return;
	unlist(streams, stream);
	stream->closing = closing;
	stream->dormant = false;
	stream->silent = false;
	enlist(streams, stream);
}

void
streams_rest(struct streams *streams, struct stream *stream)
{
	unlist(streams, stream);
	stream->dormant = true;
	stream->silent = false;
	enlist(streams, stream);
}

/* Nothing evicts it while there is memory, but then it goes first. */
static void
set_silent(struct streams *streams, struct stream *stream)
{
	unlist(streams, stream);
	stream->silent = true;
	enlist(streams, stream);
}

struct stream *
streams_oldest(struct streams *streams)
{
	struct stream *s = streams->closing.oldest;

	if (s == NULL)
		s = streams->silent.oldest;
	if (s == NULL)
		s = streams->open.oldest;
	return s != NULL ? s : streams->dormant.oldest;
}

/* ---- opening, closing, resting ---- */

static void
free_suspect(struct cap *cap, struct stream *s)
{
	if (s->suspect == NULL)
		return;
	cap->held_bytes -= sizeof(*s->suspect) + s->suspect->segment.data.len;
	free(s->suspect);
	s->suspect = NULL;
}

void
streams_drop_suspect(struct cap *cap, struct stream *s)
{
	const struct suspect *suspect = s->suspect;

	if (suspect == NULL)
		return;
	cap->mark = suspect->mark;
	cap_emit(cap, s, suspect->dir, CAP_NOTE, suspect->segment.data.len,
	    "a segment beyond any window is left out");
	free_suspect(cap, s);
}

void
streams_release(struct cap *cap, struct stream *s)
{
	free_suspect(cap, s);
	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++) {
		tcp_drop(&s->half[dir], &cap->tcp);
		flow_free(cap, &s->flow[dir]);
	}
	flow_wait_end(cap, s);
	cap_tls_free(s->tls);
	s->tls = NULL;
	cap->held_bytes -= s->tls_held_bytes;
	s->tls_held_bytes = 0;
}

void
streams_end(struct cap *cap, struct stream *s)
{
	if (s->ended)
		return;
	s->ended = true;
	streams_drop_suspect(cap, s);
	for (int dir = CAP_UP; dir <= CAP_DOWN && !s->ignored; dir++) {
		struct flow_ref ref = { cap, s, (enum cap_dir)dir };

		tcp_flush(&s->half[dir], &cap->tcp, &ref);
	}
	cap->mark = cap->tcp.now;
	flow_finish(cap, s);
}

void
streams_close(struct cap *cap, struct stream *s)
{
	streams_end(cap, s);
	order_flush_stream(cap, s);
	streams_release(cap, s);
	if (cap->sink.closed != NULL)
		cap->sink.closed(cap->sink.arg, &s->pub);
	streams_remove(&cap->streams, s);
}

static size_t
held_bytes(const struct stream *s, int dir)
{
	const struct suspect *suspect = s->suspect;

	return s->half[dir].held_bytes + flow_kept(&s->flow[dir]) +
	    (suspect != NULL && (int)suspect->dir == dir
		    ? suspect->segment.data.len
		    : 0);
}

/* Reported for each direction that holds something, or once. */
static void
close_for(struct cap *cap, struct stream *s, const char *reason)
{
	bool reported = s->closing;

	cap->mark = cap->tcp.now;
	for (int dir = CAP_DOWN; dir >= CAP_UP && !s->closing; dir--) {
		size_t held = held_bytes(s, dir);

		if (held == 0 && (reported || dir == CAP_DOWN))
			continue;
		cap_emit(cap, s, (enum cap_dir)dir, CAP_LIMIT, held, reason);
		reported = true;
	}
	streams_close(cap, s);
}

/* Loses nothing: the stream continues when it is seen again. */
static bool
rest(struct cap *cap, struct stream *s)
{
	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++)
		if (held_bytes(s, dir) > 0)
			return false;
	if (s->tls_held_bytes > 0)
		return false;
	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++) {
		tcp_forget(&s->half[dir], &cap->tcp);
		cap->held_bytes -= s->flow[dir].held_bytes;
		s->flow[dir].held_bytes = 0;
		bnet_buf_free(&s->flow[dir].unsynced);
	}
	streams_rest(&cap->streams, s);
	return true;
}

void
streams_expire(struct cap *cap)
{
	struct streams *streams = &cap->streams;
	struct stream *s;

	cap->expire_ns = cap->time_ns + EXPIRE_NS;
	/*
	 * a RST may be forged: a stream that holds nothing may still continue
	 */
	while ((s = streams->closing.oldest) != NULL &&
	    cap->time_ns - s->seen_ns > LINGER_NS)
		if (s->waiting) {
			/* a pipe may be faster than the key log */
			s->seen_ns = cap->time_ns;
			unlist(streams, s);
			enlist(streams, s);
		} else if ((s->half[0].ended && s->half[1].ended) ||
		    !rest(cap, s))
			streams_close(cap, s);
	while ((s = streams->open.oldest) != NULL &&
	    cap->time_ns - s->seen_ns > cap->set.limits.idle_ns)
		if (!rest(cap, s))
			set_silent(streams, s);
}

/* Evicts finished streams first, then those silent the longest. */
static void
make_place(struct cap *cap)
{
	struct streams *streams = &cap->streams;
	struct stream *s = streams->closing.oldest;

	if (s == NULL)
		s = streams->dormant.oldest;
	if (s == NULL)
		s = streams_oldest(streams);
	close_for(cap, s, "too many streams at once: the oldest is closed");
}

void
streams_make_room(struct cap *cap)
{
	struct streams *streams = &cap->streams;
	struct stream *s;

	while (cap->held_bytes > cap->set.limits.total_bytes) {
		s = streams_oldest(streams);
		if (s == NULL)
			break;
		if (s->closing || s->dormant || !rest(cap, s))
			close_for(cap, s,
			    "the memory limit: the oldest stream that holds"
			    " something is closed");
	}
}

/* Did the sender of the first segment seen open the connection? */
static bool
sender_opened(const struct cap *cap, const struct cap_segment *seg)
{
	if (seg->flags & TCP_SYN)
		return !(seg->flags & TCP_ACK);
	if (cap_port_listed(cap, seg->dst.port) !=
	    cap_port_listed(cap, seg->src.port))
		return cap_port_listed(cap, seg->dst.port);
	return seg->src.port >= seg->dst.port;
}

/*
 * The listed ports are those of listening sides. A SYN shows who listens;
 * without one, a listed port may be a client's if the other is a service's.
 */
static void
judge_ports(
    const struct cap *cap, struct stream *s, const struct cap_segment *seg)
{
	const struct cap_end *server = &s->key.end[!s->opener];
	const struct cap_end *client = &s->key.end[s->opener];
	bool server_listed = cap_port_listed(cap, server->port);
	bool known = (seg->flags & TCP_SYN) != 0;

	if (known && !server_listed && !cap->set.any_port)
		s->ignored = true;
	else if (known || !server_listed)
		s->undecided = cap->set.any_port && !server_listed;
	else
		s->undecided = client->port < SERVICE_PORTS &&
		    !cap_port_listed(cap, client->port);
}

static void
write_end(struct stream *s, int i, const struct cap_end *end)
{
	char ip[INET6_ADDRSTRLEN];

	inet_ntop(end->v6 ? AF_INET6 : AF_INET, end->ip, ip, sizeof(ip));
	s->pub.end_chars[i] =
	    (uint8_t)snprintf(s->pub.end[i], sizeof(s->pub.end[i]),
		end->v6 ? "[%s]:%u" : "%s:%u", ip, end->port);
}

struct stream *
streams_open(struct cap *cap, const struct stream_key *key, int sender,
    const struct cap_segment *seg)
{
	struct stream *s;

	if (cap->streams.n >= cap->set.limits.n_streams)
		make_place(cap);
	s = streams_add(&cap->streams, key);
	if (s == NULL)
		return NULL;
	cap->counters.streams++;
	s->opener = (uint8_t)(sender_opened(cap, seg) ? sender : !sender);
	s->pub.order = cap->set.order;
	judge_ports(cap, s, seg);
	write_end(s, 0, &key->end[s->opener]);
	write_end(s, 1, &key->end[!s->opener]);
	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++)
		bnet_buf_init(
		    &s->flow[dir].unsynced, cap->set.limits.stream_bytes);
	return s;
}
