/* SPDX-License-Identifier: MIT */
/*
 * Sessions that are resumed, and what ends that: time, other CAs, revocation.
 * time() is ours, for OpenSSL too, so that a week passes at once.
 */
#include "tests/unit/tls_ends.h"
#include "tests/unit/unit.h"

#include <time.h>

#define WEEK_S (7 * DAY_S)

static const enum bnet_tls_version versions[] = { BNET_TLS_1_2, BNET_TLS_1_3 };

static struct end client, server;
static struct bnet_tls_ctx *client_ctx, *server_ctx;
static time_t ahead_s;

time_t
time(time_t *at)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += ahead_s;
	if (at != NULL)
		*at = now.tv_sec;
	return now.tv_sec;
}

static void
hang_up(void)
{
	end_close(&client);
	end_close(&server);
	client = server = (struct end){ 0 };
}

static void
forget(void)
{
	bnet_tls_ctx_free(client_ctx);
	bnet_tls_ctx_free(server_ctx);
	client_ctx = server_ctx = NULL;
}

static void
teardown(void)
{
	hang_up();
	forget();
	ahead_s = 0;
}

/* Both ends show a certificate; `who` is the client's. */
static struct bnet_tls_settings
settings_of(enum bnet_tls_role role, enum ident_id who)
{
	struct bnet_tls_settings set =
	    role == BNET_TLS_CLIENT ? client_settings() : server_settings();

	set.struct_bytes = sizeof(set);
	set.ca_pem = cert_of(ID_CA);
	if (role == BNET_TLS_CLIENT) {
		set.cert_pem = cert_of(who);
		set.key_pem = key_of(who);
	} else {
		set.require_peer_cert = true;
	}
	return set;
}

static void
meet(const struct bnet_tls_settings *cs, const struct bnet_tls_settings *ss)
{
	client_ctx = end_ctx(cs);
	server_ctx = end_ctx(ss);
}

static void
meet_default(enum bnet_tls_version version, enum ident_id who)
{
	struct bnet_tls_settings cs = settings_of(BNET_TLS_CLIENT, who);
	struct bnet_tls_settings ss = settings_of(BNET_TLS_SERVER, who);

	ss.version_max = version;
	meet(&cs, &ss);
}

static void
try_to(const char *host)
{
	end_open_in(&client, client_ctx, host);
	end_open_in(&server, server_ctx, NULL);
	settle(&client, &server, SIZE_MAX);
}

/* A connection, with a word each way. */
static void
talk(const char *host, bool resumed)
{
	try_to(host);
	unit_err(bnet_tls_reason(client.tls), client.err, BNET_OK);
	unit_err(bnet_tls_reason(server.tls), server.err, BNET_OK);
	ck_assert_int_eq(bnet_tls_resumed(client.tls), resumed);
	ck_assert_int_eq(bnet_tls_resumed(server.tls), resumed);
	say(&client, "ping");
	say(&server, "pong");
	settle(&client, &server, SIZE_MAX);
	heard(&server, "ping");
	heard(&client, "pong");
}

/* A connection that ends in order, or is cut. */
static void
talk_once(const char *host, bool resumed, bool cut)
{
	talk(host, resumed);
	if (!cut) {
		ck_assert_int_eq(
		    bnet_tls_close(client.tls, &client.wire), BNET_OK);
		carry(&client, &server, SIZE_MAX);
	}
	hang_up();
}

static void
check_cert(const struct end *end, enum ident_id who)
{
	ck_assert_ptr_nonnull(bnet_tls_peer_cert(end->tls));
	ck_assert_int_eq(
	    X509_cmp(bnet_tls_peer_cert(end->tls), idents[who].cert), 0);
}

/* Again and again, also after a cut; who it is stays known on both sides. */
START_TEST(again)
{
	meet_default(versions[_i], ID_CLIENT);
	talk_once("localhost", false, true);
	for (int i = 0; i < 4; i++)
		talk_once("localhost", true, i % 2 == 0);
	talk("localhost", true);
	check_cert(&server, ID_CLIENT);
	check_cert(&client, ID_SERVER);
	ck_assert_int_eq(bnet_tls_version(client.tls), versions[_i]);
}
END_TEST

/* One ticket serves many at once: a herd. */
START_TEST(herd)
{
	struct end first_client, first_server;

	meet_default(versions[_i], ID_CLIENT);
	talk_once("localhost", false, true);
	talk("localhost", true);
	first_client = client;
	first_server = server;
	talk("localhost", true);
	end_close(&first_client);
	end_close(&first_server);
}
END_TEST

