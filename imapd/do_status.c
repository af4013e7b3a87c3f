/* SPDX-License-Identifier: ISC */
/*
 * do_status.c - STATUS (RFC 3501, 6.3.10; RFC 7162, RFC 7889, RFC 8438, RFC 8474, RFC 9051)
 */
#include <stdlib.h>

#include "content.h"
#include "imap_config.h"
#include "names.h"
#include "session.h"
#include "status.h"

static const struct {
	const char      *name;
	enum status_item item;
} items[] = {
	{"MESSAGES", STATUS_MESSAGES}, {"RECENT", STATUS_RECENT}, {"UIDNEXT", STATUS_UIDNEXT},
	{"UIDVALIDITY", STATUS_UIDVALIDITY}, {"UNSEEN", STATUS_UNSEEN}, {"DELETED", STATUS_DELETED},
	{"SIZE", STATUS_SIZE}, {"DELETED-STORAGE", STATUS_DELETED_STORAGE},
	{"HIGHESTMODSEQ", STATUS_HIGHESTMODSEQ}, {"MAILBOXID", STATUS_MAILBOXID},
	{"APPENDLIMIT", STATUS_APPENDLIMIT},
};

unsigned
status_items_parse(const struct argument *list)
{
	unsigned found = 0;

	if (!list || list->type != ARGUMENT_LIST || list->count == 0)
		return 0;
	for (const struct argument *a = list->children; a; a = a->next) {
		unsigned one = 0;

		for (size_t i = 0; i < COUNT(items); i++)
			if (argument_is_atom(a, items[i].name))
				one = items[i].item;
		if (!one)
			return 0;
		found |= one;
	}
	return found;
}

/* By the names where they tell, else by the files. */
static uint64_t
sum_sizes(struct imap_session *s, struct folder *f, unsigned flags, bool full)
{
	autoarena struct arena *arena = arena_new();
	uint64_t                sum = 0;

	for (size_t i = 0; i < f->count; i++) {
		uint64_t size = 0;
		uint32_t uid = f->messages[i].uid;

		if ((f->messages[i].flags & flags) == flags && content_size(s, f, uid, full, arena, &size) == 0)
			sum += size;
		if (i >= f->count || f->messages[i].uid != uid)
			break; /* a sync moved them: good enough, as the next change comes anyway */
	}
	return sum;
}

static void
add_item(struct imap_session *s, struct folder *f, enum status_item item, struct text *out)
{
	size_t recent = 0, unseen = 0, deleted = 0;

	for (size_t i = 0; i < f->count; i++) {
		recent += f->messages[i].recent;
		unseen += !(f->messages[i].flags & MESSAGE_SEEN);
		deleted += (f->messages[i].flags & MESSAGE_DELETED) != 0;
	}
	switch (item) {
	case STATUS_MESSAGES:
		text_add_format(out, "MESSAGES %zu", f->count);
		break;
	case STATUS_RECENT:
		text_add_format(out, "RECENT %zu", s->manner.rev2 ? 0 : recent);
		break;
	case STATUS_UIDNEXT:
		text_add_format(out, "UIDNEXT %u", f->list.next);
		break;
	case STATUS_UIDVALIDITY:
		text_add_format(out, "UIDVALIDITY %u", f->list.validity);
		break;
	case STATUS_UNSEEN:
		text_add_format(out, "UNSEEN %zu", unseen);
		break;
	case STATUS_DELETED:
		text_add_format(out, "DELETED %zu", deleted);
		break;
	case STATUS_SIZE:
		text_add_format(out, "SIZE %llu", (unsigned long long)sum_sizes(s, f, 0, true));
		break;
	case STATUS_DELETED_STORAGE:
		text_add_format(out, "DELETED-STORAGE %llu",
			(unsigned long long)sum_sizes(s, f, MESSAGE_DELETED, false)); /* bytes: RFC 9208, 4.1.4 */
		break;
	case STATUS_HIGHESTMODSEQ:
		text_add_format(out, "HIGHESTMODSEQ %llu", (unsigned long long)f->modseq);
		break;
	case STATUS_MAILBOXID:
		text_add_format(out, "MAILBOXID (%s)", f->list.guid);
		break;
	case STATUS_APPENDLIMIT:
		text_add_format(out, "APPENDLIMIT %lld", (long long)imap_config.max_message);
		break;
	}
}

void
status_tell_of(struct imap_session *s, struct span name, struct folder *f, unsigned wanted)
{
	bool first = true;

	text_add_string(&s->out, "* STATUS ");
	name_tell(s, name, &s->out);
	text_add_string(&s->out, " (");
	for (size_t i = 0; i < COUNT(items); i++) {
		if (!(wanted & items[i].item))
			continue;
		if (!first)
			text_add_byte(&s->out, ' ');
		first = false;
		add_item(s, f, items[i].item, &s->out);
	}
	imap_say(s, ")");
}

int
status_tell(struct imap_session *s, struct span name, struct space *in, const char *folder, unsigned wanted)
{
	struct folder *f;

	if (imap_open_in(s, in, folder, FOLDER_READ_ONLY, &f) < 0)
		return -1;
	status_tell_of(s, name, f, wanted);
	folder_close(f);
	return 0;
}

void
do_status(struct imap_session *s)
{
	const struct argument *name = s->command.arguments, *list = name->next;
	autofree char         *folder = NULL;
	struct space          *in;
	unsigned               wanted = status_items_parse(list);
	autotext struct text   told = {0};

	if (!argument_is_astring(name) || !wanted) {
		imap_finish(s, "BAD Unknown status item.");
		return;
	}
	if (wanted & STATUS_HIGHESTMODSEQ)
		imap_use_modseq(s);
	if (name_find(s, name->text, &in, &folder, &s->why) < 0) {
		imap_finish_fault(s, "Status failed");
		return;
	}
	name_of(in, folder, &told);
	if (status_tell(s, text_span(&told), in, folder, wanted) < 0)
		imap_finish_fault(s, "Status failed");
	else
		imap_finish_synced(s, "OK Status completed.");
}
