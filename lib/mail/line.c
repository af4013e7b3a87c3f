/* SPDX-License-Identifier: ISC */
/*
 * line.c - line ends (RFC 5321, 2.3.8, 4.1.1.4, 4.5.2)
 *
 * Why so careful: a server that ends DATA at LF.LF, behind one that does not, lets a
 * sender smuggle a second message in (CVE-2023-51764 and its kin).
 */
#include "mail/line.h"

#define FROM_LINE "From "

enum { AFTER_CRLF, AFTER_LF, IN_LINE };
enum { HELD_MAX = 1000 };       /* CRs that may yet belong to a line end */

void
line_decoder_start(struct line_decoder *d, enum bare_newline mode)
{
	*d = (struct line_decoder){.mode = mode, .state = AFTER_CRLF};
}

/* Length of the front without CR and LF. */
static size_t
plain_run(struct span in, bool *eight_bit)
{
	size_t        i = 0;
	unsigned char all = 0;

	for (; i < in.len && in.at[i] != '\r' && in.at[i] != '\n'; i++)
		all |= (unsigned char)in.at[i];
	if (all > 127)
		*eight_bit = true;
	return i;
}

/* Held CRs turned out not to belong to a line end. */
static void
decoder_stray_cr(struct line_decoder *d, struct text *out)
{
	d->bare_cr += d->pending_cr;
	d->column += d->pending_cr;
	for (; d->pending_cr; d->pending_cr--)
		text_add_byte(out, d->keep_cr ? '\r' : ' ');
	d->state = IN_LINE;
}

/* LF was read. True: that was the end of the data. */
static bool
decoder_line_end(struct line_decoder *d, struct text *out)
{
	if (d->dot && d->state == AFTER_CRLF && d->column == 0 && d->pending_cr == 1)
		return true;
	if (d->pending_cr == 0) {
		d->bare_lf++;
		if (d->mode == BARE_NEWLINE_REJECT)
			d->refuse = true;
	} else {
		d->bare_cr += d->pending_cr - 1;
	}
	text_add(out, SPAN("\r\n"));
	d->lines++;
	if (d->column > d->longest)
		d->longest = d->column;
	d->state = d->pending_cr ? AFTER_CRLF : AFTER_LF;
	d->pending_cr = d->column = 0;
	d->dot = false;
	return false;
}

size_t
line_decode(struct line_decoder *d, struct span in, struct text *out)
{
	size_t at = 0, before = out->len;

	while (at < in.len && !d->over) {
		char   c = in.at[at];
		size_t run;

		if (c == '\r') {
			if (d->pending_cr == HELD_MAX) /* no line end: memory must not grow with them */
				decoder_stray_cr(d, out);
			d->pending_cr++;
			at++;
			continue;
		}
		if (c == '\n') {
			d->over = decoder_line_end(d, out);
			at++;
			continue;
		}
		if (d->pending_cr)
			decoder_stray_cr(d, out);
		if (c == '.' && d->state != IN_LINE && !d->dot) {    /* RFC 5321, 4.5.2 */
			d->dot = true;
			at++;
			continue;
		}
		run = plain_run(span_from(in, at), &d->eight_bit);
		text_add(out, span_cut(in, at, at + run));
		d->column += run;
		d->state = IN_LINE;
		at += run;
	}
	d->bytes += out->len - before;
	return at;
}

void
line_encoder_start(struct line_encoder *e, bool dots, size_t limit)
{
	*e = (struct line_encoder){.dots = dots, .limit = limit};
}

static void
encode_run(struct line_encoder *e, struct span run, struct text *out)
{
	if (e->column == 0 && run.len && run.at[0] == '.' && e->dots)
		text_add_byte(out, '.');
	while (run.len) {
		size_t room = e->limit ? e->limit - e->column : run.len,
		       part = run.len < room ? run.len : room;

		text_add(out, span_first(run, part));
		e->column += part;
		run = span_from(run, part);
		/* Postfix breaks so: the rest looks like a folded header, or indented */
		if (run.len) {
			text_add(out, SPAN("\r\n "));
			e->lines++;
			e->column = 1;
			e->broke = true;
		}
	}
}

static void
encoder_stray_cr(struct line_encoder *e, struct text *out)
{
	e->cr = false;
	encode_run(e, e->keep_cr ? SPAN("\r") : SPAN(" "), out);
}

static void
encoder_line_end(struct line_encoder *e, struct text *out)
{
	text_add(out, SPAN("\r\n"));
	e->lines++;
	e->column = 0;
	e->cr = false;
}

