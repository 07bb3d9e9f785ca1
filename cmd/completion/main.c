/* SPDX-License-Identifier: MIT */
/*
 * What the build runs to make the completions of the programs, and the sample
 * of a configuration, from their tables of options: "completion bluenet-relay
 * bash", "... zsh", "... conf". It is not installed.
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

/* The default as the file takes it; NULL: there is none, or it is in words. */
static const char *
default_of(const struct option_row *row)
{
	if (row->arg == NULL)
		return "no";
	if (row->initial != NULL)
		return row->initial;
	return row->shown != NULL && strchr(row->shown, ' ') == NULL
	    ? row->shown
	    : NULL;
}

/* Every option that may stand in the file, with its default, as comments. */
static void
sample(const struct option_program *program, FILE *f)
{
	fprintf(f,
	    "# %s: every option, and its default where it has one.\n"
	    "# Remove a # to change one; %s --config FILE --check-config\n"
	    "# checks the file. The manual says more: man %s\n",
	    program->name, program->name, program->name);
	for (const struct option_row *row = program->rows;
	     row->name != NULL || row->letter != 0; row++) {
		if (row->group != NULL && strcmp(row->group, "Help") != 0)
			fprintf(f, "\n# ---- %s\n", row->group);
		if (row->name == NULL || (row->flags & OPTION_COMMAND) != 0)
			continue;
		fprintf(f, "\n# %s", row->help);
		for (size_t i = 0; row->words != NULL && row->words[i] != NULL;
		     i++)
			fprintf(f, "%s%s", i == 0 ? ": " : ", ", row->words[i]);
		if (default_of(row) == NULL)
			fprintf(f, " (%s%s)",
			    row->shown != NULL ? "default: " : "no default",
			    row->shown != NULL ? row->shown : "");
		fprintf(f, "\n#%s = %s\n", row->name,
		    default_of(row) != NULL ? default_of(row) : row->arg);
	}
}

int
main(int argc, char **argv)
{
	size_t i = 0, n = sizeof(programs) / sizeof(programs[0]);

	cli_name("completion");
	while (argc == 3 && i < n && strcmp(argv[1], programs[i]->name) != 0)
		i++;
	if (argc != 3 || i == n)
		cli_die("expected PROGRAM and bash, zsh or conf");
	if (strcmp(argv[2], "bash") == 0)
		completion_bash(programs[i], stdout);
	else if (strcmp(argv[2], "conf") == 0)
		sample(programs[i], stdout);
	else
		completion_zsh(programs[i], stdout);
	return cli_flush() ? CLI_OK : CLI_FAILED;
}
