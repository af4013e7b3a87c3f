/* SPDX-License-Identifier: ISC */
/*
 * jwt.c - JSON Web Tokens in compact form (RFC 7515, RFC 7519), by OpenSSL and jansson
 */
#include "sasl/jwt.h"

#include <jansson.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/mem.h"

enum { TOKEN_MAX = 8192, KEYS_MAX = 1000, NAME_MAX_LEN = 512, SECRET_LEAST = 16, RSA_LEAST_BITS = 2048 };

/* RFC 7518, 3.1; RFC 8037 */
enum family { HMAC_SECRET, RSA_PKCS1, RSA_PSS, ECDSA_RAW, EDWARDS };
static const struct algorithm {
	const char *name;
	enum family family;
	const char *digest, *curve;
	size_t      half;              /* bytes of r, and of s */
} algorithms[] = {
	{"HS256", HMAC_SECRET, "SHA256", "", 0}, {"HS384", HMAC_SECRET, "SHA384", "", 0}, {"HS512", HMAC_SECRET, "SHA512", "", 0},
	{"RS256", RSA_PKCS1, "SHA256", "", 0}, {"RS384", RSA_PKCS1, "SHA384", "", 0}, {"RS512", RSA_PKCS1, "SHA512", "", 0},
	{"PS256", RSA_PSS, "SHA256", "", 0}, {"PS384", RSA_PSS, "SHA384", "", 0}, {"PS512", RSA_PSS, "SHA512", "", 0},
	{"ES256", ECDSA_RAW, "SHA256", "prime256v1", 32}, {"ES384", ECDSA_RAW, "SHA384", "secp384r1", 48},
	{"ES512", ECDSA_RAW, "SHA512", "secp521r1", 66}, {"EdDSA", EDWARDS, NULL, "", 0},
};

struct key {
	const struct algorithm *algorithm;
	struct text             azp, kid, secret;
	EVP_PKEY               *public;
};

struct jwt_keys {
	struct key *key;
	size_t      count;
};

static const struct algorithm *
algorithm_of(struct span name)
{
	for (size_t i = 0; i < COUNT(algorithms); i++)
		if (span_is(name, algorithms[i].name))
			return &algorithms[i];
	return NULL;
}

/* ------------------------------------------------------------ keys */

struct jwt_keys *
jwt_keys_new(void)
{
	return mem_alloc(sizeof(struct jwt_keys));
}

void
jwt_keys_free(struct jwt_keys *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->count; i++) {
		text_free(&k->key[i].azp);
		text_free(&k->key[i].kid);
		if (k->key[i].secret.at)
			mem_wipe(k->key[i].secret.at, k->key[i].secret.room);
		text_free(&k->key[i].secret);
		EVP_PKEY_free(k->key[i].public);
	}
	free(k->key);
	free(k);
}

size_t
jwt_keys_count(const struct jwt_keys *k)
{
	return k->count;
}

static int
fits(const struct algorithm *a, const EVP_PKEY *key, struct fault *why)
{
	char   curve[80] = "";
	size_t len = 0;

	switch (a->family) {
	case RSA_PKCS1:
	case RSA_PSS:
		if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_LEAST_BITS)
			return 0;
		return fault_set(why, FAULT_INPUT, "%s needs an RSA key of at least %d bits", a->name, RSA_LEAST_BITS);
	case ECDSA_RAW:
		if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, curve, sizeof curve, &len) == 1 && strcmp(curve, a->curve) == 0)
			return 0;
		return fault_set(why, FAULT_INPUT, "%s needs an elliptic curve key of %s", a->name, a->curve);
	default:
		if (EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448"))
			return 0;
		return fault_set(why, FAULT_INPUT, "%s needs an Ed25519 or Ed448 key", a->name);
	}
}

