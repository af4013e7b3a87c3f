/* SPDX-License-Identifier: ISC */
/*
 * do_fetch.c - FETCH and UID FETCH (RFC 3501, 6.4.5)
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "acl.h"
#include "content.h"
#include "preview.h"
#include "fetch_items.h"
#include "imap_config.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/imap_body.h"
#include "session.h"
#include "store/history.h"

enum { MORE_ITEMS = 3, DEADLINE_EACH = 16 };     /* UID, FLAGS, MODSEQ; messages */

struct fetching {
	struct imap_session *session;
	struct fetch_items   items;
	struct arena        *arena;          /* of one message */
	struct index_batch  *batch;          /* NULL: no cache */
	bool                 missing;        /* a message was gone */
	bool                 unknown_encoding;   /* BINARY of what nobody can decode (RFC 3516, 4.3) */
	bool                 changed_since, vanished;
	uint64_t             since;
	bool                 limited;        /* RFC 9738: only the highest, and those downwards */
	uint32_t             lowest;
	bool                 partial;        /* RFC 9394 */
	int64_t              from, to;
};

/* What is known of a message without its file, from its name or the cache. */
struct facts {
	uint32_t              uid;
	const struct message *message;     /* by find_message */
	struct content        content;
	char                  email_id[33];
};

/* Opening a file may bring the folder up to date, and then no message is where it was. */
static const struct message *
find_message(struct fetching *f, struct facts *facts)
{
	return facts->message = folder_find(f->session->folder, facts->uid);
}

static struct span *
described_in(struct index_record *r, enum fetch_item_kind kind)
{
	return kind == FETCH_ENVELOPE ? &r->envelope : kind == FETCH_BODY ? &r->body : &r->structure;
}

/* A structure in which message/global may be; more often than not it is not even looked for. */
static bool
mentions_global(struct span structure)
{
	for (size_t i = 0; i + 19 <= structure.len; i++)
		if (structure.at[i] == '"' && span_starts_nocase(span_from(structure, i), "\"message\" \"global\""))
			return true;
	return false;
}

/* What is kept is IMAP4rev1's, to which that is no message. */
static bool
is_of_rev1(const struct content *c, const struct span *kept)
{
	return c->global && mentions_global(*kept);
}

/* ENVELOPE, BODY or BODYSTRUCTURE, kept as they are told. */
static int
find_described(struct fetching *f, struct facts *facts, enum fetch_item_kind kind, struct text *out,
	struct fault *why)
{
	struct span *kept = described_in(content_record(&facts->content), kind);
	autotext struct text made = {0};
	struct mime         *mime;
	struct span          header;

	if (kept->len == 0 || is_of_rev1(&facts->content, kept)) {
		if (kind == FETCH_ENVELOPE) {
			if (content_fields(&facts->content, &header, why) < 0)
				return -1;
			imap_envelope(header, &made);
		} else {
			if (content_mime(&facts->content, &mime, why) < 0)
				return -1;
			if (kind == FETCH_BODY)
				imap_body(mime, &made);
			else
				imap_bodystructure(mime, &made);
		}
		if (facts->content.global && mentions_global(text_span(&made))) { /* not for others */
			text_add(out, text_span(&made));
			return 0;
		}
		*kept = arena_span(f->arena, text_span(&made));
		facts->content.learnt = true;
	}
	text_add(out, *kept);
	return 0;
}

static bool
needs_header_only(const struct imap_section *s)
{
	return s->depth == 0 && (s->kind == SECTION_HEADER || s->kind == SECTION_HEADER_FIELDS
		|| s->kind == SECTION_HEADER_FIELDS_NOT);
}

/* Can it be answered without what header_skim leaves out? */
static bool
needs_fields_only(const struct imap_section *s)
{
	if (s->depth != 0 || s->kind != SECTION_HEADER_FIELDS)
		return false;
	for (size_t i = 0; i < s->field_count; i++)
		if (header_is_skimmed_off(s->fields[i]))
			return false;
	return true;
}

