/* SPDX-License-Identifier: ISC */
/*
 * do_metadata.c - GETMETADATA and SETMETADATA (RFC 5464), and what LIST tells of annotations (RFC 9590)
 */
#include <stdlib.h>

#include "acl.h"
#include "base/log.h"
#include "imap_config.h"
#include "mail/imap_body.h"
#include "metadata.h"
#include "names.h"
#include "notify.h"
#include "search_run.h"
#include "store/history.h"

/* ---- what is asked ---- */

struct asking {
	struct imap_session    *session;
	struct space           *in;
	const char             *folder;      /* NULL: the server */
	struct span             name;        /* as it is told */
	struct attributes       attributes;  /* of the user's own Maildir */
	struct attributes       theirs;      /* of another's: what is shared */
	uint64_t                most;        /* MAXSIZE */
	unsigned                depth;       /* 0, 1, or many */
	uint64_t                longest;     /* of what was left out */
	bool                    any;
};

static void
add_value(struct asking *q, struct span entry, const struct attribute *a)
{
	struct text *out = &q->session->out;

	if (a && a->value.len > q->most) {
		if (a->value.len > q->longest)
			q->longest = a->value.len;
		return;
	}
	if (!q->any) {
		text_add_string(out, "* METADATA ");
		if (q->folder)
			name_tell(q->session, q->name, out);
		else
			text_add_string(out, "\"\"");
		text_add_string(out, " (");
	}
	text_add_string(out, q->any ? " " : "");
	q->any = true;
	name_add(entry, out);
	text_add_byte(out, ' ');
	if (!a)
		text_add_string(out, "NIL");
	else if (span_has(text_span(&a->value), '\0'))
		text_add_format(out, "~{%zu}\r\n", a->value.len), text_add(out, text_span(&a->value));
	else
		imap_add_string(text_span(&a->value), out);
}

static void
add_below(struct asking *q, const struct attributes *all, struct span entry, struct span key)
{
	for (size_t i = 0; i < all->count; i++) {
		struct span          k = text_span(&all->at[i].key), tail;
		autotext struct text full = {0};

		if (k.len <= key.len + 1 || !span_equal_nocase(span_first(k, key.len), key) || k.at[key.len] != '/')
			continue;
		tail = span_from(k, key.len);
		if (q->folder && span_find_text(k, SPAN("/" METADATA_SERVER)) > 0)
			continue;              /* the server's, which lie with INBOX's */
		if (q->depth == 1 && span_find(span_from(tail, 1), '/') >= 0)
			continue;
		text_add(&full, entry);
		text_add(&full, tail);
		add_value(q, text_span(&full), &all->at[i]);
	}
}

static void
add_entry(struct asking *q, struct span entry)
{
	autotext struct text     key = {0};
	bool                     shared = q->folder && q->in->kind != SPACE_OWN && span_starts_nocase(entry, "/shared");
	const struct attributes *all = shared ? &q->theirs : &q->attributes;

	if (!metadata_key(q->session, q->in, q->folder, entry, false, &key)) {
		add_value(q, entry, NULL);
		return;
	}
	const struct attribute *a = attributes_find(all, text_span(&key));

	if (a || q->depth == 0)
		add_value(q, entry, a);
	if (q->depth)
		add_below(q, all, entry, text_span(&key));
}

/* The administrator's word; a file of one user cannot be it (RFC 5464, 3.2.1.1). */
static const struct { const char *entry, **value; } of_the_server[] = {
	{"/shared/admin", &imap_config.server_admin}, {"/shared/comment", &imap_config.server_comment},
};

static bool
is_of_the_server(struct span entry)
{
	for (size_t i = 0; i < COUNT(of_the_server); i++)
		if (span_is_nocase(entry, of_the_server[i].entry))
			return true;
	return false;
}

static void
put_server_entries(struct imap_session *s, struct attributes *all)
{
	for (size_t i = 0; i < COUNT(of_the_server); i++) {
		autotext struct text key = {0};
		struct span          value = span_of(*of_the_server[i].value);

		if (metadata_key(s, &s->mine, NULL, span_of(of_the_server[i].entry), true, &key))
			attributes_apply(all, &(struct attribute_change){text_span(&key), value, value.len == 0});
	}
}

static int
read_theirs(struct asking *q)
{
	return q->in->kind == SPACE_OWN ? 0 : attributes_read(q->in->maildir, &q->theirs, &q->session->why);
}

static void
end_answer(struct asking *q)
{
	if (q->any)
		imap_say(q->session, ")");
}

void
metadata_tell(struct imap_session *s, const struct attributes *a, struct span name, struct space *in, const char *folder,
	const struct argument *entries)
{
	struct asking q = {.session = s, .in = in, .folder = folder, .name = name, .attributes = *a, .most = UINT64_MAX};

	if (read_theirs(&q) < 0)
		return;
	for (const struct argument *e = entries->children; e; e = e->next)
		add_entry(&q, e->text);
	end_answer(&q);
	attributes_free(&q.theirs);
}