/* What was verified for one name says nothing of another. */
START_TEST(other_host)
{
	meet_default(versions[_i], ID_CLIENT);
	talk_once("localhost", false, true);
	talk_once("127.0.0.1", false, true);
	try_to("elsewhere.example");
	ck_assert_int_eq(client.err, BNET_ETLS);
	ck_assert_ptr_nonnull(
	    strstr(bnet_tls_reason(client.tls), "hostname mismatch"));
	hang_up();
	talk_once("127.0.0.1", true, true);
	talk_once("localhost", true, true);
}
END_TEST

/* More hosts than a context keeps sessions of. */
START_TEST(many_hosts)
{
	struct bnet_tls_settings cs = settings_of(BNET_TLS_CLIENT, ID_CLIENT);
	struct bnet_tls_settings ss = settings_of(BNET_TLS_SERVER, ID_CLIENT);
	char host[32];

	cs.ca_pem = (struct bnet_slice){ 0 };
	cs.insecure = true;
	meet(&cs, &ss);
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(host, sizeof(host), "h%u.example", i);
		talk_once(host, false, true);
	}
	talk_once("h99.example", true, true);
	talk_once("h36.example", true, true);
	talk_once("h35.example", false, true);
}
END_TEST

START_TEST(switched_off)
{
	struct bnet_tls_settings cs = settings_of(BNET_TLS_CLIENT, ID_CLIENT);
	struct bnet_tls_settings ss = settings_of(BNET_TLS_SERVER, ID_CLIENT);

	ss.version_max = versions[_i / 2];
	cs.no_resume = _i % 2 == 0;
	ss.no_resume = _i % 2 == 1;
	meet(&cs, &ss);
	talk_once("localhost", false, false);
	talk_once("localhost", false, false);
}
END_TEST

/* A server that was reloaded takes no ticket of before. */
START_TEST(new_context)
{
	struct bnet_tls_settings ss = settings_of(BNET_TLS_SERVER, ID_CLIENT);

	meet_default(versions[_i], ID_CLIENT);
	talk_once("localhost", false, true);
	talk_once("localhost", true, true);
	bnet_tls_ctx_free(server_ctx);
	ss.version_max = versions[_i];
	server_ctx = end_ctx(&ss);
	talk_once("localhost", false, true);
	talk_once("localhost", true, true);
}
END_TEST

/* Nor does one that trusts others by now let in whom it knew. */
START_TEST(other_ca)
{
	struct bnet_tls_settings ss = settings_of(BNET_TLS_SERVER, ID_CLIENT);

	meet_default(versions[_i], ID_CLIENT);
	talk_once("localhost", false, true);
	bnet_tls_ctx_free(server_ctx);
	ss.version_max = versions[_i];
	ss.ca_pem = cert_of(ID_OTHER_CA);
	server_ctx = end_ctx(&ss);
	try_to("localhost");
	ck_assert_int_eq(server.err, BNET_ETLS);
	ck_assert(!bnet_tls_ready(server.tls));
}
END_TEST

/* ---- time ---- */

/* Certificates that last a day, and sessions no longer. */
START_TEST(certificate_ends)
{
	meet_default(versions[_i], ID_CLIENT);
	talk_once("localhost", false, true);
	ahead_s = DAY_S - 100;
	talk_once("localhost", true, true);
	talk_once("localhost", true, true);
	ahead_s = DAY_S + 100; /* the second ticket is not a day older */
	try_to("localhost");
	ck_assert_int_eq(client.err, BNET_ETLS);
	ck_assert_ptr_nonnull(strstr(bnet_tls_reason(client.tls), "expired"));
}
END_TEST

/*
 * The client's certificate lasts a day. A client that does not look at its own
 * clock offers the session for a week; the server has to refuse it.
 */
START_TEST(only_the_server_knows)
{
	struct bnet_tls_settings cs = settings_of(BNET_TLS_CLIENT, ID_CLIENT);
	struct bnet_tls_settings ss = settings_of(BNET_TLS_SERVER, ID_CLIENT);

	cs.ca_pem = (struct bnet_slice){ 0 };
	cs.insecure = true;
	ss.version_max = versions[_i];
	meet(&cs, &ss);
	talk_once("localhost", false, true);
	ahead_s = DAY_S - 100;
	talk_once("localhost", true, true);
	ahead_s = DAY_S + 100;
	try_to("localhost");
	ck_assert_int_eq(server.err, BNET_ETLS);
	ck_assert(!bnet_tls_ready(server.tls));
}
END_TEST

