/* SPDX-License-Identifier: MIT */
#include "cmd/relay/service.h"

#include "cmd/common/clock.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#define NS_PER_US 1000

/* Free the result of sd_listen_fds_with_names(). */
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
service_reloading(void)
{
	/* the time is for systemd 253 and Type=notify-reload */
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
	    (uint64_t)clock_now_ns() / NS_PER_US);
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
	return (int64_t)us * NS_PER_US / 2; /* as sd_watchdog_enabled(3) says */
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

/* ---- giving root up ---- */

static bool
fail(const char *user, const char *why, char err[SERVICE_ERR_CHARS])
{
	snprintf(err, SERVICE_ERR_CHARS, "user '%.64s': %s", user, why);
	return false;
}

/* Check that all three ids are as expected, and that root cannot return. */
static bool
stuck(const struct passwd *pw)
{
	uid_t uid, euid, suid;
	gid_t gid, egid, sgid;

	return getresuid(&uid, &euid, &suid) == 0 &&
	    getresgid(&gid, &egid, &sgid) == 0 && uid == pw->pw_uid &&
	    euid == uid && suid == uid && gid == pw->pw_gid && egid == gid &&
	    sgid == gid && setuid(0) != 0 && seteuid(0) != 0;
}

bool
service_drop_privileges(const char *user, char err[SERVICE_ERR_CHARS])
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return fail(
		    user, errno != 0 ? strerror(errno) : "no such user", err);
	if (pw->pw_uid == 0)
		return fail(user, "expected another one than root", err);
	/* groups first: only root may set them */
	if (initgroups(user, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 ||
	    setuid(pw->pw_uid) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return fail(user, strerror(errno), err);
	return stuck(pw) || fail(user, "root did not go away", err);
}
