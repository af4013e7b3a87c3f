/* SPDX-License-Identifier: ISC */
/*
 * identity_ldap.c - the words of dovecot-ldap.conf.ext
 */
#include <assert.h>
#include <string.h>

#include "guard/identity.h"
#include "guard/identity_lines.h"

/* What is understood, and what a table calls it; "": it is read by its name below; NULL: without effect. */
static const struct { const char *name, *ours; } words[] = {
	{"hosts", ""}, {"uris", ""}, {"base", "search_base"}, {"dn", "bind_dn"}, {"dnpass", "bind_pw"},
	{"tls_ca_cert_file", "tls_ca_cert_file"}, {"tls_ca_cert_dir", "tls_ca_cert_dir"}, {"tls_cert_file", "tls_cert"},
	{"tls_key_file", "tls_key"}, {"tls_cipher_suite", "tls_cipher_suite"},
	{"pass_filter", ""}, {"user_filter", ""}, {"pass_attrs", ""}, {"user_attrs", ""},
	{"auth_bind_userdn", ""}, {"default_pass_scheme", ""},
	{"iterate_attrs", ""}, {"iterate_filter", ""},
	/* each question has a connection of its own, nothing is debugged */
	{"blocking", NULL}, {"debug_level", NULL}, {"userdb_warning_disable", NULL},
	{"sasl_mech", NULL}, {"sasl_realm", NULL}, {"sasl_authz_id", NULL},       /* sasl_bind is what asks for them */
};

enum choice { CHOICE_TLS, CHOICE_CERTIFICATE, CHOICE_SCOPE, CHOICE_DEREF, CHOICE_VERSION, CHOICE_SASL, CHOICE_BIND, CHOICES };

static const struct { const char *word, *ours, *fallback; } choices[CHOICES] = {
	[CHOICE_TLS] = {"tls", "start_tls", "no"},      [CHOICE_CERTIFICATE] = {"tls_require_cert", "tls_require_cert", "yes"},
	[CHOICE_SCOPE] = {"scope", "scope", "sub"},     [CHOICE_DEREF] = {"deref", "dereference", "0"},
	[CHOICE_VERSION] = {"ldap_version", "version", "3"},
	[CHOICE_SASL] = {"sasl_bind", NULL, "no"},      [CHOICE_BIND] = {"auth_bind", NULL, "no"},
};

static const struct { enum choice which; const char *said, *means; } values[] = {
	{CHOICE_TLS, "yes", "yes"}, {CHOICE_TLS, "no", "no"}, {CHOICE_BIND, "yes", "yes"}, {CHOICE_BIND, "no", "no"}, {CHOICE_SASL, "no", "no"},
	/* the library's words for a server that shows a bad certificate: only the last two go on */
	{CHOICE_CERTIFICATE, "demand", "yes"}, {CHOICE_CERTIFICATE, "hard", "yes"}, {CHOICE_CERTIFICATE, "try", "yes"},
	{CHOICE_CERTIFICATE, "never", "no"}, {CHOICE_CERTIFICATE, "allow", "no"},
	{CHOICE_SCOPE, "subtree", "sub"}, {CHOICE_SCOPE, "onelevel", "one"}, {CHOICE_SCOPE, "base", "base"},
	{CHOICE_DEREF, "never", "0"}, {CHOICE_DEREF, "searching", "1"}, {CHOICE_DEREF, "finding", "2"}, {CHOICE_DEREF, "always", "3"},
	{CHOICE_VERSION, "2", "2"}, {CHOICE_VERSION, "3", "3"},
};

struct given {
	struct arena *arena;
	const char   *word[COUNT(words)], *choice[CHOICES];
};

/* What is set, be it to nothing. */
static const char *
word_of(const struct given *g, const char *name, const char *fallback)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (strcmp(words[i].name, name) == 0 && g->word[i])
			return g->word[i];
	return fallback;
}

static int
take_choice(struct given *g, enum choice which, struct span value, struct fault *why)
{
	for (size_t i = 0; i < COUNT(values); i++)
		if (values[i].which == which && span_is_nocase(value, values[i].said)) {
			g->choice[which] = values[i].means;
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "%s = %.*s is not supported here", choices[which].word, SPAN_ARGS(span_first(value, 40)));
}

