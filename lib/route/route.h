/* SPDX-License-Identifier: ISC */
/*
 * route.h - what an address means, and where its mail goes
 *
 * One router holds the routing parameters and the open tables; it is immutable
 * but for a cache of domain classes (a monitor), so all tasks share it.  The
 * program `rewrite` owns one and answers everybody (ipc/ask_rewrite.h).
 *
 * Addresses are in internal form (mail/address.h).  Results lie in the arena
 * that the caller gives.  -1 means that a table could not be asked (not now);
 * an address that can never be delivered is an answer (ROUTE_ERROR), not a
 * fault.
 *
 *   params_load(... route_params ...);
 *   struct router *r = router_open(watch, why);     before the sandbox closes
 *   router_resolve(r, sender, address, arena, &route, why);
 *
 * Sources: trivial-rewrite(8), transport(5), virtual(5), canonical(5),
 * ADDRESS_REWRITING_README and postconf(5) of Postfix.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "base/arena.h"
#include "config/param.h"
#include "ipc/ask_rewrite.h"
#include "table/table.h"

struct router;

extern const struct param route_params[];

/* NULL and why.  `watch` (may be NULL) is called with every table that was opened. */
struct router *router_open(void (*watch)(struct table *), struct fault *);
void router_close(struct router *);                     /* NULL is fine */

/*
 * The canonical form of one address.  `local`: incomplete addresses get
 * $myorigin and $mydomain; else remote_header_rewrite_domain, or nothing.
 * "" stays "" (the null address).
 */
void router_rewrite(
	const struct router *, bool local, struct span in, struct arena *, struct span *out);

/* Class, transport and next hop of a recipient. */
WAITS int router_resolve(struct router *, struct span sender, struct span address, struct arena *,
                         struct route *, struct fault *);

/* The same for an address probe: address_verify_*_transport and its kin. */
WAITS int router_resolve_probe(struct router *, struct span sender, struct span address, struct arena *,
                               struct route *, struct fault *);

/*
 * A recipient of an envelope: recipient_canonical_maps, canonical_maps and masquerading (when
 * their classes hold envelope_recipient), then virtual_alias_maps until nothing changes.
 * FAULT_INPUT: the expansion is larger or deeper than virtual_alias_*_limit.
 */
WAITS int router_expand(struct router *, struct span address, struct arena *, struct span **out,
                        size_t *count, struct fault *);

enum route_map_kind { MAP_SENDER, MAP_RECIPIENT, MAP_HEADER_SENDER, MAP_HEADER_RECIPIENT };
bool route_map_kind_parse(struct span, enum route_map_kind *);

/* canonical(5) and masquerading for one address in that place. */
WAITS int router_map(struct router *, enum route_map_kind, struct span in, struct arena *,
                     struct span *out, struct fault *);

/* Is there such a recipient (reject_unlisted_recipient)?  Unknown is an answer. */
WAITS int router_known(struct router *, struct span sender, struct span address,
                       struct route_known *, struct fault *);

#endif
