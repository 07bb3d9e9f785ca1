/* SPDX-License-Identifier: MIT */
#include "cmd/common/log.h"

#include "cmd/common/clock.h"
#include "cmd/common/json.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS 1000000
#define PRIORITY_CHARS 3 /* "<6>" */

const char *const log_level_names[] = { "error", "warn", "info", "debug",
	NULL };

/* The priorities of LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG, by level. */
static const char priorities[] = { '3', '4', '6', '7' };

static atomic_int max_level = LOG_LEVEL_INFO;
static bool to_journal, as_json; /* set before threads start */

/* Protects everything below, and the contents of every struct log_site. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_site *quiet_sites; /* those that suppressed lines */

/*
 * $JOURNAL_STREAM is DEVICE:INODE of the stream from systemd; is it still ours?
 */
static bool
stderr_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;
	char end;

	return text != NULL && fstat(STDERR_FILENO, &st) == 0 &&
	    sscanf(text, "%" SCNuMAX ":%" SCNuMAX "%c", &dev, &ino, &end) ==
	    2 &&
	    dev == st.st_dev && ino == st.st_ino;
}

void
log_setup(enum log_level level)
{
	to_journal = stderr_is_journal();
	log_set_level(level);
}

void
log_set_json(bool json)
{
	as_json = json;
}

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

bool
log_enabled(enum log_level level)
{
	return (int)level <=
	    atomic_load_explicit(&max_level, memory_order_relaxed);
}

/* ---- the queue, once log_start() was called ---- */

#define QUEUE_BYTES 131072

/* Producers fill one half while the thread writes the other. */
static struct {
	pthread_mutex_t lock; /* guards all but the half being written */
	pthread_cond_t changed;
	pthread_t thread;
	char halves[2][QUEUE_BYTES];
	size_t n[2]; /* bytes in each half */
	unsigned filling; /* the half */
	bool running, stopping;
	uint64_t n_lost, n_lost_said;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER };

static void
write_line(const char *line, size_t n)
{
	while (write(STDERR_FILENO, line, n) < 0 && errno == EINTR)
		;
}

/* Queues the line, or counts it as lost. False: nothing writes the queue. */
static bool
enqueue(const char *line, size_t n)
{
	bool running;

	pthread_mutex_lock(&queue.lock);
	running = queue.running;
	if (running && n <= QUEUE_BYTES - queue.n[queue.filling]) {
		memcpy(queue.halves[queue.filling] + queue.n[queue.filling],
		    line, n);
		queue.n[queue.filling] += n;
		pthread_cond_signal(&queue.changed);
	} else if (running) {
		queue.n_lost++;
	}
	pthread_mutex_unlock(&queue.lock);
	return running;
}

/* One write(2) for each line. */
static void
write_half(unsigned half)
{
	const char *at = queue.halves[half], *end = at + queue.n[half];

	while (at < end) {
		const char *next = memchr(at, '\n', (size_t)(end - at));

		next = next == NULL ? end : next + 1;
		write_line(at, (size_t)(next - at));
		at = next;
	}
}

/* A line being built; a field that does not fit is omitted as a whole. */
struct line {
	char *text;
	size_t n, max;
};

static bool
add(struct line *line, const char *s, size_t n)
{
	if (n > line->max - line->n)
		return false;
	memcpy(line->text + line->n, s, n);
	line->n += n;
	return true;
}

static bool
plain(const char *s, size_t n)
{
	static const char also[] = "-_./:@+,%[]";

	for (size_t i = 0; i < n; i++) {
		char c = s[i];
		bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z');

		if (!alnum && (c == '\0' || strchr(also, c) == NULL))
			return false;
	}
	return n > 0;
}

static bool
add_text(struct line *line, const char *s, size_t n)
{
	size_t max = n < LOG_VALUE_BYTES ? n : LOG_VALUE_BYTES;
	size_t text_bytes;
	char text[JSON_CHAR_BYTES];
	bool ok;

	if (!as_json && plain(s, max) && max == n)
		return add(line, s, n);
	ok = add(line, "\"", 1);
	for (size_t i = 0; i < max && ok;) {
		i += json_char(s + i, max - i, text, &text_bytes);
		ok = add(line, text, text_bytes);
	}
	if (max < n)
		ok = ok && add(line, "...", 3);
	return ok && add(line, "\"", 1);
}

/* Stops at the maximum shown, because a peer's text may be long. */
static size_t
length(const struct log_field *field)
{
	size_t max = LOG_VALUE_BYTES + 1;

	return strnlen(
	    field->text, field->text_bytes < max ? field->text_bytes : max);
}

