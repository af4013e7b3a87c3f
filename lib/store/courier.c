/* SPDX-License-Identifier: ISC */
/*
 * courier.c - keywords that Courier-IMAP kept
 */
#include "store/courier.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "store/small_file.h"

enum { NAMES_MOST = 1000, LIST_LARGEST = 64 << 20, FILE_LARGEST = 65536 };

static void
put(struct strmap *map, struct span base, struct span names)
{
	free(strmap_put(map, base, mem_span(names)));
}

void
courier_list_parse(struct span text, struct strmap *map)
{
	autofree struct span *names = mem_array(NAMES_MOST, sizeof *names);
	struct span           line, base, word;
	size_t                count = 0;

	while (text.len) {
		span_split(&text, '\n', &line);
		if (line.len == 0)
			break;
		if (count < NAMES_MOST)
			names[count++] = line;
	}
	while (text.len) {
		autotext struct text own = {0};
		uint64_t             n;

		span_split(&text, '\n', &line);
		if (span_find_last(line, ':') < 0)
			continue;
		base = span_first(line, (size_t)span_find_last(line, ':'));
		line = span_from(line, base.len + 1);
		while (span_next(&line, " ", &word))
			if (span_number(word, &n) && n < count) {
				text_add(&own, names[n]);
				text_add_byte(&own, '\n');
			}
		put(map, base, text_span(&own));
	}
}

struct change {
	uint64_t age;                /* higher is newer */
	char    *name;               /* of the file */
	size_t   base;               /* where the base starts in it */
};

static int
compare_changes(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	return x->age < y->age ? -1 : x->age > y->age;
}

static bool
is_change(const char *name, struct change *out)
{
	struct span s = span_of(name), number;

	if (s.len == 0 || s.at[0] == ':')
		return false;
	*out = (struct change){.age = UINT64_MAX};
	if (s.at[0] != '.')
		return true;
	s = span_from(s, 1);
	if (!span_split(&s, '.', &number) || !span_number(number, &out->age) || s.len == 0)
		return false;
	out->base = (size_t)(s.at - name);
	return true;
}

static void
read_changes(int dir, struct strmap *map)
{
	int            fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR           *stream = fd < 0 ? NULL : fdopendir(fd);
	struct change *all = NULL, one;
	size_t         count = 0;

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *e; (e = readdir(stream));) {
		if (!is_change(e->d_name, &one))
			continue;
		one.name = mem_string(e->d_name);
		all = mem_grow(all, count + 1, sizeof *all);
		all[count++] = one;
	}
	closedir(stream);
	if (count)
		qsort(all, count, sizeof *all, compare_changes);
	for (size_t i = 0; i < count; i++) {
		autotext struct text names = {0};

		if (small_file_read(dir, all[i].name, FILE_LARGEST, &names, NULL, NULL) == 0)
			put(map, span_of(all[i].name + all[i].base), text_span(&names));
		free(all[i].name);
	}
	free(all);
}

struct strmap *
courier_keywords_read(int mailbox_dir)
{
	autoclose int dir = file_open_beneath(mailbox_dir, "courierimapkeywords", O_RDONLY | O_DIRECTORY, 0,
		NULL);
	autotext struct text list = {0};
	struct strmap       *map;

	if (dir < 0)
		return NULL;
	map = strmap_new();
	if (small_file_read(dir, ":list", LIST_LARGEST, &list, NULL, NULL) == 0)
		courier_list_parse(text_span(&list), map);
	read_changes(dir, map);
	return map;
}
