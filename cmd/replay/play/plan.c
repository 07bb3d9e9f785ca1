/* SPDX-License-Identifier: MIT */
/*
 * Decides which sessions are played, when each begins, and when each of its
 * frames is due. Owns the list of virtual clients in a plan. Called by run.c,
 * dry_run.c and play/virtual_client.c.
 */
#include "cmd/replay/play/plan.h"

#include "proto/message.h"

#include <stdio.h>
#include <stdlib.h>

#define PLAN_SMALL_BYTES ((uint64_t)64 << 20) /* smaller tapes are read */
#define PLAN_NS_PER_S INT64_C(1000000000)
#define PLAN_FAR_NS (INT64_MAX / 4) /* no time is later; sums of a few fit */
#define SPREAD_MAX_NS (10 * PLAN_NS_PER_S) /* over the clones of a session */
#define RAMP_FROM 1000 /* connections; with more, the default is a ramp */
#define RAMP_NS_EACH INT64_C(1000000)
#define ROUND_MIN_NS INT64_C(1000000) /* so that --loop 0 ends in time */

/* A session that may be played. */
struct plan_candidate {
	uint64_t mix; /* mixed bits of its hash; the sort key */
	uint32_t session;
	uint32_t rank; /* position in that order */
	uint32_t n_frames;
	int64_t length_ns; /* as struct plan_vclient */
};

/* vclients[i] plays candidate i % n. */
struct plan_draft {
	struct plan *plan; /* all shards, at first */
	const struct tape *tape;
	const struct replay_options *opt;
	struct plan_candidate *candidates; /* n entries, by mix; owned */
	uint32_t n;
};

/* Clamps to 0 .. PLAN_FAR_NS, whatever a tape or an option says. */
static int64_t
plan_ns(double ns)
{
	if (!(ns > 0))
		return 0;
	return ns < (double)PLAN_FAR_NS ? (int64_t)ns : PLAN_FAR_NS;
}

static int64_t
plan_clamp_ns(int64_t ns)
{
	if (ns < 0)
		return 0;
	return ns < PLAN_FAR_NS ? ns : PLAN_FAR_NS;
}

/* Scales a duration of the capture by `speed`. */
static int64_t
plan_scale_ns(int64_t ns, double speed)
{
	return speed == 1 ? plan_clamp_ns(ns) : plan_ns((double)ns / speed);
}

/* ---- when each record is due ---- */

bool
plan_is_sent(const struct tape_record *record)
{
	return (record->flags & (TAPE_R_HELLO | TAPE_R_KEEPALIVE)) == 0;
}

/* Capture time that has passed, with long silences cut. */
static int64_t
play_until(struct plan_cursor *cursor, const struct tape_session *session,
    int64_t max_idle_ns, int64_t record_at_ns)
{
	int64_t last_ns = plan_clamp_ns(session->ready_ns);
	int64_t at_ns = plan_clamp_ns(record_at_ns), gap_ns;

	if (cursor->at_ns > last_ns)
		last_ns = cursor->at_ns;
	if (at_ns < last_ns)
		at_ns = last_ns;
	gap_ns = at_ns - last_ns;
	if (max_idle_ns != 0 && gap_ns > max_idle_ns)
		gap_ns = max_idle_ns;
	cursor->at_ns = at_ns;
	cursor->played_ns = plan_clamp_ns(cursor->played_ns + gap_ns);
	return cursor->played_ns;
}

/*
 * The time of frame k of a share. All shares end when the rate's last frame
 * does.
 */
static int64_t
rate_due_ns(const struct plan_vclient *vclient, uint64_t k)
{
	if (k >= vclient->n_frames)
		return vclient->length_ns;
	return plan_ns((double)vclient->phase_ns + (double)k * vclient->gap_ns);
}

int64_t
plan_due_ns(const struct plan_vclient *vclient,
    const struct tape_session *session, const struct replay_options *opt,
    const struct tape_record *record, struct plan_cursor *cursor)
{
	int64_t due_ns = 0;

	if (opt->timing == REPLAY_RATE)
		due_ns = rate_due_ns(vclient, cursor->k);
	else if (opt->timing == REPLAY_SPEED)
		due_ns = plan_scale_ns(play_until(cursor, session,
					   opt->max_idle_ns, record->at_ns),
		    opt->speed);
	if (plan_is_sent(record))
		cursor->k++;
	return due_ns;
}

/* ---- --rate ---- */

/*
 * i times the golden ratio, modulo 1: spreads over [0, 1) as evenly as
 * possible.
 */
static double
spread(uint64_t i)
{
	return (double)(i * UINT64_C(0x9e3779b97f4a7c15) >> 11) * 0x1p-53;
}

