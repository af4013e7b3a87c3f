/* SPDX-License-Identifier: ISC */
/*
 * virtual.c - delivers to mailboxes of users that are not in the password file
 *
 * virtual_mailbox_maps says where, virtual_uid_maps and virtual_gid_maps as whom: each
 * mailbox is written by a worker with that uid.  Names and behaviour: virtual(8).
 */
#include <stdio.h>

#include "base/log.h"
#include "config/param.h"
#include "ipc/ask_table.h"
#include "local/account.h"
#include "local/agent.h"
#include "local/status_filter.h"
#include "local/errand.h"
#include "local/outgoing.h"
#include "mail/address.h"
#include "service/sandbox.h"
#include "service/service.h"
#include "sieve/settings.h"
#include "store/acl.h"
#include "store/delivered.h"
#include "store/quota.h"
#include "table/table.h"

static struct {
	struct list mailbox_maps, uid_maps, gid_maps, lock_words, status_filter;
	const char *base;
	int         minimum_uid, lock_attempts;
	int64_t     limit, lock_delay_ms, stale_ms;
	bool        strict_ownership;
	unsigned    locks;
	struct table_list *mailboxes, *uids, *gids;
} config;

static const struct param params[] = {
	LIST("virtual_mailbox_maps", &config.mailbox_maps, "", "mailboxes of virtual_mailbox_domains"),
	LIST("virtual_uid_maps", &config.uid_maps, "", "the uid that owns a mailbox"),
	LIST("virtual_gid_maps", &config.gid_maps, "", "the gid that owns a mailbox"),
	STRING("virtual_mailbox_base", &config.base, "", "what all mailbox names start with"),
	NUMBER("virtual_minimum_uid", &config.minimum_uid, "100", "1", "", "smaller uids are a mistake"),
	BYTES("virtual_mailbox_limit", &config.limit, "51200000", "0", "", "largest mailbox or Maildir file, 0 for none"),
	LIST("virtual_mailbox_lock", &config.lock_words, "fcntl, dotlock", "how mbox files are locked"),
	LIST("virtual_delivery_status_filter", &config.status_filter, "$default_delivery_status_filter", "tables: another status for a delivery"),
	LIST("default_delivery_status_filter", NULL, "", "default of virtual_delivery_status_filter"),
	BOOLEAN("strict_mailbox_ownership", &config.strict_ownership, "yes", "the owner must be virtual_uid_maps'"),
	DURATION("deliver_lock_delay", &config.lock_delay_ms, "1s", "1s", "", "time between attempts to lock a mailbox"),
	SIEVE_ROWS,
	DURATION("stale_lock_time", &config.stale_ms, "500s", "1s", "", "older lock files are removed"),
	NUMBER("deliver_lock_attempts", &config.lock_attempts, "20", "1", "", "attempts to lock a mailbox"),
	QUOTA_ROWS,
	ACCOUNT_ROWS,
	DELIVERED_ROWS,
	ACL_ROWS,
	END_OF_PARAMS
};

static int
open_maps(struct table_list **out, const struct list *specs, const char *name, struct fault *why)
{
	*out = table_list_open(specs, why);
	if (!*out)
		return fault_prefix(why, "%s", name);
	for (size_t i = 0; i < table_list_count(*out); i++)
		service_watch_table(table_list_at(*out, i));
	return 0;
}

static int
prepare(struct fault *why)
{
	sandbox_prepare_mailbox();
	if (filter_prepare(why) < 0 || quota_settings_check(&quota_settings, why) < 0 || delivered_check(why) < 0)
		return -1;
	table_use_remote(ask_table_find);
	if (status_filter_open(&config.status_filter, "virtual_delivery_status_filter", why) < 0)
		return -1;
	/* As whom mail is delivered is read here, by root: proxymap only says where it goes. */
	if (open_maps(&config.uids, &config.uid_maps, "virtual_uid_maps", why) < 0 ||
		open_maps(&config.gids, &config.gid_maps, "virtual_gid_maps", why) < 0)
		return -1;
	table_use_proxy(ask_table_find);
	return open_maps(&config.mailboxes, &config.mailbox_maps, "virtual_mailbox_maps", why) <
				0 ||
			agent_locks_parse(&config.lock_words, &config.locks, why) < 0
		? -1
		: 0;
}

/* 0 found, 1 not, -1 */
static int
find(const struct table_list *maps, struct span address, struct text *value, struct fault *why)
{
	struct table_query query = {.order = TABLE_MAILBOX};
	struct table_match match = {0};
	int                got = table_list_find_address(maps, &query, address, &match, why);

	if (got == 0)
		text_set(value, span_trim(text_span(&match.value)));
	text_free(&match.value);
	text_free(&match.extension);
	return got;
}

/* A number by a map, or a user or group name's: 0, or an outcome that says why. */
static int
find_id(const struct table_list *maps, const char *name, struct span address, int64_t least,
	int64_t *id, struct outcome *o)
{
	autotext struct text value = {0};
	struct fault         why = {0};
	uint64_t             n;
	int                  got = find(maps, address, &value, &why);

	if (got == 0 && span_number(text_span(&value), &n) && n < UINT32_MAX &&
		(int64_t)n >= least) {
		*id = (int64_t)n;
		return 0;
	}
	if (got < 0) {
		outcome_set(
			o, DELIVER_DEFERRED, "4.3.0", "table lookup failure: %s", fault_text(&why));
		return -1;
	}
	log_warning("recipient %.*s: %s %s", SPAN_ARGS(address),
		got ? "not found in" : "bad value in", name);
	outcome_set(o, DELIVER_DEFERRED, "4.3.5", "mail system configuration error");
	return -1;
}

