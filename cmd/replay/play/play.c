/* SPDX-License-Identifier: MIT */
/*
 * The threads of a replay: the connector connects virtual clients when they are
 * due, the workers of the engine play them, and the caller of play_start()
 * watches.
 *
 * Owns the engine, the connector and everything that the workers use. Called by
 * run.c.
 */
#include "cmd/replay/play/play.h"

#include "cmd/common/clock.h"
#include "cmd/common/ending.h"
#include "cmd/replay/play/virtual_client.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define NS_PER_S INT64_C(1000000000)
#define WINDOW_DIGITS 2
#define AWAKE_NS 150000 /* typical wake-up latency of a thread */
#define MEMORY_MAX_BYTES (UINT64_C(2) << 30)

/* ---- progress and stopping, for the caller ---- */

static void
play_publish(struct play_worker *worker)
{
	struct play_progress *seen = &worker->seen;
	uint64_t n[RESULTS_N_COUNTS];

	for (unsigned i = 0; i < RESULTS_N_COUNTS; i++)
		n[i] = worker->before[i] + worker->results.counts[i];
	pthread_mutex_lock(&worker->play->lock);
	seen->begun = n[RESULTS_SESSIONS_BEGUN];
	seen->ready = n[RESULTS_SESSIONS_READY];
	seen->done = n[RESULTS_SESSIONS_DONE];
	seen->failed = n[RESULTS_SESSIONS_FAILED] +
	    n[RESULTS_SESSIONS_REFUSED] + n[RESULTS_SESSIONS_CUT];
	seen->sent = n[RESULTS_FRAMES_SENT];
	seen->received = n[RESULTS_FRAMES_RECEIVED];
	seen->errors = n[RESULTS_ERRORS] - worker->captured_before -
	    results_errors_captured(&worker->results);
	seen->held = n[RESULTS_HELD];
	seen->late_p99_ns = hdr_quantile(&worker->window, 0.99);
	seen->late_max_ns = worker->window_max_ns;
	pthread_mutex_unlock(&worker->play->lock);
	hdr_clear(&worker->window);
	worker->window_max_ns = 0;
}

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static bool
is_over(struct play *play)
{
	return play->connector_done && atomic_load(&play->n_running) == 0;
}

/* The workers publish their current state for the next call. */
void
play_progress(struct play *play, struct play_progress *progress)
{
	*progress = (struct play_progress){ 0 };
	pthread_mutex_lock(&play->lock);
	for (unsigned i = 0; i < play->n_workers; i++) {
		const struct play_progress *seen = &play->workers[i].seen;

		progress->begun += seen->begun;
		progress->ready += seen->ready;
		progress->done += seen->done;
		progress->failed += seen->failed;
		progress->sent += seen->sent;
		progress->received += seen->received;
		progress->errors += seen->errors;
		progress->held += seen->held;
		progress->late_p99_ns =
		    larger(progress->late_p99_ns, seen->late_p99_ns);
		progress->late_max_ns =
		    larger(progress->late_max_ns, seen->late_max_ns);
	}
	progress->sessions_planned = play->n_planned;
	progress->order = play->order;
	progress->stock = atomic_load(&play->stock_found);
	progress->over = is_over(play);
	pthread_mutex_unlock(&play->lock);
	progress->production = atomic_load(&play->production);
	play_message_all(play, PLAY_SAY_PUBLISH);
}

/* ---- results while it runs ---- */

/*
 * Exchanges the results of this worker for empty ones: whoever asked merges
 * them, which would make frames late here.
 */
static void
hand_over_results(struct play_worker *worker)
{
	struct results *results = &worker->results;

	pthread_mutex_lock(&worker->play->lock);
	if (worker->has_spare && !worker->has_taken) {
		for (unsigned i = 0; i < RESULTS_N_COUNTS; i++)
			worker->before[i] += results->counts[i];
		worker->captured_before += results_errors_captured(results);
		worker->taken = *results;
		*results = worker->spare;
		worker->has_spare = false;
		worker->has_taken = true;
	}
	pthread_mutex_unlock(&worker->play->lock);
}

void
play_ask_results(struct play *play)
{
	const int64_t bucket_ns = play->set.opt->bucket_ns;

	for (unsigned i = 0; i < play->n_workers; i++) {
		struct play_worker *worker = &play->workers[i];

		pthread_mutex_lock(&play->lock);
		if (!worker->has_spare)
			worker->has_spare =
			    results_init(&worker->spare, bucket_ns);
		pthread_mutex_unlock(&play->lock);
	}
	play_message_all(play, PLAY_SAY_RESULTS);
}

