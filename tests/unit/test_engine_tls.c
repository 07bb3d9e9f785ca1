/* SPDX-License-Identifier: MIT */
/* The engine under TLS; the foreign peer is a link on a blocking socket. */
#include "tests/unit/engine_fixture.h"
#include "tests/unit/tls_ends.h"

#define N_PACKETS 400
#define SMALL_BUFFER 4096
#define BURST 40

struct tls_peer {
	int fd;
	struct bnet_codecs *codecs;
	struct bnet_link *link;
	uint32_t next; /* number of the packet that has to come */
	unsigned n_got;
};

struct tls_row {
	const char *name;
	enum bnet_tls_version version;
	unsigned n_workers;
	uint32_t frame_max_bytes; /* 0: the default */
	size_t packet_bytes;
};

static const struct tls_row tls_rows[] = {
	{ "1.3, small", BNET_TLS_1_3, 1, 0, 4 },
	{ "1.2, small", BNET_TLS_1_2, 1, 0, 4 },
	{ "1.3, several workers", BNET_TLS_1_3, 3, 0, 3000 },
	{ "1.2, several workers", BNET_TLS_1_2, 3, 0, 3000 },
	{ "1.3, larger than a record", BNET_TLS_1_3, 1, 0, 100000 },
	{ "1.3, a small frame limit", BNET_TLS_1_3, 1, 4096, 4096 },
};

static bool resume;

static struct bnet_tls_ctx *
context(enum bnet_tls_role role, enum bnet_tls_version version)
{
	struct bnet_tls_settings set =
	    role == BNET_TLS_SERVER ? server_settings() : client_settings();
	struct bnet_tls_ctx *ctx;
	char why[200];

	set.struct_bytes = sizeof(set);
	set.version_min = version;
	set.version_max = version;
	/* a ticket that is not read would make a reset of a peer's close */
	set.no_resume = !resume;
	ck_assert_int_eq(
	    bnet_tls_ctx_new(&set, &ctx, why, sizeof(why)), BNET_OK);
	return ctx;
}

static void
start(struct fix *fix, struct engine_settings *set,
    enum bnet_tls_version version, enum fix_mode mode)
{
	struct engine_listen listen = { .tls =
					    context(BNET_TLS_SERVER, version) };

	fix_new(fix, set, mode);
	fix_listen(fix, &listen, "127.0.0.1:0");
	bnet_tls_ctx_free(listen.tls);
	ck_assert(engine_start(fix->engine));
}

/* ---- the peer ---- */

static enum bnet_err
got(void *arg, const struct bnet_packet *packet)
{
	struct tls_peer *peer = arg;
	uint32_t number;

	memcpy(&number, packet->payload.p, sizeof(number));
	if (number != peer->next)
		ck_abort_msg("packet %u, not %u", number, peer->next);
	peer->next++;
	peer->n_got++;
	return BNET_OK;
}

static void
write_out(struct tls_peer *peer)
{
	struct bnet_slice out;

	ck_assert_int_eq(bnet_link_output(peer->link, &out), BNET_OK);
	peer_write(peer->fd, out.p, out.len);
	bnet_link_output_done(peer->link, out.len);
}

/* One read's worth. False at the end of file, or at close_notify. */
static bool
pump(struct tls_peer *peer)
{
	const struct bnet_link_sink sink = { .packet = got, .arg = peer };
	uint8_t bytes[16384];
	size_t used;
	enum bnet_err err;
	ssize_t n;

	write_out(peer);
	n = recv(peer->fd, bytes, sizeof(bytes), 0);
	if (n <= 0)
		return false;
	err = bnet_link_feed(
	    peer->link, (struct bnet_slice){ bytes, (size_t)n }, &sink, &used);
	if (err == BNET_CLOSED)
		return false;
	unit_err("fed", err, BNET_OK);
	write_out(peer);
	return true;
}

static void
open_peer(struct tls_peer *peer, const struct fix *fix,
    enum bnet_tls_version version, int buffer_bytes)
{
	struct bnet_link_settings set = {
		.tls = context(BNET_TLS_CLIENT, version),
		.out_max_bytes = 1 << 22,
	};

	*peer =
	    (struct tls_peer){ .fd = peer_connect_to(&fix->at, buffer_bytes),
		    .codecs = bnet_codecs_new() };
	ck_assert_int_eq(
	    bnet_link_new(&set, peer->codecs, &peer->link), BNET_OK);
	bnet_tls_ctx_free(set.tls);
	while (!bnet_tls_ready(bnet_link_tls(peer->link)))
		ck_assert(pump(peer));
}

static void
close_peer(struct tls_peer *peer, bool in_order)
{
	if (in_order) {
		ck_assert_int_eq(bnet_link_close(peer->link), BNET_OK);
		write_out(peer);
	}
	close(peer->fd);
	bnet_link_free(peer->link);
	bnet_codecs_free(peer->codecs);
}

