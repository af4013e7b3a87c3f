/* SPDX-License-Identifier: ISC */
/*
 * cleanup_pieces.c - from items to pieces, and what milters want changed
 *
 * Items of our own are written once, behind the content; consecutive bytes
 * become one piece.
 */
#include <stdlib.h>

#include "cleanup.h"
#include "ipc/ask_rewrite.h"
#include "mail/header.h"

enum { HEADER_EDIT_MAX = 100000 };

struct builder {
	struct message         *m;
	struct message_content *c;
	size_t                  room;
};

static void
add_piece(struct builder *b, struct piece p)
{
	struct message_content *c = b->c;
	struct piece           *last = c->n_pieces ? &c->pieces[c->n_pieces - 1] : NULL;

	if (p.len == 0)
		return;
	c->size += p.len;
	if (last && last->at + last->len == p.at) {
		last->len += p.len;
		return;
	}
	if (c->n_pieces == b->room) {
		b->room = b->room ? b->room * 2 : 16;
		c->pieces = mem_grow(c->pieces, b->room, sizeof *c->pieces);
	}
	c->pieces[c->n_pieces++] = p;
}

static int
add_item(struct builder *b, struct item *item, struct fault *why)
{
	if (item->dropped)
		return 0;
	if (!item->ours) {
		add_piece(b,
		          (struct piece){QUEUE_CONTENT_AT + item->start, item->end - item->start});
		return 0;
	}
	if (item->piece.len == 0 && item->bytes.len &&
	    queue_draft_insert(b->m->draft, item->bytes, &item->piece, why) < 0)
		return -1;
	add_piece(b, item->piece);
	return 0;
}

/* Too many pieces to name in a frame: the header is written anew, whole. */
static int
gather_header(struct message *m, struct fault *why)
{
	autotext struct text all = {0};
	struct item          item = {.ours = true};

	for (size_t i = 0; i < m->header.count; i++) {
		const struct item *h = &m->header.at[i];

		if (!h->dropped)
			text_add(&all, h->ours ? h->bytes
			                       : span_cut(text_span(&m->head), (size_t)h->start,
			                                  (size_t)h->end));
	}
	item.bytes = arena_span(m->arena, text_span(&all));
	for (size_t i = 0, at = 0; i < m->header.count; i++) {
		struct item *h = &m->header.at[i];
		size_t       len = h->ours ? h->bytes.len : (size_t)(h->end - h->start);

		if (h->dropped)
			continue;
		*h = (struct item){.name = h->name, .value = h->value, .ours = true,
		                   .bytes = span_cut(item.bytes, at, at + len)};
		at += len;
	}
	if (queue_draft_insert(m->draft, item.bytes, &item.piece, why) < 0)
		return -1;
	for (size_t i = 0, at = 0; i < m->header.count; i++) {
		struct item *h = &m->header.at[i];

		if (h->dropped)
			continue;
		h->piece = (struct piece){item.piece.at + (int64_t)at, (int64_t)h->bytes.len};
		at += h->bytes.len;
	}
	return 0;
}

static int
build(struct message *m, struct message_content *c, struct fault *why)
{
	struct builder b = {m, c, 0};
	struct item    empty = {.ours = true, .bytes = SPAN("\r\n")};

	*c = (struct message_content){.fd = -1};
	for (size_t i = 0; i < m->header.count; i++)
		if (add_item(&b, &m->header.at[i], why) < 0)
			return -1;
	/* the empty line: the received one lies right before the body */
	if (!m->no_empty_line)
		add_piece(&b, (struct piece){QUEUE_CONTENT_AT + m->body_start - 2, 2});
	else if (m->body.count && add_item(&b, &empty, why) < 0)
		return -1;
	for (size_t i = 0; i < m->body.count; i++)
		if (add_item(&b, &m->body.at[i], why) < 0)
			return -1;
	if (!c->pieces)
		c->pieces = mem_array(1, sizeof *c->pieces);
	return 0;
}

static int
build_small(struct message *m, struct message_content *c, struct fault *why)
{
	enum { PIECES_NAMED = 1000 };

	if (build(m, c, why) < 0)
		return -1;
	if (c->n_pieces <= PIECES_NAMED)
		return 0;
	message_content_free(c);
	if (gather_header(m, why) < 0 || build(m, c, why) < 0)
		return -1;
	return c->n_pieces <= PIECES_NAMED
	               ? 0
	               : message_refuse(m, "5.3.4", why, "too many changes to one message");
}

int
message_pieces(struct message *m, struct message_content *c, struct fault *why)
{
	if (build_small(m, c, why) == 0)
		return 0;
	message_content_free(c);
	return -1;
}

/* ---- edits ---- */

