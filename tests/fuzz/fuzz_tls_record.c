/* SPDX-License-Identifier: MIT */
/*
 * A TLS connection from a hostile capture. The input is a list of orders, so
 * that it also gets behind the encryption: the secrets are known, and a
 * record can be sealed for either direction.
 *
 *	| start u8 | order u8 | arg u16 | ... | order u8 | ...
 *
 * start: bits 0 and 1 the suite; bit 2: hellos come first; bit 3: and what
 * puts the traffic keys in force.
 *
 *	bit 0 of order: the direction; the rest, modulo 8:
 *	0, 1	feed the next `arg` bytes of the input as they are
 *	2	seal the next `arg` bytes as a record (the last is its type)
 *	3	a gap of `arg` bytes
 *	4	a hello; arg chooses version and suite
 *	5	ChangeCipherSpec
 *	6	seal a Finished, and use the next secret
 *	7	seal a record as the one that is `arg` ahead
 */
#include "cmd/capture/tls.c"

#include "tests/fuzz/fuzz.h"

#define SEALED_MAX 17000

static struct cap_keylog *keylog;

/* What seals: the same key derivation, run the other way round. */
struct writer {
	struct tls_secret secret;
	struct tls_opener op;
	bool set;
	uint64_t seq;
};

struct run {
	struct cap_tls *tls;
	const struct tls_suite *suite;
	uint16_t version;
	struct writer writer[2];
	uint64_t fed[2], plain[2], lost[2];
};

static void
on_plain(void *arg, enum cap_dir dir, struct bnet_slice plain)
{
	struct run *run = arg;
	volatile uint8_t sink = 0;

	MUST_HOLD(plain.len > 0 && plain.len <= CAP_TLS_PLAIN_MAX_BYTES);
	sink = (uint8_t)(sink + plain.p[0] + plain.p[plain.len - 1]);
	run->plain[dir] += plain.len;
}

static void
on_lost(void *arg, enum cap_dir dir, uint64_t bytes, const char *reason)
{
	struct run *run = arg;

	MUST_HOLD(reason != NULL && *reason != '\0');
	run->lost[dir] += bytes;
}

/* What must hold between any two calls. */
static void
check(const struct run *run)
{
	struct cap_tls_status st;

	cap_tls_status(run->tls, &st);
	MUST_HOLD(st.state < CAP_TLS_N_STATES);
	for (int dir = 0; dir < 2; dir++) {
		MUST_HOLD(st.read_bytes[dir] + st.lost_bytes[dir] +
			st.held_bytes[dir] ==
		    run->fed[dir]);
		MUST_HOLD(run->tls->half[dir].in.len <= CAP_TLS_HOLD_BYTES);
		MUST_HOLD(run->tls->half[dir].messages.hello.len <=
		    TLS_HELLO_MAX_BYTES);
		MUST_HOLD(st.plain_bytes[dir] == run->plain[dir]);
		MUST_HOLD(run->plain[dir] <= st.read_bytes[dir]);
		MUST_HOLD(run->lost[dir] <= st.lost_bytes[dir]);
	}
}

static void
feed(struct run *run, enum cap_dir dir, const uint8_t *p, size_t n)
{
	struct cap_tls_sink sink = { on_plain, on_lost, run };

	run->fed[dir] += n;
	MUST_HOLD(cap_tls_feed(run->tls, dir, (struct bnet_slice){ p, n },
		      &sink) == BNET_OK);
	check(run);
}

