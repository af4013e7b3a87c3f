/* SPDX-License-Identifier: ISC */
/*
 * rules_rbl.c - lists in DNS (RFC 5782)
 *
 * "zone", "zone=127.0.0.2" or "zone=127.0.0.[2..11;13]": what its A record must
 * be.  A list that does not answer refuses nobody.
 */

#include "base/log.h"
#include "config/site.h"
#include "dns.h"
#include "mail/netaddr.h"
#include "rules_internal.h"

/* One octet against "2", "[2..11;13]": at `pattern`, which moves on. */
static bool
octet_matches(struct span *pattern, unsigned octet)
{
	struct span one, choice, low, rest = *pattern;
	uint64_t    from, to;
	bool        found = false;

	if (rest.len && rest.at[0] == '[') {
		ptrdiff_t end = span_find(rest, ']');

		if (end < 0)
			return false;
		one = span_cut(rest, 1, (size_t)end);
		*pattern = span_from(rest, (size_t)end + 1);
		if (pattern->len && pattern->at[0] == '.')
			*pattern = span_from(*pattern, 1);
	} else {
		span_split(&rest, '.', &one);
		*pattern = rest;
	}
	while (span_next(&one, ";", &choice)) {
		ptrdiff_t dots = span_find_text(choice, SPAN(".."));

		low = span_first(choice, dots < 0 ? choice.len : (size_t)dots);
		if (!span_number(low, &from) || !span_number(dots < 0 ? low : span_from(choice, (size_t)dots + 2), &to))
			return false;
		found |= octet >= from && octet <= to;
	}
	return found;
}

static bool
answer_matches(struct span pattern, struct span record)
{
	struct netaddr a;

	if (pattern.len == 0)
		return true;
	if (!netaddr_parse(record, &a) || a.family != 4)
		return false;
	for (int i = 0; i < 4; i++)
		if (!octet_matches(&pattern, a.bytes[i]))
			return false;
	return pattern.len == 0;
}

/* 1 listed, with its TXT in the arena; 0 not */
static int
listed(struct check *c, struct span what, const char *argument, struct span *reason)
{
	struct span       zone, pattern = span_of(argument);
	struct dns_answer answer = {0}, text = {0};
	char             *name;
	bool              found = false;

	span_split(&pattern, '=', &zone);
	name = arena_format(c->s->t.arena, "%.*s.%.*s", SPAN_ARGS(what), SPAN_ARGS(zone));
	if (dns_records(span_of(name), "A", c->s->t.arena, &answer, &c->s->why) < 0 || answer.state == DNS_TROUBLE) {
		log_warning("%s: RBL lookup error: %s", name, answer.trouble[0] ? answer.trouble : "Host not found, try again");
		return 0;
	}
	for (size_t i = 0; answer.state == DNS_FOUND && i < answer.n_records; i++)
		found |= answer_matches(pattern, answer.records[i]);
	if (found && dns_records(span_of(name), "TXT", c->s->t.arena, &text, &c->s->why) == 0 && text.state == DNS_FOUND &&
	    text.n_records)
		*reason = text.records[0];
	return found;
}

struct listing {
	struct check *c;
	struct span   zone, what, class, reason;
};

/* Remote text comes in as a value, never as a template. */
static void
add_variable(const struct listing *v, struct span name, struct text *out)
{
	if (span_is(name, "rbl_code"))
		text_add_format(out, "%d", settings.rbl_code);
	else if (span_is(name, "rbl_class"))
		text_add(out, v->class);
	else if (span_is(name, "rbl_what"))
		text_add(out, v->what);
	else if (span_is(name, "rbl_domain"))
		text_add(out, v->zone);
	else if (span_is(name, "rbl_reason"))
		text_add(out, v->reason);
	else if (span_is(name, "client"))
		text_add_string(out, v->c->s->client.label);
	else if (span_is(name, "client_address"))
		text_add_string(out, v->c->s->client.address);
	else if (span_is(name, "client_name"))
		text_add_string(out, v->c->s->client.name);
	else if (span_is(name, "helo_name"))
		text_add_string(out, v->c->s->helo);
	else if (span_is(name, "sender"))
		text_add(out, v->c->s->t.mail.sender);
	else if (span_is(name, "recipient"))
		text_add(out, v->c->s->t.recipient);
}

