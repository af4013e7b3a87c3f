/* SPDX-License-Identifier: ISC */
/*
 * asking.c - one milter and the content of a message
 */
#include "base/log.h"
#include "mail/smtp_syntax.h"
#include "milter_private.h"

enum { HAPPENED = -1 };   /* not the end: go on */

static const struct milter_event
	header_event = {.command = 'L', .stage = MILTER_STAGES, .skip = NO_HEADER, .quiet = QUIET_HEADER},
	eoh_event    = {.command = 'N', .stage = STAGE_EOH, .skip = NO_EOH, .quiet = QUIET_EOH},
	body_event   = {.command = 'B', .stage = MILTER_STAGES, .skip = NO_BODY, .quiet = QUIET_BODY},
	end_event    = {.command = 'E', .stage = STAGE_EOM};

struct asking {
	struct milters        *all;
	struct milter         *m;
	struct milter_content *content;
	enum milter_verdict    verdict;
	bool                   skip;         /* it has seen enough of the body */
	bool                   hold;
};

/* Tells an event of the content, and hears what there is to hear: HAPPENED, or 0: it is over with a verdict. */
static int
say(struct asking *a, const struct milter_event *e, struct span packet)
{
	autotext struct text buffer = {0};
	struct milter_reply  reply;
	struct milter       *m = a->m;
	int64_t              timeout = m->spec->content_timeout;

	if (milter_tell(a->all, m, e, packet, timeout) < 0) {
		a->verdict = milter_failed(a->all, m);
		return 0;
	}
	if (m->steps & e->quiet)
		return HAPPENED;
	if (milter_hear(m, e->command, timeout, &buffer, &reply) < 0) {
		a->verdict = milter_failed(a->all, m);
		return 0;
	}
	if (reply.code == REPLY_CONTINUE)
		return HAPPENED;
	if (reply.code == REPLY_SKIP && e == &body_event) {
		a->skip = true;
		return HAPPENED;
	}
	a->verdict = milter_decide(a->all, m, e, &reply);
	return 0;
}

static int
macros_of(struct asking *a, const struct milter_event *e, enum milter_stage stage)
{
	if (milter_tell_macros(a->all, a->m, e->command, stage) == 0)
		return HAPPENED;
	a->verdict = milter_failed(a->all, a->m);
	return 0;
}

/* ---- what it sees ---- */

/* Folds are one LF, the blank behind the colon is ours unless it asked for it, and a NUL would hide the rest. */
static void
shown_value(const struct milter *m, struct span value, struct text *out)
{
	text_clear(out);
	if (!(m->steps & LEADING_BLANKS) && value.len && value.at[0] == ' ')
		value = span_from(value, 1);
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] == '\r' && i + 1 < value.len && value.at[i + 1] == '\n')
			continue;
		text_add_byte(out, value.at[i] ? value.at[i] : ' ');
	}
}

static int
show_header(struct asking *a)
{
	autotext struct text value = {0}, packet = {0};
	bool                 first = true;

	if (a->m->steps & NO_HEADER)
		return HAPPENED;
	for (size_t i = 0; i < a->content->count; i++) {
		const struct content_field *f = &a->content->fields[i];

		if (f->hidden || f->nameless)
			continue;
		if (first && macros_of(a, &header_event, STAGE_EOH) != HAPPENED)
			return 0;
		first = false;
		shown_value(a->m, f->value, &value);
		text_clear(&packet);
		milter_put_strings(&packet, 'L', (struct span[]){f->name, text_span(&value)}, 2);
		if (say(a, &header_event, text_span(&packet)) != HAPPENED)
			return 0;
	}
	return HAPPENED;
}

static int
show_end_of_header(struct asking *a)
{
	autotext struct text packet = {0};

	if (a->m->steps & NO_EOH)
		return HAPPENED;
	milter_put(&packet, 'N', SPAN_NONE);
	return say(a, &eoh_event, text_span(&packet));
}

/* Reads until a packet is full or the body ends: 0, -1 */
static int
fill(struct asking *a, int64_t *position, struct text *chunk, struct fault *why)
{
	autotext struct text part = {0};

	text_clear(chunk);
	while (chunk->len < MILTER_BODY_MAX) {
		if (content_body(a->content, position, MILTER_BODY_MAX - chunk->len, &part, why) < 0)
			return -1;
		if (part.len == 0)
			return 0;
		text_add(chunk, text_span(&part));
	}
	return 0;
}

