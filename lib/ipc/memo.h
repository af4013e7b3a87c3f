/* SPDX-License-Identifier: ISC */
/*
 * memo.h - answers of other programs, remembered for a moment
 *
 * For questions whose answer depends on nothing but the question and on tables
 * or records that change rarely: a message asks the same several times, and
 * the next message of the same sender asks it again.  Each question spared is
 * two switches between processes.
 *
 * An answer is at most MEMO_MS old, about as long as the one who is asked takes
 * to notice that a table has changed (lib/service/tasks.c).  Only answers of
 * the verb that is expected are kept, refusals and faults never.  A monitor,
 * bounded in entries and bytes.
 */
#ifndef IPC_MEMO_H
#define IPC_MEMO_H

#include "ipc/frame.h"

enum { MEMO_MS = 1000 };

/* As peer_call; `verb` is the answer's that may be kept. No descriptors in either. */
WAITS int memo_call(const char *service, const char *verb, struct frame *request_then_answer, int64_t deadline,
                    struct fault *);

#endif
