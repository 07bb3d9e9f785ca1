/* SPDX-License-Identifier: MIT */
/*
 * Rewrites captured ids in headers to those of the target. Owns the id map,
 * which all threads read, and the scratch buffer of a thread. Called by play.c
 * and virtual_client.c.
 */
#include "cmd/replay/play/rewrite.h"

#include "proto/bits.h"

#include <stdlib.h>
#include <string.h>

#define CAPTURED_MAX (1 << 20)
#define OOB_MAX_BYTES ((size_t)1 << 28)

/* ---- the id map ---- */

struct captured {
	uint64_t id_kind; /* live id << 1 | it is a node */
	uint64_t target;
	uint64_t id;
};

static int
compare_places(const void *a, const void *b)
{
	uint64_t x = ((const struct id_map_place *)a)->session_clone;
	uint64_t y = ((const struct id_map_place *)b)->session_clone;

	return (x > y) - (x < y);
}

static uint64_t
session_clone(uint32_t session, uint32_t clone)
{
	return (uint64_t)session << 32 | clone;
}

bool
id_map_init(struct id_map *ids, const struct plan *plan, bool both_ways)
{
	*ids = (struct id_map){ .n = plan->n, .both_ways = both_ways };
	pthread_mutex_init(&ids->lock, NULL);
	ids->slots =
	    calloc(ID_MAP_ROUNDS * (size_t)plan->n + 1, sizeof(*ids->slots));
	ids->places = calloc((size_t)plan->n + 1, sizeof(*ids->places));
	if (ids->slots == NULL || ids->places == NULL)
		return false;
	for (uint32_t i = 0; i < plan->n; i++)
		ids->places[i] = (struct id_map_place){
			session_clone(
			    plan->vclients[i].session, plan->vclients[i].clone),
			i,
		};
	qsort(ids->places, plan->n, sizeof(*ids->places), compare_places);
	return !both_ways ||
	    map_init(&ids->captured, sizeof(struct captured), 2, CAPTURED_MAX);
}

void
id_map_free(struct id_map *ids)
{
	free(ids->slots);
	free(ids->places);
	if (ids->both_ways)
		map_free(&ids->captured);
	pthread_mutex_destroy(&ids->lock);
}

static _Atomic uint64_t *
slot(const struct id_map *ids, uint32_t round, uint32_t vclient)
{
	return &ids->slots[(size_t)(round % ID_MAP_ROUNDS) * ids->n + vclient];
}

/* Does it still own its places? Once it is too late, a later round does. */
static bool
has_slots(const struct id_map *ids, uint32_t round)
{
	return atomic_load(&ids->round) - round < ID_MAP_ROUNDS;
}

/* Has a virtual client this id, in any round? */
static bool
is_in_use(const struct id_map *ids, uint32_t vclient, uint64_t id)
{
	for (uint32_t round = 0; round < ID_MAP_ROUNDS; round++)
		if (atomic_load(slot(ids, round, vclient)) == id << 1)
			return true;
	return false;
}

static void
remember_captured(struct id_map *ids, const struct id_map_who *who, uint64_t id)
{
	const uint64_t key[2] = { id << 1 | who->node, who->target };
	struct captured *entry;

	pthread_mutex_lock(&ids->lock);
	entry = map_get(&ids->captured, key);
	if (entry != NULL && entry != ids->captured.others)
		entry->id = who->captured;
	pthread_mutex_unlock(&ids->lock);
}

/* Another client may have got the id meanwhile; it keeps it. */
static void
forget_captured(struct id_map *ids, const struct id_map_who *who, uint64_t id)
{
	const uint64_t key[2] = { id << 1 | who->node, who->target };
	const struct captured *entry;

	pthread_mutex_lock(&ids->lock);
	entry = map_find(&ids->captured, key);
	if (entry != NULL && entry->id == who->captured &&
	    !is_in_use(ids, who->vclient, id))
		map_remove(&ids->captured, key);
	pthread_mutex_unlock(&ids->lock);
}

static void
moved(struct id_map *ids)
{
	atomic_fetch_add_explicit(&ids->generation, 1, memory_order_release);
}

void
id_map_set(struct id_map *ids, const struct id_map_who *who, uint64_t id)
{
	if (has_slots(ids, who->round))
		atomic_store(slot(ids, who->round, who->vclient), id << 1);
	if (ids->both_ways && who->captured != 0)
		remember_captured(ids, who, id);
	moved(ids);
}

