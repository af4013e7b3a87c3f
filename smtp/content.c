/* SPDX-License-Identifier: ISC */
/*
 * content.c - a message as it goes to one server
 *
 * Read from its descriptor in parts and never held whole: through the rules and the conversion of
 * lib/mail/mime_stream.h where those are needed, then through line_encoder, then out by DATA, or by
 * BDAT where the server takes chunks (RFC 3030) - straight from the file when nothing must be changed.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "client.h"
#include "config/site.h"
#include "mail/line.h"
#include "mail/mime_stream.h"

enum { PART = 65536, CHUNK = 256 << 10, FILE_PART = 1 << 20 };

struct content {
	const struct message_content *message;
	struct mime_survey   survey;
	struct checker       checker;
	bool                 is_8bit, convert, rules, bdat;
	/* while it is sent */
	struct session      *s;
	struct mime_stream  *stream;      /* NULL: as it is */
	struct line_encoder  encoder;
	struct text          chunk;       /* BDAT: what waits to be a chunk */
	int64_t              deadline;    /* smtp_per_request_deadline: of the whole; 0: none */
};

static bool
show_line(void *context, bool first, struct span line, struct text *out)
{
	return check_line(context, first, line, out);
}

static void
show_field(void *context, enum mime_place place, struct span field, struct text *out)
{
	check_field(context, (int)place, field, out);
}

static struct mime_stream_settings
settings(struct content *c)
{
	struct mime_stream_settings set = {
		.header_limit = (size_t)site.header_size_limit, .nesting_limit = (size_t)client.mime_nesting_limit,
		.convert = c->convert ? &c->survey : NULL, .context = &c->checker,
	};

	if (c->rules) {
		set.field = show_field;
		set.line = client.body_checks.tables ? show_line : NULL;
	}
	return set;
}

static int
look_at(struct content *c, struct fault *why)
{
	struct mime_stream_settings set = settings(c);
	struct mime_stream         *walk = mime_stream_survey(&set, &c->survey);
	autotext struct text        part = {0};
	int64_t                     position = 0;
	int                         got;

	while ((got = message_read(c->message, &position, PART, &part, why)) == 0 && part.len)
		mime_stream_feed(walk, text_span(&part), NULL);
	mime_stream_end(walk, NULL);
	mime_stream_free(walk);
	return got;
}

int
content_open(const struct session *s, const struct delivery *d, const struct message_content *m, struct content **out,
             struct fault *why)
{
	struct content *c = mem_alloc(sizeof *c);
	bool            declared = d->wants_8bit || span_is_nocase(d->body, "8BITMIME");
	bool            takes_8bit = s->ehlo.has & SMTP_HAS_8BITMIME;

	c->message = m;
	c->checker = (struct checker){.d = d, .arena = arena_new()};
	c->bdat = s->ehlo.has & SMTP_HAS_CHUNKING;
	c->rules = checks_exist();
	if ((!takes_8bit || !declared || c->bdat) && look_at(c, why) < 0) {
		content_close(c);
		return -1;
	}
	c->convert = !takes_8bit && c->survey.eight_bit && !client.no_mime_conversion;
	c->is_8bit = !c->convert && (declared || c->survey.eight_bit);
	*out = c;
	return 0;
}

void
content_close(struct content *c)
{
	if (!c)
		return;
	mime_stream_free(c->stream);
	mime_survey_free(&c->survey);
	arena_free(c->checker.arena);
	text_free(&c->chunk);
	free(c);
}

bool
content_is_8bit(const struct content *c)
{
	return c->is_8bit;
}

bool
content_by_bdat(const struct content *c)
{
	return c->bdat;
}

/* ------------------------------------------------------------ sending */

/* Each part has smtp_data_xfer_timeout; or the whole has that, and the time that its size gives it. */
static void
set_deadline(struct content *c, size_t bytes)
{
	if (!client.per_request_deadline) {
		conn_deadline(c->s->conn, clock_after(client.data_xfer_timeout));
		return;
	}
	if (c->deadline == 0)
		c->deadline = clock_after(client.data_xfer_timeout);
	c->deadline += (int64_t)bytes * 1000 / client.min_data_rate;
	conn_deadline(c->s->conn, c->deadline);
}

