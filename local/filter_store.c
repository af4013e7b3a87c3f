/* SPDX-License-Identifier: ISC */
/*
 * filter_store.c - where the message goes: folders, then INBOX
 */
#include "local/filter_private.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/delivered.h"
#include "store/quota.h"
#include "store/subscriptions.h"
#include "store/tree.h"

/* 0; 1 into this one it cannot (never of INBOX); -1 not now. */
static int
store(struct filter *f, const char *folder, struct maildir_delivery *d, int64_t size, struct span flags, bool *duplicate, struct fault *why)
{
	struct maildir_message   message = {.queue_id = f->e->queue_id, .recipient = f->e->recipient,
		.arrived = f->e->arrived, .first_try = f->e->first_try};
	struct maildir_delivered done = {0};
	struct fault             trouble = {0};
	autotext struct text     marks = {0};
	const char              *attachment;

	if (quota_check(f->e->quota, f->maildir, folder, size, 1, size, QUOTA_DELIVERING, why) < 0) {
		maildir_delivery_abort(d);
		return -1;
	}
	attachment = delivered_attachment(d, flags);
	text_add_format(&marks, "%.*s %s", SPAN_ARGS(flags), attachment ? attachment : "");
	if (maildir_delivery_finish(d, &message, &done, why) < 0)
		return *folder && filter_is_lasting(why) ? 1 : -1;
	/* it is stored: flags that cannot be set are no reason to store it again */
	if (marks.len > 1 && delivered_mark(f->maildir, folder, text_span(&done.name), text_span(&marks), &trouble) < 0 && trouble.reason[0])
		filter_complain(f, "flags", fault_text(&trouble));
	*duplicate = *duplicate || done.duplicate;
	text_free(&done.name);
	return 0;
}

/* The message as it came, or as the script has edited it: like store. */
static int
copy_to_folder(struct filter *f, const char *folder, const struct sieve_action *a, bool *duplicate, struct fault *why)
{
	struct maildir_delivery *d;
	autotext struct text     header = {0};
	struct span              pieces[2];

	if (a->message)
		sieve_message_header(a->message, SPAN_NONE, &header);
	pieces[0] = text_span(&header);
	pieces[1] = a->message ? a->message->body : f->message;
	if (maildir_delivery_start(f->maildir, folder, &d, why) < 0)
		return *folder && filter_is_lasting(why) ? 1 : -1;
	for (size_t i = 0; i < COUNT(pieces); i++)
		for (size_t at = 0; at < pieces[i].len; at += 65536)
			if (maildir_delivery_add(d, span_first(span_from(pieces[i], at), 65536), why) < 0) {
				maildir_delivery_abort(d);
				return -1;
			}
	return store(f, folder, d, (int64_t)(pieces[0].len + pieces[1].len), a->flags, duplicate, why);
}

static void
prefix_failed(struct fault *why, struct span target)
{
	fault_prefix(why, "failed to store into mailbox '%.*s'", SPAN_ARGS(span_first(target, 100)));
}

/* 0; 1 there is none, and none can be made; -1 not now. */
static int
make_folder(struct filter *f, const struct sieve_action *a, const char *folder, struct fault *why)
{
	struct fault trouble = {0};
	bool         found;

	if (!filter_may_create(f, folder, why))
		return 1;
	if (quota_check_mailbox(f->e->quota, f->maildir, folder, why) < 0)
		return why->class == FAULT_DENIED ? 1 : -1;
	if (maildir_folder_create(f->maildir, folder, why) < 0 && (why->error != EEXIST || !tree_exists(f->maildir, folder)))
		return why->error == EEXIST || filter_is_lasting(why) ? 1 : -1;
	fault_clear(why);
	if (filter_begin_acl(f, folder, why) < 0)
		return -1;
	if (a->create && a->special_use.len && mailbox_set_use(&f->mailboxes, folder, a->special_use, &trouble) < 0)
		filter_complain(f, "special use", fault_text(&trouble));      /* RFC 8579, 4.1: no reason to refuse the message */
	if (sieve_settings.autosubscribe)
		subscriptions_change(f->maildir, span_of(folder), true, &found, NULL);
	return 0;
}

