/* SPDX-License-Identifier: ISC */
/*
 * conn.c - buffers and deadlines
 *
 * The buffers are given back when they are empty and the conn is about to wait, so that an
 * idle session costs little.
 */
#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "net/conn_internal.h"
#include "net/send_file.h"

enum { CONN_MAGIC = 0x434f4e4e, OUT_SIZE = 16384 };

struct conn *
conn_new_pair(int in, int out)
{
	struct conn *c = mem_alloc(sizeof *c);

	c->magic = CONN_MAGIC;
	c->in_fd = in;
	c->out_fd = out;
	c->deadline = CLOCK_NEVER;
	file_descriptor_flags(in, true, true);
	if (out != in)
		file_descriptor_flags(out, true, true);
	return c;
}

struct conn *
conn_new(int fd)
{
	return conn_new_pair(fd, fd);
}

/* A password may have been said or heard. */
static void
forget(struct text *bytes)
{
	if (bytes->at)
		mem_wipe(bytes->at, bytes->room);
	text_free(bytes);
}

void
conn_free(struct conn *c)
{
	if (!c)
		return;
	assert(c->magic == CONN_MAGIC);
	if (c->ssl)
		SSL_free(c->ssl);
	if (c->in_fd >= 0)
		close(c->in_fd);
	if (c->out_fd >= 0 && c->out_fd != c->in_fd)
		close(c->out_fd);
	if (c->filter)
		c->filter->release(c->filter);
	forget(&c->raw);
	forget(&c->in);
	forget(&c->out);
	c->magic = 0;
	free(c);
}

int
conn_fd(const struct conn *c)
{
	return c->in_fd;
}

void
conn_deadline(struct conn *c, int64_t deadline)
{
	c->deadline = deadline;
}

void
conn_patience(struct conn *c, int64_t ms)
{
	c->patience = ms;
}

int
conn_flush(struct conn *c, struct fault *why)
{
	if (c->out.len == 0)
		return 0;
	if (conn_write_bytes(c, text_span(&c->out), why) < 0)
		return -1;
	text_clear(&c->out);
	return 0;
}

int
conn_write(struct conn *c, struct span s, struct fault *why)
{
	assert(c->magic == CONN_MAGIC);
	c->bytes_out += s.len;
	if (c->out.len + s.len > OUT_SIZE && conn_flush(c, why) < 0)
		return -1;
	if (s.len > OUT_SIZE)
		return conn_write_bytes(c, s, why);
	text_add(&c->out, s);
	return 0;
}

int
conn_print(struct conn *c, struct fault *why, const char *format, ...)
{
	struct text t = {0};
	va_list     args;
	int         outcome;

	va_start(args, format);
	text_add_args(&t, format, args);
	va_end(args);
	outcome = conn_write(c, text_span(&t), why);
	forget(&t);
	return outcome;
}

static int
send_by_copy(struct conn *c, int fd, off_t at, size_t count, struct fault *why)
{
	autofree char *buffer = mem_alloc(OUT_SIZE);

	while (count) {
		size_t part = count < OUT_SIZE ? count : OUT_SIZE;

		if (file_read_at(fd, buffer, part, at, why) < 0 || conn_write_bytes(c, span_at(buffer, part), why) < 0)
			return -1;
		at += (off_t)part;
		count -= part;
	}
	return 0;
}

int
conn_send_file(struct conn *c, int fd, off_t at, size_t count, struct fault *why)
{
	c->bytes_out += count;
	if (conn_flush(c, why) < 0)
		return -1;
	if (c->ssl || c->dead || c->filter)
		return send_by_copy(c, fd, at, count, why);
	while (count) {
		ssize_t n = send_file(c->out_fd, fd, &at, count);

		if (n < 0 && errno == EAGAIN) {
			if (conn_wait(c, c->out_fd, POLLOUT, why) < 0)
				return -1;
			continue;
		}
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return conn_gone(c, why);
		if (n <= 0)
			return send_by_copy(c, fd, at, count, why);
		count -= (size_t)n;
	}
	return 0;
}

struct span
conn_peek(struct conn *c)
{
	return span_from(text_span(&c->in), c->in_start);
}

