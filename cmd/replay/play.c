/* SPDX-License-Identifier: MIT */
/*
 * Threads: the starter connects players when they are due, the workers of the
 * engine play them, and whoever called play_start() looks on.
 */
#include "cmd/replay/play_impl.h"

#include "cmd/common/ending.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>

#define MESSAGE_MAX_BYTES ((size_t)1 << 20)
#define WINDOW_DIGITS 2
#define AWAKE_NS 150000 /* a thread wakes about that late */
#define MEMORY_MAX_BYTES (UINT64_C(2) << 30)

/* ---- what the players tell ---- */

void
play_ended(struct play *play)
{
	if (atomic_fetch_sub(&play->n_live, 1) != 1)
		return;
	pthread_mutex_lock(&play->lock);
	pthread_cond_broadcast(&play->changed);
	pthread_mutex_unlock(&play->lock);
}

/* The first reason is the one that is told. */
void
play_set_reason(struct play *play, const char *why)
{
	pthread_mutex_lock(&play->lock);
	if (play->reason[0] == '\0')
		snprintf(play->reason, sizeof(play->reason), "%s", why);
	cli_plain(play->reason);
	pthread_mutex_unlock(&play->lock);
}

void
play_tell_all(struct play *play, uint32_t what)
{
	static const struct bnet_slice nothing = { NULL, 0 };

	for (unsigned i = 0; i < play->n_workers; i++)
		(void)engine_message(play->engine, i, what, nothing);
}

/* Do no harm: whatever was asked for, production is left alone at once. */
void
play_set_environment(struct play *play, const struct bnet_string *name)
{
	static const char production[] = "production";
	size_t n = name->len_bytes;
	bool is_production = n == sizeof(production) - 1 &&
	    strncasecmp(name->p, production, n) == 0;

	pthread_mutex_lock(&play->lock);
	if (play->environment[0] == '\0' || is_production)
		snprintf(play->environment, sizeof(play->environment), "%.*s",
		    (int)n, name->p != NULL ? name->p : "");
	pthread_mutex_unlock(&play->lock);
	if (!is_production || atomic_exchange(&play->production, true))
		return;
	play_tell_all(play, PLAY_SAY_CUT);
	pthread_mutex_lock(&play->lock);
	play->stop = true;
	pthread_cond_broadcast(&play->changed);
	pthread_mutex_unlock(&play->lock);
}

/* ---- the hooks of the engine ---- */

static void
ready(void *arg, struct engine_conn *conn)
{
	(void)arg;
	player_ready(engine_conn_listener_user(conn), conn);
}

static void
packet(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	(void)arg;
	player_packet(engine_conn_listener_user(conn), packet);
}

static void
bad(void *arg, struct engine_conn *conn, const struct bnet_packet *packet,
    enum bnet_err why)
{
	struct player *p = engine_conn_listener_user(conn);

	(void)arg;
	(void)packet;
	(void)why;
	results_count(&p->worker->results, RESULTS_BAD, 1);
}

static void
timer(void *arg, struct engine_conn *conn, int64_t now_ns)
{
	(void)arg;
	player_timer(engine_conn_listener_user(conn), now_ns);
}

static void
drained(void *arg, struct engine_conn *conn)
{
	(void)arg;
	player_drained(engine_conn_listener_user(conn));
}

static void
closed(void *arg, struct engine_conn *conn, enum engine_end end)
{
	struct player *p = engine_conn_listener_user(conn);

	(void)arg;
	p->conn = conn;
	player_closed(p, end);
}

static void
no_conn(void *arg, void *user, const struct address *from)
{
	(void)arg;
	(void)from;
	player_no_conn(user);
}

static void
stop_conn(void *arg, struct engine_conn *conn)
{
	(void)arg;
	player_stop(engine_conn_listener_user(conn));
}

static void
cut_conn(void *arg, struct engine_conn *conn)
{
	struct player *p = engine_conn_listener_user(conn);

	(void)arg;
	p->stopped = true;
	engine_conn_cut(conn);
}

static void
message(void *arg, struct engine_worker *worker, uint32_t type,
    struct bnet_slice bytes)
{
	struct play *play = arg;

	(void)bytes;
	if (type == PLAY_SAY_STOP)
		engine_each_conn(worker, stop_conn, NULL);
	else if (type == PLAY_SAY_CUT)
		engine_each_conn(worker, cut_conn, NULL);
	else if (type == PLAY_SAY_PUBLISH)
		play_publish(&play->workers[engine_worker_index(worker)]);
}

/* Timers as precise as they come: 50 us late is the default. */
static void
worker_start(void *arg, struct engine_worker *worker)
{
	struct play *play = arg;

	play->workers[engine_worker_index(worker)].engine = worker;
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
}

