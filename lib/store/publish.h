/* SPDX-License-Identifier: ISC */
/*
 * publish.h - rename that never overwrites
 *
 * Both names are single components.  error EEXIST when `to` is there.  Linux:
 * renameat2(RENAME_NOREPLACE), or link and unlink where the file system lacks
 * it; elsewhere link and unlink.
 */
#ifndef STORE_PUBLISH_H
#define STORE_PUBLISH_H

#include "base/fault.h"

int publish_no_replace(int from_dir, const char *from, int to_dir, const char *to, struct fault *);
/* The latter alone.  On failure there is no `to` (unless that cannot be removed, either). */
int publish_by_link(int from_dir, const char *from, int to_dir, const char *to, struct fault *);

#endif
