/* SPDX-License-Identifier: MIT */
/* bnet_tls: what works, both ends ours. Refusals: test_tls_refuse.c. */
#include "tests/unit/tls_ends.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

#define BIG_BYTES 70000 /* several records, many times the pair */

static const size_t chunks[] = { 1, 7, 4096, SIZE_MAX };
static const enum bnet_tls_version versions[] = { BNET_TLS_1_2, BNET_TLS_1_3 };

#define N_CHUNKS 4
#define N_VERSIONS 2

static struct end client, server;

/* A handshake under settings; both ends must be happy with it. */
static void
connect_with(const struct bnet_tls_settings *cs, const char *host,
    const struct bnet_tls_settings *ss, size_t chunk)
{
	end_open(&client, cs, host);
	end_open(&server, ss, NULL);
	ck_assert(!bnet_tls_ready(client.tls));
	ck_assert_int_eq(bnet_tls_version(client.tls), 0);
	settle(&client, &server, chunk);
	ck_assert_msg(
	    client.err == BNET_OK, "client: %s", bnet_tls_reason(client.tls));
	ck_assert_msg(
	    server.err == BNET_OK, "server: %s", bnet_tls_reason(server.tls));
	ck_assert(bnet_tls_ready(client.tls));
	ck_assert(bnet_tls_ready(server.tls));
}

static void
connect_default(enum bnet_tls_version version)
{
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();

	ss.version_max = version;
	connect_with(&cs, "localhost", &ss, SIZE_MAX);
}

static void
teardown(void)
{
	end_close(&client);
	end_close(&server);
	client = server = (struct end){ 0 };
}

static void
fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)(seed >> 24);
	}
}

static void
send_big(struct end *from, struct end *to, uint32_t seed, size_t chunk)
{
	uint8_t *big = malloc(BIG_BYTES);

	ck_assert_ptr_nonnull(big);
	fill(big, BIG_BYTES, seed);
	ck_assert_int_eq(
	    bnet_tls_send(
		from->tls, (struct bnet_slice){ big, BIG_BYTES }, &from->wire),
	    BNET_OK);
	ck_assert_uint_gt(from->wire.len, BIG_BYTES);
	carry(from, to, chunk);
	ck_assert_uint_eq(to->plain.len, BIG_BYTES);
	ck_assert_mem_eq(to->plain.p + to->plain.at, big, BIG_BYTES);
	bnet_buf_clear(&to->plain);
	free(big);
}

/* Handshake, small and large payloads, and the end; version by chunk. */
START_TEST(whole_session)
{
	size_t chunk = chunks[_i / N_VERSIONS];
	enum bnet_tls_version version = versions[_i % N_VERSIONS];
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();

	cs.require_alpn = ss.require_alpn = true;
	cs.version_min = cs.version_max = version;
	connect_with(&cs, "localhost", &ss, chunk);
	ck_assert_int_eq(bnet_tls_version(client.tls), version);
	ck_assert_int_eq(bnet_tls_version(server.tls), version);
	ck_assert(bnet_tls_alpn(client.tls) && bnet_tls_alpn(server.tls));
	say(&client, "ping");
	say(&server, "po");
	say(&server, "ng");
	settle(&client, &server, chunk);
	heard(&server, "ping");
	heard(&client, "pong");
	send_big(&client, &server, 1, chunk);
	send_big(&server, &client, 2, chunk);
	ck_assert_int_eq(bnet_tls_close(client.tls, &client.wire), BNET_OK);
	carry(&client, &server, chunk);
	ck_assert_int_eq(server.err, BNET_CLOSED);
	ck_assert_int_eq(bnet_tls_close(server.tls, &server.wire), BNET_OK);
	carry(&server, &client, chunk);
	ck_assert_int_eq(client.err, BNET_CLOSED);
	ck_assert_int_eq(bnet_tls_end(client.tls), BNET_CLOSED);
	ck_assert_int_eq(bnet_tls_end(server.tls), BNET_CLOSED);
	ck_assert_str_eq(bnet_tls_reason(client.tls), "");
	ck_assert_str_eq(bnet_tls_reason(server.tls), "");
}
END_TEST

