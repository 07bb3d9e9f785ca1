/* SPDX-License-Identifier: MIT */
/* completion - the completion of a program for a shell, from its options. */
#ifndef COMMON_COMPLETION_H
#define COMMON_COMPLETION_H

#include "cmd/common/options.h"

#include <stdio.h>

/* Files that are to be read by the shell; they need nothing but the shell. */
void completion_bash(const struct option_program *program, FILE *f);
void completion_zsh(const struct option_program *program, FILE *f);

#endif
