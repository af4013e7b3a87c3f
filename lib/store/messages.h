/* SPDX-License-Identifier: ISC */
/*
 * messages.h - the messages of a mailbox in one array, by UID
 *
 * The array is on the heap, or a private mapping of a snapshot's file (snapshot.h): then to open a mailbox costs no
 * memory for messages that nobody changes, and of time one look at each entry (lender_is_sound); what is changed in it is a copy of that page, as it is for any
 * other array.  A mapping has some room behind its end, for what comes in.
 */
#ifndef STORE_MESSAGES_H
#define STORE_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Also as it lies in a snapshot's file. */
struct message {
	uint32_t uid;
	uint16_t base_len;
	uint8_t  flags;             /* enum message_flag */
	bool     recent : 1;        /* first seen by this session */
	bool     in_new : 1;
	bool     lent : 1;          /* its name is one of the snapshot's */
	bool     pooled : 1;        /* its name is among folder->names */
	bool     touched : 1, untold : 1;   /* of a client's view alone (imapd/view.h) */
	uint64_t keywords;          /* bit n: keyword n of folder->keywords */
	uint64_t modseq;            /* 0: not known (history.h) */
	union {
		char    *own;       /* owned by the folder (message_rename), or of its names */
		uint64_t at;        /* lent: where in the snapshot's names */
	} name;                     /* asked for by message_name (folder.h) */
};
_Static_assert(sizeof(struct message) == 32, "a snapshot's file has no holes in it");

struct messages_room {
	size_t count;               /* how many there may be */
	size_t mapped;              /* bytes of the mapping; 0: it is on the heap */
};

/* `at` (`used` of them; NULL: none yet) with room for `want`. */
struct message *messages_grow(struct message *at, size_t used, size_t want, struct messages_room *);
void messages_free(struct message *at, const struct messages_room *);    /* not what they own */

/* `count` of them from a file at `offset`, a multiple of MESSAGES_ALIGNED, which the caller found to be that long; with `whole` all is read
 * now; where the file has no lease (mapping.h) it is read instead.  NULL: it cannot be had. */
enum { MESSAGES_ALIGNED = 65536 };
struct leased;
struct message *messages_map(const struct leased *, uint64_t offset, size_t count, bool whole, struct messages_room *);

#endif
