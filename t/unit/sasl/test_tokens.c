/* SPDX-License-Identifier: ISC */
/*
 * test_tokens.c - OAUTHBEARER (RFC 7628), XOAUTH2, and JSON Web Tokens (RFC 7515, 7519, 8037)
 */
#include "../unit.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "base/base64.h"
#include "base/text.h"
#include "sasl/bearer.h"
#include "sasl/jwt.h"

static const struct { bool oauthbearer; struct span message; const char *user, *token; } messages[] = {
	{true, SPAN("n,a=user@example.com,\001host=server.example.com\001port=143\001auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\001\001"),
	 "user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="},                     /* RFC 7628, 4.1 */
	{true, SPAN("n,,\001auth=Bearer abc\001\001"), "", "abc"},
	{true, SPAN("y,,\001auth=bearer abc\001\001"), "", "abc"},
	{true, SPAN("n,a=a=2Cb=3Dc,\001auth=Bearer abc\001\001"), "a,b=c", "abc"},
	{true, SPAN("p=tls-exporter,,\001auth=Bearer abc\001\001"), NULL, NULL},
	{true, SPAN("n,a=a=2cb,\001auth=Bearer abc\001\001"), NULL, NULL},
	{true, SPAN("n,b=x,\001auth=Bearer abc\001\001"), NULL, NULL},
	{true, SPAN("n,,auth=Bearer abc\001\001"), NULL, NULL},
	{true, SPAN("n,,\001auth=Bearer abc\001"), NULL, NULL},
	{true, SPAN("n,,\001auth=Bearer abc\001\001x"), NULL, NULL},
	{true, SPAN("n,,\001auth=Basic abc\001\001"), NULL, NULL},
	{true, SPAN("n,,\001auth=Bearer\001\001"), NULL, NULL},
	{true, SPAN("n,,\001auth=Bearer a b\001\001"), NULL, NULL},
	{true, SPAN("n,,\001auth=Bearer a\001auth=Bearer b\001\001"), NULL, NULL},
	{true, SPAN("n,,\001auth=Bearer a\0b\001\001"), NULL, NULL},
	{true, SPAN("n,a=x\0y,\001auth=Bearer a\001\001"), NULL, NULL},
	{true, SPAN("n,,\001host=x\001\001"), NULL, NULL},
	{true, SPAN("\001"), NULL, NULL}, {true, SPAN(""), NULL, NULL}, {true, SPAN("n,,\001\001"), NULL, NULL},
	{false, SPAN("user=someuser@example.com\001auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\001\001"),
	 "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"},
	{false, SPAN("auth=Bearer x\001\001"), NULL, NULL},
	{false, SPAN("user=\001auth=Bearer x\001\001"), NULL, NULL},
	{false, SPAN("user=a\001user=b\001auth=Bearer x\001\001"), "a", "x"},
	{false, SPAN("user=a\001auth=Bearer x\001"), NULL, NULL},
	{false, SPAN("n,a=a,\001auth=Bearer x\001\001"), NULL, NULL},
};

UNIT_TEST(what_clients_send)
{
	for (size_t i = 0; i < COUNT(messages); i++) {
		struct bearer b;
		int           got = bearer_parse(messages[i].oauthbearer, messages[i].message, &b, NULL);

		ck_assert_msg((got == 0) == (messages[i].user != NULL), "row %zu gave %d", i, got);
		if (got < 0)
			continue;
		ck_assert_str_eq(text_string(&b.user), messages[i].user);
		ck_span(b.token, messages[i].token);
		bearer_free(&b);
	}
}
END_TEST

UNIT_TEST(what_a_refusal_says)
{
	struct text out = {0};

	bearer_refusal(true, "mail", "https://x.example/", &out);      /* RFC 7628, 3.2.2 */
	ck_span(text_span(&out), "{\"status\":\"invalid_token\",\"scope\":\"mail\",\"openid-configuration\":\"https://x.example/\"}");
	bearer_refusal(false, "a\"b\\c", "", &out);
	ck_span(text_span(&out), "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"a\\\"b\\\\c\"}");
	text_free(&out);
}
END_TEST

/* ------------------------------------------------------------ signing */

