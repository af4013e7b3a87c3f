/* SPDX-License-Identifier: ISC */
/*
 * fetch_message.c - one message's FETCH response (RFC 3501, 7.4.2)
 */
#include <errno.h>

#include "fetch_private.h"
#include "mail/date.h"
#include "preview.h"
#include "store/history.h"

/* Opening a file may bring the folder up to date, and then no message is where it was. */
static const struct message *
find_message(struct fetching *f, struct facts *facts)
{
	return facts->message = folder_find(f->session->folder, facts->uid);
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
	const struct message *v = &s->view.at[position];
	struct text               *out = &s->out;
	int64_t                    date;
	uint64_t                   size;

	switch (item->kind) {
	case FETCH_UID:
		text_add(out, SPAN("UID "));
		imap_add_number(v->uid, out);
		return 0;
	case FETCH_FLAGS:
		text_add(out, SPAN("FLAGS "));
		view_add_flags(&s->folder->keywords, v->flags, v->recent, v->keywords, out);
		return 0;
	case FETCH_INTERNALDATE:
		if (content_date(&facts->content, &date, why) < 0)
			return -1;
		text_add(out, SPAN("INTERNALDATE \""));
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
		return fetch_described(f, facts, item->kind, out, why);
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

static void
add_opening(size_t position, struct text *out)
{
	text_add(out, SPAN("* "));
	imap_add_number(position + 1, out);
	text_add(out, SPAN(" FETCH ("));
}

int
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
	if (!fetch_is_at_hand(f, &facts, &why)) {
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
	imap_end_line(s, SPAN(")"));
	content_end(&facts.content);
	if (result == 0 && f->made_seen)
		view_told(&s->view, position);
	return result;
}
