/* SPDX-License-Identifier: ISC */
/*
 * surrogate.h - what a client gets that did not say UTF8: a message with UTF-8 in its headers in ASCII (RFC 6856, 2.1)
 *
 * The surrogate is mail/downgrade.h's, made from the file whenever it is sent.  Its size differs from the message's, and
 * LIST must tell it (2.1), so each message has to be looked at once: the file postern.pop3 beside dovecot-uidlist says how
 * far that came, and what is larger or smaller because of it.  It is a cache, and may be deleted.
 */
#ifndef POP3D_SURROGATE_H
#define POP3D_SURROGATE_H

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

/* A message's bytes, from the beginning of an open file: as they are, or its surrogate's (with CRLF). */
struct content {
	int                 fd;         /* borrowed */
	struct mime_stream *stream;     /* NULL: as they are */
	struct text         part, made;
	bool                over, changed;
};
void content_start(struct content *, int fd, bool surrogate);
/* 1: some (borrowed until the next call); 0: that was all; -1. */
WAITS int content_next(struct content *, struct span *, struct fault *);
void content_free(struct content *);

/* Whether there is a surrogate, and how many octets RETR sends of it. The file is left at its beginning. */
WAITS int surrogate_measure(int fd, bool *is_one, uint64_t *size, struct fault *);

/* The cache: messages to `looked_to` were looked at; `sizes`, by UID, are of those that have a surrogate. */
struct surrogate_size { uint32_t uid; uint64_t size; };
struct surrogates {
	uint32_t               looked_to;
	struct surrogate_size *sizes;       /* owned */
	size_t                 count, room;
};
/* Total (for the fuzzer); false, and empty: it is none of this UIDVALIDITY. */
bool surrogates_parse(struct span, uint32_t validity, struct surrogates *);
void surrogates_print(const struct surrogates *, uint32_t validity, struct text *out);
void surrogates_add(struct surrogates *, uint32_t uid, uint64_t size);      /* UIDs ascend */
const struct surrogate_size *surrogates_find(const struct surrogates *, uint32_t uid);
void surrogates_free(struct surrogates *);

#endif
