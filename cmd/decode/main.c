/* SPDX-License-Identifier: MIT */
/* bluenet-decode: shows the frames of a capture. See bluenet-decode(1). */
#include "cmd/capture/filter_hint.h"
#include "cmd/capture/keylog.h"
#include "cmd/capture/left_out.h"
#include "cmd/common/cli.h"
#include "cmd/decode/decode.h"
#include "cmd/decode/follow.h"
#include "cmd/decode/json.h"
#include "cmd/decode/merge.h"
#include "cmd/decode/privileges.h"
#include "cmd/decode/text.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define WIDTH_NO_TERMINAL 160 /* characters */
#define MESSAGE_STORE_BYTES ((size_t)64 << 20)

/* ---- setting up ---- */

static void
load_keys(struct decode *d)
{
	char err[SOURCE_ERR_CHARS];

	d->keys = keys_new();
	if (d->keys == NULL)
		cli_die("out of memory");
	for (size_t i = 0; i < d->opt.keys.n; i++)
		if (!keys_read(d->keys, d->opt.keys.at[i], err, sizeof(err)))
			cli_die("--keys: %s", err);
	if (!keys_read_installed(d->keys, err, sizeof(err)))
		cli_warn("%s", err);
}

static void
load_keylog(struct decode *d, const char *path)
{
	FILE *f = fopen(path, "r");
	enum bnet_err err;

	if (f == NULL && errno == ENOENT && d->key_follow != NULL) {
		cli_warn("--keylog: %s: not there yet", path);
		return;
	}
	if (f == NULL)
		cli_die("--keylog: %s: %s", path, strerror(errno));
	err = cap_keylog_read(d->keylog, f);
	if (err == BNET_ETLS) /* the good lines are still useful */
		cli_warn(
		    "--keylog: %s: %s", path, cap_keylog_problem(d->keylog));
	else if (err == BNET_ECUT)
		cli_die("--keylog: %s: %s", path, strerror(errno));
	else if (err != BNET_OK)
		cli_die("--keylog: %s: %s", path, bnet_strerror(err));
	fclose(f);
}

/* Payloads are read only where something shows or counts what they say. */
static void
open_payloads(struct decode *d)
{
	const struct decode_options *opt = &d->opt;
	const unsigned needs =
	    d->stats != NULL ? statistics_needs(d->stats) : 0;
	char err[SOURCE_ERR_CHARS];
	bool shown = d->lines &&
	    (opt->output == OUTPUT_TEXT ||
		(opt->output == OUTPUT_JSON && opt->payload == SHOW_OBJECT) ||
		(d->columns != NULL && columns_need_payload(d->columns)));

	d->filter_payload =
	    d->filter != NULL && filter_needs_payload(d->filter);
	shown = shown || d->filter_payload;
	if (!shown && !(needs & STATISTICS_NEEDS_OBJECT))
		return;
	d->payloads = payload_reader_new(!shown);
	if (d->payloads == NULL)
		cli_die("out of memory");
	if (opt->strings_path != NULL &&
	    !payload_read_strings(
		d->payloads, opt->strings_path, err, sizeof(err)))
		cli_die("--strings: %s", err);
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
	const struct option_texts *list = &d->opt.stats;
	bool standard = list->n == 0 && d->opt.quiet;
	char err[SOURCE_ERR_CHARS];

	if (list->n == 0 && !standard)
		return;
	d->stats = statistics_new();
	if (d->stats == NULL)
		cli_die("out of memory");
	for (size_t i = 0; i < (standard ? 3 : list->n); i++)
		if (!statistics_add(d->stats,
			standard ? of_quiet[i] : list->at[i], err, sizeof(err)))
			cli_usage("-z: %s", err);
}

static void
make_columns(struct decode *d)
{
	char err[FILTER_REF_ERR_CHARS];
	const char *bad;

	if (d->opt.fields.n == 0)
		return;
	d->columns = columns_new(&d->opt, &bad, err);
	if (d->columns == NULL && bad == NULL)
		cli_die("out of memory");
	if (d->columns == NULL)
		cli_usage("-e: %s", err);
}

static const struct output_format *
format_of(const struct decode_options *opt)
{
	if (opt->follow != FOLLOW_NOT)
		return &output_follow;
	if (opt->output == OUTPUT_JSON)
		return &output_json;
	return opt->output == OUTPUT_FIELDS || opt->output == OUTPUT_CSV
	    ? &output_columns
	    : &output_text;
}

/* Are the outputs packets only? */
static bool
writes_to_stdout(const struct decode_options *opt)
{
	return opt->write_path != NULL && strcmp(opt->write_path, "-") == 0;
}

