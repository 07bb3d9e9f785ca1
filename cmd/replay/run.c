/* SPDX-License-Identifier: MIT */
/*
 * One run from captures to the exit code: the tape, the checks of the target,
 * the replay and its report, or one of the other modes. Owns the signal
 * handlers and struct run, which holds everything that a run opens. Called by
 * main.c.
 */
#include "cmd/replay/run.h"

#include "cmd/common/ending.h"
#include "cmd/filter/filter.h"
#include "cmd/common/cli.h"
#include "cmd/common/clock.h"
#include "cmd/common/hiccups.h"
#include "cmd/common/keys.h"
#include "cmd/common/process.h"
#include "cmd/replay/dry_run.h"
#include "cmd/replay/play/diff.h"
#include "cmd/replay/play/plan.h"
#include "cmd/replay/play/play.h"
#include "cmd/replay/play/targets.h"
#include "cmd/replay/probe.h"
#include "cmd/replay/progress.h"
#include "cmd/replay/report/diff_text.h"
#include "cmd/replay/report/html.h"
#include "cmd/replay/report/json.h"
#include "cmd/replay/report/report.h"
#include "cmd/replay/report/text.h"
#include "cmd/replay/report/thresholds.h"
#include "cmd/replay/safety.h"
#include "cmd/replay/scenario/run.h"
#include "cmd/replay/tape/compile.h"
#include "cmd/replay/tape/coverage.h"
#include "cmd/session/orders.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define PROBE_CONNECT_NS (5 * NS_PER_S)
#define PROBE_WELCOME_NS (2 * NS_PER_S)
#define LOOK_NS (NS_PER_S / 20)
#define KEEP_NS (5 * NS_PER_S) /* a process that is killed loses no more */
#define AHEAD_NS (NS_PER_S / 10) /* the threads are ready within this time */
#define DESCRIPTORS_OURS 64 /* besides the connections */

struct run {
	const struct replay_options *opt;
	struct keys *keys;
	struct filter *filter; /* of the captures; NULL: all */
	struct diff_masks masks; /* of --diff */
	struct client_files files;
	struct targets targets;
	struct address reached; /* the one that the last probe reached */
	bool stock; /* the last probe found a stock peer */
	struct orders orders; /* what the target was found to speak */
	struct tape *tape;
	struct plan plan;
};

/* ---- Ctrl-C ---- */

/* The number of signals that asked for the end, and the last one. */
static volatile int run_interrupts, run_signal;

static void
interrupted(int number)
{
	run_signal = number;
	run_interrupts++;
	compile_break();
}

/* Without SA_RESTART, so that blocking calls return and the caller checks. */
static void
catch_signals(void)
{
	struct sigaction action = { .sa_handler = interrupted }, before;

	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGINT);
	sigaddset(&action.sa_mask, SIGTERM);
	sigaddset(&action.sa_mask, SIGHUP);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	/* under nohup it is ignored */
	if (sigaction(SIGHUP, NULL, &before) == 0 &&
	    before.sa_handler != SIG_IGN)
		(void)sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* report a file size limit as an error */
}

/* ---- may the target be loaded, and does it answer? ---- */

static bool
is_safe(const struct run *run, const struct session_target *target)
{
	const struct safety safety = { target->addresses, target->n_addresses,
		run->opt->allow.at, run->opt->allow.n };
	const struct tape *tape = run->tape;
	uint32_t n = tape != NULL ? tape_head(tape)->n_sessions : 0;
	char err[CLI_ERR_CHARS];
	bool ok = safety_targets_allowed(&safety, err);

	for (uint32_t i = 0; i < n && ok; i++) {
		const struct tape_session *session = tape_session(tape, i);

		for (int end = 0; end < 2 && ok; end++)
			ok = safety_end_allowed(
			    &safety, tape_text(tape, session->end[end]), err);
	}
	if (!ok)
		cli_warn("%s", err);
	return ok;
}

/* Prints the reason and returns false if a target must not be loaded. */
static bool
run_target_is_safe(const struct run *run)
{
	for (size_t i = 0; i < run->targets.n_given; i++)
		if (!is_safe(run, &run->targets.given[i].target))
			return false;
	return true;
}

static int
refused(const struct probe *probe, const char *target, const char *goes_on)
{
	cli_warn("%s: %s %s%s%s", target,
	    probe->result == PROBE_REFUSED ? "refused our hello:"
					   : "no welcome:",
	    probe->reason[0] != '\0' ? probe->reason : "no reason given",
	    goes_on != NULL ? "; continuing, as " : "",
	    goes_on != NULL ? goes_on : "");
	return goes_on != NULL ? REPLAY_OK : REPLAY_NOT_CONNECTED;
}

/* Once: either the probe or a session finds out. */
static void
warn_stock(const struct run *run, const char *target, const char *more)
{
	if (!run->opt->quiet)
		cli_warn("%s: the target is a stock peer: sessions are played"
			 " without hello%s",
		    target, more);
}

static int
judge(const struct run *run, const struct probe *probe, const char *target,
    const char *goes_on)
{
	const char *name;

	switch (probe->result) {
	case PROBE_NOBODY:
		if (probe->failure != 0) {
			name = cli_errno_name(probe->failure);
			cli_warn("the injector failed: %s (%s%serrno %d)",
			    probe->reason, name != NULL ? name : "",
			    name != NULL ? ", " : "", probe->failure);
			return REPLAY_LATE;
		}
		cli_warn("cannot connect to %s: %s", target, probe->reason);
		return REPLAY_NOT_CONNECTED;
	case PROBE_REFUSED:
	case PROBE_CLOSED:
		return refused(probe, target, goes_on);
	case PROBE_SILENT:
		if (!run->opt->quiet)
			cli_warn("%s: no answer to a hello, nor to a header"
				 " ping, in %s order: the environment is"
				 " unknown",
			    target,
			    run->opt->target_order == BNET_ORDER_AUTO
				? "little or network"
				: orders_name(
				      (enum bnet_order)run->opt->target_order));
		return REPLAY_OK;
	case PROBE_STOCK:
		warn_stock(run, target, "; its environment is unknown");
		return REPLAY_OK;
	case PROBE_WELCOME:
		break;
	}
	if (run->opt->verbose)
		cli_warn("%s: welcome from %s, environment=%s", target,
		    probe->name, probe->environment);
	if (!safety_is_production(probe->environment))
		return REPLAY_OK;
	cli_warn("refused: %s (%s) says environment=%s", target, probe->name,
	    probe->environment);
	return REPLAY_USAGE;
}

