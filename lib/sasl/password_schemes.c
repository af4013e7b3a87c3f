/* SPDX-License-Identifier: ISC */
/*
 * password_schemes.c - Dovecot's password schemes that are neither crypt(3)'s nor a digest
 */
#define OPENSSL_SUPPRESS_DEPRECATED   /* the state of an MD5 in the middle is not to be had otherwise */
#include "sasl/password_schemes.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md5.h>
#include <stdlib.h>

#include "base/base64.h"

enum { BLOCK = 64, ROUNDS_MAX = 1000000, STATE = CRAM_MD5_STATES / 2 };

static bool
same(struct span a, struct span b)
{
	return a.len == b.len && CRYPTO_memcmp(a.at, b.at, a.len) == 0;
}

/* The first characters, as many as were kept; the number is how long the stored one may be. */
int
check_plain_trunc(struct span stored, struct span password, const char *unused, struct fault *why)
{
	struct span number, kept = stored;
	uint64_t    most;

	(void)unused;
	if (!span_has(stored, '-'))
		return same(stored, password); /* as doveadm pw writes it: not truncated */
	if (!span_split(&kept, '-', &number) || !span_number(number, &most) || !kept.len)
		return fault_set(why, FAULT_INPUT, "malformed PLAIN-TRUNC password");
	return same(kept, kept.len < most ? password : span_first(password, kept.len));
}

static void
put_state(const MD5_CTX *c, unsigned char *out)
{
	const MD5_LONG words[] = {c->A, c->B, c->C, c->D};

	for (size_t i = 0; i < STATE; i++)
		out[i] = (unsigned char)(words[i / 4] >> (8 * (i % 4)));
}

/* RFC 2104 with a key that was already mixed in: outer state, then inner. */
int
cram_md5_states(struct span password, unsigned char states[CRAM_MD5_STATES], struct fault *why)
{
	unsigned char key[BLOCK] = {0}, inner[BLOCK], outer[BLOCK];
	MD5_CTX       i, o;

	if (password.len > BLOCK)
		MD5((const unsigned char *)password.at, password.len, key);
	else
		memcpy(key, password.at, password.len);
	for (size_t k = 0; k < BLOCK; k++) {
		inner[k] = key[k] ^ 0x36;
		outer[k] = key[k] ^ 0x5c;
	}
	if (MD5_Init(&i) != 1 || MD5_Update(&i, inner, BLOCK) != 1 || MD5_Init(&o) != 1 || MD5_Update(&o, outer, BLOCK) != 1)
		return fault_set(why, FAULT_SYSTEM, "MD5: cannot compute");
	put_state(&o, states);
	put_state(&i, states + STATE);
	mem_wipe(key, sizeof key);
	mem_wipe(inner, sizeof inner);
	mem_wipe(outer, sizeof outer);
	return 0;
}

int
check_cram_md5(struct span stored, struct span password, const char *unused, struct fault *why)
{
	unsigned char        states[CRAM_MD5_STATES];
	autotext struct text raw = {0};

	(void)unused;
	if (hex_decode(stored, &raw, NULL) < 0 || raw.len != sizeof states)
		return fault_set(why, FAULT_INPUT, "malformed CRAM-MD5 hash");
	return cram_md5_states(password, states, why) < 0 ? -1 : same(span_at(states, sizeof states), text_span(&raw));
}

int
password_derive(struct span password, struct span salt, uint64_t rounds, const EVP_MD *md, unsigned char *out, struct fault *why)
{
	if (!md || rounds == 0 || rounds > ROUNDS_MAX)
		return fault_set(why, FAULT_INPUT, "malformed hash: rounds");
	if (PKCS5_PBKDF2_HMAC(password.at, (int)password.len, (const unsigned char *)salt.at, (int)salt.len, (int)rounds, md,
	                      EVP_MD_get_size(md), out) != 1)
		return fault_set(why, FAULT_SYSTEM, "PBKDF2: cannot compute");
	return 0;
}

int
scram_keys(struct span password, struct span salt, uint64_t rounds, const EVP_MD *md, unsigned char *stored, unsigned char *server,
	struct fault *why)
{
	unsigned char salted[EVP_MAX_MD_SIZE], client[EVP_MAX_MD_SIZE];
	unsigned      n = 0, m = 0;

	if (password_derive(password, salt, rounds, md, salted, why) < 0)
		return -1;
	if (!HMAC(md, salted, EVP_MD_get_size(md), (const unsigned char *)"Client Key", 10, client, &n) ||
	    EVP_Digest(client, n, stored, &m, md, NULL) != 1 ||
	    !HMAC(md, salted, EVP_MD_get_size(md), (const unsigned char *)"Server Key", 10, server, &n))
		return fault_set(why, FAULT_SYSTEM, "SCRAM: cannot compute");
	mem_wipe(salted, sizeof salted);
	mem_wipe(client, sizeof client);
	return 0;
}

int
check_scram(struct span stored, struct span password, const char *digest, struct fault *why)
{
	const EVP_MD        *md = EVP_get_digestbyname(digest);
	struct span          rounds, salt64, key64, rest = stored;
	autotext struct text salt = {0}, key = {0};
	unsigned char        got[EVP_MAX_MD_SIZE], server[EVP_MAX_MD_SIZE];
	uint64_t             count;

	if (!span_split(&rest, ',', &rounds) || !span_split(&rest, ',', &salt64) || !span_split(&rest, ',', &key64) ||
	    !span_number(rounds, &count) || base64_decode(salt64, &salt, NULL) < 0 || base64_decode(key64, &key, NULL) < 0)
		return fault_set(why, FAULT_INPUT, "malformed SCRAM credentials");
	if (scram_keys(password, text_span(&salt), count, md, got, server, why) < 0)
		return -1;
	return same(span_at(got, (size_t)EVP_MD_get_size(md)), text_span(&key));
}

int
check_pbkdf2(struct span stored, struct span password, const char *unused, struct fault *why)
{
	const EVP_MD        *md = EVP_sha1();
	struct span          rest = stored, empty, version, salt, rounds;
	autotext struct text hash = {0};
	unsigned char        got[EVP_MAX_MD_SIZE];
	uint64_t             count;

	(void)unused;
	if (!span_split(&rest, '$', &empty) || empty.len || !span_split(&rest, '$', &version) || !span_is(version, "1") ||
	    !span_split(&rest, '$', &salt) || !span_split(&rest, '$', &rounds) || !span_number(rounds, &count) ||
	    hex_decode(rest, &hash, NULL) < 0)
		return fault_set(why, FAULT_INPUT, "malformed PBKDF2 hash");
	if (password_derive(password, salt, count, md, got, why) < 0)
		return -1;
	return same(span_at(got, (size_t)EVP_MD_get_size(md)), text_span(&hash));
}
