/* SPDX-License-Identifier: MIT */
/*
 * service - the relay as a service: what it reports to systemd and gets from
 * it, and giving root up.
 *
 * Without libsystemd (HAVE_SYSTEMD), or where systemd did not start us,
 * reporting does nothing and nothing is given. For the main thread, except for
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
 * The sockets that systemd passed, once: they are taken. Names are "plain",
 * "tls", or what systemd calls those without: plain too. False: `err` says
 * which is none we can use, or that there are too many.
 */
bool service_take_sockets(
    struct service_sockets *sockets, char err[SERVICE_ERR_CHARS]);

/* What state we are in; `status` is a line for `systemctl status`. */
void service_ready(const char *status);
void service_reloading(void); /* service_ready() ends it */
void service_stopping(const char *status);

/* How often to call service_watchdog(), in ns; 0: not at all. */
int64_t service_watchdog_interval_ns(void);
void service_watchdog(void);

/*
 * Go on as `user`, with the groups of that user, for good: made sure of, and
 * no program can gain anything any more (no_new_privs). To be called by root,
 * before there are threads. False: `err` says why; do not go on then.
 */
bool service_drop_privileges(const char *user, char err[SERVICE_ERR_CHARS]);

#endif
