/* SPDX-License-Identifier: ISC */
/*
 * server.c - one try to authenticate, by GNU SASL
 *
 * PLAIN (RFC 4616) and LOGIN hand over the password, which the check compares, and may have
 * an authorization identity other than the user's own, which it judges.  SCRAM, where it is refused, (RFC 5802, RFC 7677) and
 * CRAM-MD5 (RFC 2195) prove it: what is stored is the caller's `secret`.  For a name that
 * does not exist SCRAM goes on with a salt made of the name, so that names cannot be tried out.
 * OAUTHBEARER and XOAUTH2 are our own (bearer.h).  SCRAM-..-PLUS is tied to the TLS session (RFC 5929, RFC 9266); the first bytes of the client, which
 * say how far it wants that, are looked at here, whatever the library makes of them.
 */
#include "sasl/server.h"

#include <gsasl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/mem.h"
#include "sasl/bearer.h"

struct sasl_library {
	Gsasl *context;
};

struct sasl_try {
	Gsasl_session *session;
	sasl_check    *check;
	void          *argument;
	bool           trouble;
	bool           login;          /* LOGIN, and nothing was said yet */
	bool           external_only;  /* EXTERNAL */
	bool           proves;         /* the client proves the password */
	bool           proved;         /* and did; its last word is awaited */
	bool           first;          /* nothing has come yet */
	sasl_secret   *secret;
	sasl_external *external;
	sasl_token    *token;
	enum { NO_BEARER, OAUTHBEARER, XOAUTH2 } bearer;       /* then there is no session of the library's */
	bool           refused;        /* a token was, and the client has to acknowledge that */
	char           binding[32];    /* "tls-exporter", or "" */
	bool           plus_offered;
	struct text    stored;
	bool           looked;
	char           mechanism[32];
	char           user[SASL_USER_MAX + 1];
};

