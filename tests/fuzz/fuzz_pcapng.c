/* SPDX-License-Identifier: MIT */
/*
 * A pcapng file: what comes out is within what went in, an error has words and
 * stays, and the same file read again says the same.
 */
#include "cmd/capture/keylog.h"
#include "cmd/capture/pcapng.h"

#include "tests/fuzz/fuzz.h"

#define TIME_MAX_NS (INT64_C(4600000001) * 1000000000)

struct sum {
	uint64_t n, bytes, dropped;
	int64_t times;
	enum source_result result;
};

static struct sum
read_all(const uint8_t *data, size_t size, struct cap_keylog *log)
{
	FILE *f = fmemopen((void *)(uintptr_t)data, size, "r");
	struct pcapng *ng = pcapng_new(f, log);
	struct source_packet packet;
	struct sum sum = { .n = 0 };

	while ((sum.result = pcapng_next(ng, &packet)) == SOURCE_PACKET) {
		sum.n++;
		sum.bytes += packet.data.len;
		sum.times ^= packet.time_ns;
		for (size_t i = 0; i < packet.data.len; i++)
			sum.times ^= packet.data.p[i];
		MUST_HOLD(packet.wire_bytes >= packet.data.len);
		MUST_HOLD(packet.time_ns <= TIME_MAX_NS);
		MUST_HOLD(packet.time_ns >= -TIME_MAX_NS);
	}
	MUST_HOLD(sum.n <= size / 16 && sum.bytes <= size);
	MUST_HOLD(
	    (sum.result == SOURCE_ERROR) == (*pcapng_problem(ng) != '\0'));
	sum.dropped = pcapng_dropped(ng);
	pcapng_free(ng);
	fclose(f);
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cap_keylog *log;
	struct sum first, second;

	if (size == 0)
		return 0;
	log = cap_keylog_new();
	first = read_all(data, size, log);
	second = read_all(data, size, NULL);
	MUST_HOLD(first.n == second.n && first.bytes == second.bytes);
	MUST_HOLD(first.times == second.times);
	MUST_HOLD(first.dropped == second.dropped);
	MUST_HOLD(first.result == second.result);
	MUST_HOLD(cap_keylog_count(log) <= size / 64);
	cap_keylog_free(log);
	return 0;
}
