/* SPDX-License-Identifier: ISC */
/*
 * server.c - one try to authenticate, by GNU SASL
 *
 * PLAIN (RFC 4616) and LOGIN hand over the password, which the check compares;
 * an authorization identity other than the user's own is refused.
 */
#include "sasl/server.h"

#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

struct sasl_library {
	Gsasl *context;
};

struct sasl_try {
	Gsasl_session *session;
	sasl_check    *check;
	void          *argument;
	bool           trouble;
	bool           login;          /* LOGIN, and nothing was said yet */
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
	if (authzid && *authzid && strcmp(authzid, user) != 0)
		return GSASL_AUTHENTICATION_ERROR;
	verdict = t->check(t->argument, user, authzid ? authzid : "", password);
	t->trouble = verdict < 0;
	return verdict == 1 ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

static int
answer(Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
	(void)context;
	if (property != GSASL_VALIDATE_SIMPLE)
		return GSASL_NO_CALLBACK;
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
	gsasl_callback_set(l->context, answer);
	*out = l;
	return 0;
}

bool
sasl_mechanism_known(struct sasl_library *l, const char *mechanism)
{
	return (strcmp(mechanism, "PLAIN") == 0 || strcmp(mechanism, "LOGIN") == 0) &&
	       gsasl_server_support_p(l->context, mechanism);
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
	error = gsasl_server_start(l->context, mechanism, &t->session);
	if (error != GSASL_OK) {
		free(t);
		return fault_set(why, FAULT_SYSTEM, "GNU SASL: %s", gsasl_strerror(error));
	}
	t->login = strcmp(mechanism, "LOGIN") == 0;
	gsasl_session_hook_set(t->session, t);
	*out = t;
	return 0;
}

enum sasl_state
sasl_try_step(struct sasl_try *t, struct span input, struct text *output)
{
	char  *out = NULL;
	size_t len = 0;
	int    error;

	if (input.len > SASL_INPUT_MAX)
		return SASL_NO;
	/* An initial response to LOGIN is the name; GNU SASL would drop it, and take the password for one. */
	if (t->login && input.len && gsasl_step(t->session, "", 0, &out, &len) == GSASL_NEEDS_MORE)
		gsasl_free(take(out));
	t->login = false;
	error = gsasl_step(t->session, input.at, input.len, &out, &len);
	if (error == GSASL_OK || error == GSASL_NEEDS_MORE)
		text_set(output, span_at(out ? out : "", len));
	/* Some clients of LOGIN know only the words that everybody else sends. */
	if (span_is(text_span(output), "User Name"))
		text_set(output, SPAN("Username:"));
	else if (span_is(text_span(output), "Password"))
		text_set(output, SPAN("Password:"));
	gsasl_free(out);
	if (error == GSASL_NEEDS_MORE)
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
	gsasl_finish(t->session);
	mem_wipe(t, sizeof *t);
	free(t);
}
