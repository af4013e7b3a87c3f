/* SPDX-License-Identifier: ISC */
/*
 * do_append.c - APPEND and REPLACE (RFC 3501, 6.3.11; RFC 3502, 3516, 4315, 4469, 6855, 8508)
 *
 *   mailbox *( [flags] [date] message )
 *   message: {n} | ~{n} | UTF8 (~{n}) | CATENATE ( TEXT {n} | URL "..." ... )
 *
 * Messages stream into the target's tmp/ and are made durable there before the
 * uidlist is locked; all of them get their names together, or none.  OK is
 * sent when directory and uidlist are durable.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "acl.h"
#include "append_url.h"
#include "base/clock.h"
#include "command.h"
#include "flags.h"
#include "imap_config.h"
#include "imapsieve.h"
#include "mail/date.h"
#include "names.h"
#include "notify.h"
#include "session.h"
#include "store/delivered.h"
#include "store/filename.h"
#include "store/place.h"
#include "store/quota.h"
#include "store/tree.h"

enum { PIECE = 65536, MESSAGES_MOST = 100, URL_MOST = 8192 };

struct appended {
	struct named_flags       flags;
	int64_t                  date;
	struct maildir_delivery *delivery;   /* owned */
	uint64_t                 bytes;
	struct text              name;       /* in tmp/, once durable; owned */
	uint64_t                 size, full_size;
	bool                     marked;     /* the last keyword is ours (mail/attachment.h) */
	bool                     held;       /* a CR whose LF may come yet */
};

struct appending {
	struct imap_session *session;
	struct space        *in;
	const char          *folder;         /* borrowed */
	unsigned             may;            /* acl_flags: others are not set (RFC 4314, 4) */
	struct appended     *at;             /* owned */
	size_t               count;
	struct span          rest;           /* of the line that is being read */
	bool                 syntax;         /* the fault is the client's grammar: BAD */
	bool                 lost;           /* the connection is gone */
	bool                 bad_url, nul;
	bool                 limited;        /* more than imap_save_limit (RFC 9738) */
	bool                 single;         /* REPLACE: one message for one (RFC 8508, 4.7) */
	bool                 replaces;       /* what goes makes room */
	int64_t              replaced;       /* bytes */
	struct span          url;
};

static int
bad(struct appending *a, const char *what)
{
	a->syntax = true;
	return fault_set(&a->session->why, FAULT_INPUT, "%s", what);
}

/* [TOOBIG] (RFC 7889, 4; RFC 4469, 4.2) */
static int
too_big(struct appending *a)
{
	fault_set(&a->session->why, FAULT_DENIED, "Message is larger than %lld bytes", (long long)imap_config.max_message);
	a->session->why.error = EFBIG;
	return -1;
}

/* What follows a literal. */
static int
next_line(struct appending *a)
{
	struct imap_session *s = a->session;

	conn_deadline(s->conn, clock_after(imap_config.timeout));
	if (command_continue(s->conn, (size_t)imap_config.max_line_length, s->input, &s->why) < 0) {
		a->lost = true;
		return -1;
	}
	a->rest = arena_span(s->arena, text_span(&s->input->text));
	return 0;
}

void
append_drain(struct imap_session *s)
{
	struct command_input *in = s->input;
	struct fault          why = {0};

	while (!s->over && in->literal && in->plus) { /* who waits for "+" is simply not let go on */
		if (command_discard(s->conn, in->size, &why) < 0
			|| command_continue(s->conn, (size_t)imap_config.max_line_length, in, &why) < 0) {
			s->over = true;
			s->end = "Connection closed";
		}
	}
	in->literal = false;
	fault_clear(&why);
}

/* CRLF to LF as it streams by; a bare CR stays what it is. */
static int
put_piece(struct appending *a, struct appended *m, struct span in)
{
	autotext struct text out = {0};

	for (size_t i = 0; i < in.len; i++) {
		char c = in.at[i];

		a->nul |= c == '\0';
		if (m->held && c != '\n')
			text_add_byte(&out, '\r');
		m->held = c == '\r';
		if (!m->held)
			text_add_byte(&out, c);
	}
	m->bytes += in.len;
	return maildir_delivery_add(m->delivery, text_span(&out), &a->session->why);
}

