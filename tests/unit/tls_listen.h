/* SPDX-License-Identifier: MIT */
/* One talk, what is decrypted of it, and what must hold at its end. */
#ifndef TESTS_TLS_LISTEN_H
#define TESTS_TLS_LISTEN_H

#include "tests/unit/tls_heard.h"

static struct talk talk;
static struct heard heard;
static struct cap_tls *tls;
static struct cap_tls_sink sink = { .plain = heard_plain,
	.lost = heard_lost,
	.arg = &heard };

static inline void
listen_with(const struct cap_keylog *keylog)
{
	heard_init(&heard);
	tls = cap_tls_new(keylog);
	ck_assert_ptr_nonnull(tls);
}

static inline void
stop_listening(void)
{
	heard_free(&heard);
	cap_tls_free(tls);
}

static inline void
feed(enum cap_dir dir, const uint8_t *p, size_t n, size_t chunk)
{
	while (n > 0) {
		size_t part = n < chunk ? n : chunk;
		struct bnet_slice bytes = { p, part };

		ck_assert_int_eq(cap_tls_feed(tls, dir, bytes, &sink), BNET_OK);
		p += part;
		n -= part;
	}
}

/* dirs: which directions, as bits. */
static inline void
feed_flights(unsigned int dirs, size_t chunk)
{
	for (size_t i = 0; i < talk.n_flights; i++) {
		const struct talk_flight *f = &talk.flights[i];

		if (dirs & 1U << f->dir)
			feed(f->dir, talk.wire.p + f->at, f->len, chunk);
	}
}

static inline struct cap_tls_status
finish(void)
{
	struct cap_tls_status st;

	ck_assert_int_eq(cap_tls_end(tls, &sink), BNET_OK);
	cap_tls_status(tls, &st);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(st.held_bytes[i], 0);
		ck_assert_uint_eq(st.lost_bytes[i], heard.lost_bytes[i]);
		ck_assert_uint_eq(st.plain_bytes[i], heard.plain[i].len);
		ck_assert_uint_eq(
		    st.read_bytes[i] + st.lost_bytes[i], talk.stream_len[i]);
	}
	return st;
}

/* All came out, nothing was lost. */
static inline void
finish_whole(void)
{
	struct cap_tls_status st = finish();

	ck_assert_int_eq(st.state, CAP_TLS_DECRYPTING);
	ck_assert_str_eq(st.reason, "");
	ck_assert_uint_eq(
	    st.version, (unsigned int)SSL_version(talk.ssl[CAP_UP]));
	ck_assert_uint_eq(st.suite,
	    SSL_CIPHER_get_protocol_id(
		SSL_get_current_cipher(talk.ssl[CAP_UP])));
	for (int i = 0; i < 2; i++) {
		ck_assert(st.closed[i]);
		ck_assert_uint_eq(heard.n_lost[i], 0);
		heard_check(&heard, &talk, i == 0 ? CAP_UP : CAP_DOWN, 0, 0);
	}
}

/* The lines of the talk's log whose label holds `part`; flip: spoilt. */
static inline void
log_add(struct cap_keylog *log, const char *part, bool flip)
{
	char *text = calloc(1, talk.keytext.len + 1), *line, *save = NULL;

	memcpy(text, talk.keytext.p, talk.keytext.len);
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *last = line + strlen(line) - 1;

		if (strstr(line, part) == NULL)
			continue;
		if (flip)
			*last = *last == '0' ? '1' : '0';
		ck_assert_int_eq(cap_keylog_add(log,
				     (struct bnet_slice){
					 (const void *)line, strlen(line) }),
		    BNET_OK);
	}
	free(text);
}

#endif
