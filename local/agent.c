/* SPDX-License-Identifier: ISC */
/*
 * agent.c - what local, virtual and pipe share
 */
#include "local/agent.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/site.h"
#include "local/errand.h"
#include "local/kept.h"
#include "local/status_filter.h"
#include "mail/address.h"
#include "service/service.h"

enum { PASSWD_ROOM = 65536 };

static struct deliver_status
status_of(const struct outcome *o)
{
	return (struct deliver_status){.action = o->action,
		.dsn = o->dsn,
		.text = text_span(&o->text),
		.relay = span_of(service->name),
		.mta = text_span(&o->mta),
		.diagnostic = text_span(&o->diagnostic),
		.tls = SPAN_NONE,
		.report = o->report[0] ? o->report : NULL,
		.logged = o->logged};
}

void
agent_report(struct delivery *d, struct deliver_rcpt *rcpt, const struct outcome *o)
{
	struct deliver_status status = status_of(o);
	autotext struct text  value = {0};
	char                  dsn[16];
	struct fault          why = {0};

	status_filter(&status, &value, dsn);
	if (deliver_report(d, rcpt, &status, &why) < 0)
		log_warning("%.*s: cannot report to the queue manager: %s%s", SPAN_ARGS(d->queue_id), fault_text(&why),
		            o->action == DELIVER_SENT ? ": possible duplicate" : "");
}

void
agent_log(const struct delivery *d, const struct deliver_rcpt *rcpt, const struct outcome *o)
{
	struct deliver_status status = status_of(o);
	autotext struct text  value = {0};
	char                  dsn[16];

	if (o->logged)
		return;
	status_filter(&status, &value, dsn);
	deliver_log(d, rcpt, &status, NULL);
}

static void
serve_request(struct delivery *d, agent_deliver *deliver, agent_deliver_all *deliver_all)
{
	struct message_content content = {.fd = d->content};
	struct fault           why = {0};
	struct outcome         o = {0};

	d->connected_us = clock_wall();
	if (message_pieces_parse(d->pieces, &content, &why) < 0) {
		outcome_set(&o, DELIVER_DEFERRED, "4.3.0", "%s", fault_text(&why));
		for (size_t i = 0; i < d->n_rcpts; i++)
			agent_report(d, &d->rcpts[i], &o);
	} else if (deliver_all) {
		deliver_all(d, &content);
	} else {
		for (size_t i = 0; i < d->n_rcpts; i++) {
			struct deliver_rcpt told = d->rcpts[i];

			outcome_set(&o, DELIVER_DEFERRED, "4.3.0", "no outcome");
			o.logged = false;
			deliver(d, &content, &told, &o);
			agent_report(d, &told, &o);
			d->rcpts[i].reported = told.reported;
		}
	}
	outcome_free(&o);
	message_content_free(&content);
}

static void
serve(int fd, agent_deliver *deliver, agent_deliver_all *deliver_all)
{
	struct delivery d;
	struct fault    why = {0};
	int             got;

	while ((got = deliver_receive(fd, &d, &why)) == 0) {
		serve_request(&d, deliver, deliver_all);
		got = deliver_done(&d, NULL, &why);
		deliver_free(&d);
		if (got < 0)
			break;
	}
	if (got < 0)
		log_warning("queue manager: %s", fault_text(&why));
	kept_dismiss();
	close(fd);
}

void
agent_serve(int fd, agent_deliver *deliver)
{
	serve(fd, deliver, NULL);
}

void
agent_serve_all(int fd, agent_deliver_all *deliver)
{
	serve(fd, NULL, deliver);
}

void
agent_from_line(struct span sender, struct text *out)
{
	autotext struct text external = {0};
	time_t               now = time(NULL);
	struct tm            tm;
	char                 date[64];

	address_external(sender, &external);
	for (size_t i = 0; i < external.len; i++)        /* one line, whatever the sender holds */
		if ((unsigned char)external.at[i] < ' ')
			external.at[i] = '?';
	localtime_r(&now, &tm);
	strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", &tm);
	text_add_format(
		out, "From %s  %s\n", sender.len ? text_string(&external) : "MAILER-DAEMON", date);
}

