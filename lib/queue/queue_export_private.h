/* SPDX-License-Identifier: ISC */
/*
 * queue_export_private.h - what the files of the export share: our messages become Postfix's (queue_move.h)
 *
 * queue_export.c walks; each file is made in the directory in between, written by a writer (queue_export_message.c,
 * queue_export_drop.c), completed there and handed over (queue_export_stage.c).
 */
#ifndef QUEUE_QUEUE_EXPORT_PRIVATE_H
#define QUEUE_QUEUE_EXPORT_PRIVATE_H

#include <sys/stat.h>

#include "queue/maildrop.h"
#include "queue/postfix_queue.h"
#include "queue/queue_file.h"
#include "queue/queue_move.h"

enum { EXPORT_FLUSH_AT = 65536, EXPORT_NAME_SIZE = 2 * QUEUE_ID_SIZE + 16 };

/* Postfix's logs of a message: it has failed, waits, or was delivered and its sender wants to know. */
enum { LOG_BOUNCE, LOG_DEFER, LOG_TRACE, LOGS };
extern const char *const export_log_names[LOGS];

struct export {
	struct queue_move *move;
	int                root, stage;         /* Postfix's queue directory, and what lies in between */
	int                held;                /* in ours: what is taken, by id (queue_held.h) */
	struct queue      *ours;
	uid_t              owner;               /* of Postfix's files */
	gid_t              group;
};

/* A message on its way: where it shall lie, and under which id: ours, or a new one where Postfix has another of that. */
struct crossing {
	struct queue_id  id, to;
	enum queue_state state;
};

/* A file that is being written. */
struct writer {
	int         fd;
	int64_t     at;                         /* of what is flushed */
	struct text out, logs[LOGS];
	size_t      n_rcpts;
};

int64_t export_here(const struct writer *);                             /* where the next record goes */
int export_flush(struct writer *, size_t from, struct fault *);         /* if so many bytes wait */
void export_writer_free(struct writer *);
void export_time(struct text *, int64_t us);
void export_flags(struct text *, struct span ret, bool verify, bool report);
struct span export_encoding(struct span body);

/* The file's whole bytes, and into the writer's texts those of the logs. */
int export_message(struct writer *, struct queue_file *, struct fault *);
/* Attributes and recipients may be mixed: first all of those, then these. */
int export_drop(struct writer *, struct maildrop_reader *, int64_t arrival_us, struct arena *, struct fault *);

/* A file in between is "ID.suffix"; created anew: a descriptor (owned), or -1. */
void export_stage_name(char name[EXPORT_NAME_SIZE], const char *id, const char *suffix);
int export_create(struct export *, const char *name, uid_t owner, struct fault *);

/* The steps of queue_move.h: whither, the whole file, and over. */
int export_choose(struct export *, const char *id, enum queue_state from, struct crossing *, struct fault *);
int export_complete(struct export *, struct writer *, const struct crossing *, mode_t, int64_t due_us, struct fault *);
int export_hand_over(struct export *, const struct crossing *, enum queue_state from, struct fault *);

/* A file of Postfix's in our queue, where both are one directory. */
bool export_is_theirs(struct export *, enum queue_state, const char *id);

/* Opened, one of another queue refused, and what an earlier run has left finished; and removed. */
int export_open_stage(struct export *, struct fault *);
void export_remove_stage(struct export *);

#endif
