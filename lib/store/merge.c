/* SPDX-License-Identifier: ISC */
/*
 * merge.c - two Maildirs of a user's brought together
 */
#include "store/merge.h"

#include <errno.h>
#include <stdlib.h>

#include "store/folder.h"
#include "store/place.h"
#include "store/small_file.h"
#include "store/subscriptions.h"
#include "store/tree.h"

enum { LIST_MOST = 512 << 20, WORDS = 64 };


/* ------------------------------------------------------------ the list */

bool
merge_line_next(struct span *rest, struct merge_line *out)
{
	while (rest->len) {
		struct span line, kind, number;
		uint64_t    flags = 0;

		span_split(rest, '\n', &line);
		*out = (struct merge_line){.kind = 0, .keywords = SPAN_NONE, .name = SPAN_NONE};
		if (!span_split(&line, '\t', &kind) || kind.len != 1)
			continue;
		out->kind = kind.at[0];
		if (out->kind == '.' && (!span_split(&line, '\t', &number) || !span_number(number, &flags) || flags > MERGE_FLAGS_MOST ||
		                         !span_split(&line, '\t', &out->keywords)))
			continue;
		out->flags = (unsigned)flags;
		out->name = line;
		if ((out->kind == '.' && line.len) || out->kind == 'M' || out->kind == 'V' || out->kind == 'S')
			return true;
	}
	return false;
}

/* Keywords of both sides and of the list under common numbers; those beyond 64 stay as they are. */
struct words { char *name[WORDS]; unsigned count; };

static uint64_t
word_bit(struct words *w, struct span name)
{
	for (unsigned i = 0; i < w->count; i++)
		if (span_is_nocase(name, w->name[i]))
			return (uint64_t)1 << i;
	if (w->count == WORDS)
		return 0;
	w->name[w->count] = mem_span(name);
	return (uint64_t)1 << w->count++;
}

struct past { unsigned flags; uint64_t keywords; };

/* Of each mailbox the lines behind its own: storage name -> struct span, owned by the map. */
static struct strmap *
index_list(struct span list)
{
	struct strmap    *index = strmap_new();
	struct merge_line line;
	struct span      *last = NULL, before;

	for (before = list; merge_line_next(&list, &line); before = list) {
		if (line.kind == '.' || line.kind == 'V')
			continue;
		if (last)
			last->len = (size_t)(before.at - last->at);
		last = NULL;
		if (line.kind != 'M')
			continue;
		last = mem_alloc(sizeof *last);
		*last = list;
		free(strmap_put(index, line.name, last));
	}
	return index;
}

/* What both had in a mailbox; `lines` NULL: they had it not. */
static void
read_past(const struct span *lines, struct words *words, struct strmap *past)
{
	struct merge_line line;
	struct span       rest = lines ? *lines : SPAN_NONE, word;

	while (merge_line_next(&rest, &line)) {
		struct past *p;

		if (line.kind == 'V')
			continue;
		if (line.kind != '.')
			return;
		p = mem_alloc(sizeof *p);
		*p = (struct past){.flags = line.flags};
		while (span_next(&line.keywords, " ", &word))
			p->keywords |= word_bit(words, word);
		free(strmap_put(past, line.name, p));
	}
}

static void
add_identity(struct text *out, const struct folder *here, const struct folder *there)
{
	text_add_format(out, "V\t%lu\t%lu\n", (unsigned long)here->validity, (unsigned long)there->validity);
}

/* Are they those of the list?  A list without that line says nothing against it. */
static bool
are_the_same(const struct span *lines, const struct folder *here, const struct folder *there)
{
	autotext struct text now = {0};

	add_identity(&now, here, there);
	return !lines || !span_starts(*lines, "V\t") || span_starts(*lines, text_string(&now));
}

/* ------------------------------------------------------------ one mailbox */

struct side {
	struct maildir *maildir;
	struct folder  *folder;
	struct strmap  *by_guid;         /* -> the index + 1 of its first message */
	uint32_t       *give, *drop;     /* UIDs: for the other side; removed there */
	size_t          n_give, n_drop;
};

struct merging {
	struct side         here, there;
	struct words        words;
	struct strmap      *past;        /* GUID -> struct past */
	struct merge_count *count;
};

