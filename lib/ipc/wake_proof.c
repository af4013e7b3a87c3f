/* SPDX-License-Identifier: ISC */
/*
 * wake_proof.c - the seal on the state of a session that sleeps
 */
#include "ipc/wake_proof.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"

static void
put_hex(const unsigned char *bytes, unsigned len, char out[WAKE_HEX])
{
	autotext struct text hex = {0};

	hex_encode(span_at(bytes, len), &hex);
	snprintf(out, WAKE_HEX, "%s", text_string(&hex));
}

void
wake_digest(struct span state, char out[WAKE_HEX])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned      len = 0;

	if (EVP_Digest(state.at, state.len, digest, &len, EVP_sha256(), NULL) != 1)
		abort();
	put_hex(digest, len, out);
}

void
wake_hmac(struct span key, struct span message, char out[WAKE_HEX])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned      len = 0;

	if (!HMAC(EVP_sha256(), key.at, (int)key.len, (const unsigned char *)message.at, message.len, digest, &len))
		abort();
	put_hex(digest, len, out);
}

void
wake_proof(struct span key, struct span state, char out[WAKE_HEX])
{
	char digest[WAKE_HEX];

	wake_digest(state, digest);
	wake_hmac(key, span_of(digest), out);
}

bool
wake_same(struct span a, struct span b)
{
	return a.len == b.len && CRYPTO_memcmp(a.at, b.at, a.len) == 0;
}
