/* SPDX-License-Identifier: MIT */
/*
 * bnet_batch - the payloads of BlueNet's own keys (bluenet-marshal.5, KEYED
 * PAYLOADS): an event with arguments, and the simulation clock.
 *
 *	BlueNet::BatchPacket	string event, value
 *	SimClock::SycInit	i64 simulation time, double dilation, i64 time
 *	SimClock::SycUpdate	the same
 *	SimClock::SycDetach	a byte that says nothing
 *
 * All of it bit-packed as in bnet_bits.h.
 */
#ifndef BNET_BATCH_H
#define BNET_BATCH_H

#include "buf.h"
#include "err.h"
#include "marshal.h"
#include "marshal_write.h"
#include "object.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* bnet_key() of the names; a test checks that. */
#define BNET_KEY_BATCH (-1186559884) /* BlueNet::BatchPacket, 0xb9468874 */
#define BNET_KEY_SYC_INIT 2131836503 /* SimClock::SycInit, 0x7f113e57 */
#define BNET_KEY_SYC_UPDATE 685963126 /* SimClock::SycUpdate, 0x28e2f776 */
#define BNET_KEY_SYC_DETACH (-485319212) /* SimClock::SycDetach, 0xe3129dd4 */

/* What a BatchPacket is read with; used again for the next one. */
struct bnet_batch;

/*
 * `set` as for bnet_marshal_new(); marshal streams inside are read with the
 * same bounds. Returns NULL when out of memory.
 */
struct bnet_batch *bnet_batch_new(const struct bnet_marshal_settings *set);
void bnet_batch_free(struct bnet_batch *batch); /* NULL is allowed */

/*
 * Read a payload, which must outlive *object: a TUPLE of the event's name and
 * a TUPLE of its arguments. Dicts are BNET_NODE_PAIRS.
 *	BNET_OK
 *	BNET_EMARSHAL	it is none, or malformed; root is NULL
 *	BNET_ELIMIT	a ceiling of the settings was reached; the same
 *	BNET_ENOMEM	the same
 */
BNET_MUST enum bnet_err bnet_batch_read(
    struct bnet_batch *batch, struct bnet_slice in, struct bnet_object *object);

/* The same of one value alone, without an event. */
BNET_MUST enum bnet_err bnet_batch_read_value(
    struct bnet_batch *batch, struct bnet_slice in, struct bnet_object *object);

/*
 * Append such a payload to `out`; `args` is a TUPLE. What has no type of its
 * own there goes into a marshal stream.
 *	BNET_OK
 *	BNET_EMARSHAL	something that it cannot hold
 *	BNET_ELIMIT, BNET_ENOMEM
 * On error `out` may hold a part.
 */
BNET_MUST enum bnet_err bnet_batch_write(struct bnet_batch *batch,
    const char *event, const struct bnet_node *args, struct bnet_buf *out);
BNET_MUST enum bnet_err bnet_batch_write_value(struct bnet_batch *batch,
    const struct bnet_node *value, struct bnet_buf *out);

/* Times are in 100 ns since 1601-01-01 UTC. */
struct bnet_sim_clock {
	int64_t sim_time;
	double dilation; /* how fast it goes: 1 is real time */
	int64_t wall_clock;
};

#define BNET_TIME_UNIX_EPOCH INT64_C(116444736000000000) /* 1970-01-01 */

/*
 *	BNET_OK
 *	BNET_EMESSAGE	it ends before its last field
 */
BNET_MUST enum bnet_err
bnet_sim_clock_read(struct bnet_slice in, struct bnet_sim_clock *clock);

/* Append. Returns BNET_OK, BNET_ELIMIT, BNET_ENOMEM. */
BNET_MUST enum bnet_err
bnet_sim_clock_write(const struct bnet_sim_clock *clock, struct bnet_buf *out);

#ifdef __cplusplus
}
#endif

#endif
