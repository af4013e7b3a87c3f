/* SPDX-License-Identifier: ISC */
/*
 * authd_try.c - one try to log in
 */
#include "authd_try.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "authd_penalty.h"
#include "authd_users.h"
#include "base/clock.h"
#include "base/log.h"
#include "mail/charset.h"
#include "sasl/bearer.h"

struct try {
	struct sasl_try  *sasl;
	char              user[SASL_USER_MAX + 1], service[32];
	char              peer[64], local[64], mechanism[41];
	struct text       certificate;  /* who the client is by it; "" */
	struct text       fields;       /* where his mailbox is, as databases say it */
	struct text       password;     /* what he has proved himself with, and his server may want to hear: a password, or a token */
	char              master[SASL_USER_MAX + 1];    /* in whose name he logs in as another; "" */
	struct route      route;        /* of a try that was good; borrows from the two */
	const char       *driver;       /* where what is stored was found */
	bool              admin;        /* the master user's userdb_admin */
	bool              found;        /* what is stored of the user, for a proof */
	uint64_t          what;         /* tells one user and password from another (authd_penalty.h) */
};

void
expand_variables(const char *format, const char *user, const char *home, struct text *out)
{
	const char *at = strchr(user, '@');
	struct span local = at ? span_at(user, (size_t)(at - user)) : span_of(user);

	for (const char *p = format; *p; p++) {
		autotext struct text value = {0};
		bool                 lower = false;

		if (*p != '%') {
			text_add_byte(out, *p);
			continue;
		}
		if (*++p == 'L') {
			lower = true;
			p++;
		}
		switch (*p) {
		case 'u': text_add_string(&value, user); break;
		case 'n': text_add(&value, local); break;
		case 'd': text_add_string(&value, at ? at + 1 : ""); break;
		case 'h': text_add_string(&value, home); break;
		case '%': text_add_byte(&value, '%'); break;
		case '\0': return;
		default: text_add_byte(&value, '%'); text_add_byte(&value, *p);
		}
		if (lower)
			text_lower(&value);
		text_add(out, text_span(&value));
	}
}

static bool
mechanism_offered(const char *name)
{
	for (size_t i = 0; i < auth_config.mechanisms.count; i++)
		if (strcasecmp(auth_config.mechanisms.item[i], name) == 0)
			return true;
	return false;
}

/* %n and %d are directories in many a mail_location. */
static bool
is_dots(struct span part)
{
	return part.len == 0 || span_is(part, ".") || span_is(part, "..");
}

/* A name that could be a path, or split a log line, is nobody's. */
bool
user_name_plausible(const char *user)
{
	const char *at = strchr(user, '@');

	if (utf8_valid(span_of(user)) && !utf8_printable(span_of(user)))      /* C1: a terminal obeys it */
		return false;
	for (const char *p = user; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '/' || *p == '\\')
			return false;
	return !is_dots(span_first(span_of(user), strcspn(user, "@"))) &&
	       !is_dots(span_from(span_of(user), at ? (size_t)(at - user) + 1 : 0)) && strlen(user) <= SASL_USER_MAX;
}

static bool
has_allowed_characters(const char *user)
{
	size_t good = strspn(user, auth_config.username_chars);

	if (!*auth_config.username_chars || !user[good])
		return true;
	log_info("auth: user name contains disallowed character: 0x%02x", (unsigned char)user[good]);
	return false;
}

/* False: it is nobody's. */
static bool
make_uniform(const char *user, char out[SASL_USER_MAX + 1])
{
	autofree char       *with_realm = NULL;
	autotext struct text name = {0};

	if (!strchr(user, '@') && *auth_config.default_realm)
		user = with_realm = mem_format("%s@%s", user, auth_config.default_realm);
	expand_variables(auth_config.username_format, user, "", &name);
	snprintf(out, SASL_USER_MAX + 1, "%s", text_string(&name));
	return has_allowed_characters(user) && user_name_plausible(out);
}

static bool
take_name(struct try *t, const char *user)
{
	return make_uniform(t->certificate.len ? text_string(&t->certificate) : user, t->user);
}

static struct origin
origin_of(struct try *t)
{
	return (struct origin){t->service, span_of(t->peer), span_of(t->local), t->mechanism, &t->fields};
}

/* A database may say that he is somebody else. */
static int
as_database_says(struct try *t, int verdict)
{
	return verdict == 1 && !user_name_plausible(t->user) ? 0 : verdict;
}

