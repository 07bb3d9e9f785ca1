/* SPDX-License-Identifier: MIT */
/*
 * control - what an operator asks of a running relay, on a unix socket.
 *
 *	request		one line: COMMAND [WORD]...
 *	answer		"ok N\n" or "error N\n", and a text of N bytes; then
 *			the connection is closed
 *
 * A thread of its own serves one request after the other, each within
 * CONTROL_TIMEOUT_NS. Only the user that the relay runs as and root may ask.
 * Every request is an audit line of the log, whatever --log-level is.
 *
 * The thread looks links up and sends messages to their workers (hooks.c). For
 * main.c, also as the client (--admin).
 */
#ifndef RELAY_CONTROL_H
#define RELAY_CONTROL_H

#include "cmd/common/address.h"
#include "cmd/common/log.h"
#include "cmd/relay/relay.h"

#include <stdbool.h>
#include <stdint.h>

#define CONTROL_LINE_BYTES 256 /* of a request, with its end */
#define CONTROL_ERR_CHARS 512
#define CONTROL_TIMEOUT_NS INT64_C(5000000000)
#define CONTROL_ANSWER_MAX_BYTES ((size_t)64 << 20)

enum control_verb {
	CONTROL_LIST,
	CONTROL_SHOW,
	CONTROL_KICK,
	CONTROL_DRAIN,
	CONTROL_BLOCK,
	CONTROL_UNBLOCK,
	CONTROL_BLOCKED,
	CONTROL_LOG_LEVEL,
};

struct control_command {
	enum control_verb verb;
	enum bnet_role role; /* of show, kick, drain */
	uint64_t id;
	struct cidr block; /* of block, unblock */
	enum log_level level; /* of log-level */
};

/* False: `err` says what was expected. */
bool control_parse(const char *line, struct control_command *command,
    char err[CONTROL_ERR_CHARS]);

struct control;

/*
 * Listen at `path`, which gets mode 0600. A socket there that nobody listens on
 * is replaced. As the user that the relay runs as, before there are threads.
 * NULL: `err` says why.
 */
struct control *control_open(
    struct relay *relay, const char *path, char err[CONTROL_ERR_CHARS]);

/* Serve, once the engine runs. Block signals first. False: errno. */
bool control_start(struct control *control);

/* Remove the socket, before the engine stops. NULL is allowed. */
void control_free(struct control *control);

/*
 * Give the relay at `path` a command; print its answer on standard output.
 * False: the relay refused it, or could not be asked; `err` says why.
 */
bool
control_ask(const char *path, const char *command, char err[CONTROL_ERR_CHARS]);

#endif
