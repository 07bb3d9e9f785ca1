/* SPDX-License-Identifier: MIT */
/* When each record is due. */
#include "cmd/replay/plan_impl.h"

bool
plan_is_sent(const struct tape_record *record)
{
	return (record->flags & (TAPE_R_HELLO | TAPE_R_UPKEEP)) == 0;
}

/* The time of the capture that has passed, with long silence cut. */
static int64_t
play_until(struct plan_cursor *cursor, const struct tape_session *session,
    int64_t max_idle_ns, int64_t record_at_ns)
{
	int64_t last_ns = plan_clamp_ns(session->ready_ns);
	int64_t at_ns = plan_clamp_ns(record_at_ns), gap_ns;

	if (cursor->at_ns > last_ns)
		last_ns = cursor->at_ns;
	if (at_ns < last_ns)
		at_ns = last_ns;
	gap_ns = at_ns - last_ns;
	if (max_idle_ns != 0 && gap_ns > max_idle_ns)
		gap_ns = max_idle_ns;
	cursor->at_ns = at_ns;
	cursor->played_ns = plan_clamp_ns(cursor->played_ns + gap_ns);
	return cursor->played_ns;
}

/* Number k of its share. All of them together end with the rate's last. */
static int64_t
rate_due_ns(const struct plan_player *player, uint64_t k)
{
	if (k >= player->n_frames)
		return player->length_ns;
	return plan_ns((double)player->phase_ns + (double)k * player->gap_ns);
}

int64_t
plan_due_ns(const struct plan_player *player,
    const struct tape_session *session, const struct replay_options *opt,
    const struct tape_record *record, struct plan_cursor *cursor)
{
	int64_t due_ns = 0;

	if (opt->timing == REPLAY_RATE)
		due_ns = rate_due_ns(player, cursor->k);
	else if (opt->timing == REPLAY_SPEED)
		due_ns = plan_scale_ns(play_until(cursor, session,
					   opt->max_idle_ns, record->at_ns),
		    opt->speed);
	if (plan_is_sent(record))
		cursor->k++;
	return due_ns;
}
