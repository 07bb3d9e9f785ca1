/* SPDX-License-Identifier: MIT */
/*
 * option_file - reads options from a configuration file: lines of `name =
 * value`, where the name is the long name of an option; see bluenet-relay(1).
 *
 * Only programs that call this need inih.
 */
#ifndef COMMON_OPTION_FILE_H
#define COMMON_OPTION_FILE_H

#include "cmd/common/options.h"

/*
 * Call it after options_read(), whose options override those of the file. Adds
 * every mistake to `reading`, which borrows `path`. Returns false if there are
 * mistakes, or if the file cannot be read.
 */
bool option_file_read(struct option_reading *reading, const char *path);

#endif
