/* SPDX-License-Identifier: MIT */
/* What the files of compare share, and nobody else. */
#ifndef PING_COMPARE_IMPL_H
#define PING_COMPARE_IMPL_H

#include "cmd/ping/compare.h"

/* Sets the intervals of average and deviation, where they are known. */
void compare_bootstrap(const struct series *before, const struct series *after,
    enum ping_layer layer, uint64_t seed, struct compare_layer *result);

/*
 * The next row of all nodes at that layer, from *at (0 at first) on, which
 * then is behind it; NULL: there is none.
 */
const struct series_row *
compare_next(const struct series *series, enum ping_layer layer, size_t *at);

/* Two rows side by side. Starts out zeroed. */
struct compare_pair {
	const char *time; /* NULL: those of the rows */
	const struct series_row *before, *after; /* NULL: there is none */
	struct compare_factor factors[ARTICLE_COLUMNS];
	size_t before_at, after_at; /* of compare_next() */
};

/* The next pair of a layer; false: there is none on either side. */
bool compare_next_pair(const struct series *before, const struct series *after,
    enum ping_layer layer, struct compare_pair *pair);

/* When the row began, as text; "" where there is none. */
void compare_time(char text[ARTICLE_CELL_CHARS], const struct series *series,
    const struct series_row *row);

/* "minimum", ... */
extern const char *const compare_names[ARTICLE_COLUMNS];

/* `title`: say which layer it is. */
void compare_text(FILE *file, const struct series *before,
    const struct series *after, enum ping_layer layer,
    const struct compare_pair *overall, const struct compare_layer *result,
    bool title);

/* result: NULL but for the pair of the whole runs. */
void compare_json_pair(FILE *file, const struct series *before,
    enum ping_layer layer, const struct compare_pair *pair,
    const struct compare_layer *result);
void compare_csv_head(FILE *file);
void compare_csv_pair(FILE *file, const struct series *before,
    enum ping_layer layer, const struct compare_pair *pair);

#endif
