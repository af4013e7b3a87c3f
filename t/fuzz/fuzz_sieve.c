/* SPDX-License-Identifier: ISC */
/*
 * fuzz_sieve.c - a script of any bytes, then NUL and a message of any bytes
 *
 * Whatever runs stays within its bounds, and a script without an action that says
 * otherwise keeps the message.
 */
#include "fuzz.h"

#include "mail/header.h"
#include "sieve/sieve.h"

enum { PROGRAM_PRINTS_MOST = SIEVE_PROGRAM_ARGUMENT_MOST + 100 };

/* A program that goes by its name: what it says of a message is a message of few bytes. */
static int
run_program(void *context, const struct sieve_program *p, struct text *output, struct fault *why)
{
	(void)context;
	assert(p->kind != SIEVE_PROGRAM_PIPE && p->name.len && !span_has(p->name, '/') && !span_has(p->name, '\0'));
	for (size_t i = 0; i < p->n_args; i++)
		assert(span_find_any(p->args[i], "\r\n") < 0 && !span_has(p->args[i], '\0'));
	if (span_starts(p->name, "x"))
		return fault_set(why, FAULT_SYSTEM, "not there");
	if (output && p->n_args)
		text_add(output, p->args[0]);
	if (output)
		text_add_string(output, span_starts(p->name, "h") ? "Subject: b\nX-Long: a\n b\n\nbody\n" : "words");
	return span_starts(p->name, "f");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena *arena = arena_new();
	struct sieve_limits     limits = sieve_default_limits;
	struct span             script, message = span_at(data, size);
	struct sieve_script    *compiled;
	struct sieve_result     result;
	struct fault            why = {0};

	span_split(&message, '\0', &script);
	limits.steps = 200000;
	limits.spam = &(const struct sieve_scanner){.status_type = "score", .status_header = "X-Spam-Score: ([0-9.]+).*", .max_value = "5"};
	limits.virus = &(const struct sieve_scanner){.status_type = "text", .status_header = "X-Virus", .text = {[1] = "clean", [5] = "found"}};
	if (sieve_compile(arena, script, "fuzz", NULL, &limits, &compiled, &why) < 0) {
		assert(fault_text(&why)[0]);
		return 0;
	}
	struct sieve_host host = {.message = message, .sender = SPAN("a@example.org"), .recipient = SPAN("b+c@example.com"),
		.original = SPAN_NONE, .auth = SPAN_NONE, .delimiters = SPAN("+"), .host_name = "h", .domain = "d", .now = 1795180000,
		.run_program = run_program};

	sieve_run(arena, (const struct sieve_script *const[]){compiled}, 1, &limits, &host, &result);
	assert(result.count <= limits.actions + 1);
	if (result.failed)
		assert(result.count == 1 && result.actions[0].kind == SIEVE_KEEP);
	for (size_t i = 0; i < result.count; i++) {
		const struct sieve_action *a = &result.actions[i];

		if (a->kind == SIEVE_REDIRECT)
			assert(span_has(a->target, '@') && !span_has(a->target, '\n') && !span_has(a->target, '\0'));
		if (a->message) {
			autotext struct text header = {0};
			struct header_field  field;
			size_t               fields = 0, at = 0;

			assert(a->kind == SIEVE_KEEP || a->kind == SIEVE_FILEINTO || a->kind == SIEVE_REDIRECT || a->kind == SIEVE_PIPE);
			sieve_message_header(a->message, SPAN_NONE, &header);
			assert(header.len <= SIEVE_HEADER_MOST && a->message->body.len <= message.len + PROGRAM_PRINTS_MOST);
			while (header_next(text_span(&header), &at, &field))
				fields++;
			assert(fields == a->message->n_fields && at == header.len);
		}
		if (a->kind == SIEVE_PIPE)
			assert(a->program && a->program->kind == SIEVE_PROGRAM_PIPE && !span_has(a->program->name, '/'));
		if (a->kind == SIEVE_FILEINTO)
			assert(a->target.len && !span_has(a->target, '\n') && !span_has(a->target, '\0'));
		if (a->kind == SIEVE_NOTIFY) {
			autotext struct text out = {0};
			const char          *reason;

			assert(a->notice->n_to && a->notice->n_to <= SIEVE_NOTICE_RECIPIENTS);
			if (sieve_notice_mail(&host, a->notice, &out, &reason)) {
				struct header_field f;
				size_t              at = 0;

				assert(out.len < 50000 && !span_has(text_span(&out), '\0'));
				while (header_next(text_span(&out), &at, &f))
					assert(f.name.len && !span_is_nocase(f.name, "Received"));
			}
		}
		if (a->kind == SIEVE_VACATION) {
			autotext struct text out = {0}, key = {0};
			const char          *reason;

			if (sieve_vacation_answer(&host, a->vacation, &out, &key, &reason))
				assert(out.len < 200000 && !span_has(span_first(text_span(&out), 6), '\n'));
		}
	}
	return 0;
}
