/* SPDX-License-Identifier: ISC */
/*
 * password.c - is this the password behind that hash?
 *
 * crypt(3) knows its own methods; salted digests are digest + salt in base64
 * (RFC 2307's userPassword and its successors).
 */
#include "sasl/password.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#ifdef HAVE_ARGON2
#include <argon2.h>
#endif

#include "base/base64.h"
#include "base/mem.h"
#include "sasl/password_schemes.h"

enum { ROUNDS_MAX = 1000000 };

static bool
same(struct span a, struct span b)
{
	return a.len == b.len && CRYPTO_memcmp(a.at, b.at, a.len) == 0;
}

static int
check_plain(struct span stored, struct span password, const char *unused, struct fault *why)
{
	(void)unused;
	(void)why;
	return same(stored, password);
}

/* A hash that asks for hours of work is a mistake, or an attack by whoever wrote it. */
static bool
too_many_rounds(const char *setting)
{
	const char *rounds = strstr(setting, "$rounds=");

	return rounds && strtoul(rounds + 8, NULL, 10) > ROUNDS_MAX;
}

static int
check_crypt(struct span stored, struct span password, const char *unused, struct fault *why)
{
	autofree char     *setting = mem_span(stored), *secret = mem_span(password);
	struct crypt_data *data = mem_alloc(sizeof *data);
	const char        *got = NULL;
	int                verdict;

	(void)unused;
	if (!too_many_rounds(setting))
		got = crypt_r(secret, setting, data);
	if (!got || got[0] == '*')
		verdict = fault_set(why, FAULT_INPUT, "crypt(3) does not know this kind of hash");
	else
		verdict = same(span_of(got), stored);
	mem_wipe(secret, password.len);
	mem_wipe(data, sizeof *data);
	free(data);
	return verdict;
}

static int
decode(struct span stored, size_t digest_len, struct text *raw, struct fault *why)
{
	if (stored.len == digest_len * 2 && hex_decode(stored, raw, NULL) == 0)
		return 0;
	return base64_decode(stored, raw, why);
}

/* digest(password + salt) + salt; without salt the plain digest. */
static int
check_digest(struct span stored, struct span password, const char *name, struct fault *why)
{
	const EVP_MD        *md = EVP_get_digestbyname(name);
	size_t               len = md ? (size_t)EVP_MD_get_size(md) : 0;
	autotext struct text raw = {0}, input = {0};
	unsigned char        out[EVP_MAX_MD_SIZE];
	unsigned             n = 0;

	if (!md || decode(stored, len, &raw, why) < 0 || raw.len < len)
		return fault_set(why, FAULT_INPUT, "malformed %s hash", name);
	text_add(&input, password);
	text_add(&input, span_from(text_span(&raw), len));
	if (EVP_Digest(input.at, input.len, out, &n, md, NULL) != 1)
		return fault_set(why, FAULT_SYSTEM, "%s: cannot compute", name);
	mem_wipe(input.at, input.room);
	return same(span_at(out, n), span_first(text_span(&raw), len));
}

#ifdef HAVE_ARGON2
static int
check_argon2(struct span stored, struct span password, const char *unused, struct fault *why)
{
	autofree char *encoded = mem_span(stored);
	int            error = span_starts(stored, "$argon2id$")
	                           ? argon2id_verify(encoded, password.at, password.len)
	                           : argon2i_verify(encoded, password.at, password.len);

	(void)unused;
	if (error == ARGON2_OK || error == ARGON2_VERIFY_MISMATCH)
		return error == ARGON2_OK;
	return fault_set(why, FAULT_INPUT, "argon2: %s", argon2_error_message(error));
}
#else
static int
check_argon2(struct span stored, struct span password, const char *unused, struct fault *why)
{
	(void)stored, (void)password, (void)unused;
	return fault_set(why, FAULT_INPUT, "argon2 is not built in");
}
#endif

static const struct scheme {
	const char *name;
	int       (*check)(struct span stored, struct span password, const char *digest, struct fault *);
	const char *digest;
} schemes[] = {
	{"PLAIN", check_plain, ""}, {"CLEAR", check_plain, ""}, {"CLEARTEXT", check_plain, ""},
	{"CRYPT", check_crypt, ""}, {"SHA512-CRYPT", check_crypt, ""}, {"SHA256-CRYPT", check_crypt, ""},
	{"BLF-CRYPT", check_crypt, ""}, {"MD5-CRYPT", check_crypt, ""}, {"DES-CRYPT", check_crypt, ""},
	{"MD5", check_crypt, ""},
	{"SHA", check_digest, "sha1"}, {"SHA1", check_digest, "sha1"}, {"SSHA", check_digest, "sha1"},
	{"SHA256", check_digest, "sha256"}, {"SSHA256", check_digest, "sha256"},
	{"SHA512", check_digest, "sha512"}, {"SSHA512", check_digest, "sha512"},
	{"LDAP-MD5", check_digest, "md5"}, {"PLAIN-MD5", check_digest, "md5"}, {"SMD5", check_digest, "md5"},
	{"PLAIN-TRUNC", check_plain_trunc, ""}, {"CRAM-MD5", check_cram_md5, ""}, {"HMAC-MD5", check_cram_md5, ""},
	{"SCRAM-SHA-1", check_scram, "sha1"}, {"SCRAM-SHA-256", check_scram, "sha256"}, {"PBKDF2", check_pbkdf2, ""},
	{"ARGON2I", check_argon2, ""}, {"ARGON2ID", check_argon2, ""},
};

int
password_check(struct span stored, struct span password, struct fault *why)
{
	struct span name = SPAN("CRYPT"), hash = stored;
	ptrdiff_t   end = stored.len && stored.at[0] == '{' ? span_find(stored, '}') : -1;

	if (password.len > PASSWORD_MOST || span_has(password, '\0'))
		return 0;
	if (end > 0) {
		name = span_cut(stored, 1, (size_t)end);
		hash = span_from(stored, (size_t)end + 1);
	}
	if (span_ends_nocase(name, ".B64") || span_ends_nocase(name, ".HEX")) /* decode() tells them apart */
		name = span_first(name, name.len - 4);
	if (hash.len == 0)
		return 0; /* no password is no way in */
	for (size_t i = 0; i < COUNT(schemes); i++)
		if (span_is_nocase(name, schemes[i].name))
			return schemes[i].check(hash, password, schemes[i].digest, why);
	return fault_set(why, FAULT_INPUT, "unknown password scheme %.*s", (int)(name.len < 40 ? name.len : 40), name.at);
}

void
password_check_nobody(struct span password)
{
	static const char hash[] = "{SHA512-CRYPT}$6$saltsaltsaltsalt$"
		"ShxqYmiqUYnHT1FYKVDPsbOqLjVXkOIQhQTWCPXF1uIvJWtTkoFB8Q7TXOXRDjdSqyvAaGhpbqOcbIZMK4Ok1.";

	password_check(span_of(hash), password, NULL);
}