static void
add_url(struct span raw, struct text *out)
{
	struct text coded = {0};

	base64_encode(raw, &coded);
	for (size_t i = 0; i < coded.len && coded.at[i] != '='; i++)
		text_add_byte(out, coded.at[i] == '+' ? '-' : coded.at[i] == '/' ? '_' : coded.at[i]);
	text_free(&coded);
}

static EVP_PKEY *
make_key(const char *algorithm)
{
	if (strncmp(algorithm, "RS", 2) == 0 || strncmp(algorithm, "PS", 2) == 0)
		return EVP_RSA_gen(2048);
	if (strcmp(algorithm, "EdDSA") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return EVP_EC_gen(strcmp(algorithm, "ES256") == 0 ? "P-256" : strcmp(algorithm, "ES384") == 0 ? "P-384" : "P-521");
}

static void
add_pem(EVP_PKEY *key, struct text *out)
{
	BIO  *bio = BIO_new(BIO_s_mem());
	char *at;
	long  len;

	PEM_write_bio_PUBKEY(bio, key);
	len = BIO_get_mem_data(bio, &at);
	text_add(out, span_at(at, (size_t)len));
	BIO_free(bio);
}

static void
sign(const char *algorithm, EVP_PKEY *key, struct span secret, struct text *token)
{
	const EVP_MD *md = EVP_get_digestbyname(strstr(algorithm, "384") ? "SHA384" : strstr(algorithm, "512") ? "SHA512" : "SHA256");
	unsigned char raw[1024], fixed[132];
	size_t        len = sizeof raw, half = strcmp(algorithm, "ES256") == 0 ? 32 : strcmp(algorithm, "ES384") == 0 ? 48 : 66;
	EVP_MD_CTX   *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p = NULL;

	if (!key) {
		unsigned n = 0;

		HMAC(md, secret.at, (int)secret.len, (unsigned char *)token->at, token->len, raw, &n);
		len = n;
	} else {
		ck_assert_int_eq(EVP_DigestSignInit(ctx, &p, strcmp(algorithm, "EdDSA") == 0 ? NULL : md, NULL, key), 1);
		if (algorithm[0] == 'P') {
			EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING);
			EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_PSS_SALTLEN_DIGEST);
		}
		ck_assert_int_eq(EVP_DigestSign(ctx, raw, &len, (unsigned char *)token->at, token->len), 1);
	}
	EVP_MD_CTX_free(ctx);
	text_add_byte(token, '.');
	if (algorithm[0] == 'E' && algorithm[1] == 'S') {
		const unsigned char *at = raw;
		ECDSA_SIG           *s = d2i_ECDSA_SIG(NULL, &at, (long)len);

		BN_bn2binpad(ECDSA_SIG_get0_r(s), fixed, (int)half);
		BN_bn2binpad(ECDSA_SIG_get0_s(s), fixed + half, (int)half);
		ECDSA_SIG_free(s);
		add_url(span_at(fixed, 2 * half), token);
	} else {
		add_url(span_at(raw, len), token);
	}
}

static const struct jwt_rules sub = {"", "", "", "sub", "", ""};
static const char secret[] = "0123456789abcdef0123456789abcdef";

static void
make(const char *header, const char *claims, const char *algorithm, EVP_PKEY *key, struct text *token)
{
	text_clear(token);
	add_url(span_of(header), token);
	text_add_byte(token, '.');
	add_url(span_of(claims), token);
	sign(algorithm, key, span_of(secret), token);
}

static void
add_secret(struct jwt_keys *k, const char *azp, const char *algorithm, const char *kid)
{
	struct text coded = {0};

	base64_encode(span_of(secret), &coded);
	text_add_byte(&coded, '\n');
	ck_assert_int_eq(jwt_keys_add(k, span_of(azp), span_of(algorithm), span_of(kid), text_span(&coded), NULL), 0);
	text_free(&coded);
}

