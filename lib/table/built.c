/* SPDX-License-Identifier: ISC */
/*
 * built.c - the LMDB files behind hash:, btree: and lmdb:
 */
#include "table/built.h"

#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "config/site.h"
#include "table/built_file.h"
#include "table/contents.h"
#include "table/source.h"
#include "table/table.h"

bool
built_is_aliases(const char *spec)
{
	const struct list *lists[] = {&site.alias_maps, &site.alias_database};
	struct span        name = span_of(spec);
	ptrdiff_t          colon = span_find(name, ':');

	if (colon < 0)
		return false;
	name = span_from(name, (size_t)colon + 1);
	for (size_t l = 0; l < COUNT(lists); l++)
		for (size_t i = 0; i < lists[l]->count; i++) {
			struct span one = span_of(lists[l]->item[i]);

			if (span_starts(one, "proxy:"))
				one = span_from(one, 6);
			colon = span_find(one, ':');
			if (one.at[0] != '/' && colon >= 0)
				one = span_from(one, (size_t)colon + 1);
			if (span_equal(one, name))
				return true;
		}
	return false;
}

static char *
absolute(const char *source)
{
	char directory[PATH_MAX];

	if (source[0] == '/' || !getcwd(directory, sizeof directory))
		return mem_string(source);
	return mem_format("%s/%s", directory, source);
}

