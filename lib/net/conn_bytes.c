/* SPDX-License-Identifier: ISC */
/*
 * conn_bytes.c - bytes from and to the descriptor, plain or TLS
 *
 * These calls alone wait, and alone know of what kind the stream is; but for a file that goes
 * to a plain one (conn_send_file).
 */
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/conn_internal.h"
#include "net/tls_internal.h"

int
conn_wait(struct conn *c, int fd, short events, struct fault *why)
{
	int64_t until = c->deadline;

	if (c->patience > 0 && clock_after(c->patience) < until)
		until = clock_after(c->patience);
	return task_wait_fd(fd, events, until, why);
}

int
conn_gone(struct conn *c, struct fault *why)
{
	c->dead = true;
	return fault_set(why, FAULT_PEER, "connection lost");
}

/* One step of an SSL call that returned n <= 0: 0 try again, -1. */
int
conn_tls_step(struct conn *c, int n, struct fault *why)
{
	int error = errno;

	switch (SSL_get_error(c->ssl, n)) {
	case SSL_ERROR_WANT_READ:
		return conn_wait(c, c->in_fd, POLLIN, why);
	case SSL_ERROR_WANT_WRITE:
		return conn_wait(c, c->out_fd, POLLOUT, why);
	case SSL_ERROR_ZERO_RETURN:
		return conn_gone(c, why);
	case SSL_ERROR_SYSCALL:
		if (error == 0 || error == ECONNRESET || error == EPIPE)
			return conn_gone(c, why);
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
			return conn_gone(c, why);
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return fault_errno(why, "read");
		if (conn_wait(c, c->in_fd, POLLIN, why) < 0)
			return -1;
	}
}

ssize_t
conn_read_bytes(struct conn *c, char *to, size_t len, struct fault *why)
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
		if (conn_tls_step(c, ok, why) < 0)
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
			return conn_gone(c, why);
		if (errno != EAGAIN)
			return fault_errno(why, "write");
		if (conn_wait(c, c->out_fd, POLLOUT, why) < 0)
			return -1;
	}
}

int
conn_write_raw(struct conn *c, struct span s, struct fault *why)
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
				if (conn_tls_step(c, ok, why) < 0)
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
