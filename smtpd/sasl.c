/* SPDX-License-Identifier: ISC */
/*
 * sasl.c - one little interface over authd, Dovecot's protocol, and saslauthd
 */
#include "sasl.h"

#include <stdlib.h>

#include "base/clock.h"
#include "session.h"
#include "settings.h"

struct sasl_try {
	struct auth_talk    *talk;        /* one of the three */
	struct dovecot_auth *dovecot;
	struct cyrus_auth   *cyrus;
};

/* What a mechanism is good for, as smtpd_sasl_security_options asks; others are taken for the best. */
enum { PLAINTEXT = 1, ACTIVE = 2, DICTIONARY = 4, ANONYMOUS = 8, MUTUAL = 16, FORWARD = 32 };

static const struct {
	const char *name;
	unsigned    is;
} mechanisms[] = {
	{"PLAIN", PLAINTEXT | ACTIVE | DICTIONARY}, {"LOGIN", PLAINTEXT | ACTIVE | DICTIONARY},
	{"CRAM-MD5", ACTIVE | DICTIONARY}, {"DIGEST-MD5", ACTIVE | DICTIONARY | MUTUAL}, {"NTLM", ACTIVE | DICTIONARY},
	{"ANONYMOUS", ANONYMOUS}, {"SCRAM-SHA-1", MUTUAL}, {"SCRAM-SHA-256", MUTUAL}, {"SCRAM-SHA-1-PLUS", MUTUAL},
	{"SCRAM-SHA-256-PLUS", MUTUAL}, {"EXTERNAL", 0}, {"GSSAPI", MUTUAL}, {"XOAUTH2", ACTIVE}, {"OAUTHBEARER", ACTIVE},
};

static unsigned
nature_of(struct span name)
{
	for (size_t i = 0; i < COUNT(mechanisms); i++)
		if (span_is_nocase(name, mechanisms[i].name))
			return mechanisms[i].is;
	return 0;
}

/* An outside server cannot be told what a TLS session is tied to, nor a certificate's name. */
static bool
has_binding(const struct session *s)
{
	struct tls_binding binding;

	return !prepared.sasl_external && tls_binding(s->conn, &binding);
}

static bool
has_name(const struct session *s)
{
	autotext struct text name = {0};

	return !prepared.sasl_external && tls_certificate_name(s->conn, settings.certificate_field, &name) == TLS_NAMED;
}

/* smtpd_sasl_mechanism_filter and smtpd_sasl_security_options */
static bool
may_offer(const struct session *s, struct span name)
{
	static const struct {
		const char *option;
		unsigned    bit;
		bool        wanted;
	} wishes[] = {
		{"noplaintext", PLAINTEXT, false}, {"noactive", ACTIVE, false}, {"nodictionary", DICTIONARY, false},
		{"noanonymous", ANONYMOUS, false}, {"mutual_auth", MUTUAL, true}, {"forward_secrecy", FORWARD, true},
	};
	const struct list *options = s->is_tls ? &settings.sasl_tls_options : &settings.sasl_options;
	unsigned           is = nature_of(name);
	struct fault       why = {0};

	if (span_ends_nocase(name, "-PLUS") && !has_binding(s))
		return false;
	if (span_is_nocase(name, "EXTERNAL") && !has_name(s))
		return false;
	for (size_t i = 0; i < COUNT(wishes); i++)
		if (list_has(options, wishes[i].option) && !!(is & wishes[i].bit) != wishes[i].wanted)
			return false;
	return match_string(prepared.sasl_filter, name, &why) > 0;
}

/* What the server can, kept for a while: EHLO must not cost a question each time. */
static struct {
	struct monitor lock;
	bool           ready;
	int64_t        until;
	struct text    names;
} known = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

enum { KNOWN_MS = 30000 };

static bool
recall(struct text *names)
{
	bool fresh;

	monitor_enter(&known.lock);
	fresh = known.until > clock_now();
	if (fresh)
		text_add(names, text_span(&known.names));
	monitor_leave(&known.lock);
	return fresh;
}

static void
remember(struct span names)
{
	monitor_enter(&known.lock);
	text_set(&known.names, names);
	known.until = clock_after(KNOWN_MS);
	monitor_leave(&known.lock);
}

static int
ask_names(struct session *s, struct text *names, struct fault *why)
{
	struct dovecot_auth *d = NULL;
	int                  outcome;

	if (prepared.cyrus.socket.len) {
		text_add(names, text_span(&prepared.cyrus.mechanisms));
		return 0;
	}
	if (!prepared.sasl_external)
		return ask_auth_mechanisms(names, why);
	outcome = dovecot_connect(s, &d, names, why);
	dovecot_free(d);
	return outcome;
}

int
sasl_mechanisms(struct session *s, struct text *out, struct fault *why)
{
	autotext struct text all = {0};
	struct span          rest, name;

	if (!recall(&all)) {
		if (ask_names(s, &all, why) < 0)
			return -1;
		remember(text_span(&all));
	}
	rest = text_span(&all);
	while (span_next(&rest, " \t", &name))
		if (may_offer(s, name)) {
			if (out->len)
				text_add_byte(out, ' ');
			text_add(out, name);
		}
	return 0;
}

int
sasl_start(struct session *s, struct span mechanism, const struct span *initial, struct sasl_try **out,
           struct auth_answer *answer, struct fault *why)
{
	struct sasl_try   *t = mem_alloc(sizeof *t);
	struct auth_client client = {
		.service = settings.sasl_service, .peer = span_of(s->client.address), .local = span_of(s->client.server_address),
		.tls = s->is_tls, .secured = s->is_tls || s->client.own,
	};
	autotext struct text unused = {0}, name = {0}, offered = {0};
	struct tls_binding   binding;
	int                  outcome;

	if (sasl_mechanisms(s, &offered, why) == 0 && span_find_text(text_span(&offered), SPAN("-PLUS")) >= 0 &&
	    tls_binding(s->conn, &binding))
		client.binding = &binding;
	client.certificate = tls_certificate_name(s->conn, settings.certificate_field, &name) != TLS_NO_CERTIFICATE;
	client.name = text_span(&name);

	/* smtpd_tls_auth_only has had its say: where it lets clear text pass, so does authd */
	client.secured |= !settings.tls_auth_only;
	if (prepared.cyrus.socket.len) {
		outcome = cyrus_start(mechanism, initial, &t->cyrus, answer, why);
	} else if (prepared.sasl_external) {
		outcome = dovecot_connect(s, &t->dovecot, &unused, why);
		if (outcome == 0)
			outcome = dovecot_start(t->dovecot, s, mechanism, initial, answer, why);
	} else {
		outcome = ask_auth_start(&client, mechanism, initial, &t->talk, answer, why);
	}
	*out = t;
	return outcome;
}

int
sasl_more(struct sasl_try *t, struct span data, struct auth_answer *answer, struct fault *why)
{
	if (t->cyrus)
		return cyrus_more(t->cyrus, data, answer, why);
	if (t->dovecot)
		return dovecot_more(t->dovecot, data, answer, why);
	return ask_auth_more(t->talk, data, answer, why);
}

void
sasl_end(struct sasl_try *t)
{
	if (!t)
		return;
	dovecot_free(t->dovecot);
	cyrus_free(t->cyrus);
	if (t->talk)
		ask_auth_end(t->talk);
	free(t);
}