/* The mailbox; "" is the server.  False: answered. */
static bool
find_mailbox(struct imap_session *s, const struct argument *a, struct space **in, char **folder, bool *server)
{
	*in = &s->mine;
	*server = argument_is_astring(a) && a->text.len == 0;
	return *server || (*folder = name_take_existing(s, a, "NONEXISTENT", in));
}

static bool
parse_options(const struct argument *list, struct asking *q)
{
	if (list->count == 0)
		return false;
	for (const struct argument *a = list->children; a; a = a->next) {
		const struct argument *value = a->next;

		if (!value || value->type != ARGUMENT_ATOM)
			return false;
		if (argument_is_atom(a, "MAXSIZE") && span_number(value->text, &q->most))
			a = value;
		else if (argument_is_atom(a, "DEPTH") && argument_is_atom(value, "0"))
			q->depth = 0, a = value;
		else if (argument_is_atom(a, "DEPTH") && argument_is_atom(value, "1"))
			q->depth = 1, a = value;
		else if (argument_is_atom(a, "DEPTH") && argument_is_atom(value, "infinity"))
			q->depth = 2, a = value;
		else
			return false;
	}
	return true;
}

/* With a depth also what is above entries, and has no value itself. */
static bool
is_wanted_entry(struct span e, unsigned depth)
{
	return metadata_is_entry(e)
		|| (depth && (metadata_is_path(e) || span_is_nocase(e, "/private") || span_is_nocase(e, "/shared")));
}

static bool
are_entries(const struct argument *a, unsigned depth)
{
	if (!a || a->next)
		return false;
	if (a->type != ARGUMENT_LIST)
		return is_wanted_entry(a->text, depth);
	for (const struct argument *e = a->children; e; e = e->next)
		if (!argument_is_astring(e) || !is_wanted_entry(e->text, depth))
			return false;
	return a->count > 0;
}

void
do_getmetadata(struct imap_session *s)
{
	const struct argument *a = s->command.arguments, *entries;
	struct asking          q = {.session = s, .most = UINT64_MAX};
	autofree char         *folder = NULL;
	autotext struct text   told = {0};
	bool                   server;

	if (a->type == ARGUMENT_LIST) { /* RFC 5464, 4.2: options first (erratum 1691 says so) */
		if (!parse_options(a, &q)) {
			imap_bad_arguments(s);
			return;
		}
		a = a->next;
	}
	entries = a ? a->next : NULL;
	if (entries && entries->next && entries->type == ARGUMENT_LIST) {
		if (!parse_options(entries, &q)) {
			imap_bad_arguments(s);
			return;
		}
		entries = entries->next;
	}
	if (!are_entries(entries, q.depth)) {
		imap_finish(s, "BAD Invalid entry name.");
		return;
	}
	if (!find_mailbox(s, a, &q.in, &folder, &server))
		return;
	if (read_theirs(&q) < 0 || attributes_read(s->maildir, &q.attributes, &s->why) < 0) {
		attributes_free(&q.theirs);
		imap_finish_fault(s, "Annotations cannot be read");
		return;
	}
	q.folder = server ? NULL : folder;
	if (server)
		put_server_entries(s, &q.attributes);
	else
		name_of(q.in, folder, &told);
	q.name = text_span(&told);
	if (entries->type != ARGUMENT_LIST)
		add_entry(&q, entries->text);
	else
		for (const struct argument *e = entries->children; e; e = e->next)
			add_entry(&q, e->text);
	end_answer(&q);
	attributes_free(&q.attributes);
	attributes_free(&q.theirs);
	if (q.longest)
		imap_finish_synced(s, "OK [METADATA LONGENTRIES %llu] Getmetadata completed.",
			(unsigned long long)q.longest);
	else
		imap_finish_synced(s, "OK Getmetadata completed.");
}

/* What surely fits into a command beside names. */
static size_t
longest_value(void)
{
	return (size_t)imap_config.max_line_length - METADATA_LINE_REST;
}

void
metadata_too_long(struct imap_session *s)
{
	imap_finish(s, "NO [METADATA MAXSIZE %zu] A value is too long.", longest_value());
}

static bool
is_filter(struct span entry)
{
	return span_starts_nocase(entry, "/private/filters/values/") || span_starts_nocase(entry, "/shared/filters/values/");
}

static bool
is_good_value(const struct argument *entry, const struct argument *value)
{
	if (!value || value->type == ARGUMENT_LIST)
		return false;
	return !span_is_nocase(entry->text, "/private/specialuse") || argument_is_atom(value, "NIL")
		|| value->text.len == 0 || special_use_is_known(value->text);
}

/* RFC 7162, 3.2: whoever asks for HIGHESTMODSEQ sees that something changed.  The index is a cache: when it
 * cannot be opened now there is nobody who could be told. */
