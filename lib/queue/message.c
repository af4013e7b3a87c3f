/* SPDX-License-Identifier: ISC */
/*
 * message.c - pieces of a message: as text, and their bytes in order
 */
#include "queue/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECES_MAX = 10000 };

void
message_content_free(struct message_content *m)
{
	free(m->pieces);
	m->pieces = NULL;
	m->n_pieces = 0;
	m->size = 0;
}

static bool
piece_parse(struct span word, struct piece *p)
{
	struct span at;
	uint64_t    a, l;

	if (!span_split(&word, '+', &at) || !span_number(at, &a) || !span_number(word, &l))
		return false;
	if (a > INT64_MAX / 2 || l > INT64_MAX / 2)
		return false;
	*p = (struct piece){(int64_t)a, (int64_t)l};
	return true;
}

int
message_pieces_parse(struct span in, struct message_content *m, struct fault *why)
{
	autofree struct piece *pieces = NULL;
	size_t                 count = 0, room = 0;
	int64_t                size = 0;
	struct span            word;

	for (bool more = in.len > 0; more;) {
		struct piece p;

		more = span_split(&in, ',', &word);
		if (!piece_parse(word, &p) || count == PIECES_MAX || p.len > INT64_MAX / 2 - size)
			return fault_set(why, FAULT_INPUT, "malformed list of pieces");
		if (count == room) {
			room = room ? room * 2 : 8;
			pieces = mem_grow(pieces, room, sizeof *pieces);
		}
		pieces[count++] = p;
		size += p.len;
	}
	if (!pieces)
		pieces = mem_array(1, sizeof *pieces); /* an empty message has pieces, too: none */
	m->pieces = take(pieces);
	m->n_pieces = count;
	m->size = size;
	return 0;
}

void
message_pieces_print(const struct message_content *m, struct text *out)
{
	for (size_t i = 0; i < m->n_pieces; i++)
		text_add_format(out, "%s%" PRId64 "+%" PRId64, i ? "," : "", m->pieces[i].at,
		                m->pieces[i].len);
}

int
message_read(const struct message_content *m, int64_t *position, size_t limit, struct text *into,
             struct fault *why)
{
	int64_t before = 0;

	text_clear(into);
	for (size_t i = 0; i < m->n_pieces; before += m->pieces[i++].len) {
		const struct piece *p = &m->pieces[i];
		int64_t             inside = *position - before, want;
		ssize_t             n;

		if (inside >= p->len)
			continue;
		want = p->len - inside < (int64_t)limit ? p->len - inside : (int64_t)limit;
		do {
			n = pread(m->fd, text_room(into, (size_t)want), (size_t)want,
			          p->at + inside);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			return fault_errno(why, "read message");
		if (n == 0)
			return fault_set(why, FAULT_INPUT, "message ends too early");
		into->len += (size_t)n;
		into->at[into->len] = '\0';
		*position += n;
		return 0;
	}
	return 0;
}

/* Where the empty line that ends the header begins to be over, or -1. */
static ptrdiff_t
header_end(struct span s)
{
	ptrdiff_t at;

	if (span_starts(s, "\r\n"))
		return 2;
	at = span_find_text(s, SPAN("\r\n\r\n"));
	return at < 0 ? -1 : at + 4;
}

int
message_header(const struct message_content *m, size_t limit, struct text *out, struct fault *why)
{
	autotext struct text got = {0}, part = {0};
	int64_t              position = 0;
	ptrdiff_t            end = -1;

	while (got.len < limit && end < 0) {
		if (message_read(m, &position, limit - got.len < 16384 ? limit - got.len : 16384,
		                 &part, why) < 0)
			return -1;
		if (part.len == 0)
			break;
		text_add(&got, text_span(&part));
		end = header_end(text_span(&got));
	}
	text_add(out, end < 0 ? text_span(&got) : span_first(text_span(&got), (size_t)end));
	return 0;
}
