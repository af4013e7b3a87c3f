/* SPDX-License-Identifier: ISC */
/*
 * remote_ldap_server.c - an LDAP server and connections to it
 */
#include <stdlib.h>
#include <sys/time.h>

#include "guard/remote_ldap.h"
#include "service/service.h"

/* ---- parameters ---- */

static int
read_scope(struct remote *r, struct ldap_server *l, struct fault *why)
{
	struct span scope = span_of(remote_string(r->config, "scope", "sub"));

	if (span_is(scope, "sub"))
		l->scope = LDAP_SCOPE_SUBTREE;
	else if (span_is(scope, "one"))
		l->scope = LDAP_SCOPE_ONELEVEL;
	else if (span_is(scope, "base"))
		l->scope = LDAP_SCOPE_BASE;
	else
		return fault_set(why, FAULT_INPUT, "scope: expected sub, one or base");
	return 0;
}

static int
read_binding(struct remote *r, struct ldap_server *l, struct fault *why)
{
	struct span bind = span_of(remote_string(r->config, "bind", "yes"));

	l->bind_dn = remote_string(r->config, "bind_dn", "");
	l->bind_pw = remote_string(r->config, "bind_pw", "");
	l->binds = span_is(bind, "yes") || span_is(bind, "simple");
	l->by_sasl = span_is(bind, "sasl");
	if (l->by_sasl)
		return ldap_sasl_read(r->config, &l->sasl, why);
	if (l->binds || span_is(bind, "no") || span_is(bind, "none"))
		return 0;
	return fault_set(why, FAULT_INPUT, "bind = %.*s: expected yes, simple, sasl, no or none", SPAN_ARGS(bind));
}

static int
read_tls(struct remote *r, struct ldap_server *l, struct fault *why)
{
	struct remote_config *c = r->config;

	if (remote_boolean(c, "start_tls", false, &l->start_tls, why) < 0 ||
	    remote_boolean(c, "tls_require_cert", false, &l->require_cert, why) < 0)
		return -1;
	l->ca_file = remote_string(c, "tls_ca_cert_file", "");
	l->ca_dir = remote_string(c, "tls_ca_cert_dir", "");
	l->cert = remote_string(c, "tls_cert", "");
	l->key = remote_string(c, "tls_key", "");
	l->ciphers = remote_string(c, "tls_cipher_suite", "");
	service_may_read(l->ca_file);
	service_may_read(l->ca_dir);
	service_may_read(l->cert);
	service_may_read(l->key);
	return 0;
}

/* "ldap://h:1", "ldapi://%2frun%2fldapi", "h", "h:1" */
static int
add_host(struct remote *r, struct ldap_server *l, struct span word, const char *port, struct fault *why)
{
	autofree char *given = mem_span(word);
	LDAPURLDesc   *url = NULL;
	int            outcome;

	if (!ldap_is_ldap_url(given) && !span_starts(word, "ldapi:"))
		return remote_add_host_word(r, word, port, why);
	if (ldap_url_parse(given, &url) != LDAP_URL_SUCCESS)
		return fault_set(why, FAULT_INPUT, "server_host: bad URL: %s", given);
	if (strcmp(url->lud_scheme, "ldapi") == 0)
		outcome = remote_add_host(r, word, SPAN_NONE, true, why);
	else {       /* the port is told to the sandbox; the URL is what is dialed */
		autofree char *number = mem_format("%d", url->lud_port ? url->lud_port : strcmp(url->lud_scheme, "ldaps") == 0 ? 636 : 389);

		outcome = remote_add_host(r, word, span_of(number), false, why);
		if (strcmp(url->lud_scheme, "ldaps") == 0)
			l->tls = true;
	}
	ldap_free_urldesc(url);
	return outcome;
}

int
ldap_server_prepare(struct remote *r, struct ldap_server *l, struct fault *why)
{
	struct remote_config *c = r->config;
	struct span           hosts = span_of(remote_string(c, "server_host", "localhost")), word;
	const char           *port = remote_string(c, "server_port", "389");

	if (remote_number(c, "version", 2, &l->version, why) < 0 || remote_number(c, "timeout", 10, &l->timeout, why) < 0 ||
	    remote_number(c, "dereference", 0, &l->dereference, why) < 0 || read_scope(r, l, why) < 0 || read_binding(r, l, why) < 0 ||
	    read_tls(r, l, why) < 0)
		return -1;
	if (l->version < 2 || l->version > 3 || (l->version == 2 && (l->start_tls || l->by_sasl)))
		return fault_set(why, FAULT_INPUT, "version: 3, or 2 without start_tls and SASL");
	if (l->timeout < 1 || l->dereference > 3)
		return fault_set(why, FAULT_INPUT, "timeout or dereference is out of bounds");
	while (span_next(&hosts, ", \t\r\n", &word))
		if (add_host(r, l, word, port, why) < 0)
			return -1;
	return 0;
}

