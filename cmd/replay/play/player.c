/* SPDX-License-Identifier: MIT */
/*
 * One player: what is due, and when it looks again.
 *
 *	CONNECTING -> GREETED -> PLAYING -> ENDING -> CLOSING
 *	        '-> (a stock client says no hello) -^
 */
#include "cmd/replay/play_impl.h"

#include "cmd/common/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define WELCOME_TIMEOUT_NS INT64_C(15000000000)
#define DIFF_QUIET_NS INT64_C(1000000000) /* what is not here then is missing */
#define AGAIN_NS 1000000 /* is whom we wait for here? */
#define LATER_NS (INT64_MAX / 4) /* no time at all */

static bool
says_hello(const struct tape_session *session)
{
	return (session->flags & (TAPE_S_HELLO | TAPE_S_MESSAGES)) != 0;
}

/* ---- what is due ---- */

void
player_skip_unsent(struct player *p)
{
	while (p->next != NULL && !plan_is_sent(p->next))
		p->next = tape_next(p->play->set.tape, p->next);
}

void
player_advance(struct player *p)
{
	p->next = tape_next(p->play->set.tape, p->next);
	player_skip_unsent(p);
	p->due_ns = 0;
}

static int64_t
by_the_clock(struct player *p, const struct tape_record *record)
{
	const struct play_settings *set = &p->play->set;

	if (set->opt->timing == REPLAY_ASAP)
		return p->ready_ns;
	return p->ready_ns +
	    plan_due_ns(p->plan, p->session, set->opt, record, &p->cursor);
}

/* The pure think time, behind the answers and the last frame. */
static int64_t
after_thinking(const struct player *p)
{
	const struct replay_options *opt = p->play->set.opt;
	int64_t from_ns = p->ready_ns, think_ns = p->next->think_ns;

	if (p->last_answer_ns > from_ns)
		from_ns = p->last_answer_ns;
	if (p->last_sent_ns > from_ns)
		from_ns = p->last_sent_ns;
	if (opt->timing == REPLAY_ASAP || think_ns < 0)
		return from_ns;
	if (opt->max_idle_ns != 0 && think_ns > opt->max_idle_ns)
		think_ns = opt->max_idle_ns;
	if ((double)think_ns / opt->speed > (double)LATER_NS)
		return LATER_NS;
	return from_ns + (int64_t)((double)think_ns / opt->speed);
}

/* When `next` is due; LATER_NS: not before an answer comes. */
static int64_t
next_due(struct player *p)
{
	enum replay_pacing pacing = p->play->set.opt->pacing;

	if (p->due_ns == 0 && pacing != REPLAY_CLOSED)
		p->due_ns = by_the_clock(p, p->next);
	if (pacing == REPLAY_OPEN)
		return p->due_ns;
	/* where nothing is open no answer comes any more */
	if (p->n_answers < p->next->answers_before &&
	    !pairing_is_empty(&p->pairing))
		return LATER_NS;
	if (pacing == REPLAY_CLOSED)
		return after_thinking(p);
	return p->last_answer_ns > p->due_ns ? p->last_answer_ns : p->due_ns;
}

/* The moment at which the captured client left. */
static int64_t
end_due(struct player *p)
{
	struct tape_record end = { .at_ns = p->session->end_ns };

	if (p->end_due_ns == 0)
		p->end_due_ns =
		    p->stopped ? p->ready_ns : by_the_clock(p, &end);
	return p->end_due_ns;
}

/* ---- the end ---- */

/* With --diff what comes late is waited for, but not for ever. */
static bool
may_end(struct player *p, int64_t now_ns)
{
	int64_t quiet_ns = p->last_compared_ns, over_ns = end_due(p);

	if (!pairing_is_empty(&p->pairing) || now_ns < over_ns)
		return false;
	if (p->worker->diff == NULL || p->draining)
		return true;
	if (p->last_sent_ns > over_ns)
		over_ns = p->last_sent_ns;
	if (over_ns > quiet_ns)
		quiet_ns = over_ns;
	return now_ns - quiet_ns >= DIFF_QUIET_NS ||
	    now_ns - over_ns >= p->play->set.opt->answer_timeout_ns;
}

static void
finish(struct player *p)
{
	p->state = PLAYER_CLOSING;
	engine_conn_finish(p->conn);
}

/* ---- sending what is due ---- */

/*
 * When the player of that session begins, who is not in yet; 0: they are here,
 * or not expected. The id of a stock client is not told, so nobody waits.
 */
