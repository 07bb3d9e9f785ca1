/* SPDX-License-Identifier: MIT */
/*
 * replay_late CAPTURE.pcap RATE PORT - what was really sent, by the stamps of
 * the kernel: how much later than it should be each frame of replay_trace
 * was, whoever replayed it. The earliest of all counts as punctual. Prints
 * frames, then p50, p99 and the maximum in us.
 */
#include <err.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES 128
#define NS_PER_S 1e9
#define FRAMES_MAX 100000000

struct late {
	double *offset_us; /* n of them */
	size_t n, cap;
	double rate;
	unsigned port;
};

static unsigned
u16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void
add(struct late *late, double offset_us)
{
	if (late->n == late->cap) {
		late->cap = late->cap == 0 ? 1 << 16 : 2 * late->cap;
		late->offset_us =
		    realloc(late->offset_us, late->cap * sizeof(double));
	}
	if (late->offset_us == NULL || late->n >= FRAMES_MAX)
		errx(1, "too many frames");
	late->offset_us[late->n++] = offset_us;
}

/* A segment holds whole frames, as they were written. */
static void
segment(struct late *late, double at_ns, const uint8_t *p, size_t n)
{
	for (; n >= FRAME_BYTES; p += FRAME_BYTES, n -= FRAME_BYTES) {
		uint64_t number;

		memcpy(
		    &number, p + FRAME_BYTES - sizeof(number), sizeof(number));
		add(late,
		    (at_ns - (double)number / late->rate * NS_PER_S) / 1e3);
	}
}

static void
packet(u_char *user, const struct pcap_pkthdr *head, const u_char *p)
{
	struct late *late = (struct late *)(void *)user;
	size_t ip, tcp, total;

	if (head->caplen < 14 + 40 || u16(p + 12) != 0x0800 || p[23] != 6)
		return;
	p += 14;
	ip = (size_t)(p[0] & 15) * 4;
	total = u16(p + 2);
	tcp = ip + (size_t)(p[ip + 12] >> 4) * 4;
	if (u16(p + ip + 2) != late->port || total <= tcp ||
	    total + 14 > head->caplen)
		return;
	segment(late,
	    (double)(head->ts.tv_sec % 100000) * NS_PER_S +
		(double)head->ts.tv_usec,
	    p + tcp, total - tcp);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
quantile(const struct late *late, double q)
{
	size_t i = (size_t)(q * (double)(late->n - 1));

	return late->offset_us[i] - late->offset_us[0];
}

int
main(int argc, char **argv)
{
	char why[PCAP_ERRBUF_SIZE];
	struct late late = { .rate = 0 };
	pcap_t *pcap;

	if (argc != 4)
		errx(2, "usage: replay_late CAPTURE.pcap RATE PORT");
	late.rate = strtod(argv[2], NULL);
	late.port = (unsigned)strtoul(argv[3], NULL, 10);
	pcap = pcap_open_offline_with_tstamp_precision(
	    argv[1], PCAP_TSTAMP_PRECISION_NANO, why);
	if (pcap == NULL)
		errx(1, "%s", why);
	(void)pcap_loop(pcap, -1, packet, (u_char *)(void *)&late);
	pcap_close(pcap);
	if (late.n == 0)
		errx(1, "%s: no frames to port %u", argv[1], late.port);
	qsort(late.offset_us, late.n, sizeof(double), compare);
	printf("%zu %.1f %.1f %.1f\n", late.n, quantile(&late, 0.5),
	    quantile(&late, 0.99), quantile(&late, 1));
	free(late.offset_us);
	return 0;
}
