/* SPDX-License-Identifier: ISC */
/*
 * check.c - lets each program read its configuration and open its tables,
 * without serving: its complaints are lines on its standard error
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/children.h"
#include "master/master.h"

enum { COMPLAINTS_MAX = 1 << 20 };

struct check {
	const struct plan *plan;
	struct faults     *faults;
};

static void
become(void *with, size_t i, int out)
{
	const struct post *post = ((const struct check *)with)->plan->post[i];
	const char       **words = mem_array(post->options.count * 2 + post->arguments.count + 9, sizeof *words);
	size_t             n = 0;

	words[n++] = post->command;
	words[n++] = "--check";
	words[n++] = "-n";
	words[n++] = post->name;
	words[n++] = "-c";
	words[n++] = environment.config_directory;
	for (size_t k = 0; k < post->options.count; k++) {
		words[n++] = "-o";
		words[n++] = post->options.item[k];
	}
	words[n++] = "--";
	for (size_t k = 0; k < post->arguments.count; k++)
		words[n++] = post->arguments.item[k];
	dup2(out, STDERR_FILENO);
	execv(post->program, (char *const *)words);
	_exit(127);
}

static bool
was_told(const struct faults *f, struct span text)
{
	return f->errors > 0 && span_ends(span_of(f->error[f->errors - 1]), text.at);
}

/* A bare line, or one of the log: "postfix/smtpd[77]: error: text".  What a program both logs
 * and gives up with is told once.  A lazy post fails when it is asked, as in Postfix. */
static void
take_complaint(const struct post *post, struct span line, struct faults *faults)
{
	ptrdiff_t      tag = span_find_text(line, SPAN("]: "));
	struct span    text = tag >= 0 && span_find(span_first(line, (size_t)tag), ' ') < 0
	                              ? span_from(line, (size_t)tag + 3) : line;
	bool           warning = span_starts(text, "warning: ") || post->job->flags & JOB_LAZY;
	autofree char *words = NULL;

	if (span_starts(text, "error: ") || span_starts(text, "fatal: "))
		text = span_from(text, 7);
	if (span_starts(text, "warning: "))
		text = span_from(text, 9);
	words = mem_span(text);
	if (!*words || was_told(faults, span_of(words)))
		return;
	if (warning)
		faults_warn(faults, "%sservice %s: %s", post->place, post->name, words);
	else
		faults_add(faults, "%sservice %s: %s", post->place, post->name, words);
}

static void
take_answer(void *with, size_t i, struct span said, int status)
{
	const struct check *check = with;
	const struct post  *post = check->plan->post[i];
	int                 before = check->faults->errors;
	struct span         line;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	while (span_split(&said, '\n', &line) || line.len)
		take_complaint(post, line, check->faults);
	if (check->faults->errors == before && !(post->job->flags & JOB_LAZY))
		faults_add(check->faults, "%sservice %s: %s --check failed", post->place, post->name, post->program);
}

void
check_programs(const struct plan *p, struct faults *faults)
{
	struct check check = {p, faults};

	children_run(&(struct children){.count = p->count, .limit = COMPLAINTS_MAX, .with = &check,
	                                .become = become, .hear = take_answer});
}
