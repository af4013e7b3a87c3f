/* SPDX-License-Identifier: ISC */
/*
 * queue_talk.h - what others tell and ask qmgr
 *
 * A notice that a message was committed: one datagram "new QUEUE_ID" to the
 * unix-dgram socket private/qmgr-notice, never blocking, allowed to be lost;
 * qmgr also looks into incoming/.
 *
 * The tools ask on public/qmgr (SOCK_SEQPACKET, owner root or mail_owner for
 * changes, everyone in setgid_group for flush and list):
 *
 *   flush                               | done
 *   flush_one queue_id=..               | done
 *   flush_site site=..                  | done          (ETRN, postqueue -s)
 *   change    what=delete|hold|release|requeue|expire queue_id=..|ALL [queue=..]   | done count=..
 *   list                                | message ... (repeated, one a frame) | done
 */
#ifndef IPC_QUEUE_TALK_H
#define IPC_QUEUE_TALK_H

#include "ipc/frame.h"

/* sock: a connected datagram socket. Never waits; loss is fine. */
void queue_notice(int sock, struct span queue_id);
WAITS int queue_flush(const char *public_directory, struct span queue_id_or_none, struct span site_or_none, struct fault *);
WAITS int queue_change(const char *public_directory, const char *what, struct span queue_id, struct span queue, int64_t *count, struct fault *);

#endif
