/* SPDX-License-Identifier: MIT */
/* cmd/ping/measure: against a relay that is played by hand. */
#include "cmd/ping/measure.h"
#include "proto/bluenet.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#define READ_BYTES 4096

static struct bnet_codecs *codecs;
static struct bnet_link *peer; /* ping, as the relay sees it */
static int peer_fd = -1;

/* On a free port of loopback; `target` is what ping is given. */
static int
listening(char target[32])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	snprintf(target, 32, "127.0.0.1:%u", ntohs(at.sin_port));
	return fd;
}

struct wanted {
	int32_t key;
	bool came;
	uint64_t timestamp;
};

static enum bnet_err
look(void *arg, const struct bnet_packet *packet)
{
	struct wanted *wanted = arg;

	if (packet->has_header && packet->header.key == wanted->key) {
		wanted->came = true;
		wanted->timestamp = packet->header.timestamp;
	}
	return BNET_OK;
}

/* Reads until a message of that type came; its ping. */
static uint64_t
await(enum bnet_message_type type)
{
	struct wanted wanted = { .key = bnet_message_key(type) };
	const struct bnet_link_sink sink = { .packet = look, .arg = &wanted };
	uint8_t bytes[READ_BYTES];
	size_t used;

	while (!wanted.came) {
		ssize_t n = read(peer_fd, bytes, sizeof(bytes));

		ck_assert_int_gt(n, 0);
		unit_err("feed",
		    bnet_link_feed(peer,
			(struct bnet_slice){ bytes, (size_t)n }, &sink, &used),
		    BNET_OK);
	}
	return wanted.timestamp;
}

static void
say(const struct bnet_message *message)
{
	struct bnet_packet packet = { .has_header = true };
	struct bnet_slice out;
	struct bnet_buf body;

	bnet_buf_init(&body, READ_BYTES);
	unit_err("encode", bnet_message_encode(message, &body), BNET_OK);
	packet.header.key = bnet_message_key(message->type);
	packet.payload = bnet_buf_slice(&body);
	unit_err("send", bnet_link_send(peer, &packet), BNET_OK);
	unit_err("output", bnet_link_output(peer, &out), BNET_OK);
	ck_assert_int_eq(write(peer_fd, out.p, out.len), (ssize_t)out.len);
	bnet_link_output_done(peer, out.len);
	bnet_buf_free(&body);
}

/* ---- ping, from its command line to the hello it says ---- */

static struct ping_options opt;
static struct client_files files;
static struct measure *measure;
static int fd = -1;

/* `words` stand before the relay. */
static void
begin(char *const *words, int n)
{
	static const struct bnet_link_settings set = { 0 };
	static char target[32], name[] = "bluenet-ping", *argv[16];
	char why[MEASURE_REASON_CHARS] = "";

	fd = listening(target);
	argv[0] = name;
	for (int i = 0; i < n; i++)
		argv[i + 1] = words[i];
	argv[n + 1] = target;
	ping_options_parse(&opt, n + 2, argv);
	measure = measure_start(&opt, &files, why);
	ck_assert_msg(measure != NULL, "%s", why);
	peer_fd = accept(fd, NULL, NULL);
	ck_assert_int_ge(peer_fd, 0);
	codecs = bnet_codecs_new();
	unit_err("link", bnet_link_new(&set, codecs, &peer), BNET_OK);
	(void)await(BNET_MSG_HELLO);
}

static void
welcome(uint32_t frame_max_bytes, uint32_t keepalive_ms)
{
	const struct bnet_message message = { .type = BNET_MSG_WELCOME,
		.u.welcome = { .version = BNET_PROTOCOL_VERSION,
		    .id = 7,
		    .relay_id = 1,
		    .frame_max_bytes = frame_max_bytes,
		    .keepalive_ms = keepalive_ms } };

	say(&message);
}

static void
end(void)
{
	measure_stop(measure);
	measure_free(measure);
	ping_options_free(&opt);
	bnet_link_free(peer);
	bnet_codecs_free(codecs);
	close(peer_fd);
	close(fd);
}

/* A relay that names no limit has one: what comes after hello is sent. */
START_TEST(welcome_without_max_frame)
{
	begin(NULL, 0);
	welcome(0, 0);
	(void)await(BNET_MSG_ROSTER);
	end();
}
END_TEST

/* The first event of that kind; waits for it, with -v. */
static struct measure_event
await_event(enum measure_kind kind)
{
	struct pollfd ready = { .fd = measure_fd(measure), .events = POLLIN };
	const struct measure_event *events;
	struct measure_view view;
	size_t n;

	for (;;) {
		ck_assert_int_eq(poll(&ready, 1, -1), 1);
		events = measure_take(measure, &n, &view);
		for (size_t i = 0; i < n; i++)
			if (events[i].kind == kind)
				return events[i];
		ck_assert_int_ne(view.state, MEASURE_FAILED);
	}
}

/* A ping that cannot be sent is lost now, and not when its time is up. */
START_TEST(too_large_to_send)
{
	static char size[] = "-s", bytes[] = "4096", timeout[] = "-W",
		    hour[] = "1h", verbose[] = "-v";
	char *const words[] = { size, bytes, timeout, hour, verbose };
	struct bnet_roster_entry entry = { .id = 9, .role = BNET_ROLE_NODE };
	struct bnet_message roster = { .type = BNET_MSG_ROSTER_REPLY,
		.u.roster_reply = { .n = 1, .entries = &entry } };
	struct measure_event event;

	begin(words, 5);
	welcome(1024, 0);
	(void)await(BNET_MSG_ROSTER);
	say(&roster);
	event = await_event(MEASURE_COUNT);
	ck_assert_int_eq(event.what, PING_LOST);
	ck_assert_uint_eq(event.cause, BNET_CODE_TOO_LARGE);
	end();
}
END_TEST

/* bluenet-wire(5), KEEP-ALIVE: it is a ping, which ends the relay's silence. */
START_TEST(keepalive_is_a_ping)
{
	begin(NULL, 0);
	welcome(0, 1);
	ck_assert_uint_ne(await(BNET_MSG_KEEPALIVE), 0);
	end();
}
END_TEST

/* A relay that is silent for three periods is lost, and connected to again. */
START_TEST(silent_relay)
{
	struct pollfd ready;
	struct measure_view view = { .state = MEASURE_CONNECTING };
	size_t n;

	begin(NULL, 0);
	welcome(0, 1);
	ready = (struct pollfd){ .fd = measure_fd(measure), .events = POLLIN };
	while (!view.down) {
		ck_assert_int_eq(poll(&ready, 1, -1), 1);
		(void)measure_take(measure, &n, &view);
	}
	ck_assert_int_eq(strncmp(view.reason, "silent for ", 11), 0);
	ck_assert_int_ne(view.state, MEASURE_FAILED);
	end();
}
END_TEST

static Suite *
measure_suite(void)
{
	Suite *suite = suite_create("ping_measure");
	TCase *tc = unit_case(suite, "session");

	tcase_add_test(tc, welcome_without_max_frame);
	tcase_add_test(tc, too_large_to_send);
	tcase_add_test(tc, keepalive_is_a_ping);
	tcase_add_test(tc, silent_relay);
	return suite;
}

UNIT_MAIN(measure_suite)