bool
play_take_results(struct play *play, struct results *results)
{
	bool all = true;

	for (unsigned i = 0; i < play->n_workers; i++) {
		struct play_worker *worker = &play->workers[i];
		struct results taken;
		bool has;

		pthread_mutex_lock(&play->lock);
		has = worker->has_taken;
		if (has)
			taken = worker->taken;
		worker->has_taken = false;
		all = all && !worker->has_spare;
		pthread_mutex_unlock(&play->lock);
		if (!has)
			continue;
		all = results_merge(results, &taken) && all;
		results_free(&taken);
	}
	return all;
}

void
play_drain(struct play *play)
{
	pthread_mutex_lock(&play->lock);
	play->stop = true;
	pthread_cond_broadcast(&play->changed);
	pthread_mutex_unlock(&play->lock);
	atomic_store(&play->stopping, true);
	play_message_all(play, PLAY_SAY_STOP);
}

bool
play_wait(struct play *play, int64_t timeout_ns)
{
	int64_t until_ns = clock_now_ns() + timeout_ns;
	const struct timespec ts = { .tv_sec = until_ns / NS_PER_S,
		.tv_nsec = until_ns % NS_PER_S };
	bool over;

	pthread_mutex_lock(&play->lock);
	while (!is_over(play) && clock_now_ns() < until_ns)
		(void)pthread_cond_timedwait(&play->changed, &play->lock, &ts);
	over = is_over(play);
	pthread_mutex_unlock(&play->lock);
	return over;
}

/* ---- the connector ---- */

/* The time at which --duration ends. */
static int64_t
end_ns(const struct play *play)
{
	int64_t duration_ns = play->set.opt->duration_ns;

	return duration_ns == 0 || duration_ns > INT64_MAX - play->start_ns
	    ? INT64_MAX
	    : play->start_ns + duration_ns;
}

/* Waits until at_ns or, with `vclients`, until no virtual client runs. */
static bool
wait_for(struct play *play, int64_t at_ns, bool vclients)
{
	int64_t until_ns = at_ns < end_ns(play) ? at_ns : end_ns(play);
	const struct timespec ts = { .tv_sec = until_ns / NS_PER_S,
		.tv_nsec = until_ns % NS_PER_S };
	bool stop;

	pthread_mutex_lock(&play->lock);
	while (!play->stop && clock_now_ns() < until_ns &&
	    !(vclients && atomic_load(&play->n_running) == 0))
		(void)pthread_cond_timedwait(&play->changed, &play->lock, &ts);
	stop = play->stop;
	pthread_mutex_unlock(&play->lock);
	return !stop && clock_now_ns() < end_ns(play);
}

/* Returns false if the connector must stop. */
static bool
wait_until(struct play *play, int64_t at_ns)
{
	return wait_for(play, at_ns, false);
}

/*
 * Without a fixed schedule, the next round begins when the previous one is
 * over.
 */
static bool
waits_for_answers(const struct replay_options *opt)
{
	return opt->timing == REPLAY_ASAP || opt->pacing != REPLAY_OPEN;
}

static bool
wait_for_vclients(struct play *play)
{
	return wait_for(play, INT64_MAX, true);
}

/*
 * The first session finds out the byte order of the target, if nobody has. The
 * others wait for it, so that they connect once each; play_settled() moves the
 * whole run.
 */
static void
wait_for_order(struct play *play)
{
	pthread_mutex_lock(&play->lock);
	while (!play->stop && !atomic_load(&play->settled))
		(void)pthread_cond_wait(&play->changed, &play->lock);
	pthread_mutex_unlock(&play->lock);
}

/* Sessions that will never begin, from the i-th of the plan on. */
static void
leave_out(struct play *play, uint32_t i, enum results_count why)
{
	const struct plan *plan = play->set.plan;

	for (; i < plan->n; i++) {
		const struct plan_vclient *vclient = &plan->vclients[i];
		uint64_t all =
		    tape_session(play->set.tape, vclient->session)->n[CAP_UP];
		uint64_t n = vclient->n_frames < all ? vclient->n_frames : all;

		play->never[RESULTS_PLANNED] += all;
		play->never[RESULTS_SKIPPED] += all - n;
		play->never[RESULTS_UNSENT] += n;
		play->never[why] += n;
	}
}

