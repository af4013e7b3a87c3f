/* SPDX-License-Identifier: ISC */
/*
 * sendmail_enqueue.c - a message from standard input, as records of maildrop
 *
 * Runs with the caller's rights and no other.  The header is read whole before
 * anything is written, since with -t the recipients are in it.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/sendmail.h"
#include "config/site.h"
#include "mail/address.h"
#include "mail/header.h"
#include "queue/maildrop.h"

enum { HEADER_MAX = 4 << 20, PORTION = 32768 };

struct input {
	int         fd;
	struct text raw;        /* read, not given yet */
	size_t      used;
	bool        over;
	int         fix;        /* enum sendmail_fix */
	bool        begun;      /* the first line was seen */
};

struct enqueue {
	const struct sendmail *asked;
	struct arena          *arena;
	struct input           in;
	int                    fd;
	struct text            out;         /* records not written yet */
	int64_t                content;
	char                   user[64];
	size_t                 rcpts;
};

/* CRLF is taken as LF always, never, or (strict) when the first line has it: then it is the file's own. */
static void
fix_end(struct input *in, struct span *line)
{
	bool crlf = line->len && line->at[line->len - 1] == '\r';

	if (!in->begun && in->fix == FIX_STRICT && !crlf)
		in->fix = FIX_NEVER;
	in->begun = true;
	if (crlf && in->fix != FIX_NEVER)
		line->len--;
}

/* Standard input's next line without its end (LF or CRLF); false at the end. Long lines come whole. */
static bool
next_line(struct input *in, struct span *line)
{
	for (;;) {
		struct span rest = span_from(text_span(&in->raw), in->used);
		ptrdiff_t   end = span_find(rest, '\n');
		ssize_t     n;

		if (end >= 0 || (in->over && rest.len)) {
			*line = end >= 0 ? span_first(rest, (size_t)end) : rest;
			in->used += end >= 0 ? (size_t)end + 1 : rest.len;
			fix_end(in, line);
			return true;
		}
		if (in->over)
			return false;
		text_drop(&in->raw, in->used);
		in->used = 0;
		do {
			n = read(in->fd, text_room(&in->raw, 65536), 65536);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			command_fatal(SENDMAIL_FAILED, "error reading input: %s", strerror(errno));
		in->over = n == 0;
		in->raw.len += (size_t)n;
		in->raw.at[in->raw.len] = '\0';
	}
}

/* When postdrop has gone it has said why: its status counts. */
static bool
flush(struct enqueue *e)
{
	bool whole = file_write(e->fd, text_span(&e->out), NULL) == 0;

	text_clear(&e->out);
	return whole;
}

static bool
put(struct enqueue *e, char type, struct span value)
{
	maildrop_put(&e->out, type, value);
	return e->out.len < PORTION || flush(e);
}

/* ---- envelope ---- */

/* The empty address is somebody, too (site.h). */
static void
add_rcpt(struct enqueue *e, struct span address, struct text *rcpts)
{
	autotext struct text external = {0};

	address_external(address.len ? address : span_of(site.empty_address_recipient), &external);
	if (external.len == 0 || external.len > MAILDROP_VALUE_MAX)
		command_fatal(SENDMAIL_FAILED, "malformed recipient address: %.*s", SPAN_ARGS(span_first(address, 200)));
	maildrop_put(rcpts, 'R', text_span(&external));
	if (++e->rcpts > MAILDROP_RCPTS_MAX)
		command_fatal(SENDMAIL_FAILED, "too many recipients");
}

/* The addresses in a list; how many there were. */
static size_t
add_rcpts(struct enqueue *e, struct span list, struct text *rcpts)
{
	struct address_list parsed = {0};

	address_words_parse(e->arena, list, MAILDROP_RCPTS_MAX, &parsed);
	if (parsed.cut)
		command_fatal(SENDMAIL_FAILED, "too many recipients");
	for (size_t i = 0; i < parsed.count; i++)
		if (parsed.at[i].kind == MAILBOX)
			add_rcpt(e, mailbox_address(e->arena, &parsed.at[i]), rcpts);
	return parsed.mailboxes;
}

/* A word of the command line that names nobody names the empty address, as in Postfix. */
static void
add_argument(struct enqueue *e, struct span word, struct text *rcpts)
{
	if (span_has(word, '<') && !span_has(word, '>'))
		command_fatal(SENDMAIL_FAILED, "malformed recipient address on the command line: %.*s", SPAN_ARGS(span_first(word, 200)));
	if (add_rcpts(e, word, rcpts) == 0)
		add_rcpt(e, SPAN_NONE, rcpts);
}

/* Resent-To and its kin count instead of To, when they are there. */
static void
extract_rcpts(struct enqueue *e, struct span header, struct text *rcpts)
{
	struct header_field f;
	bool                resent = false;

	for (size_t at = 0; header_next(header, &at, &f);)
		resent = resent || (header_flags(f.name) & HEADER_EXTRACT &&
		                    header_flags(f.name) & HEADER_RESENT);
	for (size_t at = 0; header_next(header, &at, &f);)
		if (header_flags(f.name) & HEADER_EXTRACT &&
		    !(header_flags(f.name) & HEADER_RESENT) == !resent)
			add_rcpts(e, f.value, rcpts);
}

static struct span
sender_of(struct enqueue *e)
{
	autotext struct text external = {0};
	struct address_list  parsed = {0};

	if (!e->asked->sender)
		return arena_span(e->arena, span_of(e->user));
	/* the first address counts: mail with a doubtful sender is better than none */
	address_words_parse(e->arena, span_of(e->asked->sender), 2, &parsed);
	if (parsed.mailboxes > 1 || parsed.count > parsed.mailboxes)
		log_warning("-f option specified malformed sender: %s", e->asked->sender);
	for (size_t i = 0; i < parsed.count; i++)
		if (parsed.at[i].kind == MAILBOX) {
			address_external(mailbox_address(e->arena, &parsed.at[i]), &external);
			break;
		}
	return arena_span(e->arena, text_span(&external));
}

/* $NAME, or the GECOS field up to a comma, with & for the login name. */
static void
full_name_of(const struct passwd *who, struct text *out)
{
	const char *name = getenv("NAME");

	if (name && name[0]) {
		text_add_string(out, name);
		return;
	}
	for (const char *c = who ? who->pw_gecos : ""; *c && *c != ','; c++) {
		if (*c != '&') {
			text_add_byte(out, *c);
			continue;
		}
		text_add_string(out, who->pw_name);
		if (who->pw_name[0])
			out->at[out->len - strlen(who->pw_name)] = ascii_upper(who->pw_name[0]);
	}
}

static void
put_attribute(struct enqueue *e, const char *name, const char *value)
{
	autofree char *both = mem_format("%s=%s", name, value);

	if (value[0])
		put(e, 'A', span_of(both));
}

static void
put_envelope(struct enqueue *e, const struct passwd *who, const struct text *rcpts)
{
	const struct sendmail *s = e->asked;
	autotext struct text   name = {0};
	char                   notify[12];

	put(e, 'V', SPAN("1"));
	put(e, 'S', sender_of(e));
	if (s->full_name)
		text_add_string(&name, s->full_name);
	else
		full_name_of(who, &name);
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.at[i] < ' ' || name.at[i] == 127)
			name.at[i] = ' ';
	if (name.len && name.len <= MAILDROP_VALUE_MAX)
		put(e, 'F', text_span(&name));
	snprintf(notify, sizeof notify, "%d", s->notify);
	put_attribute(e, "notify", s->notify ? notify : "");
	put_attribute(e, "ret", s->ret ? s->ret : "");
	put_attribute(e, "envid", s->envid ? s->envid : "");
	put_attribute(e, "body", s->body ? s->body : "");
	put_attribute(e, "verp", s->verp ? s->verp : "");
	put_attribute(e, "smtputf8", s->smtputf8 ? "yes" : "");
	put_attribute(e, "verify", s->verify ? "yes" : "");
	put_attribute(e, "trace", s->trace && !s->verify ? "yes" : "");
	text_add(&e->out, text_span(rcpts));
}