static int64_t
comes_ns(const struct player *p, uint32_t ref)
{
	const struct play *play = p->play;

	if (ref >= tape_head(play->set.tape)->n_sessions ||
	    !says_hello(tape_session(play->set.tape, ref)) ||
	    !live_is_coming(&play->live, p->who.round, ref, p->plan->clone))
		return 0;
	return p->start_ns - p->plan->start_ns +
	    play->set.plan
		->players[live_player(&play->live, ref, p->plan->clone)]
		.start_ns;
}

/*
 * It is for players who are not in yet: in the capture they were there. It is
 * not due before they are to come (a ramp may make that late); when they are,
 * it is the cluster's fault, so nothing is late.
 */
static bool
must_wait(struct player *p, int64_t due_ns, int64_t now_ns)
{
	const struct replay_options *opt = p->play->set.opt;
	int64_t last_ns = comes_ns(p, p->next->ref);

	for (uint32_t i = 0; i < p->next->n_refs; i++) {
		int64_t at_ns = comes_ns(p, tape_ref(p->next, i));

		if (at_ns > last_ns)
			last_ns = at_ns;
	}
	p->waits = false;
	if (last_ns == 0 ||
	    now_ns - (due_ns > last_ns ? due_ns : last_ns) >=
		opt->answer_timeout_ns)
		return false;
	if (last_ns > now_ns && opt->pacing != REPLAY_CLOSED) {
		p->due_ns = last_ns;
		return true;
	}
	p->waits = true;
	p->held_until_ns = now_ns;
	return true;
}

static void
send_due(struct player *p)
{
	bool asap = p->play->set.opt->timing == REPLAY_ASAP;
	int64_t now_ns = clock_now_ns(), due_ns;

	while (p->next != NULL) {
		due_ns = next_due(p);
		if (!asap || due_ns > now_ns)
			now_ns = clock_now_ns();
		if (due_ns <= now_ns && asap)
			due_ns = now_ns; /* then it is due when it goes */
		if (due_ns <= now_ns && must_wait(p, due_ns, now_ns))
			return;
		if (due_ns > now_ns ||
		    player_send(p, p->next, due_ns, now_ns) == PLAYER_LATER)
			return;
		player_advance(p);
	}
}

void
player_pump(struct player *p)
{
	if (p->state != PLAYER_PLAYING || engine_conn_is_blocked(p->conn))
		return; /* if it is, player_drained() comes */
	send_due(p);
	if (p->next == NULL)
		p->state = PLAYER_ENDING;
}

/* ---- time ---- */

static int64_t
earlier(int64_t a_ns, int64_t b_ns)
{
	return b_ns != 0 && b_ns < a_ns ? b_ns : a_ns;
}

/* The oldest request is given up then; 0: there is none. */
static int64_t
give_up_ns(const struct player *p)
{
	return pairing_is_empty(&p->pairing)
	    ? 0
	    : (int64_t)pairing_oldest(&p->pairing)->user +
		p->play->set.opt->answer_timeout_ns;
}

void
player_arm(struct player *p, int64_t now_ns)
{
	int64_t at_ns = LATER_NS;

	if (p->state == PLAYER_CLOSING)
		return;
	if (p->state == PLAYER_GREETED)
		at_ns = p->ready_ns + WELCOME_TIMEOUT_NS;
	if (p->state == PLAYER_PLAYING && !engine_conn_is_blocked(p->conn))
		at_ns = next_due(p);
	if (p->state == PLAYER_PLAYING && p->waits)
		at_ns = now_ns + AGAIN_NS;
	if (p->state == PLAYER_ENDING)
		at_ns = end_due(p);
	if (p->state == PLAYER_ENDING && at_ns <= now_ns)
		at_ns = now_ns + DIFF_QUIET_NS / 8;
	at_ns = earlier(at_ns, p->keepalive_at_ns);
	at_ns = earlier(at_ns, give_up_ns(p));
	/* what is overdue waits until others have had their turn */
	if (at_ns <= engine_worker_now_ns(p->worker->engine))
		at_ns = engine_worker_now_ns(p->worker->engine) + 1;
	engine_conn_set_timer(p->conn, at_ns);
}

/* For who waits for it, it counts as answered. */
void
player_give_up(struct player *p, int64_t now_ns)
{
	const struct pairing_request *oldest = pairing_oldest(&p->pairing);

	results_unanswered(&p->worker->results,
	    (int64_t)oldest->user - p->play->start_ns, oldest->key);
	pairing_drop_oldest(&p->pairing);
	p->n_answers++;
	p->last_answer_ns = now_ns;
}

