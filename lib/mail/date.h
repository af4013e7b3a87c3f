/* SPDX-License-Identifier: ISC */
/*
 * date.h - dates of mail (RFC 5322, 3.3 and 4.3) and of IMAP (RFC 3501, 9)
 */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/text.h"

struct date {
	int64_t seconds;         /* since 1970, UTC */
	int     zone;            /* minutes east of Greenwich */
};

void date_add(struct date, struct text *out);         /* Fri, 20 Nov 2026 13:26:00 +0000 */
struct date date_local(int64_t seconds);              /* with the local zone at that time */
void date_add_local(int64_t seconds, struct text *);  /* as Postfix: ... +0100 (CET) */

/* Tolerant: weekday and seconds optional, two-digit years, comments, zone names, none. */
bool date_parse(struct span, struct date *);

void date_add_imap(struct date, struct text *out);    /*  7-Jul-1996 02:44:25 -0700, no quotes */
bool date_parse_imap(struct span, struct date *);     /* the same; strict */
bool date_parse_imap_day(struct span, int64_t *day);  /* 1-Feb-1994: days since 1970 */
int64_t date_day(struct date); /* its day as written, zone disregarded (RFC 3501, 6.4.4) */

#endif