/* ---- connections ---- */

int
ldap_server_fault(LDAP *ld, int error, const char *what, struct fault *why)
{
	bool broken = error == LDAP_SERVER_DOWN || error == LDAP_CONNECT_ERROR || error == LDAP_UNAVAILABLE || error == LDAP_BUSY ||
	              error == LDAP_LOCAL_ERROR || error == LDAP_ENCODING_ERROR || error == LDAP_DECODING_ERROR;
	bool late = error == LDAP_TIMEOUT || error == LDAP_TIMELIMIT_EXCEEDED;
	char *more = NULL;

	if (ld)
		ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	fault_set(why, late ? FAULT_TIME : broken ? FAULT_PEER : FAULT_SYSTEM, "%s: %s%s%.150s", what, ldap_err2string(error),
	          more && *more ? ": " : "", more ? more : "");
	ldap_memfree(more);
	return -1;
}

static void
set_text(LDAP *ld, int option, const char *value)
{
	if (*value)
		ldap_set_option(ld, option, value);
}

static int
set_tls(LDAP *ld, const struct ldap_server *l)
{
	int demand = l->require_cert ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER, client = 0;

	set_text(ld, LDAP_OPT_X_TLS_CACERTFILE, l->ca_file);
	set_text(ld, LDAP_OPT_X_TLS_CACERTDIR, l->ca_dir);
	set_text(ld, LDAP_OPT_X_TLS_CERTFILE, l->cert);
	set_text(ld, LDAP_OPT_X_TLS_KEYFILE, l->key);
	set_text(ld, LDAP_OPT_X_TLS_CIPHER_SUITE, l->ciphers);
	ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
	return ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client);
}

static int
set_options(LDAP *ld, const struct ldap_server *l)
{
	struct timeval wait = {.tv_sec = l->timeout};

	ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &wait);
	ldap_set_option(ld, LDAP_OPT_TIMEOUT, &wait);
	ldap_set_option(ld, LDAP_OPT_TIMELIMIT, &l->timeout);
	ldap_set_option(ld, LDAP_OPT_DEREF, &l->dereference);
	ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON);
	if (l->start_tls || l->tls) {
		int error = set_tls(ld, l);

		if (error)
			return error;
	}
	return ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &l->version);
}

static int
bind_as(LDAP *ld, const struct ldap_server *l)
{
	struct berval password = {.bv_len = strlen(l->bind_pw), .bv_val = (char *)(uintptr_t)l->bind_pw};

	return ldap_sasl_bind_s(ld, l->bind_dn, LDAP_SASL_SIMPLE, &password, NULL, NULL, NULL);
}

static int
prove(LDAP *ld, const struct ldap_server *l, const struct remote_host *h, struct fault *why)
{
	struct ldap_proof p = {l->bind_dn, l->bind_pw, strstr(h->name, "://") ? "localhost" : h->name,
	                       l->start_tls || h->local || strncmp(h->name, "ldaps:", 6) == 0};

	return ldap_sasl_prove(ld, &l->sasl, &p, why);
}

void *
ldap_server_connect(struct remote *r, const struct remote_host *h, int64_t deadline, struct fault *why)
{
	const struct ldap_server *l = r->own;
	bool                      bare = strchr(h->name, ':') && !strstr(h->name, "://");       /* IPv6 */
	autofree char            *url = strstr(h->name, "://") ? mem_string(h->name)
	                              : mem_format(bare ? "ldap://[%s]:%s" : "ldap://%s:%s", h->name, h->port);
	LDAP                     *ld = NULL;
	int                       error = ldap_initialize(&ld, url);

	(void)deadline;
	if (!error)
		error = set_options(ld, l);
	if (!error && l->start_tls)
		error = ldap_start_tls_s(ld, NULL, NULL);
	if (!error && l->binds)
		error = bind_as(ld, l);
	if (!error && (!l->by_sasl || prove(ld, l, h, why) == 0))
		return ld;
	if (error)
		ldap_server_fault(ld, error, "connect", why);
	why->class = FAULT_PEER;
	if (ld)
		ldap_unbind_ext_s(ld, NULL, NULL);
	return NULL;
}

void
ldap_server_disconnect(void *ld)
{
	ldap_unbind_ext_s(ld, NULL, NULL);
}
