/* SPDX-License-Identifier: ISC */
/*
 * fuzz_identity.c - dovecot-sql.conf.ext and dovecot-oauth2.conf.ext, and names of strangers in their queries
 */
#include "authd_oauth.h"
#include "fuzz.h"
#include "guard/identity.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena  *a = arena_new();
	struct identity_settings s;
	struct oauth_settings    o;
	struct span              in = span_at(data, size);
	struct identity_words    w = {in, SPAN("imap"), SPAN("192.0.2.1"), SPAN("192.0.2.2")};

	if (identity_sql_parse(in, a, &s, NULL) == 0) {
		assert(s.driver && s.default_pass_scheme);
		assert(!s.password_query || identity_words_check(s.password_query, NULL) == 0);
	}
	if (oauth_settings_parse(in, a, &o, NULL) == 0)
		assert(o.key_directory[0] == '/' && *o.username_attribute);
	static const char *const queries[] = {"'%u'", "'%n' '%d'", "'%Lu' '%s' '%r' '%l' '%%'", "'%{user}' '%U{domain}'"};

	for (size_t i = 0; i < COUNT(queries); i++) {
		autotext struct text sql = {0};
		size_t               quotes = 0;

		assert(identity_words_check(queries[i], NULL) == 0);
		/* each quote of the name is doubled: the number stays even */
		if (identity_words_expand(queries[i], &w, remote_quote_sql, NULL, &sql, NULL) == 0)
			for (size_t k = 0; k < sql.len; k++)
				quotes += sql.at[k] == '\'';
		assert(quotes % 2 == 0);
	}
	return 0;
}
