/* SPDX-License-Identifier: MIT */
/* cmd/relay/record: what is recorded is what a reader of pcap sees. */
#include "cmd/relay/capture.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNS 8
#define STREAM_BYTES ((size_t)1 << 21)
#define OUR_PORT 26000
#define FIN 1
#define SYN 2

static char dir[64], path[96];
static char err[RECORD_ERR_CHARS];

static void
make_dir(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/test_record.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/r.pcap", dir);
}

static void
remove_dir(void)
{
	char name[128];

	(void)unlink(path);
	for (int i = 1; i < 10; i++) {
		(void)snprintf(name, sizeof(name), "%s.%d", path, i);
		(void)unlink(name);
	}
	(void)rmdir(dir);
}

/* ---- reading ---- */

/* One direction of a connection, put together by sequence numbers. */
struct stream {
	uint8_t *p;
	size_t n; /* the highest byte */
	size_t n_bytes; /* that came */
	int n_syn, n_fin;
};

/* By the peer's port - 1000, and the direction. */
static struct stream streams[CONNS][2];
static int n_packets;

static uint32_t
get(const uint8_t *p, int n)
{
	uint32_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

static uint32_t
sum(uint32_t so_far, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		so_far += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (so_far >> 16 != 0)
		so_far = (so_far & 0xffff) + (so_far >> 16);
	return so_far;
}

static void
see_tcp(const uint8_t *tcp, size_t n)
{
	bool out = get(tcp, 2) == OUR_PORT;
	uint32_t peer = get(tcp + (out ? 2 : 0), 2);
	struct stream *s = &streams[peer - 1000][out];
	size_t at = get(tcp + 4, 4);

	ck_assert_msg(peer >= 1000 && peer < 1000 + CONNS, "port %u", peer);
	s->n_syn += (tcp[13] & SYN) != 0;
	s->n_fin += (tcp[13] & FIN) != 0;
	n -= 20;
	if (n == 0)
		return;
	ck_assert_uint_ge(at, 1);
	ck_assert_uint_le(at - 1 + n, STREAM_BYTES);
	if (s->p == NULL)
		s->p = calloc(1, STREAM_BYTES);
	ck_assert_ptr_nonnull(s->p);
	memcpy(s->p + at - 1, tcp + 20, n);
	s->n_bytes += n;
	if (at - 1 + n > s->n)
		s->n = at - 1 + n;
}

static void
see_packet(const uint8_t *ip, size_t n)
{
	bool v6 = ip[0] >> 4 == 6;
	size_t head = v6 ? 40 : 20;
	const uint8_t *ends = ip + (v6 ? 8 : 12);
	uint32_t pseudo = 6 + (uint32_t)(n - head);

	ck_assert_uint_eq(v6 ? get(ip + 4, 2) + 40 : get(ip + 2, 2), n);
	if (!v6)
		ck_assert_uint_eq(sum(0, ip, 20), 0xffff);
	pseudo = sum(pseudo, ends, v6 ? 32 : 8);
	ck_assert_uint_eq(sum(pseudo, ip + head, n - head), 0xffff);
	see_tcp(ip + head, n - head);
	n_packets++;
}

/* Returns the file's size; 0: it is not there. */
static off_t
read_file(const char *name)
{
	char pcap_err[PCAP_ERRBUF_SIZE];
	struct stat st;
	struct pcap_pkthdr *head;
	const u_char *packet;
	pcap_t *pcap;

	if (stat(name, &st) != 0)
		return 0;
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	pcap = pcap_open_offline_with_tstamp_precision(
	    name, PCAP_TSTAMP_PRECISION_NANO, pcap_err);
	ck_assert_msg(pcap != NULL, "%s", pcap_err);
	ck_assert_int_eq(pcap_datalink(pcap), DLT_RAW);
	while (pcap_next_ex(pcap, &head, &packet) == 1)
		see_packet(packet, head->caplen);
	pcap_close(pcap);
	return st.st_size;
}

static void
forget_streams(void)
{
	for (int i = 0; i < 2 * CONNS; i++)
		free(streams[i / 2][i % 2].p);
	memset(streams, 0, sizeof(streams));
	n_packets = 0;
}

/* ---- writing ---- */

static struct address
v4(uint16_t port)
{
	struct address at = { .len_bytes = sizeof(struct sockaddr_in) };
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(0x7f000001) };

	memcpy(&at.sa, &in, sizeof(in));
	return at;
}

static struct address
v6(uint16_t port)
{
	struct address at = { .len_bytes = sizeof(struct sockaddr_in6) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = in6addr_loopback };

	memcpy(&at.sa, &in6, sizeof(in6));
	return at;
}

static struct record *
begin(uint64_t file_bytes, unsigned n_files, size_t ring_bytes)
{
	const struct record_settings set = { .path = path,
		.file_bytes = file_bytes,
		.n_files = n_files,
		.ring_bytes = ring_bytes };
	struct record *rec = record_new(&set, err);

	ck_assert_msg(rec != NULL, "%s", err);
	return rec;
}

