/* SPDX-License-Identifier: MIT */
#include "cmd/relay/limits.h"

#include "cmd/common/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NANO INT64_C(1000000000)
#define KEY_WORDS (sizeof(struct address_key) / sizeof(uint64_t))

struct seat {
	struct address_key key; /* first: the map's key */
	uint64_t n_open;
};

#define FREE_FAILURES 10
#define WAIT_MAX_S 60
#define FORGIVEN_NS (600 * NANO)

/* An address that presented wrong tokens. */
struct failure {
	struct address_key key; /* first: the map's key */
	int64_t last_ns, until_ns;
	uint64_t n;
};

struct limits {
	pthread_mutex_t lock; /* guards all below */
	struct limits_settings settings; /* 0: rate_per_s only */
	uint32_t n_open;
	int64_t nano_tokens; /* 10^9 of them admit one connection */
	int64_t at_ns; /* the time of the last update */
	struct map seats;
	struct map failures;
	struct cidr blocks[LIMITS_BLOCKS_MAX];
	size_t n_blocks;
};

static uint32_t
bounded(uint32_t v, uint32_t max)
{
	return v == 0 || v > max ? max : v;
}

static struct limits_settings
without_zeros(const struct limits_settings *settings)
{
	struct limits_settings s = *settings;

	s.open_max = bounded(s.open_max, LIMITS_OPEN_MAX);
	s.address_max = bounded(s.address_max, LIMITS_OPEN_MAX);
	if (s.rate_per_s != 0 && s.burst == 0)
		s.burst = s.rate_per_s;
	return s;
}

struct limits *
limits_new(const struct limits_settings *settings)
{
	struct limits *limits = calloc(1, sizeof(*limits));

	if (limits == NULL)
		return NULL;
	if (!map_init(&limits->seats, sizeof(struct seat), KEY_WORDS,
		LIMITS_OPEN_MAX)) {
		free(limits);
		return NULL;
	}
	if (!map_init(&limits->failures, sizeof(struct failure), KEY_WORDS,
		LIMITS_FAILED_MAX)) {
		map_free(&limits->seats);
		free(limits);
		return NULL;
	}
	pthread_mutex_init(&limits->lock, NULL);
	limits->settings = without_zeros(settings);
	limits->nano_tokens = limits->settings.burst * NANO;
	return limits;
}

void
limits_free(struct limits *limits)
{
	if (limits == NULL)
		return;
	map_free(&limits->seats);
	map_free(&limits->failures);
	pthread_mutex_destroy(&limits->lock);
	free(limits);
}

void
limits_set(struct limits *limits, const struct limits_settings *settings)
{
	struct limits_settings next = without_zeros(settings);
	int64_t full = next.burst * NANO;

	pthread_mutex_lock(&limits->lock);
	if (limits->settings.rate_per_s == 0 || limits->nano_tokens > full)
		limits->nano_tokens = full;
	limits->settings = next;
	pthread_mutex_unlock(&limits->lock);
}

static bool
is_blocked(const struct limits *limits, const struct address *addr)
{
	for (size_t i = 0; i < limits->n_blocks; i++)
		if (cidr_match(&limits->blocks[i], addr))
			return true;
	return false;
}

/*
 * A token bucket in billionths, so that no rate is rounded. Threads read the
 * clock before they take the lock, so time may seem to go back; that adds no
 * tokens.
 */
static bool
rate_allows(struct limits *limits, int64_t now_ns)
{
	const struct limits_settings *s = &limits->settings;
	int64_t full = s->burst * NANO, passed_ns = now_ns - limits->at_ns;

	if (s->rate_per_s == 0)
		return true;
	if (passed_ns > 0) {
		limits->at_ns = now_ns;
		if (passed_ns > (full - limits->nano_tokens) / s->rate_per_s)
			limits->nano_tokens = full;
		else
			limits->nano_tokens += passed_ns * s->rate_per_s;
	}
	return limits->nano_tokens >= NANO;
}

