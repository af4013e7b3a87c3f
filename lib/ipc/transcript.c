/* SPDX-License-Identifier: ISC */
/*
 * transcript.c - what was said in an SMTP session, for the postmaster (notify_classes)
 */
#include "ipc/transcript.h"

#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "ipc/submit.h"
#include "mail/date.h"
#include "mail/line.h"
#include "mail/message_id.h"

enum { KEPT_MAX = 64 * 1024, LINE_MAX_KEPT = 900, SUBMIT_MS = 90 * 1000 };

unsigned
transcript_classes(const struct list *classes)
{
	static const char *const words[] = {"policy", "protocol", "resource", "software", "data", "bounce"};
	unsigned                 wanted = 0;

	for (size_t i = 0; i < COUNT(words); i++)
		if (list_has(classes, words[i]))
			wanted |= 1u << i;
	return wanted;
}

/* Half of it goes, up to the end of a line. */
static void
forget_the_oldest(struct transcript *t)
{
	struct span all = text_span(&t->lines), rest = {all.at + all.len / 2, all.len - all.len / 2};
	ptrdiff_t   end = span_find(rest, '\n');
	size_t      keep = end < 0 ? 0 : rest.len - (size_t)end - 1;

	memmove(t->lines.at, all.at + all.len - keep, keep);
	t->lines.len = keep;
	t->cut = true;
}

void
transcript_add(struct transcript *t, const char *prefix, struct span lines)
{
	struct span line;

	if (!t->wanted)
		return;
	while (line_next(&lines, &line)) {
		text_add_string(&t->lines, prefix);
		log_escape(span_first(line, LINE_MAX_KEPT), &t->lines);
		text_add_byte(&t->lines, '\n');
	}
	if (t->lines.len > KEPT_MAX)
		forget_the_oldest(t);
}

/* RFC 3463: x.7 is policy, x.3 the system, x.5 protocol, x.1 and x.2 addresses; without one, the code says it. */
unsigned
transcript_class_of(struct span reply)
{
	bool never = reply.len > 2 && reply.at[0] == '5';

	if (reply.len < 3 || (reply.at[0] != '4' && !never))
		return 0;
	if (reply.len < 7 || reply.at[5] != '.')
		return span_starts(reply, "50") ? TROUBLE_PROTOCOL : TROUBLE_POLICY;
	if (span_starts(span_from(reply, 6), "3.4"))
		return TROUBLE_BOUNCE;
	switch (reply.at[6]) {
	case '1':
	case '2':
		return never ? TROUBLE_BOUNCE : TROUBLE_POLICY;
	case '3':
		return reply.len > 8 && reply.at[8] == '5' ? TROUBLE_SOFTWARE : TROUBLE_RESOURCE;
	case '5':
		return TROUBLE_PROTOCOL;
	default:
		return TROUBLE_POLICY;
	}
}

bool
transcript_is_notice(struct span sender)
{
	ptrdiff_t at = span_find_last(sender, '@');

	return span_is_nocase(at < 0 ? sender : span_first(sender, (size_t)at), site.double_bounce_sender);
}

bool
transcript_is_due(const struct transcript *t)
{
	return (t->met & t->wanted) != 0 && t->lines.len > 0;
}

static void
add_postmaster(struct text *out, const char *name)
{
	text_add_string(out, name);
	if (!strchr(name, '@'))
		text_add_format(out, "@%s", site.myorigin);
}

static void
write_mail(const struct transcript *t, const struct transcript_notice *n, struct span id, struct text *out)
{
	int64_t     now = clock_wall() / 1000000;
	struct span lines = text_span(&t->lines), line;

	text_add_format(out, "Received: by %s (%s)\r\n\tid %.*s; ", site.myhostname, site.mail_name, SPAN_ARGS(id));
	date_add_local(now, out);
	text_add_string(out, "\r\nDate: ");
	date_add_local(now, out);
	text_add_format(out, "\r\nFrom: MAILER-DAEMON@%s (Mail Delivery System)\r\nTo: ", site.myorigin);
	add_postmaster(out, n->recipient);
	text_add_format(out, " (Postmaster)\r\nSubject: %s\r\nAuto-Submitted: auto-generated\r\nMessage-Id: ", n->subject);
	message_id_make(now, id, span_of(site.myhostname), out);
	text_add_string(out, "\r\n\r\nTranscript of session follows.\r\n\r\n");
	if (t->cut)
		text_add_string(out, " ... (the beginning was not kept)\r\n");
	while (line_next(&lines, &line))
		text_add_format(out, "%.*s\r\n", SPAN_ARGS(line));
	if (n->reason)
		text_add_format(out, "\r\nSession aborted, reason: %s\r\n", n->reason);
	text_add_string(out, "\r\nFor other details, see the local mail logfile\r\n");
}

static int
submit(const struct transcript *t, const struct transcript_notice *n, struct submission *s, struct fault *why)
{
	autotext struct text   mail = {0}, to = {0}, from = {0};
	struct submit_rcpt     rcpt = {.notify = NOTIFY_NEVER};
	struct submit_envelope e = {.commit = true};
	int64_t                at = 0;
	int                    fd = -1;

	add_postmaster(&to, n->recipient);
	add_postmaster(&from, site.double_bounce_sender);
	write_mail(t, n, span_of(submit_queue_id(s)), &mail);
	rcpt.address = text_span(&to);
	e.sender = text_span(&from);
	e.length = (int64_t)mail.len;
	if (submit_content(s, &fd, &at, why) < 0 || file_write_at(fd, text_span(&mail), (off_t)at, why) < 0)
		return -1;
	if (submit_recipient(s, &rcpt, why) < 0 || submit_prepare(s, &e, why) < 0)
		return -1;
	return submit_commit(s, SPAN_NONE, why);
}

int
transcript_send(const struct transcript *t, const struct transcript_notice *n, struct fault *why)
{
	struct submit_origin origin = {.origin = "notify", .no_header_body_checks = !n->filtered, .no_milters = true};
	struct submission   *s = NULL;
	int                  sent;

	if (submit_open(&origin, clock_after(SUBMIT_MS), &s, why) < 0)
		return -1;
	sent = submit(t, n, s, why);
	submit_close(s);
	return sent;
}

void
transcript_clear(struct transcript *t)
{
	text_free(&t->lines);
	*t = (struct transcript){.wanted = t->wanted};
}
