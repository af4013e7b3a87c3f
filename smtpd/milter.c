/* SPDX-License-Identifier: ISC */
/*
 * milter.c - mail filters of a session
 */
#include "milter.h"

#include <stdlib.h>

#include "base/log.h"
#include "config/site.h"
#include "milter/milter.h"
#include "rules_internal.h"
#include "service/service.h"

/* ---- which ---- */

void
milter_settings_prepare(struct faults *faults)
{
	struct fault why = {0};

	prepared.milters = mem_alloc(sizeof *prepared.milters);
	if (list_has(&settings.receive_override, "no_milters"))
		prepared.milters->settings = &settings.milter;
	else if (milter_specs_parse(&settings.milters, &settings.milter, prepared.milters, &why) < 0)
		faults_add(faults, "%ssmtpd_milters: %s", main_cf_place(service->main_cf, "smtpd_milters"), fault_text(&why));
}

/* smtpd_milter_maps: 0 with the client's own list, 1 the list for all, -1 we cannot know. */
static int
specs_of_client(struct session *s)
{
	autotext struct text value = {0};
	struct list          list = {0};
	int                  found;

	if (list_has(&settings.receive_override, "no_milters") || !prepared.milter_maps || table_list_count(prepared.milter_maps) == 0)
		return 1;
	found = table_list_find(prepared.milter_maps, span_of(s->client.address), &value, NULL, &s->why);
	if (found != 0)
		return found;
	s->own_milters = mem_alloc(sizeof *s->own_milters);
	s->own_milters->settings = &settings.milter;
	if (span_is_nocase(span_trim(text_span(&value)), "DISABLE"))
		return 0;
	if (list_parse(text_span(&value), &list, &s->why) < 0)
		return -1;
	found = milter_specs_parse(&list, &settings.milter, s->own_milters, &s->why);
	list_free(&list);
	return found;
}

/* ---- macros ---- */

static struct check
check_of(struct session *s)
{
	return (struct check){.s = s, .about = ABOUT_RECIPIENT, .name = SPAN_NONE, .class = ""};
}

static const char *
resolved(const struct client *c)
{
	if (strcmp(c->name, "unknown") != 0)
		return "OK";
	if (c->name_trouble)
		return "TEMP";
	return strcmp(c->reverse_name, "unknown") != 0 ? "FORGED" : "FAIL";
}

static struct span
validated_client(struct session *s)
{
	bool forged = !span_equal_nocase(span_of(s->client.name), span_of(s->client.reverse_name));

	return span_of(arena_format(s->t.arena, "%s [%s]%s", s->client.reverse_name, s->client.address, forged ? " (may be forged)" : ""));
}

static struct span
external(struct session *s, struct span address)
{
	autotext struct text t = {0};

	address_external(address, &t);
	return arena_span(s->t.arena, text_span(&t));
}

enum of_route { ADDRESS, HOST, MAILER };

static struct span
of_route(struct session *s, const struct route *r, enum of_route what)
{
	if (!r)
		return SPAN_NONE;
	return what == ADDRESS ? external(s, r->recipient) : what == HOST ? r->nexthop : r->transport;
}

static struct span
of_sender(struct session *s, enum of_route what)
{
	struct check c = check_of(s);

	return s->t.has_sender && s->t.mail.sender.len ? of_route(s, sender_route(&c), what) : SPAN_NONE;
}

/* Of a recipient that was refused: the status and the reason, as Sendmail does. */
static struct span
of_refusal(struct session *s, enum of_route what)
{
	struct span reply = text_span(&s->refusal), code, status, path;

	span_next(&reply, " ", &code);
	span_next(&reply, " ", &status);
	reply = span_trim(reply);
	if (span_starts(reply, "<") && span_find_text(reply, SPAN(">: ")) >= 0) /* the address was told */
		span_split(&reply, '>', &path);
	return what == MAILER ? SPAN("error") : what == HOST ? status : span_starts(reply, ": ") ? span_from(reply, 2) : reply;
}

static struct span
of_recipient(struct session *s, enum of_route what)
{
	struct check c = check_of(s);

	if (s->t.recipient.len == 0)
		return SPAN_NONE;
	return s->t.recipient_refused ? of_refusal(s, what) : of_route(s, recipient_route(&c), what);
}

