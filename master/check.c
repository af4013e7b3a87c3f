/* SPDX-License-Identifier: ISC */
/*
 * check.c - lets each program read its configuration and open its tables,
 * without serving: its complaints are lines on its standard error
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "master/master.h"

enum { COMPLAINTS_MAX = 1 << 20 };

static pid_t
start(const struct post *post, int out)
{
	const char **words = mem_array(post->options.count * 2 + post->arguments.count + 9, sizeof *words);
	size_t       n = 0;
	pid_t        pid = fork();

	if (pid == 0) {
		words[n++] = post->command;
		words[n++] = "--check";
		words[n++] = "-n";
		words[n++] = post->name;
		words[n++] = "-c";
		words[n++] = environment.config_directory;
		for (size_t i = 0; i < post->options.count; i++) {
			words[n++] = "-o";
			words[n++] = post->options.item[i];
		}
		words[n++] = "--";
		for (size_t i = 0; i < post->arguments.count; i++)
			words[n++] = post->arguments.item[i];
		dup2(out, STDERR_FILENO);
		execv(post->program, (char *const *)words);
		_exit(127);
	}
	free(words);
	return pid;
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
check_one(const struct post *post, struct faults *faults)
{
	autotext struct text complaints = {0};
	int                  ends[2], status = 0, before = faults->errors;
	struct span          rest, line;
	pid_t                pid;

	if (pipe(ends) < 0)
		return;
	pid = start(post, ends[1]);
	close(ends[1]);
	file_read_fd(ends[0], COMPLAINTS_MAX, &complaints, NULL);
	close(ends[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	rest = text_span(&complaints);
	while (span_split(&rest, '\n', &line) || line.len)
		take_complaint(post, line, faults);
	if (faults->errors == before && !(post->job->flags & JOB_LAZY))
		faults_add(faults, "%sservice %s: %s --check failed", post->place, post->name, post->program);
}

void
check_programs(const struct plan *p, struct faults *faults)
{
	for (size_t i = 0; i < p->count; i++)
		check_one(p->post[i], faults);
}