void
id_map_left(struct id_map *ids, const struct id_map_who *who, uint64_t id)
{
	uint64_t here = id << 1;

	if (has_slots(ids, who->round))
		(void)atomic_compare_exchange_strong(
		    slot(ids, who->round, who->vclient), &here, id << 1 | 1);
	if (ids->both_ways && who->captured != 0 && id != 0)
		forget_captured(ids, who, id);
	moved(ids);
}

static const struct id_map_place *
place_of(const struct id_map *ids, uint32_t session, uint32_t clone)
{
	const struct id_map_place wanted = { session_clone(session, clone), 0 };

	return bsearch(
	    &wanted, ids->places, ids->n, sizeof(*ids->places), compare_places);
}

uint32_t
id_map_vclient(const struct id_map *ids, uint32_t session, uint32_t clone)
{
	const struct id_map_place *place = place_of(ids, session, clone);

	return place == NULL ? UINT32_MAX : place->vclient;
}

bool
id_map_is_coming(
    const struct id_map *ids, uint32_t round, uint32_t session, uint32_t clone)
{
	uint32_t vclient = id_map_vclient(ids, session, clone);

	return vclient != UINT32_MAX && has_slots(ids, round) &&
	    atomic_load(slot(ids, round, vclient)) == 0;
}

uint32_t
id_map_new_round(struct id_map *ids)
{
	uint32_t round = atomic_fetch_add(&ids->round, 1) + 1;

	for (uint32_t i = 0; i < ids->n; i++)
		atomic_store(slot(ids, round, i), 0);
	moved(ids);
	return round;
}

uint64_t
id_map_id(
    const struct id_map *ids, uint32_t round, uint32_t session, uint32_t clone)
{
	uint32_t vclient = id_map_vclient(ids, session, clone);

	return vclient == UINT32_MAX || !has_slots(ids, round)
	    ? 0
	    : atomic_load(slot(ids, round, vclient)) >> 1;
}

uint64_t
id_map_captured(struct id_map *ids, uint32_t target, bool node, uint64_t id)
{
	const uint64_t key[2] = { id << 1 | node, target };
	struct captured *entry;
	uint64_t captured = id;

	if (!ids->both_ways)
		return id;
	pthread_mutex_lock(&ids->lock);
	entry = map_find(&ids->captured, key);
	if (entry != NULL)
		captured = entry->id;
	pthread_mutex_unlock(&ids->lock);
	return captured;
}

/* ---- headers ---- */

void
rewrite_scratch_init(struct rewrite_scratch *scratch)
{
	*scratch = (struct rewrite_scratch){ 0 };
	bnet_buf_init(&scratch->oob, OOB_MAX_BYTES);
}

void
rewrite_scratch_free(struct rewrite_scratch *scratch)
{
	bnet_buf_free(&scratch->oob);
	free(scratch->fork_ids);
}

/* ---- ids ---- */

/*
 * Maps a captured id to the current one; returns `id` if nobody plays its
 * owner. Clients and nodes are numbered separately.
 */
static uint64_t
played_id(const struct rewrite *rewrite, const struct rewrite_context *context,
    bool node, uint64_t id, uint32_t ref)
{
	uint64_t played = 0;

	if (id != 0 && id == context->session->id && rewrite->id != 0 &&
	    tape_is_node(context->session) == node)
		return rewrite->id;
	if (ref != TAPE_NONE)
		played = id_map_id(
		    context->ids, context->round, ref, context->clone);
	return played != 0 ? played : id;
}

static uint64_t
client_id(const struct rewrite *rewrite, const struct rewrite_context *context,
    uint64_t id, uint32_t ref)
{
	return played_id(rewrite, context, false, id, ref);
}

static uint64_t
node_id(const struct rewrite *rewrite, const struct rewrite_context *context,
    uint64_t id, uint32_t ref)
{
	const struct replay_options *opt = context->opt;

	for (size_t i = 0; i < opt->n_maps; i++)
		if (opt->maps[i].from == id)
			return opt->maps[i].to;
	if (id == context->session->relay_id && rewrite->relay_id != 0)
		return rewrite->relay_id;
	return played_id(rewrite, context, true, id, ref);
}

static void
rewrite_ids(const struct rewrite *rewrite,
    const struct rewrite_context *context, const struct tape_record *record,
    struct bnet_header *header)
{
	uint64_t dest = (uint64_t)header->dest;

