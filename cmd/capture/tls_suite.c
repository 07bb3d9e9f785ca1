/* SPDX-License-Identifier: MIT */
/* The AEAD cipher suites: RFC 8446, 5288, 5289, 5487, 6655, 7251, 7905, 8442 */
#include "cmd/capture/tls_crypt.h"

static const struct tls_suite suites_13[] = {
	{ 0x1301, TLS_AES_128_GCM, false },
	{ 0x1302, TLS_AES_256_GCM, true },
	{ 0x1303, TLS_CHACHA20, false },
	{ 0x1304, TLS_AES_128_CCM, false },
	{ 0x1305, TLS_AES_128_CCM_8, false },
};

/* How the keys are agreed on and signed is of no matter here. */
static const struct tls_suite suites_12[] = {
	{ 0x009c, TLS_AES_128_GCM, false }, /* RSA */
	{ 0x009d, TLS_AES_256_GCM, true },
	{ 0x009e, TLS_AES_128_GCM, false }, /* DHE_RSA */
	{ 0x009f, TLS_AES_256_GCM, true },
	{ 0x00a0, TLS_AES_128_GCM, false }, /* DH_RSA */
	{ 0x00a1, TLS_AES_256_GCM, true },
	{ 0x00a2, TLS_AES_128_GCM, false }, /* DHE_DSS */
	{ 0x00a3, TLS_AES_256_GCM, true },
	{ 0x00a4, TLS_AES_128_GCM, false }, /* DH_DSS */
	{ 0x00a5, TLS_AES_256_GCM, true },
	{ 0x00a6, TLS_AES_128_GCM, false }, /* DH_anon */
	{ 0x00a7, TLS_AES_256_GCM, true },
	{ 0x00a8, TLS_AES_128_GCM, false }, /* PSK */
	{ 0x00a9, TLS_AES_256_GCM, true },
	{ 0x00aa, TLS_AES_128_GCM, false }, /* DHE_PSK */
	{ 0x00ab, TLS_AES_256_GCM, true },
	{ 0x00ac, TLS_AES_128_GCM, false }, /* RSA_PSK */
	{ 0x00ad, TLS_AES_256_GCM, true },
	{ 0xc02b, TLS_AES_128_GCM, false }, /* ECDHE_ECDSA */
	{ 0xc02c, TLS_AES_256_GCM, true },
	{ 0xc02d, TLS_AES_128_GCM, false }, /* ECDH_ECDSA */
	{ 0xc02e, TLS_AES_256_GCM, true },
	{ 0xc02f, TLS_AES_128_GCM, false }, /* ECDHE_RSA */
	{ 0xc030, TLS_AES_256_GCM, true },
	{ 0xc031, TLS_AES_128_GCM, false }, /* ECDH_RSA */
	{ 0xc032, TLS_AES_256_GCM, true },
	{ 0xd001, TLS_AES_128_GCM, false }, /* ECDHE_PSK */
	{ 0xd002, TLS_AES_256_GCM, true },
	{ 0xcca8, TLS_CHACHA20, false }, /* ECDHE_RSA */
	{ 0xcca9, TLS_CHACHA20, false }, /* ECDHE_ECDSA */
	{ 0xccaa, TLS_CHACHA20, false }, /* DHE_RSA */
	{ 0xccab, TLS_CHACHA20, false }, /* PSK */
	{ 0xccac, TLS_CHACHA20, false }, /* ECDHE_PSK */
	{ 0xccad, TLS_CHACHA20, false }, /* DHE_PSK */
	{ 0xccae, TLS_CHACHA20, false }, /* RSA_PSK */
	{ 0xc09c, TLS_AES_128_CCM, false }, /* RSA */
	{ 0xc09d, TLS_AES_256_CCM, false },
	{ 0xc09e, TLS_AES_128_CCM, false }, /* DHE_RSA */
	{ 0xc09f, TLS_AES_256_CCM, false },
	{ 0xc0a0, TLS_AES_128_CCM_8, false }, /* RSA */
	{ 0xc0a1, TLS_AES_256_CCM_8, false },
	{ 0xc0a2, TLS_AES_128_CCM_8, false }, /* DHE_RSA */
	{ 0xc0a3, TLS_AES_256_CCM_8, false },
	{ 0xc0a4, TLS_AES_128_CCM, false }, /* PSK */
	{ 0xc0a5, TLS_AES_256_CCM, false },
	{ 0xc0a6, TLS_AES_128_CCM, false }, /* DHE_PSK */
	{ 0xc0a7, TLS_AES_256_CCM, false },
	{ 0xc0a8, TLS_AES_128_CCM_8, false }, /* PSK */
	{ 0xc0a9, TLS_AES_256_CCM_8, false },
	{ 0xc0aa, TLS_AES_128_CCM_8, false }, /* DHE_PSK */
	{ 0xc0ab, TLS_AES_256_CCM_8, false },
	{ 0xc0ac, TLS_AES_128_CCM, false }, /* ECDHE_ECDSA */
	{ 0xc0ad, TLS_AES_256_CCM, false },
	{ 0xc0ae, TLS_AES_128_CCM_8, false }, /* ECDHE_ECDSA */
	{ 0xc0af, TLS_AES_256_CCM_8, false },
	{ 0xd003, TLS_AES_128_CCM_8, false }, /* ECDHE_PSK */
	{ 0xd005, TLS_AES_128_CCM, false },
};

const struct tls_suite *
tls_suite_find(uint16_t version, uint16_t id)
{
	const struct tls_suite *suites = suites_12;
	size_t n = sizeof(suites_12) / sizeof(suites_12[0]);

	if (version == TLS_1_3) {
		suites = suites_13;
		n = sizeof(suites_13) / sizeof(suites_13[0]);
	} else if (version != TLS_1_2) {
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (suites[i].id == id)
			return &suites[i];
	}
	return NULL;
}
