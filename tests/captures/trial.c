/* SPDX-License-Identifier: MIT */
#include "tests/captures/trial.h"

#include "cmd/common/cli.h"
#include "cmd/decode/decode.h"
#include "cmd/decode/json.h"
#include "cmd/decode/text.h"
#include "tests/captures/gen.h"
#include "tests/captures/mangle.h"

#include <check.h>
#include <err.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS_MAX 64
#define REPORT_MAX "2000" /* characters: check has a limit of its own */
#define WORDS_CHARS 600
#define NAME_CHARS 900
#define STORE_BYTES ((size_t)64 << 20) /* of a message, as the program's */

/* What a row starts from. */
struct subject {
	const char *name;
	char path[TRIAL_PATH_CHARS], keys[TRIAL_PATH_CHARS];
	struct sent *sent;
	struct recording *rec; /* to be mangled */
};

static struct subject subjects[] = {
	{ .name = "plain" },
	{ .name = "net" },
	{ .name = "stock" },
	{ .name = "tls13" },
};

#define N_SUBJECTS (sizeof(subjects) / sizeof(*subjects))

/*
 * The recording under TLS was ended by its client with a RST before all was
 * sent: these ends of the streams are not in it.
 */
static const struct lost tls_ends[] = {
	{ .conn = 34228, .from = 139421, .to = 172878 },
	{ .conn = TRIAL_TLS_CONN, .from = 400588, .to = 400611 },
	{ .conn = 34236, .from = 287221, .to = 297150 },
};

#define N_TLS_ENDS (sizeof(tls_ends) / sizeof(*tls_ends))

/* What is tried at the moment, and in which words to tell of it. */
struct attempt {
	const struct trial *row;
	const struct subject *subject;
	char name[NAME_CHARS];
	char words[WORDS_CHARS], *word[WORDS_MAX];
	size_t n_words;
	struct expect *expect;
	char *report;
	size_t report_bytes;
};

/* ---- files ---------------------------------------------------------------- */

