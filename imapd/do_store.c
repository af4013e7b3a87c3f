/* SPDX-License-Identifier: ISC */
/*
 * do_store.c - STORE, COPY and MOVE (RFC 3501, 6.4.6 and 6.4.7; RFC 4315; RFC 6851)
 */
#include <errno.h>
#include <stdlib.h>

#include "acl.h"
#include "flags.h"
#include "imap_config.h"
#include "imapsieve.h"
#include "names.h"
#include "notify.h"
#include "session.h"
#include "store/place.h"
#include "store/tree.h"

static bool
parse_item(const struct argument *a, struct flag_change *change, bool *silent)
{
	struct span name = a->text;

	if (a->type != ARGUMENT_ATOM)
		return false;
	*silent = span_ends_nocase(name, ".SILENT");
	if (*silent)
		name.len -= 7;
	change->kind = name.len && name.at[0] == '+' ? FLAGS_ADD
		: name.len && name.at[0] == '-' ? FLAGS_REMOVE : FLAGS_SET;
	return span_is_nocase(change->kind == FLAGS_SET ? name : span_from(name, 1), "FLAGS");
}

/* Names to this mailbox's numbers; for what is only taken off, or may not be set, none is made. */
static int
number_keywords(struct imap_session *s, const struct named_flags *named, struct flag_change *change)
{
	bool make = change->kind != FLAGS_REMOVE && named->count
		&& acl_flags(acl_rights_of(s, s->in, s->folder->name)) & ACL_KEYWORDS;

	change->flags = named->flags;
	for (size_t i = 0; i < named->count; i++) {
		int number;

		if (folder_keyword(s->folder, named->keywords[i], make, &number, &s->why) < 0)
			return -1;
		if (number >= 0)
			change->keywords |= (uint64_t)1 << number;
	}
	return 0;
}

static void
apply_to_view(struct message *v, const struct flag_change *c)
{
	if (c->kind == FLAGS_SET) {
		v->flags = (uint8_t)((c->flags & ~c->kept) | (v->flags & c->kept));
		v->keywords = c->keeps_keywords ? v->keywords : c->keywords;
	} else if (c->kind == FLAGS_ADD) {
		v->flags |= (uint8_t)c->flags;
		v->keywords |= c->keywords;
	} else {
		v->flags &= (uint8_t)~c->flags;
		v->keywords &= ~c->keywords;
	}
}

/* They are in the order of the set: ascending. */
static bool
is_modified(const struct flag_change *c, uint32_t uid)
{
	return c->modified_count && bsearch(&uid, c->modified, c->modified_count, sizeof uid, sequence_compare);
}

/* RFC 7162, 3.1.3: the new mod-sequence is told although the flags are not. */
static void
tell_modseq(struct imap_session *s, size_t position, uint64_t modseq)
{
	s->view.at[position].modseq = modseq;
	view_open_fetch(&s->view, position, s->command.uid, &s->out);
	imap_say(s, "MODSEQ (%llu))", (unsigned long long)modseq);
}

/* Tells every message of the set; or, .SILENT, leaves in the view what the
 * client must think now, so that only what others changed is told after. */
static void
tell_stored(struct imap_session *s, const size_t *positions, size_t count,
	const struct flag_change *change, bool silent, bool downwards)
{
	if (s->folder->generation != s->view.generation)
		for (size_t i = 0; i < KEYWORDS_MAX; i++)
			if (s->folder->keywords.name[i] && !(s->view.keywords & (uint64_t)1 << i)) {
				view_tell_flags(&s->view, s->folder, &s->out);
				break;
			}
	for (size_t done = 0; done < count; done++) {
		size_t          i = downwards ? count - 1 - done : done;
		struct message *v = &s->view.at[positions[i]];
		struct message *m = folder_find(s->folder, v->uid);

		if (!m || (m->modseq && is_modified(change, v->uid)))
			continue;
		view_touch(&s->view, positions[i]);
		if (silent) {
			bool as_thought;

			apply_to_view(v, change);
			as_thought = v->flags == m->flags && v->keywords == m->keywords;
			if (s->manner.condstore && as_thought && v->modseq != m->modseq)
				tell_modseq(s, positions[i], m->modseq);
			continue;
		}
		v->flags = m->flags;
		v->keywords = m->keywords;
		v->modseq = m->modseq;
		view_open_fetch(&s->view, positions[i], s->command.uid, &s->out);
		text_add_string(&s->out, "FLAGS ");
		view_add_flags(&s->folder->keywords, v->flags, v->recent, v->keywords, &s->out);
		view_add_modseq(&s->view, positions[i], &s->out);
		imap_say(s, ")");
	}
}

