/* SPDX-License-Identifier: MIT */
#include "cmd/replay/captured.h"

#include "proto/message.h"

#include <stdlib.h>
#include <string.h>

#define IDS_MAX (1 << 20)
#define TEXTS_MAX_BYTES ((size_t)1 << 30)
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

struct owner {
	uint64_t server, id; /* the key; id << 1 | space */
	uint64_t session;
};

bool
captured_init(struct captured_all *all)
{
	static const uint8_t empty[1] = { 0 };

	*all = (struct captured_all){ 0 };
	bnet_buf_init(&all->texts, TEXTS_MAX_BYTES);
	return map_init(&all->ids, sizeof(struct owner), 2, IDS_MAX) &&
	    bnet_buf_append(&all->texts, (struct bnet_slice){ empty, 1 }) ==
	    BNET_OK;
}

void
captured_free(struct captured_all *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		pairing_free(&all->list[i]->pairing);
		free(all->list[i]);
	}
	free(all->list);
	map_free(&all->ids);
	bnet_buf_free(&all->texts);
}

static uint64_t
hash_of(uint64_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * FNV_PRIME;
	return hash;
}

struct captured *
captured_new(const struct cap_stream *stream, int64_t at_ns)
{
	struct captured *captured = calloc(1, sizeof(*captured));

	if (captured == NULL)
		return NULL;
	captured->index = TAPE_NONE;
	captured->server = hash_of(FNV_START, stream->end[1]);
	captured->session = (struct tape_session){
		.stream = stream->number,
		.hash = (hash_of(captured->server, stream->end[0]) ^
			    (uint64_t)at_ns) *
		    FNV_PRIME,
		.start_ns = at_ns,
	};
	captured->last_answer_ns = -1;
	captured->last_up_ns = -1;
	return captured;
}

uint32_t
captured_text(struct captured_all *all, const char *text, size_t n_chars)
{
	static const uint8_t end[1] = { 0 };
	size_t at = all->texts.len;

	if (n_chars == 0 || memchr(text, '\0', n_chars) != NULL)
		return 0;
	if (bnet_buf_append(&all->texts,
		(struct bnet_slice){ (const uint8_t *)text, n_chars }) !=
		BNET_OK ||
	    bnet_buf_append(&all->texts, (struct bnet_slice){ end, 1 }) !=
		BNET_OK) {
		all->texts.len = at;
		return 0;
	}
	return (uint32_t)at;
}

bool
captured_add(struct captured_all *all, struct captured *captured,
    const struct cap_stream *stream)
{
	uint32_t cap = all->cap == 0 ? 64 : 2 * all->cap;
	struct captured **list;

	if (all->n == all->cap) {
		list = realloc(all->list, cap * sizeof(struct captured *));
		if (list == NULL)
			return false;
		all->list = list;
		all->cap = cap;
	}
	for (int i = 0; i < 2; i++)
		captured->session.end[i] =
		    captured_text(all, stream->end[i], strlen(stream->end[i]));
	captured->index = all->n;
	all->list[all->n++] = captured;
	return true;
}

/* ---- ids ---- */

static enum captured_space
space_of(const struct captured *captured)
{
	return captured->session.role == BNET_ROLE_NODE ? CAPTURED_NODE
							: CAPTURED_CLIENT;
}

void
captured_set_id(
    struct captured_all *all, struct captured *captured, uint64_t id)
{
	const uint64_t key[2] = { captured->server,
		id << 1 | (uint64_t)space_of(captured) };
	struct owner *owner;

	captured->session.id = id;
	owner = map_get(&all->ids, key);
	if (owner != all->ids.others)
		owner->session = captured->index;
}

uint32_t
captured_whose(const struct captured_all *all, uint64_t server,
    enum captured_space space, uint64_t id)
{
	const uint64_t key[2] = { server, id << 1 | (uint64_t)space };
	const struct owner *owner = map_find(&all->ids, key);

	return owner == NULL ? TAPE_NONE : (uint32_t)owner->session;
}

void
captured_gone(struct captured_all *all, struct captured *captured)
{
	const uint64_t key[2] = { captured->server,
		captured->session.id << 1 | (uint64_t)space_of(captured) };
	const struct owner *owner = map_find(&all->ids, key);

	if (owner != NULL && captured->session.id != 0 &&
	    owner->session == captured->index)
		map_remove(&all->ids, key);
	pairing_free(&captured->pairing);
}
