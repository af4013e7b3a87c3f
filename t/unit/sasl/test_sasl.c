/* SPDX-License-Identifier: ISC */
/*
 * test_sasl.c - password schemes as Dovecot stores them, PLAIN (RFC 4616), LOGIN
 */
#include "../unit.h"
#include <gsasl.h>
#include "base/base64.h"
#include "base/text.h"
#include "sasl/password.h"
#include "sasl/server.h"

static const struct { const char *stored, *password; int verdict; } rows[] = {
	{"{PLAIN}secret", "secret", 1},
	{"{PLAIN}secret", "secre", 0},
	{"{PLAIN}", "", 0},
	{"{plain}secret", "secret", 1},
	{"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "secret", 1},
	{"{SHA1.HEX}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4", "secret", 1},
	{"{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=", "secret", 1},
	{"{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=", "Secret", 0},
	{"{SSHA}AAAA", "secret", -1},
	{"{SHA512-CRYPT}$6$saltstring$svn9UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
	 "Hello world!", 0},
	{"{CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
	 "Hello world!", 1},
	{"$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!", 1},
	{"{SHA512-CRYPT}$6$rounds=999999999$salt$x", "x", -1},
	{"{CRYPT}!", "x", -1},
	/* as doveadm pw writes them */
	{"{PLAIN-TRUNC}pencil", "pencil", 1}, {"{PLAIN-TRUNC}4-penc", "pencil", 1}, {"{PLAIN-TRUNC}8-penc", "pencil", 0},
	{"{PLAIN-TRUNC}8-penc", "penc", 1}, {"{PLAIN-TRUNC}4-penc", "pen", 0}, {"{PLAIN-TRUNC}x-penc", "penc", -1},
	{"{CRAM-MD5}7f47ace0e2af8f6cdeb72c03243a8c87834e19104164d6a42de72d243adb4080", "pencil", 1},
	{"{HMAC-MD5}7f47ace0e2af8f6cdeb72c03243a8c87834e19104164d6a42de72d243adb4080", "pencils", 0},
	{"{CRAM-MD5}ff6454343902c25cfaf14768b382dae3172680a33b4792a34267ff0628fbfe89",
	 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 1},   /* 80: longer than a block */
	{"{CRAM-MD5}7f47", "pencil", -1},
	{"{SCRAM-SHA-1}4096,9zLS1O7vvniEbz9J+NUv/A==,2KvyqFlVFd6BoNE3cogdJahhSEE=,LKNqK7H0RRm8W1jRdHuNIZ1lupQ=", "pencil", 1},
	{"{SCRAM-SHA-1}4096,9zLS1O7vvniEbz9J+NUv/A==,2KvyqFlVFd6BoNE3cogdJahhSEE=,LKNqK7H0RRm8W1jRdHuNIZ1lupQ=", "penci", 0},
	{"{SCRAM-SHA-256}4096,pFvVGjvCxlqU0PbPj7cTAg==,pEmcbhyZeuui10dPhGb+wMzI42HYe1TlIXE5hNT7lIE=,vKmKK7f/hRvAGK178nHqAzGyaIBJCesGUiMp4nqRWCw=",
	 "pencil", 1},
	{"{SCRAM-SHA-256}99999999,pFvVGjvCxlqU0PbPj7cTAg==,pEmcbhyZeuui10dPhGb+wMzI42HYe1TlIXE5hNT7lIE=,x", "pencil", -1},   /* hours of work */
	{"{SCRAM-SHA-256}4096,pFvV", "pencil", -1},
	{"{PBKDF2}$1$gOOBGxS8ffA3HjpY$5000$8d2a5ccd9a976273c47610a040ac198a8493c2e8", "pencil", 1},
	{"{PBKDF2}$1$gOOBGxS8ffA3HjpY$5000$8d2a5ccd9a976273c47610a040ac198a8493c2e8", "Pencil", 0},
	{"{PBKDF2}$2$x$1$00", "pencil", -1},
	{"{NOSUCH}x", "x", -1},
};

UNIT_TEST(stored_passwords)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		int got = password_check(span_of(rows[i].stored), span_of(rows[i].password), NULL);

		ck_assert_msg(got == rows[i].verdict, "row %zu: %s gave %d", i, rows[i].stored, got);
	}
}
END_TEST

static int
check(void *argument, const char *user, const char *authzid, const char *password)
{
	(void)argument;
	return (!*authzid || strcmp(authzid, user) == 0) && strcmp(user, "tim") == 0 && strcmp(password, "tanstaaftanstaaf") == 0;
}

