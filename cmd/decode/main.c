/* SPDX-License-Identifier: MIT */
/* bluenet-decode: show the frames of a capture. See bluenet-decode(1). */
#include "cmd/capture/keylog.h"
#include "cmd/capture/pcapng_secrets.h"
#include "cmd/capture/source.h"
#include "cmd/common/cli.h"
#include "cmd/common/keys.h"
#include "cmd/decode/filter.h"
#include "cmd/decode/options.h"
#include "cmd/decode/output.h"
#include "cmd/decode/privileges.h"
#include "cmd/decode/progress.h"
#include "cmd/decode/save.h"
#include "cmd/decode/statistics.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_STORE_BYTES ((size_t)64 << 20)
#define ROLE_MASK 0xffu /* cap_stream.user: a bnet_role, */
#define MATCHED 0x100u /* and whether a record passed */

struct decode {
	struct options opt;
	struct source *src;
	struct cap *cap;
	struct cap_keylog *keylog;
	struct keys *keys;
	struct filter *filter; /* NULL: all pass */
	struct statistics *stats; /* NULL: none */
	struct save *save; /* NULL: no -w */
	struct bnet_buf store; /* of the message at hand */
	struct bnet_message message;
	struct output output;
	bool lines; /* records are shown */
	bool names, messages; /* these are of use */
	uint64_t n_shown;
	bool done; /* -c reached, or nobody reads */
	bool lossy; /* not all that was read was good */
	int exit_code;
};

static struct outbuf stdout_buf;
static struct source *breakable;
static volatile sig_atomic_t interrupted;

/* ---- records ---- */

/* The message of a frame, and what it tells of the stream. */
static void
decode_message(struct decode *d, struct record *record)
{
	const struct bnet_packet *frame = record->event->frame;
	struct cap_stream *stream = record->event->stream;
	size_t left_bytes;

	record->message_type = bnet_message_type(frame->header.key);
	if (record->message_type == BNET_MSG_NONE)
		return;
	if (bnet_message_decode(record->message_type, frame->payload,
		&d->message, &d->store, &left_bytes) != BNET_OK)
		return;
	record->message = &d->message;
	if (record->message_type == BNET_MSG_HELLO &&
	    record->event->dir == CAP_UP)
		stream->user = (stream->user & ~(uintptr_t)ROLE_MASK) |
		    (d->message.u.hello.role & ROLE_MASK);
}

static void
on_event(void *arg, const struct cap_event *event)
{
	struct decode *d = arg;
	struct record record = { .event = event };

	if (event->type == CAP_FRAME && event->frame->has_header) {
		if (d->names)
			record.key_name =
			    keys_name(d->keys, event->frame->header.key);
		if (d->messages)
			decode_message(d, &record);
	}
	if (d->done || (d->filter != NULL && !filter_match(d->filter, &record)))
		return;
	if (event->stream != NULL)
		event->stream->user |= MATCHED;
	if (d->stats != NULL)
		statistics_record(d->stats, &record);
	if (d->lines)
		d->output.format->record(&d->output, &record);
	if (event->type == CAP_FRAME && ++d->n_shown == d->opt.count)
		d->done = true;
}

static void
on_closed(void *arg, struct cap_stream *stream)
{
	struct decode *d = arg;

	if (d->save != NULL)
		save_stream_end(d->save, stream->number);
}

/* ---- setting up ---- */

static void
load_keys(struct decode *d)
{
	char err[SOURCE_ERR_CHARS];

	d->keys = keys_new();
	if (d->keys == NULL)
		cli_die("out of memory");
	for (size_t i = 0; i < d->opt.keys.n; i++)
		if (!keys_read(d->keys, d->opt.keys.item[i], err, sizeof(err)))
			cli_die("--keys: %s", err);
}

static void
load_keylog(struct decode *d, const char *path)
{
	FILE *f = fopen(path, "r");
	enum bnet_err err;

	if (f == NULL)
		cli_die("--keylog: %s: %s", path, strerror(errno));
	err = cap_keylog_read(d->keylog, f);
	if (err == BNET_ETLS) /* the good lines are of use */
		cli_warn(
		    "--keylog: %s: %s", path, cap_keylog_problem(d->keylog));
	else if (err == BNET_ECUT)
		cli_die("--keylog: %s: %s", path, strerror(errno));
	else if (err != BNET_OK)
		cli_die("--keylog: %s: %s", path, bnet_strerror(err));
	fclose(f);
}

static void
compile_filter(struct decode *d)
{
	struct filter_error err;

	if (d->opt.filter == NULL)
		return;
	d->filter = filter_compile(d->opt.filter, &err);
	if (d->filter != NULL)
		return;
	if (err.column == 0)
		cli_die("out of memory");
	fputs("bluenet-decode: -Y: ", stderr);
	filter_error_print(stderr, d->opt.filter, &err);
	exit(CLI_USAGE);
}

