/* SPDX-License-Identifier: MIT */
#include "cmd/capture/keylog.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 64
#define PROBLEM_CHARS 96
#define READ_BYTES 65536

/* a longer line holds no known secret */
#define LINE_MAX_BYTES 1024

struct slot {
	uint8_t random[CAP_RANDOM_BYTES];
	uint8_t secret[CAP_SECRET_MAX_BYTES];
	uint8_t which; /* enum cap_secret */
	uint8_t n_secret; /* 0: the slot is free */
	bool used; /* found, and in the list of those */
};

/* A secret that was found; its slot may move. */
struct use {
	uint8_t random[CAP_RANDOM_BYTES];
	uint8_t which;
};

struct uses {
	struct use *at;
	size_t n, n_room;
};

struct cap_keylog {
	struct slot *slots; /* open addressing, linear probing */
	size_t n_slots; /* a power of two, or 0 */
	size_t n_used;
	struct uses *uses; /* changes when secrets are found */
	uint64_t seed; /* peers choose the randoms: prevents collisions */
	size_t line;
	char problem[PROBLEM_CHARS];
};

static const struct label {
	const char *name;
	enum cap_secret which;
	uint8_t n_bytes[2]; /* the allowed sizes of the secret */
} labels[] = {
	{ "CLIENT_RANDOM", CAP_SECRET_MASTER, { 48, 48 } },
	{ "CLIENT_EARLY_TRAFFIC_SECRET", CAP_SECRET_EARLY, { 32, 48 } },
	{ "CLIENT_HANDSHAKE_TRAFFIC_SECRET", CAP_SECRET_CLIENT_HANDSHAKE,
	    { 32, 48 } },
	{ "SERVER_HANDSHAKE_TRAFFIC_SECRET", CAP_SECRET_SERVER_HANDSHAKE,
	    { 32, 48 } },
	{ "CLIENT_TRAFFIC_SECRET_0", CAP_SECRET_CLIENT_TRAFFIC, { 32, 48 } },
	{ "SERVER_TRAFFIC_SECRET_0", CAP_SECRET_SERVER_TRAFFIC, { 32, 48 } },
};

struct cap_keylog *
cap_keylog_new(void)
{
	struct cap_keylog *log = calloc(1, sizeof(*log));
	unsigned char seed[sizeof(log->seed)];

	if (log == NULL)
		return NULL;
	log->uses = calloc(1, sizeof(*log->uses));
	if (log->uses == NULL) {
		free(log);
		return NULL;
	}
	/* without randomness the table is only slower under attack */
	if (RAND_bytes(seed, sizeof(seed)) == 1)
		memcpy(&log->seed, seed, sizeof(seed));
	return log;
}

static void
slots_free(struct slot *slots, size_t n_slots)
{
	if (slots != NULL)
		OPENSSL_cleanse(slots, n_slots * sizeof(*slots));
	free(slots);
}

void
cap_keylog_free(struct cap_keylog *log)
{
	if (log == NULL)
		return;
	slots_free(log->slots, log->n_slots);
	free(log->uses->at);
	free(log->uses);
	free(log);
}

const char *
cap_keylog_problem(const struct cap_keylog *log)
{
	return log->problem;
}

size_t
cap_keylog_count(const struct cap_keylog *log)
{
	return log->n_used;
}

