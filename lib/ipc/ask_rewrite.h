/* SPDX-License-Identifier: ISC */
/*
 * ask_rewrite.h - "what does this address mean, and where does it go?"
 * asks: smtpd cleanup qmgr local, the tools.  answers: rewrite (lib/route).
 *
 *   rewrite  context=local|remote address=.. (repeated)
 *                          | rewritten address=.. (as many)
 *   resolve  sender=.. address=.. (repeated)
 *                          | resolved { transport nexthop recipient class [error=DSN] }*
 *   resolve_probe            the same, for address probes (address_verify_*)
 *   expand   address=.. from=0
 *                          | expanded total=.. address=.. (repeated; the rest by from=N)
 *   map      kind=sender|recipient|header_sender|header_recipient address=.. (repeated)
 *                          | mapped address=.. (as many)
 *   known    sender=.. address=..
 *                          | known known=yes|no table=.. dsn=.. code=.. [text=..]
 *
 * expand is all that happens to an envelope recipient: recipient_canonical_maps,
 * canonical_maps, masquerading (where their classes say so), then virtual_alias_maps.
 * map is the first three, for one place (canonical(5)).  Who expands does not map before.
 *
 * Addresses are in internal form (unquoted). In batches, with a cache a domain.
 */
#ifndef IPC_ASK_REWRITE_H
#define IPC_ASK_REWRITE_H

#include "base/arena.h"
#include "ipc/frame.h"

enum route_class { ROUTE_LOCAL, ROUTE_VIRTUAL_ALIAS, ROUTE_VIRTUAL_MAILBOX, ROUTE_RELAY, ROUTE_DEFAULT, ROUTE_ERROR };

struct route {                      /* spans live in the arena given */
	struct span      transport, nexthop, recipient;
	enum route_class class;
	bool             is_error;      /* transport "error" or "retry": nexthop is the text */
	char             dsn[16];
};

struct route_known {                /* reject_unlisted_recipient */
	bool        known;
	char        table[64];          /* "local recipient table", "virtual mailbox table", "virtual alias table", "relay recipient table" */
	char        dsn[16];            /* 5.1.1; 5.1.0 for senders */
	int         code;               /* unknown_local_recipient_reject_code ... */
	char        text[256];          /* of an error: or retry: route that it leads to, else "" */
};

/* context: "local" (append $myorigin, $mydomain) or "remote". Counts up to 1,000; out[i] answers in[i]. */
WAITS int ask_rewrite(const char *context, const struct span *in, size_t count, struct arena *, struct span *out, struct fault *);
WAITS int ask_resolve(struct span sender, const struct span *in, size_t count, struct arena *, struct route *out, struct fault *);
WAITS int ask_resolve_probe(struct span sender, const struct span *in, size_t count, struct arena *, struct route *out, struct fault *);
WAITS int ask_expand(struct span address, struct arena *, struct span **out, size_t *count, struct fault *);
WAITS int ask_map(const char *kind, const struct span *in, size_t count, struct arena *, struct span *out, struct fault *);
WAITS int ask_known(struct span sender, struct span address, struct route_known *, struct fault *);

#endif
