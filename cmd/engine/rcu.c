/* SPDX-License-Identifier: MIT */
#include "cmd/engine/rcu.h"

#include "cmd/common/ending.h"

#include <stdatomic.h>

#ifdef RCU_TSAN
char rcu_grace;
#endif

static atomic_size_t n_later; /* given to rcu_later() and not freed yet */

void
rcu_later(struct rcu_head *head, void (*fn)(struct rcu_head *head))
{
	atomic_fetch_add(&n_later, 1);
	rcu_tsan_release(&rcu_grace); /* what the giver did with it, too */
	call_rcu(head, fn);
}

void
rcu_freed(void)
{
	atomic_fetch_sub(&n_later, 1);
}

static bool
all_freed(void *arg)
{
	(void)arg;
	return atomic_load(&n_later) == 0;
}

bool
rcu_ending_call(void (*fn)(void *arg), void *arg, const char *what)
{
	bool online = rcu_read_ongoing(), ok;

	if (online)
		rcu_sleep();
	ok = ending_call(fn, arg, what);
	if (online)
		rcu_wake();
	return ok;
}

bool
rcu_wait_all(void)
{
	bool online = rcu_read_ongoing(), ok;

	if (online)
		rcu_sleep(); /* the grace period must not wait for us */
	ok = ending_until(all_freed, NULL, "a reader of shared tables");
	if (online)
		rcu_wake();
	return ok;
}