/* Once: either the probe or a session finds out. */
static void
warn_order(const struct run *run, const char *target, enum bnet_order order)
{
	if (order != BNET_ORDER_AUTO && !run->opt->quiet)
		cli_warn(
		    "%s: relay speaks %s order", target, orders_name(order));
}

/*
 * Probes a target. A refused hello ends the run, unless `goes_on` says why it
 * may continue; a production target always ends it. Returns REPLAY_OK to
 * continue; otherwise the reason has been printed.
 */
static int
run_probe(struct run *run, struct targets_given *given, enum bnet_role role,
    enum bnet_order first, const char *goes_on)
{
	const struct probe_settings set = {
		.target = &given->target,
		.orders = &run->orders,
		.order = (enum bnet_order)run->opt->target_order,
		.first = first,
		.token = run->files.token,
		.source = run->opt->n_sources > 0 ? run->opt->sources : NULL,
		.role = role,
		.connect_timeout_ns = PROBE_CONNECT_NS,
		.welcome_timeout_ns = PROBE_WELCOME_NS,
	};
	struct replay_progress progress;
	struct probe probe;

	replay_progress_init(&progress, run->opt);
	replay_progress_wait(&progress,
	    "waiting for the target to name its environment (2 s at most,"
	    " none with --no-probe)");
	probe_run(&set, &probe);
	replay_progress_end(&progress);
	run->reached = given->reached = probe.address;
	run->stock = probe.result == PROBE_STOCK;
	warn_order(run, given->name, probe.order);
	if (run_interrupts > 0)
		return 128 + run_signal;
	return judge(run, &probe, given->name, goes_on);
}

/*
 * ---- captures or a replay file -> the tape ----
 *
 * A replay file is mapped as it is. Captures are compiled into an unnamed file,
 * or into the one of --compile.
 */

/* The index of the replay file among the operands; -1: none. */
static int
open_ready(const struct replay_options *opt, const char **path)
{
	for (size_t i = 0; i < opt->n_captures; i++) {
		struct stat st;
		int fd;

		*path = opt->captures[i];
		if (strcmp(*path, "-") == 0)
			continue;
		fd = open(*path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			cli_die("%s: %s", *path, strerror(errno));
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && tape_is(fd))
			return fd;
		close(fd);
	}
	return -1;
}

/*
 * The selection of frames is fixed in a replay file: refuse options that
 * select.
 */
static void
check_ready(const struct replay_options *opt, const char *path)
{
	if (opt->n_captures > 1)
		cli_usage("%s: a replay file must be the only capture;"
			  " compile all captures into one",
		    path);
	if (opt->compile_to != NULL)
		cli_usage("--compile: %s is already a replay file", path);
	if (opt->filter != NULL || opt->bpf != NULL || opt->keylog != NULL ||
	    opt->cap.n_ports > 0 || opt->cap.any_port ||
	    opt->cap.order != BNET_ORDER_AUTO)
		cli_usage("%s is a replay file: -f, -Y, --port, --order and"
			  " --keylog apply only to captures",
		    path);
}

/* A file that disappears when its descriptor is closed. */
static int
open_nameless(const char *folder)
{
	char path[PATH_MAX];
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	/* not every file system supports O_TMPFILE */
	(void)snprintf(path, sizeof(path), "%s/bluenet-replay.XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path);
	return fd;
}

static void
report_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	replay_progress_read(arg, done_bytes, total_bytes);
}

static void
warn_line(void *arg, const char *text)
{
	(void)arg;
	cli_warn("%s", text);
}

static bool
compile_into(const struct run *run, int fd, char err[TAPE_ERR_CHARS])
{
	const struct replay_options *opt = run->opt;
	struct replay_progress progress;
	struct compile_settings set = {
		.paths = opt->captures,
		.n_paths = opt->n_captures,
		.bpf = opt->bpf,
		.filter = run->filter,
		.keys = run->keys,
		.keylog = opt->keylog,
		.cap = opt->cap,
		.progress = report_progress,
		.arg = &progress,
		.line = opt->quiet ? NULL : warn_line,
	};
	bool ok;

	replay_progress_init(&progress, opt);
	ok = compile(&set, fd, err);
	replay_progress_end(&progress);
	return ok;
}

/* Reports a failure to create the tape in `where`, and exits. */
_Noreturn static void
failed(const char *err, const char *where)
{
	if (run_interrupts > 0)
		exit(128 + run_signal);
	if (strstr(err, strerror(ENOSPC)) != NULL)
		cli_die("%s: in %s (set TMPDIR or --compile to use"
			" another place)",
		    err, where);
	cli_die("%s", err);
}

static int
compile_nameless(const struct run *run)
{
	const char *folder = getenv("TMPDIR");
	char err[TAPE_ERR_CHARS];
	int fd;

	if (folder == NULL || folder[0] == '\0')
		folder = "/tmp";
	fd = open_nameless(folder);
	if (fd < 0)
		cli_die("%s: %s (set TMPDIR or --compile to use another place)",
		    folder, strerror(errno));
	if (!compile_into(run, fd, err))
		failed(err, folder);
	return fd;
}

