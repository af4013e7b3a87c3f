/* SPDX-License-Identifier: ISC */
/*
 * frame.h - one request or answer between two of our programs
 *
 * A frame is a verb and named fields; it travels as one record of a
 * SOCK_SEQPACKET socket, at most FRAME_MAX bytes, with up to FRAME_FDS
 * descriptors.  Values are bytes: numbers are decimal, flags are "yes" or
 * "no".  A name may occur several times (a list); what does not fit goes
 * into further frames with a verb that says so.
 *
 * On the wire:  verb NUL  { name NUL length(4, big-endian) bytes }*
 * A descriptor is a field whose value is its index in the control message.
 *
 * Building never fails before frame_send, which refuses a frame that grew too
 * large.  A received frame owns its bytes and its descriptors; spans out of it
 * are borrowed until it is cleared or received into again.
 *
 *   struct frame f = {0};
 *   frame_start(&f, "resolve");
 *   frame_put(&f, "address", address);
 *   if (frame_send(fd, &f, deadline, why) < 0 || frame_receive(fd, &f, deadline, why) != 0) ...
 *   frame_clear(&f);             (or: autoframe struct frame f = {0};)
 *
 * Decoding goes by a table; an unknown, missing or malformed field is
 * FAULT_INPUT, and the one who decodes hangs up:
 *
 *   static const struct field fields[] = {
 *       FIELD_TEXT  (struct ask, address, "address", FIELD_NEEDED),
 *       FIELD_NUMBER(struct ask, size,    "size",    0),
 *       FIELD_FD    (struct ask, content, "content", FIELD_NEEDED),
 *       FIELD_END
 *   };
 */
#ifndef IPC_FRAME_H
#define IPC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

enum { FRAME_MAX = 65536, FRAME_FDS = 4 };

struct frame {
	struct text bytes;
	int         fds[FRAME_FDS];
	size_t      n_fds;
	bool        owns_fds;       /* received: closed by frame_clear */
};

void frame_start(struct frame *, const char *verb);
void frame_put(struct frame *, const char *name, struct span);
void frame_put_string(struct frame *, const char *name, const char *);
void frame_put_number(struct frame *, const char *name, int64_t);
void frame_put_flag(struct frame *, const char *name, bool);
void frame_put_fd(struct frame *, const char *name, int fd);   /* borrowed until sent */
size_t frame_room(const struct frame *);                       /* bytes that still fit */

WAITS int frame_send(int sock, struct frame *, int64_t deadline, struct fault *);
/* 0; 1: the peer closed in order; -1. */
WAITS int frame_receive(int sock, struct frame *, int64_t deadline, struct fault *);
void frame_clear(struct frame *);
#define autoframe __attribute__((cleanup(frame_clear)))

struct span frame_verb(const struct frame *);
bool frame_is(const struct frame *, const char *verb);
/* First field of that name; false when absent. */
bool frame_get(const struct frame *, const char *name, struct span *value);
bool frame_get_number(const struct frame *, const char *name, int64_t *value);
bool frame_get_flag(const struct frame *, const char *name);   /* absent is false */
int  frame_take_fd(struct frame *, const char *name);          /* owned by the caller; -1 */
/* Walks all fields: start with *at = 0. */
bool frame_next(const struct frame *, size_t *at, struct span *name, struct span *value);

enum field_kind { FIELD_IS_TEXT, FIELD_IS_NUMBER, FIELD_IS_FLAG, FIELD_IS_FD, FIELD_IS_MANY };
enum { FIELD_NEEDED = 1 };
struct field {
	const char     *name;
	enum field_kind kind;
	size_t          offset;
	int             needed;
};
#define FIELD_TEXT(type, member, name, needed)   {name, FIELD_IS_TEXT, offsetof(type, member), needed}
#define FIELD_NUMBER(type, member, name, needed) {name, FIELD_IS_NUMBER, offsetof(type, member), needed}  /* int64_t */
#define FIELD_FLAG(type, member, name, needed)   {name, FIELD_IS_FLAG, offsetof(type, member), needed}    /* bool */
#define FIELD_FD(type, member, name, needed)     {name, FIELD_IS_FD, offsetof(type, member), needed}      /* int, owned by *into */
#define FIELD_MANY(name)                         {name, FIELD_IS_MANY, 0, 0}   /* repeated: allowed, read by frame_next */
#define FIELD_END                                {NULL, FIELD_IS_TEXT, 0, 0}

/* Fills *into (absent: untouched, fds should be set to -1 before). Spans are
 * borrowed from the frame; descriptors move out of it. */
int frame_decode(struct frame *, const struct field *, void *into, struct fault *);

#endif
