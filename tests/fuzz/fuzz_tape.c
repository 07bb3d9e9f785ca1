/* SPDX-License-Identifier: MIT */
/*
 * Replay files: a damaged one is refused, or its chains end within it. The
 * head is made good, so that more than it is looked at, but not where its
 * `clock_steps` is something.
 */
#include "cmd/replay/tape/coverage.h"
#include "cmd/replay/tape/tape.h"

#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#define CHAINS_MAX 256 /* that are walked */

static uint64_t
walk(const struct tape *tape, uint32_t session, enum cap_dir dir)
{
	const struct tape_record *record = tape_first(tape, session, dir);
	const struct tape_record *before = NULL;
	uint64_t sum = 0;

	for (; record != NULL; record = tape_next(tape, record)) {
		struct bnet_slice payload = tape_payload(record);

		MUST_HOLD(record > before);
		MUST_HOLD(record->session == session);
		MUST_HOLD(record->ref == TAPE_NONE ||
		    record->ref < tape_head(tape)->n_sessions);
		for (size_t i = 0; i < payload.len; i++)
			sum += payload.p[i];
		for (uint32_t i = 0; i < record->n_refs; i++)
			sum += tape_ref(record, i);
		before = record;
	}
	return sum;
}

static void
walk_all(const struct tape *tape, FILE *null)
{
	uint32_t n = tape_head(tape)->n_sessions;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n && i < CHAINS_MAX; i++) {
		const struct tape_session *session = tape_session(tape, i);

		sum += walk(tape, i, CAP_UP) + walk(tape, i, CAP_DOWN);
		sum += strlen(tape_text(tape, session->name)) +
		    strlen(tape_text(tape, session->end[0])) +
		    strlen(tape_text(tape, session->end[1]));
	}
	fprintf(null, "%ju\n", (uintmax_t)sum); /* all is read */
	coverage_print(tape, null);
}

static void
repair(uint8_t *bytes, size_t size)
{
	struct tape_head head;

	memcpy(&head, bytes, sizeof(head));
	if (head.clock_steps != 0)
		return;
	memcpy(head.magic, TAPE_MAGIC, sizeof(head.magic));
	head.version = TAPE_VERSION;
	head.byte_order = TAPE_BYTE_ORDER;
	head.file_bytes = size;
	head.texts_at = size - 1;
	head.texts_bytes = 1;
	memcpy(bytes, &head, sizeof(head));
	bytes[size - 1] = '\0';
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	int fd = memfd_create("tape", MFD_CLOEXEC);
	uint8_t *bytes = malloc(size + 1);
	char err[TAPE_ERR_CHARS] = "";
	struct tape *tape;

	if (null == NULL)
		null = fopen("/dev/null", "we");
	MUST_HOLD(fd >= 0 && bytes != NULL && null != NULL);
	if (size > 0)
		memcpy(bytes, data, size);
	if (size > sizeof(struct tape_head))
		repair(bytes, size);
	MUST_HOLD(write(fd, bytes, size) == (ssize_t)size);
	free(bytes);
	tape = tape_open(fd, "fuzzed", err);
	MUST_HOLD(tape == NULL || tape_is(fd));
	close(fd);
	if (tape != NULL) {
		walk_all(tape, null);
		(void)tape_damaged(tape);
	} else {
		MUST_HOLD(err[0] != '\0');
	}
	tape_close(tape);
	return 0;
}
