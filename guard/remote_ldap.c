/* SPDX-License-Identifier: ISC */
/*
 * remote_ldap.c - ldap: tables, by libldap (ldap_table(5))
 *
 * One search by query_filter below search_base; then what the entries' special_result_attribute
 * values name (DNs, or LDAP URLs of the same server) in their turn, recursion_limit deep.
 */
#include <stdlib.h>
#include <sys/time.h>

#include "base/log.h"
#include "base/strmap.h"
#include "guard/remote_ldap.h"

enum { KIND_RESULT, KIND_SPECIAL, KIND_LEAF, KIND_TERMINAL, KINDS, ATTRIBUTES_MAX = 100 };

struct ldap {
	struct ldap_server server;       /* first */
	const char        *base;
	int                recursion, size;
	struct list        kind[KINDS];
	char              *attributes[ATTRIBUTES_MAX + 1];      /* all, borrowed; NULL at the end */
};

/* ---- parameters ---- */

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
prepare(struct remote *r, struct fault *why)
{
	struct ldap          *l = r->own = mem_alloc(sizeof *l);
	struct remote_config *c = r->config;
	bool                  referrals;

	l->base = remote_string(c, "search_base", "");
	r->query = remote_string(c, "query_filter", "(mailacceptinggeneralid=%s)");
	if (remote_words_check(l->base, why) < 0 || remote_words_check(r->query, why) < 0 ||
	    remote_number(c, "recursion_limit", 1000, &l->recursion, why) < 0 ||
	    remote_number(c, "size_limit", r->limit, &l->size, why) < 0 ||
	    remote_boolean(c, "chase_referrals", false, &referrals, why) < 0 || read_attributes(r, l, why) < 0)
		return -1;
	if (l->recursion < 1)
		return fault_set(why, FAULT_INPUT, "recursion_limit is out of bounds");
	if (referrals)
		return fault_set(why, FAULT_INPUT, "chase_referrals is not supported here: servers are named by server_host");
	remote_string(c, "cache", NULL);      /* three that have had no effect for long */
	remote_string(c, "cache_expiry", NULL);
	remote_string(c, "cache_size", NULL);
	return ldap_server_prepare(r, &l->server, why);
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
	struct timeval wait = {.tv_sec = s->parameters->server.timeout};
	LDAPMessage   *found = NULL;
	int            outcome = 0, error;

	if (clock_now() > s->deadline)
		return fault_set(why, FAULT_TIME, "the search takes too long");
	error = ldap_search_ext_s(s->ld, place->base, place->scope, place->filter, place->attributes, 0, NULL, NULL, &wait,
	                          s->parameters->size, &found);
	if (error == LDAP_NO_SUCH_OBJECT)
		outcome = 1;
	else if (error)
		outcome = ldap_server_fault(s->ld, error, "search", why);
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
	struct place place = {text_string(&base), text_string(&filter), l->server.scope, (char **)(uintptr_t)l->attributes};

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

static const struct remote_driver driver = {prepare, ldap_server_connect, ask, ldap_server_disconnect, free_own};

static int
open_ldap(struct table *t, struct fault *why)
{
	return remote_open(t, &driver, why);
}

const struct table_type remote_ldap = {"ldap", true, false, open_ldap, remote_find, remote_close, NULL};
