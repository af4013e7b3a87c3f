/* SPDX-License-Identifier: ISC */
/*
 * auth.c - logging in to a server that the password maps know (RFC 4954)
 *
 * PLAIN (RFC 4616) and LOGIN, by the rules of smtp_sasl_security_options: with
 * noplaintext neither is used in clear.
 */
#include <stdio.h>

#include "base/base64.h"
#include "base/log.h"
#include "client.h"
#include "table/table.h"

static int
find_password(struct session *s, struct span nexthop, struct text *value, struct fault *why)
{
	autofree char *with_port = mem_format("[%s]:%u", s->host.name, s->host.port);
	struct span    keys[] = {nexthop, span_of(with_port), span_of(s->host.name)};

	for (size_t i = 0; i < COUNT(keys); i++) {
		int got = table_list_find(client.passwords, keys[i], value, NULL, why);

		if (got <= 0)
			return got;
	}
	return 1;
}

static bool
may_use(struct session *s, const char *mechanism)
{
	struct span rest = s->ehlo.mechanisms, word;
	bool        offered = false;

	while (span_next(&rest, " \t", &word))
		offered = offered || span_is_nocase(word, mechanism);
	return offered && (client.sasl_filter.count == 0 || list_has(&client.sasl_filter, mechanism)) &&
	       !list_has(s->tls ? &client.sasl_tls_options : &client.sasl_options, "noplaintext");
}

static int
send_base64(struct session *s, const char *before, struct span bytes)
{
	autotext struct text line = {0};
	int                  sent;

	text_add_string(&line, before);
	base64_encode(bytes, &line);
	sent = session_send(s, "%s", text_string(&line));
	mem_wipe(line.at, line.room);
	return sent;
}

static int
plain(struct session *s, struct span user, struct span password, struct fault *why)
{
	autotext struct text secret = {0};

	text_add_byte(&secret, '\0');
	text_add(&secret, user);
	text_add_byte(&secret, '\0');
	text_add(&secret, password);
	send_base64(s, "AUTH PLAIN ", text_span(&secret));
	mem_wipe(secret.at, secret.room);
	return session_read(s, client.mail_timeout, why);
}

static int
login(struct session *s, struct span user, struct span password, struct fault *why)
{
	session_send(s, "AUTH LOGIN");
	if (session_read(s, client.mail_timeout, why) < 0)
		return -1;
	if (s->reply.code != 334)
		return 0;
	send_base64(s, "", user);
	if (session_read(s, client.mail_timeout, why) < 0)
		return -1;
	if (s->reply.code != 334)
		return 0;
	send_base64(s, "", password);
	return session_read(s, client.mail_timeout, why);
}

static enum step
try(struct session *s, struct span user, struct span password, struct trouble *t)
{
	struct fault why = {0};
	int          got;

	s->state = "performing the SASL handshake";
	if (may_use(s, "PLAIN")) {
		got = plain(s, user, password, &why);
	} else if (may_use(s, "LOGIN")) {
		got = login(s, user, password, &why);
	} else {
		trouble_set(t, "4.7.0", "SASL authentication failed; cannot authenticate to server %s: no mechanism available",
		            s->where);
		return STEP_NEXT;
	}
	if (got < 0) {
		session_lost(s, &why, t);
		return STEP_NEXT;
	}
	if (s->reply.code == 235)
		return STEP_DONE;
	trouble_set(t, "4.7.8", "SASL authentication failed; server %s said: %s", s->where, text_string(&s->reply.text));
	log_warning("%s", text_string(&t->text));
	return STEP_NEXT; /* our password is wrong, not the message */
}

enum step
session_authenticate(struct session *s, struct span nexthop, struct trouble *t)
{
	autotext struct text value = {0};
	struct fault         why = {0};
	struct span          user, password;
	int                  got = find_password(s, nexthop, &value, &why);
	enum step            step;

	if (got < 0) {
		trouble_set(t, "4.3.0", "smtp_sasl_password_maps: %s", fault_text(&why));
		return STEP_NEXT;
	}
	if (got == 1)
		return STEP_DONE;
	if (!(s->ehlo.has & SMTP_HAS_AUTH))
		return STEP_DONE; /* go on without, as Postfix does: the server decides */
	password = text_span(&value);
	span_split(&password, ':', &user);
	step = try(s, user, password, t);
	mem_wipe(value.at, value.room);
	return step;
}
