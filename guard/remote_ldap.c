/* SPDX-License-Identifier: ISC */
/*
 * remote_ldap.c - ldap: tables, by libldap (ldap_table(5))
 *
 * One search by query_filter below search_base; then what the entries' special_result_attribute
 * values name (DNs, or LDAP URLs of the same server) in their turn, recursion_limit deep.
 */
#include <ldap.h>
#include <stdlib.h>
#include <sys/time.h>

#include "base/log.h"
#include "base/strmap.h"
#include "guard/remote.h"
#include "service/service.h"

enum { KIND_RESULT, KIND_SPECIAL, KIND_LEAF, KIND_TERMINAL, KINDS, ATTRIBUTES_MAX = 100 };

struct ldap {
	const char *base, *bind_dn, *bind_pw, *ca_file, *ca_dir, *cert, *key, *ciphers;
	bool        binds, start_tls, require_cert, referrals, tls;
	int         version, timeout, scope, dereference, recursion, size;
	struct list kind[KINDS];
	char       *attributes[ATTRIBUTES_MAX + 1];      /* all, borrowed; NULL at the end */
};

/* ---- parameters ---- */

static int
read_scope(struct remote *r, struct ldap *l, struct fault *why)
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
read_binding(struct remote *r, struct ldap *l, struct fault *why)
{
	struct span bind = span_of(remote_string(r->config, "bind", "yes"));

	l->bind_dn = remote_string(r->config, "bind_dn", "");
	l->bind_pw = remote_string(r->config, "bind_pw", "");
	l->binds = span_is(bind, "yes") || span_is(bind, "simple");
	if (l->binds || span_is(bind, "no") || span_is(bind, "none"))
		return 0;
	return fault_set(why, FAULT_INPUT, "bind = %.*s is not supported here: simple, or none", SPAN_ARGS(bind));
}

static int
read_attributes(struct remote *r, struct ldap *l, struct fault *why)
{
	static const struct { const char *name, *fallback; } words[KINDS] = {
		{"result_attribute", "maildrop"}, {"special_result_attribute", ""}, {"leaf_result_attribute", ""},
		{"terminal_result_attribute", ""},
	};
	size_t n = 0;

	for (int k = 0; k < KINDS; k++) {
		if (list_parse(span_of(remote_string(r->config, words[k].name, words[k].fallback)), &l->kind[k], why) < 0)
			return -1;
		for (size_t i = 0; i < l->kind[k].count; i++) {
			if (n == ATTRIBUTES_MAX)
				return fault_set(why, FAULT_INPUT, "too many attributes");
			l->attributes[n++] = l->kind[k].item[i];
		}
	}
	return 0;
}

static int
read_tls(struct remote *r, struct ldap *l, struct fault *why)
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
add_host(struct remote *r, struct span word, const char *port, struct fault *why)
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
			((struct ldap *)r->own)->tls = true;
	}
	ldap_free_urldesc(url);
	return outcome;
}

static int
prepare(struct remote *r, struct fault *why)
{
	struct ldap          *l = r->own = mem_alloc(sizeof *l);
	struct remote_config *c = r->config;
	struct span           hosts = span_of(remote_string(c, "server_host", "localhost")), word;
	const char           *port = remote_string(c, "server_port", "389");

	l->base = remote_string(c, "search_base", "");
	r->query = remote_string(c, "query_filter", "(mailacceptinggeneralid=%s)");
	if (remote_words_check(l->base, why) < 0 || remote_words_check(r->query, why) < 0 ||
	    remote_number(c, "version", 2, &l->version, why) < 0 || remote_number(c, "timeout", 10, &l->timeout, why) < 0 ||
	    remote_number(c, "recursion_limit", 1000, &l->recursion, why) < 0 ||
	    remote_number(c, "dereference", 0, &l->dereference, why) < 0 ||
	    remote_number(c, "size_limit", r->limit, &l->size, why) < 0 ||
	    remote_boolean(c, "chase_referrals", false, &l->referrals, why) < 0 || read_scope(r, l, why) < 0 ||
	    read_binding(r, l, why) < 0 || read_attributes(r, l, why) < 0 || read_tls(r, l, why) < 0)
		return -1;
	if (l->version < 2 || l->version > 3 || (l->version == 2 && l->start_tls))
		return fault_set(why, FAULT_INPUT, "version: 3, or 2 without start_tls");
	if (l->recursion < 1 || l->timeout < 1 || l->dereference > 3)
		return fault_set(why, FAULT_INPUT, "recursion_limit, timeout or dereference is out of bounds");
	if (l->referrals)
		return fault_set(why, FAULT_INPUT, "chase_referrals is not supported here: servers are named by server_host");
	remote_string(c, "cache", NULL);      /* three that have had no effect for long */
	remote_string(c, "cache_expiry", NULL);
	remote_string(c, "cache_size", NULL);
	while (span_next(&hosts, ", \t\r\n", &word))
		if (add_host(r, word, port, why) < 0)
			return -1;
	return 0;
}

