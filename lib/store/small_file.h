/* SPDX-License-Identifier: ISC */
/*
 * small_file.h - read and replace a small file inside a mailbox directory
 *
 * Names are single components below `dir`; links and what is not a regular
 * file are refused.  small_file_replace is atomic and durable (temporary file,
 * fsync, rename, fsync of dir) and keeps the mode of the file that was there; a new one is its
 * owner's, and in a shared directory its group's (shared_mode.h).
 */
#ifndef STORE_SMALL_FILE_H
#define STORE_SMALL_FILE_H

#include <sys/stat.h>

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

/* `st`, when given, is of the very file that was read.  error ENOENT: none. */
WAITS int small_file_read(int dir, const char *name, size_t limit, struct text *out,
	struct stat *st, struct fault *);
/* `mtime` > 0 is set on the new file. `temporary` is its name while it is written. */
WAITS int small_file_replace(int dir, const char *name, const char *temporary, struct span,
	int64_t mtime, struct fault *);

#endif
