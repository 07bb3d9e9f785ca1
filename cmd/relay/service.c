/* SPDX-License-Identifier: MIT */
#include "cmd/relay/service.h"

#ifdef HAVE_SYSTEMD
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_US 1000

/* Frees what sd_listen_fds_with_names() gave. */
static void
free_names(char **names)
{
	for (size_t i = 0; names != NULL && names[i] != NULL; i++)
		free(names[i]);
	free(names);
}

static bool
take_socket(struct service_sockets *sockets, int fd, const char *name,
    char err[SERVICE_ERR_CHARS])
{
	int flags = fcntl(fd, F_GETFL);

	if (sockets->n == SERVICE_SOCKETS_MAX) {
		snprintf(err, SERVICE_ERR_CHARS,
		    "passed sockets: expected at most %d of them",
		    SERVICE_SOCKETS_MAX);
		return false;
	}
	if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0 || flags < 0 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		snprintf(err, SERVICE_ERR_CHARS,
		    "passed descriptor %d (%.64s): expected a stream socket"
		    " that listens",
		    fd, name);
		return false;
	}
	sockets->at[sockets->n++] =
	    (struct service_socket){ fd, strcmp(name, "tls") == 0 };
	return true;
}

bool
service_take_sockets(
    struct service_sockets *sockets, char err[SERVICE_ERR_CHARS])
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);
	bool ok = n >= 0;

	sockets->n = 0;
	if (!ok)
		snprintf(
		    err, SERVICE_ERR_CHARS, "passed sockets: %s", strerror(-n));
	for (int i = 0; i < n && ok; i++)
		ok = take_socket(
		    sockets, SD_LISTEN_FDS_START + i, names[i], err);
	free_names(names);
	return ok;
}

void
service_ready(const char *status)
{
	(void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void
service_status(const char *status)
{
	(void)sd_notifyf(0, "STATUS=%s", status);
}

void
service_reloading(void)
{
	struct timespec ts;

	/* the time is for systemd 253 and Type=notify-reload */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
	    (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / NS_PER_US);
}

void
service_stopping(const char *status)
{
	(void)sd_notifyf(0, "STOPPING=1\nSTATUS=%s", status);
}

int64_t
service_watchdog_interval_ns(void)
{
	uint64_t us;

	if (sd_watchdog_enabled(0, &us) <= 0 || us > INT64_MAX / NS_PER_US)
		return 0;
	return (int64_t)us * NS_PER_US / 2; /* as sd_watchdog_enabled(3) has */
}

void
service_watchdog(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}

#else

bool
service_take_sockets(
    struct service_sockets *sockets, char err[SERVICE_ERR_CHARS])
{
	sockets->n = 0;
	(void)err;
	return true;
}

void
service_ready(const char *status)
{
	(void)status;
}

void
service_status(const char *status)
{
	(void)status;
}

void
service_reloading(void)
{
}

void
service_stopping(const char *status)
{
	(void)status;
}

int64_t
service_watchdog_interval_ns(void)
{
	return 0;
}

void
service_watchdog(void)
{
}

#endif
