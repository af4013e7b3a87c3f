/* SPDX-License-Identifier: ISC */
/*
 * shelf.c - the segments of a mailbox's index, as files
 */
#include "search/shelf.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { NAME_DIGITS = 17, FILES_MOST = 100000 };

void
shelf_open(struct shelf *s, int directory, const char *prefix, uint32_t validity)
{
	*s = (struct shelf){.directory = directory, .prefix = mem_string(prefix), .validity = validity, .lock = -1};
}

static void
unmap(struct shelf_file *f)
{
	if (f->map)
		munmap(f->map, f->len);
	f->map = NULL;
}

void
shelf_close(struct shelf *s)
{
	for (size_t i = 0; i < s->count; i++)
		unmap(&s->at[i]);
	free(take(s->at));
	free(take(s->prefix));
	s->count = 0;
	shelf_unlock(s);
}

static char *
name_of(const struct shelf *s, uint32_t first, uint32_t last)
{
	return mem_format("%s%08x-%08x", s->prefix, first, last);
}

/* "PREFIX00000001-000001f4" */
static bool
parse_name(const struct shelf *s, const char *name, uint32_t *first, uint32_t *last)
{
	size_t len = strlen(s->prefix);
	char   end;

	return strncmp(name, s->prefix, len) == 0 && strlen(name) == len + NAME_DIGITS
		&& strspn(name + len, "0123456789abcdef-") == NAME_DIGITS
		&& sscanf(name + len, "%8x-%8x%c", first, last, &end) == 2 && *first <= *last;
}

static int
compare(const void *a, const void *b)
{
	const struct shelf_file *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->last > y->last ? -1 : x->last < y->last;
}

static void
list(const struct shelf *s, struct shelf_file **out, size_t *count)
{
	int            fd = file_open_beneath(s->directory, ".", O_RDONLY | O_DIRECTORY, 0, NULL);
	DIR           *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	*out = NULL;
	*count = 0;
	while (d && *count < FILES_MOST && (e = readdir(d))) {
		struct shelf_file f = {0};

		if (!parse_name(s, e->d_name, &f.first, &f.last))
			continue;
		*out = mem_grow(*out, *count + 1, sizeof **out);
		(*out)[(*count)++] = f;
	}
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	if (*count)
		qsort(*out, *count, sizeof **out, compare);
}

/* A look takes over what is mapped already: a name stands for what it stood for, or for less of it. */
static bool
reuse(struct shelf *s, struct shelf_file *f)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->at[i].map && s->at[i].first == f->first && s->at[i].last == f->last) {
			*f = s->at[i];
			s->at[i].map = NULL;
			return true;
		}
	return false;
}

static bool
map_file(struct shelf *s, struct shelf_file *f)
{
	autofree char *name = name_of(s, f->first, f->last);
	autoclose int  fd = file_open_beneath(s->directory, name, O_RDONLY | O_NONBLOCK, 0, NULL);
	struct stat    st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > 1 << 30)
		return false;
	f->len = (size_t)st.st_size;
	f->map = mmap(NULL, f->len, PROT_READ, MAP_SHARED, fd, 0);
	if (f->map == MAP_FAILED)
		f->map = NULL;
	if (f->map && search_segment_open(span_at(f->map, f->len), &f->segment) && f->segment.validity == s->validity
		&& f->segment.first == f->first && f->segment.last == f->last)
		return true;
	unmap(f);
	return false;
}

void
shelf_look(struct shelf *s)
{
	struct shelf_file *all;
	size_t             count, kept = 0;

	list(s, &all, &count);
	s->crowded = false;
	for (size_t i = 0; i < count; i++) {
		struct shelf_file f = all[i];

		if ((kept && f.first <= all[kept - 1].last) || (!reuse(s, &f) && !map_file(s, &f)))
			s->crowded = true;
		else
			all[kept++] = f;
	}
	for (size_t i = 0; i < s->count; i++)
		unmap(&s->at[i]);
	free(s->at);
	s->at = all;
	s->count = kept;
}

uint64_t
shelf_bytes(const struct shelf *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->count; i++)
		sum += s->at[i].len;
	return sum;
}

bool
shelf_lock(struct shelf *s)
{
	autofree char *name = mem_format("%slock", s->prefix);

	if (s->lock >= 0)
		return true;
	s->lock = file_open_beneath(s->directory, name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, NULL);
	if (s->lock >= 0 && flock(s->lock, LOCK_EX | LOCK_NB) < 0)
		shelf_unlock(s);
	return s->lock >= 0;
}

void
shelf_unlock(struct shelf *s)
{
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
}

static int
write_segment(struct shelf *s, struct span bytes, const char *tmp, const char *name, struct fault *why)
{
	autoclose int fd = file_open_beneath(s->directory, tmp, O_WRONLY | O_CREAT | O_TRUNC, 0600, why);

	if (fd < 0)
		return -1;
	if (file_write(fd, bytes, why) < 0 || file_sync(fd, why) < 0) {
		unlinkat(s->directory, tmp, 0);
		return -1;
	}
	return renameat(s->directory, tmp, s->directory, name) < 0 ? fault_errno(why, "rename %s", tmp) : 0;
}

static void
remove_file(struct shelf *s, uint32_t first, uint32_t last)
{
	autofree char *name = name_of(s, first, last);

	unlinkat(s->directory, name, 0);
}

int
shelf_put(struct shelf *s, struct span bytes, size_t replaced, size_t replaced_count, struct fault *why)
{
	struct search_segment g;
	autofree char        *tmp = mem_format("%stmp", s->prefix), *name = NULL;

	if (!search_segment_open(bytes, &g))
		return fault_set(why, FAULT_INPUT, "a segment that is none");
	name = name_of(s, g.first, g.last);
	if (write_segment(s, bytes, tmp, name, why) < 0)
		return -1;
	for (size_t i = replaced; i < replaced + replaced_count; i++) {
		if (s->at[i].first != g.first || s->at[i].last != g.last)
			remove_file(s, s->at[i].first, s->at[i].last);
		unmap(&s->at[i]); /* of the same name, perhaps: looked at anew */
	}
	shelf_look(s);
	return 0;
}

void
shelf_tidy(struct shelf *s)
{
	struct shelf_file *all;
	size_t             count;

	list(s, &all, &count);
	for (size_t i = 0; i < count; i++) {
		bool counts = false;

		for (size_t k = 0; k < s->count && !counts; k++)
			counts = s->at[k].first == all[i].first && s->at[k].last == all[i].last;
		if (!counts)
			remove_file(s, all[i].first, all[i].last);
	}
	free(all);
	s->crowded = false;
}
