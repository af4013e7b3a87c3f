/* SPDX-License-Identifier: ISC */
/*
 * postconf_edit.c - -e -X -# on main.cf, and on lines, fields and options of master.cf
 *
 * The file is read, changed in memory and replaced whole, under a lock of its directory: two
 * postconfs at once lose nothing, and a crash leaves the old file or the new one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cmd/known.h"
#include "cmd/postconf.h"
#include "config/edit.h"
#include "config/list.h"

static int
edit_file(const struct postconf *p, const char *name, enum edit_kind kind, struct edit *edits,
          size_t count)
{
	const char          *directory = main_cf_directory(p->directory);
	autofree char       *path = mem_format("%s/%s", directory, name);
	autofree char       *real = realpath(path, NULL);
	autoclose int        lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autotext struct text in = {0}, out = {0};
	struct fault         why = {0};
	struct stat          s;

	if (!real || stat(real, &s) < 0 || lock < 0 || flock(lock, LOCK_EX) < 0)
		log_fatal("open %s: %m", path);
	if (file_read(real, MAIN_CF_MAX, &in, &why) < 0)
		log_fatal("%s", fault_text(&why));
	edit_text(text_span(&in), kind, edits, count, &out);
	if (span_equal(text_span(&in), text_span(&out)))
		return 0;
	if (file_replace(real, text_span(&out), s.st_mode & 07777, &why) < 0)
		log_fatal("%s", fault_text(&why));
	return 0;
}

static enum edit_action
action_of(const struct postconf *p)
{
	return p->comment ? EDIT_COMMENT : p->remove ? EDIT_REMOVE : EDIT_SET;
}

static void
need_one_line(const char *word)
{
	if (strchr(word, '\n'))
		log_fatal("-e, -X, and -# accept no multi-line input");
}

/* "name=value" cut in two owned strings. */
static void
split_assignment(const char *word, char **name, char **value)
{
	struct span  n, v;
	struct fault why = {0};

	need_one_line(word);
	if (list_assignment(span_of(word), &n, &v, &why) < 0)
		log_fatal("%s", fault_text(&why));
	*name = mem_span(n);
	*value = mem_span(v);
}

int
edit_main(const struct postconf *p)
{
	struct edit *edits = mem_array((size_t)p->n_words + 1, sizeof *edits);

	for (int i = 0; i < p->n_words; i++) {
		char *name, *value;

		edits[i].action = action_of(p);
		if (edits[i].action == EDIT_SET) {
			split_assignment(p->words[i], &name, &value);
			if (strpbrk(name, " \t#") || name[0] == '\0')
				log_fatal("bad parameter name: \"%s\"", name);
			edits[i].key = name;
			edits[i].line = mem_format(*value ? "%s = %s" : "%s =%s", name, value);
			for (int earlier = 0; earlier < i; earlier++)
				if (strcmp(edits[earlier].key, name) == 0)
					edits[earlier].line = edits[i].line;
		} else {
			need_one_line(p->words[i]);
			if (strchr(p->words[i], '='))
				log_fatal("-X or -# requires a name without a value: %s",
				          p->words[i]);
			edits[i].key = p->words[i];
		}
	}
	return edit_file(p, "main.cf", EDIT_MAIN, edits, (size_t)p->n_words);
}

/* "service/type" of "service/type/name" or of "service/type". Owned. */
static char *
row_key(const char *word)
{
	struct span rest = span_of(word), service, type;

	if (!span_split(&rest, '/', &service))
		log_fatal("expected service/type: \"%s\"", word);
	span_split(&rest, '/', &type);
	return mem_span(span_first(span_of(word), service.len + 1 + type.len));
}

static const char *
part_behind(const char *word, const char *key)
{
	return word[strlen(key)] == '/' ? word + strlen(key) + 1 : "";
}

int
edit_master_rows(const struct postconf *p)
{
	struct edit *edits = mem_array((size_t)p->n_words + 1, sizeof *edits);

	for (int i = 0; i < p->n_words; i++) {
		char *name, *value;

		edits[i].action = action_of(p);
		if (edits[i].action != EDIT_SET) {
			edits[i].key = row_key(p->words[i]);
			continue;
		}
		split_assignment(p->words[i], &name, &value);
		autofree char        *entry = mem_format("%s\n", value);
		struct faults         faults = {0};
		struct master_cf     *one = master_cf_parse(name, span_of(entry), false, &faults);
		autotext struct text  line = {0};

		if (faults.errors || one->count != 1)
			log_fatal("%s", faults.errors ? faults.error[0] : "expected one entry");
		edits[i].key = row_key(name);
		if (!master_row_matches(one->row[0], name))
			log_fatal("the entry is not for %s", name);
		master_row_text(one->row[0], &line, true);
		edits[i].line = mem_string(text_string(&line));
		master_cf_free(one);
	}
	return edit_file(p, "master.cf", EDIT_MASTER, edits, (size_t)p->n_words);
}

