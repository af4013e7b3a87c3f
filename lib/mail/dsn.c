/* SPDX-License-Identifier: ISC */
/*
 * dsn.c - delivery status notifications (RFC 3464, RFC 6533)
 *
 * Subjects, part descriptions and field names are those that Postfix uses,
 * since mailing list managers and log tools match them; the sentences are ours.
 */
#include "mail/dsn.h"


#include "mail/charset.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/xtext.h"

#define VALUE_LIMIT  4000    /* bytes of one value */
#define LINE_LIMIT   76
#define HARD_LIMIT   900     /* a word without blanks is broken here (RFC 5321, 4.5.3.1.6) */

static const char default_from[] = "MAILER-DAEMON (Mail Delivery System)";

static const struct {
	const char *subject, *copy_subject, *content;
} kinds[] = {
	[DSN_KIND_FAILURE] = {"Undelivered Mail Returned to Sender", "Postmaster Copy: Undelivered Mail",
	             "Undelivered Message"},
	[DSN_KIND_DELAY] = {"Delayed Mail (still being retried)", "Postmaster Warning: Delayed Mail",
	           "Delayed Message"},
	[DSN_KIND_SUCCESS] = {"Successful Mail Delivery Report", "Postmaster Copy: Mail Delivery Report",
	             "Delivered Message"},
	[DSN_KIND_REPORT] = {"Mail Delivery Status Report", "Postmaster Copy: Mail Delivery Report", "Message"},
};

static const char *const actions[] = {
	[DSN_FAILED] = "failed", [DSN_DELAYED] = "delayed", [DSN_DELIVERED] = "delivered",
	[DSN_RELAYED] = "relayed", [DSN_EXPANDED] = "expanded",
	[DSN_DELIVERABLE] = "deliverable", [DSN_UNDELIVERABLE] = "undeliverable",
};

static enum dsn_kind
kind_of(const struct dsn *d)
{
	enum dsn_kind kind = DSN_KIND_SUCCESS;

	if (d->report)
		return DSN_KIND_REPORT;
	for (size_t i = 0; i < d->count; i++) {
		if (d->recipients[i].action == DSN_FAILED)
			return DSN_KIND_FAILURE;
		if (d->recipients[i].action == DSN_DELAYED)
			kind = DSN_KIND_DELAY;
	}
	return kind;
}

/* One line that can do no harm: controls are blanks; what may not be 8-bit is "?". */
static void
clean(struct span value, bool utf8, struct text *out)
{
	bool keep = utf8 && utf8_valid(value);

	value = span_first(value, VALUE_LIMIT);
	while (keep && value.len && !utf8_valid(value))      /* the cut went through a character */
		value.len--;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];

		if (c < ' ' || c == 127)
			text_add_byte(out, ' ');
		else
			text_add_byte(out, c > 127 && !keep ? '?' : value.at[i]);
	}
}

/* Adds words, folded with `indent`, after `column` bytes that stand already. */
static void
fold(struct span value, size_t column, const char *indent, struct text *out)
{
	struct span word;
	bool        first = true;

	while (span_next(&value, " ", &word)) {
		if (!first && column + 1 + word.len > LINE_LIMIT) {
			text_add_string(out, "\r\n");
			text_add_string(out, indent);
			column = strlen(indent);
		} else if (!first) {
			text_add_byte(out, ' ');
			column++;
		}
		while (column + word.len > HARD_LIMIT) {
			text_add(out, span_first(word, HARD_LIMIT - column));
			word = span_from(word, HARD_LIMIT - column);
			text_add_string(out, "\r\n");
			text_add_string(out, indent);
			column = strlen(indent);
		}
		text_add(out, word);
		column += word.len;
		first = false;
	}
}

/* "Name: type; value" */
static void
add_field(struct text *out, const char *name, const char *type, struct span value, bool utf8)
{
	autotext struct text line = {0};
	size_t before = out->len;

	clean(value, utf8, &line);
	text_add_format(out, "%s: ", name);
	if (type)
		text_add_format(out, "%s; ", type);
	fold(text_span(&line), out->len - before, "    ", out);
	text_add_string(out, "\r\n");
}

static void
add_date_field(struct text *out, const char *name, int64_t seconds)
{
	autotext struct text date = {0};

	if (seconds == 0)
		return;
	date_add_local(seconds, &date);
	if (span_has(text_span(&date), '('))      /* RFC 3464, 2.1.1: no comments */
		text_cut(&date, (size_t)span_find(text_span(&date), '(') - 1);
	add_field(out, name, NULL, text_span(&date), false);
}

