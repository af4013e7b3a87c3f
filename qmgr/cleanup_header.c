/* SPDX-License-Identifier: ISC */
/*
 * cleanup_header.c - the header: read, stripped, rewritten, completed
 *
 * The content stays as received.  A field that changes becomes an item of our
 * own in place of the received one; the message is then pieces of both.
 */

#include "base/clock.h"
#include "base/log.h"
#include "cleanup.h"
#include "config/site.h"
#include "ipc/ask_rewrite.h"
#include "mail/address.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/message_id.h"

enum { HEADER_BYTES_MAX = 2 << 20, HEADER_FIELDS_MAX = 100000, REWRITE_BATCH = 100 };

void
items_insert(struct items *l, size_t at, const struct item *item)
{
	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 32;
		l->at = mem_grow(l->at, l->room, sizeof *l->at);
	}
	memmove(l->at + at + 1, l->at + at, (l->count - at) * sizeof *l->at);
	l->at[at] = *item;
	l->count++;
}

void
items_add(struct items *l, const struct item *item)
{
	items_insert(l, l->count, item);
}

/* ---- reading ---- */

/* header_size_limit: of a field that is longer the rest is thrown away. */
static void
cut_long(struct message *m, struct item *item)
{
	struct span field = span_cut(text_span(&m->head), (size_t)item->start, (size_t)item->end);

	if (field.len <= (size_t)site.header_size_limit)
		return;
	field = span_trim(span_first(field, (size_t)site.header_size_limit));
	item->ours = true;
	item->bytes = span_of(arena_format(m->arena, "%.*s\r\n", SPAN_ARGS(field)));
	item->value = span_trim(span_from(item->bytes, item->name.len + 1));
}

static int
split_header(struct message *m, struct fault *why)
{
	struct span         head = text_span(&m->head);
	struct header_field field;
	size_t              at = 0, end = 0;

	while (header_next(head, &at, &field) && field.name.len) {
		struct item item = {.name = field.name,
		                    .value = field.value,
		                    .start = (int64_t)field.start,
		                    .end = (int64_t)field.end};

		if (m->header.count == HEADER_FIELDS_MAX)
			return message_refuse(m, "5.3.4", why,
			                      "message header has too many fields");
		cut_long(m, &item);
		items_add(&m->header, &item);
		end = field.end;
	}
	if (m->header.count &&
	    !span_ends(span_first(head, end), "\n")) { /* cut short within its last field */
		struct item *last = &m->header.at[m->header.count - 1];

		last->ours = true;
		last->bytes = span_of(arena_format(
		        m->arena, "%.*s\r\n", SPAN_ARGS(span_cut(head, (size_t)last->start, end))));
	}
	m->no_empty_line = !span_starts(span_from(head, end), "\r\n");
	m->body_start = (int64_t)end + (m->no_empty_line ? 0 : 2);
	items_add(&m->body, &(struct item){.start = m->body_start, .end = m->envelope.length});
	return 0;
}

int
message_read_header(struct message *m, struct fault *why)
{
	struct piece           whole = {QUEUE_CONTENT_AT, m->envelope.length};
	struct message_content c = {
	        .fd = queue_draft_fd(m->draft), .pieces = &whole, .n_pieces = 1, .size = whole.len};

	if (message_header(&c, HEADER_BYTES_MAX, &m->head, why) < 0)
		return -1;
	if (m->head.len == HEADER_BYTES_MAX)
		return message_refuse(m, "5.3.4", why, "message header too big");
	return split_header(m, why);
}

/* ---- rewriting ---- */

static void
replace_item(struct message *m, struct item *item, struct span value)
{
	struct span bytes = span_of(
	        arena_format(m->arena, "%.*s: %.*s\r\n", SPAN_ARGS(item->name), SPAN_ARGS(value)));

	*item = (struct item){.name = item->name, .ours = true, .bytes = bytes,
	                      .value = span_cut(bytes, item->name.len + 2, bytes.len - 2)};
}

/* "alice"@x where alice@x says the same: rewriting writes the shorter form. */
static bool
is_quoted_idly(struct span value, const struct mailbox *box, struct span address)
{
	autotext struct text external = {0};
	struct span          raw;

	if (box->end < box->start || box->end > value.len)
		return false;
	raw = span_cut(value, box->start, box->end);
	address_external(address, &external);
	return span_starts(raw, "\"") && !span_starts(text_span(&external), "\"");
}

static bool
is_changed(struct span value, const struct mailbox *box, struct span was, struct span is)
{
	return (!span_equal(was, is) || is_quoted_idly(value, box, is)) && box->end >= box->start;
}

