/* SPDX-License-Identifier: ISC */
/*
 * cleanup_checks.c - header_checks, mime_header_checks, nested_header_checks, body_checks
 *
 * Each whole header field, and each line of a body, is a key; the value says
 * what to do (header_checks(5)).  What a rule replaces is an item of our own.
 */
#include <stdlib.h>

#include "base/log.h"
#include "cleanup.h"
#include "cleanup_tables.h"
#include "config/site.h"
#include "ipc/log_address.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/line.h"
#include "mail/mime.h"
#include "service/service.h"

enum { CHECKED_MAX = 64 << 20, LINE_MAX_CHECKED = 100 << 10 };

struct cleanup_tables cleanup_tables;

static int
open_tables(const struct list *specs, struct table_list **out, struct fault *why)
{
	*out = table_list_open(specs, why);
	if (!*out)
		return -1;
	for (size_t i = 0; i < table_list_count(*out); i++)
		service_watch_table(table_list_at(*out, i));
	return 0;
}

int
cleanup_checks_open(struct fault *why)
{
	struct cleanup_tables *t = &cleanup_tables;

	t->mydestination = match_list_make(&site.mydestination, 0, &match_tables, why);
	if (!t->mydestination)
		return fault_prefix(why, "mydestination");
	if (open_tables(&cleanup_config.sender_bcc_maps, &t->sender_bcc, why) < 0)
		return fault_prefix(why, "sender_bcc_maps");
	if (open_tables(&cleanup_config.recipient_bcc_maps, &t->recipient_bcc, why) < 0)
		return fault_prefix(why, "recipient_bcc_maps");
	if (open_tables(&cleanup_config.header_checks, &t->header, why) < 0)
		return fault_prefix(why, "header_checks");
	if (open_tables(&cleanup_config.mime_header_checks, &t->mime_header, why) < 0)
		return fault_prefix(why, "mime_header_checks");
	if (open_tables(&cleanup_config.nested_header_checks, &t->nested_header, why) < 0)
		return fault_prefix(why, "nested_header_checks");
	if (open_tables(&cleanup_config.milter_header_checks, &t->milter_header, why) < 0)
		return fault_prefix(why, "milter_header_checks");
	if (open_tables(&cleanup_config.body_checks, &t->body, why) < 0)
		return fault_prefix(why, "body_checks");
	return 0;
}

bool
cleanup_is_local(struct span address)
{
	struct span local, domain;

	address_split(address, &local, &domain);
	return !domain.len || span_equal_nocase(domain, span_of(site.myorigin)) ||
	       match_domain(cleanup_tables.mydestination, domain, NULL) == 1;
}

/* ---- one line ---- */

enum verdict { PASS, REPLACE_IT, IGNORE_IT, PREPEND_IT, STOP };   /* STOP: refused, or a fault */

struct check {
	struct message *m;
	const char     *where;          /* "header", "mime", "nested", "body" as in the log */
	struct fault   *why;
};

static void
log_action(const struct check *c, const char *action, struct span line, struct span text)
{
	const struct message *m = c->m;
	autotext struct text  out = {0}, flat = {0};
	const char           *where = strcmp(c->where, "body") == 0 ? "body" : "header";

	header_unfold(span_first(line, 200), &flat);
	text_add_format(&out, "%s: %s%s: %s %.*s from ", m->id.text,
	                strcmp(c->where, "milter") == 0 ? "milter-header-" : "", action, where,
	                SPAN_ARGS(text_span(&flat)));
	if (m->origin.client_name.len)
		text_add_format(&out, "%.*s[%.*s];", SPAN_ARGS(m->origin.client_name),
		                SPAN_ARGS(m->origin.client_address));
	else
		text_add_string(&out,
		                strcmp(m->origin.origin, "pickup") == 0 ? "local;" : "unknown;");
	log_add_address(&out, " from=", m->envelope.sender);
	if (m->n_rcpts)
		log_add_address(&out, " to=", m->rcpts[0].original);
	if (m->origin.protocol.len)
		text_add_format(&out, " proto=%.*s", SPAN_ARGS(m->origin.protocol));
	if (m->origin.helo.len)
		text_add_format(&out, " helo=<%.*s>", SPAN_ARGS(m->origin.helo));
	if (text.len)
		text_add_format(&out, ": %.*s", SPAN_ARGS(text));
	log_info("%s", text_string(&out));
}

