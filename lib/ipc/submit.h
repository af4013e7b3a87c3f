/* SPDX-License-Identifier: ISC */
/*
 * submit.h - "take this message into the queue"
 * asks: smtpd pickup bounce local.  answers: cleanup.  (DESIGN.md 4, 1-3)
 *
 *   open     origin=smtpd client=... ...         | opened queue_id=4XyZ...
 *   content                                      | content at=512 file=<descriptor>
 *     ... the client writes the message in wire form (CRLF, unstuffed) into the
 *         descriptor from offset `at` on, its own Received: first ...
 *   rcpt     address=.. original=.. orcpt=.. notify=..     (no answer)
 *   prepare  sender=.. length=.. ...             | prepared pieces=512+1200,3000+80 size=...
 *     ... milters see those pieces ...
 *   commit   [edits]                             | committed     (it is on stable storage)
 *   abort                                        | aborted
 *
 * After committed or aborted the conversation stands at its start again. A
 * refusal carries status=5.7.1 and reason: 4.x.x not now, 5.x.x never. When
 * the client goes away before commit the message does not exist.
 */
#ifndef IPC_SUBMIT_H
#define IPC_SUBMIT_H

#include "ipc/frame.h"

/* Everything here is borrowed for the call. Empty spans are absent. */
struct submit_origin {
	const char *origin;             /* "smtpd", "pickup", "bounce", "local", "qmgr" */
	struct span client_name, client_address, client_port, helo, protocol, sasl_method, sasl_user;
	bool        local_client;       /* local_header_rewrite_clients: headers are rewritten and completed */
	bool        no_address_mapping, no_header_body_checks, no_milters;  /* receive_override_options, notices */
	bool        hold;
};

enum submit_notify { NOTIFY_DEFAULT = 0, NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

struct submit_rcpt {
	struct span address;            /* unquoted internal form, local@domain */
	struct span original;           /* as the client gave it, or empty */
	struct span orcpt;              /* "rfc822;..." decoded from xtext, or empty */
	int64_t     notify;             /* enum submit_notify bits */
};

struct submit_envelope {
	struct span sender;             /* "" is the null sender */
	int64_t     length;             /* bytes written into the descriptor, from `at` on */
	struct span envid;              /* decoded */
	struct span ret;                /* "FULL", "HDRS", "" */
	struct span body;               /* "7BIT", "8BITMIME", "" */
	bool        smtputf8;
	struct span auth;               /* MAIL ... AUTH= */
	struct span filter, redirect;   /* from FILTER and REDIRECT actions */
	struct span verp;               /* delimiters, or "" */
	bool        verify_only;        /* sendmail -bv: report, do not deliver */
	bool        trace;              /* sendmail -v: deliver and report */
	int64_t     arrival_us;         /* 0: now */
};

struct submission;

WAITS int submit_open(const struct submit_origin *, int64_t deadline, struct submission **, struct fault *);
const char *submit_queue_id(const struct submission *);
WAITS int submit_content(struct submission *, int *fd, int64_t *at, struct fault *);   /* fd owned by the submission */
WAITS int submit_recipient(struct submission *, const struct submit_rcpt *, struct fault *);
WAITS int submit_prepare(struct submission *, const struct submit_envelope *, struct fault *);
struct span submit_pieces(const struct submission *);    /* after prepare */
/* `edits`: as milters ask; see edits grammar in submit.c; SPAN_NONE for none. */
WAITS int submit_commit(struct submission *, struct span edits, struct fault *);
/* After a failure: what to tell the client, "4.3.0" and the reason in the fault. */
const char *submit_status(const struct submission *);
WAITS void submit_close(struct submission *);            /* aborts what was not committed; NULL is fine */

#endif
