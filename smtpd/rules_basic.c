/* SPDX-License-Identifier: ISC */
/*
 * rules_basic.c - the table of restrictions, and those about who and whereto
 */
#include <poll.h>
#include <stdlib.h>

#include "base/log.h"
#include "config/site.h"
#include "rules_internal.h"

/* ---- fixed answers ---- */

static enum verdict
permit(struct check *c, const struct rule_use *u)
{
	(void)c, (void)u;
	return PERMIT;
}

static enum verdict
nothing(struct check *c, const struct rule_use *u)
{
	(void)c, (void)u;
	return DUNNO;
}

static enum verdict
reject_all(struct check *c, const struct rule_use *u)
{
	(void)u;
	return refuse_it(c, settings.reject_code, "5.7.1", "Access denied");
}

static enum verdict
defer_all(struct check *c, const struct rule_use *u)
{
	(void)u;
	return refuse_it(c, settings.defer_code, "4.3.2", "Try again later");
}

static enum verdict
defer_if_permit_rule(struct check *c, const struct rule_use *u)
{
	(void)u;
	return defer_if_permit(c, settings.access_defer_code, "4.7.0", "<%.*s>: %s rejected: defer_if_permit requested",
	                       SPAN_ARGS(c->name), c->class);
}

static enum verdict
defer_if_reject_rule(struct check *c, const struct rule_use *u)
{
	struct session *s = c->s;

	(void)u;
	if (s->defer_if_reject.active)
		return DUNNO;
	s->defer_if_reject.active = true;
	text_clear(&s->defer_if_reject.reply);
	text_add_format(&s->defer_if_reject.reply, "%d 4.7.0 <%.*s>: %s rejected: defer_if_reject requested",
	                settings.access_defer_code, SPAN_ARGS(c->name), c->class);
	return DUNNO;
}

static enum verdict
sleep_rule(struct check *c, const struct rule_use *u)
{
	uint64_t seconds;

	if (!span_number(span_of(u->argument), &seconds) || seconds > 100)
		return refuse_misconfigured(c);
	conn_flush(c->s->conn, &c->s->why);
	poll(NULL, 0, (int)seconds * 1000);
	return DUNNO;
}

/* ---- who ---- */

static enum verdict
permit_mynetworks(struct check *c, const struct rule_use *u)
{
	(void)u;
	return c->s->client.in_mynetworks ? PERMIT : DUNNO;
}

static enum verdict
permit_inet_interfaces(struct check *c, const struct rule_use *u)
{
	(void)u;
	return c->s->client.own ? PERMIT : DUNNO;
}

static enum verdict
permit_sasl_authenticated(struct check *c, const struct rule_use *u)
{
	(void)u;
	return c->s->sasl_user[0] ? PERMIT : DUNNO;
}

static enum verdict
permit_tls_all_clientcerts(struct check *c, const struct rule_use *u)
{
	(void)u;
	return c->s->is_tls && c->s->tls.trust >= TLS_TRUSTED ? PERMIT : DUNNO;
}

static enum verdict
reject_plaintext_session(struct check *c, const struct rule_use *u)
{
	(void)u;
	return c->s->is_tls ? DUNNO : refuse(c, settings.plaintext_code, "4.7.1", "Session encryption is required");
}

/* ---- protocol ---- */

static enum verdict
reject_unauth_pipelining(struct check *c, const struct rule_use *u)
{
	struct session *s = c->s;

	(void)u;
	if ((s->esmtp && strcmp(s->where, "DATA") != 0) || !conn_bytes_wait(s->conn))
		return DUNNO;
	return refuse_it(c, 503, "5.5.0", "Improper use of SMTP command pipelining");
}

static enum verdict
reject_multi_recipient_bounce(struct check *c, const struct rule_use *u)
{
	struct session *s = c->s;
	int             count = s->t.accepted + (strcmp(s->where, "RCPT") == 0);

	(void)u;
	if (!s->t.has_sender || s->t.mail.sender.len || count <= 1)
		return DUNNO;
	return refuse_it(c, settings.multi_bounce_code, "5.5.3", "Multi-recipient bounce");
}

/* ---- whereto ---- */

/* Where it would really go: cleanup rewrites first, so that "bob%there" is bob@there. */
static int
resolve(struct check *c, struct span sender, struct span address, struct route *route)
{
	struct arena *arena = c->s->t.arena;
	struct span   meant = SPAN_NONE;

	if ((address.len && ask_rewrite("local", &address, 1, arena, &meant, &c->s->why) < 0) ||
	    ask_resolve(sender, &meant, 1, arena, route, &c->s->why) < 0) {
		log_warning("problem talking to service rewrite: %s", fault_text(&c->s->why));
		return -1;
	}
	return 0;
}

