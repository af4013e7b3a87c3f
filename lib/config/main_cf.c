/* SPDX-License-Identifier: ISC */
/*
 * main_cf.c - main.cf: names and the text of their values
 */
#include "config/main_cf.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/strmap.h"
#include "config/catalogue.h"
#include "config/expand.h"
#include "config/line.h"
#include "config/list.h"
#include "config/param.h"

struct main_cf {
	struct arena    *arena;
	const char      *directory;
	struct strmap   *settings;      /* name: struct setting, the one that holds */
	struct setting **ordered;       /* as in the file; replaced ones too */
	size_t           count;
	struct strmap   *known;         /* name: const struct param */
};

const char *
main_cf_directory(const char *asked)
{
	const char *environment = getenv("MAIL_CONFIG");

	if (asked)
		return asked;
	return environment && *environment ? environment : CONFIG_DIRECTORY;
}

static void
set(struct main_cf *cf, struct span name, struct span value, const char *file, int line,
    bool overrides)
{
	struct setting *s = arena_alloc(cf->arena, sizeof *s);

	s->name = arena_string(cf->arena, name);
	s->value = arena_string(cf->arena, value);
	s->file = file;
	s->line = line;
	s->overrides = overrides;
	cf->ordered = mem_grow(cf->ordered, cf->count + 1, sizeof *cf->ordered);
	cf->ordered[cf->count++] = s;
	strmap_put(cf->settings, name, s);
}

struct main_cf *
main_cf_parse(const char *directory, const char *file, struct span in, struct faults *faults)
{
	struct main_cf   *cf = mem_alloc(sizeof *cf);
	struct line       line = {0};
	struct span       name, value;
	struct fault      why = {0};
	struct setting   *before;

	cf->arena = arena_new();
	cf->directory = arena_string(cf->arena, span_of(directory));
	file = arena_string(cf->arena, span_of(file));
	cf->settings = strmap_new();
	cf->known = strmap_new();
	while (config_line_next(&in, &line)) {
		struct span text = span_trim(text_span(&line.text));

		if (span_has(text, '\0') || list_assignment(text, &name, &value, &why) < 0) {
			faults_add(faults, "%s, line %d: %s", file, line.number,
			           why.class ? fault_text(&why) : "a NUL byte");
			fault_clear(&why);
			continue;
		}
		before = strmap_get(cf->settings, name);
		if (before && !span_is(value, before->value))
			faults_warn(faults, "%s, line %d: overriding earlier entry: %s=%s", file,
			            line.number,
			            before->name, before->value);
		set(cf, name, value, file, line.number, false);
	}
	line_free(&line);
	return cf;
}

struct main_cf *
main_cf_read(const char *asked, struct faults *faults)
{
	const char          *directory = main_cf_directory(asked);
	autofree char       *file = mem_format("%s/main.cf", directory);
	autotext struct text in = {0};
	struct fault         why = {0};

	if (file_read(file, MAIN_CF_MAX, &in, &why) < 0)
		faults_add(faults, "%s", fault_text(&why));
	return main_cf_parse(directory, file, text_span(&in), faults);
}

void
main_cf_free(struct main_cf *cf)
{
	if (!cf)
		return;
	strmap_free(cf->settings, NULL);
	strmap_free(cf->known, NULL);
	arena_free(cf->arena);
	free(cf->ordered);
	free(cf);
}

int
main_cf_override(struct main_cf *cf, struct span assignment, const char *file, int line,
                 struct fault *why)
{
	struct span name, value;

	if (list_assignment(assignment, &name, &value, why) < 0)
		return -1;
	set(cf, name, value, arena_string(cf->arena, span_of(file)), line, true);
	return 0;
}

void
main_cf_know(struct main_cf *cf, const struct param *table)
{
	for (; table->name; table++)
		strmap_put(cf->known, span_of(table->name), (void *)(uintptr_t)table);
}

const char *
main_cf_config_directory(const struct main_cf *cf)
{
	return cf->directory;
}

const struct setting *
main_cf_setting(const struct main_cf *cf, const char *name)
{
	return strmap_get(cf->settings, span_of(name));
}

/* Adds the raw default: false when nobody knows the name. */
static bool
add_default(const struct main_cf *cf, struct span name, struct text *out)
{
	const struct param         *row = strmap_get(cf->known, name);
	const struct catalogue_row *old;

	if (span_is(name, "config_directory")) {
		text_add_string(out, cf->directory);
		return true;
	}
	if (row && row->compute) {
		row->compute(cf, out);
		return true;
	}
	if (row) {
		text_add_string(out, row->fallback);
		return true;
	}
	old = catalogue_find(name);
	if (old)
		text_add_string(out, old->fallback);
	return old != NULL;
}

const char *
main_cf_default(const struct main_cf *cf, const char *name)
{
	autotext struct text out = {0};

	if (!add_default(cf, span_of(name), &out))
		return NULL;
	return arena_string(cf->arena, text_span(&out));
}

static int
look_up(void *context, struct span name, struct text *out, struct fault *why);

struct looking {
	const struct main_cf *cf;
	struct expander       expander;
};

