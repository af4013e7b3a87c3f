/* SPDX-License-Identifier: ISC */
/*
 * remote_ldap_sasl.c - ldap: tables with bind = sasl (RFC 4513, 5.2)
 */
#include "guard/remote_ldap_sasl.h"

#include <stdlib.h>

#include "sasl/client.h"

enum { STEPS_MAX = 10 };

int
ldap_sasl_read(struct remote_config *c, struct ldap_sasl *s, struct fault *why)
{
	struct span rest, word;

	if (sasl_client_prepare(why) < 0 || remote_number(c, "sasl_minssf", 0, &s->strength, why) < 0)
		return -1;
	s->mechanisms = remote_string(c, "sasl_mechs", "");
	rest = span_of(s->mechanisms);
	while (span_next(&rest, ", \t\r\n", &word)) {
		autofree char *name = mem_span(word);

		if (!sasl_client_knows(name) || span_ends(word, "-PLUS"))
			return fault_set(why, FAULT_INPUT, "sasl_mechs: %s is not known here", name);
	}
	s->realm = remote_string(c, "sasl_realm", NULL);
	s->authorize = remote_string(c, "sasl_authz_id", NULL);
	return 0;
}

/* What the root of the directory says; *said is false when it says nothing. */
static bool
server_offers(LDAP *ld, const char *mechanism, bool *said)
{
	char          *attributes[] = {"supportedSASLMechanisms", NULL};
	struct timeval wait = {.tv_sec = 10};
	LDAPMessage   *found = NULL, *entry;
	bool           has = false;

	*said = false;
	if (ldap_search_ext_s(ld, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 0, NULL, NULL, &wait, 1, &found) == LDAP_SUCCESS &&
	    (entry = ldap_first_entry(ld, found))) {
		struct berval **values = ldap_get_values_len(ld, entry, attributes[0]);

		for (struct berval **v = values; v && *v; v++) {
			*said = true;
			has |= span_is_nocase(span_at((*v)->bv_val, (*v)->bv_len), mechanism);
		}
		ldap_value_free_len(values);
	}
	ldap_msgfree(found);
	return has;
}

/* NULL: none that may be used. Owned. */
static char *
choose(LDAP *ld, const struct ldap_sasl *s, const struct ldap_proof *p)
{
	static const char *const best[] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5"};
	struct span              rest = span_of(s->mechanisms[0] || p->user[0] ? s->mechanisms : "EXTERNAL"), word;
	bool                     said = false;

	while (span_next(&rest, ", \t\r\n", &word)) {
		autofree char *name = mem_span(word);

		if (server_offers(ld, name, &said) || !said)
			return take(name);
	}
	if (s->mechanisms[0] || !p->user[0])
		return NULL;
	for (size_t i = 0; i < COUNT(best); i++)
		if (server_offers(ld, best[i], &said))
			return mem_string(best[i]);
	return NULL;
}

static int
say(LDAP *ld, int error, const char *mechanism, struct fault *why)
{
	char *more = NULL;

	ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	fault_set(why, FAULT_PEER, "bind by %s: %s%s%.150s", mechanism, ldap_err2string(error), more && *more ? ": " : "", more ? more : "");
	ldap_memfree(more);
	return -1;
}

/* One message to the server; its word in *challenge. */
static int
send_step(LDAP *ld, const char *mechanism, const struct text *response, bool nothing, struct text *challenge)
{
	struct berval  out = {.bv_len = response->len, .bv_val = response->len ? response->at : ""};
	struct berval *in = NULL;
	int            error = ldap_sasl_bind_s(ld, NULL, mechanism, nothing ? NULL : &out, NULL, NULL, &in);

	text_clear(challenge);
	if (in)
		text_add(challenge, span_at(in->bv_val, in->bv_len));
	ber_bvfree(in);
	return error;
}

static int
converse(LDAP *ld, struct sasl_client *c, const char *mechanism, struct fault *why)
{
	autotext struct text response = {0}, challenge = {0};
	bool                 nothing = !sasl_client_speaks_first(c);

	if (!nothing && sasl_client_step(c, SPAN_NONE, &response, why) < 0)
		return -1;
	for (int i = 0; i < STEPS_MAX; i++) {
		int error = send_step(ld, mechanism, &response, nothing, &challenge);

		if (error != LDAP_SUCCESS && error != LDAP_SASL_BIND_IN_PROGRESS)
			return say(ld, error, mechanism, why);
		if ((error != LDAP_SUCCESS || challenge.len) && sasl_client_step(c, text_span(&challenge), &response, why) < 0)
			return fault_prefix(why, "bind by %s: the server did not prove itself", mechanism);
		if (error == LDAP_SUCCESS)
			return sasl_client_done(c) ? 0
			     : fault_set(why, FAULT_PEER, "bind by %s: the server did not prove itself", mechanism);
		nothing = false;
	}
	return fault_set(why, FAULT_PEER, "bind by %s: no end of it", mechanism);
}

int
ldap_sasl_prove(LDAP *ld, const struct ldap_sasl *s, const struct ldap_proof *p, struct fault *why)
{
	autofree char      *mechanism = NULL;
	struct sasl_client *c = NULL;
	int                 outcome;

	if (s->strength > 0 && !p->is_private)
		return fault_set(why, FAULT_PEER, "sasl_minssf = %d: without TLS there is no security layer here", s->strength);
	mechanism = choose(ld, s, p);
	if (!mechanism)
		return fault_set(why, FAULT_PEER, "bind = sasl: the server offers no mechanism that may be used");
	if (sasl_client_start(&(struct sasl_client_wish){
		.mechanism = mechanism, .user = span_of(p->user), .password = span_of(p->password), .service = "ldap", .host = p->host,
		.authorize = s->authorize, .realm = s->realm}, &c, why) < 0)
		return -1;
	outcome = converse(ld, c, mechanism, why);
	sasl_client_free(c);
	return outcome;
}