static void
index_side(struct side *s)
{
	s->by_guid = strmap_new();
	s->give = mem_array(s->folder->count + 1, sizeof *s->give);
	s->drop = mem_array(s->folder->count + 1, sizeof *s->drop);
	for (size_t i = 0; i < s->folder->count; i++) {
		struct span guid = folder_guid(s->folder, &s->folder->messages[i]);

		if (!strmap_get(s->by_guid, guid))
			strmap_put(s->by_guid, guid, (void *)(uintptr_t)(i + 1));
	}
}

static void
forget_side(struct side *s)
{
	strmap_free(s->by_guid, NULL);
	free(s->give);
	free(s->drop);
	folder_close(s->folder);
}

static struct message *
find(const struct side *s, struct span guid)
{
	uintptr_t at = (uintptr_t)strmap_get(s->by_guid, guid);

	return at ? &s->folder->messages[at - 1] : NULL;
}

static uint64_t
common(struct merging *m, struct folder *f, uint64_t keywords)
{
	uint64_t out = 0;

	for (unsigned i = 0; i < KEYWORDS_MAX; i++)
		if (keywords & (uint64_t)1 << i)
			out |= word_bit(&m->words, span_of(keywords_name(&f->keywords, i)));
	return out;
}

/* Who changed it since has the say; where both did, `a`. */
static uint64_t
three_ways(uint64_t a, uint64_t b, uint64_t past)
{
	uint64_t by_a = a ^ past;

	return (a & by_a) | (b & ~by_a);
}

static int
set_flags(struct merging *m, struct side *s, uint32_t uid, unsigned flags, uint64_t words, struct fault *why)
{
	struct flag_change change = {.kind = FLAGS_SET, .flags = flags};

	for (unsigned i = 0; i < m->words.count; i++) {
		int number;

		if (!(words & (uint64_t)1 << i))
			continue;
		if (folder_keyword(s->folder, span_of(m->words.name[i]), true, &number, why) == 0)
			change.keywords |= (uint64_t)1 << number;
		else if (why->class != FAULT_DENIED)
			return -1;
		else
			fault_clear(why);              /* no room for more there */
	}
	m->count->changed++;
	return folder_store(s->folder, &uid, 1, &change, true, why);
}

/* A change of flags to be made: found first, made when nothing points into the snapshots any more. */
struct wanted { uint32_t here, there; unsigned flags; uint64_t words; bool at_here, at_there; };

static void
compare_flags(struct merging *m, const struct message *a, const struct message *b, const struct past *past, struct wanted *out)
{
	uint64_t ka = common(m, m->here.folder, a->keywords), kb = common(m, m->there.folder, b->keywords);
	/* without a past both keep what they have, and get what the other has */
	uint64_t kp = past ? past->keywords : ka & kb;
	unsigned fp = past ? past->flags : a->flags & b->flags;

	*out = (struct wanted){.here = a->uid, .there = b->uid};
	out->flags = (unsigned)three_ways(a->flags, b->flags, fp);
	out->words = three_ways(ka, kb, kp);
	out->at_here = out->flags != a->flags || out->words != ka;
	out->at_there = out->flags != b->flags || out->words != kb;
}

static int
merge_flags(struct merging *m, struct fault *why)
{
	autofree struct wanted *all = mem_array(m->here.folder->count + 1, sizeof *all);
	size_t                  n = 0;
	int                     done = 0;

	for (size_t i = 0; i < m->here.folder->count; i++) {
		const struct message *a = &m->here.folder->messages[i];
		struct span           guid = folder_guid(m->here.folder, a);
		const struct message *b = find(&m->there, guid);

		if (!b || find(&m->here, guid) != a)
			continue;
		compare_flags(m, a, b, strmap_get(m->past, guid), &all[n]);
		n += all[n].at_here || all[n].at_there;
	}
	for (size_t i = 0; i < n && done == 0; i++) {
		if (all[i].at_here)
			done = set_flags(m, &m->here, all[i].here, all[i].flags, all[i].words, why);
		if (all[i].at_there && done == 0)
			done = set_flags(m, &m->there, all[i].there, all[i].flags, all[i].words, why);
	}
	return done;
}

/* What `s` alone has: the other had it once, or is to get it. */
static void
sort_out(const struct merging *m, struct side *s, const struct side *other)
{
	for (size_t i = 0; i < s->folder->count; i++) {
		const struct message *a = &s->folder->messages[i];
		struct span           guid = folder_guid(s->folder, a);

		if (find(other, guid) || find(s, guid) != a)
			continue;
		if (strmap_get(m->past, guid))
			s->drop[s->n_drop++] = a->uid;
		else
			s->give[s->n_give++] = a->uid;
	}
}