static int
trouble(struct asking *a, const struct fault *why)
{
	log_warning("milter %s: %s", a->m->spec->name, fault_text(why));
	text_set(&a->all->reply, why->class == FAULT_DENIED ? SPAN("552 5.3.4 Message size exceeds fixed limit")
	                                                    : SPAN("451 4.3.0 Error: queue file write error"));
	a->verdict = MILTER_REPLY;
	return 0;
}

static int
show_body(struct asking *a)
{
	autotext struct text chunk = {0}, packet = {0};
	struct fault         why = {0};
	int64_t              position = 0;

	if (a->m->steps & NO_BODY)
		return HAPPENED;
	for (bool first = true; !a->skip; first = false) {
		if (fill(a, &position, &chunk, &why) < 0)
			return trouble(a, &why);
		if (chunk.len == 0)
			break;
		if (first && macros_of(a, &body_event, STAGE_EOM) != HAPPENED)
			return 0;
		text_clear(&packet);
		milter_put(&packet, 'B', text_span(&chunk));
		if (say(a, &body_event, text_span(&packet)) != HAPPENED)
			return 0;
	}
	return HAPPENED;
}

/* ---- what it wants ---- */

static void
ignored(const struct asking *a, const struct milter_reply *r, const struct fault *why)
{
	log_warning("milter %s: ignoring %s: %s", a->m->spec->name, milter_reply_name(r->code), fault_text(why));
}

/* "<a@b> RET=HDRS": with bad parameters, the address alone. */
static void
change_sender(struct asking *a, const struct milter_reply *r)
{
	struct milter_content *c = a->content;
	struct smtp_rules      rules = {.address_flags = ADDRESS_UTF8, .offer = SMTP_OFFER_DSN | SMTP_OFFER_8BITMIME | SMTP_OFFER_SMTPUTF8};
	struct smtp_mail       mail = {0};
	struct fault           why = {0};
	struct span            whole = span_of(arena_format(c->arena, "FROM:%.*s %.*s", SPAN_ARGS(r->first), SPAN_ARGS(r->second)));

	if (smtp_parse_mail(c->arena, whole, rules, &mail, &why) < 0) {
		if (r->second.len)
			log_warning("milter %s: Ignoring bad ESMTP parameters \"%.*s\" in SMFI_CHGFROM request", a->m->spec->name,
			            SPAN_ARGS(span_first(r->second, 200)));
		mail = (struct smtp_mail){0};
		whole = span_of(arena_format(c->arena, "FROM:%.*s", SPAN_ARGS(r->first)));
		if (smtp_parse_mail(c->arena, whole, rules, &mail, &why) < 0)
			return ignored(a, r, &why);
	}
	submit_edit_sender(&c->fresh, mail.sender);
	if (mail.ret || mail.envid.len) {
		static const char *const rets[] = {"", "FULL", "HDRS"};

		submit_edit_dsn(&c->fresh, span_of(rets[mail.ret]), mail.envid);
	}
}

static void
add_rcpt(struct asking *a, const struct milter_reply *r)
{
	struct milter_content *c = a->content;
	struct smtp_rules      rules = {.address_flags = ADDRESS_UTF8, .offer = SMTP_OFFER_DSN};
	struct smtp_rcpt       rcpt = {0};
	struct fault           why = {0};
	struct span            whole = span_of(arena_format(c->arena, "TO:%.*s %.*s", SPAN_ARGS(r->first), SPAN_ARGS(r->second)));

	if (smtp_parse_rcpt(c->arena, whole, rules, &rcpt, &why) < 0) {
		if (r->second.len)
			log_warning("milter %s: ignoring ESMTP argument from Milter: \"%.*s\"", a->m->spec->name,
			            SPAN_ARGS(span_first(r->second, 200)));
		rcpt = (struct smtp_rcpt){0};
		whole = span_of(arena_format(c->arena, "TO:%.*s", SPAN_ARGS(r->first)));
		if (smtp_parse_rcpt(c->arena, whole, rules, &rcpt, &why) < 0)
			return ignored(a, r, &why);
	}
	if (rcpt.notify)
		submit_edit_rcpt_notify(&c->fresh, rcpt.recipient, rcpt.orcpt, rcpt.notify);
	else
		submit_edit_rcpt(&c->fresh, rcpt.recipient, rcpt.orcpt);
}

