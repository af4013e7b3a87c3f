/* SPDX-License-Identifier: ISC */
/*
 * place_private.h - for folder_change.c, which moves what is expunged (lazy.h)
 */
#ifndef STORE_PLACE_PRIVATE_H
#define STORE_PLACE_PRIVATE_H

#include "store/dotlock.h"
#include "store/place.h"

/* Locks the target and the open mailbox, in the order of their names, so that two sessions that go to and fro do
 * not wait for each other. */
WAITS int placing_begin_beside(struct folder *, const struct copy_target *, struct dotlock *, struct placing **, struct fault *);

/* The message goes there by a rename: from now on it is the target's, whatever becomes of the placing (a file without a UID
 * gets one from who looks next).  Keywords that have no room there stay behind.  0; 1 it is not under its name; -1 why. */
int placing_take(struct placing *, struct folder *, const struct message *, unsigned flags, struct fault *);
bool placing_is_empty(const struct placing *);

#endif
