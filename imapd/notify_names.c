/* SPDX-License-Identifier: ISC */
/*
 * notify_names.c - LIST and METADATA responses that nobody asked for (RFC 5465, 5.4 to 5.7)
 */
#include <stdlib.h>

#include "imap_config.h"
#include "metadata.h"
#include "names.h"
#include "notify.h"
#include "store/tree.h"

/* ------------------------------------------------------------ names and subscriptions */

static bool
has_children(struct notify *n, const char *folder)
{
	size_t len = strlen(folder);

	for (size_t i = 0; len && i < n->count; i++)
		if (strncmp(n->at[i].folder, folder, len) == 0 && n->at[i].folder[len] == '.')
			return true;
	return false;
}

static void
add_use(struct imap_session *s, const char *folder, struct span name, struct text *out)
{
	struct attributes a = {0};
	struct span       use;

	if (attributes_read(s->maildir, &a, &s->why) < 0)
		fault_clear(&s->why);
	use = special_use_of(s, &a, folder, name);
	if (use.len)
		text_add_format(out, " %.*s", SPAN_ARGS(use));
	attributes_free(&a);
}

void
notify_tell_name(struct imap_session *s, const char *folder, const char *old, unsigned flags)
{
	struct notify       *n = s->notify;
	autotext struct text name = {0}, before = {0};

	name_of_folder(folder, &name);
	text_add_format(&s->out, "* LIST (%s%s", flags & NOTIFY_GONE ? "\\NonExistent " : "", flags & NOTIFY_NO_ACCESS ? "\\NoAccess " : "");
	if (subscriptions_has(&n->subscribed, *folder ? span_of(folder) : SPAN("INBOX")))
		text_add_string(&s->out, "\\Subscribed ");
	text_add_string(&s->out, has_children(n, folder) ? "\\HasChildren" : "\\HasNoChildren");
	if (!(flags & NOTIFY_GONE))
		add_use(s, folder, text_span(&name), &s->out);
	text_add_string(&s->out, ") ");
	name_add_separator(&s->out);
	text_add_byte(&s->out, ' ');
	name_tell(s, text_span(&name), &s->out);
	if (old) {
		name_of_folder(old, &before);
		text_add_string(&s->out, " (\"OLDNAME\" (");
		name_tell(s, text_span(&before), &s->out);
		text_add_string(&s->out, "))");
	}
	imap_say(s, "%s", "");
}

static const char *
folder_of(const char *subscribed)
{
	return span_is_nocase(span_of(subscribed), "INBOX") ? "" : subscribed;
}

/* Those of `some` that `others` do not have; n->subscribed is the new list. */
static void
tell_changed(struct imap_session *s, const struct subscriptions *some, const struct subscriptions *others)
{
	for (size_t i = 0; i < some->count; i++) {
		const char *folder = folder_of(some->names[i]);
		bool        there = tree_exists(s->maildir, folder); /* the list may lag */

		if (subscriptions_has(others, span_of(some->names[i])))
			continue;
		for (size_t k = 0; k < s->notify->request.count; k++) /* "subscribed" meant it before, or does now */
			if (notify_events_of(s->notify, folder) & NOTIFY_SUBSCRIPTION ||
			    (s->notify->request.groups[k].filter == NOTIFY_SUBSCRIBED && s->notify->request.groups[k].events & NOTIFY_SUBSCRIPTION)) {
				notify_tell_name(s, folder, NULL, there ? 0 : NOTIFY_GONE);
				break;
			}
	}
}

void
notify_subscribed_look(struct imap_session *s)
{
	struct notify       *n = s->notify;
	struct subscriptions was = n->subscribed;

	n->subscribed_dirty = false;
	n->subscribed = (struct subscriptions){0};
	if (subscriptions_read(s->maildir, &n->subscribed, &s->why) < 0) {
		fault_clear(&s->why);
		n->subscribed = was;
		return;
	}
	tell_changed(s, &n->subscribed, &was);
	tell_changed(s, &was, &n->subscribed);
	subscriptions_free(&was);
	notify_mailboxes_weigh(n);
}