static int
validate(struct sasl_try *t)
{
	const char *user = gsasl_property_fast(t->session, GSASL_AUTHID);
	const char *authzid = gsasl_property_fast(t->session, GSASL_AUTHZID);
	const char *password = gsasl_property_fast(t->session, GSASL_PASSWORD);
	int         verdict;

	if (!user || !*user || !password || strlen(user) > SASL_USER_MAX || strlen(password) > SASL_PASSWORD_MAX)
		return GSASL_AUTHENTICATION_ERROR;
	snprintf(t->user, sizeof t->user, "%s", user);
	verdict = t->check(t->argument, user, authzid ? authzid : "", password);
	t->trouble = verdict < 0;
	return verdict == 1 ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

static void
look_up(struct sasl_try *t, const char *user)
{
	int got;

	if (t->looked || !user || !*user || strlen(user) > SASL_USER_MAX || !t->secret)
		return;
	t->looked = true;
	snprintf(t->user, sizeof t->user, "%s", user);
	got = t->secret(t->argument, user, &t->stored);
	t->trouble = got < 0;
	if (got != 1)
		text_clear(&t->stored);
}

/* The password where it is stored as such, or nothing. */
static struct span
plain_secret(const struct sasl_try *t)
{
	static const char *const plain[] = {"{PLAIN}", "{CLEAR}", "{CLEARTEXT}"};

	for (size_t i = 0; i < COUNT(plain); i++)
		if (span_starts_nocase(text_span(&t->stored), plain[i]))
			return span_from(text_span(&t->stored), strlen(plain[i]));
	return SPAN_NONE;
}

static bool
is_plus(const struct sasl_try *t)
{
	return span_ends(span_of(t->mechanism), "-PLUS");
}

/* The n-th of "4096,salt,StoredKey,ServerKey" when that is what is stored for this mechanism. */
static bool
scram_part(const struct sasl_try *t, int n, struct text *out)
{
	struct span    name = span_of(t->mechanism);
	autofree char *prefix = mem_format("{%.*s}", SPAN_ARGS(is_plus(t) ? span_first(name, name.len - 5) : name));
	struct span    rest = text_span(&t->stored), part;

	if (!span_starts_nocase(rest, prefix))
		return false;
	rest = span_from(rest, strlen(prefix));
	for (int i = 0; i <= n; i++)
		span_split(&rest, ',', &part);
	text_add(out, part);
	return part.len > 0;
}

static unsigned char salt_key[32];      /* made when the library is opened, before the first task */

static void
fake_salt(const char *user, struct text *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned      len = 0;

	if (HMAC(EVP_sha256(), salt_key, sizeof salt_key, (const unsigned char *)user, strlen(user), digest, &len))
		base64_encode(span_at(digest, 16), out);
}

static int
prove(Gsasl_session *session, Gsasl_property property)
{
	struct sasl_try     *t = gsasl_session_hook_get(session);
	const char          *user = gsasl_property_fast(session, GSASL_AUTHID);
	autotext struct text value = {0};
	bool                 known;

	look_up(t, user);
	known = plain_secret(t).len > 0;
	switch (property) {
	case GSASL_PASSWORD:
		text_add(&value, plain_secret(t));
		break;
	case GSASL_SCRAM_ITER:
		if (!scram_part(t, 0, &value) && !known)
			text_add_string(&value, "4096");
		break;
	case GSASL_SCRAM_SALT:
		if (!scram_part(t, 1, &value) && !known)
			fake_salt(user ? user : "", &value);
		break;
	case GSASL_SCRAM_STOREDKEY:
		scram_part(t, 2, &value);
		break;
	case GSASL_SCRAM_SERVERKEY:
		scram_part(t, 3, &value);
		break;
	default:
		break;
	}
	if (!value.len)
		return GSASL_NO_CALLBACK;
	gsasl_property_set(session, property, text_string(&value));
	mem_wipe(value.at, value.room);
	return GSASL_OK;
}

static int
vouch(struct sasl_try *t)
{
	const char *authzid = gsasl_property_fast(t->session, GSASL_AUTHZID);
	int         verdict;

	if (!t->external || (authzid && strlen(authzid) > SASL_USER_MAX))
		return GSASL_AUTHENTICATION_ERROR;
	snprintf(t->user, sizeof t->user, "%s", authzid ? authzid : "");
	verdict = t->external(t->argument, t->user);
	t->trouble = verdict < 0;
	return verdict == 1 ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

static int
answer(Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
	(void)context;
	if (property == GSASL_VALIDATE_EXTERNAL)
		return vouch(gsasl_session_hook_get(session));
	if (property != GSASL_VALIDATE_SIMPLE)
		return prove(session, property);
	return validate(gsasl_session_hook_get(session));
}

int
sasl_library_open(struct sasl_library **out, struct fault *why)
{
	struct sasl_library *l = mem_alloc(sizeof *l);
	int                  error = gsasl_init(&l->context);

	if (error != GSASL_OK) {
		free(l);
		return fault_set(why, FAULT_SYSTEM, "GNU SASL: %s", gsasl_strerror(error));
	}
	if (RAND_bytes(salt_key, sizeof salt_key) != 1) {
		gsasl_done(l->context);
		free(l);
		return fault_set(why, FAULT_SYSTEM, "no randomness");
	}
	gsasl_callback_set(l->context, answer);
	*out = l;
	return 0;
}

bool
sasl_tells_password(const char *mechanism)
{
	return strcmp(mechanism, "PLAIN") == 0 || strcmp(mechanism, "LOGIN") == 0 || strcmp(mechanism, "OAUTHBEARER") == 0 ||
	       strcmp(mechanism, "XOAUTH2") == 0;
}

bool
sasl_mechanism_known(struct sasl_library *l, const char *mechanism)
{
	static const char *const known[] = {"PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS",
	                                    "SCRAM-SHA-256-PLUS", "CRAM-MD5", "EXTERNAL"};

	if (strcmp(mechanism, "OAUTHBEARER") == 0 || strcmp(mechanism, "XOAUTH2") == 0)
		return true;
	for (size_t i = 0; i < COUNT(known); i++)
		if (strcmp(mechanism, known[i]) == 0)
			return gsasl_server_support_p(l->context, mechanism);
	return false;
}

void
sasl_try_secret(struct sasl_try *t, sasl_secret *secret)
{
	t->secret = secret;
}

void
sasl_try_token(struct sasl_try *t, sasl_token *token)
{
	t->token = token;
}

void
sasl_try_external(struct sasl_try *t, sasl_external *external)
{
	t->external = external;
}

void
sasl_try_bind(struct sasl_try *t, const char *type, struct span bytes, bool plus_offered)
{
	autotext struct text coded = {0};

	snprintf(t->binding, sizeof t->binding, "%s", type);
	t->plus_offered = plus_offered;
	if (!is_plus(t))
		return;
	base64_encode(bytes, &coded);
	gsasl_property_set(t->session, strcmp(type, "tls-exporter") == 0 ? GSASL_CB_TLS_EXPORTER : GSASL_CB_TLS_UNIQUE,
	                   text_string(&coded));
}

int
sasl_try_start(struct sasl_library *l, const char *mechanism, sasl_check *check, void *argument, struct sasl_try **out,
               struct fault *why)
{
	struct sasl_try *t;
	int              error;

	if (!sasl_mechanism_known(l, mechanism))
		return fault_set(why, FAULT_INPUT, "Unsupported authentication mechanism");
	t = mem_alloc(sizeof *t);
	t->check = check;
	t->argument = argument;
	t->bearer = strcmp(mechanism, "OAUTHBEARER") == 0 ? OAUTHBEARER : strcmp(mechanism, "XOAUTH2") == 0 ? XOAUTH2 : NO_BEARER;
	error = t->bearer ? GSASL_OK : gsasl_server_start(l->context, mechanism, &t->session);
	if (error != GSASL_OK) {
		free(t);
		return fault_set(why, FAULT_SYSTEM, "GNU SASL: %s", gsasl_strerror(error));
	}
	t->login = strcmp(mechanism, "LOGIN") == 0;
	t->external_only = strcmp(mechanism, "EXTERNAL") == 0;
	t->proves = !sasl_tells_password(mechanism) && !t->external_only;
	t->first = true;
	snprintf(t->mechanism, sizeof t->mechanism, "%s", mechanism);
	if (t->session)
		gsasl_session_hook_set(t->session, t);
	*out = t;
	return 0;
}

static bool
for_himself(const struct sasl_try *t)
{
	const char *authzid = gsasl_property_fast(t->session, GSASL_AUTHZID), *user = gsasl_property_fast(t->session, GSASL_AUTHID);

	return t->stored.len && user && (!authzid || !*authzid || strcmp(authzid, user) == 0);
}

/* "p=tls-exporter,..", "y,.." or "n,.." (RFC 5802, 7: gs2-cbind-flag). */
static bool
binding_fits(const struct sasl_try *t, struct span first)
{
	struct span flag = first;

	if (!span_starts(span_of(t->mechanism), "SCRAM-"))
		return true;
	span_split(&first, ',', &flag);
	if (is_plus(t))
		return t->binding[0] && span_starts(flag, "p=") && span_is(span_from(flag, 2), t->binding);
	return span_is(flag, "n") || (span_is(flag, "y") && !t->plus_offered);
}

/* The library takes base64 whose last bits are not zero: two messages would be one proof. */
static bool
is_strict(const struct sasl_try *t, struct span message)
{
	struct span part;

	if (!span_starts(span_of(t->mechanism), "SCRAM-") || t->first)
		return true;
	while (message.len) {
		autotext struct text raw = {0};

		span_split(&message, ',', &part);
		if ((span_starts(part, "c=") || span_starts(part, "p=")) && base64_decode(span_from(part, 2), &raw, NULL) < 0)
			return false;
	}
	return true;
}

/* One message; where it is refused one more, which says nothing (RFC 7628, 3.2.3). */
static enum sasl_state
step_bearer(struct sasl_try *t, struct span input, struct text *output)
{
	struct bearer b;
	int           verdict;

	text_clear(output);
	if (t->refused || !t->token)
		return SASL_NO;
	if (t->first && !input.len) {
		t->first = false;
		return SASL_MORE;
	}
	if (bearer_parse(t->bearer == OAUTHBEARER, input, &b, NULL) < 0)
		return SASL_NO;
	if (b.user.len > SASL_USER_MAX) {
		bearer_free(&b);
		return SASL_NO;
	}
	snprintf(t->user, sizeof t->user, "%s", text_string(&b.user));
	verdict = t->token(t->argument, t->user, b.token, t->bearer == OAUTHBEARER, output);
	bearer_free(&b);
	t->refused = verdict == 0 && output->len > 0;
	return verdict == 1 ? SASL_YES : t->refused ? SASL_MORE : verdict == 0 ? SASL_NO : SASL_TROUBLE;
}

enum sasl_state
sasl_try_step(struct sasl_try *t, struct span input, struct text *output)
{
	char  *out = NULL;
	size_t len = 0;
	int    error;

	if (input.len > SASL_INPUT_MAX)
		return SASL_NO;
	if (t->bearer)
		return step_bearer(t, input.at ? input : SPAN_NONE, output);
	if (t->external_only && t->first && !input.at) { /* the empty challenge */
		t->first = false;
		text_clear(output);
		return SASL_MORE;
	}
	if (!input.at)
		input = SPAN_NONE;
	if ((t->first && input.len && !binding_fits(t, input)) || !is_strict(t, input))
		return SASL_NO;
	t->first = t->first && !input.len;
	/* An initial response to LOGIN is the name; GNU SASL would drop it, and take the password for one. */
	if (t->login && input.len && gsasl_step(t->session, "", 0, &out, &len) == GSASL_NEEDS_MORE)
		gsasl_free(take(out));
	t->login = false;
	if (t->proved)
		return input.len ? SASL_NO : SASL_YES;
	error = gsasl_step(t->session, input.at, input.len, &out, &len);
	if (error == GSASL_OK && t->proves && !for_himself(t))
		error = GSASL_AUTHENTICATION_ERROR;
	t->proved = error == GSASL_OK && t->proves && len > 0; /* the server's own proof, which the client acknowledges */
	if (error == GSASL_OK || error == GSASL_NEEDS_MORE)
		text_set(output, span_at(out ? out : "", len));
	/* Some clients of LOGIN know only the words that everybody else sends. */
	if (span_is(text_span(output), "User Name"))
		text_set(output, SPAN("Username:"));
	else if (span_is(text_span(output), "Password"))
		text_set(output, SPAN("Password:"));
	gsasl_free(out);
	if (error == GSASL_NEEDS_MORE || t->proved)
		return SASL_MORE;
	if (error == GSASL_OK)
		return SASL_YES;
	return t->trouble ? SASL_TROUBLE : SASL_NO;
}

const char *
sasl_try_user(const struct sasl_try *t)
{
	return t->user;
}

void
sasl_try_free(struct sasl_try *t)
{
	if (!t)
		return;
	if (t->session)
		gsasl_finish(t->session);
	if (t->stored.at)
		mem_wipe(t->stored.at, t->stored.room);
	text_free(&t->stored);
	mem_wipe(t, sizeof *t);
	free(t);
}
