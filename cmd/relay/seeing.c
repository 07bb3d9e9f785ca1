/* SPDX-License-Identifier: MIT */
#include "cmd/relay/seeing.h"

void
seeing_open_files(
    struct seeing *seeing, struct relay *relay, const struct relay_options *opt)
{
	(void)opt;
	seeing->relay = relay;
}
void
seeing_listen(struct seeing *seeing)
{
	(void)seeing;
}
void
seeing_start(struct seeing *seeing)
{
	(void)seeing;
}
void
seeing_stop(struct seeing *seeing)
{
	(void)seeing;
}
void
seeing_close_files(struct seeing *seeing)
{
	(void)seeing;
}
void
seeing_open(struct relay *relay, struct engine_conn *conn)
{
	(void)relay;
	(void)conn;
}
void
seeing_close(struct relay *relay, struct engine_conn *conn)
{
	(void)relay;
	(void)conn;
}
void
seeing_tap(void *arg, struct engine_conn *conn, enum engine_way way,
    const struct bnet_slice *pieces, size_t n)
{
	(void)arg;
	(void)conn;
	(void)way;
	(void)pieces;
	(void)n;
}
const char *
metrics_closed_word(enum relay_counter why)
{
	(void)why;
	return "closed";
}
