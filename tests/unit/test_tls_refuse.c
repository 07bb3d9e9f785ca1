/* SPDX-License-Identifier: MIT */
/* bnet_tls: what is refused, what is damaged, and the ceilings. */
#include "tests/unit/tls_ends.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static const enum bnet_tls_version versions[] = { BNET_TLS_1_2, BNET_TLS_1_3 };

#define N_VERSIONS 2

static struct end client, server;

static void
teardown(void)
{
	end_close(&client);
	end_close(&server);
	client = server = (struct end){ 0 };
}

static void
open_both(const struct bnet_tls_settings *cs, const char *host,
    const struct bnet_tls_settings *ss)
{
	end_open(&client, cs, host);
	end_open(&server, ss, NULL);
}

static void
connect_default(enum bnet_tls_version version)
{
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();

	ss.version_max = version;
	open_both(&cs, "localhost", &ss);
	settle(&client, &server, SIZE_MAX);
	ck_assert(bnet_tls_ready(client.tls) && bnet_tls_ready(server.tls));
}

/* Who refuses whom, and what both then say. */
static const struct refusal {
	const char *name;
	const char *host;
	enum ident_id ca; /* the client's */
	enum ident_id server;
	enum ident_id client; /* ID_CA: shows no certificate */
	bool require; /* the server demands one of ID_CA */
	bool client_refuses;
	const char *why; /* in the words of who refuses */
	const char *alert; /* in the words of the other */
} refusals[] = {
	{ "unknown CA", "localhost", ID_OTHER_CA, ID_SERVER, ID_CA, false, true,
	    "unable to get local issuer certificate", "unknown CA" },
	{ "wrong host", "other.example", ID_CA, ID_SERVER, ID_CA, false, true,
	    "hostname mismatch", "bad certificate" },
	{ "prefix of the host", "local", ID_CA, ID_SERVER, ID_CA, false, true,
	    "hostname mismatch", "bad certificate" },
	{ "wrong address", "127.0.0.2", ID_CA, ID_SERVER, ID_CA, false, true,
	    "IP address mismatch", "bad certificate" },
	{ "expired", "localhost", ID_CA, ID_EXPIRED, ID_CA, false, true,
	    "certificate has expired", "certificate expired" },
	{ "no client certificate", "localhost", ID_CA, ID_SERVER, ID_CA, true,
	    false, "peer did not return a certificate", "" },
	{ "client of another CA", "localhost", ID_CA, ID_SERVER, ID_STRANGER,
	    true, false, "unable to get local issuer certificate",
	    "unknown CA" },
};

#define N_REFUSALS (int)(sizeof(refusals) / sizeof(refusals[0]))

static void
check_refused(const struct end *end, const char *name, const char *words)
{
	const char *reason = bnet_tls_reason(end->tls);

	ck_assert_msg(end->err == BNET_ETLS, "%s: %d", name, end->err);
	ck_assert_msg(
	    strstr(reason, words) != NULL, "%s: \"%s\"", name, reason);
}

START_TEST(refused)
{
	const struct refusal *row = &refusals[_i / N_VERSIONS];
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();
	struct end *judge = row->client_refuses ? &client : &server;
	struct end *judged = row->client_refuses ? &server : &client;

	cs.version_max = versions[_i % N_VERSIONS];
	cs.ca_pem = cert_of(row->ca);
	ss.cert_pem = cert_of(row->server);
	ss.key_pem = key_of(row->server);
	if (row->client != ID_CA) {
		cs.cert_pem = cert_of(row->client);
		cs.key_pem = key_of(row->client);
	}
	if (row->require) {
		ss.ca_pem = cert_of(ID_CA);
		ss.require_peer_cert = true;
	}
	open_both(&cs, row->host, &ss);
	settle(&client, &server, SIZE_MAX);
	check_refused(judge, row->name, row->why);
	check_refused(judged, row->name, "alert from the peer: ");
	check_refused(judged, row->name, row->alert);
	ck_assert(!bnet_tls_ready(judge->tls));
	ck_assert_int_eq(bnet_tls_end(judge->tls), BNET_ECUT);
}
END_TEST

START_TEST(no_common_version)
{
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();

	cs.version_max = BNET_TLS_1_2;
	ss.version_min = BNET_TLS_1_3;
	open_both(&cs, "localhost", &ss);
	settle(&client, &server, SIZE_MAX);
	check_refused(&server, "version", "unsupported protocol");
	check_refused(&client, "version", "protocol version");
}
END_TEST

