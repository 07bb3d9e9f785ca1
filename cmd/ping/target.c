/* SPDX-License-Identifier: MIT */
#include "cmd/ping/target.h"

#include "cmd/common/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define KEY_WORDS 3

bool
targets_init(struct targets *targets, const struct ping_options *opt)
{
	*targets = (struct targets){ .opt = opt };
	targets->found = calloc(opt->n_words + 1, sizeof(bool));
	return targets->found != NULL &&
	    map_init(
		&targets->map, sizeof(struct target), KEY_WORDS, TARGETS_MAX);
}

void
targets_free(struct targets *targets)
{
	map_free(&targets->map);
	free(targets->found);
}

static struct target *
get(struct targets *targets, const uint64_t key[KEY_WORDS])
{
	size_t n = targets->map.n;
	struct target *target = map_get(&targets->map, key);

	if (target == targets->map.others)
		return NULL;
	if (targets->map.n > n)
		target->index = (uint32_t)n;
	return target;
}

struct target *
targets_get(struct targets *targets, enum target_role role, uint64_t id)
{
	const uint64_t key[KEY_WORDS] = { role, id, 0 };

	return get(targets, key);
}

struct target *
targets_pair(struct targets *targets, uint64_t from, uint64_t id)
{
	const uint64_t key[KEY_WORDS] = { TARGET_PAIR, id, from };

	return get(targets, key);
}

uint64_t
target_series_id(const struct target *target)
{
	if (target->role == TARGET_PAIR)
		return TARGET_PAIR_BIT | target->index;
	return target->role == TARGET_CLIENT ? target->id | TARGET_CLIENT_BIT
					     : target->id;
}

bool
target_word_id(const char *word, uint64_t *id)
{
	char *end;

	errno = 0;
	*id = strtoull(word, &end, 10);
	return word[0] >= '0' && word[0] <= '9' && *end == '\0' && errno == 0 &&
	    *id <= INT64_MAX;
}

static bool
word_is(const char *word, const struct bnet_roster_entry *entry)
{
	uint64_t id;

	if (strlen(word) == entry->name.len_bytes &&
	    memcmp(word, entry->name.p, entry->name.len_bytes) == 0)
		return true;
	return target_word_id(word, &id) && id == entry->id;
}

bool
targets_wanted(struct targets *targets, const struct bnet_roster_entry *entry)
{
	const struct ping_options *opt = targets->opt;
	bool wanted = opt->n_words == 0;

	if (entry->role != BNET_ROLE_NODE &&
	    (entry->role != BNET_ROLE_CLIENT || !opt->clients))
		return false;
	for (size_t i = 0; i < opt->n_words; i++) {
		if (!word_is(opt->words[i], entry))
			continue;
		targets->found[i] = true;
		wanted = true;
	}
	return wanted;
}

const char *
target_label(const struct target *target, char label[SERIES_NAME_CHARS])
{
	const char *what = target->role == TARGET_CLIENT ? "client" : "node";

	if (target->name[0] != '\0')
		return target->name;
	snprintf(label, SERIES_NAME_CHARS, "%s %llu", what,
	    (unsigned long long)target->id);
	return label;
}

void
target_set_name(struct target *target, const struct bnet_string *name)
{
	const char *p = name->p;
	size_t left = name->len_bytes, n = 0, used, text_bytes;
	char text[JSON_CHAR_BYTES];

	for (; left > 0; p += used, left -= used) {
		used = json_char(p, left, text, &text_bytes);
		if (n + used >= SERIES_NAME_CHARS)
			break;
		/* JSON escapes what cannot be shown, and these two */
		if (*p == '"' || *p == '\\' ||
		    (text_bytes == used && memcmp(text, p, used) == 0)) {
			memcpy(target->name + n, p, used);
			n += used;
		} else {
			target->name[n++] = '?';
		}
	}
	target->name[n] = '\0';
}

void
target_note(struct target *target, int64_t round_ns)
{
	target->recent_ns[target->n_recent++ % TARGET_RECENT] = round_ns;
}

/* The bytes of the first character; *columns is -1 if it cannot be shown. */
static size_t
take_char(const char *p, bool utf8, int *columns)
{
	mbstate_t state = { 0 };
	size_t used = 1;
	wchar_t code;

	*columns = *p >= ' ' && *p <= '~' ? 1 : -1;
	if (*columns == 1)
		return 1;
	if (utf8) {
		used = mbrtowc(&code, p, strlen(p), &state);
		if (used == 0 || used > strlen(p))
			return 1;
		*columns = wcwidth(code);
		return used;
	}
	while ((p[used] & 0xc0) == 0x80) /* the rest of the character */
		used++;
	return used;
}

int
target_fit(char to[SERIES_NAME_CHARS], const char *name, int columns, bool utf8)
{
	size_t used, n = 0;
	int width, at = 0;

	for (; *name != '\0'; name += used) {
		used = take_char(name, utf8, &width);
		if (at + (width < 0 ? 1 : width) > columns ||
		    n + used >= SERIES_NAME_CHARS)
			break;
		if (width < 0) {
			to[n++] = '?';
			at++;
			continue;
		}
		memcpy(to + n, name, used);
		n += used;
		at += width;
	}
	to[n] = '\0';
	return at;
}