char *
built_path(const char *source)
{
	autofree char *whole = absolute(source);
	const char    *name = strrchr(whole, '/');
	uint64_t       hash = 0xcbf29ce484222325ULL;    /* FNV-1a: names, not secrets */

	for (const char *c = whole; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3ULL;
	return mem_format("%s/tables/%s-%016llx.lmdb", site.data_directory, name ? name + 1 : whole,
	                  (unsigned long long)hash);
}

/* What is remembered of the text; equal means fresh. */
static char *
stamp_of(const struct stat *s, const char *kind)
{
	return mem_format("1 %lld.%09ld %lld.%09ld %lld %ld %o %s", (long long)s->st_mtim.tv_sec,
	                  (long)s->st_mtim.tv_nsec, (long long)s->st_ctim.tv_sec, (long)s->st_ctim.tv_nsec,
	                  (long long)s->st_size, (long)s->st_uid, (unsigned)(s->st_mode & 0777),
	                  kind);
}

static const char *
kind_of(const struct built_options *o)
{
	return o->aliases ? "aliases" : o->files ? "files" : "postmap";
}

/* How the text was read when the table was built: the last word of the stamp. */
static const char *
kind_in(struct span stamp)
{
	return span_ends(stamp, " aliases") ? "aliases" : span_ends(stamp, " files") ? "files" : "postmap";
}

enum built_state
built_check(const char *source)
{
	autofree char       *path = built_path(source), *now = NULL;
	autotext struct text then = {0};
	struct stat          s;
	bool                 has_text = stat(source, &s) == 0;

	if (access(path, F_OK) < 0)
		return BUILT_MISSING;
	if (!has_text)
		return BUILT_WITHOUT_TEXT;
	if (built_file_stamp(path, &then) < 0)
		return BUILT_STALE;
	now = stamp_of(&s, kind_in(text_span(&then)));
	return span_is(text_span(&then), now) ? BUILT_FRESH : BUILT_STALE;
}

bool
built_was_aliases(const char *source)
{
	autofree char       *path = built_path(source);
	autotext struct text then = {0};

	return built_file_stamp(path, &then) == 0 && span_ends(text_span(&then), " aliases");
}

bool
built_was_files(const char *source)
{
	autofree char       *path = built_path(source);
	autotext struct text then = {0};

	return built_file_stamp(path, &then) == 0 && span_ends(text_span(&then), " files");
}

uid_t
built_owner(const char *source)
{
	autofree char       *path = built_path(source);
	autotext struct text then = {0};
	struct span          rest, word = SPAN_NONE;
	struct stat          text, file;
	uint64_t             uid;

	if (stat(path, &file) < 0)
		return (uid_t)-1;
	if (stat(source, &text) == 0)
		uid = text.st_uid;
	else {
		if (built_file_stamp(path, &then) < 0)
			return file.st_uid;
		rest = text_span(&then);
		for (int i = 0; i < 5; i++)
			span_next(&rest, " ", &word);
		if (!span_number(word, &uid))
			return file.st_uid;
	}
	/* whoever could write the built file could have said anything in root's name */
	return file.st_uid == 0 || file.st_uid == uid ? (uid_t)uid : file.st_uid;
}

struct building {
	struct built_file          *file;
	const char                 *source;
	const struct built_options *options;
};

static void
complain(void *context, int line, const char *sentence)
{
	const struct building *b = context;

	log_warning("%s, line %d: %s", b->source, line, sentence);
}

static int
add_pair(void *context, int line, struct span key, struct span value, struct fault *why)
{
	const struct building *b = context;
	autotext struct text   folded = {0}, contents = {0};
	struct fault           missing = {0};
	int                    put;

	text_add(&folded, key);
	if (!b->options->keep_case)
		text_lower(&folded);
	if (b->options->files) {
		if (contents_encode(value, &contents, &missing) < 0) {
			log_warning("%s, line %d: %s: skipping this entry", b->source, line, fault_text(&missing));
			return 0;
		}
		value = text_span(&contents);
	}
	if (key.len > TABLE_BUILT_KEY_MAX || value.len > TABLE_VALUE_MAX) {
		log_warning("%s, line %d: %s too long: not in the table", b->source, line,
		            key.len > TABLE_BUILT_KEY_MAX ? "key" : "value");
		return 0;
	}
	put = built_file_put(b->file, text_span(&folded), value, b->options->replace, why);
	if (put == 1 && !b->options->quiet_repeats && !b->options->replace)
		log_warning("%s, line %d: duplicate entry: \"%s\"", b->source, line,
		            text_string(&folded));
	return put < 0 ? -1 : 0;
}

static mode_t
mode_for(const struct stat *s, const struct built_options *o)
{
	if (o->files)
		return 0600;
	return o->no_mode ? 0644 : (s->st_mode & 0644) | 0600;
}

/* Root builds tables whose texts others own (a list manager's aliases): a link
 * of theirs must not lead root to somebody else's file. */
int
built_check_link(const char *source, const struct stat *target, struct fault *why)
{
	struct stat link;

	if (lstat(source, &link) < 0)
		return fault_errno(why, "%s", source);
	/* or the link that was opened is a file by now */
	if (!S_ISLNK(link.st_mode) &&
	    (link.st_ino != target->st_ino || link.st_dev != target->st_dev))
		return fault_set(why, FAULT_TIME, "%s: exchanged while it was opened", source);
	if (S_ISLNK(link.st_mode) && link.st_uid != 0 &&
	    link.st_uid != geteuid() && link.st_uid != target->st_uid)
		return fault_set(why, FAULT_DENIED, "%s: a link of uid %ld to a file of uid %ld",
		                 source,
		                 (long)link.st_uid, (long)target->st_uid);
	return 0;
}

static int
read_source(const char *source, struct stat *s, struct text *in, struct fault *why)
{
	autoclose int fd = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return fault_errno(why, "open %s", source);
	if (fstat(fd, s) < 0)
		return fault_errno(why, "fstat %s", source);
	if (built_check_link(source, s, why) < 0)
		return -1;
	if (!S_ISREG(s->st_mode))
		return fault_set(why, FAULT_INPUT, "%s: not a regular file", source);
	if (file_read_fd(fd, TABLE_TEXT_MAX, in, why) < 0)
		return fault_prefix(why, "%s", source);
	return 0;
}

int
built_make(const char *source, const struct built_options *options, struct fault *why)
{
	autofree char       *path = built_path(source), *stamp = NULL;
	autotext struct text in = {0};
	struct building      b = {.source = source, .options = options};
	struct source_reader reader = {add_pair, complain, &b};
	struct stat          s;
	int                  bad;

	if (read_source(source, &s, &in, why) < 0)
		return -1;
	if (options->files && geteuid() == 0 && s.st_uid != 0)
		return fault_set(why, FAULT_DENIED, "%s: is of uid %ld: the files that it names are not read for that user", source, (long)s.st_uid);
	stamp = stamp_of(&s, kind_of(options));
	b.file = built_file_create(path, in.len, why);
	if (!b.file)
		return -1;
	bad = source_read(text_span(&in), options->aliases ? SOURCE_ALIASES : SOURCE_POSTMAP,
	                  &reader, why);
	if (bad > 0 && options->keep_old && access(path, F_OK) == 0)
		bad = fault_set(why, FAULT_INPUT, "%s: %d bad lines: the old table is kept",
		                source, bad);
	if (bad < 0) {
		built_file_abandon(b.file);
		return -1;
	}
	return built_file_publish(b.file, stamp, mode_for(&s, options), why);
}

static void
copy_pair(void *context, struct span key, struct span value)
{
	built_file_put(context, key, value, true, NULL);
}

int
built_edit(const char *source, const struct built_change *change, size_t count,
           const struct built_options *options, bool *removed, struct fault *why)
{
	autofree char       *path = built_path(source);
	autotext struct text stamp = {0};
	struct built_file   *file;
	struct stat          s = {.st_mode = 0600};
	size_t               size = 1 << 20;
	bool                 there;

	if (stat(path, &s) == 0)
		size += (size_t)s.st_size;
	for (size_t i = 0; i < count; i++)
		size += change[i].value ? change[i].value->len + change[i].key.len : 0;
	built_file_stamp(path, &stamp);
	file = built_file_create(path, size, why);
	if (!file)
		return -1;
	if (access(path, F_OK) == 0 && built_file_walk(path, copy_pair, file, why) < 0) {
		built_file_abandon(file);
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		autotext struct text key = {0};
		int                  put = 0;

		text_add(&key, change[i].key);
		if (!options->keep_case)
			text_lower(&key);
		if (!change[i].value) {
			there = built_file_remove(file, text_span(&key));
			if (removed)
				*removed = there;
		} else if (change[i].key.len > TABLE_BUILT_KEY_MAX)
			put = fault_set(why, FAULT_INPUT, "key too long");
		else
			put = built_file_put(file, text_span(&key), *change[i].value,
			                     options->replace, why);
		if (put == 1 && !options->quiet_repeats && !options->replace)
			log_warning("%s: duplicate entry: \"%s\"", source, text_string(&key));
		if (put < 0) {
			built_file_abandon(file);
			return -1;
		}
	}
	return built_file_publish(file, text_string(&stamp), mode_for(&s, options), why);
}

int
built_walk(const char *source, void (*each)(void *, struct span, struct span), void *context,
           struct fault *why)
{
	autofree char *path = built_path(source);

	return built_file_walk(path, each, context, why);
}
