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
};

static ssize_t
decode(struct conn_filter *f, struct span *in, char *to, size_t room)
{
	z_stream *z = &((struct deflating *)f)->in;
	int       code;

	z->next_in = (Bytef *)in->at;
	z->avail_in = (uInt)in->len;
	z->next_out = (Bytef *)to;
	z->avail_out = (uInt)room;
	code = inflate(z, Z_SYNC_FLUSH);
	*in = span_at((const char *)z->next_in, z->avail_in);
	if (code == Z_STREAM_END && in->len)
		return -1; /* whoever ends the stream has nothing more to say */
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

	d->filter = (struct conn_filter){decode, encode, release};
	if (inflateInit2(&d->in, WINDOW) == Z_OK) {
		if (deflateInit2(&d->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW, MEMORY, Z_DEFAULT_STRATEGY) == Z_OK)
			return &d->filter;
		inflateEnd(&d->in);
	}
	free(d);
	return NULL;
}
