/* SPDX-License-Identifier: ISC */
/*
 * metadata.c - what annotations are called (RFC 5464), special uses (RFC 6154), mailboxes that come and go
 */
#include "metadata.h"

#include <string.h>

#include "base/log.h"
#include "imap_config.h"

/* RFC 5464, 3.2: "vendor" and "vendor/token" have no value, only what is below them. */
static bool
is_above_vendor(struct span e)
{
	struct span vendor;

	span_split(&e, '/', &vendor);
	return span_is_nocase(vendor, "vendor") && !span_has(e, '/');
}

bool
metadata_is_path(struct span e)
{
	if (e.len > METADATA_ENTRY_MOST || span_ends(e, "/") || span_find_text(e, SPAN("//")) >= 0
		|| span_find_any(e, "*%") >= 0)
		return false;
	for (size_t i = 0; i < e.len; i++)
		if ((unsigned char)e.at[i] < ' ' || (unsigned char)e.at[i] >= 0x7f)
			return false;
	return (span_starts_nocase(e, "/private/") && e.len > 9) || (span_starts_nocase(e, "/shared/") && e.len > 8);
}

bool
metadata_is_entry(struct span e)
{
	return metadata_is_path(e) && !is_above_vendor(span_from(e, span_starts_nocase(e, "/private/") ? 9 : 8));
}

/* A new mailbox gets its uidlist, and so its GUID, when it is opened. */
static bool
find_guid(struct space *in, const char *folder, bool make, char guid[40])
{
	struct folder *f;

	if (attributes_mailbox_guid(in->maildir, folder, guid))
		return true;
	if (!make || folder_open(in->maildir, folder, FOLDER_READ_ONLY, &f, NULL) < 0)
		return false;
	memcpy(guid, f->list.guid, 40);
	folder_close(f);
	return guid[0] != '\0';
}

bool
imap_folder_guid(struct imap_session *s, struct space *in, const char *folder, char guid[40])
{
	(void)s;
	return find_guid(in, folder, true, guid);
}

/* Keys are in small letters, and their parts are divided by "/". */
static void
add_part(struct text *out, const char *s)
{
	for (; *s; s++)
		if (strchr("/%@", *s) || *s <= ' ' || (*s >= 'A' && *s <= 'Z'))
			text_add_format(out, "%%%02x", (unsigned char)*s);
		else
			text_add_byte(out, *s);
}

char *
metadata_mailbox(struct arena *arena, const struct space *in, const char *guid)
{
	autotext struct text out = {0};

	if (in->kind == SPACE_OWN)
		return arena_string(arena, span_of(guid));
	add_part(&out, guid);
	text_add_byte(&out, '@');
	add_part(&out, in->owner ? in->owner : in->prefix);
	return arena_string(arena, text_span(&out));
}

bool
metadata_key(struct imap_session *s, struct space *in, const char *folder, struct span entry, bool make, struct text *key)
{
	bool private = span_starts_nocase(entry, "/private");
	char guid[40];

	if (!find_guid(folder ? in : &s->mine, folder ? folder : "", make, guid))
		return false;
	entry = span_from(entry, private ? 9 : 8);
	text_add_format(key, "%s/%s/%s%.*s", private ? "priv" : "shared",
		private && folder ? metadata_mailbox(s->arena, in, guid) : guid, folder ? "" : METADATA_SERVER, SPAN_ARGS(entry));
	if (!entry.len)                /* "/private" itself: what is below it */
		text_cut(key, key->len - 1);
	text_lower(key);
	return true;
}

bool
metadata_of_key(struct span key, struct span *guid, bool *server, struct text *entry)
{
	struct span kind;

	if (!span_split(&key, '/', &kind) || !span_split(&key, '/', guid)
		|| (!span_is(kind, "priv") && !span_is(kind, "shared")))
		return false;
	*server = span_starts(key, METADATA_SERVER);
	if (*server)
		key = span_from(key, sizeof METADATA_SERVER - 1);
	text_add_format(entry, "/%s/%.*s", span_is(kind, "priv") ? "private" : "shared", SPAN_ARGS(key));
	return true;
}

