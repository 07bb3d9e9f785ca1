/* SPDX-License-Identifier: MIT */
/* Running gnuplot. */
#include "cmd/ping/plot_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WIDTH 900
#define PANEL_HEIGHT 380

extern char **environ;

static const char *
extension(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot == NULL ? "" : dot;
}

bool
plot_check(const char *path, char err[CLI_ERR_CHARS])
{
	const char *ext = extension(path);

	if (strcmp(ext, ".svg") == 0 || strcmp(ext, ".png") == 0)
		return true;
	snprintf(err, CLI_ERR_CHARS, "'%.200s': expected FILE.svg or FILE.png",
	    path);
	return false;
}

/* In: the pipe; out: the file; what it complains of goes to ours. */
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
fail(char *err, const char *path, int error)
{
	if (error == ENOENT)
		snprintf(err, CLI_ERR_CHARS,
		    "%.200s: cannot run gnuplot, which draws it: is it"
		    " installed?",
		    path);
	else
		snprintf(err, CLI_ERR_CHARS, "%.200s: cannot run gnuplot: %s",
		    path, strerror(error));
	return false;
}

static void
set_terminal(FILE *script, const char *path, unsigned n_panels)
{
	bool svg = strcmp(extension(path), ".svg") == 0;

	fprintf(script, "set terminal %s size %d,%u%s\n",
	    svg ? "svg" : "pngcairo", WIDTH, n_panels * PANEL_HEIGHT,
	    svg ? " background rgb 'white'" : "");
	fputs("set grid\nset key top right\nset border 3\nset tics nomirror\n"
	      "set yrange [0:*]\n",
	    script);
}

bool
plotter_start(struct plotter *plotter, const char *path, unsigned n_panels,
    char err[CLI_ERR_CHARS])
{
	int picture_fd, fds[2], error;

	if (!plot_check(path, err))
		return false;
	picture_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (picture_fd < 0) {
		snprintf(
		    err, CLI_ERR_CHARS, "%.200s: %s", path, strerror(errno));
		return false;
	}
	error = pipe2(fds, O_CLOEXEC) == 0 ? 0 : errno;
	if (error == 0) {
		error = spawn(&plotter->pid, fds[0], picture_fd);
		close(fds[0]);
		if (error != 0)
			close(fds[1]);
	}
	close(picture_fd);
	if (error != 0) {
		unlink(path);
		return fail(err, path, error);
	}
	plotter->path = path;
	plotter->script = fdopen(fds[1], "w");
	if (plotter->script == NULL) {
		close(fds[1]);
		waitpid(plotter->pid, NULL, 0);
		return fail(err, path, ENOMEM);
	}
	set_terminal(plotter->script, path, n_panels);
	return true;
}

bool
plotter_finish(struct plotter *plotter, char err[CLI_ERR_CHARS])
{
	void (*before)(int) = signal(SIGPIPE, SIG_IGN); /* it may be gone */
	int status = -1;

	fclose(plotter->script);
	signal(SIGPIPE, before);
	while (waitpid(plotter->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	unlink(plotter->path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return fail(err, plotter->path, ENOENT);
	snprintf(err, CLI_ERR_CHARS, "%.200s: gnuplot failed (status %d)",
	    plotter->path, status);
	return false;
}
