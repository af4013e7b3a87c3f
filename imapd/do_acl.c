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
#include "base/log.h"
#include "imap_config.h"
#include "mail/imap_body.h"
#include "names.h"
#include "store/acl_shared.h"
#include "store/tree.h"

bool
acl_is_on(void)
{
	return span_starts(span_of(imap_config.acl), "vfile");
}

/* A list that cannot be read gives the owner lookup and administration, others nothing. */
static unsigned
rights_in(struct imap_session *s, struct space *in, const char *folder)
{
	struct acl           a = {0}, global = {0};
	struct acl_who       who = {s->user->name, s->spaces ? s->spaces->groups : NULL, in->kind == SPACE_OWN};
	struct fault         why = {0};
	autotext struct text name = {0};
	unsigned             rights;

	if (acl_read(in->maildir, folder, &a, &why) < 0)
		return !who.owner ? 0 : why.error == ENOENT ? ACL_ALL : ACL_LOOKUP | ACL_ADMIN;
	if (in->kind == SPACE_PUBLIC && a.count == 0 && *folder && acl_read(in->maildir, "", &a, &why) < 0)
		return 0;
	if (s->spaces && s->spaces->global.len) {
		name_of(in, folder, &name);
		acl_global_select(text_span(&s->spaces->global), text_span(&name), &global);
	}
	rights = acl_rights_under(&global, &a, &who);
	acl_free(&a);
	acl_free(&global);
	return rights;
}

unsigned
acl_rights_of(struct imap_session *s, struct space *in, const char *folder)
{
	return acl_is_on() ? rights_in(s, in, folder) : ACL_ALL;
}

bool
acl_may(struct imap_session *s, unsigned right)
{
	return (acl_rights_of(s, s->in, s->folder->name) & right) == right;
}

unsigned
acl_flags(unsigned rights)
{
	return (rights & ACL_WRITE_SEEN ? MESSAGE_SEEN : 0u) | (rights & ACL_WRITE_DELETED ? MESSAGE_DELETED : 0u)
		| (rights & ACL_WRITE ? MESSAGE_ANSWERED | MESSAGE_FLAGGED | MESSAGE_DRAFT | ACL_KEYWORDS : 0u);
}

int
acl_begin(struct imap_session *s, struct space *in, const char *folder)
{
	return acl_is_on() ? acl_inherit(in->maildir, folder, in->kind == SPACE_SHARED, &s->why) : 0;
}

bool
acl_may_in(struct imap_session *s, const char *folder, unsigned rights)
{
	return (acl_rights_of(s, &s->mine, folder) & rights) == rights;
}

/* ------------------------------------------------------------ what a command needs (RFC 4314, 4) */

/* MYRIGHTS: any of those that say that it exists (RFC 4314, 3.5) */
enum { ANY = 1 << 20, SOME_USE = 1 << 21, /* RFC 5464, 3.3: of those that follow */
	USES = ACL_READ | ACL_WRITE_SEEN | ACL_WRITE | ACL_INSERT | ACL_POST, SOME_RIGHT = ACL_LOOKUP | ACL_READ | ACL_INSERT | ACL_CREATE | ACL_DELETE | ACL_ADMIN };