/* The columns of the terminal. */
static size_t
line_width(void)
{
	struct winsize size;

	if (isatty(STDOUT_FILENO) &&
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return WIDTH_NO_TERMINAL;
}

static void
set_output(struct decode *d)
{
	const struct decode_options *opt = &d->opt;
	unsigned needs = d->stats != NULL ? statistics_needs(d->stats) : 0;

	d->lines =
	    !opt->quiet && opt->output != OUTPUT_NONE && !writes_to_stdout(opt);
	d->narrow = opt->window.on || opt->follow != FOLLOW_NOT;
	d->names = d->lines || d->filter != NULL || d->export != NULL ||
	    (needs & STATISTICS_NEEDS_KEY_NAME);
	d->messages =
	    d->lines || d->filter != NULL || (needs & STATISTICS_NEEDS_MESSAGE);
	out_init(&d->out, STDOUT_FILENO,
	    opt->line_buffered || isatty(STDOUT_FILENO));
	d->output = (struct output){ .out = &d->out,
		.opt = opt,
		.width = line_width(),
		.format = format_of(opt),
		.columns = d->columns,
		.color = opt->color == WHEN_ALWAYS ||
		    (opt->color == WHEN_AUTO && isatty(STDOUT_FILENO) &&
			getenv("NO_COLOR") == NULL) };
	if (d->lines && d->columns != NULL)
		columns_header(&d->output);
}

/* "-" is the standard descriptor `fd`. */
static bool
is_regular(const char *path, int fd, struct stat *st)
{
	int status = strcmp(path, "-") == 0 ? fstat(fd, st) : stat(path, st);

	return status == 0 && S_ISREG(st->st_mode);
}

/* Refuses to overwrite the input. */
static void
refuse_same_file(const struct decode_options *opt)
{
	struct stat in, out;

	if (opt->write_path == NULL ||
	    !is_regular(opt->write_path, STDOUT_FILENO, &out))
		return;
	for (size_t i = 0; i < opt->n_paths; i++)
		if (is_regular(opt->paths[i], STDIN_FILENO, &in) &&
		    in.st_dev == out.st_dev && in.st_ino == out.st_ino)
			cli_usage("-w: %s: it is the file that is read",
			    opt->write_path);
}

static void
drop_privileges(const struct decode_options *opt)
{
	char err[SOURCE_ERR_CHARS];

	if (opt->user != NULL && geteuid() != 0)
		cli_warn("-Z: not started by root: it goes on as it is");
	else if (!privileges_drop(opt->user, err))
		cli_die("-Z: %s", err);
}

/* gave_up: this process was root before. */
static void
open_save(struct decode *d, bool gave_up)
{
	const struct decode_options *opt = &d->opt;
	char err[SOURCE_ERR_CHARS];

	if (opt->write_path == NULL ||
	    save_open(&d->save, opt->write_path, source_linktype(d->src),
		d->keylog, err))
		return;
	if (gave_up && errno == EACCES)
		cli_die("-w: %s: root was given up for %s (-Z)", err,
		    opt->user != NULL ? opt->user : PRIVILEGES_USER);
	cli_die("-w: %s", err);
}

static void
open_source(struct decode *d)
{
	const struct decode_options *opt = &d->opt;
	bool was_root = geteuid() == 0;
	char err[SOURCE_ERR_CHARS];

	refuse_same_file(opt);
	d->src = opt->iface != NULL
	    ? source_open_live(opt->iface, (int)opt->snaplen, err)
	    : source_open(opt->paths, opt->n_paths, d->keylog, err);
	if (d->src == NULL)
		cli_die("%s", err);
	if (d->key_follow == NULL && !source_secrets_may_follow(d->src))
		d->opt.cap.key_wait_ns = 0; /* every secret is there */
	if (opt->iface != NULL)
		drop_privileges(opt);
	if (opt->bpf != NULL && !source_filter(d->src, opt->bpf, err))
		cli_usage("%s", err);
	open_save(d, was_root && geteuid() != 0);
	if (opt->export_path == NULL)
		return;
	d->export = export_open(
	    opt->export_path, opt->export_max, opt->export_streams, err);
	if (d->export == NULL)
		cli_die("--export: %s", err);
}

/* Is all that there will be in files? */
static bool
all_is_there(const struct decode_options *opt)
{
	struct stat st;

	for (size_t i = 0; i < opt->n_paths; i++)
		if (!is_regular(opt->paths[i], STDIN_FILENO, &st))
			return false;
	return opt->iface == NULL;
}

/*
 * Live, and on a pipe, the key log may grow while packets come; what is in a
 * file has been written.
 */
static void
follow_keylogs(struct decode *d)
{
	struct decode_options *opt = &d->opt;

	if (opt->keylogs.n == 0 || all_is_there(opt) ||
	    opt->cap.key_wait_ns == 0)
		return;
	d->key_follow = keylog_follow_new(d->keylog);
	for (size_t i = 0; i < opt->keylogs.n && d->key_follow != NULL; i++)
		if (!keylog_follow_add(d->key_follow, opt->keylogs.at[i]))
			cli_die("out of memory");
	if (d->key_follow == NULL)
		cli_die("out of memory");
}

static void
load_secrets(struct decode *d)
{
	d->keylog = cap_keylog_new();
	if (d->keylog == NULL)
		cli_die("out of memory");
	follow_keylogs(d);
	for (size_t i = 0; i < d->opt.keylogs.n; i++)
		load_keylog(d, d->opt.keylogs.at[i]);
}

/* ---- the end ---- */

static void
print_statistics(struct decode *d)
{
	FILE *to = writes_to_stdout(&d->opt) ? stderr : stdout;

	if (d->stats == NULL || d->out.error != 0)
		return;
	if (d->lines && d->n_shown > 0 &&
	    (d->opt.output == OUTPUT_TEXT || d->opt.output == OUTPUT_CSV))
		putchar('\n');
	if (!statistics_print(
		d->stats, to, option_tables(&d->opt), cap_counters(d->cap)) &&
	    d->out.error == 0)
		d->out.error = errno != 0 ? errno : EIO;
}

static void
warn_line(void *arg, const char *text)
{
	(void)arg;
	cli_warn("%s", text);
}

static void
warn_filtered(const struct decode *d)
{
	struct source_filtered seen;
	bool known = source_filtered(d->src, &seen);
	char text[FILTER_HINT_CHARS];

	if (!known && cap_counters(d->cap)->packets > 0)
		return;
	if (filter_hint(known ? &seen : NULL, d->opt.bpf, text))
		cli_warn("%s", text);
}

/* Prints the summary of a live capture, as tcpdump does. */
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
	else if (d->interrupted)
		fprintf(stderr, "%llu packets read, %llu frames\n",
		    (unsigned long long)n->packets,
		    (unsigned long long)n->events[CAP_FRAME]);
	if (d->opt.iface == NULL && source_dropped(d->src) > 0)
		cli_warn("%llu packets were dropped during the capture",
		    (unsigned long long)source_dropped(d->src));
	/* -c and a reader that is gone have ended it early */
	if (!d->done && d->opt.bpf != NULL)
		warn_filtered(d);
	if (!d->done && (n->packets > 0 || d->opt.bpf == NULL))
		left_out_lines(n, warn_line, NULL);
	if (n->keyless_streams > 0)
		cli_warn("%llu TLS streams could not be decrypted: their"
			 " secrets are not there (--keylog)",
		    (unsigned long long)n->keyless_streams);
}

