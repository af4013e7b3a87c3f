/* SPDX-License-Identifier: ISC */
/*
 * identity_lines.h - the lines of Dovecot's *.conf.ext: "name = value", whatever stands in front of the name
 *
 * A line that ends in a backslash goes on in the next.  # outside of quotes begins a comment.  A value in quotes is what they
 * hold, with \" and \\ for a quote and a backslash.  Pure.
 */
#ifndef GUARD_IDENTITY_LINES_H
#define GUARD_IDENTITY_LINES_H

#include "base/fault.h"
#include "base/text.h"

/* 0, or what the first `each` that fails returns, with the line's number in front of why. */
int identity_lines(struct span, int (*each)(void *context, struct span name, struct span value, struct fault *), void *context, struct fault *);

#endif
