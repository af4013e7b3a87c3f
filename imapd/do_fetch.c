/* SPDX-License-Identifier: ISC */
/*
 * do_fetch.c - FETCH and UID FETCH (RFC 3501, 6.4.5): which messages, and how the command ends
 */
#include "acl.h"
#include "base/clock.h"
#include "base/log.h"
#include "fetch_private.h"
#include "imap_config.h"
#include "imapsieve.h"

enum { MORE_ITEMS = 3, DEADLINE_EACH = 16 };     /* UID, FLAGS, MODSEQ; messages */

/* \Seen for those that a non-peeking item reads, all in one go. */
static int
set_seen(struct imap_session *s, const size_t *positions, size_t count, bool *changed)
{
	struct flag_change seen = {.kind = FLAGS_ADD, .flags = MESSAGE_SEEN};
	uint32_t          *uids = arena_alloc(s->arena, (count + 1) * sizeof *uids);
	size_t             n = 0;

	for (size_t i = 0; i < count; i++)
		if (!(s->view.at[positions[i]].flags & MESSAGE_SEEN))
			uids[n++] = s->view.at[positions[i]].uid;
	*changed = n > 0;
	if (n == 0)
		return 0;
	struct imapsieve_flags *before = imapsieve_flags_before(s, uids, n);

	if (folder_store(s->folder, uids, n, &seen, false, &s->why) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) { /* before scripts: what they change is told later, with its own mod-sequence */
		struct message *m = folder_find(s->folder, uids[i]);

		if (m) /* told by this FETCH, with what others changed: the mod-sequence is of all of it */
			view_take(&s->view, s->folder, m, &s->out);
	}
	imapsieve_flags_after(s, uids, n, before);
	return 0;
}

/* "(CHANGEDSINCE n [VANISHED] [PARTIAL a:b])" */
static bool
parse_modifiers(struct imap_session *s, const struct argument *list, struct fetching *f)
{
	if (!list)
		return true;
	if (list->next || list->type != ARGUMENT_LIST || list->count == 0)
		return false;
	for (const struct argument *a = list->children; a; a = a->next) {
		if (argument_is_atom(a, "CHANGEDSINCE") && a->next && a->next->type == ARGUMENT_ATOM
			&& span_number(a->next->text, &f->since) && f->since <= INT64_MAX) {
			f->changed_since = true;
			a = a->next;
		} else if (argument_is_atom(a, "VANISHED") && s->command.uid && s->manner.qresync) {
			f->vanished = true;
		} else if (argument_is_atom(a, "PARTIAL") && s->command.uid && a->next
			&& a->next->type == ARGUMENT_ATOM && (f->partial = sequence_partial(a->next->text, &f->from, &f->to))) {
			a = a->next;
		} else {
			return false;
		}
	}
	return f->changed_since || !f->vanished; /* RFC 7162, 3.2.6 */
}

static void
add_item(struct fetch_items *items, enum fetch_item_kind kind, const char *label)
{
	for (size_t i = 0; i < items->count; i++)
		if (items->at[i].kind == kind)
			return;
	items->at[items->count++] = (struct fetch_item){.kind = kind, .label = span_of(label)};
}

static int
parse_fetch(struct imap_session *s, struct fetching *f, size_t **positions, size_t *count)
{
	const struct argument *set = s->command.arguments, *rest = set->next;

	if (imap_choose(s, set, positions, count) < 0)
		return -1;
	if (fetch_items_parse(s->arena, &rest, &f->items, &s->why) < 0) {
		imap_finish(s, "BAD %s.", fault_text(&s->why));
		return -1;
	}
	if (!parse_modifiers(s, rest, f)) {
		imap_bad_arguments(s);
		return -1;
	}
	if ((s->command.uid || s->manner.qresync) && !f->items.has_uid) { /* RFC 3501, 6.4.8 */
		memmove(f->items.at + 1, f->items.at, f->items.count * sizeof *f->items.at);
		f->items.at[0] = (struct fetch_item){.kind = FETCH_UID, .label = SPAN("UID")};
		f->items.count++;
	}
	if ((f->changed_since || f->items.has_modseq) && !imap_has_modseq(s))
		return -1;
	if (f->changed_since)
		add_item(&f->items, FETCH_MODSEQ, "MODSEQ");
	if (f->changed_since || f->items.has_modseq)
		imap_use_modseq(s);
	return 0;
}

