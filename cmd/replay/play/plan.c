/* SPDX-License-Identifier: MIT */
#include "cmd/replay/plan_impl.h"

#include "proto/message.h"

#include <stdio.h>
#include <stdlib.h>

/* All bits depend on all bits (the end of David Stafford's mix 13). */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* ---- who may be played ---- */

static bool
is_played(const struct replay_options *opt, const struct tape_session *session)
{
	return session->role == BNET_ROLE_NODE ? opt->nodes : opt->clients;
}

static int
by_mix(const void *a, const void *b)
{
	const struct plan_candidate *x = a, *y = b;

	if (x->mix != y->mix)
		return x->mix > y->mix ? 1 : -1;
	return (x->session > y->session) - (x->session < y->session);
}

static void
add_candidates(struct plan_draft *draft)
{
	for (uint32_t i = 0; i < tape_head(draft->tape)->n_sessions; i++) {
		const struct tape_session *session =
		    tape_session(draft->tape, i);

		if ((session->flags & TAPE_S_LEFT_OUT) != 0)
			continue;
		if (!is_played(draft->opt, session)) {
			draft->plan->left_out_roles++;
			continue;
		}
		draft->candidates[draft->n++] = (struct plan_candidate){
			.mix = mix(session->hash),
			.session = i,
		};
	}
	qsort(draft->candidates, draft->n, sizeof(*draft->candidates), by_mix);
	for (uint32_t i = 0; i < draft->n; i++)
		draft->candidates[i].rank = i;
}

/* ---- what each of them sends ---- */

/* All of the tape is read, so only where it is small, or has to be. */
static bool
is_exact(const struct plan_draft *draft)
{
	const struct replay_options *opt = draft->opt;

	return opt->timing == REPLAY_RATE || opt->mode == REPLAY_DRY_RUN ||
	    opt->max_idle_ns != 0 ||
	    tape_head(draft->tape)->file_bytes < PLAN_SMALL_BYTES;
}

static void
by_index(struct plan_candidate *one, const struct tape_session *session)
{
	one->n_frames = session->n[CAP_UP];
	if ((session->flags & TAPE_S_HELLO) != 0 && one->n_frames > 0)
		one->n_frames--;
}

/* With plan_due_ns() itself, so that both say the same. */
static int64_t
by_records(const struct plan_draft *draft, struct plan_candidate *one,
    const struct tape_session *session)
{
	const struct plan_player player = { .session = one->session };
	const struct tape_record end = { .at_ns = session->end_ns };
	struct plan_cursor cursor = { 0 };
	const struct tape_record *record =
	    tape_first(draft->tape, one->session, CAP_UP);

	for (; record != NULL; record = tape_next(draft->tape, record)) {
		if (!plan_is_sent(record))
			continue;
		one->n_frames++;
		(void)plan_due_ns(
		    &player, session, draft->opt, record, &cursor);
	}
	return plan_due_ns(&player, session, draft->opt, &end, &cursor);
}

static void
measure(const struct plan_draft *draft, struct plan_candidate *one)
{
	const struct replay_options *opt = draft->opt;
	const struct tape_session *session =
	    tape_session(draft->tape, one->session);
	int64_t due_ns = 0;

	if (is_exact(draft))
		due_ns = by_records(draft, one, session);
	else
		by_index(one, session);
	if (opt->timing != REPLAY_SPEED)
		return;
	one->length_ns = opt->max_idle_ns == 0
	    ? plan_scale_ns(session->end_ns, opt->speed)
	    : plan_clamp_ns(
		  plan_scale_ns(session->ready_ns, opt->speed) + due_ns);
}

/* ---- the players ---- */

/* From the front, again and again. */
static bool
add_players(struct plan_draft *draft)
{
	struct plan *plan = draft->plan;

	plan->n = draft->opt->n_clients != 0 ? (uint32_t)draft->opt->n_clients
					     : draft->n;
	plan->n_whole = plan->n;
	plan->players = calloc(plan->n, sizeof(*plan->players));
	if (plan->players == NULL)
		return false;
	for (uint32_t i = 0; i < plan->n; i++) {
		struct plan_candidate *one = &draft->candidates[i % draft->n];

		if (i < draft->n)
			measure(draft, one);
		plan->players[i] = (struct plan_player){
			.session = one->session,
			.clone = i / draft->n,
			.n_frames = one->n_frames,
			.length_ns = one->length_ns,
		};
	}
	return true;
}

static uint32_t
shard_of(const struct plan_draft *draft, const struct plan_player *player)
{
	const struct tape_session *session =
	    tape_session(draft->tape, player->session);

	return (uint32_t)(mix(session->hash ^ mix(player->clone + 1)) %
	    draft->opt->of_shards);
}

static void
take_shard(struct plan_draft *draft)
{
	struct plan *plan = draft->plan;
	uint32_t n = 0;

	for (uint32_t i = 0; i < plan->n; i++) {
		const struct plan_player *player = &plan->players[i];

		if (draft->opt->of_shards > 1 &&
		    shard_of(draft, player) != draft->opt->shard)
			continue;
		plan->n_frames += player->n_frames;
		plan->players[n++] = *player;
	}
	plan->n = n;
}

/* ---- all ---- */

static void
no_session(const struct plan_draft *draft, char err[TAPE_ERR_CHARS])
{
	const struct replay_options *opt = draft->opt;
	unsigned n = (unsigned)draft->plan->left_out_roles;

	if (n == 0)
		(void)snprintf(err, TAPE_ERR_CHARS,
		    "no session to be played: there is none in the capture%s",
		    opt->filter != NULL ? " of which -Y takes a frame" : "");
	else
		(void)snprintf(err, TAPE_ERR_CHARS,
		    "no session to be played: of %u in the capture none is of"
		    " a role to be played (--roles %s; expected --roles %s)",
		    n, opt->nodes ? "nodes" : "clients",
		    opt->nodes ? "clients" : "nodes");
}

static bool
make(struct plan_draft *draft, char err[TAPE_ERR_CHARS])
{
	(void)snprintf(err, TAPE_ERR_CHARS, "out of memory");
	draft->candidates =
	    calloc((size_t)tape_head(draft->tape)->n_sessions + 1,
		sizeof(*draft->candidates));
	if (draft->candidates == NULL)
		return false;
	add_candidates(draft);
	if (draft->n == 0) {
		no_session(draft, err);
		return false;
	}
	if (!add_players(draft))
		return false;
	if (draft->opt->timing == REPLAY_RATE)
		plan_share_rate(draft);
	plan_set_starts(draft);
	take_shard(draft);
	return true;
}

bool
plan_make(struct plan *plan, const struct tape *tape,
    const struct replay_options *opt, char err[TAPE_ERR_CHARS])
{
	struct plan_draft draft = { .plan = plan, .tape = tape, .opt = opt };
	bool ok;

	*plan = (struct plan){ .n = 0 };
	ok = make(&draft, err);
	free(draft.candidates);
	if (!ok)
		plan_free(plan);
	return ok;
}

void
plan_free(struct plan *plan)
{
	free(plan->players);
	*plan = (struct plan){ .n = 0 };
}