/* "(UNCHANGEDSINCE n)": 1 when it is there, 0 when not, -1 when it is wrong. */
static int
parse_condition(struct imap_session *s, const struct argument *a, struct flag_change *change)
{
	uint64_t n;

	if (a->type != ARGUMENT_LIST)
		return 0;
	if (a->count != 2 || !argument_is_atom(a->children, "UNCHANGEDSINCE")
		|| a->children->next->type != ARGUMENT_ATOM || !span_number(a->children->next->text, &n)
		|| n > INT64_MAX || !a->next)
		return -1;
	change->conditional = true;
	change->unchanged_since = n;
	imap_use_modseq(s);
	return 1;
}

static void
finish_store(struct imap_session *s, const struct flag_change *change, bool gone, uint32_t lowest)
{
	autotext struct text code = {0};
	const char          *answer = gone ? "NO" : "OK";

	if (change->modified_count) { /* message numbers, unless it was UID STORE */
		for (size_t i = 0; !s->command.uid && i < change->modified_count; i++)
			change->modified[i] = (uint32_t)view_position(&s->view, change->modified[i]) + 1;
		text_add_string(&code, "[MODIFIED ");
		sequence_add(change->modified, change->modified_count, &code);
		text_add_string(&code, "] ");
	} else if (gone) {
		text_add_string(&code, "[EXPUNGEISSUED] ");
	}
	if (lowest && code.len)
		imap_say_limit(s, lowest);
	else if (lowest)
		text_add_format(&code, "[MESSAGELIMIT %d %u] ", imap_config.message_limit, lowest);
	imap_sync(s);
	imap_finish(s, "%s %s%s", answer, text_string(&code), change->modified_count ? "Conditional store failed for some."
		: gone ? "Some of the messages no longer exist." : "Store completed.");
}

static bool
any_gone(struct imap_session *s, const uint32_t *uids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!folder_find(s->folder, uids[i]))
			return true;
	return false;
}

void
do_store(struct imap_session *s)
{
	const struct argument *item = s->command.arguments->next;
	struct flag_change     change = {0};
	struct named_flags     named;
	size_t                *positions, count;
	uint32_t               lowest = 0;      /* of those that imap_message_limit allows */
	bool                   silent;
	int                    condition;

	if (imap_choose(s, s->command.arguments, &positions, &count) < 0)
		return;
	condition = parse_condition(s, item, &change);
	if (condition > 0)
		item = item->next;
	if (condition < 0 || !parse_item(item, &change, &silent) || !item->next) {
		imap_bad_arguments(s);
		return;
	}
	if (change.conditional && !imap_has_modseq(s))
		return;
	if (flags_parse(s->arena, item->next, &named, &s->why) < 0) {
		imap_finish(s, "BAD %s.", fault_text(&s->why));
		return;
	}
	if (s->folder->read_only) {
		imap_finish(s, "NO [READ-ONLY] Mailbox is read-only.");
		return;
	}
	imap_limit(s, &positions, &count, &lowest);
	uint32_t *uids = view_uids(&s->view, positions, count, s->arena);

	change.modified = arena_alloc(s->arena, (count + 1) * sizeof *change.modified);
	if (number_keywords(s, &named, &change) < 0) {
		imap_finish_fault(s, "Store failed");
		return;
	}
	if (!acl_filter(s, &change, named.count > 0))
		return;
	struct imapsieve_flags *before = imapsieve_flags_before(s, uids, count);

	if (folder_store(s->folder, uids, count, &change, true, &s->why) < 0) {
		imap_finish_fault(s, "Store failed");
		return;
	}
	tell_stored(s, positions, count, &change, silent, lowest != 0);
	imapsieve_flags_after(s, uids, count, before);
	finish_store(s, &change, !s->command.uid && any_gone(s, uids, count), lowest);
}

