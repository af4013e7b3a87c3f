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

void
address_deliver(struct run *r, const struct party *from, struct span address)
{
	struct span  whole;
	struct route route;
	struct fault why = {0};

	if (span_starts(address, "\\") && !span_has(address, '@')) {
		struct span here = span_of(arena_format(r->arena, "%.*s@%.*s", SPAN_ARGS(address),
		                                        SPAN_ARGS(from->domain)));
		visit(r, from, here, true);
		return;
	}
	address = with_extension(r, from, address);
	if (ask_rewrite("local", &address, 1, r->arena, &whole, &why) < 0 ||
	    ask_resolve(from->sender, &whole, 1, r->arena, &route, &why) < 0) {
		run_add(r, from->address, DELIVER_DEFERRED, "4.3.0", "address resolver failure: %s", fault_text(&why));
		return;
	}
	/* With another sender (owner-list) a bounce must go elsewhere: that is another message. */
	if (span_is(route.transport, service->name) && span_equal_nocase(route.nexthop, r->d->nexthop) && !from->owned)
		visit(r, from, route.recipient, false);
	else if (run_first_time(r, "address", whole, 0))
		forward_add(r, from->sender, whole);
}

static void
include(struct run *r, const struct party *from, struct span path)
{
	struct party   next = *from;
	struct members list;

	if (!span_starts(path, "/")) {
		run_add(r, from->address, DELIVER_BOUNCED, "5.2.4", ":include:%.*s uses a relative path", SPAN_ARGS(path));
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

static void
deliver_member(struct run *r, const struct party *from, const struct member *m)
{
	const char *origin = origin_name(from->origin);

	switch (m->kind) {
	case MEMBER_ADDRESS:
		address_deliver(r, from, m->value);
		break;
	case MEMBER_COMMAND:
		if (!list_has(&local_settings.allow_commands, origin))
			run_add(r, from->address, DELIVER_BOUNCED, "5.7.1", "mail to command is restricted");
		else if (run_first_time(r, "command", m->value, (long)from->rights.uid))
			target_command(r, from, m->value);
		break;
	case MEMBER_FILE:
		if (!list_has(&local_settings.allow_files, origin))
			run_add(r, from->address, DELIVER_BOUNCED, "5.7.1", "mail to file is restricted");
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
	if (from->level > LEVEL_MAX) {
		run_add(r, from->address, DELIVER_BOUNCED, "5.4.6", "possible alias database loop for %.*s",
		        SPAN_ARGS(from->local));
		return;
	}
	for (size_t i = 0; i < list->count; i++)
		deliver_member(r, from, &list->at[i]);
}
