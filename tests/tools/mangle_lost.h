/* SPDX-License-Identifier: MIT */
/*
 * mangle, after all: the list of what of the streams is not in the file, in
 * offsets of the original streams.
 */
#ifndef TESTS_MANGLE_LOST_H
#define TESTS_MANGLE_LOST_H

#include "tests/tools/mangle_load.h"

static void
mark_sent(struct mangle *m)
{
	for (uint32_t i = 0; i < 2 * m->n_conns; i++) {
		struct dir *dir = &m->conns[i / 2].dir[i % 2];

		dir->sent = grow(dir->sent, dir->n_bytes + 1, 1);
		memset(dir->sent, 0, dir->n_bytes + 1);
	}
	for (size_t i = 0; i < m->segs.n; i++) {
		const struct seg *seg = &m->segs.p[i];

		if (seg->kept_bytes > 0 && seg->flip == 0 && seg->off >= 0)
			memset(seg_dir(m, seg)->sent + seg->off, 1,
			    seg->kept_bytes);
	}
}

/* An offset in the mangled stream as one in the original. */
static size_t
dir_original(const struct dir *dir, size_t off)
{
	if (off <= dir->garbage_at)
		return dir->base + off;
	off -= off - dir->garbage_at < dir->garbage_bytes
	    ? off - dir->garbage_at
	    : dir->garbage_bytes;
	return dir->base + off;
}

static void
print_lost(FILE *f, const struct conn *conn, int way, size_t from, size_t to,
    const char *more)
{
	const struct dir *dir = &conn->dir[way];

	fprintf(f, "{\"conn\":%u,\"dir\":\"%s\",\"from\":%zu,\"to\":%zu%s}\n",
	    conn->port[0], way == 0 ? "up" : "down", dir_original(dir, from),
	    dir_original(dir, to), more);
}

static bool
syn_sent(const struct mangle *m, uint32_t conn, int way)
{
	for (size_t i = 0; i < m->segs.n; i++) {
		const struct seg *seg = &m->segs.p[i];

		if (seg->conn == conn && seg->dir == way && seg->off < 0 &&
		    (seg->flags & PKT_SYN) != 0)
			return seg->end != 0;
	}
	return false;
}

static void
list_lost_dir(FILE *f, const struct conn *conn, int way)
{
	const struct dir *dir = &conn->dir[way];
	char more[48];

	for (size_t from = 0, to; from < dir->n_bytes; from = to) {
		to = from + 1;
		while (to < dir->n_bytes && dir->sent[to] == dir->sent[from])
			to++;
		if (dir->sent[from] == 0)
			print_lost(f, conn, way, from, to, "");
	}
	if (dir->garbage_bytes == 0)
		return;
	(void)snprintf(
	    more, sizeof(more), ",\"inserted\":%zu", dir->garbage_bytes);
	print_lost(f, conn, way, dir->garbage_at, dir->garbage_at, more);
}

/* Where the pause fell: a decoder may give a stream up there. */
static void
list_pause(FILE *f, const struct mangle *m)
{
	for (uint32_t c = 0; c < 2 * m->n_conns; c++) {
		const struct conn *conn = &m->conns[c / 2];
		int64_t at = 0;

		for (size_t i = 0; i < m->segs.n / 2; i++) {
			const struct seg *seg = &m->segs.p[i];

			if (seg->conn == c / 2 && seg->dir == c % 2 &&
			    seg->off + seg->n_bytes > at)
				at = seg->off + seg->n_bytes;
		}
		if (at > 0 && (size_t)at < conn->dir[c % 2].n_bytes)
			print_lost(f, conn, c % 2, (size_t)at, (size_t)at,
			    ",\"pause\":true");
	}
}

static void
list_lost(struct mangle *m, const char *path, bool pause)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		err(1, "%s", path);
	mark_sent(m);
	for (uint32_t i = 0; i < 2 * m->n_conns; i++) {
		const struct conn *conn = &m->conns[i / 2];

		if (!syn_sent(m, i / 2, i % 2))
			print_lost(f, conn, i % 2, 0, 0, ",\"syn\":true");
		list_lost_dir(f, conn, i % 2);
	}
	if (pause)
		list_pause(f, m);
	if (fclose(f) != 0)
		err(1, "%s", path);
}

#endif