/* "5.7.1 text" or "text". */
static enum verdict
reject(const struct check *c, struct span line, struct span text)
{
	autotext struct text shown = {0};
	char        status[16] = "5.7.1";
	struct span rest = text, word;

	span_next(&rest, " \t", &word);
	if (word.len < sizeof status && word.len > 4 && (word.at[0] == '5' || word.at[0] == '4') &&
	    word.at[1] == '.' && ascii_digit(word.at[2])) {
		memcpy(status, word.at, word.len);
		status[word.len] = '\0';
		text = span_trim(rest);
	}
	if (text.len == 0)
		text = SPAN("message content rejected");
	else
		text_add_format(&shown, "%s ", status);
	text_add(&shown, text);
	log_action(c, "reject", line, text_span(&shown));
	message_refuse(c->m, status, c->why, "%.*s", SPAN_ARGS(text));
	return STOP;
}

static bool
needs_address(struct message *m, struct span text, struct span *address)
{
	if (address_parse(m->arena, text, ADDRESS_UTF8, address, NULL) == 0 && address->len)
		return true;
	log_warning("%s: malformed address in a header or body check: %.*s", m->id.text,
	            SPAN_ARGS(text));
	return false;
}

static enum verdict
act(const struct check *c, struct span line, struct span value, struct span *text)
{
	struct message *m = c->m;
	struct span     action, address;

	*text = value;
	if (!span_next(text, " \t", &action))
		return PASS;
	*text = span_trim(*text);
	if (span_is_nocase(action, "REJECT"))
		return reject(c, line, *text);
	if (span_is_nocase(action, "WARN"))
		log_action(c, "warning", line, *text);
	else if (span_is_nocase(action, "INFO"))
		log_action(c, "info", line, *text);
	else if (span_is_nocase(action, "HOLD")) {
		log_action(c, "hold", line, *text);
		m->hold = true;
	} else if (span_is_nocase(action, "DISCARD")) {
		log_action(c, "discard", line, *text);
		m->discard = true;
	} else if (span_is_nocase(action, "FILTER")) {
		log_action(c, "filter", line, *text);
		m->filter = arena_span(m->arena, *text);
	} else if (span_is_nocase(action, "REDIRECT")) {
		if (needs_address(m, *text, &address)) {
			log_action(c, "redirect", line, *text);
			m->redirect = address;
		}
	} else if (span_is_nocase(action, "BCC")) {
		if (needs_address(m, *text, &address)) {
			log_action(c, "bcc", line, *text);
			message_add_rcpt(m, &(struct queue_rcpt){.address = address,
			                                         .original = address,
			                                         .notify = NOTIFY_NEVER});
		}
	} else if (span_is_nocase(action, "IGNORE")) {
		return IGNORE_IT;
	} else if (span_is_nocase(action, "STRIP")) {
		log_action(c, "strip", line, *text);
		return IGNORE_IT;
	} else if (span_is_nocase(action, "REPLACE") || span_is_nocase(action, "PREPEND")) {
		if (text->len == 0) {
			log_warning("%s: %.*s without text in a header or body check", m->id.text,
			            SPAN_ARGS(action));
			return PASS;
		}
		log_action(c, span_is_nocase(action, "REPLACE") ? "replace" : "prepend", line,
		           *text);
		return span_is_nocase(action, "REPLACE") ? REPLACE_IT : PREPEND_IT;
	} else if (!span_is_nocase(action, "DUNNO") && !span_is_nocase(action, "OK") &&
	           !span_is_nocase(action, "PASS"))
		log_warning("%s: unknown action in a header or body check: %.*s", m->id.text,
		            SPAN_ARGS(action));
	return PASS;
}

/* The line's verdict; *bytes is the line of REPLACE and PREPEND, with its end. */
static enum verdict
check_line(const struct check *c, const struct table_list *tables, struct span line,
           struct span *bytes)
{
	autotext struct text value = {0}, key = {0};
	struct span          text;
	enum verdict         v;
	int                  got;