/* The value with its addresses exchanged and missing commas put in, all else as it was; where no address changes, as it came. */
static struct span
exchange(struct message *m, struct span value, const struct address_list *list,
         const struct span *was, const struct span *is)
{
	autotext struct text out = {0};
	size_t               at = 0, k = 0;
	bool                 any = false;

	for (size_t i = 0; i < list->count; i++) {
		const struct mailbox *box = &list->at[i];

		if (box->kind != MAILBOX)
			continue;
		if (i)
			mailbox_put_comma(value, box - 1, box, &at, &out);
		if (is_changed(value, box, was[k], is[k]) && box->start >= at) {
			text_add(&out, span_cut(value, at, box->start));
			address_external(is[k], &out);
			at = box->end;
			any = true;
		}
		k++;
	}
	text_add(&out, span_from(value, at));
	return any ? arena_span(m->arena, text_span(&out)) : value;
}

static int
ask_all(struct message *m, const char *context, const char *kind, const struct span *was,
        struct span *is, size_t count, struct fault *why)
{
	for (size_t at = 0; at < count; at += REWRITE_BATCH) {
		size_t n = count - at < REWRITE_BATCH ? count - at : REWRITE_BATCH;

		if (ask_rewrite(context, was + at, n, m->arena, is + at, why) < 0)
			return message_refuse(m, "4.3.0", why, NULL);
		if (!m->origin.no_address_mapping &&
		    ask_map(kind, is + at, n, m->arena, is + at, why) < 0)
			return message_refuse(m, "4.3.0", why, NULL);
	}
	return 0;
}

static int
rewrite_item(struct message *m, struct item *item, const char *context, const char *kind,
             struct fault *why)
{
	struct address_list list = {0};
	struct span        *was, *is;
	size_t              count = 0;

	address_words_parse(m->arena, item->value, ADDRESS_LIST_LIMIT, &list);
	if (list.mailboxes == 0)
		return 0;
	was = arena_alloc(m->arena, list.mailboxes * sizeof *was);
	is = arena_alloc(m->arena, list.mailboxes * sizeof *is);
	for (size_t i = 0; i < list.count; i++)
		if (list.at[i].kind == MAILBOX)
			was[count++] = mailbox_address(m->arena, &list.at[i]);
	if (ask_all(m, context, kind, was, is, count, why) < 0)
		return -1;
	struct span value = exchange(m, item->value, &list, was, is);

	if (!span_equal(value, item->value))
		replace_item(m, item, value);
	return 0;
}

static int
rewrite_header(struct message *m, struct fault *why)
{
	const char *context = m->origin.local_client ? "local"
		: cleanup_config.remote_header_rewrite_domain[0] ? "remote" : NULL;

	for (size_t i = 0; context && i < m->header.count; i++) {
		struct item *item = &m->header.at[i];
		unsigned     flags = item->dropped ? 0 : header_flags(item->name);

		if (flags & HEADER_ADDRESSES &&
		    rewrite_item(m, item, context,
		                 flags & HEADER_SENDER ? "header_sender" : "header_recipient",
		                 why) < 0)
			return -1;
	}
	return 0;
}

/* ---- dropping, counting ---- */

static void
drop_headers(struct message *m)
{
	for (size_t i = 0; i < m->header.count; i++) {
		struct item *item = &m->header.at[i];

		for (size_t k = 0; k < cleanup_config.message_drop_headers.count; k++)
			if (span_is_nocase(item->name, cleanup_config.message_drop_headers.item[k]))
				item->dropped = true;
	}
}

static const struct item *
find_item(const struct message *m, const char *name)
{
	for (size_t i = 0; i < m->header.count; i++)
		if (!m->header.at[i].dropped && span_is_nocase(m->header.at[i].name, name))
			return &m->header.at[i];
	return NULL;
}

static int
count_hops(struct message *m, struct fault *why)
{
	int hops = 0;

	for (size_t i = 0; i < m->header.count; i++)
		hops += span_is_nocase(m->header.at[i].name, "Received") &&
		        !m->header.at[i].dropped;
	if (hops > site.hopcount_limit)
		return message_refuse(m, "5.4.0", why, "Error: too many hops");
	return 0;
}

/* ---- completing ---- */

static void
add_field(struct message *m, const char *name, struct span value)
{
	struct item item = {.name = span_of(name)};

	items_add(&m->header, &item);
	replace_item(m, &m->header.at[m->header.count - 1], value);
}