/* Refuses to overwrite a capture, or anything but a regular file. */
static void
check_destination(const struct replay_options *opt)
{
	struct stat to, from;

	if (stat(opt->compile_to, &to) != 0)
		return;
	if (!S_ISREG(to.st_mode))
		cli_usage("--compile: %s exists and is not a regular file",
		    opt->compile_to);
	for (size_t i = 0; i < opt->n_captures; i++)
		if (stat(opt->captures[i], &from) == 0 &&
		    from.st_dev == to.st_dev && from.st_ino == to.st_ino)
			cli_usage("--compile: %s is one of the captures",
			    opt->compile_to);
}

/* Writes next to the destination, then renames: never leaves a partial file. */
static int
compile_named(const struct run *run)
{
	const char *to = run->opt->compile_to;
	char err[TAPE_ERR_CHARS], path[PATH_MAX];
	mode_t mask = umask(0);
	int fd;

	(void)umask(mask);
	check_destination(run->opt);
	if ((size_t)snprintf(path, sizeof(path), "%s.XXXXXX", to) >=
	    sizeof(path))
		cli_usage("--compile: the name is too long");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		cli_die("--compile: %s: %s", to, strerror(errno));
	if (!compile_into(run, fd, err)) {
		(void)unlink(path);
		failed(err, to);
	}
	if (fchmod(fd, 0666 & ~mask) != 0 || rename(path, to) != 0) {
		(void)unlink(path);
		cli_die("--compile: %s: %s", to, strerror(errno));
	}
	return fd;
}

/* Sets run->tape, or exits. */
static void
run_open_tape(struct run *run)
{
	const struct replay_options *opt = run->opt;
	const char *name = "";
	char err[TAPE_ERR_CHARS];
	int fd = open_ready(opt, &name);

	if (fd >= 0) {
		check_ready(opt, name);
	} else {
		name = opt->compile_to != NULL ? opt->compile_to
					       : opt->captures[0];
		fd = opt->compile_to != NULL ? compile_named(run)
					     : compile_nameless(run);
	}
	run->tape = tape_open(fd, name, err);
	if (run->tape == NULL)
		cli_die("%s", err);
	close(fd);
}

/* ---- outputs of the report, and --merge ---- */

/* Returns 0, or the errno that prevents writing `path`. */
static int
why_not(const char *path)
{
	char copy[PATH_MAX];
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return EISDIR;
	if (access(path, W_OK) == 0)
		return 0;
	if (errno != ENOENT)
		return errno;
	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return ENAMETOOLONG;
	return access(dirname(copy), W_OK) == 0 ? 0 : errno;
}

