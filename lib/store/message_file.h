/* SPDX-License-Identifier: ISC */
/*
 * message_file.h - a message copied into a file of the target's own
 *
 * Written under tmp/, with the source's date (INTERNALDATE), made durable with it, and published as `to` by a
 * rename that overwrites nothing; `to_dir` is made durable by the caller, once for many.  Nothing is left behind
 * on failure. `held` is touched meanwhile.
 */
#ifndef STORE_MESSAGE_FILE_H
#define STORE_MESSAGE_FILE_H

#include "store/dotlock.h"

WAITS int message_file_copy(int source, int tmp_dir, int to_dir, const char *to, struct dotlock *held, struct fault *);

#endif
