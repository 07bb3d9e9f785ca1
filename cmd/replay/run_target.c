/* SPDX-License-Identifier: MIT */
/* Whether the target may be sent to, and whether anybody is there. */
#include "cmd/replay/run_impl.h"

#include "cmd/replay/probe.h"
#include "cmd/replay/safety.h"

#define NS_PER_S INT64_C(1000000000)
#define PROBE_CONNECT_NS (5 * NS_PER_S)
#define PROBE_WELCOME_NS (3 * NS_PER_S)

bool
run_target_is_safe(const struct run *run)
{
	const struct safety safety = { run->addresses, run->n_addresses,
		run->opt->allow, run->opt->n_allow };
	const struct tape *tape = run->tape;
	uint32_t n = tape != NULL ? tape_head(tape)->n_sessions : 0;
	char err[CLI_ERR_CHARS];
	bool ok = safety_targets_allowed(&safety, err);

	for (uint32_t i = 0; i < n && ok; i++) {
		const struct tape_session *session = tape_session(tape, i);

		for (int end = 0; end < 2 && ok; end++)
			ok = safety_end_allowed(
			    &safety, tape_text(tape, session->end[end]), err);
	}
	if (!ok)
		cli_warn("%s", err);
	return ok;
}

static int
refused(const struct probe *probe, const char *target, const char *goes_on)
{
	cli_warn("%s: %s %s%s%s", target,
	    probe->result == PROBE_REFUSED ? "it refused our hello:"
					   : "no welcome:",
	    probe->reason[0] != '\0' ? probe->reason : "no reason given",
	    goes_on != NULL ? "; it goes on, as " : "",
	    goes_on != NULL ? goes_on : "");
	return goes_on != NULL ? REPLAY_OK : REPLAY_NOT_CONNECTED;
}

static int
judge(const struct run *run, const struct probe *probe, const char *goes_on)
{
	const char *target = run->opt->target;

	switch (probe->result) {
	case PROBE_NOBODY:
		cli_warn("cannot connect to %s: %s", target, probe->reason);
		return REPLAY_NOT_CONNECTED;
	case PROBE_REFUSED:
	case PROBE_CLOSED:
		return refused(probe, target, goes_on);
	case PROBE_SILENT:
		if (!run->opt->quiet)
			cli_warn("%s: no welcome, as of a stock cluster: what"
				 " environment it is cannot be known",
			    target);
		return REPLAY_OK;
	case PROBE_WELCOME:
		break;
	}
	if (!safety_is_production(probe->environment))
		return REPLAY_OK;
	cli_warn("refused: %s (%s) says environment=%s", target, probe->name,
	    probe->environment);
	return REPLAY_USAGE;
}

int
run_probe(struct run *run, enum bnet_role role, const char *goes_on)
{
	const struct probe_settings set = {
		.addresses = run->addresses,
		.n_addresses = run->n_addresses,
		.tls = run->files.tls,
		.tls_host = run->host,
		.token = run->files.token,
		.role = role,
		.connect_timeout_ns = PROBE_CONNECT_NS,
		.welcome_timeout_ns = PROBE_WELCOME_NS,
	};
	struct probe probe;

	probe_run(&set, &probe);
	run->reached = probe.address;
	if (run_interrupts > 0)
		return 128 + run_signal;
	return judge(run, &probe, goes_on);
}
