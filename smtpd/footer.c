/* SPDX-License-Identifier: ISC */
/*
 * footer.c - what is added to, and put in place of, replies that say no
 */
#include "footer.h"

#include <time.h>

#include "base/log.h"
#include "config/expand.h"
#include "config/site.h"
#include "mail/line.h"
#include "mail/status.h"
#include "service/service.h"
#include "session.h"
#include "settings.h"

static bool allowed[256];       /* smtpd_expansion_filter; written once, at start */

/* \t, \40 (octal), \\ */
void
footer_prepare(void)
{
	const char *at = settings.expansion_filter;

	memset(allowed, 0, sizeof allowed);
	while (*at) {
		unsigned char c = (unsigned char)*at++;

		if (c == '\\' && *at >= '0' && *at <= '7') {
			unsigned value = 0;

			for (int i = 0; i < 3 && *at >= '0' && *at <= '7'; i++)
				value = value * 8 + (unsigned)(*at++ - '0');
			c = (unsigned char)value;
		} else if (c == '\\' && *at) {
			c = (unsigned char)*at++;
			c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
		}
		allowed[c] = true;
	}
}

/* ---- $names ---- */


static struct span
part_of(struct span address, bool domain)
{
	ptrdiff_t at = span_find_last(address, '@');

	if (domain)
		return at < 0 ? SPAN_NONE : span_from(address, (size_t)at + 1);
	return at < 0 ? address : span_first(address, (size_t)at);
}

static bool
session_value(struct session *s, struct span name, struct span *out)
{
	struct span sender = s->t.mail.sender, recipient = s->t.recipient;
	const struct {
		const char *name;
		struct span value;
	} known[] = {
		{"client", span_of(s->client.label)}, {"client_name", span_of(s->client.name)},
		{"client_address", span_of(s->client.address)}, {"client_port", span_of(s->client.port)},
		{"reverse_client_name", span_of(s->client.reverse_name)}, {"helo_name", span_of(s->helo)},
		{"protocol_name", span_of(s->protocol)}, {"sender", sender}, {"sender_name", part_of(sender, false)},
		{"sender_domain", part_of(sender, true)}, {"recipient", recipient},
		{"recipient_name", part_of(recipient, false)}, {"recipient_domain", part_of(recipient, true)},
		{"sasl_username", span_of(s->sasl_user)}, {"sasl_method", span_of(s->sasl_method)},
		{"server_address", span_of(s->client.server_address)}, {"server_port", span_of(s->client.server_port)},
		{"ccert_subject", span_of(s->tls.peer_name)}, {"ccert_issuer", span_of(s->tls.issuer_name)},
		{"ccert_fingerprint", span_of(s->tls.fingerprint)},
		{"encryption_protocol", span_of(s->tls.protocol)}, {"encryption_cipher", span_of(s->tls.cipher)},
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is(name, known[i].name)) {
			*out = known[i].value;
			return true;
		}
	return false;
}

static int
lookup(void *argument, struct span name, struct text *value, struct fault *why)
{
	struct session *s = argument;
	struct span     found;
	autofree char  *word = mem_span(name);

	if (span_is(name, "server_name")) {
		text_add_string(value, site.myhostname);
		return 0;
	}
	if (span_is(name, "localtime")) {
		time_t    now = time(NULL);
		struct tm tm;
		char      text[40];

		localtime_r(&now, &tm);
		strftime(text, sizeof text, "%b %d %H:%M:%S", &tm);
		text_add_string(value, text);
		return 0;
	}
	if (!session_value(s, name, &found))
		return main_cf_get(service->main_cf, word, value, why);
	for (size_t i = 0; i < found.len; i++)  /* the client's bytes cannot write a reply of their own */
		text_add_byte(value, allowed[(unsigned char)found.at[i]] ? found.at[i] : '_');
	return 0;
}

/* ---- lines ---- */

/* "550 5.1.1" or "550" of a line. */
static struct span
head_of(struct span line)
{
	struct status st;
	struct span   rest = span_from(line, 4);

	if (line.len > 4 && status_parse(rest, &st, &rest))
		return span_trim(span_first(line, line.len - rest.len));
	return span_first(line, 3);
}

