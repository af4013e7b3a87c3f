/* SPDX-License-Identifier: ISC */
/*
 * content.c - the bytes of one message while it is fetched or searched
 */
#include "content.h"

#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "imap_config.h"
#include "mail/header.h"
#include "mail/line.h"

enum { HEADER_FIRST = 65536, SPARE_MOST = 2 * HEADER_FIRST, MAP_FROM = 1 << 20, SEND_PIECE = 65536 };

void
content_start(struct content *c, struct imap_session *s, uint32_t uid, struct arena *arena)
{
	*c = (struct content){.session = s, .folder = s->folder, .uid = uid, .arena = arena, .fd = -1};
}

/* Can the index know it? */
static bool
is_indexed(struct content *c)
{
	const struct message *m = c->batch && !c->has_hash ? folder_find(c->folder, c->uid) : NULL;

	if (m) {
		c->hash = index_base_hash(message_base(c->folder, m));
		c->has_hash = true;
	}
	return c->has_hash;
}

static struct index_numbers *
content_known(struct content *c)
{
	if (!c->looked_row && is_indexed(c))
		index_row(c->batch, c->uid, c->hash, &c->known);
	c->looked_row = true;
	return &c->known;
}

static void
learn_sent(struct content *c, const struct header_facts *f)
{
	struct index_numbers *n = &c->record.numbers;

	if (f->sent_day != (int32_t)f->sent_day)
		return;
	n->sent_form = FACTS_FORM[0];
	n->has_sent = f->has_sent;
	n->sent = f->sent;
	n->sent_day = (int32_t)f->sent_day;
	c->learnt_row = true;
}

/* A row is written whole: what it has already stays. */
static void
complete_row(struct content *c)
{
	const struct index_numbers *known = content_known(c);
	struct index_numbers       *n = &c->record.numbers;

	if (!n->has_date) {
		n->has_date = known->has_date || c->opened;
		n->date = known->has_date ? known->date : c->opened ? c->st.st_mtime : 0;
	}
	if (!n->has_full_size && known->has_full_size) {
		n->has_full_size = true;
		n->full_size = known->full_size;
	}
	if (!n->sent_form) {
		n->sent_form = known->sent_form;
		n->has_sent = known->has_sent;
		n->sent = known->sent;
		n->sent_day = known->sent_day;
	}
}

/* Whoever writes something anyway puts into it what is at hand. */
static void
add_at_hand(struct content *c, struct text *fields, struct text *facts)
{
	struct index_record *r = &c->record;
	struct header_facts  f;
	struct span          header;

	if ((c->has_header || c->has_all) && content_record(c, INDEX_FIELDS)->fields.len == 0
		&& content_header(c, &header, NULL) == 0 && header_skim(header, fields)) {
		r->fields = text_span(fields);
		content_learn(c, INDEX_FIELDS);
	}
	if (r->fields.len && content_record(c, INDEX_FACTS)->facts.len == 0) {
		facts_make(r->fields, facts);
		if (facts->len <= FACTS_MOST && facts_decode(text_span(facts), &f)) {
			r->facts = text_span(facts);
			content_learn(c, INDEX_FACTS);
			learn_sent(c, &f);
		}
	}
}

static void
give_to_index(struct content *c)
{
	autotext struct text fields = {0}, facts = {0};

	if ((!c->learnt && !c->learnt_row) || !is_indexed(c))
		return;
	add_at_hand(c, &fields, &facts);
	complete_row(c);
	index_put(c->batch, c->uid, c->hash, c->learnt, &c->record);
}

void
content_end(struct content *c)
{
	give_to_index(c);
	if (c->fd >= 0)
		close(c->fd);
	if (c->map)
		munmap(c->map, c->map_len);
	if (c->bytes.room <= SPARE_MOST && !c->session->spare.room)
		c->session->spare = c->bytes; /* for the next message */
	else
		text_free(&c->bytes);
	arena_reset(c->arena);
	c->fd = -1;
	c->map = NULL;
}

static int
open_file(struct content *c, struct fault *why)
{
	if (c->opened)
		return 0;
	if (folder_message_file(c->folder, c->uid, &c->fd, &c->st, why) < 0)
		return -1;
	c->opened = true;
	return 0;
}

