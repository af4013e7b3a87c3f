/* SPDX-License-Identifier: ISC */
/*
 * do_fetch.c - FETCH and UID FETCH (RFC 3501, 6.4.5)
 */
#include <errno.h>

#include "base/clock.h"
#include "content.h"
#include "fetch_items.h"
#include "imap_config.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/line.h"
#include "session.h"
#include "store/index.h"

struct fetching {
	struct imap_session *session;
	struct fetch_items   items;
	struct arena        *arena;          /* of one message */
	struct index_batch  *batch;          /* NULL: no cache */
	bool                 missing;        /* a message was gone */
};

/* What is known of a message without its file, from its name or the cache. */
struct facts {
	const struct message *message;
	struct content        content;
	struct index_record   record;
	bool                  looked, learnt;
};

static void
look_up(struct fetching *f, struct facts *facts)
{
	if (facts->looked)
		return;
	facts->looked = true;
	if (f->batch)
		index_get(f->batch, facts->message->uid, message_base(facts->message), &facts->record);
}

static int
find_date(struct fetching *f, struct facts *facts, int64_t *date, struct fault *why)
{
	look_up(f, facts);
	if (!facts->record.has_date) {
		if (content_open(&facts->content, why) < 0)
			return -1;
		facts->record.date = facts->content.st.st_mtime;
		facts->record.has_date = facts->learnt = true;
	}
	*date = facts->record.date;
	return 0;
}

static int
find_size(struct fetching *f, struct facts *facts, uint64_t *size, struct fault *why)
{
	struct file_name name;
	struct span      all;

	file_name_parse(span_of(facts->message->name), &name);
	if (name.has_full_size) {
		*size = name.full_size;
		return 0;
	}
	look_up(f, facts);
	if (!facts->record.has_full_size) {
		if (content_all(&facts->content, &all, why) < 0)
			return -1;
		facts->record.full_size = line_crlf_size(all);
		facts->record.has_full_size = facts->learnt = true;
	}
	*size = facts->record.full_size;
	return 0;
}

static struct span *
described_in(struct index_record *r, enum fetch_item_kind kind)
{
	return kind == FETCH_ENVELOPE ? &r->envelope : kind == FETCH_BODY ? &r->body : &r->structure;
}

/* ENVELOPE, BODY or BODYSTRUCTURE, kept as they are told. */
static int
find_described(struct fetching *f, struct facts *facts, enum fetch_item_kind kind, struct text *out,
	struct fault *why)
{
	struct span *kept = described_in(&facts->record, kind);
	autotext struct text made = {0};
	struct mime         *mime;
	struct span          header;

