/* SPDX-License-Identifier: MIT */
/*
 * fair - what waits for a connection, by source, while its queue is long.
 *
 *	source 1 --> [ frames ] --.
 *	source 2 --> [ frames ] --+-- take turns --> the queue to the socket
 *	source 3 --> [ frames ] --'
 *
 * The owner's worker puts and takes. `held` is also for other threads that
 * send: it counts what a source has on its way, from sending to taking.
 */
#ifndef ENGINE_FAIR_H
#define ENGINE_FAIR_H

#include "cmd/engine/budget.h"
#include "proto/frame.h"

#define FAIR_SHARES 256 /* a power of two; more sources share a share */
/* Sources take turns while more than this waits in front of them. */
#define FAIR_MARK_BYTES ((size_t)32 << 10)

struct fair;

/* NULL: no memory or budget. */
struct fair *fair_new(struct budget *budget);
/* Free all but `held`, which other threads may still use; then the rest. */
void fair_clear(struct fair *fair);
void fair_free(struct fair *fair); /* NULL: do nothing */

/* What source `share` has on its way. Any thread. */
atomic_size_t *fair_held(struct fair *fair, unsigned share);

/* Everything that waits here. */
size_t fair_bytes(const struct fair *fair);

/*
 * Append whole frames of a source, in the byte order of all that waits. They
 * are in fair_held() already. False: no memory or budget; nothing changed.
 */
BNET_MUST bool
fair_put(struct fair *fair, unsigned share, enum bnet_order order,
    struct bnet_slice frames, uint64_t n_frames, enum budget_for purpose);

/* The byte order of what waits; AUTO: nothing does. */
enum bnet_order fair_order(const struct fair *fair);

/*
 * Move frames to the end of `out` until that has `mark_bytes` or nothing is
 * left; without memory fewer, but at least one if `out` is empty. Returns how
 * many.
 */
uint64_t fair_take(struct fair *fair, struct bnet_buf *out, size_t mark_bytes);

/* Discard everything. Returns how many frames that were. */
uint64_t fair_drop(struct fair *fair);

#endif
