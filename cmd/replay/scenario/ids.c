/* SPDX-License-Identifier: MIT */
/*
 * The ids that are taken at the target. Owns the list of them. Called by run.c,
 * which has it filled, and by script.c, which obeys it.
 */
#include "cmd/replay/scenario/ids.h"

#include "proto/message.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NAME_CHARS 48
#define STORE_BYTES (1 << 24) /* of one reply */
#define FREE_FROM UINT64_C(8589934601) /* of 34 bits */

struct taken {
	uint64_t id;
	uint32_t role;
	char name[NAME_CHARS]; /* truncated; "": it has none */
};

static struct ids {
	bool whole; /* the roster came to its end */
	unsigned n;
	struct taken at[PEER_IDS_MAX];
} * ids; /* NULL: nobody is there, or may be displaced */

bool
peer_ids_new(bool all)
{
	if (ids != NULL)
		(void)munmap(ids, sizeof(*ids));
	ids = NULL;
	if (all)
		return true;
	/* pages that nobody writes take no memory */
	ids = mmap(NULL, sizeof(*ids), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ids == MAP_FAILED)
		ids = NULL;
	return ids != NULL;
}

/* ---- asking ---- */

/* The name is another's word, and is printed. */
static void
add(uint64_t id, uint32_t role, struct bnet_string name)
{
	struct taken *to;

	if (ids->n == PEER_IDS_MAX)
		peer_fail("more than %u ids are taken", PEER_IDS_MAX);
	to = &ids->at[ids->n++];
	to->id = id;
	to->role = role;
	for (size_t i = 0; i < name.len_bytes && i < NAME_CHARS - 1; i++)
		to->name[i] =
		    (char)(isgraph((unsigned char)name.p[i]) ? name.p[i] : '_');
}

/* True: more replies follow. */
static bool
add_reply(const struct peer_event *ev, struct bnet_buf *store)
{
	struct bnet_slice body = { ev->payload, ev->payload_bytes };
	struct bnet_message m;
	size_t left;

	if (bnet_message_decode(
		BNET_MSG_ROSTER_REPLY, body, &m, store, &left) != BNET_OK)
		peer_fail("the roster is malformed");
	for (uint32_t i = 0; i < m.u.roster_reply.n; i++)
		add(m.u.roster_reply.entries[i].id,
		    m.u.roster_reply.entries[i].role,
		    m.u.roster_reply.entries[i].name);
	return m.u.roster_reply.more;
}

/* It is not in its roster. */
static void
add_relay(const struct peer_conn *c)
{
	char *id = peer_event_field(c->seen, "relay", strlen("relay"));

	if (id != NULL)
		add(strtoull(id, NULL, 10), BNET_ROLE_NODE,
		    bnet_string_of("the relay"));
	free(id);
}

void
peer_ids_ask(struct peer_conn *c)
{
	int64_t deadline_ns = peer_deadline();
	struct bnet_buf store;
	bool more = true;

	if (ids == NULL || c->seen == NULL)
		return;
	add_relay(c);
	bnet_buf_init(&store, STORE_BYTES);
	while (more) {
		struct peer_event *ev = peer_conn_next(c, deadline_ns);

		if (ev == NULL)
			peer_fail("no roster %s",
			    c->fd < 0 ? "came" : "came in time");
		if (peer_event_is(ev, "roster-reply"))
			more = add_reply(ev, &store);
		peer_event_free(ev);
	}
	bnet_buf_free(&store);
	ids->whole = true;
}

/* ---- obeying ---- */

void
peer_ids_check(uint32_t role, uint64_t id)
{
	if (ids == NULL || id == 0)
		return;
	if (!ids->whole)
		peer_stop(PEER_ID_TAKEN,
		    "id %" PRIu64 " may be taken, the relay does not say:"
		    " --force takes it all the same",
		    id);
	for (unsigned i = 0; i < ids->n; i++)
		if (ids->at[i].id == id && ids->at[i].role == role)
			peer_stop(PEER_ID_TAKEN,
			    "%" PRIu64 " is the id of %s, which is connected"
			    " and would be displaced: --force takes it",
			    id,
			    ids->at[i].name[0] != '\0' ? ids->at[i].name
						       : "a peer");
}

static bool
is_taken(uint64_t id)
{
	for (unsigned i = 0; ids != NULL && i < ids->n; i++)
		if (ids->at[i].id == id)
			return true;
	return false;
}

uint64_t
peer_ids_free(unsigned n)
{
	uint64_t id = FREE_FROM;

	while (is_taken(id) || --n > 0)
		id++;
	return id;
}
