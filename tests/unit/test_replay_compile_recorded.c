/* SPDX-License-Identifier: MIT */
/* The tapes of the recordings hold just the frames that were sent. */
#include "cmd/replay/tape/compile.h"
#include "tests/unit/vectors.h"

#include <openssl/evp.h>

#include <sys/mman.h>
#include <unistd.h>

#define LINE_BYTES VECTORS_LINE_BYTES
#define PAYLOAD_MAX_BYTES (64 << 20)

static const struct recording {
	const char *name;
	enum bnet_order order;
	bool keys, whole; /* all that was sent is in the capture */
} recordings[] = {
	{ "plain", BNET_ORDER_LITTLE, false, true },
	{ "net", BNET_ORDER_NETWORK, false, true },
	{ "stock", BNET_ORDER_NETWORK, false, true },
	{ "tls13", BNET_ORDER_LITTLE, true, false },
};

static char err[TAPE_ERR_CHARS];
static struct bnet_codecs *codecs;
static struct bnet_buf plain;

static void
setup(void)
{
	codecs = bnet_codecs_new();
	ck_assert_ptr_nonnull(codecs);
	bnet_buf_init(&plain, PAYLOAD_MAX_BYTES);
}

static void
teardown(void)
{
	bnet_codecs_free(codecs);
	bnet_buf_free(&plain);
}

static const char *
path_of(char path[512], const char *name, const char *suffix)
{
	const char *fixtures = getenv("BNET_FIXTURES");

	(void)snprintf(path, 512, "%s/captures/%s%s",
	    fixtures == NULL ? "fixtures" : fixtures, name, suffix);
	return path;
}

static struct tape *
tape_of(const char *const *paths, size_t n, const char *keylog)
{
	struct compile_settings set = {
		.paths = paths, .n_paths = n, .keylog = keylog
	};
	int fd = memfd_create("tape", MFD_CLOEXEC);
	struct tape *tape;

	ck_assert_int_ge(fd, 0);
	ck_assert_msg(compile(&set, fd, err), "%s", err);
	tape = tape_open(fd, "tape", err);
	ck_assert_msg(tape != NULL, "%s", err);
	close(fd);
	return tape;
}

/* The session of that port of the client; TAPE_NONE: there is none. */
static uint32_t
session_of(const struct tape *tape, json_int_t port)
{
	char end[24];

	(void)snprintf(end, sizeof(end), ":%d", (int)port);
	for (uint32_t i = 0; i < tape_head(tape)->n_sessions; i++) {
		const char *text =
		    tape_text(tape, tape_session(tape, i)->end[CAP_UP]);

		if (strrchr(text, ':') != NULL &&
		    strcmp(strrchr(text, ':'), end) == 0)
			return i;
	}
	return TAPE_NONE;
}

static json_int_t
number(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	if (json_is_string(value)) /* quoted: it is long */
		return strtoll(json_string_value(value), NULL, 10);
	ck_assert_msg(json_is_integer(value), "%s", member);
	return json_integer_value(value);
}

static void
check_header(const struct tape_record *record, const json_t *want)
{
	struct bnet_header header;
	size_t trailing;

	ck_assert_int_eq(
	    (record->flags & TAPE_R_HEADER) != 0, json_is_object(want));
	if (!json_is_object(want))
		return;
	unit_err("header",
	    bnet_header_decode(tape_oob(record), &header, NULL, &trailing),
	    BNET_OK);
	ck_assert_int_eq(header.source, number(want, "source"));
	ck_assert_int_eq(header.dest_type, number(want, "dest_type"));
	ck_assert_int_eq(header.dest, number(want, "dest"));
	ck_assert_int_eq(header.key, number(want, "key"));
	ck_assert_int_eq(header.key, record->key);
	ck_assert_int_eq(header.serial, number(want, "serial"));
	ck_assert_int_eq(header.forks, number(want, "forks"));
}

