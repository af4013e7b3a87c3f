/* SPDX-License-Identifier: ISC */
/*
 * submit.h - "take this message into the queue"
 * asks: smtpd pickup bounce local.  answers: cleanup.  (DESIGN.md 4, 1-3)
 *
 *   open     origin=smtpd client_name=... ...    | opened queue_id=4XyZ... [already=yes | held=yes]
 *            [queue_id=..: this one, please; already: such a message is in the queue, nothing is to do but abort;
 *             held: another writer is at it just now]
 *   content                                      | content at=512 file=<descriptor>
 *     ... the client writes the message in wire form (CRLF, unstuffed) into the
 *         descriptor from offset `at` on, its own Received: first ...
 *   rcpt     address=.. original=.. orcpt=.. notify=..     (no answer)
 *   prepare  sender=.. length=.. ...             | prepared pieces=512+1200,3000+80 size=... end=...
 *            [commit=yes: nobody stands between]  |   or at once: committed
 *     ... milters see those pieces; a replaced body is written into the descriptor from
 *         `end` on, and named by an edit ...
 *   edit     edits=..                                             (no answer; repeated)
 *   commit                                       | committed     (it is on stable storage)
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
	const char *origin;             /* "smtpd", "pickup", "bounce", "local", "qmgr", "verify", "notify" */
	struct span client_name, client_address, client_port, helo, protocol, sasl_method, sasl_user;
	bool        local_client;       /* local_header_rewrite_clients: headers are rewritten and completed */
	bool        no_address_mapping, no_header_body_checks, no_milters;  /* receive_override_options, notices */
	bool        hold;
	struct span queue_id;           /* pickup's: the name in maildrop, so that nothing is queued twice; empty: a new one */
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
	struct span full_name;          /* for a From: that is missing (sendmail -F) */
	bool        commit;             /* no milter and no edit will come: submit_prepare commits, too */
};

struct submission;

/* A refusal for want of room (4.3.1) is FAULT_SYSTEM with error ENOSPC. */
WAITS int submit_open(const struct submit_origin *, int64_t deadline, struct submission **, struct fault *);
bool submit_held(const struct submission *);             /* another writer has that queue id: not now, but the cleanup service is well */
bool submit_already(const struct submission *);          /* the queue id that was wished for is in the queue already */
const char *submit_queue_id(const struct submission *);
/* For what is asked from now on: a client may take hours over its content. */
void submit_deadline(struct submission *, int64_t deadline);
WAITS int submit_content(struct submission *, int *fd, int64_t *at, struct fault *);   /* fd owned by the submission */
/* Recipients are sent with the next question: what goes wrong with them is heard there. */
WAITS int submit_recipient(struct submission *, const struct submit_rcpt *, struct fault *);
WAITS int submit_prepare(struct submission *, const struct submit_envelope *, struct fault *);
struct span submit_pieces(const struct submission *);    /* after prepare */
int64_t submit_end(const struct submission *);           /* after prepare: where a new body may be written */
/* `edits`: what the submit_edit_* functions below have built; SPAN_NONE for none. After a prepare that has
 * committed there is nothing left to do: 0. */
WAITS int submit_commit(struct submission *, struct span edits, struct fault *);
/* After a failure: what to tell the client, "4.3.0" and the reason in the fault. */
const char *submit_status(const struct submission *);
WAITS void submit_close(struct submission *);            /* aborts what was not committed; NULL is fine */

/* The service that is asked, "cleanup" by default: cleanup_service_name. Once, at start. */
void submit_service(const char *name);

/*
 * Edits: records that are applied in order at commit. On the wire each is an
 * operator, the count of its fields, and per field a length (4, big-endian)
 * and bytes.  Header values are whole and without the last line end; a fold in
 * them is CRLF and a blank.
 *
 *   A at name value    add a header: as the at-th (0: on top of all), -1 at the end
 *   C nth name value   change the nth (from 1) header of that name; an empty value deletes it
 *   B piece            the body is now these bytes of the descriptor: "at+length"
 *   S sender           R address orcpt    add a recipient        D address   delete it
 *   N notify address orcpt    as R, with enum submit_notify bits    E ret envid    as prepare's
 *   H                  on hold
 */
void submit_edit_add(struct text *, int64_t at, struct span name, struct span value);
void submit_edit_change(struct text *, int64_t nth, struct span name, struct span value);
void submit_edit_body(struct text *, int64_t at, int64_t length);
void submit_edit_sender(struct text *, struct span sender);
void submit_edit_rcpt(struct text *, struct span address, struct span orcpt);
void submit_edit_rcpt_notify(struct text *, struct span address, struct span orcpt, int64_t notify);
void submit_edit_dsn(struct text *, struct span ret, struct span envid);
void submit_edit_rcpt_delete(struct text *, struct span address);
void submit_edit_hold(struct text *);

struct submit_edit {
	char        op;
	int64_t     number;             /* of A and C; of B where the body begins; of N the bits */
	int64_t     length;             /* of B */
	struct span name, value;        /* address and orcpt of R, N, S and D; ret and envid of E */
};
/* Takes the next record off the front: 1, 0 the end, -1 malformed. Pure. */
int submit_edit_next(struct span *rest, struct submit_edit *, struct fault *);

/* The server's side (cleanup): requests decoded. Spans are borrowed from the frame. */
int submit_decode_open(struct frame *, struct submit_origin *, struct fault *);
int submit_decode_rcpt(struct frame *, struct submit_rcpt *, struct fault *);
int submit_decode_prepare(struct frame *, struct submit_envelope *, struct fault *);
/* "refused" with a status. */
void submit_refuse(struct frame *answer, const char *status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