/* What lines may shrink by (CRLF to LF) is forgiven here: the size on disk decides. */
static int
early_quota(struct appending *a, uint64_t size)
{
	struct imap_session *s = a->session;
	int64_t              least = (int64_t)(size / 2);

	return quota_check(a->in->quota, a->in->maildir, a->folder, least - a->replaced, 1 - a->replaces, least, QUOTA_SAVING, &s->why);
}

/* The literal that waits, into the message (or, when there is none, into `text`). */
static int
take_literal(struct appending *a, struct appended *m, struct text *text)
{
	struct imap_session  *s = a->session;
	struct command_input *in = s->input;
	int                   result = 0;

	if (m && in->size + m->bytes > (uint64_t)imap_config.max_message)
		return too_big(a);
	if (!m && in->size > URL_MOST)
		return bad(a, "Too long a string");
	if (m && !in->plus && early_quota(a, in->size) < 0) /* before it is sent for nothing */
		return -1;
	if (!in->plus) {
		imap_send(s, SPAN("+ OK\r\n"));
		conn_flush(s->conn, NULL);
	}
	in->literal = false;
	for (uint64_t left = in->size; left;) {
		struct span piece;
		struct fault why = {0};

		conn_deadline(s->conn, clock_after(imap_config.timeout));
		if (conn_some(s->conn, left < PIECE ? (size_t)left : PIECE, &piece, &why) < 0) {
			a->lost = true;
			return -1;
		}
		left -= piece.len;
		if (!m)
			text_add(text, piece);
		else if (result == 0) /* after a full disk the rest is still read */
			result = put_piece(a, m, piece);
	}
	if (next_line(a) < 0)
		return -1;
	return result;
}

static bool
take_word(struct appending *a, const char *word)
{
	if (!span_starts_nocase(a->rest, word))
		return false;
	a->rest = span_from(a->rest, strlen(word));
	return true;
}

static int
take_flags(struct appending *a, struct appended *m)
{
	struct imap_session *s = a->session;
	ptrdiff_t            end = span_find(a->rest, ')');
	struct argument     *list;
	size_t               count;

	if (end < 0)
		return bad(a, "Missing ')'");
	if (grammar_parse_list(s->arena, span_first(a->rest, (size_t)end + 1), &list, &count, &s->why) < 0
		|| flags_parse(s->arena, list, &m->flags, &s->why) < 0) {
		a->syntax = true;
		return -1;
	}
	a->rest = span_from(a->rest, (size_t)end + 1);
	return take_word(a, " ") ? 0 : bad(a, "Missing a message");
}

static int
take_date(struct appending *a, struct appended *m)
{
	ptrdiff_t   end = span_find(span_from(a->rest, 1), '"');
	struct date date;

	if (end < 0 || !date_parse_imap(span_cut(a->rest, 1, (size_t)end + 1), &date))
		return bad(a, "Invalid internal date");
	m->date = date.seconds < 0 ? 0 : date.seconds;
	a->rest = span_from(a->rest, (size_t)end + 2);
	return take_word(a, " ") ? 0 : bad(a, "Missing a message");
}

/* A URL as a quoted string, an atom or a literal. */
static int
take_url(struct appending *a, struct text *url)
{
	ptrdiff_t end;

	if (a->rest.len == 0 && a->session->input->literal)
		return take_literal(a, NULL, url);
	if (take_word(a, "\"")) {
		end = span_find(a->rest, '"');
		if (end < 0)
			return bad(a, "Missing '\"'");
		text_add(url, span_first(a->rest, (size_t)end));
		a->rest = span_from(a->rest, (size_t)end + 1);
		return 0;
	}
	end = span_find_any(a->rest, " )");
	if (end < 1)
		return bad(a, "Missing a URL");
	text_add(url, span_first(a->rest, (size_t)end));
	a->rest = span_from(a->rest, (size_t)end);
	return 0;
}

