/* SPDX-License-Identifier: ISC */
/*
 * queue_private.h - what the files of lib/queue share
 */
#ifndef QUEUE_QUEUE_PRIVATE_H
#define QUEUE_QUEUE_PRIVATE_H

#include "base/text.h"
#include "queue/queue.h"
#include "queue/queue_file.h"

enum { QUEUE_MAGIC = 0x51756575 };

/* One flush of a directory serves all who asked before it began. */
struct sync_group {
	struct monitor lock;
	bool           running;
	uint64_t       begun, ended;    /* rounds */
	uint64_t       failed;          /* the last round that failed, and with what */
	int            error;
};

struct queue {
	unsigned          magic;
	int               root;
	int               dirs[QUEUE_STATES];
	struct sync_group sync[QUEUE_STATES];
	struct monitor    ids;          /* the block of numbers that is ours */
	uint64_t          next_number, end_number;
};

/* The commit record: where everything lies. Pure; fuzzed through queue_file_read. */
struct queue_head {
	char     id[QUEUE_ID_SIZE];
	int64_t  created_us, content_length, envelope_at, rcpts_at, rcpt_count, journal_at;
	uint32_t envelope_sum;
};
enum { QUEUE_FLAGS_AT = 504, QUEUE_FLAG_EXPIRED = QUEUE_FLAGS_AT };
void queue_head_print(const struct queue_head *, char block[QUEUE_CONTENT_AT]);
int  queue_head_parse(const char block[QUEUE_CONTENT_AT], struct queue_head *, struct fault *);

/* Attributes: name NUL, length (4, big-endian), value. */
void queue_attributes_print(const struct queue_envelope *, struct text *);
/* Spans of the envelope point into `in`; the pieces are owned by the envelope. */
int  queue_attributes_parse(struct span in, struct queue_envelope *, struct fault *);

/* A recipient: state, '0' + notify, three lengths (2, big-endian), three strings. */
enum { RCPT_HEAD = 8, RCPT_RECORD_MAX = RCPT_HEAD + 3 * QUEUE_ADDRESS_MAX };
int queue_rcpt_print(const struct queue_rcpt *, struct text *, struct fault *);
/* How many bytes the record at the front of `in` takes; -1 malformed. Spans point into `in`. */
ptrdiff_t queue_rcpt_parse(struct span in, struct queue_rcpt *);

/* The journal's payload. */
void queue_event_print(const struct queue_event *, struct text *);
bool queue_event_parse(struct span in, struct queue_event *);

#endif
