/* SPDX-License-Identifier: ISC */
/*
 * recipient.c - a local party: an alias, a user with or without .forward, or nobody
 *
 * The order is local(8)'s: aliases (with the extension, then without), the
 * user's .forward, mailbox_transport, mailbox_command, the mailbox; for those
 * who are none of it fallback_transport, luser_relay, and the bounce.
 */
#include "base/log.h"
#include "config/site.h"
#include "ipc/ask_rewrite.h"
#include "local/run.h"
#include "mail/address.h"
#include "service/service.h"

static struct span
lower(struct arena *arena, struct span in)
{
	char *copy = arena_string(arena, in);

	for (size_t i = 0; i < in.len; i++)
		copy[i] = ascii_lower(copy[i]);
	return span_at(copy, in.len);
}

static void
name_party(struct run *r, struct party *p)
{
	struct span base, extension;

	address_split(p->address, &p->local, &p->domain);
	p->bare = p->bare || span_starts(p->local, "\\");
	if (span_starts(p->local, "\\"))
		p->local = span_from(p->local, 1);
	p->local = lower(r->arena, p->local);    /* $local, $user and $extension: local(8) asks without case */
	p->user = p->local;
	p->extension = SPAN_NONE;
	p->delimiter[0] = 0;
	if (address_split_extension(p->local, span_of(site.recipient_delimiter),
		    local_settings.owner_special, &base, &extension)) {
		p->delimiter[0] = base.at[base.len];
		p->user = base;
		p->extension = extension;
		if (span_has(extension, '/')) {
			log_warning("%.*s: address with illegal extension: %.*s",
				SPAN_ARGS(r->d->queue_id), SPAN_ARGS(p->local));
			p->extension = SPAN_NONE;
		}
	}
	p->unmatched = p->extension;
}

/* Aliases. */

/* Rights of an alias: its table's owner's; root's and nobody's are default_privs. */
static int
take_rights(struct party *p, const struct table *where, struct fault *why)
{
	uid_t owner = table_owner(where);

	p->rights = local_settings.nobody;
	if (owner == 0 || owner == (uid_t)-1 || !privilege_is_root())
		return 0;
	autofree char *number = mem_format("%ld:%ld", (long)owner, (long)owner);
	return agent_identity_of_uid(owner, &p->rights) ? 0
							: identity_find(number, &p->rights, why);
}

/* owner-list, when there is such an alias, becomes the sender of what list expands to. */
static int
take_owner(struct run *r, struct party *p, struct span name, struct fault *why)
{
	autotext struct text owner = {0}, value = {0};
	struct members       list;
	int                  got;

	if (span_starts_nocase(name, "owner-") || (p->owned && !local_settings.reset_owner))
		return 0;
	text_add_format(&owner, "owner-%.*s", SPAN_ARGS(name));
	got = local_find_alias(text_span(&owner), &value, NULL, why);
	if (got)
		return got < 0 ? -1 : 0;
	p->owned = true;
	p->sender = span_of(arena_format(r->arena, "%s@%s", text_string(&owner), site.myorigin));
	if (!local_settings.expand_owner_alias)
		return 0;
	members_parse(r->arena, text_span(&value), MEMBERS_OF_ALIAS, &list);
	if (list.count && list.at[0].kind == MEMBER_ADDRESS) {
		struct span whole;

		if (ask_rewrite("local", &list.at[0].value, 1, r->arena, &whole, why) < 0)
			return -1;
		p->sender = whole;
	}
	return 0;
}

static void
defer_alias(struct run *r, const struct party *p, const struct fault *why)
{
	log_warning("%.*s: alias lookup: %s", SPAN_ARGS(r->d->queue_id), fault_text(why));
	run_add(r, p->address, DELIVER_DEFERRED, "4.3.0", "alias database unavailable");
}

/* True when the name is an alias (or cannot be known): all is done then. */
static bool
try_alias(struct run *r, const struct party *p, struct span name, bool whole)
{
	autotext struct text value = {0};
	struct table        *where = NULL;
	struct party         next = *p;
	struct members       list;
	struct fault         why = {0};
	int                  got = local_find_alias(name, &value, &where, &why);

	if (got == 1)
		return false;
	if (got < 0 || take_rights(&next, where, &why) < 0 ||
		take_owner(r, &next, name, &why) < 0) {
		defer_alias(r, p, &why);
		return true;
	}
	if (!run_first_time(r, "alias", name, 0)) {
		r->circled = arena_span(r->arena, p->address);
		return true;
	}
	if (!target_check_loop(r, p))
		return true;
	members_parse(r->arena, text_span(&value), MEMBERS_OF_ALIAS, &list);
	if (list.cut) {
		run_add(r, p->address, DELIVER_DEFERRED, "4.3.5", "too many members in alias %.*s",
			SPAN_ARGS(name));
		return true;
	}
	if (list.faulty)
		log_warning("%.*s: alias %.*s: %zu members make no sense",
			SPAN_ARGS(r->d->queue_id), SPAN_ARGS(name), list.faulty);
	if (list.count == 0) {
		run_add(r, p->address, DELIVER_DEFERRED, "4.3.5", "bad alias: %.*s",
			SPAN_ARGS(name));
		return true;
	}
	next.origin = PARTY_ALIAS;
	next.level++;
	if (whole || !list_has(&local_settings.propagate, "alias"))
		next.unmatched = SPAN_NONE;
	members_deliver(r, &next, &list);
	return true;
}

