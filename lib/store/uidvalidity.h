/* SPDX-License-Identifier: ISC */
/*
 * uidvalidity.h - the next UIDVALIDITY of a user's mailboxes
 *
 * The root holds dovecot-uidvalidity (8 hex digits) and an empty file
 * dovecot-uidvalidity.<8 hex> whose name is the value: renaming it to the next
 * is the allocator, so that no two mailboxes ever get the same value, and a
 * mailbox deleted and made again gets a new one.
 */
#ifndef STORE_UIDVALIDITY_H
#define STORE_UIDVALIDITY_H

#include "base/fault.h"
#include "base/task.h"

WAITS int uidvalidity_next(int root, uint32_t *value, struct fault *);

#endif