static void
send_section(struct fetching *f, const struct fetch_item *item, struct span bytes)
{
	struct imap_session *s = f->session;

	text_add(&s->out, item->label);
	text_add_byte(&s->out, ' ');
	content_send(s, bytes, item->partial ? item->start : 0, item->partial ? item->count : UINT64_MAX);
	if (needs_header_only(&item->section)) {
		s->counts.headers++;
		s->counts.header_bytes += bytes.len;
	} else {
		s->counts.bodies++;
		s->counts.body_bytes += bytes.len;
	}
}

static int
fetch_section(struct fetching *f, struct facts *facts, const struct fetch_item *item,
	struct fault *why)
{
	struct content   *c = &facts->content;
	struct imap_found found = {0};
	struct mime      *mime;
	struct span       all;

	if (item->section.kind == SECTION_ALL && item->section.depth == 0) {
		if (content_all(c, &all, why) < 0)
			return -1;
		send_section(f, item, all);
		return 0;
	}
	if (item->section.kind == SECTION_TEXT && item->section.depth == 0) {
		if (content_all(c, &all, why) < 0)
			return -1;
		send_section(f, item, span_from(all, header_body_offset(all, NULL)));
		return 0;
	}
	if ((needs_fields_only(&item->section) ? content_fields_mime
		: needs_header_only(&item->section) ? content_header_mime : content_mime)(c, &mime, why) < 0)
		return -1;
	imap_section_find(mime, &item->section, &found);
	if (!found.exists) {
		text_add(&f->session->out, item->label);
		text_add_string(&f->session->out, " NIL");
	} else {
		send_section(f, item, found.is_text ? text_span(&found.text)
			: span_cut(mime->message, found.offset, found.offset + found.length));
	}
	text_free(&found.text);
	return 0;
}

static bool
can_decode(struct span encoding)
{
	static const char *const known[] = {"", "7bit", "8bit", "binary", "base64", "quoted-printable"};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is_nocase(encoding, known[i]))
			return true;
	return false;
}

/* Line ends of what was not encoded are ours (LF): told with CRLF, as BODY[] tells them. */
static void
add_crlf(struct span in, struct text *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.at[i] == '\n' && (i == 0 || in.at[i - 1] != '\r'))
			text_add_byte(out, '\r');
		text_add_byte(out, in.at[i]);
	}
}

/* BINARY[part] and BINARY.SIZE[part] */
static int
fetch_binary(struct fetching *f, struct facts *facts, const struct fetch_item *item, struct fault *why)
{
	struct text            *out = &f->session->out;
	autotext struct text    bytes = {0}, told = {0};
	struct mime            *mime;
	const struct mime_part *p;
	struct span             encoding;

	if (content_mime(&facts->content, &mime, why) < 0)
		return -1;
	p = imap_section_part(mime, &item->section);
	encoding = p && item->section.depth ? p->encoding : SPAN_NONE;
	text_add(out, item->label);
	text_add_byte(out, ' ');
	if (p && !can_decode(encoding))
		f->unknown_encoding = true;
	if (!p || !can_decode(encoding)) {
		text_add_string(out, item->kind == FETCH_BINARY ? "NIL" : "0");
		return 0;
	}
	if (span_is_nocase(encoding, "base64")) {
		mime_decode_body(mime, p, &told);
	} else {
		if (item->section.depth == 0)
			text_add(&bytes, mime->message);
		else
			mime_decode_body(mime, p, &bytes);
		add_crlf(text_span(&bytes), &told);
	}
	if (item->kind == FETCH_BINARY_SIZE) {
		text_add_format(out, "%zu", told.len);
		return 0;
	}
	content_send_binary(f->session, text_span(&told), item->partial ? item->start : 0,
		item->partial ? item->count : UINT64_MAX);
	f->session->counts.bodies++;
	f->session->counts.body_bytes += told.len;
	return 0;
}