static int
read_key(struct key *k, struct span content, struct fault *why)
{
	BIO *in;

	if (k->algorithm->family == HMAC_SECRET) {
		if (base64_decode(span_trim(content), &k->secret, why) < 0)
			return fault_prefix(why, "a secret in base64 is expected");
		return k->secret.len >= SECRET_LEAST ? 0 : fault_set(why, FAULT_INPUT, "a secret of at least %d bytes is expected", SECRET_LEAST);
	}
	in = BIO_new_mem_buf(content.at, (int)content.len);
	k->public = in ? PEM_read_bio_PUBKEY(in, NULL, NULL, NULL) : NULL;
	BIO_free(in);
	ERR_clear_error();
	return k->public ? fits(k->algorithm, k->public, why) : fault_set(why, FAULT_INPUT, "a public key in PEM is expected");
}

int
jwt_keys_add(struct jwt_keys *all, struct span azp, struct span algorithm, struct span kid, struct span content, struct fault *why)
{
	struct key k = {.algorithm = algorithm_of(algorithm)};

	if (!k.algorithm)
		return fault_set(why, FAULT_INPUT, "unknown algorithm");
	if (all->count == KEYS_MAX)
		return fault_set(why, FAULT_INPUT, "more than %d keys", KEYS_MAX);
	if (read_key(&k, content, why) < 0) {
		text_free(&k.secret);
		EVP_PKEY_free(k.public);
		return -1;
	}
	text_add(&k.azp, azp);
	text_add(&k.kid, kid);
	all->key = mem_grow(all->key, all->count + 1, sizeof *all->key);
	all->key[all->count++] = k;
	return 0;
}

static const struct key *
find_key(const struct jwt_keys *all, const struct algorithm *a, struct span azp, struct span kid)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct key *k = &all->key[i];

		if (k->algorithm == a && span_equal(text_span(&k->azp), azp) && span_equal(text_span(&k->kid), kid))
			return k;
	}
	return NULL;
}

/* ------------------------------------------------------------ signatures */

static bool
hmac_fits(const struct key *k, struct span message, struct span signature)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned      len = 0;

	return HMAC(EVP_get_digestbyname(k->algorithm->digest), k->secret.at, (int)k->secret.len, (const unsigned char *)message.at,
	            message.len, digest, &len) && len == signature.len && CRYPTO_memcmp(digest, signature.at, len) == 0;
}

/* r and s as they are, one behind the other (RFC 7518, 3.4), to DER. */
static bool
to_der(const struct algorithm *a, struct span raw, struct text *der)
{
	ECDSA_SIG     *s = ECDSA_SIG_new();
	unsigned char *out = NULL;
	BIGNUM        *first, *second;
	int            len = -1;

	if (s && raw.len == 2 * a->half) {
		first = BN_bin2bn((const unsigned char *)raw.at, (int)a->half, NULL);
		second = BN_bin2bn((const unsigned char *)raw.at + a->half, (int)a->half, NULL);
		if (ECDSA_SIG_set0(s, first, second) == 1)
			len = i2d_ECDSA_SIG(s, &out);
	}
	if (len > 0)
		text_set(der, span_at(out, (size_t)len));
	OPENSSL_free(out);
	ECDSA_SIG_free(s);
	return len > 0;
}

static bool
public_fits(const struct key *k, struct span message, struct span signature)
{
	autotext struct text der = {0};
	EVP_MD_CTX          *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX        *ctx = NULL;
	bool                 good = md != NULL;

	if (k->algorithm->family == ECDSA_RAW) {
		good = good && to_der(k->algorithm, signature, &der);
		signature = text_span(&der);
	}
	good = good && EVP_DigestVerifyInit_ex(md, &ctx, k->algorithm->digest, NULL, NULL, k->public, NULL) == 1;
	if (good && k->algorithm->family == RSA_PSS)
		good = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	good = good && EVP_DigestVerify(md, (const unsigned char *)signature.at, signature.len, (const unsigned char *)message.at, message.len) == 1;
	EVP_MD_CTX_free(md);
	ERR_clear_error();
	return good;
}

/* ------------------------------------------------------------ its parts */

