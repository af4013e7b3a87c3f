/* SPDX-License-Identifier: ISC */
/*
 * authd_source.h - the passwd-files that are named as passdb or userdb
 *
 * One file may be both: it is read once. Each is looked at before it is asked, and read again by a prepared
 * helper when it is another one, or was written; while the new one cannot be read the old one is used. A monitor.
 */
#ifndef GUARD_AUTHD_SOURCE_H
#define GUARD_AUTHD_SOURCE_H

#include "authd_file.h"
#include "base/arena.h"
#include "base/fault.h"
#include "base/task.h"

enum { SOURCES_MAX = 16 };

/* At start, in this order; a path that is there already has the index that it had. */
int source_add(const char *path, size_t *index, struct fault *);
int sources_open(struct fault *);
const char *const *sources_paths(size_t *count);         /* what a helper may open again, by index */

WAITS void sources_refresh(void);                         /* before a remembered success is trusted */
/* Copies the entry into the arena, so that the file may be replaced. */
WAITS bool source_find(size_t index, const char *user, struct arena *, struct passwd_entry *out);

#endif
