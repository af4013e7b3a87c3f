/* SPDX-License-Identifier: ISC */
/*
 * view.c - what this client has been told of the selected mailbox
 */
#include "view.h"

#include <stdlib.h>

static void
add_message(struct view *v, const struct message *m)
{
	v->at = messages_grow(v->at, v->count, v->count + 1, &v->room);
	v->at[v->count++] = (struct message){.uid = m->uid, .flags = m->flags,
		.recent = m->recent && !v->manner->rev2, .keywords = m->keywords, .modseq = m->modseq};
}

void
view_start(struct view *v, const struct folder *f, const struct manner *manner)
{
	view_free(v);
	v->manner = manner;
	v->at = folder_copy_messages(f, &v->room);
	v->count = f->count;
	for (size_t i = 0; i < v->count && manner->rev2 && !folder_is_lent(f); i++)
		if (v->at[i].recent)
			v->at[i].recent = false;
	v->generation = f->generation;
	v->modseq = f->modseq;
}

void
view_free(struct view *v)
{
	messages_free(v->at, &v->room);
	*v = (struct view){0};
}

size_t
view_position(const struct view *v, uint32_t uid)
{
	size_t low = 0, high = v->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (v->at[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < v->count && v->at[low].uid == uid ? low : v->count;
}

/* First position whose UID is at least that. */
static size_t
lower_bound(const struct view *v, uint32_t uid)
{
	size_t low = 0, high = v->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (v->at[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* In an empty mailbox '*' is nothing; a number is beyond the end. */
static int
choose_nothing(const struct sequence *s, bool uid)
{
	for (size_t i = 0; !uid && i < s->count; i++)
		if (s->ranges[i].first != SEQUENCE_STAR && s->ranges[i].last != SEQUENCE_STAR)
			return -1;
	return 0;
}

int
view_choose(const struct view *v, struct sequence *s, bool uid, size_t **positions, size_t *count,
	struct arena *arena)
{
	size_t n = 0;

	*positions = arena_alloc(arena, (v->count + 1) * sizeof **positions);
	*count = 0;
	if (v->count == 0)
		return choose_nothing(s, uid);
	sequence_resolve(s, uid ? v->at[v->count - 1].uid : (uint32_t)v->count);
	if (!uid && s->count && s->ranges[s->count - 1].last > v->count)
		return -1;
	for (size_t i = 0; i < s->count; i++) {
		uint32_t last = s->ranges[i].last;
		size_t   at = uid ? lower_bound(v, s->ranges[i].first) : s->ranges[i].first - 1;

		for (; at < v->count && (uid ? v->at[at].uid : at + 1) <= last; at++)
			(*positions)[n++] = at;
	}
	*count = n;
	return 0;
}

uint32_t *
view_uids(const struct view *v, const size_t *positions, size_t count, struct arena *arena)
{
	uint32_t *uids = arena_alloc(arena, (count + 1) * sizeof *uids);

	for (size_t i = 0; i < count; i++)
		uids[i] = v->at[positions[i]].uid;
	return uids;
}

static void
add_flag(const char *name, size_t start, struct text *out)
{
	if (out->len > start)
		text_add_byte(out, ' ');
	text_add_string(out, name);
}

void
view_add_flags(struct keywords *names, unsigned flags, bool recent, uint64_t keywords,
	struct text *out)
{
	static const struct {
		unsigned    flag;
		const char *name;
	} known[] = {
		{MESSAGE_ANSWERED, "\\Answered"}, {MESSAGE_FLAGGED, "\\Flagged"},
		{MESSAGE_DELETED, "\\Deleted"}, {MESSAGE_SEEN, "\\Seen"}, {MESSAGE_DRAFT, "\\Draft"},
	};
	size_t start = out->len + 1;

	text_add_byte(out, '(');
	for (size_t i = 0; i < COUNT(known); i++)
		if (flags & known[i].flag)
			add_flag(known[i].name, start, out);
	if (recent)
		add_flag("\\Recent", start, out);
	for (unsigned i = 0; i < KEYWORDS_MAX && keywords >> i; i++)
		if (keywords & (uint64_t)1 << i)
			add_flag(keywords_name(names, i), start, out);
	text_add_byte(out, ')');
}

static uint64_t
named_keywords(const struct folder *f)
{
	uint64_t named = 0;

	for (unsigned i = 0; i < KEYWORDS_MAX; i++)
		if (f->keywords.name[i])
			named |= (uint64_t)1 << i;
	return named;
}

void
view_tell_flags(struct view *v, struct folder *f, struct text *out)
{
	unsigned all = MESSAGE_ANSWERED | MESSAGE_FLAGGED | MESSAGE_DELETED | MESSAGE_SEEN | MESSAGE_DRAFT;

	v->keywords = named_keywords(f);
	text_add_string(out, "* FLAGS ");
	view_add_flags(&f->keywords, all, false, v->keywords, out);
	text_add_string(out, "\r\n* OK [PERMANENTFLAGS ");
	if (f->read_only) {
		text_add_string(out, "()] Read-only mailbox.\r\n");
		return;
	}
	view_add_flags(&f->keywords, all & ~v->denied, false, v->denied & VIEW_KEYWORDS ? 0 : v->keywords, out);
	if (!(v->denied & VIEW_KEYWORDS)) {
		text_cut(out, out->len - 1);
		text_add_string(out, " \\*)");
	}
	text_add_string(out, "] Flags permitted.\r\n");
}

void
view_take(struct view *v, struct folder *f, const struct message *m, struct text *out)
{
	size_t          at = view_position(v, m->uid);
	struct message *told = &v->at[at];

	if (at == v->count)
		return;
	if (m->keywords & named_keywords(f) & ~v->keywords)
		view_tell_flags(v, f, out);
	view_touch(v, at);
	told->flags = m->flags;
	told->keywords = m->keywords;
	told->modseq = m->modseq;
	told->untold = v->untold = true;
}

void
view_open_fetch(const struct view *v, size_t position, bool with_uid, struct text *out)
{
	uint32_t uid = v->at[position].uid;

	if (v->manner->uidonly)
		text_add_format(out, "* %u UIDFETCH (", uid);
	else if (with_uid || v->manner->condstore) /* RFC 7162, 3.2.4 */
		text_add_format(out, "* %zu FETCH (UID %u ", position + 1, uid);
	else
		text_add_format(out, "* %zu FETCH (", position + 1);
}

void
view_add_modseq(const struct view *v, size_t position, struct text *out)
{
	if (v->manner->condstore && v->at[position].modseq)
		text_add_format(out, " MODSEQ (%llu)", (unsigned long long)v->at[position].modseq);
}

static void
tell_flags_of(const struct view *v, const struct folder *f, size_t position, bool with_uid,
	struct text *out)
{
	const struct message *m = &v->at[position];

	view_open_fetch(v, position, with_uid, out);
	text_add_string(out, "FLAGS ");
	view_add_flags((struct keywords *)&f->keywords, m->flags, m->recent, m->keywords, out);
	view_add_modseq(v, position, out);
	text_add_string(out, ")\r\n");
}

struct gone { uint32_t *uids; size_t count; };

static void
tell_gone(const struct view *v, struct gone *gone, uint32_t uid, size_t number, struct text *out)
{
	if (!v->manner->qresync && !v->manner->uidonly) {
		text_add_format(out, "* %zu EXPUNGE\r\n", number);
		return;
	}
	gone->uids = mem_grow(gone->uids, gone->count + 1, sizeof *gone->uids);
	gone->uids[gone->count++] = uid;
}

static bool
differs(const struct view *v, const struct message *told, const struct message *now)
{
	return now->flags != told->flags || now->keywords != told->keywords
		|| (v->manner->condstore && told->modseq && now->modseq > told->modseq);
}

/* Walks view and folder together, both by UID.  VANISHED comes first, so that all numbers
 * behind it are the new ones, as they are behind each EXPUNGE. */
static void
tell_changes(struct view *v, const struct folder *f, unsigned news, bool with_uid,
	struct text *out)
{
	size_t               at = 0, kept = 0;
	struct gone          gone = {0};
	autotext struct text lines = {0};

	v->behind = v->untold = false;
	for (size_t i = 0; i < v->count; i++) {
		struct message m = v->at[i];
		bool           moved = kept != i;

		while (at < f->count && f->messages[at].uid < m.uid)
			at++;
		if (at >= f->count || f->messages[at].uid != m.uid) {
			if (news & VIEW_EXPUNGES) {
				tell_gone(v, &gone, m.uid, kept + 1, &lines);
				continue;
			}
			v->behind = true;
			if (moved)
				v->at[kept] = m;
			kept++;
			continue;
		}
		const struct message *now = &f->messages[at];
		bool changed = m.untold || differs(v, &m, now), tell = changed && news & VIEW_FLAGS;

		if (moved || changed || m.modseq != now->modseq)
			v->at[kept] = (struct message){.uid = m.uid, .flags = now->flags, .recent = m.recent,
			.touched = m.touched || changed, .untold = changed && !tell, .keywords = now->keywords, .modseq = now->modseq};
		if (tell)
			tell_flags_of(v, f, kept, with_uid, &lines);
		v->untold |= changed && !tell;
		v->touched |= changed;
		kept++;
	}
	v->count = kept;
	if (gone.count) {
		text_add_string(out, "* VANISHED ");
		sequence_add(gone.uids, gone.count, out);
		text_add_string(out, "\r\n");
	}
	text_add(out, text_span(&lines));
	free(gone.uids);
}

static size_t
tell_new(struct view *v, const struct folder *f, bool may_tell, struct text *out)
{
	uint32_t last = v->count ? v->at[v->count - 1].uid : 0;
	size_t   start = v->count, first = f->count, recent = 0;

	while (first > 0 && f->messages[first - 1].uid > last)
		first--;
	v->missing = first < f->count && !may_tell;
	if (!may_tell)
		return 0;
	for (size_t i = first; i < f->count; i++)
		add_message(v, &f->messages[i]);
	if (v->count == start)
		return 0;
	for (size_t i = start; i < v->count; i++)
		view_touch(v, i);
	for (size_t i = 0; i < v->count; i++)
		recent += v->at[i].recent;
	text_add_format(out, "* %zu EXISTS\r\n", v->count);
	if (!v->manner->rev2)
		text_add_format(out, "* %zu RECENT\r\n", recent);
	return v->count - start;
}

static bool
is_told(const struct view *v, const struct folder *f, unsigned news)
{
	return v->generation == f->generation && !(v->behind && news & VIEW_EXPUNGES) && !(v->untold && news & VIEW_FLAGS)
		&& !(v->missing && news & VIEW_NEW) && (!v->manner->condstore || v->modseq == f->modseq);
}

size_t
view_tell(struct view *v, const struct folder *f, unsigned news, bool with_uid, struct text *out)
{
	size_t fresh;

	if (is_told(v, f, news))
		return 0;
	if (news & (VIEW_NEW | VIEW_FLAGS) && named_keywords(f) & ~v->keywords)
		view_tell_flags(v, (struct folder *)f, out);
	tell_changes(v, f, news, with_uid, out);
	fresh = tell_new(v, f, news & VIEW_NEW, out);
	v->generation = f->generation;
	v->modseq = f->modseq;
	return fresh;
}