static int
fetch_preview(struct fetching *f, struct facts *facts, struct fault *why)
{
	autotext struct text preview = {0};
	struct mime         *mime;

	if (content_mime(&facts->content, &mime, why) < 0)
		return -1;
	preview_make(mime, &preview);
	text_add_string(&f->session->out, "PREVIEW ");
	imap_add_string(text_span(&preview), &f->session->out);
	return 0;
}

static void
fetch_save_date(struct fetching *f, uint32_t uid)
{
	struct text *out = &f->session->out;
	int64_t      saved;

	text_add_string(out, "SAVEDATE ");
	if (!history_saved(f->session->folder, uid, &saved)) {
		text_add_string(out, "NIL");
		return;
	}
	text_add_byte(out, '"');
	date_add_imap(date_local(saved), out);
	text_add_byte(out, '"');
}

static int
fetch_item(struct fetching *f, struct facts *facts, const struct fetch_item *item, size_t position,
	struct fault *why)
{
	struct imap_session       *s = f->session;
	const struct view_message *v = &s->view.at[position];
	struct text               *out = &s->out;
	int64_t                    date;
	uint64_t                   size;

	switch (item->kind) {
	case FETCH_UID:
		text_add(out, SPAN("UID "));
		imap_add_number(v->uid, out);
		return 0;
	case FETCH_FLAGS:
		text_add_string(out, "FLAGS ");
		view_add_flags(&s->folder->keywords, v->flags, v->recent, v->keywords, out);
		return 0;
	case FETCH_INTERNALDATE:
		if (content_date(&facts->content, &date, why) < 0)
			return -1;
		text_add_string(out, "INTERNALDATE \"");
		date_add_imap(date_local(date), out);
		text_add_byte(out, '"');
		return 0;
	case FETCH_SIZE:
		if (content_full_size(&facts->content, &size, why) < 0)
			return -1;
		text_add(out, SPAN("RFC822.SIZE "));
		imap_add_number(size, out);
		return 0;
	case FETCH_ENVELOPE:
	case FETCH_BODY:
	case FETCH_BODYSTRUCTURE:
		text_add(out, item->label);
		text_add_byte(out, ' ');
		return find_described(f, facts, item->kind, out, why);
	case FETCH_SECTION:
		return fetch_section(f, facts, item, why);
	case FETCH_MODSEQ:
		text_add_format(out, "MODSEQ (%llu)", (unsigned long long)v->modseq);
		return 0;
	case FETCH_EMAILID:
		text_add_format(out, "EMAILID (%s)", facts->email_id);
		return 0;
	case FETCH_THREADID: /* RFC 8474, 5.2: a server that has none says NIL */
		text_add_string(out, "THREADID NIL");
		return 0;
	case FETCH_SAVEDATE:
		fetch_save_date(f, v->uid);
		return 0;
	case FETCH_PREVIEW:
		return fetch_preview(f, facts, why);
	case FETCH_BINARY:
	case FETCH_BINARY_SIZE:
		return fetch_binary(f, facts, item, why);
	}
	return 0;
}

/* Is the file still to be had?  Asked before the response is begun, for the
 * items that need it: half a response cannot be taken back. */
static bool
is_at_hand(struct fetching *f, struct facts *facts, struct fault *why)
{
	for (size_t i = 0; i < f->items.count; i++) {
		int64_t     date;
		uint64_t    size;
		struct span all, *kept;

		switch (f->items.at[i].kind) {
		case FETCH_UID:
		case FETCH_FLAGS:
		case FETCH_MODSEQ:
		case FETCH_EMAILID:
		case FETCH_THREADID:
		case FETCH_SAVEDATE:
			continue;
		case FETCH_PREVIEW:
		case FETCH_BINARY:
		case FETCH_BINARY_SIZE:
			if (content_all(&facts->content, &all, why) < 0)
				return false;
			continue;
		case FETCH_INTERNALDATE:
			if (content_date(&facts->content, &date, why) < 0)
				return false;
			continue;
		case FETCH_SIZE:
			if (content_full_size(&facts->content, &size, why) < 0)
				return false;
			continue;
		case FETCH_SECTION:
			if ((needs_fields_only(&f->items.at[i].section) ? content_fields
				: needs_header_only(&f->items.at[i].section) ? content_header : content_all)
				(&facts->content, &all, why) < 0)
				return false;
			continue;
		default:
			kept = described_in(content_record(&facts->content), f->items.at[i].kind);
			if ((kept->len == 0 || is_of_rev1(&facts->content, kept)) && content_begin(&facts->content, why) < 0)
				return false;
		}
	}
	return true;
}

