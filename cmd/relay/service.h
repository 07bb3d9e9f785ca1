/* SPDX-License-Identifier: MIT */
/*
 * service - the relay as a systemd service: state reports, passed sockets, and
 * giving root up.
 *
 * Without libsystemd (HAVE_SYSTEMD), or if systemd did not start us, reports
 * do nothing and no socket is passed. For the main thread, except for
 * service_watchdog(), which any thread may call.
 */
#ifndef RELAY_SERVICE_H
#define RELAY_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICE_SOCKETS_MAX 16
#define SERVICE_ERR_CHARS 256

/* A listening TCP socket that was passed to us, non-blocking. */
struct service_socket {
	int fd; /* the caller's to close */
	bool tls; /* its name (FileDescriptorName=) is "tls" */
};

struct service_sockets {
	struct service_socket at[SERVICE_SOCKETS_MAX];
	size_t n;
};

/*
 * Take the sockets that systemd passed; call it once. Names are "plain",
 * "tls", or systemd's default name, which counts as plain. False: `err` names
 * the socket that is not usable, or says that there are too many.
 */
bool service_take_sockets(
    struct service_sockets *sockets, char err[SERVICE_ERR_CHARS]);

/* Report our state; `status` is a line for `systemctl status`. */
void service_ready(const char *status);
void service_reloading(void); /* service_ready() ends it */
void service_stopping(const char *status);

/* How often to call service_watchdog(), in ns; 0: not at all. */
int64_t service_watchdog_interval_ns(void);
void service_watchdog(void);

/*
 * Continue as `user`, with that user's groups, for good: it checks that root
 * cannot return, and sets no_new_privs. Call it as root, before there are
 * threads. False: `err` says why; do not continue then.
 */
bool service_drop_privileges(const char *user, char err[SERVICE_ERR_CHARS]);

#endif
