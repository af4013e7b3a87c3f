/* SPDX-License-Identifier: ISC */
/*
 * describe.c - what the programs say of themselves, asked with --describe
 */
#include "cmd/describe.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/children.h"
#include "config/catalogue.h"
#include "config/list.h"

enum { ANSWER_MAX = 1 << 20, ANSWER_MS = 5000 };

static enum param_type
type_of(struct span name)
{
	static const char *const names[] = {
		[PARAM_STRING] = "string", [PARAM_BOOLEAN] = "boolean", [PARAM_NUMBER] = "number",
		[PARAM_DURATION] = "duration", [PARAM_BYTES] = "bytes", [PARAM_LIST] = "list",
		[PARAM_CHOICE] = "choice", [PARAM_RAW] = "raw",
	};

	for (size_t i = 1; i < COUNT(names); i++)
		if (span_is(name, names[i]))
			return (enum param_type)i;
	return PARAM_STRING;
}

static void
add_param(struct description *d, struct span line)
{
	struct span   field[6] = {0};
	struct param *p;

	for (size_t i = 0; i < 6; i++)
		span_split(&line, '\t', &field[i]);
	d->params = mem_grow(d->params, d->n_params + 2, sizeof *d->params);
	p = &d->params[d->n_params++];
	*p = (struct param){.name = mem_span(field[0]), .type = type_of(field[1]),
	                    .fallback = mem_span(field[2]),
	                    .low = mem_span(field[3]), .high = mem_span(field[4]), .help = mem_span(field[5])};
	if (strcmp(p->fallback, "(computed)") == 0) {
		const struct catalogue_row *old = catalogue_find(field[0]);

		p->fallback = old ? old->fallback : "";
	}
	d->params[d->n_params] = (struct param){0};
}

static void
add_fact(struct description *d, struct span line)
{
	const struct { const char *name; char **to; } facts[] = {
		{"@program", &d->program}, {"@about", &d->about}, {"@role", &d->role}, {"@model", &d->model},
		{"@tasks", &d->tasks}, {"@asks", &d->asks}, {"@promises", &d->promises}, {"@reads", &d->reads},
		{"@writes", &d->writes},
	};
	struct span name;

	span_split(&line, '\t', &name);
	for (size_t i = 0; i < COUNT(facts); i++)
		if (span_is(name, facts[i].name)) {
			free(*facts[i].to);
			*facts[i].to = mem_span(line);
		}
}

/* Pure: false when the text is not a description. */
static bool
description_parse(struct span in, struct description *d)
{
	struct span line;

	if (!span_starts(in, "@program\t"))
		return false;
	*d = (struct description){.params = mem_array(1, sizeof *d->params)};
	while (in.len) {
		span_split(&in, '\n', &line);
		if (line.len && line.at[0] == '@')
			add_fact(d, line);
		else if (line.len)
			add_param(d, line);
	}
	return true;
}

/* Programs of ours are ELF; scripts of somebody else's daemon_directory are not run. */
static bool
is_program(const char *path)
{
	struct stat   s;
	char          magic[4] = "";
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0 && fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_mode & 0111 &&
	       !(s.st_mode & 06000) && read(fd, magic, 4) == 4 && memcmp(magic, "\177ELF", 4) == 0;
}

struct asked {
	struct list          programs;
	struct descriptions *all;
};

static void
become(void *with, size_t i, int answer)
{
	const char *path = ((const struct asked *)with)->programs.item[i];
	int         null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(answer, 1);
	dup2(null, 2);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	execl(path, path, "--describe", (char *)NULL);
}

/* What a program says counts, however it ends. */
static void
take_answer(void *with, size_t i, struct span said, int status)
{
	struct descriptions *all = ((const struct asked *)with)->all;
	struct description   one;

	(void)i;
	(void)status;
	if (!description_parse(said, &one))
		return;
	all->item = mem_grow(all->item, all->count + 1, sizeof *all->item);
	all->item[all->count++] = one;
}

static void
ask(struct asked *asked)
{
	children_run(&(struct children){.count = asked->programs.count, .limit = ANSWER_MAX, .patience = ANSWER_MS,
	                                .with = asked, .become = become, .hear = take_answer});
	list_free(&asked->programs);
}

bool
descriptions_ask(const char *path, struct descriptions *all)
{
	struct asked asked = {.all = all};
	size_t       before = all->count;

	if (!is_program(path))
		return false;
	list_add(&asked.programs, span_of(path));
	ask(&asked);
	return all->count > before;
}

static int
by_program(const void *a, const void *b)
{
	return strcmp(((const struct description *)a)->program,
	              ((const struct description *)b)->program);
}

void
descriptions_read(const char *directory, struct descriptions *all)
{
	autofree char       *mark = mem_format("%s/trivial-rewrite", directory);
	struct asked         asked = {.all = all};
	DIR                 *d;
	const struct dirent *entry;

	if (access(mark, F_OK) == 0)
		return; /* Postfix's programs: they know no --describe, and are not to be run */
	d = opendir(directory);
	if (!d)
		return;
	while ((entry = readdir(d))) {
		autofree char *path = mem_format("%s/%s", directory, entry->d_name);

		if (entry->d_name[0] != '.' && is_program(path))
			list_add(&asked.programs, span_of(path));
	}
	closedir(d);
	ask(&asked);
	descriptions_sort(all);
}

void
descriptions_sort(struct descriptions *all)
{
	if (all->count)
		qsort(all->item, all->count, sizeof *all->item, by_program);
}