/* ---- connections ---- */

static int
say(LDAP *ld, int error, const char *what, struct fault *why)
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
set_tls(LDAP *ld, const struct ldap *l)
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
set_options(LDAP *ld, const struct ldap *l)
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
bind_as(LDAP *ld, const struct ldap *l)
{
	struct berval password = {.bv_len = strlen(l->bind_pw), .bv_val = (char *)(uintptr_t)l->bind_pw};

	return ldap_sasl_bind_s(ld, l->bind_dn, LDAP_SASL_SIMPLE, &password, NULL, NULL, NULL);
}

static void *
connect_to(struct remote *r, const struct remote_host *h, int64_t deadline, struct fault *why)
{
	const struct ldap *l = r->own;
	bool               bare = strchr(h->name, ':') && !strstr(h->name, "://");       /* IPv6 */
	autofree char     *url = strstr(h->name, "://") ? mem_string(h->name)
	                       : mem_format(bare ? "ldap://[%s]:%s" : "ldap://%s:%s", h->name, h->port);
	LDAP              *ld = NULL;
	int                error = ldap_initialize(&ld, url);

	(void)deadline;
	if (!error)
		error = set_options(ld, l);
	if (!error && l->start_tls)
		error = ldap_start_tls_s(ld, NULL, NULL);
	if (!error && l->binds)
		error = bind_as(ld, l);
	if (!error)
		return ld;
	say(ld, error, "connect", why);
	why->class = FAULT_PEER;
	if (ld)
		ldap_unbind_ext_s(ld, NULL, NULL);
	return NULL;
}

static void
disconnect(void *ld)
{
	ldap_unbind_ext_s(ld, NULL, NULL);
}

/* ---- one lookup ---- */

struct search {
	struct remote           *remote;
	const struct ldap       *parameters;
	LDAP                    *ld;
	const struct remote_key *key;
	struct remote_answer    *answer;
	int64_t                  deadline;
	struct strmap           *seen;       /* what entries named: read once, so that groups may name each other */
	struct pending          *pending;
	size_t                   count;
};

struct pending {
	char *value;           /* a DN or a URL; owned */
	int   depth;
};

struct place {
	const char *base, *filter;
	int         scope;
	char      **attributes;
};

static bool
has_value(const struct search *s, LDAPMessage *entry, int kind)
{
	const struct list *names = &s->parameters->kind[kind];

	for (size_t i = 0; i < names->count; i++) {
		struct berval **values = ldap_get_values_len(s->ld, entry, names->item[i]);
		bool            any = values && ldap_count_values_len(values) > 0;

		ldap_value_free_len(values);
		if (any)
			return true;
	}
	return false;
}

static int
put_off(struct search *s, struct span value, int depth, struct fault *why)
{
	if (strmap_put(s->seen, value, s))
		return 0;
	if (depth >= s->parameters->recursion)
		return fault_set(why, FAULT_INPUT, "more than recursion_limit (%d) levels", s->parameters->recursion);
	s->pending = mem_grow(s->pending, s->count + 1, sizeof *s->pending);
	s->pending[s->count++] = (struct pending){mem_span(value), depth + 1};
	return 0;
}

static int
take_values(struct search *s, LDAPMessage *entry, int kind, int depth, struct fault *why)
{
	const struct list *names = &s->parameters->kind[kind];
	int                outcome = 0;

	for (size_t i = 0; outcome == 0 && i < names->count; i++) {
		struct berval **values = ldap_get_values_len(s->ld, entry, names->item[i]);

		for (struct berval **v = values; outcome == 0 && v && *v; v++) {
			struct span value = span_at((*v)->bv_val, (*v)->bv_len);

			outcome = kind == KIND_SPECIAL ? put_off(s, value, depth, why)
			                               : remote_add(s->remote, s->key, value, s->answer, why);
		}
		ldap_value_free_len(values);
	}
	return outcome;
}

static int
take_entry(struct search *s, LDAPMessage *entry, int depth, struct fault *why)
{
	bool  terminal = has_value(s, entry, KIND_TERMINAL), group = !terminal && has_value(s, entry, KIND_SPECIAL);
	char *dn = depth ? NULL : ldap_get_dn(s->ld, entry);

	if (dn)
		strmap_put(s->seen, span_of(dn), s);
	ldap_memfree(dn);
	if (take_values(s, entry, KIND_RESULT, depth, why) < 0)
		return -1;
	if (!group)
		return take_values(s, entry, KIND_LEAF, depth, why);
	return take_values(s, entry, KIND_SPECIAL, depth, why);
}