/* Most messages are read whole by that. */
int
content_begin(struct content *c, struct fault *why)
{
	if (c->begun)
		return 0;
	if (open_file(c, why) < 0)
		return -1;
	if (!c->bytes.room) { /* else it has that already, and could not be read */
		c->bytes = c->session->spare;
		c->session->spare = (struct text){0};
	}
	if (folder_message_begin(c->folder, &c->fd, &c->st, &c->bytes, HEADER_FIRST, why) < 0)
		return fault_prefix(why, "UID %u", c->uid);
	c->begun = true;
	return 0;
}

int
content_all(struct content *c, struct span *out, struct fault *why)
{
	if (content_begin(c, why) < 0)
		return -1;
	if (!c->has_all && c->st.st_size >= MAP_FROM) {
		void *map = mmap(NULL, (size_t)c->st.st_size, PROT_READ, MAP_PRIVATE, c->fd, 0);

		if (map == MAP_FAILED)
			return fault_errno(why, "map a message");
		c->map = map;
		c->map_len = (size_t)c->st.st_size;
		c->all = span_at(map, c->map_len);
		c->has_all = true;
	}
	if (!c->has_all) {
		size_t size = (size_t)c->st.st_size, more = size - c->bytes.len;

		if (more && file_read_at(c->fd, text_room(&c->bytes, more + 1), more, (off_t)c->bytes.len, why) < 0)
			return -1;
		c->bytes.len = size;
		c->all = text_span(&c->bytes);
		c->has_all = true;
		c->has_header = false; /* its bytes may have moved */
	}
	*out = c->all;
	return 0;
}

int
content_header(struct content *c, struct span *out, struct fault *why)
{
	struct span all;

	if (content_begin(c, why) < 0)
		return -1;
	if (!c->has_header && !c->has_all && c->st.st_size > HEADER_FIRST) {
		size_t offset = header_body_offset(text_span(&c->bytes), NULL);

		if (offset < c->bytes.len) {
			c->header = span_first(text_span(&c->bytes), offset);
			c->has_header = true;
		}
	}
	if (!c->has_header) {
		if (content_all(c, &all, why) < 0)
			return -1;
		c->header = span_first(all, header_body_offset(all, NULL));
		c->has_header = true;
	}
	*out = c->header;
	return 0;
}

int
content_mime(struct content *c, struct mime **out, struct fault *why)
{
	struct span all;

	if (!c->mime) {
		if (content_all(c, &all, why) < 0)
			return -1;
		c->mime = (c->global ? mime_parse_global : mime_parse)(c->arena, all);
	}
	*out = c->mime;
	return 0;
}

int
content_header_mime(struct content *c, struct mime **out, struct fault *why)
{
	struct span header;

	if (c->mime) {
		*out = c->mime;
		return 0;
	}
	if (!c->header_mime) {
		if (content_header(c, &header, why) < 0)
			return -1;
		/* the tree points into bytes that content_all may read anew: a copy */
		c->header_mime = mime_parse(c->arena, arena_span(c->arena, header));
	}
	*out = c->header_mime;
	return 0;
}

struct index_record *
content_record(struct content *c, enum index_part part)
{
	if (!(c->looked & 1u << part) && is_indexed(c))
		index_get(c->batch, c->uid, c->hash, part, &c->record);
	c->looked |= 1u << part;
	return &c->record;
}

void
content_learn(struct content *c, enum index_part part)
{
	c->learnt |= 1u << part;
}

int
content_date(struct content *c, int64_t *seconds, struct fault *why)
{
	struct index_numbers *n = &c->record.numbers;

	if (content_known(c)->has_date) {
		*seconds = c->known.date;
		return 0;
	}
	if (!n->has_date) {
		if (open_file(c, why) < 0)
			return -1;
		n->date = c->st.st_mtime;
		n->has_date = c->learnt_row = true;
	}
	*seconds = n->date;
	return 0;
}

