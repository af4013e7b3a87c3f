/* SPDX-License-Identifier: ISC */
/*
 * rules_access.c - access(5): what tables are asked, and what their answers do
 */
#include <stdlib.h>

#include "base/log.h"
#include "dns.h"
#include "mail/netaddr.h"
#include "mail/status.h"
#include "rules_internal.h"

/* ---- answers ---- */

static void
log_action(struct check *c, const char *kind, struct span text, const char *otherwise)
{
	autotext struct text what = {0};

	text_add_format(&what, "<%.*s>: %s ", SPAN_ARGS(c->name), c->class);
	if (text.len)
		text_add(&what, text);
	else
		text_add_string(&what, otherwise);
	log_event(c->s, kind, text_span(&what));
}

static enum verdict
act_reject(struct check *c, struct span text)
{
	struct status st = STATUS(5, 7, 1);
	struct span   rest = text;
	char          dsn[STATUS_TEXT_SIZE];
	autofree char *reason = NULL;

	status_parse(text, &st, &rest);
	reason = mem_span(rest.len ? rest : SPAN("Access denied"));
	return refuse_it(c, settings.access_reject_code, status_string(st, dsn), reason);
}

static enum verdict
act_defer(struct check *c, struct span text)
{
	struct status  st = STATUS(4, 7, 1);
	struct span    rest = text;
	char           dsn[STATUS_TEXT_SIZE];
	autofree char *reason = NULL;

	status_parse(text, &st, &rest);
	reason = mem_span(rest.len ? rest : SPAN("Access denied"));
	return refuse_it(c, settings.access_defer_code, status_string(st, dsn), reason);
}

static enum verdict
act_defer_if_permit(struct check *c, struct span text)
{
	struct status st = STATUS(4, 7, 0);
	struct span   rest = text;
	char          dsn[STATUS_TEXT_SIZE];

	status_parse(text, &st, &rest);
	if (rest.len == 0)
		rest = SPAN("Service unavailable");
	return defer_if_permit(c, settings.access_defer_code, status_string(st, dsn), "<%.*s>: %s rejected: %.*s",
	                       SPAN_ARGS(c->name), c->class, SPAN_ARGS(rest));
}

static enum verdict
act_defer_if_reject(struct check *c, struct span text)
{
	struct session *s = c->s;
	struct status   st = STATUS(4, 7, 0);
	struct span     rest = text;
	char            dsn[STATUS_TEXT_SIZE];

	status_parse(text, &st, &rest);
	if (rest.len == 0)
		rest = SPAN("Service unavailable");
	if (s->defer_if_reject.active)
		return DUNNO;
	s->defer_if_reject.active = true;
	text_clear(&s->defer_if_reject.reply);
	text_add_format(&s->defer_if_reject.reply, "%d %s <%.*s>: %s rejected: %.*s", settings.access_defer_code,
	                status_string(st, dsn), SPAN_ARGS(c->name), c->class, SPAN_ARGS(rest));
	return DUNNO;
}

/* A filter before the queue has the message, and knows no such wish. */
static bool
is_out_of_reach(const char *action)
{
	if (settings.proxy_filter[0])
		log_warning("access table: with smtpd_proxy_filter specified, action %s is unavailable", action);
	return settings.proxy_filter[0];
}

static enum verdict
act_hold(struct check *c, struct span text)
{
	if (is_out_of_reach("HOLD"))
		return DUNNO;
	log_action(c, "hold", text, "triggers HOLD action");
	c->s->t.hold = true;
	return DUNNO;
}

static enum verdict
act_discard(struct check *c, struct span text)
{
	log_action(c, "discard", text, "triggers DISCARD action");
	c->s->t.discard = true;
	return PERMIT;
}

static enum verdict
act_prepend(struct check *c, struct span text)
{
	struct transaction *t = &c->s->t;
	ptrdiff_t           colon = span_find(text, ':');

	if (t->content.open) {
		log_warning("access table: PREPEND must come before the end of data");
		return DUNNO;
	}
	if (colon <= 0 || span_find_any(span_first(text, (size_t)colon), " \t\r\n") >= 0 || span_find_any(text, "\r\n") >= 0) {
		log_warning("access table: PREPEND needs \"header: value\"");
		return refuse_misconfigured(c);
	}
	log_action(c, "prepend", SPAN_NONE, "triggers PREPEND action");
	text_add(&t->prepend, text);
	text_add_string(&t->prepend, "\r\n");
	return DUNNO;
}

