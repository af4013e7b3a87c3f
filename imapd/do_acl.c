/* SPDX-License-Identifier: ISC */
/*
 * do_acl.c - SETACL DELETEACL GETACL LISTRIGHTS MYRIGHTS, and what each command needs (RFC 4314)
 *
 * Identifiers are Dovecot's: a name is a user; "anyone", "authenticated", "owner"; "$x" is group x,
 * "!$x" overrides as a group; "-" before it takes away.
 */
#include <errno.h>
#include <stdlib.h>

#include "acl.h"
#include "imap_config.h"
#include "mail/imap_body.h"
#include "names.h"
#include "store/tree.h"

bool
acl_is_on(void)
{
	return span_starts(span_of(imap_config.acl), "vfile");
}

/* A list that cannot be read gives nothing but lookup and administration. */
static unsigned
rights_in(struct imap_session *s, const char *folder)
{
	struct acl   a = {0};
	struct fault why = {0};
	unsigned     rights;

	if (acl_read(s->maildir, folder, &a, &why) < 0)
		return why.error == ENOENT ? ACL_ALL : ACL_LOOKUP | ACL_ADMIN;
	rights = acl_rights(&a, &(struct acl_who){s->user->name, NULL, true});
	acl_free(&a);
	return rights;
}

bool
acl_may(struct imap_session *s, unsigned right)
{
	return !acl_is_on() || (rights_in(s, s->folder->name) & right) == right;
}

bool
acl_may_in(struct imap_session *s, const char *folder, unsigned rights)
{
	return !acl_is_on() || (rights_in(s, folder) & rights) == rights;
}

/* ------------------------------------------------------------ what a command needs (RFC 4314, 4) */

static const struct need {
	const char *verb;
	unsigned    selected;          /* on the selected mailbox */
	int         argument;          /* which names a mailbox; 0: none */
	unsigned    named;             /* on that */
	int         parent_argument;   /* which names a mailbox to be made: create on its parent */
} needs[] = {
	{"SELECT", 0, 1, ACL_READ, 0}, {"EXAMINE", 0, 1, ACL_READ, 0}, {"STATUS", 0, 1, ACL_READ, 0},
	{"CREATE", 0, 0, 0, 1}, {"DELETE", 0, 1, ACL_DELETE, 0}, {"RENAME", 0, 1, ACL_DELETE, 2},
	{"APPEND", 0, 1, ACL_INSERT, 0}, {"COPY", ACL_READ, 2, ACL_INSERT, 0},
	{"MOVE", ACL_READ | ACL_WRITE_DELETED | ACL_EXPUNGE, 2, ACL_INSERT, 0},
	{"REPLACE", ACL_WRITE_DELETED | ACL_EXPUNGE, 2, ACL_INSERT, 0}, {"EXPUNGE", ACL_EXPUNGE, 0, 0, 0},
	{"SETACL", 0, 1, ACL_ADMIN, 0}, {"DELETEACL", 0, 1, ACL_ADMIN, 0}, {"GETACL", 0, 1, ACL_ADMIN, 0},
	{"LISTRIGHTS", 0, 1, ACL_ADMIN, 0},
};

static const struct argument *
argument_at(struct imap_session *s, int n)
{
	const struct argument *a = s->command.arguments;

	while (a && --n > 0)
		a = a->next;
	return a && argument_is_astring(a) ? a : NULL;
}

/* What is no name, or is not there, the command itself says. */
static bool
named_permits(struct imap_session *s, int n, unsigned right, bool parent)
{
	const struct argument *a = n ? argument_at(s, n) : NULL;
	autofree char         *folder = NULL;
	struct fault           why = {0};
	char                  *dot;

	if (!a || name_to_folder(s, a->text, &folder, &why) < 0)
		return true;
	if (parent) {
		dot = strrchr(folder, '.');
		if (!dot)
			return true;
		*dot = '\0';
		right = ACL_CREATE;
	}
	return !tree_exists(s->maildir, folder) || (rights_in(s, folder) & right) == right;
}

