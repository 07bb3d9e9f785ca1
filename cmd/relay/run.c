/* SPDX-License-Identifier: MIT */
/* The running relay: signals, reloading, draining, the watchdog. */
#include "cmd/relay/run.h"

#include "cmd/common/clock.h"
#include "cmd/common/log.h"
#include "cmd/engine/rcu.h"
#include "cmd/relay/admin.h"
#include "cmd/relay/capture.h"
#include "cmd/relay/service.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define S_NS INT64_C(1000000000)
#define DAY_S INT64_C(86400)
#define WARN_BEFORE_S (14 * DAY_S) /* the end of a certificate */
#define TICK_NS INT64_C(1000000000)
#define STEP_NS INT64_C(10000000) /* between checks while draining */
#define FLUSH_MAX_NS INT64_C(2000000000) /* for writing queues at the end */
#define FLUSH_MIN_NS INT64_C(250000000)
#define MEMORY_SAID_NS INT64_C(30000000000)
#define MEASURE_TICKS 5 /* between measurements of what the kernel holds */
#define TRIM_BYTES ((uint64_t)16 << 20)
#define STUCK_NS INT64_C(10000000000) /* a longer turn means a stuck worker */

/* ---- configuration ---- */

void
config_free(struct relay_config *config)
{
	if (config == NULL)
		return;
	relay_options_free(&config->opt);
	credentials_free(config->tokens);
	credentials_free(config->client_tokens);
	bnet_tls_ctx_free(config->tls);
	free(config);
}

/* Load the rest of a configuration whose options are set. */
bool
config_load(struct relay_config *config, char err[RELAY_ERR_CHARS])
{
	config->rules = (struct route_rules){
		.relay_id = (int64_t)config->opt.id,
		.no_client_to_client = config->opt.no_client_to_client,
	};
	config->rates.excess = (enum rates_excess)config->opt.client_excess;
	(void)rates_read(&config->rates, config->opt.client_rate,
	    config->opt.client_bytes, &config->opt.key_rate); /* checked */
	return secrets_tokens(
	    &config->opt, &config->tokens, &config->client_tokens, err);
}

void
config_limits(struct relay *relay, const struct relay_options *opt)
{
	const struct limits_settings set = {
		.open_max = (uint32_t)opt->max_connections,
		.address_max = (uint32_t)opt->max_per_address,
		.rate_per_s = (uint32_t)opt->accept_rate,
	};

	limits_set(relay->limits, &set);
	routes_set_rest(relay->routes, opt->id_rest_ns);
}

static bool
read_again(struct run *run, struct relay_config *fresh,
    struct option_changes *changes, struct secrets_ends *ends,
    char err[RELAY_ERR_CHARS])
{
	struct relay_config *old = config_of(run->relay);
	struct option_reading reading;

	if (!relay_options_read(&fresh->opt, &reading, run->argc, run->argv) ||
	    !relay_options_reload(&old->opt, &fresh->opt, &reading, changes)) {
		options_first_mistake(&reading, err, RELAY_ERR_CHARS);
		return false;
	}
	return config_load(fresh, err) &&
	    secrets_tls(&fresh->opt, run->keylog, run->keylog_arg, &fresh->tls,
		ends, err);
}

/* No thread uses the old configuration any more. */
static void
config_after_grace(struct rcu_head *rcu)
{
	rcu_after_grace();
	config_free(container_of(rcu, struct relay_config, rcu));
	rcu_freed();
}

static void
take_over(struct run *run, struct relay_config *fresh)
{
	struct relay *relay = run->relay;
	struct relay_config *old = config_of(relay);

	for (size_t i = 0; i < relay->n_listeners; i++)
		if (relay->listeners[i].tls)
			engine_listener_set_tls(
			    relay->listeners[i].listener, fresh->tls);
	config_limits(relay, &fresh->opt);
	engine_set_limits(relay->engine, fresh->opt.memory_bytes,
	    (size_t)fresh->opt.queue_bytes);
	engine_set_timeouts(relay->engine, fresh->opt.handshake_timeout_ns,
	    fresh->opt.frame_timeout_ns);
	log_set_level((enum log_level)fresh->opt.log_level);
	atomic_store_explicit(&relay->config, fresh, memory_order_release);
	routes_changed(relay->routes);
	/* do not wait for readers: a stuck worker would block SIGTERM */
	rcu_later(&old->rcu, config_after_grace);
}

/*
 * Let the workers check which links may stay. One check at a time, so that the
 * barriers of the drain find room; a reload meanwhile is checked afterwards.
 */