void
trial_file_open(struct trial_file *file, const void *p, size_t n)
{
	const char *at = p;
	ssize_t done;

	file->fd = memfd_create("capture", MFD_CLOEXEC);
	if (file->fd < 0)
		err(1, "memory");
	(void)snprintf(
	    file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
	for (; n > 0; at += done, n -= (size_t)done) {
		done = write(file->fd, at, n);
		if (done <= 0)
			err(1, "%s", file->path);
	}
}

void
trial_file_close(struct trial_file *file)
{
	close(file->fd);
}

void
trial_path(char path[TRIAL_PATH_CHARS], const char *name, const char *suffix)
{
	const char *dir = getenv("BNET_FIXTURES");

	(void)snprintf(path, TRIAL_PATH_CHARS, "%s/captures/%s%s",
	    dir == NULL ? "fixtures" : dir, name, suffix);
}

/*
 * The mangled capture at hand. One for all, so that its pages are not asked
 * for again and again; forks share it, but they run one after another.
 */
static struct {
	struct trial_file file;
	FILE *f;
} scratch;

static void
scratch_open(void)
{
	trial_file_open(&scratch.file, NULL, 0);
	scratch.f = fdopen(scratch.file.fd, "wb");
	if (scratch.f == NULL)
		err(1, "memory");
	(void)setvbuf(scratch.f, NULL, _IOFBF, 1 << 18);
}

static void
scratch_mangle(
    const struct attempt *at, const struct recording *rec, struct mangled *out)
{
	rewind(scratch.f);
	mangle(rec, at->word, at->n_words, scratch.f, out);
	ck_assert_int_eq(fflush(scratch.f), 0);
	ck_assert_int_eq(ftruncate(scratch.file.fd, (off_t)out->file_bytes), 0);
}

void
trial_load(void)
{
	char path[TRIAL_PATH_CHARS];
	FILE *f;

	scratch_open();
	for (size_t i = 0; i < N_SUBJECTS; i++) {
		struct subject *s = &subjects[i];

		trial_path(s->path, s->name, ".pcap");
		trial_path(s->keys, s->name, ".keys");
		trial_path(path, s->name, ".jsonl");
		s->rec = recording_load(s->path);
		f = fopen(path, "r");
		if (f == NULL)
			err(1, "%s", path);
		s->sent = sent_load(f, path);
		fclose(f);
	}
}

void
trial_free(void)
{
	for (size_t i = 0; i < N_SUBJECTS; i++) {
		recording_free(subjects[i].rec);
		sent_free(subjects[i].sent);
	}
	fclose(scratch.f);
}

/* ---- the decoder ---------------------------------------------------------- */

/* What the records go through, in the place of an output format. */
struct tap {
	struct decode decode;
	const struct trial *row;
	struct expect *expect;
	struct trial_result *result;
	uint64_t packet; /* of the last frame */
};

static struct tap tap;

static void
tap_record(struct output *output, const struct record *record)
{
	const struct cap_event *event = record->event;
	struct trial_result *r = tap.result;

	r->n[event->type]++;
	if (event->type == CAP_FRAME) {
		r->n_packets += event->packet != tap.packet;
		tap.packet = event->packet;
		r->from |= tap.row->from != NULL &&
		    strncmp(event->stream->end[event->dir], tap.row->from,
			strlen(tap.row->from)) == 0;
	}
	if (tap.row->json)
		output_json.record(output, record);
	else if (tap.row->text)
		output_text.record(output, record);
	else if (tap.expect != NULL)
		expect_event(tap.expect, event);
}

static const struct output_format format_tap = { tap_record };

static void
read_keylog(struct decode *d, const char *path)
{
	FILE *f = fopen(path, "r");

	ck_assert_msg(f != NULL, "%s: cannot be opened", path);
	d->keylog = cap_keylog_new();
	ck_assert_ptr_nonnull(d->keylog);
	ck_assert_int_eq(cap_keylog_read(d->keylog, f), BNET_OK);
	fclose(f);
}

/* As main() of the program does. */
static void
decode_setup(struct decode *d, const struct trial *row, const char *keylog)
{
	memset(d, 0, sizeof(*d));
	d->opt.cap = row->cap;
	d->opt.output = OUTPUT_JSON;
	d->opt.payload = SHOW_HEX;
	d->opt.verbose = d->opt.hex = row->text;
	d->opt.progress = WHEN_NEVER;
	d->keys = keys_new();
	ck_assert_ptr_nonnull(d->keys);
	d->lines = d->names = d->messages = true;
	bnet_buf_init(&d->store, STORE_BYTES);
	if (row->statistic != NULL) {
		char why[CLI_ERR_CHARS];

		d->stats = statistics_new();
		ck_assert_ptr_nonnull(d->stats);
		ck_assert_msg(
		    statistics_add(d->stats, row->statistic, why, sizeof(why)),
		    "%s: %s", row->statistic, why);
	}
	if (keylog != NULL)
		read_keylog(d, keylog);
	out_init(&d->out, -1, false);
	d->output = (struct output){
		.out = &d->out, .opt = &d->opt, .format = &format_tap
	};
}

static void
decode_free(struct decode *d)
{
	cap_free(d->cap);
	statistics_free(d->stats);
	keys_free(d->keys);
	cap_keylog_free(d->keylog);
	bnet_buf_free(&d->store);
	source_close(d->src);
}

static void
take_json(struct trial_result *result, int fd)
{
	off_t n = lseek(fd, 0, SEEK_END);

	ck_assert_int_ge(n, 0);
	result->json = malloc((size_t)n + 1);
	ck_assert_ptr_nonnull(result->json);
	ck_assert_int_eq(pread(fd, result->json, (size_t)n, 0), n);
	result->json[n] = '\0';
	result->json_bytes = (size_t)n;
}

static void
take_statistic(struct trial_result *result, const struct decode *d)
{
	size_t n;
	FILE *f = open_memstream(&result->statistic, &n);

	ck_assert_ptr_nonnull(f);
	ck_assert(
	    statistics_print(d->stats, f, TABLE_AS_TEXT, cap_counters(d->cap)));
	fclose(f);
}

/* cli_warn() writes there; a sanitizer does not. */
static void
run(struct decode *d, const char *path, struct trial_result *result)
{
	FILE *was = stderr;
	char why[SOURCE_ERR_CHARS];
	size_t n;

	stderr = open_memstream(&result->warnings, &n);
	if (stderr == NULL)
		err(1, "memory");
	d->src = source_open(&path, 1, NULL, why);
	if (d->src == NULL) {
		cli_warn("%s", why); /* cli_die(), were this the program */
		d->exit_code = CLI_FAILED;
	} else {
		decode_run(d);
	}
	fclose(stderr);
	stderr = was;
}

void
trial_decode(const struct trial *row, const char *path, const char *keylog,
    struct expect *expect, struct trial_result *result)
{
	struct trial_file out;

	memset(result, 0, sizeof(*result));
	tap.row = row;
	tap.expect = expect;
	tap.result = result;
	tap.packet = 0;
	decode_setup(&tap.decode, row, keylog);
	trial_file_open(&out, NULL, 0);
	tap.decode.out.fd = out.fd;
	run(&tap.decode, path, result);
	result->status = decode_status(&tap.decode);
	ck_assert_int_eq(tap.decode.out.error, 0);
	if (row->json)
		take_json(result, out.fd);
	if (row->statistic != NULL)
		take_statistic(result, &tap.decode);
	trial_file_close(&out);
	decode_free(&tap.decode);
}

void
trial_result_free(struct trial_result *result)
{
	free(result->warnings);
	free(result->json);
	free(result->statistic);
}

/* ---- one trial ------------------------------------------------------------ */

static void
split(struct attempt *at, const char *options, unsigned seed)
{
	char *rest = NULL;
	int n = snprintf(at->words, sizeof(at->words), "%s", options);

	if (seed > 0)
		n += snprintf(at->words + n, sizeof(at->words) - (size_t)n,
		    " --seed %u", seed);
	ck_assert_int_lt(n, sizeof(at->words));
	(void)snprintf(
	    at->name, sizeof(at->name), "%s: %s", at->subject->name, at->words);
	at->n_words = 0;
	for (char *word = strtok_r(at->words, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		ck_assert_uint_lt(at->n_words, WORDS_MAX);
		at->word[at->n_words++] = word;
	}
}

bool
trial_fits(const char *text, const char *expr)
{
	regex_t re;
	bool fits;

	ck_assert_int_eq(
	    regcomp(&re, expr, REG_EXTENDED | REG_NOSUB | REG_NEWLINE), 0);
	fits = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return fits;
}

static void
judge_json(const struct attempt *at, const struct trial_result *r)
{
	char where[40], *line = r->json, *end;
	const char *prints = at->row->prints;
	size_t n = 0;

	ck_assert_msg(prints == NULL || trial_fits(r->json, prints),
	    "%s: no line fits %s", at->name, prints);
	for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		(void)snprintf(where, sizeof(where), "line %zu", ++n);
		expect_line(at->expect, line, where);
	}
	ck_assert_msg(*line == '\0', "%s: a line is cut", at->name);
}

static void
judge_counts(const struct attempt *at, const struct trial_result *r)
{
	static const char *const names[CAP_N_EVENTS] = { "frames", "gaps",
		"skips", "overlaps", "malformed", "limits", "PROXY headers",
		"notes", "clock steps" };
	const struct trial *row = at->row;

	for (int i = 0; i < CAP_N_EVENTS; i++) {
		ck_assert_msg(row->n[i] == 0 || r->n[i] == row->n[i],
		    "%s: %llu %s, not %llu", at->name,
		    (unsigned long long)r->n[i], names[i],
		    (unsigned long long)row->n[i]);
		ck_assert_msg(!row->has[i] || r->n[i] > 0, "%s: no %s",
		    at->name, names[i]);
		ck_assert_msg(!row->has_no[i] || r->n[i] == 0, "%s: %llu %s",
		    at->name, (unsigned long long)r->n[i], names[i]);
	}
	ck_assert_msg(row->n_packets == 0 || r->n_packets == row->n_packets,
	    "%s: frames of %llu packets", at->name,
	    (unsigned long long)r->n_packets);
	ck_assert_msg(row->from == NULL || r->from, "%s: no frame is from %s",
	    at->name, row->from);
	ck_assert_msg((r->warnings[0] != '\0') == row->warns,
	    "%s: standard error has \"%s\"", at->name, r->warnings);
}

static void
judge(struct attempt *at, const struct trial_result *r, FILE *report)
{
	static const unsigned of_kind[] = { 1u << CLI_OK, 1u << CLI_LOSSY,
		1u << CLI_OK | 1u << CLI_LOSSY,
		1u << CLI_OK | 1u << CLI_LOSSY };
	const struct trial *row = at->row;
	unsigned exits = row->exits != 0 ? row->exits : of_kind[row->kind];
	bool same;

	if (row->json)
		judge_json(at, r);
	same = expect_end(at->expect);
	fclose(report);
	ck_assert_msg(same != (row->kind == TRIAL_WRONG),
	    "%s:\n%." REPORT_MAX "s", at->name, at->report);
	ck_assert_msg((exits >> r->status & 1) != 0,
	    "%s: exit %d\n%." REPORT_MAX "s", at->name, r->status, at->report);
	judge_counts(at, r);
}

/* What is not in the file: by mangle's doing, or in the recording already. */
static void
tell_lost(struct attempt *at, const struct mangled *m)
{
	const struct trial *row = at->row;
	bool whole =
	    row->kind == TRIAL_WHOLE || (row->keylog && row->expect.tls == 0);

	ck_assert_msg(!whole || m->n_lost == 0,
	    "%s: something was lost on the way", at->name);
	ck_assert_msg(whole || row->kind != TRIAL_LOSSY || m->n_lost > 0,
	    "%s: nothing was lost", at->name);
	for (size_t i = 0; i < m->n_lost; i++)
		expect_lost(at->expect, &m->lost[i]);
	if (!row->keylog)
		return;
	for (size_t i = 0; i < N_TLS_ENDS; i++)
		if (row->expect.tls != tls_ends[i].conn)
			expect_lost(at->expect, &tls_ends[i]);
}

static void
attempt(const struct trial *row, const struct subject *subject, unsigned seed)
{
	struct attempt at = { .row = row, .subject = subject };
	struct trial_result result;
	struct mangled mangled = { 0 };
	FILE *report = open_memstream(&at.report, &at.report_bytes);

	ck_assert_ptr_nonnull(report);
	split(&at, row->mangle != NULL ? row->mangle : "", seed);
	at.expect = expect_new(subject->sent, &row->expect, report);
	if (row->mangle != NULL)
		scratch_mangle(&at, subject->rec, &mangled);
	tell_lost(&at, &mangled);
	trial_decode(row,
	    row->mangle != NULL ? scratch.file.path : subject->path,
	    row->keylog ? subject->keys : NULL, at.expect, &result);
	judge(&at, &result, report);
	mangled_free(&mangled);
	trial_result_free(&result);
	expect_free(at.expect);
	free(at.report);
}

static void
attempt_seeds(const struct trial *row, const struct subject *subject)
{
	for (unsigned seed = row->n_seeds > 0; seed <= row->n_seeds; seed++)
		attempt(row, subject, seed);
}

/* A capture of gen's, as if it were a recording. */
static void
attempt_made(const struct trial *row)
{
	struct subject made = { .name = row->gen };
	struct attempt at = { .row = row, .subject = &made };
	char *capture, *jsonl;
	size_t n_capture, n_jsonl;
	FILE *out = open_memstream(&capture, &n_capture);
	FILE *list = open_memstream(&jsonl, &n_jsonl), *f;
	struct gen_echoes told;
	struct trial_file file;

	ck_assert_ptr_nonnull(out);
	ck_assert_ptr_nonnull(list);
	split(&at, row->gen, 0);
	gen(at.word, at.n_words, out, list, &told);
	fclose(out);
	fclose(list);
	trial_file_open(&file, capture, n_capture);
	(void)snprintf(made.path, sizeof(made.path), "%s", file.path);
	f = fmemopen(jsonl, n_jsonl, "r");
	ck_assert_ptr_nonnull(f);
	made.sent = sent_load(f, "jsonl of gen");
	fclose(f);
	if (row->mangle != NULL)
		made.rec = recording_load(made.path);
	attempt_seeds(row, &made);
	recording_free(made.rec);
	sent_free(made.sent);
	trial_file_close(&file);
	free(capture);
	free(jsonl);
}

/* Is it one of the words? */
static bool
has_word(const char *words, const char *word)
{
	size_t n = strlen(word);
	const char *at = strstr(words, word);

	return at != NULL && (at == words || at[-1] == ' ') &&
	    (at[n] == ' ' || at[n] == '\0');
}

void
trial_run(const struct trial *row)
{
	const char *words =
	    row->recordings != NULL ? row->recordings : TRIAL_RECORDINGS;

	if (row->gen != NULL) {
		attempt_made(row);
		return;
	}
	for (size_t i = 0; i < N_SUBJECTS; i++)
		if (has_word(words, subjects[i].name))
			attempt_seeds(row, &subjects[i]);
}
