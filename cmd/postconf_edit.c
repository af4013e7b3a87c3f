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

/* One line that is no comment. */
static void
check_word(const char *word, bool of_main)
{
	const char *who = of_main ? "-e, -X, or -# accepts" : "-Me, -Fe, -Pe, -X, or -# accept";

	if (strchr(word, '\n'))
		log_fatal("%s no multi-line input", who);
	if (word[strspn(word, " \t\r")] == '#')
		log_fatal("%s no comment input", who);
}

/* "name=value" cut in two owned strings. */
static void
split_assignment(const char *word, char **name, char **value)
{
	struct span s = span_of(word), n;
	size_t      end;

	s = span_trim(s);
	end = s.len ? strcspn(s.at, "= \t\r") : 0;
	n = span_first(s, end);
	s = span_trim(span_from(s, end));
	if (n.len == 0)
		log_fatal("missing attribute name: \"%.*s\"", SPAN_ARGS(span_trim(span_of(word))));
	if (!span_starts(s, "="))
		log_fatal("missing '=' after attribute name: \"%s\"", word);
	*name = mem_span(n);
	*value = mem_span(span_trim(span_from(s, 1)));
}

int
edit_main(const struct postconf *p)
{
	struct edit *edits = mem_array((size_t)p->n_words + 1, sizeof *edits);

	for (int i = 0; i < p->n_words; i++) {
		char *name, *value;

		check_word(p->words[i], true);
		edits[i].action = action_of(p);
		if (edits[i].action == EDIT_SET) {
			split_assignment(p->words[i], &name, &value);
			edits[i].key = name;
			edits[i].line = mem_format(*value ? "%s = %s" : "%s =%s", name, value);
			for (int earlier = 0; earlier < i; earlier++)
				if (strcmp(edits[earlier].key, name) == 0)
					edits[earlier].line = edits[i].line;
		} else {
			if (!p->words[i][strspn(p->words[i], " \t\r")])
				log_fatal("-X or -# requires non-blank parameter names");
			edits[i].key = p->words[i];
		}
	}
	return edit_file(p, "main.cf", EDIT_MAIN, edits, (size_t)p->n_words);
}

/* "service/type" of "service/type/name" or of "service/type", which has that many parts. Owned. */
static char *
row_key(const char *word, size_t parts, const char *complaint)
{
	struct span rest = span_of(word), part;
	size_t      n = 0, end = 0;

	while (span_next(&rest, "/", &part))
		if (++n == 2)
			end = (size_t)(part.at + part.len - word);
	if (n != parts)
		log_fatal("%s", complaint);
	return mem_span(span_first(span_of(word), end));
}

static const char needs_type[] = "-Me, -MX or -M# requires service_name/type";
static const char needs_field[] = "-Fe or -FX requires service_name/type/field_name";
static const char needs_parameter[] = "-Pe or -PX requires service_name/type/parameter";

static const char *
part_behind(const char *word, const char *key)
{
	return word[strlen(key)] == '/' ? word + strlen(key) + 1 : "";
}

static bool
is_field_value(size_t field, struct span s)
{
	static const char *const types[] = {"inet", "unix", "fifo", "pass", "unix-dgram"};

	if (field == 1)
		for (size_t i = 0; i < COUNT(types); i++)
			if (span_is(s, types[i]))
				return true;
	if (field == 1 || s.len == 0)
		return false;
	if (field <= 4)
		return span_is(s, "y") || span_is(s, "n") || span_is(s, "-");
	if (field == 5 && span_ends(s, "?"))
		s.len--;
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_digit(s.at[i]) && !span_is(s, "-"))
			return false;
	return true;
}

/* One entry, owned; `word` is what the command line said of it. */
static struct master_cf *
parse_entry(const char *entry, const char *word, const char *where)
{
	autofree char    *text = mem_format("%s\n", entry);
	struct faults     faults = {0};
	struct master_cf *one = master_cf_parse("master.cf", span_of(text), false, &faults);
	const char       *colon = faults.errors ? strstr(faults.error[0], ": ") : NULL;
	struct span       rest = span_of(entry), field;
	size_t            fields = 0;

	while (span_next(&rest, " \t\r", &field)) {
		if (fields >= 1 && fields <= 6 && !is_field_value(fields, field))
			log_fatal("invalid %s field \"%.*s\" in \"%s\"", known_fields[fields].name, SPAN_ARGS(field), where);
		fields++;
	}
	if (fields < MASTER_FIELDS)
		log_fatal("bad field count: \"%s\"", word);
	if (faults.errors || one->count != 1)
		log_fatal("%s in \"%s\"", colon ? colon + 2 : "expected one entry", where);
	faults_free(&faults);
	return one;
}

/* -MX and -M#: each line that the pattern matches. */
static int
drop_master_rows(const struct postconf *p)
{
	struct edit *edits = mem_array(p->master->count + 1, sizeof *edits);
	size_t       n = 0;

	for (int i = 0; i < p->n_words; i++) {
		check_word(p->words[i], false);
		free(row_key(p->words[i], 2, needs_type));
	}
	for (size_t at = 0; at < p->master->count; at++)
		for (int i = 0; i < p->n_words; i++)
			if (master_row_matches(p->master->row[at], p->words[i])) {
				edits[n].action = action_of(p);
				edits[n++].key = mem_format("%s/%s", p->master->row[at]->service, master_type_name(p->master->row[at]->type));
				break;
			}
	return edit_file(p, "master.cf", EDIT_MASTER, edits, n);
}