/* May the address have one more? Then *seat is its entry. */
static enum limits_verdict
find_seat(struct limits *limits, const struct address *addr, struct seat **seat)
{
	struct address_key key = address_key(addr);

	*seat = NULL;
	if (is_blocked(limits, addr))
		return LIMITS_BLOCKED;
	*seat = map_get(&limits->seats, key.words);
	if (*seat == limits->seats.others)
		return LIMITS_TOTAL;
	if ((*seat)->n_open >= limits->settings.address_max)
		return LIMITS_ADDRESS;
	return LIMITS_OK;
}

/* An entry without connections is removed, which bounds the memory. */
static void
drop_empty(struct limits *limits, const struct seat *seat)
{
	struct address_key key;

	if (seat == NULL || seat == limits->seats.others || seat->n_open > 0)
		return;
	key = seat->key;
	map_remove(&limits->seats, key.words);
}

static enum limits_verdict
judge(struct limits *limits, const struct address *addr, int64_t now_ns)
{
	enum limits_verdict verdict = LIMITS_OK;
	struct seat *seat = NULL;

	if (limits->n_open >= limits->settings.open_max)
		return LIMITS_TOTAL;
	if (addr != NULL)
		verdict = find_seat(limits, addr, &seat);
	/* last: a connection refused otherwise uses none of the rate */
	if (verdict == LIMITS_OK && !rate_allows(limits, now_ns))
		verdict = LIMITS_RATE;
	if (verdict == LIMITS_OK) {
		limits->n_open++;
		if (limits->settings.rate_per_s != 0)
			limits->nano_tokens -= NANO;
		if (seat != NULL)
			seat->n_open++;
	}
	drop_empty(limits, seat);
	return verdict;
}

enum limits_verdict
limits_admit(struct limits *limits, const struct address *addr, int64_t now_ns)
{
	enum limits_verdict verdict;

	pthread_mutex_lock(&limits->lock);
	verdict = judge(limits, addr, now_ns);
	pthread_mutex_unlock(&limits->lock);
	return verdict;
}

enum limits_verdict
limits_locate(struct limits *limits, const struct address *addr)
{
	enum limits_verdict verdict;
	struct seat *seat;

	pthread_mutex_lock(&limits->lock);
	verdict = find_seat(limits, addr, &seat);
	if (verdict == LIMITS_OK)
		seat->n_open++;
	drop_empty(limits, seat);
	pthread_mutex_unlock(&limits->lock);
	return verdict;
}

static struct seat *
seat_of(const struct limits *limits, const struct address *addr)
{
	struct address_key key = address_key(addr);

	return map_find(&limits->seats, key.words);
}

/* A connection without an address must not reduce another's count. */
void
limits_leave(struct limits *limits, const struct address *addr)
{
	struct seat *seat;

	pthread_mutex_lock(&limits->lock);
	seat = addr == NULL ? NULL : seat_of(limits, addr);
	if (limits->n_open > 0 && (addr == NULL || seat != NULL))
		limits->n_open--;
	if (seat != NULL)
		seat->n_open--;
	drop_empty(limits, seat);
	pthread_mutex_unlock(&limits->lock);
}

/* Forgets all rather than grow: a flood of addresses must not use memory. */
static struct failure *
failure_of(struct limits *limits, const struct address *addr)
{
	struct address_key key = address_key(addr);
	struct failure *f = map_get(&limits->failures, key.words);

	if (f != limits->failures.others)
		return f;
	map_free(&limits->failures);
	if (!map_init(&limits->failures, sizeof(struct failure), KEY_WORDS,
		LIMITS_FAILED_MAX))
		return NULL;
	f = map_get(&limits->failures, key.words);
	return f == limits->failures.others ? NULL : f;
}

