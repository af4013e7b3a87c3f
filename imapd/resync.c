/* SPDX-License-Identifier: ISC */
/*
 * resync.c - what a client that comes back must hear (RFC 7162)
 */
#include <stdlib.h>

#include "session.h"
#include "store/history.h"

void
imap_tell_highest(struct imap_session *s)
{
	if (s->folder && s->folder->modseq)
		imap_say(s, "* OK [HIGHESTMODSEQ %llu] Highest", (unsigned long long)s->folder->modseq);
}

void
imap_use_modseq(struct imap_session *s)
{
	if (!s->manner.condstore)
		imap_tell_highest(s);
	s->manner.condstore = true;
}

const char *
imap_highest_code(struct imap_session *s)
{
	if (!s->manner.condstore || !s->folder || !s->folder->modseq)
		return "";
	return arena_format(s->arena, "[HIGHESTMODSEQ %llu] ", (unsigned long long)s->folder->modseq);
}

bool
imap_has_modseq(struct imap_session *s)
{
	if (!s->folder || s->folder->modseq)
		return true;
	imap_finish(s, "BAD The mailbox has no mod-sequences.");
	return false;
}

/* What is not there (any more) below UIDNEXT: always right, only longer than it must be. */
static void
all_absent(const struct folder *f, struct history_range **out, size_t *count)
{
	uint32_t next = 1;

	*out = mem_array(f->count + 1, sizeof **out);
	*count = 0;
	for (size_t i = 0; i <= f->count; i++) {
		uint32_t uid = i < f->count ? f->messages[i].uid : f->list.next;

		if (uid > next)
			(*out)[(*count)++] = (struct history_range){next, uid - 1};
		next = uid + 1;
	}
}

static void
add_range(uint32_t first, uint32_t last, bool *any, struct text *out)
{
	text_add_format(out, "%s%u", *any ? "," : "", first);
	if (last > first)
		text_add_format(out, ":%u", last);
	*any = true;
}

/* Both ascending. */
static bool
intersect(const struct history_range *gone, size_t count, const struct sequence *known, struct text *out)
{
	bool   any = false;
	size_t k = 0;

	for (size_t i = 0; i < count; i++) {
		if (!known) {
			add_range(gone[i].first, gone[i].last, &any, out);
			continue;
		}
		while (k < known->count && known->ranges[k].last < gone[i].first)
			k++;
		for (size_t at = k; at < known->count && known->ranges[at].first <= gone[i].last; at++) {
			uint32_t first = known->ranges[at].first, last = known->ranges[at].last;

			add_range(first > gone[i].first ? first : gone[i].first,
				last < gone[i].last ? last : gone[i].last, &any, out);
		}
	}
	return any;
}

void
imap_tell_vanished(struct imap_session *s, uint64_t since, struct sequence *known)
{
	struct history_range *gone;
	size_t                count;
	autotext struct text  uids = {0};

	if (known)
		sequence_resolve(known, s->folder->list.next - 1);
	if (!history_vanished(s->folder, since, &gone, &count)) {
		free(gone);
		all_absent(s->folder, &gone, &count);
	}
	if (intersect(gone, count, known, &uids))
		imap_say(s, "* VANISHED (EARLIER) %s", text_string(&uids));
	free(gone);
}