/* A full name in the administrator's charset (RFC 2047, 4.2): words of 45 bytes at most, encoded. */
static void
encode_name(struct span name, const char *charset, struct text *out)
{
	size_t room = 0;

	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];

		if (room < 3) {
			text_add_format(out, "%s=?%s?Q?", i ? "?= " : "", charset);
			room = 45;
		}
		if (ascii_alpha(c) || ascii_digit(c)) {
			text_add_byte(out, c);
			room--;
		} else {
			text_add_format(out, "=%02X", (unsigned char)c);
			room -= 3;
		}
	}
	text_add(out, SPAN("?="));
}

static void
add_name(struct span name, struct text *out)
{
	const char *charset = cleanup_config.full_name_encoding_charset;

	if (charset[0] && !span_is_nocase(span_of(charset), "utf-8") && !span_is_ascii(name))
		encode_name(name, charset, out);
	else
		header_quote_phrase(name, out);
}

static void
add_sender(const struct message *m, struct text *out)
{
	if (m->envelope.sender.len)
		address_external(m->envelope.sender, out);
	else
		text_add_string(out, "MAILER-DAEMON");
}

/* header_from_format: "Name <address>", or "address (Name)" as in RFC 822. */
static void
add_from(struct message *m, const char *name)
{
	autotext struct text value = {0};
	struct span          full = m->envelope.full_name;
	bool                 obsolete = cleanup_config.header_from_format == FROM_OBSOLETE;

	if (!full.len) {
		add_sender(m, &value);
	} else if (obsolete) {
		add_sender(m, &value);
		text_add(&value, SPAN(" ("));
		for (size_t i = 0; i < full.len; i++) {
			if (strchr("()\\", full.at[i]))
				text_add_byte(&value, '\\');
			text_add_byte(&value, full.at[i]);
		}
		text_add_byte(&value, ')');
	} else {
		add_name(full, &value);
		text_add(&value, SPAN(" <"));
		add_sender(m, &value);
		text_add_byte(&value, '>');
	}
	add_field(m, name, text_span(&value));
}

static void
add_missing(struct message *m)
{
	bool resent = find_item(m, "Resent-From") || find_item(m, "Resent-To") ||
	              find_item(m, "Resent-Cc") || find_item(m, "Resent-Date") ||
	              find_item(m, "Resent-Message-Id") || find_item(m, "Resent-Sender");
	const char          *id = resent ? "Resent-Message-Id" : "Message-Id";
	const char *date = resent ? "Resent-Date" : "Date", *from = resent ? "Resent-From" : "From";
	autotext struct text value = {0};
	int64_t now = (m->envelope.arrival_us ? m->envelope.arrival_us : clock_wall()) / 1000000;

	if (!find_item(m, id)) {
		message_id_make(now, span_of(m->id.text), span_of(site.myhostname), &value);
		add_field(m, id, text_span(&value));
	}
	if (!find_item(m, date)) {
		text_clear(&value);
		date_add_local(now, &value);
		add_field(m, date, text_span(&value));
	}
	if (!find_item(m, from) && !(resent && find_item(m, "Resent-Sender")))
		add_from(m, from);
}

/* "To: undisclosed-recipients:;" as postconf(5) words it: a whole header line. */
static void
add_undisclosed(struct message *m)
{
	static const char *const names[] = {"To",        "Cc",        "Bcc",
	                                    "Resent-To", "Resent-Cc", "Resent-Bcc"};
	struct span value = span_of(cleanup_config.undisclosed_recipients_header), name;

	for (size_t i = 0; i < COUNT(names); i++)
		if (find_item(m, names[i]))
			return;
	if (!span_split(&value, ':', &name) || !name.len)
		return;
	add_field(m, arena_string(m->arena, name), span_trim(value));
}

static void
log_message_id(struct message *m)
{
	const struct item *resent = find_item(m, "Resent-Message-Id"),
	                  *id = find_item(m, "Message-Id");
	struct span        s = id ? header_unfolded(m->arena, id->value) : SPAN("<>");

	if (resent) {
		struct span r = header_unfolded(m->arena, resent->value);

		log_info("%s: resent-message-id=%.*s", m->id.text, SPAN_ARGS(r));
		if (!id)
			return;
	}
	log_info("%s: message-id=%.*s", m->id.text, SPAN_ARGS(s));
}

int
message_complete_header(struct message *m, struct fault *why)
{
	drop_headers(m);
	if (count_hops(m, why) < 0 || rewrite_header(m, why) < 0)
		return -1;
	if (m->origin.local_client || cleanup_config.always_add_missing_headers)
		add_missing(m);
	if (cleanup_config.undisclosed_recipients_header[0] &&
	    (m->origin.local_client || cleanup_config.always_add_missing_headers))
		add_undisclosed(m);
	log_message_id(m);
	return 0;
}
