/* SPDX-License-Identifier: MIT */
/*
 * bluenet-relay: a reference relay. See bluenet-relay(1). It owns the relay,
 * and makes and frees its parts; run.c runs it.
 */
#include "cmd/common/cli.h"
#include "cmd/common/clock.h"
#include "cmd/common/ending.h"
#include "cmd/common/log.h"
#include "cmd/common/process.h"
#include "cmd/engine/rcu.h"
#include "cmd/relay/admin.h"
#include "cmd/relay/control.h"
#include "cmd/relay/hooks.h"
#include "cmd/relay/keylog_file.h"
#include "cmd/relay/local.h"
#include "cmd/relay/relay.h"
#include "cmd/relay/run.h"
#include "cmd/relay/secrets.h"
#include "cmd/relay/service.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG_BYTES (256 << 10) /* of a buffer: malloc() maps it */

static void
say(const char *what, const struct address *address, const char *kind)
{
	char text[ADDRESS_CHARS];

	printf("bluenet-relay: %s on %s%s\n", what,
	    address_format(address, text), kind);
	if (!cli_flush())
		exit(CLI_FAILED);
}

/* ---- instead of running ---- */

static void
make_token(const struct relay_options *opt)
{
	char err[RELAY_ERR_CHARS];

	if (!credentials_make_token(opt->make_token, opt->make_token_name,
		stdout, err, sizeof(err)))
		cli_usage("--make-token: %s", err);
	if (!cli_flush())
		exit(CLI_FAILED);
}

/* As the client of a relay that runs. */
static void
give_command(const struct relay_options *opt)
{
	struct control_command command;
	char err[CONTROL_ERR_CHARS];

	if (!control_parse(opt->admin, &command, err)) {
		cli_plain(err);
		cli_usage("--admin: %s", err);
	}
	if (!control_ask(opt->admin_socket, opt->admin, err)) {
		cli_plain(err);
		cli_die("--admin: %s", err);
	}
	if (!cli_flush())
		exit(CLI_FAILED);
}

/* ---- listening ---- */

static bool
is_proxy(void *arg, const struct address *from)
{
	const struct option_cidrs *trusted =
	    &config_of(arg)->opt.proxy_protocol;

	for (size_t i = 0; i < trusted->n; i++)
		if (cidr_match(&trusted->at[i], from))
			return true;
	return false;
}

/* `fd` is -1 if there is an address to bind. */
static void
listen_on(struct relay *relay, const struct address *address, int fd,
    struct bnet_tls_ctx *tls)
{
	const struct relay_options *opt = &config_of(relay)->opt;
	struct relay_listener *l = &relay->listeners[relay->n_listeners++];
	struct engine_listen set = { .address = address,
		.fd = fd,
		.tls = tls,
		.is_proxy = opt->proxy_protocol.n > 0 ? is_proxy : NULL,
		.user = l };
	struct address real;
	char text[ADDRESS_CHARS];

	l->relay = relay;
	l->tls = tls != NULL;
	l->listener = engine_listen(relay->engine, &set);
	if (l->listener == NULL)
		cli_die("cannot listen on %s: %s",
		    address != NULL ? address_format(address, text)
				    : "the socket that was passed",
		    strerror(errno));
	real = engine_listener_address(l->listener);
	l->open = !l->tls && address_is_loopback(&real);
	if (!l->tls && !l->open && !opt->insecure_listen)
		cli_usage("the socket that was passed on %s is plain and not"
			  " on loopback: expected a TLS one, or"
			  " --insecure-listen",
		    address_format(&real, text));
}

static void
listen_passed(struct relay *relay, const struct service_sockets *passed,
    struct bnet_tls_ctx *tls)
{
	for (size_t i = 0; i < passed->n; i++) {
		if (passed->at[i].tls && tls == NULL)
			cli_usage("a TLS socket was passed: expected --cert"
				  " and --key");
		listen_on(relay, NULL, passed->at[i].fd,
		    passed->at[i].tls ? tls : NULL);
	}
}

static void
listen_all(struct relay *relay, struct bnet_tls_ctx *tls)
{
	const struct relay_options *opt = &config_of(relay)->opt;
	struct service_sockets passed;
	char err[SERVICE_ERR_CHARS];
	struct address standard;

	if (!service_take_sockets(&passed, err))
		cli_die("%s", err);
	listen_passed(relay, &passed, tls);
	for (size_t i = 0; i < opt->listen.n; i++)
		listen_on(relay, &opt->listen.at[i], -1, NULL);
	for (size_t i = 0; i < opt->listen_tls.n; i++)
		listen_on(relay, &opt->listen_tls.at[i], -1, tls);
	if (relay->n_listeners == 0 &&
	    address_parse(RELAY_LISTEN_DEFAULT, ADDRESS_PORT_NONE, &standard))
		listen_on(relay, &standard, -1, NULL);
}

