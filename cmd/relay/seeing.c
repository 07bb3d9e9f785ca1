/* SPDX-License-Identifier: MIT */
#include "cmd/relay/seeing.h"

#include "cmd/common/cli.h"
#include "cmd/common/ending.h"
#include "cmd/relay/http.h"
#include "cmd/relay/keylog_file.h"
#include "cmd/relay/pages.h"
#include "cmd/relay/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- files ---- */

static struct record *
open_record(const struct relay_options *opt)
{
	const struct record_settings set = { .path = opt->capture,
		.file_bytes = opt->capture_bytes,
		.n_files = (unsigned)opt->n_capture_files };
	char err[RECORD_ERR_CHARS];
	struct record *record = record_new(&set, err);

	if (record == NULL)
		cli_die("--capture: %s", err);
	return record;
}

void
seeing_open_files(
    struct seeing *seeing, struct relay *relay, const struct relay_options *opt)
{
	seeing->relay = relay;
	if (opt->keylog != NULL) {
		seeing->keylog = keylog_file_open(opt->keylog);
		if (seeing->keylog == NULL)
			cli_die(
			    "--keylog: %s: %s", opt->keylog, strerror(errno));
	}
	if (opt->capture != NULL)
		relay->record = open_record(opt);
}

void
seeing_close_files(struct seeing *seeing)
{
	record_free(seeing->relay->record);
	if (ending_is_stuck())
		return;
	seeing->relay->record = NULL;
	keylog_file_close(seeing->keylog);
}

/* ---- HTTP ---- */

void
seeing_listen(struct seeing *seeing)
{
	const struct relay_addresses *at =
	    &config_of(seeing->relay)->opt.metrics;
	const struct http_settings set = { .address = &at->at[0],
		.pages = pages,
		.n_pages = PAGES_N,
		.arg = seeing->relay };
	char text[ADDRESS_CHARS];

	if (at->n == 0)
		return;
	seeing->http = http_open(&set);
	if (seeing->http == NULL)
		cli_die("--metrics: cannot listen on %s: %s",
		    address_format(&at->at[0], text), strerror(errno));
}

static void
say_where(const struct http *http)
{
	struct address address = http_address(http);
	char text[ADDRESS_CHARS];

	printf(
	    "bluenet-relay: metrics on %s\n", address_format(&address, text));
	if (fflush(stdout) != 0)
		cli_die("standard output: %s", strerror(errno));
}

void
seeing_start(struct seeing *seeing)
{
	if (seeing->relay->record != NULL &&
	    !record_start(seeing->relay->record))
		cli_die("cannot start a thread: %s", strerror(errno));
	if (seeing->http == NULL)
		return;
	if (!http_start(seeing->http))
		cli_die("--metrics: cannot serve: %s", strerror(errno));
	say_where(seeing->http);
}

void
seeing_stop(struct seeing *seeing)
{
	http_free(seeing->http);
	seeing->http = NULL;
}

/* ---- the capture; called by hooks.c, where there is one ---- */

void
seeing_open(struct relay *relay, struct engine_conn *conn)
{
	struct address local = engine_conn_local(conn);

	record_open(relay->record, engine_conn_outlet(conn)->handle,
	    engine_conn_peer(conn), &local);
}

void
seeing_close(struct relay *relay, struct engine_conn *conn)
{
	record_close(relay->record, engine_conn_outlet(conn)->handle);
}

void
seeing_tap(void *arg, struct engine_conn *conn, enum engine_way way,
    const struct bnet_slice *pieces, size_t n)
{
	struct relay *relay = arg;

	record_bytes(relay->record, engine_conn_outlet(conn)->handle,
	    way == ENGINE_IN ? RECORD_IN : RECORD_OUT, pieces, n);
}