static int
catenate_url(struct appending *a, struct appended *m)
{
	autotext struct text url = {0}, bytes = {0};

	if (take_url(a, &url) < 0)
		return -1;
	if (append_url_read(a->session, text_span(&url), &bytes) < 0) {
		a->bad_url = true;
		a->url = arena_span(a->session->arena, text_span(&url));
		return -1;
	}
	if (bytes.len + m->bytes > (uint64_t)imap_config.max_message)
		return too_big(a);
	return put_piece(a, m, text_span(&bytes));
}

/* RFC 6855, 4: once enabled; behind "UTF8 (" */
static int
take_utf8(struct appending *a, struct appended *m)
{
	struct imap_session *s = a->session;

	if (!name_is_utf8(s) || a->rest.len || !s->input->literal || !s->input->binary)
		return bad(a, "UTF8 wants to be enabled, and a ~{literal}");
	if (take_literal(a, m, NULL) < 0)
		return -1;
	return take_word(a, ")") ? 0 : bad(a, "Missing ')'");
}

/* RFC 4469, 3; behind "CATENATE (" */
static int
catenate(struct appending *a, struct appended *m)
{
	for (;;) {
		int result = -1;

		if (take_word(a, "TEXT "))
			result = a->rest.len == 0 && a->session->input->literal ? take_literal(a, m, NULL)
				: bad(a, "Missing a literal");
		else if (take_word(a, "URL "))
			result = catenate_url(a, m);
		else if (take_word(a, "UTF8 ("))
			result = take_utf8(a, m);
		else
			return bad(a, "Unknown part of CATENATE");
		if (result < 0)
			return -1;
		if (take_word(a, ")"))
			return 0;
		if (!take_word(a, " "))
			return bad(a, "Missing ')'");
	}
}

static int
take_content(struct appending *a, struct appended *m)
{
	struct imap_session *s = a->session;

	if (take_word(a, "CATENATE ("))
		return catenate(a, m);
	if (take_word(a, "UTF8 ("))
		return take_utf8(a, m);
	if (a->rest.len || !s->input->literal)
		return bad(a, "Invalid arguments");
	if (s->input->size == 0)
		return fault_set(&s->why, FAULT_INPUT, "A message of no bytes cannot be saved");
	return take_literal(a, m, NULL);
}

/* Unless the client has said it itself. */
static void
mark_attachments(struct appending *a, struct appended *m)
{
	const char  *keyword;
	struct span *keywords;

	for (size_t i = 0; i < m->flags.count; i++)
		if (span_is_nocase(m->flags.keywords[i], "$HasAttachment") || span_is_nocase(m->flags.keywords[i], "$HasNoAttachment"))
			return;
	if (!(keyword = delivered_attachment(m->delivery, SPAN_NONE)))
		return;
	keywords = arena_alloc(a->session->arena, (m->flags.count + 1) * sizeof *keywords);
	if (m->flags.count)
		memcpy(keywords, m->flags.keywords, m->flags.count * sizeof *keywords);
	keywords[m->flags.count++] = span_of(keyword);
	m->flags.keywords = keywords;
	m->marked = true;
}

static int
take_message(struct appending *a)
{
	struct appended *m;

	if (imap_save_limit() && a->count == (size_t)imap_save_limit()) {
		a->limited = true;
		return fault_set(&a->session->why, FAULT_DENIED, "Too many messages");
	}
	if (a->count == MESSAGES_MOST)
		return fault_set(&a->session->why, FAULT_DENIED, "At most %d messages at a time", MESSAGES_MOST);
	a->at = mem_grow(a->at, a->count + 1, sizeof *a->at);
	m = &a->at[a->count++];
	*m = (struct appended){.date = time(NULL)};
	if (span_starts(a->rest, "(") && take_flags(a, m) < 0)
		return -1;
	if (span_starts(a->rest, "\"") && take_date(a, m) < 0)
		return -1;
	if (maildir_delivery_start(a->in->maildir, a->folder, &m->delivery, &a->session->why) < 0)
		return -1;
	if (take_content(a, m) < 0)
		return -1;
	if (m->bytes == 0)
		return fault_set(&a->session->why, FAULT_INPUT, "A message of no bytes cannot be saved");
	if (m->held && maildir_delivery_add(m->delivery, SPAN("\r"), &a->session->why) < 0)
		return -1;
	mark_attachments(a, m);
	return 0;
}

