/* SPDX-License-Identifier: ISC */
/*
 * queue_export_drop.c - what waits for our pickup is written for Postfix's
 */
#include "mail/address.h"
#include "queue/queue_export_private.h"

static int
put_address(struct writer *w, char type, struct span external, struct arena *arena, struct fault *why)
{
	struct span internal = SPAN_NONE;

	if (external.len && address_parse(arena, external, ADDRESS_UTF8, &internal, why) < 0)
		return -1;
	postfix_put(&w->out, type, internal);
	return 0;
}

struct drop {
	struct span envid, ret, body, verp, notify;
	bool        verify, trace;
};

static void
take_attribute(struct drop *d, struct span s)
{
	const struct { const char *name; struct span *to; } texts[] = {
		{"envid", &d->envid}, {"ret", &d->ret}, {"body", &d->body}, {"verp", &d->verp}, {"notify", &d->notify}};
	struct span name;

	span_split(&s, '=', &name);
	for (size_t i = 0; i < COUNT(texts); i++)
		if (span_is(name, texts[i].name))
			*texts[i].to = s;
	d->verify |= span_is(name, "verify");
	d->trace |= span_is(name, "trace");
}

/* Attributes and recipients may be mixed: first all of those, then these. */
int
export_drop(struct writer *w, struct maildrop_reader *in, int64_t arrival_us, struct arena *arena, struct fault *why)
{
	struct drop          d = {SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, SPAN_NONE, false, false};
	autotext struct text sender = {0}, name = {0}, rcpts = {0};
	struct span          rest, one, value;
	bool                 partial = false;
	char                 type;
	int                  got;

	while ((got = maildrop_next(in, &type, &value, why)) == 1 && type != 'D') {
		if (type == 'A')
			take_attribute(&d, arena_span(arena, value));
		else if (type == 'S')
			text_set(&sender, value);
		else if (type == 'F')
			text_set(&name, value);
		else if (type == 'R')
			text_add_format(&rcpts, "%.*s\n", SPAN_ARGS(value));
	}
	export_time(&w->out, arrival_us);
	postfix_put_attribute(&w->out, "envelope_id", d.envid);
	export_flags(&w->out, d.ret, d.verify, d.trace);
	postfix_put_attribute(&w->out, "rewrite_context", SPAN("local"));
	if (name.len)
		postfix_put(&w->out, 'F', text_span(&name));
	if (got < 0 || put_address(w, 'S', text_span(&sender), arena, why) < 0)
		return -1;
	postfix_put_attribute(&w->out, "encoding", export_encoding(d.body));
	if (d.verp.len)
		postfix_put(&w->out, 'V', d.verp);
	for (rest = text_span(&rcpts); span_split(&rest, '\n', &one);) {
		postfix_put_attribute(&w->out, "notify_flags", d.notify);
		if (put_address(w, 'R', one, arena, why) < 0)
			return -1;
	}
	postfix_put(&w->out, 'M', SPAN_NONE);
	for (text_clear(&rcpts); got == 1; got = maildrop_next(in, &type, &value, why)) {
		struct span line;

		text_add(&rcpts, value);
		for (rest = text_span(&rcpts); span_find(rest, '\n') >= 0;) {
			bool short_line;

			span_split(&rest, '\n', &line);
			if (line.len && line.at[line.len - 1] == '\r')
				line.len--;
			short_line = line.len <= POSTFIX_LINE_PART;
			postfix_put_content(&w->out, short_line ? SPAN_NONE : line, &partial);
			postfix_put(&w->out, 'N', short_line ? line : SPAN_NONE);
		}
		text_drop(&rcpts, rcpts.len - rest.len);
		if (export_flush(w, EXPORT_FLUSH_AT, why) < 0)
			return -1;
	}
	partial = false;
	postfix_put_content(&w->out, text_span(&rcpts), &partial);
	postfix_put_line_end(&w->out, partial);
	postfix_put(&w->out, 'X', SPAN_NONE);
	postfix_put(&w->out, 'E', SPAN_NONE);
	return got < 0 ? -1 : export_flush(w, 0, why);
}