static uint64_t
mix(uint64_t h)
{
	h ^= h >> 32;
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

/*
 * The slot of the secret, or the free one where it belongs; one is always free.
 */
static struct slot *
place(const struct cap_keylog *log, const uint8_t *random, unsigned int which)
{
	uint64_t h = mix(log->seed ^ which);
	struct slot *slot;

	for (size_t i = 0; i < CAP_RANDOM_BYTES; i += sizeof(h)) {
		uint64_t w;

		memcpy(&w, random + i, sizeof(w));
		h = mix(h ^ w);
	}
	for (;; h++) {
		slot = &log->slots[h & (log->n_slots - 1)];
		if (slot->n_secret == 0)
			return slot;
		if (slot->which == which &&
		    memcmp(slot->random, random, CAP_RANDOM_BYTES) == 0)
			return slot;
	}
}

/* Makes room for one more; at most three quarters are used. */
static enum bnet_err
reserve(struct cap_keylog *log)
{
	struct cap_keylog old = *log;

	if (log->n_used >= CAP_KEYLOG_MAX_SECRETS)
		return BNET_ELIMIT;
	if (log->n_used < log->n_slots / 4 * 3)
		return BNET_OK;
	log->n_slots = old.n_slots == 0 ? SLOTS_MIN : old.n_slots * 2;
	log->slots = calloc(log->n_slots, sizeof(*log->slots));
	if (log->slots == NULL) {
		*log = old;
		return BNET_ENOMEM;
	}
	for (size_t i = 0; i < old.n_slots; i++) {
		const struct slot *s = &old.slots[i];

		if (s->n_secret != 0)
			*place(log, s->random, s->which) = *s;
	}
	slots_free(old.slots, old.n_slots);
	return BNET_OK;
}

static enum bnet_err
put(struct cap_keylog *log, const struct slot *entry)
{
	enum bnet_err err = reserve(log);
	struct slot *slot;
	bool used;

	/* a full table can still replace the secret of an old entry */
	if (err == BNET_ENOMEM || log->n_slots == 0)
		return err;
	slot = place(log, entry->random, entry->which);
	if (slot->n_secret == 0) {
		if (err != BNET_OK)
			return err;
		log->n_used++;
	}
	used = slot->used;
	*slot = *entry;
	slot->used = used;
	return BNET_OK;
}

/* Without memory it is not in the list, and is tried again. */
static void
note_use(struct uses *uses, struct slot *slot)
{
	size_t n_room = uses->n_room == 0 ? 16 : 2 * uses->n_room;
	struct use *at;

	if (uses->n == uses->n_room) {
		at = realloc(uses->at, n_room * sizeof(*at));
		if (at == NULL)
			return;
		uses->at = at;
		uses->n_room = n_room;
	}
	at = &uses->at[uses->n++];
	memcpy(at->random, slot->random, sizeof(at->random));
	at->which = slot->which;
	slot->used = true;
}

/*
 * All secrets of the session: a reader of what is written may want one before
 * it was needed here.
 */
static void
note_session(const struct cap_keylog *log, const uint8_t *random)
{
	for (unsigned int which = 0; which < CAP_N_SECRETS; which++) {
		struct slot *slot = place(log, random, which);

		if (slot->n_secret != 0 && !slot->used)
			note_use(log->uses, slot);
	}
}

bool
cap_keylog_find(const struct cap_keylog *log,
    const uint8_t random[CAP_RANDOM_BYTES], enum cap_secret which,
    struct bnet_slice *secret)
{
	struct slot *slot;

	if (log->n_slots == 0)
		return false;
	slot = place(log, random, which);
	if (slot->n_secret == 0)
		return false;
	if (!slot->used)
		note_session(log, random);
	*secret = (struct bnet_slice){ slot->secret, slot->n_secret };
	return true;
}

static size_t
put_hex(char *to, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		to[2 * i] = digits[p[i] >> 4];
		to[2 * i + 1] = digits[p[i] & 15];
	}
	return 2 * n;
}

size_t
cap_keylog_used(
    const struct cap_keylog *log, size_t i, char line[CAP_KEYLOG_LINE_CHARS])
{
	const struct label *label = labels;
	const struct slot *slot;
	size_t n;

	if (i >= log->uses->n)
		return 0;
	slot = place(log, log->uses->at[i].random, log->uses->at[i].which);
	while (label->which != slot->which)
		label++;
	n = (size_t)snprintf(line, CAP_KEYLOG_LINE_CHARS, "%s ", label->name);
	n += put_hex(line + n, slot->random, sizeof(slot->random));
	line[n++] = ' ';
	n += put_hex(line + n, slot->secret, slot->n_secret);
	line[n++] = '\n';
	line[n] = '\0';
	return n;
}

/* ---- text ---------------------------------------------------------------- */

static bool
blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Returns the next word of `line` and advances past it. */
static struct bnet_slice
word(struct bnet_slice *line)
{
	struct bnet_slice w;

	while (line->len > 0 && blank(*line->p))
		*line = bnet_slice_from(*line, 1);
	w = *line;
	for (w.len = 0; w.len < line->len && !blank(w.p[w.len]);)
		w.len++;
	*line = bnet_slice_from(*line, w.len);
	return w;
}

static int
digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Decodes all of `text` as `n` bytes; it must have exactly two digits per byte.
 */
static bool
unhex(struct bnet_slice text, uint8_t *out, size_t n)
{
	int bad = 0;

	if (text.len != n * 2)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = digit(text.p[2 * i]);
		int low = digit(text.p[2 * i + 1]);

		bad |= high | low; /* negative if one of them is invalid */
		out[i] = (uint8_t)((high & 15) << 4 | (low & 15));
	}
	return bad >= 0;
}

