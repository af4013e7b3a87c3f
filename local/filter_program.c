/* SPDX-License-Identifier: ISC */
/*
 * filter_program.c - programs that the recipient's scripts run (service/sieve_programs.h)
 */
#include "local/filter_private.h"

/* What it wrote to standard error, line by line as far as it was kept. */
static void
tell_said(struct filter *f, const struct sieve_program *p)
{
	struct span rest = text_span(&f->programs.said), line;

	while (rest.len) {
		span_split(&rest, '\n', &line);
		if (line.len)
			filter_warn(f, arena_format(f->arena, "sieve: user=<%s>: program %.*s: %.*s", f->e->user, SPAN_ARGS(p->name), SPAN_ARGS(line)));
	}
	text_clear(&f->programs.said);
}

int
filter_run_program(void *filter, const struct sieve_program *p, struct text *output, struct fault *why)
{
	struct filter *f = filter;
	int            got = sieve_programs_run(&f->programs, p, output, why);

	tell_said(f, p);
	return got;
}

bool
filter_pipe_all(struct filter *f, const struct sieve_result *r, const char *script)
{
	bool failed = false;

	for (size_t i = 0; i < r->count; i++) {
		const struct sieve_program *p = r->actions[i].program;
		struct fault                why = {0};

		if (r->actions[i].kind != SIEVE_PIPE)
			continue;
		if (filter_run_program(f, p, NULL, &why) == 0) {
			text_add_format(&f->done, "%spiped message to program `%.*s'", f->done.len ? ", " : "", SPAN_ARGS(p->name));
			continue;
		}
		filter_complain(f, script, arena_format(f->arena, "failed to pipe message to program `%.*s': %s", SPAN_ARGS(p->name), fault_text(&why)));
		failed = failed || !p->may_fail;
	}
	return failed;
}
