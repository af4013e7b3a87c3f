/* SPDX-License-Identifier: ISC */
/*
 * session.h - one SMTP session: its state, and who changes it
 *
 *   session.c   greeting, the table of verbs, error limits, good-bye
 *   reply.c     what is said, counted and logged
 *   hello.c     HELO EHLO, and the small verbs
 *   mail.c      MAIL RCPT: the envelope
 *   data.c      DATA BDAT: the content, and the promise of 250
 *   starttls.c  auth.c
 *   xclient.c   what others say about the client
 *   proxy_filter.c  a filter before the queue
 *   footer.c    what is added to refusals
 *   rules*.c    restrictions: may he?
 *   milter.c     mail filters: what do they say?
 *
 * Nothing here is shared with another session.  Strings of the session are
 * small arrays; what belongs to a message lies in its arena and dies with it.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include "base/arena.h"
#include "base/text.h"
#include "client.h"
#include "ipc/ask_rewrite.h"
#include "ipc/submit.h"
#include "ipc/transcript.h"
#include "mail/line.h"
#include "mail/smtp_syntax.h"
#include "net/conn.h"
#include "net/tls.h"
#include "stress.h"
#include "xclient.h"

struct proxy_filter;

/* RFC 5321, 4.1.4; IN_CHUNKS: a BDAT was taken, and LAST is to come (RFC 3030, 2). */
enum stage { CONNECTED, GREETED, HAVE_SENDER, HAVE_RECIPIENT, IN_CHUNKS };

enum { VERB_MAX = 24 };

struct verb_count {
	unsigned total, good;
};

/* The content of a message on its way into cleanup's descriptor. */
struct content {
	bool         open;
	int          fd;             /* the submission's */
	int64_t      start, at;      /* offsets */
	int64_t      header;         /* bytes that we put in front */
	uint64_t     received;       /* from the client */
	struct text  buffer;
	bool         too_big, no_space, failed;
	bool         bare_lf, noted;
	char         last[2];        /* the last bytes, to end with CRLF */
};

struct transaction {
	struct arena      *arena;
	struct smtp_mail   mail;
	bool               has_sender;
	struct span        recipient;       /* that is being looked at; empty beyond RCPT */
	struct span        first;           /* the first accepted */
	int                accepted, refused, overshoot;
	struct submission *submission;
	struct proxy_filter *filter_talk;   /* smtpd_proxy_filter: instead of the submission, or (speed_adjust) behind it */
	struct span        etrn;            /* the domain of ETRN, while its rules are asked */
	struct span        verp;            /* XVERP: two delimiters */
	struct content     content;
	struct line_encoder chunks;
	int                chunk_refused;   /* the class of that reply, 4 or 5: no later chunk is taken */
	/* by restrictions */
	bool               hold, discard;
	struct span        filter, redirect;
	struct text        prepend;
	struct text        bcc;             /* separated by NUL */
	/* what rewrite said, kept for the rules of one recipient */
	struct route       sender_route, recipient_route;
	bool               sender_resolved, recipient_resolved, recipient_checked, sender_checked;
	bool               recipient_refused;   /* while milters are told of it */
};

/* What restrictions found so far in one list (rules.c). */
struct deferral {
	bool        active;
	struct text reply;
};

