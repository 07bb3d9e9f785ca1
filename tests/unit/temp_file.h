/* SPDX-License-Identifier: MIT */
/*
 * A file of one test: a checked fixture makes it empty and removes it. Include
 * after unit.h.
 */
#ifndef TEST_TEMP_FILE_H
#define TEST_TEMP_FILE_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char temp_path[] = "/tmp/bluenet-unit.XXXXXX";

static void
temp_setup(void)
{
	int fd;

	memcpy(temp_path + sizeof(temp_path) - 7, "XXXXXX", 6);
	fd = mkstemp(temp_path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void
temp_teardown(void)
{
	unlink(temp_path);
}

static inline void
temp_write(const void *p, size_t n)
{
	FILE *f = fopen(temp_path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(p, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
}

#endif