static bool
add_seconds(struct line *line, int64_t v_ns)
{
	uint64_t ns = v_ns < 0 ? 0 - (uint64_t)v_ns : (uint64_t)v_ns;
	char text[40];

	snprintf(text, sizeof(text), "%s%" PRIu64 ".%09" PRIu64,
	    v_ns < 0 ? "-" : "", ns / 1000000000, ns % 1000000000);
	return add(line, text, strlen(text));
}

/* The largest unit that leaves a whole part, and what counts of the rest. */
static bool
add_time(struct line *line, int64_t v_ns)
{
	static const struct unit {
		uint64_t ns;
		const char *name;
	} units[] = { { 1000000000, "s" }, { 1000000, "ms" }, { 1000, "us" },
		{ 1, "ns" } };
	uint64_t ns = v_ns < 0 ? 0 - (uint64_t)v_ns : (uint64_t)v_ns;
	const struct unit *unit = units;
	unsigned thousandths;
	char text[40];
	size_t n;

	if (as_json)
		return add_seconds(line, v_ns);
	if (v_ns == 0)
		return add(line, "0s", 2);
	while (ns < unit->ns)
		unit++;
	thousandths = (unsigned)(ns % unit->ns * 1000 / unit->ns);
	n = (size_t)snprintf(text, sizeof(text), "%s%" PRIu64 ".%03u",
	    v_ns < 0 ? "-" : "", ns / unit->ns, thousandths);
	while (text[n - 1] == '0')
		n--;
	if (text[n - 1] == '.')
		n--;
	return add(line, text, n) && add(line, unit->name, strlen(unit->name));
}

static bool
add_value(struct line *line, const struct log_field *field)
{
	char text[40];

	switch (field->kind) {
	case LOG_KIND_TEXT:
		return add_text(line, field->text, length(field));
	case LOG_KIND_U64:
		snprintf(text, sizeof(text), "%" PRIu64, field->u64);
		break;
	case LOG_KIND_I64:
		snprintf(text, sizeof(text), "%" PRId64, field->i64);
		break;
	case LOG_KIND_HEX:
		snprintf(text, sizeof(text),
		    as_json ? "\"0x%08" PRIx64 "\"" : "0x%08" PRIx64,
		    field->u64);
		break;
	default:
		return add_time(line, field->i64);
	}
	return add(line, text, strlen(text));
}

static void
add_field(struct line *line, const struct log_field *field)
{
	size_t before = line->n;

	if (field->kind == LOG_KIND_NONE ||
	    (field->kind == LOG_KIND_TEXT && field->text == NULL))
		return;
	if (!add(line, as_json ? ",\"" : " ", as_json ? 2 : 1) ||
	    !add(line, field->key, strlen(field->key)) ||
	    !add(line, as_json ? "\":" : "=", as_json ? 2 : 1) ||
	    !add_value(line, field))
		line->n = before;
}

size_t
log_format(char text[LOG_LINE_BYTES], enum log_level level, int64_t time_ns,
    const char *message, const struct log_field *fields, size_t n_fields)
{
	time_t seconds = (time_t)(time_ns / NS_PER_S);
	/* room for the newline, and for the bracket */
	struct line line = { .text = text, .max = LOG_LINE_BYTES - 2 };
	struct tm tm;

	gmtime_r(&seconds, &tm);
	line.n = strftime(text, LOG_LINE_BYTES,
	    as_json ? "{\"time\":\"%Y-%m-%dT%H:%M:%S"
		    : "time=%Y-%m-%dT%H:%M:%S",
	    &tm);
	line.n += (size_t)snprintf(text + line.n, LOG_LINE_BYTES - line.n,
	    as_json ? ".%03dZ\",\"level\":\"%s\"" : ".%03dZ level=%s",
	    (int)(time_ns % NS_PER_S / NS_PER_MS), log_level_names[level]);
	add_field(&line, &LOG_STR("msg", message));
	for (size_t i = 0; i < n_fields; i++)
		add_field(&line, &fields[i]);
	if (as_json)
		text[line.n++] = '}';
	return line.n;
}

/* A whole line, as it is written. */
struct record {
	char text[PRIORITY_CHARS + LOG_LINE_BYTES];
	const char *from;
	size_t n;
};

static void
make_record(struct record *record, enum log_level level, const char *message,
    const struct log_field *fields, size_t n_fields)
{
	char *text = record->text + PRIORITY_CHARS;
	size_t n =
	    log_format(text, level, clock_unix_ns(), message, fields, n_fields);

	text[n++] = '\n';
	memcpy(record->text, (char[]){ '<', priorities[level], '>' },
	    PRIORITY_CHARS);
	record->from = to_journal ? record->text : text;
	record->n = n + (size_t)(text - record->from);
}

static void
say(enum log_level level, const char *message, const struct log_field *fields,
    size_t n_fields)
{
	struct record record;

	make_record(&record, level, message, fields, n_fields);
	if (!enqueue(record.from, record.n))
		write_line(record.from, record.n);
}

