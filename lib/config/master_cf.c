/* SPDX-License-Identifier: ISC */
/*
 * master_cf.c - master.cf: which services there are
 */
#include "config/master_cf.h"

#include <stdlib.h>

#include "base/file.h"
#include "config/expand.h"
#include "config/line.h"
#include "config/param.h"

static const char *const type_names[] = {
	[MASTER_INET] = "inet", [MASTER_UNIX] = "unix", [MASTER_FIFO] = "fifo", [MASTER_PASS] = "pass",
	[MASTER_UNIX_DGRAM] = "unix-dgram",
};

const char *
master_type_name(enum master_type type)
{
	return type_names[type];
}

static void
free_row(struct master_row *r)
{
	list_free(&r->arguments);
	list_free(&r->options);
	list_free(&r->words);
	for (size_t i = 0; i < COUNT(r->field); i++)
		free((void *)(uintptr_t)r->field[i]);
	free((void *)(uintptr_t)r->host);
	free((void *)(uintptr_t)r->port);
	free((void *)(uintptr_t)r->command);
	free((void *)(uintptr_t)r->file);
	free(r);
}

void
master_cf_free(struct master_cf *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->count; i++)
		free_row(m->row[i]);
	free(m->row);
	free(m);
}

static int
parse_type(struct span s, enum master_type *type, struct fault *why)
{
	for (size_t i = 0; i < COUNT(type_names); i++)
		if (span_is(s, type_names[i])) {
			*type = (enum master_type)i;
			return 0;
		}
	return fault_set(why, FAULT_INPUT, "bad service type \"%.*s\" (inet, unix, fifo, pass or unix-dgram)",
	                 SPAN_ARGS(span_first(s, 60)));
}

/* "25", "host:25", "[::1]:smtp" */
static int
parse_endpoint(struct master_row *r, struct fault *why)
{
	struct span s = span_of(r->service), host = SPAN_NONE, port = s;
	ptrdiff_t   colon = span_find_last(s, ':');

	if (colon >= 0) {
		host = span_first(s, (size_t)colon);
		port = span_from(s, (size_t)colon + 1);
		if (host.len > 1 && host.at[0] == '[' && host.at[host.len - 1] == ']')
			host = span_cut(host, 1, host.len - 1);
		else if (span_has(host, ':'))
			return fault_set(why, FAULT_INPUT,
			                 "an IPv6 address needs brackets: \"%s\"", r->service);
	}
	if (port.len == 0 || span_find_any(port, "[]/") >= 0)
		return fault_set(why, FAULT_INPUT, "bad inet service \"%s\"", r->service);
	r->host = mem_span(host);
	r->port = mem_span(port);
	return 0;
}

static int
parse_yes(struct span s, const char *what, bool fallback, bool *out, struct fault *why)
{
	if (span_is(s, "y"))
		*out = true;
	else if (span_is(s, "n"))
		*out = false;
	else if (span_is(s, "-"))
		*out = fallback;
	else
		return fault_set(why, FAULT_INPUT,
		                 "field \"%s\": bad value: \"%.*s\" (y, n or -)", what,
		                 SPAN_ARGS(span_first(s, 60)));
	return 0;
}

static int
parse_count(struct span s, const char *what, int fallback, int *out, struct fault *why)
{
	uint64_t n;

	if (span_is(s, "-"))
		*out = fallback;
	else if (span_number(s, &n) && n <= 1000000000)
		*out = (int)n;
	else
		return fault_set(why, FAULT_INPUT, "field \"%s\": bad value: \"%.*s\"", what,
		                 SPAN_ARGS(span_first(s, 60)));
	return 0;
}

static int
parse_fields(struct master_row *r, bool chroot_default, struct fault *why)
{
	struct span wakeup = span_of(r->field[5]);

	if (parse_type(span_of(r->field[1]), &r->type, why) < 0 ||
	    parse_yes(span_of(r->field[2]), "private", true, &r->private, why) < 0 ||
	    parse_yes(span_of(r->field[3]), "unprivileged", true, &r->unprivileged, why) < 0 ||
	    parse_yes(span_of(r->field[4]), "chroot", chroot_default, &r->chroot, why) < 0)
		return -1;
	r->wakeup_if_used = span_ends(wakeup, "?");
	if (r->wakeup_if_used)
		wakeup.len--;
	if (parse_count(wakeup, "wakeup_time", 0, &r->wakeup, why) < 0 ||
	    parse_count(span_of(r->field[6]), "max_procs", MASTER_DEFAULT, &r->maxproc, why) < 0)
		return -1;
	if (span_find_any(span_of(r->service), "/{}") >= 0 && r->type != MASTER_UNIX)
		return fault_set(why, FAULT_INPUT, "bad service name \"%s\"", r->service);
	if (r->type == MASTER_INET) {
		r->private = false;
		return parse_endpoint(r, why);
	}
	return 0;
}