/* GCM and ChaCha20 only: enough to get behind the tag. */
static void
seal(struct run *run, enum cap_dir dir, uint64_t seq, const uint8_t *in,
    size_t n)
{
	struct writer *w = &run->writer[dir];
	bool v13 = run->version == TLS_1_3;
	size_t n_explicit = w->op.n_explicit, body = n_explicit + n + 16;
	uint8_t rec[SEALED_MAX + 64] = { v13 || n == 0 ? 23 : in[n - 1], 3, 3,
		(uint8_t)(body >> 8), (uint8_t)body };
	uint8_t nonce[12], aad[13], *text = rec + 5 + n_explicit;
	int n_aad = v13 ? 5 : 13, len;

	memcpy(nonce, w->op.iv, sizeof(nonce));
	if (n_explicit > 0)
		memset(nonce + 4, 0, 8);
	for (int i = 0; i < 8 && n_explicit == 0; i++)
		nonce[11 - i] ^= (uint8_t)(seq >> (8 * i));
	for (int i = 0; i < 8; i++)
		aad[7 - i] = (uint8_t)(seq >> (8 * i));
	memcpy(aad + 8, rec, 3);
	aad[11] = (uint8_t)(n >> 8);
	aad[12] = (uint8_t)n;
	if (v13)
		memcpy(aad, rec, 5);
	MUST_HOLD(
	    EVP_CipherInit_ex(w->op.ctx, NULL, NULL, NULL, nonce, 1) == 1);
	MUST_HOLD(EVP_EncryptUpdate(w->op.ctx, NULL, &len, aad, n_aad) == 1);
	if (n > 0)
		MUST_HOLD(
		    EVP_EncryptUpdate(w->op.ctx, text, &len, in, (int)n) == 1);
	MUST_HOLD(EVP_EncryptFinal_ex(w->op.ctx, text + n, &len) == 1);
	MUST_HOLD(EVP_CIPHER_CTX_ctrl(
		      w->op.ctx, EVP_CTRL_AEAD_GET_TAG, 16, text + n) == 1);
	feed(run, dir, rec, 5 + body);
}

/* All secrets are the byte 7; only the suite and the update tell them apart. */
static void
writer_start(struct run *run, enum cap_dir dir, bool again)
{
	struct writer *w = &run->writer[dir];
	struct tls_randoms randoms;
	struct tls_secret next;
	enum bnet_err err;

	memset(&randoms, 0, sizeof(randoms));
	w->secret.len = run->suite->sha384 || run->version == TLS_1_2 ? 48 : 32;
	if (again && w->set && run->version == TLS_1_3) {
		MUST_HOLD(tls_secret_update(run->suite, &w->secret, &next) ==
		    BNET_OK);
		w->secret = next;
	} else {
		memset(w->secret.p, 7, sizeof(w->secret.p));
	}
	if (run->version == TLS_1_3)
		err = tls_opener_13(&w->op, run->suite, &w->secret);
	else
		err = tls_opener_12(
		    &w->op, run->suite, &w->secret, &randoms, dir == CAP_DOWN);
	MUST_HOLD(err == BNET_OK);
	w->set = true;
	w->seq = 0;
}

static void
hello(struct run *run, enum cap_dir dir, unsigned int arg)
{
	static const uint16_t ids[] = { 0x1301, 0x1303, 0xc02f, 0xcca8 };
	bool v13 = arg % 4 < 2;
	uint8_t rec[64] = { 22, 3, 3, 0, 0, (uint8_t)(1 + dir), 0, 0, 0, 3, 3 };
	size_t n = 11 + CAP_RANDOM_BYTES + 1;

	run->version = v13 ? TLS_1_3 : TLS_1_2;
	run->suite = tls_suite_find(run->version, ids[arg % 4]);
	MUST_HOLD(run->suite != NULL);
	if (dir == CAP_UP) {
		n += 3; /* no cipher suites, one compression method less */
	} else {
		rec[n++] = (uint8_t)(ids[arg % 4] >> 8);
		rec[n++] = (uint8_t)ids[arg % 4];
		n++;
		if (v13) {
			static const uint8_t ext[] = { 0, 6, 0, 43, 0, 2, 3,
				4 };

			memcpy(rec + n, ext, sizeof(ext));
			n += sizeof(ext);
		}
	}
	rec[4] = (uint8_t)(n - 5);
	rec[8] = (uint8_t)(n - 9);
	feed(run, dir, rec, n);
}

