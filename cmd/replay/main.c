/* SPDX-License-Identifier: MIT */
/*
 * bluenet-replay: replays the clients of a capture against a cluster. See
 * bluenet-replay(1). Owns the options.
 */
#include "cmd/common/cli.h"
#include "cmd/common/ending.h"
#include "cmd/replay/run.h"

#include <locale.h>

int
main(int argc, char **argv)
{
	static struct replay_options opt;
	int code;

	cli_name("bluenet-replay");
	cli_standard_fds();
	setlocale(LC_CTYPE, ""); /* so that -Y accepts UTF-8 text */
	replay_options_parse(&opt, argc, argv);
	code = ending_code(replay_run(&opt));
	if (!ending_is_stuck())
		replay_options_free(&opt);
	return code;
}
