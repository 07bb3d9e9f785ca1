/* SPDX-License-Identifier: MIT */
#include "cmd/capture/keylog_follow.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 65536 /* many times the longest line that counts */

struct followed {
	char *path;
	off_t at; /* the end of the last line taken */
	off_t size; /* at the last poll */
	dev_t device;
	ino_t inode;
};

struct keylog_follow {
	struct cap_keylog *log;
	struct followed *files;
	size_t n;
	int64_t polled_ns;
	bool polled;
	uint8_t block[BLOCK_BYTES];
};

struct keylog_follow *
keylog_follow_new(struct cap_keylog *log)
{
	struct keylog_follow *follow = calloc(1, sizeof(*follow));

	if (follow != NULL)
		follow->log = log;
	return follow;
}

void
keylog_follow_free(struct keylog_follow *follow)
{
	if (follow == NULL)
		return;
	for (size_t i = 0; i < follow->n; i++)
		free(follow->files[i].path);
	free(follow->files);
	free(follow);
}

bool
keylog_follow_add(struct keylog_follow *follow, const char *path)
{
	struct followed *files =
	    realloc(follow->files, (follow->n + 1) * sizeof(*follow->files));

	if (files == NULL)
		return false;
	follow->files = files;
	files[follow->n] = (struct followed){ .path = strdup(path) };
	if (files[follow->n].path == NULL)
		return false;
	follow->n++;
	return true;
}

/* Takes the whole lines of a block; returns the bytes that are dealt with. */
static size_t
take_lines(struct keylog_follow *follow, size_t n)
{
	const uint8_t *end = memrchr(follow->block, '\n', n);
	size_t used;

	/* a line that fills the block is none that counts */
	if (end == NULL)
		return n == BLOCK_BYTES ? n : 0;
	used = (size_t)(end - follow->block) + 1;
	(void)!cap_keylog_add(
	    follow->log, (struct bnet_slice){ follow->block, used });
	return used;
}

/* A last line without its newline, which has not grown since the last poll. */
static bool
take_rest(struct keylog_follow *follow, size_t n)
{
	return n > 0 &&
	    cap_keylog_add(follow->log,
		(struct bnet_slice){ follow->block, n }) == BNET_OK;
}

/* Reads from file->at on. still: the size is that of the last poll. */
static bool
read_on(struct keylog_follow *follow, struct followed *file, int fd, bool still)
{
	bool grown = false;
	ssize_t n;
	size_t used;

	while ((n = pread(fd, follow->block, BLOCK_BYTES, file->at)) > 0) {
		used = take_lines(follow, (size_t)n);
		if (used == 0 && still)
			grown |= take_rest(follow, (size_t)n);
		if (used == 0)
			break;
		file->at += (off_t)used;
		grown = true;
	}
	OPENSSL_cleanse(follow->block, BLOCK_BYTES);
	return grown;
}

static bool
poll_file(struct keylog_follow *follow, struct followed *file)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool grown = false;

	if (fd < 0)
		return false;
	/* what is no regular file was read to its end at the start */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		if (st.st_dev != file->device || st.st_ino != file->inode ||
		    st.st_size < file->at)
			file->at = 0;
		file->device = st.st_dev;
		file->inode = st.st_ino;
		if (st.st_size > file->at)
			grown =
			    read_on(follow, file, fd, st.st_size == file->size);
		file->size = st.st_size;
	}
	(void)close(fd);
	return grown;
}

bool
keylog_follow_poll(struct keylog_follow *follow, int64_t now_ns, bool force)
{
	bool grown = false;

	if (follow->polled && !force &&
	    now_ns - follow->polled_ns < KEYLOG_FOLLOW_NS)
		return false;
	follow->polled = true;
	follow->polled_ns = now_ns;
	for (size_t i = 0; i < follow->n; i++)
		grown |= poll_file(follow, &follow->files[i]);
	return grown;
}
