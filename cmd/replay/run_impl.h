/* SPDX-License-Identifier: MIT */
/*
 * What the files of run share; nobody else includes it.
 *
 *	run.c		the order of things, and Ctrl-C
 *	run_tape.c	captures or a replay file -> the tape
 *	run_dry.c	the plan, printed
 *	run_target.c	may it be sent to, and is anybody there
 *	run_play.c	the start, and playing
 *	run_report.c	what is said of it afterwards, and --merge
 */
#ifndef REPLAY_RUN_IMPL_H
#define REPLAY_RUN_IMPL_H

#include "cmd/common/cli.h"
#include "cmd/common/keys.h"
#include "cmd/filter/filter.h"
#include "cmd/replay/diff.h"
#include "cmd/replay/plan.h"
#include "cmd/replay/play.h"
#include "cmd/replay/report.h"
#include "cmd/replay/run.h"

struct run {
	const struct replay_options *opt;
	struct keys *keys;
	struct filter *filter; /* of the captures; NULL: all */
	struct diff_masks masks; /* of --diff */
	struct client_files files;
	char host[CLIENT_HOST_CHARS]; /* what a certificate has to name */
	struct address addresses[ADDRESS_RESOLVED_MAX];
	size_t n_addresses; /* 0: no target */
	struct address reached; /* the one that the probe found */
	struct tape *tape;
	struct plan plan;
};

/* How many signals came that ask us to end; and the last of them. */
extern volatile int run_interrupts, run_signal;

/* run_tape.c: sets run->tape; ends the process where there is none. */
void run_open_tape(struct run *run);

/* run_dry.c: what would be sent, for people. */
void run_print_plan(const struct run *run, FILE *out);

/* run_target.c */

/* Says why and returns false where the target must not be sent to. */
bool run_target_is_safe(const struct run *run);
/*
 * Is anybody there, and may we? A hello that is refused is the end of it,
 * unless `goes_on` says why not; production is in any case. REPLAY_OK: go on;
 * else it has said why not.
 */
int run_probe(struct run *run, enum bnet_role role, const char *goes_on);

/* run_play.c: returns an exit code. */
int run_play(struct run *run);

/* run_report.c */

/* Ends the process where what is to be written later cannot be. */
void run_check_papers(const struct replay_options *opt);
/* Print and write it. Returns the exit code that it comes to. */
int run_report(const struct run *run, const struct report *report,
    const struct diff *diff);
int run_merge(struct run *run);

#endif