static int
look_up(void *context, struct span name, struct text *out, struct fault *why)
{
	struct looking       *l = context;
	const struct setting *s = strmap_get(l->cf->settings, name);
	autotext struct text  fallback = {0};

	if (s && !span_is(name, "config_directory"))
		return expand_text(&l->expander, span_of(s->value), out, why);
	if (!add_default(l->cf, name, &fallback))
		return 1;
	return expand_text(&l->expander, text_span(&fallback), out, why);
}

int
main_cf_expand(const struct main_cf *cf, struct span in, struct text *out, struct fault *why)
{
	struct looking l = {.cf = cf};

	l.expander.lookup = look_up;
	l.expander.context = &l;
	return expand_text(&l.expander, in, out, why);
}

int
main_cf_get(const struct main_cf *cf, const char *name, struct text *out, struct fault *why)
{
	struct looking l = {.cf = cf};
	int            found;

	l.expander.lookup = look_up;
	l.expander.context = &l;
	found = look_up(&l, span_of(name), out, why);
	if (found < 0) {
		const struct setting *s = main_cf_setting(cf, name);

		return s ? fault_prefix(why, "%s, line %d: %s", s->file, s->line, name)
		         : fault_prefix(why, "default of %s", name);
	}
	return found;
}

const char *
main_cf_string(struct main_cf *cf, const char *name)
{
	autotext struct text out = {0};

	if (main_cf_get(cf, name, &out, NULL) != 0)
		return "";
	return arena_string(cf->arena, span_trim(text_span(&out)));
}

const char *
main_cf_place(const struct main_cf *cf, const char *name)
{
	const struct setting *s = main_cf_setting(cf, name);

	return s ? arena_format(cf->arena, "%s, line %d: ", s->file, s->line) : "";
}

const struct setting *
main_cf_next(const struct main_cf *cf, size_t *at)
{
	while (*at < cf->count) {
		const struct setting *s = cf->ordered[(*at)++];

		if (strmap_get(cf->settings, span_of(s->name)) == s)
			return s;
	}
	return NULL;
}

struct marking {
	const struct main_cf *cf;
	struct strmap        *used;
	int                   depth;
};

/* A value that is used uses what it mentions. */
static void
mark(void *context, struct span name)
{
	struct marking       *m = context;
	const struct setting *s = strmap_get(m->cf->settings, name);
	autotext struct text  fallback = {0};

	if (strmap_get(m->used, name) || m->depth > EXPAND_DEPTH)
		return;
	strmap_put(m->used, name, m);
	m->depth++;
	if (s)
		expand_names(span_of(s->value), mark, m);
	else if (add_default(m->cf, name, &fallback))
		expand_names(text_span(&fallback), mark, m);
	m->depth--;
}

/* smtpd_restriction_classes names parameters that rules use; and so does what
 * an mysql:name without a slash reads. */
static void
mark_classes(struct marking *m)
{
	autotext struct text classes = {0};
	struct span          rest, name;

	if (main_cf_get(m->cf, "smtpd_restriction_classes", &classes, NULL) != 0)
		return;
	rest = text_span(&classes);
	while (span_next(&rest, ", \t\r\n", &name))
		mark(m, name);
}

static bool
is_known(const struct main_cf *cf, const struct setting *s)
{
	return strmap_get(cf->known, span_of(s->name)) != NULL ||
	       catalogue_find(span_of(s->name)) != NULL;
}

bool
main_cf_grade(const struct main_cf *cf, const struct setting *s, struct faults *faults)
{
	const struct catalogue_row *old = catalogue_find(span_of(s->name));

	if (strmap_get(cf->known, span_of(s->name)))
		return true;
	if (!old)
		return false;
	if (span_is(span_of(s->value), old->fallback))
		return true;
	if (old->grade == CATALOGUE_DANGER)
		faults_add(faults, "%s, line %d: parameter %s is not supported here: %s", s->file,
		           s->line,
		           s->name, old->note);
	else if (old->grade == CATALOGUE_NOTHING)
		faults_warn(faults, "%s, line %d: parameter %s has no effect here: %s", s->file,
		            s->line,
		            s->name, old->note);
	else
		faults_warn(faults, "%s, line %d: parameter %s is not supported here yet", s->file,
		            s->line,
		            s->name);
	return true;
}

static void
check_setting(const struct marking *m, const struct setting *s, struct faults *faults)
{
	if (strmap_get(m->used, span_of(s->name)))
		main_cf_grade(m->cf, s, faults);
	else
		faults_warn(faults, "%s: unused parameter: %s=%s", s->file, s->name, s->value);
}

void
main_cf_check(const struct main_cf *cf, bool (*known)(void *, const char *), void *context,
              struct faults *faults)
{
	struct marking        m = {.cf = cf, .used = strmap_new()};
	const struct setting *s;
	size_t                at = 0;

	while ((s = main_cf_next(cf, &at)))
		if (is_known(cf, s) || s->overrides || (known && known(context, s->name)))
			mark(&m, span_of(s->name));
	mark_classes(&m);
	at = 0;
	while ((s = main_cf_next(cf, &at)))
		if (!(known && known(context, s->name)))
			check_setting(&m, s, faults);
	strmap_free(m.used, NULL);
}
