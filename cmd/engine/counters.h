/* SPDX-License-Identifier: MIT */
/*
 * counters - what a worker counts. Only its own thread writes, any thread
 * reads: relaxed atomics, no locked instruction.
 */
#ifndef ENGINE_COUNTERS_H
#define ENGINE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum engine_counter {
	ENGINE_READS, /* that brought bytes */
	ENGINE_BYTES_READ, /* from sockets: ciphertext under TLS */
	ENGINE_PACKETS_READ,
	ENGINE_WRITES,
	ENGINE_BYTES_WRITTEN,
	ENGINE_PACKETS_QUEUED,
	ENGINE_PACKETS_WRITTEN,
	ENGINE_PACKETS_LOST, /* queued for a connection that ended first */
	ENGINE_TURNS,
	ENGINE_BATCHES, /* batches: at most one for each worker a turn */
	ENGINE_BATCH_PACKETS,
	ENGINE_WAKEUPS, /* of a worker whose mailbox was empty */
	ENGINE_WAKEUPS_SAVED,
	ENGINE_ACCEPTS,
	ENGINE_ACCEPTS_NO_MEMORY, /* or no descriptor */
	ENGINE_ACCEPT_RESTS, /* times that a worker stopped accepting */
	ENGINE_PAUSES,
	ENGINE_RESUMES,
	ENGINE_STARVED, /* reads and writes delayed: the budget is used up */
	ENGINE_PRESSED, /* turns in which memory was refused */
	ENGINE_QUEUES_SHARED, /* times that a queue became long */
	ENGINE_INBOX_PACKETS,
	ENGINE_TLS_1_2, /* handshakes done */
	ENGINE_TLS_1_3,
	ENGINE_TLS_RESUMED, /* of both */
	/* packets a write, by power of two: 1, 2-3, 4-7, ... 128 and more */
	ENGINE_WRITE_SIZES,
	ENGINE_WRITE_SIZES_END = ENGINE_WRITE_SIZES + 8,
	ENGINE_N_COUNTERS = ENGINE_WRITE_SIZES_END
};

static inline void
counter_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter,
	    atomic_load_explicit(counter, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

static inline uint64_t
counter_get(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
