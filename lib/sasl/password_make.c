/* SPDX-License-Identifier: ISC */
/*
 * password_make.c - passwords as they are to be stored
 *
 * Under Dovecot's names and in its forms, so that either of the two can check them.
 */
#include <crypt.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_ARGON2
#include <argon2.h>
#endif

#include "base/base64.h"
#include "base/mem.h"
#include "base/text.h"
#include "sasl/password.h"
#include "sasl/password_schemes.h"

enum { SALT = 16, SALT_SHORT = 8, PBKDF2_ROUNDS = 5000, SCRAM_ROUNDS = 4096, ARGON2_TIME = 3, ARGON2_KIB = 65536, ARGON2_BYTES = 32 };

static int
random_bytes(unsigned char *out, int count, struct fault *why)
{
	return RAND_bytes(out, count) == 1 ? 0 : fault_set(why, FAULT_SYSTEM, "no random bytes");
}

static int
make_plain(struct span password, const char *unused, unsigned rounds, struct text *out, struct fault *why)
{
	(void)unused, (void)rounds, (void)why;
	text_add(out, password);
	return 0;
}

/* `prefix` is crypt(3)'s: "$2y$". */
static int
make_crypt(struct span password, const char *prefix, unsigned rounds, struct text *out, struct fault *why)
{
	struct crypt_data *data = mem_alloc(sizeof *data);
	autofree char     *secret = mem_span(password);
	char               setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char        *got = NULL;

	if (crypt_gensalt_rn(prefix, rounds, NULL, 0, setting, sizeof setting))
		got = crypt_r(secret, setting, data);
	if (got && got[0] != '*')
		text_add_string(out, got);
	else
		fault_set(why, FAULT_INPUT, "crypt(3) cannot make this kind of hash with so many rounds");
	mem_wipe(secret, password.len);
	mem_wipe(data, sizeof *data);
	free(data);
	return out->len ? 0 : -1;
}

/* "+sha1": with a salt behind it. */
static int
make_digest(struct span password, const char *name, unsigned rounds, struct text *out, struct fault *why)
{
	const EVP_MD        *md = EVP_get_digestbyname(name + (*name == '+'));
	autotext struct text input = {0}, raw = {0};
	unsigned char        salt[SALT_SHORT], digest[EVP_MAX_MD_SIZE];
	unsigned             n = 0;

	(void)rounds;
	text_add(&input, password);
	if (*name == '+') {
		if (random_bytes(salt, sizeof salt, why) < 0)
			return -1;
		text_add(&input, span_at(salt, sizeof salt));
	}
	if (!md || EVP_Digest(input.at, input.len, digest, &n, md, NULL) != 1)
		return fault_set(why, FAULT_SYSTEM, "%s: cannot compute", name);
	mem_wipe(input.at, input.room);
	text_add(&raw, span_at(digest, n));
	if (*name == '+')
		text_add(&raw, span_at(salt, sizeof salt));
	base64_encode(text_span(&raw), out);
	return 0;
}

static int
make_cram_md5(struct span password, const char *unused, unsigned rounds, struct text *out, struct fault *why)
{
	unsigned char states[CRAM_MD5_STATES];

	(void)unused, (void)rounds;
	if (cram_md5_states(password, states, why) < 0)
		return -1;
	for (size_t i = 0; i < sizeof states; i++)
		text_add_format(out, "%02x", states[i]);
	return 0;
}

static int
make_scram(struct span password, const char *digest, unsigned rounds, struct text *out, struct fault *why)
{
	const EVP_MD *md = EVP_get_digestbyname(digest);
	unsigned char salt[SALT], stored[EVP_MAX_MD_SIZE], server[EVP_MAX_MD_SIZE];

	rounds = rounds ? rounds : SCRAM_ROUNDS;
	if (random_bytes(salt, sizeof salt, why) < 0 || scram_keys(password, span_at(salt, sizeof salt), rounds, md, stored, server, why) < 0)
		return -1;
	text_add_format(out, "%u,", rounds);
	base64_encode(span_at(salt, sizeof salt), out);
	text_add_byte(out, ',');
	base64_encode(span_at(stored, (size_t)EVP_MD_get_size(md)), out);
	text_add_byte(out, ',');
	base64_encode(span_at(server, (size_t)EVP_MD_get_size(md)), out);
	return 0;
}

