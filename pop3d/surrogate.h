/* SPDX-License-Identifier: ISC */
/*
 * surrogate.h - what a client gets that did not say UTF8: a message with UTF-8 in its headers in ASCII (RFC 6856, 2.1)
 *
 * The surrogate is mail/downgrade.h's, made from the file whenever it is sent.  Its size differs from the message's, and
 * LIST must tell it (2.1), so each message has to be looked at once, when STAT or LIST asks, or before it is sent.  What was
 * found, for each message that was looked at and is still there, the file postern.pop3 beside dovecot-uidlist says: one that
 * could not be read, or was not to be seen at the time, is not in it, and is looked at when it can be.  It is a cache, and
 * may be deleted.
 */
#ifndef POP3D_SURROGATE_H
#define POP3D_SURROGATE_H

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

/* A message that was opened, with what was read of it at once: all of most, so that to look at one and to send it read it once. */
enum { SOURCE_FIRST = 65536 };
struct source {
	int         fd;             /* -1: none is open */
	uint64_t    size;
	struct text first;          /* kept for the next one */
};

/* Its bytes, from the beginning: as they are, or its surrogate's (with CRLF). */
struct content {
	const struct source *of;        /* borrowed */
	uint64_t             at;
	struct mime_stream  *stream;    /* NULL: as they are */
	struct text          part, made;
	bool                 over, changed;
};
void content_start(struct content *, const struct source *, bool surrogate);
/* 1: some (borrowed until the next call); 0: that was all; -1. */
WAITS int content_next(struct content *, struct span *, struct fault *);
void content_free(struct content *);

/* How it is sent to a client that did not say UTF8. */
enum drop_form { FORM_UNKNOWN, FORM_OWN, FORM_SURROGATE };

struct looked {
	enum drop_form form;            /* FORM_UNKNOWN: only its end was looked at */
	bool           open;            /* its last line lacks the line end that RETR adds */
	uint64_t       size;            /* how many octets RETR sends, of a surrogate, or where its name does not tell; else 0 */
};
/* `ascii`: whether it needs a surrogate, too; `sized`: its name tells its size with CRLF. */
WAITS int surrogate_look(const struct source *, bool ascii, bool sized, struct looked *, struct fault *);

/* The cache: what was found of the UIDs `first` to `last`, each of which was there. By UID. */
struct looked_run { uint32_t first, last; struct looked found; };
struct surrogates {
	struct looked_run *runs;            /* owned */
	size_t             count, room;
};
/* Total (for the fuzzer); false, and empty: it is none of this UIDVALIDITY, or not as it was written. */
bool surrogates_parse(struct span, uint32_t validity, struct surrogates *);
void surrogates_print(const struct surrogates *, uint32_t validity, struct text *out);
void surrogates_add(struct surrogates *, uint32_t uid, const struct looked *);      /* UIDs ascend */
const struct looked *surrogates_find(const struct surrogates *, uint32_t uid);      /* NULL: it was not looked at */
void surrogates_free(struct surrogates *);

#endif
