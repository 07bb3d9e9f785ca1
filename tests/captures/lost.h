/* SPDX-License-Identifier: MIT */
/* What mangle leaves out of a stream, as expect wants to know it. */
#ifndef TESTS_CAPTURES_LOST_H
#define TESTS_CAPTURES_LOST_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes [from, to) of one direction of a connection, or a place in it. */
struct lost {
	uint32_t conn; /* port of the side that opened it */
	bool down; /* from the side that did not */
	uint64_t from, to;
	uint64_t inserted; /* bytes that were put in at `from` */
	bool syn; /* the SYN is not there either */
	bool pause; /* long enough to give the stream up */
};

#endif
