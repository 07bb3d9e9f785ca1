/* SPDX-License-Identifier: MIT */
/* How a player comes and goes. */
#include "cmd/replay/play_impl.h"

#include "cmd/common/clock.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- coming ---- */

static bool
connect_next(struct player *p)
{
	const struct play_settings *set = &p->play->set;
	const struct engine_connect want = {
		.address = set->addresses[p->address],
		.tls = set->tls,
		.tls_host = set->tls_host,
		.order = (enum bnet_order)p->session->order,
		.worker = p->index % p->play->n_workers,
		.user = p,
	};

	return engine_connect(p->play->engine, &want);
}

static void
list_add(struct player *p)
{
	struct play *play = p->play;

	pthread_mutex_lock(&play->lock);
	p->after = play->players;
	if (p->after != NULL)
		p->after->before = p;
	play->players = p;
	pthread_mutex_unlock(&play->lock);
}

static void
list_remove(struct player *p)
{
	struct play *play = p->play;

	pthread_mutex_lock(&play->lock);
	if (p->after != NULL)
		p->after->before = p->before;
	if (p->before != NULL)
		p->before->after = p->after;
	else
		play->players = p->after;
	pthread_mutex_unlock(&play->lock);
}

bool
player_begin(
    struct play *play, uint32_t index, uint32_t round, int64_t start_ns)
{
	const struct plan_player *plan = &play->set.plan->players[index];
	struct player *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return false;
	*p = (struct player){
		.play = play,
		.plan = plan,
		.session = tape_session(play->set.tape, plan->session),
		.index = index,
		.worker = &play->workers[index % play->n_workers],
		.start_ns = start_ns,
		.who = {
			.player = index,
			.round = round,
			.captured = tape_session(play->set.tape,
			    plan->session)->id,
			.node = tape_is_node(tape_session(play->set.tape,
			    plan->session)),
		},
		.next = tape_first(play->set.tape, plan->session, CAP_UP),
	};
	player_skip_unsent(p);
	list_add(p);
	atomic_fetch_add(&play->n_live, 1);
	if (connect_next(p))
		return true;
	list_remove(p);
	free(p);
	play_ended(play);
	return false;
}

/* ---- the end ---- */

static void
count_unsent(struct player *p)
{
	uint64_t n = 0;

	for (; p->next != NULL; player_advance(p))
		n++;
	results_count(&p->worker->results, RESULTS_UNSENT, n);
}

static enum results_count
outcome(const struct player *p)
{
	if (p->refused)
		return RESULTS_SESSIONS_REFUSED;
	if (p->stopped)
		return RESULTS_SESSIONS_STOPPED;
	if (p->state < PLAYER_PLAYING)
		return RESULTS_SESSIONS_FAILED;
	return p->state >= PLAYER_ENDING ? RESULTS_SESSIONS_DONE
					 : RESULTS_SESSIONS_CUT;
}

static void
free_player(struct player *p)
{
	struct play *play = p->play;

	live_left(&play->live, &p->who, p->rewrite.id);
	pairing_free(&p->pairing);
	list_remove(p);
	free(p);
	play_ended(play);
}

static void
why_not(struct player *p, enum engine_end end)
{
	const char *reason = engine_conn_reason(p->conn);
	char why[PLAY_REASON_CHARS];

	if (p->refused || p->stopped || p->state == PLAYER_CLOSING ||
	    end == ENGINE_END_OWNER)
		return;
	if (reason[0] == '\0')
		reason = p->state < PLAYER_PLAYING
		    ? "closed before it was welcome"
		    : "closed by the cluster";
	snprintf(why, sizeof(why), "%s", reason);
	play_set_reason(p->play, why);
}

static void
give_up_all(struct player *p)
{
	while (!pairing_is_empty(&p->pairing)) {
		results_unanswered(&p->worker->results,
		    (int64_t)pairing_oldest(&p->pairing)->user -
			p->play->start_ns,
		    pairing_oldest(&p->pairing)->key);
		pairing_drop_oldest(&p->pairing);
	}
}

void
player_closed(struct player *p, enum engine_end end)
{
	const struct play_settings *set = &p->play->set;

	if (end == ENGINE_END_CONNECT && ++p->address < set->n_addresses &&
	    connect_next(p))
		return;
	if (p->state == PLAYER_CONNECTING)
		results_count(&p->worker->results, RESULTS_SESSIONS_BEGUN, 1);
	if (end == ENGINE_END_OWNER && p->state != PLAYER_CLOSING &&
	    !p->gave_up)
		p->stopped = true; /* we quit, not the cluster */
	why_not(p, end);
	results_count(&p->worker->results, outcome(p), 1);
	if (p->opened)
		results_closed(
		    &p->worker->results, clock_now_ns() - p->play->start_ns);
	if (p->worker->diff != NULL)
		diff_ended(p->worker->diff, &p->diff, p->plan->session,
		    p->stopped ? p->next : NULL);
	give_up_all(p);
	count_unsent(p);
	free_player(p);
}

/* No memory or descriptor, so there was no connection at all. */
void
player_no_conn(struct player *p)
{
	play_set_reason(p->play, "out of memory or descriptors");
	results_count(&p->worker->results, RESULTS_SESSIONS_FAILED, 1);
	if (p->worker->diff != NULL)
		diff_ended(p->worker->diff, &p->diff, p->plan->session, NULL);
	count_unsent(p);
	free_player(p);
}

void
player_free_all(struct play *play)
{
	while (play->players != NULL) {
		struct player *p = play->players;
		struct results *results = &p->worker->results;

		/* its connection was not even begun: see player_closed() */
		results_count(results, RESULTS_SESSIONS_BEGUN, 1);
		results_count(results, RESULTS_SESSIONS_STOPPED, 1);
		count_unsent(p);
		free_player(p);
	}
}
