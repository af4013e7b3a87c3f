/* SPDX-License-Identifier: ISC */
/*
 * member.c - members of an alias, a .forward or an :include: file
 *
 * An address that comes back to this very agent is delivered in the same run;
 * all others are collected and become a new message at its end.
 */
#include "base/log.h"
#include "config/site.h"
#include "ipc/ask_rewrite.h"
#include "local/run.h"
#include "mail/address.h"
#include "service/service.h"

static const char *
origin_name(enum party_origin origin)
{
	return origin == PARTY_FORWARD ? "forward" : origin == PARTY_INCLUDE ? "include" : "alias";
}

static void
visit(struct run *r, const struct party *from, struct span address, bool bare)
{
	struct party next = *from;

	next.address = address;
	next.bare = bare;
	recipient_deliver(r, &next);
}

static struct span
with_extension(struct run *r, const struct party *p, struct span address)
{
	struct span local, domain;

	if (p->unmatched.len == 0)
		return address;
	address_split(address, &local, &domain);
	return span_of(arena_format(r->arena, "%.*s%s%.*s%s%.*s", SPAN_ARGS(local), p->delimiter,
		SPAN_ARGS(p->unmatched), domain.len ? "@" : "", SPAN_ARGS(domain)));
}

static bool
is_bare(struct span address)
{
	return span_starts(address, "\\") && !span_has(address, '@');
}

static void
deliver_address(
	struct run *r, const struct party *from, struct span whole, const struct route *route)
{
	/* With another sender (owner-list) a bounce must go elsewhere: that is another message. */
	if (span_is(route->transport, service->name) &&
		span_equal_nocase(route->nexthop, r->d->nexthop) && !from->owned)
		visit(r, from, route->recipient, false);
	else if (run_first_time(r, "address", whole, 0))
		forward_add(r, from->sender, whole);
}

/* All addresses of a list are resolved in one batch: results by the place in the list. */
static int
resolve_all(struct run *r, const struct party *from, const struct members *list,
	struct span **whole, struct route **routes, struct fault *why)
{
	struct span *in = arena_alloc(r->arena, (list->count + 1) * sizeof *in);
	size_t       n = 0;

	*whole = arena_alloc(r->arena, (list->count + 1) * sizeof **whole);
	*routes = arena_alloc(r->arena, (list->count + 1) * sizeof **routes);
	for (size_t i = 0; i < list->count; i++)
		if (list->at[i].kind == MEMBER_ADDRESS && !is_bare(list->at[i].value))
			in[n++] = with_extension(r, from, list->at[i].value);
	if (n && (ask_rewrite("local", in, n, r->arena, *whole, why) < 0 ||
	          ask_resolve(from->sender, *whole, n, r->arena, *routes, why) < 0))
		return -1;
	return 0;
}

static void
include(struct run *r, const struct party *from, struct span path)
{
	struct party   next = *from;
	struct members list;

	if (!span_starts(path, "/")) {
		run_add(r, from->address, DELIVER_BOUNCED, "5.2.4",
			":include:%.*s uses a relative path", SPAN_ARGS(path));
		return;
	}
	if (!run_first_time(r, "include", path, (long)from->rights.uid))
		return;
	if (!target_read_include(r, from, path, &list))
		return;
	next.origin = PARTY_INCLUDE;
	next.level++;
	if (!list_has(&local_settings.propagate, "include"))
		next.unmatched = SPAN_NONE;
	members_deliver(r, &next, &list);
}

/* `whole` and `route` are an address's, resolved. */
static void
deliver_member(struct run *r, const struct party *from, const struct member *m, struct span whole,
               const struct route *route)
{
	const char *origin = origin_name(from->origin);

	switch (m->kind) {
	case MEMBER_ADDRESS:
		if (is_bare(m->value))
			visit(r, from,
				span_of(arena_format(r->arena, "%.*s@%.*s", SPAN_ARGS(m->value),
					SPAN_ARGS(from->domain))),
				true);
		else
			deliver_address(r, from, whole, route);
		break;
	case MEMBER_COMMAND:
		if (!list_has(&local_settings.allow_commands, origin))
			run_add(r, from->address, DELIVER_BOUNCED, "5.7.1",
				"mail to command is restricted");
		else if (run_first_time(r, "command", m->value, (long)from->rights.uid))
			target_command(r, from, m->value);
		break;
	case MEMBER_FILE:
		if (!list_has(&local_settings.allow_files, origin))
			run_add(r, from->address, DELIVER_BOUNCED, "5.7.1",
				"mail to file is restricted");
		else if (run_first_time(r, "file", m->value, (long)from->rights.uid))
			target_file(r, from, m->value);
		break;
	case MEMBER_INCLUDE:
		include(r, from, m->value);
		break;
	}
}

void
members_deliver(struct run *r, const struct party *from, const struct members *list)
{
	struct span  *whole;
	struct route *routes;
	struct fault  why = {0};
	size_t        n = 0;

	if (from->level > LEVEL_MAX) {
		run_add(r, from->address, DELIVER_BOUNCED, "5.4.6",
			"possible alias database loop for %.*s", SPAN_ARGS(from->local));
		return;
	}
	if (resolve_all(r, from, list, &whole, &routes, &why) < 0) {
		run_add(r, from->address, DELIVER_DEFERRED, "4.3.0", "address resolver failure: %s",
			fault_text(&why));
		return;
	}
	for (size_t i = 0; i < list->count; i++) {
		const struct member *m = &list->at[i];
		bool                 resolved = m->kind == MEMBER_ADDRESS && !is_bare(m->value);

		deliver_member(
			r, from, m, resolved ? whole[n] : SPAN_NONE, resolved ? &routes[n] : NULL);
		n += resolved;
	}
}