/* No part of a path may come from outside: "..", which a pattern table could let in. */
static bool
path_is_sound(struct span path)
{
	struct span rest = path, part;

	if (!span_starts(path, "/") || span_has(path, '\0'))
		return false;
	while (span_next(&rest, "/", &part))
		if (span_is(part, ".."))
			return false;
	return true;
}

/* Fills where and as whom: 0, or an outcome. */
static int
find_place(struct arena *arena, struct span address, struct errand *e, const char **path,
	struct outcome *o)
{
	autotext struct text value = {0};
	struct fault         why = {0};
	int64_t              uid, gid;
	int                  got = find(config.mailboxes, address, &value, &why);

	if (got < 0) {
		outcome_set(
			o, DELIVER_DEFERRED, "4.3.0", "table lookup failure: %s", fault_text(&why));
		return -1;
	}
	if (got == 1) {
		outcome_set(
			o, DELIVER_BOUNCED, "5.1.1", "unknown user: \"%.*s\"", SPAN_ARGS(address));
		return -1;
	}
	*path = arena_format(
		arena, "%s%s%s", config.base, config.base[0] ? "/" : "", text_string(&value));
	if (!path_is_sound(span_of(*path))) {
		log_warning("recipient %.*s: bad mailbox path %s", SPAN_ARGS(address), *path);
		outcome_set(o, DELIVER_DEFERRED, "4.3.5", "mail system configuration error");
		return -1;
	}
	if (find_id(config.uids, "virtual_uid_maps", address, config.minimum_uid, &uid, o) < 0 ||
	    find_id(config.gids, "virtual_gid_maps", address, 1, &gid, o) < 0)
		return -1;
	e->who = (struct identity){.uid = (uid_t)uid, .gid = (gid_t)gid, .home = "/"};
	return 0;
}

/* Where a virtual user's scripts are: what holds his Maildir/, or the Maildir itself. */
static const char *
home_of(struct arena *arena, const char *maildir)
{
	struct span whole = span_of(maildir);

	if (span_ends(whole, "/Maildir") && whole.len > 8)
		whole.len -= 8;
	return arena_string(arena, whole);
}

static void
set_target(struct arena *arena, struct errand *e, const char *path)
{
	size_t      len = strlen(path);
	const char *slash = strrchr(path, '/');

	e->shown = path;
	if (path[len - 1] == '/') {
		e->kind = ERRAND_MAILDIR;
		e->directory = arena_string(arena, span_first(span_of(path), len - 1));
		e->done = "delivered to maildir";
		return;
	}
	e->kind = ERRAND_MBOX;
	e->directory = slash == path
		? "/"
		: arena_string(arena, span_first(span_of(path), (size_t)(slash - path)));
	e->file = slash + 1;
	e->done = "delivered to mailbox";
	e->must_own = config.strict_ownership;
}

static void
deliver(struct delivery *d, const struct message_content *content, struct deliver_rcpt *told,
	struct outcome *o)
{
	autoarena struct arena *arena = arena_new();
	autotext struct text    headers = {0}, from = {0};
	struct errand_result    result;
	struct account          account = {0};
	const char             *path;
	struct errand           e = {.content = content,
			  .user = arena_string(arena, told->address),
			  .loop_address = told->address,
			  .queue_id = d->queue_id,
			  .recipient = told->address,
			  .arrived = d->arrival_us,
		.first_try = d->first_try,
			  .size_limit = config.limit,
			  .sender = d->sender,
			  .original = told->original,
			  .auth = d->sasl_user,
			  .from_line = SPAN_NONE,
			  .eol = SPAN_NONE,
			  .locking = {
				  config.locks, config.lock_attempts, config.lock_delay_ms, config.stale_ms}};

	if (find_place(arena, told->address, &e, &path, o) < 0)
		return;
	set_target(arena, &e, path);
	if (e.kind == ERRAND_MAILDIR)
		e.home = home_of(arena, e.directory);
	agent_headers(HEADER_RETURN_PATH | HEADER_ORIGINAL_TO | HEADER_DELIVERED_TO, d->sender,
		told->original, told->address, &headers);
	e.prefix = text_span(&headers);
	if (e.kind == ERRAND_MBOX) {
		agent_from_line(d->sender, &from);
		e.from_line = text_span(&from);
	}
	if (d->verify_only) {
		outcome_set(o, DELIVER_SENT, "2.0.0", "delivers to %s",
			e.kind == ERRAND_MBOX ? "mailbox" : "maildir");
		return;
	}
	if (e.kind == ERRAND_MAILDIR) {
		if (account_find(told->address, &account, o) < 0)
			return;
		account_apply(&account, &e);
	}
	errand_run(&e, arena, &result);
	account_free(&account);
	outgoing_send(d, content, told, e.user, d->sender, &result, &result.outcome);
	errand_result_free(&result);
	outcome_free(o);
	*o = result.outcome;
}

static void
serve(int fd, const struct listener *listener)
{
	(void)listener;
	agent_serve(fd, deliver);
}

static const char *const asks[] = {"proxymap", "authd", "cleanup", NULL};

/* where mailboxes are, only their owners know */
static const char *const anywhere[] = {"/", NULL};

static const struct service virtual_service = {
	.name     = "virtual",
	.about    = "delivers to mailboxes of virtual users",
	.role     = ROLE_ROOT,
	.model    = SERVE_FORKS,
	.asks     = asks,
	.promises = MAY_ACCEPT | MAY_ASK | MAY_READ | MAY_WRITE | MAY_FORK | MAY_BECOME,
	.reads    = anywhere,
	.writes   = anywhere,
	.params   = params,
	.tasks    = "1",
	.prepare  = prepare,
	.serve    = serve,
};

int
main(int argc, char **argv)
{
	return service_run(&virtual_service, argc, argv);
}
