/* SPDX-License-Identifier: ISC */
/*
 * rules.c - lists of restrictions: compiled at start, evaluated from left to right
 */
#include "rules.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "config/site.h"
#include "mail/status.h"
#include "policy.h"
#include "rules_internal.h"
#include "service/service.h"

struct rule_list {
	struct rule_use *at;
	size_t           count;
};

static struct class {
	char             *name;
	struct rule_list *lists[ABOUTS];
} *classes;
static size_t n_classes;

/* ---- compiling ---- */

static enum verdict
judge_class(struct check *c, const struct rule_use *use)
{
	if (c->depth >= RULES_DEPTH_MAX)
		return refuse_misconfigured(c);
	c->depth++;
	enum verdict v = run_list(c, use->list);
	c->depth--;
	return v;
}

static const struct rule class_rule = {"class", NO_ARGUMENT, judge_class};

static const struct rule bare_tables[ABOUTS] = {
	[ABOUT_CLIENT] = {"check_client_access", TABLE, check_client_access},
	[ABOUT_HELO] = {"check_helo_access", TABLE, check_helo_access},
	[ABOUT_SENDER] = {"check_sender_access", TABLE, check_sender_access},
	[ABOUT_RECIPIENT] = {"check_recipient_access", TABLE, check_recipient_access},
	[ABOUT_DATA] = {"check_recipient_access", TABLE, check_recipient_access},
	[ABOUT_END_OF_DATA] = {"check_recipient_access", TABLE, check_recipient_access},
	[ABOUT_ETRN] = {"check_etrn_access", TABLE, check_etrn_access},
};

static const struct rule *
find_rule(struct span name)
{
	for (const struct rule *r = rules; r->name; r++)
		if (span_equal_nocase(name, span_of(r->name)))
			return r;
	return NULL;
}

static struct rule_use *
add_use(struct rule_list *l, const struct rule *r)
{
	l->at = mem_grow(l->at, l->count + 1, sizeof *l->at);
	l->at[l->count] = (struct rule_use){.rule = r};
	return &l->at[l->count++];
}

static int
open_table(struct rule_use *use, const char *spec, struct fault *why)
{
	struct list one = {0};

	list_add(&one, span_of(spec));
	use->tables = table_list_open(&one, why);
	list_free(&one);
	if (!use->tables)
		return -1;
	for (size_t i = 0; i < table_list_count(use->tables); i++)
		service_watch_table(table_list_at(use->tables, i));
	return 0;
}

static int
set_argument(struct rule_use *use, const char *argument, struct fault *why)
{
	use->argument = mem_string(argument);
	if (use->rule->argument == TABLE)
		return open_table(use, argument, why);
	if (use->rule->argument == ENDPOINT)
		return policy_options_parse(span_of(argument), &use->policy, why);
	return 0;
}

static void compile_into(struct rule_list *, const char *, const struct list *, enum about, struct faults *, int depth);

static void
compile_group(struct rule_list *out, const char *parameter, struct span inside, enum about about, struct faults *faults, int depth)
{
	struct list  list = {0};
	struct fault why = {0};

	if (list_parse(inside, &list, &why) < 0)
		faults_add(faults, "%s: %s", parameter, fault_text(&why));
	else
		compile_into(out, parameter, &list, about, faults, depth + 1);
	list_free(&list);
}

/* One element, with its argument behind it; how many elements were used. */
static size_t
compile_item(struct rule_list *out, const char *parameter, const struct list *l, size_t i, enum about about,
             struct faults *faults, int depth)
{
	const char        *place = main_cf_place(service->main_cf, parameter);
	struct span        item = span_of(l->item[i]), inside;
	const struct rule *r = find_rule(item);
	struct rule_list  *class = rules_class(item, about);
	struct fault       why = {0};