static void
say_left_out(const char *message, uint64_t n)
{
	const struct log_field fields[] = { LOG_STR("of", message),
		LOG_U64("lines", n) };

	say(LOG_LEVEL_WARN, "lines left out", fields, 2);
}

/*
 * With the lock held, by the thread that writes: it does not queue, since the
 * queue may be full.
 */
static void
write_lost(void)
{
	uint64_t n = queue.n_lost - queue.n_lost_said;
	struct record record;

	queue.n_lost_said = queue.n_lost;
	if (n == 0)
		return;
	pthread_mutex_unlock(&queue.lock);
	make_record(&record, LOG_LEVEL_WARN,
	    "log lines lost, standard error was not read", &LOG_U64("lines", n),
	    1);
	write_line(record.from, record.n);
	pthread_mutex_lock(&queue.lock);
}

static void *
write_queue(void *arg)
{
	unsigned half;

	pthread_mutex_lock(&queue.lock);
	for (;;) {
		while (queue.n[queue.filling] == 0 && !queue.stopping)
			pthread_cond_wait(&queue.changed, &queue.lock);
		half = queue.filling;
		if (queue.n[half] == 0)
			break;
		queue.filling = 1 - half;
		pthread_mutex_unlock(&queue.lock);
		write_half(half);
		pthread_mutex_lock(&queue.lock);
		queue.n[half] = 0;
		write_lost();
	}
	queue.running = false;
	pthread_cond_broadcast(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
	return arg;
}

int
log_start(void)
{
	int err;

	pthread_mutex_lock(&queue.lock);
	queue.stopping = false;
	err = pthread_create(&queue.thread, NULL, write_queue, NULL);
	queue.running = err == 0;
	pthread_mutex_unlock(&queue.lock);
	return err;
}

void
log_stop(int64_t wait_ns)
{
	struct timespec until;
	int64_t end_ns = clock_unix_ns() + wait_ns;
	int err = 0;

	until.tv_sec = (time_t)(end_ns / NS_PER_S);
	until.tv_nsec = end_ns % NS_PER_S;
	pthread_mutex_lock(&queue.lock);
	if (!queue.running) {
		pthread_mutex_unlock(&queue.lock);
		return;
	}
	queue.stopping = true;
	pthread_cond_broadcast(&queue.changed);
	while (queue.running && err == 0)
		err =
		    pthread_cond_timedwait(&queue.changed, &queue.lock, &until);
	pthread_mutex_unlock(&queue.lock);
	if (err == 0)
		pthread_join(queue.thread, NULL);
	else
		pthread_detach(queue.thread);
}

uint64_t
log_n_lost(void)
{
	uint64_t n;

	pthread_mutex_lock(&queue.lock);
	n = queue.n_lost;
	pthread_mutex_unlock(&queue.lock);
	return n;
}

bool
log_site_pass(struct log_site *site, int64_t second, uint64_t *left_out)
{
	if (site->second != second) {
		site->second = second;
		site->n_said = 0;
	}
	if (site->n_said == LOG_BURST) {
		site->n_left_out++;
		return false;
	}
	site->n_said++;
	*left_out = site->n_left_out;
	site->n_left_out = 0;
	return true;
}

/* May the site log now? *left_out: the lines that it suppressed before. */
static bool
pass(struct log_site *site, uint64_t *left_out)
{
	bool may;

	pthread_mutex_lock(&lock);
	may = log_site_pass(site, clock_now_ns() / NS_PER_S, left_out);
	if (!may && !site->listed) {
		site->listed = true;
		site->next = quiet_sites;
		quiet_sites = site;
	}
	pthread_mutex_unlock(&lock);
	return may;
}

void
log_line(struct log_site *site, enum log_level level,
    const struct log_field *fields, size_t n_fields)
{
	int old_errno = errno;
	uint64_t left_out = 0;

	if (level == LOG_LEVEL_DEBUG || pass(site, &left_out)) {
		if (left_out > 0)
			say_left_out(site->msg, left_out);
		say(level, site->msg, fields, n_fields);
	}
	errno = old_errno;
}

void
log_tick(void)
{
	struct log_site **at = &quiet_sites;
	int64_t second = clock_now_ns() / NS_PER_S;

	pthread_mutex_lock(&lock);
	while (*at != NULL) {
		struct log_site *site = *at;

		if (site->second == second) {
			at = &site->next; /* its flood may continue */
			continue;
		}
		*at = site->next;
		site->listed = false;
		if (site->n_left_out > 0)
			say_left_out(site->msg, site->n_left_out);
		site->n_left_out = 0;
	}
	pthread_mutex_unlock(&lock);
}