static void
raise_modseq(struct imap_session *s, struct space *in, const char *folder)
{
	struct folder *f;

	if (s->folder && s->in == in && strcmp(s->folder->name, folder) == 0)
		history_raise(s->folder);
	else if (imap_open_in(s, in, folder, FOLDER_READ_ONLY, &f) == 0) {
		history_raise(f);
		folder_close(f);
	}
	fault_clear(&s->why);
}

/* What a command sets: among one's own annotations, and among those that all who share the mailbox see. */
struct change_set {
	struct space            *in;
	const char              *folder;   /* NULL: of the server */
	struct attribute_change *own, *theirs;
	size_t                   own_count, their_count;
	bool                     too_long, denied;
};

/* False: there was a reply. */
static bool
add_setting(struct imap_session *s, struct change_set *all, const struct argument *entry, const struct argument *value)
{
	bool                    is_nil = argument_is_atom(value, "NIL");
	autotext struct text    key = {0};
	struct attribute_change one;

	if (!argument_is_astring(entry) || !metadata_is_entry(entry->text) || !is_good_value(entry, value)) {
		imap_finish(s, "BAD Invalid entry or value.");
		return false;
	}
	if (!all->folder && !is_nil && is_filter(entry->text) && !search_is_program(s, value->text)) {
		imap_finish(s, "NO [CANNOT] That is no search program."); /* RFC 5466, 3.2 */
		return false;
	}
	all->too_long |= value->text.len > longest_value();
	all->denied |= !all->folder && is_of_the_server(entry->text);
	if (!metadata_key(s, all->in, all->folder, entry->text, true, &key)) {
		imap_finish(s, "NO [SERVERBUG] The mailbox has no identity.");
		return false;
	}
	one = (struct attribute_change){arena_span(s->arena, text_span(&key)), value->text, is_nil};
	if (all->in->kind != SPACE_OWN && span_starts_nocase(entry->text, "/shared/"))
		all->theirs[all->their_count++] = one;
	else
		all->own[all->own_count++] = one;
	return true;
}

/* False: there was a reply. */
static bool
may_be_set(struct imap_session *s, const struct change_set *all)
{
	if (all->denied)
		imap_finish(s, "NO [NOPERM] The administrator says that.");
	else if (all->too_long)
		metadata_too_long(s);
	else if (all->their_count && !(acl_rights_of(s, all->in, all->folder) & ACL_WRITE))
		imap_finish(s, "NO [NOPERM] Permission denied."); /* RFC 5464, 5 */
	else
		return true;
	return false;
}

/* RFC 5464, 4.3: all or none, though two files hold them: what was changed in the first is put back when the second fails. */
static int
change_both(struct imap_session *s, const struct change_set *all)
{
	struct attributes        before = {0};
	struct attribute_change *back = arena_alloc(s->arena, (all->their_count + 1) * sizeof *back);
	struct fault             why = {0};
	int                      result = 0;

	if (all->their_count && all->own_count && attributes_read(all->in->maildir, &before, &s->why) < 0)
		return -1;
	for (size_t i = 0; i < all->their_count; i++) {
		const struct attribute *was = attributes_find(&before, all->theirs[i].key);

		back[i] = (struct attribute_change){all->theirs[i].key, was ? text_span(&was->value) : SPAN_NONE, !was};
	}
	if (all->their_count)
		result = attributes_change(all->in->maildir, all->theirs, all->their_count, &s->why);
	if (result == 0 && all->own_count && (result = attributes_change(s->maildir, all->own, all->own_count, &s->why)) < 0 &&
	    all->their_count && attributes_change(all->in->maildir, back, all->their_count, &why) < 0)
		log_error("imap(%s): %s: annotations are half set: %s", s->user->name, all->folder, fault_text(&why));
	attributes_free(&before);
	return result;
}

void
do_setmetadata(struct imap_session *s)
{
	const struct argument *name = s->command.arguments, *list = name->next;
	struct change_set      all = {0};
	autofree char         *folder = NULL;
	bool                   server;

	if (list->type != ARGUMENT_LIST || list->count == 0 || list->count % 2 != 0) {
		imap_bad_arguments(s);
		return;
	}
	if (!find_mailbox(s, name, &all.in, &folder, &server))
		return;
	all.folder = server ? NULL : folder;
	all.own = arena_alloc(s->arena, list->count * sizeof *all.own);
	all.theirs = arena_alloc(s->arena, list->count * sizeof *all.theirs);
	for (const struct argument *a = list->children; a; a = a->next->next)
		if (!add_setting(s, &all, a, a->next))
			return;
	if (!may_be_set(s, &all))
		return;
	if (change_both(s, &all) == 0) {
		notify_own_metadata(s, &s->mine, all.own, all.own_count);
		notify_own_metadata(s, all.in, all.theirs, all.their_count);
		if (!server)
			raise_modseq(s, all.in, folder);
		imap_finish_synced(s, "OK Setmetadata completed.");
	} else if (s->why.class == FAULT_DENIED)
		imap_finish(s, "NO [METADATA TOOMANY] Too many annotations.");
	else
		imap_finish_fault(s, "Setmetadata failed");
}