	if (list_group(item, &inside)) {
		compile_group(out, parameter, inside, about, faults, depth);
		return 1;
	}
	if (class) {
		add_use(out, &class_rule)->list = class;
		return 1;
	}
	if (!r && table_is_spec(item)) {
		if (open_table(add_use(out, &bare_tables[about]), l->item[i], &why) < 0)
			faults_add(faults, "%s%s: %s", place, parameter, fault_text(&why));
		return 1;
	}
	if (!r || !r->judge) {
		faults_add(faults, "%s%s: %s smtpd restriction: \"%s\"", place, parameter,
		           r ? "this version does not have the" : "unknown", l->item[i]);
		return r && r->argument != NO_ARGUMENT ? 2 : 1;
	}
	if (r->argument == NO_ARGUMENT) {
		add_use(out, r);
		return 1;
	}
	if (i + 1 >= l->count) {
		faults_add(faults, "%s%s: %s needs an argument", place, parameter, r->name);
		return 1;
	}
	if (set_argument(add_use(out, r), l->item[i + 1], &why) < 0)
		faults_add(faults, "%s%s: %s: %s", place, parameter, r->name, fault_text(&why));
	return 2;
}

static void
compile_into(struct rule_list *out, const char *parameter, const struct list *l, enum about about, struct faults *faults, int depth)
{
	if (depth > RULES_DEPTH_MAX) {
		faults_add(faults, "%s: nested too deep", parameter);
		return;
	}
	for (size_t i = 0; i < l->count;)
		i += compile_item(out, parameter, l, i, about, faults, depth);
}

struct rule_list *
rules_compile(const char *parameter, const struct list *l, enum about about, struct faults *faults)
{
	struct rule_list *out = mem_alloc(sizeof *out);

	compile_into(out, parameter, l, about, faults, 0);
	return out;
}

struct rule_list *
rules_class(struct span name, enum about about)
{
	for (size_t i = 0; i < n_classes; i++)
		if (span_is(name, classes[i].name))
			return classes[i].lists[about];
	return NULL;
}

/* All names first, so that a class may use another. */
void
rules_classes(const struct list *names, struct faults *faults)
{
	classes = mem_array(names->count + 1, sizeof *classes);
	for (size_t i = 0; i < names->count; i++) {
		classes[i].name = names->item[i];
		for (int a = 0; a < ABOUTS; a++)
			classes[i].lists[a] = mem_alloc(sizeof(struct rule_list));
	}
	n_classes = names->count;
	for (size_t i = 0; i < names->count; i++) {
		autotext struct text value = {0};
		struct list          list = {0};
		struct fault         why = {0};
		int                  found = main_cf_get(service->main_cf, names->item[i], &value, &why);

		if (found < 0 || list_parse(text_span(&value), &list, &why) < 0) {
			faults_add(faults, "%s: %s", names->item[i], fault_text(&why));
			continue;
		}
		if (found > 0)
			faults_add(faults, "smtpd_restriction_classes: nothing sets %s", names->item[i]);
		for (int a = 0; a < ABOUTS; a++) {
			struct faults again = {0};    /* told once */

			compile_into(classes[i].lists[a], names->item[i], &list, (enum about)a, a ? &again : faults, 0);
			faults_free(&again);
		}
		list_free(&list);
	}
}

static bool
guards(const struct rule_list *l, int depth)
{
	static const char *const stops[] = {"reject", "reject_unauth_destination", "defer", "defer_unauth_destination",
	                                    "defer_if_permit", "check_relay_domains"};

	for (size_t i = 0; l && i < l->count; i++) {
		for (size_t k = 0; k < COUNT(stops); k++)
			if (strcmp(l->at[i].rule->name, stops[k]) == 0)
				return true;
		if (l->at[i].list && depth < RULES_DEPTH_MAX && guards(l->at[i].list, depth + 1))
			return true;
	}
	return false;
}

bool
rules_guard_relaying(const struct rule_list *l)
{
	return guards(l, 0);
}

/* ---- saying no ---- */

/* Status and code agree in their class (RFC 2034, 4); soft_bounce makes all of it "not now". */
static void build_refusal(int, const char *, const char *, va_list, struct text *) __attribute__((format(printf, 3, 0)));

static void
build_refusal(int code, const char *dsn, const char *format, va_list args, struct text *out)
{
	if (site.soft_bounce && code >= 500)
		code -= 100;
	text_clear(out);
	text_add_format(out, "%d %d%s ", code, code / 100, dsn + 1);
	text_add_args(out, format, args);
	for (size_t i = 0; i < out->len; i++)
		if ((unsigned char)out->at[i] < 32 || out->at[i] == 127)
			out->at[i] = '?';
}

