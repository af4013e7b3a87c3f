/* SPDX-License-Identifier: ISC */
/*
 * policy.c - policy delegation: an outside program decides
 */
#include "policy.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/list.h"
#include "config/site.h"
#include "ipc/ask_dial.h"
#include "rules_internal.h"

enum { REPLY_LINES = 100, REPLY_LINE = 8192 };

struct policy {
	struct policy              *next;
	const struct policy_options *options;
	struct conn                *conn;
	int                         questions;
	int64_t                     born, used;
};

/* ---- options ---- */

static int
set_option(struct policy_options *o, struct span name, struct span value, struct fault *why)
{
	if (span_is(name, "timeout"))
		return param_parse_duration(value, SPAN("1s"), &o->timeout, why);
	if (span_is(name, "retry_delay"))
		return param_parse_duration(value, SPAN("1s"), &o->retry_delay, why);
	if (span_is(name, "max_idle"))
		return param_parse_duration(value, SPAN("1s"), &o->max_idle, why);
	if (span_is(name, "max_ttl"))
		return param_parse_duration(value, SPAN("1s"), &o->max_ttl, why);
	if (span_is(name, "request_limit"))
		return param_parse_number(value, &o->request_limit, why);
	if (span_is(name, "try_limit"))
		return param_parse_number(value, &o->tries, why);
	if (span_is(name, "default_action"))
		o->default_action = mem_span(value);
	else if (span_is(name, "policy_context"))
		o->context = mem_span(value);
	else
		return fault_set(why, FAULT_INPUT, "unknown policy service attribute \"%.*s\"", SPAN_ARGS(name));
	return 0;
}

static int
parse_group(struct policy_options *o, struct span inside, struct fault *why)
{
	struct span element, name, value, group;
	int         more = list_next(&inside, ", \t\r\n", &element, why);

	if (more <= 0)
		return more < 0 ? -1 : fault_set(why, FAULT_INPUT, "no policy service in { }");
	o->endpoint = mem_span(element);
	while ((more = list_next(&inside, ",", &element, why)) > 0) {
		element = span_trim(element);
		if (list_group(element, &group))
			element = group;
		if (element.len == 0)
			continue;
		if (list_assignment(element, &name, &value, why) < 0 || set_option(o, name, value, why) < 0)
			return -1;
	}
	return more;
}

int
policy_options_parse(struct span text, struct policy_options **out, struct fault *why)
{
	struct policy_options *o = mem_alloc(sizeof *o);
	struct span            inside;

	*out = o;
	o->max_idle = o->max_ttl = o->request_limit = -1;
	if (list_group(text, &inside))
		return parse_group(o, inside, why);
	o->endpoint = mem_span(text);
	return 0;
}

/* ---- asking ---- */

static void
add(struct text *t, const char *name, struct span value)
{
	text_add_format(t, "%s=", name);
	for (size_t i = 0; i < value.len; i++) /* a value cannot add a line */
		text_add_byte(t, value.at[i] == '\n' || value.at[i] == '\r' || !value.at[i] ? '?' : value.at[i]);
	text_add_byte(t, '\n');
}

static void
add_number(struct text *t, const char *name, long long value)
{
	text_add_format(t, "%s=%lld\n", name, value);
}

static void
add_tls(struct session *s, struct text *t)
{
	bool cert = s->is_tls && s->tls.trust >= TLS_TRUSTED;

	add(t, "ccert_subject", span_of(cert ? s->tls.peer_name : ""));
	add(t, "ccert_issuer", span_of(cert ? s->tls.issuer_name : ""));
	add(t, "ccert_fingerprint", span_of(s->is_tls ? s->tls.fingerprint : ""));
	add(t, "ccert_pubkey_fingerprint", span_of(s->is_tls ? s->tls.key_fingerprint : ""));
	add(t, "encryption_protocol", span_of(s->is_tls ? s->tls.protocol : ""));
	add(t, "encryption_cipher", span_of(s->is_tls ? s->tls.cipher : ""));
	add_number(t, "encryption_keysize", s->is_tls ? s->tls.bits : 0);
}

static uint64_t
size_known(const struct session *s)
{
	return strcmp(s->where, "END-OF-MESSAGE") == 0 ? s->t.content.received : s->t.mail.size;
}