/* Leaves only the page that is asked for, and of that what changed since (RFC 9394, 3.4). */
static void
narrow(struct imap_session *s, const struct fetching *f, size_t **positions, size_t *count)
{
	size_t kept = 0;

	if (f->partial)
		imap_page(f->from, f->to, positions, count);
	for (size_t i = 0; i < *count; i++)
		if (!f->changed_since || s->view.at[(*positions)[i]].modseq > f->since)
			(*positions)[kept++] = (*positions)[i];
	*count = kept;
}

/* RFC 7162, 3.2.6: before the FETCHes. */
static void
tell_vanished(struct imap_session *s, const struct fetching *f)
{
	struct sequence known;

	if (f->vanished && imap_parse_set(s, s->command.arguments, true, &known))
		imap_tell_vanished(s, f->since, &known);
}

static void
finish_fetch(struct imap_session *s, const struct fetching *f, int result)
{
	if (f->limited && (result < 0 || f->unknown_encoding || (f->missing && !s->command.uid)))
		imap_say_limit(s, f->lowest);
	if (result < 0)
		imap_finish_fault(s, "Fetch failed");
	else if (f->unknown_encoding)
		imap_finish_synced(s, "NO [UNKNOWN-CTE] A part has an encoding that is not known.");
	else if (f->missing && !s->command.uid)
		imap_finish_synced(s, "NO [EXPUNGEISSUED] Some of the requested messages no longer exist.");
	else if (f->limited)
		imap_finish_synced(s, "OK [MESSAGELIMIT %d %u] Fetch completed in part.", imap_config.message_limit, f->lowest);
	else
		imap_finish_synced(s, "OK Fetch completed.");
}

/* RFC 3501, 6.4.5: what is read without PEEK becomes \Seen.  -1: s->why */
static int
make_seen(struct imap_session *s, struct fetching *f, const size_t *positions, size_t count)
{
	if (f->items.sets_seen && !s->folder->read_only && acl_may(s, ACL_WRITE_SEEN) && set_seen(s, positions, count, &f->made_seen) < 0)
		return -1;
	if (f->made_seen)
		add_item(&f->items, FETCH_FLAGS, "FLAGS");
	if (s->manner.condstore && f->made_seen) /* RFC 7162, 3.2.4 */
		add_item(&f->items, FETCH_UID, "UID");
	if (s->manner.condstore && (f->items.has_flags || f->made_seen)) /* RFC 7162, 3.1 */
		add_item(&f->items, FETCH_MODSEQ, "MODSEQ");
	return 0;
}

static int
fetch_messages(struct fetching *f, const size_t *positions, size_t count)
{
	struct imap_session *s = f->session;
	int                  result = 0;

	f->arena = arena_new();
	f->batch = index_begin(s->index, s->folder);
	for (size_t i = 0; result == 0 && i < count && !s->over; i++) {
		if (i % DEADLINE_EACH == 0)
			conn_deadline(s->conn, clock_after(imap_config.timeout));
		result = fetch_message(f, positions[f->limited ? count - 1 - i : i]);
	}
	index_end(f->batch);
	arena_free(f->arena);
	return result;
}

static int64_t
page_length(const struct fetching *f)
{
	return (f->to > f->from ? f->to - f->from : f->from - f->to) + 1;
}

void
do_fetch(struct imap_session *s)
{
	struct fetching f = {.session = s};
	size_t         *positions, count;

	if (parse_fetch(s, &f, &positions, &count) < 0)
		return;
	if (f.partial && imap_config.message_limit && page_length(&f) > imap_config.message_limit) {
		imap_finish(s, "NO [MESSAGELIMIT %d] The page is too long.", imap_config.message_limit);
		return;
	}
	tell_vanished(s, &f);
	narrow(s, &f, &positions, &count);
	f.limited = imap_limit(s, &positions, &count, &f.lowest);
	if (make_seen(s, &f, positions, count) < 0) {
		imap_finish_fault(s, "Fetch failed");
		return;
	}
	finish_fetch(s, &f, fetch_messages(&f, positions, count));
}

void
fetch_tell(struct imap_session *s, const struct fetch_items *items, const size_t *positions, size_t count)
{
	struct fetching f = {.session = s, .items = *items};

	f.items.at = arena_alloc(s->arena, (items->count + MORE_ITEMS) * sizeof *items->at);
	memcpy(f.items.at, items->at, items->count * sizeof *items->at);
	if (s->manner.qresync && !items->has_uid)
		add_item(&f.items, FETCH_UID, "UID");
	if (make_seen(s, &f, positions, count) < 0 || fetch_messages(&f, positions, count) < 0)
		log_error("imap(%s): %s", s->user->name, fault_text(&s->why));
	fault_clear(&s->why);
}
