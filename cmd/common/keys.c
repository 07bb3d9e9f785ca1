/* SPDX-License-Identifier: MIT */
#include "cmd/common/keys.h"

#include "cmd/common/data_files.h"
#include "proto/header.h"
#include "proto/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define SLOTS_MIN 64

struct slot {
	int32_t key;
	char *name; /* NULL: free */
};

struct keys {
	struct slot *slot;
	size_t n_slots; /* a power of two, at least twice n */
	size_t n;
};

static size_t
slot_of(const struct keys *keys, int32_t key)
{
	size_t i = ((uint32_t)key * UINT32_C(2654435761)) >> 8;

	i &= keys->n_slots - 1;
	while (keys->slot[i].name != NULL && keys->slot[i].key != key)
		i = (i + 1) & (keys->n_slots - 1);
	return i;
}

static bool
grow(struct keys *keys)
{
	struct keys wider = { .n_slots = keys->n_slots * 2, .n = keys->n };

	wider.slot = calloc(wider.n_slots, sizeof(*wider.slot));
	if (wider.slot == NULL)
		return false;
	for (size_t i = 0; i < keys->n_slots; i++)
		if (keys->slot[i].name != NULL)
			wider.slot[slot_of(&wider, keys->slot[i].key)] =
			    keys->slot[i];
	free(keys->slot);
	*keys = wider;
	return true;
}

/* Keeps the first name of a key. */
static bool
add(struct keys *keys, const char *name)
{
	int32_t key = bnet_key(name);
	size_t i;

	if (keys->n * 2 >= keys->n_slots && !grow(keys))
		return false;
	i = slot_of(keys, key);
	if (keys->slot[i].name != NULL)
		return true;
	keys->slot[i].key = key;
	keys->slot[i].name = strdup(name);
	keys->n += keys->slot[i].name != NULL;
	return keys->slot[i].name != NULL;
}

static bool
add_builtin(struct keys *keys)
{
	bool ok = add(keys, "BlueNet::pong");

	for (int type = BNET_MSG_NONE + 1; type < BNET_N_MSGS && ok; type++)
		ok = add(keys, bnet_message_name((enum bnet_message_type)type));
	return ok;
}

struct keys *
keys_new(void)
{
	struct keys *keys = calloc(1, sizeof(*keys));

	if (keys == NULL)
		return NULL;
	keys->n_slots = SLOTS_MIN;
	keys->slot = calloc(keys->n_slots, sizeof(*keys->slot));
	if (keys->slot == NULL || !add_builtin(keys)) {
		keys_free(keys);
		return NULL;
	}
	return keys;
}

void
keys_free(struct keys *keys)
{
	if (keys == NULL)
		return;
	for (size_t i = 0; keys->slot != NULL && i < keys->n_slots; i++)
		free(keys->slot[i].name);
	free(keys->slot);
	free(keys);
}

static const char *
add_line(struct keys *keys, char *line, ssize_t n)
{
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		line[--n] = '\0';
	if (n == 0 || line[0] == '#')
		return NULL;
	if (n > KEYS_NAME_MAX)
		return "a name of more than 255 bytes";
	if (strlen(line) != (size_t)n)
		return "a NUL byte: expected one name a line";
	if (keys->n >= KEYS_MAX)
		return "too many names";
	return add(keys, line) ? NULL : "out of memory";
}

bool
keys_read(struct keys *keys, const char *path, char *err, size_t err_bytes)
{
	char room[DATA_PATH_CHARS];
	FILE *f = fopen(data_or_path(path, room), "r");
	const char *why = NULL;
	char *line = NULL;
	size_t cap = 0, n_lines = 0;
	ssize_t n;

	if (f == NULL) {
		snprintf(err, err_bytes, "%s: %s", path, strerror(errno));
		return false;
	}
	while (why == NULL && (n = getline(&line, &cap, f)) >= 0) {
		n_lines++;
		why = add_line(keys, line, n);
	}
	if (why != NULL)
		snprintf(
		    err, err_bytes, "%s: line %zu: %s", path, n_lines, why);
	else if (ferror(f))
		snprintf(err, err_bytes, "%s: %s", path, strerror(errno));
	why = why == NULL && ferror(f) ? "" : why;
	free(line);
	fclose(f);
	return why == NULL;
}

bool
keys_read_installed(struct keys *keys, char *err, size_t err_bytes)
{
	char room[DATA_PATH_CHARS];
	const char *path = data_file("keys.txt", room);

	return path == NULL || keys_read(keys, path, err, err_bytes);
}

const char *
keys_name(const struct keys *keys, int32_t key)
{
	return keys->slot[slot_of(keys, key)].name;
}
