/* SPDX-License-Identifier: ISC */
/*
 * notify_filter.c - which mailboxes the groups of NOTIFY mean (RFC 5465, 6)
 */
#include "imap_config.h"
#include "names.h"
#include "notify.h"

bool
notify_is_below(const char *name, const char *parent)
{
	size_t len = strlen(parent);

	return len > 0 && strncmp(name, parent, len) == 0 && name[len] == '.';
}

size_t
notify_space_number(const struct imap_session *s, const struct space *in)
{
	return in && in->kind != SPACE_OWN ? (size_t)(in - s->spaces->at) + 1 : 0;
}

struct space *
notify_space(struct imap_session *s, size_t space)
{
	return space ? &s->spaces->at[space - 1] : &s->mine;
}

/* INBOX of another as Dovecot and SUBSCRIBE have it (do_mailbox.c). */
void
notify_subscription_name(struct imap_session *s, size_t space, const char *folder, struct text *out)
{
	if (space)
		name_of(notify_space(s, space), folder, out);
	else
		text_add_string(out, *folder ? folder : "INBOX");
	if (space && !*folder)
		text_add_format(out, "%sINBOX", imap_config.separator);
}

static bool
is_subscribed(struct imap_session *s, size_t space, const char *folder)
{
	autotext struct text name = {0};

	notify_subscription_name(s, space, folder, &name);
	return subscriptions_has(&s->notify->subscribed, text_span(&name));
}

/* Of others' mailboxes the whole name says what is below what. */
static bool
names_foreign(struct imap_session *s, const struct notify_group *g, size_t space, const char *folder, bool deep)
{
	autotext struct text full = {0};

	name_of(notify_space(s, space), folder, &full);
	for (size_t i = 0; i < g->name_count; i++) {
		struct span name = g->foreign[i];

		if (!name.len || full.len < name.len || memcmp(full.at, name.at, name.len) != 0)
			continue;
		if (full.len == name.len || (deep && full.at[name.len] == *imap_config.separator))
			return true;
	}
	return false;
}

static bool
names(const struct notify_group *g, const char *folder, bool deep)
{
	for (size_t i = 0; i < g->name_count; i++)
		if (g->folders[i] && (strcmp(g->folders[i], folder) == 0 || (deep && notify_is_below(folder, g->folders[i]))))
			return true;
	return false;
}

static bool
matches(struct imap_session *s, const struct notify_group *g, size_t space, const char *folder)
{
	switch (g->filter) {
	case NOTIFY_SELECTED:
	case NOTIFY_SELECTED_DELAYED:
		return false;
	case NOTIFY_INBOXES: /* 6.3: a user's script may deliver into any */
	case NOTIFY_PERSONAL:
		return space == 0;
	case NOTIFY_SUBSCRIBED:
		return is_subscribed(s, space, folder);
	case NOTIFY_SUBTREE:
	case NOTIFY_MAILBOXES:
		return space ? names_foreign(s, g, space, folder, g->filter == NOTIFY_SUBTREE) : names(g, folder, g->filter == NOTIFY_SUBTREE);
	}
	return false;
}

unsigned
notify_events_of(struct imap_session *s, size_t space, const char *folder)
{
	const struct notify *n = s->notify;
	unsigned             events = 0;

	for (size_t i = 0; i < n->request.count; i++)
		if (matches(s, &n->request.groups[i], space, folder))
			events |= n->request.groups[i].events;
	return events;
}

bool
notify_is_selected(const struct imap_session *s, size_t space, const char *folder)
{
	return s->folder && notify_space_number(s, s->in) == space && strcmp(s->folder->name, folder) == 0;
}
