/* SPDX-License-Identifier: MIT */
/*
 * A TLS connection from a hostile capture, as the orders of tls_write.h: what
 * was fed is read, lost or held, after each of them, and all of it at the end.
 */
#include "cmd/capture/tls.c"

#include "tests/fuzz/tls_write.h"

struct run {
	struct cap_tls *tls;
	uint64_t fed[2], plain[2], lost[2];
};

static void
on_plain(void *arg, enum cap_dir dir, struct bnet_slice plain)
{
	struct run *run = arg;
	volatile uint8_t sink = 0;

	MUST_HOLD(plain.len > 0 && plain.len <= CAP_TLS_PLAIN_MAX_BYTES);
	sink = (uint8_t)(sink + plain.p[0] + plain.p[plain.len - 1]);
	run->plain[dir] += plain.len;
}

static void
on_lost(void *arg, enum cap_dir dir, uint64_t bytes, const char *reason)
{
	struct run *run = arg;

	MUST_HOLD(reason != NULL && *reason != '\0');
	run->lost[dir] += bytes;
}

/* What must hold between any two calls. */
static void
check(const struct run *run)
{
	struct cap_tls_status st;

	cap_tls_status(run->tls, &st);
	MUST_HOLD(st.state < CAP_TLS_N_STATES);
	for (int dir = 0; dir < 2; dir++) {
		MUST_HOLD(st.read_bytes[dir] + st.lost_bytes[dir] +
			st.held_bytes[dir] ==
		    run->fed[dir]);
		MUST_HOLD(run->tls->half[dir].in.len <= CAP_TLS_HOLD_BYTES);
		MUST_HOLD(run->tls->half[dir].messages.hello.len <=
		    TLS_HELLO_MAX_BYTES);
		MUST_HOLD(st.plain_bytes[dir] == run->plain[dir]);
		MUST_HOLD(run->plain[dir] <= st.read_bytes[dir]);
		MUST_HOLD(run->lost[dir] <= st.lost_bytes[dir]);
	}
}

static void
feed(void *arg, enum cap_dir dir, struct bnet_slice bytes)
{
	struct run *run = arg;
	struct cap_tls_sink sink = {
		.plain = on_plain, .lost = on_lost, .arg = run
	};

	run->fed[dir] += bytes.len;
	MUST_HOLD(cap_tls_feed(run->tls, dir, bytes, &sink) == BNET_OK);
	check(run);
}

static void
gap(void *arg, enum cap_dir dir, unsigned int n)
{
	struct run *run = arg;
	struct cap_tls_sink sink = {
		.plain = on_plain, .lost = on_lost, .arg = run
	};

	MUST_HOLD(cap_tls_gap(run->tls, dir, n, &sink) == BNET_OK);
	check(run);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = { .tls = cap_tls_new(tls_write_keylog()) };
	struct cap_tls_sink sink = {
		.plain = on_plain, .lost = on_lost, .arg = &run
	};
	struct tls_write write = { .feed = feed, .gap = gap, .arg = &run };
	struct cap_tls_status st;

	MUST_HOLD(run.tls != NULL);
	tls_write_all(&write, (struct bnet_slice){ data, size });
	MUST_HOLD(cap_tls_end(run.tls, &sink) == BNET_OK);
	check(&run);
	cap_tls_status(run.tls, &st);
	for (int dir = 0; dir < 2; dir++) {
		MUST_HOLD(st.held_bytes[dir] == 0);
		MUST_HOLD(run.lost[dir] == st.lost_bytes[dir]);
	}
	tls_write_free(&write);
	cap_tls_free(run.tls);
	return 0;
}