static void
say_ready(struct relay *relay)
{
	struct address address;

	for (size_t i = 0; i < relay->n_listeners; i++) {
		address = engine_listener_address(relay->listeners[i].listener);
		say("ready", &address, relay->listeners[i].tls ? " tls" : "");
	}
}

/* ---- making the relay ---- */

static void
make_engine(struct relay *relay)
{
	const struct relay_options *opt = &config_of(relay)->opt;
	struct engine_settings set = {
		.n_workers = (unsigned)opt->n_threads,
		.memory_max_bytes = opt->memory_bytes,
		.queue_max_bytes = (size_t)opt->queue_bytes,
		.frame_max_bytes = (uint32_t)opt->frame_max_bytes,
		.payload_max_bytes = (uint32_t)opt->payload_max_bytes,
		.threshold_bytes = (uint32_t)opt->threshold_bytes,
		.handshake_timeout_ns = opt->handshake_timeout_ns,
		.frame_timeout_ns = opt->frame_timeout_ns,
		.write_timeout_ns = opt->write_timeout_ns,
		.socket_bytes = (uint32_t)opt->socket_bytes,
		.no_inflate = true,
		.user_bytes = sizeof(struct peer),
		.hooks = relay->record != NULL ? &relay_hooks_recording
					       : &relay_hooks,
		.arg = relay,
	};

	relay->engine = engine_new(&set);
	if (relay->engine == NULL)
		cli_die("cannot start: %s", strerror(errno));
	if (!local_register(relay))
		cli_die("too many applications");
}

static void
make_workers(struct relay *relay)
{
	unsigned n = engine_n_workers(relay->engine);
	size_t max = (size_t)config_of(relay)->opt.payload_max_bytes +
	    BNET_FRAME_MAX_BYTES_TOP;
	struct relay_worker *w;

	/* aligned, so that no two workers count in one cache line */
	relay->workers = aligned_alloc(64, (n * sizeof(*w) + 63) / 64 * 64);
	if (relay->workers == NULL)
		cli_die("out of memory");
	for (unsigned i = 0; i < n; i++) {
		w = &relay->workers[i];
		*w = (struct relay_worker){ 0 };
		bnet_buf_init(&w->inflated, max);
		bnet_buf_init(&w->swapped, max);
		bnet_buf_init(&w->body, RELAY_STORE_BYTES);
		bnet_buf_init(&w->store, RELAY_STORE_BYTES);
	}
}

static void
make_tables(struct relay *relay)
{
	const struct relay_options *opt = &config_of(relay)->opt;
	const struct limits_settings no_limits = { 0 };

	relay->id = opt->id;
	relay->started_s = clock_unix_ns() / 1000000000;
	relay->limits = limits_new(&no_limits);
	relay->routes = routes_new(
	    opt->clients_from, opt->nodes_from, (uint32_t)opt->n_ids);
	if (relay->limits == NULL || relay->routes == NULL)
		cli_die("out of memory");
	config_limits(relay, opt);
	/* the relay's own id is not given out */
	if (routes_cover(relay->routes, BNET_ROLE_NODE, relay->id))
		(void)routes_reserve(relay->routes, BNET_ROLE_NODE, relay->id);
}

static void
free_relay(struct relay *relay)
{
	unsigned n = engine_n_workers(relay->engine);

	engine_free(relay->engine);
	routes_free(relay->routes);
	limits_free(relay->limits);
	for (unsigned i = 0; i < n; i++) {
		bnet_buf_free(&relay->workers[i].inflated);
		bnet_buf_free(&relay->workers[i].swapped);
		bnet_buf_free(&relay->workers[i].body);
		bnet_buf_free(&relay->workers[i].store);
		free(relay->workers[i].forks);
		free(relay->workers[i].express);
		free(relay->workers[i].broadcasts);
	}
	free(relay->workers);
	config_free(config_of(relay));
}

/* ---- */

/* Warn of settings that nobody wants, and of what is open. */
static void
warn_of_options(const struct relay_options *opt)
{
	if (opt->listen_tls.n > 0 && opt->listen.n == 0 && opt->ca == NULL &&
	    opt->tokens == NULL && !opt->insecure_nodes)
		log_warn("no node can get in: there is neither --ca nor"
			 " --tokens");
	if (opt->insecure_listen)
		log_warn("open: other machines may connect without TLS"
			 " (--insecure-listen)");
	if (opt->insecure_nodes)
		log_warn("open: any peer may be a node, without credentials"
			 " (--insecure-nodes)");
	if (opt->insecure_metrics)
		log_warn("open: other machines may read /metrics and /links"
			 " (--insecure-metrics)");
}

static void
raise_descriptors(const struct relay_options *opt)
{
	uint64_t n = process_raise_descriptors();

	if (opt->max_connections + 64 > n)
		log_warn("fewer descriptors than connections are allowed",
		    LOG_U64("descriptors", n),
		    LOG_U64("max_connections", opt->max_connections));
}

