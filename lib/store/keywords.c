/* SPDX-License-Identifier: ISC */
/*
 * keywords.c - which keyword is which letter
 */
#include "store/keywords.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#include "store/small_file.h"

static const struct {
	const char *file, *temporary;
	unsigned    from, until;
} files[] = {
	{"dovecot-keywords", "dovecot-keywords.tmp", 0, KEYWORD_LETTERS},
	{"postern-keywords", "postern-keywords.tmp", KEYWORD_LETTERS, KEYWORDS_MAX},
};

void
keywords_free(struct keywords *k)
{
	for (size_t i = 0; i < COUNT(k->name); i++)
		free(k->name[i]);
	*k = (struct keywords){0};
}

void
keywords_parse(struct span text, unsigned from, unsigned until, struct keywords *k)
{
	struct span line, number;
	uint64_t    n;

	for (unsigned i = from; i < until; i++)
		free(take(k->name[i]));
	while (text.len) {
		span_split(&text, '\n', &line);
		line = span_trim(line);
		if (!span_split(&line, ' ', &number) || !span_number(number, &n) || n < from
			|| n >= until || line.len == 0 || k->name[n])
			continue;
		k->name[n] = mem_span(line);
	}
}

int
keywords_refresh(struct keywords *k, int dir, struct fault *why)
{
	for (size_t i = 0; i < COUNT(files); i++) {
		autotext struct text text = {0};
		struct stat          st;
		struct fault         own = {0};

		if (fstatat(dir, files[i].file, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT)
				return fault_errno(why, "stat %s", files[i].file);
			if (k->seen[i].st_ino)
				keywords_parse(SPAN_NONE, files[i].from, files[i].until, k);
			k->seen[i] = (struct stat){0};
			continue;
		}
		if (st.st_ino == k->seen[i].st_ino && st.st_size == k->seen[i].st_size
			&& st.st_mtim.tv_sec == k->seen[i].st_mtim.tv_sec
			&& st.st_mtim.tv_nsec == k->seen[i].st_mtim.tv_nsec)
			continue;
		if (small_file_read(dir, files[i].file, 65536, &text, &st, &own) < 0) {
			if (why)
				*why = own;
			return -1;
		}
		keywords_parse(text_span(&text), files[i].from, files[i].until, k);
		k->seen[i] = st;
	}
	return 0;
}

int
keywords_find(const struct keywords *k, struct span name)
{
	uint64_t n;

	for (int i = 0; i < KEYWORDS_MAX; i++)
		if (k->name[i] && span_is_nocase(name, k->name[i]))
			return i;
	if (span_starts_nocase(name, "unknown-") && span_number(span_from(name, 8), &n)
		&& n < KEYWORDS_MAX && !k->name[n])
		return (int)n;
	return -1;
}

const char *
keywords_name(struct keywords *k, unsigned number)
{
	if (!k->name[number])
		k->name[number] = mem_format("unknown-%u", number);
	return k->name[number];
}

int
keywords_add(struct keywords *k, struct span name, bool *added, struct fault *why)
{
	int at = keywords_find(k, name);

	if (at >= 0)
		return at;
	for (int i = 0; i < KEYWORDS_MAX; i++)
		if (!k->name[i]) {
			k->name[i] = mem_span(name);
			*added = true;
			return i;
		}
	return fault_set(why, FAULT_DENIED, "a mailbox has room for %d keywords", KEYWORDS_MAX);
}

static int
write_one(struct keywords *k, int dir, size_t i, bool empty_too, struct fault *why)
{
	autotext struct text text = {0};
	int64_t              now = time(NULL), before = k->seen[i].st_mtim.tv_sec;

	for (unsigned n = files[i].from; n < files[i].until; n++)
		if (k->name[n])
			text_add_format(&text, "%u %s\n", n, k->name[n]);
	if (text.len == 0 && !empty_too)
		return 0;
	if (small_file_replace(dir, files[i].file, files[i].temporary, text_span(&text), now > before ? now : before + 1,
			why) < 0)
		return -1;
	if (fstatat(dir, files[i].file, &k->seen[i], AT_SYMLINK_NOFOLLOW) < 0)
		k->seen[i] = (struct stat){0};
	return 0;
}

int
keywords_write(struct keywords *k, int dir, struct fault *why)
{
	for (size_t i = 0; i < COUNT(files); i++)
		if (write_one(k, dir, i, false, why) < 0)
			return -1;
	return 0;
}

bool
keywords_letters_full(const struct keywords *k)
{
	for (int i = 0; i < KEYWORD_LETTERS; i++)
		if (!k->name[i])
			return false;
	return true;
}

int64_t
keywords_marked(const struct keywords *k)
{
	return k->seen[1].st_ino ? k->seen[1].st_mtim.tv_sec : 0;
}

int
keywords_mark(struct keywords *k, int dir, struct fault *why)
{
	return write_one(k, dir, 1, true, why);
}
