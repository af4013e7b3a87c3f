/* SPDX-License-Identifier: ISC */
/*
 * courier.c - keywords and POP3's unique ids that Courier kept
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
	DIR           *stream = file_directory(dir);
	struct change *all = NULL, one;
	size_t         count = 0;

	if (!stream)
		return;
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

/* ------------------------------------------------------------ POP3 */

/* As Courier tells a name: what is no plain byte as "+XX". */
static void
add_name_as_uidl(struct span name, struct text *out)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.at[i];

		if (c < 0x21 || c > 0x7e || c == '\'' || c == '"' || c == '+')
			text_add_format(out, "+%02X", c);
		else
			text_add_byte(out, (char)c);
	}
}

/* The last word of a line, taken off with the blank before it. */
static bool
take_last(struct span *line, struct span *word)
{
	ptrdiff_t blank = span_find_last(*line, ' ');

	if (blank < 0)
		return false;
	*word = span_from(*line, (size_t)blank + 1);
	*line = span_first(*line, (size_t)blank);
	return true;
}

static void
take_pop3_line(struct span line, uint64_t order, struct strmap *map)
{
	autotext struct text fields = {0};
	struct span          ids, size, uid, validity;
	uint64_t             n = 0, v = 0;

	if (!take_last(&line, &ids) || !take_last(&line, &size))
		return;
	span_split(&ids, ':', &uid);
	span_split(&ids, ':', &validity);
	if (!span_number(uid, &n) || (validity.len && !span_number(validity, &v)))
		return;
	if (span_find(line, ':') >= 0)
		line = span_first(line, (size_t)span_find(line, ':'));
	if (n == 0) {
		text_add_byte(&fields, 'P');
		add_name_as_uidl(line, &fields);
	} else if (v == 0) {
		text_add_format(&fields, "PUID%llu", (unsigned long long)n);
	} else {
		text_add_format(&fields, "PUID%llu-%llu", (unsigned long long)n, (unsigned long long)v);
	}
	text_add_format(&fields, " O%llu", (unsigned long long)order);
	put(map, line, text_span(&fields));
}

void
courier_sizelist_parse(struct span text, struct strmap *map)
{
	struct span line, version;
	uint64_t    n, order = 0;

	span_split(&text, '\n', &line);
	if (!span_starts(line, "/"))
		return;
	line = span_from(line, 1);
	if (!span_next(&line, " ", &version) || !span_number(version, &n) || n < 2 || n > 3)
		return;
	while (text.len && span_split(&text, '\n', &line))
		take_pop3_line(line, ++order, map);
}

struct strmap *
courier_uidls_read(int mailbox_dir)
{
	autotext struct text list = {0};
	struct strmap       *map;

	if (small_file_read(mailbox_dir, "courierpop3dsizelist", LIST_LARGEST, &list, NULL, NULL) < 0)
		return NULL;
	map = strmap_new();
	courier_sizelist_parse(text_span(&list), map);
	return map;
}