static bool
start_round(struct play *play, int64_t start_ns)
{
	const struct plan *plan = play->set.plan;
	uint32_t round;

	pthread_mutex_lock(&play->lock);
	play->n_planned += plan->n;
	pthread_mutex_unlock(&play->lock);
	round = id_map_new_round(&play->ids);
	for (uint32_t i = 0; i < plan->n; i++) {
		int64_t at_ns =
		    start_ns + play->behind_ns + plan->vclients[i].start_ns;

		if (!wait_until(play, at_ns)) {
			leave_out(play, i, RESULTS_UNSENT_STOPPED);
			return false;
		}
		if (!vclient_begin(play, i, round, at_ns)) {
			play_set_failure(play, ENOMEM);
			play_set_reason(play, "out of memory");
			leave_out(play, i, RESULTS_UNSENT_INJECTOR);
			return false;
		}
		if (!atomic_load(&play->settled))
			wait_for_order(play);
	}
	return true;
}

static void
start_rounds(struct play *play)
{
	const struct replay_options *opt = play->set.opt;
	int64_t start_ns = play->start_ns;

	for (uint64_t i = 0; opt->loop == 0 || i < opt->loop; i++) {
		if (!start_round(play, start_ns) || play->set.plan->n == 0)
			return;
		start_ns += play->behind_ns; /* the first round was late */
		play->behind_ns = 0;
		start_ns = opt->timing == REPLAY_ASAP
		    ? 0
		    : start_ns + play->set.plan->length_ns;
		if (!waits_for_answers(opt))
			continue;
		if (!wait_for_vclients(play))
			return;
		if (start_ns < clock_now_ns())
			start_ns = clock_now_ns();
	}
}

static void *
connector(void *arg)
{
	struct play *play = arg;

	start_rounds(play);
	if (play->set.opt->duration_ns != 0) {
		(void)wait_for_vclients(play);
		play_drain(play);
	}
	pthread_mutex_lock(&play->lock);
	play->connector_done = true;
	pthread_cond_broadcast(&play->changed);
	pthread_mutex_unlock(&play->lock);
	return NULL;
}

/* ---- hooks of the engine ---- */

static void
ready(void *arg, struct engine_conn *conn)
{
	(void)arg;
	vclient_ready(engine_conn_listener_user(conn), conn);
}

static void
packet(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	(void)arg;
	vclient_packet(engine_conn_listener_user(conn), packet);
}

static void
bad(void *arg, struct engine_conn *conn, const struct bnet_packet *packet,
    enum bnet_err why)
{
	(void)arg;
	(void)packet;
	(void)why;
	vclient_bad(engine_conn_listener_user(conn));
}

static void
timer(void *arg, struct engine_conn *conn, int64_t now_ns)
{
	(void)arg;
	vclient_timer(engine_conn_listener_user(conn), now_ns);
}

static void
drained(void *arg, struct engine_conn *conn)
{
	(void)arg;
	vclient_drained(engine_conn_listener_user(conn));
}

static void
closed(void *arg, struct engine_conn *conn, enum engine_end end)
{
	(void)arg;
	vclient_closed(engine_conn_listener_user(conn), conn, end);
}

static void
no_conn(void *arg, void *user, const struct address *from)
{
	(void)arg;
	(void)from;
	vclient_no_conn(user);
}

static void
stop_conn(void *arg, struct engine_conn *conn)
{
	(void)arg;
	vclient_stop(engine_conn_listener_user(conn));
}

static void
cut_conn(void *arg, struct engine_conn *conn)
{
	(void)arg;
	vclient_cut(engine_conn_listener_user(conn), conn);
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
	else if (type == PLAY_SAY_RESULTS)
		hand_over_results(&play->workers[engine_worker_index(worker)]);
}

/*
 * Asks for precise timers: by default they may be 50 us late. That the
 * processors of --cpu may be used was checked before.
 */
