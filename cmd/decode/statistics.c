/* SPDX-License-Identifier: MIT */
#include "cmd/decode/statistics.h"

#include "cmd/decode/stat.h"

#include <stdlib.h>
#include <string.h>

#define SPEC_CHARS 64
#define STATE_VERSION 1

struct active {
	const struct stat_ops *ops;
	void *state; /* owned */
	char spec[SPEC_CHARS];
};

struct statistics {
	struct active active[STATISTICS_MAX];
	size_t n;
	json_t *loaded; /* the states that names are borrowed from, or NULL */
};

static const struct stat_ops *const all[] = {
	&stat_frames,
	&stat_streams,
	&stat_keys,
	&stat_endpoints,
	&stat_io,
	&stat_echo,
	&stat_calls,
	&stat_events,
	&stat_health,
};

#define N_ALL (sizeof(all) / sizeof(all[0]))

const struct statistics_info *
statistics_info(size_t i)
{
	return i < N_ALL ? &all[i]->info : NULL;
}

struct statistics *
statistics_new(void)
{
	return calloc(1, sizeof(struct statistics));
}

void
statistics_free(struct statistics *st)
{
	if (st == NULL)
		return;
	for (size_t i = 0; i < st->n; i++)
		st->active[i].ops->destroy(st->active[i].state);
	json_decref(st->loaded);
	free(st);
}

static void
say_names(const char *spec, char *err, size_t err_bytes)
{
	size_t at;

	snprintf(err, err_bytes, "no statistic '%.*s'; there are",
	    (int)strcspn(spec, ","), spec);
	for (size_t i = 0; i < N_ALL; i++) {
		at = strlen(err);
		snprintf(err + at, err_bytes - at, "%s %s%s%s",
		    i == 0 ? "" : ",", all[i]->info.name,
		    all[i]->info.arg == NULL ? "" : ",",
		    all[i]->info.arg == NULL ? "" : all[i]->info.arg);
	}
}

static const struct stat_ops *
find(const char *spec)
{
	size_t n = strcspn(spec, ",");

	for (size_t i = 0; i < N_ALL; i++)
		if (strlen(all[i]->info.name) == n &&
		    memcmp(all[i]->info.name, spec, n) == 0)
			return all[i];
	return NULL;
}

/* Starts a statistic with a valid name. */
static bool
start(struct statistics *st, const struct stat_ops *ops, const char *spec,
    char *err, size_t err_bytes)
{
	const char *arg = strchr(spec, ',');
	struct active *active = &st->active[st->n];

	if (arg != NULL && ops->info.arg == NULL) {
		snprintf(err, err_bytes, "'%s': %s takes no argument", spec,
		    ops->info.name);
		return false;
	}
	active->ops = ops;
	snprintf(active->spec, sizeof(active->spec), "%s", spec);
	err[0] = '\0';
	active->state = ops->make(arg == NULL ? NULL : arg + 1, err, err_bytes);
	if (active->state == NULL) {
		if (err[0] == '\0')
			snprintf(err, err_bytes, "out of memory");
		return false;
	}
	st->n++;
	return true;
}

bool
statistics_add(
    struct statistics *st, const char *spec, char *err, size_t err_bytes)
{
	const struct stat_ops *ops = find(spec);

	if (ops == NULL) {
		say_names(spec, err, err_bytes);
		return false;
	}
	if (strlen(spec) >= SPEC_CHARS) {
		snprintf(err, err_bytes, "'%s' is too long", spec);
		return false;
	}
	for (size_t i = 0; i < st->n; i++)
		if (strcmp(st->active[i].spec, spec) == 0)
			return true;
	if (st->n == STATISTICS_MAX) {
		snprintf(
		    err, err_bytes, "more than %d statistics", STATISTICS_MAX);
		return false;
	}
	return start(st, ops, spec, err, err_bytes);
}

size_t
statistics_n(const struct statistics *st)
{
	return st->n;
}

unsigned
statistics_needs(const struct statistics *st)
{
	unsigned needs = 0;

	for (size_t i = 0; i < st->n; i++)
		needs |= st->active[i].ops->needs;
	return needs;
}

void
statistics_record(struct statistics *st, const struct record *record)
{
	for (size_t i = 0; i < st->n; i++)
		st->active[i].ops->record(st->active[i].state, record);
}

static struct active *
active_of(struct statistics *st, const char *spec)
{
	for (size_t i = 0; i < st->n; i++)
		if (strcmp(st->active[i].spec, spec) == 0)
			return &st->active[i];
	return NULL;
}

bool
statistics_load(
    struct statistics *st, json_t *merge, char *err, size_t err_bytes)
{
	const char *spec =
	    json_string_value(json_object_get(merge, "statistic"));
	json_t *state = json_object_get(merge, "state");
	char what[STAT_STATE_ERR_CHARS] = "";
	struct active *active;

	if (spec == NULL ||
	    json_integer_value(json_object_get(merge, "version")) !=
		STATE_VERSION) {
		snprintf(err, err_bytes,
		    "merge: expected version %d and a statistic",
		    STATE_VERSION);
		return false;
	}
	if (!statistics_add(st, spec, err, err_bytes))
		return false;
	active = active_of(st, spec);
	if (st->loaded == NULL)
		st->loaded = json_array();
	if (stat_merges(active->ops) &&
	    json_array_append(st->loaded, state) == 0 &&
	    stat_state_load(active->ops, active->state, state, what))
		return true;
	snprintf(err, err_bytes, "%s: %s", spec,
	    !stat_merges(active->ops) ? "it cannot be merged"
		: what[0] != '\0'     ? what
				      : "no state, or no memory for it");
	return false;
}

/* What the first table of a statistic has beside its rows; NULL: no memory. */
static char *
state_text(const struct active *active, const struct stat_out *to)
{
	json_t *state = stat_state_save(active->ops, active->state, to);
	json_t *merge = json_pack("{s:i, s:s, s:o}", "version", STATE_VERSION,
	    "statistic", active->spec, "state", state);
	char *text = json_dumps(merge, JSON_COMPACT), *member = NULL;

	if (text == NULL || asprintf(&member, "\"merge\":%s", text) < 0)
		member = NULL;
	json_decref(merge);
	free(text);
	return member;
}

static void
print(const struct active *active, struct stat_out *to)
{
	char *state = NULL;

	if (to->format == TABLE_AS_JSON && stat_merges(active->ops)) {
		state = state_text(active, to);
		if (state == NULL)
			to->failed = true;
	}
	to->more_json = state;
	active->ops->print(active->state, to);
	to->more_json = NULL;
	free(state);
}

bool
statistics_print(const struct statistics *st, FILE *out,
    enum table_format format, const struct cap_counters *counters)
{
	struct stat_out to = {
		.out = out, .format = format, .counters = counters
	};

	for (size_t i = 0; i < st->n; i++)
		print(&st->active[i], &to);
	return !to.failed && !ferror(out);
}
