/* SPDX-License-Identifier: ISC */
/*
 * verify_probe.c - messages that ask whether an address would take one
 *
 * They go through cleanup like any mail, so that aliases and routing count, and carry
 * the origin "verify": qmgr tells us, and nobody else, what became of them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strmap.h"
#include "config/site.h"
#include "ipc/submit.h"
#include "mail/date.h"
#include "mail/message_id.h"
#include "mail/verify_sender.h"
#include "verify.h"

enum { SUBMIT_MS = 90 * 1000 };

struct probe_config probe_config;

struct probe {
	struct probe *next;
	int64_t       since;
	bool          waits;                   /* in the line; it is the sending task's */
	char         *address;
};

static struct {
	struct monitor lock;
	struct strmap *pending;                /* key -> struct probe */
	struct probe  *first, **end;
	int64_t        warned_at;
} line = {.lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

/* ---- the monitor ---- */

static void
forget_lost(void)
{
	size_t      at = 0;
	struct span key;
	void       *value;

	while (strmap_next(line.pending, &at, &key, &value)) {
		struct probe *p = value;

		if (p->waits || clock_now() - p->since < VERIFY_PROBE_SECONDS * 1000LL)
			continue;
		strmap_remove(line.pending, key);
		free(p->address);
		free(p);
	}
}

bool
probe_wanted(struct span address, int limit)
{
	struct probe *p;
	bool          full;

	monitor_enter(&line.lock);
	if (strmap_count(line.pending) >= (size_t)limit)
		forget_lost();
	full = strmap_count(line.pending) >= (size_t)limit;
	if (full && clock_now() >= line.warned_at) {
		line.warned_at = clock_after(60000);
		log_warning("dropping address verification requests: %d are pending (address_verify_pending_request_limit)", limit);
	}
	if (full || strmap_get(line.pending, address)) {
		monitor_leave(&line.lock);
		return false;
	}
	p = mem_alloc(sizeof *p);
	p->address = mem_span(address);
	p->waits = true;
	p->since = clock_now();
	strmap_put(line.pending, address, p);
	*line.end = p;
	line.end = &p->next;
	monitor_wake(&line.lock);
	monitor_leave(&line.lock);
	return true;
}

static void
end_locked(struct span address)
{
	struct probe *p = strmap_get(line.pending, address);

	if (!p || p->waits)
		return;
	strmap_remove(line.pending, address);
	free(p->address);
	free(p);
}

void
probe_ended(struct span address)
{
	monitor_enter(&line.lock);
	end_locked(address);
	monitor_leave(&line.lock);
}

/* Its address, owned. */
static char *
next_address(void)
{
	struct probe *p;
	char         *address;

	monitor_enter(&line.lock);
	while (!line.first)
		monitor_wait(&line.lock, CLOCK_NEVER);
	p = line.first;
	line.first = p->next;
	if (!line.first)
		line.end = &line.first;
	p->next = NULL;
	p->waits = false;
	p->since = clock_now();
	address = mem_string(p->address);
	monitor_leave(&line.lock);
	return address;
}

/* ---- sending ---- */

/* A local part is completed as cleanup would complete a local sender. */
static void
sender_of_probe(struct text *out)
{
	verify_sender_make(span_of(probe_config.sender), probe_config.sender_ttl, clock_wall(), out);
	if (out->len && !span_has(text_span(out), '@'))
		text_add_format(out, "@%s", site.myorigin);
}

static int
write_content(struct submission *s, struct span sender, const char *address, int64_t *length, struct fault *why)
{
	autotext struct text mail = {0};
	int64_t              now = clock_wall() / 1000000, at;
	struct span          id = span_of(submit_queue_id(s));
	int                  fd;

	text_add_format(&mail, "Received: by %s (%s)\r\n\tid %.*s; ", site.myhostname, site.mail_name, SPAN_ARGS(id));
	date_add_local(now, &mail);
	text_add_string(&mail, "\r\nMessage-Id: ");
	message_id_make(now, id, span_of(site.myhostname), &mail);
	text_add_string(&mail, "\r\nDate: ");
	date_add_local(now, &mail);
	text_add_format(&mail, "\r\nFrom: %.*s\r\nTo: %s\r\nSubject: Mail Delivery Status Report probe\r\n\r\n",
	                sender.len ? (int)sender.len : 13, sender.len ? sender.at : "MAILER-DAEMON", address);
	if (submit_content(s, &fd, &at, why) < 0 || file_write_at(fd, text_span(&mail), at, why) < 0)
		return -1;
	*length = (int64_t)mail.len;
	return 0;
}

static int
send_probe(const char *address, struct fault *why)
{
	struct submit_origin   origin = {.origin = VERIFY_ORIGIN, .no_header_body_checks = true, .no_milters = true};
	struct submit_rcpt     to = {.address = span_of(address), .original = span_of(address), .notify = NOTIFY_NEVER};
	struct submit_envelope e = {.verify_only = true, .commit = true};
	struct submission     *s = NULL;
	autotext struct text   sender = {0};
	int                    done;

	sender_of_probe(&sender);
	e.sender = text_span(&sender);
	if (submit_open(&origin, clock_after(SUBMIT_MS), &s, why) < 0)
		return -1;
	done = write_content(s, e.sender, address, &e.length, why);
	if (done == 0)
		done = submit_recipient(s, &to, why);
	if (done == 0)
		done = submit_prepare(s, &e, why);
	if (done == 0)
		done = submit_commit(s, SPAN_NONE, why);
	submit_close(s);
	return done;
}

static void
send_all(void *unused)
{
	(void)unused;
	for (;;) {
		autofree char *address = next_address();
		struct fault   why = {0};

		if (send_probe(address, &why) == 0)
			continue;
		log_warning("address verification probe to <%s>: %s", address, fault_text(&why));
		probe_ended(span_of(address));
	}
}

int
probes_begin(struct fault *why)
{
	line.pending = strmap_new();
	line.end = &line.first;
	submit_service(probe_config.cleanup_service);
	return task_start(send_all, NULL, why);
}
