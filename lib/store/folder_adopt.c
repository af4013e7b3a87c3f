/* SPDX-License-Identifier: ISC */
/*
 * folder_adopt.c - what other servers kept of a mailbox elsewhere than in names and uidlist
 *
 * Courier: keywords in courierimapkeywords, POP3's unique ids in
 * courierpop3dsizelist, once, when there is no dovecot-uidlist yet.  Dovecot:
 * keywords beyond the 26 letters, in its index, whenever that was written since
 * they were taken from there last.  Keywords are only added: one that was taken
 * off here since, and that Dovecot still shows, is there again.
 *
 * Keywords become letters and "+n" in the names, their meaning written first;
 * the uidlist, or the mark, comes last, so that a crash in between only means
 * to do it again.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "store/courier.h"
#include "store/dovecot_index.h"
#include "store/folder_private.h"

bool
folder_has_more_keywords(int dir, const struct keywords *k)
{
	struct stat st;

	return keywords_letters_full(k) && fstatat(dir, "dovecot.index.log", &st, AT_SYMLINK_NOFOLLOW) == 0
		&& st.st_mtim.tv_sec >= keywords_marked(k);
}

bool
folder_may_adopt(const struct folder *f)
{
	return f->list.courier || (!f->scanned && f->list.validity && folder_has_more_keywords(f->dir, &f->keywords));
}

static void
rename_with_keywords(struct folder *f, struct scan *s, struct scan_entry *e, uint64_t keywords)
{
	autotext struct text name = {0};
	struct file_name     parsed;

	file_name_parse(span_of(e->name), &parsed);
	if ((parsed.keywords | keywords) == parsed.keywords)
		return;
	file_name_format(&parsed, parsed.flags, parsed.keywords | keywords, &name);
	if (renameat(e->in_new ? f->new_dir : f->cur_dir, e->name, f->cur_dir, text_string(&name)) < 0)
		return; /* changed meanwhile: it keeps its flags, without these */
	e->name = scan_keep_name(s, text_span(&name));
	e->in_new = false;
}

/* ------------------------------------------------------------ Courier */

/* The bits of Courier's names for a file; made in memory when missing. */
static uint64_t
courier_keywords_of(struct folder *f, const struct strmap *map, const struct scan_entry *e, bool *added)
{
	const char *names = strmap_get(map, span_at(e->name, e->base_len));
	struct span rest = span_of(names ? names : ""), word;
	uint64_t    keywords = 0;

	while (!e->in_new && span_next(&rest, "\n", &word)) {
		int n = keywords_add(&f->keywords, word, added, NULL);

		if (n >= 0)
			keywords |= (uint64_t)1 << n;
	}
	return keywords;
}

static int
adopt_from_courier(struct folder *f, struct scan *s, struct fault *why)
{
	struct strmap *map = courier_keywords_read(f->dir);
	bool           added = false;
	int            result = 0;

	for (size_t i = 0; map && i < s->count; i++)
		courier_keywords_of(f, map, &s->at[i], &added);
	if (added)
		result = keywords_write(&f->keywords, f->dir, why);
	for (size_t i = 0; map && result == 0 && i < s->count; i++)
		rename_with_keywords(f, s, &s->at[i], courier_keywords_of(f, map, &s->at[i], &added));
	strmap_free(map, free);
	return result;
}

void
folder_adopt_uidls(struct folder *f)
{
	struct strmap *map = courier_uidls_read(f->dir);

	for (size_t i = 0; map && i < f->list.count; i++) {
		const char *fields = strmap_get(map, f->list.records[i].base);

		if (fields && f->list.records[i].fields.len == 0)
			f->list.records[i].fields = arena_span(f->list.arena, span_of(fields));
	}
	strmap_free(map, free);
}

/* ------------------------------------------------------------ Dovecot */

static bool
has_no_letter(struct span name, const void *context)
{
	int n = keywords_find(context, name);

	return n < 0 || n >= KEYWORD_LETTERS;
}

static int
rename_all(struct folder *f, struct scan *s, const struct extra_keywords *k, const int *numbers, struct fault *why)
{
	for (size_t i = 0; i < k->count; i++) {
		ptrdiff_t          at = (ptrdiff_t)i;
		struct scan_entry *e = k->messages[i].names ? scan_find(s, f->list.records[i].base) : NULL;
		uint64_t           keywords = 0;

		if (!e || uidlist_find(&f->list, f->list.records[i].base) != at)
			continue;
		for (size_t n = 0; n < k->names; n++)
			if (k->messages[i].names & (uint64_t)1 << n && numbers[n] >= 0)
				keywords |= (uint64_t)1 << numbers[n];
		rename_with_keywords(f, s, e, keywords);
	}
	return keywords_mark(&f->keywords, f->dir, why);
}

static int
adopt_from_dovecot(struct folder *f, struct scan *s, struct fault *why)
{
	autofree struct extra_message *messages = mem_array(f->list.count + 1, sizeof *messages);
	struct extra_keywords          k = {.messages = messages, .count = f->list.count, .validity = f->list.validity,
		.is_wanted = has_no_letter, .context = &f->keywords};
	int                            numbers[EXTRA_NAMES], result = 0;
	bool                           added = false;

	for (size_t i = 0; i < f->list.count; i++)
		messages[i] = (struct extra_message){f->list.records[i].uid, 0};
	dovecot_index_read(f->dir, &k);
	for (size_t n = 0; n < k.names; n++)
		numbers[n] = keywords_add(&f->keywords, span_of(k.name[n]), &added, NULL);
	if (added) {
		log_info("mailbox %s: took %zu keywords from Dovecot's index", f->name, k.names);
		result = keywords_write(&f->keywords, f->dir, why);
	}
	if (result == 0)
		result = rename_all(f, s, &k, numbers, why);
	extra_keywords_free(&k);
	return result;
}

int
folder_adopt_keywords(struct folder *f, struct scan *s, struct fault *why)
{
	if (keywords_refresh(&f->keywords, f->dir, why) < 0)
		return -1;
	return f->list.courier ? adopt_from_courier(f, s, why) : adopt_from_dovecot(f, s, why);
}
