/* SPDX-License-Identifier: MIT */
/*
 * process - what a program sets up for its whole process, before it has
 * threads. The main files of the programs call it.
 */
#ifndef COMMON_PROCESS_H
#define COMMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* SIGTERM and SIGINT as a descriptor to poll; it does not block. May die. */
int process_signal_fd(void);

/* One of them came; it is taken. */
bool process_signalled(int signal_fd);

/*
 * Allow as many descriptors as we may have, for connections are descriptors.
 * Returns how many; UINT64_MAX where that is not known.
 */
uint64_t process_raise_descriptors(void);

#endif
