/* SPDX-License-Identifier: ISC */
/*
 * queue_file.h - one message on disk: draft, commit, read, mark, journal
 *
 * The file, in this order:
 *
 *   0      head block, 512 bytes: the commit record as lines of text (queue id,
 *          where everything lies, sums), then from 504 on single bytes that are
 *          changed in place
 *   512    content as received, in wire form; never rewritten
 *   ...    bytes inserted by edits (headers that were missing or changed)
 *   ...    envelope: attributes, then recipients, each led by its state byte
 *   ...    journal: reasons and counts; append-only; may lose its tail
 *
 * A file is a message only when its name is the id in the commit record and
 * the sums hold: else FAULT_INPUT, and the caller quarantines it.
 *
 * Writing (cleanup).  A draft is "incoming/ID.part", locked; it becomes the
 * message in queue_draft_commit: envelope, head, fsync, rename, fsync of the
 * directory.  When that returns 0 the message is on stable storage; on -1 it
 * does not exist (the caller says "not now").
 *
 *   queue_draft_open -> content written into fd from QUEUE_CONTENT_AT on ->
 *   queue_draft_content(length) -> queue_draft_insert* -> queue_draft_envelope ->
 *   queue_draft_rcpt* -> queue_draft_commit | queue_draft_abandon
 *
 * Reading (qmgr, tools).  queue_file_open locks the file against a second
 * opener, checks everything in one pass of bounded memory and gives the
 * envelope; recipients are read on from any offset, in portions.
 *
 * Everything WAITS for the disk.
 */
#ifndef QUEUE_QUEUE_FILE_H
#define QUEUE_QUEUE_FILE_H

#include "base/arena.h"
#include "queue/message.h"
#include "queue/queue.h"

#define QUEUE_FILE_MAGIC "postern-queue 1\n"      /* begins the head block */

enum {
	QUEUE_CONTENT_AT = 512,
	QUEUE_ADDRESS_MAX = 2000,       /* bytes of an address or orcpt */
	QUEUE_ATTRIBUTES_MAX = 1 << 20  /* bytes of all attributes of an envelope */
};

/* State of a recipient: its byte in the file. */
enum queue_rcpt_state {
	RCPT_TODO    = '.',
	RCPT_DONE    = 'D',     /* nothing more to do for it */
	RCPT_FAILED  = 'F',     /* for good, and its failure notice is still due */
	RCPT_SUCCESS = 'S',     /* delivered, and its success notice is still due */
	RCPT_EXPANDED = 'E'     /* an alias whose members stand for it; that notice is still due */
};

struct queue_rcpt {
	struct span address, original, orcpt;   /* original, orcpt may be empty */
	int         notify;                     /* enum submit_notify bits */
	char        state;                      /* writing: 0 or RCPT_EXPANDED */
	int64_t     at;                         /* reading only: names it within the file; for queue_file_mark */
	int64_t     next;                       /* reading only: where the next one lies */
};

/* Spans are borrowed when written; when read they live as long as the queue_file. Empty is absent. */
struct queue_envelope {
	struct span sender;                     /* "" is the null sender */
	struct span envid, ret, body, auth, filter, redirect, verp;
	struct span client_name, client_address, client_port, helo, protocol, sasl_method, sasl_user;
	struct span origin;                     /* "smtpd", "pickup", "bounce" ... */
	struct span encoding;                   /* reserved */
	int64_t     arrival_us;
	bool        smtputf8, verify_only, trace;
	struct message_content content;         /* pieces and size; fd: see below */
};

/* ---- writing ---- */

struct queue_draft;

/* id: one of queue_new_id, used once; NULL takes a new one. */
int  queue_draft_open(struct queue *, const struct queue_id *, struct queue_draft **, struct fault *);
/*
 * A draft under a name from outside (a file of maildrop keeps its name for life, so that it is queued once
 * whatever is killed): 0; 1 such a message is in the queue already; -1: FAULT_TIME another writer is at it.
 * With 0 nobody else can commit that id any more. Who finds then that the maildrop file is gone
 * knows that the message was finished meanwhile (queue_remove), and abandons the draft.
 */