UNIT_TEST(each_algorithm_and_each_byte)
{
	static const char *const names[] = {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
	                                    "ES256", "ES384", "ES512", "EdDSA"};

	for (size_t i = 0; i < COUNT(names); i++) {
		struct jwt_keys *k = jwt_keys_new();
		EVP_PKEY        *key = names[i][0] == 'H' ? NULL : make_key(names[i]);
		struct text      token = {0}, user = {0}, header = {0}, pem = {0};
		struct fault     why = {0};

		if (key) {
			add_pem(key, &pem);
			ck_assert_msg(jwt_keys_add(k, SPAN("default"), span_of(names[i]), SPAN("one"), text_span(&pem), &why) == 0, "%s", why.reason);
		} else {
			add_secret(k, "default", names[i], "one");
		}
		text_add_format(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"one\"}", names[i]);
		make(text_string(&header), "{\"sub\":\"anna\",\"exp\":2000}", names[i], key, &token);
		ck_assert_msg(jwt_check(k, &sub, text_span(&token), 1000, &user, &why) == 1, "%s: %s", names[i], why.reason);
		ck_span(text_span(&user), "anna");
		for (size_t at = 0; at < token.len; at++) {
			token.at[at] ^= 1;
			ck_assert_msg(jwt_check(k, &sub, text_span(&token), 1000, &user, NULL) == 0, "%s: byte %zu of %s", names[i], at, text_string(&token));
			token.at[at] ^= 1;
		}
		EVP_PKEY_free(key);
		jwt_keys_free(k);
		text_free(&token);
		text_free(&user);
		text_free(&header);
		text_free(&pem);
	}
}
END_TEST

#define HEAD "{\"alg\":\"HS256\"}"