static const struct need {
	const char *verb;
	unsigned    selected;          /* on the selected mailbox */
	int         argument;          /* which names a mailbox; 0: none */
	unsigned    named;             /* on that */
	int         parent_argument;   /* which names a mailbox to be made: create on its parent */
	bool        try_create;        /* as if it did not exist: TRYCREATE */
	unsigned    children;          /* on each mailbox below the named one, which goes along */
} needs[] = {
	{"SELECT", 0, 1, ACL_READ, 0, false, 0}, {"EXAMINE", 0, 1, ACL_READ, 0, false, 0}, {"STATUS", 0, 1, ACL_READ, 0, false, 0},
	{"CREATE", 0, 0, 0, 1, false, 0}, {"DELETE", 0, 1, ACL_DELETE, 0, false, 0}, {"RENAME", 0, 1, ACL_DELETE, 2, false, ACL_DELETE},
	{"SUBSCRIBE", 0, 1, ACL_LOOKUP, 0, false, 0},
	{"APPEND", 0, 1, ACL_INSERT, 0, true, 0}, {"COPY", ACL_READ, 2, ACL_INSERT, 0, true, 0},
	{"MOVE", ACL_READ | ACL_WRITE_DELETED | ACL_EXPUNGE, 2, ACL_INSERT, 0, true, 0},
	{"REPLACE", ACL_WRITE_DELETED | ACL_EXPUNGE, 2, ACL_INSERT, 0, true, 0}, {"EXPUNGE", ACL_EXPUNGE, 0, 0, 0, false, 0},
	{"FETCH", ACL_READ, 0, 0, 0, false, 0}, {"SEARCH", ACL_READ, 0, 0, 0, false, 0}, {"SORT", ACL_READ, 0, 0, 0, false, 0},
	{"THREAD", ACL_READ, 0, 0, 0, false, 0},
	{"SETACL", 0, 1, ACL_ADMIN, 0, false, 0}, {"DELETEACL", 0, 1, ACL_ADMIN, 0, false, 0}, {"GETACL", 0, 1, ACL_ADMIN, 0, false, 0},
	{"LISTRIGHTS", 0, 1, ACL_ADMIN, 0, false, 0}, {"MYRIGHTS", 0, 1, ANY, 0, false, 0},
	{"GETQUOTAROOT", 0, 1, ACL_READ, 0, false, 0}, {"GETMETADATA", 0, 1, ACL_LOOKUP | SOME_USE, 0, false, 0},
	{"SETMETADATA", 0, 1, ACL_LOOKUP | SOME_USE, 0, false, 0},
};

bool
acl_may_annotate(struct imap_session *s, struct space *in, const char *folder)
{
	unsigned rights = acl_rights_of(s, in, folder);

	return rights & ACL_LOOKUP && rights & USES;
}

static const struct argument *
argument_at(struct imap_session *s, int n)
{
	const struct argument *a = s->command.arguments;

	if (a && a->type == ARGUMENT_LIST && span_is_nocase(s->command.verb, "GETMETADATA"))
		a = a->next; /* its options come first */
	while (a && --n > 0)
		a = a->next;
	return a && argument_is_astring(a) ? a : NULL;
}

static bool
refuse(struct imap_session *s, const char *answer)
{
	imap_finish(s, "NO %s", answer);
	return false;
}

/* What is no name, or is not there, the command itself says; of others' mailboxes it is said here, with the
 * same words whether it is not there or not to be seen. */
static bool
named_permits(struct imap_session *s, const struct need *n)
{
	const struct argument *a = n->argument ? argument_at(s, n->argument) : NULL;
	autofree char         *folder = NULL;
	struct space          *in;
	struct fault           why = {0};
	unsigned               rights;

	if (!a || name_find(s, a->text, &in, &folder, &why) < 0)
		return !a || why.error != ENOENT
			|| refuse(s, n->try_create ? "[TRYCREATE] Mailbox doesn't exist." : "[NONEXISTENT] Mailbox doesn't exist.");
	if (in->kind == SPACE_OWN && !tree_exists(in->maildir, folder))
		return true;
	rights = rights_in(s, in, folder);
	if (n->named == ANY && rights & SOME_RIGHT && tree_exists(in->maildir, folder))
		return true;
	if (in->kind != SPACE_OWN && (!(rights & ACL_LOOKUP) || !tree_exists(in->maildir, folder)))
		return refuse(s, n->try_create ? "[TRYCREATE] Mailbox doesn't exist." : "[NONEXISTENT] Mailbox doesn't exist.");
	if (n->named & SOME_USE && rights & USES)
		rights |= SOME_USE;
	return (rights & n->named) == n->named || n->named == ANY || refuse(s, "[NOPERM] Permission denied.");
}

