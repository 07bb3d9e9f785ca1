/* SPDX-License-Identifier: MIT */
#include "cmd/relay/record.h"

#include "cmd/common/ending.h"
#include "cmd/common/log.h"
#include "cmd/relay/record_packet.h"
#include "cmd/stats/map.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RING_BYTES ((size_t)8 << 20)
#define CONNS_MAX ((size_t)1 << 20)
#define FLUSH_S 1 /* what was recorded is in the file after so long */
#define S_NS INT64_C(1000000000)

/* A connection that is recorded. */
struct flow {
	uint64_t conn; /* the key; first */
	struct record_ends ends; /* from the peer */
	uint32_t seq[2]; /* the next one, by enum record_way */
};

struct record {
	pthread_mutex_t lock; /* of all but what the thread owns */
	pthread_cond_t wake; /* the thread */
	struct map flows;
	uint8_t *ring;
	size_t ring_bytes;
	uint64_t head, tail; /* bytes ever put in and taken out */
	uint64_t n_dropped;
	bool stop, failed;
	bool started;
	pthread_t thread;
	/* the thread's */
	struct record_file *file;
	uint8_t packet[RECORD_HEAD_BYTES + RECORD_SEGMENT_BYTES];
};

/* ---- the ring; under the lock, or between tail and a head once seen ---- */

/* How much of `n` bytes stands before the ring's end. */
static size_t
before_end(const struct record *rec, uint64_t at, size_t n)
{
	size_t left = rec->ring_bytes - (size_t)(at % rec->ring_bytes);

	return n < left ? n : left;
}

static void
put(struct record *rec, const void *p, size_t n)
{
	size_t first = before_end(rec, rec->head, n);

	if (n == 0)
		return;
	memcpy(rec->ring + rec->head % rec->ring_bytes, p, first);
	memcpy(rec->ring, (const uint8_t *)p + first, n - first);
	rec->head += n;
}

static void
get(const struct record *rec, uint64_t at, void *p, size_t n)
{
	size_t first = before_end(rec, at, n);

	memcpy(p, rec->ring + at % rec->ring_bytes, first);
	memcpy((uint8_t *)p + first, rec->ring, n - first);
}

static bool
has_room(const struct record *rec, size_t n_bytes)
{
	return !rec->failed &&
	    rec->ring_bytes - (size_t)(rec->head - rec->tail) >=
	    sizeof(struct record_segment) + n_bytes;
}

/* ---- what passes; under the lock ---- */

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * S_NS + ts.tv_nsec;
}

/* Where we are in the slices of a piece. */
struct cursor {
	const struct bnet_slice *pieces;
	size_t at; /* in the first one */
};

/* The next `n_bytes`; into the ring, unless they are to be lost. */
static void
pass(struct record *rec, struct cursor *cur, size_t n_bytes, bool keep)
{
	size_t some;

	while (n_bytes > 0) {
		some = cur->pieces->len - cur->at;
		if (some > n_bytes)
			some = n_bytes;
		if (keep && some > 0)
			put(rec, cur->pieces->p + cur->at, some);
		cur->at += some;
		n_bytes -= some;
		if (cur->at == cur->pieces->len) {
			cur->pieces++;
			cur->at = 0;
		}
	}
}

/* A segment of the next `n_bytes`, which has none where `cur` is NULL. */
static void
segment(struct record *rec, struct flow *flow, enum record_way way,
    unsigned flags, struct cursor *cur, size_t n_bytes)
{
	struct record_segment seg;
	bool keep = has_room(rec, n_bytes);

	memset(&seg, 0, sizeof(seg));
	seg.time_ns = now_ns();
	seg.ends =
	    way == RECORD_IN ? flow->ends : record_ends_swap(&flow->ends);
	seg.seq = flow->seq[way];
	seg.ack = (flags & RECORD_ACK) != 0 ? flow->seq[1 - way] : 0;
	seg.n_bytes = (uint32_t)n_bytes;
	seg.flags = (uint8_t)flags;
	if (keep)
		put(rec, &seg, sizeof(seg));
	else
		rec->n_dropped++;
	if (cur != NULL)
		pass(rec, cur, n_bytes, keep);
	flow->seq[way] += (uint32_t)n_bytes;
	if ((flags & (RECORD_SYN | RECORD_FIN)) != 0)
		flow->seq[way]++;
	if (rec->head - rec->tail >= rec->ring_bytes / 4)
		pthread_cond_signal(&rec->wake);
}

void
record_open(struct record *rec, uint64_t conn, const struct address *peer,
    const struct address *local)
{
	struct flow *flow;

	pthread_mutex_lock(&rec->lock);
	flow = map_get(&rec->flows, &conn);
	if (flow != rec->flows.others) {
		flow->ends = record_ends_of(peer, local, conn);
		segment(rec, flow, RECORD_IN, RECORD_SYN, NULL, 0);
		segment(
		    rec, flow, RECORD_OUT, RECORD_SYN | RECORD_ACK, NULL, 0);
		segment(rec, flow, RECORD_IN, RECORD_ACK, NULL, 0);
	} else {
		rec->n_dropped++;
	}
	pthread_mutex_unlock(&rec->lock);
}

void
record_bytes(struct record *rec, uint64_t conn, enum record_way way,
    const struct bnet_slice *pieces, size_t n)
{
	struct cursor cur = { .pieces = pieces };
	struct flow *flow;
	size_t left = 0, some;

	for (size_t i = 0; i < n; i++)
		left += pieces[i].len;
	pthread_mutex_lock(&rec->lock);
	flow = map_find(&rec->flows, &conn);
	if (flow == NULL)
		rec->n_dropped++;
	for (; flow != NULL && left > 0; left -= some) {
		some =
		    left < RECORD_SEGMENT_BYTES ? left : RECORD_SEGMENT_BYTES;
		segment(rec, flow, way, RECORD_PUSH | RECORD_ACK, &cur, some);
	}
	pthread_mutex_unlock(&rec->lock);
}

