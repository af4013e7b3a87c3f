/* SPDX-License-Identifier: ISC */
/*
 * rules_verify.c - would its server take mail for this address?
 *
 * verify knows, or sends a probe; then we ask again some times, and a client that
 * would not wait longer is told to come back.  Source: ADDRESS_VERIFICATION_README of Postfix.
 */
#include <poll.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/ask_verify.h"
#include "mail/verify_sender.h"
#include "rules_internal.h"

struct manner {
	int         reject_code, defer_code;
	bool        at_once;            /* tempfail action is defer, not defer_if_permit */
	const char *dsn, *reason;
};

/* A bare address_verify_sender is completed with myorigin (guard/verify_probe.c). */
static bool
is_at_home(struct span address)
{
	ptrdiff_t at = span_find_last(address, '@');

	return strchr(settings.verify_sender, '@') || at < 0 ||
	       span_is_nocase(span_from(address, (size_t)at + 1), site.myorigin);
}

bool
is_verify_sender(struct span address)
{
	return is_at_home(address) && verify_sender_is(span_of(settings.verify_sender), settings.verify_sender_ttl, clock_wall(), address);
}

/* WAITS, at most polls x delay. */
static int
look_up(struct check *c, struct span address, enum verify_state *state, struct text *text)
{
	for (int i = 0;; i++) {
		if (ask_verify(address, state, text, &c->s->why) < 0) {
			log_warning("address verification service failure: %s", fault_text(&c->s->why));
			return -1;
		}
		if (*state != VERIFY_UNKNOWN || i + 1 >= settings.verify_polls)
			return 0;
		conn_flush(c->s->conn, &c->s->why);
		poll(NULL, 0, (int)settings.verify_poll_delay);
	}
}

static enum verdict
not_now(struct check *c, const struct manner *m, int code, const char *words)
{
	if (m->at_once)
		return refuse(c, code, m->dsn, "<%.*s>: %s rejected: %s", SPAN_ARGS(c->name), c->class, words);
	return defer_if_permit(c, code, m->dsn, "<%.*s>: %s rejected: %s", SPAN_ARGS(c->name), c->class, words);
}

static enum verdict
reject_unverified(struct check *c, const struct route *r, const struct manner *m)
{
	autotext struct text text = {0}, words = {0};
	enum verify_state    state;

	if (!r)
		return refuse_trouble(c);
	if (look_up(c, r->recipient.len ? r->recipient : c->name, &state, &text) < 0)
		return not_now(c, m, m->defer_code, "address verification problem");
	if (state == VERIFY_OK)
		return DUNNO;
	if (m->reason[0])
		text_add_string(&words, m->reason);
	else
		text_add_format(&words, "unverified address: %.250s", text_string(&text));
	if (state != VERIFY_BOUNCE)
		return not_now(c, m, m->defer_code, text_string(&words));
	if (m->reject_code < 400)
		return DUNNO; /* 2xx: only the log is wanted, and verify's own lines are there */
	return refuse(c, m->reject_code, m->dsn, "<%.*s>: %s rejected: %s", SPAN_ARGS(c->name), c->class, text_string(&words));
}

enum verdict
reject_unverified_recipient(struct check *asked, const struct rule_use *u)
{
	struct check        c = check_about(asked, ABOUT_RECIPIENT);
	const struct manner m = {settings.unverified_recipient_reject, settings.unverified_recipient_defer,
	                         settings.unverified_recipient_tempfail == 1, "4.1.1", settings.unverified_recipient_reason};

	(void)u;
	if (c.s->t.recipient.len == 0 || is_verify_sender(c.s->t.recipient))
		return DUNNO;
	return reject_unverified(&c, recipient_route(&c), &m);
}

enum verdict
reject_unverified_sender(struct check *asked, const struct rule_use *u)
{
	struct check        c = check_about(asked, ABOUT_SENDER);
	const struct manner m = {settings.unverified_sender_reject, settings.unverified_sender_defer,
	                         settings.unverified_sender_tempfail == 1, "4.1.7", settings.unverified_sender_reason};

	(void)u;
	if (!c.s->t.has_sender || c.s->t.mail.sender.len == 0 || is_verify_sender(c.s->t.mail.sender))
		return DUNNO;
	return reject_unverified(&c, sender_route(&c), &m);
}