/* It is there, or it can be made, and it takes mail: 0; 1 not so; -1 not now. */
static int
reach_folder(struct filter *f, const struct sieve_action *a, const char *folder, struct fault *why)
{
	int got = 0;

	if (!tree_exists(f->maildir, folder)) {
		if (a->create || sieve_settings.autocreate) {
			got = make_folder(f, a, folder, why);
		} else {
			fault_set(why, FAULT_INPUT, "Mailbox doesn't exist");
			got = 1;
		}
	}
	return got == 0 && !filter_may_post(f, folder, why) ? 1 : got;
}

/* Where it goes: by id, by use, by name.  0; 1 there is no such mailbox, none can be, or it takes no mail; -1 not now. */
static int
find_folder(struct filter *f, const struct sieve_action *a, const char **folder, struct fault *why)
{
	int got = 0;

	if (!(a->mailbox_id.len && mailbox_by_id(&f->mailboxes, a->mailbox_id, folder)) &&
	    !(a->special_use.len && mailbox_by_use(&f->mailboxes, a->special_use, folder)) &&
	    mailbox_by_name(&f->mailboxes, a->target, folder, why) < 0)
		got = 1;
	if (got == 0)
		got = reach_folder(f, a, *folder, why);
	if (got == 1)
		prefix_failed(why, a->target);
	return got;
}

/* 0 with the folder it is in, or "" for INBOX, where it is not yet; 1 it takes none; -1 not now. */
static int
file_into(struct filter *f, const struct sieve_action *a, const char **folder, bool *duplicate, struct fault *why)
{
	int got = find_folder(f, a, folder, why);

	if (got != 0 || !**folder)
		return got;
	got = copy_to_folder(f, *folder, a, duplicate, why);
	if (got == 1)
		prefix_failed(why, a->target);
	return got;
}

/* What was filed where it would be kept is there. */
static bool
is_detail(struct filter *f, const char *folder)
{
	const char *detail = "";

	return f->e->detail.len && mailbox_by_detail(&f->mailboxes, f->e->detail, &detail, NULL) == 0 && strcmp(folder, detail) == 0;
}

static void
note_done(struct filter *f, struct span target)
{
	target = span_first(target, 100);
	if (f->n_sources)
		text_add_format(&f->done, "%sstored mail into mailbox '%.*s'", f->done.len ? ", " : "", SPAN_ARGS(target));
	else
		text_add_format(&f->done, "saved mail to %.*s", SPAN_ARGS(target));
}

/* What is kept goes to `detail` of user+detail, if it can: else INBOX has it. */
static int
keep_in_detail(struct filter *f, const struct sieve_action *keep, bool *kept, bool *duplicate, struct fault *why)
{
	const struct sieve_action a = {.kind = SIEVE_FILEINTO, .target = f->e->detail, .flags = SPAN_NONE, .special_use = SPAN_NONE, .mailbox_id = SPAN_NONE};
	const char               *folder = "";
	int                       got;

	if (!f->e->detail.len)
		return 0;
	got = mailbox_by_detail(&f->mailboxes, f->e->detail, &folder, why) < 0 ? 1 : reach_folder(f, &a, folder, why);
	if (got == 0 && *folder)
		got = copy_to_folder(f, folder, keep, duplicate, why);
	if (got < 0)
		return -1;
	if (got == 0) {
		*kept = *folder;
		if (*kept)
			note_done(f, f->e->detail);
		return 0;
	}
	prefix_failed(why, f->e->detail);
	filter_warn(f, arena_format(f->arena, "user=<%s>: %.300s", f->e->user, fault_text(why)));
	fault_clear(why);
	return 0;
}