static void
check_payload(
    const struct tape_record *record, enum bnet_order order, const json_t *want)
{
	const char *sha =
	    json_string_value(json_object_get(want, "payload_sha256"));
	uint8_t digest[32];
	char hex[65];

	bnet_buf_clear(&plain);
	if (record->codec == BNET_CODEC_NONE)
		unit_err("payload",
		    bnet_buf_append(&plain, tape_payload(record)), BNET_OK);
	else
		unit_err("payload",
		    bnet_codec_decode(codecs, (enum bnet_codec_id)record->codec,
			order, tape_payload(record), PAYLOAD_MAX_BYTES, &plain),
		    BNET_OK);
	ck_assert_int_eq((json_int_t)plain.len, number(want, "payload_len"));
	ck_assert_int_eq(EVP_Digest(plain.len == 0 ? (const void *)""
						   : bnet_buf_slice(&plain).p,
			     plain.len, digest, NULL, EVP_sha256(), NULL),
	    1);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	ck_assert_str_eq(hex, sha);
}

static void
check_frame(
    const struct tape_record *record, enum bnet_order order, const json_t *want)
{
	const char *codec = json_string_value(json_object_get(want, "codec"));
	uint32_t bytes = record->payload_bytes + record->oob_bytes +
	    (record->flags & TAPE_R_OOB ? BNET_FRAME_WORD_BYTES : 0);

	ck_assert_int_eq(bytes, number(want, "size"));
	ck_assert_str_eq(
	    bnet_codec_name((enum bnet_codec_id)record->codec), codec);
	check_header(record, json_object_get(want, "header"));
	check_payload(record, order, want);
}

/* Each line against its record; returns how many frames there are. */
static uint64_t
check_lines(const struct tape *tape, const struct recording *recording)
{
	static char line[LINE_BYTES], quoted[2 * LINE_BYTES];
	const struct tape_record *at = NULL;
	json_int_t port = -1;
	uint64_t n = 0;
	char path[512];
	FILE *f = fopen(path_of(path, recording->name, ".jsonl"), "r");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		json_t *want;
		const char *name;
		enum cap_dir dir;
		uint32_t session;

		vectors_quote(line, quoted);
		want = json_loads(quoted, 0, NULL);
		ck_assert_ptr_nonnull(want);
		name = json_string_value(json_object_get(want, "dir"));
		dir = strcmp(name, "up") == 0 ? CAP_UP : CAP_DOWN;
		port = number(want, "conn");
		session = session_of(tape, port);
		ck_assert_uint_ne(session, TAPE_NONE);
		at = tape_first(tape, session, dir);
		for (json_int_t i = number(want, "i"); at != NULL && i > 0; i--)
			at = tape_next(tape, at);
		ck_assert(at != NULL || !recording->whole);
		if (at != NULL) {
			check_frame(at, recording->order, want);
			n++;
		}
		json_decref(want);
	}
	ck_assert_int_eq(fclose(f), 0);
	return n;
}

START_TEST(each_recording)
{
	const struct recording *recording = &recordings[_i];
	char path[512], keys[512];
	const char *const paths[] = { path_of(path, recording->name, ".pcap") };
	struct tape *tape = tape_of(paths, 1,
	    recording->keys ? path_of(keys, recording->name, ".keys") : NULL);
	const struct tape_coverage *coverage = &tape_head(tape)->coverage;
	uint64_t n = check_lines(tape, recording);

	ck_assert_uint_gt(n, 0);
	ck_assert_uint_eq(
	    n, coverage->frames[CAP_UP] + coverage->frames[CAP_DOWN]);
	for (uint32_t i = 0; i < tape_head(tape)->n_sessions; i++) {
		ck_assert_int_eq(
		    tape_session(tape, i)->order, recording->order);
		ck_assert_int_eq(
		    (tape_session(tape, i)->flags & TAPE_S_TLS) != 0,
		    recording->keys);
	}
	ck_assert(!tape_damaged(tape));
	tape_close(tape);
}
END_TEST