/* RFC 7515, 2: base64url without padding; strict, so that a token has one form. */
static int
decode_url(struct span in, struct text *out, struct fault *why)
{
	autotext struct text plain = {0};

	for (size_t i = 0; i < in.len; i++) {
		char c = in.at[i];

		if (c == '+' || c == '/' || c == '=')
			return fault_set(why, FAULT_INPUT, "not base64url");
		text_add_byte(&plain, c == '-' ? '+' : c == '_' ? '/' : c);
	}
	while (plain.len % 4)
		text_add_byte(&plain, '=');
	return base64_decode(text_span(&plain), out, why);
}

static json_t *
load(struct span coded, struct fault *why)
{
	autotext struct text raw = {0};
	json_error_t         error;
	json_t              *object = NULL;

	if (decode_url(coded, &raw, why) == 0) {
		object = json_loadb(text_string(&raw), raw.len, JSON_REJECT_DUPLICATES, &error);
		if (!object)
			fault_set(why, FAULT_INPUT, "JSON: %s", error.text);
	}
	if (object && !json_is_object(object)) {
		json_decref(object);
		fault_set(why, FAULT_INPUT, "JSON: not an object");
		return NULL;
	}
	return object;
}

static void
json_drop(json_t **j)
{
	json_decref(*j);
}
#define autojson __attribute__((cleanup(json_drop)))

static struct span
string_of(const json_t *object, const char *name, const char *fallback)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) ? span_at(json_string_value(value), json_string_length(value)) : span_of(fallback);
}

/* "kid" or "azp": a string that could be a name, or left out. */
static int
name_of(const json_t *object, const char *name, struct span *out, struct fault *why)
{
	const json_t *value = json_object_get(object, name);

	*out = string_of(object, name, "default");
	if ((value && !json_is_string(value)) || out->len == 0 || out->len > NAME_MAX_LEN)
		return fault_set(why, FAULT_DENIED, "bad '%s' field", name);
	return 0;
}

/* A whole number of seconds; some issuers have a fraction. 0 there, 1 not, -1 why. */
static int
time_of(const json_t *claims, const char *name, int64_t *out, struct fault *why)
{
	const json_t *value = json_object_get(claims, name);

	if (!value)
		return 1;
	if (json_is_integer(value))
		*out = json_integer_value(value);
	else if (json_is_real(value) && json_real_value(value) > -1e15 && json_real_value(value) < 1e15)
		*out = (int64_t)json_real_value(value);
	else
		return fault_set(why, FAULT_DENIED, "malformed '%s' field", name);
	return 0;
}

static int
check_times(const json_t *claims, int64_t now, struct fault *why)
{
	int64_t when = 0;
	int     got = time_of(claims, "exp", &when, why);

	if (got)
		return got < 0 ? -1 : fault_set(why, FAULT_DENIED, "missing 'exp' field");
	if (when <= now)
		return fault_set(why, FAULT_DENIED, "token has expired");
	if ((got = time_of(claims, "nbf", &when, why)) < 0 || (got == 0 && when > now))
		return got < 0 ? -1 : fault_set(why, FAULT_DENIED, "token is not valid yet");
	if ((got = time_of(claims, "iat", &when, why)) < 0 || (got == 0 && when > now + 60)) /* clocks differ */
		return got < 0 ? -1 : fault_set(why, FAULT_DENIED, "token is issued in future");
	return 0;
}

/* A blank separated string, or an array of strings. */
static bool
claim_has(const json_t *claims, const char *name, struct span wanted)
{
	const json_t *value = json_object_get(claims, name), *one;
	struct span   rest, word;
	size_t        i;

	if (json_is_array(value)) {
		json_array_foreach(value, i, one)
			if (json_is_string(one) && span_equal(span_at(json_string_value(one), json_string_length(one)), wanted))
				return true;
		return false;
	}
	for (rest = string_of(claims, name, ""); span_next(&rest, " ", &word);)
		if (span_equal(word, wanted))
			return true;
	return false;
}

static bool
has_all(const json_t *claims, const char *name, const char *wanted)
{
	struct span rest = span_of(wanted), word;

	while (span_next(&rest, " ", &word))
		if (!claim_has(claims, name, word))
			return false;
	return true;
}