static bool
same_file(const char *a, const char *b)
{
	struct stat x, y;

	return strcmp(a, b) == 0 ||
	    (stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) &&
		x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

struct output {
	const char *what, *path; /* path NULL: not requested */
};

/* Refuses an output that would overwrite an input or another output. */
static void
check_others(const struct replay_options *opt, const struct output *output,
    const struct output *before, size_t n_before)
{
	for (size_t i = 0; i < opt->n_captures; i++)
		if (same_file(output->path, opt->captures[i]))
			cli_usage("%s: %s is one of the inputs", output->what,
			    opt->captures[i]);
	for (size_t i = 0; i < n_before; i++)
		if (before[i].path != NULL &&
		    same_file(output->path, before[i].path))
			cli_usage("%s: %s is also the file of %s", output->what,
			    output->path, before[i].what);
}

/*
 * Checks early that every output can be written: after an hour it is too late.
 */
static void
check_outputs(const struct replay_options *opt)
{
	const struct output outputs[] = {
		{ "--compile", opt->compile_to },
		{ "--report", opt->report },
		{ "--log", opt->log },
		{ "--html", opt->html },
	};

	/* --compile has a check of its own, whether or not its file exists */
	for (size_t i = 1; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
		const struct output *output = &outputs[i];
		int error;

		if (output->path == NULL)
			continue;
		check_others(opt, output, outputs, i);
		error = why_not(output->path);
		if (error != 0)
			cli_die("%s: %s: %s", output->what, output->path,
			    strerror(error));
	}
}

/*
 * ---- files that grow with the run ----
 *
 * What was counted so far is kept in FILE.part, so that a process that is
 * killed loses little. A file is complete or absent: it is written under
 * another name, then renamed.
 */

static bool
write_log(const struct report *report, const struct keys *keys,
    const char *path, char err[CLI_ERR_CHARS])
{
	(void)keys;
	return report_write_log(report, path, err);
}

/* A file that may grow. */
struct growing {
	const char *option, *path; /* path NULL: not requested */
	bool (*write)(const struct report *report, const struct keys *keys,
	    const char *path, char err[CLI_ERR_CHARS]);
};

#define N_GROWING 2

static void
list_growing(const struct replay_options *opt, struct growing list[N_GROWING])
{
	list[0] =
	    (struct growing){ "--report", opt->report, report_write_json };
	list[1] = (struct growing){ "--log", opt->log, write_log };
}

/* Not a device, nor a link, which stay what they are. */
static bool
is_replaceable(const char *path)
{
	struct stat st;

	return lstat(path, &st) != 0 ? errno == ENOENT : S_ISREG(st.st_mode);
}

static bool
write_renamed(const struct run *run, const struct report *report,
    const struct growing *file, const char *to, char err[CLI_ERR_CHARS])
{
	char path[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s.new", to) >=
	    sizeof(path)) {
		(void)snprintf(err, CLI_ERR_CHARS, "the name is too long");
		return false;
	}
	if (!file->write(report, run->keys, path, err))
		return false;
	if (stat(to, &st) == 0)
		(void)chmod(path, st.st_mode & 0777);
	if (rename(path, to) == 0)
		return true;
	(void)snprintf(err, CLI_ERR_CHARS, "%.300s: %s", to, strerror(errno));
	(void)unlink(path);
	return false;
}

/* The folder may not take new files: then it is written in place. */
static bool
write_whole(const struct run *run, const struct report *report,
    const struct growing *file)
{
	char err[CLI_ERR_CHARS], part[PATH_MAX];
	bool ok = is_replaceable(file->path) &&
	    write_renamed(run, report, file, file->path, err);

	ok = ok || file->write(report, run->keys, file->path, err);
	if (!ok)
		cli_warn("%s: %s", file->option, err);
	else if ((size_t)snprintf(part, sizeof(part), "%s.part", file->path) <
	    sizeof(part))
		(void)unlink(part);
	return ok;
}

/* Returns false if one could not be written: the error is printed. */
static bool
write_parts(const struct run *run, const struct report *report)
{
	char err[CLI_ERR_CHARS], part[PATH_MAX];
	struct growing list[N_GROWING];
	bool ok = true;

	list_growing(run->opt, list);
	for (size_t i = 0; i < N_GROWING; i++) {
		if (list[i].path == NULL || !is_replaceable(list[i].path) ||
		    (size_t)snprintf(part, sizeof(part), "%s.part",
			list[i].path) >= sizeof(part) ||
		    write_renamed(run, report, &list[i], part, err))
			continue;
		cli_warn("%s: %s", list[i].option, err);
		ok = false;
	}
	return ok;
}

/* Returns false if an output could not be written; the error is printed. */
static bool
write_outputs(const struct run *run, const struct report *report)
{
	const struct replay_options *opt = run->opt;
	struct growing list[N_GROWING];
	char err[CLI_ERR_CHARS];
	bool ok = true;

	list_growing(opt, list);
	for (size_t i = 0; i < N_GROWING; i++)
		if (list[i].path != NULL)
			ok = write_whole(run, report, &list[i]) && ok;
	if (opt->html != NULL &&
	    !report_write_html(report, run->keys, opt->html, err)) {
		cli_warn("--html: %s", err);
		ok = false;
	}
	return ok;
}

/* The most important outcome decides the exit code. */
static int
code_of(const struct report *report, bool ok, bool allow_undecided)
{
	const uint64_t *counts = report->results.counts;
	enum verdict verdict = report_verdict(report);

	if (verdict == VERDICT_FAILED)
		return REPLAY_LATE;
	if (counts[RESULTS_SESSIONS_BEGUN] > 0 &&
	    counts[RESULTS_SESSIONS_READY] == 0 && !report->interrupted)
		return REPLAY_NOT_CONNECTED;
	if (verdict == VERDICT_LATE)
		return REPLAY_LATE;
	return ok && report->differences == 0 &&
		report_cluster(report) != JUDGED_FAIL &&
		(report->n_undecided == 0 || allow_undecided)
	    ? REPLAY_OK
	    : REPLAY_DIFFERENT;
}

/* Prints and writes the report. Returns the exit code. */
static int
run_report(
    const struct run *run, struct report *report, const struct diff *diff)
{
	bool ok;

	thresholds_judge(report, &run->opt->fail_ifs, run->keys);

	if (diff != NULL)
		diff_print(diff, run->keys, stdout);
	report_print_text(report, run->keys, stdout);
	ok = write_outputs(run, report) &&
	    (diff == NULL || diff_found(diff)->unlooked == 0);
	ok = cli_flush() && ok;
	return code_of(report, ok, run->opt->allow_undecided);
}

static int
run_merge(struct run *run)
{
	const struct replay_options *opt = run->opt;
	char err[CLI_ERR_CHARS];
	struct report *report = report_read_json(opt->captures[0], err);
	int code;

	if (report == NULL)
		cli_die("%s", err);
	for (size_t i = 1; i < opt->n_captures; i++) {
		struct report *from = report_read_json(opt->captures[i], err);

		if (from == NULL)
			cli_die("%s", err);
		if (!report_merge(report, from, err))
			cli_die("%s: %s", opt->captures[i], err);
		report_free(from);
	}
	if (report->n_shards < report->of_shards)
		cli_warn("%" PRIu32 " of %" PRIu32 " shards are missing",
		    report->of_shards - report->n_shards, report->of_shards);
	code = run_report(run, report, NULL);
	if (code == REPLAY_OK && report->n_shards < report->of_shards)
		code = REPLAY_DIFFERENT;
	report_free(report);
	return code;
}

/* ---- before the start ---- */

static bool
is_loopback(const struct session_target *target)
{
	bool loopback = true;

	for (size_t i = 0; i < target->n_addresses; i++)
		loopback =
		    loopback && address_is_loopback(&target->addresses[i]);
	return loopback;
}

/*
 * Connects as a client, or as a node if only nodes are played. On this machine,
 * nothing is asked of a target that the capture shows as a stock one.
 */
static int
probe(struct run *run)
{
	bool stock = true, nodes = run->plan.n > 0, network = run->plan.n > 0;
	int code = REPLAY_OK;

	for (uint32_t i = 0; i < run->plan.n; i++) {
		const struct tape_session *session =
		    tape_session(run->tape, run->plan.vclients[i].session);

		stock = stock &&
		    (session->flags & (TAPE_S_HELLO | TAPE_S_MESSAGES)) == 0;
		nodes = nodes && session->role == BNET_ROLE_NODE;
		network = network && session->order == BNET_ORDER_NETWORK;
	}
	for (size_t i = 0; i < run->targets.n_given && code == REPLAY_OK; i++) {
		struct targets_given *given = &run->targets.given[i];

		if (run->opt->no_probe ||
		    (stock && is_loopback(&given->target)))
			continue;
		code = run_probe(run, given,
		    nodes ? BNET_ROLE_NODE : BNET_ROLE_CLIENT,
		    network ? BNET_ORDER_NETWORK : BNET_ORDER_LITTLE,
		    stock ? "all sessions are stock clients, which say none"
			  : NULL);
	}
	return code;
}

/* The ports of an address that connections may have. */
static uint64_t
local_ports(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	char line[64] = "";
	char *next, *end;
	long low, high;
	bool got = file != NULL && fgets(line, sizeof(line), file) != NULL;

	if (file != NULL)
		fclose(file);
	low = strtol(line, &next, 10);
	high = strtol(next, &end, 10);
	return got && end != next && high >= low && low > 0
	    ? (uint64_t)(high - low) + 1
	    : UINT64_MAX / REPLAY_SOURCES_MAX;
}

/* A target of another family cannot be reached from a source. */
static bool
source_fits(const struct run *run, const struct address *source)
{
	char text[ADDRESS_CHARS];

	for (size_t i = 0; i < run->targets.n_given; i++) {
		const struct targets_given *given = &run->targets.given[i];

		if (source->sa.ss_family ==
		    given->target.addresses[0].sa.ss_family)
			continue;
		cli_warn("--source: %s is of another family than %s",
		    address_format(source, text), given->name);
		return false;
	}
	return true;
}

static bool
sources_fit(const struct run *run)
{
	for (size_t i = 0; i < run->opt->n_sources; i++)
		if (!source_fits(run, &run->opt->sources[i]))
			return false;
	return true;
}

/*
 * Has this machine got enough descriptors and ports? What it lacks during a run
 * would be counted against nobody else, but there is no point in such a run.
 */
static bool
has_room(const struct run *run)
{
	const struct replay_options *opt = run->opt;
	uint64_t n = process_raise_descriptors();
	uint64_t peak = plan_peak(&run->plan, opt);
	uint64_t n_sources = opt->n_sources > 0 ? opt->n_sources : 1;
	uint64_t ports = local_ports() * n_sources;

	if (peak + DESCRIPTORS_OURS > n) {
		cli_warn("the injector: %llu sessions at once need %llu"
			 " descriptors (ulimit -n), but only %llu are allowed"
			 " (EMFILE, errno %d)",
		    (unsigned long long)peak,
		    (unsigned long long)(peak + DESCRIPTORS_OURS),
		    (unsigned long long)n, EMFILE);
		return false;
	}
	if (peak > ports) {
		cli_warn("the injector: %llu sessions at once need as many"
			 " ports, but %llu source addresses have only %llu"
			 " (net.ipv4.ip_local_port_range): expected more"
			 " addresses in --source (EADDRNOTAVAIL, errno %d)",
		    (unsigned long long)peak, (unsigned long long)n_sources,
		    (unsigned long long)ports, EADDRNOTAVAIL);
		return false;
	}
	if ((uint64_t)run->plan.n + DESCRIPTORS_OURS > n)
		cli_warn("%u sessions, but only %llu descriptors are allowed"
			 " (ulimit -n): if many are open at once, some fail",
		    (unsigned)run->plan.n, (unsigned long long)n);
	return true;
}

/* Waits until shortly before --start-at, or for a signal. */
static void
wait_for_start(const struct run *run)
{
	const int64_t at_ns = run->opt->start_at_ns;
	int64_t left_ns = at_ns - clock_unix_ns();

	if (at_ns == 0)
		return;
	if (left_ns < 0) {
		cli_warn("--start-at was %.1f s ago when everything was"
			 " ready; allow more time, or use a replay file"
			 " (--compile)",
		    (double)-left_ns / 1e9);
		exit(REPLAY_DIFFERENT);
	}
	if (left_ns > NS_PER_S && !run->opt->quiet)
		cli_warn("ready; starting in %.0f s", (double)left_ns / 1e9);
	while (run_interrupts == 0 && left_ns > AHEAD_NS) {
		int64_t ns = left_ns - AHEAD_NS;
		struct timespec ts = { .tv_sec = ns / NS_PER_S,
			.tv_nsec = ns % NS_PER_S };

		(void)nanosleep(&ts, NULL);
		left_ns = at_ns - clock_unix_ns();
	}
}

/* ---- where and how the threads run ---- */

static bool
cpus_fit(const struct replay_options *opt)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return true;
	for (size_t i = 0; i < opt->n_cpus; i++) {
		if (CPU_ISSET(opt->cpus[i], &set))
			continue;
		cli_warn("--cpu: %u is not one of the %d processors that may"
			 " be used here",
		    opt->cpus[i], CPU_COUNT(&set));
		return false;
	}
	return true;
}