/* 0; 1: there is no such base; -1 why */
static int
search(struct search *s, const struct place *place, int depth, struct fault *why)
{
	struct timeval wait = {.tv_sec = s->parameters->timeout};
	LDAPMessage   *found = NULL;
	int            outcome = 0, error;

	if (clock_now() > s->deadline)
		return fault_set(why, FAULT_TIME, "the search takes too long");
	error = ldap_search_ext_s(s->ld, place->base, place->scope, place->filter, place->attributes, 0, NULL, NULL, &wait,
	                          s->parameters->size, &found);
	if (error == LDAP_NO_SUCH_OBJECT)
		outcome = 1;
	else if (error)
		outcome = say(s->ld, error, "search", why);
	else
		for (LDAPMessage *e = ldap_first_entry(s->ld, found); outcome == 0 && e; e = ldap_next_entry(s->ld, e))
			outcome = take_entry(s, e, depth, why);
	ldap_msgfree(found);
	return outcome;
}

/* A DN or a URL: what it names is read too. What is not there has no values. */
static int
follow(struct search *s, const char *value, int depth, struct fault *why)
{
	struct place place = {value, "(objectClass=*)", LDAP_SCOPE_BASE, (char **)(uintptr_t)s->parameters->attributes};
	LDAPURLDesc *url = NULL;
	int          got;

	if (ldap_is_ldap_url(value)) {
		if (ldap_url_parse(value, &url) != LDAP_URL_SUCCESS) {
			log_warning("%s: bad LDAP URL in an entry: %s", s->remote->table->spec, value);
			return 0;
		}
		place.base = url->lud_dn ? url->lud_dn : "";
		place.filter = url->lud_filter ? url->lud_filter : place.filter;
		place.scope = url->lud_scope == LDAP_SCOPE_DEFAULT ? LDAP_SCOPE_BASE : url->lud_scope;
		place.attributes = url->lud_attrs ? url->lud_attrs : place.attributes;
	}
	got = search(s, &place, depth, why);
	if (url)
		ldap_free_urldesc(url);
	if (got > 0)
		log_warning("%s: an entry names %s, which is not there", s->remote->table->spec, value);
	return got < 0 ? -1 : 0;
}

/* Level by level, not by recursion: a directory must not choose how deep our stack is. */
static int
search_all(struct search *s, const struct place *place, struct fault *why)
{
	int got = search(s, place, 0, why);

	for (size_t i = 0; got == 0 && i < s->count; i++) {
		autofree char *value = take(s->pending[i].value);

		got = follow(s, value, s->pending[i].depth, why);
	}
	for (size_t i = 0; i < s->count; i++)
		free(s->pending[i].value);
	free(s->pending);
	strmap_free(s->seen, NULL);
	return got;
}

static int
ask(struct remote *r, void *ld, const struct remote_key *key, struct remote_answer *answer, int64_t deadline,
    struct fault *why)
{
	const struct ldap   *l = r->own;
	autotext struct text base = {0}, filter = {0};
	struct search        s = {r, l, ld, key, answer, deadline, NULL, NULL, 0};
	int                  got = remote_words_expand(l->base, key, key, remote_quote_dn, NULL, &base, why);

	if (!got)
		got = remote_words_expand(r->query, key, key, remote_quote_filter, NULL, &filter, why);
	if (got)
		return got < 0 ? -1 : 0;
	struct place place = {text_string(&base), text_string(&filter), l->scope, (char **)(uintptr_t)l->attributes};

	s.seen = strmap_new();
	got = search_all(&s, &place, why);
	if (got <= 0)
		return got;
	if (strchr(l->base, '%'))
		return 0;            /* a base for each domain: there is none for this one */
	return fault_set(why, FAULT_SYSTEM, "search_base \"%s\" is not there", l->base);
}

static void
free_own(struct remote *r)
{
	struct ldap *l = r->own;

	for (int k = 0; l && k < KINDS; k++)
		list_free(&l->kind[k]);
	free(l);
}

static const struct remote_driver driver = {prepare, connect_to, ask, disconnect, free_own};

static int
open_ldap(struct table *t, struct fault *why)
{
	return remote_open(t, &driver, why);
}

const struct table_type remote_ldap = {"ldap", true, false, open_ldap, remote_find, remote_close, NULL};
