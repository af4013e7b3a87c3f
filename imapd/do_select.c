/* SPDX-License-Identifier: ISC */
/*
 * do_select.c - SELECT EXAMINE CLOSE UNSELECT EXPUNGE (RFC 3501, RFC 7162, RFC 9051)
 */
#include <stdlib.h>

#include "acl.h"
#include "imap_config.h"
#include "names.h"
#include "session.h"

static void
tell_mailbox(struct imap_session *s, const char *folder)
{
	const struct folder *f = s->folder;
	size_t               recent, unseen;

	folder_tally(f, &recent, &unseen);
	view_tell_flags(&s->view, s->folder, &s->out);
	imap_say(s, "* %zu EXISTS", f->count);
	if (s->manner.rev2) { /* RFC 9051, 6.3.2: LIST instead of RECENT and UNSEEN */
		autotext struct text name = {0};

		name_of(s->in, folder, &name);
		name_tell_other(s, s->command.arguments->text, text_span(&name), "");
	} else {
		imap_say(s, "* %zu RECENT", recent);
		if (unseen && !s->manner.uidonly)
			imap_say(s, "* OK [UNSEEN %zu] First unseen.", unseen);
	}
	imap_say(s, "* OK [UIDVALIDITY %u] UIDs valid", f->list.validity);
	imap_say(s, "* OK [UIDNEXT %u] Predicted next UID", f->list.next);
	if (f->modseq)
		imap_say(s, "* OK [HIGHESTMODSEQ %llu] Highest", (unsigned long long)f->modseq);
	else
		imap_say(s, "* OK [NOMODSEQ] No permanent mod-sequences");
	if (f->list.guid[0]) /* RFC 8474, 4.2 */
		imap_say(s, "* OK [MAILBOXID (%s)] Ok", f->list.guid);
}

struct opening {
	bool            qresync;
	uint32_t        validity;
	uint64_t        modseq;
	bool            has_known;
	struct sequence known;
	bool            numbers;          /* "(numbers uids)" was there */
};

/* (validity modseq [known-uids] [(numbers uids)]): the last only saves a server without expunge
 * history some work, so it is looked at no further (3.2.5.2). */
static bool
parse_qresync(struct imap_session *s, const struct argument *a, struct opening *o)
{
	const struct argument *known;
	uint64_t               validity;

	if (!a || a->type != ARGUMENT_LIST || a->count < 2 || a->count > 4
		|| a->children->type != ARGUMENT_ATOM || a->children->next->type != ARGUMENT_ATOM
		|| !span_number(a->children->text, &validity) || validity == 0 || validity > UINT32_MAX
		|| !span_number(a->children->next->text, &o->modseq) || o->modseq > INT64_MAX)
		return false;
	o->validity = (uint32_t)validity;
	known = a->children->next->next;
	if (known && known->type == ARGUMENT_ATOM) {
		o->has_known = true;
		if (!sequence_parse(s->arena, known->text, &o->known) || span_has(known->text, '*'))
			return false;
		known = known->next;
	}
	if (known && (known->type != ARGUMENT_LIST || known->count != 2 || known->next))
		return false;
	o->numbers = known != NULL;
	o->qresync = true;
	return true;
}

/* "(CONDSTORE)", "(QRESYNC (...))" */
static int
parse_parameters(struct imap_session *s, const struct argument *list, struct opening *o)
{
	if (!list)
		return 0;
	if (list->type != ARGUMENT_LIST || list->count == 0)
		return -1;
	for (const struct argument *a = list->children; a; a = a->next) {
		if (argument_is_atom(a, "CONDSTORE")) {
			s->manner.condstore = true;
		} else if (argument_is_atom(a, "QRESYNC") && s->manner.qresync
			&& parse_qresync(s, a->next, o)) {
			a = a->next;
		} else {
			return -1;
		}
	}
	return 0;
}