/* In either order, of which one goes back in time. */
START_TEST(two_in_a_row)
{
	char first[512], second[512];
	const char *const paths[] = { path_of(
					  first, _i ? "net" : "plain", ".pcap"),
		path_of(second, _i ? "plain" : "net", ".pcap") };
	struct tape *tape = tape_of(paths, 2, NULL);
	const struct tape_head *head = tape_head(tape);
	uint64_t n = 0;

	for (size_t i = 0; i < 2; i++) {
		const char *name = i == 0 ? "plain" : "net";
		char path[512];
		FILE *f = fopen(path_of(path, name, ".jsonl"), "r");
		int c;

		ck_assert_ptr_nonnull(f);
		while ((c = fgetc(f)) != EOF)
			n += c == '\n';
		ck_assert_int_eq(fclose(f), 0);
	}
	ck_assert_uint_eq(
	    n, head->coverage.frames[CAP_UP] + head->coverage.frames[CAP_DOWN]);
	for (uint32_t i = 0; i < head->n_sessions; i++) {
		ck_assert_int_ge(tape_session(tape, i)->start_ns, 0);
		ck_assert_int_le(
		    head->start_ns + tape_session(tape, i)->start_ns,
		    head->end_ns);
	}
	tape_close(tape);
}
END_TEST

START_TEST(without_its_secrets)
{
	char path[512];
	const char *const paths[] = { path_of(path, "tls13", ".pcap") };
	struct tape *tape = tape_of(paths, 1, NULL);

	ck_assert_uint_gt(tape_head(tape)->coverage.left_out[TAPE_NO_KEY], 0);
	ck_assert_uint_eq(tape_head(tape)->n_sessions, 0);
	tape_close(tape);
}
END_TEST

START_TEST(what_can_not_be_read)
{
	char path[512];
	const char *const paths[] = { path_of(path, "plain", ".pcap"),
		"/nonexistent/file.pcap" };
	struct compile_settings set = { .paths = paths, .n_paths = 2 };
	int fd = memfd_create("tape", MFD_CLOEXEC);

	ck_assert(!compile(&set, fd, err));
	ck_assert_msg(strstr(err, paths[1]) != NULL, "%s", err);
	ck_assert(!tape_is(fd));
	set.n_paths = 1;
	set.bpf = "no such filter";
	ck_assert(!compile(&set, fd, err));
	set.bpf = NULL;
	set.keylog = "/nonexistent/keys";
	ck_assert(!compile(&set, fd, err));
	ck_assert_msg(strstr(err, set.keylog) != NULL, "%s", err);
	close(fd);
}
END_TEST

/* fixtures/captures/macho.pcap: calls, and what answers them. */
START_TEST(calls)
{
	static const struct {
		const char *method;
		int64_t id;
		uint32_t flags;
	} made[] = {
		{ "machoNet::GetTime", 42, TAPE_R_ANSWERED },
		{ "market::GetOrders", 43, TAPE_R_ANSWERED },
		{ "nothing::Here", 44, TAPE_R_ANSWERED | TAPE_R_CALL_FAILED },
		{ "market::GetOrders", 45, 0 },
		{ "machoNet::GetTime", 46, 0 },
	};
	static const int answered[] = { 0, 2, 1 }; /* in this order */
	char path[512];
	const char *const paths[] = { path_of(path, "macho", ".pcap") };
	struct tape *tape = tape_of(paths, 1, NULL);
	const struct tape_record *record = tape_first(tape, 0, CAP_UP);
	struct tape_macho macho;

	ck_assert_uint_eq(tape_head(tape)->coverage.calls, 5);
	ck_assert_int_eq(tape_head(tape)->first_call_id, 42);
	ck_assert_int_eq(tape_head(tape)->last_call_id, 46);
	for (size_t i = 0; i < UNIT_ROWS(made); i++) {
		ck_assert(record != NULL && tape_macho(record, &macho));
		ck_assert_uint_eq(macho.kind, CALL_MADE);
		ck_assert_str_eq(tape_text(tape, macho.method), made[i].method);
		ck_assert_int_eq(macho.call_id, made[i].id);
		ck_assert_uint_eq(
		    record->flags & (TAPE_R_ANSWERED | TAPE_R_CALL_FAILED),
		    made[i].flags);
		record = tape_next(tape, record);
	}
	record = tape_first(tape, 0, CAP_DOWN);
	for (size_t i = 0; record != NULL; record = tape_next(tape, record)) {
		if (!tape_macho(record, &macho))
			continue;
		ck_assert_uint_lt(i, UNIT_ROWS(answered));
		ck_assert_int_eq(macho.call_id, made[answered[i]].id);
		ck_assert_str_eq(
		    tape_text(tape, macho.method), made[answered[i]].method);
		ck_assert_uint_eq(
		    macho.kind, i == 1 ? CALL_ERROR : CALL_RESULT);
		i++;
	}
	tape_close(tape);
}
END_TEST

