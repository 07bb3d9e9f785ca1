/* SPDX-License-Identifier: MIT */
/* completion - generates shell completions from the options of a program. */
#ifndef COMMON_COMPLETION_H
#define COMMON_COMPLETION_H

#include "cmd/common/options.h"

#include <stdio.h>

/* Scripts to be sourced by the shell; they need nothing else. */
void completion_bash(const struct option_program *program, FILE *f);
void completion_zsh(const struct option_program *program, FILE *f);

#endif
