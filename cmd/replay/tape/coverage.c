/* SPDX-License-Identifier: MIT */
/*
 * Prints the coverage report: which part of a capture can be played. Owns
 * nothing. Called by run.c.
 */
#include "cmd/replay/tape/coverage.h"

#include "proto/message.h"

#include <inttypes.h>
#include <time.h>

#define NS_PER_S 1e9

/* Sessions by kind, and their flaws. */
struct who {
	uint64_t sessions, clients, nodes, stock;
	uint64_t no_start, gaps, tls;
};

static struct who
count(const struct tape *tape)
{
	struct who who = { 0 };

	for (uint32_t i = 0; i < tape_head(tape)->n_sessions; i++) {
		const struct tape_session *session = tape_session(tape, i);
		uint32_t flags = session->flags;

		if ((flags & TAPE_S_LEFT_OUT) != 0)
			continue;
		who.sessions++;
		if (session->role == BNET_ROLE_NODE)
			who.nodes++;
		else if ((flags & TAPE_S_HELLO) != 0)
			who.clients++;
		else
			who.stock++;
		who.no_start += (flags & TAPE_S_NO_START) != 0;
		who.gaps += (flags & TAPE_S_GAPS) != 0;
		who.tls += (flags & TAPE_S_TLS) != 0;
	}
	return who;
}

/* Prints a row: a number and its label. Omits rows of 0. */
static void
row(FILE *out, uint64_t n, const char *what)
{
	if (n > 0)
		fprintf(out, "%12" PRIu64 "  %s\n", n, what);
}

static void
bytes_row(FILE *out, uint64_t n, uint64_t n_bytes, const char *what)
{
	if (n > 0)
		fprintf(out, "%12" PRIu64 "  %s, %" PRIu64 " bytes\n", n, what,
		    n_bytes);
}

static void
when(const struct tape_head *head, FILE *out)
{
	time_t start = (time_t)(head->start_ns / 1000000000);
	char text[64] = "";
	struct tm tm;

	if (head->coverage.packets == 0) {
		fputs("capture without packets\n", out);
		return;
	}
	if (gmtime_r(&start, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(out, "capture from %s UTC, %.3f s, %" PRIu64 " packets\n", text,
	    ((double)head->end_ns - (double)head->start_ns) / NS_PER_S,
	    head->coverage.packets);
	row(out, head->clock_steps,
	    "steps of its clock, taken out of all times");
}

static void
sessions(const struct tape *tape, FILE *out)
{
	const struct tape_coverage *coverage = &tape_head(tape)->coverage;
	struct who who = count(tape);

	fprintf(out,
	    "%12" PRIu64 "  of %" PRIu64 " connections can be played: %" PRIu64
	    " clients, %" PRIu64 " stock,\n              %" PRIu64 " nodes\n",
	    who.sessions, coverage->streams, who.clients, who.stock, who.nodes);
	row(out, who.tls, "of them were encrypted");
	row(out, who.no_start, "of them began before the capture");
	row(out, who.gaps, "of them with frames missing");
}

/* What stood behind a hole was decoded late; it is not sent late. */
static void
held(const struct tape *tape, FILE *out)
{
	const struct tape_coverage *coverage = &tape_head(tape)->coverage;

	if (coverage->held_frames == 0 ||
	    coverage->held_session >= tape_head(tape)->n_sessions)
		return;
	fprintf(out,
	    "%12" PRIu64 "  of these waited for bytes before them, on %" PRIu64
	    " connections: the\n              first on %s, %.3f s, packet"
	    " %" PRIu64 "; they keep their times\n",
	    coverage->held_frames, coverage->held_sessions,
	    tape_text(tape,
		tape_session(tape, (uint32_t)coverage->held_session)->end[0]),
	    (double)coverage->held_ns / NS_PER_S, coverage->held_packet);
}

static void
frames(const struct tape *tape, FILE *out)
{
	const struct tape_coverage *coverage = &tape_head(tape)->coverage;

	bytes_row(out, coverage->frames[CAP_UP], coverage->frame_bytes[CAP_UP],
	    "frames from them");
	row(out, coverage->keepalive_frames,
	    "of these are keepalive traffic, made anew");
	held(tape, out);
	row(out, coverage->answered, "of these have an answer in the capture");
	row(out, coverage->calls, "of these are calls of machoNet");
	bytes_row(out, coverage->frames[CAP_DOWN],
	    coverage->frame_bytes[CAP_DOWN], "frames to them");
}

static void
not_played(const struct tape_coverage *coverage, FILE *out)
{
	static const char *const why[TAPE_N_LEFT_OUT] = {
		[TAPE_NO_FRAMES] = "connections without a frame",
		[TAPE_NO_KEY] =
		    "encrypted connections, no secret (--keylog FILE)",
		[TAPE_FILTERED] = "connections with no frame that -Y takes",
		[TAPE_NOTHING_SENT] = "connections whose client sent nothing",
	};
	static const char *const lost[CAP_N_LOSSES] = {
		[CAP_GAP] = "gaps",
		[CAP_SKIP] = "skipped runs of bytes",
		[CAP_OVERLAP] = "contradictions between retransmissions",
		[CAP_MALFORMED] = "malformed frames",
		[CAP_LIMIT] = "limits reached",
	};
	uint64_t n = coverage->filtered_frames;

	for (int i = 0; i < TAPE_N_LEFT_OUT; i++)
		n += coverage->left_out[i];
	for (int i = CAP_GAP; i < CAP_N_LOSSES; i++)
		n += coverage->events[i];
	if (coverage->streams == 0)
		fprintf(out,
		    "no connections to the relay ports (--port PORTS, "
		    "or any)\n");
	else if (n == 0)
		fprintf(out, "nothing was left out\n");
	if (n == 0)
		return;
	fprintf(out, "left out:\n");
	for (int i = 0; i < TAPE_N_LEFT_OUT; i++)
		row(out, coverage->left_out[i], why[i]);
	row(out, coverage->filtered_frames, "frames that -Y left out");
	for (int i = CAP_GAP; i < CAP_N_LOSSES; i++)
		bytes_row(out, coverage->events[i], coverage->event_bytes[i],
		    lost[i]);
}

void
coverage_print(const struct tape *tape, FILE *out)
{
	const struct tape_head *head = tape_head(tape);

	when(head, out);
	sessions(tape, out);
	frames(tape, out);
	not_played(&head->coverage, out);
}