static enum sasl_state
plain(struct sasl_library *l, struct span input)
{
	struct sasl_try *t;
	struct text      out = {0};
	enum sasl_state  state;

	ck_assert_int_eq(sasl_try_start(l, "PLAIN", check, NULL, &t, NULL), 0);
	state = sasl_try_step(t, input, &out);
	sasl_try_free(t);
	text_free(&out);
	return state;
}

UNIT_TEST(plain_of_rfc4616)
{
	struct sasl_library *l;

	ck_assert_int_eq(sasl_library_open(&l, NULL), 0);
	ck_assert_int_eq(plain(l, SPAN("\0tim\0tanstaaftanstaaf")), SASL_YES);
	ck_assert_int_eq(plain(l, SPAN("\0tim\0tanstaaftanstaag")), SASL_NO);
	ck_assert_int_eq(plain(l, SPAN("\0tim\0")), SASL_NO);
	ck_assert_int_eq(plain(l, SPAN("root\0tim\0tanstaaftanstaaf")), SASL_NO);
	ck_assert_int_eq(plain(l, SPAN("tim")), SASL_NO);
	ck_assert(!sasl_mechanism_known(l, "ANONYMOUS"));
}
END_TEST

UNIT_TEST(login_asks_twice)
{
	struct sasl_library *l;
	struct sasl_try     *t;
	struct text          out = {0};

	ck_assert_int_eq(sasl_library_open(&l, NULL), 0);
	ck_assert_int_eq(sasl_try_start(l, "LOGIN", check, NULL, &t, NULL), 0);
	ck_assert_int_eq(sasl_try_step(t, SPAN(""), &out), SASL_MORE);
	ck_span(text_span(&out), "Username:");
	ck_assert_int_eq(sasl_try_step(t, SPAN("tim"), &out), SASL_MORE);
	ck_span(text_span(&out), "Password:");
	ck_assert_int_eq(sasl_try_step(t, SPAN("tanstaaftanstaaf"), &out), SASL_YES);
	ck_assert_str_eq(sasl_try_user(t), "tim");
	sasl_try_free(t);
	ck_assert_int_eq(sasl_try_start(l, "LOGIN", check, NULL, &t, NULL), 0);
	ck_assert_int_eq(sasl_try_step(t, SPAN("tim"), &out), SASL_MORE); /* an initial response */
	ck_span(text_span(&out), "Password:");
	ck_assert_int_eq(sasl_try_step(t, SPAN("tanstaaftanstaaf"), &out), SASL_YES);
	ck_assert_str_eq(sasl_try_user(t), "tim");
	sasl_try_free(t);
	text_free(&out);
}
END_TEST

/* ------------------------------------------------------------ mechanisms that prove the password */

static int
stored_of(void *stored, const char *user, struct text *out)
{
	if (strcmp(user, "user") != 0)
		return 0;
	text_add_string(out, stored);
	return 1;
}

/* GNU SASL's client, with its name and password, against ours. */
static enum sasl_state
prove(const char *mechanism, const char *stored, const char *user, const char *authzid, const char *password)
{
	struct sasl_library *l;
	struct sasl_try     *t;
	struct text          challenge = {0};
	enum sasl_state      state = SASL_MORE;
	Gsasl               *context;
	Gsasl_session       *client;
	char                *out = NULL;
	size_t               len = 0;
	bool                 cram = strcmp(mechanism, "CRAM-MD5") == 0;

	ck_assert_int_eq(sasl_library_open(&l, NULL), 0);
	ck_assert_int_eq(sasl_try_start(l, mechanism, check, (void *)(uintptr_t)stored, &t, NULL), 0);
	sasl_try_secret(t, stored_of);
	ck_assert_int_eq(gsasl_init(&context), GSASL_OK);
	ck_assert_int_eq(gsasl_client_start(context, mechanism, &client), GSASL_OK);
	gsasl_property_set(client, GSASL_AUTHID, user);
	gsasl_property_set(client, GSASL_PASSWORD, password);
	if (authzid)
		gsasl_property_set(client, GSASL_AUTHZID, authzid);
	if (cram) /* the server speaks first */
		state = sasl_try_step(t, SPAN(""), &challenge);
	for (int i = 0; state == SASL_MORE && i < 5; i++) {
		int got = gsasl_step(client, challenge.at, challenge.len, &out, &len);

		if (got != GSASL_OK && got != GSASL_NEEDS_MORE)
			break;
		state = sasl_try_step(t, span_at(out, len), &challenge);
		gsasl_free(out);
	}
	gsasl_finish(client);
	gsasl_done(context);
	sasl_try_free(t);
	text_free(&challenge);
	return state;
}