static int
add_option(struct master_row *r, struct span s, struct fault *why)
{
	autofree char *joined = NULL;
	struct span    inside, name, value;

	if (list_group(s, &inside))
		s = inside;
	if (list_assignment(s, &name, &value, why) < 0)
		return fault_prefix(why, "-o");
	joined = mem_format("%.*s=%.*s", SPAN_ARGS(name), SPAN_ARGS(value));
	list_add(&r->options, span_of(joined));
	return 0;
}

/* Options end at the first word without a dash, as getopt(3) has it: what
 * follows argv= is another program's. */
static int
sort_arguments(struct master_row *r, struct fault *why)
{
	bool options = true;

	for (size_t i = 1; i < r->words.count; i++) {
		struct span word = span_of(r->words.item[i]), inside;

		if (options && span_is(word, "-o")) {
			if (++i == r->words.count)
				return fault_set(why, FAULT_INPUT, "-o needs name=value");
			if (add_option(r, span_of(r->words.item[i]), why) < 0)
				return -1;
		} else if (options && span_starts(word, "-o")) {
			if (add_option(r, span_from(word, 2), why) < 0)
				return -1;
		} else if (options && (span_is(word, "-v") || span_is(word, "-vv"))) {
			r->verbose += (int)word.len - 1;
		} else if (options && span_is(word, "-D")) {
			r->debug = true;
		} else {
			if (!span_starts(word, "-"))
				options = false;
			list_add(&r->arguments, list_group(word, &inside) ? inside : word);
		}
	}
	return 0;
}

static int
parse_row(struct master_row *r, struct span in, bool chroot_default, struct fault *why)
{
	struct span rest = in, word;
	int         more;

	for (size_t i = 0; i < 7; i++) {
		if (!span_next(&rest, " \t\r\n", &word))
			return fault_set(why, FAULT_INPUT,
			                 "missing field: a service has 8 columns");
		r->field[i] = mem_span(word);
	}
	r->field[7] = mem_span(span_trim(rest));
	r->service = r->field[0];
	while ((more = list_next(&rest, " \t\r\n", &word, why)) > 0)
		list_add(&r->words, word);
	if (more < 0)
		return -1;
	if (r->words.count == 0)
		return fault_set(why, FAULT_INPUT, "missing field: a service has 8 columns");
	if (strchr(r->words.item[0], '/'))
		return fault_set(why, FAULT_INPUT, "the command is a name, not a path: \"%s\"",
		                 r->words.item[0]);
	r->command = mem_string(r->words.item[0]);
	return parse_fields(r, chroot_default, why) < 0 ? -1 : sort_arguments(r, why);
}

/* The last of two lines for one service holds. */
static void
add_row(struct master_cf *m, struct master_row *r, struct faults *faults)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->row[i]->type == r->type && strcmp(m->row[i]->service, r->service) == 0) {
			faults_warn(faults, "%s, line %d: duplicate master.cf entry for service \"%s\" -- using the last entry",
			            r->file, r->line, r->service);
			free_row(m->row[i]);
			m->row[i] = r;
			return;
		}
	m->row = mem_grow(m->row, m->count + 1, sizeof *m->row);
	m->row[m->count++] = r;
}

struct master_cf *
master_cf_parse(const char *file, struct span in, bool chroot_default, struct faults *faults)
{
	struct master_cf *m = mem_alloc(sizeof *m);
	struct line       line = {0};
	struct fault      why = {0};

	while (config_line_next(&in, &line)) {
		struct master_row *r = mem_alloc(sizeof *r);

		r->file = mem_string(file);
		r->line = line.number;
		if (span_has(text_span(&line.text), '\0'))
			fault_set(&why, FAULT_INPUT, "a NUL byte");
		if (why.class || parse_row(r, text_span(&line.text), chroot_default, &why) < 0) {
			faults_add(faults, "%s, line %d: %s", file, line.number, fault_text(&why));
			fault_clear(&why);
			free_row(r);
		} else
			add_row(m, r, faults);
	}
	line_free(&line);
	return m;
}

struct master_cf *
master_cf_read(const char *asked, const struct main_cf *cf, struct faults *faults)
{
	const char          *directory = main_cf_directory(asked);
	autofree char       *file = mem_format("%s/master.cf", directory);
	autotext struct text in = {0}, level = {0};
	struct fault         why = {0};

	if (file_read(file, MAIN_CF_MAX, &in, &why) < 0)
		faults_add(faults, "%s", fault_text(&why));
	if (cf)
		main_cf_get(cf, "compatibility_level", &level, NULL);
	return master_cf_parse(file, text_span(&in),
	                       cf && expand_level(text_span(&level)) < expand_level(SPAN("1")), faults);
}

const struct master_row *
master_cf_find(const struct master_cf *m, const char *service, enum master_type type)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->row[i]->type == type && strcmp(m->row[i]->service, service) == 0)
			return m->row[i];
	return NULL;
}