	look_up(f, facts);
	if (kept->len == 0) {
		if (kind == FETCH_ENVELOPE) {
			if (content_header(&facts->content, &header, why) < 0)
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
		*kept = arena_span(f->arena, text_span(&made));
		facts->learnt = true;
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
	if ((needs_header_only(&item->section) ? content_header_mime : content_mime)(c, &mime, why) < 0)
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
		text_add_format(out, "UID %u", v->uid);
		return 0;
	case FETCH_FLAGS:
		text_add_string(out, "FLAGS ");
		view_add_flags(&s->folder->keywords, v->flags, v->recent, v->keywords, out);
		return 0;
	case FETCH_INTERNALDATE:
		if (find_date(f, facts, &date, why) < 0)
			return -1;
		text_add_string(out, "INTERNALDATE \"");
		date_add_imap(date_local(date), out);
		text_add_byte(out, '"');
		return 0;
	case FETCH_SIZE:
		if (find_size(f, facts, &size, why) < 0)
			return -1;
		text_add_format(out, "RFC822.SIZE %llu", (unsigned long long)size);
		return 0;
	case FETCH_ENVELOPE:
	case FETCH_BODY:
	case FETCH_BODYSTRUCTURE:
		text_add(out, item->label);
		text_add_byte(out, ' ');
		return find_described(f, facts, item->kind, out, why);
	case FETCH_SECTION:
		return fetch_section(f, facts, item, why);
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
		struct span all;

		switch (f->items.at[i].kind) {
		case FETCH_UID:
		case FETCH_FLAGS:
			continue;
		case FETCH_INTERNALDATE:
			if (find_date(f, facts, &date, why) < 0)
				return false;
			continue;
		case FETCH_SIZE:
			if (find_size(f, facts, &size, why) < 0)
				return false;
			continue;
		case FETCH_SECTION:
			if ((needs_header_only(&f->items.at[i].section) ? content_header(&facts->content, &all,
				why) : content_all(&facts->content, &all, why)) < 0)
				return false;
			continue;
		default:
			look_up(f, facts);
			if (described_in(&facts->record, f->items.at[i].kind)->len == 0
				&& content_open(&facts->content, why) < 0)
				return false;
		}
	}
	return true;
}

static int
fetch_message(struct fetching *f, size_t position)
{
	struct imap_session *s = f->session;
	struct facts         facts = {.message = folder_find(s->folder, s->view.at[position].uid)};
	struct fault         why = {0};
	int                  result = 0;

	if (!facts.message) {
		f->missing = true;
		return 0;
	}
	content_start(&facts.content, s, facts.message->uid, f->arena);
	if (!is_at_hand(f, &facts, &why)) {
		content_end(&facts.content);
		f->missing = true;
		if (why.error != ENOENT)
			s->why = why;
		return why.error == ENOENT ? 0 : -1;
	}
	facts.message = folder_find(s->folder, s->view.at[position].uid); /* a sync may have moved it */
	text_add_format(&s->out, "* %zu FETCH (", position + 1);
	for (size_t i = 0; result == 0 && i < f->items.count; i++) {
		if (i)
			text_add_byte(&s->out, ' ');
		result = fetch_item(f, &facts, &f->items.at[i], position, &s->why);
	}
	imap_say(s, ")");
	if (f->batch && facts.learnt && facts.message)
		index_put(f->batch, facts.message->uid, message_base(facts.message), &facts.record);
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

		if (m) /* told by this FETCH */
			s->view.at[view_position(&s->view, uids[i])].flags |= m->flags & MESSAGE_SEEN;
	}
	return 0;
}

static int
parse_fetch(struct imap_session *s, struct fetching *f, size_t **positions, size_t *count)
{
	const struct argument *set = s->command.arguments;
	struct sequence        sequence;

	if (set->type != ARGUMENT_ATOM || !sequence_parse(s->arena, set->text, &sequence)
		|| view_choose(&s->view, &sequence, s->command.uid, positions, count, s->arena) < 0) {
		imap_finish(s, "BAD Invalid messageset.");
		return -1;
	}
	if (fetch_items_parse(s->arena, set->next, &f->items, &s->why) < 0) {
		imap_finish(s, "BAD %s.", fault_text(&s->why));
		return -1;
	}
	if (s->command.uid && !f->items.has_uid) { /* RFC 3501, 6.4.8 */
		memmove(f->items.at + 1, f->items.at, f->items.count * sizeof *f->items.at);
		f->items.at[0] = (struct fetch_item){.kind = FETCH_UID, .label = SPAN("UID")};
		f->items.count++;
	}
	return 0;
}

static void
add_flags_item(struct fetch_items *items)
{
	if (!items->has_flags)
		items->at[items->count++] = (struct fetch_item){.kind = FETCH_FLAGS,
			.label = SPAN("FLAGS")};
	items->has_flags = true;
}

void
do_fetch(struct imap_session *s)
{
	struct fetching f = {.session = s};
	size_t         *positions, count;
	bool            seen = false;
	int             result = 0;

	if (parse_fetch(s, &f, &positions, &count) < 0)
		return;
	if (f.items.sets_seen && !s->folder->read_only && set_seen(s, positions, count, &seen) < 0) {
		imap_finish_fault(s, "Fetch failed");
		return;
	}
	if (seen)
		add_flags_item(&f.items);
	f.arena = arena_new();
	f.batch = index_begin(s->index, s->folder);
	for (size_t i = 0; result == 0 && i < count && !s->over; i++) {
		conn_deadline(s->conn, clock_after(imap_config.timeout));
		result = fetch_message(&f, positions[i]);
	}
	index_end(f.batch);
	arena_free(f.arena);
	if (result < 0)
		imap_finish_fault(s, "Fetch failed");
	else if (f.missing && !s->command.uid)
		imap_finish_synced(s, "NO [EXPUNGEISSUED] Some of the requested messages no longer exist.");
	else
		imap_finish_synced(s, "OK Fetch completed.");
}
