/* SPDX-License-Identifier: ISC */
/*
 * cyrus_conf.c - what a site's smtpd.conf for Cyrus SASL says, as far as saslauthd can serve it
 *
 * Format: "name: value" lines, # before comments; of two the last holds.
 */
#include "config/cyrus_conf.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

enum { FILE_LIMIT = 1 << 20 };

void
cyrus_conf_free(struct cyrus_conf *c)
{
	text_free(&c->socket);
	text_free(&c->mechanisms);
}

static int
no_auxprop(const char *found, struct span said, struct fault *why)
{
	return fault_set(why, FAULT_INPUT, "pwcheck_method%s%.*s: passwords of auxprop plugins (sasldb2, sql, ldapdb) cannot be read here. Set \"pwcheck_method: "
	                 "saslauthd\" with saslauthd running, or auth_passdb in main.cf (passwd-file:, sql:, pam), or smtpd_sasl_type = dovecot",
	                 found, SPAN_ARGS(span_first(said, 60)));
}

static int
check_method(struct span methods, struct fault *why)
{
	struct span rest = methods, word;

	while (span_next(&rest, " \t", &word))
		if (!span_is_nocase(word, "saslauthd"))
			return no_auxprop(": ", methods, why);
	return 0;
}

static void
take_mechanisms(struct span list, struct text *out)
{
	struct span word;

	text_clear(out);
	while (span_next(&list, " \t,", &word))
		if (span_is_nocase(word, "PLAIN") || span_is_nocase(word, "LOGIN"))
			text_add_format(out, "%s%s", out->len ? " " : "", span_is_nocase(word, "PLAIN") ? "PLAIN" : "LOGIN");
}

int
cyrus_conf_parse(struct span in, struct cyrus_conf *out, struct fault *why)
{
	struct cyrus_conf c = {0};
	struct span       line, method = SPAN_NONE;

	text_set(&c.socket, SPAN("/var/run/saslauthd/mux"));
	text_set(&c.mechanisms, SPAN("PLAIN LOGIN"));
	while (span_next(&in, "\r\n", &line)) {
		struct span name;

		line = span_trim(line);
		if (line.len == 0 || line.at[0] == '#' || !span_split(&line, ':', &name))
			continue;
		line = span_trim(line);
		name = span_trim(name);
		if (span_is_nocase(name, "pwcheck_method"))
			method = line;
		else if (span_is_nocase(name, "mech_list"))
			take_mechanisms(line, &c.mechanisms);
		else if (span_is_nocase(name, "saslauthd_path"))
			text_set(&c.socket, line);
	}
	if (method.len == 0 ? no_auxprop(" is not set, which is auxprop", SPAN_NONE, why) < 0 : check_method(method, why) < 0) {
		cyrus_conf_free(&c);
		return -1;
	}
	if (c.socket.len == 0 || c.socket.at[0] != '/' || span_has(text_span(&c.socket), '\0')) {
		cyrus_conf_free(&c);
		return fault_set(why, FAULT_INPUT, "saslauthd_path: a path is expected");
	}
	if (c.mechanisms.len == 0) {
		cyrus_conf_free(&c);
		return fault_set(why, FAULT_INPUT, "mech_list: neither PLAIN nor LOGIN, and saslauthd can check passwords in clear alone");
	}
	*out = c;
	return 0;
}

int
cyrus_conf_find(const char *directories, const char *config_directory, const char *name, struct cyrus_conf *out, struct fault *why)
{
	autofree char *usual = mem_format("%s/sasl:/etc/sasl2:/usr/lib/sasl2:/usr/local/lib/sasl2", config_directory);
	struct span    rest = span_of(*directories ? directories : usual), directory;

	while (span_next(&rest, ":", &directory)) {
		autofree char       *path = mem_format("%.*s/%s.conf", SPAN_ARGS(directory), name);
		autotext struct text text = {0};

		errno = 0;
		if (file_read(path, FILE_LIMIT, &text, why) == 0)
			return cyrus_conf_parse(text_span(&text), out, why) < 0 ? fault_prefix(why, "%s", path) : 0;
		if (errno != ENOENT && errno != ENOTDIR)
			return fault_prefix(why, "%s", path);
	}
	return fault_set(why, FAULT_INPUT, "there is no %s.conf in %s, and without it Cyrus SASL asks sasldb2, which is not done here: write one with "
	                 "\"pwcheck_method: saslauthd\", or set auth_passdb in main.cf, or smtpd_sasl_type = dovecot", name, *directories ? directories : usual);
}
