/* SPDX-License-Identifier: ISC */
/*
 * queue_file_private.h - an open message
 */
#ifndef QUEUE_QUEUE_FILE_PRIVATE_H
#define QUEUE_QUEUE_FILE_PRIVATE_H

#include "queue/queue_private.h"

enum { FILE_MAGIC = 0x46696c65 };

struct queue_file {
	unsigned              magic;
	struct queue         *q;            /* NULL: read from a bare descriptor */
	int                   fd;
	bool                  writable, expired;
	enum queue_state      state;            /* where it was opened */
	struct queue_head     head;
	struct text           attributes;   /* the envelope's spans point here */
	struct queue_envelope envelope;
	struct text           window;       /* a portion of the recipients */
	int64_t               window_at;
	int64_t               journal_end;  /* where the next event goes; -1: not looked for yet */
};

#endif
