/* SPDX-License-Identifier: ISC */
/*
 * postmap_message.c - postmap -h -b -m -q -: a message on standard input, asked as header_checks would
 */
#include "cmd/postmap_message.h"

#include <stdlib.h>

#include "mail/mime_stream.h"

struct walk {
	const struct message_question *q;
	bool                           begun;       /* the header is over */
};

/* Folds stand in tables' keys as LF and blanks. */
static void
ask_field(void *context, enum mime_place place, struct span field, struct text *out)
{
	const struct walk   *w = context;
	autotext struct text key = {0};

	text_add(out, field);
	text_add(out, SPAN("\r\n"));
	if (!w->q->headers || (place != MIME_PRIMARY && !w->q->mime))
		return;
	for (size_t i = 0; i < field.len; i++)
		if (field.at[i] != '\r')
			text_add_byte(&key, field.at[i]);
	w->q->ask(w->q->context, text_span(&key));
}

static bool
ask_line(void *context, bool first, struct span line, struct text *out)
{
	const struct walk *w = context;

	(void)first, (void)out;
	if (w->q->body && w->q->mime && line.len)
		w->q->ask(w->q->context, line);
	return true;
}

/* Without MIME the body is all behind the first empty line. */
static void
take_line(struct walk *w, struct mime_stream *m, struct span line, struct text *out)
{
	if (!w->begun || w->q->mime) {
		mime_stream_feed(m, line, out);
		mime_stream_feed(m, SPAN("\r\n"), out);
	} else if (w->q->body && line.len) {
		w->q->ask(w->q->context, line);
	}
	w->begun = w->begun || line.len == 0;
	text_clear(out);
}

void
message_ask(const struct message_question *q, FILE *in)
{
	struct walk                 w = {.q = q};
	struct mime_stream_settings settings = {.context = &w, .field = ask_field, .line = ask_line};
	struct mime_stream         *m = mime_stream_start(&settings);
	autofree char              *line = NULL;
	autotext struct text        out = {0};
	size_t                      room = 0;
	ssize_t                     got;

	while ((got = getline(&line, &room, in)) >= 0) {
		while (got > 0 && (line[got - 1] == '\n' || line[got - 1] == '\r'))
			got--;
		take_line(&w, m, span_at(line, (size_t)got), &out);
	}
	mime_stream_end(m, &out);
	mime_stream_free(m);
}
