/* SPDX-License-Identifier: MIT */
#include "cmd/ping/tail_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
note_error(struct tail_file *file, int error)
{
	if (file->error == 0)
		file->error = error;
}

static bool
begin_text(struct tail_file *file)
{
	file->text = open_memstream(&file->bytes, &file->n_bytes);
	if (file->text == NULL)
		note_error(file, errno);
	return file->text != NULL;
}

bool
tail_file_open(struct tail_file *file, const char *path)
{
	struct stat st;

	*file = (struct tail_file){ .fd = -1 };
	file->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (file->fd < 0)
		return false;
	file->regular = fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode);
	if (begin_text(file))
		return true;
	close(file->fd);
	errno = file->error;
	return false;
}

/* What is left of a longer text reads as a comment until it is cut off. */
static void
cover_rest(struct tail_file *file, off_t end)
{
	off_t n = file->size - end;

	if (n >= 2)
		putc('#', file->text);
	for (off_t i = 2; i < n; i++)
		putc(' ', file->text);
	if (n >= 1)
		putc('\n', file->text);
}

static void
put(struct tail_file *file, size_t n_bytes)
{
	size_t done = 0;
	ssize_t n;

	while (done < n_bytes) {
		n = file->regular
		    ? pwrite(file->fd, file->bytes + done, n_bytes - done,
			  file->settled + (off_t)done)
		    : write(file->fd, file->bytes + done, n_bytes - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			note_error(file, errno);
			return;
		}
		done += (size_t)n;
	}
}

void
tail_file_commit(
    struct tail_file *file, void (*tail)(void *ctx, FILE *text), void *ctx)
{
	size_t n_settled, n_whole;
	off_t end;

	if (file->text == NULL)
		return;
	(void)fflush(file->text);
	n_settled = file->n_bytes;
	if (file->regular && tail != NULL)
		tail(ctx, file->text);
	(void)fflush(file->text);
	n_whole = file->n_bytes;
	end = file->settled + (off_t)n_whole;
	if (file->regular)
		cover_rest(file, end);
	if (fclose(file->text) != 0)
		note_error(file, errno);
	put(file, file->n_bytes);
	if (file->regular && file->size > end && ftruncate(file->fd, end) != 0)
		note_error(file, errno);
	file->settled += (off_t)n_settled;
	file->size = end;
	free(file->bytes);
	file->bytes = NULL;
	(void)begin_text(file);
}

bool
tail_file_close(struct tail_file *file)
{
	tail_file_commit(file, NULL, NULL);
	if (file->text != NULL)
		(void)fclose(file->text);
	file->text = NULL;
	free(file->bytes);
	if (file->fd >= 0 && close(file->fd) != 0)
		note_error(file, errno);
	file->fd = -1;
	errno = file->error;
	return file->error == 0;
}
