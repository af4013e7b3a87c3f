/* SPDX-License-Identifier: ISC */
/*
 * target.c - where a party's mail ends: a mailbox, a file, a command
 *
 * This side only says what shall be done and as whom; the worker does it.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "config/list.h"
#include "config/site.h"
#include "local/account.h"
#include "local/outgoing.h"
#include "local/run.h"
#include "mail/address.h"

enum delivered_header { FOR_COMMAND, FOR_FILE, FOR_FORWARD };

static struct errand
new_errand(struct run *r, const struct party *p, const struct identity *who)
{
	struct errand e = {.who = *who,
		.content = r->content,
		.user = arena_string(r->arena, p->user),
		.kind = ERRAND_LOOK,
		.loop_address = r->loop_checked ? SPAN_NONE : r->rcpt->address,
		.queue_id = r->d->queue_id,
		.recipient = r->rcpt->address,
		.arrived = r->d->arrival_us,
		.first_try = r->d->first_try,
		.size_limit = local_settings.mailbox_size_limit,
		.limit_ms = local_settings.command_ms,
		.sender = p->sender,
		.original = r->rcpt->original,
		.auth = r->d->sasl_user,
		.from_line = SPAN_NONE,
		.prefix = SPAN_NONE,
		.eol = SPAN_NONE,
		.locking = {local_settings.locks, local_settings.lock_attempts,
			local_settings.lock_delay_ms, local_settings.stale_ms}};

	return e;
}

static void
set_headers(struct run *r, const struct party *p, struct errand *e, bool from_line,
	const char *delivered)
{
	autotext struct text headers = {0}, line = {0};
	unsigned             which = HEADER_RETURN_PATH | HEADER_ORIGINAL_TO;

	if (list_has(&local_settings.prepend, delivered))
		which |= HEADER_DELIVERED_TO;
	/* Delivered-To is the recipient that the queue knows, not its expansion: loops are found by
	 * it */
	agent_headers(which, p->sender, r->rcpt->original, r->rcpt->address, &headers);
	e->prefix = arena_span(r->arena, text_span(&headers));
	if (!from_line)
		return;
	agent_from_line(p->sender, &line);
	e->from_line = arena_span(r->arena, text_span(&line));
}

/* Runs it, or with sendmail -bv tells what it would do: false when there was a list. */
static bool
run_errand(struct run *r, const struct party *p, struct errand *e, const char *would,
	struct members *list)
{
	struct errand_result result;

	if (r->d->verify_only && e->kind != ERRAND_LOOK) {
		e->kind = ERRAND_LOOK;
		e->done = NULL;
	} else {
		would = NULL;
	}
	errand_run(e, r->arena, &result);
	r->loop_checked = true;
	if (result.has_list) {
		*list = result.list;
		return false;
	}
	outgoing_send(r->d, r->content, r->rcpt, e->user, p->sender, &result, &result.outcome);
	errand_result_free(&result);
	if (would && result.outcome.action == DELIVER_SENT)
		outcome_set(&result.outcome, DELIVER_SENT, "2.0.0", "%s", would);
	run_add_outcome(r, p->address, &result.outcome);
	return true;
}

/* Looks without delivering: 0 nothing special, 1 a list, -1 an outcome was added. */
static int
look(struct run *r, const struct party *p, struct errand *e, struct members *list)
{
	struct errand_result result;

	e->kind = ERRAND_LOOK;
	errand_run(e, r->arena, &result);
	r->loop_checked = true;
	if (result.has_list) {
		*list = result.list;
		return 1;
	}
	if (result.outcome.action == DELIVER_SENT) {
		outcome_free(&result.outcome);
		return 0;
	}
	run_add_outcome(r, p->address, &result.outcome);
	return -1;
}

bool
target_check_loop(struct run *r, const struct party *p)
{
	struct errand  e = new_errand(r, p, &local_settings.nobody);
	struct members list;

	return r->loop_checked || look(r, p, &e, &list) == 0;
}

bool
target_read_include(struct run *r, const struct party *p, struct span path, struct members *list)
{
	struct errand e = new_errand(r, p, &p->rights);
	const char   *lists[] = {arena_string(r->arena, path), NULL};

	e.lists = lists;
	e.list_is_include = true;
	return look(r, p, &e, list) == 1;
}

