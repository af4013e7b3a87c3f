/* SPDX-License-Identifier: ISC */
/*
 * manage_store.h - a user's scripts as files: NAME.sieve in a directory, and a link to the active one
 *
 * As Pigeonhole keeps them.  A file that stands where the link belongs (made by hand) is active and has
 * no name; it is kept as dovecot.orig.sieve when another script becomes active.  Every change is durable when its
 * function returns 0.  Runs as the owner.
 */
#ifndef IMAPD_MANAGE_STORE_H
#define IMAPD_MANAGE_STORE_H

#include "base/arena.h"
#include "base/task.h"
#include "sieve/settings.h"

struct manage_script { struct span name; bool active; uint64_t size; };

/* sieve_default, where it has a name: a script that cannot be changed, and is active when the user has none.  False: not this. */
bool scripts_is_default(const struct sieve_place *, struct span name);

/* Scripts in the order of their names; *active is the name, or empty. */
WAITS int scripts_list(struct arena *, const struct sieve_place *, struct manage_script **, size_t *count, struct fault *);
/* 0; error ENOENT: there is none of that name. */
WAITS int scripts_read(const struct sieve_place *, struct span name, struct text *out, struct fault *);
WAITS int scripts_write(const struct sieve_place *, struct span name, struct span text, struct fault *);
WAITS int scripts_delete(const struct sieve_place *, struct span name, struct fault *);
WAITS int scripts_rename(const struct sieve_place *, struct span from, struct span to, struct fault *);   /* error EEXIST */
WAITS int scripts_activate(const struct sieve_place *, struct span name, struct fault *);                 /* "": none */
bool scripts_is_active(const struct sieve_place *, struct span name);
bool scripts_exists(const struct sieve_place *, struct span name);

#endif
