/* SPDX-License-Identifier: MIT */
/*
 * Where the tape is from: a replay file as it is, or made of captures, in a
 * file that has no name, or in the one of --compile.
 */
#include "cmd/replay/run_impl.h"

#include "cmd/replay/progress.h"
#include "cmd/replay/tape/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The replay file among the operands; -1: there is none. */
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

/* A replay file is what it is: nothing is chosen in it any more. */
static void
check_ready(const struct replay_options *opt, const char *path)
{
	if (opt->n_captures > 1)
		cli_usage("%s: a replay file goes alone; compile all captures"
			  " into one",
		    path);
	if (opt->compile_to != NULL)
		cli_usage("--compile: %s is a replay file already", path);
	if (opt->filter != NULL || opt->bpf != NULL || opt->keylog != NULL ||
	    opt->cap.n_ports > 0 || opt->cap.any_port ||
	    opt->cap.order != BNET_ORDER_AUTO)
		cli_usage("%s: a replay file: -f, -Y, --port, --order and"
			  " --keylog are of use only where captures are read",
		    path);
}

/* A file that goes with its descriptor. */
static int
open_nameless(const char *folder)
{
	char path[PATH_MAX];
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	/* not every file system has these */
	(void)snprintf(path, sizeof(path), "%s/bluenet-replay.XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path);
	return fd;
}

static void
tell_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	replay_progress_read(arg, done_bytes, total_bytes);
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
		.progress = tell_progress,
		.arg = &progress,
	};
	bool ok;

	replay_progress_init(&progress, opt);
	ok = compile(&set, fd, err);
	replay_progress_end(&progress);
	return ok;
}

/* Of making a tape in `where`. */
_Noreturn static void
failed(const char *err, const char *where)
{
	if (run_interrupts > 0)
		exit(128 + run_signal);
	if (strstr(err, strerror(ENOSPC)) != NULL)
		cli_die("%s: in %s (TMPDIR or --compile can name another"
			" place)",
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
		cli_die("%s: %s (TMPDIR or --compile can name another place)",
		    folder, strerror(errno));
	if (!compile_into(run, fd, err))
		failed(err, folder);
	return fd;
}

/* What would be destroyed, or is no file to be written. */
static void
check_destination(const struct replay_options *opt)
{
	struct stat to, from;

	if (stat(opt->compile_to, &to) != 0)
		return;
	if (!S_ISREG(to.st_mode))
		cli_usage("--compile: %s: it is there, and no regular file",
		    opt->compile_to);
	for (size_t i = 0; i < opt->n_captures; i++)
		if (stat(opt->captures[i], &from) == 0 &&
		    from.st_dev == to.st_dev && from.st_ino == to.st_ino)
			cli_usage("--compile: %s: it is a capture to be read",
			    opt->compile_to);
}

/* Beside the destination, which it then becomes: never a half file. */
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

void
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
