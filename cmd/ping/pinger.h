/* SPDX-License-Identifier: MIT */
/*
 * pinger - the pings of a measurement: their slots, their answers, and the
 * events that say what became of each.
 *
 *	schedule --> slot --> ping --> flight --> answer or loss --> event
 *
 * It owns the targets, the flights and the events. measure.c is the only
 * caller: it has the connection, decides who is a target, and holds the lock.
 * Except for the first functions, everything is for the thread of the worker.
 */
#ifndef PING_PINGER_H
#define PING_PINGER_H

#include "cmd/engine/timers.h"
#include "cmd/ping/clock_offset.h"
#include "cmd/ping/flight.h"
#include "cmd/ping/options.h"
#include "cmd/ping/target.h"
#include "cmd/session/session.h"
#include "proto/bluenet.h"

#include <stdbool.h>
#include <stdint.h>

#define MEASURE_REASON_CHARS 256

#define MEASURE_CAUSE_RELAY UINT32_MAX /* the relay was lost */

enum measure_kind {
	MEASURE_SAMPLE, /* an answer; late or duplicate: with a count */
	MEASURE_COUNT,
	MEASURE_SEEN, /* a target is new, or was renamed */
	MEASURE_LEFT, /* it is no longer in the roster */
	MEASURE_RELAY_LOST, /* `reason` says why; slots are lost until: */
	MEASURE_RELAY_BACK,
};

struct measure_event {
	enum measure_kind kind;
	enum ping_count what; /* of MEASURE_COUNT */
	uint64_t n; /* how many, one interval apart */
	uint32_t cause; /* of a loss: enum bnet_code; 0: timeout; or above */
	uint64_t slot; /* number of the ping, from 0 */
	/* SAMPLE; node and layer: all of targets; wall_ns: all */
	struct ping_sample sample;
	union {
		char name[SERIES_NAME_CHARS]; /* SEEN, LEFT */
		char reason[MEASURE_REASON_CHARS]; /* RELAY_LOST */
	};
};

/* A list that the worker fills and the caller takes. */
struct pinger_events {
	struct measure_event *list; /* owned */
	size_t n;
};

/* The caller sets the first five, all else being zero, and event_fd to -1. */
struct pinger {
	const struct ping_options *opt;
	struct session *session;
	struct session_scratch *scratch;
	int64_t stop_ns; /* of new slots; INT64_MAX: never */
	int64_t wall_ahead_ns; /* of CLOCK_MONOTONIC, at the start */
	int64_t start_ns; /* of the schedule; 0: not started */
	bool down; /* the relay was lost: nothing is sent until it is back */
	struct targets targets;
	size_t n_active; /* targets that take slots */
	uint64_t n_waiting; /* pings neither answered nor lost */
	struct timers timers; /* of targets, and the caller's */
	int64_t asked_ns, late_ns; /* requested wake-up; recent lateness */
	struct flights flights;
	int64_t roster_ns; /* when the last complete roster came */
	uint64_t pong_n; /* the flight that the next pong should answer */
	struct trace trace;
	struct pinger_events events[2]; /* one is being filled */
	unsigned filling;
	uint64_t n_overflow; /* events dropped for lack of room */
	int event_fd; /* readable if the caller is to look */
};

/* False: out of memory or descriptors; free it all the same. */
bool pinger_init(struct pinger *p);
void pinger_free(struct pinger *p);

/* The events since the last call, *n of them; borrowed until the next one. */
const struct measure_event *pinger_take(struct pinger *p, size_t *n);

/* Wake the caller, so that it looks at the state. */
void pinger_wake(struct pinger *p);

/* The unix time of a CLOCK_MONOTONIC time, by the wall clock at the start. */
static inline int64_t
pinger_wall_ns(const struct pinger *p, int64_t at_ns)
{
	return at_ns + p->wall_ahead_ns;
}

/* NULL: no room. The event is zeroed but for `kind`. */
struct measure_event *pinger_event(struct pinger *p, enum measure_kind kind);

/*
 * Activate a target's slots; an active target goes on unchanged. False: out of
 * memory.
 */
bool pinger_begin(struct pinger *p, struct target *target);
/* Take the slots of a target that are due. */
void pinger_due(struct pinger *p, struct target *target, int64_t now_ns);
/* Take no more slots of any target. */
void pinger_stop(struct pinger *p);

/* A ping gets no answer: `cause` is a code of bluenet.error, or 0. */
void pinger_lost(struct pinger *p, struct flight *flight, uint32_t cause);
/* None that waits gets one: the relay was lost. */
void pinger_lose_all(struct pinger *p);
/* Give up the pings that timed out. */
void pinger_expire(struct pinger *p, int64_t now_ns);

/* An echo reply from `source`, which answers one of our echoes or none. */
void
pinger_answered(struct pinger *p, int64_t source, const struct bnet_echo *echo);
/* The round trip that a node reports for its ping of another. */
void pinger_measured(
    struct pinger *p, uint64_t cookie, int64_t source, uint64_t round_ns);
/* A pong; false: it answers no ping. */
bool pinger_pong(struct pinger *p, const struct bnet_header *header);

/* Set the connection's timer to the earliest deadline. */
void pinger_arm(struct pinger *p);
/*
 * That timer fired in a turn that began at turn_ns. Waits until the next
 * deadline if it is near; returns the time.
 */
int64_t pinger_woke(struct pinger *p, int64_t turn_ns);

#endif