/* $name, ${name}, ${name?text}, ${name:text}: one level, as reply templates have it */
static void
expand(struct span in, const struct listing *context, struct text *out)
{
	for (size_t i = 0; i < in.len;) {
		struct span          name, rest;
		autotext struct text value = {0};
		size_t               end = i + 1;

		if (in.at[i] != '$' || i + 1 >= in.len) {
			text_add_byte(out, in.at[i++]);
			continue;
		}
		if (in.at[i + 1] != '{') {
			while (end < in.len && (ascii_alpha(in.at[end]) || in.at[end] == '_'))
				end++;
			add_variable(context, span_cut(in, i + 1, end), out);
			i = end;
			continue;
		}
		for (int depth = 0; end < in.len; end++) {
			depth += in.at[end] == '{';
			depth -= in.at[end] == '}';
			if (depth == 0)
				break;
		}
		rest = span_cut(in, i + 2, end);
		name = span_first(rest, (size_t)(span_find_any(rest, "?:") < 0 ? (ptrdiff_t)rest.len : span_find_any(rest, "?:")));
		add_variable(context, name, &value);
		if (name.len == rest.len)
			text_add(out, text_span(&value));
		else if ((rest.at[name.len] == '?') == (value.len > 0))
			expand(span_from(rest, name.len + 1), context, out);
		i = end + 1;
	}
}

static enum verdict
refuse_listed(struct check *c, const char *class, struct span what, const char *argument, struct span reason)
{
	struct listing       v = {c, SPAN_NONE, what, span_of(class), reason};
	struct span          rest = span_of(argument), code;
	autotext struct text template = {0}, out = {0};
	uint64_t             number;
	struct status        st = STATUS(5, 7, 1);
	char                 dsn[STATUS_TEXT_SIZE];

	span_split(&rest, '=', &v.zone);
	if (table_list_find(prepared.rbl_reply, v.zone, &template, NULL, &c->s->why) != 0)
		text_set(&template, span_of(settings.default_rbl_reply));
	expand(text_span(&template), &v, &out);
	rest = text_span(&out);
	if (!span_next(&rest, " ", &code) || !span_number(code, &number) || number < 400 || number > 599) {
		log_warning("bad reply template for %.*s: %s", SPAN_ARGS(v.zone), text_string(&out));
		return refuse_misconfigured(c);
	}
	rest = span_trim(rest);
	status_parse(rest, &st, &rest);
	return refuse(c, (int)number, status_string(st, dsn), "%.*s", SPAN_ARGS(rest));
}

/* 192.0.2.1 is 1.2.0.192; IPv6 by nibbles: netaddr's PTR name without its zone */
static struct span
reversed(struct check *c)
{
	struct netaddr a;
	char           name[NETADDR_PTR_SIZE];
	struct span    full;

	if (!netaddr_parse(span_of(c->s->client.address), &a))
		return SPAN_NONE;
	full = span_of(netaddr_ptr_name(&a, name));
	full = span_first(full, (size_t)span_find_text(full, a.family == 4 ? SPAN(".in-addr") : SPAN(".ip6")));
	return arena_span(c->s->t.arena, full);
}

enum verdict
reject_rbl_client(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_CLIENT);
	struct span  what = reversed(&c), reason = SPAN_NONE;

	if (what.len == 0 || !listed(&c, what, u->argument, &reason))
		return DUNNO;
	return refuse_listed(&c, "Client host", span_of(c.s->client.address), u->argument, reason);
}

enum verdict
permit_dnswl_client(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_CLIENT);
	struct span  what = reversed(&c), reason;

	return what.len && listed(&c, what, u->argument, &reason) ? PERMIT : DUNNO;
}

/* Names that DNS cannot hold, and addresses, are on no list of names. */
static bool
askable(struct span name)
{
	struct netaddr a;

	return name.len && name.len < 200 && !span_is(name, "unknown") && !netaddr_parse(name, &a) && address_host_valid(name, 0);
}

static enum verdict
by_name(struct check *c, const struct rule_use *u, const char *class, struct span name, struct span what)
{
	struct span reason = SPAN_NONE;

	if (!askable(name) || !listed(c, name, u->argument, &reason))
		return DUNNO;
	return refuse_listed(c, class, what, u->argument, reason);
}

static struct span
domain_of(struct span address)
{
	ptrdiff_t at = span_find_last(address, '@');

	return at < 0 ? SPAN_NONE : span_from(address, (size_t)at + 1);
}

enum verdict
reject_rhsbl_client(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_CLIENT);

	return by_name(&c, u, "Client host", span_of(c.s->client.name), span_of(c.s->client.name));
}

enum verdict
permit_rhswl_client(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_CLIENT);
	struct span  reason, name = span_of(c.s->client.name);

	return askable(name) && listed(&c, name, u->argument, &reason) ? PERMIT : DUNNO;
}

enum verdict
reject_rhsbl_reverse_client(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_CLIENT);

	return by_name(&c, u, "Unverified Client host", span_of(c.s->client.reverse_name), span_of(c.s->client.reverse_name));
}

enum verdict
reject_rhsbl_helo(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_HELO);

	return by_name(&c, u, "Helo command", c.name, c.name);
}

enum verdict
reject_rhsbl_sender(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_SENDER);

	return c.s->t.has_sender ? by_name(&c, u, "Sender address", domain_of(c.name), c.name) : DUNNO;
}

enum verdict
reject_rhsbl_recipient(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_RECIPIENT);

	return by_name(&c, u, "Recipient address", domain_of(c.name), c.name);
}
