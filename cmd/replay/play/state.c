/* SPDX-License-Identifier: MIT */
/*
 * The state that all threads of a replay share, and how they report to each
 * other: why a session failed, which environment answered, how many still run.
 * Owns no thread; play.c creates and frees struct play. Called by play.c and
 * virtual_client.c.
 */
#include "cmd/replay/play/state.h"

#include <stdio.h>
#include <strings.h>

void
play_ended(struct play *play)
{
	if (atomic_fetch_sub(&play->n_running, 1) != 1)
		return;
	pthread_mutex_lock(&play->lock);
	pthread_cond_broadcast(&play->changed);
	pthread_mutex_unlock(&play->lock);
}

bool
play_settled(struct play *play, int64_t late_ns)
{
	if (atomic_load(&play->settled))
		return false;
	/* the connector waits, so this session is the only one */
	pthread_mutex_lock(&play->lock);
	play->start_ns += late_ns;
	play->behind_ns = late_ns;
	atomic_store(&play->settled, true);
	pthread_cond_broadcast(&play->changed);
	pthread_mutex_unlock(&play->lock);
	return true;
}

void
play_set_order(struct play *play, enum bnet_order order)
{
	pthread_mutex_lock(&play->lock);
	play->order = order;
	pthread_mutex_unlock(&play->lock);
}

void
play_set_reason(struct play *play, const char *why)
{
	pthread_mutex_lock(&play->lock);
	if (play->reason[0] == '\0')
		snprintf(play->reason, sizeof(play->reason), "%s", why);
	cli_plain(play->reason);
	pthread_mutex_unlock(&play->lock);
}

void
play_set_failure(struct play *play, int error)
{
	pthread_mutex_lock(&play->lock);
	if (play->failure == 0)
		play->failure = error;
	pthread_mutex_unlock(&play->lock);
}

void
play_message_all(struct play *play, uint32_t what)
{
	static const struct bnet_slice nothing = { NULL, 0 };

	for (unsigned i = 0; i < play->n_workers; i++)
		(void)engine_message(play->engine, i, what, nothing);
}

void
play_set_environment(struct play *play, const struct bnet_string *name)
{
	static const char production[] = "production";
	size_t n = name->len_bytes;
	bool is_production = n == sizeof(production) - 1 &&
	    strncasecmp(name->p, production, n) == 0;

	pthread_mutex_lock(&play->lock);
	if (play->environment[0] == '\0' || is_production)
		snprintf(play->environment, sizeof(play->environment), "%.*s",
		    (int)n, name->p != NULL ? name->p : "");
	pthread_mutex_unlock(&play->lock);
	if (!is_production || atomic_exchange(&play->production, true))
		return;
	play_message_all(play, PLAY_SAY_CUT);
	pthread_mutex_lock(&play->lock);
	play->stop = true;
	pthread_cond_broadcast(&play->changed);
	pthread_mutex_unlock(&play->lock);
}