static int
take_word(void *context, struct span name, struct span value, struct fault *why)
{
	struct given *g = context;

	for (enum choice c = CHOICE_TLS; c < CHOICES; c++)
		if (span_is(name, choices[c].word))
			return value.len ? take_choice(g, c, value, why) : 0;
	for (size_t i = 0; i < COUNT(words); i++)
		if (span_is(name, words[i].name)) {
			g->word[i] = arena_string(g->arena, value);
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "%.*s is not supported here", SPAN_ARGS(span_first(name, 60)));
}

static void
put(struct identity_settings *s, const char *name, const char *value)
{
	assert(s->n_connect < COUNT(s->connect));
	s->connect[s->n_connect++] = (struct identity_connect){name, value};
}

static int
settle_server(const struct given *g, struct identity_settings *s, struct fault *why)
{
	const char *uris = word_of(g, "uris", ""), *hosts = *uris ? uris : word_of(g, "hosts", "");

	if (!*hosts)
		return fault_set(why, FAULT_INPUT, "hosts or uris is missing");
	if (!word_of(g, "base", NULL))
		return fault_set(why, FAULT_INPUT, "base is missing");
	if (strcmp(g->choice[CHOICE_TLS], "yes") == 0 && strcasestr(hosts, "ldaps:"))
		return fault_set(why, FAULT_INPUT, "tls = yes is STARTTLS, which ldaps: cannot have");
	put(s, "server_host", hosts);
	put(s, "bind", *word_of(g, "dn", "") ? "yes" : "no");
	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i].ours && *words[i].ours && g->word[i])
			put(s, words[i].ours, g->word[i]);
	for (enum choice c = CHOICE_TLS; c < CHOICES; c++)
		if (choices[c].ours)
			put(s, choices[c].ours, g->choice[c]);
	return identity_words_check(word_of(g, "base", ""), NULL, NULL, why) < 0 ? fault_prefix(why, "base") : 0;
}

static int
check_words(const char *name, const char *words_in, struct fault *why)
{
	if (!*words_in)
		return fault_set(why, FAULT_INPUT, "%s is empty", name);
	return identity_words_check(words_in, NULL, NULL, why) < 0 ? fault_prefix(why, "%s", name) : 0;
}

static int
settle_questions(const struct given *g, struct identity_settings *s, struct fault *why)
{
	static const char filter[] = "(&(objectClass=posixAccount)(uid=%u))";
	const char       *as = word_of(g, "auth_bind_userdn", "");

	s->driver = "ldap";
	s->list_query = word_of(g, "iterate_filter", "(objectClass=posixAccount)");
	s->password_query = word_of(g, "pass_filter", filter);
	s->user_query = word_of(g, "user_filter", filter);
	s->default_pass_scheme = word_of(g, "default_pass_scheme", "CRYPT");
	s->binds = strcmp(g->choice[CHOICE_BIND], "yes") == 0;
	s->bind_name = s->binds && *as ? as : NULL;
	if (check_words("pass_filter", s->password_query, why) < 0 || check_words("user_filter", s->user_query, why) < 0 ||
	    check_words("iterate_filter", s->list_query, why) < 0 ||
	    (s->bind_name && check_words("auth_bind_userdn", s->bind_name, why) < 0))
		return -1;
	if (identity_attrs_parse(span_of(word_of(g, "pass_attrs", "uid=user,userPassword=password")), s->binds ? "password" : NULL,
	                         g->arena, &s->password_attrs, why) < 0)
		return fault_prefix(why, "pass_attrs");
	if (identity_attrs_parse(span_of(word_of(g, "user_attrs", "homeDirectory=home,uidNumber=uid,gidNumber=gid")), NULL,
	                         g->arena, &s->user_attrs, why) < 0)
		return fault_prefix(why, "user_attrs");
	if (identity_attrs_parse(span_of(word_of(g, "iterate_attrs", "uid=user")), NULL, g->arena, &s->list_attrs, why) < 0)
		return fault_prefix(why, "iterate_attrs");
	return 0;
}

int
identity_ldap_parse(struct span in, struct arena *a, struct identity_settings *out, struct fault *why)
{
	struct given              g = {.arena = a};
	struct identity_settings *s = arena_alloc(a, sizeof *s);

	for (enum choice c = CHOICE_TLS; c < CHOICES; c++)
		g.choice[c] = choices[c].fallback;
	if (identity_lines(in, take_word, &g, why) < 0 || settle_server(&g, s, why) < 0 || settle_questions(&g, s, why) < 0)
		return -1;
	*out = *s;
	return 0;
}
