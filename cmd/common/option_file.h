/* SPDX-License-Identifier: MIT */
/*
 * option_file - options from a configuration file: `name = value` in lines,
 * where the name is the long name of an option; see bluenet-relay(1).
 *
 * Only a program that calls this needs inih.
 */
#ifndef COMMON_OPTION_FILE_H
#define COMMON_OPTION_FILE_H

#include "cmd/common/options.h"

/*
 * After options_read(), whose options overrule those of the file. Every
 * mistake is added to `reading`; `path` is borrowed by it. False: there are
 * some, or the file cannot be read.
 */
bool option_file_read(struct option_reading *reading, const char *path);

#endif
