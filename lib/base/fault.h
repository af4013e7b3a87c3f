/* SPDX-License-Identifier: ISC */
/*
 * fault.h - why something did not happen
 *
 * Functions return 0 or -1 with a fault; results through the last pointers,
 * untouched on failure.  Whoever decides the outcome logs it, once.
 *
 *   FAULT_TIME     the deadline came            not now
 *   FAULT_PEER     the other side went away     not now
 *   FAULT_INPUT    what we were given is wrong  never
 *   FAULT_SYSTEM   the system refused (errno)   not now
 *   FAULT_DENIED   a rule says no               never
 *
 * A zeroed fault is valid.  It holds its reason by value (cut at its size),
 * so it needs no freeing.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include "base/span.h"

enum fault_class {
	FAULT_NONE, FAULT_TIME, FAULT_PEER, FAULT_INPUT, FAULT_SYSTEM, FAULT_DENIED
};

struct fault {
	enum fault_class class;
	int              error;       /* errno, with FAULT_SYSTEM */
	char             reason[400];
};

/* All return -1, so that one can write: return fault_set(why, ...). A NULL
 * fault is allowed where the reason does not matter. */
int fault_set(struct fault *, enum fault_class, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int fault_errno(struct fault *, const char *format, ...)   /* "format: strerror" */
	__attribute__((format(printf, 2, 3)));
int fault_prefix(struct fault *, const char *format, ...)  /* puts "format: " before */
	__attribute__((format(printf, 2, 3)));
void fault_clear(struct fault *);
const char *fault_text(const struct fault *);

#endif