static int
take_messages(struct appending *a)
{
	a->rest = a->session->rest;
	do {
		if (!take_word(a, " "))
			return bad(a, a->count ? "Missing blank between messages" : "Invalid arguments");
		if (take_message(a) < 0)
			return -1;
		if (a->single && (a->rest.len || a->session->input->literal))
			return bad(a, "One message replaces one");
	} while (a->rest.len || a->session->input->literal);
	if (a->nul) /* RFC 3516, 4.4: files have lines, nobody could read it back by BODY[] */
		return fault_set(&a->session->why, FAULT_INPUT, "NUL");
	return 0;
}

static int
place_message(struct imap_session *s, struct placing *p, struct appended *m, unsigned may, uint32_t *uid)
{
	uint64_t keywords = 0;

	for (size_t i = 0; may & ACL_KEYWORDS && i < m->flags.count; i++) {
		int number;

		if (placing_keyword(p, m->flags.keywords[i], &number, &s->why) < 0) {
			if (m->marked && i + 1 == m->flags.count && s->why.class == FAULT_DENIED) {
				fault_clear(&s->why); /* no room for more keywords: the message is saved all the same */
				continue;
			}
			return -1;
		}
		keywords |= (uint64_t)1 << number;
	}
	return placing_file(p, text_string(&m->name), m->size, m->full_size, m->flags.flags & may, keywords, uid,
		&s->why);
}

/* All together, as they are saved: all or none. */
static int
check_quota(struct appending *a)
{
	struct imap_session *s = a->session;
	int64_t              bytes = 0, largest = 0;

	for (size_t i = 0; i < a->count; i++) {
		bytes += (int64_t)a->at[i].size;
		largest = (int64_t)a->at[i].size > largest ? (int64_t)a->at[i].size : largest;
	}
	return quota_check(a->in->quota, a->in->maildir, a->folder, bytes - a->replaced, (int64_t)a->count - a->replaces, largest,
		QUOTA_SAVING, &s->why);
}

/* Durable in tmp/ before the lock is asked for. */
static int
place_all(struct appending *a, uint32_t *validity, uint32_t *uids)
{
	struct imap_session *s = a->session;
	struct placing      *p;

	for (size_t i = 0; i < a->count; i++) {
		struct appended *m = &a->at[i];

		if (maildir_delivery_hold(m->delivery, m->date, &m->name, &m->size, &m->full_size, &s->why) < 0)
			return -1;
	}
	if (check_quota(a) < 0)
		return -1;
	bool selected = s->folder && s->in == a->in && strcmp(s->folder->name, a->folder) == 0;

	if (placing_begin(a->in->maildir, a->folder, s->index, selected ? s->folder : NULL, &p, &s->why) < 0)
		return -1;
	for (size_t i = 0; i < a->count; i++)
		if (place_message(s, p, &a->at[i], a->may, &uids[i]) < 0) {
			placing_abort(p);
			return -1;
		}
	return placing_commit(p, validity, &s->why);
}

/* url-resp-text has no brackets, quotes, line ends or 8-bit bytes (RFC 4469, 5); a URL has none of them either. */
static void
refuse_url(struct imap_session *s, struct span url)
{
	autotext struct text told = {0};

	for (size_t i = 0; i < url.len; i++) {
		unsigned char c = (unsigned char)url.at[i];

		if (c < ' ' || c >= 0x7f || strchr("[]\"\\", c))
			text_add_format(&told, "%%%02X", c);
		else
			text_add_byte(&told, (char)c);
	}
	imap_finish(s, "NO [BADURL \"%s\"] There is no such part.", text_string(&told));
}

static void
answer_failure(struct appending *a)
{
	struct imap_session *s = a->session;

	if (a->lost) {
		s->over = true;
		s->end = "Connection closed";
	} else if (a->syntax) {
		imap_finish(s, "BAD %s.", fault_text(&s->why));
	} else if (a->bad_url) {
		refuse_url(s, a->url);
	} else if (a->limited) {
		imap_finish(s, "NO [MESSAGELIMIT %d] Too many messages.", imap_save_limit());
	} else if (a->nul) {
		imap_finish(s, "NO [UNKNOWN-CTE] A message with NUL cannot be saved.");
	} else {
		imap_finish_fault(s, "Append failed");
	}
}