void
notify_own_subscription(struct imap_session *s, struct span name, bool add)
{
	struct notify *n = s->notify;
	size_t         kept = 0;

	if (!n || !n->others)
		return;
	for (size_t i = 0; i < n->subscribed.count; i++) {
		if (span_is(name, n->subscribed.names[i]))
			free(n->subscribed.names[i]);
		else
			n->subscribed.names[kept++] = n->subscribed.names[i];
	}
	n->subscribed.count = kept;
	if (add) {
		n->subscribed.names = mem_grow(n->subscribed.names, kept + 1, sizeof *n->subscribed.names);
		n->subscribed.names[n->subscribed.count++] = mem_span(name);
	}
	notify_mailboxes_weigh(n);
}

/* ------------------------------------------------------------ annotations */

/* FNV-1a; never 0, which strmap would take for none. */
static void *
hash_of(struct span value)
{
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < value.len; i++)
		h = (h ^ (unsigned char)value.at[i]) * 1099511628211u;
	return (void *)(uintptr_t)(h | 1);
}

static struct strmap *
hash_all(const struct attributes *a)
{
	struct strmap *map = strmap_new();

	for (size_t i = 0; i < a->count; i++)
		strmap_put(map, text_span(&a->at[i].key), hash_of(text_span(&a->at[i].value)));
	return map;
}

/* Mailboxes by their GUIDs, read once for all keys. */
struct owners { char (*guids)[40]; const struct notify *notify; };

static const struct notify_mailbox *
owner_of(const struct owners *o, struct span guid)
{
	for (size_t i = 0; i < o->notify->count; i++)
		if (span_is(guid, o->guids[i]))
			return &o->notify->at[i];
	return NULL;
}

static void
tell_key(struct imap_session *s, const struct owners *o, struct span key)
{
	const struct notify_mailbox *m;
	autotext struct text         entry = {0}, name = {0};
	struct span                  guid;
	bool                         server;

	if (!metadata_of_key(key, &guid, &server, &entry) || !(m = owner_of(o, guid)))
		return;
	if (!(server ? s->notify->others & NOTIFY_SERVER_METADATA : m->events & NOTIFY_METADATA) || m->denied)
		return;
	if (server)
		text_add_string(&s->out, "* METADATA \"\" ");
	else {
		name_of_folder(m->folder, &name);
		text_add_string(&s->out, "* METADATA ");
		name_tell(s, text_span(&name), &s->out);
		text_add_byte(&s->out, ' ');
	}
	name_add(text_span(&entry), &s->out);
	imap_say(s, "%s", "");
}

/* Keys whose values differ from those in `then`, or are not there. */
static void
tell_keys(struct imap_session *s, const struct owners *o, struct strmap *now, struct strmap *then, bool changed)
{
	struct span key;
	void       *value;

	for (size_t at = 0; strmap_next(now, &at, &key, &value);) {
		void *other = strmap_get(then, key);

		if (!other || (changed && other != value))
			tell_key(s, o, key);
	}
}

void
notify_metadata_look(struct imap_session *s)
{
	struct notify    *n = s->notify;
	struct attributes a = {0};
	struct owners     o = {arena_alloc(s->arena, (n->count + 1) * 40), n};
	struct strmap    *was = n->metadata;

	n->metadata_dirty = false;
	if (!(n->others & (NOTIFY_METADATA | NOTIFY_SERVER_METADATA)))
		return;
	if (attributes_read(s->maildir, &a, &s->why) < 0) {
		fault_clear(&s->why);
		return;
	}
	n->metadata = hash_all(&a);
	attributes_free(&a);
	for (size_t i = 0; i < n->count; i++)
		if (!attributes_mailbox_guid(s->maildir, n->at[i].folder, o.guids[i]))
			o.guids[i][0] = '\0';
	tell_keys(s, &o, n->metadata, was, true);
	tell_keys(s, &o, was, n->metadata, false);
	strmap_free(was, NULL);
}

void
notify_own_metadata(struct imap_session *s, const struct attribute_change *changes, size_t count)
{
	struct notify *n = s->notify;

	if (!n || !n->others)
		return;
	for (size_t i = 0; i < count; i++) {
		if (changes[i].remove)
			strmap_remove(n->metadata, changes[i].key);
		else
			strmap_put(n->metadata, changes[i].key, hash_of(changes[i].value));
	}
}

int
notify_names_start(struct imap_session *s, struct notify *n)
{
	struct attributes a = {0};

	if (subscriptions_read(s->maildir, &n->subscribed, &s->why) < 0 || attributes_read(s->maildir, &a, &s->why) < 0)
		return -1;
	strmap_free(n->metadata, NULL);
	n->metadata = hash_all(&a);
	attributes_free(&a);
	return 0;
}
