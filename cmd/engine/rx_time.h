/* SPDX-License-Identifier: MIT */
/*
 * rx_time - when the kernel received what is read, for the connections that we
 * make (engine_settings.rx_times). conn.c calls it.
 */
#ifndef ENGINE_RX_TIME_H
#define ENGINE_RX_TIME_H

#include "cmd/engine/conn.h"

#include <sys/types.h>

/* Have the kernel stamp what arrives. Where it cannot, there is no time. */
void rx_time_enable(int fd);

/* As recv(), and sets conn->rx_ns. */
ssize_t rx_time_recv(struct engine_conn *conn, void *buf, size_t n);

#endif
