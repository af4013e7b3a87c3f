/* SPDX-License-Identifier: ISC */
/*
 * conn_filter.c - a coding between our bytes and the wire's: its begin, its end, and what passes it
 */
#include <assert.h>

#include "net/conn_internal.h"

int
conn_write_bytes(struct conn *c, struct span s, struct fault *why)
{
	autotext struct text coded = {0};

	if (!c->filter)
		return conn_write_raw(c, s, why);
	if (c->filter->encode(c->filter, s, &coded) < 0)
		return fault_set(why, FAULT_SYSTEM, "the coding of a stream failed");
	return conn_write_raw(c, text_span(&coded), why);
}

ssize_t
conn_read_decoded(struct conn *c, char *to, size_t len, struct fault *why)
{
	for (;;) {
		struct span in = text_span(&c->raw);
		size_t      before = in.len;
		ssize_t     n = c->filter->decode(c->filter, &in, to, len);

		text_drop(&c->raw, before - in.len);
		if (n < 0)
			return fault_set(why, FAULT_PEER, "bytes that cannot be decoded");
		c->more = c->raw.len > 0 || (size_t)n == len;
		if (n > 0)
			return n;
		if (c->raw.len && c->raw.len < before) /* a mark, and nothing before it */
			continue;
		n = conn_read_bytes(c, text_room(&c->raw, CONN_IN_SIZE), CONN_IN_SIZE, why);
		if (n < 0)
			return -1;
		c->raw.len += (size_t)n;
	}
}

int
conn_set_filter(struct conn *c, struct conn_filter *filter, struct fault *why)
{
	if (conn_flush(c, why) < 0) {
		filter->release(filter);
		return -1;
	}
	assert(!c->filter);
	c->filter = filter;
	text_add(&c->raw, conn_peek(c));
	c->more = c->raw.len > 0;
	text_clear(&c->in);
	c->in_start = 0;
	return 0;
}

int
conn_end_decoding(struct conn *c, struct fault *why)
{
	assert(c->filter && !c->decoded);
	while (conn_peek(c).len == 0) {
		struct span in = text_span(&c->raw);
		char        byte;
		ssize_t     n = c->filter->at_mark(c->filter) ? 0 : c->filter->decode(c->filter, &in, &byte, 1);

		text_drop(&c->raw, c->raw.len - in.len);
		if (n != 0)
			break;
		if (c->filter->at_mark(c->filter)) {
			c->decoded = true;
			c->more = false;
			c->in_start = 0;
			text_set(&c->in, text_span(&c->raw));
			text_free(&c->raw);
			return 0;
		}
		n = conn_read_bytes(c, text_room(&c->raw, CONN_IN_SIZE), CONN_IN_SIZE, why);
		if (n < 0)
			return -1;
		c->raw.len += (size_t)n;
	}
	return fault_set(why, FAULT_INPUT, "coded bytes where the coding should have ended");
}

int
conn_end_filter(struct conn *c, struct fault *why)
{
	assert(c->filter && c->decoded);
	if (conn_flush(c, why) < 0)
		return -1;
	c->filter->release(c->filter);
	c->filter = NULL;
	c->decoded = false;
	return 0;
}

struct conn_filter *
conn_filter(const struct conn *c)
{
	return c->filter;
}