/* Create on the nearest mailbox above that there is (RFC 4314, 4); one's own top level is one's own. */
static bool
parent_permits(struct imap_session *s, const struct need *n)
{
	const struct argument *a = n->parent_argument ? argument_at(s, n->parent_argument) : NULL;
	autofree char         *folder = NULL;
	struct space          *in;
	struct fault           why = {0};

	if (!a || name_find(s, a->text, &in, &folder, &why) < 0)
		return !a || why.error != ENOENT || refuse(s, "[NOPERM] Permission denied.");
	if (!tree_nearest_above(in->maildir, folder) && in->kind == SPACE_OWN)
		return true;
	return rights_in(s, in, folder) & ACL_CREATE || refuse(s, "[NOPERM] Permission denied.");
}

/* RENAME takes each mailbox below away from its name, too (RFC 3501, 6.3.5), as if it was deleted there. */
static bool
children_permit(struct imap_session *s, const struct need *n)
{
	const struct argument *a = n->children ? argument_at(s, n->argument) : NULL;
	autofree char         *folder = NULL;
	struct space          *in;
	struct tree            t = {0};
	struct fault           why = {0};
	bool                   may = true;

	if (!a || name_find(s, a->text, &in, &folder, &why) < 0 || !*folder)
		return true;
	if (tree_list(in->maildir, &t, &why) < 0)
		return refuse(s, "[SERVERBUG] Mailboxes cannot be listed.");
	for (size_t i = 0; may && i < t.count; i++)
		if (span_starts(span_of(t.names[i]), folder) && t.names[i][strlen(folder)] == '.')
			may = (rights_in(s, in, t.names[i]) & n->children) == n->children;
	tree_free(&t);
	return may || refuse(s, "[NOPERM] Permission denied.");
}

/* One's own mailbox was looked at when it was selected: its owner cannot lose the right to read. */
static bool
selected_permits(struct imap_session *s, const struct need *n)
{
	if (!n->selected || !s->folder || (s->in->kind == SPACE_OWN && n->selected == ACL_READ))
		return true;
	return acl_may(s, n->selected) || refuse(s, "[NOPERM] Permission denied.");
}

bool
acl_permits(struct imap_session *s)
{
	if (!acl_is_on())
		return true;
	for (size_t i = 0; i < COUNT(needs); i++) {
		const struct need *n = &needs[i];

		if (span_is_nocase(s->command.verb, n->verb))
			return selected_permits(s, n) && named_permits(s, n) && parent_permits(s, n) && children_permit(s, n);
	}
	return true;
}

bool
acl_filter(struct imap_session *s, struct flag_change *c, bool named)
{
	const unsigned all = acl_flags(ACL_ALL);
	unsigned       may = acl_flags(acl_rights_of(s, s->in, s->folder->name));
	uint64_t       keywords = may & ACL_KEYWORDS ? c->keywords : 0;

	if (may == all)
		return true;
	/* of several one will do (4); to set none is to take off what may be taken off */
	if (!(c->flags & may) && !keywords && (c->flags || named || c->kind != FLAGS_SET || !may)) {
		imap_finish(s, "NO [NOPERM] Permission denied.");
		return false;
	}
	c->flags &= may;
	c->keywords = keywords;
	c->kept = (all & ~may) & MESSAGE_FLAGS;
	c->keeps_keywords = !(may & ACL_KEYWORDS);
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
take_mailbox(struct imap_session *s, struct space **in, struct text *told)
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
	folder = name_take(s, a, in);
	if (!folder)
		return NULL;
	if (!tree_exists((*in)->maildir, folder)) {
		imap_finish(s, "NO [NONEXISTENT] Mailbox doesn't exist.");
		return NULL;
	}
	name_of(*in, folder, told);
	return take(folder);
}

