/* SPDX-License-Identifier: ISC */
/*
 * xclient.c - what others say about the client: XCLIENT, XFORWARD and a load balancer's header
 *
 * Both commands are lists of name=value, the values in xtext.  All of a command is looked at before any
 * of it holds.  What a value may be is what a session of our own could have made: a name is a host
 * name, an address is one, HELO has lost what could mean something to others.
 */
#include "xclient.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "mail/address.h"
#include "mail/netaddr.h"
#include "mail/xtext.h"
#include "net/proxy_protocol.h"
#include "session.h"
#include "settings.h"

#define UNAVAILABLE "[UNAVAILABLE]"
#define NOT_NOW     "[TEMPUNAVAIL]"

/* ---- values ---- */

static bool
is_unavailable(struct span value)
{
	return span_is_nocase(value, UNAVAILABLE) || span_is_nocase(value, NOT_NOW);
}

static void
set(char *out, size_t size, struct span value)
{
	snprintf(out, size, "%.*s", SPAN_ARGS(value));
}

static bool
take_host(struct span value, char *out, size_t size)
{
	if (is_unavailable(value)) {
		set(out, size, SPAN("unknown"));
		return true;
	}
	if (value.len >= size || !address_host_valid(value, 0))
		return false;
	set(out, size, value);
	return true;
}

/* "192.0.2.7", "IPV6:2001:db8::7" */
static bool
take_address(struct span value, char *out, size_t size)
{
	struct netaddr a;
	char           text[NETADDR_TEXT_SIZE];

	if (is_unavailable(value)) {
		set(out, size, SPAN("unknown"));
		return true;
	}
	if (span_starts_nocase(value, "IPV6:"))
		value = span_from(value, 5);
	if (!netaddr_parse(value, &a))
		return false;
	set(out, size, span_of(netaddr_string(&a, text)));
	return true;
}

static bool
take_port(struct span value, char *out, size_t size)
{
	uint64_t number;

	if (is_unavailable(value)) {
		set(out, size, SPAN("unknown"));
		return true;
	}
	if (value.len > 5 || !span_number(value, &number) || number > 65535)
		return false;
	set(out, size, value);
	return true;
}

static bool
take_protocol(struct span value, char *out, size_t size)
{
	if (!span_is_nocase(value, "SMTP") && !span_is_nocase(value, "ESMTP"))
		return false;
	set(out, size, value);
	for (char *c = out; *c; c++)
		*c = ascii_upper(*c);
	return true;
}

static bool
take_word(struct span value, char *out, size_t size)
{
	if (is_unavailable(value)) {
		out[0] = '\0';
		return true;
	}
	if (value.len == 0 || value.len >= size || span_has(value, '\0'))
		return false;
	set(out, size, value);
	for (char *c = out; *c; c++)
		if ((unsigned char)*c <= 32 || *c == 127 || strchr("<>()\\\";@", *c))
			*c = '?';
	return true;
}

/* ---- XCLIENT ---- */

/* All that a session knows of its client and XCLIENT may change. */
struct claim {
	struct client c;
	char          helo[256], protocol[8], user[256];
	bool          has_helo, has_protocol, has_user, reverse;
};

static bool
claim_name(struct claim *k, struct span v)
{
	if (!take_host(v, k->c.name, sizeof k->c.name))
		return false;
	k->c.name_trouble = span_is_nocase(v, NOT_NOW);
	if (!k->reverse)
		set(k->c.reverse_name, sizeof k->c.reverse_name, span_of(k->c.name));
	return true;
}

static bool
claim_reverse_name(struct claim *k, struct span v)
{
	k->reverse = true;
	return take_host(v, k->c.reverse_name, sizeof k->c.reverse_name);
}

static bool
claim_addr(struct claim *k, struct span v)
{
	return take_address(v, k->c.address, sizeof k->c.address);
}

static bool
claim_port(struct claim *k, struct span v)
{
	return take_port(v, k->c.port, sizeof k->c.port);
}

static bool
claim_destaddr(struct claim *k, struct span v)
{
	return take_address(v, k->c.server_address, sizeof k->c.server_address);
}

static bool
claim_destport(struct claim *k, struct span v)
{
	return take_port(v, k->c.server_port, sizeof k->c.server_port);
}