static void
order(
    struct run *run, uint8_t what, unsigned int arg, const uint8_t *p, size_t n)
{
	static const uint8_t change[] = { 20, 3, 3, 0, 1, 1 };
	static const uint8_t finished[] = { 20, 0, 0, 0, 22 };
	enum cap_dir dir = what & 1 ? CAP_DOWN : CAP_UP;
	struct writer *w = &run->writer[dir];
	struct cap_tls_sink sink = { on_plain, on_lost, run };

	if ((what / 2 % 8 == 2 || what / 2 % 8 >= 6) && !w->set) {
		if (run->suite == NULL)
			return;
		writer_start(run, dir, false);
	}
	switch (what / 2 % 8) {
	case 2:
		seal(run, dir, w->seq++, p, n);
		break;
	case 3:
		MUST_HOLD(cap_tls_gap(run->tls, dir, arg, &sink) == BNET_OK);
		check(run);
		break;
	case 4:
		hello(run, dir, arg);
		break;
	case 5:
		feed(run, dir, change, sizeof(change));
		break;
	case 6:
		seal(run, dir, w->seq++, finished, sizeof(finished));
		writer_start(run, dir, arg & 1);
		break;
	case 7:
		seal(run, dir, w->seq + arg % 64, p, n);
		w->seq += arg % 64 + 1;
		break;
	default:
		feed(run, dir, p, n);
	}
}

static void
start(struct run *run, uint8_t how)
{
	for (uint8_t dir = 0; dir < 2 && how & 4; dir++)
		order(run, (uint8_t)(8 + dir), how & 3, NULL, 0);
	if ((how & 12) != 12)
		return;
	for (uint8_t dir = 0; dir < 2; dir++) {
		order(run, (uint8_t)(10 + dir), 0, NULL, 0);
		order(run, (uint8_t)(12 + dir), 0, NULL, 0);
	}
}

/* A secret of every kind for the client random of zeros. */
static void
init(void)
{
	static const char *const names[] = { "CLIENT_RANDOM",
		"CLIENT_HANDSHAKE_TRAFFIC_SECRET",
		"SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0",
		"SERVER_TRAFFIC_SECRET_0" };
	char line[256];

	keylog = cap_keylog_new();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int n = snprintf(line, sizeof(line), "%s %064d ", names[i], 0);

		for (int k = 0; k < (i == 0 ? 48 : 32); k++)
			n += snprintf(line + n, sizeof(line) - (size_t)n, "07");
		MUST_HOLD(cap_keylog_add(keylog,
			      (struct bnet_slice){
				  (const void *)line, (size_t)n }) == BNET_OK);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = { .version = 0 };
	struct cap_tls_sink sink = { on_plain, on_lost, &run };
	struct cap_tls_status st;

	if (keylog == NULL)
		init();
	run.tls = cap_tls_new(keylog);
	if (size > 0) {
		start(&run, *data);
		data++;
		size--;
	}
	while (size >= 3) {
		unsigned int arg = (unsigned int)data[1] << 8 | data[2];
		uint8_t what = data[0];
		size_t n = arg;

		data += 3;
		size -= 3;
		if (what / 2 % 8 >= 3) /* those that take no bytes */
			n = what / 2 % 8 == 7 ? arg >> 8 : 0;
		n = n < size ? n : size;
		n = n < SEALED_MAX ? n : SEALED_MAX;
		order(&run, what, arg, data, n);
		data += n;
		size -= n;
	}
	MUST_HOLD(cap_tls_end(run.tls, &sink) == BNET_OK);
	check(&run);
	cap_tls_status(run.tls, &st);
	for (int dir = 0; dir < 2; dir++) {
		MUST_HOLD(st.held_bytes[dir] == 0);
		MUST_HOLD(run.lost[dir] == st.lost_bytes[dir]);
		tls_opener_free(&run.writer[dir].op);
	}
	cap_tls_free(run.tls);
	return 0;
}