const struct route *
recipient_route(struct check *c)
{
	struct transaction *t = &c->s->t;

	if (!t->recipient_resolved && resolve(c, t->mail.sender, t->recipient, &t->recipient_route) < 0)
		return NULL;
	t->recipient_resolved = true;
	return &t->recipient_route;
}

const struct route *
sender_route(struct check *c)
{
	struct transaction *t = &c->s->t;

	if (!t->sender_resolved && resolve(c, SPAN_NONE, t->mail.sender, &t->sender_route) < 0)
		return NULL;
	t->sender_resolved = true;
	return &t->sender_route;
}

/* user@elsewhere@here: what the next hop would do with it is not ours to promise */
static bool
routes_by_sender(const struct route *r)
{
	struct span local, domain;

	address_split(r->recipient, &local, &domain);
	return span_find_any(local, "@%!") >= 0;
}

/* 1 ours, 0 not, -1 trouble */
static int
is_ours(struct check *c)
{
	const struct route *r = recipient_route(c);

	if (!r)
		return -1;
	if (r->class == ROUTE_DEFAULT || r->class == ROUTE_ERROR)
		return 0;
	return settings.allow_untrusted_routing || !routes_by_sender(r);
}

static enum verdict
refuse_relay(struct check *asked, int code)
{
	struct check c = check_about(asked, ABOUT_RECIPIENT);
	int          ours = is_ours(&c);

	if (c.s->t.recipient.len == 0 || ours > 0)
		return DUNNO;
	if (ours < 0)
		return refuse_trouble(&c);
	return refuse(&c, code, "5.7.1", "<%.*s>: Relay access denied", SPAN_ARGS(c.name));
}

enum verdict
reject_unauth_destination(struct check *c, const struct rule_use *u)
{
	(void)u;
	return refuse_relay(c, settings.relay_code);
}

enum verdict
defer_unauth_destination(struct check *c, const struct rule_use *u)
{
	(void)u;
	return refuse_relay(c, settings.relay_code - settings.relay_code / 100 * 100 + 400);
}

enum verdict
permit_auth_destination(struct check *c, const struct rule_use *u)
{
	int ours;

	(void)u;
	if (c->s->t.recipient.len == 0)
		return DUNNO;
	ours = is_ours(c);
	return ours < 0 ? refuse_trouble(c) : ours ? PERMIT : DUNNO;
}

/* ---- is there such an address? ---- */

static enum verdict
refuse_unlisted(struct check *c, const struct route *r, struct span given, const char *dsn)
{
	struct route_known known = {0};
	struct span        address;

	if (list_has(&settings.receive_override, "no_unknown_recipient_checks"))
		return DUNNO;
	if (!r)
		return refuse_trouble(c);
	address = r->recipient.len ? r->recipient : given; /* as cleanup will rewrite it: user@shorthost too */
	if (ask_known(c->s->t.mail.sender, address, &known, &c->s->why) < 0) {
		log_warning("problem talking to service rewrite: %s", fault_text(&c->s->why));
		return refuse_trouble(c);
	}
	if (known.known)
		return DUNNO;
	if (known.text[0])
		return refuse(c, known.code, known.dsn, "<%.*s>: %s rejected: %s", SPAN_ARGS(c->name), c->class, known.text);
	if (!site.show_user_unknown_table_name || !known.table[0])
		return refuse_it(c, known.code ? known.code : 550, dsn, "User unknown");
	return refuse(c, known.code ? known.code : 550, dsn, "<%.*s>: %s rejected: User unknown in %s", SPAN_ARGS(c->name),
	              c->class, known.table);
}

enum verdict
reject_unlisted_recipient(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_RECIPIENT);

	(void)u;
	if (c.s->t.recipient.len == 0)
		return DUNNO;
	c.s->t.recipient_checked = true;
	if (is_verify_sender(c.s->t.recipient))
		return DUNNO; /* of our own probes: others look whether it exists, too */
	return refuse_unlisted(&c, recipient_route(&c), c.s->t.recipient, "5.1.1");
}

enum verdict
reject_unlisted_sender(struct check *asked, const struct rule_use *u)
{
	struct check c = check_about(asked, ABOUT_SENDER);

	(void)u;
	c.s->t.sender_checked = true;
	return c.s->t.mail.sender.len ? refuse_unlisted(&c, sender_route(&c), c.s->t.mail.sender, "5.1.0") : DUNNO;
}

/* ---- whose address? ---- */