static bool
claim_proto(struct claim *k, struct span v)
{
	k->has_protocol = true;
	return take_protocol(v, k->protocol, sizeof k->protocol);
}

static bool
claim_helo(struct claim *k, struct span v)
{
	k->has_helo = true;
	return take_word(v, k->helo, sizeof k->helo);
}

static bool
claim_login(struct claim *k, struct span v)
{
	k->has_user = true;
	if (is_unavailable(v)) {
		k->user[0] = '\0';
		return true;
	}
	if (v.len == 0 || v.len >= sizeof k->user || span_has(v, '\0'))
		return false;
	set(k->user, sizeof k->user, v);
	for (char *c = k->user; *c; c++)
		if ((unsigned char)*c <= 32 || *c == 127)
			return false;
	return true;
}

static const struct claim_attribute {
	const char *name;
	bool      (*parse)(struct claim *, struct span);
} claims[] = {
	{"NAME", claim_name}, {"ADDR", claim_addr}, {"PROTO", claim_proto}, {"HELO", claim_helo},
	{"REVERSE_NAME", claim_reverse_name}, {"PORT", claim_port}, {"LOGIN", claim_login},
	{"DESTADDR", claim_destaddr}, {"DESTPORT", claim_destport},
};

/* The next name=value: 1, 0 at the end, -1: said why. */
static int
next_attribute(struct session *s, const char *command, struct span *rest, struct span *name, struct text *value)
{
	struct span word;
	ptrdiff_t   equals;

	if (!span_next(rest, " \t", &word))
		return 0;
	equals = span_find(word, '=');
	if (equals <= 0) {
		reply(s, "501 5.5.4 Error: attribute=value expected");
		return -1;
	}
	*name = span_first(word, (size_t)equals);
	text_clear(value);
	if (xtext_decode(span_from(word, (size_t)equals + 1), value, &s->why) < 0 || value->len == 0) {
		reply(s, "501 5.5.4 Bad %s attribute value: %.*s", command, SPAN_ARGS(span_first(word, 200)));
		return -1;
	}
	return 1;
}

static bool
claim_one(struct claim *k, struct span name, struct span value, bool *known)
{
	for (size_t i = 0; i < COUNT(claims); i++)
		if (span_is_nocase(name, claims[i].name))
			return claims[i].parse(k, value);
	*known = false;
	return false;
}

/* 0, or -1: said why. */
static int
take_claims(struct session *s, struct span argument, struct claim *k)
{
	autotext struct text value = {0};
	struct span          name;
	int                  more;

	while ((more = next_attribute(s, "XCLIENT", &argument, &name, &value)) > 0) {
		bool known = true;

		if (claim_one(k, name, text_span(&value), &known))
			continue;
		if (known)
			reply(s, "501 5.5.4 Bad %.*s syntax: %.*s", SPAN_ARGS(span_first(name, 40)),
			      SPAN_ARGS(span_first(text_span(&value), 200)));
		else
			reply(s, "501 5.5.4 Bad XCLIENT attribute name: %.*s", SPAN_ARGS(span_first(name, 40)));
		return -1;
	}
	return more;
}

/* "The server acts as if it had received a new connection": the rest of the session is that client's. */
static void
become(struct session *s, const struct claim *k)
{
	client_uncount(&s->client);
	session_greeted_again(s);
	s->client = k->c;
	client_know(&s->client);
	s->client.no_limits = true;
	if (k->has_protocol)
		memcpy(s->protocol, k->protocol, sizeof s->protocol);
	s->esmtp = span_is(span_of(s->protocol), "ESMTP");
	if (k->has_helo)
		memcpy(s->helo, k->helo, sizeof s->helo);
	if (s->helo[0])
		s->stage = GREETED;
	if (k->has_user && k->user[0]) {
		memcpy(s->sasl_user, k->user, sizeof s->sasl_user);
		snprintf(s->sasl_method, sizeof s->sasl_method, "XCLIENT");
	}
}

void
do_xclient(struct session *s, struct span argument)
{
	struct claim k = {.c = s->client};

	if (argument.len == 0)
		return reply(s, "501 5.5.4 Syntax: XCLIENT attribute=value...");
	if (!s->may_xclient)
		return reply(s, "550 5.7.0 Error: insufficient authorization");
	if (take_claims(s, argument, &k) < 0)
		return;
	become(s, &k);
	session_greet(s);
}

