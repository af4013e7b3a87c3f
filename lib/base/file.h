/* SPDX-License-Identifier: ISC */
/*
 * file.h - whole files, durable files, and paths that others own
 *
 * A write that must survive a power cut is: write, file_sync, rename,
 * file_sync_directory.  A failed fsync is never tried again on the same
 * descriptor: the pages may have been marked clean.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <dirent.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/text.h"

int file_read(const char *path, size_t limit, struct text *out, struct fault *);   /* whole */
int file_read_fd(int fd, size_t limit, struct text *out, struct fault *);          /* to its end */
int file_write(int fd, struct span, struct fault *);                /* all of it */
int file_write_at(int fd, struct span, off_t, struct fault *);
int file_read_at(int fd, void *, size_t, off_t, struct fault *);    /* exactly, or FAULT_INPUT */
int file_sync(int fd, struct fault *);                              /* fsync */
int file_sync_directory(const char *path, struct fault *);

/* Replaces path atomically and durably: temporary file beside it, mode, fsync,
 * rename, fsync of the directory. */
int file_replace(const char *path, struct span, mode_t, struct fault *);

/*
 * Opens `path` (relative) below directory descriptor `root` without following
 * any symbolic link and without leaving it; regular files are the caller's to
 * check.  flags as in open(2); O_CLOEXEC and O_NOCTTY are added.  Linux:
 * openat2; elsewhere one openat(O_NOFOLLOW) a component.
 */
int file_open_beneath(int root, const char *path, int flags, mode_t, struct fault *);

/* Makes a directory and its missing parents; present is fine. */
int file_make_directories(const char *path, mode_t, struct fault *);

/* Whether nothing has that name; what cannot be looked at may be there. */
bool file_is_absent(const char *path);

/* A stream over the directory that `dir` is, with a descriptor of its own; closedir ends it.  NULL: errno. */
DIR *file_directory(int dir);

/* The next entry: 1; 0 there is no more; -1: it cannot be told, which is not the end. */
int file_next(DIR *, struct dirent **, struct fault *);

/* A file in `directory` that has no name (any more), mode 0600: gone with its last descriptor. */
int file_unnamed(const char *directory, int *fd, struct fault *);

int file_descriptor_flags(int fd, bool nonblocking, bool cloexec);

#endif