	for (size_t i = 0; i < line.len && i < LINE_MAX_CHECKED; i++) /* folds are seen as one LF */
		if (line.at[i] != '\r' || i + 1 == line.len || line.at[i + 1] != '\n')
			text_add_byte(&key, line.at[i]);
	got = table_list_find(tables, text_span(&key), &value, NULL, c->why);
	if (got < 0) {
		message_refuse(c->m, "4.3.5", c->why, NULL);
		return STOP;
	}
	if (got == 1)
		return PASS;
	v = act(c, line, span_trim(text_span(&value)), &text);
	if (v == REPLACE_IT || v == PREPEND_IT)
		*bytes = span_of(arena_format(c->m->arena, "%.*s\r\n", SPAN_ARGS(text)));
	return v;
}

/* ---- the message's own header ---- */

static struct span
item_line(const struct message *m, const struct item *h)
{
	struct span all = h->ours ? h->bytes
	                          : span_cut(text_span(&m->head), (size_t)h->start, (size_t)h->end);

	return span_ends(all, "\r\n") ? span_first(all, all.len - 2) : all;
}

/* The name of a line of our own making: up to the colon. */
static struct item
own_item(struct span bytes)
{
	ptrdiff_t   colon = span_find(bytes, ':');
	struct span name = span_trim(span_first(bytes, colon < 0 ? 0 : (size_t)colon));

	return (struct item){.ours = true, .bytes = bytes, .name = name,
	                     .value = span_trim(span_from(bytes, (size_t)(colon + 1)))};
}

static int
check_header(struct message *m, struct fault *why)
{
	for (size_t i = 0; i < m->header.count && !m->discard; i++) {
		bool                     mime = !cleanup_config.disable_mime_input_processing &&
		                                header_flags(m->header.at[i].name) & HEADER_MIME;
		const struct table_list *tables =
		        mime ? cleanup_tables.mime_header : cleanup_tables.header;
		const struct check       c = {m, mime ? "mime" : "header", why};
		struct span              bytes;
		struct item              item;

		if (!table_list_count(tables))
			continue;
		switch (check_line(&c, tables, item_line(m, &m->header.at[i]), &bytes)) {
		case STOP:       return -1;
		case PASS:       break;
		case IGNORE_IT:  m->header.at[i].dropped = true; break;
		case REPLACE_IT: m->header.at[i] = own_item(bytes); break;
		case PREPEND_IT:
			item = own_item(bytes);
			items_insert(&m->header, i++, &item);
			break;
		}
	}
	return 0;
}

int
message_check_edit(struct message *m, struct item *item, struct fault *why)
{
	const struct check c = {m, "milter", why};
	struct span        line = item->bytes, bytes;
	const char        *redirect = m->redirect.at;
	size_t             rcpts = m->n_rcpts;
	enum verdict       v;

	if (m->origin.no_header_body_checks || !table_list_count(cleanup_tables.milter_header))
		return 0;
	if (span_ends(line, "\r\n"))
		line = span_first(line, line.len - 2);
	v = check_line(&c, cleanup_tables.milter_header, line, &bytes);
	/* the recipients are resolved by now */
	if (v != STOP && m->n_rcpts > rcpts && message_resolve_copy(m, why) < 0)
		return -1;
	m->redirect_late |= m->redirect.at != redirect;
	switch (v) {
	case STOP:       return -1;
	case PASS:       break;
	case IGNORE_IT:  item->bytes = SPAN_NONE; break;     /* it still counts: the milter knows of it */
	case REPLACE_IT: *item = own_item(bytes); break;
	case PREPEND_IT: log_warning("%s: PREPEND in milter_header_checks is not implemented", m->id.text); break;
	}
	return 0;
}

/* ---- parts and bodies ---- */

struct body_walk {
	struct message *m;
	struct fault   *why;
	struct span     whole;          /* the content, in memory */
	struct items    out;            /* the body anew */
	size_t          kept;           /* up to here it is in out */
};

static void
keep_until(struct body_walk *w, size_t at)
{
	if (at > w->kept)
		items_add(&w->out, &(struct item){.start = (int64_t)w->kept, .end = (int64_t)at});
	w->kept = at;
}

