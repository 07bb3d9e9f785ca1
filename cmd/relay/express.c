/* SPDX-License-Identifier: MIT */
/*
 * The headers that a worker knows. Owns a table for each worker, in which a
 * header has a few places. It is learned when it comes a second time, so that
 * headers which never return drive out none.
 *
 * What is known of a header holds while no link has gone and no settings have
 * changed (routes_generation()): so its destination is listed, and its memory
 * is valid until the hook returns, as after a look-up.
 */
#include "cmd/relay/express.h"

#include "cmd/relay/forward.h"

#include <stdlib.h>
#include <string.h>

#define SETS 256 /* a power of two */
#define WAYS 4
#define OUT_MAX_BYTES 48
#define WORDS (BNET_RUN_OOB_MAX_BYTES / sizeof(uint64_t))

/* A header as it comes in on a link. */
struct coming {
	uint64_t from; /* the handle of the link; 0: none */
	uint64_t words[WORDS]; /* the out-of-band bytes, then zeros */
	uint32_t n_bytes;
	uint32_t codecs; /* of the payload; what its receiver has to offer */
};

struct known {
	struct coming in;
	uint64_t generation;
	struct peer *to; /* NULL: its packets are not for us */
	enum relay_counter counter;
	uint32_t latency_us; /* of the link to it, in `out` */
	uint32_t n_out_bytes;
	uint8_t out[OUT_MAX_BYTES];
};

/* The places of the headers whose hashes end alike. */
struct set {
	uint32_t tags[WAYS]; /* the upper half of the hash; 0: free */
	uint32_t missed[WAYS]; /* of those that had no place lately */
	uint32_t next, next_missed; /* the ones to be replaced next */
	struct known ways[WAYS];
};

struct express {
	struct set sets[SETS];
};

static struct coming
coming_of(struct engine_conn *conn, const struct bnet_run *run)
{
	struct coming in = { .from = engine_conn_sendq(conn)->handle,
		.n_bytes = (uint32_t)run->oob.len,
		.codecs = (uint32_t)run->codec };

	memcpy(in.words, run->oob.p, run->oob.len);
	return in;
}

