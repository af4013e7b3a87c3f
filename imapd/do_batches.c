/* SPDX-License-Identifier: ISC */
/*
 * do_batches.c - UIDBATCHES: the selected mailbox in batches of UIDs (RFC 10022); limits (RFC 9738)
 *
 *   UIDBATCHES 2000 [1:3]
 *   * UIDBATCHES (TAG "a") 215295:99696,99695:20351,20350:1
 *
 * Batches are counted from the highest UID down and leave no gap; the last one of the mailbox ends at 1.
 */
#include "imap_config.h"
#include "mail/imap_body.h"
#include "session.h"

enum { BATCH_LEAST = 500, MESSAGES_MOST = 100000 };

struct batches { uint64_t size, from, to; };

static bool
parse(const struct argument *a, struct batches *b)
{
	struct span range, first;

	*b = (struct batches){.from = 1, .to = UINT32_MAX};
	if (a->type != ARGUMENT_ATOM || !span_number(a->text, &b->size) || b->size == 0 || b->size > UINT32_MAX)
		return false;
	if (!a->next)
		return true;
	range = a->next->text;
	return a->next->type == ARGUMENT_ATOM && span_split(&range, ':', &first) && span_number(first, &b->from)
		&& span_number(range, &b->to) && b->from > 0 && b->to <= UINT32_MAX && b->to > 0;
}

/* Messages of a batch, by position: the n-th from the end. */
static void
tell(struct imap_session *s, const struct batches *b)
{
	const struct view *v = &s->view;
	bool               any = false;

	text_add_string(&s->out, "* UIDBATCHES (TAG ");
	imap_add_string(s->command.tag, &s->out);
	text_add_byte(&s->out, ')');
	for (uint64_t n = b->from; n <= b->to && (n - 1) * b->size < v->count; n++) {
		size_t   top = v->count - 1 - (size_t)((n - 1) * b->size);
		bool     last = top < b->size;
		uint32_t high = n == 1 ? v->at[top].uid : v->at[top + 1].uid - 1;
		uint32_t low = last ? 1 : v->at[top - (size_t)b->size + 1].uid;

		text_add_format(&s->out, "%s%u:%u", any ? "," : " ", high, low);
		any = true;
	}
	imap_say(s, "%s", "");
}

void
do_uidbatches(struct imap_session *s)
{
	struct batches b;

	if (!parse(s->command.arguments, &b)) {
		imap_bad_arguments(s);
		return;
	}
	if (b.from > b.to)
		imap_finish(s, "BAD [CLIENTBUG] The range of batches is reversed.");
	else if (b.size < BATCH_LEAST)
		imap_finish(s, "NO [TOOFEW] A batch has %d messages at least.", BATCH_LEAST);
	else if (s->command.count > 1 && (b.to - b.from + 1) * b.size > MESSAGES_MOST)
		imap_finish(s, "NO [TOOMANY] At most %d messages at a time.", MESSAGES_MOST);
	else {
		tell(s, &b);
		imap_finish_synced(s, "OK Uidbatches completed.");
	}
}

/* ------------------------------------------------------------ RFC 9738 */

bool
imap_limit(struct imap_session *s, size_t **positions, size_t *count, uint32_t *lowest)
{
	size_t most = (size_t)imap_config.message_limit;

	if (!most || *count <= most)
		return false;
	*positions += *count - most;
	*count = most;
	*lowest = s->view.at[**positions].uid;
	return true;
}

void
imap_say_limit(struct imap_session *s, uint32_t lowest)
{
	imap_say(s, "* NO [MESSAGELIMIT %d %u] The rest was left alone.", imap_config.message_limit, lowest);
}

int
imap_save_limit(void)
{
	return imap_config.message_limit ? imap_config.message_limit : imap_config.save_limit;
}
