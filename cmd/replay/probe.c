/* SPDX-License-Identifier: MIT */
/*
 * One connection before the load: does the target answer, and which environment
 * is it? Owns an engine until it returns. Called by run.c.
 */
#include "cmd/replay/probe.h"

#include "cmd/session/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NAME "bluenet-replay"
#define CLOSE_TIMEOUT_NS INT64_C(1000000000)

/* Belongs to the worker until the engine has stopped. */
struct attempt {
	const struct probe_settings *set;
	struct probe *probe;
	struct session session;
	struct session_scratch scratch;
	bool answered; /* probe->result is final */
	int over_fd; /* an eventfd: signals that the connection is over */
};

static void
over(struct attempt *a)
{
	const uint64_t one = 1;

	(void)!write(a->over_fd, &one, sizeof(one));
}

/* ---- received frames ---- */

static void
copy_text(char to[PROBE_TEXT_CHARS], const struct bnet_string *from)
{
	size_t n = from->len_bytes < PROBE_TEXT_CHARS ? from->len_bytes
						      : PROBE_TEXT_CHARS - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = from->p[i] < ' ' || from->p[i] > '~' ? '?' : from->p[i];
	to[n] = '\0';
}

/* Only the first answer counts. */
static void
answered(struct attempt *a, enum probe_result result)
{
	a->answered = true;
	a->probe->result = result;
	engine_conn_finish(a->session.conn);
}

static void
on_welcome(void *owner, const struct bnet_welcome *welcome)
{
	struct attempt *a = owner;

	if (a->answered)
		return;
	copy_text(a->probe->environment, &welcome->environment);
	copy_text(a->probe->name, &welcome->relay_name);
	answered(a, PROBE_WELCOME);
}

static void
on_refuse(void *owner, const struct bnet_refuse *refuse)
{
	struct attempt *a = owner;

	if (a->answered)
		return;
	copy_text(a->probe->reason, &refuse->reason);
	answered(a, PROBE_REFUSED);
}

static void
on_order(void *owner, enum bnet_order order)
{
	struct attempt *a = owner;

	a->probe->order = order;
}

static void
on_stock(void *owner)
{
	struct attempt *a = owner;

	if (!a->answered)
		answered(a, PROBE_STOCK);
}

static const struct session_hooks session_hooks = {
	.order = on_order,
	.stock = on_stock,
	.up = on_welcome,
	.refused = on_refuse,
};

/* ---- the connection ---- */

static struct attempt *
attempt_of(struct engine_conn *conn)
{
	return engine_conn_listener_user(conn);
}

static void
arm(struct attempt *a)
{
	int64_t at_ns = session_next_ns(&a->session);

	engine_conn_set_timer(a->session.conn, at_ns == INT64_MAX ? 0 : at_ns);
}

static void
ready(void *arg, struct engine_conn *conn)
{
	struct attempt *a = attempt_of(conn);
	const struct bnet_hello hello = {
		.role = a->set->role,
		.name = bnet_string_of(NAME),
		.token = bnet_string_of(a->set->token),
	};

	(void)arg;
	a->probe->result = PROBE_SILENT;
	a->probe->reason[0] = '\0';
	if (session_ready(&a->session, conn, &hello))
		arm(a);
}

static void
packet(void *arg, struct engine_conn *conn, const struct bnet_packet *packet)
{
	(void)arg;
	(void)session_packet(&attempt_of(conn)->session, packet);
}

static void
timer(void *arg, struct engine_conn *conn, int64_t now_ns)
{
	struct attempt *a = attempt_of(conn);

	(void)arg;
	if (session_timer(&a->session, now_ns))
		arm(a);
}

/* Records that the connection failed at this stage, or was closed. */
static void
set_reason(
    struct attempt *a, struct engine_conn *conn, enum engine_end end, bool up)
{
	const char *why = session_end_text(conn, end);

	if (up && (end == ENGINE_END_PEER || end == ENGINE_END_CUT))
		why = "it closed the connection";
	a->probe->result = up ? PROBE_CLOSED : PROBE_NOBODY;
	a->probe->failure = up ? 0 : session_lacked(conn, end);
	(void)snprintf(a->probe->reason, PROBE_TEXT_CHARS, "%s%.200s",
	    !up && end == ENGINE_END_TLS ? "TLS: " : "", why);
}

static void
closed(void *arg, struct engine_conn *conn, enum engine_end end)
{
	struct attempt *a = attempt_of(conn);

	(void)arg;
	if (!a->answered && end != ENGINE_END_OWNER)
		set_reason(a, conn, end, a->session.conn != NULL);
	if (!session_closed(&a->session, end, !a->answered))
		over(a);
}

static void
no_conn(void *arg, void *user, const struct address *from)
{
	struct attempt *a = user;

	a->probe->failure = errno;
	(void)arg;
	(void)from;
	(void)snprintf(a->probe->reason, PROBE_TEXT_CHARS, "%s",
	    strerror(a->probe->failure));
	over(a);
}

static const struct engine_hooks hooks = {
	.ready = ready,
	.packet = packet,
	.timer = timer,
	.closed = closed,
	.no_conn = no_conn,
};

/* ---- the probe ---- */

/* Returns false and sets errno on failure. */
static bool
run(struct attempt *a, struct engine *engine)
{
	struct pollfd pfd = { .fd = a->over_fd, .events = POLLIN };

	if (engine == NULL || a->over_fd < 0 || !engine_start(engine) ||
	    !session_connect(&a->session, engine, 0))
		return false;
	(void)poll(&pfd, 1, -1); /* a signal ends it, too */
	return true;
}

void
probe_run(const struct probe_settings *set, struct probe *probe)
{
	static struct attempt a; /* a stuck thread may still use it */
	const struct engine_settings engine_set = {
		.n_workers = 1,
		.handshake_timeout_ns = CLOSE_TIMEOUT_NS,
		.hooks = &hooks,
	};
	const struct session_settings session_set = {
		.target = set->target,
		.source = set->source,
		.scratch = &a.scratch,
		.hooks = &session_hooks,
		.owner = &a,
		.order = set->order,
		.first = set->first,
		.orders = set->orders,
		.connect_timeout_ns = set->connect_timeout_ns,
		.welcome_timeout_ns = set->welcome_timeout_ns,
	};
	struct engine *engine = engine_new(&engine_set);

	*probe = (struct probe){ .result = PROBE_NOBODY };
	a = (struct attempt){ .set = set, .probe = probe };
	a.over_fd = eventfd(0, EFD_CLOEXEC);
	session_scratch_init(&a.scratch);
	session_init(&a.session, &session_set);
	if (!run(&a, engine))
		(void)snprintf(
		    probe->reason, PROBE_TEXT_CHARS, "%s", strerror(errno));
	if (engine != NULL && !engine_stop(engine))
		return;
	engine_free(engine);
	probe->address = *session_address(&a.session);
	session_scratch_free(&a.scratch);
	if (a.over_fd >= 0)
		close(a.over_fd);
}
