/* SPDX-License-Identifier: MIT */
/*
 * process - process-wide setup before threads start. Called by the main files
 * of the programs.
 */
#ifndef COMMON_PROCESS_H
#define COMMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Returns a non-blocking descriptor to poll for SIGTERM, SIGINT and, unless it
 * is ignored, SIGHUP. May die.
 */
int process_signal_fd(void);

/* Has one of them arrived? Consumes it. */
bool process_signalled(int signal_fd);

/*
 * Raises the limit on descriptors to the maximum, because each connection needs
 * one. Returns the limit; UINT64_MAX if unknown.
 */
uint64_t process_raise_descriptors(void);

#endif