static void
add_statistics(struct decode *d)
{
	static const char *const of_quiet[] = { "frames", "streams", "health" };
	struct option_list *list = &d->opt.stats;
	char err[SOURCE_ERR_CHARS];

	if (list->n == 0 && d->opt.quiet)
		for (size_t i = 0; i < 3; i++)
			list->item[list->n++] = of_quiet[i];
	if (list->n == 0)
		return;
	d->stats = statistics_new();
	if (d->stats == NULL)
		cli_die("out of memory");
	for (size_t i = 0; i < list->n; i++)
		if (!statistics_add(d->stats, list->item[i], err, sizeof(err)))
			cli_usage("-z: %s", err);
}

static void
set_output(struct decode *d)
{
	const struct options *opt = &d->opt;
	unsigned needs = d->stats != NULL ? statistics_needs(d->stats) : 0;

	d->lines = !opt->quiet && opt->output != OUTPUT_NONE;
	d->names = d->lines || d->filter != NULL ||
	    (needs & STATISTICS_NEEDS_KEY_NAME);
	d->messages =
	    d->lines || d->filter != NULL || (needs & STATISTICS_NEEDS_MESSAGE);
	out_init(&stdout_buf, STDOUT_FILENO, opt->line_buffered);
	d->output = (struct output){ .out = &stdout_buf,
		.opt = opt,
		.format =
		    opt->output == OUTPUT_JSON ? &output_json : &output_text,
		.color = opt->color == WHEN_ALWAYS ||
		    (opt->color == WHEN_AUTO && isatty(STDOUT_FILENO) &&
			getenv("NO_COLOR") == NULL) };
}

static void
open_source(struct decode *d)
{
	const struct options *opt = &d->opt;
	char err[SOURCE_ERR_CHARS];

	d->src = opt->iface != NULL
	    ? source_open_live(opt->iface, opt->snaplen, err)
	    : source_open_file(opt->read_path, err);
	if (d->src == NULL)
		cli_die("%s", err);
	if (opt->iface != NULL && !privileges_drop(opt->user, err))
		cli_die("-Z: %s", err);
	if (!cap_linktype_known(source_linktype(d->src)))
		cli_die("link type %s (%d) is not one that can be read:"
			" expected Ethernet, Linux cooked, raw IP or NULL",
		    source_linktype_name(d->src), source_linktype(d->src));
	if (opt->bpf != NULL && !source_filter(d->src, opt->bpf, err))
		cli_usage("%s", err);
	if (opt->write_path != NULL &&
	    !save_open(&d->save, opt->write_path, source_linktype(d->src), err))
		cli_die("-w: %s", err);
	if (opt->iface != NULL)
		fprintf(stderr, "listening on %s, link type %s\n", opt->iface,
		    source_linktype_name(d->src));
}

static void
load_secrets(struct decode *d)
{
	d->keylog = cap_keylog_new();
	if (d->keylog == NULL)
		cli_die("out of memory");
	for (size_t i = 0; i < d->opt.keylogs.n; i++)
		load_keylog(d, d->opt.keylogs.item[i]);
}

/* A pcapng file can bring the secrets of its streams along. */
static void
load_embedded_secrets(struct decode *d)
{
	const char *path = d->opt.read_path;
	size_t n_blocks;
	enum bnet_err err;

	if (path == NULL || strcmp(path, "-") == 0)
		return;
	err = cap_pcapng_secrets_path(path, d->keylog, &n_blocks);
	if (err != BNET_OK)
		cli_warn(
		    "%s: its decryption secrets: %s", path, bnet_strerror(err));
}

static void
open_capture(struct decode *d)
{
	const struct cap_sink sink = { on_event, on_closed, d };

	d->opt.cap.keylog = d->keylog;
	d->cap = cap_new(&d->opt.cap, &sink);
	if (d->cap == NULL)
		cli_die("out of memory");
}

/* ---- the loop ---- */

static void
on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
	source_break(breakable);
}

static void
catch_signals(struct decode *d)
{
	struct sigaction sa = { .sa_handler = on_signal };

	breakable = d->src;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sa.sa_handler = SIG_IGN; /* a reader that leaves is no crash */
	sigaction(SIGPIPE, &sa, NULL);
}

static void
one_packet(struct decode *d, const struct source_packet *packet)
{
	struct cap_stream *stream;
	bool matches;

	if (cap_packet(d->cap, source_linktype(d->src), packet->time_ns,
		packet->data, packet->wire_bytes, &stream) != BNET_OK) {
		cli_warn("out of memory: a packet was not decoded");
		d->exit_code = CLI_FAILED;
	}
	if (d->save == NULL || stream == NULL)
		return;
	matches = (stream->user & MATCHED) != 0 ||
	    (d->filter == NULL && !d->opt.cap.any_port);
	save_packet(d->save, stream->number, matches, packet);
}

static void
check_writing(struct decode *d)
{
	char err[SOURCE_ERR_CHARS];

	if (d->save != NULL && save_failed(d->save, err))
		d->done = true;
	if (stdout_buf.error != 0)
		d->done = true;
}