static enum verdict
deliver_refusal(struct check *c)
{
	struct session *s = c->s;

	if (c->warn) {
		log_event(s, "reject_warning", text_span(&s->refusal));
		return DUNNO;
	}
	if (s->defer_if_reject.active && s->refusal.at[0] == '5')
		text_set(&s->refusal, text_span(&s->defer_if_reject.reply));
	log_event(s, "reject", text_span(&s->refusal));
	return REJECT;
}

enum verdict
refuse(struct check *c, int code, const char *dsn, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	build_refusal(code, dsn, format, args, &c->s->refusal);
	va_end(args);
	return deliver_refusal(c);
}

enum verdict
refuse_it(struct check *c, int code, const char *dsn, const char *reason)
{
	return refuse(c, code, dsn, "<%.*s>: %s rejected: %s", SPAN_ARGS(c->name), c->class, reason);
}

enum verdict
defer_if_permit(struct check *c, int code, const char *dsn, const char *format, ...)
{
	va_list args;

	if (c->warn) {
		va_start(args, format);
		build_refusal(code, dsn, format, args, &c->s->refusal);
		va_end(args);
		return deliver_refusal(c);
	}
	if (c->s->defer_if_permit.active)
		return DUNNO;
	va_start(args, format);
	build_refusal(code, dsn, format, args, &c->s->defer_if_permit.reply);
	va_end(args);
	c->s->defer_if_permit.active = true;
	return DUNNO;
}

enum verdict
refuse_trouble(struct check *c)
{
	return refuse(c, 451, "4.3.0", "<%.*s>: Temporary lookup failure", SPAN_ARGS(c->name));
}

enum verdict
refuse_misconfigured(struct check *c)
{
	return refuse(c, 451, "4.3.5", "<%.*s>: %s rejected: Server configuration error", SPAN_ARGS(c->name), c->class);
}

/* ---- evaluating ---- */

static struct check
check_of(struct session *s, enum about about)
{
	static const char *const names[] = {"Client host", "Helo command", "Sender address", "Recipient address",
	                                    "Data command", "End-of-data", "Etrn command"};
	struct check c = {.s = s, .about = about, .class = names[about]};

	switch (about) {
	case ABOUT_CLIENT: c.name = span_of(s->client.label); break;
	case ABOUT_HELO: c.name = span_of(s->helo); break;
	case ABOUT_SENDER: c.name = s->t.mail.sender; break;
	case ABOUT_RECIPIENT: c.name = s->t.recipient; break;
	case ABOUT_DATA: c.name = SPAN("DATA"); break;
	case ABOUT_END_OF_DATA: c.name = SPAN("END-OF-MESSAGE"); break;
	default: c.name = s->t.etrn; break;
	}
	return c;
}

struct check
check_about(const struct check *c, enum about about)
{
	struct check other = check_of(c->s, about);

	other.warn = c->warn;
	other.depth = c->depth;
	return other;
}

void
log_permit(struct check *c, struct span action)
{
	autotext struct text what = {0};
	struct fault         why = {0};

	if (!prepared.log_permit || match_string(prepared.log_permit, action, &why) <= 0)
		return;
	text_add_format(&what, "action=%.*s for %s=%.*s", SPAN_ARGS(action), c->class, SPAN_ARGS(c->name));
	log_event(c->s, "permit", text_span(&what));
}

enum verdict
run_list(struct check *c, const struct rule_list *l)
{
	bool warned = c->warn;

	for (size_t i = 0; l && i < l->count; i++) {
		const struct rule_use *use = &l->at[i];
		enum verdict           v;

		if (strcmp(use->rule->name, "warn_if_reject") == 0) {
			c->warn = true;
			continue;
		}
		v = use->rule->judge(c, use);
		c->warn = warned;
		if (v == PERMIT && !use->tables && !use->list && !use->policy)
			log_permit(c, span_of(use->rule->name));
		if (v != DUNNO)
			return v;
	}
	return DUNNO;
}

