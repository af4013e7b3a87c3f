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
has_children(struct notify *n, size_t space, const char *folder)
{
	size_t len = strlen(folder);

	for (size_t i = 0; len && i < n->count; i++)
		if (n->at[i].space == space && !(space && n->at[i].denied) && strncmp(n->at[i].folder, folder, len) == 0
			&& n->at[i].folder[len] == '.')
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
notify_tell_name(struct imap_session *s, size_t space, const char *folder, const char *old, unsigned flags)
{
	struct notify       *n = s->notify;
	autotext struct text name = {0}, before = {0}, subscribed = {0};

	name_of(notify_space(s, space), folder, &name);
	notify_subscription_name(s, space, folder, &subscribed);
	text_add_format(&s->out, "* LIST (%s%s", flags & NOTIFY_GONE ? "\\NonExistent " : "", flags & NOTIFY_NO_ACCESS ? "\\NoAccess " : "");
	if (subscriptions_has(&n->subscribed, text_span(&subscribed)))
		text_add_string(&s->out, "\\Subscribed ");
	text_add_string(&s->out, has_children(n, space, folder) ? "\\HasChildren" : "\\HasNoChildren");
	if (!(flags & NOTIFY_GONE) && !space)
		add_use(s, folder, text_span(&name), &s->out);
	text_add_string(&s->out, ") ");
	name_add_separator(&s->out);
	text_add_byte(&s->out, ' ');
	name_tell(s, text_span(&name), &s->out);
	if (old) {
		name_of(notify_space(s, space), old, &before);
		text_add_string(&s->out, " (\"OLDNAME\" (");
		name_tell(s, text_span(&before), &s->out);
		text_add_string(&s->out, "))");
	}
	imap_say(s, "%s", "");
}

/* Of a line of the list: whose, and which. False: nobody's whom this session sees. */
static bool
find_subscribed(struct imap_session *s, const char *subscribed, size_t *space, char **folder)
{
	struct space *in;

	if (!name_is_foreign(span_of(subscribed))) {
		*space = 0;
		*folder = mem_string(span_is_nocase(span_of(subscribed), "INBOX") ? "" : subscribed);
		return true;
	}
	if (name_find_stored(s, span_of(subscribed), &in, folder, NULL) < 0)
		return false;
	*space = notify_space_number(s, in);
	return true;
}

/* Those of `some` that `others` do not have; n->subscribed is the new list. */
static void
tell_changed(struct imap_session *s, const struct subscriptions *some, const struct subscriptions *others)
{
	for (size_t i = 0; i < some->count; i++) {
		autofree char *folder = NULL;
		size_t         space;

		if (subscriptions_has(others, span_of(some->names[i])) || !find_subscribed(s, some->names[i], &space, &folder))
			continue;
		bool there = imap_exists(s, notify_space(s, space), folder); /* the list may lag */

		for (size_t k = 0; k < s->notify->request.count; k++) /* "subscribed" meant it before, or does now */
			if (notify_events_of(s, space, folder) & NOTIFY_SUBSCRIPTION ||
			    (s->notify->request.groups[k].filter == NOTIFY_SUBSCRIBED && s->notify->request.groups[k].events & NOTIFY_SUBSCRIPTION)) {
				notify_tell_name(s, space, folder, NULL, there ? 0 : NOTIFY_GONE);
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
	notify_mailboxes_weigh(s);
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
	notify_mailboxes_weigh(s);
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

/* Mailboxes as keys call them, read once for all keys: in one's own list, and in that of their owner. */
struct owners { char (*guids)[40], **names; const struct notify *notify; size_t space; };   /* space: whose list it is */

static const struct notify_mailbox *
owner_of(const struct owners *o, struct span name)
{
	for (size_t i = 0; i < o->notify->count; i++)
		if (o->space ? o->notify->at[i].space == o->space && span_is(name, o->guids[i]) : span_is(name, o->names[i]))
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

	/* in another's file: what he shares; his private entries are his, and the server's are told by one's own */
	if (o->space && !span_starts(key, "shared/"))
		return;
	if (!metadata_of_key(key, &guid, &server, &entry) || (o->space && server) || !(m = owner_of(o, guid)))
		return;
	if (!(server ? s->notify->others & NOTIFY_SERVER_METADATA : m->events & NOTIFY_METADATA) || m->denied)
		return;
	if (server)
		text_add_string(&s->out, "* METADATA \"\" ");
	else {
		name_of(notify_space(s, m->space), m->folder, &name);
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

static void
look_at_list(struct imap_session *s, struct owners *o)
{
	struct notify    *n = s->notify;
	struct attributes a = {0};
	struct strmap    *was = n->metadata[o->space];

	if (attributes_read(notify_space(s, o->space)->maildir, &a, &s->why) < 0) {
		fault_clear(&s->why);
		return;
	}
	n->metadata[o->space] = hash_all(&a);
	attributes_free(&a);
	tell_keys(s, o, n->metadata[o->space], was, true);
	tell_keys(s, o, was, n->metadata[o->space], false);
	strmap_free(was, NULL);
}

void
notify_metadata_look(struct imap_session *s)
{
	struct notify *n = s->notify;
	struct owners  o = {arena_alloc(s->arena, (n->count + 1) * 40), arena_alloc(s->arena, (n->count + 1) * sizeof(char *)), n, 0};

	n->metadata_dirty = false;
	if (!(n->others & (NOTIFY_METADATA | NOTIFY_SERVER_METADATA)))
		return;
	for (size_t i = 0; i < n->count; i++) {
		struct space *in = notify_space(s, n->at[i].space);

		if (!attributes_mailbox_guid(in->maildir, n->at[i].folder, o.guids[i]))
			o.guids[i][0] = '\0';
		o.names[i] = metadata_mailbox(s->arena, in, o.guids[i]);
	}
	for (; o.space < n->space_count; o.space++)
		look_at_list(s, &o);
}

void
notify_own_metadata(struct imap_session *s, const struct space *in, const struct attribute_change *changes, size_t count)
{
	struct notify *n = s->notify;
	size_t         space = notify_space_number(s, in);

	if (!n || !n->others || space >= n->space_count)
		return;
	for (size_t i = 0; i < count; i++) {
		if (changes[i].remove)
			strmap_remove(n->metadata[space], changes[i].key);
		else
			strmap_put(n->metadata[space], changes[i].key, hash_of(changes[i].value));
	}
}

int
notify_names_start(struct imap_session *s, struct notify *n)
{
	if (subscriptions_read(s->maildir, &n->subscribed, &s->why) < 0)
		return -1;
	for (size_t space = 0; space < n->space_count; space++) {
		struct attributes a = {0};

		if (attributes_read(notify_space(s, space)->maildir, &a, &s->why) < 0) {
			if (!space)
				return -1;
			fault_clear(&s->why);
		}
		strmap_free(n->metadata[space], NULL);
		n->metadata[space] = hash_all(&a);
		attributes_free(&a);
	}
	return 0;
}
