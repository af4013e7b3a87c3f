/* SPDX-License-Identifier: ISC */
/*
 * texts.h - the texts of built tables: when one changes, it is built again
 *
 * The `tables` program, a child as root, says which texts the configuration names (-p).
 * master looks at their times, never into them, and starts `tables` again when one has
 * changed and then stood still between two looks, so that a text which is just being
 * written is not read half.  A bad text keeps the old table and is logged by `tables`
 * with file and line; it is tried again when it changes again.  Programs see for
 * themselves that a table was replaced (service_watch_table).
 */
#ifndef MASTER_TEXTS_H
#define MASTER_TEXTS_H

#include <sys/types.h>

#include "config/faults.h"

/* Builds what is stale and learns the texts.  WAITS for the child: at start and reload only. */
void texts_build(struct faults *);
/* Looks when it is time; the time of the next look, or `next` when that is sooner. */
int64_t texts_look(int64_t next);
/* A child has ended: was it ours? */
bool texts_reap(pid_t pid, int status);

#endif
