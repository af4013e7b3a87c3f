/* SPDX-License-Identifier: ISC */
/*
 * conn.c - buffers, deadlines, and the switch to TLS
 *
 * All bytes pass read_bytes and write_bytes, which alone know whether the
 * stream is plain or TLS.  The buffers are given back when they are empty and
 * the conn is about to wait, so that an idle session costs little.
 */
#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "net/send_file.h"
#include "net/tls.h"
#include "net/tls_internal.h"

enum { CONN_MAGIC = 0x434f4e4e, IN_SIZE = 16384, OUT_SIZE = 16384, EXACT_MAX = 65536 };

struct conn {
	unsigned    magic;
	int         in_fd, out_fd;
	SSL        *ssl;
	int64_t     deadline, patience;
	struct text in, out;
	size_t      in_start;            /* what was read of `in` */
	struct conn_filter *filter;      /* owned; NULL: none */
	struct text raw;                 /* with a filter: received, not yet decoded */
	bool        more;                /* the filter may give more without more input */
	bool        decoded;             /* the filter is for what we write alone */
	bool        dead;
	uint64_t    bytes_in, bytes_out;
};

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
	if (c->in.at)
		mem_wipe(c->in.at, c->in.room);
	if (c->filter)
		c->filter->release(c->filter);
	text_free(&c->raw);
	text_free(&c->in);
	text_free(&c->out);
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

static int
wait_for(struct conn *c, int fd, short events, struct fault *why)
{
	int64_t until = c->deadline;

	if (c->patience > 0 && clock_after(c->patience) < until)
		until = clock_after(c->patience);
	return task_wait_fd(fd, events, until, why);
}

static int
gone(struct conn *c, struct fault *why)
{
	c->dead = true;
	return fault_set(why, FAULT_PEER, "connection lost");
}

/* One step of an SSL call that returned n <= 0: 0 try again, -1. */
static int
tls_step(struct conn *c, int n, struct fault *why)
{
	int error = errno;

	switch (SSL_get_error(c->ssl, n)) {
	case SSL_ERROR_WANT_READ:
		return wait_for(c, c->in_fd, POLLIN, why);
	case SSL_ERROR_WANT_WRITE:
		return wait_for(c, c->out_fd, POLLOUT, why);
	case SSL_ERROR_ZERO_RETURN:
		return gone(c, why);
	case SSL_ERROR_SYSCALL:
		if (error == 0 || error == ECONNRESET || error == EPIPE)
			return gone(c, why);
		c->dead = true;
		errno = error;
		return fault_errno(why, "TLS");
	default:
		c->dead = true;
		return tls_fault(why, FAULT_PEER, "TLS library problem");
	}
}

static ssize_t
read_plain(struct conn *c, char *to, size_t len, struct fault *why)
{
	for (;;) {
		ssize_t n = read(c->in_fd, to, len);

		if (n > 0)
			return n;
		if (n == 0 || errno == ECONNRESET)
			return gone(c, why);
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return fault_errno(why, "read");
		if (wait_for(c, c->in_fd, POLLIN, why) < 0)
			return -1;
	}
}

static ssize_t
read_bytes(struct conn *c, char *to, size_t len, struct fault *why)
{
	if (c->dead)
		return fault_set(why, FAULT_PEER, "connection lost");
	if (!c->ssl)
		return read_plain(c, to, len, why);
	for (;;) {
		size_t n = 0;
		int    ok;

		ERR_clear_error();
		errno = 0;
		ok = SSL_read_ex(c->ssl, to, len, &n);
		if (ok > 0)
			return (ssize_t)n;
		if (tls_step(c, ok, why) < 0)
			return -1;
	}
}

static ssize_t
write_plain(struct conn *c, struct span s, struct fault *why)
{
	for (;;) {
		ssize_t n = send(c->out_fd, s.at, s.len, MSG_NOSIGNAL);

		if (n < 0 && errno == ENOTSOCK)
			n = write(c->out_fd, s.at, s.len);
		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			return gone(c, why);
		if (errno != EAGAIN)
			return fault_errno(why, "write");
		if (wait_for(c, c->out_fd, POLLOUT, why) < 0)
			return -1;
	}
}

