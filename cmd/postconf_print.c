/* SPDX-License-Identifier: ISC */
/*
 * postconf_print.c - names and values of main.cf
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "cmd/json.h"
#include "cmd/known.h"
#include "cmd/postconf.h"
#include "config/catalogue.h"
#include "config/expand.h"
#include "config/list.h"
#include "config/site.h"
#include "table/mentions.h"
#include "table/table.h"

enum { LINE_LIMIT = 80 };

static bool
is_agent(const struct master_row *r)
{
	static const char *const agents[] = {"smtp", "lmtp", "local", "virtual", "pipe", "relay",
	                                     "error", "discard", "retry"};

	for (size_t i = 0; i < COUNT(agents); i++)
		if (r->type != MASTER_INET && strcmp(r->command, agents[i]) == 0)
			return true;
	return false;
}

/* The default of a name that comes from a line of master.cf, or NULL. */
static const char *
generated_default(const struct postconf *p, const char *name)
{
	struct span s = span_of(name);

	for (size_t i = 0; p->master && i < p->master->count; i++) {
		const struct master_row *r = p->master->row[i];
		const char              *rest = name + strlen(r->service);

		if (!span_starts(s, r->service))
			continue;
		if (strcmp(rest, "_tasks") == 0)
			return "";
		if (strcmp(rest, "_time_limit") == 0 &&
		    (strcmp(r->command, "pipe") == 0 || strcmp(r->command, "spawn") == 0))
			return "$command_time_limit";
		for (size_t g = 0; is_agent(r) && known_suffixes[g].suffix; g++)
			if (strcmp(rest, known_suffixes[g].suffix) == 0)
				return known_suffixes[g].fallback;
	}
	return NULL;
}

/* A restriction class is a parameter that smtpd_restriction_classes names. */
static bool
is_class(const struct postconf *p, const char *name)
{
	struct list l = {0};
	bool        yes;

	if (list_parse(span_of(main_cf_string(p->cf, "smtpd_restriction_classes")), &l, NULL) < 0)
		return false;
	yes = list_has(&l, name);
	list_free(&l);
	return yes;
}

struct mention {
	struct span name;
	bool        found;
};

static void
compare_name(void *context, struct span name)
{
	struct mention *m = context;

	m->found |= span_equal(m->name, name);
}

/* A value of -o in master.cf uses it. */
static bool
is_used_by_master(const struct postconf *p, const char *name)
{
	struct mention m = {.name = span_of(name)};

	for (size_t i = 0; p->master && i < p->master->count; i++)
		for (size_t o = 0; o < p->master->row[i]->options.count; o++) {
			const char *value = strchr(p->master->row[i]->options.item[o], '=');

			if (value)
				expand_names(span_of(value + 1), compare_name, &m);
		}
	return m.found;
}

struct table_parameter { struct span name; bool found; };

static void
look_at_table(void *context, struct span word)
{
	struct table_parameter *t = context;
	struct span             type;

	while (span_starts(word, "proxy:"))
		word = span_from(word, 6);
	if (!table_is_remote(word))
		return;
	span_split(&word, ':', &type);
	t->found |= word.len < t->name.len && span_equal(span_first(t->name, word.len), word) && t->name.at[word.len] == '_';
}

/* mysql:x is told by x_hosts, x_query ... */
static bool
is_of_table(const struct postconf *p, const char *name)
{
	struct table_parameter t = {span_of(name), false};

	table_mentions(p->cf, p->master, NULL, look_at_table, &t);
	return t.found;
}

static bool
names_known(void *context, const char *name)
{
	const struct postconf *p = context;

	if (p->programs.count == 0 && catalogue_find(span_of(name)))
		return true;     /* nobody was there to say what it has */
	return generated_default(p, name) != NULL || is_class(p, name) || is_used_by_master(p, name) || is_of_table(p, name);
}