struct session {
	unsigned           magic;
	struct conn       *conn;
	struct client      client;
	struct arena      *arena;           /* of the session */
	enum stage         stage;
	bool               over;            /* hang up after the reply */
	bool               quit, gone;
	const char        *lost;            /* "timeout" or "lost connection"; NULL: neither */
	bool               esmtp;
	const struct limits *limits;        /* borrowed: calm, or under stress */
	int64_t            born_us;
	unsigned           messages;        /* MAIL commands */
	char               helo[256];       /* harmless; "" before HELO */
	char               protocol[8];     /* SMTP ESMTP */
	const char        *where;           /* CONNECT, the verb, END-OF-MESSAGE */
	struct forwarded   forward;         /* XFORWARD, for one message */
	bool               may_xclient, may_xforward, may_xverp;
	struct tls_facts   tls;
	bool               is_tls;
	char               sasl_method[32], sasl_user[256];
	struct text        mechanisms;      /* that we offered; empty: not asked yet */
	char              *denied;          /* smtpd_delay_reject=no: the refusal of the client, owned */
	bool               pipelined_badly; /* logged once */
	int                errors, junk;
	int                code;            /* of the last reply */
	bool               errorless;       /* this reply does not count as an error */
	struct verb_count  counts[VERB_MAX];
	unsigned           commands, good_commands;
	struct transaction t;
	struct text        refusal;         /* of the rules: the whole reply */
	struct deferral    defer_if_permit, defer_if_reject;
	struct policy     *policies;        /* open streams to policy servers */
	struct milters    *milters;         /* NULL: none */
	struct milter_specs *own_milters;   /* by smtpd_milter_maps, owned; NULL: those of all */
	bool               milterless;      /* which milters should look nobody knows: no mail */
	bool               milter_refused;  /* a milter has refused the client for good: EHLO offers nothing */
	struct transcript  transcript;      /* notify_classes */
	struct fault       why;
};

/* A whole session: both are given. */
WAITS void session_run(struct conn *, const struct client *);
WAITS void session_greet(struct session *);          /* 220, or what stands in its place */
void session_greeted_again(struct session *);        /* forgets HELO, AUTH and the transaction: after STARTTLS */
void transaction_reset(struct session *);            /* WAITS: aborts what was submitted */
const char *session_queue_id(const struct session *);   /* or "NOQUEUE" */
WAITS int session_line(struct session *, size_t limit, struct span *line);   /* 0, -1 gone or timeout (s->over), 1 too long: replied */
void session_lost(struct session *);                 /* logs s->why and ends the session */

/* reply.c. A format gives the whole reply, "250 2.0.0 Ok", without line end. */
WAITS void reply(struct session *, const char *format, ...) __attribute__((format(printf, 2, 3)));
WAITS void reply_text(struct session *, struct span);
void log_event(struct session *, const char *kind, struct span what);   /* "NOQUEUE: reject: RCPT from ..." */

/* Handlers. `argument` is borrowed until the next read. */
WAITS void do_helo(struct session *, struct span argument);
WAITS void do_ehlo(struct session *, struct span argument);
WAITS void do_starttls(struct session *, struct span argument);
WAITS void do_auth(struct session *, struct span argument);
WAITS void do_mail(struct session *, struct span argument);
WAITS void do_rcpt(struct session *, struct span argument);
WAITS void do_data(struct session *, struct span argument);
WAITS void do_bdat(struct session *, struct span argument);
WAITS void refuse_bdat(struct session *, struct span argument);   /* was replied to: reads the chunk, keeps nothing */
WAITS void do_rset(struct session *, struct span argument);
WAITS void do_noop(struct session *, struct span argument);
WAITS void do_vrfy(struct session *, struct span argument);
WAITS void do_etrn(struct session *, struct span argument);
WAITS void do_help(struct session *, struct span argument);
WAITS void do_quit(struct session *, struct span argument);

WAITS int open_message(struct session *);            /* at cleanup; -1: logged */
WAITS bool tls_too_often(struct session *);          /* smtpd_client_new_tls_session_rate_limit */
WAITS int tls_begin(struct session *);               /* the handshake; -1: the session is over */
unsigned offered_keywords(struct session *);         /* enum smtp_keyword */
unsigned utf8_without_asking(void);                  /* ADDRESS_UTF8 or 0 */
unsigned hidden_keywords(struct session *);          /* smtpd_discard_ehlo_keywords, and by address */
WAITS struct span offered_mechanisms(struct session *);

/* received.c: what we put in front of the content, CRLF ends. */
void received_header(struct session *, struct text *out);

#endif