/* A pair of any size carries records of any size. */
START_TEST(pair_sizes)
{
	static const size_t sizes[] = { 1, 300, 1024, 17000, 100000 };
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();

	cs.pair_bytes = sizes[_i];
	ss.pair_bytes = sizes[4 - _i];
	connect_with(&cs, "localhost", &ss, 1000);
	send_big(&client, &server, 3, SIZE_MAX);
	send_big(&server, &client, 4, 12345);
}
END_TEST

START_TEST(send_needs_a_handshake)
{
	struct bnet_tls_settings cs = client_settings();
	struct bnet_slice s = { (const uint8_t *)"early", 5 };
	size_t hello_bytes;

	end_open(&client, &cs, "localhost");
	ck_assert_int_eq(client.err, BNET_OK);
	hello_bytes = client.wire.len;
	ck_assert_uint_gt(hello_bytes, 100);
	ck_assert_int_eq(client.wire.p[client.wire.at], 22); /* handshake */
	ck_assert_int_eq(bnet_tls_send(client.tls, s, &client.wire), BNET_MORE);
	ck_assert_int_eq(bnet_tls_close(client.tls, &client.wire), BNET_OK);
	ck_assert_uint_eq(client.wire.len, hello_bytes);
	ck_assert_int_eq(bnet_tls_end(client.tls), BNET_ECUT);
}
END_TEST

START_TEST(nothing_is_nothing)
{
	struct bnet_slice none = { 0 };

	connect_default(versions[_i]);
	ck_assert_int_eq(end_feed(&server, none), BNET_OK);
	ck_assert_int_eq(
	    bnet_tls_send(client.tls, none, &client.wire), BNET_OK);
	ck_assert_uint_eq(client.wire.len + server.wire.len, 0);
}
END_TEST

/* What was sent before close_notify arrives, even in the same bytes. */
START_TEST(close_after_data)
{
	connect_default(versions[_i]);
	say(&client, "last words");
	ck_assert_int_eq(bnet_tls_close(client.tls, &client.wire), BNET_OK);
	ck_assert_int_eq(
	    end_feed(&server, bnet_buf_slice(&client.wire)), BNET_CLOSED);
	heard(&server, "last words");
	ck_assert_int_eq(bnet_tls_end(server.tls), BNET_CLOSED);
	/* what follows it is not the peer's any more */
	ck_assert_int_eq(
	    end_feed(&server, bnet_buf_slice(&client.wire)), BNET_CLOSED);
	ck_assert_uint_eq(server.plain.len, 0);
	/* a second close says nothing */
	bnet_buf_clear(&client.wire);
	ck_assert_int_eq(bnet_tls_close(client.tls, &client.wire), BNET_OK);
	ck_assert_uint_eq(client.wire.len, 0);
}
END_TEST

/* One direction is closed, the other goes on. */
START_TEST(half_close)
{
	connect_default(versions[_i]);
	ck_assert_int_eq(bnet_tls_close(client.tls, &client.wire), BNET_OK);
	carry(&client, &server, SIZE_MAX);
	ck_assert_int_eq(bnet_tls_end(client.tls), BNET_ECUT);
	send_big(&server, &client, 5, SIZE_MAX);
}
END_TEST

START_TEST(cut_is_no_close)
{
	connect_default(versions[_i]);
	say(&client, "half a record");
	ck_assert_int_eq(
	    end_feed(&server,
		(struct bnet_slice){ client.wire.p + client.wire.at, 12 }),
	    BNET_OK);
	ck_assert_uint_eq(server.plain.len, 0);
	ck_assert_int_eq(bnet_tls_end(server.tls), BNET_ECUT);
	ck_assert_int_eq(bnet_tls_end(client.tls), BNET_ECUT);
}
END_TEST

START_TEST(hosts)
{
	static const char *const good[] = { "localhost", "LOCALHOST",
		"127.0.0.1", "::1", NULL };
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();

	connect_with(&cs, good[_i], &ss, SIZE_MAX);
}
END_TEST

