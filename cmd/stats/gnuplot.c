/* SPDX-License-Identifier: MIT */
#include "cmd/stats/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Runs gnuplot: stdin is the pipe, stdout the picture, stderr ours. */
static int
spawn(pid_t *pid, int script_fd, int picture_fd)
{
	char name[] = "gnuplot", *argv[] = { name, NULL };
	posix_spawn_file_actions_t actions;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return error;
	error = posix_spawn_file_actions_adddup2(&actions, script_fd, 0);
	if (error == 0)
		error =
		    posix_spawn_file_actions_adddup2(&actions, picture_fd, 1);
	if (error == 0)
		error = posix_spawnp(pid, name, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static bool
fail(char *err, int error)
{
	if (error == ENOENT)
		snprintf(err, GNUPLOT_ERR_CHARS,
		    "cannot run gnuplot, which draws it: is it installed?");
	else
		snprintf(err, GNUPLOT_ERR_CHARS, "cannot run gnuplot: %s",
		    strerror(error));
	return false;
}

bool
gnuplot_start(
    struct gnuplot *gnuplot, int picture_fd, char err[GNUPLOT_ERR_CHARS])
{
	int fds[2], error;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return fail(err, errno);
	error = spawn(&gnuplot->pid, fds[0], picture_fd);
	close(fds[0]);
	if (error != 0) {
		close(fds[1]);
		return fail(err, error);
	}
	gnuplot->script = fdopen(fds[1], "w");
	if (gnuplot->script == NULL) {
		close(fds[1]);
		waitpid(gnuplot->pid, NULL, 0);
		return fail(err, ENOMEM);
	}
	return true;
}

bool
gnuplot_finish(struct gnuplot *gnuplot, char err[GNUPLOT_ERR_CHARS])
{
	void (*before)(int) = signal(SIGPIPE, SIG_IGN); /* it may be gone */
	int status = -1;

	fclose(gnuplot->script);
	signal(SIGPIPE, before);
	while (waitpid(gnuplot->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return fail(err, ENOENT);
	snprintf(err, GNUPLOT_ERR_CHARS, "gnuplot failed (status %d)", status);
	return false;
}