START_TEST(a_week)
{
	struct bnet_tls_settings cs = client_settings();
	struct bnet_tls_settings ss = server_settings();

	cs.ca_pem = (struct bnet_slice){ 0 };
	cs.insecure = true;
	ss.version_max = versions[_i];
	meet(&cs, &ss);
	talk_once("localhost", false, true);
	ahead_s = WEEK_S - 100;
	talk_once("localhost", true, true);
	ahead_s = WEEK_S + 100; /* since the last one in full */
	talk_once("localhost", false, true);
	talk_once("localhost", true, true);
}
END_TEST

/* ---- revocation ---- */

struct crl_row {
	const char *name;
	enum ident_id who; /* the client */
	enum ident_id issuers[2], revoked[2]; /* of lists; NOBODY: none */
	long until_s;
	const char *why; /* NULL: it gets in */
};

static const struct crl_row crl_rows[] = {
	{ "revoked", ID_CLIENT, { ID_CA, NOBODY }, { ID_CLIENT, NOBODY }, DAY_S,
	    "revoked" },
	{ "another is", ID_CLIENT, { ID_CA, NOBODY }, { ID_EXPIRED, NOBODY },
	    DAY_S, NULL },
	{ "nobody is", ID_CLIENT, { ID_CA, NOBODY }, { NOBODY, NOBODY }, DAY_S,
	    NULL },
	{ "the list has ended", ID_CLIENT, { ID_CA, NOBODY },
	    { NOBODY, NOBODY }, -100, "CRL has expired" },
	{ "the list of another", ID_CLIENT, { ID_OTHER_CA, NOBODY },
	    { NOBODY, NOBODY }, DAY_S, "unable to get certificate CRL" },
	{ "all lists of a chain", ID_CHAINED, { ID_CA, ID_BETWEEN },
	    { NOBODY, NOBODY }, DAY_S, NULL },
	{ "one is missing", ID_CHAINED, { ID_CA, NOBODY }, { NOBODY, NOBODY },
	    DAY_S, "unable to get certificate CRL" },
	{ "an issuer is revoked", ID_CHAINED, { ID_CA, ID_BETWEEN },
	    { ID_BETWEEN, NOBODY }, DAY_S, "revoked" },
};

static void
make_lists(struct bnet_buf *lists, const struct crl_row *row)
{
	bnet_buf_init(lists, 1 << 16);
	for (int i = 0; i < 2; i++)
		if (row->issuers[i] != NOBODY)
			put_crl(lists, row->issuers[i], row->revoked[i],
			    row->until_s);
}

/* A newcomer, and one who is in: with a full handshake, or a resumed one. */
START_TEST(revocation)
{
	const struct crl_row *row = &crl_rows[_i / 2];
	enum bnet_tls_version version = versions[_i % 2];
	struct bnet_tls_settings ss = settings_of(BNET_TLS_SERVER, row->who);
	struct bnet_tls_ctx *fresh;
	struct bnet_buf lists;
	const char *why;

	make_lists(&lists, row);
	ss.version_max = version;
	ss.crl_pem = bnet_buf_slice(&lists);
	meet_default(version, row->who);
	fresh = end_ctx(&ss);
	for (int resumed = 0; resumed < 2; resumed++) {
		talk("localhost", resumed);
		ck_assert_ptr_null(
		    bnet_tls_ctx_refuses(server_ctx, server.tls));
		why = bnet_tls_ctx_refuses(fresh, server.tls);
		ck_assert_msg((why == NULL) == (row->why == NULL) &&
			(why == NULL || strstr(why, row->why) != NULL),
		    "%s: %s", row->name, why);
		hang_up();
	}
	bnet_tls_ctx_free(server_ctx);
	server_ctx = fresh;
	try_to("localhost");
	ck_assert_msg(bnet_tls_ready(server.tls) == (row->why == NULL),
	    "%s: %s", row->name, bnet_tls_reason(server.tls));
	bnet_buf_free(&lists);
}
END_TEST