static void
finish_export(struct decode *d)
{
	char err[EXPORT_ERR_CHARS];
	uint64_t left = d->export != NULL ? export_left_out(d->export) : 0;

	if (!export_close(d->export, err)) {
		cli_warn("--export: %s", err);
		d->exit_code = CLI_FAILED;
	}
	if (left > 0) {
		cli_warn("--export: %llu payloads were not written:"
			 " --export-max is %llu",
		    (unsigned long long)left,
		    (unsigned long long)d->opt.export_max);
		if (d->exit_code == CLI_OK)
			d->exit_code = CLI_LOSSY;
	}
}

/* A stream that is not there is no empty stream. */
static void
check_followed(struct decode *d)
{
	if (d->opt.follow == FOLLOW_NOT || d->followed || d->interrupted)
		return;
	cli_warn("--follow: nothing to show of stream %llu"
		 " (-z streams lists the streams)",
	    (unsigned long long)d->opt.follow_stream);
	d->exit_code = CLI_FAILED;
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
	finish_export(d);
	check_followed(d);
	filter_warn_over(d->filter);
	if (!cli_output_ok(d->out.error) || !cli_flush())
		d->exit_code = CLI_FAILED;
}

static void
free_all(struct decode *d)
{
	cap_free(d->cap);
	statistics_free(d->stats);
	filter_free(d->filter);
	columns_free(d->columns);
	keys_free(d->keys);
	payload_reader_free(d->payloads);
	keylog_follow_free(d->key_follow);
	cap_keylog_free(d->keylog);
	bnet_buf_free(&d->store);
	source_close(d->src);
	decode_options_free(&d->opt);
}

static int
list_interfaces(struct decode *d)
{
	char err[SOURCE_ERR_CHARS];

	decode_options_free(&d->opt);
	if (!source_list(stdout, err))
		cli_die("%s", err);
	return cli_flush() ? CLI_OK : CLI_FAILED;
}

static int
merge(struct decode *d)
{
	int status = merge_run(&d->opt);

	decode_options_free(&d->opt);
	return status;
}

int
main(int argc, char **argv)
{
	static struct decode d = { .exit_code = CLI_OK };

	cli_standard_fds();
	setlocale(LC_CTYPE, ""); /* so that -Y accepts UTF-8 text */
	cli_name("bluenet-decode");
	decode_options_parse(&d.opt, argc, argv);
	if (d.opt.list_ifaces)
		return list_interfaces(&d);
	if (d.opt.merge)
		return merge(&d);
	bnet_buf_init(&d.store, MESSAGE_STORE_BYTES);
	compile_filter(&d);
	make_columns(&d);
	add_statistics(&d);
	load_keys(&d);
	load_secrets(&d);
	open_source(&d);
	set_output(&d);
	open_payloads(&d);
	decode_run(&d);
	cap_dropped(d.cap, source_dropped(d.src));
	print_statistics(&d);
	print_summary(&d);
	finish_writing(&d);
	free_all(&d);
	return decode_status(&d);
}
