/* SPDX-License-Identifier: ISC */
/*
 * identity_sql.c - the words of dovecot-sql.conf.ext
 */
#include <stddef.h>

#include "guard/identity.h"
#include "guard/identity_lines.h"

static const struct { const char *name; size_t offset; } words[] = {
	{"driver", offsetof(struct identity_settings, driver)},
	{"password_query", offsetof(struct identity_settings, password_query)},
	{"user_query", offsetof(struct identity_settings, user_query)},
	{"iterate_query", offsetof(struct identity_settings, list_query)},
	{"default_pass_scheme", offsetof(struct identity_settings, default_pass_scheme)},
};

/* Those of connect, and what the tables of Postfix call them. */
static const struct { const char *dovecot, *ours; } connects[] = {
	{"host", "hosts"}, {"hostaddr", "hosts"}, {"dbname", "dbname"}, {"user", "user"}, {"password", "password"},
	{"ssl_ca", "tls_CAfile"}, {"ssl_ca_path", "tls_CApath"}, {"ssl_cert", "tls_cert_file"}, {"ssl_key", "tls_key_file"},
	{"ssl_cipher", "tls_ciphers"}, {"ssl_verify_server_cert", "tls_verify_cert"},
	{"option_file", "option_file"}, {"option_group", "option_group"},
};

static int
put(struct identity_settings *s, struct arena *a, const char *name, struct span value, struct fault *why)
{
	for (size_t i = 0; i < s->n_connect; i++)
		if (strcmp(s->connect[i].name, name) == 0) {       /* a second host */
			s->connect[i].value = arena_format(a, "%s %.*s", s->connect[i].value, SPAN_ARGS(value));
			return 0;
		}
	if (s->n_connect == COUNT(s->connect))
		return fault_set(why, FAULT_INPUT, "connect: too much");
	s->connect[s->n_connect++] = (struct identity_connect){name, arena_string(a, value)};
	return 0;
}

/* "name=value", a value with blanks in quotes. */
static bool
next_pair(struct span *rest, struct span *name, struct span *value)
{
	*rest = span_trim(*rest);
	if (!rest->len || !span_split(rest, '=', name))
		return false;
	*name = span_trim(*name);
	if (rest->len && (rest->at[0] == '\'' || rest->at[0] == '"')) {
		char quote = rest->at[0];

		*rest = span_from(*rest, 1);
		return span_split(rest, quote, value);
	}
	*value = SPAN_NONE;
	span_next(rest, " \t", value);
	return true;
}

static int
take_pair(struct identity_settings *s, struct arena *a, struct span name, struct span value, struct span *port, struct fault *why)
{
	if (span_is(name, "port")) {
		*port = value;
		return 0;
	}
	for (size_t i = 0; i < COUNT(connects); i++)
		if (span_is(name, connects[i].dovecot))
			return put(s, a, connects[i].ours, value, why);
	return fault_set(why, FAULT_INPUT, "connect: %.*s is not supported here", SPAN_ARGS(span_first(name, 40)));
}

/* Each host with the port, and Unix sockets as the modules want them. */
static void
settle_hosts(struct identity_settings *s, struct arena *a, struct span port)
{
	for (size_t i = 0; i < s->n_connect; i++) {
		struct span rest = span_of(s->connect[i].value), host;
		const char *all = "";

		if (strcmp(s->connect[i].name, "hosts") != 0)
			continue;
		while (span_next(&rest, " ", &host)) {
			const char *one = host.at[0] == '/' ? arena_format(a, "unix:%.*s", SPAN_ARGS(host))
			                  : port.len ? arena_format(a, "inet:%.*s:%.*s", SPAN_ARGS(host), SPAN_ARGS(port)) : arena_string(a, host);

			all = arena_format(a, "%s%s%s", all, *all ? " " : "", one);
		}
		s->connect[i].value = all;
	}
}

static int
take_connect(struct identity_settings *s, struct arena *a, struct span connect, struct fault *why)
{
	struct span name, value, port = SPAN_NONE, rest = connect;

	if (s->driver && strcmp(s->driver, "sqlite") == 0)
		return put(s, a, "dbpath", span_trim(connect), why);
	while (next_pair(&rest, &name, &value))
		if (take_pair(s, a, name, value, &port, why) < 0)
			return -1;
	if (span_trim(rest).len)
		return fault_set(why, FAULT_INPUT, "connect: cannot be read");
	settle_hosts(s, a, port);
	return 0;
}

struct reading {
	struct identity_settings *settings;
	struct arena             *arena;
	struct span               connect;
};

static int
take_word(void *context, struct span name, struct span value, struct fault *why)
{
	struct reading *r = context;

	if (span_is(name, "connect")) {
		r->connect = arena_span(r->arena, value);
		return 0;
	}
	for (size_t i = 0; i < COUNT(words); i++)
		if (span_is(name, words[i].name)) {
			*(const char **)((char *)r->settings + words[i].offset) = arena_string(r->arena, value);
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "%.*s is not supported here", SPAN_ARGS(span_first(name, 60)));
}

static int
check_query(const char *name, const char *query, struct fault *why)
{
	return query && identity_words_check(query, NULL, NULL, why) < 0 ? fault_prefix(why, "%s", name) : 0;
}

int
identity_sql_parse(struct span in, struct arena *a, struct identity_settings *out, struct fault *why)
{
	struct identity_settings s = {.default_pass_scheme = "MD5"};
	struct reading           r = {&s, a, SPAN_NONE};

	if (identity_lines(in, take_word, &r, why) < 0)
		return -1;
	if (!s.driver)
		return fault_set(why, FAULT_INPUT, "driver is missing");
	if (strcmp(s.driver, "mysql") != 0 && strcmp(s.driver, "pgsql") != 0 && strcmp(s.driver, "sqlite") != 0)
		return fault_set(why, FAULT_INPUT, "driver = %.40s is not supported here: mysql, pgsql or sqlite", s.driver);
	if (!r.connect.len)
		return fault_set(why, FAULT_INPUT, "connect is missing");
	if (take_connect(&s, a, r.connect, why) < 0 || check_query("password_query", s.password_query, why) < 0 ||
	    check_query("user_query", s.user_query, why) < 0 || check_query("iterate_query", s.list_query, why) < 0)
		return -1;
	*out = s;
	return 0;
}
