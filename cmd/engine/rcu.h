/* SPDX-License-Identifier: MIT */
/*
 * rcu - the parts of liburcu that are used here (QSBR flavour: a worker
 * announces once a turn that it holds nothing), and their annotations for
 * ThreadSanitizer, which does not see how liburcu orders memory. The engine,
 * and who keeps tables of send queues, calls it.
 */
#ifndef ENGINE_RCU_H
#define ENGINE_RCU_H

#include <stdbool.h>
#include <stddef.h>
#include <urcu-qsbr.h>
#include <urcu/rculfhash.h>
#include <urcu/wfcqueue.h>

/* The struct that `member` is in; liburcu's own casts a const away. */
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#if defined(__SANITIZE_THREAD__)
#define RCU_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RCU_TSAN 1
#endif
#endif

#ifdef RCU_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
/*
 * All that readers did before they let go happened before what is done after
 * a grace period.
 */
extern char rcu_grace;
#define rcu_tsan_acquire(addr) __tsan_acquire(addr)
#define rcu_tsan_release(addr) __tsan_release(addr)
#else
#define rcu_tsan_acquire(addr) ((void)0)
#define rcu_tsan_release(addr) ((void)0)
#endif

static inline void
rcu_let_go(void)
{
	rcu_tsan_release(&rcu_grace);
	rcu_quiescent_state();
}

static inline void
rcu_sleep(void)
{
	rcu_tsan_release(&rcu_grace);
	rcu_thread_offline();
}

static inline void
rcu_wake(void)
{
	rcu_thread_online();
}

/*
 * call_rcu(), counted. `fn` begins with rcu_after_grace() and ends with
 * rcu_freed().
 */
void rcu_later(struct rcu_head *head, void (*fn)(struct rcu_head *head));
void rcu_freed(void);

static inline void
rcu_after_grace(void)
{
	rcu_tsan_acquire(&rcu_grace);
}

/*
 * Until all that was given to rcu_later() so far is freed, as rcu_barrier(),
 * but with the limit of cmd/common/ending.h. False: some thread holds what it
 * read.
 */
bool rcu_wait_all(void);

/* ending_call(), for which no grace period has to wait. */
bool rcu_ending_call(void (*fn)(void *arg), void *arg, const char *what);

#endif