static int
by_frames(const void *a, const void *b)
{
	const struct plan_candidate *x = a, *y = b;

	if (x->n_frames != y->n_frames)
		return x->n_frames < y->n_frames ? 1 : -1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

static uint64_t
all_frames(const struct plan *plan)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < plan->n; i++)
		n += plan->vclients[i].n_frames;
	return n;
}

/*
 * Computes the share of each candidate in --rate; sorts the candidates by it.
 * Candidates with the same number of frames become neighbours, so that their
 * phases spread evenly over the gap that they share.
 */
static void
plan_share_rate(struct plan_draft *draft)
{
	struct plan *plan = draft->plan;
	double length_ns =
	    (double)all_frames(plan) / draft->opt->rate * (double)PLAN_NS_PER_S;
	uint64_t n_placed = 0;

	qsort(
	    draft->candidates, draft->n, sizeof(*draft->candidates), by_frames);
	for (uint32_t c = 0; c < draft->n; c++) {
		const struct plan_candidate *one = &draft->candidates[c];

		for (uint64_t i = one->rank; i < plan->n; i += draft->n) {
			struct plan_vclient *vclient = &plan->vclients[i];

			if (one->n_frames != 0)
				vclient->gap_ns = length_ns / one->n_frames;
			vclient->phase_ns =
			    plan_ns(vclient->gap_ns * spread(n_placed++));
			vclient->length_ns = plan_ns(length_ns);
		}
	}
}

/* ---- starts ---- */

/* The speed of the captured connects; 0: all at once. */
static double
connect_speed(const struct replay_options *opt)
{
	if (opt->connect_speed > 0)
		return opt->connect_speed;
	return opt->timing == REPLAY_SPEED ? opt->speed : 0;
}

static int64_t
stagger_ns(const struct plan_draft *draft, double speed)
{
	const struct tape_head *head = tape_head(draft->tape);
	uint32_t n_clones = (draft->plan->n - 1) / draft->n + 1;
	int64_t spread_ns;

	if (draft->opt->stagger_ns >= 0)
		return draft->opt->stagger_ns;
	if (speed == 0)
		return 0;
	spread_ns =
	    plan_ns(((double)head->end_ns - (double)head->start_ns) / speed);
	if (spread_ns > SPREAD_MAX_NS)
		spread_ns = SPREAD_MAX_NS;
	return spread_ns / n_clones;
}

static int64_t
captured_start_ns(const struct plan_draft *draft, uint32_t i)
{
	return plan_clamp_ns(
	    tape_session(draft->tape, draft->plan->vclients[i].session)
		->start_ns);
}

static void
as_captured(struct plan_draft *draft)
{
	struct plan *plan = draft->plan;
	double speed = connect_speed(draft->opt);
	int64_t each_ns = stagger_ns(draft, speed), first_ns = PLAN_FAR_NS;

	for (uint32_t i = 0; i < plan->n; i++)
		if (captured_start_ns(draft, i) < first_ns)
			first_ns = captured_start_ns(draft, i);
	for (uint32_t i = 0; i < plan->n; i++) {
		struct plan_vclient *vclient = &plan->vclients[i];
		double stagger = (double)each_ns * vclient->clone;

		if (speed != 0)
			vclient->start_ns = plan_scale_ns(
			    captured_start_ns(draft, i) - first_ns, speed);
		vclient->start_ns =
		    plan_clamp_ns(vclient->start_ns + plan_ns(stagger));
	}
}

static int
by_start(const void *a, const void *b)
{
	const struct plan_vclient *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns > y->start_ns ? 1 : -1;
	if (x->session != y->session)
		return x->session > y->session ? 1 : -1;
	return (x->clone > y->clone) - (x->clone < y->clone);
}

static void
ramp(struct plan *plan, const struct replay_options *opt)
{
	plan->ramp_ns = opt->ramp_ns;
	if (opt->ramp_ns < 0)
		plan->ramp_ns =
		    plan->n > RAMP_FROM ? plan->n * RAMP_NS_EACH : 0;
	for (uint32_t k = 0; k < plan->n; k++) {
		int64_t least_ns = plan_ns((double)plan->ramp_ns * k / plan->n);

		if (plan->vclients[k].start_ns < least_ns)
			plan->vclients[k].start_ns = least_ns;
	}
}

/* Sets all start_ns and sorts by them. Returns the length of the round. */
static void
plan_set_starts(struct plan_draft *draft)
{
	struct plan *plan = draft->plan;

	as_captured(draft);
	qsort(plan->vclients, plan->n, sizeof(*plan->vclients), by_start);
	ramp(plan, draft->opt);
	plan->length_ns = ROUND_MIN_NS;
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct plan_vclient *vclient = &plan->vclients[i];
		int64_t end_ns =
		    plan_clamp_ns(vclient->start_ns + vclient->length_ns);

		if (end_ns > plan->length_ns)
			plan->length_ns = end_ns;
	}
}