	if (context->session->id != 0 && rewrite->id != 0 &&
	    (uint64_t)header->source == context->session->id)
		header->source = (int64_t)rewrite->id;
	if (header->dest_type == BNET_DEST_CLIENT && header->forks == 0)
		dest = client_id(rewrite, context, dest, record->ref);
	else if (header->dest_type == BNET_DEST_NODE)
		dest = node_id(rewrite, context, dest, record->ref);
	header->dest = (int64_t)dest;
	if (header->timestamp != 0)
		header->timestamp = context->now_us |
		    (header->timestamp & BNET_TIMESTAMP_PING_BACK);
}

/* Sets *changed if an id changes. Returns false when out of memory. */
static bool
rewrite_forks(const struct rewrite *rewrite, struct rewrite_scratch *scratch,
    const struct rewrite_context *context, const struct tape_record *record,
    uint32_t forks, struct bnet_bits_rd ids, bool *changed)
{
	uint64_t *fork_ids;

	if (scratch->n_fork_ids < forks) {
		fork_ids =
		    realloc(scratch->fork_ids, forks * sizeof(*fork_ids));
		if (fork_ids == NULL)
			return false;
		scratch->fork_ids = fork_ids;
		scratch->n_fork_ids = forks;
	}
	for (uint32_t i = 0; i < forks; i++) {
		uint64_t id = bnet_bits_u64(&ids);

		scratch->fork_ids[i] =
		    client_id(rewrite, context, id, tape_ref(record, i));
		*changed |= scratch->fork_ids[i] != id;
	}
	return true;
}

/* ---- the memo ---- */

static bool
remembered(const struct rewrite *rewrite, const struct rewrite_context *context,
    const struct tape_record *record)
{
	return record->oob_bytes == rewrite->memo_in_bytes &&
	    record->oob_bytes != 0 && record->ref == rewrite->memo_ref &&
	    memcmp(tape_oob(record).p, rewrite->memo_in, record->oob_bytes) ==
	    0 &&
	    id_map_generation(context->ids) == rewrite->memo_generation;
}

static void
remember(struct rewrite *rewrite, uint64_t generation,
    const struct tape_record *record, struct bnet_slice oob,
    const struct bnet_header *header)
{
	rewrite->memo_in_bytes = 0;
	if (record->oob_bytes > REWRITE_MEMO_BYTES ||
	    oob.len > REWRITE_MEMO_BYTES || header->timestamp != 0 ||
	    header->forks != 0)
		return;
	memcpy(rewrite->memo_in, tape_oob(record).p, record->oob_bytes);
	memcpy(rewrite->memo_out, oob.p, oob.len);
	rewrite->memo_in_bytes = (uint8_t)record->oob_bytes;
	rewrite->memo_out_bytes = (uint8_t)oob.len;
	rewrite->memo_ref = record->ref;
	rewrite->memo_generation = generation;
	rewrite->memo_header = *header;
}

/* ---- entry point ---- */

static bool
encode(struct rewrite_scratch *scratch, const struct bnet_header *header,
    struct bnet_slice trailing, struct bnet_slice *oob)
{
	bnet_buf_clear(&scratch->oob);
	if (bnet_header_encode(header,
		header->forks != 0 ? scratch->fork_ids : NULL,
		&scratch->oob) != BNET_OK ||
	    bnet_buf_append(&scratch->oob, trailing) != BNET_OK)
		return false;
	*oob = bnet_buf_slice(&scratch->oob);
	return true;
}

bool
rewrite_header(struct rewrite *rewrite, struct rewrite_scratch *scratch,
    const struct rewrite_context *context, const struct tape_record *record,
    struct bnet_slice *oob, struct bnet_header *header)
{
	uint64_t generation = id_map_generation(context->ids);
	struct bnet_slice in = tape_oob(record);
	struct bnet_header before;
	struct bnet_bits_rd forks;
	bool changed = false;
	size_t trailing;

	*oob = in;
	if (remembered(rewrite, context, record)) {
		*oob = (struct bnet_slice){ rewrite->memo_out,
			rewrite->memo_out_bytes };
		*header = rewrite->memo_header;
		return true;
	}
	if (bnet_header_decode(in, &before, &forks, &trailing) != BNET_OK)
		return false;
	*header = before;
	rewrite_ids(rewrite, context, record, header);
	if (before.forks > 0 &&
	    !rewrite_forks(rewrite, scratch, context, record, before.forks,
		forks, &changed))
		return false;
	changed |= header->source != before.source ||
	    header->dest != before.dest ||
	    header->timestamp != before.timestamp;
	if (changed &&
	    !encode(
		scratch, header, bnet_slice_from(in, in.len - trailing), oob))
		return false;
	remember(rewrite, generation, record, *oob, header);
	return true;
}
