/* SPDX-License-Identifier: MIT */
/* Options that do not go together, or not with what is to be done. */
#include "cmd/replay/options_impl.h"

#include <string.h>

/* How --help and the messages call a mode. */
static const char *const modes[] = {
	[REPLAY_PLAY] = "playing",
	[REPLAY_COMPILE] = "--compile without a TARGET",
	[REPLAY_DRY_RUN] = "--dry-run",
	[REPLAY_MERGE] = "--merge",
	[REPLAY_SCENARIO] = "--scenario",
};

/* Two of which one is enough, or of which one makes no sense beside the other. */
static const struct {
	const char *a, *b, *why;
} pairs[] = {
	{ "speed", "rate", "expected one of them" },
	{ "speed", "asap", "expected one of them" },
	{ "rate", "asap", "expected one of them" },
	{ "rate", "max-idle", "a rate has no silence" },
	{ "asap", "max-idle", "there is no silence to be cut" },
	{ "asap", "max-lateness", "without a schedule nothing is late" },
};

/* The first is of no use without the other. */
static const struct {
	const char *a, *needs;
} needs[] = {
	{ "ignore", "diff" },
	{ "stagger", "clients" },
	{ "tls-host", "tls" },
	{ "scenario-only", "scenario" },
	{ "scenario-timeout", "scenario" },
};

static bool
is_given(const bool *given, const char *name)
{
	size_t i = 0;

	while (strcmp(replay_table[i].name, name) != 0)
		i++;
	return given[i];
}

static void
check_modes(const struct replay_options *opt, const bool *given)
{
	for (size_t i = 0; replay_table[i].name != NULL; i++)
		if (given[i] &&
		    (replay_table[i].where & REPLAY_IN(opt->mode)) == 0)
			cli_usage("--%s does not go with %s",
			    replay_table[i].name, modes[opt->mode]);
}

static void
check_pairs(const bool *given)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (is_given(given, pairs[i].a) && is_given(given, pairs[i].b))
			cli_usage("--%s and --%s: %s", pairs[i].a, pairs[i].b,
			    pairs[i].why);
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (is_given(given, needs[i].a) &&
		    !is_given(given, needs[i].needs))
			cli_usage(
			    "--%s goes with --%s", needs[i].a, needs[i].needs);
}

static void
check_pacing(const struct replay_options *opt)
{
	if (opt->pacing == REPLAY_CLOSED && opt->timing == REPLAY_RATE)
		cli_usage("--rate and --pacing closed: closed goes by answers"
			  " and think times; expected open or hybrid");
}

static void
check_operands(const struct replay_options *opt)
{
	if (opt->mode == REPLAY_SCENARIO && opt->target == NULL)
		cli_usage("--scenario: expected one TARGET[:PORT]");
	if (opt->mode == REPLAY_SCENARIO)
		return;
	if (opt->mode == REPLAY_MERGE && opt->n_captures == 0)
		cli_usage("--merge: expected files that --report wrote");
	if (opt->n_captures == 0 && opt->target == NULL)
		cli_usage("expected CAPTURE... TARGET[:PORT]");
	if (opt->n_captures == 0)
		cli_usage("expected CAPTURE... TARGET[:PORT], but there is"
			  " only '%s'",
		    opt->target);
	if (opt->mode == REPLAY_PLAY && opt->target[0] == '\0')
		cli_usage("expected a target: HOST, HOST:PORT or"
			  " [IPv6 ADDRESS]:PORT");
}

void
replay_options_check(const struct replay_options *opt, const bool *given)
{
	check_modes(opt, given);
	check_pairs(given);
	check_pacing(opt);
	client_options_check(&opt->client);
	check_operands(opt);
}
