/* SPDX-License-Identifier: ISC */
/*
 * queue_import_private.h - what the files of the import share: Postfix's messages become ours (queue_move.h)
 *
 * queue_import.c walks and looks; what may go over is carried (queue_import_carry.c) by the steps of
 * queue_move.h: written (queue_import_message.c, queue_import_drop.c), its source taken, published.
 */
#ifndef QUEUE_QUEUE_IMPORT_PRIVATE_H
#define QUEUE_QUEUE_IMPORT_PRIVATE_H

#include <sys/stat.h>

#include "base/strmap.h"
#include "queue/postfix_queue.h"
#include "queue/queue_file.h"
#include "queue/queue_move.h"

/* Postfix's logs of a message: it has failed, waits, or was delivered and its sender wants to know. */
enum { LOG_BOUNCE, LOG_DEFER, LOG_TRACE, LOGS };
extern const char *const import_log_names[LOGS];

struct import {
	struct queue_move *move;
	int                root;        /* Postfix's queue directory */
	int                held;        /* in it: what is taken, "OURS.THEIRS" (two ids; queue_held.h) */
	struct queue      *ours, *stage;
	char              *stage_path;
	enum queue_state   state;       /* which is being walked */
	struct stat        source;      /* of the file at hand */
};

/* A message on its way. */
struct letter {
	struct import         *i;
	struct arena          *arena;
	const char            *id;      /* of Postfix */
	struct queue_id        to;      /* and ours: the same, or a new one where that is in use */
	struct span            file;
	struct postfix_message m;
	struct strmap         *reasons[LOGS];   /* reason_key -> struct postfix_reason in the arena */
	int64_t                due_us;
	bool                   expired;
};

/* In our wire form, to `fd` from *at on, which moves; framed: as records of maildrop. */
int import_content(struct letter *, int fd, int64_t *at, const char *line_end, bool framed, struct fault *);
int import_flush(int fd, struct text *, int64_t *at, struct fault *);
struct queue_envelope import_envelope(struct letter *);

/* A log is read, if it is there (-1: it is and cannot be read), and asked for a recipient: NULL when it does not tell of it. Owned by the letter. */
int import_log(struct letter *, int which, struct fault *);
const struct postfix_reason *import_reason(const struct letter *, int which, const struct postfix_rcpt *);

/* The first step, in the stage's incoming: durable, but not yet moved to where it counts. */
int import_message(struct letter *, struct fault *);
int import_drop(struct letter *, struct fault *);

/* All three; dir: where the source lies. */
int import_carry(struct letter *, int dir, struct fault *);

/* The stage is opened, which refuses one of another directory; finished; and removed, if empty. */
int import_open_stage(struct import *, struct fault *);
int import_finish(struct import *, struct fault *);
void import_remove_stage(struct import *);

#endif