static int
give(struct side *from, const struct side *to, size_t *given, struct fault *why)
{
	struct copy_target target = {.maildir = to->maildir, .folder = to->folder->name,
		.flags = MESSAGE_DRAFT | MESSAGE_FLAGGED | MESSAGE_ANSWERED | MESSAGE_SEEN | MESSAGE_DELETED, .keywords = true};
	struct copied      copied = {0};
	int                done;

	if (!from->n_give)
		return 0;
	done = folder_copy(from->folder, from->give, from->n_give, &target, false, &copied, why);
	*given += copied.count;
	copied_free(&copied);
	return done;
}

static int
drop(struct side *s, size_t *dropped, struct fault *why)
{
	*dropped += s->n_drop;
	return s->n_drop ? folder_remove(s->folder, s->drop, s->n_drop, why) : 0;
}

/* What both have now is what both had, the next time. */
static int
write_past(struct merging *m, const char *mailbox, struct text *list, struct fault *why)
{
	struct folder *f = m->here.folder;

	if (folder_sync(f, why) < 0 || folder_sync(m->there.folder, why) < 0)
		return -1;
	strmap_free(m->there.by_guid, NULL);
	free(m->there.give);
	free(m->there.drop);
	index_side(&m->there);
	text_add_format(list, "M\t%s\n", mailbox);
	add_identity(list, f, m->there.folder);
	for (size_t i = 0; i < f->count; i++) {
		const struct message *a = &f->messages[i];
		struct span           guid = folder_guid(f, a);
		bool                  first = true;

		if (!find(&m->there, guid) || span_has(guid, '\n'))
			continue;
		text_add_format(list, ".\t%u\t", a->flags & MERGE_FLAGS_MOST);
		for (unsigned k = 0; k < KEYWORDS_MAX; k++)
			if (a->keywords & (uint64_t)1 << k) {
				text_add_format(list, "%s%s", first ? "" : " ", keywords_name(&f->keywords, k));
				first = false;
			}
		text_add_format(list, "\t%.*s\n", SPAN_ARGS(guid));
	}
	return 0;
}

/* lines NULL: whatever it was, what is missing was removed with the mailbox. */
static int
merge_both(struct merging *m, const char *mailbox, const struct span *lines, struct text *list, struct fault *why)
{
	if (folder_open(m->here.maildir, mailbox, 0, &m->here.folder, why) < 0 ||
	    folder_open(m->there.maildir, mailbox, 0, &m->there.folder, why) < 0)
		return -1;
	if (!are_the_same(lines, m->here.folder, m->there.folder)) {
		strmap_free(m->past, free);
		m->past = strmap_new();
	}
	index_side(&m->here);
	index_side(&m->there);
	sort_out(m, &m->here, &m->there);
	sort_out(m, &m->there, &m->here);
	m->count->mailboxes++;
	/* flags first: the indexes are of these snapshots */
	if (merge_flags(m, why) < 0 || give(&m->here, &m->there, &m->count->to_there, why) < 0 ||
	    give(&m->there, &m->here, &m->count->to_here, why) < 0)
		return -1;
	return drop(&m->here, &m->count->removed, why) < 0 || drop(&m->there, &m->count->removed, why) < 0
		? -1 : write_past(m, mailbox, list, why);
}

/* One side has it: 1 when the other removed it, and nothing came since; 0 it goes there; -1 */
static int
was_removed(struct maildir *has, const char *mailbox, const struct strmap *past, bool known, struct fault *why)
{
	struct folder *f = NULL;
	int            removed = known;

	if (!known)
		return 0;
	if (folder_open(has, mailbox, 0, &f, why) < 0)
		return -1;
	for (size_t i = 0; i < f->count; i++)
		removed = removed && strmap_get(past, folder_guid(f, &f->messages[i]));
	folder_close(f);
	return removed;
}

static int
merge_mailbox(struct maildir *here, struct maildir *there, const char *mailbox, const struct strmap *before, struct text *list,
	struct merge_count *count, struct fault *why)
{
	struct merging m = {.here.maildir = here, .there.maildir = there, .past = strmap_new(), .count = count};
	bool           at_here = tree_exists(here, mailbox), at_there = tree_exists(there, mailbox);
	const struct span *lines = strmap_get(before, span_of(mailbox));
	int            done = 0, gone = 0;