/* Pages are locked once they are used: a replay file may be large. */
static void
lock_memory(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	/* a limit would make an allocation fail later */
	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
	    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
		cli_warn("--realtime: memory is not locked: %s (needs"
			 " CAP_IPC_LOCK)",
		    strerror(errno));
}

/*
 * Threads inherit the scheduling of the one that starts them, so this thread
 * takes it over while it starts them.
 */
struct scheduling {
	int policy; /* of this thread before; -1: unchanged */
	struct sched_param param;
};

static void
enter_realtime(const struct replay_options *opt, struct scheduling *before)
{
	const struct sched_param first = { .sched_priority = 1 };
	int error;

	before->policy = -1;
	if (!opt->realtime)
		return;
	lock_memory();
	if (pthread_getschedparam(
		pthread_self(), &before->policy, &before->param) != 0)
		before->policy = SCHED_OTHER;
	error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &first);
	if (error == 0)
		return;
	before->policy = -1;
	cli_warn("--realtime: the threads are scheduled as usual: %s (needs"
		 " CAP_SYS_NICE or LimitRTPRIO)",
	    strerror(error));
}

static void
leave_realtime(const struct scheduling *before)
{
	if (before->policy >= 0)
		(void)pthread_setschedparam(
		    pthread_self(), before->policy, &before->param);
}

/* ---- playing ---- */

struct watch {
	const struct run *run;
	struct play *play;
	struct replay_progress progress;
	int64_t start_ns; /* monotonic */
	int64_t start_unix_ns;
	struct play_progress last; /* as last seen */
	struct hiccups *hiccups; /* NULL: could not be started */
	/* what they measured, and what the workers have handed over */
	struct results local;
	int64_t keep_at_ns; /* when to keep that in files */
	bool keeping; /* the workers were asked */
	bool keeps; /* there are such files, and they can be written */
	bool drained;
};