/* An address as a typed one: rfc822, or utf-8 (RFC 6533, 3) where it must be. */
static void
add_address_field(struct text *out, const char *name, struct span internal, bool utf8)
{
	autotext struct text external = {0}, coded = {0};

	address_external(internal, &external);
	if (span_is_ascii(internal)) {
		add_field(out, name, "rfc822", text_span(&external), false);
	} else if (utf8) {
		add_field(out, name, "utf-8", text_span(&external), true);
	} else {
		xtext_utf8_encode(text_span(&external), &coded);
		add_field(out, name, "utf-8", text_span(&coded), false);
	}
}

static void
add_orcpt_field(struct text *out, struct span orcpt, bool utf8)
{
	autotext struct text coded = {0};
	struct span type, rest = orcpt;

	(void)span_split(&rest, ';', &type);
	text_add(&coded, type);
	text_add_byte(&coded, ';');
	if (utf8 || span_is_ascii(rest))
		text_add(&coded, rest);
	else
		xtext_utf8_encode(rest, &coded);
	add_field(out, "Original-Recipient", NULL, text_span(&coded), utf8);
}

static void
add_boundary(const struct dsn *d, struct text *out)
{
	struct span seed = d->boundary_seed.len ? d->boundary_seed : d->queue_id;

	/* at most 70 characters (RFC 2046, 5.1.1) */
	text_add_format(out, "%.*s.%lld/%.*s", (int)span_first(seed, 24).len, seed.at,
	                (long long)d->now, (int)span_first(d->host, 30).len, d->host.at);
}

/* "MAILER-DAEMON (Mail Delivery System)": where no host stands it is ours. */
static void
add_from(const struct dsn *d, struct text *out)
{
	struct span name = d->words && d->words->from.len ? d->words->from : span_of(default_from);
	struct span first;

	if (span_has(name, '@') || span_has(name, '<')) {
		text_add(out, name);
		return;
	}
	(void)span_next(&name, " ", &first);
	name = span_trim(name);
	if (span_starts(name, "(") && span_ends(name, ")"))     /* header_from_format = standard */
		text_add_format(out, "%.*s <%.*s@%.*s>", SPAN_ARGS(span_cut(name, 1, name.len - 1)), SPAN_ARGS(first),
		                SPAN_ARGS(d->origin.len ? d->origin : d->host));
	else
		text_add_format(out, "%.*s@%.*s", SPAN_ARGS(first), SPAN_ARGS(d->origin.len ? d->origin : d->host));
}

static struct span
subject_of(const struct dsn *d, enum dsn_kind kind)
{
	bool        copy = d->to_postmaster || d->double_bounce;
	struct span own = !d->words ? SPAN_NONE : copy ? d->words->postmaster_subject : d->words->subject;

	return own.len ? own : span_of(copy ? kinds[kind].copy_subject : kinds[kind].subject);
}

static int
add_header(const struct dsn *d, enum dsn_kind kind, struct text *out, struct fault *why)
{
	autotext struct text date = {0}, to = {0}, from = {0}, boundary = {0};

	add_from(d, &from);
	date_add_local(d->now, &date);
	address_external(d->to, &to);
	add_boundary(d, &boundary);
	if (header_add(out, "Date", text_span(&date), why) < 0 ||
	    header_add(out, "From", span_trim(text_span(&from)), why) < 0 ||
	    header_add(out, "Subject", subject_of(d, kind), why) < 0 ||
	    header_add(out, "To", text_span(&to), why) < 0 ||
	    header_add(out, "Auto-Submitted", SPAN("auto-replied"), why) < 0 || /* RFC 3834, 5 */
	    header_add(out, "MIME-Version", SPAN("1.0"), why) < 0)
		return -1;
	text_add_string(out, "Content-Type: multipart/report; ");
	text_add_format(out, "report-type=%sdelivery-status;\r\n\tboundary=\"%s\"\r\n",
	                d->smtputf8 ? "global-" : "", text_string(&boundary));
	text_add_string(out, "Content-Transfer-Encoding: 8bit\r\n\r\n"
	                     "This is a MIME-encapsulated message.\r\n\r\n");
	return 0;
}

static void
open_part(const struct dsn *d, const char *description, const char *type, struct text *out)
{
	text_add_string(out, "--");
	add_boundary(d, out);
	text_add_format(out, "\r\nContent-Description: %s\r\nContent-Type: %s\r\n", description,
	                type);
}

static const char report_explanation[] =
	"Enclosed is the mail delivery report that you requested: what became of your\r\n"
	"message, or what would have become of it, for each recipient.\r\n";

