/* SPDX-License-Identifier: MIT */
#include "cmd/common/data_files.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folders, relative to that of the program ("/": not), best first. */
static const char *const folders[] = {
	"fixtures",
	"../share/bluenet",
	"/usr/local/share/bluenet",
	"/usr/share/bluenet",
};

/* The folder of this program; false where the system does not say. */
static bool
program_folder(char room[DATA_PATH_CHARS])
{
	ssize_t n = readlink("/proc/self/exe", room, DATA_PATH_CHARS - 1);
	char *slash;

	if (n <= 0 || n == DATA_PATH_CHARS - 1)
		return false;
	room[n] = '\0';
	slash = strrchr(room, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

/* The first folder that is there decides: no mix of two installations. */
static bool
data_folder(char room[DATA_PATH_CHARS])
{
	char own[DATA_PATH_CHARS];
	bool known = program_folder(own);
	struct stat st;
	int n;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (folders[i][0] == '/')
			n = snprintf(room, DATA_PATH_CHARS, "%s", folders[i]);
		else if (known)
			n = snprintf(
			    room, DATA_PATH_CHARS, "%s/%s", own, folders[i]);
		else
			continue;
		if (n > 0 && n < DATA_PATH_CHARS && stat(room, &st) == 0 &&
		    S_ISDIR(st.st_mode))
			return true;
	}
	return false;
}

const char *
data_file(const char *name, char room[DATA_PATH_CHARS])
{
	char folder[DATA_PATH_CHARS];
	int n;

	if (!data_folder(folder))
		return NULL;
	n = snprintf(room, DATA_PATH_CHARS, "%s/%s", folder, name);
	return n > 0 && n < DATA_PATH_CHARS && access(room, F_OK) == 0 ? room
								       : NULL;
}

const char *
data_or_path(const char *path, char room[DATA_PATH_CHARS])
{
	const char *installed;

	if (path[0] == '/' || path[0] == '.' || path[0] == '\0' ||
	    access(path, F_OK) == 0 || errno != ENOENT)
		return path;
	installed = data_file(path, room);
	return installed != NULL ? installed : path;
}
