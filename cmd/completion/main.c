/* SPDX-License-Identifier: MIT */
/*
 * What the build runs to make the completions of the programs from their
 * tables of options: "completion bluenet-relay bash". It is not installed.
 */
#include "cmd/common/cli.h"
#include "cmd/common/completion.h"
#include "cmd/decode/options.h"
#include "cmd/node/options.h"
#include "cmd/ping/options.h"
#include "cmd/relay/options.h"
#include "cmd/replay/options.h"

#include <errno.h>
#include <string.h>

static const struct option_program *const programs[] = {
	&decode_program,
	&node_program,
	&ping_program,
	&relay_program,
	&replay_program,
};

int
main(int argc, char **argv)
{
	size_t i = 0, n = sizeof(programs) / sizeof(programs[0]);

	cli_name("completion");
	while (argc == 3 && i < n && strcmp(argv[1], programs[i]->name) != 0)
		i++;
	if (argc != 3 || i == n)
		cli_die("expected PROGRAM SHELL");
	if (strcmp(argv[2], "bash") == 0)
		completion_bash(programs[i], stdout);
	else
		completion_zsh(programs[i], stdout);
	return cli_flush() ? CLI_OK : CLI_FAILED;
}