/* The planned end of the run; 0: none. */
static int64_t
total_ns(const struct run *run)
{
	const struct replay_options *opt = run->opt;
	int64_t all_ns = 0;

	if (opt->timing != REPLAY_ASAP && opt->pacing == REPLAY_OPEN &&
	    opt->loop != 0 && run->plan.length_ns > 0 &&
	    opt->loop < (uint64_t)(INT64_MAX / run->plan.length_ns))
		all_ns = (int64_t)opt->loop * run->plan.length_ns;
	if (opt->duration_ns != 0 && (all_ns == 0 || opt->duration_ns < all_ns))
		all_ns = opt->duration_ns;
	return all_ns;
}

static void
show(struct watch *watch)
{
	const struct run *run = watch->run;
	int64_t at_ns = clock_now_ns() - watch->start_ns;
	struct progress_view view = {
		.play = &watch->last,
		.at_ns = at_ns > 0 ? at_ns : 0,
		.total_ns = total_ns(run),
		.total_frames = run->opt->loop * run->plan.n_frames,
		.scheduled = run->opt->timing != REPLAY_ASAP,
	};

	replay_progress_play(&watch->progress, &view);
}

/* Those of before the start are nobody's. */
static void
take_hiccups(struct watch *watch)
{
	static struct hiccup stalls[HICCUPS_HELD_MAX];
	size_t n = 0;

	if (watch->hiccups != NULL)
		n = hiccups_take(watch->hiccups, stalls);
	for (size_t i = 0; i < n; i++)
		if (stalls[i].at_ns >= watch->start_ns)
			results_hiccup(&watch->local,
			    stalls[i].at_ns - watch->start_ns,
			    stalls[i].stall_ns);
}

/* ---- the report of what was done ---- */

static void
fill_captures(const struct replay_options *opt, char text[REPORT_TEXT_CHARS])
{
	const char *slash = strrchr(opt->captures[0], '/');

	if (opt->n_captures == 1)
		(void)snprintf(text, REPORT_TEXT_CHARS, "%s",
		    slash != NULL ? slash + 1 : opt->captures[0]);
	else
		(void)snprintf(
		    text, REPORT_TEXT_CHARS, "%zu captures", opt->n_captures);
}

/* What the coverage says of it, too. */
static void
describe_capture(const struct tape *tape, struct report_capture *capture)
{
	const struct tape_head *head = tape_head(tape);
	const struct tape_coverage *coverage = &head->coverage;

	capture->clock_steps = head->clock_steps;
	if (coverage->held_frames == 0 || coverage->held_ns < 0 ||
	    coverage->held_session >= head->n_sessions)
		return;
	capture->held_frames = coverage->held_frames;
	capture->held_connections = coverage->held_sessions;
	capture->held_ns = coverage->held_ns;
	capture->held_packet = coverage->held_packet;
	(void)snprintf(capture->held_client, sizeof(capture->held_client), "%s",
	    tape_text(tape,
		tape_session(tape, (uint32_t)coverage->held_session)->end[0]));
}

/* Fills in what was done. */
static void
describe_run(const struct watch *watch, struct report *report)
{
	const struct replay_options *opt = watch->run->opt;

	targets_text(
	    &watch->run->targets, report->target, sizeof(report->target));
	fill_captures(opt, report->captures);
	(void)snprintf(report->how, sizeof(report->how), "%s", opt->how);
	describe_capture(watch->run->tape, &report->capture);
	report->start_ns = watch->start_unix_ns;
	report->length_ns = report->results.end_ns;
	report->max_late_ns = opt->max_late_ns;
	report->n_shards = 1;
	report->shard = opt->shard;
	report->of_shards = opt->of_shards;
	report->sessions = watch->last.sessions_planned;
	report->scheduled = opt->timing != REPLAY_ASAP;
}

/* It is as if the run were interrupted now. */
static bool
keep_now(struct watch *watch)
{
	const struct run *run = watch->run;
	struct report *report = calloc(1, sizeof(*report));
	bool ok;

	if (report == NULL)
		return true; /* perhaps next time */
	report->results = watch->local; /* borrowed */
	describe_run(watch, report);
	report->interrupted = true;
	thresholds_judge(report, &run->opt->fail_ifs, run->keys);
	ok = write_parts(run, report);
	free(report);
	return ok;
}

static void
keep(struct watch *watch)
{
	if (!watch->keeps || clock_now_ns() < watch->keep_at_ns)
		return;
	if (!watch->keeping)
		play_ask_results(watch->play);
	watch->keeping = true;
	if (!play_take_results(watch->play, &watch->local))
		return;
	watch->keeping = false;
	watch->keep_at_ns = clock_now_ns() + KEEP_NS;
	play_progress(watch->play, &watch->last);
	watch->keeps = keep_now(watch);
}

static void
drain(struct watch *watch)
{
	replay_progress_end(&watch->progress);
	cli_warn("sending stopped; waiting for answers (again to quit)");
	play_drain(watch->play);
	watch->drained = true;
}

/* Returns when the run is over, at the second signal, or on production. */
static void
watch_play(struct watch *watch)
{
	bool over = false, asked = false;
	char target[REPORT_TEXT_CHARS];

	while (!over && run_interrupts < 2) {
		over = play_wait(watch->play, LOOK_NS);
		take_hiccups(watch);
		keep(watch);
		if (run_interrupts > 0 && !watch->drained && !over)
			drain(watch);
		if (over || !replay_progress_due(&watch->progress))
			continue;
		play_progress(watch->play, &watch->last);
		if (asked)
			show(watch);
		asked = !asked; /* reports the time since the last call */
	}
	replay_progress_end(&watch->progress);
	play_progress(watch->play, &watch->last);
	targets_text(&watch->run->targets, target, sizeof(target));
	warn_order(watch->run, target, watch->last.order);
	if (watch->last.stock)
		warn_stock(watch->run, target, "");
	play_stop(watch->play);
	if (hiccups_stop(watch->hiccups))
		watch->hiccups = NULL;
}