static void
set_file(struct run *r, struct errand *e, const char *path)
{
	size_t len = strlen(path);
	char  *slash;

	e->shown = path;
	if (path[len - 1] == '/') {
		e->kind = ERRAND_MAILDIR;
		e->directory =
			arena_string(r->arena, span_first(span_of(path), len > 1 ? len - 1 : 1));
		e->done = "delivered to maildir";
		return;
	}
	slash = strrchr(path, '/');
	e->kind = ERRAND_MBOX;
	e->directory = slash == path
		? "/"
		: arena_string(r->arena, span_first(span_of(path), (size_t)(slash - path)));
	e->file = slash + 1;
}

void
target_file(struct run *r, const struct party *p, struct span where)
{
	struct errand  e = new_errand(r, p, &p->rights);
	const char    *path = arena_string(r->arena, where);
	struct members list;

	if (span_is(where, "/dev/null")) {
		run_add(r, p->address, DELIVER_SENT, "2.0.0", "delivered to file: /dev/null");
		return;
	}
	set_file(r, &e, path);
	set_headers(r, p, &e, e.kind == ERRAND_MBOX, "file");
	if (e.kind == ERRAND_MBOX) {
		e.done = arena_format(r->arena, "delivered to file: %s", path);
		e.dotlock_may_fail = true;
	}
	run_errand(r, p, &e, arena_format(r->arena, "delivers to file: %s", path), &list);
}

/* The shell runs it; local_command_shell may name another ("/bin/smrsh -c"). */
static const char *const *
command_argv(struct run *r, const char *command)
{
	struct span rest = span_of(local_settings.command_shell[0] ? local_settings.command_shell
								   : "/bin/sh -c"),
		    word;
	const char **argv = arena_alloc(r->arena, 20 * sizeof *argv);
	size_t       n = 0;

	while (n < 17 && span_next(&rest, " \t", &word))
		argv[n++] = arena_string(r->arena, word);
	argv[n++] = command;
	return argv;
}

static void
set_command(struct run *r, const struct party *p, const struct agent_user *user, struct errand *e,
            const char *command)
{
	autotext struct text directory = {0};
	bool                 undefined = false;
	struct fault         why = {0};

	e->kind = ERRAND_COMMAND;
	e->shown = command;
	e->argv = command_argv(r, command);
	e->environment = environment_make(r, p, user);
	e->work_directory = site.queue_directory;
	if (local_settings.command_directory[0] &&
		environment_expand(r, p, user, span_of(local_settings.command_directory),
			local_settings.command_filter, &directory, &undefined, &why) == 0 &&
		!undefined && directory.len)
		e->work_directory = arena_string(r->arena, text_span(&directory));
	e->done = arena_format(r->arena, "delivered to command: %s", command);
	set_headers(r, p, e, true, "command");
}

static const struct agent_user *
owner_of_rights(const struct party *p, struct agent_user *room)
{
	return p->origin == PARTY_FORWARD &&
			agent_user_find(span_of(p->rights.name), room, NULL) == 0
		? room
		: NULL;
}

void
target_command(struct run *r, const struct party *p, struct span command)
{
	struct errand     e = new_errand(r, p, &p->rights);
	struct agent_user room;
	struct members    list;

	set_command(r, p, owner_of_rights(p, &room), &e, arena_string(r->arena, command));
	run_errand(r, p, &e,
		arena_format(r->arena, "delivers to command: %.*s", SPAN_ARGS(command)), &list);
}

/* A user's mailbox. */

static const char *const *
forward_paths(struct run *r, const struct party *p, const struct agent_user *user)
{
	struct span  rest = span_of(local_settings.forward_path), word;
	const char **paths = arena_alloc(r->arena, 20 * sizeof *paths);
	size_t       n = 0;

	while (n < 19 && list_next(&rest, ", \t\r\n", &word, NULL) > 0) {
		autotext struct text path = {0};
		bool                 undefined = false;
		struct fault         why = {0};

		if (environment_expand(r, p, user, word, local_settings.forward_filter, &path,
			    &undefined, &why) < 0)
			log_warning("forward_path: %s", fault_text(&why));
		else if (!undefined && path.len && path.at[0] == '/')
			paths[n++] = arena_string(r->arena, text_span(&path));
	}
	return paths;
}

/*
 * The spool directory belongs to root, and to a group that may write it: the
 * worker gets the user's uid with that group, never root's rights.
 */
