/* SPDX-License-Identifier: ISC */
/*
 * do_mailbox.c - CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE
 */
#include <stdlib.h>

#include "acl.h"
#include "imap_config.h"
#include "metadata.h"
#include "names.h"
#include "notify.h"
#include "session.h"
#include "store/lazy.h"
#include "store/place.h"
#include "store/quota.h"
#include "store/subscriptions.h"
#include "store/tree.h"

/* "(USE (\\Drafts))" (RFC 6154, 3): the use, empty when none is named; false: answered. */
static bool
parse_use(struct imap_session *s, const struct argument *list, struct span *use)
{
	const struct argument *uses;

	*use = SPAN_NONE;
	if (!list)
		return true;
	uses = list->type == ARGUMENT_LIST && list->count == 2 && argument_is_atom(list->children, "USE")
		? list->children->next : NULL;
	if (!uses || uses->type != ARGUMENT_LIST) {
		imap_bad_arguments(s);
		return false;
	}
	for (const struct argument *a = uses->children; a; a = a->next)
		if (uses->count > 1 || !argument_is_astring(a) || !special_use_is_known(a->text)
			|| span_is_nocase(a->text, "\\All") || span_is_nocase(a->text, "\\Flagged")) {
			imap_finish(s, "NO [USEATTR] A mailbox cannot be for that.");
			return false;
		}
	*use = uses->children ? uses->children->text : SPAN_NONE;
	return true;
}

static int
keep_use(struct imap_session *s, const char *folder, struct span use)
{
	autotext struct text    key = {0};
	struct attribute_change change = {.value = use};

	if (!use.len)
		return 0;
	if (!metadata_key(s, &s->mine, folder, SPAN("/private/specialuse"), true, &key))
		return fault_set(&s->why, FAULT_SYSTEM, "the mailbox has no identity");
	change.key = text_span(&key);
	return attributes_change(s->maildir, &change, 1, &s->why);
}

/* One more than may be is refused; one that is there already is told before that. */
static int
make_folder(struct imap_session *s, struct space *in, const char *folder)
{
	if (!tree_exists(in->maildir, folder) && quota_check_mailbox(in->quota, in->maildir, folder, &s->why) < 0)
		return -1;
	return maildir_folder_create(in->maildir, folder, &s->why);
}

/* A separator at the end only says that children will follow (6.3.3). */
void
do_create(struct imap_session *s)
{
	struct argument     *a = s->command.arguments;
	struct span          said = a->text;
	autotext struct text told = {0};

	if (argument_is_astring(a) && a->text.len > 1 && span_ends(a->text, imap_config.separator))
		a->text.len--;
	struct space  *in;
	autofree char *folder = name_take(s, a, &in);
	struct span    use;
	char           guid[40];

	if (!folder || !parse_use(s, a->next, &use))
		return;
	if (!*folder) {
		imap_finish(s, "NO [ALREADYEXISTS] INBOX is always there.");
		return;
	}
	if (use.len && in->kind != SPACE_OWN) {
		imap_finish(s, "NO [USEATTR] Another's mailbox cannot be for that.");
		return;
	}
	if (make_folder(s, in, folder) < 0 || acl_begin(s, in, folder) < 0 || keep_use(s, folder, use) < 0) {
		imap_finish_fault(s, "Create failed");
		return;
	}
	notify_own_created(s, in, folder);
	name_of(in, folder, &told);
	if (s->manner.rev2 && said.len != a->text.len) /* RFC 9051, 6.3.9.7 */
		name_tell_other(s, said, text_span(&told), "");
	if (imap_folder_guid(s, in, folder, guid)) /* RFC 8474, 4.1 */
		imap_finish_synced(s, "OK [MAILBOXID (%s)] Create completed.", guid);
	else
		imap_finish_synced(s, "OK Create completed.");
}

/* What is deleted or renamed is not selected any more, and the client hears it. */
static void
leave(struct imap_session *s, const struct space *in, const char *folder)
{
	if (!s->folder || s->in != in || strcmp(s->folder->name, folder) != 0)
		return;
	imap_say(s, "* OK [CLOSED] The mailbox is not selected any more.");
	imap_deselect(s);
}