	read_past(lines, &m.words, m.past);
	if (!at_here || !at_there) {
		gone = was_removed(at_here ? here : there, mailbox, m.past, lines != NULL, why);
		done = gone < 0 ? -1 : gone ? tree_delete(at_here ? here : there, mailbox, why)
		                            : maildir_folder_create(at_here ? there : here, mailbox, why);
	}
	if (done == 0 && !gone)
		done = merge_both(&m, mailbox, at_here && at_there ? lines : NULL, list, why);
	forget_side(&m.here);
	forget_side(&m.there);
	strmap_free(m.past, free);
	for (unsigned i = 0; i < m.words.count; i++)
		free(m.words.name[i]);
	return done < 0 ? fault_prefix(why, "mailbox %s", *mailbox ? mailbox : "INBOX") : 0;
}

/* ------------------------------------------------------------ the whole */

static bool
was_subscribed(struct span list, const char *name)
{
	struct merge_line line;

	while (merge_line_next(&list, &line))
		if (line.kind == 'S' && span_is(line.name, name))
			return true;
	return false;
}

/* Those of `a` that `b` lacks: taken off a, or put onto b. */
static int
merge_subscriptions(struct maildir *a, struct maildir *b, struct span before, struct text *list, struct fault *why)
{
	struct subscriptions mine = {0}, theirs = {0};
	bool                 found;
	int                  done = subscriptions_read(a, &mine, why) < 0 || subscriptions_read(b, &theirs, why) < 0 ? -1 : 0;

	for (size_t i = 0; i < mine.count && done == 0; i++) {
		struct span name = span_of(mine.names[i]);
		bool        removed = !subscriptions_has(&theirs, name) && was_subscribed(before, mine.names[i]);

		if (removed)
			done = subscriptions_change(a, name, false, &found, why);
		else if (!subscriptions_has(&theirs, name))
			done = subscriptions_change(b, name, true, &found, why);
		if (list && !removed)
			text_add_format(list, "S\t%s\n", mine.names[i]);
	}
	subscriptions_free(&mine);
	subscriptions_free(&theirs);
	return done;
}

/* "1\tpostern-sync\t7\t8": the list's first line, with both sides' UIDVALIDITY of INBOX.  Of a side that was lost and
 * made anew it is another one, and what is missing there nobody has removed. */
static int
add_title(struct maildir *here, struct maildir *there, struct text *out, struct fault *why)
{
	struct maildir *sides[] = {here, there};

	text_add_string(out, "1\tpostern-sync");
	for (size_t i = 0; i < COUNT(sides); i++) {
		struct folder *f = NULL;

		if (folder_open(sides[i], "", 0, &f, why) < 0)
			return -1;
		text_add_format(out, "\t%lu", (unsigned long)f->validity);
		folder_close(f);
	}
	text_add_byte(out, '\n');
	return 0;
}

int
maildir_merge(struct maildir *here, struct maildir *there, const char *name, struct merge_count *count, struct fault *why)
{
	struct tree          a = {0}, b = {0};
	struct strmap       *index;
	autotext struct text before = {0}, after = {0};
	autofree char       *temporary = mem_format("%s.tmp", name);
	int                  done = 0;

	if (small_file_read(maildir_root(there), name, LIST_MOST, &before, NULL, why) < 0) {
		if (why->error != ENOENT)
			return -1;
		fault_clear(why);
	}
	if (add_title(here, there, &after, why) < 0)
		return -1;
	if (!span_starts(text_span(&before), text_string(&after)))
		text_clear(&before);
	index = index_list(text_span(&before));
	if (tree_list(here, &a, why) < 0 || tree_list(there, &b, why) < 0 ||
	    merge_mailbox(here, there, "", index, &after, count, why) < 0)
		done = -1;
	for (size_t i = 0; i < a.count && done == 0; i++)
		done = merge_mailbox(here, there, a.names[i], index, &after, count, why);
	for (size_t i = 0; i < b.count && done == 0; i++)
		if (!tree_has(&a, span_of(b.names[i])))
			done = merge_mailbox(here, there, b.names[i], index, &after, count, why);
	if (done == 0)
		done = merge_subscriptions(there, here, text_span(&before), NULL, why);
	if (done == 0)
		done = merge_subscriptions(here, there, text_span(&before), &after, why);
	if (done == 0)
		done = small_file_replace(maildir_root(there), name, temporary, text_span(&after), 0, why);
	strmap_free(index, free);
	tree_free(&a);
	tree_free(&b);
	return done;
}
