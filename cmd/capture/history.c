/* SPDX-License-Identifier: MIT */
#include "cmd/capture/history.h"

#include <stdlib.h>
#include <string.h>

void
history_add(struct history *history, struct history_budget *budget,
    uint32_t seq, struct bnet_slice data)
{
	uint32_t at;
	size_t first;

	if (history->ring == NULL) {
		if (budget->used_bytes + HISTORY_BYTES > budget->max_bytes)
			return;
		history->ring = malloc(HISTORY_BYTES);
		if (history->ring == NULL)
			return;
		budget->used_bytes += HISTORY_BYTES;
	}
	if (data.len > HISTORY_BYTES) {
		seq += (uint32_t)(data.len - HISTORY_BYTES);
		data = bnet_slice_from(data, data.len - HISTORY_BYTES);
	}
	at = seq % HISTORY_BYTES;
	first = HISTORY_BYTES - at < data.len ? HISTORY_BYTES - at : data.len;
	memcpy(history->ring + at, data.p, first);
	memcpy(history->ring, data.p + first, data.len - first);
	history->n += (uint32_t)data.len;
	if (history->n > HISTORY_BYTES)
		history->n = HISTORY_BYTES;
}

uint64_t
history_differs(const struct history *history, uint32_t next_seq, uint32_t seq,
    struct bnet_slice data)
{
	uint32_t behind = next_seq - seq;
	uint64_t differ = 0;
	size_t skip = 0;

	if (history->ring == NULL)
		return 0;
	if (behind > history->n)
		skip = behind - history->n;
	for (size_t i = skip; i < data.len; i++)
		differ += history->ring[(seq + i) % HISTORY_BYTES] != data.p[i];
	return differ;
}

void
history_break(struct history *history)
{
	history->n = 0;
}

void
history_free(struct history *history, struct history_budget *budget)
{
	if (history->ring == NULL)
		return;
	free(history->ring);
	budget->used_bytes -= HISTORY_BYTES;
	*history = (struct history){ .ring = NULL };
}