static void
expire(struct player *p, int64_t now_ns)
{
	while (!pairing_is_empty(&p->pairing) && give_up_ns(p) <= now_ns)
		player_give_up(p, now_ns);
}

static void
no_welcome(struct player *p)
{
	p->gave_up = true;
	play_set_reason(p->play, "no welcome in time");
	engine_conn_cut(p->conn);
}

void
player_timer(struct player *p, int64_t now_ns)
{
	if (p->state == PLAYER_GREETED &&
	    now_ns >= p->ready_ns + WELCOME_TIMEOUT_NS) {
		no_welcome(p);
		return;
	}
	expire(p, now_ns);
	if (p->keepalive_at_ns != 0 && now_ns >= p->keepalive_at_ns) {
		player_keepalive(p, now_ns);
		p->keepalive_at_ns = now_ns + p->keepalive_ns;
	}
	player_pump(p);
	if (p->state == PLAYER_ENDING && may_end(p, now_ns))
		finish(p);
	player_arm(p, now_ns);
}

/* The cluster took everything at last. */
void
player_drained(struct player *p)
{
	p->held_until_ns = clock_now_ns();
	if (p->state == PLAYER_PLAYING)
		engine_conn_set_timer(p->conn, p->held_until_ns);
}

/* ---- the beginning ---- */

/* When it would be ready, did the cluster take as long as in the capture. */
static int64_t
planned_ready_ns(const struct player *p)
{
	const struct replay_options *opt = p->play->set.opt;
	double after_ns = (double)p->session->ready_ns / opt->speed;

	if (opt->timing != REPLAY_SPEED || after_ns < 0 ||
	    after_ns > (double)LATER_NS)
		return p->start_ns;
	return p->start_ns + (int64_t)after_ns;
}

/*
 * Times count from when it is ready; see plan_due_ns(). A cluster that takes
 * a little longer to let us in does not move them, as long as the first frame
 * is still to come: the schedule is an absolute one.
 */
static void
set_schedule(struct player *p, int64_t now_ns)
{
	const struct replay_options *opt = p->play->set.opt;
	int64_t first_ns, planned_ns = planned_ready_ns(p);

	p->ready_ns = now_ns;
	if (p->next == NULL || opt->timing == REPLAY_ASAP ||
	    opt->pacing == REPLAY_CLOSED)
		return;
	p->ready_ns = 0;
	first_ns = by_the_clock(p, p->next);
	p->ready_ns = planned_ns;
	if (planned_ns + first_ns < now_ns)
		p->ready_ns = now_ns - first_ns;
	p->due_ns = p->ready_ns + first_ns;
}

void
player_up(struct player *p, int64_t now_ns)
{
	set_schedule(p, now_ns);
	p->opened = true;
	results_ready(&p->worker->results, now_ns - p->start_ns);
	results_opened(&p->worker->results, now_ns - p->play->start_ns);
	p->state = p->next != NULL ? PLAYER_PLAYING : PLAYER_ENDING;
	if (p->stopped)
		player_stop(p);
	player_arm(p, now_ns);
}

void
player_ready(struct player *p, struct engine_conn *conn)
{
	int64_t now_ns = clock_now_ns();

	p->conn = conn;
	results_count(&p->worker->results, RESULTS_SESSIONS_BEGUN, 1);
	if (atomic_load(&p->play->stopping) ||
	    atomic_load(&p->play->production)) {
		p->stopped = p->draining = true;
		finish(p);
		return;
	}
	if (!says_hello(p->session)) {
		player_up(p, now_ns);
		return;
	}
	p->state = PLAYER_GREETED;
	p->ready_ns = now_ns; /* until the welcome */
	player_hello(p);
	player_arm(p, now_ns);
}

void
player_stop(struct player *p)
{
	p->draining = true;
	p->stopped = p->stopped || p->next != NULL ||
	    p->state < PLAYER_PLAYING ||
	    (p->state == PLAYER_ENDING && end_due(p) > clock_now_ns());
	if (p->state == PLAYER_GREETED)
		finish(p);
	if (p->state != PLAYER_PLAYING && p->state != PLAYER_ENDING)
		return;
	p->end_due_ns = p->ready_ns;
	p->state = PLAYER_ENDING;
	player_arm(p, clock_now_ns());
}
