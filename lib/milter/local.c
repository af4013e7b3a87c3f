/* SPDX-License-Identifier: ISC */
/*
 * local.c - a session that is played: mail that did not come by SMTP
 *
 * As Postfix does: the client is localhost[127.0.0.1], and says HELO localhost.
 */
#include <stdio.h>

#include "base/log.h"
#include "ipc/log_address.h"
#include "mail/address.h"
#include "milter_private.h"

struct play {
	const struct milter_mail *mail;
	struct milters           *all;
	struct span               rcpt;      /* that is being told, or the last */
	struct arena             *arena;
	bool                      discard;
	char                     *status;
	struct fault             *why;
};

static struct span
external(struct play *p, struct span address)
{
	autotext struct text t = {0};

	address_external(address, &t);
	return arena_span(p->arena, text_span(&t));
}

static struct span
path(struct play *p, struct span address)
{
	return span_of(arena_format(p->arena, "<%.*s>", SPAN_ARGS(external(p, address))));
}

static bool
macro(void *context, const char *name, struct text *value)
{
	struct play                  *p = context;
	const struct milter_settings *settings = p->all->specs->settings;
	const struct {
		const char *name;
		struct span value;
	} known[] = {
		{"j", span_of(p->mail->myhostname)},
		{"v", span_of(settings->v)},
		{"_", SPAN("localhost [127.0.0.1]")},
		{"i", span_of(submit_queue_id(p->mail->submission))},
		{"{daemon_name}", span_of(settings->daemon_name)},
		{"{daemon_addr}", SPAN("127.0.0.1")},
		{"{client_addr}", SPAN("127.0.0.1")},
		{"{client_name}", SPAN("localhost")},
		{"{client_ptr}", SPAN("localhost")},
		{"{client_port}", SPAN("0")},
		{"{client_resolve}", SPAN("OK")},
		{"{mail_addr}", external(p, p->mail->envelope->sender)},
		{"{rcpt_addr}", external(p, p->rcpt)},
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (strcmp(known[i].name, name) == 0 && known[i].value.len) {
			text_set(value, known[i].value);
			return true;
		}
	return false;
}

static void
log_action(struct play *p, const char *kind, const char *where, const char *text)
{
	autotext struct text line = {0};

	text_add_format(&line, "%s: %s: %s from localhost[127.0.0.1]: %s;", submit_queue_id(p->mail->submission), kind, where,
	                text);
	log_add_address(&line, " from=", p->mail->envelope->sender);
	if (p->rcpt.len)
		log_add_address(&line, " to=", p->rcpt);
	log_info("%s", text_string(&line));
}

/* "550 5.7.1 no": 5.7.1 and no */
static int
refused(struct play *p, const char *where)
{
	const char *reply = milters_reply(p->all), *rest = strlen(reply) > 4 ? reply + 4 : "";
	struct span text = span_of(rest), word;
	bool        never = reply[0] == '5';

	log_action(p, "milter-reject", where, rest);
	snprintf(p->status, 16, "%s", never ? "5.7.1" : "4.7.1");
	if (span_next(&text, " ", &word) && word.len < 16 && word.len > 4 && word.at[0] == reply[0] && word.at[1] == '.') {
		memcpy(p->status, word.at, word.len);
		p->status[word.len] = '\0';
		text = span_trim(text);
	} else {
		text = span_of(rest);
	}
	return fault_set(p->why, never ? FAULT_DENIED : FAULT_SYSTEM, "%.*s", SPAN_ARGS(text));
}

/* 0 to go on */
static int
heed(struct play *p, const char *where, enum milter_verdict verdict, struct text *edits)
{
	switch (verdict) {
	case MILTER_REPLY:
		return refused(p, where);
	case MILTER_HOLD:
		log_action(p, "milter-hold", where, "milter triggers HOLD action");
		submit_edit_hold(edits);
		return 0;
	case MILTER_DISCARD:
		log_action(p, "milter-discard", where, "milter triggers DISCARD action");
		p->discard = true;
		return 1;
	case MILTER_PASS:
		break;
	}
	return 0;
}

/* Nobody is there who could be told about one recipient: it is for the administrator to mend. */
static int
rcpt_refused(struct play *p)
{
	refused(p, "RCPT");
	log_warning("%s: milter configuration error: can't reject recipient in non-smtpd(8) submission",
	            submit_queue_id(p->mail->submission));
	snprintf(p->status, 16, "4.3.5");
	return fault_set(p->why, FAULT_SYSTEM, "Server configuration error");
}

static int
rcpts(struct play *p, struct text *edits)
{
	int done = 0;

	for (size_t i = 0; i < p->mail->n_rcpts && done == 0; i++) {
		struct span         argument;
		enum milter_verdict v;

		p->rcpt = p->mail->rcpts[i].address;
		argument = path(p, p->rcpt);
		v = milters_rcpt(p->all, &argument, 1, false);
		done = v == MILTER_REPLY ? rcpt_refused(p) : heed(p, "RCPT", v, edits);
	}
	return done;
}

static int
play(struct play *p, struct text *edits)
{
	const struct milter_mail *m = p->mail;
	struct span               sender = path(p, m->envelope->sender);
	int                       done = heed(p, "CONNECT", milters_connect(p->all, SPAN("localhost"), SPAN("127.0.0.1"), 0), edits);

	if (done == 0)
		done = heed(p, "EHLO", milters_helo(p->all, SPAN("localhost")), edits);
	if (done == 0)
		done = heed(p, "MAIL", milters_mail(p->all, &sender, 1), edits);
	if (done == 0)
		done = rcpts(p, edits);
	if (done == 0)
		done = heed(p, "DATA", milters_data(p->all), edits);
	if (done == 0)
		done = heed(p, "END-OF-MESSAGE", milters_message(p->all, m->submission, m->fd, m->size_limit, edits), edits);
	if (done != 0)
		milters_abort(p->all);
	return done;
}

int
milters_judge(const struct milter_specs *specs, const struct milter_mail *mail, struct text *edits, char status[16], struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	struct play             p = {.mail = mail, .rcpt = SPAN_NONE, .arena = arena, .status = status, .why = why};
	int                     done;

	status[0] = '\0';
	p.all = milters_open(specs, macro, &p, mail->soft_bounce);
	if (!p.all)
		return 0;
	done = play(&p, edits);
	milters_close(p.all);
	return done;
}
