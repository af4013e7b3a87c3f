/* SPDX-License-Identifier: ISC */
/*
 * built_file.h - one immutable LMDB file: written once, read without locks
 *
 * Written under a temporary name beside `path`; built_file_publish syncs and
 * renames it.  Inside lib/table.
 */
#ifndef TABLE_BUILT_FILE_H
#define TABLE_BUILT_FILE_H

#include <sys/types.h>

#include "base/fault.h"
#include "base/text.h"

enum { TABLE_BUILT_KEY_MAX = 500 };       /* LMDB: 511 */

struct built_file;

struct built_file *built_file_create(const char *path, size_t expected, struct fault *);
/* 0; 1 there was one (replaced or kept); -1 why */
int  built_file_put(struct built_file *, struct span key, struct span value, bool replace, struct fault *);
bool built_file_remove(struct built_file *, struct span key);
int  built_file_publish(struct built_file *, const char *stamp, mode_t, struct fault *);   /* frees */
void built_file_abandon(struct built_file *);

/* The reader's side. */
struct built_reader;
struct built_reader *built_reader_open(const char *path, struct fault *);
int  built_reader_find(struct built_reader *, struct span key, struct text *value, struct fault *);  /* 0, 1, -1 */
void built_reader_close(struct built_reader *);

int  built_file_stamp(const char *path, struct text *stamp);      /* -1: not one of ours */
int  built_file_walk(const char *path, void (*each)(void *context, struct span key, struct span value),
                     void *context, struct fault *);

#endif