#define SCRAM1   "{SCRAM-SHA-1}4096,9zLS1O7vvniEbz9J+NUv/A==,2KvyqFlVFd6BoNE3cogdJahhSEE=,LKNqK7H0RRm8W1jRdHuNIZ1lupQ="
#define SCRAM256 "{SCRAM-SHA-256}4096,pFvVGjvCxlqU0PbPj7cTAg==,pEmcbhyZeuui10dPhGb+wMzI42HYe1TlIXE5hNT7lIE=," \
	"vKmKK7f/hRvAGK178nHqAzGyaIBJCesGUiMp4nqRWCw="

UNIT_TEST(passwords_that_are_proved)
{
	static const struct { const char *mechanism, *stored, *user, *authzid, *password; bool good; } tries[] = {
		{"SCRAM-SHA-1", "{PLAIN}pencil", "user", NULL, "pencil", true},          /* RFC 5802 */
		{"SCRAM-SHA-1", "{PLAIN}pencil", "user", NULL, "pencils", false},
		{"SCRAM-SHA-1", SCRAM1, "user", NULL, "pencil", true},
		{"SCRAM-SHA-1", SCRAM1, "user", NULL, "penci", false},
		{"SCRAM-SHA-1", SCRAM256, "user", NULL, "pencil", false},                /* of the other hash */
		{"SCRAM-SHA-256", SCRAM256, "user", NULL, "pencil", true},               /* RFC 7677 */
		{"SCRAM-SHA-256", SCRAM256, "user", NULL, "Pencil", false},
		{"SCRAM-SHA-256", "{PLAIN}pencil", "nobody", NULL, "pencil", false},
		{"SCRAM-SHA-256", "{PLAIN}pencil", "user", "root", "pencil", false},     /* for somebody else */
		{"SCRAM-SHA-256", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "user", NULL, "secret", false},   /* nothing can be proved by that */
		{"CRAM-MD5", "{PLAIN}tanstaaftanstaaf", "user", NULL, "tanstaaftanstaaf", true},         /* RFC 2195 */
		{"CRAM-MD5", "{PLAIN}tanstaaftanstaaf", "user", NULL, "x", false},
		{"CRAM-MD5", "{PLAIN}tanstaaftanstaaf", "nobody", NULL, "tanstaaftanstaaf", false},
	};

	for (size_t i = 0; i < COUNT(tries); i++) {
		enum sasl_state got = prove(tries[i].mechanism, tries[i].stored, tries[i].user, tries[i].authzid, tries[i].password);

		ck_assert_msg((got == SASL_YES) == tries[i].good, "row %zu: %d", i, got);
	}
}
END_TEST

/* ------------------------------------------------------------ tied to a TLS session */

struct bound {
	const char *mechanism, *type;     /* the server's session; NULL: none */
	const char *bytes, *client_bytes; /* what each end sees of it; client NULL: the client has none, and says "n" */
	bool        plus_offered;
	int         message, at;          /* this byte of this message of the client's is changed; -1: none */
};

static enum sasl_state
prove_bound(const struct bound *b, size_t length[2])
{
	struct sasl_library *l;
	struct sasl_try     *t;
	struct text          challenge = {0}, coded = {0};
	enum sasl_state      state = SASL_MORE;
	Gsasl               *context;
	Gsasl_session       *client;
	char                *out = NULL;
	size_t               len = 0;

	ck_assert_int_eq(sasl_library_open(&l, NULL), 0);
	ck_assert_int_eq(sasl_try_start(l, b->mechanism, check, (void *)(uintptr_t)"{PLAIN}pencil", &t, NULL), 0);
	sasl_try_secret(t, stored_of);
	if (b->type)
		sasl_try_bind(t, b->type, span_of(b->bytes), b->plus_offered);
	ck_assert_int_eq(gsasl_init(&context), GSASL_OK);
	ck_assert_int_eq(gsasl_client_start(context, b->mechanism, &client), GSASL_OK);
	gsasl_property_set(client, GSASL_AUTHID, "user");
	gsasl_property_set(client, GSASL_PASSWORD, "pencil");
	base64_encode(span_of(b->client_bytes ? b->client_bytes : ""), &coded);
	if (b->client_bytes)
		gsasl_property_set(client, b->type && strcmp(b->type, "tls-unique") == 0 ? GSASL_CB_TLS_UNIQUE : GSASL_CB_TLS_EXPORTER, text_string(&coded));
	for (int i = 0; state == SASL_MORE && i < 5; i++) {
		int got = gsasl_step(client, challenge.at, challenge.len, &out, &len);

		if (got != GSASL_OK && got != GSASL_NEEDS_MORE)
			break;
		if (i < 2 && length)
			length[i] = len;
		if (i == b->message && (size_t)b->at < len)
			out[b->at] ^= 1;
		state = sasl_try_step(t, span_at(out, len), &challenge);
		gsasl_free(out);
	}
	gsasl_finish(client);
	gsasl_done(context);
	sasl_try_free(t);
	text_free(&challenge);
	text_free(&coded);
	return state;
}

