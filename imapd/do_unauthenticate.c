/* SPDX-License-Identifier: ISC */
/*
 * do_unauthenticate.c - UNAUTHENTICATE (RFC 8437): the client is nobody again, on the same connection
 *
 * The connection is the login program's (ipc/login.h); this process ends, and everything that the client had set ends
 * with it: ENABLE, "$", NOTIFY, contexts, the selected mailbox.  COMPRESS ends behind the command in one direction, behind its
 * answer in the other (4.1): what comes after the command is plain, and is the login program's to read.
 */
#include "ipc/login.h"
#include "session.h"
#include "sleep.h"

static void
end(struct imap_session *s, const char *why)
{
	imap_say(s, "* BYE %s", why);
	imap_flush_out(s);
	s->over = true;
	s->end = why;
}

/* What the client has said since, as far as it was given to us. */
static int
take_rest(struct imap_session *s, struct text *rest)
{
	struct span piece;

	while (conn_bytes_wait(s->conn)) {
		if (conn_some(s->conn, LOGIN_BACK_MAX, &piece, &s->why) < 0 || rest->len + piece.len > LOGIN_BACK_MAX)
			return -1;
		text_add(rest, piece);
	}
	return 0;
}

void
do_unauthenticate(struct imap_session *s)
{
	autotext struct text rest = {0};
	int                  control;

	if (!s->user->means) { /* a session without a login program before it */
		imap_finish(s, "BAD Unknown command.");
		return;
	}
	control = s->user->means->control;
	imap_deselect(s); /* nothing is expunged (3) */
	if (s->compressed && conn_end_decoding(s->conn, &s->why) < 0) {
		end(s, "Nothing compressed may follow UNAUTHENTICATE");
		return;
	}
	if (login_leave_ask(control, &s->why) < 0) {
		end(s, "Internal error: log in on a new connection");
		return;
	}
	imap_finish(s, "OK Nobody is logged in.");
	if ((s->compressed ? conn_end_filter : conn_flush)(s->conn, &s->why) < 0 || take_rest(s, &rest) < 0 ||
	    login_back(control, text_span(&rest), &s->why) < 0) {
		s->over = true;
		s->end = "Connection closed";
		return;
	}
	s->over = true;
	s->end = "Unauthenticated";
}
