/* SPDX-License-Identifier: ISC */
/*
 * auth.c - the AUTH verb (RFC 4954)
 */
#include <stdio.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "sasl.h"
#include "session.h"
#include "settings.h"

enum { MECHANISM_MAX = 20 };

struct span
offered_mechanisms(struct session *s)
{
	struct fault why = {0};

	if (s->mechanisms.len == 0 && sasl_mechanisms(s, &s->mechanisms, &why) < 0)
		log_warning("SASL: %s", fault_text(&why));
	return text_span(&s->mechanisms);
}

static bool
is_offered(struct session *s, struct span mechanism)
{
	struct span rest = offered_mechanisms(s), name;

	while (span_next(&rest, " ", &name))
		if (span_equal_nocase(name, mechanism))
			return true;
	return false;
}

/* fail2ban reads this line; the reason's words are Postfix's. */
static void
log_failure(struct session *s, struct span mechanism, const char *reason, const char *user)
{
	autotext struct text name = {0}, login = {0};

	log_escape(mechanism, &name);
	log_escape(span_of(user), &login);
	log_warning("%s: SASL %s authentication failed: %s%s%s", s->client.label, text_string(&name), reason,
	            login.len ? ", sasl_username=" : "", text_string(&login));
}

static void
refuse_try(struct session *s, struct span mechanism, const struct auth_answer *a)
{
	const char *reason = a->reason[0] ? a->reason : "(reason unavailable)";

	log_failure(s, mechanism, reason, a->user);
	if (a->state == AUTH_TROUBLE)
		reply(s, "454 4.7.0 Temporary authentication failure: %s", reason);
	else
		reply(s, "535 5.7.8 Error: authentication failed: %s", reason);
}

/* The client's next line, decoded: 0; -1: said why. "*" gives up (RFC 4954, 4). */
static int
read_response(struct session *s, struct text *out)
{
	struct span line;
	int         got = session_line(s, (size_t)settings.sasl_response_limit, &line);

	if (got != 0)
		return -1;
	if (span_is(line, "*")) {
		reply(s, "501 5.7.0 Authentication aborted");
		return -1;
	}
	text_clear(out);
	if (base64_decode(line, out, &s->why) < 0) {
		reply(s, "501 5.5.2 Error: malformed base64 in response");
		return -1;
	}
	return 0;
}

static void
challenge(struct session *s, struct span data)
{
	autotext struct text line = {0};

	text_add_string(&line, "334 ");
	base64_encode(data, &line);
	reply_text(s, text_span(&line));
}

static void
wipe(struct text *t)
{
	if (t->at)
		mem_wipe(t->at, t->room);
	text_free(t);
}

/* Runs the exchange to its end: 0 answer is final and it is ours to tell; -1 said why. */
static int
exchange(struct session *s, struct span mechanism, const struct span *initial, struct auth_answer *a)
{
	struct sasl_try *try = NULL;
	struct text      response = {0};
	struct fault     why = {0};
	int              outcome = sasl_start(s, mechanism, initial, &try, a, &why);

	while (outcome == 0 && a->state == AUTH_MORE) {
		challenge(s, text_span(&a->data));
		if (read_response(s, &response) < 0) {
			sasl_end(try);
			wipe(&response);
			return -1;
		}
		outcome = sasl_more(try, text_span(&response), a, &why);
	}
	sasl_end(try);
	wipe(&response);
	if (outcome < 0) {
		a->state = AUTH_TROUBLE;
		snprintf(a->reason, sizeof a->reason, "Connection lost to authentication server");
		log_warning("SASL: %s", fault_text(&why));
	}
	return 0;
}

static bool
harmless(const char *name)
{
	for (const char *c = name; *c; c++)
		if ((unsigned char)*c < 33 || *c == 127)
			return false;
	return name[0];
}

static void
log_in(struct session *s, struct span mechanism, const struct auth_answer *a)
{
	if (!harmless(a->user)) {
		log_failure(s, mechanism, "bad user name", a->user);
		return reply(s, "535 5.7.8 Error: authentication failed: bad user name");
	}
	snprintf(s->sasl_user, sizeof s->sasl_user, "%s", a->user);
	snprintf(s->sasl_method, sizeof s->sasl_method, "%.*s", SPAN_ARGS(mechanism));
	for (char *c = s->sasl_method; *c; c++)
		*c = ascii_upper(*c);
	reply(s, "235 2.7.0 Authentication successful");
}

static void
try_mechanism(struct session *s, struct span mechanism, struct span response)
{
	struct auth_answer a = {0};
	struct text        initial = {0};
	struct span        given = SPAN_NONE;
	bool               has = response.len > 0;

	if (has && !span_is(response, "=") && base64_decode(response, &initial, &s->why) < 0) {
		reply(s, "501 5.5.2 Error: malformed base64 in response");
	} else {
		given = text_span(&initial);
		if (exchange(s, mechanism, has ? &given : NULL, &a) == 0) {
			if (a.state == AUTH_YES)
				log_in(s, mechanism, &a);
			else
				refuse_try(s, mechanism, &a);
		}
	}
	wipe(&initial);
	auth_answer_free(&a);
}

void
do_auth(struct session *s, struct span argument)
{
	struct span mechanism = SPAN_NONE, response = argument;
	char        name[MECHANISM_MAX + 1];

	if (settings.helo_required && s->stage == CONNECTED)
		return reply(s, "503 5.5.1 Error: send HELO/EHLO first");
	/* RFC 4954, 6 knows 538 for history only: before TLS there is no AUTH, as EHLO said */
	if (!settings.sasl_enable || s->client.no_auth || (!s->is_tls && settings.tls_auth_only))
		return reply(s, "503 5.5.1 Error: authentication not enabled");
	if (s->sasl_user[0])
		return reply(s, "503 5.5.1 Error: already authenticated");
	if (!span_next(&response, " ", &mechanism) || mechanism.len > MECHANISM_MAX || span_has(span_trim(response), ' '))
		return reply(s, "501 5.5.4 Syntax: AUTH mechanism");
	if (client_exceeds(&s->client, "auth", "AUTH command rate", settings.auth_rate_limit))
		return reply(s, "450 4.7.0 %s Error: too many AUTH commands from %s", site.myhostname, s->client.address);
	memcpy(name, mechanism.at, mechanism.len);
	name[mechanism.len] = '\0';
	if (!is_offered(s, mechanism)) {
		log_failure(s, mechanism, "Invalid authentication mechanism", "");
		return reply(s, "535 5.7.8 Error: authentication failed: Invalid authentication mechanism");
	}
	try_mechanism(s, span_of(name), span_trim(response));
}
