/* SPDX-License-Identifier: MIT */
/*
 * values - the tests of an expression: a field alone, or an operator and values
 * that fit the field's type: numbers, times, words, strings, addresses, bytes.
 * filter.c calls it. Both functions fail as those of lex.h do.
 */
#ifndef FILTER_VALUES_H
#define FILTER_VALUES_H

#include "cmd/filter/lex.h"

/* Adds a test with the operator p->tok and the values behind it. */
bool values_comparison(struct filter_parse *p, const struct filter_ref *ref);

/* Adds a test of the field alone. */
bool values_bare(struct filter_parse *p, const struct filter_ref *ref);

#endif
