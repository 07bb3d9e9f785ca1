/* SPDX-License-Identifier: MIT */
/*
 * relay_load stream|users|idle OPTIONS - load for what carries packets, and
 * the CPU time or memory that process PID took for it:
 *
 *	stream	frames, CPU ns, wall ns, 0, 0
 *	users	frames, CPU ns, wall ns, p50 and p99 of a turn in ns
 *	idle	connections, bytes of private memory for each
 *
 * or relay_load ports N - N free ports
 * or relay_load ready PORT - wait until something listens there
 *
 * Exits 1 where not everything that was sent arrived, or nothing moved for
 * PATIENCE_S.
 */
#include "tests/bench/load_users.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>

#define SETTLE_US 1500000
#define PORTS_MAX 64
#define MINUTES_MAX 3

struct options {
	struct setup set;
	uint32_t n_users;
	uint64_t n_frames;
	int64_t for_ns;
	pid_t pid;
};

static uint64_t
private_bytes(pid_t pid)
{
	char path[64], line[256];
	unsigned long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Private_Dirty: %lu kB", &kib) == 1)
			break;
	fclose(f);
	return (uint64_t)kib * 1024;
}

/* Connected and greeted; through a copier, once there and back. */
static void
test_idle(const struct options *o)
{
	uint64_t before = private_bytes(o->pid);
	struct users users;

	users_open(&users, &o->set, o->n_users);
	users.stopping = true;
	for (uint32_t i = 0; i < users.n && o->set.wire == WIRE_RAW; i++)
		user_ask(&users, i);
	while (users.n_answered < users.n_asked)
		users_turn(&users);
	usleep(SETTLE_US);
	printf("%u %.0f\n", users.n,
	    ((double)private_bytes(o->pid) - (double)before) / users.n);
	users_close(&users);
}

static int
print_ports(uint64_t n)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int fds[PORTS_MAX];

	for (size_t i = 0; i < n && i < PORTS_MAX; i++) {
		fds[i] = listen_on(0); /* all open at once: no port twice */
		if (getsockname(fds[i], (struct sockaddr *)&addr, &len) != 0)
			err(1, "getsockname");
		printf("%u\n", ntohs(addr.sin_port));
	}
	return 0;
}

static int
wait_ready(uint16_t port)
{
	const struct sockaddr_in addr = loopback(port);
	int fd, failed = -1;

	for (int i = 0; i < PATIENCE_S * 50 && failed != 0; i++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0)
			err(1, "socket");
		failed =
		    connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
		close(fd);
		if (failed != 0)
			usleep(20000);
	}
	if (failed != 0)
		errx(1, "nothing listens on port %u", port);
	return 0;
}

static enum wire
wire_of(const char *name)
{
	for (size_t i = 0; i < N_WIRES; i++)
		if (strcmp(name, wire_names[i]) == 0)
			return (enum wire)i;
	errx(2, "--wire: bnet, raw, nats or zmq, not \"%s\"", name);
}

static void
set_option(struct options *o, int c, const char *arg)
{
	uint64_t n = arg == NULL ? 0 : strtoull(arg, NULL, 10);

	switch (c) {
	case 'w':
		o->set.wire = wire_of(arg);
		break;
	case 'p':
		o->set.port = (uint16_t)n;
		break;
	case 'n':
		o->set.node_port = (uint16_t)n;
		break;
	case 'b':
		o->set.payload_bytes = (size_t)n;
		break;
	case 't':
		o->set.tls = tls_context(arg);
		break;
	case 'u':
		o->n_users = (uint32_t)n;
		break;
	case 'f':
		o->n_frames = n;
		break;
	case 's':
		o->for_ns = (int64_t)(strtod(arg, NULL) * 1e9);
		break;
	case 'v':
		o->set.vary = true;
		break;
	case 'P':
		o->pid = (pid_t)n;
		break;
	default:
		exit(2);
	}
}

static const struct option longs[] = {
	{ "wire", required_argument, NULL, 'w' },
	{ "port", required_argument, NULL, 'p' },
	{ "node-port", required_argument, NULL, 'n' },
	{ "payload", required_argument, NULL, 'b' },
	{ "tls", required_argument, NULL, 't' },
	{ "users", required_argument, NULL, 'u' },
	{ "frames", required_argument, NULL, 'f' },
	{ "seconds", required_argument, NULL, 's' },
	{ "pid", required_argument, NULL, 'P' },
	{ "vary", no_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

static void
run(const char *test, const struct options *o)
{
	struct result r = { 0 };

	if (strcmp(test, "stream") == 0)
		test_stream(&o->set, o->n_frames, o->pid, &r);
	else if (strcmp(test, "users") == 0)
		test_users(&o->set, o->n_users, o->for_ns, o->pid, &r);
	else if (strcmp(test, "idle") != 0)
		errx(
		    2, "stream, users, idle, ports or ready; not \"%s\"", test);
	else
		test_idle(o);
	if (r.n_frames != 0)
		printf("%" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64
		       " %" PRId64 "\n",
		    r.n_frames, r.cpu_ns, r.wall_ns, r.p50_ns, r.p99_ns);
}

int
main(int argc, char **argv)
{
	struct options o = { .set.payload_bytes = 16,
		.n_users = 1,
		.n_frames = 1000000,
		.for_ns = 1000000000 };
	const char *test = argc > 2 ? argv[1] : "";
	int c;

	if (strcmp(test, "ports") == 0)
		return print_ports(strtoull(argv[2], NULL, 10));
	if (strcmp(test, "ready") == 0)
		return wait_ready((uint16_t)strtoul(argv[2], NULL, 10));
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		set_option(&o, c, optarg != NULL ? optarg : "");
	if (o.set.payload_bytes < TAIL_BYTES ||
	    o.set.payload_bytes > PAYLOAD_MAX_BYTES || o.n_users == 0)
		errx(2, "--payload is %d to %d, --users at least 1", TAIL_BYTES,
		    PAYLOAD_MAX_BYTES);
	signal(SIGPIPE, SIG_IGN);
	alarm(MINUTES_MAX * 60);
	run(test, &o);
	return 0;
}