static const struct engine_hooks hooks = {
	.ready = ready,
	.packet = packet,
	.bad = bad,
	.timer = timer,
	.drained = drained,
	.closed = closed,
	.no_conn = no_conn,
	.message = message,
	.worker_start = worker_start,
};

/* ---- beginning ---- */

static bool
init_worker(struct play *play, struct play_worker *worker)
{
	const struct play_settings *set = &play->set;

	worker->play = play;
	bnet_buf_init(&worker->body, MESSAGE_MAX_BYTES);
	bnet_buf_init(&worker->store, MESSAGE_MAX_BYTES);
	bnet_buf_init(&worker->plain, BNET_PAYLOAD_MAX_BYTES);
	rewrite_scratch_init(&worker->scratch);
	if (set->masks != NULL) {
		worker->diff = diff_new(set->tape, set->masks);
		if (worker->diff == NULL)
			return false;
	}
	return results_init(&worker->results, set->opt->bucket_ns) &&
	    hdr_init(&worker->window, WINDOW_DIGITS, HDR_HOUR_NS);
}

static bool
init(struct play *play)
{
	const struct replay_options *opt = play->set.opt;
	const struct engine_settings set = {
		.n_workers = opt->n_threads,
		.memory_max_bytes = MEMORY_MAX_BYTES,
		.frame_max_bytes = opt->cap.frame_max_bytes,
		.payload_max_bytes = opt->cap.payload_max_bytes,
		.spin = opt->spin,
		.awake_ns = AWAKE_NS,
		.hooks = &hooks,
		.arg = play,
	};

	play->engine = engine_new(&set);
	if (play->engine == NULL)
		return false;
	play->n_workers = engine_n_workers(play->engine);
	play->workers = calloc(play->n_workers, sizeof(*play->workers));
	if (play->workers == NULL ||
	    !live_init(&play->live, play->set.plan, play->set.masks != NULL))
		return false;
	for (unsigned i = 0; i < play->n_workers; i++)
		if (!init_worker(play, &play->workers[i]))
			return false;
	return true;
}

struct play *
play_new(const struct play_settings *set)
{
	struct play *play = calloc(1, sizeof(*play));
	pthread_condattr_t attr;

	if (play == NULL)
		return NULL;
	play->set = *set;
	pthread_mutex_init(&play->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&play->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (init(play))
		return play;
	play_free(play);
	errno = ENOMEM;
	return NULL;
}

bool
play_start(struct play *play, int64_t start_ns)
{
	play->start_ns = start_ns;
	if (!engine_start(play->engine))
		return false;
	errno = pthread_create(&play->starter, NULL, play_starter, play);
	play->starter_runs = errno == 0;
	return play->starter_runs;
}

/* ---- the end ---- */

void
play_stop(struct play *play)
{
	pthread_mutex_lock(&play->lock);
	play->stop = true;
	pthread_cond_broadcast(&play->changed);
	pthread_mutex_unlock(&play->lock);
	if (play->starter_runs)
		play->starter_runs = !ending_join(
		    play->starter, "the thread that starts sessions");
	if (engine_stop(play->engine) && !play->starter_runs)
		player_free_all(play);
}

bool
play_results(struct play *play, struct results *results)
{
	for (unsigned i = 0; i < play->n_workers; i++)
		if (engine_ended(play->engine, i) &&
		    !results_merge(results, &play->workers[i].results))
			return false;
	return true;
}

struct diff *
play_diff(struct play *play)
{
	struct diff *all = play->workers[0].diff;

	if (ending_is_stuck())
		return NULL; /* a part of it would look like the whole */
	for (unsigned i = 1; i < play->n_workers && all != NULL; i++) {
		(void)diff_merge(all, play->workers[i].diff);
		diff_free(play->workers[i].diff);
		play->workers[i].diff = NULL;
	}
	return all;
}

const char *
play_environment(const struct play *play)
{
	return play->environment;
}

const char *
play_reason(const struct play *play)
{
	return play->reason;
}

void
play_free(struct play *play)
{
	if (play == NULL || ending_is_stuck())
		return;
	for (unsigned i = 0; play->workers != NULL && i < play->n_workers;
	     i++) {
		struct play_worker *worker = &play->workers[i];

		results_free(&worker->results);
		diff_free(worker->diff);
		hdr_free(&worker->window);
		bnet_buf_free(&worker->body);
		bnet_buf_free(&worker->store);
		bnet_buf_free(&worker->plain);
		rewrite_scratch_free(&worker->scratch);
	}
	engine_free(play->engine);
	live_free(&play->live);
	free(play->workers);
	pthread_mutex_destroy(&play->lock);
	pthread_cond_destroy(&play->changed);
	free(play);
}
