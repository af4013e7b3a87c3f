/* SPDX-License-Identifier: ISC */
/*
 * filter_tell.c - what is to be sent and logged, told to the parent
 */
#include "local/filter_private.h"

#include "base/clock.h"
#include "config/site.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/message_id.h"

/* On top of what the filter sends by itself: all that makes it a message. */
static void
add_head(struct filter *f, const char *what, struct text *out)
{
	int64_t now = clock_wall() / 1000000;

	text_add_string(out, "Message-ID: ");
	message_id_make(now, span_of(arena_format(f->arena, "%.*s.%s", SPAN_ARGS(f->e->queue_id), what)), span_of(site.myhostname), out);
	text_add_string(out, "\r\nDate: ");
	date_add(date_local(now), out);
	text_add_string(out, "\r\n");
}

static void
tell_answer(struct filter *f, const struct sieve_host *host, const struct sieve_action *a)
{
	autoframe struct frame told = {0};
	autotext struct text   content = {0}, key = {0};
	const char            *reason;

	add_head(f, "vacation", &content);
	if (!sieve_vacation_answer(host, a->vacation, &content, &key, &reason) || content.len > OUTGOING_CONTENT_MAX)
		return;
	/* remembered first: rather no answer than two (RFC 5230, 4.2) */
	if (memory_has(f->memory, text_span(&key)) || memory_add(f->memory, text_span(&key), a->vacation->seconds, NULL) < 0)
		return;
	frame_start(&told, "answer");
	frame_put(&told, "content", text_span(&content));
	worker_tell(f->worker, &told);
	text_add_format(&f->done, "%ssent vacation response", f->done.len ? ", " : "");
	if (a->vacation->fcc)
		filter_store_copy(f, a->vacation->fcc, text_span(&content));
}

/* The header of an edited message, in pieces; the parent has the body.  It is redirected without what was put on top for
 * this mailbox. */
static void
tell_edited(struct filter *f, const struct sieve_message *m)
{
	autotext struct text header = {0}, wire = {0};
	struct span          came = span_from(f->message, f->e->prefix.len), rest, line;
	int64_t              lines = 0;

	came = span_first(came, header_body_offset(came, NULL));
	for (size_t i = 0; i < came.len; i++)
		lines += came.at[i] == '\n';
	sieve_message_header(m, span_first(f->message, f->e->prefix.len), &header);
	for (rest = text_span(&header); rest.len;) {
		span_split(&rest, '\n', &line);
		text_add(&wire, line);
		text_add(&wire, SPAN("\r\n"));
	}
	for (rest = text_span(&wire); rest.len; rest = span_from(rest, EDITED_PIECE)) {
		autoframe struct frame told = {0};

		frame_start(&told, "edited");
		frame_put(&told, "header", span_first(rest, EDITED_PIECE));
		frame_put_number(&told, "lines", lines);
		frame_put_flag(&told, "more", rest.len > EDITED_PIECE);
		worker_tell(f->worker, &told);
	}
}

static void
tell_redirect(struct filter *f, const struct sieve_action *a)
{
	autoframe struct frame told = {0};

	if (a->message && a->message != f->told_edited) {
		tell_edited(f, a->message);
		f->told_edited = a->message;
	}
	frame_start(&told, "redirect");
	frame_put(&told, "address", a->target);
	frame_put_flag(&told, "edited", a->message);
	worker_tell(f->worker, &told);
	text_add_format(&f->done, "%sforwarded to <%.*s>", f->done.len ? ", " : "", SPAN_ARGS(a->target));
}

static void
tell_notice(struct filter *f, const struct sieve_host *host, const struct sieve_notice *n)
{
	autoframe struct frame told = {0};
	autotext struct text   content = {0};
	const char            *reason;

	add_head(f, arena_format(f->arena, "notice%d", ++f->notices), &content);
	if (!sieve_notice_mail(host, n, &content, &reason) || content.len > OUTGOING_CONTENT_MAX)
		return;
	frame_start(&told, "notice");
	frame_put(&told, "content", text_span(&content));
	for (size_t i = 0; i < n->n_to; i++)
		frame_put(&told, "to", n->to[i]);
	worker_tell(f->worker, &told);
	text_add_format(&f->done, "%ssent notification", f->done.len ? ", " : "");
	if (n->fcc)
		filter_store_copy(f, n->fcc, text_span(&content));
}

void
filter_tell_all(struct filter *f, const struct sieve_host *host, const struct sieve_result *r, struct outcome *o)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct sieve_action *a = &r->actions[i];

		if (a->kind == SIEVE_VACATION) {
			tell_answer(f, host, a);
		} else if (a->kind == SIEVE_NOTIFY) {
			tell_notice(f, host, a->notice);
		} else if (a->kind == SIEVE_REDIRECT) {
			tell_redirect(f, a);
		} else if (a->kind == SIEVE_REJECT) {
			char *reason = arena_string(f->arena, span_first(span_trim(a->target), REASON_MAX));

			for (char *p = reason; *p; p++)
				if ((unsigned char)*p < ' ' || *p == 127)
					*p = ' ';
			outcome_set(o, DELIVER_BOUNCED, "5.7.1", "Rejected by recipient: %s", reason);
		}
	}
	for (size_t i = 0; i < r->n_marks; i++)
		filter_mark(f, &r->marks[i]);
}

void
filter_tell_trouble(struct filter *f)
{
	autoframe struct frame told = {0};

	if (!f->trouble.len)
		return;
	frame_start(&told, "user_log");
	frame_put(&told, "text", span_first(text_span(&f->trouble), 2000));
	worker_tell(f->worker, &told);
}
