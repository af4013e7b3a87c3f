/* SPDX-License-Identifier: ISC */
/*
 * client.c - proving to a server that we know a password, by GNU SASL
 */
#include "sasl/client.h"

#include <gsasl.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/mem.h"

struct sasl_client {
	Gsasl_session *session;
	bool           first, done;
};

static Gsasl *library;

int
sasl_client_prepare(struct fault *why)
{
	int error = library ? GSASL_OK : gsasl_init(&library);

	return error == GSASL_OK ? 0 : fault_set(why, FAULT_SYSTEM, "GNU SASL: %s", gsasl_strerror(error));
}

bool
sasl_client_knows(const char *mechanism)
{
	static const char *const known[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "EXTERNAL"};

	for (size_t i = 0; i < COUNT(known); i++)
		if (strcmp(mechanism, known[i]) == 0)
			return library && gsasl_client_support_p(library, mechanism);
	return false;
}

static void
set(Gsasl_session *s, Gsasl_property property, struct span value)
{
	autofree char *text = mem_span(value);

	gsasl_property_set(s, property, text);
	mem_wipe(text, value.len);
}

int
sasl_client_start(const struct sasl_client_wish *w, struct sasl_client **out, struct fault *why)
{
	struct sasl_client  *c = mem_alloc(sizeof *c);
	autotext struct text coded = {0};
	bool                 external = strcmp(w->mechanism, "EXTERNAL") == 0;
	int                  error = gsasl_client_start(library, w->mechanism, &c->session);

	if (error != GSASL_OK) {
		free(c);
		return fault_set(why, FAULT_SYSTEM, "GNU SASL: %s", gsasl_strerror(error));
	}
	c->first = strncmp(w->mechanism, "SCRAM-", 6) == 0 || external;
	if (external || w->authorize)
		gsasl_property_set(c->session, GSASL_AUTHZID, w->authorize ? w->authorize : "");
	if (w->realm)
		gsasl_property_set(c->session, GSASL_REALM, w->realm);
	if (!external)
		set(c->session, GSASL_AUTHID, w->user);
	if (!external)
		set(c->session, GSASL_PASSWORD, w->password);
	gsasl_property_set(c->session, GSASL_SERVICE, w->service);
	gsasl_property_set(c->session, GSASL_HOSTNAME, w->host);
	if (w->binding_type && span_ends(span_of(w->mechanism), "-PLUS")) {
		base64_encode(w->binding, &coded);
		gsasl_property_set(c->session, strcmp(w->binding_type, "tls-exporter") == 0 ? GSASL_CB_TLS_EXPORTER : GSASL_CB_TLS_UNIQUE,
		                   text_string(&coded));
	}
	*out = c;
	return 0;
}

bool
sasl_client_speaks_first(const struct sasl_client *c)
{
	return c->first;
}

int
sasl_client_step(struct sasl_client *c, struct span challenge, struct text *response, struct fault *why)
{
	char  *out = NULL;
	size_t len = 0;
	int    error;

	text_clear(response);
	if (c->done)
		return challenge.len ? fault_set(why, FAULT_DENIED, "the server goes on after the end") : 0;
	error = gsasl_step(c->session, challenge.at, challenge.len, &out, &len);
	if (error != GSASL_OK && error != GSASL_NEEDS_MORE)
		return fault_set(why, FAULT_DENIED, "%s", gsasl_strerror(error));
	text_add(response, span_at(out ? out : "", len));
	gsasl_free(out);
	c->done = error == GSASL_OK;
	return 0;
}

bool
sasl_client_done(const struct sasl_client *c)
{
	return c->done;
}

void
sasl_client_free(struct sasl_client *c)
{
	if (!c)
		return;
	gsasl_finish(c->session);
	free(c);
}