static enum verdict
act_redirect(struct check *c, struct span text)
{
	struct span address;

	if (address_parse(c->s->t.arena, text, ADDRESS_UTF8, &address, &c->s->why) < 0 || span_find(address, '@') < 0) {
		log_warning("access table: bad REDIRECT address: %.*s", SPAN_ARGS(text));
		return refuse_misconfigured(c);
	}
	if (is_out_of_reach("REDIRECT"))
		return DUNNO;
	log_action(c, "redirect", SPAN_NONE, "triggers REDIRECT action");
	c->s->t.redirect = address;
	return DUNNO;
}

static enum verdict
act_bcc(struct check *c, struct span text)
{
	struct span address;

	if (address_parse(c->s->t.arena, text, ADDRESS_UTF8, &address, &c->s->why) < 0 || span_find(address, '@') < 0) {
		log_warning("access table: bad BCC address: %.*s", SPAN_ARGS(text));
		return refuse_misconfigured(c);
	}
	if (is_out_of_reach("BCC"))
		return DUNNO;
	log_action(c, "bcc", SPAN_NONE, "triggers BCC action");
	text_add(&c->s->t.bcc, address);
	text_add_byte(&c->s->t.bcc, '\n');
	return DUNNO;
}

static enum verdict
act_filter(struct check *c, struct span text)
{
	if (span_find(text, ':') <= 0) {
		log_warning("access table: FILTER needs transport:destination: %.*s", SPAN_ARGS(text));
		return refuse_misconfigured(c);
	}
	if (is_out_of_reach("FILTER"))
		return DUNNO;
	log_action(c, "filter", SPAN_NONE, "triggers FILTER action");
	c->s->t.filter = arena_span(c->s->t.arena, text);
	return DUNNO;
}

static enum verdict
act_warn(struct check *c, struct span text)
{
	log_action(c, "warn", text, "triggers WARN action");
	return DUNNO;
}

static enum verdict
act_info(struct check *c, struct span text)
{
	log_action(c, "info", text, "triggers INFO action");
	return DUNNO;
}

static enum verdict
act_dunno(struct check *c, struct span text)
{
	(void)c, (void)text;
	return DUNNO;
}

static enum verdict
act_ok(struct check *c, struct span text)
{
	(void)text;
	log_permit(c, SPAN("OK"));
	return PERMIT;
}

static const struct {
	const char *word;
	enum verdict (*act)(struct check *, struct span);
} actions[] = {
	{"REJECT", act_reject},
	{"DEFER", act_defer},
	{"DEFER_IF_PERMIT", act_defer_if_permit},
	{"DEFER_IF_REJECT", act_defer_if_reject},
	{"DUNNO", act_dunno},
	{"PASS", act_ok},
	{"OK", act_ok},
	{"RELAY", act_ok},
	{"HOLD", act_hold},
	{"DISCARD", act_discard},
	{"PREPEND", act_prepend},
	{"REDIRECT", act_redirect},
	{"BCC", act_bcc},
	{"FILTER", act_filter},
	{"WARN", act_warn},
	{"INFO", act_info},
};

/* "550 5.7.1 text", "450 text", "554" */
static bool
is_code(struct span value)
{
	return value.len >= 3 && (value.at[0] == '4' || value.at[0] == '5') && ascii_digit(value.at[1]) &&
	       ascii_digit(value.at[2]) && (value.len == 3 || value.at[3] == ' ' || value.at[3] == '\t');
}

static enum verdict
act_code(struct check *c, struct span value)
{
	int            code = (value.at[0] - '0') * 100 + (value.at[1] - '0') * 10 + (value.at[2] - '0');
	struct status  st = STATUS((uint16_t)(code / 100), 7, 1);
	struct span    text = span_trim(span_from(value, 3)), rest = text;
	char           dsn[STATUS_TEXT_SIZE];
	autofree char *reason = NULL;

	status_parse(text, &st, &rest);
	reason = mem_span(rest.len ? rest : SPAN("Access denied"));
	return refuse_it(c, code, status_string(st, dsn), reason);
}

static bool
all_digits(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_digit(s.at[i]))
			return false;
	return s.len > 0;
}

enum verdict
access_result(struct check *c, struct span value, const char *source)
{
	struct span rest, word;

	value = span_trim(value);
	rest = value;
	if (is_code(value))
		return act_code(c, value);
	if (all_digits(value))
		return act_ok(c, value);
	if (!span_next(&rest, " \t", &word)) {
		log_warning("%s: an empty result", source);
		return DUNNO;
	}
	for (size_t i = 0; i < COUNT(actions); i++)
		if (span_is_nocase(word, actions[i].word))
			return actions[i].act(c, span_trim(rest));
	return run_text(c, value);
}