static void
open_text(const struct dsn *d, struct text *out)
{
	autotext struct text type = {0};
	bool                 own = d->words && d->words->text.len && d->words->charset.len;
	bool                 eight = d->smtputf8 || (own && !span_is_ascii(d->words->text));

	text_add_string(&type, "text/plain; charset=");
	if (d->smtputf8)
		text_add_string(&type, "utf-8");
	else
		text_add(&type, own ? d->words->charset : SPAN("us-ascii"));
	open_part(d, "Notification", text_string(&type), out);
	text_add_string(out, eight ? "Content-Transfer-Encoding: 8bit\r\n\r\n" : "\r\n");
}

/* What a person reads first. */
static const char failure_explanation[] =
	"Your message could not be delivered to the recipients named below, and will\r\n"
	"not be tried again. The reason stands behind each address. The report and\r\n"
	"your message are attached.\r\n"
	"\r\n"
	"Should you need help, send this report to the postmaster of this host.\r\n";
static const char delay_explanation[] =
	"THIS IS ONLY A WARNING. THERE IS NO NEED TO SEND THE MESSAGE AGAIN.\r\n"
	"\r\n"
	"Your message has not yet reached the recipients named below. It stays in the\r\n"
	"queue and is tried again; you will be told if it fails in the end.\r\n";
static const char success_explanation[] =
	"Your message was delivered to the recipients named below. If it went on to\r\n"
	"another mail system, no further reports may come from there.\r\n";
static const char copy_explanation[] =
	"A notification like this one went to the sender of the message below;\r\n"
	"this copy is for the postmaster.\r\n";
static const char double_bounce_explanation[] =
	"A notification could not be delivered to the sender of the message below,\r\n"
	"so it comes to the postmaster.\r\n";

static const char *const explanations[] = {
	[DSN_KIND_FAILURE] = failure_explanation, [DSN_KIND_DELAY] = delay_explanation,
	[DSN_KIND_SUCCESS] = success_explanation, [DSN_KIND_REPORT] = report_explanation,
};

struct dsn_words
dsn_words(enum dsn_kind kind)
{
	return (struct dsn_words){default_from, kinds[kind].subject, kinds[kind].copy_subject, explanations[kind]};
}

static void
add_explanation(const struct dsn *d, enum dsn_kind kind, struct text *out)
{
	if (d->words && d->words->text.len) {
		text_add(out, d->words->text);
		text_add_string(out, "\r\n");
		return;
	}
	text_add_format(out, "This is the mail system at host %.*s.\r\n\r\n", SPAN_ARGS(d->host));
	if (d->double_bounce)
		text_add_string(out, double_bounce_explanation);
	else
		text_add_string(out, d->to_postmaster ? copy_explanation : explanations[kind]);
	text_add_format(out, "\r\n%*s%.*s\r\n\r\n", 19, "", SPAN_ARGS(d->mail_name));
}

static void
add_readable(const struct dsn *d, const struct dsn_recipient *r, struct text *out)
{
	autotext struct text external = {0}, line = {0};
	bool        utf8 = d->smtputf8;
	struct span reason = r->reason.len ? r->reason : r->diagnostic;

	text_add_byte(&line, '<');
	address_external(r->recipient, &external);
	clean(text_span(&external), utf8, &line);
	text_add_byte(&line, '>');
	if (r->original.len && !address_equal(r->original, r->recipient)) {
		text_clear(&external);
		address_external(r->original, &external);
		text_add_string(&line, " (expanded from <");
		clean(text_span(&external), utf8, &line);
		text_add_string(&line, ">)");
	}
	text_add_string(&line, ": ");
	clean(reason, utf8, &line);
	fold(text_span(&line), 0, "    ", out);
	text_add_string(out, "\r\n\r\n");
}

/* RFC 3464, 2.3 */
static void
add_recipient(const struct dsn *d, const struct dsn_recipient *r, struct text *out)
{
	autotext struct text status = {0};

	text_add_string(out, "\r\n");
	if (r->orcpt.len)
		add_orcpt_field(out, r->orcpt, d->smtputf8);
	else if (r->original.len)
		add_address_field(out, "Original-Recipient", r->original, d->smtputf8);
	add_address_field(out, "Final-Recipient", r->recipient, d->smtputf8);
	add_field(out, "Action", NULL, span_of(actions[r->action]), false);
	status_add(r->status, &status);
	add_field(out, "Status", NULL, text_span(&status), false);
	if (r->remote_mta.len)
		add_field(out, "Remote-MTA", "dns", r->remote_mta, d->smtputf8);
	if (r->diagnostic.len)
		add_field(out, "Diagnostic-Code", r->diagnostic_is_smtp ? "smtp" : "x-postfix",
		          r->diagnostic, d->smtputf8);
	add_date_field(out, "Last-Attempt-Date", r->last_attempt);
	if (r->action == DSN_DELAYED)
		add_date_field(out, "Will-Retry-Until", r->retry_until);
}