int  queue_draft_claim(struct queue *, const struct queue_id *, struct queue_draft **, struct fault *);
int64_t queue_draft_end(const struct queue_draft *);        /* behind what is written so far */
/* The writer has put `length` bytes behind the end (a replaced body): they are a piece now. */
int  queue_draft_extend(struct queue_draft *, int64_t length, struct piece *, struct fault *);
const char *queue_draft_id(const struct queue_draft *);
int  queue_draft_fd(const struct queue_draft *);            /* borrowed, read-write */
/* The content is `length` bytes; what the writer put behind it is cut off. FAULT_INPUT: fewer are there. */
int  queue_draft_content(struct queue_draft *, int64_t length, struct fault *);
/* Adds bytes behind the content: a piece that the envelope may name. */
int  queue_draft_insert(struct queue_draft *, struct span, struct piece *, struct fault *);
int  queue_draft_envelope(struct queue_draft *, const struct queue_envelope *, struct fault *);
int  queue_draft_rcpt(struct queue_draft *, const struct queue_rcpt *, struct fault *);
/* The state it begins in: QUEUE_INCOMING or QUEUE_HOLD. Ends the draft in any case. */
int  queue_draft_commit(struct queue_draft *, enum queue_state, struct fault *);
void queue_draft_abandon(struct queue_draft *);             /* NULL is fine */

/* ---- reading ---- */

struct queue_file;

enum queue_open_flags {
	QUEUE_OPEN_READ = 0,            /* tools: no lock, cannot mark */
	QUEUE_OPEN_WRITE = 1            /* locked; mark and journal */
};
/* 0; 1 not there; -1: FAULT_TIME somebody else has it open for writing; FAULT_INPUT damaged;
 * FAULT_SYSTEM the disk. */
int  queue_file_open(struct queue *, enum queue_state, const char *id, int flags, struct queue_file **, struct fault *);
/* The same from a descriptor (given on success): pure but for reading it. For tests and postcat. */
int  queue_file_read(int fd, const char *id, struct queue_file **, struct fault *);
void queue_file_close(struct queue_file *);                 /* NULL is fine */

const char *queue_file_id(const struct queue_file *);
const struct queue_envelope *queue_file_envelope(const struct queue_file *);   /* content.fd is its own descriptor */
int64_t queue_file_rcpt_count(const struct queue_file *);
/* Where the envelope's attributes and the first journal entry lie: for postcat. */
int64_t queue_file_envelope_at(const struct queue_file *);
int64_t queue_file_journal_first(const struct queue_file *);
int64_t queue_file_rcpt_first(const struct queue_file *);   /* offset of the first recipient */
/* The recipient at offset `at` (rcpt_first, or .next of one before): 1, or 0 behind the last one, or -1.
 * Spans live in the arena. */
int  queue_file_rcpt(struct queue_file *, int64_t at, struct arena *, struct queue_rcpt *, struct fault *);

/* A second, read-only descriptor of the file, for delivery agents: owned by the caller. */
int  queue_file_content(struct queue_file *, int *fd, struct fault *);

/* Sets one state byte in place: needs no new block, so a full disk cannot stop it. queue_file_sync
 * makes all marks durable. When a mark cannot be made or synced the file must not be
 * delivered any more (endless duplicates): stop it, and raise the alarm. */
int  queue_file_mark(struct queue_file *, int64_t rcpt_at, enum queue_rcpt_state, struct fault *);
int  queue_file_sync(struct queue_file *, struct fault *);

/* postsuper -e: deliver once more at the most, then give up. */
bool queue_file_expired(const struct queue_file *);
int  queue_file_set_expired(struct queue_file *, struct fault *);

/* ---- journal ---- */

enum queue_event_kind {
	EVENT_DEFERRED = 'd',   /* a recipient: why it is not delivered yet */
	EVENT_FAILED   = 'f',   /* a recipient: why it failed for good */
	EVENT_SENT     = 's',   /* a recipient: how it was delivered (success notices) */
	EVENT_TRIED    = 't',   /* the message: number = tries so far, when_us = next due */
	EVENT_WARNED   = 'w',   /* the message: its delay warning went out */
	EVENT_KILLED   = 'k'    /* the message: an agent died over it, number = how often */
};
struct queue_event {
	enum queue_event_kind kind;
	int64_t     rcpt_at;            /* which recipient; 0: the message */
	int64_t     when_us, number;
	struct span dsn, text, mta, diagnostic, action;
};
/* Appended, not synced: the tail may be lost. */
int  queue_journal_add(struct queue_file *, const struct queue_event *, struct fault *);
/* From *at on (0: the first): 1 and *at moves on, 0 at the end (or at a torn tail). Spans live in the arena. */
int  queue_journal_next(struct queue_file *, int64_t *at, struct arena *, struct queue_event *, struct fault *);

#endif
