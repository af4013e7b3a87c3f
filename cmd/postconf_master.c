/* SPDX-License-Identifier: ISC */
/*
 * postconf_master.c - lines, fields and options of master.cf, and who may do what
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "cmd/known.h"
#include "cmd/postconf.h"
#include "config/site.h"

enum { LINE_LIMIT = 80 };

/* With $service_name, and the line's other options before main.cf. */
static void
expand_option(const struct postconf *p, const struct master_row *r, const char *value, struct text *out)
{
	struct faults         faults = {0};
	autofree char        *service = mem_format("service_name=%s", r->service);
	struct main_cf       *cf = main_cf_read(p->directory, &faults);

	main_cf_know(cf, site_params);
	main_cf_override(cf, span_of(service), "", 0, NULL);
	for (size_t o = 0; o < r->options.count; o++)
		main_cf_override(cf, span_of(r->options.item[o]), "", 0, NULL);
	main_cf_expand(cf, span_of(value), out, NULL);
	main_cf_free(cf);
	faults_free(&faults);
}

/* "{ a = b c }" behind -o is {a=b c}; with -x the value is expanded. */
static void
word_text(const struct postconf *p, const struct master_row *r, size_t at, struct text *out)
{
	autotext struct text expanded = {0};
	autofree char       *raw = NULL;
	struct span          word = span_of(r->words.item[at]), inside = word, name, value;
	bool                 option = at && strcmp(r->words.item[at - 1], "-o") == 0;
	bool                 group = option && list_group(word, &inside);

	if (!option || (!group && !p->expand) || list_assignment(inside, &name, &value, NULL) < 0) {
		text_add(out, word);
		return;
	}
	if (p->expand) {
		raw = mem_span(value);
		expand_option(p, r, raw, &expanded);
		value = text_span(&expanded);
		group = span_find_any(value, " \t\r\n") >= 0;
	}
	text_add_format(out, group ? "{%.*s=%.*s}" : "%.*s=%.*s", SPAN_ARGS(name), SPAN_ARGS(value));
}

/* Columns as Postfix prints them; -f puts each -o on a line of its own. */
void
master_row_text(const struct postconf *p, const struct master_row *r, struct text *out, bool fold)
{
	static const size_t column[8] = {0, 11, 17, 25, 33, 41, 49, 57};
	size_t              start = out->len;

	for (size_t i = 0; i < 7; i++) {
		if (i)
			text_add_byte(out, ' ');
		while (out->len - start < column[i])
			text_add_byte(out, ' ');
		text_add_string(out, r->field[i]);
	}
	text_add_byte(out, ' ');
	while (out->len - start < column[7])
		text_add_byte(out, ' ');
	for (size_t i = 0; i < r->words.count; i++) {
		autotext struct text word = {0};
		bool                 option = strcmp(r->words.item[i], "-o") == 0;

		word_text(p, r, i, &word);
		if (i && fold && (option || (out->len - start + 1 + word.len >= LINE_LIMIT && strcmp(r->words.item[i - 1], "-o") != 0))) {
			text_add_string(out, "\n");
			start = out->len;
			text_add_string(out, "    ");
		} else if (i)
			text_add_byte(out, ' ');
		text_add(out, text_span(&word));
	}
}

/* "smtp", "smtp/inet", "smtp/inet/whatever", "* /unix" */
bool
master_row_matches(const struct master_row *r, const char *pattern)
{
	struct span rest = span_of(pattern), service, type;
	bool        more = span_split(&rest, '/', &service);

	if (!span_is(service, "*") && !span_is(service, r->service))
		return false;
	if (!more)
		return true;
	span_split(&rest, '/', &type);
	return span_is(type, "*") || span_is(type, master_type_name(r->type));
}

static bool
is_wanted(const struct postconf *p, const struct master_row *r)
{
	for (int i = 0; i < p->n_words; i++)
		if (master_row_matches(r, p->words[i]))
			return true;
	return p->n_words == 0;
}

static void
print_line_object(const struct postconf *p, const struct master_row *r, const char *line)
{
	autofree char *name = mem_format("%s/%s", r->service, master_type_name(r->type));

	print_pair(p, name, line);
}

int
print_master_rows(const struct postconf *p)
{
	for (size_t i = 0; i < p->master->count; i++) {
		autotext struct text line = {0};

		if (!is_wanted(p, p->master->row[i]))
			continue;
		master_row_text(p, p->master->row[i], &line, p->fold);
		if (p->json)
			print_line_object(p, p->master->row[i], text_string(&line));
		else
			puts(text_string(&line));
	}
	return 0;
}

