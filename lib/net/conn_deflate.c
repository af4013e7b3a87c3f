/* SPDX-License-Identifier: ISC */
/*
 * conn_deflate.c - a connection whose bytes are deflated (RFC 1951)
 */
#include "net/conn_deflate.h"

#include <stdlib.h>
#include <zlib.h>

enum { WINDOW = -15, MEMORY = 8, PIECE = 16384 };      /* negative: no zlib header */

struct deflating {
	struct conn_filter filter;
	z_stream           in, out;
	uint32_t           tail;           /* the last four bytes that were decoded */
	bool               ended;          /* the peer's stream has ended by itself */
};

enum { FLUSHED = 0x0000ffff };             /* how Z_SYNC_FLUSH ends: an empty stored block */

/* 128: between two blocks; no bit of a byte is waiting (zlib.h, inflate). */
static bool
between_blocks(const struct deflating *d)
{
	return (d->in.data_type & 0xff) == 128;
}

static bool
at_mark(const struct conn_filter *f)
{
	const struct deflating *d = (const struct deflating *)f;

	return d->in.total_in == 0 || d->ended || (between_blocks(d) && d->tail == FLUSHED);
}

static ssize_t
decode(struct conn_filter *f, struct span *in, char *to, size_t room)
{
	struct deflating *d = (struct deflating *)f;
	z_stream         *z = &d->in;
	int               code;

	z->next_in = (Bytef *)in->at;
	z->avail_in = (uInt)in->len;
	z->next_out = (Bytef *)to;
	z->avail_out = (uInt)room;
	if (d->ended && in->len)
		return -1; /* whoever ends the stream has nothing more to say */
	do { /* up to a mark: what follows may not be coded (conn_end_decoding) */
		const Bytef *from = z->next_in;

		code = inflate(z, Z_BLOCK);
		for (from = z->next_in - from > 4 ? z->next_in - 4 : from; from < z->next_in; from++)
			d->tail = d->tail << 8 | *from;
	} while (code == Z_OK && z->avail_in && z->avail_out && !at_mark(f));
	*in = span_at((const char *)z->next_in, z->avail_in);
	d->ended = code == Z_STREAM_END;
	return code == Z_OK || code == Z_BUF_ERROR || code == Z_STREAM_END ? (ssize_t)(room - z->avail_out) : -1;
}

static int
encode(struct conn_filter *f, struct span in, struct text *out)
{
	z_stream *z = &((struct deflating *)f)->out;

	z->next_in = (Bytef *)in.at;
	z->avail_in = (uInt)in.len;
	do {
		z->next_out = (Bytef *)text_room(out, PIECE);
		z->avail_out = PIECE;
		if (deflate(z, Z_SYNC_FLUSH) == Z_STREAM_ERROR)
			return -1;
		out->len += PIECE - z->avail_out;
	} while (z->avail_out == 0);
	return 0;
}

static void
release(struct conn_filter *f)
{
	struct deflating *d = (struct deflating *)f;

	inflateEnd(&d->in);
	deflateEnd(&d->out);
	free(d);
}

struct conn_filter *
conn_deflate_new(void)
{
	struct deflating *d = mem_alloc(sizeof *d);

	d->filter = (struct conn_filter){decode, encode, at_mark, release};
	if (inflateInit2(&d->in, WINDOW) == Z_OK) {
		if (deflateInit2(&d->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW, MEMORY, Z_DEFAULT_STRATEGY) == Z_OK)
			return &d->filter;
		inflateEnd(&d->in);
	}
	free(d);
	return NULL;
}

bool
conn_deflate_save(struct conn_filter *f, struct text *dictionary)
{
	const struct deflating *d = (const struct deflating *)f;
	z_stream               *z = &((struct deflating *)f)->in;
	uInt                    len = 0;

	if (z->total_in > 0 && !between_blocks(d)) /* before the first byte no bit waits either */
		return false;
	if (inflateGetDictionary(z, (Bytef *)text_room(dictionary, 32768), &len) != Z_OK)
		return false;
	dictionary->len += len;
	return true;
}

struct conn_filter *
conn_deflate_restore(struct span dictionary)
{
	struct conn_filter *f = conn_deflate_new();

	if (f && dictionary.len &&
	    inflateSetDictionary(&((struct deflating *)f)->in, (const Bytef *)dictionary.at, (uInt)dictionary.len) != Z_OK) {
		f->release(f);
		return NULL;
	}
	return f;
}

void
conn_deflate_stored(struct span s, struct text *out)
{
	unsigned len = (unsigned)s.len & 0xffff, not_len = ~len & 0xffff;
	char     head[5] = {0, (char)len, (char)(len >> 8), (char)not_len, (char)(not_len >> 8)};   /* RFC 1951, 3.2.4 */

	text_add(out, span_at(head, sizeof head));
	text_add(out, span_first(s, len));
}
