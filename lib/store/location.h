/* SPDX-License-Identifier: ISC */
/*
 * location.h - mail_location: where a user's mail lies
 *
 *   maildir:%h/Maildir[:INDEX=/var/cache/mail/%u]
 *
 * %u user, %n and %d its parts around the last '@', %h home, %% a percent
 * sign, "~/" the home at the front.  Keys: INDEX=.  What else Dovecot knows
 * (mbox:, LAYOUT=fs, CONTROL=, INBOX= ...) is refused with FAULT_INPUT that
 * says so: ignoring it would show the wrong mail.
 */
#ifndef STORE_LOCATION_H
#define STORE_LOCATION_H

#include "base/fault.h"
#include "base/text.h"

struct location {
	struct text root, index;     /* owned; index empty: in the root; "MEMORY": none */
};

int  location_parse(struct span setting, struct span user, struct span home, struct location *,
	struct fault *);
void location_free(struct location *);

#endif