/* boss logs in as anna: his password is asked, and she must be somebody who may log in (auth_master_passdb). */
static int
check_master(struct try *t, const char *wanted, const char *master, const char *password)
{
	struct origin from = origin_of(t), masters = from;
	char          boss[SASL_USER_MAX + 1];
	int           verdict;

	masters.route = NULL;        /* where his own mailbox is nobody asks */

	snprintf(boss, sizeof boss, "%s", master);
	t->what = penalty_what(boss, password);
	if (!make_uniform(wanted, t->user) || !user_name_plausible(boss))
		return 0;
	verdict = users_check_master(boss, password, &masters, &t->admin);
	if (verdict == 1)
		verdict = as_database_says(t, users_exist(t->user, &from));
	if (verdict == 1)
		snprintf(t->master, sizeof t->master, "%s", boss);
	if (verdict == 1)
		log_info("auth: %s(%s,%s): Master user logging in as %s", t->service, boss, t->peer, t->user);
	return verdict;
}

static int
check(void *argument, const char *user, const char *authzid, const char *password)
{
	struct try    *t = argument;
	struct origin  from = origin_of(t);
	const char    *between = auth_config.master_separator;
	const char    *at = *between ? strstr(user, between) : NULL;
	autofree char *wanted = NULL;
	bool           good;

	text_set(&t->password, span_of(password));
	if (at && at > user) {
		wanted = mem_span(span_at(user, (size_t)(at - user)));
		return check_master(t, wanted, at + strlen(between), password);
	}
	if (*authzid && strcmp(authzid, user) != 0)
		return check_master(t, authzid, user, password);
	good = take_name(t, user);
	t->what = penalty_what(t->user, password);
	return good ? as_database_says(t, users_check(t->user, password, &from)) : 0;
}

static int
secret(void *argument, const char *user, struct text *stored)
{
	struct try   *t = argument;
	struct origin from = origin_of(t);
	char          now[24];
	int           got;

	snprintf(now, sizeof now, "%lld", (long long)clock_now());
	if (!take_name(t, user))
		return 0;
	t->what = penalty_what(t->user, now); /* what was tried is not known: each counts */
	got = as_database_says(t, users_secret(t->user, &from, stored, &t->driver));
	t->found = got == 1;
	return got;
}

/* The certificate's name it is; who wants to be another is refused. */
static int
external(void *argument, const char *authzid)
{
	struct try   *t = argument;
	struct origin from = origin_of(t);
	char          wanted[SASL_USER_MAX + 1];

	t->what = penalty_what(authzid, text_string(&t->certificate));
	if (!t->certificate.len || !take_name(t, ""))
		return 0;
	if (*authzid && (!make_uniform(authzid, wanted) || strcmp(wanted, t->user) != 0)) {
		log_info("auth: external(%s,%s): the certificate is somebody else's", t->user, t->peer);
		return 0;
	}
	return as_database_says(t, users_vouched(t->user, &from));
}

/* The token says who it is; who says that he is another is refused. */
static int
token(void *argument, const char *user, struct span bytes, bool oauthbearer, struct text *refusal)
{
	struct try          *t = argument;
	struct origin        from = origin_of(t);
	autotext struct text whose = {0}, scope = {0}, openid = {0};
	autofree char       *secret_of = mem_span(bytes);
	char                 told[SASL_USER_MAX + 1] = "", owner[SASL_USER_MAX + 1];
	int                  verdict;

	text_set(&t->password, bytes);
	t->what = penalty_what(user, secret_of);
	mem_wipe(secret_of, bytes.len);
	verdict = users_token(bytes, make_uniform, &from, &whose, &scope, &openid);
	/* take_name() prefers the certificate's, which must then be the same */
	if (verdict == 1 && (!make_uniform(text_string(&whose), owner) || !take_name(t, text_string(&whose)) || strcmp(owner, t->user) != 0 ||
	                     (*user && (!make_uniform(user, told) || strcmp(told, t->user) != 0)))) {
		log_info("auth: oauth2(%s,%s): the token is somebody else's", t->user, t->peer);
		verdict = 0;
	}
	if (verdict == 1)
		return 1;
	if (*user)
		snprintf(t->user, sizeof t->user, "%s", make_uniform(user, told) ? told : "");
	if (verdict == 0)
		bearer_refusal(oauthbearer, text_string(&scope), text_string(&openid), refusal);
	return verdict;
}

static void
bind_try(struct try *t, const struct try_client *c, const char *name)
{
	autofree char *bound = mem_span(c->bound), *plus = mem_format("%s-PLUS", name);

	if (*bound)
		sasl_try_bind(t->sasl, bound, c->binding, mechanism_offered(plus));
}