static int64_t
count_failure(struct failure *f, int64_t now_ns)
{
	int64_t wait_s = 1;

	if (f->n > 0 && now_ns - f->last_ns > FORGIVEN_NS)
		f->n = 0;
	f->last_ns = now_ns;
	f->n++;
	if (f->n <= FREE_FAILURES)
		return 0;
	for (uint64_t i = FREE_FAILURES + 1; i < f->n && wait_s < WAIT_MAX_S;
	     i++)
		wait_s *= 2;
	if (wait_s > WAIT_MAX_S)
		wait_s = WAIT_MAX_S;
	f->until_ns = now_ns + wait_s * NANO;
	return wait_s * NANO;
}

int64_t
limits_failed(struct limits *limits, const struct address *addr, int64_t now_ns)
{
	struct failure *f;
	int64_t wait_ns = 0;

	pthread_mutex_lock(&limits->lock);
	f = failure_of(limits, addr);
	if (f != NULL)
		wait_ns = count_failure(f, now_ns);
	pthread_mutex_unlock(&limits->lock);
	return wait_ns;
}

int64_t
limits_wait_ns(
    struct limits *limits, const struct address *addr, int64_t now_ns)
{
	struct address_key key = address_key(addr);
	const struct failure *f;
	int64_t wait_ns = 0;

	pthread_mutex_lock(&limits->lock);
	f = map_find(&limits->failures, key.words);
	if (f != NULL && f->until_ns > now_ns)
		wait_ns = f->until_ns - now_ns;
	pthread_mutex_unlock(&limits->lock);
	return wait_ns;
}

/* LIMITS_BLOCKS_MAX: it is not there. */
static size_t
find_block(const struct limits *limits, const struct cidr *block)
{
	for (size_t i = 0; i < limits->n_blocks; i++)
		if (limits->blocks[i].bits == block->bits &&
		    memcmp(limits->blocks[i].ip, block->ip,
			sizeof(block->ip)) == 0)
			return i;
	return LIMITS_BLOCKS_MAX;
}

bool
limits_block(struct limits *limits, const struct cidr *block)
{
	bool there;

	pthread_mutex_lock(&limits->lock);
	there = find_block(limits, block) < LIMITS_BLOCKS_MAX;
	if (!there && limits->n_blocks < LIMITS_BLOCKS_MAX) {
		limits->blocks[limits->n_blocks++] = *block;
		there = true;
	}
	pthread_mutex_unlock(&limits->lock);
	return there;
}

bool
limits_unblock(struct limits *limits, const struct cidr *block)
{
	size_t at;

	pthread_mutex_lock(&limits->lock);
	at = find_block(limits, block);
	if (at < LIMITS_BLOCKS_MAX) {
		limits->n_blocks--;
		memmove(&limits->blocks[at], &limits->blocks[at + 1],
		    (limits->n_blocks - at) * sizeof(limits->blocks[0]));
	}
	pthread_mutex_unlock(&limits->lock);
	return at < LIMITS_BLOCKS_MAX;
}

bool
limits_is_blocked(struct limits *limits, const struct address *addr)
{
	bool blocked;

	if (addr == NULL)
		return false;
	pthread_mutex_lock(&limits->lock);
	blocked = is_blocked(limits, addr);
	pthread_mutex_unlock(&limits->lock);
	return blocked;
}

size_t
limits_blocks(struct limits *limits, struct cidr blocks[LIMITS_BLOCKS_MAX])
{
	size_t n;

	pthread_mutex_lock(&limits->lock);
	n = limits->n_blocks;
	memcpy(blocks, limits->blocks, n * sizeof(blocks[0]));
	pthread_mutex_unlock(&limits->lock);
	return n;
}

uint32_t
limits_open(struct limits *limits)
{
	uint32_t n_open;

	pthread_mutex_lock(&limits->lock);
	n_open = limits->n_open;
	pthread_mutex_unlock(&limits->lock);
	return n_open;
}

const char *
limits_word(enum limits_verdict verdict)
{
	static const char *const words[LIMITS_N_VERDICTS] = {
		[LIMITS_OK] = "ok",
		[LIMITS_TOTAL] = "total",
		[LIMITS_ADDRESS] = "address",
		[LIMITS_RATE] = "rate",
		[LIMITS_BLOCKED] = "blocked",
	};

	return words[verdict];
}
