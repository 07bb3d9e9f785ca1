/* SPDX-License-Identifier: MIT */
/*
 * log - log lines of a daemon: logfmt on standard error.
 *
 *	log_info("link up", LOG_U64("id", id), LOG_STR("name", name));
 *
 *	time=2026-01-02T03:04:05.678Z level=info msg="link up" id=7 name=jita
 *
 * A line is one write(2) of at most LOG_LINE_BYTES. If standard error is the
 * journal, a priority such as "<6>" precedes it. Values may come from a peer:
 * anything not plain is quoted and escaped, and long values are truncated with
 * "..." at the end. Keys and messages are constants of the program.
 *
 * Each place in the source logs at most LOG_BURST lines per second, so that a
 * flood of peers does not flood the log. The number of suppressed lines follows
 * in a line of its own, with the next line from that place or at the next
 * log_tick(). Debug lines are never suppressed.
 *
 * Safe in any thread; call log_setup() first. After log_start(), a thread of
 * its own writes the lines, so that logging never blocks, whoever reads standard
 * error: a line that does not fit the queue is dropped and counted.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_BYTES 2048
#define LOG_VALUE_BYTES 256 /* of a value, before escaping */
#define LOG_BURST 50

enum log_level {
	LOG_LEVEL_ERROR = 0,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* "error", "warn", "info", "debug", NULL; by enum log_level. */
extern const char *const log_level_names[];

enum log_kind {
	LOG_KIND_NONE = 0,
	LOG_KIND_TEXT,
	LOG_KIND_U64,
	LOG_KIND_I64,
	LOG_KIND_HEX,
	LOG_KIND_TIME,
};

/* One key and value; use the macros below. */
struct log_field {
	const char *key;
	enum log_kind kind;
	const char *text; /* borrowed */
	size_t text_bytes;
	uint64_t u64;
	int64_t i64;
};

/* A string; NULL omits the field. */
#define LOG_STR(name, s) LOG_BYTES(name, s, SIZE_MAX)
/* Any `n` bytes at `s`. */
#define LOG_BYTES(name, s, n) \
	((struct log_field){ \
	    .key = (name), \
	    .kind = LOG_KIND_TEXT, \
	    .text = (s), \
	    .text_bytes = (n), \
	})
#define LOG_U64(name, v) \
	((struct log_field){ .key = (name), .kind = LOG_KIND_U64, .u64 = (v) })
#define LOG_I64(name, v) \
	((struct log_field){ .key = (name), .kind = LOG_KIND_I64, .i64 = (v) })
/* 0x and eight digits, like a key. */
#define LOG_HEX(name, v) \
	((struct log_field){ .key = (name), .kind = LOG_KIND_HEX, .u64 = (v) })
/* Nanoseconds, in the unit that fits, to a thousandth: 1.5ms, 90s. */
#define LOG_TIME(name, v_ns) \
	((struct log_field){ \
	    .key = (name), .kind = LOG_KIND_TIME, .i64 = (v_ns) })

/* One place in the source that logs. */
struct log_site {
	const char *msg;
	struct log_site *next; /* next one that suppressed lines */
	int64_t second; /* the second that n_said counts in */
	uint64_t n_said, n_left_out;
	bool listed;
};

/* Sets the minimum level to log; log_set_level() may change it later. */
void log_setup(enum log_level level);
void log_set_level(enum log_level level);

/*
 * Before threads start: each line is a JSON object with the same names. Numbers
 * are numbers, durations are in seconds, hexadecimal values are strings.
 *
 *	{"time":"2026-01-02T03:04:05.678Z","level":"info","msg":"link up","id":7}
 */
void log_set_json(bool json);

/*
 * Start the thread that writes; lines are queued from now on. Call it with the
 * signals blocked that other threads are to get. Returns 0 or an errno.
 */
int log_start(void);

/*
 * Wait at most wait_ns for the queue to be written, and end the thread; later
 * lines are written directly. If standard error takes nothing for that long,
 * what is queued is lost with the process.
 */
void log_stop(int64_t wait_ns);

/* Lines dropped because the queue was full. */
uint64_t log_n_lost(void);

/* Would a line of this level be written? */
bool log_enabled(enum log_level level);

/*
 * Call about once a second: reports the suppressed lines of floods that are
 * over.
 */
void log_tick(void);

/*
 * Writes a line whatever the level; `fields` has n_fields entries. log_info()
 * and the others call it.
 */
void log_line(struct log_site *site, enum log_level level,
    const struct log_field *fields, size_t n_fields);

/*
 * Formats the line that log_line() writes for `fields` at time_ns since 1970,
 * without priority and newline. Returns its length.
 */
size_t
log_format(char line[LOG_LINE_BYTES], enum log_level level, int64_t time_ns,
    const char *message, const struct log_field *fields, size_t n_fields);

/*
 * May `site` log a line in this second? If so, *left_out is the number of lines
 * suppressed before; otherwise the line is counted. The caller must hold the
 * lock of log.c or own `site`.
 */
bool log_site_pass(struct log_site *site, int64_t second, uint64_t *left_out);

#define LOG_FIELDS(...) ((const struct log_field[]){ __VA_ARGS__ })
#define LOG_AT(level, message, ...) \
	do { \
		static struct log_site log_site_ = { .msg = (message) }; \
\
		if (log_enabled(level)) \
			log_line(&log_site_, (level), LOG_FIELDS(__VA_ARGS__), \
			    sizeof(LOG_FIELDS(__VA_ARGS__)) / \
				sizeof(struct log_field)); \
	} while (0)

/*
 * The message, then fields, which are not evaluated if the level is disabled.
 * An empty field at the end allows calls without fields.
 */
#define log_error(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__, { 0 })
#define log_warn(...) LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__, { 0 })
#define log_info(...) LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__, { 0 })
#define log_debug(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__, { 0 })

#endif
