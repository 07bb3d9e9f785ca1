/* SPDX-License-Identifier: MIT */
/*
 * Token buckets, kept as the time at which each would be full again (the
 * generic cell rate algorithm): a packet moves that time on by what it costs,
 * and there is room while it is less than a second ahead. A bucket that is full
 * takes a packet of any size, so one that costs more than a second passes too.
 *
 * Owns nothing. The buckets are in the peer; after a reload with other keys a
 * bucket may be another key's for a moment.
 */
#include "cmd/relay/rates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define S_NS INT64_C(1000000000)

/* KEY=N. */
static bool
read_key(const char *text, struct rates_key *key)
{
	const char *equals = strrchr(text, '=');
	char *end, *name;
	long n;

	if (equals == NULL || equals == text || equals[1] < '0' ||
	    equals[1] > '9')
		return false;
	errno = 0;
	n = strtol(equals + 1, &end, 10);
	if (errno != 0 || *end != '\0' || n < 1 || n > RATES_MAX)
		return false;
	name = strndup(text, (size_t)(equals - text));
	if (name == NULL)
		return false;
	*key = (struct rates_key){ bnet_key(name), S_NS / n };
	free(name);
	return true;
}

const char *
rates_read(struct rates_settings *settings, uint64_t packets_per_s,
    uint64_t bytes_per_s, const struct option_texts *keys)
{
	if (packets_per_s != 0)
		settings->packet_ns = S_NS / (int64_t)packets_per_s;
	settings->bytes_per_s = bytes_per_s;
	for (size_t i = 0; i < keys->n; i++)
		if (settings->n_keys == RATES_KEYS_MAX ||
		    !read_key(keys->at[i], &settings->keys[settings->n_keys++]))
			return keys->at[i];
	settings->any =
	    packets_per_s != 0 || bytes_per_s != 0 || settings->n_keys > 0;
	return NULL;
}

/* What a packet takes of one bucket. */
struct charge {
	int64_t *full_at_ns;
	int64_t cost_ns;
	enum rates_verdict limit;
};

static size_t
charges_of(struct rates *rates, const struct rates_settings *settings,
    int32_t key, size_t n_bytes, struct charge charges[3])
{
	size_t n = 0;

	if (settings->packet_ns != 0)
		charges[n++] = (struct charge){ &rates->packets_ns,
			settings->packet_ns, RATES_PACKETS };
	if (settings->bytes_per_s != 0)
		charges[n++] = (struct charge){ &rates->bytes_ns,
			(int64_t)(n_bytes * (uint64_t)S_NS /
			    settings->bytes_per_s),
			RATES_BYTES };
	for (size_t i = 0; i < settings->n_keys; i++)
		if (settings->keys[i].key == key) {
			charges[n++] = (struct charge){ &rates->keys_ns[i],
				settings->keys[i].packet_ns, RATES_KEY };
			break;
		}
	return n;
}

enum rates_verdict
rates_take(struct rates *rates, const struct rates_settings *settings,
    const struct bnet_header *header, size_t n_bytes, int64_t now_ns,
    int64_t *until_ns)
{
	struct charge charges[3];
	size_t n = charges_of(rates, settings, header->key, n_bytes, charges);

	*until_ns = 0;
	for (size_t i = 0; i < n; i++) {
		if (*charges[i].full_at_ns < now_ns)
			*charges[i].full_at_ns = now_ns;
		if (settings->excess == RATES_REFUSE &&
		    *charges[i].full_at_ns > now_ns &&
		    *charges[i].full_at_ns + charges[i].cost_ns > now_ns + S_NS)
			return charges[i].limit;
	}
	for (size_t i = 0; i < n; i++) {
		*charges[i].full_at_ns += charges[i].cost_ns;
		if (settings->excess == RATES_PAUSE &&
		    *charges[i].full_at_ns - S_NS > now_ns &&
		    *charges[i].full_at_ns - S_NS > *until_ns)
			*until_ns = *charges[i].full_at_ns - S_NS;
	}
	return RATES_OK;
}