/* A client knows revoked servers, too; one that has no certificate is none. */
START_TEST(revoked_server)
{
	struct bnet_tls_settings cs = client_settings();
	struct bnet_tls_settings ss = server_settings();
	struct bnet_tls_ctx *fresh;
	struct bnet_buf lists;

	bnet_buf_init(&lists, 1 << 16);
	put_crl(&lists, ID_CA, ID_SERVER, DAY_S);
	meet(&cs, &ss);
	talk("localhost", false);
	cs.struct_bytes = sizeof(cs);
	cs.crl_pem = bnet_buf_slice(&lists);
	fresh = end_ctx(&cs);
	ck_assert_ptr_nonnull(bnet_tls_ctx_refuses(fresh, client.tls));
	ck_assert_ptr_null(bnet_tls_ctx_refuses(fresh, server.tls));
	hang_up();
	bnet_tls_ctx_free(client_ctx);
	client_ctx = fresh;
	try_to("localhost");
	ck_assert_int_eq(client.err, BNET_ETLS);
	ck_assert_ptr_nonnull(strstr(bnet_tls_reason(client.tls), "revoked"));
	bnet_buf_free(&lists);
}
END_TEST

/* Sessions last no longer than the list that they were judged by. */
START_TEST(list_ends)
{
	struct bnet_tls_settings cs = settings_of(BNET_TLS_CLIENT, ID_CLIENT);
	struct bnet_tls_settings ss = settings_of(BNET_TLS_SERVER, ID_CLIENT);
	struct bnet_buf lists;

	bnet_buf_init(&lists, 1 << 16);
	put_crl(&lists, ID_CA, NOBODY, 3600);
	ss.version_max = versions[_i];
	ss.crl_pem = bnet_buf_slice(&lists);
	meet(&cs, &ss);
	talk_once("localhost", false, true);
	talk_once("localhost", true, true);
	ahead_s = 3700;
	try_to("localhost");
	ck_assert_int_eq(server.err, BNET_ETLS);
	ck_assert_ptr_nonnull(
	    strstr(bnet_tls_reason(server.tls), "CRL has expired"));
	bnet_buf_free(&lists);
}
END_TEST

START_TEST(bad_lists)
{
	struct bnet_tls_settings ss = settings_of(BNET_TLS_SERVER, ID_CLIENT);
	struct bnet_tls_ctx *ctx;
	struct bnet_buf lists;
	char why[200];

	bnet_buf_init(&lists, 1 << 16);
	put_crl(&lists, ID_CA, NOBODY, DAY_S);
	lists.p[lists.at + lists.len / 2] = '*';
	for (int i = 0; i < 3; i++) {
		ss.crl_pem = i == 0 ? bnet_buf_slice(&lists)
		    : i == 1        ? cert_of(ID_CA) /* no list at all */
				    : ss.crl_pem;
		if (i == 2) {
			ss.ca_pem = (struct bnet_slice){ 0 };
			ss.insecure = true;
		}
		ck_assert_int_eq(
		    bnet_tls_ctx_new(&ss, &ctx, why, sizeof(why)), BNET_ETLS);
		ck_assert_msg(
		    strstr(why, "revocation list") != NULL, "%d: %s", i, why);
	}
	bnet_buf_free(&lists);
}
END_TEST

static Suite *
resume_suite(void)
{
	Suite *suite = suite_create("tls_resume");
	TCase *tc = unit_case(suite, "tls_resume");

	tcase_add_unchecked_fixture(tc, make_idents, free_idents);
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_loop_test(tc, again, 0, 2);
	tcase_add_loop_test(tc, herd, 0, 2);
	tcase_add_loop_test(tc, other_host, 0, 2);
	tcase_add_test(tc, many_hosts);
	tcase_add_loop_test(tc, switched_off, 0, 4);
	tcase_add_loop_test(tc, new_context, 0, 2);
	tcase_add_loop_test(tc, other_ca, 0, 2);
	tcase_add_loop_test(tc, certificate_ends, 0, 2);
	tcase_add_loop_test(tc, only_the_server_knows, 0, 2);
	tcase_add_loop_test(tc, a_week, 0, 2);
	tcase_add_loop_test(tc, revocation, 0, 2 * (int)UNIT_ROWS(crl_rows));
	tcase_add_test(tc, revoked_server);
	tcase_add_loop_test(tc, list_ends, 0, 2);
	tcase_add_test(tc, bad_lists);
	return suite;
}

UNIT_MAIN(resume_suite)