enum verdict
run_text(struct check *c, struct span text)
{
	struct span word;
	bool        warned = c->warn;

	if (c->depth >= RULES_DEPTH_MAX)
		return refuse_misconfigured(c);
	c->depth++;
	while (span_next(&text, ", \t\r\n", &word)) {
		const struct rule     *r = find_rule(word);
		struct rule_use        use = {.rule = r, .list = rules_class(word, c->about)};
		autofree char         *argument = NULL;
		struct span            next;
		enum verdict           v;

		if (r && strcmp(r->name, "warn_if_reject") == 0) {
			c->warn = true;
			continue;
		}
		if (r && r->argument == WORD && span_next(&text, ", \t\r\n", &next))
			use.argument = argument = mem_span(next);
		if (use.list)
			v = judge_class(c, &use);
		else if (r && r->judge && (r->argument == NO_ARGUMENT || use.argument)) {
			v = r->judge(c, &use);
			if (v == PERMIT)
				log_permit(c, word);
		} else {
			log_warning("unknown smtpd restriction: \"%.*s\"", SPAN_ARGS(span_first(word, 100)));
			v = refuse_misconfigured(c);
		}
		c->warn = warned;
		if (v != DUNNO) {
			c->depth--;
			return v;
		}
	}
	c->depth--;
	return DUNNO;
}

static void
forget_deferrals(struct session *s)
{
	s->defer_if_permit.active = s->defer_if_reject.active = false;
}

static enum verdict
run_about(struct session *s, enum about about, const struct rule_list *l)
{
	struct check c = check_of(s, about);

	s->defer_if_reject.active = false;
	return run_list(&c, l);
}

/* What a failed lookup could have refused is not permitted: later. */
static enum verdict
settle(struct session *s, enum verdict v)
{
	if (v == REJECT || !s->defer_if_permit.active)
		return v;
	text_set(&s->refusal, text_span(&s->defer_if_permit.reply));
	log_event(s, "reject", text_span(&s->refusal));
	return REJECT;
}

static enum verdict
run_alone(struct session *s, enum about about, const struct rule_list *l)
{
	forget_deferrals(s);
	return settle(s, run_about(s, about, l));
}

enum verdict
rules_at_connect(struct session *s)
{
	return run_alone(s, ABOUT_CLIENT, prepared.client);
}

enum verdict
rules_at_helo(struct session *s)
{
	return run_alone(s, ABOUT_HELO, prepared.helo);
}

static enum verdict
sender_rules(struct session *s)
{
	struct check c = check_of(s, ABOUT_SENDER);
	enum verdict v;

	s->t.sender_checked = false;
	v = run_about(s, ABOUT_SENDER, prepared.sender);
	if (v != REJECT && settings.reject_unlisted_sender && !s->t.sender_checked && s->t.mail.sender.len)
		v = reject_unlisted_sender(&c, NULL);
	return v;
}

enum verdict
rules_at_mail(struct session *s)
{
	forget_deferrals(s);
	return settle(s, sender_rules(s));
}

static enum verdict
delayed_rules(struct session *s)
{
	enum verdict v = run_about(s, ABOUT_CLIENT, prepared.client);

	if (v != REJECT && s->helo[0])
		v = run_about(s, ABOUT_HELO, prepared.helo);
	return v == REJECT || !s->t.has_sender ? v : sender_rules(s);
}

enum verdict
rules_at_rcpt(struct session *s)
{
	const struct rule_list *order[2] = {settings.relay_first ? prepared.relay : prepared.recipient,
	                                    settings.relay_first ? prepared.recipient : prepared.relay};
	struct check c = check_of(s, ABOUT_RECIPIENT);
	enum verdict v = DUNNO;

	if (span_is_nocase(s->t.recipient, "postmaster"))
		return PERMIT;
	forget_deferrals(s);
	if (settings.delay_reject)
		v = delayed_rules(s);
	for (size_t i = 0; v != REJECT && i < COUNT(order); i++)
		v = run_about(s, ABOUT_RECIPIENT, order[i]);
	v = settle(s, v);
	if (v != REJECT && settings.reject_unlisted_recipient && !s->t.recipient_checked)
		v = reject_unlisted_recipient(&c, NULL);
	return v;
}

enum verdict
rules_at_data(struct session *s)
{
	return run_alone(s, ABOUT_DATA, prepared.data);
}

enum verdict
rules_at_end_of_data(struct session *s)
{
	return run_alone(s, ABOUT_END_OF_DATA, prepared.end_of_data);
}

enum verdict
rules_at_etrn(struct session *s)
{
	return run_alone(s, ABOUT_ETRN, prepared.etrn);
}

bool
rules_is_local_client(struct session *s)
{
	struct check c = check_of(s, ABOUT_CLIENT);

	return run_list(&c, prepared.local_rewrite) == PERMIT;
}
