/* SPDX-License-Identifier: ISC */
/*
 * content.h - the message as milters see it, and what they want changed
 *
 * Made from the pieces that prepare gave (ipc/submit.h).  Milters see it one
 * after the other, each with the changes of those before it.  The fields that
 * we know by heart are those of cleanup, in its order, so that the edits that come
 * out at the end mean the same there as here.
 *
 * Our own Received: is hidden, as in Sendmail: it is not shown, and a change of the
 * n-th Received: does not count it; but positions of insertions do.
 *
 * Changes of a milter count when it has come to its end: content_keep, or
 * content_forget when it died in the middle.
 */
#ifndef MILTER_CONTENT_H
#define MILTER_CONTENT_H

#include "base/arena.h"
#include "base/task.h"
#include "base/text.h"
#include "queue/message.h"

struct content_field {
	struct span name;
	struct span value;      /* behind the colon, raw, without the last line end */
	bool        hidden;     /* our own Received: */
	bool        nameless;   /* no field at all: counted, never shown */
};

struct milter_content {
	struct arena          *arena;
	int                    fd;             /* borrowed; a new body is written there */
	struct content_field  *fields;         /* owned */
	size_t                 count, room;
	struct message_content body;           /* pieces owned; without the empty line */
	int64_t                end;            /* where new bytes may be written */
	int64_t                old_body;       /* length of a new body that is kept already, at end */
	int64_t                new_body;       /* length of the one that comes in, behind it; -1: none */
	int64_t                limit;          /* of a new body; 0: none */
	struct text            edits;          /* kept ones, for submit_commit */
	/* since the last keep */
	struct text            fresh;
	struct content_field  *fields_before;  /* owned: the fields as they were, or NULL */
	size_t                 count_before;
};

/* `queue_id` tells our own Received: from others.  The header is in memory: cleanup bounds it. */
WAITS int  content_open(struct milter_content *, int fd, struct span pieces, int64_t end, const char *queue_id, int64_t limit,
                        struct fault *);
void content_free(struct milter_content *);

/* Reads on from *position of the body: like message_read. */
WAITS int  content_body(const struct milter_content *, int64_t *position, size_t limit, struct text *into, struct fault *);

/* at: as counted by the milter protocol, 0 on top of all; -1 at the end. `blanks`: the value brings its own
 * leading blank.  -1: the name is no name; nothing has changed. */
int  content_insert(struct milter_content *, int64_t at, struct span name, struct span value, bool blanks, struct fault *);
/* The nth of that name (0 is 1) becomes the value, or goes away when it is empty; added when there is none. */
int  content_change(struct milter_content *, uint32_t nth, struct span name, struct span value, bool blanks, struct fault *);
WAITS int content_add_body(struct milter_content *, struct span bytes, struct fault *);   /* FAULT_DENIED: too big */

WAITS int content_keep(struct milter_content *, struct fault *);
void content_forget(struct milter_content *);
/* All that was kept: what a new body needs besides. Once, at the end. */
void content_edits(struct milter_content *, struct text *edits);

#endif
