/* SPDX-License-Identifier: MIT */
#include "cmd/replay/play/rewrite.h"

#include "proto/bits.h"

#include <stdlib.h>
#include <string.h>

#define OOB_MAX_BYTES ((size_t)1 << 28)

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
 * Whose id was it? `id` itself, where nobody plays who had it. Clients and
 * nodes are numbered apart.
 */
static uint64_t
played_id(const struct rewrite *rewrite, const struct rewrite_context *context,
    bool node, uint64_t id, uint32_t ref)
{
	uint64_t live = 0;

	if (id != 0 && id == context->session->id && rewrite->id != 0 &&
	    tape_is_node(context->session) == node)
		return rewrite->id;
	if (ref != TAPE_NONE)
		live =
		    live_id(context->live, context->round, ref, context->clone);
	return live != 0 ? live : id;
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

/* False when out of memory. *changed is set where one is another now. */
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
	    live_generation(context->live) == rewrite->memo_generation;
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

/* ---- the whole ---- */

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
	uint64_t generation = live_generation(context->live);
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