/* Connection `i` of 127.0.0.1:1000 + i, or of ::1. */
static void
open_conn(struct record *rec, unsigned i, bool ipv6)
{
	uint16_t port = (uint16_t)(1000 + i);
	struct address peer = ipv6 ? v6(port) : v4(port);
	struct address local = v4(OUR_PORT);

	record_open(rec, i, &peer, &local);
}

static uint8_t
byte_at(unsigned conn, int way, size_t at)
{
	return (uint8_t)(at * 7 + at / 251 + conn * 31 + (unsigned)way * 5);
}

/* Bytes [at, at + n) of a stream, as three slices. */
static void
record_some(struct record *rec, unsigned conn, int way, size_t at, size_t n)
{
	uint8_t *p = malloc(n + 1);
	struct bnet_slice pieces[3];

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(conn, way, at + i);
	pieces[0] = (struct bnet_slice){ p, n / 3 };
	pieces[1] = (struct bnet_slice){ NULL, 0 };
	pieces[2] = (struct bnet_slice){ p + n / 3, n - n / 3 };
	record_bytes(rec, conn, (enum record_way)way, pieces, 3);
	free(p);
}

static void
check_stream(unsigned conn, int way, size_t n)
{
	const struct stream *s = &streams[conn][way];

	ck_assert_msg(s->n == n && s->n_bytes == n,
	    "connection %u, way %d: %zu and %zu bytes, not %zu", conn, way,
	    s->n, s->n_bytes, n);
	for (size_t i = 0; i < n; i++)
		if (s->p[i] != byte_at(conn, way, i))
			ck_abort_msg("connection %u, way %d: byte %zu is wrong",
			    conn, way, i);
	ck_assert_int_eq(s->n_syn, 1);
	ck_assert_int_eq(s->n_fin, 1);
}

/* ---- tests ---- */

START_TEST(two_connections)
{
	struct record *rec = begin(1 << 24, 2, 0);

	ck_assert(record_start(rec));
	open_conn(rec, 0, false);
	open_conn(rec, 1, true);
	record_some(rec, 0, RECORD_IN, 0, 10);
	record_some(rec, 1, RECORD_OUT, 0, 40000); /* several segments */
	record_some(rec, 0, RECORD_OUT, 0, 16385);
	record_some(rec, 0, RECORD_IN, 10, 1);
	record_close(rec, 0);
	record_some(rec, 1, RECORD_IN, 0, 16384);
	record_close(rec, 1);
	ck_assert_uint_eq(record_dropped(rec), 0);
	record_free(rec);
	ck_assert_int_gt(read_file(path), 0);
	check_stream(0, RECORD_IN, 11);
	check_stream(0, RECORD_OUT, 16385);
	check_stream(1, RECORD_IN, 16384);
	check_stream(1, RECORD_OUT, 40000);
}
END_TEST

START_TEST(unknown_connections)
{
	struct record *rec = begin(1 << 24, 1, 0);

	record_some(rec, 7, RECORD_IN, 0, 10); /* never opened */
	record_close(rec, 7);
	ck_assert_uint_eq(record_dropped(rec), 1);
	record_free(rec); /* never started */
	ck_assert_int_eq(read_file(path), 24);
}
END_TEST

struct worker {
	pthread_t thread;
	struct record *rec;
	unsigned conn;
	size_t n[2]; /* bytes of each way */
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	size_t some;

	open_conn(w->rec, w->conn, w->conn % 2 == 1);
	for (size_t i = 0; i < 400; i++) {
		some = i * 37 % 1500 + 1;
		record_some(w->rec, w->conn, (int)(i & 1), w->n[i & 1], some);
		w->n[i & 1] += some;
	}
	record_close(w->rec, w->conn);
	return NULL;
}

START_TEST(four_threads)
{
	struct record *rec = begin(1 << 24, 1, 0);
	struct worker w[4];

	ck_assert(record_start(rec));
	for (unsigned i = 0; i < 4; i++) {
		w[i] = (struct worker){ .rec = rec, .conn = i };
		ck_assert_int_eq(
		    pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(w[i].thread, NULL);
	ck_assert_uint_eq(record_dropped(rec), 0);
	record_free(rec);
	(void)read_file(path);
	for (unsigned i = 0; i < 4; i++)
		for (int way = 0; way < 2; way++)
			check_stream(i, way, w[i].n[way]);
}
END_TEST

START_TEST(rotation)
{
	struct record *rec = begin(65536, 3, 0);
	char name[128];
	off_t size;

	open_conn(rec, 0, false);
	for (size_t i = 0; i < 200; i++)
		record_some(rec, 0, RECORD_IN, i * 3000, 3000);
	record_close(rec, 0);
	record_free(rec);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), "%s.%d", path, i);
		size = read_file(i == 0 ? path : name);
		ck_assert_int_le(size, 65536);
		ck_assert_msg((size > 0) == (i < 3), "file %d", i);
		if (i == 0)
			ck_assert_int_eq(streams[0][0].n_fin, 1);
	}
	/* the last bytes are there, and all that they follow */
	ck_assert_uint_eq(streams[0][0].n, 600000);
	ck_assert_uint_gt(streams[0][0].n_bytes, 65536);
	ck_assert_int_eq(streams[0][0].n_syn, 0);
}
END_TEST