/* What stands behind the second slash, or NULL. */
static const char *
third_part(const char *word)
{
	const char *slash = strchr(word, '/');

	slash = slash ? strchr(slash + 1, '/') : NULL;
	return slash ? slash + 1 : NULL;
}

static bool
wants_third(const struct postconf *p, const struct master_row *r, const char *name)
{
	for (int i = 0; i < p->n_words; i++) {
		const char *third = third_part(p->words[i]);

		if (master_row_matches(r, p->words[i]) &&
		    (!third || strcmp(third, "*") == 0 || strcmp(third, name) == 0))
			return true;
	}
	return p->n_words == 0;
}

static void
print_part(const struct postconf *p, const struct master_row *r, const char *name,
           const char *value)
{
	autofree char *whole = mem_format("%s/%s/%s", r->service, master_type_name(r->type), name);

	print_pair(p, whole, value);
}

static void
print_field(const struct postconf *p, const struct master_row *r, size_t field)
{
	autotext struct text value = {0};

	text_add_string(&value, field + 1 < MASTER_FIELDS ? r->field[field] : "");
	for (size_t i = 0; field + 1 == MASTER_FIELDS && i < r->words.count; i++) {
		if (i)
			text_add_byte(&value, ' ');
		word_text(p, r, i, &value);
	}
	print_part(p, r, known_fields[field].name, text_string(&value));
}

int
print_master_fields(const struct postconf *p)
{
	for (size_t i = 0; i < p->master->count; i++)
		for (size_t f = 0; f < MASTER_FIELDS; f++)
			if (wants_third(p, p->master->row[i], known_fields[f].name))
				print_field(p, p->master->row[i], f);
	return 0;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
print_master_options(const struct postconf *p)
{
	for (size_t i = 0; i < p->master->count; i++) {
		const struct master_row *r = p->master->row[i];

		qsort(r->options.item, r->options.count, sizeof *r->options.item, by_text);
		for (size_t o = 0; o < r->options.count; o++) {
			autofree char *name = mem_string(r->options.item[o]);
			char          *value = strchr(name, '=');

			autotext struct text expanded = {0};

			*value++ = '\0';
			if (!wants_third(p, r, name))
				continue;
			if (p->expand)
				expand_option(p, r, value, &expanded);
			print_part(p, r, name, p->expand ? text_string(&expanded) : value);
		}
	}
	return 0;
}

static const char *
user_of(const char *role)
{
	static const struct { const char *role; const char **user; } users[] = {
		{"mail", &site.mail_owner}, {"net", &site.net_owner}, {"map", &site.map_owner},
		{"dns", &site.dns_owner}, {"auth", &site.auth_owner}, {"log", &site.log_owner},
		{"dial", &site.mail_owner},
	};

	for (size_t i = 0; i < COUNT(users); i++)
		if (strcmp(role, users[i].role) == 0)
			return *users[i].user;
	return "root";
}

static const char *
or_dash(const char *s)
{
	return s && *s ? s : "-";
}

enum { COLUMNS = 8 };

static void
privilege_row(const struct description *d, const char *cell[COLUMNS])
{
	const char *const row[COLUMNS] = {
		d->program, user_of(or_dash(d->role)), or_dash(d->role), or_dash(d->model),
		or_dash(d->promises), or_dash(d->asks), or_dash(d->reads), or_dash(d->writes)
	};

	memcpy(cell, row, sizeof row);
}

static void
print_cells(const char *const cell[COLUMNS], const size_t width[COLUMNS])
{
	for (size_t c = 0; c < COLUMNS; c++)
		printf(c + 1 < COLUMNS ? "%-*s  " : "%-*s\n", c + 1 < COLUMNS ? (int)width[c] : 0,
		       cell[c]);
}

int
print_privileges(const struct postconf *p)
{
	static const char *const head[COLUMNS] = {
		"program", "user", "role", "model", "may", "asks", "reads", "writes"
	};
	const char *cell[COLUMNS];
	size_t      width[COLUMNS];

	if (p->programs.count == 0) {
		log_warning("no program in %s describes itself",
		            main_cf_string(p->cf, "daemon_directory"));
		return 1;
	}
	for (size_t c = 0; c < COLUMNS; c++)
		width[c] = strlen(head[c]);
	for (size_t i = 0; i < p->programs.count; i++) {
		privilege_row(&p->programs.item[i], cell);
		for (size_t c = 0; c < COLUMNS; c++)
			width[c] = strlen(cell[c]) > width[c] ? strlen(cell[c]) : width[c];
	}
	print_cells(head, width);
	for (size_t i = 0; i < p->programs.count; i++) {
		privilege_row(&p->programs.item[i], cell);
		print_cells(cell, width);
	}
	return 0;
}