bool
acl_permits(struct imap_session *s)
{
	if (!acl_is_on())
		return true;
	for (size_t i = 0; i < COUNT(needs); i++) {
		const struct need *n = &needs[i];

		if (!span_is_nocase(s->command.verb, n->verb))
			continue;
		if ((n->selected && s->folder && !acl_may(s, n->selected))
			|| !named_permits(s, n->argument, n->named, false) || !named_permits(s, n->parent_argument, 0, true)) {
			imap_finish(s, "NO [NOPERM] Permission denied.");
			return false;
		}
	}
	return true;
}

bool
acl_filter(struct imap_session *s, struct flag_change *c)
{
	const unsigned all = ACL_WRITE | ACL_WRITE_SEEN | ACL_WRITE_DELETED;
	unsigned       rights = acl_is_on() ? rights_in(s, s->folder->name) : all;
	unsigned       flags = 0;
	uint64_t       keywords = rights & ACL_WRITE ? c->keywords : 0;

	if ((rights & all) == all)
		return true;
	flags |= rights & ACL_WRITE_SEEN ? MESSAGE_SEEN : 0;
	flags |= rights & ACL_WRITE_DELETED ? MESSAGE_DELETED : 0;
	flags |= rights & ACL_WRITE ? MESSAGE_ANSWERED | MESSAGE_FLAGGED | MESSAGE_DRAFT : 0;
	/* setting all flags is changing all of them; of several that are added one will do (4) */
	if (c->kind == FLAGS_SET || (!(c->flags & flags) && !keywords)) {
		imap_finish(s, "NO [NOPERM] Permission denied.");
		return false;
	}
	c->flags &= flags;
	c->keywords = keywords;
	return true;
}

/* ------------------------------------------------------------ letters and identifiers */

/* With RFC 2086's c and d for old clients (RFC 4314, 2.1.1). */
static void
add_letters(unsigned rights, struct text *out)
{
	acl_letters_add(rights, out);
	if (rights & (ACL_CREATE | ACL_DELETE))
		text_add_byte(out, 'c');
	if (rights & (ACL_EXPUNGE | ACL_WRITE_DELETED))
		text_add_byte(out, 'd');
}

static bool
id_parse(struct span in, struct text *id, bool *negative)
{
	*negative = in.len && in.at[0] == '-';
	if (*negative)
		in = span_from(in, 1);
	if (!in.len || in.len > 200 || span_find_any(in, "\"\r\n") >= 0 || in.at[0] == '#' || span_has(in, '\0'))
		return false;
	if (span_is(in, "anyone") || span_is(in, "authenticated") || span_is(in, "owner"))
		text_add(id, in);
	else if (span_starts(in, "!$"))
		text_add_format(id, "group-override=%.*s", SPAN_ARGS(span_from(in, 2)));
	else if (in.at[0] == '$')
		text_add_format(id, "group=%.*s", SPAN_ARGS(span_from(in, 1)));
	else
		text_add_format(id, "user=%.*s", SPAN_ARGS(in));
	return true;
}

static void
id_tell(const struct acl_entry *e, struct text *out)
{
	struct span id = span_of(e->id);

	if (e->negative)
		text_add_byte(out, '-');
	if (span_starts(id, "user="))
		text_add(out, span_from(id, 5));
	else if (span_starts(id, "group-override="))
		text_add_format(out, "!$%.*s", SPAN_ARGS(span_from(id, 15)));
	else if (span_starts(id, "group="))
		text_add_format(out, "$%.*s", SPAN_ARGS(span_from(id, 6)));
	else
		text_add(out, id);
}

/* ------------------------------------------------------------ commands */

/* The mailbox of the first argument, which is there; NULL: answered. */
static char *
take_mailbox(struct imap_session *s, struct text *told)
{
	const struct argument *a = s->command.arguments;
	autofree char         *folder = NULL;

	if (!acl_is_on()) {
		imap_finish(s, "BAD Unknown command.");
		return NULL;
	}
	for (const struct argument *each = a; each; each = each->next)
		if (!argument_is_astring(each)) {
			imap_bad_arguments(s);
			return NULL;
		}
	if (name_to_folder(s, a->text, &folder, &s->why) < 0) {
		imap_finish_fault(s, "Bad mailbox name");
		return NULL;
	}
	if (!tree_exists(s->maildir, folder)) {
		imap_finish(s, "NO [NONEXISTENT] Mailbox doesn't exist.");
		return NULL;
	}
	name_of_folder(folder, told);
	return take(folder);
}