/* Only the main thread handles signals. */
static bool
start(struct watch *watch)
{
	struct scheduling scheduling;
	sigset_t ours, before;
	bool ok;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &ours, &before);
	enter_realtime(watch->run->opt, &scheduling);
	watch->hiccups = hiccups_start();
	ok = play_start(watch->play, watch->start_ns);
	leave_realtime(&scheduling);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok;
}

static void
begin(struct watch *watch)
{
	const int64_t at_ns = watch->run->opt->start_at_ns;
	int64_t unix_ns = clock_unix_ns(), now_ns = clock_now_ns();

	watch->start_unix_ns = at_ns != 0 ? at_ns : unix_ns + AHEAD_NS;
	watch->start_ns = now_ns + (watch->start_unix_ns - unix_ns);
	watch->keep_at_ns = watch->start_ns + KEEP_NS;
	watch->keeps =
	    watch->run->opt->report != NULL || watch->run->opt->log != NULL;
	replay_progress_init(&watch->progress, watch->run->opt);
	if (!results_init(&watch->local, watch->run->opt->bucket_ns))
		cli_die("out of memory");
	if (!start(watch))
		cli_die("cannot start threads: %s", strerror(errno));
}

/* ---- after the run ---- */

/* The results are complete. */
static void
describe(const struct watch *watch, struct report *report)
{
	const struct diff *diff = play_diff(watch->play);

	describe_run(watch, report);
	(void)snprintf(report->environment, sizeof(report->environment), "%s",
	    play_environment(watch->play));
	report->interrupted = watch->drained;
	report->failure = play_failure(watch->play);
	report->diffed = diff != NULL;
	report->compared = diff != NULL ? diff_found(diff)->compared : 0;
	report->differences = diff != NULL ? diff_total(diff) : 0;
}

/* Failures of the run take precedence over its measurements. */
static int
exit_code(const struct watch *watch, int code)
{
	const char *reason = play_reason(watch->play);
	char target[REPORT_TEXT_CHARS];

	targets_text(&watch->run->targets, target, sizeof(target));
	if (watch->last.production) {
		cli_warn("refused: a welcome of %s says environment=%s:"
			 " stopped",
		    target, play_environment(watch->play));
		return REPLAY_USAGE;
	}
	if (run_interrupts >= 2)
		return 128 + run_signal;
	if (code == REPLAY_NOT_CONNECTED)
		cli_warn("%s %s: %s",
		    play_reached(watch->play) ? "no session connected to"
					      : "cannot connect to",
		    target, reason[0] != '\0' ? reason : "no reason given");
	return code;
}

static int
play(struct run *run)
{
	struct watch watch = { .run = run };
	const struct play_settings set = {
		.opt = run->opt,
		.tape = run->tape,
		.plan = &run->plan,
		.targets = &run->targets,
		.token = run->files.token,
		.orders = &run->orders,
		.masks = run->opt->diff ? &run->masks : NULL,
	};
	struct report *report = calloc(1, sizeof(*report));
	int code;

	watch.play = play_new(&set);
	if (report == NULL || watch.play == NULL)
		cli_die("%s", strerror(errno));
	begin(&watch);
	watch_play(&watch);
	if (!results_init(&report->results, run->opt->bucket_ns) ||
	    !play_results(watch.play, &report->results) ||
	    !results_merge(&report->results, &watch.local))
		cli_die("out of memory");
	describe(&watch, report);
	code = run_report(run, report, play_diff(watch.play));
	code = exit_code(&watch, code);
	report_free(report);
	results_free(&watch.local);
	play_free(watch.play);
	return code;
}

/* Returns an exit code. */
static int
run_play(struct run *run)
{
	int code = REPLAY_USAGE;

	if (!run_target_is_safe(run))
		return code;
	if (!sources_fit(run) || !cpus_fit(run->opt))
		return code;
	if (!has_room(run))
		return REPLAY_LATE;
	code = probe(run);
	if (code != REPLAY_OK)
		return code;
	if (!targets_assign(&run->targets, run->tape, &run->plan))
		cli_die("out of memory");
	if (!run->opt->quiet && run->targets.n_relays > 1 &&
	    run->targets.n_places == 1)
		cli_warn("the sessions of %u relays of the capture all go to"
			 " one target: name several, or use --map-relay",
		    run->targets.n_relays);
	wait_for_start(run);
	if (run_interrupts > 0)
		return 128 + run_signal;
	return play(run);
}

/* ---- files named by the options ---- */

static void
load_keys(struct run *run)
{
	char err[CLI_ERR_CHARS];

	run->keys = keys_new();
	if (run->keys == NULL)
		cli_die("out of memory");
	if (run->opt->keys_file != NULL &&
	    !keys_read(run->keys, run->opt->keys_file, err, sizeof(err)))
		cli_die("--keys: %s", err);
	if (!keys_read_installed(run->keys, err, sizeof(err)))
		cli_warn("%s", err);
}

static void
compile_filter(struct run *run)
{
	struct filter_error err;

	if (run->opt->filter == NULL)
		return;
	run->filter = filter_compile(run->opt->filter, &err);
	if (run->filter != NULL)
		return;
	if (err.column == 0)
		cli_die("out of memory");
	fputs("bluenet-replay: -Y: ", stderr);
	filter_error_print(stderr, run->opt->filter, &err);
	exit(REPLAY_USAGE);
}

static void
parse_masks(struct run *run)
{
	char err[CLI_ERR_CHARS];

	if (!diff_masks_parse(&run->masks, run->opt->ignore, err))
		cli_usage("--ignore: %s", err);
	if (run->opt->stock && !diff_masks_stock(&run->masks))
		cli_usage("--ignore: too many fields for --stock");
}

static void
check_thresholds(const struct replay_options *opt)
{
	char err[CLI_ERR_CHARS];

	if (!thresholds_check(&opt->fail_ifs, err))
		cli_usage("--fail-if: %s", err);
}