static void
add_opening(size_t position, struct text *out)
{
	text_add(out, SPAN("* "));
	imap_add_number(position + 1, out);
	text_add(out, SPAN(" FETCH ("));
}

static int
fetch_message(struct fetching *f, size_t position)
{
	struct imap_session *s = f->session;
	struct facts         facts = {.uid = s->view.at[position].uid};
	struct fault         why = {0};
	int                  result = 0;

	if (!find_message(f, &facts)) {
		f->missing = true;
		return 0;
	}
	content_start(&facts.content, s, facts.message->uid, f->arena);
	facts.content.batch = f->batch;
	facts.content.global = s->manner.rev2;
	if (!is_at_hand(f, &facts, &why)) {
		content_end(&facts.content);
		f->missing = true;
		if (why.error != ENOENT)
			s->why = why;
		return why.error == ENOENT ? 0 : -1;
	}
	if (!find_message(f, &facts)) {
		content_end(&facts.content);
		f->missing = true;
		return 0;
	}
	if (f->items.has_email_id)
		object_id_of(folder_guid(s->folder, facts.message), facts.email_id);
	if (s->manner.uidonly)
		view_open_fetch(&s->view, position, false, &s->out);
	else
		add_opening(position, &s->out);
	bool first = true;

	for (size_t i = 0; result == 0 && i < f->items.count; i++) {
		if (s->manner.uidonly && f->items.at[i].kind == FETCH_UID)
			continue; /* RFC 9586, 3.3: it stands in front */
		if (!first)
			text_add_byte(&s->out, ' ');
		first = false;
		result = fetch_item(f, &facts, &f->items.at[i], position, &s->why);
	}
	imap_say(s, ")");
	content_end(&facts.content);
	return result;
}

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
	if (folder_store(s->folder, uids, n, &seen, false, &s->why) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct message *m = folder_find(s->folder, uids[i]);

		if (m) { /* told by this FETCH */
			size_t               at = view_position(&s->view, uids[i]);
			struct view_message *v = &s->view.at[at];

			view_touch(&s->view, at);
			v->flags |= m->flags & MESSAGE_SEEN;
			v->modseq = m->modseq;
		}
	}
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

void
imap_page(int64_t from, int64_t to, size_t **positions, size_t *count)
{
	int64_t n = (int64_t)*count, a = from > 0 ? from : n + 1 + from, b = to > 0 ? to : n + 1 + to;
	int64_t low = a < b ? a : b, high = a < b ? b : a;

	if (low < 1)
		low = 1;
	if (high > n)
		high = n;
	*positions += low <= high ? low - 1 : 0;
	*count = low <= high ? (size_t)(high - low + 1) : 0;
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
	bool seen = false;

	if (f->items.sets_seen && !s->folder->read_only && acl_may(s, ACL_WRITE_SEEN) && set_seen(s, positions, count, &seen) < 0)
		return -1;
	if (seen)
		add_item(&f->items, FETCH_FLAGS, "FLAGS");
	if (s->manner.condstore && seen) /* RFC 7162, 3.2.4 */
		add_item(&f->items, FETCH_UID, "UID");
	if (s->manner.condstore && (f->items.has_flags || seen)) /* RFC 7162, 3.1 */
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