static void
check_subject(const struct end *end, const char *want)
{
	X509 *cert = bnet_tls_peer_cert(end->tls);
	char name[64];

	ck_assert_ptr_nonnull(cert);
	ck_assert_int_gt(X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
			     NID_commonName, name, sizeof(name)),
	    0);
	ck_assert_str_eq(name, want);
}

/* Certificates of either side, and where they are asked for. */
START_TEST(peer_certs)
{
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();

	connect_with(&cs, "localhost", &ss, SIZE_MAX);
	check_subject(&client, "server");
	ck_assert_ptr_null(bnet_tls_peer_cert(server.tls));
	teardown();

	cs.cert_pem = cert_of(ID_CLIENT);
	cs.key_pem = key_of(ID_CLIENT);
	ss.ca_pem = cert_of(ID_CA);
	connect_with(&cs, "localhost", &ss, SIZE_MAX);
	check_subject(&server, "client");
	teardown();

	/* no CA: somebody's, and the caller judges */
	cs.cert_pem = cert_of(ID_STRANGER);
	cs.key_pem = key_of(ID_STRANGER);
	ss.ca_pem = (struct bnet_slice){ 0 };
	ss.insecure = ss.require_peer_cert = true;
	connect_with(&cs, "localhost", &ss, SIZE_MAX);
	check_subject(&server, "stranger");
	teardown();

	/* a CA that is asked for but not demanded */
	cs = client_settings();
	ss = server_settings();
	ss.ca_pem = cert_of(ID_CA);
	connect_with(&cs, "localhost", &ss, SIZE_MAX);
	ck_assert_ptr_null(bnet_tls_peer_cert(server.tls));
}
END_TEST

START_TEST(trust)
{
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();

	/* leaf and issuer sent, root trusted */
	ss.cert_pem = cert_of(ID_CHAINED);
	ss.key_pem = key_of(ID_CHAINED);
	connect_with(&cs, "localhost", &ss, SIZE_MAX);
	teardown();
	/* the issuer trusted, which is no root */
	cs.ca_pem = cert_of(ID_BETWEEN);
	connect_with(&cs, "localhost", &ss, SIZE_MAX);
	teardown();
	/* nothing verified, not even the name */
	cs.ca_pem = (struct bnet_slice){ 0 };
	cs.insecure = true;
	connect_with(&cs, "elsewhere.example", &ss, SIZE_MAX);
	check_subject(&client, "chained");
}
END_TEST

/* Make one CA those of the system, in a file that is then removed. */
static void
set_system_ca(enum ident_id id, char path[])
{
	struct bnet_slice pem = cert_of(id);
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, pem.p, pem.len), (ssize_t)pem.len);
	close(fd);
	ck_assert_int_eq(setenv("SSL_CERT_FILE", path, 1), 0);
	ck_assert_int_eq(setenv("SSL_CERT_DIR", "/nonexistent", 1), 0);
}

static void
check_refused(const struct bnet_tls_settings *cs, const char *host,
    const struct bnet_tls_settings *ss, const char *why)
{
	end_open(&client, cs, host);
	end_open(&server, ss, NULL);
	settle(&client, &server, SIZE_MAX);
	ck_assert_int_eq(client.err, BNET_ETLS);
	ck_assert(!bnet_tls_ready(client.tls));
	ck_assert_msg(strstr(bnet_tls_reason(client.tls), why) != NULL, "%s",
	    bnet_tls_reason(client.tls));
	teardown();
}