static void
add_header(struct text *out, const char *name, struct span address, const char *before,
	const char *after)
{
	autotext struct text external = {0};

	address_external(address, &external);
	if (span_find_any(text_span(&external), "\r\n") >= 0 ||
		span_has(text_span(&external), '\0'))
		return; /* an address is never more than one line (SECURITY.md, row 12) */
	text_add_format(out, "%s: %s%s%s\n", name, before, text_string(&external), after);
}

void
agent_headers(unsigned which, struct span sender, struct span original, struct span delivered,
	struct text *out)
{
	if (which & HEADER_RETURN_PATH)
		add_header(out, "Return-Path", sender, "<", ">");
	if ((which & HEADER_ORIGINAL_TO) && original.len)
		add_header(out, "X-Original-To", original, "", "");
	if (which & HEADER_DELIVERED_TO)
		add_header(out, "Delivered-To", delivered, "", "");
}

int
agent_user_find(struct span name, struct agent_user *user, struct fault *why)
{
	autofree char *room = mem_alloc(PASSWD_ROOM), *key = mem_span(name);
	struct passwd  entry, *found = NULL;
	int            error;

	if (name.len == 0 || name.len >= sizeof user->id.name || span_has(name, '\0') ||
		span_has(name, '/'))
		return 1;
	do
		error = getpwnam_r(key, &entry, room, PASSWD_ROOM, &found);
	while (error == EINTR);
	if (!found &&
		(error == 0 || error == ENOENT || error == ESRCH || error == EBADF ||
			error == EPERM))
		return 1;
	if (!found) {
		errno = error;
		return fault_errno(why, "look up user %s", key);
	}
	if (strlen(entry.pw_dir) >= sizeof user->id.home)
		return fault_set(why, FAULT_SYSTEM, "home directory of %s is too long", key);
	user->id = (struct identity){.uid = entry.pw_uid, .gid = entry.pw_gid};
	snprintf(user->id.name, sizeof user->id.name, "%s", entry.pw_name);
	snprintf(user->id.home, sizeof user->id.home, "%s", entry.pw_dir);
	snprintf(user->shell, sizeof user->shell, "%s", entry.pw_shell);
	return 0;
}

bool
agent_identity_of_uid(uid_t uid, struct identity *who)
{
	autofree char *room = mem_alloc(PASSWD_ROOM);
	struct passwd  entry, *found = NULL;

	if (getpwuid_r(uid, &entry, room, PASSWD_ROOM, &found) != 0 || !found ||
	    strlen(entry.pw_name) >= sizeof who->name || strlen(entry.pw_dir) >= sizeof who->home)
		return false;
	*who = (struct identity){.uid = entry.pw_uid, .gid = entry.pw_gid};
	snprintf(who->name, sizeof who->name, "%s", entry.pw_name);
	snprintf(who->home, sizeof who->home, "%s", entry.pw_dir);
	return true;
}

int
agent_default_identity(struct identity *who, struct fault *why)
{
	if (privilege_is_root())
		return identity_find(site.default_privs, who, why);
	*who = (struct identity){.uid = getuid(), .gid = getgid(), .home = "/"};
	return 0;
}

int
agent_locks_parse(const struct list *words, unsigned *style, struct fault *why)
{
	static const struct { const char *name; unsigned bit; } known[] = {
		{"fcntl", LOCK_FCNTL}, {"flock", LOCK_FLOCK}, {"dotlock", LOCK_DOT},
	};

	*style = 0;
	for (size_t i = 0; i < words->count; i++) {
		unsigned bit = 0;

		for (size_t k = 0; k < COUNT(known); k++)
			if (span_is_nocase(span_of(words->item[i]), known[k].name))
				bit = known[k].bit;
		if (!bit)
			return fault_set(why, FAULT_INPUT,
				"mailbox_delivery_lock: unknown lock \"%s\"", words->item[i]);
		*style |= bit;
	}
	return 0;
}