/* RFC 7162, 3.2.5.1: first what vanished, then what changed, of the UIDs that it knows. */
static void
resynchronize(struct imap_session *s, struct opening *o)
{
	struct view *v = &s->view;

	if (!o->qresync || o->validity != s->folder->list.validity || s->folder->modseq == 0)
		return;
	imap_tell_vanished(s, o->modseq, o->has_known ? &o->known : NULL);
	for (size_t i = 0; i < v->count; i++) {
		if (v->at[i].modseq <= o->modseq || (o->has_known && !sequence_has(&o->known, v->at[i].uid)))
			continue;
		view_open_fetch(v, i, true, &s->out);
		text_add_string(&s->out, "FLAGS ");
		view_add_flags(&s->folder->keywords, v->at[i].flags, v->at[i].recent, v->at[i].keywords, &s->out);
		view_add_modseq(v, i, &s->out);
		imap_say(s, ")");
	}
}

static void
open_mailbox(struct imap_session *s, bool read_only)
{
	const struct argument *name = s->command.arguments;
	autofree char         *folder = NULL;
	struct space          *in;
	unsigned               may;
	struct opening         o = {0};

	if (!argument_is_astring(name) || parse_parameters(s, name->next, &o) < 0) {
		imap_bad_arguments(s);
		return;
	}
	if (o.numbers && s->manner.uidonly) { /* RFC 9586, 3 */
		imap_finish(s, "BAD [UIDREQUIRED] Message numbers are not used any more.");
		return;
	}
	if (s->folder)
		imap_say(s, "* OK [CLOSED] Previous mailbox closed.");
	imap_deselect(s); /* a failed SELECT leaves nothing selected (6.3.1) */
	if (name_find(s, name->text, &in, &folder, &s->why) < 0) {
		imap_finish_fault(s, "Mailbox cannot be opened");
		return;
	}
	may = acl_rights_of(s, in, folder);
	read_only |= !(may & (ACL_WRITE | ACL_WRITE_SEEN | ACL_WRITE_DELETED | ACL_EXPUNGE | ACL_INSERT)); /* RFC 4314, 5.2 */
	if (imap_open_in(s, in, folder, read_only ? FOLDER_READ_ONLY : 0, &s->folder) < 0) {
		imap_finish_fault(s, "Mailbox cannot be opened");
		return;
	}
	s->in = in;
	view_start(&s->view, s->folder, &s->manner);
	s->view.denied = acl_flags(ACL_ALL) & ~acl_flags(may);
	tell_mailbox(s, folder);
	resynchronize(s, &o);
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

	if (!s->folder->read_only && acl_may(s, ACL_EXPUNGE) && folder_expunge(s->folder, NULL, 0, false, &s->why) < 0) {
		imap_finish_fault(s, "Expunge failed"); /* it stays selected: nothing is hidden */
		return;
	}
	if (s->folder->count < before)
		s->counts.expunged += before - s->folder->count;
	imap_deselect(s);
	imap_finish(s, "OK Close completed."); /* without HIGHESTMODSEQ (RFC 7162, 3.2.8) */
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
	uint32_t        *uids = NULL;
	size_t          *positions, count = 0, before = s->folder->count;
	uint32_t         lowest = 0;

	if (s->command.uid != (s->command.count == 1)) {
		imap_bad_arguments(s);
		return;
	}
	if (s->folder->read_only) {
		imap_finish(s, "NO [READ-ONLY] Mailbox is read-only.");
		return;
	}
	if (a) {
		if (imap_choose(s, a, &positions, &count) < 0)
			return;
		size_t deleted = 0;

		for (size_t i = 0; i < count; i++) { /* RFC 9738 counts those that have \Deleted */
			const struct message *m = folder_find(s->folder, s->view.at[positions[i]].uid);

			if (m && m->flags & MESSAGE_DELETED)
				positions[deleted++] = positions[i];
		}
		count = deleted;
		imap_limit(s, &positions, &count, &lowest);
		uids = view_uids(&s->view, positions, count, s->arena);
	}
	if (folder_expunge(s->folder, uids, count, false, &s->why) < 0) {
		imap_finish_fault(s, "Expunge failed");
		return;
	}
	if (s->folder->count < before)
		s->counts.expunged += before - s->folder->count;
	imap_sync(s);
	if (lowest && *imap_highest_code(s))
		imap_say_limit(s, lowest);
	else if (lowest) {
		imap_finish(s, "OK [MESSAGELIMIT %d %u] Expunge completed in part.", imap_config.message_limit, lowest);
		return;
	}
	imap_finish(s, "OK %sExpunge completed.", imap_highest_code(s));
}