static bool
is_named_size(const struct content *c, uint64_t *bytes)
{
	const struct message *m = folder_find(c->folder, c->uid);
	struct file_name      name;

	if (!m)
		return false;
	file_name_parse(span_of(message_name(c->folder, m)), &name);
	*bytes = name.full_size;
	return name.has_full_size;
}

int
content_full_size(struct content *c, uint64_t *bytes, struct fault *why)
{
	struct index_numbers *n = &c->record.numbers;
	struct span           all;

	if (!n->has_full_size && content_known(c)->has_full_size) {
		n->full_size = c->known.full_size;
		n->has_full_size = true;
	}
	if (!n->has_full_size) {
		if (!is_named_size(c, &n->full_size)) {
			if (content_all(c, &all, why) < 0)
				return -1;
			n->full_size = line_crlf_size(all);
			c->learnt_row = true;
		}
		n->has_full_size = true;
	}
	*bytes = n->full_size;
	return 0;
}

int
content_fields(struct content *c, struct span *out, struct fault *why)
{
	struct index_record *r = content_record(c, INDEX_FIELDS);
	autotext struct text fields = {0};
	struct span          header;

	if (r->fields.len == 0 && !c->no_fields) {
		if (content_header(c, &header, why) < 0)
			return -1;
		if (header_skim(header, &fields)) {
			r->fields = arena_span(c->arena, text_span(&fields));
			content_learn(c, INDEX_FIELDS);
		}
		c->no_fields = r->fields.len == 0;
	}
	if (c->no_fields)
		return content_header(c, out, why);
	*out = r->fields;
	return 0;
}

int
content_facts(struct content *c, struct header_facts *out, struct fault *why)
{
	struct index_record *r = content_record(c, INDEX_FACTS);
	autotext struct text made = {0};
	struct span          header, bytes;

	c->facts_last = !(c->learnt & 1u << INDEX_FACTS) && facts_decode(r->facts, out);
	if (c->facts_last)
		return 0;
	if (content_fields(c, &header, why) < 0)
		return -1;
	facts_make(header, &made);
	bytes = arena_span(c->arena, text_span(&made));
	assert(facts_decode(bytes, out));
	r->facts = SPAN_NONE;
	if (bytes.len <= FACTS_MOST) {
		r->facts = bytes;
		content_learn(c, INDEX_FACTS);
	}
	return 0;
}

int
content_sent(struct content *c, struct content_date *out, struct fault *why)
{
	const struct index_numbers *n = content_known(c);
	struct header_facts         f;

	if (n->sent_form == FACTS_FORM[0]) {
		*out = (struct content_date){n->has_sent, n->sent, n->sent_day};
		return 0;
	}
	if (content_facts(c, &f, why) < 0)
		return -1;
	learn_sent(c, &f);
	*out = (struct content_date){f.has_sent, f.sent, f.sent_day};
	return 0;
}

int
content_size(struct imap_session *s, struct folder *f, uint32_t uid, bool full, struct arena *arena,
	uint64_t *size)
{
	const struct message *m = folder_find(f, uid);
	struct file_name      name;
	struct content        c;
	struct span           all;
	int                   result = 0;

	if (!m)
		return -1;
	file_name_parse(span_of(message_name(f, m)), &name);
	if (full ? name.has_full_size : name.has_size) {
		*size = full ? name.full_size : name.size;
		return 0;
	}
	content_start(&c, s, uid, arena);
	c.folder = f;
	if (full && (result = content_all(&c, &all, NULL)) == 0)
		*size = line_crlf_size(all);
	else if (!full && (result = content_begin(&c, NULL)) == 0)
		*size = (uint64_t)c.st.st_size;
	content_end(&c);
	return result;
}

void
content_send_binary(struct imap_session *session, struct span in, uint64_t start, uint64_t count)
{
	in = span_from(in, start < in.len ? (size_t)start : in.len);
	in = span_first(in, count < in.len ? (size_t)count : in.len);
	text_add_format(&session->out, "%s{%zu}\r\n", span_has(in, '\0') ? "~" : "", in.len);
	imap_flush_out(session);
	while (in.len && !session->over) {
		struct span piece = span_first(in, SEND_PIECE);

		conn_deadline(session->conn, clock_after(imap_config.timeout));
		imap_send(session, piece);
		in = span_from(in, piece.len);
	}
}

