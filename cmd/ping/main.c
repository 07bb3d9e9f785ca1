/* SPDX-License-Identifier: MIT */
/*
 * bluenet-ping: the latency of every node. See bluenet-ping(1). It chooses
 * between a measurement and work on files.
 */
#include "cmd/common/cli.h"
#include "cmd/common/ending.h"
#include "cmd/ping/run.h"
#include "cmd/ping/offline.h"
#include "cmd/ping/options.h"

int
main(int argc, char **argv)
{
	static struct ping_options opt;
	int code;

	cli_name("bluenet-ping");
	cli_standard_fds();
	ping_options_parse(&opt, argc, argv);
	offline_check(&opt);
	code = opt.mode == PING_MEASURE ? ending_code(ping_run(&opt))
					: offline_run(&opt);
	if (!ending_is_stuck())
		ping_options_free(&opt);
	return code;
}
