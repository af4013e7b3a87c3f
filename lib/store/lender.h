/* SPDX-License-Identifier: ISC */
/*
 * lender.h - the file of a snapshot (snapshot.h), which lends a folder its messages and their names
 *
 * The messages are read and summed when they are lent first in a session; a name is looked at when somebody asks for it.
 */
#ifndef STORE_LENDER_H
#define STORE_LENDER_H

#include "store/mapping.h"
#include "store/messages.h"

struct lender {
	int         fd;
	struct leased lease;        /* of the file (mapping.h) */
	char       *copy;           /* of the names, where there is none; owned */
	const char *names;          /* a mapping: each with a NUL behind it */
	size_t      names_len, mapped;
	uint64_t    messages_at;
	size_t      count;
	bool        proven;         /* it was read and summed: it is not looked at any more */
	uint64_t    unseen;         /* position of the first message without \Seen, plus 1; 0: there is none */
};

/* `fd` is given; from then on the file stays as it is, or is told (mapping.h).  The caller finds that it is long enough; false: its names cannot
 * be had. */
struct lender *lender_begin(int fd);
bool lender_open(struct lender *, bool proven, size_t names_at, size_t names_len, uint64_t messages_at, size_t count);
void lender_close(struct lender *);                      /* NULL is fine */

/* Of a message that says where its name is.  Never NULL: "", which no file has, when there is no good one. */
const char *lender_name(const struct lender *, const struct message *);

/* All messages, as they are in the file (messages_free); NULL: they cannot be had. */
struct message *lender_messages(const struct lender *, struct messages_room *);

/* May these be its messages? */
bool lender_is_sound(const struct message *, size_t count, size_t names_len);

#endif
