/* SPDX-License-Identifier: ISC */
/*
 * describe.c - asks a program what it is: runs it with --describe
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "master/master.h"

enum { DESCRIPTION_MAX = 1 << 20 };

static int
run(const char *path, struct text *out, struct fault *why)
{
	int           ends[2], status = 0;
	pid_t         pid;
	autoclose int in = -1;

	if (pipe(ends) < 0)
		return fault_errno(why, "pipe");
	in = ends[0];
	if ((pid = fork()) == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl(path, path, "--describe", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	if (pid < 0)
		return fault_errno(why, "fork");
	if (file_read_fd(in, DESCRIPTION_MAX, out, why) < 0) {
		waitpid(pid, NULL, 0);
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return fault_set(why, FAULT_SYSTEM, "%s --describe failed", path);
	return 0;
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

int
describe_program(const char *path, struct description *d, struct fault *why)
{
	autotext struct text out = {0};
	struct span          rest, line;

	if (run(path, &out, why) < 0)
		return -1;
	rest = text_span(&out);
	d->tasks = 1;
	while (span_split(&rest, '\n', &line))
		take_line(line, d);
	if (!d->role || !d->model)
		return fault_set(why, FAULT_INPUT, "%s --describe said nothing useful", path);
	return 0;
}