static void
check_links(struct run *run)
{
	struct relay *relay = run->relay;

	if (!run->check_links ||
	    atomic_load(&relay->n_reloaded) !=
		run->n_checks * engine_n_workers(relay->engine) ||
	    !engine_barrier(relay->engine, RELAY_MESSAGE_RELOADED))
		return;
	run->check_links = false;
	run->n_checks++;
}

static void
reload(struct run *run)
{
	struct relay *relay = run->relay;
	struct relay_config *fresh = calloc(1, sizeof(*fresh));
	struct option_changes changes;
	char err[RELAY_ERR_CHARS] = "out of memory";
	struct secrets_ends ends = { 0 };

	service_reloading();
	if (relay->record != NULL)
		record_again(relay->record);
	if (fresh == NULL || !read_again(run, fresh, &changes, &ends, err)) {
		log_error(
		    "not reloaded, going on as before", LOG_STR("reason", err));
		relay_count(&relay->app_worker, RELAY_RELOADS_FAILED);
		config_free(fresh);
		service_ready("running; the last reload failed");
		return;
	}
	take_over(run, fresh);
	run->check_links = true;
	check_links(run);
	run->ends = ends;
	run->warn_at_s = 0;
	atomic_store(&relay->cert_expires_s, ends.cert_s);
	relay_count(&relay->app_worker, RELAY_RELOADS_OK);
	log_info("reloaded, certificates and tokens too",
	    LOG_STR("options", changes.now[0] != '\0' ? changes.now : NULL));
	if (changes.restart[0] != '\0')
		log_warn("not changed before a restart",
		    LOG_STR("options", changes.restart));
	service_ready("running");
}

/* ---- draining ---- */

/* A relay sends four of these in its life, fewer than a mailbox holds. */
static void
to_all_workers(struct relay *relay, enum relay_message message)
{
	if (!engine_barrier(relay->engine, message))
		log_error("the workers cannot be reached");
}

/* Wait until `until_ns`, until all links are gone, or for another signal. */
static bool
wait_for_all(struct run *run, int64_t until_ns)
{
	const struct timespec step = { .tv_nsec = STEP_NS };
	int sig;

	while (limits_open(run->relay->limits) > 0) {
		if (clock_now_ns() >= until_ns)
			return false;
		sig = sigtimedwait(&run->signals, NULL, &step);
		if (sig == SIGTERM || sig == SIGINT)
			return false;
		service_watchdog();
	}
	return true;
}

/*
 * A drain has two times for writing at its end, and all three together take
 * --drain-timeout, unless that is too short for writing anything.
 */
static int64_t
flush_ns(int64_t timeout_ns)
{
	int64_t ns = timeout_ns / 4;

	return ns < FLUSH_MIN_NS ? FLUSH_MIN_NS
	    : ns > FLUSH_MAX_NS  ? FLUSH_MAX_NS
				 : ns;
}

static int64_t
leave_ns(int64_t timeout_ns)
{
	int64_t ns = timeout_ns - 2 * flush_ns(timeout_ns);

	return ns < timeout_ns / 2 ? timeout_ns / 2 : ns;
}

/*
 * Accept no new connections, send bluenet.drain to links with a hello and give
 * them time to leave. Then write the queues, and at last only the frames that
 * are half written.
 */
static void
drain(struct run *run, bool at_once)
{
	struct relay *relay = run->relay;
	const struct relay_options *opt = &config_of(relay)->opt;
	int64_t timeout_ns = opt->drain_timeout_ns;
	int64_t spread_ns = opt->drain_spread_ns;

	service_stopping("draining");
	log_info("draining", LOG_U64("connections", limits_open(relay->limits)),
	    LOG_TIME("timeout", at_once ? 0 : timeout_ns));
	if (spread_ns > leave_ns(timeout_ns) / 2)
		spread_ns = leave_ns(timeout_ns) / 2;
	atomic_store(&relay->drain_spread_ns, at_once ? 0 : spread_ns);
	atomic_store(&relay->draining, true);
	engine_stop_listening(relay->engine);
	to_all_workers(relay, RELAY_MESSAGE_DRAIN);
	if (!at_once &&
	    wait_for_all(run, clock_now_ns() + leave_ns(timeout_ns)))
		return;
	/*
	 * A finished link takes nothing more. So first all workers stop
	 * forwarding; when the second message comes, everything that they
	 * forwarded is queued.
	 */
	to_all_workers(relay, RELAY_MESSAGE_CLOSE);
	to_all_workers(relay, RELAY_MESSAGE_FINISH);
	if (wait_for_all(run, clock_now_ns() + flush_ns(timeout_ns)))
		return;
	to_all_workers(relay, RELAY_MESSAGE_DROP);
	if (!wait_for_all(run, clock_now_ns() + flush_ns(timeout_ns)))
		log_warn("connections are cut",
		    LOG_U64("connections", limits_open(relay->limits)));
}

