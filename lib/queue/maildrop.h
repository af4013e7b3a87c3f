/* SPDX-License-Identifier: ISC */
/*
 * maildrop.h - what postdrop leaves for pickup
 *
 * Any local user may have written it, so that it is a stream of few, bounded
 * records and nothing else; sendmail makes it, postdrop and pickup check it by
 * the same grammar:
 *
 *   'V' "1"                          version, first
 *   'S' sender                       once; may be empty
 *   'F' full name                    at most once
 *   'A' name=value                   ret notify envid body smtputf8 verify trace verp
 *   'R' recipient                    one at least
 *   'D' content                      in portions of at most MAILDROP_RECORD_MAX; any line ends
 *   'E'                              the end, empty, and nothing behind it
 *
 * In this order, A and R mixed.  On the wire: type, length (4, big-endian), bytes.
 * Addresses are in external form and hold no control characters.
 *
 * A file in maildrop has the queue id for a name that its message will have, so that it is queued
 * once, however often pickup has to try (queue_draft_claim, queue_remove).  It is mode 0600 while
 * it is written, and 0444 when it is complete, in a directory that only the
 * mail owner can list.  It gets its final name at once, since postdrop may not read the
 * directory and so not flush it: the flush of a new file covers its name
 * (measured: SECURITY.md 3.1b), that of a renamed one need not.
 */
#ifndef QUEUE_MAILDROP_H
#define QUEUE_MAILDROP_H

#include <sys/stat.h>

#include "base/fault.h"
#include "base/text.h"
#include "queue/queue_id.h"

enum { MAILDROP_HEAD = 5 };                  /* bytes of type and length */

enum { MAILDROP_RECORD_MAX = 65536, MAILDROP_VALUE_MAX = 2000, MAILDROP_RCPTS_MAX = 100000 };

void maildrop_put(struct text *, char type, struct span value);

struct maildrop_reader {        /* zero it, set fd */
	int         fd;
	struct text buffer;
	size_t      used;
	char        stage;
	bool        seen_sender, seen_name;
	bool        cut;            /* it failed since the stream ended too early */
	int64_t     rcpts, content;
};
/* 1: a record, the value borrowed until the next call; 0: the end was read, all is right;
 * -1: FAULT_INPUT not by the grammar; FAULT_SYSTEM. */
int  maildrop_next(struct maildrop_reader *, char *type, struct span *value, struct fault *);
void maildrop_reader_free(struct maildrop_reader *);

/* postdrop's file.  dir: a directory's descriptor, or AT_FDCWD for one that cannot be opened. */
struct maildrop_file {
	int             dir, fd;
	struct queue_id id;
};
int  maildrop_create(int dir, struct maildrop_file *, struct fault *);
int  maildrop_commit(struct maildrop_file *, struct fault *);     /* complete and durable */
void maildrop_abandon(struct maildrop_file *);
/* The file is complete: pickup may read it. */
bool maildrop_is_ready(const struct stat *);

#endif
