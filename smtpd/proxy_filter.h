/* SPDX-License-Identifier: ISC */
/*
 * proxy_filter.h - a filter before the queue (SMTPD_PROXY_README)
 *
 * With smtpd_proxy_filter the client's commands and content go on to a filter by SMTP, and
 * the filter's word is what the client hears: the message is the filter's as soon as it said 250,
 * and never in our queue by this session.  Our rules have their say first.
 *
 * With smtpd_proxy_options=speed_adjust the message is collected first, in a draft of cleanup's that
 * is given up afterwards: the filter is busy for as long as it works, not as long as a slow client sends.
 *
 *   proxy_filter_rcpt     the first opens the conversation: greeting, EHLO, XFORWARD, MAIL
 *   proxy_filter_data     DATA; after that proxy_filter_write takes the content
 *   proxy_filter_finish   the final dot
 *
 * Each: 0, or -1 and session.refusal is what to tell the client. A filter that goes away is 451 from then on.
 */
#ifndef SMTPD_PROXY_FILTER_H
#define SMTPD_PROXY_FILTER_H

#include "base/task.h"
#include "mail/smtp_syntax.h"

struct session;
struct proxy_filter;

WAITS int  proxy_filter_rcpt(struct session *, const struct smtp_rcpt *);
WAITS int  proxy_filter_data(struct session *);
WAITS void proxy_filter_write(struct session *, struct span);    /* trouble is told by finish */
WAITS int  proxy_filter_finish(struct session *);                /* 0: session.refusal is the filter's 2xx */
WAITS void proxy_filter_close(struct proxy_filter *);            /* NULL is fine */

/* speed_adjust: the content goes into a submission first. */
bool proxy_filter_spools(void);

#endif
