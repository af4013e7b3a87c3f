/* SPDX-License-Identifier: ISC */
/*
 * postfix_directory.h - where Postfix keeps its files: hashed directories, below its queue directory
 *
 * deferred/4/4A0B...: one directory a character, so many as hash_queue_depth says, in the queues of
 * hash_queue_names. A short id is hashed by its own characters, a long one by its microseconds in
 * hexadecimal. What lies deeper or less deep is found all the same. Symbolic links are not followed.
 */
#ifndef QUEUE_POSTFIX_DIRECTORY_H
#define QUEUE_POSTFIX_DIRECTORY_H

#include <sys/stat.h>

#include "base/fault.h"
#include "base/text.h"

/*
 * Calls `visit` for each file with a valid id, in any depth; it may remove and add files. Whatever it
 * returns that is not 0 ends the walk and is returned. A directory that is not there is empty.
 */
typedef int postfix_visit(void *context, int dir, const char *path, const char *id, struct fault *);
int postfix_walk(int root, const char *name, postfix_visit *, void *context, struct fault *);

/* All directories below that one, and it, are made durable. One that is not there is. */
int postfix_sync(int root, const char *name, struct fault *);

/* The file of that id in such a queue or among the logs: its directory (owned) and the descriptor (owned, O_RDONLY):
 * 0; 1 not there; -1. */
int postfix_find(int root, const char *name, const char *id, int *dir, int *fd, struct fault *);

/* The directory of that id, hashed to that depth, made where it is missing with that owner: a descriptor (owned), or -1. */
int postfix_directory(int root, const char *name, const char *id, int depth, uid_t, gid_t, struct fault *);

#endif