static void
say_number(struct tls_peer *peer, uint32_t number, size_t n_bytes)
{
	uint8_t *payload = calloc(1, n_bytes);
	const struct bnet_packet packet = { .payload = { payload, n_bytes } };

	ck_assert_ptr_nonnull(payload);
	memcpy(payload, &number, sizeof(number));
	ck_assert_int_eq(bnet_link_send(peer->link, &packet), BNET_OK);
	write_out(peer);
	free(payload);
}

/* ---- tests ---- */

START_TEST(echo)
{
	const struct tls_row *row = &tls_rows[_i];
	struct engine_settings set = { .n_workers = row->n_workers,
		.frame_max_bytes = row->frame_max_bytes };
	struct tls_peer peer;
	struct fix fix;

	start(&fix, &set, row->version, FIX_ECHO);
	open_peer(&peer, &fix, row->version, 0);
	for (uint32_t i = 0; i < 20; i++)
		say_number(&peer, i, row->packet_bytes);
	while (peer.n_got < 20)
		ck_assert_msg(pump(&peer), "%s", row->name);
	close_peer(&peer, true);
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_uint_eq(fix.ends[ENGINE_END_PEER], 1);
	ck_assert_uint_eq(
	    fix_counter(&fix,
		row->version == BNET_TLS_1_3 ? ENGINE_TLS_1_3 : ENGINE_TLS_1_2),
	    1);
	fix_stop(&fix);
}
END_TEST

/* A long queue for a slow reader, with each row's limits. */
START_TEST(slow_reader)
{
	const struct tls_row *row = &tls_rows[_i];
	struct engine_settings set = { .n_workers = row->n_workers,
		.frame_max_bytes = row->frame_max_bytes,
		.queue_max_bytes = 64 << 20 };
	struct tls_peer to, from;
	struct fix fix;
	uint32_t n = row->packet_bytes > 50000 ? 100 : N_PACKETS;

	start(&fix, &set, row->version, FIX_TO_TARGET);
	open_peer(&to, &fix, row->version, SMALL_BUFFER);
	FIX_WAIT(&fix, n_ready, 1);
	open_peer(&from, &fix, row->version, 0);
	for (uint32_t i = 0; i < n; i++)
		say_number(&from, i, row->packet_bytes);
	FIX_WAIT(&fix, n_packets, n);
	/* what is still to be handed over would come too late */
	while (row->n_workers > 1 && to.n_got < n)
		ck_assert(pump(&to));
	engine_post_finish(fix.engine, fix.handles[0]);
	while (pump(&to))
		;
	ck_assert_msg(to.n_got == n, "%s: %u", row->name, to.n_got);
	close_peer(&to, true);
	close_peer(&from, false);
	FIX_WAIT(&fix, n_closed, 2);
	ck_assert_uint_eq(fix.ends[ENGINE_END_CUT], 1);
	fix_stop(&fix);
}
END_TEST

/* What was decrypted, and what was not, comes after the pause in order. */
START_TEST(pause_for)
{
	const struct tls_row *row = &tls_rows[_i];
	struct engine_settings set = { .n_workers = row->n_workers,
		.queue_max_bytes = 400000 };
	struct tls_peer to, from;
	struct fix fix;
	uint32_t n = 0;

	start(&fix, &set, row->version, FIX_PAUSE);
	open_peer(&to, &fix, row->version, SMALL_BUFFER);
	FIX_WAIT(&fix, n_ready, 1);
	open_peer(&from, &fix, row->version, 0);
	while (fix_counter(&fix, ENGINE_PAUSES) == 0 && n < 5000)
		say_number(&from, n++, 3000);
	while (to.n_got < n)
		ck_assert(pump(&to));
	say_number(&from, n++, 3000);
	while (to.n_got < n)
		ck_assert(pump(&to));
	ck_assert_uint_gt(fix_counter(&fix, ENGINE_PAUSES), 0);
	ck_assert_uint_eq(fix.sent[ENGINE_FULL], 0);
	close_peer(&to, true);
	close_peer(&from, true);
	FIX_WAIT(&fix, n_closed, 2);
	fix_stop(&fix);
}
END_TEST

struct bad_row {
	const char *name, *hex;
	int64_t timeout_ns;
	bool shut;
	enum engine_end end;
};

static const struct bad_row bad_rows[] = {
	{ "says nothing", "", 50000000, false, ENGINE_END_HANDSHAKE_TIMEOUT },
	{ "says half", "160301", 50000000, false,
	    ENGINE_END_HANDSHAKE_TIMEOUT },
	{ "no TLS", "0500000068656c6c6f0102030405060708", 0, false,
	    ENGINE_END_TLS },
	{ "goes away", "160301", 0, true, ENGINE_END_TLS },
};

START_TEST(no_handshake)
{
	const struct bad_row *row = &bad_rows[_i];
	struct engine_settings set = { .n_workers = 1,
		.handshake_timeout_ns = row->timeout_ns };
	struct bnet_slice bytes = unit_hex(row->hex);
	struct fix fix;
	int fd;

	start(&fix, &set, BNET_TLS_1_3, FIX_ECHO);
	fd = peer_connect(&fix);
	peer_write(fd, bytes.p, bytes.len);
	if (row->shut)
		ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	FIX_WAIT(&fix, n_closed, 1);
	ck_assert_msg(fix.ends[row->end] == 1, "%s", row->name);
	ck_assert_uint_eq(fix.n_ready, 0);
	close(fd);
	unit_free(bytes);
	fix_stop(&fix);
}
END_TEST

