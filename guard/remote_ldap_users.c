/* SPDX-License-Identifier: ISC */
/*
 * remote_ldap_users.c - users in a directory: what an entry says of one, and whether a password is his (identity.h)
 *
 * Two drivers.  The connections of one are bound as dn, and search; those of the other are bound as whoever's password is
 * tried, and do nothing else: so no search is ever made with the rights of the last one who logged in.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "guard/remote_ldap.h"

enum { TWO = 2, PAGE = 500 };       /* two entries are enough to know that there are several; servers give so many at once */

struct users {
	struct ldap_server server;       /* first */
	const char        *base;
};

static int
prepare(struct remote *r, struct fault *why)
{
	struct users *u = r->own = mem_alloc(sizeof *u);

	u->base = remote_string(r->config, "search_base", "");
	return ldap_server_prepare(r, &u->server, why);
}

static int
prepare_binds(struct remote *r, struct fault *why)
{
	struct users *u;

	if (prepare(r, why) < 0)
		return -1;
	u = r->own;
	u->server.binds = false;
	return 0;
}

static void
free_own(struct remote *r)
{
	free(r->own);
}

/* ---- search ---- */

static int
add_fields(struct remote *r, LDAP *ld, LDAPMessage *entry, const struct remote_request *q, struct text *out, struct fault *why)
{
	autoarena struct arena *a = arena_new();
	struct identity_value  *v = arena_alloc(a, (q->attrs->names + 1) * sizeof *v);
	const char             *several = NULL;
	char                   *dn = ldap_get_dn(ld, entry);

	for (size_t i = 0; i < q->attrs->names; i++) {
		struct berval **all = ldap_get_values_len(ld, entry, q->attrs->name[i]);
		size_t          n = all ? (size_t)ldap_count_values_len(all) : 0;

		v[i] = (struct identity_value){q->attrs->name[i], arena_alloc(a, (n + 1) * sizeof *v[i].at), n};
		for (size_t k = 0; k < n; k++)
			v[i].at[k] = arena_span(a, span_at(all[k]->bv_val, all[k]->bv_len));
		ldap_value_free_len(all);
		if (!n && dn && span_is_nocase(span_of(v[i].name), "dn")) {      /* no attribute, but a name for it in texts */
			v[i].at[0] = arena_span(a, span_of(dn));
			v[i].count = 1;
		}
	}
	if (q->name)
		text_set(q->name, span_of(dn ? dn : ""));
	ldap_memfree(dn);
	if (identity_attrs_fields(q->attrs, q->words, v, q->attrs->names, out, &several, why) < 0)
		return -1;
	if (several)
		log_warning("%s: %.*s has several values of %s: the first is used", r->table->spec, SPAN_ARGS(q->words->user), several);
	return out->len > (q->all ? REMOTE_ALL_MOST : TABLE_VALUE_MAX) ? fault_set(why, FAULT_INPUT, "the answer is too long") : 0;
}

static int
take_found(struct remote *r, LDAP *ld, LDAPMessage *found, const struct remote_key *key, struct remote_answer *answer, struct fault *why)
{
	int outcome = 0;

	for (LDAPMessage *e = ldap_first_entry(ld, found); outcome == 0 && e; e = ldap_next_entry(ld, e)) {
		outcome = remote_row(key, answer, why);
		if (outcome == 0)
			outcome = add_fields(r, ld, e, key->request, &answer->values, why);
	}
	return outcome;
}

/* What a page says of the next: its cookie, empty behind the last one. */
static int
next_page(LDAP *ld, LDAPMessage *found, struct berval *cookie, struct fault *why)
{
	LDAPControl **told = NULL, *page;
	ber_int_t     ignored;
	int           error, said = LDAP_SUCCESS;

	ber_memfree(cookie->bv_val);
	*cookie = (struct berval){.bv_len = 0};
	error = ldap_parse_result(ld, found, &said, NULL, NULL, NULL, &told, 0);
	page = error ? NULL : ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, told, NULL);
	if (page)                       /* without one the server knows no pages, and this was all */
		error = ldap_parse_pageresponse_control(ld, page, &ignored, cookie);
	ldap_controls_free(told);
	return error || said ? ldap_server_fault(ld, error ? error : said, "search", why) : 0;
}

