/* SPDX-License-Identifier: ISC */
/*
 * dnsd_resolver.h - libunbound behind a deadline
 *
 * A monitor. resolver_start makes the context and its thread, and reads what
 * libunbound reads (resolv.conf, trust anchor): before the chroot. The only
 * place that knows libunbound (DESIGN.md 8). libunbound may take long on a
 * dead server (FACTS.md 4): resolver_ask gives up at its own deadline and the
 * question is cancelled.
 */
#ifndef GUARD_DNSD_RESOLVER_H
#define GUARD_DNSD_RESOLVER_H

#include "base/fault.h"
#include "base/task.h"
#include "base/text.h"

struct resolver_settings {
	const char *servers;         /* "127.0.0.1@5353, ..." instead of resolv.conf's; "" is resolv.conf */
	const char *trust_anchor;    /* file; "": no DNSSEC validation */
	const char *hosts;           /* hosts file; "": not looked at */
};

enum resolver_state { RESOLVER_FOUND, RESOLVER_NONE, RESOLVER_NXDOMAIN, RESOLVER_TROUBLE };

struct resolver_answer {
	enum resolver_state state;
	bool                secure;
	int64_t             ttl;
	struct text         canonical;
	struct text        *records;  /* owned, as text */
	size_t              n_records;
	char                trouble[80];
};

int  resolver_start(const struct resolver_settings *, struct fault *);
int  resolver_begin(struct fault *);        /* in the sandbox: the task that takes answers in */
WAITS void resolver_ask(struct span name, int type, int64_t deadline, struct resolver_answer *);
void resolver_answer_free(struct resolver_answer *);

#endif