static void
set_spool(struct run *r, struct errand *e, const struct party *p)
{
	struct stat st;

	set_file(r, e,
		arena_format(r->arena, "%s/%.*s%s", local_settings.mail_spool_directory,
			SPAN_ARGS(p->user),
			span_ends(span_of(local_settings.mail_spool_directory), "/") ? "/" : ""));
	if (e->who.uid == 0 || stat(local_settings.mail_spool_directory, &st) < 0)
		return;
	if ((st.st_mode & S_IWGRP) && !(st.st_mode & S_IWOTH) && st.st_uid != e->who.uid) {
		e->who.gid = st.st_gid;
		e->who.name[0] = 0;
	}
}

static void
set_mailbox(struct run *r, const struct party *p, const struct agent_user *user, struct errand *e)
{
	if (local_settings.home_mailbox[0])
		set_file(r, e,
			arena_format(
				r->arena, "%s/%s", user->id.home, local_settings.home_mailbox));
	else
		set_spool(r, e, p);
	set_headers(r, p, e, e->kind == ERRAND_MBOX, "file");
	e->home = arena_string(r->arena, span_of(user->id.home));
	if (e->kind == ERRAND_MBOX) {
		e->done = "delivered to mailbox";
		e->must_own = local_settings.strict_ownership;
	}
}

/* 0 and *value, 1 none, -1 */
static int
own_command(const struct party *p, struct text *value, struct fault *why)
{
	int got = table_list_count(local_settings.commands)
	          ? table_list_find(local_settings.commands, p->user, value, NULL, why) : 1;

	if (got == 1 && local_settings.mailbox_command[0]) {
		text_set(value, span_of(local_settings.mailbox_command));
		got = 0;
	}
	return got;
}

static int
own_transport(const struct party *p, struct text *value, struct fault *why)
{
	int got = table_list_count(local_settings.transports)
	          ? table_list_find(local_settings.transports, p->user, value, NULL, why) : 1;

	if (got == 1 && local_settings.mailbox_transport[0]) {
		text_set(value, span_of(local_settings.mailbox_transport));
		got = 0;
	}
	return got;
}

static bool
home_is_there(struct run *r, const struct party *p, const struct agent_user *user)
{
	struct stat st;

	if (!local_settings.require_home || (stat(user->id.home, &st) == 0 && S_ISDIR(st.st_mode)))
		return true;
	run_add(r, p->address, DELIVER_DEFERRED, "4.2.0", "cannot access home directory of %.*s",
		SPAN_ARGS(p->user));
	return false;
}

bool
target_user(struct run *r, const struct party *p, const struct agent_user *user,
	bool look_for_forward, struct members *list)
{
	autotext struct text value = {0};
	struct errand        e = new_errand(r, p, &user->id);
	struct fault         why = {0};
	struct outcome       full = {0};
	struct account       account = {0};
	const char          *would;
	bool                 over;
	int                  got = own_transport(p, &value, &why);

	if (!home_is_there(r, p, user))
		return true;
	e.lists = look_for_forward ? forward_paths(r, p, user) : NULL;
	if (got == 0) {                  /* .forward first, then the transport */
		int seen = e.lists || !r->loop_checked ? look(r, p, &e, list) : 0;

		if (seen == 0)
			pass_on(r, p, text_span(&value));
		return seen != 1;
	}
	if (got == 1)
		got = own_command(p, &value, &why);
	if (got < 0) {
		run_add(r, p->address, DELIVER_DEFERRED, "4.3.0", "table lookup failure: %s",
			fault_text(&why));
		return true;
	}
	if (got == 0)
		set_command(r, p, user, &e, arena_string(r->arena, text_span(&value)));
	else
		set_mailbox(r, p, user, &e);
	if (e.kind == ERRAND_MAILDIR) {
		if (account_find(p->user, &account, &full) < 0) {
			run_add(r, p->address, full.action, full.dsn, "%s", text_string(&full.text));
			outcome_free(&full);
			return true;
		}
		account_apply(&account, &e);
	}
	if (e.kind == ERRAND_COMMAND && user->id.uid == 0 && privilege_is_root())
		e.who = local_settings.nobody;   /* never a command as root */
	would = e.kind == ERRAND_COMMAND
		? arena_format(r->arena, "delivers to command: %s", e.shown)
		: e.kind == ERRAND_MAILDIR ? "delivers to maildir"
					   : "delivers to mailbox";
	over = run_errand(r, p, &e, would, list);
	account_free(&account);
	return over;
}