static bool
is_among(const char *names, struct span issuer)
{
	struct span rest = span_of(names), word;

	if (!*names)
		return true;
	while (span_next(&rest, " ", &word))
		if (span_equal(word, issuer))
			return true;
	return false;
}

static bool
is_active(const json_t *claims, const struct jwt_rules *r)
{
	const json_t *value = json_object_get(claims, r->active_attribute);

	if (!*r->active_attribute)
		return true;
	if (json_is_boolean(value))
		return json_is_true(value) ? !*r->active_value || strcmp(r->active_value, "true") == 0 : strcmp(r->active_value, "false") == 0;
	return json_is_string(value) && (!*r->active_value || span_is(string_of(claims, r->active_attribute, ""), r->active_value));
}

static int
check_claims(const json_t *claims, const struct jwt_rules *r, int64_t now, struct text *user, struct fault *why)
{
	struct span name = string_of(claims, r->username_attribute, "");

	if (check_times(claims, now, why) < 0)
		return -1;
	if (!is_among(r->issuers, string_of(claims, "iss", "")))
		return fault_set(why, FAULT_DENIED, "issuer is not allowed");
	if (*r->audience && !claim_has(claims, "aud", span_of(r->audience)))
		return fault_set(why, FAULT_DENIED, "token is for another audience");
	if (!has_all(claims, "scope", r->scope))
		return fault_set(why, FAULT_DENIED, "token is not valid for scope '%s'", r->scope);
	if (!is_active(claims, r))
		return fault_set(why, FAULT_DENIED, "token is not active");
	if (name.len == 0 || span_has(name, '\0'))
		return fault_set(why, FAULT_DENIED, "no username returned: missing '%s' field", r->username_attribute);
	text_set(user, name);
	return 0;
}

static int
check_header(const json_t *header, const struct algorithm **a, struct span *kid, struct fault *why)
{
	struct span type = string_of(header, "typ", "JWT");

	*a = algorithm_of(string_of(header, "alg", ""));
	if (!*a)
		return fault_set(why, FAULT_DENIED, "unsupported algorithm");
	if (!span_is_nocase(type, "JWT") && !span_is_nocase(type, "at+jwt") && !span_is_nocase(type, "application/at+jwt"))
		return fault_set(why, FAULT_DENIED, "not an access token");
	if (json_object_get(header, "crit")) /* RFC 7515, 4.1.11: what we do not know must not be ignored */
		return fault_set(why, FAULT_DENIED, "unknown critical header");
	return name_of(header, "kid", kid, why);
}

int
jwt_check(const struct jwt_keys *keys, const struct jwt_rules *r, struct span token, int64_t now, struct text *user, struct fault *why)
{
	autotext struct text    signature = {0};
	struct span             rest = token, head, body, kid = SPAN_NONE, azp = SPAN_NONE, message;
	const struct algorithm *a = NULL;
	const struct key       *k;
	bool                    good;

	if (token.len > TOKEN_MAX || !span_split(&rest, '.', &head) || !span_split(&rest, '.', &body) || span_has(rest, '.') || !rest.len)
		return fault_set(why, FAULT_DENIED, "not a JWT token"), 0;
	autojson json_t *header = load(head, why);
	autojson json_t *claims = header ? load(body, why) : NULL;

	if (!claims || decode_url(rest, &signature, why) < 0)
		return fault_prefix(why, "not a JWT token"), 0;
	if (check_header(header, &a, &kid, why) < 0 || name_of(claims, "azp", &azp, why) < 0)
		return 0;
	k = find_key(keys, a, azp, kid);
	if (!k)
		return fault_set(why, FAULT_DENIED, "%s key '%.*s' not found", a->name, SPAN_ARGS(span_first(kid, 60))), 0;
	message = span_at(token.at, head.len + 1 + body.len);
	good = a->family == HMAC_SECRET ? hmac_fits(k, message, text_span(&signature)) : public_fits(k, message, text_span(&signature));
	if (!good)
		return fault_set(why, FAULT_DENIED, "signature validation failed"), 0;
	return check_claims(claims, r, now, user, why) == 0;
}
