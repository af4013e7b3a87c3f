/* SPDX-License-Identifier: ISC */
/*
 * show.h - what a script does with a message, on one line: for the tests
 *
 *   of a message that was edited its X- fields: keep [X-Score: 1]
 *   keep "\Seen"; fileinto "Lists" create; redirect "a@b"; reject "no"; vacation "away"; error: line 3: ...
 */
#ifndef UNIT_SIEVE_SHOW_H
#define UNIT_SIEVE_SHOW_H

#include "sieve/sieve.h"

/* As sieve_pigeonhole.py configures them there. */
static const struct sieve_scanner show_spam = {.status_type = "score", .status_header = "X-Spam-Score: (-?[[:digit:]]+\\.[[:digit:]]+).*",
	.max_value = "5.0", .max_header = ""};
static const struct sieve_scanner show_virus = {.status_type = "text", .status_header = "X-Virus: Found to be (.+)\\.",
	.text = {"", "clean", "unknown", "cured", "", "infected"}};

static inline void
show_actions(const struct sieve_result *r, struct text *out)
{
	static const char *const names[] = {"keep", "fileinto", "redirect", "reject", "vacation", "notify", "pipe"};

	for (size_t i = 0; i < r->count; i++) {
		const struct sieve_action *a = &r->actions[i];

		text_add_format(out, "%s%s", out->len ? "; " : "", names[a->kind]);
		if (a->target.len)
			text_add_format(out, " \"%.*s\"", SPAN_ARGS(a->target));
		if (a->program) {
			text_add_format(out, " \"%.*s\"%s", SPAN_ARGS(a->program->name), a->program->may_fail ? " try" : "");
			for (size_t k = 0; k < a->program->n_args; k++)
				text_add_format(out, " <%.*s>", SPAN_ARGS(a->program->args[k]));
		}
		if (a->vacation)
			text_add_format(out, " \"%.*s\" %lld", SPAN_ARGS(a->vacation->reason), (long long)a->vacation->seconds);
		if ((a->vacation && a->vacation->fcc) || (a->notice && a->notice->fcc)) {
			const struct sieve_action *fcc = a->vacation ? a->vacation->fcc : a->notice->fcc;

			text_add_format(out, " fcc \"%.*s\"%s (%.*s)", SPAN_ARGS(fcc->target), fcc->create ? " create" : "", SPAN_ARGS(fcc->flags));
		}
		if (a->notice)
			for (size_t k = 0; k < a->notice->n_to; k++)
				text_add_format(out, " <%.*s>", SPAN_ARGS(a->notice->to[k]));
		if (a->notice)
			text_add_format(out, " %c \"%.*s\" \"%.*s\"", a->notice->importance, SPAN_ARGS(a->notice->subject), SPAN_ARGS(a->notice->body));
		if (a->special_use.len || a->mailbox_id.len)
			text_add_format(out, " %.*s%.*s", SPAN_ARGS(a->special_use), SPAN_ARGS(a->mailbox_id));
		if (a->create)
			text_add_string(out, " create");
		if (a->message) {
			autotext struct text header = {0};
			struct span          rest, line;

			sieve_message_header(a->message, SPAN_NONE, &header);
			for (rest = text_span(&header); span_split(&rest, '\n', &line) && line.len;)
				if (span_starts(line, "X-"))
					text_add_format(out, " [%.*s]", SPAN_ARGS(line));
		}
		if (a->flags.len)
			text_add_format(out, " (%.*s)", SPAN_ARGS(a->flags));
	}
	if (r->count == 0)
		text_add_format(out, "discard");
	if (r->failed)
		text_add_format(out, "; error: %s", fault_text(&r->why));
}

#endif