static void
tell_addresses(const struct targets_given *given)
{
	char text[ADDRESS_CHARS];

	for (size_t i = 0; i < given->target.n_addresses; i++)
		cli_warn("%s: address %s", given->name,
		    address_format(&given->target.addresses[i], text));
}

static void
find_target(struct run *run)
{
	const struct replay_options *opt = run->opt;
	char why[CLI_ERR_CHARS];
	const char *bad;

	if (opt->target == NULL)
		return;
	if (!targets_resolve(
		&run->targets, opt, &run->files, &bad, why, sizeof(why))) {
		bool exposed = errno == EACCES;

		if (strcmp(bad, opt->target) != 0)
			cli_warn("the target %s: %s", bad, why);
		else
			cli_warn("%s%s",
			    opt->compile_to != NULL || opt->dry_run
				? "the last argument is not a file, and as a "
				  "target: "
				: "the target: ",
			    why);
		/* the resolver is on our side */
		exit(exposed ? REPLAY_NOT_CONNECTED : REPLAY_LATE);
	}
	for (size_t i = 0; opt->verbose && i < run->targets.n_given; i++)
		tell_addresses(&run->targets.given[i]);
}

/* ---- modes ---- */

/* What the peers speak whose rules are tested. */
static enum bnet_order
usual_order(const struct run *run)
{
	return run->opt->scenario_rules == REPLAY_RULES_STOCK
	    ? BNET_ORDER_NETWORK
	    : BNET_ORDER_LITTLE;
}

/* In which scenarios speak where they do not say: a relay of ours takes both. */
static enum bnet_order
target_order(struct run *run)
{
	struct order_found found = orders_find(&run->orders, &run->reached);

	if (run->opt->target_order != BNET_ORDER_AUTO)
		return (enum bnet_order)run->opt->target_order;
	return found.any || found.order == BNET_ORDER_AUTO ? usual_order(run)
							   : found.order;
}

/* Goes on after a relay that does not greet: that is a case worth testing. */
static int
scenarios(struct run *run)
{
	static const struct session_target none;
	const struct session_target *target = &none;
	int code = REPLAY_USAGE;

	if (run->opt->target == NULL) /* those of --scenario-relay */
		return scenario_run(run->opt, NULL, target, false,
		    run->files.token, target_order(run), &run_interrupts,
		    stdout);
	if (!run_target_is_safe(run))
		return code;
	target = &run->targets.given[0].target;
	run->reached = target->addresses[0];
	code = run->opt->no_probe
	    ? REPLAY_OK
	    : run_probe(run, &run->targets.given[0], BNET_ROLE_CLIENT,
		  usual_order(run), "scenarios may expect that");
	if (code != REPLAY_OK)
		return code;
	return scenario_run(run->opt, &run->reached, target, run->stock,
	    run->files.token, target_order(run), &run_interrupts, stdout);
}

static void
make_plan(struct run *run)
{
	char err[TAPE_ERR_CHARS];

	if (!plan_make(&run->plan, run->tape, run->opt, err))
		cli_die("%s", err);
	if (run->opt->verbose)
		cli_warn("planned: %llu frames, %u sessions, %.3f s",
		    (unsigned long long)run->plan.n_frames, run->plan.n,
		    (double)run->plan.length_ns / 1e9);
}

static int
dry_run(struct run *run)
{
	const struct dry_run what = {
		.opt = run->opt,
		.tape = run->tape,
		.plan = &run->plan,
		.keys = run->keys,
		.targets = &run->targets,
		.stop = &run_interrupts,
	};

	if (!targets_assign(&run->targets, run->tape, &run->plan))
		cli_die("out of memory");
	dry_run_print(&what, stdout);
	if (run_interrupts > 0)
		return 128 + run_signal;
	if (!cli_flush())
		return CLI_FAILED;
	return run_target_is_safe(run) ? REPLAY_OK : REPLAY_USAGE;
}

/* In a damaged tape a chain ends early, so its later records were not sent. */
static int
complete(const struct run *run, int code)
{
	if (!tape_damaged(run->tape))
		return code;
	cli_warn("%s: the replay file is damaged: not all of it could be"
		 " read",
	    run->opt->captures[0]);
	return code == REPLAY_OK ? REPLAY_DIFFERENT : code;
}

static int
play_captures(struct run *run)
{
	const struct replay_options *opt = run->opt;

	run_open_tape(run);
	if (opt->verbose)
		cli_warn("read: %u sessions", tape_head(run->tape)->n_sessions);
	if (!opt->quiet)
		coverage_print(run->tape, stderr);
	if (opt->mode == REPLAY_COMPILE)
		return REPLAY_OK;
	make_plan(run);
	return complete(
	    run, opt->mode == REPLAY_DRY_RUN ? dry_run(run) : run_play(run));
}

static int
run_mode(struct run *run)
{
	switch (run->opt->mode) {
	case REPLAY_MERGE:
		return run_merge(run);
	case REPLAY_SCENARIO:
		return scenarios(run);
	default:
		return play_captures(run);
	}
}

static void
run_free(struct run *run)
{
	targets_free(&run->targets);
	plan_free(&run->plan);
	tape_close(run->tape);
	filter_free(run->filter);
	client_files_free(&run->files);
	orders_free(&run->orders);
	keys_free(run->keys);
}

int
replay_run(const struct replay_options *opt)
{
	static struct run run;
	int code;

	run = (struct run){ .opt = opt };
	orders_init(&run.orders);
	compile_filter(&run);
	parse_masks(&run);
	check_thresholds(opt);
	load_keys(&run);
	check_outputs(opt);
	client_files_load(&run.files, &opt->client);
	find_target(&run);
	catch_signals();
	code = run_mode(&run);
	filter_warn_over(run.filter);
	if (!ending_is_stuck())
		run_free(&run);
	return code;
}