static void
drop_root(const struct relay_options *opt)
{
	char err[SERVICE_ERR_CHARS];

	if (opt->user != NULL && !service_drop_privileges(opt->user, err))
		cli_die("--user %s: %s", opt->user, err);
}

/* As the user that the relay stays. NULL: there is no --admin-socket. */
static struct control *
open_control(struct relay *relay)
{
	const char *path = config_of(relay)->opt.admin_socket;
	char err[CONTROL_ERR_CHARS];
	struct control *control;

	if (path == NULL)
		return NULL;
	control = control_open(relay, path, err);
	if (control == NULL)
		cli_die("--admin-socket: %s", err);
	return control;
}

static void
start_threads(struct relay *relay)
{
	errno = pthread_create(&relay->app_thread, NULL, local_thread, relay);
	if (errno != 0 || !engine_start(relay->engine))
		cli_die("cannot start a thread: %s", strerror(errno));
}

#define LOG_FLUSH_NS INT64_C(2000000000)

static void
serve(struct run *run, struct admin *admin, struct control *control)
{
	struct relay *relay = run->relay;

	warn_of_options(&config_of(relay)->opt);
	start_threads(relay);
	admin_start(admin);
	if (control != NULL && !control_start(control))
		cli_die("cannot start a thread: %s", strerror(errno));
	say_ready(relay);
	errno = log_start();
	if (errno != 0)
		cli_die("cannot start a thread: %s", strerror(errno));
	service_ready("running");
	run_loop(run);
	control_free(control);
	admin_stop(admin);
	(void)engine_stop(relay->engine);
	atomic_store(&relay->app_stop, true);
	engine_wake(relay->engine);
	(void)ending_join(relay->app_thread, "the thread of service echoes");
	if (!ending_is_stuck())
		log_info("ended");
	log_stop(LOG_FLUSH_NS);
}

static void
load(struct run *run, struct relay_config *config)
{
	char err[RELAY_ERR_CHARS];
	struct secrets_ends ends;

	if (!config_load(config, err) ||
	    !secrets_tls(&config->opt, run->keylog, run->keylog_arg,
		&config->tls, &ends, err))
		cli_die("%s", err);
	run->ends = ends;
	atomic_store(&run->relay->cert_expires_s, ends.cert_s);
}

/* --check-config: reports everything that is wrong with the files. */
static void
check_files(struct run *run, struct relay_config *config)
{
	char err[RELAY_ERR_CHARS];
	struct secrets_ends ends;
	bool ok = config_load(config, err);

	if (!ok)
		cli_warn("%s", err);
	if (!secrets_tls(&config->opt, run->keylog, run->keylog_arg,
		&config->tls, &ends, err))
		cli_die("%s", err);
	if (!ok)
		exit(CLI_FAILED);
}

static void
run(struct relay_config *config, int argc, char **argv)
{
	static struct relay relay;
	static struct admin admin;
	struct run run = { .relay = &relay, .argc = argc, .argv = argv };

	atomic_store(&relay.config, config);
	run_block_signals(&run);
	admin_open_files(&admin, &relay, &config->opt);
	run.keylog = admin.keylog != NULL ? keylog_file_line : NULL;
	run.keylog_arg = admin.keylog;
	load(&run, config);
	raise_descriptors(&config->opt);
	make_tables(&relay);
	make_engine(&relay);
	make_workers(&relay);
	listen_all(&relay, config->tls);
	admin_listen(&admin);
	drop_root(&config->opt);
	serve(&run, &admin, open_control(&relay));
	if (!ending_is_stuck())
		free_relay(&relay);
	admin_close_files(&admin);
}

static struct relay_config *
config_new(void)
{
	struct relay_config *config = calloc(1, sizeof(*config));

	if (config != NULL)
		return config;
	cli_die("out of memory");
}

/*
 * Long buffers go back to the system when they are freed. By default malloc()
 * learns from the first ones to keep all that follow: after a burst, a relay
 * held more than ten times what it used.
 */
static void
return_memory(void)
{
#ifdef __GLIBC__ /* others need no telling */
	(void)mallopt(M_MMAP_THRESHOLD, LONG_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, LONG_BYTES);
#endif
}

int
main(int argc, char **argv)
{
	struct relay_config *config;
	static struct relay check;
	struct run only_load = { .relay = &check };

	cli_name("bluenet-relay");
	cli_standard_fds();
	return_memory();
	config = config_new();
	relay_options_parse(&config->opt, argc, argv);
	log_setup((enum log_level)config->opt.log_level);
	log_set_json(config->opt.log_format == RELAY_LOG_JSON);
	if (config->opt.make_token != NULL) {
		make_token(&config->opt);
		config_free(config);
	} else if (config->opt.admin != NULL) {
		give_command(&config->opt);
		config_free(config);
	} else if (config->opt.check_config) {
		check_files(&only_load, config);
		config_free(config);
	} else {
		run(config, argc, argv);
	}
	return ending_code(CLI_OK);
}