/* ---- the loop ---- */

/* Say that memory is short, when that begins and every so often. */
static void
tick_memory(struct run *run)
{
	struct relay *relay = run->relay;
	int64_t now_ns = clock_now_ns();

	if (!admin_memory_is_short(relay)) {
		run->memory_said_ns = 0;
		return;
	}
	if (run->memory_said_ns != 0 &&
	    now_ns - run->memory_said_ns < MEMORY_SAID_NS)
		return;
	run->memory_said_ns = now_ns;
	log_warn("memory is short: see the largest holders in /links",
	    LOG_U64("taken", engine_memory_reserved(relay->engine)),
	    LOG_U64("budget", config_of(relay)->opt.memory_bytes));
}

/*
 * After a burst, what malloc() keeps between blocks in use goes back, too. It
 * holds up those who allocate for a moment, so only for a good deal.
 */
static void
tick_trim(struct run *run)
{
	uint64_t now = engine_memory_reserved(run->relay->engine);

	if (now > run->memory_peak)
		run->memory_peak = now;
	if (run->memory_peak < TRIM_BYTES || now > run->memory_peak / 2)
		return;
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
	run->memory_peak = now;
}

static void
warn_of_end(const char *option, int64_t ends_s, int64_t now_s)
{
	if (ends_s == 0 || ends_s - now_s > WARN_BEFORE_S)
		return;
	if (ends_s > now_s)
		log_warn("a certificate ends soon", LOG_STR("option", option),
		    LOG_TIME("in", (ends_s - now_s) * S_NS));
	else
		log_error("a certificate has ended", LOG_STR("option", option),
		    LOG_TIME("ago", (now_s - ends_s) * S_NS));
}

/* A list that has ended lets no certificate in. */
static void
warn_of_list(int64_t ends_s, int64_t now_s)
{
	if (ends_s != 0 && ends_s <= now_s)
		log_error("a revocation list has ended, so no certificate is"
			  " accepted",
		    LOG_STR("option", "crl"),
		    LOG_TIME("ago", (now_s - ends_s) * S_NS));
}

/* Once a day, and after each reload. */
static void
warn_of_ends(struct run *run)
{
	int64_t now_s = clock_unix_ns() / S_NS;

	if (now_s < run->warn_at_s)
		return;
	run->warn_at_s = now_s + DAY_S;
	warn_of_end("cert", run->ends.cert_s, now_s);
	warn_of_end("ca", run->ends.ca_s, now_s);
	warn_of_list(run->ends.crl_s, now_s);
}

static void
tick(struct run *run)
{
	int64_t stuck_ns =
	    clock_now_ns() - engine_oldest_turn_ns(run->relay->engine);

	log_tick();
	warn_of_ends(run);
	tick_memory(run);
	tick_trim(run);
	if (run->n_ticks++ % MEASURE_TICKS == 0)
		engine_measure_sockets(run->relay->engine);
	check_links(run);
	if (stuck_ns < STUCK_NS)
		service_watchdog();
	else
		log_error("a worker is stuck", LOG_TIME("for", stuck_ns));
}

/* Call before any thread starts, so that all inherit the mask. */
void
run_block_signals(struct run *run)
{
	sigemptyset(&run->signals);
	sigaddset(&run->signals, SIGHUP);
	sigaddset(&run->signals, SIGTERM);
	sigaddset(&run->signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &run->signals, NULL);
}

/* Run until a signal ends it. */
void
run_loop(struct run *run)
{
	int64_t interval_ns = service_watchdog_interval_ns();
	struct timespec wait = { .tv_sec = TICK_NS / 1000000000 };
	int sig;

	if (interval_ns > 0 && interval_ns < TICK_NS)
		wait = (struct timespec){ .tv_nsec = interval_ns };
	for (;;) {
		sig = sigtimedwait(&run->signals, NULL, &wait);
		tick(run);
		if (sig == SIGHUP)
			reload(run);
		if (sig == SIGTERM || sig == SIGINT)
			break;
	}
	drain(run, sig == SIGINT);
}