static int
send_chunk(struct content *c, struct span bytes, bool last, bool *refused, struct fault *why)
{
	set_deadline(c, bytes.len);
	if (session_send(c->s, "BDAT %zu%s", bytes.len, last ? " LAST" : "") < 0 || conn_write(c->s->conn, bytes, why) < 0)
		return fault_text(why)[0] ? -1 : fault_set(why, FAULT_PEER, "connection lost");
	if (last)
		return conn_flush(c->s->conn, why);
	if (session_read(c->s, client.data_xfer_timeout, why) < 0)
		return -1;
	*refused = c->s->reply.code / 100 != 2;
	return 0;
}

/* Bytes in wire form: out, or to the chunk. */
static int
put(struct content *c, struct span wire, bool *refused, struct fault *why)
{
	if (!c->bdat) {
		set_deadline(c, wire.len);
		return conn_write(c->s->conn, wire, why);
	}
	text_add(&c->chunk, wire);
	if (c->chunk.len < CHUNK)
		return 0;
	if (send_chunk(c, span_first(text_span(&c->chunk), CHUNK), false, refused, why) < 0)
		return -1;
	text_drop(&c->chunk, CHUNK);
	return 0;
}

static void
encode(struct content *c, struct span part, struct text *mime, struct text *wire)
{
	text_clear(wire);
	if (c->stream) {
		text_clear(mime);
		mime_stream_feed(c->stream, part, mime);
		part = text_span(mime);
	}
	line_encode(&c->encoder, part, wire);
	arena_reset(c->checker.arena);
}

static int
send_encoded(struct content *c, bool *unreadable, bool *refused, struct fault *why)
{
	autotext struct text part = {0}, mime = {0}, wire = {0};
	int64_t              position = 0;

	for (;;) {
		if (message_read(c->message, &position, PART, &part, why) < 0) {
			*unreadable = true;
			return -1;
		}
		if (part.len == 0)
			break;
		encode(c, text_span(&part), &mime, &wire);
		if (c->checker.failed)
			break;
		if (put(c, text_span(&wire), refused, why) < 0 || *refused)
			return *refused ? 0 : -1;
	}
	text_clear(&wire);
	text_clear(&mime);
	if (c->stream) {
		mime_stream_end(c->stream, &mime);
		line_encode(&c->encoder, text_span(&mime), &wire);
	}
	if (c->checker.failed) {
		*unreadable = true;
		return fault_set(why, FAULT_SYSTEM, "a table of header or body checks failed");
	}
	line_encode_end(&c->encoder, &wire);
	if (put(c, text_span(&wire), refused, why) < 0 || *refused)
		return *refused ? 0 : -1;
	return c->bdat ? send_chunk(c, text_span(&c->chunk), true, refused, why) : conn_flush(c->s->conn, why);
}

/* Nothing is to be changed: the file as it is. */
static bool
goes_whole(const struct content *c)
{
	return c->bdat && !c->convert && !c->rules && !c->survey.bare && !c->survey.open_end &&
	       (client.line_length_limit == 0 || c->survey.longest <= (size_t)client.line_length_limit);
}

static int
send_whole(struct content *c, struct fault *why)
{
	session_send(c->s, "BDAT %lld LAST", (long long)c->message->size);
	for (size_t i = 0; i < c->message->n_pieces; i++) {
		struct piece p = c->message->pieces[i];

		while (p.len > 0) {
			int64_t some = p.len < FILE_PART ? p.len : FILE_PART;

			set_deadline(c, (size_t)some);
			if (conn_send_file(c->s->conn, c->message->fd, (off_t)p.at, (size_t)some, why) < 0)
				return -1;
			p.at += some;
			p.len -= some;
		}
	}
	return conn_flush(c->s->conn, why);
}

int
content_send(struct content *c, struct session *s, bool *unreadable, bool *refused, struct fault *why)
{
	struct mime_stream_settings set = settings(c);

	s->state = "sending message body";
	c->s = s;
	if (goes_whole(c))
		return send_whole(c, why);
	if (c->convert || c->rules)
		c->stream = mime_stream_start(&set);
	line_encoder_start(&c->encoder, !c->bdat, (size_t)client.line_length_limit);
	return send_encoded(c, unreadable, refused, why);
}