/* The rights are given; that others find the way to them is said in the log where it fails. */
static void
tell_others(struct imap_session *s, struct space *in)
{
	struct fault why = {0};

	acl_forget_list(in->maildir);
	if (in->owner && s->spaces && s->spaces->dictionary >= 0
		&& acl_shared_update(s->spaces->dictionary, spaces_dictionary(), in->maildir, in->owner, &why) < 0)
		log_error("imap(%s): acl_shared_dict: %s", s->user->name, fault_text(&why));
}

/* RFC 4314, 5.1.1: what may be set now. */
static void
tell_flags(struct imap_session *s)
{
	unsigned denied = acl_flags(ACL_ALL) & ~acl_flags(acl_rights_of(s, s->in, s->folder->name));

	if (denied == s->view.denied)
		return;
	s->view.denied = denied;
	view_tell_flags(&s->view, s->folder, &s->out);
}

static bool
is_for_all(struct span id)
{
	return span_is(id, "anyone") || span_is(id, "authenticated");
}

static void
change(struct imap_session *s, struct span letters, bool remove)
{
	autotext struct text told = {0}, id = {0};
	struct space        *in = NULL;
	autofree char       *folder = take_mailbox(s, &in, &told);
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
	if (!remove && !negative && kind != '-' && is_for_all(text_span(&id)) && !*imap_config.acl_anyone) {
		imap_finish(s, "BAD '%s' identifier is disallowed.", text_string(&id)); /* Dovecot's word */
		return;
	}
	if (acl_change(in->maildir, folder, text_span(&id), negative, kind, rights, &s->why) < 0) {
		imap_finish_fault(s, remove ? "Deleteacl failed" : "Setacl failed");
		return;
	}
	tell_others(s, in);
	if (s->folder && s->in == in && strcmp(s->folder->name, folder) == 0)
		tell_flags(s);
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
	struct space        *in = NULL;
	autofree char       *folder = take_mailbox(s, &in, &told);
	struct acl           a;

	if (!folder)
		return;
	if (acl_read(in->maildir, folder, &a, &s->why) < 0) {
		imap_finish_fault(s, "Getacl failed");
		return;
	}
	text_add_format(&own, "user=%s", in->owner ? in->owner : "");
	text_add_string(&s->out, "* ACL ");
	name_tell(s, text_span(&told), &s->out);
	if (in->owner && !acl_find(&a, SPAN("owner"), false) && !acl_find(&a, text_span(&own), false))
		add_pair(s, span_of(in->owner), ACL_ALL);
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
	struct space        *in = NULL;
	autofree char       *folder = take_mailbox(s, &in, &told);
	struct span          name = s->command.arguments->next->text;
	bool                 negative, owner;

	if (!folder)
		return;
	if (!id_parse(name, &id, &negative)) {
		imap_finish(s, "BAD Invalid identifier.");
		return;
	}
	owner = !negative && (span_is(name, "owner") || (in->owner && span_is(name, in->owner)));
	text_add_string(&s->out, "* LISTRIGHTS ");
	name_tell(s, text_span(&told), &s->out);
	text_add_byte(&s->out, ' ');
	name_add(name, &s->out);
	imap_say(s, owner ? " la r w s t i p e k x c d" : " \"\" l r w s t i p e k x a c d");
	imap_finish_synced(s, "OK Listrights completed.");
}

void
acl_tell_mine(struct imap_session *s, struct span name, struct space *in, const char *folder)
{
	text_add_string(&s->out, "* MYRIGHTS ");
	name_tell(s, name, &s->out);
	text_add_byte(&s->out, ' ');
	add_letters(rights_in(s, in, folder), &s->out);
	imap_say(s, "%s", "");
}

void
do_myrights(struct imap_session *s)
{
	autotext struct text told = {0};
	struct space        *in = NULL;
	autofree char       *folder = take_mailbox(s, &in, &told);

	if (!folder)
		return;
	acl_tell_mine(s, text_span(&told), in, folder);
	imap_finish_synced(s, "OK Myrights completed.");
}
