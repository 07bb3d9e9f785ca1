/* SPDX-License-Identifier: MIT */
/*
 * A link under TLS, client or server, and a peer that is OpenSSL itself. Two
 * bytes of settings, then orders:
 *
 *	| order u8 | arg u16 | ... | order u8 | ...
 *
 *	0	the peer sends the next `arg` bytes as plaintext
 *	1	the next `arg` bytes come as they are
 *	2	the same as 0, and of what TLS makes of it one byte is spoilt:
 *		| at u16 | with u8 | first
 *	3	the peer changes its key, and asks for the same
 *	4	the peer ends
 *	5	the link sends a packet with the next `arg` bytes
 *	6	from here on bytes come `arg` at a time
 *	7	the link ends
 *
 * Beside it is a link without TLS, which gets the peer's plaintext: what TLS
 * lets through is what that one was told, however much else comes; and where
 * nothing else comes, all of it, and the same end.
 */
#include "proto/link.h"

#include "tests/fuzz/fuzz.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define PLAIN_MAX_BYTES ((size_t)1 << 22)
#define PACKETS_MAX 1024
#define FLIGHT_MAX_BYTES 16384 /* what TLS says itself, in one go */
#define ROUNDS_MAX 1000 /* to and fro, after one order */

#define SET_CLIENT 0x01 /* the link is; in the first byte */
#define SET_1_2 0x02
#define SET_VERIFY 0x04
#define SET_PEER_CERT 0x08 /* a client has one, or a server wants one */
#define SET_NEED_ALPN 0x10
#define SET_PEER_ALPN 0x20
#define SET_NETWORK 0x40
#define SET_SPOIL 0x80 /* orders before the handshake */
#define SET_LIMIT 0x03 /* in the second */
/* 0x0c: which of pairs[] */
#define SET_HOST 0x10
#define SET_NO_BAD 0x20
#define SET_EARLY 0x40 /* a packet is queued before the handshake */
#define SET_OTHER 0x80 /* another host than that is wanted; it compresses */

static const uint32_t limits[] = { 16, 300, 65536, BNET_FRAME_MAX_BYTES };
static const size_t pairs[] = { 0, 256, 4096, 20000 };

/* Hashes of all up to each packet. */
struct told {
	uint64_t hash;
	size_t n;
	uint64_t at[PACKETS_MAX];
	const struct told *want; /* the same; NULL: not compared */
};

struct run {
	struct bnet_link *link, *plain;
	SSL *peer;
	uint8_t set;
	bool no_bad;
	bool hostile; /* something came that the peer did not send */
	bool peer_ended, link_ended;
	enum bnet_err err, plain_err; /* the first that is not BNET_OK */
	size_t step;
	size_t spoil_at;
	uint8_t spoil_with;
	struct told got, want;
	struct bnet_buf sent, received; /* by the link, by the peer */
};

/* ---- the peer, and certificates ---- */

static X509 *cert;
static EVP_PKEY *key;
static struct bnet_buf cert_pem, key_pem;
static struct bnet_codecs *codecs;

static void
take_mem(struct bnet_buf *out, BIO *bio)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	bnet_buf_init(out, 1 << 16);
	MUST_HOLD(
	    bnet_buf_append(out,
		(struct bnet_slice){ (const void *)p, (size_t)n }) == BNET_OK);
	BIO_free(bio);
}

/* Of localhost, of all times, and its own issuer. */
static void
certify(void)
{
	X509_NAME *name;
	X509_EXTENSION *san;
	BIO *bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());

	key = EVP_EC_gen("P-256");
	cert = X509_new();
	MUST_HOLD(key != NULL && cert != NULL);
	name = X509_get_subject_name(cert);
	san = X509V3_EXT_conf_nid(
	    NULL, NULL, NID_subject_alt_name, "DNS:localhost");
	MUST_HOLD(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"test", -1, -1, 0));
	MUST_HOLD(X509_set_version(cert, X509_VERSION_3) &&
	    X509_set_issuer_name(cert, name) &&
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
	    ASN1_TIME_set_string(
		X509_getm_notBefore(cert), "20000101000000Z") &&
	    ASN1_TIME_set_string(X509_getm_notAfter(cert), "99991231235959Z") &&
	    X509_set_pubkey(cert, key) && X509_add_ext(cert, san, -1) &&
	    X509_sign(cert, key, EVP_sha256()));
	X509_EXTENSION_free(san);
	MUST_HOLD(PEM_write_bio_X509(bio, cert) &&
	    PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL));
	take_mem(&cert_pem, bio);
	take_mem(&key_pem, key_bio);
}