static struct span
number(struct session *s, long long n)
{
	return span_of(arena_format(s->t.arena, "%lld", n));
}

static bool
has_certificate(const struct session *s)
{
	return s->is_tls && s->tls.trust != TLS_ANONYMOUS;
}

static struct span
macro_value(struct session *s, struct span name)
{
	static const struct {
		const char *name;
		struct span (*of)(struct session *, enum of_route);
		enum of_route what;
	} routes[] = {
		{"mail_addr", of_sender, ADDRESS}, {"mail_host", of_sender, HOST}, {"mail_mailer", of_sender, MAILER},
		{"rcpt_addr", of_recipient, ADDRESS}, {"rcpt_host", of_recipient, HOST}, {"rcpt_mailer", of_recipient, MAILER},
	};
	const struct {
		const char *name, *value;
	} plain[] = {
		{"j", site.myhostname},
		{"v", settings.milter.v},
		{"i", s->t.submission ? session_queue_id(s) : ""},
		{"daemon_name", settings.milter.daemon_name},
		{"daemon_addr", s->client.server_address},
		{"daemon_port", s->client.server_port},
		{"if_addr", s->client.server_address},          /* these two and auth_ssf are Sendmail's, none of Postfix's */
		{"if_name", site.myhostname},
		{"client_addr", s->client.address},
		{"client_name", s->client.name},
		{"client_port", s->client.port},
		{"client_ptr", s->client.reverse_name},
		{"client_resolve", resolved(&s->client)},
		{"auth_type", s->sasl_method},
		{"auth_authen", s->sasl_user},
		{"tls_version", s->is_tls ? s->tls.protocol : ""},
		{"cipher", s->is_tls ? s->tls.cipher : ""},
		{"cert_subject", has_certificate(s) ? s->tls.peer_name : ""},
		{"cert_issuer", has_certificate(s) ? s->tls.issuer_name : ""},
	};

	for (size_t i = 0; i < COUNT(plain); i++)
		if (span_is(name, plain[i].name))
			return span_of(plain[i].value);
	for (size_t i = 0; i < COUNT(routes); i++)
		if (span_is(name, routes[i].name))
			return routes[i].of(s, routes[i].what);
	if (span_is(name, "_"))
		return validated_client(s);
	if (span_is(name, "client_connections"))
		return number(s, s->client.connections);
	if (span_is(name, "cipher_bits") && s->is_tls)
		return number(s, s->tls.bits);
	if (span_is(name, "auth_ssf") && s->sasl_user[0])
		return number(s, s->is_tls ? s->tls.bits : 0);
	if (span_is(name, "auth_author") && s->sasl_user[0])
		return s->t.mail.auth;
	return SPAN_NONE;
}

static bool
macro(void *context, const char *name, struct text *value)
{
	struct session *s = context;
	struct span     n = span_of(name), v;

	if (n.len > 2 && n.at[0] == '{' && n.at[n.len - 1] == '}')
		n = span_cut(n, 1, n.len - 1);
	v = macro_value(s, n);
	text_set(value, v);
	return v.len > 0;
}

/* ---- verdicts ---- */

/* Behind RCPT a recipient is named, too, as Postfix does. */
static void
log_verdict(struct session *s, const char *kind, struct span text)
{
	struct span recipient = s->t.recipient;

	if (recipient.len == 0 && s->t.accepted > 0)
		s->t.recipient = s->t.first;
	log_event(s, kind, text);
	s->t.recipient = recipient;
}

/* What is logged of END-OF-MESSAGE has no SMTP code: in Postfix it comes from cleanup. */
static bool
refused(struct session *s)
{
	struct span reply = span_of(milters_reply(s->milters));

	text_set(&s->refusal, reply);
	log_verdict(s, "milter-reject", strcmp(s->where, "END-OF-MESSAGE") == 0 ? span_from(reply, 4) : reply);
	return true;
}

static bool
heed(struct session *s, enum milter_verdict verdict)
{
	switch (verdict) {
	case MILTER_REPLY:
		return refused(s);
	case MILTER_HOLD:
		log_verdict(s, "milter-hold", SPAN("milter triggers HOLD action"));
		s->t.hold = true;
		break;
	case MILTER_DISCARD:
		log_verdict(s, "milter-discard", SPAN("milter triggers DISCARD action"));
		s->t.discard = true;
		break;
	case MILTER_PASS:
		break;
	}
	return false;
}

