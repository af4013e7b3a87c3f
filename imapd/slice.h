/* SPDX-License-Identifier: ISC */
/*
 * slice.h - where the last slice of a large section ended, so that the next one goes on from there
 *
 * A client fetches "BODY[2]<0.65536>", "BODY[2]<65536.65536>" and so on.  How many bytes a section has with CRLF line
 * ends, where in the message it lies, and which of its lines begins at the told byte costs a walk through all of it:
 * that is kept of one section, the last.  A cache: whatever does not fit the file at hand is worked out anew.
 */
#ifndef IMAPD_SLICE_H
#define IMAPD_SLICE_H

#include <sys/stat.h>

#include "base/span.h"

enum { SLICE_LEAST = 1 << 17, SLICE_LABEL = 128 };

struct slice {
	bool            known, global;          /* global: content.h */
	dev_t           device;
	ino_t           inode;
	off_t           size;
	struct timespec time, changed;          /* whoever writes into the file can set back the one, not the other */
	char            label[SLICE_LABEL];     /* "BODY[2]" */
	size_t          at, len;                /* of the section in the message */
	uint64_t        total;                  /* its bytes as they are told */
	size_t          offset;                 /* a line of it begins there, */
	uint64_t        told;                   /* with so many told bytes before */
};

/* Its label without the place: "BODY[2]<65536>" is "BODY[2]". */
bool slice_is_of(const struct slice *, const struct stat *, bool global, struct span label);
/* Of a section at that place; nothing is kept of a small one, or of one with a long name. */
void slice_begin(struct slice *, const struct stat *, bool global, struct span label, size_t at, size_t len, uint64_t total);

#endif
