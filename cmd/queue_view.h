/* SPDX-License-Identifier: ISC */
/*
 * queue_view.h - the queue directories, read by a command when qmgr does not run
 */
#ifndef CMD_QUEUE_VIEW_H
#define CMD_QUEUE_VIEW_H

#include "ipc/queue_talk.h"
#include "queue/queue_file.h"

/* The same calls as queue_list (ipc/queue_talk.h) makes; maildrop included. */
int queue_view(struct queue *, const struct queue_list_reader *, struct fault *);

/* The caller may read and change the directories: root, or the owner of a private instance. */
bool queue_is_ours(const char *queue_directory);

/* mailq's output, fed by either: zero it, choose json, call queue_print_end. */
struct queue_printer {
	bool        json;
	int64_t     count, bytes;
	bool        open;               /* within a message */
	int64_t     rcpts;
	struct text reason;
};
int  queue_print_message(void *printer, const struct queue_listed *);
int  queue_print_rcpt(void *printer, const struct queue_listed_rcpt *);
void queue_print_end(struct queue_printer *);

#endif
