/* SPDX-License-Identifier: ISC */
/*
 * vacation.c - the answer of somebody who is away, and when there is none (RFC 5230, 4.5 to 5; RFC 3834)
 */
#include "sieve/sieve_private.h"
#include "mail/address.h"
#include "mail/charset.h"
#include "mail/encoded_word.h"

enum { SUBJECT_MAX = 500, REASON_MAX = 30000 };

/* Nobody who could read it, or a robot that would answer. */
static bool
sender_is_robot(struct span sender)
{
	static const char *const names[] = {"mailer-daemon", "listserv", "majordomo", "noreply", "no-reply", "bounce", "double-bounce"};
	struct span              local, domain;

	address_split(sender, &local, &domain);
	for (size_t i = 0; i < COUNT(names); i++)
		if (span_is_nocase(local, names[i]))
			return true;
	return span_starts_nocase(local, "owner-") || span_ends_nocase(local, "-request") || span_ends_nocase(local, "-owner") ||
		span_starts_nocase(local, "bounce-");
}

/* RFC 3834, 2 and 3; RFC 2919; and what older robots write. */
static const char *
header_forbids(struct span message)
{
	struct header_field f;
	size_t              at = 0;

	for (int count = 0; count < 2000 && header_next(message, &at, &f); count++) {
		struct span value = span_trim(f.value);

		if (span_starts_nocase(f.name, "List-"))
			return "mailing list";
		if (span_is_nocase(f.name, "Auto-Submitted") && !span_starts_nocase(value, "no"))
			return "auto-submitted";
		if (span_is_nocase(f.name, "Precedence") && (span_starts_nocase(value, "bulk") ||
		    span_starts_nocase(value, "list") || span_starts_nocase(value, "junk")))
			return "precedence";
		if (span_is_nocase(f.name, "X-Auto-Response-Suppress") && (span_starts_nocase(value, "All") ||
		    span_find_text(value, SPAN("OOF")) >= 0))
			return "auto-response-suppress";
	}
	return NULL;
}

static bool
is_mine(const struct sieve_host *host, const struct sieve_vacation *v, struct span address)
{
	if ((host->user_email.len && address_equal_nocase(address, host->user_email)) || address_equal_nocase(address, host->recipient) || (host->original.len && address_equal_nocase(address, host->original)))
		return true;
	for (size_t i = 0; i < v->n_addresses; i++)
		if (span_equal_nocase(address, v->addresses[i]))
			return true;
	return false;
}

/* RFC 5230, 4.5: only what was sent to me by name. */
static bool
names_me(const struct sieve_host *host, const struct sieve_vacation *v)
{
	static const char *const fields[] = {"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"};
	autoarena struct arena  *arena = arena_new();
	struct header_field      f;
	size_t                   at = 0;

	for (int count = 0; count < 2000 && header_next(host->message, &at, &f); count++)
		for (size_t i = 0; i < COUNT(fields); i++) {
			struct address_list list;

			if (!span_is_nocase(f.name, fields[i]))
				continue;
			address_list_parse(arena, header_unfolded(arena, f.value), ADDRESS_LIST_LIMIT, &list);
			for (size_t k = 0; k < list.count; k++)
				if (list.at[k].kind == MAILBOX && is_mine(host, v, mailbox_address(arena, &list.at[k])))
					return true;
		}
	return false;
}

static bool
is_one_line(struct span s)
{
	return span_find_any(s, "\r\n") < 0 && !span_has(s, '\0');
}

static void
add_subject(const struct sieve_host *host, const struct sieve_vacation *v, struct text *out)
{
	autotext struct text subject = {0}, plain = {0}, encoded = {0};
	struct header_field  f;

	if (v->subject.len) {
		text_add(&subject, span_first(v->subject, SUBJECT_MAX));
	} else {
		text_add(&subject, SPAN("Auto: "));
		if (header_find(host->message, "Subject", &f) && f.value.len) {
			header_unfold(span_first(f.value, SUBJECT_MAX), &plain);
			encoded_word_decode(text_span(&plain), &subject);
		} else {
			text_set(&subject, SPAN("Automated reply"));
		}
	}
	for (size_t i = 0; i < subject.len; i++)
		if ((unsigned char)subject.at[i] < ' ')
			subject.at[i] = ' ';
	encoded_word_encode(span_trim(text_span(&subject)), &encoded);
	if (header_add_folded(out, "Subject", text_span(&encoded), NULL) < 0)
		text_add(out, SPAN("Subject: Automated reply\r\n"));
}

