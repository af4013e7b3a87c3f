/* SPDX-License-Identifier: ISC */
/*
 * dsn.h - delivery status notifications (RFC 3464, 3461 6; RFC 6533 for SMTPUTF8)
 *
 * dsn_build writes the header and the parts of a multipart/report up to where the original
 * content goes, and what comes behind it; the caller copies the original in between (its header
 * alone, or all of it), in wire form: a notification needs no copy in memory.
 *
 *   *head     the report's own header, text part, delivery-status part, head of the last part
 *   *tail     the closing boundary
 *   *whole    true: the whole original goes between; false: its header alone
 *
 * Lines end in CRLF.  Every value is cleaned: CR, LF, NUL and controls become blanks, so that no
 * remote text makes a line (SECURITY.md 2, 12).
 */
#ifndef MAIL_DSN_H
#define MAIL_DSN_H

#include "base/fault.h"
#include "base/text.h"
#include "mail/smtp_syntax.h"
#include "mail/status.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED,
	DSN_DELIVERABLE, DSN_UNDELIVERABLE      /* Postfix's own, of sendmail -bv: nothing was sent */
};

struct dsn_recipient {
	struct span     recipient;           /* internal form: where it was going in the end */
	struct span     original;            /* internal form: as it was given to us, or empty */
	struct span     orcpt;               /* "rfc822;..." of ORCPT, or empty */
	enum dsn_action action;
	struct status   status;
	struct span     remote_mta;          /* "mx.example.net", or empty: we said so ourselves */
	/* what was said: "550 5.1.1 no such user" of the remote MTA, or ours */
	struct span     diagnostic;
	bool            diagnostic_is_smtp;  /* by SMTP: Diagnostic-Code smtp; else x-postfix */
	struct span     reason; /* the human reason, as logged; empty: the diagnostic */
	int64_t         last_attempt;        /* 0: left out */
	int64_t         retry_until;         /* with DSN_DELAYED, 0: left out */
};

/* Words of the administrator's own (bounce(5)); what is empty is ours. */
struct dsn_template {
	struct span charset;                 /* of text; empty: us-ascii */
	struct span from;                    /* "MAILER-DAEMON (Mail Delivery System)": the host is added */
	struct span subject, postmaster_subject;
	struct span text;                    /* lines with CRLF */
};

/* Ours, for who shows them. The text stands between a line that names the host and the mail system's name. */
enum dsn_kind { DSN_KIND_FAILURE, DSN_KIND_DELAY, DSN_KIND_SUCCESS, DSN_KIND_REPORT, DSN_KINDS };

struct dsn_words {
	const char *from, *subject, *copy_subject, *text;
};

struct dsn_words dsn_words(enum dsn_kind);

struct dsn {
	struct span    host;                 /* myhostname */
	struct span    mail_name;            /* for the text: "Postern" */
	struct span    origin;               /* of MAILER-DAEMON in From; empty: host */
	struct span    queue_id;             /* of the original message */
	/* queue id of the report, or anything unique; empty: queue_id */
	struct span    boundary_seed;
	struct span    sender;               /* of the original, internal form */
	struct span    to;                   /* who gets this notification */
	struct span    envid;                /* decoded, or empty */
	enum smtp_ret  ret;
	bool           smtputf8;             /* message/global* types */
	int64_t        arrival, now;         /* seconds since 1970 */
	uint64_t       original_size;
	uint64_t       size_limit; /* bounce_size_limit: larger originals give their header alone */
	bool           to_postmaster; /* a copy for the postmaster: header alone, other subject */
	bool           double_bounce;
	bool           report;        /* asked for by sendmail -bv or -v, whatever the outcome */
	const struct dsn_template *words;    /* or NULL */
	struct span    transcript;           /* of a session, for the postmaster, or empty */
	const struct dsn_recipient *recipients;
	size_t         count;
};

int dsn_build(const struct dsn *, struct text *head, struct text *tail, bool *whole,
              struct fault *);

#endif