/* Once lost, every call says the same and nothing more is sent. */
START_TEST(lost_is_lost)
{
	struct bnet_slice s = { (const uint8_t *)"x", 1 };
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();

	cs.ca_pem = cert_of(ID_OTHER_CA);
	open_both(&cs, "localhost", &ss);
	settle(&client, &server, SIZE_MAX);
	ck_assert_int_eq(end_feed(&client, s), BNET_ETLS);
	ck_assert_int_eq(bnet_tls_send(client.tls, s, &client.wire), BNET_ETLS);
	ck_assert_int_eq(bnet_tls_start(client.tls, &client.wire), BNET_ETLS);
	ck_assert_int_eq(bnet_tls_close(client.tls, &client.wire), BNET_ETLS);
	ck_assert_uint_eq(client.wire.len, 0);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

START_TEST(bad_hosts)
{
	static const char *const bad[] = { "", NULL };
	struct bnet_tls_settings cs = client_settings();
	char longest[257];

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	end_open(&client, &cs, bad[_i] == NULL ? longest : bad[_i]);
	ck_assert_int_eq(client.err, BNET_ETLS);
	ck_assert_str_eq(bnet_tls_reason(client.tls), "not a host name");
	ck_assert_uint_eq(client.wire.len, 0);
}
END_TEST

#define BYTES(s) \
	{ \
		(const uint8_t *)(s), sizeof(s) - 1 \
	}

static const struct bnet_slice garbage[] = {
	BYTES("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
	BYTES("\x10\x00\x00\x11\x00\x00\x00\x09\x20\x41\xce\xff\xf0\xbf\x81"),
	BYTES("\x16\x03\x01\x00\x04\x02\x00\x00\x00"), /* out of turn */
	BYTES("\x16\x03\x03\xff\xff\x01\x00\xff\xfb"), /* over 16 KiB */
	BYTES("\x17\x03\x03\x00\x05hello"), /* data in the clear */
	BYTES("\x15\x03\x03\x00\x02\x02\x28"), /* an alert */
};

#define N_GARBAGE (int)(sizeof(garbage) / sizeof(garbage[0]))

START_TEST(not_tls)
{
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();
	struct end *ends[] = { &client, &server };

	open_both(&cs, "localhost", &ss);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(end_feed(ends[i], garbage[_i]), BNET_ETLS);
		ck_assert_str_ne(bnet_tls_reason(ends[i]->tls), "");
		ck_assert_uint_eq(ends[i]->plain.len, 0);
		ck_assert_int_eq(bnet_tls_end(ends[i]->tls), BNET_ECUT);
	}
}
END_TEST

/* The first flight, cut at every byte, waits; with a byte wrong, it fails. */
START_TEST(every_prefix)
{
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();
	struct bnet_slice hello;

	end_open(&client, &cs, "localhost");
	hello = bnet_buf_slice(&client.wire);
	for (size_t n = 0; n < hello.len; n++) {
		end_open(&server, &ss, NULL);
		ck_assert_int_eq(
		    end_feed(&server, (struct bnet_slice){ hello.p, n }),
		    BNET_OK);
		ck_assert(!bnet_tls_ready(server.tls));
		ck_assert_int_eq(bnet_tls_end(server.tls), BNET_ECUT);
		end_close(&server);
	}
	server = (struct end){ 0 };
}
END_TEST

/* One flipped bit anywhere in a record is noticed by both ends. */
START_TEST(flipped_bit)
{
	connect_default(versions[_i]);
	say(&client, "hello");
	client.wire.p[client.wire.at + client.wire.len - 1] ^= 1;
	settle(&client, &server, SIZE_MAX);
	check_refused(&server, "flipped", "bad record mac");
	check_refused(&client, "flipped", "alert from the peer: bad record");
	ck_assert_uint_eq(server.plain.len, 0);
}
END_TEST

START_TEST(plain_ceiling)
{
	static const uint8_t zeros[5000];
	struct bnet_slice s = { zeros, sizeof(zeros) };

	connect_default(versions[_i]);
	server.plain.max = sizeof(zeros); /* exactly enough */
	ck_assert_int_eq(bnet_tls_send(client.tls, s, &client.wire), BNET_OK);
	carry(&client, &server, SIZE_MAX);
	ck_assert_int_eq(server.err, BNET_OK);
	ck_assert_uint_eq(server.plain.len, sizeof(zeros));
	bnet_buf_clear(&server.plain);

	server.plain.max = sizeof(zeros) - 1;
	ck_assert_int_eq(bnet_tls_send(client.tls, s, &client.wire), BNET_OK);
	carry(&client, &server, SIZE_MAX);
	ck_assert_int_eq(server.err, BNET_ELIMIT);
	ck_assert_uint_le(server.plain.len, server.plain.max);
	ck_assert_int_eq(end_feed(&server, s), BNET_ELIMIT);
}
END_TEST

START_TEST(wire_ceiling)
{
	static const uint8_t zeros[50000];
	struct bnet_slice s = { zeros, sizeof(zeros) };

	connect_default(versions[_i]);
	client.wire.max = 40000;
	ck_assert_int_eq(
	    bnet_tls_send(client.tls, s, &client.wire), BNET_ELIMIT);
	ck_assert_uint_le(client.wire.len, client.wire.max);
	bnet_buf_clear(&client.wire);
	s.len = 1; /* a record is missing: it can not go on */
	ck_assert_int_eq(
	    bnet_tls_send(client.tls, s, &client.wire), BNET_ELIMIT);
	ck_assert_uint_eq(client.wire.len, 0);
}
END_TEST

START_TEST(handshake_ceiling)
{
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();

	open_both(&cs, "localhost", &ss);
	server.wire.max = 100;
	carry(&client, &server, SIZE_MAX);
	ck_assert_int_eq(server.err, BNET_ELIMIT);
	ck_assert_uint_le(server.wire.len, 100);
}
END_TEST

#define NOT_PEM BYTES("-----BEGIN CERTIFICATE-----\nAAAA\n")

struct bad_settings {
	enum bnet_tls_role role;
	struct bnet_slice cert, key, ca;
	enum bnet_tls_version min, max;
	const char *why; /* how the reason starts */
};

static void
check_set(const struct bnet_tls_settings *set, const char *want)
{
	struct bnet_tls_ctx *ctx = NULL;
	char why[100] = "?", little[5] = "????";

	unit_err(
	    want, bnet_tls_ctx_new(set, &ctx, why, sizeof(why)), BNET_ETLS);
	ck_assert_ptr_null(ctx);
	ck_assert_msg(strncmp(why, want, strlen(want)) == 0,
	    "\"%s\", not \"%s\"", why, want);
	unit_err(want, bnet_tls_ctx_new(set, &ctx, NULL, 0), BNET_ETLS);
	unit_err(want, bnet_tls_ctx_new(set, &ctx, little, sizeof(little)),
	    BNET_ETLS);
	ck_assert_uint_eq(strlen(little), 4);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}

static void
check_bad(const struct bad_settings *row)
{
	const struct bnet_tls_settings set = {
		.role = row->role,
		.cert_pem = row->cert,
		.key_pem = row->key,
		.ca_pem = row->ca,
		.version_min = row->min,
		.version_max = row->max,
	};

	check_set(&set, row->why);
}

/* It is not to be mistaken who verifies the peer. */
START_TEST(bad_trust)
{
	struct bnet_tls_settings set = client_settings();

	set.insecure = true;
	check_set(&set, "either a CA or insecure");
	set = server_settings();
	set.require_peer_cert = true;
	check_set(&set, "a CA is needed");
}
END_TEST

/* Settings that no connection can be made with. */
START_TEST(bad_settings)
{
	struct bnet_slice none = { 0 }, not_pem = NOT_PEM,
			  text = BYTES("no PEM at all\n");
	struct bnet_slice cut = cert_of(ID_CHAINED); /* in its second one */
	struct bnet_buf locked = { .max = 1 << 16 };
	struct bad_settings rows[] = {
		{ BNET_TLS_SERVER, none, none, none, 0, 0,
		    "a server needs a certificate" },
		{ BNET_TLS_CLIENT, cert_of(ID_CLIENT), none, none, 0, 0,
		    "certificate and private key come together" },
		{ BNET_TLS_CLIENT, none, key_of(ID_CLIENT), none, 0, 0,
		    "certificate and private key come together" },
		{ BNET_TLS_SERVER, cert_of(ID_SERVER), key_of(ID_CA), none, 0,
		    0, "private key: key values mismatch" },
		{ BNET_TLS_SERVER, text, key_of(ID_CA), none, 0, 0,
		    "certificate: no start line" },
		{ BNET_TLS_SERVER, not_pem, key_of(ID_CA), none, 0, 0,
		    "certificate: " },
		{ BNET_TLS_SERVER, cut, key_of(ID_CHAINED), none, 0, 0,
		    "certificate: " },
		{ BNET_TLS_SERVER, cert_of(ID_SERVER), text, none, 0, 0,
		    "private key: " },
		{ BNET_TLS_SERVER, cert_of(ID_SERVER), none, none, 0, 0,
		    "private key: " }, /* `locked`, below */
		{ BNET_TLS_CLIENT, none, none, text, 0, 0,
		    "CA: no start line" },
		{ BNET_TLS_CLIENT, none, none, none, BNET_TLS_1_3, BNET_TLS_1_2,
		    "lowest TLS version is above the highest" },
	};

	rows[6].cert.len -= 40;
	put_key(&locked, idents[ID_SERVER].key, EVP_aes_128_cbc());
	rows[8].key = bnet_buf_slice(&locked);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_bad(&rows[i]);
	bnet_buf_free(&locked);
}
END_TEST

static Suite *
tls_suite(void)
{
	Suite *suite = suite_create("tls refusals");
	TCase *tc = unit_case(suite, "refuse");

	tcase_add_unchecked_fixture(tc, make_idents, free_idents);
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_loop_test(tc, refused, 0, N_REFUSALS * N_VERSIONS);
	tcase_add_test(tc, no_common_version);
	tcase_add_test(tc, lost_is_lost);
	tcase_add_loop_test(tc, bad_hosts, 0, 2);
	tcase_add_loop_test(tc, not_tls, 0, N_GARBAGE);
	tcase_add_test(tc, every_prefix);
	tcase_add_loop_test(tc, flipped_bit, 0, N_VERSIONS);
	tcase_add_loop_test(tc, plain_ceiling, 0, N_VERSIONS);
	tcase_add_loop_test(tc, wire_ceiling, 0, N_VERSIONS);
	tcase_add_test(tc, handshake_ceiling);
	tcase_add_test(tc, bad_settings);
	tcase_add_test(tc, bad_trust);
	return suite;
}

UNIT_MAIN(tls_suite)