static void
add_copyuid(const struct copied *c, struct text *out)
{
	text_add_format(out, "[COPYUID %u ", c->validity);
	sequence_add(c->from, c->count, out);
	text_add_byte(out, ' ');
	sequence_add(c->to, c->count, out);
	text_add_string(out, "]");
}

static void
finish_copy(struct imap_session *s, const struct copied *c, bool move, uint32_t lowest)
{
	autotext struct text code = {0};

	if (c->count)
		add_copyuid(c, &code);
	if (move) { /* RFC 6851, 4.3: COPYUID before the EXPUNGEs */
		if (code.len)
			imap_say(s, "* OK %s Moved UIDs.", text_string(&code));
		imap_sync(s);
		if (lowest && s->manner.qresync)
			imap_say_limit(s, lowest);
		if (s->manner.qresync && s->folder && s->folder->modseq)
			imap_finish(s, "OK [HIGHESTMODSEQ %llu] Move completed.",
				(unsigned long long)s->folder->modseq);
		else if (lowest)
			imap_finish(s, "OK [MESSAGELIMIT %d %u] Move completed in part.", imap_config.message_limit, lowest);
		else
			imap_finish(s, "OK Move completed.");
	} else {
		imap_finish_synced(s, "OK %s%sCopy completed.", text_string(&code), code.len ? " " : "");
	}
}

/* Who watches the mailbox, and its scripts; what s->why says stays. */
static void
tell_copied(struct imap_session *s, struct space *in, const char *target, const struct copied *c)
{
	struct fault why = s->why;

	s->why = (struct fault){0};
	notify_own_added(s, in, target, c->to, c->count);
	imapsieve_run(s, &(struct imapsieve_event){.cause = IMAPSIEVE_COPY, .in = in, .folder = target, .from = s->in,
		.from_folder = s->folder->name, .uids = c->to, .validity = c->validity, .count = c->count});
	fault_clear(&s->why);
	s->why = why;
}

static void
copy(struct imap_session *s, bool move)
{
	const struct argument *name = s->command.arguments->next;
	autofree char         *target = NULL;
	struct space          *in;
	unsigned               may;
	struct copied          copied = {0};
	size_t                *positions, count;
	uint32_t               lowest = 0;
	bool                   failed;

	if (imap_choose(s, s->command.arguments, &positions, &count) < 0)
		return;
	target = name_take_existing(s, name, "TRYCREATE", &in);
	if (!target)
		return;
	if (move && s->folder->read_only) {
		imap_finish(s, "NO [READ-ONLY] Mailbox is read-only.");
		return;
	}
	if (!move && imap_save_limit() && count > (size_t)imap_save_limit()) { /* RFC 9738, 3.1: all or none */
		imap_finish(s, "NO [MESSAGELIMIT %d %u] Too many messages.", imap_save_limit(),
			s->view.at[positions[count - (size_t)imap_save_limit()]].uid);
		return;
	}
	if (move)
		imap_limit(s, &positions, &count, &lowest);
	uint32_t *uids = view_uids(&s->view, positions, count, s->arena);

	may = acl_flags(acl_rights_of(s, in, target));
	if (!s->command.uid && any_gone(s, uids, count)) {
		imap_finish_synced(s, "NO [EXPUNGEISSUED] Some of the messages no longer exist.");
		return;
	}
	failed = folder_copy(s->folder, uids, count, &(struct copy_target){in->maildir, target, may, may & ACL_KEYWORDS}, move, &copied, &s->why) < 0;
	if (copied.count) /* also where they could not be taken away: they are there */
		tell_copied(s, in, target, &copied);
	if (failed)
		imap_finish_fault(s, move ? "Move failed" : "Copy failed");
	else
		finish_copy(s, &copied, move, lowest);
	copied_free(&copied);
}

void
do_copy(struct imap_session *s)
{
	copy(s, false);
}

void
do_move(struct imap_session *s)
{
	copy(s, true);
}