/* Whole lines before the first CR, of which most content is: how many bytes of `in`. */
static size_t
encode_lines(struct line_encoder *e, struct span in, struct text *out)
{
	const char *cr = memchr(in.at, '\r', in.len), *at = in.at, *stop = cr ? cr : in.at + in.len, *end;
	char       *start, *to;

	if (!memchr(at, '\n', (size_t)(stop - at)))
		return 0;
	start = to = text_room(out, 2 * (size_t)(stop - at)); /* at worst lines of one dot, or none */
	while (at < stop && (end = memchr(at, '\n', (size_t)(stop - at)))) {
		if (e->column == 0 && *at == '.' && e->dots)
			*to++ = '.';
		memcpy(to, at, (size_t)(end - at));
		to += end - at;
		*to++ = '\r';
		*to++ = '\n';
		e->lines++;
		e->column = 0;
		at = end + 1;
	}
	out->len += (size_t)(to - start);
	out->at[out->len] = '\0';
	return (size_t)(at - in.at);
}

/* A line end, a CR, or what is before the next of them. */
static size_t
encode_step(struct line_encoder *e, struct span in, struct text *out)
{
	bool   ignored = false;
	size_t used = 1;

	if (in.at[0] == '\n') {
		encoder_line_end(e, out);
		return used;
	}
	if (e->cr)
		encoder_stray_cr(e, out);
	if (in.at[0] == '\r') {
		e->cr = true;
	} else {
		used = plain_run(in, &ignored);
		encode_run(e, span_first(in, used), out);
	}
	return used;
}

void
line_encode(struct line_encoder *e, struct span in, struct text *out)
{
	size_t before = out->len;

	if (e->limit == 1)
		e->limit = 2;          /* the blank takes one */
	while (in.len) {
		size_t used = e->limit || e->cr ? 0 : encode_lines(e, in, out);

		in = span_from(in, used ? used : encode_step(e, in, out));
	}
	e->bytes += out->len - before;
}

void
line_encode_end(struct line_encoder *e, struct text *out)
{
	size_t before = out->len;

	if (e->cr)
		encoder_stray_cr(e, out);
	if (e->column && (e->dots || e->limit))
		encoder_line_end(e, out);
	if (e->dots)
		text_add(out, SPAN(".\r\n"));
	e->bytes += out->len - before;
}

void
line_unix_start(struct line_unix *u, bool escape_from)
{
	*u = (struct line_unix){.escape_from = escape_from};
}

/* Bytes of "From " that were held back turned out to be something else. */
static void
unix_release(struct line_unix *u, struct text *out)
{
	text_add(out, span_first(SPAN(FROM_LINE), u->matched));
	u->column += u->matched;
	u->matched = 0;
}

static void
unix_byte(struct line_unix *u, char c, struct text *out)
{
	if (u->escape_from && u->column == 0 && c == FROM_LINE[u->matched]) {
		if (++u->matched < sizeof FROM_LINE - 1)
			return;
		text_add_byte(out, '>');
		unix_release(u, out);
		return;
	}
	if (u->matched)
		unix_release(u, out);
	text_add_byte(out, c);
	u->column++;
}

void
line_unix_feed(struct line_unix *u, struct span in, struct text *out)
{
	size_t before = out->len;
	bool   ignored = false;

	while (in.len) {
		char   c = in.at[0];
		size_t used = 1;

		if (c == '\n') {
			unix_release(u, out);
			text_add_byte(out, '\n');
			u->column = 0;
			u->cr = false;
		} else {
			if (u->cr)             /* it was no part of a line end: it stays */
				unix_byte(u, '\r', out);
			u->cr = c == '\r';
			if (!u->cr && u->column > 0) {
				used = plain_run(in, &ignored);
				text_add(out, span_first(in, used));
				u->column += used;
			} else if (!u->cr) {
				unix_byte(u, c, out);
			}
		}
		in = span_from(in, used);
	}
	u->bytes += out->len - before;
}

void
line_unix_end(struct line_unix *u, bool final_newline, struct text *out)
{
	size_t before = out->len;

	unix_release(u, out);
	if (u->cr)
		unix_byte(u, '\r', out);
	u->cr = false;
	if (final_newline && u->column) {
		text_add_byte(out, '\n');
		u->column = 0;
	}
	u->bytes += out->len - before;
}

uint64_t
line_crlf_size(struct span s)
{
	uint64_t size = s.len;

	for (const char *at = s.at, *end = s.at + s.len; at < end; at++) {
		at = memchr(at, '\n', (size_t)(end - at));
		if (!at)
			break;
		if (at == s.at || at[-1] != '\r')
			size++;
	}
	return size;
}

void
line_add_crlf(struct span s, struct text *out)
{
	for (ptrdiff_t end; (end = span_find(s, '\n')) >= 0; s = span_from(s, (size_t)end + 1)) {
		text_add(out, span_first(s, (size_t)end));
		text_add(out, end > 0 && s.at[end - 1] == '\r' ? SPAN("\n") : SPAN("\r\n"));
	}
	text_add(out, s);
}

bool
line_next(struct span *rest, struct span *line)
{
	if (rest->len == 0)
		return false;
	if (span_split(rest, '\n', line) && line->len && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}