static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *n,
    const unsigned char *in, unsigned n_in, void *arg)
{
	static const unsigned char name[] = BNET_TLS_ALPN;

	(void)ssl, (void)in, (void)n_in, (void)arg;
	*out = name;
	*n = sizeof(name) - 1;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *
peer_ctx(uint8_t set)
{
	static SSL_CTX *ctxs[64];
	SSL_CTX **ctx = &ctxs[set & 63];
	bool server = (set & SET_CLIENT) != 0;

	if (*ctx != NULL)
		return *ctx;
	*ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	MUST_HOLD(*ctx != NULL);
	if (set & SET_1_2)
		MUST_HOLD(SSL_CTX_set_max_proto_version(*ctx, TLS1_2_VERSION));
	if (server || set & SET_PEER_CERT)
		MUST_HOLD(SSL_CTX_use_certificate(*ctx, cert) &&
		    SSL_CTX_use_PrivateKey(*ctx, key));
	if (server && set & SET_PEER_CERT) /* which the link has not got */
		SSL_CTX_set_verify(*ctx,
		    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (set & SET_PEER_ALPN && server)
		SSL_CTX_set_alpn_select_cb(*ctx, choose_alpn, NULL);
	else if (set & SET_PEER_ALPN)
		MUST_HOLD(
		    SSL_CTX_set_alpn_protos(*ctx,
			(const unsigned char *)"\x09" BNET_TLS_ALPN, 10) == 0);
	return *ctx;
}

static void
on_keylog(void *arg, const char *line)
{
	(void)arg;
	MUST_HOLD(strlen(line) > 2 * 32);
}

static struct bnet_tls_ctx *
link_ctx(uint8_t set, uint8_t pair)
{
	static struct bnet_tls_ctx *ctxs[4][32];
	struct bnet_tls_ctx **ctx = &ctxs[pair][set & 31];
	struct bnet_tls_settings tls = { .role = BNET_TLS_SERVER,
		.require_alpn = (set & SET_NEED_ALPN) != 0,
		.require_peer_cert =
		    (set & (SET_VERIFY | SET_CLIENT)) == SET_VERIFY,
		.keylog = on_keylog,
		.pair_bytes = pairs[pair] };

	if (*ctx != NULL)
		return *ctx;
	if (set & SET_1_2)
		tls.version_max = BNET_TLS_1_2;
	if (set & SET_CLIENT)
		tls.role = BNET_TLS_CLIENT;
	else
		tls.cert_pem = bnet_buf_slice(&cert_pem);
	if (tls.role == BNET_TLS_SERVER)
		tls.key_pem = bnet_buf_slice(&key_pem);
	if (set & SET_VERIFY)
		tls.ca_pem = bnet_buf_slice(&cert_pem);
	else
		tls.insecure = true;
	MUST_HOLD(bnet_tls_ctx_new(&tls, ctx, NULL, 0) == BNET_OK);
	return *ctx;
}

/* ---- what the sinks are told ---- */

static void
mix(struct told *told, const void *p, size_t n)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < n; i++)
		told->hash = (told->hash ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static void
tell(struct told *told, const struct bnet_packet *packet, enum bnet_err why)
{
	mix(told, &why, sizeof(why));
	mix(told, &packet->size_bytes, sizeof(packet->size_bytes));
	mix(told, packet->oob.p, packet->oob.len);
	mix(told, packet->wire_payload.p, packet->wire_payload.len);
	mix(told, packet->payload.p, packet->payload.len);
	if (told->n < PACKETS_MAX)
		told->at[told->n] = told->hash;
	if (told->want != NULL) {
		MUST_HOLD(told->n < told->want->n);
		if (told->n < PACKETS_MAX)
			MUST_HOLD(told->want->at[told->n] == told->hash);
	}
	told->n++;
}

static enum bnet_err
on_packet(void *arg, const struct bnet_packet *packet)
{
	tell(arg, packet, BNET_OK);
	return BNET_OK;
}

static enum bnet_err
on_bad(void *arg, const struct bnet_packet *packet, enum bnet_err why)
{
	tell(arg, packet, why);
	return BNET_OK;
}

static enum bnet_err
feed_one(const struct run *run, struct bnet_link *link, struct told *told,
    struct bnet_slice in)
{
	const struct bnet_link_sink sink = { on_packet,
		run->no_bad ? NULL : on_bad, told };
	struct bnet_slice copy = fuzz_copy(in);
	size_t used, bound = bnet_link_memory_for(link, in.len);
	enum bnet_err err = bnet_link_feed(link, copy, &sink, &used);

	MUST_HOLD(used <= in.len);
	MUST_HOLD(err != BNET_OK || used == in.len);
	MUST_HOLD(err != BNET_OK ||
	    bnet_link_memory_bytes(link) <= bound + FLIGHT_MAX_BYTES);
	fuzz_free(copy);
	return err;
}

/* ---- to and fro ---- */

static void
feed_link(struct run *run, struct bnet_slice in)
{
	while (in.len > 0 && run->err == BNET_OK) {
		struct bnet_slice piece = in;

		if (piece.len > run->step)
			piece.len = run->step;
		run->err = feed_one(run, run->link, &run->got, piece);
		in = bnet_slice_from(in, piece.len);
	}
}

/* What the link has to write; false where that is nothing. */
static bool
to_peer(struct run *run)
{
	struct bnet_slice out;

	if (bnet_link_output(run->link, &out) != BNET_OK || out.len == 0)
		return false;
	MUST_HOLD(BIO_write(SSL_get_rbio(run->peer), out.p, (int)out.len) ==
	    (int)out.len);
	bnet_link_output_done(run->link, out.len);
	return true;
}

static void
peer_reads(struct run *run)
{
	uint8_t block[4096];
	int n;

	if (!SSL_is_init_finished(run->peer))
		(void)SSL_do_handshake(run->peer);
	while ((n = SSL_read(run->peer, block, sizeof(block))) > 0)
		MUST_HOLD(
		    bnet_buf_append(&run->received,
			(struct bnet_slice){ block, (size_t)n }) == BNET_OK);
	ERR_clear_error();
}

static bool
to_link(struct run *run)
{
	BIO *bio = SSL_get_wbio(run->peer);
	size_t n = BIO_ctrl_pending(bio);
	uint8_t *bytes;

	if (n == 0)
		return false;
	bytes = malloc(n);
	MUST_HOLD(bytes != NULL && BIO_read(bio, bytes, (int)n) == (int)n);
	if (run->spoil_with != 0) {
		bytes[run->spoil_at % n] ^= run->spoil_with;
		run->spoil_with = 0;
		run->hostile = true;
	}
	feed_link(run, (struct bnet_slice){ bytes, n });
	free(bytes);
	return true;
}

static void
carry(struct run *run)
{
	bool more = true;

	for (int i = 0; more; i++) {
		MUST_HOLD(i < ROUNDS_MAX);
		more = to_peer(run);
		peer_reads(run);
		more |= to_link(run);
	}
}

/* ---- orders ---- */

static void
peer_sends(struct run *run, struct bnet_slice in)
{
	if (in.len == 0 || run->peer_ended || !SSL_is_init_finished(run->peer))
		return;
	if (SSL_write(run->peer, in.p, (int)in.len) != (int)in.len)
		return;
	if (run->plain_err == BNET_OK)
		run->plain_err = feed_one(run, run->plain, &run->want, in);
}

static void
link_sends(struct run *run, struct bnet_slice in)
{
	struct bnet_packet packet = { .payload = in };
	struct bnet_slice out;

	/* the handshake, too, fills what may wait to be written */
	if (run->link_ended || run->err != BNET_OK ||
	    bnet_link_send(run->link, &packet) != BNET_OK)
		return;
	MUST_HOLD(bnet_link_send(run->plain, &packet) == BNET_OK);
	MUST_HOLD(bnet_link_output(run->plain, &out) == BNET_OK);
	MUST_HOLD(bnet_buf_append(&run->sent, out) == BNET_OK);
	bnet_link_output_done(run->plain, out.len);
}

static void
peer_ends(struct run *run)
{
	if (!SSL_is_init_finished(run->peer))
		return;
	(void)SSL_shutdown(run->peer);
	run->peer_ended = true;
}

static void
order(struct run *run, uint8_t what, unsigned arg, struct bnet_slice in)
{
	switch (what % 8) {
	case 0:
	case 2:
		peer_sends(run, in);
		break;
	case 1:
		run->hostile |= in.len > 0;
		feed_link(run, in);
		break;
	case 3:
		if (!run->peer_ended && SSL_is_init_finished(run->peer))
			(void)SSL_key_update(
			    run->peer, SSL_KEY_UPDATE_REQUESTED);
		break;
	case 4:
		peer_ends(run);
		break;
	case 5:
		link_sends(run, in);
		break;
	case 6:
		run->step = arg + 1;
		break;
	default:
		if (!run->link_ended && run->err == BNET_OK)
			run->link_ended = bnet_link_close(run->link) == BNET_OK;
	}
	carry(run);
}

static void
orders(struct run *run, struct bnet_slice in)
{
	while (in.len >= 3) {
		uint8_t what = fuzz_byte(&in);
		unsigned arg = (unsigned)fuzz_byte(&in) << 8;
		struct bnet_slice bytes;

		arg |= fuzz_byte(&in);
		if (what % 8 == 2) {
			run->spoil_at = (size_t)fuzz_byte(&in) << 8;
			run->spoil_at |= fuzz_byte(&in);
			run->spoil_with = fuzz_byte(&in);
		}
		bytes = in;
		if (what % 8 == 3 || what % 8 == 4 || what % 8 >= 6)
			bytes.len = 0;
		else if (bytes.len > arg)
			bytes.len = arg;
		order(run, what, arg, bytes);
		in = bnet_slice_from(in, bytes.len);
	}
}

/* ---- a run ---- */

static void
start(struct run *run, uint8_t set, uint8_t set2)
{
	SSL_CTX *ctx;
	struct bnet_link_settings link = {
		.order =
		    set & SET_NETWORK ? BNET_ORDER_NETWORK : BNET_ORDER_LITTLE,
		.frame_max_bytes = limits[set2 & SET_LIMIT],
		.payload_max_bytes = 65536,
		.threshold_bytes = 16,
		.codec = set2 & SET_OTHER ? BNET_CODEC_ZLIB : BNET_CODEC_NONE,
	};

	if (codecs == NULL) {
		codecs = bnet_codecs_new();
		MUST_HOLD(codecs != NULL);
		certify();
	}
	ctx = peer_ctx(set);
	MUST_HOLD(bnet_link_new(&link, codecs, &run->plain) == BNET_OK);
	link.tls = link_ctx(set, set2 >> 2 & 3);
	if (set & SET_CLIENT && set2 & SET_HOST)
		link.tls_host = set2 & SET_OTHER ? "127.0.0.1" : "localhost";
	fuzz_random_restart(); /* what is made once has taken some */
	MUST_HOLD(bnet_link_new(&link, codecs, &run->link) == BNET_OK);
	run->peer = SSL_new(ctx);
	MUST_HOLD(run->peer != NULL);
	SSL_set_bio(run->peer, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	if (set & SET_CLIENT)
		SSL_set_accept_state(run->peer);
	else
		SSL_set_connect_state(run->peer);
	run->set = set;
	run->no_bad = (set2 & SET_NO_BAD) != 0;
	run->step = SIZE_MAX;
	run->got.want = &run->want;
	bnet_buf_init(&run->sent, PLAIN_MAX_BYTES);
	bnet_buf_init(&run->received, PLAIN_MAX_BYTES);
}

/* The peer has read what the link sent, or the first of it. */
static void
check_sent(const struct run *run, bool all)
{
	struct bnet_slice sent = bnet_buf_slice(&run->sent);

	MUST_HOLD(run->received.len <= sent.len);
	MUST_HOLD(!all || run->received.len == sent.len);
	sent.len = run->received.len;
	MUST_HOLD(fuzz_same(sent, bnet_buf_slice(&run->received)));
}

static void
check_end(const struct run *run)
{
	const struct bnet_tls *tls = bnet_link_tls(run->link);
	bool ready = bnet_tls_ready(tls);
	enum bnet_err end = bnet_link_end(run->link);

	MUST_HOLD(end == BNET_CLOSED || end == BNET_ECUT);
	/* nobody but the peer can make the end look as one in order */
	MUST_HOLD(end == BNET_ECUT || run->peer_ended || !ready);
	MUST_HOLD(run->err != BNET_ETLS || *bnet_tls_reason(tls) != '\0');
	MUST_HOLD(ready == (bnet_tls_version(tls) != 0));
	MUST_HOLD(!ready || !(run->set & SET_VERIFY) ||
	    bnet_tls_peer_cert(tls) != NULL);
	MUST_HOLD(!ready || !(run->set & SET_NEED_ALPN) || bnet_tls_alpn(tls));
	check_sent(run, false);
	if (run->hostile || !ready || !SSL_is_init_finished(run->peer))
		return;
	MUST_HOLD(run->got.n == run->want.n);
	if (run->plain_err != BNET_OK)
		MUST_HOLD(run->err == run->plain_err);
	else
		MUST_HOLD(
		    run->err == (run->peer_ended ? BNET_CLOSED : BNET_OK));
	if (run->err == BNET_OK)
		check_sent(run, true);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run run;
	struct bnet_slice in = { data, size };
	uint8_t set = fuzz_byte(&in), set2 = fuzz_byte(&in);

	memset(&run, 0, sizeof(run));
	start(&run, set, set2);
	if (set2 & SET_EARLY)
		link_sends(&run, (struct bnet_slice){ data, size });
	if (!(set & SET_SPOIL))
		carry(&run);
	orders(&run, in);
	check_end(&run);
	bnet_buf_free(&run.sent);
	bnet_buf_free(&run.received);
	bnet_link_free(run.link);
	bnet_link_free(run.plain);
	SSL_free(run.peer);
	ERR_clear_error();
	return 0;
}