/* mail_name as a piece of a header name */
static void
add_name_piece(struct span mail_name, struct text *out)
{
	for (size_t i = 0; i < mail_name.len; i++)
		text_add_byte(out, ascii_alpha(mail_name.at[i]) || ascii_digit(mail_name.at[i])
		                           ? mail_name.at[i]
		                           : '-');
}

/* RFC 3464, 2.2 */
static void
add_report(const struct dsn *d, struct text *out)
{
	autotext struct text queue_field = {0}, sender_field = {0};

	text_add_string(out, "\r\n");
	text_add_string(&queue_field, "X-");
	add_name_piece(d->mail_name, &queue_field);
	text_add(&sender_field, text_span(&queue_field));
	text_add_string(&queue_field, "-Queue-ID");
	text_add_string(&sender_field, "-Sender");
	if (d->envid.len) /* as it was before xtext (RFC 3461, 6.3; RFC 3464, 2.2.1) */
		add_field(out, "Original-Envelope-Id", NULL, d->envid, false);
	add_field(out, "Reporting-MTA", "dns", d->host, d->smtputf8);
	add_field(out, text_string(&queue_field), NULL, d->queue_id, false);
	if (d->sender.len)
		add_address_field(out, text_string(&sender_field), d->sender, d->smtputf8);
	add_date_field(out, "Arrival-Date", d->arrival);
	for (size_t i = 0; i < d->count; i++)
		add_recipient(d, &d->recipients[i], out);
	text_add_string(out, "\r\n");
}

/* A whole message only for what failed, if asked so or nothing was asked, and if it is not too
 * big. */
static bool
gives_whole(const struct dsn *d, enum dsn_kind kind)
{
	return kind == DSN_KIND_FAILURE && d->ret != SMTP_RET_HDRS && !d->to_postmaster &&
	       (d->size_limit == 0 || d->original_size <= d->size_limit);
}

static void
add_transcript(struct span transcript, bool utf8, struct text *out)
{
	struct span line;

	while (transcript.len) {
		(void)span_split(&transcript, '\n', &line);
		text_add_string(out, "    ");
		clean(span_first(span_trim(line), HARD_LIMIT), utf8, out);
		text_add_string(out, "\r\n");
	}
	text_add_string(out, "\r\n");
}

int
dsn_build(const struct dsn *d, struct text *head, struct text *tail, bool *whole, struct fault *why)
{
	autotext struct text out = {0};
	enum dsn_kind kind = kind_of(d);
	bool      all = gives_whole(d, kind);

	if (d->count == 0 || d->host.len == 0 || d->queue_id.len == 0)
		return fault_set(why, FAULT_INPUT,
		                 "a notification needs a host, a queue id and a recipient");
	if (add_header(d, kind, &out, why) < 0)
		return -1;
	open_text(d, &out);
	add_explanation(d, kind, &out);
	for (size_t i = 0; i < d->count; i++)
		add_readable(d, &d->recipients[i], &out);
	if (d->transcript.len)
		add_transcript(d->transcript, d->smtputf8, &out);
	open_part(d, "Delivery report",
	          d->smtputf8 ? "message/global-delivery-status" : "message/delivery-status", &out);
	if (d->smtputf8)
		text_add_string(&out, "Content-Transfer-Encoding: 8bit\r\n");
	add_report(d, &out);
	if (all)
		open_part(d, kinds[kind].content, d->smtputf8 ? "message/global" : "message/rfc822",
		          &out);
	else if (d->smtputf8)
		open_part(d, kind == DSN_KIND_DELAY ? "Delayed Message Headers" : "Message Headers",
		          "message/global-headers", &out);
	else
		open_part(d, kind == DSN_KIND_DELAY ? "Delayed Message Headers" : "Message Headers",
		          "text/rfc822-headers", &out);
	text_add_string(&out, "Content-Transfer-Encoding: 8bit\r\n\r\n");
	text_add(head, text_span(&out));
	text_add_string(tail, "\r\n--");
	add_boundary(d, tail);
	text_add_string(tail, "--\r\n");
	*whole = all;
	return 0;
}