/* 0 with *code "[APPENDUID ...]", or answered. */
static int
append(struct imap_session *s, struct space *in, const char *folder, const struct message *replaced, struct text *code)
{
	struct appending a = {.session = s, .in = in, .folder = folder, .may = acl_flags(acl_rights_of(s, in, folder)),
		.single = replaced, .replaces = replaced && s->in == in && !quota_ignores(in->quota, s->folder->name)};
	uint32_t         validity, *uids = NULL;
	int              result;

	if (a.replaces) {
		struct file_name name;

		file_name_parse(span_of(message_name(s->folder, replaced)), &name);
		a.replaced = name.has_size && name.size < (uint64_t)1 << 50 ? (int64_t)name.size : 0;
	}
	result = take_messages(&a);

	if (result == 0) {
		uids = arena_alloc(s->arena, a.count * sizeof *uids);
		result = place_all(&a, &validity, uids);
	}
	for (size_t i = 0; i < a.count; i++) {
		maildir_delivery_abort(a.at[i].delivery);
		text_free(&a.at[i].name);
	}
	free(a.at);
	if (result < 0) {
		answer_failure(&a);
		return -1;
	}
	s->counts.appended += a.count;
	notify_own_added(s, in, folder, uids, a.count);
	imapsieve_run(s, &(struct imapsieve_event){.cause = IMAPSIEVE_APPEND, .in = in, .folder = folder, .uids = uids, .validity = validity,
		.count = a.count});
	if (s->folder && s->in == in && strcmp(s->folder->name, folder) == 0)
		s->folder->changes = true;
	text_add_format(code, "[APPENDUID %u ", validity);
	sequence_add(uids, a.count, code);
	text_add_string(code, "]");
	return 0;
}

void
do_append(struct imap_session *s)
{
	struct space        *in;
	autofree char       *folder = name_take_existing(s, s->command.arguments, "TRYCREATE", &in);
	autotext struct text code = {0};

	if (folder && append(s, in, folder, NULL, &code) == 0)
		imap_finish_synced(s, "OK %s Append completed.", text_string(&code));
}

/* RFC 8508: the new one is there before the old one goes. */
void
do_replace(struct imap_session *s)
{
	const struct argument *set = s->command.arguments;
	autofree char         *folder = NULL;
	struct space          *in;
	autotext struct text   code = {0};
	const struct message  *old;
	size_t                *positions, count;
	uint32_t               uid;

	if (set->type != ARGUMENT_ATOM || span_find_any(set->text, ",:$") >= 0) { /* 5: one number */
		imap_bad_arguments(s);
		return;
	}
	if (imap_choose(s, set, &positions, &count) < 0)
		return;
	if (count != 1) {
		imap_finish(s, "NO [NONEXISTENT] There is no such message.");
		return;
	}
	if (s->folder->read_only) {
		imap_finish(s, "NO [READ-ONLY] Mailbox is read-only.");
		return;
	}
	uid = s->view.at[positions[0]].uid;
	folder = name_take_existing(s, set->next, "TRYCREATE", &in);
	if (!folder)
		return;
	if (folder_sync(s->folder, &s->why) < 0) {
		imap_finish_fault(s, "Replace failed");
		return;
	}
	old = folder_find(s->folder, uid);
	if (!old) { /* by another session: two clients do not replace one draft by two */
		imap_finish_synced(s, s->command.uid ? "NO [NONEXISTENT] There is no such message."
			: "NO [EXPUNGEISSUED] The message no longer exists.");
		return;
	}
	if (append(s, in, folder, old, &code) < 0)
		return;
	imap_say(s, "* OK %s Replacement Message ready", text_string(&code));
	if (folder_expunge(s->folder, &uid, 1, true, &s->why) < 0) {
		imap_finish_fault(s, "Replace failed");
		return;
	}
	s->counts.expunged++;
	imap_sync(s);
	imap_finish(s, "OK %sReplace completed.", imap_highest_code(s)); /* 4.5: as UID EXPUNGE */
}
