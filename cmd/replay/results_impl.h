/* SPDX-License-Identifier: MIT */
/* What the files of results share, and nobody else. */
#ifndef REPLAY_RESULTS_IMPL_H
#define REPLAY_RESULTS_IMPL_H

#include "cmd/replay/play/results.h"

/* Buckets of twice the width: of two neighbours one. */
void results_widen(struct results *results);

#endif
