/* SPDX-License-Identifier: ISC */
/*
 * wire.c - a stream, plain or TLS, for a loop that never waits
 */
#include "net/wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/poller.h"
#include "net/conn.h"

struct wire {
	int  fd;
	bool dead, ended;              /* ended: the peer says nothing more, but may listen */
	bool read_wants_out, write_wants_in;
	SSL *ssl;
};

struct wire *
wire_new(struct conn *c, struct text *unread)
{
	struct wire *w = mem_alloc(sizeof *w);

	w->ssl = conn_dismantle(c, &w->fd, unread);
	if (w->ssl)
		SSL_clear_mode(w->ssl, SSL_MODE_AUTO_RETRY); /* back to the loop after each record */
	return w;
}

void
wire_free(struct wire *w)
{
	if (!w)
		return;
	ERR_clear_error();
	if (w->ssl && !w->dead)
		SSL_shutdown(w->ssl);
	ERR_clear_error();
	SSL_free(w->ssl);
	close(w->fd);
	free(w);
}

struct conn *
wire_unmake(struct wire *w, struct span unread)
{
	struct conn *c = conn_assemble(w->fd, w->ssl, unread);

	if (w->ssl)
		SSL_set_mode(w->ssl, SSL_MODE_AUTO_RETRY);
	free(w);
	return c;
}

int
wire_fd(const struct wire *w)
{
	return w->fd;
}

bool
wire_is_tls(const struct wire *w)
{
	return w->ssl != NULL;
}

static ssize_t
gone(struct wire *w)
{
	w->dead = true;
	return -1;
}

/* An SSL call moved nothing: 0 or -1, and what it waits for. */
static ssize_t
tls_outcome(struct wire *w, int code, bool *crosswise, int cross)
{
	int error = SSL_get_error(w->ssl, code);

	ERR_clear_error();
	*crosswise = error == cross;
	if (error == SSL_ERROR_ZERO_RETURN) {
		w->ended = true;
		return -1;
	}
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : gone(w);
}

static ssize_t
plain_outcome(struct wire *w)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : gone(w);
}

ssize_t
wire_read(struct wire *w, char *to, size_t room)
{
	size_t  n = 0;
	ssize_t got;
	int     code;

	if (w->dead || w->ended)
		return -1;
	if (!w->ssl) {
		got = recv(w->fd, to, room, MSG_DONTWAIT);
		w->ended = got == 0;
		return got > 0 ? got : got == 0 ? -1 : plain_outcome(w);
	}
	ERR_clear_error();
	code = SSL_read_ex(w->ssl, to, room, &n);
	if (code <= 0)
		return tls_outcome(w, code, &w->read_wants_out, SSL_ERROR_WANT_WRITE);
	w->read_wants_out = false;
	return (ssize_t)n;
}

ssize_t
wire_write(struct wire *w, struct span s)
{
	size_t  n = 0;
	ssize_t sent;
	int     code;

	if (w->dead)
		return -1;
	if (s.len == 0)
		return 0;
	if (!w->ssl) {
		sent = send(w->fd, s.at, s.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		return sent >= 0 ? sent : plain_outcome(w);
	}
	ERR_clear_error();
	code = SSL_write_ex(w->ssl, s.at, s.len, &n);
	if (code <= 0)
		return tls_outcome(w, code, &w->write_wants_in, SSL_ERROR_WANT_READ);
	w->write_wants_in = false;
	return (ssize_t)n;
}

bool
wire_pending(const struct wire *w)
{
	return w->ssl && !w->dead && !w->ended && SSL_pending(w->ssl) > 0;
}

unsigned
wire_wants(const struct wire *w, unsigned events)
{
	return events | (events & POLLER_IN && w->read_wants_out ? POLLER_OUT : 0u) |
	       (events & POLLER_OUT && w->write_wants_in ? POLLER_IN : 0u);
}