/* 1: *owners; 0: nobody owns it; -1 trouble */
static int
owners_of(struct check *c, struct text *owners)
{
	const struct route *r;
	struct table_query  query = {.order = TABLE_ADDRESS};
	struct table_match  match = {0};
	int                 found;

	if (!c->s->t.has_sender || c->s->t.mail.sender.len == 0 || table_list_count(prepared.sender_login) == 0)
		return 0;
	if (!(r = sender_route(c)))
		return -1;
	query.local = r->class == ROUTE_LOCAL;
	found = table_list_find_address(prepared.sender_login, &query, r->recipient.len ? r->recipient : c->s->t.mail.sender,
	                                &match, &c->s->why);
	if (found == 0)
		text_set(owners, text_span(&match.value));
	text_free(&match.value);
	text_free(&match.extension);
	return found < 0 ? -1 : found == 0;
}

static bool
owns(struct span owners, const char *user)
{
	struct span name;

	while (span_next(&owners, ", \t\r\n", &name))
		if (span_is_nocase(name, user))
			return true;
	return false;
}

enum { MUST_OWN = 1, MUST_LOG_IN = 2, ONLY_KNOWN = 4 };

static enum verdict
login_mismatch(struct check *asked, unsigned rule)
{
	struct check         c = check_about(asked, ABOUT_SENDER);
	struct session      *s = c.s;
	autotext struct text owners = {0};
	int                  found = owners_of(&c, &owners);

	if (found < 0)
		return refuse_trouble(&c);
	if (s->t.mail.sender.len == 0 || ((rule & ONLY_KNOWN) && !found))
		return DUNNO;
	if (s->sasl_user[0] && (rule & MUST_OWN) && !owns(text_span(&owners), s->sasl_user))
		return refuse(&c, 553, "5.7.1", "<%.*s>: Sender address rejected: not owned by user %s", SPAN_ARGS(c.name),
		              s->sasl_user);
	if (!s->sasl_user[0] && (rule & MUST_LOG_IN) && found)
		return refuse(&c, 553, "5.7.1", "<%.*s>: Sender address rejected: not logged in", SPAN_ARGS(c.name));
	return DUNNO;
}

enum verdict
reject_sender_login_mismatch(struct check *c, const struct rule_use *u)
{
	(void)u;
	return login_mismatch(c, MUST_OWN | MUST_LOG_IN);
}

enum verdict
reject_authenticated_sender_login_mismatch(struct check *c, const struct rule_use *u)
{
	(void)u;
	return login_mismatch(c, MUST_OWN);
}

enum verdict
reject_unauthenticated_sender_login_mismatch(struct check *c, const struct rule_use *u)
{
	(void)u;
	return login_mismatch(c, MUST_LOG_IN);
}

enum verdict
reject_known_sender_login_mismatch(struct check *c, const struct rule_use *u)
{
	(void)u;
	return login_mismatch(c, MUST_OWN | MUST_LOG_IN | ONLY_KNOWN);
}

/* ---- the table ---- */

