/* SPDX-License-Identifier: ISC */
/*
 * describe.c - what the programs say of themselves, asked with --describe
 */
#include "cmd/describe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/catalogue.h"

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

static void
read_answer(int fd, struct text *out)
{
	int64_t       deadline = clock_after(ANSWER_MS);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (out->len < ANSWER_MAX && poll(&p, 1, clock_left(deadline)) > 0) {
		ssize_t got = read(fd, text_room(out, 8192), 8192);

		if (got <= 0)
			return;
		out->len += (size_t)got;
	}
}

static _Noreturn void
become(const char *path, int answer)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(answer, 1);
	dup2(null, 2);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	execl(path, path, "--describe", (char *)NULL);
	_exit(1);
}

bool
descriptions_ask(const char *path, struct descriptions *all)
{
	struct description   one;
	autotext struct text out = {0};
	int                  ends[2], status;
	pid_t                child;

	if (!is_program(path) || pipe(ends) < 0)
		return false;
	child = fork();
	if (child == 0)
		become(path, ends[1]);
	close(ends[1]);
	if (child > 0) {
		read_answer(ends[0], &out);
		kill(child, SIGKILL);
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			continue;
	}
	close(ends[0]);
	if (!description_parse(text_span(&out), &one))
		return false;
	all->item = mem_grow(all->item, all->count + 1, sizeof *all->item);
	all->item[all->count++] = one;
	return true;
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
	DIR                 *d;
	const struct dirent *entry;

	if (access(mark, F_OK) == 0)
		return; /* Postfix's programs: they know no --describe, and are not to be run */
	d = opendir(directory);
	if (!d)
		return;
	while ((entry = readdir(d))) {
		autofree char *path = mem_format("%s/%s", directory, entry->d_name);

		if (entry->d_name[0] != '.')
			descriptions_ask(path, all);
	}
	closedir(d);
	descriptions_sort(all);
}

void
descriptions_sort(struct descriptions *all)
{
	if (all->count)
		qsort(all->item, all->count, sizeof *all->item, by_program);
}