/* ---- content ---- */

static void
check_size(struct enqueue *e, size_t more)
{
	e->content += (int64_t)more;
	if (site.message_size_limit > 0 && e->content > site.message_size_limit)
		command_fatal(SENDMAIL_FAILED, "%s(%ld): message file too big", e->user,
		              (long)getuid());
}

/* The end: a lone dot, unless -i. */
static bool
take_line(struct enqueue *e, struct text *into)
{
	struct span line;

	if (!next_line(&e->in, &line) || (!e->asked->ignore_dots && span_is(line, ".")))
		return false;
	check_size(e, line.len + 1);
	text_add(into, line);
	text_add_byte(into, '\n');
	return true;
}

/* To the empty line, or the first line that is no header; "From " lines in front are mbox's. */
static bool
read_header(struct enqueue *e, struct text *header)
{
	while (header->len < HEADER_MAX) {
		size_t      before = header->len;
		struct span line;

		if (!take_line(e, header))
			return false;
		line = span_from(text_span(header), before);
		if (before == 0 && (span_starts(line, "From ") || span_starts(line, ">From "))) {
			text_clear(header);
			continue;
		}
		if (line.len == 1 || (!header_line_is_field(span_first(line, line.len - 1)) &&
		                      (before == 0 || (line.at[0] != ' ' && line.at[0] != '\t'))))
			return true;
	}
	return true;
}

static bool
put_content(struct enqueue *e, struct span s)
{
	for (; s.len; s = span_from(s, PORTION))
		if (!put(e, 'D', span_first(s, PORTION)))
			return false;
	return true;
}

int
sendmail_enqueue(const struct sendmail *asked, int in, int out)
{
	struct enqueue       e = {.asked = asked, .arena = arena_new(), .in = {.fd = in, .fix = asked->fix_line_endings}, .fd = out};
	autotext struct text header = {0}, rcpts = {0}, portion = {0};
	struct passwd       *who = getpwuid(getuid());
	bool                 more;

	if (!who && !asked->sender)
		command_fatal(SENDMAIL_FAILED, "no login name found for user ID %ld", (long)getuid());
	snprintf(e.user, sizeof e.user, "%s", who ? who->pw_name : "unknown");
	for (int i = 0; i < asked->n_recipients; i++)
		add_argument(&e, span_of(asked->recipients[i]), &rcpts);
	if (!asked->extract && e.rcpts == 0)
		command_fatal(SENDMAIL_FAILED, "%s(%ld): Recipient addresses must be specified on the command line "
		                        "or via the -t option", e.user, (long)getuid());
	more = read_header(&e, &header);
	if (asked->extract) {
		extract_rcpts(&e, text_span(&header), &rcpts);
		if (e.rcpts == 0)
			command_fatal(SENDMAIL_FAILED, "%s(%ld): No recipient addresses found in message header",
			              e.user, (long)getuid());
	}
	put_envelope(&e, who, &rcpts);
	if (put_content(&e, text_span(&header)))
		while (more) {
			while ((more = take_line(&e, &portion)) && portion.len < PORTION)
				;
			if (!put_content(&e, text_span(&portion)))
				break;
			text_clear(&portion);
		}
	maildrop_put(&e.out, 'E', SPAN_NONE);
	flush(&e);
	text_free(&e.out);
	text_free(&e.in.raw);
	arena_free(e.arena);
	return EX_OK;
}