static const struct label *
label_find(struct bnet_slice name)
{
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		if (name.len == strlen(labels[i].name) &&
		    memcmp(name.p, labels[i].name, name.len) == 0)
			return &labels[i];
	}
	return NULL;
}

/* Returns what is wrong; NULL: nothing. */
static const char *
parse(struct bnet_slice line, const struct label *label, struct slot *entry)
{
	struct bnet_slice random = word(&line);
	struct bnet_slice secret = word(&line);
	size_t n = secret.len / 2;

	if (!unhex(random, entry->random, CAP_RANDOM_BYTES))
		return "client random is not 64 hex digits";
	if (secret.len % 2 != 0 ||
	    (n != label->n_bytes[0] && n != label->n_bytes[1]))
		return "secret has the wrong length";
	if (!unhex(secret, entry->secret, n))
		return "secret is not hex";
	if (word(&line).len != 0)
		return "something follows the secret";
	entry->which = (uint8_t)label->which;
	entry->n_secret = (uint8_t)n;
	return NULL;
}

/* Sets *bad at a malformed line, which is skipped. */
static enum bnet_err
add_line(struct cap_keylog *log, struct bnet_slice line, bool *bad)
{
	struct slot entry = { .which = 0 };
	struct bnet_slice name = word(&line);
	const struct label *label = label_find(name);
	const char *wrong;
	enum bnet_err err;

	log->line++;
	if (label == NULL)
		return BNET_OK;
	wrong = parse(line, label, &entry);
	if (wrong == NULL) {
		err = put(log, &entry);
		OPENSSL_cleanse(&entry, sizeof(entry));
		return err;
	}
	if (!*bad)
		snprintf(log->problem, sizeof(log->problem), "line %zu: %s",
		    log->line, wrong);
	*bad = true;
	return BNET_OK;
}

/* Takes the complete lines of `text`; *used: up to the end of the last one. */
static enum bnet_err
add_lines(
    struct cap_keylog *log, struct bnet_slice text, size_t *used, bool *bad)
{
	enum bnet_err err = BNET_OK;

	*used = 0;
	while (err == BNET_OK && text.len > 0) {
		const uint8_t *nl = memchr(text.p, '\n', text.len);
		struct bnet_slice line = text;

		if (nl == NULL)
			break;
		line.len = (size_t)(nl - text.p);
		err = add_line(log, line, bad);
		*used += line.len + 1;
		text = bnet_slice_from(text, line.len + 1);
	}
	return err;
}

static void
begin(struct cap_keylog *log)
{
	log->line = 0;
	log->problem[0] = '\0';
}

enum bnet_err
cap_keylog_add(struct cap_keylog *log, struct bnet_slice text)
{
	bool bad = false;
	size_t used;
	enum bnet_err err;

	begin(log);
	err = add_lines(log, text, &used, &bad);
	text = bnet_slice_from(text, used);
	if (err == BNET_OK && text.len > 0)
		err = add_line(log, text, &bad);
	return err == BNET_OK && bad ? BNET_ETLS : err;
}

/*
 * Moves an incomplete line to the front. If a line is too long to be valid, its
 * start is enough to judge it, and the rest is dropped.
 */
static size_t
carry(uint8_t *block, size_t n, size_t used)
{
	size_t rest = n - used;

	if (rest > LINE_MAX_BYTES)
		rest = LINE_MAX_BYTES;
	memmove(block, block + used, rest);
	return rest;
}

enum bnet_err
cap_keylog_read(struct cap_keylog *log, FILE *f)
{
	uint8_t *block = malloc(READ_BYTES);
	size_t n, rest = 0, used;
	bool bad = false;
	enum bnet_err err = BNET_OK;

	if (block == NULL)
		return BNET_ENOMEM;
	begin(log);
	while (err == BNET_OK &&
	    (n = fread(block + rest, 1, READ_BYTES - rest, f)) > 0) {
		err = add_lines(
		    log, (struct bnet_slice){ block, rest + n }, &used, &bad);
		rest = carry(block, rest + n, used);
	}
	if (err == BNET_OK && ferror(f))
		err = BNET_ECUT;
	if (err == BNET_OK && rest > 0)
		err = add_line(log, (struct bnet_slice){ block, rest }, &bad);
	OPENSSL_cleanse(block, READ_BYTES);
	free(block);
	return err == BNET_OK && bad ? BNET_ETLS : err;
}
