/* SPDX-License-Identifier: ISC */
/*
 * programs.c - pipe, filter and execute: programs that the administrator has put in a directory (Pigeonhole's extprograms)
 *
 * Which program is a constant of the script; what comes of variables and so of strangers is only ever one argument, or input.
 * A pipe is an action, done with the others when all scripts have run; filter and execute run at once.
 */
#include "sieve/sieve_private.h"
#include "mail/charset.h"
#include "mail/line.h"

enum { PRINTED_MOST = 128 << 20 };     /* by all filters of a message; one alone: PROGRAM_OUTPUT_MOST */

bool
program_name_valid(struct span name)
{
	return name.len > 0 && name.len <= SIEVE_PROGRAM_NAME_MOST && name.at[0] != '.' && !span_has(name, '/') && utf8_printable(name);
}

bool
program_argument_valid(struct span argument)
{
	return argument.len <= SIEVE_PROGRAM_ARGUMENT_MOST && span_find_any(argument, "\r\n") < 0 && !span_has(argument, '\0');
}

static int
take_program(struct run *r, const struct node *n, enum sieve_program_kind kind, struct sieve_program **out)
{
	const struct strings *args = n->at[1] ? &n->at[1]->strings : NULL;
	struct sieve_program *p = arena_alloc(r->arena, sizeof *p);

	*p = (struct sieve_program){.kind = kind, .name = n->at[0]->strings.at[0], .may_fail = n->tags & TAG(TRY),
		.text = SPAN_NONE};
	p->args = arena_alloc(r->arena, ((args ? args->count : 0) + 1) * sizeof *p->args);
	for (size_t i = 0; args && i < args->count; i++) {
		struct span argument = word_expand(r, args->at[i]);

		if (!program_argument_valid(argument))
			return script_error(r, n, "specified :args item `%.*s' is invalid", SPAN_ARGS(span_first(argument, 128)));
		p->args[p->n_args++] = argument;
	}
	*out = p;
	return script_cost(r, n, p->n_args * 64);
}

int
do_pipe(struct run *r, const struct node *n)
{
	struct sieve_program *p;
	struct sieve_action  *a;

	if (take_program(r, n, SIEVE_PROGRAM_PIPE, &p) < 0)
		return -1;
	if (script_refuse_beside_reject(r, n, false) < 0 || !(a = script_add(r, n, SIEVE_PIPE)))
		return -1;
	p->reads_message = true;
	p->message = a->message;
	a->program = p;
	if (!(n->tags & TAG(COPY)))
		r->kept_implicitly = false;
	return 0;
}

/* 0 it went well, 1 it did not, 2 it could not run; -1 */
static int
run_now(struct run *r, const struct node *n, const struct sieve_program *p, struct text *output)
{
	struct fault why = {0};
	int          got;

	if (++r->programs > r->limits->actions)
		return script_error(r, n, "total number of programs exceeds policy limit(%zu)", r->limits->actions);
	if (!r->host->run_program)
		got = fault_set(&why, FAULT_INPUT, "no program can be run here");
	else
		got = r->host->run_program(r->host->context, p, output, &why);
	if (got < 0)
		r->not_run = arena_string(r->arena, span_of(fault_text(&why)));
	if (script_cost(r, n, output ? output->len : 0) < 0)
		return -1;
	return got < 0 ? 2 : got;
}

/* What was edited before is what the program read: its output is the message, and there are no edits. */
static void
replace_message(struct run *r, struct span whole)
{
	autotext struct text unix_lines = {0};
	struct line_unix     lines;

	line_unix_start(&lines, false);        /* it was given CRLF, perhaps, and what is stored has LF */
	line_unix_feed(&lines, whole, &unix_lines);
	line_unix_end(&lines, false, &unix_lines);
	r->message = arena_span(r->arena, text_span(&unix_lines));
	r->filtered = true;
	r->edited = r->has_fields = r->too_many_fields = false;
	r->n_fields = r->room_fields = 0;
	r->fields = NULL;
	r->body_at = 0;
	r->snapshot = NULL;
	r->mime = r->mime_as_it_came = NULL;
	script_fields(r);
}

/* As run_now. */
static int
filter(struct run *r, const struct node *n)
{
	autotext struct text  output = {0};
	struct sieve_program *p;
	int                   got;

	if (r->loop_mime)
		return script_error(r, n, "filter cannot be used inside a foreverypart loop");
	if (take_program(r, n, SIEVE_PROGRAM_FILTER, &p) < 0)
		return -1;
	p->reads_message = true;
	p->message = script_message(r);
	got = run_now(r, n, p, &output);
	if (got >= 0 && (r->printed += output.len) > PRINTED_MOST)
		return script_error(r, n, "filter: programs have printed more than %d MB", PRINTED_MOST >> 20);
	if (got == 0 && output.len)
		replace_message(r, text_span(&output));
	if (r->too_many_fields && r->filtered)
		return script_error(r, n, "filter: the header of what the program printed is too large");
	return got == 0 && !output.len ? 1 : got;      /* nothing is no message */
}

static int
execute(struct run *r, const struct node *n)
{
	const struct argument *input = node_tag(n, TAG_INPUT), *variable = node_tag(n, TAG_OUTPUT);
	autotext struct text   output = {0};
	struct sieve_program  *p;
	int                    got;

	if (take_program(r, n, SIEVE_PROGRAM_EXECUTE, &p) < 0)
		return -1;
	p->reads_message = n->tags & TAG(PIPE);
	p->message = p->reads_message ? script_message(r) : NULL;
	p->reads_text = input;
	if (input)
		p->text = word_first(r, input);
	got = run_now(r, n, p, variable ? &output : NULL);
	if (got == 0 && variable && word_set(r, n, variable->strings.at[0], span_first(text_span(&output), VALUE_MAX)) < 0)
		return -1;
	return got;
}

static int
as_command(struct run *r, const struct node *n, int got)
{
	if (got == 2)
		return script_error(r, n, "%s: failed to execute program `%.*s': %s", n->verb->name, SPAN_ARGS(n->at[0]->strings.at[0]), r->not_run);
	return got < 0 ? -1 : 0;
}

/* A test that could not be asked is false; the owner of the script is told. */
static int
as_test(struct run *r, const struct node *n, int got, bool *answer)
{
	if (got == 2)
		script_note(r, n, "%s test: failed to execute program `%.*s': %s", n->verb->name, SPAN_ARGS(n->at[0]->strings.at[0]), r->not_run);
	*answer = got == 0;
	return got < 0 ? -1 : 0;
}

int
do_filter(struct run *r, const struct node *n)
{
	return as_command(r, n, filter(r, n));
}

int
do_execute(struct run *r, const struct node *n)
{
	return as_command(r, n, execute(r, n));
}

int
test_filter(struct run *r, const struct node *n, bool *answer)
{
	return as_test(r, n, filter(r, n), answer);
}

int
test_execute(struct run *r, const struct node *n, bool *answer)
{
	return as_test(r, n, execute(r, n), answer);
}
