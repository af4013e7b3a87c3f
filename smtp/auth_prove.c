/* SPDX-License-Identifier: ISC */
/*
 * auth_prove.c - logging in without telling the password (sasl/client.h), and by a token (OAUTHBEARER, RFC 7628)
 */
#include "auth.h"

#include "base/base64.h"
#include "base/log.h"
#include "sasl/client.h"

/* "334 " and the rest, decoded; a server that says anything else there has said nothing. */
static void
challenge_of(const struct session *s, struct text *out)
{
	struct span said = text_span(&s->reply.text);

	text_clear(out);
	if (said.len > 4)
		base64_decode_mime(span_trim(span_from(said, 4)), out);
}

static int
give_up(struct session *s, const struct fault *because, struct fault *why)
{
	log_warning("SASL authentication failed; server %s: %s", s->where, fault_text(because));
	session_send(s, "*");
	return session_read(s, client.mail_timeout, why);
}

static int
begin(struct session *s, struct sasl_client *c, const char *mechanism, struct fault *why)
{
	autotext struct text response = {0};
	autofree char       *before = mem_format("AUTH %s ", mechanism);
	struct fault         no = {0};

	if (!sasl_client_speaks_first(c)) {
		session_send(s, "AUTH %s", mechanism);
		return session_read(s, client.mail_timeout, why);
	}
	if (sasl_client_step(c, SPAN_NONE, &response, &no) < 0)
		return fault_set(why, FAULT_SYSTEM, "%s", fault_text(&no));
	if (response.len)
		auth_send_base64(s, before, text_span(&response));
	else
		session_send(s, "%s=", before);
	return session_read(s, client.mail_timeout, why);
}

static int
converse(struct session *s, struct sasl_client *c, struct fault *why)
{
	for (int i = 0; i < 10 && s->reply.code == 334; i++) {
		autotext struct text challenge = {0}, response = {0};
		struct fault         no = {0};

		challenge_of(s, &challenge);
		if (sasl_client_step(c, text_span(&challenge), &response, &no) < 0)
			return give_up(s, &no, why);
		auth_send_base64(s, "", text_span(&response));
		if (session_read(s, client.mail_timeout, why) < 0)
			return -1;
	}
	if (s->reply.code == 235 && !sasl_client_done(c)) { /* a server that knows no password would say so too */
		text_set(&s->reply.text, SPAN("the server has not proved that it knows the password"));
		s->reply.code = 454;
	}
	return 0;
}

int
auth_prove(struct session *s, const char *mechanism, const struct auth_login *l, struct fault *why)
{
	struct tls_binding      binding;
	bool                    bound = tls_binding(s->conn, &binding);
	struct sasl_client_wish w = {mechanism, l->user, l->password, "smtp", s->host.name, bound ? binding.type : NULL,
	                             bound ? span_at(binding.bytes, binding.len) : SPAN_NONE, NULL, NULL};
	struct sasl_client     *c = NULL;
	int                     outcome;

	if (sasl_client_start(&w, &c, why) < 0)
		return -1;
	outcome = begin(s, c, mechanism, why);
	if (outcome == 0)
		outcome = converse(s, c, why);
	sasl_client_free(c);
	return outcome;
}

/* RFC 5801, 4 */
static void
add_saslname(struct span name, struct text *out)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] == ',')
			text_add_string(out, "=2C");
		else if (name.at[i] == '=')
			text_add_string(out, "=3D");
		else
			text_add_byte(out, name.at[i]);
}

int
auth_bearer(struct session *s, const char *mechanism, const struct auth_login *l, struct fault *why)
{
	autotext struct text secret = {0};
	autofree char       *before = mem_format("AUTH %s ", mechanism);
	bool                 oauthbearer = strcmp(mechanism, "OAUTHBEARER") == 0;

	if (oauthbearer) {
		text_add_string(&secret, "n,a=");
		add_saslname(l->user, &secret);
		text_add_format(&secret, ",\001host=%s\001port=%u\001auth=Bearer %.*s\001\001", s->host.name, s->host.port, SPAN_ARGS(l->password));
	} else {
		text_add_format(&secret, "user=%.*s\001auth=Bearer %.*s\001\001", SPAN_ARGS(l->user), SPAN_ARGS(l->password));
	}
	auth_send_base64(s, before, text_span(&secret));
	mem_wipe(secret.at, secret.room);
	if (session_read(s, client.mail_timeout, why) < 0)
		return -1;
	if (s->reply.code != 334)
		return 0;
	auth_send_base64(s, "", oauthbearer ? SPAN("\001") : SPAN_NONE); /* its error, in JSON: this acknowledges it */
	return session_read(s, client.mail_timeout, why);
}
