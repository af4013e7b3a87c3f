/* SPDX-License-Identifier: ISC */
/*
 * known.c - is there such a recipient?  (reject_unlisted_recipient)
 *
 * An address that canonical or virtual alias tables know exists; else the
 * tables of its class decide.  A table that is not configured knows everybody.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/site.h"
#include "mail/address.h"
#include "route/route_private.h"

enum { PASSWD_ROOM = 65536 };

static int
find_passwd(struct span name, struct fault *why)
{
	autotext struct text user = {0};
	autofree char       *room = mem_alloc(PASSWD_ROOM);
	struct passwd        entry, *found = NULL;
	int                  error;

	if (name.len == 0 || name.len > 255 || span_has(name, '\0'))
		return 0;
	text_set(&user, name);
	text_lower(&user);
	do
		error = getpwnam_r(text_string(&user), &entry, room, PASSWD_ROOM, &found);
	while (error == EINTR);
	/* "not found" has many names: getpwnam(3), ERRORS */
	if (error && error != ENOENT && error != ESRCH && error != EBADF && error != EPERM) {
		errno = error;
		return fault_errno(why, "look up user %s", text_string(&user));
	}
	return found != NULL;
}

/* NSS loads its modules at the first unknown name: before the sandbox closes. */
void
known_warm(void)
{
	find_passwd(SPAN("no such user"), NULL);
}

/* 1 yes, 0 no, -1 */
static int
is_user(struct span local, struct fault *why)
{
	struct span base, extension;
	int         yes = find_passwd(local, why);

	if (yes ||
		!address_split_extension(
			local, span_of(site.recipient_delimiter), true, &base, &extension))
		return yes;
	return find_passwd(base, why);
}

static int
is_in(struct router *r, const struct table_list *tables, enum table_order order, bool local,
      struct span address, struct fault *why)
{
	struct table_query query = {.order = order, .local = local};
	struct table_match match = {0};
	int                got;

	(void)r;
	if (table_list_count(tables) == 0)
		return 0;
	got = table_list_find_address(tables, &query, address, &match, why);
	text_free(&match.value);
	text_free(&match.extension);
	return got < 0 ? -1 : got == 0;
}

static int
is_mapped(struct router *r, struct span address, struct fault *why)
{
	const struct table_list *maps[] = {r->recipient_canonical, r->canonical, r->virtual_alias};

	for (size_t i = 0; i < COUNT(maps); i++) {
		struct table_match match = {0};
		int                got = router_find_address(r, maps[i], address, &match, why);

		text_free(&match.value);
		text_free(&match.extension);
		if (got != 1)
			return got < 0 ? -1 : 1;
	}
	return 0;
}

static int
is_local_recipient(struct router *r, struct span address, struct fault *why)
{
	struct span local, domain;
	int         yes = 0;

	address_split(address, &local, &domain);
	if (r->asks_passwd)
		yes = is_user(local, why);
	return yes ? yes : is_in(r, r->local_recipient, TABLE_ADDRESS, true, address, why);
}

static int
is_listed(struct router *r, const struct route *route, struct route_known *out, struct fault *why)
{
	const char *table = "";
	int         yes = 1;

	switch (route->class) {
	case ROUTE_LOCAL:
		table = "local recipient table";
		out->code = route_settings.local_code;
		if (r->has_local_recipients)
			yes = is_local_recipient(r, route->recipient, why);
		break;
	case ROUTE_VIRTUAL_ALIAS:
		table = "virtual alias table";
		out->code = route_settings.virtual_alias_code;
		yes = 0;
		break;
	case ROUTE_VIRTUAL_MAILBOX:
		table = "virtual mailbox table";
		out->code = route_settings.virtual_mailbox_code;
		if (table_list_count(r->virtual_mailbox))
			yes = is_in(
				r, r->virtual_mailbox, TABLE_MAILBOX, false, route->recipient, why);
		break;
	case ROUTE_RELAY:
		table = "relay recipient table";
		out->code = route_settings.relay_code;
		if (r->has_relay_recipients)
			yes = is_in(
				r, r->relay_recipient, TABLE_MAILBOX, false, route->recipient, why);
		break;
	case ROUTE_DEFAULT:
	case ROUTE_ERROR:
		break;
	}
	snprintf(out->table, sizeof out->table, "%s", yes ? "" : table);
	return yes;
}

/* An address of ours that must always answer: verification and double bounces. */
static bool
is_house_address(struct span address)
{
	struct span local, domain;

	address_split(address, &local, &domain);
	return local.len == 0 || span_is_nocase(local, site.double_bounce_sender);
}

/* error:text and retry:text: what the queue manager would say, the client may hear now. */
static void
tell_error(const struct route *route, struct route_known *answer)
{
	bool retry = span_is(route->transport, "retry"), plain = strcmp(route->dsn + 1, ".0.0") == 0;

	answer->code = retry ? 450 : 550;
	snprintf(answer->dsn, sizeof answer->dsn, "%s", plain ? retry ? "4.1.1" : "5.1.1" : route->dsn);
	snprintf(answer->text, sizeof answer->text, "%.*s", SPAN_ARGS(route->nexthop));
}

int
router_known(struct router *r, struct span sender, struct span address, struct route_known *out,
             struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	struct route_known      answer = {.code = 550};
	struct route            route;
	int                     yes;

	snprintf(answer.dsn, sizeof answer.dsn, "5.1.1");
	if (router_resolve(r, sender, address, arena, &route, why) < 0)
		return -1;
	yes = is_house_address(route.recipient) && route.class == ROUTE_LOCAL;
	if (!yes)
		yes = is_mapped(r, address, why);
	if (!yes && !span_equal(address, route.recipient))
		yes = is_mapped(r, route.recipient, why);
	if (!yes && route.class == ROUTE_ERROR)
		snprintf(answer.dsn, sizeof answer.dsn, "5.1.3");
	else if (!yes && route.is_error && route.class != ROUTE_VIRTUAL_ALIAS)
		tell_error(&route, &answer);
	else if (!yes)
		yes = is_listed(r, &route, &answer, why);
	if (yes < 0)
		return -1;
	answer.known = yes;
	if (!yes && answer.code < 500)
		answer.dsn[0] = '4';
	*out = answer;
	return 0;
}
