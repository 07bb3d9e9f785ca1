/* SPDX-License-Identifier: MIT */
/* hostile DIR: write the files of fixtures/hostile/ into a folder. */
#include "tests/captures/hostile.h"

#include <err.h>
#include <stdio.h>

static void
write_file(void *arg, const char *name, struct bnet_slice file)
{
	const char *dir = arg;
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	if (f == NULL || fwrite(file.p, 1, file.len, f) != file.len ||
	    fclose(f) != 0)
		err(1, "%s", path);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: hostile DIR\n", stderr);
		return 2;
	}
	hostile(write_file, argv[1]);
	return 0;
}
