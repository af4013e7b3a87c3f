/* SPDX-License-Identifier: ISC */
/*
 * xforward.c - tells an after-queue filter where the mail came from (XFORWARD; smtp_send_xforward_command)
 */
#include "client.h"
#include "mail/xtext.h"

enum { COMMAND_MAX = 400 };

static bool
offered(const struct session *s, const char *name)
{
	struct span rest = s->ehlo.xforward, word;

	while (span_next(&rest, " \t", &word))
		if (span_is_nocase(word, name))
			return true;
	return false;
}

static int
send_command(struct session *s, struct text *line, struct fault *why)
{
	if (line->len == 0)
		return 0;
	s->state = "sending XFORWARD name/address";
	session_send(s, "XFORWARD%s", text_string(line));
	text_clear(line);
	return session_read(s, client.xforward_timeout, why); /* a refusal changes nothing for the message */
}

int
session_xforward(struct session *s, const struct delivery *d, struct fault *why)
{
	bool                 remote = d->client_address.len > 0;
	const struct { const char *name; struct span value; } attributes[] = {
		{"NAME", d->client_name}, {"ADDR", d->client_address}, {"PORT", d->client_port}, {"PROTO", d->protocol}, {"HELO", d->helo},
		{"IDENT", d->queue_id}, {"SOURCE", remote ? SPAN("REMOTE") : SPAN("LOCAL")},
	};
	autotext struct text line = {0};

	if (!client.send_xforward || !(s->ehlo.has & SMTP_HAS_XFORWARD))
		return 0;
	for (size_t i = 0; i < COUNT(attributes); i++) {
		autotext struct text value = {0};

		if (!offered(s, attributes[i].name))
			continue;
		xtext_encode(span_first(attributes[i].value.len ? attributes[i].value : SPAN("[UNAVAILABLE]"), 250), &value);
		if (line.len + value.len > COMMAND_MAX && send_command(s, &line, why) < 0)
			return -1;
		text_add_format(&line, " %s=%s", attributes[i].name, text_string(&value));
	}
	return send_command(s, &line, why);
}
