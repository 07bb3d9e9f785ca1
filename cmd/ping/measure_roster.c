/* SPDX-License-Identifier: MIT */
/* Whom we ping: the relay, those of its roster, pairs of these. */
#include "cmd/ping/measure_impl.h"

#include "cmd/common/clock.h"

#include <stdio.h>
#include <string.h>

#define ROSTER_PERIOD_NS INT64_C(1000000000)
#define ROSTER_WAIT_NS INT64_C(2000000000) /* then without one */
#define START_LEAD_NS 10000000 /* so that the first slot is not late already */

void
roster_begin_hop(struct measure *m)
{
	const char *relay = m->opt->relay;
	const struct bnet_string name = { relay, (uint32_t)strlen(relay) };
	struct target *target = targets_get(&m->targets, TARGET_HOP, 0);
	struct measure_event *event = measure_event(m, MEASURE_SEEN);

	if (target == NULL) {
		measure_fail(m, "out of memory");
		return;
	}
	m->start_ns = clock_now_ns() + START_LEAD_NS;
	target_set_name(target, &name);
	if (event != NULL)
		memcpy(event->name, target->name, sizeof(event->name));
	send_begin(m, target);
}

void
roster_ask(struct measure *m, int64_t now_ns)
{
	struct bnet_message message = { .type = BNET_MSG_ROSTER };

	message.u.roster.roles = BNET_ROLE_NODE;
	if (m->opt->clients)
		message.u.roster.roles |= BNET_ROLE_CLIENT;
	m->roster_asked = true;
	m->roster_at_ns = now_ns + ROSTER_PERIOD_NS;
	session_say(m, &message);
}

static void
tell(struct measure *m, const struct target *target, enum measure_kind kind)
{
	struct measure_event *event = measure_event(m, kind);
	char label[SERIES_NAME_CHARS];

	if (event == NULL)
		return;
	event->sample.node = target_series_id(target);
	snprintf(event->name, sizeof(event->name), "%s",
	    target_label(target, label));
}

/* Those given by id are pinged whatever the roster says of them. */
static void
begin_words(struct measure *m)
{
	const struct ping_options *opt = m->opt;
	struct target *target;
	uint64_t id;

	m->start_ns = clock_now_ns() + START_LEAD_NS;
	for (size_t i = 0; i < opt->n_words; i++) {
		if (m->targets.found[i] || !target_word_id(opt->words[i], &id))
			continue;
		target = targets_get(&m->targets, TARGET_NODE, id);
		if (target == NULL)
			continue;
		m->targets.found[i] = true;
		target->pinged = true;
		tell(m, target, MEASURE_SEEN);
	}
	for (size_t i = 0; i < targets_n(&m->targets); i++) {
		target = targets_at(&m->targets, i);
		if (target->pinged)
			send_begin(m, target);
	}
}

static void
take_entry(struct measure *m, const struct bnet_roster_entry *entry)
{
	bool self = entry->id == m->id &&
	    (entry->role == BNET_ROLE_NODE) == m->opt->as_node;
	struct target *target;
	char before[SERIES_NAME_CHARS];

	if (self || !targets_wanted(&m->targets, entry))
		return;
	target =
	    targets_get(&m->targets, (enum target_role)entry->role, entry->id);
	if (target == NULL)
		return;
	target->roster = m->targets.roster + 1;
	if (m->opt->mesh) {
		target_set_name(target, &entry->name);
		return;
	}
	memcpy(before, target->name, sizeof(before));
	target_set_name(target, &entry->name);
	if (!target->pinged || strcmp(before, target->name) != 0)
		tell(m, target, MEASURE_SEEN);
	target->pinged = true;
	if (m->start_ns != 0 && m->stop_ns > clock_now_ns() &&
	    (m->opt->count == 0 || target->schedule.n < m->opt->count))
		send_begin(m, target);
}

/* Those that were in the roster before and are not now; ids go on. */
static void
drop_absent(struct measure *m)
{
	for (size_t i = 0; i < targets_n(&m->targets); i++) {
		struct target *target = targets_at(&m->targets, i);

		if (target->roster == 0 ||
		    target->roster + 1 != m->targets.roster)
			continue;
		tell(m, target, MEASURE_LEFT);
		if (m->opt->n_words > 0 || !target->active)
			continue;
		timers_cancel(&m->timers, &target->timer);
		target->active = false;
		m->n_active--;
	}
}

/* Every node to every other. */
static void
begin_pairs(struct measure *m)
{
	size_t n = targets_n(&m->targets);

	if (m->start_ns == 0)
		m->start_ns = clock_now_ns() + START_LEAD_NS;
	for (size_t i = 0; i < n * n; i++) {
		const struct target *from = targets_at(&m->targets, i / n);
		const struct target *to = targets_at(&m->targets, i % n);
		struct target *pair;

		if (from == to || from->role != TARGET_NODE ||
		    to->role != TARGET_NODE ||
		    from->roster != m->targets.roster ||
		    to->roster != m->targets.roster)
			continue;
		pair = targets_pair(&m->targets, from->id, to->id);
		if (pair == NULL || pair->pinged)
			continue;
		snprintf(pair->name, sizeof(pair->name), "%.30s>%.30s",
		    from->name, to->name);
		tell(m, pair, MEASURE_SEEN);
		send_begin(m, pair);
	}
}

static void
roster_is_whole(struct measure *m)
{
	m->targets.roster++;
	m->roster_asked = false;
	if (m->opt->mesh) {
		begin_pairs(m);
		return;
	}
	drop_absent(m);
	if (m->start_ns == 0)
		begin_words(m);
}

void
roster_take(struct measure *m, const struct bnet_roster_reply *reply)
{
	for (uint32_t i = 0; i < reply->n; i++)
		take_entry(m, &reply->entries[i]);
	if (!reply->more)
		roster_is_whole(m);
}

void
roster_tick(struct measure *m, int64_t now_ns)
{
	if (!m->roster_asked && now_ns >= m->roster_at_ns)
		roster_ask(m, now_ns);
	if (m->start_ns == 0 &&
	    now_ns >= m->roster_at_ns + ROSTER_WAIT_NS - ROSTER_PERIOD_NS)
		begin_words(m);
}