static int
write_raw(struct conn *c, struct span s, struct fault *why)
{
	if (c->dead)
		return fault_set(why, FAULT_PEER, "connection lost");
	while (s.len) {
		size_t  n = 0;
		ssize_t sent;

		if (c->ssl) {
			int ok;

			ERR_clear_error();
			errno = 0;
			ok = SSL_write_ex(c->ssl, s.at, s.len, &n);
			if (ok <= 0) {
				if (tls_step(c, ok, why) < 0)
					return -1;
				continue;
			}
		} else {
			if ((sent = write_plain(c, s, why)) < 0)
				return -1;
			n = (size_t)sent;
		}
		s = span_from(s, n);
	}
	return 0;
}

static int
write_bytes(struct conn *c, struct span s, struct fault *why)
{
	autotext struct text coded = {0};

	if (!c->filter)
		return write_raw(c, s, why);
	if (c->filter->encode(c->filter, s, &coded) < 0)
		return fault_set(why, FAULT_SYSTEM, "the coding of a stream failed");
	return write_raw(c, text_span(&coded), why);
}

static ssize_t
read_decoded(struct conn *c, char *to, size_t len, struct fault *why)
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
		n = read_bytes(c, text_room(&c->raw, IN_SIZE), IN_SIZE, why);
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
		n = read_bytes(c, text_room(&c->raw, IN_SIZE), IN_SIZE, why);
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

int
conn_flush(struct conn *c, struct fault *why)
{
	if (c->out.len == 0)
		return 0;
	if (write_bytes(c, text_span(&c->out), why) < 0)
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
		return write_bytes(c, s, why);
	text_add(&c->out, s);
	return 0;
}

int
conn_print(struct conn *c, struct fault *why, const char *format, ...)
{
	autotext struct text t = {0};
	va_list              args;

	va_start(args, format);
	text_add_args(&t, format, args);
	va_end(args);
	return conn_write(c, text_span(&t), why);
}

static int
send_by_copy(struct conn *c, int fd, off_t at, size_t count, struct fault *why)
{
	autofree char *buffer = mem_alloc(OUT_SIZE);

	while (count) {
		size_t part = count < OUT_SIZE ? count : OUT_SIZE;

		if (file_read_at(fd, buffer, part, at, why) < 0 || write_bytes(c, span_at(buffer, part), why) < 0)
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
			if (wait_for(c, c->out_fd, POLLOUT, why) < 0)
				return -1;
			continue;
		}
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return gone(c, why);
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
		text_free(&c->in);
		text_free(&c->out);
		if (!c->ssl && wait_for(c, c->in_fd, POLLIN, why) < 0)
			return -1;
	}
	n = (c->filter && !c->decoded ? read_decoded : read_bytes)(c, text_room(&c->in, IN_SIZE), IN_SIZE, why);
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

static int
begin_tls(struct conn *c, struct tls_context *t, const struct tls_wish *wish, struct fault *why)
{
	if (conn_flush(c, why) < 0)
		return -1;
	assert(!c->ssl && conn_pending(c) == 0); /* nothing survives the switch */
	text_free(&c->in);
	c->in_start = 0;
	c->ssl = tls_session(t, wish, why);
	if (!c->ssl)
		return -1;
	if (SSL_set_rfd(c->ssl, c->in_fd) != 1 || SSL_set_wfd(c->ssl, c->out_fd) != 1)
		return tls_fault(why, FAULT_SYSTEM, "TLS");
	return 0;
}

static int
shake_hands(struct conn *c, int (*step)(SSL *), struct fault *why)
{
	for (;;) {
		int ok;

		ERR_clear_error();
		errno = 0;
		ok = step(c->ssl);
		if (ok == 1)
			return 0;
		if (tls_step(c, ok, why) < 0) {
			c->dead = true;
			return -1;
		}
	}
}

int
conn_accept_tls(struct conn *c, struct tls_context *t, struct fault *why)
{
	return begin_tls(c, t, NULL, why) < 0 ? -1 : shake_hands(c, SSL_accept, why);
}

int
conn_start_tls(struct conn *c, struct tls_context *t, const struct tls_wish *wish, struct fault *why)
{
	return begin_tls(c, t, wish, why) < 0 ? -1 : shake_hands(c, SSL_connect, why);
}

void
conn_close_notify(struct conn *c)
{
	struct fault ignored = {0};

	if (conn_flush(c, &ignored) == 0 && c->ssl && !c->dead) {
		ERR_clear_error();
		SSL_shutdown(c->ssl); /* sends ours, does not wait for theirs */
	}
}

bool
conn_is_tls(const struct conn *c)
{
	return c->ssl != NULL;
}

void *
conn_ssl(const struct conn *c)
{
	return c->ssl;
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
