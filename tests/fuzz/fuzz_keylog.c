/* SPDX-License-Identifier: MIT */
/* Key log text from memory and from a file: the two must agree. */
#include "cmd/capture/keylog.h"

#include "tests/fuzz/fuzz.h"

static size_t
lines(const uint8_t *data, size_t size)
{
	size_t n = 1;

	for (size_t i = 0; i < size; i++)
		n += data[i] == '\n';
	return n;
}

/* Whatever is found has a size that a secret may have. */
static void
look_up(const struct cap_keylog *log, const uint8_t *data, size_t size)
{
	uint8_t random[CAP_RANDOM_BYTES] = { 0 };
	struct bnet_slice s;

	memcpy(random, data, size < sizeof(random) ? size : sizeof(random));
	for (int which = 0; which < CAP_N_SECRETS; which++) {
		if (cap_keylog_find(log, random, (enum cap_secret)which, &s))
			MUST_HOLD(s.len == 32 || s.len == CAP_SECRET_MAX_BYTES);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cap_keylog *log = cap_keylog_new(), *other = cap_keylog_new();
	FILE *f = size == 0 ? NULL : tmpfile();
	enum bnet_err err;

	err = cap_keylog_add(log, (struct bnet_slice){ data, size });
	MUST_HOLD(err == BNET_OK || err == BNET_ETLS);
	MUST_HOLD((err == BNET_ETLS) == (*cap_keylog_problem(log) != '\0'));
	MUST_HOLD(cap_keylog_count(log) <= lines(data, size));
	look_up(log, data, size);
	if (f != NULL) {
		MUST_HOLD(fwrite(data, 1, size, f) == size);
		rewind(f);
		MUST_HOLD(cap_keylog_read(other, f) == err);
		MUST_HOLD(cap_keylog_count(other) == cap_keylog_count(log));
		fclose(f);
	}
	cap_keylog_free(other);
	cap_keylog_free(log);
	return 0;
}
