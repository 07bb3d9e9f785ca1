/* SPDX-License-Identifier: MIT */
/* The floor of the benchmarks: libpcap alone, each packet read and dropped. */
#include <pcap/pcap.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
	char err[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const u_char *data;
	unsigned long long packets = 0, bytes = 0;
	pcap_t *pcap;

	if (argc != 2) {
		fprintf(stderr, "usage: pcaploop FILE\n");
		return 2;
	}
	pcap = pcap_open_offline(argv[1], err);
	if (pcap == NULL) {
		fprintf(stderr, "pcaploop: %s\n", err);
		return 1;
	}
	while (pcap_next_ex(pcap, &head, &data) == 1) {
		packets++;
		bytes += head->caplen;
	}
	pcap_close(pcap);
	printf("%llu packets, %llu bytes\n", packets, bytes);
	return 0;
}