static struct span
last_line(struct span reply)
{
	ptrdiff_t end = span_find_last(reply, '\n');

	return span_from(reply, (size_t)(end + 1));
}

/* The next line of a template: "\n" of two bytes, or a real one, ends it. */
static bool
next_piece(struct span *rest, struct span *piece)
{
	size_t i = 0;

	if (rest->len == 0)
		return false;
	while (i < rest->len && rest->at[i] != '\n' && !(rest->at[i] == '\\' && i + 1 < rest->len && rest->at[i + 1] == 'n'))
		i++;
	*piece = span_trim(span_first(*rest, i));
	*rest = span_from(*rest, i + (i < rest->len && rest->at[i] == '\\' ? 2 : 1));
	return true;
}

static void
add_clean(struct span s, struct text *out)
{
	for (size_t i = 0; i < s.len; i++)
		text_add_byte(out, (unsigned char)s.at[i] < 32 || s.at[i] == 127 ? ' ' : s.at[i]);
}

static void
add_footer(struct span reply, struct span footer, struct text *out)
{
	struct span last = last_line(reply), head = head_of(last), piece;
	size_t      mark;

	text_add(out, span_first(reply, (size_t)(last.at - reply.at)));
	mark = out->len;
	text_add(out, last);
	if (span_starts(footer, "\\c")) {
		footer = span_from(footer, 2);
		if (next_piece(&footer, &piece))
			add_clean(piece, out);
	}
	while (next_piece(&footer, &piece)) {
		if (out->len == mark + 3)      /* a code alone */
			text_add_byte(out, '-');
		out->at[mark + 3] = '-';
		text_add_string(out, "\r\n");
		mark = out->len;
		text_add(out, head);
		text_add_byte(out, ' ');
		if (head.len == 3 && piece.len == 0)
			text_add_byte(out, ' ');
		add_clean(piece, out);
	}
}

/* ---- tables ---- */

static bool
is_negative(struct span reply)
{
	return reply.len >= 4 && (reply.at[0] == '4' || reply.at[0] == '5') && ascii_digit(reply.at[1]) &&
	       ascii_digit(reply.at[2]) && (reply.at[3] == ' ' || reply.at[3] == '-');
}

static bool
replaced(struct session *s, struct span reply, struct text *out)
{
	autotext struct text value = {0};
	int                  found = table_list_find(prepared.reject_filter, reply, &value, NULL, &s->why);
	struct span          rest = text_span(&value), piece;

	if (found < 0)
		log_warning("smtpd_reject_filter_maps: table lookup problem: %s", fault_text(&s->why));
	if (found != 0)
		return false;
	if (!is_negative(rest)) {
		log_warning("smtpd_reject_filter_maps: \"%s\" is no reply that says no", text_string(&value));
		return false;
	}
	while (next_piece(&rest, &piece)) {
		if (out->len)
			text_add_string(out, "\r\n");
		add_clean(piece, out);
	}
	return true;
}

static void
find_template(struct session *s, struct span reply, struct text *out)
{
	int found = table_list_find(prepared.reject_footer, reply, out, NULL, &s->why);

	if (found < 0)
		log_warning("smtpd_reject_footer_maps: table lookup problem: %s", fault_text(&s->why));
	if (found != 0)
		text_set(out, span_of(settings.reject_footer));
}

bool
footer_dress(struct session *s, struct span reply, struct text *out)
{
	autotext struct text other = {0}, template = {0}, footer = {0};
	struct expander      e = {.lookup = lookup, .context = s};
	struct fault         why = {0};
	bool                 changed;

	if (!is_negative(reply))
		return false;
	changed = table_list_count(prepared.reject_filter) && replaced(s, reply, &other);
	if (changed)
		reply = text_span(&other);
	if (table_list_count(prepared.reject_footer) || settings.reject_footer[0])
		find_template(s, reply, &template);
	if (template.len && expand_text(&e, text_span(&template), &footer, &why) < 0)
		log_warning("smtpd_reject_footer: %s", fault_text(&why));
	else if (footer.len)
		add_footer(reply, text_span(&footer), out);
	if (!out->len)
		text_set(out, reply);
	return changed || footer.len;
}
