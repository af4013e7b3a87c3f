/* SPDX-License-Identifier: ISC */
/*
 * do_basic.c - CAPABILITY NOOP CHECK LOGOUT ID ENABLE NAMESPACE
 */
#include "imap_config.h"
#include "net/conn_deflate.h"
#include "mail/imap_body.h"
#include "session.h"

void
do_capability(struct imap_session *s)
{
	text_add_string(&s->out, "* CAPABILITY ");
	imap_add_capabilities(s, &s->out);
	imap_say(s, "%s", "");
	imap_finish_synced(s, "OK Capability completed.");
}

void
do_noop(struct imap_session *s)
{
	imap_finish_synced(s, "OK %.*s completed.", SPAN_ARGS(s->command.verb));
}

void
do_logout(struct imap_session *s)
{
	imap_say(s, "* BYE Logging out");
	imap_finish(s, "OK Logout completed.");
	s->over = true;
	s->end = "Logged out";
}

/* RFC 2971: NIL or a list of pairs; what the client says changes nothing. */
void
do_id(struct imap_session *s)
{
	const struct argument *a = s->command.arguments;

	if (!argument_is_atom(a, "NIL") && (a->type != ARGUMENT_LIST || a->count % 2 != 0 || a->count > 60)) {
		imap_bad_arguments(s);
		return;
	}
	for (const struct argument *each = a->children; each; each = each->next)
		if (!argument_is_astring(each)) {
			imap_bad_arguments(s);
			return;
		}
	imap_say(s, "* ID (\"name\" \"Postern\")");
	imap_finish(s, "OK ID completed.");
}

/* RFC 5161: what is unknown is ignored; what was on already is not told again. */
void
do_enable(struct imap_session *s)
{
	struct manner *m = &s->manner;
	bool           before = m->condstore;
	const struct {
		const char *name;
		bool       *on, *too;          /* `too`: what it brings along */
	} known[] = {
		{"CONDSTORE", &m->condstore, NULL},
		{"QRESYNC", &m->qresync, &m->condstore},       /* RFC 7162, 3.2.3 */
		{"IMAP4rev2", &m->rev2, NULL},
		{"UTF8=ACCEPT", &m->utf8, NULL},
		{"UIDONLY", &m->uidonly, NULL},
	};

	for (const struct argument *a = s->command.arguments; a; a = a->next)
		if (a->type != ARGUMENT_ATOM) {
			imap_bad_arguments(s);
			return;
		}
	text_add_string(&s->out, "* ENABLED");
	for (const struct argument *a = s->command.arguments; a; a = a->next)
		for (size_t i = 0; i < COUNT(known); i++) {
			if (!argument_is_atom(a, known[i].name))
				continue;
			if (!*known[i].on)
				text_add_format(&s->out, " %s", known[i].name);
			*known[i].on = true;
			if (known[i].too)
				*known[i].too = true;
		}
	imap_say(s, "%s", "");
	if (m->condstore && !before)
		imap_tell_highest(s);
	imap_finish(s, "OK Enabled.");
}

/* RFC 4978: the answer is the last that goes out plain. */
void
do_compress(struct imap_session *s)
{
	struct conn_filter *filter;

	if (!argument_is_atom(s->command.arguments, "DEFLATE")) {
		imap_finish(s, "BAD Unknown compression mechanism.");
		return;
	}
	if (s->compressed) {
		imap_finish(s, "NO [COMPRESSIONACTIVE] DEFLATE is active already.");
		return;
	}
	filter = conn_deflate_new();
	if (!filter) {
		imap_finish(s, "NO [LIMIT] No memory for compression.");
		return;
	}
	imap_finish(s, "OK DEFLATE active.");
	s->compressed = true;
	if (conn_set_filter(s->conn, filter, &s->why) < 0) {
		s->over = true;
		s->end = "Connection closed";
	}
}

static void
add_namespace(struct imap_session *s, struct span prefix)
{
	text_add_byte(&s->out, '(');
	imap_add_string(prefix, &s->out);
	text_add_byte(&s->out, ' ');
	imap_add_string(span_of(imap_config.separator), &s->out);
	text_add_byte(&s->out, ')');
}

void
do_namespace(struct imap_session *s) /* RFC 2342 */
{
	struct span rest = span_of(imap_config.public_namespaces), prefix, where;
	bool        any = false;

	text_add_string(&s->out, "* NAMESPACE ((");
	imap_add_string(span_of(imap_config.prefix), &s->out);
	text_add_byte(&s->out, ' ');
	imap_add_string(span_of(imap_config.separator), &s->out);
	text_add_string(&s->out, ")) ");
	if (spaces_shared_stem().len) {
		text_add_byte(&s->out, '(');
		add_namespace(s, spaces_shared_stem());
		text_add_byte(&s->out, ')');
	} else {
		text_add_string(&s->out, "NIL");
	}
	text_add_byte(&s->out, ' ');
	for (; spaces_next_public(&rest, &prefix, &where); any = true) {
		text_add_string(&s->out, any ? "" : "(");
		add_namespace(s, prefix);
	}
	imap_say(s, any ? ")" : "NIL");
	imap_finish(s, "OK Namespace completed.");
}
