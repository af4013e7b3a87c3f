/* SPDX-License-Identifier: ISC */
/*
 * sendmail.h - the sendmail command: what was asked, and the message that it reads
 */
#ifndef CMD_SENDMAIL_H
#define CMD_SENDMAIL_H

#include "base/arena.h"
#include "base/text.h"
#include "config/list.h"

enum sendmail_mode { MODE_ENQUEUE, MODE_NEWALIASES, MODE_MAILQ, MODE_DAEMON, MODE_STANDALONE, MODE_FLUSH, MODE_IGNORE };

enum sendmail_fix { FIX_ALWAYS, FIX_STRICT, FIX_NEVER };      /* sendmail_fix_line_endings */

enum { SENDMAIL_FAILED = 75 };      /* EX_TEMPFAIL for all that goes wrong here, as Postfix's has it: callers keep the mail */

struct sendmail {
	enum sendmail_mode mode;
	const char *config;                 /* -C */
	const char *sender, *full_name;     /* NULL: the caller's */
	const char *body, *ret, *envid, *verp;
	int         notify;
	bool        extract, ignore_dots, smtputf8, verify, trace, interval;
	const char *flush_site, *flush_id;
	int         fix_line_endings;       /* enum sendmail_fix */
	struct list aliases;                /* -oA */
	char      **recipients;             /* what is left of argv */
	int         n_recipients;
};

/* Fills it; a wrong option ends the program. */
void sendmail_options(int argc, char **argv, struct sendmail *);

/* Reads the message from `in` and writes maildrop records to `out`; the status of sysexits.h. */
int sendmail_enqueue(const struct sendmail *, int in, int out);

#endif