/* The class of -C that a name belongs to. */
static int
class_of(const struct postconf *p, const char *name)
{
	if (generated_default(p, name))
		return CLASS_SERVICE;
	return main_cf_default(p->cf, name) ? CLASS_BUILTIN : CLASS_USER;
}

/* What local and smtpd expand themselves, each time with other values. */
static bool
is_raw(const struct postconf *p, const char *name)
{
	static const char *const raw[] = {
		"command_execution_directory", "default_rbl_reply", "forward_path", "luser_relay", "mailbox_command",
		"postscreen_reject_footer", "smtpd_reject_footer",
	};

	for (size_t i = 0; i < COUNT(raw); i++)
		if (strcmp(raw[i], name) == 0)
			return true;
	for (size_t i = 0; i < p->programs.count; i++)
		for (const struct param *r = p->programs.item[i].params; r->name; r++)
			if (r->type == PARAM_RAW && strcmp(r->name, name) == 0)
				return true;
	return false;
}

static void
collect(struct strmap *all, const char *name)
{
	if (!strmap_get(all, span_of(name)))
		strmap_put(all, span_of(name), mem_string(name));
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every name that there is, sorted; ends with NULL. */
static char **
names_collect(const struct postconf *p)
{
	struct strmap              *all = strmap_new();
	const struct catalogue_row *row;
	const struct setting       *s;
	char                      **names;
	struct span                 key;
	void                       *name;
	size_t                      at = 0, n = 0;

	for (size_t i = 0; (row = catalogue_at(i)); i++)
		collect(all, row->name);
	for (const struct param *r = site_params; r->name; r++)
		collect(all, r->name);
	for (size_t i = 0; i < p->programs.count; i++)
		for (const struct param *r = p->programs.item[i].params; r->name; r++)
			collect(all, r->name);
	for (size_t i = 0; p->master && i < p->master->count; i++)
		for (size_t g = 0; is_agent(p->master->row[i]) && known_suffixes[g].suffix; g++) {
			autofree char *one = mem_format("%s%s", p->master->row[i]->service,
			                                known_suffixes[g].suffix);

			collect(all, one);
		}
	while (!p->defaults && (s = main_cf_next(p->cf, &at)))
		collect(all, s->name);
	names = mem_array(strmap_count(all) + 1, sizeof *names);
	at = 0;
	while (strmap_next(all, &at, &key, &name))
		names[n++] = name;
	qsort(names, n, sizeof *names, by_name);
	strmap_free(all, NULL);
	return names;
}

/* Words are put apart by one blank, folded by -f. */
static void
add_words(const struct postconf *p, const char *text, struct text *out)
{
	struct span rest = span_of(text), word;
	size_t      column = 0;

	while (span_next(&rest, " \t\r\n", &word)) {
		if (column && p->fold && column + word.len >= LINE_LIMIT) {
			text_add_string(out, "\n    ");
			column = 4;
		} else if (column) {
			text_add_byte(out, ' ');
			column++;
		}
		text_add(out, word);
		column += word.len;
	}
}

void
print_pair(const struct postconf *p, const char *name, const char *value)
{
	autotext struct text out = {0}, words = {0};

	if (p->json) {
		add_words(p, value, &words);
		text_add_byte(&out, '{');
		json_add(&out, span_of(name));
		text_add_string(&out, ": ");
		json_add(&out, text_span(&words));
		text_add_byte(&out, '}');
	} else {
		if (p->hide_value)
			text_add_string(&words, name);
		else if (p->hide_name)
			text_add_string(&words, value);
		else
			text_add_format(&words, "%s = %s", name, value);
		add_words(p, text_string(&words), &out);
	}
	puts(text_string(&out));
}

static const char *
raw_value(const struct postconf *p, const char *name)
{
	const struct setting *s = p->defaults ? NULL : main_cf_setting(p->cf, name);
	const char           *value = s ? s->value : main_cf_default(p->cf, name);

	return value ? value : generated_default(p, name);
}

static int
print_parameter(const struct postconf *p, const char *name)
{
	const char          *value = raw_value(p, name);
	autotext struct text expanded = {0};
	struct fault         why = {0};
	bool                 expand = p->expand && !is_raw(p, name);

	if (!value)
		return -1;
	if (expand && main_cf_expand(p->cf, span_of(value), &expanded, &why) < 0)
		log_warning("%s: %s", name, fault_text(&why));
	if (expand)
		value = text_string(&expanded);
	print_pair(p, name, value);
	return 0;
}

/* -n: what main.cf sets, but for what nobody knows or uses (that is warned about). */
static bool
is_shown(const struct postconf *p, const char *name, const struct faults *unused)
{
	const struct setting *s = main_cf_setting(p->cf, name);
	autofree char        *warning = NULL;

	if (!s)
		return !p->nondefault;
	warning = mem_format("%s: unused parameter: %s=%s", s->file, name, s->value);
	for (int i = 0; i < unused->warnings; i++)
		if (strcmp(unused->warning[i], warning) == 0)
			return false;
	return true;
}

static void
print_named(const struct postconf *p)
{
	for (int i = 0; i < p->n_words; i++) {
		if (p->nondefault && !main_cf_setting(p->cf, p->words[i]))
			continue;
		if (print_parameter(p, p->words[i]) < 0)
			log_warning("%s: unknown parameter", p->words[i]);
	}
}

/* -o of master.cf: a name that nobody knows and that no value mentions does nothing. */
static void
check_option(const struct postconf *p, const struct master_row *r, const char *option,
             struct faults *faults)
{
	autofree char        *name = mem_string(option);
	char                 *value = strchr(name, '=');
	const struct setting *other;
	struct setting        s = {.name = name, .file = r->file, .line = r->line};
	size_t                at = 0;

	*value++ = '\0';
	s.value = value;
	if (names_known((void *)(uintptr_t)p, name) || main_cf_grade(p->cf, &s, faults))
		return;
	while ((other = main_cf_next(p->cf, &at)))
		if (strchr(other->value, '$') && strstr(other->value, name))
			return;
	faults_warn(faults, "%s: unused parameter: %s=%s", r->file, name, value);
}

static void
check_options(const struct postconf *p, struct faults *faults)
{
	for (size_t i = 0; p->master && i < p->master->count; i++)
		for (size_t o = 0; o < p->master->row[i]->options.count; o++)
			check_option(p, p->master->row[i], p->master->row[i]->options.item[o], faults);
}

void
print_unused(const struct postconf *p, bool of_main)
{
	struct faults faults = {0};

	if (p->quiet)
		return;
	fflush(stdout);
	if (of_main)
		main_cf_check(p->cf, names_known, (void *)(uintptr_t)p, &faults);
	check_options(p, &faults);
	for (int i = 0; i < faults.warnings; i++)      /* -W and start tell the rest */
		if (strstr(faults.warning[i], ": unused parameter: "))
			log_warning("%s", faults.warning[i]);
	faults_free(&faults);
}

int
print_warnings(const struct postconf *p)
{
	struct faults faults = {0};
	int           outcome;

	main_cf_check(p->cf, names_known, (void *)(uintptr_t)p, &faults);
	check_options(p, &faults);
	faults_log(&faults);
	outcome = faults.errors ? 1 : 0;
	faults_free(&faults);
	return outcome;
}

int
print_parameters(const struct postconf *p)
{
	struct faults unused = {0};
	char        **names;

	if (!p->defaults)
		main_cf_check(p->cf, names_known, (void *)(uintptr_t)p, &unused);
	if (p->n_words)
		print_named(p);
	else {
		names = names_collect(p);
		for (char **n = names; *n; n++)
			if ((p->defaults || is_shown(p, *n, &unused)) && class_of(p, *n) & (int)p->classes)
				print_parameter(p, *n);
	}
	faults_free(&unused);
	if (!p->defaults)
		print_unused(p, true);
	return 0;
}