START_TEST(overflow_leaves_a_gap)
{
	struct record *rec = begin(1 << 24, 1, 65536);

	open_conn(rec, 0, false);
	for (size_t i = 0; i < 4; i++) /* the fourth has no room */
		record_some(rec, 0, RECORD_IN, i * 16384, 16384);
	record_some(rec, 0, RECORD_IN, (size_t)4 * 16384, 100);
	record_close(rec, 0);
	ck_assert_uint_eq(record_dropped(rec), 1);
	ck_assert(record_start(rec));
	record_free(rec);
	(void)read_file(path);
	ck_assert_uint_eq(streams[0][0].n, 4 * 16384 + 100);
	ck_assert_uint_eq(streams[0][0].n_bytes, 3 * 16384 + 100);
	ck_assert_int_eq(streams[0][0].n_fin, 1);
}
END_TEST

START_TEST(what_is_there_is_kept)
{
	char name[128];

	record_free(begin(65536, 2, 0));
	record_free(begin(65536, 2, 0));
	(void)snprintf(name, sizeof(name), "%s.1", path);
	ck_assert_int_eq(read_file(path), 24);
	ck_assert_int_eq(read_file(name), 24);
	record_free(begin(65536, 1, 0));
	ck_assert_int_eq(read_file(path), 24);
}
END_TEST

START_TEST(bad_paths)
{
	struct record_settings set = {
		.path = dir, .file_bytes = 65536, .n_files = 2
	};
	char name[128];

	ck_assert_ptr_null(record_new(&set, err));
	ck_assert_ptr_nonnull(strstr(err, "expected a regular file"));
	(void)snprintf(name, sizeof(name), "%s/nowhere/x.pcap", dir);
	set.path = name;
	ck_assert_ptr_null(record_new(&set, err));
	ck_assert_ptr_nonnull(strstr(err, "No such file"));
	ck_assert_ptr_nonnull(strstr(err, name));
}
END_TEST

static void
until(struct record *rec, bool (*is)(struct record *rec))
{
	while (!is(rec))
		usleep(1000);
}

static bool
has_stopped(struct record *rec)
{
	return !record_works(rec);
}

/* All `n` are in the file or counted, once the ring is empty. */
static void
record_free_after(struct record *rec, uint64_t n)
{
	uint64_t lost;

	while (record_written(rec) + record_dropped(rec) < n)
		usleep(1000);
	ck_assert_uint_eq(record_written(rec) + record_dropped(rec), n);
	lost = record_dropped(rec);
	record_free(rec);
	(void)read_file(path);
	ck_assert_uint_eq((uint64_t)n_packets + lost, n);
}

/*
 * A disk that is full, at any byte of a record: the file has whole records,
 * every segment is in it or counted, and when there is room it goes on.
 */
START_TEST(full_disk)
{
	struct rlimit little = { 100000 + (rlim_t)_i * 7, RLIM_INFINITY };
	struct record *rec = begin(1 << 24, 2, 0);
	uint64_t n_segments = 3; /* of the beginning */
	struct stat st;
	uint64_t lost;

	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &little), 0);
	ck_assert(record_start(rec));
	open_conn(rec, 0, false);
	for (size_t i = 0; i < 100 || record_works(rec); i++, n_segments++)
		record_some(rec, 0, RECORD_IN, i % 100 * 3000, 3000);
	until(rec, has_stopped);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_le(st.st_size, (off_t)little.rlim_cur);
	/* no room for it: it stays so */
	record_again(rec);
	lost = record_dropped(rec);
	record_some(rec, 0, RECORD_IN, 0, 100);
	n_segments++;
	ck_assert_uint_gt(record_dropped(rec), lost);
	little.rlim_cur = RLIM_INFINITY;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &little), 0);
	record_again(rec);
	until(rec, record_works);
	record_some(rec, 0, RECORD_OUT, 0, 100);
	record_close(rec, 0);
	n_segments += 4;
	record_free_after(rec, n_segments);
	ck_assert_int_gt(n_packets, 4);
	ck_assert_uint_eq(streams[0][1].n_bytes, 100);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("record");
	TCase *tc = unit_case(suite, "record");

	tcase_add_checked_fixture(tc, make_dir, remove_dir);
	tcase_add_checked_fixture(tc, NULL, forget_streams);
	tcase_add_test(tc, two_connections);
	tcase_add_test(tc, unknown_connections);
	tcase_add_test(tc, four_threads);
	tcase_add_test(tc, rotation);
	tcase_add_test(tc, overflow_leaves_a_gap);
	tcase_add_test(tc, what_is_there_is_kept);
	tcase_add_test(tc, bad_paths);
	tcase_add_loop_test(tc, full_disk, 0, 9);
	return suite;
}

UNIT_MAIN(make_suite)