static void
warn_unmatched(const struct postconf *p, const char *key, const char *word)
{
	for (size_t i = 0; i < p->master->count; i++)
		if (master_row_matches(p->master->row[i], key))
			return;
	log_warning("unmatched service_name/type: \"%s\"", word);
}

/* Puts one changed row into the file. */
static int
replace_row(const struct postconf *p, const char *key, const char *entry)
{
	autofree char    *text = mem_format("%s\n", entry);
	struct faults     faults = {0};
	struct master_cf *one = master_cf_parse("master.cf", span_of(text), false, &faults);
	autotext struct text line = {0};
	struct edit       e = {.key = key, .action = EDIT_SET};

	if (faults.errors || one->count != 1)
		log_fatal("%s", faults.errors ? faults.error[0] : "expected one entry");
	master_row_text(one->row[0], &line, true);
	e.line = text_string(&line);
	edit_file(p, "master.cf", EDIT_MASTER, &e, 1);
	master_cf_free(one);
	return 0;
}

static void
read_again(struct postconf *p)
{
	struct faults faults = {0};

	p->master = master_cf_read(p->directory, p->cf, &faults);
	faults_free(&faults);
}

static void
edit_field(const struct postconf *p, const char *word, const char *name, const char *value, const struct master_row *r)
{
	autotext struct text entry = {0};
	autofree char       *pattern = row_key(name), *key = mem_format("%s/%s", r->service, master_type_name(r->type));
	bool                 found = false;

	for (size_t i = 0; i < MASTER_FIELDS; i++) {
		bool hit = strcmp(part_behind(name, pattern), known_fields[i].name) == 0;

		found |= hit;
		text_add_format(&entry, "%s%s", i ? " " : "", hit ? value : r->field[i]);
	}
	if (!found)
		log_fatal("expected service/type/field=value, a field of master.cf: \"%s\"", word);
	replace_row(p, key, text_string(&entry));
}

/* Each line that the pattern matches; the file is read anew in between. */
static void
edit_fields(const struct postconf *p, const char *word)
{
	char         *name, *value;
	size_t        count = p->master->count;
	struct master_row **rows = p->master->row;

	split_assignment(word, &name, &value);
	autofree char *key = row_key(name);
	warn_unmatched(p, key, word);
	for (size_t i = 0; i < count; i++)
		if (master_row_matches(rows[i], key))
			edit_field(p, word, name, value, rows[i]);
}

int
edit_master_fields(const struct postconf *p)
{
	struct postconf now = *p;

	if (action_of(p) != EDIT_SET)
		log_fatal("-F cannot be combined with -X or -#");
	for (int i = 0; i < p->n_words; i++) {
		edit_fields(&now, p->words[i]);
		read_again(&now);
	}
	return 0;
}

/* The row's text with the option set (or taken out, when value is NULL). */
static void
option_entry(const struct master_row *r, const char *name, const char *value, struct text *entry)
{
	for (size_t i = 0; i < 7; i++)
		text_add_format(entry, "%s ", r->field[i]);
	text_add_string(entry, r->command);
	for (size_t o = 0; o < r->options.count; o++) {
		struct span rest = span_of(r->options.item[o]), one;

		span_split(&rest, '=', &one);
		if (!span_is(one, name))
			text_add_format(entry, span_find_any(rest, " \t") >= 0
			                ? " -o { %.*s = %.*s }" : " -o %.*s=%.*s",
			                SPAN_ARGS(one), SPAN_ARGS(rest));
	}
	if (value)
		text_add_format(entry, strpbrk(value, " \t") ? " -o { %s = %s }" : " -o %s=%s",
		                name, value);
	for (int v = 0; v < r->verbose; v++)
		text_add_string(entry, " -v");
	for (size_t i = 0; i < r->arguments.count; i++)
		text_add_format(entry, strpbrk(r->arguments.item[i], " \t") ? " {%s}" : " %s",
		                r->arguments.item[i]);
}

static void
edit_option(const struct postconf *p, const char *word)
{
	char *name, *value = NULL;

	if (action_of(p) == EDIT_SET)
		split_assignment(word, &name, &value);
	else
		name = mem_string(word);
	if (value && strpbrk(value, " \t"))
		log_fatal("-Pe does not accept whitespace in parameter value");
	autofree char *key = row_key(name);
	if (!*part_behind(name, key))
		log_fatal("expected service/type/parameter: \"%s\"", word);
	warn_unmatched(p, key, word);
	for (size_t i = 0; i < p->master->count; i++) {
		const struct master_row *r = p->master->row[i];
		autofree char           *exact = mem_format("%s/%s", r->service, master_type_name(r->type));
		autotext struct text     entry = {0};

		if (!master_row_matches(r, key))
			continue;
		option_entry(r, part_behind(name, key), value, &entry);
		replace_row(p, exact, text_string(&entry));
	}
}

int
edit_master_options(const struct postconf *p)
{
	struct postconf now = *p;

	if (action_of(p) == EDIT_COMMENT)
		log_fatal("-P cannot be combined with -#");
	for (int i = 0; i < p->n_words; i++) {
		edit_option(&now, p->words[i]);
		read_again(&now);
	}
	return 0;
}