void
record_close(struct record *rec, uint64_t conn)
{
	struct flow *flow;

	pthread_mutex_lock(&rec->lock);
	flow = map_find(&rec->flows, &conn);
	if (flow != NULL) {
		segment(rec, flow, RECORD_IN, RECORD_FIN | RECORD_ACK, NULL, 0);
		segment(
		    rec, flow, RECORD_OUT, RECORD_FIN | RECORD_ACK, NULL, 0);
		segment(rec, flow, RECORD_IN, RECORD_ACK, NULL, 0);
		map_remove(&rec->flows, &conn);
	}
	pthread_mutex_unlock(&rec->lock);
}

uint64_t
record_dropped(struct record *rec)
{
	uint64_t n;

	pthread_mutex_lock(&rec->lock);
	n = rec->n_dropped;
	pthread_mutex_unlock(&rec->lock);
	return n;
}

/* ---- the thread that writes ---- */

static void
take(struct record *rec, uint64_t until)
{
	pthread_mutex_lock(&rec->lock);
	rec->tail = until;
	pthread_mutex_unlock(&rec->lock);
}

/* The segment at `at`. False: it could not be written. */
static bool
write_one(struct record *rec, uint64_t *at, char err[RECORD_ERR_CHARS])
{
	struct record_segment seg;
	uint8_t *packet;
	size_t n;

	get(rec, *at, &seg, sizeof(seg));
	get(rec, *at + sizeof(seg), rec->packet + RECORD_HEAD_BYTES,
	    seg.n_bytes);
	packet = record_packet(&seg, rec->packet, &n);
	*at += sizeof(seg) + seg.n_bytes;
	return record_file_write(rec->file, seg.time_ns, packet, n, err);
}

static void
give_up(struct record *rec, const char *err)
{
	log_error("nothing more is recorded", LOG_STR("reason", err));
	pthread_mutex_lock(&rec->lock);
	rec->failed = true;
	rec->tail = rec->head;
	pthread_mutex_unlock(&rec->lock);
}

/* All from the tail to `head`, giving room back as it goes. */
static void
write_all(struct record *rec, uint64_t head)
{
	char err[RECORD_ERR_CHARS];
	uint64_t at = rec->tail; /* only this thread moves it */
	uint64_t given = at;

	if (rec->failed)
		return;
	while (at < head) {
		if (!write_one(rec, &at, err)) {
			give_up(rec, err);
			return;
		}
		if (at - given >= rec->ring_bytes / 16) {
			take(rec, at);
			given = at;
		}
	}
	if (!record_file_flush(rec->file, err))
		give_up(rec, err);
	else
		take(rec, head);
}

/* Until a part of the ring is full, a second has passed, or it is over. */
static void
wait_for_some(struct record *rec)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += FLUSH_S;
	while (!rec->stop && rec->head - rec->tail < rec->ring_bytes / 4)
		if (pthread_cond_timedwait(&rec->wake, &rec->lock, &until) ==
		    ETIMEDOUT)
			break;
}

static void *
writer(void *arg)
{
	struct record *rec = arg;
	uint64_t head;
	bool stop;

	do {
		pthread_mutex_lock(&rec->lock);
		wait_for_some(rec);
		head = rec->head;
		stop = rec->stop;
		pthread_mutex_unlock(&rec->lock);
		write_all(rec, head);
	} while (!stop);
	return NULL;
}

/* ---- beginning and end ---- */

static bool
init(struct record *rec, const struct record_settings *set)
{
	pthread_condattr_t attr;

	rec->ring_bytes = set->ring_bytes != 0 ? set->ring_bytes : RING_BYTES;
	rec->ring = malloc(rec->ring_bytes);
	if (rec->ring == NULL ||
	    !map_init(&rec->flows, sizeof(struct flow), 1, CONNS_MAX)) {
		free(rec->ring);
		return false;
	}
	(void)pthread_mutex_init(&rec->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&rec->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	return true;
}

struct record *
record_new(const struct record_settings *set, char err[RECORD_ERR_CHARS])
{
	struct record *rec = calloc(1, sizeof(*rec));

	if (rec == NULL || !init(rec, set)) {
		(void)snprintf(err, RECORD_ERR_CHARS, "out of memory");
		free(rec);
		return NULL;
	}
	(void)signal(SIGXFSZ, SIG_IGN);
	rec->file =
	    record_file_open(set->path, set->file_bytes, set->n_files, err);
	if (rec->file != NULL)
		return rec;
	record_free(rec);
	return NULL;
}

bool
record_start(struct record *rec)
{
	errno = pthread_create(&rec->thread, NULL, writer, rec);
	rec->started = errno == 0;
	return rec->started;
}

void
record_free(struct record *rec)
{
	if (rec == NULL)
		return;
	pthread_mutex_lock(&rec->lock);
	rec->stop = true;
	pthread_cond_signal(&rec->wake);
	pthread_mutex_unlock(&rec->lock);
	if (rec->started && !ending_join(rec->thread, "the recording"))
		return;
	if (!rec->started && rec->file != NULL)
		write_all(rec, rec->head);
	record_file_close(rec->file);
	if (ending_is_stuck())
		return; /* who goes on may come with bytes */
	map_free(&rec->flows);
	free(rec->ring);
	pthread_mutex_destroy(&rec->lock);
	pthread_cond_destroy(&rec->wake);
	free(rec);
}