/*
 * Many say hello at once: each turn does a few handshakes, so that a link is
 * never behind all of them. The lock keeps the worker out until all have.
 */
START_TEST(burst)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct engine_settings set = { .n_workers = 1, .lock = &lock };
	struct bnet_link_settings link = { .tls = context(
					       BNET_TLS_CLIENT, BNET_TLS_1_3),
		.out_max_bytes = 1 << 16 };
	struct bnet_codecs *codecs = bnet_codecs_new();
	struct tls_peer peers[BURST];
	struct fix fix;
	uint64_t turns;
	char c;

	start(&fix, &set, BNET_TLS_1_3, FIX_ECHO);
	pthread_mutex_lock(&lock);
	for (int i = 0; i < BURST; i++) {
		peers[i].fd = peer_connect(&fix);
		ck_assert_int_eq(
		    bnet_link_new(&link, codecs, &peers[i].link), BNET_OK);
		write_out(&peers[i]);
	}
	turns = fix_counter(&fix, ENGINE_TURNS);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < BURST; i++)
		ck_assert_int_eq(recv(peers[i].fd, &c, 1, 0), 1);
	ck_assert_uint_ge(fix_counter(&fix, ENGINE_TURNS) - turns, BURST / 4);
	for (int i = 0; i < BURST; i++) {
		close(peers[i].fd);
		bnet_link_free(peers[i].link);
	}
	bnet_codecs_free(codecs);
	bnet_tls_ctx_free(link.tls);
	fix_stop(&fix);
}
END_TEST

/* The engine is both ends; a wrong name is found out. */
START_TEST(to_itself)
{
	struct engine_settings set = { .n_workers = 3 };
	struct engine_connect want = { .tls = context(
					   BNET_TLS_CLIENT, BNET_TLS_1_3) };
	struct bnet_packet packet = { .has_header = true };
	struct fix fix;

	start(&fix, &set, BNET_TLS_1_3, FIX_COUNT);
	want.address = fix.at;
	want.tls_host = "localhost";
	for (unsigned i = 0; i < 4; i++) {
		want.worker = i;
		ck_assert(engine_connect(fix.engine, &want));
	}
	FIX_WAIT(&fix, n_ready, 8);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(
		    engine_post(fix.engine, fix.handles[i], &packet),
		    ENGINE_QUEUED);
	FIX_WAIT(&fix, n_packets, 8);
	want.tls_host = "elsewhere.example";
	ck_assert(engine_connect(fix.engine, &want));
	FIX_WAIT(&fix, n_closed, 2);
	ck_assert_uint_eq(fix.ends[ENGINE_END_TLS], 2);
	fix_stop(&fix);
	ck_assert_uint_eq(fix.n_closed, 10);
	bnet_tls_ctx_free(want.tls);
}
END_TEST

/*
 * Who comes again resumes. The ticket comes before the packet, so a client
 * that has the packet has the ticket.
 */
START_TEST(resumes)
{
	enum bnet_tls_version version = _i == 0 ? BNET_TLS_1_2 : BNET_TLS_1_3;
	struct engine_settings set = { .n_workers = 1 };
	struct bnet_packet packet = { .has_header = true };
	struct engine_connect want = { .tls_host = "localhost" };
	struct fix fix;

	resume = true;
	want.tls = context(BNET_TLS_CLIENT, version);
	start(&fix, &set, version, FIX_COUNT);
	resume = false;
	want.address = fix.at;
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(engine_connect(fix.engine, &want));
		FIX_WAIT(&fix, n_ready, 2 * i + 2);
		for (unsigned j = 2 * i; j < 2 * i + 2; j++)
			ck_assert_int_eq(
			    engine_post(fix.engine, fix.handles[j], &packet),
			    ENGINE_QUEUED);
		FIX_WAIT(&fix, n_packets, 2 * i + 2);
		ck_assert_uint_eq(fix_counter(&fix, ENGINE_TLS_RESUMED), 2 * i);
	}
	fix_stop(&fix);
	bnet_tls_ctx_free(want.tls);
}
END_TEST

static void
setup(void)
{
	make_idents();
}

static Suite *
engine_tls_suite(void)
{
	Suite *suite = suite_create("engine_tls");
	TCase *tc = unit_case(suite, "tls");

	tcase_add_checked_fixture(tc, setup, free_idents);
	tcase_add_test(tc, burst);
	tcase_add_loop_test(tc, echo, 0, UNIT_ROWS(tls_rows));
	tcase_add_loop_test(tc, slow_reader, 0, UNIT_ROWS(tls_rows));
	tcase_add_loop_test(tc, pause_for, 0, 4);
	tcase_add_loop_test(tc, no_handshake, 0, UNIT_ROWS(bad_rows));
	tcase_add_test(tc, to_itself);
	tcase_add_loop_test(tc, resumes, 0, 2);
	return suite;
}

UNIT_MAIN(engine_tls_suite)
