/* SPDX-License-Identifier: ISC */
/*
 * location.h - mail_location: where a user's mail lies
 *
 *   maildir:%h/Maildir[:INDEX=/var/cache/mail/%u]
 *
 * %u user, %n and %d its parts around the last '@', %h home, %% a percent
 * sign, "~/" the home at the front.  Keys: INDEX=.  Of mailboxes of others and of all also INDEXPVT=, where this
 * user's own \Seen is kept; there %%u, %%n, %%d and %%h are those of their owner.  What else Dovecot knows
 * (mbox:, LAYOUT=fs, CONTROL=, INBOX= ...) is refused with FAULT_INPUT that
 * says so: ignoring it would show the wrong mail.
 */
#ifndef STORE_LOCATION_H
#define STORE_LOCATION_H

#include "base/fault.h"
#include "base/text.h"

struct location {
	struct text root, index;     /* owned; index empty: in the root; "MEMORY": none */
	struct text private;         /* owned; empty: not said */
};
struct location_user { struct span name, home; };

int  location_parse(struct span setting, struct span user, struct span home, struct location *,
	struct fault *);
/* Of another's mailboxes; of everybody's where he is NULL (%% is a percent sign then). */
int  location_parse_foreign(struct span setting, const struct location_user *user, const struct location_user *owner,
	struct location *, struct fault *);
/* "shared/%%u/": what stands before the names of his mailboxes. */
int  location_expand_prefix(struct span prefix, const struct location_user *owner, struct text *out, struct fault *);
void location_free(struct location *);

#endif
