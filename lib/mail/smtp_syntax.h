/* SPDX-License-Identifier: ISC */
/*
 * smtp_syntax.h - the lines of SMTP, both ways (RFC 5321, 1870, 6152, 3461, 6531, 3030, 4954)
 *
 * Server's side: an argument (what follows the verb, line end gone) becomes a
 * struct, or a fault whose reason is the whole reply, "501 5.5.4 Syntax: ...",
 * to be sent as it is (it holds no bytes of the client but printable ones).
 * Values lie in the arena, decoded, checked to hold no control character.
 *
 * Client's side: reply lines and the keywords of the EHLO reply.
 */
#ifndef MAIL_SMTP_SYNTAX_H
#define MAIL_SMTP_SYNTAX_H

#include "base/arena.h"
#include "base/fault.h"
#include "mail/address.h"
#include "mail/status.h"

/* verb and argument of a command line, blanks trimmed: "MAIL", "FROM:<a@b>" */
void smtp_split_command(struct span line, struct span *verb, struct span *argument);

enum smtp_body { SMTP_BODY_NONE, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };
enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };
enum smtp_notify {       /* a set; 0 is "not told" */
	SMTP_NOTIFY_NEVER = 1, SMTP_NOTIFY_SUCCESS = 2, SMTP_NOTIFY_FAILURE = 4,
	SMTP_NOTIFY_DELAY = 8
};

/* What the server offered: a parameter of another extension is a 555. */
enum smtp_offer {
	SMTP_OFFER_SIZE = 1, SMTP_OFFER_8BITMIME = 2, SMTP_OFFER_DSN = 4, SMTP_OFFER_SMTPUTF8 = 8,
	SMTP_OFFER_AUTH = 16, SMTP_OFFER_BINARYMIME = 32, SMTP_OFFER_ALL = 63
};

struct smtp_mail {
	struct span    sender;       /* internal form, empty for <> */
	uint64_t       size;         /* 0: not told */
	enum smtp_body body;
	enum smtp_ret  ret;
	struct span    envid;        /* decoded, at most 100 bytes; empty: none */
	struct span    auth;         /* decoded AUTH=, "<>" included; empty: none */
	bool           smtputf8;
};

struct smtp_rcpt {
	struct span recipient;       /* internal form, never empty */
	unsigned    notify;          /* enum smtp_notify */
	struct span orcpt;           /* "rfc822;decoded address"; empty: none */
};

struct smtp_rules {
	unsigned address_flags; /* enum address_flags; the SMTPUTF8 parameter adds ADDRESS_UTF8 */
	unsigned offer;              /* enum smtp_offer */
};

int smtp_parse_mail(struct arena *, struct span argument, struct smtp_rules, struct smtp_mail *,
                    struct fault *);
int smtp_parse_rcpt(struct arena *, struct span argument, struct smtp_rules, struct smtp_rcpt *,
                    struct fault *);

/* EHLO, HELO, LHLO: the name, any printable word (whether it is a good one is a rule's
 * business). */
int smtp_parse_hello(struct span argument, struct span *name, struct fault *);
bool smtp_hello_valid(struct span name);                    /* host name or literal */
int smtp_parse_bdat(struct span argument, uint64_t *size, bool *last, struct fault *);

/* "SUCCESS,FAILURE" and "NEVER", as in NOTIFY=. */
void smtp_format_notify(unsigned notify, struct text *out); /* "" when 0 */

/* The client's MAIL and RCPT, from MAIL to the end of the parameters, no line end.  Only what
 * `offer` (the peer's) allows is told; RFC 3461 values are xtext encoded. */
void smtp_format_mail(const struct smtp_mail *, unsigned offer, struct text *out);
void smtp_format_rcpt(const struct smtp_rcpt *, unsigned offer, struct text *out);

struct smtp_reply_line {
	int           code;          /* 200 to 599 */
	bool          more;          /* "250-": another line follows */
	struct status status;        /* class 0: none was given */
	struct span   text;          /* behind the code: status included */
};

int smtp_parse_reply_line(struct span line, struct smtp_reply_line *, struct fault *);

/* What a peer's EHLO reply offers, collected line by line (the greeting line too: pass only the
 * lines behind it). */
enum smtp_keyword {
	SMTP_HAS_SIZE = 1, SMTP_HAS_8BITMIME = 2, SMTP_HAS_DSN = 4, SMTP_HAS_SMTPUTF8 = 8,
	SMTP_HAS_AUTH = 16,
	SMTP_HAS_BINARYMIME = 32, SMTP_HAS_PIPELINING = 64, SMTP_HAS_STARTTLS = 128,
	SMTP_HAS_ENHANCEDSTATUSCODES = 256, SMTP_HAS_CHUNKING = 512, SMTP_HAS_XCLIENT = 1024,
	SMTP_HAS_XFORWARD = 2048, SMTP_HAS_VRFY = 4096, SMTP_HAS_ETRN = 8192,
	SMTP_HAS_REQUIRETLS = 16384
};

struct smtp_ehlo {
	unsigned    has;             /* enum smtp_keyword; the low bits equal enum smtp_offer */
	uint64_t    size;            /* 0: no limit told */
	struct span mechanisms;      /* "PLAIN LOGIN": in the arena */
	struct span xforward;        /* attribute names */
	struct span xclient;
};

void smtp_parse_ehlo_line(struct arena *, struct span text, struct smtp_ehlo *);
unsigned smtp_keyword_of(struct span word);   /* 0: unknown; for smtp_discard_ehlo_keywords */

#endif