static void
worker_start(void *arg, struct engine_worker *worker)
{
	struct play *play = arg;
	const struct replay_options *opt = play->set.opt;
	unsigned i = engine_worker_index(worker);
	cpu_set_t set;

	play->workers[i].engine = worker;
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	if (opt->n_cpus == 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(opt->cpus[i % opt->n_cpus], &set);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
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

/* ---- starting ---- */

static bool
init_worker(struct play *play, struct play_worker *worker)
{
	const struct play_settings *set = &play->set;

	worker->play = play;
	session_scratch_init(&worker->message);
	bnet_buf_init(&worker->plain, BNET_PAYLOAD_MAX_BYTES);
	rewrite_scratch_init(&worker->scratch);
	worker->payloads = payload_reader_new(true);
	bnet_buf_init(&worker->recoded, BNET_PAYLOAD_MAX_BYTES);
	if (set->opt->rewrite_payload)
		worker->rewriter = rewrite_payload_new();
	if (worker->payloads == NULL ||
	    (set->opt->rewrite_payload && worker->rewriter == NULL))
		return false;
	if (set->masks != NULL) {
		worker->diff = diff_new(set->tape, set->masks);
		if (worker->diff == NULL)
			return false;
	}
	return results_init(&worker->results, set->opt->bucket_ns) &&
	    hdr_init(&worker->window, WINDOW_DIGITS, HDR_HOUR_NS);
}

/*
 * One processor is left to the connector, to the thread that measures hiccups
 * and to the rest of the machine: threads that take all of them wait for each
 * other.
 */
static unsigned
n_threads(const struct replay_options *opt)
{
	size_t n = opt->n_cpus;
	cpu_set_t set;

	if (opt->n_threads != 0)
		return opt->n_threads;
	if (n == 0)
		n = sched_getaffinity(0, sizeof(set), &set) == 0
		    ? (size_t)CPU_COUNT(&set) - 1
		    : 1;
	if (n > ENGINE_WORKERS_MAX)
		n = ENGINE_WORKERS_MAX;
	return n > 0 ? (unsigned)n : 1;
}

static bool
init(struct play *play)
{
	const struct replay_options *opt = play->set.opt;
	const struct engine_settings set = {
		.n_workers = n_threads(opt),
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
	    !id_map_init(&play->ids, play->set.plan, play->set.masks != NULL))
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

/* Each address may answer in another order; one that is known is enough. */
static bool
order_is_known(struct play *play)
{
	const struct targets *targets = play->set.targets;
	bool known = play->set.opt->target_order != BNET_ORDER_AUTO;

	for (size_t p = 0; p < targets->n_places && !known; p++) {
		const struct session_target *target = &targets->places[p];

		for (size_t i = 0; i < target->n_addresses && !known; i++)
			known =
			    orders_find(play->set.orders, &target->addresses[i])
				.order != BNET_ORDER_AUTO;
	}
	return known;
}

bool
play_start(struct play *play, int64_t start_ns)
{
	play->start_ns = start_ns;
	atomic_store(&play->settled, order_is_known(play));
	if (!engine_start(play->engine))
		return false;
	errno = pthread_create(&play->connector, NULL, connector, play);
	play->connector_runs = errno == 0;
	return play->connector_runs;
}

/* ---- the end ---- */

void
play_stop(struct play *play)
{
	pthread_mutex_lock(&play->lock);
	play->stop = true;
	pthread_cond_broadcast(&play->changed);
	pthread_mutex_unlock(&play->lock);
	if (play->connector_runs)
		play->connector_runs = !ending_join(
		    play->connector, "the thread that starts sessions");
	if (engine_stop(play->engine) && !play->connector_runs)
		vclient_free_all(play);
}

bool
play_results(struct play *play, struct results *results)
{
	(void)play_take_results(play, results); /* the rest may never come */
	for (unsigned i = 0; i < play->n_workers; i++)
		if (engine_ended(play->engine, i) &&
		    !results_merge(results, &play->workers[i].results))
			return false;
	if (!play->connector_runs)
		for (unsigned i = 0; i < RESULTS_N_COUNTS; i++)
			results->counts[i] += play->never[i];
	return true;
}

struct diff *
play_diff(struct play *play)
{
	struct diff *all = play->workers[0].diff;

	if (ending_is_stuck())
		return NULL; /* a partial result would look like the whole */
	for (unsigned i = 1; i < play->n_workers && all != NULL; i++) {
		diff_merge(all, play->workers[i].diff);
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

bool
play_reached(const struct play *play)
{
	return atomic_load(&play->reached);
}

int
play_failure(const struct play *play)
{
	return play->failure;
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
		if (worker->has_spare)
			results_free(&worker->spare);
		if (worker->has_taken)
			results_free(&worker->taken);
		diff_free(worker->diff);
		hdr_free(&worker->window);
		session_scratch_free(&worker->message);
		bnet_buf_free(&worker->plain);
		rewrite_scratch_free(&worker->scratch);
		payload_reader_free(worker->payloads);
		rewrite_payload_free(worker->rewriter);
		bnet_buf_free(&worker->recoded);
	}
	engine_free(play->engine);
	id_map_free(&play->ids);
	free(play->workers);
	pthread_mutex_destroy(&play->lock);
	pthread_cond_destroy(&play->changed);
	free(play);
}
