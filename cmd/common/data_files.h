/* SPDX-License-Identifier: MIT */
/*
 * data_files - the files that are installed in share/bluenet: names of keys,
 * scenarios. The program looks for them relative to itself, so that an
 * installed tree can be moved: in PREFIX/share/bluenet for one in PREFIX/bin;
 * where it was built, in fixtures/, to which the build folder has a link.
 */
#ifndef COMMON_DATA_FILES_H
#define COMMON_DATA_FILES_H

#define DATA_PATH_CHARS 4096

/*
 * The path of an installed file or folder, in `room`; NULL if it is not there.
 */
const char *data_file(const char *name, char room[DATA_PATH_CHARS]);

/*
 * What a user means by `path`: that, or, where it is relative and not there,
 * the installed file of this name. Returns `path` if there is neither, so that
 * the message about it names what the user typed.
 */
const char *data_or_path(const char *path, char room[DATA_PATH_CHARS]);

#endif