static unsigned
port_of(const struct session *s)
{
	uint64_t n = 0;

	return span_number(span_of(s->client.port), &n) && n < 65536 ? (unsigned)n : 0;
}

/* That nobody knows who should look at it is no reason to let it pass. */
static bool
cannot_choose(struct session *s)
{
	log_warning("smtpd_milter_maps: lookup of %s: %s", s->client.address, fault_text(&s->why));
	s->milterless = true;
	text_set(&s->refusal, SPAN("451 4.3.5 Server configuration problem - try again later"));
	log_event(s, "milter-reject", text_span(&s->refusal));
	return true;
}

static bool
milterless(struct session *s)
{
	if (!s->milterless)
		return false;
	text_set(&s->refusal, SPAN("451 4.3.5 Server configuration problem - try again later"));
	return true;
}

bool
milter_at_connect(struct session *s)
{
	int which = specs_of_client(s);

	if (which < 0)
		return cannot_choose(s);
	s->milters = milters_open(which == 0 ? s->own_milters : prepared.milters, macro, s, site.soft_bounce);
	if (!s->milters)
		return false;
	return heed(s, milters_connect(s->milters, span_of(s->client.name), span_of(s->client.address), port_of(s)));
}

bool
milter_at_hello(struct session *s)
{
	return s->milters && heed(s, milters_helo(s->milters, span_of(s->helo)));
}

/* "<address>" and the words behind it. */
static bool
tell_envelope(struct session *s, struct span address, struct span argument, bool rejected,
              enum milter_verdict (*tell)(struct milters *, const struct span *, size_t, bool))
{
	enum { WORDS = 20 };
	struct span words[WORDS], rest = span_from(argument, (size_t)(span_find(argument, ':') + 1)), path;
	size_t      count = 0;

	words[count++] = span_of(arena_format(s->t.arena, "<%.*s>", SPAN_ARGS(external(s, address))));
	if (address_parse_path(s->t.arena, rest, ADDRESS_UTF8, &path, &rest, NULL) < 0)
		rest = SPAN_NONE;
	while (count < WORDS && span_next(&rest, " \t", &words[count]))
		count++;
	return heed(s, tell(s->milters, words, count, rejected));
}

static enum milter_verdict
tell_mail(struct milters *m, const struct span *words, size_t count, bool unused)
{
	(void)unused;
	return milters_mail(m, words, count);
}

bool
milter_at_mail(struct session *s, struct span argument)
{
	if (milterless(s))
		return true;
	return s->milters && tell_envelope(s, s->t.mail.sender, argument, false, tell_mail);
}

bool
milter_at_rcpt(struct session *s, const struct smtp_rcpt *rcpt, struct span argument, bool rejected)
{
	bool said;

	if (!s->milters || s->t.discard || (rejected && !milters_want_rejected(s->milters)))
		return false;
	s->t.recipient_refused = rejected;
	said = tell_envelope(s, rcpt->recipient, argument, rejected, milters_rcpt);
	s->t.recipient_refused = false;
	return said;
}

bool
milter_at_data(struct session *s)
{
	return s->milters && !s->t.discard && heed(s, milters_data(s->milters));
}

bool
milter_at_unknown(struct session *s, struct span verb)
{
	return s->milters && !s->t.discard && heed(s, milters_unknown(s->milters, verb));
}

bool
milter_will_look(const struct session *s)
{
	return s->milters && !s->t.discard && milters_look(s->milters);
}

bool
milter_at_end(struct session *s, struct text *edits)
{
	enum milter_verdict v;

	if (!milter_will_look(s))
		return false;
	v = milters_message(s->milters, s->t.submission, s->t.content.fd, site.message_size_limit, edits);
	if (v == MILTER_HOLD) { /* the edit says so */
		log_verdict(s, "milter-hold", SPAN("milter triggers HOLD action"));
		return false;
	}
	return heed(s, v);
}

void
milter_reset(struct session *s)
{
	if (s->milters)
		milters_abort(s->milters);
}

void
milter_end(struct session *s)
{
	milters_close(take(s->milters));
	if (s->own_milters)
		milter_specs_free(s->own_milters);
	free(take(s->own_milters));
}