struct try *
try_start(const struct try_client *c, struct span mechanism, struct fault *why)
{
	autofree char *name = mem_span(span_first(mechanism, 40));
	struct try    *t;

	for (char *p = name; *p; p++)
		*p = ascii_upper(*p);
	if (!mechanism_offered(name)) {
		fault_set(why, FAULT_INPUT, "Unsupported authentication mechanism");
		return NULL;
	}
	if (auth_config.disable_plaintext && !c->secured && sasl_tells_password(name)) {
		fault_set(why, FAULT_DENIED, "Plaintext authentication disallowed on non-secure (SSL/TLS) connections.");
		return NULL;
	}
	if (auth_config.require_certificate && !c->certificate) {
		log_info("auth: %s(,%.*s): client didn't present valid SSL certificate", name, SPAN_ARGS(c->peer));
		fault_set(why, FAULT_PEER, "client didn't present valid SSL certificate");
		return NULL;
	}
	t = mem_alloc(sizeof *t);
	snprintf(t->mechanism, sizeof t->mechanism, "%s", name);
	snprintf(t->local, sizeof t->local, "%.*s", SPAN_ARGS(span_first(c->local, sizeof t->local - 1)));
	if (auth_config.name_from_certificate && c->certificate)
		text_set(&t->certificate, c->name);
	snprintf(t->service, sizeof t->service, "%s", c->service);
	snprintf(t->peer, sizeof t->peer, "%.*s", SPAN_ARGS(span_first(c->peer, sizeof t->peer - 1)));
	if (sasl_try_start(auth_sasl, name, check, t, &t->sasl, why) < 0) {
		try_free(t);
		return NULL;
	}
	sasl_try_secret(t->sasl, secret);
	sasl_try_external(t->sasl, external);
	sasl_try_token(t->sasl, token);
	bind_try(t, c, name);
	return t;
}

static enum sasl_state
refuse(const struct try *t, const char *reason)
{
	log_info("auth: %s(%s,%s): %s", t->mechanism, t->user, t->peer, reason);
	return SASL_NO;
}

/* He has proved himself: is his mailbox here?  smtpd has no other server to ask, and whom nobody has asked for his password has
 * proved nothing there. */
static enum sasl_state
find_route(struct try *t)
{
	struct fault why = {0};
	bool         mailboxes = strcmp(t->service, "imap") == 0 || strcmp(t->service, "pop3") == 0 || strcmp(t->service, "managesieve") == 0;

	if (route_parse(text_span(&t->fields), &t->route, &why) < 0) {
		log_error("auth: %s(%s,%s): %s: login denied", t->mechanism, t->user, t->peer, fault_text(&why));
		return SASL_NO;
	}
	if (!mailboxes && t->route.nologin)
		return refuse(t, "login is disabled");
	if (!mailboxes && t->route.proxy && t->route.nopassword)
		return refuse(t, "the password is for another server to check, which only imap and pop3 ask");
	if (*t->master && !t->route.master.len)
		t->route.master = span_of(t->master);
	if (!t->route.has_password)
		t->route.password = text_span(&t->password);
	return SASL_YES;
}

enum sasl_state
try_step(struct try *t, struct span input, struct text *output)
{
	enum sasl_state state = sasl_try_step(t->sasl, input, output);

	if (state == SASL_YES && t->fields.len)
		state = find_route(t);

	if (state == SASL_NO && t->found) /* else the reason was logged when it was found */
		log_info("auth: %s(%s,%s): Password mismatch", t->driver, t->user, t->peer);
	return state;
}

/* A guesser waits; nobody else does (SECURITY.md 2, row 22).  A password that nobody has looked at forgives nothing. */
int64_t
try_lateness(struct try *t, enum sasl_state state)
{
	int64_t late = state == SASL_NO ? auth_config.failure_delay : 0;

	if (state == SASL_YES && t->route.nopassword && !*t->master)
		return auth_config.penalty ? penalty_late(span_of(t->peer)) : 0;
	if (auth_config.penalty && (state == SASL_NO || state == SASL_YES))
		late += penalty_note(span_of(t->peer), state == SASL_NO, t->what);
	return late;
}

uint64_t
try_what(const struct try *t)
{
	return t->what;
}

const char *
try_user(const struct try *t)
{
	return t->user;
}

const struct route *
try_route(const struct try *t)
{
	return t->route.proxy || t->route.nologin ? &t->route : NULL;
}

bool
try_admin(const struct try *t)
{
	return t->admin;
}

static void
forget(struct text *secret)
{
	if (secret->at)
		mem_wipe(secret->at, secret->room);
	text_free(secret);
}

void
try_free(struct try *t)
{
	if (!t)
		return;
	sasl_try_free(t->sasl);
	text_free(&t->certificate);
	forget(&t->fields);
	forget(&t->password);
	free(t);
}