UNIT_TEST(bound_to_the_session)
{
	static const struct { struct bound b; bool good; } tries[] = {
		{{"SCRAM-SHA-256-PLUS", "tls-exporter", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef", true, -1, 0}, true},
		{{"SCRAM-SHA-1-PLUS", "tls-exporter", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef", true, -1, 0}, true},
		{{"SCRAM-SHA-256-PLUS", "tls-unique", "0123456789ab", "0123456789ab", true, -1, 0}, true},
		{{"SCRAM-SHA-1-PLUS", "tls-unique", "0123456789ab", "0123456789ab", true, -1, 0}, true},
		{{"SCRAM-SHA-256-PLUS", "tls-exporter", "0123456789abcdef", "0123456789abcdeg", true, -1, 0}, false},   /* somebody in between */
		{{"SCRAM-SHA-1-PLUS", "tls-unique", "0123456789ab", "0123456789a", true, -1, 0}, false},
		{{"SCRAM-SHA-256-PLUS", NULL, "", "0123456789abcdef", true, -1, 0}, false},                             /* we have no TLS */
		{{"SCRAM-SHA-256", "tls-exporter", "0123456789abcdef", NULL, true, -1, 0}, true},                       /* it cannot */
	};

	for (size_t i = 0; i < COUNT(tries); i++) {
		enum sasl_state got = prove_bound(&tries[i].b, NULL);

		ck_assert_msg((got == SASL_YES) == tries[i].good, "row %zu: %d", i, got);
	}
}
END_TEST

static enum sasl_state
first_message(const char *mechanism, const char *type, bool offered, const char *message)
{
	struct sasl_library *l;
	struct sasl_try     *t;
	struct text          out = {0};
	enum sasl_state      state;

	ck_assert_int_eq(sasl_library_open(&l, NULL), 0);
	ck_assert_int_eq(sasl_try_start(l, mechanism, check, (void *)(uintptr_t)"{PLAIN}pencil", &t, NULL), 0);
	sasl_try_secret(t, stored_of);
	if (type)
		sasl_try_bind(t, type, SPAN("0123456789abcdef"), offered);
	state = sasl_try_step(t, span_of(message), &out);
	text_free(&out);
	sasl_try_free(t);
	return state;
}

/* RFC 5802, 5.1 and 6; CVE-2026-33603 is a server that took one for the other */
UNIT_TEST(flags_of_channel_binding)
{
	static const struct { const char *mechanism, *type; bool offered; const char *message; enum sasl_state state; } flags[] = {
		{"SCRAM-SHA-256", NULL, false, "n,,n=user,r=abcdef", SASL_MORE},
		{"SCRAM-SHA-256", NULL, false, "y,,n=user,r=abcdef", SASL_MORE},
		{"SCRAM-SHA-256", "tls-exporter", true, "n,,n=user,r=abcdef", SASL_MORE},
		{"SCRAM-SHA-256", "tls-exporter", true, "y,,n=user,r=abcdef", SASL_NO},
		{"SCRAM-SHA-256", "tls-exporter", true, "p=tls-exporter,,n=user,r=abcdef", SASL_NO},
		{"SCRAM-SHA-256", NULL, false, "p=tls-exporter,,n=user,r=abcdef", SASL_NO},
		{"SCRAM-SHA-256-PLUS", "tls-exporter", true, "p=tls-exporter,,n=user,r=abcdef", SASL_MORE},
		{"SCRAM-SHA-256-PLUS", "tls-exporter", true, "p=tls-unique,,n=user,r=abcdef", SASL_NO},
		{"SCRAM-SHA-256-PLUS", "tls-exporter", true, "p=tls-server-end-point,,n=user,r=abcdef", SASL_NO},
		{"SCRAM-SHA-256-PLUS", "tls-exporter", true, "p=tls-exporte,,n=user,r=abcdef", SASL_NO},
		{"SCRAM-SHA-256-PLUS", "tls-exporter", true, "p=,,n=user,r=abcdef", SASL_NO},
		{"SCRAM-SHA-256-PLUS", "tls-exporter", true, "n,,n=user,r=abcdef", SASL_NO},
		{"SCRAM-SHA-256-PLUS", "tls-exporter", true, "y,,n=user,r=abcdef", SASL_NO},
		{"SCRAM-SHA-256-PLUS", NULL, true, "p=tls-exporter,,n=user,r=abcdef", SASL_NO},
		{"SCRAM-SHA-1-PLUS", "tls-unique", true, "p=tls-unique,,n=user,r=abcdef", SASL_MORE},
		{"SCRAM-SHA-1-PLUS", "tls-unique", true, "p=tls-exporter,,n=user,r=abcdef", SASL_NO},
	};

	for (size_t i = 0; i < COUNT(flags); i++) {
		enum sasl_state got = first_message(flags[i].mechanism, flags[i].type, flags[i].offered, flags[i].message);

		ck_assert_msg(got == flags[i].state, "row %zu: %s gave %d", i, flags[i].message, got);
	}
}
END_TEST

/* SECURITY.md 2, row 26: no byte of what the client says may be another */
UNIT_TEST(each_byte_counts)
{
	static const char *const mechanisms[] = {"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"};

	for (size_t m = 0; m < COUNT(mechanisms); m++) {
		bool         plus = span_ends(span_of(mechanisms[m]), "-PLUS");
		struct bound b = {mechanisms[m], plus ? "tls-exporter" : NULL, "0123456789abcdef", plus ? "0123456789abcdef" : NULL, plus, -1, 0};
		size_t       length[2] = {0, 0};

		ck_assert_int_eq(prove_bound(&b, length), SASL_YES);
		ck_assert(length[0] > 10 && length[1] > 10);
		for (b.message = 0; b.message < 2; b.message++)
			for (b.at = 0; (size_t)b.at < length[b.message]; b.at++)
				ck_assert_msg(prove_bound(&b, NULL) != SASL_YES, "%s: byte %d of message %d", mechanisms[m], b.at, b.message);
	}
}
END_TEST

/* ------------------------------------------------------------ EXTERNAL */

static int
vouch(void *argument, const char *authzid)
{
	return *authzid == '\0' || strcmp(authzid, argument) == 0;
}

static enum sasl_state
external(sasl_external *by, struct span first, struct span second)
{
	struct sasl_library *l;
	struct sasl_try     *t;
	struct text          out = {0};
	enum sasl_state      state;

	ck_assert_int_eq(sasl_library_open(&l, NULL), 0);
	ck_assert_int_eq(sasl_try_start(l, "EXTERNAL", check, (void *)(uintptr_t)"tim", &t, NULL), 0);
	sasl_try_external(t, by);
	state = sasl_try_step(t, first, &out);
	if (state == SASL_MORE) {
		ck_assert_uint_eq(out.len, 0);
		state = sasl_try_step(t, second, &out);
	}
	text_free(&out);
	sasl_try_free(t);
	return state;
}

/* RFC 4422, appendix A */
UNIT_TEST(external_of_rfc4422)
{
	struct span none = {NULL, 0};

	ck_assert_int_eq(external(vouch, SPAN(""), SPAN_NONE), SASL_YES);
	ck_assert_int_eq(external(vouch, SPAN("tim"), SPAN_NONE), SASL_YES);
	ck_assert_int_eq(external(vouch, SPAN("tom"), SPAN_NONE), SASL_NO);
	ck_assert_int_eq(external(vouch, SPAN("tim\0tom"), SPAN_NONE), SASL_NO);
	ck_assert_int_eq(external(vouch, none, SPAN("")), SASL_YES);
	ck_assert_int_eq(external(vouch, none, SPAN("tim")), SASL_YES);
	ck_assert_int_eq(external(vouch, none, SPAN("tom")), SASL_NO);
	ck_assert_int_eq(external(NULL, SPAN(""), SPAN_NONE), SASL_NO);
}
END_TEST

UNIT_MAIN("sasl", stored_passwords, plain_of_rfc4616, login_asks_twice, passwords_that_are_proved, bound_to_the_session,
          flags_of_channel_binding, each_byte_counts, external_of_rfc4422)