/* RFC 5230, 5.4 and RFC 5322, 3.6.4: the thread goes on. */
static void
add_references(const struct sieve_host *host, struct text *out)
{
	autotext struct text id = {0}, chain = {0};
	struct header_field  f;

	if (!header_find(host->message, "Message-ID", &f))
		return;
	header_unfold(span_first(span_trim(f.value), 900), &id);
	if (!span_starts(text_span(&id), "<") || !span_is_ascii(text_span(&id)))
		return;
	header_add_folded(out, "In-Reply-To", text_span(&id), NULL);
	if (header_find(host->message, "References", &f) || header_find(host->message, "In-Reply-To", &f)) {
		header_unfold(span_first(span_trim(f.value), 3000), &chain);
		text_add_byte(&chain, ' ');
	}
	text_add(&chain, text_span(&id));
	if (!span_is_ascii(text_span(&chain)) || header_add_folded(out, "References", text_span(&chain), NULL) < 0)
		header_add_folded(out, "References", text_span(&id), NULL);
}

static void
add_reason(const struct sieve_vacation *v, struct text *out)
{
	struct span rest = span_first(v->reason, REASON_MAX), line;
	bool        more;

	text_add(out, SPAN("MIME-Version: 1.0\r\n"));
	if (!v->mime)
		text_add_format(out, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n",
			span_is_ascii(rest) ? "7bit" : "8bit");
	do {
		more = span_split(&rest, '\n', &line);
		if (span_ends(line, "\r"))
			line.len--;
		if (!more && line.len == 0)
			break;
		text_add(out, line);
		text_add(out, SPAN("\r\n"));
	} while (more);
}

bool
sieve_vacation_answer(const struct sieve_host *host, const struct sieve_vacation *v, struct text *out, struct text *key,
	const char **whyever)
{
	autotext struct text to = {0}, from = {0};

	*whyever = NULL;
	if (host->sender.len == 0)
		*whyever = "null sender";
	else if (sender_is_robot(host->sender))
		*whyever = "sender is a robot";
	else if (is_mine(host, v, host->sender))
		*whyever = "sender is the recipient";
	else if (!(*whyever = header_forbids(host->message)) && !host->vacation_any_recipient && !names_me(host, v))
		*whyever = "recipient is not named in the header";
	address_external(host->sender, &to);
	address_external(host->original.len ? host->original : host->recipient, &from);
	if (v->from.len)
		text_set(&from, v->from);
	if (!*whyever && (!is_one_line(text_span(&to)) || !is_one_line(text_span(&from))))
		*whyever = "address";
	if (*whyever)
		return false;
	text_add_format(key, "vacation %.*s ", SPAN_ARGS(host->sender));
	if (v->handle.len)
		text_add(key, span_first(v->handle, 1000));
	else                                           /* RFC 5230, 4.2: what is said is the handle */
		text_add_format(key, "%.*s %.*s %d %.*s", SPAN_ARGS(v->subject), SPAN_ARGS(v->from), v->mime, SPAN_ARGS(v->reason));
	text_lower(key);
	if (from_add(out, text_span(&from)) < 0)
		text_add_format(out, "From: %s\r\n", text_string(&from));
	text_add_format(out, "To: <%s>\r\n", text_string(&to));
	add_subject(host, v, out);
	add_references(host, out);
	text_add(out, SPAN("Auto-Submitted: auto-replied (vacation)\r\nPrecedence: bulk\r\nX-Sieve: Postern\r\n"));
	add_reason(v, out);
	return true;
}