/* ---- questions ---- */

static enum verdict
trouble(struct check *c, const struct rule_use *u)
{
	log_warning("%s: table lookup problem: %s", u->argument ? u->argument : u->rule->name, fault_text(&c->s->why));
	return refuse(c, 451, "4.3.5", "<%.*s>: %s rejected: Server configuration error", SPAN_ARGS(c->name), c->class);
}

static const char *
source_of(const struct rule_use *u)
{
	return table_list_count(u->tables) ? table_spec(table_list_at(u->tables, 0)) : u->rule->name;
}

/* 1: *verdict is the answer's; 0: not in the table */
static int
ask(struct check *c, const struct rule_use *u, enum table_order order, struct span key, enum verdict *verdict)
{
	struct table_query query = {.order = order, .parents_plain = prepared.parents_plain};
	struct table_match match = {0};
	int                found;

	if (key.len == 0)
		return 0;
	found = table_list_find_address(u->tables, &query, key, &match, &c->s->why);
	if (found < 0)
		*verdict = trouble(c, u);
	else if (found == 0)
		*verdict = access_result(c, text_span(&match.value), source_of(u));
	text_free(&match.value);
	text_free(&match.extension);
	return found <= 0;
}

static enum verdict
ask_client(struct check *asked, const struct rule_use *u, const char *name)
{
	struct check c = check_about(asked, ABOUT_CLIENT);
	enum verdict v = DUNNO;

	if (ask(&c, u, TABLE_DOMAIN, span_of(name), &v) || ask(&c, u, TABLE_IP, span_of(c.s->client.address), &v))
		return v;
	return DUNNO;
}

enum verdict
check_client_access(struct check *c, const struct rule_use *u)
{
	return ask_client(c, u, c->s->client.name);
}

enum verdict
check_reverse_client_access(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_CLIENT);
	enum verdict v = DUNNO;

	ask(&c, u, TABLE_DOMAIN, span_of(c.s->client.reverse_name), &v);
	return v;
}

enum verdict
check_helo_access(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_HELO);
	enum verdict v = DUNNO;

	ask(&c, u, TABLE_DOMAIN, span_of(c.s->helo), &v);
	return v;
}

enum verdict
check_sender_access(struct check *asked, const struct rule_use *u)
{
	struct check        c = check_about(asked, ABOUT_SENDER);
	const struct route *r;
	enum verdict        v = DUNNO;

	if (!c.s->t.has_sender)
		return DUNNO;
	if (c.s->t.mail.sender.len == 0) {
		ask(&c, u, TABLE_ACCESS, span_of(settings.null_access_key), &v);
		return v;
	}
	if (!(r = sender_route(&c)))
		return refuse_trouble(&c);
	ask(&c, u, TABLE_ACCESS, r->recipient.len ? r->recipient : c.s->t.mail.sender, &v);
	return v;
}

enum verdict
check_recipient_access(struct check *asked, const struct rule_use *u)
{
	struct check        c = check_about(asked, ABOUT_RECIPIENT);
	const struct route *r;
	enum verdict        v = DUNNO;

	if (c.s->t.recipient.len == 0)
		return DUNNO;
	if (!(r = recipient_route(&c)))
		return refuse_trouble(&c);
	ask(&c, u, TABLE_ACCESS, r->recipient.len ? r->recipient : c.s->t.recipient, &v);
	return v;
}

static enum verdict
ask_plain(struct check *c, const struct rule_use *u, struct span key)
{
	autotext struct text value = {0};
	int                  found = key.len ? table_list_find(u->tables, key, &value, NULL, &c->s->why) : 1;

	if (found < 0)
		return trouble(c, u);
	return found ? DUNNO : access_result(c, text_span(&value), source_of(u));
}

enum verdict
check_sasl_access(struct check *c, const struct rule_use *u)
{
	return ask_plain(c, u, span_of(c->s->sasl_user));
}

enum verdict
check_etrn_access(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_ETRN);
	enum verdict v = DUNNO;

	ask(&c, u, TABLE_DOMAIN, c.s->t.etrn, &v);
	return v;
}

/* By the fingerprint of certificate or public key, whoever signed it: the table vouches for it. */
enum verdict
check_ccert_access(struct check *c, const struct rule_use *u)
{
	enum verdict v = c->s->is_tls ? ask_plain(c, u, span_of(c->s->tls.fingerprint)) : DUNNO;

	return v == DUNNO && c->s->is_tls ? ask_plain(c, u, span_of(c->s->tls.key_fingerprint)) : v;
}

