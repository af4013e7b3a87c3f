/* SPDX-License-Identifier: ISC */
/*
 * sieve_programs.c - what Sieve scripts run
 */
#include "service/sieve_programs.h"

#include "base/arena.h"
#include "mail/address.h"
#include "sieve/settings.h"

enum { ENVIRONMENT_MOST = 4, PIECE = 65536 };

static struct program_kind kinds[SIEVE_PROGRAMS];

int
sieve_programs_prepare(struct fault *why)
{
	static const char *const names[SIEVE_PROGRAMS] = {"pipe", "filter", "execute"};

	for (size_t i = 0; i < SIEVE_PROGRAMS; i++) {
		const struct sieve_program_settings *s = &sieve_settings.program[i];

		if (*s->socket_directory)
			return fault_set(why, FAULT_INPUT, "sieve_%s_socket_dir: programs behind sockets are not supported; put them into sieve_%s_bin_dir",
				names[i], names[i]);
		kinds[i] = (struct program_kind){.directory = s->directory, .limit_ms = s->limit_ms, .lf = s->line_end == 1};
	}
	return programs_prepare(kinds, SIEVE_PROGRAMS, why);
}

int64_t
sieve_programs_time(void)
{
	int64_t longest = 0;

	for (size_t i = 0; programs_are_there() && i < SIEVE_PROGRAMS; i++)
		if (*kinds[i].directory && kinds[i].limit_ms > longest)
			longest = kinds[i].limit_ms;
	return longest * sieve_settings.actions * 2;       /* actions, and what filter and execute run */
}

static void
add_variable(struct arena *arena, struct span *out, size_t *count, const char *name, struct span value)
{
	if (value.len && !span_has(value, '\0'))
		out[(*count)++] = span_of(arena_format(arena, "%s=%.*s", name, SPAN_ARGS(value)));
}

static void
add_address(struct arena *arena, struct span *out, size_t *count, const char *name, struct span address)
{
	autotext struct text external = {0};

	if (address.len)
		address_external(address, &external);
	add_variable(arena, out, count, name, text_span(&external));
}

static int
write_edited(const struct sieve_programs *s, const struct sieve_message *m, struct maildir_delivery **file, int *fd, struct fault *why)
{
	autotext struct text header = {0};
	struct span          pieces[2];

	if (!s->maildir)
		return fault_set(why, FAULT_INPUT, "an edited message is not given to a program here");
	if (maildir_delivery_start(s->maildir, "", file, why) < 0)
		return -1;
	sieve_message_header(m, SPAN_NONE, &header);
	pieces[0] = text_span(&header);
	pieces[1] = m->body;
	for (size_t i = 0; i < COUNT(pieces); i++)
		for (size_t at = 0; at < pieces[i].len; at += PIECE)
			if (maildir_delivery_add(*file, span_first(span_from(pieces[i], at), PIECE), why) < 0)
				return -1;
	return maildir_delivery_file(*file, fd, why);
}

int
sieve_programs_run(struct sieve_programs *s, const struct sieve_program *p, struct text *output, struct fault *why)
{
	autoarena struct arena  *arena = arena_new();
	struct maildir_delivery *edited = NULL;
	struct span              environment[ENVIRONMENT_MOST];
	struct program_run       r = {.kind = p->kind, .name = p->name, .args = p->args, .n_args = p->n_args, .environment = environment,
		.message = p->reads_message ? s->message : -1, .text = p->reads_text ? p->text : SPAN_NONE};
	int                      got = 0;

	add_variable(arena, environment, &r.n_environment, "HOST", span_of(s->host->host_name ? s->host->host_name : ""));
	add_address(arena, environment, &r.n_environment, "SENDER", s->host->sender);
	add_address(arena, environment, &r.n_environment, "RECIPIENT", s->host->recipient);
	add_address(arena, environment, &r.n_environment, "ORIG_RECIPIENT", s->host->original);
	if (p->reads_message && p->message)
		got = write_edited(s, p->message, &edited, &r.message, why);
	if (got == 0)
		got = programs_run(s->sock, &r, output, &s->said, why);
	maildir_delivery_abort(edited);
	return got;
}
