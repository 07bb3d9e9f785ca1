/* SPDX-License-Identifier: MIT */
/*
 * zmqproxy PULL_PORT PUSH_PORT - zmq_proxy() between them, as it comes: one
 * I/O thread, the default high-water marks (which make it wait, not drop).
 */
#include <stdio.h>
#include <zmq.h>

static void *
bound(void *context, int type, const char *port)
{
	char address[64];
	void *s = zmq_socket(context, type);

	snprintf(address, sizeof(address), "tcp://127.0.0.1:%s", port);
	return s != NULL && zmq_bind(s, address) == 0 ? s : NULL;
}

int
main(int argc, char **argv)
{
	void *context = zmq_ctx_new(), *in, *out;

	if (argc != 3) {
		fprintf(stderr, "usage: zmqproxy PULL_PORT PUSH_PORT\n");
		return 2;
	}
	in = bound(context, ZMQ_PULL, argv[1]);
	out = bound(context, ZMQ_PUSH, argv[2]);
	if (in == NULL || out == NULL) {
		fprintf(stderr, "zmqproxy: %s\n", zmq_strerror(zmq_errno()));
		return 1;
	}
	zmq_proxy(in, out, NULL);
	return 1;
}