static void
delete_rcpt(struct asking *a, const struct milter_reply *r)
{
	struct milter_content *c = a->content;
	struct fault           why = {0};
	struct span            address, rest, in = r->first;

	if (address_parse_path(c->arena, in, ADDRESS_UTF8, &address, &rest, &why) < 0)
		return ignored(a, r, &why);
	submit_edit_rcpt_delete(&c->fresh, address);
}

/* A header that is none is left out; more than we can take is a failure. */
static int
edit_header(struct asking *a, const struct milter_reply *r)
{
	bool         blanks = a->m->steps & LEADING_BLANKS;
	struct fault why = {0};
	int          done;

	if (r->code == REPLY_ADD_HEADER)
		done = content_insert(a->content, -1, r->first, r->second, blanks, &why);
	else if (r->code == REPLY_INSERT_HEADER)
		done = content_insert(a->content, r->number, r->first, r->second, blanks, &why);
	else
		done = content_change(a->content, r->number, r->first, r->second, blanks, &why);
	if (done == 0)
		return HAPPENED;
	ignored(a, r, &why);
	if (why.class == FAULT_INPUT)
		return HAPPENED;
	milter_fail(a->m);
	a->verdict = milter_failed(a->all, a->m);
	return 0;
}

/* HAPPENED for a wish, 0 for the end: r decides. */
static int
wish(struct asking *a, const struct milter_reply *r)
{
	struct fault why = {0};

	switch (r->code) {
	case REPLY_ADD_HEADER:
	case REPLY_INSERT_HEADER:
	case REPLY_CHANGE_HEADER:
		return edit_header(a, r);
	case REPLY_BODY:
		return content_add_body(a->content, r->first, &why) < 0 ? trouble(a, &why) : HAPPENED;
	case REPLY_ADD_RCPT:
	case REPLY_ADD_RCPT_ARGS:
		add_rcpt(a, r);
		return HAPPENED;
	case REPLY_DELETE_RCPT:
		delete_rcpt(a, r);
		return HAPPENED;
	case REPLY_SENDER:
		change_sender(a, r);
		return HAPPENED;
	case REPLY_QUARANTINE:
		a->hold = true;
		return HAPPENED;
	default:
		a->verdict = milter_decide(a->all, a->m, &end_event, r);
		return 0;
	}
}

static int
hear_wishes(struct asking *a)
{
	autotext struct text packet = {0}, buffer = {0};
	struct milter_reply  reply;
	int                  more = HAPPENED;

	milter_put(&packet, 'E', SPAN_NONE);
	if (milter_tell(a->all, a->m, &end_event, text_span(&packet), a->m->spec->content_timeout) < 0) {
		a->verdict = milter_failed(a->all, a->m);
		return 0;
	}
	while (more == HAPPENED) {
		if (milter_hear(a->m, 'E', a->m->spec->content_timeout, &buffer, &reply) < 0) {
			a->verdict = milter_failed(a->all, a->m);
			return 0;
		}
		more = wish(a, &reply);
	}
	a->m->in_message = false;
	return 0;
}

enum milter_verdict
milter_content(struct milters *all, struct milter *m, struct milter_content *content)
{
	struct asking a = {.all = all, .m = m, .content = content, .verdict = MILTER_PASS};
	struct fault  why = {0};

	if (show_header(&a) == HAPPENED && show_end_of_header(&a) == HAPPENED && show_body(&a) == HAPPENED)
		hear_wishes(&a);
	if (a.verdict != MILTER_PASS || m->state == MILTER_FAILED) {
		content_forget(content);
		return a.verdict;
	}
	if (a.hold)
		submit_edit_hold(&content->fresh);
	if (content_keep(content, &why) < 0)
		trouble(&a, &why);
	else if (a.hold)
		a.verdict = MILTER_HOLD;
	return a.verdict;
}