bool
special_use_is_known(struct span use)
{
	static const char *const known[] = {"\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash",
		"\\Important", "\\Flagged", "\\All"};

	for (size_t i = 0; i < COUNT(known); i++)
		if (span_is_nocase(use, known[i]))
			return true;
	return false;
}

struct span
special_use_of(struct imap_session *s, const struct attributes *a, const char *folder, struct span name)
{
	struct span             uses = span_of(imap_config.special_use), use;
	autotext struct text    key = {0};
	const struct attribute *set;

	if (a->count && metadata_key(s, &s->mine, folder, SPAN("/private/specialuse"), false, &key)
		&& (set = attributes_find(a, text_span(&key))))
		return text_span(&set->value);
	while (span_next(&uses, " \t", &use)) {
		ptrdiff_t at = span_find_last(use, '=');

		if (at > 0 && span_equal(span_first(use, (size_t)at), name))
			return span_from(use, (size_t)at + 1);
	}
	return SPAN_NONE;
}

/* ---- mailboxes that come and go ---- */

/* Keys "priv/MAILBOX/..." and "shared/MAILBOX/..." of one mailbox; not the server's, which lie with INBOX's. */
static bool
is_key_of(struct span key, const char *mailbox, struct span *kind, struct span *rest)
{
	struct span id;

	*rest = key;
	return span_split(rest, '/', kind) && span_split(rest, '/', &id) && span_is_nocase(id, mailbox)
		&& !span_starts(*rest, METADATA_SERVER);
}

int
metadata_copy(struct imap_session *s, const char *from, const char *to)
{
	struct attributes        all;
	struct attribute_change *changes;
	size_t                   count = 0;
	char                     old[40], new[40];
	int                      result = 0;

	if (!find_guid(&s->mine, from, false, old) || !find_guid(&s->mine, to, true, new))
		return 0;
	if (attributes_read(s->maildir, &all, &s->why) < 0)
		return -1;
	changes = arena_alloc(s->arena, (all.count + 1) * sizeof *changes);
	for (size_t i = 0; i < all.count; i++) {
		struct span kind, rest;

		if (is_key_of(text_span(&all.at[i].key), old, &kind, &rest) && !span_is_nocase(rest, "specialuse"))
			changes[count++] = (struct attribute_change){span_of(arena_format(s->arena, "%.*s/%s/%.*s", SPAN_ARGS(kind), new,
				SPAN_ARGS(rest))), arena_span(s->arena, text_span(&all.at[i].value)), false};
	}
	if (count)
		result = attributes_change(s->maildir, changes, count, &s->why);
	attributes_free(&all);
	return result;
}

/* In one Maildir.  What cannot be removed now does no harm but for its place: a new mailbox has a new GUID. */
static void
forget_in(struct imap_session *s, struct maildir *m, const char *mailbox)
{
	struct attributes        all;
	struct attribute_change *changes;
	size_t                   count = 0;
	struct fault             why = {0};

	if (attributes_read(m, &all, NULL) < 0)
		return;
	changes = arena_alloc(s->arena, (all.count + 1) * sizeof *changes);
	for (size_t i = 0; i < all.count; i++) {
		struct span key = arena_span(s->arena, text_span(&all.at[i].key)), kind, rest;

		if (is_key_of(key, mailbox, &kind, &rest))
			changes[count++] = (struct attribute_change){key, SPAN_NONE, true};
	}
	attributes_free(&all);
	if (count && attributes_change(m, changes, count, &why) < 0)
		log_warning("imap(%s): annotations: %s", s->user->name, fault_text(&why));
}

void
metadata_forget(struct imap_session *s, struct space *in, const char *guid)
{
	forget_in(s, s->maildir, metadata_mailbox(s->arena, in, guid));
	if (in->kind != SPACE_OWN)
		forget_in(s, in->maildir, guid);
}