/* All entries, page by page (RFC 2696): servers have a limit to what they give at once. */
static int
ask_all(struct remote *r, LDAP *ld, const char *base, const char *filter, const struct remote_key *key, struct remote_answer *answer,
        int64_t deadline, struct fault *why)
{
	const struct users *u = r->own;
	struct timeval      wait = {.tv_sec = u->server.timeout};
	struct berval       cookie = {.bv_len = 0};
	int                 outcome;

	do {
		LDAPControl *page = NULL, *controls[] = {NULL, NULL};
		LDAPMessage *found = NULL;
		int          error = ldap_create_page_control(ld, PAGE, &cookie, 0, &page);

		controls[0] = page;
		if (!error)
			error = ldap_search_ext_s(ld, base, u->server.scope, filter, (char **)(uintptr_t)key->request->attrs->name, 0, controls, NULL, &wait,
			                          LDAP_NO_LIMIT, &found);
		outcome = error ? ldap_server_fault(ld, error, "search", why) : take_found(r, ld, found, key, answer, why);
		if (outcome == 0)
			outcome = next_page(ld, found, &cookie, why);
		if (outcome == 0 && clock_left(deadline) == 0)
			outcome = fault_set(why, FAULT_TIME, "there are too many users for the time");
		ldap_msgfree(found);
		if (page)
			ldap_control_free(page);
	} while (outcome == 0 && cookie.bv_len);
	ber_memfree(cookie.bv_val);
	return outcome;
}

static int
ask(struct remote *r, void *ld, const struct remote_key *key, struct remote_answer *answer, int64_t deadline, struct fault *why)
{
	const struct users          *u = r->own;
	const struct remote_request *q = key->request;
	static char                  none[] = LDAP_NO_ATTRS;
	char                        *nothing[] = {none, NULL};
	struct timeval               wait = {.tv_sec = u->server.timeout};
	autotext struct text         base = {0}, filter = {0};
	LDAPMessage                 *found = NULL;
	int                          error, outcome;

	if (identity_words_expand(u->base, q->words, remote_quote_dn, NULL, &base, why) < 0 ||
	    identity_words_expand(q->query, q->words, remote_quote_filter, NULL, &filter, why) < 0)
		return -1;
	if (q->all)
		return ask_all(r, ld, text_string(&base), text_string(&filter), key, answer, deadline, why);
	error = ldap_search_ext_s(ld, text_string(&base), u->server.scope, text_string(&filter),
	                          q->attrs->names ? (char **)(uintptr_t)q->attrs->name : nothing, 0, NULL, NULL, &wait, TWO, &found);
	if (error == LDAP_NO_SUCH_OBJECT && strchr(u->base, '%'))
		outcome = 0;            /* a base for each domain: there is none for this one */
	else if (error == LDAP_SIZELIMIT_EXCEEDED)
		outcome = fault_set(why, FAULT_INPUT, "the filter finds several users");
	else if (error)
		outcome = ldap_server_fault(ld, error, "search", why);
	else
		outcome = take_found(r, ld, found, key, answer, why);
	ldap_msgfree(found);
	return outcome;
}

/* ---- bind ---- */

static int
try_bind(struct remote *r, void *ld, const struct remote_key *key, struct remote_answer *answer, int64_t deadline, struct fault *why)
{
	const struct remote_request *q = key->request;
	autotext struct text         name = {0};
	struct berval                password = {.bv_len = q->password.len, .bv_val = (char *)(uintptr_t)q->password.at};
	int                          error;

	(void)r, (void)deadline;
	assert(q->password.len > 0);            /* a bind without one is good for every name: RFC 4513, 5.1.2 */
	if (!q->words)
		text_add_string(&name, q->query);
	else if (identity_words_expand(q->query, q->words, remote_quote_dn, NULL, &name, why) < 0)
		return -1;
	if (!name.len)
		return 0;                       /* nor is it anybody's: RFC 4513, 5.1.1 */
	error = ldap_sasl_bind_s(ld, text_string(&name), LDAP_SASL_SIMPLE, &password, NULL, NULL, NULL);
	switch (error) {
	case LDAP_SUCCESS:
		answer->count = REMOTE_BIND_GOOD;
		return 0;
	case LDAP_INVALID_CREDENTIALS:
	case LDAP_INAPPROPRIATE_AUTH:           /* he has no password */
	case LDAP_UNWILLING_TO_PERFORM:         /* locked, or too many tries: what the server says is in the log */
	case LDAP_CONSTRAINT_VIOLATION:
		answer->count = REMOTE_BIND_WRONG;
		if (error != LDAP_INVALID_CREDENTIALS)
			log_info("%s: bind as %s: %s", r->table->spec, text_string(&name), ldap_err2string(error));
		return 0;
	case LDAP_NO_SUCH_OBJECT:
	case LDAP_INVALID_DN_SYNTAX:
		return 0;
	default:
		return ldap_server_fault(ld, error, "bind", why);
	}
}

const struct remote_driver remote_ldap_users_driver = {prepare, ldap_server_connect, ask, ldap_server_disconnect, free_own};
const struct remote_driver remote_ldap_binds_driver = {prepare_binds, ldap_server_connect, try_bind, ldap_server_disconnect, free_own};