static void
change(struct imap_session *s, struct span letters, bool remove)
{
	autotext struct text told = {0}, id = {0};
	autofree char       *folder = take_mailbox(s, &told);
	char                 kind = letters.len && (letters.at[0] == '+' || letters.at[0] == '-') ? letters.at[0] : '=';
	unsigned             rights = 0;
	bool                 negative;

	if (!folder)
		return;
	if (!id_parse(s->command.arguments->next->text, &id, &negative)) {
		imap_finish(s, "BAD Invalid identifier.");
		return;
	}
	if (!remove && !acl_letters_parse(kind == '=' ? letters : span_from(letters, 1), &rights)) {
		imap_finish(s, "BAD Invalid rights."); /* 3.1: BAD for what is not known */
		return;
	}
	if (acl_change(s->maildir, folder, text_span(&id), negative, kind, rights, &s->why) < 0)
		imap_finish_fault(s, remove ? "Deleteacl failed" : "Setacl failed");
	else
		imap_finish_synced(s, remove ? "OK Deleteacl completed." : "OK Setacl complete.");
}

void
do_setacl(struct imap_session *s)
{
	const struct argument *letters = s->command.arguments->next->next;

	change(s, letters->text, false);
}

void
do_deleteacl(struct imap_session *s)
{
	change(s, SPAN_NONE, true);
}

static void
add_pair(struct imap_session *s, struct span id, unsigned rights)
{
	autotext struct text letters = {0};

	add_letters(rights, &letters);
	text_add_byte(&s->out, ' ');
	name_add(id, &s->out);
	text_add_byte(&s->out, ' ');
	imap_add_string(text_span(&letters), &s->out);
}

void
do_getacl(struct imap_session *s)
{
	autotext struct text told = {0}, own = {0};
	autofree char       *folder = take_mailbox(s, &told);
	struct acl           a;

	if (!folder)
		return;
	if (acl_read(s->maildir, folder, &a, &s->why) < 0) {
		imap_finish_fault(s, "Getacl failed");
		return;
	}
	text_add_format(&own, "user=%s", s->user->name);
	text_add_string(&s->out, "* ACL ");
	name_tell(s, text_span(&told), &s->out);
	if (!acl_find(&a, SPAN("owner"), false) && !acl_find(&a, text_span(&own), false))
		add_pair(s, span_of(s->user->name), ACL_ALL);
	for (size_t i = 0; i < a.count; i++) {
		autotext struct text id = {0};

		id_tell(&a.at[i], &id);
		add_pair(s, text_span(&id), a.at[i].rights);
	}
	acl_free(&a);
	imap_say(s, "%s", "");
	imap_finish_synced(s, "OK Getacl completed.");
}

void
do_listrights(struct imap_session *s)
{
	autotext struct text told = {0}, id = {0};
	autofree char       *folder = take_mailbox(s, &told);
	struct span          name = s->command.arguments->next->text;
	bool                 negative, owner;

	if (!folder)
		return;
	if (!id_parse(name, &id, &negative)) {
		imap_finish(s, "BAD Invalid identifier.");
		return;
	}
	owner = !negative && (span_is(name, "owner") || span_is(name, s->user->name));
	text_add_string(&s->out, "* LISTRIGHTS ");
	name_tell(s, text_span(&told), &s->out);
	text_add_byte(&s->out, ' ');
	name_add(name, &s->out);
	imap_say(s, owner ? " la r w s t i p e k x c d" : " \"\" l r w s t i p e k x a c d");
	imap_finish_synced(s, "OK Listrights completed.");
}

void
acl_tell_mine(struct imap_session *s, struct span name, const char *folder)
{
	text_add_string(&s->out, "* MYRIGHTS ");
	name_tell(s, name, &s->out);
	text_add_byte(&s->out, ' ');
	add_letters(rights_in(s, folder), &s->out);
	imap_say(s, "%s", "");
}

void
do_myrights(struct imap_session *s)
{
	autotext struct text told = {0};
	autofree char       *folder = take_mailbox(s, &told);

	if (!folder)
		return;
	acl_tell_mine(s, text_span(&told), folder);
	imap_finish_synced(s, "OK Myrights completed.");
}