static int
keep_in_inbox(struct filter *f, const struct sieve_action *a, bool *duplicate, struct fault *why)
{
	if (a->message ? copy_to_folder(f, "", a, duplicate, why) < 0
	               : store(f, "", take(f->spool), (int64_t)f->message.len, a->flags, duplicate, why) < 0)
		return -1;
	if (f->done.len)
		note_done(f, SPAN("INBOX"));
	return 0;
}

/* Folders, then what is kept, INBOX last, then programs: 0, -1 not now. */
int
filter_store_all(struct filter *f, struct sieve_result *r, const char *script, bool *duplicate, struct fault *why)
{
	const struct sieve_action as_it_came = {.kind = SIEVE_KEEP, .flags = SPAN_NONE};
	const struct sieve_action *keep = NULL, *inbox = NULL, *last = NULL;      /* last: of the two, whose flags INBOX gets */
	bool                      is_home = false;

	for (size_t i = 0; i < r->count; i++) {
		const struct sieve_action *a = &r->actions[i];
		const char                *folder = "";
		int                        got = a->kind == SIEVE_FILEINTO ? file_into(f, a, &folder, duplicate, why) : 0;

		if (a->kind != SIEVE_KEEP && a->kind != SIEVE_FILEINTO)
			continue;
		if (got < 0)
			return -1;
		if (got == 1) {
			filter_complain(f, script, fault_text(why));
			fault_clear(why);
			keep = keep ? keep : &as_it_came;
			last = last ? last : keep;
		} else if (!folder[0]) {
			*(a->kind == SIEVE_KEEP ? &keep : &inbox) = last = a;
		} else {
			note_done(f, a->target);
			is_home = is_home || is_detail(f, folder);
		}
	}
	if (keep && !is_home && keep_in_detail(f, keep, &is_home, duplicate, why) < 0)
		return -1;
	if (is_home)
		last = inbox;
	if (last && keep_in_inbox(f, last, duplicate, why) < 0)
		return -1;
	/* the last thing that is done here: what is deferred for one of the mailboxes has piped nothing.  Not so what is deferred
	 * because its answers, redirects or notices could not be queued behind this (filter_tell.c): the next try pipes again. */
	if (!filter_pipe_all(f, r, script) || last || is_home)
		return 0;
	return keep_in_inbox(f, &as_it_came, duplicate, why);
}

/* RFC 8580: it is sent whether or not the copy can be stored. */
void
filter_store_copy(struct filter *f, const struct sieve_action *a, struct span content)
{
	struct maildir_delivery  *d = NULL;
	struct maildir_delivered  done = {0};
	const struct maildir_message message = {.queue_id = SPAN_NONE, .recipient = SPAN_NONE, .arrived = clock_wall(), .first_try = true};
	autotext struct text      plain = {0}, marks = {0};
	const char               *attachment;
	struct span               line;
	const char               *folder = "";
	struct fault              why = {0};
	int                       got;

	while (content.len) {
		span_split(&content, '\n', &line);
		if (span_ends(line, "\r"))
			line.len--;
		text_add(&plain, line);
		text_add_byte(&plain, '\n');
	}
	got = find_folder(f, a, &folder, &why);
	if (got == 0)
		got = quota_check(f->e->quota, f->maildir, folder, (int64_t)plain.len, 1, (int64_t)plain.len, QUOTA_DELIVERING, &why);
	if (got == 0)
		got = maildir_delivery_start(f->maildir, folder, &d, &why);
	if (got == 0 && maildir_delivery_add(d, text_span(&plain), &why) < 0) {
		maildir_delivery_abort(d);
		got = -1;
	} else if (got == 0) {
		attachment = delivered_attachment(d, a->flags);
		text_add_format(&marks, "%.*s %s", SPAN_ARGS(a->flags), attachment ? attachment : "");
		got = maildir_delivery_finish(d, &message, &done, &why);
	}
	if (got == 0 && marks.len > 1)
		got = delivered_mark(f->maildir, folder, text_span(&done.name), text_span(&marks), &why);
	if (got != 0)
		filter_complain(f, "fcc", fault_text(&why));
	text_free(&done.name);
}