void
do_delete(struct imap_session *s)
{
	struct space  *in;
	autofree char *folder = name_take(s, s->command.arguments, &in);
	char           guid[40];

	if (!folder)
		return;
	if (!*folder) {
		imap_finish(s, "NO [CANNOT] INBOX cannot be deleted.");
		return;
	}
	bool known = imap_exists(s, in, folder) && attributes_mailbox_guid(in->maildir, folder, guid);

	leave(s, in, folder);
	if (lazy_empty(in->maildir, folder, &s->why) < 0 || tree_delete(in->maildir, folder, &s->why) < 0) {
		imap_finish_fault(s, "Delete failed");
		return;
	}
	if (known)
		metadata_forget(s, in, guid);
	notify_own_deleted(s, in, folder);
	imap_finish_synced(s, "OK Delete completed.");
}

/* RENAME INBOX moves its messages and leaves it empty (6.3.5). */
static int
rename_inbox(struct imap_session *s, const char *to)
{
	struct folder *inbox;
	struct copied  copied = {0};
	int            result;

	if (make_folder(s, &s->mine, to) < 0 || folder_open(s->maildir, "", 0, &inbox, &s->why) < 0)
		return -1;
	uint32_t *uids = arena_alloc(s->arena, (inbox->count + 1) * sizeof *uids);

	for (size_t i = 0; i < inbox->count; i++)
		uids[i] = inbox->messages[i].uid;
	result = folder_copy(inbox, uids, inbox->count, &(struct copy_target){s->maildir, to, ~0u, true}, true, &copied, &s->why);
	copied_free(&copied);
	folder_close(inbox);
	return result < 0 ? -1 : metadata_copy(s, "", to);
}

void
do_rename(struct imap_session *s)
{
	struct space  *in, *target;
	autofree char *from = name_take(s, s->command.arguments, &in), *to = NULL;
	int            result;

	if (!from)
		return;
	to = name_take(s, s->command.arguments->next, &target);
	if (!to)
		return;
	if (!*to) {
		imap_finish(s, "NO [ALREADYEXISTS] INBOX is always there.");
		return;
	}
	if (in != target || (!*from && in->kind != SPACE_OWN)) {
		imap_finish(s, "NO [CANNOT] Mailboxes stay their owner's."); /* what is asked for can be had by CREATE and MOVE */
		return;
	}
	if (*from)
		leave(s, in, from);
	result = *from ? tree_rename(in->maildir, from, to, &s->why) : rename_inbox(s, to);
	if (result < 0) {
		imap_finish_fault(s, "Rename failed");
		return;
	}
	notify_own_renamed(s, in, from, to);
	imap_finish_synced(s, "OK Rename completed.");
}

static void
change_subscription(struct imap_session *s, bool add)
{
	const struct argument *a = s->command.arguments;
	autofree char         *folder = NULL;
	struct space          *in = NULL;
	autotext struct text   foreign = {0};
	bool                   found = false;
	struct span            name;

	if (!add && argument_is_astring(a) && name_is_foreign(a->text))
		text_add(&foreign, a->text); /* whoever shared it may do so no more */
	else if (!(folder = name_take(s, a, &in)))
		return;
	else if (in->kind != SPACE_OWN)
		name_of(in, folder, &foreign);
	if (foreign.len && in && !*folder) /* as Dovecot keeps it */
		text_add_format(&foreign, "%sINBOX", imap_config.separator);
	name = foreign.len ? text_span(&foreign) : *folder ? span_of(folder) : SPAN("INBOX");
	if (add && !imap_exists(s, in, folder)) {
		imap_finish(s, "NO [NONEXISTENT] Mailbox doesn't exist.");
		return;
	}
	if (subscriptions_change(s->maildir, name, add, &found, &s->why) < 0) {
		imap_finish_fault(s, "Subscription failed");
		return;
	}
	notify_own_subscription(s, name, add);
	imap_finish(s, add ? "OK Subscribe completed." : "OK Unsubscribe completed.");
}

void
do_subscribe(struct imap_session *s)
{
	change_subscription(s, true);
}

void
do_unsubscribe(struct imap_session *s)
{
	change_subscription(s, false);
}