static int
header_bytes(struct message *m, const struct submit_edit *e, struct item *item, struct fault *why)
{
	autotext struct text bytes = {0};

	if (header_add_raw(&bytes, arena_string(m->arena, e->name), e->value, why) < 0)
		return -1;
	*item = (struct item){.ours = true, .name = arena_span(m->arena, e->name),
	                      .bytes = arena_span(m->arena, text_span(&bytes))};
	item->value = span_trim(span_from(item->bytes, e->name.len + 1));
	return message_check_edit(m, item, why);
}

static int
edit_add(struct message *m, const struct submit_edit *e, struct fault *why)
{
	struct item item;
	size_t      at = m->header.count;

	if (header_bytes(m, e, &item, why) < 0)
		return -1;
	if (e->number >= 0) {
		int64_t left = e->number;

		for (at = 0; at < m->header.count && (left > 0 || m->header.at[at].dropped); at++)
			left -= !m->header.at[at].dropped;
	}
	items_insert(&m->header, at, &item);
	return 0;
}

static int
edit_change(struct message *m, const struct submit_edit *e, struct fault *why)
{
	int64_t left = e->number;

	for (size_t i = 0; i < m->header.count; i++) {
		struct item *h = &m->header.at[i];

		if (h->dropped || !span_equal_nocase(h->name, e->name) || --left > 0)
			continue;
		if (e->value.len == 0) {
			h->dropped = true;
			return 0;
		}
		return header_bytes(m, e, h, why);
	}
	return e->value.len ? edit_add(m,
	                               &(struct submit_edit){
	                                       .number = -1, .name = e->name, .value = e->value},
	                               why)
	                    : 0;
}

static int
edit_body(struct message *m, const struct submit_edit *e, struct fault *why)
{
	struct piece p;

	if (e->number != queue_draft_end(m->draft))
		return fault_set(why, FAULT_INPUT, "new body lies elsewhere");
	if (queue_draft_extend(m->draft, e->length, &p, why) < 0)
		return -1;
	m->body.count = 0;
	items_add(&m->body, &(struct item){.start = p.at - QUEUE_CONTENT_AT,
	                                   .end = p.at - QUEUE_CONTENT_AT + p.len});
	return 0;
}

static int
edit_rcpt(struct message *m, const struct submit_edit *e, struct fault *why)
{
	struct queue_rcpt r = {.address = e->name, .original = arena_span(m->arena, e->name),
	                       .orcpt = arena_span(m->arena, e->value), .notify = e->op == 'N' ? (int)e->number : 0};

	if (r.orcpt.len > QUEUE_ADDRESS_MAX || r.original.len > QUEUE_ADDRESS_MAX)
		return message_refuse(m, "5.1.3", why, "address too long");
	if (ask_rewrite("local", &e->name, 1, m->arena, &r.address, why) < 0)
		return message_refuse(m, "4.3.0", why, NULL);
	return message_add_resolved(m, &r, true, why);
}

static void
edit_rcpt_delete(struct message *m, struct span address)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n_rcpts; i++)
		if (!span_equal_nocase(m->rcpts[i].address, address) &&
		    !span_equal_nocase(m->rcpts[i].original, address))
			m->rcpts[kept++] = m->rcpts[i];
		else
			message_forget_rcpt(m, &m->rcpts[i]);
	m->n_rcpts = kept;
}

static int
apply(struct message *m, const struct submit_edit *e, struct fault *why)
{
	switch (e->op) {
	case 'A': return edit_add(m, e, why);
	case 'C': return edit_change(m, e, why);
	case 'B': return edit_body(m, e, why);
	case 'R':
	case 'N': return edit_rcpt(m, e, why);
	case 'D': edit_rcpt_delete(m, e->name); return 0;
	case 'H': m->hold = true; return 0;
	case 'E':
		m->envelope.ret = arena_span(m->arena, e->name);
		m->envelope.envid = arena_span(m->arena, e->value);
		return 0;
	case 'S':
		if (e->name.len > QUEUE_ADDRESS_MAX)
			return message_refuse(m, "5.1.7", why, "sender address too long");
		m->envelope.sender = arena_span(m->arena, e->name);
		return 0;
	default:
		return fault_set(why, FAULT_INPUT, "unknown edit");
	}
}

int
message_apply_edits(struct message *m, struct fault *why)
{
	struct span        rest = text_span(&m->edits);
	struct submit_edit e;
	int                got;

	/* the body first: it was written at the end as it was told */
	while ((got = submit_edit_next(&rest, &e, why)) > 0)
		if (e.op == 'B' && edit_body(m, &e, why) < 0)
			return -1;
	rest = text_span(&m->edits);
	while (got == 0 && (got = submit_edit_next(&rest, &e, why)) > 0) {
		if (e.op != 'B' && apply(m, &e, why) < 0)
			return -1;
		got = 0;
	}
	if (got < 0)
		return -1;
	return m->redirect_late ? message_redirect(m, why) : 0;
}
