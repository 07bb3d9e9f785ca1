/* SPDX-License-Identifier: MIT */
/* dry_run - prints what a replay would send: --dry-run. */
#ifndef REPLAY_DRY_RUN_H
#define REPLAY_DRY_RUN_H

#include "cmd/common/address.h"
#include "cmd/common/keys.h"
#include "cmd/replay/options.h"
#include "cmd/replay/play/plan.h"
#include "cmd/replay/play/targets.h"
#include "cmd/replay/tape/tape.h"

#include <stdio.h>

struct dry_run { /* all members are borrowed */
	const struct replay_options *opt;
	const struct tape *tape;
	const struct plan *plan;
	const struct keys *keys; /* key names */
	const struct targets *targets; /* assigned to the plan */
	const volatile int *stop; /* non-zero: stop early */
};

void dry_run_print(const struct dry_run *run, FILE *out);

#endif