static int
make_pbkdf2(struct span password, const char *unused, unsigned rounds, struct text *out, struct fault *why)
{
	unsigned char raw[SALT_SHORT], hash[EVP_MAX_MD_SIZE];
	char          salt[2 * SALT_SHORT + 1];

	(void)unused;
	rounds = rounds ? rounds : PBKDF2_ROUNDS;
	if (random_bytes(raw, sizeof raw, why) < 0)
		return -1;
	for (size_t i = 0; i < sizeof raw; i++)
		snprintf(salt + 2 * i, 3, "%02x", raw[i]);
	if (password_derive(password, span_of(salt), rounds, EVP_sha1(), hash, why) < 0)
		return -1;
	text_add_format(out, "$1$%s$%u$", salt, rounds);
	for (int i = 0; i < EVP_MD_get_size(EVP_sha1()); i++)
		text_add_format(out, "%02x", hash[i]);
	return 0;
}

#ifdef HAVE_ARGON2
static int
make_argon2(struct span password, const char *kind, unsigned rounds, struct text *out, struct fault *why)
{
	unsigned char salt[SALT];
	char          encoded[256];
	int           error;

	if (random_bytes(salt, sizeof salt, why) < 0)
		return -1;
	rounds = rounds ? rounds : ARGON2_TIME;
	error = strcmp(kind, "id") == 0
		? argon2id_hash_encoded(rounds, ARGON2_KIB, 1, password.at, password.len, salt, sizeof salt, ARGON2_BYTES, encoded, sizeof encoded)
		: argon2i_hash_encoded(rounds, ARGON2_KIB, 1, password.at, password.len, salt, sizeof salt, ARGON2_BYTES, encoded, sizeof encoded);
	if (error != ARGON2_OK)
		return fault_set(why, FAULT_INPUT, "argon2: %s", argon2_error_message(error));
	text_add_string(out, encoded);
	return 0;
}
#endif

static const struct scheme {
	const char *name;
	int       (*make)(struct span password, const char *argument, unsigned rounds, struct text *out, struct fault *);
	const char *argument;
} schemes[] = {
	{"CRYPT", make_crypt, "$2y$"}, {"BLF-CRYPT", make_crypt, "$2y$"}, {"SHA512-CRYPT", make_crypt, "$6$"},
	{"SHA256-CRYPT", make_crypt, "$5$"}, {"MD5-CRYPT", make_crypt, "$1$"},
#ifdef HAVE_ARGON2
	{"ARGON2ID", make_argon2, "id"}, {"ARGON2I", make_argon2, "i"},
#endif
	{"PBKDF2", make_pbkdf2, ""}, {"SCRAM-SHA-256", make_scram, "sha256"}, {"SCRAM-SHA-1", make_scram, "sha1"},
	{"CRAM-MD5", make_cram_md5, ""}, {"SSHA512", make_digest, "+sha512"}, {"SSHA256", make_digest, "+sha256"},
	{"SSHA", make_digest, "+sha1"}, {"SHA512", make_digest, "sha512"}, {"SHA256", make_digest, "sha256"}, {"SHA1", make_digest, "sha1"},
	{"SHA", make_digest, "sha1"}, {"SMD5", make_digest, "+md5"}, {"LDAP-MD5", make_digest, "md5"},
	{"PLAIN", make_plain, ""}, {"CLEARTEXT", make_plain, ""}, {"CLEAR", make_plain, ""},
};

const char *
password_scheme_name(size_t index)
{
	return index < COUNT(schemes) ? schemes[index].name : NULL;
}

int
password_make(struct span scheme, struct span password, unsigned rounds, struct text *out, struct fault *why)
{
	autotext struct text hash = {0};

	for (size_t i = 0; i < COUNT(schemes); i++) {
		if (!span_is_nocase(scheme, schemes[i].name))
			continue;
		if (span_has(password, '\0') || password.len > PASSWORD_MOST)
			return fault_set(why, FAULT_INPUT, "a password of at most %d bytes, without NUL", PASSWORD_MOST);
		if (schemes[i].make(password, schemes[i].argument, rounds, &hash, why) < 0)
			return -1;
		text_add_format(out, "{%s}%s", schemes[i].name, text_string(&hash));
		return 0;
	}
	return fault_set(why, FAULT_INPUT, "unknown scheme: %.*s", SPAN_ARGS(span_first(scheme, 40)));
}