/* ---- behind holes ---- */

#define PART_NS INT64_C(100000000)
#define N_PARTS 36

/*
 * Sixty echoes, one each 50 ms from 100 ms on. Around 1.1 s one was lost, or
 * was sent again at 1.4 s; or the connection began before the capture.
 */
static const struct spread {
	const char *name;
	uint32_t n_sent; /* that the capture holds, without the hello */
	uint64_t n_held, held_packet;
} spreads[] = {
	{ "times-hole", 59, 10, 47 },
	{ "times-mid-nosyn", 60, 5, 1 },
	{ "times-retransmit", 60, 5, 47 },
};

static void
count_parts(const struct tape *tape, uint32_t n[N_PARTS])
{
	const struct tape_record *record = tape_first(tape, 0, CAP_UP);
	int64_t start_ns = tape_session(tape, 0)->start_ns, last_ns = 0;

	for (; record != NULL; record = tape_next(tape, record)) {
		int64_t at_ns = start_ns + record->at_ns;

		if ((record->flags & TAPE_R_HELLO) != 0)
			continue;
		UNIT_MUST(at_ns >= last_ns && at_ns / PART_NS < N_PARTS,
		    "at %lld ns, after %lld ns", (long long)at_ns,
		    (long long)last_ns);
		UNIT_MUST(record->think_ns <= PART_NS, "%lld ns of thinking",
		    (long long)record->think_ns);
		last_ns = at_ns;
		n[at_ns / PART_NS]++;
	}
}

START_TEST(as_spread_out_as_their_segments)
{
	const struct spread *spread = &spreads[_i];
	char path[512];
	const char *const paths[] = { path_of(path, spread->name, ".pcap") };
	struct tape *tape = tape_of(paths, 1, NULL);
	const struct tape_coverage *coverage = &tape_head(tape)->coverage;
	/* of a capture without its start, time counts from the first echo */
	int64_t first_ns = tape_head(tape)->start_ns % INT64_C(1000000000);
	uint32_t n[N_PARTS] = { 0 }, wanted[N_PARTS] = { 0 }, n_sent = 0;

	ck_assert_uint_eq(tape_head(tape)->n_sessions, 1);
	count_parts(tape, n);
	for (int64_t k = 0; k < 60; k++)
		wanted[(PART_NS + k * PART_NS / 2 - first_ns) / PART_NS]++;
	for (size_t i = 0; i < N_PARTS; i++) {
		n_sent += n[i];
		UNIT_MUST(n[i] + 1 >= wanted[i] && n[i] <= wanted[i] + 1,
		    "%u frames, not %u, from %zu00 ms on", n[i], wanted[i], i);
	}
	ck_assert_uint_eq(n_sent, spread->n_sent);
	ck_assert_uint_eq(coverage->held_frames, spread->n_held);
	ck_assert_uint_eq(coverage->held_sessions, 1);
	ck_assert_uint_eq(coverage->held_packet, spread->held_packet);
	tape_close(tape);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("replay_compile_recorded");
	TCase *tc = unit_case(suite, "recordings");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_recording, 0, UNIT_ROWS(recordings));
	tcase_add_loop_test(tc, two_in_a_row, 0, 2);
	tcase_add_test(tc, calls);
	tcase_add_loop_test(
	    tc, as_spread_out_as_their_segments, 0, UNIT_ROWS(spreads));
	tcase_add_test(tc, without_its_secrets);
	tcase_add_test(tc, what_can_not_be_read);
	return suite;
}

UNIT_MAIN(make_suite)
