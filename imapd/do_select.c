/* SPDX-License-Identifier: ISC */
/*
 * do_select.c - SELECT EXAMINE CLOSE UNSELECT EXPUNGE STATUS
 */
#include <stdlib.h>

#include "names.h"
#include "session.h"

static void
tell_mailbox(struct imap_session *s)
{
	const struct folder *f = s->folder;
	size_t               recent = 0, unseen = 0;

	for (size_t i = f->count; i-- > 0;) {
		recent += f->messages[i].recent;
		if (!(f->messages[i].flags & MESSAGE_SEEN))
			unseen = i + 1;
	}
	view_tell_flags(&s->view, s->folder, &s->out);
	imap_say(s, "* %zu EXISTS", f->count);
	imap_say(s, "* %zu RECENT", recent);
	if (unseen)
		imap_say(s, "* OK [UNSEEN %zu] First unseen.", unseen);
	imap_say(s, "* OK [UIDVALIDITY %u] UIDs valid", f->list.validity);
	imap_say(s, "* OK [UIDNEXT %u] Predicted next UID", f->list.next);
}

static void
open_mailbox(struct imap_session *s, bool read_only)
{
	const struct argument *name = s->command.arguments;
	autofree char         *folder = NULL;

	imap_deselect(s); /* a failed SELECT leaves nothing selected (6.3.1) */
	if (!argument_is_astring(name)) {
		imap_bad_arguments(s);
		return;
	}
	if (name_to_folder(s, name->text, &folder, &s->why) < 0
		|| folder_open(s->maildir, folder, read_only ? FOLDER_READ_ONLY : 0, &s->folder,
			&s->why) < 0) {
		imap_finish_fault(s, "Mailbox cannot be opened");
		return;
	}
	view_start(&s->view, s->folder);
	tell_mailbox(s);
	imap_finish(s, "OK [READ-%s] %s completed.", read_only ? "ONLY" : "WRITE",
		read_only ? "Examine" : "Select");
}

void
do_select(struct imap_session *s)
{
	open_mailbox(s, false);
}

void
do_examine(struct imap_session *s)
{
	open_mailbox(s, true);
}

void
do_close(struct imap_session *s)
{
	size_t before = s->folder->count;

	if (!s->folder->read_only && folder_expunge(s->folder, NULL, 0, false, &s->why) < 0) {
		imap_finish_fault(s, "Expunge failed"); /* it stays selected: nothing is hidden */
		return;
	}
	if (s->folder->count < before)
		s->counts.expunged += before - s->folder->count;
	imap_deselect(s);
	imap_finish(s, "OK Close completed.");
}

void
do_unselect(struct imap_session *s)
{
	imap_deselect(s);
	imap_finish(s, "OK Unselect completed.");
}

/* EXPUNGE, and UID EXPUNGE of a set (RFC 4315, 2.1) */
void
do_expunge(struct imap_session *s)
{
	struct argument *a = s->command.arguments;
	struct sequence  set;
	uint32_t        *uids = NULL;
	size_t          *positions, count = 0, before = s->folder->count;

	if (s->command.uid != (s->command.count == 1)
		|| (a && (a->type != ARGUMENT_ATOM || !sequence_parse(s->arena, a->text, &set)))) {
		imap_bad_arguments(s);
		return;
	}
	if (s->folder->read_only) {
		imap_finish(s, "NO [READ-ONLY] Mailbox is read-only.");
		return;
	}
	if (a) {
		view_choose(&s->view, &set, true, &positions, &count, s->arena);
		uids = view_uids(&s->view, positions, count, s->arena);
	}
	if (folder_expunge(s->folder, uids, count, false, &s->why) < 0) {
		imap_finish_fault(s, "Expunge failed");
		return;
	}
	if (s->folder->count < before)
		s->counts.expunged += before - s->folder->count;
	imap_finish_synced(s, "OK Expunge completed.");
}

static void
add_status(const struct folder *f, struct span item, struct text *out)
{
	size_t recent = 0, unseen = 0;

	for (size_t i = 0; i < f->count; i++) {
		recent += f->messages[i].recent;
		unseen += !(f->messages[i].flags & MESSAGE_SEEN);
	}
	if (span_is_nocase(item, "MESSAGES"))
		text_add_format(out, "MESSAGES %zu", f->count);
	else if (span_is_nocase(item, "RECENT"))
		text_add_format(out, "RECENT %zu", recent);
	else if (span_is_nocase(item, "UIDNEXT"))
		text_add_format(out, "UIDNEXT %u", f->list.next);
	else if (span_is_nocase(item, "UIDVALIDITY"))
		text_add_format(out, "UIDVALIDITY %u", f->list.validity);
	else
		text_add_format(out, "UNSEEN %zu", unseen);
}

static bool
is_status_item(const struct argument *a)
{
	static const char *const items[] = {"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN"};

	for (size_t i = 0; i < COUNT(items); i++)
		if (argument_is_atom(a, items[i]))
			return true;
	return false;
}

void
do_status(struct imap_session *s)
{
	const struct argument *name = s->command.arguments, *items = name->next;
	autofree char         *folder = NULL;
	struct folder         *f;

	if (!argument_is_astring(name) || items->type != ARGUMENT_LIST || items->count == 0) {
		imap_bad_arguments(s);
		return;
	}
	for (const struct argument *a = items->children; a; a = a->next)
		if (!is_status_item(a)) {
			imap_finish(s, "BAD Unknown status item.");
			return;
		}
	if (name_to_folder(s, name->text, &folder, &s->why) < 0
		|| folder_open(s->maildir, folder, FOLDER_READ_ONLY, &f, &s->why) < 0) {
		imap_finish_fault(s, "Status failed");
		return;
	}
	text_add_string(&s->out, "* STATUS ");
	name_add(name->text, &s->out);
	text_add_string(&s->out, " (");
	for (const struct argument *a = items->children; a; a = a->next) {
		if (a != items->children)
			text_add_byte(&s->out, ' ');
		add_status(f, a->text, &s->out);
	}
	imap_say(s, ")");
	folder_close(f);
	imap_finish_synced(s, "OK Status completed.");
}