static int
walk_line(struct body_walk *w, const struct table_list *tables, const char *where, size_t start,
          size_t end)
{
	const struct check c = {w->m, where, w->why};
	struct span        line = span_cut(w->whole, start, end), bytes;
	enum verdict       v;

	if (span_ends(line, "\r\n"))
		line = span_first(line, line.len - 2);
	v = check_line(&c, tables, line, &bytes);
	if (v == STOP)
		return -1;
	if (v == PASS)
		return 0;
	keep_until(w, start);
	if (v == REPLACE_IT || v == PREPEND_IT)
		items_add(&w->out, &(struct item){.ours = true, .bytes = bytes});
	if (v != PREPEND_IT)
		w->kept = end;
	return 0;
}

static int
walk_part_header(struct body_walk *w, const struct mime_part *p)
{
	struct span         header = span_cut(w->whole, p->start, p->body);
	struct header_field f;
	size_t              at = 0;

	while (header_next(header, &at, &f)) {
		bool                     mime = header_flags(f.name) & HEADER_MIME;
		const struct table_list *tables = p->parent->is_message && !mime
		                                          ? cleanup_tables.nested_header
		                                          : cleanup_tables.mime_header;

		if (f.name.len && table_list_count(tables) &&
		    walk_line(w, tables, mime ? "mime" : "nested", p->start + f.start,
		              p->start + f.end) < 0)
			return -1;
	}
	return 0;
}

static int
walk_part_body(struct body_walk *w, const struct mime_part *p)
{
	size_t      limit = (size_t)cleanup_config.body_checks_size_limit, at = p->body;
	struct span rest = span_cut(w->whole, p->body, p->end), line;

	if (p->is_multipart || p->is_message || !table_list_count(cleanup_tables.body))
		return 0;
	rest = span_first(rest, limit ? limit : rest.len);
	while (!w->m->discard && line_next(&rest, &line)) {
		size_t end = rest.len ? (size_t)(rest.at - w->whole.at) : at + line.len;

		if (!rest.len) { /* the last line: its end may lie behind the limit */
			while (end < p->end &&
			       (w->whole.at[end] == '\r' || w->whole.at[end] == '\n') &&
			       end < at + line.len + 2)
				end++;
		}
		if (walk_line(w, cleanup_tables.body, "body", at, end) < 0)
			return -1;
		at = end;
	}
	return 0;
}

static int
check_parts(struct message *m, struct fault *why)
{
	struct piece           whole = {QUEUE_CONTENT_AT,
                              m->envelope.length < CHECKED_MAX ? m->envelope.length : CHECKED_MAX};
	struct message_content c = {
	        .fd = queue_draft_fd(m->draft), .pieces = &whole, .n_pieces = 1};
	autotext struct text    bytes = {0};
	autoarena struct arena *arena = arena_new();
	struct body_walk        w = {.m = m, .why = why, .kept = (size_t)m->body_start};
	int64_t                 position = 0;
	int                     done = 0;

	if (message_read(&c, &position, (size_t)whole.len, &bytes, why) < 0)
		return -1;
	if ((int64_t)bytes.len < whole.len)
		return fault_set(why, FAULT_SYSTEM, "short read of a message");
	w.whole = text_span(&bytes);
	if (cleanup_config.disable_mime_input_processing) {
		const struct mime_part plain = {.body = (size_t)m->body_start, .end = w.whole.len};

		done = walk_part_body(&w, &plain);
	}
	for (const struct mime_part *p = cleanup_config.disable_mime_input_processing ? NULL : mime_parse(arena, w.whole)->root;
	     p && done == 0 && !m->discard; p = mime_next(p)) {
		if (p->parent)
			done = walk_part_header(&w, p);
		if (done == 0)
			done = walk_part_body(&w, p);
	}
	if (done == 0 && w.out.count) {
		keep_until(&w, (size_t)m->envelope.length);
		free(m->body.at);
		m->body = w.out;
		return 0;
	}
	free(w.out.at);
	return done;
}

int
message_check(struct message *m, struct fault *why)
{
	const struct cleanup_tables *t = &cleanup_tables;

	if (check_header(m, why) < 0)
		return -1;
	if (m->discard || (!table_list_count(t->mime_header) &&
	                   !table_list_count(t->nested_header) && !table_list_count(t->body)))
		return 0;
	return check_parts(m, why);
}