static uint64_t
hash(const struct coming *in)
{
	uint64_t h = in->from ^ in->n_bytes;

	for (size_t i = 0; i < WORDS; i++) {
		h = (h ^ in->words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return h;
}

/* ---- learning ---- */

/* The header in the plain case: see express.h. */
static bool
is_plain(const struct bnet_packet *packet)
{
	const struct bnet_header *header = &packet->header;

	return header->forks == 0 && header->timestamp == 0 &&
	    !header->priority && header->key != 0 &&
	    header->key != BNET_KEY_PONG;
}

static bool
pack(struct known *known, const struct bnet_header *header)
{
	struct bnet_buf buf;
	bool fits;

	bnet_buf_init(&buf, OUT_MAX_BYTES);
	fits = bnet_header_encode(header, NULL, &buf) == BNET_OK;
	if (fits) {
		known->n_out_bytes = (uint32_t)buf.len;
		memcpy(known->out, bnet_buf_slice(&buf).p, buf.len);
	}
	bnet_buf_free(&buf);
	return fits;
}

/*
 * To whom does forward.c send packets of this header, and with which? False:
 * nothing that will hold.
 */
static bool
learn(struct relay *relay, struct engine_conn *conn, const struct bnet_run *run,
    struct known *known)
{
	const struct peer *from = peer_of(conn);
	struct bnet_packet packet = { .has_header = true };
	enum route_verdict verdict;
	struct route_entry *entry;

	known->to = NULL;
	if (bnet_header_decode(run->oob, &packet.header, &packet.forks,
		&packet.trailing_bytes) != BNET_OK ||
	    !is_plain(&packet))
		return true;
	verdict =
	    route_decide(&config_of(relay)->rules, from->entry.role, &packet);
	if (verdict != ROUTE_NODE && verdict != ROUTE_CLIENT)
		return true;
	entry = routes_find(relay->routes,
	    verdict == ROUTE_NODE ? BNET_ROLE_NODE : BNET_ROLE_CLIENT,
	    (uint64_t)packet.header.dest);
	if (entry == NULL)
		return false;
	known->to = (struct peer *)(void *)entry;
	known->counter = verdict == ROUTE_NODE ? RELAY_FORWARDED_NODE
					       : RELAY_FORWARDED_CLIENT;
	known->latency_us =
	    atomic_load_explicit(&known->to->latency_us, memory_order_relaxed);
	forward_header(&packet.header, verdict, from, known->latency_us);
	return (known->to->codecs & run->codec) == (uint32_t)run->codec &&
	    pack(known, &packet.header);
}

/* ---- what is known ---- */

static bool
is_valid(
    const struct known *known, const struct coming *in, uint64_t generation)
{
	return memcmp(&known->in, in, sizeof(*in)) == 0 &&
	    known->generation == generation &&
	    (known->to == NULL ||
		atomic_load_explicit(&known->to->latency_us,
		    memory_order_relaxed) == known->latency_us);
}

static unsigned
way_of(const uint32_t tags[WAYS], uint32_t tag)
{
	unsigned way = 0;

	while (way < WAYS && tags[way] != tag)
		way++;
	return way;
}

/* Is it the first time that this header has no place? */
static bool
is_new(struct set *set, uint32_t tag)
{
	if (way_of(set->missed, tag) < WAYS)
		return false;
	set->missed[set->next_missed++ % WAYS] = tag;
	return true;
}

static bool
teach(struct relay *relay, struct engine_conn *conn, const struct bnet_run *run,
    const struct coming *in, struct known *known)
{
	uint64_t generation = routes_generation(relay->routes);

	known->in.from = 0;
	if (!learn(relay, conn, run, known))
		return false;
	known->in = *in;
	known->generation = generation;
	return true;
}

/* NULL: the header has no place yet. */
static struct known *
find(struct relay *relay, struct express *express, struct engine_conn *conn,
    const struct bnet_run *run)
{
	const struct coming in = coming_of(conn, run);
	uint64_t h = hash(&in), generation = routes_generation(relay->routes);
	struct set *set = &express->sets[h % SETS];
	uint32_t tag = (uint32_t)(h >> 32) | 1;
	unsigned way = way_of(set->tags, tag);

	if (way < WAYS && is_valid(&set->ways[way], &in, generation))
		return &set->ways[way];
	if (run->n_frames == 1 && is_new(set, tag))
		return NULL;
	if (way == WAYS)
		way = set->next++ % WAYS;
	set->tags[way] = tag;
	return teach(relay, conn, run, &in, &set->ways[way]) ? &set->ways[way]
							     : NULL;
}

static struct express *
express_of(struct relay_worker *own)
{
	if (own->express == NULL)
		own->express = calloc(1, sizeof(*own->express));
	return own->express;
}

/* ---- a run ---- */

/* Is every packet of the link treated by its header alone? */
static bool
by_header(const struct relay_config *config, const struct relay_worker *own,
    const struct peer *from)
{
	return from->state == PEER_UP && !own->closing && !config->opt.trace &&
	    !(config->rates.any && from->entry.role == BNET_ROLE_CLIENT);
}

/* Does it get the packet as it is: no ping in it, and sizes in its order? */
static bool
takes(const struct peer *to, const struct bnet_run *run)
{
	bool network = atomic_load_explicit(&to->entry.sendq->order,
			   memory_order_relaxed) == BNET_ORDER_NETWORK;

	return (to->hello ||
		   !atomic_load_explicit(
		       &to->ping_wanted, memory_order_relaxed)) &&
	    (run->codec != BNET_CODEC_ZLIB ||
		network == (run->order == BNET_ORDER_NETWORK));
}

bool
express_run(
    struct relay *relay, struct engine_conn *conn, const struct bnet_run *run)
{
	struct engine_worker *worker = engine_conn_worker(conn);
	struct relay_worker *own = worker_of(relay, worker);
	struct express *express = express_of(own);
	struct peer *from = peer_of(conn);
	struct known *known;

	if (express == NULL || !by_header(config_of(relay), own, from))
		return false;
	known = find(relay, express, conn, run);
	if (known == NULL || known->to == NULL || !takes(known->to, run) ||
	    !engine_send_run(worker, known->to->entry.sendq, run,
		(struct bnet_slice){ known->out, known->n_out_bytes }))
		return false;
	ping_heard(from);
	forward_found(from, &known->to->entry, engine_worker_now_ns(worker));
	counter_add(&own->counters[known->counter], run->n_frames);
	return true;
}
