/* SPDX-License-Identifier: MIT */
/*
 * measure RUNS COMMAND [ARG ...] - run it so often, output to /dev/null, and
 * print the median of wall seconds, and the largest resident size in KiB.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNS_MAX 99

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

/* Exit status 127 in the child: it could not be started. */
static void
child(char **argv)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execvp(argv[0], argv);
	_exit(127);
}

static int
run(char **argv, double *wall, long *rss_kib)
{
	struct rusage usage;
	double start = seconds();
	int status;
	pid_t pid = fork();

	if (pid == 0)
		child(argv);
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return -1;
	*wall = seconds() - start;
	if (usage.ru_maxrss > *rss_kib)
		*rss_kib = usage.ru_maxrss;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int
main(int argc, char **argv)
{
	double wall[RUNS_MAX];
	long rss_kib = 0;
	size_t n;
	int status = 0;

	n = argc > 2 ? (size_t)strtoul(argv[1], NULL, 10) : 0;
	if (n < 1 || n > RUNS_MAX) {
		fprintf(stderr, "usage: measure RUNS COMMAND [ARG ...]\n");
		return 2;
	}
	for (size_t i = 0; i < n && status >= 0 && status != 127; i++)
		status = run(argv + 2, &wall[i], &rss_kib);
	if (status < 0 || status == 127) {
		fprintf(stderr, "measure: %s: can not be run\n", argv[2]);
		return 1;
	}
	printf("%.4f %ld\n", median(wall, n), rss_kib);
	return 0;
}