/* Without a CA of its own a client trusts those of the system, by name. */
START_TEST(system_ca)
{
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();
	char right[] = "/tmp/test_tls_XXXXXX", wrong[] = "/tmp/test_tls_XXXXXX";

	cs.ca_pem = (struct bnet_slice){ 0 };
	set_system_ca(ID_OTHER_CA, wrong);
	check_refused(&cs, "localhost", &ss, "unable to get local issuer");
	set_system_ca(ID_CA, right);
	check_refused(&cs, "elsewhere.example", &ss, "hostname mismatch");
	check_refused(&cs, NULL, &ss, "a host is needed");
	connect_with(&cs, "localhost", &ss, SIZE_MAX);
	teardown();
	/* they are not asked where the program has its own */
	cs.ca_pem = cert_of(ID_OTHER_CA);
	check_refused(&cs, "localhost", &ss, "unable to get local issuer");
	unlink(right);
	unlink(wrong);
	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
}
END_TEST

#define KEYLOG_BYTES 4096

static void
keep_line(void *arg, const char *line)
{
	char *all = arg;
	size_t at = strlen(all);

	ck_assert_ptr_null(strchr(line, '\n'));
	ck_assert_uint_lt(at + strlen(line) + 1, KEYLOG_BYTES);
	(void)snprintf(all + at, KEYLOG_BYTES - at, "%s\n", line);
}

/* `label` SP 32 bytes of client random SP secret, both in hex. */
static void
check_line(const char *all, const char *label, size_t secret_digits)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	const char *line = strstr(all, label);

	ck_assert_msg(line != NULL, "no %s", label);
	line += strlen(label);
	ck_assert_int_eq(*line++, ' ');
	ck_assert_uint_eq(strspn(line, hex), 64);
	ck_assert_int_eq(line[64], ' ');
	ck_assert_uint_eq(strspn(line + 65, hex), secret_digits);
	ck_assert_int_eq(line[65 + secret_digits], '\n');
}

START_TEST(keylog)
{
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();
	char ours[KEYLOG_BYTES] = "", theirs[KEYLOG_BYTES] = "";

	cs.keylog = ss.keylog = keep_line;
	cs.keylog_arg = ours;
	ss.keylog_arg = theirs;
	ss.version_max = versions[_i];
	connect_with(&cs, "localhost", &ss, SIZE_MAX);
	if (versions[_i] == BNET_TLS_1_2) {
		check_line(ours, "CLIENT_RANDOM", 96);
		ck_assert_str_eq(ours, theirs);
		return;
	}
	/* SHA-384 suites come first in OpenSSL's list */
	check_line(ours, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", 96);
	check_line(ours, "SERVER_HANDSHAKE_TRAFFIC_SECRET", 96);
	check_line(ours, "CLIENT_TRAFFIC_SECRET_0", 96);
	check_line(ours, "SERVER_TRAFFIC_SECRET_0", 96);
	check_line(theirs, "EXPORTER_SECRET", 96);
	for (const char *line = ours; *line != '\0';) {
		size_t len = strcspn(line, "\n") + 1;
		char one[KEYLOG_BYTES];

		/* in another order, but both ends know the same */
		memcpy(one, line, len);
		one[len] = '\0';
		ck_assert_ptr_nonnull(strstr(theirs, one));
		line += len;
	}
}
END_TEST

static Suite *
tls_suite(void)
{
	Suite *suite = suite_create("tls");
	TCase *tc = unit_case(suite, "tls");

	tcase_add_unchecked_fixture(tc, make_idents, free_idents);
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_loop_test(tc, whole_session, 0, N_CHUNKS * N_VERSIONS);
	tcase_add_loop_test(tc, pair_sizes, 0, 5);
	tcase_add_test(tc, send_needs_a_handshake);
	tcase_add_loop_test(tc, nothing_is_nothing, 0, N_VERSIONS);
	tcase_add_loop_test(tc, close_after_data, 0, N_VERSIONS);
	tcase_add_loop_test(tc, half_close, 0, N_VERSIONS);
	tcase_add_loop_test(tc, cut_is_no_close, 0, N_VERSIONS);
	tcase_add_loop_test(tc, hosts, 0, 5);
	tcase_add_test(tc, peer_certs);
	tcase_add_test(tc, trust);
	tcase_add_test(tc, system_ca);
	tcase_add_loop_test(tc, keylog, 0, N_VERSIONS);
	return suite;
}

UNIT_MAIN(tls_suite)