struct sender {
	struct imap_session *session;
	uint64_t             skip, left;
	struct text          piece;
};

static void
give(struct sender *s, struct span bytes)
{
	if (s->skip >= bytes.len) {
		s->skip -= bytes.len;
		return;
	}
	bytes = span_from(bytes, (size_t)s->skip);
	s->skip = 0;
	if (bytes.len > s->left)
		bytes.len = (size_t)s->left;
	s->left -= bytes.len;
	text_add(&s->piece, bytes);
	if (s->piece.len >= SEND_PIECE) {
		conn_deadline(s->session->conn, clock_after(imap_config.timeout));
		imap_send(s->session, text_span(&s->piece));
		text_clear(&s->piece);
	}
}

static void
give_line(struct sender *s, struct span line)
{
	while (line.len) {
		ptrdiff_t   nul = span_find(line, '\0');
		struct span run = nul < 0 ? line : span_first(line, (size_t)nul);

		while (run.len) {
			give(s, span_first(run, SEND_PIECE));
			run = span_from(run, SEND_PIECE);
		}
		if (nul < 0)
			return;
		give(s, SPAN("\x80"));
		line = span_from(line, (size_t)nul + 1);
	}
}

/* From a line's begin on; the slice, if any, ends up at the last one that was passed. */
static void
send_lines(struct sender *s, struct span all, size_t from, struct slice *slice)
{
	struct span in = span_from(all, from);
	uint64_t    told = slice && slice->known ? slice->told : 0;
	char        before = from ? '\n' : '\0';

	while (in.len && s->left && !s->session->over) {
		ptrdiff_t end = span_find(in, '\n');
		size_t    len = end < 0 ? in.len : (size_t)end;

		give_line(s, span_first(in, len));
		if (len)
			before = in.at[len - 1];
		told += len;
		if (end >= 0) {
			give(s, before == '\r' ? SPAN("\n") : SPAN("\r\n"));
			told += before == '\r' ? 1 : 2;
			before = '\n';
			len++;
		}
		in = span_from(in, len);
		if (slice && slice->known && end >= 0 && s->left) {
			slice->offset = all.len - in.len;
			slice->told = told;
		}
	}
}

/* Its length is that of what was made of it: a file that is mapped may be written to meanwhile.  False: it has a NUL. */
static bool
send_short(struct imap_session *session, struct span in)
{
	autotext struct text told = {0};

	line_add_crlf(in, &told);
	if (span_has(text_span(&told), '\0'))
		return false;
	text_add_format(&session->out, "{%zu}\r\n", told.len);
	text_add(&session->out, text_span(&told));
	if (session->out.len > SEND_PIECE)
		imap_flush_out(session);
	return true;
}

void
content_send(struct imap_session *session, struct span in, uint64_t start, uint64_t count, struct slice *slice)
{
	bool          goes_on = slice && slice->known;
	uint64_t      total;
	struct sender s = {.session = session};

	if (!slice && start == 0 && in.len < SEND_PIECE && in.len <= count / 2 && send_short(session, in)) /* most are short and whole */
		return;
	total = goes_on ? slice->total : line_crlf_size(in);
	if (goes_on && start < slice->told)
		slice->told = slice->offset = 0;
	s.skip = start < total ? start : total;
	s.left = count < total - s.skip ? count : total - s.skip;
	text_add_format(&session->out, "{%llu}\r\n", (unsigned long long)s.left);
	imap_flush_out(session);
	if (goes_on)
		s.skip -= s.skip < slice->told ? s.skip : slice->told;
	send_lines(&s, in, goes_on ? slice->offset : 0, slice);
	imap_send(session, text_span(&s.piece));
	text_free(&s.piece);
	if (s.left && !session->over) { /* its reader would take what comes next for the rest */
		log_warning("imap(%s): a message was changed while it was sent, and is %llu bytes short", session->user->name, (unsigned long long)s.left);
		session->over = true;
		session->end = "Message changed";
	}
}