static bool
is_lossy(const struct cap_counters *n)
{
	return n->events[CAP_GAP] + n->events[CAP_SKIP] +
	    n->events[CAP_OVERLAP] + n->events[CAP_MALFORMED] +
	    n->events[CAP_LIMIT] >
	    0;
}

static void
loop(struct decode *d)
{
	struct source_packet packet;
	struct progress progress;
	char err[SOURCE_ERR_CHARS];
	enum source_result result = SOURCE_IDLE;

	progress_init(&progress, &d->opt, d->src);
	while (!d->done && !interrupted) {
		result = source_next(d->src, &packet, err);
		if (result == SOURCE_END || result == SOURCE_ERROR)
			break;
		if (result == SOURCE_IDLE)
			out_flush(&stdout_buf);
		else
			one_packet(d, &packet);
		progress_step(&progress, d->src);
		check_writing(d);
	}
	/* what is under way when somebody stops us is not lost */
	d->lossy = is_lossy(cap_counters(d->cap));
	if (!d->done)
		cap_finish(d->cap);
	if (!d->done && !interrupted)
		d->lossy = is_lossy(cap_counters(d->cap));
	progress_end(&progress);
	out_flush(&stdout_buf);
	if (result == SOURCE_ERROR) {
		cli_warn("%s", err);
		d->exit_code = CLI_FAILED;
	}
}

/* ---- the end ---- */

static void
print_statistics(struct decode *d)
{
	if (d->stats == NULL || stdout_buf.error != 0)
		return;
	if (d->lines && d->opt.output == OUTPUT_TEXT && d->n_shown > 0)
		putchar('\n');
	if (!statistics_print(d->stats, stdout, d->opt.output == OUTPUT_JSON,
		cap_counters(d->cap)) &&
	    stdout_buf.error == 0)
		stdout_buf.error = errno != 0 ? errno : EIO;
}

/* What a live capture says when it ends, as tcpdump does. */
static void
print_summary(const struct decode *d)
{
	const struct cap_counters *n = cap_counters(d->cap);

	if (d->opt.iface != NULL)
		fprintf(stderr,
		    "%llu packets captured, %llu dropped by the kernel, "
		    "%llu frames\n",
		    (unsigned long long)n->packets,
		    (unsigned long long)source_dropped(d->src),
		    (unsigned long long)n->events[CAP_FRAME]);
	else if (interrupted)
		fprintf(stderr, "%llu packets read, %llu frames\n",
		    (unsigned long long)n->packets,
		    (unsigned long long)n->events[CAP_FRAME]);
	if (n->keyless_streams > 0)
		cli_warn("%llu TLS streams could not be decrypted: their"
			 " secrets are not there (--keylog)",
		    (unsigned long long)n->keyless_streams);
}

static void
finish_writing(struct decode *d)
{
	char err[SOURCE_ERR_CHARS];
	uint64_t dropped = d->save != NULL ? save_dropped(d->save) : 0;

	if (!save_close(d->save, err)) {
		cli_warn("-w: %s", err);
		d->exit_code = CLI_FAILED;
	}
	if (dropped > 0) {
		cli_warn("-w: %llu packets were not written: their streams"
			 " matched too late",
		    (unsigned long long)dropped);
		if (d->exit_code == CLI_OK)
			d->exit_code = CLI_LOSSY;
	}
	if (fflush(stdout) != 0 && stdout_buf.error == 0)
		stdout_buf.error = errno;
	if (stdout_buf.error != 0 && stdout_buf.error != EPIPE) {
		cli_warn("standard output: %s", strerror(stdout_buf.error));
		d->exit_code = CLI_FAILED;
	}
}

static void
free_all(struct decode *d)
{
	cap_free(d->cap);
	statistics_free(d->stats);
	filter_free(d->filter);
	keys_free(d->keys);
	cap_keylog_free(d->keylog);
	bnet_buf_free(&d->store);
	source_close(d->src);
	free(d->opt.bpf);
}

static int
list_interfaces(void)
{
	char err[SOURCE_ERR_CHARS];

	if (!source_list(stdout, err))
		cli_die("%s", err);
	if (fflush(stdout) != 0)
		cli_die("standard output: %s", strerror(errno));
	return CLI_OK;
}

int
main(int argc, char **argv)
{
	struct decode d = { .exit_code = CLI_OK };

	cli_name("bluenet-decode");
	options_parse(&d.opt, argc, argv);
	if (d.opt.list_ifaces)
		return list_interfaces();
	bnet_buf_init(&d.store, MESSAGE_STORE_BYTES);
	compile_filter(&d);
	add_statistics(&d);
	load_keys(&d);
	load_secrets(&d);
	open_source(&d);
	load_embedded_secrets(&d);
	set_output(&d);
	open_capture(&d);
	catch_signals(&d);
	loop(&d);
	print_statistics(&d);
	print_summary(&d);
	finish_writing(&d);
	if (d.exit_code == CLI_OK && d.lossy)
		d.exit_code = CLI_LOSSY;
	free_all(&d);
	return d.exit_code;
}
