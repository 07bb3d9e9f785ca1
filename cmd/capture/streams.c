/* SPDX-License-Identifier: MIT */
/* The table of TCP connections: a hash of both ends, and two lists by age. */
#include "cmd/capture/stream.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 1024
#define BUCKETS_MAX (1 << 20)

bool
streams_init(struct streams *streams, size_t n_max)
{
	size_t n = BUCKETS_MIN;

	while (n < n_max && n < BUCKETS_MAX)
		n *= 2;
	*streams = (struct streams){ .n_buckets = n };
	streams->bucket = calloc(n, sizeof(struct stream *));
	/* without a seed only a flood of made-up ends would be slower */
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

static struct stream_list *
list_of(struct streams *streams, const struct stream *s)
{
	if (s->dormant)
		return &streams->dormant;
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
	free(stream);
}

void
streams_touch(struct streams *streams, struct stream *stream, bool closing)
{
	if (stream->newer == NULL && stream->closing == closing &&
	    !stream->dormant)
		return;
	unlist(streams, stream);
	stream->closing = closing;
	stream->dormant = false;
	enlist(streams, stream);
}

void
streams_rest(struct streams *streams, struct stream *stream)
{
	unlist(streams, stream);
	stream->dormant = true;
	enlist(streams, stream);
}
