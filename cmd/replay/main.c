/* SPDX-License-Identifier: MIT */
/* bluenet-replay: plays the clients of a capture against a cluster. */
#include "cmd/common/cli.h"
#include "cmd/replay/options.h"

int
main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cli_name("bluenet-replay");
	return REPLAY_OK;
}