UNIT_TEST(what_tokens_say)
{
	static const struct { const char *header, *claims; struct jwt_rules rules; const char *user; } rows[] = {
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000}", {"", "", "", "sub", "", ""}, "anna"},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000.5,\"nbf\":999,\"iat\":1000}", {"", "", "", "sub", "", ""}, "anna"},
		{HEAD, "{\"email\":\"a@x\",\"sub\":\"anna\",\"exp\":2000}", {"", "", "", "email", "", ""}, "a@x"},
		{HEAD, "{\"sub\":\"anna\",\"exp\":1000}", {"", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\"}", {"", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":\"2000\"}", {"", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":1e300}", {"", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"nbf\":1001}", {"", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"iat\":1500}", {"", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"\",\"exp\":2000}", {"", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":7,\"exp\":2000}", {"", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"a\\u0000b\",\"exp\":2000}", {"", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"sub\":\"root\",\"exp\":2000}", {"", "", "", "sub", "", ""}, NULL},
		{HEAD, "[]", {"", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"iss\":\"https://b\"}", {"https://a https://b", "", "", "sub", "", ""}, "anna"},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"iss\":\"https://c\"}", {"https://a https://b", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000}", {"https://a", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"scope\":\"openid mail\"}", {"", "mail openid", "", "sub", "", ""}, "anna"},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"scope\":\"openid mails\"}", {"", "mail", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"scope\":[\"openid\",\"mail\"]}", {"", "mail", "", "sub", "", ""}, "anna"},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"aud\":\"us\"}", {"", "", "us", "sub", "", ""}, "anna"},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"aud\":[\"them\",\"us\"]}", {"", "", "us", "sub", "", ""}, "anna"},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"aud\":[\"them\"]}", {"", "", "us", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000}", {"", "", "us", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"active\":true}", {"", "", "", "sub", "active", "true"}, "anna"},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"active\":\"yes\"}", {"", "", "", "sub", "active", "yes"}, "anna"},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"active\":false}", {"", "", "", "sub", "active", "true"}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"active\":false}", {"", "", "", "sub", "active", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000}", {"", "", "", "sub", "active", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"azp\":\"app\"}", {"", "", "", "sub", "", ""}, "anna"},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"azp\":\"other\"}", {"", "", "", "sub", "", ""}, NULL},
		{HEAD, "{\"sub\":\"anna\",\"exp\":2000,\"azp\":7}", {"", "", "", "sub", "", ""}, NULL},
		{"{\"alg\":\"none\"}", "{\"sub\":\"anna\",\"exp\":2000}", {"", "", "", "sub", "", ""}, NULL},
		{"{\"alg\":\"hs256\"}", "{\"sub\":\"anna\",\"exp\":2000}", {"", "", "", "sub", "", ""}, NULL},
		{"{\"alg\":\"HS512\"}", "{\"sub\":\"anna\",\"exp\":2000}", {"", "", "", "sub", "", ""}, NULL},     /* a key of another algorithm */
		{"{\"alg\":\"HS256\",\"kid\":\"../default\"}", "{\"sub\":\"anna\",\"exp\":2000}", {"", "", "", "sub", "", ""}, NULL},   /* CVE-2021-29157 */
		{"{\"alg\":\"HS256\",\"kid\":\"a/b\"}", "{\"sub\":\"anna\",\"exp\":2000}", {"", "", "", "sub", "", ""}, "anna"},
		{"{\"alg\":\"HS256\",\"kid\":7}", "{\"sub\":\"anna\",\"exp\":2000}", {"", "", "", "sub", "", ""}, NULL},
		{"{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", "{\"sub\":\"anna\",\"exp\":2000}", {"", "", "", "sub", "", ""}, "anna"},
		{"{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", "{\"sub\":\"anna\",\"exp\":2000}", {"", "", "", "sub", "", ""}, NULL},
		{"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{\"sub\":\"anna\",\"exp\":2000}", {"", "", "", "sub", "", ""}, NULL},
	};
	struct jwt_keys *k = jwt_keys_new();

	add_secret(k, "default", "HS256", "default");
	add_secret(k, "app", "HS256", "default");
	add_secret(k, "default", "HS256", "a/b");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct text  token = {0}, user = {0};
		struct fault why = {0};
		int          got;

		make(rows[i].header, rows[i].claims, "HS256", NULL, &token);
		got = jwt_check(k, &rows[i].rules, text_span(&token), 1000, &user, &why);
		ck_assert_msg(got == (rows[i].user != NULL), "row %zu: %s %s gave %d: %s", i, rows[i].header, rows[i].claims, got, why.reason);
		if (got)
			ck_assert_str_eq(text_string(&user), rows[i].user);
		else
			ck_assert_msg(why.reason[0], "row %zu: no reason", i);
		text_free(&token);
		text_free(&user);
	}
	jwt_keys_free(k);
}
END_TEST

/* The key of RFC 8037, A.2, and the secret of RFC 7515, A.1; neither is of any other use than its own. */
UNIT_TEST(keys_and_vectors)
{
	static const char ed[] = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
	static const char hs[] = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==";
	static const char a1[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
	                         "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
	static const struct jwt_rules iss = {"", "", "", "iss", "", ""};
	struct jwt_keys *k = jwt_keys_new();
	struct text      user = {0};

	ck_assert_int_eq(jwt_keys_add(k, SPAN("default"), SPAN("EdDSA"), SPAN("default"), span_of(ed), NULL), 0);
	ck_assert_int_eq(jwt_keys_add(k, SPAN("default"), SPAN("RS256"), SPAN("default"), span_of(ed), NULL), -1);
	ck_assert_int_eq(jwt_keys_add(k, SPAN("default"), SPAN("ES256"), SPAN("default"), span_of(ed), NULL), -1);
	ck_assert_int_eq(jwt_keys_add(k, SPAN("default"), SPAN("HS256"), SPAN("default"), span_of(ed), NULL), -1);
	ck_assert_int_eq(jwt_keys_add(k, SPAN("default"), SPAN("HS256"), SPAN("default"), SPAN("c2hvcnQ="), NULL), -1);
	ck_assert_int_eq(jwt_keys_add(k, SPAN("default"), SPAN("none"), SPAN("default"), span_of(ed), NULL), -1);
	ck_assert_int_eq(jwt_keys_add(k, SPAN("default"), SPAN("HS256"), SPAN("default"), span_of(hs), NULL), 0);
	ck_assert_uint_eq(jwt_keys_count(k), 2);
	ck_assert_int_eq(jwt_check(k, &iss, span_of(a1), 1300819379, &user, NULL), 1);
	ck_span(text_span(&user), "joe");
	ck_assert_int_eq(jwt_check(k, &iss, span_of(a1), 1300819380, &user, NULL), 0);
	text_free(&user);
	jwt_keys_free(k);
}
END_TEST

UNIT_MAIN("tokens", what_clients_send, what_a_refusal_says, each_algorithm_and_each_byte, what_tokens_say, keys_and_vectors)
