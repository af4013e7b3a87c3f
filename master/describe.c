/* SPDX-License-Identifier: ISC */
/*
 * describe.c - asks programs what they are: runs them with --describe
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/children.h"
#include "master/master.h"

enum { DESCRIPTION_MAX = 1 << 20 };

struct asked {
	const struct list *programs;
	struct strmap     *answers;
};

static void
become(void *with, size_t i, int out)
{
	const char *path = ((const struct asked *)with)->programs->item[i];

	dup2(out, STDOUT_FILENO);
	execl(path, path, "--describe", (char *)NULL);
	_exit(127);
}

static void
take_line(struct span line, struct description *d)
{
	struct span name, rest = line;
	uint64_t    n;

	if (!span_starts(line, "@") || !span_split(&rest, '\t', &name))
		return;
	if (span_is(name, "@role"))
		d->role = mem_span(rest);
	else if (span_is(name, "@model"))
		d->model = mem_span(rest);
	else if (span_is(name, "@tasks") && span_number(rest, &n) && n > 0 && n < 100000)
		d->tasks = (int)n;
	else if (span_is(name, "@asks"))
		for (struct span word; span_next(&rest, " ", &word);)
			list_add(&d->asks, word);
}

static void
take_answer(void *with, size_t i, struct span said, int status)
{
	const struct asked *asked = with;
	const char         *path = asked->programs->item[i];
	struct description *d = mem_alloc(sizeof *d);
	struct span         line;

	*d = (struct description){.tasks = 1};
	while (span_split(&said, '\n', &line))
		take_line(line, d);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		d->trouble = mem_format("%s --describe failed", path);
	else if (!d->role || !d->model)
		d->trouble = mem_format("%s --describe said nothing useful", path);
	strmap_put(asked->answers, span_of(path), d);
}

void
describe_programs(const struct list *programs, struct strmap *answers)
{
	struct asked asked = {programs, answers};

	children_run(&(struct children){.count = programs->count, .limit = DESCRIPTION_MAX, .with = &asked,
	                                .become = become, .hear = take_answer});
}
