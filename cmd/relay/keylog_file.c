/* SPDX-License-Identifier: MIT */
#include "cmd/relay/keylog_file.h"

#include "cmd/common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct keylog_file {
	int fd;
	atomic_bool failed; /* and that was logged */
};

/* What was there may be open to others: then it is not any more. */
static bool
tighten(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) == 0)
		return true;
	if (fchmod(fd, 0600) != 0)
		return false;
	log_warn("others had access to the key log; now they do not",
	    LOG_STR("file", path));
	return true;
}

struct keylog_file *
keylog_file_open(const char *path)
{
	struct keylog_file *keylog = calloc(1, sizeof(*keylog));
	int error;

	if (keylog == NULL)
		return NULL;
	keylog->fd =
	    open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (keylog->fd >= 0 && tighten(keylog->fd, path))
		return keylog;
	error = errno;
	if (keylog->fd >= 0)
		(void)close(keylog->fd);
	free(keylog);
	errno = error;
	return NULL;
}

void
keylog_file_close(struct keylog_file *keylog)
{
	if (keylog == NULL)
		return;
	(void)close(keylog->fd);
	free(keylog);
}

/* writev() only reads, but its type lacks the const; this avoids a cast. */
static struct iovec
piece(const char *p, size_t n)
{
	union {
		const char *theirs;
		void *ours;
	} at = { .theirs = p };

	return (struct iovec){ at.ours, n };
}

void
keylog_file_line(void *arg, const char *line)
{
	struct keylog_file *keylog = arg;
	const size_t n = strlen(line);
	struct iovec pieces[] = { piece(line, n), piece("\n", 1) };
	ssize_t written;

	do
		written = writev(keylog->fd, pieces, 2);
	while (written < 0 && errno == EINTR);
	if (written == (ssize_t)n + 1 || atomic_exchange(&keylog->failed, true))
		return;
	log_error("secrets are missing in the key log",
	    LOG_STR("reason", written < 0 ? strerror(errno) : "short write"));
}
