/* SPDX-License-Identifier: ISC */
/*
 * fault_point.h - named places where a test lets the process die, or a call fail
 *
 * Compiled in only with POSTERN_FAULT_POINTS (configure --enable-fault-points,
 * or a crash test's own objects); else a fault_point is the constant 0.
 *
 *   if (fault_point("queue.commit.renamed", why) < 0)
 *           return -1;
 *
 * The environment says what happens: POSTERN_FAULT="queue.commit.renamed:2:kill"
 * ends the process by SIGKILL at the second passage; "eio" and "enospc" in place
 * of "kill" make the point return -1 with that error, once.  "*" names the
 * count-th passage of any point.  POSTERN_FAULT_LOG names a file to which
 * every passage adds a line, so that a test can count that all points fired.
 */
#ifndef BASE_FAULT_POINT_H
#define BASE_FAULT_POINT_H

#include "base/fault.h"

int fault_point_reached(const char *name, struct fault *);

#ifdef POSTERN_FAULT_POINTS
#define fault_point(name, why) fault_point_reached((name), (why))
#else
#define fault_point(name, why) ((void)(why), 0)
#endif

#endif
