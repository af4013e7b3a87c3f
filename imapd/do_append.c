/* SPDX-License-Identifier: ISC */
/*
 * do_append.c - APPEND (RFC 3501, 6.3.11; RFC 4315)
 *
 * The message streams into the target's tmp/ and is made durable there before
 * the uidlist is locked; OK is sent when directory and uidlist are durable.
 */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "flags.h"
#include "imap_config.h"
#include "mail/date.h"
#include "names.h"
#include "session.h"
#include "store/place.h"
#include "store/tree.h"

enum { PIECE = 65536 };

struct appending {
	char              *folder;         /* owned */
	struct named_flags flags;
	int64_t            date;
};

static int
parse_append(struct imap_session *s, struct appending *a)
{
	const struct argument *name = s->command.arguments, *next = name->next;
	struct date            date;

	a->date = time(NULL);
	if (!argument_is_astring(name))
		return fault_set(&s->why, FAULT_INPUT, "Invalid arguments");
	if (next && next->type == ARGUMENT_LIST) {
		struct argument alone = *next;

		alone.next = NULL;
		if (flags_parse(s->arena, &alone, &a->flags, &s->why) < 0)
			return -1;
		next = next->next;
	}
	if (next && next->type == ARGUMENT_QUOTED) {
		if (!date_parse_imap(next->text, &date))
			return fault_set(&s->why, FAULT_INPUT, "Invalid internal date");
		a->date = date.seconds < 0 ? 0 : date.seconds;
		next = next->next;
	}
	return next ? fault_set(&s->why, FAULT_INPUT, "Invalid arguments") : 0;
}

/* CRLF to LF as it streams by; a bare CR stays what it is. */
static void
to_unix(struct span in, bool *held, struct text *out)
{
	for (size_t i = 0; i < in.len; i++) {
		char c = in.at[i];

		if (*held && c != '\n')
			text_add_byte(out, '\r');
		*held = c == '\r';
		if (!*held)
			text_add_byte(out, c);
	}
}

static int
receive(struct imap_session *s, struct maildir_delivery *d, bool *stream_lost)
{
	autotext struct text piece = {0};
	bool                 held = false;
	int                  result = 0;

	while (s->literal_size) {
		struct span in;

		conn_deadline(s->conn, clock_after(imap_config.timeout));
		if (conn_some(s->conn, s->literal_size < PIECE ? (size_t)s->literal_size : PIECE, &in,
			&s->why) < 0) {
			*stream_lost = true;
			return -1;
		}
		s->literal_size -= in.len;
		text_clear(&piece);
		to_unix(in, &held, &piece);
		if (result == 0) /* after a full disk the rest is still read */
			result = maildir_delivery_add(d, text_span(&piece), &s->why);
	}
	if (held && result == 0)
		result = maildir_delivery_add(d, SPAN("\r"), &s->why);
	return result;
}

static int
place(struct imap_session *s, const struct appending *a, struct maildir_delivery *d,
	uint32_t *validity, uint32_t *uid)
{
	autotext struct text name = {0};
	struct placing      *p;
	uint64_t             size, full_size, keywords = 0;
	int                  result = 0;

	if (maildir_delivery_hold(d, a->date, &name, &size, &full_size, &s->why) < 0
		|| placing_begin(s->maildir, a->folder, &p, &s->why) < 0)
		return -1;
	for (size_t i = 0; result == 0 && i < a->flags.count; i++) {
		int number;

		result = placing_keyword(p, a->flags.keywords[i], &number, &s->why);
		if (result == 0)
			keywords |= (uint64_t)1 << number;
	}
	if (result < 0 || placing_file(p, text_string(&name), size, full_size, a->flags.flags, keywords, uid,
			&s->why) < 0) {
		placing_abort(p);
		return -1;
	}
	return placing_commit(p, validity, &s->why);
}

static void
lost(struct imap_session *s)
{
	s->over = true;
	s->end = "Connection closed";
}

static void
append(struct imap_session *s, struct appending *a)
{
	struct maildir_delivery *d;
	uint32_t                 validity, uid;
	bool                     stream_lost = false;
	struct span              line;
	int                      result;

	if (maildir_delivery_start(s->maildir, a->folder, &d, &s->why) < 0) {
		imap_finish_fault(s, "Append failed");
		return;
	}
	s->literal_waits = false;
	if (!s->literal_plus) {
		imap_send(s, SPAN("+ OK\r\n"));
		conn_flush(s->conn, NULL);
	}
	result = receive(s, d, &stream_lost);
	if (stream_lost || conn_line(s->conn, (size_t)imap_config.max_line_length, &line, NULL,
		&s->why) < 0) {
		maildir_delivery_abort(d);
		lost(s);
		return;
	}
	if (line.len) {
		maildir_delivery_abort(d);
		imap_finish(s, "BAD One message at a time.");
		return;
	}
	if (result == 0)
		result = place(s, a, d, &validity, &uid);
	maildir_delivery_abort(d);
	if (result < 0) {
		imap_finish_fault(s, "Append failed");
		return;
	}
	s->counts.appended++;
	imap_finish_synced(s, "OK [APPENDUID %u %u] Append completed.", validity, uid);
}

void
do_append(struct imap_session *s)
{
	struct appending a = {0};

	if (!s->literal_waits) {
		imap_bad_arguments(s);
	} else if (parse_append(s, &a) < 0) {
		imap_finish(s, "BAD %s.", fault_text(&s->why));
	} else if (name_to_folder(s, s->command.arguments->text, &a.folder, &s->why) < 0) {
		imap_finish_fault(s, "Bad mailbox name");
	} else if (!tree_exists(s->maildir, a.folder)) {
		imap_finish(s, "NO [TRYCREATE] Mailbox doesn't exist.");
	} else if (s->literal_size == 0) {
		imap_finish(s, "NO [CANNOT] A message of no bytes cannot be saved.");
	} else if (s->literal_size > (uint64_t)imap_config.max_message) {
		imap_finish(s, "NO [LIMIT] Message is larger than %lld bytes.",
			(long long)imap_config.max_message);
	} else {
		append(s, &a);
	}
	free(a.folder);
}