static bool
is_alias(struct run *r, const struct party *p)
{
	struct span name = lower(r->arena, p->local);

	if (p->bare)
		return false;
	if (try_alias(r, p, name, true))
		return true;
	return p->delimiter[0] && try_alias(r, p, p->user, false);
}

/* Users. */

/* 0 and *value, 1, -1 */
static int
by_user(const struct table_list *maps, const struct party *p, const char *otherwise,
	struct text *value, struct fault *why)
{
	int got = table_list_count(maps) ? table_list_find(maps, p->user, value, NULL, why) : 1;

	if (got == 1 && otherwise[0]) {
		text_set(value, span_of(otherwise));
		got = 0;
	}
	return got;
}

/* True when a transport of that parameter took it. */
static bool
is_passed_on(
	struct run *r, const struct party *p, const struct table_list *maps, const char *otherwise)
{
	autotext struct text destination = {0};
	struct fault         why = {0};
	int                  got = by_user(maps, p, otherwise, &destination, &why);

	if (got == 1)
		return false;
	if (got < 0)
		run_add(r, p->address, DELIVER_DEFERRED, "4.3.0", "table lookup failure: %s",
			fault_text(&why));
	else if (target_check_loop(r, p))
		pass_on(r, p, text_span(&destination));
	return true;
}

static void
deliver_nobody(struct run *r, const struct party *p)
{
	autotext struct text relay = {0};
	struct fault         why = {0};
	bool                 undefined;

	if (is_passed_on(r, p, local_settings.fallbacks, local_settings.fallback_transport))
		return;
	if (local_settings.luser_relay[0] && run_first_time(r, "luser", p->local, 0)) {
		if (!target_check_loop(r, p))
			return;
		if (environment_expand(r, p, NULL, span_of(local_settings.luser_relay),
			    NULL, &relay, &undefined, &why) < 0) {
			run_add(r, p->address, DELIVER_DEFERRED, "4.3.5", "luser_relay: %s",
				fault_text(&why));
			return;
		}
		/* one address, whose local part may be anything that a stranger wrote: never a command or a file */
		struct member  to = {MEMBER_ADDRESS, text_span(&relay)};
		struct members list = {.at = &to, .count = 1};
		struct party   next = *p;

		next.level++;
		next.origin = PARTY_ALIAS;
		next.rights = local_settings.nobody;
		next.unmatched = SPAN_NONE;
		members_deliver(r, &next, &list);
		return;
	}
	if (span_is_nocase(p->user, "mailer-daemon") || span_is_nocase(p->user, "postmaster")) {
		log_warning("required alias not found: %.*s", SPAN_ARGS(p->user));
		run_add(r, p->address, DELIVER_SENT, "2.0.0", "discarded");
		return;
	}
	run_add(r, p->address, DELIVER_BOUNCED, "5.1.1", "unknown user: \"%.*s\"",
		SPAN_ARGS(p->user));
}

static void
deliver_forward(struct run *r, const struct party *p, const struct agent_user *user,
	const struct members *list)
{
	struct party next = *p;

	next.origin = PARTY_FORWARD;
	next.level++;
	next.rights = user->id.uid == 0 && privilege_is_root() ? local_settings.nobody : user->id;
	if (!list_has(&local_settings.propagate, "forward"))
		next.unmatched = SPAN_NONE;
	members_deliver(r, &next, list);
}

static void
deliver_user(struct run *r, const struct party *p)
{
	struct agent_user user;
	struct members    list;
	struct fault      why = {0};
	/* once a user and run: what .forward sends back to its user goes to the mailbox */
	bool              look = !p->bare && local_settings.forward_path[0];
	int               got = agent_user_find(p->user, &user, &why);

	if (got < 0) {
		run_add(r, p->address, DELIVER_DEFERRED, "4.3.0", "%s", fault_text(&why));
		return;
	}
	if (got == 1) {
		if (!is_passed_on(
			    r, p, local_settings.transports, local_settings.mailbox_transport))
			deliver_nobody(r, p);
		return;
	}
	look = look && run_first_time(r, "forward", p->extension, (long)user.id.uid);
	/* a mailbox that two members of one alias lead to gets one copy */
	if (!look && !run_first_time(r, "mailbox", p->user, (long)user.id.uid)) {
		return;
	}
	if (!target_user(r, p, &user, look, &list))
		deliver_forward(r, p, &user, &list);
	else if (look)
		run_first_time(r, "mailbox", p->user, (long)user.id.uid);
}

void
recipient_deliver(struct run *r, struct party *p)
{
	name_party(r, p);
	if (p->level > LEVEL_MAX) {
		log_warning("possible alias database loop for %.*s", SPAN_ARGS(p->local));
		run_add(r, p->address, DELIVER_BOUNCED, "5.4.6",
			"possible alias database loop for %.*s", SPAN_ARGS(p->local));
		return;
	}
	if (p->user.len == 0) {
		run_add(r, p->address, DELIVER_BOUNCED, "5.1.3", "null username in \"%.*s\"",
			SPAN_ARGS(p->address));
		return;
	}
	if (!is_alias(r, p))
		deliver_user(r, p);
}
