/* SPDX-License-Identifier: MIT */
/*
 * rcu - the parts of liburcu that are used here (QSBR flavour: a worker says
 * once a turn that it holds nothing), and what ThreadSanitizer has to be told
 * about them: liburcu orders memory in code that it does not see.
 */
#ifndef ENGINE_RCU_H
#define ENGINE_RCU_H

#include <urcu-qsbr.h>
#include <urcu/rculfhash.h>
#include <urcu/wfcqueue.h>

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
#define rcu_tsan_acquire(addr) __tsan_acquire(addr)
#define rcu_tsan_release(addr) __tsan_release(addr)
#else
#define rcu_tsan_acquire(addr) ((void)(addr))
#define rcu_tsan_release(addr) ((void)(addr))
#endif

/*
 * All that readers did before they let go happened before what is done after
 * a grace period.
 */
extern char rcu_grace;

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

/* In the function given to call_rcu(), before it frees. */
static inline void
rcu_after_grace(void)
{
	rcu_tsan_acquire(&rcu_grace);
}

#endif