static void
build_question(struct session *s, const struct policy_options *o, const char *instance, struct text *t)
{
	add(t, "request", SPAN("smtpd_access_policy"));
	add(t, "protocol_state", span_of(s->where));
	add(t, "protocol_name", span_of(s->protocol));
	add(t, "client_address", span_of(s->client.address));
	add(t, "client_name", span_of(s->client.name));
	add(t, "client_port", span_of(s->client.port));
	add(t, "reverse_client_name", span_of(s->client.reverse_name));
	add(t, "server_address", span_of(s->client.server_address));
	add(t, "server_port", span_of(s->client.server_port));
	add(t, "helo_name", span_of(s->helo));
	add(t, "sender", s->t.mail.sender);
	add(t, "recipient", s->t.recipient.len ? s->t.recipient : s->t.accepted == 1 ? s->t.first : SPAN_NONE);
	add_number(t, "recipient_count", strcmp(s->where, "RCPT") == 0 ? 0 : s->t.accepted);
	add(t, "queue_id", s->t.submission ? span_of(session_queue_id(s)) : SPAN_NONE);
	add(t, "instance", span_of(instance));
	add_number(t, "size", (long long)size_known(s));
	add(t, "etrn_domain", s->t.etrn);
	add(t, "stress", span_of(s->limits->stressed ? "yes" : ""));
	add(t, "sasl_method", span_of(s->sasl_method));
	add(t, "sasl_username", span_of(s->sasl_user));
	add(t, "sasl_sender", s->sasl_user[0] ? s->t.mail.auth : SPAN_NONE);
	add_tls(s, t);
	add(t, "policy_context", span_of(o->context ? o->context : settings.policy_context));
	add(t, "compatibility_level", span_of(site.compatibility_level));
	add(t, "mail_version", span_of(site.mail_version));
	text_add_byte(t, '\n');
}

static int
read_answer(struct conn *conn, struct text *action, struct fault *why)
{
	struct span line;
	bool        found = false;

	for (int i = 0; i < REPLY_LINES; i++) {
		if (conn_line(conn, REPLY_LINE, &line, NULL, why) < 0)
			return -1;
		if (line.len == 0)
			return found ? 0 : fault_set(why, FAULT_INPUT, "an answer without an action");
		if (span_starts(line, "action=")) {
			text_set(action, span_from(line, 7));
			found = true;
		}
	}
	return fault_set(why, FAULT_INPUT, "an answer without end");
}

/* smtpd_policy_service_max_idle, _max_ttl, _request_limit: a connection that has served its time is not asked again. */
static void
retire(struct policy *p)
{
	const struct policy_options *o = p->options;
	int64_t max_idle = o->max_idle < 0 ? settings.policy_max_idle : o->max_idle;
	int64_t max_ttl = o->max_ttl < 0 ? settings.policy_max_ttl : o->max_ttl, now = clock_now();
	int     limit = o->request_limit < 0 ? settings.policy_request_limit : o->request_limit;

	if (p->conn && (now - p->used > max_idle || now - p->born > max_ttl || (limit && p->questions >= limit)))
		conn_free(take(p->conn));
}

static int
ask_once(struct policy *p, struct span question, int64_t deadline, struct text *action, struct fault *why)
{
	int fd = -1;

	if (!p->conn) {
		if (ask_dial(span_of(p->options->endpoint), deadline, &fd, why) < 0)
			return -1;
		p->conn = conn_new(fd);
		p->born = clock_now();
		p->questions = 0;
	}
	conn_deadline(p->conn, deadline);
	if (conn_write(p->conn, question, why) == 0 && conn_flush(p->conn, why) == 0 && read_answer(p->conn, action, why) == 0) {
		p->used = clock_now();
		p->questions++;
		return 0;
	}
	conn_free(take(p->conn));
	return -1;
}

static struct policy *
policy_of(struct session *s, const struct policy_options *o)
{
	struct policy *p;

	for (p = s->policies; p; p = p->next)
		if (p->options == o)
			return p;
	p = mem_alloc(sizeof *p);
	p->options = o;
	p->next = s->policies;
	return s->policies = p;
}

/* One question about the session as it stands: 0 and the action, -1 why. */
static int
policy_ask(struct session *s, const struct policy_options *o, struct text *action, struct fault *why)
{
	struct policy       *p = policy_of(s, o);
	autotext struct text question = {0};
	int64_t              timeout = o->timeout ? o->timeout : settings.policy_timeout;
	int                  tries = o->tries ? o->tries : settings.policy_tries;
	char                 instance[80];

	/* the same for all questions about one message (greylisters count on that) */
	snprintf(instance, sizeof instance, "%lx.%llx.%u.0", (long)getpid(), (long long)s->born_us, s->messages);
	build_question(s, o, instance, &question);
	retire(p);
	for (int i = 0; i < tries; i++) {
		bool kept = p->conn != NULL;

		if (i > 0 && !kept)
			poll(NULL, 0, (int)(o->retry_delay ? o->retry_delay : settings.policy_retry_delay));
		if (ask_once(p, text_span(&question), clock_after(timeout), action, why) == 0)
			return 0;
		if (kept) /* it had been closed in between: that is no try */
			i--;
		log_warning("problem talking to server %s: %s", o->endpoint, fault_text(why));
	}
	return -1;
}

void
policies_free(struct policy *p)
{
	while (p) {
		struct policy *next = p->next;

		conn_free(p->conn);
		free(p);
		p = next;
	}
}

enum verdict
check_policy_service(struct check *asked, const struct rule_use *u)
{
	struct check         c = *asked;
	autotext struct text action = {0};
	struct fault         why = {0};

	if (c.about == ABOUT_SENDER && !c.s->t.has_sender)
		return DUNNO;
	if (policy_ask(c.s, u->policy, &action, &why) < 0)
		text_set(&action, span_of(u->policy->default_action ? u->policy->default_action : settings.policy_default));
	return access_result(&c, text_span(&action), u->policy->endpoint);
}
