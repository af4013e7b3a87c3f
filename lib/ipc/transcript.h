/* SPDX-License-Identifier: ISC */
/*
 * transcript.h - what was said in an SMTP session, for the postmaster (notify_classes)
 *
 * smtpd and smtp keep the lines of a session while some class of trouble could ask for
 * them; at its end, when one of those classes was met, the transcript goes to
 * error_notice_recipient as mail from double-bounce, which is never answered.  Passwords
 * are not kept: the caller leaves them out.  Kept is the end of a long session.
 *
 *   unsigned wanted = transcript_classes(&config.notify_classes);
 *   struct transcript t = {.wanted = wanted};
 *   transcript_add(&t, " In:  ", line); t.met |= TROUBLE_PROTOCOL; ...
 *   transcript_send(&t, &notice, why); transcript_clear(&t);
 */
#ifndef IPC_TRANSCRIPT_H
#define IPC_TRANSCRIPT_H

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"
#include "config/list.h"

/* The words of notify_classes, as far as they are about sessions: bounce is mail that was refused. */
enum trouble_class {
	TROUBLE_POLICY = 1, TROUBLE_PROTOCOL = 2, TROUBLE_RESOURCE = 4, TROUBLE_SOFTWARE = 8,
	TROUBLE_DATA = 16, TROUBLE_BOUNCE = 32
};

struct transcript {
	unsigned    wanted, met;        /* enum trouble_class */
	struct text lines;              /* owned; LF ends; nothing is kept when nothing is wanted */
	bool        cut;                /* the beginning is gone */
};

struct transcript_notice {
	const char *recipient;          /* error_notice_recipient */
	const char *subject;            /* "Postfix SMTP server: errors from mx[192.0.2.1]", without line ends */
	const char *reason;             /* why the session ended, or NULL */
	bool        filtered;           /* internal_mail_filter_classes has notify: header and body checks look at it */
};

unsigned transcript_classes(const struct list *notify_classes);
void transcript_add(struct transcript *, const char *prefix, struct span line);   /* of several lines each gets it */
/* What a reply of ours, "550 5.7.1 text", was about; 0: no trouble. Pure. */
unsigned transcript_class_of(struct span reply);
bool transcript_is_due(const struct transcript *);
/* 0 when it is on stable storage. */
WAITS int transcript_send(const struct transcript *, const struct transcript_notice *, struct fault *);
/* Mail from double-bounce: of a session with such no transcript is sent, or it would never end. */
bool transcript_is_notice(struct span sender);
void transcript_clear(struct transcript *);        /* frees; `wanted` stays */

#endif