/* ---- XFORWARD ---- */

struct forward_attribute {
	const char *name;
	bool      (*parse)(struct span, char *, size_t);
	size_t      at, size;
};
#define FIELD(f) offsetof(struct forwarded, f), sizeof((struct forwarded *)0)->f

static bool
take_any(struct span value, char *out, size_t size)
{
	(void)out, (void)size;
	return is_unavailable(value) || span_is_nocase(value, "LOCAL") || span_is_nocase(value, "REMOTE");
}

static bool
take_any_protocol(struct span value, char *out, size_t size)
{
	return is_unavailable(value) ? (out[0] = '\0', true) : take_protocol(value, out, size);
}

static const struct forward_attribute forwards[] = {
	{"NAME", take_host, FIELD(name)}, {"ADDR", take_address, FIELD(address)}, {"PROTO", take_any_protocol, FIELD(protocol)},
	{"HELO", take_word, FIELD(helo)}, {"SOURCE", take_any, 0, 0}, {"PORT", take_port, FIELD(port)},
	{"IDENT", take_word, FIELD(ident)},
};

static const struct forward_attribute *
find_forward(struct span name)
{
	for (size_t i = 0; i < COUNT(forwards); i++)
		if (span_is_nocase(name, forwards[i].name))
			return &forwards[i];
	return NULL;
}

/* What nobody told is unknown: our own view of the filter is not the client's. */
static struct forwarded
forward_nothing(void)
{
	return (struct forwarded){.known = true, .name = "unknown", .address = "unknown", .port = "unknown", .protocol = "",
	                          .helo = "", .ident = ""};
}

void
do_xforward(struct session *s, struct span argument)
{
	struct forwarded     f = s->forward.known ? s->forward : forward_nothing();
	autotext struct text value = {0};
	struct span          name;
	int                  more;

	if (argument.len == 0)
		return reply(s, "501 5.5.4 Syntax: XFORWARD attribute=value...");
	if (!s->may_xforward)
		return reply(s, "550 5.7.0 Error: insufficient authorization");
	while ((more = next_attribute(s, "XFORWARD", &argument, &name, &value)) > 0) {
		const struct forward_attribute *a = find_forward(name);

		if (!a)
			return reply(s, "501 5.5.4 Bad XFORWARD attribute name: %.*s", SPAN_ARGS(span_first(name, 40)));
		if (!a->parse(text_span(&value), (char *)&f + a->at, a->size))
			return reply(s, "501 5.5.4 Bad %s syntax: %.*s", a->name, SPAN_ARGS(span_first(text_span(&value), 200)));
	}
	if (more < 0)
		return;
	s->forward = f;
	reply(s, "250 2.0.0 Ok");
}

void
xclient_add_offer(struct session *s, struct text *ehlo)
{
	unsigned hidden = hidden_keywords(s);

	if (s->may_xclient && !(hidden & SMTP_HAS_XCLIENT))
		text_add_format(ehlo, "250-XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT%s DESTADDR DESTPORT\r\n",
		                settings.sasl_enable ? " LOGIN" : "");
	if (s->may_xforward && !(hidden & SMTP_HAS_XFORWARD))
		text_add_string(ehlo, "250-XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT\r\n");
}

/* ---- a load balancer ---- */

void
client_behind_proxy(int fd, struct client *c)
{
	struct proxy_header h = {0};
	struct fault        why = {0};

	if (proxy_header_read(fd, clock_after(settings.upstream_timeout), &h, &why) < 0) {
		log_warning("haproxy read: %s", fault_text(&why));
		snprintf(c->address, sizeof c->address, "unknown");
		snprintf(c->name, sizeof c->name, "unknown");
		snprintf(c->reverse_name, sizeof c->reverse_name, "unknown");
		c->broken = true;
		return;
	}
	if (h.local)
		return;
	c->name[0] = c->reverse_name[0] = '\0';
	take_address(span_of(h.source), c->address, sizeof c->address);
	take_address(span_of(h.destination), c->server_address, sizeof c->server_address);
	snprintf(c->port, sizeof c->port, "%u", h.source_port);
	snprintf(c->server_port, sizeof c->server_port, "%u", h.destination_port);
}