enum verdict
permit_tls_clientcerts(struct check *c, const struct rule_use *u)
{
	autotext struct text value = {0};
	const struct tls_facts *f = &c->s->tls;
	int                  found = 1;

	(void)u;
	if (c->s->is_tls && f->fingerprint[0])
		found = table_list_find(prepared.relay_clientcerts, span_of(f->fingerprint), &value, NULL, &c->s->why);
	if (found > 0 && c->s->is_tls && f->key_fingerprint[0])
		found = table_list_find(prepared.relay_clientcerts, span_of(f->key_fingerprint), &value, NULL, &c->s->why);
	if (found < 0) {
		log_warning("relay_clientcerts: table lookup problem: %s", fault_text(&c->s->why));
		return refuse_trouble(c);
	}
	return found == 0 ? PERMIT : DUNNO;
}

/* local_header_rewrite_clients: being in the table is all that counts */
enum verdict
check_address_map(struct check *c, const struct rule_use *u)
{
	struct table_query query = {.order = TABLE_IP};
	struct table_match match = {0};
	int                found = table_list_find_address(u->tables, &query, span_of(c->s->client.address), &match, &c->s->why);

	text_free(&match.value);
	text_free(&match.extension);
	return found == 0 ? PERMIT : DUNNO;
}

/* ---- check_SUBJECT_{a,mx,ns}_access: the addresses of a host, of its mail or name servers ---- */

static struct span
domain_of(struct span address)
{
	ptrdiff_t at = span_find_last(address, '@');

	return at < 0 ? SPAN_NONE : span_from(address, (size_t)at + 1);
}

static enum verdict
ask_addresses_of(struct check *c, const struct rule_use *u, struct span host)
{
	struct dns_address *at = NULL;
	size_t              count = 0;
	enum dns_state      state;
	enum verdict        v = DUNNO;

	if (ask(c, u, TABLE_DOMAIN, host, &v) && v != DUNNO)
		return v;
	if (dns_addresses(host, c->s->t.arena, &at, &count, &state, &c->s->why) < 0)
		return DUNNO;
	for (size_t i = 0; i < count; i++)
		if (ask(c, u, TABLE_IP, span_of(at[i].ip), &v) && v != DUNNO)
			return v;
	return DUNNO;
}

/* The records of the name, or of its parents for NS. */
static enum verdict
ask_servers_of(struct check *c, const struct rule_use *u, struct span domain, const char *type)
{
	struct dns_answer answer = {0};

	while (domain.len) {
		ptrdiff_t dot;

		if (dns_records(domain, type, c->s->t.arena, &answer, &c->s->why) < 0 || answer.state == DNS_TROUBLE)
			return DUNNO;
		if (answer.state == DNS_FOUND || strcmp(type, "NS") != 0)
			break;
		dot = span_find(domain, '.');
		domain = dot < 0 ? SPAN_NONE : span_from(domain, (size_t)dot + 1);
	}
	if (answer.state != DNS_FOUND)
		return strcmp(type, "MX") == 0 ? ask_addresses_of(c, u, domain) : DUNNO;
	for (size_t i = 0; i < answer.n_records; i++) {
		ptrdiff_t    blank = span_find_last(answer.records[i], ' ');
		enum verdict v = ask_addresses_of(c, u, span_from(answer.records[i], (size_t)(blank + 1)));

		if (v != DUNNO)
			return v;
	}
	return DUNNO;
}

enum verdict
check_host_access(struct check *asked, const struct rule_use *u)
{
	struct span  rule = span_of(u->rule->name), domain;
	bool         client = span_starts(rule, "check_client"), reverse = span_starts(rule, "check_reverse");
	enum about   about = client || reverse                    ? ABOUT_CLIENT
	                     : span_starts(rule, "check_helo")   ? ABOUT_HELO
	                     : span_starts(rule, "check_sender") ? ABOUT_SENDER
	                                                         : ABOUT_RECIPIENT;
	struct check c = check_about(asked, about);

	if (client)
		domain = span_of(c.s->client.name);
	else if (reverse)
		domain = span_of(c.s->client.reverse_name);
	else
		domain = about == ABOUT_HELO ? span_of(c.s->helo) : domain_of(c.name);
	if (domain.len == 0 || span_is(domain, "unknown") || domain.at[0] == '[')
		return DUNNO;
	if (span_ends(rule, "_a_access"))
		return ask_addresses_of(&c, u, domain);
	return ask_servers_of(&c, u, domain, span_ends(rule, "_mx_access") ? "MX" : "NS");
}