/* ---- the plan ---- */

/* Every output bit depends on every input bit (David Stafford's mix 13). */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* ---- candidates ---- */

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

/* ---- frames per session ---- */

/*
 * Reading all of a tape is slow, so only if it is small or the options need it.
 */
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

/* Uses plan_due_ns() itself, so that both agree. */
static int64_t
by_records(const struct plan_draft *draft, struct plan_candidate *one,
    const struct tape_session *session)
{
	const struct plan_vclient vclient = { .session = one->session };
	const struct tape_record end = { .at_ns = session->end_ns };
	struct plan_cursor cursor = { 0 };
	const struct tape_record *record =
	    tape_first(draft->tape, one->session, CAP_UP);

	for (; record != NULL; record = tape_next(draft->tape, record)) {
		if (!plan_is_sent(record))
			continue;
		one->n_frames++;
		(void)plan_due_ns(
		    &vclient, session, draft->opt, record, &cursor);
	}
	return plan_due_ns(&vclient, session, draft->opt, &end, &cursor);
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

/* ---- the virtual clients ---- */

/* Takes candidates from the front, again and again. */
static bool
add_vclients(struct plan_draft *draft)
{
	struct plan *plan = draft->plan;

	plan->n = draft->opt->n_clients != 0 ? (uint32_t)draft->opt->n_clients
					     : draft->n;
	plan->n_whole = plan->n;
	plan->n_clones = draft->n == 0 ? 0 : (plan->n - 1) / draft->n + 1;
	plan->vclients = calloc(plan->n, sizeof(*plan->vclients));
	if (plan->vclients == NULL)
		return false;
	for (uint32_t i = 0; i < plan->n; i++) {
		struct plan_candidate *one = &draft->candidates[i % draft->n];

		if (i < draft->n)
			measure(draft, one);
		plan->vclients[i] = (struct plan_vclient){
			.session = one->session,
			.clone = i / draft->n,
			.n_frames = one->n_frames,
			.length_ns = one->length_ns,
		};
	}
	return true;
}

static uint32_t
shard_of(const struct plan_draft *draft, const struct plan_vclient *vclient)
{
	const struct tape_session *session =
	    tape_session(draft->tape, vclient->session);

	return (uint32_t)(mix(session->hash ^ mix(vclient->clone + 1)) %
	    draft->opt->of_shards);
}

static void
take_shard(struct plan_draft *draft)
{
	struct plan *plan = draft->plan;
	uint32_t n = 0;

	for (uint32_t i = 0; i < plan->n; i++) {
		const struct plan_vclient *vclient = &plan->vclients[i];

		if (draft->opt->of_shards > 1 &&
		    shard_of(draft, vclient) != draft->opt->shard)
			continue;
		plan->n_frames += vclient->n_frames;
		plan->vclients[n++] = *vclient;
	}
	plan->n = n;
}

/* ---- entry points ---- */

static void
no_session(const struct plan_draft *draft, char err[TAPE_ERR_CHARS])
{
	const struct replay_options *opt = draft->opt;
	unsigned n = (unsigned)draft->plan->left_out_roles;

	if (n == 0)
		(void)snprintf(err, TAPE_ERR_CHARS,
		    "no session to play: there is none in the capture%s",
		    opt->filter != NULL ? " of which -Y takes a frame" : "");
	else
		(void)snprintf(err, TAPE_ERR_CHARS,
		    "no session to play: none of the %u in the capture has a"
		    " role to play (--roles %s; expected --roles %s)",
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
	if (!add_vclients(draft))
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
	free(plan->vclients);
	*plan = (struct plan){ .n = 0 };
}

/* ---- how many at once ---- */

static int
by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

uint32_t
plan_peak(const struct plan *plan, const struct replay_options *opt)
{
	uint32_t most = 0, ended = 0;
	int64_t *ends;

	if (opt->timing == REPLAY_ASAP || opt->pacing == REPLAY_CLOSED ||
	    plan->n == 0)
		return plan->n;
	ends = malloc(plan->n * sizeof(*ends));
	if (ends == NULL)
		return UINT32_MAX;
	for (uint32_t i = 0; i < plan->n; i++)
		ends[i] =
		    plan->vclients[i].start_ns + plan->vclients[i].length_ns;
	qsort(ends, plan->n, sizeof(*ends), by_time);
	for (uint32_t i = 0; i < plan->n; i++) { /* in the order of starts */
		while (ends[ended] < plan->vclients[i].start_ns)
			ended++;
		if (i + 1 - ended > most)
			most = i + 1 - ended;
	}
	free(ends);
	return most;
}
