/* SPDX-License-Identifier: ISC */
/*
 * fuzz_identity.c - dovecot-sql.conf.ext, dovecot-ldap.conf.ext and dovecot-oauth2.conf.ext, names of strangers in their
 * queries, and entries of a directory
 */
#include "authd_oauth.h"
#include "fuzz.h"
#include "guard/identity.h"

/* Each attribute has the bytes as its two values: whole fields, or a fault. */
static void
entry(const struct identity_attrs *attrs, const struct identity_words *w)
{
	autotext struct text  out = {0};
	struct span           both[] = {w->user, w->user};
	struct identity_value value[IDENTITY_ATTRS_MAX];
	const char           *several;

	for (size_t i = 0; i < attrs->names; i++)
		value[i] = (struct identity_value){attrs->name[i], both, 2};
	if (identity_attrs_fields(attrs, w, value, attrs->names, &out, &several, NULL) == 0)
		assert(out.len == 0 || out.at[out.len - 1] == '\0');
}

/* Whatever the name is, a filter keeps its shape (RFC 4515, 3), and so does a DN (RFC 4514, 2.4). */
static void
filter(const struct identity_words *w)
{
	autotext struct text out = {0}, dn = {0};
	size_t               special = 0;

	if (identity_words_expand("(&(uid=%u)(mail=%n*))", w, remote_quote_filter, NULL, &out, NULL) == 0)
		for (size_t k = 0; k < out.len; k++)
			special += strchr("()*", out.at[k]) != NULL;
	assert(special == 7);
	if (identity_words_expand("uid=%u,dc=x", w, remote_quote_dn, NULL, &dn, NULL) == 0) {
		special = 0;
		for (size_t k = 0; k < dn.len; k++) {
			if (dn.at[k] == '\\')
				k++;
			else
				special += dn.at[k] == ',' || dn.at[k] == '=' || dn.at[k] == '+';
		}
		assert(special == 3);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena  *a = arena_new();
	struct identity_settings s;
	struct oauth_settings    o;
	struct span              in = span_at(data, size);
	struct identity_words    w = {in, SPAN("imap"), SPAN("192.0.2.1"), SPAN("192.0.2.2"), NULL, NULL};

	if (identity_sql_parse(in, a, &s, NULL) == 0) {
		assert(s.driver && s.default_pass_scheme);
		assert(!s.password_query || identity_words_check(s.password_query, NULL, NULL, NULL) == 0);
	}
	if (identity_ldap_parse(in, a, &s, NULL) == 0) {
		assert(s.n_connect && *s.password_query && *s.user_query);
		assert(!s.bind_name || s.binds);
		entry(&s.password_attrs, &w);
		entry(&s.user_attrs, &w);
	}
	filter(&w);
	if (oauth_settings_parse(in, a, &o, NULL) == 0)
		assert(o.key_directory[0] == '/' && *o.username_attribute);
	static const char *const queries[] = {"'%u'", "'%n' '%d'", "'%Lu' '%s' '%r' '%l' '%%'", "'%{user}' '%U{domain}'"};

	for (size_t i = 0; i < COUNT(queries); i++) {
		autotext struct text sql = {0};
		size_t               quotes = 0;

		assert(identity_words_check(queries[i], NULL, NULL, NULL) == 0);
		/* each quote of the name is doubled: the number stays even */
		if (identity_words_expand(queries[i], &w, remote_quote_sql, NULL, &sql, NULL) == 0)
			for (size_t k = 0; k < sql.len; k++)
				quotes += sql.at[k] == '\'';
		assert(quotes % 2 == 0);
	}
	return 0;
}
