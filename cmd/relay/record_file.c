/* SPDX-License-Identifier: MIT */
#include "cmd/relay/record_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_HEAD_BYTES 24
#define PACKET_HEAD_BYTES 16
#define SNAP_BYTES 65535
#define S_NS 1000000000

struct record_file {
	char *path;
	uint64_t max_bytes, n_bytes; /* of the newest file */
	unsigned n_files;
	pcap_t *pcap;
	pcap_dumper_t *dumper; /* NULL: closed */
};

static bool
fail(const char *path, const char *what, const char *why,
    char err[RECORD_ERR_CHARS])
{
	(void)snprintf(
	    err, RECORD_ERR_CHARS, "%s: %.300s: %s", what, path, why);
	return false;
}

/* ---- names ---- */

static bool
name_of(const struct record_file *file, unsigned i, char name[PATH_MAX])
{
	int n = i == 0 ? snprintf(name, PATH_MAX, "%s", file->path)
		       : snprintf(name, PATH_MAX, "%s.%u", file->path, i);

	if (n < PATH_MAX)
		return true;
	errno = ENAMETOOLONG;
	return false;
}

/* FILE.(i - 1) becomes FILE.i, if it is there. */
static bool
shift(const struct record_file *file, unsigned i)
{
	char from[PATH_MAX], to[PATH_MAX];

	return name_of(file, i - 1, from) && name_of(file, i, to) &&
	    (rename(from, to) == 0 || errno == ENOENT);
}

static bool
make_place(const struct record_file *file)
{
	if (file->n_files == 1)
		return unlink(file->path) == 0 || errno == ENOENT;
	for (unsigned i = file->n_files - 1; i > 0; i--)
		if (!shift(file, i))
			return false;
	return true;
}

/* ---- one file ---- */

/* Not through a link or onto what is there: O_EXCL. */
static FILE *
create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");

	if (fd >= 0 && f == NULL)
		close(fd);
	return f;
}

static bool
begin(struct record_file *file, char err[RECORD_ERR_CHARS])
{
	FILE *f;

	if (!make_place(file))
		return fail(file->path, "cannot rotate", strerror(errno), err);
	f = create(file->path);
	if (f == NULL)
		return fail(file->path, "cannot make", strerror(errno), err);
	file->dumper = pcap_dump_fopen(file->pcap, f);
	if (file->dumper == NULL) {
		fclose(f);
		return fail(
		    file->path, "cannot write", pcap_geterr(file->pcap), err);
	}
	file->n_bytes = FILE_HEAD_BYTES;
	return true;
}

bool
record_file_flush(struct record_file *file, char err[RECORD_ERR_CHARS])
{
	if (file->dumper != NULL && pcap_dump_flush(file->dumper) == 0 &&
	    ferror(pcap_dump_file(file->dumper)) == 0)
		return true;
	return fail(file->path, "cannot write",
	    errno != 0 ? strerror(errno) : "an earlier error", err);
}

/* The old one is full: all of it has to be on its way to the disk. */
static bool
rotate(struct record_file *file, char err[RECORD_ERR_CHARS])
{
	if (!record_file_flush(file, err))
		return false;
	pcap_dump_close(file->dumper);
	file->dumper = NULL;
	return begin(file, err);
}

bool
record_file_write(struct record_file *file, int64_t time_ns,
    const uint8_t *packet, size_t n_bytes, char err[RECORD_ERR_CHARS])
{
	const struct pcap_pkthdr head = {
		/* of a dumper of nanoseconds, tv_usec is these */
		.ts = { .tv_sec = time_ns / S_NS, .tv_usec = time_ns % S_NS },
		.caplen = (bpf_u_int32)n_bytes,
		.len = (bpf_u_int32)n_bytes,
	};

	if (file->n_bytes > FILE_HEAD_BYTES &&
	    file->n_bytes + PACKET_HEAD_BYTES + n_bytes > file->max_bytes &&
	    !rotate(file, err))
		return false;
	errno = 0;
	pcap_dump((u_char *)file->dumper, &head, packet);
	file->n_bytes += PACKET_HEAD_BYTES + n_bytes;
	if (ferror(pcap_dump_file(file->dumper)) == 0)
		return true;
	return fail(file->path, "cannot write", strerror(errno), err);
}

/* ---- beginning and end ---- */

/* Renaming a device or a directory away would do harm. */
static bool
may_replace(const char *path, char err[RECORD_ERR_CHARS])
{
	struct stat st;

	if (lstat(path, &st) != 0 || S_ISREG(st.st_mode))
		return true;
	return fail(path, "cannot record", "expected a regular file", err);
}

struct record_file *
record_file_open(const char *path, uint64_t max_bytes, unsigned n_files,
    char err[RECORD_ERR_CHARS])
{
	struct record_file *file = calloc(1, sizeof(*file));

	if (file != NULL) {
		file->path = strdup(path);
		file->max_bytes = max_bytes;
		file->n_files = n_files;
		file->pcap = pcap_open_dead_with_tstamp_precision(
		    DLT_RAW, SNAP_BYTES, PCAP_TSTAMP_PRECISION_NANO);
	}
	if (file == NULL || file->path == NULL || file->pcap == NULL) {
		(void)fail(path, "cannot record", "out of memory", err);
	} else if (may_replace(path, err) && begin(file, err) &&
	    record_file_flush(file, err)) {
		return file;
	}
	record_file_close(file);
	return NULL;
}

void
record_file_close(struct record_file *file)
{
	if (file == NULL)
		return;
	if (file->dumper != NULL)
		pcap_dump_close(file->dumper);
	if (file->pcap != NULL)
		pcap_close(file->pcap);
	free(file->path);
	free(file);
}
