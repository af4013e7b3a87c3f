/* SPDX-License-Identifier: ISC */
/*
 * queue_export_message.c - one of our messages is written as one of Postfix's queue, with its logs
 */
#include "base/file.h"
#include "base/strmap.h"
#include "queue/queue_export_private.h"

enum { READ_SIZE = 65536 };

static void
put_envelope(struct writer *w, const struct queue_envelope *e, bool warned)
{
	const struct { const char *name; struct span value; } texts[] = {
		{"encoding", export_encoding(e->body)}, {"log_client_name", e->client_name}, {"log_client_address", e->client_address},
		{"log_client_port", e->client_port}, {"log_helo_name", e->helo}, {"log_protocol_name", e->protocol},
		{"client_name", e->client_name}, {"client_address", e->client_address}, {"client_port", e->client_port},
		{"helo_name", e->helo}, {"protocol_name", e->protocol}, {"sasl_method", e->sasl_method},
		{"sasl_username", e->sasl_user}, {"sasl_sender", e->auth}};
	struct text *out = &w->out;

	export_time(out, e->arrival_us);
	postfix_put_number(out, "create_time", e->arrival_us / 1000000);
	postfix_put_attribute(out, "envelope_id", e->envid);
	export_flags(out, e->ret, e->verify_only, e->trace);
	postfix_put_attribute(out, "rewrite_context", e->client_address.len ? SPAN("remote") : SPAN("local"));
	if (e->filter.len)
		postfix_put(out, 'L', e->filter);
	postfix_put(out, 'S', e->sender);
	for (size_t i = 0; i < COUNT(texts); i++)
		postfix_put_attribute(out, texts[i].name, texts[i].value);
	if (e->verp.len)
		postfix_put(out, 'V', e->verp);
	if (warned)
		postfix_put(out, 'W', SPAN("              0"));
}

/* The log that tells of a recipient in that state, or -1. */
static int
log_of(char state)
{
	switch (state) {
	case RCPT_TODO:    return LOG_DEFER;
	case RCPT_FAILED:  return LOG_BOUNCE;
	case RCPT_SUCCESS:
	case RCPT_EXPANDED: return LOG_TRACE;
	default:           return -1;
	}
}

static void
put_reason(struct writer *w, const struct queue_rcpt *r, const struct queue_event *e, int64_t at)
{
	static const char *const actions[LOGS] = {"failed", "delayed", "relayed"};
	int                      which = log_of(r->state);
	struct postfix_reason    reason;

	if (which < 0 || (!e && which == LOG_DEFER))
		return;
	reason = (struct postfix_reason){
		.recipient = r->address, .original = r->original, .orcpt = r->orcpt, .notify = r->notify, .at = at,
		.status = e && e->dsn.len ? e->dsn : which == LOG_BOUNCE ? SPAN("5.0.0") : SPAN("2.0.0"),
		.action = r->state == RCPT_EXPANDED                                   ? SPAN("expanded")
		          : e && e->action.len && !span_is(e->action, "none") ? e->action
		                                                              : span_of(actions[which]),
		.reason = e ? e->text : SPAN_NONE, .mta = e ? e->mta : SPAN_NONE, .diagnostic = e ? e->diagnostic : SPAN_NONE};
	postfix_reason_print(&reason, &w->logs[which]);
}

static int
put_rcpts(struct writer *w, struct queue_file *f, const struct strmap *events, struct fault *why)
{
	for (int64_t at = queue_file_rcpt_first(f);;) {
		autoarena struct arena *arena = arena_new();
		struct queue_rcpt       r;
		int                     got = queue_file_rcpt(f, at, arena, &r, why);

		if (got <= 0)
			return got;
		at = r.next;
		postfix_put_attribute(&w->out, "dsn_orig_rcpt", r.orcpt);
		postfix_put_number(&w->out, "notify_flags", r.notify);
		if (r.original.len)
			postfix_put(&w->out, 'O', r.original);
		put_reason(w, &r, strmap_get(events, span_at(&r.at, sizeof r.at)), export_here(w));
		postfix_put(&w->out, r.state == RCPT_TODO ? 'R' : 'D', r.address);
		w->n_rcpts++;
		if (export_flush(w, EXPORT_FLUSH_AT, why) < 0)
			return -1;
	}
}

/* A CR at the end of what was read waits for what follows it. */
static int
put_content(struct writer *w, const struct message_content *c, struct fault *why)
{
	autotext struct text bytes = {0}, part = {0};
	int64_t              position = 0;
	bool                 partial = false;

	for (;;) {
		struct span ready;
		bool        cr;

		if (message_read(c, &position, READ_SIZE, &part, why) < 0)
			return -1;
		if (!part.len)
			break;
		text_add(&bytes, text_span(&part));
		cr = bytes.at[bytes.len - 1] == '\r';
		ready = span_first(text_span(&bytes), bytes.len - cr);
		postfix_put_content(&w->out, ready, &partial);
		text_drop(&bytes, ready.len);
		if (export_flush(w, EXPORT_FLUSH_AT, why) < 0)
			return -1;
	}
	postfix_put_content(&w->out, text_span(&bytes), &partial);
	postfix_put_line_end(&w->out, partial);
	return 0;
}

/* The last event of each recipient. */
static int
read_events(struct queue_file *f, struct arena *arena, struct strmap *map, bool *warned, struct fault *why)
{
	struct queue_event e;
	int64_t            at = 0;
	int                got;

	while ((got = queue_journal_next(f, &at, arena, &e, why)) == 1) {
		struct queue_event *kept;

		*warned |= e.kind == EVENT_WARNED;
		if (!e.rcpt_at)
			continue;
		kept = arena_alloc(arena, sizeof *kept);
		*kept = e;
		strmap_put(map, span_at(&kept->rcpt_at, sizeof kept->rcpt_at), kept);
	}
	return got;
}

static int
put_message(struct writer *w, struct queue_file *f, const struct strmap *events, bool warned, struct fault *why)
{
	const struct queue_envelope *e = queue_file_envelope(f);
	autotext struct text         size = {0};
	int64_t                      content_at, content_end;

	postfix_put_size(&w->out, 0, 0, 0, false);
	put_envelope(w, e, warned);
	if (put_rcpts(w, f, events, why) < 0)
		return -1;
	postfix_put(&w->out, 'M', SPAN_NONE);
	content_at = export_here(w);
	if (put_content(w, &e->content, why) < 0)
		return -1;
	content_end = export_here(w);
	postfix_put(&w->out, 'X', SPAN_NONE);
	postfix_put(&w->out, 'E', SPAN_NONE);
	if (export_flush(w, 0, why) < 0)
		return -1;
	postfix_put_size(&size, content_end - content_at, content_at, w->n_rcpts, e->smtputf8);
	return file_write_at(w->fd, text_span(&size), 0, why);
}

int
export_message(struct writer *w, struct queue_file *f, struct fault *why)
{
	autoarena struct arena *arena = arena_new();
	struct strmap          *events = strmap_new();
	bool                    warned = false;
	int                     got = read_events(f, arena, events, &warned, why);

	if (got == 0)
		got = put_message(w, f, events, warned, why);
	strmap_free(events, NULL);
	return got;
}