int
edit_master_rows(const struct postconf *p)
{
	struct edit *edits;

	if (action_of(p) != EDIT_SET)
		return drop_master_rows(p);
	edits = mem_array((size_t)p->n_words + 1, sizeof *edits);
	for (int i = 0; i < p->n_words; i++) {
		char *name, *value;

		check_word(p->words[i], false);
		split_assignment(p->words[i], &name, &value);
		edits[i].action = EDIT_SET;
		edits[i].key = row_key(name, 2, needs_type);
		autotext struct text line = {0};
		struct master_cf    *one = parse_entry(value, p->words[i], value);

		master_row_text(p, one->row[0], &line, true);
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
replace_row(const struct postconf *p, const char *key, const char *entry, const char *where)
{
	struct master_cf    *one = parse_entry(entry, entry, where);
	autotext struct text line = {0};
	struct edit          e = {.key = key, .action = EDIT_SET};

	master_row_text(p, one->row[0], &line, true);
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
edit_field(const struct postconf *p, size_t field, const char *value, const struct master_row *r)
{
	autotext struct text entry = {0};
	autofree char       *key = mem_format("%s/%s", r->service, master_type_name(r->type));

	if (!*value)
		log_fatal("missing value: \"%s/%s\"", key, known_fields[field].name);
	for (size_t i = 0; i < MASTER_FIELDS; i++)
		text_add_format(&entry, "%s%s", i ? " " : "", i == field ? value : r->field[i]);
	replace_row(p, key, text_string(&entry), value);
}

static size_t
find_field(const char *name)
{
	for (size_t i = 0; i < MASTER_FIELDS; i++)
		if (strcmp(name, known_fields[i].name) == 0)
			return i;
	log_fatal("invalid service attribute name: \"%s\"", name);
}

/* Each line that the pattern matches; the file is read anew in between. */
static void
edit_fields(const struct postconf *p, const char *word)
{
	char               *name, *value;
	size_t              count = p->master->count, field;
	struct master_row **rows = p->master->row;

	check_word(word, false);
	split_assignment(word, &name, &value);
	autofree char *key = row_key(name, 3, needs_field);
	field = find_field(part_behind(name, key));
	warn_unmatched(p, key, word);
	for (size_t i = 0; i < count; i++)
		if (master_row_matches(rows[i], key))
			edit_field(p, field, value, rows[i]);
}

int
edit_master_fields(const struct postconf *p)
{
	struct postconf now = *p;

	for (int i = 0; i < p->n_words; i++) {
		edit_fields(&now, p->words[i]);
		read_again(&now);
	}
	return 0;
}

/* The option of that name that begins at the word: how many words it is, or 0. */
static size_t
option_length(const struct master_row *r, size_t at, const char *name)
{
	struct span word = span_of(r->words.item[at]), n, v;
	size_t      length = span_is(word, "-o") && at + 1 < r->words.count ? 2 : 1;

	if (!span_starts(word, "-o"))
		return 0;
	word = length == 2 ? span_of(r->words.item[at + 1]) : span_from(word, 2);
	(void)list_group(word, &word);
	return list_assignment(word, &n, &v, NULL) == 0 && span_is(n, name) ? length : 0;
}

/* The row's text with the option set (or taken out, when value is NULL); behind the last option. */
static void
option_entry(const struct master_row *r, const char *name, const char *value, struct text *entry)
{
	bool put = !value;

	for (size_t i = 0; i < 7; i++)
		text_add_format(entry, "%s ", r->field[i]);
	text_add_string(entry, r->command);
	for (size_t i = 1; i < r->words.count; i++) {
		const char *word = r->words.item[i];
		bool        ends = word[0] != '-' && strcmp(r->words.item[i - 1], "-o") != 0;
		size_t      skip = put && value ? 0 : option_length(r, i, name);

		if (ends && !put) {
			text_add_format(entry, " -o %s=%s", name, value);
			put = true;
		}
		if (skip)
			i += skip - 1;
		else
			text_add_format(entry, " %s", word);
	}
	if (!put)
		text_add_format(entry, " -o %s=%s", name, value);
}

static void
edit_option(const struct postconf *p, const char *word)
{
	char *name, *value = NULL;

	check_word(word, false);
	if (action_of(p) == EDIT_SET)
		split_assignment(word, &name, &value);
	else
		name = mem_string(word);
	autofree char *key = row_key(name, 3, needs_parameter);
	if (value && strpbrk(value, " \t"))
		log_fatal("-Pe does not accept whitespace in parameter value");
	warn_unmatched(p, key, word);
	for (size_t i = 0; i < p->master->count; i++) {
		const struct master_row *r = p->master->row[i];
		autofree char           *exact = mem_format("%s/%s", r->service, master_type_name(r->type));
		autotext struct text     entry = {0};

		if (!master_row_matches(r, key))
			continue;
		option_entry(r, part_behind(name, key), value, &entry);
		replace_row(p, exact, text_string(&entry), word);
	}
}

int
edit_master_options(const struct postconf *p)
{
	struct postconf now = *p;

	for (int i = 0; i < p->n_words; i++) {
		edit_option(&now, p->words[i]);
		read_again(&now);
	}
	return 0;
}