const struct rule rules[] = {
	{"permit", NO_ARGUMENT, permit},
	{"reject", NO_ARGUMENT, reject_all},
	{"defer", NO_ARGUMENT, defer_all},
	{"defer_if_permit", NO_ARGUMENT, defer_if_permit_rule},
	{"defer_if_reject", NO_ARGUMENT, defer_if_reject_rule},
	{"warn_if_reject", NO_ARGUMENT, nothing},
	{"sleep", WORD, sleep_rule},
	{"permit_mynetworks", NO_ARGUMENT, permit_mynetworks},
	{"permit_inet_interfaces", NO_ARGUMENT, permit_inet_interfaces},
	{"permit_sasl_authenticated", NO_ARGUMENT, permit_sasl_authenticated},
	{"permit_tls_all_clientcerts", NO_ARGUMENT, permit_tls_all_clientcerts},
	{"permit_tls_clientcerts", NO_ARGUMENT, permit_tls_clientcerts},
	{"check_ccert_access", TABLE, check_ccert_access},
	{"reject_plaintext_session", NO_ARGUMENT, reject_plaintext_session},
	{"reject_unauth_pipelining", NO_ARGUMENT, reject_unauth_pipelining},
	{"reject_multi_recipient_bounce", NO_ARGUMENT, reject_multi_recipient_bounce},
	{"reject_unauth_destination", NO_ARGUMENT, reject_unauth_destination},
	{"defer_unauth_destination", NO_ARGUMENT, defer_unauth_destination},
	{"permit_auth_destination", NO_ARGUMENT, permit_auth_destination},
	{"reject_unlisted_recipient", NO_ARGUMENT, reject_unlisted_recipient},
	{"check_recipient_maps", NO_ARGUMENT, reject_unlisted_recipient},
	{"reject_unlisted_sender", NO_ARGUMENT, reject_unlisted_sender},
	{"reject_sender_login_mismatch", NO_ARGUMENT, reject_sender_login_mismatch},
	{"reject_authenticated_sender_login_mismatch", NO_ARGUMENT, reject_authenticated_sender_login_mismatch},
	{"reject_unauthenticated_sender_login_mismatch", NO_ARGUMENT, reject_unauthenticated_sender_login_mismatch},
	{"reject_known_sender_login_mismatch", NO_ARGUMENT, reject_known_sender_login_mismatch},
	{"reject_unknown_client_hostname", NO_ARGUMENT, reject_unknown_client_hostname},
	{"reject_unknown_client", NO_ARGUMENT, reject_unknown_client_hostname},
	{"reject_unknown_reverse_client_hostname", NO_ARGUMENT, reject_unknown_reverse_client_hostname},
	{"reject_invalid_helo_hostname", NO_ARGUMENT, reject_invalid_helo_hostname},
	{"reject_invalid_hostname", NO_ARGUMENT, reject_invalid_helo_hostname},
	{"reject_non_fqdn_helo_hostname", NO_ARGUMENT, reject_non_fqdn_helo_hostname},
	{"reject_non_fqdn_hostname", NO_ARGUMENT, reject_non_fqdn_helo_hostname},
	{"reject_unknown_helo_hostname", NO_ARGUMENT, reject_unknown_helo_hostname},
	{"reject_unknown_hostname", NO_ARGUMENT, reject_unknown_helo_hostname},
	{"reject_non_fqdn_sender", NO_ARGUMENT, reject_non_fqdn_sender},
	{"reject_non_fqdn_recipient", NO_ARGUMENT, reject_non_fqdn_recipient},
	{"reject_unknown_sender_domain", NO_ARGUMENT, reject_unknown_sender_domain},
	{"reject_unknown_address", NO_ARGUMENT, reject_unknown_sender_domain},
	{"reject_unknown_recipient_domain", NO_ARGUMENT, reject_unknown_recipient_domain},
	{"check_client_access", TABLE, check_client_access},
	{"check_reverse_client_hostname_access", TABLE, check_reverse_client_access},
	{"check_helo_access", TABLE, check_helo_access},
	{"check_sender_access", TABLE, check_sender_access},
	{"check_recipient_access", TABLE, check_recipient_access},
	{"check_sasl_access", TABLE, check_sasl_access},
	{"check_etrn_access", TABLE, check_etrn_access},
	{"check_address_map", TABLE, check_address_map},
	{"check_client_a_access", TABLE, check_host_access},
	{"check_client_mx_access", TABLE, check_host_access},
	{"check_client_ns_access", TABLE, check_host_access},
	{"check_reverse_client_hostname_a_access", TABLE, check_host_access},
	{"check_reverse_client_hostname_mx_access", TABLE, check_host_access},
	{"check_reverse_client_hostname_ns_access", TABLE, check_host_access},
	{"check_helo_a_access", TABLE, check_host_access},
	{"check_helo_mx_access", TABLE, check_host_access},
	{"check_helo_ns_access", TABLE, check_host_access},
	{"check_sender_a_access", TABLE, check_host_access},
	{"check_sender_mx_access", TABLE, check_host_access},
	{"check_sender_ns_access", TABLE, check_host_access},
	{"check_recipient_a_access", TABLE, check_host_access},
	{"check_recipient_mx_access", TABLE, check_host_access},
	{"check_recipient_ns_access", TABLE, check_host_access},
	{"check_policy_service", ENDPOINT, check_policy_service},
	{"reject_rbl_client", WORD, reject_rbl_client},
	{"reject_rbl", WORD, reject_rbl_client},
	{"reject_rhsbl_client", WORD, reject_rhsbl_client},
	{"reject_rhsbl_reverse_client", WORD, reject_rhsbl_reverse_client},
	{"reject_rhsbl_helo", WORD, reject_rhsbl_helo},
	{"reject_rhsbl_sender", WORD, reject_rhsbl_sender},
	{"reject_rhsbl_recipient", WORD, reject_rhsbl_recipient},
	{"permit_dnswl_client", WORD, permit_dnswl_client},
	{"permit_rhswl_client", WORD, permit_rhswl_client},
	{"reject_unverified_sender", NO_ARGUMENT, reject_unverified_sender},
	{"reject_unverified_recipient", NO_ARGUMENT, reject_unverified_recipient},
	{"permit_mx_backup", NO_ARGUMENT, permit_mx_backup},
	{"reject_unknown_forward_client_hostname", NO_ARGUMENT, reject_unknown_forward_client_hostname},
	{"reject_maps_rbl", NO_ARGUMENT, reject_maps_rbl},
	{"check_relay_domains", NO_ARGUMENT, check_relay_domains},
	{"permit_naked_ip_address", NO_ARGUMENT, permit_naked_ip_address},
	{NULL, NO_ARGUMENT, NULL},
};