/* Reads more behind what is buffered: flushes first, forgets what was read. */
static int
fill(struct conn *c, struct fault *why)
{
	ssize_t n;

	if (conn_flush(c, why) < 0)
		return -1;
	text_drop(&c->in, c->in_start);
	c->in_start = 0;
	if (c->in.len == 0 && !c->more && (!c->ssl || !conn_input_waits(c))) { /* idle: hold no buffers */
		forget(&c->in);
		forget(&c->out);
		if (!c->ssl && conn_wait(c, c->in_fd, POLLIN, why) < 0)
			return -1;
	}
	n = (c->filter && !c->decoded ? conn_read_decoded : conn_read_bytes)(c, text_room(&c->in, CONN_IN_SIZE), CONN_IN_SIZE, why);
	if (n < 0)
		return -1;
	c->in.len += (size_t)n;
	c->in.at[c->in.len] = '\0';
	c->bytes_in += (uint64_t)n;
	return 0;
}

int
conn_line(struct conn *c, size_t limit, struct span *line, bool *ended_crlf, struct fault *why)
{
	size_t seen = 0;

	assert(c->magic == CONN_MAGIC);
	for (;;) {
		struct span have = conn_peek(c);
		ptrdiff_t   end = span_find(span_from(have, seen), '\n');
		bool        crlf;

		if (end < 0 && have.len > limit + 1)
			return fault_set(why, FAULT_INPUT, "line too long");
		if (end < 0) {
			seen = have.len;
			if (fill(c, why) < 0)
				return -1;
			continue;
		}
		end += (ptrdiff_t)seen;
		crlf = end > 0 && have.at[end - 1] == '\r';
		if ((size_t)end - crlf > limit)
			return fault_set(why, FAULT_INPUT, "line too long");
		c->in_start += (size_t)end + 1;
		*line = span_first(have, (size_t)end - crlf);
		if (ended_crlf)
			*ended_crlf = crlf;
		return 0;
	}
}

int
conn_some(struct conn *c, size_t limit, struct span *bytes, struct fault *why)
{
	assert(c->magic == CONN_MAGIC && limit > 0);
	if (conn_peek(c).len == 0 && fill(c, why) < 0)
		return -1;
	*bytes = span_first(conn_peek(c), limit);
	c->in_start += bytes->len;
	return 0;
}

void
conn_unread(struct conn *c, size_t count)
{
	assert(count <= c->in_start);
	c->in_start -= count;
}

size_t
conn_pending(const struct conn *c)
{
	return c->in.len - c->in_start + c->more + (c->ssl ? (size_t)SSL_pending(c->ssl) : 0);
}

bool
conn_input_waits(struct conn *c)
{
	struct pollfd p = {.fd = c->in_fd, .events = POLLIN};

	return conn_pending(c) > 0 || (c->ssl && SSL_has_pending(c->ssl)) || poll(&p, 1, 0) > 0;
}

bool
conn_bytes_wait(struct conn *c)
{
	char    byte;
	size_t  n = 0;
	ssize_t got;

	if (conn_pending(c) > 0)
		return true;
	if (c->ssl) {
		bool there = SSL_peek_ex(c->ssl, &byte, 1, &n) == 1;

		ERR_clear_error();
		return there;
	}
	got = recv(c->in_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return got > 0 || (got < 0 && errno == ENOTSOCK && conn_input_waits(c));
}

void *
conn_dismantle(struct conn *c, int *fd, struct text *unread)
{
	SSL *ssl = take(c->ssl);

	assert(c->magic == CONN_MAGIC && c->in_fd == c->out_fd && !c->filter && c->out.len == 0);
	text_set(unread, conn_peek(c));
	*fd = take_fd(c->in_fd);
	c->out_fd = -1;
	conn_free(c);
	return ssl;
}

struct conn *
conn_assemble(int fd, void *ssl, struct span unread)
{
	struct conn *c = conn_new(fd);

	c->ssl = ssl;
	text_add(&c->in, unread);
	return c;
}

uint64_t
conn_bytes_in(const struct conn *c)
{
	return c->bytes_in;
}

uint64_t
conn_bytes_out(const struct conn *c)
{
	return c->bytes_out;
}
